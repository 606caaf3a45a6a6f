"""What the processor and the system do for kernels: exact arithmetic, bits, memory, atomics, the clock and signals."""

import os
import struct
import time

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.cpu import CPUContext
from numba.extending import intrinsic

from secondorder.jit.flags import JIT_DISABLED
from secondorder.jit.signatures import f4, f8, intp

if JIT_DISABLED:

    def muladd(a, b, c):
        """a b + c."""
        return a * b + c

    def plus(a, b):
        """a + b."""
        return a + b

    def bits_of(x):
        """The bits of a float as an integer; those of a float32 in its lower half."""
        integer, number = ("<i", "<f") if isinstance(x, np.float32) else ("<q", "<d")
        return struct.unpack(integer, struct.pack(number, x))[0]

    def float_of(bits):
        """The float with these 64 bits; Python's integers have more, which are dropped as in int64."""
        return struct.unpack("<d", struct.pack("<Q", bits & (1 << 64) - 1))[0]

    def single_of(bits):
        """The float32 with these bits."""
        return np.int32(bits).view(np.float32)

    def prefetch(address):
        """Nothing."""

    def touch(address):
        """Nothing."""

    def atomic_load(array, index):
        """array[index]."""
        return array[index]

    def atomic_add(array, index, amount):
        """array[index] += amount; returns what it was before."""
        before = array[index]
        array[index] += amount
        return before

    def run_pending_signals():
        """0: the interpreter runs them between bytecodes."""
        return 0

    def monotonic_ns():
        """Nanoseconds of the system's monotonic clock."""
        return time.monotonic_ns()

else:

    @intrinsic
    def muladd(typingctx, a, b, c):
        """a b + c, fused into one rounding exactly where the processor does that fast."""

        def codegen(context, builder, sig, args):
            double = ir.DoubleType()
            kind = ir.FunctionType(double, [double] * 3)
            return builder.call(builder.module.declare_intrinsic("llvm.fmuladd", [double], kind), args)

        return f8(f8, f8, f8), codegen

    @intrinsic
    def plus(typingctx, a, b):
        """a + b, where the order of this and other such additions doesn't matter: a loop may keep partial sums.

        That concerns these additions alone; NaN and infinities stay what they are.
        """

        def codegen(context, builder, sig, args):
            return builder.fadd(*args, flags=("reassoc",))

        kind = f4 if a == b == f4 else f8
        return kind(kind, kind), codegen

    @intrinsic
    def bits_of(typingctx, x):
        """The bits of a float as an integer; those of a float32 in its lower half."""
        kind = f4 if x == f4 else f8

        def codegen(context, builder, sig, args):
            bits = builder.bitcast(args[0], ir.IntType(kind.bitwidth))
            return builder.zext(bits, ir.IntType(64)) if kind == f4 else bits

        return types.int64(kind), codegen

    @intrinsic
    def float_of(typingctx, bits):
        """The float with these 64 bits."""

        def codegen(context, builder, sig, args):
            return builder.bitcast(args[0], ir.DoubleType())

        return f8(types.int64), codegen

    @intrinsic
    def single_of(typingctx, bits):
        """The float32 with these bits, the lower half of the integer."""

        def codegen(context, builder, sig, args):
            return builder.bitcast(builder.trunc(args[0], ir.IntType(32)), ir.FloatType())

        return f4(types.int64), codegen

    @intrinsic
    def prefetch(typingctx, address):
        """Ask for the cache line at an address; the processor may be too busy to do it."""

        def codegen(context, builder, sig, args):
            word, pointer = ir.IntType(32), cgutils.voidptr_t
            kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
            function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
            # to read, into the second-level cache, data
            builder.call(function, [builder.inttoptr(args[0], pointer), word(0), word(2), word(1)])
            return context.get_dummy_value()

        return types.void(intp), codegen

    @intrinsic
    def touch(typingctx, address):
        """Read the byte at an address and forget it: its cache line is near afterwards."""

        def codegen(context, builder, sig, args):
            # atomic, or LLVM would leave it out
            builder.load_atomic(builder.inttoptr(args[0], cgutils.voidptr_t), "monotonic", 1)
            return context.get_dummy_value()

        return types.void(intp), codegen

    @intrinsic
    def atomic_load(typingctx, array, index):
        """array[index], an integer, read anew each time: LLVM hoists a plain load out of a loop without calls."""

        def codegen(context, builder, sig, args):
            view = context.make_array(sig.args[0])(context, builder, args[0])
            place = builder.gep(view.data, [args[1]])
            if not isinstance(context, CPUContext):  # nobody else writes there
                return builder.load(place)
            return builder.load_atomic(place, "monotonic", 8)

        return array.dtype(array, types.intp), codegen

    @intrinsic
    def atomic_add(typingctx, array, index, amount):
        """array[index] += amount, int64, in one piece for all threads; returns what it was before."""

        def codegen(context, builder, sig, args):
            view = context.make_array(sig.args[0])(context, builder, args[0])
            return builder.atomic_rmw("add", builder.gep(view.data, [args[1]]), args[2], "monotonic")

        return types.int64(array, types.intp, types.int64), codegen

    @intrinsic
    def run_pending_signals(typingctx):
        """Let Python run its pending signal handlers; 1 if one raised (the exception is cleared), else 0."""

        def codegen(context, builder, sig, args):
            if not isinstance(context, CPUContext):  # there are none
                return context.get_constant(types.int64, 0)
            pyapi = context.get_python_api(builder)
            gil = pyapi.gil_ensure()
            check = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.IntType(32), []), "PyErr_CheckSignals"
            )
            raised = builder.call(check, [])
            with builder.if_then(cgutils.is_not_null(builder, raised)):
                pyapi.err_clear()
            pyapi.gil_release(gil)
            return builder.zext(cgutils.is_not_null(builder, raised), ir.IntType(64))

        return types.int64(), codegen

    if os.name == "posix":
        _CLOCK = time.CLOCK_MONOTONIC

        @intrinsic
        def monotonic_ns(typingctx):
            """Nanoseconds of the system's monotonic clock (clock_gettime)."""

            def codegen(context, builder, sig, args):
                if not isinstance(context, CPUContext):  # there is no clock
                    return context.get_constant(types.int64, 0)
                i64, i32 = ir.IntType(64), ir.IntType(32)
                spec = cgutils.alloca_once(builder, i64, size=2)
                clock = cgutils.get_or_insert_function(
                    builder.module, ir.FunctionType(i32, [i32, i64.as_pointer()]), "clock_gettime"
                )
                builder.call(clock, [i32(_CLOCK), spec])
                seconds = builder.load(spec)
                nanoseconds = builder.load(builder.gep(spec, [i32(1)]))
                return builder.add(builder.mul(seconds, i64(1_000_000_000)), nanoseconds)

            return types.int64(), codegen

    else:

        @njit
        def monotonic_ns():
            """Nanoseconds of the system's monotonic clock."""
            with numba.objmode(now="int64"):
                now = time.monotonic_ns()
            return now
