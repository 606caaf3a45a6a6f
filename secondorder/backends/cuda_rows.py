"""A mean over the rows of data on a CUDA device: value, gradient and Hessian products, generated from its term.

A thread, a lane, takes rows a stride apart. It has a gradient of one row, their sum, and the memory of the generated
derivative, in tiles of a warp's lanes as the problems of `cuda_batch` have; so has the data, so that a warp reads
neighbouring words. Then a block for each variable adds the lanes. Lanes depend on the number of rows and of variables
alone, and with them the order of all sums: a run has the same bits every time.

The regularizer is a function of x alone and no sum: one thread would take longer for it than x takes to the host, where
it is evaluated while the device is at the rows.
"""

import functools
import math

import numpy as np

from secondorder.backends.cuda import WARP, cuda, free_memory, stream_of, types, wait
from secondorder.backends.cuda_batch import MOST_KEPT, compiled_interleave
from secondorder.backends.cuda_vectors import SHARED, THREADS, Verbs, add, compiled_entrywise, folded, itself
from secondorder.derivatives.row_sums import nothing
from secondorder.derivatives.transforms import hvp, value_and_grad
from secondorder.jit import spaced_at

LANES = 1 << 16  # most lanes
MEMORY = 2**31  # bytes for what all lanes have, at most, as long as that does for a warp
SENT = 2**25  # numbers of data on their way to the tiles at a time
BLOCK = WARP if THREADS < WARP else 64  # threads; the derivatives take many registers
WIDE = 1 << 12  # most blocks of a sum over lanes

PRODUCTS = {"value_and_grad": value_and_grad, "hvp": hvp}


@functools.lru_cache(maxsize=MOST_KEPT)
def derivative_of(what, function):
    """One of PRODUCTS of a function: for kernels, with its memory in a workspace."""
    return PRODUCTS[what](function, workspace=True)


def kernel_for(what, term, n, n_own, shapes):
    """The kernel: each lane's sum over its rows, and of a gradient values[lane] <- the sum of the term.

    n_own: words of memory of the derivative. shapes: of a row of each array.
    """
    words = 2 * n + n_own
    space = {
        "cuda": cuda, "derivative": derivative_of(what, term), "spaced_at": spaced_at, "WARP": WARP,
        "n": n, "of_x": (n,), "of_own": (n_own,), "words": words,
    }  # fmt: skip
    rows = ""
    for k, shape in enumerate(shapes):
        space[f"of{k}"], space[f"size{k}"] = shape, math.prod(shape)
        if shape == ():
            rows += f"a{k}[k], "
        else:
            rows += f"spaced_at(a{k}, (k // WARP) * (size{k} * WARP) + k % WARP, of{k}, WARP), "
    names = "".join(f"a{k}, " for k in range(len(shapes)))
    vector, before, after = ("v, ", "", "") if what == "hvp" else ("", "s += ", "values[t] = s")
    text = f"""
def over_rows(x, {vector}{names}rows, lanes, W, values):
    t = cuda.grid(1)
    if t < lanes:
        first, s = (t // WARP) * (words * WARP) + t % WARP, 0.0
        total, part = spaced_at(W, first, of_x, WARP), spaced_at(W, first + n * WARP, of_x, WARP)
        own = spaced_at(W, first + 2 * n * WARP, of_own, WARP)
        for j in range(n):
            total[j] = 0.0
        for k in range(t, rows, lanes):
            {before}derivative(x, {vector}{rows}part, own)
            for j in range(n):
                total[j] += part[j]
        {after}
"""
    exec(text, space)
    return space["over_rows"]


@functools.lru_cache(maxsize=MOST_KEPT)
def compiled(what, term, n, n_own, shapes):
    """`kernel_for`, which Numba compiles at the first launch."""
    return cuda.jit(kernel_for(what, term, n, n_own, shapes))


