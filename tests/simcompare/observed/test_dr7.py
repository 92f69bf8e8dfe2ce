"""SDSS galaxies without an image of the PSF: header, star, stated width, or a reason."""

from collections import Counter

import h5py
import numpy as np
import pytest

from mocks.observing.psf import moffat_psf
from mocks.observing.psf_images import measure_fwhm
from simcompare.observed import read_stamps, recognise
from simcompare.observed.stated_psf import effective_width

QUANTUM, GAIN, SKY = 0.005, 4.76, 150.0
HEADER = {"psf_width_arcsec": 1.3}
NO_HEADER = {"psf_width_arcsec": np.nan}


def _write(path, attributes, light):
    """One group of the layout, its pixels whole counts."""
    rng = np.random.default_rng(len(path.name))
    counts = rng.poisson((SKY + light / QUANTUM) * GAIN) / GAIN
    with h5py.File(path, "w") as file:
        file.attrs.update(bands="r", pixel_scale_arcsec=0.396, survey="SDSS DR7 corrected frames")
        group = file.create_group("objects/000")
        group["image"] = ((np.rint(counts) - SKY) * QUANTUM).astype(np.float32)
        group["mask"] = np.zeros(light.shape, np.uint8)
        group.attrs.update(
            ra_deg=150.0, dec_deg=0.5, run=2141, camcol=5, field=50, nmgy_per_dn=QUANTUM, gain_e_per_dn=GAIN,
            mag_r=16.0, r50_arcsec=3.0, axis_ratio=0.7, **attributes,
        )  # fmt: skip
    return path


def _star():
    light = np.zeros((101, 101))
    light[10:51, 10:51] = 20 * moffat_psf(2.8, 41)
    return light


@pytest.mark.parametrize(
    ("attributes", "light", "origin", "width"),
    [
        (HEADER, np.zeros((101, 101)), "header", 1.3 / 1.289 * 1.03),
        (NO_HEADER, _star(), "star", measure_fwhm(moffat_psf(2.8, 41)) * 0.396),
        (NO_HEADER | {"psf_fwhm_arcsec": 1.2}, np.zeros((101, 101)), "stated width", 1.2),
    ],
)
def test_psf_is_of_header_star_or_stated_width(tmp_path, attributes, light, origin, width):
    path = _write(tmp_path / "a.h5", attributes, light)
    assert recognise(path) == "sdss-dr7-objects"
    (stamp,) = read_stamps(path, ("r",))
    assert (stamp.metadata["psf_origin"], stamp.problem) == (origin, "")
    assert measure_fwhm(stamp.psf[0]) * 0.396 == pytest.approx(width, rel=0.03)
    assert stamp.electrons == pytest.approx([GAIN / QUANTUM])
    # The stated calibration turns every pixel into a whole count.
    counts = stamp.image / stamp.quantum + SKY
    assert np.abs(counts - np.rint(counts)).max() < 0.01


def test_without_any_psf_there_is_a_reason(tmp_path):
    (stamp,) = read_stamps(_write(tmp_path / "a.h5", NO_HEADER, np.zeros((101, 101))), ("r",))
    assert "state it as attribute psf_fwhm_arcsec" in stamp.problem
    with pytest.raises(ValueError, match=r"a\.h5: bands \['g'\] are not in it; it has r"):
        next(read_stamps(tmp_path / "a.h5", ("g",)))


def test_all_of_the_mixed_set_are_accounted_for(shared_data):
    path = shared_data / "observed" / "sdss-r-dr7-mixed" / "sdss-r-dr7-mixed.h5"
    stamps = list(read_stamps(path, ("r",)))
    origins = Counter(stamp.metadata["psf_origin"] for stamp in stamps)
    assert origins == {"header": 46, "star": 35, "": 18}
    widths = [effective_width(stamp.psf[0]) * 0.396 for stamp in stamps if not stamp.problem]
    assert 1.0 < min(widths) < max(widths) < 1.8
    # The calibration and gain explain the noise at the edges, which the makers of the file measured.
    ratios = []
    with h5py.File(path) as file:
        for stamp in stamps:
            stated = file["objects"][stamp.metadata["source_index"]].attrs
            electrons = stated["sky_dn"] * stamp.quantum[0] * stamp.electrons[0]
            counts2 = electrons / stated["gain_e_per_dn"] ** 2 + stated["dark_variance_dn2"]
            ratios.append(stated["edge_sigma_nmgy"] / (stamp.quantum[0] * np.sqrt(counts2)))
    assert np.median(ratios) == pytest.approx(1, abs=0.02)


def test_loose_images_say_what_they_lack(shared_data):
    path = shared_data / "observed" / "sdss-misc-2" / "sdss-misc-2.h5"
    assert recognise(path) == "sdss-loose"
    problems = Counter(stamp.problem.split(";")[0] for stamp in read_stamps(path, ("g",)))
    assert problems == {
        "its band is not stated": 2,
        "no PSF: none in the file's header, no star in the image": 4,
    }
    with pytest.raises(ValueError, match=r"bands \['r'\] are not in it; it has g"):
        next(read_stamps(path, ("r",)))


def test_a_stated_band_makes_a_loose_image_usable(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["pixel_scale_arcsec"] = 0.396
        group = file.create_group("fit_inputs/J092800.99+014011.9")
        group["image"] = 0.004 * np.rint(rng.normal(0, 5, (80, 80)))
        group["psf"] = moffat_psf(3.0, 41)
        group.attrs["band"] = "g"
        file.create_group("g_band")
    (stamp,) = read_stamps(tmp_path / "a.h5", ("g",))
    assert stamp.problem == ""
    assert stamp.quantum == pytest.approx([0.004], rel=1e-3)
    assert (stamp.ra, stamp.dec) == pytest.approx((142.004125, 1.669972), abs=1e-5)


def test_mixtures_of_gaussians_become_psfs(shared_data):
    path = shared_data / "observed" / "sdss-ugriz-virgo-field" / "sdss-ugriz-virgo-field.h5"
    stamps = list(read_stamps(path, ("g", "r", "i")))
    assert len(stamps) == 18
    widths = [measure_fwhm(stamp.psf[1]) * 0.396 for stamp in stamps]
    assert np.median(widths) == pytest.approx(1.15, abs=0.1)  # "about 1.1 arcsec (core)"
