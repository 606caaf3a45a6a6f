"""fit(): stochastic steps on a FiniteSum, an epoch at a time, each compiled end to end."""

import math
import time
from typing import NamedTuple

import numpy as np

from secondorder import control as c
from secondorder.backends import updates as backend
from secondorder.finite_sum import FiniteSum
from secondorder.minimize import start_vector
from secondorder.objective import typed_objective
from secondorder.options import check, lookup
from secondorder.status import NOT_FINITE_STEP, REASONS, RUNNING, SIGNAL, TIME
from secondorder.update import UPDATE_METHODS, Update, UpdateState
from secondorder.updates import epochs as e


class Fitted(NamedTuple):
    """What `fit` returns."""

    x: np.ndarray  # (n,) the last point, or, with a validation function, the best of all epochs
    fun: float  # f at x over all rows
    epochs: int  # epochs begun
    steps: int  # steps made
    stopped: str  # "epochs", "early stopping", "callback", "time limit" or "not finite"
    history: dict  # arrays with an entry an epoch: "loss", the mean of f over its steps; "validation"; "seconds"


class FitOptions(NamedTuple):
    """Numbers that `fit` takes."""

    batch_size: int = 64  # rows of a step, at least 1
    epochs: int = 10  # at least 1
    patience: int = 0  # epochs without a better validation until the end, at least 0; 0: none
    seed: int = 0  # of shuffles, noise and random signs, at least 0
    time_limit: float = math.inf  # seconds, at least 0


def fit(
    finite_sum,
    x0,
    method="adam",
    *,
    batch_size=64,
    epochs=10,
    options=None,
    schedule=None,
    validation=None,
    patience=0,
    shuffle=True,
    drop_last=False,
    variance_reduction=None,
    seed=0,
    callback=None,
    progress=False,
    time_limit=math.inf,
):
    """Minimize a mean over rows by stochastic steps.

    ``batch_size=len(finite_sum)`` is gradient descent with the full batch, ``batch_size=1`` single-row descent.

    Parameters
    ----------
    finite_sum : FiniteSum
        The objective and its data.
    x0 : array_like, shape (n,)
        Where to start; copied.
    method : str or Update, default "adam"
        A name of `UPDATES`, or an update such as ``so.Adam(lr=1e-2)``.
    batch_size : int, default 64
        Rows of a step.
    epochs : int, default 10
        How often all rows are seen.
    options : dict, optional
        Of the rule.
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
    variance_reduction : None or "svrg", default None
        Stochastic variance-reduced gradients [1], for any rule: each epoch begins with a gradient of all rows, and each
        step takes two of its batch. With it a fixed rate leads to the minimum; made for "sgd".
    seed : int, default 0
        Of the orders; the same seed gives the same bits.
    callback : callable, optional
        ``callback(epoch, x, loss)`` after each epoch, x a copy. Raising StopIteration ends the run.
    progress : bool, default False
        A progress bar; needs tqdm.
    time_limit : float, default inf
        Seconds.

    Returns
    -------
    Fitted

    Raises
    ------
    TypeError, ValueError
        For arguments that are wrong.
    KeyboardInterrupt
        Ctrl-C, also amid an epoch.

    References
    ----------
    [1] Johnson, Zhang. Accelerating stochastic gradient descent using predictive variance reduction. NIPS 2013. Fig. 1,
        option I.

    Examples
    --------
    See `FiniteSum`.
    """
    if not isinstance(finite_sum, FiniteSum):
        raise TypeError(f"fit needs a FiniteSum; it got {finite_sum!r:.100}")
    given = {"batch_size": batch_size, "epochs": epochs, "patience": patience, "seed": seed, "time_limit": time_limit}
    numbers = check(FitOptions, given)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable; it is {callback!r:.100}")
    if patience and validation is None:
        raise ValueError(f"patience={patience!r} needs validation=, a function of x")
    if variance_reduction not in (None, "svrg"):
        raise ValueError(f"variance_reduction={variance_reduction!r} must be None or 'svrg'")
    update = update_of(method, options, schedule)
    run = Run(finite_sum, start_vector(x0), update, numbers, shuffle, drop_last, variance_reduction)
    try:
        return run(validation_of(validation), callback, bars(numbers.epochs, progress))
    finally:
        run.close()


def update_of(method, options, schedule):
    """The Update of a name and options."""
    options = dict(options or {})
    if schedule is not None:
        if "lr" in options or isinstance(method, Update):
            raise ValueError("schedule= stands for options['lr'], which was given too; leave one of them out")
        options["lr"] = schedule
    if isinstance(method, Update):
        if options:
            raise ValueError(f"options={options!r:.100} beside {method!r}, which has its own; leave them out")
        return method
    return lookup("method", str(method), UPDATE_METHODS).cls(**options)


def validation_of(validation):
    """validation(x) -> float, or None."""
    if validation is None or not isinstance(validation, FiniteSum):
        if validation is not None and not callable(validation):
            raise TypeError(f"validation must be callable or a FiniteSum; it is {validation!r:.100}")
        return validation
    return Whole(validation)


