"""Objectives that run in the interpreter, as typed functions: one compiled trampoline for all of them.

`data[0]` is a handle into a table of Python functions. Through Numba's object mode, never through ctypes or cfunc,
which print an exception and return garbage; here it reaches the caller.
"""

import itertools

import numba
import numpy as np

from secondorder.derivatives.definite_factors import definite_factors
from secondorder.derivatives.returned import as_float, as_operator, store_gradient, store_matrix, store_vector

IN_ORDER = 32  # variables up to which products add in the order of compiled code, for the same bits; BLAS is faster

_handles = itertools.count(1)
_functions = {}


def register(functions):
    """Keep `functions` (an InPython, or a callback) and return its handle."""
    handle = next(_handles)
    _functions[handle] = functions
    return handle


def release(handle):
    """Forget the functions behind a handle."""
    _functions.pop(handle, None)


def registered(handle):
    """The functions behind a handle."""
    return _functions[handle]


class InPython:
    """fun, jac, hessp and hess as the user gave them, called on copies of x, with their results checked.

    pair: fun returns (f, g).
    """

    def __init__(self, given, args):
        self.user_fun, self.user_jac = given.fun, given.jac
        self.user_hessp = given.hessp
        self.user_hess = given.hess if callable(given.hess) else None
        self.args, self.pair = args, given.jac is True
        self.user_value = None  # f alone, where fun returns (f, g)
        self.matrix = self.matrix_at = self.factors = None  # the user's last Hessian and its factors

    @classmethod
    def of_objective(cls, given, args):
        """The same for an Objective, whose functions write in place."""
        objective = given.fun

        def pair(x, *args):
            g = np.full_like(x, np.nan)
            return objective.fun_grad(x, g, *args), g

        def hessp(x, v, *args):
            out = np.full_like(x, np.nan)
            objective.hvp(x, v, out, *args)
            return out

        def hess(x, *args):
            H = np.full((x.size, x.size), np.nan)
            objective.hess(x, H, *args)
            return H

        given = given._replace(fun=pair, jac=True, hessp=objective.hvp and hessp, hess=objective.hess and hess)
        functions = cls(given, args)
        functions.user_value = objective.fun
        return functions

    def fun(self, x):
        """f(x)."""
        if self.user_value is not None:
            return as_float(self.user_value(x.copy(), *self.args))
        value = self.user_fun(x.copy(), *self.args)
        return as_float(value[0] if self.pair else value)

    def fun_grad(self, x, g):
        """f(x); g <- gradient."""
        if self.pair:
            f, gradient = self.user_fun(x.copy(), *self.args)
        else:
            f, gradient = self.user_fun(x.copy(), *self.args), self.user_jac(x.copy(), *self.args)
        store_gradient(gradient, g)
        return as_float(f)

    def complex_step(self, x, g):
        """f(x); g <- gradient by the complex step, checked as in trampolines.complex_step."""

        def derivative(z, h):
            return complex(np.asarray(self.user_fun(z.copy(), *self.args)).item()).imag / h

        z = x.astype(np.complex128)
        for i in range(x.size):
            h = 1e-30 * max(1.0, abs(x[i]))
            z[i] = complex(x[i], h)
            g[i] = derivative(z, h)
            z[i] = x[i]
        if abs(derivative(x + 1e-60j, 1e-60) - g.sum()) > 1e-6 * np.abs(g).sum():
            raise ValueError("jac='cs': two complex steps disagree: fun is not analytic to rounding. Use jac='3-point'")
        return as_float(self.user_fun(x.copy(), *self.args))

    def hvp(self, x, v, out):
        """out <- H(x) v, by the user's hess where there is no hessp; that is called once for each x."""
        if self.user_hessp is not None:
            store_vector(self.user_hessp(x.copy(), v.copy(), *self.args), out, "hessp")
            return
        H = self.matrix_for(x)
        if isinstance(H, np.ndarray) and x.size <= IN_ORDER:
            out[:] = 0.0
            for j in range(x.size):
                out += H[:, j] * v[j]
        else:
            out[:] = H @ v

    def matrix_for(self, x):
        """The user's Hessian at x, as it is; called once for each x."""
        if self.matrix is None or not np.array_equal(self.matrix_at, x):
            self.matrix, self.matrix_at = as_operator(self.user_hess(x.copy(), *self.args), x.size), x.copy()
            self.factors = None
        return self.matrix

    def precondition(self, x, v, out):
        """out <- (H + tau I)^{-1} v by sparse factors, made once for each x."""
        H = self.matrix_for(x)
        if self.factors is None:
            self.factors = definite_factors(H)
        out[:] = self.factors.solve(v)

    def hess(self, x, H):
        """H <- H(x), by the user's hessp where there is no hess."""
        if self.user_hess is not None:
            store_matrix(self.user_hess(x.copy(), *self.args), H)
            return
        for k, e in enumerate(np.eye(x.size)):
            store_vector(self.user_hessp(x.copy(), e, *self.args), H[k], "hessp")
        H[:] = 0.5 * (H + H.T)


def _call_fun(handle, x):
    return _functions[handle].fun(x)


def _call_fun_grad(handle, x, g):
    return _functions[handle].fun_grad(x, g)


def _call_complex_step(handle, x, g):
    return _functions[handle].complex_step(x, g)


def _call_hvp(handle, x, v, out):
    _functions[handle].hvp(x, v, out)


def _call_precondition(handle, x, v, out):
    _functions[handle].precondition(x, v, out)


def _call_hess(handle, x, H):
    _functions[handle].hess(x, H)


def _call_notify(handle):
    _functions[handle]()


def fun(x, data):
    """f(x) from Python."""
    handle = data[0]
    with numba.objmode(f="float64"):
        f = _call_fun(handle, x)
    return f


def fun_grad(x, g, data):
    """f(x) and its gradient from Python."""
    handle = data[0]
    with numba.objmode(f="float64"):
        f = _call_fun_grad(handle, x, g)
    return f


def complex_step(x, g, data):
    """f(x) and its gradient by the complex step from Python."""
    handle = data[0]
    with numba.objmode(f="float64"):
        f = _call_complex_step(handle, x, g)
    return f


def hvp(x, v, out, data):
    """H(x) v from Python."""
    handle = data[0]
    with numba.objmode():
        _call_hvp(handle, x, v, out)
    return 0.0


def precondition(x, v, out, data):
    """(H(x) + tau I)^{-1} v from Python."""
    handle = data[0]
    with numba.objmode():
        _call_precondition(handle, x, v, out)
    return 0.0


def hess(x, H, data):
    """H(x) from Python."""
    handle = data[0]
    with numba.objmode():
        _call_hess(handle, x, H)
    return 0.0


def notify(handle):
    """Call the Python function behind the handle."""
    with numba.objmode():
        _call_notify(handle)
    return 0
