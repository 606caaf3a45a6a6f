"""Kernels that the tests compile, simulate and run: one problem a thread."""

from numba import cuda, njit

import secondorder as so

VECTOR = {"hvp", "jvp"}


def kernel(what, function, n_args):
    """(the derivative, made(X, V, *args, OUT, W): it at every row of X, each with its row of W as workspace)."""
    derivative = getattr(so, what)(function, workspace=True)
    args = "".join(f"a{k}, " for k in range(n_args))
    vector = "V[i], " if what in VECTOR else ""
    text = f"""
def made(X, V, {args}OUT, W):
    i = cuda.grid(1)
    if i < X.shape[0]:
        derivative(X[i], {vector}{args}OUT[i], W[i])
"""
    names = {"cuda": cuda, "derivative": derivative}
    exec(text, names)
    return derivative, names["made"]


@njit
def fun_grad(x, g, a):
    """Chained Rosenbrock."""
    f, n = 0.0, x.shape[0]
    g[0] = 0.0
    for i in range(n - 1):
        u, v = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += a * u * u + v * v
        g[i] -= 4.0 * a * u * x[i] + 2.0 * v
        g[i + 1] = 2.0 * a * u
    return f


@njit
def hvp(x, v, out, a):
    """Products with its Hessian."""
    n = x.shape[0]
    for i in range(n):
        out[i] = 0.0
    for i in range(n - 1):
        out[i] += (12.0 * a * x[i] * x[i] - 4.0 * a * x[i + 1] + 2.0) * v[i] - 4.0 * a * x[i] * v[i + 1]
        out[i + 1] += 2.0 * a * v[i + 1] - 4.0 * a * x[i] * v[i]


@njit
def hess(x, H, a):
    """The Hessian."""
    n = x.shape[0]
    for i in range(n):
        for j in range(n):
            H[i, j] = 0.0
    for i in range(n - 1):
        H[i, i] += 12.0 * a * x[i] * x[i] - 4.0 * a * x[i + 1] + 2.0
        H[i, i + 1] = H[i + 1, i] = -4.0 * a * x[i]
        H[i + 1, i + 1] += 2.0 * a
