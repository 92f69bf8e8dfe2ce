"""Images brought to another number of pixels: sums of the pixels they cover, by hand."""

import numpy as np
import pytest

from mocks.observing.psf import gaussian_psf
from simcompare.images.preparation.rescale import bring_to_size, side_in_half_mass_radii
from simcompare.images.stamps import MASK_BITS, PreparedStamp, RawStamp, RejectedStampError

SIDE = 8


def raw(**changes):
    psf = np.stack([gaussian_psf(3.0, 9), gaussian_psf(2.0, 9)])
    return RawStamp(np.zeros((2, SIDE, SIDE)), psf, 0.4, ("g", "r"), "a", **changes)


def prepared():
    rng = np.random.default_rng(0)
    mask = np.zeros((2, SIDE, SIDE), np.uint8)
    mask[0, 2, 5], mask[0, 3, 4], mask[1, 7, 0] = MASK_BITS["bad"], MASK_BITS["neighbour"], MASK_BITS["bad"]
    row = {"centre_x": 3.5, "centre_y": 5.0, "place_x": 0.0, "flags": 0}
    row |= {"sky_level_g": 0.1, "sky_level_r": 0.2, "sky_sigma_g": 0.01, "sky_sigma_r": 0.03}
    return PreparedStamp(
        rng.normal(size=(2, SIDE, SIDE)).astype(np.float32),
        rng.uniform(1, 2, (2, SIDE, SIDE)).astype(np.float32),
        mask,
        raw().psf.astype(np.float32),
        np.array([0.1, 0.2]),
        row,
    )


def sums(planes, width):
    """Sums over square groups of pixels, in a loop."""
    n = planes.shape[-1] // width
    out = np.zeros((len(planes), n, n))
    for y in range(n * width):
        for x in range(n * width):
            out[:, y // width, x // width] += planes[:, y, x]
    return out


def test_half_the_pixels_hold_the_sums_of_four():
    old, stamp = prepared(), raw()
    new = bring_to_size(old, stamp, SIDE // 2)
    np.testing.assert_allclose(new.image, sums(old.image.astype(float), 2), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(new.variance, sums(old.variance.astype(float), 2), rtol=1e-6)
    expected = np.zeros((2, 4, 4), np.uint8)
    expected[0, 1, 2] = MASK_BITS["bad"] | MASK_BITS["neighbour"]  # two pixels of one new pixel
    expected[1, 3, 0] = MASK_BITS["bad"]
    np.testing.assert_array_equal(new.mask, expected)
    assert new.row["pixel_scale"] == pytest.approx(0.8)
    # The middle of the image stays where it is; pixel 0 reaches from -0.5 to 0.5.
    assert (new.row["centre_x"], new.row["centre_y"], new.row["place_x"]) == (1.5, 2.25, -0.25)
    assert (new.row["sky_level_g"], new.row["sky_level_r"]) == pytest.approx((0.4, 0.8))
    assert (new.row["sky_sigma_g"], new.row["sky_sigma_r"]) == pytest.approx((0.02, 0.06))
    np.testing.assert_array_equal(new.quantum, 0)
    assert old.row["sky_level_g"] == 0.1


def test_the_psf_is_that_of_the_new_pixels():
    """A pixel of twice the width about the middle holds it, half its neighbours, a quarter of the corners."""
    old = prepared()
    new = bring_to_size(old, raw(), SIDE // 2).psf
    assert new.shape == old.psf.shape
    weight = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])
    for k in range(2):
        middle = (old.psf[k, 3:6, 3:6].astype(float) * weight).sum()
        beside = (old.psf[k, 3:6, 5:8].astype(float) * weight).sum()
        assert new[k].sum() == pytest.approx(1, rel=1e-6)
        assert new[k, 4, 4] / new[k, 4, 5] == pytest.approx(middle / beside, rel=1e-5)
        assert new[k, 4, 4] == pytest.approx(middle / old.psf[k].sum(), rel=1e-5)


def test_the_psf_on_finer_pixels_is_cut_and_sums_to_one():
    """Of half the width: the middle 4.5 pixels remain, and their light is 1 again."""
    old = prepared()
    new = bring_to_size(old, raw(), 2 * SIDE).psf
    inner = old.psf[:, 2:7, 2:7].astype(float)
    weight = np.array([0.75, 1, 1, 1, 0.75])
    total = (inner * np.outer(weight, weight)).sum(axis=(1, 2))
    assert total.max() < 0.99
    np.testing.assert_allclose(new.sum(axis=(1, 2)), 1, rtol=1e-6)
    # The new middle pixel lies in the old one's, of which it is a quarter.
    np.testing.assert_allclose(new[:, 4, 4], inner[:, 2, 2] / 4 / total, rtol=1e-5)


@pytest.mark.parametrize(("radii", "side"), [(1.0, 5), (1.1, 5), (1.3, 7), (19.0, 95)])
def test_a_side_in_half_mass_radii_is_odd(radii, side):
    assert side_in_half_mass_radii(raw(half_mass_radius=5.0), radii, 96) == side


@pytest.mark.parametrize("radii", [0.1, 19.1, 19.3])
def test_a_side_must_fit_and_hold_a_pixel(radii):
    with pytest.raises(RejectedStampError, match="does not fit into 96"):
        side_in_half_mass_radii(raw(half_mass_radius=5.0), radii, 96)
    with pytest.raises(RejectedStampError, match="half-mass radius is not known"):
        side_in_half_mass_radii(raw(), radii, 96)
