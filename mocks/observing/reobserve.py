"""Real images as another survey, or another redshift, would have them."""

from dataclasses import dataclass, field

import numpy as np

from mocks.observing.conditions import ObservingConditions
from mocks.observing.observe import Cutout
from mocks.observing.psf_images import check_psf
from mocks.surveys import Survey, load_survey

__all__ = ["RealImage", "redshifted", "reobserve"]

MOST_NEGATIVE = 0.05  # share of a PSF's light: noise of a good image of a star gives 0.01 to 0.03
LEAST_POWER = 1e-6  # power of the old PSF over its mean; weaker frequencies are not restored
MOST_GAIN = 4.0  # in power; a larger gain would sharpen the old image and show its noise
SAME_EXTENT = 1 - 1e-9  # allows for rounding


@dataclass(frozen=True, eq=False)
class RealImage:
    """A real, sky-subtracted image with what is known about how it was taken.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
        Flux [nanomaggies per pixel]; the galaxy in the middle.
    psf : tuple of ndarray, shape (k, k)
        Point-source image of each band on the same pixels.
    pixel_scale : float
        [arcsec].
    sky_sigma : ndarray, shape (band,)
        Standard deviation of a blank pixel [nanomaggies].
    bands : tuple of str
        Named as in the survey that will re-observe it.
    metadata : dict
    """

    image: np.ndarray
    psf: tuple[np.ndarray, ...]
    pixel_scale: float
    sky_sigma: np.ndarray
    bands: tuple[str, ...]
    metadata: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.image.ndim != 3 or not len(self.image) == len(self.psf) == len(self.bands) == len(
            self.sky_sigma
        ):
            raise ValueError(
                f"image of shape {self.image.shape}, {len(self.psf)} PSFs, {len(self.bands)} bands and "
                f"{len(self.sky_sigma)} sky sigmas do not match."
            )
        if not np.isfinite(self.image).all():
            raise ValueError("the image holds pixels that are not finite; fill them first.")
        for band, psf in zip(self.bands, self.psf, strict=True):
            check_psf(psf, f"psf of band {band}")
            negative = -np.minimum(psf, 0).sum()
            if negative > MOST_NEGATIVE:
                raise ValueError(
                    f"psf of band {band} holds {-negative:.0%} of its light in negative pixels: its "
                    "background is not zero. mocks.observing.psf.fit_moffat makes a PSF without it."
                )


def redshifted(
    real: RealImage, cosmology, redshift: float, new_redshift: float, k_correction: float = 0.0
) -> RealImage:
    """Move a real galaxy to a higher redshift, before the new survey observes it.

    Parameters
    ----------
    real : RealImage
    cosmology : astropy.cosmology.FLRW
    redshift : float
        Of the galaxy.
    new_redshift : float
        Where it is put, higher.
    k_correction : float
        Change in magnitude, new minus old, from seeing other wavelengths; the default keeps f_nu flat.

    Returns
    -------
    RealImage
        Smaller pixels (the angular size scales as the inverse angular-diameter distance) with less flux and
        less noise. Its galaxy has not evolved.

    Raises
    ------
    ValueError
        When the new redshift is not higher: a galaxy cannot be sharpened.

    References
    ----------
    Barden, Jahnke & Haeussler 2008, ApJS 175, 105 (FERENGI).
    """
    if not 0 < redshift <= new_redshift:
        raise ValueError(
            f"images at redshift {redshift} can only be moved to higher redshift, not to {new_redshift}."
        )
    zoom = cosmology.angular_diameter_distance([redshift, new_redshift]).value
    # Flat f_nu: f goes as (1 + z) / d_L^2.
    distance = cosmology.luminosity_distance([redshift, new_redshift]).value
    dim = (distance[0] / distance[1]) ** 2 * (1 + new_redshift) / (1 + redshift) * 10 ** (-0.4 * k_correction)
    return RealImage(
        image=real.image * dim,
        psf=real.psf,
        pixel_scale=float(real.pixel_scale * zoom[0] / zoom[1]),
        sky_sigma=np.asarray(real.sky_sigma) * dim,
        bands=real.bands,
        metadata={
            **real.metadata,
            "redshift": new_redshift,
            "true_redshift": redshift,
            "k_correction": k_correction,
        },
    )


