"""Simulated galaxies to an image set: observed as the survey would, prepared as real images are."""

import logging
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np

from mocks import ConditionsBank, Galaxy, load_survey, mock_galaxy
from mocks.readers import Snapshot, open_snapshot
from simcompare.config import MockSettings
from simcompare.imageset import ImageSet, assign_split
from simcompare.making import Images, make_parts
from simcompare.observed.sample import REJECTED_FLAGS
from simcompare.parts import collect_stamps
from simcompare.preparation import Preparation, preparation_stream, prepare_stamp
from simcompare.runs import open_run
from simcompare.stamps import FLAGS, PreparedStamp, RawStamp, RejectedStampError

__all__ = ["Target", "conditions_bank", "make_mocks", "select_galaxies"]

logger = logging.getLogger(__name__)

_IMAGES_PER_PART = 100


@dataclass(frozen=True)
class Target:
    """One simulated galaxy to observe, by where it is read from."""

    path: str
    subhalo_id: int


@dataclass(frozen=True)
class _Task:
    """One part of the image set."""

    targets: tuple[Target, ...]
    settings: MockSettings
    preparation: Preparation
    dataset: str
    fractions: tuple[float, float, float]


def make_mocks(
    settings: MockSettings,
    *,
    kind: str = "simulated",
    dataset: str | None = None,
    fractions: tuple[float, float, float] = (0.0, 0.0, 1.0),
) -> ImageSet:
    """Observe the galaxies of a simulation.

    Parameters
    ----------
    settings : MockSettings
    kind : str
        Kind of the image set; a toy survey calls its mocks ``"observed"``.
    dataset : str, optional
        Name of the data set; default: that of the simulation.
    fractions : tuple of float
        Shares of train, validation and test; simulated galaxies are all for testing.

    Returns
    -------
    ImageSet
        Also in ``settings.out``, with ``failures.ecsv`` when galaxies were left out.

    Raises
    ------
    FileNotFoundError, ValueError
        For missing, unknown or mixed inputs, or when no galaxy is left.
    """
    survey = load_survey(settings.survey)
    survey.select(tuple(settings.bands))
    inputs = [*settings.inputs, *([settings.conditions] if settings.conditions else [])]
    with open_run(settings.out, "mock", settings, inputs) as run:
        targets, simulation = select_galaxies(settings)
        preparation = _preparation(settings)
        name = dataset or simulation
        step = max(1, _IMAGES_PER_PART // settings.views)
        tasks = [
            _Task(tuple(targets[start : start + step]), settings, preparation, name, fractions)
            for start in range(0, len(targets), step)
        ]
        logger.info("%d galaxies of %s in %d views", len(targets), simulation, settings.views)
        description = {
            "name": name,
            "kind": kind,
            "survey": survey.name,
            "bands": tuple(settings.bands),
            "pixel_scale": survey.pixel_scale,
            "preparation": preparation,
            "provenance": {"settings": settings.as_dict(), "is_toy": simulation.startswith("toy")},
        }
        return make_parts(run, _make_images, tasks, description, settings.workers)


def select_galaxies(settings: MockSettings) -> tuple[list[Target], str]:
    """Galaxies of all inputs that pass the selection, and the name of their simulation.

    Raises
    ------
    ValueError
        When the inputs are of several simulations, or nothing is left.
    """
    targets, simulations = [], {}
    for path in settings.inputs:
        snapshot = _snapshot(str(path), settings.simulation, settings.name)
        simulations.setdefault(snapshot.simulation, path)
        catalogue = snapshot.catalogue()
        keep = np.ones(len(catalogue), bool)
        if settings.min_stellar_mass > 0:
            keep &= np.asarray(catalogue["stellar_mass"]) >= settings.min_stellar_mass
        if settings.subhalo:
            keep &= np.isin(catalogue["subhalo_id"], settings.subhalo)
        targets += [Target(str(path), int(subhalo_id)) for subhalo_id in catalogue["subhalo_id"][keep]]
    if len(simulations) > 1:
        found = ", ".join(f"{name} ({path})" for name, path in simulations.items())
        raise ValueError(f"inputs of several simulations: {found}; make one run for each.")
    targets = targets[:: settings.every]
    if not targets:
        raise ValueError(
            f"no galaxy in {', '.join(map(str, settings.inputs))} passes the selection; "
            "lower --min-stellar-mass or check --subhalo."
        )
    return targets, next(iter(simulations))


def _preparation(settings: MockSettings) -> Preparation:
    """How the mocks are prepared: as the real images they borrow their conditions from, if any."""
    if settings.conditions is None:
        return Preparation(size=settings.size)
    preparation = ImageSet.open(settings.conditions).preparation
    if preparation.size != settings.size:
        raise ValueError(
            f"{settings.conditions} holds images of {preparation.size} pixels; use --size {preparation.size}."
        )
    return preparation


def conditions_bank(images: ImageSet) -> ConditionsBank:
    """PSFs, noise, left-over sky and calibration of real images, for mocks to draw from.

    Only images whose galaxy leaves enough sky to measure are taken: half-light radius at most a
    twelfth of the side.

    Parameters
    ----------
    images : ImageSet

    Returns
    -------
    ConditionsBank
        One row per image. The calibration is left to the survey file where some image lacks it.

    Raises
    ------
    ValueError
        When no image has enough sky.
    """
    side = images.image_shape[-1] * images.pixel_scale
    images = images.subset(np.asarray(images.catalogue["half_light_radius"]) <= side / 12)
    if not len(images):
        raise ValueError("no galaxy of --conditions is small enough to leave sky to measure; go without.")
    stacks = [(stack.psf, stack.quantum) for stack in images.batches(256)]
    quantum = np.concatenate([quantum for _, quantum in stacks]).astype(float)

    def columns(name: str) -> np.ndarray:
        values = [np.asarray(images.catalogue[f"{name}_{band}"], float) for band in images.bands]
        return np.stack(values, axis=1)

    # The dither of the preparation is part of the measured noise, and will be added to the mocks again.
    dither = quantum**2 / 12 if images.preparation.dither else 0.0
    return ConditionsBank(
        bands=images.bands,
        psf=np.concatenate([psf for psf, _ in stacks]),
        psf_fwhm=columns("psf_fwhm"),
        sky_sigma=np.sqrt(columns("sky_sigma") ** 2 - dither),
        nanomaggies_per_count=quantum if (quantum > 0).all() else None,
        sky_level=columns("sky_level"),
        name=images.name,
    )


@lru_cache(maxsize=4)
def _bank(path: Path) -> ConditionsBank:
    """Bank of an image set, read once per process."""
    return conditions_bank(ImageSet.open(path))


@lru_cache(maxsize=4)
def _snapshot(path: str, simulation: str | None, name: str | None) -> Snapshot:
    """Open a snapshot once per process."""
    return open_snapshot(path, simulation, **({"name": name} if name else {}))


def _make_images(task: _Task) -> Images:
    """Observe and prepare all views of the galaxies of one part."""
    settings, stamps, failures = task.settings, [], []
    for target in task.targets:
        name = f"{task.dataset} {target.subhalo_id}"
        try:
            snapshot = _snapshot(target.path, settings.simulation, settings.name)
            galaxy = snapshot.read(target.subhalo_id)
            name = galaxy.galaxy_id
        except (ValueError, OSError) as error:
            failures.append({"source": target.path, "galaxy_id": name, "reason": str(error)})
            continue
        for view in range(settings.views):
            try:
                stamps.append(_observe_view(galaxy, view, task))
            except ValueError as error:
                reason = f"view {view}: {error}"
                failures.append({"source": target.path, "galaxy_id": name, "reason": reason})
    if not stamps:
        return Images(None, None, tuple(failures))
    return Images(*collect_stamps(stamps), tuple(failures))


def _observe_view(galaxy: Galaxy, view: int, task: _Task) -> PreparedStamp:
    """One view of one galaxy, observed and prepared; raises as the real sample's preparation does."""
    settings, preparation = task.settings, task.preparation
    cutout = mock_galaxy(
        galaxy,
        settings.survey,
        tuple(settings.bands),
        seed=settings.seed,
        redshift=settings.redshift,
        view_index=view,
        size=preparation.size + 2 * ceil(preparation.centring_radius),
        conditions=_bank(settings.conditions) if settings.conditions else None,
        population=settings.population,
        dust=settings.dust,
    )
    stamp = RawStamp.from_cutout(cutout, galaxy.galaxy_id, _catalogue_row(galaxy, cutout.metadata))
    rng = preparation_stream(settings.seed, galaxy.galaxy_id, view)
    prepared = prepare_stamp(stamp, preparation, rng)
    flags = [flag for flag in REJECTED_FLAGS if prepared.row["flags"] & FLAGS[flag]]
    if flags:
        raise RejectedStampError(f"flagged {', '.join(flags)}")
    split = assign_split(galaxy.galaxy_id, settings.seed, task.fractions)
    return replace(prepared, row=prepared.row | {"dataset": task.dataset, "view": view, "split": split})


def _catalogue_row(galaxy: Galaxy, metadata: dict) -> dict:
    """Catalogue entries of a galaxy and its mock beside what is measured."""
    properties = {name: value for name, value in galaxy.properties.items() if np.isscalar(value)}
    row = {
        **properties,
        "simulation": galaxy.simulation,
        "snapshot": galaxy.snapshot,
        "subhalo_id": galaxy.subhalo_id,
        "n_stars": len(galaxy.stars),
        "redshift": metadata["redshift"],
        "dust": metadata["dust"],
        "population": metadata["population"],
    }
    row.setdefault("stellar_mass", float(galaxy.stars.mass.sum()))
    for band, magnitude in metadata["magnitude"].items():
        row[f"true_mag_{band}"] = magnitude
        row[f"light_outside_{band}"] = metadata["light_outside"][band]
    return row
