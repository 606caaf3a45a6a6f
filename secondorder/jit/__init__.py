"""The one place that knows Numba: its flags, function types, addresses, the compile cache, the clock and signals.

A solver here is compiled once, for *typed functions* (`numba.types.FunctionType`), cached on disk, and then serves
every objective: the objective reaches it as the address of compiled code. What each file gives:

    flags           what Numba is told, for kernels and for what is beside them; JIT_DISABLED
    decorators      leaf, loop, inlined, seldom: the kernel language; public: of functions that users call
    signatures      FUN, FUN_GRAD, ... of the functions that solvers receive; types of numbers, vectors and tuples
    cache           compiled(f, signature)  f compiled for one signature, from the disk cache if it is there
                    typed, njit_keyed       the same for what belongs to one objective, or to nobody's signature
    dispatchers     callee(f)       a user's function as compiled code calls it
                    entry_point(f)  a compiled function as Python calls it
    addresses       address_of, function_at: a typed function <-> an integer
    references      Native, reference_at: a tuple in native form, and the one word that compiled code passes on
    user_arguments  Pinned          a tuple of user arguments, kept where compiled code can load it from an address
    arrays          borrowed        an array without an owner: passing it on costs no reference counting
                    vector_of(dtype)    the same; what is no contiguous, writable vector of this type doesn't compile
                    floats_at, integers_at, booleans_at, rows_at, spaced_at, reshaped   arrays in memory that is there
                    local_floats, local_integers, local_booleans                small arrays on the stack
                    fixed_tuple(a, n)   the first n elements as a tuple; n is known when it is compiled
    instructions    muladd, bits_of, float_of, single_of    arithmetic that the elementary functions are made of
                    plus(a, b)                  a + b, which LLVM may put in another order with other such additions
                    prefetch, touch             an address's cache line is asked for; its byte read, so that it is near
                    monotonic_ns, run_pending_signals, atomic_load, atomic_add

Under NUMBA_DISABLE_JIT=1 all of it degrades to plain Python, where an "address" is the function itself.
"""

# ruff: noqa: F401 - all are imported from here
import llvmlite.binding as llvm
from numba import njit, prange, types
from numba.core.types import FunctionType
from numba.extending import register_jitable

from secondorder.jit.addresses import address_of, call_product, caller, function_at
from secondorder.jit.arrays import (
    booleans_at,
    borrowed,
    fixed_tuple,
    flattened,
    floats_at,
    integers_at,
    local_booleans,
    local_floats,
    local_integers,
    reshaped,
    rows_at,
    spaced_at,
    vector_of,
)
from secondorder.jit.cache import (
    cache_folder,
    cache_root,
    compiled,
    njit_keyed,
    source_stamp,
    typed,
)
from secondorder.jit.decorators import inlined, leaf, loop, public, seldom
from secondorder.jit.dispatchers import callee, entry_point, full_name, is_compiled, is_made_of_text, plain
from secondorder.jit.flags import (
    BRIDGE,
    CALLED,
    DISTINCT,
    ENTRY,
    FLAGS,
    JIT_DISABLED,
    KERNEL,
    PARALLEL,
    THREADED,
    TRAMPOLINE,
)
from secondorder.jit.instructions import (
    atomic_add,
    atomic_load,
    bits_of,
    float_of,
    monotonic_ns,
    muladd,
    plus,
    prefetch,
    run_pending_signals,
    single_of,
    touch,
)
from secondorder.jit.references import ANY, Native, Reference, reference_at
from secondorder.jit.signatures import (
    FUN,
    FUN_GRAD,
    HESS,
    HVP,
    JACOBIAN,
    LOSS,
    NO_ARGS,
    PRODUCT,
    RESIDUAL,
    boolean,
    data_t,
    f4,
    f8,
    integers,
    intp,
    matrix,
    namedtuple_type,
    tuple_type,
    vector,
)
from secondorder.jit.user_arguments import Batched, Pinned, arguments, loader, number_of, type_of
