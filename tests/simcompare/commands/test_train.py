"""Training from an image set: what lies in the run folder, and what the card says."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from flows import Ensemble, FlowModel
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main
from simcompare.data.shipped import ensemble_members
from simcompare.images.image_set import ImageSet
from simcompare.images.parts import Stack, part_path, write_part
from simcompare.images.preparation.prepare import Preparation
from simcompare.models.card import depth
from simcompare.models.storage import load_model, model_hash
from simcompare.scores.likelihood import score

SIZE = 8
REJECTS = [
    {"reason": reason}
    for reason in ("31% of the pixels are bad", "8.5% of the pixels are bad", "flagged saturated")
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "real"
    rng, n = np.random.default_rng(1), 40
    image = rng.normal(size=(n, 1, SIZE, SIZE))
    stack = Stack(
        image=image,
        variance=np.ones_like(image),
        mask=np.zeros(image.shape, np.uint8),
        psf=np.full((n, 1, 5, 5), 1 / 25),
        quantum=np.full((n, 1), 0.01),
    )
    catalogue = Table({"galaxy_id": [f"g-{k}" for k in range(n)], "dataset": ["real"] * n})
    catalogue["view"], catalogue["flags"] = 0, 0
    catalogue["split"] = np.repeat(["train", "validation", "test"], [24, 8, 8])
    for column, value in (("mag_r", 17.0), ("sky_sigma_r", 0.025), ("psf_fwhm_r", 1.2)):
        catalogue[column] = value * rng.uniform(0.98, 1.02, n)
    catalogue["sky_level_r"] = 0.0
    catalogue["half_light_radius"] = rng.uniform(1, 2, n)
    return write_set(folder, stack, catalogue, "r")


def write_set(folder, stack, catalogue, band):
    path = part_path(folder, 0)
    path.parent.mkdir(parents=True)
    write_part(
        path, stack, catalogue, name="real", kind="observed", survey="sdss", bands=(band,), pixel_scale=0.396,
        preparation=Preparation(size=SIZE),
        provenance={"inputs": [{"path": "a/stack.h5"}], "rejects": REJECTS},
    )  # fmt: skip
    return folder


def test_run_holds_model_card_and_sheet_of_samples(images, tmp_path):
    out = tmp_path / "flow"
    options = ["--epochs", "1", "--batch-size", "4", "--precision", "bfloat16", "--device", "cpu"]
    assert main(["train", str(images), "--out", str(out), *options]) == 0
    model = load_model(out)
    assert model.card == (out / "model" / "README.md").read_text(encoding="utf-8")
    for text in (
        "# Flow of real",
        "sdss in r: 8 x 8 pixels of 0.396 arcsec",
        "trained on 24 images",
        "| mag_r |",
    ):
        assert text in model.card
    assert Preparation(size=SIZE).hash in model.card
    assert "**Small sample.** 24 galaxies" in model.card
    with Image.open(out / "samples.png") as sheet:
        assert sheet.size == (8 * SIZE, 2 * SIZE)
    lines = model.card[model.card.index("## Data") :].splitlines()
    assert lines[2].startswith("40 images of 40 galaxies (observed, sdss, r), 8 x 8 pixels of 0.396 arcsec")
    assert "- split: train 24, validation 8, test 8" in lines
    assert "- from: stack.h5" in lines
    assert "- left out: 2 (N% of the pixels are bad); 1 (flagged saturated)" in lines
    table = {line.split()[1] for line in lines if line.startswith("| ")}
    assert table >= {"mag_r", "sky_sigma_r", "psf_fwhm_r", "half_light_radius"}


def test_architecture_is_an_option_and_a_symmetric_flow_is_evaluated_once(
    images, tmp_path, monkeypatch, capsys
):
    out, given = tmp_path / "flow", ["train", str(images), "--device", "cpu", "--epochs", "1"]
    assert main([*given, "--out", str(out), "--architecture", "symmetric"]) == 0
    model = load_model(out)
    assert model.config.architecture == "symmetric"
    assert "architecture `symmetric`" in model.card
    seen = []
    monkeypatch.setattr(FlowModel, "budget", counted(FlowModel.budget, seen))
    stack = ImageSet.open(images)
    once, plain = score(stack, model), score(stack, model, symmetries=False)
    assert len(seen) == 2
    np.testing.assert_array_equal(once["log_prob"], plain["log_prob"])
    np.testing.assert_array_equal(once["symmetry_scatter"], 0)
    assert "symmetry_scatter" not in plain.table.colnames
    again = [*given, "--out", str(tmp_path / "other")]
    assert main([*again, "--architecture", "symetric"]) != 0
    assert "known: wavelet, symmetric" in capsys.readouterr().err
    assert main([*again, "--init", str(out), "--architecture", "glow"]) != 0
    assert "leave out --architecture or --init" in capsys.readouterr().err


def counted(function, calls: list):
    """Function that also notes each call."""

    def noted(*args, **options):
        calls.append(function)
        return function(*args, **options)

    return noted


def test_members_are_runs_of_successive_seeds_and_may_follow_later(images, tmp_path):
    out, alone = tmp_path / "flow", tmp_path / "alone"
    options = ["--epochs", "1", "--device", "cpu"]
    for members in ("1", "3"):
        assert main(["train", str(images), "--out", str(out), *options, "--members", members]) == 0
    assert main(["train", str(images), "--out", str(alone), *options, "--seed", "2"]) == 0
    found = ensemble_members(out, [out, out / "member-1"])
    assert found == [out, out / "member-1", out / "member-2"]
    assert len({model_hash(path) for path in found}) == 3
    assert model_hash(out / "member-2") == model_hash(alone)
    both = Ensemble([load_model(path) for path in found[1:]]).save(tmp_path / "both")
    assert ensemble_members(out, [both]) == [out, both / "member-0", both / "member-1"]
    assert ensemble_members("sdss-r", [out, alone]) == [Path("sdss-r"), *found, alone]


def test_depth_is_that_of_a_gaussian_point_source():
    """SDSS r: 0.025 nanomaggies a pixel and 1.3 arcsec, in closed form."""
    table = Table({"sky_sigma_r": [0.025, 0.025], "psf_fwhm_r": [1.3, 1.3]})
    pixels = 4 * np.pi * (1.3 / 2.3548 / 0.396) ** 2
    expected = 22.5 - 2.5 * np.log10(5 * 0.025 * np.sqrt(pixels))
    assert depth(table, ("r",), 0.396)["r"] == pytest.approx(expected, abs=0.006)
    table["psf_fwhm_r"] = np.nan
    assert depth(table, ("r",), 0.396) == {}


def test_tensorboard_is_asked_for_by_name(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert (
        main(["train", str(images), "--out", str(tmp_path / "flow"), "--epochs", "1", "--tensorboard"]) == 2
    )
    assert "pip install 'simcompare[tensorboard]'" in capsys.readouterr().err


def test_a_flow_of_another_band_is_taken_in_units_of_the_new_noise(images, tmp_path, caplog):
    """The images times ten, called i: the flow starts where that of r ended, and so ends as near."""
    given, other = ["--device", "cpu", "--epochs", "2"], ImageSet.open(images)
    assert main(["train", str(images), "--out", str(tmp_path / "r"), *given]) == 0
    catalogue, stack = other.catalogue.copy(), other.read()
    for name in ("mag", "sky_sigma", "psf_fwhm", "sky_level"):
        catalogue.rename_column(f"{name}_r", f"{name}_i")
    catalogue["sky_sigma_i"] *= 10
    ten = write_set(tmp_path / "i", replace(stack, image=10 * stack.image), catalogue, "i")
    assert (
        main(["train", str(ten), "--init", str(tmp_path / "r"), "--out", str(tmp_path / "flow"), *given]) == 0
    )
    first, second = load_model(tmp_path / "r"), load_model(tmp_path / "flow")
    assert second.context_names == ("log_sky_sigma_i", "psf_fwhm_i")
    assert second.config.softening[0] == pytest.approx(10 * first.config.softening[0], rel=0.05)
    lost = [model.summary["validation_nats_per_pixel"] for model in (first, second)]
    assert lost[1] - lost[0] == pytest.approx(np.log(10), abs=0.05)
    assert "in units of the new noise" in caplog.text


def test_a_flow_of_another_size_cannot_start_one(images, tmp_path, capsys):
    words = ["train", str(images), "--init", "sdss-r", "--out", str(tmp_path / "a"), "--device", "cpu"]
    assert main(words) == 2
    assert "takes 1 x 64 x 64 pixels (bands, y, x), real has 1 x 8 x 8: prepare with --size 64" in (
        capsys.readouterr().err
    )


def start_training(images, out, epochs, **streams):
    command = [sys.executable, "-m", "simcompare.cli", "train", str(images), "--out", str(out)]
    return subprocess.Popen([*command, "--epochs", str(epochs), "--device", "cpu"], **streams)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no SIGUSR1")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_training_told_to_stop_says_so_and_goes_on_later(images, tmp_path, name):
    process = start_training(images, tmp_path / "model", 100000, stderr=subprocess.PIPE, text=True)
    for _ in range(1200):
        if list((tmp_path / "model").glob("snapshot-*")) or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(getattr(signal, name))
    _, error = process.communicate(timeout=60)
    assert process.returncode == 75
    assert error.splitlines()[-1] == f"stopped by {name}; run the same command again to resume."
    left = {path.name.split("-")[0] for path in (tmp_path / "model").iterdir()}
    assert left == {"config.toml", "provenance.json", "run.log", "snapshot"}


def test_python_without_docstrings_is_refused_in_one_line(images, tmp_path):
    command = [
        sys.executable,
        "-OO",
        "-m",
        "simcompare.cli",
        "train",
        str(images),
        "--out",
        str(tmp_path / "a"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "PYTHONOPTIMIZE=2" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unreadable_home_is_replaced(monkeypatch, tmp_path, capsys):
    """As seen by a user who may not read it: the superuser always may."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("simcompare.cli.os.access", lambda path, mode: str(path) != str(tmp_path))
    assert main(["init", str(tmp_path / "a.toml")]) == 0
    assert os.environ["HOME"] != str(tmp_path)
    assert f"the home folder {tmp_path} cannot be read" in capsys.readouterr().err


