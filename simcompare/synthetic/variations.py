"""One simulated galaxy observed in many ways: up to each step of the mock, and with one thing changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.ndimage import map_coordinates

from mocks import (
    ConditionsBank,
    Cutout,
    Galaxy,
    IdealImage,
    ObservingConditions,
    draw_state,
    load_survey,
    mock_galaxy,
    stream,
)
from mocks.deposit.smoothing import smoothing_lengths
from mocks.observing.sky_bank import SkyBank
from mocks.views import random_view
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.stamps import PreparedStamp, RawStamp
from simcompare.settings import MockSettings
from simcompare.synthetic.mocks import observe_image

__all__ = ["BASELINE", "LADDER", "Variation", "VariedView", "altered", "scaled_psf", "variations"]

LADDER = ("ideal", "rebinned", "PSF", "Poisson", "sky", "neighbours")
"""Steps of an observation: light at the pixels' centres, summed over pixels, blurred, counted, on a synthetic
sky, in real sky with its neighbours."""

BASELINE = "sky"
_NOISELESS = {"ideal": "sampled", "rebinned": "ideal", "PSF": "blurred", "Poisson": "blurred"}


@dataclass(frozen=True)
class Variation:
    """One way to observe a galaxy.

    Parameters
    ----------
    ingredient : str
        What of the mock it is about: a step of `LADDER`, "PSF", "noise", "background", "dust", "population",
        "smoothing", "view" or "resolution".
    change : str
        What becomes of it, e.g. "+5 %"; empty for a step of the ladder.
    step : str
        Of `LADDER`: how far the observation goes.
    percent : float
        Size of a change that is one of several sizes; 0 for others.
    psf, noise : float
        Factors on the width of the PSF and on the noise of the sky; the catalogue keeps the nominal PSF, as
        an observer would who is wrong about it.
    background : float
        Added to the sky level [sky sigma].
    dust : str
        Other treatment; empty for the mock's own.
    population : str
        Other stellar population; empty for the mock's own.
    smoothing : float
        Factor on the smoothing lengths.
    other_view : bool
        Seen from another direction.
    particles : float
        Share of star particles kept, each as much heavier; 1 for all.
    """

    ingredient: str
    change: str = ""
    step: str = BASELINE
    percent: float = 0.0
    psf: float = 1.0
    noise: float = 1.0
    background: float = 0.0
    dust: str = ""
    population: str = ""
    smoothing: float = 1.0
    other_view: bool = False
    particles: float = 1.0

    @classmethod
    def of_step(cls, step: str) -> "Variation":
        """Nothing changed: the observation as far as a step of `LADDER`."""
        return cls(step, step=step)

    @property
    def name(self) -> str:
        """Ingredient and change, as tables call it."""
        return f"{self.ingredient} {self.change}".strip()

    @property
    def is_step(self) -> bool:
        """Whether it is a step of the ladder, not an error."""
        return self.ingredient == self.step

    @property
    def needs_particles(self) -> bool:
        """Whether a ready-made image cannot be varied so."""
        other_light = bool(self.dust or self.population)
        return other_light or self.smoothing != 1 or self.other_view or self.particles != 1

    def weight(self, known_to: float) -> float:
        """Share of the change by which the mock may be wrong.

        Parameters
        ----------
        known_to : float
            How well PSF, noise and background are known [percent].

        Returns
        -------
        float
            0 for the scatter of the sample and for physics, which no mock can be wrong about.
        """
        if self.percent:
            return known_to / self.percent
        return 0.0 if self.other_view or self.particles != 1 else 1.0


def variations(
    percents: Sequence[float],
    dusts: Sequence[str],
    populations: Sequence[str] = (),
    *,
    has_particles: bool,
    has_sky: bool,
) -> list[Variation]:
    """All ways to observe a galaxy, the ladder first.

    Parameters
    ----------
    percents : sequence of float
        Errors of PSF width, noise and background; of the background in percent of the sky sigma.
    dusts : sequence of str
        Other treatments of dust.
    populations : sequence of str
        Other stellar populations.
    has_particles : bool
        Whether the galaxies are particles, not ready-made images.
    has_sky : bool
        Whether there is real sky to put them into.
    """
    result = [Variation.of_step(step) for step in LADDER if has_sky or step != "neighbours"]
    for percent in sorted(percents):
        for signed in (percent, -percent):
            share, change = signed / 100, f"{signed:+g} %"
            result += [
                Variation("PSF", change, percent=percent, psf=1 + share),
                Variation("noise", change, percent=percent, noise=1 + share),
                Variation("background", change, percent=percent, background=share),
            ]
    result += [Variation("dust", name, dust=name) for name in dusts]
    result += [Variation("population", name, population=name) for name in populations]
    result += [Variation("smoothing", f"x{factor:g}", smoothing=factor) for factor in (0.5, 2.0)]
    result.append(Variation("view", "other", other_view=True))
    result += [Variation("resolution", f"1/{n}", particles=1 / n) for n in (2, 8)]
    return [each for each in result if has_particles or not each.needs_particles]


@dataclass(frozen=True, eq=False)
class VariedView:
    """One view of a galaxy, to be observed in many ways with the same random numbers.

    Parameters
    ----------
    subject : Galaxy or IdealImage
    galaxy_id : str
    number : int
        Of the view.
    settings : MockSettings
        Of the mock that is varied.
    preparation : Preparation
    bank : ConditionsBank or SkyBank, optional
        The latter also has the sky for the step "neighbours".
    """

    subject: Galaxy | IdealImage
    galaxy_id: str
    number: int
    settings: MockSettings
    preparation: Preparation
    bank: ConditionsBank | SkyBank | None = None

    def observe(self, way: Variation) -> PreparedStamp:
        """Observe it in one way.

        Images up to the step "Poisson" have no sky from which anything could be measured: they are cut like
        the finished image and have its catalogue row.

        Raises
        ------
        ValueError
            With the reason why there is no image.
        """
        if way.step in _NOISELESS:
            return self._unfinished(way)
        return self._finished[0] if way == Variation.of_step(BASELINE) else self._prepared(way)[0]

    @cached_property
    def _finished(self) -> tuple[PreparedStamp, Cutout]:
        """The mock itself, and what it was prepared from."""
        return self._prepared(Variation.of_step(BASELINE))

    def _prepared(self, way: Variation) -> tuple[PreparedStamp, Cutout]:
        """Image and cutout of one way with noise."""
        cutout = self._observed(way)
        stamp = RawStamp.from_cutout(replace(cutout, psf=self._drawn[0].psf_stack()), self.galaxy_id)
        rng = preparation_stream(self.settings.seed, self.galaxy_id, self.number)
        return prepare_stamp(stamp, self.preparation, rng), cutout

    @cached_property
    def _drawn(self) -> tuple[ObservingConditions, np.ndarray | None]:
        """Conditions as the mock itself draws them, and the patch of sky that comes with them."""
        survey, bands = load_survey(self.settings.survey), self.settings.filters
        return draw_state(survey, bands, self._rng("conditions"), self.bank)

    def _rng(self, purpose: str) -> np.random.Generator:
        """Stream of one purpose, the mock's own."""
        subject, names = self.subject, (self.galaxy_id,)
        if isinstance(subject, Galaxy):
            names = (subject.simulation, subject.snapshot, subject.subhalo_id, self.number)
        return stream(self.settings.seed, *names, purpose)

    def _observed(self, way: Variation) -> Cutout:
        """Observe in one way with noise."""
        settings, size = self.settings, self.preparation.window
        conditions, patch = self._drawn
        sky = patch if way.step == "neighbours" else None
        conditions = _wrong(conditions, way)
        if not isinstance(self.subject, Galaxy):
            options = {"keep_stages": True, "sky": sky}
            return observe_image(self.subject, self.galaxy_id, size, conditions, settings, **options)
        return mock_galaxy(
            altered(self.subject, way, self._rng("particles")),
            settings.survey,
            settings.filters,
            seed=settings.seed,
            redshift=settings.redshift,
            view=random_view(self._rng("other view")) if way.other_view else settings.directions[self.number],
            view_index=self.number,
            size=size,
            conditions=conditions if sky is None else _one_patch(conditions, sky),
            population=way.population or settings.population,
            dust=way.dust or settings.dust,
            keep_stages=True,
        )

    def _unfinished(self, way: Variation) -> PreparedStamp:
        """Image of an early step, cut as the finished one was."""
        try:
            base, cutout = self._finished
        except ValueError as error:
            raise ValueError("the finished image could not be prepared, so its cut is not known") from error
        image = cutout.stages[_NOISELESS[way.step]].astype(float)
        rng = stream(self.settings.seed, self.galaxy_id, self.number, way.step)
        if way.step == "Poisson":
            gain = cutout.conditions.electrons_per_nanomaggy[:, None, None]
            image = rng.poisson(np.maximum(image, 0) * gain) / gain
        size = base.image.shape[-1]
        rows, columns = (slice(base.row[name], base.row[name] + size) for name in ("cut_y", "cut_x"))
        # The dither of whole counts is part of the preparation, whatever it is given.
        quantum = cutout.conditions.nanomaggies_per_count[:, None, None]
        image = image + quantum * rng.uniform(-0.5, 0.5, image.shape)
        return replace(base, image=image[:, rows, columns].astype(np.float32))


