"""The user's args: their types, and the tuple of them pinned where compiled code loads it from an address."""

import dataclasses
import functools

import numba
import numpy as np
from numba import njit, types
from numba.extending import intrinsic, register_jitable

from secondorder.jit.arrays import without_owner
from secondorder.jit.flags import JIT_DISABLED
from secondorder.jit.signatures import NO_ARGS

_tuple_types = {}


def type_of(args):
    """Numba type of a tuple of arguments, or None if there is none."""
    if not args:
        return NO_ARGS
    # typeof takes some 10 us: arrays are looked up by the properties that make their type
    key = tuple([(a.dtype, a.ndim, a.flags.num) if type(a) is np.ndarray else type(a) for a in args])
    plain = all(kind in (int, float, bool, complex) or type(kind) is tuple for kind in key)
    if plain and key in _tuple_types:
        return _tuple_types[key]
    try:
        kind = numba.typeof(args)
    except (ValueError, TypeError):
        return None
    if plain:
        _tuple_types[key] = kind
    return kind


def number_of(kind):
    """What tells types of arguments apart, in less time than their hash: Numba's number of the type."""
    return getattr(kind, "_code", kind)  # `Batched` has none


@intrinsic
def _store(typingctx, value, address):
    """Put a native copy of `value`, with a reference of its own, at `address`."""

    def codegen(context, builder, sig, args):
        kind = sig.args[0]
        context.nrt.incref(builder, kind, args[0])
        builder.store(args[0], builder.inttoptr(args[1], context.get_value_type(kind).as_pointer()))
        return context.get_dummy_value()

    return types.void(value, types.intp), codegen


@intrinsic
def _size_of(typingctx, value):
    """Bytes that the native form of `value` takes."""

    def codegen(context, builder, sig, args):
        return context.get_constant(types.intp, context.get_abi_sizeof(context.get_value_type(sig.args[0])))

    return types.intp(value), codegen


@functools.cache
def loader(kind):
    """Intrinsic: address -> the value of Numba type `kind` that was stored there."""

    def owned(context, builder, value):
        if context.enable_nrt:
            context.nrt.incref(builder, kind, value)
        return value

    return _loader(kind, owned)


@functools.cache
def _lender(kind):
    """Intrinsic: address -> the tuple of type `kind` that was stored there, its arrays without their owners.

    The caller of the solver holds them. With owners each call of the user's function would count references up and
    down, in words that all threads of a batch share: two threads were slower than one.
    """

    def lent(context, builder, whole):
        for i, part in enumerate(kind):
            value = builder.extract_value(whole, i)
            if isinstance(part, types.Array):
                whole = builder.insert_value(whole, without_owner(context, builder, part, value), i)
            elif context.enable_nrt:
                context.nrt.incref(builder, part, value)
        return whole

    return _loader(kind, lent)


def _loader(kind, passed_on):
    """Intrinsic: address -> what `passed_on` makes of the value of type `kind` that was stored there."""
    if JIT_DISABLED:
        return lambda address: address or ()

    @intrinsic
    def load(typingctx, address):
        def codegen(context, builder, sig, args):
            if kind == NO_ARGS:
                return context.get_constant_null(kind)
            stored = builder.load(builder.inttoptr(args[0], context.get_value_type(kind).as_pointer()))
            return passed_on(context, builder, stored)

        return kind(types.intp), codegen

    return load


@dataclasses.dataclass(frozen=True)
class Batched:
    """Type of the args of a batch: of those in `split` each problem gets its own entry along the first axis."""

    whole: types.BaseTuple  # as they were given
    split: tuple  # of bool

    def __iter__(self):
        """The types that the user's function is called with."""
        return iter([_entry_type(kind) if split else kind for kind, split in zip(self.whole, self.split)])


def _entry_type(array):
    """Numba type of array[i]."""
    if array.ndim == 1:
        return array.dtype
    return types.Array(array.dtype, array.ndim - 1, array.layout if array.layout == "C" else "A")


@functools.cache
def arguments(kind):
    """What compiled code calls as load(data) for the user's args: of this type, or those of one problem of a batch."""
    load = _lender(kind.whole if isinstance(kind, Batched) else kind)
    if not isinstance(kind, Batched):
        return register_jitable(lambda data: load(data[0]))
    parts = ", ".join(f"args[{i}][item]" if split else f"args[{i}]" for i, split in enumerate(kind.split))
    pick = register_jitable(eval(f"lambda args, item: ({parts},)"))
    return register_jitable(lambda data: pick(load(data[0]), data[1]))


@functools.cache
def _releaser(kind):
    load = loader(kind)

    @intrinsic
    def drop(typingctx, value):
        def codegen(context, builder, sig, args):
            context.nrt.decref(builder, sig.args[0], args[0])
            return context.get_dummy_value()

        return types.void(value), codegen

    @njit(types.void(types.intp))
    def release(address):
        drop(load(address))

    return release


@njit
def _native_size(value):
    return _size_of(value)


@njit
def _pin(value, words):
    address = words.ctypes.data
    _store(value, address)
    return address


_layouts = {}  # by `number_of` a type: its hash takes longer than the rest of a Pinned


class Pinned:
    """A tuple of user arguments in native form at a fixed address, while this object lives.

    Compiled trampolines load the tuple from `address`, so that no solver is recompiled for new argument types.
    """

    def __init__(self, args, kind):
        self.args = args
        self.address = 0
        if not args:
            return
        if JIT_DISABLED:
            self.address = args
            return
        layout = _layouts.get(number_of(kind))
        if layout is None:
            # one word more than the size: the buffer is aligned to 16 like any allocation of this size
            layout = _layouts[number_of(kind)] = _native_size(args) // 8 + 2, _releaser(kind)
        words, self._release = layout
        self._buffer = np.empty(words, np.int64)
        self.address = _pin(args, self._buffer)

    def close(self):
        """Give back the references taken."""
        if self.address and not JIT_DISABLED:
            self._release(self.address)
        self.address = 0

    __del__ = close
