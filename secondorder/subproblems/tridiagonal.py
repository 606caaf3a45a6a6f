r"""Exact steps within a radius from a tridiagonal form H = Q T Q', for a fifth of what eigenvectors take.

In the coordinates y = Q's, with c = Q'g, the step minimizes c'y + y'Ty / 2 over |y| <= delta: (T + lambda I) y = -c
with T + lambda I positive definite and |y| = delta ([1] corollary 7.2.2). lambda is found by Newton's iteration on
1 / |y(lambda)| - 1 / delta, kept between bounds, from the left of the zero where that is known ([1] section 7.3.3).
Each trial is a factorization T + lambda I = L D L' of n operations, and any number of radii costs one reduction to T,
4/3 n^3 multiplications and additions ([2]).

Where T + lambda I comes close to singular, as in the hard case, nothing is said: eigenvectors have to be found.

References
----------
[1] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Section 7.3.
[2] Golub, Van Loan. Matrix Computations, 4th ed. Johns Hopkins, 2013. Section 8.3.1.
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined, leaf
from secondorder.linalg.eigen import HUGE, TINY, reduce
from secondorder.linalg.symmetric import largest_below
from secondorder.linalg.vectors import copy, dot
from secondorder.precision import TwoPrecisions

MAX_TRIALS = 60  # for lambda; some six are usual
ACCURACY = TwoPrecisions(1e-12, 1e-5)  # of |y|, relative
SINGULAR = 2.0**-20  # a pivot of T + lambda I below this, relative to H: lambda has lost too many of y's digits


class Form(NamedTuple):
    """H = Q T Q' and what solving with T takes: rows of `work`, all but A of length n."""

    A: object  # (n, n): its rows before the diagonal are the vectors of the reflections, its diagonal that of T
    h: object  # of the reflections I - u u' / h; 0: none
    e: object  # e[i]: beside the diagonal
    c: object  # Q'g
    pivots: object
    y: object


N_FORM = 5


@inlined
def form_in(A, rows):
    """The parts of a matrix and N_FORM rows by name."""
    return Form(A, rows[0], rows[1], rows[2], rows[3], rows[4])


@leaf
def reflect(A, h, i, v):
    """v <- P_i v."""
    if h[i] != 0.0:
        s = dot(A[i, :i], v[:i]) / h[i]
        for k in range(i):
            v[k] -= s * A[i, k]


@leaf
def form(H, g, t):
    """t <- the tridiagonal form of H, and c. Returns the size of H; 0: not finite, or its squares may be not."""
    n = g.shape[0]
    size = largest_below(H)
    if not TINY < size < HUGE:
        return 0.0
    for i in range(n):
        copy(H[i, : i + 1], t.A[i, : i + 1])
    t.h[0] = 0.0
    reduce(t.A, size, t.h, t.e)
    copy(g, t.c)
    for i in range(n - 1, 0, -1):
        reflect(t.A, t.h, i, t.c)
    return size


@leaf
def factor(t, lam, least):
    """t.pivots <- D of T + lam I = L D L'. False: a pivot is below `least`."""
    n = t.c.shape[0]
    d = t.A[0, 0] + lam
    t.pivots[0] = d
    safe = d > least
    for i in range(1, n):
        d = t.A[i, i] + lam - t.e[i - 1] / d * t.e[i - 1]
        t.pivots[i] = d
        safe = safe and d > least
        if not safe:
            return False
    return safe


@leaf
def solve(t):
    """t.y <- -(T + lam I)^{-1} c from its factors. Returns y'y and y'(T + lam I)^{-1} y."""
    n, y = t.c.shape[0], t.y
    y[0] = -t.c[0]
    for i in range(1, n):
        y[i] = -t.c[i] - t.e[i - 1] / t.pivots[i - 1] * y[i - 1]
    y[n - 1] /= t.pivots[n - 1]
    for i in range(n - 2, -1, -1):
        y[i] = (y[i] - t.e[i] * y[i + 1]) / t.pivots[i]
    u = y[0]
    yy, energy = u * u, u * u / t.pivots[0]
    for i in range(1, n):
        u = y[i] - t.e[i - 1] / t.pivots[i - 1] * u
        yy += y[i] * y[i]
        energy += u * u / t.pivots[i]
    return yy, energy


@leaf
def lowest_bound(t):
    """Gerschgorin's lower bound of the eigenvalues of T."""
    n, low = t.c.shape[0], math.inf
    for i in range(n):
        beside = (abs(t.e[i - 1]) if i > 0 else 0.0) + (abs(t.e[i]) if i < n - 1 else 0.0)
        low = min(low, t.A[i, i] - beside)
    return low


@leaf
def at_radius(t, size, delta, definite, s):
    """s <- the step of length delta; definite: of H, beyond whose radius -H^{-1} g lies. (pred, |s|), or pred = 0."""
    n, least = t.c.shape[0], 0.0 if definite else SINGULAR * size
    low, high = 0.0, max(0.0, math.sqrt(dot(t.c, t.c)) / delta - lowest_bound(t))
    lam = 0.0 if definite else high
    for _ in range(MAX_TRIALS):
        if not factor(t, lam, least):
            low = lam
            lam = 0.5 * (low + high)
        else:
            yy, energy = solve(t)
            norm = math.sqrt(yy)
            if abs(norm - delta) <= ACCURACY * delta:
                for i in range(n):
                    s[i] = t.y[i]
                for i in range(1, n):
                    reflect(t.A, t.h, i, s)
                return 0.5 * lam * yy - 0.5 * dot(t.c, t.y), norm
            if norm > delta:
                low = lam
            else:
                high = lam
            lam += (norm - delta) / delta * (yy / energy)
            if not low < lam < high:
                lam = 0.5 * (low + high)
        if not low < lam < high:
            break
    return 0.0, 0.0
