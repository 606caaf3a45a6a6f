r"""Newton's method with a modified Hessian and a line search.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  d = -(H + E)^{-1} g, where H + E is positive definite; E by `modification`:
            absolute   H = V' diag(w) V;  H + E = V' diag(max(|w_i|, floor max|w|)) V      ("saddle-free", [2]; [1] 3.4)
                       of badly scaled H, in units of x that equilibrate H                    (subproblems.absolute)
            shift      E = tau I, tau = 0 if H is positive definite, else doubled until H + E is     ([1] algorithm 3.3)
            gill-murray-wright, schnabel-eskow   E diagonal, from the factorization itself           ([3], [4])
    3.  alpha = search(f, x, d), tried first at 1;   x <- x + alpha d

Where the Hessian is not finite, d = -g.

Cost of an iteration: one Hessian, a factorization of n^3 / 6 to 6 n^3 operations, f and g as the search asks. Memory:
2 n + 7 vectors of length n. If the search fails, -g is tried once.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Sections 3.3 and 3.4.
[2] Dauphin, Pascanu, Gulcehre, Cho, Ganguli, Bengio. Identifying and attacking the saddle point problem in
    high-dimensional non-convex optimization. NIPS 2014.
[3] Gill, Murray, Wright. Practical Optimization. Academic Press, 1981. Section 4.4.2.2.
[4] Schnabel, Eskow. A revised modified Cholesky factorization algorithm. SIAM J. Optim. 9 (1999) 1135-1148.
    doi:10.1137/S105262349833266X
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, hessian, stopping_test
from secondorder.jit import leaf
from secondorder.linalg.cholesky import cholesky, solve_cholesky
from secondorder.linalg.modified_cholesky import gill_murray_wright, schnabel_eskow, solve_permuted
from secondorder.linalg.vectors import copy, dot, scale
from secondorder.line_searches.memory import N_MEMORY, forget
from secondorder.methods.step import after_failure, descend
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.absolute import FLOOR, absolute_step

NEEDS = ("grad", "hess")
SEARCH = {"line_search": "strong-wolfe", "initial_step": "constant"}
N_VECTORS = 7

ABSOLUTE, SHIFT, GILL_MURRAY_WRIGHT, SCHNABEL_ESKOW = 0, 1, 2, 3
MODIFICATIONS = {
    "absolute": ABSOLUTE,
    "shift": SHIFT,
    "gill-murray-wright": GILL_MURRAY_WRIGHT,
    "schnabel-eskow": SCHNABEL_ESKOW,
}
NAMED = {"modification": MODIFICATIONS}
MAX_SHIFTS = 200
FIRST_SHIFT = 1e-3  # beta of [1] algorithm 3.3, here in units of the largest element


class Options(NamedTuple):
    """Options of Newton's method."""

    modification: int = ABSOLUTE  # how an indefinite Hessian is modified, by name
    floor: float = FLOOR  # of absolute: the least |w_i| in units of the largest, in (0, 1); sqrt(eps)


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + 2 * n


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY


@leaf
def shift(H, L, g, diagonal, d):
    """d <- -(H + tau I)^{-1} g for the first tau that makes it positive definite. False if none does."""
    n = g.shape[0]
    top, low = 0.0, math.inf
    for i in range(n):
        for j in range(i + 1):
            top = max(top, abs(H[i, j]))
        diagonal[i] = H[i, i]
        low = min(low, H[i, i])
    if not 0.0 < top < math.inf:
        return False
    step = FIRST_SHIFT * top
    tau = 0.0 if low > 0.0 else step - low
    for _ in range(MAX_SHIFTS):
        for i in range(n):
            H[i, i] = diagonal[i] + tau
        if cholesky(H, L):
            solve_cholesky(L, g, d)
            scale(-1.0, d, d)
            return True
        tau = max(2.0 * tau, step)
    return False


@leaf
def diagonal(H, L, g, modification, perm, scratch, d):
    """d <- -(H + E)^{-1} g, E diagonal. False if H is not finite."""
    if modification == GILL_MURRAY_WRIGHT:
        largest = gill_murray_wright(H, L, perm)
    else:
        largest = schnabel_eskow(H, L, perm, scratch)
    if math.isnan(largest):
        return False
    solve_permuted(L, perm, g, d, scratch)
    scale(-1.0, d, d)
    return True


@leaf
def direction(H, L, g, options, e, w, c, y, d):
    """d <- the step 2. False: d = -g."""
    done = False
    if cholesky(H, L):
        solve_cholesky(L, g, d)
        scale(-1.0, d, d)
        done = True
    elif options.modification == ABSOLUTE:
        done = absolute_step(H, g, options.floor, e, w, c, y, d)
    elif options.modification == SHIFT:
        done = shift(H, L, g, w, d)
    else:
        done = diagonal(H, L, g, options.modification, w, c, d)
    slope = dot(g, d)
    if done and slope < 0.0 and not math.isinf(slope):
        return True
    scale(-1.0, g, d)
    return False


def solve(fun, fun_grad, hess, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n = x.shape[0]
    g, gt, xt, d, w, c, y = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    H, L = work[N_VECTORS : N_VECTORS + n], work[N_VECTORS + n : N_VECTORS + 2 * n]

    f = control.values[F]
    forget(memory, f)
    failed = False
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        steepest = True
        if failed:
            scale(-1.0, g, d)
        else:
            hessian(hess, x, H, control, data)
            steepest = not direction(H, L, g, options, xt, w, c, y, d)
        alpha, ft, slope = descend(search, fun, fun_grad, x, f, g, d, xt, gt, memory, search_options, control, data)
        failed = alpha == 0.0
        if failed:
            reason = after_failure(f, slope, steepest, memory, control)
            continue
        f = accept(x, f, xt, ft, alpha, slope, control)
        copy(gt, g)
        reason = stopping_test(f, g, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
