"""Attribution from the command line on toy galaxies, and what each variation does to an image."""

import json
from dataclasses import replace
from itertools import count, islice

import h5py
import numpy as np
import pytest
from astropy.table import Table

from mocks import draw_conditions, load_survey, mock_galaxy, stream
from mocks.observing.psf import gaussian_psf
from mocks.observing.psf_images import measure_fwhm
from mocks.observing.sky_bank import SkyBank
from mocks.toys import toy_galaxy, toy_structure, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands.attribute import Attribution
from simcompare.commands.mock import make_mocks
from simcompare.comparison.report_table import read_comparison, read_further
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.stamps import RawStamp
from simcompare.runs.names import SCORES
from simcompare.scores.run_inputs import run_scores
from simcompare.settings import MockSettings
from simcompare.synthetic.variations import LADDER, Variation, VariedView, altered, scaled_psf, variations

SIZE = 32
SETTINGS = MockSettings(inputs=["unused"], out="unused", redshift=0.12, size=SIZE, dust="none")


def galaxies(physics, n):
    """Toy galaxies of a tenth of their particles: quick, and as bright."""
    rng, few = np.random.default_rng(3), Variation("resolution", particles=0.1)
    structures = (toy_structure(rng) for _ in count())
    massive = islice((each for each in structures if each.stellar_mass >= 1.5e10), n)
    made = [
        toy_galaxy(physics, np.random.default_rng(k), structure=structure, subhalo_id=k)
        for k, structure in enumerate(massive)
    ]
    return [altered(each, few, rng) for each in made]


@pytest.fixture(scope="module")
def galaxy():
    return max(galaxies("toy-2", 4), key=lambda each: each.stars.mass.sum())


def made(galaxy, ways, bank=None):
    view = VariedView(galaxy, galaxy.galaxy_id, 0, SETTINGS, Preparation(size=SIZE), bank)
    return {way.name: view.observe(way) for way in ways}


def test_the_baseline_is_the_mock_itself(galaxy):
    ways = variations([10], ["none", "screen"], ["bc03:imf=salpeter"], has_particles=True, has_sky=False)
    stamps = made(galaxy, ways)
    preparation = Preparation(size=SIZE)
    cutout = mock_galaxy(galaxy, "sdss", ("r",), seed=0, redshift=0.12, size=preparation.window, dust="none")
    rng = preparation_stream(0, galaxy.galaxy_id, 0)
    mock = prepare_stamp(RawStamp.from_cutout(cutout, galaxy.galaxy_id), preparation, rng)
    np.testing.assert_array_equal(stamps["sky"].image, mock.image)
    np.testing.assert_array_equal(stamps["dust none"].image, mock.image)
    assert stamps["dust screen"].image.sum() < 0.95 * mock.image.sum()
    fainter = stamps["population bc03:imf=salpeter"].image.sum() / mock.image.sum()
    assert fainter == pytest.approx(0.66, abs=0.03)
    sigma = mock.row["sky_sigma_r"]
    louder, quieter = (stamps[f"noise {sign}10 %"].row["sky_sigma_r"] for sign in "+-")
    assert louder / quieter == pytest.approx(1.1 / 0.9, rel=0.08)  # little sky beside the galaxy
    lift = np.median(stamps["background +10 %"].image - stamps["background -10 %"].image)
    assert lift == pytest.approx(0.2 * sigma, rel=0.3)
    peaks = [stamps[name].image.max() for name in ("PSF -10 %", "sky", "PSF +10 %")]
    assert peaks[0] > peaks[1] > peaks[2]
    assert stamps["PSF +10 %"].row["psf_fwhm_r"] == mock.row["psf_fwhm_r"]
    for name in ("view other", "smoothing x2", "resolution 1/8"):
        assert not np.array_equal(stamps[name].image, mock.image)
        assert stamps[name].row["mag_r"] == pytest.approx(mock.row["mag_r"], abs=0.4)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(12, 30, "exceeds"), (-30, -12, "exceeds"), (8, 30, "does not exceed"), (-30, 40, "does not exceed"),
     (np.nan, np.nan, "has no interval")],
)  # fmt: skip
def test_verdict_takes_the_whole_interval(low, high, says):
    found = Attribution(Table(), Table(), gap=20.0, gap_low=low, gap_high=high, floor=10.0)
    assert f" {says} " in found.verdict


