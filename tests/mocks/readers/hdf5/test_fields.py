"""Stars and gas from columns as they were read: what is left out, and sizes of gas cells, by hand."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from mocks.readers.hdf5.fields import gas_from_parts, stars_from_parts
from mocks.readers.particles.gathering import Part

COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)
FACTORS = {name: (name.capitalize(), 1.0) for name in ("position", "mass", "birth", "metallicity")}


def part(birth):
    n = len(birth)
    columns = {"position": np.zeros((n, 3)), "mass": np.ones(n), "metallicity": np.full(n, 0.02)}
    return Part({name: (values,) for name, values in columns.items()} | {"birth": (np.array(birth),)})


def stars(*births):
    return stars_from_parts("file", [part(birth) for birth in births], FACTORS, 1.0, COSMOLOGY)


def test_wind_is_counted_and_left_out():
    found, notes = stars([0.5, -0.3, 0.0, 0.7], [-0.1, 0.9])
    assert len(found) == 3
    assert notes[0] == "3 wind-phase particles (no birth time) left out"
    expected = [COSMOLOGY.lookback_time(1 / a - 1).value for a in (0.5, 0.7, 0.9)]
    assert found.age == pytest.approx(expected, abs=1e-3)
    alone, notes = stars([-0.5, 0.5])
    assert len(alone) == 1
    assert notes[0].startswith("1 wind-phase")
    assert not any("wind" in note for note in stars([0.5])[1])


def test_a_galaxy_of_wind_alone_or_of_nothing_has_no_stars():
    with pytest.raises(ValueError, match="has no stars, only 2 wind-phase particles"):
        stars([-0.5], [0.0])
    with pytest.raises(ValueError, match=r"has no stars\.$"):
        stars([])


@pytest.mark.parametrize("given", [{}, {"smoothing_length": 7.0}, {"cell_size": 5.0}])
def test_gas_without_a_size_has_the_radius_of_a_ball_of_its_density(given):
    mass, density = np.array([8.0, 27.0]), np.array([3 / (4 * np.pi), 3 / (4 * np.pi)])
    columns = {"position": np.zeros((2, 3)), "mass": mass, "density": density}
    columns |= {name: np.full(2, value) for name, value in given.items()}
    factors = {name: (name, 1.0) for name in columns}
    gas = gas_from_parts("file", [Part({name: (values,) for name, values in columns.items()})], factors)
    expected = list(given.values()) * 2 if given else [2.0, 3.0]
    assert gas.smoothing_length == pytest.approx(expected)


def test_gas_without_density_has_no_size():
    columns = {"position": (np.zeros((2, 3)),), "mass": (np.ones(2),)}
    assert (
        gas_from_parts("file", [Part(columns)], {name: (name, 1.0) for name in columns}).smoothing_length
        is None
    )
