"""Images that we make: mocks, twins, blank sky, variations."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "mocks": ["observe_image"],
        "targets": ["select_targets"],
        "twins": ["make_twin"],
        "variations": ["Variation"],
    },
)
