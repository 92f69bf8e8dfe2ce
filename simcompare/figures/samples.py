"""The numbers behind the figures: each function makes the one table that its figure draws."""

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise

import numpy as np
from astropy.table import Table

from simcompare.figures.style import axis_label
from simcompare.scores.table import galaxies_of, headline_score, narrowed, reference_rows
from simcompare.scores.text_column import equals, words_of
from simcompare.statistics.resampling import resamples
from simcompare.statistics.two_sample import Clustered, bootstrap_means, difference_of_means

__all__ = [
    "binned_scores",
    "density_numbers",
    "relation_numbers",
    "roc_numbers",
    "scale_numbers",
    "split_scores",
]

FINE = 1024  # cells that values are gathered in before smoothing
POINTS = 240  # points of a drawn curve
FEW = 40  # data sets with fewer galaxies are shown galaxy by galaxy


def datasets_of(scores: Table, reference: str) -> list[str]:
    """Names of the data sets with rows to draw, the reference first, then simulations, then controls."""
    names = words_of(scores["dataset"])
    kind = {name: kind_of(scores, name) for name in names}
    names = [name for name in names if reference_rows(scores, name).any()]
    return sorted(names, key=lambda name: (name != reference, kind[name] != "simulated", name))


def kind_of(scores: Table, dataset: str) -> str:
    """Kind of a data set."""
    return str(scores["kind"][equals(scores["dataset"], dataset)][0])


def sample_of(scores: Table, dataset: str, column: str) -> Clustered:
    """Values of a column of one data set, by galaxy."""
    rows = reference_rows(scores, dataset)
    galaxy = galaxies_of(scores)[rows]
    return Clustered.of(np.asarray(scores[column], float)[rows], galaxy)


def split_scores(scores: Table, reference: str) -> Table:
    """Take the images of one data set by what the model did with them: trained on, stopped by, held out.

    Parameters
    ----------
    scores : Table
    reference : str

    Returns
    -------
    Table
        Rows of the data set, named after their split, all to be drawn.
    """
    table = narrowed(scores, "log_prob")[equals(scores["dataset"], reference)]
    words = {"train": "trained on", "validation": "validation", "test": "held out"}
    named = [(equals(table["split"], split), words.get(split, split)) for split in words_of(table["split"])]
    table["dataset"] = np.select(*map(list, zip(*named, strict=True)), default="")
    table["kind"] = np.where(equals(table["split"], "test"), "observed", "simulated")
    table["split"] = np.full(len(table), "test")
    return table


def binned_scores(scores: Table, reference: str, x: str, n_bins: int = 3) -> dict[str, Table]:
    """Divide the scores in bins of a property that hold equal numbers of real galaxies.

    Parameters
    ----------
    scores : Table
    reference : str
    x : str
        Column of the property.
    n_bins : int

    Returns
    -------
    dict of str to Table
        By the range of the property in words; bins with fewer than two real galaxies are left out.
    """
    values = np.asarray(scores[x], float)
    real = values[reference_rows(scores, reference) & np.isfinite(values)]
    inner = np.quantile(real, np.linspace(0, 1, n_bins + 1))[1:-1] if real.size else np.array([])
    edges = np.concatenate([[-np.inf], np.unique(inner), [np.inf]])
    found = {}
    for low, high in pairwise(edges):
        part = scores[(values >= low) & (values < high)]
        if reference_rows(part, reference).sum() > 1:
            what, _, unit = axis_label(x).partition("  ")
            least = f"{low:.3g} < " if np.isfinite(low) else ""
            most = f" < {high:.3g}" if np.isfinite(high) else ""
            found[f"{least}{what}{most}  {unit}".rstrip()] = part
    return found


