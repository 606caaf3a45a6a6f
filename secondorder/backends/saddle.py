"""What kind of point a run ended at, and how it leaves a saddle or the wall of a valley: between solver and result.

After a solver has stopped with a small gradient, one compiled entry finds the least curvature there
(subproblems.least_curvature) and, where x is no minimum, a lower point by one of ESCAPES. Where the Hessian is at hand
and the Newton step promises more than the tolerance leaves, it takes that step (subproblems.newton_decrement). From the
lower point the same solver goes on: counts, budgets, trace and callbacks are those of the same control block.

Curvature comes first whatever the escape: that no way down was found shows nothing, and at a minimum, where most runs
end, looking takes fewer evaluations than any escape takes to give up.
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
    inlined,
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
from secondorder.status import (
    BUDGET,
    CANCEL,
    FTOL,
    GTOL,
    NOT_FINITE,
    REASONS,
    ROUNDING,
    RUNNING,
    SADDLE,
    SIGNAL,
    STALLED,
    TIME_LIMIT,
    UNCERTIFIED,
    XTOL,
)
from secondorder.subproblems import least_curvature
from secondorder.subproblems.least_curvature import (
    CHOLESKY,
    EXACT,
    LANCZOS,
    PRODUCTS,
    Curvature,
    from_matrix,
    from_products,
    matrices_in,
    matrix_of_products,
)
from secondorder.subproblems.newton_decrement import newton_step_taken

EXACT_BELOW = 12  # n above which H is factored first: eigenvectors take 1.5 us at n = 8, 10 us at 16
LOOKED_AT = (GTOL, XTOL, FTOL, ROUNDING)  # the reasons to end that may be those of a saddle

VAIN = tuple(code for code, reason in REASONS.items() if reason.status in (BUDGET, STALLED, NOT_FINITE, TIME_LIMIT))

FURTHER, UNKNOWN, MINIMUM, DEGENERATE, STRICT, MAXIMUM = -1, 0, 1, 2, 3, 4
VERDICTS = ("unknown", "minimum", "degenerate", "saddle", "maximum")
BOUNDS = ("unknown", "cholesky", "exact", "lanczos")

_fun_grad_at, _hvp_at, _hess_at = function_at(FUN_GRAD), function_at(HVP), function_at(HESS)
_control_at, _scratch_at = reference_at(CONTROL), loader(tuple_type(matrix, vector))

# leave(fun_grad, found, strict, tolerance, floor, noise, x, f, seed, stream, work, control, data) -> tried
LEAVE = intp(
    FunctionType(FUN_GRAD), namedtuple_type(Curvature), boolean, f8, f8, f8, vector, f8, intp, intp, matrix, CONTROL,
    data_t,
)  # fmt: skip
_leave_at = function_at(LEAVE)

FOUND = tuple_type(intp, intp, intp, intp, f8, f8, f8, f8, f8)
ENTRY = FOUND(
    intp, intp, vector, intp, intp, intp, intp, intp, intp, intp, intp, intp, f8, f8, f8, intp
)  # fmt: skip


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
def judged(fun_grad, leave, found, x, leaving, seed, tolerance, floor, noise, work, control, data):
    """The verdict, and x moved to a lower point if there is one: tried < 0."""
    verdict, tried = verdict_of(found, x.shape[0], tolerance, floor), 0
    if leaving and verdict >= DEGENERATE and not stopped(control):
        stream, f, strict = control.counts[N_ESCAPE], control.values[F], verdict > DEGENERATE
        tried = leave(fun_grad, found, strict, tolerance, floor, noise, x, f, seed, stream, work, control, data)
    known = found.bound, found.index, found.least, found.error, found.lower, found.failure, found.norm
    return verdict, tried, *known


TAKEN = FURTHER, -1, 0, 0, 0, math.nan, math.nan, math.nan, math.nan  # instead of `judged`: a Newton step was taken


@leaf
def gradient_first(work, control):
    """work[0] <- the gradient at x, wherever the solver left it."""
    if control.counts[G_ROW] != 0:
        copy(work[control.counts[G_ROW]], work[0])
        control.counts[G_ROW] = 0


@inlined
def arrived(scratch, control, x, fun_grad, leave, address, item):
    """What is at these addresses; work[0] is the gradient at x."""
    work, memory = _scratch_at(scratch)
    control = _control_at(control)
    gradient_first(work, control)
    return work, memory, control, borrowed(x), (address, item), _fun_grad_at(fun_grad), _leave_at(leave)


@loop
def judged_by_matrix(fun_grad, leave, x, exact, further, leaving, seed, tolerance, floor, noise, work, control, data):
    """`judged` where the Hessian is in its rows of `work`, unless a Newton step is taken."""
    H, L = matrices_in(work)
    if further and newton_step_taken(fun_grad, x, control.values[F], H, L, work, control, data):
        return TAKEN
    found = from_matrix(exact, tolerance, floor, work)
    return judged(fun_grad, leave, found, x, leaving, seed, tolerance, floor, noise, work, control, data)


def with_hess(
    scratch, control, x, fun_grad, hess, address, leave, most, exact, further, leaving, seed, tolerance, floor, noise,
    item,
):  # fmt: skip
    """Look at x, by way of a Hessian, and leave it if it is no minimum, or not yet: all by address."""
    work, _, control, x, data, fun_grad, leave = arrived(scratch, control, x, fun_grad, leave, address, item)
    hessian(_hess_at(hess), x, matrices_in(work)[0], control, data)
    return judged_by_matrix(
        fun_grad, leave, x, exact, further != 0, leaving != 0, seed, tolerance, floor, noise, work, control, data
    )


def with_hvp(
    scratch, control, x, fun_grad, hvp, address, leave, most, exact, further, leaving, seed, tolerance, floor, noise,
    item,
):  # fmt: skip
    """`with_hess` by way of products; most: of Lanczos, for many variables."""
    work, memory, control, x, data, fun_grad, leave = arrived(scratch, control, x, fun_grad, leave, address, item)
    if x.shape[0] > PRODUCTS:
        found = from_products(_hvp_at(hvp), x, tolerance, floor, most, seed, work, memory, control, data)
        return judged(fun_grad, leave, found, x, leaving != 0, seed, tolerance, floor, noise, work, control, data)
    matrix_of_products(_hvp_at(hvp), x, work[3], matrices_in(work)[0], control, data)
    return judged_by_matrix(
        fun_grad, leave, x, exact, further != 0, leaving != 0, seed, tolerance, floor, noise, work, control, data
    )


@functools.cache
def compiled_entry(second):
    """The entry for second derivatives of this signature."""
    return compiled({HVP: with_hvp, HESS: with_hess}[second], ENTRY, "entry")


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
        run.counts[STOP] = RUNNING  # what ended the run that went on is no end of this one
        run.certificate, run.extra_fields = None, self.extra_fields


class Examination:
    """How the points at which a method's runs end are looked at. leaving: and go on from there."""

    def __init__(self, module, options, leaving):
        self.matrices, self.leaving, self.rows = "hess" in module.NEEDS, leaving, ESCAPES[options.escape].N_WORK
        self.second = HESS if self.matrices else HVP  # signature of what this needs
        self.exact = getattr(module, "EXACT", EXACT_BELOW)
        self.steps = getattr(module, "STEPS", least_curvature.STEPS)  # of Lanczos that any run may make
        self.tolerance, self.seed, self.max_escapes = options.curvature, options.seed, options.max_escapes
        self.escape = options.escape
        self.prepare()

    def prepare(self):
        """Compile the entry, and the way to leave."""
        self.enter, self.keep = entry_point(compiled_entry(self.second)), compiled_escape(self.escape)
        self.leave = address_of(self.keep, LEAVE)

    def sizes(self, n, rows, length):
        """(rows, length) of a workspace that does for a solver and for this."""
        rows = least_curvature.n_work(n, self.matrices, max(rows, self.rows))
        return rows, max(length, least_curvature.n_memory(n, self.matrices, rows))

    def __call__(self, run, reason):
        """Look at where the run has ended, and as long as there is a way on, go on. The reason to end."""
        met = None  # the last point that would have been the end but for a Newton step
        while may_be_a_saddle(reason, run.n):
            if not self.affordable(run):
                reason = UNCERTIFIED
                break
            before = self.met(run) if self.leaving and reason == GTOL else None
            verdict, moved = self.look(run, before is not None, self.leaving)
            stop = run.counts[STOP]
            if stop in (SIGNAL, CANCEL):
                return int(stop)
            if not moved:
                reason = end_of(verdict, reason)
                break
            if verdict == FURTHER:
                met = before
            run.certificate = None
            reason = run.enter(run.control)
            run.collect()
        if met is None or not was_in_vain(reason, run.plan.run.strict):
            return reason
        met.restore(run)
        if not self.affordable(run):
            return UNCERTIFIED
        verdict, _ = self.look(run, False, False)
        stop = int(run.counts[STOP])
        return stop if stop in (SIGNAL, CANCEL) else end_of(verdict, GTOL)

    def met(self, run):
        """The point that the run is at, which it may come back to."""
        return Met(run)

    def direction(self, run):
        """A copy of the direction of least curvature."""
        return run.work[3].copy()

    def affordable(self, run):
        """Does the budget of evaluations do, where products are made of them?"""
        return bool(is_affordable(self.products(run.n, run.n_rows, run.counts), run.counts))

    def products(self, n, rows, counts):
        """Products that a look may make at most, in a workspace of so many rows."""
        return int(most_products(n, self.room(n, rows), self.steps, counts))

    def room(self, n, rows):
        """Most steps of Lanczos that there is room for; 0: all n products are made, or a Hessian."""
        return 0 if self.matrices or n <= least_curvature.PRODUCTS else least_curvature.steps_for(n, rows)

    def look(self, run, further, leaving):
        """(verdict, was x left?); run.certificate is set where no Newton step was taken. further: may one be?"""
        n, counts, typed = run.n, run.counts, run.typed
        before = counts[N_HVP] + n * counts[N_HESS]
        tolerance, floor, noise = self.limits(n, typed)
        going_on = counts[N_ITER] < counts[MAX_ITER]
        leaving = leaving and counts[N_ESCAPE] < self.max_escapes and going_on
        most, further = self.products(n, run.n_rows, counts), further and going_on
        verdict, tried, bound, index, least, error, lower, failure, norm = self.entered(
            run, most, further, leaving, (tolerance, floor, noise)
        )
        if verdict == FURTHER:
            return verdict, True
        unit = float(run.values[SCALE])
        n_products = int(counts[N_HVP] + n * counts[N_HESS] - before)
        numbers = verdict, bound, index, n_products, abs(tried)
        measures = least / unit, error / unit, lower / unit, failure, norm / unit
        run.certificate = certificate(numbers, measures, self.direction(run), self.about(tolerance))
        return verdict, tried < 0

    def entered(self, run, most, further, leaving, limits):
        """What the compiled entry says of the point, after it has left it if it may."""
        typed = run.typed
        return self.enter(
            run.space.scratch.address,
            run.control.address,
            run.x,
            typed.fun_grad,
            typed.hvp or typed.hess,
            run.bound.address,
            self.leave,
            most,
            self.exact,
            int(further),
            int(leaving),
            self.seed,
            *limits,
            0,
        )

    def limits(self, n, typed):
        """(tolerance, floor, noise): of |H|, what is negative below, what is positive above; error of gradients."""
        noise, relative = NOISE.get(typed.derivatives, EPS), 0.0
        if typed.gradients_per_product:
            relative = 64.0 * noise ** (2.0 / 3.0)
        floor = max(4.0 * n * EPS, relative)
        return max(self.tolerance, floor), floor, noise

    def about(self, tolerance):
        """(tolerance, seed, escape): what a Certificate says of how it came about."""
        return tolerance, self.seed, self.escape if self.leaving else None

    def looking(self, n, rows, typed, strict):
        """The same for compiled code and runs of n variables in a workspace of so many rows, in native form."""
        entry, room = address_of(compiled_entry(self.second), ENTRY), self.room(n, rows)
        return Native(Looking(
            entry, self.leave, self.exact, self.steps, room, self.leaving, self.max_escapes, strict, self.seed,
            *self.limits(n, typed),
        ))  # fmt: skip


