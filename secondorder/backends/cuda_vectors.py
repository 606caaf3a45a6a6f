"""Vectors on a CUDA device: the verbs of linalg.vectors for them, each one kernel over arrays of any length.

x, y, out are arrays of one axis on the device, of float32 or float64. What is said of one entry, `ENTRYWISE`, and what
is summed over all, `SUMS`, is a function of numbers; kernels for all of them are made alike.

Sums are in float64 and in a fixed order, so that a run has the same bits every time: thread t of block b adds entries
b THREADS + t, and then every (blocks THREADS)th; a block adds its threads' sums in pairs, half by half; one block adds
the sums of blocks in the same way. The order depends on the length alone.
"""

import functools
import math

import numpy as np

from secondorder.backends.cuda import SIMULATED, cuda, float64, types, wait
from secondorder.jit import inlined
from secondorder.linalg.chunks import larger
from secondorder.linalg.random_vector import FACTOR_1, FACTOR_2, MODULUS_1, MODULUS_2, jump, normal
from secondorder.subproblems.preconditioner import learnt

THREADS = 2 if SIMULATED else 256  # of a block; a power of two
SHARED = 8 * THREADS  # bytes that a sum shares in a block; the simulator makes arrays of a fixed size twice, at times
BLOCKS = 2 if SIMULATED else 512  # most blocks of a launch


def norm_of(sums, k):
    """sums[k], made nan where it is infinite."""
    if not math.isfinite(sums[k]):
        sums[k] = math.nan
    return sums[k]


