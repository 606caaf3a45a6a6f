r"""The linear model of the residuals at x, and whether a step on it is to be taken: what dense methods share.

With J the Jacobian, r the residuals (both weighted by the loss) and D a diagonal scaling of the variables,

    cost(x + D^-1 p) ~ m(p) = 1/2 |r + A p|^2 + constant,    A = J D^-1,    A P = Q R

D_j is the largest norm that column j has had ([1] section 6), so that iterates don't depend on the units of a variable,
or is given. R comes from J'J where that is safe (`linalg.cholesky_qr`), else by reflections. Stopping tests beside the
gradient's, both free of units:

    otol    |Q'r| <= otol sqrt(2 cost): the model's least cost is that close to the present one ([2])
    rtol    sqrt(2 cost) <= rtol times the same at x0: residuals that vanish at the solution have no direction left

References
----------
[1] More. The Levenberg-Marquardt algorithm: implementation and theory. Lecture Notes in Mathematics 630 (1978) 105-116.
    doi:10.1007/BFb0067700
[2] Bates, Watts. A relative offset orthogonality convergence criterion for nonlinear least squares. Technometrics 23
    (1981) 179-183. doi:10.1080/00401706.1981.10486257
"""

import math

from secondorder.control import FUN_PER_GRAD, N_ITER, SCALE, accept, evaluated, stopping_test_at
from secondorder.fits.losses import LINEAR, cost, weigh
from secondorder.fits.trial import (
    ACCEPT,
    RESOLUTION,
    X_RESOLUTION,
    failure,
    move_by,
    next_radius,
    residuals,
    scaled_norm,
    set_threshold,
)
from secondorder.jit import inlined, leaf, loop
from secondorder.linalg.cholesky_qr import factor_products, products
from secondorder.linalg.householder import factor, inverse_gram, multiply_upper, solve_upper
from secondorder.linalg.vectors import copy, dot, norm_inf, scale
from secondorder.status import GTOL, OTOL, RTOL, RUNNING

# Rows of work, (n,) each; n more rows hold a triangle, and in the end the inverse of J'J.
G, XT, P, D, NEWTON, Z, DIAGONAL, NORMS, GIVEN, PIVOTS, ROW, Y = range(12)
N_VECTORS = 12
SCALING = D  # where the driver puts a given scaling

# Rows of fit, (m,) each; 2 n more rows hold J and A, by columns.
R, RT, Q, W, RHO = range(5)
N_RESIDUALS = 8

# Entries of memory
FIXED = 0  # 1: D is given
RANK = 1
PROMISED = 2  # |Q'r|^2: twice the decrease that the model promises
OFFSET = 3  # |Q'r| / sqrt(2 cost)
DELTA = 4  # radius; infinite before the first step
LAMBDA = 5  # damping of the last step
START = 6  # sqrt(2 cost) at x0
STALE = 7  # 1: J is not that at x
LEFT = 8  # sqrt(2 cost) / START
N_MEMORY = 9


@leaf
def rescale(factor, J):
    """J <- factor J."""
    for j in range(J.shape[0]):
        scale(factor, J[j], J[j])


@leaf
def all_finite(J):
    """Is every entry finite?"""
    largest = 0.0
    for j in range(J.shape[0]):
        largest += norm_inf(J[j])  # nan if an entry is nan or infinite
    return math.isfinite(largest)


@loop
def jacobian_at(jacobian, x, r, J, control, data):
    """J <- the Jacobian at x, by columns, counted; r are the residuals there. False: it is not finite."""
    factor = control.values[SCALE]
    if factor != 1.0:  # differences are taken of r as it is
        scale(1.0 / factor, r, r)
    jacobian(x, r, J, data)
    evaluated(control.counts[FUN_PER_GRAD], 1, 0, control)
    if factor != 1.0:
        scale(factor, r, r)
        rescale(factor, J)
    return all_finite(J)


