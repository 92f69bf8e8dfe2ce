"""The run folder: what was asked, what was done, with what, and what failed."""

import hashlib
import json
import logging
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TextIO

import tomli_w
from astropy.table import Table

from simcompare import __version__
from simcompare.runs.documents import read_json_object, read_toml
from simcompare.runs.failures import FailureKind
from simcompare.runs.files import explained, fingerprint, open_own, remove_leftovers, write_text
from simcompare.runs.ledger import PRODUCTS, Ledger, digest
from simcompare.runs.lock import lock_folder
from simcompare.runs.names import PrintableFormatter, printable
from simcompare.runs.tables import write_table
from simcompare.settings import FAILURES, WHERE_AND_HOW, Settings

__all__ = [
    "Run",
    "changed_settings",
    "open_run",
    "read_config",
    "read_provenance",
    "read_settings",
    "runs_behind",
]

logger = logging.getLogger(__name__)

_PACKAGES = ("torch", "nflows", "numpy", "scipy", "astropy", "h5py", "illustris_python", "numba", "photutils")
_SCHEMA = 3  # of config.toml; from 3 on it ends with its hash
_SEAL = "# SHA-256 of the lines above: "
_RUNS_IN = ("images", "model", "background", "init", "scores", "conditions", "run")
_NO_PRODUCTS = {
    "config.toml", "provenance.json", "run.log", "run.lock", FAILURES, "stamps.reading",
    "products.json",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run folder.

    Parameters
    ----------
    folder : pathlib.Path
    verb : str
        Command that works in it.
    settings : Settings
        Resolved configuration of that command.
    """

    folder: Path
    verb: str
    settings: Settings

    def ledger(self, files: Iterable[Path], *further: str) -> Ledger:
        """Finished products of this run, as made from its settings, files and hashes of other things."""
        return Ledger(self.folder / PRODUCTS, digest(self.settings, files, *further))

    def record_tables(self, *names: str) -> None:
        """Note the hashes of finished products, given by their paths in the folder, and of its tables."""
        tables = [path for path in (self.folder / "tables").iterdir() if path.suffix in (".ecsv", ".json")]
        self.ledger([]).record(*names, *(path.relative_to(self.folder).as_posix() for path in tables))

    def write_failures(self, failures: Iterable[dict]) -> None:
        """List what could not be done, one row each with its reason, in ``failures.ecsv``.

        Parameters
        ----------
        failures : iterable of dict
            ``source``, ``galaxy_id``, ``reason`` and ``kind``, a `FailureKind`; default: left out by a rule.
        """
        names = ("source", "galaxy_id", "reason", "kind")
        usual = dict.fromkeys(names, "") | {"kind": FailureKind.LEFT_OUT}
        rows = [{name: printable((usual | failure)[name]) for name in names} for failure in failures]
        path = self.folder / FAILURES
        if not rows:
            path.unlink(missing_ok=True)
            return
        write_table(Table(rows=rows, names=names), path)
        kinds = Counter(row["kind"] for row in rows)
        if kinds[FailureKind.LEFT_OUT]:
            logger.warning("%d left out; reasons in %s", kinds[FailureKind.LEFT_OUT], path)
        if kinds[FailureKind.INPUT]:
            logger.warning("%d inputs failed; reasons in %s", kinds[FailureKind.INPUT], path)
        if kinds[FailureKind.MAY_PASS]:
            logger.warning(
                "%d inputs could not be read this time; reasons in %s. Run the same command again.",
                kinds[FailureKind.MAY_PASS], path,
            )  # fmt: skip


@contextmanager
def open_run(
    folder: str | Path, verb: str, settings: Settings, inputs: Iterable[Path], *, replace: bool = False
) -> Iterator[Run]:
    """Open a run folder for one command, new or to be resumed.

    Writes ``config.toml`` and ``provenance.json`` and logs to ``run.log`` while the block runs. No other
    process can open the folder meanwhile.

    Parameters
    ----------
    folder : path
        Created when it does not exist.
    verb : str
        Command, for example ``"mock"``.
    settings : Settings
        Resolved configuration.
    inputs : iterable of path
        Files and folders read; each must exist and is fingerprinted.
    replace : bool
        Whether a run of the same command with other settings gives way; for commands that make all
        their products anew.

    Raises
    ------
    FileNotFoundError
        When an input is missing.
    ValueError
        When the folder holds a run of another command or with other settings.
    OSError
        When the folder cannot be written, or another process works in it.
    """
    inputs = [Path(path) for path in inputs]
    for path in inputs:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; check the path given to '{verb}'.")
        if not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path} is a pipe or a device; '{verb}' reads files and folders.")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; --out must be a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, folder) from error
    config = _portable(verb, settings, folder)
    with lock_folder(folder, verb):
        _refuse_other_run(folder, config, replace)
        remove_leftovers(folder)
        write_text(folder / "config.toml", _sealed(tomli_w.dumps(config)))
        provenance = _provenance(folder, verb, settings, inputs)
        write_text(folder / "provenance.json", json.dumps(provenance, indent=1))
        with _log_file(folder / "run.log"):
            logger.info("simcompare %s %s in %s", __version__, verb, folder)
            home = os.stat(folder)
            yield Run(folder, verb, settings)
            _refuse_moved(folder, home)


def _refuse_moved(folder: Path, home: os.stat_result) -> None:
    """Raise when another folder, or none, has the name of the one that a run began in."""
    if not folder.is_dir() or not os.path.samestat(os.stat(folder), home):
        raise OSError(
            f"{folder} was moved or removed while the command worked in it; its products may lie in two "
            "places. Put it back and run the command again."
        )


def read_provenance(folder: str | Path) -> dict:
    """Provenance of a run folder, empty when it has none."""
    path = Path(folder) / "provenance.json"
    return read_json_object(path) if path.is_file() else {}


def read_settings(folder: str | Path) -> dict:
    """Read the settings of the command that made a run folder; raises as `read_config` does."""
    return read_config(folder)[1]


def read_config(folder: str | Path) -> tuple[str, dict]:
    """Read which command made a run folder, and its settings.

    Paths are stored from the run folder on, so that a run can be read from any folder and be moved together
    with its data; a run that was moved alone looks for them where it was made.

    Raises
    ------
    FileNotFoundError
        When the folder is not a run.
    """
    path = Path(folder) / "config.toml"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; {folder} is not a run folder of simcompare.")
    config = _checked_config(path)
    return config["verb"], _located(config, Path(folder))


def _sealed(text: str) -> str:
    """Add the hash of the settings as a last line, so that a damaged file is noticed."""
    return f"{text}{_SEAL}{hashlib.sha256(text.encode()).hexdigest()}\n"


def _check_seal(path: Path, schema: object) -> None:
    """Refuse settings that are not those that were written; older runs have no hash."""
    settings, seal, digest = path.read_bytes().rpartition(_SEAL.encode())
    problem = ""
    if seal and digest.strip() != hashlib.sha256(settings).hexdigest().encode():
        problem = "is not what was written: its hash, in the last line, is another"
    elif not seal and schema == _SCHEMA:
        problem = "was cut off: its last line, the hash of the others, is missing"
    if problem:
        raise ValueError(f"{path} {problem}. Restore it from a copy, or make the run again in a new folder.")


def _checked_config(path: Path) -> dict:
    """Content of a ``config.toml`` of the form that `_portable` makes."""
    config = read_toml(path)
    _check_seal(path, config.get("schema"))
    verb, paths = config.get("verb"), config.get("paths", [])
    settings = config.get(verb) if isinstance(verb, str) else None
    problem = ""
    if not isinstance(settings, dict) or not isinstance(paths, list):
        problem = f"no settings of its verb ({verb!r})"
    else:
        values = {str(name): settings.get(name) if isinstance(name, str) else None for name in paths}
        wrong = [name for name, value in values.items() if not _is_path_like(value)]
        problem = f"no path {', '.join(wrong)}" if wrong else ""
    if problem:
        raise ValueError(f"{path} is damaged: {problem} in it; make the run again in a new folder.")
    return config


def _is_path_like(value: object) -> bool:
    """Whether a value is a path, or a list of them, as text."""
    return all(isinstance(each, str) for each in (value if isinstance(value, list) else [value]))


def _portable(verb: str, settings: Settings, folder: Path) -> dict:
    """Content of ``config.toml``, with paths that exist as seen from the run folder."""
    values, names = settings.as_dict(), [name for name in settings.path_names() if name in settings.as_dict()]
    home = os.path.realpath(folder)

    def seen(path: str) -> str:
        return os.path.relpath(path, home) if os.path.exists(path) else path  # else a shipped model's name

    for name in names:
        value = values[name]
        values[name] = seen(value) if isinstance(value, str) else [seen(each) for each in value]
    return {"verb": verb, "schema": _SCHEMA, "paths": names, verb: values}


def _located(config: dict, folder: Path) -> dict:
    """Give the settings of a ``config.toml`` with paths that can be opened from anywhere."""
    values = dict(config.get(config.get("verb"), {}))
    homes = [os.path.realpath(folder), read_provenance(folder).get("folder", "")]

    def found(path: str) -> str:
        places = [os.path.normpath(os.path.join(home, path)) for home in homes if home]
        there = [place for place in places if os.path.exists(place)]
        return there[0] if there else places[0] if os.path.dirname(path) else path

    for name in config.get("paths", ()):
        value = values[name]
        values[name] = found(value) if isinstance(value, str) else [found(each) for each in value]
    return values


def runs_behind(folder: str | Path) -> list[Path]:
    """Find the runs that a run was made from.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    list of pathlib.Path
        The run itself first; those that are missing are left out.

    Raises
    ------
    FileNotFoundError
        When the folder is not a run.
    """
    read_config(folder)
    runs, waiting = {}, [Path(folder)]
    while waiting:
        each = waiting.pop(0)
        if each in runs or not (each / "config.toml").is_file():
            continue
        runs[each] = None
        settings = read_config(each)[1]
        for name in _RUNS_IN:
            value = settings.get(name, [])
            waiting += [Path(path) for path in ([value] if isinstance(value, str) else value)]
    return list(runs)


def _refuse_other_run(folder: Path, config: dict, replace: bool) -> None:
    """Raise when the folder was made by another command or with other settings."""
    path = folder / "config.toml"
    if not path.is_file() or {item.name for item in folder.iterdir()} <= _NO_PRODUCTS:
        return
    old = _checked_config(path)
    verb = config["verb"]
    if old.get("verb") != verb:
        raise ValueError(f"{folder} holds a '{old.get('verb')}' run; give '{verb}' another --out.")
    if replace:
        return
    differ = _differences(old, config, folder)
    if differ:
        raise ValueError(
            f"{folder} was made with other settings ({'; '.join(differ)}); "
            "choose another --out, or delete the folder to start again."
        )


def _differences(old: dict, config: dict, folder: Path) -> list[str]:
    """Say which settings that results depend on differ between two contents of ``config.toml``."""
    before, now = _located(old, folder), _located(config, folder)
    return [
        f"{key} = {before.get(key)!r} there, {now.get(key)!r} now"
        for key in sorted((before.keys() | now.keys()) - WHERE_AND_HOW)
        if before.get(key) != now.get(key)
    ]


def changed_settings(folder: str | Path, verb: str, settings: Settings) -> list[str]:
    """Say which settings of a run folder are not those that are wanted now.

    Parameters
    ----------
    folder : path
        Run folder.
    verb : str
    settings : Settings

    Returns
    -------
    list of str
        Name, old and new value of each, of those that results depend on; empty where the folder holds no
        products, or a run of another command.
    """
    folder = Path(folder)
    path = folder / "config.toml"
    if not path.is_file() or {item.name for item in folder.iterdir()} <= _NO_PRODUCTS:
        return []
    old = _checked_config(path)
    return _differences(old, _portable(verb, settings, folder), folder) if old.get("verb") == verb else []


def _provenance(folder: Path, verb: str, settings: Settings, inputs: list[Path]) -> dict:
    """Versions, machine, command and input fingerprints of this run."""
    installed = {}
    for package in _PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed[package] = "not installed"
    return {
        "verb": verb,
        "folder": os.path.realpath(folder),
        "simcompare": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": installed,
        "settings": settings.as_dict(),
        "inputs": {str(path): fingerprint(path) for path in inputs},
    }


class _LogFile(logging.FileHandler):
    """Log file that stops quietly when the disk is full: the command itself reports the error."""

    def _open(self) -> TextIO:
        """Open the file for appending."""
        descriptor = open_own(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        return os.fdopen(descriptor, self.mode, encoding=self.encoding)

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore an error while writing a log line."""


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Copy the log of our packages to a file while the block runs."""
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("simcompare", "mocks", "flows")]
    for each in loggers:
        each.addHandler(handler)
    try:
        yield
    except BaseException:
        # Into the file alone: on the terminal the command line says it in one line.
        record = logger.makeRecord(logger.name, logging.ERROR, __file__, 0, "stopped", (), sys.exc_info())
        handler.handle(record)
        raise
    finally:
        for each in loggers:
            each.removeHandler(handler)
        handler.close()
