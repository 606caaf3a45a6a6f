"""Trampolines: from the user's compiled functions to the typed functions that solvers receive.

Each loads the user's args from where `data` points and calls the user's function; one trampoline per objective and
signature, compiled in memory together with the user's function. `own` is what the user's function gets for x: x itself,
or a copy where it has been seen to write into x.
"""

import numpy as np

from secondorder.derivatives.returned import as_float, store_gradient, store_matrix
from secondorder.jit import FUN, FUN_GRAD, HESS, HVP, arguments, borrowed, register_jitable, typed

itself = borrowed  # x is ours as long as the user's function runs


@register_jitable
def copied(x):
    """A copy of x."""
    return x.copy()


def fun(user, args, own=itself):
    """fun(x, data) from user(x, *args) -> f."""
    load = arguments(args)
    return typed(lambda x, data: as_float(user(own(x), *load(data))), FUN)


def fun_and_jac(user, user_jac, args, own=itself):
    """fun_grad from user(x, *args) -> f and user_jac(x, *args) -> g."""
    load = arguments(args)

    def fun_grad(x, g, data):
        f = as_float(user(own(x), *load(data)))
        store_gradient(user_jac(own(x), *load(data)), g)
        return f

    return typed(fun_grad, FUN_GRAD)


def fun_with_jac(user, args, own=itself):
    """fun_grad from user(x, *args) -> (f, g)."""
    load = arguments(args)

    def fun_grad(x, g, data):
        f, gradient = user(own(x), *load(data))
        store_gradient(gradient, g)
        return as_float(f)

    return typed(fun_grad, FUN_GRAD)


def value_of_pair(user, args, own=itself):
    """fun from user(x, *args) -> (f, g)."""
    load = arguments(args)
    return typed(lambda x, data: as_float(user(own(x), *load(data))[0]), FUN)


def in_place(user, args, own=itself, key=None):
    """fun_grad from user(x, g, *args) -> f, which writes g. key: see jit.typed."""
    load = arguments(args)
    return typed(lambda x, g, data: as_float(user(own(x), g, *load(data))), FUN_GRAD, key)


def value_of_in_place(user, args, own=itself):
    """fun from user(x, g, *args) -> f. The gradient is computed and thrown away."""
    load = arguments(args)
    return typed(lambda x, data: as_float(user(own(x), np.empty_like(x), *load(data))), FUN)


def hvp_in_place(user, args, own=itself, key=None):
    """hvp from user(x, v, out, *args), which writes out. key: see jit.typed."""
    load = arguments(args)

    def hvp(x, v, out, data):
        user(own(x), v, out, *load(data))
        return 0.0

    return typed(hvp, HVP, key)


def hvp_returned(user, args, own=itself):
    """hvp from user(x, v, *args) -> H v."""
    load = arguments(args)

    def hvp(x, v, out, data):
        store_gradient(user(own(x), v, *load(data)), out)
        return 0.0

    return typed(hvp, HVP)


def product(user, args):
    """hvp from user(v, out, *args), which writes out = A v; x is not read."""
    load = arguments(args)

    def hvp(x, v, out, data):
        user(v, out, *load(data))
        return 0.0

    return typed(hvp, HVP)


def hess_in_place(user, args, own=itself):
    """hess from user(x, H, *args), which writes H."""
    load = arguments(args)

    def hess(x, H, data):
        user(own(x), H, *load(data))
        return 0.0

    return typed(hess, HESS)


def hess_by_products(user, args, key=None):
    """hess from user(x, v, out, *args), which writes out = H v: a column for each unit vector, made symmetric."""
    load = arguments(args)

    def hess(x, H, data):
        n = x.shape[0]
        v = np.zeros(n)
        for k in range(n):
            v[k] = 1.0
            user(x, v, H[k], *load(data))
            v[k] = 0.0
        for i in range(n):
            for j in range(i):
                H[i, j] = H[j, i] = 0.5 * (H[i, j] + H[j, i])
        return 0.0

    return typed(hess, HESS, key)


def hess_returned(user, args, own=itself):
    """hess from user(x, *args) -> H."""
    load = arguments(args)

    def hess(x, H, data):
        store_matrix(user(own(x), *load(data)), H)
        return 0.0

    return typed(hess, HESS)


def complex_step(user, args, own=itself):
    """fun_grad by the complex step: g_i = Im f(x + i h e_i) / h, exact to rounding for analytic f.

    h = 1e-30 max(1, |x_i|): so small that neither the real part nor the truncation error is touched. One more
    evaluation takes the derivative along all axes at once with another h: compiled complex powers go through
    logarithms, whose rounding drowns the tiny imaginary part where the base is negative, and that must not pass for a
    gradient.

    Squire, Trapp. Using complex variables to estimate derivatives. SIAM Review 40 (1998) 110-112.
    """
    load = arguments(args)

    def fun_grad(x, g, data):
        z = x.astype(np.complex128)
        total = size = 0.0
        for i in range(x.shape[0]):
            h = 1e-30 * max(1.0, abs(x[i]))
            z[i] = complex(x[i], h)
            g[i] = complex(user(own(z), *load(data))).imag / h
            z[i] = x[i]
            total += g[i]
            size += abs(g[i])
        for i in range(x.shape[0]):
            z[i] = complex(x[i], 1e-60)
        if abs(complex(user(own(z), *load(data))).imag / 1e-60 - total) > 1e-6 * size:
            raise ValueError(
                "jac='cs': two complex steps disagree: fun, as compiled for complex x, is not analytic to rounding "
                "(powers of negative numbers are a common cause: write x * x for x**2). Use jac='3-point'"
            )
        return as_float(user(own(x), *load(data)))

    return typed(fun_grad, FUN_GRAD)
