"""Compare simulated galaxies with real ones: scores, statistics, figures.

Every verb of the command line is a function here: settings are keywords, the product is returned. Without
``out`` the product is in a temporary folder, kept as long as it is used:

    images = simcompare.mock("cutout.hdf5", redshift=0.05)
    scores = simcompare.score(images, model="sdss-r")
    comparison = simcompare.compare(scores)

`ImageSet.from_arrays` takes images that are already in memory. ``help(simcompare.mock)`` lists the settings
of a verb. Modules are imported at first use.
"""

import sys
from importlib import import_module

__version__ = "0.1.0"

_VERBS = (
    "attribute", "board", "browse", "cite", "compare", "demo", "doctor", "export", "fetch", "figure", "info",
    "init", "match",
    "mock", "nulls", "prepare", "reobserve", "report", "run", "score", "sky", "slurm", "train", "twins",
)  # fmt: skip
_OTHERS = {
    "ImageSet": "simcompare.images.image_set",
    "Scores": "simcompare.scores.record",
    "load_model": "simcompare.facade",
    "load_survey": "mocks.surveys",
    "open_snapshot": "mocks.readers",
}

__all__ = [*_OTHERS, *_VERBS]


def __getattr__(name: str) -> object:
    table = sys.modules.get("simcompare.commands.planning.table")  # a verb of others is in it, if anywhere
    if name in _OTHERS:
        value = getattr(import_module(_OTHERS[name]), name)
    elif name in _VERBS or (table is not None and name in table.COMMANDS):
        value = import_module("simcompare.facade").verb(name)
    else:
        raise AttributeError(f"module 'simcompare' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
