"""From a simulation snapshot to the image a survey would have taken."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "deposit.smoothing": ["smoothing_lengths", "with_smoothing_lengths"],
        "dust.registry": ["DUST", "dust_model"],
        "dust.screens": ["Dust"],
        "galaxy": ["Galaxy", "Gas", "Stars"],
        "ideal.record": ["IdealImage"],
        "light.base": ["StellarPopulation"],
        "light.registry": ["POPULATIONS", "stellar_population"],
        "observing.conditions": ["ConditionsBank", "ObservingConditions", "draw_conditions"],
        "observing.observe": ["MASK_BITS", "Cutout", "observe"],
        "observing.psf_images": ["measure_fwhm", "psf_from_image"],
        "observing.reobserve": ["RealImage", "redshifted", "reobserve"],
        "observing.sky_bank": ["SkyBank"],
        "observing.sky_check": ["SkyCheck", "blank_sky_check"],
        "pipeline": ["draw_state", "mock_galaxy"],
        "products": ["lupton_rgb", "read_fits", "write_fits"],
        "projection": ["Scene", "project"],
        "readers": ["SIMULATIONS", "Snapshot", "open_snapshot", "recognise"],
        "streams": ["stream"],
        "surveys": ["SURVEYS", "Band", "Survey", "load_survey"],
        "views": ["VIEWS", "random_view", "view_matrix"],
    },
)
