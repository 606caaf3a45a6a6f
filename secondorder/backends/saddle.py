"""What kind of point a run ended at, and how it leaves a saddle: between the solver and the result.

After a solver has stopped with a small gradient, one compiled entry finds the least curvature there
(subproblems.least_curvature) and, where x is no minimum, a lower point by one of ESCAPES. From that the same solver
goes on: counts, budgets, trace and callbacks are those of the same control block. After methods without second
derivatives, escapes that need none go without the first.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from secondorder.control import (
    CONTROL,
    FUN_PER_GRAD,
    G_ROW,
    GRAD_PER_PRODUCT,
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
    stopped,
)
from secondorder.derivatives.second_order import EPS, NOISE
from secondorder.escapes import ESCAPES
from secondorder.jit import (
    FUN_GRAD,
    HESS,
    HVP,
    FunctionType,
    Native,
    Reference,
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
    types,
    vector,
)
from secondorder.linalg.vectors import copy
from secondorder.result import Certificate
from secondorder.status import CANCEL, FTOL, GTOL, ROUNDING, SADDLE, SIGNAL, XTOL
from secondorder.subproblems import least_curvature
from secondorder.subproblems.least_curvature import (
    CHOLESKY,
    EXACT,
    GRADIENTS,
    LANCZOS,
    NOTHING_YET,
    PROBABILITY,
    Curvature,
    from_matrix,
    from_products,
)
from secondorder.subproblems.negative_curvature import Departure

EXACT_BELOW = 12  # n above which H is factored first: eigenvectors take 1.5 us at n = 8, 10 us at 16
LOOKED_AT = (GTOL, XTOL, FTOL, ROUNDING)  # the reasons to end that may be those of a saddle

UNKNOWN, MINIMUM, DEGENERATE, STRICT, MAXIMUM = 0, 1, 2, 3, 4
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
ENTRY = FOUND(intp, intp, vector, intp, intp, intp, intp, intp, intp, intp, intp, f8, f8, intp)


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


@leaf
def gradient_first(work, control):
    """work[0] <- the gradient at x, wherever the solver left it."""
    if control.counts[G_ROW] != 0:
        copy(work[control.counts[G_ROW]], work[0])
        control.counts[G_ROW] = 0


def with_hess(scratch, control, x, fun_grad, hess, address, leave, most, exact, leaving, seed, tolerance, floor, item):
    """Look at x, by way of a Hessian, and leave it if it is no minimum: all by address."""
    work, _ = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, item)
    fun_grad, leave = _fun_grad_at(fun_grad), _leave_at(leave)
    gradient_first(work, control)
    found = from_matrix(_hess_at(hess), x, exact, tolerance, floor, work, control, data)
    return judged(fun_grad, leave, found, x, leaving != 0, seed, tolerance, floor, work, control, data)


def with_hvp(scratch, control, x, fun_grad, hvp, address, leave, most, exact, leaving, seed, tolerance, floor, item):
    """`with_hess` by way of products; most: of Lanczos."""
    work, memory = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, item)
    fun_grad, leave = _fun_grad_at(fun_grad), _leave_at(leave)
    gradient_first(work, control)
    found = from_products(_hvp_at(hvp), x, exact, tolerance, floor, most, seed, work, memory, control, data)
    return judged(fun_grad, leave, found, x, leaving != 0, seed, tolerance, floor, work, control, data)


def with_gradients(
    scratch, control, x, fun_grad, second, address, leave, most, exact, leaving, seed, tolerance, floor, item
):
    """`with_hess` where there are gradients alone: the escape finds out what it can."""
    work, _ = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, item)
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


class Examination:
    """How the points at which a method's runs end are looked at. leaving: and go on from a saddle."""

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
        """Look at where the run has ended, and as long as that is a saddle go on. The reason to end."""
        while run.n > 0 and reason in LOOKED_AT:  # without variables there are no eigenvalues
            if not self.affordable(run):
                run.certificate = None
                return reason
            verdict, moved = self.look(run)
            stop = run.counts[STOP]
            if stop in (SIGNAL, CANCEL):
                return int(stop)
            if not moved:
                return SADDLE if verdict > DEGENERATE else reason
            run.certificate = None
            reason = run.enter(run.control)
            run.collect()
        return reason

    def affordable(self, run):
        """Does the budget of evaluations do, where products are made of them?"""
        counts = run.counts
        per_product = counts[GRAD_PER_PRODUCT] * counts[FUN_PER_GRAD]
        return per_product == 0 or counts[N_FUN] + per_product * run.n <= counts[MAX_FUN]

    def look(self, run):
        """(verdict, was x left?); run.certificate is set."""
        n, counts, typed, space = run.n, run.counts, run.typed, run.space
        before = counts[N_HVP] + n * counts[N_HESS]
        tolerance, floor = self.limits(n, typed)
        most = 0
        if self.second == HVP:
            most = min(least_curvature.steps_for(n, space.sizes[0]), max(self.steps, int(counts[N_HVP])))
        leaving = self.leaving and counts[N_ESCAPE] < self.max_escapes and counts[N_ITER] < counts[MAX_ITER]
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
            int(leaving),
            self.seed,
            tolerance,
            floor,
            0,
        )
        unit = float(run.values[SCALE])
        n_products = int(counts[N_HVP] + n * counts[N_HESS] - before)
        numbers = verdict, bound, index, steps, n_products, abs(tried)
        measures = least / unit, error / unit, lower / unit, norm / unit
        run.certificate = certificate(numbers, measures, run.work[3].copy(), tolerance, self.seed)
        return verdict, tried < 0

    def limits(self, n, typed):
        """(tolerance, floor): relative to |H|, what an eigenvalue is below to be negative, above to be positive."""
        noise, relative = NOISE.get(typed.derivatives, EPS), 0.0
        if self.second is None:
            relative = 64.0 * math.sqrt(noise)
        elif typed.gradients_per_product:
            relative = 64.0 * noise ** (2.0 / 3.0)
        floor = max(4.0 * n * EPS, relative)
        return max(self.tolerance, floor), floor

    def looking(self, n, rows, typed):
        """The same for compiled code and runs of n variables in a workspace of so many rows, in native form."""
        tolerance, floor = self.limits(n, typed)
        most = least_curvature.steps_for(n, rows) if self.second == HVP else 0
        entry = address_of(compiled_entry(self.second), ENTRY)
        return Native(Looking(
            entry, self.leave, self.exact, self.steps, most, self.leaving, self.max_escapes, self.seed, tolerance, floor
        ))  # fmt: skip


