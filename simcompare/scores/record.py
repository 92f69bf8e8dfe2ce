"""The scores of images: their columns, the data set that is the reference, the score that is compared."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.table import Table
from astropy.units import Unit, UnrecognizedUnit

from simcompare.kinds import Kind
from simcompare.scores.columns import Column, Use, column_of, derived_columns, names_for
from simcompare.scores.display import as_html, as_line, draw_distributions
from simcompare.scores.values import column_values, is_number, some_rows, word_codes
from simcompare.statistics.means import Clustered

__all__ = ["Scores", "headline_of"]

HEADLINES = ("structure_z", "log_likelihood_ratio")
_SPLIT = {"structure_z": "aperture_ratio"}  # its parts by scale stand for those of the headline
LEARNED_KINDS = (Kind.OBSERVED, Kind.TWINS)  # a model has seen their training rows
_TELLING = ("dataset", "kind", "split", "galaxy_id")


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """Scores of many images of several data sets, one of which is the reference.

    Immutable: `with_columns`, ``scores[rows]`` and `with_reference` return new records, which share memory
    where they can. Made by `of`.

    Parameters
    ----------
    columns : mapping of str to ndarray or pyarrow.DictionaryArray, shape (n,)
        By name; text is dictionary-encoded, its values in increasing order.
    reference : str or None
        Data set of real galaxies that the others are compared with.
    headline : str
        Score that is compared.
    meta : mapping of str to anything
        Survey, bands, models and whatever else all rows have in common.
    own : mapping of str to Column
        Meaning and unit of columns that are not in `simcompare.scores.columns.COLUMNS`.
    """

    columns: Mapping[str, np.ndarray | pa.DictionaryArray]
    reference: str | None
    headline: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Column] = field(default_factory=dict)

    @classmethod
    def of(
        cls, table: Table | Mapping, reference: str | None = None, headline: str | None = None
    ) -> "Scores":
        """Take the columns of a table.

        Parameters
        ----------
        table : Table, or mapping of str to array_like
            One row for each image, with at least ``dataset``, ``galaxy_id`` and ``split``.
        reference : str, optional
            Default: the one data set of kind "observed", if there is one alone.
        headline : str, optional
            Default: the first that is there of structure score, log-likelihood ratio, raw log-likelihood.

        Raises
        ------
        ValueError
            When columns have more than one value in a row, or differ in length.
        """
        names = table.colnames if isinstance(table, Table) else list(table)
        columns = {name: column_values(name, table[name]) for name in names}
        if len({len(column) for column in columns.values()}) > 1:
            sizes = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
            raise ValueError(f"columns of scores differ in length: {sizes}.")
        own = {name: _described(table[name]) for name in names if _described(table[name]) != Column("")}
        own = {name: column for name, column in own.items() if not column_of(name).meaning}
        meta = dict(getattr(table, "meta", {}))
        scores = cls(columns, reference, headline or headline_of(columns), meta, own)
        real = [] if "dataset" not in columns else scores.of_kind(Kind.OBSERVED)
        return replace(scores, reference=real[0]) if reference is None and len(real) == 1 else scores

    # Columns and rows

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    @property
    def colnames(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns)

    def __getitem__(self, item: str | slice | np.ndarray | Sequence) -> "np.ndarray | Scores":
        """Values of a column, shape (n,), text as text; or the scores of some rows."""
        if not isinstance(item, str):
            return replace(self, columns={name: some_rows(each, item) for name, each in self.columns.items()})
        if item not in self.columns:
            raise KeyError(f"no column {item!r} in the scores; there are {', '.join(self.columns)}")
        column = self.columns[item]
        if isinstance(column, np.ndarray):
            return column
        if len(column) < len(column.dictionary):
            return np.array(column.dictionary_decode().to_pylist(), dtype=str)
        return np.array(column.dictionary.to_pylist(), dtype=str)[word_codes(column)]

    def is_text(self, name: str) -> bool:
        """Whether a column holds text."""
        return not isinstance(self.columns[name], np.ndarray)

    def numbers(self, name: str | None = None) -> np.ndarray:
        """Values of a column, default the headline, as float64, shape (n,)."""
        return np.asarray(self[self.headline if name is None else name], float)

    def codes(self, name: str) -> np.ndarray:
        """Integer codes of a column, in the order of its values, shape (n,)."""
        column = self.columns[name]
        return column if isinstance(column, np.ndarray) else word_codes(column)

    def words(self, name: str) -> list[str]:
        """List the different texts of a column, in order."""
        column = self.columns[name]
        if isinstance(column, np.ndarray):
            return [str(value) for value in np.unique(column)]
        there = np.bincount(word_codes(column), minlength=len(column.dictionary)) > 0
        return column.dictionary.filter(pa.array(there)).to_pylist()

    def equals(self, name: str, word: str) -> np.ndarray:
        """Mark the rows with a text in a column, shape (n,)."""
        column = self.columns[name]
        if isinstance(column, np.ndarray):
            return column == word
        place = column.dictionary.index(word).as_py()
        return word_codes(column) == place if place >= 0 else np.zeros(len(column), bool)

    def row_codes(self, names: Sequence[str]) -> np.ndarray:
        """Give each row a number by its values in some columns.

        Returns
        -------
        ndarray of int, shape (n,)
            From 0 without gaps, in the order of the values, the first column's first; equal rows alike.
        """
        codes = np.zeros(len(self), dtype=np.int64)
        for name in names:
            values, places = np.unique(self.codes(name), return_inverse=True)
            codes = np.unique(codes * len(values) + places, return_inverse=True)[1]
        return codes

    def with_columns(self, **columns: np.ndarray | Sequence) -> "Scores":
        """Scores with further columns, or with others of the same names.

        Parameters
        ----------
        **columns : array_like, shape (n,)
        """
        checked = {name: column_values(name, values) for name, values in columns.items()}
        if odd := [name for name, values in checked.items() if len(values) != len(self)]:
            raise ValueError(f"{', '.join(odd)}: other than {len(self)} rows; give one value for each.")
        return replace(self, columns=dict(self.columns) | checked)

    def select(self, *names: str) -> "Scores":
        """Scores with some columns, and those that tell galaxies and data sets apart."""
        wanted = dict.fromkeys((*_TELLING, *names))
        return replace(self, columns={name: self.columns[name] for name in wanted if name in self.columns})

    def without(self, *names: str) -> "Scores":
        """Scores without some columns; another headline, where it is among them."""
        columns = {name: each for name, each in self.columns.items() if name not in names}
        headline = headline_of(columns) if self.headline in names else self.headline
        return replace(self, columns=columns, headline=headline)

    def derived(self) -> "Scores":
        """Scores with the columns that follow from others, see `Column.make`."""
        values = {name: column.make(self) for name, column in derived_columns(self.columns).items()}
        return self.with_columns(**values)

    # Data sets and galaxies

    @cached_property
    def datasets(self) -> list[str]:
        """Names of all data sets, in order."""
        return self.words("dataset")

    @property
    def in_order(self) -> list[str]:
        """Names of all data sets in order of appearance."""
        codes, first = np.unique(self.codes("dataset"), return_index=True)
        return [self.datasets[k] for k in np.argsort(first)] if codes.size else []

    @property
    def others(self) -> list[str]:
        """Names of the data sets but the reference, in order."""
        return [name for name in self.datasets if name != self.reference]

    def of_kind(self, kind: str) -> list[str]:
        """Names of the data sets of a kind; without kinds all are simulated."""
        if "kind" not in self.columns:
            return self.datasets if kind == Kind.SIMULATED else []
        return [name for name in self.datasets if self.kind_of(name) == kind]

    def pairs_of_simulations(self) -> list[tuple[str, str]]:
        """Every two simulations; ValueError when there are fewer than two."""
        names = self.of_kind(Kind.SIMULATED)
        if len(names) < 2:
            raise ValueError(f"a contrast needs two simulations; found {', '.join(names) or 'none'}.")
        return list(combinations(names, 2))

    def kind_of(self, dataset: str) -> str:
        """Kind of a data set; simulated where nothing is said."""
        if "kind" not in self.columns:
            return "simulated"
        first = int(np.argmax(self.equals("dataset", dataset)))
        return self[first : first + 1].words("kind")[0]

    def held_out(self, dataset: str) -> np.ndarray:
        """Mark the rows of a data set that no model has learned from.

        Returns
        -------
        ndarray of bool, shape (n,)
            Of real galaxies and their twins those of the split "test"; of others all.
        """
        chosen = self.equals("dataset", dataset)
        if "kind" in self.columns and not any((self.equals("kind", k) & chosen).any() for k in LEARNED_KINDS):
            return chosen
        return chosen & self.equals("split", "test")

    def sample(self, dataset: str) -> "Scores":
        """Scores of the rows of a data set that no model has learned from, see `held_out`."""
        chosen = self.held_out(dataset)
        n, first = int(chosen.sum()), int(np.argmax(chosen))
        # A slice, where the rows stand together, costs no copy.
        return self[slice(first, first + n) if chosen[first : first + n].all() else chosen]

    def reference_sample(self) -> "Scores":
        """Scores of the held-out real galaxies.

        Raises
        ------
        ValueError
            When it is not said which data set is the reference.
        """
        return self.sample(self.named_reference)

    @property
    def named_reference(self) -> str:
        """Name of the reference; ValueError when it is not said which it is."""
        if self.reference is None:
            names = self.of_kind(Kind.OBSERVED)
            raise ValueError(
                f"the scores hold {len(names)} real data sets ({', '.join(names) or 'score one too'});"
                " name the reference."
            )
        return self.reference

    def with_reference(self, reference: str | None) -> "Scores":
        """Return the scores with another reference; None keeps the present one."""
        return self if reference is None else replace(self, reference=reference)

    def with_headline(self, headline: str) -> "Scores":
        """Return the scores with another headline column."""
        return replace(self, headline=headline)

    @property
    def galaxies(self) -> np.ndarray:
        """Numbers of the galaxies, in the order of their names, shape (n,)."""
        return self.codes("galaxy_id")

    @property
    def n_galaxies(self) -> int:
        """Number of different galaxies."""
        return int(np.unique(self.galaxies).size)

    def first_views(self, rows: np.ndarray) -> np.ndarray:
        """Choose the first of some rows of each galaxy, in order of their names, shape (n_galaxies,)."""
        return rows[np.unique(self.galaxies[rows], return_index=True)[1]]

    def clustered(self, dataset: str | None = None, column: str | None = None) -> Clustered:
        """Values of a column, default the headline, of the held-out rows of a data set, or of all rows."""
        rows = slice(None) if dataset is None else self.held_out(dataset)
        return Clustered.of(self.numbers(column)[rows], self.galaxies[rows])

    # What the columns serve for

    @property
    def nuisances(self) -> list[str]:
        """Columns of brightness, noise, seeing and size, as they stand."""
        kept = set(names_for(Use.NUISANCE, self.columns))
        return [name for name in self.columns if name in kept and is_number(self.columns[name])]

    @property
    def scales(self) -> dict[str, str]:
        """Columns of the headline's parts by scale, finest first, and the names of the scales."""
        stem = f"{_SPLIT.get(self.headline, self.headline)}_scale_"
        columns = sorted(
            (name for name in self.columns if name.startswith(stem)), key=lambda n: int(n[len(stem) :])
        )
        names = self.meta.get("scale_names") or [f"scale {k}" for k in range(len(columns))]
        return {name: str(names[k]) for k, name in enumerate(columns)}

    def named_scales(self) -> dict[str, str]:
        """As `scales`; ValueError when there are none."""
        if not self.scales:
            raise ValueError(
                f"the scores have no columns {self.headline}_scale_<k>; the model does not split its "
                "likelihood by scale."
            )
        return self.scales

    # For people

    def plot(self, ax: Any = None, *, n_bins: int = 40) -> Any:
        """Draw the distribution of the headline in every data set, each galaxy counted once.

        Parameters
        ----------
        ax : Axes, optional
            Default: those of a new figure.
        n_bins : int

        Returns
        -------
        Axes
        """
        return draw_distributions(self, ax, n_bins)

    @property
    def table(self) -> Table:
        """All columns as an astropy table, with descriptions and units."""
        table = Table({name: self[name] for name in self.columns}, copy=False)
        for name in table.colnames:
            column = self.own.get(name) or column_of(name)
            unit = Unit(column.unit, parse_strict="silent")
            table[name].unit = None if isinstance(unit, UnrecognizedUnit) or not column.unit else unit
            in_nats = f" [{column.unit}]" if isinstance(unit, UnrecognizedUnit) else ""
            table[name].description = f"{column.meaning}{in_nats}" or None
        table.meta = dict(self.meta)
        return table

    def __repr__(self) -> str:
        return as_line(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def headline_of(names: Collection[str]) -> str:
    """Column that carries a comparison: the first there is of structure score, ratio, raw log-likelihood."""
    return next((name for name in HEADLINES if name in names), "log_prob")


def _described(column: Any) -> Column:
    """Read unit and description of a column of an astropy table."""
    unit, meaning = getattr(column, "unit", None), getattr(column, "description", None)
    return Column(str(meaning or ""), str(unit or ""))
