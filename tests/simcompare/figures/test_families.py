"""Populations, classes, splits, panels, pixels and latents: their numbers have known answers."""

import numpy as np
import pytest

from simcompare import figures
from simcompare.figures.feature_maps import latent_coordinates
from simcompare.figures.populations import galaxy_classes, with_derived_columns
from simcompare.figures.samples import binned_scores, split_scores
from simcompare.scores.record import Scores

N = 200


@pytest.fixture(scope="module")
def scores():
    """Real galaxies and one simulation, a quarter of it quenched, all of it 20 nats lower."""
    rng = np.random.default_rng(0)
    n = 2 * N
    simulated = np.arange(n) >= N
    mass = np.where(simulated, 10 ** rng.uniform(10, 11, n), np.nan)
    quenched = simulated & (np.arange(n) % 4 == 0)
    return with_derived_columns(
        Scores.of(
            {
                "galaxy_id": [f"g{k}" for k in range(n)],
                "dataset": np.where(simulated, "sim", "real"),
                "kind": np.where(simulated, "simulated", "observed"),
                "split": np.where(simulated | (np.arange(n) % 2 == 0), "test", "train"),
                "image_index": np.arange(n) % N,
                "mag_r": rng.normal(17, 0.5, n),
                "half_light_radius": rng.lognormal(1, 0.2, n),
                "stellar_mass": mass,
                "star_formation_rate": np.where(simulated, np.where(quenched, 0.0, 1e-10 * mass), np.nan),
                "is_central": simulated & (np.arange(n) % 2 == 0),
                "concentration": np.where(np.arange(n) % 5 == 0, 4.0, 2.8),
                "log_prob": rng.normal(4000, 40, n),
                "log_likelihood_ratio": rng.normal(100, 10, n) - 20 * simulated,
                "log_likelihood_ratio_scale_0": rng.normal(60, 5, n),
                "log_likelihood_ratio_scale_1": rng.normal(40, 5, n),
            }
        )
    )


def test_specific_rates_have_a_floor_and_sersic_indices_come_from_the_twins(scores):
    rate = np.asarray(scores["specific_star_formation_rate"])
    assert np.nanmin(rate) == pytest.approx(10**-12.5)
    assert np.nanmax(rate) == pytest.approx(1e-10)
    pair = Scores.of({"galaxy_id": ["a", "a", "b"], "kind": ["observed", "twins", "observed"],
                  "sersic_n_r": [np.nan, 2.0, np.nan]})  # fmt: skip
    assert np.array_equal(with_derived_columns(pair)["sersic_n_r"], [2, 2, np.nan], equal_nan=True)
    assert np.isnan(pair["sersic_n_r"][0])  # the input is left as it was


def test_shares_of_classes_are_found(scores):
    table = figures.fraction_numbers(scores)
    ends = ("share", "share_low", "share_high")
    share = {(str(row["dataset"]), str(row["group"])): [row[end] for end in ends] for row in table}
    assert share["sim", "quenched"][0] == 0.25
    assert share["sim", "satellites"][0] == 0.5
    assert share["real", "early type (concentration > 3.2)"][0] == pytest.approx(0.2)
    assert ("real", "centrals") not in share
    assert all(low <= value <= high for value, low, high in share.values())
    figures.draw_fractions(table).figure.canvas.draw()