@leaf
def reduce(f, loss, work, fit, memory, control):
    """The model at x from J and r: g, D, Q'r and R; returns |g|_inf."""
    n = work.shape[1]
    J, A = fit[N_RESIDUALS : N_RESIDUALS + n], fit[N_RESIDUALS + n : N_RESIDUALS + 2 * n]
    g, d, q, w = work[G], work[D], fit[Q], fit[W]
    gram = work[N_VECTORS : N_VECTORS + n]
    weigh(fit[R], loss, fit[RHO : RHO + 4], w, q, control)
    columns = J
    if loss.kind != LINEAR:
        columns = A
        for j in range(n):
            weighted, given = A[j], J[j]
            for i in range(given.shape[0]):
                weighted[i] = w[i] * given[i]
    products(columns, q, gram, g)
    if memory[FIXED] == 0.0:
        for j in range(n):
            d[j] = max(d[j], math.sqrt(gram[j, j]))
    diagonal, norms, pivots, given = work[DIAGONAL], work[NORMS], work[PIVOTS], work[GIVEN]
    rank = n
    if not factor_products(gram, g, d, A, q, diagonal, norms, pivots, given, work[Y]):
        for j in range(n):
            column, scaled = J[j], A[j]
            unit = d[j] if d[j] > 0.0 else 1.0  # a column of zeros: no step will be made along it
            if loss.kind == LINEAR:
                for i in range(column.shape[0]):
                    scaled[i] = column[i] / unit
            else:  # factor_products has written into A
                for i in range(column.shape[0]):
                    scaled[i] = w[i] * column[i] / unit
        rank = factor(A, q, diagonal, norms, given, pivots)
    solve_upper(A, diagonal, q, rank, pivots, work[Z], work[NEWTON])
    square = 0.0
    for k in range(rank):
        square += q[k] * q[k]
    memory[RANK], memory[PROMISED] = float(rank), square
    memory[OFFSET] = math.sqrt(square / (2.0 * f)) if f > 0.0 else 0.0
    return norm_inf(g)


@loop
def begin(jacobian, x, f, factor, loss, work, fit, memory, control, data):
    """The model at x0, and a radius of factor |D x0|; returns |g|_inf."""
    n = x.shape[0]
    memory[DELTA], memory[LAMBDA], memory[STALE] = math.inf, 0.0, 0.0
    memory[START] = math.sqrt(2.0 * f)
    if memory[FIXED] == 0.0:
        for j in range(n):
            work[D, j] = 0.0
    gnorm = math.nan
    scale(math.nan, x, work[G])
    memory[RANK], memory[PROMISED], memory[OFFSET] = 0.0, math.nan, math.nan
    if jacobian_at(jacobian, x, fit[R], fit[N_RESIDUALS : N_RESIDUALS + n], control, data) and math.isfinite(f):
        gnorm = reduce(f, loss, work, fit, memory, control)
    if scaled_norm(work[D], x) > 0.0:
        memory[DELTA] = factor * scaled_norm(work[D], x)
    set_threshold(gnorm, control)
    return gnorm


@inlined
def stopping_test(f, gnorm, options, memory, control):
    """The reason to stop, or RUNNING; see the top of this file."""
    reason = stopping_test_at(f, gnorm, control)
    memory[LEFT] = math.sqrt(2.0 * f) / memory[START] if memory[START] > 0.0 else 0.0
    if math.isfinite(f) and math.isfinite(gnorm) and reason != GTOL:
        if memory[OFFSET] <= options.otol:
            return OTOL
        if memory[LEFT] <= options.rtol:
            return RTOL
    return reason


@inlined
def predicted_decrease(p, q, A, diagonal, pivots, z):
    """(m(0) - m(p), slope of m at 0 along p), for a step p of scaled variables, from R P'p and Q'r."""
    multiply_upper(A, diagonal, pivots, p, z)
    slope, curvature = 0.0, 0.0
    for k in range(min(z.shape[0], q.shape[0])):
        slope += z[k] * q[k]
        curvature += z[k] * z[k]
    return -slope - 0.5 * curvature, slope


