r"""The symmetric rank-one matrix of a few pairs (s_j, y_j), and exact steps with it.

B = gamma I + Q' A Q, the rows of Q orthonormal, is made from gamma I by one update a pair, the oldest first:

    r = y_j - B s_j = y_j - gamma s_j - Q' A Q s_j;    no update if |s_j'r| < skip |s_j| |r|                ([1] (6.26))
    Q gets one row more, the part of r that is orthogonal to those before;   A <- A + (Q r)(Q r)' / s_j'r

With k pairs some 3 k^2 n multiplications, and A has k rows at most. The compact representation, gamma I +
Psi M^{-1} Psi' ([2]), is the same matrix; here each update can be judged and left out, and nothing is divided by a
nearly singular M. Then g gets a row of Q as well. Orthogonally to Q, B is gamma > 0 and g is 0, so the minimizer within
a radius is s = Q' h, with h from the eigenvectors of A + gamma I (subproblems.secular), to rounding ([3] likewise).

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 6.2.
[2] Byrd, Nocedal, Schnabel. Representations of quasi-Newton matrices and their use in limited memory methods.
    Math. Prog. 63 (1994) 129-156. doi:10.1007/BF01582063
[3] Brust, Erway, Marcia. On solving L-SR1 trust-region subproblems. Comput. Optim. Appl. 66 (2017) 245-266.
    doi:10.1007/s10589-016-9868-3
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined, leaf, reshaped
from secondorder.linalg.eigen import symmetric_eigen
from secondorder.linalg.vectors import axpby, axpy, copy, dot, scale
from secondorder.subproblems.secular import within_radius
from secondorder.subproblems.subspace import DEPENDENT


class Matrix(NamedTuple):
    """B and its eigenvectors, views of `work` and `memory`; at most m pairs."""

    S: object  # (m, n), a ring
    Y: object  # (m, n)
    Q: object  # (m + 1, n)
    A: object  # (m + 1, m + 1), of which the leading rows and columns are used
    V: object  # ((m + 1)^2,): the eigenvectors, (k, k)
    w: object  # (m + 1,) each
    c: object
    h: object
    u: object
    state: object  # (4,): newest, number of pairs, gamma, rows of Q


@inlined
def matrix_in(rows, memory, m):
    """The parts by name; rows: (3 m + 1, n)."""
    k = m + 1
    A, V, rest = reshaped(memory[: k * k], (k, k)), memory[k * k : 2 * k * k], memory[2 * k * k :]
    v, state = reshaped(rest[: 4 * k], (4, k)), rest[4 * k : 4 * k + 4]
    return Matrix(rows[:m], rows[m : 2 * m], rows[2 * m : 3 * m + 1], A, V, v[0], v[1], v[2], v[3], state)


def n_matrix_memory(m):
    """Length of memory for m pairs."""
    return (m + 1) * (2 * m + 6) + 4


@leaf
def forget(B):
    """No pairs, no gamma."""
    B.state[0], B.state[1], B.state[2], B.state[3] = -1.0, 0.0, 0.0, 0.0


@leaf
def keep_scale(B):
    """No pairs, the largest gamma of those that were: rather too short steps than too long. False: no pairs."""
    pairs, m = int(B.state[1]), B.S.shape[0]
    if pairs == 0:
        return False
    B.state[1] = B.state[2] = 0.0
    for j in range(pairs):
        i = (int(B.state[0]) - j) % m
        B.state[2] = max(B.state[2], dot(B.Y[i], B.Y[i]) / abs(dot(B.S[i], B.Y[i])))
    return True


@inlined
def scale_of(B):
    """gamma."""
    return B.state[2]


@leaf
def remember(B, s, g, gt):
    """The pair (s, gt - g) in place of the oldest; gamma = y'y / |s'y|. False: s'y is 0 or something isn't finite."""
    m = B.S.shape[0]
    newest = (int(B.state[0]) + 1) % m
    y = B.Y[newest]
    axpy(-1.0, g, gt, y)
    sy, yy = dot(s, y), dot(y, y)
    gamma = yy / abs(sy)
    if not 0.0 < gamma < math.inf:
        return False
    if sy > 0.0 or B.state[1] == 0.0:
        B.state[2] = gamma
    copy(s, B.S[newest])
    B.state[0], B.state[1] = newest, min(B.state[1] + 1.0, float(m))
    return True


@leaf
def add_row(B, k, v, coefficients):
    """Q[k] <- the part of v that is orthogonal to the rows before, of length 1; coefficients <- Q v. Rows of Q now."""
    q, size = B.Q[k], math.sqrt(dot(v, v))
    copy(v, q)
    for i in range(k):
        coefficients[i] = 0.0
    for _ in range(2):  # twice is enough (Kahan)
        for i in range(k):
            t = dot(B.Q[i], q)
            coefficients[i] += t
            axpy(-t, B.Q[i], q, q)
    norm = math.sqrt(dot(q, q))
    if not norm > DEPENDENT * size:
        return k
    coefficients[k] = norm
    scale(1.0 / norm, q, q)
    for i in range(k + 1):
        B.A[i, k] = B.A[k, i] = 0.0
    return k + 1


@leaf
def build(B, skip, r):
    """A and Q from the pairs; r (n,) is scratch. Returns the number of pairs that are not in B."""
    m, pairs = B.S.shape[0], int(B.state[1])
    k, left_out = 0, 0
    for j in range(pairs):
        i = (int(B.state[0]) - pairs + 1 + j) % m
        s = B.S[i]
        axpby(1.0, B.Y[i], -B.state[2], s, r)
        for a in range(k):
            B.u[a] = dot(B.Q[a], s)
        for a in range(k):
            axpy(-dot(B.A[a, :k], B.u[:k]), B.Q[a], r, r)
        sr, rr = dot(s, r), dot(r, r)
        if sr == 0.0 or not (abs(sr) >= skip * math.sqrt(dot(s, s)) * math.sqrt(rr) and rr < math.inf):
            left_out += 1
            continue
        k = add_row(B, k, r, B.u)
        for a in range(k):
            for b in range(k):
                B.A[a, b] += B.u[a] * (B.u[b] / sr)
    B.state[3] = k
    return left_out


@leaf
def decompose(B, g):
    """Give g its row of Q; V, w, c <- eigenvectors, eigenvalues, coordinates of g. Returns the dimension."""
    k = add_row(B, int(B.state[3]), g, B.u)
    V = reshaped(B.V[: k * k], (k, k))
    for i in range(k):
        copy(B.A[i, :k], V[i])
        V[i, i] += B.state[2]
    if not symmetric_eigen(V, B.w[:k], B.c[:k]):
        for i in range(k):
            B.w[i] = 0.0
            for j in range(k):
                V[i, j] = 1.0 if i == j else 0.0
    for i in range(k):
        B.c[i] = dot(V[i], B.u[:k])
    return k


@leaf
def step_within(B, k, delta, s):
    """s <- the step within delta, from what `decompose` left. Returns (pred, |s|)."""
    V = reshaped(B.V[: k * k], (k, k))
    pred, length = within_radius(B.w[:k], B.c[:k], delta, B.h[:k])
    for j in range(k):
        h = 0.0
        for i in range(k):
            h += V[i, j] * B.h[i]
        if j == 0:
            scale(h, B.Q[0], s)
        else:
            axpy(h, B.Q[j], s, s)
    return pred, length
