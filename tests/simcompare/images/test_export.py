"""Image sets written for other programs, and read again."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mocks.observing.psf import gaussian_psf
from mocks.surveys import load_survey
from simcompare.images.export import export_fits, export_mmu
from simcompare.images.image_set import ImageSet, collect_stamps, write_part
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.stamps import RawStamp
from simcompare.observed import prepare_observed, read_stamps, recognise


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rows, columns = np.indices((64, 64)) - 31.7
    light = np.exp(-(rows**2 + columns**2) / 18)
    preparation, stamps = Preparation(size=48), []
    for i in range(5):
        noise = 0.02 * np.random.default_rng(i).standard_normal((2, 64, 64))
        stamp = RawStamp(
            image=(20 + i) * light / light.sum() + noise,
            psf=np.array([gaussian_psf(3.0, 31)] * 2),
            pixel_scale=0.4,
            bands=("g", "r"),
            galaxy_id=f"g{i}",
            ra=10.0 + i,
            dec=-5.03,
        )
        prepared = prepare_stamp(stamp, preparation, preparation_stream(1, stamp.galaxy_id))
        prepared.row.update(view=0, dataset="toy", split="train")
        stamps.append(prepared)
    stack, table = collect_stamps(stamps)
    path = tmp_path_factory.mktemp("set") / "toy.h5"
    write_part(
        path, stack, table, name="toy", kind="observed", survey="sdss", bands=("g", "r"), pixel_scale=0.4,
        preparation=preparation,
    )  # fmt: skip
    return ImageSet.open(path)


def test_fits_files_hold_image_place_and_catalogue(images, tmp_path):
    written = export_fits(images, tmp_path)
    assert [path.name for path in written] == [f"toy-g{i}-v0.fits" for i in range(5)]
    with fits.open(written[3]) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["VARIANCE", "MASK", "PSF"]
        np.testing.assert_array_equal(hdus[0].data, images.read(3).image[0])
        header = hdus[0].header
        assert header["cat mag_r"] == pytest.approx(images.catalogue["mag_r"][3])
        row = images.catalogue[3]
        place = WCS(header, naxis=2).pixel_to_world_values(row["centre_x"], row["centre_y"])
        np.testing.assert_allclose(place, [13, -5.03], atol=1e-9)
    assert not list(tmp_path.glob("*.tmp"))


def test_hostile_names_stay_in_the_folder_and_apart(images, tmp_path):
    names = ["../../out", "/abs/path", "a/b", "a_b", "caf\u00e9\nb"]
    chosen = images.subset(slice(None))
    chosen.catalogue["galaxy_id"] = names
    chosen.catalogue["dataset"] = [".."] * 5
    written = export_fits(chosen, tmp_path / "made" / "here")
    assert len(set(written)) == 5
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(written)
    assert {path.parent for path in written} == {tmp_path / "made" / "here"}
    assert fits.getheader(written[4])["cat galaxy_id"] == r"caf\xe9\nb"


def test_exported_fits_is_read_again(images, tmp_path):
    path = export_fits(images, tmp_path)[0]
    assert recognise(path) == "fits-cutout"
    stamp = next(read_stamps(path, ("r", "g")))
    np.testing.assert_array_equal(stamp.image, images.read(0).image[0, ::-1])
    assert stamp.pixel_scale == pytest.approx(0.4)


def test_multimodal_layout_goes_out_and_comes_back(images, tmp_path):
    path = export_mmu(images, tmp_path / "mmu.h5", batch_size=2)
    with h5py.File(path) as file:
        assert file["image_array"].shape == (5, 2, 48, 48)
        assert file["image_band"][0].tolist() == [b"sdss-g", b"sdss-r"]
        np.testing.assert_allclose(file["image_ivar"][:] * images.read().variance, 1, rtol=1e-5)
    assert recognise(path) == "multimodal"
    made = prepare_observed(
        [path],
        survey=replace(load_survey("sdss"), name="any", pixel_scale=0.4),
        bands=["r"],
        preparation=Preparation(size=40),
        out=tmp_path / "run",
        name="again",
    )
    assert made.images.catalogue["galaxy_id"].tolist() == [f"g{i}" for i in range(5)]
    difference = made.images.catalogue["mag_r"] - images.catalogue["mag_r"]
    assert np.abs(difference).max() < 0.05
    with h5py.File(path, "a") as file:
        del file.attrs["unit"]
    with pytest.raises(ValueError, match="no stated unit"):
        next(read_stamps(path, ("r",)))
