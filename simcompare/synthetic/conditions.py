"""Observing conditions of real images, for mocks to share."""

import numpy as np

from mocks import ConditionsBank, stream
from mocks.observing.noise import measure_correlation
from simcompare.images.blank_patches import blank_patches
from simcompare.images.image_set import ImageSet

__all__ = ["conditions_bank"]

LEAST_FOR_CORRELATION = 200  # patches: an error of 0.004 per pair of separations
MAX_LAG = 2


def conditions_bank(images: ImageSet) -> ConditionsBank:
    """PSFs, noise, left-over sky and calibration of real images, for mocks to draw from.

    Only images whose galaxy leaves enough sky to measure are taken: half-light radius at most a
    twelfth of the side.

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
    small = np.asarray(images.catalogue["half_light_radius"]) <= side / 12
    if not small.any():
        raise ValueError(
            f"{images.name}: no image has enough sky to measure its noise; all half-light radii exceed a "
            f"twelfth of the image, {side / 12:.1f} arcsec. Prepare larger images (--size), or take the "
            "conditions from the survey file: leave out --conditions ('attribute': --no-real-conditions; "
            "workflow file: real_conditions = false)."
        )
    images = images.subset(small)
    stacks = [(stack.psf, stack.quantum) for stack in images.batches(256)]
    quantum = np.concatenate([quantum for _, quantum in stacks]).astype(float)

    def columns(name: str) -> np.ndarray:
        values = [np.asarray(images.catalogue[f"{name}_{band}"], float) for band in images.bands]
        return np.stack(values, axis=1)

    # The dither of the preparation is part of the measured noise, and will be added to the mocks again.
    dither = quantum**2 / 12 if images.preparation.dither else 0.0
    correlation, row_scatter = _correlation(images) if (quantum > 0).all() else (None, None)
    return ConditionsBank(
        bands=images.bands,
        psf=np.concatenate([psf for psf, _ in stacks]),
        psf_fwhm=columns("psf_fwhm"),
        sky_sigma=np.sqrt(columns("sky_sigma") ** 2 - dither),
        nanomaggies_per_count=quantum if (quantum > 0).all() else None,
        sky_level=columns("sky_level"),
        noise_correlation=correlation,
        row_scatter=row_scatter,
        name=images.name,
    )


def _correlation(images: ImageSet) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Mean correlation between blank pixels of each band, and its scatter along rows; None where too few.

    Even a camera's own pixels are not independent: the read-out of SDSS correlates neighbours along a row by
    about 1 %, another amount in each amplifier.
    """
    tables, scatter = [], []
    for band in images.bands:
        rng = stream(0, "correlation", band)
        patches = blank_patches(images, band, rng)
        if len(patches) < LEAST_FOR_CORRELATION:
            return None, None
        tables.append(measure_correlation(patches, MAX_LAG))
        # The scatter of independent noise, which few pixels show too, is no scatter of the camera.
        white = rng.standard_normal((len(patches), *patches.shape[1:]))
        extra = np.var(_along_rows(patches)) - np.var(_along_rows(white))
        scatter.append(np.sqrt(max(extra, 0.0)))
    return np.array(tables), np.array(scatter)


def _along_rows(patches: np.ndarray) -> np.ndarray:
    """Correlation of neighbours along the rows of each patch."""
    unit = patches - patches.mean(axis=(1, 2), keepdims=True)
    return np.mean(unit[:, :, 1:] * unit[:, :, :-1], axis=(1, 2)) / np.mean(unit**2, axis=(1, 2))
