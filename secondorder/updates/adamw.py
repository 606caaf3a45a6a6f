r"""AdamW: Adam with decoupled weight decay.

    m <- beta1 m + (1 - beta1) g
    v <- beta2 v + (1 - beta2) g^2
    M = m / (1 - beta1^k),  V = v / (1 - beta2^k)                               step k = 1, 2, ...
    x <- x - lr M / ((V + eps_root)^(1/2) + eps)

before which x <- x - lr weight_decay mask x. This is PyTorch's convention: [2] multiplies both parts with a schedule,
and the decay not with its alpha. Optax's default decay is 1e-4.

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
    Outside the root, >= 0; [1].
eps_root : float, default 0.0
    Inside the root, >= 0; as in Optax.
eps_hat : bool, default False
    Epsilon beside the uncorrected root.
weight_decay : float, default 1e-2
    >= 0; as in PyTorch. `decoupled` is True.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.AdamW(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(200):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Kingma, Ba. Adam: a method for stochastic optimization. ICLR 2015. Algorithm 1. arXiv:1412.6980
[2] Loshchilov, Hutter. Decoupled weight decay regularization. ICLR 2019. Algorithm 2. arXiv:1711.05101
"""

from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import adam, adam_coefficients

NAME = "AdamW"
NEEDS = ("grad",)
COMMON = {"weight_decay": 1e-2, "decoupled": True}
STATE = ("m", "v")


class Options(NamedTuple):
    """Options of AdamW."""

    lr: float = 1e-3  # learning rate, >= 0
    beta1: float = 0.9  # of the mean of gradients, in [0, 1)
    beta2: float = 0.999  # of the mean of squares, in [0, 1)
    eps: float = 1e-8  # outside the root, >= 0
    eps_root: float = 0.0  # inside the root, >= 0
    eps_hat: bool = False  # epsilon beside the uncorrected root


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0


@inlined
def rule(x, g, m, v, step, beta1, rest1, beta2, rest2, inner, eps_root, eps):
    """(x, m, v) after a step."""
    return adam(x, g, m, v, step, beta1, rest1, beta2, rest2, inner, eps_root, eps)


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    adam_coefficients(k, lr, options, memory, c)
    return 0.0
