r"""Sophia: a mean of gradients, divided by a mean of the Hessian's diagonal, and clipped.

    every `interval` steps, the first among them:
        d = z (H z),  z_i = +1 or -1 at random;  h <- beta2 h + (1 - beta2) d           ([1] algorithm 1)
    m <- beta1 m + (1 - beta1) g
    x <- x - lr min(max(m / max(gamma h, eps), -clip), clip)                            ([1] algorithm 3)

before which x <- x - lr weight_decay mask x. `minimize` makes the products H z; `step` is given d as `diagonal`.

The default is [1]. Optax corrects m, by 1 / (1 - beta1^k), and takes a new d only after the step: `correct=True,
late=True`.

Cost of a step: now and then a Hessian product; g, d are read, x, m and h read and written. State: m, h, d.

Parameters
----------
lr : float or Schedule, default 1e-3
    Learning rate, >= 0; somewhat below Adam's [1].
beta1 : float, default 0.965
    Of the mean of gradients, in [0, 1); the authors' program. [1] has 0.96.
beta2 : float, default 0.99
    Of the mean of the diagonal, in [0, 1); [1].
gamma : float, default 0.01
    What h is multiplied with, > 0; [1], for this estimate.
eps : float, default 1e-12
    The smallest divisor, > 0; [1]. Optax has 1e-8.
clip : float, default 1.0
    The largest step of a parameter in units of lr, > 0; [1].
correct : bool, default False
    Correct m.
late : bool, default False
    Take the estimate after the step.
weight_decay : float, default 1e-4
    >= 0; as in Optax. `decoupled` is True.
interval : int, default 10
    Steps from one estimate of the diagonal to the next, >= 1.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.Sophia(lr=0.05, gamma=1.0)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state, diagonal=np.full(2, 2.0))  # of the Hessian of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Liu, Li, Hall, Liang, Ma. Sophia: a scalable stochastic second-order optimizer for language model pre-training. ICLR
    2024. arXiv:2305.14342
"""

from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, power

NAME = "Sophia"
NEEDS = ("grad", "hvp")
COMMON = {"weight_decay": 1e-4, "decoupled": True}
STATE = ("m", "h", "d")


class Options(NamedTuple):
    """Options of Sophia."""

    lr: float = 1e-3  # learning rate, >= 0
    beta1: float = 0.965  # of the mean of gradients, in [0, 1)
    beta2: float = 0.99  # of the mean of the diagonal, in [0, 1)
    gamma: float = 0.01  # what h is multiplied with, positive
    eps: float = 1e-12  # the smallest divisor, >= 0
    clip: float = 1.0  # the largest step of a parameter in units of lr, positive
    correct: bool = False  # divide m by 1 - beta1^k
    late: bool = False  # take the estimate after the step
    interval: int = 10  # steps from one estimate of the diagonal to the next, >= 1


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0, 0.0


@inlined
def rule(x, g, m, h, d, lr, beta1, rest1, keep, take, correct, gamma, eps, clip, late):
    """(x, m, h, d) after a step."""
    m = average(m, g, beta1, rest1)
    new = average(h, d, keep, take)
    divisor = gamma * (h if late > 0 else new)
    divisor = eps if divisor < eps else divisor
    step = correct * m / divisor
    if step > clip:
        step = clip
    if step < -clip:
        step = -clip
    return x - lr * step, m, new, d


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    fresh = (k - 1) % options.interval == 0
    c[0], c[1], c[2] = lr, options.beta1, 1.0 - options.beta1
    c[3], c[4] = (options.beta2, 1.0 - options.beta2) if fresh else (1.0, 0.0)
    decayed = power(options.beta1, 0, k, memory)
    c[5] = 1.0 / (1.0 - decayed) if options.correct else 1.0
    c[6], c[7], c[8], c[9] = options.gamma, options.eps, options.clip, 1.0 if options.late else 0.0
    return 0.0