def may_be_a_saddle(reason, n):
    """Is a run looked at that ended so?"""
    return n > 0 and reason in LOOKED_AT  # without variables there are no eigenvalues


def end_of(verdict, reason):
    """The reason to end at a point of this verdict, where a run has ended for a reason."""
    return SADDLE if verdict > DEGENERATE else UNCERTIFIED if verdict == UNKNOWN else reason


def was_in_vain(reason, strict):
    """Is it, after this end, as if the run hadn't gone on? strict: is the rounding floor no success?"""
    return reason in VAIN and (strict or reason != ROUNDING)


def certificate(numbers, measures, direction, about):
    """The Certificate. numbers, measures: of NUMBERS without the last, and MEASURES, in the user's units."""
    verdict, bound, index, n_products, tried = numbers
    least, error, lower, failure, norm = measures
    tolerance, seed, escape = about
    return Certificate(
        VERDICTS[verdict],
        least,
        BOUNDS[bound],
        lower,
        failure,
        error,
        direction if bound >= EXACT else None,
        index if index >= 0 else None,
        norm,
        tolerance,
        n_products,
        seed,
        tried,
        escape,
    )


def most_products(n, room, steps, counts):
    """Products that a look may make at most: n, or as many steps of Lanczos as the run made, of which some are free."""
    return n if room == 0 else min(room, max(steps, counts[N_HVP]))


