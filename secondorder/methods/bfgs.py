r"""BFGS: quasi-Newton with a dense approximation H of the inverse Hessian.

Minimise f: R^n -> R. With g = grad f(x):

    1.  stop if |g|_inf <= gtol
    2.  d = -H g                                            (H = I at first: d = -g)
    3.  alpha = search(f, x, d);   s = alpha d;   y = grad f(x + s) - g;   x <- x + s
    4.  before the first update  H = (s'y / y'y) I                                  ([1] eq. 6.20),
        for few variables 1e8 times that: see below
    5.  H <- (I - s y'/s'y) H (I - y s'/s'y) + s s'/s'y                             ([1] eq. 6.17)
        skipped where s'y <= skip |s| |y|; with damping, y is first moved towards H^{-1} s   ([2])

The update of step 5 is rank two, H <- H + a s s' - b (s u' + u s') with u = H y, a = (1 + y'u b) b, b = 1 / s'y. It is
held back and done in the pass over H that the next product needs anyway: one pass of n^2 an iteration, since with
q = H g_new known, u = q - H g = q + d, and the next direction is a combination of q, s and u.

Step 4 takes the largest curvature for that of all directions. Where the curvatures differ by many orders, as in a least
squares fit, the flat directions then stay almost untouched while the gradient falls, and the run ends with a small
gradient far from the minimum. With n <= explore, H starts so large that each new direction is first tried too far, and
so learns its own curvature, at the cost of an evaluation or two; unit steps are cut to the rule "quadratic" meanwhile.

Cost of an iteration: f and g as the search asks, one pass over n^2 numbers. Memory: n + 7 vectors of length n.
If the search fails H is reset and -g is tried once.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Algorithm 6.1.
[2] Powell. Algorithms for nonlinear constraints that use Lagrangian functions. Math. Prog. 14 (1978) 224-248.
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, N_SKIP, F, accept, stopping_test
from secondorder.jit import leaf
from secondorder.linalg.vectors import axpby, axpy, copy, distance2, dot, scale
from secondorder.line_searches.memory import CAUTIOUS, N_MEMORY, forget
from secondorder.methods.step import after_failure, descend
from secondorder.precision import EPS
from secondorder.status import RUNNING, Outcome

NEEDS = ("grad",)
# CUTEst, 2026-11: as many problems solved as with hager-zhang, as many evaluations, fewer on easy problems
SEARCH = {"line_search": "strong-wolfe", "initial_step": "unit"}
N_VECTORS = 7
EXPLORING = 1e8  # CUTEst, 2026-11: of 1e3 to 1e8 the most problems solved


class Options(NamedTuple):
    """Options of BFGS."""

    skip: float = EPS  # skip the update if s'y <= skip |s| |y|, in [0, 1)
    explore: int = 20  # n up to which step 4 explores; CUTEst, 2026-11: 8..60 alike, more evaluations from 30 on
    damping: float = 0.0  # Powell's damping: keep s'y >= damping s'Bs, in [0, 1); 0.2 in [2], 0 = off


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + n


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY


def result_fields(n, work, scale):
    """What this method adds to the result; f was multiplied by `scale`."""
    return {"hess_inv": scale * work[N_VECTORS : N_VECTORS + n]}


class Update(NamedTuple):
    """The rank-two update H <- H + a s s' - b (s u' + u s'); a = b = 0: none."""

    a: float
    b: float


@leaf
def multiply(H, update, s, u, v, out):
    """out <- H v, with H updated on the way: one pass over H."""
    n = v.shape[0]
    whole = n - n % 4
    for i in range(n):
        row = H[i]
        if update.b != 0.0:
            p, q = update.a * s[i] - update.b * u[i], update.b * s[i]
            for j in range(n):
                row[j] += p * s[j] - q * u[j]
        t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
        for j in range(0, whole, 4):
            t0 += row[j] * v[j]
            t1 += row[j + 1] * v[j + 1]
            t2 += row[j + 2] * v[j + 2]
            t3 += row[j + 3] * v[j + 3]
        for j in range(whole, n):
            t0 += row[j] * v[j]
        out[i] = (t0 + t2) + (t1 + t3)


@leaf
def set_identity(H, diagonal):
    """H <- diagonal I."""
    n = H.shape[0]
    for i in range(n):
        for j in range(n):
            H[i, j] = 0.0
        H[i, i] = diagonal


@leaf
def rank_two(options, curved, alpha, slope, sy, g, gt, s, u):
    """The update for the step s with change of gradient y = gt - g, u = H y. Damping changes u as it changes y.

    B s = -alpha g, so damped y = theta y - (1 - theta) alpha g and H (damped y) = theta u + (1 - theta) s.
    """
    sbs = -alpha * alpha * slope
    if sy < options.damping * sbs:
        theta = (1.0 - options.damping) * sbs / (sbs - sy)
        axpby(theta, u, 1.0 - theta, s, u)
        yu = theta * (dot(gt, u) - dot(g, u)) - (1.0 - theta) * alpha * dot(g, u)
        sy = options.damping * sbs
    elif curved:
        yu = dot(gt, u) - dot(g, u)
    else:
        return Update(0.0, 0.0)
    b = 1.0 / sy  # of the step alone: under way before yu is known
    return Update((1.0 + yu * b) * b, b)


@leaf
def direction(update, s, u, gt, q, d):
    """d <- -H gt, from q = (H before the update) gt."""
    sg, ug = dot(s, gt), dot(u, gt)
    p, r = update.a * sg - update.b * ug, update.b * sg
    for i in range(d.shape[0]):
        d[i] = -q[i] - p * s[i] + r * u[i]


def solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n = x.shape[0]
    g, gt, xt, d, s, u, q = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    H = work[N_VECTORS : N_VECTORS + n]
    update = Update(0.0, 0.0)
    identity = True  # no curvature is known yet: d = -g

    f = control.values[F]
    forget(memory, f)
    scale(-1.0, g, d)
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        alpha, ft, slope = descend(search, fun, fun_grad, x, f, g, d, xt, gt, memory, search_options, control, data)
        if alpha == 0.0:
            reason = after_failure(f, slope, identity, memory, control)
            identity = True
            scale(-1.0, g, d)
            continue

        sy, ss, yy = alpha * (dot(gt, d) - slope), alpha * alpha * dot(d, d), distance2(gt, g)
        curved = sy > options.skip * math.sqrt(ss) * math.sqrt(yy)
        if identity and curved:  # 4
            identity = False
            gamma = sy / yy
            if n <= options.explore:
                gamma *= EXPLORING
                memory[CAUTIOUS] = 1.0
            set_identity(H, gamma)
            scale(gamma, gt, q)
            axpy(-gamma, g, q, u)
            update = Update(0.0, 0.0)
        elif not identity:
            multiply(H, update, s, u, gt, q)
            axpy(1.0, d, q, u)  # u = H g_new - H g
        scale(alpha, d, s)
        if identity:
            scale(-1.0, gt, d)
        else:
            update = rank_two(options, curved, alpha, slope, sy, g, gt, s, u)  # 5
            direction(update, s, u, gt, q, d)
        if update.b == 0.0:
            control.counts[N_SKIP] += 1

        f = accept(x, f, xt, ft, alpha, slope, control)
        copy(gt, g)
        reason = stopping_test(f, g, control)

    if identity:
        set_identity(H, 1.0)
    else:
        multiply(H, update, s, u, g, q)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
