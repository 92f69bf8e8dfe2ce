"""One galaxy in detail: image, likelihood maps, budget over scales; and mean radial profiles."""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from mocks.streams import stream
from simcompare.figures.dataset_styles import table_styles
from simcompare.figures.drawing import drawing
from simcompare.figures.galleries import Stretch
from simcompare.figures.looks import (
    COLUMN,
    PAGE,
    count_label,
    legend_above,
    new_axes,
    new_figure,
    styled,
    wrapped,
)
from simcompare.scores.record import Scores
from simcompare.statistics.means import Clustered, bootstrap_means

__all__ = ["budget_numbers", "draw_panel", "draw_panels", "draw_profile", "profile_numbers", "smooth_map"]


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


def budget_numbers(scores: Scores, rows: Sequence[int]) -> Table:
    """Log-likelihood ratio of some galaxies by scale, with the range of real galaxies.

    Parameters
    ----------
    scores : Scores
        With columns ``<headline>_scale_<k>``.
    rows : sequence of int
        Galaxies.

    Returns
    -------
    Table
        ``galaxy_id``, ``dataset``, ``scale_name``, ``ratio`` [nats]; ``real_low``, ``real_median``,
        ``real_high``: 16, 50 and 84 percentiles of real galaxies; ``score``, ``log_prob`` of the galaxy.

    Raises
    ------
    ValueError
        When the scores are not split by scale.
    """
    scales, real, chosen = scores.named_scales(), scores.reference_sample(), scores[np.asarray(rows)]
    galaxy, dataset = chosen["galaxy_id"], chosen["dataset"]
    ends = {name: np.nanquantile(real.numbers(name), [0.16, 0.5, 0.84]) for name in scales}
    table = Table(
        rows=[
            {
                "galaxy_id": str(galaxy[row]),
                "dataset": str(dataset[row]),
                "scale_name": scale_name,
                "ratio": float(chosen[column][row]),
                "real_low": ends[column][0],
                "real_median": ends[column][1],
                "real_high": ends[column][2],
                "score": float(chosen.numbers()[row]),
                "log_prob": float(chosen["log_prob"][row]),
            }
            for row in range(len(chosen))
            for column, scale_name in scales.items()
        ]
    )
    table.meta = {"reference": scores.reference, "column": scores.headline}
    return table


@styled
def draw_panel(
    image: np.ndarray,
    stretch: Stretch,
    ratio_map: np.ndarray,
    budget: Table,
    *,
    pixel_scale: float,
    log_prob_map: np.ndarray | None = None,
    title: str = "",
) -> Figure:
    """Draw one galaxy: its image, where its log-likelihood and the ratio arise, and at which scales.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
    stretch : Stretch
    ratio_map : ndarray, shape (y, x)
        Nats per pixel; drawn smoothed.
    budget : Table
        Rows of one galaxy of `budget_numbers`.
    pixel_scale : float
        [arcsec]
    log_prob_map : ndarray, shape (y, x), optional
        Nats per pixel; drawn smoothed.
    title : str
    """
    maps = [ratio_map] if log_prob_map is None else [log_prob_map, ratio_map]
    figure = new_figure(PAGE, 2.1)
    axes = figure.subplots(1, 2 + len(maps), width_ratios=(1, *len(maps) * (1.2,), 1.15))
    _fill_panel(axes, image, stretch, maps, budget, pixel_scale, title)
    return figure


