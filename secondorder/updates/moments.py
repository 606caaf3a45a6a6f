"""Parts that several rules have in common. No literals stand beside parameters: they would make float32 float64."""

import math

from secondorder.jit import inlined


@inlined
def average(old, new, keep, take):
    """The moving average keep old + take new."""
    return keep * old + take * new


@inlined
def sign(g, one):
    """The sign of g; of 0 it is 0, of nan nan. `one` is 1 in the type of g."""
    if g > 0:
        return one
    return -one if g < 0 else g


@inlined
def larger(a, b):
    """The larger of a and b; nan if b is nan."""
    return a if b <= a else b


@inlined
def power(base, slot, k, memory):
    """base^k at step k = 1, 2, ..., kept in memory[slot]: pow takes longer than a step of few parameters."""
    value = base if k == 1 else memory[slot] * base
    memory[slot] = value
    return value


@inlined
def adam(x, g, m, v, step, beta1, rest1, beta2, rest2, inner, eps_root, eps):
    """(x, m, v) after a step of Adam: both moments, and x - step m / (sqrt(inner v + eps_root) + eps)."""
    m = average(m, g, beta1, rest1)
    v = average(v, g * g, beta2, rest2)
    return x - step * m / (math.sqrt(inner * v + eps_root) + eps), m, v


@inlined
def adam_coefficients(k, lr, options, memory, c):
    """Coefficients of `adam`."""
    bias1 = 1.0 - power(options.beta1, 0, k, memory)
    bias2 = 1.0 - power(options.beta2, 1, k, memory)
    c[1], c[2], c[3], c[4] = options.beta1, 1.0 - options.beta1, options.beta2, 1.0 - options.beta2
    c[6], c[7] = options.eps_root, options.eps
    if options.eps_hat:
        c[0], c[5] = lr * math.sqrt(bias2) / bias1, 1.0
    else:
        c[0], c[5] = lr / bias1, 1.0 / bias2
