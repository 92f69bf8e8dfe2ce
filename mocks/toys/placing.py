"""Where toy galaxies lie in their box."""

import numpy as np

from mocks.galaxy import Galaxy
from mocks.readers.particles.times import cosmic_time, scale_factor_at

__all__ = ["birth_scale_factor", "check_one_output", "gadget_header", "places"]


def check_one_output(galaxies: list[Galaxy]) -> Galaxy:
    """Return the first of some galaxies, which must all be of one output.

    Raises
    ------
    ValueError
        When there is none, or they differ in simulation, snapshot or redshift.
    """
    if not galaxies:
        raise ValueError("no galaxies to write.")
    outputs = {(galaxy.simulation, galaxy.snapshot, galaxy.redshift) for galaxy in galaxies}
    if len(outputs) > 1:
        raise ValueError(f"galaxies of several outputs cannot share a snapshot: {sorted(outputs)}.")
    return galaxies[0]


def places(n: int, box_size: float) -> np.ndarray:
    """Centres on a grid whose first point is the corner of the box, so that a galaxy lies across its edges.

    Parameters
    ----------
    n : int
        Number of galaxies.
    box_size : float
        Any unit.

    Returns
    -------
    ndarray, shape (n, 3)
        In the same unit.
    """
    side = int(np.ceil(np.cbrt(n)))
    index = np.stack(np.unravel_index(np.arange(n), (side, side, side)), axis=1)
    return index * (box_size / side)


def birth_scale_factor(galaxy: Galaxy) -> np.ndarray:
    """Scale factors at which a galaxy's stars were born.

    Returns
    -------
    ndarray, shape (n,)
    """
    now = cosmic_time(1.0 / (1.0 + galaxy.redshift), galaxy.cosmology)
    return scale_factor_at(now - galaxy.stars.age, galaxy.cosmology)


def gadget_header(galaxy: Galaxy, box: float) -> dict[str, float]:
    """Attributes that the headers of all formats after Gadget share.

    Parameters
    ----------
    galaxy : Galaxy
        For its output and cosmology.
    box : float
        Side, in the format's own unit.
    """
    cosmology = galaxy.cosmology
    return {
        "BoxSize": box,
        "HubbleParam": cosmology.h,
        "Omega0": cosmology.Om0,
        "OmegaLambda": 1.0 - cosmology.Om0,
        "OmegaBaryon": cosmology.Ob0 or 0.0,
        "Redshift": galaxy.redshift,
        "Time": 1.0 / (1.0 + galaxy.redshift),
    }
