"""Adding one particle's stamp to an image, in vector instructions: the inner loop of every deposit."""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from mocks.deposit.vector_lanes import everywhere, vector_at

__all__ = ["Grid", "add_4", "add_8"]


class Grid(NamedTuple):
    """Bands in a flat array: pixel (band, y, x) is entry ``begin + band * area + y * n_x + x``."""

    pixels: np.ndarray
    begin: int
    area: int
    n_y: int
    n_x: int


def _make(side: int):
    """Compile-time function that adds ``light`` times a square block of a stamp to an image.

    As plain loops the compiler must assume that image and table overlap and goes one pixel at a time, two to
    four times slower. The table is marked as constant instead, so that the block is worked out once for all
    bands.
    """

    @intrinsic
    def add_block(typing_context, image, start, stride, table, at, light):
        signature = types.void(image, *[types.intp] * 2, table, types.UniTuple(types.intp, 3), types.float64)

        def codegen(context, builder, signature, arguments):
            image, start, stride, table, at, light = arguments
            row, column, step = cgutils.unpack_tuple(builder, at, 3)
            pixels = context.make_array(signature.args[0])(context, builder, image).data
            values = context.make_array(signature.args[3])(context, builder, table).data
            number, vector = ir.DoubleType(), ir.VectorType(ir.DoubleType(), side)
            constant, fused = builder.module.add_metadata([]), ("contract",)

            def load(place, kind):
                value = builder.load(vector_at(builder, values, place, kind), align=8)
                value.set_metadata("invariant.load", constant)
                return value

            def times(a, b):
                return builder.fmul(a, b, flags=fused)

            p, q = load(column, vector), load(builder.add(column, step), vector)
            light = everywhere(builder, light, side)
            for line in range(side):
                place = builder.add(row, ir.Constant(row.type, line))
                p_y, q_y = (
                    everywhere(builder, load(at, number), side) for at in (place, builder.add(place, step))
                )
                share = builder.fadd(times(p_y, q), times(q_y, p), flags=fused)
                place = builder.add(start, builder.mul(stride, ir.Constant(start.type, line)))
                target = vector_at(builder, pixels, place, vector)
                total = builder.fadd(builder.load(target, align=8), times(light, share), flags=fused)
                builder.store(total, target, align=8)
            return context.get_dummy_value()

        return signature, codegen

    return add_block


def _adder(side: int):
    """Compile-time function that adds one particle, with a stamp of ``side`` pixels, to a flat grid."""
    # Called as add_block(image, start, stride, table, (row, column, step), light): image is a flat float64
    # array, its rows ``stride`` apart; table holds a factor p of the stamp and, ``step`` further on, the
    # other one, q. The caller keeps all within bounds.
    add_block = _make(side)

    @njit(inline="always")
    def add_particle(grid, place, stamp, light, i, first, bands):
        u, v, reach = place
        column, row = int(np.floor(u)), int(np.floor(v))
        size = min(max(int((reach - stamp.smallest) * stamp.per_pixel), 0), stamp.n_size - 1) * stamp.n_offset
        down = 2 * side * (size + int((v - row) * stamp.n_offset))
        along = 2 * side * (size + int((u - column) * stamp.n_offset))
        row -= side // 2 - 1
        column -= side // 2 - 1
        if (column >= 0) & (row >= 0) & (column + side <= grid.n_x) & (row + side <= grid.n_y):
            start = grid.begin + row * grid.n_x + column
            for band in range(len(bands)):
                add_block(
                    grid.pixels, start + band * grid.area, grid.n_x,
                    stamp.table, (down, along, side), light[i, first + band],
                )  # fmt: skip

    return add_particle


add_4, add_8 = _adder(4), _adder(8)
"""Add one particle to a flat grid of several bands, by a stamp of 4 or of 8 pixels.

Parameters
----------
grid : Grid
place : tuple of float
    Position u along x and v along y, counted from the centre of pixel (0, 0), and support radius [pixels].
stamp : Stamps
    Of the kind for this reach, with 4 or 8 pixels.
light : ndarray, shape (n, first + band)
    Row ``i`` holds the particle's flux in every band from column ``first`` on.
i, first : int
    Where the flux is. A stamp that reaches over the edge of the grid is left out.
bands : tuple of float
    As many as there are bands: a number that the compiler knows, and unrolls.
"""