def density_numbers(
    scores: Table,
    reference: str,
    rng: np.random.Generator,
    *,
    column: str | None = None,
    n_bootstrap: int = 300,
) -> Table:
    """Smoothed distribution of a score in every data set, with a bootstrap band.

    Parameters
    ----------
    scores : Table
        Score table.
    reference : str
        Data set of real galaxies.
    rng : numpy.random.Generator
        Draws the galaxies of the band.
    column : str, optional
        Score; default the headline.
    n_bootstrap : int

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies``, ``n_images``, ``value``, ``density``, ``density_low`` and
        ``density_high`` (2.5 and 97.5 %), a Gaussian kernel of Silverman's width for the number of galaxies;
        ``median``, ``quartile_low``, ``quartile_high`` of the data set.
    """
    column = column or headline_score(scores)
    samples = {name: sample_of(scores, name, column) for name in datasets_of(scores, reference)}
    low, high = _common_range([sample.values for sample in samples.values()])
    edges = np.linspace(low, high, FINE + 1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    points = np.linspace(low, high, POINTS)
    tables = []
    for name, sample in samples.items():
        width = max(_silverman(sample), edges[1] - edges[0])
        kernel = np.exp(-0.5 * ((points[:, None] - centres) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        cells = np.searchsorted(edges, sample.values, side="right")  # 0 and FINE + 1 lie outside the range
        curves = [
            kernel
            @ np.bincount(cells, row[sample.codes] * sample.weights, FINE + 2)[1:-1]
            / sample.n_galaxies
            for row in chain([np.ones(sample.n_galaxies)], resamples(sample.n_galaxies, n_bootstrap, rng))
        ]
        band = np.quantile(curves[1:], [0.025, 0.975], axis=0)
        n = len(points)
        tables.append(
            {
                "dataset": np.full(n, name),
                "kind": np.full(n, kind_of(scores, name)),
                "n_galaxies": np.full(n, sample.n_galaxies),
                "n_images": np.full(n, sample.values.size),
                "value": points,
                "density": curves[0],
                "density_low": band[0],
                "density_high": band[1],
                "median": np.full(n, _quantile(sample, 0.5)),
                "quartile_low": np.full(n, _quantile(sample, 0.25)),
                "quartile_high": np.full(n, _quantile(sample, 0.75)),
            }
        )
    return _joined(tables, column=column, reference=reference)


def _quantile(sample: Clustered, share: float) -> float:
    """Value below which a share of the images lies, every galaxy counted once."""
    total = np.cumsum(sample.weights)
    return float(sample.values[min(np.searchsorted(total, share * total[-1]), total.size - 1)])


def _common_range(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """Range that shows all data sets, each without its farthest outliers, with a margin."""
    ends = np.array([np.quantile(each, [0.002, 0.998]) for each in values])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def _silverman(sample: Clustered) -> float:
    """Width of the kernel for this spread and number of galaxies."""
    low, high = np.quantile(sample.values, [0.25, 0.75])
    spread = sample.values.std()
    if sample.n_galaxies >= FEW and high > low:  # quartiles of a few galaxies mean little
        spread = min(spread, (high - low) / 1.349)
    return 0.9 * spread * sample.n_galaxies**-0.2


def _joined(tables: Sequence[Mapping[str, np.ndarray]], **meta: object) -> Table:
    """Tables of equal columns one below the other."""
    joined = Table({name: np.concatenate([table[name] for table in tables]) for name in tables[0]})
    joined.meta = dict(meta)
    return joined


def roc_numbers(scores: Table, reference: str, *, column: str | None = None) -> Table:
    """Share of simulated against share of real images below each value of the score.

    Parameters
    ----------
    scores, reference, column
        As for `density_numbers`.

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies``, ``real_below``, ``simulated_below``, ``auc``.
    """
    column = column or headline_score(scores)
    real = sample_of(scores, reference, column)
    tables = []
    for name in datasets_of(scores, reference):
        if name == reference:
            continue
        sample = sample_of(scores, name, column)
        grid = np.unique(np.concatenate([real.values, sample.values]))
        below = [_share_below(each, grid) for each in (real, sample)]
        n = grid.size + 1
        pick = np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(int))
        auc = float(np.trapezoid(below[1], below[0]))
        n = pick.size
        tables.append(
            {
                "dataset": np.full(n, name),
                "kind": np.full(n, kind_of(scores, name)),
                "n_galaxies": np.full(n, sample.n_galaxies),
                "real_below": below[0][pick],
                "simulated_below": below[1][pick],
                "auc": np.full(n, auc),
            }
        )
    return _joined(tables, column=column, reference=reference)


def _share_below(sample: Clustered, grid: np.ndarray) -> np.ndarray:
    """Distribution function at and below each grid value, starting at 0."""
    lower = np.concatenate([[0.0], np.cumsum(sample.weights)])
    share = lower[np.searchsorted(sample.values, grid, side="right")] / lower[-1]
    return np.concatenate([[0.0], share])


def relation_numbers(
    scores: Table,
    reference: str,
    x: str,
    *,
    column: str | None = None,
    n_bins: int = 8,
    least: int = 5,
) -> Table:
    """Score against a property: median and quartiles in bins of equal numbers of real galaxies.

    Parameters
    ----------
    scores, reference
        As for `density_numbers`.
    x : str
        Column of the property.
    column : str, optional
        Score; default the headline.
    n_bins : int
        Greatest number of bins; fewer when galaxies are few.
    least : int
        Fewest galaxies of a bin that is shown. Data sets of fewer than 40, and a reference of fewer than
        this, are shown galaxy by galaxy.

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies`` (in the bin), ``x_low``, ``x_high``, ``x`` (median of the data
        set in the bin), ``median``, ``quartile_low``, ``quartile_high``, ``median_error``, ``difference`` to
        the reference in the same bin and ``difference_error``, with that of the reference's median.
    """
    column = column or headline_score(scores)
    names = datasets_of(scores, reference)
    means = {name: _galaxy_table(scores, name, [x, column]) for name in names}
    pooled = np.concatenate([table[x] for table in means.values()])
    real = means[reference][x] if len(means.get(reference, {x: ()})[x]) else pooled
    n_bins = int(np.clip(len(real) // (2 * least), 1, n_bins))
    inner = np.quantile(real, np.linspace(0, 1, n_bins + 1))[1:-1]
    edges = np.unique(np.concatenate([[pooled.min()], inner, [pooled.max()]]))
    known: dict[int, tuple[float, float]] = {}  # median of the reference and its error, by bin
    unknown = (np.nan, np.nan)
    rows = []
    for name in names:
        values, label = means[name], {"dataset": name, "kind": kind_of(scores, name)}
        place = np.clip(np.searchsorted(edges, values[x], side="right") - 1, 0, max(len(edges) - 2, 0))
        if place.size < (least if name == reference else FEW):
            rows += [
                label | _single(values[x][i], values[column][i], known.get(int(place[i]), unknown)[0])
                for i in range(place.size)
            ]
            continue
        for k in np.unique(place):
            inside = values[column][place == k]
            if inside.size < least:
                continue
            if name == reference:
                known[int(k)] = float(np.median(inside)), _median_error(inside)
            ends = {"x_low": edges[k], "x_high": edges[min(k + 1, len(edges) - 1)]}
            middle = {"x": float(np.median(values[x][place == k]))}
            row = label | ends | middle | _quartiles(inside, *known.get(int(k), unknown))
            rows.append(row | ({"difference_error": 0.0} if name == reference else {}))
    names = [
        "dataset",
        "kind",
        "n_galaxies",
        "x_low",
        "x_high",
        "x",
        "median",
        "quartile_low",
        "quartile_high",
        "median_error",
        "difference",
        "difference_error",
    ]
    table = (
        Table(rows=rows, names=names) if rows else Table(names=names, dtype=["U1", "U1", int] + 9 * [float])
    )
    table.meta = {"x": x, "column": column, "reference": reference}
    return table


def _median_error(inside: np.ndarray) -> float:
    """Estimate the standard error of the median as that of a normal distribution with these quartiles."""
    low, high = np.quantile(inside, [0.25, 0.75])
    return float(1.2533 * (high - low) / 1.349 / np.sqrt(inside.size))


def _quartiles(inside: np.ndarray, real: float, real_error: float) -> dict[str, float]:
    """Median and quartiles of the scores in one bin."""
    low, middle, high = np.quantile(inside, [0.25, 0.5, 0.75])
    error = _median_error(inside)
    return {
        "n_galaxies": inside.size,
        "median": middle,
        "quartile_low": low,
        "quartile_high": high,
        "median_error": error,
        "difference": middle - real,
        "difference_error": float(np.hypot(error, real_error)),
    }


def _single(x: float, value: float, real: float) -> dict[str, float]:
    """Row of a single galaxy."""
    unknown = dict.fromkeys(("quartile_low", "quartile_high", "median_error", "difference_error"), np.nan)
    place = {"x_low": x, "x_high": x, "x": x}
    return {"n_galaxies": 1, "median": value, "difference": value - real} | place | unknown


def _galaxy_table(scores: Table, dataset: str, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Mean over views of columns, one row per galaxy whose values are all finite."""
    rows = reference_rows(scores, dataset)
    values = {name: np.asarray(scores[name], float)[rows] for name in columns}
    finite = np.all([np.isfinite(each) for each in values.values()], axis=0)
    _, codes = np.unique(galaxies_of(scores)[rows][finite], return_inverse=True)
    counts = np.bincount(codes)
    return {name: np.bincount(codes, each[finite]) / counts for name, each in values.items()}


def scale_numbers(
    scores: Table, reference: str, rng: np.random.Generator, *, n_bootstrap: int = 1000
) -> Table:
    """Which scales of the image carry the difference to real galaxies.

    Parameters
    ----------
    scores : Table
        With columns ``log_likelihood_ratio_scale_<k>`` (or, without background, ``log_prob_scale_<k>``).
    reference, rng, n_bootstrap
        As for `density_numbers`.

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies``, ``scale`` (0 finest), ``scale_name``, ``mean``, ``mean_low``,
        ``mean_high``, ``delta_mean`` (to the reference), ``delta_mean_low``, ``delta_mean_high`` [nats].

    Raises
    ------
    ValueError
        When the table has no such columns.
    """
    stem = f"{headline_score(scores)}_scale_"
    columns = sorted(
        (name for name in scores.colnames if name.startswith(stem)), key=lambda n: int(n[len(stem) :])
    )
    if not columns:
        raise ValueError(
            f"the scores have no columns {stem}<k>; the model does not split its likelihood by scale."
        )
    names = scores.meta.get("scale_names") or [f"scale {k}" for k in range(len(columns))]
    rows = []
    for dataset in datasets_of(scores, reference):
        for k, column in enumerate(columns):
            sample, real = sample_of(scores, dataset, column), sample_of(scores, reference, column)
            own = np.full(2, np.nan)
            if sample.n_galaxies > 1:
                own = np.quantile(bootstrap_means(sample, rng, n_bootstrap), [0.025, 0.975])
            delta = difference_of_means(sample, real, rng, n_bootstrap=n_bootstrap)
            is_reference = dataset == reference
            rows.append(
                {
                    "dataset": dataset,
                    "kind": kind_of(scores, dataset),
                    "n_galaxies": sample.n_galaxies,
                    "scale": k,
                    "scale_name": str(names[k]),
                    "mean": float(sample.means.mean()),
                    "mean_low": own[0],
                    "mean_high": own[1],
                    "delta_mean": 0.0 if is_reference else delta.value,
                    "delta_mean_low": 0.0 if is_reference else delta.low,
                    "delta_mean_high": 0.0 if is_reference else delta.high,
                }
            )
    table = Table(rows=rows)
    table.meta = {"column": stem, "reference": reference}
    return table
