import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from mocks import load_survey
from simcompare.commands.planning.table import SECTIONS
from simcompare.commands.planning.workflow import plan_workflow, read_workflow
from simcompare.runs.folder import read_config
from simcompare.settings import PrepareSettings

ROOT = Path(__file__).parents[2]
SOURCES = [path for name in ("mocks", "flows", "simcompare") for path in sorted((ROOT / name).rglob("*.py"))]
# Modules that run what they read, and calls that do, by the last part of their name.
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "extractall", "system", "popen"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_unpickles_or_runs_what_it_reads(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        assert not FORBIDDEN_MODULES & {name.partition(".")[0] for name in modules}
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name):
            assert function.id not in FORBIDDEN_CALLS, f"{path}:{node.lineno}"
        elif isinstance(function, ast.Attribute):
            owner = getattr(function.value, "id", "")
            assert function.attr not in FORBIDDEN_CALLS - {"eval"}, f"{path}:{node.lineno}"
            assert (owner, function.attr) != ("torch", "load"), f"{path}:{node.lineno}"
        words = {word.arg: word.value for word in node.keywords}
        for name in ("allow_pickle", "shell"):
            if name in words:
                assert getattr(words[name], "value", None) is False, f"{path}:{node.lineno}: {name}"


# Where code is found by a name: our own tables of verbs, entry points, and what the user types.
FINDS_CODE = {
    "simcompare/__init__.py",
    "simcompare/commands/planning/table.py",
    "simcompare/scores/encoders.py",
    "mocks/plugins.py",
}


def test_code_is_found_by_a_name_in_few_places_alone():
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "id", getattr(node, "attr", ""))
            if name in ("import_module", "__import__", "entry_points", "EntryPoint"):
                found.add(path.relative_to(ROOT).as_posix())
    assert found == FINDS_CODE


def test_pictures_of_others_are_opened_as_jpeg_or_png_alone():
    """Decoders of other formats call other programs; pages read but the pictures that we have drawn."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open":
                formats = {word.arg: ast.unparse(word.value) for word in node.keywords}.get("formats")
                assert path.parent.name == "pages" or formats == "('JPEG', 'PNG')", f"{path}:{node.lineno}"


def test_patterns_end_where_links_go_round(tmp_path, monkeypatch):
    """Two links to their own folder have 2**40 paths before the system tells them from folders."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.h5", "b.h5", "sub/c.h5", ".hidden/d.h5", "sub/.e.h5"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    Path("sub/one").symlink_to(tmp_path)
    Path("sub/two").symlink_to(tmp_path)
    Path("self").symlink_to("self")
    given = [Path("**/*.h5"), Path("[ab].h5"), tmp_path / "su?/*.h5", Path("sub/../b*"), Path(".hidden/*")]
    found = PrepareSettings(inputs=given, out="o").inputs
    everywhere, here, below = ["a.h5", "b.h5", "sub/c.h5"], ["a.h5", "b.h5"], [f"{tmp_path}/sub/c.h5"]
    expected = [*everywhere, *here, *below, "sub/../b.h5", ".hidden/d.h5"]
    assert list(map(str, found)) == expected
    with pytest.raises(ValidationError, match=r"no file matches \*\.fits"):
        PrepareSettings(inputs=["*.fits"], out="o")


TOO_MUCH = ["a = " + "[" * 100_000, "a." * 50_000 + "b = 1", "a = " + "9" * 100_000, "\0", "x = 1\n" * 10**6]


@pytest.mark.parametrize("text", TOO_MUCH, ids=range(5))
def test_deep_or_absurd_toml_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "flow.toml"
    path.write_text(text)
    (tmp_path / "config.toml").write_text(text)
    for read in (read_workflow, load_survey, lambda path: read_config(path.parent)):
        with pytest.raises(ValueError, match=r"\.toml") as error:
            read(path)
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("section", [name for name in SECTIONS if name not in ("mock", "fetch")])
def test_workflow_file_cannot_write_outside_its_folder(section):
    key = "run" if section == "report" else "out"
    content = {"prepare": {"inputs": ["c"]}, "mock": {"a": {"inputs": ["b"]}}}
    content[section] = content.get(section, {}) | {key: "/etc"}
    with pytest.raises(ValueError, match=f"sets {key}, which the workflow sets itself"):
        plan_workflow(content)


