"""Numbers in, numbers out: resampling, intervals, tests (numpy and scipy alone)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "intervals": ["Estimate"],
        "resampling": ["resamples"],
        "significance": ["adjust_p_values", "trend"],
        "means": ["Clustered"],
    },
)
