r"""Cholesky factorization H = L L' of a symmetric positive definite matrix, and solving with it.

Row by row ([1] section 4.2), by inner products of rows, which are contiguous:

    L_ij = (H_ij - sum_{k<j} L_ik L_jk) / L_jj,  j < i;     L_ii = sqrt(d_i),  d_i = H_ii - sum_{k<i} L_ik^2

What rounding can do to d_i is some i eps H_ii ([2] theorem 10.3), since the squares add up to H_ii. So H is refused
where d_i <= 4 n eps H_ii: it may as well be singular. The test doesn't change when rows and columns are scaled.
Scaling H by a power of four scales L exactly.

Only lower triangles are read and written. n^3 / 6 multiplications and additions.

References
----------
[1] Golub, Van Loan. Matrix Computations, 4th ed. Johns Hopkins, 2013.
[2] Higham. Accuracy and Stability of Numerical Algorithms, 2nd ed. SIAM, 2002. Chapter 10.
"""

import math

from secondorder.jit import leaf
from secondorder.linalg.vectors import dot

SINGULAR = 4.0 * 2.0**-52  # a pivot is refused at n times this, relative to the diagonal of H


@leaf
def cholesky(H, L):
    """L <- the factor of H (n, n); L may be H. False: H is not safely positive definite, or not finite."""
    n = H.shape[0]
    for i in range(n):
        row = L[i]
        for j in range(i):
            row[j] = (H[i, j] - dot(row[:j], L[j, :j])) / L[j, j]
        h = H[i, i]
        d = h - dot(row[:i], row[:i])
        if not d > n * SINGULAR * h:  # also where h is nan, negative or infinite
            return False
        row[i] = math.sqrt(d)
    return True


@leaf
def solve_lower(L, b, out):
    """out <- the solution of L out = b; out may be b."""
    for i in range(L.shape[0]):
        out[i] = (b[i] - dot(L[i, :i], out[:i])) / L[i, i]


@leaf
def solve_upper(L, b, out):
    """out <- the solution of L' out = b; out may be b. Row i of L is what out_i contributes to the equations above."""
    n = L.shape[0]
    for i in range(n):
        out[i] = b[i]
    for i in range(n - 1, -1, -1):
        row, s = L[i], out[i] / L[i, i]
        out[i] = s
        for j in range(i):
            out[j] -= s * row[j]


@leaf
def solve_cholesky(L, b, out):
    """out <- the solution of L L' out = b; out may be b."""
    solve_lower(L, b, out)
    solve_upper(L, out, out)
