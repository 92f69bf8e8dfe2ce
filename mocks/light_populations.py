"""The one list of stellar populations to choose from."""

from collections.abc import Callable

from mocks.light import StellarPopulation
from mocks.light_analytic import AnalyticPopulation
from mocks.light_grid import GridPopulation, bc03_grid, fsps_grid, read_grid
from mocks.light_snapshot import SnapshotPopulation

__all__ = ["POPULATIONS", "stellar_population"]

POPULATIONS: dict[str, Callable[..., StellarPopulation]] = {
    "analytic": AnalyticPopulation,
    "snapshot": SnapshotPopulation,
    "bc03": lambda: GridPopulation(bc03_grid(), "bc03"),
    "grid": lambda path: GridPopulation(read_grid(path), f"grid {path}"),
    "fsps": lambda: GridPopulation(fsps_grid(), "fsps"),
}
"""Name of a population and its maker; ``grid`` takes the path of the user's file."""


def stellar_population(population: str | StellarPopulation = "analytic", **options) -> StellarPopulation:
    """Choose a stellar population.

    Parameters
    ----------
    population : str or StellarPopulation
        Name in ``POPULATIONS``; a population is returned as it is.
    **options
        Of that population: ``path`` for ``"grid"``, ``allow_any_redshift`` for ``"snapshot"``.

    Returns
    -------
    StellarPopulation

    Raises
    ------
    ValueError
        For an unknown name, or options the population does not have.
    FileNotFoundError
        When what it reads is not installed.
    """
    if isinstance(population, StellarPopulation):
        return population
    if population not in POPULATIONS:
        raise ValueError(f"stellar population {population!r} is unknown; known are {', '.join(POPULATIONS)}.")
    try:
        return POPULATIONS[population](**options)
    except TypeError as error:
        raise ValueError(
            f"stellar population {population!r} does not take these options: {error}."
        ) from error
