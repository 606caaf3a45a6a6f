r"""Exact steps in a subspace of two dimensions, or three.

Q has orthonormal rows, the first g / |g|, the next from the Newton step -(H + tau I)^{-1} g and, where H is not
positive definite, a direction v close to the lowest eigenvector. With A = Q H Q' and s = Q' h the model becomes

    g's + s'Hs / 2  =  |g| h_1 + h'Ah / 2,      |s| = |h|,

which is minimized within a radius by the eigenvectors of A (subproblems.secular), exactly, in the hard case too. The
subspace belongs to H and g: another radius costs no more than that and 3 n operations.

References
----------
[1] Shultz, Schnabel, Byrd. A family of trust-region-based algorithms for unconstrained minimization with strong global
    convergence properties. SIAM J. Numer. Anal. 22 (1985) 47-67. doi:10.1137/0722003
[2] Byrd, Schnabel, Shultz. Approximate solution of the trust region problem by minimization over two-dimensional
    subspaces. Math. Prog. 40 (1988) 247-263. doi:10.1007/BF01580735
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined, leaf, reshaped
from secondorder.linalg.eigen import jacobi_eigen
from secondorder.linalg.vectors import axpy, copy, dot, scale
from secondorder.precision import roundings
from secondorder.subproblems.secular import within_radius
from secondorder.subproblems.spectrum import from_coordinates

MOST = 3  # dimensions
DEPENDENT = roundings(64.0)  # what is left of a vector is rounding, relative to the vector
N_SMALL = 2 * MOST * MOST + 4 * MOST


class Small(NamedTuple):
    """The model in the subspace, views of `memory`: A, its eigenvectors and eigenvalues, and three vectors."""

    A: object
    V: object
    w: object
    c: object  # V |g| e_1
    y: object  # V h
    h: object


@inlined
def small_in(memory, k):
    """The parts of memory by name, for k dimensions."""
    kk = k * k
    v = reshaped(memory[2 * kk : 2 * kk + 4 * k], (4, k))
    return Small(reshaped(memory[:kk], (k, k)), reshaped(memory[kk : 2 * kk], (k, k)), v[0], v[1], v[2], v[3])


@leaf
def extend(Q, k, v):
    """Q[k] <- v less its components along the rows before, of length 1. Returns the number of rows now."""
    if k == Q.shape[0]:
        return k
    q = Q[k]
    copy(v, q)
    size = math.sqrt(dot(v, v))
    for _ in range(2):  # twice is enough (Kahan)
        for j in range(k):
            axpy(-dot(q, Q[j]), Q[j], q, q)
    norm = math.sqrt(dot(q, q))
    if not (norm > DEPENDENT * size and norm < math.inf):
        return k
    scale(1.0 / norm, q, q)
    return k + 1


@leaf
def restrict(H, Q, k, memory, hq, gnorm):
    """Make the Small model of k dimensions; what is not finite in H counts as 0."""
    p = small_in(memory, k)
    for i in range(k):
        for j in range(H.shape[0]):
            hq[j] = dot(H[j], Q[i])
        for j in range(k):
            p.A[j, i] = dot(Q[j], hq)
    if not jacobi_eigen(p.A, p.V, p.w):
        for i in range(k):
            p.w[i] = 0.0
            for j in range(k):
                p.V[i, j] = 1.0 if i == j else 0.0
    for i in range(k):
        p.c[i] = gnorm * p.V[i, 0]


@leaf
def minimize_within(Q, k, memory, delta, s):
    """s <- the step within delta. Returns (pred, |s|)."""
    p = small_in(memory, k)
    pred, length = within_radius(p.w, p.c, delta, p.y)
    from_coordinates(p.V, p.y, p.h)
    scale(p.h[0], Q[0], s)
    for j in range(1, k):
        axpy(p.h[j], Q[j], s, s)
    return pred, length
