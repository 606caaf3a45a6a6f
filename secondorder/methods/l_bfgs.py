r"""L-BFGS: quasi-Newton with the inverse Hessian implied by the last m steps.

Minimise f: R^n -> R. With g = grad f(x):

    1.  stop if |g|_inf <= gtol
    2.  d = -H g by the two-loop recursion over the stored pairs (s_i, y_i), from H_0 = (s'y / y'y) I  ([1] alg. 7.4)
    3.  alpha = search(f, x, d);   s = alpha d;   y = grad f(x + s) - g;   x <- x + s
    4.  store (s, y) in place of the oldest pair, unless s'y <= skip |s| |y|

For long vectors (`solve_long`) the recursion runs on coefficients: every vector in it is a combination of g, the s_i
and the y_i, so the inner products s_i'y_j, y_i'y_j, s_i'g and y_i'g are all it needs ([2]). A new g costs 2 m products
and the direction one combination: S and Y are read twice an iteration, not four times, and all else is done in the same
two passes; s_i'y and y_i'y of a new y = g_new - g are differences of products that are known. It equals the recursion
up to rounding, and the compact form of [3].

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

from secondorder.control import (
    CHANGE,
    COMBINE,
    G_ROW,
    GNORM,
    N_ITER,
    N_SKIP,
    X_NORM,
    X_ROW,
    X_TOL,
    F,
    accept,
    keep_best,
    stopping_test,
    stopping_test_at,
    taken,
)
from secondorder.control import dot as dot_of
from secondorder.jit import function_at, inlined, leaf, loop
from secondorder.linalg import chunks
from secondorder.linalg.two_loop import two_loop
from secondorder.linalg.vectors import axpy, copy, distance2, dot, norm_inf, scale
from secondorder.line_searches.memory import N_MEMORY, forget
from secondorder.methods.step import after_failure, descend, descend_along
from secondorder.precision import EPS
from secondorder.status import RUNNING, Outcome

NEEDS = ("grad",)
# CUTEst, 2026-11: strong-wolfe takes 10 % fewer evaluations than hager-zhang at 1e-9, as many at 1e-5
SEARCH = {"line_search": "strong-wolfe", "initial_step": "unit"}
N_VECTORS = 4
X_SPARE = 2  # row of the trial point

_combine_at = function_at(chunks.KERNELS[chunks.combine])
_change_at = function_at(chunks.KERNELS[chunks.change])


class Options(NamedTuple):
    """Options of L-BFGS."""

    m: int = 10  # pairs kept, >= 1; [1, p. 177] has 3 to 20; scipy 10
    skip: float = EPS  # a pair is not stored if s'y <= skip |s| |y|, in [0, 1)


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + 2 * options.m


def n_memory(n, options):
    """Length of `memory`: 1 / s'y of each pair and coefficients; for long vectors `Pairs`."""
    m = options.m
    if n < chunks.LONG:
        return N_MEMORY + 2 * m
    return N_MEMORY + (8 + 2 * m) * m + 2 * (2 * m + 2) + chunks.CHUNKS * (2 * m + 4)


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


def solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    m = options.m
    g, gt, xt, d = work[0], work[1], work[2], work[3]
    S, Y = work[N_VECTORS : N_VECTORS + m], work[N_VECTORS + m : N_VECTORS + 2 * m]
    inv_sy, a = memory[N_MEMORY : N_MEMORY + m], memory[N_MEMORY + m : N_MEMORY + 2 * m]
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
        if ys > options.skip * math.sqrt(ss) * math.sqrt(yy):  # 4
            newest = (newest + 1) % m
            pairs = min(pairs + 1, m)
            inv_sy[newest], gamma = 1.0 / ys, ys / yy
            scale(alpha, d, S[newest])
            axpy(-1.0, g, gt, Y[newest])
        else:
            control.counts[N_SKIP] += 1
        if pairs == 0:
            scale(-1.0, gt, d)
        else:  # 2
            two_loop(S, Y, inv_sy, gamma, newest, pairs, gt, a, d)

        f = accept(x, f, xt, ft, alpha, slope, control)
        copy(gt, g)
        reason = stopping_test(f, g, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])


# ------------------------------------------------------------------------------------------------- long vectors


class Pairs(NamedTuple):
    """The stored pairs of long vectors, in slots 0..m-1 that are filled in turn: s_i = alphas[i] work[s_rows[i]]."""

    s_rows: object  # (m,) rows of work, as floats
    y_rows: object
    alphas: object
    inv_sy: object  # (m,) 1 / s_i'y_i
    SY: object  # (m, m) s_i'y_j, where i is not newer than j
    YY: object  # (m, m) y_i'y_j
    sg: object  # (m,) s_i'g
    yg: object
    a: object  # (m,) coefficients
    b: object
    rows: object  # (2 m + 2,) rows for one kernel call,
    coefficients: object  # their coefficients,
    sums: object  # and its sums


@inlined
def pairs_in(memory, m):
    """The numbers of `memory` by their names; every slot has two rows of work."""
    v = memory[N_MEMORY : N_MEMORY + 8 * m].reshape(8, m)
    gram = memory[N_MEMORY + 8 * m : N_MEMORY + (8 + 2 * m) * m].reshape(2, m, m)
    rest = memory[N_MEMORY + (8 + 2 * m) * m :]
    for i in range(m):
        v[0, i], v[1, i] = N_VECTORS + i, N_VECTORS + m + i
    listed = 2 * m + 2
    rows, coefficients, sums = rest[:listed], rest[listed : 2 * listed], rest[2 * listed :]
    return Pairs(v[0], v[1], v[2], v[3], gram[0], gram[1], v[4], v[5], v[6], v[7], rows, coefficients, sums)


