"""Krylov methods over vectors on a CUDA device: the texts of `krylov`, run by Python as those of methods are."""

import math

import numpy as np

from secondorder.backends import is_on_device
from secondorder.backends.cuda import cuda, device_array_of, flat, free_memory, stream_of
from secondorder.backends.cuda_solvers import retargeted, verbs_by_name
from secondorder.backends.cuda_vectors import Verbs


def vector(name, value, n=None):
    """A vector of the user's on the device, as Numba's, without a copy; n: the length that it must have."""
    if not is_on_device(value):
        raise TypeError(f"{name} must be on the device as the other vectors are; it is {value!r:.100}")
    v = device_array_of(name, value)
    if v.dtype != np.float64:  # the tests of rounding in `krylov` are those of float64
        raise TypeError(f"{name} must hold float64; it is an array of {v.dtype} on the device")
    if len(v.shape) != 1 or v.shape[0] == 0:
        raise ValueError(f"{name} has shape {tuple(v.shape)}; a vector of shape (n,) with n >= 1 is needed")
    if n is not None and v.shape[0] != n:
        raise ValueError(f"{name} has length {v.shape[0]}; the other vectors have {n}")
    return flat(name, v)


class Operator:
    """A symmetric matrix on the device by its product, hvp(x, v, out, data); x: the point, of a Hessian."""

    data, size, backend = 0, 1.0, "cuda"

    def __init__(self, hvp, x=None, stream=None):
        self.hvp, self.x, self.stream = hvp, x, stream

    @property
    def shape(self):
        """(n, n), of a Hessian."""
        return self.x.shape[0], self.x.shape[0]

    def __matmul__(self, v):
        """The product of a Hessian with a vector on the device, as a new one."""
        out = cuda.device_array(self.x.shape[0], np.float64, stream=stream_of(self.stream))
        self.hvp(self.x, vector("v", v, self.x.shape[0]), out, self.data)
        return out

    def point(self, n):
        """What a product gets for x."""
        return self.x


class Vectors:
    """Vectors on the device, with the methods of `matrix_free.Vectors`."""

    def __init__(self, n, stream):
        self.n, self.stream = n, stream_of(stream)
        self.verbs = Verbs(n, self.stream)
        self.table = verbs_by_name(self.verbs) | {
            "secondorder.matrix_free._hvp_at": lambda function: function,
            "secondorder.matrix_free._control_at": lambda control: control,
        }

    def operator(self, name, A, args=()):
        """The Operator of what the user gave."""
        if isinstance(A, Operator):
            if A.x.shape[0] != self.n:
                raise ValueError(f"{name} is a Hessian at a point of {A.x.shape[0]} numbers; vectors have {self.n}")
            return A
        if not callable(A):
            raise TypeError(
                f"{name} is {A!r:.100}; for vectors on a device it must be a function (v, out, *args), plain Python "
                "that launches kernels: for a matrix A of CuPy, "
                "lambda v, out: cupy.matmul(A, cupy.asarray(v), out=cupy.asarray(out))"
            )
        return Operator(lambda x, v, out, data: A(v, out, *args))

    def diagonal(self, D):
        """The Operator of a diagonal matrix."""
        return Operator(lambda x, v, out, data: self.verbs.multiply(D, v, out))

    def run(self, entry, operator, control, *arguments):
        """The Python of an entry of `matrix_free`."""
        with np.errstate(all="ignore"):
            return retargeted(entry, self.table)(operator.hvp, operator.data, control, *arguments)

    def new(self):
        """A vector that nothing has been written into."""
        out = cuda.device_array(self.n, np.float64, stream=self.stream)
        self.verbs.fill(math.nan, out)
        return out

    def rows(self, count):
        """So many vectors, of arbitrary contents."""
        needed, free = 8 * count * self.n, free_memory()
        if needed > free:
            raise MemoryError(f"{count} vectors of length {self.n} take {needed} bytes on the device; {free} are free")
        return cuda.device_array((count, self.n), np.float64, stream=self.stream)

    def zeros(self):
        """A vector of zeros."""
        out = self.new()
        self.verbs.fill(0.0, out)
        return out

    def random(self, generator):
        """A vector of normal numbers: those of the CPU."""
        return cuda.to_device(generator.standard_normal(self.n), stream=self.stream)

    def put(self, v, out):
        """out <- v."""
        self.verbs.copy(v, out)

    def scaled(self, a, v):
        """The product of a number and a vector, a new vector."""
        out = self.new()
        self.verbs.scale(a, v, out)
        return out

    def sum(self, v, a, w):
        """The vector v + a w, a new one."""
        out = self.new()
        self.verbs.axpy(a, w, v, out)
        return out

    def largest(self, v):
        """max |v_i|."""
        return float(self.verbs.sum_of("largest", v))

    def length(self, v):
        """|v|_2, whose square neither over- nor underflows."""
        return math.sqrt(self.verbs.dot(v, v))

    def combined(self, S, V):
        """Unit vectors in the directions of the rows of S V."""
        found = []
        for coefficients in S:
            out = self.new()
            self.verbs.combine_first(V, coefficients, out)
            self.verbs.scale(1.0 / self.length(out), out, out)
            found.append(out)
        return found

    def columns(self, vectors):
        """The vectors as columns of a matrix."""
        out = cuda.device_array((self.n, len(vectors)), np.float64, stream=self.stream)
        for k, v in enumerate(vectors):
            self.verbs.copy(v, out[:, k])
        return out
