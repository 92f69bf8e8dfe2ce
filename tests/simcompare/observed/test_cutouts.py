"""Coadd cut-outs and generic files: units, bands, PSF and coordinates as stated, or refused."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

from mocks.observing.psf import gaussian_psf
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.observed import prepare_observed, read_stamps, recognise
from simcompare.observed.units import nanomaggies_per_unit


def header(scale=0.168, **cards):
    made = fits.Header()
    made["CTYPE1"], made["CTYPE2"] = "RA---TAN", "DEC--TAN"
    made["CRVAL1"], made["CRVAL2"] = 150.0, 2.0
    made["CRPIX1"] = made["CRPIX2"] = 45.5
    made["CD1_1"], made["CD2_2"] = -scale / 3600, scale / 3600
    made.update(cards)
    return made


def galaxy(flux=50.0, seed=0, side=90):
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    light = np.exp(-np.hypot(rows, columns) / 4)
    return flux * light / light.sum() + 0.01 * np.random.default_rng(seed).standard_normal((side, side))


def write_hsc(path, image, band="i", **cards):
    """Image, mask planes and variance, as HSC gives a coadd cut-out."""
    planes = fits.ImageHDU(np.zeros(image.shape, np.int32), name="MASK")
    planes.header["MP_BAD"], planes.header["MP_SAT"] = 0, 1
    planes.data[5, 5], planes.data[6, 6] = 1, 2
    first = fits.ImageHDU(
        image.astype(np.float32), header(**({"FLUXMAG0": 10 ** (0.4 * 27)} | cards)), name="IMAGE"
    )
    variance = fits.ImageHDU(np.full(image.shape, 1e-4, np.float32), name="VARIANCE")
    fits.HDUList([fits.PrimaryHDU(), first, planes, variance]).writeto(path)
    fits.PrimaryHDU(gaussian_psf(4.0, 43).astype(np.float32)).writeto(path.with_name(f"{path.stem}-psf.fits"))


def test_units():
    assert nanomaggies_per_unit("nanomaggy per pixel") == 1
    assert nanomaggies_per_unit("coadd flux, AB zero point 27.0") == pytest.approx(1 / 63.0957, rel=1e-5)
    assert nanomaggies_per_unit("", 22.5) == 1
    assert nanomaggies_per_unit("uJy") == pytest.approx(1 / 3.631)
    with pytest.raises(ValueError, match=r"a\.fits: pixels in 'DN'"):
        nanomaggies_per_unit("DN", where="a.fits")


def test_hsc_cutout_has_its_flux_mask_and_psf(tmp_path):
    for band in "gi":
        write_hsc(tmp_path / f"cutout-{band}.fits", 63.0957 * galaxy())
    assert recognise(tmp_path / "cutout-i.fits") == "fits-cutout"
    stamp = next(read_stamps(tmp_path / "cutout-i.fits", ("g", "i")))
    assert stamp.image.shape == (2, 90, 90)
    assert stamp.pixel_scale == pytest.approx(0.168)
    assert (stamp.mask[0, 5, 5], stamp.mask[0, 6, 6], stamp.mask.sum()) == (2, 4, 12)
    assert stamp.psf.shape == (2, 43, 43)
    assert (stamp.ra, stamp.dec) == (pytest.approx(150, abs=1e-4), pytest.approx(2, abs=1e-4))
    prepared = prepare_stamp(stamp, Preparation(), preparation_stream(1, stamp.galaxy_id))
    assert prepared.row["mag_i"] == pytest.approx(22.5 - 2.5 * np.log10(50), abs=0.03)


def test_legacy_cube_in_nanomaggies(tmp_path):
    cube = np.stack([galaxy(flux) for flux in (20.0, 30.0, 40.0)])
    path = tmp_path / "cutout.fits"
    psf = fits.ImageHDU(np.stack([gaussian_psf(4.0, 31)] * 3), name="PSF")
    primary = fits.PrimaryHDU(cube, header(0.262, BANDS="grz", BUNIT="nanomaggy"))
    fits.HDUList([primary, psf]).writeto(path)
    stamp = next(read_stamps(path, ("z", "g")))
    np.testing.assert_allclose(stamp.image.sum(axis=(1, 2)), [40, 20], rtol=0.1)
    with pytest.raises(ValueError, match=r"bands \['i'\] are not in it"):
        next(read_stamps(path, ("i",)))


@pytest.mark.parametrize(
    ("cards", "bands", "error", "message"),
    [
        ({"FLUXMAG0": None}, ("i",), ValueError, "no stated unit"),
        ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, ("i",), ValueError, "no celestial coordinates"),
        ({}, ("i", "r"), FileNotFoundError, r"cutout-r\.fits: the image of this band is missing"),
    ],
)
def test_incomplete_cutouts_are_refused_by_name(tmp_path, cards, bands, error, message):
    write_hsc(tmp_path / "cutout-i.fits", galaxy(), **{key: value for key, value in cards.items() if value})
    if "FLUXMAG0" in cards:
        with fits.open(tmp_path / "cutout-i.fits", mode="update") as hdus:
            del hdus[1].header["FLUXMAG0"]
    with pytest.raises(error, match=message):
        next(read_stamps(tmp_path / "cutout-i.fits", bands))


def test_bands_of_unlike_scale_and_missing_psf_are_refused(tmp_path):
    write_hsc(tmp_path / "a-g.fits", galaxy())
    write_hsc(tmp_path / "a-r.fits", galaxy(), CD1_1=-0.2 / 3600, CD2_2=0.2 / 3600)
    with pytest.raises(ValueError, match="the bands' images differ"):
        next(read_stamps(tmp_path / "a-g.fits", ("g", "r")))
    (tmp_path / "a-g-psf.fits").unlink()
    with pytest.raises(FileNotFoundError, match=r"a-g-psf\.fits: no PSF"):
        next(read_stamps(tmp_path / "a-g.fits", ("g",)))
    (tmp_path / "b.fits").write_bytes((tmp_path / "a-g.fits").read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"b\.fits: no FITS image, or damaged"):
        next(read_stamps(tmp_path / "b.fits", ("g",)))


def test_generic_stack_states_everything(tmp_path):
    path = tmp_path / "stack.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.stack(
            [np.stack([galaxy(50, seed), galaxy(30, seed + 10)]) for seed in range(3)]
        ).astype("f4")
        with pytest.raises(ValueError, match="attribute 'bands' is missing"):
            next(read_stamps(_closed(file, path), ("r",)))
    with h5py.File(path, "a") as file:
        file.attrs.update({"bands": "gr", "pixel_scale_arcsec": 0.2, "units": "nanomaggy"})
    with pytest.raises(ValueError, match="no PSF"):
        next(read_stamps(path, ("r",)))
    with h5py.File(path, "a") as file:
        file.attrs["psf_fwhm_arcsec"] = 0.8
    made = prepare_observed(
        [path], survey="kids", bands=["r"], preparation=Preparation(), out=tmp_path / "run", name="KiDS"
    )
    assert len(made.images) == 3
    assert np.median(made.images.catalogue["psf_fwhm_r"]) == pytest.approx(0.8, rel=0.01)
    assert np.median(made.images.catalogue["mag_r"]) == pytest.approx(22.5 - 2.5 * np.log10(30), abs=0.05)


def _closed(file, path):
    file.close()
    return path


def test_real_hsc_blends_and_mixed_scales(shared_data, tmp_path):
    path = shared_data / "observed" / "hsc-cosmos-blends" / "hsc-cosmos-blends.h5"
    assert recognise(path) == "object-groups"
    made = prepare_observed(
        [path], survey="hsc-wide", bands=["i"], preparation=Preparation(size=48), out=tmp_path, name="HSC"
    )
    assert len(made.images) + len(made.rejected) == 110
    assert len(made.images) > 30
    assert 0.4 < np.median(made.images.catalogue["psf_fwhm_i"]) < 1.0
    assert made.images.pixel_scale == 0.168


def test_images_that_fill_the_memory_are_refused_by_their_header(tmp_path):
    """A file of 3.6 GB, of which the system keeps but the header."""
    path = tmp_path / "cutout-r.fits"
    cards = {"SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": 30_000, "NAXIS2": 30_000}
    path.write_bytes(fits.Header(cards).tostring().encode())
    with open(path, "ab") as file:
        file.truncate(2880 + 2880 * -(-4 * 30_000**2 // 2880))
    with pytest.raises(ValueError, match=r"cutout-r\.fits: .*30000 x 30000 pixels, more than 16384"):
        next(read_stamps(path, ("r",)))


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_an_image_of_another_scale_is_left_out_alone(order, tmp_path):
    """KiDS has pixels of 0.2 arcsec; the one of 0.3 may come first."""
    for name, scale in (("a", 0.2), ("b", 0.3)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["image"] = galaxy()[None, None].astype("f4")
            file.attrs.update(
                {"bands": "r", "pixel_scale_arcsec": scale, "units": "nanomaggy", "psf_fwhm_arcsec": 0.8}
            )
    made = prepare_observed(
        [tmp_path / f"{name}.h5" for name in order],
        survey="kids",
        bands=["r"],
        preparation=Preparation(),
        out=tmp_path / "run",
        name="x",
    )
    assert made.images.pixel_scale == 0.2
    assert made.images.catalogue["source"].tolist() == ["a.h5"]
    reason = "pixels of 0.3 arcsec, but those of kids are 0.2; give the survey that they are from"
    assert made.rejected["reason"][0].startswith(reason)
