"""Figures: a function makes the table of numbers, another draws it, a third saves both."""

from simcompare.figures.comparisons import draw_forest, draw_scales, null_numbers
from simcompare.figures.distributions import draw_density, draw_null, draw_ridges, draw_roc
from simcompare.figures.images import Stretch, common_stretch, draw_gallery, draw_samples, gallery_images
from simcompare.figures.numbers import (
    density_numbers,
    gallery_numbers,
    relation_numbers,
    roc_numbers,
    scale_numbers,
)
from simcompare.figures.relations import draw_difference, draw_relation
from simcompare.figures.style import save_figure, styles_of
from simcompare.figures.training import draw_training

__all__ = [
    "Stretch",
    "common_stretch",
    "density_numbers",
    "draw_density",
    "draw_difference",
    "draw_forest",
    "draw_gallery",
    "draw_null",
    "draw_relation",
    "draw_ridges",
    "draw_roc",
    "draw_samples",
    "draw_scales",
    "draw_training",
    "gallery_images",
    "gallery_numbers",
    "null_numbers",
    "relation_numbers",
    "roc_numbers",
    "save_figure",
    "scale_numbers",
    "styles_of",
]