def is_affordable(products, counts):
    """Does the budget of evaluations do, where products are made of them?"""
    cost = products * counts[GRAD_PER_PRODUCT] * counts[FUN_PER_GRAD]
    return cost == 0 or counts[N_FUN] + cost <= counts[MAX_FUN]


_most_products, _is_affordable = leaf(most_products), leaf(is_affordable)
item_may_be_a_saddle, item_end, item_was_in_vain = leaf(may_be_a_saddle), leaf(end_of), leaf(was_in_vain)


# ------------------------------------------------------------------------------------------------- in a batch

# columns of what is noted of each problem
NUMBERS = ("verdict", "bound", "index", "n_products", "tried", "nescape")
MEASURES = ("lambda_min", "error", "lower", "failure", "norm")
NOT_LOOKED_AT = -1  # as verdict


class Looking(NamedTuple):
    """What compiled code is told of an Examination."""

    enter: int  # address of the entry
    leave: int  # and of the escape
    exact: int
    steps: int  # of Lanczos that any run may make
    room: int  # for how many there is room
    leaving: bool
    max_escapes: int
    strict: bool  # is the rounding floor no success?
    seed: int
    tolerance: float
    floor: float
    noise: float


looking_at, _look_at = reference_at(Reference(namedtuple_type(Looking))), function_at(ENTRY)
_noted_at = loader(tuple_type(types.Array(types.int64, 2, "C"), matrix, matrix))


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


