"""Twins of real galaxies: as bright, as large, as noisy as their parents, and smooth."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from simcompare.commands import twins as twins_command
from simcompare.commands.twins import make_twins
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.preparation.sersic import fit_sersic
from simcompare.images.stamps import RejectedStampError
from simcompare.observed import prepare_observed
from simcompare.settings import TwinsSettings
from simcompare.synthetic import twins as module
from simcompare.synthetic.surroundings import aperture_share
from simcompare.synthetic.twins import make_twin


@pytest.fixture(scope="module")
def parents(shared_data, tmp_path_factory):
    small = tmp_path_factory.mktemp("small") / "small.h5"
    path = shared_data / "observed" / "sdss-ugriz-stamps" / "sdss-ugriz-stamps.h5"
    with h5py.File(path, "r") as whole, h5py.File(small, "w") as part:
        part.attrs.update(whole.attrs)
        n = len(whole["image"])
        for name, dataset in whole.items():
            part[name] = dataset[::7] if len(dataset) == n else dataset[:]
    made = prepare_observed(
        [small],
        survey="sdss",
        bands=["r"],
        preparation=Preparation(),
        out=tmp_path_factory.mktemp("parents"),
        name="SDSS",
        seed=1,
    )
    return made.images


@pytest.fixture(scope="module")
def twins(parents, tmp_path_factory):
    folder = parents.files[0].parents[1]
    settings = TwinsSettings(images=folder, out=tmp_path_factory.mktemp("runs") / "twins", seed=1, workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twins_command, "_TWINS_PER_PART", 30)
        yield make_twins(settings)


def test_every_parent_has_a_twin_with_its_name_and_split(parents, twins):
    images = twins
    assert len(parents) == 51
    assert len(images) >= 49
    assert (images.kind, images.preparation_hash) == ("twins", parents.preparation_hash)
    split = dict(zip(parents.catalogue["galaxy_id"], parents.catalogue["split"], strict=True))
    assert all(split[row["galaxy_id"]] == row["split"] for row in images.catalogue)


def test_twins_are_as_bright_large_and_noisy_as_their_parents(parents, twins):
    table = twins.catalogue
    position = {name: i for i, name in enumerate(parents.catalogue["galaxy_id"])}
    original = parents.catalogue[[position[name] for name in table["galaxy_id"]]]
    assert np.nanmedian(table["mag_r"] - original["mag_r"]) == pytest.approx(0, abs=0.05)
    assert np.nanmedian(table["half_light_radius"] / original["half_light_radius"]) == pytest.approx(
        1, abs=0.05
    )
    assert np.median(table["sky_sigma_r"] / original["sky_sigma_r"]) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(table["psf_fwhm_r"], original["psf_fwhm_r"], rtol=0.01)
    assert 0.9 < np.median(table["sersic_chi2_r"]) < 1.1
    total = table["sersic_mag_r"] - original["mag_r"]
    assert np.nanmedian(total) == pytest.approx(-0.05, abs=0.1)


def test_twin_alone_equals_twin_in_the_set(parents, twins):
    images = twins
    name = images.catalogue["galaxy_id"][40]
    position = int(np.flatnonzero(parents.catalogue["galaxy_id"] == name)[0])
    alone = make_twin(parents.read(position), parents.catalogue[position], parents, seed=1)
    np.testing.assert_array_equal(alone.image, images.read(40).image[0])
    other = make_twin(parents.read(position), parents.catalogue[position], parents, seed=2)
    assert (other.image != alone.image).any()


def _apertures(images):
    return np.stack(
        [aperture_share(images.catalogue[i : i + 1], 64, images.pixel_scale) for i in range(len(images))]
    )


def test_twins_stand_in_their_parents_own_sky(parents, twins):
    position = {name: i for i, name in enumerate(parents.catalogue["galaxy_id"])}
    original = parents.subset(np.array([position[name] for name in twins.catalogue["galaxy_id"]]))
    unmoved = (np.asarray(twins.catalogue["cut_x"]) == 4) & (np.asarray(twins.catalogue["cut_y"]) == 4)
    assert unmoved.mean() > 0.6  # the others are moved by a pixel, as any image whose centre asks for it
    outside = _apertures(original)[unmoved] == 0
    theirs, ours = original.read().image[unmoved, 0], twins.read().image[unmoved, 0]
    assert outside.mean() > 0.7
    np.testing.assert_array_equal(ours[outside], theirs[outside])


def test_twin_and_parent_share_no_noise_in_the_galaxy(parents):
    """Nor anywhere under a synthetic sky."""
    shared = []
    for i in range(0, len(parents), 5):
        parent, row = parents.read(i), parents.catalogue[i]
        own, model = (make_twin(parent, row, parents, seed=1, sky=sky) for sky in ("own", "model"))
        inside = aperture_share(parents.catalogue[i : i + 1], 64, parents.pixel_scale) == 1
        if all((made.row["cut_x"], made.row["cut_y"]) == (4, 4) for made in (own, model)):
            kept = inside & (model.mask[0] == 0)  # faint synthetic sources are filled as neighbours
            assert kept.sum() > 0.8 * inside.sum()
            np.testing.assert_array_equal(own.image[0][kept], model.image[0][kept])
        edge = np.s_[0, :12]
        shared.append((np.clip(parent.image[0][edge], -0.1, 0.1), np.clip(model.image[edge], -0.1, 0.1)))
    theirs, ours = np.array(shared).reshape(len(shared), 2, -1).transpose(1, 0, 2).reshape(2, -1)
    assert abs(np.corrcoef(theirs, ours)[0, 1]) < 0.05


def test_unknown_sky_is_refused(parents):
    with pytest.raises(ValueError, match="sky is 'blue'; known: own, model"):
        make_twin(parents.read(0), parents.catalogue[0], parents, seed=1, sky="blue")


def test_galaxies_that_no_smooth_model_fits_are_left_out_with_the_reason(parents, monkeypatch):
    def unfit(*given, **settings):
        return replace(fit_sersic(*given, **settings), flag=2)

    monkeypatch.setattr(module, "fit_sersic", unfit)
    monkeypatch.setattr(module, "fit_bulge_disc", unfit)
    with pytest.raises(RejectedStampError, match="the fit ends at a bound of the index in r"):
        make_twin(parents.read(0), parents.catalogue[0], parents, seed=1)


def test_interrupted_twins_go_on(parents, twins, monkeypatch):
    monkeypatch.setattr(twins_command, "_TWINS_PER_PART", 30)
    folder, before = twins.files[0].parents[1], twins.read().image
    kept = twins.files[0].stat().st_mtime_ns
    twins.files[1].unlink()
    settings = TwinsSettings(images=parents.files[0].parents[1], out=folder, seed=1, workers=1)
    again = make_twins(settings)
    np.testing.assert_array_equal(again.read().image, before)
    assert again.files[0].stat().st_mtime_ns == kept


def test_one_spoilt_parent_is_one_failure(parents):
    three = parents.subset(slice(0, 3))
    for name in ("psf_fwhm_r", "axis_ratio", "centre_x", "half_light_radius"):
        three.catalogue[name][1] = np.nan
    stamps, failures = module.twin_stamps(three, 1)
    assert [stamp.row["galaxy_id"] for stamp in stamps] == three.catalogue["galaxy_id"][[0, 2]].tolist()
    assert [failure["galaxy_id"] for failure in failures] == [three.catalogue["galaxy_id"][1]]
