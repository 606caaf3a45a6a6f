"""Tuples by address: a tuple in native form, and the one word that compiled code passes on in its place."""

import functools
import struct

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, models, register_model

from secondorder.jit.flags import JIT_DISABLED


class Reference(types.Type):
    """Numba type of the address of a tuple, whose fields are read by name as the tuple's own.

    A tuple passed by value is pushed field by field, an array of it in seven words: a search used to get a hundred.
    """

    def __init__(self, pointee):
        self.pointee = pointee
        # by its name Numba tells types apart, and two classes called Options may have fields of the same types
        fields = ", ".join(getattr(pointee, "fields", ()))
        super().__init__(name=f"Reference({pointee}: {fields})")


ANY = Reference(types.void)  # for code that only passes it on


@register_model(Reference)
class _ReferenceModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, cgutils.voidptr_t)


@infer_getattr
class _ReferenceFields(AttributeTemplate):
    key = Reference

    def generic_resolve(self, kind, name):
        fields = getattr(kind.pointee, "fields", ())
        return kind.pointee.types[fields.index(name)] if name in fields else None


@lower_getattr_generic(Reference)
def _read_field(context, builder, kind, address, name):
    pointer = builder.bitcast(address, context.get_value_type(kind.pointee).as_pointer())
    return builder.load(cgutils.gep_inbounds(builder, pointer, 0, kind.pointee.fields.index(name)))


@functools.cache
def reference_at(kind):
    """Intrinsic: address -> a value of the type `kind`, a Reference."""
    if JIT_DISABLED:
        return lambda address: address

    @intrinsic
    def load(typingctx, address):
        def codegen(context, builder, sig, args):
            return builder.inttoptr(args[0], cgutils.voidptr_t)

        return kind(types.intp), codegen

    return load


class Native:
    """A tuple of numbers and arrays as compiled code lays it out, at a fixed address, while this object lives."""

    def __init__(self, values):
        self.values = self.address = values
        if JIT_DISABLED:
            return
        annotations = getattr(type(values), "__annotations__", None)
        kinds = annotations.values() if annotations else [object] * len(values)
        layout, flat = "@", []
        for value, kind in zip(values, kinds, strict=True):
            if isinstance(value, np.ndarray):  # meminfo, parent, size, itemsize, data, shape, strides
                words = (0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)
            else:
                words = (value,)
            layout += {float: "d", bool: "?"}.get(kind, "q") * len(words)
            flat += words
        packed = struct.pack(layout, *flat)
        self._buffer = np.frombuffer(packed.ljust(-(-len(packed) // 8) * 8, b"\0"), np.int64).copy()
        self.address = self._buffer.ctypes.data
