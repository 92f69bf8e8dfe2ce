"""What has no source is said, in the log and in the product."""

import logging

import numpy as np
import pytest

from mocks import load_survey
from mocks.dust import DUST
from mocks.light.bc03 import IMF_LIGHT
from mocks.readers.particles.mass_loss import IMFS
from mocks.toys import ToyPhysics, toy_galaxies, write_eagle_extract
from simcompare import mock
from simcompare.synthetic.assumptions import assumptions


@pytest.mark.parametrize(
    ("population", "dust", "said"),
    [
        ("bc03", "none", ["a Kroupa IMF (light with others: chabrier x1.08, salpeter x0.66)", "log U = -3"]),
        ("bc03:nebular=no", "none", ["stars of every simulation have a Kroupa IMF"]),
        ("bc03:imf=salpeter", "none", ["Salpeter IMF has 0.66 times", "15 % for Salpeter"]),
        ("snapshot", "screen:tau_old=0.5", ["at rest", "1 for stars of up to 10 Myr and 0.5 for others"]),
        ("snapshot", "calzetti", ["attenuation at V is 0.3 mag"]),
        ("snapshot", "gas-column", ["hydrogen is 0.76", "below 8000 K", "optical depth 1 at 5500"]),
    ],
)
def test_light_and_dust_say_what_they_assume(population, dust, said):
    text = "\n".join(assumptions(load_survey("sdss"), population, dust))
    assert all(part in text for part in said), text
    assert ("log U" in text) == (population in ("bc03", "bc03:imf=salpeter"))
    assert text.startswith("assumed of sdss: magnitudes of the survey are AB")


def test_every_dust_says_it():
    survey = load_survey("sdss")
    assert {name: len(assumptions(survey, "bc03", name)) for name in DUST} == {
        name: 2 if name == "none" else 3 for name in DUST
    }


def test_mocks_record_it(tmp_path, caplog):
    path = tmp_path / "one.hdf5"
    write_eagle_extract(path, toy_galaxies(ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0), 1, seed=1))
    with caplog.at_level(logging.INFO):
        images = mock(path, redshift=0.05, workers=1)
    recorded = images.provenance[0]["assumed"]
    assert [sentence.split(":")[0] for sentence in recorded] == [
        "assumed of sdss",
        "assumed of bc03",
        "assumed of screen",
    ]
    assert all(sentence in caplog.text for sentence in recorded)


@pytest.mark.parametrize(("imf", "low", "high"), [("chabrier", 1.04, 1.09), ("salpeter", 0.66, 0.77)])
def test_light_of_another_imf_is_that_of_the_stars_it_has(imf, low, high):
    """Stars that shine, from the turn-off of old populations to OB stars, per mass formed, by quadrature."""
    mass = np.geomspace(0.1, 100, 20_001)

    def stars(name, least, most):
        count = IMFS[name](mass) / np.trapezoid(mass * IMFS[name](mass), mass)
        shine = (mass >= least) & (mass <= most)
        return np.trapezoid(count[shine], mass[shine])

    ratios = [stars(imf, *limits) / stars("kroupa", *limits) for limits in ((0.9, 1.1), (1, 3), (8, 100))]
    assert low < min(ratios) <= max(ratios) < high
    assert low <= IMF_LIGHT[imf] <= high
