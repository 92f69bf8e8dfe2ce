import logging
import os
import re
import signal
import subprocess
import sys

import pytest

from mocks.surveys import SURVEYS, load_survey
from mocks.toys import ToyPhysics, toy_galaxies, write_eagle_extract
from simcompare import ImageSet, __version__
from simcompare.cli import main
from simcompare.commands.planning.options import PANELS, completion_of, panel_of
from simcompare.commands.planning.table import COMMANDS, Command
from simcompare.settings import MockSettings, ReportSettings, WorkflowSettings


def test_version(capsys):
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_usage_error_is_exit_2(capsys):
    assert main(["mock"]) == 2
    assert "inputs" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--quiet", "info"], ["info", "--quiet"]])
def test_quiet_is_heard_wherever_it_is_written(words, tmp_path, capsys):
    assert main([*words, str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert logging.getLogger("simcompare").level == logging.WARNING


WORDS = {
    "prepare": "a.fits --out b", "twins": "a --out b", "mock": "a.h5 --out b", "score": "a --out b --model c",
    "compare": "a --out b", "report": "a", "nulls": "a --out b --model c", "sky": "a.fits --out b",
    "export": "a --out b", "run": "a.toml", "browse": "a",
}  # fmt: skip


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no SIGUSR1")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
@pytest.mark.parametrize("verb", [*WORDS, None])
def test_a_signal_ends_every_command_in_one_line(verb, name, monkeypatch, capsys):
    """In the command's own function, and before there is one; the handlers of before are back afterwards."""
    before = signal.getsignal(getattr(signal, name))

    def work(*arguments):
        os.kill(os.getpid(), getattr(signal, name))

    if verb:
        monkeypatch.setattr(Command, "find", lambda self, name: work)
    else:
        monkeypatch.setattr("simcompare.cli.make_app", work)
    assert main([verb or "info", *WORDS.get(verb, "").split()]) == 75
    assert capsys.readouterr().err == f"stopped by {name}; run the same command again to resume.\n"
    assert signal.getsignal(getattr(signal, name)) == before


def test_lack_of_memory_is_one_line(monkeypatch, capsys):
    def fail(settings):
        raise MemoryError("Unable to allocate 1. TiB")

    monkeypatch.setattr(Command, "find", lambda self, name: fail)
    assert main(["cite", "run"]) == 2
    assert capsys.readouterr().err == (
        "error: out of memory (Unable to allocate 1. TiB); finished work is kept\n"
    )


def test_what_follows_two_dashes_is_a_name(capsys):
    assert main(["info", "--", "--quiet"]) == 2
    assert "--quiet" in capsys.readouterr().err
    assert logging.getLogger("simcompare").level == logging.INFO


def test_value_out_of_range_names_the_option(capsys):
    assert main(["score", "set", "--model", "m", "--out", "run", "--batch-size", "0"]) == 2
    assert "--batch-size" in capsys.readouterr().err


def test_missing_file_is_named(tmp_path, capsys):
    missing = tmp_path / "nowhere.hdf5"
    assert main(["mock", str(missing), "--out", str(tmp_path / "run"), "--redshift", "0.05"]) == 2
    assert "nowhere.hdf5 does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("mocks", ("torch", "flows", "simcompare")), ("flows", ("mocks", "astropy", "simcompare"))],
)
def test_packages_do_not_know_each_other(package, forbidden):
    program = (
        f"import {package}, sys; [getattr({package}, name) for name in {package}.__all__]; "
        f"print([name for name in {forbidden!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_heavy():
    program = (
        "import sys\nfrom simcompare.cli import main\nmain(['--help'])\n"
        "print([m for m in ('torch', 'numba', 'astropy', 'distributed') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(("policy", "spins"), [(None, "20000"), ("ACTIVE", None)])
def test_threads_do_not_wait_for_long_by_spinning_unless_told_to(policy, spins):
    program = (
        "import os\nfrom simcompare.cli import main\nmain(['--help'])\n"
        "print(os.environ['OPENBLAS_NUM_THREADS'], os.environ.get('GOMP_SPINCOUNT'))"
    )
    ours = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    unset = {name: os.environ[name] for name in os.environ if name not in ours}
    settings = {} if policy is None else {"OMP_WAIT_POLICY": policy}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=unset | settings
    )
    assert done.stdout.split()[-2:] == ["1", str(spins)]


def test_shell_completion_knows_the_verbs():
    program = "import sys; sys.argv = ['simcompare']; from simcompare.cli import main; main([])"
    settings = {"_SIMCOMPARE_COMPLETE": "complete_bash", "COMP_WORDS": "simcompare pre", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | settings
    )
    assert done.stdout.split() == ["prepare"]


def test_wrong_names_are_answered_with_the_likely_ones(capsys):
    assert main(["scroe", "x"]) == 2
    assert "Did you mean 'score'" in capsys.readouterr().err
    assert main(["mock", "x", "--out", "y", "--veiws", "3"]) == 2
    assert "--views" in capsys.readouterr().err


def test_doctor_looks_at_each_file_of_a_folder_and_takes_reader_options(tmp_path, capsys):
    physics = ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0)
    write_eagle_extract(tmp_path / "one.hdf5", toy_galaxies(physics, 1, seed=1))
    assert main(["doctor", str(tmp_path)]) == 0
    assert "can be used" in capsys.readouterr().out
    assert (
        main(["doctor", str(tmp_path / "one.hdf5"), "--reader", "snapshot=7", "--reader", "gas=false"]) == 0
    )
    assert "snapshot 7" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path / "one.hdf5"), "--reader", "colour=red"]) == 2
    assert "linking_length" in capsys.readouterr().out


