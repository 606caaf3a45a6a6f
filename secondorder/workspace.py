"""Solvers with all that they need in a vector of the caller's: what kernels of minimizers and of fits have in common.

The vector, `workspace`, has the rows of a method, its memory, the control block, and the memory of generated
derivatives. So a run allocates nothing, and a thread of a GPU has one as well as a loop on the CPU.
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
from secondorder.jit import FLAGS, borrowed, floats_at, integers_at, njit, vector_of
from secondorder.linalg import chunks
from secondorder.options import Parsed
from secondorder.precision import TwoPrecisions
from secondorder.single import in_single
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


def solver_in(words, n, run, fun_grad, start, strict, degree=1):
    """solve_tuple(x, workspace, args) -> End: `run` with all that it needs in the workspace.

    fun_grad: for the way back to the best point; None: the method never leaves it. f goes with what is scaled to the
    power `degree`.
    """
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
        if fun_grad is not None and counts[LEFT_BEST] != 0 and MAXITER <= reason != RAISED:
            return_to_best(fun_grad, x, work[0], control, data)
        if reason == ROUNDING and not strict:
            reason = PRECISION
        unit, row = values[SCALE] if degree == 1 else values[SCALE] * values[SCALE], counts[G_ROW]
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


def spread(solve_tuple, n, total, dtype, more=()):
    """solve(x, workspace, *args), for users' code; x (n,), workspace (total,) or longer. more: follows args."""
    checked = vector_of(dtype)
    wrong = f"x must have length {n}, and the workspace of this kernel at least {total} numbers, n_workspace"

    @njit(**FLAGS)
    def solve(x, workspace, *args):
        x, workspace = checked(x), checked(workspace)
        if x.shape[0] != n or workspace.shape[0] < total:  # else memory of others would be written
            raise ValueError(wrong)
        return solve_tuple(x, workspace, args + more)

    return solve


def of_numbers(solve_tuple, dtype):
    """The solver for x and workspaces of dtype."""
    if dtype == "float64":
        return solve_tuple
    return in_single(solve_tuple)


def options_of(parsed, dtype):
    """Checked options, defaults that speak of rounding being those of dtype."""
    if dtype == "float64":
        return parsed
    return Parsed(*[in_single_options(part) for part in parsed])


def in_single_options(options):
    """Options whose defaults that speak of rounding are those of float32."""
    if not hasattr(options, "_asdict"):  # a module
        return options
    given = options._asdict()
    return options._replace(**{name: v.single for name, v in given.items() if isinstance(v, TwoPrecisions)})


def check_numbers(dtype, method, methods):
    """Is there a kernel of these numbers?"""
    if dtype not in ("float64", "float32"):
        raise ValueError(f"dtype={dtype!r} must be 'float64' or 'float32'")
    if dtype == "float32" and method not in methods:
        raise ValueError(f"dtype='float32': method must be one of {', '.join(methods)}; it is {method!r}")


def control_start(numbers):
    """(counts, values) of the bytes at the start: constants of the kernel. No countdown to a look at the clock ends."""
    counts, values, _ = serial.control_numbers(numbers)
    counts[COUNTDOWN], counts[SIGNALS] = FOREVER, 0
    return counts.copy(), values.copy()


def check_size(n):
    """Is n a number of variables?"""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n={n!r} must be a whole number of at least 1")


def options_in_kernel(options):
    """The options as a dict, without those that need the interpreter or a clock."""
    if options is not None and not isinstance(options, dict):
        raise TypeError(f"options must be a dict; it is {options!r:.200}")
    options = dict(options or {})
    for key in ("history", "disp", "time_limit", "on_error", "preconditioner"):
        if callable(options.get(key)) or (key != "preconditioner" and key in options):
            raise ValueError(f"option {key}={options[key]!r} has no meaning in a kernel; leave it out")
    return options
