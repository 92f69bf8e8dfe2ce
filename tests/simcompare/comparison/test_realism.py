from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats

from mocks import stream
from simcompare import figures
from simcompare.comparison import realism
from simcompare.comparison.realism import _ks, sanity_curves, sanity_notes, sanity_table
from simcompare.images.blank_patches import blank_patches


class Images:
    """What the check needs of an image set: blank sky with a bright middle, held in memory."""

    bands, pixel_scale, image_shape = ("r",), 0.4, (1, 64, 64)

    def __init__(self, n, seed, noise=1.0, kind="simulated", size=2.0):
        rng = stream(seed, "images")
        self.kind = kind
        self.catalogue = Table({"half_light_radius": np.full(n, size), "mag_r": rng.normal(size=n)})
        self.catalogue["psf_fwhm_r"] = rng.normal(1.3, 0.1, n)
        self.image = noise * rng.normal(size=(n, 1, 64, 64))
        self.image[..., 24:40, 24:40] += 50
        self.mask = np.zeros((n, 1, 64, 64), np.uint8)
        self.mask[::2, :, :8, :8] = 1

    def __len__(self):
        return len(self.image)

    def columns(self, *names):
        return {name: np.asarray(self.catalogue[name]) for name in names}

    def subset(self, index):
        stack = SimpleNamespace(image=self.image[index], mask=self.mask[index])
        return SimpleNamespace(batches=lambda n: [stack])


def test_patches_hold_neither_galaxy_nor_neighbour():
    patches = blank_patches(Images(40, 1), "r", stream(1))
    assert patches.shape == (40 * 4 - 20, 16, 16)
    assert np.abs(patches).max() < 6
    assert len(blank_patches(Images(40, 1, size=3.0), "r", stream(1))) == 0


def test_each_corner_is_taken_where_no_band_is_masked_in_it():
    images, end = Images(3, 1), slice(48, 64)
    images.mask = np.zeros((3, 2, 64, 64), np.uint8)
    near = slice(0, 16)
    for k, (y, x) in enumerate(((near, near), (near, end), (end, near), (end, end))):
        images.image[:, 0, y, x] = 10 * np.arange(3)[:, None, None] + k
    images.mask[0, 1, 3, 60] = images.mask[2, 0, 63, 0] = images.mask[2, 1, 15, 15] = 1
    images.mask[1, :, 16:48, 16:48] = 1  # of no corner
    patches = blank_patches(images, "r", stream(1))
    expected = [0, 10, 11, 21, 2, 12, 3, 13, 23]  # corner by corner
    np.testing.assert_array_equal(patches[:, 5, 7], expected)
    assert (patches == patches[:, :1, :1]).all()


@pytest.mark.parametrize(("side", "n"), [(31, 0), (34, 4)])
def test_small_images_have_no_corners(side, n):
    images = Images(1, 1, size=0.01)
    images.image_shape = (1, side, side)
    images.image, images.mask = images.image[..., :side, :side], 0 * images.mask[..., :side, :side]
    assert blank_patches(images, "r", stream(1)).shape == (n, 16, 16)


def test_twins_in_their_parents_sky_have_none_of_their_own_to_judge():
    real, own, synthetic = (Images(60, k, kind=kind) for k, kind in enumerate(("observed", "twins", "twins")))
    own.provenance, synthetic.provenance = [{"settings": {"sky": "own"}}], [{"settings": {"sky": "model"}}]
    sets = {"SDSS": real, "own": own, "synthetic": synthetic}
    assert sanity_table(sets, "SDSS", 0)["dataset"].tolist() == ["synthetic"]
    assert set(sanity_curves(sets, "SDSS", 0)["dataset"]) == {"SDSS", "synthetic"}


def test_equal_sky_passes_and_other_sky_is_called_out(caplog):
    real, good, loud = Images(300, 1, kind="observed"), Images(300, 2), Images(300, 3, noise=1.03)
    sets = {"SDSS": real, "good": good, "loud": loud}
    table = sanity_table(sets, "SDSS", 0)
    assert table["dataset"].tolist() == ["good", "loud"]
    assert table["sky_passed"].tolist() == [True, False]
    assert table["sky_unclear"].tolist() == [False, False]
    assert table["noise_ratio"].tolist() == pytest.approx([1, 1.03], abs=0.004)
    assert table["ks_mag"].max() < 0.15
    notes = sanity_notes(table)
    assert len(notes) == 1
    assert notes[0].startswith("WARNING: the blank sky of loud can be told from that of SDSS")
    assert notes[0] in caplog.text


