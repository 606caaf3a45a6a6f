r"""Neon+: negative curvature from gradients alone, by Nesterov's acceleration of the power method on I - H / L.

From a small random u, y = u:

    y+ = u - (grad f(x + u) - grad f(x)) / L;    u <- y+ + zeta (y+ - y);    y <- y+            (NEON+ of [1])

until u is a direction of negative curvature (subproblems.negative_curvature), which then is followed as one from
Lanczos is; or for STEPS gradients. Components of curvature -lambda grow by some 1 + sqrt(lambda / L) a step, those of
positive curvature shrink.

Differs from [1]: L is the largest quotient met, zeta = 1 - sqrt(delta) for delta in units of L, and u is kept at its
length, where [1] lets it grow to a radius that follows from bounds on the derivatives of f.

References
----------
[1] Xu, Jin, Yang. First-order stochastic algorithms for escaping from saddle points in almost linear time. NeurIPS
    2018.
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

ZETA = 1.0 - math.sqrt(RESOLUTION)  # of momentum; 1 - sqrt(eta gamma) in [1], for curvatures below -gamma


@loop
def leave(fun_grad, found, strict, tolerance, floor, noise, x, f, seed, stream, work, control, data):
    """x <- a lower point along a direction of negative curvature that gradients show."""
    g, xt, hu, u, y = work[0], work[1], work[2], work[4], work[5]
    h = difference_length(noise)
    tolerance = max(tolerance, RESOLVED * h)
    norm = first_norm(fun_grad, x, g, h, seed, 1000 * stream + 251, xt, hu, u, control, data)
    length = first_vector(x, h, seed, 1000 * stream + 250, u, control)
    copy(u, y)
    q = Quotient(math.nan, math.nan, norm, True)
    for _ in range(STEPS):
        if stopped(control):
            break
        q = quotient(fun_grad, x, g, u, q.norm, xt, hu, control, data)
        if not (math.isfinite(q.norm) and q.norm > 0.0):
            break
        if q.c < -tolerance * q.norm and q.error <= -GOOD * q.c:
            break
        if q.grew:
            copy(u, y)
        axpy(-1.0 / q.norm, hu, u, u)  # u is y+ for a moment
        axpby(1.0 + ZETA, u, -ZETA, y, hu)
        size = length / math.sqrt(dot(hu, hu))
        scale(size, u, y)
        scale(size, hu, u)
    return follow(fun_grad, x, f, q, tolerance, seed, stream, work, control, data)
