r"""Gradients by differences of f, from nothing but a typed fun. Compiled once for all objectives.

`data[0]` is here the address of two integers: the address of fun, and fun's own `data[0]`.

    2-point   g_i = (f(x + h e_i) - f(x)) / h,              h = eps^(1/2) sign(x_i) max(1, |x_i|)
    3-point   g_i = (f(x + h e_i) - f(x - h e_i)) / (2 h),  h = eps^(1/3) max(1, |x_i|)

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 8.1.
"""

import numpy as np

from secondorder.jit import FUN, JIT_DISABLED, function_at, inlined, intp, loader, types

EPS = 2.0**-52

_fun_at = function_at(FUN)
_frame = types.UniTuple(intp, 2)
_load_frame = loader(_frame)


def frame(fun_address, address):
    """(owner, address) of the two integers; the owner keeps them alive."""
    if JIT_DISABLED:
        return None, (fun_address, address)
    owner = np.array([fun_address, address], np.int64)
    return owner, owner.ctypes.data


@inlined
def unframed(data):
    """The objective's own data, from those of differences."""
    _, address = _load_frame(data[0])
    return address, data[1]


def value(x, data):
    """f(x), where the data are those of differences."""
    fun_address, address = _load_frame(data[0])
    return _fun_at(fun_address)(x, (address, data[1]))


def two_point(x, g, data):
    """f(x); g <- forward differences. n + 1 evaluations."""
    fun_address, address = _load_frame(data[0])
    fun, inner = _fun_at(fun_address), (address, data[1])
    f = fun(x, inner)
    for i in range(x.shape[0]):
        x_i = x[i]
        h = EPS**0.5 * max(1.0, abs(x_i))
        if x_i < 0.0:
            h = -h
        x[i] = x_i + h
        g[i] = (fun(x, inner) - f) / (x[i] - x_i)  # the step as it was rounded
        x[i] = x_i
    return f


def three_point(x, g, data):
    """f(x); g <- central differences. 2 n + 1 evaluations."""
    fun_address, address = _load_frame(data[0])
    fun, inner = _fun_at(fun_address), (address, data[1])
    for i in range(x.shape[0]):
        x_i = x[i]
        h = EPS ** (1.0 / 3.0) * max(1.0, abs(x_i))
        x[i] = x_i + h
        up, above = fun(x, inner), x[i]
        x[i] = x_i - h
        down, below = fun(x, inner), x[i]
        x[i] = x_i
        g[i] = (up - down) / (above - below)
    return fun(x, inner)
