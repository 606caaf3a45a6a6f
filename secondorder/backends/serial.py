"""One problem on one thread: the workspace, the control block and the compiled entry.

The entry receives x and integers: addresses of typed functions, of the pinned arguments, and of what a call does not
make anew, which lies ready in native form: options, workspace and control block. It is compiled once, a solver once for
each method; both are cached on disk.
"""

import functools
import math
import os
import threading
import time

import numpy as np

from secondorder.backends import threads
from secondorder.control import (
    ALPHA,
    AXPY,
    CALLBACK,
    CONTROL,
    COUNTDOWN,
    DEADLINE,
    DECREASE,
    F_BEST,
    F_MIN,
    F_TOL,
    FUN_PER_GRAD,
    G_ROW,
    GNORM,
    GRAD_PER_PRODUCT,
    GRAD_RTOL,
    GRAD_TOL,
    HANDLE,
    HOOKS,
    HOPED,
    IN_UNITS_OF_F,
    LEFT_BEST,
    MAX_FUN,
    MAX_ITER,
    MISUSE,
    N_COUNTS,
    N_FUN,
    N_GRAD,
    N_ITER,
    N_VALUES,
    NOTIFY,
    OVERRUN,
    SCALE,
    SIGNALS,
    START_F,
    START_GNORM,
    STEP,
    STOP,
    STRIDE,
    THRESHOLD,
    TRACE,
    WROTE_X,
    X_ROW,
    X_TOL,
    Control,
    F,
    raise_threshold,
    value_and_gradient,
)
from secondorder.derivatives import in_python
from secondorder.jit import (
    ANY,
    BRIDGE,
    FUN,
    FUN_GRAD,
    HESS,
    HVP,
    JIT_DISABLED,
    FunctionType,
    Native,
    Reference,
    address_of,
    borrowed,
    compiled,
    data_t,
    entry_point,
    f8,
    function_at,
    intp,
    is_compiled,
    leaf,
    loader,
    matrix,
    namedtuple_type,
    njit,
    plain,
    reference_at,
    seldom,
    tuple_type,
    typed,
    vector,
)
from secondorder.linalg import chunks
from secondorder.linalg.vectors import copy, norm_inf, scale
from secondorder.line_searches.initial_step import HAGER_ZHANG
from secondorder.line_searches.memory import SearchOptions
from secondorder.precision import TwoPrecisions
from secondorder.result import OptimizeResult
from secondorder.status import CONVERGED, RAISED, REASONS, RUNNING, Outcome

SEARCH_OPTIONS = Reference(namedtuple_type(SearchOptions))
OUTCOME = namedtuple_type(Outcome)
_functions = (FunctionType(FUN), FunctionType(FUN_GRAD))

# search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data) -> (alpha, ft)
SEARCH = tuple_type(f8, f8)(
    *_functions, vector, f8, f8, vector, f8, vector, vector, vector, SEARCH_OPTIONS, CONTROL, data_t
)


def solver_signature(options, second=None):
    """solve(fun, fun_grad, [hvp or hess,] search, search_options, options, x, work, memory, control, data) -> Outcome.

    second: the signature of hvp or hess, for methods that need one.
    """
    functions = _functions if second is None else (*_functions, FunctionType(second))
    return OUTCOME(*functions, FunctionType(SEARCH), SEARCH_OPTIONS, options, vector, matrix, vector, CONTROL, data_t)


ENTRY = intp(intp, intp, intp, vector, intp, intp, intp, intp, intp)  # of `run` and its like

_fun_at, _fun_grad_at, _search_at = function_at(FUN), function_at(FUN_GRAD), function_at(SEARCH)
_hvp_at, _hess_at = function_at(HVP), function_at(HESS)
_solver_at = function_at(solver_signature(ANY))
_solver_with_hvp_at = function_at(solver_signature(ANY, HVP))
_solver_with_hess_at = function_at(solver_signature(ANY, HESS))
_options_at, _search_options_at, _control_at = reference_at(ANY), reference_at(SEARCH_OPTIONS), reference_at(CONTROL)
_program_at, _scratch_at = loader(tuple_type(intp, intp, intp, intp)), loader(tuple_type(matrix, vector))

# what stands behind g while the first gradient is computed; any sum with it shows
GUARD = TwoPrecisions(6.02214076e-300, 6.02214076e-30)
GUARDS = 8

# |g(x0)| outside these bounds: f and g are scaled by a power of two, so that their squares neither over- nor underflow.
TINY_GRADIENT, HUGE_GRADIENT = TwoPrecisions(2.0**-300, 2.0**-40), TwoPrecisions(2.0**300, 2.0**40)


