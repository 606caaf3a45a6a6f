"""Symmetric operators in all the forms users have them -> one typed product, and the data that it is called with.

compiled      a dense array, a sparse matrix, a function `(v, out, *args)` that Numba compiles, the Hessian of an
              objective that it compiles
in Python     a LinearOperator, the Hessian of an objective that runs in Python
"""

import functools

import numpy as np

from secondorder.backends import is_on_device
from secondorder.derivatives import in_python, trampolines
from secondorder.derivatives.errors import Unsupported
from secondorder.jit import HVP, Native, Pinned, address_of, compiled, entry_point, function_at, intp, type_of, vector
from secondorder.krylov import matrices
from secondorder.objective import (
    Given,
    Objective,
    as_compiled,
    exact_second,
    first_line,
    given_second,
    identity,
    library_of,
)


class Operator:
    """A symmetric matrix of which only products are known, as `hessian_at` gives it.

    Attributes
    ----------
    shape : tuple
        ``(n, n)``.
    backend : str
        "compiled", or "python" where products run in the interpreter.
    """

    def __init__(self, n, hvp, data=0, x=None, size=1.0, backend="compiled", keep=(), close=None):
        self.n, self.size, self.backend = n, size, backend  # n: None where any vector will do; size: of a matrix
        self.hvp, self.data = hvp, data  # address of the typed product, and what it is called with
        self.x = x  # the point, of a Hessian
        self._keep, self._close = keep, close

    @property
    def shape(self):
        """(n, n)."""
        return self.n, self.n

    def __matmul__(self, v):
        """The product with a vector, as an array."""
        v = real_vector("v", v, self.n)
        out = np.full_like(v, np.nan)
        compiled_product()(self.hvp, self.data, self.point(v.size), v, out)
        return out

    def point(self, n):
        """What a product gets for x."""
        return np.zeros(n) if self.x is None else self.x

    def __del__(self):
        if getattr(self, "_close", None) is not None:
            self._close()


RUN_PRODUCT = intp(intp, intp, vector, vector, vector)
_hvp_at = function_at(HVP)


def run_product(hvp, address, x, v, out):
    """One product, by address."""
    _hvp_at(hvp)(x, v, out, (address, 0))
    return 0


@functools.cache
def compiled_product():
    """`run_product` as Python calls it."""
    return entry_point(compiled(run_product, RUN_PRODUCT, "entry"))


@functools.cache  # looking up an address takes longer than a small solve
def address_of_matrix(product):
    """Address of a product of `krylov.matrices`."""
    return address_of(compiled(product, HVP), HVP)


# --------------------------------------------------------------------------------------- matrices and functions


def operator_of(A, args=(), name="A", n=None):
    """The Operator of what the user gave; n: the length of its vectors, where that is known otherwise."""
    if args and not callable(A):
        raise ValueError(f"args={args!r:.100} go to a function; {name} is {describe(A)}")
    if isinstance(A, Operator):
        made = A
    elif is_sparse(A):
        made = sparse(A, name)
    elif hasattr(A, "matvec") and hasattr(A, "shape"):
        made = linear_operator(A, name)
    elif callable(A):
        made = function(A, args, name, n)
    else:
        made = dense(A, name)
    if n is not None and made.n not in (None, n):
        raise ValueError(f"{name} has shape {made.shape}, which doesn't fit vectors of length {n}")
    return made


def describe(A):
    """A few words for an error."""
    shape = getattr(A, "shape", None)
    return f"a {type(A).__name__}" + (f" of shape {shape}" if isinstance(shape, tuple) else "")


def is_sparse(A):
    """Is it a sparse matrix of scipy's? Asked without importing scipy.sparse."""
    return hasattr(A, "tocsr") and hasattr(A, "nnz")


def check_matrix(A, name):
    """Is it a square matrix of real numbers?"""
    if A.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers; its dtype is {A.dtype}")
    if A.ndim != 2 or A.shape[0] != A.shape[1] or A.shape[0] == 0:
        raise ValueError(f"{name} has shape {A.shape}; a square matrix (n, n) with n >= 1 is needed")


def check_symmetry(A, size, name):
    """u'Av = v'Au to within rounding, for two vectors that have nothing to do with A; size: max |A_ij|."""
    phases = np.arange(1.0, A.shape[0] + 1.0)
    u, v = np.cos(phases), np.sin(phases * phases)
    asymmetry = abs(u @ (A @ v) - v @ (A @ u))
    if asymmetry > 1e-10 * A.shape[0] * size:
        raise ValueError(
            f"{name} is not symmetric: u'{name}v and v'{name}u differ by {asymmetry:.3g} for arbitrary u and v. "
            f"Pass 0.5 * ({name} + {name}.T), or solve the normal equations"
        )


