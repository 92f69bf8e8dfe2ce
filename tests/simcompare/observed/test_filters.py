"""Datasets compressed by a filter that is nowhere: filter and mend are named, wherever they stand."""

import h5py
import numpy as np
import pytest

from simcompare.observed.hdf5_stacks import read_linear_stack, read_object_groups

UNKNOWN = 65000  # registered by nobody


def compress(file, name):
    """Write a dataset anew as if it were compressed by the unknown filter."""
    values = np.asarray(file[name])
    del file[name]
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(values.shape)
    plan.set_filter(UNKNOWN, h5py.h5z.FLAG_OPTIONAL, (3,))
    group, _, last = name.rpartition("/")
    kind, space = h5py.h5t.py_create(values.dtype), h5py.h5s.create_simple(values.shape)
    made = h5py.h5d.create(file[group or "/"].id, last.encode(), kind, space, plan)
    made.write_direct_chunk((0,) * values.ndim, bytes(100))


@pytest.mark.parametrize("name", ["image", "ra_deg", "mask", "psf"])
def test_stack(name, tmp_path):
    path = tmp_path / "stack.h5"
    with h5py.File(path, "w") as file:
        file["image"], file["mask"] = np.ones((2, 1, 32, 32), "f4"), np.zeros((2, 1, 32, 32), "u1")
        file["psf"], file["ra_deg"], file["dec_deg"] = np.ones((2, 1, 5, 5)), np.arange(2.0), np.zeros(2)
        file.attrs.update({"bands": "r", "pixel_scale_arcsec": 0.2, "units": "nanomaggy"})
        compress(file, name)
    with pytest.raises(ValueError, match=f"{name} is compressed .* 65000.*pip install hdf5plugin") as error:
        list(read_linear_stack(path, ("r",)))
    assert str(error.value).startswith(f"{path}: /{name}")


def test_one_footprint_is_one_row(tmp_path):
    path = tmp_path / "footprints.h5"
    with h5py.File(path, "w") as file:
        for name in "ab":
            file[f"objects/{name}/image"] = np.ones((1, 32, 32), "f4")
            file[f"objects/{name}/psf"] = np.ones((1, 5, 5))
            file[f"objects/{name}/weight"] = np.ones((1, 32, 32))
        file.attrs.update({"bands": "r", "pixel_scale_arcsec": 0.2, "units": "nanomaggy"})
        compress(file, "objects/b/weight")
    problems = [stamp.problem for stamp in read_object_groups(path, ("r",))]
    assert "65000" not in problems[0]
    assert "/objects/b/weight is compressed by the filter 65000" in problems[1]
    assert "pip install hdf5plugin" in problems[1]
