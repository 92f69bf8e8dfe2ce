"""Scores as people see them: in a line, in a notebook, in a figure."""

import html
from typing import Any

import numpy as np

from simcompare.scores.columns import axis_label

__all__ = ["as_html", "as_line", "draw_distributions"]


def _summary(scores: Any) -> list[tuple[str, str, int, int, float]]:
    """Name, kind, galaxies, images and mean headline of each data set."""
    rows = []
    for name in scores.datasets if "dataset" in scores else ():
        own = scores.sample(name)
        values = own.numbers() if scores.headline in scores else np.zeros(0)
        mean = float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
        rows.append((name, scores.kind_of(name), own.n_galaxies, len(own), mean))
    return rows


def as_line(scores: Any) -> str:
    """Say in one line what scores hold."""
    parts = ", ".join(f"{name} ({n})" for name, _, n, _, _ in _summary(scores))
    return (
        f"<Scores: {len(scores)} images, {len(scores.colnames)} columns, {scores.headline} against "
        f"{scores.reference or 'no reference'}; held-out galaxies: {parts}>"
    )


def as_html(scores: Any) -> str:
    """Say it in a table, one row a data set."""
    heads = ("data set", "kind", "held-out galaxies", "images", f"mean {scores.headline}")
    cells = [
        [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row] for row in _summary(scores)
    ]
    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
    caption = html.escape(f"{len(scores)} images against {scores.reference or 'no reference'}")
    return f"<table><caption>{caption}</caption><tr>{head}</tr>{body}</table>"


def draw_distributions(scores: Any, ax: Any, n_bins: int) -> Any:
    """Draw histograms of the headline, each galaxy counted once, into given axes or new ones."""
    import matplotlib.pyplot as plt

    ax = plt.subplots()[1] if ax is None else ax
    finite = np.isfinite(scores.numbers())
    names = [name for name in scores.datasets if (finite & scores.held_out(name)).any()]
    samples = {name: scores.clustered(name) for name in names}
    edges = np.histogram_bin_edges(np.concatenate([each.values for each in samples.values()]), n_bins)
    for name, each in samples.items():
        look = {"color": "black"} if name == scores.reference else {}
        share, label = each.weights / each.n_galaxies, f"{name} ({each.n_galaxies})"
        ax.hist(each.values, edges, weights=share, histtype="step", label=label, **look)
    ax.set_xlabel(axis_label(scores.headline))
    ax.set_ylabel("share of galaxies")
    ax.legend(title="galaxies in brackets")
    return ax
