"""Draw the first figure of the README: python docs/images/make_real_figure.py COMPARISON.

COMPARISON is the folder of a comparison of real simulations with the galaxies of a shipped model.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simcompare import figures
from simcompare.comparison.report_table import read_comparison
from simcompare.figures.looks import (
    PAGE,
    styled,
)
from simcompare.scores.run_inputs import run_scores

LEAST = 3  # galaxies of a distribution


@styled
def main() -> None:
    """Draw and save it."""
    comparison = read_comparison(sys.argv[1])
    scores = run_scores(Path(sys.argv[1])).with_reference(comparison.meta["reference"])
    table = figures.density_numbers(scores, seed=0, n_bootstrap=2, column="structure_z")
    figure = Figure(figsize=(1.25 * PAGE, 2.9), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(0.8, 1))
    meta = table.meta
    table = table[np.asarray(table["n_galaxies"]) >= LEAST]
    table.meta = meta
    figures.draw_ridges(table, left)
    figures.draw_forest(comparison, right)
    right.set_title("95 % intervals; galaxies in brackets; grey: real sets", loc="left")
    right.set_xlabel("structure fraction  (0: smooth twins, 1: real galaxies)")
    figure.savefig(Path(__file__).with_name("real.png"), dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    main()
