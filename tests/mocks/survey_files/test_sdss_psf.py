import h5py
import numpy as np
import pytest

from mocks.observing.psf_images import check_psf, measure_fwhm
from mocks.survey_files.sdss_psf import read_psfield

FIELDS = ("000094-1-0012", "002583-2-0136", "003366-3-0110", "003900-6-0269", "005754-3-0280")


@pytest.mark.parametrize("field", FIELDS)
def test_reconstruction_equals_the_reference(shared_data, field):
    """Against images reconstructed by another program at the field centre."""
    folder = shared_data / "observed" / "sdss-frames"
    with h5py.File(folder / "psf.h5") as file:
        reference = {band: file[f"psfield/psField-{field}/{band}"][:] for band in "ugriz"}
    for band, image in reference.items():
        psf = read_psfield(folder / f"psField-{field}.fit.gz", band, 744, 1024)
        check_psf(psf)
        assert np.abs(psf - image / image.sum()).max() < 1e-6 * psf.max()


def test_reconstruction_away_from_the_centre(shared_data):
    """Against the numbers published with pydl for row 600, column 500 (not normalised there)."""
    path = shared_data / "observed" / "sdss-frames" / "psField-003366-3-0110.fit.gz"
    psf = read_psfield(path, "r", 600, 500)
    ratio = psf[23:26, 25] / np.array([0.02220068, 0.0738798, 0.11940149])
    assert ratio == pytest.approx(ratio[0], rel=1e-4)
    assert not np.allclose(psf, read_psfield(path, "r", 500, 600), rtol=1e-3)


def test_quoted_widths_count_the_wings(shared_data):
    """The width in psField files is that of the effective area, 10 to 40 % above the half maximum."""
    path = shared_data / "observed" / "sdss-frames" / "psField-000094-1-0012.fit.gz"
    psf = read_psfield(path, "r", 744, 1024)
    effective = 2.3548 / np.sqrt(4 * np.pi * np.sum(psf**2)) * 0.396
    assert effective == pytest.approx(1.592, rel=0.02)
    assert 1.1 < effective / (measure_fwhm(psf) * 0.396) < 1.25


def test_bad_psfield_is_refused(tmp_path, shared_data):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_psfield(tmp_path / "psField.fit", "r", 1, 1)
    with pytest.raises(ValueError, match="not 'y'"):
        read_psfield(shared_data / "observed/sdss-frames/psField-003366-3-0110.fit.gz", "y", 1, 1)
    (tmp_path / "psField.fit").write_text("nothing")
    with pytest.raises(OSError, match="not an SDSS psField"):
        read_psfield(tmp_path / "psField.fit", "r", 1, 1)
    with pytest.raises(OSError, match="not an SDSS psField"):
        read_psfield(shared_data / "observed/sdss-frames/frame-r-004510-4-0030.fits.bz2", "g", 1, 1)
