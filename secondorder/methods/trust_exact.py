r"""Trust region with exact steps.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  H = V' diag(w) V, once for each x
    3.  s = argmin g's + s'Hs / 2 over |s| <= delta, to rounding, also where H is indefinite or singular ([1] 7.3)
    4.  rho = (f(x) - f(x + s)) / pred;  x <- x + s if rho >= eta, else back to 3 with a smaller radius    ([1] 6.1.1)
    5.  delta follows rho (subproblems.radius)

The first radius is the length of the Cauchy step. A rejected step costs one evaluation of f and its gradient, no
Hessian and no factorization. Where the Hessian is not finite the step goes along -g.

Cost of an iteration: one Hessian, some 6 n^3 for its eigenvectors, f and g at each trial. Memory: n + 7 vectors of
length n.

References
----------
[1] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Chapters 6 and 7.
[2] More, Sorensen. Computing a trust region step. SIAM J. Sci. Stat. Comput. 4 (1983) 553-572. doi:10.1137/0904038
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, hessian, stopping_test
from secondorder.linalg.vectors import copy, dot, norm_inf
from secondorder.methods.region import after_rejection, try_step
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.radius import first_radius, next_radius
from secondorder.subproblems.secular import within_radius
from secondorder.subproblems.spectrum import curvature_along, decompose, from_coordinates, to_coordinates

NEEDS = ("grad", "hess")
SEARCH = None
N_VECTORS = 8


class Options(NamedTuple):
    """Options of the trust region with exact steps."""

    delta0: float = 0.0  # first radius, >= 0; 0: the length of the Cauchy step
    delta_max: float = math.inf  # largest radius, > 0
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4); [1] p. 116


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + n


def n_memory(n, options):
    """Length of `memory`."""
    return 1


def solve(fun, fun_grad, hess, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n = x.shape[0]
    g, gt, xt, s, w, c, y = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    V = work[N_VECTORS : N_VECTORS + n]
    delta, rejections = options.delta0, 0

    f = control.values[F]
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        if rejections == 0:
            hessian(hess, x, V, control, data)
            decompose(V, w, y)  # 2
            to_coordinates(V, g, c)
            if delta == 0.0:
                delta = first_radius(math.sqrt(dot(g, g)), curvature_along(w, c), norm_inf(x), f)
        pred, length = within_radius(w, c, delta, y)  # 3
        from_coordinates(V, y, s)
        ft, slope, rho = try_step(fun_grad, x, f, g, s, pred, xt, gt, control, data)  # 4
        delta = next_radius(delta, length, rho, f, ft, slope, options.delta_max)  # 5
        if rho >= options.eta:
            rejections = 0
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, pred, rejections, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
