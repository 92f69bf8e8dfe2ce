"""The numbers behind the figures: each function makes the one table that its figure draws."""

from itertools import pairwise

import numpy as np
from astropy.table import Table

from simcompare.figures.style import axis_label
from simcompare.scores.table import galaxies_of, narrowed, reference_rows
from simcompare.scores.text_column import equals, words_of
from simcompare.statistics.two_sample import Clustered

__all__ = ["binned_scores", "split_scores"]


def datasets_of(scores: Table, reference: str) -> list[str]:
    """Names of the data sets with rows to draw, the reference first, then simulations, then controls."""
    names = words_of(scores["dataset"])
    kind = {name: kind_of(scores, name) for name in names}
    names = [name for name in names if reference_rows(scores, name).any()]
    return sorted(names, key=lambda name: (name != reference, kind[name] != "simulated", name))


def kind_of(scores: Table, dataset: str) -> str:
    """Kind of a data set."""
    return str(scores["kind"][equals(scores["dataset"], dataset)][0])


def sample_of(scores: Table, dataset: str, column: str) -> Clustered:
    """Values of a column of one data set, by galaxy."""
    rows = reference_rows(scores, dataset)
    galaxy = galaxies_of(scores)[rows]
    return Clustered.of(np.asarray(scores[column], float)[rows], galaxy)


def split_scores(scores: Table, reference: str) -> Table:
    """Take the images of one data set by what the model did with them: trained on, stopped by, held out.

    Parameters
    ----------
    scores : Table
    reference : str

    Returns
    -------
    Table
        Rows of the data set, named after their split, all to be drawn.
    """
    table = narrowed(scores, "log_prob")[equals(scores["dataset"], reference)]
    words = {"train": "trained on", "validation": "validation", "test": "held out"}
    named = [(equals(table["split"], split), words.get(split, split)) for split in words_of(table["split"])]
    table["dataset"] = np.select(*map(list, zip(*named, strict=True)), default="")
    table["kind"] = np.where(equals(table["split"], "test"), "observed", "simulated")
    table["split"] = np.full(len(table), "test")
    return table


def binned_scores(scores: Table, reference: str, x: str, n_bins: int = 3) -> dict[str, Table]:
    """Divide the scores in bins of a property that hold equal numbers of real galaxies.

    Parameters
    ----------
    scores : Table
    reference : str
    x : str
        Column of the property.
    n_bins : int

    Returns
    -------
    dict of str to Table
        By the range of the property in words; bins with fewer than two real galaxies are left out.
    """
    values = np.asarray(scores[x], float)
    real = values[reference_rows(scores, reference) & np.isfinite(values)]
    inner = np.quantile(real, np.linspace(0, 1, n_bins + 1))[1:-1] if real.size else np.array([])
    edges = np.concatenate([[-np.inf], np.unique(inner), [np.inf]])
    found = {}
    for low, high in pairwise(edges):
        part = scores[(values >= low) & (values < high)]
        if reference_rows(part, reference).sum() > 1:
            what, _, unit = axis_label(x).partition("  ")
            least = f"{low:.3g} < " if np.isfinite(low) else ""
            most = f" < {high:.3g}" if np.isfinite(high) else ""
            found[f"{least}{what}{most}  {unit}".rstrip()] = part
    return found
