r"""Rprop+: step sizes by the signs of gradients, and steps across a minimum are taken back.

For each parameter, p its last gradient, d its step size, s its last step:

    g p > 0:    d <- min(eta_plus d, delta_max);   s <- -lr d sign(g);  x <- x + s;  p <- g
    g p < 0:    d <- max(eta_minus d, delta_min);  x <- x - s;                       p <- 0
    else                                           s <- -lr d sign(g);  x <- x + s;  p <- g

Made for the gradient of a full batch. Cost of a step: g is read, x, p, d and s read and written. State: p, d, s.

Parameters
----------
lr : float or Schedule, default 1.0
    A factor of every step, >= 0; step sizes are the rule's own.
delta0 : float, default 0.1
    The first step size, >= 0; [1]. PyTorch has 0.01.
eta_minus : float, default 0.5
    Factor after a change of sign, in (0, 1); [1].
eta_plus : float, default 1.2
    Factor otherwise, > 1; [1].
delta_min : float, default 1e-6
    The smallest step size, > 0; [1].
delta_max : float, default 50.0
    The largest, > 0; [1].

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.RpropPlus()
>>> state = opt.init(x)
>>> for _ in range(100):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Riedmiller, Braun. A direct adaptive method for faster backpropagation learning: the RPROP algorithm. IEEE Int.
    Conf. on Neural Networks (1993) 586-591. doi:10.1109/ICNN.1993.298623
[2] Igel, Husken. Empirical evaluation of the improved Rprop learning algorithms. Neurocomputing 50 (2003) 105-123.
    Algorithm 1. doi:10.1016/S0925-2312(01)00700-7
"""

from secondorder.jit import inlined
from secondorder.updates.moments import sign
from secondorder.updates.resilient import Options, advance, step_size  # noqa: F401 - the skeleton's

NAME = "RpropPlus"
NEEDS = ("grad",)
COMMON = {}
STATE = ("p", "d", "s")


def start(options):
    """What the rows of state start from."""
    return 0.0, options.delta0, 0.0


@inlined
def rule(x, g, p, d, s, one, shrink, grow, low, high, lr):
    """(x, p, d, s) after a step."""
    product = g * p
    d = step_size(product, d, shrink, grow, low, high)
    step = -s if product < 0 else -lr * (sign(g, one) * d)
    p = p - p if product < 0 else g
    return x + step, p, d, step
