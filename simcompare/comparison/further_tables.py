"""Tables beside the headline: at fixed nuisance, matched, typical, and in other spaces."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.comparison.adjusted import adjusted_differences
from simcompare.comparison.every_score import every_score, score_columns
from simcompare.comparison.features import LEAST_UNIT, Rows, compare_features
from simcompare.comparison.fractions import (
    adjusted_fractions,
    fraction_contrasts,
    fraction_jackknife,
    fraction_trend,
    fractions_in_bins,
    matched_fractions,
)
from simcompare.comparison.headline import trend_of
from simcompare.comparison.matched import balance_all, contrasts, match_all
from simcompare.comparison.matching import compare_in_bins
from simcompare.comparison.model_probabilities import ModelComparison, compare_models, posterior_table
from simcompare.comparison.properties.population import (
    Property,
    matched_bootstrap,
    population_bins,
    population_columns,
)
from simcompare.comparison.properties.reasons import NUMBERS, reasons, sentences
from simcompare.comparison.report_table import FurtherTable
from simcompare.comparison.structure_parts import structure_by_part
from simcompare.comparison.volume import jackknife_all, with_sub_boxes
from simcompare.kinds import Kind
from simcompare.scores.columns import column_of, in_words
from simcompare.scores.features import morphology_features, shape_columns
from simcompare.scores.nuisance import usable_nuisances
from simcompare.scores.record import Scores
from simcompare.scores.structure import Structure, condition_columns
from simcompare.scores.typicality import add_typicality, batch_typicality

__all__ = ["FurtherTable", "Questions", "further_tables", "needed_columns"]

logger = logging.getLogger(__name__)

# Beside headline, nuisances and shapes.
_NEEDED = (
    "dataset", "galaxy_id", "view", "direction", "orientation", "kind", "split", "outside_domain", "log_prob",
    "symmetry_scatter", "snr", "petrosian_radius", "sub_box", "box_x", "box_y", "box_z", "box_size",
)  # fmt: skip
_STRUCTURE = ("aperture_ratio", "surroundings_ratio")
MOST_COMPARED = 20_000  # images of a data set in the model comparison
MOST_FEATURES = 8  # in the model comparison, which also uses their squares


# Title and note of every table, which `_Jobs` makes, in the order of the report.
_TABLES = {
    "structure": (
        "Structure by scale and band",
        "Each scale and band tested separately: z above 0 is clumpier or noisier than real galaxies, "
        "below 0 smoother; p Holm-corrected over all rows.",
    ),
    "every_score": (
        "Every score",
        "Median over galaxies, with its exact interval, and the mean minus that of held-out real galaxies. "
        "Not adjusted for brightness, noise or seeing; the verdict is that of the first table.",
    ),
    "reasons": (
        "What goes with the difference",
        "Morphology of galaxies minus that of real galaxies observed equally well, in real spreads; and the "
        "part of the difference of the structure score that goes with each, by its relation among real "
        "galaxies. p (Holm) over numbers and simulations; shares that are not significant mean nothing.",
    ),
    "adjusted": (
        "Difference at equal nuisance",
        "Score of real galaxies fitted as a function of {columns}; data set minus fit{nats}.",
    ),
    "matched": (
        "Matched samples",
        "Each galaxy paired with a real one in {matched}; imbalance is the largest "
        "difference of means in real standard deviations, below 0.1 is customary.",
    ),
    "balance": (
        "Balance of the matched samples",
        "Difference of means in real standard deviations, and Kolmogorov-Smirnov distance, before "
        "and after matching.",
    ),
    "contrasts": (
        "Simulations against each other",
        "Galaxies of two simulations paired in {matched}; first minus second{nats}.",
    ),
    "jackknife": (
        "Error from the finite volume",
        "Each of the 8 parts of the simulated box left out in turn.",
    ),
    "typicality": (
        "Typicality of whole data sets",
        "Mean standardised residual among real galaxies under like conditions, and the share of images "
        "with a two-sided p-value below 0.05 (5% expected). False alarms: rate at which as "
        "many real galaxies get p < 0.05.",
    ),
    "features": (
        "Tests without a likelihood",
        "One view per galaxy. False alarms: rate at which as many real galaxies get p < 0.05; power: "
        "the same for galaxies with the defect. A test that fails on equal sets has no p-value; "
        "where it cannot see, no difference means nothing.",
    ),
    "posterior": ("Probability of each simulation, assuming one is right", ""),
    "calibration": (
        "Calibration of these probabilities",
        "Held-out simulated galaxies: share of right labels by predicted probability.",
    ),
    "bins": ("Difference by {bins}", "Data set minus real{nats}."),
    "population_bins": (
        "Difference by mass, size and type",
        "Data set minus real galaxies of the same bin{nats}, as Zanisi et al. 2021.",
    ),
    "population_matched": (
        "Matched in mass, size and type",
        "Equal numbers of both drawn in every cell of {population}, {n_bootstrap} times, in all and by bin "
        "of the first; data set minus real{nats}.",
    ),
    "trend": (
        "Trend over generations",
        "From {order}: Kendall's τ, one-sided p-value, change of the mean per step{nats}.",
    ),
}

# Where there is a structure fraction these are in its units.
_IN_FRACTION = {
    "adjusted": (
        "Structure fraction at equal nuisance",
        "Among real galaxies that are equal in {columns} too.",
    ),
    "matched": (
        "Structure fraction of matched samples",
        "Of galaxies that are each paired with a real one in {matched}; imbalance is the largest difference "
        "of means in real standard deviations, below 0.1 is customary.",
    ),
    "contrasts": (
        "Simulations against each other",
        "Structure fraction of the first minus that of the second; they differ where p (Holm) is below 0.05.",
    ),
    "bins": (
        "Structure fraction by {bins}",
        "Against the real galaxies of the same bin; p Holm-corrected over all bins of the simulations.",
    ),
    "population_bins": (
        "Structure fraction by mass, size and type",
        "Against the real galaxies of the same bin, with the difference of the log-likelihood ratio in nats, "
        "as Zanisi et al. 2021; p Holm-corrected over all bins of the simulations.",
    ),
    "trend": (
        "Trend over generations",
        "From {order}: change of the structure fraction per step, and the p-value of none.",
    ),
}


@dataclass(frozen=True)
class Questions:
    """What is asked beside the headline.

    Parameters
    ----------
    match : tuple of str
        Columns of the matched samples; default: nuisances that vary in the reference.
    bins : str
        Column of results in bins; default: the first magnitude, where there is one.
    edges : tuple of float
        Limits of the bins; default: the quintiles of the real galaxies.
    generations : tuple of str
        Data sets in the order that is claimed to be one of improvement, oldest first.
    conditions : tuple of str
        What real galaxies are to be equal in beside signal-to-noise and resolution.
    population : tuple of Property
        Mass, size and type: results by each, and matched in all three.
    """

    match: tuple[str, ...] = ()
    bins: str = ""
    edges: tuple[float, ...] = ()
    generations: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    population: tuple[Property, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Columns that are asked for by name."""
        named = condition_columns(self.conditions)
        return list(dict.fromkeys([*self.match, *([self.bins] if self.bins else []), *named]))


