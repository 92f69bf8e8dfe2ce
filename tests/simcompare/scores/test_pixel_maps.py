"""Maps against a density that knows where it is: turned back, averaged, found again."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from astropy.table import Table

from simcompare.scores import pixel_maps
from simcompare.scores.pixel_maps import read_map, write_maps


class Images:
    """As much of an image set as maps need."""

    name, image_shape = "set a", (1, 4, 4)

    def __init__(self, n):
        self.image = np.random.default_rng(0).normal(size=(n, 1, 4, 4))
        self.image[3, 0, 1, 1] = np.nan
        self.catalogue = Table({"snr": np.arange(float(n))})

    def __len__(self):
        return len(self.image)

    def read(self, part):
        return SimpleNamespace(image=self.image[part])


class Square:
    """Square of each pixel, and the context in one corner alone: what an orientation moves."""

    context_names = ("snr",)

    def map(self, stack, context):
        found = stack[:, 0] ** 2
        found[:, 0, 0] += context[:, 0]
        return found


@pytest.mark.parametrize("symmetries", [True, False])
@pytest.mark.parametrize("batch", [2, 5, 64])
def test_maps_are_means_over_orientations_and_are_found_by_number(tmp_path, monkeypatch, batch, symmetries):
    monkeypatch.setattr(pixel_maps, "SHARD", 5)
    images = Images(12)
    paths = write_maps(images, {"square": Square()}, tmp_path, batch_size=batch, symmetries=symmetries)
    assert [path.name[-8:] for path in paths] == ["-0000.h5", "-0001.h5", "-0002.h5"]
    with h5py.File(paths[2]) as file:
        assert file["image_index"][:].tolist() == [10, 11]
        assert file["square"].shape == (2, 4, 4)
    corners = np.zeros((4, 4))
    corners[0, 0] = 1
    if symmetries:  # a corner is carried to each of the four by two of eight orientations
        corners[[0, 0, -1, -1], [0, -1, 0, -1]] = 0.25
    for k in range(12):
        found = read_map(tmp_path, "set a", k)["square"]
        if k == 3:
            assert np.isnan(found).all()
        else:
            np.testing.assert_allclose(found, images.image[k, 0] ** 2 + k * corners, rtol=1e-5)


def test_shards_that_exist_are_kept_and_missing_ones_named(tmp_path):
    images = Images(6)
    (path,) = write_maps(images, {"square": Square()}, tmp_path)
    corners = read_map(tmp_path, "set a", 5)["square"] - images.image[5, 0] ** 2
    assert corners[-1, 0] == pytest.approx(5 / 4, abs=1e-5)  # of eight orientations unless told otherwise
    before = path.stat().st_mtime_ns
    images.image += 1
    assert write_maps(images, {"square": Square()}, tmp_path) == [path]
    assert path.stat().st_mtime_ns == before
    with pytest.raises(FileNotFoundError, match="--maps"):
        read_map(tmp_path, "set a", 512)
    with pytest.raises(ValueError, match="plain"):
        write_maps(images, {"plain": len, "square": Square()}, tmp_path)
