"""Expressions over the columns of a catalogue: a small grammar with bounded numbers, which runs no code."""

import ast
import operator
import warnings
from collections.abc import Callable

import numpy as np
from astropy.table import Table

__all__ = ["evaluate", "select_rows"]

LONGEST = 10_000  # characters of an expression
DEEPEST = 100  # brackets, signs or terms of a sum within each other
_INTEGERS, _EXACT = 2**63, 2**53  # whole numbers of 64 bits, and those that a float holds exactly

_ARITHMETIC: dict[type, Callable] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip
_BITS: dict[type, Callable] = {ast.BitAnd: operator.and_, ast.BitOr: operator.or_}
_COMPARISONS: dict[type, Callable] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_FUNCTIONS = {"log10": np.log10, "sqrt": np.sqrt, "abs": np.abs, "isfinite": np.isfinite}
_ALLOWED = (
    "columns, numbers, quoted words beside a column, + - * / % ** & |, comparisons, and, or, not, in, "
    + ", ".join(_FUNCTIONS)
)


def evaluate(expression: str, catalogue: Table) -> np.ndarray:
    """Evaluate an expression over the columns of a catalogue.

    Numbers, column names, ``+ - * / % **``, ``& |`` of whole numbers, comparisons (chained ones too), words
    in quotes to compare a column with, ``and or not``, ``in`` a list of numbers or words, ``log10 sqrt abs
    isfinite`` and brackets are understood and nothing else. As in Python ``&`` binds more tightly than a
    comparison, ``and`` less.

    Parameters
    ----------
    expression : str
        For example ``"stellar_mass > 1e10 and is_central and 2 < half_mass_radius < 8"``; at most 10,000
        characters.
    catalogue : astropy.table.Table
        What is masked counts as NaN, or as the empty word.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        When the expression cannot be read, is nested too deeply, names a column that the catalogue lacks,
        mixes words and numbers, or leads to numbers out of range.

    Examples
    --------
    >>> evaluate("log10(stellar_mass) >= 10", Table({"stellar_mass": [1e9, 1e10]})).tolist()
    [False, True]
    """
    return np.broadcast_to(_value_of(expression, catalogue), len(catalogue)).copy()


def select_rows(catalogue: Table, expression: str) -> np.ndarray:
    """Rows for which an expression is true.

    Parameters
    ----------
    catalogue : astropy.table.Table
    expression : str
        As for `evaluate`, for example ``"14 < mag_r < 17.7 and dataset in ('TNG100-1', 'TNG50-1') and
        flags & 4 == 0"``.

    Returns
    -------
    ndarray of bool, shape (n,)
        False where a comparison meets NaN.

    Raises
    ------
    ValueError
        As `evaluate`, and when the expression is not a yes or no for each row.
    """
    result = np.asarray(_value_of(expression, catalogue))
    if result.shape != (len(catalogue),) or result.dtype.kind != "b":
        raise ValueError(f"selection {_short(expression)} is not true or false for each row.")
    return result


def _value_of(expression: str, catalogue: Table) -> np.ndarray | float:
    """Value of an expression; its errors name it."""
    if len(expression) > LONGEST:
        raise ValueError(f"expression of {len(expression)} characters; at most {LONGEST} are allowed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # such as "1 is x", which is refused below
            tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"expression {_short(expression)} cannot be read: {str(error) or 'too deep'}."
        ) from error
    _refuse_deep(tree, expression)
    try:
        with np.errstate(all="ignore"):  # log10 of a zero rate is -inf, and compares as such
            return _value(tree, catalogue)
    except (OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"a number in {_short(expression)} is out of range ({error}).") from error
    except TypeError as error:
        raise ValueError(f"{error} in {_short(expression)}.") from error


