"""Rows of the calibration against scipy, and the stretch of a sheet by hand."""

import numpy as np
import pytest
import torch
from scipy import stats

from flows import FlowConfig, FlowModel, calibration, sample_sheet


@pytest.mark.parametrize("architecture", ["wavelet", "glow"])
def test_calibration_is_scipy_s_test_of_each_scale(architecture):
    torch.manual_seed(0)
    model = FlowModel(
        FlowConfig(size=8, softening=(0.5,), widths=(4,), steps=(1,), architecture=architecture)
    )
    images = np.random.default_rng(1).normal(0.3, 1, (12, 1, 8, 8)).astype("f4")
    latents = model.latents(images).numpy()[:, 0]
    parts = [latents]
    if architecture == "wavelet":  # a mosaic: each scale's three planes about the coarser ones
        sides = [4 >> level for level in range(len(model.scale_names) - 1)]
        parts = [
            np.concatenate(
                [latents[:, :n, n : 2 * n], latents[:, n : 2 * n, :n], latents[:, n : 2 * n, n : 2 * n]]
            )
            for n in sides
        ]
        parts.append(latents[:, : sides[-1], : sides[-1]])
    rows = calibration(model, images)
    assert [row["scale"] for row in rows] == list(model.scale_names)
    for row, part in zip(rows, parts, strict=True):
        values = part.ravel().astype(float)
        assert row["mean"] == pytest.approx(values.mean(), abs=1e-5)
        assert row["variance"] == pytest.approx(values.var(), rel=1e-4)
        assert row["distance"] == pytest.approx(stats.kstest(values, "norm").statistic, abs=1e-5)
        assert row["noise"] == pytest.approx(stats.kstwobign.isf(0.05) / np.sqrt(values.size), rel=1e-3)


def test_a_sheet_is_stretched_between_its_percentiles():
    images = np.random.default_rng(2).normal(size=(6, 2, 8, 8))
    mean = images.mean(axis=1)
    # 0.6745 is the 75th percentile of a normal, and of a difference the root of two times as much.
    noise = np.median(np.abs(np.diff(mean, axis=-1))) / (stats.norm.ppf(0.75) * np.sqrt(2))
    for given, softening in ((None, 5 * noise), (0.3, 0.3)):
        stretched = np.arcsinh(mean / softening)
        low, high = np.percentile(stretched, [1, 99.8])
        expected = np.clip((stretched - low) / (high - low), 0, 1)
        sheet = sample_sheet(images, columns=2, softening=given)
        assert sheet.shape == (24, 16)
        assert (sheet.min(), sheet.max()) == (0, 1)
        np.testing.assert_allclose(sheet[16:24, 8:16], expected[1], atol=1e-4)
        np.testing.assert_allclose(sheet[:8, :8], expected[4], atol=1e-4)
    assert (sample_sheet(np.ones((1, 1, 2, 2)), columns=1) == 0).all()  # nothing to stretch