def test_too_little_sky_is_said_so():
    sets = {"SDSS": Images(60, 1, kind="observed"), "large": Images(60, 2, size=3.0)}
    table = sanity_table(sets, "SDSS", 0)
    assert np.isnan(table["sky_auc"][0])
    assert sanity_notes(table) == ["Too little blank sky to compare that of large with real sky."]
    assert len(sanity_table({"SDSS": sets["SDSS"]}, "SDSS", 0)) == 0


def test_chance_among_few_patches_is_no_warning():
    """Sixteen images hold 56 patches: an AUC 0.05 from one half is what equal sky gives."""
    sets = {"SDSS": Images(16, 1, kind="observed"), "few": Images(16, 7)}
    tables = [sanity_table(sets, "SDSS", seed) for seed in range(6)]
    unclear = [bool(table["sky_unclear"][0]) for table in tables]
    assert any(unclear)
    assert all(table["sky_passed"][0] or table["sky_unclear"][0] for table in tables)
    (note,) = sanity_notes(tables[unclear.index(True)])
    assert note.startswith("Not shown to have the sky of SDSS: few (AUC 0.")


def test_the_figure_shows_histogram_and_correlation(tmp_path):
    sets = {"SDSS": Images(60, 1, kind="observed"), "mock": Images(60, 2)}
    table = sanity_curves(sets, "SDSS", 0)
    assert set(table["quantity"]) == {"histogram", "correlation"}
    lags = table[(table["quantity"] == "correlation") & (table["dataset"] == "mock")]
    assert np.abs(lags["value"]).max() < 0.05
    figure = figures.draw_sky(table)
    assert len(figure.axes) == 2


def test_curves_are_histogram_and_correlation_of_the_pixels():
    """Of noise whose neighbours along a row correlate by 0.5, by scipy."""
    images = Images(60, 5)
    noise = np.random.default_rng(0).normal(size=(60, 1, 64, 65))
    images.image = 3 * (noise[..., 1:] + noise[..., :-1]) / np.sqrt(2)
    table = sanity_curves({"SDSS": Images(60, 1, kind="observed"), "mock": images}, "SDSS", 0)
    part = table[table["dataset"] == "mock"]
    lags = part[part["quantity"] == "correlation"]
    assert lags["x"].tolist() == [1, 2, 3, 4]
    assert lags["value"] == pytest.approx([0.5, 0, 0, 0], abs=0.06)
    histogram = part[part["quantity"] == "histogram"]
    assert histogram["x"] == pytest.approx(np.arange(60) / 6 - 5 + 1 / 12)
    # Three times as wide as the real noise, and cut at five times it.
    expected = stats.norm.pdf(histogram["x"], scale=3) / (1 - 2 * stats.norm.sf(5 / 3))
    assert histogram["value"] == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("n", [49, 50])
def test_the_row_names_what_differs_most_and_needs_fifty_patches(n, monkeypatch):
    check = SimpleNamespace(
        auc=0.6, auc_error=0.01, ks_p=0.001, sigma_ratio=1.1, passed=False, is_unclear=False,
        lag_real=[0.1, 0.3, 9.0], lag_mock=[0.2, 0.6, 9.0],
        feature_ks_p={"mean": 0.3, "skew": 0.01, "edge": 0.5},
    )  # fmt: skip
    monkeypatch.setattr(realism, "blank_sky_check", lambda *_: check)
    monkeypatch.setattr(realism, "blank_patches", lambda *_: stream(0, "p").normal(size=(n, 16, 16)))
    row = sanity_table({"SDSS": Images(4, 1, kind="observed"), "mock": Images(4, 2)}, "SDSS", 0)[0]
    assert row["n_patches"] == row["n_real_patches"] == n
    assert row["most_different"] == ("skew" if n == 50 else "")
    values = [row["adjacent_real"], row["adjacent"], row["noise_ratio"], row["ks_pixels"]]
    expected = [0.2, 0.4, 1.1, 0.0] if n == 50 else [np.nan] * 4
    assert values == pytest.approx(expected, nan_ok=True)


def test_distributions_are_compared_where_both_are_known():
    ours, real, nan = np.array([0.0, 1.0, np.nan]), np.array([2.0, 3.0]), np.full(3, np.nan)
    assert _ks(ours, real) == 1
    assert _ks(ours, np.array([0.5, np.inf])) == 0.5
    assert np.isnan([_ks(ours, nan), _ks(nan, real)]).all()
