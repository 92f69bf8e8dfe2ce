"""The one list of stellar populations to choose from."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from mocks.light.base import StellarPopulation
from mocks.light.bc03 import bc03_population
from mocks.light.grid import GridPopulation, fsps_grid, read_grid
from mocks.light.snapshot import SnapshotPopulation
from mocks.options import parse_choice

__all__ = ["POPULATIONS", "stellar_population"]

POPULATIONS: dict[str, Callable[..., StellarPopulation]] = {
    "bc03": bc03_population,
    "snapshot": SnapshotPopulation,
    "grid": lambda path: GridPopulation(read_grid(path), f"grid {path}"),
    "fsps": lambda: GridPopulation(fsps_grid(), "fsps"),
}
"""Name of a population and its maker; ``grid`` takes the path of the user's file."""


@lru_cache(maxsize=4)
def _make(name: str, _state: tuple, **options) -> StellarPopulation:
    """Make a population once: grids are read and tabulated for all galaxies of a process."""
    return POPULATIONS[name](**options)


def _state(path: str | None) -> tuple:
    """Tell a file from what lay at its path before it was replaced or written to."""
    if path is None or not Path(path).is_file():
        return ()
    now = Path(path).stat()
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def stellar_population(population: str | StellarPopulation = "bc03", **options) -> StellarPopulation:
    """Choose a stellar population.

    Parameters
    ----------
    population : str or StellarPopulation
        Name in ``POPULATIONS``, with options as ``"bc03:nebular=no,imf=chabrier"``, or the path of a grid of
        spectra (``.h5`` or ``.hdf5``, see ``mocks.light.grid.read_grid``); a population is returned as it is.
    **options
        Of that population: ``path`` for ``"grid"``, ``allow_any_redshift`` for ``"snapshot"``.

    Raises
    ------
    ValueError
        For an unknown name, or options the population does not have.
    FileNotFoundError
        When what it reads is not installed.
    """
    if isinstance(population, StellarPopulation):
        return population
    if Path(population).suffix in (".h5", ".hdf5"):
        name, options = "grid", {"path": str(population), **options}
    else:
        name, written = parse_choice(population, words=("nebular", "imf"))
        options = {**written, **options}
    if name not in POPULATIONS:
        raise ValueError(f"stellar population {name!r} is unknown; choose from {', '.join(POPULATIONS)}.")
    try:
        return _make(name, _state(options.get("path")), **options)
    except TypeError as error:
        raise ValueError(
            f"stellar population {population!r} does not take these options: {error}."
        ) from error