@leaf
def keep(scratch, control_address, x, row):
    """`Met` in compiled code: row <- the point, its gradient, and the values of the control block."""
    n, (work, _), control = x.shape[0], _scratch_at(scratch), _control_at(control_address)
    copy(x, row[:n])
    copy(work[control.counts[G_ROW]], row[n : 2 * n])
    copy(control.values, row[2 * n :])


@leaf
def restore(scratch, control_address, x, row):
    """`Met.restore`."""
    n, (work, _), control = x.shape[0], _scratch_at(scratch), _control_at(control_address)
    copy(row[:n], x)
    copy(row[n : 2 * n], work[0])
    copy(row[2 * n :], control.values)
    control.counts[G_ROW] = control.counts[LEFT_BEST] = 0
    control.counts[STOP] = RUNNING


@loop
def look_at_item(scratch, control_address, x, fun_grad, second, address, item, looking, noted, further, leaving):
    """One look, as `Examination.look`, noted for its problem. Returns (verdict, was x left?)."""
    n, control = x.shape[0], _control_at(control_address)
    numbers, measures, directions = _noted_at(noted)
    counts, (work, _) = control.counts, _scratch_at(scratch)
    most = _most_products(n, looking.room, looking.steps, counts)
    before, going_on = counts[N_HVP] + n * counts[N_HESS], counts[N_ITER] < counts[MAX_ITER]
    leaving = leaving and counts[N_ESCAPE] < looking.max_escapes and going_on
    verdict, tried, bound, index, least, error, lower, failure, norm = _look_at(looking.enter)(
        scratch, control_address, x, fun_grad, second, address, looking.leave, most, looking.exact,
        int(further and going_on), int(leaving), looking.seed, looking.tolerance, looking.floor, looking.noise, item,
    )  # fmt: skip
    if verdict == FURTHER:
        return verdict, True
    row, unit = numbers[item], control.values[SCALE]
    row[0], row[1], row[2] = verdict, bound, index
    row[3], row[4], row[5] = counts[N_HVP] + n * counts[N_HESS] - before, abs(tried), counts[N_ESCAPE]
    measures[item, 0], measures[item, 1] = least / unit, error / unit
    measures[item, 2], measures[item, 3], measures[item, 4] = lower / unit, failure, norm / unit
    copy(work[3], directions[item])
    return verdict, tried < 0


@leaf
def is_item_affordable(n, looking, counts):
    """`Examination.affordable`."""
    return _is_affordable(_most_products(n, looking.room, looking.steps, counts), counts)


class Noted:
    """What was noted of B problems of n variables; noted[i] is the Certificate of problem i, or None."""

    def __init__(self, B, n, about):
        self.numbers = np.full((B, len(NUMBERS)), NOT_LOOKED_AT, np.int64)
        self.measures, self.directions = np.full((B, len(MEASURES)), math.nan), np.full((B, n), math.nan)
        self.about = about
        self.native = Native((self.numbers, self.measures, self.directions))

    def __getitem__(self, i):
        numbers = self.numbers[i].tolist()
        if numbers[0] == NOT_LOOKED_AT:
            return None
        measures, direction = self.measures[i].tolist(), self.directions[i].copy()
        return certificate(numbers[:-1], measures, direction, self.about)

    def arrays(self):
        """(verdict, lambda_min, lower, norm, index, nescape), each an array with an entry a problem."""
        verdict = np.array(["", *VERDICTS])[self.numbers[:, 0] + 1]
        least, _, lower, _, norm = self.measures.T
        return verdict, least, lower, norm, self.numbers[:, 2], np.maximum(self.numbers[:, -1], 0)
