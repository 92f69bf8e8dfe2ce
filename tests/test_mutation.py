"""The mutation run: what it plants, and that the modules it names are there and have tests."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def mutate():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("mutate")
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_core_modules_are_there_and_have_tests(mutate):
    names = [f"{folder}/{name}.py" for folder in mutate.CORE for name in mutate.CORE[folder]]
    assert len(names) > 140
    assert not [name for name in names if not (mutate.ROOT / name).is_file()]
    assert not [name for name in names if not mutate.tests_of(name)]


def test_equivalent_mutants_have_a_module_and_a_reason(mutate):
    for line in mutate.EQUIVALENT.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            named, _, reason = line.partition("  # ")
            assert (mutate.ROOT / named.split(": ")[0]).is_file(), line
            assert named.count(": ") >= 2, line
            assert reason, line


TEXT = '''
LIMIT = 2


def shares(values, least=0.5, *, strict=True):
    """Two numbers, 1 and 2, stand here too."""
    if not values or min(values) < LIMIT:
        raise ValueError(f"values are {1 + 2}")
    logger.info("%d", 1 + 1)

    def inner(x):
        return -x / 1

    return [inner(a) + b for a, b in zip(values, values, strict=True)]
'''


def test_every_operation_is_changed_once_and_messages_are_not(mutate):
    found = [name for _, name, _ in mutate.mutants(ast.parse(TEXT))]
    assert sorted(found) == sorted(
        [
            "LIMIT: 2 -> 3",
            "shares: 0.5 -> 1.5",
            "shares: True -> False",
            "shares: not values or min(values) < LIMIT -> not values and min(values) < LIMIT",
            "shares: not values -> not not values",
            "shares: min(values) < LIMIT -> min(values) >= LIMIT",
            "shares: min -> max",
            "inner: -x / 1 -> -x * 1",
            "inner: -x -> +x",
            "inner: 1 -> 2",
            "shares: inner(a) + b -> inner(a) - b",
        ]
    )
    assert [name for _, name, _ in mutate.mutants(ast.parse(TEXT), "inner")] == [
        name for name in found if name.startswith("inner")
    ]


def test_a_planted_fault_is_the_one_that_was_named(mutate):
    tree = ast.parse(TEXT)
    for _, name, number in mutate.mutants(tree):
        changed = ast.unparse(mutate.planted(tree, number))
        after = name.partition(": ")[2].partition(" -> ")[2]
        assert changed != ast.unparse(tree)
        assert after in changed


def test_equal_changes_of_a_function_are_told_apart_whatever_the_line(mutate):
    text = "def f(x):\n    return x[1] + x[1]\n"
    names = [name for _, name, _ in mutate.mutants(ast.parse(text))]
    assert names == ["f: x[1] + x[1] -> x[1] - x[1]", "f: 1 -> 2", "f: 1 -> 2 (2)"]
    assert names == [name for _, name, _ in mutate.mutants(ast.parse("\n\nimport os\n" + text))]