@styled
def draw_panels(
    images: Sequence[np.ndarray],
    stretch: Stretch,
    maps: Sequence[Sequence[np.ndarray]],
    budget: Table,
    *,
    pixel_scale: float,
    titles: Sequence[str],
) -> Figure:
    """Draw several galaxies, one row each, as `draw_panel` does.

    Parameters
    ----------
    images : sequence of ndarray, shape (band, y, x)
    stretch : Stretch
    maps : sequence of (ndarray, ndarray), shape (y, x)
        Of the log-likelihood and of the ratio of each galaxy [nats per pixel]; the ratio alone where
        only it is given.
    budget : Table
        From `budget_numbers`, in the order of the images.
    pixel_scale : float
        [arcsec]
    titles : sequence of str
    """
    n = len(images)
    figure = new_figure(PAGE, 0.2 + 1.85 * n)
    axes = figure.subplots(n, 2 + len(maps[0]), squeeze=False, width_ratios=(1, *len(maps[0]) * (1.2,), 1.15))
    for k in range(n):
        rows = budget[len(budget) // n * k : len(budget) // n * (k + 1)]
        _fill_panel(axes[k], images[k], stretch, maps[k], rows, pixel_scale, titles[k], last=k == n - 1)
    return figure


def _fill_panel(axes, image, stretch, maps, budget, pixel_scale, title, last=True) -> None:
    """Image, maps and budget of one galaxy in a row of axes."""
    half = 0.5 * image.shape[-1] * pixel_scale
    extent = (-half, half, -half, half)
    picture = stretch(image)
    shown = {"cmap": "gray"} if picture.ndim == 2 else {}
    axes[0].imshow(picture, vmin=0, vmax=1, extent=extent, **shown)
    lines = [wrapped(line, 1.35) for line in title.splitlines()]
    axes[0].set_title("\n".join(lines), loc="left", fontsize="small")
    axes[0].set_ylabel("offset  [arcsec]")
    for ax, nats, name in zip(axes[1:-1], maps, ("log-likelihood", "ratio")[-len(maps) :], strict=True):
        smoothed = smooth_map(nats)
        if name == "ratio":
            reach = float(np.quantile(np.abs(smoothed), 0.998)) or 1.0
            look = {"cmap": "RdBu", "vmin": -reach, "vmax": reach}
        else:
            low, high = np.quantile(smoothed, [0.005, 0.995])
            look = {"cmap": "cividis", "vmin": low, "vmax": high}
        drawn = ax.imshow(smoothed, extent=extent, **look)
        bar = ax.figure.colorbar(drawn, ax=ax, pad=0.02)
        bar.minorticks_off()
        bar.ax.tick_params(labelsize="x-small")
        ax.set_title(f"{name} {round(float(nats.sum()))} nats", loc="left", fontsize="small")
        ax.set_yticklabels([])
    for ax in axes[:-1]:
        ax.minorticks_off()
        ax.tick_params(color="0.6")
        if last:
            ax.set_xlabel("offset  [arcsec]")
    ax, x = axes[-1], np.arange(len(budget))
    reach = [budget["real_median"] - budget["real_low"], budget["real_high"] - budget["real_median"]]
    ax.errorbar(
        x, budget["real_median"], yerr=reach, fmt="_", color="0.5", label="real, 16-84%", lw=3, alpha=0.6
    )
    ax.plot(x, budget["ratio"], "o", color="#D55E00", label="this galaxy", ms=3.5)
    ax.axhline(0, color="black", lw=0.6)
    ax.set_xticks(x, [str(name) for name in budget["scale_name"]] if last else [], rotation=40, ha="right")
    ax.minorticks_off()
    ax.set_title("by scale  [nats]", loc="left", fontsize="small")
    if last:
        ax.legend(loc="best", fontsize="x-small")


def profile_numbers(
    maps: Mapping[str, np.ndarray],
    kinds: Mapping[str, str],
    pixel_scale: float,
    seed: int,
    *,
    galaxies: Mapping[str, Sequence] | None = None,
    step: float = 2.0,
    n_bootstrap: int = 500,
) -> Table:
    """Mean log-likelihood ratio per pixel in rings around the galaxy centre.

    Parameters
    ----------
    maps : mapping of str to ndarray, shape (n, y, x)
        Maps of the ratio [nats per pixel] by data set.
    kinds : mapping of str to str
    pixel_scale : float
        [arcsec]
    seed : int
        Each data set has a stream of its own.
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
        rng = stream(seed, name, "profile")
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


@drawing
def draw_profile(table: Table, ax: Axes | None = None) -> Axes:
    """Draw where in the galaxy the log-likelihood ratio arises.

    Parameters
    ----------
    table : Table
        From `profile_numbers`.
    ax : Axes, optional
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
