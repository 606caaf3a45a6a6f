r"""Second derivatives from what there is: a matrix from products, products from a matrix, either from gradients.

Each takes a typed function and gives another one. The work is done by a function that is compiled once for all
objectives and gets the address of the typed function; what is compiled with the objective is a call of it.

Differences of gradients are central,

    H v = (g(x + h v) - g(x - h v)) / (2 h),   h = noise^(1/3) max(1, |x|_2) / |v|_2,

where noise is the relative error of the gradient: eps where it is exact, eps^(1/2) or eps^(2/3) where it is itself made
of forward or central differences.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 8.1, eq. 8.20.
"""

import functools
import math

import numpy as np

from secondorder.derivatives import finite_differences
from secondorder.jit import (
    FUN_GRAD,
    HESS,
    HVP,
    address_of,
    compiled,
    data_t,
    f8,
    function_at,
    intp,
    matrix,
    register_jitable,
    typed,
    vector,
)

EPS = 2.0**-52
NOISE = {"2-point differences": EPS**0.5, "3-point differences": EPS ** (2.0 / 3.0)}  # of a gradient; else EPS
GRADIENTS = 2  # per product

MATRIX_FROM = f8(intp, vector, matrix, data_t)
PRODUCT_FROM = f8(intp, vector, vector, vector, data_t)
PRODUCT_BY_GRADIENTS = f8(intp, f8, vector, vector, vector, data_t)

_fun_grad_at, _hvp_at, _hess_at = function_at(FUN_GRAD), function_at(HVP), function_at(HESS)


def product_from_matrix(hess, x, v, out, data):
    """out <- H v. The matrix is made anew for each product."""
    n = x.shape[0]
    H = np.empty((n, n))
    _hess_at(hess)(x, H, data)
    for i in range(n):
        s = 0.0
        for j in range(n):
            s += H[i, j] * v[j]
        out[i] = s
    return 0.0


@register_jitable
def matrix_from_products(hvp, x, H, data):
    """H <- a column for each unit vector, made symmetric."""
    n = x.shape[0]
    v = np.zeros(n)
    for k in range(n):
        v[k] = 1.0
        _hvp_at(hvp)(x, v, H[k], data)
        v[k] = 0.0
    for i in range(n):
        for j in range(i):
            H[i, j] = H[j, i] = 0.5 * (H[i, j] + H[j, i])
    return 0.0


def product_by_gradients(fun_grad, width, x, v, out, data):
    """out <- the central difference of gradients along v."""
    n = x.shape[0]
    xx = vv = 0.0
    for i in range(n):
        xx += x[i] * x[i]
        vv += v[i] * v[i]
    if vv == 0.0:
        out[:] = 0.0
        return 0.0
    h = width * max(1.0, math.sqrt(xx)) / math.sqrt(vv)
    xt, below = np.empty(n), np.empty(n)
    for i in range(n):
        xt[i] = x[i] - h * v[i]
    _fun_grad_at(fun_grad)(xt, below, data)
    for i in range(n):
        xt[i] = x[i] + h * v[i]
    _fun_grad_at(fun_grad)(xt, out, data)
    for i in range(n):
        out[i] = (out[i] - below[i]) / (2.0 * h)
    return 0.0


# Objectives in the interpreter share their typed functions, and so what is made of these.
remembered = functools.lru_cache(maxsize=128)


@remembered
def products_of_matrix(hess):
    """hvp from hess."""
    call, work, given = _caller(product_from_matrix, PRODUCT_FROM, hess, HESS)
    return _keeping(hess, typed(lambda x, v, out, data: call(work)(given, x, v, out, data), HVP))


@remembered
def matrix_of_products(hvp):
    """hess from hvp."""
    call, work, given = _caller(matrix_from_products, MATRIX_FROM, hvp, HVP)
    return _keeping(hvp, typed(lambda x, H, data: call(work)(given, x, H, data), HESS))


@remembered
def products_of_gradients(fun_grad, noise=EPS):
    """hvp from fun_grad by central differences."""
    width = noise ** (1.0 / 3.0)
    call, work, given = _caller(product_by_gradients, PRODUCT_BY_GRADIENTS, fun_grad, FUN_GRAD)
    return _keeping(fun_grad, typed(lambda x, v, out, data: call(work)(given, width, x, v, out, data), HVP))


def _caller(function, signature, given, given_signature):
    """(intrinsic that calls `function`, its address, the address of the function that it works with)."""
    address = address_of(compiled(function, signature, "bridge"), signature)
    return function_at(signature), address, address_of(given, given_signature)


def _keeping(given, function):
    """The function, which keeps the one whose address it holds alive."""
    function.given = given
    return function


@remembered
def behind_frame(function, need):
    """The typed function for data that are those of differences."""
    if need == "hvp":
        return typed(lambda x, v, out, data: function(x, v, out, finite_differences.unframed(data)), HVP)
    return typed(lambda x, H, data: function(x, H, finite_differences.unframed(data)), HESS)