def certificate(numbers, measures, direction, tolerance, seed):
    """The Certificate. numbers, measures: of NUMBERS without the last, and MEASURES, in the user's units."""
    verdict, bound, index, steps, n_products, tried = numbers
    least, error, lower, norm = measures
    return Certificate(
        VERDICTS[verdict],
        least,
        BOUNDS[bound],
        lower,
        PROBABILITY if bound == LANCZOS and steps < len(direction) else 0.0,
        error,
        direction if bound >= EXACT else None,
        index if index >= 0 else None,
        norm,
        tolerance,
        n_products,
        seed,
        tried,
    )


# ------------------------------------------------------------------------------------------------- in a batch

# columns of what is noted of each problem
NUMBERS = ("verdict", "bound", "index", "steps", "n_products", "tried", "nescape")
MEASURES = ("lambda_min", "error", "lower", "norm")
NOT_LOOKED_AT = -1  # as verdict


class Looking(NamedTuple):
    """What compiled code is told of an Examination."""

    enter: int  # address of the entry
    leave: int  # and of the escape
    exact: int
    steps: int  # of Lanczos that any run may make
    most: int  # that there is room for
    leaving: bool
    max_escapes: int
    seed: int
    tolerance: float
    floor: float


_looking_at, _look_at = reference_at(Reference(namedtuple_type(Looking))), function_at(ENTRY)
_noted_at = loader(tuple_type(types.Array(types.int64, 2, "C"), matrix, matrix))


@leaf
def is_looked_at(reason, n, control):
    """Is a run looked at that ended so, and does its budget do? As `Examination.__call__` and `affordable`."""
    counts = control.counts
    per_product = counts[GRAD_PER_PRODUCT] * counts[FUN_PER_GRAD]
    return (
        n > 0
        and reason in (GTOL, XTOL, FTOL, ROUNDING)
        and (per_product == 0 or counts[N_FUN] + per_product * n <= counts[MAX_FUN])
    )


@leaf
def forget(noted, item):
    """Nothing is known of a problem's point."""
    numbers, measures, directions = _noted_at(noted)
    for k in range(numbers.shape[1]):
        numbers[item, k] = NOT_LOOKED_AT
    for k in range(measures.shape[1]):
        measures[item, k] = math.nan
    for i in range(directions.shape[1]):
        directions[item, i] = math.nan


@loop
def look_at_item(scratch, control_address, x, fun_grad, second, address, item, looking, noted):
    """One look, as `Examination.look`, noted for its problem. Returns (verdict, was x left?)."""
    n, looking, control = x.shape[0], _looking_at(looking), _control_at(control_address)
    numbers, measures, directions = _noted_at(noted)
    counts, (work, _) = control.counts, _scratch_at(scratch)
    before = counts[N_HVP] + n * counts[N_HESS]
    most = min(looking.most, max(looking.steps, counts[N_HVP]))
    leaving = looking.leaving and counts[N_ESCAPE] < looking.max_escapes and counts[N_ITER] < counts[MAX_ITER]
    verdict, tried, bound, index, steps, least, error, lower, norm = _look_at(looking.enter)(
        scratch, control_address, x, fun_grad, second, address, looking.leave, most, looking.exact, int(leaving),
        looking.seed, looking.tolerance, looking.floor, item,
    )  # fmt: skip
    row, unit = numbers[item], control.values[SCALE]
    row[0], row[1], row[2], row[3] = verdict, bound, index, steps
    row[4], row[5], row[6] = counts[N_HVP] + n * counts[N_HESS] - before, abs(tried), counts[N_ESCAPE]
    measures[item, 0], measures[item, 1] = least / unit, error / unit
    measures[item, 2], measures[item, 3] = lower / unit, norm / unit
    copy(work[3], directions[item])
    return verdict, tried < 0


class Noted:
    """What was noted of B problems of n variables; noted[i] is the Certificate of problem i, or None."""

    def __init__(self, B, n, tolerance, seed):
        self.numbers = np.full((B, len(NUMBERS)), NOT_LOOKED_AT, np.int64)
        self.measures, self.directions = np.full((B, len(MEASURES)), math.nan), np.full((B, n), math.nan)
        self.tolerance, self.seed = tolerance, seed
        self.native = Native((self.numbers, self.measures, self.directions))

    def __getitem__(self, i):
        numbers = self.numbers[i].tolist()
        if numbers[0] == NOT_LOOKED_AT:
            return None
        measures, direction = self.measures[i].tolist(), self.directions[i].copy()
        return certificate(numbers[:-1], measures, direction, self.tolerance, self.seed)

    def arrays(self):
        """(verdict, lambda_min, lower, norm, index, nescape), each an array with an entry a problem."""
        verdict = np.array(["", *VERDICTS])[self.numbers[:, 0] + 1]
        least, _, lower, norm = self.measures.T
        return verdict, least, lower, norm, self.numbers[:, 2], np.maximum(self.numbers[:, -1], 0)