def _wrong(conditions: ObservingConditions, way: Variation) -> ObservingConditions:
    """Conditions with one of them off."""
    sigma = way.noise * conditions.sky_sigma
    camera = np.sqrt(np.maximum(sigma**2 - conditions.nanomaggies_per_count**2 / 12, 0))
    return replace(
        conditions,
        psf=conditions.psf if way.psf == 1 else tuple(scaled_psf(psf, way.psf) for psf in conditions.psf),
        sky_sigma=sigma,
        read_sigma=np.minimum(conditions.read_sigma, camera),
        sky_level=conditions.sky_level + way.background * conditions.sky_sigma,
    )


def _one_patch(conditions: ObservingConditions, sky: np.ndarray) -> SkyBank:
    """Bank of the one patch that was drawn."""
    per_band = ("sky_sigma", "sky_level", "psf_fwhm", "electrons_per_nanomaggy", "nanomaggies_per_count")
    return SkyBank(
        bands=conditions.bands,
        image=sky[None],
        psf=conditions.psf_stack()[None],
        origin=np.array([conditions.origin]),
        **{name: getattr(conditions, name)[None] for name in per_band},
    )


def scaled_psf(psf: np.ndarray, factor: float) -> np.ndarray:
    """Image of a point source, wider or narrower.

    Parameters
    ----------
    psf : ndarray, shape (k, k)
        k odd.
    factor : float
        On the width.

    Returns
    -------
    ndarray, shape (k, k)
        Sum 1.
    """
    middle = len(psf) // 2
    place = (np.indices(psf.shape) - middle) / factor + middle
    scaled = np.maximum(map_coordinates(psf, place, order=3, mode="constant"), 0)
    return scaled / scaled.sum()


