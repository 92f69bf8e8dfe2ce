"""What the README and the user guide say is run; every public name is documented."""

import importlib
import inspect
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

import flows
import mocks
import simcompare
from simcompare import figures
from simcompare.cli import main, make_app
from simcompare.commands.planning.workflow import plan_workflow

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Output, other files, and directives of the site; the build runs what {draw} draws.
NOT_CODE = ("text", "ini", "{toctree}", "{include}", "{reference}", "{draw}")
HAS_SPHINX = all(map(find_spec, ("sphinx", "myst_parser", "furo")))
MODULES = sorted(
    module.name
    for package in (mocks, flows, simcompare)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
)


def page_name(path):
    return str(path.relative_to(ROOT))


def blocks(path):
    """Language, code, and reason not to run it, of every block of a page."""
    text = path.read_text(encoding="utf-8")
    block = r"(?:^<!-- not run: ([^\n]+) -->\n)?^```(\S*)[^\n]*\n(.*?)^```"
    found = re.findall(block, text, re.S | re.M)
    return [(language, code, reason) for reason, language, code in found]


def commands(code):
    """Arguments of the simcompare commands in a block of shell lines."""
    lines = [line for line in code.splitlines() if not line.startswith(("#", "    "))]
    parts = [part.strip() for line in lines for part in re.split("&&", line)]
    return [shlex.split(part, comments=True)[1:] for part in parts if part.startswith("simcompare ")]


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_examples_run(path, tmp_path, monkeypatch, request):
    """Run the Python and the shell blocks of a page in their order, as a reader would, in one folder."""
    monkeypatch.chdir(tmp_path)
    names = {}
    for number, (language, code, reason) in enumerate(blocks(path)):
        if language == "toml":
            content = tomllib.loads(code)
            if "project" not in content:  # the pyproject.toml of a plug-in
                plan_workflow(content)
        elif language == "python" and not reason:
            exec(compile(code, f"{path.name} block {number}", "exec"), names)
        elif language == "sh" and not reason:
            assert all(map(commands, code.splitlines())), f"only commands of simcompare are run: {code}"
            for arguments in commands(code):
                assert main(arguments) == 0, arguments
        else:
            assert reason or language in NOT_CODE, f"block {number} is not run and does not say why"


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_commands_and_links_exist(path):
    known = typer.main.get_command(make_app()).commands
    for language, code, _ in blocks(path):
        for verb, *options in commands(code) if language == "sh" else ():
            known[verb].make_context(verb, options)  # raises for what the verb does not have
    for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


@pytest.mark.skipif(not HAS_SPHINX, reason="Sphinx is not installed; pip install 'simcompare[docs]'")
def test_site_is_built_without_a_warning_and_asks_the_network_for_nothing(demo, tmp_path):
    site = tmp_path / "site"
    nowhere = "http://127.0.0.1:9"
    builder = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-d", tmp_path / "trees", ROOT / "docs", site],
        capture_output=True,
        text=True,
        env=os.environ | {"http_proxy": nowhere, "https_proxy": nowhere, "SIMCOMPARE_DEMO": str(demo)},
    )
    assert builder.returncode == 0, builder.stderr[-3000:]
    pages = {page.name: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    assert {
        "index.html",
        "tutorial.html",
        "simcompare.html",
        "mocks.html",
        "flows.html",
        "search.html",
    } <= set(pages)
    for name, text in pages.items():
        fetched = re.findall(r"<(?:script|img|iframe)[^>]+src=\"(https?:[^\"]+)", text)
        fetched += re.findall(r"<link[^>]+rel=\"stylesheet\"[^>]+href=\"(https?:[^\"]+)", text)
        assert not fetched, f"{name} asks for {fetched[0]}"
    assert pages["theory.html"].count("<math") > 20
    drawn = re.findall(r'class="drawn" src="([^"]+)" alt="([^"]+)"', pages["gallery.html"])
    assert len(drawn) == (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8").count(":alt:") > 20
    assert all((site / picture).stat().st_size > 3000 for picture, _ in drawn)
    for package in (simcompare, mocks, flows):
        for name in package.__all__:
            page = pages[f"{package.__name__}.html"]  # in full, or a link to its other name
            assert re.search(rf'(?:id="|#)[\w.]+\.{name}"', page), name


def test_gallery_shows_every_figure_of_a_report_and_every_function(demo):
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    named = set(
        re.findall(r"`(\w+)`", "".join(line for line in text.splitlines() if line.startswith("### ")))
    )
    stems = {path.stem.partition("_")[0] for path in (demo / "comparison" / "figures").glob("*.png")}
    stems -= {"relation", "mass"}
    assert stems <= {*named, *(name.partition("_")[0] for name in named)}
    assert [name for name in figures.__all__ if name.startswith("draw_") and name not in text] == []


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
