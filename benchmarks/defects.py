"""Real galaxies with a planted defect: what a comparison must find, at a known size.

Each defect is put into a prepared image inside an ellipse of 1.5 Petrosian radii, from the image, its
fitted Sersic model (under the same PSF) and its noise (sky variance plus light over gain). Lost noise is
given back, so that only structure changes; the edge is hard, for between two images with noise of their own a
soft one would have less noise than either. Streams are named by galaxy and defect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter

from mocks import stream
from mocks.observing.blurring import convolve_psf
from simcompare.images.image_set import ImageSet
from simcompare.images.morphology import half_turn
from simcompare.images.preparation.photometry import growth_curve, light_radius
from simcompare.images.preparation.sersic import sersic_image
from simcompare.scores.aperture import aperture_weights
from simcompare.synthetic.twins import fit_galaxy


@dataclass(frozen=True, eq=False)
class Parts:
    """One band of a galaxy: image, smooth model, and what is needed to change one into the other."""

    image: np.ndarray
    model: np.ndarray  # as observed, without the sky's level
    profile: np.ndarray  # unconvolved, sum 1
    flux: float
    level: float
    sky_sigma: float
    sigma: np.ndarray  # of the noise in each pixel
    psf: np.ndarray
    inside: np.ndarray  # 0 or 1
    centre: tuple[float, float]
    pixel_scale: float

    def blend(self, changed: np.ndarray) -> np.ndarray:
        """Take the changed image inside the aperture, the image itself outside."""
        return self.inside * changed + (1 - self.inside) * self.image


def damped(parts: Parts, rng: np.random.Generator, amplitude: float) -> np.ndarray:
    """Structure times ``amplitude``."""
    smooth = parts.model + parts.level
    noise = np.sqrt(1 - amplitude**2) * parts.sigma * rng.normal(size=parts.image.shape)
    return parts.blend(smooth + amplitude * (parts.image - smooth) + noise)


def blurred(parts: Parts, rng: np.random.Generator, fwhm: float) -> np.ndarray:
    """Seen through a further Gaussian of ``fwhm`` arcsec."""
    sigma = fwhm / 2.3548 / parts.pixel_scale
    grid = np.arange(-15, 16)
    kernel = np.exp(-0.5 * (grid / sigma) ** 2)
    kernel /= kernel.sum()
    kept = np.sum(np.outer(kernel, kernel) ** 2)  # share of white noise's variance that a blur keeps
    white = rng.normal(size=parts.image.shape)
    # High frequencies that the blur took: white noise less its own blurred part, at the variance lost.
    lost = white - gaussian_filter(white, sigma, mode="nearest")
    lost *= np.sqrt((1 - kept) / max(1 - 2 * kernel[15] ** 2 + kept, 1e-9))
    smooth = gaussian_filter(parts.image - parts.level, sigma, mode="nearest") + parts.level
    return parts.blend(smooth + parts.sigma * lost)


def particles(parts: Parts, rng: np.random.Generator, n: int) -> np.ndarray:
    """Shot noise of ``n`` star particles, through the PSF."""
    counts = rng.poisson(n * parts.profile) - n * parts.profile
    return parts.image + convolve_psf(counts * parts.flux / n, parts.psf)


def symmetrised(parts: Parts, rng: np.random.Generator) -> np.ndarray:
    """Mean of the image and its half turn about the centre, with the noise given back.

    What is left of the noise is symmetric; what is given back is antisymmetric, lest the noise of a pixel
    tell that of its partner.
    """
    noise = parts.sigma * rng.normal(size=parts.image.shape)
    mean = 0.5 * (parts.image + half_turn(parts.image, parts.centre))
    return parts.blend(mean + 0.5 * (noise - half_turn(noise, parts.centre)))


def amplified(parts: Parts, rng: np.random.Generator, amplitude: float) -> np.ndarray:
    """Structure of the galaxy times ``amplitude``; what is added is smoothed by 1.4 pixels, lest noise be."""
    structure = gaussian_filter(parts.inside * (parts.image - parts.model - parts.level), 1.4)
    return parts.image + (amplitude - 1) * structure


def clumps(parts: Parts, rng: np.random.Generator, n: int, share: float, fwhm: float = 0.0) -> np.ndarray:
    """``n`` sources of a share of the flux and ``fwhm`` arcsec each, their light taken from the model."""
    chance = np.sqrt(parts.profile) * (parts.inside > 0.5)
    points = np.zeros(parts.image.size)
    np.add.at(points, rng.choice(points.size, size=n, p=(chance / chance.sum()).ravel()), share)
    points = points.reshape(parts.image.shape) * parts.flux
    if fwhm:
        points = gaussian_filter(points, fwhm / 2.3548 / parts.pixel_scale, mode="nearest")
    points = convolve_psf(points, parts.psf)
    return parts.image + points - n * share * parts.model


def swapped_sky(parts: Parts, rng: np.random.Generator) -> np.ndarray:
    """White noise outside the aperture."""
    white = parts.level + parts.sky_sigma * rng.normal(size=parts.image.shape)
    return parts.inside * parts.image + (1 - parts.inside) * white


def untouched(parts: Parts, rng: np.random.Generator) -> np.ndarray:
    """Nothing."""
    return parts.image


DEFECTS: dict[str, Callable[[Parts, np.random.Generator], np.ndarray]] = {
    "none": untouched,
    "structure x 0.75": partial(damped, amplitude=0.75),
    "structure x 0.5": partial(damped, amplitude=0.5),
    "structure x 0.25": partial(damped, amplitude=0.25),
    "structure x 0": partial(damped, amplitude=0.0),
    "blurred by 1.0 arcsec": partial(blurred, fwhm=1.0),
    "blurred by 0.6 arcsec": partial(blurred, fwhm=0.6),
    "noise of 1e3 particles": partial(particles, n=1000),
    "noise of 1e4 particles": partial(particles, n=10_000),
    "symmetrised": symmetrised,
    "five clumps of 2 %": partial(clumps, n=5, share=0.02),
    "outer sky replaced": swapped_sky,
}
MORE: dict[str, Callable[[Parts, np.random.Generator], np.ndarray]] = {
    "structure x 2": partial(amplified, amplitude=2.0),
    "five clumps of 5 %, 2.5 arcsec": partial(clumps, n=5, share=0.05, fwhm=2.5),
}
"""Defects of which only the way by scale is measured, see ``bench_parts.py``."""


def parts_of(images: ImageSet, i: int) -> list[Parts]:
    """Parts of one image of a set, by band."""
    stack, row = images.read(i), images.catalogue[i]
    fits = fit_galaxy(stack, row, images.bands, images.pixel_scale)
    size = stack.image.shape[-1]
    weight = aperture_weights(images.catalogue[i : i + 1], size, images.pixel_scale)[0]
    inside = (weight > 0.5).astype(float)
    result = []
    for k, (band, fit) in enumerate(zip(images.bands, fits, strict=True)):
        profile = np.maximum(sersic_image(fit.profile, (size, size)), 0)
        sky_sigma = float(row[f"sky_sigma_{band}"])
        light = np.maximum(fit.model, 0)
        electrons = _electrons(stack.variance[0, k], sky_sigma, stack.image[0, k])
        result.append(
            Parts(
                image=stack.image[0, k].astype(float),
                model=fit.model,
                profile=profile / profile.sum(),
                flux=float(fit.model.sum()),
                level=float(row[f"sky_level_{band}"]),
                sky_sigma=sky_sigma,
                sigma=np.sqrt(sky_sigma**2 + light * electrons),
                psf=stack.psf[0, k].astype(float) / stack.psf[0, k].sum(),
                inside=inside,
                centre=(float(row["centre_x"]), float(row["centre_y"])),
                pixel_scale=images.pixel_scale,
            )
        )
    return result


def _electrons(variance: np.ndarray, sky_sigma: float, image: np.ndarray) -> float:
    """Variance per unit of light that the variance map holds beside the sky's."""
    bright = image > 5 * sky_sigma
    excess = variance[bright] - sky_sigma**2
    return float(max(np.median(excess / image[bright]), 0)) if bright.any() else 0.0


