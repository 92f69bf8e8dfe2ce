import re
import tomllib

import h5py
import numpy as np
import pytest
from PIL import Image

from mocks import stream
from mocks.toys import toy_galaxy, write_eagle_extract
from simcompare.cli import main
from simcompare.commands.planning.dry_run import estimate, estimate_workflow, summary
from simcompare.commands.planning.table import COMMANDS, SECTIONS
from simcompare.commands.planning.workflow import caution_of_views, plan_workflow, read_workflow
from simcompare.commands.prepare import make_image_set
from simcompare.commands.workflows.init import workflow_template
from simcompare.settings import MockSettings, PrepareSettings, WorkflowSettings

MINIMAL = """
out = "run"
bands = "gr"
seed = 7
[prepare]
inputs = ["stamps.h5"]
[mock.A]
inputs = ["a.hdf5"]
redshift = 0.05
[mock.B]
inputs = ["b.hdf5"]
views = 3
"""


@pytest.fixture
def minimal(tmp_path):
    path = tmp_path / "work.toml"
    path.write_text(MINIMAL)
    return path


def test_template_is_a_valid_workflow_of_defaults():
    content = tomllib.loads(workflow_template(every=True))
    steps = plan_workflow(content)
    assert [step.verb for step in steps][:4] == ["prepare", "twins", "train", "train"]
    assert steps[0].settings == PrepareSettings(inputs=["path"], out="simcompare-run/real")


def test_template_names_and_explains_every_setting():
    text = workflow_template(every=True)
    uncommented = tomllib.loads(re.sub(r"(?m)^# (?=\w+ = )", "", text))
    for section, kind in SECTIONS.items():
        if section == "fetch":  # stands in recipes
            continue
        given = uncommented[section]["MySimulation"] if section == "mock" else uncommented[section]
        filled_in = {*COMMANDS[section].section.wired, *WorkflowSettings.model_fields, "name", "init"}
        assert set(kind.model_fields) - filled_in <= set(given) <= set(kind.model_fields)
    assert set(WorkflowSettings.model_fields) <= set(uncommented)
    for item in MockSettings.model_fields.values():
        assert item.description


def test_short_template_is_a_workflow_too_and_every_key_is_asked_for(tmp_path):
    short, long = tmp_path / "short.toml", tmp_path / "long.toml"
    assert main(["init", str(short)]) == 0
    assert main(["init", str(long), "--all"]) == 0
    assert len(short.read_text().splitlines()) < 65 < len(long.read_text().splitlines())
    steps = plan_workflow(read_workflow(short))
    assert [step.verb for step in steps] == [step.verb for step in plan_workflow(read_workflow(long))]


def test_errors_of_a_simulation_name_its_section(minimal):
    content = read_workflow(minimal)
    name = next(iter(content["mock"]))
    content["mock"][name]["viewz"] = 3
    with pytest.raises(ValueError, match=rf"\[mock\.{name}\] has no key 'viewz'"):
        plan_workflow(content)


def test_views_are_set_once_for_all_simulations(minimal):
    """The top's views hold where a simulation has none of its own; a number stands for random ones."""
    content = read_workflow(minimal, ["views=face-on,z"])
    first, second = (step.settings for step in plan_workflow(content) if step.verb == "mock")
    assert (first.directions, second.directions) == (("face-on", "z"), ("random",) * 3)
    content["mock"]["B"].pop("views")
    assert all(s.settings.views == "face-on,z" for s in plan_workflow(content) if s.verb == "mock")
    content["views"] = 4
    assert all(s.settings.directions == ("random",) * 4 for s in plan_workflow(content) if s.verb == "mock")
    content["views"] = "sideways"
    with pytest.raises(ValueError, match=r"the top level: .*views.*sideways"):
        plan_workflow(content)


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("1", "3", True),
        ("z,random:2", "random,z", True),
        ("healpix:12", "healpix:48", False),
        ("random:2", "edge-on", False),
        ("x,y,z", "x,y", False),
    ],
)
def test_simulations_to_be_seen_from_other_sides_are_named(minimal, first, second, alike):
    content = read_workflow(minimal, [f"mock.A.views={first}", f"mock.B.views={second}"])
    caution = caution_of_views(plan_workflow(content))
    assert (caution == "") == alike
    assert alike or f"(A '{first}', B '{second}'): set views once" in caution


