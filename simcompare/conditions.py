"""Observing conditions of real images, for mocks to share."""

import numpy as np

from mocks import ConditionsBank
from simcompare.imageset import ImageSet

__all__ = ["conditions_bank"]


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
        name=images.name,
    )
