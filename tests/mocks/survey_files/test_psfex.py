"""PSF models of PSFEx, against sums written out by hand and against GalSim."""

import numpy as np
import pytest
from astropy.io import fits

from mocks.observing.psf_images import measure_fwhm
from mocks.survey_files.psfex import open_psfex

SIDE = 25
ZERO, SCALE = (1000.0, 2000.0), (1800.0, 3900.0)


def write_model(path, step=1.0, degree=2, n_images=None, **cards):
    """Gaussian whose light is spread out along x and y by terms of a polynomial; returns the images."""
    offset = (np.arange(SIDE) - SIDE // 2) * step
    n = n_images or (degree + 1) * (degree + 2) // 2
    weight = (1, 0.15, -0.1, 0.08, 0.12, -0.05)
    width = 1.6 + 0.1 * np.arange(n)
    images = np.array(
        [
            weight[i] * np.exp(-(offset**2 + offset[:, None] ** 2 * (1 + i / 10)) / (2 * width[i] ** 2))
            for i in range(n)
        ],
        np.float32,
    )
    column = fits.Column(
        "PSF_MASK", format=f"{images.size}E", dim=str(images.shape[::-1]), array=images[None]
    )
    table = fits.BinTableHDU.from_columns([column], name="PSF_DATA")
    table.header.update({"PSF_SAMP": step, "POLNAXIS": 2, "POLNGRP": 1, "POLDEG1": degree, "PSFNAXIS": 3})
    for axis, side in enumerate(images.shape[::-1], 1):
        table.header[f"PSFAXIS{axis}"] = side
    for axis, name in enumerate("XY", 1):
        table.header.update({f"POLGRP{axis}": 1, f"POLNAME{axis}": f"{name}_IMAGE"})
        table.header.update({f"POLZERO{axis}": ZERO[axis - 1], f"POLSCAL{axis}": SCALE[axis - 1]})
    table.header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return images.astype(float)


def test_polynomial_runs_over_x_before_y(tmp_path):
    images = write_model(tmp_path / "a.psf")
    x, y = (280 - ZERO[0]) / SCALE[0], (3170 - ZERO[1]) / SCALE[1]  # -0.4 and 0.3
    expected = sum(term * image for term, image in zip([1, x, x**2, y, x * y, y**2], images, strict=True))
    psf = open_psfex(tmp_path / "a.psf").at(280, 3170)
    assert psf == pytest.approx(expected / expected.sum(), abs=1e-7)


@pytest.mark.parametrize(("step", "side"), [(1.0, 25), (0.5, 13), (0.7, 17), (1.3, 31)])
def test_sampling_is_brought_to_pixels(tmp_path, step, side):
    """The Gaussian is the same whatever the sampling, 1.6 pixels of standard deviation."""
    write_model(tmp_path / "a.psf", step, degree=0)
    psf = open_psfex(tmp_path / "a.psf").at(3, 3)
    assert psf.shape == (side, side)
    assert measure_fwhm(psf) == pytest.approx(1.6 * np.sqrt(8 * np.log(2)), rel=2e-3)


@pytest.mark.parametrize(("step", "tolerance"), [(1.0, 1e-6), (0.5, 1e-6), (0.86, 5e-3)])
def test_same_as_galsim(tmp_path, step, tolerance):
    """GalSim interpolates by a Lanczos kernel of three pixels, which is good to a few thousandths."""
    galsim = pytest.importorskip("galsim")
    pytest.importorskip("galsim.des")
    write_model(tmp_path / "a.psf", step)
    ours = open_psfex(tmp_path / "a.psf").at(150, 3500)
    model = galsim.des.DES_PSFEx(str(tmp_path / "a.psf")).getPSF(galsim.PositionD(150, 3500))
    side = len(ours)
    theirs = model.drawImage(nx=side, ny=side, scale=1, method="no_pixel").array
    assert np.abs(ours - theirs / theirs.sum()).max() < tolerance * ours.max()


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"POLNAME2": "MAG_AUTO"}, "depends on X_IMAGE, MAG_AUTO"),
        ({"POLDEG1": 3}, "degree 3 needs 10 images"),
        ({"PSF_SAMP": 0}, "PSF_SAMP holds 0.0"),
        ({"POLSCAL1": -1.0}, "POLSCAL holds -1.0"),
        ({"POLZERO1": "unknown"}, "could not convert|not numbers"),
    ],
)
def test_models_of_something_else_are_refused(tmp_path, cards, message):
    write_model(tmp_path / "a.psf", **cards)
    with pytest.raises(ValueError, match=message):
        open_psfex(tmp_path / "a.psf")


def test_places_without_stars_and_other_files(tmp_path):
    write_model(tmp_path / "a.psf")
    with pytest.raises(ValueError, match=r"x 100 to 1900, y 50 to 3950"):
        open_psfex(tmp_path / "a.psf").at(2500, 2000)
    fits.PrimaryHDU(np.ones((5, 5))).writeto(tmp_path / "image.fits")
    assert open_psfex(tmp_path / "image.fits") is None
    with pytest.raises(FileNotFoundError):
        open_psfex(tmp_path / "none.psf")