def test_init_writes_once(tmp_path, capsys):
    path = tmp_path / "new" / "mine.toml"
    assert main(["init", str(path)]) == 0
    assert tomllib.loads(path.read_text())
    assert main(["init", str(path)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_steps_are_wired_together(minimal):
    steps = plan_workflow(read_workflow(minimal))
    verbs = [step.verb for step in steps]
    assert verbs == [
        "prepare", "twins", "train", "train", "mock", "mock", "score", "score", "score", "score",
        "compare", "report",
    ]  # fmt: skip
    real, twins, flow, background, first, second = (step.settings for step in steps[:6])
    assert twins.images == flow.images == real.out
    assert background.images == twins.out
    assert background.init == flow.out
    assert (first.conditions, first.name, first.bands, first.seed) == (real.out, "A", "gr", 7)
    assert second.directions == ("random",) * 3
    scores = [step.settings for step in steps if step.verb == "score"]
    assert [each.images for each in scores] == [[each.out] for each in (real, twins, first, second)]
    assert all((each.model, each.background) == (flow.out, background.out) for each in scores)
    compare, report = steps[-2].settings, steps[-1].settings
    assert compare.scores == [each.out for each in scores]
    assert compare.reference is None  # the only real galaxies there are
    assert report.run == compare.out


def test_patterns_stand_for_the_files_that_match(minimal, tmp_path):
    for name in ("b.h5", "a.h5", "c.txt", "odd[1].h5"):
        (tmp_path / name).touch()
    wanted = [str(tmp_path / "*.h5"), str(tmp_path / "odd[1].h5"), "named.h5"]
    content = read_workflow(minimal, [f"prepare.inputs={wanted}"])
    files = [path.name for path in plan_workflow(content)[0].settings.inputs]
    assert files == ["a.h5", "b.h5", "odd[1].h5", "odd[1].h5", "named.h5"]
    with pytest.raises(ValueError, match=r"\[prepare\]: inputs: .*no file matches .*\*\.fits"):
        plan_workflow(read_workflow(minimal, ['prepare.inputs=["*.fits"]']))


def test_flows_trained_before_leave_out_training(minimal):
    overrides = ["score.model=flow", "score.background=flow-twins", "real_conditions=false"]
    steps = plan_workflow(read_workflow(minimal, overrides))
    assert {"train", "twins"}.isdisjoint(step.verb for step in steps)
    assert steps[1].settings.conditions is None


def test_what_is_fetched_comes_first_and_out_stands_for_the_folder(minimal):
    content = read_workflow(minimal, ["fetch.frames.archive=sdss-frame", "fetch.frames.bands=r"])
    content["fetch"]["psf"] = {
        "archive": "sdss-psfield",
        "targets": "{out}/a.csv",
        "out": "{out}/files/frames",
    }
    content["prepare"]["inputs"] = ["{out}/files/frames"]
    frames, psf, prepare, *_ = (step.settings for step in plan_workflow(content))
    assert (frames.archive, str(frames.out), frames.bands) == ("sdss-frame", "run/files/frames", "r")
    assert (str(psf.targets), psf.out) == ("run/a.csv", frames.out)
    assert prepare.inputs == [frames.out]


def test_a_shipped_model_brings_its_own_real_galaxies(minimal):
    content = read_workflow(minimal, ["score.model=sdss-r"])
    del content["prepare"]
    steps = plan_workflow(content)
    assert [step.verb for step in steps] == ["mock", "mock", "score", "score", "compare", "report"]
    assert steps[0].settings.conditions is None
    assert str(steps[2].settings.background) == "sdss-r-twins"


def test_overrides_take_toml_and_plain_text(minimal):
    content = read_workflow(minimal, ["train.epochs=3", "mock.A.dust=none", "mock.B.subhalo=[1, 2]"])
    assert content["train"]["epochs"] == 3
    assert content["mock"]["A"]["dust"] == "none"
    assert content["mock"]["B"]["subhalo"] == [1, 2]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("mock.A.veiws=3", r"\[mock\.A\] has no key 'veiws'; did you mean 'views'"),
        ("sede=3", "did you mean 'seed'"),
        ("trian.epochs=3", "did you mean 'train'"),
        ("train.xyz=3", "known:"),
        ("train.epochs=0", "epochs: Input should be greater than or equal to 1"),
        ("twins.out=here", "which the workflow sets itself"),
        ("train", "not of the form"),
        ("seed.x=1", "not a section"),
        ("mock.real.inputs=['x']", "'real' is taken"),
        ("real=x", r"either \[prepare\] or real"),
        ("compare=3", "compare is a section"),
        ("fetch.archive=sdss-frame", r"sections of their own, such as \[fetch.frames\]"),
        ("fetch.a/b.archive=sdss-frame", "'a/b' names a folder of files"),
    ],
)
def test_wrong_values_are_refused_in_words(minimal, override, message):
    with pytest.raises(ValueError, match=message):
        plan_workflow(read_workflow(minimal, [override]), "work.toml")


