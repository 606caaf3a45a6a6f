"""Steps of update rules on arrays that are on a CUDA device: a thread for each parameter, or some of them.

The scalar rule and what is done to the gradient are those of the CPU's loops, in the arrays' own number type.
Coefficients are made on the host and go to the kernel by value; sums that a rule or clipping asks for, on the device
(`cuda_vectors`). Noise is the CPU's, number by number.
"""

import functools
import math

import numpy as np

from secondorder.backends.cuda import cuda, device_array_of, flat, stream_of
from secondorder.backends.cuda_vectors import THREADS, Verbs, add, product, towards
from secondorder.backends.updates import NUMBERS
from secondorder.jit import inlined, plain
from secondorder.linalg.random_vector import MODULUS_1, MODULUS_2, WARM_UP
from secondorder.linalg.random_vector import step as next_state
from secondorder.updates.treatment import TREATMENT, noise_at


def make_sweep(rule, n_state, treat):
    """The kernel sweep(x, g, rows, mask, noise, t, q): `treat` with coefficients t, then the rule with q."""
    rows = "".join(f", rows[{k}, i]" for k in range(n_state))
    text = f"""
def sweep(x, g, rows, mask, noise, t, q):
    for i in range(cuda.grid(1), x.shape[0], cuda.gridsize(1)):
        xi, gi = treat(x[i], g[i], mask, noise, i, t)
        x[i]{rows} = rule(xi, gi{rows}, *q)
"""
    space = {"cuda": cuda, "rule": rule, "treat": treat}
    exec(text, space)
    return space["sweep"]


@functools.cache
def compiled_sweep(rule, n_state, treat):
    """`make_sweep`, which Numba compiles at the first launch for each number type."""
    return cuda.jit(make_sweep(rule, n_state, treat))


@inlined
def scaled_square(x, top):
    """For |x / top|_2^2."""
    part = (1.0 * x) / top
    return part * part


class State:
    """The arrays of an update on the device. rows: (number of rows, n), starting from `start`."""

    def __init__(self, x, start, mask, noisy, keep_slow, stream):
        x = device_array_of("x", x)
        if x.dtype not in NUMBERS:
            raise TypeError(f"x must hold float32 or float64; it is an array of {x.dtype} on the device")
        self.stream, self.shape, self.dtype = stream_of(stream), tuple(x.shape), x.dtype
        self.n = n = math.prod(self.shape)
        self.verbs = Verbs(n, self.stream)
        x = flat("x", x)
        self.rows = cuda.device_array((max(1, len(start)), max(1, n)), x.dtype, stream=self.stream)
        for k, value in enumerate(start):
            self.verbs.fill(value, self.rows[k])
        one = np.zeros(1, x.dtype)  # stands for a vector that no kernel reads
        self.mask = cuda.to_device(mask if len(mask) else one, stream=self.stream)
        self.noise = cuda.device_array(max(1, n) if noisy else 1, x.dtype, stream=self.stream)
        self.slow = None
        if keep_slow:
            self.slow = cuda.device_array(max(1, n), x.dtype, stream=self.stream)
            self.verbs.copy(x, self.slow)

    def vector(self, name, array):
        """The array as a vector, if it fits."""
        array = device_array_of(name, array)
        if tuple(array.shape) != self.shape or array.dtype != self.dtype:
            raise ValueError(
                f"{name} has shape {tuple(array.shape)} and type {array.dtype}; the state was made for {self.shape} "
                f"and {self.dtype}"
            )
        return flat(name, array)

    def number(self, value):
        """A number of the arrays' type."""
        return self.dtype.type(value)

    def measured(self, measure, x, g, lr):
        """The sum of a rule's `measure`."""
        return self.verbs.total(inlined_measure(measure), add, x, g, self.rows[0], numbers=(self.number(lr),))

    def norm(self, g):
        """|g|_2, whose square may over- or underflow."""
        square = self.verbs.total(product, add, g, g)
        if 1e-290 < square < math.inf or square != square:
            return math.sqrt(square)
        top = self.verbs.sum_of("largest", g)
        if not 0.0 < top < math.inf:
            return top if square > 0.0 else 0.0
        return top * math.sqrt(self.verbs.total(scaled_square, add, g, numbers=(float(top),)))

    def make_noise(self, seed, k, common):
        """noise <- that of step k, as `updates.descent.make_noise` has it."""
        size, seed = plain(noise_at)(k, common.gradient_noise, common.noise_decay), seed + k
        a, b = 1 + seed % (MODULUS_1 - 1), 1 + seed % (MODULUS_2 - 1)
        for _ in range(WARM_UP):
            a, b = plain(next_state)(a, b)
        self.verbs.random_normal(a, b, size, self.noise)

    def sweep(self, rule, n_state, count, treat, x, g, c):
        """x and rows <- those after a step with coefficients c."""
        if self.n == 0:
            return
        t, q = [tuple(map(self.number, part)) for part in (c[:TREATMENT], c[TREATMENT : TREATMENT + count])]
        kernel = compiled_sweep(rule, n_state, treat)
        kernel[self.verbs.blocks, THREADS, self.stream](x, g, self.rows, self.mask, self.noise, t, q)

    def synchronise(self, x, alpha):
        """x and slow <- slow + alpha (x - slow)."""
        self.verbs.launch(towards, self.number(alpha), x, self.slow)

    def set_row(self, k, values):
        """Row k <- an array, there or here."""
        if isinstance(values, np.ndarray):
            values = cuda.to_device(np.ascontiguousarray(values, self.dtype), stream=self.stream)
        self.verbs.copy(self.vector("diagonal", values), self.rows[k])


@functools.cache
def inlined_measure(measure):
    """A rule's `measure`, for kernels."""
    return inlined(measure)
