from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mocks import IdealImage, draw_conditions, observe, stream
from mocks.observing.observe import add_noise, add_to_sky
from mocks.observing.psf import gaussian_psf
from mocks.observing.sky_bank import SkyBank, clipped_sigma, cut_sky, find_sites, segment
from mocks.observing.sky_check import blank_sky_check
from mocks.survey_files.sdss_camera import dark_variance, gain
from mocks.survey_files.sdss_frames import open_frame
from mocks.survey_files.sdss_sky import sdss_sky_bank

BANDS = ("g", "r", "i")


def field(side=400, n_sources=30):
    """Noise of unit variance with round sources, and where they are."""
    rng = stream(1, "field")
    image = rng.normal(size=(2, side, side))
    psf = 400 * gaussian_psf(4.0, 31)
    places = rng.integers(20, side - 20, (n_sources, 2))
    for y, x in places:
        image[:, y - 15 : y + 16, x - 15 : x + 16] += psf
    return image, places


def bank(n=5, side=48):
    """Synthetic patches in the form of a bank."""
    state = draw_conditions("sdss", BANDS, stream(1, "bank"))
    state = replace(state, faint=None, sky_level=None, sky_gradient=None)
    image = np.stack([add_noise(np.zeros((3, side, side)), state, stream(1, i)) for i in range(n)])
    ones = np.ones((n, 3))
    return SkyBank(
        BANDS,
        image.astype(np.float32),
        ones * state.sky_sigma,
        0 * ones,
        np.broadcast_to(state.psf_stack(), (n, 3, 41, 41)),
        ones * state.psf_fwhm,
        ones * state.electrons_per_nanomaggy,
        ones * state.nanomaggies_per_count,
        np.array([f"toy {i}" for i in range(n)]),
    )


def test_sigma_under_sources_and_in_whole_counts():
    image, _ = field()
    assert clipped_sigma(image)[1] == pytest.approx(1, rel=0.03)
    counts = np.rint(stream(2).normal(size=100000) / 0.3) * 0.3
    assert clipped_sigma(counts)[1] == pytest.approx(np.sqrt(1 + 0.09 / 12), rel=0.01)


def test_sources_are_found_and_avoided():
    image, places = field()
    taken = segment(image)
    assert taken[places[:, 0], places[:, 1]].all()
    assert taken.mean() < 0.3
    corners = find_sites(taken, 24, 60, stream(3))
    patches = cut_sky(image, corners, 24)
    assert patches.shape == (len(corners), 2, 24, 24)
    assert len(corners) >= 15
    for y, x in corners:
        assert not taken[y : y + 24, x : x + 24].any()
    used = np.zeros(taken.shape, int)
    for y, x in corners:
        used[y : y + 24, x : x + 24] += 1
    assert used.max() == 1
    near = find_sites(taken, 24, 60, stream(3), clear=3)
    assert not taken[near[:, 0] + 12, near[:, 1] + 12].any()


def test_no_free_place_is_an_error():
    with pytest.raises(ValueError, match="too small for patches"):
        find_sites(np.zeros((30, 30), bool), 40, 1, stream(1))
    with pytest.raises(ValueError, match="is free of sources"):
        find_sites(np.ones((90, 90), bool), 40, 1, stream(1))


def test_nothing_added_leaves_the_sky_bit_by_bit():
    source = bank()
    patch, state = source.draw(BANDS, stream(4))
    blank = IdealImage(np.zeros((3, 48, 48)), 0.396, BANDS)
    assert (observe(blank, "sdss", state, stream(1), sky=patch).image == patch).all()
    small = IdealImage(np.zeros((3, 40, 40)), 0.396, BANDS)
    assert (observe(small, "sdss", state, stream(1), sky=patch).image == patch[:, 4:-4, 4:-4]).all()


def test_inserted_stars_keep_flux_place_and_variance():
    source = bank()
    patch, state = source.draw(BANDS, stream(5))
    flux = np.zeros((3, 48, 48))
    flux[:, 24, 24] = 5.0
    blurred = observe(IdealImage(flux, 0.396, BANDS), "sdss", state, stream(1), keep_stages=True)
    images = np.stack(
        [add_to_sky(blurred.stages["blurred"], patch, state, stream(6, i)) - patch for i in range(400)]
    )
    total = images.sum(axis=(2, 3))
    assert total.mean(axis=0) == pytest.approx(5 * np.ones(3), rel=0.01)
    centre = images.mean(axis=0).sum(axis=1) @ np.arange(48) / total.mean(axis=0)
    assert centre == pytest.approx(24 * np.ones(3), abs=0.02)
    # Shot noise of the source, and the random rounding of faint pixels to whole counts.
    shot = blurred.stages["blurred"].sum(axis=(1, 2)) / state.electrons_per_nanomaggy
    rounding = 48**2 * state.nanomaggies_per_count**2 / 4
    assert (total.var(axis=0) > 0.85 * shot).all()
    assert (total.var(axis=0) < 1.2 * shot + rounding).all()
    expected = (
        state.sky_sigma[:, None, None] ** 2
        + np.maximum(blurred.stages["blurred"], 0) / (state.electrons_per_nanomaggy[:, None, None])
    )
    assert blurred.variance == pytest.approx(expected, rel=1e-4)


