"""Figures are drawn headless from tables, and read back."""

import io
import re
import zlib

import matplotlib
import numpy as np
import pytest
from astropy.table import Table
from fontTools import subset
from fontTools.ttLib import TTFont
from matplotlib import image
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont

from simcompare import figures
from simcompare.comparison.attribution import ladder
from simcompare.comparison.headline import compare
from simcompare.comparison.matching import match
from simcompare.comparison.stability import stability
from simcompare.figures.looks import logarithmic
from simcompare.figures.single_galaxies import smooth_map
from simcompare.pages.sections import draw_figures
from simcompare.scores.record import Scores


def toy_scores(n_simulations, n, seed=0):
    """Score table of toy galaxies with one column of each sort."""
    rng = np.random.default_rng(seed)
    sets = {"real": ("observed", 0.0, 60), "twins": ("twins", -60.0, 60)}
    sets |= {f"sim-{k}": ("simulated", -10.0 * k - 10, n) for k in range(n_simulations)}
    rows = []
    for name, (kind, shift, m) in sets.items():
        for k in range(m):
            ratio = 100 + shift + 15 * rng.normal()
            rows.append(
                {
                    "galaxy_id": f"{name}-{k}", "dataset": name, "kind": kind, "view": 0, "split": "test",
                    "image_index": k, "mag_r": rng.normal(17, 0.6),
                    "half_light_radius": rng.lognormal(1, 0.3), "sky_sigma_r": rng.normal(0.13, 0.01),
                    "log_prob": 4000 + 40 * rng.normal(),
                    "log_likelihood_ratio": ratio, "log_likelihood_ratio_scale_0": 0.7 * ratio,
                    "log_likelihood_ratio_scale_1": 0.3 * ratio,
                }
            )  # fmt: skip
    table = Table(rows=rows)
    table.meta = {"scale_names": ["pixels 1-2", "pixels 2-8"]}
    return table


class Images:
    """Round blobs of random size."""

    bands = ("r",)

    def read(self, index):
        rng = np.random.default_rng(index)
        y, x = np.mgrid[-8:8, -8:8]
        blob = np.exp(-0.5 * (x**2 + y**2) / rng.uniform(2, 9))
        return type("Stack", (), {"image": (blob + 0.1 * rng.normal(size=(16, 16)))[None, None]})


@pytest.fixture(scope="module")
def scores():
    return toy_scores(2, 50)


def test_every_standard_figure_is_written(tmp_path):
    scores = toy_scores(3, 8)
    comparison = compare(Scores.of(scores), np.random.default_rng(0), n_bootstrap=100)
    before = dict(matplotlib.rcParams)
    history = Table({"epoch": np.arange(30), "train": -np.arange(30.0), "validation": 1 - np.arange(30.0)})
    sets = dict.fromkeys(set(scores["dataset"]), Images())
    drawn = draw_figures(
        Scores.of(scores), comparison, tmp_path, seed=1, image_sets=sets,
        history=history, samples=[Images().read(k).image[0] for k in range(4)],
    )  # fmt: skip
    assert dict(matplotlib.rcParams) == before
    assert {each.name for each in drawn} >= {
        "difference",
        "roc",
        "null",
        "scales",
        "gallery",
        "samples",
        "training",
    }
    for each in drawn:
        pixels = image.imread(each.path)
        assert min(pixels.shape[:2]) > 200
        assert pixels[..., :3].std() > 0.02
        assert each.path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert len(Table.read(each.path.with_suffix(".ecsv"), format="ascii.ecsv")) > 0


def test_fonts_of_a_pdf_have_the_outlines_of_the_letters_and_no_rules(tmp_path):
    """Every glyph that is embedded is that of the font file; nothing is left to compose text by."""
    ax = figures.draw_training(Table({"epoch": [1, 2], "train": [-1.0, -2.0], "validation": [0.0, -1.0]}))
    usual = list(subset.Options._drop_tables_default)
    written = figures.save_figure(ax.figure, None, tmp_path, "training")
    assert usual == subset.Options._drop_tables_default
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", written[1].read_bytes(), re.DOTALL)
    unpacked = [zlib.decompressobj().decompress(each) for each in streams if each[:1] == b"x"]
    fonts = [TTFont(io.BytesIO(each)) for each in unpacked if each[:4] == b"\x00\x01\x00\x00"]
    whole, seen = TTFont(findfont("DejaVu Sans")), set()
    for font in fonts:
        assert not {"GSUB", "GPOS", "GDEF"} & set(font.keys())
        assert {"glyf", "loca", "hmtx"} <= set(font.keys())
        own = {name for name in font.getGlyphOrder() if font["glyf"][name].numberOfContours > 0}
        seen |= own
        for name in own:
            mine, theirs = (each["glyf"][name].getCoordinates(each["glyf"])[0] for each in (font, whole))
            assert list(mine) == list(theirs)
    assert {"e", "p", "o", "c", "h", "minus", "one"} <= seen


