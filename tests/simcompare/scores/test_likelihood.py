"""Scores of images under densities that are known exactly."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from simcompare.images.image_set import LINEAR_UNIT
from simcompare.images.morphology import measure_morphology
from simcompare.images.preparation.prepare import Preparation
from simcompare.models.density import Domain, context_of, outside_domain
from simcompare.scores.joining import stack_scores
from simcompare.scores.likelihood import _quantum, score
from simcompare.scores.record import Scores


class Images:
    """Image set in memory, as `simcompare.images.image_set.ImageSet` shows itself."""

    def __init__(self, pixels, preparation=None, **columns):
        n = len(pixels)
        self.pixels, self.name, self.kind, self.survey = pixels, "set", "simulated", "sdss"
        self.bands, self.pixel_scale = ("r",), 0.396
        self.preparation = preparation or Preparation(size=pixels.shape[-1])
        self.preparation_hash = self.preparation.hash
        self.read_sizes = []
        self.catalogue = Table(
            {
                "galaxy_id": [str(k) for k in range(n)],
                "dataset": ["set"] * n,
                "sky_sigma_r": np.ones(n),
                **columns,
            }
        )

    def __len__(self):
        return len(self.pixels)

    def batches(self, n):
        for start in range(0, len(self), n):
            self.read_sizes.append(len(self.pixels[start : start + n]))
            yield type("Stack", (), {"image": self.pixels[start : start + n]})


class Gaussian:
    """Independent normal pixels about a mean image, with a budget of two halves."""

    context_names = ()
    scale_names = ("lower", "upper")

    def __init__(self, mean=0.0, metadata=None):
        self.mean, self.metadata = mean, metadata or {}

    def budget(self, images, context):
        terms = -0.5 * (images - self.mean) ** 2 - 0.5 * np.log(2 * np.pi)
        half = images.shape[-2] // 2
        parts = terms[..., :half, :], terms[..., half:, :]
        return np.stack([part.sum(axis=(1, 2, 3)) for part in parts], axis=1)

    def log_prob(self, images, context):
        return self.budget(images, context).sum(axis=1)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return Images(rng.normal(size=(10, 1, 8, 8)).astype(np.float32), view=np.zeros(10, int))


def test_ratio_of_two_gaussians_is_exact(images):
    table = score(images, Gaussian(), Gaussian(0.5), batch_size=4)
    exact = (-0.5 * images.pixels**2 + 0.5 * (images.pixels - 0.5) ** 2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(table["log_likelihood_ratio"], exact, rtol=1e-4)
    np.testing.assert_allclose(table["log_prob"] - table["log_prob_background"], exact, rtol=1e-4, atol=1e-4)
    parts = sum(table[f"log_likelihood_ratio_scale_{k}"] for k in range(2))
    np.testing.assert_allclose(parts, table["log_likelihood_ratio"], rtol=1e-6)
    np.testing.assert_allclose(table["symmetry_scatter"], 0, atol=1e-4)
    assert table.meta["scale_names"] == ["lower", "upper"]
    assert list(table["image_index"]) == list(range(10))
    assert images.read_sizes == [4, 4, 2]


def test_batch_size_changes_nothing(images):
    whole, single = (score(images, Gaussian(), Gaussian(0.5), batch_size=n) for n in (10, 1))
    np.testing.assert_allclose(whole["log_likelihood_ratio"], single["log_likelihood_ratio"], rtol=1e-6)


def test_a_plain_callable_is_a_density(images):
    table = score(images, lambda stack: -np.abs(stack).sum(axis=(1, 2, 3)), symmetries=False)
    np.testing.assert_allclose(table["log_prob"], -np.abs(images.pixels).sum(axis=(1, 2, 3)), rtol=1e-6)
    assert "log_likelihood_ratio" not in table.colnames
    assert "symmetry_scatter" not in table.colnames
    with pytest.raises(ValueError, match="one number each"):
        score(images, lambda stack: np.zeros(3))


def test_orientations_average_out_direction(images):
    ramp = np.arange(8.0)
    table = score(images, lambda stack: (stack * ramp).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(
        table["log_prob"], 3.5 * images.pixels.sum(axis=(1, 2, 3)), rtol=1e-4, atol=1e-4
    )
    assert np.all(table["symmetry_scatter"] > 0.1)


def test_further_backgrounds_and_ensembles(images):
    table = score(images, [Gaussian(0.1), Gaussian(-0.1)], {"twins": Gaussian(0.5), "sky": Gaussian(1.0)})
    first, second = (Gaussian(m).log_prob(images.pixels, None) for m in (0.1, -0.1))
    np.testing.assert_allclose(table["log_prob"], (first + second) / 2, rtol=1e-4)
    np.testing.assert_allclose(table["ensemble_scatter"], np.abs(first - second) / np.sqrt(2), atol=2e-3)
    np.testing.assert_allclose(
        table["log_likelihood_ratio_sky"], table["log_prob"] - table["log_prob_sky"], rtol=1e-6
    )


def test_an_image_of_nothing_is_held_against_bare_sky():
    rng = np.random.default_rng(5)
    pixels = rng.normal(size=(6, 1, 8, 8)).astype(np.float32)
    pixels[3:] += 0.5
    table = score(Images(pixels), Gaussian(0.4), {"twins": Gaussian(0.5), "sky": Gaussian(0.0)})
    sky, twins = (Gaussian(m).log_prob(pixels, None) for m in (0.0, 0.5))
    np.testing.assert_array_equal(sky > twins, [True] * 3 + [False] * 3)
    exact = Gaussian(0.4).log_prob(pixels, None) - np.maximum(sky, twins)
    np.testing.assert_allclose(table["log_likelihood_ratio"], exact, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(table["log_prob_background"], twins, rtol=1e-4)
    assert "log_prob_sky_scale_0" not in table.colnames
    parts = sum(table[f"log_likelihood_ratio_scale_{k}"] for k in range(2))
    np.testing.assert_allclose(parts, table["log_likelihood_ratio"], atol=1e-4)
    assert (table["log_likelihood_ratio"][:3] < 0).all()


def test_images_prepared_otherwise_are_refused_by_setting(images):
    other = replace(images.preparation, detection_threshold=3.0)
    metadata = {
        "survey": "sdss",
        "bands": "r",
        "pixel_scale": "0.396",
        "preparation_hash": images.preparation.hash,
        "preparation": images.preparation.to_json(),
    }
    score(images, Gaussian(metadata=metadata))
    changed = metadata | {"preparation_hash": other.hash, "preparation": other.to_json()}
    with pytest.raises(ValueError, match=r"detection_threshold is 1\.5 in the images, 3\.0 in the model"):
        score(images, Gaussian(metadata=changed))
    with pytest.raises(ValueError, match=r"bands is \['r'\] in the images, gri in the model"):
        score(images, Gaussian(), Gaussian(metadata=metadata | {"bands": "gri"}))
    with pytest.raises(ValueError, match="survey is sdss"):
        score(images, Gaussian(metadata=metadata | {"survey": "hsc-wide"}))
    with pytest.raises(ValueError, match="empty"):
        score(Images(images.pixels[:0]), Gaussian())


def test_context_comes_from_the_catalogue(images):
    images.catalogue["sky_sigma_r"] = np.linspace(1, 2, 10)
    context = context_of(images.catalogue, ("log_sky_sigma_r", "view"))
    np.testing.assert_allclose(context[:, 0], np.log(np.linspace(1, 2, 10)), rtol=1e-6)
    assert context.dtype == np.float32
    assert context_of(images.catalogue, ()) is None
    with pytest.raises(ValueError, match="no column 'psf_fwhm_r'"):
        context_of(images.catalogue, ("psf_fwhm_r",))


def test_images_outside_the_training_range_are_marked(images):
    validity = {"sky_sigma_r": [0.5, 1.5], "mag_r": [14, 18], "half_light_radius": [1, 9]}
    images.catalogue["mag_r"] = [13.0] + 8 * [16.0] + [np.nan]
    images.catalogue["half_light_radius"] = 9 * [3.0] + [20.0]
    images.catalogue["sky_sigma_r"] = [1.0] + [2.0] + 8 * [1.0]
    flags = outside_domain(images.catalogue, validity)
    assert flags[0] == Domain.MAGNITUDE
    assert flags[1] == Domain.SKY
    assert flags[9] == Domain.MAGNITUDE | Domain.SIZE
    assert not flags[2:9].any()
    table = score(images, Gaussian(metadata={"validity": json.dumps(validity)}))
    assert list(table["outside_domain"]) == list(flags)
    exact = table["log_prob"] + table["complexity"] + 64 * np.log(0.5)
    np.testing.assert_allclose(table["log_prob_corrected"], exact)
    assert outside_domain(images.catalogue, {"psf_fwhm_r": [1, 2]}).tolist() == 10 * [int(Domain.PSF)]
    redshifts = Table({"redshift": [0.05, 0.5, np.nan]})
    assert outside_domain(redshifts, {"redshift": [0.01, 0.1]}).tolist() == [0, int(Domain.OTHER), 0]
    assert outside_domain(Table({"a": [1]}), {"redshift": [0.01, 0.1]}).tolist() == [0]


def test_a_range_of_one_value_holds_that_value_in_single_precision():
    """As the seeing of cut-outs of one patch, whose twins have the PSF that was written down."""
    seeing = Table({"psf_fwhm_i": [0.5264700137520268, float(np.float32(0.52647)), 0.52648]})
    flags = outside_domain(seeing, {"psf_fwhm_i": [0.5264700137520268, 0.5264700137520268]})
    assert flags.tolist() == [0, 0, int(Domain.PSF)]


def test_scores_of_pixel_scales_that_differ_by_rounding_are_joined():
    table = Table({"dataset": ["a"], "kind": ["observed"], "log_prob": [1.0]})
    first, second, other = (
        Scores.of(Table(table, meta={"survey": "hsc-wide", "pixel_scale": scale}))
        for scale in (0.16799999999999868, 0.168, 0.2)
    )
    assert len(stack_scores([first, second])) == 2
    with pytest.raises(ValueError, match=r"pixel_scale is 0\.2 in one and 0\.16"):
        stack_scores([other, first])


def test_scores_that_are_not_finite_are_flagged_and_counted(images, caplog):
    images.pixels[3, 0, 0, 0] = np.nan
    table = score(images, Gaussian(), Gaussian(1.0))
    assert list(np.flatnonzero(~table["is_finite"])) == [3]
    assert table.meta["not_finite"] == {"set": 1}
    assert "1 of 10 scores of set are not finite" in caplog.text


def test_the_quantum_is_half_the_typical_noise_where_every_band_has_one():
    known = {"validity": json.dumps({"sky_sigma_g": [0.1, 0.5], "sky_sigma_r": [0.2, 0.4]})}
    np.testing.assert_allclose(_quantum(("r", "g"), Gaussian(metadata=known)), [0.15, 0.15])
    assert _quantum(("r", "i"), Gaussian(metadata=known)) is None
    assert _quantum(("r",), np.sum) is None


class Fluxes(Images):
    """The same with a variance, as image sets of fluxes have it."""

    unit = LINEAR_UNIT

    def batches(self, n):
        for start in range(0, len(self), n):
            image = self.pixels[start : start + n]
            yield type("Stack", (), {"image": image, "variance": np.full(image.shape, 0.01)})


def test_fluxes_are_given_the_morphology_of_their_galaxies():
    y, x = np.indices((32, 32))
    disc = np.exp(-np.hypot(x - 15.5, y - 15.5) / 3)
    pixels = np.stack([disc + 2.0, disc + 2.0 + 0.2 * (x > 15)])[:, None].astype(np.float32)
    measured = {"centre_x": 15.5, "centre_y": 15.5, "petrosian_radius": 3.0, "axis_ratio": 1.0}
    columns = {name: [value] * 2 for name, value in (measured | {"position_angle": 0.0}).items()}
    scores = score(Fluxes(pixels, sky_level_r=[2.0, 2.0], **columns), Gaussian(), batch_size=1)
    alone = measure_morphology(disc, np.full(disc.shape, 0.01), (15.5, 15.5), 3.0 / 0.396)
    assert scores["measured_gini"][0] == pytest.approx(alone.gini, abs=1e-4)
    assert scores["measured_m20"][0] == pytest.approx(alone.m20, abs=1e-3)
    assert scores["measured_asymmetry"][1] > scores["measured_asymmetry"][0] + 0.05
    assert "measured_gini" not in score(Images(pixels, sky_level_r=[2.0, 2.0], **columns), Gaussian())


@pytest.mark.parametrize(
    "stated", ["[" * 5000, "[1, 2]", '{"mag_r": 1}', '{"mag_r": ["a", "b"]}', '{"mag_r": [1]}', 3]
)
def test_a_model_that_states_no_ranges_is_refused_in_one_line(images, stated):
    with pytest.raises(ValueError, match="where two numbers for each catalogue column are needed") as error:
        score(images, Gaussian(metadata={"validity": stated}))
    assert len(str(error.value)) < 250