def _waves(n: int, scale: float, frequency: np.ndarray) -> np.ndarray:
    """Fourier waves of n pixels of a scale about their middle, shape (frequency, n)."""
    offset = (np.arange(n) - (n - 1) / 2) * scale
    return np.exp(-2j * np.pi * frequency[:, None] * offset)


def _blur(image, psf, pixel_scale, new_psf, new_scale, size):
    """Flux on the new pixels and the kernel's gain at each frequency of the new pixel grid.

    The image's Fourier transform is divided by its own PSF, times the new one, and summed at the new pixels:
    no interpolation, no pixel counted twice.
    """
    # Wide enough that nothing of the old image wraps around.
    side = max(size, int(np.ceil(max(image.shape) * pixel_scale / new_scale))) + len(new_psf)
    frequency = np.fft.fftfreq(side, new_scale)
    scale_y = _waves(len(psf), pixel_scale, frequency)
    new_y = _waves(len(new_psf), new_scale, frequency)
    old = scale_y @ psf @ scale_y.T
    new = new_y @ new_psf @ new_y.T
    # Where the old PSF keeps no power nothing can be restored, nor does the broader new one ask for it.
    gain = new * np.conj(old) / (np.abs(old) ** 2 + LEAST_POWER)
    below = np.abs(frequency) < 0.5 / pixel_scale
    gain *= below[:, None] & below
    transform = (
        _waves(image.shape[0], pixel_scale, frequency)
        @ image
        @ _waves(image.shape[1], pixel_scale, frequency).T
    )
    back = np.conj(_waves(size, new_scale, frequency)) / side
    return (back.T @ (transform * gain) @ back).real, np.abs(gain) ** 2


def reobserve(
    real: RealImage,
    survey: Survey | str,
    conditions: ObservingConditions,
    rng: np.random.Generator,
    size: int,
) -> Cutout:
    """Observe a real image again with a shallower, blurrier survey.

    Parameters
    ----------
    real : RealImage
        From a deeper and sharper survey.
    survey : Survey or str
    conditions : ObservingConditions
    rng : numpy.random.Generator
    size : int
        Side of the new image [pixels].

    Returns
    -------
    Cutout
        Its blank pixels have independent noise of ``sky_sigma``: what the old image brings is counted,
        frequency by frequency.

    Raises
    ------
    ValueError
        When the old image is blurrier or noisier than the new one may be.
    """
    survey, conditions = load_survey(survey), conditions.select(real.bands)
    images, variances = [], []
    for i, band in enumerate(real.bands):
        sigma, gain = conditions.sky_sigma[i], conditions.electrons_per_nanomaggy[i]
        extent = min(real.image.shape[1:]) * real.pixel_scale
        if extent < size * survey.pixel_scale * SAME_EXTENT:
            raise ValueError(
                f"the old image spans {extent:.1f} arcsec, less than {size} pixels of {survey.pixel_scale}."
            )
        flux, power = _blur(
            real.image[i], real.psf[i], real.pixel_scale, conditions.psf[i], survey.pixel_scale, size
        )
        if power.max() > MOST_GAIN:
            raise ValueError(
                f"band {band}: the old image is blurrier than the new {conditions.psf_fwhm[i]:.2f} arcsec."
            )
        # Noise density of the old image per new pixel, as the kernel leaves it.
        brought = power * np.asarray(real.sky_sigma)[i] ** 2 * (survey.pixel_scale / real.pixel_scale) ** 2
        if brought.mean() > sigma**2:
            raise ValueError(
                f"band {band}: the old image has noise {np.sqrt(brought.mean()):.3g}, more than the new "
                f"{sigma:.3g} [nanomaggies per pixel]; it is not deep enough."
            )
        missing = np.maximum(sigma**2 - brought, 0)
        white = np.fft.fft2(rng.standard_normal(missing.shape))
        noise = np.fft.ifft2(white * np.sqrt(missing)).real[:size, :size]
        shot = np.maximum(flux, 0) / gain
        images.append(flux + noise + np.sqrt(shot) * rng.standard_normal(flux.shape))
        variances.append(sigma**2 + shot)
    return Cutout(
        image=np.array(images, np.float32),
        variance=np.array(variances, np.float32),
        mask=np.zeros((len(images), size, size), np.uint8),
        psf=conditions.psf_stack(),
        pixel_scale=survey.pixel_scale,
        bands=real.bands,
        conditions=conditions,
        metadata={**real.metadata, "survey": survey.name, "conditions": conditions.origin},
    )