def test_what_is_missing_is_named(tmp_path, capsys):
    assert main(["run", str(tmp_path / "no.toml")]) == 2
    assert "simcompare init" in capsys.readouterr().err
    for text, message in (
        ("seed = [", "is not TOML"),
        ("[prepare]\ninputs = ['x']", "section of its own"),
        ("[mock.A]\ninputs = ['x']", "give a [prepare] section"),
        ("[mock]\ninputs = ['x']", "section of its own"),
    ):
        (tmp_path / "bad.toml").write_text(text)
        assert main(["run", str(tmp_path / "bad.toml"), "--dry-run"]) == 2
        assert message in capsys.readouterr().err


@pytest.fixture
def extract(tmp_path):
    path = tmp_path / "toy.hdf5"
    write_eagle_extract(path, [toy_galaxy("toy-3", stream(1, i), subhalo_id=i) for i in range(3)])
    return path


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for k in range(4):
        values = rng.integers(1, 200, (64, 64, 3)) if k else np.zeros((64, 64, 3))
        Image.fromarray(values.astype(np.uint8)).save(folder / f"{k}.png")
    return folder


def test_dry_run_counts_and_writes_nothing(extract, tmp_path, capsys):
    run = tmp_path / "run"
    arguments = ["mock", str(extract), "--views", "5", "--bands", "gr", "--size", "32", "--redshift", "0.05"]
    assert main([*arguments, "--out", str(run), "--dry-run"]) == 0
    words = capsys.readouterr().out.splitlines()[1].split()
    assert words[:2] == ["mock", "15"]
    assert not run.exists()
    half = estimate(MockSettings(inputs=[extract], out=run, views=5, bands="r", size=32))
    whole = estimate(MockSettings(inputs=[extract], out=run, views=5, bands="gr", size=32))
    assert whole.bytes - half.bytes == 15 * 32 * 32 * 6


def test_dry_run_of_a_workflow_adds_up(extract, pictures, tmp_path):
    path = tmp_path / "work.toml"
    path.write_text(
        f"out = '{tmp_path}/run'\n[prepare]\ninputs = ['{extract}']\n[mock.A]\ninputs = ['{extract}']\n"
    )
    with pytest.raises(ValueError, match="format is unknown"):
        estimate_workflow(path)
    path.write_text(path.read_text().replace("[prepare]", "real_conditions = false\n[prepare]"))
    estimates = estimate_workflow(path, [f"prepare.inputs=['{pictures}']"])
    assert [each.n_images for each in estimates] == [4, 4, 4, 4, 3, 4, 4, 3, 11, 11]
    assert not any(each.done for each in estimates)
    assert summary(estimates).splitlines()[-2].startswith("left to do")


def test_what_is_there_counts_as_done(tmp_path):
    path, run = tmp_path / "stack.h5", tmp_path / "run"
    y, x = np.mgrid[-48:48, -48:48]
    image = np.random.default_rng(1).normal(0, 0.02, (4, 1, 96, 96)) + 5 * np.exp(-np.hypot(y, x) / 4)
    image[0] = np.nan  # refused
    with h5py.File(path, "w") as file:
        file["image"] = image.astype("f4")
        about = {"bands": "r", "pixel_scale_arcsec": 0.396, "units": "nanomaggy", "psf_fwhm_arcsec": 1.3}
        file.attrs.update(about)
    settings = PrepareSettings(inputs=[path], out=run, size=32)
    before = estimate(settings)
    assert (before.done, before.n_images) == (False, 4)
    make_image_set(settings)
    there = estimate(settings)
    assert (there.done, there.n_images) == (True, 3)
