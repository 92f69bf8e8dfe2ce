"""Images that are in memory already: checked, brought to nanomaggies, prepared and written as a part."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from mocks.ideal.units import JANSKY_OF_NANOMAGGY
from mocks.surveys import Survey
from simcompare.images.parts import collect_stamps, part_path, write_part
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.preparation.sample import Sample
from simcompare.images.splits import FRACTIONS, SPLITS, TEST_ALONE
from simcompare.images.stamps import RawStamp
from simcompare.kinds import Kind

__all__ = ["About", "Arrays", "prepare_arrays"]

logger = logging.getLogger(__name__)

NANOMAGGY = u.Unit("nmgy")
_OWN_COLUMNS = ("galaxy_id", "view", "ra", "dec")  # attributes of `RawStamp`, not extra columns


@dataclass(frozen=True)
class About:
    """What is said of images as a whole.

    Parameters
    ----------
    name : str
        Of the data set, as tables and figures call it.
    kind : str
        "simulated"; or "observed", of which a flow may learn, and "twins".
    seed : int
        Of the noise that takes the place of neighbours, and of the splits.
    """

    name: str = "arrays"
    kind: str = Kind.SIMULATED
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images of many galaxies in arrays; made by `of`, which checks them.

    Parameters
    ----------
    image : ndarray, shape (n, band, y, x)
        Flux [nanomaggies per pixel]; NaN where there is none.
    bands : tuple of str
    pixel_scale : float
        [arcsec].
    psf : ndarray, shape (n, band, k, k)
        k odd, sum 1.
    variance : ndarray, shape (n, band, y, x), optional
        [nanomaggies^2 per pixel^2].
    catalogue : Table
        One row for each image; further columns are kept.
    """

    image: np.ndarray
    bands: tuple[str, ...]
    pixel_scale: float
    psf: np.ndarray
    variance: np.ndarray | None
    catalogue: Table

    @classmethod
    def of(
        cls,
        images: Any,
        bands: str | Sequence[str],
        pixel_scale: Any,
        psf: Any,
        variance: Any = None,
        catalogue: Table | Mapping | None = None,
    ) -> "Arrays":
        """Check arrays; see `simcompare.images.image_set.ImageSet.from_arrays` for what they are.

        Raises
        ------
        ValueError, TypeError
            For shapes, units or values that do not fit, saying what was found and what is needed.
        """
        bands = tuple(bands)
        image = _four_axes(_fluxes(images, NANOMAGGY, "images"), bands)
        if variance is not None:
            variance = _four_axes(_fluxes(variance, NANOMAGGY**2, "variance"), bands, "variance")
            _check_variance(variance, image)
        return cls(
            image,
            bands,
            _scale(pixel_scale),
            _psfs(psf, image.shape[:2]),
            variance,
            _rows(catalogue, len(image)),
        )

    def stamps(self, name: str) -> Iterator[tuple[RawStamp, int]]:
        """Each image with the number of its view, to be prepared.

        Parameters
        ----------
        name : str
            Of the data set, from which galaxies without a name have theirs.
        """
        table, views = self.catalogue, Counter()
        electrons = [f"electrons_per_nanomaggy_{band}" for band in self.bands]
        known = set(electrons) <= set(table.colnames)
        for k in range(len(self.image)):
            row = {column: _plain(table[column][k]) for column in table.colnames}
            galaxy_id = str(row.get("galaxy_id", f"{name}-{k}"))
            view = int(row.get("view", views[galaxy_id]))
            views[galaxy_id] += 1
            stamp = RawStamp(
                image=self.image[k],
                variance=None if self.variance is None else self.variance[k],
                psf=self.psf[k],
                pixel_scale=self.pixel_scale,
                bands=self.bands,
                galaxy_id=galaxy_id,
                ra=float(row.get("ra", np.nan)),
                dec=float(row.get("dec", np.nan)),
                electrons=np.array([row[column] for column in electrons]) if known else None,
                metadata={column: value for column, value in row.items() if column not in _OWN_COLUMNS},
            )
            yield stamp, view


def prepare_arrays(
    folder: Path, arrays: Arrays, survey: Survey, preparation: Preparation, about: About
) -> Path:
    """Prepare images as those of files are, and write them as the one part of an image set.

    Parameters
    ----------
    folder : path
        That the set will be in.
    arrays : Arrays
    survey : Survey
    preparation : Preparation
    about : About

    Returns
    -------
    pathlib.Path
        The part. The log tells which images were left out, and why.

    Raises
    ------
    ValueError
        When no image can be prepared.
    """
    fractions = TEST_ALONE if about.kind == Kind.SIMULATED else FRACTIONS
    sample = Sample(about.name, preparation, survey, about.seed, fractions)
    stamps, failures = [], []
    for stamp, view in arrays.stamps(about.name):
        try:
            prepared = sample.prepare(stamp, view)
        except ValueError as error:
            failures.append({"galaxy_id": stamp.galaxy_id, "reason": str(error)})
            logger.warning("left out %s: %s", stamp.galaxy_id, error)
            continue
        own = {"split": stamp.metadata["split"]} if "split" in stamp.metadata else {}
        stamps.append(replace(prepared, row=prepared.row | own))
    if not stamps:
        raise ValueError(f"no image could be prepared; the first reason: {failures[0]['reason']}.")
    return write_part(
        part_path(folder, 0),
        *collect_stamps(stamps),
        name=about.name,
        kind=about.kind,
        survey=survey,
        bands=arrays.bands,
        pixel_scale=preparation.pixel_scale_of(arrays.pixel_scale),
        preparation=preparation,
        provenance={"source": "arrays", "seed": about.seed, "failures": failures},
    )


