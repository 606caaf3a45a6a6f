"""fit(): stochastic steps on a FiniteSum, an epoch at a time, each compiled end to end."""

import contextlib
import math
import time
from typing import NamedTuple

import numpy as np

from secondorder import control as c
from secondorder.averages import Average
from secondorder.backends import updates as backend
from secondorder.derivatives.row_sums import BEYOND, GUARD, GUARDS, in_data
from secondorder.finite_sum import FiniteSum, Whole
from secondorder.jit import Native
from secondorder.methods import METHODS
from secondorder.minimize import interruptible, method_name, start_vector
from secondorder.objective import typed_objective
from secondorder.options import check, lookup, refuse_unknown
from secondorder.schedules import as_schedule
from secondorder.status import NOT_FINITE_STEP, RAISED, REASONS, RUNNING, SIGNAL, STOP_ITERATION, TIME
from secondorder.update import UPDATE_METHODS, Update, UpdateState
from secondorder.updates import epochs as e
from secondorder.updates import subsampled_newton_cg as newton
from secondorder.updates.averaging import N_LAW
from secondorder.updates.descent import N_SCHEDULE

AHEAD_BYTES = 2**19  # of a batch that is fetched ahead, at most: two of them fit in a second-level cache of 1 MiB
TABLE_BYTES = 2**31  # of SAGA's table, at most
FIRST_ORDER_BATCH = 64  # rows, unless told otherwise: what most of the field's examples take
NEWTON_BATCHES = 10  # batches of Newton-CG in an epoch, likewise; its steps are worth many rows
NEWTON_OVERLAP = 2  # one row of so many is shared with the next batch: docs/updates.md has a fifth beside it


class Fitted(NamedTuple):
    """What `fit` returns."""

    x: np.ndarray  # (n,) the last point or its average, or, with a validation function, the best of all epochs
    fun: float  # f at x over all rows
    epochs: int  # epochs begun
    steps: int  # steps made
    # "epochs", "steps", "early stopping", "callback", "time limit", "not finite"; "interrupted", "exception"
    stopped: str
    # arrays with an entry an epoch: "loss", the mean of f over its steps; "validation"; "seconds". Where asked for, one
    # with an entry a step: "batch_loss", f on its batch before it
    history: dict
    message: str  # why it stopped, in a sentence


class FitOptions(NamedTuple):
    """Numbers that `fit` takes."""

    batch_size: int = FIRST_ORDER_BATCH  # rows of a step, at least 1
    epochs: int = 10  # at least 1
    max_steps: int = 2**62  # at least 1
    patience: int = 0  # epochs without a better validation until the end, at least 0; 0: none
    seed: int = 0  # of shuffles, noise and random signs, at least 0
    time_limit: float = math.inf  # seconds, at least 0
    overlap: int = 0  # rows that a batch shares with the next, at least 0
    shuffle: bool = True
    drop_last: bool = False
    progress: bool = False


HISTORIES = {"epochs": False, "steps": True}  # is the loss of each step kept?


