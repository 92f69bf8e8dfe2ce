import numpy as np
import pytest

from simcompare.statistics.contrast import weighted_mean
from simcompare.statistics.fields import group_fields, join_fields, shared_fields, variance_of_fields
from simcompare.statistics.structure import fit_reference


def test_galaxies_of_one_frame_are_one_field_and_unknown_places_each_their_own():
    """Two SDSS frames ten degrees apart, one across 0 h, and two galaxies without a place."""
    ra = np.array([359.95, 0.05, 10.0, np.nan, 10.1, np.nan])
    dec = np.array([0.0, 0.1, 30.0, np.nan, 30.1, 5.0])
    fields = group_fields(ra, dec)
    assert fields[0] == fields[1] != fields[2] == fields[4]
    assert len(set(fields.tolist())) == 4


def test_a_wide_sample_is_many_fields():
    """Galaxies every 0.1 degrees along 20 degrees: no field is longer than the radius of 0.5 degrees."""
    dec = np.arange(0, 20, 0.1)
    fields = group_fields(np.full(200, 150.0), dec)
    lengths = [np.ptp(dec[fields == each]) for each in np.unique(fields)]
    assert max(lengths) <= 0.5 + 1e-9
    assert 20 / 0.6 - 1 <= len(lengths) <= 20 / 0.5 + 1


def test_a_data_set_takes_the_number_of_the_field_it_shares_with_the_reference():
    real = np.array([10.0, 50.0, 90.0]), np.array([0.0, 0.0, 0.0])
    numbers = group_fields(*real)
    ours = join_fields(
        np.array([50.2, 70.0, np.nan, 70.3]), np.array([0.1, 0.0, np.nan, 0.0]), *real, numbers
    )
    assert ours[0] == numbers[1]
    assert ours[1] == ours[3]
    assert len({*numbers.tolist(), *ours.tolist()}) == 5


def test_variance_between_fields_is_that_which_was_put_in():
    """0.5^2 over 4000 fields of unequal size, inside unit scatter; none where nothing was put in."""
    rng = np.random.default_rng(0)
    fields = np.repeat(np.arange(4000), rng.integers(1, 9, 4000))
    weight = rng.uniform(0.2, 3.0, len(fields))
    noise = rng.normal(size=len(fields))
    shift = 0.5 * rng.normal(size=4000)[fields]
    assert variance_of_fields(noise + shift, weight, fields) == pytest.approx(0.25, abs=0.02)
    assert variance_of_fields(noise, weight, fields) < 0.02


def test_too_few_fields_tell_nothing():
    fields = np.repeat(np.arange(4), 5)
    assert variance_of_fields(np.repeat([-1.0, 1.0, -1.0, 1.0], 5), np.ones(20), fields) == 0


def test_shares_of_fields_by_hand():
    """A data set is 3:1 in two fields; the reference has 1/5 of itself in the first: 0.55^2 + 0.25^2."""
    share = shared_fields(
        np.array([2.0, 1.0, 1.0]), np.array([7, 7, 9]), np.full(5, 2.0), np.array([7, 1, 2, 3, 4])
    )
    assert share == pytest.approx(0.55**2 + 0.25**2)


def _sample(rng, n_fields, n_each):
    """Scores with a shift of 0.6 common to a field."""
    x = rng.normal(size=(n_fields * n_each, 2))
    fields = np.repeat(np.arange(n_fields), n_each)
    return rng.normal(size=len(x)) + 0.6 * rng.normal(size=n_fields)[fields], x, fields


def test_galaxies_of_one_unseen_field_raise_no_more_alarms_than_any():
    rng, p_values, naive = np.random.default_rng(1), [], []
    for _ in range(300):
        score, x, fields = _sample(rng, 21, 15)
        unseen = fields == 20
        unknown = np.full((~unseen).sum(), np.nan), np.full(((~unseen).sum(), 2), np.nan)
        real = fit_reference(score[~unseen], x[~unseen], *unknown, rng, fields[~unseen])
        z = real.model.z(score[unseen], x[unseen])
        p_values.append(real.test(z, x[unseen], fields=fields[unseen]).p_value)
        naive.append(real.test(z, x[unseen]).p_value)
    assert np.mean(np.array(naive) < 0.05) > 0.25
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.08


def test_the_error_of_galaxies_of_one_field_by_hand():
    """Fifteen galaxies of one field: (s^2 - t^2) / 15 + t^2 instead of s^2 / 15."""
    rng = np.random.default_rng(2)
    score, x, fields = _sample(rng, 20, 15)
    unknown = np.full(300, np.nan), np.full((300, 2), np.nan)
    real = fit_reference(score, x, *unknown, rng, fields)
    z, seen = rng.normal(size=15), rng.normal(size=(15, 2))
    alone, together = real.test(z, seen), real.test(z, seen, fields=np.full(15, 99))
    t2 = variance_of_fields(real.z - real.z.mean(), np.ones(300), fields)
    assert t2 > 0.1
    assert together.error**2 - alone.error**2 == pytest.approx(t2 * (1 - 1 / 15))
    assert together.z_weighted == alone.z_weighted
    assert weighted_mean(real.z, np.ones(300))[1] ** 2 / 15 < alone.error**2 < together.error**2


def test_pairs_of_galaxies_are_fields_too_and_some_scatter_is_always_within():
    """Five pairs that agree: between them is all the variance, of which 0.9 counts."""
    values = np.repeat([-2.0, -1.0, 0.0, 1.0, 2.0], 2)
    fields = np.repeat(np.arange(5), 2)
    _, spread, _ = weighted_mean(values, np.ones(10))
    assert variance_of_fields(values, np.ones(10), fields) == pytest.approx(0.9 * spread**2)
    # Each pair misses by one: 2 (v + 1)(v - 1) = 2 (v^2 - 1), the mean over the pairs 2 - 1.
    apart = values + np.tile([1.0, -1.0], 5)
    assert variance_of_fields(apart, np.ones(10), fields) == pytest.approx(1.0)


def test_a_reference_or_a_data_set_without_places_shares_no_field():
    unknown, ra = np.full(3, np.nan), np.array([10.0, 10.1, 50.0])
    here = group_fields(ra, ra)
    assert not set(join_fields(unknown, unknown, ra, ra, here).tolist()) & set(here.tolist())
    nowhere = group_fields(unknown, unknown)
    assert not set(join_fields(ra, ra, unknown, unknown, nowhere).tolist()) & set(nowhere.tolist())
