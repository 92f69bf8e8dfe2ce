"""One row for each image: likelihoods, typicality, neighbours, features."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "likelihood": ["score"],
        "pixel_maps": ["read_map"],
        "columns": ["COLUMNS", "Column", "Use"],
        "record": ["Scores"],
        "joining": ["stack_scores"],
        "typicality": ["add_typicality"],
    },
)