def test_verdict_in_units_of_the_structure_fraction():
    found = Attribution(Table(), Table(), -0.4, -0.6, -0.2, 0.1, "fraction")
    assert found.verdict == (
        "the gap to real galaxies, -0.40 (-0.60 to -0.20) of the structure fraction, exceeds the systematic "
        "floor of 0.10"
    )
    unbounded = Attribution(Table(), Table(), -0.4, -np.inf, np.inf, 0.1, "fraction")
    assert "has no interval" in unbounded.verdict


def test_early_steps_keep_the_light_and_lack_the_noise(galaxy):
    stamps = made(galaxy, variations([10], [], has_particles=True, has_sky=False))
    total = {name: stamps[name].image.sum() for name in LADDER[:-1]}
    for name in ("rebinned", "PSF", "Poisson"):
        assert total[name] == pytest.approx(total["rebinned"], rel=0.03)
    assert total["ideal"] == pytest.approx(total["rebinned"], rel=0.2)
    sharpest = [np.abs(np.diff(stamps[name].image)).max() for name in ("ideal", "rebinned", "PSF")]
    assert sharpest[1] > sharpest[2]
    corner = [stamps[name].image[0, :4, :4].std() for name in ("PSF", "sky")]
    assert corner[0] < 0.5 * corner[1]
    # all lie on the same pixels: the light's middle does not move
    y, x = np.indices((SIZE, SIZE))
    for name in ("ideal", "rebinned", "PSF"):
        image = np.maximum(stamps[name].image[0], 0)
        middle = [(image * axis).sum() / image.sum() for axis in (y, x)]
        assert middle == pytest.approx([SIZE // 2, SIZE // 2], abs=1.5)


def test_a_variation_says_by_how_much_a_mock_may_be_wrong():
    ways = variations([5, 20], ["none"], has_particles=True, has_sky=True)
    assert [way.name for way in ways if way.is_step] == list(LADDER)
    weights = {way.name: way.weight(known_to=5) for way in ways if not way.is_step}
    assert (weights["PSF -5 %"], weights["noise +20 %"], weights["background -20 %"]) == (1, 0.25, 0.25)
    assert weights["dust none"] == weights["smoothing x2"] == 1
    assert weights["view other"] == weights["resolution 1/8"] == 0
    assert {way.ingredient for way in ways if way.percent == 20} == {"PSF", "noise", "background"}


def test_early_steps_need_the_finished_image(galaxy):
    small = Preparation(size=8, psf_size=9, detection_area=10**6)
    view = VariedView(galaxy, galaxy.galaxy_id, 0, SETTINGS.model_copy(update={"bands": "x"}), small)
    with pytest.raises(ValueError, match="finished image could not be prepared"):
        view.observe(Variation.of_step("ideal"))


def test_real_sky_brings_its_neighbours(galaxy):
    conditions = draw_conditions(load_survey("sdss"), ("r",), stream(0, "any"))
    side = Preparation(size=SIZE).window
    patch = conditions.sky_sigma[0] * np.random.default_rng(0).normal(size=(1, 1, side, side))
    patch[0, 0, 2:6, 2:6] += 100 * conditions.sky_sigma[0]
    names = ("sky_sigma", "sky_level", "psf_fwhm", "electrons_per_nanomaggy", "nanomaggies_per_count")
    values = {name: getattr(conditions, name)[None] for name in names}
    bank = SkyBank(("r",), patch.astype(np.float32), psf=conditions.psf_stack()[None], origin=["x"], **values)
    stamps = made(galaxy, variations([10], [], has_particles=True, has_sky=True), bank)
    corner = np.s_[:, :6, :6]  # elsewhere synthetic sky may hold a source of its own
    assert stamps["neighbours"].mask[corner].any()
    assert not stamps["sky"].mask[corner].any()


def test_psf_and_particles_change_as_they_say(galaxy):
    psf = gaussian_psf(3.5, 31)
    for factor in (0.8, 1.2):
        scaled = scaled_psf(psf, factor)
        assert scaled.sum() == pytest.approx(1)
        assert measure_fwhm(scaled) == pytest.approx(factor * measure_fwhm(psf), rel=0.02)
    half = altered(galaxy, Variation("resolution", particles=0.5), np.random.default_rng(0))
    assert len(half.stars) == round(len(galaxy.stars) / 2)
    assert half.stars.mass.sum() == pytest.approx(galaxy.stars.mass.sum(), rel=0.05)
    smooth = altered(galaxy, Variation("smoothing", smoothing=2), np.random.default_rng(0))
    length = altered(galaxy, Variation("smoothing", smoothing=1.0001), np.random.default_rng(0))
    np.testing.assert_allclose(smooth.stars.smoothing_length, 2 * length.stars.smoothing_length, rtol=1e-3)
    single = replace(galaxy, stars=galaxy.stars.select(np.array([0])))
    with pytest.raises(ValueError, match="too few to drop any"):
        altered(single, Variation("resolution", particles=0.5), np.random.default_rng(0))
    names = [way.name for way in variations([5], ["none"], has_particles=False, has_sky=False)]
    assert names[:5] == list(LADDER[:5])
    assert not [name for name in names if name.startswith(("dust", "smoothing", "view", "resolution"))]


@pytest.fixture(scope="module")
def attributed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attribution")
    write_tng_snapshot(folder / "real", galaxies("toy-3", 16))
    write_tng_snapshot(folder / "simulated", galaxies("toy-1", 2))
    common = {"redshift": 0.05, "size": SIZE, "workers": 1}
    mock = MockSettings(inputs=[folder / "real"], out=folder / "set", name="nature", views=2, **common)
    make_mocks(mock, kind="observed", fractions=(0.4, 0.35, 0.25))
    for name, seed in (("flow", "0"), ("plain", "1")):
        options = ["--out", str(folder / name), "--epochs", "1", "--seed", seed]
        assert main(["train", str(folder / "set"), *options]) == 0
    command = ["attribute", str(folder / "simulated"), "--name", "young", "--redshift", "0.05"]
    command += ["--size", str(SIZE), "--real", str(folder / "set"), "--percents", "10"]
    command += ["--model", str(folder / "flow")]
    command += ["--background", str(folder / "plain"), "--out", str(folder / "out"), "--workers", "1"]
    command += ["--no-symmetries", "--no-real-conditions"]
    assert main(command) == 0
    return folder, command


def test_the_budget_adds_up_and_the_floor_is_below_it(attributed):
    folder, _ = attributed
    budget, shifts = (each.table for each in read_further(folder / "out" / "tables"))
    assert list(budget["step"]) == list(LADDER[:5])
    assert budget["change"].sum() == pytest.approx(budget["to_real"][-1])
    scores = run_scores(folder / "out" / "scores")
    real = (scores["dataset"] == "nature") & (scores["split"] == "test")
    gap = scores["log_likelihood_ratio"][scores["dataset"] == "young, sky"].mean()
    means = [
        scores["log_likelihood_ratio"][real & (scores["galaxy_id"] == name)].mean()
        for name in set(scores["galaxy_id"][real])
    ]
    assert budget["to_real"][-1] == pytest.approx(gap - np.mean(means), rel=1e-4)
    assert len(shifts) == 16
    assert {row["perturbation"]: row["weight"] for row in shifts}["PSF +10 %"] == 0.5
    assert {row["perturbation"]: row["weight"] for row in shifts}["view other"] == 0
    summary = json.loads((folder / "out" / "attribution.json").read_text())
    assert summary["floor"] > 0
    assert "the systematic floor" in summary["verdict"]


def test_a_comparison_shows_the_ladder_and_holds_the_gap_against_the_floor(attributed, tmp_path, capsys):
    folder, _ = attributed
    where = ["--redshift", "0.05", "--size", str(SIZE), "--workers", "1"]
    assert (
        main(["mock", str(folder / "simulated"), "--name", "young", "--out", str(tmp_path / "set"), *where])
        == 0
    )
    sets = [str(folder / "set"), str(tmp_path / "set"), "--no-symmetries", "--workers", "1"]
    for model, background in (("flow", "plain"), ("plain", "flow")):
        flows = ["--model", str(folder / model), "--background", str(folder / background)]
        assert main(["score", *sets, *flows, "--out", str(tmp_path / f"scores-{model}")]) == 0
    command = ["compare", str(tmp_path / "scores-flow"), "--bootstrap", "200", "--attribution"]
    assert main([*command, str(folder / "out"), "--out", str(tmp_path / "comparison")]) == 0
    summary = json.loads((folder / "out" / "attribution.json").read_text())
    table = read_comparison(tmp_path / "comparison")
    row = table[table["dataset"] == "young"][0]
    assert summary["unit"] == "nats"  # no twins
    assert row["systematic_floor_nats"] == pytest.approx(summary["floor"])
    exceeds = max(row["delta_mean_low"], -row["delta_mean_high"]) > summary["floor"]
    assert exceeds != ("systematic floor" in row["caution"])
    assert np.isnan(table["systematic_floor_nats"][table["dataset"] != "young"]).all()
    found = {each.name: each for each in read_further(tmp_path / "comparison" / "tables")}
    assert found["ladder_young"].title == "What each step contributes: young"
    assert summary["verdict"] == found["perturbations_young"].note
    other = ["compare", str(tmp_path / "scores-plain"), "--bootstrap", "200", "--attribution"]
    assert main([*other, str(folder / "out"), "--out", str(tmp_path / "other")]) == 2
    assert "made with another flow" in capsys.readouterr().err
    assert main([*command, str(tmp_path), "--out", str(tmp_path / "none")]) == 2
    assert "attribution.json does not exist" in capsys.readouterr().err
    for number, damaged in enumerate(('{"gap": 1.0}', '{"gap"', "[]")):
        (tmp_path / "attribution.json").write_text(damaged)
        assert main([*command, str(tmp_path), "--out", str(tmp_path / f"none-{number}")]) == 2
        assert "attribution.json is damaged or of another version" in capsys.readouterr().err


def test_a_resumed_attribution_is_the_same(attributed, capsys):
    folder, command = attributed
    before = (folder / "out" / "tables" / "ladder.ecsv").read_text()
    (folder / "out" / "images" / "part-0001.h5").unlink()
    (folder / "out" / "scores" / SCORES).unlink()
    assert main(command) == 0
    assert (folder / "out" / "tables" / "ladder.ecsv").read_text() == before
    assert "1 of 2 parts are finished already" in capsys.readouterr().err
    assert len(ImageSet.open(folder / "out")) == 42
    bad = [*command[: command.index("--out")], "--out", str(folder / "bad")]
    for options, message in (
        (["--percents", "5,none"], "numbers between commas"),
        (["--percents", "0"], "numbers between 0 and 100"),
        (["--dusts", "fog"], "--dusts names fog"),
        (["--populations", "magic"], "stellar population 'magic' is unknown"),
    ):
        assert main([*bad, *options]) == 2
        assert message in capsys.readouterr().err


def test_bad_cutouts_are_rows(attributed, tmp_path, star_columns, write_stars):
    folder, command = attributed
    paths = [write_stars(tmp_path / "in" / f"cutout_{i}.hdf5", star_columns(seed=i)) for i in range(1, 6)]
    with h5py.File(paths[1], "r+") as file:
        file["PartType4/GFM_StellarFormationTime"][...] = -0.5
    with h5py.File(paths[2], "r+") as file:
        file["PartType4/Masses"][7] = np.nan
    paths[3].write_bytes(paths[3].read_bytes()[:20000])
    options = [str(tmp_path / "out") if word == str(folder / "out") else word for word in command[2:]]
    assert main(["attribute", *map(str, paths), *options]) == 3  # made, but inputs failed
    failures = Table.read(tmp_path / "out" / "failures.ecsv")
    reasons = dict(zip(failures["galaxy_id"], failures["reason"], strict=True))
    assert len(reasons) == 3
    for path, word in zip(paths[1:4], ("wind-phase", "NaN", "cannot be opened as HDF5"), strict=True):
        assert [
            word in reason for name, reason in reasons.items() if path.stem in name or path.name in reason
        ] == [True]
    made = ImageSet.open(tmp_path / "out").catalogue
    assert len(set(made["galaxy_id"])) == 2
