"""One SDSS field with all that belongs to it: detection, photometry and PSF against the survey's own."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from mocks.observing.psf_images import measure_fwhm
from mocks.survey_files.sdss_frames import open_frame
from mocks.survey_files.sdss_psf import read_psfield
from simcompare.images.positions import match_places
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.stamps import FLAGS, RejectedStampError
from simcompare.observed import read_stamps
from simcompare.observed.detect import empirical_psf, find_candidates

GALAXY, STAR = 3, 6


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "observed" / "sdss-field-000094-1-0012"


@pytest.fixture(scope="module")
def catalogue(folder):
    """Type, place and r magnitude of the objects that SDSS did not take apart."""
    with fits.open(folder / "photoObj-000094-1-0012.fits.gz") as file:
        table = file[1].data
    whole = table["nchild"] == 0
    flux = np.clip(table["petroflux"][:, 2], 1e-3, None)
    names = ("objc_type", "ra", "dec")
    return [np.asarray(table[name])[whole] for name in names] + [22.5 - 2.5 * np.log10(flux)[whole]]


@pytest.fixture(scope="module")
def stamps(folder):
    return list(read_stamps(folder / "frame-r-000094-1-0012.fits.bz2", ("r",)))


def _places(stamps):
    return np.array([(stamp.ra, stamp.dec) for stamp in stamps]).T


def test_what_is_found_are_galaxies_and_all_bright_ones_are_found(stamps, catalogue):
    kind, ra, dec, magnitude = catalogue
    index = match_places(*_places(stamps), ra, dec, 2.0)[0]
    assert len(stamps) > 70
    assert (index >= 0).mean() > 0.95
    assert (kind[index[index >= 0]] != STAR).all()
    assert (kind[index[index >= 0]] == GALAXY).mean() > 0.9  # SDSS cannot type the others
    bright = (kind == GALAXY) & (magnitude < 20)
    found = match_places(ra[bright], dec[bright], *_places(stamps), 2.0)[0]
    assert bright.sum() > 50
    assert (found >= 0).mean() > 0.95


def test_magnitudes_agree_with_the_survey_s(stamps, catalogue):
    _, ra, dec, magnitude = catalogue
    index = match_places(*_places(stamps), ra, dec, 2.0)[0]
    differences = []
    for stamp, i in zip(stamps[::2], index[::2], strict=True):
        try:
            row = prepare_stamp(stamp, Preparation(), preparation_stream(0, stamp.galaxy_id)).row
        except RejectedStampError:
            continue  # at the frame's edge
        if i >= 0:
            differences.append(row["mag_r"] - magnitude[i])
    assert np.median(differences) == pytest.approx(0, abs=0.05)
    assert np.percentile(differences, 84) - np.percentile(differences, 16) < 0.25


def test_threshold_keeps_faint_galaxies_and_no_blank_place(folder, catalogue):
    """At 21 mag all of SDSS's galaxies are taken; 8 arcsec from any object nothing is."""
    kind, ra, dec, magnitude = catalogue
    frame = folder / "frame-r-000094-1-0012.fits.bz2"
    x, y = open_frame(frame).wcs.world_to_pixel_values(ra, dec)
    inside = (x > 60) & (x < 1988) & (y > 60) & (y < 1429)
    faint = inside & (kind == GALAXY) & (magnitude > 20) & (magnitude < 20.8)
    rng, blank = np.random.default_rng(2), []
    while len(blank) < 40:
        place = rng.uniform((60, 60), (1988, 1429))
        if np.hypot(x - place[0], y - place[1]).min() > 20:
            blank.append(place)
    empty = np.stack(open_frame(frame).wcs.pixel_to_world_values(*np.transpose(blank)))
    for places, taken in ((np.stack([ra[faint], dec[faint]])[:, :20], True), (empty, False)):
        for stamp in read_stamps(frame, ("r",), places=Table(places.T, names=("ra", "dec"))):
            row = prepare_stamp(stamp, Preparation(), preparation_stream(0, stamp.galaxy_id)).row
            assert bool(row["flags"] & FLAGS["undetected"]) != taken, stamp.galaxy_id


@pytest.mark.parametrize("band", "gri")
def test_stars_and_psfield_agree(folder, catalogue, band):
    kind, ra, dec, _ = catalogue
    frame = open_frame(folder / f"frame-{band}-000094-1-0012.fits.bz2")
    candidates = find_candidates(frame.image)
    x, y = candidates.x[candidates.is_star], candidates.y[candidates.is_star]
    index = match_places(*frame.wcs.pixel_to_world_values(x, y), ra, dec, 2.0)[0]
    assert (kind[index[index >= 0]] == STAR).all()
    file = folder / "psField-000094-1-0012.fit.gz"
    model = np.mean([measure_fwhm(read_psfield(file, band, *place)) for place in zip(y, x, strict=True)])
    assert measure_fwhm(empirical_psf(frame.image, candidates)) == pytest.approx(model, rel=0.015)
