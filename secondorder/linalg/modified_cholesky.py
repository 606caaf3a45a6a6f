r"""Modified Cholesky: L D L' = P (H + E) P', E diagonal and >= 0, zero where H is safely positive definite.

L and D lie as in `cholesky`.

`gill_murray_wright`: H = L D L' with each d_j raised as far as needed ([1] section 4.4.2.2, [2]). At step j,
with c the elements of what is left of the matrix:

    1.  pivot on the largest |c_ii|
    2.  theta = max_{i>j} |c_ij|;   d_j = max(|c_jj|, theta^2 / beta^2, delta);   E_jj = d_j - c_jj
        beta^2 = max(gamma, xi / sqrt(n^2 - 1)),  delta = eps (gamma + xi),
        gamma = max |H_ii|,  xi = max_{i!=j} |H_ij|

so that L sqrt(D) stays below beta. Bounds on E grow as n^2 |H|, but the step is often good in spite of it.

`schnabel_eskow`: the algorithm of [3]. |E| is near the least that is possible, some -lambda_min(H).

    phase 1, while what is left may be positive definite: pivot on the largest c_ii; go on to phase 2
        if it is <= tau2 gamma, or a diagonal element is below -mu times it, or would fall below -mu gamma
    phase 2: pivot on the largest lower Gerschgorin bound;
        E_jj = max(0, -c_jj + max(sum_{i>j} |c_ij|, tau2 gamma), E_{j-1,j-1})
        and the last two rows get one E that makes their eigenvalues' ratio at most 1 / tau

Departures: no number here has the unit of H ([1] has delta >= eps and beta^2 >= eps), so that scaling H by a power of
two scales E exactly and leaves P alone. gamma of [3] is the largest |H_ij|, on the diagonal or not: where H may be
positive definite that is the same, and where it can't be, tau2 times the diagonal may be lost in rounding. H = 0 gives
E = I.

References
----------
[1] Gill, Murray, Wright. Practical Optimization. Academic Press, 1981.
[2] Fang, O'Leary. Modified Cholesky algorithms: a catalog with new approaches. Math. Prog. 115 (2008) 319-349.
[3] Schnabel, Eskow. A revised modified Cholesky factorization algorithm. SIAM J. Optim. 9 (1999) 1135-1148.
"""

import math

from secondorder.jit import leaf
from secondorder.linalg.cholesky import solve_cholesky
from secondorder.linalg.symmetric import eliminate, exchange, largest_below, mirror
from secondorder.precision import EPS, roundings

TAU = roundings(power=1.0 / 3.0)  # tau, tau2 (tau with a bar) and mu of [3]
TAU2 = roundings(power=2.0 / 3.0)
MU = 0.1


@leaf
def gill_murray_wright(H, L, perm):
    """L, perm <- the factors of P (H + E) P', by [1]; returns max E_ii, nan where H is not finite.

    Only the lower triangle of H (n, n) is read; L may be H, and its upper triangle is scratch. Row k of L belongs to
    variable perm[k] (n,).
    """
    n = H.shape[0]
    if not start(H, L, perm):
        return math.nan
    gamma, xi = largest_diagonal(L), largest_beside(L)
    if max(gamma, xi) == 0.0:
        return unit_factor(L)
    beta2, delta = gamma, EPS * (gamma + xi)
    if n > 1:
        beta2 = max(gamma, xi / math.sqrt(float(n * n) - 1.0))
    largest = 0.0
    for j in range(n):
        pivot = j
        for i in range(j + 1, n):
            if abs(L[i, i]) > abs(L[pivot, pivot]):
                pivot = i
        swap(L, perm, j, pivot)
        theta, c = 0.0, L[j, j]
        for i in range(j + 1, n):
            theta = max(theta, abs(L[j, i]))
        d = max(abs(c), max(theta / beta2 * theta, delta))
        largest = max(largest, d - c)
        L[j, j] = d
        eliminate(L, j)
    finish(L)
    return largest


@leaf
def schnabel_eskow(H, L, perm, bounds):
    """L, perm <- the factors of P (H + E) P', by [3]; returns max E_ii, nan where H is not finite.

    Only the lower triangle of H (n, n) is read; L may be H, and its upper triangle is scratch. Row k of L belongs to
    variable perm[k] (n,); bounds (n,) is scratch.
    """
    n = H.shape[0]
    if not start(H, L, perm):
        return math.nan
    gamma = max(largest_diagonal(L), largest_beside(L))
    if gamma == 0.0:
        return unit_factor(L)
    j = phase_one(L, perm, gamma)
    e = 0.0
    if j == n - 1:
        c = L[j, j]
        e = -c + max(-c * TAU / (1.0 - TAU), TAU2 * gamma)
        L[j, j] += e
    elif j < n:
        e = phase_two(L, perm, bounds, j, gamma)
    finish(L)
    return e


