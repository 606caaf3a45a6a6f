r"""NAdam: Adam with Nesterov momentum.

    m <- beta1 m + (1 - beta1) g
    v <- beta2 v + (1 - beta2) g^2,  V = v / (1 - beta2^k)                      step k = 1, 2, ...
    mu_k = beta1 (1 - 0.96^(k momentum_decay) / 2),  p_k = mu_1 ... mu_k
    M = mu_{k+1} m / (1 - p_k mu_{k+1}) + (1 - mu_k) g / (1 - p_k)
    x <- x - lr M / ((V + eps_root)^(1/2) + eps)

This is PyTorch's and Keras's convention, [1]'s but for a factor of beta2 in V. With `constant=True`, as in Optax,
mu_k = beta1.

Cost of a step: g is read, x, m and v read and written. State: m, v.

Parameters
----------
lr : float or Schedule, default 2e-3
    Learning rate, >= 0; as in PyTorch.
beta1 : float, default 0.9
    Of the mean of gradients, in [0, 1); [1].
beta2 : float, default 0.999
    Of the mean of squares, in [0, 1); [1].
eps : float, default 1e-8
    Outside the root, >= 0; as in PyTorch.
eps_root : float, default 0.0
    Inside the root, >= 0; as in Optax.
momentum_decay : float, default 4e-3
    >= 0; [1], as in PyTorch.
constant : bool, default False
    A constant mu.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.NAdam(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Dozat. Incorporating Nesterov momentum into Adam. ICLR 2016 workshop. Algorithm 2.
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, power

NAME = "NAdam"
NEEDS = ("grad",)
COMMON = {}
STATE = ("m", "v")


class Options(NamedTuple):
    """Options of NAdam."""

    lr: float = 2e-3  # learning rate, >= 0
    beta1: float = 0.9  # of the mean of gradients, in [0, 1)
    beta2: float = 0.999  # of the mean of squares, in [0, 1)
    eps: float = 1e-8  # outside the root, >= 0
    eps_root: float = 0.0  # inside the root, >= 0
    momentum_decay: float = 4e-3  # of the approach of mu to beta1, >= 0
    constant: bool = False  # mu = beta1


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0


@inlined
def rule(x, g, m, v, of_g, of_m, beta1, rest1, beta2, rest2, inner, eps_root, eps):
    """(x, m, v) after a step."""
    m = average(m, g, beta1, rest1)
    v = average(v, g * g, beta2, rest2)
    return x - (of_g * g + of_m * m) / (math.sqrt(inner * v + eps_root) + eps), m, v


@inlined
def mu(k, options):
    """The coefficient of momentum at step k."""
    if options.constant:
        return options.beta1
    return options.beta1 * (1.0 - 0.5 * 0.96 ** (k * options.momentum_decay))


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    now, ahead = mu(k, options), mu(k + 1, options)
    product = power(now, 0, k, memory)
    c[0], c[1] = lr * (1.0 - now) / (1.0 - product), lr * ahead / (1.0 - product * ahead)
    c[2], c[3], c[4], c[5] = options.beta1, 1.0 - options.beta1, options.beta2, 1.0 - options.beta2
    c[6] = 1.0 / (1.0 - power(options.beta2, 1, k, memory))
    c[7], c[8] = options.eps_root, options.eps
    return 0.0
