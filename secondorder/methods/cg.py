r"""Nonlinear conjugate gradients.

Minimise f: R^n -> R. With g = grad f(x), P a symmetric positive definite approximation of the inverse Hessian (I unless
given), z = P g, and + for the values after the step, y = g+ - g, w = P y:

    1.  stop if |g|_inf <= gtol
    2.  alpha = search(f, x, d);   x <- x + alpha d                        (d = -z at first)
    3.  beta = beta(rule), one of
            fr    g+'z+ / g'z                              Fletcher-Reeves
            pr+   max(0, g+'w / g'z)                       Polak-Ribiere, cut off at 0 (Powell, Gilbert-Nocedal)
            hs    g+'w / d'y                               Hestenes-Stiefel, cut off at 0 likewise
            dy    g+'z+ / d'y                              Dai-Yuan
            hz    (g+'w - theta (y'w / d'y) d'g+) / d'y    Hager-Zhang ([2], theta = 2; [3] takes 1), not below
                                                           lower d'g / d'P^{-1}d ([4] eq. 2.3; P^{-1} is left out here)
    4.  d <- -z+ + beta d
    5.  d <- -z+ instead (a restart) after restart * n steps, where d'g+ is not below -descent g+'z+, or where two
        gradients are far from orthogonal, |g+'z| >= powell g+'z+  ([1] eq. 5.52; off by default)

Cost of an iteration: f and g as the search asks, one product with P. Memory: 6 vectors of length n.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 5.2.
[2] Hager, Zhang. A new conjugate gradient method with guaranteed descent and an efficient line search.
    SIAM J. Optim. 16 (2005) 170-192. doi:10.1137/030601880
[3] Hager, Zhang. The limited memory conjugate gradient method. SIAM J. Optim. 23 (2013) 2150-2168.
    doi:10.1137/120898097
[4] Dai, Kou. A nonlinear conjugate gradient algorithm with an optimal property and an improved Wolfe line search.
    SIAM J. Optim. 23 (2013) 296-320. doi:10.1137/100813026
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, N_RESTART, F, accept, stopping_test
from secondorder.jit import call_product, leaf, loop
from secondorder.linalg.vectors import axpby, copy, dot, scale
from secondorder.line_searches.memory import N_MEMORY, forget
from secondorder.methods.step import after_failure, descend
from secondorder.status import RUNNING, Outcome

NEEDS = ("grad",)
# CUTEst, 2026-11, 1e-9: c2 = 0.2 takes a third more evaluations, 0.4 about twice as many, hager-zhang 2 to 3 times
SEARCH = {"line_search": "strong-wolfe", "initial_step": "quadratic", "c2": 0.1}

FR, PR, HS, DY, HZ = 0, 1, 2, 3, 4
BETAS = {"fr": FR, "pr+": PR, "hs": HS, "dy": DY, "hz": HZ}
NAMED = {"beta": BETAS}  # options that are given by name


class Options(NamedTuple):
    """Options of nonlinear conjugate gradients."""

    beta: int = HZ  # the formula of step 3
    theta: float = 1.0  # of hz, > 1/4; 2 in [2], 1 in [3]
    lower: float = 0.4  # of hz, >= 0: beta is at least lower d'g / d'd; eta of [3, p. 2163]
    restart: float = 6.0  # restart after this many times n steps; restart_fac of [3]
    descent: float = 1e-10  # restart unless d'g+ <= -descent g+'z+
    powell: float = math.inf  # restart if |g+'z| >= powell g+'z+; 0.1 in [1]
    preconditioner: int = 0  # a function P(x, v, out, data), out <- P v, or its address; 0: the identity


def n_work(n, options):
    """Rows of length n in `work`."""
    return 6


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY


@loop
def precondition(options, x, v, out, data):
    """out <- P v."""
    if options.preconditioner == 0:
        copy(v, out)
    else:
        call_product(options.preconditioner, x, v, out, data)


@leaf
def beta(options, d, g, gt, z, zt, gz):
    """beta of step 3; g'z is given. Not finite where the formula breaks down (d'y = 0): the caller restarts."""
    gtzt, gtz, dy = dot(gt, zt), dot(gt, z), dot(d, gt) - dot(d, g)
    gtw = gtzt - gtz
    if options.beta == FR:
        return gtzt / gz
    if options.beta == PR:
        return max(0.0, gtw / gz)
    if options.beta == HS:
        return max(0.0, gtw / dy)
    if options.beta == DY:
        return gtzt / dy
    yw = gtw - dot(g, zt) + gz
    b = (gtw - options.theta * (yw / dy) * dot(d, gt)) / dy
    return max(b, options.lower * dot(d, g) / dot(d, d))


def solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    g, gt, xt, d, z, zt = work[0], work[1], work[2], work[3], work[4], work[5]
    limit = max(1.0, options.restart * x.shape[0])

    f = control.values[F]
    forget(memory, f)
    precondition(options, x, g, z, data)
    scale(-1.0, z, d)
    since = 0  # steps since d was last -z
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        alpha, ft, slope = descend(search, fun, fun_grad, x, f, g, d, xt, gt, memory, search_options, control, data)
        if alpha == 0.0:
            reason = after_failure(f, slope, since == 0, memory, control)
            since = 0
            scale(-1.0, z, d)
            continue

        precondition(options, xt, gt, zt, data)
        b = beta(options, d, g, gt, z, zt, dot(g, z))  # 3
        gtzt = dot(gt, zt)
        axpby(-1.0, zt, b, d, d)  # 4
        since += 1
        good = dot(d, gt) <= -options.descent * gtzt and abs(dot(gt, z)) <= options.powell * gtzt
        if not good or since >= limit:  # 5; nan restarts
            control.counts[N_RESTART] += 1
            since = 0
            scale(-1.0, zt, d)
        f = accept(x, f, xt, ft, alpha, slope, control)
        copy(gt, g)
        copy(zt, z)
        reason = stopping_test(f, g, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
