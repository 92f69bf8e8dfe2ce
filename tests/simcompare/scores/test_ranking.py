"""Scores read block by block against the same in one piece, and neighbours by brute force."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from simcompare.scores import ranking
from simcompare.scores.features import RealGalaxies
from simcompare.scores.record import Scores
from simcompare.scores.spaces import _words


def table(n_real=37, n_sim=20, seed=0):
    """Real and simulated images in turns, as the blocks of several files bring them."""
    rng = np.random.default_rng(seed)
    dataset = rng.permutation(np.repeat(["real", "sim"], [n_real, n_sim]))
    index = np.zeros(len(dataset), int)
    for name in ("real", "sim"):
        index[dataset == name] = np.arange((dataset == name).sum())
    return Scores.of(
        {
            "galaxy_id": [f"{name}{k}" for name, k in zip(dataset, index, strict=True)],
            "dataset": dataset, "kind": np.where(dataset == "real", "observed", "simulated"),
            "split": ["test"] * len(dataset), "log_prob": rng.normal(size=len(dataset)), "image_index": index,
        },
        "real",
    )  # fmt: skip


def blocks(scores, n):
    return [scores[start : start + n] for start in range(0, len(scores), n)]


@pytest.mark.parametrize("n", [3, 8, 100])
@pytest.mark.parametrize(("most", "step"), [(100, 1), (37, 1), (36, 2), (10, 4), (9, 8)])
def test_every_second_real_image_is_kept_and_then_every_fourth(n, most, step, monkeypatch):
    monkeypatch.setattr(ranking, "MOST_REAL", most)
    scores = table()
    sizes, real, rows = ranking._real_rows(blocks(scores, n))
    expected = np.flatnonzero(scores["dataset"] == "real")[::step]
    np.testing.assert_array_equal(rows, expected)
    assert real["galaxy_id"].tolist() == scores["galaxy_id"][expected].tolist()
    assert sizes == {"real": 37, "sim": 20}


def test_rows_that_are_not_an_image_set_in_order_have_no_size():
    scores = table()
    index = scores["image_index"].copy()
    of_sim = np.flatnonzero(scores["dataset"] == "sim")
    index[of_sim[[3, 4]]] = index[of_sim[[4, 3]]]
    for n in (5, 100):
        assert ranking._real_rows(blocks(scores.with_columns(image_index=index), n))[0] == {
            "real": 37,
            "sim": None,
        }
    later = scores.with_columns(image_index=scores["image_index"] + 1)
    assert ranking._real_rows(blocks(later, 7))[0] == {"real": None, "sim": None}


class Sets(list):
    """An image set as far as its name and its length."""

    def __init__(self, name, n):
        super().__init__(range(n))
        self.name = name


def test_image_sets_are_put_in_the_order_of_the_scores():
    sets = [Sets("sim", 20), Sets("real", 37)]
    found = ranking._in_order(sets, {"real": 37, "sim": 20})
    assert [each.name for each in found] == ["real", "sim"]
    with pytest.raises(ValueError, match="images of other are not available"):
        ranking._in_order(sets, {"real": 37, "other": 2})
    with pytest.raises(ValueError, match="sets of sim hold other images"):
        ranking._in_order(sets, {"real": 37, "sim": 19})
    with pytest.raises(ValueError, match="sets of real hold other images"):
        ranking._in_order(sets, {"real": None, "sim": 20})


class Order:
    """Typicality of which the residual is the row's number times ten, and the rank that of the residual."""

    def residual(self, block, start):
        return 10.0 * (start + np.arange(len(block)))

    def rank(self, residuals):
        assert (residuals % 10 == 0).all()
        return (residuals // 10).astype(int)

    def mark(self, block, start):
        return block.with_columns(first=np.full(len(block), start))


@pytest.mark.parametrize("n", [4, 9, 100])
def test_ranks_and_neighbours_find_the_rows_that_they_belong_to(n, tmp_path):
    scores, rng = table(), np.random.default_rng(1)
    space = rng.normal(size=(len(scores), 2))
    with h5py.File(tmp_path / "spaces.h5", "w") as file:
        file["pixels"] = space
    _, real, rows = ranking._real_rows(blocks(scores, n))
    ranks = ranking._ranks(blocks(scores, n), Order())
    near = ranking._real_galaxies(tmp_path / "spaces.h5", real, rows, 2)
    assert list(near) == ["real"]
    made = list(ranking._placed(blocks(scores, n), Order(), ranks, near, tmp_path / "spaces.h5"))
    assert [block["first"][0] for block in made] == list(range(0, len(scores), n))
    # A rank is the row's own number here: blocks neither shift nor mix them.
    rank = np.concatenate([block["anomaly_rank"] for block in made])
    np.testing.assert_array_equal(rank, np.arange(len(scores)))
    twin = np.concatenate([block["real_twin_1"] for block in made])
    for k in range(len(scores)):
        others = [row for row in rows if row != k]
        nearest = min(others, key=lambda row: np.linalg.norm(space[row] - space[k]))
        assert twin[k] == scores["galaxy_id"][nearest]
    bare = list(ranking._placed(blocks(scores, n), None, {}, {}, tmp_path / "spaces.h5"))
    assert "anomaly_rank" not in bare[0]


def test_few_real_galaxies_have_no_neighbours(tmp_path, caplog):
    with h5py.File(tmp_path / "spaces.h5", "w") as file:
        file["latents"], file["embedding"] = np.zeros((9, 2)), np.arange(18.0).reshape(9, 2)
        file["latents"][2:] = np.nan
    scores = table(9, 0)
    _, real, rows = ranking._real_rows([scores])
    found = ranking._real_galaxies(tmp_path / "spaces.h5", real, rows, 3)
    assert list(found) == ["embedding"]
    assert "nearest real galaxies skipped: 2 real images" in caplog.text


def test_views_of_one_galaxy_are_not_its_neighbours():
    """Three views of each of four galaxies, at 0, 11, 20, 33 and a little beside."""
    names = np.repeat(list("abcd"), 3)
    place = np.repeat([0.0, 11, 20, 33], 3)[:, None] + np.tile([0.0, 0.1, 0.2], 4)[:, None]
    galaxies = RealGalaxies.of(names, place, 2)
    scores = Scores.of({"galaxy_id": names, "dataset": ["real"] * 12, "log_prob": np.zeros(12)}, "real")
    found = galaxies.nearest(scores, place)
    assert found["real_twin_1"].tolist() == ["b"] * 3 + ["c"] * 3 + ["b"] * 3 + ["c"] * 3
    assert found["real_distance_1"][:3] == pytest.approx([11.0, 10.9, 10.8])
    assert found["real_distance_2"][:3] == pytest.approx([11.1, 11.0, 10.9])
    simulated = Scores.of({"galaxy_id": names, "dataset": ["sim"] * 12, "log_prob": np.zeros(12)}, "real")
    assert galaxies.nearest(simulated, place)["real_distance_1"].tolist() == [0] * 12
    broken = galaxies.nearest(simulated, np.where(np.arange(12)[:, None] == 5, np.nan, place))
    assert broken["real_twin_1"][5] == ""
    assert np.isnan(broken["real_distance_2"][5])
    with pytest.raises(ValueError, match="2 real images have finite features; more than 2"):
        RealGalaxies.of(names[:2], place[:2], 2)


def test_words_of_a_long_catalogue_are_read_once_each():
    words = np.array([f"g{k}" for k in range(2100)])

    class Long:
        def __len__(self):
            return 2100

        def slab(self, start, stop):
            return SimpleNamespace(catalogue={"galaxy_id": words[start:stop]})

    np.testing.assert_array_equal(_words(Long(), "galaxy_id"), words)
