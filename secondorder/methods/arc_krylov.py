r"""Adaptive cubic regularisation in Krylov spaces, from Hessian products only.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  s = argmin m(s),  m(s) = g's + s'Hs / 2 + sigma |s|^3 / 3,  s in span{g, Hg, .., H^(k-1) g}, k such that
        |grad m(s)| <= eta_k |g|, or k = m                                                   ([1] section 6.2)
    3.  rho = (f(x) - f(x + s)) / -m(s);  x <- x + s if rho >= eta, else back to 2 with a larger sigma, in the space
        that is there already: no products                                                   ([1] algorithm 2.1)
    4.  sigma falls if rho >= GOOD, the more the better the quadratic part of m told f; after a rejected or poor step,
        the sigma for which the step would have the length that a trust region would be given (subproblems.radius)

sigma starts where its term matters as much as the curvature at the length of the Cauchy step.

Cost of an iteration: k <= m Hessian products and 4 k^2 n operations, f and g at each trial. Memory: min(n, m) + 5
vectors of length n.

Differs from [1]: step 4 after a rejection; a factor chosen beforehand takes many rejections where sigma has become
small.

References
----------
[1] Cartis, Gould, Toint. Adaptive cubic regularisation methods for unconstrained optimization. Part I. Math. Prog. 127
    (2011) 245-295. doi:10.1007/s10107-009-0286-5
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, stopping_test
from secondorder.jit import leaf
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
from secondorder.subproblems.radius import GOOD, POOR, first_weight, relaxed, shrinking

NEEDS = ("grad", "hvp")
SEARCH = None
NAMED = {"forcing": FORCINGS}
N_VECTORS = 4


class Options(NamedTuple):
    """Options of adaptive cubic regularisation in Krylov spaces."""

    m: int = 100  # largest dimension of a space, >= 1
    forcing: int = ROOT  # the rule for eta_k, by name
    eta_max: float = 0.1  # largest eta_k, in (0, 1)
    sigma0: float = 0.0  # first weight of the cubic term, >= 0; 0: from the curvature along g
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4)


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + min(n, options.m) + 1


def n_memory(n, options):
    """Length of `memory`."""
    return n_tridiagonal(min(n, options.m))


@leaf
def heavier(t, k, gnorm, length, sigma):
    """The sigma for which the step of the cubic model has this length; at least twice the present one."""
    step = minimize_tridiagonal(t, k, gnorm, length, 0.0, 0.0)
    return max(2.0 * sigma, step.lam / length)


def solve(fun, fun_grad, hvp, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    values, m = control.values, min(x.shape[0], options.m)
    g, gt, xt, s = work[0], work[1], work[2], work[3]
    Q, t = work[N_VECTORS : N_VECTORS + m + 1], tridiagonal_in(memory, m)
    sigma, rejections, k, lam = options.sigma0, 0, 0, 0.0
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
            if sigma == 0.0:
                sigma = first_weight(gnorm, ghg, norm_inf(x), f)
            step = minimize_model(hvp, x, gnorm, 0.0, sigma, eta, goal, Q, t, control, data)
        else:
            step = minimize_tridiagonal(t, k, gnorm, 0.0, sigma, lam)
        k, lam = step.k, step.lam
        expand(Q, t, k, s)
        ft, slope, rho = try_step(fun_grad, x, f, g, s, step.pred, xt, gt, control, data)  # 3
        if rho >= GOOD:  # 4
            sigma = relaxed(sigma, rho, step.pred, step.length)
        elif not rho >= POOR:
            sigma = heavier(t, k, gnorm, shrinking(f, ft, slope) * step.length, sigma)
        if rho >= options.eta:
            rejections = 0
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, step.pred, rejections, control)
    return Outcome(reason, f, values[GNORM], control.counts[N_ITER])