def needed_columns(form: Scores, questions: Questions) -> list[str]:
    """Columns of scores that a comparison reads.

    Parameters
    ----------
    form : Scores
        Rows are not needed.
    questions : Questions
    """
    known = {*_NEEDED, *shape_columns(form.colnames), *score_columns(form), form.headline}
    known |= {*NUMBERS, *form.nuisances, *questions.columns, *population_columns(questions.population)}
    return [name for name in form.colnames if name in known or name.startswith(_STRUCTURE)]


def further_tables(
    scores: Scores,
    seed: int,
    *,
    spaces: Mapping[str, Any] | None = None,
    questions: Questions | None = None,
    structure: Structure | None = None,
    verdicts: Mapping[str, str] | None = None,
    n_bootstrap: int = 500,
) -> list[FurtherTable]:
    """Make every table that the scores allow.

    Parameters
    ----------
    scores : Scores
        Of all data sets.
    seed : int
    spaces : mapping of str to array_like, shape (len(scores), d), optional
        Features for the two-sample tests besides the shape measurements of the catalogue, as of
        `simcompare.comparison.features.compare_features`.
    questions : Questions, optional
    structure : Structure, optional
        What the headline was made with. With it all tables are in units of the structure fraction; without it
        differences are those of the mean of the score that is there.
    verdicts : mapping of str to str, optional
        What the headline says of each simulation; sentences follow it.
    n_bootstrap : int

    Returns
    -------
    list of FurtherTable
        In the order of the report. A table that the data do not allow has its reason in `note`.
    """
    asked = questions or Questions()
    jobs = _Jobs(scores, seed, dict(spaces or {}), asked, structure, dict(verdicts or {}), n_bootstrap)
    tables = []
    for name, title, note, make in jobs.listed():
        try:
            table = make()
        except ValueError as error:
            logger.info("table '%s' skipped: %s", name, error)
            tables.append(FurtherTable(name, title, f"Not made: {error}", None))
        else:
            tables.append(FurtherTable(name, title, table.meta.pop("note", "") or note, table))
    return tables


