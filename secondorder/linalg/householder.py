r"""Householder QR with column pivoting, and what least squares needs of it: A P = Q R, A (m, n).

A matrix is held by its columns, as an array (n, m) whose row j is column j: a reflection then runs along contiguous
memory. On exit row j holds R[:j, j], and behind that Householder vector j; the diagonal of R is an array of its own.
So R[i, j] is A[j, i] for i < j. Of m < n columns only m are reduced: the others are dependent on them.

References
----------
[1] Golub, Van Loan. Matrix Computations, 4th ed. Johns Hopkins, 2013. Algorithms 5.1.1, 5.2.1 and 5.4.1.
[2] More. The Levenberg-Marquardt algorithm: implementation and theory. Lecture Notes in Mathematics 630 (1978) 105-116.
    doi:10.1007/BFb0067700. Section 3: the damped system from R by rotations.
[3] Drmac, Bujanovic. On the failure of rank-revealing QR factorization software. ACM Transactions on Mathematical
    Software 35 (2008) 12. doi:10.1145/1377612.1377616. When norms must be computed anew.
"""

import math

from secondorder.jit import inlined, leaf
from secondorder.linalg.vectors import dot
from secondorder.precision import EPS, TwoPrecisions

HALF_OF_DIGITS = TwoPrecisions(1e-8, 2e-4)
TINY, HUGE = TwoPrecisions(2.0**-900, 2.0**-100), TwoPrecisions(2.0**1000, 2.0**110)  # squares lose nothing in between


@leaf
def factor(A, q, diagonal, norms, given, pivots):
    """A <- its factors, q (m,) <- Q'q; returns the numerical rank. norms, given, pivots (n,) are written too.

    pivots[k] is the column that came k-th, as a float. A column counts as dependent if what is left of it is at most
    eps max(m, n) times the first.
    """
    n, m = A.shape
    for j in range(n):
        pivots[j] = float(j)
        diagonal[j] = 0.0
        norms[j] = given[j] = math.sqrt(dot(A[j], A[j]))
    for k in range(min(m, n)):
        bring_longest(A, norms, given, pivots, k)
        v = A[k, k:]
        size = math.sqrt(dot(v, v))
        if not size > 0.0:
            break
        if v[0] < 0.0:
            size = -size
        for i in range(m - k):
            v[i] /= size
        v[0] += 1.0
        diagonal[k] = -size
        for j in range(k + 1, n):
            u = A[j, k:]
            reflect(v, u)
            shorten(norms, given, j, u)
        reflect(v, q[k:])
    least = EPS * float(max(m, n)) * abs(diagonal[0]) if n > 0 else 0.0
    rank = 0
    while rank < min(m, n) and abs(diagonal[rank]) > least:
        rank += 1
    return rank


@leaf
def bring_longest(A, norms, given, pivots, k):
    """Swap the longest of the columns from k on into place k."""
    longest = k
    for j in range(k + 1, A.shape[0]):
        if norms[j] > norms[longest]:
            longest = j
    if longest != k:
        for i in range(A.shape[1]):
            A[k, i], A[longest, i] = A[longest, i], A[k, i]
        norms[longest], given[longest] = norms[k], given[k]
        pivots[k], pivots[longest] = pivots[longest], pivots[k]


@inlined
def reflect(v, u):
    """u <- u - v (v'u) / v_0, the reflection that made v."""
    t = dot(v, u) / v[0]
    for i in range(u.shape[0]):
        u[i] -= t * v[i]


@inlined
def shorten(norms, given, j, u):
    """norms[j] <- the norm of u without its first entry; from the old one while that keeps half the digits ([3])."""
    if norms[j] > 0.0:
        left = max(0.0, 1.0 - (u[0] / norms[j]) ** 2)
        if left * (norms[j] / given[j]) ** 2 <= HALF_OF_DIGITS:
            norms[j] = given[j] = math.sqrt(dot(u[1:], u[1:]))
        else:
            norms[j] *= math.sqrt(left)


@leaf
def solve_upper(A, diagonal, q, rank, pivots, z, out):
    """out <- P z with R z = q on the first `rank` columns, 0 on the others: the basic solution of least squares."""
    n = A.shape[0]
    for j in range(n):
        z[j] = q[j] if j < rank else 0.0
    for j in range(rank - 1, -1, -1):
        z[j] /= diagonal[j]
        t = z[j]
        for i in range(j):
            z[i] -= A[j, i] * t
    for j in range(n):
        out[int(pivots[j])] = z[j]


