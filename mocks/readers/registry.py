"""The formats that can be read, and how to tell them apart."""

import functools
import inspect
from pathlib import Path

import h5py

from mocks.ideal.files import is_ideal_image
from mocks.plugins import load_plugins
from mocks.readers.base import Fingerprint, Format, Snapshot
from mocks.readers.formats.camels import open_pair, pair_in
from mocks.readers.formats.eagle import is_eagle_folder, open_eagle
from mocks.readers.formats.extract import open_extract
from mocks.readers.formats.gadget import open_gadget
from mocks.readers.formats.illustris import is_snapshot_folder, open_illustris
from mocks.readers.formats.ramses import is_output_folder, open_ramses
from mocks.readers.formats.swift import open_swift
from mocks.readers.hdf5.headers import RUNS
from mocks.readers.hdf5.layout import CHUNK
from mocks.readers.hdf5.snapshot import ALIASES, open_hdf5
from mocks.readers.hdf5.statements import header_of

__all__ = ["SIMULATIONS", "fingerprint", "formats", "open_snapshot", "recognise", "run_problems"]

PLUGIN_GROUP = "simcompare.simulations"
# Files of a pair tell births so (SIMBA in CAMELS as GIZMO does), and not which galaxy a star is of
PAIR_BIRTHS = frozenset({"GFM_StellarFormationTime", "StellarFormationTime"})
PAIR_NUMBERS = frozenset({"SubGroupNumber", *ALIASES["galaxy_number"]})
TODAY = 1e-3  # a redshift that is 0 but for rounding
HDF5_ENDINGS = (".hdf5", ".h5")
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def fingerprint(path: Path) -> Fingerprint:
    """Look at a path without reading its data.

    Raises
    ------
    FileNotFoundError
        When there is no such path.
    OSError
        When it is a damaged HDF5 file.
    """
    path = Path(path)
    empty = {"names": frozenset(), "header": {}, "stars": frozenset(), "attributes": frozenset()}
    if path.is_dir():
        return Fingerprint(
            **(empty | {"path": path, "kind": "folder", "names": frozenset(e.name for e in path.iterdir())})
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    with path.open("rb") as file:
        start = file.read(8)
    if is_ideal_image(path):
        return Fingerprint(**(empty | {"path": path, "kind": "fits"}))
    if start != HDF5_SIGNATURE and not h5py.is_hdf5(path):  # which looks behind a user's block
        if path.suffix.lower() in HDF5_ENDINGS:
            size = path.stat().st_size
            raise OSError(f"{path} is not an HDF5 file ({size} bytes); cut short or damaged? Fetch it again.")
        return Fingerprint(**(empty | {"path": path, "kind": "other"}))
    with open_hdf5(path) as file:
        group = file.get("PartType4")
        stars = frozenset(group) if isinstance(group, h5py.Group) else frozenset()
        position = group.get("Coordinates") if stars else None
        return Fingerprint(
            path=path,
            kind="hdf5",
            names=frozenset(file),
            header=header_of(file),
            stars=stars,
            attributes=frozenset() if position is None else frozenset(position.attrs),
        )


def _label(seen: Fingerprint) -> str:
    return str(seen.header.get("RunLabel", "")).lower()


def _single(seen: Fingerprint) -> bool:
    """Whether a path is an HDF5 file that is whole; some extracts keep the file count of their source."""
    is_chunk = seen.header.get("NumFilesPerSnapshot", 1) != 1 and CHUNK.fullmatch(seen.path.name) is not None
    return seen.kind == "hdf5" and not is_chunk


def _is_pair(seen: Fingerprint) -> bool:
    births, numbers = seen.stars & PAIR_BIRTHS, seen.stars & PAIR_NUMBERS
    is_file = _single(seen) and births and not numbers and "CutoutID" not in seen.header
    return (is_file or seen.kind == "folder") and pair_in(seen.path) is not None


def _is_illustris_extract(seen: Fingerprint) -> bool:
    return _single(seen) and "GFM_StellarFormationTime" in seen.stars and not _is_pair(seen)


def _is_swift(seen: Fingerprint) -> bool:
    return seen.kind == "hdf5" and "BirthScaleFactors" in seen.stars


def _is_magneticum(seen: Fingerprint) -> bool:
    return _single(seen) and "magneticum" in _label(seen)


def _is_horizon(seen: Fingerprint) -> bool:
    return _single(seen) and ("horizon" in _label(seen) or "unit_d" in seen.header) and bool(seen.stars)


def _is_eagle_extract(seen: Fingerprint) -> bool:
    eagle = {"Mass", "StellarFormationTime"} <= seen.stars
    return _single(seen) and eagle and not _is_horizon(seen) and not _is_magneticum(seen)


def _is_gadget(seen: Fingerprint) -> bool:
    """Any Gadget-like file with stars that have birth times; or the folder of its chunks."""
    if seen.kind == "folder":
        chunks = {name: CHUNK.fullmatch(name) for name in seen.names}
        firsts = [name for name, chunk in chunks.items() if chunk and chunk[2] == "0"]
        return len(firsts) == 1 and "NumPart_Total" in fingerprint(seen.path / firsts[0]).header
    return seen.kind == "hdf5" and bool(seen.stars & set(ALIASES["birth"]))


def _extract(name: str, description: str, looks_like: str, matches) -> Format:
    opener = functools.partial(open_extract, format=name)
    return Format(description=description, looks_like=looks_like, matches=matches, open=opener)


# One entry per format; a new one is a module and a line here, and the shared tests run it.
SIMULATIONS: dict[str, Format] = {
    "illustris": Format(
        description="Illustris and IllustrisTNG: chunked snapshots with group catalogue and offsets",
        looks_like="folder with snapdir_NNN/ and groups_NNN/, or one snapdir_NNN/ or chunk of it",
        matches=is_snapshot_folder,
        open=open_illustris,
    ),
    "eagle": Format(
        description="EAGLE: chunked snapshots with hash tables, with or without their subfind catalogue",
        looks_like="folder snapshot_NNN_zZZZpZZZ, or one chunk of it",
        matches=is_eagle_folder,
        open=open_eagle,
    ),
    "camels": Format(
        description="CAMELS and other single-file snapshots with a single-file subhalo catalogue",
        looks_like="two HDF5 files in a folder, one with PartType4, one with Subhalo",
        matches=_is_pair,
        open=open_pair,
    ),
    "ramses": Format(
        description="RAMSES (Horizon-AGN, NewHorizon, ...): star particles of part files, old and new layout",
        looks_like="folder output_NNNNN with info_NNNNN.txt and part_NNNNN.outCCCCC",
        matches=is_output_folder,
        open=open_ramses,
    ),
    "illustris-extract": _extract(
        "illustris-extract",
        "API cutouts and other single files of Illustris and IllustrisTNG",
        "HDF5 file with PartType4/GFM_StellarFormationTime",
        _is_illustris_extract,
    ),
    "eagle-extract": _extract(
        "eagle-extract",
        "single files of EAGLE particles, one galaxy or several by group numbers",
        "HDF5 file with PartType4/Mass and PartType4/StellarFormationTime",
        _is_eagle_extract,
    ),
    "horizon-agn-extract": _extract(
        "horizon-agn-extract",
        "galaxies of Horizon-AGN turned into HDF5",
        "HDF5 file with PartType4 and RunLabel Horizon-AGN, or unit_d, in its Header",
        _is_horizon,
    ),
    "swift": Format(
        description="SWIFT (COLIBRE, FLAMINGO): snapshots by cells and SOAP catalogue, and extracts",
        looks_like="HDF5 file with PartType4/BirthScaleFactors",
        matches=_is_swift,
        open=open_swift,
    ),
    "magneticum-extract": _extract(
        "magneticum-extract",
        "galaxies of Magneticum turned into HDF5",
        "HDF5 file with PartType4 and RunLabel Magneticum in its Header",
        _is_magneticum,
    ),
    "gadget": Format(
        description="any other Gadget or Gizmo snapshot (SIMBA, FIRE, ...), units by attributes or as told",
        looks_like="HDF5 file with PartType4/StellarFormationTime",
        matches=_is_gadget,
        open=open_gadget,
    ),
}


@functools.cache
def _plugins() -> dict[str, Format]:
    """Load the formats that other installed packages offer."""
    return load_plugins(PLUGIN_GROUP, Format, "mocks.readers.Format", SIMULATIONS)


def formats() -> dict[str, Format]:
    """List all formats by name: of plug-ins (entry points in ``simcompare.simulations``), then our own."""
    return _plugins() | SIMULATIONS


def _known() -> str:
    return "\n".join(f"  {name}: {entry.looks_like}" for name, entry in formats().items())


def recognise(path: str | Path) -> str:
    """Format of a file or folder, found from itself.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    str
        Key of `SIMULATIONS`.

    Raises
    ------
    FileNotFoundError
        When there is no such path.
    OSError
        When it is damaged.
    ValueError
        When no format fits.
    """
    seen = fingerprint(Path(path))
    if seen.kind == "fits":
        raise ValueError(
            f"{path} is a FITS image, not a snapshot; read it with mocks.readers.read_ideal_image."
        )
    for name, entry in formats().items():
        if entry.matches(seen):
            return name
    if seen.names & {"Subhalo", "Group"} and not seen.stars:
        raise ValueError(
            f"{path} is a group catalogue, without the stars that it lists; lay it beside its snapshot, and "
            "give the snapshot's file or the folder of both."
        )
    content = ", ".join(sorted(seen.names)[:12]) or f"not HDF5, {seen.kind}"
    raise ValueError(
        f"{path} is in no known simulation format (found: {content}).\nKnown formats:\n{_known()}\n"
        "Name one with simulation= (--simulation on the command line), or read your own arrays in Python "
        "with mocks.readers.galaxy_from_arrays."
    )


def open_snapshot(
    path: str | Path, simulation: str | None = None, *, check: bool = True, **options
) -> Snapshot:
    """Open one output of one simulation, and examine that its files are complete and fit together.

    Parameters
    ----------
    path : str or Path
        File or folder.
    simulation : str, optional
        Key of `SIMULATIONS` to read it in that format whatever it looks like, or the name of a published run
        (`mocks.readers.RUNS`) when the file does not tell. Recognised from the path when left out.
    check : bool
        Whether files are examined (`Snapshot.problems`); not needed for one that was examined before.
    **options
        Of the format's opener: ``name`` of a new run, ``snapshot`` number, ``gas``, ``centre``, ...

    Raises
    ------
    FileNotFoundError
        When the path, or a file that belongs to it, does not exist.
    OSError
        When a file is damaged.
    ValueError
        For an unknown simulation or format, options the format does not have, or files that are incomplete
        or contradict each other.
    """
    known = formats()
    if simulation in known:
        entry_name, run = simulation, None
    elif simulation is None or simulation in RUNS:
        entry_name, run = recognise(path), simulation
    else:
        raise ValueError(
            f"unknown simulation {simulation!r}. Formats: {', '.join(known)}. Runs: {', '.join(RUNS)}. "
            "For a new run leave simulation out, or name its format, and pass name= (--name)."
        )
    options = {"simulation": run} | options
    if "name" in options:
        options["simulation"] = options.pop("name")
    try:
        snapshot = known[entry_name].open(Path(path), **options)
    except TypeError as error:
        if "unexpected keyword" in str(error):
            allowed = inspect.signature(known[entry_name].open).parameters.values()
            names = [item.name for item in allowed if item.kind is item.KEYWORD_ONLY]
            names = ", ".join(name for name in names if name not in ("format", "units", "header"))
            raise ValueError(f"format {entry_name}: {error}; it has {names}.") from error
        raise
    if not isinstance(snapshot, Snapshot):
        return snapshot
    snapshot = snapshot.watched()
    if check and (problems := [*run_problems(snapshot), *snapshot.problems()]):
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ValueError(f"{problems[0]}{more}")
    return snapshot


def run_problems(snapshot: Snapshot) -> list[str]:
    """Say where an output contradicts the published run whose name it has.

    Returns
    -------
    list of str
        Both values; empty when nothing does, or the run is not one of `mocks.readers.RUNS`. CAMELS is a name
        of many runs, each of its own cosmology.
    """
    run = RUNS.get(snapshot.simulation)
    if run is None or run.family == "camels":
        return []
    cosmology, number, z = snapshot.cosmology, snapshot.snapshot, snapshot.redshift
    side = getattr(snapshot, "box_size", None)
    box = None if side is None else side * (1.0 + z) * cosmology.h / 1e3
    found = run.contradictions(cosmology.h, cosmology.Om0, box)
    is_last = number == run.last
    if run.last is not None and number and (number > run.last or is_last != (z < TODAY)):
        found.append(f"snapshot {number} is at redshift {z:.4g}, number {run.last} is that of redshift 0")
    other = "Another run? Give it a name of its own (--reader name=...). A damaged header? Correct it."
    return [f"{snapshot.path}: not {snapshot.simulation}: {text}. {other}" for text in found]
