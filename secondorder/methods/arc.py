r"""Adaptive cubic regularisation with exact steps.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  H = V' diag(w) V, once for each x
    3.  s = argmin m(s),  m(s) = g's + s'Hs / 2 + sigma |s|^3 / 3, to rounding                    ([1] section 6.1)
    4.  rho = (f(x) - f(x + s)) / -m(s);  x <- x + s if rho >= eta, else back to 3 with a larger sigma   ([1] alg. 2.1)
    5.  sigma falls if rho >= GOOD, the more the better the quadratic part of m told f; after a rejected or poor step,
        the sigma for which the step would have the length that a trust region would be given (subproblems.radius)

sigma starts where its term matters as much as the curvature at the length of the Cauchy step. A rejected step costs one
evaluation of f and its gradient, no Hessian and no factorization.

Cost of an iteration: one Hessian, some 6 n^3 for its eigenvectors, f and g at each trial. Memory: n + 7 vectors of
length n.

Differs from [1]: step 5 after a rejection; a factor chosen beforehand takes many rejections where sigma has become
small.

References
----------
[1] Cartis, Gould, Toint. Adaptive cubic regularisation methods for unconstrained optimization. Part I. Math. Prog. 127
    (2011) 245-295. doi:10.1007/s10107-009-0286-5
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, hessian, stopping_test
from secondorder.jit import leaf
from secondorder.linalg.vectors import copy, dot, norm_inf
from secondorder.methods.region import after_rejection, try_step
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.radius import GOOD, POOR, first_weight, relaxed, shrinking
from secondorder.subproblems.secular import cubic, multiplier
from secondorder.subproblems.spectrum import along, decompose, from_coordinates, to_coordinates

NEEDS = ("grad", "hess")
SEARCH = None
N_VECTORS = 7


class Options(NamedTuple):
    """Options of adaptive cubic regularisation."""

    sigma0: float = 0.0  # first weight of the cubic term, >= 0; 0: from the curvature along g
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4)


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + n


def n_memory(n, options):
    """Length of `memory`."""
    return 1


@leaf
def heavier(w, c, length, sigma):
    """The sigma for which the step of the cubic model has this length; at least twice the present one."""
    lam = multiplier(w, c, length)
    return max(2.0 * sigma, lam / length)


def solve(fun, fun_grad, hess, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n = x.shape[0]
    g, gt, xt, s, w, c, y = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    V = work[N_VECTORS : N_VECTORS + n]
    sigma, rejections = options.sigma0, 0

    f = control.values[F]
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        if rejections == 0:
            hessian(hess, x, V, control, data)
            if sigma == 0.0:
                sigma = first_weight(math.sqrt(dot(g, g)), along(V, g), norm_inf(x), f)
            decompose(V, w, y)  # 2
            to_coordinates(V, g, c)
        pred, length = cubic(w, c, sigma, y)  # 3
        from_coordinates(V, y, s)
        ft, slope, rho = try_step(fun_grad, x, f, g, s, pred, xt, gt, control, data)  # 4
        if rho >= GOOD:  # 5
            sigma = relaxed(sigma, rho, pred, length)
        elif not rho >= POOR:
            sigma = heavier(w, c, shrinking(f, ft, slope) * length, sigma)
        if rho >= options.eta:
            rejections = 0
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, pred, rejections, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
