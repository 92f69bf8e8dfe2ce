"""Draw the figure of the README from the toy demo: python docs/images/make_figure.py [demo folder]."""

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simcompare import figures
from simcompare.commands.demo import NATURE, finished_demo
from simcompare.scores.run_inputs import run_image_sets, run_scores

SHOWN = (NATURE, "toy-3", "toy-2", "toy-1")


def main() -> None:
    """Draw and save it."""
    demo = finished_demo(sys.argv[1] if len(sys.argv) > 1 else None)
    scores = run_scores(demo / "scores")
    comparison = Table.read(demo / "comparison" / "comparison.ecsv")  # the numbers of the report
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    choice = figures.gallery_numbers(scores.with_reference(NATURE), n=2, datasets=SHOWN)
    pictures = figures.gallery_images(choice, run_image_sets(demo / "scores"))
    stretch = figures.common_stretch(pictures, [np.nanmedian(scores["sky_sigma_r"])])
    figures.draw_gallery(choice, pictures, stretch, left)
    kept = comparison[np.isin(comparison["dataset"], [*SHOWN, f"Sersic twins of {NATURE}"])]
    figures.draw_forest(kept, right)
    title = "Toy galaxies: three generations of a toy simulation against toy 'real' galaxies"
    figure.suptitle(title, fontsize=10)
    figure.savefig(Path(__file__).with_name("demo.png"), dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
