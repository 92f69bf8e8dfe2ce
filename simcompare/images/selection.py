"""Selection of catalogue rows by an expression such as ``mag_r < 17.7 and not flags & 4``."""

import ast
import operator

import numpy as np
from astropy.table import Table

__all__ = ["select_rows"]

_BINARY = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
}  # fmt: skip
_COMPARE = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_FUNCTIONS = {"log10": np.log10, "abs": np.abs, "isfinite": np.isfinite, "sqrt": np.sqrt}


def select_rows(catalogue: Table, expression: str) -> np.ndarray:
    """Rows for which an expression of column names is true.

    Parameters
    ----------
    catalogue : Table
        Its column names may be used, with numbers, quoted words, ``+ - * / % ** & |``, comparisons (chained
        ones too), ``and or not in``, and the functions log10, sqrt, abs, isfinite.
    expression : str
        For example ``"14 < mag_r < 17.7 and dataset in ('TNG100-1', 'TNG50-1') and flags & 4 == 0"``. As in
        Python ``&`` binds more tightly than a comparison, ``and`` less.

    Returns
    -------
    ndarray of bool, shape (n,)
        False where a comparison meets NaN.

    Raises
    ------
    ValueError
        When the expression cannot be read, names an unknown column, or is not a yes or no for each row.
    """
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"selection {expression!r} cannot be read: {error.msg}.") from error
    with np.errstate(invalid="ignore", divide="ignore"):
        result = np.asarray(_evaluate(tree, catalogue, expression))
    if result.shape != (len(catalogue),) or result.dtype.kind != "b":
        raise ValueError(f"selection {expression!r} does not say yes or no for each row.")
    return result


def _evaluate(node: ast.AST, catalogue: Table, expression: str):
    """Value of one node of the expression; nothing but the listed kinds is run."""

    def value(part):
        return _evaluate(part, catalogue, expression)

    match node:
        case ast.Constant(value=constant) if isinstance(constant, int | float | str):
            return constant
        case ast.Name(id=name):
            if name not in catalogue.colnames:
                known = ", ".join(catalogue.colnames)
                raise ValueError(f"selection {expression!r}: no column {name!r}; there are {known}.")
            return np.asarray(catalogue[name])
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [value(part) for part in parts]
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _BINARY:
            return _BINARY[type(kind)](value(left), value(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value(operand)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ~np.asarray(value(operand), dtype=bool)
        case ast.BoolOp(op=kind, values=parts):
            combine = np.logical_and if isinstance(kind, ast.And) else np.logical_or
            return combine.reduce([np.asarray(value(part), dtype=bool) for part in parts])
        case ast.Compare(left=left, ops=kinds, comparators=others):
            return _comparison(value(left), kinds, [value(other) for other in others], expression)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](value(argument))
    raise ValueError(f"selection {expression!r}: {ast.unparse(node)!r} is not allowed in it.")


def _comparison(left, kinds, others, expression):
    """Chained comparisons, joined by and."""
    result = True
    for kind, other in zip(kinds, others, strict=True):
        if isinstance(kind, ast.In | ast.NotIn):
            inside = np.isin(left, other)
            each = inside if isinstance(kind, ast.In) else ~inside
        elif type(kind) in _COMPARE:
            each = _COMPARE[type(kind)](left, other)
        else:
            raise ValueError(f"selection {expression!r}: this comparison is not allowed in it.")
        result, left = np.logical_and(result, each), other
    return result
