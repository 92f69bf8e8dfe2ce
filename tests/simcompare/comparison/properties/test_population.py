"""Bins and cells of a population, with counts, shares and differences by hand."""

import numpy as np
import pytest

from simcompare.comparison.properties.population import (
    Property,
    _property_in,
    matched_bootstrap,
    population_bins,
    population_columns,
    population_of,
    property_of,
)
from simcompare.scores.record import Scores


def population(real, sim, **columns):
    """Scores of real and simulated galaxies, each with a list of its values."""
    n, m = len(real), len(sim)
    return Scores.of(
        {
            "galaxy_id": [f"r{k}" for k in range(n)] + [f"s{k}" for k in range(m)],
            "dataset": ["real"] * n + ["sim"] * m, "kind": ["observed"] * n + ["simulated"] * m,
            "split": ["test"] * (n + m), "log_likelihood_ratio": np.array([*real, *sim], float), **columns,
        },
        "real",
    )  # fmt: skip


def test_limits_are_given_those_of_types_or_thirds_of_the_real_galaxies():
    values = np.array([5.0, 1, 2, 3, 4, 6, np.nan, 7])
    scores = population(np.zeros(8), np.zeros(2), mass=np.concatenate([values, [90.0, 95.0]]))
    real = scores.reference_sample()
    assert Property("mass", (1.0, 2.0)).limits(real) == (1.0, 2.0)
    assert Property("sersic_index").limits(real) == (0.0, 2.5, np.inf)
    assert Property("concentration").limits(real) == (0.0, 3.2, np.inf)
    assert Property("mass").limits(real) == (-np.inf, 3.0, 5.0, np.inf)
    with pytest.raises(ValueError, match="is known for 2 held-out real galaxies"):
        Property("mass").limits(real[:2])
    assert len(Property("mass").limits(real[:3])) == 4
    same = population(np.zeros(4), np.zeros(1), mass=np.ones(5)).reference_sample()
    with pytest.raises(ValueError, match="or equal for all"):
        Property("mass").limits(same)


def test_a_column_known_of_half_the_real_galaxies_serves():
    half = np.where(np.arange(8) < 4, 1.0, np.nan)
    fewer = np.where(np.arange(8) < 3, 1.0, np.nan)
    real = population(np.zeros(8), [], a=fewer, b=half, c=np.ones(8)).reference_sample()
    assert Property("a", (1.0, 2.0), ("x", "b", "c")).known(real) == Property("b", (1.0, 2.0))
    assert Property("a", instead=("x",)).known(real) == Property("a")
    assert Property("c", instead=("b",)).known(real) == Property("c")


def test_options_are_read():
    names = ["stellar_mass", "half_light_radius", "sersic_index", "redshift"]
    assert population_of(None, names) == ()
    found = population_of("stellar_mass:1e9,1e10; half_light_radius; sersic_index:0,2.5,9;", names)
    assert [each.column for each in found] == ["stellar_mass", "half_light_radius", "sersic_index"]
    assert [each.edges for each in found] == [(1e9, 1e10), (), (0.0, 2.5, 9.0)]
    assert population_columns(found)[:3] == ["stellar_mass", "half_light_radius", "sersic_index"]
    with pytest.raises(ValueError, match="names 'x', no column"):
        population_of("stellar_mass;x;sersic_index", names)
    with pytest.raises(ValueError, match="name mass, size and type"):
        population_of("stellar_mass;sersic_index", names)
    for text in ("a:1", "a:2,1", "a:1,1"):
        with pytest.raises(ValueError, match="two or more that increase"):
            property_of(text, "--bins")
    with pytest.raises(ValueError, match="--bins is 'a:b'"):
        property_of("a:b", "--bins")
    assert property_of(" a ", "--bins") == Property("a")


def test_columns_are_found_whole_before_their_beginnings():
    found = _property_in(["mag_g", "stellar_mass_30", "mag_r", "stellar_mass"], "stellar_mass", "mag_")
    assert found == Property("stellar_mass", instead=("stellar_mass_30", "mag_g", "mag_r"))
    with pytest.raises(ValueError, match="none of a, b"):
        _property_in(["c"], "a", "b")


