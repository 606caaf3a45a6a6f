r"""The smallest eigenvalue of a Hessian H and its direction, at a point where a method has stopped.

    from the matrix     n > `exact`: Cholesky's factorization of H - floor |H| I; if it exists, floor |H| is a lower
                        bound and all that is said. Else, and for smaller n: all eigenvalues
    from products       n <= PRODUCTS: the matrix from n products, then its eigenvalues
                        n > PRODUCTS: Lanczos, fully reorthogonalised, from a random dense start. It stops where the
                        eigenvalue found is negative beyond doubt and its vector good to a tenth, where the bound below
                        is positive, where the residual is RTOL |H|, or where the products are spent

A Ritz value is never below the smallest eigenvalue, so a negative one is a proof; a positive one is a matter of
probability ([1] section 3). With the basis v_0..v_k of Lanczos, v_j = q_j(H) v_0, a unit eigenvector u of an eigenvalue
mu has the components u'v_j = q_j(mu) u'v_0, and so

    |u'v_0| <= t(mu),    t(mu)^-2 = q_0(mu)^2 + .. + q_k(mu)^2

Below the smallest Ritz value t only falls as mu does. A random v_0 has a component below sqrt(pi / 2 n) delta along any
unit vector with probability delta at most: so have eigenvalues below the mu at which t is that. It holds for every k at
once, since it is one event, and no other eigenvalue has to be known.
Where the Krylov space of the start is exhausted, the smallest Ritz value is the smallest eigenvalue with probability
one.

Memory: N_VECTORS + 2 n vectors with matrices, N_VECTORS + k + 1 for k steps of Lanczos.

References
----------
[1] van Dorsselaer, Hochstenbach, van der Vorst. Computing probabilistic bounds for extreme eigenvalues of symmetric
    matrices with the Lanczos method. SIAM J. Matrix Anal. Appl. 22 (2001) 837-852.
[2] L'Ecuyer. Efficient and portable combined random number generators. Communications of the ACM 31 (1988) 742-751.
    doi:10.1145/62959.62969. Figure 3.
"""

import math
from typing import NamedTuple

from secondorder.control import product, stopped
from secondorder.jit import inlined, leaf, loop, reshaped
from secondorder.krylov.ends import CONVERGED
from secondorder.krylov.lanczos import BREAKDOWN, lanczos_step, memory_size, ritz_pairs, ritz_vector
from secondorder.linalg.cholesky import cholesky
from secondorder.linalg.eigen import implicit_ql, symmetric_eigen
from secondorder.linalg.vectors import copy, dot, scale

UNKNOWN, CHOLESKY, EXACT, LANCZOS = 0, 1, 2, 3  # where a bound comes from

N_VECTORS = 6  # g, xt, gt, v, w, and scratch, before the matrices or the basis
PRODUCTS = 24  # n up to which all n products are made: a Lanczos run to the end takes as many
STEPS, MOST_STEPS = 40, 200  # of Lanczos that are always allowed; that are allowed where the run made as many products
RTOL = 1e-6  # of |H|, for the residual of a positive eigenvalue
PROBABILITY = 1e-3  # delta: that the bound fails
GOOD = 0.1  # residual of a negative one, relative to it


class Curvature(NamedTuple):
    """What is known of the eigenvalues of H."""

    bound: int  # where it comes from
    least: float  # the smallest eigenvalue; a lower bound of it where Cholesky's factorization exists
    error: float  # |H v - least v|
    lower: float  # a lower bound of the smallest eigenvalue
    failure: float  # probability that it is none
    below: float  # probability that the smallest eigenvalue is below floor |H|, where it was not found to be
    largest: float  # nan: not known
    norm: float  # |H|_2; an upper bound from Cholesky, a lower one from Lanczos
    index: int  # eigenvalues below -tolerance |H|; -1: not known
    steps: int  # of Lanczos


NOTHING = Curvature(UNKNOWN, math.nan, math.nan, math.nan, 1.0, 1.0, math.nan, math.nan, -1, 0)  # H is not finite


def steps_for(n, rows):
    """Most steps of Lanczos in a workspace of so many rows."""
    return min(n, max(STEPS, min(rows - N_VECTORS - 1, MOST_STEPS)))


def n_work(n, matrices, rows):
    """Rows of length n in `work`, at least those of the method."""
    if matrices or n <= PRODUCTS:
        return max(rows, N_VECTORS + 2 * n)
    return max(rows, N_VECTORS + 1 + steps_for(n, rows))


def n_memory(n, matrices, rows):
    """Length of `memory`."""
    return 1 if matrices or n <= PRODUCTS else memory_size(steps_for(n, rows))


