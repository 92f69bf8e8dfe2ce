"""Two coordinates of the latents of a flow, in which data sets can be looked at."""

import numpy as np

from simcompare.scores.features import Components

__all__ = ["EMBEDDINGS", "latent_coordinates"]

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
        raise ValueError(f"embedding {method!r} is not known; known are {', '.join(EMBEDDINGS)}.")
    if basis.sum() < 4:
        raise ValueError(f"{int(basis.sum())} images are too few to find coordinates; 4 are needed.")
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
    found = UMAP(n_neighbors=neighbours, random_state=seed % 2**32, n_jobs=1).fit(places[basis])
    return found.transform(places), ("UMAP 1", "UMAP 2")
