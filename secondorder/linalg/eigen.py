r"""Eigenvalues and eigenvectors of symmetric matrices: A = sum_k w_k v_k v_k', w ascending.

`symmetric_eigen`:

    1.  A = Q T Q', T tridiagonal, by n - 2 Householder reflections P = I - u u'/h,
        h = u'u / 2, each with the rank-two update A <- A - u q' - q u'             ([1] tred2, [2] section 8.3.1)
    2.  Q' is accumulated over A
    3.  T = Z' diag(w) Z by QL steps with implicit shifts, whose rotations are applied to the rows of Q'
                                                                                    ([1] tql2, [2] section 8.3.5)

Eigenvectors are rows throughout, so that each inner loop runs over contiguous numbers. An off-diagonal element counts
as zero at eps times the norm of T: eigenvalues are as exact as a change of A by some n eps |A| allows. Some 2/3 n^3
multiplications and additions for step 1, as many for step 2 and 4 n^3 for step 3.

`jacobi_eigen`: cyclic Jacobi, [2] section 8.5: some ten times the work for large n, but short, and as good as the other
for n up to 4 or so.

A matrix whose largest element lies outside 2^-300..2^300 is scaled by a power of two, against over- and underflow.
Scaling A by a power of two scales w exactly and leaves the vectors alone.

References
----------
[1] Wilkinson, Reinsch. Handbook for Automatic Computation II: Linear Algebra. Springer, 1971. Contributions II/2, II/3
    and II/4 (EISPACK tred2, tql2, imtql2; LAPACK dsytrd, dsteqr).
[2] Golub, Van Loan. Matrix Computations, 4th ed. Johns Hopkins, 2013. Chapter 8.
"""

import math

from secondorder.jit import inlined, leaf
from secondorder.linalg.symmetric import largest_below
from secondorder.linalg.vectors import dot
from secondorder.precision import EPS, TwoPrecisions

MAX_STEPS = 60  # QL steps for an eigenvalue; [1] allows 30, 1.7 is the average
MAX_SWEEPS = 30  # of Jacobi; six or so are usual
# Squares of sizes in between neither over- nor underflow.
TINY, HUGE = TwoPrecisions(2.0**-300, 2.0**-40), TwoPrecisions(2.0**300, 2.0**40)
LARGEST = TwoPrecisions(1000.0, 120.0)  # exponent of a factor
# Rows that are smaller than this, relative to A, change nothing, and their squares may underflow.
NOTHING = TwoPrecisions(2.0**-102, 2.0**-45)


@leaf
def power_of_two(size):
    """The power of two that brings a size into 1..2, if it is far from it; else 1."""
    if size == 0.0 or TINY <= size <= HUGE:
        return 1.0
    return math.ldexp(1.0, int(min(-math.floor(math.log2(size)), LARGEST)))


@leaf
def multiply_below(factor, A):
    """The lower triangle of A <- factor A."""
    if factor != 1.0:
        for i in range(A.shape[0]):
            row = A[i]
            for j in range(i + 1):
                row[j] *= factor


@leaf
def tridiagonalize(A, size, d, e):
    """A (n, n) <- Q' with A = Q T Q'; d (n,) <- the diagonal of T, e[:n-1] <- what is beside it. size: max |A_ij|.

    Only the lower triangle of A is read; e[n-1] becomes 0.
    """
    reduce(A, size, d, e)
    accumulate(A, d)
    e[A.shape[0] - 1] = 0.0


@leaf
def reduce(A, size, d, e):
    """The lower triangle of A (n, n) <- the diagonal of T, and in the rows before it the u of the reflections.

    A = Q T Q' with Q' = P_1 .. P_{n-1}, P_i = I - u u'/h on the first i coordinates. d[1:] <- h, where 0 stands for no
    reflection; e[:n-1] <- what is beside the diagonal of T; size: max |A_ij|.
    """
    n, nothing = A.shape[0], (NOTHING * size) ** 2
    for i in range(n - 1, 0, -1):  # row i, in front of the diagonal, is turned into (0, ..., 0, e[i-1])
        u = A[i]
        s = 0.0
        for k in range(i - 1):
            s += u[k] * u[k]
        last = u[i - 1]
        if s <= nothing:
            d[i], e[i - 1] = 0.0, last
            continue
        norm = math.sqrt(s + last * last)
        norm = -norm if last > 0.0 else norm  # no cancellation in u
        u[i - 1] = last - norm
        h = s + last * last - last * norm
        update_below(A, u, h, i, e)
        d[i], e[i - 1] = h, norm


