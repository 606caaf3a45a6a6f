r"""Indefinite factorization P A P' = L D L', D of blocks of order 1 and 2: inertia, solutions, negative curvature.

Pivots by rook search ([1], [2] algorithm 11.5), which bounds L and so what the blocks of D can tell of A.
Of what is left of the matrix, omega_i being the largest element beside the diagonal in column i, alpha = (1+sqrt 17)/8:

    1.  |a_11| >= alpha omega_1: a block of order 1
    2.  else from i = 1: r is the row of omega_i.
            |a_rr| >= alpha omega_r: variable r comes first, a block of order 1
            omega_r = omega_i: variables i and r come first, a block of order 2; its eigenvalues have different signs
            else i = r: omega_i has grown, so the search ends

A has as many positive, negative and zero eigenvalues as D (Sylvester). With D z = lambda z, lambda < 0, the direction
d = P' L^{-T} z has d'Ad = lambda z'z, and the eigenvalue is known to within the condition of L ([3]).

All but the search runs over contiguous rows: L' is kept in the upper triangle. n^3 / 6 multiplications and additions.
Scaling A by a power of two scales D exactly and leaves L alone.

References
----------
[1] Ashcraft, Grimes, Lewis. Accurate symmetric indefinite linear equation solvers. SIAM J. Matrix Anal. Appl. 20
    (1998) 513-561. doi:10.1137/S0895479896296921
[2] Higham. Accuracy and Stability of Numerical Algorithms, 2nd ed. SIAM, 2002. Chapter 11.
[3] More, Sorensen. On the use of directions of negative curvature in a modified Newton method. Math. Prog. 16 (1979)
    1-20. doi:10.1007/BF01582091
"""

import math

from secondorder.jit import inlined, leaf
from secondorder.linalg.symmetric import eliminate, exchange, largest_below, mirror
from secondorder.linalg.vectors import copy, dot, scale
from secondorder.precision import EPS

ALPHA = (1.0 + math.sqrt(17.0)) / 8.0  # balances the growth of two steps of order 1 with one of order 2


@leaf
def bunch_kaufman(A, pivots):
    """A (n, n) <- L' and D in its upper triangle; pivots (n,) <- which variables changed places. False: not finite.

    Only the lower triangle is read; below the diagonal A stays as it was. pivots[k] = p >= 0: a block of order 1,
    before which variables k and p changed places; pivots[k] = -1 - p: the same in a block of order 2, which has two.
    """
    n = A.shape[0]
    size = largest_below(A)
    if size - size != 0.0:
        return False
    mirror(A, A)
    k = 0
    while k < n:
        i, r = rook_pivot(A, k)
        exchange(A, k, i)
        if r < 0:
            pivots[k] = i
            if A[k, k] != 0.0:  # else the whole row is zero
                eliminate(A, k)
            k += 1
        else:
            r = i if r == k else r  # where variable r has just gone
            exchange(A, k + 1, r)
            pivots[k], pivots[k + 1] = -1.0 - i, -1.0 - r
            eliminate_two(A, k)
            k += 2
    return True


@inlined
def beside(A, k, i):
    """(row, size) of the largest element of column i beside the diagonal, from row k on; (i, 0) if all are zero."""
    row, size = i, 0.0
    for j in range(k, i):
        if abs(A[j, i]) > size:
            row, size = j, abs(A[j, i])
    for j in range(i + 1, A.shape[0]):
        if abs(A[i, j]) > size:
            row, size = j, abs(A[i, j])
    return row, size


@leaf
def rook_pivot(A, k):
    """(i, -1): variable i is the next block; (i, r): variables i and r are."""
    i = k
    r, omega = beside(A, k, i)
    if abs(A[k, k]) >= ALPHA * omega:
        return k, -1
    while True:
        following, omega_r = beside(A, k, r)
        if abs(A[r, r]) >= ALPHA * omega_r:
            return r, -1
        if not omega_r > omega:
            return i, r
        i, r, omega = r, following, omega_r


@leaf
def eliminate_two(A, k):
    """A step of L D L' with the block of order 2 in rows k and k + 1."""
    n = A.shape[0]
    p, q = A[k], A[k + 1]
    for i in range(k + 2, n):
        s, t = solve_block(A[k, k], A[k, k + 1], A[k + 1, k + 1], p[i], q[i])
        below, f, g = A[i, i:], p[i:], q[i:]
        for j in range(n - i):
            below[j] -= s * f[j] + t * g[j]
        p[i], q[i] = s, t


