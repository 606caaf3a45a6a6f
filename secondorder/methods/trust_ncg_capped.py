r"""Trust-region Newton-CG with complexity guarantees: truncated conjugate gradients on a damped model.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  |g|_inf <= gtol: v, |v| = 1, and v'Hv by Lanczos from a random start (subproblems.eigenvalue_oracle);
        stop if v'Hv >= -eps_H / 2;   else s = -sgn(v'g) delta v                                           ([1])
    2.  else s from conjugate gradients on (H + 2 eps_H I) s = -g within |s| <= delta: a solution, a point of the
        boundary, or the boundary along a direction of curvature below -eps_H        (subproblems.damped_steihaug)
    3.  rho = (f(x) - f(x + s)) / pred, pred = -g's - s'Hs / 2;  x <- x + s if rho >= eta, else back with a smaller
        radius, along the path or the v that is there already: no products
    4.  delta follows rho (subproblems.radius)

It ends with |g|_inf <= gtol and, with a probability of at least 1 - failure, lambda_1 >= -eps_H; what was found of
lambda_1 is in result.oracle, as in newton-cg-capped. The damping bounds the steps of 2 by some min(n, sqrt(M / eps_H)
log(M / eps_H)), M = |H| ([1]).

Differs from [1]: eps_H = sqrt(gtol) would depend on the units of f and x. Here eps_H = eps_h M, M = max |Hp| / |p| over
the products of the last iteration. Radii follow the rule of all trust regions here, and begin with the Cauchy step. A
path of m steps that solved nothing yet is followed without asking Lanczos.

Cost of an iteration: a Hessian product for each CG step, f and g at each trial; at the end, min(n, m) products or
fewer, and 4 m^2 n operations. Memory: min(2 n, m) + 10 vectors of length n.

References
----------
[1] Curtis, Robinson, Royer, Wright. Trust-region Newton-CG with strong second-order complexity guarantees for nonconvex
    optimization. SIAM J. Optim. 31 (2021) 518-544. doi:10.1137/19M130563X
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, MAX_ITER, N_ITER, STOP, F, accept, left_saddle, stopped, stopping_test
from secondorder.jit import flattened
from secondorder.krylov.lanczos import memory_size
from secondorder.linalg.vectors import copy, dot, norm_inf, scale
from secondorder.methods.region import after_rejection, try_step
from secondorder.status import GTOL, MAXITER, RUNNING, Outcome
from secondorder.subproblems.damped_steihaug import damped_cg
from secondorder.subproblems.eigenvalue_oracle import (
    N_CERTIFICATE,
    least_eigenvalue,
    oracle_fields,
    withdraw,
)
from secondorder.subproblems.radius import LEAP, blind_radius, next_radius
from secondorder.subproblems.steihaug import N_PATH, path_in, walk

NEEDS = ("grad", "hvp")
SEARCH = None
N_VECTORS = 5


class Options(NamedTuple):
    """Options of the trust region with damped conjugate gradients."""

    m: int = 200  # most CG steps of an iteration, and of Lanczos, >= 1
    eps_h: float = 2.0**-13  # eps_H in units of |H|, in (0, 1); sqrt of the default grtol: eps_H = sqrt(gtol) in [1]
    zeta: float = 0.5  # accuracy of a solution, in (0, 1)
    failure: float = 1e-6  # probability of a wrong certificate, in (0, 1)
    oracle_seed: int = 0  # of the random start of Lanczos, >= 0
    delta0: float = 0.0  # first radius, >= 0; 0: the length of the Cauchy step
    delta_max: float = math.inf  # largest radius, > 0
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4)


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + N_CERTIFICATE + min(2 * n, options.m) + 1


def n_memory(n, options):
    """Length of `memory`."""
    return max(N_PATH * min(2 * n, options.m), memory_size(min(n, options.m)))


def result_fields(n, work, scale):
    """What this method adds to the result; f was multiplied by `scale`."""
    return oracle_fields(n, work, N_VECTORS, scale)


def solve(fun, fun_grad, hvp, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n, counts, values, m = x.shape[0], control.counts, control.values, min(2 * x.shape[0], options.m)
    g, gt, xt, s, r = work[0], work[1], work[2], work[3], work[4]
    certificate = flattened(work)[N_VECTORS * n : N_VECTORS * n + N_CERTIFICATE]
    rows = work[N_VECTORS + N_CERTIFICATE : N_VECTORS + N_CERTIFICATE + m + 1]
    path = path_in(memory, m)
    delta, rejections, oracles, curvature, size, eps, k = options.delta0, 0, 0, 0.0, 0.0, 0.0, 0
    f = values[F]
    reason = stopping_test(f, g, control)
    if n == 0:  # rows of no numbers have no room for a certificate
        return Outcome(reason, f, values[GNORM], counts[N_ITER])
    withdraw(certificate)
    while reason in (RUNNING, GTOL):
        along_v = reason == GTOL or (rejections > 0 and k == 0)
        if rejections == 0 and along_v:  # 1
            V = rows[: min(n, m) + 1]
            lowest = least_eigenvalue(hvp, x, V, options, oracles, r, memory, certificate, control, data)
            oracles, k, curvature = oracles + 1, 0, lowest.least
            if not lowest.least < -0.5 * options.eps_h * lowest.norm:
                break
            if stopped(control) or counts[N_ITER] >= counts[MAX_ITER]:
                reason = counts[STOP] if stopped(control) else MAXITER
                break
            if delta == 0.0:
                delta = blind_radius(math.sqrt(dot(g, g)), norm_inf(x), f)
        elif rejections == 0:  # 2
            found = damped_cg(
                hvp, x, f, g, delta, options.eps_h, options.zeta, size, rows[:m], path, r, rows[m], control, data
            )
            k, eps, size, delta = found.k, found.eps, found.size, found.delta
        if along_v:
            length = delta
            scale(math.copysign(delta, -dot(r, g)), r, s)
            pred = -dot(g, s) - 0.5 * curvature * delta * delta
        else:
            pred, length = walk(path, k, rows[:m], delta, s)
            pred += eps * length * length
        ft, slope, rho = try_step(fun_grad, x, f, g, s, pred, xt, gt, control, data)  # 3
        delta = next_radius(delta, length, rho, f, ft, slope, LEAP, options.delta_max)  # 4
        if rho >= options.eta:
            rejections = 0
            if along_v:
                left_saddle(norm_inf(gt), control)
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
            withdraw(certificate)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, pred, rejections, control)
    return Outcome(reason, f, values[GNORM], counts[N_ITER])
