r"""Strong Wolfe search by bracket and zoom.

With phi(alpha) = f(x + alpha d), a step is accepted when

    phi(alpha) <= phi(0) + c1 alpha phi'(0)   and   |phi'(alpha)| <= c2 |phi'(0)|.

    1.  lo = 0; hi = infinity; c = alpha0
    2.  phi(c), phi'(c): accept
    3.  hi = c                           if phi(c) is too high, above phi(lo), nan or infinite
        hi = lo if phi'(c) (hi - lo) >= 0;  lo = c      otherwise
    4.  c = zero of the secant of phi' through the last two points, between NEAREST c and expand c, while hi is infinite
        c = minimizer of the cubic through lo and hi, kept off the ends by GUARD |hi - lo|; bisection where there is
            none, or where the last cut left more than contract |hi - lo|
    5.  back to 2

lo has the lowest phi of all points with sufficient decrease; a minimum lies between lo and hi, in either order.

Differs from [1]: algorithms 3.5 and 3.6 are one loop with one evaluation; step 2 comes first; where phi(c) = phi(lo)
the slope decides; a point where f is not finite counts as infinitely high; where f can't tell two points apart, the
slopes do (`trial.rise`); without such a step after max_trials, the last trial if it meets the weak (approximate) Wolfe
conditions, else lo. The book leaves open how c grows: the secant is exact where phi is a quadratic.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Algorithms 3.5, 3.6.
"""

import math

from secondorder.control import F_MIN, stopped
from secondorder.jit import leaf
from secondorder.line_searches.trial import (
    cubic,
    evaluate,
    fall_back,
    is_finite,
    resolution,
    rise,
    secant,
    strong_wolfe,
)

NEEDS_FUN = False

GUARD = 0.1  # part of the interval that an interpolated point keeps off its ends; [1, p. 58]
NEAREST = 1.1  # an extrapolated step is at least so many times the last one


@leaf
def extrapolated(last, last_slope, lo, lo_slope, options):
    """A point beyond lo, where phi still falls."""
    c = secant(last, last_slope, lo, lo_slope)
    farthest = min(options.expand * lo, options.alpha_max)
    if lo_slope > last_slope and c < farthest:
        return max(c, min(NEAREST * lo, farthest))
    return farthest


@leaf
def zoomed(lo, lo_rise, lo_slope, hi, hi_rise, hi_slope, last_width, options):
    """A point between lo and hi."""
    width = hi - lo
    part = cubic(width, hi_rise - lo_rise, lo_slope, hi_slope)
    if 0.0 < part < 1.0 and abs(width) <= options.contract * last_width:
        return lo + max(GUARD, min(part, 1.0 - GUARD)) * width
    if lo == 0.0 and not is_finite(hi_rise, hi_slope):  # perhaps by orders of magnitude too long
        return options.shrink_min * hi
    return lo + options.bisect * width


def search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """A strong Wolfe step along d; see `memory` for the contract of a search."""
    lo, lo_rise, lo_slope = 0.0, 0.0, slope
    hi, hi_rise, hi_slope = math.inf, math.inf, math.inf
    last, last_slope = lo, lo_slope  # lo before it moved
    c, width = alpha0, math.inf
    noise = resolution(f, memory, options)
    for _ in range(options.max_trials):
        if stopped(control):
            return 0.0, f
        ft, st = evaluate(fun_grad, x, d, c, xt, gt, control, data)
        decrease = options.c1 * c * slope
        ct = rise(c, ft, st, f, lo, lo_rise, lo_slope, decrease, noise)
        if ft <= control.values[F_MIN] or strong_wolfe(ct, decrease, st, slope, options):
            return c, ft
        if is_finite(ft, st) and ct <= decrease and ct <= lo_rise:
            if st * (hi - lo) >= 0.0:
                hi, hi_rise, hi_slope = lo, lo_rise, lo_slope
            last, last_slope = lo, lo_slope
            lo, lo_rise, lo_slope = c, ct, st
        else:
            hi, hi_rise, hi_slope = c, ct, st
        last_width, width = width, abs(hi - lo)
        if hi == math.inf:
            c = extrapolated(last, last_slope, lo, lo_slope, options)
        else:
            c = zoomed(lo, lo_rise, lo_slope, hi, hi_rise, hi_slope, last_width, options)
        if not min(lo, hi) < c < max(lo, hi):
            break
    return fall_back(fun_grad, x, f, slope, d, lo, xt, gt, options, control, data)