def launch_size(n):
    """Blocks for n entries: THREADS each, some entries a thread where they are many."""
    return max(1, min(BLOCKS, -(-n // THREADS)))


# ------------------------------------------------------------------------------------------------- what is summed


@inlined
def add(a, b):
    """a + b."""
    return a + b


@inlined
def product(x, y):
    """For x'y."""
    return (1.0 * x) * y


@inlined
def square_of_difference(x, y):
    """For |x - y|_2^2."""
    d = (1.0 * x) - y
    return d * d


@inlined
def size(x):
    """For |x|_inf."""
    return 1.0 * abs(x)


@inlined
def size_of_difference(x, y):
    """For |x - y|_inf."""
    return abs((1.0 * x) - y)


@inlined
def itself(x):
    """For the sum of sums."""
    return x


@inlined
def three(x, y, z):
    """For sum_i x_i y_i z_i."""
    return (1.0 * x) * y * z


SUMS = {  # term, how terms are put together, number of vectors
    "dot": (product, add, 2),
    "distance2": (square_of_difference, add, 2),
    "largest": (size, larger, 1),
    "largest_difference": (size_of_difference, larger, 2),
    "triple": (three, add, 3),
}


@cuda.jit(device=True)
def folded(shared, t, put_together):
    """shared[0] <- what the block's threads have in shared, put together by halves. t: the thread."""
    cuda.syncthreads()
    half = THREADS // 2
    while half > 0:
        if t < half:
            shared[t] = put_together(shared[t], shared[t + half])
        cuda.syncthreads()
        half //= 2


def make_sum(term, put_together, count, numbers=0):
    """The kernel of a sum over `count` vectors: out[block] <- that of the block's entries.

    term gets an entry of each vector, and then as many numbers.
    """
    vectors, constants = [f"x{k}" for k in range(count)], [f"c{k}" for k in range(numbers)]
    names = ", ".join(vectors + constants)
    entries = ", ".join([f"{name}[i]" for name in vectors] + constants)
    text = f"""
def total({names}, out):
    shared = cuda.shared.array(0, float64)
    t, s = cuda.threadIdx.x, 0.0
    for i in range(cuda.grid(1), x0.shape[0], cuda.gridsize(1)):
        s = put_together(s, term({entries}))
    shared[t] = s
    folded(shared, t, put_together)
    if t == 0:
        out[cuda.blockIdx.x] = shared[0]
"""
    space = {"cuda": cuda, "float64": types.float64, "term": term, "put_together": put_together, "folded": folded}
    exec(text, space)
    return space["total"]


def products(work, rows, x, parts):
    """parts[k, block] <- the block's part of work[rows[k]]'x, for as many k as the grid is high."""
    shared = cuda.shared.array(0, float64)
    t, b, k, s = cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y, 0.0
    row = work[rows[k]]
    for i in range(b * THREADS + t, x.shape[0], cuda.gridDim.x * THREADS):
        s += (1.0 * row[i]) * x[i]
    shared[t] = s
    folded(shared, t, add)
    if t == 0:
        parts[k, b] = shared[0]


def fold(parts, blocks, out):
    """out[k] <- the sum of parts[k], for as many k as the grid is high."""
    shared = cuda.shared.array(0, float64)
    t, k, s = cuda.threadIdx.x, cuda.blockIdx.y, 0.0
    for i in range(t, blocks, THREADS):
        s += parts[k, i]
    shared[t] = s
    folded(shared, t, add)
    if t == 0:
        out[k] = shared[0]


def combine(work, rows, coefficients, count, out):
    """out <- sum over k < count of coefficients[k] work[rows[k]]."""
    for i in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        s = 0.0
        for k in range(count):
            s += coefficients[k] * work[rows[k], i]
        out[i] = s


OVER_ROWS = (products, fold, combine)


@functools.cache
def compiled_sum(term, put_together, count, numbers=0):
    """`make_sum`, which Numba compiles at the first launch for each number type."""
    return cuda.jit(make_sum(term, put_together, count, numbers))


# -------------------------------------------------------------------------------------- what is said of an entry


def axpby(a, x, b, y, out):
    """out <- a x + b y."""
    for i in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        out[i] = a * x[i] + b * y[i]


def axpy(a, x, y, out):
    """out <- a x + y."""
    for i in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        out[i] = a * x[i] + y[i]


def copy(x, out):
    """out <- x."""
    for i in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        out[i] = x[i]


def scale(a, x, out):
    """out <- a x."""
    for i in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        out[i] = a * x[i]


def fill(a, out):
    """out <- a."""
    for i in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        out[i] = a


def divide(x, y, out):
    """out <- x / y, entry by entry."""
    for i in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        out[i] = x[i] / y[i]


def multiply(x, y, out):
    """out <- x y, entry by entry."""
    for i in range(cuda.grid(1), out.shape[0], cuda.gridsize(1)):
        out[i] = x[i] * y[i]


def towards(a, x, slow):
    """x and slow <- slow + a (x - slow)."""
    for i in range(cuda.grid(1), x.shape[0], cuda.gridsize(1)):
        slow[i] += a * (x[i] - slow[i])
        x[i] = slow[i]


def random_normal(a, b, far_1, far_2, size, out):
    """out <- size times the normal numbers that follow state (a, b), the same ones as in a loop over all entries.

    far_1, far_2: what multiplies the state on the way to a thread's next entry.
    """
    first, step = cuda.grid(1), cuda.gridsize(1)
    a, b = jump(a, FACTOR_1, MODULUS_1, 2 * first), jump(b, FACTOR_2, MODULUS_2, 2 * first)
    for i in range(first, out.shape[0], step):
        _, _, out[i] = normal(a, b)
        out[i] *= size
        a, b = a * far_1 % MODULUS_1, b * far_2 % MODULUS_2


def learn(pdp, php, unit, p, hp, D):
    """D <- what a product hp = H p says of the diagonal of H (subproblems.preconditioner)."""
    for i in range(cuda.grid(1), D.shape[0], cuda.gridsize(1)):
        D[i] = learnt(D[i], p[i], hp[i], pdp, php, unit)


def step_of_minres(v, epsilon, delta, w, gamma, phi, before, s):
    """before <- (v - epsilon before - delta w) / gamma; s <- s + phi times that (krylov.minres)."""
    for i in range(cuda.grid(1), s.shape[0], cuda.gridsize(1)):
        t = (v[i] - epsilon * before[i] - delta * w[i]) / gamma
        before[i] = t
        s[i] += phi * t


ENTRYWISE = (axpby, axpy, copy, scale, fill, divide, multiply, towards, random_normal, learn, step_of_minres)


@functools.cache
def compiled_entrywise(kernel):
    """One of ENTRYWISE, which Numba compiles at the first launch for each number type."""
    return cuda.jit(kernel)


# ------------------------------------------------------------------------------------------------------ the verbs


class Verbs:
    """The verbs for vectors of length n, on a stream: as methods, of the names and arguments of linalg.vectors.

    Scalars come back to the host, and wait for the device; what writes a vector is queued. sums: the most that are
    fetched at once.
    """

    def __init__(self, n, stream, sums=4):
        self.n, self.stream = n, stream
        self.blocks = launch_size(n)
        self.parts = cuda.device_array(self.blocks, np.float64, stream=stream)
        self.whole, self.found = cuda.device_array(sums, np.float64, stream=stream), np.empty(sums)
        self.of_rows = self.of_basis = None  # what l-bfgs and Lanczos' method need, made when they do

    def launch(self, kernel, *arguments):
        """Queue one of ENTRYWISE."""
        if self.n > 0:
            compiled_entrywise(kernel)[self.blocks, THREADS, self.stream](*arguments)

    def total(self, term, put_together, *vectors, numbers=()):
        """A sum over all entries, by two kernels."""
        self.queue(0, term, put_together, *vectors, numbers=numbers)
        return self.fetched(1)[0]

    def queue(self, k, term, put_together, *vectors, numbers=()):
        """Have a sum made, which `fetched` will have as number k."""
        if self.n == 0:
            return
        kernel = compiled_sum(term, put_together, len(vectors), len(numbers))
        kernel[self.blocks, THREADS, self.stream, SHARED](*vectors, *numbers, self.parts)
        compiled_sum(itself, put_together, 1)[1, THREADS, self.stream, SHARED](self.parts, self.whole[k : k + 1])

    def fetched(self, count):
        """The first sums that were queued, all at once."""
        if self.n == 0:
            return np.zeros(count)
        self.whole.copy_to_host(self.found, stream=self.stream)
        wait(self.stream)
        return self.found[:count].copy()

    def sum_of(self, name, *vectors):
        """One of SUMS."""
        term, put_together, _ = SUMS[name]
        return self.total(term, put_together, *vectors)

    def dot(self, x, y):
        """x'y."""
        return self.sum_of("dot", x, y)

    def distance2(self, x, y):
        """|x - y|_2^2."""
        return self.sum_of("distance2", x, y)

    def norm_inf(self, x):
        """max |x_i|; nan if any entry is nan or infinite."""
        top = self.sum_of("largest", x)
        return top if math.isfinite(top) else np.float64(math.nan)

    def axpby(self, a, x, b, y, out):
        """out <- a x + b y; out may be x or y."""
        self.launch(axpby, float(a), x, float(b), y, out)

    def axpy(self, a, x, y, out):
        """out <- a x + y; out may be x or y."""
        self.launch(axpy, float(a), x, y, out)

    def axpy_dot(self, a, x, y, z):
        """y <- a x + y; returns its product with z."""
        self.axpy(a, x, y, y)
        return self.dot(y, z)

    def copy(self, x, out):
        """out <- x."""
        self.launch(copy, x, out)

    def scale(self, a, x, out):
        """out <- a x; out may be x."""
        self.launch(scale, float(a), x, out)

    def fill(self, a, out):
        """out <- a."""
        self.launch(fill, float(a), out)

    def divide(self, x, y, out):
        """out <- x / y, entry by entry."""
        self.launch(divide, x, y, out)

    def multiply(self, x, y, out):
        """out <- x y, entry by entry."""
        self.launch(multiply, x, y, out)

    def weighted(self, p, D):
        """p'Dp."""
        return self.sum_of("triple", p, D, p)

    def learn_from(self, p, hp, pdp, php, unit, D):
        """D <- what a product says of it."""
        self.launch(learn, float(pdp), float(php), float(unit), p, hp, D)

    def random_normal(self, a, b, size, out):
        """out <- size times the normal numbers that follow the state (a, b) of linalg.random_vector."""
        steps = 2 * self.blocks * THREADS
        far_1, far_2 = pow(FACTOR_1, steps, MODULUS_1), pow(FACTOR_2, steps, MODULUS_2)
        self.launch(random_normal, int(a), int(b), far_1, far_2, float(size), out)

    def move(self, x, xt):
        """x <- xt; returns (|xt - x|_inf, |xt|_inf)."""
        self.queue(0, size_of_difference, larger, xt, x)
        self.queue(1, size, larger, xt)
        self.copy(xt, x)
        return tuple(self.fetched(2))

    # for l-bfgs, as linalg.chunks has them: work is a matrix on the device, rows are numbers of its rows

    def change(self, work, rows, count, g, gt, sums):
        """g <- y = gt - g; sums <- (work[rows[k]])'gt, k < count, then y'gt, y'y and |gt|_inf, which is returned."""
        self.axpby(1.0, gt, -1.0, g, g)
        if self.of_rows is None:
            self.of_rows = cuda.device_array((len(rows), self.blocks), np.float64, stream=self.stream)
        numbers = tuple([int(row) for row in rows[:count]] + [0] * (len(rows) - count))
        if count > 0 and self.n > 0:
            high = self.blocks, count
            compiled_entrywise(products)[high, THREADS, self.stream, SHARED](work, numbers, gt, self.of_rows)
            compiled_entrywise(fold)[(1, count), THREADS, self.stream, SHARED](self.of_rows, self.blocks, self.whole)
        self.queue(count, product, add, g, gt)
        self.queue(count + 1, product, add, g, g)
        self.queue(count + 2, size, larger, gt)
        sums[: count + 3] = self.fetched(count + 3)
        return norm_of(sums, count + 2)

    def combine(self, work, rows, coefficients, count, out, sums):
        """out <- sum of coefficients[k] work[rows[k]], k < count; sums <- work[rows[0]]'out, out'out, |out|_inf."""
        numbers = tuple([int(row) for row in rows[:count]] + [0] * (len(rows) - count))
        weights = tuple([float(c) for c in coefficients[:count]] + [0.0] * (len(rows) - count))
        self.launch(combine, work, numbers, weights, count, out)
        self.queue(0, product, add, work[numbers[0]], out)
        self.queue(1, product, add, out, out)
        self.queue(2, size, larger, out)
        sums[:3] = self.fetched(3)
        norm_of(sums, 2)
        return sums[0]

    # for krylov

    def three_products(self, p, h):
        """(p'p, p'h, h'h)."""
        for k, (x, y) in enumerate(((p, p), (p, h), (h, h))):
            self.queue(k, product, add, x, y)
        return tuple(self.fetched(3))

    def step_of_cg(self, alpha, p, h, s, r):
        """s <- s + alpha p, r <- r - alpha h; returns r'r."""
        self.axpy(alpha, p, s, s)
        self.axpy(-alpha, h, r, r)
        return self.dot(r, r)

    def step_of_minres(self, v, epsilon, delta, w, gamma, phi, before, s):
        """before <- (v - epsilon before - delta w) / gamma; s <- s + phi times that."""
        self.launch(step_of_minres, v, float(epsilon), float(delta), w, float(gamma), float(phi), before, s)

    def orthogonalize(self, V, rows, w):
        """w <- w less its components along the first rows of V.

        They are all of the w that was given, where the CPU takes one away after the other: nothing is waited for.
        """
        if rows == 0:
            return
        if self.of_basis is None or self.of_basis[0].shape[0] < rows:
            most = V.shape[0]
            self.of_basis = (
                cuda.device_array((most, self.blocks), np.float64, stream=self.stream),
                cuda.device_array(most, np.float64, stream=self.stream),
                cuda.to_device(np.arange(most), stream=self.stream),
                cuda.device_array(self.n, np.float64, stream=self.stream),
            )
        parts, components, order, sum_of = self.of_basis
        compiled_entrywise(products)[(self.blocks, rows), THREADS, self.stream, SHARED](V, order, w, parts)
        compiled_entrywise(fold)[(1, rows), THREADS, self.stream, SHARED](parts, self.blocks, components)
        self.launch(combine, V, order, components, rows, sum_of)
        self.axpy(-1.0, sum_of, w, w)

    def combine_first(self, V, coefficients, out):
        """out <- the sum of as many rows of V as there are coefficients on the host."""
        count = len(coefficients)
        order, weights = np.arange(count), np.ascontiguousarray(coefficients)
        there = [cuda.to_device(a, stream=self.stream) for a in (order, weights)]
        self.launch(combine, V, *there, count, out)

    def same(self, x, xt):
        """Are they equal?"""
        return self.sum_of("largest_difference", x, xt) == 0.0
