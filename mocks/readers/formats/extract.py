"""Opening HDF5 files of star particles without a catalogue: API cutouts, extracts, generic snapshots."""

from pathlib import Path

import h5py
import numpy as np

from mocks.file_names import snapshot_number
from mocks.readers.formats.stars_file import STARS, ExtractSnapshot
from mocks.readers.hdf5.dialects import DIALECTS, Dialect
from mocks.readers.hdf5.headers import cosmology_of, given_header, redshift_of, run_name
from mocks.readers.hdf5.layout import box_side, files_of, galaxy_id
from mocks.readers.hdf5.snapshot import find, open_hdf5
from mocks.readers.hdf5.statements import header_of, settled_header
from mocks.readers.hdf5.units import Units, conversion, header_units

__all__ = ["ExtractSnapshot", "open_extract"]


def open_extract(
    path: Path,
    *,
    format: str,
    simulation: str | None = None,
    snapshot: int | None = None,
    subhalo_id: int | None = None,
    centre: np.ndarray | None = None,
    gas: bool = True,
    linking_length: float | None = None,
    min_stars: int = 50,
    one_galaxy: bool = False,
    partial: bool = False,
    solar_metallicity: float | None = None,
    membership: str | Path | None = None,
    a: float | None = None,
    h: float | None = None,
    omega_m: float | None = None,
    box_size: float | None = None,
    units: Units | None = None,
) -> ExtractSnapshot:
    """Open a file of star particles, or all chunks of a snapshot.

    Parameters
    ----------
    path : Path
    format : str
        Key of `DIALECTS`.
    simulation : str, optional
        Name of the run, instead of the header's.
    snapshot, subhalo_id : int, optional
        Instead of the header's or the file name's.
    centre : array_like, shape (3,), optional
        Of the only galaxy, in the file's own length unit and frame (for a TNG cutout: its ``SubhaloPos``).
        Without it the centre is found by a shrinking sphere.
    gas : bool
        Whether gas is read.
    linking_length : float, optional
        The file holds more than one galaxy: they are friends-of-friends groups of stars with this linking
        length [physical kpc].
    min_stars : int
        Smallest such group.
    one_galaxy : bool
        The stars are one galaxy's although they lie in several clumps: a merger, a halo with its satellites.
    partial : bool
        The file holds some of the particles that its header speaks of, and is meant to.
    solar_metallicity : float, optional
        Metallicities are in solar units; the mass fraction that 1 stands for, such as 0.0134.
    membership : str or Path, optional
        SWIFT membership file with ``PartType4/GroupNr_bound``.
    a, h, omega_m : float, optional
        Scale factor, Hubble constant [100 km/s/Mpc] and matter density, instead of the header's.
    box_size : float, optional
        Instead of the header's, in its unit.
    units : Units, optional
        Units and names of datasets without attributes, instead of the header's or the format's.

    Raises
    ------
    FileNotFoundError
        When a chunk is missing.
    ValueError
        When the file holds no stars, or its header lacks what is needed or contradicts itself.
    OSError
        When the file is damaged.
    """
    path, dialect = Path(path), DIALECTS[format]
    usual, given = dialect.units if units is None else units, given_header(a, h, omega_m, box_size)
    files = files_of(path)
    header, about, notes = _first_look(path, files, dialect, usual, given)
    notes += _solar_note(solar_metallicity)
    number, number_note = _snapshot_of(path, header, snapshot)
    galaxy, named = galaxy_id(path, header) if subhalo_id is None else (int(subhalo_id), ())
    return ExtractSnapshot(
        path=path,
        format=format,
        simulation=simulation or run_name(header, dialect.name),
        snapshot=number,
        notes=notes + number_note + named,
        files=files,
        centre=None if centre is None else np.asarray(centre, dtype=float) * about["length"],
        subhalo_id=galaxy,
        linking_length=linking_length,
        min_stars=min_stars,
        membership=None if membership is None else Path(membership),
        imf=dialect.imf,
        gas=gas,
        is_one=one_galaxy,
        is_subhalo=header.get("CutoutType") == "subhalo",
        partial=partial,
        solar_metallicity=solar_metallicity,
        **{name: value for name, value in about.items() if name != "length"},
    )


def _solar_note(metallicity: float | None) -> tuple[str, ...]:
    """Say what the Sun's metallicity is taken for."""
    if metallicity is None:
        return ()
    if not 0 < metallicity < 0.1:
        raise ValueError(f"solar_metallicity is {metallicity}; give a mass fraction such as 0.0134.")
    return (f"metallicities in solar units, 1 stands for {metallicity:g}",)


def _first_look(
    path: Path, files: tuple[Path, ...], dialect: Dialect, usual: Units, given: dict[str, float]
) -> tuple[dict, dict, tuple[str, ...]]:
    """Header of the first file with stars; time, cosmology, units and box by it; and notes."""
    for file_path in files:
        with open_hdf5(file_path) as file:
            group = file.get(STARS)
            position = find(group, "position", usual) if isinstance(group, h5py.Group) else None
            if position is None or position.ndim != 2 or len(position) == 0:
                continue
            header, where = settled_header(file, given), str(file_path)
            stated = _as_stated(given, header_of(file))
            cosmology, h, notes = cosmology_of(where, header)
            redshift = redshift_of(where, header)
            a = 1.0 / (1.0 + redshift)
            units, unit_notes = header_units(where, header, usual, usual.declared)
            length = conversion(position, "length", a, h, units)
            side = box_side(where, header, length, dialect.box, a, h)
            break
    else:
        raise ValueError(f"{path}: no star particles (PartType4/Coordinates); a galaxy without stars?")
    notes = dialect.notes + notes + unit_notes + stated
    if side is None:
        notes = (*notes, "box size not stored: galaxy not unwrapped")
    if header.get("CutoutType") == "halo":
        notes = (*notes, "cutout of a whole halo: all its galaxies are in it")
    about = {"redshift": redshift, "cosmology": cosmology, "h": h, "units": units, "box_size": side}
    return header, about | {"length": length}, notes


def _as_stated(given: dict[str, float], header: dict) -> tuple[str, ...]:
    """Say what is taken as stated, and what the header has instead."""
    notes = []
    for name, value in given.items():
        own = np.ravel(header.get(name, ()))
        differs = own.size and own.dtype.kind in "iuf" and not np.allclose(own, value, rtol=1e-3)
        notes.append(f"{name} = {value:g}" + (f" (the header has {own[0]:g})" if differs else ""))
    return (f"stated, not read: {', '.join(notes)}",) if notes else ()


def _snapshot_of(path: Path, header: dict, stated: int | None) -> tuple[int, tuple[str, ...]]:
    """Tell the output's number as stated, by the header, by names of file and folders, or 0; and notes."""
    if stated is not None:
        return int(stated), ()
    named = snapshot_number(path)
    for key in ("SnapshotNumber", "ExtractedFromSnapshot"):
        if isinstance(header.get(key), int | float):
            number = int(header[key])
            if named is None or named == number:
                return number, ()
            return number, (f"snapshot {number} by {key}, though the name of the file says {named}",)
    if named is None:
        return 0, ("snapshot number not stored: 0 taken",)
    return named, (f"snapshot {named} by the name of the file",)
