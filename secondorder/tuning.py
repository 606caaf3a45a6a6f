"""Finding options: the learning-rate range test, and a search over a grid of options.

References
----------
[1] Smith. Cyclical learning rates for training neural networks. WACV 2017. Section 3.3. arXiv:1506.01186
"""

import inspect
import itertools
import math
from typing import NamedTuple

import numpy as np
from scipy.ndimage import median_filter

from secondorder.finite_sum import FiniteSum
from secondorder.fitting import FitOptions, fit, steps_of
from secondorder.minimize import find_plan, minimize
from secondorder.options import check, lookup
from secondorder.schedules import checked, exponential, whole
from secondorder.update import UPDATE_METHODS, number_of

DIVERGED = 4.0  # times the decrease so far above the least f ends the test; a habit of programs for it
WINDOW = 5  # steps over which a slope is taken
SHARE = 5  # of losses of batches: means are taken over one step of so many that are asked for
CLIP = 8.0  # likewise: times their decrease so far above the least median, losses are no larger for a mean

FIT_ARGUMENTS = tuple(name for name, p in inspect.signature(fit).parameters.items() if p.kind is p.KEYWORD_ONLY)
MINIMIZE_ARGUMENTS = tuple(inspect.signature(minimize).parameters)
# arguments of fit that a range test gives itself, that would end it before its last rate, or that do nothing for it
NOT_IN_A_RANGE_TEST = ("epochs", "max_steps", "schedule", "history", "validation", "patience", "average")
GRID_ARGUMENTS = ("batch_size", "epochs")  # arguments of fit that a grid may have among options, and ask for fits with


class RangeTest(NamedTuple):
    """What `learning_rate_range_test` found."""

    lr: np.ndarray  # (k,) the rates tried, in order
    fun: np.ndarray  # (k,) f after the step with each; of batches a running mean of it
    steepest: float  # the rate where f fell fastest with log(lr): a good largest rate of a schedule
    limit: float  # the rate where f was least: with larger ones it rose


def learning_rate_range_test(fun, x0, args=(), method="sgd", low=1e-6, high=10.0, steps=100, options=None, **keywords):
    """One short run whose learning rate grows from `low` to `high`: where f falls fastest, and where it diverges.

    With ``batch_size=``, and a `FiniteSum`, it is a run of `fit`, as in [1]: each step is of a batch, over as many
    epochs as it takes. The loss of a batch is noisy, so f is the mean over the ``steps / 5`` losses around a step, and
    falls are taken over as many; of losses far above all running medians not the whole counts. The mean looks ahead as
    well as back, since it is taken after the run: an exponential average, which looks back alone, comes late by steps
    in which the rate has grown. The smaller the batch, the more steps are wanted: with single rows several hundred.

    Parameters
    ----------
    fun, x0, args
        As in `minimize`; with ``batch_size=`` a FiniteSum and no args.
    method : str, default "sgd"
        A name of `UPDATES`.
    low, high : float, default 1e-6 and 10.0
        The first rate and the last, 0 < low < high; they grow exponentially.
    steps : int, default 100
        How many, at least 10.
    options : dict, optional
        Of the rule.
    **keywords
        Further arguments of `minimize`: jac, hessp, backend; or, with ``batch_size=``, of `fit`: batch_size, seed,
        shuffle, drop_last, variance_reduction.

    Returns
    -------
    RangeTest
        If its limit is `low`, f was never lower than after the first step: the range or `steps` are too small.

    Raises
    ------
    TypeError, ValueError
        If the method is no update rule, the range is empty, no step could be made, or arguments of `fit` are given
        without a batch size.

    References
    ----------
    [1] Smith. Cyclical learning rates for training neural networks. WACV 2017. Section 3.3. arXiv:1506.01186

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> found = so.learning_rate_range_test(lambda x: 5.0 * np.sum(x**2), np.ones(3))
    >>> bool(0.01 < found.steepest <= found.limit < 0.3)  # 2 / 10 is where gradient descent diverges
    True

    Least squares in batches of 10 rows, with much noise; steps of single batches diverge from about 1 on.

    >>> random = np.random.default_rng(0)
    >>> A = random.standard_normal((500, 3))
    >>> b = A @ [1.0, 2.0, 3.0] + random.standard_normal(500)
    >>> rows = so.FiniteSum(lambda x, a, b: 0.5 * (np.dot(a, x) - b) ** 2, (A, b))
    >>> found = so.learning_rate_range_test(rows, np.zeros(3), batch_size=10, steps=200)
    >>> bool(0.01 < found.steepest < found.limit < 1.0)
    True
    >>> fitted = so.fit(rows, np.zeros(3), "sgd", options={"lr": found.steepest}, batch_size=10)
    >>> fitted.fun < 1.01 * so.minimize(rows, np.zeros(3)).fun
    True
    """
    lookup("method", method, UPDATE_METHODS)
    low, high = checked("low", low, "positive"), checked("high", high, "positive")
    steps = whole("steps", steps, least=10)
    if not low < high:
        raise ValueError(f"low={low!r}, high={high!r} must satisfy low < high")
    options = dict_of(options)
    if "lr" in options:
        raise ValueError(f"options['lr']={options['lr']!r} is what the test varies; give low and high, leave lr out")
    rates = exponential(low, high / low, steps - 1)
    if of_batches(fun, args, keywords, ("batch_size",)):
        return range_test_of_batches(fun, x0, method, rates, steps, options, keywords)
    run = {"lr": rates, "maxiter": steps, "gtol": 0.0, "history": True}
    result = minimize(fun, x0, args, method, options=options | run, **keywords)
    history = result.history
    if result.nit == 0:
        raise ValueError(f"no step could be made from x0: {result.message}")
    lr, f = history["alpha"][1:], history["fun"][1:]
    return judged(lr, f, history["fun"][0])


