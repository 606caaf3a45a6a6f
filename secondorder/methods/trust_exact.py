r"""Trust region with exact steps.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  s = argmin g's + s'Hs / 2 over |s| <= delta, also where H is indefinite or singular
            -H^{-1} g if H is positive definite and that is within the radius
            n <= spectral: from a tridiagonal form of H, to rounding              (subproblems.tridiagonal, [1] 7.3),
                where that is close to the hard case from H = V' diag(w) V                (subproblems.secular)
            n > spectral: from factorizations of H + lambda I, to a tenth of delta     (subproblems.more_sorensen, [2]);
                where these find none, as above
    3.  rho = (f(x) - f(x + s)) / pred;  x <- x + s if rho >= eta, else back to 2 with a smaller radius    ([1] 6.1.1)
    4.  delta follows rho (subproblems.radius)

The first radius is the length of the Cauchy step. A rejected step costs one evaluation of f and its gradient, no
Hessian. Where the Hessian is not finite the step goes along -g.

Cost of an iteration: one Hessian, a factorization of n^3 / 6 operations, and some 4/3 n^3 for the tridiagonal form or 2
to 5 more factorizations where the radius counts; f and g at each trial. Memory: 2 n + 10 vectors of length n.

References
----------
[1] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Chapters 6 and 7.
[2] More, Sorensen. Computing a trust region step. SIAM J. Sci. Stat. Comput. 4 (1983) 553-572. doi:10.1137/0904038
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, hessian, stopping_test
from secondorder.jit import leaf
from secondorder.linalg.vectors import copy, dot, norm_inf
from secondorder.methods.region import after_rejection, try_step
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems import more_sorensen, tridiagonal
from secondorder.subproblems.definite import interior_step
from secondorder.subproblems.radius import LEAP, first_radius, next_radius
from secondorder.subproblems.secular import within_radius
from secondorder.subproblems.spectrum import along, decompose, from_coordinates, to_coordinates

NEEDS = ("grad", "hess")
SEARCH = None
N_VECTORS = 10


class Options(NamedTuple):
    """Options of the trust region with exact steps."""

    spectral: int = 24  # n up to which steps are exact to rounding, >= 0; time of an iteration, 2026-11
    delta0: float = 0.0  # first radius, >= 0; 0: the length of the Cauchy step
    delta_max: float = math.inf  # largest radius, > 0
    eta: float = 1e-4  # accept a step if rho >= eta, in [0, 1/4); [1] p. 116


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + 2 * n


def n_memory(n, options):
    """Length of `memory`."""
    return 1


UNKNOWN, TRIDIAGONAL, EIGENVECTORS, NO_FORM = 0, 1, 2, 3  # what is there of H, beside H


@leaf
def exact_step(H, t, g, delta, state, size, definite, w, c, y, s):
    """s <- the step within delta from a form of H that serves for any delta. Returns (pred, |s|, state, size)."""
    if state == UNKNOWN:
        size = tridiagonal.form(H, g, t)
        state = TRIDIAGONAL if size > 0.0 else NO_FORM
    if state == TRIDIAGONAL:
        pred, length = tridiagonal.at_radius(t, size, delta, definite, s)
        if pred > 0.0:
            return pred, length, state, size
    if state != EIGENVECTORS:
        decompose(H, w, y)
        to_coordinates(H, g, c)
    pred, length = within_radius(w, c, delta, y)
    from_coordinates(H, y, s)
    return pred, length, EIGENVECTORS, size


def solve(fun, fun_grad, hess, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n = x.shape[0]
    g, gt, xt, s, w, c, y = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    H, L = work[N_VECTORS : N_VECTORS + n], work[N_VECTORS + n : N_VECTORS + 2 * n]
    delta, rejections = options.delta0, 0
    spectral, state, size, definite, lam = n <= options.spectral, UNKNOWN, 0.0, False, 0.0
    t = tridiagonal.form_in(L, work[5:N_VECTORS])

    f = control.values[F]
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        pred, length = 0.0, 0.0
        if rejections == 0:
            hessian(hess, x, H, control, data)
            state = UNKNOWN
            if delta == 0.0:
                delta = first_radius(math.sqrt(dot(g, g)), along(H, g), norm_inf(x), f)
            pred, length = interior_step(H, L, g, delta, s)  # 2
            definite = length > 0.0
        if not pred > 0.0 and not spectral and state == UNKNOWN:
            step = more_sorensen.step_within(H, L, g, delta, lam, s, y, c)
            pred, length, lam = step.pred, step.length, step.lam
        if not pred > 0.0:
            pred, length, state, size = exact_step(H, t, g, delta, state, size, definite, w, c, y, s)
        ft, slope, rho = try_step(fun_grad, x, f, g, s, pred, xt, gt, control, data)  # 3
        delta = next_radius(delta, length, rho, f, ft, slope, LEAP, options.delta_max)  # 4
        if rho >= options.eta:
            rejections = 0
            f = accept(x, f, xt, ft, 1.0, slope, control)
            copy(gt, g)
            reason = stopping_test(f, g, control)
        else:
            rejections += 1
            reason = after_rejection(x, xt, f, pred, rejections, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
