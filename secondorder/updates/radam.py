r"""RAdam: Adam that waits with the division until the mean of squares is known.

    m <- beta1 m + (1 - beta1) g
    v <- beta2 v + (1 - beta2) g^2
    M = m / (1 - beta1^k),  R = 2 / (1 - beta2) - 1,  r = R - 2 k beta2^k / (1 - beta2^k)       step k = 1, 2, ...
    where r > threshold:
        q = ((r - 4) (r - 2) R / ((R - 4) (R - 2) r))^(1/2)
        x <- x - lr q (1 - beta2^k)^(1/2) M / (v^(1/2) + eps)
    else
        x <- x - lr M

Libraries disagree. The default is PyTorch's, with epsilon beside the uncorrected root; with `eps_hat=False`, as in
Optax, x <- x - lr q M / ((v / (1 - beta2^k))^(1/2) + eps). Both have threshold = 5, [1] has 4.

Cost of a step: g is read, x, m and v read and written. State: m, v.

Parameters
----------
lr : float or Schedule, default 1e-3
    Learning rate, >= 0; as in PyTorch.
beta1 : float, default 0.9
    Of the mean of gradients, in [0, 1); [1].
beta2 : float, default 0.999
    Of the mean of squares, in [0, 1); [1].
eps : float, default 1e-8
    > 0; as in PyTorch.
eps_hat : bool, default True
    Epsilon beside the uncorrected root.
threshold : float, default 5.0
    >= 4; as in PyTorch.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.RAdam(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(300):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Liu et al. On the variance of the adaptive learning rate and beyond. ICLR 2020. Algorithm 2. arXiv:1908.03265
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, power

NAME = "RAdam"
NEEDS = ("grad",)
COMMON = {}
STATE = ("m", "v")


class Options(NamedTuple):
    """Options of RAdam."""

    lr: float = 1e-3  # learning rate, >= 0
    beta1: float = 0.9  # of the mean of gradients, in [0, 1)
    beta2: float = 0.999  # of the mean of squares, in [0, 1)
    eps: float = 1e-8  # outside the root, >= 0
    eps_hat: bool = True  # epsilon beside the uncorrected root
    threshold: float = 5.0  # of r, >= 4: below, q is not defined


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0


@inlined
def rule(x, g, m, v, step, beta1, rest1, beta2, rest2, inner, eps, divide):
    """(x, m, v) after a step."""
    m = average(m, g, beta1, rest1)
    v = average(v, g * g, beta2, rest2)
    divisor = math.sqrt(inner * v) + eps
    scaled = step * m
    return x - (scaled / divisor if divide > 0 else scaled), m, v


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    decayed = power(options.beta2, 1, k, memory)
    bias1, bias2 = 1.0 - power(options.beta1, 0, k, memory), 1.0 - decayed
    limit = 2.0 / (1.0 - options.beta2) - 1.0
    r = limit - 2.0 * k * decayed / bias2
    divide = r > options.threshold
    q = 1.0
    if divide:
        q = math.sqrt((r - 4.0) * (r - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * r))
        q *= math.sqrt(bias2) if options.eps_hat else 1.0
    c[0], c[6], c[7] = lr * q / bias1, options.eps, 1.0 if divide else 0.0
    c[1], c[2], c[3], c[4] = options.beta1, 1.0 - options.beta1, options.beta2, 1.0 - options.beta2
    c[5] = 1.0 if options.eps_hat else 1.0 / bias2
    return 0.0