def test_one_galaxy_of_one_simulation_is_drawn():
    scores = toy_scores(1, 1)
    comparison = compare(Scores.of(scores), np.random.default_rng(0), n_bootstrap=20)
    rng = np.random.default_rng(1)
    drawn = [
        figures.draw_forest(comparison),
        figures.draw_density(figures.density_numbers(Scores.of(scores), 1, n_bootstrap=20)),
        figures.draw_scales(figures.scale_numbers(Scores.of(scores), 1, n_bootstrap=20)),
        figures.draw_null(figures.null_numbers(Scores.of(scores), comparison, rng)),
        figures.draw_relation(figures.relation_numbers(Scores.of(scores), "mag_r")),
        figures.draw_plane(figures.plane_numbers(Scores.of(scores), "sim-0", "half_light_radius", "mag_r")),
    ]
    for ax in drawn:
        ax.figure.canvas.draw()


def test_a_figure_draws_into_given_axes(scores):
    table = figures.density_numbers(Scores.of(scores), 0, n_bootstrap=20)
    ax = figures.draw_density(table)
    again = figures.draw_density(table, ax)
    assert again is ax
    labels = ax.get_legend_handles_labels()[1]
    assert "real  (60)" in labels
    assert "nats" in ax.get_xlabel()


def test_densities_integrate_to_one_and_bands_enclose_them(scores):
    table = figures.density_numbers(Scores.of(scores), 0, n_bootstrap=100)
    for name in set(table["dataset"]):
        rows = table[table["dataset"] == name]
        assert np.trapezoid(rows["density"], rows["value"]) == pytest.approx(1, abs=0.02)
        middle = rows["density"] > 0.3 * rows["density"].max()
        assert np.mean((rows["density_low"] <= rows["density"])[middle]) > 0.9


def test_many_sets_share_no_panel_of_what_mocks_should_share():
    """Up to four data sets are curves in one frame; of more, each has its own line beside the reference."""
    for n_simulations, n_lines in ((2, 1), (6, 2)):
        scores = Scores.of(toy_scores(n_simulations, 30))
        table = figures.realism_numbers(scores, 0, columns=["mag_r"])
        ax = figures.draw_realism(table).axes[0]
        levels = {round(float(line.get_ydata()[-1]) / 0.8) for line in ax.lines}
        assert len(levels) == (1 if n_lines == 1 else len(scores.datasets))


def test_roc_area_is_the_auc_of_the_comparison(scores):
    comparison = compare(Scores.of(scores), np.random.default_rng(0), n_bootstrap=20)
    table = figures.roc_numbers(Scores.of(scores))
    for row in comparison[comparison["kind"] == "simulated"]:
        area = table["auc"][table["dataset"] == row["dataset"]][0]
        assert area == pytest.approx(row["auc"], abs=1e-9)


def test_scales_add_up_to_the_whole(scores):
    comparison = compare(Scores.of(scores), np.random.default_rng(0), n_bootstrap=20)
    table = figures.scale_numbers(Scores.of(scores), 0, n_bootstrap=50)
    for row in comparison[comparison["kind"] == "simulated"]:
        parts = table[table["dataset"] == row["dataset"]]
        assert parts["delta_mean"].sum() == pytest.approx(row["delta_mean"])
    assert list(dict.fromkeys(table["scale_name"])) == ["pixels 1-2", "pixels 2-8"]
    with pytest.raises(ValueError, match="does not split"):
        figures.scale_numbers(Scores.of(scores).select("log_prob"), 0)


def test_relation_finds_a_known_slope_difference():
    scores = toy_scores(1, 400)
    scores["log_likelihood_ratio"] += np.where(scores["dataset"] == "sim-0", 40 * (scores["mag_r"] - 17), 0)
    table = figures.relation_numbers(Scores.of(scores), "mag_r", n_bins=4)
    rows = table[table["dataset"] == "sim-0"]
    slope = np.polyfit(rows["x"], rows["difference"], 1)[0]
    assert slope == pytest.approx(40, abs=15)
    assert np.all(table["difference"][table["dataset"] == "real"] == 0)


