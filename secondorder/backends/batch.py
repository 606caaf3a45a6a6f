"""Many problems: worker threads take one after another from a queue, each with one workspace for all of its problems.

    one problem   `solve_item`: what `serial` does for a single one, start to end, in compiled code; `fit_item` a fit
    one worker    `work_off`: takes chunks of problems from the queue until it is empty or halted
    all           `Batch`: the arrays, the threads, exceptions, Ctrl-C

Workers run without the GIL and share nothing but the queue's counters, so a problem's bits do not depend on their
number. An exception in the user's function leaves the compiled code, is noted for its problem, and the worker goes on
where it was.
"""

import concurrent.futures
import functools
import math
import os
import time

import numpy as np

from secondorder.backends import fits, saddle, serial, threads
from secondorder.control import (
    AXPY,
    CONTROL,
    COUNTDOWN,
    DEADLINE,
    FUN_PER_GRAD,
    G_ROW,
    GNORM,
    GRAD_PER_PRODUCT,
    LEFT_BEST,
    LOOKED,
    MISUSE,
    N_FUN,
    N_GRAD,
    N_HESS,
    N_HVP,
    N_ITER,
    N_RESTART,
    N_SKIP,
    N_VALUES,
    OVERRUN,
    POLLED,
    SCALE,
    SIGNALS,
    STOP,
    STRIDE,
    THRESHOLD,
    F,
    value_and_gradient,
)
from secondorder.fits.model import FIXED, N_VECTORS, settle_inverse
from secondorder.jit import (
    FUN_GRAD,
    Native,
    address_of,
    atomic_add,
    atomic_load,
    borrowed,
    compiled,
    entry_point,
    f8,
    function_at,
    integers,
    intp,
    leaf,
    loader,
    matrix,
    reference_at,
    tuple_type,
    types,
    vector,
)
from secondorder.linalg import chunks
from secondorder.linalg.vectors import copy, norm_inf
from secondorder.status import CANCEL, GTOL, MAXITER, RAISED, RUNNING, SIGNAL, TIME, UNCERTIFIED

# queue: shared by all workers
NEXT = 0  # the first problem that nobody has taken
HALT = 1  # why all are to stop, or RUNNING
DONE = 2  # problems that came to an end
N_QUEUE = 3

# place: of one worker, so that it can go on after an exception
ITEM = 0
LAST = 1

# columns of `numbers` and `reals`
NUMBERS = ("reason", "nit", "nfev", "njev", "nhev", "nrestart", "nskip")
REALS = ("fun", "optimality", "threshold")

integer_matrix = types.Array(types.int64, 2, "C")
SOLVE_ITEM = intp(intp, vector, intp)  # solve_item(job, x, item) -> reason
cube = types.Array(f8, 3, "C")
WORK_OFF = intp(
    *(intp, intp, intp, integers, integers, integers, integers, intp),
    *(matrix, matrix, integer_matrix, matrix, cube, intp),
)

_entry_at, _solve_item_at = function_at(serial.ENTRY), function_at(SOLVE_ITEM)
_fun_grad_at, _control_at = function_at(FUN_GRAD), reference_at(CONTROL)
_scratch_at, _fit_scratch_at = loader(tuple_type(matrix, vector)), loader(tuple_type(matrix, matrix, vector))
_fit_entry_at = function_at(fits.ENTRY)
# All jobs begin with the addresses of scratch and control block, all scratch with `work`.
_job_at, _fit_job_at = loader(tuple_type(*[intp] * 8)), loader(tuple_type(*[intp] * 10))
_looked_job_at = loader(tuple_type(*[intp] * 11))
_head_of_job_at, _head_of_scratch_at = loader(tuple_type(intp, intp)), loader(tuple_type(matrix))


@leaf
def settle_on_best(reason, scratch, control_address, x, fun_grad, address, item):
    """x <- the best point, where a run left it and found nothing."""
    control = _control_at(control_address)
    if control.counts[LEFT_BEST] != 0 and MAXITER <= reason != RAISED:
        work, _ = _scratch_at(scratch)
        return_to_best(_fun_grad_at(fun_grad), borrowed(x), work[0], control, (address, item))


def solve_item(job, x, item):
    """One problem from its start at x; x <- where it ends, work[counts[G_ROW]] the gradient there."""
    scratch, control_address, entry, program, fun, fun_grad, second, address = _job_at(job)
    reason = _entry_at(entry)(program, scratch, control_address, x, fun, fun_grad, second, address, item)
    settle_on_best(reason, scratch, control_address, x, fun_grad, address, item)
    return reason


