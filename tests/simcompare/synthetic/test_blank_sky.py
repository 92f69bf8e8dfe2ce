"""Controls: the sky's density is exact at every scale, blank frames are what they say."""

import numpy as np
import pytest
import torch
from astropy.table import Table
from scipy import stats

from simcompare.comparison.nulls import null_tables, symmetry_share, with_nulls
from simcompare.pages.sections.galaxies import _ratio_maps
from simcompare.scores.bare_sky import SkyDensity
from simcompare.scores.record import Scores


def test_density_of_the_sky_is_that_of_independent_normals():
    rng = np.random.default_rng(0)
    images = rng.normal(0.2, 0.5, size=(5, 2, 16, 16))
    context = np.column_stack([np.full((5, 2), 0.1), rng.uniform(0.3, 0.6, (5, 2))])
    sky = SkyDensity(("g", "r"), n_scales=4)
    assert sky.context_names == ("sky_level_g", "sky_level_r", "sky_sigma_g", "sky_sigma_r")
    exact = stats.norm.logpdf(images, 0.1, context[:, 2:, None, None])
    np.testing.assert_allclose(sky.log_prob(images, context), exact.sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(sky.map(images, context), exact.sum(axis=1))
    budget = sky.budget(images, context)
    assert budget.shape == (5, 4)
    np.testing.assert_allclose(budget.sum(axis=1), exact.sum(axis=(1, 2, 3)))
    # white noise: each scale holds its share of the coefficients, three quarters in the finest
    truth = np.array([0.75, 0.75 / 4, 0.75 / 16, 1 / 64])
    noise = context[:, :2, None, None] + context[:, 2:, None, None] * rng.normal(size=images.shape)
    share = sky.budget(noise, context) + (np.log(2 * np.pi) + 1) * truth * 256
    np.testing.assert_allclose(share, -256 * truth * np.log(context[:, 2:]).sum(1)[:, None], atol=45)


def comparison(**changes):
    row = {"dataset": "sim", "kind": "simulated", "delta_mean": -10.0, "caution": ""} | changes
    table = Table(rows=[row])
    table.meta = {"reference": "real", "null": {"n_splits": 200, "delta_95": 4.0}}
    return table


def scored(**columns):
    n = 40
    base = {"dataset": ["real"] * n, "split": ["test"] * n, "kind": ["observed"] * n}
    base["galaxy_id"] = [f"g{k}" for k in range(n)]
    return Scores.of(base | {"log_likelihood_ratio": np.linspace(-1, 1, n) * 10} | columns)


def test_a_gap_within_a_null_is_said_so(tmp_path):
    table = with_nulls(comparison(), scored(), None)
    assert table["caution"][0] == ""
    assert len(table.meta["nulls_missing"]) == 5
    assert table.meta["null_lines"][-1].startswith("Not run: Sersic twins")
    within = with_nulls(comparison(delta_mean=3.0), scored(), None)
    assert within["caution"][0] == ""  # the verdict alone says whether a data set differs
    (tmp_path / "nulls.json").write_text(
        '{"sim": {"seed_scatter": 1.0, "transform_scatter": 6.0, "half_difference": 2.0}}'
    )
    table = with_nulls(comparison(caution="few"), scored(symmetry_scatter=np.ones(40)), tmp_path)
    assert (
        table["caution"][0]
        == "few; the mean ratio differs by less than pixel transforms change it (12.0 nats)"
    )
    assert table["seed_scatter"][0] == 1
    assert "training seeds" in " ".join(table.meta["null_lines"])
    assert table.meta["symmetry_share"] == pytest.approx(1 / np.std(np.linspace(-10, 10, 40)))
    assert np.isnan(symmetry_share(scored()))
    with pytest.raises(FileNotFoundError, match="simcompare nulls"):
        with_nulls(comparison(), scored(), tmp_path / "absent")
    assert null_tables(None) == []


def test_maps_of_the_ratio_are_to_the_background_the_score_was_held_against():
    images = np.random.default_rng(3).normal(size=(2, 1, 8, 8))
    level = {"sky_level_r": np.zeros(2), "sky_sigma_r": np.ones(2)}
    scores = Scores.of({"log_prob_background": [0.0, 0.0], "log_prob_sky": [-1.0, 1.0]} | level)
    flows = [FlatMap(2.0), FlatMap(0.5)]
    own, ratio = _ratio_maps(flows, scores, images, ("r",))
    assert (own == 2.0).all()
    assert (ratio[0] == 1.5).all()
    np.testing.assert_allclose(2.0 - ratio[1], -0.5 * (images[1, 0] ** 2 + np.log(2 * np.pi)), rtol=1e-6)


class FlatMap:
    """Density of the same nats in every pixel."""

    context_names = ()

    def __init__(self, value):
        self.value = value

    def map(self, images, context):
        return torch.full(
            (len(images), *images.shape[2:]), self.value, dtype=torch.float64
        )  # as `flows.FlowModel`
