"""What the README and the user guide say is run; every public name is documented."""

import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import flows
import mocks
import simcompare
from simcompare.commands.planning.table import COMMANDS
from simcompare.commands.planning.workflow import plan_workflow

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(
    module.name
    for package in (mocks, flows, simcompare)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
)


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.S | re.M)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_examples_run(path):
    for number, block in enumerate(blocks(path, "python")):
        exec(compile(block, f"{path.name} block {number}", "exec"), {})
    for content in map(tomllib.loads, blocks(path, "toml")):
        if "project" not in content:  # the pyproject.toml of a plug-in
            plan_workflow(content)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_and_links_exist(path):
    verbs = set(COMMANDS)
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"^simcompare +([a-z]+)", "\n".join(blocks(path, "sh")), re.M))
    assert named <= verbs
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / link).exists(), link


def test_errors_of_the_troubleshooting_page_are_real():
    sources = "".join(
        re.sub(r'"\s*\n\s*f?"', "", (ROOT / module.replace(".", "/")).with_suffix(".py").read_text("utf-8"))
        for module in MODULES
        if (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()
    )
    quoted = re.findall(r"\*\*`(.+?)`\*\*", (ROOT / "docs" / "faq.md").read_text(encoding="utf-8"))
    assert len(quoted) >= 10
    for text in quoted:
        for part in filter(None, (each.strip(" ;:()") for each in text.split("..."))):
            assert part in sources, part


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", ()):
        value = getattr(module, public)
        if inspect.isfunction(value) or inspect.isclass(value):
            assert inspect.getdoc(value), f"{name}.{public}"


def test_reference_is_built_from_docstrings(tmp_path):
    pdoc = pytest.importorskip("pdoc", reason="pdoc is not installed; pip install 'simcompare[docs]'")
    pdoc.render.configure(docformat="numpy")
    pdoc.pdoc("flows.pixels", "flows.config", output_directory=tmp_path)
    assert "PixelTransform" in (tmp_path / "flows" / "pixels.html").read_text(encoding="utf-8")
