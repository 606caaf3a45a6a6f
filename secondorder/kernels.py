"""Solvers for the user's own compiled code: `so.kernels.bfgs(fun_grad, n)` and so on, one for each method.

What `minimize` runs behind one entry for all objectives is here compiled together with one of them: it is called from
`@njit` code and `prange` loops, takes its memory from a vector of the caller's, and allocates nothing.

    kernel = so.kernels.bfgs(objective, n=2)
    kernel.solve(x, workspace, *args) -> End       x is moved to where the run ends
    kernel.n_workspace                             length of the workspace, float64, of any contents
"""

from typing import NamedTuple

import numpy as np

from secondorder.backends import serial
from secondorder.backends.batch import return_to_best
from secondorder.control import (
    COUNTDOWN,
    G_ROW,
    GNORM,
    LEFT_BEST,
    N_COUNTS,
    N_FUN,
    N_GRAD,
    N_HESS,
    N_HVP,
    N_ITER,
    N_RESTART,
    N_SKIP,
    N_VALUES,
    SCALE,
    SIGNALS,
    THRESHOLD,
    TRACE,
    Control,
    F,
)
from secondorder.derivatives.transforms import hessian, hvp, value_and_grad
from secondorder.jit import FLAGS, borrowed, floats_at, integers_at, is_compiled, loop, njit, vector_of_floats
from secondorder.linalg import chunks
from secondorder.line_searches import LINE_SEARCHES
from secondorder.methods import METHODS
from secondorder.minimize import ALIASES
from secondorder.objective import Objective
from secondorder.options import lookup, parse
from secondorder.status import MAXITER, PRECISION, RAISED, REASONS, ROUNDING

# status of each reason, for compiled code
STATUS = np.full(max(REASONS) + 1, -1, np.int64)
for _reason, _text in REASONS.items():
    STATUS[_reason] = _text.status

FOREVER = 2**62


class End(NamedTuple):
    """What `solve` returns.

    Attributes
    ----------
    status, reason : int
        As in `OptimizeResult.status`, 0 is success; the number of the reason in `secondorder.status.REASONS`.
    fun, optimality, threshold : float
        f and |gradient|_inf at x, and what the latter was to come down to.
    nit, nfev, njev, nhev, nrestart, nskip : int
        Counts, as in `OptimizeResult`.
    """

    status: int
    reason: int
    fun: float
    optimality: float
    threshold: float
    nit: int
    nfev: int
    njev: int
    nhev: int
    nrestart: int
    nskip: int


class Kernel(NamedTuple):
    """A solver for compiled code.

    Attributes
    ----------
    solve : function
        ``solve(x, workspace, *args) -> End``, compiled. x, shape (n,), is where the run starts, and then where it
        ended. args are what fun_grad gets after its g. A ValueError says that x or workspace have another length than
        they must, the compiler that they aren't contiguous, writable vectors of float64.
    n_workspace : int
        The least length of `workspace`, a vector of float64 of any contents. Afterwards its first n numbers are the
        gradient at x.
    n : int
        The number of variables.
    method : str
        The method's name.
    solve_tuple : function
        ``solve_tuple(x, workspace, args)``, args a tuple: the form for kernels of `numba.cuda`, where Numba has no
        ``*args``. Lengths and types aren't looked at.
    """

    solve: object
    n_workspace: int
    n: int
    method: str
    solve_tuple: object


