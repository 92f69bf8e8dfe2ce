"""Two coordinates of the latents of a flow, in which data sets can be looked at."""

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes

from simcompare.figures.dataset_styles import table_styles
from simcompare.figures.drawing import drawing
from simcompare.figures.ladders import CROWD, draw_contours
from simcompare.figures.looks import (
    COLUMN,
    count_label,
    legend_above,
    new_axes,
)
from simcompare.scores.features import Components
from simcompare.scores.record import Scores

__all__ = ["EMBEDDINGS", "draw_map", "latent_coordinates", "map_numbers"]

EMBEDDINGS = ("pca", "umap")


def latent_coordinates(
    latents: np.ndarray, basis: np.ndarray, method: str = "pca", seed: int = 0
) -> tuple[np.ndarray, tuple[str, str]]:
    """Coordinates of images, found on some of them and applied to all.

    Parameters
    ----------
    latents : ndarray, shape (n, d)
    basis : ndarray of bool, shape (n,)
        Images that the coordinates are found on. Let them be others than those shown: few images in
        many dimensions always lie far out along their own components.
    method : str
        "pca": the first two principal components; "umap": a neighbour embedding of the first 32, which
        needs the extra ``simcompare[embed]`` and whose distances mean little.
    seed : int
        Of UMAP.

    Returns
    -------
    ndarray, shape (n, 2), and tuple of 2 str
        Coordinates and their names.

    Raises
    ------
    ValueError
        For an unknown method, fewer than 4 images to find them on, or when UMAP is not installed.
    """
    if method not in EMBEDDINGS:
        raise ValueError(f"embedding {method!r} is unknown; choose from {', '.join(EMBEDDINGS)}.")
    if basis.sum() < 4:
        raise ValueError(f"{int(basis.sum())} images are too few for a map; 4 are needed.")
    if method == "pca":
        return Components.fit(latents[basis], 2)(latents), (
            "principal component 1",
            "principal component 2",
        )
    try:
        from umap import UMAP
    except ImportError as error:
        raise ValueError("UMAP is not installed; pip install 'simcompare[embed]', or use pca.") from error
    components = Components.fit(latents[basis], 32)
    places = components(latents) * components.spread  # lengths as in the latents: noise stays small
    neighbours = min(15, int(basis.sum()) - 1)
    fitted = UMAP(n_neighbors=neighbours, random_state=seed % 2**32, n_jobs=1).fit(places[basis])
    return fitted.transform(places), ("UMAP 1", "UMAP 2")


def map_numbers(scores: Scores, coordinates: np.ndarray) -> Table:
    """Places of all galaxies in two coordinates of a space of features.

    Parameters
    ----------
    scores : Scores
    coordinates : ndarray, shape (len(scores), 2 or more)
        For instance the first principal components of the latents.

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``galaxy_id``, ``x``, ``y``; usable rows with finite coordinates.
    """
    finite = np.isfinite(coordinates[:, :2]).all(axis=1)
    usable = np.zeros(len(scores), bool)
    for name in scores.datasets:
        usable |= scores.held_out(name)
    kept = finite & usable
    table = Table({name: scores[kept][name] for name in ("dataset", "kind", "galaxy_id")})
    table["x"], table["y"] = coordinates[kept, 0], coordinates[kept, 1]
    table.meta = {"reference": scores.reference}
    return table


@drawing
def draw_map(table: Table, ax: Axes | None = None) -> Axes:
    """Draw simulated galaxies over real ones: points, or where they are many a density and contours.

    The contours hold 50 and 90 % of a data set's images.

    Parameters
    ----------
    table : Table
        From `map_numbers`; ``meta["labels"]`` are those of the axes.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 3.3)
    reference = table.meta["reference"]
    styles = table_styles(table)
    for name, style in sorted(styles.items(), key=lambda item: item[0] != reference):
        rows = table[np.asarray(table["dataset"]) == name]
        label = count_label(name, np.unique(rows["galaxy_id"]).size)
        if len(rows) < CROWD:
            look = {"color": style.color, "marker": style.marker, "lw": 0, "s": 5 if name == reference else 9}
            ax.scatter(rows["x"], rows["y"], label=label, **look)
        elif name == reference:
            ax.hexbin(rows["x"], rows["y"], gridsize=26, cmap="Greys", mincnt=1, linewidths=0.1, bins="log")
            ax.plot([], [], "h", color="0.6", label=label)
        else:
            draw_contours(ax, rows, style)
            ax.plot([], [], color=style.color, ls=style.line, label=label)
    low, high = np.quantile([table["x"], table["y"]], [0.003, 0.997], axis=1)
    margin = 0.06 * (high - low)
    ax.set_xlim(low[0] - margin[0], high[0] + margin[0])
    ax.set_ylim(low[1] - margin[1], high[1] + margin[1])
    across, up = table.meta.get("labels", ("component 1", "component 2"))
    ax.set_xlabel(across)
    ax.set_ylabel(up)
    legend_above(ax)
    return ax
