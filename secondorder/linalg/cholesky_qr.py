r"""R and Q'q of A P = Q R from A'A and A'q: half the multiplications of reflections, all in inner products of columns.

LLVM chooses the order of their sums (`plus`), one for all fits on a machine. For 4 columns of 32 (AMD EPYC, 2026-11)
they take 29 ns, factors 72, reflections 290. Columns are scaled by D, and R comes by Cholesky's factorization of
D^-1 A'A D^-1 with pivoting, row by row:

    R_kk = (G_kk - sum_{i<k} R_ik^2)^(1/2);      R_kj = (G_kj - sum_{i<k} R_ik R_ij) / R_kk,  j > k

R then has errors of eps times the square of the condition of A, where reflections have eps times the condition ([1]
section 10.2, [2]). So it is refused where a pivot is less than LEAST of the first: at that limit ten digits are right,
which is more than a step of an iteration has use for. Q'q = R'^-1 P'A'q has errors of eps times the condition, in units
of |q|: that is far below what fits stop at.

References
----------
[1] Higham. Accuracy and Stability of Numerical Algorithms, 2nd ed. SIAM, 2002.
[2] Yamamoto, Nakatsukasa, Yanagisawa, Fukaya. Roundoff error analysis of the CholeskyQR2 algorithm. Electronic
    Transactions on Numerical Analysis 44 (2015) 306-326.
"""

import math

from secondorder.jit import inlined, leaf, plus
from secondorder.precision import TwoPrecisions

LEAST = TwoPrecisions(2.0**-10, 2.0**-5)  # of R_kk in units of R_00
TINY = TwoPrecisions(2.0**-900, 2.0**-100)  # an inner product below has lost digits to underflow


@inlined
def with_itself(a, c, q):
    """(a'a, a'c, c'c, a'q, c'q)"""
    aa, ac, cc, aq, cq = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(q.shape[0]):
        aa = plus(aa, a[i] * a[i])
        ac = plus(ac, a[i] * c[i])
        cc = plus(cc, c[i] * c[i])
        aq = plus(aq, a[i] * q[i])
        cq = plus(cq, c[i] * q[i])
    return aa, ac, cc, aq, cq


@inlined
def of_pairs(a, b, c, d):
    """(a'c, a'd, b'c, b'd)"""
    ac, ad, bc, bd = 0.0, 0.0, 0.0, 0.0
    for i in range(a.shape[0]):
        ac = plus(ac, a[i] * c[i])
        ad = plus(ad, a[i] * d[i])
        bc = plus(bc, b[i] * c[i])
        bd = plus(bd, b[i] * d[i])
    return ac, ad, bc, bd


@leaf
def products(A, q, G, g):
    """G's upper triangle <- the inner products of A's columns, g <- theirs with q; a block of two by two at a time."""
    n = A.shape[0]
    for j in range(0, n - 1, 2):
        G[j, j], G[j, j + 1], G[j + 1, j + 1], g[j], g[j + 1] = with_itself(A[j], A[j + 1], q)
        for i in range(0, j, 2):
            G[i, j], G[i, j + 1], G[i + 1, j], G[i + 1, j + 1] = of_pairs(A[i], A[i + 1], A[j], A[j + 1])
    if n % 2 == 1:
        last = A[n - 1]
        for i in range(0, n - 1, 2):
            G[i, n - 1], _, G[i + 1, n - 1], _ = of_pairs(A[i], A[i + 1], last, last)
        G[n - 1, n - 1], _, _, g[n - 1], _ = with_itself(last, last, q)


@leaf
def factor_products(G, g, d, A, q, diagonal, norms, pivots, unit, y):
    """A, diagonal, pivots, q[:n] <- what `householder.factor` writes there, but for its vectors, from products.

    G (n, n) has those of columns in its upper triangle, g (n,) those with q; d (n,) is the scaling. False: it has to be
    done by reflections; q is as it was. norms, unit and y (n,) are scratch.
    """
    n, m = A.shape
    if m < n:
        return False
    for j in range(n):
        if not G[j, j] >= TINY or not math.isfinite(G[j, j]):
            return False
        pivots[j] = float(j)
        unit[j] = 1.0 / d[j]
        norms[j] = G[j, j] * unit[j] * unit[j]
    for k in range(n):
        longest = k
        for j in range(k + 1, n):
            if norms[j] > norms[longest]:
                longest = j
        if longest != k:
            norms[k], norms[longest] = norms[longest], norms[k]
            pivots[k], pivots[longest] = pivots[longest], pivots[k]
            for i in range(k):
                A[k, i], A[longest, i] = A[longest, i], A[k, i]
        if not norms[k] >= LEAST * LEAST * norms[0]:
            return False
        diagonal[k] = math.sqrt(norms[k])
        p, inverse, z = int(pivots[k]), 1.0 / diagonal[k], g[int(pivots[k])] * unit[int(pivots[k])]
        for i in range(k):
            z -= A[k, i] * y[i]
        y[k] = z * inverse
        for j in range(k + 1, n):
            c = int(pivots[j])
            t = G[min(p, c), max(p, c)] * unit[p] * unit[c]
            for i in range(k):
                t -= A[k, i] * A[j, i]
            A[j, k] = t * inverse
            norms[j] -= A[j, k] * A[j, k]
    for k in range(n):
        q[k] = y[k]
    return True
