"""Loops over all parameters, made of a rule: one source for a loop, for threads and, later, for a CUDA kernel.

`make_sweep(rule, n_state, n_coefficients, treat)` is sweep(x, g, rows, mask, noise, c), all of one float type:

    x (n,)         the parameters, changed in place
    g (n,)         the gradient
    rows           the state, one row for each of the rule's, changed in place; contiguous
    mask, noise    (n,), or of length 0 where `treat` reads none
    c              TREATMENT coefficients of `treat`, then those of the rule

The coefficients are read before the loop: as elements of an array each store into x might change them. So LLVM has
nothing left in the loop but the streams, and vectorises it.
"""

import re

from secondorder.jit import fixed_tuple, inlined, leaf, prange
from secondorder.linalg.chunks import CHUNKS, chunk
from secondorder.updates.treatment import TREATMENT


def full_name(function):
    """Module and name of a function, compiled or not."""
    function = getattr(function, "py_func", function)
    return f"{function.__module__}.{function.__qualname__}"


def called(function, *parts):
    """The function under a name of its own.

    Numba's symbols are made of names: two functions of one factory, both from the disk cache, may have the same symbol,
    and LLVM then takes the first for both.
    """
    words = [part if isinstance(part, str) else full_name(part) for part in parts]
    name = re.sub(r"\W+", "_", "__".join((function.__name__, *words)))
    function.__name__ = function.__qualname__ = name
    return function


def make_block(rule, n_state, count, treat):
    """block(x, g, rows, mask, noise, c, start, stop): parameters from start to stop."""
    treated = TREATMENT

    def stateless(x, g, rows, mask, noise, c, start, stop):
        t, q = fixed_tuple(c, treated), fixed_tuple(c[treated:], count)
        for i in range(start, stop):
            xi, gi = treat(x[i], g[i], mask, noise, i, t)
            x[i] = rule(xi, gi, *q)

    def one(x, g, rows, mask, noise, c, start, stop):
        t, q = fixed_tuple(c, treated), fixed_tuple(c[treated:], count)
        a = rows[0]
        for i in range(start, stop):
            xi, gi = treat(x[i], g[i], mask, noise, i, t)
            x[i], a[i] = rule(xi, gi, a[i], *q)

    def two(x, g, rows, mask, noise, c, start, stop):
        t, q = fixed_tuple(c, treated), fixed_tuple(c[treated:], count)
        a, b = rows[0], rows[1]
        for i in range(start, stop):
            xi, gi = treat(x[i], g[i], mask, noise, i, t)
            x[i], a[i], b[i] = rule(xi, gi, a[i], b[i], *q)

    def three(x, g, rows, mask, noise, c, start, stop):
        t, q = fixed_tuple(c, treated), fixed_tuple(c[treated:], count)
        a, b, d = rows[0], rows[1], rows[2]
        for i in range(start, stop):
            xi, gi = treat(x[i], g[i], mask, noise, i, t)
            x[i], a[i], b[i], d[i] = rule(xi, gi, a[i], b[i], d[i], *q)

    return leaf(called((stateless, one, two, three)[n_state], rule, treat))


def make_sweep(rule, n_state, count, treat, threads=False):
    """The loop over all parameters; threads: over chunks of them, for threads to share."""
    block = make_block(rule, n_state, count, treat)

    def sweep(x, g, rows, mask, noise, c):
        block(x, g, rows, mask, noise, c, 0, x.shape[0])
        return 0.0

    def shared(x, g, rows, mask, noise, c):
        for p in prange(CHUNKS):
            start, stop = chunk(p, x.shape[0])
            block(x, g, rows, mask, noise, c, start, stop)
        return 0.0

    return called(shared if threads else sweep, rule, treat)


def make_measure(measure):
    """total(x, g, rows, c, sums): the sum of measure(x, g, row 0, c[0]) over all parameters, in float64."""
    scalar = inlined(measure)

    def total(x, g, rows, c, sums):
        lr, a = c[0], rows[0]
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        n = x.shape[0]
        whole = n - n % 4
        for i in range(0, whole, 4):
            s0 += scalar(x[i], g[i], a[i], lr)
            s1 += scalar(x[i + 1], g[i + 1], a[i + 1], lr)
            s2 += scalar(x[i + 2], g[i + 2], a[i + 2], lr)
            s3 += scalar(x[i + 3], g[i + 3], a[i + 3], lr)
        s = (s0 + s2) + (s1 + s3)
        for i in range(whole, n):
            s += scalar(x[i], g[i], a[i], lr)
        return s

    return called(total, measure)
