"""Observing conditions of real images, for mocks to share."""

import numpy as np

from mocks import ConditionsBank, stream
from mocks.noise import measure_correlation
from simcompare.imageset import ImageSet
from simcompare.sanity import blank_patches

__all__ = ["conditions_bank"]

LEAST_FOR_CORRELATION = 200  # patches: an error of 0.004 per pair of separations
MAX_LAG = 2


def conditions_bank(images: ImageSet) -> ConditionsBank:
    """PSFs, noise, left-over sky and calibration of real images, for mocks to draw from.

    Only images whose galaxy leaves enough sky to measure are taken: half-light radius at most a
    twelfth of the side.

    Parameters
    ----------
    images : ImageSet

    Returns
    -------
    ConditionsBank
        One row per image. The calibration is left to the survey file where some image lacks it.

    Raises
    ------
    ValueError
        When no image has enough sky.
    """
    side = images.image_shape[-1] * images.pixel_scale
    images = images.subset(np.asarray(images.catalogue["half_light_radius"]) <= side / 12)
    if not len(images):
        raise ValueError("no galaxy of --conditions is small enough to leave sky to measure; go without.")
    stacks = [(stack.psf, stack.quantum) for stack in images.batches(256)]
    quantum = np.concatenate([quantum for _, quantum in stacks]).astype(float)

    def columns(name: str) -> np.ndarray:
        values = [np.asarray(images.catalogue[f"{name}_{band}"], float) for band in images.bands]
        return np.stack(values, axis=1)

    # The dither of the preparation is part of the measured noise, and will be added to the mocks again.
    dither = quantum**2 / 12 if images.preparation.dither else 0.0
    return ConditionsBank(
        bands=images.bands,
        psf=np.concatenate([psf for psf, _ in stacks]),
        psf_fwhm=columns("psf_fwhm"),
        sky_sigma=np.sqrt(columns("sky_sigma") ** 2 - dither),
        nanomaggies_per_count=quantum if (quantum > 0).all() else None,
        sky_level=columns("sky_level"),
        noise_correlation=_correlation(images) if (quantum > 0).all() else None,
        name=images.name,
    )


def _correlation(images: ImageSet) -> np.ndarray | None:
    """Correlation between blank pixels, mean over bands; None where there are too few.

    Even a camera's own pixels are not independent: the read-out of SDSS correlates neighbours along a row by
    about 1 %.
    """
    tables = []
    for band in images.bands:
        patches = blank_patches(images, band, stream(0, "correlation", band))
        if len(patches) < LEAST_FOR_CORRELATION:
            return None
        tables.append(measure_correlation(patches, MAX_LAG))
    return np.mean(tables, axis=0)
