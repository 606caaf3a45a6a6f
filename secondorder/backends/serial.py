"""One problem on one thread: the workspace, the control block and the compiled entry.

The entry receives integers and arrays only: addresses of typed functions and of the pinned arguments, and the arrays
that the driver owns. It is compiled once for each type of options, a solver once for each method; both are cached on
disk.
"""

import functools
import math
import os
import threading
import time

import numpy as np

from secondorder.control import (
    ALPHA,
    CALLBACK,
    CONTROL,
    COUNTDOWN,
    DEADLINE,
    F_BEST,
    F_MIN,
    F_TOL,
    FUN_PER_GRAD,
    GNORM,
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
    START_GNORM,
    STEP,
    STOP,
    STRIDE,
    THRESHOLD,
    TRACE,
    WROTE_X,
    X_TOL,
    Control,
    F,
    value_and_gradient,
)
from secondorder.derivatives import in_python
from secondorder.jit import (
    FUN,
    FUN_GRAD,
    JIT_DISABLED,
    FunctionType,
    address_of,
    borrowed,
    call_at,
    compiled,
    data_t,
    entry_point,
    f8,
    function_at,
    integers,
    intp,
    loop,
    matrix,
    namedtuple_type,
    tuple_type,
    typed,
    vector,
)
from secondorder.linalg.vectors import copy, norm_inf, scale
from secondorder.line_searches.initial_step import HAGER_ZHANG
from secondorder.line_searches.memory import SearchOptions
from secondorder.result import OptimizeResult
from secondorder.status import CONVERGED, RAISED, REASONS, RUNNING, Outcome

SEARCH_OPTIONS = namedtuple_type(SearchOptions)
OUTCOME = namedtuple_type(Outcome)
_functions = (FunctionType(FUN), FunctionType(FUN_GRAD))

# search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data) -> (alpha, ft)
SEARCH = tuple_type(f8, f8)(
    *_functions, vector, f8, f8, vector, f8, vector, vector, vector, SEARCH_OPTIONS, CONTROL, data_t
)


def solver_signature(options):
    """solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data) -> Outcome."""
    return OUTCOME(*_functions, FunctionType(SEARCH), SEARCH_OPTIONS, options, vector, matrix, vector, CONTROL, data_t)


def entry_signature(options):
    """Signature of `run` for one Numba type of options."""
    arrays = (vector, matrix, vector, integers, vector, vector, matrix)
    return OUTCOME(intp, intp, intp, intp, SEARCH_OPTIONS, options, *arrays, intp, intp)


_fun_at, _fun_grad_at, _search_at = function_at(FUN), function_at(FUN_GRAD), function_at(SEARCH)
_solver_at = call_at(solver_signature)

GUARD = -6.02214076e23  # what stands behind g while the first gradient is computed
GUARDS = 8

# |g(x0)| outside these bounds: f and g are scaled by a power of two, so that their squares neither over- nor underflow.
TINY_GRADIENT, HUGE_GRADIENT = 2.0**-300, 2.0**300


@loop
def start(fun_grad, x, work, control, data):
    """work[0] <- gradient at x, values[F] <- f(x), threshold and scale set. False: fun_grad wrote where it may not."""
    values, n = control.values, x.shape[0]
    flat, before = work.reshape(work.size), work[3]
    copy(x, before)
    scale(math.nan, x, work[0])  # what is left unwritten must not pass for a gradient
    guards = min(GUARDS, 2 * n)  # row 3 is taken
    for i in range(guards):
        flat[n + i] = GUARD
    g = work[0]
    f = value_and_gradient(fun_grad, x, g, control, data)
    for i in range(n):
        if x[i] != before[i] and not (math.isnan(x[i]) and math.isnan(before[i])):
            control.counts[MISUSE] = WROTE_X
        x[i] = before[i]
    for i in range(guards):
        if flat[n + i] != GUARD:
            control.counts[MISUSE] = OVERRUN
    gnorm = norm_inf(g)
    if gnorm > 0.0 and math.isfinite(gnorm) and not TINY_GRADIENT <= gnorm <= HUGE_GRADIENT:
        factor = 2.0 ** -math.floor(math.log2(gnorm))
        values[SCALE] = factor
        f *= factor
        scale(factor, g, g)
        gnorm *= factor
    values[F], values[GNORM], values[START_GNORM] = f, gnorm, gnorm
    values[THRESHOLD] = max(values[GRAD_TOL] * values[SCALE], values[GRAD_RTOL] * gnorm)
    if math.isinf(values[F_MIN]):
        values[F_MIN] = -1e20 * max(values[SCALE], abs(f))
    else:
        values[F_MIN] *= values[SCALE]
    return control.counts[MISUSE] == 0


