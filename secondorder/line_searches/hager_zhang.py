r"""Hager-Zhang: a bracket on the slope, cut by secants, ended by the Wolfe or the approximate Wolfe conditions.

With phi(alpha) = f(x + alpha d), a step is accepted when

    T1  phi(alpha) <= phi(0) + c1 alpha phi'(0)   and   phi'(alpha) >= c2 phi'(0),      or
    T2  phi(alpha) <= phi(0) + eps_k   and   (2 c1 - 1) phi'(0) >= phi'(alpha) >= c2 phi'(0).

T2 is T1 for a quadratic phi, but written with slopes, which keep their digits where the difference of two values of f
has lost them: that is why this search reaches gradients near machine precision. eps_k = noise * (average |f|).

The bracket [a, b] keeps   phi'(a) < 0, phi(a) <= phi(0) + eps_k;   phi'(b) >= 0, or phi(b) too high ("high") to cut:

    1.  c = alpha0, shrunk until f and the slope are finite
    2.  B1-B3: while phi'(c) < 0 and phi(c) is not too high: a = c, c = expand c
    3.  until accepted:  c = bisection      if b is high                    (U3)
                         c = secant(a, b)                                   (S1)
                         c = second secant, through the two last values at the end that moved   (S2, S3)
                         c = bisection      if the two have not cut the interval by `contract`  (L2)
        and c replaces a or b                                               (U1, U2)

Differs from [1]: one loop with one evaluation in place of the nested procedures; after max_trials the best left end is
taken if it lies below f.

References
----------
[1] Hager, Zhang. A new conjugate gradient method with guaranteed descent and an efficient line search.
    SIAM J. Optim. 16 (2005) 170-192. doi:10.1137/030601880. Section 4.
[2] Hager, Zhang. Algorithm 851: CG_DESCENT. ACM TOMS 32 (2006) 113-137. doi:10.1145/1132973.1132979
"""

import math

from secondorder.control import F_MIN, stopped
from secondorder.line_searches.memory import APPROXIMATE, C
from secondorder.line_searches.trial import evaluate, is_finite, secant, wolfe

NEEDS_FUN = False  # values come with gradients

# What the next trial point of step 3 is.
SECANT, SECOND_SECANT, BISECTION = 0, 1, 2


def search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """A Wolfe step along d; see `memory` for the contract of a search."""
    roof = f + options.noise * memory[C]
    approximate = memory[APPROXIMATE] != 0.0
    floor = control.values[F_MIN]

    # 1. the first trial
    c = alpha0
    ft, st = evaluate(fun_grad, x, d, c, xt, gt, control, data)
    trials = 1
    while (not is_finite(ft, st) and ft > floor) or math.isnan(ft):
        c *= options.shrink_min
        if trials >= options.max_trials or stopped(control):
            return 0.0, f
        ft, st = evaluate(fun_grad, x, d, c, xt, gt, control, data)
        trials += 1

    # 2. a bracket
    a, fa, sa = 0.0, f, slope
    b, sb, high = 0.0, 0.0, False
    ceiling = options.alpha_max  # the shortest step found to be out of the domain
    while True:
        if ft <= floor or wolfe(c, ft, st, f, slope, roof, approximate, options):
            return c, ft
        if trials >= options.max_trials or stopped(control):
            break
        if is_finite(ft, st):
            if st >= 0.0:
                b, sb, high = c, st, False
                break
            if not ft <= roof:
                b, sb, high = c, st, True
                break
            a, fa, sa = c, ft, st
            c = min(options.expand * c, 0.5 * (c + ceiling))
        else:
            ceiling = c
            c = a + options.shrink_min * (c - a)
        if not c > a:
            break
        ft, st = evaluate(fun_grad, x, d, c, xt, gt, control, data)
        trials += 1

    # 3. cuts
    move = SECANT
    width = b - a
    last, slast = 0.0, 0.0  # the end that moved last, before it moved
    while b > a and trials < options.max_trials and not stopped(control):
        if high or move == BISECTION:
            c = (1.0 - options.bisect) * a + options.bisect * b
            move = SECANT
            width = b - a
        elif move == SECANT:
            c = secant(a, sa, b, sb)
            width = b - a
            move = SECOND_SECANT
        else:
            end, send = (a, sa) if last < a else (b, sb)
            c = secant(last, slast, end, send)
            move = BISECTION if b - a > options.contract * width else SECANT
            if not a < c < b:
                continue
        if not a < c < b:
            c = (1.0 - options.bisect) * a + options.bisect * b
            if not a < c < b:
                break
        ft, st = evaluate(fun_grad, x, d, c, xt, gt, control, data)
        trials += 1
        if ft <= floor or wolfe(c, ft, st, f, slope, roof, approximate, options):
            return c, ft
        if st >= 0.0 and is_finite(ft, st):
            last, slast = b, sb
            b, sb, high = c, st, False
        elif ft <= roof and is_finite(ft, st):
            last, slast = a, sa
            a, fa, sa = c, ft, st
        else:
            b, sb, high = c, st, True

    # the best left end, if it is a descent at all
    if a > 0.0 and fa < f and not stopped(control):
        ft, st = evaluate(fun_grad, x, d, a, xt, gt, control, data)
        if ft <= fa:
            return a, ft
    return 0.0, f
