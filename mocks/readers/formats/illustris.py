"""Opening chunked snapshots of Illustris and IllustrisTNG."""

import re
from pathlib import Path

from mocks.readers.base import Fingerprint
from mocks.readers.formats.illustris_output import IllustrisSnapshot
from mocks.readers.hdf5.chunks import chunk_files
from mocks.readers.hdf5.headers import cosmology_of, redshift_of, run_name
from mocks.readers.hdf5.layout import box_side
from mocks.readers.hdf5.snapshot import open_hdf5
from mocks.readers.hdf5.statements import settled_header
from mocks.readers.hdf5.units import Units, header_units

__all__ = ["IllustrisSnapshot", "is_snapshot_folder", "open_illustris"]


def is_snapshot_folder(seen: Fingerprint) -> bool:
    """Whether a path is, holds or lies in a ``snapdir_NNN`` folder."""
    if seen.kind == "hdf5":
        is_many = seen.header.get("NumFilesPerSnapshot", 1) > 1
        return is_many and _is_chunk(seen) and "StellarFormationTime" not in seen.stars
    location = _locate(seen.path) if seen.kind == "folder" else None
    return location is not None and not _is_gizmo(location[0] / f"snapdir_{location[1][0]:03d}")


def _is_gizmo(folder: Path) -> bool:
    """Whether a folder of that name holds chunks of another code (FIRE names its folders alike)."""
    for chunk in sorted(folder.glob("snap*.hdf5"))[:1]:
        with open_hdf5(chunk) as file:
            return "StellarFormationTime" in file.get("PartType4", ())
    return False


def _is_chunk(seen: Fingerprint) -> bool:
    """Whether an HDF5 file is named as a chunk of a snapshot folder."""
    in_folder = re.fullmatch(r"snapdir_\d+", seen.path.absolute().parent.name)
    return in_folder is not None and re.fullmatch(r"snap(shot)?_\d+\.\d+\.hdf5", seen.path.name) is not None


def _locate(path: Path) -> tuple[Path, list[int]] | None:
    """Folder that holds ``snapdir_NNN`` folders, and their numbers."""
    path = path.absolute()
    for folder in (path, path.parent):
        if match := re.fullmatch(r"snapdir_(\d+)", folder.name):
            return folder.parent, [int(match[1])]
    for base in (path, path / "output"):
        numbers = sorted(int(entry.name[8:]) for entry in base.glob("snapdir_*") if entry.name[8:].isdigit())
        if numbers:
            return base, numbers
    return None


def _offsets_file(base: Path, number: int, catalogue: tuple[Path, ...]) -> Path | None:
    """TNG's offsets file; None for Illustris."""
    if not catalogue[0].name.startswith("fof_subhalo_tab"):
        return None
    path = base.parent / "postprocessing" / "offsets" / f"offsets_{number:03d}.hdf5"
    if not path.is_file():
        raise FileNotFoundError(
            f"offsets file {path} is missing; it says where each subhalo's particles begin. Fetch it from "
            "the simulation's postprocessing/offsets."
        )
    return path


def open_illustris(
    path: Path,
    *,
    simulation: str | None = None,
    snapshot: int | None = None,
    include_flagged: bool = False,
    gas: bool = True,
) -> IllustrisSnapshot:
    """Open a chunked snapshot.

    Parameters
    ----------
    path : Path
        The simulation's folder, its ``output`` folder, a ``snapdir_NNN`` or a chunk in it.
    simulation : str, optional
        Name of the run; from box, cosmology and particle mass when left out.
    snapshot : int, optional
        Number; needed when the folder holds several.
    include_flagged : bool
        Keep subhaloes that the catalogue flags as not cosmological.
    gas : bool
        Whether gas is read.

    Raises
    ------
    FileNotFoundError
        When a chunk, the catalogue or the offsets file is missing: reading on would lose stars.
    ValueError
        When the snapshot is not told, or a header lacks what is needed.
    """
    base, number = _one_snapshot(Path(path), snapshot)
    label = f"{number:03d}"
    chunks = chunk_files(
        base / f"snapdir_{label}", (f"snap_{label}", f"snapshot_{label}"), "NumFilesPerSnapshot"
    )
    groups = base / f"groups_{label}"
    if not groups.is_dir():
        raise FileNotFoundError(
            f"{groups} is missing: the group catalogue says which stars make a galaxy. Fetch it."
        )
    catalogue = chunk_files(groups, (f"fof_subhalo_tab_{label}", f"groups_{label}"), "NumFiles")
    with open_hdf5(chunks[0]) as file:
        header, where = settled_header(file), str(chunks[0])
    cosmology, h, notes = cosmology_of(where, header)
    redshift = redshift_of(where, header)
    units, unit_notes = header_units(where, header, Units())
    if not isinstance(header.get("BoxSize"), float | int):
        raise ValueError(f"{where}: no BoxSize in the Header; fetch the file again.")
    a = 1.0 / (1.0 + redshift)
    return IllustrisSnapshot(
        path=base,
        format="illustris",
        simulation=simulation or run_name(header, base.parent.name if base.name == "output" else base.name),
        snapshot=number,
        redshift=redshift,
        cosmology=cosmology,
        notes=notes + unit_notes,
        h=h,
        box_size=box_side(where, header, units.length[0] / (1.0 + redshift) / h, None, a, h),
        units=units,
        chunks=chunks,
        catalogue_chunks=catalogue,
        offsets=_offsets_file(base, number, catalogue),
        include_flagged=include_flagged,
        gas=gas,
    )


def _one_snapshot(path: Path, snapshot: int | None) -> tuple[Path, int]:
    """Folder that holds the snapshots, and the number of the one that is meant."""
    location = _locate(path)
    if location is None:
        raise FileNotFoundError(f"{path} holds no snapdir_NNN folder.")
    base, numbers = location
    if snapshot is None and len(numbers) > 1:
        raise ValueError(
            f"{path} holds snapshots {', '.join(map(str, numbers))}; choose one with snapshot= "
            "(--reader snapshot=N)."
        )
    return base, numbers[0] if snapshot is None else int(snapshot)
