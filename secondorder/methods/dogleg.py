r"""Trust region with dogleg steps.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  n = -(H + tau I)^{-1} g, tau = 0 where H is safely positive definite, else between -lambda_1 and -2 lambda_1,
        lambda_1 the lowest eigenvalue                                                   (subproblems.definite, [3])
    3.  s: where the path 0, Cauchy point, n leaves the radius delta; `double`: 0, Cauchy point, eta n, n
                                                                                     (subproblems.dogleg, [1], [2])
    4.  rho = (f(x) - f(x + s)) / pred;  x <- x + s if rho >= eta, else back to 3 with a smaller radius  ([4] 6.1.1)
    5.  delta follows rho (subproblems.radius)

The first radius is the length of the Cauchy step. A rejected step costs one evaluation of f and its gradient and 2 n
operations. An indefinite Hessian is no failure: see step 2; each step is at least as good as the Cauchy step of H. So
the gradient goes to 0; at a saddle point where g is orthogonal to all negative curvature the method stops, as any that
looks in the plane of g and n only. Where the Hessian is not finite the step goes along -g.

Cost of an iteration: one Hessian, a factorization of n^3 / 6 operations, some 3 to 6 of them where H is indefinite, f
and g at each trial. Memory: 2 n + 5 vectors of length n.

References
----------
[1] Powell. A new algorithm for unconstrained optimization. In: Nonlinear Programming. Academic Press, 1970, 31-65.
[2] Dennis, Schnabel. Numerical Methods for Unconstrained Optimization. SIAM, 1996. Section 6.4.2.
[3] Shultz, Schnabel, Byrd. A family of trust-region-based algorithms for unconstrained minimization with strong global
    convergence properties. SIAM J. Numer. Anal. 22 (1985) 47-67. doi:10.1137/0722003
[4] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Chapter 6.
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, hessian, stopping_test
from secondorder.linalg.vectors import axpby, copy, norm_inf, scale
from secondorder.methods.region import after_rejection, try_step
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.definite import newton_step
from secondorder.subproblems.dogleg import Plane, dogleg, plane_of
from secondorder.subproblems.radius import LEAP, first_radius, next_radius

NEEDS = ("grad", "hess")
SEARCH = None
N_VECTORS = 5


class Options(NamedTuple):
    """Options of the trust region with dogleg steps."""

    double: bool = False  # the double dogleg, with one more corner nearer to the Newton point; [2]
    delta0: float = 0.0  # first radius, >= 0; 0: the length of the Cauchy step
    delta_max: float = math.inf  # largest radius, > 0
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4); [4] p. 116


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + 2 * n


def n_memory(n, options):
    """Length of `memory`."""
    return 1


def solve(fun, fun_grad, hess, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n = x.shape[0]
    g, gt, xt, s, newton = work[0], work[1], work[2], work[3], work[4]
    H, L = work[N_VECTORS : N_VECTORS + n], work[N_VECTORS + n : N_VECTORS + 2 * n]
    delta, rejections, shift = options.delta0, 0, 0.0

    f = control.values[F]
    reason = stopping_test(f, g, control)
    plane = Plane(0.0, 0.0, 0.0, 0.0, math.nan)
    while reason == RUNNING:
        if rejections == 0:
            hessian(hess, x, H, control, data)
            tau = newton_step(H, L, g, shift, newton)  # 2
            shift = tau if tau > 0.0 else shift
            plane = plane_of(H, g, newton, tau)
            if delta == 0.0:
                delta = first_radius(math.sqrt(plane.gg), plane.ghg, norm_inf(x), f)
        step = dogleg(plane, delta, options.double)  # 3
        if step.b == 0.0:
            scale(step.a, g, s)
        else:
            axpby(step.a, g, step.b, newton, s)
        ft, slope, rho = try_step(fun_grad, x, f, g, s, step.pred, xt, gt, control, data)  # 4
        delta = next_radius(delta, step.length, rho, f, ft, slope, LEAP, options.delta_max)  # 5
        if rho >= options.eta:
            rejections = 0
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, step.pred, rejections, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
