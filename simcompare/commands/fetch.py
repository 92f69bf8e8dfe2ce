"""The command that fetches: from settings and a table of targets to the files of an archive."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
from astropy.table import Table

from simcompare.archives import ARCHIVES, FetchError, Item, Transfer, fetch, fetch_items
from simcompare.archives.queries import most_rows
from simcompare.archives.services import hsc_bulk_list, sdss_galaxy_query, transfer_for
from simcompare.commands.planning.dry_run import Shape, Work
from simcompare.observed.names import coordinate_name
from simcompare.observed.places import read_table
from simcompare.runs.documents import read_json_object
from simcompare.runs.files import remove_leftovers, write_text
from simcompare.runs.tables import write_table
from simcompare.settings import FetchSettings

__all__ = ["failure_tables", "fetch_archive", "messages", "work_of_fetch"]

logger = logging.getLogger(__name__)

_FILE_PER_BAND = ("sdss-frame", "hsc-cutout", "hsc-psf")
_BULK = {"hsc-cutout-bulk": False, "hsc-psf-bulk": True}  # whether it gives PSFs
_LINES_PER_LIST = 1000
_SEARCHES = ("sdss-catalogue", "tng-subhalos")  # one answer, which depends on the query alone
_BYTES_PER_SECOND = 1e7


def fetch_archive(settings: FetchSettings) -> str:
    """Fetch the files that the settings name, as far as they are not there yet.

    Returns
    -------
    str
        What was done, or with ``dry_run`` what would be; files that could not be had also stand in
        ``failures-<archive>.ecsv`` with the reason.

    Raises
    ------
    FetchError
        When no file could be had, or the server refuses the account.
    FileNotFoundError, ValueError
        For an unknown archive, a missing table, a missing field or account, or when the answer to another
        query lies in the folder.
    """
    if settings.archive == "list":
        return "\n".join(f"{name:16s} {archive.base}" for name, archive in ARCHIVES.items())
    items = _items(settings)
    if settings.archive in _SEARCHES:
        _refuse_other_query(items[0], settings.out)
    transfer = Transfer(workers=settings.parallel, rate=settings.rate or ARCHIVES[settings.archive].rate)
    wanted = {item.path: item for item in items}
    missing = [item for path, item in wanted.items() if not (settings.out / path).is_file()]
    size = sum(item.size or item.estimate for item in missing)
    if settings.dry_run:
        return (
            f"{len(missing)} files to fetch, about {size / 1e9:.3g} GB, at least "
            f"{len(missing) / transfer.rate / 60:.0f} min at {transfer.rate:g} requests a second; "
            f"{len(items) - len(missing)} are there or asked for twice"
        )
    report = fetch(
        items, settings.out, transfer_for(settings.archive, transfer), report_every=settings.report_every
    )
    if settings.archive in _SEARCHES and report.fetched:
        write_text(_query_note(items[0], settings.out), _query_of(items[0]))
    (failures,) = failure_tables(settings)
    failures.unlink(missing_ok=True)
    remove_leftovers(failures)
    if report.failed:
        write_table(Table(rows=report.failed), failures)
        if not report.fetched and not report.present:
            raise FetchError(f"none of {len(report.failed)} files; the first: {report.failed[0]['reason']}")
    return (
        f"{len(report.fetched)} files fetched ({report.bytes / 1e6:.1f} MB), {len(report.present)} there, "
        f"{len(report.failed)} failed, in {settings.out}"
    )


def _items(settings: FetchSettings) -> list[Item]:
    """Files that the settings name."""
    try:
        return fetch_items(settings.archive, _targets(settings), settings.base)
    except ValueError as error:
        raise ValueError(f"{error} Fields are columns of --targets, --field key=value, or --bands.") from None


def _query_of(item: Item) -> str:
    """Query of an address, whatever the server."""
    return item.url.partition("?")[2]


def _query_note(item: Item, folder: Path) -> Path:
    """File beside an answer that holds its query."""
    return folder / f"{item.path}.query"


def _refuse_cut_answer(path: Path, n_rows: int) -> None:
    """Refuse an answer with as many rows as its query may give: the archive chose what it left out."""
    note = path.with_name(f"{path.name}.query")
    if not note.is_file():
        return
    most = most_rows(parse_qs(note.read_text(encoding="utf-8")).get("cmd", [""])[0])
    if most is not None and n_rows >= most:
        raise ValueError(
            f"{path}: lists {n_rows} galaxies, the most that its query asked for (limit), so that others are "
            "missing and not by chance; delete it and fetch it with a larger limit; for a part of them, take "
            "every n-th of --targets."
        )


def _refuse_other_query(item: Item, folder: Path) -> None:
    """Refuse to take the answer to another query for that to this one."""
    answer, note = folder / item.path, _query_note(item, folder)
    if answer.is_file() and note.is_file() and note.read_text(encoding="utf-8") != _query_of(item):
        raise ValueError(
            f"{answer} answers another query (in {note.name}); give another --out, or delete it and what was "
            "fetched for its galaxies."
        )


def work_of_fetch(settings: FetchSettings, coming: dict[Path, Shape]) -> Work:
    """Files that are missing, their size, and the time of their download; tables may be still to come."""
    archive, expected = ARCHIVES.get(settings.archive), coming.get(settings.targets)
    rate = settings.rate or (archive.rate if archive else 1)
    if expected is None:
        items = list({item.path: item for item in _items(settings)}.values())
        missing = [item for item in items if not (settings.out / item.path).is_file()]
        n, size = len(missing), sum(item.size or item.estimate for item in missing)
        n_targets = len(_rows(settings.targets)[:: settings.every]) if settings.targets else len(items)
    else:
        n_targets, first = -(-expected.n // settings.every), _first(settings)
        n_bands = len(settings.bands or "r")
        n = n_targets * (n_bands if settings.archive in _FILE_PER_BAND else 1)
        if settings.archive in _BULK:
            n = -(-n_targets // max(1, _LINES_PER_LIST // n_bands))
        size = n * first.estimate
    if settings.archive in _SEARCHES and n:
        coming[settings.out / _items(settings)[0].path] = Shape(settings.limit, 0)
    elif n and archive.galaxies:
        there = coming.get(settings.out, Shape(0, 0))
        coming[settings.out] = replace(there, n=max(there.n, n_targets * archive.galaxies))
    return Work(n, size, n / rate + size / _BYTES_PER_SECOND)


def _first(settings: FetchSettings) -> Item:
    """File of a target that is made up, for its size."""
    made_up = {"ra": 0.0, "dec": 0.0, "run": 1, "camcol": 1, "field": 1, "subhalo": 1, "galaxy_id": 1}
    return next(iter(fetch_items(settings.archive, _with_bands(settings, [made_up]), settings.base)))


def failure_tables(settings: FetchSettings) -> list[Path]:
    """Name the table of files that could not be had."""
    return [settings.out / f"failures-{settings.archive}.ecsv"]


def _targets(settings: FetchSettings) -> Iterator[dict]:
    """Fields of each file."""
    if settings.archive not in ARCHIVES:
        raise ValueError(f"archive {settings.archive!r} is unknown; choose from {', '.join(ARCHIVES)}.")
    if settings.archive == "sdss-catalogue":
        sql = sdss_galaxy_query(settings.redshift, settings.log_stellar_mass, settings.limit, settings.region)
        return iter([{"sql": sql, **_shared(settings)}])
    if settings.archive == "tng-subhalos":
        cut = {"log_stellar_mass": settings.log_stellar_mass, "limit": settings.limit}
        return iter([cut | _shared(settings)])
    return _with_bands(settings, _rows(settings.targets)[:: settings.every] if settings.targets else [{}])


def _shared(settings: FetchSettings) -> dict[str, object]:
    """Fields that all files have in common."""
    shared = dict(_pair(text) for text in settings.field)
    return shared | ({"release": settings.release} if settings.release else {})


def _with_bands(settings: FetchSettings, targets: Sequence[dict]) -> Iterator[dict]:
    """Fields of each file of some targets."""
    shared = _shared(settings)
    rows = [row | shared for row in targets]
    for row in rows:
        if "name" not in row and "ra" in row and "dec" in row:
            row["name"] = coordinate_name("J", float(row["ra"]), float(row["dec"]))
    bands = settings.bands
    if settings.archive in _BULK:
        return _lists(rows, bands, shared, _BULK[settings.archive])
    if settings.archive in _FILE_PER_BAND and bands:
        return iter([row | {"band": band} for row in rows for band in bands])
    return iter([row | ({"bands": bands} if bands else {}) for row in rows])


def _pair(text: str) -> tuple[str, object]:
    """Key and value of ``key=value``; whole numbers become int."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ValueError(f"--field {text!r} is not key=value.")
    return key.strip(), int(value) if value.strip().lstrip("-").isdigit() else value.strip()


