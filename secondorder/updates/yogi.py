r"""Yogi: Adam whose mean of squares changes by no more than the square at hand.

    m <- beta1 m + (1 - beta1) g
    v <- v - (1 - beta2) sign(v - g^2) g^2
    x <- x - lr m / (1 - beta1^k) / ((v / (1 - beta2^k) + eps_root)^(1/2) + eps)        step k = 1, 2, ...

m and v start at `accumulator`, as in Optax.

Cost of a step: g is read, x, m and v read and written. State: m, v.

Parameters
----------
lr : float or Schedule, default 1e-2
    Learning rate, >= 0; [1].
beta1 : float, default 0.9
    Of the mean of gradients, in [0, 1); [1].
beta2 : float, default 0.999
    Of the mean of squares, in [0, 1); [1].
eps : float, default 1e-3
    Outside the root, >= 0; [1].
eps_root : float, default 0.0
    Inside the root, >= 0; as in Optax.
accumulator : float, default 1e-6
    What m and v start from, >= 0; as in Optax.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.Yogi(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Zaheer, Reddi, Sachan, Kale, Kumar. Adaptive methods for nonconvex optimization. NeurIPS 2018. Algorithm 2.
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, power

NAME = "Yogi"
NEEDS = ("grad",)
COMMON = {}
STATE = ("m", "v")


class Options(NamedTuple):
    """Options of Yogi."""

    lr: float = 1e-2  # learning rate, >= 0
    beta1: float = 0.9  # of the mean of gradients, in [0, 1)
    beta2: float = 0.999  # of the mean of squares, in [0, 1)
    eps: float = 1e-3  # outside the root, >= 0
    eps_root: float = 0.0  # inside the root, >= 0
    accumulator: float = 1e-6  # what m and v start from, >= 0


def start(options):
    """What the rows of state start from."""
    return options.accumulator, options.accumulator


@inlined
def rule(x, g, m, v, step, beta1, rest1, rest2, inner, eps_root, eps):
    """(x, m, v) after a step."""
    m = average(m, g, beta1, rest1)
    square = g * g
    change = rest2 * square
    # != also where either is nan, which then shows in v
    v = v - change if v > square else (v + change if v != square else v)
    return x - step * m / (math.sqrt(inner * v + eps_root) + eps), m, v


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0] = lr / (1.0 - power(options.beta1, 0, k, memory))
    c[1], c[2], c[3] = options.beta1, 1.0 - options.beta1, 1.0 - options.beta2
    c[4] = 1.0 / (1.0 - power(options.beta2, 1, k, memory))
    c[5], c[6] = options.eps_root, options.eps
    return 0.0
