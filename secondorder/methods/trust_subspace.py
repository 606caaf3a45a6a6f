r"""Trust region in subspaces of two dimensions, or three.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  n = -(H + tau I)^{-1} g, tau = 0 where H is safely positive definite, else between -lambda_1 and -2 lambda_1,
        lambda_1 the lowest eigenvalue                                                       (subproblems.definite)
    3.  s = argmin g's + s'Hs / 2 over |s| <= delta and s in span{g, n}, or span{g, n, v} if tau > 0, where v is close
        to the lowest eigenvector of H; s = n if tau = 0 and |n| <= delta               (subproblems.subspace, [1], [2])
    4.  rho = (f(x) - f(x + s)) / pred;  x <- x + s if rho >= eta, else back to 3 with a smaller radius  ([3] 6.1.1)
    5.  delta follows rho (subproblems.radius)

The first radius is the length of the Cauchy step. A rejected step costs one evaluation of f and its gradient and 3 n
operations. v is a direction of negative curvature, so that saddle points are left also where g = 0 along it. Where the
Hessian is not finite the step goes along -g.

Cost of an iteration: one Hessian, a factorization of n^3 / 6 operations, some 3 to 6 of them where H is indefinite, f
and g at each trial. Memory: 2 n + 8 vectors of length n.

Differs from [1] and [2]: v and n together. They have span{g, n}, or n + v where |n| <= delta, as the textbooks'
span{g, v}; all of these lie in the space of the three.

References
----------
[1] Shultz, Schnabel, Byrd. A family of trust-region-based algorithms for unconstrained minimization with strong global
    convergence properties. SIAM J. Numer. Anal. 22 (1985) 47-67. doi:10.1137/0722003
[2] Byrd, Schnabel, Shultz. Approximate solution of the trust region problem by minimization over two-dimensional
    subspaces. Math. Prog. 40 (1988) 247-263. doi:10.1007/BF01580735
[3] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Chapter 6.
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, hessian, stopping_test
from secondorder.jit import leaf
from secondorder.linalg.vectors import copy, dot, norm_inf, scale
from secondorder.methods.region import after_rejection, try_step
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.definite import newton_step
from secondorder.subproblems.more_sorensen import nearly_null
from secondorder.subproblems.radius import LEAP, first_radius, next_radius
from secondorder.subproblems.spectrum import along
from secondorder.subproblems.subspace import MOST, N_SMALL, extend, minimize_within, restrict

NEEDS = ("grad", "hess")
SEARCH = None
N_VECTORS = 5
INVERSE_ITERATIONS = 4  # for v: what has no negative curvature becomes smaller by 2^4 at least


class Options(NamedTuple):
    """Options of the trust region in subspaces."""

    delta0: float = 0.0  # first radius, >= 0; 0: the length of the Cauchy step
    delta_max: float = math.inf  # largest radius, > 0
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4); [3] p. 116


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + MOST + 2 * n


def n_memory(n, options):
    """Length of `memory`."""
    return N_SMALL


@leaf
def basis(L, g, gnorm, newton, tau, Q, z, scratch):
    """Q <- an orthonormal basis of the subspace. Returns its dimension."""
    scale(1.0 / gnorm, g, Q[0])
    if math.isnan(tau):
        return 1
    k = extend(Q, 1, newton)
    if tau > 0.0:
        nearly_null(L, INVERSE_ITERATIONS, z, scratch)
        k = extend(Q, k, z)
    return k


def solve(fun, fun_grad, hess, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n = x.shape[0]
    g, gt, xt, s, scratch = work[0], work[1], work[2], work[3], work[4]
    Q = work[N_VECTORS : N_VECTORS + MOST]
    H, L = work[N_VECTORS + MOST : N_VECTORS + MOST + n], work[N_VECTORS + MOST + n : N_VECTORS + MOST + 2 * n]
    delta, rejections, shift, k = options.delta0, 0, 0.0, 1

    f = control.values[F]
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        pred, length = 0.0, 0.0
        if rejections == 0:
            hessian(hess, x, H, control, data)
            tau = newton_step(H, L, g, shift, s)  # 2
            shift = tau if tau > 0.0 else shift
            gnorm = math.sqrt(dot(g, g))
            if delta == 0.0:
                delta = first_radius(gnorm, along(H, g), norm_inf(x), f)
            k = basis(L, g, gnorm, s, tau, Q, xt, scratch)
            restrict(H, Q, k, memory, scratch, gnorm)
            if tau == 0.0:
                length = math.sqrt(dot(s, s))
                pred = -0.5 * dot(g, s) if length <= delta else 0.0
        if not pred > 0.0:
            pred, length = minimize_within(Q, k, memory, delta, s)  # 3
        ft, slope, rho = try_step(fun_grad, x, f, g, s, pred, xt, gt, control, data)  # 4
        delta = next_radius(delta, length, rho, f, ft, slope, LEAP, options.delta_max)  # 5
        if rho >= options.eta:
            rejections = 0
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, pred, rejections, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
