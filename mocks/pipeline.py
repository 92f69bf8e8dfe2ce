"""The whole chain for one galaxy, from particles to what the survey delivers."""

from dataclasses import replace

import numpy as np

from mocks.conditions import ConditionsBank, ObservingConditions, draw_conditions
from mocks.dust import Dust
from mocks.galaxy import Galaxy
from mocks.light import StellarPopulation
from mocks.observe import Cutout, observe
from mocks.projection import project, random_view
from mocks.sky import SkyBank
from mocks.streams import stream
from mocks.surveys import Survey, load_survey

__all__ = ["mock_galaxy"]


def mock_galaxy(
    galaxy: Galaxy,
    survey: Survey | str,
    bands,
    *,
    seed: int,
    redshift: float | None = None,
    view: np.ndarray | str = "random",
    view_index: int = 0,
    size: int = 64,
    conditions: ObservingConditions | ConditionsBank | SkyBank | None = None,
    population: StellarPopulation | str = "analytic",
    dust: Dust | str = "none",
    oversampling: int = 3,
    keep_stages: bool = False,
) -> Cutout:
    """Observe one simulated galaxy once.

    Every random number comes from the stream of (seed, simulation, snapshot, subhalo_id, view_index,
    purpose): the image is the same alone, in a batch and on another machine.

    Parameters
    ----------
    galaxy : Galaxy
    survey : Survey or str
    bands : sequence of str
    seed : int
        Of the run.
    redshift : float, optional
        Where the galaxy is placed; default the snapshot's own.
    view : ndarray of shape (3, 3), or str
        Rotation, name in ``VIEWS``, or ``"random"``: another direction for every ``view_index``.
    view_index : int
        Number of this view of the galaxy.
    size : int
        Side of the image [pixels].
    conditions : ObservingConditions, ConditionsBank or SkyBank, optional
        One state of sky and camera, a bank of real ones to draw from, or a bank of real sky to put the galaxy
        into; default the survey file.
    population : StellarPopulation or str
    dust : Dust or str
    oversampling : int
        Fine pixels per survey pixel and axis.
    keep_stages : bool
        Keep the noiseless images.

    Returns
    -------
    Cutout
        Its metadata records all that was drawn; ``light_outside`` is the share of light beyond the image.

    Raises
    ------
    ValueError
        As ``project`` and ``observe``.
    """
    survey, bands = load_survey(survey), tuple(bands)

    def rng(purpose: str) -> np.random.Generator:
        return stream(seed, galaxy.simulation, galaxy.snapshot, galaxy.subhalo_id, view_index, purpose)

    sky = None
    if isinstance(conditions, SkyBank):
        sky, conditions = conditions.draw(bands, rng("conditions"))
    elif not isinstance(conditions, ObservingConditions):
        conditions = draw_conditions(survey, bands, rng("conditions"), conditions)
    rotation = random_view(rng("view")) if isinstance(view, str) and view == "random" else view
    ideal = project(
        galaxy,
        survey,
        bands,
        redshift,
        rotation,
        size,
        population,
        dust,
        oversampling,
        margin=max(len(psf) for psf in conditions.psf) // 2,
        # Real galaxies do not sit on pixel centres.
        offset=tuple(rng("place").uniform(-0.5, 0.5, size=2)),
    )
    cutout = observe(ideal, survey, conditions, rng("noise"), keep_stages=keep_stages, sky=sky)
    inner = slice(ideal.margin * oversampling, -ideal.margin * oversampling or None)
    total = 10 ** (-0.4 * (np.array(list(ideal.metadata["magnitude"].values())) - 22.5))
    outside = 1 - ideal.image[:, inner, inner].sum(axis=(1, 2)) / total
    metadata = {
        **cutout.metadata,
        "seed": seed,
        "view_index": view_index,
        "light_outside": dict(zip(bands, np.maximum(outside, 0).tolist(), strict=True)),
        "psf_fwhm": dict(zip(bands, conditions.psf_fwhm.tolist(), strict=True)),
        "sky_sigma": dict(zip(bands, conditions.sky_sigma.tolist(), strict=True)),
    }
    return replace(cutout, metadata=metadata)
