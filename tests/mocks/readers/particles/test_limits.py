"""Bounds of what a galaxy can be, each from both sides, and the small geometry that they rest on."""

import numpy as np
import pytest

from mocks.galaxy import Gas, Stars
from mocks.readers.particles.clumps import require_one_galaxy, shares_of_clumps
from mocks.readers.particles.geometry import extent, half_mass_radius, in_sphere, mass_within
from mocks.readers.particles.interpolation import on_even_grid
from mocks.readers.particles.limits import (
    SANE,
    refuse_absurd_gas,
    refuse_absurd_stars,
    refuse_negative_metallicity,
    refuse_other_catalogue,
    refuse_repeated_stars,
    unusual,
)


def stars(n=120, **changes):
    rng = np.random.default_rng(0)
    sound = {
        "position": rng.uniform(10, 90, (n, 3)),
        "mass": np.full(n, 1e6),
        "initial_mass": np.full(n, 1.5e6),
        "age": rng.uniform(1, 9, n),
        "metallicity": np.full(n, 0.02),
        "velocity": rng.normal(0, 100, (n, 3)),
        "smoothing_length": np.ones(n),
    }
    return Stars(**sound | changes)


def placed(axis, low, high, n=120):
    """Stars whose coordinates along one axis reach from one value to another."""
    position = np.random.default_rng(1).uniform(10, 90, (n, 3))
    position[:, axis] = np.linspace(low, high, n)
    return position


@pytest.mark.parametrize(
    ("allowed", "refused", "message"),
    [
        ({"mass": np.full(120, 1.01e-2), "initial_mass": np.full(120, 0.02)},
         {"mass": np.full(120, 0.99e-2), "initial_mass": np.full(120, 0.02)}, "mean mass of its star"),
        ({"mass": np.full(120, 0.99e11), "initial_mass": np.full(120, 1e11)},
         {"mass": np.full(120, 1.01e11), "initial_mass": np.full(120, 1e11)}, "mean mass of its star"),
        ({"initial_mass": np.full(120, 0.92e6)}, {"initial_mass": np.full(120, 0.9e6)}, "current over"),
        ({"initial_mass": np.full(120, 9.9e6)}, {"initial_mass": np.full(120, 10.1e6)}, "current over"),
        ({"metallicity": np.full(120, 0.099)}, {"metallicity": np.full(120, 0.101)}, "In solar units"),
        ({"metallicity": np.eye(1, 120)[0] * 0.99}, {"metallicity": np.eye(1, 120)[0] * 1.01}, "reach 1.01"),
        ({"velocity": np.eye(120, 3) * 2.99e5}, {"velocity": np.eye(120, 3) * -3.0e5}, "that of light"),
        ({"smoothing_length": np.zeros(120)}, {"smoothing_length": np.full(120, -1e-9)}, "be negative"),
        ({"position": placed(1, 3.0, 100.09)}, {"position": placed(1, 3.0, 100.11)}, "contradict each other"),
        ({"position": placed(0, -50.0, 50.0)}, {"position": placed(0, -50.1, 50.0)}, "contradict each other"),
        ({"position": placed(2, -49.0, 51.0)}, {"position": placed(2, -49.0, 51.2)}, "contradict each other"),
        ({"position": placed(0, 7.0, 7.01)}, {"position": placed(0, 7.0, 7.0)}, "x is 7 kpc for all 120"),
        ({"position": placed(2, 7.0, 7.01)}, {"position": placed(2, 7.0, 7.0)}, "z is 7 kpc for all 120"),
    ],
)  # fmt: skip
def test_absurd_stars_are_refused_beyond_the_bound_and_not_before(allowed, refused, message):
    refuse_absurd_stars("file", stars(**allowed), 100.0)
    with pytest.raises(ValueError, match=message):
        refuse_absurd_stars("file", stars(**refused), 100.0)


def test_few_stars_may_share_a_coordinate_and_one_may_be_alone():
    few = placed(0, 7.0, 7.0, 99)
    refuse_absurd_stars("file", stars(99, position=few), 100.0)
    with pytest.raises(ValueError, match="x is 7 kpc"):
        refuse_absurd_stars("file", stars(100, position=placed(0, 7.0, 7.0, 100)), None)
    with pytest.raises(ValueError, match="all 2 stars lie in one place"):
        refuse_absurd_stars("file", stars(2, position=np.ones((2, 3))), 100.0)
    refuse_absurd_stars("file", stars(1, position=np.ones((1, 3))), 100.0)
    refuse_absurd_stars("file", stars(position=placed(0, 0.0, 1e9)), None)


