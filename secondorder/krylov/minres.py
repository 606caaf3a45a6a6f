r"""MINRES for H s = b with H symmetric, indefinite or singular: s minimises |b - H s| over the Krylov subspaces.

Lanczos' process with M^{-1} H from M^{-1} b, whose tridiagonal matrix is factored as it grows, T = Q R ([1]; the
names are those of its implementation by the authors). Of step k, with v the Lanczos vector, alpha = v'Hv and beta,
oldbeta beside it:

    1.  the reflection before: delta = c dbar + s alpha,  gbar = s dbar - c alpha,  epsilon = s beta,  dbar = -c beta
    2.  |H r| = phibar sqrt(gbar^2 + dbar^2) and r'Hr = -phibar^2 c gbar of the residual r before this step ([2], [3])
    3.  the next one: gamma = sqrt(gbar^2 + beta^2),  c = gbar / gamma,  s = beta / gamma,
        phi = c phibar,  phibar <- s phibar = |r|
    4.  w = (v - oldepsilon w_{k-2} - delta w_{k-1}) / gamma;   s <- s + phi w
        r <- s^2 r - phibar c v_{k+1}

    stop if |r| <= rtol |b|, or |H r| <= artol |H| |r|: no s does better, the system has no solution. |H r| / |r| gets
    to some sqrt(eps) |H| before rounding takes over: stop too if it was small and has grown since, without less |r|

Where H is positive definite so is r'Hr; a value <= 0 shows that it isn't, and r is then a direction of nonpositive
curvature, with r'b >= 0 ([3]). Where M is given, norms of residuals are those of M^{-1} and r stands for M^{-1} r.

A singular system without a solution is solved in the least squares sense; s then may have a component in the null space
of H, which is as good as none.

Cost of a step: a product, one with M^{-1}, 13 n multiplications. Memory: 7 vectors of length n.

References
----------
[1] Paige, Saunders. Solution of sparse indefinite systems of linear equations. SIAM J. Numer. Anal. 12 (1975) 617-629.
    doi:10.1137/0712047
[2] Choi, Paige, Saunders. MINRES-QLP: a Krylov subspace method for indefinite or singular symmetric systems. SIAM J.
    Sci. Comput. 33 (2011) 1810-1836. doi:10.1137/100787921
[3] Liu, Roosta. MINRES: from negative curvature detection to monotonicity properties. SIAM J. Optim. 32 (2022)
    2636-2661. doi:10.1137/21M143666X
"""

import math

from secondorder.control import product, stopped
from secondorder.jit import inlined, loop
from secondorder.krylov.conjugate_gradients import Solution
from secondorder.krylov.ends import (
    CONVERGED,
    LEAST_SQUARES,
    MAX_STEPS,
    NONPOSITIVE_CURVATURE,
    NOT_DEFINITE,
    NOT_FINITE,
    STOPPED,
)
from secondorder.linalg.vectors import axpby, axpy, axpy_dot, copy, dot, fill, scale
from secondorder.precision import EPS

N_VECTORS = 7
R = 6  # row of work that M^{-1} r is in
# |H r| / |r| grows by rounding alone: by this factor, from at most this times |H|, while |r| falls by less than this
WORSE, SMALL, NO_LESS = 8.0, 1e-5, 1e-11
ARTOL = 2.0**-24  # what |H r| / (|H| |r|) can be expected to reach,
FLOOR = 2.0**-46  # and what is rounding in any case


@inlined
def apply_inverse(precondition, preconditioned, x, r, z, data):
    """z <- M^{-1} r."""
    if preconditioned:
        precondition(x, r, z, data)
    else:
        copy(r, z)


@inlined
def take_step(v, epsilon, delta, w, gamma, phi, w_before, s):
    """w_before <- (v - epsilon w_before - delta w) / gamma; s <- s + phi times that."""
    for i in range(s.shape[0]):
        t = (v[i] - epsilon * w_before[i] - delta * w[i]) / gamma
        w_before[i] = t
        s[i] += phi * t


