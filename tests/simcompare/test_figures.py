"""Figures are drawn headless from tables, and read back."""

import matplotlib
import numpy as np
import pytest
from astropy.table import Table
from matplotlib import image

from simcompare import figures
from simcompare.comparison import compare
from simcompare.drawing import draw_figures


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


@pytest.mark.parametrize(("n_simulations", "n"), [(1, 3), (5, 80)])
def test_every_standard_figure_is_written(tmp_path, n_simulations, n):
    scores = toy_scores(n_simulations, n)
    comparison = compare(scores, "real", np.random.default_rng(0), n_bootstrap=100)
    before = dict(matplotlib.rcParams)
    history = Table({"epoch": np.arange(30), "training": np.arange(30.0), "validation": np.arange(30.0) - 1})
    drawn = draw_figures(
        scores, comparison, tmp_path, seed=1, image_sets=dict.fromkeys(set(scores["dataset"]), Images()),
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


def test_a_figure_draws_into_given_axes(scores):
    table = figures.density_numbers(scores, "real", np.random.default_rng(0), n_bootstrap=20)
    ax = figures.draw_density(table)
    again = figures.draw_density(table, ax)
    assert again is ax
    labels = ax.get_legend_handles_labels()[1]
    assert "real  (60)" in labels
    assert "nats" in ax.get_xlabel()


def test_densities_integrate_to_one_and_bands_enclose_them(scores):
    table = figures.density_numbers(scores, "real", np.random.default_rng(0), n_bootstrap=100)
    for name in set(table["dataset"]):
        rows = table[table["dataset"] == name]
        assert np.trapezoid(rows["density"], rows["value"]) == pytest.approx(1, abs=0.02)
        middle = rows["density"] > 0.3 * rows["density"].max()
        assert np.mean((rows["density_low"] <= rows["density"])[middle]) > 0.9


def test_roc_area_is_the_auc_of_the_comparison(scores):
    comparison = compare(scores, "real", np.random.default_rng(0), n_bootstrap=20)
    table = figures.roc_numbers(scores, "real")
    for row in comparison[comparison["kind"] == "simulated"]:
        area = table["auc"][table["dataset"] == row["dataset"]][0]
        assert area == pytest.approx(row["auc"], abs=1e-9)


def test_scales_add_up_to_the_whole(scores):
    comparison = compare(scores, "real", np.random.default_rng(0), n_bootstrap=20)
    table = figures.scale_numbers(scores, "real", np.random.default_rng(0), n_bootstrap=50)
    for row in comparison[comparison["kind"] == "simulated"]:
        parts = table[table["dataset"] == row["dataset"]]
        assert parts["delta_mean"].sum() == pytest.approx(row["delta_mean"])
    assert list(dict.fromkeys(table["scale_name"])) == ["pixels 1-2", "pixels 2-8"]
    with pytest.raises(ValueError, match="does not split"):
        figures.scale_numbers(scores[["dataset", "kind", "log_prob"]], "real", np.random.default_rng(0))


def test_relation_finds_a_known_slope_difference():
    scores = toy_scores(1, 400)
    scores["log_likelihood_ratio"] += np.where(scores["dataset"] == "sim-0", 40 * (scores["mag_r"] - 17), 0)
    table = figures.relation_numbers(scores, "real", "mag_r", n_bins=4)
    rows = table[table["dataset"] == "sim-0"]
    slope = np.polyfit(rows["x"], rows["difference"], 1)[0]
    assert slope == pytest.approx(40, abs=15)
    assert np.all(table["difference"][table["dataset"] == "real"] == 0)


def test_gallery_takes_the_extremes(scores):
    table = figures.gallery_numbers(scores, "real", n=3)
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
