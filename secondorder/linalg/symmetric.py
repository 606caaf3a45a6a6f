"""Symmetric matrices that are worked on in their upper triangle, so that eliminating a row updates contiguous rows.

Row k of the triangle, A[k, k:], is column k of the lower one. Symmetric pivoting exchanges rows and columns alike.
"""

from secondorder.jit import inlined, leaf


@leaf
def largest_below(A):
    """max |A_ij| over the lower triangle; nan if an element is nan or infinite."""
    top, bad = 0.0, 0.0  # bad stays 0 while all is finite
    for i in range(A.shape[0]):
        row = A[i]
        for j in range(i + 1):
            a = abs(row[j])
            top = a if a > top else top
            bad += a - a
    return top + bad


@leaf
def mirror(H, A):
    """Upper triangle of A <- transpose of the lower one of H; A may be H."""
    for i in range(H.shape[0]):
        for j in range(i + 1):
            A[j, i] = H[i, j]


@leaf
def exchange(A, p, q):
    """Rows and columns p <= q of A change places; those of the triangular factor in the rows before p too."""
    if p == q:
        return
    n = A.shape[0]
    A[p, p], A[q, q] = A[q, q], A[p, p]
    for k in range(p):
        A[k, p], A[k, q] = A[k, q], A[k, p]
    for k in range(p + 1, q):
        A[p, k], A[k, q] = A[k, q], A[p, k]
    for k in range(q + 1, n):
        A[p, k], A[q, k] = A[q, k], A[p, k]


@inlined
def eliminate(A, k):
    """One step of A = U' D U: row k behind the diagonal becomes that of U, the rows below their Schur complement."""
    n = A.shape[0]
    row, d = A[k], A[k, k]
    for i in range(k + 1, n):
        factor, below, tail = row[i] / d, A[i, i:], row[i:]  # views from 0: range(i, n) might count from the end
        if factor != 0.0:
            for j in range(n - i):
                below[j] -= factor * tail[j]
        row[i] = factor
