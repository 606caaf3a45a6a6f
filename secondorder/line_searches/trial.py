"""One trial of a line search: evaluated, judged, interpolated. What several searches share.

With phi(alpha) = f(x + alpha d). Values are compared as differences phi(alpha) - phi(0): a bound phi(0) - decrease
would round to phi(0) where the decrease is small, and pass a step that does nothing.
"""

import math

from secondorder.control import TRIAL_ALPHA, TRIAL_F, TRIAL_SLOPE, axpy, dot, stopped, value, value_and_gradient
from secondorder.jit import inlined, leaf, loop, seldom
from secondorder.line_searches.memory import APPROXIMATE, C
from secondorder.precision import TwoPrecisions, roundings

ROUNDING = roundings(4.0)  # a relative change of f that is taken for rounding,
# and by a search about to fail: f summed from a million terms loses about so much
LAST_ROUNDING = TwoPrecisions(1e-10, 1e-5)


@inlined
def evaluate(fun_grad, x, d, alpha, xt, gt, control, data):
    """(phi(alpha), phi'(alpha)); xt and gt hold the point and its gradient."""
    axpy(alpha, d, x, xt, control)
    ft = value_and_gradient(fun_grad, xt, gt, control, data)
    slope = dot(gt, d, control)
    values = control.values
    values[TRIAL_ALPHA], values[TRIAL_F], values[TRIAL_SLOPE] = alpha, ft, slope
    return ft, slope


@loop
def evaluate_value(fun, x, d, alpha, xt, control, data):
    """phi(alpha); xt holds the point."""
    axpy(alpha, d, x, xt, control)
    ft = value(fun, xt, control, data)
    values = control.values
    values[TRIAL_ALPHA], values[TRIAL_F], values[TRIAL_SLOPE] = alpha, ft, math.nan
    return ft


@inlined
def is_finite(ft, slope):
    """May this trial point be used in a bracket?"""
    return math.isfinite(ft) and math.isfinite(slope)


@inlined
def wolfe(alpha, ft, st, f, slope, roof, approximate, options):
    """The Wolfe conditions T1 or, where they hold sway, the approximate ones T2 (see hager_zhang). nan fails both."""
    if not options.c2 * slope <= st < math.inf:
        return False
    if ft - f <= options.c1 * alpha * slope:  # a difference, so that no null step passes by rounding
        return True
    return approximate and ft <= roof and (2.0 * options.c1 - 1.0) * slope >= st


@leaf
def resolution(f, memory, options):
    """Changes of f up to this size may be noise: eps_k of hager_zhang where its T2 holds sway, else rounding."""
    return options.noise * memory[C] if memory[APPROXIMATE] != 0.0 else ROUNDING * abs(f)


@leaf
def rise(c, ft, st, f, a, a_rise, a_slope, decrease, noise):
    """phi(c) - phi(0), given that of the best point a so far, and the decrease < 0 that is asked for.

    Where the change from a and that decrease are both noise, the slopes tell the change, by the trapezoid rule, unless
    they tell more than noise: then the curvature varies too much for that rule. From a = 0, `rise <= c1 c phi'(0)` then
    means phi'(c) <= (2 c1 - 1) phi'(0), which is T2 of hager_zhang.
    """
    change = 0.5 * (c - a) * (a_slope + st)
    if abs(ft - f - a_rise) <= noise and -decrease <= noise and abs(change) <= 2.0 * noise:
        return a_rise + change
    return ft - f


@leaf
def strong_wolfe(rise, decrease, st, slope, options):
    """Sufficient decrease and |phi'(alpha)| <= c2 |phi'(0)|. nan fails."""
    return rise <= decrease and abs(st) <= -options.c2 * slope


@inlined
def secant(a, sa, b, sb):
    """Zero of the line through the slopes at a and b; nan where they are equal."""
    return (a * sb - b * sa) / (sb - sa)


@leaf
def cubic(width, rise, sa, sb):
    """Minimizer of the cubic with slopes sa and sb at the ends of an interval in which it rises by `rise`.

    Returned as a fraction of the signed width; nan where there is none. Nocedal, Wright, eq. 3.59.
    """
    theta = sa + sb - 3.0 * rise / width
    size = max(abs(theta), max(abs(sa), abs(sb)))  # against overflow of the squares
    square = (theta / size) * (theta / size) - (sa / size) * (sb / size)
    if not square >= 0.0:
        return math.nan
    gamma = math.copysign(size * math.sqrt(square), width)
    return (gamma - sa + theta) / (gamma - sa + gamma + sb)


@seldom
def fall_back(fun_grad, x, f, slope, d, a, xt, gt, options, control, data):
    """A search without a step ends here: (alpha, ft) of the last trial, of a, the best so far, or (0, f).

    The last trial if it meets the weak Wolfe conditions, exactly or up to LAST_ROUNDING; else a if f is lower there.
    """
    values = control.values
    alpha, ft, st = values[TRIAL_ALPHA], values[TRIAL_F], values[TRIAL_SLOPE]
    if wolfe(alpha, ft, st, f, slope, f + LAST_ROUNDING * abs(f), True, options):
        return alpha, ft
    if a > 0.0 and not stopped(control):
        if alpha != a:
            ft, st = evaluate(fun_grad, x, d, a, xt, gt, control, data)
        if ft < f and is_finite(ft, st):
            return a, ft
    return 0.0, f
