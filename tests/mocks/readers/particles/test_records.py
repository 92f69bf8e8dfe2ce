"""Columns gathered, stars made and galaxies assembled, against numpy and formulae."""

import numpy as np
import pytest
from astropy import constants
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM

from mocks.galaxy import Gas, Stars
from mocks.readers.particles.gathering import Part, gather
from mocks.readers.particles.mass_loss import remaining_mass_fraction
from mocks.readers.particles.records import (
    BY_PLACE,
    assemble,
    check_ages,
    gas_temperature,
    make_stars,
    require_finite,
    require_shapes,
)


@pytest.mark.parametrize(
    ("electrons", "particles_per_proton"),
    [(0.0, 0.76 + 0.24 / 4), (1.0, 2 * 0.76 + 0.24 / 4), (1 + 0.12 / 0.76, 2 * 0.76 + 3 * 0.24 / 4)],
)
def test_temperature_of_neutral_and_of_ionised_gas(electrons, particles_per_proton):
    """u = 3/2 k T over the mean mass of a particle, for 76 % of hydrogen by mass, the rest helium."""
    energy = 1.5 * constants.k_B * 12_000 * u.K * particles_per_proton / constants.m_p
    found = gas_temperature(np.array([energy.to_value((u.km / u.s) ** 2)]), np.array([electrons]))
    assert found[0] == pytest.approx(12_000, rel=2e-6)


def test_ages_below_zero_by_rounding_are_zero():
    assert check_ages("file", np.array([-1.9e-3, 0.5])).tolist() == [0, 0.5]
    with pytest.raises(ValueError, match="1 of 3 stars are not yet born"):
        check_ages("file", np.array([-2.1e-3, 0.5, 1.0]))
    with pytest.raises(ValueError, match="2 of 3 stars"):
        check_ages("file", np.array([np.nan, -1.0, 1.0]))
    assert len(check_ages("file", np.zeros(0))) == 0


def test_columns_must_be_finite_and_of_one_length():
    whole = {"position": np.zeros((3, 3)), "mass": np.ones(3), "velocity": None}
    require_shapes("file", whole)
    require_finite("file", **whole)
    for changed, message in (
        ({"mass": np.ones(2)}, "unequal length"),
        ({"mass": np.float64(1)}, "unequal length"),
        ({"position": np.zeros((3, 2))}, "not \\(n, 3\\)"),
        ({"velocity": np.zeros(3)}, "not \\(n, 3\\)"),
    ):
        with pytest.raises(ValueError, match=message):
            require_shapes("file", whole | changed)
    with pytest.raises(ValueError, match="2 of 3 values of mass are NaN"):
        require_finite("file", mass=np.array([np.nan, 1, np.inf]))
    require_finite("file", mass=np.full(3, 1e308))  # the sum is infinite and no number is


def columns(n=6):
    rng = np.random.default_rng(0)
    return {
        "position": rng.normal(size=(n, 3)), "mass": np.arange(n) + 1.0, "age": np.linspace(1, 9, n),
        "metallicity": np.full(n, 0.02), "initial_mass": 2 * (np.arange(n) + 1.0),
    }  # fmt: skip


def test_stars_are_made_and_what_was_corrected_is_said():
    stars, notes = make_stars("file", columns())
    assert notes == ()
    assert stars.velocity is None
    without = columns() | {"initial_mass": None}
    stars, notes = make_stars("file", without, "salpeter")
    left = remaining_mass_fraction(without["age"], without["metallicity"], "salpeter")
    np.testing.assert_allclose(stars.initial_mass, without["mass"] / left)
    assert notes[0].endswith("(salpeter)")
    few = columns()
    few["mass"][1], few["initial_mass"][4] = 0, 0
    few["metallicity"][[0, 5]] = -1e-9
    few["photometry"] = np.arange(48.0).reshape(6, 8)
    stars, notes = make_stars("file", few)
    assert stars.mass.tolist() == [1, 3, 4, 6]
    assert stars.metallicity.tolist() == [0, 0.02, 0.02, 0]
    assert notes == ("2 star particles without mass left out", "2 negative metallicities set to 0")
    assert list(stars.photometry) == ["U", "B", "V", "K", "g", "r", "i", "z"]
    assert stars.photometry["r"].tolist() == [5, 21, 29, 45]
    for change, message in (
        ({"mass": np.zeros(6)}, "no stars with mass"),
        ({"mass": np.array([-1.0, 1, 1, 1, 1, 1])}, "negative stellar masses"),
        ({name: values[:0] for name, values in columns().items()}, "has no stars"),
        ({"metallicity": np.full(6, -0.01)}, "reach down to"),
    ):
        with pytest.raises(ValueError, match=message):
            make_stars("file", columns() | change)


