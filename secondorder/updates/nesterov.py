r"""Nesterov momentum with a constant coefficient: the gradient is taken ahead, where momentum will lead.

    v <- momentum v + (1 - dampening) g                 at the first step v = g, as in PyTorch
    x <- x - lr (g + momentum v)

This is [1] in the variables of [2], whose x is the point ahead. With `polyak=True` the learning rate goes into the sum,
as in [2]: v <- momentum v + lr g; x <- x - (lr g + momentum v). Nesterov's other form, with coefficients that grow
towards 1, is `FISTA`.

Cost of a step: g is read, x and v read and written. State: v.

Parameters
----------
lr : float or Schedule, default 1e-3
    Learning rate, >= 0; as in PyTorch.
momentum : float, default 0.9
    In [0, 1); the usual value.
dampening : float, default 0.0
    In [0, 1]; as in PyTorch.
polyak : bool, default False
    Where the learning rate stands; False is PyTorch's and Optax's convention.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.Nesterov(lr=0.05)
>>> state = opt.init(x)
>>> for _ in range(100):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Nesterov. A method of solving a convex programming problem with convergence rate O(1/k^2). Soviet Math. Dokl. 27
    (1983) 372-376.
[2] Sutskever, Martens, Dahl, Hinton. On the importance of initialization and momentum in deep learning. ICML 2013.
    Eqs. 3 and 4.
"""

from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average

NAME = "Nesterov"
NEEDS = ("grad",)
COMMON = {}
STATE = ("v",)


class Options(NamedTuple):
    """Options of Nesterov momentum."""

    lr: float = 1e-3  # learning rate, >= 0
    momentum: float = 0.9  # in [0, 1)
    dampening: float = 0.0  # in [0, 1]
    polyak: bool = False  # the learning rate in the sum, not before it


def start(options):
    """What the rows of state start from."""
    return (0.0,)


@inlined
def rule(x, g, v, momentum, take, lr, ahead):
    """(x, v) after a step."""
    v = average(v, g, momentum, take)
    return x - (lr * g + ahead * v), v


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    take = 1.0 if k == 1 else 1.0 - options.dampening
    c[0], c[1] = options.momentum, (take * lr if options.polyak else take)
    c[2], c[3] = lr, options.momentum * (1.0 if options.polyak else lr)
    return 0.0
