"""Plant small faults in core modules, one at a time, and count those that the module's related tests see.

Run it with  python benchmarks/mutate.py [--modules PATH[=TESTS] ...] [--most N] [--seed S] [--record FILE]

Every number, comparison, sum or product, `and`, `min` and negation of a module (messages of errors excepted)
is changed once, and N of these are drawn. The tests run on a copy of the project in a temporary folder, so
the working tree is left alone: one thread, in a process forked after the libraries are imported, within a
time limit. Survivors are printed with their line: each is a fault that no test sees, or changes nothing that
anybody could see; those are judged by hand and listed, with the reason, in benchmarks/equivalent_mutants.txt.

With `--record FILE` every result is kept: a second call tries what is new, with `--again` also what survived,
and `--minutes` ends a call between two mutants. `--table` prints the record as the table of CONTRIBUTING.md.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import importlib.util
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
# What the modules import, taken in once; nothing of the project.
LIBRARIES = """
    torch nflows numpy scipy.stats scipy.optimize scipy.ndimage astropy.table astropy.cosmology astropy.units
    astropy.io.fits h5py matplotlib.pyplot numba pyarrow.parquet photutils.segmentation photutils.psf skimage
    skimage.measure pydantic pytest speclite.filters safetensors.torch typer rich.progress dask
    importlib.metadata _pytest.assertion.rewrite
"""
# Modules by folder, and for each the test files of its own name plus those named here.
CORE = {
    "simcompare/statistics": {
        "intervals": "",
        "structure": "../comparison/test_structure",
        "conditional": "test_structure",
        "contrast": "test_structure",
        "means": "test_two_sample ../comparison/test_headline ../comparison/test_realism",
        "two_sample": "",
        "permutation": "test_two_sample",
        "resampling": "test_intervals test_two_sample ../comparison/test_headline",
        "significance": "",
        "known_equal": "test_significance test_two_sample test_feature_tests ../comparison/test_headline",
        "coverage": "test_feature_tests test_two_sample ../scores/test_spaces",
        "feature_tests": "",
    },
    "simcompare/scores": {
        "structure": "",
        "aperture": "",
        "typicality": "",
        "likelihood": "test_record test_aperture test_structure",
        "nuisance": "../comparison/test_masked",
        "joining": "test_record test_files ../comparison/test_headline",
        "ranking": "test_record test_likelihood test_nuisance",
        "complexity": "",
        "bare_sky": "test_validation test_likelihood",
    },
    "simcompare/comparison": {
        "structure": "",
        "answer": "",
        "headline": "test_streams",
        "realism": "",
        "matching": "test_further_tables",
        "matched": "test_matching test_further_tables",
        "adjusted": "test_further_tables test_streams",
        "volume": "test_further_tables test_stability",
        "stability": "",
    },
    "simcompare/images": {
        "preparation/segmentation": "preparation/test_detection preparation/test_prepare",
        "preparation/photometry": "preparation/test_prepare",
        "preparation/prepare": "",
        "preparation/detection": "",
        "preparation/deblending": "preparation/test_detection preparation/test_prepare",
        "preparation/sersic": "",
        "preparation/rescale": "preparation/test_prepare",
        "aperture": "../scores/test_aperture preparation/test_photometry",
    },
    "flows": {
        "model": "test_proofs",
        "pixels": "test_model",
        "symmetry": "test_model",
        "densities/wavelet": "test_proofs",
        "densities/haar": "densities/test_wavelet test_proofs",
        "densities/layers": "densities/test_wavelet test_proofs",
        "densities/conditioners": "densities/test_wavelet ../simcompare/data/test_shipped",
    },
    "mocks": {
        "projection": "",
        "magnitudes": "light/test_light test_projection",
        "light/base": "light/test_light",
        "light/grid": "light/test_light",
        "light/analytic": "light/test_light",
        "dust/screens": "dust/test_dust",
        "dust/gas_column": "",
        "observing/conditions": "",
        "observing/noise": "",
        "observing/psf": "",
        "observing/psf_images": "observing/test_psf_images observing/test_psf",
        "observing/blurring": "observing/test_blurring observing/test_psf observing/test_observe",
        "observing/background": "",
        "observing/observe": "",
        "deposit/kernel": "deposit/test_deposit deposit/test_backends",
        "deposit/particles": "deposit/test_deposit deposit/test_backends",
        "deposit/smoothing": "",
        "readers/particles/times": "readers/particles/test_physics",
        "readers/particles/geometry": "readers/particles/test_physics readers/test_selection",
        "readers/hdf5/fields": "readers/test_formats readers/test_contradictions",
    },
}
PAIRS = (
    (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.Lt, ast.GtE), (ast.Gt, ast.LtE), (ast.Eq, ast.NotEq),
    (ast.And, ast.Or), (ast.BitAnd, ast.BitOr),
)  # fmt: skip
OTHERS = dict(PAIRS) | {second: first for first, second in PAIRS}
NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}
LONGEST = 240.0  # s for the tests of one mutant: what loops for ever is seen


def tests_of(module: str) -> list[str]:
    """Test files of a core module that exist, its own first."""
    folder = max((each for each in CORE if module.startswith(f"{each}/")), key=len)
    name = module.removeprefix(f"{folder}/").removesuffix(".py")
    own = Path(name).with_name(f"test_{Path(name).name}").as_posix()
    paths = [ROOT / "tests" / folder / f"{each}.py" for each in (own, *CORE[folder].get(name, "").split())]
    return list(dict.fromkeys(os.path.relpath(path.resolve(), ROOT) for path in paths if path.is_file()))


def places(tree: ast.Module, where: str) -> list[ast.AST]:
    """Nodes that may be changed: of bodies, defaults and constants, or of functions of a name."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    scopes = [part for node in functions if where in ("", node.name) for part in node.body]
    if not where:
        scopes += [
            value for node in functions for value in node.args.defaults + node.args.kw_defaults if value
        ]
        scopes += [node.value for node in tree.body if isinstance(node, ast.Assign)]
    skipped = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.AnnAssign) or says(node) or guards(node)
        for part in ast.walk(node)
    }
    wanted = {id(part): part for scope in scopes for part in ast.walk(scope) if id(part) not in skipped}
    return list(wanted.values())


