"""Numba's flags for kernels, for what Python calls and for what calls the user's functions."""

from numba import config

from secondorder.lean import DistinctCompiler, KernelCompiler

JIT_DISABLED = bool(config.DISABLE_JIT)

# error_model="numpy" on every function: the default raises ZeroDivisionError from compiled code.
FLAGS = {"error_model": "numpy", "nogil": True}
# Kernels also do without Numba's runtime: no reference counting, and an allocation in a kernel fails to compile.
KERNEL_FLAGS = FLAGS | {"_nrt": False, "pipeline_class": KernelCompiler}
ENTRY = KERNEL_FLAGS | {"no_cfunc_wrapper": True}  # called from Python, by way of its address never
KERNEL = ENTRY | {"no_cpython_wrapper": True}  # called from compiled code only
DISTINCT = KERNEL | {"pipeline_class": DistinctCompiler}  # whose arrays share no memory
# Numba's own rewriting of array expressions, which could change sums with the number of threads, stays off.
_REWRITES = ("comprehension", "reduction", "inplace_binop", "setitem", "numpy", "stencil", "fusion")
_THREADS = {"parallel": dict.fromkeys(_REWRITES, False) | {"prange": True}}  # prange is threads
PARALLEL = FLAGS | {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True} | _THREADS
BRIDGE = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # may allocate: the user's side
CALLED = FLAGS | {"no_cfunc_wrapper": True}  # called from Python, and may allocate
TRAMPOLINE = BRIDGE | {"pipeline_class": KernelCompiler}  # the same for code of ours
THREADED = BRIDGE | _THREADS  # the same with threads
