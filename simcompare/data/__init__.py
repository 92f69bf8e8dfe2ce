"""What ships with the package: models, templates, styles."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "shipped": ["find_model", "shipped_models"],
    },
)
