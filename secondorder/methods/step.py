"""One step of a line-search method: slope, first trial, search; and what to do when the search finds nothing."""

import math

from secondorder.control import (
    EXPECTED,
    GNORM,
    HOPED,
    N_ITER,
    N_RESTART,
    START_GNORM,
    STEP,
    STOP,
    TRIAL_F,
    X_NORM,
    stopped,
)
from secondorder.jit import inlined, seldom
from secondorder.linalg.vectors import dot
from secondorder.line_searches.initial_step import BARZILAI_BORWEIN, initial_step
from secondorder.line_searches.memory import CAUTIOUS, forget, remember, remember_pair
from secondorder.precision import TwoPrecisions, roundings
from secondorder.status import NO_DECREASE, NO_DESCENT, NOT_FINITE_STEP, ROUNDING, RUNNING

# The decrease that float64 resolves in f, in units of |f|: a sum of some tens of terms loses about so much.
RESOLUTION = roundings(100.0)
# Likewise a step in units of |x|: where f is 0 at the minimum, x runs out of digits before f does.
X_RESOLUTION = roundings(1000.0)

# What is small beside |g(x0)| and slight beside |f|: rounding may then be why no step is found.
SMALL, SLIGHT = TwoPrecisions(1e-4, 1e-2), TwoPrecisions(1e-6, 1e-3)


@inlined
def descend(search, fun, fun_grad, x, f, g, d, xt, gt, memory, options, control, data):
    """(alpha, ft, slope) of a line search along d; alpha = 0: d is no descent direction, or the search failed."""
    return descend_along(search, fun, fun_grad, x, f, g, dot(g, d), d, xt, gt, memory, options, control, data)


@inlined
def descend_along(search, fun, fun_grad, x, f, g, slope, d, xt, gt, memory, options, control, data):
    """`descend` where the slope g'd is known."""
    control.values[EXPECTED] = 0.0
    if not slope < 0.0 or math.isinf(slope):
        return 0.0, f, slope
    alpha0 = initial_step(fun, x, f, g, d, slope, xt, memory, options, control, data)
    # a unit step that was cut short hopes for no less
    control.values[EXPECTED] = -slope * (max(alpha0, 1.0) if memory[CAUTIOUS] != 0.0 else alpha0)
    alpha, ft = search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data)
    if alpha > 0.0:
        remember(memory, options, f, slope, alpha, ft)
        if options.initial == BARZILAI_BORWEIN:
            remember_pair(memory, alpha, d, g, gt)
    return alpha, ft, slope


@seldom
def after_failure(f, slope, steepest, memory, control):
    """The reason to give up, or RUNNING: try once more along the negative gradient, as if this were the first step.

    steepest: the direction that failed was already the negative gradient.
    """
    counts, values = control.counts, control.values
    if stopped(control):
        return counts[STOP]
    if not steepest:
        counts[N_RESTART] += 1
        values[HOPED] = values[EXPECTED]
        forget(memory, f)
        return RUNNING
    if not slope < 0.0 or math.isinf(slope):
        return NO_DESCENT
    if not math.isfinite(values[TRIAL_F]):
        return NOT_FINITE_STEP
    return stall_reason(f, control)


@seldom
def stall_reason(f, control):
    """No step was found: is that rounding, or is something wrong?"""
    counts, values = control.counts, control.values
    # f changes by |g| |x| eps where x is rounded, which near f = 0 is more than f itself
    floor = max(RESOLUTION * abs(f), X_RESOLUTION * values[GNORM] * values[X_NORM])
    resolved = min(values[EXPECTED], values[HOPED]) > floor
    if counts[N_ITER] > 0 and values[STEP] <= X_RESOLUTION * values[X_NORM]:
        resolved = False
    # A wrong gradient also makes tiny steps: believe in rounding only where the gradient has become small.
    small = values[GNORM] <= SMALL * values[START_GNORM] or values[EXPECTED] <= SLIGHT * abs(f)
    return ROUNDING if small and not resolved else NO_DECREASE
