"""The verbs of the command line, one per file; only here a run folder is opened."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"planning": ["COMMANDS", "SECTIONS"]}
)
