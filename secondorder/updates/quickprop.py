r"""Quickprop: each parameter jumps to the minimum of a parabola through its last two slopes.

For each parameter, p its last gradient, s its last step, m = growth:

    no last step            s <- -lr g
    g no better than p      s <- m s                            where g / p >= m / (1 + m): the parabola is flat or
                                                                turned, or its minimum further than m s
    else                    s <- g / (p - g) s                  the parabola's minimum
    x <- x + s, and - lr g where the slope is still downhill along the last step

As in Fahlman's program, which differs from [1] in adding the last term also to long steps. Weight decay is the usual
option; [1] has 1e-4. Made for the gradient of a full batch.

Cost of a step: g is read, x, p and s read and written. State: p, s.

Parameters
----------
lr : float or Schedule, default 1e-2
    Of the part along the gradient, >= 0; problems differ much ([1] has 0.01 to 4).
growth : float, default 1.75
    The largest step in units of the last one, > 0; [1].

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.Quickprop(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(50):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Fahlman. An empirical study of learning speed in back-propagation networks. CMU-CS-88-162, 1988. Section 3.4.
"""

from typing import NamedTuple

from secondorder.jit import inlined

NAME = "Quickprop"
NEEDS = ("grad",)
COMMON = {}
STATE = ("p", "s")


class Options(NamedTuple):
    """Options of Quickprop."""

    lr: float = 1e-2  # of the part along the gradient, >= 0
    growth: float = 1.75  # the largest step in units of the last one, positive


def start(options):
    """What the rows of state start from."""
    return 0.0, 0.0


@inlined
def rule(x, g, p, s, lr, growth, shrink):
    """(x, p, s) after a step."""
    zero = g - g
    onward = s == 0 or (g < 0 and s > 0) or (g > 0 and s < 0)
    limit = shrink * p
    flat = (s > 0 and g <= limit) or (s < 0 and g >= limit)
    jump = growth * s if flat else s * g / (p - g)
    step = (zero if s == 0 else jump) - (lr * g if onward else zero)
    return x + step, g, step


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    c[0], c[1], c[2] = lr, options.growth, options.growth / (1.0 + options.growth)
    return 0.0