def _rows(path: Path) -> list[dict]:
    """Rows of a table, its columns under their names in small letters, without what is masked."""
    if path.suffix.lower() == ".json":
        return _subhaloes(path)
    table, rows = read_table(path), []
    if not len(table):
        raise ValueError(f"{path}: a table without rows.")
    _refuse_cut_answer(path, len(table))
    placed = [name for name in table.colnames if name.lower() in ("ra", "dec")]
    known = ~np.any([np.ma.getmaskarray(np.ma.asarray(table[name])) for name in placed], axis=0)
    if placed and not known.all():
        logger.warning("%s: %d of %d rows have no position", path, np.count_nonzero(~known), len(table))
        table = table[known]
        if not len(table):
            raise ValueError(f"{path}: no row has a position (columns {', '.join(placed)}).")
    for row in table:
        values = {name.lower(): row[name] for name in table.colnames if not np.ma.is_masked(row[name])}
        rows.append(
            {key: value.item() if isinstance(value, np.generic) else value for key, value in values.items()}
        )
    return rows


def _subhaloes(path: Path) -> list[dict]:
    """Numbers of the galaxies that a search of the TNG site found."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; 'simcompare fetch tng-subhalos' makes such lists.")
    content = read_json_object(path)
    results, count = content.get("results"), content.get("count")
    is_list = isinstance(results, list) and all(isinstance(each, dict) for each in results)
    if not is_list or not all(type(each.get("id")) is int for each in results):
        raise ValueError(f"{path}: no list of subhaloes ('results', each with a number 'id').")
    if not results:
        raise ValueError(f"{path}: no subhalo fulfils the search; lower --log-stellar-mass.")
    if isinstance(count, int) and count > len(results):
        raise ValueError(
            f"{path}: lists {len(results)} of {count} subhaloes; delete it and fetch it with a limit of "
            f"{count}; for a part of them, take every n-th of --targets."
        )
    return [{"subhalo": each["id"]} for each in results]


def _lists(rows: list[dict], bands: str | None, shared: dict, psf: bool) -> Iterator[dict]:
    """Make the lists for a bulk service; those of cut-outs and of PSFs agree line by line."""
    if not bands or not all("ra" in row and "dec" in row for row in rows):
        raise ValueError("HSC's bulk service needs --targets with ra and dec, and --bands.")
    step = max(1, _LINES_PER_LIST // len(bands))
    options = {key: shared[key] for key in ("rerun", "half_width") if key in shared}
    for number, start in enumerate(range(0, len(rows), step)):
        wanted = [row | {"band": band} for row in rows[start : start + step] for band in bands]
        yield {"name": f"hsc-{number:04d}", "list": hsc_bulk_list(wanted, psf=psf, **options), **shared}


def messages(settings: FetchSettings, summary: str) -> Iterator[str]:
    """Report what was done."""
    yield summary
