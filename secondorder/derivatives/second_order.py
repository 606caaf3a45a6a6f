r"""Second derivatives from what there is: a matrix from products, products from a matrix, either from gradients.

Each takes a typed function and gives another one, compiled with the objective. Differences of gradients are central,

    H v = (g(x + h v) - g(x - h v)) / (2 h),   h = noise^(1/3) max(1, |x|_2) / |v|_2,

where noise is the relative error of the gradient: eps where it is exact, eps^(1/2) or eps^(2/3) where it is itself made
of forward or central differences.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 8.1, eq. 8.20.
"""

import math

import numpy as np

from secondorder.derivatives import finite_differences
from secondorder.jit import HESS, HVP, typed

EPS = 2.0**-52
NOISE = {"2-point differences": EPS**0.5, "3-point differences": EPS ** (2.0 / 3.0)}  # of a gradient; else EPS
GRADIENTS = 2  # per product


def products_of_matrix(hess):
    """hvp from hess. The matrix is made anew for each product."""

    def hvp(x, v, out, data):
        H = np.empty((x.shape[0], x.shape[0]))
        hess(x, H, data)
        for i in range(x.shape[0]):
            s = 0.0
            for j in range(x.shape[0]):
                s += H[i, j] * v[j]
            out[i] = s
        return 0.0

    return typed(hvp, HVP)


def matrix_of_products(hvp):
    """hess from hvp: a column for each unit vector, made symmetric."""

    def hess(x, H, data):
        n = x.shape[0]
        v = np.zeros(n)
        for k in range(n):
            v[k] = 1.0
            hvp(x, v, H[k], data)
            v[k] = 0.0
        for i in range(n):
            for j in range(i):
                H[i, j] = H[j, i] = 0.5 * (H[i, j] + H[j, i])
        return 0.0

    return typed(hess, HESS)


def products_of_gradients(fun_grad, noise=EPS):
    """hvp from fun_grad by central differences."""
    width = noise ** (1.0 / 3.0)

    def hvp(x, v, out, data):
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
        fun_grad(xt, below, data)
        for i in range(n):
            xt[i] = x[i] + h * v[i]
        fun_grad(xt, out, data)
        for i in range(n):
            out[i] = (out[i] - below[i]) / (2.0 * h)
        return 0.0

    return typed(hvp, HVP)


def behind_frame(function, need):
    """The typed function for data that are those of differences."""
    if need == "hvp":
        return typed(lambda x, v, out, data: function(x, v, out, finite_differences.unframed(data)), HVP)
    return typed(lambda x, H, data: function(x, H, finite_differences.unframed(data)), HESS)
