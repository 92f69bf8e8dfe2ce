"""What all verbs share: their table, workflow files made of them, and estimates before long work."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "dry_run": ["estimate", "estimate_workflow"],
        "table": ["COMMANDS", "SECTIONS", "Command", "Section"],
        "workflow": ["plan_workflow", "read_workflow"],
    },
)
