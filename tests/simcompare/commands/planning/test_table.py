import re
from pathlib import Path

import pytest

import simcompare.commands
from simcompare.cli import main
from simcompare.commands.planning.table import COMMANDS, SECTIONS

ROOT = Path(__file__).parents[4]
GUIDE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")))


def test_a_verb_is_a_file_and_a_file_is_a_verb():
    folder = Path(simcompare.commands.__file__).parent
    files = [*folder.glob("*.py"), *folder.glob("workflows/*.py")]
    modules = {path.stem: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    assert set(modules) - {"__init__"} == set(COMMANDS)
    for verb, command in COMMANDS.items():
        assert command.verb == verb
        assert command.find("messages").__module__ == modules[verb]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_every_name_in_a_row_is_there(command):
    fields = command.settings.model_fields
    functions = [command.function, "messages", command.python, command.work]
    functions += [command.section.function] if command.section else []
    assert all(callable(command.find(name)) for name in functions if name)
    wired = command.section.wired if command.section else ()
    folder = (command.folder,) if command.work or command.product else ()
    assert {*command.positional.split(), *wired, *folder} <= set(fields)
    assert not [name for name, field in fields.items() if not field.description and not field.exclude]


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_help_and_stands_in_the_guide(verb, capsys):
    assert main([verb, "--help"]) == 0
    shown = " ".join(re.sub(r"[│╭╰─╮╯]", " ", capsys.readouterr().out).split())
    assert COMMANDS[verb].settings.__doc__ in shown
    assert ("--dry-run" in shown) == (
        bool(COMMANDS[verb].work) or "dry_run" in COMMANDS[verb].settings.model_fields
    )
    assert re.search(rf"simcompare\s+{verb}\b", GUIDE), f"neither README nor docs/ show 'simcompare {verb}'"


def test_sections_of_a_workflow_are_verbs_in_the_order_of_the_chain():
    assert list(SECTIONS) == ["fetch", "prepare", "twins", "train", "mock", "score", "compare", "report"]
    assert all(SECTIONS[verb] is COMMANDS[verb].settings for verb in SECTIONS)
    assert [verb for verb in SECTIONS if COMMANDS[verb].section.is_array] == ["mock", "score"]
