"""Sub-boxes of a simulation and the jackknife over them."""

import numpy as np
from astropy.table import Table
from scipy import stats

from simcompare.kinds import Kind
from simcompare.scores.record import Scores
from simcompare.statistics.intervals import Estimate
from simcompare.statistics.means import galaxy_means

__all__ = ["jackknife", "jackknife_all", "sub_boxes", "with_sub_boxes"]


def with_sub_boxes(scores: Scores) -> Scores:
    """Scores with the part of the simulated box that each galaxy is in.

    Parameters
    ----------
    scores : Scores
        With ``sub_box``, or with ``box_x``, ``box_y``, ``box_z`` and ``box_size`` in one unit.

    Returns
    -------
    Scores
        With ``sub_box``: 0 to 7, or -1 where the place is not known.

    Raises
    ------
    ValueError
        When there is neither.
    """
    if "sub_box" in scores:
        return scores
    names = ("box_x", "box_y", "box_z", "box_size")
    if missing := [name for name in names if name not in scores]:
        raise ValueError(
            f"the scores lack {', '.join(missing)}: no simulation says where in its box galaxies are."
        )
    *position, size = (scores.numbers(name) for name in names)
    known = np.isfinite(position).all(axis=0) & (size > 0)
    parts = np.full(len(scores), -1)
    for side in np.unique(size[known]):
        rows = known & (size == side)
        parts[rows] = sub_boxes(np.stack(position, axis=1)[rows], side)
    return scores.with_columns(sub_box=parts)


def jackknife_all(scores: Scores) -> Table:
    """Difference of every simulation with the error that its finite volume causes.

    Parameters
    ----------
    scores : Scores
        With ``sub_box``.

    Returns
    -------
    Table
        ``dataset``, ``n_parts``, ``delta_jackknife`` with ``_low``, ``_high``, ``_error``.

    Raises
    ------
    ValueError
        When no simulation lies in three parts of a box or more.
    """
    rows, reasons = [], []
    part, scores = scores["sub_box"], scores.select(scores.headline, "sub_box")
    for name in scores.of_kind(Kind.SIMULATED):
        inside = (part >= 0) | ~scores.equals("dataset", name)
        try:
            delta = jackknife(scores[inside], name)
        except ValueError as error:
            reasons.append(str(error))
            continue
        n_parts = np.unique(part[inside & scores.held_out(name)]).size
        rows.append({"dataset": name, "n_parts": n_parts, **delta.columns("delta_jackknife")})
    if not rows:
        raise ValueError(reasons[0] if reasons else "there is no simulation.")
    return Table(rows=rows)


def sub_boxes(position: np.ndarray, box_size: float, n_side: int = 2) -> np.ndarray:
    """Give each galaxy the number of its cube in a divided simulation box.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        In the unit of `box_size`; wrapped into the box.
    box_size : float
        Side of the periodic box.
    n_side : int
        Cubes along each side.

    Returns
    -------
    ndarray of int, shape (n,)
        0 to n_side**3 - 1.
    """
    cell = np.floor((np.asarray(position, float) % box_size) / box_size * n_side).astype(np.int64)
    cell = np.minimum(cell, n_side - 1)
    return cell @ np.array([1, n_side, n_side**2])


def jackknife(scores: Scores, dataset: str, *, column: str = "sub_box") -> Estimate:
    """Difference of the mean headline with the error that the finite volume of the simulation causes.

    Parameters
    ----------
    scores : Scores
    dataset : str
    column : str
        Which part of the box each galaxy is in, see `sub_boxes`.

    Returns
    -------
    Estimate
        Each part left out in turn; the interval is Student's for the number of parts. The error of the
        reference is added in quadrature.

    Raises
    ------
    ValueError
        When the column is missing or holds fewer than three parts.
    """
    if column not in scores:
        raise ValueError(
            f"no column {column!r} in the scores; number the parts of the box with "
            "simcompare.comparison.volume.sub_boxes and add them, or name another column."
        )
    rows = scores.held_out(dataset) & np.isfinite(scores.numbers())
    values, part, galaxy = scores.numbers()[rows], scores[column][rows], scores.galaxies[rows]
    parts = np.unique(part)
    if parts.size < 3:
        raise ValueError(f"{dataset!r} lies in {parts.size} parts of the box; a jackknife needs at least 3.")
    real = scores.clustered(scores.named_reference).means
    left_out = np.array([galaxy_means(values[part != p], galaxy[part != p]).mean() for p in parts])
    variance = (parts.size - 1) / parts.size * ((left_out - left_out.mean()) ** 2).sum()
    error = float(np.sqrt(variance + real.var(ddof=1) / real.size))
    value = float(galaxy_means(values, galaxy).mean() - real.mean())
    reach = float(stats.t.ppf(0.975, parts.size - 1) * error)
    return Estimate(value, value - reach, value + reach, error)
