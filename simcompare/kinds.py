"""What a data set is: real, simulated, or one of those that results are checked with."""

from enum import StrEnum

__all__ = ["Kind"]


class Kind(StrEnum):
    """Kind of a data set, as it stands in files and tables."""

    OBSERVED = "observed"
    """Real galaxies; models learn from some of them."""
    SIMULATED = "simulated"
    """What is compared with real galaxies; nothing learns from it."""
    TWINS = "twins"
    """Smooth models of real galaxies, the background class; models learn from some of them."""
    CONTROL = "control"
    """Frames without a galaxy: what any score has to tell from one."""
    NULL = "null"
    """Real galaxies compared with real galaxies: the difference that means nothing."""
