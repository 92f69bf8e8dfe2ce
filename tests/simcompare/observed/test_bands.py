"""Bands by every spelling, files of one galaxy by the names that archives give them, masks, extensions."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

from mocks.observing.psf import gaussian_psf
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.stamps import RAW_MASK_BITS
from simcompare.observed import files_of, prepare_observed, read_stamps
from simcompare.observed.bands import band_letter, band_names, band_places, foreign_filter

SIDE = 90


def header(**cards):
    made = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.05, "CRVAL2": 2.03})
    made.update({"CRPIX1": 45.5, "CRPIX2": 45.5, "CD1_1": -0.262 / 3600, "CD2_2": 0.262 / 3600})
    made.update({"BUNIT": "nanomaggy", "PSF_FWHM": 1.3} | cards)
    return made


def galaxy(flux=50.0, seed=0):
    rows, columns = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    light = np.exp(-np.hypot(rows, columns) / 4)
    return flux * light / light.sum() + 0.01 * np.random.default_rng(seed).standard_normal((SIDE, SIDE))


def write(path, image, *others, **cards):
    """Image, and (name, array, cards) of further extensions."""
    parts = [fits.ImageHDU(data, fits.Header(more), name=name) for name, data, more in others]
    fits.HDUList([fits.PrimaryHDU(image.astype("f4"), header(**cards)), *parts]).writeto(path)
    return path


def flux(path, bands, **options):
    return next(read_stamps(path, bands, **options)).image.sum(axis=(1, 2))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("grz", ("g", "r", "z")),
        ("g,r,z", ("g", "r", "z")),
        ("g r, z", ("g", "r", "z")),
        ('["g","r"]', ("g", "r")),
        (["g", b"r"], ("g", "r")),
        ("f115w,f200w", ("f115w", "f200w")),
        ("hsc-g", ("hsc-g",)),
    ],
)
def test_band_lists(stated, expected):
    assert band_names(stated, "a.fits") == expected


@pytest.mark.parametrize("stated", ["gg", "", "g,,g", "[g"])
def test_band_lists_that_name_none_or_one_twice_are_refused(stated):
    with pytest.raises(ValueError, match=r"a\.fits: bands are"):
        band_names(stated, "a.fits")


def test_bands_are_found_by_name_or_letter():
    assert band_places("a", ("z", "g"), ("hsc-g", "hsc-r2", "HSC-Z")) == [2, 0]
    assert band_places("a", ("f200w",), ("nircam-f115w", "nircam-f200w")) == [1]
    assert [band_letter(name) for name in ("HSC-I2", "SDSS_r", "f814w", "clear")] == ["i", "r", None, None]
    with pytest.raises(ValueError, match=r"bands \['i'\] are not in it; it has g, r"):
        band_places("a", ("g", "i"), ("g", "r"))
    with pytest.raises(ValueError, match="band r may be any of hsc-r, sdss-r"):
        band_places("a", ("r",), ("hsc-r", "sdss-r"))


def test_cube_is_read_by_its_list(tmp_path):
    cube = np.stack([galaxy(100.0 * (i + 1), i) for i in range(3)])
    for number, bands in enumerate(("grz", "g,r,z", '["g", "r", "z"]')):
        path = write(tmp_path / f"{number}.fits", cube, BANDS=bands)
        np.testing.assert_allclose(flux(path, ("z", "g")), [300, 100], rtol=0.02)
    path = write(tmp_path / "four.fits", cube, BANDS="griz")
    with pytest.raises(ValueError, match=r"shape \(3, 90, 90\) for the bands g, r, i, z"):
        flux(path, ("z",))
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["image"] = cube[None]
        file.attrs.update({"pixel_scale_arcsec": 0.262, "units": "nanomaggy", "psf_fwhm_arcsec": 1.3})
        file.attrs["bands"] = ["g", "r", "z"]
    np.testing.assert_allclose(flux(tmp_path / "stack.h5", ("z", "g")), [300, 100], rtol=0.02)


@pytest.mark.parametrize("name", ["a.fits.fz", "cutout.fits?ra=150.05&dec=2.03", "b.fits.1", "C.FITS"])
def test_an_image_is_never_its_own_psf(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".fz"):
        image = fits.CompImageHDU(galaxy(1e4).astype("f4"), header(), quantize_level=64)
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    else:
        write(path, galaxy(1e4))
    stamp = next(read_stamps(path, ("r",)))
    expected = gaussian_psf(np.sqrt((1.3 / 0.262) ** 2 - 8 * np.log(2) / 12), 31)
    np.testing.assert_allclose(stamp.psf[0], expected, atol=2e-4)
    without = tmp_path / f"no{name}"
    fits.PrimaryHDU(galaxy(), header()).writeto(without)
    fits.delval(without, "PSF_FWHM")
    with pytest.raises(FileNotFoundError, match="no PSF"):
        next(read_stamps(without, ("r",)))


def test_names_that_archives_give(tmp_path):
    """HSC's own: a letter after HSC-, and numbers of the request's lines that differ from band to band."""
    for i, (ra, flux_g) in enumerate(((150.05, 100.0), (150.15, 400.0))):
        for j, band in enumerate("GR"):
            number = 2 + 2 * i + j
            image = galaxy(flux_g * (j + 1))
            write(tmp_path / f"{number}-cutout-HSC-{band}-9813-pdr3_wide.fits", image, CRVAL1=ra)
            psf = gaussian_psf(4.0 + j, 41)
            fits.PrimaryHDU(psf).writeto(tmp_path / f"{number}-psf-calexp-pdr3_wide-HSC-{band}-9813-4,4.fits")
    files = files_of([tmp_path], ("r", "g"))
    assert [file.name[:14] for file in files] == ["3-cutout-HSC-R", "5-cutout-HSC-R"]
    np.testing.assert_allclose(
        [flux(file, ("r", "g")) for file in files], [[200, 100], [800, 400]], rtol=0.02
    )
    widths = next(read_stamps(files[0], ("g", "r"))).psf.max(axis=(1, 2))
    np.testing.assert_allclose(widths, [gaussian_psf(w, 41).max() for w in (4.0, 5.0)], rtol=1e-5)


def test_one_file_a_band_in_capitals_and_with_a_band_missing(tmp_path):
    for name, bands in (("cutout1", "GR"), ("cutout2", "R")):
        for band in bands:
            write(tmp_path / f"{name}-HSC-{band}.fits", galaxy(200.0), FILTER=f"{band.lower()}2")
    (tmp_path / "notes.txt").write_text("no image")
    files = files_of([tmp_path], ("g", "r"))
    assert [file.name for file in files] == ["cutout1-HSC-G.fits", "cutout2-HSC-R.fits"]
    made = prepare_observed(
        files, survey="legacy-decals", bands="gr", preparation=Preparation(), out=tmp_path / "run", name="x"
    )
    assert len(made.images) == 1
    assert made.rejected["reason"].tolist() == [
        f"{tmp_path}/cutout2-HSC-G.fits: the image of this band is missing beside cutout2-HSC-R.fits"
    ]


def test_file_whose_header_names_another_filter_is_refused(tmp_path):
    write(tmp_path / "a-r.fits", galaxy(), FILTER="HSC-G")
    with pytest.raises(ValueError, match="header says filter HSC-G, but it is taken for band r"):
        flux(tmp_path / "a-r.fits", ("r",))


def test_filters_of_another_survey_are_refused(tmp_path):
    assert foreign_filter("hsc-r", "sdss")
    assert not any(
        map(foreign_filter, ("hsc-r", "DES-g", "r", "hsc-r"), ("hsc-wide", "legacy-decals", "sdss", "mine"))
    )
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["image_array"], file["object_id"] = galaxy()[None, None], [b"x"]
        file["image_band"], file["image_scale"] = np.array([[b"des-r"]]), [[0.168]]
        file["image_psf_fwhm"], file.attrs["units"] = [[0.7]], "nanomaggy"
    with pytest.raises(ValueError, match="filter des-r is none of hsc-wide"):
        prepare_observed(
            [path], survey="hsc-wide", bands="r", preparation=Preparation(), out=tmp_path / "run", name="x"
        )


def test_scales_that_differ_by_band_are_refused(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["image_array"], file["object_id"] = np.stack([galaxy()] * 2)[None], [b"x"]
        file["image_band"], file["image_scale"] = np.array([[b"a-g", b"a-r"]]), [[0.396, 0.262]]
        file["image_psf_fwhm"], file.attrs["units"] = [[1.3, 1.3]], "nanomaggy"
    assert "pixel scales [0.396, 0.262] arcsec" in next(read_stamps(path, ("g", "r"))).problem


def test_error_image_before_the_science_image(tmp_path):
    noise = np.full((SIDE, SIDE), 0.5) + np.random.default_rng(1).normal(0, 0.01, (SIDE, SIDE))
    parts = [fits.ImageHDU(noise, header(), name="ERR"), fits.ImageHDU(galaxy(70.0), header(), name="SCI")]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(tmp_path / "e.fits")
    np.testing.assert_allclose(flux(tmp_path / "e.fits", ("r",)), 70, rtol=0.02)
    fits.HDUList([fits.PrimaryHDU(), parts[0]]).writeto(tmp_path / "only.fits")
    with pytest.raises(ValueError, match="no image of a galaxy in it; its extensions are ERR"):
        flux(tmp_path / "only.fits", ("r",))


@pytest.mark.parametrize("dtype", ["i2", "f4", "u1"])
def test_masks_of_zero_and_one(tmp_path, dtype):
    mask = np.zeros((SIDE, SIDE), dtype)
    mask[:, :20] = 1
    stamp = next(read_stamps(write(tmp_path / "m.fits", galaxy(), ("MASK", mask, {})), ("r",)))
    np.testing.assert_array_equal(stamp.mask[0], RAW_MASK_BITS["bad"] * mask.astype(int))


def test_masks_with_planes_also_as_floats_and_by_band(tmp_path):
    planes = np.zeros((2, SIDE, SIDE), "f4")
    planes[0, 3, 3], planes[1, 4, 4], planes[1, 5, 5] = 1, 2, np.nan
    path = write(
        tmp_path / "m.fits",
        np.stack([galaxy()] * 2),
        ("MASK", planes, {"MP_BAD": 0, "MP_SAT": 1}),
        BANDS="gr",
    )
    mask = next(read_stamps(path, ("r", "g"))).mask
    assert (mask[1, 3, 3], mask[0, 4, 4], mask[0, 5, 5], mask.sum()) == (2, 4, 2, 8)


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        (np.full((SIDE, SIDE), 32, "i4"), "its mask holds 32; number the planes"),
        (np.full((SIDE, SIDE), 0.5), "its mask holds fractions"),
        (np.zeros((9, 9), "i4"), r"its mask has shape \(9, 9\)"),
    ],
)
def test_masks_that_are_not_understood_are_refused(tmp_path, mask, why):
    with pytest.raises(ValueError, match=why):
        flux(write(tmp_path / "m.fits", galaxy(), ("MASK", mask, {})), ("r",))


@pytest.mark.parametrize("mask", [np.full((SIDE, SIDE), 0.3), np.full((1, SIDE, SIDE), 1.5, "f4")])
def test_fractions_in_the_mask_of_a_stack_spoil_their_galaxy_alone(tmp_path, mask):
    path = tmp_path / "stack.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.stack([galaxy()] * 2)[:, None]
        file["mask"] = np.stack([0 * mask, mask])
        file.attrs.update({"bands": "r", "pixel_scale_arcsec": 0.262, "psf_fwhm_arcsec": 1.3})
        file.attrs["units"] = "nanomaggy"
    first, second = read_stamps(path, ("r",))
    assert not first.problem
    assert not first.mask.any()
    assert second.problem == f"its mask holds fractions, such as {mask.flat[0]:g}"


def test_bands_that_show_other_places_are_refused(tmp_path):
    write(tmp_path / "a-g.fits", galaxy())
    write(tmp_path / "a-r.fits", galaxy(), CRPIX1=47.5)
    with pytest.raises(ValueError, match=r"offset by 0\.52 arcsec"):
        flux(tmp_path / "a-g.fits", ("g", "r"))


def test_stack_of_whole_numbers_is_read_as_what_it_states(tmp_path):
    path = tmp_path / "counts.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.rint(1e3 * galaxy(50.0))[None, None].astype("i4")
        file.attrs.update({"bands": "r", "pixel_scale_arcsec": 0.262, "psf_fwhm_arcsec": 1.3})
        file.attrs["units"] = "counts, AB zero point 30.0"
    np.testing.assert_allclose(flux(path, ("r",)), 50, rtol=0.02)


def test_weights_and_masks_beside_images_are_no_galaxies(tmp_path, caplog):
    """As bricks of the Legacy Surveys and cut-outs of KiDS come; sorted by name the weights stand first."""
    rows = {"invvar": np.full((SIDE, SIDE), 1e4), "image": galaxy(50.0), "maskbits": np.zeros((SIDE, SIDE))}
    for kind, data in rows.items():
        write(tmp_path / f"legacysurvey-1501p022-{kind}-r.fits", data)
    write(tmp_path / "KiDS_DR4.0_150.3_2.2_r_wei.fits", rows["invvar"], CRVAL1=150.3)
    write(tmp_path / "KiDS_DR4.0_150.3_2.2_r_sci.fits", galaxy(30.0), CRVAL1=150.3)
    found = files_of([tmp_path], ("r",))
    assert [file.name for file in found] == [
        "KiDS_DR4.0_150.3_2.2_r_sci.fits",
        "legacysurvey-1501p022-image-r.fits",
    ]
    said = "weight, error and mask images left out by their names: 1 invvar, 1 maskbits, 1 wei"
    assert said in caplog.text
    assert [round(float(flux(file, ("r",))[0])) for file in found] == [30, 50]
    (tmp_path / "alone").mkdir()
    named_so = write(tmp_path / "alone" / "NGC-1300-var-r.fits", galaxy())
    assert files_of([tmp_path / "alone"], ("r",)) == [named_so]


def test_single_files_of_hsc_and_stacks_of_panstarrs(tmp_path):
    """Names as the archives give them: the PSF by filter and place, the filter in the middle of a name."""
    hsc, wide, narrow = tmp_path / "hsc", gaussian_psf(5.0, 31), gaussian_psf(3.0, 31)
    hsc.mkdir()
    for band, light in (("G", 40.0), ("R2", 50.0)):
        write(hsc / f"cutout-HSC-{band}-9813-pdr3_wide-210101-000000.fits", galaxy(light))
        for ra, psf in ((150.05, wide), (151.00, narrow)):
            name = f"psf-calexp-pdr3_wide-HSC-{band}-9813-4,5-{ra:.5f}-2.03000.fits"
            fits.PrimaryHDU(psf).writeto(hsc / name)
    (file,) = files_of([hsc], ("g", "r"))
    (stamp,) = read_stamps(file, ("g", "r"))
    assert stamp.image.sum(axis=(1, 2)) == pytest.approx([40, 50], abs=2)
    np.testing.assert_allclose(stamp.psf, [wide / wide.sum()] * 2, atol=1e-6)
    stacks = tmp_path / "ps1"
    stacks.mkdir()
    for band, light in (("g", 40.0), ("r", 50.0)):
        for part, data in (("", galaxy(light)), (".wt", np.ones((SIDE, SIDE)))):
            write(stacks / f"rings.v3.skycell.1234.056.stk.{band}.unconv{part}.fits", data)
    (file,) = files_of([stacks], ("g", "r"))
    assert flux(file, ("g", "r")) == pytest.approx([40, 50], abs=2)


def test_extensions_of_several_bands_are_refused(tmp_path):
    """The first was taken whatever the band: G for r, 0.75 mag too bright."""
    write(tmp_path / "named.fits", galaxy(), ("R", galaxy(), {}))
    parts = [fits.ImageHDU(galaxy(100.0 * (i + 1)), header(), name=name) for i, name in enumerate("GR")]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(tmp_path / "two.fits")
    for part, name in zip(parts, "gr", strict=True):
        part.name, part.header["FILTER"] = "", f"DECam {name}"
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(tmp_path / "filters.fits")
    for name in ("two", "filters"):
        with pytest.raises(ValueError, match="its extensions are images in several bands"):
            flux(tmp_path / f"{name}.fits", ("r",))
    assert flux(tmp_path / "named.fits", ("r",)) == pytest.approx(50.0, rel=0.02)


def test_planes_named_one_by_one(tmp_path):
    cube = np.stack([galaxy(100.0 * (i + 1)) for i in range(3)])
    one_by_one = {"BAND0": "g", "BAND1": "r", "BAND2": "z"}
    assert flux(write(tmp_path / "a.fits", cube, **one_by_one), ("r",)) == pytest.approx(200.0, rel=0.01)
    both = write(tmp_path / "b.fits", cube, BANDS="grz", **one_by_one)
    assert flux(both, ("z", "g")) == pytest.approx([300.0, 100.0], rel=0.02)
    other = write(tmp_path / "c.fits", cube, BANDS="grz", BAND0="z", BAND1="g", BAND2="r")
    with pytest.raises(ValueError, match="BANDS says g, r, z, BAND0 to BAND2 say z, g, r"):
        flux(other, ("r",))


@pytest.mark.parametrize("name", ["Cousins R", "F606W", "Pan-STARRS r", "r.MP9601", "2MASS r", "ACS F814W r"])
def test_filters_of_none_of_our_surveys_are_foreign(name):
    assert foreign_filter(name, "sdss")
    assert foreign_filter("Pan-STARRS r", "panstarrs") is False


def test_a_letter_of_another_system_is_another_filter(tmp_path):
    with pytest.raises(ValueError, match="says filter V, but it is taken for band r"):
        flux(write(tmp_path / "x.fits", galaxy(), FILTER="V"), ("r",))


@pytest.mark.parametrize("shape", [(3, 1, SIDE, SIDE), (3, 2, SIDE, SIDE), (3, SIDE, SIDE)])
def test_masks_of_a_fits_stack(shape, tmp_path):
    images = np.stack([np.stack([galaxy(seed=2 * i + j) for j in range(2)]) for i in range(3)])
    mask = np.zeros(shape, np.int16)
    mask[1, ..., 40:44, 40:44] = 1
    stated = {"BANDS": "gr", "PIXSCALE": 0.262, "BUNIT": "nanomaggy", "PSF_FWHM": 1.3}
    parts = [fits.PrimaryHDU(images.astype("f4"), fits.Header(stated)), fits.ImageHDU(mask, name="MASK")]
    fits.HDUList(parts).writeto(tmp_path / "stack.fits")
    masks = [stamp.mask for stamp in read_stamps(tmp_path / "stack.fits", ("r",))]
    assert [int(np.count_nonzero(each)) for each in masks] == [0, 16, 0]
    assert masks[1].max() == RAW_MASK_BITS["bad"]
    parts[1] = fits.ImageHDU(mask[:2], name="MASK")
    fits.HDUList(parts).writeto(tmp_path / "short.fits")
    with pytest.raises(ValueError, match=r"its mask has shape \(2, .* its images \(3, 2, 90, 90\)"):
        list(read_stamps(tmp_path / "short.fits", ("r",)))
