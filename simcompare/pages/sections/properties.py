"""Figures of the score against properties, on planes, and of the populations themselves."""

import numpy as np
from astropy.table import Table

from simcompare import figures
from simcompare.figures.populations import SPECIFIC_RATE, galaxy_classes
from simcompare.pages.sections.sketchbook import Sketchbook
from simcompare.scores.table import headline_score, narrowed, reference_rows
from simcompare.scores.text_column import equals

__all__ = ["RELATIONS", "draw_properties", "relation_columns"]

RELATIONS = (
    "mag_", "half_light_radius", "sersic_n_", "sersic_index", "concentration", "sky_sigma_", "psf_fwhm_",
    "stellar_mass", SPECIFIC_RATE, "redshift",
)  # fmt: skip
_PLANES = (
    ("mag_", "half_light_radius"),
    ("stellar_mass", "half_light_radius"),
    ("stellar_mass", "star_formation_rate"),
    ("halo_mass", "stellar_mass"),
)
_LEAST_OF_A_CLASS = 10


def draw_properties(book: Sketchbook, scores: Table, comparison: Table, seed: int) -> None:
    """Draw relations of score and properties, the same by class, planes and mass functions."""
    reference, headline = comparison.meta["reference"], comparison.meta["score"]
    columns = relation_columns(scores, reference)
    for column in dict.fromkeys((headline, "log_prob")):
        _draw_relations(book, scores, reference, columns, column, is_headline=column == headline)
    _draw_classes(book, scores, reference)
    for x, y in _PLANES:
        _draw_planes(book, scores, comparison, x, y)
    caption = "Shares, not densities: volumes are not known here. Bars are Poisson errors."
    book.draw(
        "mass_functions", "Masses of the galaxies compared", caption,
        lambda: _mass_panels(scores, reference),
        lambda table: figures.draw_grid(table, figures.draw_mass_function), wide=True,
    )  # fmt: skip
    book.draw(
        "fractions", "Classes of the galaxies compared",
        "Share of galaxies in each class, with 68 % intervals; unequal shares call for matching.",
        lambda: figures.fraction_numbers(scores, reference), figures.draw_fractions,
    )  # fmt: skip


def relation_columns(scores: Table, reference: str) -> list[str]:
    """Name the properties worth a figure: of the real galaxies and another data set, or of simulations."""
    real = reference_rows(scores, reference)
    others = equals(scores["kind"], "simulated")
    names = []
    for stem in RELATIONS:
        for name in [each for each in scores.colnames if each.startswith(stem)]:
            if scores[name].dtype.kind != "f":
                continue
            values = np.asarray(scores[name], float)
            finite = np.isfinite(values)
            if (finite & others).sum() > 1 and np.ptp(values[finite]) > 0 and (finite & ~real).any():
                names.append(name)
    return list(dict.fromkeys(names))


def _draw_relations(
    book: Sketchbook, scores: Table, reference: str, columns: list[str], column: str, *, is_headline: bool
) -> None:
    """Draw one score against every property, and its difference to real galaxies."""
    tables = {f"_{x}": figures.relation_numbers(scores, reference, x, column=column) for x in columns}
    tables = {name: table for name, table in tables.items() if len(table)}
    if not tables:
        return
    what, end = ("score", "") if is_headline else ("raw log-likelihood", "_log_prob")
    table = figures.stack_panels(tables)
    book.draw(
        f"relations{end}", f"The {what} against properties",
        "Medians in bins of equal numbers of real galaxies; shaded: quartiles. Few galaxies: single points.",
        table, lambda t: figures.draw_grid(t, figures.draw_relation), wide=True,
    )  # fmt: skip
    tables = {
        name: each for name, each in tables.items() if np.isfinite(np.asarray(each["difference"])[
            np.asarray(each["dataset"]) != reference]).any()
    }  # fmt: skip
    if tables:
        book.draw(
            f"relation_differences{end}", f"The {what} against properties, minus real galaxies",
            "Median minus that of real galaxies in the same bin; bars are standard errors of both.",
            figures.stack_panels(tables), lambda t: figures.draw_grid(t, figures.draw_difference), wide=True,
        )  # fmt: skip


def _draw_classes(book: Sketchbook, scores: Table, reference: str) -> None:
    """Draw the score against brightness and mass for each class of galaxies."""
    panels = {}
    magnitude = next((name for name in scores.colnames if name.startswith("mag_")), None)
    for name, (inside, known) in galaxy_classes(scores).items():
        has_real = (known & reference_rows(scores, reference)).any()
        rows = inside | (~has_real & equals(scores["dataset"], reference))
        simulated = inside & equals(scores["kind"], "simulated")
        if magnitude is None or simulated.sum() < _LEAST_OF_A_CLASS:
            continue
        title = name if has_real else f"{name}; real: all"
        part = narrowed(scores, magnitude, headline_score(scores))[rows]
        table = figures.relation_numbers(part, reference, magnitude)
        if len(table):
            panels[title] = table
    if panels:
        book.draw(
            "classes", "The score by class of galaxy",
            "Medians and quartiles of the score against brightness, for each class that the columns tell.",
            figures.stack_panels(panels), lambda t: figures.draw_grid(t, figures.draw_relation, n_across=2),
            wide=True,
        )  # fmt: skip


def _draw_planes(book: Sketchbook, scores: Table, comparison: Table, x: str, y: str) -> None:
    """Draw maps of the difference for every simulation, and for its centrals and satellites."""
    x = next((name for name in scores.colnames if name.startswith(x)), None)
    if x is None or y not in scores.colnames:
        return
    reference = comparison.meta["reference"]
    groups = {"": np.ones(len(scores), bool)}
    places = {name: rows for name, (rows, _) in galaxy_classes(scores).items() if name in _PLACES}
    panels = {}
    for row in comparison[np.asarray(comparison["kind"]) == "simulated"]:
        name = str(row["dataset"])
        own = equals(scores["dataset"], name)
        both = len(places) == len(_PLACES) and all((rows & own).any() for rows in places.values())
        for group, inside in (groups | (places if both else {})).items():
            rows = inside & own | equals(scores["dataset"], reference)
            part = narrowed(scores, x, y, headline_score(scores))[rows]
            try:
                table = figures.plane_numbers(part, name, reference, x, y)
            except ValueError:
                continue
            if np.isfinite(np.asarray(table["difference"], float)).any():
                table.meta["group"] = group
                panels[f"_{name}: {group}"] = table
    if not panels:
        return
    reach = max(float(np.nanmax(np.abs(table["difference"]))) for table in panels.values())
    for table in panels.values():
        table.meta["reach"] = reach
    label = f"{y.replace('_', ' ')} and {x.replace('_', ' ')}"
    against = next(iter(panels.values())).meta["against"]
    book.draw(
        f"plane_{x}_{y}", f"Where the difference lies: {label}",
        f"Mean score minus that of {against}. Red: less likely than real; hatched: not significant.",
        figures.stack_panels(panels),
        lambda t: figures.draw_grid(t, figures.draw_plane, height=2.4), wide=True,
    )  # fmt: skip


_PLACES = ("centrals", "satellites")


def _mass_panels(scores: Table, reference: str) -> Table:
    """Mass functions of all, of quenched and of star-forming galaxies as panels."""
    table = figures.mass_function_numbers(scores, reference)
    panels = {}
    for population in dict.fromkeys(str(each) for each in table["population"]):
        rows = table[np.asarray(table["population"]) == population]
        if np.sum(rows["number"]):
            panels[population] = rows
    return figures.stack_panels(panels)
