"""Plant small faults in core modules, one at a time, and count those that the module's own tests see.

Run it with  python benchmarks/mutate.py [--modules NAME=TESTS ...] [--most N] [--seed S] [--where FUNCTION]

Every number, comparison, sum or product, `and`, `min` and negation of a module is changed once. The tests run
on a copy of the project in a temporary folder, so the working tree is left alone. Survivors are printed with
their line: each is either a fault that no test sees, or changes nothing, which a reader has to decide.
"""

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = {
    "simcompare/statistics/intervals.py": "tests/simcompare/statistics/test_intervals.py",
    "simcompare/statistics/structure.py": "tests/simcompare/statistics/test_structure.py",
    "simcompare/scores/structure.py": "tests/simcompare/scores/test_structure.py",
    "simcompare/scores/aperture.py": "tests/simcompare/scores/test_aperture.py",
    "simcompare/comparison/structure.py": "tests/simcompare/comparison/test_structure.py",
    "flows/model.py": "tests/flows/test_model.py",
    "mocks/dust/screens.py": "tests/mocks/dust/test_dust.py",
    "mocks/light/grid.py": "tests/mocks/light/test_light.py",
    "mocks/readers/particles/times.py": "tests/mocks/readers/particles/test_physics.py",
}
PAIRS = (
    (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.Lt, ast.GtE), (ast.Gt, ast.LtE), (ast.Eq, ast.NotEq),
    (ast.And, ast.Or), (ast.BitAnd, ast.BitOr),
)  # fmt: skip
OTHERS = dict(PAIRS) | {second: first for first, second in PAIRS}
NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}
LIMIT = 300.0  # s for the tests of one mutant: what loops for ever is seen


def mutants(tree: ast.Module, where: str) -> list[tuple[int, str, ast.Module]]:
    """List each mutant, of functions of a name or of all: line, what was changed, the changed module."""
    scopes = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and where in ("", node.name)
    ]
    nodes = [node for scope in scopes for part in scope.body for node in ast.walk(part)]
    places = {id(node): number for number, node in enumerate(ast.walk(tree))}
    found = []
    for number in sorted({places[id(node)] for node in nodes}):
        fresh = copy.deepcopy(tree)
        node = list(ast.walk(fresh))[number]
        before = ast.unparse(node)
        if changed(node):
            found.append((node.lineno, f"{before} -> {ast.unparse(node)}", fresh))
    return found


def changed(node: ast.AST) -> bool:
    """Change a node in place; whether it is one that can be."""
    operator = getattr(node, "op", None)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHERS:
        node.ops[0] = OTHERS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp | ast.BoolOp) and type(operator) in OTHERS:
        node.op = OTHERS[type(operator)]()
    elif isinstance(node, ast.UnaryOp) and isinstance(operator, ast.USub):
        node.op = ast.UAdd()
    elif isinstance(node, ast.UnaryOp) and isinstance(operator, ast.Not):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        node.attr = NAMES[node.attr]
    elif isinstance(node, ast.Name) and node.id in NAMES:
        node.id = NAMES[node.id]
    else:
        return False
    return True


def is_seen(folder: Path, tests: str) -> bool:
    """Whether the tests fail in a copy of the project."""
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split(",")]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def score(folder: Path, module: str, tests: str, options: argparse.Namespace) -> tuple[int, int]:
    """Count mutants of a module that are seen, and all that were tried."""
    path = folder / module
    text = path.read_text(encoding="utf-8")
    if is_seen(folder, tests):
        raise SystemExit(f"{tests} fail without any fault; mend them first.")
    found = mutants(ast.parse(text), options.where)
    chosen = random.Random(options.seed).sample(found, min(options.most, len(found)))
    seen = 0
    for line, what, tree in sorted(chosen, key=lambda mutant: mutant[0]):
        path.write_text(ast.unparse(tree), encoding="utf-8")
        if is_seen(folder, tests):
            seen += 1
        else:
            print(f"  survived: {module}:{line}: {what}", flush=True)
    path.write_text(text, encoding="utf-8")
    print(f"{module}: {seen} of {len(chosen)} mutants seen ({len(found)} possible)", flush=True)
    return seen, len(chosen)


def main() -> None:
    """Score the modules that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--modules", nargs="*", default=[], help="path, or path=tests with commas between them"
    )
    parser.add_argument("--most", type=int, default=10**6, help="mutants of a module, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--where", default="", help="one function of the modules")
    options = parser.parse_args()
    asked = dict(each.split("=") if "=" in each else (each, CORE[each]) for each in options.modules) or CORE
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "project"
        shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns(".git", "__pycache__", "*.ipynb"))
        counts = [score(copied, module, tests, options) for module, tests in asked.items()]
    seen, tried = map(sum, zip(*counts, strict=True))
    print(f"all: {seen} of {tried} mutants seen, {100 * seen / tried:.0f} %")


if __name__ == "__main__":
    main()
