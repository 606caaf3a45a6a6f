"""A batch on a CUDA device: a thread for each problem, the solver and the objective compiled together as device code.

What is compiled is `kernels.make(...).solve_tuple`, the same text as on the CPU. Memory is in tiles of a warp's
problems: word k of all of them lies together, so that the threads of a warp read neighbouring words, WARP words before
word k + 1. So every address in a kernel is a problem's first word plus a constant. With a stride that is known only at
launch, pointers and strides of a dozen arrays take all registers and more (bfgs, n = 4, sm_80: 255 registers and 304
bytes of spills; so 90 and none). Problems are launched in chunks that fit the device's free memory.
"""

import functools
import math

import numpy as np

from secondorder.backends.batch import NUMBERS, REALS
from secondorder.backends.cuda import WARP, cuda, device_array_of, flat, free_memory, stream_of, wait
from secondorder.jit import spaced_at

THREADS = 64  # a block; solvers take many registers
FREE = 0.8  # of the memory that is free, the part that a launch may take
LANES = 1 << 20  # most problems in one launch
CONSTANT = 8  # longest first axis of a problem's data that is a constant of the kernel
MOST_KEPT = 32  # compiled kernels that are kept for the next call


def lengths_of(kernel, shapes):
    """name -> number of what a kernel gets at launch: long first axes of a problem's own args, and m of fits.

    Were they constants, loops over data would be unrolled: a fit of 4 variables to 32 data then spills 5.6 kB, and so
    nothing. Strides don't depend on first axes, and stay constants.
    """
    found = {f"length{k}": shape[0] for k, shape in enumerate(shapes) if shape and shape[0] > CONSTANT}
    return found | ({"m": kernel.m} if hasattr(kernel, "m") else {})


def kernel_for(kernel, shapes, kept=None):
    """The device kernel of a batch. shapes: of each of args, None if all share it, else that of a problem's own.

    kept: (first word of the workspace, how many) of what comes back beside point and gradient, in rows of K.
    """
    n, words = kernel.n, kernel.n + kernel.n_workspace
    space = {
        "cuda": cuda, "solve_tuple": kernel.solve_tuple, "spaced_at": spaced_at,
        "n": n, "of_x": (n,), "words": words, "of_workspace": (kernel.n_workspace,), "WARP": WARP,
    }  # fmt: skip
    picked, lengths = [], lengths_of(kernel, shapes)
    for k, shape in enumerate(shapes):
        space[f"of{k}"], space[f"size{k}"] = shape, math.prod(shape or ())
        if shape is None:
            picked.append(f"a{k}")
        elif shape == ():
            picked.append(f"a{k}[i]")
        else:
            of = f"(length{k}, *of{k}[1:])" if f"length{k}" in lengths else f"of{k}"
            picked.append(f"spaced_at(a{k}, tile * (size{k} * WARP) + lane, {of}, WARP)")
    if "m" in lengths:
        picked.append("m")
    names = "".join(f"{name}, " for name in (*[f"a{k}" for k in range(len(shapes))], *lengths))
    tuple_of = f"({', '.join(picked)},)" if picked else "()"
    keep = ""
    if kept is not None:
        space["first_kept"], space["n_kept"] = kept
        keep = "for k in range(n_kept):\n            K[i, k] = workspace[first_kept + k]"
    text = f"""
def batch(X0, W, {names}X, G, numbers, reals{", K" if keep else ""}):
    i = cuda.grid(1)
    if i < X0.shape[0]:
        tile, lane = i // WARP, i % WARP
        first = tile * (words * WARP) + lane
        x, workspace = spaced_at(W, first, of_x, WARP), spaced_at(W, first + n * WARP, of_workspace, WARP)
        for k in range(n):
            x[k] = X0[i, k]
        end = solve_tuple(x, workspace, {tuple_of})
        numbers[i, 0], numbers[i, 1], numbers[i, 2], numbers[i, 3] = end.reason, end.nit, end.nfev, end.njev
        numbers[i, 4], numbers[i, 5], numbers[i, 6] = end.nhev, end.nrestart, end.nskip
        reals[i, 0], reals[i, 1], reals[i, 2] = end.fun, end.optimality, end.threshold
        for k in range(n):
            X[i, k], G[i, k] = x[k], workspace[k]
        {keep}
"""
    exec(text, space)
    return space["batch"]


