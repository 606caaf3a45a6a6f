r"""AMSGrad: Adam whose divisor never falls.

    m <- beta1 m + (1 - beta1) g
    v <- beta2 v + (1 - beta2) g^2
    u <- max(u, v)
    x <- x - lr m / (1 - beta1^k) / ((u / (1 - beta2^k) + eps_root)^(1/2) + eps)        step k = 1, 2, ...

Libraries disagree. The default is PyTorch's: the largest v is kept and then corrected. With `corrected=True`, as in
Optax, it is the largest corrected one: u <- max(u, v / (1 - beta2^k)), and u in the divisor. The trajectories differ.
[1] has no corrections at all.

Cost of a step: g is read, x, m, v and u read and written. State: m, v, u.

Parameters
----------
lr : float or Schedule, default 1e-3
    Learning rate, >= 0; as in PyTorch.
beta1 : float, default 0.9
    Of the mean of gradients, in [0, 1); [1].
beta2 : float, default 0.999
    Of the mean of squares, in [0, 1); [1].
eps : float, default 1e-8
    Outside the root, >= 0; as in PyTorch.
eps_root : float, default 0.0
    Inside the root, >= 0; as in Optax.
corrected : bool, default False
    Keep the largest corrected mean of squares.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.AMSGrad(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Reddi, Kale, Kumar. On the convergence of Adam and beyond. ICLR 2018. Algorithm 2. arXiv:1904.09237
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, larger, power

NAME = "AMSGrad"
NEEDS = ("grad",)
COMMON = {}
STATE = ("m", "v", "u")


class Options(NamedTuple):
    """Options of AMSGrad."""

    lr: float = 1e-3  # learning rate, >= 0
    beta1: float = 0.9  # of the mean of gradients, in [0, 1)
    beta2: float = 0.999  # of the mean of squares, in [0, 1)
    eps: float = 1e-8  # outside the root, >= 0
    eps_root: float = 0.0  # inside the root, >= 0
    corrected: bool = False  # keep the largest corrected mean of squares


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0, 0.0


@inlined
def rule(x, g, m, v, u, step, beta1, rest1, beta2, rest2, inner, outer, eps_root, eps):
    """(x, m, v, u) after a step."""
    m = average(m, g, beta1, rest1)
    v = average(v, g * g, beta2, rest2)
    u = larger(inner * v, u)
    return x - step * m / (math.sqrt(outer * u + eps_root) + eps), m, v, u


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    bias1 = 1.0 - power(options.beta1, 0, k, memory)
    bias2 = 1.0 - power(options.beta2, 1, k, memory)
    c[0], c[7], c[8] = lr / bias1, options.eps_root, options.eps
    c[1], c[2], c[3], c[4] = options.beta1, 1.0 - options.beta1, options.beta2, 1.0 - options.beta2
    c[5], c[6] = (1.0 / bias2, 1.0) if options.corrected else (1.0, 1.0 / bias2)
    return 0.0