def test_neighbours_in_the_sky_are_masked():
    patch, state = bank().draw(BANDS, stream(5))
    patch = patch.copy()
    patch[:, 5:36, 5:36] += 30 * gaussian_psf(3.5, 31)
    mask = observe(IdealImage(np.zeros((3, 48, 48)), 0.396, BANDS), "sdss", state, stream(1), sky=patch).mask
    assert (mask[:, 20, 20] == 4).all()
    assert (mask[:, 42:, 42:] == 0).all()
    assert (mask > 0).mean() < 0.2


def test_bank_is_saved_and_loaded(tmp_path):
    source = bank()
    source.save(tmp_path / "sky.h5")
    loaded = SkyBank.load(tmp_path / "sky.h5")
    assert loaded.bands == BANDS
    assert (loaded.image == source.image).all()
    assert loaded.origin.tolist() == source.origin.tolist()
    first, again = (source_.draw("ri", stream(7)) for source_ in (source, loaded))
    assert (first[0] == again[0]).all()
    assert first[1].origin == again[1].origin
    with pytest.raises(ValueError, match="not z"):
        loaded.draw("rz", stream(1))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        SkyBank.load(tmp_path / "none.h5")
    (tmp_path / "bad.h5").write_text("no")
    with pytest.raises(OSError, match="not an HDF5 file"):
        SkyBank.load(tmp_path / "bad.h5")


def test_bad_patches_are_refused():
    source = bank()
    patch, state = source.draw(BANDS, stream(5))
    with pytest.raises(ValueError, match="too small"):
        add_to_sky(np.zeros((3, 64, 64)), patch, state, stream(1))
    with pytest.raises(ValueError, match="not finite"):
        add_to_sky(np.zeros((3, 48, 48)), patch * np.nan, state, stream(1))
    with pytest.raises(ValueError, match="not finite"):
        replace(source, image=source.image * np.nan)
    with pytest.raises(ValueError, match="psf_fwhm of the sky bank"):
        replace(source, psf_fwhm=source.psf_fwhm[:2])


def test_gate_passes_equal_sky_and_warns_of_other_sky(caplog):
    rng = stream(8)
    real, same = rng.normal(size=(2, 800, 24, 24))
    check = blank_sky_check(real, same, stream(1))
    assert abs(check.auc - 0.5) < 4 * check.auc_error
    assert check.ks_p > 0.01
    assert not caplog.records
    brighter = blank_sky_check(real, 1.03 * same, stream(1))
    assert not brighter.passed
    assert brighter.auc > 0.7
    assert brighter.sigma_ratio == pytest.approx(1.03, rel=0.01)
    smooth = (same + 0.05 * np.roll(same, 1, axis=2)) / np.sqrt(1 + 0.05**2)
    assert not blank_sky_check(real, smooth, stream(1)).passed
    assert "DISTINGUISHABLE" in caplog.text
    with pytest.raises(ValueError, match="needed are 50"):
        blank_sky_check(real[:20], same, stream(1))


FIELD = "frame-{}-004510-4-0030.fits.bz2"


@pytest.fixture(scope="module")
def frames(shared_data):
    folder = shared_data / "observed" / "sdss-frames"
    return {band: folder / FIELD.format(band) for band in "rgi"}


@pytest.fixture(scope="module")
def field_psf(shared_data):
    import h5py

    with h5py.File(shared_data / "observed" / "sdss-frames" / "psf.h5") as file:
        return {band: file[f"frame/004510-4-0030/{band}"][:] for band in "gri"}


def test_real_frame_is_read(frames):
    frame = open_frame(frames["r"])
    assert (frame.run, frame.camcol, frame.field, frame.band) == (4510, 4, 30, "r")
    assert frame.calibration[1000] == pytest.approx(0.00513, rel=0.01)
    assert np.median(frame.sky) == pytest.approx(93, abs=1)
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_frame("frame.fits")


def test_frame_noise_follows_the_survey_file(frames):
    """Gain, dark variance and sky of the frame give the noise of its blank patches to 2 %."""
    for path in frames.values():
        frame = open_frame(path)
        ccd = frame.run, frame.camcol, frame.band
        variance = frame.calibration**2 * (frame.sky / gain(*ccd) + dark_variance(*ccd))
        rounding = np.median(frame.calibration) ** 2 / 12
        expected = np.sqrt(np.median(variance) + rounding)
        patches = cut_sky(frame.image[None], find_sites(segment(frame.image[None]), 32, 300, stream(1)), 32)
        measured = np.sqrt(np.mean(patches.astype(float).var(axis=(2, 3))))
        assert expected == pytest.approx(measured, rel=0.02)


