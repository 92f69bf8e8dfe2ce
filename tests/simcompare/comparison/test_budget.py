"""What steps and errors of a mock are worth in the structure fraction, on scores made with a known one."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.attribution import quadratic_floor, with_floors
from simcompare.comparison.budget import _change, fraction_floor, fraction_ladder
from simcompare.comparison.structure import Verdict
from simcompare.figures import draw_ladder
from simcompare.runs.files import write_text
from simcompare.scores.record import Scores
from simcompare.scores.structure import learn_structure
from simcompare.statistics.intervals import expanded_tail


def rows_of(n, seed, dataset, kind, structure=1.0, noise=None):
    """Galaxies that are the same for one seed, of a structure that moves their score; and other noise."""
    rng = np.random.default_rng(seed)
    x, own = rng.normal(1.5, 0.4, n), rng.normal(0, 0.5, n)
    if noise is not None:
        own = np.sqrt(0.75) * own + 0.25 * np.random.default_rng(noise).normal(size=n)
    score = 3 * np.sinh(0.5 * x + (structure - 1) * np.maximum(0.8 + x - 1.5, 0.1) + own)
    return {
        "dataset": [dataset] * n, "kind": [kind] * n, "split": ["test"] * n,
        "galaxy_id": [f"{dataset}-{i:04d}" for i in range(n)], "aperture_ratio": score,
        "log_likelihood_ratio": score, "snr": 10**x, "half_light_radius": 2 + 0.1 * (np.arange(n) % 7),
        "psf_fwhm_r": np.full(n, 1.2),
    }  # fmt: skip


@pytest.fixture(scope="module")
def structure():
    real = rows_of(150, 1, "SDSS", "observed")
    lower = np.maximum(0.8 + np.log10(real["snr"]) - 1.5, 0.1)
    twins = real | {"dataset": ["twins"] * 150, "kind": ["twins"] * 150}
    twins["aperture_ratio"] = 3 * np.sinh(np.arcsinh(real["aperture_ratio"] / 3) - lower)
    scores = Scores.of({name: np.concatenate([real[name], twins[name]]) for name in real})
    return learn_structure(scores, np.random.default_rng(0))


def mocks(n=60, seed=5, **how):
    return Scores.of(rows_of(n, seed, "sim", "simulated", **how), "SDSS")


def test_steps_add_up_and_are_what_was_made(structure):
    steps = {"ideal": mocks(structure=1.6), "PSF": mocks(structure=0.9), "sky": mocks(structure=0.4)}
    table = fraction_ladder(steps, "sim", structure, 0)
    assert np.sum(table["change"]) == pytest.approx(table["fraction"][-1] - 1)
    np.testing.assert_allclose(table["change"][1:], [-0.7, -0.5], atol=0.06)  # paired: no scatter of galaxies
    assert (table["change_high"][1:] < 0).all()
    assert (table["change_error"][1:] < 0.1).all()
    # The headline's own fraction and interval stand after the last step.
    test = structure.test(mocks(structure=0.4))
    assert tuple(table[-1][["fraction", "fraction_low", "fraction_high"]]) == pytest.approx(
        (test.fraction, test.low, test.high)
    )


def test_only_common_galaxies_count(structure):
    table = fraction_ladder({"ideal": mocks(), "sky": mocks()[:30]}, "sim", structure, 0)
    assert list(table["n_galaxies"]) == [30, 30]
    assert table["change"][1] == 0


@pytest.mark.parametrize("n", [5, 30])
def test_a_step_that_changes_the_noise_alone_is_chance(structure, n):
    """Both steps have noise of their own about the same galaxies: 95 % of the intervals hold no change."""
    holds = []
    for k in range(200):
        steps = {
            name: mocks(n, seed=k, noise=1000 * k + number)
            for number, name in enumerate(("before", "after"), 1)
        }
        row = fraction_ladder(steps, "sim", structure, k, n_bootstrap=400)[1]
        holds.append(row["change_low"] <= 0 <= row["change_high"])
    assert (0.88 if n == 5 else 0.91) <= np.mean(holds) <= 0.99  # 200 draws; of five galaxies a little low


def test_one_galaxy_has_a_budget_without_intervals(structure):
    table = fraction_ladder({"ideal": mocks(1), "sky": mocks(1, structure=0.5)}, "sim", structure, 0)
    assert np.sum(table["change"]) == pytest.approx(table["fraction"][-1] - 1)
    assert np.isnan(table["change_low"]).all()
    draw_ladder(table)


def test_floor_takes_the_worst_of_each_ingredient(structure):
    made = {"PSF +5 %": 1.3, "PSF -5 %": 0.9, "noise +5 %": 0.6}
    pairs = {name: {"baseline": mocks(), name: mocks(structure=value)} for name, value in made.items()}
    about = {name: name.split()[0] for name in made}
    table, floor = fraction_floor(pairs, "sim", structure, 0, ingredients=about, weights={})
    np.testing.assert_allclose(table["shift"], [0.3, -0.1, -0.4], atol=0.06)
    assert floor == pytest.approx(np.hypot(0.3, 0.4), abs=0.06)
    half = fraction_floor(pairs, "sim", structure, 0, ingredients=about, weights={"noise +5 %": 0.0})
    assert half[1] == pytest.approx(0.3, abs=0.05)
    assert quadratic_floor(table, about) == floor


@pytest.mark.parametrize(
    ("fraction", "low", "high", "verdict", "doubted"),
    [
        (0.5, 0.3, 0.7, Verdict.SMOOTHER, False),
        (0.7, 0.5, 0.9, Verdict.SMOOTHER, True),  # the interval reaches within the floor of 0.2
        (0.9, 0.6, 1.2, Verdict.CONSISTENT, True),
        (0.6, 0.1, 1.1, Verdict.UNDECIDED, False),  # no claim, and a distance beyond the floor
    ],
)
def test_a_difference_within_the_floor_is_doubted(tmp_path, fraction, low, high, verdict, doubted):
    write_text(
        tmp_path / "attribution.json", '{"dataset": "sim", "model": "m", "floor": 0.2, "unit": "fraction"}'
    )
    row = {
        "dataset": "sim", "structure_fraction": fraction, "structure_fraction_low": low,
        "structure_fraction_high": high, "verdict": str(verdict), "caution": "",
    }  # fmt: skip
    table = with_floors(Table(rows=[row]), [tmp_path], "m")
    assert table["systematic_floor"][0] == 0.2
    assert ("systematic floor" in table["caution"][0]) == doubted


def test_bad_input(structure):
    with pytest.raises(ValueError, match="at least two steps"):
        fraction_ladder({"ideal": mocks()}, "sim", structure, 0)
    blind = mocks().with_columns(aperture_ratio=np.full(60, np.nan))
    with pytest.raises(ValueError, match="step 'ideal' has no galaxy of 'sim' with a structure score"):
        fraction_ladder({"ideal": blind, "sky": mocks()}, "sim", structure, 0)
    renamed = mocks().with_columns(galaxy_id=[f"x{k}" for k in range(60)])
    with pytest.raises(ValueError, match="no galaxy of 'sim' has a structure score in every step"):
        fraction_ladder({"ideal": renamed, "sky": mocks()}, "sim", structure, 0)


def test_the_interval_of_a_change_is_widened_for_the_spread_of_what_each_galaxy_moves_it_by():
    """The derivative of the change by the weight of each galaxy, by differences."""
    rng = np.random.default_rng(3)
    above, below = rng.normal(size=(2, 9)), rng.uniform(0.2, 3, (2, 9)) ** 3

    def change(weight):
        first, second = (weight @ above[k] / (weight @ below[k]) for k in (0, 1))
        return second - first

    moved = np.array([(change(1 + 1e-6 * row) - change(1 - 1e-6 * row)) / 2e-6 for row in np.eye(9)])
    counts = rng.multinomial(9, np.full(9, 1 / 9), 3000)
    drawn = 1 + (above @ counts.T) / (below @ counts.T)
    found = _change(1, 0, drawn, above, below)
    tail = expanded_tail(moved, moved, 0.95)
    resampled = change(np.ones(9)) + np.sqrt(9 / 8) * (drawn[1] - drawn[0] - change(np.ones(9)))
    assert found.value == pytest.approx(change(np.ones(9)))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(resampled, [tail, 1 - tail])), rel=1e-3)


def test_the_first_step_has_the_error_of_the_headline_s_interval(structure):
    table = fraction_ladder({"ideal": mocks(), "sky": mocks(structure=0.5)}, "sim", structure, 0)
    test = structure.test(mocks())
    assert table["change"][0] == pytest.approx(test.fraction - 1)
    assert (table["change_low"][0], table["change_high"][0]) == pytest.approx((test.low - 1, test.high - 1))
    assert table["change_error"][0] == pytest.approx((test.high - test.low) / (2 * 1.959964), rel=1e-6)
