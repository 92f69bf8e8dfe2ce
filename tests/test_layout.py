"""The house: which folder may know which. The order is written down here, once."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each package from top to bottom: a floor imports what stands below it, never what stands above or beside it.
# A floor is a module or a folder with all that is in it (the longest match counts); floors of one line are
# strangers to each other.
FLOORS = {
    "simcompare": """
        __main__
        cli facade
        products
        commands
        pages
        figures
        comparison
        scores
        synthetic
        observed
        models
        images
        statistics archives
        runs
        settings
        data kinds
    """,
    "mocks": """
        toys
        pipeline
        readers.examination
        readers.inputs
        readers.registry
        readers.companions
        readers.formats
        readers.base readers.selection readers.centring readers.ramses
        readers.hdf5
        readers.particles
        projection
        light dust
        survey_files
        products
        observing
        deposit ideal
        surveys views
        observing.psf observing.noise
        observing.psf_images observing.fast_random
        galaxy
        filters
        streams options checked_hdf5 checked_fits compiled expressions toml magnitudes file_names plugins
        display
        claims
    """,
    "flows": """
        ensemble
        diagnostics
        training
        model
        checkpoint checks
        densities pixels
        config symmetry display
    """,
}
MOST_MODULES = 22
STRANGERS = {"mocks": {"flows", "simcompare"}, "flows": {"mocks", "simcompare"}, "simcompare": set()}


def modules():
    """Path of each module by its dotted name."""
    paths = [path for package in FLOORS for path in sorted((ROOT / package).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


# A folder's face (``__init__``) only hands names on.
MODULES = {name: path for name, path in modules().items() if not name.endswith("__init__")}


def imports(path):
    """Modules of ours that one imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports from the top, not relative ones"
            found |= {f"{node.module}.{each.name}" for each in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return {name for name in found if name.partition(".")[0] in FLOORS}


def floor_of(name):
    """Package and floor number of a module, the ground being the highest number; None for a folder's face."""
    package, _, rest = name.partition(".")
    best = None
    for number, line in enumerate(FLOORS[package].split("\n")):
        for entry in line.split():
            if rest == entry or rest.startswith(f"{entry}."):
                best = max(best or (0, 0, ""), (len(entry), number, entry))
    return best and (package, best[1], best[2])


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_floor(name):
    assert floor_of(name) is not None, f"{name} has no place in FLOORS of test_layout.py: give it one"


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name):
    package, number, entry = floor_of(name)
    for other in sorted(imports(MODULES[name])):
        assert other.partition(".")[0] not in STRANGERS[package], f"{name} must not know {other}"
        below = floor_of(other)
        if below is None or below[0] != package or below[2] == entry:
            continue
        assert below[1] > number, (
            f"{name} imports {other}, but '{entry}' stands below or beside '{below[2]}': "
            "move the definition down, or hand it in as an argument"
        )


def test_no_two_modules_import_each_other():
    graph = {name: imports(path) & set(MODULES) - {name} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail("modules import each other in a circle: " + " -> ".join(circle.args[1]))


def test_no_folder_is_crowded():
    folders = {}
    for path in MODULES.values():
        folders.setdefault(path.parent.relative_to(ROOT), []).append(path.name)
    crowded = {str(folder): len(names) for folder, names in folders.items() if len(names) > MOST_MODULES}
    assert not crowded, f"folders of more than {MOST_MODULES} modules: {crowded}"


def test_every_folder_says_what_it_is():
    for name, path in modules().items():
        if name.endswith("__init__"):
            first = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            assert first.strip(), f"{path} has no docstring"


def test_tests_mirror_the_folders():
    for package in FLOORS:
        for path in (ROOT / "tests" / package).rglob("test_*.py"):
            folder = ROOT / path.parent.relative_to(ROOT / "tests")
            assert folder.is_dir(), f"{path.relative_to(ROOT)} tests a folder that does not exist: {folder}"
