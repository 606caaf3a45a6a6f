"""One least-squares problem on one thread: like `serial`, with residuals and Jacobians where that has f and g.

The first call of the user's function tells how many residuals there are. It is the evaluation at x0 too, but where the
residuals that the solver gets are generated.
"""

import functools
import math
import threading

import numpy as np

from secondorder.backends import serial
from secondorder.backends.serial import (
    _START,
    MAX_KEPT,
    OUTCOME,
    Run,
    check_free_memory,
    control_numbers,
)
from secondorder.control import (
    CONTROL,
    F_MIN,
    F_TOL,
    FUN_PER_GRAD,
    GNORM,
    GRAD_RTOL,
    GRAD_TOL,
    HOOKS,
    IN_UNITS_OF_F,
    MAX_FUN,
    MAX_ITER,
    N_FUN,
    N_GRAD,
    N_ITER,
    SCALE,
    STEP,
    X_TOL,
    F,
    look_around,
)
from secondorder.derivatives import in_python
from secondorder.fits.losses import LOSS_REFERENCE, cost
from secondorder.jit import (
    ANY,
    JACOBIAN,
    PRODUCT,
    RESIDUAL,
    FunctionType,
    Native,
    Reference,
    address_of,
    borrowed,
    compiled,
    data_t,
    entry_point,
    function_at,
    intp,
    loader,
    loop,
    matrix,
    namedtuple_type,
    reference_at,
    tuple_type,
    vector,
)
from secondorder.linalg.vectors import norm_inf, scale
from secondorder.precision import TwoPrecisions
from secondorder.result import OptimizeResult

SIGNATURES = {"residual": RESIDUAL, "jacobian": JACOBIAN, "jvp": PRODUCT, "vjp": PRODUCT}
_functions = tuple(FunctionType(signature) for signature in SIGNATURES.values())


def solver_signature(options):
    """solve(residual, jacobian, jvp, vjp, loss, options, x, work, fit, memory, control, data) -> Outcome."""
    return OUTCOME(*_functions, LOSS_REFERENCE, options, vector, matrix, matrix, vector, CONTROL, data_t)


ENTRY = intp(intp, intp, intp, vector, intp, intp, intp, intp, intp, intp, intp)  # of `run`

_residual_at, _jacobian_at, _product_at = function_at(RESIDUAL), function_at(JACOBIAN), function_at(PRODUCT)
_solver_at = function_at(solver_signature(ANY))
_options_at, _loss_at, _control_at = reference_at(ANY), reference_at(LOSS_REFERENCE), reference_at(CONTROL)
_program_at, _scratch_at = loader(tuple_type(intp, intp)), loader(tuple_type(matrix, matrix, vector))

# |r(x0)|_inf outside these bounds: residuals are scaled by a power of two, lest their squares over- or underflow.
TINY_RESIDUAL, HUGE_RESIDUAL = TwoPrecisions(2.0**-300, 2.0**-40), TwoPrecisions(2.0**300, 2.0**40)


@loop
def start(residual, x, loss, fit, control, data):
    """fit[0] <- the residuals at x, if they are not counted yet; their scale, and the cost."""
    values, r = control.values, fit[0]
    if control.counts[N_FUN] == 0:
        residual(x, r, data)
        control.counts[N_FUN] = 1
    size = norm_inf(r)
    if size > 0.0 and math.isfinite(size) and not TINY_RESIDUAL <= size <= HUGE_RESIDUAL:
        values[SCALE] = math.ldexp(1.0, -math.floor(math.log2(size)))
        scale(values[SCALE], r, r)
    values[F] = cost(r, loss, fit[4:8], control)


def run(program, scratch, control, x, residual, jacobian, jvp, vjp, loss, address, item):
    """The one way from Python into a solver, all by address: its reason to end.

    fit[0] has the residuals at x if they are counted already.
    """
    solve, options = _program_at(program)
    work, fit, memory = _scratch_at(scratch)
    control, x, data, loss = _control_at(control), borrowed(x), (address, item), _loss_at(loss)
    start(_residual_at(residual), x, loss, fit, control, data)
    look_around(control.counts)
    outcome = _solver_at(solve)(
        _residual_at(residual),
        _jacobian_at(jacobian),
        _product_at(jvp),
        _product_at(vjp),
        loss,
        _options_at(options),
        x,
        work,
        fit,
        memory,
        control,
        data,
    )
    return outcome.reason


@functools.cache
def compiled_entry():
    """The entry, for all methods."""
    return compiled(run, ENTRY, "entry")


@functools.cache
def compiled_solver(solve, options_class):
    """The method's solver, compiled."""
    return compiled(solve, solver_signature(Reference(namedtuple_type(options_class))))


