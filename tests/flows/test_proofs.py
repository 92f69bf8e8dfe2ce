"""Densities whose true value is known: the flow comes near it and is never better on held-out data."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from flows import FlowConfig, FlowModel, TrainingConfig, bits_per_dim, calibration, train

SIZE = 8
CONFIG = FlowConfig(size=SIZE, softening=(20.0,), widths=(12,), steps=(3,), dropout=0.0)
SETTING = TrainingConfig(epochs=5, batch_size=64, learning_rate=1e-2)


def excess(model: FlowModel, images: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Mean of true minus flow log density per pixel value, and its standard error; negative is impossible."""
    difference = (truth - model.log_prob(images).numpy()) / model.config.n_dim
    return float(difference.mean()), float(difference.std() / math.sqrt(len(images)))


@pytest.fixture(scope="module")
def white() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(6000, 1, SIZE, SIZE)).astype("f4")


@pytest.fixture(scope="module")
def white_model(white) -> FlowModel:
    return train(white[:2500], config=CONFIG, training=SETTING)


def normal_log_prob(values: np.ndarray) -> np.ndarray:
    return -0.5 * (values.astype("f8") ** 2 + math.log(2 * math.pi)).sum((1, 2, 3))


def test_white_noise_costs_2_047_bits_and_not_less(white, white_model):
    held_out = white[5000:]
    truth = normal_log_prob(held_out)
    surplus, error = excess(white_model, held_out, truth)
    assert -3 * error <= surplus < 0.01
    # the sample's own entropy removes its scatter, so that 2.047 itself is tested to 0.015 bits
    bits = bits_per_dim(white_model.log_prob(held_out).mean() - (truth.mean() + SIZE**2 * 1.4189385), SIZE**2)
    assert float(bits) == pytest.approx(2.0471, abs=0.0145)


def test_latents_of_held_out_noise_are_uniform_in_probability(white, white_model):
    rows = calibration(white_model, white[5000:])
    assert [row["scale"] for row in rows] == list(white_model.scale_names)
    for row in rows:
        assert row["distance"] < row["noise"] + 0.02, row
        assert row["variance"] == pytest.approx(1, abs=0.06)
    # and a wrong image is told: twice the noise
    assert calibration(white_model, 2 * white[5000:])[0]["distance"] > 0.1


def test_models_of_disjoint_halves_agree(white, white_model):
    other = train(white[2500:5000], config=CONFIG, training=SETTING, seed=2)
    difference = (white_model.log_prob(white[5000:]) - other.log_prob(white[5000:])).numpy() / SIZE**2
    # 2500 images fix some 3000 weights to half a nat each at most: that much per image and model, not more
    assert abs(difference.mean()) < 0.01
    assert difference.std() < 0.03


def test_samples_rescored_have_the_entropy_of_the_truth(white_model):
    """The mean of -log_prob over its own samples is the entropy of the model: that of unit noise."""
    samples = white_model.sample(2000, generator=torch.Generator().manual_seed(3))
    entropy = -white_model.log_prob(samples).numpy() / SIZE**2
    assert entropy.mean() == pytest.approx(1.4189385, abs=0.01)
    assert entropy.std() == pytest.approx(math.sqrt(0.5) / SIZE, rel=0.1)


def test_two_correlated_bands_cost_what_each_adds():
    """Second band 0.8 times the first and noise: given the first it is narrower by 0.6, at every scale."""
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(2400, 2, SIZE, SIZE))
    images = np.stack([noise[:, 0], 0.8 * noise[:, 0] + 0.6 * noise[:, 1]], 1).astype("f4")
    config = CONFIG.replace(n_bands=2, softening=(20.0, 20.0), steps=(2,))
    model = train(images[:1800], config=config, training=replace(SETTING, epochs=3))
    truth = -0.5 * (noise[1800:] ** 2 + math.log(2 * math.pi))
    truth[:, 1] -= math.log(0.6)
    surplus = truth.sum((2, 3)) - model.budget(images[1800:], by_band=True).sum(1).numpy()
    mean, error = surplus.mean(0) / SIZE**2, surplus.std(0) / math.sqrt(600) / SIZE**2
    assert (mean > -3 * error).all()
    assert (mean < 0.01).all()


def test_correlated_field_within_a_hundredth_nat_of_the_truth():
    """Noise whose correlation falls as 0.3^distance on each axis: the Cholesky factor gives the density."""
    rng = np.random.default_rng(2)
    distance = np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE)))
    factor = np.linalg.cholesky(0.3**distance)
    white = rng.normal(size=(4000, 1, SIZE, SIZE))
    images = (factor @ white @ factor.T).astype("f4")
    held_out = slice(3000, None)
    log_det = -2 * SIZE * np.log(np.diag(factor)).sum()
    truth = log_det - 0.5 * (white[held_out] ** 2 + math.log(2 * math.pi)).sum((1, 2, 3))
    model = train(images[:3000], config=CONFIG, training=SETTING)
    surplus, error = excess(model, images[held_out], truth)
    assert -3 * error <= surplus < 0.01
    # what a density without any correlation would pay
    assert log_det / SIZE**2 > 0.08


def test_mixture_of_four_galaxies():
    """One blob in noise, at one of four places: four Gaussians, each 4 to 5 noise sigmas from the next."""
    rng = np.random.default_rng(3)
    y, x = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    places = np.array([(0, 2), (0, -2), (2, 0), (-2, 0)])[:, :, None, None]
    patterns = 1.5 * np.exp(-((y - places[:, 0]) ** 2 + (x - places[:, 1]) ** 2) / 4)
    noise = rng.normal(size=(5000, 1, SIZE, SIZE))
    images = (patterns[rng.integers(4, size=5000)][:, None] + noise).astype("f4")
    held_out = images[4000:].astype("f8")
    truth = logsumexp([normal_log_prob(held_out - pattern) for pattern in patterns], axis=0) - math.log(4)
    model = train(images[:4000], config=CONFIG, training=replace(SETTING, epochs=10))
    surplus, error = excess(model, images[4000:], truth)
    assert -3 * error <= surplus < 0.01
    flat = images.reshape(5000, -1)
    single = multivariate_normal(flat[:4000].mean(0), np.cov(flat[:4000].T)).logpdf(flat[4000:])
    assert (truth.mean() - single.mean()) / SIZE**2 > 1.5 * surplus


def test_sky_of_a_digitised_camera_given_its_noise():
    """Sky noise rounded to counts, then dithered by one count: the density is a known staircase."""
    rng = np.random.default_rng(4)
    quantum, n = 0.005, 3000
    sigma = rng.uniform(0.02, 0.05, n)[:, None, None, None]
    counts = np.round(sigma * rng.normal(size=(n, 1, SIZE, SIZE)) / quantum)
    images = (quantum * (counts + rng.uniform(-0.5, 0.5, counts.shape))).astype("f4")
    context = np.log(sigma).reshape(-1, 1)
    config = CONFIG.replace(softening=(0.15,), context=("log_sky_sigma",))
    model = train(images[:2500], context[:2500], config=config, training=SETTING)
    edges = [norm.cdf(quantum * (counts[2500:] + side) / sigma[2500:]) for side in (-0.5, 0.5)]
    truth = np.log((edges[1] - edges[0]) / quantum).sum((1, 2, 3))
    log_prob = model.log_prob(images[2500:], context[2500:]).numpy()
    surplus = (truth - log_prob) / SIZE**2
    assert -3 * surplus.std() / math.sqrt(500) <= surplus.mean() < 0.01
