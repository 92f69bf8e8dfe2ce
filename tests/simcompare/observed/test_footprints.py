"""Footprints of coadds: the brightest peak is the target, however it is written down; stars are none."""

import logging

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from mocks.observing.psf import gaussian_psf
from simcompare.images.preparation.prepare import Preparation
from simcompare.observed import prepare_observed, read_stamps

PSF = gaussian_psf(4.0, 41)
SIDES = (70, 90)  # y, x


def placed(x, y, flux, width=0.0):
    """Point source, or a galaxy of that width, under the PSF."""
    wide = np.zeros((141, 141))
    wide[50:91, 50:91] = PSF
    wide = gaussian_filter(wide, width) if width else wide
    return flux * shift(wide, (y - 70, x - 70), order=3)[: SIDES[0], : SIDES[1]]


def write(path, footprints, swapped=False):
    """Write groups of (lights, peaks y and x, masked pixel); the first light is the target."""
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {"bands": "gr", "pixel_scale_arcsec": 0.168, "units": "coadd flux, AB zero point 27.0"}
        )
        for i, (lights, peaks, masked) in enumerate(footprints):
            noise = 0.05 * np.random.default_rng(i).standard_normal((2, *SIDES))
            group = file.create_group(f"objects/{i}")
            group["image"] = (noise + sum(placed(*light) for light in lights)).astype("f4")
            group["psf"] = np.stack([PSF] * 2)
            weight = np.full((2, *SIDES), 400.0)
            if masked:
                weight[1, masked[0] - 2 : masked[0] + 3, masked[1] - 2 : masked[1] + 3] = 0
            group["weight"] = weight
            group["peaks_yx"] = np.array(peaks)[:, ::-1] if swapped else np.array(peaks)
    return path


GALAXY, STAR, FAINT = (40.3, 30.2, 400.0, 3.0), (40.3, 30.2, 400.0), (60.0, 50.0, 30.0, 2.0)
FOOTPRINTS = [
    ([GALAXY, FAINT], [(50, 60), (30, 40)], None),
    ([STAR, FAINT], [(30, 40), (50, 60)], None),
    ([GALAXY, FAINT], [(30, 40), (50, 60)], (30, 40)),
    ([GALAXY], [(300, 400)], None),
]


@pytest.mark.parametrize("swapped", [False, True])
def test_target_is_the_brightest_peak_and_no_star(tmp_path, caplog, swapped):
    path = write(tmp_path / "f.h5", FOOTPRINTS[:3], swapped)
    with caplog.at_level(logging.WARNING):
        stamps = list(read_stamps(path, ("r",)))
    assert [stamp.position for stamp in stamps] == [(40.0, 30.0)] * 3
    assert [stamp.problem for stamp in stamps] == [
        "", "a star: as concentrated as the PSF", "its brightest peak is masked",
    ]  # fmt: skip
    assert ("peaks_yx is in the order x, y" in caplog.text) == swapped


def test_what_footprints_hold_is_prepared_or_listed(tmp_path):
    path = write(tmp_path / "f.h5", FOOTPRINTS)
    made = prepare_observed(
        [path],
        survey="hsc-wide",
        bands="gr",
        preparation=Preparation(size=48),
        out=tmp_path / "run",
        name="x",
    )
    assert made.images.catalogue["source_index"].tolist() == ["0"]
    assert made.images.catalogue["mag_r"][0] == pytest.approx(27 - 2.5 * np.log10(400), abs=0.03)
    assert made.rejected["reason"].tolist()[-1] == "none of its peaks lies inside its image"


def test_real_footprints_hold_galaxies_alone(shared_data, tmp_path):
    path = shared_data / "observed" / "hsc-cosmos-blends" / "hsc-cosmos-blends.h5"
    made = prepare_observed(
        [path], survey="hsc-wide", bands="gri", preparation=Preparation(size=48), out=tmp_path, name="HSC"
    )
    reasons = made.reasons
    assert len(made.images) == 30
    assert reasons["a star: as concentrated as the PSF"] == 21
    assert reasons["its brightest peak is masked"] == 7  # saturated stars
    table = made.images.catalogue
    # Half of a star's light lies within 0.7 FWHM.
    assert np.min(table["half_light_radius"] / table["psf_fwhm_i"]) > 1.2
    assert np.min(table["detection_snr"]) > 25
