r"""Typed functions of vector-valued functions, for least squares: residuals, Jacobians, products with them.

    compiled      trampolines around the user's function and around generated derivatives
    differences   Jacobians column by column, from nothing but typed residuals; compiled once for all
    in Python     one cached bridge each, by way of a handle (`in_python`)

A Jacobian is written by columns, J (n, m): that is how it is generated and how it is factored.
"""

import numba
import numpy as np
from numba import types
from numba.extending import overload

from secondorder.derivatives import finite_differences, in_python
from secondorder.derivatives.returned import SHORT, store_gradient
from secondorder.derivatives.trampolines import itself
from secondorder.jit import (
    CALLED,
    JACOBIAN,
    LOSS,
    PRODUCT,
    RESIDUAL,
    arguments,
    function_at,
    intp,
    typed,
    vector,
)

EPS = finite_differences.EPS

FIRST = types.Tuple((vector, types.boolean))(vector, intp, intp)  # first(x, address, item) -> (r, was x written to?)

_residual_at = function_at(RESIDUAL)
_load_frame = finite_differences._load_frame


# --------------------------------------------------------------------------------- what a user's function may return


def as_vector(value):
    """The residuals as a new array of float64, shape (m,); a number counts as one residual."""
    try:
        array = np.asarray(value)
    except ValueError:  # ragged
        raise TypeError(f"residual must return an array of shape (m,); it returned {value!r:.100}") from None
    if array.ndim > 1:
        raise ValueError(f"residual must return an array of shape (m,); it returned one of shape {array.shape}")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"residual must return real numbers; it returned {value!r:.100}")
    return np.array(array, np.float64).reshape(-1)


@overload(as_vector, jit_options=SHORT)
def _as_vector(value):
    if isinstance(value, (types.Float, types.Integer, types.Boolean)):
        return lambda value: np.full(1, float(value))
    is_vector = isinstance(value, types.Array) and value.ndim == 1
    if (is_vector and not isinstance(value.dtype, types.Complex)) or isinstance(value, (types.UniTuple, types.List)):

        def convert(value):
            out = np.empty(len(value))
            for i in range(len(value)):
                out[i] = value[i]
            return out

        return convert
    return None


def store_residuals(value, r):
    """r[:] = value, which must have as many entries as at x0."""
    array = as_vector(value)
    if array.shape != r.shape:
        raise ValueError(f"residual returned {array.size} numbers; at x0 it returned {r.size}")
    r[:] = array


@overload(store_residuals, jit_options=SHORT)
def _store_residuals(value, r):
    if isinstance(value, (types.Float, types.Integer, types.Boolean)):

        def store_number(value, r):
            if r.shape[0] != 1:
                raise ValueError("residual returned one number; at x0 it returned several")
            r[0] = value

        return store_number
    is_vector = isinstance(value, types.Array) and value.ndim == 1
    if (is_vector and not isinstance(value.dtype, types.Complex)) or isinstance(value, (types.UniTuple, types.List)):

        def store(value, r):
            if len(value) != r.shape[0]:
                raise ValueError("residual returned another number of residuals than at x0")
            for i in range(r.shape[0]):
                r[i] = value[i]

        return store
    return None


def store_jacobian(value, J):
    """J[:] = value', where value is (m, n) and J (n, m)."""
    if hasattr(value, "toarray"):
        value = value.toarray()
    array = np.atleast_2d(np.asarray(value))
    if array.shape != J.shape[::-1]:
        raise ValueError(
            f"jac must return an array of shape {J.shape[::-1]}, a row for each residual; it returned one of shape "
            f"{np.shape(value)}"
        )
    if array.dtype.kind not in "fiub":
        raise TypeError(f"jac must return real numbers; it returned {value!r:.100}")
    J[:] = array.T


