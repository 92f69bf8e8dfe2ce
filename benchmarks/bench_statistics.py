"""Speed of scoring and statistics: rows per second, and images per second under a density that costs nothing.

Run it with  python benchmarks/bench_statistics.py [rows]
"""

import os
import platform
import sys
import time

import numpy as np
from astropy.table import Table, vstack

from simcompare.comparison.adjusted import adjusted_differences
from simcompare.comparison.headline import compare
from simcompare.images.preparation.prepare import Preparation
from simcompare.scores.likelihood import score
from simcompare.scores.record import Scores
from simcompare.scores.typicality import add_typicality
from simcompare.statistics.feature_tests import classifier_test, energy_test, kernel_test, sliced_test
from simcompare.statistics.means import Clustered
from simcompare.statistics.two_sample import two_sample

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000


class Images:
    """Noise images made on demand."""

    name, kind, survey, bands, pixel_scale = "noise", "simulated", "sdss", ("r",), 0.396
    preparation, preparation_hash = Preparation(), Preparation().hash

    def __init__(self, n):
        self.n = n
        self.catalogue = Table({"galaxy_id": np.arange(n).astype(str), "dataset": np.full(n, "noise")})

    def __len__(self):
        return self.n

    def batches(self, n):
        """Stacks of n images."""
        batch = np.random.default_rng(0).normal(size=(n, 1, 64, 64)).astype(np.float32)
        for start in range(0, self.n, n):
            yield type("Stack", (), {"image": batch[: min(n, self.n - start)]})


def galaxies(name, kind, n, mean, rng):
    mag = rng.normal(17, 0.5, n)
    return Table(
        {
            "galaxy_id": np.char.add(name, np.arange(n).astype(str)),
            "dataset": np.full(n, name),
            "kind": np.full(n, kind),
            "split": np.full(n, "test"),
            "mag_r": mag,
            "half_light_radius": rng.lognormal(1, 0.3, n),
            "log_prob": rng.normal(4000, 50, n),
            "log_likelihood_ratio": rng.normal(mean, 20, n) - 20 * (mag - 17),
        }
    )


def timed(label, n, unit, function):
    start = time.perf_counter()
    function()
    seconds = time.perf_counter() - start
    print(f"{label:42s} {n:>9d} {unit:7s} {seconds:8.2f} s {n / seconds:12.0f} {unit}/s")


def main():
    rng = np.random.default_rng(0)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy",
        np.__version__,
    )
    for n in (500, ROWS):
        first, second = (Clustered.of(rng.normal(m, 1, n), np.arange(n)) for m in (-0.1, 0))
        timed("two_sample, 2000 resamples", 2 * n, "rows", lambda a=first, b=second: two_sample(a, b, rng))
    both = Scores.of(
        vstack([galaxies("real", "observed", ROWS, 50, rng), galaxies("sim", "simulated", ROWS, 40, rng)])
    )
    timed("compare, one data set", 2 * ROWS, "rows", lambda: compare(both, rng))
    timed("add_typicality", 2 * ROWS, "rows", lambda: add_typicality(both, rng))
    timed("adjusted_differences, 100 resamples", 2 * ROWS, "rows",
          lambda: adjusted_differences(both, 0, n_bootstrap=100))  # fmt: skip
    features = rng.normal(0.02, 1, (ROWS, 8)), rng.normal(size=(ROWS, 8))
    for test in (classifier_test, kernel_test, energy_test, sliced_test):
        timed(f"{test.__name__}, 200 permutations", 2 * ROWS, "rows",
              lambda test=test: test(*features, rng, n_permutations=200))  # fmt: skip
    timed("score, plain sum, 8 orientations", 20_000, "images",
          lambda: score(Images(20_000), lambda stack: stack.sum(axis=(1, 2, 3)), batch_size=256))  # fmt: skip


if __name__ == "__main__":
    main()