@leaf
def list_rows(p, newest, count, first):
    """p.rows <- first, then s and y of the newest `count` slots; returns their number."""
    m = p.inv_sy.shape[0]
    p.rows[0] = first
    for k in range(count):
        i = (newest - k) % m
        p.rows[1 + 2 * k], p.rows[2 + 2 * k] = p.s_rows[i], p.y_rows[i]
    return 1 + 2 * count


@loop
def measure(p, newest, pairs, work, d_row, g_row, gt, control):
    """One pass over memory: work[g_row] <- y, p.a <- S'gt, p.b <- Y'gt; returns d'gt, y'gt, y'y and |gt|_inf.

    The oldest of m pairs is left out: it makes room for the new one.
    """
    m = p.inv_sy.shape[0]
    kept = min(pairs, m - 1)
    count = list_rows(p, newest, kept, d_row)
    gnorm = _change_at(control.counts[CHANGE])(work, p.rows, count, work[g_row], gt, p.sums)
    for k in range(kept):
        i = (newest - k) % m
        p.a[i], p.b[i] = p.alphas[i] * p.sums[1 + 2 * k], p.sums[2 + 2 * k]
    return p.sums[0], p.sums[count], p.sums[count + 1], gnorm


@leaf
def renew(p, newest, kept, slot):
    """The products of the newest `kept` slots with gt take the place of those with g; slot >= 0 gets the new pair's."""
    m = p.inv_sy.shape[0]
    for k in range(kept):
        i = (newest - k) % m
        if slot >= 0:  # y = gt - g
            p.SY[i, slot] = p.a[i] - p.sg[i]
            p.YY[i, slot] = p.YY[slot, i] = p.b[i] - p.yg[i]
        p.sg[i], p.yg[i] = p.a[i], p.b[i]


@loop
def combine(p, gamma, newest, pairs, work, g_row, d, control):
    """d <- -gamma g + sum a_i s_i + b_i y_i; returns g'd, d'd and |d|_inf."""
    m = p.inv_sy.shape[0]
    count = list_rows(p, newest, pairs, g_row)
    p.coefficients[0] = -gamma
    for k in range(pairs):
        i = (newest - k) % m
        p.coefficients[1 + 2 * k], p.coefficients[2 + 2 * k] = p.a[i] * p.alphas[i], p.b[i]
    _combine_at(control.counts[COMBINE])(work, p.rows, p.coefficients, count, d, p.sums)
    return p.sums[0], p.sums[1], p.sums[2]


def solve_long(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """`solve` on coefficients. Vectors stay where they are: rows of work change their roles instead."""
    m, counts, values = options.m, control.counts, control.values
    p = pairs_in(memory, m)
    g_row, gt_row, d_row = 0, 1, 3
    here, there = x, work[X_SPARE]  # the point and the trial point
    newest, pairs, gamma = -1, 0, 1.0

    f = values[F]
    forget(memory, f)
    slope, dd, longest = combine(p, 1.0, -1, 0, work, g_row, work[d_row], control)
    reason = stopping_test(f, work[g_row], control)
    while reason == RUNNING:
        g, gt, d = work[g_row], work[gt_row], work[d_row]
        alpha, ft, slope = descend_along(
            search, fun, fun_grad, here, f, g, slope, d, there, gt, memory, search_options, control, data
        )
        if alpha == 0.0:
            values[X_NORM] = norm_inf(here)
            reason = after_failure(f, slope, pairs == 0, memory, control)
            newest, pairs = -1, 0
            slope, dd, longest = combine(p, 1.0, -1, 0, work, g_row, d, control)
            continue

        slope_t, y_gt, yy, gnorm = measure(p, newest, pairs, work, d_row, g_row, gt, control)
        ys = alpha * (slope_t - slope)
        if ys > options.skip * alpha * math.sqrt(dd) * math.sqrt(yy):  # 4
            renew(p, newest, min(pairs, m - 1), (newest + 1) % m)
            newest = (newest + 1) % m
            pairs = min(pairs + 1, m)
            p.alphas[newest], p.inv_sy[newest], gamma = alpha, 1.0 / ys, ys / yy
            p.sg[newest], p.yg[newest], p.YY[newest, newest] = alpha * slope_t, y_gt, yy
            d_row, p.s_rows[newest] = int(p.s_rows[newest]), d_row
            g_row, gt_row, p.y_rows[newest] = gt_row, int(p.y_rows[newest]), g_row
        else:
            counts[N_SKIP] += 1
            renew(p, newest, min(pairs, m - 1), -1)
            g_row, gt_row = gt_row, g_row
            if pairs == m:  # the oldest pair stays after all
                i = (newest + 1) % m
                p.sg[i] = p.alphas[i] * dot_of(work[int(p.s_rows[i])], gt, control)
                p.yg[i] = dot_of(work[int(p.y_rows[i])], gt, control)
        step = alpha * longest

        coefficients(p.SY, p.YY, p.sg, p.yg, p.inv_sy, gamma, newest, pairs, p.a, p.b)  # 2
        new_slope, dd, longest = combine(p, gamma, newest, pairs, work, g_row, work[d_row], control)
        keep_best(here, ft, control)
        here, there = there, here
        counts[G_ROW], counts[X_ROW] = g_row, X_SPARE - counts[X_ROW]
        f = taken(f, ft, alpha, slope, step, norm_inf(here) if values[X_TOL] > 0.0 else 0.0, control)
        slope = new_slope
        reason = stopping_test_at(f, gnorm, control)
    if counts[X_ROW] != 0:
        copy(here, x)
        counts[X_ROW] = 0
    return Outcome(reason, f, values[GNORM], counts[N_ITER])
