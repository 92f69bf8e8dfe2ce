"""Real images observed again: as a shallower survey, or at a higher redshift, would have them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from astropy.cosmology import FlatLambdaCDM

from mocks import RealImage, draw_state, load_survey, redshifted, reobserve, stream
from mocks.observing.psf import fit_moffat
from mocks.observing.reobserve import MOST_NEGATIVE
from mocks.observing.sky_bank import clipped_sigma, segment
from simcompare.images.build import Images
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.preparation.sample import Sample
from simcompare.images.stamps import PreparedStamp, RawStamp
from simcompare.observed.formats import read_stamps
from simcompare.runs.time_limit import Watch
from simcompare.settings import ReobserveSettings
from simcompare.synthetic.observing import Found, Make, Source, observe_all, read_bank

__all__ = ["Task", "observe_file", "real_image"]

COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)
LEAST_SKY = 500  # pixels: noise and level to 4 % of the noise


@dataclass(frozen=True)
class Task:
    """The galaxies of one file."""

    path: Path
    settings: ReobserveSettings
    preparation: Preparation
    dataset: str

    @property
    def sample(self) -> Sample:
        """What its images have in common."""
        return Sample(self.dataset, self.preparation, self.settings.survey, self.settings.seed)

    @property
    def sources(self) -> list[Source]:
        """What it reads."""
        return [Source(self.path, self.path.name, files=(str(self.path),))]


def observe_file(task: Task, watch: Watch) -> Images:
    """Observe every galaxy of a file again."""
    return observe_all(task.sources, partial(_read, task), partial(_observe, task), watch)


def _read(task: Task, path: Path) -> Iterator[Found]:
    """Real images of a file."""
    settings = task.settings
    for raw in read_stamps(path, settings.filters, units=settings.units or ""):
        yield Found(raw.galaxy_id, raw)


def _observe(task: Task, galaxy_id: str, raw: RawStamp) -> Iterator[tuple[str, Make]]:
    """Name the one image of a galaxy."""
    yield "", partial(_again, task, galaxy_id, raw)


def _again(task: Task, galaxy_id: str, raw: RawStamp) -> PreparedStamp:
    """One galaxy, observed again and prepared."""
    settings, preparation = task.settings, task.preparation
    real = real_image(raw)
    if settings.redshift is not None:
        own = _own_redshift(raw, settings.own_redshift)
        real = redshifted(real, COSMOLOGY, own, settings.redshift, settings.k_correction)
    survey, bands = load_survey(settings.survey), settings.filters
    rng = stream(settings.seed, galaxy_id, "conditions")
    conditions, _ = draw_state(survey, bands, rng, read_bank(settings.conditions, None))
    noise = stream(settings.seed, galaxy_id, "noise")
    # With room to centre it, where the old image reaches so far.
    reach = int(min(real.image.shape[1:]) * real.pixel_scale / survey.pixel_scale + 1e-9)
    side = max(preparation.size, min(preparation.window, reach))
    cutout = reobserve(real, survey, conditions, noise, side)
    row = {name: value for name, value in cutout.metadata.items() if isinstance(value, str | int | float)}
    stamp = replace(RawStamp.from_cutout(cutout, galaxy_id, row), ra=raw.ra, dec=raw.dec)
    return task.sample.prepare(stamp)


def real_image(raw: RawStamp) -> RealImage:
    """Measure what has to be known of a real image before it is observed again.

    Parameters
    ----------
    raw : RawStamp
        As a survey gives it.

    Returns
    -------
    RealImage
        Cut around the galaxy, its sky taken off; a PSF with a background of its own is replaced by the Moffat
        profile that fits it.

    Raises
    ------
    ValueError
        For a picture, pixels without a value, or too little sky to measure its noise.
    """
    if raw.problem or raw.domain != "linear":
        raise ValueError(raw.problem or "a picture has no fluxes; only linear images are observed again")
    image = np.asarray(_centred(raw), float)
    if not np.isfinite(image).all():
        raise ValueError("the image holds pixels without a value")
    sky = ~segment(image)
    if sky.sum() < LEAST_SKY:
        raise ValueError(f"only {sky.sum()} pixels are sky; {LEAST_SKY} are needed to measure its noise")
    level, sigma = np.array([clipped_sigma(plane[sky]) for plane in image]).T
    psfs = [np.asarray(psf, float) / np.sum(psf, dtype=float) for psf in raw.psf]
    psfs = [fit_moffat(psf, len(psf)) if -np.minimum(psf, 0).sum() > MOST_NEGATIVE else psf for psf in psfs]
    return RealImage(
        image=image - level[:, None, None],
        psf=tuple(psfs),
        pixel_scale=raw.pixel_scale,
        sky_sigma=sigma,
        bands=tuple(raw.bands),
        metadata=dict(raw.metadata),
    )


def _centred(raw: RawStamp) -> np.ndarray:
    """Largest square of an image that has its galaxy in the middle."""
    n_y, n_x = raw.image.shape[1:]
    x, y = raw.position or ((n_x - 1) / 2, (n_y - 1) / 2)
    row, column = round(y), round(x)
    half = min(row, column, n_y - 1 - row, n_x - 1 - column)
    if half < 0:
        raise ValueError(f"the galaxy is expected at x {x:.1f}, y {y:.1f}, outside the image")
    return raw.image[:, row - half : row + half + 1, column - half : column + half + 1]


def _own_redshift(raw: RawStamp, own: str | None) -> float:
    """Redshift of a real galaxy: a number for all, or a column of its file."""
    try:
        return float(own)
    except (TypeError, ValueError):
        value = raw.metadata.get(own or "redshift")
    if value is None:
        known = ", ".join(map(str, raw.metadata)) or "nothing"
        raise ValueError(
            f"its redshift is not known; give --own-redshift as a number or as one of its columns ({known})"
        )
    return float(value)
