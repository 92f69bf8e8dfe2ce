"""Galaxies measured by statmorph: in our image and another program's, and beside our own measurement.

SKIRT's images are of Illustris-1 galaxies whose particles are not at hand, so they are compared as a class.
Where synthesizer and bagpipes are there, synthesizer draws the same particles as we do.
"""

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from check_rows import Row
from scipy.ndimage import gaussian_filter, label

from mocks import Scene, draw_conditions, load_survey, observe, project, stream
from mocks.ideal.fit import fit_to_survey
from mocks.ideal.record import IdealImage
from mocks.observing.conditions import ObservingConditions
from mocks.observing.psf import effective_psf
from mocks.readers import open_snapshot, read_ideal_image
from simcompare.images.morphology import measure_morphology
from simcompare.images.preparation.photometry import (
    aperture_flux,
    growth_curve,
    light_radius,
    magnitude,
    measure_shape,
)
from simcompare.images.preparation.segmentation import locate_target

SURVEY = load_survey("sdss")
SEEING = 1.32  # arcsec
SIZE = 192  # survey pixels, 76 arcsec
REDSHIFT = 0.0485236  # of SKIRT's images
ANALOGS = (417175, 420815, 433516)
VIEWS = ("x", "y", "z")
POPULATION, DUST = "bc03", "screen"  # the default
NUMBERS = ("magnitude", "half-light radius [arcsec]", "concentration", "asymmetry", "Gini", "M20")
LITTLE = 0.05  # noise in the images that are measured, of that of the survey: statmorph needs some


def conditions() -> ObservingConditions:
    """One state of sky and camera for all images, in median seeing."""
    drawn = draw_conditions(SURVEY, "r", stream(1, "oracle images"))
    psf = effective_psf("double-gaussian", SEEING / SURVEY.pixel_scale, 41)
    return replace(drawn, psf=(psf,), psf_fwhm=np.array([SEEING]))


def seen(ideal: IdealImage) -> np.ndarray:
    """Image in r on survey pixels, PSF included, without noise, shape (y, x)."""
    state = conditions()
    stages = observe(ideal, SURVEY, state, stream(1, "unused"), keep_stages=True).stages
    return stages["blurred"][0].astype(float)


def skirt_images(data: Path) -> dict[str, IdealImage]:
    """Give SKIRT's images in r, on the survey's fine pixels."""
    folder, found = data / "simulated" / "illustris1_skirt_sdss_snap135", {}
    for path in sorted(folder.glob("*.fits")):
        ideal = read_ideal_image(path, bands="griz")
        ideal = replace(ideal, image=ideal.image[[1]], bands=("r",), flux_outside=None)
        found[path.stem.removeprefix("broadband_")] = fit_to_survey(ideal, SURVEY, SIZE)
    return found


def our_images(data: Path) -> dict[str, IdealImage]:
    """Give our images of Illustris-1 galaxies in r, three views each."""
    found = {}
    for number in ANALOGS:
        path = data / "simulated" / "illustris1_snap135_m31_analogs" / f"cutout_{number}.hdf5"
        galaxy = open_snapshot(path).read(number)
        for view in VIEWS:
            scene = Scene(REDSHIFT, view, SIZE, POPULATION, DUST)
            found[f"{number} {view}"] = project(galaxy, SURVEY, "r", scene)
    return found