def test_a_name_that_is_not_utf8_is_refused_in_one_line(capsys):
    assert main(["train", os.fsdecode(b"galaxies-\xff"), "--out", "model"]) == 2
    expected = "error: the name 'galaxies-\\udcff' is not UTF-8; rename the file or folder."
    assert capsys.readouterr().err.strip() == expected


def test_a_folder_of_inputs_that_is_not_utf8_ends_in_one_line(tmp_path, capsys):
    made = write_tng_snapshot(tmp_path / "toy", toy_galaxies("toy-1", 1, 3))
    strange = tmp_path / "in" / os.fsdecode(b"sub\xff")
    strange.mkdir(parents=True)
    made.rename(strange / "toy")
    command = ["mock", str(tmp_path / "in"), "--redshift", "0.05", "--size", "32", "--out"]
    assert main([*command, str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: the name '{tmp_path}/in/sub\\udcff/toy/")
    assert line.endswith(".hdf5' is not UTF-8; rename the file or folder.")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("in/sub\udcff/a.hdf5", "in/sub\\udcff/a.hdf5"),
        ('{"one": "b", "two": "in/sub\udcff/a b.hdf5", "c": "d"}', "in/sub\\udcff/a b.hdf5"),
        ("first\nin/sub\udcff/a.hdf5\nthird", "in/sub\\udcff/a.hdf5"),
        ("a" * 600 + "\udcff" + "b" * 600, "..." + "a" * 500 + "\\udcff" + "b" * 499 + "..."),
    ],
)
def test_a_name_that_cannot_be_written_is_cut_from_what_holds_it(monkeypatch, capsys, text, shown):
    def refuse():
        text.encode()

    monkeypatch.setattr("simcompare.cli.make_app", lambda: lambda arguments: refuse())
    assert main(["info", "images"]) == 2
    assert capsys.readouterr().err.strip() == (
        f"error: the name '{shown}' is not UTF-8; rename the file or folder."
    )
