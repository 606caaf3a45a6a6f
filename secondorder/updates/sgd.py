r"""Gradient descent with a given learning rate.

    x <- x - lr g

With the gradient of a sample it is stochastic gradient descent, of which it has the name. `minimize` has another method
"gradient-descent", whose steps a line search makes.

Cost of a step: g is read, x read and written. State: none.

Parameters
----------
lr : float or Schedule, default 1e-3
    Learning rate, >= 0; as in PyTorch.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.SGD(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(30):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Robbins, Monro. A stochastic approximation method. Ann. Math. Stat. 22 (1951) 400-407. Eq. 6.
    doi:10.1214/aoms/1177729586
"""

from typing import NamedTuple

from secondorder.jit import inlined

NAME = "SGD"
NEEDS = ("grad",)
COMMON = {}
STATE = ()


class Options(NamedTuple):
    """Options of gradient descent."""

    lr: float = 1e-3  # learning rate, >= 0


def start(options):
    """What the rows of state start from."""
    return ()


@inlined
def rule(x, g, lr):
    """x after a step."""
    return x - lr * g


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0] = lr
    return 0.0
