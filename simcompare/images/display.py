"""An image set shown to people: a table of facts, and a sheet of its images."""

from html import escape
from typing import Any

import numpy as np

from simcompare.images.contact_sheet import common_stretch, contact_sheet
from simcompare.images.splits import SPLITS

__all__ = ["draw_images", "html_table"]


def html_table(images: Any) -> str:
    """Write the facts of an image set as an HTML table."""
    split, galaxies = (np.asarray(images.catalogue[name]) for name in ("split", "galaxy_id"))
    rows, columns = images.image_shape[1:]
    facts = {
        "images": f"{len(images)} of {len(set(galaxies.tolist()))} galaxies, {images.kind}",
        "survey": f"{images.survey}, {', '.join(images.bands)}",
        "pixels": f"{columns} x {rows} of {images.pixel_scale:g} arcsec [{images.unit}]",
        "splits": ", ".join(f"{name} {n}" for name in SPLITS if (n := int((split == name).sum()))),
    }
    cells = "".join(f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in facts.items())
    return f"<table><caption>{escape(images.name)}</caption>{cells}</table>"


def draw_images(images: Any, n: int, ax: Any = None) -> Any:
    """Draw the first images of a set, see `simcompare.images.image_set.ImageSet.plot`."""
    import matplotlib.pyplot as plt

    stack = images.read(slice(0, n)).image
    if not len(stack):
        raise ValueError(f"image set {images.name!r} is empty; there is nothing to draw.")
    names = [f"sky_sigma_{band}" for band in images.bands]
    sky = [float(np.nanmedian(values)) for values in images.columns(*names).values()]
    ax = plt.subplots()[1] if ax is None else ax
    sheet = contact_sheet(stack, common_stretch(stack, sky), n_columns=int(np.ceil(np.sqrt(len(stack)))))
    ax.imshow(sheet, origin="lower", cmap="gray", interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(f"{images.name}: {len(stack)} of {len(images)} images")
    return ax
