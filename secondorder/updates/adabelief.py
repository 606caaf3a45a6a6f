r"""AdaBelief: Adam that divides by how far gradients are from their mean.

    m <- beta1 m + (1 - beta1) g
    v <- beta2 v + (1 - beta2) (g - m)^2 + eps_root
    x <- x - lr m / (1 - beta1^k) / ((v / (1 - beta2^k))^(1/2) + eps)           step k = 1, 2, ...

As in Optax and in the authors' code, eps_root is added to v for good in every step.

Cost of a step: g is read, x, m and v read and written. State: m, v.

Parameters
----------
lr : float or Schedule, default 1e-3
    Learning rate, >= 0; [1].
beta1 : float, default 0.9
    Of the mean of gradients, in [0, 1); [1].
beta2 : float, default 0.999
    Of the mean of squares, in [0, 1); [1].
eps : float, default 1e-16
    Outside the root, >= 0; as in Optax.
eps_root : float, default 1e-16
    Added to v, >= 0; as in Optax.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.AdaBelief(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Zhuang et al. AdaBelief optimizer: adapting stepsizes by the belief in observed gradients. NeurIPS 2020.
    Algorithm 2. arXiv:2010.07468
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, power

NAME = "AdaBelief"
NEEDS = ("grad",)
COMMON = {}
STATE = ("m", "v")


class Options(NamedTuple):
    """Options of AdaBelief."""

    lr: float = 1e-3  # learning rate, >= 0
    beta1: float = 0.9  # of the mean of gradients, in [0, 1)
    beta2: float = 0.999  # of the mean of squares, in [0, 1)
    eps: float = 1e-16  # outside the root, >= 0
    eps_root: float = 1e-16  # added to v in every step, >= 0


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0


@inlined
def rule(x, g, m, v, step, beta1, rest1, beta2, rest2, inner, eps_root, eps):
    """(x, m, v) after a step."""
    m = average(m, g, beta1, rest1)
    s = g - m
    v = average(v, s * s, beta2, rest2) + eps_root
    return x - step * m / (math.sqrt(inner * v) + eps), m, v


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0] = lr / (1.0 - power(options.beta1, 0, k, memory))
    c[1], c[2], c[3], c[4] = options.beta1, 1.0 - options.beta1, options.beta2, 1.0 - options.beta2
    c[5] = 1.0 / (1.0 - power(options.beta2, 1, k, memory))
    c[6], c[7] = options.eps_root, options.eps
    return 0.0
