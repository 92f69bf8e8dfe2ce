"""A mock in the sky of its parent: nothing changes outside the aperture, and noise is noise all over."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.synthetic.surroundings import EDGE, aperture_share, in_real_surroundings

SIZE = 64


def _row(petrosian, axis_ratio=0.6, angle=0.5):
    names = ("centre_x", "centre_y", "petrosian_radius", "axis_ratio", "position_angle")
    return Table(rows=[(32.0, 31.0, petrosian, axis_ratio, angle)], names=names)


def test_share_is_one_in_the_galaxy_and_nothing_outside_its_aperture():
    share = aperture_share(_row(10.0), SIZE, 1.0)
    y, x = np.indices(share.shape)
    dx, dy = x - 32, y - 31
    major, minor = dx * np.cos(0.5) + dy * np.sin(0.5), dy * np.cos(0.5) - dx * np.sin(0.5)
    radius = np.hypot(major, minor / 0.6)
    assert (share[radius > 15.8] == 0).all()
    assert (share[radius < 15 - EDGE / 0.6 - 1.5] == 1).all()
    assert 0.4 < share[(radius > 11) & (radius < 13)].mean() < 0.98


@pytest.mark.parametrize("petrosian", [np.nan, 60.0])
def test_galaxy_without_surroundings_is_all_mock(petrosian):
    assert (aperture_share(_row(petrosian, axis_ratio=1.0), SIZE, 1.0) == 1).all()


def test_thin_galaxies_keep_their_middle():
    share = aperture_share(_row(6.0, axis_ratio=0.15), SIZE, 1.0)
    assert share[31, 32] == 1
    assert share.sum() > 10


def test_noise_has_the_same_variance_inside_on_the_edge_and_outside():
    rng = np.random.default_rng(1)
    share = aperture_share(_row(12.0), SIZE, 1.0)
    model, parents_light = np.full((1, SIZE, SIZE), 2.0), np.full((1, SIZE, SIZE), 1.0)
    real = parents_light + rng.normal(0, 0.3, (4000, SIZE, SIZE))
    mock = model + rng.normal(0, 0.3, (4000, SIZE, SIZE))
    made = in_real_surroundings(mock, model, real, share)
    np.testing.assert_array_equal(made[:, share == 0], real[:, share == 0])
    np.testing.assert_array_equal(made[:, share == 1], mock[:, share == 1])
    edge = (share > 0) & (share < 1)
    assert made[:, edge].std(axis=0) == pytest.approx(0.3, rel=0.06)
    assert made[:, edge].mean(axis=0) == pytest.approx(1 + share[edge], abs=0.03)
