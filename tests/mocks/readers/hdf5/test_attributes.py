"""HDF5 attributes: values as they were written, and an error where HDF5 itself would loop for ever."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from mocks.readers.hdf5.attributes import attribute, attributes

LIMIT = 60  # seconds, import of the readers included
READ = """
import sys, h5py
from mocks.readers.hdf5.attributes import attributes
try:
    with h5py.File(sys.argv[1]) as file:
        attributes(file["Header"])
except OSError as error:
    print(error)
"""


def test_numbers_and_texts_come_plain(tmp_path):
    """Length-1 arrays squeezed, texts of both kinds decoded; what no reader can use is left out."""
    with h5py.File(tmp_path / "some.hdf5", "w") as file:
        header = file.create_group("Header")
        header.attrs.update({"one": np.array([3]), "fixed": np.bytes_("abc"), "free": "Größe", "flag": True})
        header.attrs.update({"box": np.arange(3.0), "texts": ["a", "bc"], "reference": header.ref})
    with h5py.File(tmp_path / "some.hdf5") as file:
        found = attributes(file["Header"])
        assert attribute(file["Header"], "free") == "Größe"
        assert attribute(file["Header"], "none", 7) == 7
    assert list(found.pop("box")) == [0.0, 1.0, 2.0]
    assert list(found.pop("texts")) == ["a", "bc"]
    assert found == {"one": 3, "fixed": "abc", "free": "Größe", "flag": True}


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_texts_in_many_heaps_are_read(version, tmp_path):
    """Long texts fill several heaps to the last byte; dense storage of attributes included."""
    texts = {f"text {length}": "x" * length for length in range(0, 6000, 97)}
    with h5py.File(tmp_path / "some.hdf5", "w", libver=version) as file:
        file.create_group("Header").attrs.update(texts)
    with h5py.File(tmp_path / "some.hdf5") as file:
        assert attributes(file["Header"]) == texts


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (8, 0x5000, "states a piece of 0 bytes"),  # the heap's own size: runs into what is no heap
        (8, 2**40, "should have 1099511627776 bytes"),
        (24, 2**64 - 8, "states a piece of 18446744073709551608 bytes"),  # with header and padding 0 again
        (56, 0, "states a piece of 0 bytes"),  # free space behind the one text
    ],
)
def test_endless_heap_is_refused(place, value, message, tmp_path):
    path = tmp_path / "some.hdf5"
    with h5py.File(path, "w") as file:
        file.create_group("Header").attrs["RunLabel"] = "Horizon-AGN"
        file["behind"] = np.zeros(10_000)
    raw = bytearray(path.read_bytes())
    heap = raw.index(b"GCOL")
    raw[heap + place : heap + place + 8] = value.to_bytes(8, "little")
    path.write_bytes(raw)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert message in done.stdout
    assert "some.hdf5: attributes of /Header" in done.stdout


def test_absurdly_many_attributes_are_refused(tmp_path):
    """Twenty thousand would take a minute, at each of many readings."""
    with h5py.File(tmp_path / "some.hdf5", "w", libver="latest") as file:
        for number in range(2001):
            file.attrs[f"a{number}"] = number
        with pytest.raises(OSError, match="there are 2001, more than 2000"):
            attributes(file)
        assert attribute(file, "a2000") == 2000
        del file.attrs["a7"]
        assert len(attributes(file)) == 2000
