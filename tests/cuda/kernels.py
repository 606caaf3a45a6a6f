"""Kernels that the tests compile and simulate: one problem a thread."""

from numba import cuda

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
