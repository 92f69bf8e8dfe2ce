import ast
from pathlib import Path

import pytest

from simcompare.commands.planning.table import SECTIONS
from simcompare.commands.planning.workflow import plan_workflow, read_workflow

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


@pytest.mark.parametrize("section", [name for name in SECTIONS if name not in ("mock",)])
def test_workflow_file_cannot_write_outside_its_folder(section):
    key = "run" if section == "report" else "out"
    content = {"prepare": {"inputs": ["c"]}, "mock": {"a": {"inputs": ["b"]}}}
    content[section] = content.get(section, {}) | {key: "/etc"}
    with pytest.raises(ValueError, match=f"sets {key}, which the workflow does itself"):
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
