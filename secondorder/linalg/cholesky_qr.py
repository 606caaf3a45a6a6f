r"""R and Q'q of A P = Q R from A'A and A'q: half the multiplications of reflections, all in inner products of columns.

Columns are scaled by D, and R comes by Cholesky's factorization of D^-1 A'A D^-1 with pivoting, row by row:

    R_kk = (G_kk - sum_{i<k} R_ik^2)^(1/2);      R_kj = (G_kj - sum_{i<k} R_ik R_ij) / R_kk,  j > k

R then has errors of eps times the square of the condition of A, where reflections have eps times the condition ([1]
section 10.2, [2]). So it is refused where a pivot is less than LEAST of the first: at that limit ten digits are right,
which is more than a step of an iteration has use for. Q'q = R'^-1 P'A'q has the error of A'q, as with reflections.

References
----------
[1] Higham. Accuracy and Stability of Numerical Algorithms, 2nd ed. SIAM, 2002.
[2] Yamamoto, Nakatsukasa, Yanagisawa, Fukaya. Roundoff error analysis of the CholeskyQR2 algorithm. Electronic
    Transactions on Numerical Analysis 44 (2015) 306-326.
"""

import math

from secondorder.jit import leaf

LEAST = 2.0**-10  # of R_kk in units of R_00
TINY = 2.0**-900  # an inner product below has lost digits to underflow


@leaf
def factor_products(G, g, d, A, q, diagonal, norms, pivots):
    """A, diagonal, pivots, q[:n] <- what `householder.factor` writes there, but for its vectors, from products.

    G (n, n) has those of columns in its upper triangle, g (n,) those with q; d (n,) is the scaling. False: it has to be
    done by reflections; q is as it was. norms (n,) is scratch.
    """
    n, m = A.shape
    if m < n:
        return False
    for j in range(n):
        if not G[j, j] >= TINY or not math.isfinite(G[j, j]):
            return False
        pivots[j] = float(j)
        norms[j] = G[j, j] / (d[j] * d[j])
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
        pivot = math.sqrt(norms[k])
        diagonal[k] = pivot
        p = int(pivots[k])
        for j in range(k + 1, n):
            c = int(pivots[j])
            t = G[min(p, c), max(p, c)] / (d[p] * d[c])
            for i in range(k):
                t -= A[k, i] * A[j, i]
            A[j, k] = t / pivot
            norms[j] -= A[j, k] * A[j, k]
    for k in range(n):
        p = int(pivots[k])
        t = g[p] / d[p]
        for i in range(k):
            t -= A[k, i] * q[i]
        q[k] = t / diagonal[k]
    return True