@leaf
def phase_one(L, perm, gamma):
    """Eliminate while what is left may be positive definite; returns the number of rows done."""
    n = L.shape[0]
    for j in range(n):
        pivot, least = j, L[j, j]
        for i in range(j + 1, n):
            pivot = i if L[i, i] > L[pivot, pivot] else pivot
            least = min(least, L[i, i])
        if L[pivot, pivot] <= TAU2 * gamma or least < -MU * L[pivot, pivot]:  # non-strict: the diagonal may be 0
            return j
        swap(L, perm, j, pivot)
        d = L[j, j]
        for i in range(j + 1, n):
            if L[i, i] - L[j, i] / d * L[j, i] < -MU * gamma:
                return j
        eliminate(L, j)
    return n


@leaf
def phase_two(L, perm, g, first, gamma):
    """Eliminate the rows from `first`, at least two, with E added; g (n,): lower Gerschgorin bounds. Returns max E."""
    n = L.shape[0]
    for i in range(first, n):
        g[i] = L[i, i]
    for i in range(first, n):
        for k in range(i + 1, n):
            g[i] -= abs(L[i, k])
            g[k] -= abs(L[i, k])
    e = 0.0
    for j in range(first, n - 2):
        pivot = j
        for i in range(j + 1, n):
            pivot = i if g[i] > g[pivot] else pivot
        swap(L, perm, j, pivot)
        g[j], g[pivot] = g[pivot], g[j]
        norm = 0.0
        for i in range(j + 1, n):
            norm += abs(L[j, i])
        least = max(norm, TAU2 * gamma)
        e = max(e, least - L[j, j])
        d = L[j, j] = max(least, L[j, j] + e)
        for i in range(j + 1, n):
            g[i] += abs(L[j, i]) * (1.0 - norm / d)
        eliminate(L, j)
    a, b, c = L[n - 2, n - 2], L[n - 2, n - 1], L[n - 1, n - 1]
    middle, radius = 0.5 * (a + c), math.hypot(0.5 * (a - c), b)
    e = max(e, radius - middle + max(2.0 * radius * TAU / (1.0 - TAU), TAU2 * gamma))
    L[n - 2, n - 2] += e
    L[n - 1, n - 1] += e
    eliminate(L, n - 2)
    return e


# ------------------------------------------------------------------------------------------------ shared by the two


@leaf
def start(H, L, perm):
    """Upper triangle of L <- H, perm <- none. False: H is not finite."""
    size = largest_below(H)
    for i in range(H.shape[0]):
        perm[i] = i
    mirror(H, L)
    return size - size == 0.0


@leaf
def largest_diagonal(A):
    """max |A_ii|."""
    top = 0.0
    for i in range(A.shape[0]):
        top = max(top, abs(A[i, i]))
    return top


@leaf
def largest_beside(A):
    """max |A_ij|, i < j."""
    top = 0.0
    for i in range(A.shape[0]):
        for j in range(i + 1, A.shape[0]):
            top = max(top, abs(A[i, j]))
    return top


@leaf
def swap(A, perm, p, q):
    """Variables p <= q change places."""
    exchange(A, p, q)
    perm[p], perm[q] = perm[q], perm[p]


@leaf
def unit_factor(L):
    """L <- I, the factor of 0 + I; returns 1, the element added."""
    for i in range(L.shape[0]):
        for j in range(L.shape[0]):
            L[i, j] = 0.0
        L[i, i] = 1.0
    return 1.0


@leaf
def finish(A):
    """Lower triangle <- U', from U in the upper one; D stays on the diagonal."""
    for i in range(A.shape[0]):
        for j in range(i):
            A[i, j] = A[j, i]


@leaf
def solve_permuted(L, perm, b, out, scratch):
    """out <- the solution of (H + E) out = b; out may be b; scratch (n,)."""
    n = L.shape[0]
    for k in range(n):
        scratch[k] = b[int(perm[k])]
    solve_cholesky(L, scratch, scratch)
    for k in range(n):
        out[int(perm[k])] = scratch[k]
