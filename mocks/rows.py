"""Adding a short row of numbers to an image in one vector instruction, for the inner loop of the deposit."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["add_4", "add_8", "add_16"]


def _make(width: int):
    """Compile-time function that adds ``light`` times ``width`` stamp values to consecutive pixels.

    Written as plain loops the compiler must assume that image and stamp overlap and goes one pixel at a time,
    two to four times slower.
    """

    @intrinsic
    def add_row(typing_context, image, start, stamp, begin, light):
        signature = types.void(image, types.intp, stamp, types.intp, types.float64)

        def codegen(context, builder, signature, arguments):
            image, start, stamp, begin, light = arguments
            image_type, _, stamp_type, *_ = signature.args
            pixels = context.make_array(image_type)(context, builder, image).data
            values = context.make_array(stamp_type)(context, builder, stamp).data
            single = ir.VectorType(ir.FloatType(), width)
            double = ir.VectorType(ir.DoubleType(), width)
            target = builder.bitcast(builder.gep(pixels, [start]), double.as_pointer())
            source = builder.bitcast(builder.gep(values, [begin]), single.as_pointer())
            first = builder.insert_element(
                ir.Constant(double, ir.Undefined), light, ir.Constant(ir.IntType(32), 0)
            )
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
            factor = builder.shuffle_vector(first, first, everywhere)
            row = builder.fpext(builder.load(source, align=4), double)
            total = builder.fadd(builder.load(target, align=8), builder.fmul(factor, row))
            builder.store(total, target, align=8)
            return context.get_dummy_value()

        return signature, codegen

    return add_row


# Called as add_4(image, start, stamp, begin, light): image is a flat float64 array written from start on,
# stamp a flat float32 array read from begin on. The caller keeps both within bounds. They are globals, not
# entries of a dictionary: numba caches a function that uses globals and recompiles one that closes over them.
add_4, add_8, add_16 = _make(4), _make(8), _make(16)
