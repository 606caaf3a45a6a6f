"""What the four Rprop rules share: their options, the step size of a parameter, the coefficients of a step."""

from typing import NamedTuple

from secondorder.jit import inlined


class Options(NamedTuple):
    """Options of the Rprop rules."""

    lr: float = 1.0  # a factor of every step, >= 0
    delta0: float = 0.1  # the first step size, >= 0
    eta_minus: float = 0.5  # factor after a change of sign, in (0, 1)
    eta_plus: float = 1.2  # factor otherwise, greater than 1
    delta_min: float = 1e-6  # the smallest step size, positive
    delta_max: float = 50.0  # the largest, positive


@inlined
def step_size(product, delta, shrink, grow, low, high):
    """The step size of a parameter whose last two slopes have this product."""
    if product > 0:
        delta = grow * delta
    if product < 0:
        delta = shrink * delta
    delta = high if delta > high else delta
    return low if delta < low else delta


@inlined
def coefficients(lr, options, c):
    """Coefficients of a step."""
    c[0], c[1], c[2], c[3], c[4] = 1.0, options.eta_minus, options.eta_plus, options.delta_min, options.delta_max
    c[5] = lr


def advance(k, lr, f, measured, options, memory, c):
    """Write the coefficients of step k."""
    coefficients(lr, options, c)
    return 0.0
