"""Spread particles over pixels so that every one gives all its light, whatever its size."""

import numpy as np

from mocks.deposit.backends import compute
from mocks.deposit.kernel import PAD, REACH, Stamps, stamps
from mocks.deposit.pyramid import COEFFICIENTS, DEEPEST, INTEGRALS, level_shapes

__all__ = ["BACKENDS", "deposit", "stamp_shares"]

_BLOCK = 1 << 12  # particles drawn at a time by plain code, which bounds the memory


def _vector(x, y, h, flux, shape):
    """Each stamp in a few vector instructions, fifty times faster than plain code."""
    from mocks.deposit.vector_particles import draw  # may fail, and plain code serves without

    return draw(x, y, h, flux, shape)


def _plain(x, y, h, flux, shape):
    """Do the same sums in NumPy, level by level."""
    grids = [np.zeros((len(flux), *sides)) for sides in level_shapes(shape, h.max(initial=0))]
    n_y, n_x = (side - 2 * PAD for side in grids[0].shape[1:])  # even: that of the image or one more
    seen = (x > -h) & (x < n_x + h) & (y > -h) & (y < n_y + h)
    level = np.searchsorted(
        REACH[-1] * 2.0 ** np.arange(DEEPEST), h
    )  # the first whose stamps are wide enough
    kind = np.where(level > 0, len(REACH), h > REACH[0])
    for number, grid in enumerate(grids):
        scale = 0.5**number
        u, v, reach = x * scale + (PAD - 0.5), y * scale + (PAD - 0.5), np.minimum(h * scale, REACH[-1])
        for each, stamp in enumerate(stamps()):
            rows = np.flatnonzero(seen & (level == number) & (kind == each))
            for low in range(0, len(rows), _BLOCK):
                some = rows[low : low + _BLOCK]
                _add(grid, u[some], v[some], reach[some], flux[:, some], stamp)
    for coarse, fine in zip(grids[:1:-1], grids[-2:0:-1], strict=True):
        fine += _refined(coarse, fine.shape[1:], 0, COEFFICIENTS)
    image = grids[0][:, PAD : PAD + shape[0], PAD : PAD + shape[1]].copy()
    if len(grids) > 1:
        image += _refined(grids[1], shape, PAD, INTEGRALS)
    return image


def stamp_shares(
    stamp: Stamps, u: np.ndarray, v: np.ndarray, reach: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stamps of some particles, and where they are.

    Parameters
    ----------
    stamp : Stamps
    u, v : ndarray, shape (n,)
        Positions along x and y, counted from the centre of pixel 0 [pixels].
    reach : ndarray, shape (n,)
        Support radius [pixels].

    Returns
    -------
    column, row : ndarray of int, shape (n,)
        First pixel of each stamp.
    share : ndarray, shape (n, side, side)
        Of the particle's light in each pixel of its stamp (y, x).
    """
    table = stamp.table.reshape(stamp.n_size, stamp.n_offset, 2, stamp.side)
    size = np.clip(((reach - stamp.smallest) * stamp.per_pixel).astype(int), 0, stamp.n_size - 1)
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    along = table[size, ((u - column) * stamp.n_offset).astype(int)]
    down = table[size, ((v - row) * stamp.n_offset).astype(int)]
    share = down[:, 0, :, None] * along[:, 1, None] + down[:, 1, :, None] * along[:, 0, None]
    before = stamp.side // 2 - 1
    return column - before, row - before, share


def _add(grid, u, v, reach, flux, stamp) -> None:
    """Add particles of one kind to a grid (band, y, x), by sums over the pixels of all their stamps."""
    _, n_y, n_x = grid.shape
    column, row, share = stamp_shares(stamp, u, v, reach)
    inside = (column >= 0) & (row >= 0) & (column + stamp.side <= n_x) & (row + stamp.side <= n_y)
    pixel = np.arange(stamp.side)
    target = ((row[:, None] + pixel) * n_x)[:, :, None] + (column[:, None] + pixel)[:, None]
    for band, light in zip(grid, flux, strict=True):
        weights = share[inside] * light[inside, None, None]
        band += np.bincount(target[inside].ravel(), weights.ravel(), n_y * n_x).reshape(n_y, n_x)


def _refined(coarse, shape, skipped, weights):
    """Grid (band, y, x) of half-pixels, ``skipped`` of them after the edge of the finer grid's margin."""
    near, centre, far = weights

    def along(n, n_coarse):
        """Weights of the coarse pixels in every fine one along an axis, shape (n, n_coarse)."""
        fine = np.arange(n)
        middle, odd = fine // 2 + (PAD + skipped) // 2, fine % 2 == 1
        table = np.zeros((n, n_coarse))
        table[fine, middle - 1] = np.where(odd, far, near)
        table[fine, middle] = centre
        table[fine, middle + 1] = np.where(odd, near, far)
        return table

    return along(shape[0], coarse.shape[1]) @ coarse @ along(shape[1], coarse.shape[2]).T


BACKENDS = {"vector": _vector, "plain": _plain}
"""Functions of equal signature and, to rounding, equal images."""


def deposit(
    x: np.ndarray,
    y: np.ndarray,
    h: np.ndarray,
    flux: np.ndarray,
    shape: tuple[int, int],
    backend: str | None = None,
) -> np.ndarray:
    """Image of particles smoothed with the two-dimensional cubic spline of support ``h``.

    Every particle gives exactly its flux: pixels receive the integral of its kernel, read from ready-made
    stamps that sum to one. Light falls outside only where the kernel does.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Positions from the lower left corner of the image [pixels].
    h : ndarray, shape (n,)
        Support radius of the kernel [pixels], from zero (a point) to any size.
    flux : ndarray, shape (band, n)
        All bands share the look-up of the stamps.
    shape : tuple of int
        (n_y, n_x).
    backend : str, optional
        Name in ``BACKENDS``; see ``mocks.deposit.backends.compute``.

    Returns
    -------
    ndarray, shape (band, n_y, n_x)
        In the unit of ``flux``, float64.

    Raises
    ------
    ValueError
        For lengths that differ, numbers that are not finite, or a negative ``h``.

    Notes
    -----
    Stamps are tabulated by size and by position within the pixel, and are sums of two products, which leaves
    the one error: below 1 % of the light (sum of absolute differences) of a typical galaxy lies a pixel off.
    Particles wider than 5.5 pixels go to grids 2, 4, 8, ... times coarser, as coefficients of quadratic
    B-splines that are refined exactly.
    """
    x, y, h = (np.ascontiguousarray(values, float) for values in (x, y, h))
    flux = np.atleast_2d(np.asarray(flux, float))
    if not len(x) == len(y) == len(h) == flux.shape[1]:
        raise ValueError(f"{len(x)} x, {len(y)} y, {len(h)} h and {flux.shape[1]} fluxes do not match.")
    if h.min(initial=0) < 0:
        raise ValueError("h of the particles holds negative numbers.")
    for name, values in (("x", x), ("y", y), ("h", h), ("flux", flux)):
        with np.errstate(invalid="ignore", over="ignore"):
            total = values.sum()  # finite only if all are, at a tenth of the cost of asking every number
        if not np.isfinite(total) and not np.isfinite(values).all():
            raise ValueError(f"{name} of the particles holds numbers that are not finite.")
    return compute(BACKENDS, backend, x, y, h, flux, tuple(shape))
