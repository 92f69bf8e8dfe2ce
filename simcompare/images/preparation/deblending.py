"""Which pieces of a deblended isophote are objects of their own, and which are parts of the galaxy."""

import numpy as np
from scipy.ndimage import gaussian_filter, maximum

__all__ = ["foreign_pieces", "turned"]

OUTSIDE = (
    8.0  # squared radius, in the galaxy's second moments, beyond which a piece may be foreign; 2 holds half
)
CONTRAST = 1.5  # ratio of a foreign piece's peak to the galaxy's far side
# What makes a piece a clump: its share of the galaxy's light, the area above half of its peak [pixels], more
# than two point sources', and its peak over the saddle that divides it from the galaxy. Touching neighbours
# in SDSS and HSC cover 17 to 32 pixels, or are divided more deeply.
CLUMP_LIGHT, CLUMP_AREA, CLUMP_CONTRAST = 0.1, 40, 1.9
KNOWN = 0.8  # share of the smoothing kernel on usable pixels


def foreign_pieces(
    smooth: np.ndarray,
    pieces: np.ndarray,
    own: int,
    centre: tuple[float, float],
    least: float,
    good: np.ndarray,
    others: np.ndarray,
    sigma: float,
) -> np.ndarray:
    """Pixels of deblended pieces that are objects of their own, not parts of the target.

    A piece is foreign when its peak lies outside the body of the target and stands out against the galaxy's
    far side, or, where another object is there, against the galaxy's median at its distance. A broad piece
    that holds a tenth of the target's light or more, and no saddle divides from it, is a clump of the galaxy.

    Parameters
    ----------
    smooth : ndarray, shape (y, x)
        Smoothed flux above the sky.
    pieces : ndarray of int, shape (y, x)
        Labels of the pieces of one isophote; 0 outside.
    own : int
        Label of the target's piece.
    centre : (float, float)
        Of the target, x and y [pixels].
    least : float
        Height by which a piece must stand out.
    good : ndarray of bool, shape (y, x)
        Usable pixels.
    others : ndarray of bool, shape (y, x)
        Pixels of objects that do not touch the target.
    sigma : float
        Of the smoothing [pixels].

    Returns
    -------
    ndarray of bool, shape (y, x)
    """
    foreign = np.zeros(pieces.shape, dtype=bool)
    labels = [label for label in np.unique(pieces) if label not in (0, own)]
    if not labels:
        return foreign
    light = np.where(pieces == own, np.clip(smooth, 0, None), 0)
    radius2 = _squared_radius(light, centre)
    far_side = turned(smooth, centre)
    # Where the far side is not known, nothing can stand out against it.
    has_far_side = turned(gaussian_filter(good.astype(float), sigma), centre) > KNOWN
    clumps = _clumps(smooth, pieces, own, labels, light.sum(), least)
    heights = maximum(smooth, pieces, labels)
    for label in np.array(labels)[np.argsort(-heights, kind="stable")]:
        piece = pieces == label
        peak = np.argmax(np.where(piece, smooth, -np.inf))
        if radius2.flat[peak] <= OUTSIDE or not has_far_side.flat[peak] or label in clumps:
            continue
        opposite = far_side.flat[peak]
        if turned((foreign | others).astype(float), centre).flat[peak]:
            opposite = _at_distance(smooth, pieces == own, radius2, radius2.flat[peak])
        if smooth.flat[peak] > CONTRAST * opposite + least:
            foreign |= piece
    return foreign


def _squared_radius(light: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Squared elliptical distance in the second moments of the light; within 2 lies half of a Gaussian's."""
    y, x = np.indices(light.shape)
    dx, dy, total = x - centre[0], y - centre[1], light.sum()
    xx, yy, xy = ((light * each).sum() / total for each in (dx * dx, dy * dy, dx * dy))
    determinant = max(xx * yy - xy * xy, 1e-6)
    return (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / determinant


def _at_distance(smooth: np.ndarray, target: np.ndarray, radius2: np.ndarray, at: float) -> float:
    """Median of the galaxy at one elliptical distance; 0 beyond its own pixels."""
    near = target & (np.abs(np.sqrt(radius2) - np.sqrt(at)) < 0.15 * np.sqrt(at))
    return float(np.median(smooth[near])) if near.any() else 0.0


def _clumps(smooth, pieces, own: int, labels, light: float, least: float) -> set[int]:
    """Large pieces that no saddle divides from the galaxy, or that do not rise above the noise."""
    kept, waiting = {own}, {}
    for label in labels:
        piece = pieces == label
        height = smooth[piece].max()
        if smooth[piece].sum() < CLUMP_LIGHT * light:
            continue
        if height < least:
            kept.add(label)
        elif np.count_nonzero(piece & (smooth > height / 2)) >= CLUMP_AREA:
            waiting[label] = height
    while True:
        body = np.isin(pieces, list(kept))
        joined = {
            label
            for label, height in waiting.items()
            if height < CLUMP_CONTRAST * _saddle(smooth, pieces == label, body)
        }
        if not joined:
            return kept - {own}
        kept |= joined
        waiting = {label: height for label, height in waiting.items() if label not in joined}


def _saddle(smooth: np.ndarray, piece: np.ndarray, body: np.ndarray) -> float:
    """Height of the pass between a piece and a body; 0 where they do not touch."""
    height = 0.0
    n_y, n_x = smooth.shape
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = slice(0, n_y - dy), slice(max(-dx, 0), n_x - max(dx, 0))
        there = slice(dy, n_y), slice(max(dx, 0), n_x - max(-dx, 0))
        touch = (piece[here] & body[there]) | (body[here] & piece[there])
        if touch.any():
            height = max(height, float(np.minimum(smooth[here], smooth[there])[touch].max()))
    return height


def turned(image: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Image turned by 180 degrees about a centre, to whole pixels; zero where it has no far side."""
    y, x = np.indices(image.shape)
    far_x, far_y = np.rint(2 * centre[0] - x).astype(int), np.rint(2 * centre[1] - y).astype(int)
    n_y, n_x = image.shape
    inside = (far_x >= 0) & (far_x < n_x) & (far_y >= 0) & (far_y < n_y)
    return np.where(inside, image[np.clip(far_y, 0, n_y - 1), np.clip(far_x, 0, n_x - 1)], 0.0)
