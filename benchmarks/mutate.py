"""Plant small faults in core modules, one at a time, and count those that the module's related tests see.

Run it with  python benchmarks/mutate.py [--modules PATH[=TESTS] ...] [--most N] [--seed S] [--record FILE]

Every number, comparison, sum or product, `and`, `min` and negation of a module (messages of errors excepted)
is changed once, and N of these are drawn. The tests run on a copy of the project in a temporary folder, so
the working tree is left alone: one thread, in forks of one process that has imported what they need, within
a time limit. Survivors are printed with their line: each is a fault that no test sees, or changes nothing
that anybody could see; those are judged by hand and stand, with the reason, in
benchmarks/equivalent_mutants.txt.

With `--record FILE` every result is kept: a second call tries what is new, with `--again` what survived,
and `--minutes` ends a call between two mutants. `--table` prints the record as a Markdown table.
"""

import argparse
import ast
import copy
import importlib
import importlib.util
import json
import os
import random
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from mutant_session import LONGEST, in_session, outcome

ROOT = Path(__file__).parents[1]
CORE = tomllib.loads(Path(__file__).with_name("core_modules.toml").read_text(encoding="utf-8"))
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
# What the modules import, taken in once; nothing of the project.
LIBRARIES = """
    torch nflows numpy scipy.stats scipy.optimize scipy.ndimage astropy.table astropy.cosmology astropy.units
    astropy.io.fits h5py matplotlib.pyplot numba pyarrow.parquet photutils.segmentation photutils.psf skimage
    skimage.measure pydantic pytest speclite.filters safetensors.torch typer rich.progress dask
    importlib.metadata _pytest.assertion.rewrite
"""
PAIRS = (
    (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.Lt, ast.GtE), (ast.Gt, ast.LtE), (ast.Eq, ast.NotEq),
    (ast.And, ast.Or), (ast.BitAnd, ast.BitOr),
)  # fmt: skip
OTHERS = dict(PAIRS) | {second: first for first, second in PAIRS}
NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


def tests_of(module: str) -> list[str]:
    """Test files of a core module that exist, its own first."""
    folder = max((each for each in CORE if module.startswith(f"{each}/")), key=len)
    name = module.removeprefix(f"{folder}/").removesuffix(".py")
    own = Path(name).with_name(f"test_{Path(name).name}").as_posix()
    paths = [ROOT / "tests" / folder / f"{each}.py" for each in (own, *CORE[folder].get(name, "").split())]
    return list(dict.fromkeys(os.path.relpath(path.resolve(), ROOT) for path in paths if path.is_file()))


def places(tree: ast.Module, where: str) -> list[tuple[str, ast.AST]]:
    """Nodes that may be changed, each with its function or constant: of one of that name, or of all."""
    scopes = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            values = [value for value in node.args.defaults + node.args.kw_defaults if value]
            scopes += [(node.name, part) for part in node.body + values]
    constants = [node for node in tree.body if isinstance(node, ast.Assign)]
    scopes += [(ast.unparse(node.targets[0]), node.value) for node in constants]
    skipped = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.AnnAssign) or says(node) or guards(node)
        for part in ast.walk(node)
    }
    # A function inside another comes later, and gives its nodes its own name.
    named = {
        id(part): (name, part)
        for name, scope in scopes
        if where in ("", name)
        for part in ast.walk(scope)
        if id(part) not in skipped
    }
    return list(named.values())


def says(node: ast.AST) -> bool:
    """Whether a node is a call of the log or of warnings."""
    owner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
    return getattr(owner, "id", "") in ("logger", "warnings")


def guards(node: ast.AST) -> bool:
    """Whether a node is the ``strict=True`` of a zip, which guards against our own mistakes alone."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def mutants(tree: ast.Module, where: str = "") -> list[tuple[int, str, int]]:
    """List each mutant, of functions of a name or of all: line, name, number of the node to change.

    The name holds when lines move: ``function: before -> after``, with ``(2)`` for the second of its kind.
    """
    numbers = {id(node): number for number, node in enumerate(ast.walk(tree))}
    found, kinds = [], Counter()
    for number, name, node in sorted((numbers[id(node)], name, node) for name, node in places(tree, where)):
        fresh = copy.deepcopy(node)
        if changed(fresh):
            what = f"{name}: {ast.unparse(node)} -> {ast.unparse(fresh)}"
            kinds[what] += 1
            found.append((node.lineno, what + (f" ({kinds[what]})" if kinds[what] > 1 else ""), number))
    return found


def planted(tree: ast.Module, number: int) -> ast.Module:
    """Copy of a module with one node changed."""
    fresh = copy.deepcopy(tree)
    changed(list(ast.walk(fresh))[number])
    return ast.fix_missing_locations(fresh)


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


def forget_compiled(folder: Path, module: str) -> None:
    """Delete stored machine code that may hold something of a module: of functions that import it."""
    name = module.removesuffix(".py").replace("/", ".")
    compiled = [path for path in (folder / "mocks").rglob("*.py") if "mocks.compiled" in path.read_text()]
    if any(name in path.read_text() or path == folder / module for path in compiled):
        for code in folder.rglob("*.nb[ic]"):
            code.unlink()


def known(record: Path | None) -> dict[tuple[str, str], dict]:
    """Last result of every mutant in a record, by module and what was changed."""
    lines = record.read_text(encoding="utf-8").splitlines() if record and record.is_file() else []
    results = [json.loads(line) for line in lines]
    return {(each["module"], each["what"]): each for each in results}


def equivalent() -> set[tuple[str, str]]:
    """Mutants that change nothing, as judged by hand: lines ``module: change  # reason``."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.is_file() else []
    pairs = [line.partition("  # ")[0].split(": ", 1) for line in lines if line and not line.startswith("#")]
    return {(module, what) for module, what in pairs}