@pytest.mark.parametrize("out", ["/etc", "../elsewhere", "w/../../elsewhere", "w/link/etc"])
def test_workflow_file_cannot_fetch_outside_its_folder(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    Path("w").mkdir()
    Path("w/link").symlink_to("/")
    content = {"out": "w", "prepare": {"inputs": ["c"]}, "mock": {"a": {"inputs": ["b"]}}}
    content["fetch"] = {"frames": {"archive": "sdss-frame", "out": out}}
    with pytest.raises(ValueError, match=r"\[fetch.frames\] out = .* lies outside w, the workflow's folder"):
        plan_workflow(content)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ('score.embedding = "pickle:loads"', "score.embedding=pickle:loads"),
        ('compare.embedding = "os:system"', "compare.embedding=os:system"),
        ('scheduler = "tcp://10.0.0.1:8786"', "scheduler=tcp://10.0.0.1:8786"),
        ('mock.TNG.scheduler = "dask.json"', "mock.TNG.scheduler=dask.json"),
    ],
)
def test_workflow_file_chooses_no_code_and_no_cluster(tmp_path, text, allowed):
    (tmp_path / "flow.toml").write_text(text)
    with pytest.raises(ValueError, match="give --set "):
        read_workflow(tmp_path / "flow.toml")
    (tmp_path / "flow.toml").write_text('scheduler = "slurm"\nscore.embedding = "registered"')
    assert read_workflow(tmp_path / "flow.toml", [allowed])


@pytest.mark.parametrize("name", ["../../etc", "/etc", "a/b", "..", ""])
def test_name_of_a_mock_is_no_way_out_of_the_workflow_s_folder(name):
    content = {"prepare": {"inputs": ["c"]}, "mock": {name: {"inputs": ["b"]}}}
    with pytest.raises(ValueError, match="give a plain name"):
        plan_workflow(content)


def in_folder(folder, *words):
    """Run Python where data lie, as a user does who has unpacked them."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONSAFEPATH", None)
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", ["cache_dir: theirs\ndebug: 1", "[]", "{", "\0"])
def test_settings_of_numba_among_the_data_are_not_read(tmp_path, text):
    """Its cache holds pickles: whoever chooses its folder runs code."""
    (tmp_path / ".numba_config.yaml").write_text(text)
    (tmp_path / "theirs").mkdir()
    code = """
import mocks.deposit
import mocks.deposit.vector_lanes, numba, yaml

assert numba.njit(lambda x: x + 1)(1) == 2  # looks for changed settings
print(repr(numba.config.CACHE_DIR), numba.config.DEBUG)
"""
    done = in_folder(tmp_path, "-c", code)
    assert (done.stdout, done.stderr) == ("'' 0\n", "")
    assert not list((tmp_path / "theirs").iterdir())


@pytest.mark.parametrize("name", ["typer", "numpy", "torch", "json"])
def test_modules_among_the_data_are_not_imported(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("open('acted', 'w')")
    plugin = tmp_path / "evil-1.0.dist-info"  # installed, as it looks, beside the data
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (plugin / "entry_points.txt").write_text(
        "[simcompare.simulations]\nx = evil:x\n[simcompare.verbs]\nx = evil:x\n"
    )
    (tmp_path / "evil.py").write_text("open('acted', 'w')")
    done = in_folder(tmp_path, "-m", "simcompare", "doctor", "nothing.hdf5")
    assert done.returncode == 2
    assert "cannot be used" in done.stderr
    assert not (tmp_path / "acted").exists()