def run(
    solve, fun, fun_grad, search, search_options, options, x, work, memory, counts, values, best, trace, address, item
):
    """The one way from Python into a solver: the four functions come as addresses."""
    x, work, memory, data = borrowed(x), borrowed(work), borrowed(memory), (address, item)
    control = Control(borrowed(counts), borrowed(values), borrowed(best), borrowed(trace))
    if not start(_fun_grad_at(fun_grad), x, work, control, data):
        return Outcome(RAISED, values[F], math.nan, 0)
    return _solver_at(solve, options)(
        _fun_at(fun),
        _fun_grad_at(fun_grad),
        _search_at(search),
        search_options,
        options,
        x,
        work,
        memory,
        control,
        data,
    )


MAX_KEPT = 1 << 26  # bytes of a workspace that is kept for the next call
MAX_TRACE = 1 << 20  # rows; untouched rows take no memory

_COUNTS = np.zeros(N_COUNTS, np.int64)
_COUNTS[STOP], _COUNTS[STRIDE], _COUNTS[COUNTDOWN] = RUNNING, 1, 1
_VALUES = np.zeros(N_VALUES)
_VALUES[SCALE], _VALUES[HOPED] = 1.0, math.inf
_VALUES[F] = _VALUES[GNORM] = _VALUES[THRESHOLD] = math.nan  # until the first evaluation
_NO_TRACE = np.empty((0, len(TRACE)))
_MAIN = threading.main_thread().ident


class Plan:
    """A method with checked options and its compiled parts: all of a call but the objective and x0."""

    def __init__(self, name, module, parsed):
        self.name, self.module = name, module
        self.run, self.search_options, self.own = parsed.run, parsed.search, parsed.method
        solver = compiled_solver(module.solve, module.Options)
        search, needs_fun = compiled_line_search(parsed.line_search)
        needs_fun = needs_fun or parsed.search.initial == HAGER_ZHANG
        self.needs = (*module.NEEDS, "fun") if needs_fun else module.NEEDS
        entry = compiled_entry(module.Options)
        self.entry = entry_point(entry)
        signature = solver_signature(namedtuple_type(module.Options))
        self.addresses = address_of(solver, signature), address_of(search, SEARCH)
        self.keep = solver, search, entry
        self.module_fields = getattr(module, "result_fields", None)
        values = _VALUES.copy()
        values[GRAD_TOL], values[GRAD_RTOL] = self.run.gtol, self.run.grtol
        values[X_TOL], values[F_TOL], values[F_MIN] = self.run.xtol, self.run.ftol, self.run.fmin
        self.values = values
        counts = _COUNTS.copy()
        counts[MAX_FUN], counts[FUN_PER_GRAD] = self.run.maxfev, 1
        self.counts = counts
        self.sizes = {}

    def start(self, n):
        """(sizes of the workspace, a new array of counts) for n variables."""
        found = self.sizes.get(n)
        if found is None:
            module, maxiter = self.module, self.run.maxiter
            counts = self.counts.copy()
            counts[MAX_ITER] = maxiter if maxiter >= 0 else max(10000, 200 * n)
            found = (module.n_work(n, self.own), n, module.n_memory(n, self.own)), counts
            if len(self.sizes) < 64:
                self.sizes[n] = found
        return found[0], found[1].copy()


_idle = threading.local()


