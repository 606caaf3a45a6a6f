r"""Delta-bar-delta: each parameter's learning rate grows by sums and falls by factors.

For each parameter, b the mean of its earlier gradients, r its rate in units of lr, 1 at first:

    r <- r + kappa where b g > 0;  (1 - phi) r where b g < 0, but at least least
    b <- smoothing b + (1 - smoothing) g
    x <- x - lr r g

Made for the gradient of a full batch. Cost of a step: g is read, x, b and r read and written. State: b, r.

Parameters
----------
lr : float or Schedule, default 1e-3
    Learning rate, >= 0.
kappa : float, default 0.2
    What a rate grows by, in units of lr, >= 0; as in ensmallen.
phi : float, default 0.2
    What share of it a rate falls by, in [0, 1); as in ensmallen.
smoothing : float, default 0.5
    Of the mean of gradients, in [0, 1); as in ensmallen. [1] has 0.7.
least : float, default 1e-8
    The smallest rate in units of lr, >= 0; as in ensmallen.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.DeltaBarDelta(lr=0.01)
>>> state = opt.init(x)
>>> for _ in range(100):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Jacobs. Increased rates of convergence through learning rate adaptation. Neural Networks 1 (1988) 295-307. Eq. 4.
    doi:10.1016/0893-6080(88)90003-2
"""

from typing import NamedTuple

from secondorder.jit import inlined
from secondorder.updates.moments import average, larger

NAME = "DeltaBarDelta"
NEEDS = ("grad",)
COMMON = {}
STATE = ("b", "r")


class Options(NamedTuple):
    """Options of delta-bar-delta."""

    lr: float = 1e-3  # learning rate, >= 0
    kappa: float = 0.2  # what a rate grows by, >= 0
    phi: float = 0.2  # what share of it a rate falls by, in [0, 1)
    smoothing: float = 0.5  # of the mean of gradients, in [0, 1)
    least: float = 1e-8  # the smallest rate, >= 0


def start(options):
    """What the rows of state start from."""
    return 0.0, 1.0


@inlined
def rule(x, g, b, r, lr, kappa, shrink, smoothing, rest, least):
    """(x, b, r) after a step."""
    product = b * g
    grown, fallen = r + kappa, larger(least, shrink * r)
    r = grown if product > 0 else (fallen if product < 0 else r)
    return x - (lr * r) * g, average(b, g, smoothing, rest), r


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0], c[1], c[2], c[3] = lr, options.kappa, 1.0 - options.phi, options.smoothing
    c[4], c[5] = 1.0 - options.smoothing, options.least
    return 0.0