def test_frames_without_a_galaxy_have_no_relation():
    scores = toy_scores(2, 60)
    scores["kind"] = np.where(scores["dataset"] == "sim-1", "control", scores["kind"])
    table = figures.relation_numbers(Scores.of(scores), "mag_r")
    assert set(table["dataset"]) == {"real", "sim-0", "twins"}


def test_difference_is_as_uncertain_as_the_few_real_galaxies():
    rng, n = np.random.default_rng(3), np.array([120, 40_000])
    names, kinds = np.repeat(["real", "many"], n), np.repeat(["observed", "simulated"], n)
    table = Table({"dataset": names, "kind": kinds, "galaxy_id": np.arange(n.sum()).astype(str)})
    table["split"], table["mag_r"] = "test", rng.uniform(16, 18, n.sum())
    table["log_prob"] = rng.normal(0, 10, n.sum())
    rows = figures.relation_numbers(Scores.of(table), "mag_r", n_bins=1)
    ours, real = rows[rows["dataset"] == "many"][0], rows[rows["dataset"] == "real"][0]
    assert ours["median_error"] == pytest.approx(12.533 / 200, rel=0.02)
    assert ours["difference_error"] == pytest.approx(12.533 / np.sqrt(120), rel=0.2)
    assert real["difference_error"] == 0


def test_gallery_takes_the_extremes(scores):
    table = figures.gallery_numbers(Scores.of(scores), n=3)
    rows = table[table["dataset"] == "sim-0"]
    values = np.sort(scores["log_likelihood_ratio"][scores["dataset"] == "sim-0"])
    assert list(rows["score"][rows["group"] == "least"]) == pytest.approx(list(values[:3]))
    assert list(rows["score"][rows["group"] == "most"]) == pytest.approx(list(values[-3:]))
    with pytest.raises(ValueError, match="no image set given for"):
        figures.gallery_images(table, {"real": Images()})


def test_stretch_is_one_for_all_and_in_range():
    blob = Images().read(3).image[0]
    stretch = figures.common_stretch([blob, 5 * blob], [0.1])
    assert 0 <= stretch(blob).min() <= stretch(blob).max() <= 1
    assert stretch(5 * blob).mean() > stretch(blob).mean()
    colour = figures.common_stretch([np.concatenate(3 * [blob])], [0.1] * 3)
    assert colour(np.concatenate(3 * [blob])).shape == (16, 16, 3)


def test_colours_are_fixed_per_simulation():
    names = ["TNG50-1", "Illustris-1", "my run", "other run", "real"]
    kinds = [*4 * ["simulated"], "observed"]
    styles = figures.styles_of(names, kinds)
    assert figures.styles_of(names[:2])["TNG50-1"] == styles["TNG50-1"]
    assert len({(style.color, style.line) for style in styles.values()}) == 5
    assert styles["real"].color == "#000000"
    both = figures.styles_of(["TNG50-1", "TNG50-2"])
    assert both["TNG50-1"].color == both["TNG50-2"].color
    assert both["TNG50-1"].line != both["TNG50-2"].line


def test_colours_are_fixed_within_a_report():
    """Of two names that would take the same colour the second keeps its other one where it is alone."""
    names = [f"run {k}" for k in range(30)]
    alone = {name: figures.styles_of([name])[name].color for name in names}
    first = names[0]
    second = next(name for name in names[1:] if alone[name] == alone[first])
    with figures.fixed_styles([first, second], 2 * ["simulated"]):
        styles = figures.styles_of([first, second])
        assert styles[first].color != styles[second].color == figures.styles_of([second])[second].color
        third = next(name for name in names if name not in styles)
        assert figures.styles_of([second, third])[third].color not in {each.color for each in styles.values()}
    assert figures.styles_of([second])[second].color == alone[second]


def test_panels_of_one_figure_share_their_colours():
    table = figures.stack_panels(
        {
            title: Table({"dataset": names, "kind": len(names) * ["simulated"]})
            for title, names in (("both", ["run 0", "toy-1", "toy-3"]), ("one", ["toy-3"]))
        }
    )
    seen = []

    def draw(rows, ax):
        seen.append(figures.styles_of(rows["dataset"], rows["kind"])["toy-3"])
        return ax

    figures.draw_grid(table, draw)
    assert seen[0] == seen[1] != figures.styles_of(["toy-3"])["toy-3"]


