r"""Rprop-: step sizes by the signs of gradients.

For each parameter, p its last gradient, d its step size:

    d <- min(eta_plus d, delta_max) where g p > 0, max(eta_minus d, delta_min) where g p < 0
    x <- x - lr d sign(g);  p <- g

Made for the gradient of a full batch. Cost of a step: g is read, x, p and d read and written. State: p, d.

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
>>> opt = so.RpropMinus()
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
    Algorithm 2. doi:10.1016/S0925-2312(01)00700-7
"""

from secondorder.jit import inlined
from secondorder.updates.moments import sign
from secondorder.updates.resilient import Options, advance, step_size  # noqa: F401 - the skeleton's

NAME = "RpropMinus"
NEEDS = ("grad",)
COMMON = {}
STATE = ("p", "d")


def start(options):
    """What the rows of state start from."""
    return 0.0, options.delta0


@inlined
def rule(x, g, p, d, one, shrink, grow, low, high, lr):
    """(x, p, d) after a step."""
    d = step_size(g * p, d, shrink, grow, low, high)
    return x - lr * (sign(g, one) * d), g, d
