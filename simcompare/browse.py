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
from simcompare.comparison import headline_score
from simcompare.figures.images import Stretch, common_stretch
from simcompare.figures.style import styles_of
from simcompare.files import write_text

__all__ = ["MOST_GALAXIES", "write_browse"]

MOST_GALAXIES = 10_000
ACROSS = 50  # pictures in a row of a sheet
DOWN = 40  # rows of a sheet: browsers decode a picture of this size at once
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
    rows = _chosen_rows(scores, image_sets, seed)
    if not rows.size:
        known = ", ".join(image_sets) or "none"
        raise ValueError(f"no scored row belongs to the image sets given ({known}); nothing to browse.")
    table = scores[rows]
    pictures = _pictures(table, image_sets, side)
    data = _columns(table, columns) | _sheets(pictures, side)
    data |= {"n": len(table), "side": side, "across": ACROSS, "per_sheet": ACROSS * DOWN}
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    source = (files("simcompare") / "data" / "browse.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    write_text(path, template.render(title=title, toy=toy, data=Markup(text)))  # JSON without any "<"
    return Path(path)


def _chosen_rows(scores: Table, image_sets: Mapping[str, Any], seed: int) -> np.ndarray:
    """Rows to show: all, or equally many of each data set drawn at random."""
    dataset = np.asarray(scores["dataset"])
    groups = {
        name: np.flatnonzero(dataset == name) for name in sorted(set(dataset.tolist())) if name in image_sets
    }
    room, chosen = MOST_GALAXIES, []
    for left, (name, rows) in enumerate(sorted(groups.items(), key=lambda item: item[1].size)):
        share = room // (len(groups) - left)
        if rows.size > share:
            rows = np.sort(stream(seed, "browse", name).choice(rows, share, replace=False))
        room -= rows.size
        chosen.append(rows)
    return np.sort(np.concatenate(chosen)) if chosen else np.array([], dtype=np.int64)


def _pictures(table: Table, image_sets: Mapping[str, Any], side: int) -> list[np.ndarray]:
    """Brightness of each image under one stretch, as bytes, at most `side` pixels wide."""
    stretch = _stretch(table, image_sets)
    pictures: list[np.ndarray | None] = [None] * len(table)
    for name in sorted(set(np.asarray(table["dataset"]).tolist())):
        rows = np.flatnonzero(np.asarray(table["dataset"]) == name)
        for block in np.array_split(rows, -(-rows.size // 256)):
            stack = image_sets[name].read(np.asarray(table["image_index"])[block])
            for row, image in zip(block, stack.image, strict=True):
                picture = Image.fromarray(np.round(255 * stretch(image[:, ::-1])).astype(np.uint8))
                pictures[row] = np.asarray(picture.resize((side, side), Image.Resampling.BOX))
    return pictures


def _stretch(table: Table, image_sets: Mapping[str, Any]) -> Stretch:
    """One stretch from some images of each data set."""
    names = sorted(set(np.asarray(table["dataset"]).tolist()))
    sample = []
    for name in names:
        index = np.asarray(table["image_index"])[np.asarray(table["dataset"]) == name]
        sample += list(image_sets[name].read(index[:: max(1, index.size // 20)]).image)
    bands = image_sets[names[0]].bands
    sky = [np.nanmedian(np.asarray(table[f"sky_sigma_{band}"], float)) for band in bands]
    return common_stretch(sample, sky)


def _sheets(pictures: Sequence[np.ndarray], side: int) -> dict:
    """Pictures joined into sheets, as JPEG inside the page."""
    sheets = []
    for start in range(0, len(pictures), ACROSS * DOWN):
        part = pictures[start : start + ACROSS * DOWN]
        n_down = -(-len(part) // ACROSS)
        sheet = np.zeros((n_down * side, ACROSS * side, *part[0].shape[2:]), dtype=np.uint8)
        for k, picture in enumerate(part):
            y, x = divmod(k, ACROSS)
            sheet[y * side : (y + 1) * side, x * side : (x + 1) * side] = picture
        packed = io.BytesIO()
        Image.fromarray(sheet).save(packed, "JPEG", quality=75)
        jpeg = base64.b64encode(packed.getvalue()).decode("ascii")
        sheets.append({"jpeg": jpeg, "width": sheet.shape[1], "height": sheet.shape[0]})
    return {"sheets": sheets}


def _columns(table: Table, columns: Sequence[str] | None) -> dict:
    """Numbers and words of the rows, and the data sets with their colours."""
    names = [name for name in columns or table.colnames if table[name].dtype.kind in "fiub"]
    names = [name for name in names if name not in ("image_index", "view")]
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
        "numbers": {name: _rounded(table[name]) for name in names},
        "words": {name: [str(value) for value in table[name]] for name in _WORDS if name in table.colnames},
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
