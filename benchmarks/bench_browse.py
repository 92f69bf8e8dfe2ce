"""How long the page of 10,000 galaxies takes to show itself and to filter, in a headless Chromium.

    python benchmarks/bench_browse.py [GALAXIES] [REPEATS]

The page is written as ``simcompare browse`` writes it, of noisy galaxies of 64 x 64 pixels. Both times are
the page's own, by the clock of the browser: from the beginning of its loading until its first screen is
drawn, and for one filter by a range of scores with all that follows.
"""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from simcompare.pages.browse_page import write_browse
from simcompare.scores.record import Scores

SIDE = 64


class Galaxies:
    """Images made on demand: round galaxies in noise."""

    bands = ("r",)

    def read(self, index):
        """Images of some rows."""
        rows = np.atleast_1d(index)
        y, x = np.mgrid[:SIDE, :SIDE] - 0.5 * SIDE
        rng = np.random.default_rng(rows)
        image = 20 * np.exp(-np.hypot(x, y) / 5) + rng.normal(size=(len(rows), 1, SIDE, SIDE))
        return type("Stack", (), {"image": image})


def scores(n):
    """Score table of two data sets."""
    rng = np.random.default_rng(0)
    return Scores.of(
        {
            "galaxy_id": [f"galaxy-{k}" for k in range(n)],
            "dataset": np.where(np.arange(n) < n // 2, "real", "simulated"),
            "kind": np.where(np.arange(n) < n // 2, "observed", "simulated"),
            "image_index": np.arange(n),
            "sky_sigma_r": np.ones(n),
            "log_likelihood_ratio": rng.normal(50, 30, n),
            **{f"log_likelihood_ratio_scale_{k}": rng.normal(10, 10, n) for k in range(6)},
            **{name: rng.normal(17, 1, n) for name in ("mag_r", "half_light_radius", "redshift")},
        }
    )


def times(page, profile):
    """Milliseconds until the page is drawn, and of the filter in its address."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,800",
            f"--user-data-dir={profile}", "--timeout=20000", "--dump-dom",
            f"{page.as_uri()}#range=log_likelihood_ratio&low=20&high=60",
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    milliseconds = (
        re.search(rf'data-{name}="([\d.]+)"', done.stdout) for name in ("ready", "filter-milliseconds")
    )
    return [float(match.group(1)) for match in milliseconds]


def main(n=10_000, repeats=5):
    """Write the page, open it some times, print medians."""
    with tempfile.TemporaryDirectory() as folder:
        page, start = Path(folder) / "browse.html", time.process_time()
        table = scores(n)
        write_browse(page, table, dict.fromkeys(("real", "simulated"), Galaxies()), seed=0)
        written = time.process_time() - start
        print(f"{n} galaxies: page of {page.stat().st_size / 1e6:.1f} MB written in {written:.1f} CPU s")
        drawn, filtered = zip(
            *(times(page, Path(folder) / f"profile-{k}") for k in range(repeats)), strict=True
        )
    for name, values, limit in (("first screen", drawn, 3000), ("filter", filtered, 200)):
        print(
            f"{name}: median {statistics.median(values):.0f} ms, {min(values):.0f} to {max(values):.0f} of "
            f"{repeats}; {statistics.median(values) / limit:.2f} of the limit of {limit} ms"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
