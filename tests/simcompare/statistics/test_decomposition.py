"""Parts of a difference that are known because they were put in."""

import numpy as np
import pytest

from simcompare.statistics.decomposition import Galaxies, learn_numbers


def galaxies(rng, n, shift=0.0, other=0.0, extra=0.0):
    """The score goes with the first number by 0.6, with the second not at all, both with brightness."""
    conditions = rng.normal(size=(n, 2))
    first, second = rng.normal(shift, 1, n), rng.normal(other, 1, n)
    numbers = np.column_stack([first + 2 * conditions[:, 0], second - conditions[:, 1]])
    return Galaxies(0.6 * first + 0.8 * rng.normal(size=n) + extra, numbers, conditions)


def test_the_part_of_each_number_is_found():
    rng = np.random.default_rng(0)
    learned = learn_numbers(galaxies(rng, 1000), rng)
    first, second = learned.decompose(galaxies(rng, 500, shift=-1, other=0.7), rng)
    assert first.difference == pytest.approx(-1, abs=0.15)
    assert first.carried == pytest.approx(-0.6, abs=0.12)
    assert first.low < 1 < first.high
    assert first.p_value < 1e-10
    assert second.difference == pytest.approx(0.7, abs=0.15)  # differs, and carries nothing
    assert second.carried == pytest.approx(0, abs=0.06)
    assert abs(second.share) < 0.1


def test_what_goes_with_no_number_is_left():
    rng = np.random.default_rng(1)
    learned = learn_numbers(galaxies(rng, 1000), rng)
    first, second = learned.decompose(galaxies(rng, 500, shift=-1, extra=-0.6), rng)
    assert first.share == pytest.approx(0.5, abs=0.1)
    assert first.low < 0.5 < first.high
    assert abs(second.share) < 0.1


def test_errors_are_those_of_repeated_samples():
    rng = np.random.default_rng(2)
    found = [
        learn_numbers(galaxies(rng, 100), rng).decompose(galaxies(rng, 40, shift=-1), rng, 100)[0]
        for _ in range(60)
    ]
    scatter = np.std([each.carried for each in found])
    assert np.mean([each.carried_error for each in found]) == pytest.approx(scatter, rel=0.3)
    holds = np.mean([each.low <= 1 <= each.high for each in found])
    assert 0.86 <= holds <= 1


def test_equal_samples_differ_in_five_per_cent():
    rng = np.random.default_rng(3)
    p_values = [learn_numbers(galaxies(rng, 100), rng).p_values(galaxies(rng, 20)) for _ in range(150)]
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.09


def test_too_few_galaxies_are_refused():
    rng = np.random.default_rng(4)
    with pytest.raises(ValueError, match="needs 20"):
        learn_numbers(galaxies(rng, 12), rng)
