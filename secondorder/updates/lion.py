r"""Lion: steps of one size along the signs of a mean of gradients.

    x <- x - lr sign(beta1 m + (1 - beta1) g)           after x <- x - lr weight_decay mask x
    m <- beta2 m + (1 - beta2) g

The sign of 0 is 0. Learning rates are 3 to 10 times smaller than Adam's [1].

Cost of a step: g is read, x and m read and written. State: m.

Parameters
----------
lr : float or Schedule, default 1e-4
    Learning rate, >= 0; [1].
beta1 : float, default 0.9
    In the step, in [0, 1); [1].
beta2 : float, default 0.99
    Of the mean that is kept, in [0, 1); [1].
weight_decay : float, default 1e-3
    >= 0; as in Optax. `decoupled` is True.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.Lion(lr=0.05)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Chen et al. Symbolic discovery of optimization algorithms. NeurIPS 2023. Algorithm 2. arXiv:2302.06675
"""

from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, sign

NAME = "Lion"
NEEDS = ("grad",)
COMMON = {"weight_decay": 1e-3, "decoupled": True}
STATE = ("m",)


class Options(NamedTuple):
    """Options of Lion."""

    lr: float = 1e-4  # learning rate, >= 0
    beta1: float = 0.9  # in the step, in [0, 1)
    beta2: float = 0.99  # of the mean that is kept, in [0, 1)


def start(options):
    """What the rows of state start from."""
    return (0.0,)


@inlined
def rule(x, g, m, lr, beta1, rest1, beta2, rest2, one):
    """(x, m) after a step."""
    return x - lr * sign(average(m, g, beta1, rest1), one), average(m, g, beta2, rest2)


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0], c[5] = lr, 1.0
    c[1], c[2], c[3], c[4] = options.beta1, 1.0 - options.beta1, options.beta2, 1.0 - options.beta2
    return 0.0
