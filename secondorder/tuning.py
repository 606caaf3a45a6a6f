"""Finding options: the learning-rate range test, and a search over a grid of options.

References
----------
[1] Smith. Cyclical learning rates for training neural networks. WACV 2017. Section 3.3. arXiv:1506.01186
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from secondorder.minimize import minimize
from secondorder.options import lookup
from secondorder.result import OptimizeResult
from secondorder.schedules import checked, exponential
from secondorder.update import UPDATE_METHODS

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
    lookup("method", str(method), UPDATE_METHODS)
    low, high, steps = checked("steps", low), checked("steps", high), int(steps)
    if not low < high:
        raise ValueError(f"low={low!r}, high={high!r} must satisfy low < high")
    if steps < 10:
        raise ValueError(f"steps={steps!r} must be at least 10")
    rates = exponential(low, high / low, steps - 1)
    run = {"lr": rates, "maxiter": steps, "gtol": 0.0, "history": True}
    history = minimize(fun, x0, args, method, options=(options or {}) | run, **keywords).history
    lr, f = history["alpha"][1:], history["fun"][1:]
    return judged(lr, f, history["fun"][0])


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
    if not isinstance(grid, dict) or not grid or not all(len(list(values)) for values in grid.values()):
        raise ValueError(f"grid={grid!r:.100} must be a dict of options, each with values to try")
    rows = []
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        result: OptimizeResult = minimize(fun, x0, args, method, options=(options or {}) | chosen, **keywords)
        rows.append((chosen, float(result.fun if score is None else score(result)), result))
    return sorted(rows, key=lambda row: row[1] if math.isfinite(row[1]) else math.inf)
