"""Which galaxies of a catalogue to use, and how much of each."""

import ast
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from astropy.table import Table

from mocks.galaxy import Galaxy

__all__ = ["aperture_radius", "cut_aperture", "evaluate", "select"]

LONGEST = 1000  # characters of an expression
OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: np.logical_not,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
}
FUNCTIONS = {"log10": np.log10, "sqrt": np.sqrt, "abs": np.abs}


def evaluate(expression: str, catalogue: Table) -> np.ndarray:
    """Evaluate an expression over the columns of a catalogue.

    Numbers, column names, ``+ - * / **``, comparisons, ``and or not``, ``log10 sqrt abs`` and brackets are
    understood and nothing else; no code is run.

    Parameters
    ----------
    expression : str
        For example ``"stellar_mass > 1e10 and is_central and 2 < half_mass_radius < 8"``.
    catalogue : astropy.table.Table

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        When the expression cannot be read, or names a column that the catalogue lacks.

    Examples
    --------
    >>> evaluate("log10(stellar_mass) >= 10", Table({"stellar_mass": [1e9, 1e10]})).tolist()
    [False, True]
    """
    if len(expression) > LONGEST:
        raise ValueError(f"expression of {len(expression)} characters; at most {LONGEST} are allowed.")

    def value(node: ast.AST) -> np.ndarray | float | bool:
        match node:
            case ast.Expression():
                return value(node.body)
            case ast.Constant(value=bool() | int() | float() as number):
                return float(number) if not isinstance(number, bool) else number
            case ast.Name(id=name) if name in catalogue.colnames:
                return np.asarray(catalogue[name])
            case ast.Name(id=name):
                known = ", ".join(catalogue.colnames)
                raise ValueError(f"no column {name!r} in the catalogue; it has {known}.")
            case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(left), value(right))
            case ast.BoolOp(op=op, values=parts):
                result = value(parts[0])
                for part in parts[1:]:
                    result = OPERATORS[type(op)](result, value(part))
                return result
            case ast.Compare(left=left, ops=ops, comparators=rights) if all(
                type(op) in OPERATORS for op in ops
            ):
                terms = [value(term) for term in (left, *rights)]
                results = [
                    OPERATORS[type(op)](*pair) for op, *pair in zip(ops, terms, terms[1:], strict=False)
                ]
                return (
                    np.logical_and.reduce(np.broadcast_arrays(*results)) if len(results) > 1 else results[0]
                )
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
                return FUNCTIONS[name](value(argument))
        raise ValueError(
            f"{ast.unparse(node)!r} is not understood in {expression!r}; allowed are columns, numbers, "
            f"+ - * / **, comparisons, and, or, not, {', '.join(FUNCTIONS)}."
        )

    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"expression {expression!r} cannot be read: {error}.") from error
    with np.errstate(all="ignore"):  # log10 of a zero rate is -inf, and compares as such
        return np.broadcast_to(value(tree), len(catalogue)).copy()


def select(
    catalogue: Table,
    *,
    min_stellar_mass: float | None = None,
    subhalo_ids: Iterable[int] | None = None,
    where: str | None = None,
    every: int | None = None,
) -> Table:
    """Choose rows of a catalogue; the conditions are applied in the order of the parameters.

    Parameters
    ----------
    catalogue : astropy.table.Table
        Of `mocks.readers.Snapshot.catalogue`.
    min_stellar_mass : float, optional
        [Msun].
    subhalo_ids : iterable of int, optional
        These galaxies alone.
    where : str, optional
        Expression, see `evaluate`.
    every : int, optional
        Every n-th of the rows that are left, in the order of their ``subhalo_id``.

    Returns
    -------
    astropy.table.Table
        A new table; possibly empty.

    Raises
    ------
    ValueError
        For galaxies that the catalogue lacks, a wrong expression, or `every` below 1.
    """
    kept = np.ones(len(catalogue), dtype=bool)
    if min_stellar_mass is not None:
        kept &= np.asarray(catalogue["stellar_mass"]) >= min_stellar_mass
    if subhalo_ids is not None:
        wanted = sorted({int(number) for number in subhalo_ids})
        missing = sorted(set(wanted) - set(np.asarray(catalogue["subhalo_id"]).tolist()))
        if missing:
            raise ValueError(
                f"{len(missing)} galaxies are not in the catalogue: {', '.join(map(str, missing[:10]))}; no "
                "such number, no stars, or flagged as not cosmological."
            )
        kept &= np.isin(catalogue["subhalo_id"], wanted)
    if where is not None:
        kept &= evaluate(where, catalogue).astype(bool)
    rows = catalogue[kept]
    if every is not None:
        if every < 1:
            raise ValueError(f"every is {every}; it must be at least 1.")
        rows.sort("subhalo_id")
        rows = rows[::every]
    return rows


def aperture_radius(aperture: str | float, galaxy: Galaxy, image_size: float | None = None) -> float:
    """Radius of an aperture.

    Parameters
    ----------
    aperture : str or float
        ``"30 kpc"`` or a bare number of kpc, ``"2 rhalf"`` (half-mass radii), or ``"image"`` (half the
        image's side).
    galaxy : Galaxy
        For its half-mass radius.
    image_size : float, optional
        Side of the image [physical kpc].

    Returns
    -------
    float
        [physical kpc].

    Raises
    ------
    ValueError
        When the aperture cannot be read or is not positive.
    """
    text = str(aperture).strip()
    found = re.fullmatch(r"(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*(kpc|rhalf)?", text)
    if text == "image" and image_size is not None:
        return 0.5 * image_size
    if found is None or float(found[1]) <= 0:
        raise ValueError(
            f"aperture {aperture!r} is not understood; write '30 kpc', '2 rhalf' or 'image' (of known size)."
        )
    unit = float(galaxy.properties["half_mass_radius"]) if found[2] == "rhalf" else 1.0
    return float(found[1]) * unit


def cut_aperture(galaxy: Galaxy, aperture: str | float, image_size: float | None = None) -> Galaxy:
    """Cut a galaxy to a sphere about its centre; what that leaves out is noted.

    Parameters
    ----------
    galaxy : Galaxy
    aperture, image_size
        See `aperture_radius`.

    Returns
    -------
    Galaxy

    Raises
    ------
    ValueError
        When the aperture cannot be read, or holds no star.
    """
    radius = aperture_radius(aperture, galaxy, image_size)
    inner = galaxy.within(radius)
    if len(inner.stars) == 0:
        raise ValueError(
            f"{galaxy.galaxy_id}: no star within {radius:g} kpc of its centre ({galaxy.source})."
        )
    share = inner.stars.mass.sum() / galaxy.stars.mass.sum()
    note = f"cut to {radius:.4g} kpc: {100 * share:.1f} % of the stellar mass"
    return replace(inner, notes=(*galaxy.notes, note))
