"""The structure score from a table of scores."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.scores.record import Scores
from simcompare.scores.structure import conditions_of, learn_structure


def table_of(n, rng, dataset, kind, shift=0.0, views=1, first=0):
    """Images of n galaxies; the score grows with brightness, twins and simulations lie lower by `shift`."""
    bright = rng.normal(1.5, 0.4, n)
    score = 3 * np.sinh(0.5 + bright - shift + rng.normal(0, 0.5, n))
    rows = np.repeat(np.arange(n), views)
    return Table(
        {
            "dataset": [dataset] * len(rows), "kind": [kind] * len(rows), "split": ["test"] * len(rows),
            "galaxy_id": [f"{'real' if kind != 'simulated' else dataset}-{first + row:04d}" for row in rows],
            "view": np.tile(np.arange(views), n),
            "aperture_ratio": score[rows], "log_likelihood_ratio": score[rows],
            "snr": 10 ** bright[rows], "half_light_radius": 2.0 + 0.1 * (rows % 7),
            "psf_fwhm_g": np.full(len(rows), 1.2), "psf_fwhm_r": np.full(len(rows), 1.4),
        }
    )  # fmt: skip


@pytest.fixture
def scores():
    rng = np.random.default_rng(3)
    real = table_of(120, rng, "SDSS", "observed")
    twins = real.copy()
    twins["dataset"], twins["kind"] = ["twins of SDSS"] * 120, ["twins"] * 120
    twins["aperture_ratio"] = 3 * np.sinh(
        np.arcsinh(real["aperture_ratio"] / 3) - 1 + rng.normal(0, 0.2, 120)
    )
    sets = [real, twins, table_of(60, rng, "good", "simulated", views=3)]
    sets += [table_of(60, rng, "half", "simulated", shift=0.5)]
    return Scores.of({name: np.concatenate([each[name] for each in sets]) for name in real.colnames})


def test_fractions_of_known_data_sets(scores):
    structure = learn_structure(scores, np.random.default_rng(0))
    assert structure.has_twins
    for name, fraction in {"good": 1.0, "half": 0.5, "twins of SDSS": 0.0}.items():
        found = structure.test(scores.sample(name))
        assert found.fraction == pytest.approx(fraction, abs=0.25)
        assert found.low < fraction < found.high
    assert structure.test(scores.sample("good")).p_value > 0.01
    assert structure.test(scores.sample("half")).p_value < 1e-4


def test_views_of_a_galaxy_are_one_galaxy(scores):
    structure = learn_structure(scores, np.random.default_rng(0))
    several = scores.sample("good")
    assert structure.n_galaxies(several) == 60
    once = several[several["view"] == 0]
    one, many = structure.test(once), structure.test(several)  # here all views are alike
    assert one.fraction == pytest.approx(many.fraction, rel=1e-12)
    assert one.low == pytest.approx(many.low, rel=1e-12)


def test_held_out_galaxies_are_scored_by_fits_that_have_not_seen_them(scores):
    structure = learn_structure(scores, np.random.default_rng(0))
    z = structure.z(scores)
    real = scores.held_out("SDSS")
    assert np.allclose(
        z[real], structure.reference.z[np.searchsorted(structure.galaxies, scores["galaxy_id"][real])]
    )
    assert abs(z[real].mean()) < 0.15
    assert z[scores.held_out("twins of SDSS")].mean() < -1


def test_conditions_are_those_of_the_mean_seeing(scores):
    seen = conditions_of(scores)
    assert np.allclose(seen[:, 0], np.log10(scores.numbers("snr")))
    assert np.allclose(10 ** seen[:, 1] * 1.3, scores.numbers("half_light_radius"))


def test_images_without_a_size_or_a_score_are_left_out(scores):
    radius = scores.numbers("half_light_radius").copy()
    radius[scores.held_out("half").nonzero()[0][:10]] = np.nan
    fewer = scores.with_columns(half_light_radius=radius)
    structure = learn_structure(fewer, np.random.default_rng(0))
    assert structure.n_galaxies(fewer.sample("half")) == 50
    nothing = fewer.sample("half")[:10]
    assert np.isnan(structure.test(nothing).fraction)


def test_what_is_missing_is_named(scores):
    without = {name: scores[name] for name in scores.colnames}
    old = Scores.of({name: values for name, values in without.items() if name != "aperture_ratio"})
    with pytest.raises(ValueError, match=r"no aperture_ratio: .*score the images again"):
        learn_structure(old, np.random.default_rng(0))
    bare = Scores.of(
        {name: values for name, values in without.items() if name not in ("snr", "psf_fwhm_g", "psf_fwhm_r")}
    )
    with pytest.raises(ValueError, match=r"needs the columns snr, psf_fwhm_<band>"):
        learn_structure(bare, np.random.default_rng(0))


def test_extrapolated_share(scores):
    structure = learn_structure(scores, np.random.default_rng(0))
    assert structure.extrapolated(scores.sample("good")) < 0.2
    far = scores.sample("good").with_columns(snr=np.full(180, 1e5))
    assert structure.extrapolated(far) == 1


def test_a_further_condition_is_a_column_its_logarithm_or_a_difference(scores):
    rng = np.random.default_rng(8)
    g, r, size = rng.uniform(15, 18, (3, len(scores)))
    scores = scores.with_columns(mag_g=g, mag_r=r, redshift=size, name=scores["galaxy_id"])
    found = conditions_of(scores, ("mag_g-mag_r", "mag_r", "half_light_radius"))
    np.testing.assert_allclose(found[:, 2], g - r)
    np.testing.assert_allclose(found[:, 3], r)
    np.testing.assert_allclose(found[:, 4], np.log10(scores["half_light_radius"]))
    for name, message in (
        ("mag_z", "needs the column mag_z"),
        ("mag_g-name", "needs the column name"),
        ("mag_g-mag_r-redshift", "more than two columns"),
    ):
        with pytest.raises(ValueError, match=message):
            conditions_of(scores, (name,))


def test_a_condition_known_of_too_few_is_named_and_one_that_is_not_to_blame_is_not(scores):
    some = np.where(np.arange(len(scores)) < 19, 1.0, np.nan)
    told = scores.with_columns(redshift=some, mag_r=np.linspace(15, 17, len(scores)))
    with pytest.raises(ValueError, match="'redshift' is known of 19 of the 120"):
        learn_structure(told, np.random.default_rng(0), "aperture_ratio", ("mag_r", "redshift"))
    blind = scores.with_columns(aperture_ratio=np.where(np.arange(len(scores)) < 19, 1.0, np.nan))
    known = blind.with_columns(mag_r=np.linspace(15, 17, len(scores)))
    with pytest.raises(ValueError, match=r"^(?!the condition)"):
        learn_structure(known, np.random.default_rng(0), "aperture_ratio", ("mag_r",))
