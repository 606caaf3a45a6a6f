r"""Capped conjugate gradients: a Newton step, or a direction of negative curvature, after a bounded number of products.

Conjugate gradients on (H + 2 eps I) y = -g, B = H + 2 eps I, from y = 0, which [1] algorithm 1 ends with

    y, a solution                |r_j| <= zeta |g| / (3 kappa)
    y, p: negative curvature     y'By < eps |y|^2 or p'Bp < eps |p|^2
    y_{j+1} - y_i: likewise      |r_j| > sqrt(T) tau^{j/2} |g|, slower than with any B >= eps I; then there is such an i

where kappa = (M + 2 eps) / eps, tau = sqrt(kappa) / (sqrt(kappa) + 1), T = 4 kappa^4 / (1 - sqrt(tau))^2, and M >= |H|
is raised whenever |Hp|, |Hy| or |Hr| exceeds M |p|, M |y| or M |r|. So no more than some sqrt(kappa) log(kappa)
products are made ([1]), or n. Hy = r - g - 2 eps y and Hr = beta B p_{j-1} - B p_j - 2 eps r cost none; the y_i
of the last case are made a second time instead of being kept. T is used through its logarithm: kappa^4 is large.

References
----------
[1] Royer, O'Neill, Wright. A Newton-CG algorithm with complexity guarantees for smooth unconstrained optimization.
    Math. Prog. 180 (2020) 451-488. doi:10.1007/s10107-019-01362-7
"""

import math
from typing import NamedTuple

from secondorder.control import product, stopped
from secondorder.jit import leaf, loop
from secondorder.linalg.vectors import axpby, axpy, copy, dot, scale

SOLUTION, CURVATURE, STEEPEST = 0, 1, 2


class Direction(NamedTuple):
    """What d is; d'Hd; eps; M."""

    kind: int  # STEEPEST: d = -g, for Hg = 0 or not finite
    dhd: float
    eps: float
    size: float


@leaf
def limits(size, eps, zeta):
    """(zeta / (3 kappa), log sqrt(T), log sqrt(tau)) for M = size."""
    kappa = (size + 2.0 * eps) / eps
    log_tau = -math.log1p(1.0 / math.sqrt(kappa))
    log_t = math.log(2.0) + 2.0 * math.log(kappa) - math.log(-math.expm1(0.5 * log_tau))
    return zeta / (3.0 * kappa), log_t, 0.5 * log_tau


@leaf
def begin(g, y, r, p):
    """y <- 0, r <- g, p <- -g."""
    copy(g, r)
    scale(-1.0, g, p)
    scale(0.0, g, y)


@loop
def damped_product(hvp, x, p, eps, bp, control, data):
    """bp <- (H + 2 eps I) p; returns |H p|."""
    product(hvp, x, p, bp, control, data)
    size = math.sqrt(dot(bp, bp))
    axpy(2.0 * eps, p, bp, bp)
    return size


@leaf
def step(y, r, p, bp, rr, pbp):
    """y, r, p of the next step; returns r'r."""
    alpha = rr / pbp
    axpy(alpha, p, y, y)
    axpy(alpha, bp, r, r)
    rr_next = dot(r, r)
    axpby(-1.0, r, rr_next / rr, p, p)
    return rr_next


@leaf
def largest_ratio(g, y, r, bp, last, beta, eps):
    """max(|Hy| / |y|, |Hr| / |r|); last: B p of the step before."""
    hy = yy = hr = rr = 0.0
    for i in range(g.shape[0]):
        a, b = r[i] - g[i] - 2.0 * eps * y[i], beta * last[i] - bp[i] - 2.0 * eps * r[i]
        hy, yy, hr, rr = hy + a * a, yy + y[i] * y[i], hr + b * b, rr + r[i] * r[i]
    return math.sqrt(max(hy / yy, hr / rr if rr > 0.0 else 0.0))


@loop
def difference(hvp, x, g, eps, steps, y, r, p, bp, d, rd, control, data):
    """The iterates anew, d = y_{j+1} with its residual rd given: d <- y_{j+1} - y_i, of negative curvature d'Bd.

    Returns d'Bd; eps |d|^2 or more, with d = y_{j+1}: rounding left no such i.
    """
    begin(g, y, r, p)
    rr = dot(r, r)
    for _ in range(steps):
        curvature = square = 0.0
        for i in range(g.shape[0]):
            change = d[i] - y[i]
            curvature, square = curvature + change * (rd[i] - r[i]), square + change * change
        if curvature < eps * square:
            axpy(-1.0, y, d, d)
            return curvature
        damped_product(hvp, x, p, eps, bp, control, data)
        rr = step(y, r, p, bp, rr, dot(p, bp))
    return math.inf


@loop
def capped_cg(hvp, x, g, eps_h, zeta, size, y, r, p, bp, last, d, control, data):
    """d <- the direction, for eps = eps_h M; size: M of the step before, or 0. The other vectors are scratch."""
    begin(g, y, r, p)
    rr = first = dot(g, g)
    own = damped_product(hvp, x, p, 0.0, bp, control, data) / math.sqrt(rr)
    if math.isfinite(own):
        size = max(size, own)
    if not (math.isfinite(own) and size > 0.0):  # M stays as it was
        scale(-1.0, g, d)
        return Direction(STEEPEST, 0.0, eps_h * size, size)
    eps = eps_h * size
    axpy(2.0 * eps, p, bp, bp)
    size = own  # M of this point; eps may rest on the one before
    accuracy, log_t, log_tau = limits(size, eps, zeta)
    pbp = dot(p, bp)
    if pbp < eps * rr:
        copy(p, d)
        return Direction(CURVATURE, pbp - 2.0 * eps * rr, eps, size)
    j = 0
    while True:
        copy(bp, last)
        before = rr
        rr = step(y, r, p, bp, rr, pbp)
        j += 1
        yy, yby = dot(y, y), dot(y, r) - dot(y, g)
        copy(y, d)
        if yby < eps * yy:
            return Direction(CURVATURE, yby - 2.0 * eps * yy, eps, size)
        solution = Direction(SOLUTION, yby - 2.0 * eps * yy, eps, size)
        if not math.sqrt(rr) > accuracy * math.sqrt(first) or stopped(control):
            return solution
        pp, own = dot(p, p), damped_product(hvp, x, p, eps, bp, control, data)
        pbp = dot(p, bp)
        if not math.isfinite(own):
            return solution
        most = max(own / math.sqrt(pp), largest_ratio(g, y, r, bp, last, rr / before, eps))
        if most > size:
            size = most
            accuracy, log_t, log_tau = limits(size, eps, zeta)
        if not math.sqrt(rr) > accuracy * math.sqrt(first):
            return Direction(SOLUTION, yby - 2.0 * eps * yy, eps, size)
        if pbp < eps * pp:
            copy(p, d)
            return Direction(CURVATURE, pbp - 2.0 * eps * pp, eps, size)
        if 0.5 * math.log(rr / first) > log_t + j * log_tau:
            step(y, r, p, bp, rr, pbp)
            copy(y, d)
            copy(r, last)
            dbd = difference(hvp, x, g, eps, j, y, r, p, bp, d, last, control, data)
            if dbd < math.inf:
                return Direction(CURVATURE, dbd - 2.0 * eps * dot(d, d), eps, size)
            return Direction(SOLUTION, dot(d, last) - dot(d, g) - 2.0 * eps * dot(d, d), eps, size)
