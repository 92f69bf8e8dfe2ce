"""PSFs, Sersic profiles, blurring and noise by GalSim, beside ours."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from check_rows import Row

from mocks import draw_conditions, load_survey, stream
from mocks.observing.blurring import convolve_psf
from mocks.observing.observe import add_noise, bin_pixels
from mocks.observing.psf import gaussian_psf, moffat_psf, von_karman_psf
from mocks.readers import read_ideal_image
from simcompare.images.preparation.sersic import SersicProfile, sersic_image

SIDE = 121
RADIUS = 8.0  # pixels
SEEING = 3.4  # pixels
INDICES = (1.0, 2.5, 4.0)
LEVELS = (0.0, 0.1, 1.0, 10.0)  # nanomaggies per pixel
N_NOISE = 1000  # pixels on a side
LARGEST = "largest difference over peak"


def drawn(profile: object, size: int, **how) -> np.ndarray:
    """Let GalSim draw a profile on pixels of side one."""
    return profile.drawImage(nx=size, ny=size, scale=1.0, dtype=float, **how).array


def largest(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference over the brightest pixel."""
    return float(np.abs(ours - theirs).max() / theirs.max())


def _psf_rows() -> Iterator[Row]:
    import galsim

    for name, ours, theirs, allowed in (
        ("Gaussian", gaussian_psf(SEEING, 61), galsim.Gaussian(fwhm=SEEING), 1e-3),
        ("Moffat", moffat_psf(SEEING, 61, 3.0), galsim.Moffat(beta=3.0, fwhm=SEEING), 5e-3),
        ("Kolmogorov", von_karman_psf(SEEING, 61, np.inf), galsim.Kolmogorov(fwhm=SEEING), 2e-3),
    ):
        image = drawn(theirs, 61)
        yield Row(f"PSF, {name}", LARGEST, largest(ours, image / image.sum()), 0, allowed, "GalSim")


def exact_centre(n: float) -> float:
    """Light in the central pixel of a round Sersic profile of flux one: an integral over the square."""
    from scipy.special import gamma, gammaincinv

    b = gammaincinv(2 * n, 0.5)
    node, weight = np.polynomial.legendre.leggauss(200)
    # polar coordinates take the cusp out: an eighth of the square, r from 0 to 0.5 / cos(angle)
    angle = (node + 1) * np.pi / 8
    edge = 0.5 / np.cos(angle)
    share = (node[:, None] + 1) / 2
    radius = share**n * edge  # nodes where the profile falls fastest
    slope = n * share ** (n - 1) / 2 * edge
    inner = np.sum(weight[:, None] * slope * radius * np.exp(-b * (radius / RADIUS) ** (1 / n)), axis=0)
    total = 2 * np.pi * n * RADIUS**2 * b ** (-2 * n) * gamma(2 * n)
    return float(8 * np.pi / 8 * np.sum(weight * inner) / total)


def _sersic_rows() -> Iterator[Row]:
    import galsim

    middle, psf = SIDE // 2, moffat_psf(SEEING, 61, 3.0)
    for n in INDICES:
        parameters = galsim.GSParams(maximum_fft_size=8192)
        theirs = galsim.Sersic(n=n, half_light_radius=RADIUS, gsparams=parameters)
        sharp = sersic_image(SersicProfile(middle, middle, 1.0, RADIUS, n, 1.0, 0.0), (SIDE, SIDE))
        exact = exact_centre(n)
        name, how = f"Sersic n = {n:g}, sharp", "integral over the square"
        yield Row(name, "central pixel, ours", sharp.max(), exact, 2e-3, how, True)
        yield Row(name, "central pixel, GalSim's", drawn(theirs, SIDE).max(), exact, 2e-2, how, True)
        blurred = drawn(galsim.Convolve(theirs, galsim.Moffat(beta=3.0, fwhm=SEEING)), SIDE)
        for fine in (2, 3):
            at = middle * fine + (fine - 1) / 2
            image = sersic_image(
                SersicProfile(at, at, 1.0, RADIUS * fine, n, 1.0, 0.0), (SIDE * fine, SIDE * fine)
            )
            ours = bin_pixels(convolve_psf(image, psf, fine), fine)
            name = f"Sersic n = {n:g}, blurred, {fine}^2 fine pixels"
            yield Row(name, LARGEST, largest(ours, blurred), 0, 2e-3, "GalSim, convolved")


def _image_rows(data: Path) -> Iterator[Row]:
    """Blur SKIRT's images in both programs; pixels there are integrals of the scene."""
    import galsim

    psf = moffat_psf(SEEING, 61, 3.0)
    for path in sorted((data / "simulated" / "illustris1_skirt_sdss_snap135").glob("*.fits")):
        image = np.pad(read_ideal_image(path).image[1], 40)
        ours = convolve_psf(image, psf)
        scene = galsim.InterpolatedImage(
            galsim.Image(image.copy(), scale=1.0), x_interpolant="lanczos15",
            gsparams=galsim.GSParams(maximum_fft_size=8192),
        )  # fmt: skip
        both = galsim.Convolve(scene, galsim.Moffat(beta=3.0, fwhm=SEEING))
        theirs = both.drawImage(
            nx=image.shape[1], ny=image.shape[0], scale=1.0, method="no_pixel", dtype=float
        ).array
        inner = np.s_[40:-40, 40:-40]
        name, how = f"SKIRT {path.stem.removeprefix('broadband_')}, blurred", "GalSim, lanczos15"
        yield Row(name, LARGEST, largest(ours[inner], theirs[inner]), 0, 5e-3, how)
        yield Row(name, "light in the frame", ours[inner].sum(), theirs[inner].sum(), 2e-3, how, True)


def _noise_rows() -> Iterator[Row]:
    """Mean and variance of a flat image under SDSS conditions, shot and read-out noise, whole counts."""
    import galsim

    conditions = draw_conditions(load_survey("sdss"), "r", stream(1, "oracle"))
    conditions = replace(conditions, sky_level=None, sky_gradient=None, faint=None)
    gain, quantum = conditions.electrons_per_nanomaggy[0], conditions.nanomaggies_per_count[0]
    read, sigma = conditions.read_sigma[0], conditions.sky_sigma[0]
    shape = N_NOISE, N_NOISE
    for level in LEVELS:
        ours = add_noise(np.full((1, *shape), level), conditions, stream(2, "oracle"))[0]
        image = galsim.ImageD(np.full(shape, level / quantum), scale=1.0)
        sky = (sigma**2 - read**2 - quantum**2 / 12) * gain / quantum  # counts
        image.addNoise(
            galsim.CCDNoise(galsim.BaseDeviate(3), sky_level=sky, gain=gain * quantum, read_noise=read * gain)
        )
        image.quantize()
        theirs = image.array * quantum
        name, how = f"SDSS r noise on {level:g} nmgy per pixel", "GalSim CCDNoise, rounded"
        error = 5 * theirs.std() / N_NOISE
        yield Row(name, "mean [nmgy]", ours.mean(), theirs.mean(), error, how)
        yield Row(name, "variance [nmgy^2]", ours.var(), theirs.var(), 0.01, how, True)


def optics_rows(data: Path) -> list[Row]:
    """All rows of this module."""
    return [*_psf_rows(), *_sersic_rows(), *_image_rows(data), *_noise_rows()]
