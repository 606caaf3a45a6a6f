"""What kind of point a run ended at, and how it leaves a saddle or the wall of a valley: between solver and result.

After a solver has stopped with a small gradient, one compiled entry finds the least curvature there
(subproblems.least_curvature) and, where x is no minimum, a lower point by one of ESCAPES. Where the Hessian is at hand
and the Newton step promises more than the tolerance leaves, it takes that step (subproblems.newton_decrement). From the
lower point the same solver goes on: counts, budgets, trace and callbacks are those of the same control block. After
methods without second derivatives, escapes that need none go without the first.
"""

import functools
import math

from secondorder.control import (
    CONTROL,
    FUN_PER_GRAD,
    G_ROW,
    GRAD_PER_PRODUCT,
    LEFT_BEST,
    MAX_FUN,
    MAX_ITER,
    N_ESCAPE,
    N_FUN,
    N_HESS,
    N_HVP,
    N_ITER,
    SCALE,
    STOP,
    F,
    hessian,
    stopped,
)
from secondorder.derivatives.second_order import EPS, NOISE
from secondorder.escapes import ESCAPES
from secondorder.jit import (
    FUN_GRAD,
    HESS,
    HVP,
    FunctionType,
    address_of,
    boolean,
    borrowed,
    compiled,
    data_t,
    entry_point,
    f8,
    function_at,
    intp,
    leaf,
    loader,
    loop,
    matrix,
    namedtuple_type,
    reference_at,
    tuple_type,
    vector,
)
from secondorder.linalg.vectors import copy
from secondorder.result import Certificate
from secondorder.status import (
    BUDGET,
    CANCEL,
    FTOL,
    GTOL,
    NOT_FINITE,
    REASONS,
    ROUNDING,
    SADDLE,
    SIGNAL,
    STALLED,
    TIME_LIMIT,
    XTOL,
)
from secondorder.subproblems import least_curvature
from secondorder.subproblems.least_curvature import (
    CHOLESKY,
    EXACT,
    GRADIENTS,
    LANCZOS,
    NOTHING_YET,
    PROBABILITY,
    PRODUCTS,
    Curvature,
    from_matrix,
    from_products,
    matrices_in,
    matrix_of_products,
)
from secondorder.subproblems.negative_curvature import Departure
from secondorder.subproblems.newton_decrement import newton_step_taken

EXACT_BELOW = 12  # n above which H is factored first: eigenvectors take 1.5 us at n = 8, 10 us at 16
LOOKED_AT = (GTOL, XTOL, FTOL, ROUNDING)  # the reasons to end that may be those of a saddle

IN_VAIN = (BUDGET, STALLED, NOT_FINITE, TIME_LIMIT)  # ends after which it is as if a run hadn't gone on

FURTHER, UNKNOWN, MINIMUM, DEGENERATE, STRICT, MAXIMUM = -1, 0, 1, 2, 3, 4
VERDICTS = ("unknown", "minimum", "degenerate", "saddle", "maximum")
BOUNDS = ("unknown", "cholesky", "exact", "lanczos", "gradients")

_fun_grad_at, _hvp_at, _hess_at = function_at(FUN_GRAD), function_at(HVP), function_at(HESS)
_control_at, _scratch_at = reference_at(CONTROL), loader(tuple_type(matrix, vector))

# leave(fun_grad, found, strict, leaving, tolerance, floor, x, f, seed, stream, work, control, data) -> Departure
LEAVE = namedtuple_type(Departure)(
    FunctionType(FUN_GRAD), namedtuple_type(Curvature), boolean, boolean, f8, f8, vector, f8, intp, intp, matrix,
    CONTROL, data_t,
)  # fmt: skip
_leave_at = function_at(LEAVE)

FOUND = tuple_type(intp, intp, intp, intp, intp, f8, f8, f8, f8)
ENTRY = FOUND(intp, intp, vector, intp, intp, intp, intp, intp, intp, intp, intp, intp, f8, f8)


@leaf
def verdict_of(found, n, tolerance, floor):
    """What the eigenvalues say."""
    least, norm = found.least, found.norm
    if not math.isfinite(least):
        return UNKNOWN
    if found.bound == CHOLESKY or least > floor * norm:
        return MINIMUM
    if not least < -tolerance * norm:
        return DEGENERATE
    if found.index == n or (found.bound == LANCZOS and found.largest < -tolerance * norm):
        return MAXIMUM
    return STRICT