def largest(values):
    """max |value|; nan if one is nan, 0 if there are none."""
    return float(max(-values.min(), values.max())) if values.size else 0.0


def dense(A, name="A"):
    """Of an array."""
    try:
        given = np.asarray(A)
    except ValueError as error:
        raise TypeError(f"{name} must be a matrix or an operator; it is {describe(A)}") from error
    if given.dtype.kind == "O":
        raise TypeError(
            f"{name} must be an array, a sparse matrix, a LinearOperator, a function (v, out, *args) or "
            f"so.hessian_at(fun, x); it is {describe(A)}"
        )
    check_matrix(given, name)
    matrix = np.ascontiguousarray(given, dtype=np.float64)
    size = largest(matrix)
    if np.isfinite(size):  # else the run says so
        check_symmetry(matrix, size, name)
    native = Native((matrix,))
    return Operator(given.shape[0], address_of_matrix(matrices.dense), native.address, size=size, keep=native)


def sparse(A, name="A"):
    """Of a sparse matrix, by rows."""
    check_matrix(A, name)
    rows = A.tocsr()
    values = np.ascontiguousarray(rows.data, dtype=np.float64)
    size = largest(values)
    if np.isfinite(size):
        check_symmetry(rows, size, name)
    kind = np.int32 if rows.indices.dtype == np.int32 == rows.indptr.dtype else np.int64
    indices, starts = (np.ascontiguousarray(part, dtype=kind) for part in (rows.indices, rows.indptr))
    native = Native((values, indices, starts))
    product = address_of_matrix(matrices.short_csr if kind is np.int32 else matrices.csr)
    return Operator(A.shape[0], product, native.address, size=size, keep=native)


def linear_operator(A, name="A"):
    """Of a LinearOperator, or anything with matvec and shape; its products run in Python."""
    dtype = getattr(A, "dtype", None)
    if dtype is not None and np.dtype(dtype).kind == "c":
        raise TypeError(f"{name} must be real; its dtype is {dtype}")
    if len(A.shape) != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"{name} has shape {A.shape}; a square operator is needed")
    given = Given(None, hessp=lambda x, v: np.ravel(A.matvec(v)))
    return from_python(A.shape[0], in_python.InPython(given, ()))


def from_python(n, functions, x=None):
    """Of InPython functions."""
    handle = in_python.register(functions)
    close = functools.partial(in_python.release, handle)
    bridge = address_of(compiled(in_python.hvp, HVP, "bridge"), HVP)
    return Operator(n, bridge, handle, x, backend="python", close=close)


def function(A, args, name, n=None):
    """Of a function (v, out, *args) that writes out = A v."""
    args_type = type_of(args)
    if args_type is None:
        raise TypeError(f"args hold a value of a type unknown to Numba: {args!r:.200}")
    try:
        typed = typed_function(A, args_type)
    except Exception as error:
        raise TypeError(
            f"{name} can't be compiled as a function (v, out, *args) that writes {name} v into out: "
            f"{first_line(error)}. For a function that runs in Python, pass scipy.sparse.linalg.LinearOperator"
        ) from error
    pinned = Pinned(args, args_type)
    return Operator(n, address_of(typed, HVP), pinned.address, keep=(pinned, typed))


_typed = {}
MAX_TYPED = 64


def remembered(key, make):
    """make(), remembered by the key."""
    try:
        found = _typed.get(key)
    except TypeError:  # something unhashable was captured
        return make()
    if found is None:
        found = make()
        if len(_typed) >= MAX_TYPED:
            _typed.pop(next(iter(_typed)))
        _typed[key] = found
    return found


def typed_function(A, args_type):
    """The typed product of a function (v, out, *args)."""
    return remembered(("function", identity(A), args_type), lambda: trampolines.product(as_compiled(A), args_type))


# --------------------------------------------------------------------------------------------------- Hessians