def test_metallicities_are_negative_by_rounding_alone():
    refuse_negative_metallicity("file", -0.9e-4)
    with pytest.raises(ValueError, match="reach down to"):
        refuse_negative_metallicity("file", -1.1e-4)


@pytest.mark.parametrize(("n", "most"), [(120, 1), (3000, 3), (5000, 5)])
def test_more_than_a_thousandth_of_repeated_stars_is_refused(n, most):
    for repeated, is_refused in ((most, False), (most + 1, True)):
        whole = stars(n)
        rows = np.append(np.arange(n - repeated), np.arange(repeated))
        twice = Stars(
            **{
                name: getattr(whole, name)[rows]
                for name in ("position", "mass", "initial_mass", "age", "metallicity")
            }
        )
        if is_refused:
            with pytest.raises(ValueError, match=f"{repeated} of {n} stars equal another"):
                refuse_repeated_stars("file", twice)
        else:
            refuse_repeated_stars("file", twice)
    for name in ("position", "mass", "age", "metallicity"):  # one of them makes a star another
        rows = np.append(np.arange(n // 2), np.arange(n // 2))
        parts = {
            each: getattr(stars(n), each)[rows]
            for each in ("position", "mass", "initial_mass", "age", "metallicity")
        }
        parts[name] = parts[name] * np.linspace(1, 1.5, n)[(...,) + (None,) * (parts[name].ndim - 1)]
        refuse_repeated_stars("file", Stars(**parts))


def test_gas_is_not_negative_and_metals_are_a_part_of_it():
    sound = {name: np.array([0.0, 1.0]) for name in ("mass", "density", "temperature", "smoothing_length")}
    refuse_absurd_gas("file", Gas(position=np.ones((2, 3)), metallicity=np.array([0.0, 1.0]), **sound))
    refuse_absurd_gas("file", Gas(position=np.ones((2, 3)), mass=np.ones(2)))
    for name in sound:
        with pytest.raises(ValueError, match=f"{name} of the gas is as low as -0.1"):
            refuse_absurd_gas("file", Gas(position=np.ones((2, 3)), **sound | {name: np.array([-0.1, 1.0])}))
    with pytest.raises(ValueError, match=r"reach 1\.1"):
        refuse_absurd_gas("file", Gas(position=np.ones((2, 3)), **sound, metallicity=np.array([1.1, 0.0])))


FOUND = {"stellar_mass": 1e10, "half_mass_radius": 4.0, "n_stars": 100}


@pytest.mark.parametrize(
    ("found", "stated", "inner", "is_whole", "message"),
    [
        ({}, {}, 0.1, True, ""),
        ({"half_mass_radius": 0.99e-2}, {}, 0.1, True, "half-mass radius is"),
        ({"half_mass_radius": 1.01e3}, {}, 0.1, True, "half-mass radius is"),
        ({"half_mass_radius": 1.01e-2}, {}, 0.1, True, ""),
        ({"half_mass_radius": 0.99e3}, {}, 0.1, True, ""),
        ({"half_mass_radius": 1e-3, "n_stars": 4}, {}, 0.1, True, ""),
        ({"half_mass_radius": 1e-3, "n_stars": 5}, {}, 0.1, True, "half-mass radius is"),
        ({}, {}, 0.0019, True, "hardly any star"),
        ({}, {}, 0.0021, True, ""),
        ({"n_stars": 99}, {}, 0.0, True, ""),
        ({}, {"stellar_mass": 1.04e10}, 0.1, True, ""),
        ({}, {"stellar_mass": 1.06e10}, 0.1, True, "the catalogue says"),
        ({}, {"stellar_mass": 0.96e10}, 0.1, True, ""),
        ({}, {"stellar_mass": 0.94e10}, 0.1, True, "the catalogue says"),
        ({}, {"stellar_mass": 9e10}, 0.1, False, ""),
        ({}, {"stellar_mass": 0.94e10}, 0.1, False, "the catalogue says"),
        ({}, {"half_mass_radius": 2.02}, 0.1, True, ""),
        ({}, {"half_mass_radius": 1.98}, 0.1, True, "by the catalogue within"),
        ({}, {"half_mass_radius": 7.9}, 0.1, True, ""),
        ({}, {"half_mass_radius": 8.1}, 0.1, True, "by the catalogue within"),
        ({}, {"half_mass_radius": 8.1}, 0.1, False, ""),
        ({}, {"half_mass_radius": 1.98}, 0.1, False, "by the catalogue within"),
        ({"n_stars": 99}, {"half_mass_radius": 1.98}, 0.1, True, ""),
    ],
)
def test_a_catalogue_must_be_that_of_its_stars(found, stated, inner, is_whole, message):
    if not message:
        refuse_other_catalogue("file", FOUND | found, stated, inner, is_whole)
        return
    with pytest.raises(ValueError, match=message):
        refuse_other_catalogue("file", FOUND | found, stated, inner, is_whole)


def test_unusual_numbers_are_named_on_both_sides():
    for name, (low, high) in SANE.items():
        assert unusual({name: low}) == unusual({name: high}) == []
        assert unusual({name: 0.99 * low}) == [f"{name} is {0.99 * low:.3g}, usual is {low:g} to {high:g}"]
        assert len(unusual({name: 1.01 * high, "median age [Gyr]": np.nan})) == 2 - (
            name == "median age [Gyr]"
        )


def clumps(*counts, seed=0):
    """Gaussian clumps of unit width far from each other."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.normal(size=(n, 3)) + np.array([1000.0 * k, 0, 0]) for k, n in enumerate(counts)]
    )


def test_clumps_have_their_shares_of_the_mass():
    shares = shares_of_clumps(clumps(400, 100), np.repeat([1.0, 8.0], [400, 100]))
    assert shares[0] == pytest.approx(1 / 3, abs=0.02)  # by falling number, whatever their mass
    assert shares[1] == pytest.approx(2 / 3, abs=0.02)
    assert shares_of_clumps(clumps(39), np.ones(39)).size == 0
    assert shares_of_clumps(clumps(40), np.ones(40)).size >= 1
    assert shares_of_clumps(np.ones((50, 3)), np.ones(50)).tolist() == [1]
    stacked = np.concatenate([np.zeros((60, 3)), 1000 + np.zeros((40, 3))])  # each clump in one place
    assert shares_of_clumps(stacked, np.ones(100)).tolist() == [0.6, 0.4]
    many = clumps(9000, 3000)  # of which every third is looked at
    assert shares_of_clumps(many, np.ones(12000))[:2] == pytest.approx([0.75, 0.25], abs=0.03)


@pytest.mark.parametrize(("counts", "is_one"), [((400, 36), True), ((400, 60), False), ((400,), True)])
def test_clumps_beside_the_main_one_hold_a_tenth_at_most(counts, is_one):
    position = clumps(*counts)
    if is_one:
        require_one_galaxy("file", position, np.ones(len(position)))
    else:
        with pytest.raises(ValueError, match="its stars are in 2 clumps"):
            require_one_galaxy("file", position, np.ones(len(position)))


def test_interpolation_is_that_of_numpy_and_holds_the_ends():
    table, x = np.random.default_rng(2).normal(size=9), np.linspace(-3, 4, 60).reshape(3, 20)
    grid = -1 + 0.5 * np.arange(9)
    np.testing.assert_allclose(on_even_grid(x, -1.0, 0.5, table), np.interp(x, grid, table))
    falling = 1 - 0.5 * np.arange(9)
    expected = np.interp(x, falling[::-1], table[::-1])
    np.testing.assert_allclose(on_even_grid(x, 1.0, -0.5, table), expected, atol=1e-12)
    assert np.isnan(on_even_grid(np.nan, -1.0, 0.5, table))
    assert on_even_grid(3.0, -1.0, 0.5, table) == table[-1]


@pytest.mark.parametrize("box", [None, 10.0])
def test_particles_in_a_sphere_across_the_edge(box):
    position, centre = np.random.default_rng(3).uniform(0, 10, (500, 3)), np.array([0.3, 9.8, 5.0])
    away = position - centre
    if box:
        away -= box * np.round(away / box)
    expected = np.linalg.norm(away, axis=1) <= 3.0
    assert 10 < expected.sum() < 200
    np.testing.assert_array_equal(in_sphere(position.T.copy(), centre, 3.0, box), expected)
    position[0] = np.nan
    assert in_sphere(position.T.copy(), centre, 3.0, box)[0]


def test_mass_and_extent_of_particles():
    rng = np.random.default_rng(4)
    position, mass = rng.normal(size=(301, 3)), rng.uniform(1, 2, 301)
    radius = np.linalg.norm(position, axis=1)
    assert mass_within(position, mass, 1.2) == pytest.approx(mass[radius <= 1.2].sum())
    low, high = extent(position)
    assert (low == position.min(axis=0)).all()
    assert (high == position.max(axis=0)).all()
    order = np.argsort(radius)
    enclosed = np.cumsum(mass[order])
    half = np.interp(0.5 * mass.sum(), enclosed, radius[order])
    assert half_mass_radius(position, mass) == pytest.approx(half, rel=5e-3)
    assert half_mass_radius(1e9 * position, mass) == pytest.approx(1e9 * half, rel=5e-3)
