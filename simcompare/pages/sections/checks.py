"""Figures that tell when to trust the answer: realism of the mocks, typicality, matching, ladders."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare import figures
from simcompare.comparison.further_tables import FurtherTable
from simcompare.comparison.matching import match
from simcompare.figures.samples import binned_scores
from simcompare.kinds import Kind
from simcompare.pages.sections.sketchbook import Sketchbook
from simcompare.scores.columns import Use, in_words, names_for
from simcompare.scores.nuisance import usable_nuisances
from simcompare.scores.record import Scores
from simcompare.scores.typicality import add_typicality

__all__ = ["draw_checks"]

LEAST_FOR_TYPICALITY = 20
LEAST_PAIRS = 5
_LADDER = {"step", "change", "change_low", "change_high", "change_error"}
_STABILITY = {"variant", "rank"}


def draw_checks(
    book: Sketchbook, scores: Scores, comparison: Table, seed: int, further: Sequence[FurtherTable]
) -> None:
    """Draw what mocks share with real images, typicality, matched samples, ladders and stability."""
    columns = _shared_nuisances(scores)
    if columns:
        book.draw(
            "realism", "Brightness, size, noise and seeing",
            "What mocks and real images should share. Where curves differ, trust matched samples more.",
            lambda: figures.realism_numbers(scores, seed, columns=columns),
            figures.draw_realism, wide=True,
        )  # fmt: skip
    if columns and comparison.meta["n_reference_galaxies"] >= LEAST_FOR_TYPICALITY:
        book.draw(
            "typicality", "Typicality",
            "Flat: as typical as real galaxies under like conditions. Peak at zero: not typical.",
            lambda: figures.typicality_numbers(
                add_typicality(scores, stream(seed, "figure", "folds"), columns=columns)
            ),
            figures.small_multiples(figures.draw_typicality),
        )  # fmt: skip
    book.draw(
        "matched", "Matched samples",
        "Mean scores of galaxies and of their matched real ones (bootstrap of pairs): all, then in bins.",
        lambda: _matched_panels(scores, seed),
        lambda table: figures.draw_grid(
            table, figures.draw_matched, n_across=2, height=2.9, one_legend=False
        ), wide=True,
    )  # fmt: skip
    for each in further:
        if each.table is None or not len(each.table):
            continue
        if set(each.table.colnames) >= _LADDER:
            book.draw(each.name, each.title, each.note, each.table, figures.draw_ladder, wide=True)
        elif set(each.table.colnames) >= _STABILITY:
            book.draw(each.name, each.title, each.note, each.table, figures.draw_stability, wide=True)


def _shared_nuisances(scores: Scores) -> list[str]:
    """Nuisances that the reference and another data set have."""
    is_reference = scores.equals("dataset", scores.named_reference)
    finite = {name: np.isfinite(scores.numbers(name)) for name in scores.nuisances}
    return [
        name for name, known in finite.items()
        if known[is_reference].sum() > 1 and known[~is_reference].any()
    ]  # fmt: skip


def _matched_panels(scores: Scores, seed: int) -> Table:
    """Resampled means of matched pairs, of all galaxies and in bins of mass or else brightness."""
    kept = set(names_for(Use.MATCH, scores.colnames))
    columns = tuple(name for name in usable_nuisances([scores]) if name in kept)
    if not columns:
        raise ValueError("neither brightness nor size is known of every data set; nothing to match in.")
    mass = "stellar_mass" if "stellar_mass" in columns else None
    x = mass or next((name for name in columns if name.startswith("mag_")), columns[0])
    scores, panels = scores.select(*columns, x, scores.headline), {}
    for label, part in {"all": scores, **binned_scores(scores, x)}.items():
        matches = {}
        for name in part.of_kind(Kind.SIMULATED):
            try:
                pairs = match(part, name, columns)
            except ValueError:
                continue
            if len(pairs) >= LEAST_PAIRS:
                matches[name] = pairs
        if matches:
            panels[label] = figures.matched_numbers(part, matches, seed)
    if not panels:
        raise ValueError(f"no data set has {LEAST_PAIRS} galaxies close to real ones in {in_words(columns)}.")
    return figures.stack_panels(panels)
