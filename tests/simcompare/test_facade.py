"""`import simcompare`: light, every verb a function, everything in memory when nothing else is asked for."""

import gc
import inspect
import re
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from typer.main import get_command

import simcompare
from mocks import stream
from mocks.observing.psf import gaussian_psf
from mocks.toys import toy_galaxy, write_eagle_extract
from simcompare.cli import main, make_app
from simcompare.commands.planning.table import COMMANDS
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.prepare import Preparation

HERE = {"workers": 1}


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Folder that temporary folders are made in."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="module")
def extract(tmp_path_factory):
    path = tmp_path_factory.mktemp("toys") / "toy.hdf5"
    write_eagle_extract(path, [toy_galaxy("toy-3", stream(1, i), subhalo_id=i) for i in range(4)])
    return path


def run_python(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


def mean_of_galaxies(scores):
    values, galaxies = scores.numbers(), scores["galaxy_id"]
    return np.mean([values[galaxies == name].mean() for name in set(galaxies.tolist())])


def test_import_is_light_and_quick():
    program = (
        "import sys, time; start = time.perf_counter(); import simcompare; "
        "print(time.perf_counter() - start, *{name.partition('.')[0] for name in sys.modules})"
    )
    seconds, *loaded = run_python(program)
    assert float(seconds) < 0.2
    assert not {"torch", "numba", "numpy", "astropy", "pydantic", "mocks", "flows"} & set(loaded)


def test_a_verb_loads_only_what_it_needs():
    program = "import simcompare, sys; simcompare.init, simcompare.mock; print('torch' in sys.modules)"
    assert run_python(program) == ["False"]


def test_every_verb_and_the_records_are_offered():
    assert set(simcompare.__all__) - set(COMMANDS) == {
        "ImageSet", "Scores", "load_model", "load_survey", "open_snapshot",
    }  # fmt: skip
    assert set(COMMANDS) < set(simcompare.__all__) < set(dir(simcompare))
    assert simcompare.ImageSet is ImageSet
    assert simcompare.load_survey("sdss").name == "sdss"
    with pytest.raises(AttributeError, match="no attribute 'mokc'"):
        simcompare.mokc  # noqa: B018


@pytest.mark.parametrize("verb", COMMANDS)
def test_python_and_the_command_line_have_the_same_settings_and_defaults(verb):
    command = get_command(make_app()).commands[verb]
    options = {each.name: each for each in command.params if each.name not in ("help", "dry_run")}
    parameters = dict(inspect.signature(getattr(simcompare, verb)).parameters)
    parameters.pop("dry_run", None)
    assert set(parameters) == set(options)
    for name, parameter in parameters.items():
        if COMMANDS[verb].is_held and name == COMMANDS[verb].folder:
            assert parameter.default is None
            continue
        required = parameter.default is inspect.Parameter.empty
        assert required == options[name].required, name
        if not required:
            assert (parameter.default or None) == (options[name].default or None), name


@pytest.mark.parametrize("verb", COMMANDS)
def test_help_tells_every_setting_and_what_is_returned(verb):
    function = getattr(simcompare, verb)
    text = inspect.getdoc(function)
    named = re.findall(r"^(\w+) : ", text, re.M)
    assert named == list(inspect.signature(function).parameters)
    assert f"Returns\n-------\n{COMMANDS[verb].returns}\n" in text
    assert COMMANDS[verb].returns
    for name in named:
        assert COMMANDS[verb].settings.model_fields[name].description in text


def test_from_a_snapshot_to_a_comparison_in_memory(extract, scratch):
    images = simcompare.mock(extract, redshift=0.05, views=2, **HERE)
    assert (len(images), images.name, images.kind) == (8, "toy-3", "simulated")
    scores = simcompare.score(images, model="sdss-r", symmetries=False, **HERE)
    assert isinstance(scores, simcompare.Scores)
    assert {"SDSS r held-out", "toy-3"} <= set(scores.datasets)
    assert len(scores.sample("toy-3")) == 8
    comparison = simcompare.compare(scores, bootstrap=200)
    row = comparison["toy-3"]
    means = [mean_of_galaxies(scores.sample(name)) for name in ("toy-3", "SDSS r held-out")]
    assert row["delta_mean"] == pytest.approx(means[0] - means[1], rel=1e-6)
    assert comparison.reference == "SDSS r held-out"
    assert repr(comparison).startswith("<Comparison with SDSS r held-out: toy-3")
    assert str(comparison).startswith(comparison.answer)
    assert comparison.answer in comparison._repr_html_()
    assert "<table" in comparison._repr_html_()
    assert {"matched", "jackknife"} <= {each.name for each in comparison.further}
    with pytest.raises(KeyError, match="there are toy-3"):
        comparison["toy-4"]
    left = len(list(scratch.iterdir()))
    assert left == 3
    del images
    gc.collect()
    assert len(list(scratch.iterdir())) == left  # the scores need their images
    del scores, comparison
    gc.collect()
    assert not list(scratch.iterdir())


def test_numpy_images_to_scores(scratch):
    y, x = np.mgrid[-40:40, -40:40]
    galaxy = 20 * np.exp(-np.hypot(x, y) / 4)
    pixels = galaxy + np.random.default_rng(1).normal(0, 0.02, (3, 80, 80))
    images = ImageSet.from_arrays(pixels, bands="r", psf=gaussian_psf(3.3, 31), name="discs")
    model = simcompare.load_model("sdss-r")
    scores = simcompare.score(images.subset([0, 2]), model=model, symmetries=False, **HERE)
    assert len(scores.sample("discs")) == 2
    assert np.isfinite(scores.sample("discs").numbers()).all()
    assert "log_prob_background" in scores  # the twins that belong to a shipped model


def test_with_a_folder_the_run_is_that_of_the_command_line(extract, tmp_path, scratch):
    there = simcompare.mock([extract], redshift=0.05, size=32, out=tmp_path / "python", **HERE)
    options = ["--redshift", "0.05", "--size", "32", "--workers", "1"]
    assert main(["mock", str(extract), *options, "--out", str(tmp_path / "shell")]) == 0
    np.testing.assert_array_equal(there.read().image, ImageSet.open(tmp_path / "shell").read().image)
    assert there.folder == tmp_path / "python"
    assert not list(scratch.iterdir())


def test_a_flow_trained_in_memory_scores():
    rng, (y, x) = np.random.default_rng(1), np.mgrid[-20:20, -20:20]
    pixels = 50 * np.exp(-np.hypot(x, y) / 3) + rng.normal(0, 0.02, (60, 40, 40))
    small = {"psf": gaussian_psf(3.3, 25), "preparation": Preparation(size=32)}
    images = ImageSet.from_arrays(pixels, bands="r", kind="observed", **small)
    model = simcompare.train(images, epochs=1)
    scores = simcompare.score(images, model=model, symmetries=False, **HERE)
    row = images.catalogue[0]
    context = np.array([[np.log(row["sky_sigma_r"]), row["psf_fwhm_r"]]], np.float32)
    expected = np.asarray(model.log_prob(images.read([0]).image, context))
    assert scores.numbers("log_prob")[0] == pytest.approx(expected[0], abs=1e-3)


def test_wrong_calls_are_answered_in_words(extract):
    with pytest.raises(TypeError, match=r"mock\(\) has no setting 'veiws'; did you mean 'views'\?"):
        simcompare.mock(extract, veiws=3)
    with pytest.raises(TypeError, match="has no setting 'conditions'; did you mean 'real_con"):
        simcompare.attribute(extract, conditions="x")
    with pytest.raises(TypeError, match=r"mock\(\): missing a required argument: 'inputs'; see help"):
        simcompare.mock()
    with pytest.raises(ValueError, match=r"mock\(\): redshift: .*greater than 0 \(given: -1\)"):
        simcompare.mock(extract, redshift=-1)
    with pytest.raises(TypeError, match="images is a ndarray; give a path"):
        simcompare.score(np.zeros((1, 1, 64, 64)), model="sdss-r")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        simcompare.info("nowhere")


def test_scores_that_were_changed_are_not_taken_for_the_run(extract):
    images = simcompare.mock(extract, redshift=0.05, **HERE)
    scores = simcompare.score(images, model="sdss-r", symmetries=False, **HERE)
    with pytest.raises(TypeError, match="give a path or an unmodified object"):
        simcompare.compare(scores[:5])


def test_inputs_that_will_go_are_warned_of(extract, tmp_path, caplog):
    images = simcompare.mock(extract, redshift=0.05, size=32, **HERE)
    simcompare.twins(images, out=tmp_path / "twins", **HERE)
    assert "inputs are temporary" in caplog.text


def test_a_script_without_a_guard_runs_once(tmp_path):
    """Workers must not run the script that called for them."""
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\n"
        "from simcompare.runs.tasks import run_tasks\n"
        "print(*sorted(run_tasks(abs, [-1, -2, -3], workers=2)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "once\n1 2 3\n"
