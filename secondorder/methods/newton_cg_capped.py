r"""Newton-CG with capped conjugate gradients: second-order points, with a bound on the work.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  |g|_inf <= gtol: v, |v| = 1, and v'Hv by Lanczos from a random start (subproblems.eigenvalue_oracle);
        stop if v'Hv >= -eps_H / 2;   else d = -sgn(v'g) (|v'Hv| / L) v                                            ([1])
    2.  else d from capped conjugate gradients on (H + 2 eps_H I) d = -g: a solution, or a direction of curvature below
        -eps_H, then d <- -sgn(d'g) (|d'Hd| / |d|^2 / L) d / |d|                     (subproblems.capped_cg, [1] alg. 1)
    3.  x <- x + alpha d with the first alpha of 1, theta, theta^2, .. for which f falls by
        decrease / 6 L alpha^3 |d|^3, or by the part `decrease` of what the model of f says  (theta: `backtrack`)

Guarantee ([1], for a Lipschitz continuous Hessian and f bounded below, in exact arithmetic): it ends
with |g|_inf <= gtol and, with a probability of at least 1 - failure, lambda_1 >= -eps_H; after a number of iterations
of order max(gtol^-3 eps_H^3, eps_H^-3), each with products of order min(n, eps_H^{-1/2} log 1/eps_H). What was found of
lambda_1 is in result.oracle: `curvature`, the lowest Ritz value; `bound`, -eps_H; `failure`, the probability that
lambda_1 < bound in spite of it, 0 after n products; `products`. Where failure needs more than m products, they are not
made, and the `failure` there is larger than what was asked for, up to 1: then nothing is certified. If a run ends for
any other reason, curvature is nan, or the one that was found and could not be followed.

Differs from [1]: eps_H = sqrt(gtol) and L = 1 would depend on the units of f and x. Here eps_H = eps_h M, M = max |Hp|
/ |p| over the products of the last iteration, and eps_h = sqrt(grtol) for the default grtol. L, for the Lipschitz
constant of H, begins as M^2 / |g(x0)|, for which eps_H = sqrt(L gtol); after a step along negative curvature it
becomes L / alpha if alpha < 1, else L / RELAX. The second test of step 3 is added, for where L is too large. Steps
that f cannot judge any more are judged by slopes (methods.region). Where Hg is 0 or not finite, d = -(|x| / |g|) g.

Cost of an iteration: a product for each CG step, f and g at each trial; at the end, min(n, m) products or fewer, and
4 m^2 n operations. Memory: min(n, m) + 15 vectors of length n.

References
----------
[1] Royer, O'Neill, Wright. A Newton-CG algorithm with complexity guarantees for smooth unconstrained optimization.
    Math. Prog. 180 (2020) 451-488. doi:10.1007/s10107-019-01362-7
"""

import math
from typing import NamedTuple

from secondorder.control import (
    GNORM,
    MAX_ITER,
    N_ITER,
    START_GNORM,
    STOP,
    F,
    accept,
    left_saddle,
    stopped,
    stopping_test,
)
from secondorder.jit import flattened, leaf, loop
from secondorder.krylov.lanczos import memory_size
from secondorder.linalg.vectors import copy, dot, norm_inf, scale
from secondorder.methods.region import after_rejection, try_step
from secondorder.status import GTOL, MAXITER, RUNNING, Outcome
from secondorder.subproblems.capped_cg import CURVATURE, STEEPEST, capped_cg
from secondorder.subproblems.eigenvalue_oracle import (
    N_CERTIFICATE,
    least_eigenvalue,
    oracle_fields,
    withdraw,
)
from secondorder.subproblems.radius import blind_radius

NEEDS = ("grad", "hvp")
SEARCH = None
N_VECTORS = 10
RELAX = 8.0  # L / RELAX after a full step along negative curvature: it may have been too short


class Options(NamedTuple):
    """Options of Newton-CG with capped conjugate gradients."""

    eps_h: float = 2.0**-13  # eps_H in units of |H|, in (0, 1); sqrt of the default grtol: eps_H = sqrt(gtol) in [1]
    zeta: float = 0.5  # accuracy of a solution, in (0, 1); [1] algorithm 1
    backtrack: float = 0.5  # theta of the search, in (0, 1); [1]
    decrease: float = 0.2  # eta of the search in [1], in (0, 1)
    failure: float = 1e-6  # delta of [1]: probability of a wrong certificate, in (0, 1)
    oracle_seed: int = 0  # of the random start of Lanczos, >= 0
    m: int = 300  # most Lanczos steps, >= 1; a bound on memory


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + N_CERTIFICATE + min(n, options.m) + 1