@leaf
def update_below(A, u, h, m, q):
    """The leading block A (m, m) <- P A P with P = I - u u'/h; its lower triangle; q (m,) is scratch."""
    for j in range(m):
        q[j] = 0.0
    for j in range(m):  # q = A u, each element below the diagonal used twice
        row, uj = A[j], u[j]
        s = dot(row[:j], u[:j])
        for k in range(j):
            q[k] += uj * row[k]
        q[j] += s + row[j] * uj
    uq = dot(u[:m], q[:m])
    factor = uq / (h + h) / h
    for j in range(m):
        q[j] = q[j] / h - factor * u[j]
    for j in range(m):
        row, uj, qj = A[j], u[j], q[j]
        for k in range(j + 1):
            row[k] -= uj * q[k] + qj * u[k]


@leaf
def accumulate(A, d):
    """A <- Q' = P_1 ... P_{n-1} from the vectors u in its rows, whose h are in d; d <- the diagonal of A before."""
    n = A.shape[0]
    for i in range(n):
        u, h = A[i], d[i]
        d[i] = A[i, i]
        if i > 0 and h != 0.0:
            for j in range(i):
                row = A[j]
                s = dot(row[:i], u[:i]) / h
                for k in range(i):
                    row[k] -= s * u[k]
        for k in range(i):
            u[k] = 0.0
            A[k, i] = 0.0
        u[i] = 1.0


@inlined
def rotate(Z, i, c, s):
    """Rows i and i + 1 of Z <- (c z_i - s z_{i+1}, s z_i + c z_{i+1})."""
    a, b = Z[i], Z[i + 1]
    for k in range(a.shape[0]):
        z = b[k]
        b[k] = s * a[k] + c * z
        a[k] = c * a[k] - s * z


@leaf
def implicit_ql(d, e, Z):
    """d (n,) <- the eigenvalues of the tridiagonal matrix, unsorted; Z (n, m) <- V Z, the rows of V its eigenvectors.

    e[:n-1] is what is beside the diagonal d; e (n,) is destroyed. False: not finite, or no convergence.
    """
    n = d.shape[0]
    e[n - 1] = 0.0
    size, bad = 0.0, 0.0  # bad stays 0 while all is finite
    for i in range(n):
        size = max(size, abs(d[i]) + abs(e[i]))
        bad += (d[i] - d[i]) + (e[i] - e[i])
    if bad != 0.0:
        return False
    for first in range(n):
        steps = 0
        while True:
            last = first  # d[first:last+1] is the first block whose off-diagonals aren't negligible
            while last < n - 1 and not abs(e[last]) <= EPS * size:
                last += 1
            if last == first:
                break
            if steps == MAX_STEPS:
                return False
            steps += 1
            ql_step(d, e, Z, first, last)
    return True


@leaf
def ql_step(d, e, Z, first, last):
    """One QL step with Wilkinson's shift on d[first:last+1]."""
    g = (d[first + 1] - d[first]) / (2.0 * e[first])
    r = math.sqrt(g * g + 1.0)
    g = d[last] - d[first] + e[first] / (g + (r if g >= 0.0 else -r))
    s, c, p = 1.0, 1.0, 0.0
    for i in range(last - 1, first - 1, -1):
        f, b = s * e[i], c * e[i]
        r = math.sqrt(f * f + g * g)
        e[i + 1] = r
        if r == 0.0:  # the block falls apart here
            d[i + 1] -= p
            e[last] = 0.0
            return
        s, c = f / r, g / r
        g = d[i + 1] - p
        r = (d[i] - g) * s + 2.0 * c * b
        p = s * r
        d[i + 1] = g + p
        g = c * r - b
        rotate(Z, i, c, s)
    d[first] -= p
    e[first] = g
    e[last] = 0.0


