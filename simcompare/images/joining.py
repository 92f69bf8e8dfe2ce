"""Parts that make one image set: where they are, what they must agree in, how they are read as one."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from mocks.checked_hdf5 import open_checked, open_contained
from simcompare.images.parts import DATASETS, Part, Stack, part_path, read_catalogue, write_part
from simcompare.runs.documents import damage_named
from simcompare.runs.files import read_rows
from simcompare.runs.ledger import check_hash, read_record, write_record

__all__ = [
    "check_agreement",
    "joined_catalogue",
    "joined_columns",
    "part_files",
    "read_stack",
    "refuse_copies",
    "write_set",
]

# Parts of one set must agree in these; the unit keeps 8-bit and linear pixels apart.
_AGREE = ("kind", "survey", "bands", "pixel_scale", "unit", "preparation_hash", "image_shape", "survey_file")


def part_files(path: Path) -> list[Path]:
    """Parts that a path stands for; a folder has all that are recorded there."""
    if not path.is_dir():
        return [path]
    unordered = list((path / "images").glob("part-*.h5")) or list(path.glob("part-*.h5"))
    files = sorted(unordered, key=lambda file: (len(file.name), file.name))  # part-10000 after part-9999
    if not files:
        raise FileNotFoundError(f"{path}: no images/part-*.h5 in it; run `mock` or `prepare` there first.")
    recorded = {record.with_suffix(".h5") for record in files[0].parent.glob("part-*.json")}
    for lost in sorted(recorded.difference(files)):
        if read_record(lost).get("sha256"):  # a record without a hash: nothing was written
            raise FileNotFoundError(
                f"{lost} is missing, and its images are recorded in {lost.with_suffix('.json').name}. "
                "Copy it again, or give the command of its run folder again, which makes what is missing."
            )
    return files


def refuse_copies(files: Sequence[Path]) -> None:
    """Refuse a part that is there twice, under one name or two: its galaxies would count twice."""
    known: dict[str, Path] = {}
    for file in files:
        recorded = read_record(file).get("sha256")
        content = recorded if isinstance(recorded, str) else os.path.realpath(file)
        other = known.setdefault(content, file)
        if other is not file:
            raise ValueError(
                f"{file} is a copy of {other}: its images would count twice. Remove one of them."
            )


def check_agreement(first: Part, other: Part) -> None:
    """Refuse parts of unlike survey, bands, scale or preparation, naming the difference."""
    for item in _AGREE:
        mine, theirs = getattr(first, item), getattr(other, item)
        if mine == theirs or (item == "pixel_scale" and np.isclose(mine, theirs, rtol=1e-6, atol=0)):
            continue
        if item == "preparation_hash":
            item, mine, theirs = "preparation", first.preparation_json, other.preparation_json
        elif item == "survey_file":
            item = "survey file"
            mine, theirs = (f"{len(text.splitlines())} lines" if text else "ours" for text in (mine, theirs))
        raise ValueError(
            f"image sets cannot be joined: {item} is {mine} in {first.path} but {theirs} in {other.path}."
        )


def joined_catalogue(parts: Sequence[Part]) -> Table:
    """Catalogues of all parts in one table; what a part lacks is NaN, "", False or -1 there."""
    for part in parts:
        check_hash(part.path)
    tables = [read_catalogue(part.path) for part in parts]
    names = list(dict.fromkeys(name for table in tables for name in table.colnames))
    whole = Table(
        {name: np.concatenate([_column(table, name, tables) for table in tables]) for name in names}
    )
    for name in names:
        whole[name].unit = next((table[name].unit for table in tables if name in table.colnames), None)
    return whole


def _column(table: Table, name: str, tables: list[Table]) -> np.ndarray:
    """Column of one part, or its stand-in where the part lacks it."""
    if name in table.colnames:
        return np.asarray(table[name])
    kind = next(each[name].dtype.kind for each in tables if name in each.colnames)
    return np.full(len(table), {"U": "", "f": np.nan, "b": False}.get(kind, -1))


def joined_columns(parts: Sequence[Part], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Numbers of some columns of all catalogues; NaN where a part lacks a column."""
    columns = {name: np.full(sum(part.n for part in parts), np.nan) for name in names}
    start = 0
    for part in parts:
        check_hash(part.path)
        with damage_named(part.path), open_checked(part.path) as file:
            for name in columns.keys() & set(file["catalogue"]):
                columns[name][start : start + part.n] = file["catalogue"][name][:]
        start += part.n
    return columns


def read_stack(parts: Sequence[Part], positions: np.ndarray) -> Stack:
    """Images at positions in all parts together, in the order asked for."""
    stops = np.cumsum([part.n for part in parts])
    owner = np.searchsorted(stops, positions, side="right")
    psf_side = max(part.psf_side for part in parts)
    result = _empty_stack(len(positions), (len(parts[0].bands), *parts[0].image_shape), psf_side)
    for number in np.unique(owner):
        rows = np.flatnonzero(owner == number)
        part = parts[number]
        local = positions[rows] - (stops[number] - part.n)
        margin = (psf_side - part.psf_side) // 2
        inner = slice(margin, psf_side - margin)
        check_hash(part.path)
        with damage_named(part.path), open_contained(part.path) as file:
            for name in DATASETS:
                values = read_rows(file[name], local)
                if name == "psf":
                    result.psf[rows, :, inner, inner] = values
                else:
                    getattr(result, name)[rows] = values
    return result


def _empty_stack(n: int, shape: tuple[int, int, int], psf_side: int) -> Stack:
    """Stack of zeros to be filled."""
    band = shape[0]
    shapes = dict.fromkeys(DATASETS, (n, *shape)) | {
        "psf": (n, band, psf_side, psf_side),
        "quantum": (n, band),
    }
    return Stack(**{name: np.zeros(shapes[name], dtype=dtype) for name, dtype in DATASETS.items()})


def write_set(
    images: Any, folder: Path, n_per_part: int, is_made: Callable[[Path], bool] | None = None
) -> None:
    """Write an image set, or a choice from one, see `simcompare.images.image_set.ImageSet.save`.

    With ``is_made``, which says whether a part was finished before, only the others are written.
    """
    if is_made is None and part_path(folder, 0).exists():
        raise ValueError(f"{folder} holds an image set already; choose another folder.")
    if not len(images):
        raise ValueError(f"image set {images.name!r} is empty; there is nothing to save.")
    provenance = images.provenance
    description = {
        "name": images.name,
        "kind": images.kind,
        "survey": images.survey_record if images._parts[0].survey_file else images.survey,
        "bands": images.bands,
        "pixel_scale": images.pixel_scale,
        "preparation": images.preparation,
        "unit": images.unit,
        "provenance": {"made_of": provenance, "is_toy": any(each.get("is_toy") for each in provenance)},
    }
    for number, start in enumerate(range(0, len(images), n_per_part)):
        rows = slice(start, start + n_per_part)
        path = part_path(folder, number)
        if is_made and is_made(path):
            continue
        write_part(path, images.read(rows), images.catalogue[rows], **description)
        write_record(path, {})
