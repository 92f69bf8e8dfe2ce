"""The HDF5 part of an image set: its layout, written whole or not at all."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from astropy.table import Table

from mocks.checked_hdf5 import open_checked
from mocks.surveys import Survey
from simcompare.images.stamps import PreparedStamp
from simcompare.kinds import Kind
from simcompare.runs.documents import damage_named, parse_json
from simcompare.runs.files import atomic_hdf5
from simcompare.runs.names import printable
from simcompare.runs.tables import filled

__all__ = [
    "BLANK_SKY",
    "DATASETS",
    "KINDS",
    "LINEAR_UNIT",
    "Part",
    "Stack",
    "collect_stamps",
    "part_path",
    "read_catalogue",
    "write_part",
]

SCHEMA = 1
FORMAT = "simcompare-imageset"
KINDS = (Kind.OBSERVED, Kind.SIMULATED, Kind.TWINS)
LINEAR_UNIT = "nanomaggies per pixel"
_REQUIRED_COLUMNS = ("galaxy_id", "dataset", "view", "split", "flags")
_REQUIRED_PER_BAND = ("mag", "sky_sigma", "psf_fwhm")


@dataclass(frozen=True, eq=False)
class Stack:
    """Images of several galaxies, read into memory.

    Parameters
    ----------
    image : ndarray, shape (n, band, y, x), float32
        Flux [nanomaggies per pixel].
    variance : ndarray, shape (n, band, y, x), float32
        Of sky and source together [nanomaggies^2 per pixel^2].
    mask : ndarray, shape (n, band, y, x), uint8
        0 where the pixel is the survey's own; bits of `simcompare.images.preparation.prepare.MASK_BITS` where
        it was filled.
    psf : ndarray, shape (n, band, k, k), float32
        Effective PSF on the image's pixels; k odd, sum 1.
    quantum : ndarray, shape (n, band), float32
        Flux of one camera count, the width of the dither [nanomaggies]; 0 where unknown.
    """

    image: np.ndarray
    variance: np.ndarray
    mask: np.ndarray
    psf: np.ndarray
    quantum: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    def select(self, index) -> "Stack":
        """Rows of the stack by integer index, slice or boolean mask."""
        return Stack(*(getattr(self, name)[index] for name in DATASETS))


DATASETS = {
    "image": np.float32,
    "variance": np.float32,
    "mask": np.uint8,
    "psf": np.float32,
    "quantum": np.float32,
}


# Of the measured columns, and of those with a band's name behind.
COLUMN_UNITS = {
    "ra": "deg",
    "dec": "deg",
    "mag": "mag",
    "sky_sigma": "nmgy",
    "sky_level": "nmgy",
    "psf_fwhm": "arcsec",
    "half_light_radius": "arcsec",
    "petrosian_radius": "arcsec",
    "north_angle": "deg",
}


def collect_stamps(stamps: Sequence[PreparedStamp]) -> tuple[Stack, Table]:
    """Stack prepared galaxies and their catalogue rows, ready for `simcompare.images.image_set.write_part`.

    Parameters
    ----------
    stamps : sequence of PreparedStamp
        At least one.

    Returns
    -------
    Stack, Table
        Columns that some galaxies lack are NaN, "" or -1 there.
    """
    arrays = {
        name: np.stack([getattr(stamp, name) for stamp in stamps]) for name in Stack.__dataclass_fields__
    }
    names = list(dict.fromkeys(name for stamp in stamps for name in stamp.row))
    table = Table()
    for name in names:
        known = next(stamp.row[name] for stamp in stamps if name in stamp.row)
        missing = "" if isinstance(known, str) else np.nan if isinstance(known, float | np.floating) else -1
        table[name] = [stamp.row.get(name, missing) for stamp in stamps]
    for name, unit in COLUMN_UNITS.items():
        for column in names:
            if column == name or column.rpartition("_")[0] == name:
                table[column].unit = unit
    return Stack(**arrays), table


def part_path(folder: str | os.PathLike, number: int) -> Path:
    """Path of one part of the image set kept in a run folder."""
    return Path(folder) / "images" / f"part-{number:04d}.h5"


def write_part(
    path: str | os.PathLike,
    stack: Stack,
    catalogue: Table,
    *,
    name: str,
    kind: str,
    survey: str | Survey,
    bands: Sequence[str],
    pixel_scale: float,
    preparation,
    provenance: Mapping | None = None,
    unit: str = LINEAR_UNIT,
) -> Path:
    """Write one part of an image set: whole or not at all.

    The part is written beside its final place, flushed to disk, and renamed.

    Parameters
    ----------
    path : path-like
        File to make; its folder is made when missing, an existing file is replaced.
    stack : Stack
        Images with their variance, mask, PSF and quantum.
    catalogue : Table
        One row per image: galaxy_id, dataset, view, split, flags, and for each band mag, sky_sigma and
        psf_fwhm with the band's name; any other one-dimensional columns besides.
    name : str
        Of the data set, as tables and figures shall call it.
    kind : str
        One of `KINDS`.
    survey : str or Survey
        Name of the survey, or its record: what a survey file that is not ours holds is kept with the images.
    bands : sequence of str
        In the order of the images' band axis.
    pixel_scale : float
        [arcsec].
    preparation : simcompare.images.preparation.prepare.Preparation
        How the images were prepared.
    provenance : mapping, optional
        Anything JSON can hold: versions, seeds, sources.
    unit : str
        Of the pixels.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        When shapes, columns or values do not fit together.
    """
    path = Path(path)
    bands = tuple(bands)
    _check_part(path, stack, catalogue, kind, bands)
    attributes = {
        "format": FORMAT,
        "schema": SCHEMA,
        "name": printable(name),
        "kind": str(kind),  # HDF5 knows plain text alone
        "survey": survey.name if isinstance(survey, Survey) else survey,
        "bands": json.dumps(bands),
        "pixel_scale": float(pixel_scale),
        "unit": unit,
        "preparation": preparation.to_json(),
        "preparation_hash": preparation.hash,
        "provenance": json.dumps(provenance or {}, sort_keys=True, default=str),
    }
    if isinstance(survey, Survey) and survey.text:
        attributes["survey_file"] = survey.text
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_hdf5(path) as file:
        file.attrs.update(attributes)
        for dataset, dtype in DATASETS.items():
            values = np.asarray(getattr(stack, dataset), dtype=dtype)
            # Dithered pixels do not compress; masks, variances and repeated PSFs do.
            packing = (
                {} if dataset in ("image", "quantum") else {"compression": "gzip", "compression_opts": 1}
            )
            chunks = (min(len(values), 16), *values.shape[1:])
            # Flushed in turn: left to themselves, chunks may come to lie in another order in an equal run.
            file.create_dataset(dataset, data=values, chunks=chunks, **packing).flush()
        flux_unit = "nmgy" if unit == LINEAR_UNIT else "ct"
        _write_catalogue(file.create_group("catalogue"), catalogue, flux_unit)
    return path


def _check_part(path: Path, stack: Stack, catalogue: Table, kind: str, bands: tuple[str, ...]) -> None:
    """Refuse a part that would not read back as one consistent set."""
    if kind not in KINDS:
        raise ValueError(f"{path}: kind is {kind!r}; known kinds are {', '.join(KINDS)}.")
    shape = np.shape(stack.image)
    if len(shape) != 4 or shape[1] != len(bands) or shape[0] == 0:
        raise ValueError(f"{path}: images have shape {shape}; (n > 0, {len(bands)} bands, y, x) is needed.")
    side = np.shape(stack.psf)[-1]
    expected = dict.fromkeys(("variance", "mask"), shape) | {
        "psf": (*shape[:2], side, side),
        "quantum": shape[:2],
    }
    for item, wanted in expected.items():
        if np.shape(getattr(stack, item)) != wanted:
            raise ValueError(f"{path}: {item} has shape {np.shape(getattr(stack, item))}, not {wanted}.")
    if side % 2 == 0:
        raise ValueError(f"{path}: PSF side {side} has no central pixel; give an odd side.")
    if not (np.isfinite(stack.image).all() and np.isfinite(stack.variance).all()):
        raise ValueError(f"{path}: images or variances hold NaN or infinity; fill bad pixels first.")
    required = [*_REQUIRED_COLUMNS, *(f"{item}_{band}" for band in bands for item in _REQUIRED_PER_BAND)]
    missing = [column for column in required if column not in catalogue.colnames]
    if missing or len(catalogue) != shape[0]:
        raise ValueError(
            f"{path}: the catalogue has {len(catalogue)} rows for {shape[0]} images "
            f"and lacks {missing or 'nothing'}."
        )
    names = list(
        zip(*(filled(catalogue[item]).tolist() for item in ("dataset", "galaxy_id", "view")), strict=True)
    )
    if len(set(names)) < len(names):
        twice = next(item for item in names if names.count(item) > 1)
        raise ValueError(f"{path}: image (dataset, galaxy_id, view) = {twice} occurs more than once.")


def _write_catalogue(group: h5py.Group, catalogue: Table, flux_unit: str) -> None:
    """Write one-dimensional columns, words as fixed-length UTF-8, fluxes in the unit of the pixels."""
    group.attrs["columns"] = json.dumps(catalogue.colnames)
    for column in catalogue.colnames:
        values = filled(catalogue[column])
        if values.ndim != 1:
            raise ValueError(
                f"catalogue column {column!r} has shape {values.shape}; one dimension is needed."
            )
        if values.dtype.kind in "UO":
            values = np.char.encode(_on_one_line(values.astype(str)), "utf-8")
            values = values.astype("S1") if values.dtype.itemsize == 0 else values
        dataset = group.create_dataset(column, data=values)
        unit = catalogue[column].unit
        dataset.attrs["unit"] = "" if unit is None else flux_unit if str(unit) == "nmgy" else str(unit)


def _on_one_line(texts: np.ndarray) -> np.ndarray:
    """Texts with control characters written out, as they would break tables and act on terminals."""
    fine = all(map(str.isprintable, texts.tolist()))
    return texts if fine else np.array([printable(text) for text in texts.tolist()])


@dataclass(frozen=True)
class Part:
    """What one file says of itself, without its pixels."""

    path: Path
    n: int
    name: str
    kind: str
    survey: str
    bands: tuple[str, ...]
    pixel_scale: float
    unit: str
    preparation_json: str
    preparation_hash: str
    provenance: str
    image_shape: tuple[int, int]
    psf_side: int
    survey_file: str = ""
    kept: object = field(default=None, compare=False, repr=False)
    """What has to live as long as the file shall be there."""

    @classmethod
    def open(cls, path: Path) -> "Part":
        """Read the header of a part; refuse what is not one."""
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; give a part of an image set or its run folder.")
        try:
            with damage_named(path), open_checked(path) as file:
                if file.attrs.get("format") != FORMAT:
                    raise ValueError(
                        f"{path}: not an image set of simcompare (its format is "
                        f"{file.attrs.get('format')!r}); `simcompare prepare` makes one from survey images."
                    )
                if file.attrs["schema"] > SCHEMA:
                    raise ValueError(
                        f"{path}: written by a newer simcompare (schema {file.attrs['schema']}, "
                        f"this one reads up to {SCHEMA}); update simcompare."
                    )
                return cls._from_file(path, file)
        except OSError as error:
            raise OSError(f"{path}: truncated, damaged or not HDF5 ({error}).") from error

    @classmethod
    def _from_file(cls, path: Path, file: h5py.File) -> "Part":
        """Header of an open file."""
        for dataset in (*DATASETS, "catalogue"):
            if dataset not in file:
                raise KeyError(f"no {dataset!r} in it")
        attributes = file.attrs
        bands = parse_json(attributes["bands"], f"{path}: attribute bands")
        _check_shapes({name: file[name].shape for name in DATASETS}, len(bands))
        keys = ("name", "kind", "survey", "unit", "preparation_hash", "provenance")
        return cls(
            path=path,
            n=len(file["image"]),
            bands=tuple(map(str, bands)),
            pixel_scale=float(attributes["pixel_scale"]),
            preparation_json=str(attributes["preparation"]),
            image_shape=file["image"].shape[2:],
            psf_side=file["psf"].shape[-1],
            survey_file=str(attributes.get("survey_file", "")),
            **{key: str(attributes[key]) for key in keys},
        )


def _check_shapes(shapes: Mapping[str, tuple[int, ...]], n_bands: int) -> None:
    """Refuse datasets that do not fit together."""
    shape, side = shapes["image"], shapes["psf"][-1]
    wanted = {"psf": (*shape[:2], side, side), "quantum": shape[:2]}
    wanted = dict.fromkeys(shapes, shape) | wanted
    wrong = [name for name, each in shapes.items() if each != wanted[name]]
    if len(shape) != 4 or shape[1] != n_bands or wrong:
        raise ValueError(f"its datasets do not fit together: {shapes} for {n_bands} bands")


def read_catalogue(path: Path) -> Table:
    """Catalogue of one part."""
    with damage_named(path), open_checked(path) as file:
        group = file["catalogue"]
        table = Table()
        for name in parse_json(group.attrs["columns"], f"{path}: attribute columns"):
            values = group[name][:]
            table[name] = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
            table[name].unit = group[name].attrs["unit"] or None
    return table


BLANK_SKY = "blank sky"
