r"""The linear model of the residuals at x, and whether a step on it is to be taken: what dense methods share.

With J the Jacobian, r the residuals (both weighted by the loss) and D a diagonal scaling of the variables,

    cost(x + D^-1 p) ~ m(p) = 1/2 |r + A p|^2 + constant,    A = J D^-1,    A P = Q R

D_j is the largest norm that column j has had ([1] section 6), so that iterates don't depend on the units of a variable,
or is given. Stopping tests beside the gradient's, both free of units:

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

from secondorder.control import (
    EXPECTED,
    FUN_PER_GRAD,
    GRAD_RTOL,
    GRAD_TOL,
    SCALE,
    START_GNORM,
    STOP,
    THRESHOLD,
    TRIAL_ALPHA,
    TRIAL_F,
    TRIAL_SLOPE,
    accept,
    evaluated,
    stopped,
    stopping_test_at,
)
from secondorder.fits.losses import LINEAR, cost, weigh
from secondorder.jit import inlined, leaf
from secondorder.linalg.householder import factor, inverse_gram, multiply_upper, solve_upper
from secondorder.linalg.vectors import copy, dot, norm_inf, scale
from secondorder.status import (
    GTOL,
    NO_DECREASE,
    NOT_FINITE_STEP,
    OTOL,
    ROUNDING,
    RTOL,
    RUNNING,
)

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

# Cost is a sum of many terms: what float64 resolves of it; and of a residual that is a difference of terms |J_ij x_j|.
RESOLUTION = 100.0 * 2.0**-52
X_RESOLUTION = 2.0**-50


@inlined
def residuals(residual, x, r, control, data):
    """r <- the residuals at x, counted."""
    residual(x, r, data)
    evaluated(1, 0, 0, control)
    if control.values[SCALE] != 1.0:
        scale(control.values[SCALE], r, r)


@leaf
def rescale(factor, J):
    """J <- factor J."""
    for j in range(J.shape[0]):
        scale(factor, J[j], J[j])


@leaf
def all_finite(J):
    """Is every entry finite?"""
    for j in range(J.shape[0]):
        if not math.isfinite(norm_inf(J[j])):
            return False
    return True


@inlined
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
    weigh(fit[R], loss, fit[RHO : RHO + 4], w, q, control)
    for j in range(n):
        column, given = A[j], J[j]
        if loss.kind == LINEAR:
            copy(given, column)
        else:
            for i in range(column.shape[0]):
                column[i] = w[i] * given[i]
        g[j] = dot(column, q)
        if memory[FIXED] == 0.0:
            d[j] = max(d[j], math.sqrt(dot(column, column)))
        unit = d[j] if d[j] > 0.0 else 1.0  # a column of zeros: no step will be made along it
        for i in range(column.shape[0]):
            column[i] /= unit
    rank = factor(A, q, work[DIAGONAL], work[NORMS], work[GIVEN], work[PIVOTS])
    solve_upper(A, work[DIAGONAL], q, rank, work[PIVOTS], work[Z], work[NEWTON])
    square = 0.0
    for k in range(rank):
        square += q[k] * q[k]
    memory[RANK], memory[PROMISED] = float(rank), square
    memory[OFFSET] = math.sqrt(square / (2.0 * f)) if f > 0.0 else 0.0
    return norm_inf(g)


@inlined
def begin(jacobian, x, f, loss, work, fit, memory, control, data):
    """The model at x0; returns |g|_inf."""
    n = x.shape[0]
    memory[DELTA], memory[LAMBDA], memory[STALE] = math.inf, 0.0, 0.0
    memory[START] = math.sqrt(2.0 * f)
    if memory[FIXED] == 0.0:
        for j in range(n):
            work[D, j] = 0.0
    gnorm = math.nan
    memory[RANK], memory[PROMISED], memory[OFFSET] = 0.0, math.nan, math.nan
    if jacobian_at(jacobian, x, fit[R], fit[N_RESIDUALS : N_RESIDUALS + n], control, data) and math.isfinite(f):
        gnorm = reduce(f, loss, work, fit, memory, control)
    set_threshold(gnorm, control)
    return gnorm


@inlined
def set_threshold(gnorm, control):
    """The tolerance of the gradient, from the gradient at x0."""
    values = control.values
    values[START_GNORM] = gnorm
    values[THRESHOLD] = max(values[GRAD_TOL] * values[SCALE] * values[SCALE], values[GRAD_RTOL] * gnorm)


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
def scaled_norm(d, x):
    """|D x|."""
    square = 0.0
    for j in range(x.shape[0]):
        square += (d[j] * x[j]) ** 2
    return math.sqrt(square)


@inlined
def predicted_decrease(p, q, A, diagonal, pivots, z):
    """(m(0) - m(p), slope of m at 0 along p), for a step p of scaled variables, from R P'p and Q'r."""
    multiply_upper(A, diagonal, pivots, p, z)
    slope, curvature = 0.0, 0.0
    for k in range(min(z.shape[0], q.shape[0])):
        slope += z[k] * q[k]
        curvature += z[k] * z[k]
    return -slope - 0.5 * curvature, slope


@inlined
def move_by(x, p, d, xt):
    """xt <- x + D^-1 p; False if that is x."""
    moved = False
    for j in range(x.shape[0]):
        xt[j] = x[j] + (p[j] / d[j] if d[j] > 0.0 else 0.0)
        moved = moved or xt[j] != x[j]
    return moved


@leaf
def failure(f, ft, predicted, moved, work, x, memory, control):
    """After a step that was not taken: the reason to give up, or RUNNING."""
    counts, values = control.counts, control.values
    values[TRIAL_F], values[TRIAL_ALPHA], values[TRIAL_SLOPE] = ft, 1.0, math.nan
    values[EXPECTED] = predicted
    if stopped(control):
        return counts[STOP]
    noise = RESOLUTION * f + X_RESOLUTION * math.sqrt(2.0 * f) * scaled_norm(work[D], x)
    if 0.5 * memory[PROMISED] <= noise and math.isfinite(ft):
        return ROUNDING
    if moved and predicted > RESOLUTION * f:
        return RUNNING
    return NO_DECREASE if math.isfinite(ft) else NOT_FINITE_STEP


@inlined
def next_radius(delta, size, f, ft, predicted, slope):
    """The radius after a step of this size, taken or not: MINPACK's rule, with nan as a step that went far up."""
    gained = f - ft
    if gained > 0.25 * predicted:
        return 2.0 * size if gained >= 0.75 * predicted else delta
    if gained >= 0.0:
        shrink = 0.5
    elif math.isfinite(ft):
        shrink = max(0.1, -slope / (2.0 * (-gained - slope)))
    else:
        shrink = 0.1
    return shrink * min(delta, 10.0 * size)


@inlined
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
            out[i, j] = out[i, j] / d[i] / d[j]


@inlined
def take(x, f, ft, slope, work, fit, control):
    """x, r <- those of the trial."""
    accept(x, f, work[XT], ft, 1.0, slope, control)
    copy(fit[RT], fit[R])


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