@leaf
def solve_lower(A, diagonal, pivots, x, z):
    """z <- R'^-1 P'x; R of full rank."""
    for j in range(A.shape[0]):
        t = x[int(pivots[j])]
        for i in range(j):
            t -= A[j, i] * z[i]
        z[j] = t / diagonal[j]


@leaf
def multiply_upper(A, diagonal, pivots, x, z):
    """z <- R P'x, of length n; |z| = |A x| for the A that was factored."""
    n, m = A.shape
    for i in range(n):
        z[i] = 0.0
    for j in range(n):
        t = x[int(pivots[j])]
        for i in range(min(j, m)):
            z[i] += A[j, i] * t
        if j < m:
            z[j] += diagonal[j] * t


@inlined
def length_of(a, b):
    """(a^2 + b^2)^(1/2), by the C library's hypot where squares could overflow or lose digits: that is a call."""
    square = a * a + b * b
    return math.sqrt(square) if TINY <= square <= HUGE else math.hypot(a, b)


@leaf
def damp(A, diagonal, q, root, S, row, y):
    """S, y <- the triangle and the right-hand side of min |R z - q|^2 + root^2 |z|^2, by rotations ([2] section 3)."""
    n, m = A.shape
    for i in range(n):
        for j in range(i + 1, n):
            S[i, j] = A[j, i] if i < m else 0.0
        S[i, i] = diagonal[i]
        y[i] = q[i] if i < m else 0.0
    for j in range(n):
        for k in range(j + 1, n):
            row[k] = 0.0
        row[j], extra = root, 0.0
        for k in range(j, n):
            if row[k] != 0.0:
                size = length_of(S[k, k], row[k])
                c, s = S[k, k] / size, row[k] / size
                for i in range(k, n):
                    S[k, i], row[i] = c * S[k, i] + s * row[i], c * row[i] - s * S[k, i]
                y[k], extra = c * y[k] + s * extra, c * extra - s * y[k]


@leaf
def solve_damped(S, y, pivots, z, out):
    """out <- P z with S z = y; returns |z|."""
    n = S.shape[0]
    square = 0.0
    for i in range(n - 1, -1, -1):
        t = y[i]
        for j in range(i + 1, n):
            t -= S[i, j] * z[j]
        z[i] = t / S[i, i]
        square += z[i] * z[i]
    for j in range(n):
        out[int(pivots[j])] = z[j]
    return math.sqrt(square)


@leaf
def inverse_size(S, z, row):
    """|S'^-1 z|; row is scratch."""
    n = S.shape[0]
    square = 0.0
    for j in range(n):
        row[j] = z[j]
    for i in range(n):
        row[i] /= S[i, i]
        t = row[i]
        square += t * t
        for j in range(i + 1, n):
            row[j] -= S[i, j] * t
    return math.sqrt(square)


@leaf
def inverse_gram(A, diagonal, pivots, z, out):
    """out <- (A'A)^-1 = P R^-1 R'^-1 P' of the A that was factored, of full rank; z (n,) is scratch."""
    n = A.shape[0]
    for k in range(n):  # row k of out: R'^-1 e_k, from entry k on; in the order of the pivots
        for i in range(n):
            out[k, i] = 0.0
        for j in range(k, n):
            t = 1.0 if j == k else 0.0
            for i in range(k, j):
                t -= A[j, i] * out[k, i]
            out[k, j] = t / diagonal[j]
    for i in range(n):  # the products of these columns of R^-1, row i of the result at a time; column i is used up
        for j in range(i, n):
            z[j] = 0.0
            for k in range(j, n):
                z[j] += out[i, k] * out[j, k]
        for j in range(i, n):
            out[i, j] = z[j]
    unpivot(pivots, z, out)


@leaf
def unpivot(pivots, z, out):
    """out <- P out P' for a symmetric matrix given by its upper triangle; the pivots are sorted on the way."""
    n = out.shape[0]
    for i in range(n):
        for j in range(i):
            out[i, j] = out[j, i]
    for k in range(n):
        while int(pivots[k]) != k:
            j = int(pivots[k])
            for i in range(n):
                out[k, i], out[j, i] = out[j, i], out[k, i]
            for i in range(n):
                out[i, k], out[i, j] = out[i, j], out[i, k]
            pivots[k], pivots[j] = pivots[j], pivots[k]