@loop
def judged(fun_grad, leave, found, x, leaving, seed, tolerance, floor, work, control, data):
    """The verdict, and x moved to a lower point if there is one: tried < 0."""
    verdict, tried = verdict_of(found, x.shape[0], tolerance, floor), 0
    least, lower, error, norm, bound = found.least, found.lower, found.error, found.norm, found.bound
    if (verdict >= DEGENERATE or found.steps < 0) and not stopped(control):
        stream, f, strict = control.counts[N_ESCAPE], control.values[F], verdict > DEGENERATE
        done = leave(fun_grad, found, strict, leaving, tolerance, floor, x, f, seed, stream, work, control, data)
        tried = done.tried
        if found.steps < 0 and math.isfinite(done.least):
            least, lower, error = done.least, done.least - done.error, done.error
            norm, bound = done.norm, GRADIENTS
            copy(work[4], work[3])
            if least < -tolerance * norm:
                verdict = STRICT
    return verdict, tried, bound, found.index, max(found.steps, 0), least, error, lower, norm


TAKEN = FURTHER, -1, 0, 0, 0, math.nan, math.nan, math.nan, math.nan  # instead of `judged`: a Newton step was taken


@leaf
def gradient_first(work, control):
    """work[0] <- the gradient at x, wherever the solver left it."""
    if control.counts[G_ROW] != 0:
        copy(work[control.counts[G_ROW]], work[0])
        control.counts[G_ROW] = 0


def with_hess(
    scratch, control, x, fun_grad, hess, address, leave, most, exact, further, leaving, seed, tolerance, floor
):
    """Look at x, by way of a Hessian, and leave it if it is no minimum, or not yet: all by address."""
    work, _ = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, 0)
    fun_grad, leave = _fun_grad_at(fun_grad), _leave_at(leave)
    gradient_first(work, control)
    H, L = matrices_in(work)
    hessian(_hess_at(hess), x, H, control, data)
    if further != 0 and newton_step_taken(fun_grad, x, control.values[F], H, L, work, control, data):
        return TAKEN
    found = from_matrix(exact, tolerance, floor, work)
    return judged(fun_grad, leave, found, x, leaving != 0, seed, tolerance, floor, work, control, data)


def with_hvp(scratch, control, x, fun_grad, hvp, address, leave, most, exact, further, leaving, seed, tolerance, floor):
    """`with_hess` by way of products; most: of Lanczos, for many variables."""
    work, memory = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, 0)
    fun_grad, leave = _fun_grad_at(fun_grad), _leave_at(leave)
    gradient_first(work, control)
    if x.shape[0] > PRODUCTS:
        found = from_products(_hvp_at(hvp), x, tolerance, floor, most, seed, work, memory, control, data)
    else:
        H, L = matrices_in(work)
        matrix_of_products(_hvp_at(hvp), x, work[3], H, control, data)
        if further != 0 and newton_step_taken(fun_grad, x, control.values[F], H, L, work, control, data):
            return TAKEN
        found = from_matrix(exact, tolerance, floor, work)
    return judged(fun_grad, leave, found, x, leaving != 0, seed, tolerance, floor, work, control, data)


def with_gradients(
    scratch, control, x, fun_grad, second, address, leave, most, exact, further, leaving, seed, tolerance, floor
):
    """`with_hess` where there are gradients alone: the escape finds out what it can."""
    work, _ = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, 0)
    fun_grad, leave = _fun_grad_at(fun_grad), _leave_at(leave)
    gradient_first(work, control)
    return judged(fun_grad, leave, NOTHING_YET, x, leaving != 0, seed, tolerance, floor, work, control, data)


@functools.cache
def compiled_entry(second):
    """The entry for second derivatives of this signature, or None."""
    return compiled({None: with_gradients, HVP: with_hvp, HESS: with_hess}[second], ENTRY, "entry")


@functools.cache
def compiled_escape(name):
    """The way to leave, compiled."""
    return compiled(ESCAPES[name].leave, LEAVE)


class Met:
    """A point at which a run might have ended, as it was: for a run that goes on and comes to no end."""

    def __init__(self, run):
        self.x, self.g = run.x.copy(), run.work[run.counts[G_ROW]].copy()
        self.values, self.extra_fields = run.values.copy(), run.extra_fields

    def restore(self, run):
        """Make it the end of the run; counts stay."""
        run.x[:], run.work[0], run.values[:] = self.x, self.g, self.values
        run.counts[G_ROW] = run.counts[LEFT_BEST] = 0
        run.certificate, run.extra_fields = None, self.extra_fields


