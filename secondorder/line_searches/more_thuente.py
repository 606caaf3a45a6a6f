r"""More-Thuente: a strong Wolfe step, from an interval that is known to hold one.

With phi(alpha) = f(x + alpha d), a step is accepted when

    phi(alpha) <= phi(0) + c1 alpha phi'(0)   and   |phi'(alpha)| <= c2 |phi'(0)|.

    1.  a = 0, the best point so far; b = infinity, the other end; c = alpha0
    2.  phi(c), phi'(c): accept
    3.  next trial from cubics, a quadratic and a secant through a, b, c: four cases            ([1] section 4)
    4.  a, b updated by c                                                                       ([1] section 2)
    5.  the trial is the midpoint if two rounds have not cut |b - a| by SHRINK; while b is infinite, it lies beyond c by
        between 1.1 and 4 times c - a                                                           ([1] section 4)
    6.  back to 2

Until a point has phi below the line of sufficient decrease and a slope >= 0, steps 3 and 4 work on
psi(alpha) = phi(alpha) - phi(0) - c1 alpha phi'(0) wherever c lies above that line but not above phi(a).   ([1] sec. 3)

Differs from [1]: a trial where f is not finite becomes b, infinitely high; where f can't tell two points apart, the
slopes do (`trial.rise`); without such a step after max_trials, the last trial if it meets the weak (approximate) Wolfe
conditions, else a.

References
----------
[1] More, Thuente. Line search algorithms with guaranteed sufficient decrease. ACM TOMS 20 (1994) 286-307.
    doi:10.1145/192115.192132
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
from secondorder.precision import TwoPrecisions

NEEDS_FUN = False

SHRINK = 0.66  # delta of [1]: also the part of the way to b that case 3 may go
EXTRAPOLATE_MIN, EXTRAPOLATE_MAX = 1.1, 4.0  # [1] p. 291
WIDTH = TwoPrecisions(1e-14, 5e-6)  # relative width of an interval that is not cut further


@leaf
def next_trial(a, fa, sa, b, fb, sb, c, fc, sc, lower, upper):
    """The four cases of [1] section 4. While b is infinite, lower and upper bound the trial."""
    w = c - a
    if fc > fa:  # 1: higher
        near = cubic(w, fc - fa, sa, sc) * w
        quadratic = 0.5 * sa / (sa - (fc - fa) / w) * w
        return a + (near if abs(near) < abs(quadratic) else 0.5 * (near + quadratic))
    line = secant(a, sa, c, sc)
    trial = c - cubic(-w, fa - fc, sc, sa) * w
    if math.copysign(1.0, sa) * sc < 0.0:  # 2: lower, slope of the other sign
        return trial if abs(trial - c) > abs(line - c) else line
    if abs(sc) < abs(sa):  # 3: lower, slope of the same sign and smaller
        if not (trial - c) * w > 0.0:
            trial = upper if w > 0.0 else lower
        bracketed = b < math.inf
        if (abs(trial - c) < abs(line - c)) != bracketed:  # the nearer one in a bracket, else the farther one
            trial = line
        if not bracketed:
            return max(lower, min(upper, trial))
        end = c + SHRINK * (b - c)
        return min(end, trial) if w > 0.0 else max(end, trial)
    if b < math.inf:  # 4: lower, slope of the same sign, not smaller
        return c + cubic(b - c, fb - fc, sc, sb) * (b - c)
    return upper


def search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """A strong Wolfe step along d; see `memory` for the contract of a search."""
    a, fa, sa = 0.0, 0.0, slope  # values of f are counted from phi(0)
    b, fb, sb = math.inf, 0.0, 0.0
    lower, upper = 0.0, (1.0 + EXTRAPOLATE_MAX) * alpha0
    width, width_before = math.inf, math.inf
    first_stage = True
    c = alpha0
    noise = resolution(f, memory, options)
    for _ in range(options.max_trials):
        if stopped(control):
            return 0.0, f
        ft, sc = evaluate(fun_grad, x, d, c, xt, gt, control, data)
        decrease = options.c1 * c * slope
        fc = rise(c, ft, sc, f, a, fa, sa, decrease, noise)
        if ft <= control.values[F_MIN] or strong_wolfe(fc, decrease, sc, slope, options):
            return c, ft

        if is_finite(ft, sc):
            low = fc <= decrease
            first_stage = first_stage and not (low and sc >= 0.0)
            tilt = options.c1 * slope if first_stage and fc <= fa and not low else 0.0  # psi or phi
            pa, pc, qa, qc = fa - tilt * a, fc - tilt * c, sa - tilt, sc - tilt
            trial = next_trial(a, pa, qa, b, fb - tilt * b, sb - tilt, c, pc, qc, lower, upper)
            if pc > pa:
                b, fb, sb = c, fc, sc
            else:
                if math.copysign(1.0, qa) * qc < 0.0:
                    b, fb, sb = a, fa, sa
                a, fa, sa = c, fc, sc
        else:
            b, fb, sb = c, math.inf, math.inf
            trial = a + (options.shrink_min if a == 0.0 else options.bisect) * (b - a)

        if b < math.inf:
            lower, upper = min(a, b), max(a, b)
            if upper - lower >= SHRINK * width_before or not lower < trial < upper:
                trial = a + 0.5 * (b - a)
            width_before, width = width, upper - lower
        else:
            trial = min(trial, options.alpha_max)
            lower, upper = trial + EXTRAPOLATE_MIN * (trial - a), trial + EXTRAPOLATE_MAX * (trial - a)
        if trial == c or not width > WIDTH * upper:
            break
        c = trial
    return fall_back(fun_grad, x, f, slope, d, a, xt, gt, options, control, data)
