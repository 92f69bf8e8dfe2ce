"""Eight numbers at a time: vector instructions that a compiler does not find in plain loops.

Each public function is expanded in place by numba, and worked out by whatever vector unit the processor has.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "LANES",
    "boxes_within",
    "count_at_most",
    "everywhere",
    "largest_within",
    "points_within",
    "smallest_above",
    "vector_at",
]

LANES = 8
_FLOAT, _INT, _INDEX = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_FUSED = ("contract",)
_POINT = types.UniTuple(types.float64, 3)


def vector_at(builder, base, place, kind):
    """Pointer to a vector, or a number, that begins at an element of an array."""
    return builder.bitcast(builder.gep(base, [place]), kind.as_pointer())


def everywhere(builder, value, lanes: int):
    """Vector that holds one number in every lane."""
    first = builder.insert_element(
        ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined), value, ir.Constant(_INDEX, None)
    )
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_INDEX, lanes), None))


def _data(context, builder, kind, array):
    """Pointer to the first element of an array."""
    return context.make_array(kind)(context, builder, array).data


def _load(builder, base, place, offset: int = 0):
    """Eight floats that begin some elements after a place."""
    place = builder.add(place, ir.Constant(_INT, offset))
    return builder.load(vector_at(builder, base, place, ir.VectorType(_FLOAT, LANES)), align=8)


def _number_set(builder, mask):
    return builder.zext(builder.ctpop(builder.bitcast(mask, ir.IntType(LANES))), _INT)


def _append(builder, base, count, values, mask):
    """Write the chosen lanes one after the other from an element on; returns the element after the last."""
    kind, element = values.type, values.type.element
    name = "llvm.masked.compressstore.v8" + ("f64" if element == _FLOAT else "i64")
    signature = ir.FunctionType(ir.VoidType(), [kind, element.as_pointer(), mask.type])
    write = cgutils.get_or_insert_function(builder.module, signature, name)
    builder.call(write, [values, builder.gep(base, [count]), mask])
    return builder.add(count, _number_set(builder, mask))


def _sum_of_squares(builder, gaps):
    total = None
    for gap in gaps:
        square = builder.fmul(gap, gap, flags=_FUSED)
        total = square if total is None else builder.fadd(total, square, flags=_FUSED)
    return total


@intrinsic
def points_within(typing_context, places, at, centre, bound, distances, count):
    """Append to ``distances`` the squared distances below a bound of eight points from a centre (x, y, z).

    ``places`` is a flat float64 array that holds, from ``at`` on, the eight x, the eight y and the eight z.
    ``distances`` gets float64 from element ``count`` on; returned is the element after the last.
    """
    signature = types.intp(places, types.intp, _POINT, types.float64, distances, types.intp)

    def codegen(context, builder, signature, arguments):
        places, at, centre, bound, distances, count = arguments
        places, distances = (
            _data(context, builder, signature.args[i], array) for i, array in ((0, places), (4, distances))
        )
        centre = cgutils.unpack_tuple(builder, centre, 3)
        gaps = [
            builder.fsub(_load(builder, places, at, LANES * axis), everywhere(builder, value, LANES))
            for axis, value in enumerate(centre)
        ]
        square = _sum_of_squares(builder, gaps)
        mask = builder.fcmp_ordered("<", square, everywhere(builder, bound, LANES))
        return _append(builder, distances, count, square, mask)

    return signature, codegen


@intrinsic
def boxes_within(typing_context, boxes, at, first, centre, bound, numbers, count):
    """Append to ``numbers`` the numbers of those of eight boxes that lie nearer to (x, y, z) than a bound.

    ``boxes`` is a flat float64 array that holds, from ``at`` on, the eight lowest x, y and z and then the
    highest ones; the first box has the number ``first``. ``bound`` is a squared distance. ``numbers`` gets
    int64 from element ``count`` on; returned is the element after the last.
    """
    signature = types.intp(boxes, types.intp, types.intp, _POINT, types.float64, numbers, types.intp)

    def codegen(context, builder, signature, arguments):
        boxes, at, first, centre, bound, numbers, count = arguments
        boxes, numbers = (
            _data(context, builder, signature.args[i], array) for i, array in ((0, boxes), (5, numbers))
        )
        centre = cgutils.unpack_tuple(builder, centre, 3)

        def larger(a, b):
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        gaps, zero = [], everywhere(builder, ir.Constant(_FLOAT, 0.0), LANES)
        for axis, value in enumerate(centre):
            value = everywhere(builder, value, LANES)
            below = builder.fsub(_load(builder, boxes, at, LANES * axis), value)
            above = builder.fsub(value, _load(builder, boxes, at, LANES * (axis + 3)))
            gaps.append(larger(larger(below, above), zero))
        near = builder.fcmp_ordered("<", _sum_of_squares(builder, gaps), everywhere(builder, bound, LANES))
        order = ir.Constant(ir.VectorType(_INT, LANES), list(range(LANES)))
        return _append(builder, numbers, count, builder.add(everywhere(builder, first, LANES), order), near)

    return signature, codegen


@intrinsic
def count_at_most(typing_context, values, at, threshold):
    """How many of the eight numbers of a float64 array from element ``at`` on are at most the threshold."""
    signature = types.intp(values, types.intp, types.float64)

    def codegen(context, builder, signature, arguments):
        values, at, threshold = arguments
        numbers = _load(builder, _data(context, builder, signature.args[0], values), at)
        return _number_set(
            builder, builder.fcmp_ordered("<=", numbers, everywhere(builder, threshold, LANES))
        )

    return signature, codegen


def _extreme(sign: str, name: str, neutral: float):
    """Code for the extreme of those of eight numbers that compare with a threshold."""

    def codegen(context, builder, signature, arguments):
        values, at, threshold = arguments
        numbers = _load(builder, _data(context, builder, signature.args[0], values), at)
        chosen = builder.fcmp_ordered(sign, numbers, everywhere(builder, threshold, LANES))
        others = everywhere(builder, ir.Constant(_FLOAT, neutral), LANES)
        reduce = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_FLOAT, [numbers.type]), f"llvm.vector.reduce.{name}.v8f64"
        )
        return builder.call(reduce, [builder.select(chosen, numbers, others)], fastmath=("nnan", "nsz"))

    return codegen


@intrinsic
def smallest_above(typing_context, values, at, threshold):
    """Smallest of the eight numbers of a float64 array from ``at`` on above a threshold, or infinity."""
    return types.float64(values, types.intp, types.float64), _extreme(">", "fmin", float("inf"))


@intrinsic
def largest_within(typing_context, values, at, threshold):
    """Largest of the eight numbers of a float64 array from ``at`` on that are at most a threshold, or -1."""
    return types.float64(values, types.intp, types.float64), _extreme("<=", "fmax", -1.0)
