"""The likelihood ratio inside the galaxy's ellipse and about it."""

import numpy as np
import pytest
import torch
from astropy.table import Table

from flows import FlowConfig, FlowModel
from simcompare.scores.aperture import APERTURE_RADII, aperture_columns, aperture_weights
from simcompare.scores.likelihood import score

SIZE, SCALE = 16, 0.5


class Images:
    """Image set in memory."""

    name, kind, survey, bands, pixel_scale, preparation_hash = (
        "set",
        "simulated",
        "sdss",
        ("g", "r"),
        SCALE,
        "",
    )

    def __init__(self, pixels, **columns):
        n = len(pixels)
        self.pixels = pixels
        ellipse = {"centre_x": 6.0, "centre_y": 9.0, "petrosian_radius": 1.5, "axis_ratio": 0.5}
        values = ellipse | {"position_angle": 0.3} | columns
        self.catalogue = Table({key: np.full(n, value) for key, value in values.items()})
        self.catalogue["galaxy_id"] = [str(i) for i in range(n)]
        self.preparation = type("Preparation", (), {"size": SIZE})()

    def __len__(self):
        return len(self.pixels)

    def batches(self, n):
        for start in range(0, len(self), n):
            yield type("Stack", (), {"image": self.pixels[start : start + n]})


def flow(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FlowModel(
            FlowConfig(size=SIZE, n_bands=2, softening=(0.1, 0.2), widths=(6,), steps=(1,), coarsest=4)
        )
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(2).normal(size=(5, 2, SIZE, SIZE)).astype(np.float32)


def test_aperture_and_surroundings_and_coarsest_scale_add_up_to_the_ratio(pixels):
    table = score(Images(pixels), flow(1), flow(2), batch_size=2)
    coarsest = table["log_likelihood_ratio_scale_2"]
    total = table["aperture_ratio"] + table["surroundings_ratio"] + coarsest
    np.testing.assert_allclose(total, table["log_likelihood_ratio"], rtol=1e-9, atol=1e-9)
    for part in ("aperture_ratio", "surroundings_ratio"):
        scales = table[f"{part}_scale_0"] + table[f"{part}_scale_1"]
        np.testing.assert_allclose(scales, table[part], rtol=1e-9, atol=1e-9)
    bands = table["aperture_ratio_band_g"] + table["aperture_ratio_band_r"]
    np.testing.assert_allclose(bands, table["aperture_ratio"], rtol=1e-9, atol=1e-9)
    assert np.abs(table["aperture_ratio"]).min() > 0


def test_a_turned_image_with_its_turned_ellipse_scores_alike(pixels):
    upright = score(Images(pixels), flow(1), flow(2))
    turned = Images(
        np.ascontiguousarray(np.rot90(pixels, axes=(-2, -1))),
        # np.rot90 takes (x, y) to (y, size - 1 - x): a turn by -90 degrees where y points up.
        centre_x=9.0, centre_y=SIZE - 1 - 6.0, position_angle=0.3 - np.pi / 2,
    )  # fmt: skip
    np.testing.assert_allclose(
        score(turned, flow(1), flow(2))["aperture_ratio"], upright["aperture_ratio"], rtol=1e-4
    )


def test_pixels_outside_the_ellipse_do_not_count_at_the_finest_scale(pixels):
    changed = pixels.copy()
    changed[:, :, :, 12:] += 1  # far from the ellipse about (6, 9) of 4.5 x 2.25 pixels
    first, second = (score(Images(each), flow(1), flow(2), symmetries=False) for each in (pixels, changed))
    finest = np.abs(second["surroundings_ratio_scale_0"] - first["surroundings_ratio_scale_0"])
    assert finest.min() > 0.1


def test_weights_are_the_share_of_each_pixel():
    catalogue = Images(np.zeros((3, 2, SIZE, SIZE))).catalogue
    catalogue["petrosian_radius"] = [1.5, np.nan, 1.0]
    weights = aperture_weights(catalogue, SIZE, SCALE)
    area = np.pi * (APERTURE_RADII * np.array([1.5, 1.0]) / SCALE) ** 2 * 0.5
    np.testing.assert_allclose(weights[[0, 2]].sum(axis=(1, 2)), area, rtol=1e-5)
    assert (weights[1] == 1).all()  # where the radius is not reached, all of the image is galaxy
    assert weights[0, 9, 6] == 1
    catalogue.remove_column("petrosian_radius")
    assert aperture_weights(catalogue, SIZE, SCALE) is None


def test_without_places_there_is_no_aperture(pixels):
    images = Images(pixels)
    images.catalogue.remove_column("centre_x")
    assert not [name for name in score(images, flow(1), flow(2)).colnames if "aperture" in name]
    assert not [name for name in score(Images(pixels), flow(1)).colnames if "aperture" in name]


@pytest.mark.parametrize("bands", [("r",), ("g", "r"), ("g", "r", "i", "z", "y")])
def test_columns_are_sums_of_the_terms(bands):
    """Four scales, of which the coarsest is left out, by loops."""
    rng = np.random.default_rng(3)
    whole, inside = rng.normal(size=(2, 6, 4, len(bands)))
    columns = aperture_columns(whole, inside, bands)
    expected = {f"{stem}{end}" for stem in ("aperture_ratio", "surroundings_ratio")
                for end in ("", "_scale_0", "_scale_1", "_scale_2")}  # fmt: skip
    expected |= {f"aperture_ratio_band_{band}" for band in bands} if len(bands) > 1 else set()
    assert set(columns) == expected
    for n in range(6):
        assert columns["aperture_ratio"][n] == pytest.approx(sum(inside[n, k].sum() for k in range(3)))
        for k in range(3):
            assert columns[f"aperture_ratio_scale_{k}"][n] == pytest.approx(inside[n, k].sum())
            about = whole[n, k].sum() - inside[n, k].sum()
            assert columns[f"surroundings_ratio_scale_{k}"][n] == pytest.approx(about)
        for i, band in enumerate(bands if len(bands) > 1 else ()):
            assert columns[f"aperture_ratio_band_{band}"][n] == pytest.approx(inside[n, :3, i].sum())


def test_a_galaxy_without_an_ellipse_counts_everywhere(pixels):
    """Row by row: measured, without a radius, without a place, and without width."""
    catalogue = Images(pixels[:4]).catalogue
    catalogue["petrosian_radius"][1] = np.nan
    catalogue["centre_x"][2] = np.nan
    catalogue["axis_ratio"][3] = 0.0
    weights = aperture_weights(catalogue, SIZE, SCALE, 1.0)
    area = np.pi * 3.0 * 1.5  # semi-axes of 1.5 arcsec and half of it, in pixels of 0.5 arcsec
    assert weights[0].sum() == pytest.approx(area, rel=1e-5)
    np.testing.assert_array_equal(weights[1:], 1)
