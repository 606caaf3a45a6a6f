r"""Steps in a Krylov space: the generalized Lanczos method for trust regions (GLTR), and the same for cubic models.

The Lanczos vectors q_1 = g / |g|, q_2, .. of H, the rows of Q, make H tridiagonal, T = Q H Q', and g = |g| e_1. So both
models become, for s = Q' h,

    min |g| h_1 + h'Th / 2     over |h| <= delta,   or with sigma |h|^3 / 3 added,

whose minimizer has (T + lambda I) h = -|g| e_1 with T + lambda I positive semidefinite and |h| = L(lambda), where
L = delta, or |h| < delta and lambda = 0, for the first ([1] section 5), L = lambda / sigma for the second ([2] section
6.2). lambda is found by Newton's iteration on 1 / |h| - 1 / L, safeguarded by bisection; each step costs k operations.
The vectors are made one by one until the gradient of the model at s,

    |(H + lambda I) s + g| = beta_k+1 |h_k|  <=  max(eta |g|, goal).

All products belong to H and g: another delta or sigma costs none.

Differs from [1]: the vectors are kept and orthogonalized against all before, so that they stay orthogonal and s needs
no second pass; no switch from conjugate gradients to Lanczos at the boundary, since T is solved anew for each k.

References
----------
[1] Gould, Lucidi, Roma, Toint. Solving the trust-region subproblem using the Lanczos method. SIAM J. Optim. 9 (1999)
    504-525. doi:10.1137/S1052623497322735
[2] Cartis, Gould, Toint. Adaptive cubic regularisation methods for unconstrained optimization. Part I. Math. Prog. 127
    (2011) 245-295. doi:10.1007/s10107-009-0286-5
"""

import math
from typing import NamedTuple

from secondorder.control import product, stopped
from secondorder.jit import inlined, leaf, loop
from secondorder.linalg.vectors import axpy, dot, scale
from secondorder.precision import EPS, TwoPrecisions

ACCURACY = TwoPrecisions(1e-10, 1e-5)  # of |h|, relative
MAX_ROOT = 200  # trials for lambda; some five are usual


class Tridiagonal(NamedTuple):
    """T and the vectors that solving with it takes, views of `memory`; all but `off` of length m."""

    diagonal: object
    off: object  # (m + 1,): off[k] couples k - 1 and k
    h: object
    pivots: object
    u: object


N_TRIDIAGONAL = 5


def n_tridiagonal(m):
    """Length of memory for a space of dimension m."""
    return N_TRIDIAGONAL * m + 1


@inlined
def tridiagonal_in(memory, m):
    """The parts of memory by name."""
    return Tridiagonal(
        memory[:m], memory[m : 2 * m + 1], memory[2 * m + 1 : 3 * m + 1], memory[3 * m + 1 : 4 * m + 1],
        memory[4 * m + 1 : 5 * m + 1],
    )  # fmt: skip


class Step(NamedTuple):
    """A step of a model: the dimension of its space, its multiplier, the decrease of the model, its length."""

    k: int
    lam: float
    pred: float
    length: float


# ------------------------------------------------------------------------------------------ the small problem


@leaf
def factor(t, k, lam):
    """t.pivots <- D of T + lam I = L D L'; False unless it is positive definite."""
    d = t.diagonal[0] + lam
    if not d > 0.0:
        return False
    t.pivots[0] = d
    for i in range(1, k):
        d = t.diagonal[i] + lam - t.off[i] / t.pivots[i - 1] * t.off[i]
        if not d > 0.0:
            return False
        t.pivots[i] = d
    return True


@leaf
def solve_factored(t, k, gnorm):
    """t.h <- -(T + lam I)^{-1} |g| e_1; returns |h|^2 and h'(T + lam I)^{-1} h."""
    h, u = t.h, t.u
    h[0] = -gnorm
    for i in range(1, k):
        h[i] = -t.off[i] / t.pivots[i - 1] * h[i - 1]
    h[k - 1] /= t.pivots[k - 1]
    for i in range(k - 2, -1, -1):
        h[i] = h[i] / t.pivots[i] - t.off[i + 1] / t.pivots[i] * h[i + 1]
    hh, u[0] = h[0] * h[0], h[0]
    huh = u[0] * u[0] / t.pivots[0]
    for i in range(1, k):
        u[i] = h[i] - t.off[i] / t.pivots[i - 1] * u[i - 1]
        hh += h[i] * h[i]
        huh += u[i] * u[i] / t.pivots[i]
    return hh, huh


@leaf
def to_length(t, k, length):
    """The nearly hard case: h is too short, and T + lam I all but singular. Adds the rest along its null vector."""
    h, u = t.h, t.u
    for i in range(k - 1, -1, -1):  # u, left by solve_factored, is L^{-1} h: finish (T + lam I)^{-1} h
        u[i] /= t.pivots[i]
        if i < k - 1:
            u[i] -= t.off[i + 1] / t.pivots[i] * u[i + 1]
    uu = hu = hh = 0.0
    for i in range(k):
        uu, hu, hh = uu + u[i] * u[i], hu + h[i] * u[i], hh + h[i] * h[i]
    # |h + tau u| = length, the root of the same sign as h'u: the smaller one
    gap = length * length - hh
    tau = gap / (abs(hu) + math.sqrt(hu * hu + uu * gap))
    if 0.0 < tau < math.inf:
        for i in range(k):
            h[i] += math.copysign(tau, hu) * u[i]


