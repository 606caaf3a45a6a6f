r"""AdaMax: Adam with the largest gradient of late in place of the mean of squares.

    m <- beta1 m + (1 - beta1) g
    u <- max(beta2 u, |g| + eps)
    x <- x - lr / (1 - beta1^k) m / u                   step k = 1, 2, ...

Epsilon stands in the maximum, as in PyTorch and Optax; with `outside=True` beside u, as in Keras: m / (u + eps). [1]
has none.

Cost of a step: g is read, x, m and u read and written. State: m, u.

Parameters
----------
lr : float or Schedule, default 2e-3
    Learning rate, >= 0; [1].
beta1 : float, default 0.9
    Of the mean of gradients, in [0, 1); [1].
beta2 : float, default 0.999
    Of the maximum, in [0, 1); [1].
eps : float, default 1e-8
    >= 0; as in PyTorch.
outside : bool, default False
    Epsilon beside u.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.AdaMax(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Kingma, Ba. Adam: a method for stochastic optimization. ICLR 2015. Algorithm 2. arXiv:1412.6980
"""

from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, larger, power

NAME = "AdaMax"
NEEDS = ("grad",)
COMMON = {}
STATE = ("m", "u")


class Options(NamedTuple):
    """Options of AdaMax."""

    lr: float = 2e-3  # learning rate, >= 0
    beta1: float = 0.9  # of the mean of gradients, in [0, 1)
    beta2: float = 0.999  # of the maximum, in [0, 1)
    eps: float = 1e-8  # in the maximum, >= 0
    outside: bool = False  # epsilon beside u


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0


@inlined
def rule(x, g, m, u, step, beta1, rest1, beta2, inside, outside):
    """(x, m, u) after a step."""
    m = average(m, g, beta1, rest1)
    u = larger(abs(g) + inside, beta2 * u)
    return x - step * m / (u + outside), m, u


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0] = lr / (1.0 - power(options.beta1, 0, k, memory))
    c[1], c[2], c[3] = options.beta1, 1.0 - options.beta1, options.beta2
    c[4], c[5] = (0.0, options.eps) if options.outside else (options.eps, 0.0)
    return 0.0
