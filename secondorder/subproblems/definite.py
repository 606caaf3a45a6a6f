r"""The Newton step of a matrix that is made positive definite: s = -(H + tau I)^{-1} g.

tau = 0 where H is safely positive definite. Else tau lies between -lambda_1 and -2 lambda_1, lambda_1 the lowest
eigenvalue ([1] (4.39); [2] section 4), or is FLOOR |H| where that is larger, as in a singular H:

    1.  low <= -lambda_1 <= high: the largest -H_ii, or FLOOR |H|, and Gerschgorin's circles
    2.  H + tau I = L D L' at tau = half a guess, the guess, or low; then at the geometric mean of low and high: tau is
        high if H + tau I is positive definite, low if not
    3.  done when high <= 2 low, with the factors of high

Two factorizations where tau is what it was before, else some five, of n^3 / 6 operations.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 4.1.
[2] Shultz, Schnabel, Byrd. A family of trust-region-based algorithms for unconstrained minimization with strong global
    convergence properties. SIAM J. Numer. Anal. 22 (1985) 47-67. doi:10.1137/0722003
"""

import math

from secondorder.jit import leaf
from secondorder.linalg.cholesky import cholesky, solve_cholesky
from secondorder.linalg.vectors import dot, scale
from secondorder.precision import roundings
from secondorder.subproblems.more_sorensen import gerschgorin, shifted

FLOOR = roundings(power=0.5)  # sqrt(eps): the least tau, relative to the bound of |H|
MAX_FACTORIZATIONS = 60


@leaf
def definite_shift(H, L, guess):
    """tau, with L the factors of H + tau I. nan: H is 0 or not finite, or no tau was found."""
    lower, upper = gerschgorin(H)
    size = max(abs(lower), abs(upper))
    if not 0.0 < size < math.inf:
        return math.nan
    low, high = FLOOR * size, max(FLOOR * size, -lower)
    for i in range(H.shape[0]):
        low = max(low, -H[i, i])
    tau = 0.5 * guess if low < 0.5 * guess < high else low
    for _ in range(MAX_FACTORIZATIONS):
        if shifted(H, tau, L):
            if tau <= 2.0 * low:
                return tau
            high = tau
            tau = low * math.sqrt(high / low)
        else:
            low = tau
            if not high > low:  # rounding at Gerschgorin's bound
                high = 2.0 * low
            tau = high if high <= 2.0 * low else guess if low == 0.5 * guess else low * math.sqrt(high / low)
    return math.nan


@leaf
def newton_step(H, L, g, guess, s):
    """s <- -(H + tau I)^{-1} g, L <- the factors; guess: a tau of before, or 0. Returns tau; nan: as above."""
    tau = 0.0
    if not cholesky(H, L):
        tau = definite_shift(H, L, guess)
        if math.isnan(tau):
            return tau
    solve_cholesky(L, g, s)
    scale(-1.0, s, s)
    return tau


@leaf
def interior_step(H, L, g, delta, s):
    """s <- -H^{-1} g. Returns (pred, |s|); pred = 0 where H is not positive definite or s is longer than delta."""
    if not cholesky(H, L):
        return 0.0, 0.0
    solve_cholesky(L, g, s)
    scale(-1.0, s, s)
    length = math.sqrt(dot(s, s))
    if not length <= delta:
        return 0.0, length
    return -0.5 * dot(g, s), length
