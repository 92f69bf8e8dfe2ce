"""One page of thousands of galaxies to sort, filter and look at, without a server."""

import base64
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from mocks.streams import stream
from simcompare.figures.dataset_styles import styles_of
from simcompare.figures.galleries import Stretch, common_stretch
from simcompare.figures.single_galaxies import smooth_map
from simcompare.pages.browse_columns import column_groups, column_labels
from simcompare.runs.files import write_text
from simcompare.scores.columns import column_of
from simcompare.scores.nearest_real import NearestReal, nearest_real
from simcompare.scores.record import Scores

__all__ = ["MOST_GALAXIES", "write_browse"]

MOST_GALAXIES = 10_000
ACROSS = 50  # pictures in a row of a sheet
DOWN = 40  # rows of a sheet: browsers decode a picture of this size at once
PER_SHEET = ACROSS * DOWN
_WORDS = ("galaxy_id", "split", "simulation")
_OF_A_SET = 20  # images of each data set from which the scale of colours is chosen
Maps = Mapping[str, Callable[[int], np.ndarray]]


def write_browse(
    path: str | os.PathLike,
    scores: Scores,
    image_sets: Mapping[str, Any],
    *,
    seed: int,
    toy: bool = False,
    side: int = 48,
    maps: Maps | None = None,
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
    toy : bool
        Show that these are toy data.
    side : int
        Side of a picture in the page [pixels]; larger images are shrunk.
    maps : mapping of str to callable, optional
        Of data sets whose log-likelihood ratio was mapped: from ``image_index`` to the map, shape (y, x)
        [nats per pixel].

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
    stretch, maps = sheet_stretch(chosen, image_sets), maps or {}
    parts = [chosen[start : start + PER_SHEET] for start in range(0, len(chosen), PER_SHEET)]
    names, near = number_columns(chosen), nearest_real(chosen)
    data = describe(chosen, names, side, near, maps)
    data["sheets"] = [_embedded(sheet_jpeg(part, image_sets, stretch, side), part, side) for part in parts]
    if maps:
        reach = map_reach(chosen, maps)
        data["map_sheets"] = [_embedded(map_jpeg(part, maps, reach, side), part, side) for part in parts]
    data["numbers"] = {name: rounded(chosen.numbers(name)) for name in names}
    data["words"] = {name: chosen[name].tolist() for name in word_columns(chosen)}
    data["near"] = near.rows.tolist()
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    write_text(path, page_text(toy=toy, data=text))
    return Path(path)


def page_text(*, toy: bool, data: str | None) -> str:
    """Fill in the page.

    Parameters
    ----------
    toy : bool
    data : str or None
        JSON without any "<"; None for a page that asks its server.
    """
    source, *script = (
        (files("simcompare") / "data" / name).read_text(encoding="utf-8")
        for name in ("browse.html.j2", "scatter.js", "browse.js")
    )
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    return template.render(
        toy=toy, served=data is None, data=Markup(data or ""), script=Markup("".join(script))
    )


def _embedded(jpeg: bytes, part: Scores, side: int) -> dict:
    """Put a sheet into the page itself."""
    return {"jpeg": base64.b64encode(jpeg).decode("ascii")} | sheet_size(len(part), side)


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
        sample += list(image_sets[name].read(index[:: max(1, index.size // _OF_A_SET)]).image)
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
        Rows of other data sets stay black.
    stretch : Stretch
    side : int
        [pixels]

    Returns
    -------
    bytes
        JPEG, `ACROSS` pictures in a row.
    """
    sheet = _blank_sheet(part, side)
    for name in part.datasets:
        if name not in image_sets:
            continue
        rows = np.flatnonzero(part.equals("dataset", name))
        for block in np.array_split(rows, -(-rows.size // 256)):
            stack = image_sets[name].read(part["image_index"][block])
            for row, image in zip(block, stack.image, strict=True):
                _paste(sheet, int(row), stretch(image[:, ::-1]), side)
    return _packed(sheet)


def map_reach(scores: Scores, maps: Maps) -> float:
    """Choose the log-likelihood ratio at the ends of the colour scale [nats per pixel], from some maps."""
    sample = []
    for name in scores.datasets:
        if name in maps:
            index = scores["image_index"][scores.equals("dataset", name)]
            sample += [smooth_map(maps[name](int(k))) for k in index[:: max(1, index.size // _OF_A_SET)]]
    values = np.abs(np.concatenate([each.ravel() for each in sample])) if sample else np.zeros(0)
    values = values[np.isfinite(values)]
    return (float(np.quantile(values, 0.995)) if values.size else 0.0) or 1.0


def map_jpeg(part: Scores, maps: Maps, reach: float, side: int) -> bytes:
    """Join the maps of some rows into one sheet, laid out as `sheet_jpeg` lays out their pictures.

    Parameters
    ----------
    part : Scores
        At most `PER_SHEET` rows.
    maps : mapping of str to callable
        As for `write_browse`; rows of other data sets stay black.
    reach : float
        Log-likelihood ratio at the ends of the colour scale [nats per pixel]; blue is positive.
    side : int
        [pixels]

    Returns
    -------
    bytes
        JPEG.
    """
    sheet, colors = _blank_sheet(part, side), matplotlib.colormaps["RdBu"].with_extremes(bad="gray")
    for name in part.datasets:
        if name in maps:
            for row in np.flatnonzero(part.equals("dataset", name)):
                nats = smooth_map(maps[name](int(part["image_index"][row])))[::-1]
                _paste(sheet, int(row), colors(np.ma.masked_invalid(0.5 + 0.5 * nats / reach))[..., :3], side)
    return _packed(sheet)


def _blank_sheet(part: Scores, side: int) -> np.ndarray:
    """Black sheet for some rows, shape (y, x, 3)."""
    size = sheet_size(len(part), side)
    return np.zeros((size["height"], size["width"], 3), dtype=np.uint8)


def _paste(sheet: np.ndarray, row: int, picture: np.ndarray, side: int) -> None:
    """Shrink a picture with values of 0 to 1 to its place on a sheet."""
    drawn = Image.fromarray(np.round(255 * picture).astype(np.uint8))
    small = np.asarray(drawn.resize((side, side), Image.Resampling.BOX))
    y, x = divmod(row, ACROSS)
    place = sheet[y * side : (y + 1) * side, x * side : (x + 1) * side]
    place[:] = small if small.ndim == 3 else small[:, :, None]


def _packed(sheet: np.ndarray) -> bytes:
    """Write a sheet as JPEG."""
    packed = io.BytesIO()
    Image.fromarray(sheet).save(packed, "JPEG", quality=75)
    return packed.getvalue()


def sheet_size(n: int, side: int) -> dict[str, int]:
    """Width and height of a sheet of so many pictures [pixels]."""
    return {"width": ACROSS * side, "height": -(-n // ACROSS) * side}


def number_columns(scores: Scores) -> list[str]:
    """Names of the columns to sort and filter by."""
    hidden = ("image_index", "view")
    return [name for name in scores.colnames if name not in hidden and not scores.is_text(name)]


def word_columns(scores: Scores) -> list[str]:
    """Names of the columns of words to show."""
    return [name for name in _WORDS if name in scores]


def describe(scores: Scores, names: Sequence[str], side: int, near: NearestReal, maps: Maps) -> dict:
    """Say what the page holds: columns in groups, data sets with their colours, scales, sizes of sheets."""
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
        "groups": column_groups(names),
        "labels": column_labels(names),
        "logarithmic": [name for name in names if column_of(name).is_logarithmic],
        "near_space": near.space,
        "map_sheets": [],
        "numbers": {},
        "datasets": {
            "names": sets,
            "kinds": [scores.kind_of(name) for name in sets],
            "mapped": [name in maps for name in sets],
            "codes": codes.tolist(),
            "counts": counts.tolist(),
            "colors": [styles[name].color for name in sets],
        },
        "sort": scores.headline,
        "scales": list(scales),
        "scale_names": list(scales.values()),
    }


def rounded(values: np.ndarray) -> list[float | None]:
    """Values with six digits; what is not finite becomes null."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]
