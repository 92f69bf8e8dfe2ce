"""``simcompare browse``: a page or a server to look at scored galaxies."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from simcompare.pages.browse_page import MOST_GALAXIES, write_browse
from simcompare.pages.browse_server import BrowseServer, make_server
from simcompare.runs.files import remove_leftovers
from simcompare.runs.folder import read_settings
from simcompare.runs.lock import lock_folder
from simcompare.scores.run_inputs import is_toy, run_image_sets, run_maps, run_scores
from simcompare.settings import BrowseSettings

__all__ = ["browse_run", "messages"]


def browse_run(settings: BrowseSettings) -> Path | BrowseServer:
    """Write the page of a run, or make the server of one too large for a page.

    Returns
    -------
    pathlib.Path or BrowseServer
        ``browse.html`` in the run folder; or a server that waits for ``serve_forever``.

    Raises
    ------
    FileNotFoundError
        When the folder is no run of scores or of a comparison.
    ValueError
        When no image set of the run is left.
    """
    scores, image_sets = run_scores(settings.run), run_image_sets(settings.run)
    inside = np.any([scores.equals("dataset", name) for name in (*image_sets, "")], axis=0)
    shown = scores if inside.all() else scores[inside]
    toy = is_toy(image_sets.values())
    maps = run_maps(settings.run)
    if len(shown) > MOST_GALAXIES or settings.serve:
        return make_server(shown, image_sets, port=settings.port, toy=toy, maps=maps)
    seed, page = read_settings(settings.run).get("seed", 0), settings.run / "browse.html"
    with lock_folder(settings.run, "browse"):
        remove_leftovers(page)
        return write_browse(page, scores, image_sets, seed=seed, toy=toy, maps=maps)


def messages(settings: BrowseSettings, product: Path | BrowseServer) -> Iterator[str]:
    """Say where to look; a server serves until it is stopped."""
    if not isinstance(product, BrowseServer):
        yield f"page in {product}"
        return
    yield f"open {product.url} in a browser of this machine; Ctrl-C ends the server"
    with product:
        product.serve_forever()