def fit(
    finite_sum,
    x0,
    method="adam",
    *,
    batch_size=None,
    epochs=10,
    options=None,
    schedule=None,
    validation=None,
    patience=0,
    shuffle=True,
    drop_last=False,
    overlap=None,
    variance_reduction=None,
    average=None,
    seed=0,
    callback=None,
    progress=False,
    time_limit=math.inf,
    max_steps=None,
    history="epochs",
):
    """Minimize a mean over rows by stochastic steps.

    ``batch_size=len(finite_sum)`` is gradient descent with the full batch, ``batch_size=1`` single-row descent. An
    epoch is compiled end to end; Python is back after it, for validation and callbacks.

    Parameters
    ----------
    finite_sum : FiniteSum
        The objective and its data.
    x0 : array_like, shape (n,)
        Where to start; copied.
    method : str or Update, default "adam"
        A name of `UPDATES`, or an update such as ``so.Adam(lr=1e-2)``; or "newton-cg": sub-sampled Newton steps [3],
        each with a line search on its own batch, which want batches of many rows. With a fixed rate they lead as near
        to the minimum as that of a batch is; with ``schedule=so.schedules.inverse_time(1.0, steps)`` nearer.
    batch_size : int, optional
        Rows of a step; all, if there are fewer. Default: 64, and for "newton-cg" a tenth of all, but at least 64.
    epochs : int, default 10
        How often all rows are seen.
    options : dict, optional
        Of the rule. Of "newton-cg": ``lr``, the first step length tried, default 1; ``m``, the most Hessian products of
        a step, 10; ``eta``, the relative residual that ends them, 0.1; ``shift``, added to the Hessian's diagonal, 0;
        ``max_trials``, of the line search, 20.
    schedule : Schedule or callable, optional
        In place of ``options["lr"]``; it counts steps, of which an epoch has N / batch_size.
    validation : callable or FiniteSum, optional
        ``validation(x) -> float`` after each epoch, the less the better; x is a copy. x of the result is then the best.
    patience : int, default 0
        Stop after so many epochs without a better validation; 0: never.
    shuffle : bool, default True
        A new order of the rows in each epoch.
    drop_last : bool, default False
        Leave out the rest of the rows that makes no full batch.
    overlap : int, optional
        For "newton-cg": how many rows a batch shares with the next [4]; the Hessian is that of these rows. Default:
        half of the batch. 0: none, and the Hessian is that of the whole batch.
    variance_reduction : None, "svrg" or "saga", default None
        Gradients whose variance goes to 0, for any rule, and made for "sgd": with them a fixed rate leads to the
        minimum. "svrg" [1]: each epoch begins with a gradient of all rows, and each step takes two of its batch.
        "saga" [2]: a table of the last gradient of each row, N x n numbers of 8 bytes, 2 GiB at most, filled at x0.
    average : PolyakAverage or ExponentialAverage, optional
        Of the points after each step of an update rule. It is then what validation and the callback get, and x of the
        result, in place of the noisy last point; the steps are the same.
    seed : int, default 0
        Of the orders; the same seed gives the same bits.
    callback : callable, optional
        ``callback(epoch, x, loss)`` after each epoch, x a copy. Raising StopIteration ends the run.
    progress : bool, default False
        A progress bar; needs tqdm.
    time_limit : float, default inf
        Seconds.
    max_steps : int, optional
        End after so many steps, amid an epoch too, unless the epochs end before.
    history : "epochs" or "steps", default "epochs"
        "steps": the result's history has also "batch_loss", f on the batch of each step, at the point where it began.

    Returns
    -------
    Fitted

    Raises
    ------
    TypeError, ValueError
        For arguments that are wrong.
    ImportError
        If a progress bar is asked for where tqdm is missing.
    KeyboardInterrupt
        Ctrl-C, also amid an epoch. What was reached is in its attribute ``fitted``, a `Fitted`; so it is in exceptions
        of the term, of validation and of the callback.

    References
    ----------
    [1] Johnson, Zhang. Accelerating stochastic gradient descent using predictive variance reduction. NIPS 2013. Fig. 1,
        option I.
    [2] Defazio, Bach, Lacoste-Julien. SAGA: a fast incremental gradient method with support for non-strongly convex
        composite objectives. NIPS 2014. Eq. 1. arXiv:1407.0202
    [3] Byrd, Chin, Neveitt, Nocedal. On the use of stochastic Hessian information in optimization methods for machine
        learning. SIAM J. Optim. 21 (2011) 977-995. doi:10.1137/10079923X
    [4] Berahas, Nocedal, Takac. A multi-batch L-BFGS method for machine learning. NIPS 2016. arXiv:1605.06049

    Examples
    --------
    Least squares: SAGA takes a fixed rate to the minimum, row by row, and Newton-CG takes six batches close to it.

    >>> import numpy as np
    >>> import secondorder as so
    >>> A = np.random.default_rng(0).standard_normal((200, 3))
    >>> rows = so.FiniteSum(lambda x, a, b: 0.5 * (np.dot(a, x) - b) ** 2, (A, A @ [1.0, 2.0, 3.0] + np.sin(A[:, 0])))
    >>> exact = so.minimize(rows, np.zeros(3))
    >>> saga = {"variance_reduction": "saga", "options": {"lr": 0.05}, "batch_size": 1, "epochs": 30}
    >>> bool(np.allclose(so.fit(rows, np.zeros(3), "sgd", **saga).x, exact.x, atol=1e-6))
    True
    >>> newton = so.fit(rows, np.zeros(3), "newton-cg", batch_size=100, overlap=50, epochs=2)
    >>> newton.steps, bool(newton.fun < 1.1 * exact.fun)
    (6, True)
    """
    if not isinstance(finite_sum, FiniteSum):
        raise TypeError(f"fit needs a FiniteSum; it got {finite_sum!r:.100}")
    steps = steps_of(method, options, schedule)
    size = steps.default_batch(len(finite_sum)) if batch_size is None else batch_size
    given = {"batch_size": size, "epochs": epochs, "patience": patience, "seed": seed, "time_limit": time_limit}
    given |= {"shuffle": shuffle, "drop_last": drop_last, "progress": progress}
    optional = {"overlap": overlap, "max_steps": max_steps}
    numbers = check(FitOptions, given | {name: value for name, value in optional.items() if value is not None})
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable; it is {callback!r:.100}")
    if patience and validation is None:
        raise ValueError(f"patience={patience!r} needs validation=, a function of x")
    if average is not None and not isinstance(average, Average):
        raise TypeError(f"average must be so.PolyakAverage() or so.ExponentialAverage(); it is {average!r:.100}")
    reduction = e.NONE
    if variance_reduction is not None:
        reduction = lookup("variance_reduction", variance_reduction, e.REDUCTIONS)
    each_step = lookup("history", history, HISTORIES)
    validation = validation_of(validation)
    run = Run(finite_sum, start_vector(x0), steps, numbers, each_step)
    steps.begin(run, overlap, reduction, average)
    try:
        return run.through(bars(numbers), validation, callback)
    finally:
        run.close()


