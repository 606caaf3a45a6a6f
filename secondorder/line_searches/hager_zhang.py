r"""Hager-Zhang: a bracket on the slope, cut by secants, ended by the Wolfe or the approximate Wolfe conditions.

With phi(alpha) = f(x + alpha d), a step is accepted when

    T1  phi(alpha) <= phi(0) + c1 alpha phi'(0)   and   phi'(alpha) >= c2 phi'(0),      or
    T2  phi(alpha) <= phi(0) + eps_k   and   (2 c1 - 1) phi'(0) >= phi'(alpha) >= c2 phi'(0).

T2 is T1 for a quadratic phi, but written with slopes, which keep their digits where the difference of two values of f
has lost them: that is why this search reaches gradients near machine precision. eps_k = noise * (average |f|).

The bracket [a, b] keeps   phi'(a) < 0, phi(a) <= phi(0) + eps_k;   phi'(b) >= 0, or phi(b) too high ("high") to cut:

    1.  a = 0, b = infinity, c = alpha0
    2.  phi(c), phi'(c): accept
    3.  c replaces a or b                                                                       (U1, U2; B1, B2)
    4.  c = expand c                        while b is infinite                                 (B3)
        c = bisection                       if b is high                                        (U3)
        c = secant(a, b)                                                                        (S1)
        c = second secant, through the two last values at the end that moved                    (S2, S3)
        c = bisection                       if the two have not cut the interval by `contract`  (L2)
    5.  back to 2

Differs from [1]: one loop with one evaluation in place of the nested procedures; while b is infinite, a point where f
is not finite is a ceiling for c, and c goes back towards a by shrink_min; without a step after max_trials, the last
trial if it meets the weak (approximate) Wolfe conditions, else the best left end if it lies below f.

References
----------
[1] Hager, Zhang. A new conjugate gradient method with guaranteed descent and an efficient line search.
    SIAM J. Optim. 16 (2005) 170-192. doi:10.1137/030601880. Section 4.
[2] Hager, Zhang. Algorithm 851: CG_DESCENT. ACM TOMS 32 (2006) 113-137. doi:10.1145/1132973.1132979
"""

import math
from typing import NamedTuple

from secondorder.control import F_MIN, stopped
from secondorder.jit import leaf
from secondorder.line_searches.memory import APPROXIMATE, C
from secondorder.line_searches.trial import evaluate, fall_back, is_finite, secant, wolfe

NEEDS_FUN = False  # values come with gradients

# What the next cut is.
SECANT, SECOND_SECANT, BISECTION = 0, 1, 2


class Bracket(NamedTuple):
    """The two ends with their slopes."""

    a: float
    a_slope: float
    b: float
    b_slope: float
    high: bool  # b is an end because of its value
    last: float  # the end that moved last, before it moved
    last_slope: float


@leaf
def updated(bracket, c, ft, st, roof):
    """c replaces an end."""
    a, a_slope, b, b_slope, high, last, last_slope = bracket
    if st >= 0.0 and is_finite(ft, st):
        return Bracket(a, a_slope, c, st, False, b, b_slope)
    if ft <= roof and is_finite(ft, st):
        return Bracket(c, st, b, b_slope, high, a, a_slope)
    return Bracket(a, a_slope, c, st, True, last, last_slope)


@leaf
def cut(bracket, move, width, options):
    """(c, move, width): a point between the ends, the move after it, and the width before the last two secants."""
    a, a_slope, b, b_slope, high, last, last_slope = bracket
    if move == SECOND_SECANT and not high:
        end, end_slope = (a, a_slope) if last < a else (b, b_slope)
        c = secant(last, last_slope, end, end_slope)
        move = BISECTION if b - a > options.contract * width else SECANT
        if a < c < b:
            return c, move, width
    middle = (1.0 - options.bisect) * a + options.bisect * b
    if high or move == BISECTION:
        return middle, SECANT, b - a
    c = secant(a, a_slope, b, b_slope)
    return (c if a < c < b else middle), SECOND_SECANT, b - a


def search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """A Wolfe step along d; see `memory` for the contract of a search."""
    roof = f + options.noise * memory[C]
    approximate = memory[APPROXIMATE] != 0.0
    bracket = Bracket(0.0, slope, math.inf, math.inf, False, 0.0, slope)
    ceiling = options.alpha_max  # the shortest step found to be out of the domain
    c, move, width = alpha0, SECANT, math.inf
    for _ in range(options.max_trials):
        if stopped(control):
            return 0.0, f
        ft, st = evaluate(fun_grad, x, d, c, xt, gt, control, data)
        if ft <= control.values[F_MIN] or wolfe(c, ft, st, f, slope, roof, approximate, options):
            return c, ft
        if bracket.b < math.inf or is_finite(ft, st):
            bracket = updated(bracket, c, ft, st, roof)
            if bracket.b < math.inf:
                c, move, width = cut(bracket, move, width, options)
            else:
                c = min(options.expand * c, 0.5 * (c + ceiling))
        else:
            ceiling = c
            c = bracket.a + options.shrink_min * (c - bracket.a)
        if not bracket.a < c < bracket.b:
            break
    return fall_back(fun_grad, x, f, slope, d, bracket.a, xt, gt, options, control, data)
