"""Scores against properties as points to look at one by one, for the report."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from simcompare.figures.dataset_styles import styles_of
from simcompare.figures.populations import with_derived_columns
from simcompare.kinds import Kind
from simcompare.pages.browse_columns import column_labels
from simcompare.pages.browse_page import (
    ACROSS,
    PER_SHEET,
    chosen_rows,
    rounded,
    sheet_jpeg,
    sheet_size,
    sheet_stretch,
)
from simcompare.pages.sections import relation_columns
from simcompare.scores.columns import Use, column_of, names_for
from simcompare.scores.record import Scores

__all__ = ["MOST_POINTS", "scatter_data"]

MOST_POINTS = 1500  # galaxies with a picture on the page: about a megabyte
assert MOST_POINTS <= PER_SHEET


def scatter_data(
    scores: Scores, image_sets: Mapping[str, Any], seed: int, *, side: int = 40
) -> dict[str, Any] | None:
    """Gather the held-out real galaxies and the simulated ones, with pictures.

    Parameters
    ----------
    scores : Scores
        With the reference, and ``image_index``.
    image_sets : mapping of str to ImageSet
        Images of the data sets; points of others have no picture.
    seed : int
        Draws the galaxies when there are more than `MOST_POINTS`, equally many of each data set.
    side : int
        Side of a picture [pixels].

    Returns
    -------
    dict or None
        What the page's script reads: names, labels and values of the columns of both axes, data sets, ids and
        one sheet of pictures; None where there is no property to plot against, or no simulated galaxy.
    """
    scores = with_derived_columns(scores)
    shown = scores.held_out(scores.named_reference) | scores.equals("kind", Kind.SIMULATED)
    across, up = relation_columns(scores), [scores.headline]
    up += [name for name in names_for(Use.SCORE, scores.colnames) if name != scores.headline]
    if not across or not (shown & scores.equals("kind", Kind.SIMULATED)).any():
        return None
    part = scores[shown]
    part = part[chosen_rows(part, dict.fromkeys(part.datasets), seed, MOST_POINTS)]
    sets, names = part.datasets, [*across, *up]
    codes, counts = np.unique(part.codes("dataset"), return_inverse=True, return_counts=True)[1:]
    styles = styles_of(sets, map(part.kind_of, sets))
    pictured = [name in image_sets for name in sets]
    return {
        "x": across,
        "y": up,
        "labels": column_labels(names),
        "logarithmic": [name for name in names if column_of(name).is_logarithmic],
        "numbers": {name: rounded(part.numbers(name)) for name in names},
        "ids": part["galaxy_id"].tolist(),
        "datasets": {
            "names": sets,
            "codes": codes.tolist(),
            "counts": counts.tolist(),
            "colors": [styles[name].color for name in sets],
            "pictured": pictured,
        },
        "side": side,
        "across": ACROSS,
        "sheet": _sheet(part, image_sets, side) if any(pictured) else None,
    }


def _sheet(part: Scores, image_sets: Mapping[str, Any], side: int) -> dict[str, Any]:
    """Pictures of all points, black where there are none."""
    there = part[np.any([part.equals("dataset", name) for name in image_sets], axis=0)]
    jpeg = sheet_jpeg(part, image_sets, sheet_stretch(there, image_sets), side)
    return {"jpeg": base64.b64encode(jpeg).decode("ascii")} | sheet_size(len(part), side)