@inlined
def solve_block(a, b, c, f, g):
    """The solution of [a b; b c] (s, t) = (f, g), b being the largest element: no quotient overflows."""
    a, c = a / b, c / b
    determinant = a * c - 1.0  # <= alpha^2 - 1
    f, g = f / b, g / b
    return (c * f - g) / determinant, (a * g - f) / determinant


@inlined
def order_of_block(pivots, k):
    """1 or 2."""
    return 1 if pivots[k] >= 0.0 else 2


@inlined
def eigenvalues_of(A, pivots, k):
    """(smaller, larger) eigenvalue of the block at k: one twice, or by the pivoting one below and one above zero."""
    a = A[k, k]
    if order_of_block(pivots, k) == 1:
        return a, a
    b, c = A[k, k + 1], A[k + 1, k + 1]
    middle, radius = 0.5 * (a + c), math.hypot(0.5 * (a - c), b)
    return middle - radius, middle + radius


@leaf
def zero_below(A, pivots):
    """Size up to which an eigenvalue of D counts as zero: n eps times the largest."""
    n = A.shape[0]
    largest, k = 0.0, 0
    while k < n:
        low, high = eigenvalues_of(A, pivots, k)
        largest = max(largest, max(abs(low), abs(high)))
        k += order_of_block(pivots, k)
    return float(n) * EPS * largest


@leaf
def inertia(A, pivots):
    """(positive, negative, zero): how many eigenvalues have which sign. A, pivots: of `bunch_kaufman`."""
    n, zero = A.shape[0], zero_below(A, pivots)
    positive, negative, k = 0, 0, 0
    while k < n:
        low, high = eigenvalues_of(A, pivots, k)
        positive += 1 if high > zero else 0
        negative += 1 if low < -zero else 0
        k += order_of_block(pivots, k)
    return positive, negative, n - positive - negative


@leaf
def solve_bunch_kaufman(A, pivots, b, out):
    """out <- the solution of A out = b, not finite where D is singular; out may be b. A, pivots: of `bunch_kaufman`."""
    n = A.shape[0]
    copy(b, out)
    for k in range(n):
        transpose(pivots, k, out)
    k = 0
    while k < n:
        if order_of_block(pivots, k) == 1:
            y, row = out[k], A[k]
            for j in range(k + 1, n):
                out[j] -= y * row[j]
            out[k] = y / row[k]
            k += 1
        else:
            y, z, p, q = out[k], out[k + 1], A[k], A[k + 1]
            for j in range(k + 2, n):
                out[j] -= y * p[j] + z * q[j]
            out[k], out[k + 1] = solve_block(p[k], p[k + 1], q[k + 1], y, z)
            k += 2
    substitute_back(A, pivots, out)


@inlined
def transpose(pivots, k, v):
    """The exchange of step k."""
    p = int(pivots[k] if pivots[k] >= 0.0 else -1.0 - pivots[k])
    v[k], v[p] = v[p], v[k]


@leaf
def substitute_back(A, pivots, v):
    """v <- P' L^{-T} v."""
    n = A.shape[0]
    k = n - 1
    while k >= 0:
        if order_of_block(pivots, k) == 1:
            v[k] -= dot(A[k, k + 1 :], v[k + 1 :])
            k -= 1
        else:
            v[k] -= dot(A[k, k + 1 :], v[k + 1 :])
            v[k - 1] -= dot(A[k - 1, k + 1 :], v[k + 1 :])
            k -= 2
    for k in range(n - 1, -1, -1):
        transpose(pivots, k, v)


@leaf
def negative_curvature(A, pivots, out):
    """out (n,) <- a unit vector d of negative curvature, from the most negative eigenvalue of D; returns d'Ad < 0.

    0, and out is left alone: no eigenvalue of D is safely negative. A, pivots: of `bunch_kaufman`.
    """
    n = A.shape[0]
    where, least, k = -1, -zero_below(A, pivots), 0
    while k < n:
        low, _ = eigenvalues_of(A, pivots, k)
        if low < least:
            where, least = k, low
        k += order_of_block(pivots, k)
    if where < 0:
        return 0.0
    for i in range(n):
        out[i] = 0.0
    out[where] = 1.0
    if order_of_block(pivots, where) == 2:  # (a - least, b) is orthogonal to its eigenvector
        above, b = A[where, where] - least, A[where, where + 1]
        length = math.hypot(above, b)
        out[where], out[where + 1] = b / length, -above / length
    substitute_back(A, pivots, out)
    size = dot(out, out)
    scale(1.0 / math.sqrt(size), out, out)
    return least / size
