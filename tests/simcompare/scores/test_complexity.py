"""Complexity: noise has its entropy, plain images cost little, and the correction undoes the paradox."""

import zlib

import numpy as np
import pytest
from scipy import stats

from simcompare.scores.complexity import complexity


def test_noise_costs_about_its_entropy():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2, (4, 1, 64, 64))
    k = np.arange(-40, 41)
    share = np.diff(stats.norm.cdf(np.append(k - 0.5, 40.5), scale=2))
    entropy = -np.sum(share[share > 0] * np.log(share[share > 0])) * 64 * 64
    length = complexity(noise, [1.0])
    assert np.all(length > entropy)
    assert np.all(length < 1.25 * entropy)


def test_plain_images_are_simple_and_order_is_by_noise():
    rng = np.random.default_rng(1)
    images = np.stack([np.zeros((1, 32, 32)), *(rng.normal(0, s, (1, 32, 32)) for s in (0.5, 1, 3))])
    lengths = complexity(images, [0.5])
    assert np.all(np.diff(lengths) > 0)
    assert lengths[0] < 0.05 * lengths[-1]


def test_correction_undoes_the_preference_for_blank_images():
    rng = np.random.default_rng(2)
    real, smooth = rng.normal(0, 1, (20, 1, 32, 32)), rng.normal(0, 0.3, (20, 1, 32, 32))
    raw, length = {}, {}
    for name, stack in (("real", real), ("smooth", smooth)):
        raw[name] = stats.norm.logpdf(stack).sum(axis=(1, 2, 3))
        length[name] = complexity(stack, [0.5])
    assert raw["smooth"].mean() > raw["real"].mean() + 300
    assert (raw["smooth"] + length["smooth"]).mean() < (raw["real"] + length["real"]).mean() - 100


def test_bad_input():
    with pytest.raises(ValueError, match="one positive number for each of 2 bands"):
        complexity(np.zeros((1, 2, 8, 8)), [0.5])
    broken = np.zeros((1, 1, 8, 8))
    broken[0, 0, 3, 3] = np.nan
    assert np.isnan(complexity(broken, [1.0])[0])


def test_length_is_that_of_the_packed_errors_of_the_prediction():
    """Pixel by pixel: from the left in the first row, from below in the first column, else from both."""
    rng = np.random.default_rng(3)
    whole = np.round(
        40 * np.sin(np.arange(30))[:, None] * np.cos(np.arange(26)) + rng.normal(0, 2, (2, 30, 26))
    )
    whole = whole.astype(int)
    errors = []
    for plane in whole:
        for y in range(30):
            for x in range(26):
                left, below = (plane[y, x - 1] if x else None), (plane[y - 1, x] if y else None)
                known = [int(each) for each in (left, below) if each is not None]
                predicted = sum(known) // len(known) if known else 0
                errors.append(int(plane[y, x]) - predicted)
    folded = np.array([2 * e if e >= 0 else -2 * e - 1 for e in errors])
    planes = b"".join(bytes(int(value >> (8 * byte)) & 255 for value in folded) for byte in range(4))
    packer = zlib.compressobj(6, strategy=zlib.Z_FILTERED)
    n_bytes = len(packer.compress(planes) + packer.flush())
    stack = whole[None] * np.array([0.5, 0.25])[:, None, None]
    assert complexity(stack, [0.5, 0.25])[0] == pytest.approx(n_bytes * 8 * np.log(2))
    assert np.isfinite(complexity(np.full((1, 1, 4, 4), 1e300), [1.0])[0])
    with pytest.raises(ValueError, match="one positive number"):
        complexity(stack, [0.5, 0.0])