def test_equal_numbers_are_drawn_in_every_cell_that_both_have():
    """Two bins of mass and two of type; values are the same within a cell, so that nothing is chance."""
    real = {(0, 0): (4, 10.0), (0, 1): (3, 20.0), (1, 0): (6, 30.0)}
    sim = {(0, 0): (2, 11.0), (0, 1): (5, 24.0), (1, 1): (7, 99.0)}
    rows = [
        [name, *cell, value]
        for name, cells in (("r", real), ("s", sim))
        for cell, (n, value) in cells.items()
        for _ in range(n)
    ]
    rows += [["s", 2, 0, 1000.0], ["s", -1, 0, 1000.0], ["s", 0, np.nan, 1000.0], ["s", 0, 0, np.nan]]
    side = [row[0] for row in rows]
    mass, kind = (np.array([row[k] for row in rows], float) for k in (1, 2))
    values = np.array([row[3] for row in rows])
    is_real = np.array(side) == "r"
    scores = population(values[is_real], values[~is_real], mass=mass, type=kind)
    columns = Property("mass", (0.0, 1.0, 2.0)), Property("type", (0.0, 1.0, 2.0))
    table = matched_bootstrap(scores, columns, 0, n_bootstrap=20)
    assert [tuple(row) for row in table["low", "high"]] == [(0.0, 2.0), (0.0, 1.0), (1.0, 2.0)]
    assert table["n_galaxies"].tolist() == [14, 7, 7]
    assert table["n_matched"].tolist() == [2 + 3, 2 + 3, 0]
    # Two of the first cell differ by 1, three of the second by 4.
    assert table["delta"][:2].tolist() == pytest.approx([14 / 5, 14 / 5])
    assert table["delta_low"][0] == pytest.approx(14 / 5)
    assert table["delta_error"][0] == pytest.approx(0)
    assert np.isnan(table["delta"][2])
    few = scores[np.flatnonzero(~is_real | (kind != 1))]  # four pairs or fewer
    assert np.isnan(matched_bootstrap(few, columns, 0, n_bootstrap=5)["delta"]).all()


def test_errors_are_those_of_means_of_the_number_drawn():
    """Thirty of hundreds on each side, of spread 1 and 2: sqrt((1 + 4) / 30)."""
    rng = np.random.default_rng(0)
    real, sim = rng.normal(0, 1, 400), rng.normal(3, 2, 30)
    scores = population(real, sim, mass=np.ones(430))
    row = matched_bootstrap(scores, [Property("mass", (0.0, 2.0))], 0, n_bootstrap=4000)[0]
    assert row["n_matched"] == 30
    assert row["delta"] == pytest.approx(sim.mean() - real.mean(), abs=0.03)
    assert row["delta_error"] == pytest.approx(np.sqrt((real.var() + sim.var()) / 30), rel=0.05)
    assert row["delta_high"] - row["delta_low"] == pytest.approx(3.92 * row["delta_error"], rel=0.07)


def test_views_of_a_galaxy_are_averaged():
    scores = population([1.0] * 6, [1.0, 3.0] * 6, mass=np.ones(18))
    names = [*scores["galaxy_id"][:6], *np.repeat([f"s{k}" for k in range(6)], 2)]
    views = [0] * 6 + [0, 1] * 6
    found = matched_bootstrap(
        scores.with_columns(galaxy_id=names, view=views), [Property("mass", (0.0, 2.0))], 0
    )
    assert (found["n_galaxies"][0], found["n_matched"][0]) == (6, 6)
    assert found["delta"][0] == pytest.approx(1.0)


def test_bins_without_a_structure_hold_the_difference_of_the_ratio():
    rng = np.random.default_rng(1)
    mass = np.concatenate([rng.uniform(0, 2, 80), rng.uniform(0, 2, 60)])
    real, sim = rng.normal(0, 1, 80), rng.normal(0, 1, 60) + np.where(mass[80:] > 1, 5.0, 0.0)
    scores = population(real, sim, mass=mass)
    table = population_bins(scores, None, [Property("mass", (0.0, 1.0, 2.0))], 0)
    of_sim = table[np.asarray(table["dataset"]) == "sim"]
    assert set(table["property"]) == {"mass"}
    for row, low in zip(of_sim, (0, 1), strict=True):
        inside = (mass >= low) & (mass < low + 1)
        expected = sim[inside[80:]].mean() - real[inside[:80]].mean()
        assert row["delta_mean"] == pytest.approx(expected)
    assert table.meta == {"reference": "real", "score": "log_likelihood_ratio"}
