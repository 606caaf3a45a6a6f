"""Matrices as typed Hessian products: hvp(x, v, out, data) writes out = A v; x is not read.

data[0] is the address of a tuple in native form (`jit.Native`): (A,) or (values, columns, starts).
"""

from secondorder.jit import loader, matrix, tuple_type, types, vector
from secondorder.linalg.chunks import four_dots
from secondorder.linalg.vectors import dot

# read as unsigned, so that nobody asks whether an index is negative and counts from the end
indices = types.Array(types.uint64, 1, "C")
short_indices = types.Array(types.uint32, 1, "C")

_dense_at = loader(tuple_type(matrix))
_csr_at = loader(tuple_type(vector, indices, indices))
_short_csr_at = loader(tuple_type(vector, short_indices, short_indices))


def dense(x, v, out, data):
    """Of a matrix (n, n)."""
    (A,) = _dense_at(data[0])
    n = out.shape[0]
    i = 0
    while i + 3 < n:
        out[i], out[i + 1], out[i + 2], out[i + 3] = four_dots(A[i], A[i + 1], A[i + 2], A[i + 3], v)
        i += 4
    while i < n:
        out[i] = dot(A[i], v)
        i += 1
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
