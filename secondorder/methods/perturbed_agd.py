r"""Perturbed accelerated gradient descent: momentum, negative curvature exploitation, noise at the end.

Minimise f: R^n -> R. With g = grad f(x), v the last step, k the steps since momentum was forgotten:

    1.  |g|_inf <= gtol: steps with momentum from x + xi, xi uniform in a ball of 2^-13 |x| or more; if they lead below
        what a convex f can have, x <- that point; else stop                      (subproblems.perturbation)
    2.  y = x + k / (k + 3) v                                                                    ([2])
    3.  f(x) < f(y) + grad f(y)'(x - y), and by more than rounding, and slopes agree: f is not convex between them.
        x <- the lower of x + v and x - v if that is lower than x, v doubled while f falls; momentum is forgotten
                                                                                                 (NCE of [1])
    4.  else x+ = y - grad f(y) / L, L doubled until f(x+) <= f(y) - 0.4 |grad f(y)|^2 / L, or, where that is next to
        nothing of f, |change of grad f| <= L |x+ - y|;   v = x+ - x
    5.  momentum is forgotten where v leads up, v'grad f(y) > 0 ([3]), or is longer than delta_max

Differs from [1]: its constants follow from bounds on the derivatives of f, which nobody knows. Here L is found by 4
and falls between steps; the momentum of 2 needs no condition number; 3 asks for no more than f proves, and steps
as far as the last step went, and on; noise, at the end only, is forgotten where it does not help.

Cost of an iteration: f and g twice, and at each L that is too small; at the end up to `patience` f and g. Memory: 9
vectors of length n.

References
----------
[1] Jin, Netrapalli, Jordan. Accelerated gradient descent escapes saddle points faster than gradient descent. COLT 2018.
[2] Nesterov. A method for solving the convex programming problem with convergence rate O(1/k^2). Soviet Math. Dokl. 27
    (1983) 372-376.
[3] O'Donoghue, Candes. Adaptive restart for accelerated gradient schemes. Found. Comput. Math. 15 (2015) 715-732.
    doi:10.1007/s10208-013-9150-3
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, START_GNORM, STOP, F, accept, stopped, stopping_test, value_and_gradient
from secondorder.jit import leaf, loop
from secondorder.linalg.vectors import axpby, axpy, copy, distance2, dot, norm_inf, scale
from secondorder.methods.region import after_rejection, try_step
from secondorder.methods.step import RESOLUTION, stall_reason
from secondorder.status import GTOL, RUNNING, Outcome
from secondorder.subproblems.departure import farther, trial
from secondorder.subproblems.perturbation import N_ROWS, leave_end
from secondorder.subproblems.radius import blind_radius

NEEDS = ("grad",)
PERTURBS = True  # its end is tried by noise: more evaluations; result.nescape
SEARCH = None
MOMENTUM = 0.9  # of the steps at the end

RELAX = 1.05  # L may have been that of a place left behind
LEAP, FLAT = 8.0, 2.0**-13  # the same where the gradient changed by less than this part of it
ENOUGH = 0.4  # of |grad f(y)|^2 / L; 1/2 in [1], momentum is stable from 1/3 on
BY_SLOPES = 2.0**-30  # of f: changes of less may have lost their digits,
SMALL = 1e-4  # where |g| <= this |g(x0)|
IDLE = 100  # steps judged so without a smaller gradient: rounding
MOST = 64.0  # far out the gradient may be anything


class Options(NamedTuple):
    """Options of perturbed accelerated gradient descent."""

    patience: int = 500  # gradient steps that noise gets at the end, >= 0
    noise_seed: int = 0  # of all noise, >= 0
    delta0: float = 0.0  # length of the first step, >= 0; 0: |x|
    delta_max: float = math.inf  # longest step, > 0


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_ROWS + 3


def n_memory(n, options):
    """Length of `memory`."""
    return 1


@loop
def look_ahead(fun_grad, x, f, g, v, k, y, gy, control, data):
    """Step 2: y and gy, the gradient there. Returns f(y)."""
    if k == 0:
        copy(x, y)
        copy(g, gy)
        return f
    axpy(k / (k + 3.0), v, x, y)
    return value_and_gradient(fun_grad, y, gy, control, data)


@loop
def exploit(fun_grad, x, f, v, xt, gt, control, data):
    """(alpha, f) of the lower of x + v and x - v, doubled while f falls, left in xt, gt; alpha 0: neither is lower."""
    ahead = trial(fun_grad, x, 1.0, v, xt, gt, control, data)
    back = math.inf if stopped(control) else trial(fun_grad, x, -1.0, v, xt, gt, control, data)
    if not (ahead < f or back < f):
        return 0.0, f
    alpha, ft = (-1.0, back) if back < f and not ahead < back else (1.0, ahead)
    alpha, ft = farther(fun_grad, x, alpha, ft, v, xt, gt, control, data)
    return alpha, trial(fun_grad, x, alpha, v, xt, gt, control, data)  # the last trial was a higher point


@loop
def leave_by_momentum(fun_grad, x, f, g, v, xt, gt, control, data):
    """Step 3: x, g <- a lower point along v, if there is one. (reason, f)."""
    alpha, ft = exploit(fun_grad, x, f, v, xt, gt, control, data)
    if alpha == 0.0:
        return (control.counts[STOP] if stopped(control) else RUNNING), f
    f = accept(x, f, xt, ft, abs(alpha), math.copysign(1.0, alpha) * dot(g, v), control)
    copy(gt, g)
    return stopping_test(f, g, control), f


@leaf
def not_convex(x, f, g, y, fy, gy):
    """Is f(x) clearly below the tangent at y? Slopes, which keep their digits for longer, have to say so too."""
    tangent, change = fy, 0.0
    for i in range(x.shape[0]):
        s = x[i] - y[i]
        tangent += gy[i] * s
        change += (g[i] - gy[i]) * s
    return change < 0.0 and f < tangent - RESOLUTION * max(abs(f), abs(fy))


@leaf
def judged_by_slopes(fy, ft, control):
    """Near the end, where f changes by little of itself, gradients judge a step."""
    values = control.values
    return abs(ft - fy) <= BY_SLOPES * abs(fy) and values[GNORM] <= SMALL * values[START_GNORM]


@leaf
def long_enough(L, gnorm, x, f, options):
    """L, found at first from the length of the first step; no step is longer than delta_max."""
    if L == 0.0:
        L = gnorm / (options.delta0 if options.delta0 > 0.0 else blind_radius(gnorm, norm_inf(x), f))
    return max(L, gnorm / options.delta_max)


@leaf
def smaller(L, gy, gt):
    """L after a step that did: somewhat less, or much less where there was hardly any curvature."""
    return L / (LEAP if distance2(gy, gt) <= FLAT * FLAT * dot(gy, gy) else RELAX)


@leaf
def larger(L, s, g, gt):
    """L after a step s that did not do: what the gradients say, between 2 and MOST times as much."""
    met = math.sqrt(distance2(g, gt) / dot(s, s))
    return min(met, MOST * L) if 2.0 * L < met < math.inf else 2.0 * L


def solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    counts, values = control.counts, control.values
    g, xt, gt, s, y, gy, v = work[0], work[1], work[2], work[3], work[6], work[7], work[8]
    k, rejections, ends, idle, L, before, fy, least = 0, 0, 0, 0, 0.0, 0.0, 0.0, math.inf
    f = values[F]
    reason = stopping_test(f, g, control)
    while reason in (RUNNING, GTOL):
        if reason == GTOL:  # 1
            reason = leave_end(
                fun_grad, x, f, options.patience, MOMENTUM, options.noise_seed, ends, work, control, data
            )
            ends += 1
            if reason != RUNNING:
                break
            k, f = 0, values[F]
            copy(gt, g)
            reason = stopping_test(f, g, control)
            continue
        if rejections == 0:  # 2
            fy = look_ahead(fun_grad, x, f, g, v, k, y, gy, control, data)
            if stopped(control):
                reason = counts[STOP]
                break
            finite = math.isfinite(fy) and math.isfinite(norm_inf(gy))
            if k > 0 and (not finite or not_convex(x, f, g, y, fy, gy)):  # 3
                k = 0
                if finite:
                    reason, f = leave_by_momentum(fun_grad, x, f, g, v, xt, gt, control, data)
                continue
        gnorm = math.sqrt(dot(gy, gy))
        L = long_enough(L, gnorm, x, f, options)
        scale(-1.0 / L, gy, s)  # 4
        pred = gnorm * gnorm / L
        ft, slope, rho = try_step(fun_grad, y, fy, gy, s, pred, xt, gt, control, data)
        if rejections == 0:
            before = L
        by_slopes = judged_by_slopes(fy, ft, control)
        if (by_slopes and distance2(gy, gt) <= dot(gy, gy)) or (not by_slopes and rho >= ENOUGH):
            rejections = 0
            idle = idle + 1 if by_slopes and not dot(gt, gt) < least else 0
            least = min(least, dot(gt, gt))
            k = k + 1
            axpby(1.0, xt, -1.0, x, v)
            if dot(v, gy) > 0.0 or dot(v, v) > options.delta_max * options.delta_max:  # 5
                k = 0
            f = accept(x, f, xt, ft, 1.0 / L, slope, control)
            L = smaller(L, gy, gt)
            copy(gt, g)
            reason = stopping_test(f, g, control)
            if reason == RUNNING and idle > IDLE:
                reason = stall_reason(f, control)
        else:
            rejections += 1
            L = larger(L, s, gy, gt)
            reason = after_rejection(y, xt, fy, pred, rejections, control)
            if reason != RUNNING and k > 0 and not stopped(control):  # once more from x itself
                k, rejections, L, reason = 0, 0, before, RUNNING
    return Outcome(reason, f, values[GNORM], counts[N_ITER])