@loop
def advance(residual, jacobian, x, f, loss, work, fit, memory, control, data):
    """Steps 4 to 6: try work[P]. Returns (was it taken, cost, reason); x, fit[R] and J are moved if it was."""
    n = x.shape[0]
    xt, d, p, r, rt = work[XT], work[D], work[P], fit[R], fit[RT]
    J, A = fit[N_RESIDUALS : N_RESIDUALS + n], fit[N_RESIDUALS + n : N_RESIDUALS + 2 * n]
    predicted, slope = predicted_decrease(p, fit[Q], A, work[DIAGONAL], work[PIVOTS], work[Z])
    size = math.sqrt(dot(p, p))
    if control.counts[N_ITER] == 0:
        memory[DELTA] = min(memory[DELTA], size)
    ft = f
    moved = move_by(x, p, d, xt)
    if moved:
        residuals(residual, xt, rt, control, data)
        ft = cost(rt, loss, fit[RHO : RHO + 4], control)
    delta = next_radius(memory[DELTA], size, f, ft, predicted, slope)
    taken = ft < f and f - ft >= ACCEPT * predicted
    if taken and not jacobian_at(jacobian, xt, rt, J, control, data):
        memory[STALE] = 1.0
        delta, taken = 0.25 * size, False
        ft = math.nan
    if delta != memory[DELTA]:
        memory[LAMBDA] *= memory[DELTA] / delta
        memory[DELTA] = delta
    if not taken:
        noise = RESOLUTION * f + X_RESOLUTION * math.sqrt(2.0 * f) * scaled_norm(d, x)
        return False, f, failure(f, ft, predicted, 0.5 * memory[PROMISED], noise, moved, control)
    memory[STALE] = 0.0
    copy(rt, r)
    accept(x, f, xt, ft, 1.0, slope, control)
    return True, ft, RUNNING


@loop
def finish(jacobian, x, f, loss, work, fit, memory, control, data):
    """At the end: J is that at x again, and the last n rows of work are the inverse of J'J, if there is one."""
    n = x.shape[0]
    if memory[STALE] != 0.0:
        jacobian_at(jacobian, x, fit[R], fit[N_RESIDUALS : N_RESIDUALS + n], control, data)
    if int(memory[RANK]) == n:
        inverse(work, fit)


@leaf
def inverse(work, fit):
    """The last n rows of work <- (J'J)^-1."""
    n = work.shape[1]
    A, out, d = fit[N_RESIDUALS + n : N_RESIDUALS + 2 * n], work[N_VECTORS : N_VECTORS + n], work[D]
    inverse_gram(A, work[DIAGONAL], work[PIVOTS], work[Z], out)
    for i in range(n):
        for j in range(n):
            out[i, j] /= d[i] * d[j]


@leaf
def settle_inverse(work, memory, control):
    """After a run: the last n rows of work are (J'J)^-1 in the user's units, infinite if J'J has none."""
    n, unit = work.shape[1], control.values[SCALE] * control.values[SCALE]
    for i in range(N_VECTORS, N_VECTORS + n):
        for j in range(n):
            work[i, j] = unit * work[i, j] if int(memory[RANK]) == n else math.inf


# ------------------------------------------------------------------------------------ for the result, in the driver


def criteria(options, memory):
    """The two criteria of this file, if in force."""
    found = ()
    if options.otol > 0.0:
        value = float(memory[OFFSET])
        found += ({"name": "otol", "value": value, "threshold": options.otol, "met": value <= options.otol},)
    if options.rtol > 0.0:
        value = float(memory[LEFT])
        found += ({"name": "rtol", "value": value, "threshold": options.rtol, "met": value <= options.rtol},)
    return found


def result_fields(work, fit, memory, cost, factor, known):
    """J, its rank and the covariance of x. Residuals were multiplied by `factor`; known: J and R are those at x."""
    n, m = work.shape[1], fit.shape[1]
    jac = fit[N_RESIDUALS : N_RESIDUALS + n].T.copy()
    covariance = work[N_VECTORS : N_VECTORS + n].copy()
    rank = int(memory[RANK]) if known else 0
    if factor != 1.0:
        jac /= factor
    if not known:
        jac[:] = math.nan
    if rank == n and m > n:
        covariance *= 2.0 * cost / (m - n)
    else:
        covariance[:] = math.inf if known else math.nan
    return {"jac": jac, "rank": rank, "covariance": covariance}
