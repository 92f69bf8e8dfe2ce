"""One galaxy looked at closely: image, likelihood maps, budget over scales; and mean radial profiles."""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from simcompare.figures.images import Stretch
from simcompare.figures.style import COLUMN, PAGE, count_label, legend_above, new_axes, styled, table_styles
from simcompare.statistics import Clustered, bootstrap_means

__all__ = ["draw_panel", "draw_profile", "profile_numbers", "smooth_map"]


def smooth_map(nats: np.ndarray, width: float = 1.5) -> np.ndarray:
    """Smooth a map of nats per pixel, whose pixels are too noisy to look at.

    Parameters
    ----------
    nats : ndarray, shape (y, x)
    width : float
        Standard deviation of the Gaussian [pixels].

    Returns
    -------
    ndarray, shape (y, x)
        The sum stays what it was.
    """
    return gaussian_filter(nats, width, mode="reflect")


@styled
def draw_panel(
    image: np.ndarray,
    stretch: Stretch,
    ratio_map: np.ndarray,
    budget: Table,
    *,
    pixel_scale: float,
    title: str = "",
) -> Figure:
    """Draw one galaxy: its image, where its log-likelihood ratio arises, and at which scales.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
    stretch : Stretch
    ratio_map : ndarray, shape (y, x)
        Nats per pixel; drawn smoothed.
    budget : Table
        ``scale_name``, ``ratio`` [nats] of this galaxy; ``real_low``, ``real_median``, ``real_high``: 16, 50
        and 84 percentiles of real galaxies.
    pixel_scale : float
        [arcsec]
    title : str

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(PAGE, 2.35))
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3, width_ratios=(1, 1.2, 1.2))
    half = 0.5 * image.shape[-1] * pixel_scale
    extent = (-half, half, -half, half)
    picture = stretch(image)
    shown = {"cmap": "gray"} if picture.ndim == 2 else {}
    axes[0].imshow(picture, vmin=0, vmax=1, extent=extent, **shown)
    axes[0].set_title(title, loc="left")
    axes[0].set_ylabel("offset  [arcsec]")
    smoothed = smooth_map(ratio_map)
    reach = float(np.quantile(np.abs(smoothed), 0.998)) or 1.0
    drawn = axes[1].imshow(smoothed, cmap="RdBu", vmin=-reach, vmax=reach, extent=extent)
    bar = figure.colorbar(drawn, ax=axes[1], pad=0.02)
    bar.set_label("ratio  [nats per pixel]")
    axes[1].set_title(f"log-likelihood ratio {ratio_map.sum():.0f} nats", loc="left")
    for ax in axes[:2]:
        ax.set_xlabel("offset  [arcsec]")
    x = np.arange(len(budget))
    reach = [budget["real_median"] - budget["real_low"], budget["real_high"] - budget["real_median"]]
    axes[2].errorbar(
        x, budget["real_median"], yerr=reach, fmt="_", color="0.5", label="real, 16-84 %", lw=3, alpha=0.6
    )
    axes[2].plot(x, budget["ratio"], "o", color="#D55E00", label="this galaxy")
    axes[2].axhline(0, color="black", lw=0.6)
    axes[2].set_xticks(x, [str(name) for name in budget["scale_name"]], rotation=30, ha="right")
    axes[2].minorticks_off()
    axes[2].set_ylabel("ratio of each scale  [nats]")
    axes[2].legend(loc="best")
    return figure


def profile_numbers(
    maps: Mapping[str, np.ndarray],
    kinds: Mapping[str, str],
    pixel_scale: float,
    rng: np.random.Generator,
    *,
    galaxies: Mapping[str, Sequence] | None = None,
    step: float = 2.0,
    n_bootstrap: int = 500,
) -> Table:
    """Mean log-likelihood ratio per pixel in rings about the galaxy centre.

    Parameters
    ----------
    maps : mapping of str to ndarray, shape (n, y, x)
        Maps of the ratio [nats per pixel] by data set.
    kinds : mapping of str to str
    pixel_scale : float
        [arcsec]
    rng : numpy.random.Generator
    galaxies : mapping of str to sequence, optional
        Galaxy of each map; default: each its own.
    step : float
        Width of the rings [pixels].
    n_bootstrap : int

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies``, ``radius`` [arcsec], ``ratio`` [nats per pixel], ``ratio_low``,
        ``ratio_high``, ``n_pixels`` of the ring.
    """
    rows = []
    for name, stack in maps.items():
        n_y, n_x = stack.shape[1:]
        y, x = np.mgrid[:n_y, :n_x]
        radius = np.hypot(y - 0.5 * (n_y - 1), x - 0.5 * (n_x - 1))
        ring = (radius / step).astype(int)
        galaxy = np.arange(len(stack)) if galaxies is None else np.asarray(galaxies[name])
        for k in range(int(0.5 * min(n_y, n_x) / step)):
            inside = ring == k
            sample = Clustered.of(stack[:, inside].mean(axis=1), galaxy)
            low, high = np.full(2, np.nan)
            if sample.n_galaxies > 1:
                low, high = np.quantile(bootstrap_means(sample, rng, n_bootstrap), [0.025, 0.975])
            rows.append(
                {
                    "dataset": name,
                    "kind": kinds[name],
                    "n_galaxies": sample.n_galaxies,
                    "radius": float(radius[inside].mean() * pixel_scale),
                    "ratio": float(sample.means.mean()),
                    "ratio_low": low,
                    "ratio_high": high,
                    "n_pixels": int(inside.sum()),
                }
            )
    return Table(rows=rows)


@styled
def draw_profile(table: Table, ax: Axes | None = None) -> Axes:
    """Draw where in the galaxy the log-likelihood ratio arises.

    Parameters
    ----------
    table : Table
        From `profile_numbers`.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, COLUMN, 2.9)
    ax.axhline(0, color="black", lw=0.6)
    for name, style in table_styles(table).items():
        rows = table[np.asarray(table["dataset"]) == name]
        ax.fill_between(
            rows["radius"], rows["ratio_low"], rows["ratio_high"], color=style.color, alpha=0.18, lw=0
        )
        label = count_label(name, rows["n_galaxies"][0])
        ax.plot(rows["radius"], rows["ratio"], color=style.color, ls=style.line, label=label)
    ax.set_xlabel("distance from the centre  [arcsec]")
    ax.set_ylabel("log-likelihood ratio  [nats per pixel]")
    legend_above(ax)
    return ax