@leaf
def lowest_bound(t, k):
    """-lambda of the lowest Gershgorin bound of T, at least 0."""
    top = 0.0
    for i in range(k):
        radius = (abs(t.off[i]) if i > 0 else 0.0) + (abs(t.off[i + 1]) if i < k - 1 else 0.0)
        top = max(top, radius - t.diagonal[i])
    return top


@leaf
def minimize_tridiagonal(t, k, gnorm, delta, sigma, lam):
    """t.h <- the minimizer; within delta if sigma = 0, else of the cubic model. lam: a guess. Returns the Step."""
    low, below = 0.0, lowest_bound(t, k)
    if sigma == 0.0:
        high = below + gnorm / delta
        if factor(t, k, 0.0):
            hh, _ = solve_factored(t, k, gnorm)
            if hh <= delta * delta:
                return Step(k, 0.0, -0.5 * gnorm * t.h[0], math.sqrt(hh))
    else:
        high = 0.5 * (below + math.sqrt(below * below + 4.0 * sigma * gnorm))
    high *= 1.0 + 4.0 * EPS
    if not low < lam < high:
        lam = high
    norm, length = 0.0, delta
    for _ in range(MAX_ROOT):
        if sigma != 0.0:
            length = lam / sigma
        if not factor(t, k, lam):
            low, lam = lam, 0.5 * (lam + high)
        else:
            hh, huh = solve_factored(t, k, gnorm)
            norm = math.sqrt(hh)
            if abs(norm - length) <= ACCURACY * length:
                break
            if norm > length:
                low = lam
            else:
                high = lam
            change = huh / (hh * norm) + (sigma / (lam * lam) if sigma != 0.0 else 0.0)
            guess = lam + (1.0 / length - 1.0 / norm) / change
            lam = guess if low < guess < high else 0.5 * (low + high)
        if not low < lam < high:
            break
    if not abs(norm - length) <= ACCURACY * length:  # low and high are neighbours
        lam = high
        length = delta if sigma == 0.0 else lam / sigma
        if not factor(t, k, lam):
            return Step(k, lam, math.nan, math.nan)
        hh, _ = solve_factored(t, k, gnorm)
        if hh < length * length:
            to_length(t, k, length)
    return measured(t, k, gnorm, sigma, lam)


@leaf
def measured(t, k, gnorm, sigma, lam):
    """The Step of t.h, the decrease from its definition."""
    hh = hth = 0.0
    for i in range(k):
        th = t.diagonal[i] * t.h[i]
        if i > 0:
            th += 2.0 * t.off[i] * t.h[i - 1]
        hh += t.h[i] * t.h[i]
        hth += th * t.h[i]
    length = math.sqrt(hh)
    return Step(k, lam, -gnorm * t.h[0] - 0.5 * hth - sigma / 3.0 * hh * length, length)


# -------------------------------------------------------------------------------------------- the Krylov space


@loop
def next_vector(hvp, x, Q, k, t, control, data):
    """T's row k and Q[k + 1] from one product with Q[k]. t.off[k + 1] = 0: the space is invariant."""
    w = Q[k + 1]
    product(hvp, x, Q[k], w, control, data)
    size = math.sqrt(dot(w, w))
    t.diagonal[k] = dot(w, Q[k])
    for _ in range(2):  # twice is enough (Kahan)
        for j in range(k + 1):
            axpy(-dot(w, Q[j]), Q[j], w, w)
    norm = math.sqrt(dot(w, w))
    if not norm > 4.0 * EPS * size:
        t.off[k + 1] = 0.0 if size < math.inf else math.nan
        return
    t.off[k + 1] = norm
    scale(1.0 / norm, w, w)


@loop
def first_vector(hvp, x, g, gnorm, Q, t, control, data):
    """Begin the space of g. Returns g'Hg."""
    scale(1.0 / gnorm, g, Q[0])
    next_vector(hvp, x, Q, 0, t, control, data)
    return t.diagonal[0] * gnorm * gnorm


@loop
def minimize_model(hvp, x, gnorm, delta, sigma, eta, goal, Q, t, control, data):
    """t.h <- the step, in a space begun by first_vector; Q has one row more than the space may have dimensions."""
    if not finite(t, 0):  # all that is known is the slope
        t.diagonal[0] = 0.0
        return minimize_tridiagonal(t, 1, gnorm, delta, sigma, 0.0)
    step = minimize_tridiagonal(t, 1, gnorm, delta, sigma, 0.0)
    for k in range(1, Q.shape[0] - 1):
        if t.off[k] * abs(t.h[k - 1]) <= max(eta * gnorm, goal) or stopped(control):
            break
        next_vector(hvp, x, Q, k, t, control, data)
        if not finite(t, k):
            break
        step = minimize_tridiagonal(t, k + 1, gnorm, delta, sigma, step.lam)
    return step


@inlined
def finite(t, k):
    """Was the product behind row k of T finite?"""
    return math.isfinite(t.diagonal[k]) and math.isfinite(t.off[k + 1])


@leaf
def expand(Q, t, k, s):
    """s <- Q' h."""
    scale(t.h[0], Q[0], s)
    for j in range(1, k):
        axpy(t.h[j], Q[j], s, s)
