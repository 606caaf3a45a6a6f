r"""RMSProp: gradients divided by their root mean square, centred and with momentum if asked.

    v <- rho v + (1 - rho) g^2
    d = (v + eps_root)^(1/2) + eps                      centered: a <- rho a + (1 - rho) g, and v - a^2 for v in d
    x <- x - lr g / d                                   with momentum: b <- momentum b + g / d;  x <- x - lr b

Libraries disagree. The default is PyTorch's: rho = 0.99, eps = 1e-8 outside the root. Optax and TensorFlow:
`rho=0.9, eps=0.0, eps_root=1e-8`.

Cost of a step: g is read, x and v read and written, a and b too if used. State: v; centred or with momentum v, a, b.

Parameters
----------
lr : float or Schedule, default 1e-2
    Learning rate, >= 0; as in PyTorch.
rho : float, default 0.99
    In [0, 1); as in PyTorch. [1] has 0.9.
momentum : float, default 0.0
    In [0, 1).
centered : bool, default False
    Divide by the standard deviation [2].
eps : float, default 1e-8
    Outside the root, >= 0; as in PyTorch.
eps_root : float, default 0.0
    Inside the root, >= 0.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.RMSProp(lr=0.05)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Tieleman, Hinton. Lecture 6.5: rmsprop. Coursera, Neural networks for machine learning, 2012.
[2] Graves. Generating sequences with recurrent neural networks. arXiv:1308.0850, 2013. Eqs. 38 to 41.
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average

NAME = "RMSProp"
NEEDS = ("grad",)
COMMON = {}
STATE = ("v",)


class Options(NamedTuple):
    """Options of RMSProp."""

    lr: float = 1e-2  # learning rate, >= 0
    rho: float = 0.99  # of the mean squares, in [0, 1)
    momentum: float = 0.0  # in [0, 1)
    centered: bool = False  # divide by the standard deviation
    eps: float = 1e-8  # outside the root, >= 0
    eps_root: float = 0.0  # inside the root, >= 0


def variant(options):
    """(rule, STATE)."""
    return (rule_in_full, ("v", "a", "b")) if options.centered or options.momentum > 0.0 else (rule, STATE)


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0, 0.0


@inlined
def rule(x, g, v, lr, rho, rest, eps_root, eps, center, momentum):
    """(x, v) after a step."""
    v = average(v, g * g, rho, rest)
    return x - lr * g / (math.sqrt(v + eps_root) + eps), v


@inlined
def rule_in_full(x, g, v, a, b, lr, rho, rest, eps_root, eps, center, momentum):
    """(x, v, a, b) after a step."""
    v = average(v, g * g, rho, rest)
    a = average(a, g, rho, rest)
    b = momentum * b + g / (math.sqrt(v - center * (a * a) + eps_root) + eps)
    return x - lr * b, v, a, b


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0], c[1], c[2], c[3], c[4] = lr, options.rho, 1.0 - options.rho, options.eps_root, options.eps
    c[5], c[6] = 1.0 if options.centered else 0.0, options.momentum
    return 0.0
