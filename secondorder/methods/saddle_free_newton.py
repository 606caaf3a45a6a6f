r"""Saddle-free Newton: steps of the absolute value of the Hessian, in Krylov spaces, from Hessian products only.

Minimise f: R^n -> R. At x, with g = grad f(x) and H = hess f(x):

    1.  stop if |g|_inf <= gtol
    2.  V, its rows v_1 = g / |g|, v_2, .. orthonormal, and T = V H V' tridiagonal, by Lanczos                  ([1])
    3.  T = Z' diag(w) Z;   h = -Z' diag(max(|w_i|, floor max|w|))^{-1} Z |g| e_1;   d = V' h                ([1])
        in the first space in which beta_k |h_k| <= eta_k |g|, or that is invariant, or of dimension m
    4.  alpha = search(f, x, d), tried first at 1;   x <- x + alpha d

Along directions of negative curvature, which Newton's step goes up, the step goes down, and is as long. Where H is
positive definite, 3 is the step of conjugate gradients, and beta_k |h_k| is |H d + g|; else it is what couples the
space to the rest. Where H is not finite, d = -g.

Differs from [1]: the space begins with g, so that it contains it, and the vectors are kept and orthogonalized against
all before; its dimension is not fixed; a line search in place of the damping of |T|.

Cost of an iteration: k <= m Hessian products, 4 k^2 n operations, f and g as the search asks. Memory: min(n, m) + 5
vectors of length n. If the search fails, -g is tried once.

References
----------
[1] Dauphin, Pascanu, Gulcehre, Cho, Ganguli, Bengio. Identifying and attacking the saddle point problem in
    high-dimensional non-convex optimization. NIPS 2014.
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, stopped, stopping_test
from secondorder.jit import leaf, loop, reshaped
from secondorder.krylov.ends import MAX_STEPS
from secondorder.krylov.lanczos import BREAKDOWN, lanczos_step, memory_size, ritz_pairs
from secondorder.linalg.eigen import implicit_ql
from secondorder.linalg.vectors import axpy, copy, dot, scale
from secondorder.line_searches.memory import N_MEMORY, forget
from secondorder.methods.step import after_failure, descend
from secondorder.precision import roundings
from secondorder.status import RUNNING, Outcome
from secondorder.subproblems.forcing import FORCINGS, ROOT, forcing_term

NEEDS = ("grad", "hvp")
SEARCH = {"line_search": "strong-wolfe", "initial_step": "constant"}
NAMED = {"forcing": FORCINGS}
N_VECTORS = 4


class Options(NamedTuple):
    """Options of saddle-free Newton."""

    m: int = 100  # largest dimension of a space, >= 1; [1] has 500 for networks
    forcing: int = ROOT  # the rule for eta_k, by name
    eta_max: float = 0.1  # largest eta_k, in (0, 1)
    floor: float = roundings(power=0.5)  # the least |w_i| in units of the largest, in (0, 1); sqrt(eps)


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + min(n, options.m) + 1


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY + memory_size(min(n, options.m))


@leaf
def coupling(alpha, beta, k, floor, scratch):
    """beta_k |h_k| / |g| in the space of dimension k; inf if T is not finite. scratch (4 k,)."""
    w, e, ends = scratch[:k], scratch[k : 2 * k], reshaped(scratch[2 * k : 4 * k], (k, 2))
    copy(alpha[:k], w)
    copy(beta[:k], e)
    for i in range(k):
        ends[i, 0] = ends[i, 1] = 0.0
    ends[0, 0] = ends[k - 1, 1] = 1.0
    if not implicit_ql(w, e, ends):
        return math.inf
    top = 0.0
    for i in range(k):
        top = max(top, abs(w[i]))
    if not top > 0.0:
        return math.inf
    last = 0.0
    for i in range(k):
        last += ends[i, 0] * ends[i, 1] / max(abs(w[i]), floor * top)
    return beta[k - 1] * abs(last)


@loop
def krylov_space(hvp, x, g, gnorm, eta, floor, V, memory, control, data):
    """V and T for step 2. Returns (k, |H| from below)."""
    m = V.shape[0] - 1
    alpha, beta, scratch = memory[:m], memory[m : 2 * m], memory[2 * m :]
    scale(1.0 / gnorm, g, V[0])
    norm, previous, k, next_look = 0.0, 0.0, 0, 1
    while k < m:
        a, b, size = lanczos_step(hvp, x, V, k, previous, control, data)
        if not (math.isfinite(a) and math.isfinite(b)):
            break
        norm = max(norm, size)
        alpha[k], beta[k], previous = a, b, b
        k += 1
        if not b > BREAKDOWN * norm:  # non-strict: H = 0 stops here
            break
        if k >= next_look:
            next_look = k + 1 + k // 8  # a look costs k^2
            if coupling(alpha, beta, k, floor, scratch) <= eta:
                break
        if stopped(control):
            break
        scale(1.0 / b, V[k], V[k])
    return k, norm


@leaf
def absolute_step(V, k, norm, gnorm, floor, memory, d):
    """d <- the step 3. False: T is 0 or not finite."""
    m = V.shape[0] - 1
    ritz = ritz_pairs(MAX_STEPS, k, norm, m, memory)
    w, Z, h = memory[:k], reshaped(memory[4 * m : 4 * m + k * k], (k, k)), memory[2 * m : 2 * m + k]
    top = max(abs(ritz.smallest), abs(ritz.largest))
    if not 0.0 < top < math.inf:
        return False
    for j in range(k):
        h[j] = 0.0
    for i in range(k):
        axpy(-gnorm * Z[i, 0] / max(abs(w[i]), floor * top), Z[i], h, h)
    scale(h[0], V[0], d)
    for j in range(1, k):
        axpy(h[j], V[j], d, d)
    return True


@loop
def direction(hvp, x, g, gnorm, eta, floor, V, memory, d, control, data):
    """d <- the steps 2 and 3. False: d = -g."""
    k, norm = krylov_space(hvp, x, g, gnorm, eta, floor, V, memory, control, data)
    if k > 0 and absolute_step(V, k, norm, gnorm, floor, memory, d):
        slope = dot(g, d)
        if slope < 0.0 and not math.isinf(slope):
            return True
    scale(-1.0, g, d)
    return False


def solve(fun, fun_grad, hvp, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    m = min(x.shape[0], options.m)
    g, gt, xt, d = work[0], work[1], work[2], work[3]
    V, of_space = work[N_VECTORS : N_VECTORS + m + 1], memory[N_MEMORY:]
    first = last = math.sqrt(dot(g, g))
    eta = options.eta_max

    f = control.values[F]
    forget(memory, f)
    failed = False
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        steepest = True
        if failed:
            scale(-1.0, g, d)
        else:
            gnorm = math.sqrt(dot(g, g))
            eta = forcing_term(options.forcing, options.eta_max, gnorm, last, first, eta)
            last = gnorm
            steepest = not direction(hvp, x, g, gnorm, eta, options.floor, V, of_space, d, control, data)
        alpha, ft, slope = descend(search, fun, fun_grad, x, f, g, d, xt, gt, memory, search_options, control, data)
        failed = alpha == 0.0
        if failed:
            reason = after_failure(f, slope, steepest, memory, control)
            continue
        f = accept(x, f, xt, ft, alpha, slope, control)
        copy(gt, g)
        reason = stopping_test(f, g, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
