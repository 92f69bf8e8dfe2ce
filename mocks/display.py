"""How records look in a notebook: pictures of arrays, small tables of their facts."""

import base64
import html
import io
from collections.abc import Iterable, Mapping

import numpy as np

__all__ = ["facts_table", "grey_picture", "lupton_rgb", "png_bytes", "rows_table"]

WHITE = 60  # times the stretch, the flux at which a picture is white; our choice, for the eye alone
_DARKEST = 1e-12  # intensity that stands for none, to avoid 0 / 0
GREY_STRETCH, GREY_RANGE = 3.0, (-2.0, 200.0)  # in noises of a pixel: end of the linear part, black and white
THUMBNAIL = 96  # least side of a picture beside a table [screen pixels]


def lupton_rgb(
    image: np.ndarray,
    stretch: float = 0.2,
    softening: float = 8.0,
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
    minimum: float = 0.0,
) -> np.ndarray:
    """8-bit colour picture with a stretch that is the same for every galaxy.

    Parameters
    ----------
    image : ndarray, shape (3, y, x)
        Bands for red, green, blue, in that order [nanomaggies per pixel].
    stretch : float
        Flux per pixel at which the linear part ends; the default is ten times the noise of SDSS in g and r.
    softening : float
        How strongly bright parts are compressed.
    scale : tuple of float
        Factors on red, green, blue before the stretch.
    minimum : float
        Flux that is black.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
        Row 0 at the bottom; show it with ``origin="lower"``. Colour is kept where a pixel saturates.
        Never adapted to the image: pictures of different galaxies, real or mock, compare like with like.

    References
    ----------
    Lupton et al. 2004, PASP 116, 133.
    """
    image = np.asarray(image, float)
    if image.ndim != 3 or len(image) != 3:
        raise ValueError(f"a colour picture needs three bands, not an image of shape {image.shape}.")
    if not np.isfinite(image).all():
        raise ValueError("a colour picture needs finite pixels.")
    colour = (image - minimum) * np.reshape(scale, (3, 1, 1))
    intensity = np.maximum(colour.mean(axis=0), _DARKEST)
    factor = np.arcsinh(softening * intensity / stretch) / softening / intensity
    colour = np.maximum(colour * factor / np.arcsinh(softening * WHITE) * softening, 0)
    colour /= np.maximum(colour.max(axis=0), 1)
    return np.rint(255 * np.moveaxis(colour, 0, -1)).astype(np.uint8)


def grey_picture(image: np.ndarray, sigma: float) -> np.ndarray:
    """8-bit picture of one band, stretched by asinh and by nothing but the noise.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Sky-subtracted flux.
    sigma : float
        Noise of a pixel, in the same unit; positive.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        Row 0 at the bottom.
    """
    low, high = (np.arcsinh(limit / GREY_STRETCH) for limit in GREY_RANGE)
    level = np.arcsinh(np.asarray(image, float) / sigma / GREY_STRETCH)
    return np.rint(255 * np.clip((np.nan_to_num(level) - low) / (high - low), 0, 1)).astype(np.uint8)


def png_bytes(picture: np.ndarray) -> bytes:
    """PNG file of an 8-bit picture, (y, x) or (y, x, 3), whose row 0 is at the bottom."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[::-1])).save(file, format="PNG")  # files begin at the top
    return file.getvalue()


def facts_table(title: str, facts: Mapping[str, object], picture: np.ndarray | None = None) -> str:
    """HTML of some facts, one per row, with a picture on their left.

    Parameters
    ----------
    title : str
    facts : mapping
        What by name; anything is shown as its text.
    picture : ndarray of uint8, optional
        As for ``png_bytes``.
    """
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    table = f"<table><caption>{html.escape(title)}</caption>{rows}</table>"
    if picture is None:
        return table
    side = THUMBNAIL * -(-max(picture.shape[:2]) // THUMBNAIL)
    source = base64.b64encode(png_bytes(picture)).decode()
    image = f"<img src='data:image/png;base64,{source}' height='{side}' style='image-rendering:pixelated'>"
    return f"<div style='display:flex;gap:1em;align-items:center'>{image}{table}</div>"


def rows_table(title: str, heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """HTML of a small table.

    Parameters
    ----------
    title : str
    heads : iterable of str
    rows : iterable of iterable
        Anything is shown as its text.
    """

    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><caption>{html.escape(title)}</caption>{line(heads, 'th')}{body}</table>"