@overload(store_jacobian, jit_options=SHORT)
def _store_jacobian(value, J):
    if isinstance(value, types.Array) and value.ndim == 2 and not isinstance(value.dtype, types.Complex):

        def store(value, J):
            if value.shape[0] != J.shape[1] or value.shape[1] != J.shape[0]:
                raise ValueError("jac must return an array of shape (m, n), a row for each residual")
            for i in range(value.shape[0]):
                for k in range(value.shape[1]):
                    J[k, i] = value[i, k]

        return store
    return None


# ------------------------------------------------------------------------------------------------------- compiled


def first(user, args, own=itself):
    """first(x, address, item) -> (r, was x written to?) from user(x, *args) -> r, for Python. x is put right again."""
    load = arguments(args)

    def call(x, address, item):
        before = x.copy()
        r = as_vector(user(own(x), *load((address, item))))
        wrote = False
        for i in range(x.shape[0]):
            if x[i] != before[i] and not (np.isnan(x[i]) and np.isnan(before[i])):
                wrote = True
            x[i] = before[i]
        return r, wrote

    return typed(call, FIRST, flags=CALLED)


def residual(user, args, own=itself):
    """residual(x, r, data) from user(x, *args) -> r."""
    load = arguments(args)

    def call(x, r, data):
        store_residuals(user(own(x), *load(data)), r)
        return 0.0

    return typed(call, RESIDUAL)


def residual_stored(stored, args, key=None):
    """residual from the generated stored(x, *args, r), which writes r."""
    load = arguments(args)

    def call(x, r, data):
        stored(x, *load(data), r)
        return 0.0

    return typed(call, RESIDUAL, key)


def jacobian_returned(user_jac, args, own=itself):
    """jacobian from user_jac(x, *args) -> J (m, n)."""
    load = arguments(args)

    def call(x, r, J, data):
        store_jacobian(user_jac(own(x), *load(data)), J)
        return 0.0

    return typed(call, JACOBIAN)


def jacobian_forward(jvp, args, key=None):
    """jacobian from the generated jvp(x, v, *args) -> (r, J v): a column a time."""
    load = arguments(args)

    def call(x, r, J, data):
        v = np.zeros(x.shape[0])
        for k in range(x.shape[0]):
            v[k] = 1.0
            _, column = jvp(x, v, *load(data))
            store_residuals(column, J[k])
            v[k] = 0.0
        return 0.0

    return typed(call, JACOBIAN, key)


def jacobian_in_one_sweep(columns, n, args, key=None):
    """jacobian from the generated columns(x, *args, J[0], .., J[n - 1]), which writes all of them."""
    load = arguments(args)
    rows = ", ".join([f"J[{k}]" for k in range(n)])
    space = {"columns": columns, "load": load}
    exec(f"def call(x, r, J, data):\n    columns(x, *load(data), {rows})\n    return 0.0\n", space)
    return typed(space["call"], JACOBIAN, key)


def jacobian_reverse(vjp, args, key=None, one=False):
    """jacobian from the generated vjp(x, *args, w, g), which writes g = J'w: a row a time.

    one: the residual is a number, and so is w.
    """
    load = arguments(args)

    def call_one(x, r, J, data):
        g = np.empty(x.shape[0])
        vjp(x, *load(data), 1.0, g)
        for k in range(x.shape[0]):
            J[k, 0] = g[k]
        return 0.0

    def call(x, r, J, data):
        w, g = np.zeros(r.shape[0]), np.empty(x.shape[0])
        for i in range(r.shape[0]):
            w[i] = 1.0
            vjp(x, *load(data), w, g)
            for k in range(x.shape[0]):
                J[k, i] = g[k]
            w[i] = 0.0
        return 0.0

    return typed(call_one if one else call, JACOBIAN, key)


def jvp_generated(jvp, args, key=None):
    """jvp(x, v, u, data) from the generated jvp(x, v, *args) -> (r, J v)."""
    load = arguments(args)

    def call(x, v, u, data):
        _, product = jvp(x, v, *load(data))
        store_residuals(product, u)
        return 0.0

    return typed(call, PRODUCT, key)


