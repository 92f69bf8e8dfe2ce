"""Memory of comparison and report: what each further row may cost."""

import contextlib
import tracemalloc

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison import features, matching
from simcompare.comparison import further_tables as analysis
from simcompare.comparison.further_tables import further_tables
from simcompare.comparison.headline import compare
from simcompare.pages.sections.checks import draw_checks
from simcompare.pages.sections.scores import draw_scores
from simcompare.scores import nuisance, typicality
from simcompare.scores.record import Scores
from simcompare.statistics import feature_tests as twosample
from simcompare.statistics import means, resampling
from simcompare.statistics import two_sample as statistics


def sliced(first, second, rng, n_permutations):
    """The one test that uses all rows, hardly ever repeated."""
    return twosample.sliced_test(first, second, rng, n_permutations=1)


SMALL = (
    (resampling, "BLOCK", 100_000), (statistics, "DEALT", 100_000), (statistics, "MOST_UNITS", 200),
    (means, "MOST_UNITS", 200),
    (twosample, "BLOCK", 100_000), (twosample, "LARGEST_SQUARE", 50), (twosample, "AT_ONCE", 500),
    (features, "AT_ONCE", 500),
    (nuisance, "AT_ONCE", 500), (typicality, "AT_ONCE", 500), (analysis, "MOST_COMPARED", 200),
    (matching, "LARGEST_OPTIMAL", 10_000), (matching, "MOST_CANDIDATES", 3_000),
    (features, "_TESTS", (sliced,)),
)  # fmt: skip


def scores_of(n):
    """Two simulations of n galaxies in all, and 300 real ones; with coordinates in a space."""
    rng, half = np.random.default_rng(0), n // 2
    dataset = np.repeat(["one", "real", "two"], [half, 300, n - half])
    size = dataset.size
    text = {"dataset": dataset, "kind": np.where(dataset == "real", "observed", "simulated")}
    text |= {
        "galaxy_id": np.char.add("a galaxy ", np.arange(size).astype(str)),
        "split": np.full(size, "test"),
    }
    columns = text | {"log_prob": rng.normal(size=size)}
    for name in ("mag_r", "sky_sigma_r", "half_light_radius", "stellar_mass"):
        columns[name] = rng.uniform(1, 2, size)
    columns |= {"is_central": rng.uniform(size=size) > 0.3, "image_index": np.arange(size)}
    return Scores.of(columns), {"latents": rng.normal(size=(size, 4)).astype(np.float32)}


class Book:
    """Makes the numbers of figures and draws nothing."""

    def draw(self, name, title, caption, make, function, *, wide=False):
        """Make the numbers, if the columns allow it."""
        if not isinstance(make, Table):
            with contextlib.suppress(ValueError):
                make()


def compared(scores, spaces):
    """Everything that `simcompare compare` makes."""
    compare(scores, np.random.default_rng(0), n_bootstrap=20)
    further_tables(scores, 0, spaces=spaces, n_bootstrap=20)


def drawn(scores, _):
    """Numbers of the figures that use all rows."""
    comparison = Table({"dataset": ["one", "two"], "kind": 2 * ["simulated"], "n_galaxies": [1, 1]})
    for name in ("delta_mean", "delta_mean_low", "delta_mean_high", "p_value"):
        comparison[name] = np.zeros(2)
    comparison.meta = {"reference": "real", "score": "log_prob", "n_reference_galaxies": 300}
    scores = scores.with_columns(log_prob_scale_0=scores["log_prob"])
    draw_scores(Book(), scores, comparison, 0)
    draw_checks(Book(), scores, comparison, 0, [])


@pytest.mark.parametrize(("work", "most"), [(compared, 260), (drawn, 120)])
def test_a_row_costs_few_bytes_beside_the_table(work, most, monkeypatch):
    for module, name, value in SMALL:
        monkeypatch.setattr(module, name, value)
    peaks, sizes = [], (10_000, 20_000)  # above all sizes from which on samples are drawn
    work(*scores_of(1000))  # imports and compiles
    for n in sizes:
        scores = scores_of(n)
        tracemalloc.start()
        try:
            work(*scores)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < most * (sizes[1] - sizes[0])