@seldom
def start(fun_grad, x, work, control, data):
    """work[0] <- gradient at x, values[F] <- f(x), threshold and scale set. False: fun_grad wrote where it may not."""
    n = x.shape[0]
    before = work[3]
    copy(x, before)
    scale(math.nan, x, work[0])  # what is left unwritten must not pass for a gradient
    guards = min(GUARDS, n)
    for i in range(guards):
        work[1, i] = work[2, i] = GUARD
    g = work[0]
    f = value_and_gradient(fun_grad, x, g, control, data)
    if control.counts[N_ITER] > 0:
        go_on(f, g, control)
        return True
    for i in range(n):
        if x[i] != before[i] and not (math.isnan(x[i]) and math.isnan(before[i])):
            control.counts[MISUSE] = WROTE_X
        x[i] = before[i]
    for i in range(guards):
        if work[1, i] != GUARD or work[2, i] != GUARD:
            control.counts[MISUSE] = OVERRUN
    settle(f, g, control)
    return control.counts[MISUSE] == 0


@leaf
def settle(f, g, control):
    """What the first f and g decide: their scale, thresholds, fmin."""
    values, gnorm = control.values, norm_inf(g)
    if gnorm > 0.0 and math.isfinite(gnorm) and not TINY_GRADIENT <= gnorm <= HUGE_GRADIENT:
        factor = math.ldexp(1.0, -math.floor(math.log2(gnorm)))
        values[SCALE] = factor
        f *= factor
        scale(factor, g, g)
        gnorm *= factor
    values[F], values[GNORM], values[START_F], values[START_GNORM] = f, gnorm, f, gnorm
    values[THRESHOLD] = max(values[GRAD_TOL] * values[SCALE], values[GRAD_RTOL] * gnorm)
    if math.isinf(values[F_MIN]):
        values[F_MIN] = -1e20 * max(values[SCALE], abs(f))
    else:
        values[F_MIN] *= values[SCALE]


@leaf
def go_on(f, g, control):
    """`start` after the end of a run was left: thresholds may rise, as where x0 was the saddle, and units stay."""
    values, gnorm = control.values, norm_inf(g)
    if values[START_GNORM] == 0.0 and gnorm > 0.0 and not TINY_GRADIENT <= gnorm <= HUGE_GRADIENT:
        factor = 2.0 ** -math.floor(math.log2(gnorm))  # only now is there a gradient to tell the units
        values[SCALE] = factor
        f *= factor
        scale(factor, g, g)
        gnorm *= factor
        values[F_MIN] *= factor
        values[F_BEST] *= factor
        values[START_F] *= factor
        values[DECREASE] *= factor
    values[F], values[GNORM] = f, gnorm
    raise_threshold(gnorm, control)


def run(program, scratch, control, x, fun, fun_grad, second, address, item):
    """The one way from Python into a solver, all by address: its reason to end."""
    solve, search, search_options, options = _program_at(program)
    work, memory = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, item)
    if not start(_fun_grad_at(fun_grad), x, work, control, data):
        return RAISED
    outcome = _solver_at(solve)(
        _fun_at(fun),
        _fun_grad_at(fun_grad),
        _search_at(search),
        _search_options_at(search_options),
        _options_at(options),
        x,
        work,
        memory,
        control,
        data,
    )
    return outcome.reason


def run_with_hvp(program, scratch, control, x, fun, fun_grad, second, address, item):
    """`run` for solvers that need Hessian products: `second` is the address of hvp."""
    solve, search, search_options, options = _program_at(program)
    work, memory = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, item)
    if not start(_fun_grad_at(fun_grad), x, work, control, data):
        return RAISED
    outcome = _solver_with_hvp_at(solve)(
        _fun_at(fun),
        _fun_grad_at(fun_grad),
        _hvp_at(second),
        _search_at(search),
        _search_options_at(search_options),
        _options_at(options),
        x,
        work,
        memory,
        control,
        data,
    )
    return outcome.reason


def run_with_hess(program, scratch, control, x, fun, fun_grad, second, address, item):
    """`run` for solvers that need Hessians: `second` is the address of hess."""
    solve, search, search_options, options = _program_at(program)
    work, memory = _scratch_at(scratch)
    control, x, data = _control_at(control), borrowed(x), (address, item)
    if not start(_fun_grad_at(fun_grad), x, work, control, data):
        return RAISED
    outcome = _solver_with_hess_at(solve)(
        _fun_at(fun),
        _fun_grad_at(fun_grad),
        _hess_at(second),
        _search_at(search),
        _search_options_at(search_options),
        _options_at(options),
        x,
        work,
        memory,
        control,
        data,
    )
    return outcome.reason


