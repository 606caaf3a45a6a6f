r"""AdaHessian: Adam with an estimate of the Hessian's diagonal in place of the gradient's square.

    d = z (H z),  z_i = +1 or -1 at random                                              ([1] eq. 9)
    m <- beta1 m + (1 - beta1) g
    v <- beta2 v + (1 - beta2) d^2
    x <- x - lr m / (1 - beta1^k) / ((v / (1 - beta2^k))^(power / 2) + eps)             step k = 1, 2, ... ([1] eq. 11)

`minimize` makes the products H z; `step` is given d as `diagonal`. There is no averaging of d over neighbours ([1] eq.
10), which is for the filters of convolutions.

Cost of a step: a Hessian product; g and d are read, x, m and v read and written. State: m, v, d.

Parameters
----------
lr : float or Schedule, default 0.15
    Learning rate, >= 0; [1].
beta1 : float, default 0.9
    Of the mean of gradients, in [0, 1); [1].
beta2 : float, default 0.999
    Of the mean of squares, in [0, 1); [1].
eps : float, default 1e-4
    Outside the root, >= 0; the authors' program.
power : float, default 1.0
    Of the Hessian, > 0; [1].
interval : int, default 1
    Steps from one estimate of the diagonal to the next, >= 1.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.AdaHessian(lr=0.15)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state, diagonal=np.full(2, 2.0))  # of the Hessian of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Yao, Gholami, Shen, Mustafa, Keutzer, Mahoney. ADAHESSIAN: an adaptive second order optimizer for machine learning.
    AAAI 2021. arXiv:2006.00719
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, power

NAME = "AdaHessian"
NEEDS = ("grad", "hvp")
COMMON = {}
STATE = ("m", "v", "d")


class Options(NamedTuple):
    """Options of AdaHessian."""

    lr: float = 0.15  # learning rate, >= 0
    beta1: float = 0.9  # of the mean of gradients, in [0, 1)
    beta2: float = 0.999  # of the mean of squares, in [0, 1)
    eps: float = 1e-4  # outside the root, >= 0
    power: float = 1.0  # of the Hessian, positive
    interval: int = 1  # steps from one estimate of the diagonal to the next, >= 1


def variant(options):
    """(rule, STATE)."""
    return (rule if options.power == 1.0 else rule_with_power), STATE


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0, 0.0


@inlined
def rule(x, g, m, v, d, step, beta1, rest1, beta2, rest2, inner, eps, half):
    """(x, m, v, d) after a step."""
    m = average(m, g, beta1, rest1)
    v = average(v, d * d, beta2, rest2)
    return x - step * m / (math.sqrt(inner * v) + eps), m, v, d


@inlined
def rule_with_power(x, g, m, v, d, step, beta1, rest1, beta2, rest2, inner, eps, half):
    """The same with another power than 1."""
    m = average(m, g, beta1, rest1)
    v = average(v, d * d, beta2, rest2)
    return x - step * m / ((inner * v) ** half + eps), m, v, d


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0] = lr / (1.0 - power(options.beta1, 0, k, memory))
    c[1], c[2], c[3], c[4] = options.beta1, 1.0 - options.beta1, options.beta2, 1.0 - options.beta2
    c[5] = 1.0 / (1.0 - power(options.beta2, 1, k, memory))
    c[6], c[7] = options.eps, 0.5 * options.power
    return 0.0
