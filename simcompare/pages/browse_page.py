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
from astropy.table import Table
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from mocks.streams import stream
from simcompare.figures.galleries import Stretch, common_stretch
from simcompare.figures.style import styles_of
from simcompare.runs.files import write_text
from simcompare.scores.table import headline_score

__all__ = ["MOST_GALAXIES", "write_browse"]

MOST_GALAXIES = 10_000
ACROSS = 50  # pictures in a row of a sheet
DOWN = 40  # rows of a sheet: browsers decode a picture of this size at once
PER_SHEET = ACROSS * DOWN
_WORDS = ("galaxy_id", "split", "simulation")


def write_browse(
    path: str | os.PathLike,
    scores: Table,
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
    scores : Table
        Score table with ``image_index``.
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
    table = scores[chosen_rows(scores, image_sets, seed, MOST_GALAXIES)]
    stretch = sheet_stretch(table, image_sets)
    sheets = [
        {"jpeg": base64.b64encode(sheet_jpeg(part, image_sets, stretch, side)).decode("ascii")}
        | sheet_size(len(part), side)
        for part in (table[start : start + PER_SHEET] for start in range(0, len(table), PER_SHEET))
    ]
    names = number_columns(table, columns)
    data = describe(table, names, side) | {"sheets": sheets}
    data["numbers"] = {name: _rounded(table[name]) for name in names}
    data["words"] = {name: [str(value) for value in table[name]] for name in word_columns(table)}
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


def chosen_rows(scores: Table, image_sets: Mapping[str, Any], seed: int, most: int) -> np.ndarray:
    """Choose the rows to show: all, or equally many of each data set drawn at random.

    Raises
    ------
    ValueError
        When no row has an image set.
    """
    dataset = np.asarray(scores["dataset"])
    groups = {
        name: np.flatnonzero(dataset == name) for name in sorted(set(dataset.tolist())) if name in image_sets
    }
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


def sheet_stretch(table: Table, image_sets: Mapping[str, Any]) -> Stretch:
    """Choose one stretch from some images of each data set."""
    names = sorted(set(np.asarray(table["dataset"]).tolist()))
    sample = []
    for name in names:
        index = np.asarray(table["image_index"])[np.asarray(table["dataset"]) == name]
        sample += list(image_sets[name].read(index[:: max(1, index.size // 20)]).image)
    bands = image_sets[names[0]].bands
    sky = [np.nanmedian(np.asarray(table[f"sky_sigma_{band}"], float)) for band in bands]
    return common_stretch(sample, sky)


def sheet_jpeg(part: Table, image_sets: Mapping[str, Any], stretch: Stretch, side: int) -> bytes:
    """Join the pictures of some rows into one sheet.

    Parameters
    ----------
    part : Table
        At most `PER_SHEET` rows of the score table.
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
    for name in sorted(set(np.asarray(part["dataset"]).tolist())):
        rows = np.flatnonzero(np.asarray(part["dataset"]) == name)
        for block in np.array_split(rows, -(-rows.size // 256)):
            stack = image_sets[name].read(np.asarray(part["image_index"])[block])
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


def number_columns(table: Table, columns: Sequence[str] | None = None) -> list[str]:
    """Names of the columns to sort and filter by."""
    names = [name for name in columns or table.colnames if table[name].dtype.kind in "fiub"]
    return [name for name in names if name not in ("image_index", "view")]


def word_columns(table: Table) -> list[str]:
    """Names of the columns of words to show."""
    return [name for name in _WORDS if name in table.colnames]


def describe(table: Table, names: Sequence[str], side: int) -> dict:
    """Say what the page holds: columns, data sets with their colours, scales, sizes of sheets."""
    dataset = np.asarray(table["dataset"]).astype(str)
    sets, codes, counts = np.unique(dataset, return_inverse=True, return_counts=True)
    kinds = [
        str(table["kind"][dataset == name][0]) if "kind" in table.colnames else "simulated" for name in sets
    ]
    styles = styles_of(sets.tolist(), kinds)
    stem = f"{headline_score(table)}_scale_"
    scales = [name for name in names if name.startswith(stem)]
    scale_names = table.meta.get("scale_names") or scales
    return {
        "n": len(table),
        "side": side,
        "across": ACROSS,
        "per_sheet": PER_SHEET,
        "columns": list(names),
        "numbers": {},
        "datasets": {
            "names": sets.tolist(),
            "codes": codes.tolist(),
            "counts": counts.tolist(),
            "colors": [styles[name].color for name in sets.tolist()],
        },
        "sort": headline_score(table),
        "scales": scales,
        "scale_names": [str(name) for name in scale_names][: len(scales)],
    }


def _rounded(column: Any) -> list[float | None]:
    """Values with six digits; what is not finite becomes null."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in np.asarray(column, float)]