@dataclass(frozen=True, eq=False)
class _Jobs:
    """One method for each table."""

    scores: Scores
    seed: int
    spaces: dict[str, Any]
    asked: Questions
    learned: Structure | None
    verdicts: dict[str, str]
    n_bootstrap: int

    def listed(self) -> list[tuple[str, str, str, Callable[[], Table]]]:
        """Name, title, note and maker of every table."""
        labels = {
            "columns": in_words(self.nuisances),
            "matched": in_words(self.match_in),
            "bins": in_words([self.binning[0] or "property"]),
            "nats": ", nats" if column_of(self.scores.headline).unit == "nat" else "",
            "order": " to ".join(self.asked.generations),
            "population": in_words([each.column for each in self.population]),
            "n_bootstrap": self.n_bootstrap,
        }
        return [
            (name, title.format(**labels), note.format(**labels), getattr(self, name))
            for name, (title, note) in (_TABLES | (_IN_FRACTION if self.fraction else {})).items()
            if self._is_asked(name)
        ]

    def _is_asked(self, name: str) -> bool:
        """Whether a table is made: some are on request alone."""
        if name.startswith("population_"):
            return bool(self.asked.population)
        return name != "trend" or bool(self.asked.generations)

    @cached_property
    def population(self) -> list[Property]:
        """Mass, size and type, by columns that are known of real galaxies."""
        real = self.scores.derived().reference_sample() if self.asked.population else None
        return [each.known(real) for each in self.asked.population]

    @property
    def fraction(self) -> Structure | None:
        """What structure fractions are made with; None where there are none."""
        return self.learned if self.learned is not None and self.learned.has_twins else None

    @cached_property
    def nuisances(self) -> list[str]:
        """Columns to adjust for."""
        return usable_nuisances([self.scores])

    @property
    def match_in(self) -> tuple[str, ...]:
        """Columns of matched samples."""
        return self.asked.match or tuple(self.nuisances)

    @property
    def binning(self) -> tuple[str, tuple[float, ...]]:
        """Column and limits of the bins."""
        magnitudes = [name for name in self.nuisances if name.startswith("mag_")]
        column = self.asked.bins or (magnitudes[0] if magnitudes else "")
        if self.asked.edges or column not in self.scores:
            return column, self.asked.edges
        values = self.scores.reference_sample().numbers(column)
        values = values[np.isfinite(values)]
        edges = np.unique(np.quantile(values, np.linspace(0, 1, 6))) if values.size else np.zeros(0)
        return column, tuple(np.nextafter(edges, [*edges[:-1], np.inf]).tolist())  # the last value is inside

    def rng(self, name: str) -> np.random.Generator:
        """Stream of one table."""
        return stream(self.seed, "analysis", name)

    def structure(self) -> Table:
        return structure_by_part(self.scores, self.scores.others, self.seed, self.asked.conditions)

    def reasons(self) -> Table:
        if self.learned is None:
            raise ValueError("no structure score, so no difference to explain.")
        table = reasons(self.scores, self.learned, self.seed)
        lines = " ".join(sentences(table, self.verdicts))
        note = _TABLES["reasons"][1]
        table.meta["note"] = f"{lines} {note}".strip()
        return table

    def every_score(self) -> Table:
        return every_score(self.scores, self.seed, n_bootstrap=self.n_bootstrap)

    def balance(self) -> Table:
        return balance_all(self.scores, self.match_in)

    def adjusted(self) -> Table:
        if self.fraction is not None:
            return adjusted_fractions(self.scores, self.fraction, self.nuisances, self.seed)
        return adjusted_differences(
            self.scores, self.seed, columns=self.nuisances, n_bootstrap=self.n_bootstrap
        )

    def matched(self) -> Table:
        if self.fraction is not None:
            return matched_fractions(self.scores, self.fraction, self.match_in)
        return match_all(self.scores, self.match_in, self.seed, n_bootstrap=self.n_bootstrap)

    def contrasts(self) -> Table:
        if self.fraction is not None:
            return fraction_contrasts(self.scores, self.fraction)
        return contrasts(self.scores, self.match_in, self.seed, n_bootstrap=self.n_bootstrap)

    def jackknife(self) -> Table:
        scores = with_sub_boxes(self.scores)
        return jackknife_all(scores) if self.fraction is None else fraction_jackknife(scores, self.fraction)

    def typicality(self) -> Table:
        marked = add_typicality(self.scores, self.rng("typical"), columns=self.nuisances)
        return batch_typicality(marked, self.seed, columns=self.nuisances)

    @cached_property
    def feature_spaces(self) -> dict[str, Any]:
        """Spaces given, and the shape measurements where there are any."""
        spaces = dict(self.spaces)
        try:
            spaces["morphology"] = morphology_features(self.scores)
        except ValueError:
            if not spaces:
                raise
        return spaces

    def features(self) -> Table:
        return compare_features(self.scores, self.feature_spaces, self.seed)

    @cached_property
    def comparison_of_models(self) -> ModelComparison:
        """Probabilities in the latents, or else in the first space there is."""
        spaces, some = self.feature_spaces, []
        name = "latents" if "latents" in spaces else next(iter(spaces))
        for dataset in self.scores.datasets:
            rows = np.flatnonzero(self.scores.held_out(dataset))
            if rows.size > MOST_COMPARED:
                rows = np.sort(self.rng(f"posterior {dataset}").choice(rows, MOST_COMPARED, replace=False))
            some.append(rows)
        rows = np.sort(np.concatenate(some))
        part = self.scores.select()[rows]
        kept = Rows(spaces[name], rows)[:][:, :MOST_FEATURES]
        known = self._unit_of(spaces[name])
        if known is None:  # then from the simulations: tested real galaxies would favour themselves
            known = kept[np.isin(part["dataset"], part.of_kind(Kind.SIMULATED))]
        known = known[np.isfinite(known).all(axis=1)]
        if len(known) < 2:
            raise ValueError(f"model comparison needs simulations with finite {name}; none has them.")
        scale = known.std(axis=0)
        unit = (kept - known.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
        return compare_models(part, unit, self.seed)

    def _unit_of(self, values: Any) -> np.ndarray | None:
        """Features of real galaxies that a model has learned from, which no test uses; None for too few."""
        scores = self.scores
        learned = scores.equals("dataset", scores.named_reference) & ~scores.held_out(scores.named_reference)
        rows = scores.first_views(np.flatnonzero(learned))[:MOST_COMPARED]
        known = Rows(values, rows)[:][:, :MOST_FEATURES]
        return known if np.isfinite(known).all(axis=1).sum() >= LEAST_UNIT else None

    def posterior(self) -> Table:
        is_cut = np.bincount(self.scores.codes("dataset")).max() > MOST_COMPARED
        return posterior_table(self.comparison_of_models, MOST_COMPARED if is_cut else None)

    def calibration(self) -> Table:
        return self.comparison_of_models.calibration.copy()

    def bins(self) -> Table:
        column, edges = self.binning
        if not column or len(edges) < 2:
            raise ValueError("no column to bin in; name one with --bins.")
        if self.fraction is not None:
            return fractions_in_bins(self.scores, self.fraction, column, edges)
        return compare_in_bins(self.scores, column, edges, self.seed, n_bootstrap=self.n_bootstrap)

    def population_bins(self) -> Table:
        return population_bins(self.scores.derived(), self.fraction, self.population, self.seed)

    def population_matched(self) -> Table:
        scores = self.scores.derived()
        return matched_bootstrap(scores, self.population, self.seed, n_bootstrap=self.n_bootstrap)

    def trend(self) -> Table:
        if self.fraction is not None:
            return fraction_trend(self.scores, self.fraction, self.asked.generations)
        fit = trend_of(self.scores, self.asked.generations, self.rng("trend"), n_bootstrap=self.n_bootstrap)
        row = {"order": ", ".join(fit["order"]), "tau": fit["tau"], "p_value": fit["p_value"]}
        return Table(rows=[row | fit["slope"].columns("slope")])
