"""Coordinates of images: fitted on galaxies that no test uses, so that equal sets raise no alarm."""

from dataclasses import dataclass
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.features import compare_features
from simcompare.scores.record import Scores
from simcompare.scores.spaces import _makers, _vectors, open_spaces, write_spaces


@dataclass
class Images:
    """As much of an image set as coordinates need."""

    name: str
    catalogue: Table
    image: np.ndarray
    bands = ("r",)

    def __len__(self):
        return len(self.image)

    def subset(self, index):
        return Images(self.name, self.catalogue[index], self.image[index])

    def slab(self, start, stop):
        return self.subset(slice(start, stop))

    def read(self):
        return SimpleNamespace(image=self.image)


def images(name, splits, rng):
    n = len(splits)
    table = Table(
        {
            "galaxy_id": [f"{name}{k}" for k in range(n)],
            "dataset": [name] * n,
            "kind": ["observed" if name == "real" else "simulated"] * n,
            "split": splits,
            "view": np.zeros(n, int),
            "sky_sigma_r": np.ones(n),
        }
    )
    return Images(name, table, rng.normal(size=(n, 1, 16, 16)))


def scores_of(*sets):
    columns = {
        name: np.concatenate([each.catalogue[name] for each in sets]) for name in sets[0].catalogue.colnames
    }
    return Scores.of(Table(columns)).with_reference("real")


def test_the_components_are_those_of_learned_galaxies_where_there_are_any(tmp_path):
    rng = np.random.default_rng(0)
    real, sim = images("real", ["train"] * 30 + ["test"] * 30, rng), images("sim", ["test"] * 10, rng)
    write_spaces(tmp_path / "one.h5", [real, sim], "real", object())
    changed = Images(
        "real", real.catalogue, np.where(np.arange(60)[:, None, None, None] < 30, 1, 2) * real.image
    )
    write_spaces(tmp_path / "two.h5", [changed, sim], "real", object())
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "two.h5") as two:
        np.testing.assert_array_equal(
            one["pixels"][60:], two["pixels"][60:]
        )  # held-out galaxies move no axis
        assert np.any(one["pixels"][30:60] != two["pixels"][30:60])
        assert not one["fitted"][:].any()


def test_of_held_out_galaxies_alone_half_are_fitted_and_not_tested(tmp_path):
    rng = np.random.default_rng(1)
    real, twins = images("real", ["test"] * 40, rng), images("real", ["test"] * 40, rng)
    twins.name = "twins"
    path = tmp_path / "spaces.h5"
    write_spaces(path, [real, twins], "real", object())
    with open_spaces(path) as spaces:
        tested = np.isfinite(spaces["pixels"][np.arange(80)]).all(axis=1)
        assert tested[:40].sum() == 20
        np.testing.assert_array_equal(tested[:40], tested[40:])  # copies of a galaxy go with it
    with pytest.raises(ValueError, match="1 can be spared"):
        write_spaces(path, [images("real", ["test"] * 3, rng)], "real", object())


def test_a_file_that_does_not_say_what_was_fitted_is_refused(tmp_path):
    path = tmp_path / "spaces.h5"
    with h5py.File(path, "w") as file:
        file["pixels"] = np.zeros((3, 2))
    with pytest.raises(ValueError, match="does not say which galaxies"), open_spaces(path):
        pass


@pytest.mark.parametrize("n_train", [60, 0])
def test_equal_sets_raise_few_alarms(tmp_path, n_train):
    rng, p_values, path = np.random.default_rng(2), [], tmp_path / "spaces.h5"
    n_test = 40 if n_train else 80
    for seed in range(40):
        real = images("real", ["train"] * n_train + ["test"] * n_test, rng)
        sim = images("sim", ["test"] * 40, rng)
        write_spaces(path, [real, sim], "real", object())
        scores = scores_of(real, sim)
        with open_spaces(path) as spaces:
            table = compare_features(scores, spaces, seed, n_permutations=59, n_draws=0)
        p_values.append(
            table["p_value"][(table["dataset"] == "sim") & (table["test"] == "energy distance")][0]
        )
    assert np.mean(np.array(p_values) < 0.05) <= 0.17  # 40 draws at 5 %


def test_a_model_whose_features_are_not_finite_has_no_space(tmp_path):
    real = images("real", ["test"] * 30, np.random.default_rng(0))
    with pytest.raises(ValueError, match="features of the images of 'real' under this model are not finite"):
        write_spaces(tmp_path / "spaces.h5", [real], "real", Nowhere())
    assert not list(tmp_path.iterdir())


class Nowhere:
    """Model whose latents are NaN."""

    context_names = ()

    def latents(self, stack, context):
        return np.full((len(stack), 4), np.nan, np.float32)


def test_pixels_are_softened_at_five_times_the_median_noise():
    """Of 300 images, read 128 at a time; unknown noise does not count."""
    rng = np.random.default_rng(8)
    real = images("real", ["test"] * 300, rng)
    real.catalogue["sky_sigma_r"] = np.where(np.arange(300) % 50 == 7, np.nan, rng.uniform(0.5, 2, 300))
    softening = 5 * np.nanmedian(real.catalogue["sky_sigma_r"])
    model = SimpleNamespace(latents=lambda stack, context: 2 * stack)
    makers = _makers(real, model, lambda stack: stack[:, 0, 0, :3])
    stack = real.image[:4]
    np.testing.assert_allclose(makers["pixels"](stack, None), np.arcsinh(stack / softening))
    np.testing.assert_allclose(makers["latents"](stack, None), 2 * stack)
    np.testing.assert_allclose(makers["embedding"](stack, None), stack[:, 0, 0, :3])
    assert list(_makers(real, SimpleNamespace(), None)) == ["pixels"]


@pytest.mark.parametrize("batch", [3, 100])
def test_vectors_are_made_batch_by_batch_with_the_context_of_each_image(batch):
    rng = np.random.default_rng(9)
    real = images("real", ["test"] * 8, rng)
    real.catalogue["snr"] = np.arange(8.0)
    real.image[2, 0, 3, 3] = np.nan
    real.image[6:] = np.inf  # a batch of three in which no image can be used
    model = SimpleNamespace(context_names=("snr",))
    seen = []

    def make(stack, context):
        assert np.isfinite(stack).all()
        seen.extend(context[:, 0])
        return stack[:, :, :2]

    found = [np.concatenate(each) for each in zip(*_vectors(real, {"a": make}, model, batch), strict=True)]
    expected = real.image[:, :, :2].reshape(8, -1).copy()
    expected[[2, 6, 7]] = np.nan
    np.testing.assert_array_equal(found[0], expected)
    assert seen == list(range(8))
