"""A trial of a step within a radius: the residuals there, the next radius, and when to give up. For all of FITS."""

import math

from secondorder.control import (
    EXPECTED,
    GNORM,
    GRAD_RTOL,
    GRAD_TOL,
    N_FUN,
    SCALE,
    START_GNORM,
    STOP,
    THRESHOLD,
    TRIAL_ALPHA,
    TRIAL_F,
    TRIAL_SLOPE,
    evaluated,
    stopped,
)
from secondorder.jit import inlined, leaf
from secondorder.linalg.vectors import scale
from secondorder.precision import TwoPrecisions, roundings
from secondorder.status import NO_DECREASE, NOT_FINITE_STEP, ROUNDING, RUNNING

ACCEPT = 1e-4  # least part of the predicted decrease; MINPACK's

# A cost is a sum of many terms: the part of it that float64 resolves; and that of a residual, in units of the terms
# J_ij x_j, whose difference it may be.
RESOLUTION = roundings(100.0)
X_RESOLUTION = roundings(4.0)
SMALL = TwoPrecisions(1e-4, 1e-2)  # the same as in methods.step


@inlined
def residuals(residual, x, r, control, data):
    """r <- the residuals at x, counted."""
    control.counts[N_FUN] += 1  # before the call, which may raise
    residual(x, r, data)
    evaluated(0, 0, 0, control)
    if control.values[SCALE] != 1.0:
        scale(control.values[SCALE], r, r)


@inlined
def set_threshold(gnorm, control):
    """The tolerance of the gradient, from the gradient at x0."""
    values = control.values
    values[START_GNORM] = gnorm
    values[THRESHOLD] = max(values[GRAD_TOL] * values[SCALE] * values[SCALE], values[GRAD_RTOL] * gnorm)


@inlined
def scaled_norm(d, x):
    """|D x|."""
    square = 0.0
    for j in range(x.shape[0]):
        square += (d[j] * x[j]) ** 2
    return math.sqrt(square)


@inlined
def move_by(x, p, d, xt):
    """xt <- x + D^-1 p; False if that is x."""
    moved = False
    for j in range(x.shape[0]):
        xt[j] = x[j] + (p[j] / d[j] if d[j] > 0.0 else 0.0)
        moved = moved or xt[j] != x[j]
    return moved


@inlined
def next_radius(delta, size, f, ft, predicted, slope):
    """The radius after a step of this size, taken or not: MINPACK's rule, with nan as a step that went far up."""
    gained = f - ft
    if gained > 0.25 * predicted:
        return 2.0 * size if gained >= 0.75 * predicted else delta
    if gained >= 0.0:
        shrink = 0.5
    elif math.isfinite(ft):
        shrink = max(0.1, -slope / (2.0 * (-gained - slope)))
    else:
        shrink = 0.1
    return shrink * min(delta, 10.0 * size)


@leaf
def failure(f, ft, predicted, promised, noise, moved, control):
    """After a step that was not taken: the reason to give up, or RUNNING.

    promised: the decrease that the model has without a radius; noise: what rounding may change the cost by.
    """
    counts, values = control.counts, control.values
    values[TRIAL_F], values[TRIAL_ALPHA], values[TRIAL_SLOPE] = ft, 1.0, math.nan
    values[EXPECTED] = predicted
    if stopped(control):
        return counts[STOP]
    if not math.isfinite(ft):
        return RUNNING if moved and predicted > RESOLUTION * f else NOT_FINITE_STEP
    if promised <= noise:
        return ROUNDING
    if moved and predicted > RESOLUTION * f:
        return RUNNING
    # A wrong Jacobian also makes tiny steps: believe in rounding only where the gradient has become small. The model
    # may promise much there all the same, where J is singular and r is not orthogonal to what it will be next to it.
    return ROUNDING if values[GNORM] <= SMALL * values[START_GNORM] else NO_DECREASE
