"""Sharded image sets: galaxy images of one survey, prepared one way, read lazily from HDF5 parts."""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.table import Table

from mocks.checked_hdf5 import open_checked, open_contained
from mocks.surveys import Survey, load_survey, parse_survey
from simcompare.images.parts import (
    DATASETS,
    KINDS,
    LINEAR_UNIT,
    Part,
    Stack,
    collect_stamps,
    part_path,
    read_catalogue,
    write_part,
)
from simcompare.images.positions import repeats
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.selection import select_rows
from simcompare.images.splits import SPLITS
from simcompare.runs.files import read_rows

__all__ = [
    "KINDS",
    "LINEAR_UNIT",
    "ImageSet",
    "Stack",
    "collect_stamps",
    "part_path",
    "write_part",
]

logger = logging.getLogger(__name__)

# Parts of one set must agree in these; the unit keeps 8-bit and linear pixels apart.
_AGREE = ("kind", "survey", "bands", "pixel_scale", "unit", "preparation_hash", "image_shape", "survey_file")


class ImageSet:
    """Images of galaxies on disk, read when asked for.

    Opening reads headers alone; pixels stay in the files, so memory does not grow with the number of images.
    An `ImageSet` holds paths and no open file: it may be pickled and sent to another process.

    Parameters
    ----------
    parts : sequence
        Headers of the parts, in order; `ImageSet.open` makes them.
    index : ndarray of int, optional
        Images kept, as positions in all parts together.
    """

    def __init__(self, parts: Sequence[Part], index: np.ndarray | None = None) -> None:
        self._parts = tuple(parts)
        self._index = index

    @classmethod
    def open(cls, *paths: str | os.PathLike) -> "ImageSet":
        """Open an image set from its files, or from run folders.

        Parameters
        ----------
        *paths : path-like
            HDF5 parts, folders of them, or run folders (whose parts are ``images/part-*.h5``).

        Returns
        -------
        ImageSet

        Raises
        ------
        FileNotFoundError
            When a path or the parts in a folder do not exist.
        OSError
            When a part is truncated or damaged.
        ValueError
            When a file is not an image set, is from a newer version, or when parts disagree.
        """
        files = [file for path in paths for file in _part_files(Path(path))]
        if not files:
            raise FileNotFoundError("no image set named; give a file or a run folder.")
        parts = [Part.open(file) for file in files]
        for part in parts[1:]:
            _check_agreement(parts[0], part)
        return cls(parts)

    @classmethod
    def concat(cls, *sets: "ImageSet") -> "ImageSet":
        """Image sets one after the other; they must agree in survey, bands, scale and preparation.

        Of a real galaxy that stands in several of them, within 3 arcsec, the first set's images are kept, so
        that it cannot be on both sides of a split; the log tells how many were left out.
        """
        parts = [part for each in sets for part in each._parts]
        for part in parts[1:]:
            _check_agreement(parts[0], part)
        starts = np.cumsum([0, *(sum(part.n for part in each._parts) for each in sets)])
        index = np.concatenate([start + each._positions for start, each in zip(starts, sets, strict=False)])
        joined = cls(parts, index)
        if joined.kind != "observed" or "ra" not in joined.catalogue.colnames:
            return joined
        owner = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
        again = repeats(joined.catalogue["ra"], joined.catalogue["dec"], owner)
        if not again.any():
            return joined
        logger.warning("left out %d images of galaxies that an earlier set has", again.sum())
        return joined.subset(~again)

    @classmethod
    def join(cls, paths: Sequence[str | os.PathLike], where: str | None = None) -> "ImageSet":
        """Image sets of several paths in one, or what an expression selects of them.

        Raises
        ------
        ValueError
            When nothing fulfils the expression; see also `open`, `concat` and `select`.
        """
        images = cls.concat(*(cls.open(path) for path in paths))
        if where:
            images = images.select(where)
            if len(images) == 0:
                raise ValueError(f"no image fulfils {where!r}.")
        return images

    @property
    def name(self) -> str:
        """Name of the data set; several are joined by ``+``."""
        return "+".join(dict.fromkeys(part.name for part in self._parts))

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return self._parts[0].kind

    @property
    def survey(self) -> str:
        """Name of the survey."""
        return self._parts[0].survey

    @property
    def survey_record(self) -> Survey:
        """The survey: as the file that came with the images describes it, or else by its name.

        Raises
        ------
        ValueError
            When the images hold no survey file and no survey of this name is known.
        """
        part = self._parts[0]
        if part.survey_file:
            return parse_survey(part.survey_file, f"survey file kept in {part.path}")
        try:
            return load_survey(part.survey)
        except ValueError as error:
            raise ValueError(
                f"{part.path}: {error} Images of a survey file of your own keep it; make them again, with "
                "--survey and the path of that file."
            ) from error

    @property
    def bands(self) -> tuple[str, ...]:
        """Names in the order of the band axis."""
        return self._parts[0].bands

    @property
    def pixel_scale(self) -> float:
        """Pixel scale [arcsec]."""
        return self._parts[0].pixel_scale

    @property
    def unit(self) -> str:
        """Unit of the pixels."""
        return self._parts[0].unit

    @property
    def preparation(self) -> Preparation:
        """How the images were prepared."""
        return Preparation.from_json(self._parts[0].preparation_json)

    @property
    def preparation_hash(self) -> str:
        """Hash of the preparation, also kept in the flows trained on it."""
        return self._parts[0].preparation_hash

    @property
    def provenance(self) -> list[dict]:
        """Where each part comes from."""
        return [json.loads(part.provenance) for part in self._parts]

    @property
    def files(self) -> list[Path]:
        """The parts' paths."""
        return [part.path for part in self._parts]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image, (band, y, x)."""
        return (len(self.bands), *self._parts[0].image_shape)

    def __len__(self) -> int:
        return sum(part.n for part in self._parts) if self._index is None else len(self._index)

    def __repr__(self) -> str:
        return f"<ImageSet {self.name!r}: {len(self)} {self.kind} {self.survey} {','.join(self.bands)}>"

    @property
    def _positions(self) -> np.ndarray:
        """Positions of the images in all parts together."""
        return np.arange(len(self)) if self._index is None else self._index

    def _at(self, index) -> np.ndarray:
        """Positions of some images; of a whole set without counting through all of them."""
        if self._index is not None:
            return np.atleast_1d(self._index[index])
        if isinstance(index, slice):
            return np.arange(*index.indices(len(self)))
        if np.asarray(index).dtype == bool:
            return np.atleast_1d(self._positions[index])
        chosen = np.atleast_1d(np.asarray(index, dtype=np.intp))
        outside = (chosen < -len(self)) | (chosen >= len(self))
        if outside.any():
            raise IndexError(f"image {chosen[outside][0]} does not exist; there are {len(self)}.")
        return np.where(chosen < 0, chosen + len(self), chosen)

    @cached_property
    def catalogue(self) -> Table:
        """One row per image; read at first use. Columns that a part lacks are NaN, "" or -1 there."""
        tables = [read_catalogue(part.path) for part in self._parts]
        names = list(dict.fromkeys(name for table in tables for name in table.colnames))
        whole = Table(
            {name: np.concatenate([_column(table, name, tables) for table in tables]) for name in names}
        )
        for name in names:
            whole[name].unit = next((table[name].unit for table in tables if name in table.colnames), None)
        return whole if self._index is None else whole[self._index]

    def columns(self, *names: str) -> dict[str, np.ndarray]:
        """Read numbers of the catalogue without the rest of it; NaN where a part lacks a column."""
        found = {name: np.full(sum(part.n for part in self._parts), np.nan) for name in names}
        start = 0
        for part in self._parts:
            with open_checked(part.path) as file:
                for name in set(names) & set(file["catalogue"]):
                    found[name][start : start + part.n] = file["catalogue"][name][:]
            start += part.n
        return found if self._index is None else {name: each[self._index] for name, each in found.items()}

    def read(self, index=slice(None)) -> Stack:
        """Read images into memory.

        Parameters
        ----------
        index : int, slice, integer array or boolean mask
            Which images; an int gives a stack of one.

        Returns
        -------
        Stack
            In the order asked for.

        Raises
        ------
        IndexError
            When an image does not exist.
        """
        positions = self._at(index)
        stops = np.cumsum([part.n for part in self._parts])
        owner = np.searchsorted(stops, positions, side="right")
        psf_side = max(part.psf_side for part in self._parts)
        result = _empty_stack(len(positions), self.image_shape, psf_side)
        for number in np.unique(owner):
            rows = np.flatnonzero(owner == number)
            part = self._parts[number]
            local = positions[rows] - (stops[number] - part.n)
            margin = (psf_side - part.psf_side) // 2
            inner = slice(margin, psf_side - margin)
            with open_contained(part.path) as file:
                for name in DATASETS:
                    values = read_rows(file[name], local)
                    if name == "psf":
                        result.psf[rows, :, inner, inner] = values
                    else:
                        getattr(result, name)[rows] = values
        return result

    def batches(self, n: int) -> Iterator[Stack]:
        """Stacks of up to ``n`` images, in order."""
        for start in range(0, len(self), n):
            yield self.read(slice(start, start + n))

    def subset(self, index) -> "ImageSet":
        """Image set of some of the images: slice, integer array or boolean mask."""
        chosen = ImageSet(self._parts, self._at(index))
        if "catalogue" in self.__dict__:
            chosen.catalogue = self.catalogue[index if isinstance(index, slice) else np.atleast_1d(index)]
        return chosen

    def slab(self, start: int, stop: int) -> "ImageSet":
        """Image set of neighbouring images that knows no other parts than theirs: small to send."""
        positions = self._positions[start:stop]
        sizes = np.array([part.n for part in self._parts])
        firsts = np.cumsum(sizes) - sizes
        owners = np.unique(np.searchsorted(firsts + sizes, positions, side="right"))
        moved = np.cumsum(sizes[owners]) - sizes[owners]
        within = np.searchsorted(firsts[owners], positions, side="right") - 1
        index = positions - firsts[owners][within] + moved[within]
        return ImageSet([self._parts[number] for number in owners], index)

    def select(self, expression: str) -> "ImageSet":
        """Images whose catalogue rows fulfil an expression, see `simcompare.images.selection.select_rows`."""
        return self.subset(np.flatnonzero(select_rows(self.catalogue, expression)))

    def split(self, name: str) -> "ImageSet":
        """Images of one of `SPLITS`."""
        if name not in SPLITS:
            raise ValueError(f"split is {name!r}; known are {', '.join(SPLITS)}.")
        return self.subset(np.flatnonzero(self.catalogue["split"] == name))


def _part_files(path: Path) -> list[Path]:
    """Parts that a path stands for."""
    if not path.is_dir():
        return [path]
    found = list((path / "images").glob("part-*.h5")) or list(path.glob("part-*.h5"))
    files = sorted(found, key=lambda file: (len(file.name), file.name))  # part-10000 after part-9999
    if not files:
        raise FileNotFoundError(f"{path}: no images/part-*.h5 in it; run `mock` or `prepare` there first.")
    return files


def _check_agreement(first: Part, other: Part) -> None:
    """Refuse parts of unlike survey, bands, scale or preparation, naming the difference."""
    for item in _AGREE:
        mine, theirs = getattr(first, item), getattr(other, item)
        if mine == theirs:
            continue
        if item == "preparation_hash":
            item, mine, theirs = "preparation", first.preparation_json, other.preparation_json
        elif item == "survey_file":
            item = "survey file"
            mine, theirs = (f"{len(text.splitlines())} lines" if text else "ours" for text in (mine, theirs))
        raise ValueError(
            f"image sets cannot be joined: {item} is {mine} in {first.path} but {theirs} in {other.path}."
        )


def _empty_stack(n: int, shape: tuple[int, int, int], psf_side: int) -> Stack:
    """Stack of zeros to be filled."""
    band = shape[0]
    shapes = dict.fromkeys(DATASETS, (n, *shape)) | {
        "psf": (n, band, psf_side, psf_side),
        "quantum": (n, band),
    }
    return Stack(**{name: np.zeros(shapes[name], dtype=dtype) for name, dtype in DATASETS.items()})


def _column(table: Table, name: str, tables: list[Table]) -> np.ndarray:
    """Column of one part, or its stand-in where the part lacks it."""
    if name in table.colnames:
        return np.asarray(table[name])
    kind = next(each[name].dtype.kind for each in tables if name in each.colnames)
    return np.full(len(table), {"U": "", "f": np.nan, "b": False}.get(kind, -1))
