"""Score tables: joined to one, with the columns and rows that a comparison takes from them."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table, vstack

from simcompare.scores.text_column import Words, equals, ordered, words_of

__all__ = [
    "blank_of",
    "first_views",
    "galaxies_of",
    "headline_score",
    "narrowed",
    "nuisance_columns",
    "only_real",
    "reference_rows",
    "row_codes",
    "sample_rows",
    "stack_scores",
]

LEARNED_KINDS = ("observed", "twins")  # a model has seen their training rows
_ALIKE = ("survey", "bands", "pixel_scale", "preparation_hash", "scale_names", "model", "background")
_TELLING = ("dataset", "kind", "split", "galaxy_id")
NUISANCES = ("mag_", "sky_sigma_", "psf_fwhm_", "half_light_radius")


def stack_scores(tables: Sequence[Table]) -> Table:
    """Put score tables of several image sets into one.

    Parameters
    ----------
    tables : sequence of Table
        As made by `simcompare.scores.likelihood.score`, under the same models.

    Returns
    -------
    Table
        All rows; catalogue columns that a table lacks are NaN, -1 or empty there.

    Raises
    ------
    ValueError
        When tables differ in their scores, or come from other surveys or preparations.
    """
    if not tables:
        raise ValueError("no score table given; name at least one score run.")
    first = tables[0]
    for table in tables[1:]:
        for key in _ALIKE:
            if table.meta.get(key) != first.meta.get(key):
                raise ValueError(
                    f"score tables cannot be joined: {key} is {first.meta.get(key)} in one "
                    f"and {table.meta.get(key)} in another."
                )
        odd = {n for n in set(first.colnames) ^ set(table.colnames) if n.startswith(("log_", "ensemble_"))}
        if odd:
            raise ValueError(
                f"score tables cannot be joined: only some have the columns {', '.join(sorted(odd))}; "
                "score all image sets with the same model and backgrounds."
            )
    names = list(dict.fromkeys(name for table in tables for name in table.colnames))
    filled = [_with_columns(table, names, tables) for table in tables]
    joined = vstack(filled, metadata_conflicts="silent")
    counts: dict[str, int] = {}
    for table in tables:
        for name, n in table.meta.get("not_finite", {}).items():
            counts[name] = counts.get(name, 0) + n
    joined.meta = first.meta | {"not_finite": counts}
    return joined


def _with_columns(table: Table, names: Sequence[str], tables: Sequence[Table]) -> Table:
    """Copy of a table with every named column."""
    table = table.copy()
    for name in names:
        if name not in table.colnames:
            model = next(other[name] for other in tables if name in other.colnames)
            table[name] = np.full(len(table), blank_of(model.dtype), dtype=model.dtype)
    return table[list(names)]


def only_real(scores: Table) -> str:
    """Name of the data set of real galaxies, where there is one alone.

    Parameters
    ----------
    scores : Table

    Returns
    -------
    str

    Raises
    ------
    ValueError
        When there are none or several, naming them.
    """
    names = words_of(scores["dataset"][equals(scores["kind"], "observed")])
    if len(names) != 1:
        raise ValueError(
            f"the scores hold {len(names)} real data sets ({', '.join(names) or 'score one too'});"
            " name the reference."
        )
    return names[0]


def blank_of(dtype: np.dtype) -> str | float | bool | int:
    """Value of a score table's column where nothing is known."""
    return {"U": "", "S": "", "f": np.nan, "b": False}.get(dtype.kind, -1)


def headline_score(scores: Table) -> str:
    """Column that carries the comparison: the ratio where there is one, else the raw log-likelihood."""
    return "log_likelihood_ratio" if "log_likelihood_ratio" in scores.colnames else "log_prob"


def galaxies_of(scores: Table) -> np.ndarray:
    """Names of the galaxies, or numbers that are equal and in order as they are, shape (n,)."""
    column = scores["galaxy_id"]
    return column.codes if isinstance(column, Words) else np.asarray(column).astype(str, copy=False)


def first_views(scores: Table, rows: np.ndarray) -> np.ndarray:
    """Choose the first of the rows of each galaxy, in order of their names, shape (n_galaxies,)."""
    return rows[np.unique(galaxies_of(scores)[rows], return_index=True)[1]]


def nuisance_columns(scores: Table) -> list[str]:
    """Name the columns of brightness, noise, seeing and size."""
    return [
        name for name in scores.colnames if name.startswith(NUISANCES) and scores[name].dtype.kind in "fiu"
    ]


def reference_rows(scores: Table, dataset: str) -> np.ndarray:
    """Rows of one data set that no model has learned from.

    Parameters
    ----------
    scores : Table
        Score table.
    dataset : str
        Name of a data set.

    Returns
    -------
    ndarray of bool, shape (n,)
        Real galaxies and their Sersic twins only of the split "test"; simulated galaxies all.
    """
    chosen = equals(scores["dataset"], dataset)
    if "kind" in scores.colnames and not set(words_of(scores["kind"][chosen])) & set(LEARNED_KINDS):
        return chosen
    return chosen & equals(scores["split"], "test")


def sample_rows(scores: Table, dataset: str) -> slice | np.ndarray:
    """Find the rows of `reference_rows` as a slice where they stand together, which costs no copy."""
    chosen = reference_rows(scores, dataset)
    n, first = int(chosen.sum()), int(np.argmax(chosen))
    return slice(first, first + n) if chosen[first : first + n].all() else chosen


def narrowed(scores: Table, *columns: str) -> Table:
    """Table of what tells galaxies and data sets apart and of some columns, which are not copied.

    Parameters
    ----------
    scores : Table
    *columns : str
        Those that the table has not are left out.

    Returns
    -------
    Table
    """
    names = dict.fromkeys((*_TELLING, *columns))
    return Table({name: scores[name] for name in names if name in scores.colnames}, copy=False)


def row_codes(scores: Table, columns: Sequence[str]) -> np.ndarray:
    """Give each row a number by their values in some columns.

    Parameters
    ----------
    scores : Table
    columns : sequence of str

    Returns
    -------
    ndarray of int, shape (n,)
        From 0 without gaps, in the order of the values, the first column's first; equal rows alike.
    """
    codes = np.zeros(len(scores), dtype=np.int64)
    for name in columns:
        values, places = np.unique(ordered(scores[name]), return_inverse=True)
        codes = np.unique(codes * len(values) + places, return_inverse=True)[1]
    return codes