def look_item(job, x, item):
    """`solve_item`, and a look at where that ended, as `saddle.Examination.__call__`, which see."""
    scratch, control_address, entry, program, fun, fun_grad, second, address, looking, noted, met = _looked_job_at(job)
    looking, (met,) = saddle.looking_at(looking), _head_of_scratch_at(met)
    n, counts, has_met = x.shape[0], _control_at(control_address).counts, False
    saddle.forget(noted, item)
    reason = _entry_at(entry)(program, scratch, control_address, x, fun, fun_grad, second, address, item)
    while saddle.item_may_be_a_saddle(reason, n):
        if not saddle.is_item_affordable(n, looking, counts):
            reason = UNCERTIFIED
            break
        further = looking.leaving and reason == GTOL
        if further:
            saddle.keep(scratch, control_address, borrowed(x), met[0])
        verdict, moved = saddle.look_at_item(
            scratch, control_address, x, fun_grad, second, address, item, looking, noted, further, looking.leaving
        )
        if counts[STOP] in (SIGNAL, CANCEL):
            reason = counts[STOP]
            break
        if not moved:
            reason = saddle.item_end(verdict, reason)
            break
        if verdict == saddle.FURTHER:
            copy(met[0], met[1])
            has_met = True
        saddle.forget(noted, item)
        reason = _entry_at(entry)(program, scratch, control_address, x, fun, fun_grad, second, address, item)
    if has_met and saddle.item_was_in_vain(reason, looking.strict):
        saddle.restore(scratch, control_address, borrowed(x), met[1])
        saddle.forget(noted, item)
        reason = UNCERTIFIED
        if saddle.is_item_affordable(n, looking, counts):
            verdict, _ = saddle.look_at_item(
                scratch, control_address, x, fun_grad, second, address, item, looking, noted, False, False
            )
            reason = counts[STOP] if counts[STOP] in (SIGNAL, CANCEL) else saddle.item_end(verdict, GTOL)
    settle_on_best(reason, scratch, control_address, x, fun_grad, address, item)
    return reason


def fit_item(job, x, item):
    """One fit from its start at x; x <- where it ends, work[0] the gradient of the cost there."""
    scratch, control_address, entry, program, residual, jacobian, jvp, vjp, loss, address = _fit_job_at(job)
    work, _, memory = _fit_scratch_at(scratch)
    memory[FIXED] = 0.0  # variables are scaled by the Jacobian
    solve = _fit_entry_at(entry)
    reason = solve(program, scratch, control_address, x, residual, jacobian, jvp, vjp, loss, address, item)
    settle_inverse(work, memory, _control_at(control_address))
    return reason


@leaf
def return_to_best(fun_grad, x, g, control, data):
    """x <- the best point accepted, g <- its gradient: one more evaluation."""
    counts, values, stop = control.counts, control.values, control.counts[STOP]
    copy(control.best, x)
    f = value_and_gradient(fun_grad, x, g, control, data)
    counts[LEFT_BEST] = counts[G_ROW] = 0
    counts[STOP] = stop
    values[F], values[GNORM] = f, norm_inf(g)


@leaf
def begin(template, numbers):
    """Control numbers as at the start, but for those of the clock."""
    countdown, stride, looked, polled = numbers[COUNTDOWN], numbers[STRIDE], numbers[LOOKED], numbers[POLLED]
    for k in range(numbers.shape[0]):
        numbers[k] = template[k]
    numbers[COUNTDOWN], numbers[STRIDE], numbers[LOOKED], numbers[POLLED] = countdown, stride, looked, polled


@leaf
def report(item, reason, degree, control, work, G, numbers, reals):
    """Write what came of a problem into its rows. f goes with what was scaled to the power `degree`."""
    counts, values = control.counts, control.values
    unit = values[SCALE] if degree == 1 else values[SCALE] * values[SCALE]
    row = numbers[item]
    row[0], row[1], row[2], row[3] = reason, counts[N_ITER], counts[N_FUN], counts[N_GRAD]
    row[4], row[5], row[6] = counts[N_HVP] + counts[N_HESS], counts[N_RESTART], counts[N_SKIP]
    reals[item, 0], reals[item, 1], reals[item, 2] = values[F] / unit, values[GNORM] / unit, values[THRESHOLD] / unit
    g = work[counts[G_ROW]]
    for i in range(g.shape[0]):
        G[item, i] = g[i] / unit


@leaf
def keep_rows(rows, start, out):
    """out <- rows of work from start on: what a method leaves there."""
    for i in range(out.shape[0]):
        copy(rows[start + i], out[i])