class Whole:
    """f over all rows of a FiniteSum, as a function of x."""

    def __init__(self, finite_sum):
        function, args = finite_sum.as_objective()
        typed, kind = typed_objective((function, None, None, None), args, ("grad",))
        self.typed, self.bound = typed, typed.bind(args, kind)

    def __call__(self, x, g=None):
        """The value; g <- the gradient."""
        return backend.value_at(self.typed.fun_grad, x, np.empty(x.size) if g is None else g, self.bound.address)


def bars(epochs, progress):
    """The numbers of epochs, with a progress bar if asked."""
    if not progress:
        return range(epochs)
    from tqdm import tqdm  # on use: an extra

    return tqdm(range(epochs), unit="epoch")


class Run:
    """One call of fit: its arrays and the compiled epoch."""

    def __init__(self, finite_sum, x, update, numbers, shuffle, drop_last, variance_reduction=None):
        self.options, self.x, self.g, self.shuffled = numbers, x, np.empty_like(x), shuffle
        n_rows = len(finite_sum)
        size = min(numbers.batch_size, n_rows)
        self.whole = Whole(finite_sum)
        self.order, self.batch = np.arange(n_rows), np.zeros(size + 1, np.int64)
        self.batch[:2] = 1, 0  # whatever looks before the first batch sees a row
        needs = update.rule.NEEDS
        args = finite_sum.args_for(self.batch)
        self.typed, kind = typed_objective((finite_sum.function, None, None, None), args, needs)
        self.bound = self.typed.bind(args, kind)
        self.state = UpdateState(update, x)
        self.noise = np.empty(x.size)  # of noise, and of random signs
        self.slow = x.copy()
        self.anchor = np.empty((3 if variance_reduction else 0, x.size))
        self.numbers = np.zeros(e.N_NUMBERS, np.int64)
        self.numbers[e.SIZE] = size
        self.numbers[e.LIMIT] = n_rows - n_rows % size if drop_last else n_rows
        self.numbers[e.INTERVAL] = getattr(update.options, "interval", 1)
        self.numbers[e.LOOKAHEAD], self.alpha = update.own.lookahead, update.own.lookahead_alpha
        self.counts = np.zeros(c.N_COUNTS, np.int64)
        self.counts[c.STOP], self.counts[c.STRIDE], self.counts[c.COUNTDOWN] = RUNNING, 1, 1
        self.counts[c.SIGNALS] = backend.on_main_thread() and self.typed.in_python is None
        if numbers.time_limit < math.inf:
            self.counts[c.DEADLINE] = time.monotonic_ns() + int(1e9 * min(numbers.time_limit, 1e9))

    def epoch(self, k):
        """All steps of epoch k; the mean of f over them."""
        self.numbers[e.SEED] = self.options.seed * 1_000_003 + k if self.shuffled else -1
        state = self.state
        if len(self.anchor):
            self.anchor[0] = self.x
            self.whole(self.x, self.anchor[1])
        return backend.run_epoch(
            state._program.address,
            self.typed.fun_grad,
            self.typed.hvp or 0,
            self.x,
            self.g,
            state.rows,
            state.mask,
            self.noise,
            self.slow,
            self.anchor,
            state._memory,
            self.order,
            self.batch,
            self.counts,
            self.numbers,
            self.alpha,
            self.bound.address,
        )

    def __call__(self, validation, callback, numbers):
        """All epochs."""
        history = {"loss": [], "seconds": []} | ({"validation": []} if validation else {})
        best, kept, since, stopped = math.inf, self.x.copy(), 0, "epochs"
        begun, good = time.perf_counter(), self.x.copy()
        for k in numbers:
            before, done = self.x.copy(), self.numbers[e.K]
            loss = self.epoch(k)
            history["loss"].append(loss)
            history["seconds"].append(time.perf_counter() - begun)
            reason = self.counts[c.STOP]
            if reason == SIGNAL:
                raise KeyboardInterrupt("secondorder.fit was interrupted")
            if reason == NOT_FINITE_STEP or not np.all(np.isfinite(self.x)):
                # back to a point where f was finite: this epoch's first, if a step was made from there
                stopped, self.x[:] = "not finite", before if self.numbers[e.K] > done else good
            good = before
            if validation is not None:
                score = float(validation(self.x.copy()))
                history["validation"].append(score)
                since = 0 if score < best else since + 1
                if score < best:
                    best, kept[:] = score, self.x
            if stopped == "epochs" and self.options.patience and since >= self.options.patience:
                stopped = "early stopping"
            if reason == TIME:
                stopped = REASONS[TIME].name
            try:
                if callback is not None:
                    callback(k, self.x.copy(), loss)
            except StopIteration:
                stopped = "callback"
            if stopped != "epochs":
                break
        x = kept if validation is not None and best < math.inf else self.x
        history = {name: np.array(values) for name, values in history.items()}
        return Fitted(x, self.whole(x), len(history["loss"]), int(self.numbers[e.K]), stopped, history)

    def close(self):
        """Give back what the run held."""
        self.bound.close()
        self.whole.bound.close()
