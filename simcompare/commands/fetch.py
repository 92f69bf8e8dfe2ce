"""The command that fetches: from settings and a table of targets to the files of an archive."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare.archives import ARCHIVES, FetchError, Transfer, fetch, fetch_items
from simcompare.archives.services import hsc_bulk_list, sdss_galaxy_query, transfer_for
from simcompare.observed.names import coordinate_name
from simcompare.observed.places import read_table
from simcompare.runs.files import remove_leftovers
from simcompare.runs.tables import write_table
from simcompare.settings import FetchSettings

__all__ = ["failure_tables", "fetch_archive", "messages"]

logger = logging.getLogger(__name__)

_FILE_PER_BAND = ("sdss-frame", "hsc-cutout", "hsc-psf")
_BULK = {"hsc-cutout-bulk": False, "hsc-psf-bulk": True}  # whether it gives PSFs
_LINES_PER_LIST = 1000


def fetch_archive(settings: FetchSettings) -> str:
    """Fetch the files that the settings name, as far as they are not there yet.

    Parameters
    ----------
    settings : FetchSettings

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
        For an unknown archive, a missing table, a missing field or account.
    """
    if settings.archive == "list":
        return "\n".join(f"{name:16s} {archive.base}" for name, archive in ARCHIVES.items())
    try:
        items = fetch_items(settings.archive, _targets(settings), settings.base)
    except ValueError as error:
        raise ValueError(f"{error} Fields are columns of --targets, --field key=value, or --bands.") from None
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


def failure_tables(settings: FetchSettings) -> list[Path]:
    """Name the table of files that could not be had."""
    return [settings.out / f"failures-{settings.archive}.ecsv"]


def _targets(settings: FetchSettings) -> Iterator[dict]:
    """Fields of each file."""
    if settings.archive not in ARCHIVES:
        raise ValueError(f"archive {settings.archive!r} is unknown; choose from {', '.join(ARCHIVES)}.")
    shared = dict(_pair(text) for text in settings.field)
    if settings.release:
        shared["release"] = settings.release
    if settings.archive == "sdss-catalogue":
        sql = sdss_galaxy_query(settings.redshift, settings.log_stellar_mass, settings.limit)
        return iter([{"sql": sql, **shared}])
    rows = [row | shared for row in _rows(settings.targets)] if settings.targets else [shared]
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


def _rows(path: Path) -> Iterator[dict]:
    """Rows of a table, its columns under their names in small letters, without what is masked."""
    table = read_table(path)
    for row in table:
        values = {name.lower(): row[name] for name in table.colnames if not np.ma.is_masked(row[name])}
        yield {key: value.item() if isinstance(value, np.generic) else value for key, value in values.items()}


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
