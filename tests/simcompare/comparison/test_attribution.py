"""The ladder adds up, knows paired errors, and the floor is the quadratic sum of the worst."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.attribution import attribution_tables, ladder, systematic_floor, with_floors
from simcompare.comparison.report_table import FurtherTable, read_further, write_further
from simcompare.runs.files import write_text
from simcompare.scores.record import Scores

N = 60


def scores(shift, noise=0.1, seed=0, n=N):
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(99).normal(0, 30, N)[:n] + shift + noise * rng.normal(size=n)
    real = np.random.default_rng(98).normal(50, 30, 100)
    return Scores.of(
        {
            "galaxy_id": [f"s{k}" for k in range(n)] + [f"r{k}" for k in range(100)],
            "dataset": n * ["sim"] + 100 * ["real"],
            "kind": n * ["simulated"] + 100 * ["observed"],
            "split": (n + 100) * ["test"],
            "log_likelihood_ratio": np.concatenate([base, real]),
        }
    )


def test_steps_add_up_and_small_paired_changes_are_seen():
    steps = {"ideal": scores(-200), "PSF": scores(-20, seed=1), "sky": scores(-22, seed=2)}
    table = ladder(steps, "sim", 0, n_bootstrap=500)
    assert np.sum(table["change"]) == pytest.approx(table["to_real"][-1])
    assert table["change_low"][1] < 180 < table["change_high"][1]
    assert table["change_high"][2] < 0
    assert table["change_error"][2] < 0.05
    assert table["change_error"][0] == pytest.approx(np.hypot(30 / np.sqrt(60), 30 / np.sqrt(100)), rel=0.3)


def test_only_common_galaxies_count():
    table = ladder({"ideal": scores(0), "sky": scores(0, n=40)}, "sim", 0, n_bootstrap=50)
    assert list(table["n_galaxies"]) == [40, 40]


def test_a_single_galaxy_has_a_budget_without_intervals():
    table = ladder({"ideal": scores(0, n=1), "sky": scores(5, n=1)}, "sim", 0, n_bootstrap=50)
    assert np.sum(table["change"]) == pytest.approx(table["to_real"][-1])
    assert np.isnan(table["change_low"]).all()
    pair = {"PSF +5 %": {"baseline": scores(0, n=1), "PSF +5 %": scores(3, n=1)}}
    assert np.isnan(systematic_floor(pair, "sim", 0, ingredients={"PSF +5 %": "PSF"})[0]["shift_low"][0])


def test_floor_takes_the_worst_of_each_ingredient():
    perturbed = {
        "PSF +5 %": scores(3, seed=1),
        "PSF -5 %": scores(-1, seed=2),
        "noise +5 %": scores(-4, seed=3),
    }
    perturbed = {name: {"baseline": scores(0), name: table} for name, table in perturbed.items()}
    about = {"ingredients": {"PSF +5 %": "PSF", "PSF -5 %": "PSF", "noise +5 %": "noise"}}
    table, floor = systematic_floor(perturbed, "sim", 0, **about, n_bootstrap=200)
    assert floor == pytest.approx(5, abs=0.1)
    assert np.all((table["shift_low"] < [3, -1, -4]) & (table["shift_high"] > [3, -1, -4]))
    half = systematic_floor(perturbed, "sim", 0, **about, uncertainties={"noise +5 %": 0.0})[1]
    assert half == pytest.approx(3, abs=0.1)


def test_bad_input():
    with pytest.raises(ValueError, match="at least two steps"):
        ladder({"ideal": scores(0)}, "sim", 0)
    renamed = scores(0).with_columns(galaxy_id=[f"x{k}" for k in range(N + 100)])
    with pytest.raises(ValueError, match="no galaxy of 'sim'"):
        ladder({"ideal": renamed, "sky": scores(0)}, "sim", 0)
    bare = scores(0).select()
    with pytest.raises(ValueError, match="step 'ideal' has no column"):
        ladder({"ideal": bare, "sky": scores(0)}, "sim", 0)
    with pytest.raises(ValueError, match=r"at least two galaxies of 'real' .* 1 found"):
        ladder({"ideal": scores(0), "sky": scores(0)[np.arange(N + 1)]}, "sim", 0)


def test_tables_of_any_data_set_are_read_back(tmp_path):
    names = ("Illustris-1", "illustris-1", "TNG 50/a")
    for k, name in enumerate(names):
        folder = tmp_path / str(k)
        write_further(
            [FurtherTable("ladder", "Steps", "note", Table({"step": ["ideal"]}))], folder / "tables"
        )
        summary = f'{{"dataset": "{name}", "model": "m", "floor": 1.0, "unit": "nats"}}'
        write_text(folder / "attribution.json", summary)
    tables = attribution_tables([tmp_path / str(k) for k in range(3)])
    write_further(tables, tmp_path / "all")
    again = read_further(tmp_path / "all")
    assert [each.name for each in again] == ["ladder_illustris-1", "ladder_illustris-1-2", "ladder_tng-50-a"]
    assert [each.title for each in again] == [f"Steps: {name}" for name in names]


@pytest.mark.parametrize(
    ("low", "high", "doubted"),
    [(5.1, 9.0, False), (4.9, 9.0, True), (-9.0, -5.1, False), (-9.0, -4.9, True), (-1.0, 9.0, True)],
)
def test_a_mean_ratio_within_its_floor_is_doubted(low, high, doubted, tmp_path):
    write_text(
        tmp_path / "attribution.json", '{"dataset": "sim", "model": "m", "floor": 5.0, "unit": "nats"}'
    )
    row = {"delta_mean_low": low, "delta_mean_high": high, "caution": "few"}
    rows = Table(rows=[row | {"dataset": "sim"}, row | {"dataset": "other"}])
    table = with_floors(rows, [tmp_path], "m")
    assert table["systematic_floor_nats"].tolist() == pytest.approx([5.0, np.nan], nan_ok=True)
    said = "few; the mean ratio differs by less than the systematic floor of its mocks (5.0 nats)"
    assert table["caution"].tolist() == [said if doubted else "few", "few"]
    assert with_floors(rows, []) is rows
    with pytest.raises(ValueError, match="made with another flow"):
        with_floors(rows, [tmp_path], "n")
    with pytest.raises(ValueError, match="not among the data sets"):
        with_floors(rows[1:], [tmp_path])


def test_errors_of_a_ladder_hold_real_galaxies_once():
    """First step of 60 galaxies about 100 real ones; by resampling both, as numpy would."""
    steps = {"ideal": scores(-200), "sky": scores(-20, seed=1)}
    table = ladder(steps, "sim", 0, n_bootstrap=3000)
    rng = np.random.default_rng(3)
    sim, real = (steps["sky"].sample("sim").numbers(), steps["sky"].reference_sample().numbers())
    error = np.hypot(
        *(each[rng.integers(each.size, size=(3000, each.size))].mean(axis=1).std() for each in (sim, real))
    )
    assert table["to_real_error"][1] == pytest.approx(error, rel=0.1)
    assert table["to_real"][1] == pytest.approx(sim.mean() - real.mean())
    assert table.meta == {"dataset": "sim", "reference": "real", "score": "log_likelihood_ratio"}