def hessian_at(fun, x, args=(), *, hessp=None, hess=None, stream=None):
    """The Hessian of a function at a point, known by its products: for `cg`, `minres` and `lanczos`.

    Parameters
    ----------
    fun : callable, Objective or FiniteSum
        ``fun(x, *args) -> float``, in the language of docs/differentiable.md: its Hessian products are generated. Or an
        `Objective` with hvp or hess, or a function of JAX, PyTorch or autograd from an adapter.
    x : array_like, shape (n,)
        The point. On a CUDA device, where fun is a `FiniteSum`: products are then made there, of vectors there.
    args : tuple
        Further arguments of fun.
    hessp, hess : callable, optional
        ``hessp(x, v, *args) -> H(x) v`` or ``hess(x, *args) -> H(x)``, if products are not to be generated.
    stream : optional
        Where x is on a device, what all kernels are queued in, as in `cg`.

    Returns
    -------
    Operator
        With `shape`, `backend` ("cuda" on a device) and ``H @ v``.

    Raises
    ------
    Unsupported
        Where fun has no generated derivatives and neither hessp nor hess is given.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def f(x):
    ...     return x[0] ** 2 * x[1]
    >>> H = so.hessian_at(f, [1.0, 2.0])
    >>> (H @ np.array([1.0, 0.0])).tolist()
    [4.0, 2.0]
    >>> so.lanczos(H).values.round(6).tolist()
    [-0.828427]
    """
    if is_on_device(x):
        return hessian_there(fun, x, args, hessp, hess, stream)
    if stream is not None:
        raise ValueError(f"stream={stream!r:.100} is for points on a CUDA device; x is not there")
    if hasattr(fun, "as_objective"):  # a FiniteSum, which has its own arguments
        total, args = fun.as_objective()
        fun = total.whole()
    if not isinstance(fun, Objective) and not callable(fun):
        raise TypeError(f"fun must be callable; it is {fun!r:.200}")
    for name, value in (("hessp", hessp), ("hess", hess)):
        if value is not None and not callable(value):
            raise TypeError(f"{name} must be callable; it is {value!r:.200}")
    if isinstance(fun, Objective) and fun.hvp is None and fun.hess is None:
        raise ValueError("the Objective has neither hvp nor hess: make it with Objective(fun_grad, hvp=...)")
    x, args = real_vector("x", x).copy(), args if isinstance(args, tuple) else (args,)
    given, args_type = Given(fun, None, hessp, hess), type_of(args)
    if not library_of(fun) and args_type is not None:
        try:
            typed = typed_hvp(given, args_type)
        except Unsupported:
            raise
        except Exception as error:  # whatever Numba makes of what was given
            if hessp is None and hess is None and not isinstance(fun, Objective):
                raise Unsupported(
                    f"the Hessian of {fun!r:.100} ({first_line(error)})", "Pass hessp=, which may run in Python"
                ) from error
        else:
            pinned = Pinned(args, args_type)
            return Operator(x.size, address_of(typed, HVP), pinned.address, x, keep=(pinned, typed))
    functions = in_python.InPython.of_objective if isinstance(fun, Objective) else in_python.InPython
    return from_python(x.size, functions(given, args), x)


def hessian_there(finite_sum, x, args, hessp, hess, stream):
    """The Hessian of a FiniteSum at a point on a device."""
    if not hasattr(finite_sum, "as_objective") or args or hessp is not None or hess is not None:
        raise TypeError(
            "at a point on a device hessian_at takes a FiniteSum and nothing else. For other functions, give cg, "
            "minres or lanczos your own (v, out, *args), which writes H v into out"
        )
    from secondorder.backends import cuda, cuda_krylov, cuda_rows  # on use: numba.cuda takes long to import

    cuda.check_available("an array on a device", "a copy of it in NumPy")
    x = cuda_krylov.Vectors(cuda_krylov.vector("x", x).shape[0], stream).scaled(1.0, cuda_krylov.vector("x", x))
    rows = cuda_rows.RowMean(finite_sum.term, finite_sum.regularizer, finite_sum.data, int(x.shape[0]), stream)
    return cuda_krylov.Operator(lambda x, v, out, data: rows.hvp(x, v, out), x, stream)


def typed_hvp(given, args_type):
    """The typed product of an objective's Hessian."""

    def make():
        function = given_second("hvp", given, args_type, trampolines.copied)
        if function is None:
            function, refusal = exact_second("hvp", given, args_type)
            if function is None:
                raise refusal
        return function

    ways = [way and identity(way) for way in (given.hessp, given.hess)]
    return remembered(("hessian", identity(given.fun), *ways, args_type), make)


def real_vector(name, value, n=None):
    """The value as a contiguous float64 vector, of length n where that is known."""
    try:
        given = np.asarray(value)
        v = np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold real numbers; it is {value!r:.200}") from error
    if given.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers; its dtype is {given.dtype}")
    if v.ndim != 1 or v.size == 0:
        raise ValueError(f"{name} has shape {v.shape}; a vector of shape (n,) with n >= 1 is needed")
    if n is not None and v.size != n:
        raise ValueError(f"{name} has length {v.size}; the operator has shape ({n}, {n})")
    return v
