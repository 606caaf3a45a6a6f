"""Finding options: the learning-rate range test, and a search over a grid of options.

References
----------
[1] Smith. Cyclical learning rates for training neural networks. WACV 2017. Section 3.3. arXiv:1506.01186
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from secondorder.minimize import find_plan, minimize
from secondorder.options import lookup
from secondorder.result import OptimizeResult
from secondorder.schedules import checked, exponential, whole
from secondorder.update import UPDATE_METHODS, number_of

DIVERGED = 4.0  # times the decrease so far above the least f ends the test; a habit of programs for it
WINDOW = 5  # steps over which a slope is taken


class RangeTest(NamedTuple):
    """What `learning_rate_range_test` found."""

    lr: np.ndarray  # (k,) the rates tried, in order
    fun: np.ndarray  # (k,) f after the step with each
    steepest: float  # the rate where f fell fastest with log(lr): a good largest rate of a schedule
    limit: float  # the rate where f was least: with larger ones it rose


def learning_rate_range_test(fun, x0, args=(), method="sgd", low=1e-6, high=10.0, steps=100, options=None, **keywords):
    """One short run whose learning rate grows from `low` to `high`: where f falls fastest, and where it diverges.

    Parameters
    ----------
    fun, x0, args
        As in `minimize`.
    method : str, default "sgd"
        A name of `UPDATES`.
    low, high : float, default 1e-6 and 10.0
        The first rate and the last, 0 < low < high; they grow exponentially.
    steps : int, default 100
        How many, at least 10.
    options : dict, optional
        Of the rule.
    **keywords
        Further arguments of `minimize`: jac, hessp, backend.

    Returns
    -------
    RangeTest

    Raises
    ------
    ValueError
        If the method is no update rule, or the range is empty.

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
    run = {"lr": rates, "maxiter": steps, "gtol": 0.0, "history": True}
    result = minimize(fun, x0, args, method, options=options | run, **keywords)
    history = result.history
    if result.nit == 0:
        raise ValueError(f"no step could be made from x0: {result.message}")
    lr, f = history["alpha"][1:], history["fun"][1:]
    return judged(lr, f, history["fun"][0])


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


def grid_search(fun, x0, grid, args=(), method="adam", options=None, score=None, **keywords):
    """Run every combination of options and sort them by what they reach.

    Parameters
    ----------
    fun, x0, args
        As in `minimize`.
    grid : dict
        Values to try for each option: ``{"lr": [1e-3, 1e-2], "beta1": [0.8, 0.9]}``.
    method : str, default "adam"
        Any method of `minimize`.
    options : dict, optional
        Options that all runs have: a budget such as ``{"maxiter": 200}``.
    score : callable, optional
        ``score(result) -> float``, the less the better: a loss on validation data. Default: ``result.fun``.
    **keywords
        Further arguments of `minimize`.

    Returns
    -------
    list of (dict, float, OptimizeResult)
        Options, score and result of each run, the best first; nan and inf last.

    Raises
    ------
    ValueError, TypeError
        If the grid is empty, or an option of it unknown or outside its law.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> rows = so.grid_search(
    ...     lambda x: np.sum(x**2), np.ones(2), {"lr": [1e-3, 0.1]}, method="sgd", options={"maxiter": 20}
    ... )
    >>> [row[0] for row in rows]
    [{'lr': 0.1}, {'lr': 0.001}]
    """
    if score is not None and not callable(score):
        raise TypeError(f"score must be callable as score(result); it is {score!r:.100}")
    options, rows = dict_of(options), []
    combinations = list(combinations_of(grid))
    for chosen in combinations:  # a wrong option is said before hours of runs
        if str(method).lower() != "auto":
            find_plan(method, keywords.get("tol"), options | chosen)
    for chosen in combinations:
        result: OptimizeResult = minimize(fun, x0, args, method, options=options | chosen, **keywords)
        rows.append((chosen, result.fun if score is None else number_of("score(result)", score(result)), result))
    return sorted(rows, key=lambda row: row[1] if math.isfinite(row[1]) else math.inf)
