"""Places on the sky: one object is on one side of a split, in every set and under every name."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from simcompare.images.positions import (
    SAME_OBJECT,
    TakenPlaces,
    match_places,
    near_pairs,
    place_problem,
    repeats,
    separation,
)
from simcompare.images.splits import SPLITS, _cell, assign_split, deal_folds, split_of_place


def test_splits_are_deterministic_and_have_their_fractions():
    ids = [f"g{i}" for i in range(4000)]
    settings = {"seed": 3, "fractions": (0.7, 0.2, 0.1)}
    splits = np.array([assign_split(item, **settings) for item in ids])
    assert [assign_split(item, **settings) for item in ids[:50]] == splits[:50].tolist()
    for name, fraction in zip(SPLITS, (0.7, 0.2, 0.1), strict=True):
        assert np.mean(splits == name) == pytest.approx(fraction, abs=0.03)
    assert (splits != [assign_split(item, seed=4, fractions=(0.7, 0.2, 0.1)) for item in ids]).any()
    with pytest.raises(ValueError, match="sum to 1"):
        assign_split("a", fractions=(0.5, 0.1, 0.1))


def places(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def test_splits_by_place_have_their_fractions_and_little_is_lost_in_seams():
    sides = [split_of_place(ra, dec, 3, (0.7, 0.2, 0.1)) for ra, dec in zip(*places(3000), strict=True)]
    for name, fraction in zip(SPLITS, (0.7, 0.2, 0.1), strict=True):
        assert np.mean([side == name for side in sides]) == pytest.approx(fraction, abs=0.03)
    # A seam of 3 arcsec along the sides of cells of 6 arcmin, where the neighbour is of another split.
    assert np.mean([side is None for side in sides]) == pytest.approx(2 * 3 / 360 * (1 - 0.54), abs=0.006)


def test_two_positions_of_one_object_never_fall_on_unlike_sides():
    rng = np.random.default_rng(1)
    near_seams = np.array([180 / 3600 * np.arange(400), np.full(400, 0.1)])
    corners = [[10.0, 359.9999], [89.9999, -10.0]]
    ra, dec = np.concatenate([near_seams, np.stack(places(400)), corners], axis=1)
    for i in range(len(ra)):
        angle, distance = rng.uniform(0, 2 * np.pi), 0.99 * SAME_OBJECT / 3600 * rng.uniform() ** 0.5
        other_dec = np.clip(dec[i] + distance * np.sin(angle), -90, 90)
        other_ra = ra[i] + distance * np.cos(angle) / np.cos(np.deg2rad(max(abs(dec[i]), abs(other_dec))))
        sides = {split_of_place(ra[i], dec[i], 5), split_of_place(other_ra, other_dec, 5)} - {None}
        assert len(sides) <= 1


def test_split_by_place_does_not_mind_turns():
    for ra, dec in zip(*places(20), strict=True):
        assert split_of_place(ra, dec, 2) == split_of_place(ra - 360, dec, 2)


def test_taken_places_are_found_across_the_right_ascension_origin_and_at_the_pole():
    seen = TakenPlaces()
    seen.add("a", 359.9999, 10.0)
    seen.add("d", 10.0, 89.9999)
    assert seen.holds("b", 0.0001, 10.0)
    assert not seen.holds("c", 0.002, 10.0)
    assert seen.holds("e", 190.0, 89.9999)
    assert seen.holds("a", 50.0, 50.0)
    assert not seen.holds("f", np.nan, np.nan)


def test_repeats_are_counted_between_groups_alone():
    ra = np.array([359.9999, 10.0, 10.0, 0.0001, np.nan])
    dec = np.array([10.0, 5.0, 5.0, 10.0, 5.0])
    np.testing.assert_array_equal(repeats(ra, dec, [0, 0, 0, 1, 1]), [False, False, False, True, False])
    assert not repeats(np.full(3, np.nan), np.full(3, np.nan), [0, 1, 2]).any()


def test_places_are_matched_across_the_meridian_and_at_the_pole():
    second = 1 / 3600
    index, distance, near = match_places(
        [359.9999, 0.0, 10.0, np.nan],
        [0.0, 90.0 - second, 5.0, np.nan],
        [0.0001, 180.0],
        [0.0, 90.0 - second],
        2.5,
    )
    assert index.tolist() == [0, 1, -1, -1]
    np.testing.assert_allclose(distance, [0.72, 2.0, np.nan, np.nan], rtol=1e-3)
    assert near.tolist() == [1, 1, 0, 0]


def test_a_row_is_given_to_the_nearest_place_alone():
    index, _, near = match_places([10.0, 10.0], [0.0, 0.9 / 3600], [10.0], [0.5 / 3600], 2.0)
    assert (index.tolist(), near.tolist()) == ([-1, 0], [1, 1])
    assert match_places([10.0], [0.0], [], [], 2.0)[0].tolist() == [-1]


def test_folds_are_of_equal_size_and_keep_neighbours_fields_and_names_together():
    rng = np.random.default_rng(0)
    ra, dec = places(120, seed=4)  # far from each other
    ra[60:80], dec[60:80] = 10 + rng.uniform(-0.02, 0.02, 20), 5 + rng.uniform(-0.02, 0.02, 20)
    fields = np.array([""] * 80 + ["94-1-12"] * 30 + [""] * 10)
    names = np.array([f"g{i}" for i in range(120)])
    ra[115:], dec[115:], names[115:] = np.nan, np.nan, ["g0", "g1", "alone", "lost", "g65"]
    folds = deal_folds(names, ra, dec, fields, 3)
    assert np.bincount(folds).tolist() == [40, 40, 40]
    assert len(set(folds[60:80])) == len(set(folds[80:110])) == 1
    assert folds[[0, 1, 65]].tolist() == folds[[115, 116, 119]].tolist()
    order = rng.permutation(120)
    again = deal_folds(names[order], ra[order], dec[order], fields[order], 3)
    assert len(set(zip(folds[order], again, strict=True))) == 3  # whatever the order, but for their numbers


def test_a_chain_of_neighbours_is_one_group_and_the_next_cell_another():
    dec = 5 / 60 * np.arange(8)  # each within 6 arcmin of the next
    apart = np.append(dec, dec[-1] + 6.5 / 60)
    folds = deal_folds([f"g{i}" for i in range(9)], np.zeros(9), apart, [""] * 9, 2)
    assert len(set(folds[:8])) == 1
    assert folds[8] != folds[0]


@pytest.mark.parametrize(("n_folds", "found"), [(1, "6 separate"), (7, "6 separate regions.* into 7 folds")])
def test_too_few_regions_for_the_folds_are_refused(n_folds, found):
    with pytest.raises(ValueError, match=found):
        deal_folds([f"g{i}" for i in range(6)], 20.0 * np.arange(6), np.zeros(6), [""] * 6, n_folds)


@pytest.mark.parametrize(
    ("ra", "dec", "problem"),
    [
        (np.nan, np.nan, ""), (10.0, np.nan, "incomplete"), (np.nan, 10.0, "incomplete"),
        (-180.0, 0.0, ""), (-180.1, 0.0, "on the sky"), (360.0, 0.0, ""), (360.1, 0.0, "on the sky"),
        (0.0, -90.0, ""), (0.0, -90.1, "on the sky"), (0.0, 90.0, ""), (0.0, 90.1, "on the sky"),
        (np.inf, 0.0, "on the sky"),
    ],
)  # fmt: skip
def test_what_is_no_place_on_the_sky(ra, dec, problem):
    found = place_problem(ra, dec)
    assert problem in found
    assert bool(found) == bool(problem)


def around(n, rng, ra=150.0, dec=60.0, arcsec=2.0):
    """Places some arcsec about one place: offsets by astropy."""
    middle = SkyCoord(ra * u.deg, dec * u.deg)
    angle, reach = rng.uniform(0, 360, n) * u.deg, arcsec * np.abs(rng.normal(size=n)) * u.arcsec
    return middle.directional_offset_by(angle, reach)


@pytest.mark.parametrize(("ra", "dec"), [(150.0, 60.0), (0.0, -30.0), (77.0, 89.9999)])
def test_distances_matches_and_pairs_are_those_of_astropy(ra, dec):
    rng = np.random.default_rng(2)
    places, others = around(40, rng, ra, dec), around(25, rng, ra, dec)
    apart = places[:, None].separation(others[None]).to_value(u.arcsec)
    for k in (0, 7):
        one = separation(places.ra.deg, places.dec.deg, others[k].ra.deg, others[k].dec.deg)
        np.testing.assert_allclose(3600 * one, apart[:, k], rtol=1e-5, atol=1e-6)
    index, distance, near = match_places(places.ra.deg, places.dec.deg, others.ra.deg, others.dec.deg, 1.0)
    np.testing.assert_array_equal(near, (apart <= 1.0).sum(axis=1))
    nearest = apart.argmin(axis=1)
    for i in range(40):
        rivals = np.flatnonzero((nearest == nearest[i]) & (apart.min(axis=1) < apart[i].min()))
        if apart[i].min() > 1 or len(rivals):
            assert index[i] == -1
            assert np.isnan(distance[i])
        else:
            assert index[i] == nearest[i]
            assert distance[i] == pytest.approx(apart[i].min(), rel=1e-5)
    both = np.append(places.ra.deg, np.nan), np.append(places.dec.deg, 1.0)
    among = places[:, None].separation(places[None]).to_value(u.arcsec)
    expected = {(i, j) for i in range(40) for j in range(i) if among[i, j] <= 1.0}
    assert {tuple(sorted(pair, reverse=True)) for pair in near_pairs(*both, 1.0).tolist()} == expected
    assert near_pairs([np.nan], [np.nan], 1.0).shape == (0, 2)
    unknown = match_places(*both, others.ra.deg, others.dec.deg, 1.0)
    assert (unknown[0][-1], unknown[2][-1]) == (-1, 0)
    assert (match_places(*both, [], [], 1.0)[0] == -1).all()


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 0.0), (123.4, -56.7), (201.0, 89.99)])
def test_a_place_is_taken_within_three_arcsec_in_every_direction(ra, dec):
    middle = SkyCoord(ra * u.deg, dec * u.deg)
    taken = TakenPlaces()
    taken.add("first", ra, dec)
    for angle in np.arange(0, 360, 15):
        near, far = (middle.directional_offset_by(angle * u.deg, r * u.arcsec) for r in (2.9998, 3.0002))
        assert "within 3.0 arcsec" in taken.holds("other", near.ra.deg, near.dec.deg)
        assert taken.holds("other", far.ra.deg, far.dec.deg) == ""
        assert "of this name" in taken.holds("first", far.ra.deg, far.dec.deg)
    assert taken.holds("other", np.nan, np.nan) == ""
    taken.add("nowhere", np.nan, np.nan)
    assert "of this name" in taken.holds("nowhere", np.nan, np.nan)


def test_the_row_of_cells_at_the_pole_is_not_that_below():
    """1800 rows of 6 arcmin: the northernmost holds the pole."""
    assert _cell(0.0, 90.0) == _cell(0.0, 89.95) == "1799/0"
    assert _cell(0.0, 89.85).startswith("1798/")
    assert _cell(0.0, -90.0) == "0/0"


def test_seams_reach_half_the_separation_of_one_object_to_both_sides():
    """Seams of 1.5 arcsec to each side: rows every 0.1 degrees, and 3599 whole cells in the first of them."""
    half = SAME_OBJECT / 2 / 3600
    for width, place in (
        (360 / 3599, lambda seam, off: (seam + off, 0.05)),
        (0.1, lambda seam, off: (10.05, seam + off)),
    ):
        found = 0
        for k in range(1, 60):
            sides = [split_of_place(*place(k * width, 5 * side * half)) for side in (-1, 1)]
            if sides[0] == sides[1]:
                continue
            found += 1
            for share in (-1.1, -0.9, -0.1, 0.1, 0.9, 1.1):
                expected = sides[int(share > 0)] if abs(share) > 1 else None
                assert split_of_place(*place(k * width, share * half)) == expected
        assert found > 5
