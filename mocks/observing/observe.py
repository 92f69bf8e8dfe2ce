"""From an ideal image to what a survey records: PSF, pixels, shot noise, sky, camera counts."""

import numpy as np

from mocks.ideal.record import IdealImage
from mocks.observing.background import faint_field, residual_sky
from mocks.observing.blurring import convolve_psf
from mocks.observing.conditions import ObservingConditions, rounding_variance
from mocks.observing.cutout import MASK_BITS, Cutout
from mocks.observing.fast_random import poisson, standard_normal
from mocks.observing.noise import correlate, correlated_noise
from mocks.observing.sky_bank import segment
from mocks.surveys import Survey, load_survey

__all__ = ["MASK_BITS", "Cutout", "add_noise", "add_to_sky", "bin_pixels", "observe"]

OBJECT_THRESHOLD, OBJECT_GROW = 3.0, 2
"""Of ``segment`` for the objects of a real patch: stricter than where sky is looked for, to mask no noise."""
SAME_SCALE = 1e-6  # relative difference of pixel scales that is rounding


def bin_pixels(image: np.ndarray, factor: int) -> np.ndarray:
    """Sum blocks of ``factor`` by ``factor`` pixels.

    Parameters
    ----------
    image : ndarray, shape (..., n_y, n_x)
        Sides divisible by ``factor``.
    factor : int

    Returns
    -------
    ndarray, shape (..., n_y / factor, n_x / factor)
    """
    *front, n_y, n_x = image.shape
    if n_y % factor or n_x % factor:
        raise ValueError(f"image of {n_y} x {n_x} pixels does not divide into blocks of {factor}.")
    return image.reshape(*front, n_y // factor, factor, n_x // factor, factor).sum(axis=(-3, -1))


def add_noise(flux: np.ndarray, conditions: ObservingConditions, rng: np.random.Generator) -> np.ndarray:
    """One exposure: undetected sources, shot noise, read-out noise, whole counts, sky subtracted.

    Parameters
    ----------
    flux : ndarray, shape (band, y, x)
        Expected flux [nanomaggies per pixel].
    conditions : ObservingConditions
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (band, y, x)
        A blank pixel has variance ``sky_sigma``^2 with everything included; a source adds its flux over
        ``electrons_per_nanomaggy``.

    Notes
    -----
    The sky level is the one whose shot noise, with read-out noise and the rounding to counts
    (quantum^2 / 12), makes up ``sky_sigma``. It is subtracted with a fraction of a count, as real sky
    models are, up to the residual ``sky_level`` and ``sky_gradient``. Where the conditions hold a correlation
    between pixels, the noise gets it; of coadds, which have no whole counts, it is Gaussian. Undetected
    sources, where the conditions hold their counts, come on top.
    """
    if conditions.faint is not None:
        flux = flux + faint_field(flux.shape[1:], conditions.faint, conditions.psf, rng)
    residual = residual_sky(flux.shape[1:], conditions.sky_level, conditions.sky_gradient)
    tables = conditions.noise_correlation
    if tables is not None and not conditions.nanomaggies_per_count.any():
        return residual + _coadd_noise(flux, conditions, rng)
    observed = np.empty(flux.shape)
    for i, gain in enumerate(conditions.electrons_per_nanomaggy):
        quantum, read = conditions.nanomaggies_per_count[i], conditions.read_sigma[i]
        shot = max(conditions.sky_sigma[i] ** 2 - read**2 - rounding_variance(quantum), 0.0)
        # Down to a whole count, a sky model is arbitrary: the shift keeps the counts off any common lattice.
        shift = rng.uniform(0, quantum)
        expected = np.maximum(flux[i] + shot * gain, 0.0)
        light = poisson(expected * gain, rng)
        if quantum == 0:  # coadded and resampled: no whole electrons either
            light += rng.uniform(-0.5, 0.5, size=light.shape)
        light /= gain
        noise = read * standard_normal(light.shape, rng)
        if tables is not None:  # read-out noise
            noise, light = correlate(noise + light - expected, tables[i]), expected
        level = np.add(light, noise, out=observed[i])
        level += shift - shot * gain
        if quantum > 0:
            level /= quantum
            np.rint(level, out=level)
            level *= quantum
        level -= shift
    return np.add(observed, residual, out=observed)


def _coadd_noise(flux: np.ndarray, conditions: ObservingConditions, rng: np.random.Generator) -> np.ndarray:
    """Shot noise of the source on a sky whose noise is correlated between pixels."""
    gain = conditions.electrons_per_nanomaggy[:, None, None]
    tables = conditions.noise_correlation
    sky = [correlated_noise(plane.shape, table, rng) for plane, table in zip(flux, tables, strict=True)]
    light = np.maximum(flux, 0)
    shot = poisson(light * gain, rng) / gain - light
    return flux + shot + conditions.sky_sigma[:, None, None] * np.stack(sky)


def add_to_sky(
    flux: np.ndarray, sky: np.ndarray, conditions: ObservingConditions, rng: np.random.Generator
) -> np.ndarray:
    """Put a source into a patch of real sky, which brings its own noise.

    Parameters
    ----------
    flux : ndarray, shape (band, y, x)
        Expected flux of the source [nanomaggies per pixel].
    sky : ndarray, shape (band, y, x)
        Real, sky-subtracted pixels at least as large; the middle is used.
    conditions : ObservingConditions
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (band, y, x)
        Sky plus the source with its own shot noise, in whole counts where the camera gives whole counts
        (rounded at random, so that faint light is not lost). Without source the sky comes back bit by bit.

    Raises
    ------
    ValueError
        When the patch is smaller than the image or holds NaN.
    """
    n_y, n_x = flux.shape[1:]
    if sky.ndim != 3 or len(sky) != len(flux) or sky.shape[1] < n_y or sky.shape[2] < n_x:
        raise ValueError(f"sky patch of shape {sky.shape} is too small for an image of shape {flux.shape}.")
    low_y, low_x = (sky.shape[1] - n_y) // 2, (sky.shape[2] - n_x) // 2
    observed = np.array(sky[:, low_y : low_y + n_y, low_x : low_x + n_x], float)
    if not np.isfinite(observed).all():
        raise ValueError("sky patch holds pixels that are not finite.")
    for i, gain in enumerate(conditions.electrons_per_nanomaggy):
        light = poisson(np.maximum(flux[i], 0) * gain, rng) / gain
        quantum = conditions.nanomaggies_per_count[i]
        if quantum > 0:
            light = np.floor(light / quantum + rng.uniform(size=light.shape)) * quantum
        observed[i] += light
    return observed


def _mask(shape: tuple[int, int, int], sky: np.ndarray | None) -> np.ndarray:
    """Good pixels everywhere, except on the objects that a real patch of sky brings along."""
    mask = np.zeros(shape, np.uint8)
    if sky is not None:
        low_y, low_x = (sky.shape[1] - shape[1]) // 2, (sky.shape[2] - shape[2]) // 2
        objects = segment(sky, threshold=OBJECT_THRESHOLD, grow=OBJECT_GROW)[
            low_y : low_y + shape[1], low_x : low_x + shape[2]
        ]
        mask[:, objects] = MASK_BITS["other object"]
    return mask


def _centres(ideal: IdealImage) -> np.ndarray:
    """Fine image whose blocks hold their central fine pixels' mean alone, in place of their own sum."""
    k = ideal.oversampling
    middle = np.zeros((k, k))
    middle[(k - 1) // 2 : k // 2 + 1, (k - 1) // 2 : k // 2 + 1] = 1
    tiles = np.tile(middle * (k**2 / middle.sum()), np.array(ideal.image.shape[1:]) // k)
    return ideal.image * tiles


def observe(
    ideal: IdealImage,
    survey: Survey | str,
    conditions: ObservingConditions,
    rng: np.random.Generator,
    keep_stages: bool = False,
    sky: np.ndarray | None = None,
) -> Cutout:
    """Observe an ideal image: blur, bin to survey pixels, add noise.

    Parameters
    ----------
    ideal : IdealImage
    survey : Survey or str
    conditions : ObservingConditions
        Must hold the bands of the image.
    rng : numpy.random.Generator
        The galaxy's own stream.
    keep_stages : bool
        Keep the noiseless images before and after the PSF.
    sky : ndarray, shape (band, y, x), optional
        Patch of real sky to put the galaxy into, taken under these conditions; default synthetic noise.

    Raises
    ------
    ValueError
        When the ideal image's pixels are not the survey's divided by its oversampling, or a band is missing.
    """
    survey, conditions = load_survey(survey), conditions.select(ideal.bands)
    expected = survey.pixel_scale / ideal.oversampling
    if abs(ideal.pixel_scale - expected) > SAME_SCALE * expected:
        raise ValueError(
            f"ideal image has pixels of {ideal.pixel_scale:.6g} arcsec; survey {survey.name} at oversampling "
            f"{ideal.oversampling} needs {expected:.6g}."
        )

    def on_survey_pixels(image):
        binned = bin_pixels(image, ideal.oversampling)
        margin = slice(ideal.margin, -ideal.margin or None)
        return binned[..., margin, margin]

    blurred = on_survey_pixels(
        np.stack(
            [
                convolve_psf(image, psf, ideal.oversampling, ideal.source_pixel)
                for image, psf in zip(ideal.image, conditions.psf, strict=True)
            ]
        )
    )
    noise = (conditions, rng)
    image = add_noise(blurred, *noise) if sky is None else add_to_sky(blurred, sky, *noise)
    gain = conditions.electrons_per_nanomaggy[:, None, None]
    sky_variance = (conditions.sky_sigma[:, None, None] / survey.sigma_over_variance) ** 2
    variance = sky_variance + np.maximum(blurred, 0) / gain
    stages = {}
    if keep_stages:
        stages = {"sampled": on_survey_pixels(_centres(ideal)), "ideal": on_survey_pixels(ideal.image)}
        stages["blurred"] = blurred
    return Cutout(
        image=image.astype(np.float32),
        variance=variance.astype(np.float32),
        mask=_mask(image.shape, sky),
        psf=conditions.psf_stack(),
        pixel_scale=survey.pixel_scale,
        bands=ideal.bands,
        conditions=conditions,
        stages={name: stage.astype(np.float32) for name, stage in stages.items()},
        metadata={**ideal.metadata, "survey": survey.name, "conditions": conditions.origin},
    )