def make(method, objective, n, options=None, args=None):
    """The `Kernel` of a method for one objective of n variables.

    Parameters
    ----------
    method : str
        A name of `METHODS`.
    objective : Objective or function
        ``fun_grad(x, g, *args) -> f`` and, as the method needs them, ``hvp(x, v, out, *args)``, ``hess(x, H, *args)``
        and ``fun(x, *args)``: `@njit` functions, or plain Python that Numba can compile. They may not
        allocate. Or ``fun(x, *args) -> f``, whose exact derivatives are generated with their memory in the workspace
        (docs/differentiable.md).
    n : int
        The number of variables.
    options : dict, optional
        As in `minimize`, without ``history``, ``disp``, ``time_limit`` and ``on_error``: there is no clock in a kernel,
        and an exception in the objective passes through it.

    args : tuple, optional
        Needed with a function: args as it will get them; how much memory its derivatives take depends on their shapes.

    Returns
    -------
    Kernel

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong.

    Examples
    --------
    A problem for each row, a million if need be, with one workspace a thread:

    >>> import numpy as np
    >>> import secondorder as so
    >>> from numba import njit
    >>> @njit
    ... def bowl(x, g, a):
    ...     g[0], g[1] = 2.0 * (x[0] - a), 4.0 * (x[1] + a)
    ...     return (x[0] - a) ** 2 + 2.0 * (x[1] + a) ** 2
    >>> solve, n_workspace, *_ = so.kernels.bfgs(so.Objective(bowl), n=2)
    >>> @njit
    ... def all_of(X, a):
    ...     workspace = np.empty(n_workspace)
    ...     solved = 0
    ...     for i in range(len(X)):
    ...         solved += solve(X[i], workspace, a[i]).status == 0
    ...     return solved
    >>> X = np.zeros((3, 2))
    >>> all_of(X, np.array([1.0, 2.0, 3.0]))
    3
    >>> X.round(6)
    array([[ 1., -1.],
           [ 2., -2.],
           [ 3., -3.]])
    """
    name, module, parsed = checked(method, objective, n, options)
    if isinstance(objective, Objective):
        typed, n_derivatives = functions(objective, module, name), 0
    else:
        typed, n_derivatives = generated(objective, module, n, args)
    words = layout(module, parsed.method, n, n_derivatives)
    run = runner(module, parsed, *typed)
    solve_tuple = solver_in(words, n, run, typed[1], control_start(parsed.run, n), parsed.run.strict)

    total = words.total
    wrong = f"x must have length {n}, and the workspace of this kernel at least {total} numbers, n_workspace"

    @njit(**FLAGS)
    def solve(x, workspace, *args):
        x, workspace = vector_of_floats(x), vector_of_floats(workspace)
        if x.shape[0] != n or workspace.shape[0] < total:  # else memory of others would be written
            raise ValueError(wrong)
        return solve_tuple(x, workspace, args)

    return Kernel(solve, total, n, name, solve_tuple)


class Layout(NamedTuple):
    """Where what a solver needs lies in a workspace: the first words, and lengths of what isn't n long."""

    rows: int  # of work, from word 0 on
    memory: int
    n_memory: int
    values: int
    counts: int
    best: int
    sums: int
    n_sums: int
    spare: int  # a gradient that is not asked for
    derivatives: int  # the memory of generated ones
    n_derivatives: int
    total: int


def layout(module, options, n, n_derivatives):
    """The Layout for a method and n variables."""
    rows, n_memory = module.n_work(n, options), module.n_memory(n, options)
    n_sums = chunks.CHUNKS if n >= chunks.LONG else 0
    memory = rows * n
    values = memory + n_memory
    counts = values + N_VALUES
    best = counts + N_COUNTS
    sums = best + n
    spare = sums + n_sums
    derivatives = spare + n
    total = derivatives + n_derivatives
    return Layout(
        rows, memory, n_memory, values, counts, best, sums, n_sums, spare, derivatives, n_derivatives, total
    )  # fmt: skip


def runner(module, parsed, fun, fun_grad, second):
    """run(x, work, memory, control, data) -> reason: a start and a solver for one objective."""
    search = loop(parsed.line_search.search) if parsed.line_search is not None else None
    search_options, own_options = parsed.search, parsed.method
    solver, start = loop(module.solve), serial.start

    @njit(**FLAGS)
    def run(x, work, memory, control, data):
        if not start(fun_grad, x, work, control, data):
            return RAISED
        if second is None:
            return solver(fun, fun_grad, search, search_options, own_options, x, work, memory, control, data).reason
        return solver(fun, fun_grad, second, search, search_options, own_options, x, work, memory, control, data).reason

    return run


def solver_in(words, n, run, fun_grad, start, strict):
    """solve_tuple(x, workspace, args) -> End: `run` with all that it needs in the workspace."""
    (counts0, values0), n_trace = start, len(TRACE)

    @njit(**FLAGS)
    def solve_tuple(x, workspace, args):
        x, workspace = borrowed(x), borrowed(workspace)
        work, memory = floats_at(workspace, 0, (words.rows, n)), floats_at(workspace, words.memory, (words.n_memory,))
        values, counts = (
            floats_at(workspace, words.values, (N_VALUES,)),
            integers_at(workspace, words.counts, (N_COUNTS,)),
        )
        best, trace = floats_at(workspace, words.best, (n,)), floats_at(workspace, 0, (0, n_trace))
        control = Control(counts, values, best, trace, floats_at(workspace, words.sums, (words.n_sums,)))
        for k in range(N_COUNTS):
            counts[k] = counts0[k]
        for k in range(N_VALUES):
            values[k] = values0[k]
        spare, own = (
            floats_at(workspace, words.spare, (n,)),
            floats_at(workspace, words.derivatives, (words.n_derivatives,)),
        )
        data = args, spare, own
        reason = run(x, work, memory, control, data)
        if counts[LEFT_BEST] != 0 and MAXITER <= reason != RAISED:
            return_to_best(fun_grad, x, work[0], control, data)
        if reason == ROUNDING and not strict:
            reason = PRECISION
        unit, row = values[SCALE], counts[G_ROW]
        for i in range(n):
            work[0, i] = work[row, i] / unit
        return End(
            STATUS[reason],
            reason,
            values[F] / unit,
            values[GNORM] / unit,
            values[THRESHOLD] / unit,
            counts[N_ITER],
            counts[N_FUN],
            counts[N_GRAD],
            counts[N_HVP] + counts[N_HESS],
            counts[N_RESTART],
            counts[N_SKIP],
        )

    return solve_tuple


