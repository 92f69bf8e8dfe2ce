"""One page of thousands of galaxies to sort, filter and look at, without a server."""

import base64
import io
import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from mocks.streams import stream
from simcompare.figures.dataset_styles import styles_of
from simcompare.figures.galleries import Stretch, common_stretch
from simcompare.runs.files import write_text
from simcompare.scores.record import Scores

__all__ = ["MOST_GALAXIES", "write_browse"]

MOST_GALAXIES = 10_000
ACROSS = 50  # pictures in a row of a sheet
DOWN = 40  # rows of a sheet: browsers decode a picture of this size at once
PER_SHEET = ACROSS * DOWN
_WORDS = ("galaxy_id", "split", "simulation")


def write_browse(
    path: str | os.PathLike,
    scores: Scores,
    image_sets: Mapping[str, Any],
    *,
    seed: int,
    title: str = "Galaxies by likelihood",
    toy: bool = False,
    side: int = 48,
    columns: Sequence[str] | None = None,
) -> Path:
    """Write a page to browse the scored galaxies.

    Parameters
    ----------
    path : path-like
        HTML file.
    scores : Scores
        With ``image_index``.
    image_sets : mapping of str to ImageSet
        Image set of each data set; rows of others are left out.
    seed : int
        Draws the galaxies when there are more than `MOST_GALAXIES`, equally many of each data set.
    title : str
    toy : bool
        Show that these are toy data.
    side : int
        Side of a picture in the page [pixels]; larger images are shrunk.
    columns : sequence of str, optional
        Numbers to sort and filter by; default: all numeric columns.

    Returns
    -------
    Path
        One file that needs no other and no network.

    Raises
    ------
    ValueError
        When no row has an image set.
    """
    chosen = scores[chosen_rows(scores, image_sets, seed, MOST_GALAXIES)]
    stretch = sheet_stretch(chosen, image_sets)
    sheets = [
        {"jpeg": base64.b64encode(sheet_jpeg(part, image_sets, stretch, side)).decode("ascii")}
        | sheet_size(len(part), side)
        for part in (chosen[start : start + PER_SHEET] for start in range(0, len(chosen), PER_SHEET))
    ]
    names = number_columns(chosen, columns)
    data = describe(chosen, names, side) | {"sheets": sheets}
    data["numbers"] = {name: _rounded(chosen.numbers(name)) for name in names}
    data["words"] = {name: chosen[name].tolist() for name in word_columns(chosen)}
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    write_text(path, page_text(title, toy=toy, data=text))
    return Path(path)


def page_text(title: str, *, toy: bool, data: str | None) -> str:
    """Fill in the page.

    Parameters
    ----------
    title : str
    toy : bool
    data : str or None
        JSON without any "<"; None for a page that asks its server.
    """
    source = (files("simcompare") / "data" / "browse.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    return template.render(title=title, toy=toy, served=data is None, data=Markup(data or ""))


def chosen_rows(scores: Scores, image_sets: Mapping[str, Any], seed: int, most: int) -> np.ndarray:
    """Choose the rows to show: all, or equally many of each data set drawn at random.

    Raises
    ------
    ValueError
        When no row has an image set.
    """
    groups = {
        name: np.flatnonzero(scores.equals("dataset", name))
        for name in scores.datasets if name in image_sets
    }  # fmt: skip
    if not groups:
        known = ", ".join(image_sets) or "none"
        raise ValueError(f"no scored row belongs to the image sets given ({known}); nothing to browse.")
    room, chosen = most, []
    for left, (name, rows) in enumerate(sorted(groups.items(), key=lambda item: item[1].size)):
        share = room // (len(groups) - left)
        if rows.size > share:
            rows = np.sort(stream(seed, "browse", name).choice(rows, share, replace=False))
        room -= rows.size
        chosen.append(rows)
    return np.sort(np.concatenate(chosen))


def sheet_stretch(scores: Scores, image_sets: Mapping[str, Any]) -> Stretch:
    """Choose one stretch from some images of each data set."""
    sample = []
    for name in scores.datasets:
        index = scores["image_index"][scores.equals("dataset", name)]
        sample += list(image_sets[name].read(index[:: max(1, index.size // 20)]).image)
    bands = image_sets[scores.datasets[0]].bands
    sky = [np.nanmedian(scores.numbers(f"sky_sigma_{band}")) for band in bands]
    return common_stretch(sample, sky)


def sheet_jpeg(part: Scores, image_sets: Mapping[str, Any], stretch: Stretch, side: int) -> bytes:
    """Join the pictures of some rows into one sheet.

    Parameters
    ----------
    part : Scores
        At most `PER_SHEET` rows.
    image_sets : mapping of str to ImageSet
    stretch : Stretch
    side : int
        [pixels]

    Returns
    -------
    bytes
        JPEG, `ACROSS` pictures in a row.
    """
    size = sheet_size(len(part), side)
    sheet = np.zeros((size["height"], size["width"], 3), dtype=np.uint8)
    for name in part.datasets:
        rows = np.flatnonzero(part.equals("dataset", name))
        for block in np.array_split(rows, -(-rows.size // 256)):
            stack = image_sets[name].read(part["image_index"][block])
            for row, image in zip(block, stack.image, strict=True):
                picture = Image.fromarray(np.round(255 * stretch(image[:, ::-1])).astype(np.uint8))
                small = np.asarray(picture.resize((side, side), Image.Resampling.BOX))
                y, x = divmod(int(row), ACROSS)
                place = sheet[y * side : (y + 1) * side, x * side : (x + 1) * side]
                place[:] = small if small.ndim == 3 else small[:, :, None]
    packed = io.BytesIO()
    Image.fromarray(sheet).save(packed, "JPEG", quality=75)
    return packed.getvalue()


def sheet_size(n: int, side: int) -> dict[str, int]:
    """Width and height of a sheet of so many pictures [pixels]."""
    return {"width": ACROSS * side, "height": -(-n // ACROSS) * side}


def number_columns(scores: Scores, columns: Sequence[str] | None = None) -> list[str]:
    """Names of the columns to sort and filter by."""
    names = [name for name in columns or scores.colnames if not scores.is_text(name)]
    return [name for name in names if name not in ("image_index", "view")]


def word_columns(scores: Scores) -> list[str]:
    """Names of the columns of words to show."""
    return [name for name in _WORDS if name in scores]


def describe(scores: Scores, names: Sequence[str], side: int) -> dict:
    """Say what the page holds: columns, data sets with their colours, scales, sizes of sheets."""
    sets = scores.datasets
    codes, counts = np.unique(scores.codes("dataset"), return_inverse=True, return_counts=True)[1:]
    styles = styles_of(sets, map(scores.kind_of, sets))
    scales = {name: each for name, each in scores.scales.items() if name in names}
    return {
        "n": len(scores),
        "side": side,
        "across": ACROSS,
        "per_sheet": PER_SHEET,
        "columns": list(names),
        "numbers": {},
        "datasets": {
            "names": sets,
            "codes": codes.tolist(),
            "counts": counts.tolist(),
            "colors": [styles[name].color for name in sets],
        },
        "sort": scores.headline,
        "scales": list(scales),
        "scale_names": list(scales.values()),
    }


def _rounded(values: np.ndarray) -> list[float | None]:
    """Values with six digits; what is not finite becomes null."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]
