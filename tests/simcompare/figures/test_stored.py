"""Figures for a paper, drawn again from the numbers that a report keeps beside them."""

import inspect
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import Table, vstack
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from PIL import Image

from simcompare import figures
from simcompare.cli import main
from simcompare.figures.drawing import with_labels
from simcompare.figures.looks import save_figure
from simcompare.figures.stored import draw_stored
from simcompare.runs.tables import filled_table
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


def shown_outside(figure):
    """Whether anything that is drawn leaves the figure by more than 0.05 inch."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return min(box.x0, box.y0, width - box.x1, height - box.y1) < -0.05


@pytest.mark.parametrize(("look", "width"), [("mnras", 3.3), ("report", 7.0)])
def test_every_figure_of_a_report_fits_a_column_and_a_page(demo, look, width):
    drawn = 0
    for path in sorted((demo / "comparison" / "figures").glob("*.ecsv")):
        if not path.stem.startswith(tuple(figures.STORED)):
            continue
        table = filled_table(Table.read(path, format="ascii.ecsv"))
        with figures.style(look):
            figure = figures.draw_stored(path.stem, table, width)
        assert figure.get_figwidth() == width
        assert not shown_outside(figure), path.stem
        legends = [ax.get_legend() for ax in figure.axes if ax.get_legend()] + figure.legends
        share = [each.get_window_extent().height / figure.bbox.height for each in legends]
        assert max(share, default=0) < 0.4, path.stem
        labels = [text for ax in figure.axes for text in (ax.get_xlabel(), ax.get_ylabel())]
        names = [text for text in labels if "_" in re.sub(r"\$.*?\$", "", text)]  # of columns
        assert not names, path.stem
        drawn += 1
    assert drawn > 20


def test_every_drawing_function_takes_names_colours_a_choice_and_a_title(table):
    chosen = {"labels": {"A": "TNG50-1"}, "colors": {"A": "#ff0000"}, "datasets": ["A"], "title": "mine"}
    figure, ax = plt.subplots()
    assert figures.draw_density(table, ax, **chosen) is ax
    assert ax.get_title(loc="left") == "mine"
    assert ax.get_legend_handles_labels()[1] == ["real  (50)", "TNG50-1  (50)"]
    assert [to_hex(line.get_color()) for line in ax.lines] == ["#000000", "#ff0000"]
    plt.close(figure)
    shared = ("labels", "colors", "datasets", "title", "width")
    for name in figures.__all__:
        if name.startswith("draw_") and name not in (
            "draw_panel",
            "draw_panels",
            "draw_samples",
            "draw_stored",
        ):
            assert set(shared) <= set(inspect.signature(getattr(figures, name)).parameters), name
            assert all(f"{each} :" in getattr(figures, name).__doc__ for each in shared), name


def test_another_name_keeps_the_colour(table):
    before = figures.draw_density(table).lines[1].get_color()
    assert figures.draw_density(table, labels={"A": "Illustris"}).lines[1].get_color() == before


def test_wrong_colours_and_styles_are_refused(table):
    with pytest.raises(ValueError, match="no colour that matplotlib knows: A='redd'"):
        figures.draw_density(table, colors={"A": "redd"})
    with pytest.raises(ValueError, match="no data set C in the figure; it has real, A, B"):
        figures.draw_density(table, colors={"C": "red"})
    with pytest.raises(ValueError, match="style 'nature' is unknown; choose from report, aas, mnras, talk"):
        figures.style("nature").__enter__()


def test_styles_change_font_and_size_and_only_inside(table):
    plain = figures.draw_density(table)
    with figures.style("mnras"):
        journal = figures.draw_density(table)
    with figures.style("talk"):
        talk = figures.draw_density(table)
    assert plain.xaxis.label.get_fontname() == "DejaVu Sans"
    assert journal.xaxis.label.get_fontname() == "STIXGeneral"
    assert talk.xaxis.label.get_size() == 2 * plain.xaxis.label.get_size()
    assert talk.figure.get_figwidth() == 2 * plain.figure.get_figwidth()
    assert figures.draw_density(table).xaxis.label.get_fontname() == "DejaVu Sans"


def test_many_data_sets_become_small_multiples(table):
    draw = figures.small_multiples(figures.draw_density)
    assert isinstance(draw(table), Axes)
    others = [with_labels(table, {"A": f"A{k}"}, ["A"])[240:] for k in range(5)]
    many = vstack([table, *others], metadata_conflicts="silent")
    many.meta = table.meta
    figure = draw(many)
    panels = [ax.get_title(loc="left") for ax in figure.axes if ax.axison]
    assert panels == ["A  (50)", "B  (50)", *[f"A{k}  (50)" for k in range(5)]]
    assert all(len(ax.lines) == 2 for ax in figure.axes if ax.axison)  # with the reference


def test_bins_of_many_data_sets_are_ridges_and_named_once_a_row(table):
    others = [with_labels(table, {"A": f"A{k}"}, ["A"])[240:] for k in range(3)]
    many = vstack([table, *others], metadata_conflicts="silent")
    many.meta = table.meta
    figure = figures.draw_bins(figures.stack_panels({"faint": many, "bright": many}), width=7)
    names = [[text.get_text() for text in ax.get_yticklabels()] for ax in figure.axes]
    assert names == [["A2", "A1", "A0", "B", "A", "real"], [""] * 6]
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["faint", "bright"]
    assert figures.draw_bins(figures.stack_panels({"faint": table})).axes[0].get_yticks().size > 0
    lacking = figures.stack_panels({"faint": many, "bright": table})
    shown = [text.get_text() for text in figures.draw_bins(lacking).axes[1].get_yticklabels()]
    assert shown == ["B  (50)", "A  (50)", "real  (50)"]  # not those of its neighbour


def test_planes_of_a_report_can_be_drawn_again(demo, tmp_path):
    planes = sorted((demo / "comparison" / "figures").glob("plane_*.ecsv"))
    assert planes
    out = tmp_path / "plane.pdf"
    assert (
        main(["figure", planes[0].stem, str(demo / "comparison"), "--style", "aas", "--out", str(out)]) == 0
    )
    assert out.read_bytes()[:4] == b"%PDF"
