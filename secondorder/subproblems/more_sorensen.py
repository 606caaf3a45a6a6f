r"""More and Sorensen's step within a radius, from Cholesky factorizations of H + lambda I.

s minimizes g's + s'Hs / 2 over |s| <= delta if (H + lambda I) s = -g with H + lambda I positive semidefinite,
lambda >= 0 and lambda (delta - |s|) = 0. lambda is a zero of 1 / delta - 1 / |s(lambda)|, or in the hard case minus the
lowest eigenvalue.

    1.  bounds low <= lambda <= high from the diagonal, Gerschgorin's circles and |g| / delta           ([1] p. 560)
    2.  H + lambda I = L D L'; where it is not positive definite, low = lambda and lambda is cut in half to high
    3.  s = -(H + lambda I)^{-1} g; done if |s| is within EASY of delta, or below it at lambda = 0
    4.  |s| < delta: high = lambda, and z with |z| = 1, z'(H + lambda I) z small, from inverse iteration; low rises to
        lambda - z'(H + lambda I) z. tau with |s + tau z| = delta; s + tau z is good enough if
        tau^2 z'(H + lambda I) z <= HARD (s'(H + lambda I) s + lambda delta^2)                ([1] lemma 3.4)
        |s| > delta: low = lambda
    5.  lambda <- Newton's iteration for the zero, kept between low and high; back to 2

Between 2 and 5 factorizations of n^3 / 6 operations are usual, where eigenvectors take some 6 n^3.

References
----------
[1] More, Sorensen. Computing a trust region step. SIAM J. Sci. Stat. Comput. 4 (1983) 553-572. doi:10.1137/0904038
[2] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Algorithm 7.3.4.
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined, leaf
from secondorder.linalg.cholesky import cholesky, solve_cholesky, solve_lower
from secondorder.linalg.vectors import axpy, dot, scale
from secondorder.precision import EPS

EASY, HARD = 0.1, 0.2  # kappa_easy and kappa_hard; [2] p. 193
MAX_FACTORIZATIONS = 50
INVERSE_ITERATIONS = 2
CUT = 0.01  # theta of [2]: a lambda outside its bounds becomes max(sqrt(low high), low + CUT (high - low))


class Step(NamedTuple):
    """A step: the decrease of the model, |s|, and lambda."""

    pred: float
    length: float
    lam: float


@leaf
def gerschgorin(H):
    """(lower, upper) bounds of the eigenvalues of H, whose lower triangle is read; (nan, nan) where it isn't finite."""
    n = H.shape[0]
    lower, upper, bad = math.inf, -math.inf, 0.0
    for i in range(n):
        radius = 0.0
        for j in range(n):
            if j != i:
                radius += abs(H[i, j] if j < i else H[j, i])
        lower, upper = min(lower, H[i, i] - radius), max(upper, H[i, i] + radius)
        bad += radius - radius + H[i, i] - H[i, i]
    return lower + bad, upper + bad


@leaf
def shifted(H, lam, L):
    """L <- the factors of H + lam I. False: not positive definite."""
    n = H.shape[0]
    for i in range(n):
        for j in range(i):
            L[i, j] = H[i, j]
        L[i, i] = H[i, i] + lam
    return cholesky(L, L)


@leaf
def energy(L, v, scratch):
    """(v'(L D L')^{-1} v)."""
    solve_lower(L, v, scratch)
    total = 0.0
    for i in range(v.shape[0]):
        total += scratch[i] * scratch[i] / L[i, i]
    return total


@leaf
def nearly_null(L, iterations, z, scratch):
    """z <- a unit vector with a small z'(L D L') z, which is returned. [1] has LINPACK's estimate for it."""
    n = z.shape[0]
    for i in range(n):  # no direction is orthogonal to it by design of the problem
        z[i] = math.cos(1.0 + 2.0 * i)
    for _ in range(iterations):
        scale(1.0 / math.sqrt(dot(z, z)), z, scratch)
        solve_cholesky(L, scratch, z)
    zz, zs = dot(z, z), dot(z, scratch)
    scale(1.0 / math.sqrt(zz), z, z)
    return zs / zz  # z = (L D L')^{-1} scratch


@inlined
def within(lam, low, high):
    """lam, or a point between its bounds."""
    if low < lam < high:
        return lam
    return max(math.sqrt(low * high), low + CUT * (high - low))


@leaf
def finish(g, s, lam, sas):
    """The Step from s'(H + lam I) s."""
    ss = dot(s, s)
    return Step(-dot(g, s) - 0.5 * (sas - lam * ss), math.sqrt(ss), lam)


@leaf
def step_within(H, L, g, delta, guess, s, z, scratch):
    """s <- the step within delta; guess: lambda of an earlier step. Returns the Step; pred = nan: none was found."""
    gnorm = math.sqrt(dot(g, g))
    lower, upper = gerschgorin(H)
    if not math.isfinite(lower) or not math.isfinite(upper):
        scale(-delta / gnorm, g, s)
        return Step(delta * gnorm, delta, math.nan)
    low, high = max(0.0, gnorm / delta - upper), max(0.0, gnorm / delta - lower) * (1.0 + 8.0 * EPS)
    for i in range(g.shape[0]):
        low = max(low, -H[i, i])
    lam = guess if low < guess < high else low
    for _ in range(MAX_FACTORIZATIONS):
        if not shifted(H, lam, L):  # 2
            low = max(low, lam)
            if not low < high:
                high = max(2.0 * high, low + EPS * max(abs(lower), abs(upper)) * g.shape[0])
            lam = within(0.0, low, high)
            continue
        solve_cholesky(L, g, s)  # 3
        scale(-1.0, s, s)
        ss, sas = dot(s, s), -dot(g, s)
        norm = math.sqrt(ss)
        if (lam == 0.0 and norm <= delta) or abs(norm - delta) <= EASY * delta:
            return finish(g, s, lam, sas)
        if norm < delta:  # 4
            high = lam
            zaz = nearly_null(L, INVERSE_ITERATIONS, z, scratch)
            low = max(low, lam - zaz)
            sz = dot(s, z)
            gap = delta * delta - ss
            tau = math.copysign(gap / (abs(sz) + math.sqrt(sz * sz + gap)), sz)
            if tau * tau * zaz <= HARD * (sas + lam * delta * delta):
                axpy(tau, z, s, s)
                return finish(g, s, lam, sas + 2.0 * tau * -dot(g, z) + tau * tau * zaz)
        else:
            low = lam
        lam = within(lam + (norm - delta) / delta * (ss / energy(L, s, scratch)), low, high)  # 5
    return Step(math.nan, math.nan, lam)
