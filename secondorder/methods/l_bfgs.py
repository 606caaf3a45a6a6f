r"""L-BFGS: quasi-Newton with the inverse Hessian implied by the last m steps.

Minimise f: R^n -> R. With g = grad f(x):

    1.  stop if |g|_inf <= gtol
    2.  d = -H g by the two-loop recursion over the stored pairs (s_i, y_i), from H_0 = (s'y / y'y) I  ([1] alg. 7.4)
    3.  alpha = search(f, x, d);   s = alpha d;   y = grad f(x + s) - g;   x <- x + s
    4.  store (s, y) in place of the oldest pair, unless s'y <= skip |s| |y|

For long vectors the recursion runs on coefficients: every vector in it is a combination of g, the s_i and the y_i, so
the inner products s_i'y_j, y_i'y_j, s_i'g and y_i'g are all it needs ([2]). A new g costs 2 m products and the
direction one combination: S and Y are read twice an iteration, not four times; s_i'y and y_i'y of a new y = g_new - g
are differences of products that are known. It equals the recursion up to rounding, and the compact form of [3].

Cost of an iteration: f and g as the search asks, 4 m n multiplications. Memory: 2 m + 4 vectors of length n.
If the search fails the pairs are forgotten and -g is tried once.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Algorithms 7.4 and 7.5.
[2] Chen, Wang, Zhou. Large-scale L-BFGS using MapReduce. NIPS 2014.
[3] Byrd, Nocedal, Schnabel. Representations of quasi-Newton matrices and their use in limited memory methods.
    Math. Prog. 63 (1994) 129-156. doi:10.1007/BF01582063
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, N_SKIP, F, accept, stopping_test
from secondorder.jit import leaf
from secondorder.linalg.vectors import axpy, axpy_dot, copy, distance2, dot, scale
from secondorder.line_searches.memory import N_MEMORY, forget
from secondorder.methods.step import after_failure, descend
from secondorder.status import RUNNING, Outcome

NEEDS = ("grad",)
# CUTEst, 2026-11: strong-wolfe takes 10 % fewer evaluations than hager-zhang at 1e-9, as many at 1e-5
SEARCH = {"line_search": "strong-wolfe", "initial_step": "unit"}
N_VECTORS = 4
BLOCK = 2048  # numbers of a vector handled at once for long vectors: two blocks of 16 KiB stay in the first-level cache
LONG = 1024  # from here on products are kept; below, the plain recursion is faster


class Options(NamedTuple):
    """Options of L-BFGS."""

    m: int = 10  # pairs kept, >= 1; [1, p. 177] has 3 to 20; scipy 10
    skip: float = 2.0**-52  # a pair is not stored if s'y <= skip |s| |y|, in [0, 1)


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + 2 * options.m


def n_memory(n, options):
    """Length of `memory`: 1 / s'y of each pair, coefficients, and for long vectors the products."""
    return N_MEMORY + options.m * (5 + 2 * options.m)


@leaf
def two_loop(S, Y, inv_sy, gamma, newest, pairs, g, a, d):
    """d <- -H g from pairs >= 1; a (m,) is scratch. A pass over d makes one step and the product for the next."""
    m = S.shape[0]
    scale(-1.0, g, d)
    i, product = newest, dot(S[newest], d)
    for _ in range(pairs - 1):
        a[i] = product * inv_sy[i]
        older = i - 1 if i > 0 else m - 1
        product = axpy_dot(-a[i], Y[i], d, S[older])
        i = older
    a[i] = product * inv_sy[i]
    axpy(-a[i], Y[i], d, d)
    scale(gamma, d, d)
    product = dot(Y[i], d)
    for _ in range(pairs - 1):
        newer = i + 1 if i < m - 1 else 0
        product = axpy_dot(a[i] - product * inv_sy[i], S[i], d, Y[newer])
        i = newer
    axpy(a[i] - product * inv_sy[i], S[i], d, d)


@leaf
def products(S, Y, pairs, g, sg, yg):
    """sg <- S g, yg <- Y g, block by block: S and Y are read once, g from the cache."""
    n = g.shape[0]
    for i in range(pairs):
        sg[i], yg[i] = 0.0, 0.0
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        for i in range(pairs):
            sg[i] += dot(S[i, start:stop], g[start:stop])
            yg[i] += dot(Y[i, start:stop], g[start:stop])


