"""Sharded image sets: galaxy images of one survey, prepared one way, read lazily from HDF5 parts."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from mocks.surveys import Survey, load_survey, parse_survey
from simcompare.images.arrays import About, Arrays, prepare_arrays
from simcompare.images.display import draw_images, html_table
from simcompare.images.joining import (
    check_agreement,
    joined_catalogue,
    joined_columns,
    part_files,
    read_stack,
    refuse_copies,
    write_set,
)
from simcompare.images.parts import (
    KINDS,
    LINEAR_UNIT,
    Part,
    Stack,
    collect_stamps,
    part_path,
    write_part,
)
from simcompare.images.positions import repeats
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.selection import select_rows
from simcompare.images.splits import SPLITS
from simcompare.kinds import Kind
from simcompare.runs.documents import parse_json
from simcompare.runs.temporary import TemporaryFolder

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

        Raises
        ------
        FileNotFoundError
            When a path or the parts in a folder do not exist.
        OSError
            When a part is truncated or damaged.
        ValueError
            When a file is not an image set, is from a newer version, or when parts disagree.
        """
        files = [file for path in paths for file in part_files(Path(path))]
        if not files:
            raise FileNotFoundError("no image set named; give a file or a run folder.")
        refuse_copies(files)
        parts = [Part.open(file) for file in files]
        for part in parts[1:]:
            check_agreement(parts[0], part)
        return cls(parts)

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        *,
        bands: str | Sequence[str],
        psf: Any,
        pixel_scale: Any = None,
        variance: Any = None,
        survey: str | Survey = "sdss",
        catalogue: Table | Mapping | None = None,
        preparation: Preparation | None = None,
        **about: Any,
    ) -> "ImageSet":
        """Prepare images that are in memory, as `simcompare prepare` does those of files.

        Parameters
        ----------
        images : array_like or Quantity, shape (n, band, y, x), or (n, y, x) in one band
            Calibrated, with the noise of the sky. Bare numbers are nanomaggies per pixel; NaN is not a value.
        bands : str or sequence of str
            Filters, in the order of the images' band axis.
        psf : array_like, shape (k, k), (band, k, k) or (n, band, k, k)
            Image of a point source on the same pixels; k odd.
        pixel_scale : float or Quantity, optional
            [arcsec]; default: the survey's.
        variance : array_like or Quantity, optional
            Variance of sky and source, same shape as the images; default: measured.
        survey : str or Survey
            Survey of the images: name, or survey file.
        catalogue : Table or mapping, optional
            One row for each image: ``galaxy_id`` (the same for all views of one galaxy), ``view``, ``ra`` and
            ``dec`` [deg], ``split``, ``electrons_per_nanomaggy_<band>``, and any other columns to keep.
        preparation : Preparation, optional
            Default: that of ``simcompare prepare``, to 64 pixels.
        **about
            ``name``, ``kind`` and ``seed``, see `simcompare.images.arrays.About`.

        Returns
        -------
        ImageSet
            In a temporary folder that exists as long as the set; `save` keeps it. The log lists the images
            that could not be prepared.

        Raises
        ------
        ValueError, TypeError
            For shapes, units or values that do not fit, or when no image can be prepared.
        """
        description, survey = About(**about), load_survey(survey)
        bands = tuple(band.name for band in survey.select(tuple(bands)))
        scale = survey.pixel_scale if pixel_scale is None else pixel_scale
        arrays = Arrays.of(images, bands, scale, psf, variance, catalogue)
        folder = TemporaryFolder()
        prepare_arrays(folder.path, arrays, survey, preparation or Preparation(), description)
        return cls.open(folder.path).kept_by(folder)

    @classmethod
    def concat(cls, *sets: "ImageSet") -> "ImageSet":
        """Image sets one after the other; they must agree in survey, bands, scale and preparation.

        Of a real galaxy that stands in several of them, within 3 arcsec, the first set's images are kept, so
        that it cannot be on both sides of a split; the log tells how many were left out.
        """
        parts = [part for each in sets for part in each._parts]
        for part in parts[1:]:
            check_agreement(parts[0], part)
        starts = np.cumsum([0, *(sum(part.n for part in each._parts) for each in sets)])
        index = np.concatenate([start + each._positions for start, each in zip(starts, sets, strict=False)])
        joined = cls(parts, index)
        if joined.kind != Kind.OBSERVED or "ra" not in joined.catalogue.colnames:
            return joined
        owner = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
        again = repeats(joined.catalogue["ra"], joined.catalogue["dec"], owner)
        if not again.any():
            return joined
        logger.warning("left out %d images of galaxies that are in an earlier set", again.sum())
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
                raise ValueError(f"no image matches {where!r}.")
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
        return [parse_json(part.provenance, f"{part.path}: provenance") for part in self._parts]

    @property
    def files(self) -> list[Path]:
        """The parts' paths."""
        return [part.path for part in self._parts]

    @property
    def folder(self) -> Path | None:
        """Folder that holds the whole set and no other images; None for a choice from it, or several."""
        homes = {path.parent.parent if path.parent.name == "images" else path.parent for path in self.files}
        if self._index is not None or len(homes) != 1:
            return None
        home = homes.pop()
        return home if part_files(home) == self.files else None

    @property
    def kept(self) -> tuple[object, ...]:
        """Temporary folders that the images lie in."""
        return tuple(dict.fromkeys(part.kept for part in self._parts if part.kept is not None))

    def kept_by(self, folder: object) -> "ImageSet":
        """Return the same images, which keep a temporary folder alive."""
        return ImageSet([replace(part, kept=folder) for part in self._parts], self._index)

    def save(self, folder: str | os.PathLike, n_per_part: int = 512) -> "ImageSet":
        """Write the images to a folder, as an image set of their own.

        Parameters
        ----------
        folder : path-like
            Made when missing; it must not hold an image set.
        n_per_part : int
            Images in each file, and in memory at once.

        Raises
        ------
        ValueError
            When there is an image set, or this one has no image.
        """
        write_set(self, Path(folder), n_per_part)
        return ImageSet.open(folder)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image, (band, y, x)."""
        return (len(self.bands), *self._parts[0].image_shape)

    def __len__(self) -> int:
        return sum(part.n for part in self._parts) if self._index is None else len(self._index)

    def __repr__(self) -> str:
        return f"<ImageSet {self.name!r}: {len(self)} {self.kind} {self.survey} {','.join(self.bands)}>"

    def _repr_html_(self) -> str:
        return html_table(self)

    def plot(self, n: int = 16, ax: Any = None) -> Any:
        """Draw the first images on one sheet, all with the same stretch; three bands or more in colour.

        Parameters
        ----------
        n : int
            Images shown.
        ax : Axes, optional
            Default: those of a new figure.

        Returns
        -------
        Axes
        """
        return draw_images(self, n, ax)

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
        whole = joined_catalogue(self._parts)
        return whole if self._index is None else whole[self._index]

    def columns(self, *names: str) -> dict[str, np.ndarray]:
        """Read numbers of the catalogue without the rest of it; NaN where a part lacks a column."""
        values = joined_columns(self._parts, names)
        return values if self._index is None else {name: each[self._index] for name, each in values.items()}

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
        return read_stack(self._parts, self._at(index))

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
            raise ValueError(f"split is {name!r}; known: {', '.join(SPLITS)}.")
        return self.subset(np.flatnonzero(self.catalogue["split"] == name))
