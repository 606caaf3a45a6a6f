"""A Hessian by its eigenvectors, the rows of V, and vectors in their coordinates: y = V s, s = V' y."""

from secondorder.jit import leaf
from secondorder.linalg.eigen import symmetric_eigen
from secondorder.linalg.vectors import axpy, dot, scale


@leaf
def decompose(V, w, scratch):
    """H, in V, becomes its eigenvectors, with the eigenvalues w ascending. H that is not finite counts as 0."""
    n = w.shape[0]
    if symmetric_eigen(V, w, scratch):
        return
    for i in range(n):
        for j in range(n):
            V[i, j] = 0.0
        w[i], V[i, i] = 0.0, 1.0


@leaf
def to_coordinates(V, s, y):
    """y <- V s."""
    for i in range(s.shape[0]):
        y[i] = dot(V[i], s)


@leaf
def from_coordinates(V, y, s):
    """s <- V' y."""
    scale(y[0], V[0], s)
    for i in range(1, s.shape[0]):
        axpy(y[i], V[i], s, s)


@leaf
def along(H, v):
    """v'Hv."""
    total = 0.0
    for i in range(v.shape[0]):
        total += v[i] * dot(H[i], v)
    return total
