"""What line searches remember from one iteration to the next, and the options that they share.

`memory` is a float64 vector that belongs to the run; the first N_MEMORY entries are the searches'. Every search has the
signature

    search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data) -> (alpha, ft)

with slope = g'd < 0. On return xt = x + alpha d, ft = f(xt), gt = grad f(xt); alpha = 0 is the only failure.
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined, leaf, seldom
from secondorder.linalg.vectors import dot

SEARCHES = 0  # line searches that found a step so far
F_LAST = 1  # f before the last step
ALPHA_LAST = 2
SLOPE_LAST = 3
Q = 4  # Hager and Zhang's weight and
C = 5  # running average of |f|
APPROXIMATE = 6  # 1: the approximate Wolfe conditions hold sway
SS = 7  # s's, s'y, y'y of the last step (kept for Barzilai-Borwein steps only)
SY = 8
YY = 9
AVERAGE_Q = 10  # Zhang and Hager's weight and
AVERAGE_F = 11  # average of f
CAUTIOUS = 12  # 1: the method's unit step may be much too long (see bfgs)
WINDOW = 13  # the last f's: MAX_WINDOW of them, in a ring
MAX_WINDOW = 20
N_MEMORY = WINDOW + MAX_WINDOW


class SearchOptions(NamedTuple):
    """Options of every line search; each search reads its own. [1] Nocedal, Wright, Numerical Optimization, 2nd ed.;
    [2] Hager, Zhang, CG_DESCENT, ACM TOMS 32 (2006) 113-137, doi:10.1145/1132973.1132979."""

    c1: float = 1e-4  # sufficient decrease, in (0, 1/2); [1, p. 33]. hager-zhang: delta of [2], which has 0.1
    c2: float = 0.9  # curvature, in (c1, 1): accept slopes >= c2 slope0 (strong: |slope| <= c2 |slope0|); [1, p. 34]
    max_trials: int = 50  # evaluations of one search; [2]
    alpha_max: float = math.inf  # longest step, > 0
    shrink_min: float = 0.1  # an interpolated step is kept in [shrink_min, shrink_max] alpha; [1, p. 58]
    shrink_max: float = 0.5  # likewise; in [shrink_min, 1)
    expand: float = 5.0  # rho of [2]: growth while no minimum is bracketed
    bisect: float = 0.5  # theta of [2]: where an interval is cut
    contract: float = 0.66  # gamma of [2]: an interval that shrinks less is cut
    noise: float = 1e-6  # epsilon of [2]: f may rise by noise * (average |f|) in the approximate conditions
    switch: float = 1e-3  # omega of [2]: |df| <= switch * (average |f|) turns to the approximate conditions
    forget: float = 0.7  # Delta of [2]: weight of the past in that average
    window: int = 10  # nonmonotone: f must be below the highest of the last `window`; Grippo et al. 1986
    average: float = 0.85  # nonmonotone-average: eta of Zhang and Hager 2004
    initial: int = 0  # the initial-step rule: a key of INITIAL_STEPS
    alpha: float = 1.0  # the step of the rule "constant"


@seldom
def forget(memory, f):
    """Start a run at f."""
    for i in range(N_MEMORY):
        memory[i] = 0.0
    memory[F_LAST] = f
    memory[Q] = 1.0
    memory[C] = abs(f)
    memory[AVERAGE_Q] = 1.0
    memory[AVERAGE_F] = f
    memory[WINDOW] = f


@inlined
def remember(memory, options, f, slope, alpha, ft):
    """A step alpha went from (f, slope) to ft."""
    memory[SEARCHES] += 1.0
    memory[F_LAST], memory[ALPHA_LAST], memory[SLOPE_LAST] = f, alpha, slope
    if abs(ft - f) <= options.switch * memory[C]:  # [2, p. 121]: for good
        memory[APPROXIMATE] = 1.0
    memory[Q] = 1.0 + options.forget * memory[Q]
    memory[C] += (abs(ft) - memory[C]) / memory[Q]
    weight = options.average * memory[AVERAGE_Q]
    memory[AVERAGE_Q] = weight + 1.0
    memory[AVERAGE_F] = (weight * memory[AVERAGE_F] + ft) / memory[AVERAGE_Q]
    memory[WINDOW + int(memory[SEARCHES]) % MAX_WINDOW] = ft


@leaf
def highest(memory, window):
    """The highest of the last `window` values of f."""
    k = int(memory[SEARCHES])
    top = memory[WINDOW + k % MAX_WINDOW]
    for j in range(1, min(window, k + 1)):
        top = max(top, memory[WINDOW + (k - j) % MAX_WINDOW])
    return top


@leaf
def remember_pair(memory, alpha, d, g, gt):
    """s's, s'y and y'y of the step s = alpha d, y = gt - g."""
    gd, gtd = dot(g, d), dot(gt, d)
    memory[SS] = alpha * alpha * dot(d, d)
    memory[SY] = alpha * (gtd - gd)
    memory[YY] = change2(g, gt)


@inlined
def change2(g, gt):
    """|gt - g|_2^2."""
    yy = 0.0
    for i in range(g.shape[0]):
        yy += (gt[i] - g[i]) ** 2
    return yy
