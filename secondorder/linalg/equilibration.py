r"""Equilibration of a symmetric matrix: S = E H E, E diagonal, so that the largest elements of all rows are alike.

E is a vector of powers of two, so that S has no rounding errors. From e = 0, until nothing changes,

    m_i = max_j (log2 |H_ij| - e_i - e_j);    e_i <- e_i + m_i / 2;     E_i = 2^-e_i                     ([1] section 2)

all in whole numbers: the binary exponents of H_ij in units of the largest, halves rounded down. So multiplying H by a
power of two changes no E_i. Each sweep halves m, so 12 do for all exponents that float64 has.

References
----------
[1] Ruiz. A scaling algorithm to equilibrate both rows and columns norms in matrices. RAL-TR-2001-034. 2001.
"""

import math

from secondorder.jit import leaf
from secondorder.linalg.symmetric import largest_below

MAX_SWEEPS = 12


@leaf
def exponents(H, e, m):
    """e <- the exponents; m: scratch. The largest element of H must be neither 0 nor infinite."""
    n = H.shape[0]
    _, top = math.frexp(largest_below(H))
    for i in range(n):
        e[i] = 0.0
    for _ in range(MAX_SWEEPS):
        for i in range(n):
            m[i] = -math.inf
        for i in range(n):
            row = H[i]
            for j in range(i + 1):
                a = abs(row[j])
                if a > 0.0:
                    _, k = math.frexp(a)
                    r = float(k - top) - e[i] - e[j]
                    m[i] = max(m[i], r)
                    m[j] = max(m[j], r)
        change = False
        for i in range(n):
            if m[i] > -math.inf:
                half = float(math.floor(0.5 * m[i]))
                e[i] += half
                change = change or half != 0.0
        if not change:
            break


@leaf
def equilibrate(H, least, e, scratch):
    """H <- E H E, its lower triangle, and e <- the diagonal of E; 1 where that is no less than `least` of its largest.

    H that is 0 or not finite stays as it is.
    """
    n, top = H.shape[0], largest_below(H)
    low, high = 0.0, 0.0
    if 0.0 < top < math.inf:
        exponents(H, e, scratch)
        low, high = e[0], e[0]
        for i in range(n):
            low, high = min(low, e[i]), max(high, e[i])
    even = not math.ldexp(1.0, int(low - high)) < least
    for i in range(n):
        e[i] = 1.0 if even else math.ldexp(1.0, int(high - e[i]))
    if not even:
        for i in range(n):
            for j in range(i + 1):
                H[i, j] *= e[i] * e[j]