def steps_of(method, options, schedule):
    """What makes the steps of an epoch, by a name and options."""
    if options is not None and not isinstance(options, dict):
        raise TypeError(f"options must be a dict; it is {options!r:.100}")
    options = dict(options or {})
    if schedule is not None:
        if "lr" in options or isinstance(method, Update):
            raise ValueError("schedule= stands for options['lr'], which was given too; leave one of them out")
        options["lr"] = schedule
    if isinstance(method, Update):
        if options:
            raise ValueError(f"options={options!r:.100} beside {method!r}, which has its own; leave them out")
        return RuleSteps(method)
    if not isinstance(method, str):
        raise TypeError(f"method must be a name or an update such as so.Adam(lr=1e-2); it is {method!r:.100}")
    name = method_name(method)
    if name in METHODS and name not in FIT_METHODS:
        raise ValueError(
            f"method={method!r} is no stochastic method: minimize(finite_sum, x0, method={name!r}) takes it"
        )
    found = lookup("method", name, FIT_METHODS)
    return NewtonSteps(options) if found is newton else RuleSteps(found.cls(**options))


FIT_METHODS = UPDATE_METHODS | {newton.NAME: newton}


def validation_of(validation):
    """validation(x) -> float, or None."""
    if validation is None or not isinstance(validation, FiniteSum):
        if validation is not None and not callable(validation):
            raise TypeError(f"validation must be callable or a FiniteSum; it is {validation!r:.100}")
        return validation
    return Validation(validation)


class Validation(Whole):
    """`Whole` with errors that say so."""

    def check(self, x, name="x"):
        """As there."""
        try:
            super().check(x, name)
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation: {error}") from None


def bars(options):
    """The numbers of epochs, with a progress bar if asked."""
    if not options.progress:
        return range(options.epochs)
    try:
        from tqdm import tqdm  # on use: an extra
    except ImportError:
        raise ImportError("progress=True needs tqdm: pip install 'secondorder[progress]'") from None
    return tqdm(range(options.epochs), unit="epoch")