class Examination:
    """How the points at which a method's runs end are looked at. leaving: and go on from there."""

    def __init__(self, module, options, leaving):
        escape = ESCAPES[options.escape]
        self.matrices, self.leaving, self.rows = "hess" in module.NEEDS, leaving, escape.N_WORK
        second = HESS if self.matrices else HVP
        if leaving and escape.NEEDS == "gradients" and module.NEEDS == ("grad",):
            second = None
        self.second = second  # signature of what this needs, or None
        self.exact = getattr(module, "EXACT", EXACT_BELOW)
        self.steps = getattr(module, "STEPS", least_curvature.STEPS)  # of Lanczos that any run may make
        self.tolerance, self.seed, self.max_escapes = options.curvature, options.seed, options.max_escapes
        self.enter = entry_point(compiled_entry(second))
        self.keep = compiled_escape(options.escape)
        self.leave = address_of(self.keep, LEAVE)

    def sizes(self, n, rows, length):
        """(rows, length) of a workspace that does for a solver and for this."""
        rows = max(rows, self.rows)
        if self.second is None:
            return rows, length
        return (
            least_curvature.n_work(n, self.matrices, rows),
            max(length, least_curvature.n_memory(n, self.matrices, rows)),
        )

    def __call__(self, run, reason):
        """Look at where the run has ended, and as long as there is a way on, go on. The reason to end."""
        met = None  # the last point that would have been the end but for a Newton step
        while run.n > 0 and reason in LOOKED_AT:  # without variables there are no eigenvalues
            if not self.affordable(run):
                run.certificate = None
                break
            before = Met(run) if self.leaving and reason == GTOL else None
            verdict, moved = self.look(run, before is not None)
            stop = run.counts[STOP]
            if stop in (SIGNAL, CANCEL):
                return int(stop)
            if not moved:
                reason = SADDLE if verdict > DEGENERATE else reason
                break
            if verdict == FURTHER:
                met = before
            run.certificate = None
            reason = run.enter(run.control)
            run.collect()
        exact = reason == ROUNDING and not run.plan.run.strict  # which is a success
        if met is not None and REASONS[reason].status in IN_VAIN and not exact:
            met.restore(run)
            return GTOL
        return reason

    def affordable(self, run):
        """Does the budget of evaluations do, where products are made of them?"""
        counts = run.counts
        per_product = counts[GRAD_PER_PRODUCT] * counts[FUN_PER_GRAD]
        return per_product == 0 or counts[N_FUN] + per_product * run.n <= counts[MAX_FUN]

    def look(self, run, further):
        """(verdict, was x left?); run.certificate is set where it wasn't. further: is a Newton step to be tried?"""
        n, counts, typed, space = run.n, run.counts, run.typed, run.space
        before = counts[N_HVP] + n * counts[N_HESS]
        noise, relative = NOISE.get(typed.derivatives, EPS), 0.0
        if self.second is None:
            relative = 64.0 * math.sqrt(noise)
        elif typed.gradients_per_product:
            relative = 64.0 * noise ** (2.0 / 3.0)
        floor = max(4.0 * n * EPS, relative)
        tolerance = max(self.tolerance, floor)
        most = 0
        if self.second == HVP:
            most = min(least_curvature.steps_for(n, space.sizes[0]), max(self.steps, int(counts[N_HVP])))
        going_on = counts[N_ITER] < counts[MAX_ITER]
        leaving = self.leaving and counts[N_ESCAPE] < self.max_escapes and going_on
        verdict, tried, bound, index, steps, least, error, lower, norm = self.enter(
            space.scratch.address,
            run.control.address,
            run.x,
            typed.fun_grad,
            typed.hvp or typed.hess,
            run.bound.address,
            self.leave,
            most,
            self.exact,
            int(further and going_on),
            int(leaving),
            self.seed,
            tolerance,
            floor,
        )
        if verdict == FURTHER:
            return verdict, True
        probability = PROBABILITY if bound == LANCZOS and steps < n else 0.0
        unit = float(run.values[SCALE])
        run.certificate = Certificate(
            VERDICTS[verdict],
            least / unit,
            BOUNDS[bound],
            lower / unit,
            probability,
            error / unit,
            run.work[3].copy() if bound >= EXACT else None,
            index if index >= 0 else None,
            norm / unit,
            tolerance,
            int(counts[N_HVP] + n * counts[N_HESS] - before),
            self.seed,
            abs(tried),
        )
        return verdict, tried < 0
