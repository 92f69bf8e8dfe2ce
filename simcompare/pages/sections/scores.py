"""Figures of the scores alone: differences, distributions, scales, nulls."""

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare import figures
from simcompare.figures.dataset_styles import table_styles
from simcompare.figures.distributions import MOST_BANDS
from simcompare.figures.samples import binned_scores, split_scores
from simcompare.kinds import Kind
from simcompare.pages.sections.sketchbook import Sketchbook
from simcompare.scores.columns import Use, column_of, names_for
from simcompare.scores.record import Scores

__all__ = ["draw_scores"]

_LEAST_OF_A_SPLIT = 5


def draw_scores(book: Sketchbook, scores: Scores, comparison: Table, seed: int) -> None:
    """Draw the headline, the distributions of every score, and what the null says."""
    book.draw(
        "difference", "Structure of each data set",
        "1: as structured as real galaxies of equal brightness and resolution; 0: as their Sersic models. "
        "Open symbols: controls.",
        comparison, figures.draw_forest, wide=True,
    )  # fmt: skip
    columns = names_for(Use.SCORE, scores.colnames)
    for column in sorted(columns, key=lambda name: name != scores.headline):
        if not np.isfinite(scores.numbers(column)).any():
            continue
        table = figures.density_numbers(scores, seed, column=column)
        quantity = column_of(column).label
        is_crowded = len(table_styles(table)) > MOST_BANDS
        book.draw(
            f"distribution_{column}", f"Distribution of the {quantity}",
            "Smoothed distributions; dotted: real galaxies." if is_crowded
            else "Smoothed distributions; bands: 95% bootstrap intervals, galaxies resampled.",
            table, figures.draw_ridges if is_crowded else figures.draw_density,
        )  # fmt: skip
        if column == scores.headline:
            caption = "Medians and quartiles; lines: those of real galaxies."
            book.draw(
                "violins", f"Medians and quartiles of the {quantity}", caption, table, figures.draw_violins
            )
    _draw_splits(book, scores, seed)
    caption = (
        "Above the diagonal the data set scores lower than real galaxies; on it they cannot be told apart."
    )
    table = figures.roc_numbers(scores)
    book.draw(
        "roc",
        "ROC curves: data sets against real galaxies",
        caption,
        table,
        figures.small_multiples(figures.draw_roc),
    )
    book.draw(
        "scales", "Which scales carry the difference",
        "The difference from real galaxies, split by scale of the image; the parts add up to the whole.",
        lambda: figures.scale_numbers(scores, seed),
        figures.small_multiples(figures.draw_scales),
    )  # fmt: skip
    if not comparison.meta.get("structure", {}).get("nulls"):  # else in the first figure, of the headline
        table = figures.null_numbers(scores, comparison, stream(seed, "figure", "null"))
        caption = "Differences between random halves of the real galaxies, beside the claimed differences."
        book.draw("null", "Real against real", caption, table, figures.draw_null)
    _draw_bins(book, scores, seed)


def _draw_splits(book: Sketchbook, scores: Scores, seed: int) -> None:
    """Draw the raw log-likelihood of images that were trained on beside held-out ones."""
    if "split" not in scores:
        return
    parts = split_scores(scores)
    sizes = np.unique(parts.codes("dataset"), return_counts=True)[1]
    if sizes.size < 2 or sizes.min() < _LEAST_OF_A_SPLIT:
        return
    book.draw(
        "splits", "Held-out against training galaxies",
        "A curve of held-out galaxies to the left of that of training galaxies means overfitting.",
        lambda: figures.density_numbers(parts, seed, column="log_prob"),
        figures.draw_density,
    )  # fmt: skip


def _draw_bins(book: Sketchbook, scores: Scores, seed: int) -> None:
    """Draw the distribution of the headline in bins of magnitude, size and Sersic index."""
    real, kept = scores.held_out(scores.named_reference), set(names_for(Use.BIN, scores.colnames))
    shown = real | scores.equals("kind", Kind.SIMULATED)
    panels = {}
    for x in [name for name in scores.colnames if name in kept]:
        finite = np.isfinite(scores.numbers(x))
        if (finite & real).sum() < 3 * _LEAST_OF_A_SPLIT or not (finite & shown & ~real).any():
            continue
        for label, part in binned_scores(scores.select(x, scores.headline)[shown], x).items():
            if part.of_kind(Kind.SIMULATED):
                panels[label] = figures.density_numbers(part, seed, n_bootstrap=100)
    if panels:
        book.draw(
            "bins", "Distributions in bins of brightness, size and shape",
            "Bins hold equal numbers of held-out real galaxies. Bands (for up to "
            f"{MOST_BANDS} data sets): 95% bootstrap intervals.",
            lambda: figures.stack_panels(panels),
            figures.draw_bins, wide=True,
        )  # fmt: skip