NO_SEARCH = 0  # for methods that have none: never called


MAX_KEPT = 1 << 26  # bytes of a workspace that is kept for the next call
MAX_TRACE = 1 << 20  # rows; untouched rows take no memory


def control_numbers(content=None):
    """(counts, values, the bytes of both, which one assignment sets)."""
    numbers = np.zeros(N_COUNTS + N_VALUES, np.int64)
    numbers_bytes = memoryview(numbers).cast("B")
    if content is not None:
        numbers_bytes[:] = content
    return numbers[:N_COUNTS], numbers[N_COUNTS:].view(np.float64), numbers_bytes


_COUNTS, _VALUES, _START = control_numbers()
_COUNTS[STOP], _COUNTS[STRIDE], _COUNTS[COUNTDOWN] = RUNNING, 1, 1
_VALUES[SCALE], _VALUES[HOPED] = 1.0, math.inf
_VALUES[F] = _VALUES[GNORM] = _VALUES[THRESHOLD] = math.nan  # until the first evaluation
_NO_TRACE = np.empty((0, len(TRACE)))
_MAIN = threading.main_thread().ident


def control_start(run, n):
    """Bytes of the control numbers at the start of a run of n variables with these options."""
    counts, values, numbers = control_numbers(_START)
    counts[MAX_ITER] = run.maxiter if run.maxiter >= 0 else max(10000, 200 * n)
    counts[MAX_FUN], counts[FUN_PER_GRAD] = run.maxfev, 1
    values[GRAD_TOL], values[GRAD_RTOL] = run.gtol, run.grtol
    values[X_TOL], values[F_TOL], values[F_MIN] = run.xtol, run.ftol, run.fmin
    return bytes(numbers)


class Plan:
    """A method with checked options and its compiled parts: all of a call but the objective and x0."""

    def __init__(self, name, module, parsed, keep=None, second_order=None):
        self.name, self.module, self.run, self.own = name, module, parsed.run, parsed.method
        search, needs_fun = compiled_line_search(parsed.line_search)
        needs_fun = needs_fun or (search is not None and parsed.search.initial == HAGER_ZHANG)
        self.needs = (*module.NEEDS, "fun") if needs_fun else module.NEEDS
        self.second = HVP if "hvp" in module.NEEDS else HESS if "hess" in module.NEEDS else None
        self.examine = second_order  # saddle.Examination, or None: points are not looked at
        if second_order is not None and self.second is None:
            self.needs = (*self.needs, "hvp")
        entry = compiled_entry(self.second)
        self.enter = entry_point(entry)
        self.options = Native(parsed.search), Native(parsed.method)
        self.search = NO_SEARCH if search is None else address_of(search, SEARCH)
        self.keep = [search, entry, keep]
        self.program, self.long_program = self.make_program(module.solve), None
        self.perturbs = getattr(module, "PERTURBS", False)
        self.module_fields = getattr(module, "result_fields", None)
        self.sizes = {}

    def start(self, n):
        """((rows, n, length) of the workspace, bytes of the control numbers at the start) for n variables."""
        found = self.sizes.get(n)
        if found is None:
            rows, length = self.module.n_work(n, self.own), self.module.n_memory(n, self.own)
            if self.examine is not None:
                rows, length = self.examine.sizes(n, rows, length)
            found = (rows, n, length), control_start(self.run, n)
            if len(self.sizes) < 64:
                self.sizes[n] = found
        return found

    def program_for(self, n, counts):
        """`program` for n variables, which are many; the addresses of kernels for them go into counts."""
        if JIT_DISABLED:
            return self.program
        counts[AXPY : AXPY + len(chunks.KERNELS)] = threads.kernels_for(n)
        if self.long_program is None:
            self.long_program = self.make_program(getattr(self.module, "solve_long", self.module.solve))
        return self.long_program

    def make_program(self, solve):
        """What the entry runs: addresses of a solver, the search and their options."""
        signature = solver_signature(Reference(namedtuple_type(self.module.Options)), self.second)
        solver = compiled_solver(solve, signature)
        options = [native.address for native in self.options]
        self.keep.append(solver)
        return Native((address_of(solver, signature), self.search, *options))


