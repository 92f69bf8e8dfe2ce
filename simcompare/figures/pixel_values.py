"""Pixel values of real images and of mocks: what a mock must share before its galaxy is judged."""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes

from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    COLUMN,
    draw_steps,
    legend_above,
    new_axes,
    step_rows,
)

__all__ = ["draw_pixels", "pixel_numbers"]


def pixel_numbers(
    images: Mapping[str, Sequence[np.ndarray]],
    sky_sigma: Mapping[str, Sequence[float]],
    kinds: Mapping[str, str],
    reference: str,
    *,
    n_bins: int = 60,
) -> Table:
    """Histogram of pixel values in units of the sky noise, on an asinh scale.

    Parameters
    ----------
    images : mapping of str to sequence of ndarray, shape (y, x)
        One band of some images of each data set.
    sky_sigma : mapping of str to sequence of float
        Noise of each image, in its unit.
    kinds : mapping of str to str
    reference : str
    n_bins : int

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies``, ``low``, ``high`` [sky sigmas], ``share`` of pixels.
    """
    values = {
        name: np.concatenate(
            [
                (np.asarray(image, float) / sigma).ravel()
                for image, sigma in zip(stack, sky_sigma[name], strict=True)
            ]
        )
        for name, stack in images.items()
    }
    values = {name: each[np.isfinite(each)] for name, each in values.items()}
    ends = np.arcsinh([np.quantile(each, [1e-4, 0.9999]) for each in values.values()])
    edges = np.sinh(np.linspace(ends.min(), ends.max(), n_bins + 1))
    rows = []
    for name, each in values.items():
        rows += step_rows(each, edges, dataset=name, kind=kinds[name], n_galaxies=len(images[name]))
    table = Table(rows=rows)
    table.meta = {"reference": reference}
    return table


@drawing
def draw_pixels(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the histograms of pixel values.

    Parameters
    ----------
    table : Table
        From `pixel_numbers`.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 2.9)
    draw_steps(ax, table)
    ax.set_xscale("symlog", linthresh=3)
    ends = ax.get_xlim()
    ax.set_xticks([tick for tick in (-10, 0, 10, 100, 1000) if ends[0] <= tick <= ends[1]])
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_yscale("log")
    ax.set_xlabel("pixel value  [sky noise $\\sigma$]")
    ax.set_ylabel("share of pixels per bin")
    legend_above(ax)
    return ax