def compiled_names(tree: ast.Module) -> list[str]:
    """Functions that numba compiles, where a fault must be there before the import."""
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any("njit" in ast.unparse(each) for each in node.decorator_list)
    ]


@contextmanager
def in_place_of(path: Path, text: str) -> Iterator[None]:
    """Let a module hold another text while the block runs."""
    before, cached = path.read_text(encoding="utf-8"), Path(importlib.util.cache_from_source(path))
    cached.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        cached.unlink(missing_ok=True)
        path.write_text(before, encoding="utf-8")


def score(folder: Path, module: str, tests: list[str], options: argparse.Namespace, end: float) -> None:
    """Try the mutants of a module that are drawn and not yet seen; print and record what comes out."""
    path = folder / module
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    found = mutants(tree, options.where)
    chosen = random.Random(f"{options.seed} {module}").sample(found, min(options.most, len(found)))
    before, alike = known(options.record), equivalent()
    wanted = "passed" if options.again else None
    left = {
        what: (line, number)
        for line, what, number in sorted(found if options.again else chosen)
        if before.get((module, what), {}).get("outcome") == wanted and (module, what) not in alike
    }

    def say(what: str, state: str, seconds: float) -> None:
        said = "SURVIVED" if state == "passed" else state
        print(f"{module}:{left.pop(what)[0]}: {what}: {said} ({seconds:.1f} s)", flush=True)
        if options.record:
            result = {"module": module, "what": what, "outcome": state, "possible": len(found)}
            with open(options.record, "a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")

    if not left:
        return
    clean, compiled = LONGEST, compiled_names(tree)
    named = [(what, number) for what, (_, number) in left.items() if what.partition(":")[0] not in compiled]
    tried = [(what, planted(tree, number)) for what, number in named]
    for what, state, seconds in in_session(
        folder, tests, path, tried, end, (options.longest, options.slowest)
    ):
        is_clean_run = isinstance(what, list)
        if is_clean_run and state != "passed":
            late = f"take more than {options.longest:g} s"
            why = late if state == "out of time" else "fail without any fault"
            print(f"{module}: its tests {why}", file=sys.stderr, flush=True)
            return
        if is_clean_run:
            tests, clean = what, seconds
        elif state != "not tried":
            say(what, state, seconds)
    for what, (_, number) in list(left.items()):
        if time.monotonic() > end:
            break
        with in_place_of(path, ast.unparse(planted(tree, number))):
            forget_compiled(folder, module)
            state, seconds = outcome(folder, tests, min(LONGEST, 30 + 3 * clean))
        say(what, state, seconds)
    forget_compiled(folder, module)


@cache
def now(module: str) -> set[str]:
    """Names of the mutants of a module as it is; none of one that is no more."""
    path = ROOT / module
    found = mutants(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else []
    return {what for _, what, _ in found}


def print_table(record: Path) -> None:
    """Print the record as a Markdown table, a line a module."""
    alike, results = equivalent(), known(record)
    gone = [f"{module}: {what}" for module, what in alike if what not in now(module)]
    if gone:
        raise SystemExit("\n".join([f"{EQUIVALENT.name} names mutants that are no more:", *gone]))
    rows: dict[str, list[int]] = {}
    for module, what in {*results, *alike}:
        if what not in now(module):  # of code that has changed since
            continue
        row = rows.setdefault(module, [len(now(module)), 0, 0, 0])
        row[1] += 1
        row[3] += (module, what) in alike
        row[2] += (module, what) not in alike and results[module, what]["outcome"] != "passed"
    print("| module | possible | tried | seen | equivalent | seen of the others |")
    print("|---" + "|--:" * 5 + "|")
    total = [sum(column) for column in zip(*rows.values(), strict=True)]
    for module, (possible, tried, seen, same) in [*sorted(rows.items()), ("all", total)]:
        share = f"{100 * seen / max(tried - same, 1):.0f} %"
        print(f"| `{module}` | {possible} | {tried} | {seen} | {same} | {share} |")


def main() -> None:
    """Score the modules that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modules", nargs="*", help="paths, or path=tests with commas between them")
    parser.add_argument("--most", type=int, default=10, help="mutants of a module, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--where", default="", help="one function of the modules")
    parser.add_argument("--record", type=Path, help="file that keeps the results, a JSON line each")
    parser.add_argument("--again", action="store_true", help="try those of the record that survived")
    parser.add_argument("--minutes", type=float, default=1e6, help="after which no mutant is begun")
    parser.add_argument(
        "--longest", type=float, default=LONGEST, help="seconds that the tests of a module may take"
    )
    parser.add_argument("--slowest", type=float, default=LONGEST, help="seconds that one test may take")
    parser.add_argument("--table", action="store_true", help="print the record and end")
    options = parser.parse_args()
    if options.table:
        print_table(options.record)
        return
    modules = options.modules or [f"{folder}/{name}.py" for folder in CORE for name in CORE[folder]]
    end = time.monotonic() + 60 * options.minutes
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="agg")
    for library in LIBRARIES.split() if len(modules) > 3 else ():  # once for all
        if importlib.util.find_spec(library.partition(".")[0]):
            importlib.import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "project"
        shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns(".git", "*.pyc", "*.ipynb"))
        for each in modules:
            if time.monotonic() > end:
                break
            module, _, tests = each.partition("=")
            score(copied, module, tests.split(",") if tests else tests_of(module), options, end)


if __name__ == "__main__":
    main()