def _refuse_deep(tree: ast.AST, expression: str) -> None:
    """Raise for what would exhaust the stack."""
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(
                f"expression {_short(expression)} is nested more than {DEEPEST} deep; write it shorter, "
                "with 'in' for a list."
            )
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _value(node: ast.AST, catalogue: Table) -> np.ndarray | float | str:
    """Value of one node; nothing but the listed kinds is run."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as constant):
            return _bounded(constant)
        case ast.Name(id=name):
            return _column(name, catalogue)
        case ast.BinOp(left=left, op=kind, right=right):
            return _binary(node, type(kind), _value(left, catalogue), _value(right, catalogue))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ~_truth(operand, catalogue)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = _widened(_number(operand, _value(operand, catalogue)))
            return -value if isinstance(sign, ast.USub) else value
        case ast.BoolOp(op=kind, values=parts):
            combine = np.logical_and if isinstance(kind, ast.And) else np.logical_or
            return combine.reduce(np.broadcast_arrays(*(_truth(part, catalogue) for part in parts)))
        case ast.Compare(left=left, ops=kinds, comparators=others):
            return _compared(node, left, kinds, others, catalogue)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](_number(argument, _value(argument, catalogue)))
    raise ValueError(f"{_text(node)} is not understood; allowed are {_ALLOWED}.")


def _text(node: ast.AST) -> str:
    """Quote a piece of the expression for a message."""
    return _short(ast.unparse(node))


def _short(text: str) -> str:
    """Quote a text, its beginning if it is long."""
    return repr(text if len(text) < 80 else text[:77] + "...")


def _bounded(constant: float | str) -> float | str:
    """Constant, whole numbers beyond 64 bits as floats."""
    is_large = isinstance(constant, int) and abs(constant) >= _INTEGERS
    return float(constant) if is_large else constant


def _column(name: str, catalogue: Table) -> np.ndarray:
    """Column of numbers, truths or words; what is masked becomes NaN or empty."""
    if name not in catalogue.colnames:
        known = ", ".join(catalogue.colnames)
        raise ValueError(f"no column {name!r} in the catalogue; it has {known}.")
    column = catalogue[name]
    values = np.asarray(column)
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        raise ValueError(f"column {name!r} has several values per row.")
    if np.any(getattr(column, "mask", False)):
        empty = np.nan if values.dtype.kind in "biuf" else ""
        values = np.where(column.mask, empty, values)
    return np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values


def _is_word(value: np.ndarray | float | str) -> bool:
    """Whether a value is text."""
    return np.asarray(value).dtype.kind == "U"


def _number(node: ast.AST, value: np.ndarray | float | str) -> np.ndarray | float:
    """Value that must be a number."""
    if _is_word(value):
        raise ValueError(f"{_text(node)} is text, where a number is needed.")
    return value


def _truth(node: ast.AST, catalogue: Table) -> np.ndarray:
    """Value of a node as yes or no."""
    return np.asarray(_number(node, _value(node, catalogue)), dtype=bool)


def _widened(value: np.ndarray | float) -> np.ndarray | float:
    """Whole numbers of a column in 64 bits with sign, so that small ones do not wrap around."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biu":
        return value.astype(float if value.dtype == np.uint64 else np.int64)
    return value


def _binary(node: ast.AST, kind: type, left: np.ndarray | float, right: np.ndarray | float):
    """Sum, product, power ... of two values, in floats where whole numbers would overflow."""
    left, right = _number(node, left), _number(node, right)
    if kind in _BITS:
        whole = all(np.asarray(value).dtype.kind in "biu" for value in (left, right))
        if not whole:
            raise ValueError(f"{_text(node)}: & and | take integers or booleans; use 'and' and 'or'.")
        return _BITS[kind](left, right)
    if kind not in _ARITHMETIC:
        raise ValueError(f"{_text(node)} is not understood; allowed are {_ALLOWED}.")
    left, right = _widened(left), _widened(right)
    if not all(np.asarray(value).dtype.kind in "iu" for value in (left, right)):
        is_array = isinstance(left, np.ndarray) or isinstance(right, np.ndarray)
        result = _ARITHMETIC[kind](*(left, right) if is_array else (float(left), float(right)))
        return np.nan if isinstance(result, complex) else result
    inexact = _ARITHMETIC[kind](_as_float(left), _as_float(right))
    is_exact = kind not in (ast.Div, ast.Pow) and np.all(np.abs(inexact) < _INTEGERS)
    if kind is ast.Pow and not isinstance(inexact, np.ndarray) and right >= 0 and abs(inexact) < _EXACT:
        return int(inexact)
    return _ARITHMETIC[kind](left, right) if is_exact else inexact


def _as_float(value: np.ndarray | int) -> np.ndarray | float:
    """Whole numbers as floats."""
    return value.astype(float) if isinstance(value, np.ndarray) else float(value)


def _compared(node: ast.AST, left: ast.AST, kinds: list, others: list, catalogue: Table) -> np.ndarray:
    """Chained comparisons, joined by and."""
    result, first = True, _value(left, catalogue)
    for kind, other in zip(kinds, others, strict=True):
        if isinstance(kind, ast.In | ast.NotIn):
            second = _listed(other)
            alike = not second or all(_is_word(first) == _is_word(each) for each in second)
        elif type(kind) in _COMPARISONS:
            second = _value(other, catalogue)
            alike = _is_word(first) == _is_word(second)
        else:
            raise ValueError(f"{_text(node)} is not understood; allowed are {_ALLOWED}.")
        if not alike:
            raise ValueError(f"{_text(node)} compares text with numbers.")
        if isinstance(first, str) and not isinstance(second, np.ndarray):
            raise ValueError(f"{_text(node)} is not understood: text can only be compared with a column.")
        if isinstance(second, list):
            inside = np.isin(first, second)
            each = inside if isinstance(kind, ast.In) else ~inside
        else:
            each = _COMPARISONS[type(kind)](first, second)
        result, first = np.logical_and(result, each), second
    return result


def _listed(node: ast.AST) -> list:
    """Numbers or texts of a list."""
    if not isinstance(node, ast.Tuple | ast.List):
        raise ValueError(f"{_text(node)} is not a list; write in ('a', 'b') or in (1, 2).")
    return [_value(each, Table()) for each in node.elts]
