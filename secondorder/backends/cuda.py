"""A batch on a CUDA device: a thread for each problem, the solver and the objective compiled together as device code.

What is compiled is `kernels.make(...).solve_tuple`, the same text as on the CPU. Arrays are interleaved, the problem is
their last axis, so that the threads of a warp read neighbouring words. Problems are launched in chunks that fit the
device's free memory. The only file that imports `numba.cuda`.
"""

import operator

import numpy as np
from numba import config, cuda, types
from numba.core.typing.templates import AbstractTemplate, signature

from secondorder.backends.batch import NUMBERS, REALS

THREADS = 64  # a block; solvers take many registers
FREE = 0.8  # of the memory that is free, the part that workspaces may take
LANES = 1 << 20  # most problems in one launch


def check_available():
    """RuntimeError if there is no device, with a way out."""
    if not cuda.is_available():
        raise RuntimeError(
            "device='cuda' needs an NVIDIA GPU, its driver and Numba's CUDA target: numba.cuda.is_available() says no. "
            "device='cpu' gives the same results"
        )


# ------------------------------------------------------------------------- what Numba's CUDA target does not have


def register_extremum(builtin, compare):
    """min or max of two or three numbers on CUDA, as on the CPU: the first unless a later one is less (or greater)."""
    from numba.cuda.cudaimpl import registry as lowering  # the simulator has none of these
    from numba.cuda.descriptor import cuda_target

    class Extremum(AbstractTemplate):
        key = builtin

        def generic(self, args, kws):
            if len(args) not in (2, 3) or kws or not all(isinstance(kind, types.Number) for kind in args):
                return None
            kind = self.context.unify_types(*[types.unliteral(kind) for kind in args])
            return signature(kind, *[kind] * len(args))

    # before Numba's own, which raises, whether or not a kernel was compiled before
    context = cuda_target.typing_context
    context.refresh()
    known = context._lookup_global(builtin)
    if known is not None:
        context._remove_global(builtin)
    context._insert_global(builtin, types.Function((Extremum, *known.templates) if known else Extremum))
    sign = "<" if compare is operator.lt else ">"

    def lower(context, builder, sig, args):
        ordered = builder.fcmp_ordered if isinstance(sig.return_type, types.Float) else builder.icmp_signed
        found = args[0]
        for other in args[1:]:
            found = builder.select(ordered(sign, other, found), other, found)
        return found

    for kind in (types.float64, types.float32, types.int64, types.int32):
        lowering.lower(builtin, kind, kind)(lower)
        lowering.lower(builtin, kind, kind, kind)(lower)
    cuda_target.target_context.refresh()


if not config.ENABLE_CUDASIM:
    register_extremum(min, operator.lt)
    register_extremum(max, operator.gt)


# ------------------------------------------------------------------------------------------------------ launching


def kernel_for(solve_tuple, split, dimensions):
    """The kernel of a batch whose args are split so, those with this number of axes, the problem's included."""
    picked = []
    for k, of_each in enumerate(split):
        axes = ":, " * (dimensions[k] - 1)
        picked.append(f"a{k}[{axes}i]" if of_each else f"a{k}")
    names = "".join(f"a{k}, " for k in range(len(split)))
    tuple_of = f"({', '.join(picked)},)" if picked else "()"
    text = f"""
def batch(X, W, {names}G, numbers, reals):
    i = cuda.grid(1)
    if i < X.shape[1]:
        end = solve_tuple(X[:, i], W[:, i], {tuple_of})
        numbers[0, i], numbers[1, i], numbers[2, i], numbers[3, i] = end.reason, end.nit, end.nfev, end.njev
        numbers[4, i], numbers[5, i], numbers[6, i] = end.nhev, end.nrestart, end.nskip
        reals[0, i], reals[1, i], reals[2, i] = end.fun, end.optimality, end.threshold
        for k in range(X.shape[0]):
            G[k, i] = W[k, i]
"""
    space = {"cuda": cuda, "solve_tuple": solve_tuple}
    exec(text, space)
    return space["batch"]


def lanes_for(B, n, n_workspace):
    """Problems a launch: what the free memory holds."""
    each = 8 * (n_workspace + 2 * n + len(NUMBERS) + len(REALS))
    free = cuda.current_context().get_memory_info().free  # infinite in the simulator
    fitting = FREE * free / each
    if fitting < 1.0:
        raise MemoryError(f"a problem takes {each} bytes on the device, and {free} are free")
    return max(1, min(B, LANES, int(min(fitting, LANES))))


def last_axis(array):
    """The array with its first axis, that of problems, last."""
    return np.ascontiguousarray(np.moveaxis(array, 0, -1))


def run(kernel, X, args, split):
    """Solve on the device. Returns (X, G, numbers, reals) as the workers of `batch` leave them."""
    B, n = X.shape
    X = X.copy()
    G, numbers, reals = np.empty((B, n)), np.zeros((B, len(NUMBERS)), np.int64), np.empty((B, len(REALS)))
    lanes = lanes_for(B, n, kernel.n_workspace)
    compiled = cuda.jit(kernel_for(kernel.solve_tuple, split, [np.ndim(a) for a in args]))
    shared = [None if of_each else cuda.to_device(a) if np.ndim(a) else a for a, of_each in zip(args, split)]
    W = cuda.device_array((kernel.n_workspace, lanes))
    for first in range(0, B, lanes):
        rows = slice(first, min(first + lanes, B))
        count = rows.stop - first
        own = [
            cuda.to_device(last_axis(a[rows])) if of_each else on_device
            for a, of_each, on_device in zip(args, split, shared)
        ]
        x, g = cuda.to_device(last_axis(X[rows])), cuda.device_array((n, count))
        whole, parts = cuda.device_array((len(NUMBERS), count), np.int64), cuda.device_array((len(REALS), count))
        compiled[-(-count // THREADS), THREADS](x, W, *own, g, whole, parts)
        X[rows], G[rows] = x.copy_to_host().T, g.copy_to_host().T
        numbers[rows], reals[rows] = whole.copy_to_host().T, parts.copy_to_host().T
    return X, G, numbers, reals