@leaf
def sort_ascending(w, Z):
    """w <- w in ascending order; the rows of Z likewise."""
    n = w.shape[0]
    for i in range(n - 1):
        least = i
        for j in range(i + 1, n):
            if w[j] < w[least]:
                least = j
        if least != i:
            w[i], w[least] = w[least], w[i]
            a, b = Z[i], Z[least]
            for k in range(a.shape[0]):
                z = a[k]
                a[k] = b[k]
                b[k] = z


@leaf
def symmetric_eigen(A, w, e):
    """w (n,) <- the eigenvalues of A (n, n), ascending; row k of A <- the unit eigenvector of w[k]; e (n,) is scratch.

    Only the lower triangle of A is read. False: A is not finite, or the QL steps don't converge.
    """
    n = A.shape[0]
    size = largest_below(A)
    if size - size != 0.0:
        return False
    factor = power_of_two(size)
    multiply_below(factor, A)
    tridiagonalize(A, factor * size, w, e)
    if not implicit_ql(w, e, A):
        return False
    sort_ascending(w, A)
    for i in range(n):
        w[i] /= factor
    return True


@leaf
def set_identity(Z):
    """Z <- the identity."""
    for i in range(Z.shape[0]):
        row = Z[i]
        for j in range(row.shape[0]):
            row[j] = 0.0
        row[i] = 1.0


@leaf
def tridiagonal_eigen(d, e, Z):
    """d (n,) <- the eigenvalues of the tridiagonal matrix, ascending; row k of Z <- the unit eigenvector of d[k].

    d is the diagonal, e[:n-1] what is beside it; e (n,) is destroyed. False: not finite, or no convergence. For less
    than the whole vectors, `implicit_ql` takes Z with fewer columns: those of the identity that are wanted.
    """
    set_identity(Z)
    if not implicit_ql(d, e, Z):
        return False
    sort_ascending(d, Z)
    return True


# ------------------------------------------------------------------------------------------------------- Jacobi


@leaf
def jacobi_eigen(A, V, w):
    """w (n,) <- the eigenvalues of A (n, n), ascending; row k of V <- the unit eigenvector of w[k]; A is destroyed.

    False: A is not finite, or no convergence. Only the lower triangle of A is read.
    """
    n = A.shape[0]
    set_identity(V)
    size = largest_below(A)
    if size - size != 0.0:
        return False
    factor = power_of_two(size)
    multiply_below(factor, A)
    done, negligible = False, EPS / float(n) * factor * size
    for _ in range(MAX_SWEEPS):
        done = True
        for p in range(1, n):
            for q in range(p):
                if abs(A[p, q]) > negligible:
                    done = False
                    jacobi_rotation(A, V, p, q)
        if done:
            break
    for i in range(n):
        w[i] = A[i, i] / factor
    sort_ascending(w, V)
    return done


@inlined
def jacobi_rotation(A, V, p, q):
    """A <- J' A J, J the rotation of axes q < p that makes A_pq zero; the lower triangle."""
    n = A.shape[0]
    a = A[p, q]
    theta = 0.5 * (A[p, p] - A[q, q]) / a
    t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))  # tan of the angle: the smaller root
    t = t if theta >= 0.0 else -t
    c = 1.0 / math.sqrt(t * t + 1.0)
    s = t * c
    A[q, q] -= t * a
    A[p, p] += t * a
    A[p, q] = 0.0
    for k in range(n):
        if k != p and k != q:
            i, j = max(k, q), min(k, q)
            f, g = max(k, p), min(k, p)
            x, y = A[i, j], A[f, g]
            A[i, j], A[f, g] = c * x - s * y, s * x + c * y
        x, y = V[q, k], V[p, k]
        V[q, k], V[p, k] = c * x - s * y, s * x + c * y