def vjp_generated(vjp, args, key=None, one=False):
    """vjp(x, u, v, data) from the generated vjp(x, *args, u, v). one: the residual is a number, and so is u there."""
    load = arguments(args)

    def call_one(x, u, v, data):
        vjp(x, *load(data), u[0], v)
        return 0.0

    def call(x, u, v, data):
        vjp(x, *load(data), u, v)
        return 0.0

    return typed(call_one if one else call, PRODUCT, key)


def product_returned(user, args, own=itself):
    """jvp or vjp from user(x, v, *args) -> the product."""
    load = arguments(args)

    def call(x, v, out, data):
        store_gradient(user(own(x), v, *load(data)), out)
        return 0.0

    return typed(call, PRODUCT)


def loss(user):
    """loss(z, rho, data) from user(z) -> rho, rho', rho''."""

    def call(z, rho, data):
        value = user(z)
        for k in range(3):
            for i in range(z.shape[0]):
                rho[k, i] = value[k][i]
        return 0.0

    return typed(call, LOSS)


def complex_step(user, args, own=itself):
    """jacobian by the complex step, checked as in trampolines.complex_step."""
    load = arguments(args)

    def call(x, r, J, data):
        z = x.astype(np.complex128)
        total, size = np.zeros(r.shape[0]), 0.0
        for k in range(x.shape[0]):
            h = 1e-30 * max(1.0, abs(x[k]))
            z[k] = complex(x[k], h)
            value = user(own(z), *load(data))
            if value.shape[0] != r.shape[0]:
                raise ValueError("residual returned another number of residuals than at x0")
            for i in range(r.shape[0]):
                J[k, i] = complex(value[i]).imag / h
                total[i] += J[k, i]
                size = max(size, abs(J[k, i]))
            z[k] = x[k]
        for k in range(x.shape[0]):
            z[k] = complex(x[k], 1e-60)
        value = user(own(z), *load(data))
        for i in range(r.shape[0]):
            if abs(complex(value[i]).imag / 1e-60 - total[i]) > 1e-6 * size:
                raise ValueError(
                    "jac='cs': two complex steps disagree: residual, as compiled for complex x, is not analytic to "
                    "rounding (powers of negative numbers are a common cause: write x * x for x**2). Use jac='3-point'"
                )
        return 0.0

    return typed(call, JACOBIAN)


# ------------------------------------------------------------------------------------------------------- differences


def value(x, r, data):
    """residual, where the data are those of differences."""
    address, inner = _load_frame(data[0])
    return _residual_at(address)(x, r, (inner, data[1]))


def two_point(x, r, J, data):
    """J <- forward differences; steps as in `finite_differences`. n evaluations."""
    address, inner = _load_frame(data[0])
    residual = _residual_at(address)
    for k in range(x.shape[0]):
        x_k = x[k]
        h = EPS**0.5 * max(1.0, abs(x_k))
        x[k] = x_k - h if x_k < 0.0 else x_k + h
        h = x[k] - x_k  # the step as it was rounded
        column = J[k]
        residual(x, column, (inner, data[1]))
        x[k] = x_k
        for i in range(r.shape[0]):
            column[i] = (column[i] - r[i]) / h
    return 0.0


def three_point(x, r, J, data):
    """J <- central differences. 2 n evaluations."""
    address, inner = _load_frame(data[0])
    residual, below = _residual_at(address), np.empty(r.shape[0])
    for k in range(x.shape[0]):
        x_k = x[k]
        h = EPS ** (1.0 / 3.0) * max(1.0, abs(x_k))
        column = J[k]
        x[k] = x_k - h
        h = -x[k]
        residual(x, below, (inner, data[1]))
        x[k] = x_k + EPS ** (1.0 / 3.0) * max(1.0, abs(x_k))
        h += x[k]
        residual(x, column, (inner, data[1]))
        x[k] = x_k
        for i in range(r.shape[0]):
            column[i] = (column[i] - below[i]) / h
    return 0.0