class RuleSteps:
    """Steps of an update rule."""

    def __init__(self, update):
        self.update, self.needs = update, update.rule.NEEDS

    def default_batch(self, n_rows):
        """Rows of a batch unless told otherwise."""
        return FIRST_ORDER_BATCH

    def begin(self, run, overlap, reduction, average):
        """Arrays for a run."""
        if average is not None:
            run.average, run.law = run.x.copy(), np.array(average.law, dtype=np.float64)
        if overlap is not None:
            raise ValueError(f"overlap={overlap!r} is for method='newton-cg'; batches of a rule share no rows")
        x, own, rows = run.x, self.update.own, len(run.order)
        if reduction == e.SAGA and 8 * rows * x.size > TABLE_BYTES:
            raise ValueError(
                f"variance_reduction='saga' keeps a gradient for each of {rows} rows, {8e-9 * rows * x.size:.1f} GB; "
                "above 2 GiB take 'svrg', which keeps three"
            )
        self.state = UpdateState(self.update, x)
        self.noise = np.empty(x.size)  # of noise, and of random signs
        self.slow = x.copy()
        self.anchor = np.empty((e.anchor_rows(reduction, rows), x.size))
        run.numbers[e.INTERVAL] = getattr(self.update.options, "interval", 1)
        run.numbers[e.LOOKAHEAD], run.numbers[e.REDUCTION] = own.lookahead, reduction

    def epoch(self, run):
        """All steps of an epoch; the mean of f over them."""
        state, typed = self.state, run.typed
        if run.numbers[e.REDUCTION] == e.SVRG:
            self.anchor[0] = run.x
            run.whole(run.x, self.anchor[1])
        return backend.run_epoch(
            state._program.address,
            typed.fun_grad,
            typed.hvp or 0,
            run.x,
            run.g,
            state.rows,
            state.mask,
            self.noise,
            self.slow,
            self.anchor,
            run.average,
            run.law,
            state._memory,
            run.losses,
            run.order,
            run.batch,
            run.places,
            run.counts,
            run.numbers,
            self.update.own.lookahead_alpha,
            run.bound.address,
        )


