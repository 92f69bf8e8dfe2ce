"""What a mock assumes without a source, in words, for the log and the record."""

from mocks import Survey
from mocks.dust import dust_model
from mocks.light import stellar_population

__all__ = ["assumptions"]


def assumptions(survey: Survey, population: str | None = None, dust: str | None = None) -> tuple[str, ...]:
    """List what has no source: of the survey, and of light and dust where galaxies are made of particles.

    Parameters
    ----------
    survey : Survey
    population, dust : str, optional
        As in the settings of ``mock``; None for ready-made images, which bring their own.

    Returns
    -------
    tuple of str
        Sentences that begin with "assumed of".
    """
    parts = [survey]
    parts += [] if population is None else [stellar_population(population)]
    parts += [] if dust is None else [dust_model(dust)]
    return tuple(f"assumed of {part.name}: {'; '.join(part.assumed)}" for part in parts if part.assumed)