class Plan:
    """A method with checked options and its compiled parts: all of a call but the residuals, their loss and x0."""

    def __init__(self, name, module, parsed):
        self.name, self.module, self.run, self.own = name, module, parsed.run, parsed.method
        self.needs = module.NEEDS
        self.solver, self.entry = compiled_solver(module.solve, module.Options), compiled_entry()
        self.enter = entry_point(self.entry)
        self.options = Native(parsed.method)
        signature = solver_signature(Reference(namedtuple_type(module.Options)))
        self.program = Native((address_of(self.solver, signature), self.options.address))
        self.sizes = {}

    def start(self, m, n):
        """(((rows, n), (rows, m), length) of the workspace, bytes of the control numbers at the start)."""
        found = self.sizes.get((m, n))
        if found is None:
            module, own = self.module, self.own
            sizes = (module.n_work(n, own), n), (module.n_fit(n, own), m), module.n_memory(n, own)
            found = sizes, self.control_start(n)
            if len(self.sizes) < 64:
                self.sizes[m, n] = found
        return found

    def control_start(self, n):
        """Bytes of the control numbers at the start."""
        return control_start(self.run, n)


def control_start(run, n):
    """The same of a run with these RunOptions."""
    counts, values, numbers = control_numbers(_START)
    counts[MAX_ITER] = run.maxiter if run.maxiter >= 0 else max(10000, 200 * n)
    counts[MAX_FUN] = run.maxfev
    values[GRAD_TOL], values[GRAD_RTOL] = run.gtol, run.grtol
    values[X_TOL], values[F_TOL], values[F_MIN] = run.xtol, run.ftol, -math.inf
    return bytes(numbers)


class Space(serial.Space):
    """The same with rows of length m, `fit`."""

    def make(self, *sizes):
        """work, fit, memory."""
        return make_workspace(*sizes)

    @property
    def fit(self):
        """Rows of length m."""
        return self.arrays[1]


class _Idle(threading.local):
    space = None


_idle = _Idle()


def take_space(sizes):
    """That of the last run in this thread if it fits, else a new one."""
    kept, _idle.space = _idle.space, None
    return kept if kept is not None and kept.sizes == sizes else Space(*sizes)


def make_workspace(work, fit, length):
    """(work, fit, memory)."""
    check_free_memory(1, work[0] * work[1] + fit[0] * fit[1])
    return np.empty(work), np.empty(fit), np.empty(length)


class FitRun(Run):
    """One call of a solver: its arrays, its control block, and the call itself. r: the residuals at x."""

    def __init__(self, plan, typed, bound, x, r, loss, x_scale):
        self.plan, self.typed, self.bound, self.x, self.loss = plan, typed, bound, x, loss
        self.n = n = x.shape[0]
        sizes, numbers = plan.start(r.shape[0], n)
        self.space = space = take_space(sizes)
        space.numbers[:] = numbers
        self.work, self.counts, self.values, self.control = space.work, space.counts, space.values, space.control
        space.fit[0] = r
        space.memory[0] = 0.0 if x_scale is None else 1.0
        if x_scale is not None:
            self.work[plan.module.SCALING] = 1.0 / x_scale
        self.counts[N_FUN], self.counts[FUN_PER_GRAD] = int(not typed.generated), typed.cost(n)
        self.watch(plan.run, typed)
        self._handle = None

    def __call__(self):
        """Solve; the reason to end. Methods only go down, so x is the best point whatever ends them."""
        space, typed = self.space, self.typed
        return self.plan.enter(
            self.plan.program.address,
            space.scratch.address,
            self.control.address,
            self.x,
            typed.residual,
            typed.jacobian,
            typed.jvp,
            typed.vjp,
            self.loss.address,
            self.bound.address,
            0,
        )

    def recover(self):
        """After an exception x is the best point already."""

    def close(self):
        """Keep the workspace for the next call."""
        if self.work.nbytes + self.space.fit.nbytes <= MAX_KEPT:
            _idle.space = self.space
        if self._handle is not None:
            in_python.release(self._handle)
            HOOKS.pop(self._handle, None)

    def residuals(self):
        """r(x), in the user's units."""
        return self.space.fit[0] / self.values[SCALE]

    def criteria(self):
        """The method's own criteria."""
        return self.plan.module.criteria(self.plan.own, self.space.memory)

    def matrices(self, known):
        """J and what follows from it, of methods that have it; known: the solver came to its end."""
        space, factor = self.space, float(self.values[SCALE])
        return self.plan.module.result_fields(space.work, space.fit, space.memory, self.values[F], factor, known)

    def unscaled_values(self):
        """The values of the control block as Python floats, in the user's units of cost."""
        values = self.values.tolist()
        factor = values[SCALE]
        if factor != 1.0:
            for k in IN_UNITS_OF_F:
                values[k] = values[k] / factor / factor
        return values

    def snapshot(self):
        """The state after an iteration, for callbacks: copies."""
        values = self.unscaled_values()
        return OptimizeResult(
            x=self.x.copy(),
            cost=values[F],
            fun=self.residuals(),
            grad=self.gradient(self.counts, self.values),
            nit=int(self.counts[N_ITER]),
            nfev=int(self.counts[N_FUN]),
            njev=int(self.counts[N_GRAD]),
            optimality=values[GNORM],
            step=values[STEP],
        )

    def gradient(self, counts, values):
        """The gradient of the cost at x; nan where none was computed."""
        if counts[N_GRAD] == 0 and counts[N_ITER] == 0:
            return np.full(self.n, math.nan)
        factor = values[SCALE]
        return self.space.g.copy() if factor == 1.0 else self.space.g / factor / factor
