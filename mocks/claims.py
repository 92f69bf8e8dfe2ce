"""How much a file claims to hold against what it holds: a small one must not fill the memory."""

__all__ = ["LARGEST_RATIO", "SMALL", "refuse_bomb"]

SMALL = 2**30
"""Bytes that a file of any size may unpack to."""

LARGEST_RATIO = 100
"""Bytes unpacked for each byte beyond that; images and snapshots give some 3, a mask alone 100."""


def refuse_bomb(claimed: int, held: int) -> None:
    """Refuse a file that claims far more than it can hold: packed zeros, or blocks that were never written.

    Parameters
    ----------
    claimed : int
        Bytes of all its arrays, unpacked.
    held : int
        Bytes of the file.

    Raises
    ------
    ValueError
        Without the name of the file.
    """
    if claimed > SMALL + LARGEST_RATIO * held:
        raise ValueError(
            f"it claims to hold {claimed / 1e9:.3g} GB of values in {held / 1e6:.3g} MB, more than real data "
            "pack; damaged? Fetch or make it again."
        )
