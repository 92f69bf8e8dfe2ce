"""Masked values are missing, in comparisons, image sets and model cards alike."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from mocks.observing.psf import gaussian_psf
from simcompare.comparison import compare
from simcompare.images.image_set import ImageSet, Stack, write_part
from simcompare.images.preparation.prepare import Preparation
from simcompare.models.card import depth
from simcompare.models.density import Domain, context_of, outside_domain
from simcompare.scores import Scores


def masked(values, hidden, under):
    """Column of which some rows are masked, with a number under the mask."""
    column = MaskedColumn(np.array(values, dtype=float), mask=np.isin(np.arange(len(values)), hidden))
    column.data.data[list(hidden)] = under
    return column


def test_masked_scores_are_left_out_of_a_comparison():
    rng = np.random.default_rng(3)
    scores = np.concatenate([100 + rng.normal(0, 20, 60), 90 + rng.normal(0, 20, 40)])
    table = Table({"dataset": ["real"] * 60 + ["sim"] * 40, "kind": ["observed"] * 60 + ["simulated"] * 40})
    table["galaxy_id"], table["split"] = [f"g{k}" for k in range(100)], "test"
    table["log_likelihood_ratio"] = masked(scores, range(10), 1e20)
    table["log_prob"] = masked(scores + 4000, range(10), 1e20)
    result = compare(Scores.of(table, "real"), np.random.default_rng(1), n_bootstrap=200)
    row = result[result["dataset"] == "sim"][0]
    assert row["delta_mean"] == pytest.approx(scores[60:].mean() - scores[10:60].mean(), abs=1e-9)


def test_masked_columns_of_an_image_set_are_missing_in_it(tmp_path):
    shape = (3, 1, 8, 8)
    stack = Stack(
        image=np.ones(shape), variance=np.ones(shape), mask=np.zeros(shape), quantum=np.zeros((3, 1)),
        psf=np.broadcast_to(gaussian_psf(3.0, 31), (3, 1, 31, 31)),
    )  # fmt: skip
    table = Table({"galaxy_id": ["a", "b", "c"]})
    table["dataset"], table["view"], table["split"], table["flags"] = "x", 0, "test", 0
    for name in ("mag_r", "sky_sigma_r", "psf_fwhm_r"):
        table[name] = masked([20.0, 21.0, 22.0], [1], 1e20)
    table["type"] = MaskedColumn(["S", "E", "S"], mask=[0, 0, 1])
    write_part(
        tmp_path / "a.h5", stack, table, name="x", kind="observed", survey="sdss", bands="r", pixel_scale=0.4,
        preparation=Preparation(size=8),
    )  # fmt: skip
    back = ImageSet.open(tmp_path / "a.h5").catalogue
    np.testing.assert_array_equal(back["mag_r"], [20, np.nan, 22])
    assert back["type"].tolist() == ["S", "E", ""]


def test_masked_conditions_are_no_conditions():
    table = Table({"sky_sigma_r": masked([0.02, 0.02, 0.02], [2], 1e20), "psf_fwhm_r": [1.3, 1.3, 1.3]})
    expected = depth(table[:2], "r", 0.396)
    assert depth(table, "r", 0.396) == expected
    assert np.isnan(context_of(table, ["log_sky_sigma_r"])).ravel().tolist() == [False, False, True]
    assert outside_domain(table, {"sky_sigma_r": [0.01, 1e30]}).tolist() == [0, 0, int(Domain.SKY)]
