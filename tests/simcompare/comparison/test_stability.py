"""Seeds, transforms, halves and volumes: scatter is measured, changes of order are noticed."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.stability import model_null, order_agreement, stability
from simcompare.comparison.volume import jackknife, sub_boxes
from simcompare.scores.record import Scores


def scores(means, seed=0, noise=0.0, n=200):
    rng = np.random.default_rng(seed)
    rows = []
    for name, mean in means.items():
        base = np.random.default_rng(len(name)).normal(mean, 10, n)
        rows += [
            {
                "galaxy_id": f"{name}{k}",
                "dataset": name,
                "kind": "observed" if name == "real" else "simulated",
                "split": "test",
                "log_prob": base[k] + noise * rng.normal(),
                "log_likelihood_ratio": base[k] + noise * rng.normal(),
            }
            for k in range(n)
        ]
    return Scores.of(Table(rows=rows))


def test_scatter_of_seeds_and_a_change_of_order():
    same = {f"seed {k}": scores({"real": 0, "old": -40, "newer": -20 + k}, seed=k) for k in range(3)}
    table = stability(same, 0, n_bootstrap=200)
    assert table.meta["scatter"]["newer"] == pytest.approx(1.0)
    assert table.meta["scatter"]["old"] == pytest.approx(0.0, abs=1e-9)
    assert table.meta["agreement"] == 1
    assert not table.meta["order_changes"]
    assert list(table["rank"][table["dataset"] == "newer"]) == [1, 1, 1]
    other = same | {"other transform": scores({"real": 0, "old": -10, "newer": -20})}
    assert stability(other, 0, n_bootstrap=50).meta["order_changes"]
    with pytest.raises(ValueError, match="at least two variants"):
        stability({"one": same["seed 0"]}, 0)
    with pytest.raises(ValueError, match="'b' differs in the data sets old"):
        stability({"a": same["seed 0"], "b": scores({"real": 0, "newer": 0})}, 0)


def test_concordance_of_opposite_orders_is_zero():
    assert order_agreement(np.array([[1, 2, 3], [3, 2, 1]])) == 0
    assert order_agreement(np.array([[1, 2, 3], [1, 2, 3]])) == 1
    assert np.isnan(order_agreement(np.array([[1], [1]])))


def test_two_flows_of_disjoint_halves():
    first, second = (scores({"real": 0, "sim": -20}, seed=k, noise=3.0) for k in (5, 6))
    table = model_null(first, second, 0)
    assert table["dataset"][0] == "real"
    assert table["mean_difference_low"][0] < 0 < table["mean_difference_high"][0]
    assert table["scatter"][0] == pytest.approx(3 * np.sqrt(2), rel=0.2)
    assert table["correlation"][0] > 0.8
    with pytest.raises(ValueError, match="same images in the same order"):
        model_null(first, second[::-1], 0)


def test_jackknife_sees_variance_between_parts_of_the_box():
    rng = np.random.default_rng(3)
    table = scores({"real": 0, "sim": -20}, n=400)
    position = rng.uniform(0, 50, (len(table), 3))
    table = table.with_columns(sub_box=sub_boxes(position, 50.0))
    assert set(table["sub_box"].tolist()) == set(range(8))
    plain = jackknife(table, "sim")
    assert plain.error == pytest.approx(10 * np.sqrt(2 / 400), rel=0.6)
    assert plain.low < -20 < plain.high
    shifted = table["log_likelihood_ratio"] + 10 * rng.normal(size=8)[table["sub_box"]]
    clustered = table.with_columns(log_likelihood_ratio=shifted)
    assert jackknife(clustered, "sim").error > 2 * plain.error
    with pytest.raises(ValueError, match="no column 'octant'"):
        jackknife(table, "sim", column="octant")
    with pytest.raises(ValueError, match="at least 3"):
        jackknife(table.with_columns(sub_box=np.zeros(len(table))), "sim")


def test_sub_boxes_wrap():
    assert list(sub_boxes(np.array([[1.0, 1, 1], [9, 1, 1], [1, 9, 1], [1, 1, 9], [-1, 11, 19]]), 10.0)) == [
        0, 1, 2, 4, 5,
    ]  # fmt: skip


def test_what_is_no_simulation_has_no_rank_and_images_must_be_the_same():
    means = {"real": 0, "near": -5, "far": -30, "twins": -1}
    variants = {name: scores(means, seed=k) for k, name in enumerate("ab")}
    kinds = {"real": "observed", "twins": "twins"}
    variants = {
        name: each.with_columns(kind=[kinds.get(of, "simulated") for of in each["dataset"]])
        for name, each in variants.items()
    }
    table = stability(variants, 0, n_bootstrap=20)
    ranks = {row["dataset"]: row["rank"] for row in table[table["variant"] == "a"]}
    assert ranks == {"near": 1, "far": 2, "twins": 0}
    first, second = scores({"real": 0}), scores({"real": 0}, seed=1)
    renamed = second.with_columns(galaxy_id=[f"x{k}" for k in range(len(second))])
    for other in (renamed, second[:-1], second.with_columns(dataset=["b"] * len(second))):
        with pytest.raises(ValueError, match="same order"):
            model_null(first, other, 0)


def test_the_error_of_the_volume_leaves_each_part_out_and_adds_that_of_real_galaxies():
    """Variance (n - 1) / n times the sum of squares; Student's t for n - 1; views of a galaxy averaged."""
    rng = np.random.default_rng(4)
    ours, real, part = rng.normal(5, 3, 40), rng.normal(0, 2, 30), np.arange(40) % 4
    values = np.concatenate([real, ours - 1, ours + 1])  # two views of each
    table = Table(
        {
            "galaxy_id": [f"r{k}" for k in range(30)] + 2 * [f"s{k}" for k in range(40)],
            "dataset": ["real"] * 30 + ["sim"] * 80, "kind": ["observed"] * 30 + ["simulated"] * 80,
            "split": ["test"] * 110, "log_likelihood_ratio": values,
            "sub_box": np.concatenate([np.zeros(30, int), part, part]),
        }
    )  # fmt: skip
    found = jackknife(Scores.of(table).with_reference("real"), "sim")
    left_out = np.array([ours[part != k].mean() for k in range(4)])
    error = np.sqrt(3 / 4 * np.sum((left_out - left_out.mean()) ** 2) + real.var(ddof=1) / 30)
    assert found.value == pytest.approx(ours.mean() - real.mean())
    assert found.error == pytest.approx(error)
    assert found.high - found.value == pytest.approx(3.182446 * error, rel=1e-6)
    assert found.value - found.low == pytest.approx(3.182446 * error, rel=1e-6)