class Space:
    """Workspace and control block of one run, of arbitrary contents, also in native form."""

    def __init__(self, *sizes):
        self.sizes, self.arrays = sizes, self.make(*sizes)
        self.work, self.memory = self.arrays[0], self.arrays[-1]
        self.g = self.work[0]
        self.counts, self.values, self.numbers = control_numbers()
        self.best, self.sums = np.empty(self.work.shape[1]), np.empty(chunks.CHUNKS)
        self.scratch, self.control = Native(self.arrays), self.control_block(_NO_TRACE)

    def make(self, *sizes):
        """The arrays that solvers of this kind get, work first and memory last."""
        return make_workspace(*sizes)

    def control_block(self, trace):
        """The control block with this trace."""
        return Native(Control(self.counts, self.values, self.best, trace, self.sums))


class _Idle(threading.local):
    space = None


_idle = _Idle()


def take_space(sizes):
    """That of the last run in this thread if it fits, else a new one."""
    kept, _idle.space = _idle.space, None  # a nested call, from within the objective, takes its own
    return kept if kept is not None and kept.sizes == sizes else Space(*sizes)


def make_workspace(rows, n, length):
    """(work, memory)."""
    check_free_memory(rows, n)
    return np.empty((rows, n)), np.empty(length)


def check_free_memory(rows, n):
    """MemoryError before anything is allocated, with a way out."""
    need = rows * n * 8
    if need < MAX_KEPT:
        return
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return
    if need > 0.8 * free:
        raise MemoryError(
            f"the method needs {need / 1e9:.3g} GB of work arrays for n = {n}, and {free / 1e9:.3g} GB are free; "
            "l-bfgs and cg need a few vectors only"
        )


class WroteX(Exception):
    """The user's function changed x: it needs a copy of its own."""


class Run:
    """One call of a solver: its arrays, its control block, and the call itself."""

    def __init__(self, plan, typed, bound, x):
        self.plan, self.typed, self.bound, self.x = plan, typed, bound, x
        self.n = n = x.shape[0]
        sizes, numbers = plan.start(n)
        self.space = space = take_space(sizes)
        space.numbers[:] = numbers
        self.work, self.counts, self.values, self.control = space.work, space.counts, space.values, space.control
        self.program = plan.program if n < chunks.LONG else plan.program_for(n, self.counts)
        if typed.derivatives != "given":
            self.counts[FUN_PER_GRAD] = typed.cost(n)
        if typed.gradients_per_product:
            self.counts[GRAD_PER_PRODUCT] = typed.gradients_per_product
        self.watch(plan.run, typed)
        self._handle = None
        self.extra_fields = self.certificate = None

    @property
    def n_rows(self):
        """Rows of `work`."""
        return self.space.sizes[0]

    def watch(self, options, typed):
        """Set what is looked at while the solver runs: signals, the clock; and the trace."""
        if typed.in_python is None and threading.get_ident() == _MAIN:
            self.counts[SIGNALS] = 1
        if options.time_limit < math.inf:
            self.counts[DEADLINE] = time.monotonic_ns() + int(1e9 * min(options.time_limit, 1e9))
        if options.history:
            self.trace = np.empty((min(int(self.counts[MAX_ITER]) + 1, MAX_TRACE), len(TRACE)))
            self.control = self.space.control_block(self.trace)

    def notify(self, function):
        """Have `function` called after each iteration."""
        notify = compiled(in_python.notify, NOTIFY, "bridge")
        self._handle = in_python.register(function)
        self.callback = address_of(notify, NOTIFY)
        if JIT_DISABLED:
            HOOKS[self._handle], self.counts[CALLBACK] = function, 1
        else:
            self.counts[CALLBACK] = self.callback
        self.counts[HANDLE] = self._handle

    def __call__(self):
        """Solve; the reason to end. The arrays are ours, so whatever ends the solver leaves the best point here."""
        reason = self.enter(self.control)
        counts = self.counts
        if reason == RAISED:
            if counts[MISUSE] == OVERRUN:
                raise ValueError(
                    f"the gradient was written past the end of x, which has length {self.n}: does fun take more?"
                )
            raise WroteX
        self.collect()
        if self.plan.examine is not None:
            reason = self.plan.examine(self, reason)
        if counts[LEFT_BEST] and REASONS[reason].status != CONVERGED:
            self.return_to_best()
        return reason

    def collect(self):
        """What the method has to say of its own, while its workspace is as it left it."""
        if self.plan.module_fields is not None:
            self.extra_fields = self.plan.module_fields(self.n, self.work, self.values[SCALE])

    def enter(self, control):
        """Call the compiled entry on the arrays of this run."""
        space, typed = self.space, self.typed
        return self.plan.enter(
            self.program.address,
            space.scratch.address,
            control.address,
            self.x,
            typed.fun,
            typed.fun_grad,
            typed.hvp or typed.hess,
            self.bound.address,
            0,
        )

    def retype(self, typed):
        """Start over with other typed functions for the same objective; counts go on."""
        self.typed = typed
        self.counts[MISUSE] = 0

    def recover(self):
        """After an exception: x is the best point, its gradient unknown if it had been left."""
        if self.counts[LEFT_BEST]:
            self.x[:] = self.space.best
            self.values[F] = self.values[F_BEST]
            self.values[GNORM] = math.nan
            self.work[self.counts[G_ROW]] = math.nan
        else:
            self.x[:] = self.point()
        self.counts[X_ROW] = 0

    def point(self):
        """Where x is while the solver runs or was interrupted."""
        row = self.counts[X_ROW]
        return self.work[row] if row else self.x

    def return_to_best(self):
        """x <- the best point accepted, with its value and gradient: one more evaluation."""
        self.x[:] = self.space.best
        counts, values = self.counts.copy(), self.values.copy()
        self.counts[:] = _COUNTS  # no iterations: the solver evaluates x and stops
        self.counts[FUN_PER_GRAD], self.counts[MAX_FUN] = counts[FUN_PER_GRAD], 2**62
        self.counts[AXPY : AXPY + len(chunks.KERNELS)] = counts[AXPY : AXPY + len(chunks.KERNELS)]
        values[F], values[GNORM] = values[F_BEST], math.nan  # unless the function gives the same again
        try:
            self.enter(self.space.control)
            if self.values[F] == values[F_BEST]:
                values[GNORM] = self.values[GNORM]
        finally:
            counts[[N_FUN, N_GRAD]] += self.counts[[N_FUN, N_GRAD]]
            counts[LEFT_BEST] = counts[G_ROW] = 0
            self.counts[:], self.values[:] = counts, values
            if math.isnan(values[GNORM]):
                self.work[0] = math.nan

    def gradient(self, counts, values):
        """The gradient at x; nan where none was computed."""
        if counts[N_GRAD] == 0:
            return np.full(self.n, math.nan)
        factor, row = values[SCALE], counts[G_ROW]
        g = self.work[row] if row else self.space.g
        return g.copy() if factor == 1.0 else g / factor

    def unscaled_values(self):
        """The values of the control block as Python floats, in the user's units of f."""
        values = self.values.tolist()
        factor = values[SCALE]
        if factor != 1.0:
            for k in IN_UNITS_OF_F:
                values[k] /= factor
        return values

    def snapshot(self):
        """The state after an iteration, for callbacks: copies."""
        factor = self.values[SCALE]
        return OptimizeResult(
            x=self.point().copy(),
            fun=float(self.values[F] / factor),
            jac=self.gradient(self.counts, self.values),
            nit=int(self.counts[N_ITER]),
            nfev=int(self.counts[N_FUN]),
            njev=int(self.counts[N_GRAD]),
            optimality=float(self.values[GNORM] / factor),
            step=float(self.values[STEP]),
            alpha=float(self.values[ALPHA]),
        )

    def close(self):
        """Keep the workspace for the next call."""
        if self.work.nbytes <= MAX_KEPT:
            _idle.space = self.space
        if self._handle is not None:
            in_python.release(self._handle)
            HOOKS.pop(self._handle, None)


