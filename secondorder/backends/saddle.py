"""What kind of point a run ended at, and how it leaves a saddle: between the solver and the result.

After a solver has stopped with a small gradient, one compiled entry finds the least curvature there
(subproblems.least_curvature) and, where x is no minimum, a lower point by one of ESCAPES. From that the same solver
goes on: counts, budgets, trace and callbacks are those of the same control block.

Curvature comes first whatever the escape: that no way down was found shows nothing, and at a minimum, where most runs
end, looking takes fewer evaluations than any escape takes to give up.
"""

import functools
import math

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
from secondorder.status import CANCEL, FTOL, GTOL, ROUNDING, SADDLE, SIGNAL, UNCERTIFIED, XTOL
from secondorder.subproblems import least_curvature
from secondorder.subproblems.least_curvature import (
    CHOLESKY,
    EXACT,
    LANCZOS,
    Curvature,
    from_matrix,
    from_products,
)

EXACT_BELOW = 12  # n above which H is factored first: eigenvectors take 1.5 us at n = 8, 10 us at 16
LOOKED_AT = (GTOL, XTOL, FTOL, ROUNDING)  # the reasons to end that may be those of a saddle

UNKNOWN, MINIMUM, DEGENERATE, STRICT, MAXIMUM = 0, 1, 2, 3, 4
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
ENTRY = FOUND(intp, intp, vector, intp, intp, intp, intp, intp, intp, intp, intp, f8, f8, f8)


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


@leaf
def gradient_first(work, control):
    """work[0] <- the gradient at x, wherever the solver left it."""
    if control.counts[G_ROW] != 0:
        copy(work[control.counts[G_ROW]], work[0])
        control.counts[G_ROW] = 0


def with_hess(scratch, control, x, fun_grad, hess, address, leave, most, exact, leaving, seed, tolerance, floor, noise):
    """Look at x, by way of a Hessian, and leave it if it is no minimum: all by address."""
    work, _ = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, 0)
    fun_grad, leave = _fun_grad_at(fun_grad), _leave_at(leave)
    gradient_first(work, control)
    found = from_matrix(_hess_at(hess), x, exact, tolerance, floor, work, control, data)
    return judged(fun_grad, leave, found, x, leaving != 0, seed, tolerance, floor, noise, work, control, data)


def with_hvp(scratch, control, x, fun_grad, hvp, address, leave, most, exact, leaving, seed, tolerance, floor, noise):
    """`with_hess` by way of products; most: of Lanczos."""
    work, memory = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, 0)
    fun_grad, leave = _fun_grad_at(fun_grad), _leave_at(leave)
    gradient_first(work, control)
    found = from_products(_hvp_at(hvp), x, exact, tolerance, floor, most, seed, work, memory, control, data)
    return judged(fun_grad, leave, found, x, leaving != 0, seed, tolerance, floor, noise, work, control, data)


@functools.cache
def compiled_entry(second):
    """The entry for second derivatives of this signature."""
    return compiled({HVP: with_hvp, HESS: with_hess}[second], ENTRY, "entry")


@functools.cache
def compiled_escape(name):
    """The way to leave, compiled."""
    return compiled(ESCAPES[name].leave, LEAVE)


class Examination:
    """How the points at which a method's runs end are looked at. leaving: and go on from a saddle."""

    def __init__(self, module, options, leaving):
        self.matrices, self.leaving, self.rows = "hess" in module.NEEDS, leaving, ESCAPES[options.escape].N_WORK
        self.second = HESS if self.matrices else HVP  # signature of what this needs
        self.exact = getattr(module, "EXACT", EXACT_BELOW)
        self.steps = getattr(module, "STEPS", least_curvature.STEPS)  # of Lanczos that any run may make
        self.tolerance, self.seed, self.max_escapes = options.curvature, options.seed, options.max_escapes
        self.enter = entry_point(compiled_entry(self.second))
        self.escape, self.keep = options.escape, compiled_escape(options.escape)
        self.leave = address_of(self.keep, LEAVE)

    def sizes(self, n, rows, length):
        """(rows, length) of a workspace that does for a solver and for this."""
        rows = least_curvature.n_work(n, self.matrices, max(rows, self.rows))
        return rows, max(length, least_curvature.n_memory(n, self.matrices, rows))

    def __call__(self, run, reason):
        """Look at where the run has ended, and as long as that is a saddle go on. The reason to end."""
        while run.n > 0 and reason in LOOKED_AT:  # without variables there are no eigenvalues
            if not self.affordable(run):
                return UNCERTIFIED
            verdict, moved = self.look(run)
            stop = run.counts[STOP]
            if stop in (SIGNAL, CANCEL):
                return int(stop)
            if not moved:
                return SADDLE if verdict > DEGENERATE else UNCERTIFIED if verdict == UNKNOWN else reason
            run.certificate = None
            reason = run.enter(run.control)
            run.collect()
        return reason

    def affordable(self, run):
        """Does the budget of evaluations do, where products are made of them?"""
        counts = run.counts
        products = self.products(run) if run.n > least_curvature.PRODUCTS and not self.matrices else run.n
        cost = products * counts[GRAD_PER_PRODUCT] * counts[FUN_PER_GRAD]
        return cost == 0 or counts[N_FUN] + cost <= counts[MAX_FUN]

    def products(self, run):
        """Most steps of Lanczos at the end of this run."""
        rows = run.space.sizes[0]
        return min(least_curvature.steps_for(run.n, rows), max(self.steps, int(run.counts[N_HVP])))

    def look(self, run):
        """(verdict, was x left?); run.certificate is set."""
        n, counts, typed = run.n, run.counts, run.typed
        before = counts[N_HVP] + n * counts[N_HESS]
        noise, relative = NOISE.get(typed.derivatives, EPS), 0.0
        if typed.gradients_per_product:
            relative = 64.0 * noise ** (2.0 / 3.0)
        floor = max(4.0 * n * EPS, relative)
        tolerance = max(self.tolerance, floor)
        leaving = self.leaving and counts[N_ESCAPE] < self.max_escapes and counts[N_ITER] < counts[MAX_ITER]
        verdict, tried, bound, index, least, error, lower, failure, norm = self.enter(
            run.space.scratch.address,
            run.control.address,
            run.x,
            typed.fun_grad,
            typed.hvp or typed.hess,
            run.bound.address,
            self.leave,
            self.products(run),
            self.exact,
            int(leaving),
            self.seed,
            tolerance,
            floor,
            noise,
        )
        unit = float(run.values[SCALE])
        run.certificate = Certificate(
            VERDICTS[verdict],
            least / unit,
            BOUNDS[bound],
            lower / unit,
            failure,
            error / unit,
            run.work[3].copy() if bound >= EXACT else None,
            index if index >= 0 else None,
            norm / unit,
            tolerance,
            int(counts[N_HVP] + n * counts[N_HESS] - before),
            self.seed,
            abs(tried),
            self.escape if self.leaving else None,
        )
        return verdict, tried < 0