def test_plane_shows_where_the_difference_is():
    scores = toy_scores(1, 600, seed=3)
    small = (scores["dataset"] == "sim-0") & (scores["half_light_radius"] < 2.7)
    scores["log_likelihood_ratio"] += np.where(small, -80.0, 10.0 * (scores["dataset"] == "sim-0"))
    table = figures.plane_numbers(Scores.of(scores), "sim-0", "half_light_radius", "mag_r", n_bins=(2, 1))
    assert table["difference"][0] < table["difference"][1] - 40
    assert table["significant"][0]
    assert not table["significant"][1]
    assert "sim-0" in figures.draw_plane(table).get_title("left")


def test_profile_recovers_a_ring_of_nats():
    y, x = np.mgrid[:32, :32] - 15.5
    ring = (np.abs(np.hypot(x, y) - 7) < 1).astype(float)
    maps = {"real": np.stack([ring, 3 * ring])}
    table = figures.profile_numbers(maps, {"real": "observed"}, 0.4, 0, n_bootstrap=50)
    assert table["radius"][np.argmax(table["ratio"])] == pytest.approx(7 * 0.4, abs=0.4)
    assert np.sum(table["ratio"] * table["n_pixels"]) == pytest.approx(2 * ring.sum())
    assert figures.draw_profile(table).get_xlabel().endswith("[arcsec]")


def test_smoothing_a_map_keeps_its_nats():
    nats = np.random.default_rng(0).normal(size=(32, 32))
    assert smooth_map(nats).sum() == pytest.approx(nats.sum())
    assert smooth_map(nats).std() < 0.4


def test_panel_ladder_stability_map_and_matches_are_drawn(scores):
    rng = np.random.default_rng(0)
    picture, budget = (
        Images().read(1).image[0],
        Table({"scale_name": ["fine", "coarse"], "ratio": [3.0, 1.0]}),
    )
    for name, value in (("real_low", 1.0), ("real_median", 2.0), ("real_high", 3.0)):
        budget[name] = value
    stretch = figures.common_stretch([picture], [0.1])
    panel = figures.draw_panel(
        picture, stretch, rng.normal(size=(16, 16)), budget, pixel_scale=0.4, title="one"
    )
    changed = scores.copy()
    changed["log_likelihood_ratio"] += 5.0 * (scores["dataset"] == "sim-0")
    both = Scores.of(scores), Scores.of(changed)
    steps = ladder(dict(zip(("PSF", "sky"), both, strict=True)), "sim-0", 0, n_bootstrap=50)
    variants = stability(dict(zip("ab", both, strict=True)), 0, n_bootstrap=50)
    places = figures.map_numbers(Scores.of(scores), rng.normal(size=(len(scores), 2)))
    pairs = {"sim-0": match(Scores.of(scores), "sim-0", ["mag_r"])}
    means = figures.matched_numbers(both[0], pairs, 0)
    assert np.mean(means["mean"] - means["mean_real"]) == pytest.approx(-10, abs=8)
    drawn = [figures.draw_ladder(steps), figures.draw_stability(variants), figures.draw_map(places),
             figures.draw_matched(means)]  # fmt: skip
    for figure in (panel, *(ax.figure for ax in drawn)):
        figure.canvas.draw()
        assert np.asarray(figure.canvas.buffer_rgba())[..., :3].std() > 5


def test_outliers_lie_beyond_the_limits(scores):
    table = figures.outlier_numbers(Scores.of(scores), n=5)
    assert np.all(table["percentile"][table["group"] == "below"] <= 3)
    assert np.all(table["percentile"][table["group"] == "above"] >= 96)


def test_crowds_are_drawn_as_contours():
    scores = toy_scores(1, 300)
    places = figures.map_numbers(Scores.of(scores), np.random.default_rng(0).normal(size=(len(scores), 2)))
    assert "sim-0  (300)" in figures.draw_map(places).get_legend_handles_labels()[1]


def test_logarithmic_axis_widened_afterwards_keeps_labels():
    ax = Figure().subplots()
    ax.set_xlim(0.6, 0.9)
    logarithmic(ax, "x")
    ax.set_xlim(0.05, 1.9)
    ax.figure.canvas.draw()
    assert ax.get_xticklabels()[0].get_text() == "0"  # which has no logarithm


def test_names_are_no_formulae_and_stay_in_the_legend(tmp_path):
    scores = toy_scores(1, 50)
    name = r"_a $\fraction{ of$ 50 %"
    scores["dataset"] = np.where(scores["dataset"] == "sim-0", name, scores["dataset"])
    table = figures.relation_numbers(Scores.of(scores), "mag_r")
    axes = figures.draw_relation(table)
    assert any(text.get_text().strip().startswith(name) for text in axes.figure.legends[0].get_texts())
    assert all(path.is_file() for path in figures.save_figure(axes.figure, table, tmp_path, "relation"))