def altered(galaxy: Galaxy, way: Variation, rng: np.random.Generator) -> Galaxy:
    """Galaxy with fewer particles, or smoothed otherwise.

    Parameters
    ----------
    galaxy : Galaxy
    way : Variation
    rng : numpy.random.Generator
        Chooses the particles that stay.

    Returns
    -------
    Galaxy
        Fewer particles are heavier, so that the mass stays in the mean, and more widely smoothed, as a run of
        that resolution would be.

    Raises
    ------
    ValueError
        When fewer than two particles would be left.
    """
    stars = galaxy.stars
    length = stars.smoothing_length
    if way.particles != 1:
        n = round(way.particles * len(stars))
        if n < 2:
            raise ValueError(f"{galaxy.galaxy_id} has {len(stars)} star particles, too few to drop any.")
        stars = stars.select(np.sort(rng.permutation(len(stars))[:n]))
        stars = replace(
            stars, mass=stars.mass / way.particles, initial_mass=stars.initial_mass / way.particles
        )
        # As the mock does without stored lengths: the distance to a fixed number of neighbours.
        length = None if length is None else smoothing_lengths(stars.position)
    if way.smoothing != 1:
        length = way.smoothing * (smoothing_lengths(stars.position) if length is None else length)
    return replace(galaxy, stars=replace(stars, smoothing_length=length))
