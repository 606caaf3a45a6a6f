r"""Truncated conjugate gradients: Steihaug's and Toint's step within a radius, and the direction of Newton-CG.

Conjugate gradients on H z = -g from z = 0, preconditioned by P ~ H^{-1}, z_j = alpha_1 p_1 + .. + alpha_j p_j, until

    |g + H z|_P <= eta |g|_P, or |g + H z|_inf <= goal, or
    p'Hp <= 0, to rounding relative to the largest |p'Hp| / |p|^2 met so far, or
    |z|_M >= delta, where M = P^{-1}; |z|_M grows with j                                            ([1] theorem 2.1)

The lengths follow from recurrences, without M:

    |z + alpha p|_M^2 = zz + 2 alpha zp + alpha^2 pp,   zp <- beta (zp + alpha pp),   pp <- r'Pr + beta^2 pp

What belongs to step j is kept, its direction p_j included: the step for another radius is read off that path, with no
product (`walk`).

References
----------
[1] Steihaug. The conjugate gradient method and trust regions in large scale optimization. SIAM J. Numer. Anal. 20
    (1983) 626-637. doi:10.1137/0720042
[2] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Section 7.5.1.
"""

import math
from typing import NamedTuple

from secondorder.control import product, stopped
from secondorder.jit import inlined, leaf, loop, reshaped
from secondorder.linalg.vectors import axpby, axpy, copy, dot, fill, norm_inf, scale
from secondorder.precision import EPS
from secondorder.subproblems.preconditioner import learn, precondition


class Path(NamedTuple):
    """What is kept of each step, views of `memory` of length m."""

    alpha: object  # step length, inf along a direction without positive curvature
    zz: object  # |z|_M^2 before the step
    zp: object  # z'Mp
    pp: object  # |p|_M^2
    slope: object  # (g + Hz)'p < 0
    curvature: object  # p'Hp
    model: object  # g'z + z'Hz / 2 before the step


N_PATH = 7


@inlined
def path_in(memory, m):
    """The parts of memory by name."""
    rows = reshaped(memory[: N_PATH * m], (N_PATH, m))
    return Path(rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6])


@loop
def truncated_cg(hvp, x, g, delta, eta, goal, P, D, path, r, y, hp, control, data):
    """Fill the path, its directions into the rows of D. Returns the number of steps. P: the Preconditioner."""
    m = D.shape[0]
    copy(g, r)
    precondition(P, x, r, y, data)
    scale(-1.0, y, D[0])
    ry = dot(r, y)
    target = eta * eta * ry
    zz, zp, pp, model, size = 0.0, 0.0, ry, 0.0, 0.0
    for j in range(m):
        product(hvp, x, D[j], hp, control, data)
        php, vv = dot(D[j], hp), dot(D[j], D[j])
        path.zz[j], path.zp[j], path.pp[j], path.slope[j], path.model[j] = zz, zp, pp, -ry, model
        path.curvature[j], path.alpha[j] = php, math.inf
        size = max(size, abs(php) / vv)
        if not math.isfinite(php) or php <= 4.0 * EPS * size * vv:
            if not math.isfinite(php):
                path.curvature[j] = 0.0
                return j if j > 0 else 1
            return j + 1
        learn(P, D[j], hp, php)
        alpha = ry / php
        path.alpha[j] = alpha
        zz += 2.0 * alpha * zp + alpha * alpha * pp
        model -= 0.5 * alpha * ry
        if zz >= delta * delta or j == m - 1 or stopped(control):
            return j + 1
        axpy(alpha, hp, r, r)
        if norm_inf(r) <= goal:
            return j + 1
        precondition(P, x, r, y, data)
        ry_new = dot(r, y)
        if not ry_new > target:  # nan, of a preconditioner, too
            return j + 1
        beta = ry_new / ry
        axpby(-1.0, y, beta, D[j], D[j + 1])
        zp = beta * (zp + alpha * pp)
        pp = ry_new + beta * beta * pp
        ry = ry_new
    return m


@leaf
def to_boundary(zz, zp, pp, delta):
    """tau > 0 with |z + tau p|_M = delta, from the root that cancels nothing."""
    gap = delta * delta - zz
    root = math.sqrt(zp * zp + pp * gap)
    return gap / (zp + root) if zp > 0.0 else (root - zp) / pp


@leaf
def walk(path, k, D, delta, s):
    """s <- the point where the path of k steps ends or leaves the radius. Returns (pred, |s|_M)."""
    fill(0.0, s)
    for j in range(k):
        alpha = path.alpha[j]
        zz = path.zz[j] + 2.0 * alpha * path.zp[j] + alpha * alpha * path.pp[j]
        if not zz < delta * delta:
            tau = to_boundary(path.zz[j], path.zp[j], path.pp[j], delta)
            axpy(tau, D[j], s, s)
            return -(path.model[j] + tau * (path.slope[j] + 0.5 * tau * path.curvature[j])), delta
        axpy(alpha, D[j], s, s)
        if j == k - 1:
            return -(path.model[j] + 0.5 * alpha * path.slope[j]), math.sqrt(zz)
    return math.nan, math.nan
