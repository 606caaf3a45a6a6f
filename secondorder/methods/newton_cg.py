r"""Newton-CG: inexact Newton directions from conjugate gradients, then a line search.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  d ~ -H^{-1} g: conjugate gradients, preconditioned by P, on H z = -g from z = 0 until |H z + g|_P <= eta_k |g|_P
        or m steps are done                                                     ([1] algorithm 7.1; eta_k: forcing)
        p'Hp <= 0 at a CG direction p: d = z + |tau| p, tau = (g + Hz)'p / p'Hp, as far as the curvature's size says
    3.  alpha = search(f, x, d), tried first at 1;   x <- x + alpha d

Negative curvature is a direction here and never an error: g'p < 0 for each direction of conjugate gradients, so d goes
down. P is a diagonal learnt from the products (subproblems.preconditioner), the L-BFGS matrix of the last steps ([2]),
a function of the user's, or I.

Cost of an iteration: a Hessian product for each CG step, f and g as the search asks. Memory: min(2 n, m) + 9 vectors of
length n, with P = "l-bfgs" 2 (pairs - 1) more. If the search fails, -g is tried once.

Differs from [1]: step 2 on negative curvature, where [1] keeps z, or takes -g if z = 0.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Algorithm 7.1.
[2] Morales, Nocedal. Automatic preconditioning by limited memory quasi-Newton updating. SIAM J. Optim. 10 (2000)
    1079-1096. doi:10.1137/S1052623497327854
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, stopping_test
from secondorder.jit import leaf
from secondorder.linalg.vectors import axpy, copy, dot, fill, scale
from secondorder.line_searches.memory import N_MEMORY, forget
from secondorder.methods.step import after_failure, descend
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.forcing import FORCINGS, ROOT, forcing_term, residual_goal
from secondorder.subproblems.preconditioner import (
    DIAGONAL,
    PAIRS,
    PRECONDITIONERS,
    n_pairs_memory,
    preconditioner_in,
    remember_pair,
    renew,
)
from secondorder.subproblems.steihaug import N_PATH, path_in, truncated_cg

NEEDS = ("grad", "hvp")
SEARCH = {"line_search": "strong-wolfe", "initial_step": "constant"}
NAMED = {"forcing": FORCINGS, "preconditioner": PRECONDITIONERS}
N_VECTORS = 7


class Options(NamedTuple):
    """Options of Newton-CG."""

    m: int = 200  # most CG steps of an iteration, >= 1
    forcing: int = ROOT  # the rule for eta_k, by name
    eta_max: float = 0.5  # largest eta_k, in (0, 1); [1, p. 168]
    # CUTEst, 2026-11: a quarter of the products of "none" over all, 0.9 times where both get to the same point
    preconditioner: int = DIAGONAL  # by name, or a function P(x, v, out, data): out <- P v
    pairs: int = 8  # steps that the preconditioner "l-bfgs" remembers, >= 1; [2] has 4 to 20


def steps(n, options):
    """Most CG steps of an iteration."""
    return min(2 * n, options.m)


def n_pairs(options):
    """Pairs that are kept."""
    return options.pairs if options.preconditioner == PAIRS else 1


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + steps(n, options) + 2 * n_pairs(options)


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY + n_pairs_memory(n_pairs(options)) + N_PATH * steps(n, options)


@leaf
def direction(path, k, D, d):
    """d <- the end of the path, or beyond, along a last direction without positive curvature."""
    fill(0.0, d)
    for j in range(k):
        alpha = path.alpha[j]
        if math.isinf(alpha):
            alpha = path.slope[j] / path.curvature[j]  # both are negative
            if not alpha < math.inf:  # no curvature at all
                alpha = 1.0 if j == 0 else 0.0
        axpy(alpha, D[j], d, d)


def solve(fun, fun_grad, hvp, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n, values = x.shape[0], control.values
    m = min(2 * n, options.m)
    g, gt, xt, d, r, y, hp = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    pairs = options.pairs if options.preconditioner == PAIRS else 1
    D, rows = work[N_VECTORS : N_VECTORS + m], work[N_VECTORS + m : N_VECTORS + m + 2 * pairs]
    path = path_in(memory[N_MEMORY:], m)
    P = preconditioner_in(options.preconditioner, rows, memory[N_MEMORY + N_PATH * m :])
    first = last = math.sqrt(dot(g, g))
    eta, goal = options.eta_max, residual_goal(control)

    f = values[F]
    forget(memory, f)
    failed = False
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        if failed:
            scale(-1.0, g, d)
        else:
            gnorm = math.sqrt(dot(g, g))
            eta = forcing_term(options.forcing, options.eta_max, gnorm, last, first, eta)
            last = gnorm
            k = truncated_cg(hvp, x, g, math.inf, eta, goal, P, D, path, r, y, hp, control, data)
            direction(path, k, D, d)
        alpha, ft, slope = descend(search, fun, fun_grad, x, f, g, d, xt, gt, memory, search_options, control, data)
        if alpha == 0.0:
            reason = after_failure(f, slope, failed, memory, control)
            failed = True
            continue
        failed = False
        remember_pair(P, alpha, d, slope, g, gt)
        renew(P, d)
        f = accept(x, f, xt, ft, alpha, slope, control)
        copy(gt, g)
        reason = stopping_test(f, g, control)
    return Outcome(reason, f, values[GNORM], control.counts[N_ITER])