def test_mass_function_integrates_to_one(scores):
    table = figures.mass_function_numbers(scores)
    rows = table[(table["dataset"] == "sim") & (table["population"] == "all")]
    width = np.log10(rows["high"] / rows["low"])
    assert np.sum(rows["per_dex"] * width) == pytest.approx(1)
    parts = [table[table["population"] == name]["number"].sum() for name in ("quenched", "star-forming")]
    assert parts == [N // 4, N - N // 4]
    assert figures.draw_mass_function(rows_with_meta(rows, table)).get_xscale() == "log"
    with pytest.raises(ValueError, match="no data set has values"):
        figures.mass_function_numbers(scores, column="halo_mass")


def rows_with_meta(rows, table):
    rows.meta = dict(table.meta)
    return rows


def test_splits_and_bins_keep_every_galaxy(scores):
    parts = split_scores(scores)
    assert set(parts["dataset"]) == {"trained on", "held out"}
    bins = binned_scores(scores, "mag_r")
    assert len(bins) == 3
    assert sum(map(len, bins.values())) == len(scores)
    held_out = [np.sum((part["dataset"] == "real") & (part["split"] == "test")) for part in bins.values()]
    assert max(held_out) - min(held_out) <= 1


def test_plane_without_real_values_is_held_against_all_real_galaxies(scores):
    table = figures.plane_numbers(scores, "sim", "stellar_mass", "half_light_radius", n_bins=(2, 2))
    assert table.meta["against"].startswith("all")
    known = np.isfinite(table["difference"])
    mean = np.average(table["difference"][known], weights=table["n_galaxies"][known])
    assert mean == pytest.approx(-20, abs=3)
    assert "all real" in figures.draw_plane(table).get_title("left")


def test_classes_are_shown_in_the_gallery(scores):
    table = figures.class_gallery_numbers(scores, n=3)
    activities = ("star-forming", "quenched")
    assert set(table["group"]) == {
        f"{size} massive, {each}" for size in ("less", "more") for each in activities
    }
    quenched = galaxy_classes(scores)["quenched"][0]
    picked = table[["quenched" in group for group in table["group"]]]
    assert set(picked["galaxy_id"]) <= set(np.asarray(scores["galaxy_id"])[quenched])
    with pytest.raises(ValueError, match="no stellar_mass"):
        figures.class_gallery_numbers(scores.select("log_prob"))


def test_grid_has_a_panel_for_each_table_and_one_legend(scores):
    tables = {f"_{x}": figures.relation_numbers(scores, x) for x in ("mag_r", "stellar_mass")}
    table = figures.stack_panels(tables)
    figure = figures.draw_grid(table, figures.draw_relation)
    assert len(figure.axes) == 2
    assert len(figure.legends) == 1
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["real  (100)", "sim  (200)"]
    assert figure.axes[1].get_xscale() == "log"


def test_violins_and_pixels(scores):
    density = figures.density_numbers(scores, 0, n_bootstrap=20)
    middle = {str(row["dataset"]): row["median"] for row in density}
    assert middle["real"] - middle["sim"] == pytest.approx(20, abs=4)
    assert "nats" in figures.draw_violins(density).get_ylabel()
    rng = np.random.default_rng(1)
    images = {"real": rng.normal(0, 2, (5, 32, 32)), "sim": rng.normal(0, 3, (5, 32, 32))}
    kinds = {"real": "observed", "sim": "simulated"}
    table = figures.pixel_numbers(images, {"real": 5 * [2], "sim": 5 * [3]}, kinds, "real")
    share = [np.asarray(table["share"][table["dataset"] == name]) for name in images]
    assert share[0].sum() == pytest.approx(1, abs=1e-3)
    assert np.abs(share[0] - share[1]).max() < 0.02  # both are unit normal in units of their noise
    figures.draw_pixels(table).figure.canvas.draw()


def test_panels_show_one_row_per_galaxy(scores):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 1, 16, 16))
    budget = figures.budget_numbers(scores, [3, N + 3])
    assert len(budget) == 4
    assert budget["ratio"][0] == scores["log_likelihood_ratio_scale_0"][3]
    stretch = figures.common_stretch(images, [1.0])
    maps = [(image[0], image[0] / 2) for image in images]
    figure = figures.draw_panels(images, stretch, maps, budget, pixel_scale=0.4, titles=["a", "b"])
    assert len(figure.axes) == 2 * 4 + 4  # two colour bars a row


def test_latent_coordinates_find_the_long_axis_of_others():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(300, 20))
    latents[:, 7] *= 9
    basis = np.arange(300) < 200
    places, labels = latent_coordinates(latents, basis)
    assert abs(np.corrcoef(places[:, 0], latents[:, 7])[0, 1]) > 0.99
    assert places[~basis, 0].std() == pytest.approx(1, abs=0.25)
    assert labels[0] == "principal component 1"
    with pytest.raises(ValueError, match="is unknown"):
        latent_coordinates(latents, basis, "tsne")
    with pytest.raises(ValueError, match="too few"):
        latent_coordinates(latents, np.arange(300) < 2)


def test_umap_keeps_two_groups_apart():
    pytest.importorskip("umap", reason="UMAP is not installed; pip install 'simcompare[embed]'")
    latents = np.random.default_rng(0).normal(size=(120, 20))
    latents[:60] += 6
    places, labels = latent_coordinates(latents, np.arange(120) % 2 == 0, "umap", 3)
    assert labels == ("UMAP 1", "UMAP 2")
    apart = np.linalg.norm(places[:60].mean(axis=0) - places[60:].mean(axis=0))
    assert apart > 3 * max(places[:60].std(axis=0).max(), places[60:].std(axis=0).max())


def test_three_galaxies_are_shown_one_by_one_and_fill_no_plane(scores):
    few = scores[np.isin(np.asarray(scores["galaxy_id"]), ["g0", "g2", "g4", "g200", "g204", "g208"])]
    table = figures.relation_numbers(few, "mag_r")
    assert list(table["n_galaxies"]) == [1] * 6
    one = few[np.isin(np.asarray(few["galaxy_id"]), ["g0", "g200"])]
    with pytest.raises(ValueError, match="too few galaxies for cells"):
        figures.plane_numbers(one, "sim", "mag_r", "half_light_radius")
