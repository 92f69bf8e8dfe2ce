"""Every notebook runs from top to bottom, shows its pictures, and is committed without output."""

import ast
import json
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

PICTURES = {
    "compare_generations": 3, "find_anomalies": 2, "likelihood_figures": 4, "score_a_new_simulation": 4,
    "train_on_your_survey": 2,
}  # fmt: skip
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, request, monkeypatch):
    if "finished_demo" in path.read_text():
        monkeypatch.setenv("SIMCOMPARE_DEMO", str(request.getfixturevalue("demo")))
    mpl.use("Agg")
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells)
    names, pictures = {}, 0
    for cell in cells:
        last = run_cell("".join(cell["source"]), path.name, names)
        shown = list(map(plt.figure, plt.get_fignums()))  # as the inline backend shows and closes them
        pictures += len(shown) + (hasattr(last, "_repr_png_") and last not in shown)
        plt.close("all")
    assert pictures >= PICTURES[path.stem]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_stands_without_words(path):
    cells = json.loads(path.read_text())["cells"]
    assert "**Question.**" in "".join(cells[0]["source"])
    kinds = [cell["cell_type"] for cell in cells]
    assert ("code", "code") not in pairwise(kinds)
    assert "**What can go wrong.**" in "".join(cells[-1]["source"])


def run_cell(source, name, names):
    """Run a cell, and give the value of its last line where that is an expression, as a notebook does."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), name, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), names)
