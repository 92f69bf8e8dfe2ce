"""The comparison laid out as Zanisi et al. 2021 do: by mass, size and type, and matched in all three."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table, vstack

from mocks.streams import stream
from simcompare.comparison.fractions import fractions_in_bins, judged_bins
from simcompare.comparison.matching import compare_in_bins
from simcompare.kinds import Kind
from simcompare.scores.columns import COLUMNS
from simcompare.scores.nuisance import read_columns
from simcompare.scores.record import Scores
from simcompare.scores.structure import Structure

__all__ = [
    "AUTO",
    "Property",
    "matched_bootstrap",
    "population_bins",
    "population_columns",
    "population_of",
    "property_of",
]

AUTO = "auto"
N_BINS = 3
TYPE_EDGES = {"concentration": (0.0, 3.2, np.inf), "sersic": (0.0, 2.5, np.inf)}  # late and early types
LEAST_MATCHED = 5  # galaxies of each side
RATIO = "log_likelihood_ratio"


@dataclass(frozen=True)
class Property:
    """A property of galaxies, and the limits of its bins.

    Parameters
    ----------
    column : str
    edges : tuple of float
        Increasing; empty for thirds of the real galaxies, or for late and early types.
    instead : tuple of str
        Columns that serve where the first is known of less than half the real galaxies.
    """

    column: str
    edges: tuple[float, ...] = ()
    instead: tuple[str, ...] = ()

    def known(self, real: Scores) -> "Property":
        """Take the first of the columns that is known of half the real galaxies; the first where none is."""
        for name in (self.column, *self.instead):
            if name in real and np.isfinite(real.numbers(name)).mean() >= 0.5:
                return Property(name, self.edges)
        return Property(self.column, self.edges)

    def limits(self, real: Scores) -> tuple[float, ...]:
        """Limits of the bins, by default from the held-out real galaxies."""
        if self.edges:
            return self.edges
        for stem, edges in TYPE_EDGES.items():
            if self.column.startswith(stem):
                return edges
        values = real.numbers(self.column)
        values = values[np.isfinite(values)]
        if values.size < N_BINS or np.ptp(values) == 0:
            raise ValueError(
                f"{self.column} is known for {values.size} held-out real galaxies, or equal for all; add it "
                f"(simcompare prepare --properties), or give limits: '{self.column}:1,2,3'."
            )
        inner = np.quantile(values, np.arange(1, N_BINS) / N_BINS)
        return (-np.inf, *inner.tolist(), np.inf)


def population_of(text: str | None, names: Iterable[str]) -> tuple[Property, ...]:
    """Read mass, size and type from an option.

    Parameters
    ----------
    text : str or None
        ``column`` or ``column:limits`` three times, separated by ';'; or "auto".
    names : iterable of str
        Columns of the scores.

    Returns
    -------
    tuple of Property
        Empty for None.

    Raises
    ------
    ValueError
        When the text cannot be read, or a column is not there.
    """
    if text is None:
        return ()
    names = [*names, *(name for name, each in COLUMNS.items() if each.make and {*each.needs} <= {*names})]
    if text.strip() == AUTO:
        return tuple(_property_in(names, *stems) for stems in _STEMS)
    properties = tuple(property_of(part, "--population") for part in text.split(";") if part.strip())
    if unknown := [each.column for each in properties if each.column not in names]:
        raise ValueError(
            f"--population names {unknown[0]!r}, no column of the scores; there are "
            f"{', '.join(sorted(names))}."
        )
    if len(properties) != len(_STEMS):
        raise ValueError(
            f"--population is {text!r}; name mass, size and type, separated by ';': "
            "'stellar_mass:1e9,1e10,1e11; half_light_radius; sersic_index', or 'auto'."
        )
    return properties


def property_of(text: str, option: str) -> Property:
    """Read ``column`` or ``column:limits``; ValueError names the option when the limits are none."""
    column, _, limits = text.partition(":")
    try:
        edges = tuple(float(edge) for edge in limits.split(",")) if limits else ()
    except ValueError as error:
        raise ValueError(f"{option} is {text!r}; write 'column' or 'column:15,16,17'.") from error
    if len(edges) == 1 or any(np.diff(edges) <= 0):
        raise ValueError(f"{option} has the limits {limits}; give two or more that increase.")
    return Property(column.strip(), edges)


_STEMS = (
    ("stellar_mass", "mag_"),
    ("half_light_radius_kpc", "half_light_radius"),
    ("sersic_n_", "sersic_index", "concentration"),
)


def _property_in(names: Sequence[str], *stems: str) -> Property:
    """Property whose columns begin with the stems, in their order."""
    matching = [name for stem in stems for name in names if name == stem]
    matching += [name for stem in stems for name in names if name.startswith(stem)]
    if not matching:
        raise ValueError(f"--population auto: the scores have none of {', '.join(stems)}; name the columns.")
    first, *others = dict.fromkeys(matching)
    return Property(first, instead=tuple(others))


def population_columns(properties: Iterable[Property]) -> list[str]:
    """Columns that scores must have for these properties, those that others follow from included."""
    names = [name for each in properties for name in (each.column, *each.instead)]
    needs = [need for name in names if name in COLUMNS for need in COLUMNS[name].needs]
    return [*names, *needs]


def population_bins(
    scores: Scores, structure: Structure | None, properties: Sequence[Property], seed: int
) -> Table:
    """Structure fraction, and difference of the ratio, in bins of each property.

    Parameters
    ----------
    scores : Scores
        With the columns.
    structure : Structure or None
        Without it differences of the headline are given in place of fractions.
    properties : sequence of Property
    seed : int

    Returns
    -------
    Table
        ``property``, and the columns of `fractions_in_bins` or `compare_in_bins`; with the former also
        ``delta_ratio``, mean log-likelihood ratio minus that of the real galaxies of the bin [nats], and its
        ``_low``, ``_high``. ``p_holm`` is over all bins of all properties of the simulations.

    Raises
    ------
    ValueError
        When a property is unknown of the real galaxies.
    """
    tables = []
    for each in properties:
        edges = each.limits(scores.reference_sample())
        nats = scores.with_headline(RATIO) if RATIO in scores else scores
        table = differences = compare_in_bins(nats, each.column, edges, seed, n_bootstrap=500)
        if structure is not None:
            table = fractions_in_bins(scores, structure, each.column, edges)
            for end in ("", "_low", "_high"):
                table[f"delta_ratio{end}"] = differences[f"delta_mean{end}"]
        table.meta.clear()
        table.add_column(np.full(len(table), each.column), name="property", index=1)
        tables.append(table)
    table = vstack(tables)
    if structure is not None:
        claims = np.isin(np.asarray(table["dataset"]), scores.of_kind(Kind.SIMULATED))
        table = judged_bins(table, claims)
    table.meta = {"reference": scores.reference, "score": scores.headline}
    return table


def matched_bootstrap(
    scores: Scores, properties: Sequence[Property], seed: int, *, n_bootstrap: int = 500
) -> Table:
    """Difference to real galaxies of the same mass, size and type: equal numbers drawn in every cell.

    Parameters
    ----------
    scores : Scores
    properties : sequence of Property
        The cells are all combinations of their bins; results stand for all, and for each bin of the first.
    seed : int
        Each data set has a stream of its own.
    n_bootstrap : int

    Returns
    -------
    Table
        ``dataset``; ``low``, ``high`` of the first property; ``n_galaxies`` of the data set, ``n_matched`` of
        it drawn each time, as many as real ones; ``delta``, mean headline minus that of the real galaxies,
        with ``_low``, ``_high`` (95 %) and ``_error``. NaN where fewer than 5 can be drawn. Unlike the paper,
        which takes the least number of all data sets, each set is drawn with the real galaxies alone.

    References
    ----------
    Zanisi et al. 2021, MNRAS 501, 4359.
    """
    edges = [each.limits(scores.reference_sample()) for each in properties]
    real = _placed(scores, scores.named_reference, properties, edges)
    rows = []
    for name in scores.others:
        ours, rng = _placed(scores, name, properties, edges), stream(seed, name, "matched bootstrap")
        whole = (edges[0][0], edges[0][-1])
        for number, (low, high) in enumerate([whole, *zip(edges[0][:-1], edges[0][1:], strict=True)]):
            inside = (lambda cell: True) if number == 0 else (lambda cell, k=number - 1: cell[0] == k)
            row = {"dataset": name, "low": low, "high": high}
            rows.append(row | _drawn(ours, real, inside, rng, n_bootstrap))
    table = Table(rows=rows)
    table.meta = {"columns": [each.column for each in properties], "reference": scores.reference}
    table.meta["score"] = scores.headline
    return table


def _placed(
    scores: Scores, dataset: str, properties: Sequence[Property], edges: Sequence[tuple[float, ...]]
) -> dict[tuple[int, ...], np.ndarray]:
    """Mean headline of each galaxy of a data set, by the cell of its first view."""
    sample = scores.sample(dataset)
    values = sample.numbers()
    places = read_columns(sample, [each.column for each in properties])
    pairs = zip(edges, places.T, strict=True)
    cells = np.stack([np.searchsorted(each, column, side="right") - 1 for each, column in pairs], axis=1)
    n_cells = [len(each) - 1 for each in edges]
    known = np.isfinite(values) & np.isfinite(places).all(axis=1) & ((cells >= 0) & (cells < n_cells)).all(1)
    _, first, galaxy = np.unique(sample.galaxies[known], return_index=True, return_inverse=True)
    means = np.bincount(galaxy, values[known]) / np.bincount(galaxy)
    means_in: dict[tuple[int, ...], list[float]] = {}
    for cell, mean in zip(cells[known][first].tolist(), means, strict=True):
        means_in.setdefault(tuple(cell), []).append(mean)
    return {cell: np.array(each) for cell, each in means_in.items()}


def _drawn(
    ours: dict, real: dict, inside: Callable[[tuple], bool], rng: np.random.Generator, n_bootstrap: int
) -> dict[str, float]:
    """Mean difference over resamples with equal numbers in the cells that both have."""
    row = {"n_galaxies": sum(len(each) for cell, each in ours.items() if inside(cell)), "n_matched": 0}
    row |= dict.fromkeys(("delta", "delta_low", "delta_high", "delta_error"), np.nan)
    cells = sorted(cell for cell in ours if cell in real and inside(cell))
    counts = [min(len(ours[cell]), len(real[cell])) for cell in cells]
    row["n_matched"] = sum(counts)
    if row["n_matched"] < LEAST_MATCHED:
        return row
    share = np.array(counts) / sum(counts)
    # Both sides of each cell are resampled; the number drawn sets the weight of the cell, and its error.
    delta = sum(
        weight * (_means(ours[cell], n, rng, n_bootstrap) - _means(real[cell], n, rng, n_bootstrap))
        for cell, n, weight in zip(cells, counts, share, strict=True)
    )
    low, high = np.quantile(delta, [0.025, 0.975])
    row |= {"delta": float(delta.mean()), "delta_low": float(low), "delta_high": float(high)}
    return row | {"delta_error": float(delta.std(ddof=1))}


def _means(values: np.ndarray, n: int, rng: np.random.Generator, n_bootstrap: int) -> np.ndarray:
    """Means of n values drawn with replacement, shape (n_bootstrap,)."""
    return values[rng.integers(len(values), size=(n_bootstrap, n))].mean(axis=1)
