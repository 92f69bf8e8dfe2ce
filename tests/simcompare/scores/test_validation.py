"""The whole statistical chain on image fields whose densities are known exactly."""

import numpy as np
import pytest
from astropy.table import Table
from scipy.ndimage import gaussian_filter

from simcompare.comparison.headline import compare
from simcompare.images.preparation.prepare import Preparation
from simcompare.scores.joining import stack_scores
from simcompare.scores.likelihood import score
from simcompare.statistics.means import Clustered
from simcompare.statistics.significance import welch

SIZE = 16
N_DIM = SIZE * SIZE


class GaussianField:
    """Stationary Gaussian field on a periodic grid, with its exact density."""

    context_names = ()

    def __init__(self, slope=0.0, variance=1.0):
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE), indexing="ij"))
        power = (frequency + 1 / SIZE) ** -slope
        self.power = variance * power / power.mean()
        self.metadata = {}

    def draw(self, n, rng):
        white = np.fft.fft2(rng.normal(size=(n, 1, SIZE, SIZE)))
        return np.fft.ifft2(white * np.sqrt(self.power)).real

    def log_prob(self, images, context=None):
        square = np.abs(np.fft.fft2(images)) ** 2 / N_DIM
        terms = square / self.power + np.log(2 * np.pi * self.power)
        return -0.5 * terms.sum(axis=(1, 2, 3))

    def divergence(self, other):
        """Kullback-Leibler divergence to another field [nats]."""
        ratio = self.power / other.power
        return 0.5 * (ratio - 1 - np.log(ratio)).sum()


class Images:
    """Image set in memory."""

    survey, bands, pixel_scale, unit = "sdss", ("r",), 0.396, "nanomaggies per pixel"

    def __init__(self, name, kind, pixels):
        self.name, self.kind, self.pixels = name, kind, pixels
        self.preparation = Preparation(size=SIZE)
        self.preparation_hash = self.preparation.hash
        n = len(pixels)
        self.catalogue = Table(
            {"galaxy_id": [f"{name}{k}" for k in range(n)], "dataset": [name] * n, "split": ["test"] * n}
        )

    def __len__(self):
        return len(self.pixels)

    def batches(self, n):
        for start in range(0, len(self), n):
            yield type("Stack", (), {"image": self.pixels[start : start + n]})


REAL, SMOOTH = GaussianField(1.0), GaussianField(3.0, 0.5)


def scored(sets, real=REAL, background=SMOOTH):
    images = [
        Images(name, "observed" if name == "real" else "simulated", pixels) for name, pixels in sets.items()
    ]
    return stack_scores([score(each, real, background, symmetries=False) for each in images])


def compared(sets, seed=0, **models):
    return compare(scored(sets, **models), np.random.default_rng(seed), n_bootstrap=400)


def test_ratio_and_its_interval_cover_the_exact_divergence():
    """Galaxies of the background lose, in the mean, the two divergences together."""
    rng = np.random.default_rng(1)
    background = GaussianField(1.2)
    exact = -(REAL.divergence(background) + background.divergence(REAL))
    hits = 0
    for _ in range(40):
        sets = {"real": REAL.draw(80, rng), "sim": background.draw(60, rng)}
        row = compared(sets, background=background)[0]
        hits += row["delta_mean_low"] <= exact <= row["delta_mean_high"]
    assert hits >= 34


def test_smooth_and_blank_images_win_the_raw_likelihood_and_lose_the_headline():
    rng = np.random.default_rng(2)
    sets = {
        "real": REAL.draw(150, rng),
        "smooth": gaussian_filter(REAL.draw(150, rng), (0, 0, 1, 1), mode="wrap"),
        "blank": 0.05 * rng.normal(size=(150, 1, SIZE, SIZE)),
        "same": REAL.draw(150, rng),
    }
    table = compared(sets)
    rows = {row["dataset"]: row for row in table}
    for name in ("smooth", "blank"):
        assert rows[name]["delta_log_prob_low"] > 0
        assert rows[name]["delta_mean_high"] < 0
        assert "raw log-likelihood says the opposite" in rows[name]["caution"]
    assert table["dataset"][0] == "same"
    assert rows["same"]["delta_mean_low"] < 0 < rows["same"]["delta_mean_high"]


@pytest.mark.parametrize("damage", ["smoothing", "PSF", "noise", "shuffling", "missing clumps"])
def test_more_damage_scores_farther_from_real(damage):
    rng = np.random.default_rng(3)
    images = REAL.draw(120, rng)
    steps = {}
    for k, amount in enumerate((0.0, 0.25, 0.5, 1.0)):
        if damage == "smoothing":
            changed = gaussian_filter(images, (0, 0, 2 * amount, 2 * amount), mode="wrap")
        elif damage == "noise":
            changed = images + amount * rng.normal(size=images.shape)
        elif damage == "PSF":  # blurs the galaxy and leaves the noise of the sky, a tenth of it, alone
            sky = np.sqrt(0.1) * np.random.default_rng(9).normal(size=images.shape)
            psf = (0, 0, 1.5 * amount, 1.5 * amount)
            changed = gaussian_filter(np.sqrt(0.9) * images, psf, mode="wrap") + sky
        elif damage == "missing clumps":  # the sharpest coefficients of each image go first
            power = np.fft.fft2(images)
            sharp = np.abs(np.fft.fft2(images)) * np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(SIZE)]))
            limit = np.quantile(sharp, 1 - 0.6 * amount, axis=(2, 3), keepdims=True)
            changed = np.fft.ifft2(np.where(sharp > limit, 0.3 * power, power)).real
        else:
            changed = images.reshape(len(images), -1).copy()
            moved = rng.permutation(N_DIM)[: int(amount * N_DIM)]
            changed[:, moved] = changed[:, rng.permutation(moved)]
            changed = changed.reshape(images.shape)
        steps[f"step {k}"] = changed
    table = compared({"real": REAL.draw(200, rng)} | steps)
    size = {row["dataset"]: row["wasserstein"] for row in table}
    assert np.all(np.diff([size[f"step {k}"] for k in range(4)]) > 0)


def test_real_against_real_is_uniform_over_200_splits():
    rng = np.random.default_rng(4)
    table = compared({"real": REAL.draw(300, rng), "sim": SMOOTH.draw(20, rng)})
    assert table.meta["null"]["n_splits"] == 200
    assert table.meta["null"]["uniformity_p"] > 0.01


def test_measured_power_is_the_predicted_one():
    rng = np.random.default_rng(5)
    real = REAL.draw(4000, rng)
    pool = REAL.log_prob(real) - SMOOTH.log_prob(real)
    n, found, n_trials = 60, 0, 300
    shift = (1.96 + 0.8416) * pool.std() * np.sqrt(2 / n)
    for _ in range(n_trials):
        first, second = rng.choice(pool, n) - shift, rng.choice(pool, n)
        found += welch(*(Clustered.of(each, np.arange(n)) for each in (first, second))) < 0.05
    assert found / n_trials == pytest.approx(0.8, abs=0.07)
