"""Figures: a function makes the table of numbers, another draws it, a third saves both."""

from simcompare.figures.checks import (
    draw_matched,
    draw_realism,
    draw_sky,
    draw_typicality,
    matched_numbers,
    realism_numbers,
    typicality_numbers,
)
from simcompare.figures.dataset_styles import (
    fixed_styles,
    names_and_kinds,
    styles_of,
)
from simcompare.figures.differences import draw_forest, draw_scales, null_numbers, scale_numbers
from simcompare.figures.distributions import (
    density_numbers,
    draw_density,
    draw_null,
    draw_ridges,
    draw_roc,
    draw_violins,
    roc_numbers,
)
from simcompare.figures.examples import class_gallery_numbers, gallery_numbers, outlier_numbers
from simcompare.figures.feature_maps import draw_map, map_numbers
from simcompare.figures.galleries import Stretch, common_stretch, draw_gallery, draw_samples, gallery_images
from simcompare.figures.grids import draw_bins, draw_each, draw_grid, small_multiples, stack_panels
from simcompare.figures.ladders import draw_ladder, draw_stability
from simcompare.figures.looks import (
    save_figure,
    style,
)
from simcompare.figures.pixel_values import draw_pixels, pixel_numbers
from simcompare.figures.planes import draw_plane, plane_numbers
from simcompare.figures.populations import (
    draw_fractions,
    draw_mass_function,
    fraction_numbers,
    mass_function_numbers,
    with_derived_columns,
)
from simcompare.figures.relations import draw_difference, draw_relation, relation_numbers
from simcompare.figures.single_galaxies import (
    budget_numbers,
    draw_panel,
    draw_panels,
    draw_profile,
    profile_numbers,
)
from simcompare.figures.stored import STORED, draw_stored
from simcompare.figures.training import draw_training

__all__ = [
    "STORED",
    "Stretch",
    "budget_numbers",
    "class_gallery_numbers",
    "common_stretch",
    "density_numbers",
    "draw_bins",
    "draw_density",
    "draw_difference",
    "draw_each",
    "draw_forest",
    "draw_fractions",
    "draw_gallery",
    "draw_grid",
    "draw_ladder",
    "draw_map",
    "draw_mass_function",
    "draw_matched",
    "draw_null",
    "draw_panel",
    "draw_panels",
    "draw_pixels",
    "draw_plane",
    "draw_profile",
    "draw_realism",
    "draw_relation",
    "draw_ridges",
    "draw_roc",
    "draw_samples",
    "draw_scales",
    "draw_sky",
    "draw_stability",
    "draw_stored",
    "draw_training",
    "draw_typicality",
    "draw_violins",
    "fixed_styles",
    "fraction_numbers",
    "gallery_images",
    "gallery_numbers",
    "map_numbers",
    "mass_function_numbers",
    "matched_numbers",
    "names_and_kinds",
    "null_numbers",
    "outlier_numbers",
    "pixel_numbers",
    "plane_numbers",
    "profile_numbers",
    "realism_numbers",
    "relation_numbers",
    "roc_numbers",
    "save_figure",
    "scale_numbers",
    "small_multiples",
    "stack_panels",
    "style",
    "styles_of",
    "typicality_numbers",
    "with_derived_columns",
]
