"""Trampolines: from the user's compiled functions to the typed functions that solvers receive.

Each loads the user's args from the address in `data` and calls the user's function; one trampoline per objective and
signature, compiled in memory together with the user's function.
"""

import numpy as np

from secondorder.derivatives.returned import as_float, store_gradient, store_matrix
from secondorder.jit import FUN, FUN_GRAD, HESS, HVP, loader, typed



def fun(user, args):
    """fun(x, data) from user(x, *args) -> f."""
    load = loader(args)
    if not args.types:
        return typed(lambda x, data: as_float(user(x)), FUN)
    return typed(lambda x, data: as_float(user(x, *load(data[0]))), FUN)


def fun_and_jac(user, user_jac, args):
    """fun_grad from user(x, *args) -> f and user_jac(x, *args) -> g."""
    load = loader(args)
    if not args.types:

        def fun_grad(x, g, data):
            store_gradient(user_jac(x), g)
            return as_float(user(x))

    else:

        def fun_grad(x, g, data):
            values = load(data[0])
            store_gradient(user_jac(x, *values), g)
            return as_float(user(x, *values))

    return typed(fun_grad, FUN_GRAD)


def fun_with_jac(user, args):
    """fun_grad from user(x, *args) -> (f, g)."""
    load = loader(args)
    if not args.types:

        def fun_grad(x, g, data):
            f, gradient = user(x)
            store_gradient(gradient, g)
            return as_float(f)

    else:

        def fun_grad(x, g, data):
            f, gradient = user(x, *load(data[0]))
            store_gradient(gradient, g)
            return as_float(f)

    return typed(fun_grad, FUN_GRAD)


def value_of_pair(user, args):
    """fun from user(x, *args) -> (f, g)."""
    load = loader(args)
    if not args.types:
        return typed(lambda x, data: as_float(user(x)[0]), FUN)
    return typed(lambda x, data: as_float(user(x, *load(data[0]))[0]), FUN)


def in_place(user, args):
    """fun_grad from user(x, g, *args) -> f, which writes g."""
    load = loader(args)
    if not args.types:
        return typed(lambda x, g, data: as_float(user(x, g)), FUN_GRAD)
    return typed(lambda x, g, data: as_float(user(x, g, *load(data[0]))), FUN_GRAD)


def value_of_in_place(user, args):
    """fun from user(x, g, *args) -> f. The gradient is computed and thrown away."""
    load = loader(args)
    if not args.types:
        return typed(lambda x, data: as_float(user(x, np.empty_like(x))), FUN)
    return typed(lambda x, data: as_float(user(x, np.empty_like(x), *load(data[0]))), FUN)


def hvp_in_place(user, args):
    """hvp from user(x, v, out, *args)."""
    load = loader(args)

    def hvp(x, v, out, data):
        user(x, v, out, *load(data[0]))
        return 0.0

    def hvp_without(x, v, out, data):
        user(x, v, out)
        return 0.0

    return typed(hvp if args.types else hvp_without, HVP)


def hvp_returned(user, args):
    """hvp from user(x, v, *args) -> H v."""
    load = loader(args)

    def hvp(x, v, out, data):
        store_gradient(user(x, v, *load(data[0])), out)
        return 0.0

    def hvp_without(x, v, out, data):
        store_gradient(user(x, v), out)
        return 0.0

    return typed(hvp if args.types else hvp_without, HVP)


def hess_in_place(user, args):
    """hess from user(x, H, *args)."""
    load = loader(args)

    def hess(x, H, data):
        user(x, H, *load(data[0]))
        return 0.0

    def hess_without(x, H, data):
        user(x, H)
        return 0.0

    return typed(hess if args.types else hess_without, HESS)


def hess_returned(user, args):
    """hess from user(x, *args) -> H."""
    load = loader(args)

    def hess(x, H, data):
        store_matrix(user(x, *load(data[0])), H)
        return 0.0

    def hess_without(x, H, data):
        store_matrix(user(x), H)
        return 0.0

    return typed(hess if args.types else hess_without, HESS)


def complex_step(user, args):
    """fun_grad by the complex step: g_i = Im f(x + i h e_i) / h, exact to rounding for analytic f.

    h = 1e-30 max(1, |x_i|): so small that neither the real part nor the truncation error is touched.
    Squire, Trapp. Using complex variables to estimate derivatives. SIAM Review 40 (1998) 110-112.
    """
    load = loader(args)
    if not args.types:

        def fun_grad(x, g, data):
            z = x.astype(np.complex128)
            for i in range(x.shape[0]):
                h = 1e-30 * max(1.0, abs(x[i]))
                z[i] = complex(x[i], h)
                g[i] = complex(user(z)).imag / h
                z[i] = x[i]
            return as_float(user(x))

    else:

        def fun_grad(x, g, data):
            values = load(data[0])
            z = x.astype(np.complex128)
            for i in range(x.shape[0]):
                h = 1e-30 * max(1.0, abs(x[i]))
                z[i] = complex(x[i], h)
                g[i] = complex(user(z, *values)).imag / h
                z[i] = x[i]
            return as_float(user(x, *values))

    return typed(fun_grad, FUN_GRAD)
