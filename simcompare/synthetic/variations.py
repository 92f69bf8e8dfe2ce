"""One simulated galaxy observed in many ways: up to each step of the mock, and with one thing changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
from mocks.projection import random_view
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.stamps import PreparedStamp, RawStamp
from simcompare.settings import MockSettings
from simcompare.synthetic.mocks import observe_image

__all__ = ["BASELINE", "LADDER", "Variation", "altered", "scaled_psf", "variations", "varied_stamps"]

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
    name : str
        Ingredient and change, e.g. "PSF +5 %"; the ingredient is the first word.
    step : str
        Of `LADDER`: how far the observation goes.
    psf, noise : float
        Factors on the width of the PSF and on the noise of the sky; the catalogue keeps the nominal PSF, as
        an observer would who is wrong about it.
    background : float
        Added to the sky level [sky sigma].
    dust : str
        Other treatment; empty for the mock's own.
    smoothing : float
        Factor on the smoothing lengths.
    other_view : bool
        Seen from another direction.
    particles : float
        Share of star particles kept, each as much heavier; 1 for all.
    """

    name: str
    step: str = BASELINE
    psf: float = 1.0
    noise: float = 1.0
    background: float = 0.0
    dust: str = ""
    smoothing: float = 1.0
    other_view: bool = False
    particles: float = 1.0

    @property
    def needs_particles(self) -> bool:
        """Whether a ready-made image cannot be varied so."""
        return bool(self.dust) or self.smoothing != 1 or self.other_view or self.particles != 1


def variations(
    percents: Sequence[float], dusts: Sequence[str], *, has_particles: bool, has_sky: bool
) -> list[Variation]:
    """All ways to observe a galaxy, the ladder first.

    Parameters
    ----------
    percents : sequence of float
        Errors of PSF width, noise and background; of the background in percent of the sky sigma.
    dusts : sequence of str
        Other treatments of dust.
    has_particles : bool
        Whether the galaxies are particles, not ready-made images.
    has_sky : bool
        Whether there is real sky to put them into.

    Returns
    -------
    list of Variation
    """
    found = [Variation(step, step) for step in LADDER if has_sky or step != "neighbours"]
    for percent in sorted(percents):
        for signed in (percent, -percent):
            share = signed / 100
            found += [
                Variation(f"PSF {signed:+g} %", psf=1 + share),
                Variation(f"noise {signed:+g} %", noise=1 + share),
                Variation(f"background {signed:+g} %", background=share),
            ]
    found += [Variation(f"dust {name}", dust=name) for name in dusts]
    found += [Variation(f"smoothing x{factor:g}", smoothing=factor) for factor in (0.5, 2.0)]
    found.append(Variation("view other", other_view=True))
    found += [Variation(f"resolution 1/{n}", particles=1 / n) for n in (2, 8)]
    return [each for each in found if has_particles or not each.needs_particles]


def varied_stamps(
    subject: Galaxy | IdealImage,
    galaxy_id: str,
    view: int,
    ways: Sequence[Variation],
    settings: MockSettings,
    preparation: Preparation,
    bank: ConditionsBank | SkyBank | None,
) -> Iterator[tuple[Variation, PreparedStamp | ValueError]]:
    """Observe one view of a galaxy in every way, with the same random numbers.

    Parameters
    ----------
    subject : Galaxy or IdealImage
    galaxy_id : str
    view : int
    ways : sequence of Variation
    settings : MockSettings
        Of the mock that is varied.
    preparation : Preparation
    bank : ConditionsBank or SkyBank, optional
        The latter also has the sky for the step "neighbours".

    Yields
    ------
    Variation and PreparedStamp, or the reason why there is none. Images up to the step "Poisson" have no sky
    from which anything could be measured: they are cut like the baseline and have its catalogue row.
    """
    conditions, patch = _drawn(subject, galaxy_id, view, settings, bank)
    base, base_cutout = None, None
    order = sorted(ways, key=lambda way: (way.step != BASELINE, way != Variation(BASELINE)))
    for way in order:
        try:
            if way.step in _NOISELESS:
                yield way, _unfinished(way, base, base_cutout, galaxy_id, view, settings)
                continue
            sky = patch if way.step == "neighbours" else None
            cutout = _observed(subject, galaxy_id, view, way, settings, preparation.window, conditions, sky)
            stamp = RawStamp.from_cutout(replace(cutout, psf=conditions.psf_stack()), galaxy_id)
            prepared = prepare_stamp(stamp, preparation, preparation_stream(settings.seed, galaxy_id, view))
        except ValueError as reason:
            yield way, reason
            continue
        if way.name == BASELINE:
            base, base_cutout = prepared, cutout
        yield way, prepared


def _drawn(subject, galaxy_id, view, settings, bank) -> tuple[ObservingConditions, np.ndarray | None]:
    """Conditions of one view, as the mock itself draws them, and the patch of sky that comes with them."""
    survey, bands = load_survey(settings.survey), tuple(settings.bands)
    rng = _rng(subject, galaxy_id, view, "conditions", settings)
    return draw_state(survey, bands, rng, bank)


def _rng(subject, galaxy_id, view, purpose, settings) -> np.random.Generator:
    """Stream of one purpose, the mock's own."""
    if isinstance(subject, Galaxy):
        names = (subject.simulation, subject.snapshot, subject.subhalo_id, view)
    else:
        names = (galaxy_id,)
    return stream(settings.seed, *names, purpose)


def _observed(subject, galaxy_id, view, way, settings, size, conditions, sky) -> Cutout:
    """Observe in one way."""
    conditions = _wrong(conditions, way)
    if not isinstance(subject, Galaxy):
        return observe_image(subject, galaxy_id, size, conditions, settings, keep_stages=True, sky=sky)
    rotation = "random"
    if way.other_view:
        rotation = random_view(_rng(subject, galaxy_id, view, "other view", settings))
    bank = conditions if sky is None else _one_patch(conditions, sky)
    return mock_galaxy(
        altered(subject, way, _rng(subject, galaxy_id, view, "particles", settings)),
        settings.survey,
        tuple(settings.bands),
        seed=settings.seed,
        redshift=settings.redshift,
        view=rotation,
        view_index=view,
        size=size,
        conditions=bank,
        population=settings.population,
        dust=way.dust or settings.dust,
        keep_stages=True,
    )


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


def _unfinished(way, base, cutout, galaxy_id, view, settings) -> PreparedStamp:
    """Image of an early step, cut as the baseline was."""
    if base is None:
        raise ValueError("the finished image could not be prepared, so its cut is not known")
    image = cutout.stages[_NOISELESS[way.step]].astype(float)
    rng = stream(settings.seed, galaxy_id, view, way.step)
    if way.step == "Poisson":
        gain = cutout.conditions.electrons_per_nanomaggy[:, None, None]
        image = rng.poisson(np.maximum(image, 0) * gain) / gain
    size = base.image.shape[-1]
    rows, columns = (slice(base.row[name], base.row[name] + size) for name in ("cut_y", "cut_x"))
    # The dither of whole counts is part of the preparation, whatever it is given.
    image = image + cutout.conditions.nanomaggies_per_count[:, None, None] * rng.uniform(
        -0.5, 0.5, image.shape
    )
    return replace(base, image=image[:, rows, columns].astype(np.float32))
