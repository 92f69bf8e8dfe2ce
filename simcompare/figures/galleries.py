"""Pictures of galaxies: one stretch for all, galleries by score, samples of a flow beside real images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes

from simcompare.figures.dataset_styles import order_of
from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    PAGE,
    new_axes,
    styled,
)
from simcompare.images.contact_sheet import Stretch, common_stretch
from simcompare.scores.columns import axis_label, column_of

__all__ = ["Stretch", "common_stretch", "draw_gallery", "draw_samples", "gallery_images", "score_text"]

GAP = 2  # pixels between the pictures of a sheet
_GROUP_TITLES = {
    "least": "least likely",
    "most": "most likely",
    "below": "below nearly all real galaxies, least likely first",
    "above": "above nearly all real galaxies, most likely first",
}


def gallery_images(table: Table, image_sets: Mapping[str, Any]) -> list[np.ndarray]:
    """Read the images that a gallery shows.

    Parameters
    ----------
    table : Table
        From `simcompare.figures.samples.gallery_numbers`.
    image_sets : mapping of str to ImageSet
        Image set of each data set.

    Returns
    -------
    list of ndarray, shape (band, y, x)
        In the order of the rows.
    """
    missing = sorted(set(order_of(table)) - set(image_sets))
    if missing:
        raise ValueError(f"no image set given for {', '.join(missing)}; there are {', '.join(image_sets)}.")
    return [image_sets[str(row["dataset"])].read(int(row["image_index"])).image[0] for row in table]


def score_text(value: float, column: str) -> str:
    """Write a score on a picture: whole nats, or one decimal place where there is no unit."""
    return f"{value:.0f}" if column_of(column).unit else f"{value:.1f}"


@drawing
def draw_gallery(
    table: Table, images: Sequence[np.ndarray], stretch: Stretch, ax: Axes | None = None
) -> Axes:
    """Draw least, middle and most likely galaxies of every data set, one row each, scores printed.

    Parameters
    ----------
    table : Table
        From `simcompare.figures.samples.gallery_numbers`.
    images : sequence of ndarray, shape (band, y, x)
        One per row of the table.
    stretch : Stretch
        The one stretch of all.
    ax : Axes, optional
    """
    names, groups = order_of(table), order_of(table, "group")
    pictures = [stretch(image) for image in images]
    side = max(picture.shape[0] for picture in pictures)
    each = max(int(np.sum((table["dataset"] == n) & (table["group"] == g))) for n in names for g in groups)
    step, n_columns = side + GAP, each * len(groups)
    wide = n_columns * step + GAP + (len(groups) - 1) * 3 * GAP
    sheet = np.full((len(names) * step + GAP, wide, *pictures[0].shape[2:]), 1.0)
    ax = new_axes(ax, PAGE, 0.45 + PAGE * 0.86 * len(sheet) / wide)
    left_of = {group: GAP + k * (each * step + 3 * GAP) for k, group in enumerate(groups)}
    size = float(np.clip(110 / n_columns, 4, 6.5))
    for level, name in enumerate(names):
        bottom = GAP + (len(names) - 1 - level) * step
        for group in groups:
            rows = np.flatnonzero((table["dataset"] == name) & (table["group"] == group))
            for column, row in enumerate(rows):
                left = left_of[group] + column * step
                picture = pictures[row]
                sheet[bottom : bottom + len(picture), left : left + len(picture)] = picture
                ax.text(
                    left + 0.04 * side, bottom + 0.04 * side,
                    score_text(table["score"][row], table.meta["column"]),
                    color="white", fontsize=size, va="bottom",
                )  # fmt: skip
    shown = {"cmap": "gray"} if sheet.ndim == 2 else {}
    ax.imshow(sheet, vmin=0, vmax=1, interpolation="nearest", origin="lower", aspect="equal", **shown)
    for group in groups:
        ax.text(left_of[group], len(sheet) + 2, _GROUP_TITLES.get(group, group), va="bottom")
    ax.set_yticks([GAP + (len(names) - 1 - k) * step + side / 2 for k in range(len(names))], names)
    _bare(ax)
    ax.set_xlabel(f"number: {axis_label(table.meta['column'])}; one asinh stretch for all")
    return ax


def _bare(ax: Axes) -> None:
    """Take away ticks and frame."""
    ax.set_xticks([])
    ax.minorticks_off()
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


@styled
def draw_samples(rows: Mapping[str, Sequence[np.ndarray]], stretch: Stretch, ax: Axes | None = None) -> Axes:
    """Draw rows of pictures under one stretch, for instance real galaxies above samples of the flow.

    Parameters
    ----------
    rows : mapping of str to sequence of ndarray, shape (band, y, x)
        Pictures by the name of their row, all of one size.
    stretch : Stretch
    ax : Axes, optional
    """
    side = np.asarray(next(iter(rows.values()))[0]).shape[-1]
    step, n_columns = side + GAP, max(len(pictures) for pictures in rows.values())
    depth = stretch(np.asarray(next(iter(rows.values()))[0])).shape[2:]
    sheet = np.full((len(rows) * step + GAP, n_columns * step + GAP, *depth), 1.0)
    ax = new_axes(ax, PAGE, 0.4 + PAGE * 0.88 * sheet.shape[0] / sheet.shape[1])
    centres = []
    for level, pictures in enumerate(rows.values()):
        bottom = GAP + (len(rows) - 1 - level) * step
        centres.append(bottom + side / 2)
        for column, picture in enumerate(pictures):
            left = GAP + column * step
            sheet[bottom : bottom + side, left : left + side] = stretch(np.asarray(picture))
    shown = {"cmap": "gray"} if sheet.ndim == 2 else {}
    ax.imshow(sheet, vmin=0, vmax=1, interpolation="nearest", origin="lower", aspect="equal", **shown)
    ax.set_yticks(centres, list(rows))
    _bare(ax)
    ax.set_xlabel("one asinh stretch for all")
    return ax