def _fluxes(values: Any, unit: u.Unit, name: str) -> np.ndarray:
    """Values as floats in a power of nanomaggies; bare numbers are taken as such."""
    if isinstance(values, u.Quantity):
        power = unit.powers[0] if unit is not NANOMAGGY else 1
        root = values ** (1 / power)
        try:
            root = root.to(NANOMAGGY, u.zero_point_flux(JANSKY_OF_NANOMAGGY * 1e9 * u.Jy))
        except u.UnitConversionError:
            raise ValueError(
                f"{name} are in {values.unit}; give {unit}, a flux density such as Jy"
                f"{' squared' if power > 1 else ''}, or bare numbers in {unit} per pixel."
            ) from None
        values = root.value**power
    values = np.asarray(values)
    if values.dtype == np.uint8:
        raise ValueError(f"{name} are 8-bit numbers (a picture); calibrated fluxes are needed.")
    if values.dtype.kind not in "fiu":
        raise TypeError(f"{name} are of type {values.dtype}; an array of numbers is needed.")
    return values.astype(float)


def _four_axes(values: np.ndarray, bands: tuple[str, ...], name: str = "images") -> np.ndarray:
    """Array with the axes (n, band, y, x)."""
    needed = f"(n, {len(bands)} band{'s' * (len(bands) > 1)} {', '.join(bands)}, y, x) is needed"
    if not bands or len(set(bands)) < len(bands):
        raise ValueError(f"bands are {', '.join(bands) or 'not named'}; name each once, as 'gri'.")
    if values.ndim == 3 and len(bands) == 1:
        values = values[:, None]
    if values.ndim == 4 and values.shape[1] != len(bands) == values.shape[-1]:
        raise ValueError(
            f"{name} have shape {values.shape}, bands last; {needed}: numpy.moveaxis({name}, -1, 1)."
        )
    if values.ndim != 4 or values.shape[1] != len(bands):
        raise ValueError(f"{name} have shape {values.shape}; {needed}.")
    if not values.size:
        raise ValueError(f"{name} have shape {values.shape}; they are empty.")
    return values


def _check_variance(variance: np.ndarray, image: np.ndarray) -> None:
    """Refuse variances that do not go with the images."""
    if variance.shape != image.shape:
        raise ValueError(f"variance has shape {variance.shape}, the images have {image.shape}.")
    wrong = np.isfinite(image) & ~(np.isfinite(variance) & (variance > 0))
    if wrong.any():
        k, band, y, x = np.argwhere(wrong)[0]
        raise ValueError(
            f"variance is {variance[k, band, y, x]} at image {k}, band {band}, y {y}, x {x}, one of "
            f"{wrong.sum()} such pixels; give positive numbers, and NaN in the image where it has no value."
        )


def _scale(pixel_scale: Any) -> float:
    """Pixel scale [arcsec]."""
    if isinstance(pixel_scale, u.Quantity):
        unit = u.arcsec / u.pix if u.pix in pixel_scale.unit.bases else u.arcsec
        pixel_scale = pixel_scale.to_value(unit)
    if not (np.isscalar(pixel_scale) and np.isfinite(pixel_scale) and pixel_scale > 0):
        raise ValueError(f"pixel_scale is {pixel_scale}; one positive number of arcsec is needed.")
    return float(pixel_scale)


def _psfs(psf: Any, shape: tuple[int, int]) -> np.ndarray:
    """Images of a point source, one for each image and band, sum 1."""
    psf = np.asarray(psf, dtype=float)
    side = psf.shape[-1] if psf.ndim else 0
    if psf.shape not in ((side, side), (shape[1], side, side), (*shape, side, side)):
        raise ValueError(
            f"psf has shape {psf.shape}; (k, k) for all images, ({shape[1]}, k, k) for each band or "
            f"({shape[0]}, {shape[1]}, k, k) is needed."
        )
    if side % 2 == 0:
        raise ValueError(f"psf has shape {psf.shape} and so no central pixel; resample it to an odd side.")
    sums = psf.sum(axis=(-2, -1), keepdims=True)
    if not (np.isfinite(psf).all() and (sums > 0).all()):
        raise ValueError("psf holds values that are not finite, or no light at all.")
    psf = np.broadcast_to(psf / sums, (*shape, side, side))
    peak = np.indices((side, side)).reshape(2, -1)[:, psf.reshape(-1, side * side).argmax(axis=1)]
    if np.abs(peak - side // 2).max() > 1:
        raise ValueError("psf is not centred: its brightest pixel is more than one pixel from the middle.")
    return psf


def _rows(catalogue: Table | Mapping | None, n: int) -> Table:
    """Catalogue of the images."""
    table = Table(catalogue, copy=False) if catalogue is not None else Table()
    if table.colnames and len(table) != n:
        raise ValueError(f"the catalogue has {len(table)} rows for {n} images.")
    if "split" in table.colnames and (unknown := set(table["split"]) - set(SPLITS)):
        raise ValueError(f"column split holds {', '.join(map(str, unknown))}; known: {', '.join(SPLITS)}.")
    odd = [name for name in table.colnames if table[name].ndim != 1]
    if odd:
        raise ValueError(f"columns {', '.join(odd)} of the catalogue have several values in a row.")
    return table


def _plain(value: Any) -> Any:
    """Value of a table cell as Python has it."""
    value = getattr(value, "value", value)
    return value.item() if isinstance(value, np.generic) else value