class NewtonSteps:
    """Steps of sub-sampled Newton-CG."""

    needs = ("grad", "hvp")

    def __init__(self, options):
        fields = newton.Options._fields
        refuse_unknown([name for name in options if name not in fields], fields, newton.NAME, options)
        lr = options.get("lr")
        plain = {name: v for name, v in options.items() if v is not None and not (name == "lr" and callable(v))}
        self.options = check(newton.Options, plain)
        self.schedule = as_schedule(lr if callable(lr) else self.options.lr)
        self.native, self.parameters = Native(self.options), Native((self.schedule.vector,))

    def default_batch(self, n_rows):
        """Rows of a batch unless told otherwise."""
        return max(n_rows // NEWTON_BATCHES, FIRST_ORDER_BATCH)

    def begin(self, run, overlap, reduction, average):
        """Arrays for a run."""
        if average is not None:
            raise ValueError(f"average={average!r:.100} is for update rules; 'newton-cg' ends at its last point")
        if reduction != e.NONE:
            raise ValueError("variance_reduction is for update rules; 'newton-cg' takes its batches as they are")
        size, rows = run.size, len(run.order)
        overlap = min(-(-size // NEWTON_OVERLAP), size - 1) if overlap is None else run.options.overlap
        if not overlap < size:
            raise ValueError(f"overlap={overlap!r} must be less than the rows of a batch, {size}")
        run.numbers[e.OVERLAP], new = overlap, size - overlap
        if run.options.drop_last:  # the rows that full batches see
            run.numbers[e.LIMIT] = overlap + (rows - overlap) // new * new
        self.work, self.memory = np.empty((newton.N_WORK, run.x.size)), np.zeros(N_SCHEDULE)

    def epoch(self, run):
        """All steps of an epoch; the mean of f over them."""
        return backend.run_newton_epoch(
            run.typed.fun_grad,
            run.typed.hvp,
            self.schedule.address,
            self.parameters.address,
            self.native.address,
            run.x,
            run.g,
            self.work,
            self.memory,
            run.losses,
            run.order,
            run.batch,
            run.counts,
            run.numbers,
            run.bound.address,
        )


class Run:
    """One call of fit: its arrays, and what happens between epochs."""

    def __init__(self, finite_sum, x, steps, numbers, each_step=False):
        self.finite_sum, self.steps = finite_sum, steps
        self.options, self.x, self.g = numbers, x, np.empty_like(x)
        n_rows = len(finite_sum)
        size = self.size = min(numbers.batch_size, n_rows)
        self.whole = Whole(finite_sum)
        self.order, self.batch = np.arange(n_rows), np.zeros(size + 1, np.int64)
        self.batch[:2] = 1, 0  # whatever looks before the first batch sees a row
        args = finite_sum.args_for(self.batch)
        self.typed, kind = typed_objective((finite_sum.function, None, None, None), args, steps.needs)
        self.bound = self.typed.bind(args, kind)
        self.numbers = np.zeros(e.N_NUMBERS, np.int64)
        self.numbers[e.SIZE] = size
        self.numbers[e.LIMIT] = n_rows - n_rows % size if numbers.drop_last else n_rows
        self.numbers[e.LAST] = min(numbers.max_steps, 2**62)
        self.counts = np.zeros(c.N_COUNTS, np.int64)
        self.counts[c.STOP], self.counts[c.STRIDE], self.counts[c.COUNTDOWN] = RUNNING, 1, 1
        self.counts[c.SIGNALS] = backend.on_main_thread() and self.typed.in_python is None
        if numbers.time_limit < math.inf:
            self.counts[c.DEADLINE] = time.monotonic_ns() + int(1e9 * min(numbers.time_limit, 1e9))
        places = [(array.ctypes.data, array.strides[0]) for array in finite_sum.data]
        ahead = numbers.shuffle and size * sum(width for _, width in places) <= AHEAD_BYTES
        self.places = np.array(places if ahead else [], np.int64).reshape(-1)
        self.average, self.law = np.empty(0), np.zeros(N_LAW)
        self.history = {"loss": [], "seconds": []}
        self.each_step, self.losses = each_step, np.empty(0)
        self.good = x.copy()  # x before the last epoch
        self.best, self.kept, self.since = math.inf, x.copy(), 0  # of validation

    def __call__(self):
        """The steps of an epoch; the mean of f over them."""
        return self.steps.epoch(self)

    def through(self, numbers, validation, callback):
        """All epochs."""
        if validation is not None:
            self.history["validation"] = []
        begun, k = time.perf_counter(), -1
        stopped = "epochs", f"all {self.options.epochs} epochs are done"
        try:
            self.check_start()
            for k in numbers:
                ended = self.epoch(k, begun)
                judged = self.judge(k, validation) if validation is not None else None
                called = called_back(callback, k, self) if callback is not None else None
                if ended or judged or called:
                    stopped = ended or judged or called
                    break
        except BaseException as error:
            self.attach(error, k)
            raise
        return self.result(*stopped)

    def check_start(self):
        """An error that names shapes where x0 and the first row of the data do not go together, evaluated for that."""
        if self.typed.in_python is not None:
            self.whole.check(self.x, "x0")
            return
        room = np.full(self.x.size + GUARDS, GUARD)
        try:
            backend.value_at(self.typed.fun_grad, self.x, room[: self.x.size], self.bound.address)
        except Exception:
            self.whole.check(self.x, "x0")
            return  # something else, which the run will meet
        if np.any(room[self.x.size :] != GUARD):
            self.whole.check(self.x, "x0")
            raise ValueError(BEYOND)

    @property
    def point(self):
        """What the run would return now: its average, if it has one, or x."""
        return self.average if self.average.size else self.x

    def epoch(self, k, begun):
        """Make the steps of epoch k; why the run ends with it, as (word, sentence), or None."""
        self.numbers[e.SEED] = (self.options.seed * 1_000_003 + k) % 2**62 if self.options.shuffle else -1
        before, done, average = self.x.copy(), self.numbers[e.K], self.average.copy()
        if self.each_step:
            self.make_room(int(done))
        self.history["loss"].append(self() if self.typed.in_python is None else interruptible(self))
        self.history["seconds"].append(time.perf_counter() - begun)
        reason = self.counts[c.STOP]
        if reason == SIGNAL:
            raise KeyboardInterrupt("secondorder.fit was interrupted")
        good, self.good = self.good, before
        if reason == NOT_FINITE_STEP or not np.all(np.isfinite(self.x)):
            # back to a point where f was finite: this epoch's first, if a step was made from there
            self.x[:] = before if self.numbers[e.K] > done else good
            self.average[:] = average
            return "not finite", f"f or its gradient is nan or infinite in epoch {k + 1}{self.suspect()}"
        if reason == TIME:
            return REASONS[TIME].name, REASONS[TIME].sentence
        if self.numbers[e.K] >= self.numbers[e.LAST]:
            return "steps", f"max_steps={self.options.max_steps} steps are done"
        return None

    def make_room(self, done):
        """Let there be room for the losses of an epoch after so many steps; it has no more steps than rows."""
        needed = min(done + len(self.order), int(self.numbers[e.LAST]))
        if len(self.losses) < needed:
            room = np.zeros(max(needed, min(2 * len(self.losses), int(self.numbers[e.LAST]))))
            room[:done] = self.losses[:done]
            self.losses = room

    def suspect(self):
        """What may have made f nan, behind a colon."""
        if not np.all(np.isfinite(self.x)):
            return ": x0 is not finite"
        rate = ": the learning rate may be too large, or the term undefined there"
        return in_data(self.finite_sum.data) or rate

    def judge(self, k, validation):
        """Keep the best x; why the run ends, or None."""
        score = validation(self.point.copy())
        try:
            score = float(score)
        except (TypeError, ValueError):
            raise TypeError(f"validation must return a number; it returned {score!r:.100}") from None
        self.history["validation"].append(score)
        if score < self.best:
            self.best, self.since = score, 0
            self.kept[:] = self.point
        else:
            self.since += 1
        if 0 < self.options.patience <= self.since:
            return "early stopping", f"the validation has not fallen in {self.since} epochs, patience is that many"
        return None

    def result(self, stopped, message, fun=None):
        """What was reached."""
        x = self.kept if self.best < math.inf else self.point.copy()
        history = {name: np.array(values) for name, values in self.history.items()}
        if self.each_step:
            history["batch_loss"] = self.losses[: self.numbers[e.K]].copy()
        fun = self.whole(x) if fun is None else fun
        return Fitted(x, fun, len(history["loss"]), int(self.numbers[e.K]), stopped, history, message)

    def attach(self, error, k):
        """Give an exception what was reached before it; f there is nan if it is the term that raised."""
        word = REASONS[SIGNAL if isinstance(error, KeyboardInterrupt) else RAISED].name
        found = self.result(word, f"{type(error).__name__} in epoch {k + 1}", math.nan)
        with contextlib.suppress(Exception):
            found = found._replace(fun=self.whole(found.x))
        with contextlib.suppress(AttributeError):  # exceptions with __slots__
            error.fitted = found
            error.add_note(f"raised in secondorder.fit in epoch {k + 1}; .fitted has what was reached")

    def close(self):
        """Give back what the run held."""
        self.bound.close()
        self.whole.bound.close()


def called_back(callback, k, run):
    """Call it after epoch k; why the run ends, or None."""
    try:
        callback(k, run.point.copy(), run.history["loss"][-1])
    except StopIteration:
        return REASONS[STOP_ITERATION].name, REASONS[STOP_ITERATION].sentence
    return None
