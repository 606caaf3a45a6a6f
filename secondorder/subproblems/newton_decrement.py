r"""The Newton step at a point where a run has met its gradient tolerance, for what the gradient does not show.

|g|_inf <= tau |g(x0)|_inf says little of f where the Hessian H is ill-conditioned: in a valley that is flat along its
floor the gradient has become small on the walls. There the Newton decrement

    promise = g' |H|^{-1} g / 2,      |H| = H where H is positive definite, else as in subproblems.absolute

estimates how far f(x) is above the minimum, in any units of f and x ([1] section 9.5.1; algorithm 9.5 stops by it). As
much as the tolerance asks of g is

    worth = tau (f(x0) - f(x))

of f. Where promise > worth, and is more than float64 resolves in f, x <- x - alpha |H|^{-1} g for the first
alpha = 1, 1/2, .. with a decrease of f of at least KEPT of the model's, alpha (2 - alpha) promise; none of those that
hope for less than worth.

Cost: a factorization of n^3 / 6 operations for a Hessian that is there anyway, or its eigenvectors where it isn't
positive definite; f and g where the promise is large, log2(promise / worth) times at most.

References
----------
[1] Boyd, Vandenberghe. Convex Optimization. Cambridge, 2004.
"""

import math

from secondorder.control import (
    FUN_PER_GRAD,
    MAX_FUN,
    N_FUN,
    START_F,
    START_GNORM,
    THRESHOLD,
    accept,
    stopped,
    value_and_gradient,
)
from secondorder.jit import leaf, loop
from secondorder.linalg.cholesky import cholesky, solve_cholesky
from secondorder.linalg.vectors import axpy, copy, dot, norm_inf, scale
from secondorder.subproblems.absolute import FLOOR, absolute_step
from secondorder.subproblems.departure import NOISE

KEPT = 0.1  # of what the model promises: a step that keeps less says that the model doesn't hold there


@leaf
def newton_decrement(H, L, work):
    """g' |H|^{-1} g / 2, and work[3] <- -|H|^{-1} g; the rest of work[1:6] is scratch, and so is L."""
    g, e, c, d, w, y = work[0], work[1], work[2], work[3], work[4], work[5]
    if cholesky(H, L):
        solve_cholesky(L, g, d)
        scale(-1.0, d, d)
        return -0.5 * dot(g, d)
    for i in range(g.shape[0]):
        copy(H[i], L[i])
    found = absolute_step(L, g, FLOOR, e, w, c, y, d)
    return -0.5 * dot(g, d) if found else 0.0


@loop
def newton_step_taken(fun_grad, x, f, H, L, work, control, data):
    """x <- the end of a Newton step that gains much; False: x stays, and so does H."""
    g, xt, gt, d = work[0], work[1], work[2], work[3]
    counts, values, alpha = control.counts, control.values, 1.0
    promise = newton_decrement(H, L, work)
    worth = values[THRESHOLD] / values[START_GNORM] * (values[START_F] - f)
    if not worth < promise < math.inf:  # nan where x0 was stationary
        return False
    worth = max(worth, NOISE * abs(f))
    while alpha * (2.0 - alpha) * promise > worth and not stopped(control):
        if counts[N_FUN] + 2 * counts[FUN_PER_GRAD] > counts[MAX_FUN]:  # the solver evaluates where it starts
            break
        axpy(alpha, d, x, xt)
        ft = value_and_gradient(fun_grad, xt, gt, control, data)
        if f - ft >= KEPT * alpha * (2.0 - alpha) * promise and math.isfinite(norm_inf(gt)):
            accept(x, f, xt, ft, alpha, -2.0 * promise, control)
            copy(gt, g)
            return True
        alpha *= 0.5
    return False