def with_defect(images: ImageSet, parts: list[list[Parts]], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images of a set with a defect, (n, band, y, x), and their half-light radii [arcsec]."""
    pixels, radii = [], []
    for row, bands in zip(images.catalogue, parts, strict=True):
        rng = stream(0, str(row["galaxy_id"]), "defect", name)
        changed = np.array([(DEFECTS | MORE)[name](each, rng) for each in bands])
        pixels.append(changed)
        weights = np.array([each.sky_sigma**-2 for each in bands])
        radii.append(_half_light_radius(np.tensordot(weights / weights.sum(), changed, 1), bands, row))
    return np.array(pixels, dtype=np.float32), np.array(radii) * images.pixel_scale


def _half_light_radius(light: np.ndarray, bands: list[Parts], row: object) -> float:
    """Measured as the preparation does, in the same ellipses."""
    weights = np.array([each.sky_sigma**-2 for each in bands])
    level = float(np.average([each.level for each in bands], weights=weights))
    radius, flux, _ = growth_curve(
        light - level, bands[0].centre, float(row["axis_ratio"]), float(row["position_angle"])
    )
    petrosian = float(row["petrosian_radius"]) / bands[0].pixel_scale
    aperture = min(2 * petrosian, radius[-1]) if np.isfinite(petrosian) else light.shape[0] / 2
    total = np.interp(aperture, radius, flux)
    return light_radius(radius, flux, 0.5, total) if total > 0 else np.nan
