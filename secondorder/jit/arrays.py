"""Arrays without an owner: in memory that is there already, and on the stack."""

import functools
import math

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numba.np.unsafe.ndarray import to_fixed_tuple

from secondorder.jit.flags import JIT_DISABLED
from secondorder.jit.signatures import f4, f8


def without_owner(context, builder, kind, array):
    """The array as LLVM has it, with no owner: nothing is counted when it is passed on."""
    view = context.make_array(kind)(context, builder, array)
    view.meminfo = cgutils.get_null_value(view.meminfo.type)
    view.parent = cgutils.get_null_value(view.parent.type)
    return view._getvalue()


if JIT_DISABLED:

    def floats_at(workspace, start, shape):
        """The array of this shape in the words from start on."""
        return workspace[start : start + math.prod(shape)].reshape(shape)

    def integers_at(workspace, start, shape):
        """The same, of integers as long as its words."""
        return floats_at(workspace, start, shape).view(f"i{workspace.dtype.itemsize}")

    def booleans_at(workspace, start, shape):
        """The same, of bool: the first byte of each word."""
        rest = f"V{workspace.dtype.itemsize - 1}"
        return floats_at(workspace, start, shape).view([("flag", np.bool_), ("unused", rest)])["flag"]

    def rows_at(workspace, shape, distance):
        """The array of this shape in a workspace, from its first word on, whose rows begin `distance` words apart."""
        return workspace[: shape[0] * distance].reshape(shape[0], distance)[:, : shape[1]]

    def spaced_at(words, start, shape, stride):
        """The array of this shape whose entries in order are every stride-th of a vector's, from start on."""
        return words[start : start + math.prod(shape) * stride : stride].reshape(shape)

    def reshaped(array, shape):
        """The array in another shape."""
        return array.reshape(shape)

    def flattened(array):
        """Its entries in order."""
        return array.reshape(array.size)

    def borrowed(array):
        """The array."""
        return array

    def vector_of(dtype):
        """A function that gives its array back."""
        return borrowed

    def local_floats(rows, columns):
        """An array whose entries may be anything."""
        return np.empty((rows, columns))

    def local_integers(rows, columns):
        """The same, of int64."""
        return np.empty((rows, columns), np.int64)

    def local_booleans(rows, columns):
        """The same, of bool."""
        return np.empty((rows, columns), np.bool_)

    def fixed_tuple(array, n):
        """The first n elements."""
        return tuple(array[:n])