def test_a_galaxy_is_centred_unwrapped_and_at_rest():
    """Across the edge of a box of 100 kpc; the bulk motion is weighted by the mass of the stars."""
    rng = np.random.default_rng(1)
    offset, mass = rng.normal(0, 3, (200, 3)), rng.uniform(1e6, 3e6, 200)
    centre, speed = np.array([99.0, 1.0, 50.0]), rng.normal(0, 50, (200, 3)) + np.array([300.0, 0, -20])
    whole = {
        "mass": mass,
        "initial_mass": 1.5 * mass,
        "age": rng.uniform(1, 9, 200),
        "metallicity": np.full(200, 0.02),
    }
    gas = Gas(position=(centre + offset[:5]) % 100, mass=np.ones(5), velocity=speed[:5].copy())
    identity = {
        "simulation": "toy",
        "snapshot": 1,
        "subhalo_id": 3,
        "redshift": 0.1,
        "cosmology": FlatLambdaCDM(70, 0.3),
    }

    def made(**options):
        stars = Stars(position=(centre + offset) % 100, velocity=speed.copy(), **whole)
        told = {
            "gas": gas,
            "centre": centre,
            "box_size": 100.0,
            "properties": {"redness": 2},
            "notes": ("first",),
        }
        return assemble("file", stars=stars, **(told | options), **identity)

    found = made()
    np.testing.assert_allclose(found.stars.position, offset, atol=1e-9)
    bulk = np.average(speed, axis=0, weights=mass)
    np.testing.assert_allclose(found.stars.velocity, speed - bulk, atol=1e-9)
    np.testing.assert_allclose(found.gas.position, offset[:5], atol=1e-9)
    np.testing.assert_allclose(found.gas.velocity, speed[:5] - bulk, atol=1e-9)
    told = found.properties
    assert [told[f"box_{axis}"] for axis in "xyz"] == [99.0, 1.0, 50.0]
    assert (told["box_size"], told["n_stars"], told["redness"]) == (100, 200, 2)
    assert told["stellar_mass"] == pytest.approx(mass.sum())
    radius = np.sort(np.linalg.norm(offset, axis=1))
    assert radius[60] < told["half_mass_radius"] < radius[140]
    assert found.notes == ("first",)
    searched = made(centre=None, gas=None, box_size=None)
    assert searched.notes[1] == "centre found by a shrinking sphere on the stars"
    assert "box_x" not in searched.properties
    outside = made(centre=centre + 100)
    assert outside.properties["box_x"] == pytest.approx(99.0)
    with pytest.raises(ValueError, match="the catalogue says"):
        made(properties={"stellar_mass": 3 * mass.sum()})
    assert (
        made(properties={"stellar_mass": 3 * mass.sum()}, chosen=BY_PLACE).properties["stellar_mass"]
        == 3 * mass.sum()
    )


@pytest.mark.parametrize("kind", ["f4", "f8", "i4"])
def test_parts_of_several_files_are_joined_and_scaled(kind):
    rng = np.random.default_rng(2)
    parts, expected = [], {"mass": [], "position": [], "spread": [], "identity": [], "wide": []}
    for n, rows in ((5, None), (7, np.array([6, 0, 3])), (4, np.array([], int))):
        mass, position = rng.integers(1, 90, n).astype(kind), rng.integers(1, 90, (n, 3)).astype(kind)
        x, y, z = rng.integers(1, 90, (3, n)).astype(kind)
        wide = rng.integers(1, 90, (n, 5)).astype(kind)
        identity = rng.integers(-90, 90, n)
        made = {
            "mass": (mass,),
            "position": (position,),
            "spread": (x, y, z),
            "identity": (identity,),
            "wide": (wide,),
        }
        if n == 5:
            made["extra"] = (mass,)
        parts.append(Part(made, rows))
        use = slice(None) if rows is None else rows
        for name, values in (("mass", mass), ("position", position), ("wide", wide)):
            expected[name].append(values[use])
        expected["spread"].append(np.stack([x, y, z], axis=1)[use])
        expected["identity"].append(np.abs(identity[use]))
    found = gather(parts, {"mass": 2.0, "position": 0.5, "spread": 3.0, "wide": 4.0})
    assert set(found) == set(expected)
    for name, values in expected.items():
        factor = {"mass": 2.0, "position": 0.5, "spread": 3.0, "wide": 4.0}.get(name, 1.0)
        np.testing.assert_array_equal(found[name], np.concatenate(values) * factor)
    assert [len(part) for part in parts] == [5, 3, 0]
    assert "extra" in gather(parts[:1])
    some = parts[1].select(np.array([True, False, True]))
    assert some.rows.tolist() == [6, 3]
    assert some.values("mass").tolist() == parts[1].columns["mass"][0][[6, 3]].tolist()
    assert parts[0].select(np.arange(5) > 2).rows.tolist() == [3, 4]
    assert parts[0].select(np.ones(5, bool)) is parts[0]
    assert len(Part({})) == 0
    assert gather([]) == {}
