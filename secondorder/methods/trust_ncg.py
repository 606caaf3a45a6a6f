r"""Trust region with truncated conjugate gradients (Steihaug, Toint), from Hessian products only.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x), P ~ H^{-1} a preconditioner (by default a diagonal
that learns from the products, subproblems.preconditioner), M = P^{-1}:

    1.  stop if |g|_inf <= gtol
    2.  s: conjugate gradients on H s = -g until |H s + g|_P <= eta_k |g|_P, or out of the region |s|_M <= delta, or
        along a direction p with p'Hp <= 0 to its boundary, or m steps are done          ([1]; eta_k: forcing)
    3.  rho = (f(x) - f(x + s)) / pred;  x <- x + s if rho >= eta, else back to 2 with a smaller radius, on the path
        that is there already: no products                                               ([2] algorithm 6.1.1)
    4.  delta follows rho (subproblems.radius), and M, so that the last step keeps its length

The first radius is the length of the Cauchy step.

Cost of an iteration: a Hessian product for each CG step, f and g at each trial. Memory: min(2 n, m) + 9 vectors of
length n.

References
----------
[1] Steihaug. The conjugate gradient method and trust regions in large scale optimization. SIAM J. Numer. Anal. 20
    (1983) 626-637. doi:10.1137/0720042
[2] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Chapter 6 and section 7.5.1.
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, stopping_test
from secondorder.linalg.vectors import copy, dot, norm_inf
from secondorder.methods.region import after_rejection, try_step
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.forcing import FORCINGS, ROOT, forcing_term, residual_goal
from secondorder.subproblems.preconditioner import DIAGONAL, PRECONDITIONERS, n_pairs_memory, preconditioner_in, renew
from secondorder.subproblems.radius import LEAP, first_radius, next_radius
from secondorder.subproblems.steihaug import N_PATH, path_in, truncated_cg, walk

NEEDS = ("grad", "hvp")
SEARCH = None
NAMED = {"forcing": FORCINGS, "preconditioner": {name: PRECONDITIONERS[name] for name in ("none", "diagonal")}}
N_VECTORS = 7


class Options(NamedTuple):
    """Options of the trust region with truncated conjugate gradients."""

    m: int = 200  # most CG steps of an iteration, >= 1
    forcing: int = ROOT  # the rule for eta_k, by name
    eta_max: float = 0.1  # largest eta_k, in (0, 1)
    # by name, or a function P(x, v, out, data): out <- P v; CUTEst, 2026-11: a quarter of the products with "diagonal"
    preconditioner: int = DIAGONAL  # and barriers, at whose walls a round region creeps
    delta0: float = 0.0  # first radius, >= 0; 0: the length of the Cauchy step
    delta_max: float = math.inf  # largest radius, > 0
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4); [2] p. 116


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + min(2 * n, options.m) + 2


def n_memory(n, options):
    """Length of `memory`."""
    return n_pairs_memory(1) + N_PATH * min(2 * n, options.m)


def solve(fun, fun_grad, hvp, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    values, m = control.values, min(2 * x.shape[0], options.m)
    g, gt, xt, s, r, y, hp = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    D = work[N_VECTORS : N_VECTORS + m]
    path = path_in(memory, m)
    P = preconditioner_in(options.preconditioner, work[N_VECTORS + m : N_VECTORS + m + 2], memory[N_PATH * m :])
    delta, rejections, k = options.delta0, 0, 0
    first = last = math.sqrt(dot(g, g))
    eta, goal = options.eta_max, residual_goal(control)

    f = values[F]
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        if rejections == 0:  # 2
            gnorm = math.sqrt(dot(g, g))
            eta = forcing_term(options.forcing, options.eta_max, gnorm, last, first, eta)
            last = gnorm
            k = truncated_cg(
                hvp, x, g, delta if delta > 0.0 else math.inf, eta, goal, P, D, path, r, y, hp, control, data
            )
            if delta == 0.0:  # the first direction is -P g
                delta = first_radius(math.sqrt(path.pp[0]), path.curvature[0], norm_inf(x), f)
        pred, length = walk(path, k, D, delta, s)
        ft, slope, rho = try_step(fun_grad, x, f, g, s, pred, xt, gt, control, data)  # 3
        delta = next_radius(delta, length, rho, f, ft, slope, LEAP, options.delta_max)  # 4
        if rho >= options.eta:
            rejections = 0
            delta *= renew(P, s)
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, pred, rejections, control)
    return Outcome(reason, f, values[GNORM], control.counts[N_ITER])