def take_workspace(rows, n, length):
    """(work, memory): those of the last call if they fit, else new ones. Their contents are arbitrary."""
    kept = getattr(_idle, "workspace", None)
    _idle.workspace = None  # a nested call, from within the objective, takes its own
    if kept is not None and kept[0].shape == (rows, n) and kept[1].shape == (length,):
        return kept
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
        n = x.shape[0]
        self.plan, self.typed, self.bound, self.x, self.n = plan, typed, bound, x, n
        sizes, self.counts = plan.start(n)
        self.work, self.memory = take_workspace(*sizes)
        self.best = np.empty(n)
        self.values, counts = plan.values.copy(), self.counts
        if typed.derivatives != "given":
            counts[FUN_PER_GRAD] = typed.cost(n)
        if typed.in_python is None and threading.get_ident() == _MAIN:
            counts[SIGNALS] = 1
        if plan.run.time_limit < math.inf:
            counts[DEADLINE] = time.monotonic_ns() + int(1e9 * min(plan.run.time_limit, 1e9))
        self.trace = _NO_TRACE
        if plan.run.history:
            self.trace = np.empty((min(int(counts[MAX_ITER]) + 1, MAX_TRACE), len(TRACE)))
        self._handle = None
        self.extra_fields = None

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
        """Solve. The arrays are ours, so whatever ends the solver leaves the best point here."""
        outcome = self.enter(self.trace)
        if self.counts[MISUSE] == OVERRUN:
            raise ValueError(
                f"fun_grad wrote past the end of g, which has length {self.n}: is the gradient longer than x?"
            )
        if self.counts[MISUSE] == WROTE_X:
            raise WroteX
        if self.plan.module_fields is not None:
            self.extra_fields = self.plan.module_fields(self.n, self.work, self.values[SCALE])
        if self.counts[LEFT_BEST] and REASONS[outcome.reason].status != CONVERGED:
            self.return_to_best()
        return outcome

    def enter(self, trace):
        """Call the compiled entry on the arrays of this run."""
        plan, typed = self.plan, self.typed
        solve, search = plan.addresses
        return plan.entry(
            solve,
            typed.fun,
            typed.fun_grad,
            search,
            plan.search_options,
            plan.own,
            self.x,
            self.work,
            self.memory,
            self.counts,
            self.values,
            self.best,
            trace,
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
            self.x[:] = self.best
            self.values[F] = self.values[F_BEST]
            self.values[GNORM] = math.nan
            self.work[0] = math.nan

    def return_to_best(self):
        """x <- the best point accepted, with its value and gradient: one more evaluation."""
        self.x[:] = self.best
        counts, values = self.counts.copy(), self.values.copy()
        self.counts[:] = _COUNTS  # no iterations: the solver evaluates x and stops
        self.counts[FUN_PER_GRAD], self.counts[MAX_FUN] = counts[FUN_PER_GRAD], 2**62
        values[F], values[GNORM] = values[F_BEST], math.nan  # unless the function gives the same again
        try:
            self.enter(_NO_TRACE)
            if self.values[F] == values[F_BEST]:
                values[GNORM] = self.values[GNORM]
        finally:
            counts[[N_FUN, N_GRAD]] += self.counts[[N_FUN, N_GRAD]]
            counts[LEFT_BEST] = 0
            self.counts[:], self.values[:] = counts, values
            if math.isnan(values[GNORM]):
                self.work[0] = math.nan

    def gradient(self, counts, values):
        """The gradient at x; nan where none was computed."""
        if counts[N_GRAD] == 0:
            return np.full(self.n, math.nan)
        factor = values[SCALE]
        return self.work[0].copy() if factor == 1.0 else self.work[0] / factor

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
            x=self.x.copy(),
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
            _idle.workspace = self.work, self.memory
        if self._handle is not None:
            in_python.release(self._handle)
            HOOKS.pop(self._handle, None)


@functools.cache
def compiled_solver(solve, options_class):
    """The method's solver, compiled."""
    return compiled(solve, solver_signature(namedtuple_type(options_class)))


@functools.cache
def compiled_line_search(given):
    """(compiled search, does it call fun?) of a module of line_searches or of the user's own function."""
    if hasattr(given, "search"):
        return compiled(given.search, SEARCH), given.NEEDS_FUN
    function = getattr(given, "py_func", given)
    try:
        return typed(function, SEARCH), True
    except Exception as error:
        raise TypeError(
            f"line_search={given!r} can't be compiled for search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, "
            f"memory, options, control, data) -> (alpha, ft): {error}"
        ) from error


@functools.cache
def compiled_entry(options_class):
    """The entry for this class of options."""
    return compiled(run, entry_signature(namedtuple_type(options_class)), "entry")
