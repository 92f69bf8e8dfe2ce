"""Open full EAGLE snapshots: folders of chunks, and their subfind catalogue."""

import re
from pathlib import Path

import h5py

from mocks.readers.base import Fingerprint
from mocks.readers.formats.eagle_output import EagleSnapshot
from mocks.readers.hdf5.chunks import chunk_files
from mocks.readers.hdf5.dialects import DIALECTS
from mocks.readers.hdf5.headers import cosmology_of, redshift_of, run_name
from mocks.readers.hdf5.layout import box_side
from mocks.readers.hdf5.snapshot import DARK_MATTER, GAS, STARS, find, open_hdf5
from mocks.readers.hdf5.statements import settled_header
from mocks.readers.hdf5.units import Units, conversion, header_units

__all__ = ["is_eagle_folder", "open_eagle"]

USUAL = DIALECTS["eagle-extract"].units
LABEL = r"(\d{3}_z\d{3}p\d{3})"
PREFIXES = {"snapshot": "snap", "particledata": "eagle_subfind_particles", "snipshot": "snip"}


def _locate(path: Path) -> tuple[Path, str, str] | None:
    """Folder of the chunks, their prefix, and the label NNN_zZZZpZZZ that all files of the output share."""
    path = path.absolute()
    inside = [entry for entry in sorted(path.iterdir()) if entry.is_dir()] if path.is_dir() else []
    for folder in (path, path.parent, *inside):
        match = re.fullmatch(rf"({'|'.join(PREFIXES)})_{LABEL}", folder.name)
        if match and folder.is_dir():
            return folder, PREFIXES[match[1]], match[2]
    return None


def is_eagle_folder(seen: Fingerprint) -> bool:
    """Whether a path is, holds or lies in a folder ``snapshot_NNN_zZZZpZZZ``."""
    return (seen.kind == "folder" or seen.kind == "hdf5") and _locate(seen.path) is not None


def open_eagle(
    path: Path,
    *,
    simulation: str | None = None,
    snapshot: int | None = None,
    reach: float = 100.0,
    gas: bool = True,
) -> EagleSnapshot:
    """Open a full EAGLE snapshot.

    Parameters
    ----------
    path : Path
        Folder ``snapshot_NNN_zZZZpZZZ`` (or ``particledata_...``), a chunk in it, or the run's folder.
    simulation : str, optional
        Name of the run; from box, cosmology and particle mass when left out.
    snapshot : int, optional
        Number; needed when the run's folder holds several.
    reach : float
        Stars beyond this radius about their galaxy's centre [physical kpc] are not read.
    gas : bool
        Whether gas is read.

    Raises
    ------
    FileNotFoundError
        When there is no such folder or a chunk is missing.
    ValueError
        When the header lacks what is needed.
    """
    folder, prefix, label = _output(Path(path), snapshot)
    chunks = chunk_files(folder, (f"{prefix}_{label}",), "NumFilesPerSnapshot")
    groups = folder.parent / f"groups_{label}"
    catalogue = chunk_files(groups, (f"eagle_subfind_tab_{label}",), "NTask") if groups.is_dir() else ()
    with open_hdf5(chunks[0]) as file:
        header, where = settled_header(file), str(chunks[0])
        cosmology, h, notes = cosmology_of(where, header)
        if "HashTable" not in file:
            notes = (*notes, "no hash table: every galaxy reads the whole snapshot")
        redshift = redshift_of(where, header)
        a = 1.0 / (1.0 + redshift)
        units, unit_notes = header_units(where, header, USUAL)
        if not isinstance(header.get("BoxSize"), float | int):
            raise ValueError(f"{where}: no BoxSize in the Header; fetch the file again.")
        length = _length_unit(file, a, h, units)
    return EagleSnapshot(
        path=folder,
        format="eagle",
        simulation=simulation or run_name(header, folder.parent.name),
        snapshot=int(label[:3]),
        redshift=redshift,
        cosmology=cosmology,
        notes=notes + unit_notes,
        h=h,
        box_size=box_side(where, header, length, None, a, h),
        units=units,
        chunks=chunks,
        catalogue_chunks=catalogue,
        reach=reach,
        gas=gas,
    )


def _output(path: Path, snapshot: int | None) -> tuple[Path, str, str]:
    """Folder of one output, and prefix and label of its files."""
    if snapshot is not None and path.is_dir():
        folders = [
            entry for entry in sorted(path.iterdir()) if re.match(rf"snapshot_{snapshot:03d}_z", entry.name)
        ]
        path = folders[0] if folders else path
    location = _locate(path)
    if location is None:
        raise FileNotFoundError(f"{path} holds no folder snapshot_NNN_zZZZpZZZ.")
    folder, prefix, label = location
    others = sorted(entry.name for entry in folder.parent.glob("snapshot_???_z*") if entry.is_dir())
    if path.absolute() == folder.parent and len(others) > 1:
        raise ValueError(
            f"{path} holds {', '.join(others)}; choose one with snapshot= (--reader snapshot=N)."
        )
    return folder, prefix, label


def _length_unit(file: h5py.File, a: float, h: float, units: Units) -> float:
    """House units in a length of the file: as its positions say, or else as `units` do."""
    for kind in (STARS, GAS, DARK_MATTER):
        position = find(file[f"PartType{kind}"], "position") if f"PartType{kind}" in file else None
        if position is not None:
            return conversion(position, "length", a, h, units)
    return units.length[0] * a / h
