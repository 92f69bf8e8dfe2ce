"""The one preparation that real and simulated images share."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "photometry": ["measure_shape", "petrosian_radius"],
        "prepare": ["Preparation", "prepare_stamp"],
        "sersic": ["fit_sersic", "sersic_image"],
    },
)