else:
    fixed_tuple = to_fixed_tuple

    @intrinsic
    def borrowed(typingctx, array):
        """The same array without its owner: valid while the caller's array lives; free to pass around."""

        def codegen(context, builder, sig, args):
            return without_owner(context, builder, sig.args[0], args[0])

        return array(array), codegen

    @functools.cache
    def vector_of(dtype):
        """Intrinsic: the same array without its owner. A TypingError of one line, where others come of deep inside."""
        number = types.float64 if dtype == "float64" else types.float32

        @intrinsic
        def vector_of_floats(typingctx, array):
            if not (isinstance(array, types.Array) and array == types.Array(number, 1, "C", aligned=array.aligned)):
                raise TypingError(f"x and workspace must be contiguous, writable vectors of {dtype}; this is {array}")

            def codegen(context, builder, sig, args):
                return without_owner(context, builder, sig.args[0], args[0])

            return array(array), codegen

        return vector_of_floats

    def _carver(dtypes):
        """Intrinsic: (workspace, start, shape) -> the array in the words from start on. dtypes: of words -> of entries.

        A word an entry, whatever the type, so a workspace may be strided. Slices and `reshape` would do, but not on
        CUDA, where Numba calls a C function for reshape; and both can raise.
        """

        @intrinsic
        def carve(typingctx, workspace, start, shape):
            if not (isinstance(workspace, types.Array) and workspace.ndim == 1 and workspace.dtype in dtypes):
                raise TypingError(f"the workspace must be an array of floats of one axis; it is {workspace}")
            dtype = dtypes[workspace.dtype]
            layout = "C" if workspace.layout == "C" and dtype != types.boolean else "A"
            result = types.Array(dtype, len(shape), layout)

            def codegen(context, builder, sig, args):
                words = context.make_array(workspace)(context, builder, args[0])
                lengths = _lengths(context, builder, sig.args[2], args[2])
                (stride,) = cgutils.unpack_tuple(builder, words.strides)
                first = context.cast(builder, args[1], sig.args[1], types.intp)
                data = cgutils.pointer_add(builder, words.data, builder.mul(first, stride))
                return _array_at(context, builder, result, data, lengths, stride)

            return result(workspace, start, shape), codegen

        return carve

    def _lengths(context, builder, kind, shape):
        """The lengths in a tuple, each as LLVM's intp."""
        parts = zip(cgutils.unpack_tuple(builder, shape), kind)
        return [context.cast(builder, part, of, types.intp) for part, of in parts]

    def _array_at(context, builder, kind, data, lengths, stride, rows=None):
        """An array without an owner whose entries in order are `stride` bytes apart, its rows `rows`, if given."""
        strides = [stride] if rows is None else [rows, stride]
        for length in lengths[:0:-1] if rows is None else ():
            strides.insert(0, builder.mul(strides[0], length))
        array = context.make_array(kind)(context, builder)
        populate_array(
            array,
            data=builder.bitcast(data, array.data.type),
            shape=cgutils.pack_array(builder, lengths),
            strides=cgutils.pack_array(builder, strides),
            itemsize=context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype))),
            meminfo=None,
        )
        return array._getvalue()

    floats_at = _carver({f8: f8, f4: f4})

    integers_at = _carver({f8: types.int64, f4: types.int32})

    booleans_at = _carver(dict.fromkeys((f8, f4), types.boolean))

    @intrinsic
    def spaced_at(typingctx, words, start, shape, stride):
        """The array of this shape whose entries in order are every stride-th of a vector's, from start on.

        Where shape and stride are constants, so are all distances from the first entry: one pointer serves the array.
        """
        result = types.Array(words.dtype, len(shape), "A")

        def codegen(context, builder, sig, args):
            array = context.make_array(words)(context, builder, args[0])
            first, step = [context.cast(builder, args[k], sig.args[k], types.intp) for k in (1, 3)]
            size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(words.dtype)))
            lengths = _lengths(context, builder, sig.args[2], args[2])
            data = builder.gep(array.data, [first])
            return _array_at(context, builder, result, data, lengths, builder.mul(step, size))

        return result(words, start, shape, stride), codegen

    @intrinsic
    def rows_at(typingctx, workspace, shape, distance):
        """The array of this shape in a workspace, from its first word on, whose rows begin `distance` words apart.

        In a contiguous workspace that has to be shape[1].
        """
        result = types.Array(workspace.dtype, 2, workspace.layout)

        def codegen(context, builder, sig, args):
            words = context.make_array(workspace)(context, builder, args[0])
            (stride,) = cgutils.unpack_tuple(builder, words.strides)
            lengths = _lengths(context, builder, sig.args[1], args[1])
            rows = builder.mul(context.cast(builder, args[2], sig.args[2], types.intp), stride)
            return _array_at(context, builder, result, words.data, lengths, stride, rows)

        return result(workspace, shape, distance), codegen

    def _local(dtype):
        """Intrinsic: (rows, columns), both literal -> an array on the stack, whose entries may be anything.

        It takes no time to make, and LLVM knows that nothing else lies there. Valid until the function returns.
        """

        @intrinsic(prefer_literal=True)
        def local(typingctx, rows, columns):
            if not all(isinstance(n, types.IntegerLiteral) for n in (rows, columns)):
                raise TypingError("the size of a local array must be literal")

            def codegen(context, builder, sig, args):
                lengths = [context.get_constant(types.intp, n.literal_value) for n in (rows, columns)]
                entry = context.get_data_type(dtype)
                data = cgutils.alloca_once(builder, entry, size=rows.literal_value * columns.literal_value)
                data.align = 64  # vectors then lie in one line of the cache
                stride = context.get_constant(types.intp, context.get_abi_sizeof(entry))
                return _array_at(context, builder, sig.return_type, data, lengths, stride)

            return types.Array(dtype, 2, "C")(rows, columns), codegen

        return local

    local_floats, local_integers, local_booleans = map(_local, (f8, types.int64, types.boolean))

    @intrinsic
    def reshaped(typingctx, array, shape):
        """The array in another shape of the same size; it lies in memory in the order of its entries."""
        if array.layout != "C" and array.ndim != 1:
            raise TypingError(f"reshape of an array that isn't contiguous: {array}")
        result = types.Array(array.dtype, len(shape), array.layout if array.layout == "C" else "A")

        def codegen(context, builder, sig, args):
            old = context.make_array(sig.args[0])(context, builder, args[0])
            stride = cgutils.unpack_tuple(builder, old.strides)[-1]
            return _array_at(
                context, builder, result, old.data, _lengths(context, builder, sig.args[1], args[1]), stride
            )

        return result(array, shape), codegen

    @intrinsic
    def flattened(typingctx, array):
        """The entries in order of an array that is contiguous or came from `floats_at`: a word follows the other."""
        result = types.Array(array.dtype, 1, array.layout if array.layout == "C" else "A")

        def codegen(context, builder, sig, args):
            old = context.make_array(sig.args[0])(context, builder, args[0])
            stride = cgutils.unpack_tuple(builder, old.strides)[-1]
            return _array_at(context, builder, result, old.data, [old.nitems], stride)

        return result(array), codegen
