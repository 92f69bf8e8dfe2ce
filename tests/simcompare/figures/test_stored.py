"""Figures for a paper, drawn again from the numbers that a report keeps beside them."""

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from simcompare import figures
from simcompare.cli import main
from simcompare.figures.stored import draw_stored, with_labels
from simcompare.figures.style import save_figure
from simcompare.scores.record import Scores


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    rows = [
        {"dataset": name, "kind": kind, "galaxy_id": f"{name}{k}", "split": "test", "log_prob": 0.0,
         "log_likelihood_ratio": rng.normal(mean, 1)}
        for name, kind, mean in (("real", "observed", 0.0), ("A", "simulated", -1.0), ("B", "simulated", 1.0))
        for k in range(50)
    ]  # fmt: skip
    return figures.density_numbers(Scores.of(Table(rows=rows)).with_reference("real"), 0, n_bootstrap=5)


@pytest.fixture
def run(tmp_path, table):
    save_figure(figures.draw_violins(table).figure, table, tmp_path / "figures", "violins")
    return tmp_path


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text")))


def test_width_names_data_sets_and_title_are_those_asked_for(table):
    chosen = with_labels(table, {"A": "TNG50-1", "real": "SDSS"}, ["A"])
    figure = draw_stored("violins", chosen, 3.3, "")
    assert figure.get_figwidth() == 3.3
    figure.draw_without_rendering()
    shown = words(figure)
    assert "TNG50-1" in shown
    assert "SDSS" in shown  # the reference stays
    assert "B" not in shown.split()
    assert "medians" not in shown  # the title
    assert set(table["dataset"]) == {"real", "A", "B"}  # what was given is untouched


def test_unknown_names_and_figures_of_images_are_refused(table):
    with pytest.raises(ValueError, match="no data set C in the figure; it has real, A, B"):
        with_labels(table, {"C": "D"})
    with pytest.raises(
        ValueError, match="'gallery' needs images or is unknown; drawn from numbers: difference"
    ):
        draw_stored("gallery", table)


def test_command_writes_the_figure_at_its_width(run, tmp_path, capsys):
    out = tmp_path / "paper" / "violins.png"
    assert (
        main(["figure", "violins", str(run), "--width", "3.3", "--labels", "A=TNG50-1", "--out", str(out)])
        == 0
    )
    with Image.open(out) as image:
        assert image.width == 990  # at 300 dpi
    assert "figure in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["roc"], "has no figure 'roc'; it has violins"),
        (["violins", "--labels", "A"], "--labels 'A' is not of the form OLD=NEW"),
        (["violins", "--width", "0.5"], "greater than 1"),
    ],
)
def test_wrong_requests_end_in_one_line(words, told, run, capsys):
    assert main(["figure", words[0], str(run), *words[1:], "--out", "f.pdf"]) == 2
    assert told in capsys.readouterr().err


def test_only_known_kinds_of_files_are_written(run, capsys):
    assert main(["figure", "violins", str(run), "--out", "f.doc"]) == 2
    assert "figures are written as .pdf, .png, .svg" in capsys.readouterr().err
