"""The control block of a run: counts, tolerances, stop flag, best point, trace. Owned by the driver, written by
kernels.

Because the arrays belong to the driver, the best point and the counts survive an exception, Ctrl-C or a time limit.
Everything that ends a run from outside (signal, clock, budget, callback, another thread) goes through one integer,
counts[STOP], which holds a reason of `status` or RUNNING.
"""

import math
from typing import NamedTuple

from secondorder.jit import (
    JIT_DISABLED,
    Reference,
    atomic_load,
    bits_of,
    caller,
    float_of,
    inlined,
    integers,
    intp,
    leaf,
    matrix,
    monotonic_ns,
    namedtuple_type,
    run_pending_signals,
    seldom,
    vector,
)
from secondorder.linalg import chunks, vectors
from secondorder.linalg.vectors import copy, norm_inf, scale
from secondorder.status import (
    BELOW_FMIN,
    FTOL,
    GTOL,
    MAXFEV,
    MAXITER,
    NOT_FINITE_START,
    NOT_FINITE_STEP,
    RUNNING,
    SIGNAL,
    TIME,
    XTOL,
)


class Control(NamedTuple):
    """Fields of the control block; positions in counts and values are named below."""

    counts: object  # int64 (N_COUNTS,)
    values: object  # float64 (N_VALUES,)
    best: object  # float64 (n,): the best point left behind, where counts[LEFT_BEST] is 1
    trace: object  # float64 (rows, len(TRACE)); 0 rows: no trace
    sums: object  # float64 (CHUNKS,): scratch of kernels for long vectors


CONTROL = Reference(namedtuple_type(Control, (integers, vector, vector, matrix, vector)))

# counts
STOP = 0  # reason to stop, or RUNNING; may be written from another thread
N_ITER = 1
N_FUN = 2  # evaluations of f
N_GRAD = 3  # evaluations of the gradient
N_HVP = 4
N_HESS = 5
FUN_PER_GRAD = 6  # evaluations of f that one value-and-gradient call makes: 1, or more for differences
MAX_ITER = 7
MAX_FUN = 8
LEFT_BEST = 9  # 1: control.best is lower than x
COUNTDOWN = 10  # evaluations until the next look at the clock and at signals
STRIDE = 11  # evaluations between two looks; adapts to their cost
DEADLINE = 12  # ns of the monotonic clock; 0: none
LOOKED = 13  # ns of the last look
SIGNALS = 14  # 1: run pending signal handlers (main thread)
CALLBACK = 15  # address of notify(handle), called after each iteration; 0: none
HANDLE = 16
N_RESTART = 17  # directions replaced by the negative gradient
N_SKIP = 18  # quasi-Newton pairs that were not used
MISUSE = 19  # what the first evaluation wrote that it may not: OVERRUN, WROTE_X, or 0
POLLED = 20  # ns when signals were last run
X_ROW = 21  # row of work that x is in, while a solver of long vectors runs; 0: x itself
G_ROW = 22  # row of work that the gradient at x is in
AXPY = 23  # addresses of the kernels of linalg.chunks, in its order; 0: the vectors are short
DOT = 24
COMBINE = 25
CHANGE = 26
GRAD_PER_PRODUCT = 27  # gradients that one Hessian product takes: 0, or more for differences of gradients
N_ESCAPE = 28  # saddles left so far
N_COUNTS = 29

OVERRUN = 1  # past the end of the gradient
WROTE_X = 2  # into x

# values
F = 0  # f at x
GNORM = 1  # |g|_inf at x
F_BEST = 2
THRESHOLD = 3  # stop at |g|_inf <= this = max(gtol, grtol |g(x0)|_inf)
F_MIN = 4  # below it f counts as unbounded
X_TOL = 5  # 0: off
F_TOL = 6  # 0: off
SCALE = 7  # power of two that f and g are multiplied with, against overflow
STEP = 8  # |s|_inf of the last step
DECREASE = 9  # f_k - f_{k+1} of the last step
ALPHA = 10  # the last step length
SLOPE = 11  # g'd of the last search
TRIAL_ALPHA = 12  # the last step length tried by a failed search,
TRIAL_F = 13  # f there
TRIAL_SLOPE = 14  # and the slope there
X_NORM = 15  # |x|_inf after the last step
EXPECTED = 16  # the decrease that a search may hope for: |g'd| alpha0
HOPED = 19  # that of the search before the last restart; infinite if there was none since the last step
GRAD_TOL = 17  # gtol
GRAD_RTOL = 18  # grtol
START_GNORM = 20  # |g(x0)|_inf
FIRST_EXPECTED = 21  # EXPECTED of the first of several trials in a row, each shorter than the one before
START_F = 22  # f(x0)
N_VALUES = 24

