"""Matrices as typed Hessian products: hvp(x, v, out, data) writes out = A v; x is not read.

data[0] is the address of a tuple in native form (`jit.Native`): (A,) or (values, columns, starts).
"""

from secondorder.jit import integers, loader, matrix, tuple_type, types, vector
from secondorder.linalg.vectors import dot

short_integers = types.Array(types.int32, 1, "C")

_dense_at = loader(tuple_type(matrix))
_csr_at = loader(tuple_type(vector, integers, integers))
_short_csr_at = loader(tuple_type(vector, short_integers, short_integers))


def dense(x, v, out, data):
    """Of a matrix (n, n)."""
    (A,) = _dense_at(data[0])
    for i in range(out.shape[0]):
        out[i] = dot(A[i], v)
    return 0.0


def csr(x, v, out, data):
    """Of a sparse matrix by rows, with indices of 64 bits."""
    values, columns, starts = _csr_at(data[0])
    for i in range(out.shape[0]):
        s = 0.0
        for k in range(starts[i], starts[i + 1]):
            s += values[k] * v[columns[k]]
        out[i] = s
    return 0.0


def short_csr(x, v, out, data):
    """Of a sparse matrix by rows, with indices of 32 bits."""
    values, columns, starts = _short_csr_at(data[0])
    for i in range(out.shape[0]):
        s = 0.0
        for k in range(starts[i], starts[i + 1]):
            s += values[k] * v[columns[k]]
        out[i] = s
    return 0.0
