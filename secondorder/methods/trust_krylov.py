r"""Trust region in Krylov spaces, from Hessian products only.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  s = argmin g's + s'Hs / 2 over |s| <= delta and s in span{g, Hg, .., H^(k-1) g}, k such that the gradient of the
        model is at most eta_k |g|, or k = m             ([1]; subproblems.gltr; eta_k: subproblems.forcing)
    3.  rho = (f(x) - f(x + s)) / pred;  x <- x + s if rho >= eta, else back to 2 with a smaller radius, in the space
        that is there already: no products                                                   ([2] algorithm 6.1.1)
    4.  delta follows rho (subproblems.radius)

The first radius is the length of the Cauchy step.

Cost of an iteration: k <= m Hessian products and 4 k^2 n operations, f and g at each trial. Memory: min(n, m) + 5
vectors of length n.

References
----------
[1] Gould, Lucidi, Roma, Toint. Solving the trust-region subproblem using the Lanczos method. SIAM J. Optim. 9 (1999)
    504-525. doi:10.1137/S1052623497322735
[2] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Chapters 6 and 7.
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, stopping_test
from secondorder.linalg.vectors import copy, dot, norm_inf
from secondorder.methods.region import after_rejection, try_step
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.forcing import FORCINGS, ROOT, forcing_term, residual_goal
from secondorder.subproblems.gltr import (
    expand,
    first_vector,
    minimize_model,
    minimize_tridiagonal,
    n_tridiagonal,
    tridiagonal_in,
)
from secondorder.subproblems.radius import LEAP, first_radius, next_radius

NEEDS = ("grad", "hvp")
SEARCH = None
NAMED = {"forcing": FORCINGS}
N_VECTORS = 4


class Options(NamedTuple):
    """Options of the trust region in Krylov spaces."""

    m: int = 100  # largest dimension of a space, >= 1
    forcing: int = ROOT  # the rule for eta_k, by name
    eta_max: float = 0.1  # largest eta_k, in (0, 1)
    delta0: float = 0.0  # first radius, >= 0; 0: the length of the Cauchy step
    delta_max: float = math.inf  # largest radius, > 0
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4); [2] p. 116


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + min(n, options.m) + 1


def n_memory(n, options):
    """Length of `memory`."""
    return n_tridiagonal(min(n, options.m))


def solve(fun, fun_grad, hvp, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    values, m = control.values, min(x.shape[0], options.m)
    g, gt, xt, s = work[0], work[1], work[2], work[3]
    Q, t = work[N_VECTORS : N_VECTORS + m + 1], tridiagonal_in(memory, m)
    delta, rejections, k, lam = options.delta0, 0, 0, 0.0
    first = last = math.sqrt(dot(g, g))
    eta, goal = options.eta_max, residual_goal(control)

    f = values[F]
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        gnorm = math.sqrt(dot(g, g))
        if rejections == 0:  # 2
            eta = forcing_term(options.forcing, options.eta_max, gnorm, last, first, eta)
            last = gnorm
            ghg = first_vector(hvp, x, g, gnorm, Q, t, control, data)
            if delta == 0.0:
                delta = first_radius(gnorm, ghg, norm_inf(x), f)
            step = minimize_model(hvp, x, gnorm, delta, 0.0, eta, goal, Q, t, control, data)
        else:
            step = minimize_tridiagonal(t, k, gnorm, delta, 0.0, lam)
        k, lam = step.k, step.lam
        expand(Q, t, k, s)
        ft, slope, rho = try_step(fun_grad, x, f, g, s, step.pred, xt, gt, control, data)  # 3
        delta = next_radius(delta, step.length, rho, f, ft, slope, LEAP, options.delta_max)  # 4
        if rho >= options.eta:
            rejections = 0
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, step.pred, rejections, control)
    return Outcome(reason, f, values[GNORM], control.counts[N_ITER])