def of_batches(fun, args, keywords, marks, grid=()):
    """Are the runs to be those of `fit`? They are if one of the marks is given; then all arguments must be its."""
    named = [name for name in marks if name in keywords or name in grid]
    if not named:
        for name in keywords:
            if name in FIT_ARGUMENTS and name not in MINIMIZE_ARGUMENTS:
                law = f"is for steps of batches, as fit has them; give {' or '.join(marks)}, too"
                raise TypeError(f"{name}={keywords[name]!r:.100} {law}")
        return False
    if not isinstance(fun, FiniteSum):
        raise TypeError(f"{named[0]} is for steps of batches of a FiniteSum; fun is {fun!r:.100}")
    if not isinstance(args, tuple) or args:
        raise ValueError(f"args={args!r:.100} beside a FiniteSum, whose data are its arguments; leave args out")
    for name in keywords:
        if name not in FIT_ARGUMENTS:
            raise TypeError(
                f"{name}={keywords[name]!r:.100} is no argument of fit, whose steps {named[0]} asks for; "
                f"leave one of them out. Those of fit: {', '.join(FIT_ARGUMENTS)}"
            )
    return True


def range_test_of_batches(finite_sum, x0, method, rates, steps, options, keywords):
    """The range test of a run of `fit`."""
    for name in NOT_IN_A_RANGE_TEST:
        if name in keywords:
            law = "has no place in a range test, whose course low, high and steps decide; leave it out"
            raise TypeError(f"{name}={keywords[name]!r:.100} {law}")
    # an epoch has at least one step; the last rate is judged by the loss of one more
    run = {"options": options | {"lr": rates}, "epochs": steps + 1, "max_steps": steps + 1, "history": "steps"}
    fitted = fit(finite_sum, x0, method, **keywords, **run)
    losses = fitted.history["batch_loss"]
    if fitted.stopped == "not finite":
        losses = np.append(losses, math.inf)  # that of the batch after the last step
    if len(losses) < 2:
        raise ValueError(f"no step could be made from x0: {fitted.message}")
    return judged_by_means(rates.rates(len(losses) - 1), losses, steps // SHARE)


def dict_of(options):
    """A copy of the options."""
    if options is not None and not isinstance(options, dict):
        raise TypeError(f"options must be a dict; it is {options!r:.100}")
    return dict(options or {})


def combinations_of(grid):
    """All choices of a value for each option, as dicts."""
    law = "must be a dict of options, each with values to try: {'lr': [1e-3, 1e-2]}"
    if not isinstance(grid, dict) or not grid:
        raise ValueError(f"grid={grid!r:.100} {law}")
    values = []
    for name, given in grid.items():
        if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
            raise ValueError(f"grid={grid!r:.100} {law}; those of {name!r} are {given!r:.50}")
        values.append(tuple(given))
        if not values[-1]:
            raise ValueError(f"grid={grid!r:.100} {law}; {name!r} has none")
    return (dict(zip(grid, choice, strict=True)) for choice in itertools.product(*values))


def judged(lr, f, first):
    """The RangeTest of f after steps with these rates, from a value f had at first."""
    least, end = first, len(f)
    for k, value in enumerate(f):
        if not math.isfinite(value) or value > least + DIVERGED * max(first - least, abs(first) * 1e-3):
            end = k
            break
        least = min(least, value)
    smooth = np.concatenate(([first], f[:end]))
    width = min(WINDOW, len(smooth) - 1)
    falls = smooth[:-width] - smooth[width:] if width else np.zeros(1)
    # a fall of f belongs to the last of the steps that it took
    steepest = lr[min(int(np.argmax(falls)) + width - 1, max(end - 1, 0))]
    end = max(end, 1)
    return RangeTest(lr[:end], f[:end], float(steepest), float(lr[:end][np.nanargmin(f[:end])]))


def judged_by_means(lr, losses, width):
    """The RangeTest of losses (k + 1,) on batches before, between and after steps with these rates (k,)."""
    half = min(width // 2, (len(losses) - 1) // 2)
    width = 2 * half + 1
    medians = median_filter(losses, width, mode="mirror")
    fall = medians[0] - medians.min()
    # a single loss of a run that explodes would be all that the means around it are made of
    clipped = np.minimum(losses, medians.min() + CLIP * fall if fall > 0.0 else medians.max())
    means = np.convolve(np.pad(clipped, half, mode="reflect"), np.full(width, 1.0 / width), mode="valid")
    risen = means > means.min() + DIVERGED * (means[0] - means.min())
    if means[0] > means.min() and risen.any():
        means = means[: max(int(np.argmax(risen)), 2)]
    least = 1 + int(np.argmin(means[1:]))
    width = min(width, least)
    falls = means[: least + 1 - width] - means[width : least + 1]
    middle = int(np.argmax(falls)) + width // 2
    return RangeTest(lr[: len(means) - 1], means[1:], float(lr[max(middle - 1, 0)]), float(lr[least - 1]))


def grid_search(fun, x0, grid, args=(), method="adam", options=None, score=None, **keywords):
    """Run every combination of options and sort them by what they reach.

    With ``epochs=`` or ``batch_size=``, among the arguments or in the grid, the runs are those of `fit`, else those of
    `minimize`.

    Parameters
    ----------
    fun, x0, args
        As in `minimize`; for fits a FiniteSum and no args.
    grid : dict
        Values to try for each option: ``{"lr": [1e-3, 1e-2], "beta1": [0.8, 0.9]}``; and for batch_size and epochs.
    method : str, default "adam"
        Any method of `minimize`, or of `fit`.
    options : dict, optional
        Options that all runs have: a budget such as ``{"maxiter": 200}``.
    score : callable, optional
        ``score(result) -> float``, the less the better: a loss on validation data. Default: ``result.fun``; of fits
        with a validation, that of ``result.x``, the least of all epochs.
    **keywords
        Further arguments of `minimize`, or of `fit`.

    Returns
    -------
    list of (dict, float, OptimizeResult or Fitted)
        Options, score and result of each run, the best first; nan and inf last.

    Raises
    ------
    ValueError, TypeError
        If the grid is empty, or an option of it unknown or outside its law, before anything is run; if arguments of
        `fit` are given without epochs or a batch size.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> rows = so.grid_search(
    ...     lambda x: np.sum(x**2), np.ones(2), {"lr": [1e-3, 0.1]}, method="sgd", options={"maxiter": 20}
    ... )
    >>> [row[0] for row in rows]
    [{'lr': 0.1}, {'lr': 0.001}]

    Fits, judged by the mean over rows of their own:

    >>> A = np.random.default_rng(0).standard_normal((300, 2))
    >>> def term(x, a):
    ...     return 0.5 * (np.dot(a, x) - np.sin(a[0])) ** 2
    >>> seen, other = so.FiniteSum(term, A[:200]), so.FiniteSum(term, A[200:])
    >>> grid = {"lr": [1e-4, 0.1], "batch_size": [20, 200]}
    >>> rows = so.grid_search(seen, np.ones(2), grid, method="sgd", epochs=5, validation=other)
    >>> rows[0][0], rows[0][1] == other.value(rows[0][2].x)
    ({'lr': 0.1, 'batch_size': 20}, True)
    """
    if score is not None and not callable(score):
        raise TypeError(f"score must be callable as score(result); it is {score!r:.100}")
    options, rows = dict_of(options), []
    combinations = list(combinations_of(grid))
    fits = of_batches(fun, args, keywords, GRID_ARGUMENTS, grid)
    for chosen in combinations:  # a wrong option is said before hours of runs
        if fits:
            own, arguments = split(chosen)
            steps_of(method, options | own, keywords.get("schedule"))
            check(FitOptions, arguments)
        elif str(method).lower() != "auto":
            find_plan(method, keywords.get("tol"), options | chosen)
    for chosen in combinations:
        if fits:
            own, arguments = split(chosen)
            result = fit(fun, x0, method, options=options | own, **keywords | arguments)
        else:
            result = minimize(fun, x0, args, method, options=options | chosen, **keywords)
        rows.append((chosen, reached(result) if score is None else number_of("score(result)", score(result)), result))
    return sorted(rows, key=lambda row: row[1] if math.isfinite(row[1]) else math.inf)


def split(chosen):
    """What was chosen from a grid: (options, arguments of fit)."""
    arguments = {name: value for name, value in chosen.items() if name in GRID_ARGUMENTS}
    return {name: value for name, value in chosen.items() if name not in arguments}, arguments


def reached(result):
    """The score of a run unless told otherwise."""
    history = getattr(result, "history", None) or {}
    return float(np.fmin.reduce(history["validation"])) if "validation" in history else result.fun