def n_memory(n, options):
    """Length of `memory`."""
    return memory_size(min(n, options.m))


def result_fields(n, work, scale):
    """What this method adds to the result; f was multiplied by `scale`."""
    return oracle_fields(n, work, N_VECTORS, scale)


class Plan(NamedTuple):
    """A step to try: its d'Hd, L, and whether d is a direction of negative curvature."""

    dhd: float
    L: float
    negative: bool


@leaf
def curvature_step(d, g, dhd, L, x, f):
    """d <- a step along +-d as long as its curvature says. Returns its Plan."""
    dd = dot(d, d)
    curvature = abs(dhd) / dd
    length = curvature / L if L > 0.0 else 0.0
    if not 0.0 < length < math.inf:
        length = blind_radius(math.sqrt(dot(g, g)), norm_inf(x), f)
    scale(math.copysign(length / math.sqrt(dd), -dot(d, g)), d, d)
    return Plan(-curvature * length * length, curvature / length, True)


@loop
def find_direction(hvp, x, f, g, options, size, L, y, r, p, bp, last, d, control, data):
    """Step 2. Returns (Plan, M); an L of 0 becomes M^2 / |g(x0)|."""
    found = capped_cg(hvp, x, g, options.eps_h, options.zeta, size, y, r, p, bp, last, d, control, data)
    if L == 0.0 and found.kind != STEEPEST:
        L = found.size * found.size / control.values[START_GNORM]
    if found.kind == CURVATURE:
        return curvature_step(d, g, found.dhd, L, x, f), found.size
    if found.kind == STEEPEST:
        gnorm = math.sqrt(dot(g, g))
        scale(blind_radius(gnorm, norm_inf(x), f) / gnorm, d, d)
    return Plan(found.dhd, L, False), found.size


def solve(fun, fun_grad, hvp, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n, counts, values = x.shape[0], control.counts, control.values
    g, gt, xt, s, d = work[0], work[1], work[2], work[3], work[4]
    y, r, p, bp, last = work[5], work[6], work[7], work[8], work[9]
    certificate = flattened(work)[N_VECTORS * n : N_VECTORS * n + N_CERTIFICATE]
    V = work[N_VECTORS + N_CERTIFICATE : N_VECTORS + N_CERTIFICATE + min(n, options.m) + 1]
    size, L, rejections, oracles, alpha = 0.0, 0.0, 0, 0, 1.0
    plan = Plan(0.0, 0.0, False)
    f = values[F]
    reason = stopping_test(f, g, control)
    if n == 0:  # rows of no numbers have no room for a certificate
        return Outcome(reason, f, values[GNORM], counts[N_ITER])
    withdraw(certificate)
    while reason in (RUNNING, GTOL):
        if rejections == 0 and reason == GTOL:  # 1
            found = least_eigenvalue(hvp, x, V, options, oracles, d, memory, certificate, control, data)
            oracles += 1
            if not found.least < -0.5 * options.eps_h * found.norm:
                break
            if stopped(control) or counts[N_ITER] >= counts[MAX_ITER]:
                reason = counts[STOP] if stopped(control) else MAXITER
                break
            plan = curvature_step(d, g, found.least, L, x, f)
        elif rejections == 0:  # 2
            plan, size = find_direction(hvp, x, f, g, options, size, L, y, r, p, bp, last, d, control, data)
        alpha = 1.0 if rejections == 0 else options.backtrack * alpha
        L = plan.L
        scale(alpha, d, s)  # 3
        dd, slope = dot(d, d), dot(g, d)
        pred = -alpha * (slope + 0.5 * alpha * plan.dhd)
        ft, slope, rho = try_step(fun_grad, x, f, g, s, pred, xt, gt, control, data)
        cubic = plan.L * (alpha * alpha * alpha) * (dd * math.sqrt(dd)) / 6.0
        if rho >= options.decrease or rho * pred >= options.decrease * cubic:
            rejections = 0
            if certificate[3] > 0.0:  # along the direction of the oracle
                left_saddle(norm_inf(gt), control)
            if plan.negative:
                L /= alpha if alpha < 1.0 else RELAX
            f = accept(x, f, xt, ft, alpha, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
            withdraw(certificate)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, pred, rejections, control)
    return Outcome(reason, f, values[GNORM], counts[N_ITER])