# ------------------------------------------------------------------------------------------------ random numbers

M1, M2 = 2147483563, 2147483399


@inlined
def seeded(seed, stream):
    """State of the generator of [2]: two positive integers below M1 and M2."""
    s1 = 1 + (seed % 1000003 * 2003 + stream * 104729 + 12345) % (M1 - 1)
    s2 = 1 + (seed % 999983 * 1009 + stream * 7919 + 67890) % (M2 - 1)
    for _ in range(4):
        s1, s2, _ = uniform(s1, s2)
    return s1, s2


@inlined
def uniform(s1, s2):
    """(next state, a number in (0, 1))."""
    s1, s2 = 40014 * s1 % M1, 40692 * s2 % M2
    z = s1 - s2
    if z < 1:
        z += M1 - 1
    return s1, s2, z / M1


@leaf
def random_direction(seed, stream, v):
    """v <- independent normal numbers: every direction is as likely (Box and Muller)."""
    s1, s2 = seeded(seed, stream)
    for i in range(v.shape[0]):
        s1, s2, a = uniform(s1, s2)
        s1, s2, b = uniform(s1, s2)
        v[i] = math.sqrt(-2.0 * math.log(a)) * math.cos(2.0 * math.pi * b)


@leaf
def coin(seed, stream):
    """1.0 or -1.0."""
    _, _, u = uniform(*seeded(seed, stream))
    return 1.0 if u < 0.5 else -1.0


# ---------------------------------------------------------------------------------------------------- matrices


@leaf
def infinity_norm(H):
    """max_i sum_j |H_ij| >= |H|_2, from the lower triangle; not finite where H isn't."""
    top = 0.0
    n = H.shape[0]
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += abs(H[i, j] if j <= i else H[j, i])
        if not total <= top:
            top = total
        if top - top != 0.0:
            return math.nan
    return top


@leaf
def shifted_is_positive(H, shift, L):
    """Is H - shift I safely positive definite?"""
    for i in range(H.shape[0]):
        for j in range(i):
            L[i, j] = H[i, j]
        L[i, i] = H[i, i] - shift
    return cholesky(L, L)


@inlined
def matrices_in(work):
    """(H, scratch for its factors), both (n, n)."""
    n = work.shape[1]
    return work[N_VECTORS : N_VECTORS + n], work[N_VECTORS + n : N_VECTORS + 2 * n]


@leaf
def of_matrix(H, L, exact, tolerance, floor, v, w, scratch):
    """The Curvature of H. w <- its eigenvalues, the rows of H its eigenvectors, v the first; none of it by Cholesky."""
    n = H.shape[0]
    norm = infinity_norm(H)
    if math.isnan(norm):
        return NOTHING
    if n > exact and shifted_is_positive(H, floor * norm, L):
        return Curvature(CHOLESKY, floor * norm, 0.0, floor * norm, 0.0, 0.0, math.nan, norm, 0, 0)
    if not symmetric_eigen(H, w, scratch):
        return NOTHING
    copy(H[0], v)
    norm, index = max(abs(w[0]), abs(w[n - 1])), 0
    for i in range(n):
        index += w[i] < -tolerance * norm
    return Curvature(EXACT, w[0], 0.0, w[0], 0.0, 0.0, w[n - 1], norm, index, 0)


@leaf
def from_matrix(exact, tolerance, floor, work):
    """The Curvature of the Hessian in the rows of `matrices_in`."""
    H, L = matrices_in(work)
    return of_matrix(H, L, exact, tolerance, floor, work[3], work[4], work[5])


# ---------------------------------------------------------------------------------------------------- products


@loop
def from_products(hvp, x, tolerance, floor, most, seed, work, memory, control, data):
    """The Curvature at x from at most `most` products, by Lanczos."""
    V = work[N_VECTORS : N_VECTORS + most + 1]
    random_direction(seed, 0, V[0])
    return by_lanczos(hvp, x, V, tolerance, floor, RTOL, PROBABILITY, work[3], memory, control, data)


@loop
def matrix_of_products(hvp, x, v, H, control, data):
    """H <- the Hessian at x, from n products."""
    n = x.shape[0]
    scale(0.0, x, v)
    for k in range(n):
        for i in range(n):
            v[i] = 1.0 if i == k else 0.0
        product(hvp, x, v, H[k], control, data)
    for i in range(n):
        for j in range(i):
            H[i, j] = 0.5 * (H[i, j] + H[j, i])


@leaf
def largest_growth(n, failure):
    """What q_0(mu)^2 + .. + q_k(mu)^2 may be for an eigenvalue mu, but for this probability."""
    return 2.0 * n / (math.pi * failure * failure)


