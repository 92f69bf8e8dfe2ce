"""Whole SDSS fields: noise from first principles, psField against its reference, galaxies found again."""

import bz2
import shutil

import h5py
import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from mocks.observing.psf_images import measure_fwhm
from mocks.survey_files.sdss_camera import dark_variance, gain
from mocks.survey_files.sdss_frames import frame_siblings, open_frame
from mocks.survey_files.sdss_psf import read_psfield
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.splits import split_of_place
from simcompare.observed import read_stamps
from simcompare.observed.detect import empirical_psf, find_candidates

FRAMES = ["g-004510-4-0030", "r-004510-4-0030", "i-004510-4-0030", "r-005112-4-0345"]


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "observed" / "sdss-frames"


@pytest.fixture(scope="module", params=FRAMES)
def frame(request, folder):
    return open_frame(folder / f"frame-{request.param}.fits.bz2")


def test_noise_predicted_from_gain_dark_and_sky_is_measured(frame):
    rng = np.random.default_rng(1)
    count, ccd = frame.calibration, (frame.run, frame.camcol, frame.band)
    predicted = count * np.sqrt(frame.sky / gain(*ccd) + dark_variance(*ccd))  # SDSS data model, ``frame``
    # The camera's rounding is in the pixels; the dither that makes them continuous adds as much again.
    image = frame.image + count * rng.uniform(-0.5, 0.5, frame.image.shape)
    normal = image / np.sqrt(predicted**2 + 2 * count**2 / 12)
    objects = binary_dilation(gaussian_filter(normal, 1.2) > 0.8, iterations=5)
    sky = normal[~objects]
    assert sky.size > 2e6
    measured = 1.4826 * np.median(np.abs(sky - np.median(sky)))
    assert measured == pytest.approx(1, abs=0.05)
    assert abs(np.median(sky)) < 0.06


def test_empirical_psf_has_the_width_found_before(frame, folder):
    candidates = find_candidates(frame.image)
    psf = empirical_psf(frame.image, candidates)
    assert psf.sum() == pytest.approx(1)
    with h5py.File(folder / "psf.h5", "r") as file:
        reference = file["frame"][f"{frame.run:06d}-{frame.camcol}-{frame.field:04d}"][frame.band][:]
    assert measure_fwhm(psf) == pytest.approx(measure_fwhm(reference), rel=0.03)


def test_psfield_reconstruction_equals_the_reference(folder):
    with h5py.File(folder / "psf.h5", "r") as file:
        for path in sorted(folder.glob("psField*")):
            for band in "ugriz":
                reference = file["psfield"][path.name.split(".")[0]][band][:]
                difference = read_psfield(path, band, 744, 1024) - reference
                assert np.abs(difference).max() < 1e-5 * reference.max()


def test_galaxies_of_a_field_are_found_again_with_their_magnitudes(folder, shared_data):
    path = folder / "frame-r-004510-4-0030.fits.bz2"
    found = list(read_stamps(path, ("r",)))
    assert 50 < len(found) < 80
    table = shared_data / "observed" / "sdss-ugriz-stamps" / "sdss-ugriz-stamps.h5"
    with h5py.File(table, "r") as file:
        field = [name.decode() for name in file["field_id"][:]].index("004510-4-0030")
        here = file["field_index"][:] == field
        ra, dec, mag = (file[name][here] for name in ("ra_deg", "dec_deg", "mag_r"))
    differences, distances = [], []
    for stamp in found:
        distance = np.hypot((ra - stamp.ra) * np.cos(np.deg2rad(stamp.dec)), dec - stamp.dec) * 3600
        if distance.min() < 3:
            prepared = prepare_stamp(stamp, Preparation(), preparation_stream(1, stamp.galaxy_id))
            differences.append(prepared.row["mag_r"] - mag[distance.argmin()])
            distances.append(distance.min())
            nearest = distance.argmin()
            sides = {split_of_place(*place) for place in ((stamp.ra, stamp.dec), (ra[nearest], dec[nearest]))}
            assert len(sides - {None}) <= 1
    # The table's selection asks for less extent; the most of its galaxies are found, within half a pixel.
    assert len(distances) > 35
    assert np.median(distances) < 0.25
    assert np.median(differences) == pytest.approx(0, abs=0.05)


def test_bands_of_a_field_are_aligned(folder):
    stamp = next(iter(read_stamps(folder / "frame-g-004510-4-0030.fits.bz2", ("g", "r", "i"))))
    assert stamp.image.shape == (3, 161, 161)
    assert stamp.psf.shape == (3, 31, 31)
    middle = np.nan_to_num(stamp.image[:, 70:91, 70:91])
    peaks = [np.unravel_index(gaussian_filter(band, 1.5).argmax(), band.shape) for band in middle]
    assert np.ptp(peaks, axis=0).max() <= 2


def test_frames_that_cannot_be_used_are_refused_by_name(folder, tmp_path):
    original = folder / "frame-r-005112-4-0345.fits.bz2"
    lonely = tmp_path / original.name
    shutil.copy(original, lonely)
    with pytest.raises(FileNotFoundError, match=r"frame-g-005112.*missing"):
        frame_siblings(lonely, ("g", "r"))
    damaged = tmp_path / "frame-i-005112-4-0345.fits.bz2"
    damaged.write_bytes(original.read_bytes()[:1_000_000])
    with pytest.raises(ValueError, match=r"frame-i-005112.*damaged"):
        open_frame(damaged)
    other = tmp_path / "frame-z-005112-4-0345.fits.bz2"
    other.write_bytes(bz2.compress(b"no FITS"))
    with pytest.raises(ValueError, match="frame-z-005112"):
        open_frame(other)
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_frame(tmp_path / "none.fits")
    with pytest.raises(ValueError, match="not named like a frame"):
        frame_siblings(tmp_path / "none.fits", ("r",))
    with pytest.raises(ValueError, match="not 'y'"):
        read_psfield(folder / "psField-000094-1-0012.fit.gz", "y", 0, 0)
