"""Which part of the scores a figure shows: its data sets in order, those of a split, those in bins."""

from itertools import pairwise

import numpy as np

from simcompare.kinds import Kind
from simcompare.scores.columns import axis_label
from simcompare.scores.record import Scores

__all__ = ["binned_scores", "datasets_of", "split_scores"]


def datasets_of(scores: Scores) -> list[str]:
    """Names of the data sets with rows to draw, the reference first, then simulations, then controls."""
    names = [name for name in scores.datasets if scores.held_out(name).any()]
    return sorted(
        names, key=lambda name: (name != scores.reference, scores.kind_of(name) != Kind.SIMULATED, name)
    )


def split_scores(scores: Scores) -> Scores:
    """Take the images of the reference by what the model did with them: trained on, stopped by, held out.

    Returns
    -------
    Scores
        Rows of the reference, named after their split, all to be drawn; those held out are the reference.
    """
    real = scores.select("log_prob")[scores.equals("dataset", scores.named_reference)]
    labels = {"train": "trained on", "validation": "validation", "test": "held out"}
    split = real["split"]
    return real.with_columns(
        dataset=[labels.get(each, each) for each in split.tolist()],
        kind=np.where(split == "test", Kind.OBSERVED, Kind.SIMULATED),
        split=np.full(len(real), "test"),
    ).with_reference("held out")


def binned_scores(scores: Scores, x: str, n_bins: int = 3) -> dict[str, Scores]:
    """Divide the scores in bins of a property that hold equal numbers of real galaxies.

    Parameters
    ----------
    scores : Scores
    x : str
        Column of the property.
    n_bins : int

    Returns
    -------
    dict of str to Scores
        By the range of the property in words; bins with fewer than two real galaxies are left out.
    """
    values, is_real = scores.numbers(x), scores.held_out(scores.named_reference)
    real = values[is_real & np.isfinite(values)]
    inner = np.quantile(real, np.linspace(0, 1, n_bins + 1))[1:-1] if real.size else np.array([])
    edges = np.concatenate([[-np.inf], np.unique(inner), [np.inf]])
    bins = {}
    for low, high in pairwise(edges):
        inside = (values >= low) & (values < high)
        if (inside & is_real).sum() > 1:
            quantity, _, unit = axis_label(x).partition("  ")
            least = f"{low:.3g} < " if np.isfinite(low) else ""
            most = f" < {high:.3g}" if np.isfinite(high) else ""
            bins[f"{least}{quantity}{most}  {unit}".rstrip()] = scores[inside]
    return bins
