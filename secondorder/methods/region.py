"""One step of a trust-region method: tried, judged, and what to do where no step is accepted."""

import math

from secondorder.control import (
    EXPECTED,
    F_MIN,
    FIRST_EXPECTED,
    GNORM,
    HOPED,
    N_RESTART,
    SLOPE,
    START_GNORM,
    STOP,
    TRIAL_ALPHA,
    TRIAL_F,
    TRIAL_SLOPE,
    stopped,
    value_and_gradient,
)
from secondorder.jit import inlined, leaf, loop
from secondorder.linalg.vectors import axpy, dot, norm_inf
from secondorder.line_searches.trial import ROUNDING as OF_ONE_VALUE
from secondorder.methods.step import RESOLUTION, SLIGHT, SMALL, stall_reason
from secondorder.status import NOT_FINITE_STEP, ROUNDING, RUNNING, SHRUNK

MAX_BLIND = 4  # rejections in a row of steps whose predicted decrease f can't show: the rounding floor
MAX_REJECTIONS = 100  # in a row; each halves the step at least


@leaf
def reduction(f, ft, slope, slope_t, pred, g, gt):
    """f - ft; where that and pred may both be rounding, what the slopes say of it, if the gradient became smaller too.

    If it did not, f counts if it fell by more than the rounding of a single f; else nan: there, a step that only seems
    to go down would be accepted for ever.
    """
    noise = RESOLUTION * abs(f)
    if pred > noise or not abs(ft - f) <= noise:
        return f - ft
    if dot(gt, gt) < dot(g, g):
        return -0.5 * (slope + slope_t)
    return f - ft if f - ft > OF_ONE_VALUE * abs(f) else math.nan


@loop
def try_step(fun_grad, x, f, g, s, pred, xt, gt, control, data):
    """(ft, g's, rho) at xt = x + s; rho is nan where f or its gradient is not finite there."""
    values = control.values
    axpy(1.0, s, x, xt)
    ft = value_and_gradient(fun_grad, xt, gt, control, data)
    slope, slope_t = dot(g, s), dot(gt, s)
    values[SLOPE], values[EXPECTED] = slope, pred
    values[TRIAL_ALPHA], values[TRIAL_F], values[TRIAL_SLOPE] = 1.0, ft, slope_t
    if ft <= values[F_MIN]:  # unbounded: that is the end, whatever the gradient is there
        return ft, slope, math.inf
    if not (math.isfinite(ft) and math.isfinite(norm_inf(gt))):
        return ft, slope, math.nan
    return ft, slope, reduction(f, ft, slope, slope_t, pred, g, gt) / pred


@inlined
def same(x, xt):
    """Did rounding make nothing of the step?"""
    different = 0
    for i in range(x.shape[0]):
        different += x[i] != xt[i]
    return different == 0


@leaf
def after_rejection(x, xt, f, pred, rejections, control):
    """RUNNING: try a shorter step; else the reason to give up. rejections: in a row, this one included."""
    counts, values = control.counts, control.values
    if stopped(control):
        return counts[STOP]
    if rejections == 1:  # after a restart the radius is still short: what was hoped for before it counts
        values[FIRST_EXPECTED] = max(pred, values[HOPED]) if values[HOPED] < math.inf else pred
    blind = pred <= RESOLUTION * abs(f) and rejections >= MAX_BLIND
    if not blind and rejections < MAX_REJECTIONS and not same(x, xt):
        return RUNNING
    if not (math.isfinite(values[TRIAL_F]) and math.isfinite(values[TRIAL_SLOPE])):
        return NOT_FINITE_STEP
    values[EXPECTED] = values[FIRST_EXPECTED]  # the last trial is short because the others failed
    reason = stall_reason(f, control)
    # so may be the first one, if the radius was short: only a small gradient is evidence of rounding
    small = values[GNORM] <= SMALL * values[START_GNORM] or values[GNORM] * norm_inf(x) <= SLIGHT * abs(f)
    return reason if small and reason == ROUNDING else SHRUNK


@leaf
def may_restart(reason, restarted, control):
    """Give up for this reason, or once more with a new model? restarted: since the last step that was accepted."""
    if reason == RUNNING or restarted or stopped(control):
        return False
    control.counts[N_RESTART] += 1
    control.values[HOPED] = control.values[EXPECTED]
    return True