@functools.cache
def compiled_solver(solve, signature):
    """The method's solver, compiled."""
    return compiled(solve, signature)


@functools.cache
def compiled_line_search(given):
    """(compiled search, does it call fun?) of a module of line_searches, of the user's own function, or of None."""
    if given is None:
        return None, False
    if hasattr(given, "search"):
        return compiled(given.search, SEARCH), given.NEEDS_FUN
    function = plain(given)
    try:
        return typed(function, SEARCH, flags=BRIDGE), True
    except Exception as error:
        raise TypeError(
            f"line_search={given!r} can't be compiled for search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, "
            f"memory, options, control, data) -> (alpha, ft): {error}"
        ) from error


@functools.cache
def compiled_function(name, given):
    """A function P(x, v, out, data) of the user's for the option `name`."""
    try:
        return typed(returning_nothing(given), HVP, flags=BRIDGE)
    except Exception as error:
        raise TypeError(f"{name}={given!r} can't be compiled for {name}(x, v, out, data): {error}") from error


def returning_nothing(given):
    """The function in the form of typed functions, which return a number."""
    user = given if is_compiled(given) else njit(given)

    def function(x, v, out, data):
        user(x, v, out, data)
        return 0.0

    return function


@functools.cache
def compiled_entry(second):
    """The entry, for all methods that need the second derivatives of this signature, or None."""
    return compiled({None: run, HVP: run_with_hvp, HESS: run_with_hess}[second], ENTRY, "entry")
