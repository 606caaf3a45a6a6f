r"""Armijo backtracking: from alpha0 downwards, with values of f only, until f has fallen enough.

With phi(alpha) = f(x + alpha d), a step is accepted when

    A1  phi(alpha) <= phi(0) + c1 alpha phi'(0),      or, where the decrease asked for is below the noise eps_k of f,
    A2  phi(alpha) <= phi(0) + eps_k   and   phi'(0) < phi'(alpha) <= (2 c1 - 1) phi'(0)        (cf. T2 of hager_zhang)

    1.  alpha = alpha0
    2.  phi(alpha); if it may be accepted, the gradient: accept
    3.  alpha <- minimizer of the quadratic through phi(0), phi'(0), phi(alpha), later of the cubic through the last two
        values, kept in [shrink_min, shrink_max] alpha; shrink_max alpha where phi is nan or infinite; back to 2

Cost: one value for each trial, and one gradient at the step taken.

Differs from [1]: A2; a point with a gradient that is not finite is left by going on with 3, ten times at most.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Algorithm 3.1, eqs. 3.57, 3.58.
[2] Armijo. Minimization of functions having Lipschitz continuous first partial derivatives. Pacific J. Math. 16 (1966)
    1-3. doi:10.2140/pjm.1966.16.1
"""

import math

from secondorder.control import F_MIN, stopped
from secondorder.jit import leaf, loop
from secondorder.line_searches.trial import evaluate, evaluate_value, is_finite, resolution

NEEDS_FUN = True

MAX_REFUSALS = 10  # points low enough that are left again because of their gradient


@leaf
def interpolated(alpha, rise, last, last_rise, slope, options):
    """Minimizer of the quadratic through the trial alpha, or of the cubic also through last > 0, within its bounds."""
    longest = options.shrink_max * alpha
    a, b = 0.0, (rise / alpha - slope) / alpha  # rise = slope alpha + b alpha^2 + a alpha^3
    if last > 0.0:
        a = (b - (last_rise / last - slope) / last) / (alpha - last)
        b -= a * alpha
    square = b * b - 3.0 * a * slope
    if not square >= 0.0:
        return longest
    denominator = b + math.sqrt(square)
    if not denominator * longest > -slope:
        return longest
    return max(-slope / denominator, options.shrink_min * alpha)


@leaf
def low_enough(alpha, ft, slope, reference, f, noise, options):
    """What A1 and A2 ask of the value, with `reference` in place of phi(0) in A1. nan fails."""
    decrease = options.c1 * alpha * slope
    return ft - reference <= decrease or (ft - f <= noise and -decrease <= noise)


@leaf
def accepted(alpha, ft, st, f, slope, reference, options):
    """A1 or what A2 asks of the slope. nan fails; so does a step too short to change f and the slope."""
    if ft - reference <= options.c1 * alpha * slope:
        return is_finite(ft, st) and (ft != f or st != slope)
    return slope < st <= (2.0 * options.c1 - 1.0) * slope


@loop
def backtrack(fun, fun_grad, x, f, slope, reference, d, alpha0, xt, gt, memory, options, control, data):
    """The first step that is sufficiently lower than `reference` >= f."""
    noise = resolution(f, memory, options)
    floor = control.values[F_MIN]
    alpha, last, last_rise = alpha0, 0.0, 0.0
    refusals = 0
    for _ in range(options.max_trials):
        if stopped(control) or not alpha > 0.0:
            break
        ft = evaluate_value(fun, x, d, alpha, xt, control, data)
        if ft <= floor or low_enough(alpha, ft, slope, reference, f, noise, options):
            if refusals > MAX_REFUSALS or stopped(control):
                break
            refusals += 1
            ft, st = evaluate(fun_grad, x, d, alpha, xt, gt, control, data)
            low = low_enough(alpha, ft, slope, reference, f, noise, options)
            if ft <= floor or (low and accepted(alpha, ft, st, f, slope, reference, options)):
                return alpha, ft
        shorter = options.shrink_max * alpha
        if math.isfinite(ft):
            shorter = interpolated(alpha, ft - f, last, last_rise, slope, options)
            last, last_rise = alpha, ft - f
        alpha = shorter
    return 0.0, f


def search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """An Armijo step along d; see `memory` for the contract of a search."""
    return backtrack(fun, fun_grad, x, f, slope, f, d, alpha0, xt, gt, memory, options, control, data)
