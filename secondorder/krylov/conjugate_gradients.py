r"""Conjugate gradients for H s = b, preconditioned, with a test of curvature.

From s = 0, r = b, with M the preconditioner, symmetric positive definite:

    1.  z = M^{-1} r;   p = z + beta p,  beta = r'z / (r'z of the step before)
    2.  h = H p;   curvature = p'h / p'p;   stop, with s and p, where it is <= eps max |H p| / |p|
    3.  alpha = r'z / p'h;   s <- s + alpha p;   r <- r - alpha h                         ([1] algorithm 5.3)
    4.  stop if |r| <= rtol |b|

|s|_M is had without products with M ([2] section 7.5.1): with <s,p>_M, |p|_M^2 and |s|_M^2 from the step before,

    <s,p>_M <- beta (<s,p>_M + alpha |p|_M^2);   |p|_M^2 <- r'z + beta^2 |p|_M^2
    |s|_M^2 <- |s|_M^2 + 2 alpha <s,p>_M + alpha^2 |p|_M^2

|s|_M grows with each step, and s'b too: up to where the curvature isn't positive, s is a descent direction for
b = -gradient. eps max |H p| / |p| is what rounding can make of a curvature of zero; it has the unit of H.

Cost of a step: a product, one with M^{-1}, 10 n multiplications. Memory: 4 vectors of length n.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 5.1.
[2] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. doi:10.1137/1.9780898719857
"""

import math
from typing import NamedTuple

from secondorder.control import product, stopped
from secondorder.jit import leaf, loop
from secondorder.krylov.ends import (
    CONVERGED,
    MAX_STEPS,
    NONPOSITIVE_CURVATURE,
    NOT_DEFINITE,
    NOT_FINITE,
    STOPPED,
)
from secondorder.linalg.vectors import axpby, copy, dot, fill
from secondorder.precision import EPS

N_VECTORS = 4
P = 1  # row of work that the last direction is in


class Solution(NamedTuple):
    """What a Krylov solver for a linear system found, besides s."""

    end: int  # of krylov.ends
    steps: int  # products made
    residual: float  # |b - H s|, by recurrence; in the norm of the method
    length: float  # |s|_M
    curvature: float  # p'Hp / p'p of the last direction (of MINRES: the least r'Hr / r'r); nan before the first
    norm: float  # max |H p| / |p|: at most |H|


@leaf
def three_products(p, h):
    """(p'p, p'h, h'h) in one pass."""
    n = p.shape[0]
    a0, a1, a2, a3 = 0.0, 0.0, 0.0, 0.0
    b0, b1, b2, b3 = 0.0, 0.0, 0.0, 0.0
    c0, c1, c2, c3 = 0.0, 0.0, 0.0, 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        p0, p1, p2, p3 = p[i], p[i + 1], p[i + 2], p[i + 3]
        h0, h1, h2, h3 = h[i], h[i + 1], h[i + 2], h[i + 3]
        a0, a1, a2, a3 = a0 + p0 * p0, a1 + p1 * p1, a2 + p2 * p2, a3 + p3 * p3
        b0, b1, b2, b3 = b0 + p0 * h0, b1 + p1 * h1, b2 + p2 * h2, b3 + p3 * h3
        c0, c1, c2, c3 = c0 + h0 * h0, c1 + h1 * h1, c2 + h2 * h2, c3 + h3 * h3
    for i in range(whole, n):
        a0, b0, c0 = a0 + p[i] * p[i], b0 + p[i] * h[i], c0 + h[i] * h[i]
    return (a0 + a2) + (a1 + a3), (b0 + b2) + (b1 + b3), (c0 + c2) + (c1 + c3)


@leaf
def take_step(alpha, p, h, s, r):
    """s <- s + alpha p, r <- r - alpha h; returns r'r: one pass."""
    n = p.shape[0]
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        s[i], s[i + 1] = s[i] + alpha * p[i], s[i + 1] + alpha * p[i + 1]
        s[i + 2], s[i + 3] = s[i + 2] + alpha * p[i + 2], s[i + 3] + alpha * p[i + 3]
        r0, r1, r2, r3 = (
            r[i] - alpha * h[i],
            r[i + 1] - alpha * h[i + 1],
            r[i + 2] - alpha * h[i + 2],
            r[i + 3] - alpha * h[i + 3],
        )
        s0, s1, s2, s3 = s0 + r0 * r0, s1 + r1 * r1, s2 + r2 * r2, s3 + r3 * r3
        r[i], r[i + 1], r[i + 2], r[i + 3] = r0, r1, r2, r3
    for i in range(whole, n):
        s[i] += alpha * p[i]
        r[i] -= alpha * h[i]
        s0 += r[i] * r[i]
    return (s0 + s2) + (s1 + s3)


@loop
def conjugate_gradients(
    hvp, precondition, preconditioned, x, b, rtol, max_steps, s, work, control, data, precondition_data
):
    """s (n,) <- the solution of H(x) s = b to |b - H s| <= rtol |b|. Returns a Solution.

    precondition(x, r, z, precondition_data) writes z = M^{-1} r; it is not called where `preconditioned` is False, and
    hvp may be given in its place. work (N_VECTORS, n) is scratch; work[P] is the last direction: where the end is
    NONPOSITIVE_CURVATURE, that of the curvature found, and s is what was reached before it (0 at the first step). b may
    not be s.
    """
    r, p, h = work[0], work[P], work[2]
    z = work[3] if preconditioned else r
    fill(0.0, s)
    copy(b, r)
    bb = rr = dot(b, b)
    target, rz, norm, curvature = rtol * math.sqrt(bb), 0.0, 0.0, math.nan
    ss, sp, pp, alpha = 0.0, 0.0, 0.0, 0.0  # |s|_M^2, <s,p>_M, |p|_M^2
    if not math.isfinite(bb):
        return Solution(NOT_FINITE, 0, math.nan, 0.0, curvature, norm)

    steps = 0
    while True:
        residual = math.sqrt(rr)
        if residual <= target:  # non-strict: b = 0
            return Solution(CONVERGED, steps, residual, math.sqrt(ss), curvature, norm)
        if steps == max_steps:
            return Solution(MAX_STEPS, steps, residual, math.sqrt(ss), curvature, norm)
        if stopped(control):
            return Solution(STOPPED, steps, residual, math.sqrt(ss), curvature, norm)

        before, rz = rz, rr  # 1
        if preconditioned:
            precondition(x, r, z, precondition_data)
            rz = dot(r, z)
        if not rz > 0.0:
            end = NOT_DEFINITE if math.isfinite(rz) else NOT_FINITE
            return Solution(end, steps, residual, math.sqrt(ss), curvature, norm)
        if steps == 0:
            copy(z, p)
            pp = rz
        else:
            beta = rz / before
            axpby(1.0, z, beta, p, p)
            sp, pp = beta * (sp + alpha * pp), rz + beta * beta * pp

        product(hvp, x, p, h, control, data)  # 2
        steps += 1
        length, php, hh = three_products(p, h)
        curvature = php / length
        norm = max(norm, math.sqrt(hh / length))
        if not curvature > EPS * norm:
            end = NONPOSITIVE_CURVATURE if math.isfinite(php) and math.isfinite(norm) else NOT_FINITE
            return Solution(end, steps, residual, math.sqrt(ss), curvature, norm)

        alpha = rz / php  # 3
        rr = take_step(alpha, p, h, s, r)
        ss += alpha * (2.0 * sp + alpha * pp)
        if not math.isfinite(rr):
            return Solution(NOT_FINITE, steps, math.nan, math.sqrt(ss), curvature, norm)
