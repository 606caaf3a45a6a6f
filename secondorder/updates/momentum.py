r"""Heavy-ball momentum: steps along a decaying sum of gradients.

    v <- momentum v + (1 - dampening) g                 at the first step v = g, as in PyTorch
    x <- x - lr v

With `polyak=True` the learning rate goes into the sum, as in [1]: v <- momentum v + lr g; x <- x - v. The two differ
where the learning rate changes.

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
>>> opt = so.Momentum(lr=0.05)
>>> state = opt.init(x)
>>> for _ in range(100):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Polyak. Some methods of speeding up the convergence of iteration methods. USSR Comput. Math. and Math. Phys. 4
    (1964) 1-17. Eq. 9. doi:10.1016/0041-5553(64)90137-5
"""

from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average

NAME = "Momentum"
NEEDS = ("grad",)
COMMON = {}
STATE = ("v",)


class Options(NamedTuple):
    """Options of heavy-ball momentum."""

    lr: float = 1e-3  # learning rate, >= 0
    momentum: float = 0.9  # in [0, 1)
    dampening: float = 0.0  # in [0, 1]
    polyak: bool = False  # the learning rate in the sum, not before it


def start(options):
    """What the rows of state start from."""
    return (0.0,)


@inlined
def rule(x, g, v, momentum, take, lr):
    """(x, v) after a step."""
    v = average(v, g, momentum, take)
    return x - lr * v, v


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    take = 1.0 if k == 1 else 1.0 - options.dampening
    c[0], c[1] = options.momentum, (take * lr if options.polyak else take)
    c[2] = 1.0 if options.polyak else lr
    return 0.0
