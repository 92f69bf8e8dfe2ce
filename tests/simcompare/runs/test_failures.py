"""What may pass, and what counts as failed."""

import errno
import gzip
import os

import h5py
import pytest
from astropy.io import fits
from astropy.table import Table

from simcompare.runs.failures import FailureKind, InputChangedError, count_failures, may_pass


def raised(call):
    """The error that a call raises."""
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("no error")


def behind(cause, error):
    """An error of ours with what was behind it."""
    try:
        raise error from cause
    except type(error) as found:
        return found


def test_errors_of_the_machine_may_pass(tmp_path):
    missing = tmp_path / "missing"
    for error in (
        raised(missing.read_bytes),
        raised(lambda: h5py.File(missing)),
        raised(lambda: h5py.File(tmp_path)),  # a folder
        raised(lambda: fits.open(missing)),
        OSError(errno.EIO, os.strerror(errno.EIO)),
        OSError("Can't synchronously read data (file read failed: errno = 5, error message = 'I/O error')"),
        TimeoutError("took longer than 1 s"),
        MemoryError(),
        InputChangedError("x has changed"),
        FileNotFoundError("written by us, without a number"),
        behind(OSError(errno.ESTALE, "Stale file handle"), ValueError("x cannot be read")),
    ):
        assert may_pass(error), error


def test_errors_of_the_data_stay(tmp_path):
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    with h5py.File(whole, "w") as file:
        file.create_dataset("x", data=list(range(2000)), compression="gzip")
    content = bytearray(whole.read_bytes())
    cut.write_bytes(content[:1500])
    (tmp_path / "text").write_text("no HDF5")
    content[-60:] = bytes(60)
    torn = tmp_path / "torn.h5"
    torn.write_bytes(content)
    packed = gzip.compress(b"x" * 1000)
    for error in (
        raised(lambda: h5py.File(cut)),
        raised(lambda: h5py.File(tmp_path / "text")),
        raised(lambda: h5py.File(torn)["x"][:]),
        raised(lambda: gzip.decompress(packed[:-3])),
        raised(lambda: gzip.decompress(b"no gzip")),
        raised(lambda: fits.open(tmp_path / "text")),
        ValueError("no stars"),
        behind(KeyError("Header"), OSError("no header in it")),
    ):
        assert not may_pass(error), error


@pytest.mark.parametrize(
    ("kinds", "count"),
    [
        ([], 0),
        ([FailureKind.LEFT_OUT], 0),
        ([FailureKind.INPUT, FailureKind.LEFT_OUT, FailureKind.MAY_PASS], 2),
    ],
)
def test_what_a_rule_left_out_is_no_failure(tmp_path, kinds, count):
    path = tmp_path / "failures.ecsv"
    assert count_failures(path) == 0
    if kinds:
        Table({"reason": ["x"] * len(kinds), "kind": [str(kind) for kind in kinds]}).write(path)
    assert count_failures(path) == count
    Table({"reason": ["HTTP 404", "HTTP 500"]}).write(path, overwrite=True)
    assert count_failures(path) == 2