# --------------------------------------------------------------------------------------------------------- in Python


class ResidualsInPython:
    """residual, jac and products as the user gave them, called on copies of x, with their results checked."""

    def __init__(self, given, args):
        self.user, self.jac, self.args = given.residual, given.jac, args

    def first(self, x):
        """r(x), a new array."""
        value = self.user(x.copy(), *self.args)
        return as_vector(value[0] if self.jac is True else value)

    def residual(self, x, r):
        """r <- r(x)."""
        store_residuals(self.first(x), r)

    def jacobian(self, x, J):
        """J <- that at x."""
        if self.jac is True:
            store_jacobian(self.user(x.copy(), *self.args)[1], J)
        else:
            store_jacobian(self.jac(x.copy(), *self.args), J)

    def complex_step(self, x, J):
        """J <- that at x, by the complex step."""
        z = x.astype(np.complex128)

        def derivative(z, h):
            return np.asarray(self.user(z.copy(), *self.args)).reshape(-1).imag / h

        for k in range(x.size):
            h = 1e-30 * max(1.0, abs(x[k]))
            z[k] = complex(x[k], h)
            J[k] = derivative(z, h)
            z[k] = x[k]
        if np.any(np.abs(derivative(x + 1e-60j, 1e-60) - J.sum(axis=0)) > 1e-6 * np.abs(J).max(initial=0.0)):
            raise ValueError(
                "jac='cs': two complex steps disagree: residual is not analytic to rounding. Use jac='3-point'"
            )

    def jvp(self, x, v, out):
        """out <- J v."""
        store_gradient(self.jac[0](x.copy(), v.copy(), *self.args), out)

    def vjp(self, x, v, out):
        """out <- J'v."""
        store_gradient(self.jac[1](x.copy(), v.copy(), *self.args), out)


class LossInPython:
    """A loss as the user gave it."""

    def __init__(self, user):
        self.user = user

    def loss(self, z, rho):
        """rho <- rho, rho', rho'' at z."""
        value = np.asarray(self.user(z.copy()), np.float64)
        if value.shape != rho.shape:
            raise ValueError(
                f"loss must return rho, rho', rho'' at each of its {z.size} arguments, shape {rho.shape}; it returned "
                f"an array of shape {value.shape}"
            )
        rho[:] = value


def _call_residual(handle, x, r):
    in_python.registered(handle).residual(x, r)


def _call_jacobian(handle, x, J):
    in_python.registered(handle).jacobian(x, J)


def _call_complex_step(handle, x, J):
    in_python.registered(handle).complex_step(x, J)


def _call_jvp(handle, x, v, out):
    in_python.registered(handle).jvp(x, v, out)


def _call_vjp(handle, x, v, out):
    in_python.registered(handle).vjp(x, v, out)


def _call_loss(handle, z, rho):
    in_python.registered(handle).loss(z, rho)


def python_residual(x, r, data):
    """r(x) from Python."""
    handle = data[0]
    with numba.objmode():
        _call_residual(handle, x, r)
    return 0.0


def python_jacobian(x, r, J, data):
    """J(x) from Python."""
    handle = data[0]
    with numba.objmode():
        _call_jacobian(handle, x, J)
    return 0.0


def python_complex_step(x, r, J, data):
    """J(x) by the complex step from Python."""
    handle = data[0]
    with numba.objmode():
        _call_complex_step(handle, x, J)
    return 0.0


def python_jvp(x, v, out, data):
    """J(x) v from Python."""
    handle = data[0]
    with numba.objmode():
        _call_jvp(handle, x, v, out)
    return 0.0


def python_vjp(x, v, out, data):
    """J(x)' v from Python."""
    handle = data[0]
    with numba.objmode():
        _call_vjp(handle, x, v, out)
    return 0.0


def python_loss(z, rho, data):
    """A loss from Python."""
    handle = data[0]
    with numba.objmode():
        _call_loss(handle, z, rho)
    return 0.0