def test_bands_of_a_bank_share_their_places(frames, field_psf):
    patches = sdss_sky_bank(frames, field_psf, 64, 40, stream(11), clear=6)
    assert patches.bands == ("r", "g", "i")
    assert len(patches) == 40
    for band, sigma in {"r": 0.0232, "g": 0.0149, "i": 0.0350}.items():
        assert np.mean(patches.sky_sigma[:, patches.bands.index(band)]) == pytest.approx(sigma, rel=0.03)
    # Neighbours in the patches appear at the same pixels in all bands.
    smooth = np.clip(patches.image, 0, 10 * patches.sky_sigma[:, :, None, None]).astype(float)
    for other in (1, 2):
        lags = {}
        for shift in (-3, 0, 3):
            moved = np.roll(smooth[:, other], (shift, shift), axis=(1, 2))
            lags[shift] = np.corrcoef(smooth[:, 0].ravel(), moved.ravel())[0, 1]
        assert lags[0] > max(lags[-3], lags[3]) + 0.03


def test_real_sky_passes_the_gate(shared_data):
    """Mocks of nothing, put into half of the real patches, cannot be told from the other half."""
    rng = stream(12)
    real, mock = [], []
    psf = gaussian_psf(3.0, 21)
    for path in sorted((shared_data / "observed" / "sdss-frames").glob("frame-r-*")):
        band = path.name.split("-")[1]
        patches = sdss_sky_bank({band: path}, {band: psf}, 24, 2000, rng, clear=None)
        blank = IdealImage(np.zeros((1, 24, 24)), 0.396, (band,))
        for row, image in enumerate(patches.image):
            unit = patches.sky_sigma[row, 0]
            if row % 2:
                _, state = patches.draw((band,), rng)
                observed = observe(blank, "sdss", state, rng, sky=image).image[0]
                mock.append(observed / unit)
            else:
                real.append(image[0] / unit)
    check = blank_sky_check(np.array(real), np.array(mock), stream(13))
    assert len(real) > 1000
    assert check.passed, check.summary


def test_synthetic_sky_is_told_apart_and_says_why(shared_data):
    """The analytic fallback has the right noise to 1 %, and the gate still finds it out.

    What it sees are the camera's electronics: the read-out correlates neighbours along a row by up to 1 %,
    another amount in each amplifier, and codes of the converter differ in width.
    """
    path = shared_data / "observed" / "sdss-frames" / "frame-r-004510-4-0030.fits.bz2"
    patches = sdss_sky_bank({"r": path}, {"r": gaussian_psf(3.0, 21)}, 24, 2000, stream(14), clear=None)
    noise = []
    for i in range(len(patches)):
        rng = stream(16, i)
        noise.append(add_noise(np.zeros((1, 24, 24)), patches.draw(("r",), rng)[1], rng)[0])
    check = blank_sky_check(patches.image[:, 0], np.array(noise), stream(17))
    assert check.sigma_ratio == pytest.approx(1, abs=0.01)
    assert not check.passed
    assert "most different" in check.summary


def test_amplifiers_have_their_own_noise(frames, field_psf):
    """The two halves of the i CCD of column 4 differ by 13 %; the survey file gives one gain for both."""
    patches = sdss_sky_bank({"i": frames["i"]}, field_psf, 32, 200, stream(11), clear=None)
    column = np.array([int(name.rsplit(" ", 1)[1]) for name in patches.origin]) + 16
    left, right = (patches.sky_sigma[side, 0].mean() for side in (column < 1000, column > 1048))
    measured = [patches.image[side].std(axis=(2, 3)).mean() for side in (column < 1000, column > 1048)]
    assert left / right == pytest.approx(1.13, abs=0.01)
    assert [left, right] == pytest.approx(measured, rel=0.01)


def test_clipping_at_three_sigma_is_that_of_scipy():
    rng = stream(5)
    values = np.concatenate([rng.normal(size=20000), np.full(200, 3.5), [np.nan, 40.0]])
    kept, _, _ = stats.sigmaclip(values[np.isfinite(values)], 3.0, 3.0)
    mean, sigma = clipped_sigma(values)
    assert mean == pytest.approx(kept.mean(), rel=1e-12)
    assert sigma == pytest.approx(kept.std() / stats.truncnorm.std(-3, 3), rel=1e-9)


def test_rare_places_are_found_among_many():
    """One wide free place, whose patches overlap, and three single pixels far from it."""
    taken = np.ones((400, 400), bool)
    taken[20:60, 20:60] = False
    single = [(100, 300), (300, 100), (350, 350)]
    for place in single:
        taken[place] = False
    corners = find_sites(taken, 41, 4, stream(6), clear=0)
    assert len(corners) == 4
    assert {tuple(corner + 20) for corner in corners} >= set(single)
