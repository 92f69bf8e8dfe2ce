"""What gives an image a log density; models on disk."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cross_fitted": ["CrossFitted"],
        "density": ["Density", "Domain", "context_of"],
        "storage": ["load_model"],
    },
)
