r"""Nesterov's accelerated gradient with growing coefficients (FISTA), and adaptive restart.

    z+ = x - lr g,                                      g the gradient at x
    t+ = (1 + (1 + 4 t^2)^(1/2)) / 2                    t = 1 at first                              ([1] eq. 4.2)
    x <- z+ + (t - 1) / t+ (z+ - z),  z <- z+                                                       ([1] eq. 4.3)

The momentum is forgotten, t = 1, as soon as it leads uphill ([2] section 3.2):

    adaptive="gradient"    where g'(z+ - z) > 0, the default: it needs no values of f
    adaptive="function"    where f has risen: `step` needs f
    adaptive="none"        never: the plain method of [1]

x is the point where the gradient is taken ([1] has y for it), and what `minimize` returns. The test of gradients sees g
as it is given, without clipping and weight decay.

Cost of a step: g is read, x and z read and written; the test reads all three once more. State: z.

Parameters
----------
lr : float or Schedule, default 1e-3
    Learning rate, >= 0; 1/L, where L bounds the curvature of f, is what theory gives.
adaptive : {"gradient", "function", "none"}, default "gradient"
    When to restart.

weight_decay, decoupled, clip_norm, clip_value, gradient_noise, noise_decay, mask, seed
    As for every rule: see `Update`.

Examples
--------
>>> import numpy as np
>>> import secondorder as so
>>> x = np.array([3.0, -2.0])
>>> opt = so.FISTA(lr=0.1)
>>> state = opt.init(x)
>>> for _ in range(60):
...     opt.step(x, 2.0 * x, state)  # the gradient of x'x
>>> bool(np.abs(x).max() < 0.1)
True

References
----------
[1] Beck, Teboulle. A fast iterative shrinkage-thresholding algorithm for linear inverse problems. SIAM J. Imaging Sci.
    2 (2009) 183-202. doi:10.1137/080716542
[2] O'Donoghue, Candes. Adaptive restart for accelerated gradient schemes. Found. Comput. Math. 15 (2015) 715-732.
    doi:10.1007/s10208-013-9150-3
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined

NAME = "FISTA"
NEEDS = ("grad",)
COMMON = {}
STATE = ("z",)
NONE, GRADIENT, FUNCTION = range(3)
NAMED = {"adaptive": {"gradient": GRADIENT, "function": FUNCTION, "none": NONE}}


class Options(NamedTuple):
    """Options of FISTA."""

    lr: float = 1e-3  # learning rate, >= 0
    adaptive: int = GRADIENT  # when to restart: a value of NAMED["adaptive"]


def start(options):
    """What the rows of state start from; step 1 does not read it."""
    return (0.0,)


def needs_f(options):
    """Does a step need the value of f?"""
    return options.adaptive == FUNCTION


def measures(options):
    """Is the sum of `measure` used?"""
    return options.adaptive == GRADIENT


def measure(x, g, z, lr):
    """A parameter's part of g'(z+ - z)."""
    return g * ((x - lr * g) - z)


@inlined
def rule(x, g, z, lr, ahead):
    """(x, z) after a step. Without momentum z is not read: nan in it must do no harm."""
    new = x - lr * g
    old = z if ahead > 0 else new
    return new + ahead * (new - old), new


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k. memory: t, f at the last step."""
    t = 1.0 if k == 1 else memory[0]
    uphill = measured > 0.0 if options.adaptive == GRADIENT else options.adaptive == FUNCTION and f > memory[1]
    if k > 1 and uphill:
        t = 1.0
    memory[0], memory[1] = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * t * t)), f
    c[0], c[1] = lr, (t - 1.0) / memory[0]
    return 0.0
