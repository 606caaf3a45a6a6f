r"""Perturbed gradient descent: noise where the gradient is small, so that no saddle point holds it for long.

Minimise f: R^n -> R. With g = grad f(x) and L the largest |change of g| / |step| so far:

    1.  |g|_inf <= gtol: gradient steps from x + xi, xi uniform in a ball of 2^-13 |x| or more; if they lead below
        what a convex f can have, x <- that point; else stop                      (subproblems.perturbation, [1])
    2.  |g| <= small |g(x0)|, and no noise for `every` iterations: xi uniform in the ball of radius |g| / L, with the
        sign that leads down; x <- x + xi if f does not rise
    3.  else d = -g, alpha = search(f, x, d), tried first at a Barzilai-Borwein step;  x <- x + alpha d

With the search "fixed" and initial_step="constant" the steps 3 are those of [1]. result.nescape is the number of ends
that were left.

Differs from [1]: its constants follow from bounds on the derivatives of f, which nobody knows. The radius of 2 is its
epsilon / L with epsilon = |g|, and the noise never leads up. Step 1 judges by what f proves, not by a decrease
f_thres, and forgets a noise that did not help, as [1] does.

Cost of an iteration: f and g as the search asks; at the end up to `patience` f and g. Memory: 6 vectors of length n.

References
----------
[1] Jin, Ge, Netrapalli, Kakade, Jordan. How to escape saddle points efficiently. ICML 2017.
[2] Raydan. The Barzilai and Borwein gradient method for the large scale unconstrained minimization problem.
    SIAM J. Optim. 7 (1997) 26-33. doi:10.1137/S1052623494266365
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, START_GNORM, F, accept, stopping_test, value_and_gradient
from secondorder.jit import leaf, loop
from secondorder.linalg.vectors import axpy, copy, distance2, dot, scale
from secondorder.line_searches.memory import N_MEMORY, forget
from secondorder.methods.step import after_failure, descend
from secondorder.status import GTOL, RUNNING, Outcome
from secondorder.subproblems.perturbation import N_ROWS, in_ball, leave_end

NEEDS = ("grad",)
PERTURBS = True  # its end is tried by noise: more evaluations; result.nescape
SEARCH = {"line_search": "nonmonotone", "initial_step": "barzilai-borwein"}


class Options(NamedTuple):
    """Options of perturbed gradient descent."""

    small: float = 1e-3  # noise where |g|_inf <= small |g(x0)|_inf, >= 0; 0: at the end only
    every: int = 50  # iterations from noise to noise, >= 1; t_thres of [1]
    radius: float = 1.0  # of the noise on the way, in units of |g| / L, > 0
    patience: int = 500  # gradient steps that noise gets at the end, >= 0
    noise_seed: int = 0  # of all noise, >= 0


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_ROWS


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY


@leaf
def curvature_met(L, x, xt, g, gt):
    """L, or the change of g along the last step if that is larger."""
    ss = distance2(x, xt)
    met = math.sqrt(distance2(g, gt) / ss) if ss > 0.0 else 0.0
    return met if L < met < math.inf else L


@loop
def noise(fun_grad, x, f, g, radius, seed, xt, gt, xi, control, data):
    """f at xt = x + xi, xi random and downwards; gt <- the gradient there."""
    in_ball(seed, control.counts[N_ITER], radius, xi)
    if dot(g, xi) > 0.0:
        scale(-1.0, xi, xi)
    axpy(1.0, xi, x, xt)
    return value_and_gradient(fun_grad, xt, gt, control, data)


def solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    counts, values = control.counts, control.values
    g, gt, xt, d = work[0], work[2], work[1], work[3]
    L, quiet, ends, fresh = 0.0, 0, 0, False
    f = values[F]
    forget(memory, f)
    reason = stopping_test(f, g, control)
    while reason in (RUNNING, GTOL):
        if reason == GTOL:  # 1
            reason = leave_end(fun_grad, x, f, options.patience, 0.0, options.noise_seed, ends, work, control, data)
            ends += 1
            if reason != RUNNING:
                break
            f = values[F]
            forget(memory, f)
            copy(gt, g)
            reason = stopping_test(f, g, control)
            continue
        quiet += 1
        if quiet > options.every and L > 0.0 and values[GNORM] <= options.small * values[START_GNORM]:  # 2
            quiet = 0
            radius = options.radius * math.sqrt(dot(g, g)) / L
            ft = noise(fun_grad, x, f, g, radius, options.noise_seed, xt, gt, d, control, data)
            if ft <= f and distance2(x, xt) > 0.0:
                f = accept(x, f, xt, ft, 1.0, dot(g, d), control)
                copy(gt, g)
                reason = stopping_test(f, g, control)
                continue
        scale(-1.0, g, d)  # 3
        alpha, ft, slope = descend(search, fun, fun_grad, x, f, g, d, xt, gt, memory, search_options, control, data)
        if alpha == 0.0:
            reason = after_failure(f, slope, fresh, memory, control)
            fresh = True
            continue
        fresh = False
        L = curvature_met(L, x, xt, g, gt)
        f = accept(x, f, xt, ft, alpha, slope, control)
        copy(gt, g)
        reason = stopping_test(f, g, control)
    return Outcome(reason, f, values[GNORM], counts[N_ITER])
