"""The whole chain for one galaxy, from particles to what the survey delivers."""

import logging
from dataclasses import fields, replace

import numpy as np

from mocks.galaxy import Galaxy
from mocks.ideal.record import IdealImage
from mocks.magnitudes import nanomaggies_of
from mocks.observing.conditions import ConditionsBank, ObservingConditions, draw_conditions
from mocks.observing.observe import Cutout, observe
from mocks.observing.sky_bank import SkyBank
from mocks.projection import Scene, project
from mocks.streams import stream
from mocks.surveys import Survey, load_survey
from mocks.views import random_view

__all__ = ["draw_state", "mock_galaxy", "share_outside"]

logger = logging.getLogger(__name__)

CLAMPED_LIMIT = 0.01
"""Share of light from stars outside the population's range above which a warning is due."""


def draw_state(
    survey: Survey | str,
    bands,
    rng: np.random.Generator,
    source: ObservingConditions | ConditionsBank | SkyBank | None = None,
) -> tuple[ObservingConditions, np.ndarray | None]:
    """Draw the conditions of one image and, from a bank of real sky, the patch it is put into.

    Parameters
    ----------
    survey : Survey or str
    bands : sequence of str
    rng : numpy.random.Generator
    source : ObservingConditions, ConditionsBank or SkyBank, optional
        As for ``mock_galaxy``.

    Returns
    -------
    ObservingConditions
    ndarray of shape (band, y, x), or None
    """
    if isinstance(source, SkyBank):
        sky, conditions = source.draw(bands, rng)
        return conditions, sky
    if isinstance(source, ObservingConditions):
        return source, None
    return draw_conditions(survey, bands, rng, source), None


def mock_galaxy(
    galaxy: Galaxy,
    survey: Survey | str,
    bands,
    *,
    seed: int,
    view_index: int = 0,
    conditions: ObservingConditions | ConditionsBank | SkyBank | None = None,
    keep_stages: bool = False,
    **scene,
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
    view_index : int
        Number of this view of the galaxy.
    conditions : ObservingConditions, ConditionsBank or SkyBank, optional
        One state of sky and camera, a bank of real ones to draw from, or a bank of real sky to put the galaxy
        into; default the survey file.
    keep_stages : bool
        Keep the noiseless images.
    **scene
        Fields of ``mocks.Scene``: ``redshift`` (default the snapshot's own), ``view`` (``"random"``, another
        direction for every ``view_index``), ``size`` (64 pixels), ``population`` (``"bc03"``), ``dust``
        (``"screen"``), ``oversampling`` (3).

    Returns
    -------
    Cutout
        Its metadata records all that was drawn; ``light_outside`` is the share of light beyond the image.

    Raises
    ------
    TypeError
        For a keyword that is none of these.
    ValueError
        As ``project`` and ``observe``.
    """
    unknown = sorted(set(scene) - {field.name for field in fields(Scene)})
    if unknown:
        known = ", ".join(field.name for field in fields(Scene))
        raise TypeError(f"mock_galaxy has no {', '.join(unknown)}; the scene has {known}.")
    survey, bands, scene = load_survey(survey), tuple(bands), Scene(**scene)

    def rng(purpose: str) -> np.random.Generator:
        return stream(seed, galaxy.simulation, galaxy.snapshot, galaxy.subhalo_id, view_index, purpose)

    conditions, sky = draw_state(survey, bands, rng("conditions"), conditions)
    if isinstance(scene.view, str) and scene.view == "random":
        scene = replace(scene, view=random_view(rng("view")))
    margin = max(len(psf) for psf in conditions.psf) // 2
    # Real galaxies do not sit on pixel centres.
    offset = tuple(rng("place").uniform(-0.5, 0.5, size=2))
    ideal = project(galaxy, survey, bands, scene, margin=margin, offset=offset)
    if view_index == 0:  # the same stars in every view
        _warn_of_clamped(galaxy, ideal)
    cutout = observe(ideal, survey, conditions, rng("noise"), keep_stages=keep_stages, sky=sky)
    metadata = {
        **cutout.metadata,
        "seed": seed,
        "view_index": view_index,
        "light_outside": dict(zip(bands, share_outside(ideal).tolist(), strict=True)),
        "psf_fwhm": dict(zip(bands, conditions.psf_fwhm.tolist(), strict=True)),
        "sky_sigma": dict(zip(bands, conditions.sky_sigma.tolist(), strict=True)),
    }
    return replace(cutout, metadata=metadata)


def _warn_of_clamped(galaxy: Galaxy, ideal: IdealImage) -> None:
    """Tell of stars whose light is a guess, where it is more than a trace."""
    share = ideal.metadata["light_clamped"]
    if share > CLAMPED_LIMIT:
        logger.warning(
            "%s: %.1f %% of the light is from %d stars outside the ages and metallicities of population %s "
            "(%s). They are taken at its edge; with its trend kept for another factor of ten, "
            "magnitudes would change by %.3f at most.",
            galaxy.galaxy_id, 100 * share, ideal.metadata["n_clamped"], ideal.metadata["population"],
            ", ".join(f"{side}: {100 * part:.1f} %" for side, part in ideal.metadata["light_beyond"].items()),
            ideal.metadata["edge_effect"],
        )  # fmt: skip


def share_outside(ideal: IdealImage) -> np.ndarray:
    """Share of a galaxy's light in each band that falls beyond the survey image, its margin left out.

    Parameters
    ----------
    ideal : IdealImage
        On the fine pixels of the survey image, ``magnitude`` of all its light in the metadata.

    Returns
    -------
    ndarray, shape (band,)
        0 to 1.
    """
    margin = ideal.margin * ideal.oversampling
    inner = slice(margin, -margin or None)
    total = nanomaggies_of(np.array(list(ideal.metadata["magnitude"].values())))
    others = np.array([ideal.metadata.get("companion_flux", {}).get(band, 0.0) for band in ideal.bands])
    return np.maximum(1 - (ideal.image[:, inner, inner].sum(axis=(1, 2)) - others) / total, 0)