def checked(method, objective, n, options):
    """(name, module, Parsed) after a look at every argument."""
    name = str(method).lower().replace("_", "-")
    name = ALIASES.get(name, name)
    module = lookup("method", name, METHODS)
    if not isinstance(objective, Objective) and not callable(objective):
        raise TypeError(f"objective must be an Objective or a function; it is {objective!r:.100}")
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n={n!r} must be a whole number of at least 1")
    if options is not None and not isinstance(options, dict):
        raise TypeError(f"options must be a dict; it is {options!r:.200}")
    options = dict(options or {})
    for key in ("history", "disp", "time_limit", "on_error", "preconditioner"):
        if callable(options.get(key)) or (key != "preconditioner" and key in options):
            raise ValueError(f"option {key}={options[key]!r} has no meaning in a kernel; leave it out")
    return name, module, parse(name, module, LINE_SEARCHES, options)


def functions(objective, module, name):
    """(fun, fun_grad, hvp or hess or None), compiled, of data = (args, a gradient not asked for, memory)."""
    need = "hvp" if "hvp" in module.NEEDS else "hess" if "hess" in module.NEEDS else None
    given = getattr(objective, need) if need else None
    if need and given is None:
        raise ValueError(f"method {name!r} needs {need}=, which the Objective does not have")
    user = compilable(objective.fun_grad)
    fun_grad = njit(**FLAGS)(lambda x, g, data: user(x, g, *data[0]))
    if objective.fun is not None:
        value = compilable(objective.fun)
        fun = njit(**FLAGS)(lambda x, data: value(x, *data[0]))
    else:
        fun = njit(**FLAGS)(lambda x, data: user(x, data[1], *data[0]))
    if need is None:
        return fun, fun_grad, None
    second = compilable(given)
    if need == "hess":
        return fun, fun_grad, njit(**FLAGS)(lambda x, H, data: second(x, H, *data[0]))
    return fun, fun_grad, njit(**FLAGS)(lambda x, v, out, data: second(x, v, out, *data[0]))


def generated(fun, module, n, args):
    """(the same from a function of the user's by generated derivatives, the words of memory that these take)."""
    if args is None:
        raise ValueError(
            "a kernel for a function needs args=, a tuple as the function will get it. Or give an Objective"
        )
    if type(args) is not tuple:
        args = (args,)
    x = np.ones(n)
    made = {"first": value_and_grad(fun, workspace=True)}
    if "hvp" in module.NEEDS:
        made["second"] = hvp(fun, workspace=True)
    elif "hess" in module.NEEDS:
        made["second"] = hessian(fun, workspace=True)
    words = max(derivative.n_workspace(x, *args) for derivative in made.values())
    call = "".join([f"data[0][{k}], " for k in range(len(args))])  # Numba has no f(*args, out)
    text = {
        "fun": f"lambda x, data: first(x, {call}data[1], data[2])",
        "fun_grad": f"lambda x, g, data: first(x, {call}g, data[2])",
        "hvp": f"lambda x, v, out, data: second(x, v, {call}out, data[2])",
        "hess": f"lambda x, H, data: second(x, {call}H, data[2])",
    }
    need = "hvp" if "hvp" in module.NEEDS else "hess" if "hess" in module.NEEDS else None
    functions = [njit(**FLAGS)(eval(text[name], made)) for name in ("fun", "fun_grad", need) if name]
    return (*functions, None)[:3], words


def compilable(function):
    """The function, compiled when it is called."""
    return function if is_compiled(function) else njit(function)


def control_start(run, n):
    """(counts, values) at the start; constants of the kernel. No clock: the countdown to a look at it never ends."""
    counts, values, _ = serial.control_numbers(serial.control_start(run, n))
    counts[COUNTDOWN], counts[SIGNALS] = FOREVER, 0
    return counts.copy(), values.copy()


def __getattr__(name):
    method = name.replace("_", "-")
    if method not in METHODS:
        raise AttributeError(f"module 'secondorder.kernels' has no attribute {name!r}; methods: {', '.join(METHODS)}")

    def kernel(objective, n, options=None, args=None):
        return make(method, objective, n, options, args)

    kernel.__name__ = kernel.__qualname__ = name
    kernel.__doc__ = f"The `Kernel` of {method} for one objective of n variables: see `make`."
    return kernel


def __dir__():
    return sorted({*globals(), *[name.replace("-", "_") for name in METHODS]})
