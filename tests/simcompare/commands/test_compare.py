"""Compare score runs made by hand: what can still be said of poor ones."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.commands.compare import compare_runs, messages
from simcompare.comparison.board import board
from simcompare.comparison.properties.population import population_of
from simcompare.comparison.report_table import read_further
from simcompare.runs.folder import open_run
from simcompare.runs.names import SCORES
from simcompare.scores.files import write_blocks
from simcompare.scores.record import Scores
from simcompare.settings import CompareSettings, ScoreSettings


def galaxies(rng, name, kind, n, *, structure=1.0, twins_of=None, bright=1.5):
    """Rows whose aperture ratio grows with brightness, and by `structure` times what twins lack."""
    x = rng.normal(bright, 0.4, n) if twins_of is None else np.log10(twins_of["snr"])
    lacking = (structure - 1) * np.maximum(0.8 + x - 1.5, 0.1)
    ratio = 3 * np.sinh(0.5 * x + lacking + rng.normal(0, 0.5, n))
    return Table(
        {
            "galaxy_id": [f"{name}-{i:04d}" for i in range(n)] if twins_of is None else twins_of["galaxy_id"],
            "dataset": [name] * n, "kind": [kind] * n, "split": ["test"] * n, "view": [0] * n,
            "log_prob": ratio, "log_likelihood_ratio": ratio, "aperture_ratio": ratio,
            "surroundings_ratio": 3 * np.sinh(rng.normal(size=n)), "snr": 10**x,
            "half_light_radius": 2 + 0.1 * (np.arange(n) % 7), "psf_fwhm_r": 1.2 + 0.01 * (np.arange(n) % 5),
            "petrosian_radius": 4 + 0.1 * (np.arange(n) % 7), "mag_r": 20 - 2.5 * x,
            "outside_domain": [0] * n, "is_finite": [True] * n,
        }
    )  # fmt: skip


def compared(folder, *tables, drop=(), **settings):
    """Run `compare` on the rows, and return table and messages."""
    columns = {
        name: np.concatenate([np.asarray(each[name]) for each in tables])
        for name in tables[0].colnames
        if name not in drop
    }
    scored = ScoreSettings(images=[folder / "images"], model=folder / "model", out=folder / "scores")
    meta = {"model": "m", "background": "b", "survey": "sdss", "bands": ["r"]}
    with open_run(scored.out, "score", scored, []) as run:
        write_blocks([Scores.of(Table(columns, meta=meta))], run.folder / SCORES)
    asked = CompareSettings(scores=[folder / "scores"], out=folder / "compare", bootstrap=100, **settings)
    table = compare_runs(asked)
    return table, "\n".join(messages(asked, table))


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    real = galaxies(rng, "SDSS", "observed", 80)
    twins = galaxies(rng, "twins of SDSS", "twins", 80, structure=0.0, twins_of=real)
    return real, twins, galaxies(rng, "run", "simulated", 60, structure=0.3)


def test_a_reference_below_twenty_galaxies(sets, tmp_path):
    real, twins, run = sets
    _, text = compared(tmp_path, real[:12], twins[:12], run)
    assert text.startswith("There is no structure score (the reference has 12 galaxies")
    assert "needs 20). The mean log-likelihood ratio of run lies" in text


def test_a_reference_without_twins(sets, tmp_path):
    real, _, run = sets
    table, text = compared(tmp_path, real, run)
    assert text.startswith("run has a mean structure score of z = ")
    assert "it is smoother than real galaxies" in text
    assert "note: fewer than 20 held-out real galaxies have a scored Sersic twin" in text
    assert np.isnan(table["structure_fraction"][0])


def test_a_reference_without_petrosian_radii(sets, tmp_path):
    for each in sets:
        each["petrosian_radius"] = np.nan
    table, text = compared(tmp_path, *sets)
    assert "note: 80 of 80 held-out real galaxies have no Petrosian radius within their images" in text
    assert table["structure_fraction"][0] == pytest.approx(0.3, abs=0.3)


def test_a_reference_of_one_brightness(sets, tmp_path):
    real, twins, run = sets
    for each in (real, twins):
        each["snr"], each["mag_r"] = 40.0, 16.0
    _, text = compared(tmp_path, real, twins, run)
    assert text.startswith("No simulation can be ranked: 100% of the galaxies of run are brighter, fainter")
    assert "(signal-to-noise 40 to 40)" in text


def test_a_score_table_of_before_the_structure_score(sets, tmp_path):
    table, text = compared(tmp_path, *sets, drop=("aperture_ratio", "surroundings_ratio"))
    assert text.startswith(
        "There is no structure score (the scores have no aperture_ratio: they were made by"
    )
    assert "score the images again). The mean log-likelihood ratio of run lies" in text
    assert np.isfinite(table["delta_mean"][0])


def populated(table, rng):
    """Give galaxies masses, sizes, types and a redshift."""
    n = len(table)
    table["stellar_mass"] = 10 ** rng.uniform(9, 12, n)
    table["sersic_index"] = rng.uniform(1, 4, n)
    table["half_light_radius"] = rng.uniform(1.5, 4, n)
    table["redshift"] = 0.05
    return table


def test_a_dependence_on_mass_is_found_in_its_bins_alone(tmp_path):
    """Galaxies above 1e11 Msun lack their structure: the bin says so, the others do not."""
    rng = np.random.default_rng(3)
    real = populated(galaxies(rng, "SDSS", "observed", 300), rng)
    twins = galaxies(rng, "twins of SDSS", "twins", 300, structure=0.0, twins_of=real)
    for name in ("stellar_mass", "sersic_index", "half_light_radius", "redshift"):
        twins[name] = real[name]
    light = populated(galaxies(rng, "run", "simulated", 120), rng)
    light["stellar_mass"] = 10 ** rng.uniform(9, 11, 120)
    heavy = populated(galaxies(rng, "run", "simulated", 60, structure=0.0), rng)
    heavy["stellar_mass"] = 10 ** rng.uniform(11, 12, 60)
    heavy["galaxy_id"] = [f"heavy-{i}" for i in range(60)]
    asked = "stellar_mass:1e9,1e10,1e11,1e12; half_light_radius_kpc; sersic_index"
    compared(tmp_path, real, twins, light, heavy, population=asked)
    tables = {each.name: each.table for each in read_further(tmp_path / "compare" / "tables")}
    bins = tables["population_bins"]
    run = bins[bins["dataset"] == "run"]
    mass = run[run["property"] == "stellar_mass"]
    assert mass["verdict"].tolist() == ["no difference found", "no difference found", "smoother than real"]
    assert mass["structure_fraction"][2] == pytest.approx(0, abs=0.2)
    assert mass["delta_ratio_high"][2] < 0 < mass["delta_ratio_high"][0]
    assert mass["n_galaxies"].tolist()[2] == 60
    kpc = run[run["property"] == "half_light_radius_kpc"]
    assert len(kpc) == 3
    assert 1 < kpc["high"][0] < 4  # 0.98 kpc an arcsec at redshift 0.05
    matched = tables["population_matched"]
    rows = matched[matched["dataset"] == "run"]
    assert rows["low"].tolist() == [1e9, 1e9, 1e10, 1e11]
    assert rows["delta_high"][3] < 0
    assert rows["delta_low"][1] < 0 < rows["delta_high"][1]
    assert abs(rows["delta"][0]) < abs(rows["delta"][3])


def test_the_properties_of_a_population_are_found_or_asked_for(sets, tmp_path):
    rng = np.random.default_rng(1)
    names = populated(sets[0], rng).colnames
    found = population_of("auto", names)
    assert [each.column for each in found] == ["stellar_mass", "half_light_radius_kpc", "sersic_index"]
    assert found[2].limits(Scores.of(sets[0])) == (0.0, 2.5, np.inf)
    assert found[0].known(Scores.of(sets[0])).column == "stellar_mass"
    sets[0]["stellar_mass"] = np.nan  # of the simulations alone
    assert found[0].known(Scores.of(sets[0])).column == "mag_r"
    for text, phrase in {
        "stellar_mass; half_light_radius": "name mass, size and type",
        "mass; half_light_radius; sersic_index": "'mass', no column of the scores",
        "stellar_mass:1e9,a; half_light_radius; sersic_index": "write 'column' or",
        "stellar_mass:1e9,1e8; half_light_radius; sersic_index": "two or more that increase",
    }.items():
        with pytest.raises(ValueError, match=phrase):
            population_of(text, names)
    with pytest.raises(ValueError, match="none of sersic_n_, sersic_index, concentration"):
        population_of("auto", ["stellar_mass", "half_light_radius", "redshift"])


def test_a_condition_enters_headline_tables_and_board(sets, tmp_path):
    for each in sets:
        each["redshift"] = 0.01 * (1 + np.arange(len(each)) % 9)
    table, _ = compared(tmp_path, *sets, condition="snr,resolution,redshift", bins="redshift:0,0.05,0.2")
    assert table.meta["structure"]["conditions"] == ["snr", "resolution", "redshift"]
    run = table[table["dataset"] == "run"][0]
    assert run["structure_fraction"] == pytest.approx(0.3, abs=0.3)
    found = {each.name: each.table for each in read_further(tmp_path / "compare" / "tables")}
    # One rule and one reference: the bins' galaxies are the headline's, judged by the same conditions.
    bins = found["bins"][found["bins"]["dataset"] == "run"]
    assert bins["n_galaxies"].sum() == run["n_structure"]
    assert set(bins["verdict"]) == {"smoother than real"}
    assert list(found["structure_null"]["n_galaxies"]) == [40]  # half of the reference
    assert board([tmp_path / "compare" / "record.json"])["structure_fraction"][0] == run["structure_fraction"]


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("redshift", "lacks snr, resolution"),
        ("snr,resolution,colour", "colour"),
        ("snr,resolution,redshift", "'redshift' is known of 7 of the 80 held-out images of SDSS"),
    ],
)
def test_a_condition_that_cannot_be_held_is_refused(sets, tmp_path, condition, says):
    for each in sets:
        each["redshift"] = np.where(np.arange(len(each)) < 7, 0.1, np.nan)
    with pytest.raises(ValueError, match=says):
        compared(tmp_path, *sets, condition=condition)
