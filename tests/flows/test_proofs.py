"""Densities whose true value is known: the flow comes near it and is never better on held-out data."""

import math

import numpy as np
import pytest

from flows import FlowConfig, FlowModel, TrainingConfig, bits_per_dim, train

SIZE = 8
CONFIG = FlowConfig(size=SIZE, softening=(20.0,), widths=(12,), steps=(3,), dropout=0.0)
SETTING = TrainingConfig(epochs=5, batch_size=64, learning_rate=1e-2)


def excess(model: FlowModel, images: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Mean of true minus flow log density per pixel value, and its standard error; negative is impossible."""
    difference = (truth - model.log_prob(images).numpy()) / model.config.n_dim
    return float(difference.mean()), float(difference.std() / math.sqrt(len(images)))


def test_white_noise_costs_2_047_bits_and_not_less():
    images = np.random.default_rng(1).normal(size=(4000, 1, SIZE, SIZE)).astype("f4")
    held_out = images[2500:]
    model = train(images[:2500], config=CONFIG, training=SETTING)
    truth = -0.5 * (held_out.astype("f8") ** 2 + math.log(2 * math.pi)).sum((1, 2, 3))
    surplus, error = excess(model, held_out, truth)
    assert -3 * error <= surplus < 0.01
    # the sample's own entropy removes its scatter, so that 2.047 itself is tested to 0.015 bits
    bits = bits_per_dim(model.log_prob(held_out).mean() - (truth.mean() + SIZE**2 * 1.4189385), SIZE**2)
    assert float(bits) == pytest.approx(2.0471, abs=0.0145)


def test_correlated_field_within_a_hundredth_nat_of_the_truth():
    """Noise whose correlation falls as 0.3^distance on each axis: the Cholesky factor gives the density."""
    rng = np.random.default_rng(2)
    distance = np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE)))
    factor = np.linalg.cholesky(0.3**distance)
    white = rng.normal(size=(5000, 1, SIZE, SIZE))
    images = (factor @ white @ factor.T).astype("f4")
    held_out = slice(4000, None)
    log_det = -2 * SIZE * np.log(np.diag(factor)).sum()
    truth = log_det - 0.5 * (white[held_out] ** 2 + math.log(2 * math.pi)).sum((1, 2, 3))
    model = train(images[:4000], config=CONFIG, training=SETTING)
    surplus, error = excess(model, images[held_out], truth)
    assert -3 * error <= surplus < 0.01
    # what a density without any correlation would pay
    assert log_det / SIZE**2 > 0.08
