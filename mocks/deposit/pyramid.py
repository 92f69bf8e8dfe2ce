"""Grids of ever coarser pixels, on which particles wider than any stamp are drawn."""

from mocks.deposit.kernel import PAD, REACH

__all__ = ["COEFFICIENTS", "DEEPEST", "INTEGRALS", "level_shapes"]

DEEPEST = 40
"""Levels above the image: what is wider than a million million pixels is drawn as wide as that."""
COEFFICIENTS = (1 / 8, 3 / 8, 0.0)
"""Share that a pixel gets of the coarse pixel that it borders on, lies in, and of the opposite neighbour.

Coefficients of quadratic B-splines become those of splines half as wide by (1, 3, 3, 1) / 8 along each axis:
Chaikin 1974, Computer Graphics and Image Processing 3, 346.
"""
INTEGRALS = (7 / 48, 16 / 48, 1 / 48)
"""The same from coefficients to the light in half-pixels: integrals of the quadratic B-spline over them."""


def level_shapes(shape: tuple[int, int], widest: float) -> list[tuple[int, int]]:
    """Sides of the padded grids of all levels, the image's own first.

    Parameters
    ----------
    shape : tuple of int
        Of the image, (n_y, n_x).
    widest : float
        Largest support radius of a particle [pixels].

    Returns
    -------
    list of tuple of int
        (n_y, n_x) of every level, each with pixels twice as wide as those of the one before.
    """
    n_level = 1
    while widest > REACH[-1] * 2.0 ** (n_level - 1) and n_level <= DEEPEST:
        n_level += 1
    return [tuple(2 * (-(-side // 2 ** (level + 1)) + PAD) for side in shape) for level in range(n_level)]
