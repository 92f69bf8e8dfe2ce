import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from mocks import ConditionsBank, Galaxy, Stars, draw_conditions, load_survey, stream
from mocks.observing.psf import gaussian_psf
from mocks.pipeline import mock_galaxy


def galaxy(subhalo_id=7, n=3000):
    rng = stream(1, "pipeline", subhalo_id)
    mass = np.full(n, 1e6)
    stars = Stars(
        rng.normal(0, 3, (n, 3)),
        mass,
        1.7 * mass,
        rng.uniform(1, 12, n),
        np.full(n, 0.02),
        rng.normal(size=(n, 3)),
    )
    return Galaxy("toy", 99, subhalo_id, 0.0, FlatLambdaCDM(70, 0.3), stars)


def test_flux_from_particles_to_noiseless_image():
    cutout = mock_galaxy(galaxy(), "sdss", "gri", seed=1, redshift=0.1, size=160, keep_stages=True)
    total = 10 ** (-0.4 * (np.array(list(cutout.metadata["magnitude"].values())) - 22.5))
    for stage in ("ideal", "blurred"):
        assert cutout.stages[stage].sum(axis=(1, 2), dtype=float) == pytest.approx(total, rel=1e-7)
    noise = np.sqrt(cutout.variance.sum(axis=(1, 2), dtype=float))
    assert (np.abs(cutout.image.sum(axis=(1, 2), dtype=float) - total) < 4 * noise).all()
    assert max(cutout.metadata["light_outside"].values()) < 1e-6


def test_light_outside_a_small_stamp_is_reported():
    cutout = mock_galaxy(galaxy(), "sdss", "r", seed=1, redshift=0.02, size=16, keep_stages=True)
    total = 10 ** (-0.4 * (cutout.metadata["magnitude"]["r"] - 22.5))
    lost = 1 - cutout.stages["ideal"].sum(dtype=float) / total
    assert cutout.metadata["light_outside"]["r"] == pytest.approx(lost, abs=1e-6)
    assert lost > 0.2


def test_same_galaxy_same_bits_in_any_company():
    alone = mock_galaxy(galaxy(7), "sdss", "gr", seed=3, redshift=0.05, view_index=2)
    for other in (5, 6):
        mock_galaxy(galaxy(other), "sdss", "gr", seed=3, redshift=0.05)
    again = mock_galaxy(galaxy(7), "sdss", "gr", seed=3, redshift=0.05, view_index=2)
    assert (alone.image == again.image).all()
    assert alone.metadata == again.metadata


def test_galaxies_views_and_seeds_differ_in_everything_drawn():
    cutouts = [
        mock_galaxy(galaxy(7), "sdss", "r", seed=3, redshift=0.05),
        mock_galaxy(galaxy(8), "sdss", "r", seed=3, redshift=0.05),
        mock_galaxy(galaxy(7), "sdss", "r", seed=3, redshift=0.05, view_index=1),
        mock_galaxy(galaxy(7), "sdss", "r", seed=4, redshift=0.05),
    ]
    for name in ("view", "offset", "psf_fwhm", "sky_sigma"):
        assert len({json.dumps(cutout.metadata[name]) for cutout in cutouts}) == 4
    corner = np.array([cutout.image[0, :12, :].ravel() / cutout.image[0, :12, :].std() for cutout in cutouts])
    correlation = np.corrcoef(corner)[np.triu_indices(4, 1)]
    assert np.abs(correlation).max() < 0.2


def test_given_conditions_and_bank():
    state = draw_conditions("sdss", "gr", stream(1))
    cutout = mock_galaxy(galaxy(), "sdss", "gr", seed=1, redshift=0.05, conditions=state)
    assert (cutout.conditions.sky_sigma == state.sky_sigma).all()
    psf = np.stack([[gaussian_psf(3.0, 31)]])
    bank = ConditionsBank(("r",), psf, np.array([[1.2]]), np.array([[0.03]]), name="one row")
    cutout = mock_galaxy(galaxy(), "sdss", "r", seed=1, redshift=0.05, conditions=bank)
    assert cutout.metadata["sky_sigma"] == {"r": 0.03}
    assert cutout.metadata["conditions"].startswith("one row row 0")


def test_metadata_can_be_written_as_json():
    cutout = mock_galaxy(galaxy(), "hsc-wide", "gri", seed=1, redshift=0.1, dust="screen")
    record = json.loads(json.dumps(cutout.metadata))
    assert record["survey"] == "hsc-wide"
    assert record["dust"] == "screen"
    assert record["redshift"] == 0.1
    assert cutout.pixel_scale == load_survey("hsc-wide").pixel_scale
    assert cutout.image.dtype == np.float32


def test_snapshot_at_redshift_zero_needs_a_place():
    with pytest.raises(ValueError, match="place the galaxy at a positive redshift"):
        mock_galaxy(galaxy(), "sdss", "r", seed=1)
    near = replace(galaxy(), redshift=0.05)
    assert mock_galaxy(near, "sdss", "r", seed=1).metadata["redshift"] == 0.05
