"""Figures of the score against properties, on planes, and of the populations themselves."""

import numpy as np
from astropy.table import Table

from simcompare import figures
from simcompare.figures.distributions import MOST_BANDS
from simcompare.figures.populations import galaxy_classes
from simcompare.kinds import Kind
from simcompare.pages.sections.sketchbook import Sketchbook
from simcompare.scores.columns import Use, in_words, names_for
from simcompare.scores.record import Scores

__all__ = ["draw_properties", "relation_columns"]

_PLANES = (
    ("mag_", "half_light_radius"),
    ("stellar_mass", "half_light_radius"),
    ("stellar_mass", "half_light_radius_kpc"),
    ("stellar_mass", "star_formation_rate"),
    ("halo_mass", "stellar_mass"),
)
_LEAST_OF_A_CLASS = 10


def draw_properties(book: Sketchbook, scores: Scores, comparison: Table, seed: int) -> None:
    """Draw relations of score and properties, the same by class, planes and mass functions."""
    columns = relation_columns(scores)
    for column in dict.fromkeys((scores.headline, "log_prob")):
        _draw_relations(book, scores, columns, column)
    _draw_classes(book, scores)
    for x, y in _PLANES:
        _draw_planes(book, scores, comparison, x, y)
    caption = "Shares, not densities: volumes are not known here. Error bars: Poisson."
    book.draw(
        "mass_functions", "Masses of the galaxies compared", caption,
        lambda: _mass_panels(scores),
        lambda table: figures.draw_grid(table, figures.draw_mass_function), wide=True,
    )  # fmt: skip
    book.draw(
        "fractions", "Classes of the galaxies compared",
        "Share of galaxies in each class, with 68% intervals; unequal shares call for matching.",
        lambda: figures.fraction_numbers(scores), figures.draw_fractions,
    )  # fmt: skip


def relation_columns(scores: Scores) -> list[str]:
    """Name the properties worth a figure: of the real galaxies and another data set, or of simulations."""
    real, others = scores.held_out(scores.named_reference), scores.equals("kind", Kind.SIMULATED)
    names = []
    for name in names_for(Use.RELATION, scores.colnames):
        if scores[name].dtype.kind != "f":
            continue
        values = scores.numbers(name)
        finite = np.isfinite(values)
        if (finite & others).sum() > 1 and np.ptp(values[finite]) > 0 and (finite & ~real).any():
            names.append(name)
    return names


def _draw_relations(book: Sketchbook, scores: Scores, columns: list[str], column: str) -> None:
    """Draw one score against every property, and its difference to real galaxies."""
    tables = {f"_{x}": figures.relation_numbers(scores, x, column=column) for x in columns}
    tables = {name: table for name, table in tables.items() if len(table)}
    if not tables:
        return
    quantity, end = ("score", "") if column == scores.headline else ("raw log-likelihood", "_log_prob")
    table = figures.stack_panels(tables)
    book.draw(
        f"relations{end}", f"The {quantity} against properties",
        "Medians in bins of equal numbers of real galaxies; shaded: quartiles (of real galaxies only, for "
        f"more than {MOST_BANDS} data sets). Few galaxies are shown as points.",
        table, lambda t: figures.draw_grid(t, figures.draw_relation), wide=True,
    )  # fmt: skip
    tables = {
        name: each for name, each in tables.items() if np.isfinite(np.asarray(each["difference"])[
            np.asarray(each["dataset"]) != scores.reference]).any()
    }  # fmt: skip
    if tables:
        book.draw(
            f"relation_differences{end}", f"The {quantity} against properties, minus real galaxies",
            "Median minus that of real galaxies in the same bin; bars are standard errors of both.",
            figures.stack_panels(tables), lambda t: figures.draw_grid(t, figures.draw_difference), wide=True,
        )  # fmt: skip


def _draw_classes(book: Sketchbook, scores: Scores) -> None:
    """Draw the score against brightness and mass for each class of galaxies."""
    panels, reference = {}, scores.named_reference
    magnitude = next((name for name in scores.colnames if name.startswith("mag_")), None)
    for name, (inside, known) in galaxy_classes(scores).items():
        has_real = (known & scores.held_out(reference)).any()
        rows = inside | (~has_real & scores.equals("dataset", reference))
        simulated = inside & scores.equals("kind", Kind.SIMULATED)
        if magnitude is None or simulated.sum() < _LEAST_OF_A_CLASS:
            continue
        title = name if has_real else f"{name}; real: all"
        table = figures.relation_numbers(scores.select(magnitude, scores.headline)[rows], magnitude)
        if len(table):
            panels[title] = table
    if panels:
        book.draw(
            "classes", "The score by class of galaxy",
            "Medians and quartiles of the score against brightness, for each class that the columns allow.",
            figures.stack_panels(panels), lambda t: figures.draw_grid(t, figures.draw_relation, n_across=2),
            wide=True,
        )  # fmt: skip


def _draw_planes(book: Sketchbook, scores: Scores, comparison: Table, x: str, y: str) -> None:
    """Draw maps of the difference for every simulation, and for its centrals and satellites."""
    x = next((name for name in scores.colnames if name.startswith(x)), None)
    if x is None or y not in scores:
        return
    groups = {"": np.ones(len(scores), bool)}
    places = {name: rows for name, (rows, _) in galaxy_classes(scores).items() if name in _PLACES}
    panels = {}
    for row in comparison[np.asarray(comparison["kind"]) == Kind.SIMULATED]:
        name = str(row["dataset"])
        own = scores.equals("dataset", name)
        both = len(places) == len(_PLACES) and all((rows & own).any() for rows in places.values())
        for group, inside in (groups | (places if both else {})).items():
            rows = inside & own | scores.equals("dataset", scores.named_reference)
            try:
                table = figures.plane_numbers(scores.select(x, y, scores.headline)[rows], name, x, y)
            except ValueError:
                continue
            if np.isfinite(np.asarray(table["difference"], float)).any():
                table.meta["group"] = group
                panels[f"_{name}: {group}" if group else f"_{name}"] = table
    if not panels:
        return
    reach = max(float(np.nanmax(np.abs(table["difference"]))) for table in panels.values())
    for table in panels.values():
        table.meta["reach"] = reach
    label = f"{in_words([y])} and {in_words([x])}"
    against = next(iter(panels.values())).meta["against"]
    book.draw(
        f"plane_{x}_{y}", f"Where the difference lies: {label}",
        f"Mean score minus that of {against}. Red: less likely than real; hatched: not significant.",
        figures.stack_panels(panels),
        lambda t: figures.draw_grid(t, figures.draw_plane, height=2.4, minimum=2.2), wide=True,
    )  # fmt: skip


_PLACES = ("centrals", "satellites")


def _mass_panels(scores: Scores) -> Table:
    """Mass functions of all, of quenched and of star-forming galaxies as panels."""
    table = figures.mass_function_numbers(scores)
    panels = {}
    for population in dict.fromkeys(str(each) for each in table["population"]):
        rows = table[np.asarray(table["population"]) == population]
        if np.sum(rows["number"]):
            panels[population] = rows
    return figures.stack_panels(panels)