def work_off(solve, job, degree, template, own_numbers, queue, place, chunk, X, G, numbers, reals, kept, first_kept):
    """Solve problems until there are none or all are halted. Returns 0, or what a function did that it may not.

    kept: (B, k, n): of each problem k rows of work from first_kept on, or k = 0.
    """
    head = _head_of_job_at(job)
    control, work = _control_at(head[1]), _head_of_scratch_at(head[0])[0]
    counts = control.counts
    while True:
        if place[ITEM] >= place[LAST]:
            place[ITEM] = atomic_add(queue, NEXT, chunk)
            place[LAST] = min(place[ITEM] + chunk, X.shape[0])
            if place[ITEM] >= X.shape[0]:
                return 0
        while place[ITEM] < place[LAST]:
            item = place[ITEM]
            begin(template, own_numbers)
            if atomic_load(queue, HALT) != RUNNING:
                return 0
            reason = _solve_item_at(solve)(job, X[item], item)
            if reason == RAISED:
                queue[HALT] = CANCEL
                return counts[MISUSE]
            report(item, reason, degree, control, work, G, numbers, reals)
            keep_rows(work, first_kept, kept[item])
            if reason in (TIME, SIGNAL, CANCEL):
                queue[HALT] = reason
            place[ITEM] = item + 1
            atomic_add(queue, DONE, 1)


@functools.cache
def compiled_worker():
    """`work_off`, for all methods."""
    return compiled(work_off, WORK_OFF, "entry")


@functools.cache
def compiled_item(function):
    """`solve_item`, `look_item` or `fit_item`, for all methods."""
    return compiled(function, SOLVE_ITEM)


class Worker:
    """A workspace, a control block and a place in the queue. job: addresses after those of these two."""

    def __init__(self, space, template, watch, *job):
        self.space = space
        self.template = np.frombuffer(template, np.int64)
        self.template[[DEADLINE, SIGNALS]] = watch
        self.numbers = np.frombuffer(space.numbers, np.int64)
        self.numbers[:] = self.template
        self.job = Native((space.scratch.address, space.control.address, *job))
        self.place = np.zeros(2, np.int64)

    @property
    def item(self):
        """The problem that is being solved."""
        return int(self.place[ITEM])


class Solving:
    """What a batch of minimizations needs of plan, typed functions and data."""

    solve, degree, first_kept, n_kept = staticmethod(solve_item), 1, 0, 0

    def __init__(self, plan, typed, bound):
        self.plan, self.typed, self.bound = plan, typed, bound

    def worker(self, n, watch):
        """A worker for n variables."""
        plan, typed = self.plan, self.typed
        sizes, start = plan.start(n)
        counts, _, template = serial.control_numbers(start)
        if typed.derivatives != "given":
            counts[FUN_PER_GRAD] = typed.cost(n)
        if typed.gradients_per_product:
            counts[GRAD_PER_PRODUCT] = typed.gradients_per_product
        program = plan.program
        if n >= chunks.LONG:  # threads are for problems here, not within one
            program = plan.program_for(n, counts)
            counts[AXPY : AXPY + len(chunks.KERNELS)] = threads.addresses(False)
        entry = address_of(serial.compiled_entry(plan.second), serial.ENTRY)
        functions = typed.fun, typed.fun_grad, typed.hvp or typed.hess
        more = self.more(n, sizes[0])
        return Worker(
            serial.Space(*sizes), template, watch, entry, program.address, *functions, self.bound.address, *more
        )

    def more(self, n, rows):
        """Further addresses of a job."""
        return ()


class Looking(Solving):
    """The same where the ends of B runs are looked at."""

    solve = staticmethod(look_item)

    def __init__(self, plan, typed, bound, B, n):
        super().__init__(plan, typed, bound)
        self.noted = saddle.Noted(B, n, plan.examine.about(plan.examine.limits(n, typed)[0]))
        self.looking, self.met = None, []

    def more(self, n, rows):
        """Further addresses of a job."""
        plan = self.plan
        if self.looking is None:
            self.looking = plan.examine.looking(n, rows, self.typed, plan.run.strict)
        self.met.append(Native((np.empty((2, 2 * n + N_VALUES)),)))  # two points with all that is known of them
        return self.looking.address, self.noted.native.address, self.met[-1].address


class Fitting:
    """The same of a batch of fits with m residuals each, by a method with Jacobians. Keeps the inverses of J'J."""

    solve, degree, first_kept = staticmethod(fit_item), 2, N_VECTORS

    def __init__(self, plan, typed, data, loss, m, n):
        self.plan, self.typed, self.data, self.loss, self.m, self.n_kept = plan, typed, data, loss, m, n

    def worker(self, n, watch):
        """A worker for n variables."""
        plan, typed = self.plan, self.typed
        sizes, start = plan.start(self.m, n)
        counts, _, template = serial.control_numbers(start)
        counts[FUN_PER_GRAD] = typed.cost(n)
        entry = address_of(fits.compiled_entry(), fits.ENTRY)
        functions = typed.residual, typed.jacobian, typed.jvp, typed.vjp
        return Worker(
            fits.Space(*sizes), template, watch,
            entry, plan.program.address, *functions, self.loss.address, self.data.address,
        )  # fmt: skip


