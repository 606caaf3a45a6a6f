r"""Neon2: negative curvature from gradients alone, by Chebyshev polynomials of I - H / L.

From a small random y_1, y_0 = 0, with M = (1 - 3 delta / 4) I - H / L and H y = grad f(x + y) - grad f(x):

    y_{t+1} = 2 M y_t - y_{t-1}                                                      (Neon2-det of [1])

until y is a direction of negative curvature (subproblems.negative_curvature), which then is followed as one from
Lanczos is; or for STEPS gradients. Where M has eigenvalues in [-1, 1], those of H being in [-3/4 delta L, 2 L], the
polynomials stay small; a component of curvature -delta L or below grows like cosh(t sqrt(delta / 2)) or faster.

Differs from [1]: L is the largest quotient met; y is kept at its length; it is y that is looked at, each time, at no
cost, and not y_{t+1} - M y_t at the end.

References
----------
[1] Allen-Zhu, Li. Neon2: finding local minima via first-order oracles. NeurIPS 2018.
"""

import math

from secondorder.control import stopped
from secondorder.jit import loop
from secondorder.linalg.vectors import axpby, axpy, copy, dot, scale
from secondorder.subproblems.negative_curvature import (
    GOOD,
    RESOLUTION,
    RESOLVED,
    STEPS,
    Quotient,
    difference_length,
    first_norm,
    first_vector,
    follow,
    quotient,
)

NEEDS = "gradients"
N_WORK = 6

SHIFT = 1.0 - 0.75 * RESOLUTION  # of M; [1]


@loop
def leave(fun_grad, found, strict, tolerance, floor, noise, x, f, seed, stream, work, control, data):
    """x <- a lower point along a direction of negative curvature that gradients show."""
    g, xt, hy, y, before = work[0], work[1], work[2], work[4], work[5]
    h = difference_length(noise)
    tolerance = max(tolerance, RESOLVED * h)
    norm = first_norm(fun_grad, x, g, h, seed, 1000 * stream + 251, xt, hy, y, control, data)
    length = first_vector(x, h, seed, 1000 * stream + 250, y, control)
    scale(0.0, y, before)
    q = Quotient(math.nan, math.nan, norm, True)
    for _ in range(STEPS):
        if stopped(control):
            break
        q = quotient(fun_grad, x, g, y, q.norm, xt, hy, control, data)
        if not (math.isfinite(q.norm) and q.norm > 0.0):
            break
        if q.c < -tolerance * q.norm and q.error <= -GOOD * q.c:
            break
        if q.grew:
            scale(0.0, y, before)
        axpby(-2.0 / q.norm, hy, -1.0, before, hy)
        axpy(2.0 * SHIFT, y, hy, hy)
        size = length / math.sqrt(dot(hy, hy))
        scale(size, y, before)
        copy(hy, y)
        scale(size, y, y)
    return follow(fun_grad, x, f, q, tolerance, seed, stream, work, control, data)
