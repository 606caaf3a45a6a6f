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

from secondorder.jit import fixed_tuple, full_name, inlined, leaf, plus, prange
from secondorder.linalg.chunks import CHUNKS, chunk
from secondorder.updates.treatment import TREATMENT


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
    """block(x, g, rows, mask, noise, c, s, e): parameters from s to e.

    Loops from 0 over slices are vectorised; loops from s are not, because s might be negative.
    """
    treated = TREATMENT

    def stateless(x, g, rows, mask, noise, c, s, e):
        t, q = fixed_tuple(c, treated), fixed_tuple(c[treated:], count)
        x, g, mask, noise = x[s:e], g[s:e], mask[s:e], noise[s:e]
        for i in range(x.shape[0]):
            xi, gi = treat(x[i], g[i], mask, noise, i, t)
            x[i] = rule(xi, gi, *q)

    def one(x, g, rows, mask, noise, c, s, e):
        t, q = fixed_tuple(c, treated), fixed_tuple(c[treated:], count)
        x, g, mask, noise = x[s:e], g[s:e], mask[s:e], noise[s:e]
        a = rows[0, s:e]
        for i in range(x.shape[0]):
            xi, gi = treat(x[i], g[i], mask, noise, i, t)
            x[i], a[i] = rule(xi, gi, a[i], *q)

    def two(x, g, rows, mask, noise, c, s, e):
        t, q = fixed_tuple(c, treated), fixed_tuple(c[treated:], count)
        x, g, mask, noise = x[s:e], g[s:e], mask[s:e], noise[s:e]
        a, b = rows[0, s:e], rows[1, s:e]
        for i in range(x.shape[0]):
            xi, gi = treat(x[i], g[i], mask, noise, i, t)
            x[i], a[i], b[i] = rule(xi, gi, a[i], b[i], *q)

    def three(x, g, rows, mask, noise, c, s, e):
        t, q = fixed_tuple(c, treated), fixed_tuple(c[treated:], count)
        x, g, mask, noise = x[s:e], g[s:e], mask[s:e], noise[s:e]
        a, b, d = rows[0, s:e], rows[1, s:e], rows[2, s:e]
        for i in range(x.shape[0]):
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
            s, e = chunk(p, x.shape[0])
            block(x, g, rows, mask, noise, c, s, e)
        return 0.0

    return called(shared if threads else sweep, rule, treat)


def make_measure(measure):
    """total(x, g, rows, c, sums): the sum of measure(x, g, row 0, c[0]) over all parameters, in float64."""
    scalar = inlined(measure)

    def total(x, g, rows, c, sums):
        lr, a = c[0], rows[0]
        s = 0.0
        for i in range(x.shape[0]):
            s = plus(s, 1.0 * scalar(x[i], g[i], a[i], lr))  # in any order: of the sum only the sign is used
        return s

    return called(total, measure)