@leaf
def new_column(SY, YY, sg, yg, sg_old, yg_old, yy, newest, pairs):
    """S'y and Y'y of the newest y = g_new - g_old from the products with g_new and with g_old."""
    for i in range(pairs):
        SY[i, newest] = sg[i] - sg_old[i]
        YY[i, newest] = yg[i] - yg_old[i]
        YY[newest, i] = YY[i, newest]
    YY[newest, newest] = yy


@leaf
def coefficients(SY, YY, sg, yg, inv_sy, gamma, newest, pairs, a, b):
    """a, b such that -gamma g + sum a_i s_i + b_i y_i is the direction of the two-loop recursion."""
    m = inv_sy.shape[0]
    for k in range(pairs):  # b_i = gamma s_i'q / s_i'y_i, with q = g - sum of b_j y_j / gamma over the newer j
        i = (newest - k) % m
        sq = sg[i]
        for newer in range(k):
            j = (newest - newer) % m
            sq -= b[j] * SY[i, j]
        b[i] = sq * inv_sy[i]
    for k in range(pairs - 1, -1, -1):
        i = (newest - k) % m
        yr = yg[i]
        for other in range(pairs):
            j = (newest - other) % m
            yr -= b[j] * YY[i, j]
        yr *= gamma
        for older in range(k + 1, pairs):
            j = (newest - older) % m
            yr -= a[j] * SY[j, i]
        a[i] = yr * inv_sy[i] - b[i]
    for i in range(m):
        b[i] *= gamma


@leaf
def combine(S, Y, gamma, a, b, g, newest, pairs, d):
    """d <- -gamma g + sum a_i s_i + b_i y_i, block by block."""
    n, m = g.shape[0], S.shape[0]
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        block = d[start:stop]
        scale(-gamma, g[start:stop], block)
        for k in range(pairs):
            i = (newest - k) % m
            s, y = S[i, start:stop], Y[i, start:stop]
            p, q = a[i], b[i]
            for j in range(stop - start):
                block[j] += p * s[j] + q * y[j]


def solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    n, m = x.shape[0], options.m
    g, gt, xt, d = work[0], work[1], work[2], work[3]
    S, Y = work[N_VECTORS : N_VECTORS + m], work[N_VECTORS + m : N_VECTORS + 2 * m]
    rows = memory[N_MEMORY : N_MEMORY + 5 * m].reshape(5, m)
    inv_sy, a, b, sg, yg = rows[0], rows[1], rows[2], rows[3], rows[4]
    gram = memory[N_MEMORY + 5 * m : N_MEMORY + (5 + 2 * m) * m].reshape(2, m, m)
    SY, YY = gram[0], gram[1]
    newest, pairs, gamma = -1, 0, 1.0

    f = control.values[F]
    forget(memory, f)
    scale(-1.0, g, d)
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        alpha, ft, slope = descend(search, fun, fun_grad, x, f, g, d, xt, gt, memory, search_options, control, data)
        if alpha == 0.0:
            reason = after_failure(f, slope, pairs == 0, memory, control)
            newest, pairs = -1, 0
            scale(-1.0, g, d)
            continue

        ys, ss, yy = alpha * (dot(gt, d) - slope), alpha * alpha * dot(d, d), distance2(gt, g)
        curved = ys > options.skip * math.sqrt(ss) * math.sqrt(yy)
        if curved:  # 4
            newest = (newest + 1) % m
            pairs = min(pairs + 1, m)
            inv_sy[newest], gamma = 1.0 / ys, ys / yy
            scale(alpha, d, S[newest])
            axpy(-1.0, g, gt, Y[newest])
        else:
            control.counts[N_SKIP] += 1
        if pairs == 0:
            scale(-1.0, gt, d)
        elif n < LONG:  # 2
            two_loop(S, Y, inv_sy, gamma, newest, pairs, gt, a, d)
        else:
            copy(sg, a)
            copy(yg, b)
            products(S, Y, pairs, gt, sg, yg)
            if curved:
                new_column(SY, YY, sg, yg, a, b, yy, newest, pairs)
            coefficients(SY, YY, sg, yg, inv_sy, gamma, newest, pairs, a, b)
            combine(S, Y, gamma, a, b, gt, newest, pairs, d)

        f = accept(x, f, xt, ft, alpha, slope, control)
        copy(gt, g)
        reason = stopping_test(f, g, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