class Batch:
    """The arrays of a batch and its workers. X: (B, n), solved in place; form: Solving or Fitting."""

    def __init__(self, form, X, n_workers):
        self.form, self.X = form, X
        self.B, self.n = X.shape
        self.kept = np.full((self.B, form.n_kept, self.n), math.nan)
        self.G = np.full(X.shape, math.nan)
        self.numbers = np.zeros((self.B, len(NUMBERS)), np.int64)
        self.numbers[:, 0] = RUNNING
        self.reals = np.full((self.B, len(REALS)), math.nan)
        self.queue = np.array([0, RUNNING, 0], np.int64)
        self.n_workers = max(1, min(n_workers, self.B))
        # some twenty chunks a worker, so that the last ones end together; not so small that the counter is contended
        self.chunk = max(1, min(1024, self.B // (20 * self.n_workers)))
        self.solve = address_of(compiled_item(form.solve), SOLVE_ITEM)
        self.enter = entry_point(compiled_worker())
        self.raised = {}  # problem -> exception
        self.first_error = None

    def run(self, on_error, progress=None):
        """Solve all. on_error: "raise", or "return": an exception ends its own problem only."""
        limit = self.form.plan.run.time_limit
        deadline = time.monotonic_ns() + int(1e9 * min(limit, 1e9)) if limit < math.inf else 0
        alone = self.n_workers == 1 and progress is None
        self.workers = [self.form.worker(self.n, (deadline, int(alone))) for _ in range(self.n_workers)]
        if alone:
            self.work(self.workers[0], on_error)
        else:
            self.share(on_error, progress)
        left = self.numbers[:, 0] == RUNNING
        self.numbers[left, 0] = self.queue[HALT]
        return int(self.queue[HALT])

    def share(self, on_error, progress):
        """A thread for each worker; this one waits, shows progress and listens to Ctrl-C."""
        with concurrent.futures.ThreadPoolExecutor(len(self.workers), "secondorder") as pool:
            running = []
            try:
                running += [pool.submit(self.work, worker, on_error) for worker in self.workers]
                while concurrent.futures.wait(running, 0.05 if progress else 0.2).not_done:
                    if progress is not None:
                        progress(int(self.queue[DONE]))
                if progress is not None:
                    progress(int(self.queue[DONE]))
            except KeyboardInterrupt:
                self.halt(SIGNAL)
            except BaseException as error:  # of progress
                self.first_error = self.first_error or error
                self.halt(CANCEL)
        for future in running:
            future.result()

    def halt(self, reason):
        """Ask all workers to stop."""
        self.queue[HALT] = reason  # first: a worker looks at it after it has begun a problem
        for worker in self.workers:
            worker.space.counts[STOP] = reason

    def work(self, worker, on_error):
        """One worker until the queue is empty or halted."""
        while True:
            try:
                misuse = self.enter(
                    self.solve,
                    worker.job.address,
                    self.form.degree,
                    worker.template,
                    worker.numbers,
                    self.queue,
                    worker.place,
                    self.chunk,
                    self.X,
                    self.G,
                    self.numbers,
                    self.reals,
                    self.kept,
                    self.form.first_kept,
                )
            except Exception as error:
                self.note(worker, error)
                if on_error == "raise":
                    self.first_error = self.first_error or error
                    self.halt(CANCEL)
                    return
                continue
            if misuse:
                self.halt(CANCEL)
            if misuse == OVERRUN:
                self.first_error = ValueError(
                    f"the gradient was written past the end of x, which has length {self.n}: does fun take more?"
                )
            elif misuse:
                self.first_error = serial.WroteX()
            return

    def note(self, worker, error):
        """The user's function raised: keep the best point of that problem, and step over it."""
        item, counts, values = worker.item, worker.space.counts, worker.space.values
        unit = values[SCALE] ** self.form.degree
        if counts[LEFT_BEST]:
            self.X[item] = worker.space.best
        self.raised[item] = error
        self.numbers[item] = (
            RAISED, counts[N_ITER], counts[N_FUN], counts[N_GRAD], counts[N_HVP] + counts[N_HESS],
            counts[N_RESTART], counts[N_SKIP],
        )  # fmt: skip
        self.reals[item] = values[F] / unit, values[GNORM] / unit, values[THRESHOLD] / unit
        worker.place[ITEM] = item + 1


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
