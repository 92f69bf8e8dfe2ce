"""Small files that claim to hold many gigabytes are refused before their memory is asked for."""

import bz2
import gzip

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from mocks import claims
from mocks.checked_fits import damage_of, open_fits
from mocks.checked_hdf5 import open_checked, refuse_foreign
from mocks.claims import refuse_bomb
from simcompare.observed.formats import read_stamps
from simcompare.runs.tables import refuse_large_parquet


def header(side):
    cards = [("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", side), ("NAXIS2", side)]
    return fits.Header(cards).tostring().encode()


def test_the_bound_is_a_gigabyte_and_a_hundred_times_the_file():
    refuse_bomb(2**30, 0)
    refuse_bomb(2**30 + 500, 5)
    with pytest.raises(ValueError, match=r"1\.07 GB of values in 5e-06 MB"):
        refuse_bomb(2**30 + 501, 5)


@pytest.mark.parametrize("unpack", [gzip, bz2], ids=["gz", "bz2"])
def test_compressed_fits_is_known_by_its_header(tmp_path, unpack):
    """An image of 14.4 GB in a file of 3 kB; unpacking the zeros would take a minute."""
    path = tmp_path / f"cutout-r.fits.{unpack.__name__.replace('gzip', 'gz')}"
    with unpack.open(path, "wb") as file:
        file.write(header(60_000) + bytes(2880))
    with pytest.raises(ValueError, match=r"14\.4 GB of values"), open_fits(path):
        pass
    with pytest.raises(ValueError, match=rf"{path.name}.* claims to hold 14\.4 GB"):
        next(read_stamps(path, ("r",)))


def test_tiles_of_fits_are_counted_as_they_unpack(tmp_path):
    path = tmp_path / "tiled.fits"
    fits.CompImageHDU(np.zeros((64, 64), "i2")).writeto(path)
    with open_fits(path) as hdus:
        assert hdus[1].data.shape == (64, 64)
    content = path.read_bytes()
    for axis in (b"ZNAXIS1", b"ZNAXIS2"):
        card = axis + b" =                   64"
        assert card in content
        content = content.replace(card, axis + b" =                64000")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"8\.19 GB of values"), open_fits(path):
        pass


def test_blocks_that_hdf5_never_wrote_are_counted(tmp_path):
    path = tmp_path / "stack.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("image", (1, 1, 40_000, 40_000), "f4", chunks=(1, 1, 1000, 1000))
        file.attrs.update(bands="r", pixel_scale_arcsec=0.4, units="nanomaggy", psf_fwhm_arcsec=1.3)
    with pytest.raises(ValueError, match=r"stack\.h5: it claims to hold 6\.4 GB"), open_checked(path):
        pass
    with pytest.raises(ValueError, match=r"6\.4 GB"):
        refuse_foreign(path, siblings=True)
    with pytest.raises(ValueError, match=r"6\.4 GB"):
        next(read_stamps(path, ("r",)))
    with h5py.File(path, "w") as file:  # zeros pack a thousandfold, noise beside them does not
        file.create_dataset("mask", compression="gzip", data=np.zeros((2000, 64, 64), "u1"))
        file["image"] = np.random.default_rng(1).normal(size=(20, 64, 64))
    with open_checked(path) as file:
        assert file["mask"].shape == (2000, 64, 64)


def test_values_that_repeat_in_parquet_are_counted_as_in_memory(tmp_path, monkeypatch):
    """A million equal words take some 1 kB in the file, 8 MB as pointers."""
    monkeypatch.setattr(claims, "SMALL", 10**6)
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"object_id": pa.array(["a"]).take(pa.array(np.zeros(10**6, int)))}), path)
    assert path.stat().st_size < 20_000
    with pq.ParquetFile(path) as file, pytest.raises(ValueError, match=r"0\.008 GB of values"):
        refuse_large_parquet(file, path.stat().st_size)
    pq.write_table(pa.table({"object_id": np.random.default_rng(1).integers(0, 10**9, 10**6)}), path)
    with pq.ParquetFile(path) as file:
        refuse_large_parquet(file, path.stat().st_size)


def broken(path, card, text):
    """File of one image whose card is damaged."""
    fits.PrimaryHDU(np.ones((4, 4)), fits.Header({"NUMBER": 5, "WORD": "a"})).writeto(path)
    content = path.read_bytes()
    assert card in content
    path.write_bytes(content.replace(card, text))


@pytest.mark.parametrize(
    ("card", "text"),
    [(b"NUMBER  =                    5", b"NUMBER  =               5 = =="), (b"NAXIS1 ", b"NAXIS3 ")],
)
def test_damaged_cards_end_in_one_line_of_a_known_kind(tmp_path, card, text):
    """astropy raises errors of its own, of several lines, some only when a card is asked for."""
    path = tmp_path / "image.fits"
    broken(path, card, text)
    with pytest.raises((OSError, ValueError)) as error, open_fits(path) as hdus:
        assert hdus[0].header["NUMBER"] * hdus[0].data.sum() == 0
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("error", [KeyError("a"), ValueError("b\nc"), fits.VerifyError("d\ne"), OSError("f")])
def test_what_a_damaged_header_makes_of_a_reader_is_one_line_with_the_file(tmp_path, error):
    with (
        pytest.raises((OSError, ValueError), match=r"image.fits: .*[abdf]") as told,
        damage_of("image.fits"),
    ):
        raise error
    assert "\n" not in str(told.value)


def test_errors_that_are_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), open_fits(tmp_path / "absent.fits"):
        pass
    with pytest.raises(FileNotFoundError), damage_of(tmp_path / "a"), open(tmp_path / "a"):
        pass
