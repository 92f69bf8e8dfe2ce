"""One bad row is one row of ``failures.ecsv``, in every verb that reads images."""

import h5py
import numpy as np
import pytest
from astropy.table import Table

from mocks.observing.psf import gaussian_psf
from simcompare.cli import main

SIDE, N = 160, 12


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Twelve galaxies of which nine are spoilt, each in another way."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    light = np.exp(-np.hypot(x, y) / 4) / 101
    images = np.array([(40 + 10 * k) * light for k in range(N)])[:, None] + rng.normal(
        0, 0.02, (N, 1, SIDE, SIDE)
    )
    psf = np.repeat(gaussian_psf(3.7, 41)[None, None], N, axis=0)
    ra, dec = 10.05 + np.arange(N) / 5, np.full(N, 0.05)
    psf[1], psf[2], psf[3, 0, 0, 0] = 0, np.nan, -5
    images[4], images[6], images[7] = np.nan, 0, rng.normal(0, 0.02, light.shape)
    images[5] *= 1e35
    dec[8], dec[9] = np.nan, -400
    images[10, 0, 50, 50] = np.inf  # of one pixel, far from the galaxy
    path = tmp_path_factory.mktemp("bad") / "stack.h5"
    with h5py.File(path, "w") as file:
        file["image"], file["psf"] = images.astype("f4"), psf.astype("f4")
        file["ra_deg"], file["dec_deg"] = ra, dec
        file["galaxy_id"] = [f"g{k}/\n\u00e9".encode() for k in range(N)]
        file.attrs.update({"bands": "r", "pixel_scale_arcsec": 0.2, "units": "nanomaggy"})
    return path


def failed(folder):
    return {row["galaxy_id"]: row["reason"] for row in Table.read(folder / "failures.ecsv")}


@pytest.fixture(scope="module")
def prepared(stack):
    folder = stack.parent / "prepared"
    assert main(["prepare", str(stack), "--survey", "lsst", "--bands", "r", "--out", str(folder)]) == 0
    return folder


def test_prepare(prepared):
    reasons = failed(prepared)
    assert list(reasons) == [f"g{k}/ \u00e9" for k in range(1, 10)]
    words = [
        "PSF",
        "PSF",
        "PSF",
        "bad or masked",
        "bad or masked",
        "constant",
        "undetected",
        "incomplete",
        "not a position",
    ]
    assert all(word in reason for word, reason in zip(words, reasons.values(), strict=True))


def test_reobserve(stack, tmp_path):
    command = ["reobserve", str(stack), "--survey", "sdss", "--bands", "r", "--size", "32"]
    assert main([*command, "--out", str(tmp_path / "r")]) == 3  # done, and some inputs failed
    assert list(failed(tmp_path / "r")) == [f"g{k}/ \u00e9" for k in range(1, 11)]


def test_twins_and_export(prepared, tmp_path):
    assert main(["twins", str(prepared), "--out", str(tmp_path / "t")]) == 0
    assert main(["export", str(prepared), "--out", str(tmp_path / "e")]) == 0
    assert len(list((tmp_path / "e").glob("*.fits"))) == 3
