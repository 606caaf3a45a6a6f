r"""AdaDelta: steps in units of earlier steps, so that no rate needs to be chosen.

    a <- rho a + (1 - rho) g^2
    s = ((b + eps) / (a + eps))^(1/2) g
    b <- rho b + (1 - rho) s^2                          after s is known
    x <- x - lr s

Cost of a step: g is read, x, a and b read and written. State: a, b.

Parameters
----------
lr : float or Schedule, default 1.0
    Learning rate, >= 0; 1 in [1].
rho : float, default 0.9
    In [0, 1); as in PyTorch and Optax. [1] has 0.95.
eps : float, default 1e-6
    > 0, inside the roots; [1].

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.AdaDelta(lr=10.0)
>>> state = opt.init(x)
>>> for _ in range(500):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Zeiler. ADADELTA: an adaptive learning rate method. arXiv:1212.5701, 2012. Algorithm 1.
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average

NAME = "AdaDelta"
NEEDS = ("grad",)
COMMON = {}
STATE = ("a", "b")


class Options(NamedTuple):
    """Options of AdaDelta."""

    lr: float = 1.0  # learning rate, >= 0
    rho: float = 0.9  # of both averages, in [0, 1)
    eps: float = 1e-6  # inside the roots, >= 0


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0


@inlined
def rule(x, g, a, b, lr, rho, rest, eps):
    """(x, a, b) after a step."""
    a = average(a, g * g, rho, rest)
    s = math.sqrt(b + eps) / math.sqrt(a + eps) * g
    return x - lr * s, a, average(b, s * s, rho, rest)


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0], c[1], c[2], c[3] = lr, options.rho, 1.0 - options.rho, options.eps
    return 0.0