@leaf
def growth(alpha, beta, steps, mu):
    """q_0(mu)^2 + .. + q_k(mu)^2 for the polynomials of k steps, q_0 = 1."""
    before, q, total = 0.0, 1.0, 1.0
    for j in range(steps):
        q, before = ((mu - alpha[j]) * q - (beta[j - 1] * before if j > 0 else 0.0)) / beta[j], q
        total += q * q
    return total


@leaf
def lanczos_bound(alpha, beta, steps, least, n, failure):
    """What the smallest eigenvalue is not below but for this probability; to a thousandth of what it is below least."""
    most, above, gap = largest_growth(n, failure), 0.0, beta[steps - 1]
    if not gap > 0.0:  # the start has no component outside the basis
        return least
    while gap < math.inf and not growth(alpha, beta, steps, least - gap) >= most:
        above, gap = gap, 2.0 * gap
    while gap - above > 1e-3 * gap:
        middle = 0.5 * (above + gap)
        if growth(alpha, beta, steps, least - middle) >= most:
            gap = middle
        else:
            above = middle
    return least - gap


@leaf
def lanczos_failure(alpha, beta, steps, least, n, lower):
    """The probability for which `lanczos_bound` is `lower`; at most 1."""
    if not lower < least:
        return 1.0
    return min(1.0, math.sqrt(2.0 * n / (math.pi * growth(alpha, beta, steps, lower))))


@leaf
def least_ritz(alpha, beta, steps, scratch):
    """(the smallest Ritz value, its residual); scratch (3 steps,)."""
    d, e, last = scratch[:steps], scratch[steps : 2 * steps], scratch[2 * steps : 3 * steps]
    copy(alpha[:steps], d)
    copy(beta[:steps], e)
    for i in range(steps):
        last[i] = 0.0
    last[steps - 1] = 1.0
    if not implicit_ql(d, e, reshaped(last, (steps, 1))):
        return math.nan, math.inf
    k = 0
    for i in range(1, steps):
        if d[i] < d[k]:
            k = i
    return d[k], beta[steps - 1] * abs(last[k])


@loop
def by_lanczos(hvp, x, V, tolerance, floor, rtol, failure, v, memory, control, data):
    """The Curvature at x from the start V[0] and at most V.shape[0] - 1 products; v <- the direction.

    It ends early where an eigenvalue is below -tolerance |H|, or none below floor |H| but for `failure`.
    """
    most = V.shape[0] - 1
    alpha, beta, scratch = memory[:most], memory[most : 2 * most], memory[2 * most :]
    scale(1.0 / math.sqrt(dot(V[0], V[0])), V[0], V[0])
    norm, steps, next_look, previous, exhausted = 0.0, 0, 1, 0.0, False
    while steps < most:
        a, b, size = lanczos_step(hvp, x, V, steps, previous, control, data)
        if not (math.isfinite(a) and math.isfinite(b)):
            return NOTHING
        norm = max(norm, size)
        alpha[steps], beta[steps], previous = a, b, b
        steps += 1
        if not b > BREAKDOWN * norm:  # non-strict: H = 0 stops here
            exhausted = True
            break
        if steps >= next_look:
            next_look = steps + 1 + steps // 8  # a look costs steps^2
            least, error = least_ritz(alpha, beta, steps, scratch)
            if error <= rtol * norm or (least < -tolerance * norm and error <= GOOD * -least):
                break
            low = floor * norm
            if least > low and growth(alpha, beta, steps, low) >= largest_growth(x.shape[0], failure):
                break
        if stopped(control):
            break
        scale(1.0 / b, V[steps], V[steps])
    sure = exhausted or steps == x.shape[0]
    lower, below = math.nan, 0.0
    if sure:
        failure = 0.0
    else:  # before the coefficients are overwritten
        least, error = least_ritz(alpha, beta, steps, scratch)
        lower = lanczos_bound(alpha, beta, steps, least, x.shape[0], failure)
        below = lanczos_failure(alpha, beta, steps, least, x.shape[0], floor * norm)
    ritz = ritz_pairs(CONVERGED, steps, norm, most, memory)
    if math.isnan(ritz.smallest):
        return NOTHING
    ritz_vector(V, 0, memory, most, steps, 0, v)
    norm = max(norm, max(abs(ritz.smallest), abs(ritz.largest)))
    if sure:
        lower = ritz.smallest - ritz.smallest_error
    return Curvature(LANCZOS, ritz.smallest, ritz.smallest_error, lower, failure, below, ritz.largest, norm, -1, steps)