IN_UNITS_OF_F = (
    F,
    GNORM,
    F_BEST,
    THRESHOLD,
    F_MIN,
    DECREASE,
    SLOPE,
    TRIAL_F,
    TRIAL_SLOPE,
    EXPECTED,
    HOPED,
    FIRST_EXPECTED,
    START_F,
)

# columns of the trace, one row per iteration, the start included
TRACE = ("nit", "fun", "optimality", "step", "alpha", "nfev", "njev", "nhev")

LOOK_NS = 1_000_000  # aim: one look at the clock a millisecond
MAX_STRIDE = 256

NOTIFY = intp(intp)
_notify_by = caller(NOTIFY)
_axpy_by, _dot_by = caller(chunks.KERNELS[chunks.axpy]), caller(chunks.KERNELS[chunks.dot])


@seldom
def look_around(counts):
    """Write counts[STOP] if the deadline has passed or a signal handler raised; adapt the stride to about 1 ms."""
    now = monotonic_ns()
    elapsed = now - counts[LOOKED]
    if elapsed < LOOK_NS // 2:
        counts[STRIDE] = min(2 * counts[STRIDE], MAX_STRIDE)
    elif elapsed > 2 * LOOK_NS:
        counts[STRIDE] = max(counts[STRIDE] // 4, 1)
    counts[LOOKED] = now
    counts[COUNTDOWN] = counts[STRIDE]
    if counts[DEADLINE] > 0 and now >= counts[DEADLINE] and counts[STOP] == RUNNING:
        counts[STOP] = TIME
    if counts[SIGNALS] != 0 and now - counts[POLLED] > LOOK_NS:  # it takes the GIL: once a millisecond
        if counts[POLLED] != 0 and run_pending_signals() != 0:
            counts[STOP] = SIGNAL
        counts[POLLED] = now


@inlined
def stopped(control):
    """Has anything asked the run to end?"""
    return atomic_load(control.counts, STOP) != RUNNING


@inlined
def _spent(counts):
    """After an evaluation: the budget, and now and then the clock and signals."""
    if counts[N_FUN] >= counts[MAX_FUN] and counts[STOP] == RUNNING:
        counts[STOP] = MAXFEV
    counts[COUNTDOWN] -= 1
    if counts[COUNTDOWN] <= 0:
        look_around(counts)


@inlined
def value(fun, x, control, data):
    """f(x), counted."""
    control.counts[N_FUN] += 1  # before the call, which may raise
    f = fun(x, data) * control.values[SCALE]
    _spent(control.counts)
    return f


@inlined
def value_and_gradient(fun_grad, x, g, control, data):
    """f(x), counted; g <- its gradient."""
    counts, factor = control.counts, control.values[SCALE]
    counts[N_FUN] += 1
    f = fun_grad(x, g, data)
    if factor != 1.0:
        f *= factor
        scale(factor, g, g)
    counts[N_FUN] += counts[FUN_PER_GRAD] - 1
    counts[N_GRAD] += 1
    _spent(counts)
    return f


@inlined
def product(hvp, x, v, out, control, data):
    """out <- H(x) v, counted."""
    hvp(x, v, out, data)
    _second_order(1, control)
    control.counts[N_HVP] += 1
    if control.values[SCALE] != 1.0:
        scale(control.values[SCALE], out, out)


@inlined
def hessian(hess, x, H, control, data):
    """H <- the Hessian at x, counted."""
    hess(x, H, data)
    _second_order(x.shape[0], control)
    control.counts[N_HESS] += 1
    if control.values[SCALE] != 1.0:
        for i in range(x.shape[0]):
            scale(control.values[SCALE], H[i], H[i])


@leaf
def _second_order(products, control):
    """After second derivatives, as good as so many products: evaluations that differences took, clock and signals."""
    counts = control.counts
    gradients = products * counts[GRAD_PER_PRODUCT]
    counts[N_GRAD] += gradients
    counts[N_FUN] += gradients * counts[FUN_PER_GRAD]
    _spent(counts)


@inlined
def axpy(a, x, y, out, control):
    """out <- a x + y, with threads where the vectors are long."""
    if control.counts[AXPY] != 0:
        _axpy_by(control.counts[AXPY], a, x, y, out)
    else:
        vectors.axpy(a, x, y, out)


@inlined
def dot(x, y, control):
    """x'y, with threads where the vectors are long."""
    if control.counts[DOT] != 0:
        return _dot_by(control.counts[DOT], x, y, control.sums)
    return vectors.dot(x, y)


@inlined
def stopping_test(f, g, control):
    """The reason to stop at (f, g), or RUNNING. Every method calls it once per iterate; it also writes the trace."""
    return stopping_test_at(f, norm_inf(g), control)


@inlined
def stopping_test_at(f, gnorm, control):
    """`stopping_test` for a gradient whose norm is known."""
    counts, values = control.counts, control.values
    values[F], values[GNORM] = f, gnorm
    if counts[N_ITER] == 0:
        values[F_BEST] = f
    if counts[N_ITER] < control.trace.shape[0]:
        record(control)
    if counts[CALLBACK] != 0 and counts[N_ITER] > 0:
        notify(counts)
    if f <= values[F_MIN]:
        return BELOW_FMIN
    if not (math.isfinite(f) and math.isfinite(gnorm)):
        return NOT_FINITE_START if counts[N_ITER] == 0 else NOT_FINITE_STEP
    if gnorm <= values[THRESHOLD]:
        return GTOL
    if counts[N_ITER] > 0:
        if values[X_TOL] > 0.0 and values[STEP] <= values[X_TOL] * values[X_NORM]:
            return XTOL
        if values[F_TOL] > 0.0 and abs(values[DECREASE]) <= values[F_TOL] * max(abs(f), abs(f + values[DECREASE])):
            return FTOL
    if stopped(control):
        return counts[STOP]
    if counts[N_ITER] >= counts[MAX_ITER]:
        return MAXITER
    return RUNNING


HOOKS = {}  # callbacks by handle, where nothing is compiled

if JIT_DISABLED:

    def notify(counts):
        """Call the user's callback."""
        HOOKS[int(counts[HANDLE])]()

else:

    @seldom
    def notify(counts):
        """Call the user's callback."""
        _notify_by(counts[CALLBACK], counts[HANDLE])


@seldom
def record(control):
    """Write this iterate's row of the trace."""
    counts, values = control.counts, control.values
    row = control.trace[counts[N_ITER]]
    row[0], row[1], row[2] = counts[N_ITER], values[F] / values[SCALE], values[GNORM] / values[SCALE]
    row[3], row[4] = values[STEP], values[ALPHA]
    row[5], row[6], row[7] = counts[N_FUN], counts[N_GRAD], counts[N_HVP] + counts[N_HESS]


@inlined
def accept(x, f, xt, ft, alpha, slope, control):
    """x <- xt: the step is taken. Keeps x in control.best when a step goes up from the best point. Returns ft."""
    keep_best(x, ft, control)
    step, size = move(x, xt)
    return taken(f, ft, alpha, slope, step, size, control)


@seldom
def left_saddle(gnorm, control):
    """A saddle is left for a point with |g|_inf = gnorm: counted; where x0 was the saddle, the threshold rises."""
    control.counts[N_ESCAPE] += 1
    raise_threshold(gnorm, control)


@leaf
def raise_threshold(gnorm, control):
    """|g(x0)|_inf counts as at least gnorm."""
    values = control.values
    values[START_GNORM] = max(values[START_GNORM], gnorm)
    values[THRESHOLD] = max(values[GRAD_TOL] * values[SCALE], values[GRAD_RTOL] * values[START_GNORM])


@inlined
def keep_best(x, ft, control):
    """Before x is left for a point with ft: a copy of x in control.best if it is the best so far."""
    counts, values = control.counts, control.values
    if ft <= values[F_BEST]:
        values[F_BEST] = ft
        counts[LEFT_BEST] = 0
    elif counts[LEFT_BEST] == 0:  # x is the best so far and is about to be left for a higher point
        copy(x, control.best)
        counts[LEFT_BEST] = 1


@inlined
def taken(f, ft, alpha, slope, step, size, control):
    """Book a step of this size in |.|_inf to a point of that size. Returns ft."""
    values = control.values
    values[F] = ft
    values[STEP], values[X_NORM] = step, size
    values[DECREASE] = f - ft
    values[ALPHA], values[SLOPE] = alpha, slope
    values[HOPED] = math.inf
    control.counts[N_ITER] += 1
    return ft


@inlined
def move(x, xt):
    """x <- xt; returns (|xt - x|_inf, |xt|_inf), by bits as `norm_inf` does."""
    step, size = 0, 0
    for i in range(x.shape[0]):
        step = max(step, bits_of(abs(xt[i] - x[i])))
        size = max(size, bits_of(abs(xt[i])))
        x[i] = xt[i]
    return float_of(step), float_of(size)


@inlined
def evaluated(functions, derivatives, products, control):
    """Book evaluations of a vector-valued function, of its Jacobian, and products with it."""
    counts = control.counts
    counts[N_FUN] += functions
    counts[N_GRAD] += derivatives
    counts[N_HVP] += products
    _spent(counts)
