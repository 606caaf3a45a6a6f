"""What a user's function may return: a real number (or an array of one) for f, a vector of x's length for the gradient.

The same two rules for functions that run in Python and for compiled ones, where they are checked while compiling.
"""

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from secondorder.lean import KernelCompiler

SHORT = {"pipeline_class": KernelCompiler}


def as_float(value):
    """value as a float: a real number, or an array of one real number."""
    if type(value) is float:
        return value
    if type(value) is tuple:
        raise ValueError(f"fun must return one number; it returned a tuple of {len(value)}. Pass jac=True for (f, g)")
    if np.size(value) != 1:
        raise ValueError(f"fun must return one number; it returned an array of shape {np.shape(value)}")
    value = np.asarray(value).reshape(())[()]
    if isinstance(value, (complex, np.complexfloating)):
        raise TypeError(f"fun must return a real number; it returned the complex number {value}")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"fun must return a real number; it returned {value!r}") from None


@register_jitable
def _only_item(value):
    if value.size != 1:
        raise ValueError("fun must return one number; it returned an array of several")
    return float(value.flat[0])


@overload(as_float, jit_options=SHORT)
def _as_float(value):
    if isinstance(value, (types.Float, types.Integer, types.Boolean)):
        return lambda value: float(value)
    if isinstance(value, types.Array) and not isinstance(value.dtype, types.Complex):
        return lambda value: _only_item(value)
    return None


def store_gradient(gradient, g):
    """g[:] = gradient, which must have g's shape."""
    store_vector(gradient, g, "jac")


def store_vector(gradient, g, name):
    """g[:] = what the user's function `name` returned."""
    try:
        array = np.asarray(gradient)
    except ValueError:  # ragged
        raise TypeError(
            f"{name} must return an array of shape {g.shape}, as x; it returned {gradient!r:.100}"
        ) from None
    if array.shape != g.shape:
        raise ValueError(
            f"{name} must return an array of shape {g.shape}, as x; it returned one of shape {array.shape}"
        )
    if array.dtype.kind not in "fiubO":
        raise TypeError(f"{name} must return real numbers; it returned {gradient!r:.100}")
    g[:] = array


@overload(store_gradient, jit_options=SHORT)
def _store_gradient(gradient, g):
    is_vector = isinstance(gradient, types.Array) and gradient.ndim == 1
    if (is_vector and not isinstance(gradient.dtype, types.Complex)) or isinstance(
        gradient, (types.UniTuple, types.List)
    ):

        def store(gradient, g):
            if len(gradient) != g.shape[0]:
                raise ValueError("jac returned an array of another length than x")
            for i in range(g.shape[0]):
                g[i] = gradient[i]

        return store
    return None


def store_matrix(hessian, H):
    """H[:, :] = hessian, which must have H's shape."""
    if hasattr(hessian, "toarray"):
        hessian = hessian.toarray()
    elif hasattr(hessian, "matmat"):
        hessian = hessian @ np.eye(H.shape[0])
    hessian = np.asarray(hessian)
    if hessian.shape != H.shape:
        raise ValueError(f"hess must return an array of shape {H.shape}; it returned one of shape {hessian.shape}")
    H[:, :] = hessian


def as_operator(hessian, n):
    """What multiplies vectors of length n: a sparse matrix or a LinearOperator as it is, else an (n, n) array."""
    if hasattr(hessian, "toarray") or hasattr(hessian, "matvec"):
        if hessian.shape != (n, n):
            raise ValueError(f"hess must return a matrix of shape {(n, n)}; it returned one of shape {hessian.shape}")
        return hessian
    H = np.empty((n, n))
    store_matrix(hessian, H)
    return H


@overload(store_matrix, jit_options=SHORT)
def _store_matrix(hessian, H):
    if isinstance(hessian, types.Array) and hessian.ndim == 2 and not isinstance(hessian.dtype, types.Complex):

        def store(hessian, H):
            if hessian.shape != H.shape:
                raise ValueError("hess returned an array of another shape than (n, n)")
            for i in range(H.shape[0]):
                for j in range(H.shape[1]):
                    H[i, j] = hessian[i, j]

        return store
    return None
