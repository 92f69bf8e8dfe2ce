"""Which simulated galaxies are observed, and what each is read from."""

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mocks import Galaxy, IdealImage, load_survey
from mocks.readers import (
    Snapshot,
    cut_aperture,
    formats,
    is_ideal_image,
    members,
    open_snapshot,
    parse_options,
    read_ideal_image,
    select,
)
from simcompare.settings import MockSettings

__all__ = ["Target", "read_target", "select_targets"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """One simulated galaxy, by where it is read from.

    Parameters
    ----------
    path : str
        Snapshot, or ready-made image.
    subhalo_id : int
        -1 for a ready-made image.
    """

    path: str
    subhalo_id: int = -1

    @property
    def is_image(self) -> bool:
        """Whether it is a ready-made idealised image instead of particles."""
        return self.subhalo_id < 0


def select_targets(settings: MockSettings) -> tuple[list[Target], str]:
    """Galaxies of all inputs that pass the selection, and the name of their simulation.

    Parameters
    ----------
    settings : MockSettings

    Returns
    -------
    list of Target, str

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        For inputs that are missing, damaged, unknown or of several simulations, or when nothing is left.
    """
    targets, simulations = [], {}
    for path in _members(settings):
        if is_ideal_image(path):
            simulations.setdefault(settings.name or _read_image(str(path), None).metadata["simulation"], path)
            targets.append(Target(str(path)))
            continue
        snapshot = _snapshot(str(path), settings.simulation, settings.name, tuple(settings.reader))
        simulations.setdefault(snapshot.simulation, path)
        chosen = select(
            snapshot.catalogue(),
            min_stellar_mass=settings.min_stellar_mass or None,
            subhalo_ids=settings.subhalo or None,
            where=settings.where,
        )
        targets += [Target(str(path), int(subhalo_id)) for subhalo_id in chosen["subhalo_id"]]
    if len(simulations) > 1:
        found = ", ".join(f"{name} ({path})" for name, path in simulations.items())
        raise ValueError(f"inputs of several simulations: {found}; make one run for each, or give --name.")
    targets = targets[:: settings.every]
    if not targets:
        inputs = ", ".join(map(str, settings.inputs))
        raise ValueError(f"no galaxy in {inputs} passes the selection; loosen it.")
    return targets, next(iter(simulations))


def read_target(target: Target, settings: MockSettings) -> Galaxy | IdealImage:
    """Read the particles or the image of one target.

    Raises
    ------
    OSError, ValueError
        When the file is damaged, or the galaxy cannot be used.
    """
    if target.is_image:
        return _read_image(target.path, settings.name)
    snapshot = _snapshot(target.path, settings.simulation, settings.name, tuple(settings.reader))
    galaxy = snapshot.read(target.subhalo_id)
    if not settings.aperture:
        return galaxy
    return cut_aperture(galaxy, settings.aperture, _image_side(galaxy, settings))


def _members(settings: MockSettings) -> list[Path]:
    """List the inputs, folders of single files taken apart."""
    inputs = []
    for path in settings.inputs:
        if settings.simulation in formats():  # whatever it looks like
            inputs.append(path)
            continue
        found, others = members(path)
        if others:
            why = "; ".join(f"{file.name}: {reason}" for file, reason in list(others.items())[:5])
            logger.warning("%s: %d files left out: %s", path, len(others), why)
        inputs += found
    return inputs


def _image_side(galaxy: Galaxy, settings: MockSettings) -> float | None:
    """Side of the image at the galaxy's distance [kpc]; None at redshift 0, where it covers nothing."""
    redshift = settings.redshift or galaxy.redshift
    if redshift <= 0:
        return None
    kpc_per_arcsec = galaxy.cosmology.kpc_proper_per_arcmin(redshift).value / 60.0
    return settings.size * load_survey(settings.survey).pixel_scale * kpc_per_arcsec


@lru_cache(maxsize=4)
def _snapshot(path: str, simulation: str | None, name: str | None, options: tuple[str, ...]) -> Snapshot:
    """Open a snapshot once per process."""
    named = {"name": name} if name else {}
    return open_snapshot(Path(path), simulation, **named, **parse_options(options))


def _read_image(path: str, name: str | None) -> IdealImage:
    """Read a ready-made image under the name of its simulation."""
    return read_ideal_image(Path(path), simulation=name)