def segment(image: np.ndarray, sigma: float) -> np.ndarray:
    """Pixels of the galaxy: connected with its centre, three sigma above the sky once smoothed."""
    smooth = gaussian_filter(image, 3)
    regions, _ = label(smooth > 3 * sigma / np.sqrt(4 * np.pi * 9))
    return regions == regions[len(image) // 2, len(image) // 2]


class Measured(NamedTuple):
    """`NUMBERS` of one image: by us, by statmorph, and by us about statmorph's centre in its apertures."""

    ours: np.ndarray
    theirs: np.ndarray
    at_theirs: np.ndarray


def measured(image: np.ndarray) -> Measured:
    """Measure one image with `LITTLE` noise; asymmetries are over the light, not twice the light."""
    import statmorph

    state = conditions()
    target = segment(image, state.sky_sigma[0])
    sigma = LITTLE * state.sky_sigma[0]
    image = image + sigma * stream(1, "noise").normal(size=image.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = statmorph.SourceMorphology(
            image, target.astype(int), 1, weightmap=np.full(image.shape, sigma), psf=state.psf[0]
        )
    theirs = (
        22.5 - 2.5 * np.log10(other.flux_ellip),
        other.rhalf_ellip * SURVEY.pixel_scale,
        other.concentration,
        other.asymmetry,
        other.gini,
        other.m20,
    )
    return Measured(_by_us(image, target, sigma), np.array(theirs), _about_theirs(image, sigma, other))


def _by_us(image: np.ndarray, target: np.ndarray, sigma: float) -> np.ndarray:
    """Our numbers, as of a prepared image."""
    middle = (len(image) - 1) / 2
    centre = locate_target(image, (middle, middle), 10)
    shape = measure_shape(image, target, centre)
    ellipse = shape.petrosian_radius, shape.axis_ratio, shape.position_angle
    found = measure_morphology(image, np.full(image.shape, sigma**2), centre, *ellipse)
    total = magnitude(aperture_flux(image, centre, shape)[0])
    size = shape.half_light_radius * SURVEY.pixel_scale
    return np.array((total, size, shape.concentration, 2 * found.asymmetry, found.gini, found.m20))


def _about_theirs(image: np.ndarray, sigma: float, other: object) -> np.ndarray:
    """Our numbers about statmorph's centre of least asymmetry, in the apertures that it takes."""
    centre = float(other.xc_asymmetry), float(other.yc_asymmetry)
    variance = np.full(image.shape, sigma**2)
    ellipse = 1 - other.ellipticity_asymmetry, other.orientation_asymmetry
    radius, flux, _ = growth_curve(image, centre, *ellipse)
    total = np.interp(2 * other.rpetro_ellip, radius, flux)
    size = light_radius(radius, flux, 0.5, total) * SURVEY.pixel_scale
    in_circles = measure_morphology(image, variance, centre, other.rpetro_circ)
    in_ellipses = measure_morphology(image, variance, centre, other.rpetro_ellip, *ellipse)
    radius, flux, _ = growth_curve(image, centre, 1.0, 0.0)
    inside = np.interp(1.5 * other.rpetro_circ, radius, flux)
    r80, r20 = (light_radius(radius, flux, share, inside) for share in (0.8, 0.2))
    concentration = 5 * np.log10(r80 / r20)
    shape = (2 * in_circles.asymmetry, in_ellipses.gini, in_ellipses.m20)
    return np.array((magnitude(total), size, concentration, *shape))


def _through_galsim(path: Path) -> np.ndarray:
    """See SKIRT's image under the same PSF by GalSim."""
    import galsim

    image = read_ideal_image(path, bands="griz").image[1]
    scene = galsim.InterpolatedImage(
        galsim.Image(np.pad(image, 20), scale=1.0), x_interpolant="lanczos15",
        gsparams=galsim.GSParams(maximum_fft_size=8192),
    )  # fmt: skip
    # a PSF image holds the survey pixel, which SKIRT's pixels hold as well: it is taken out once
    psf = galsim.InterpolatedImage(
        galsim.Image(conditions().psf[0].copy(), scale=1.0), x_interpolant="lanczos15"
    )
    sharp = galsim.Convolve(psf, galsim.Deconvolve(galsim.Pixel(1.0)))
    drawn = galsim.Convolve(scene, sharp).drawImage(
        nx=SIZE, ny=SIZE, scale=1.0, method="no_pixel", dtype=float
    )
    return drawn.array


def _compared(name: str, ours: np.ndarray, theirs: np.ndarray, allowed: tuple, how: str) -> Iterator[Row]:
    for number, a, b, limit in zip(NUMBERS, ours, theirs, allowed, strict=True):
        yield Row(name, number, float(a), float(b), limit, how)


def measurement_rows(found: dict[str, Measured]) -> Iterator[Row]:
    """Compare our measurement with statmorph's in the same pixels: medians, and the largest differences."""
    ours, theirs, at_theirs = (np.array(each) for each in zip(*found.values(), strict=True))
    name, how = f"{len(ours)} images", "statmorph, same pixels"
    allowed = (0.02, 0.5, 0.15, 0.05, 0.02, 0.05)
    yield from _compared(f"{name}, median", np.median(ours, 0), np.median(theirs, 0), allowed, how)
    for ending, each, allowed in (
        ("", ours, (0.03, 1.0, 0.3, 0.3, 0.05, 0.05)),
        (" about its centre, in its apertures", at_theirs, (0.02, 0.5, 0.01, 0.02, 0.05, 0.05)),
    ):
        largest, none = np.abs(each - theirs).max(axis=0), np.zeros(len(NUMBERS))
        yield from _compared(f"{name}, largest difference{ending}", largest, none, allowed, how)


def chain_rows(data: Path, found: dict[str, Measured]) -> Iterator[Row]:
    """SKIRT's images through our chain and through GalSim, both measured by statmorph."""
    for path in sorted((data / "simulated" / "illustris1_skirt_sdss_snap135").glob("*.fits")):
        key = path.stem.removeprefix("broadband_")
        theirs = _through_galsim(path)
        ours = seen(skirt_images(data)[key])
        name = f"SKIRT {key}, seen"
        difference = np.abs(ours - theirs).max() / theirs.max()
        yield Row(name, "largest difference over peak", float(difference), 0, 2e-3, "GalSim")
        yield from _compared(
            name, found[key].theirs, measured(theirs).theirs, (0.002, 0.02, 0.01, 0.01, 0.005, 0.01),
            "GalSim, both by statmorph",
        )  # fmt: skip


def synthesizer_image_rows(data: Path) -> Iterator[Row]:
    """Draw the same particles by us and by synthesizer, under one PSF, and measure both by statmorph."""
    from derive_bc03 import full_grid
    from oracle_light import GALAXIES, PLAIN, grid_for_synthesizer, image_of, light_of, read

    with tempfile.TemporaryDirectory() as folder:
        grid = grid_for_synthesizer(Path(folder), full_grid())
        for name in list(GALAXIES)[:3]:
            galaxy = read(data, name)
            ideal = project(galaxy, SURVEY, "r", Scene(REDSHIFT, "z", SIZE, PLAIN, "none"))
            theirs = replace(ideal, image=image_of(galaxy, light_of(galaxy, grid, REDSHIFT)[1:2], ideal))
            yield from _compared(
                f"{name}, seen", measured(seen(ideal)).theirs, measured(seen(theirs)).theirs,
                (0.015, 0.1, 0.1, 0.05, 0.02, 0.05), "synthesizer, both by statmorph",
            )  # fmt: skip


def class_table(found: dict[str, Measured]) -> str:
    """Medians and ranges of SKIRT's images and ours of the same simulation, by statmorph."""
    names = list(found)
    skirt = np.array([found[name].theirs for name in names if " " not in name])
    ours = np.array([found[name].theirs for name in names if " " in name])
    lines = ["number | ours | SKIRT", "---|---|---"]
    for k, number in enumerate(NUMBERS):
        cells = [
            f"{np.median(each[:, k]):.3g} ({each[:, k].min():.3g} to {each[:, k].max():.3g})"
            for each in (ours, skirt)
        ]
        lines.append(" | ".join([number, *cells]))
    return "\n".join(f"| {line} |" for line in lines)


def measured_images(data: Path) -> dict[str, Measured]:
    """Numbers of SKIRT's images and ours, by us and by statmorph."""
    images = {**skirt_images(data), **our_images(data)}
    return {name: measured(seen(ideal)) for name, ideal in images.items()}