def says(node: ast.AST) -> bool:
    """Whether a node is a call of the log or of warnings."""
    owner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
    return getattr(owner, "id", "") in ("logger", "warnings")


def guards(node: ast.AST) -> bool:
    """Whether a node is the ``strict=True`` of a zip, which guards against our own mistakes alone."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def mutants(tree: ast.Module, where: str = "") -> list[tuple[int, str, ast.Module]]:
    """List each mutant, of functions of a name or of all: line, what was changed, the changed module."""
    numbers = {id(node): number for number, node in enumerate(ast.walk(tree))}
    found = []
    for number in sorted(numbers[id(node)] for node in places(tree, where)):
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


def run_tests(folder: Path, tests: list[str]) -> None:
    """Run tests in a copy of the project and leave this forked process with their status."""
    os.setsid()  # a group of its own, so that what the tests start ends with them
    silent = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silent, number)
    os.chdir(folder)
    sys.path[:] = [
        str(folder),
        *(path for path in sys.path if path not in (str(ROOT), str(ROOT / "benchmarks"))),
    ]
    os.environ["PYTHONPATH"] = str(folder)
    sys.dont_write_bytecode = False
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={folder.parent / 'made'}"]
    os._exit(int(importlib.import_module("pytest").main([*options, *tests])))


def outcome(folder: Path, tests: list[str], limit: float) -> tuple[str, float]:
    """Tell what tests say, ``passed``, ``failed`` or ``out of time``, and the seconds they took."""
    # Machine code of functions that call a changed one would be taken from the cache: none of it.
    for code in folder.rglob("*.nb[ic]"):
        code.unlink()
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(folder, tests))
    start = time.monotonic()
    process.start()
    process.join(limit)
    in_time = not process.is_alive()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    if not in_time:
        return "out of time", time.monotonic() - start
    return ("passed" if process.exitcode == 0 else "failed"), time.monotonic() - start


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


def score(folder: Path, module: str, tests: list[str], options: argparse.Namespace, end: float) -> None:
    """Try the mutants of a module that are drawn and not yet seen; print and record what comes out."""
    path = folder / module
    text = path.read_text(encoding="utf-8")
    found = mutants(ast.parse(text), options.where)
    chosen = random.Random(f"{options.seed} {module}").sample(found, min(options.most, len(found)))
    before, alike = known(options.record), equivalent()
    again = (None, "passed") if options.again else (None,)
    left = [
        (line, f"line {line}: {what}", tree)
        for line, what, tree in sorted(chosen, key=lambda mutant: mutant[0])
        if before.get((module, f"line {line}: {what}"), {}).get("outcome") in again
        and not any(module == one and what == other for one, other in alike)
    ]
    if not left:
        return
    state, clean = outcome(folder, tests, LONGEST)
    if state != "passed":
        raise SystemExit(f"{' '.join(tests)}: {state} without any fault; mend them first.")
    for _, what, tree in left:
        if time.monotonic() > end:
            break
        cached = Path(importlib.util.cache_from_source(path))
        cached.unlink(missing_ok=True)
        path.write_text(ast.unparse(tree), encoding="utf-8")
        state, seconds = outcome(folder, tests, min(LONGEST, 30 + 3 * clean))
        cached.unlink(missing_ok=True)
        print(f"{module}: {what}: {'SURVIVED' if state == 'passed' else state} ({seconds:.0f} s)", flush=True)
        if options.record:
            result = {"module": module, "what": what, "outcome": state, "possible": len(found)}
            with open(options.record, "a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
    path.write_text(text, encoding="utf-8")


@cache
def now(module: str) -> set[str]:
    """Mutants of a module as it is, as the record names them; none of one that is no more."""
    path = ROOT / module
    found = mutants(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else []
    return {f"line {line}: {what}" for line, what, _ in found}


def print_table(record: Path) -> None:
    """Print the record as a Markdown table, a line a module."""
    alike = equivalent()
    rows: dict[str, list[int]] = {}
    for (module, what), result in known(record).items():
        if what not in now(module):  # of a line that has changed since
            continue
        row = rows.setdefault(module, [result["possible"], 0, 0, 0])
        row[1] += 1
        row[2] += result["outcome"] != "passed"
        row[3] += result["outcome"] == "passed" and (module, what.partition(": ")[2]) in alike
    print("| module | possible | sampled | seen | change nothing | seen of the others |")
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
    parser.add_argument("--again", action="store_true", help="try those of the record that survived too")
    parser.add_argument("--minutes", type=float, default=1e6, help="after which no mutant is begun")
    parser.add_argument("--table", action="store_true", help="print the record and end")
    options = parser.parse_args()
    if options.table:
        print_table(options.record)
        return
    modules = options.modules or [f"{folder}/{name}.py" for folder in CORE for name in CORE[folder]]
    end = time.monotonic() + 60 * options.minutes
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="agg")
    for library in LIBRARIES.split():
        if importlib.util.find_spec(library.partition(".")[0]):
            importlib.import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "project"
        shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns(".git", "__pycache__", "*.ipynb"))
        for each in modules:
            if time.monotonic() > end:
                break
            module, _, tests = each.partition("=")
            score(copied, module, tests.split(",") if tests else tests_of(module), options, end)


if __name__ == "__main__":
    main()
