r"""AdaGrad: each parameter's rate falls with the sum of its squared gradients.

    a <- a + g^2
    x <- x - lr / (1 + (k - 1) lr_decay) g / (a^(1/2) + eps)            step k = 1, 2, ...

Libraries disagree. The default is PyTorch's: a starts at 0, eps = 1e-10 outside the root. Optax and TensorFlow:
`accumulator=0.1, eps=0.0, eps_root=1e-7`, which divides by (a + eps_root)^(1/2).

Cost of a step: g is read, x and a read and written. State: a.

Parameters
----------
lr : float or Schedule, default 1e-2
    Learning rate, >= 0; as in PyTorch.
lr_decay : float, default 0.0
    >= 0; as in PyTorch.
accumulator : float, default 0.0
    What a starts from, >= 0.
eps : float, default 1e-10
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
>>> opt = so.AdaGrad(lr=0.5)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Duchi, Hazan, Singer. Adaptive subgradient methods for online learning and stochastic optimization. J. Mach. Learn.
    Res. 12 (2011) 2121-2159. Fig. 1, diagonal.
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined

NAME = "AdaGrad"
NEEDS = ("grad",)
COMMON = {}
STATE = ("a",)


class Options(NamedTuple):
    """Options of AdaGrad."""

    lr: float = 1e-2  # learning rate, >= 0
    lr_decay: float = 0.0  # of the learning rate, >= 0
    accumulator: float = 0.0  # what the sum of squares starts from, >= 0
    eps: float = 1e-10  # outside the root, >= 0
    eps_root: float = 0.0  # inside the root, >= 0


def start(options):
    """What the rows of state start from."""
    return (options.accumulator,)


@inlined
def rule(x, g, a, lr, eps_root, eps):
    """(x, a) after a step."""
    a = a + g * g
    return x - lr * g / (math.sqrt(a + eps_root) + eps), a


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0], c[1], c[2] = lr / (1.0 + (k - 1) * options.lr_decay), options.eps_root, options.eps
    return 0.0
