"""The nearest real galaxies of each image."""

import numpy as np
import pytest

from simcompare.scores.nearest_real import nearest_real
from simcompare.scores.record import Scores


def scores(**columns):
    n = 5
    table = {
        "galaxy_id": ["a", "b", "c", "d", "s"],
        "dataset": 4 * ["real"] + ["sim"],
        "kind": 4 * ["observed"] + ["simulated"],
        "split": 5 * ["test"],
        "log_likelihood_ratio": np.arange(n, dtype=float),
    }
    return Scores.of(table | columns).with_reference("real")


MEASURED = {"snr": 10.0 ** np.array([1, 2, 3, 4, 1.9]), "half_light_radius": np.ones(5), "mag_r": np.ones(5)}


def test_without_stored_neighbours_brightness_and_size_decide():
    """By hand: log S/N is 1, 2, 3, 4 and that of the simulated galaxy 1.9."""
    near = nearest_real(scores(**MEASURED), k=2)
    assert near.rows[4].tolist() == [1, 0]
    assert near.rows[0].tolist() == [1, 2]
    assert near.rows[3].tolist() == [2, 1]
    assert near.space == "in signal-to-noise, half-light radius and magnitude"


def test_directions_count_in_the_spread_of_real_galaxies():
    """By hand: 4 mag away is 0.2 spreads of real galaxies in magnitude, a factor of 10 in S/N is 2."""
    columns = {
        "snr": 10.0 ** np.array([1.0, 2.0, 1.0, 2.0, 1.0]),
        "half_light_radius": np.ones(5),
        "mag_r": np.array([0.0, 4.0, 40.0, 36.0, 4.0]),
    }
    assert nearest_real(scores(**columns), k=1).rows[4].tolist() == [0]


def test_stored_neighbours_come_first():
    stored = {"embedding_twin_1": ["b", "a", "a", "gone", "d"]}
    near = nearest_real(scores(**MEASURED, **stored), k=2)
    assert near.space == "in the embedding"
    assert near.rows.tolist() == [[1, -1], [0, -1], [0, -1], [-1, -1], [3, -1]]
    stored["real_twin_1"] = ["c", "c", "b", "c", "a"]
    assert nearest_real(scores(**stored)).space == "in the latents of the flow"


@pytest.mark.parametrize("missing", MEASURED)
def test_without_a_column_there_are_none(missing):
    near = nearest_real(scores(**{name: each for name, each in MEASURED.items() if name != missing}))
    assert (near.rows == -1).all()
    assert near.space == ""


def test_few_and_unmeasured_galaxies():
    unmeasured = MEASURED | {"snr": np.array([10, 100, np.nan, -1, 50.0])}
    near = nearest_real(scores(**unmeasured))
    assert near.rows.tolist() == [[1, -1, -1], [0, -1, -1], [-1, -1, -1], [-1, -1, -1], [1, 0, -1]]


def test_views_of_a_galaxy_are_not_its_neighbours():
    table = scores(
        **MEASURED,
    ).with_columns(galaxy_id=["a", "a", "c", "d", "s"])
    near = nearest_real(table, k=2)
    assert near.rows[1].tolist() == [2, 3]
    assert near.rows[4].tolist() == [0, 2]