def test_doctor_tells_what_is_assumed_of_the_survey(tmp_path, capsys):
    path = tmp_path / "one.hdf5"
    write_eagle_extract(path, toy_galaxies(ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0), 1, seed=1))
    for name in SURVEYS:
        assert main(["doctor", str(path), "--survey", name]) == 0
        said = capsys.readouterr().out
        assert f"\nassumed of {name}: {'; '.join(load_survey(name).assumed)}\n" in said
        assert "\nassumed of bc03: stars of every simulation have a Kroupa IMF" in said
        assert "\nassumed of screen: optical depth at 5500 Angstrom is 1 " in said
    assert main(["doctor", str(path)]) == 0
    assert "\nassumed of sdss: " in capsys.readouterr().out
    assert main(["doctor", str(path), "--survey", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_help_shows_panels_units_and_brackets_and_no_types_of_python(capsys):
    assert main(["report", "--help"]) == 0
    assert "simcompare[embed]" in " ".join(capsys.readouterr().out.split())
    assert main(["mock", "--help"]) == 0
    shown = capsys.readouterr().out
    panels = ["Galaxies", "Light", "Observation", "Output", "Running"]
    places = [shown.index(f" {panel} ") for panel in panels]
    assert places == sorted(places)
    assert "[Msun]" in shown
    assert "<NoneType>" not in shown
    assert "PATH..." in shown


@pytest.mark.parametrize("verb", [None, *COMMANDS])
def test_no_help_shows_a_python_type(verb, capsys):
    assert main([*filter(None, [verb]), "--help"]) == 0
    assert not re.search(r"<(bool|str|int|float|path|list|tuple|Path|NoneType)\b", capsys.readouterr().out)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_setting_has_a_panel(verb):
    for name in COMMANDS[verb].settings.model_fields:
        assert panel_of(name, verb) in PANELS
        assert panel_of(name, verb) != "Analysis" or verb in ("score", "compare", "report"), name


def test_settings_stand_where_their_verb_means_them(capsys):
    assert main(["compare", "--help"]) == 0
    shown = capsys.readouterr().out
    assert " Light " not in shown
    assert shown.index(" Analysis ") < shown.index("--population") < shown.index(" Output ")
    assert main(["score", "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.index(" Analysis ") < shown.index("--neighbours") < shown.index(" Output ")


@pytest.mark.parametrize("bands", ["gri", "g,r,i", "g, r, i"])
def test_bands_may_stand_between_commas(bands):
    assert MockSettings(inputs=["x.hdf5"], out="out", bands=bands).bands == "gri"


def test_printing_a_report_as_json_does_not_draw_it_again():
    assert ReportSettings(run="a", machine=True).of_result() == ReportSettings(run="a").of_result()


@pytest.mark.parametrize(
    ("name", "begun", "value"),
    [
        ("survey", "hsc", "hsc-wide"),
        ("model", "sdss", "sdss-r"),
        ("dust", "s", "screen"),
        ("archive", "l", "list"),
    ],
)
def test_values_are_completed(name, begun, value):
    found = completion_of(name)(begun)
    assert value in found
    assert all(each.startswith(begun) for each in found)


@pytest.mark.parametrize("verb", ["mock", "prepare", "reobserve"])
def test_sizes_that_no_flow_takes_are_warned_of_at_once(verb, tmp_path, capsys):
    main([verb, str(tmp_path), "--out", str(tmp_path / "out"), "--size", "100"])
    assert "100 is not a power of two, as flows need; choose 64 or 128" in capsys.readouterr().err


def test_a_workflow_of_such_a_size_is_refused():
    with pytest.raises(ValueError, match="100 is not a power of two, as flows need; choose 64 or 128"):
        WorkflowSettings(size=100)


WITH_BANDS = [each for each in COMMANDS.values() if "bands" in each.settings.model_fields]


def _bands_of(command, written):
    """Bands of a verb's settings, the other ones left out."""
    settings = command.settings.model_construct()
    return command.settings.__pydantic_validator__.validate_assignment(settings, "bands", written).bands


@pytest.mark.parametrize("command", WITH_BANDS, ids=lambda each: each.verb)
def test_filters_are_taken_as_people_write_them(command):
    """One word, commas, blanks, the list of a workflow file: every verb alike."""
    for written in ("gr", "g,r", "g, r", "g r", "['g', 'r']", ["g", "r"], ("g", "r")):
        assert _bands_of(command, written) == "gr"
    for written, why in {
        "gg": "once",
        "g,g": "once",
        "": "once",
        " , ": "once",
        "g,HSC-R": "'HSC-R' is not one letter",
    }.items():
        with pytest.raises(ValueError, match=why):
            _bands_of(command, written)


def test_a_filter_of_several_letters_is_one_filter(tmp_path):
    """Euclid's VIS is no list of V, I and S."""
    path = tmp_path / "one.hdf5"
    write_eagle_extract(path, toy_galaxies(ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0), 1, seed=1))
    out = tmp_path / "mocks"
    options = ["--survey", "euclid-vis", "--bands", "VIS", "--redshift", "0.3", "--workers", "1"]
    assert main(["mock", str(path), *options, "--out", str(out)]) == 0
    images = ImageSet.open(out)
    assert images.bands == ("VIS",)
    row = images.catalogue[0]
    assert row["mag_VIS"] == pytest.approx(row["true_mag_VIS"], abs=0.3)
    assert main(["mock", str(path), *options, "--dry-run", "--out", str(out)]) == 0


def test_filters_with_commas_reach_the_survey(tmp_path, capsys):
    """A file that is not there is what is wrong, not the comma."""
    assert main(["mock", str(tmp_path / "x.hdf5"), "--bands", "g,r", "--out", str(tmp_path / "o")]) == 2
    error = capsys.readouterr().err
    assert "does not exist" in error
    assert "band" not in error