_kernels = {}  # of the last objectives, by all that they depend on


def kernel_of(make, method, fun, n, options, args, *more):
    """make(method, fun, n, options, args, *more), or what it gave for the same before: compiling it takes seconds."""
    kinds = tuple([(a.dtype, a.shape) if isinstance(a, np.ndarray) else type(a) for a in args])
    try:
        key = make, method, fun, n, tuple(sorted(options.items())), kinds, more
        found = _kernels.get(key)
    except TypeError:  # an option or an objective without a hash
        return make(method, fun, n, options, args, *more)
    if found is None:
        if len(_kernels) >= MOST_KEPT:
            del _kernels[next(iter(_kernels))]
        found = _kernels[key] = make(method, fun, n, options, args, *more)
    return found


def interleave(source, size, out):
    """out <- the numbers of source, `size` to a problem, in tiles."""
    start, step = cuda.grid(1), cuda.gridsize(1)
    for k in range(start, source.shape[0], step):
        i, j = k // size, k % size
        out[(i // WARP) * (size * WARP) + j * WARP + i % WARP] = source[k]


def weigh(Y, sigma, known, weights, counts):
    """known <- Y with 0 for nan; weights <- 1 / sigma, 0 there; counts <- a row's data, and those of a wrong sigma.

    sigma has no rows: 1; one row: the same for all problems.
    """
    for i in range(cuda.grid(1), Y.shape[0], cuda.gridsize(1)):
        row, data, wrong = min(i, sigma.shape[0] - 1), 0, 0
        for j in range(Y.shape[1]):
            y = Y[i, j]
            known[i, j] = weights[i, j] = 0.0
            if y == y:
                data += 1
                known[i, j] = y
                if row < 0:
                    weights[i, j] = 1.0
                elif sigma[row, j] > 0.0:
                    weights[i, j] = 1.0 / sigma[row, j]
                else:
                    wrong += 1
        counts[i, 0], counts[i, 1] = data, wrong


def weighed(Y, sigma, stream, dtype):
    """What `fit_batch.weighed` does, of arrays on the device."""
    stream, Y = stream_of(stream), device_array_of("Y", Y)
    if sigma is None:
        sigma = cuda.device_array((0, Y.shape[1]), dtype, stream=stream)
    else:
        sigma = device_array_of("sigma", sigma)
        sigma = sigma if sigma.ndim == 2 else flat("sigma", sigma).reshape(1, Y.shape[1])
    known, weights = [cuda.device_array(Y.shape, dtype, stream=stream) for _ in range(2)]
    counts = cuda.device_array((Y.shape[0], 2), np.int64, stream=stream)
    if Y.shape[0] > 0:
        compiled_weigh()[min(-(-Y.shape[0] // THREADS), 4096), THREADS, stream](Y, sigma, known, weights, counts)
    found = counts.copy_to_host(stream=stream)
    wait(stream)
    return known, weights, found[:, 0].copy(), int(found[:, 1].sum())


@functools.cache
def compiled_weigh():
    """`weigh`, likewise."""
    return cuda.jit(weigh)


@functools.lru_cache(maxsize=MOST_KEPT)
def compiled(kernel, shapes, kept):
    """`kernel_for`, which Numba compiles at the first launch."""
    return cuda.jit(kernel_for(kernel, shapes, kept))


@functools.cache
def compiled_interleave():
    """`interleave`, likewise."""
    return cuda.jit(interleave)


def lanes_for(B, kernel, n_kept, args, shapes, size):
    """Problems a launch: what the free memory holds, in whole tiles. size: bytes of a number."""
    own = sum(2 * a.dtype.itemsize * math.prod(shape) for a, shape in zip(args, shapes) if shape is not None)
    each = size * (4 * kernel.n + kernel.n_workspace + n_kept + len(REALS)) + 8 * len(NUMBERS) + own
    free = free_memory()
    fitting = FREE * free / (each * WARP)
    if fitting < 1.0:
        raise MemoryError(f"{WARP} problems take {each * WARP} bytes on the device, and {free} are free")
    most = max(1, min(LANES // WARP, int(min(fitting, LANES))))
    return WARP * min(most, -(-B // WARP))


class Args:
    """The args of a batch: shared ones on the device, the others brought there a chunk at a time."""

    def __init__(self, args, split, on_device, stream):
        self.stream, self.given = stream, []
        for k, (a, here) in enumerate(zip(args, on_device)):
            self.given.append(device_array_of(f"args[{k}]", a) if here else a)
        self.shapes = tuple([tuple(a.shape[1:]) if of_each else None for a, of_each in zip(args, split)])
        self.on_device = on_device
        self.shared = [
            cuda.to_device(a, stream=stream) if isinstance(a, np.ndarray) and a.ndim else a for a in self.given
        ]  # fmt: skip
        for k, shape in enumerate(self.shapes):
            if shape is not None:
                self.shared[k] = None

    def chunk(self, rows):
        """Those of some problems, for the kernel."""
        return [self.shared[k] if shape is None else self.own(k, rows, shape) for k, shape in enumerate(self.shapes)]

    def own(self, k, rows, shape):
        """args[k] of these problems, in tiles."""
        a, count, size = self.given[k][rows], rows.stop - rows.start, math.prod(shape)
        if self.on_device[k]:
            source = flat(f"args[{k}]", a)
        else:
            source = cuda.to_device(np.ascontiguousarray(a).reshape(-1), stream=self.stream)
        if shape == ():
            return source
        out = cuda.device_array(-(-count // WARP) * WARP * size, a.dtype, stream=self.stream)
        if count * size > 0:
            blocks = min(-(-count * size // THREADS), 4096)
            compiled_interleave()[blocks, THREADS, self.stream](source, size, out)
        return out


def run(kernel, X0, args, split, on_device, stream, dtype, kept=None):
    """Solve on the device. Returns (X, G, numbers, reals, K) as the workers of `batch` leave them.

    on_device: (is X0 there?, which of args are?). X and G are on the device where X0 is, the others never.
    dtype: of all numbers but counts. kept: as in `kernel_for`; without, K is None.
    """
    stream, (x_there, args_there) = stream_of(stream), on_device
    (B, n), words = X0.shape, kernel.n + kernel.n_workspace
    X0 = device_array_of("X0", X0) if x_there else X0
    new = functools.partial(cuda.device_array, stream=stream) if x_there else np.empty
    X, G = new((B, n), dtype), new((B, n), dtype)
    numbers, reals = np.empty((B, len(NUMBERS)), np.int64), np.empty((B, len(REALS)), dtype)
    n_kept = 0 if kept is None else kept[1]
    K = None if kept is None else np.empty((B, n_kept), dtype)
    args = Args(args, split, args_there, stream)
    lengths = lengths_of(kernel, args.shapes).values()
    lanes = lanes_for(B, kernel, n_kept, args.given, args.shapes, np.dtype(dtype).itemsize)
    solve, W = compiled(kernel, args.shapes, kept), cuda.device_array(lanes * words, dtype, stream=stream)
    for first in range(0, B, lanes):
        rows = slice(first, min(first + lanes, B))
        count = rows.stop - first
        if x_there:
            x0, x, g = X0[rows], X[rows], G[rows]
        else:
            x0 = cuda.to_device(X0[rows], stream=stream)
            x, g = [cuda.device_array((count, n), dtype, stream=stream) for _ in range(2)]
        whole = cuda.device_array((count, len(NUMBERS)), np.int64, stream=stream)
        parts = cuda.device_array((count, len(REALS)), dtype, stream=stream)
        more = () if kept is None else (cuda.device_array((count, n_kept), dtype, stream=stream),)
        solve[-(-count // THREADS), THREADS, stream](x0, W, *args.chunk(rows), *lengths, x, g, whole, parts, *more)
        if not x_there:
            x.copy_to_host(X[rows], stream=stream)
            g.copy_to_host(G[rows], stream=stream)
        whole.copy_to_host(numbers[rows], stream=stream)
        parts.copy_to_host(reals[rows], stream=stream)
        if kept is not None:
            more[0].copy_to_host(K[rows], stream=stream)
        wait(stream)
    return X, G, numbers, reals, K
