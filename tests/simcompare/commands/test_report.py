"""A report that is up to date is given back without loading what draws it."""

import subprocess
import sys

import pytest

from simcompare.scores.run_inputs import model_names

HEAVY = ("torch", "flows", "sklearn", "statmorph", "matplotlib.pyplot")


def test_looking_at_a_finished_report_loads_no_network():
    code = f"import sys, simcompare.commands.report; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("model", "background", "names"),
    [("here", "here", ["model", "background"]), ("here", "gone", ["model"]), ("gone", None, [])],
)
def test_models_behind_a_run_are_named_without_loading_them(tmp_path, model, background, names):
    (tmp_path / "here").mkdir()
    paths = {"model": model} | ({"background": background} if background else {})
    lines = ['verb = "score"', "schema = 2", f"paths = {list(paths)}", "[score]"]
    lines += [f'{name} = "../{folder}"' for name, folder in paths.items()]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("\n".join(lines))
    assert model_names(tmp_path / "run") == names