@loop
def minres(
    hvp,
    precondition,
    preconditioned,
    x,
    b,
    rtol,
    artol,
    stop_at_curvature,
    max_steps,
    s,
    work,
    control,
    data,
    precondition_data,
):
    """s (n,) <- the solution of H(x) s = b to |b - H s| <= rtol |b|, or in the least squares sense. Returns a Solution.

    precondition, preconditioned: as in `conjugate_gradients`. work (N_VECTORS, n) is scratch; work[R] is the residual.
    stop_at_curvature: end before the step at which r'Hr <= eps |H| r'r, with that r in work[R]. Solution.curvature is
    the least r'Hr / r'r, its length |s| in the 2-norm. b may not be s.
    """
    older, old, y, v = work[0], work[1], work[2], work[3]  # M v_{k-1}, M v_k, both times beta; M^{-1} H v_k; v_k
    w_before, w, r = work[4], work[5], work[R]
    fill(0.0, s)
    fill(0.0, w)
    fill(0.0, w_before)
    fill(0.0, older)
    copy(b, old)
    apply_inverse(precondition, preconditioned, x, b, y, precondition_data)
    bb = dot(b, y)
    if not (bb >= 0.0 and math.isfinite(bb)):
        return Solution(NOT_DEFINITE if bb < 0.0 else NOT_FINITE, 0, math.nan, 0.0, math.nan, 0.0)
    copy(y, r)
    beta = phibar = math.sqrt(bb)
    target = rtol * phibar
    oldbeta, dbar, epsilon, c, sine = 0.0, 0.0, 0.0, -1.0, 0.0
    above, norm, curvature, steps = 0.0, 0.0, math.nan, 0
    least_root, phibar_there = math.inf, 0.0
    while True:
        if phibar <= target:  # non-strict: b = 0
            end = CONVERGED
            break
        if steps == max_steps:
            end = MAX_STEPS
            break
        if stopped(control):
            end = STOPPED
            break
        scale(1.0 / beta, y, v)
        product(hvp, x, v, y, control, data)
        steps += 1
        alpha = axpy_dot(-beta / oldbeta, older, y, v) if oldbeta > 0.0 else dot(y, v)
        axpy(-alpha / beta, old, y, older)
        older, old = old, older
        apply_inverse(precondition, preconditioned, x, old, y, precondition_data)
        oldbeta, square = beta, dot(old, y)
        if not (square >= 0.0 and math.isfinite(square) and math.isfinite(alpha)):
            end = NOT_DEFINITE if square < 0.0 and math.isfinite(alpha) else NOT_FINITE
            break
        beta = math.sqrt(square)
        norm = max(norm, math.sqrt(above * above + alpha * alpha + square))
        above = beta

        oldepsilon, delta, gbar = epsilon, c * dbar + sine * alpha, sine * dbar - c * alpha  # 1
        epsilon, dbar = sine * beta, -c * beta
        here = -c * gbar  # 2: r'Hr / r'r
        curvature = here if not here >= curvature else curvature
        if stop_at_curvature and not here > EPS * norm:
            end = NONPOSITIVE_CURVATURE
            break
        gamma, root = math.hypot(gbar, beta), math.hypot(gbar, dbar)
        if root < least_root:
            least_root, phibar_there = root, phibar
        worse = root > WORSE * least_root and least_root <= SMALL * norm and phibar >= (1.0 - NO_LESS) * phibar_there
        if root <= max(artol, FLOOR) * norm or gamma <= FLOOR * norm or worse:
            end = LEAST_SQUARES
            break
        c, sine = gbar / gamma, beta / gamma  # 3
        phi, phibar = c * phibar, sine * phibar
        take_step(v, oldepsilon, delta, w, gamma, phi, w_before, s)  # 4
        w_before, w = w, w_before
        axpby(sine * sine, r, -phibar * c / beta if beta > 0.0 else 0.0, y, r)
    return Solution(end, steps, phibar, math.sqrt(dot(s, s)), curvature, norm)
