r"""L-SR1: a trust region with the symmetric rank-one matrix of the last m steps, from gradients only.

Minimise f: R^n -> R. With g = grad f(x):

    1.  stop if |g|_inf <= gtol
    2.  B from the stored pairs (s_i, y_i), the oldest first: B_0 = gamma I, gamma = y'y / s'y of the newest with
        s'y > 0;   r = y_i - B s_i;   B <- B + r r' / s_i'r if |s_i'r| >= skip |s_i| |r|    (subproblems.limited_sr1)
    3.  s = argmin g's + s'Bs / 2 over |s| <= delta, to rounding, also where B is indefinite                     ([1])
    4.  y = grad f(x + s) - g;   rho = (f(x) - f(x + s)) / pred;   x <- x + s if rho >= eta       ([2] algorithm 6.2)
    5.  store (s, y) in place of the oldest pair, also after a rejected step
    6.  delta follows rho (subproblems.radius)

B is 0 for the first step. Where no step is accepted the pairs are forgotten, and one more is tried with gamma I
before giving up. B may be indefinite, as the Hessian may be: in a trust region that is no harm. The first radius is a
part of |x|.

Cost of an iteration: f and g once, some 3 m^2 n multiplications. Memory: 3 m + 6 vectors of length n.

References
----------
[1] Brust, Erway, Marcia. On solving L-SR1 trust-region subproblems. Comput. Optim. Appl. 66 (2017) 245-266.
    doi:10.1007/s10589-016-9868-3
[2] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 6.2.
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, N_SKIP, F, accept, stopping_test
from secondorder.linalg.vectors import copy, dot, norm_inf, scale
from secondorder.methods.region import after_rejection, may_restart, try_step
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.limited_sr1 import (
    build,
    decompose,
    forget,
    keep_scale,
    matrix_in,
    n_matrix_memory,
    remember,
    scale_of,
    step_within,
)
from secondorder.subproblems.radius import GROW, blind_radius, next_radius

NEEDS = ("grad",)
SEARCH = None
N_VECTORS = 5


class Options(NamedTuple):
    """Options of L-SR1."""

    m: int = 10  # pairs kept, >= 1; [1] has 5, which takes half as many evaluations again (PROBLEMS, 2026-11)
    skip: float = 1e-8  # a pair is left out of B if |s'r| < skip |s| |r|, in [0, 1); [2] (6.26)
    delta0: float = 0.0  # first radius, >= 0; 0: FIRST |x|, or what brings f to 0 along -g
    delta_max: float = math.inf  # largest radius, > 0
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4); [2] has less than 1e-3


FIRST = 0.3  # as the first trial of line searches


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + 3 * options.m + 1


def n_memory(n, options):
    """Length of `memory`."""
    return n_matrix_memory(options.m)


def solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    g, gt, xt, s, r = work[0], work[1], work[2], work[3], work[4]
    B = matrix_in(work[N_VECTORS:], memory, options.m)
    forget(B)
    delta, rejections, known, restarted = options.delta0, 0, False, False

    f = control.values[F]
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        if not known:
            gnorm = math.sqrt(dot(g, g))
            if delta == 0.0:
                delta = FIRST * blind_radius(gnorm, norm_inf(x), f)
            scale(-delta / gnorm, g, s)
            pred, length = delta * gnorm, delta
        else:
            control.counts[N_SKIP] += build(B, options.skip, r)  # 2
            k = decompose(B, g)
            pred, length = step_within(B, k, delta, s)  # 3
        ft, slope, rho = try_step(fun_grad, x, f, g, s, pred, xt, gt, control, data)  # 4
        known = remember(B, s, g, gt) or known  # 5
        delta = next_radius(delta, length, rho, f, ft, slope, GROW, options.delta_max)  # 6
        if rho >= options.eta:
            rejections, restarted = 0, False
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, pred, rejections, control)
            if may_restart(reason, restarted, control) and keep_scale(B):
                reason, restarted, rejections = RUNNING, True, 0
                delta = min(math.sqrt(dot(g, g)) / scale_of(B), options.delta_max)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
