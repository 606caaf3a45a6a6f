r"""Cholesky factorization H = L D L' of a symmetric positive definite matrix, without roots, and solving with it.

L has ones on its diagonal, where D is kept. Row by row ([1] section 4.1.2, by inner products of rows, which are
contiguous):

    v_j = H_ij - sum_{k<j} v_k L_jk,  j < i;      L_ij = v_j / D_j;      D_i = H_ii - sum_{k<i} v_k L_ik

Rounding can move D_i by some (i + 1) eps H_ii ([2] theorem 10.3). So H is refused where D_i <= n eps H_ii: it may as
well be singular. The test doesn't change when rows and columns are scaled. Without roots, scaling H by a power of two,
odd ones too, scales D exactly and leaves L alone.

Only lower triangles are read and written. n^3 / 6 multiplications and additions.

References
----------
[1] Golub, Van Loan. Matrix Computations, 4th ed. Johns Hopkins, 2013.
[2] Higham. Accuracy and Stability of Numerical Algorithms, 2nd ed. SIAM, 2002. Chapter 10.
"""

from secondorder.jit import leaf
from secondorder.linalg.vectors import dot
from secondorder.precision import EPS


@leaf
def cholesky(H, L):
    """L <- the factors of H (n, n); L may be H. False: H is not safely positive definite, or not finite."""
    n = H.shape[0]
    for i in range(n):
        row, h = L[i], H[i, i]
        for j in range(i):
            row[j] = H[i, j] - dot(row[:j], L[j, :j])
        d = h
        for j in range(i):
            v = row[j]
            row[j] = v / L[j, j]
            d -= v * row[j]
        if not d > float(n) * EPS * h:  # also where h is nan, negative or infinite
            return False
        row[i] = d
    return True


@leaf
def solve_lower(L, b, out):
    """out <- the solution of L out = b, L with its ones; out may be b."""
    for i in range(L.shape[0]):
        out[i] = b[i] - dot(L[i, :i], out[:i])


@leaf
def solve_upper(L, b, out):
    """out <- the solution of L' out = b, L with its ones; out may be b."""
    n = L.shape[0]
    for i in range(n):
        out[i] = b[i]
    for i in range(n - 1, -1, -1):  # row i of L is what out_i contributes to the equations above
        row, s = L[i], out[i]
        for j in range(i):
            out[j] -= s * row[j]


@leaf
def solve_cholesky(L, b, out):
    """out <- the solution of L D L' out = b; out may be b."""
    solve_lower(L, b, out)
    for i in range(L.shape[0]):
        out[i] /= L[i, i]
    solve_upper(L, out, out)