def mean_of_lanes(W, words, lanes, rows, out):
    """out[j] <- the sum of word j of all lanes, divided by the number of rows."""
    shared = cuda.shared.array(0, types.float64)
    t = cuda.threadIdx.x
    for j in range(cuda.blockIdx.x, out.shape[0], cuda.gridDim.x):
        s = 0.0
        for k in range(t, lanes, THREADS):
            s += W[(k // WARP) * (words * WARP) + j * WARP + k % WARP]
        shared[t] = s
        folded(shared, t, add)
        if t == 0:
            out[j] = shared[0] / rows


def lanes_for(rows, words):
    """How many lanes, whole warps, each with so many words."""
    return WARP * max(1, min(LANES // WARP, -(-rows // WARP), MEMORY // (8 * words * WARP)))


def in_tiles(array, stream):
    """The rows of an array of NumPy on the device, in tiles of WARP of them."""
    count, size = len(array), array[0].size
    if array.ndim == 1 or count * size == 0:
        return cuda.to_device(array.reshape(-1), stream=stream)
    out = cuda.device_array(-(-count // WARP) * WARP * size, array.dtype, stream=stream)
    step = WARP * max(1, SENT // (WARP * size))
    for first in range(0, count, step):
        source = cuda.to_device(array[first : first + step].reshape(-1), stream=stream)
        blocks = max(1, min(-(-source.size // BLOCK), WIDE))
        compiled_interleave()[blocks, BLOCK, stream](source, size, out[first * size :])
    return out


class Pass:
    """One derivative over all rows."""

    def __init__(self, what, term, n, data):
        shapes = tuple([array.shape[1:] for array in data])
        first_row = [array[0] for array in data]
        self.n_own = max(1, int(derivative_of(what, term).n_workspace(np.ones(n), *first_row)))
        self.words = 2 * n + self.n_own
        self.lanes = lanes_for(len(data[0]), self.words)
        self.kernel = compiled(what, term, n, self.n_own, shapes)


class RowMean:
    """f(x) = mean over the rows of term(x, row) + regularizer(x), with x, gradients and products on the device.

    data: arrays of NumPy, of the same first length, which are brought to the device here.
    """

    def __init__(self, term, regularizer, data, n, stream):
        self.term, self.data, self.n, self.stream = term, data, n, stream_of(stream)
        self.passes, self.W = {}, None
        self.gradient = self.made("value_and_grad")  # what can't be differentiated is told before data is sent
        self.tiles = [in_tiles(array, self.stream) for array in data]
        self.values = cuda.device_array(self.gradient.lanes, np.float64, stream=self.stream)
        self.sums, self.verbs = Verbs(self.gradient.lanes, self.stream), Verbs(n, self.stream)
        self.rest = None
        if regularizer is not nothing:
            self.rest, self.rest_product = value_and_grad(regularizer), hvp(regularizer)

    def made(self, what):
        """The Pass of a derivative, made when it is first asked for."""
        if what not in self.passes:
            self.passes[what] = Pass(what, self.term, self.n, self.data)
        return self.passes[what]

    def memory(self, size):
        """A vector of so many words or more, which passes share."""
        if self.W is None or self.W.size < size:
            self.W = None
            if 8 * size > free_memory():
                raise MemoryError(
                    f"the sum over rows takes {8 * size} bytes on the device, and {free_memory()} are free: for one "
                    f"gradient of {self.n} numbers and more in each thread"
                )
            self.W = cuda.device_array(size, np.float64, stream=self.stream)
        return self.W

    def launch(self, chosen, vectors, out):
        """out <- the mean over the rows; nothing waits for it."""
        W, rows = self.memory(chosen.words * chosen.lanes), len(self.data[0])
        blocks = -(-chosen.lanes // BLOCK)
        chosen.kernel[blocks, BLOCK, self.stream](*vectors, *self.tiles, rows, chosen.lanes, W, self.values)
        summing = compiled_entrywise(mean_of_lanes)[min(self.n, WIDE), THREADS, self.stream, SHARED]
        summing(W, chosen.words, chosen.lanes, rows, out)

    def fun_grad(self, x, g):
        """f(x); g <- its gradient."""
        here = self.on_host(x)
        self.launch(self.gradient, (x,), g)
        self.sums.queue(0, itself, add, self.values)
        rest = 0.0
        if self.rest is not None:
            rest, of_rest = self.rest(*here)
            self.add(of_rest, g)
        return self.sums.fetched(1)[0] / len(self.data[0]) + rest

    def hvp(self, x, v, out):
        """out <- H(x) v."""
        here = self.on_host(x, v)
        self.launch(self.made("hvp"), (x, v), out)
        if self.rest is not None:
            self.add(self.rest_product(*here), out)

    def on_host(self, *vectors):
        """The vectors in NumPy, where there is a regularizer."""
        if self.rest is None:
            return None
        here = [v.copy_to_host(stream=self.stream) for v in vectors]
        wait(self.stream)
        return here

    def add(self, values, out):
        """out <- out + values of the host."""
        self.verbs.axpy(1.0, cuda.to_device(values, stream=self.stream), out, out)
