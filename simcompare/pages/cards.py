"""A card for each data set of the page: examples of its images, its result, its cautions."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Row, Table
from PIL import Image

from simcompare.comparison.answer import UNBOUNDED
from simcompare.images.contact_sheet import common_stretch, contact_sheet
from simcompare.kinds import Kind
from simcompare.pages.cells import value_text
from simcompare.scores.record import Scores

__all__ = ["Card", "cards_of", "example_pictures"]

N_EXAMPLES = 4
_ENLARGED = 3  # pixels of the page for a pixel of an image
_KINDS = {
    Kind.OBSERVED: "real galaxies",
    Kind.SIMULATED: "simulation",
    Kind.TWINS: "control: smooth models of real galaxies",
    Kind.CONTROL: "control: no galaxy",
    Kind.NULL: "control: real against real",
}


@dataclass(frozen=True)
class Card:
    """What the page says of one data set.

    Parameters
    ----------
    name, anchor, about : str
        Its name, its place on the page, its kind and number of galaxies.
    fraction, verdict : str
        Structure fraction with its interval, empty where there is none, and the verdict.
    cautions : list of str
    links : list of tuple of str
        Anchor and text of its rows and figures.
    png, alt : str
        Example images in base64, empty where there are none, and what they show.
    """

    name: str
    anchor: str
    about: str
    fraction: str
    verdict: str
    cautions: list[str]
    links: list[tuple[str, str]]
    png: str
    alt: str


def example_pictures(scores: Scores, image_sets: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw galaxies of each data set whose scores are nearest to its median, all under one stretch.

    Parameters
    ----------
    scores : Scores
    image_sets : mapping of str to ImageSet
        Image sets by data set; those that are missing get no picture.

    Returns
    -------
    dict of str to bytes
        PNG of up to four images side by side.
    """
    known = [name for name in scores.in_order if name in image_sets]
    if not known:
        return {}
    images = {}
    for name in known:
        picked = scores[_nearest_to_median(scores, name)]
        if len(picked):
            images[name] = [image_sets[name].read(int(k)).image[0] for k in picked["image_index"]]
    if not images:
        return {}
    sky = [np.nanmedian(scores.numbers(f"sky_sigma_{band}")) for band in image_sets[known[0]].bands]
    stretch = common_stretch([image for each in images.values() for image in each], sky)
    return {name: _png(contact_sheet(np.stack(each), stretch, N_EXAMPLES)) for name, each in images.items()}


def _nearest_to_median(scores: Scores, dataset: str) -> np.ndarray:
    """Rows of the galaxies of a data set with scores nearest to its median, one view each."""
    values = scores.numbers()
    rows = scores.first_views(np.flatnonzero(scores.held_out(dataset) & np.isfinite(values)))
    distance = np.abs(values[rows] - np.median(values[rows])) if rows.size else values[rows]
    return rows[np.argsort(distance, kind="stable")][:N_EXAMPLES]


def _png(sheet: np.ndarray) -> bytes:
    """Brightness from 0 to 1, row 0 at the bottom, as the bytes of a PNG."""
    pixels = np.rint(255 * sheet[::-1]).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels.repeat(_ENLARGED, 0).repeat(_ENLARGED, 1)).save(packed, "PNG")
    return packed.getvalue()


def cards_of(
    comparison: Table, pictures: Mapping[str, bytes], anchors: Mapping[str, list[tuple[str, str]]]
) -> list[Card]:
    """Make the card of the reference and of every row.

    Parameters
    ----------
    comparison : Table
        From `simcompare.comparison.headline.compare`.
    pictures : mapping of str to bytes
        From `example_pictures`.
    anchors : mapping of str to list of tuple of str
        Further places on the page that speak of a data set, with their text.
    """
    reference, n = comparison.meta["reference"], comparison.meta["n_reference_galaxies"]
    first = {"name": reference, "anchor": "reference", "about": f"real galaxies, held out: N = {n}",
             "fraction": "", "verdict": "the reference: f = 1", "cautions": [],
             "links": anchors.get(reference, [])}  # fmt: skip
    cards = [Card(**first, **_picture(reference, pictures))]
    for place, row in enumerate(comparison):
        name, anchor = str(row["dataset"]), f"row-{place}"
        cards.append(
            Card(
                name,
                anchor,
                f"{_KINDS.get(row['kind'], row['kind'])}, N = {row['n_galaxies']}",
                _fraction(row),
                str(row["verdict"]) if "verdict" in row.colnames else "",
                [text for text in str(row["caution"]).split("; ") if text],
                [(anchor, "row of the table"), *anchors.get(name, [])],
                **_picture(name, pictures),
            )
        )
    return cards


def _fraction(row: Row) -> str:
    """Structure fraction with its interval."""
    value = value_text(row["structure_fraction"], "", 2) if "structure_fraction" in row.colnames else ""
    ends = [value_text(row[f"structure_fraction_{end}"], "", 2) for end in ("low", "high")] if value else [""]
    bounds = "interval unbounded" if UNBOUNDED in ends else " to ".join(ends)
    return f"{value} ({bounds})" if all(ends) else value


def _picture(name: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Picture and its description."""
    png = base64.b64encode(pictures[name]).decode("ascii") if name in pictures else ""
    return {"png": png, "alt": f"Galaxies of {name} with scores nearest to its median" if png else ""}
