"""Starts, and what local minimization from many of them ends at. SAMPLINGS is the table of ways to draw starts; the
low-discrepancy ones are scipy.stats.qmc's.

`draw_starts` draws for everybody; `random_starts` minimizes from each by `minimize`, `batch.multistart` all at once.
"""

import math
from typing import NamedTuple

import numpy as np

from secondorder.minimize import minimize
from secondorder.options import lookup

SAME = 1e-4  # a point with |g| = sqrt(eps) lies that near its minimum up to a condition number of about 1e4


class Minimum(NamedTuple):
    """A point where some starts ended: the best of them, and how many they were."""

    x: np.ndarray
    fun: float
    count: int
    starts: np.ndarray  # their numbers, the best one's first


def box(n_starts, low, high, random):
    """Uniform and independent."""
    return random.uniform(low, high, (n_starts, low.size))


def latin_hypercube(n_starts, low, high, random):
    """Each variable has one start in each of n_starts slices of its interval."""
    from scipy.stats import qmc

    return low + (high - low) * qmc.LatinHypercube(low.size, seed=random).random(n_starts)


def sobol(n_starts, low, high, random):
    """The first of a scrambled Sobol sequence: boxes of every shape get their share."""
    from scipy.stats import qmc

    power = math.ceil(math.log2(n_starts))
    return low + (high - low) * qmc.Sobol(low.size, seed=random).random_base2(power)[:n_starts]


def normal(n_starts, center, spread, random):
    """Normal about a center, which comes first itself."""
    starts = center + spread * random.standard_normal((n_starts, center.size))
    starts[0] = center
    return starts


SAMPLINGS = {"box": box, "normal": normal, "latin-hypercube": latin_hypercube, "sobol": sobol}


def draw_starts(n_starts=20, *, x0=None, bounds=None, sampling=None, spread=None, seed=0):
    """Starts for `multistart`, `random_starts` or `minimize_batch`.

    Parameters
    ----------
    n_starts : int
        Number of starts, at least 1.
    x0 : array_like, shape (n,), optional
        The center of "normal", and its first start.
    bounds : sequence of (low, high), optional
        n finite pairs, where starts are drawn by "box", "latin-hypercube" and "sobol".
    sampling : {"box", "normal", "latin-hypercube", "sobol"}, optional
        How starts are drawn; the last two fill the box more evenly than independent numbers [1]_. Default:
        "latin-hypercube" with bounds, "normal" with x0.
    spread : float or array_like, shape (n,), optional
        Standard deviation of "normal", in units of x; default max(1, |x0|_inf).
    seed : int
        The same seed gives the same starts.

    Returns
    -------
    ndarray, shape (n_starts, n)

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong or contradict one another.

    References
    ----------
    .. [1] McKay, Beckman, Conover. A comparison of three methods for selecting values of input variables in the
       analysis of output from a computer code. Technometrics 21 (1979) 239-245. doi:10.1080/00401706.1979.10489755

    Examples
    --------
    >>> import secondorder as so
    >>> starts = so.draw_starts(8, bounds=[(-2.0, 2.0), (0.0, 1.0)], sampling="sobol", seed=3)
    >>> starts.shape, bool(abs(starts[:, 0]).max() <= 2.0)
    ((8, 2), True)
    """
    center = None if x0 is None else np.array(x0, dtype=np.float64)
    if isinstance(n_starts, bool) or n_starts != int(n_starts) or n_starts < 1:
        raise ValueError(f"n_starts={n_starts!r} must be a whole number, at least 1")
    if center is None and bounds is None:
        raise ValueError("no starts: give bounds, n pairs (low, high), or x0 for sampling='normal'")
    if sampling is None:
        sampling = "normal" if bounds is None else "latin-hypercube"
    if not isinstance(sampling, str):
        raise TypeError(f"sampling={sampling!r:.100} must be a name. Known: {', '.join(SAMPLINGS)}")
    draw, random = lookup("sampling", sampling, SAMPLINGS), np.random.default_rng(seed)
    if draw is normal:
        return draw(int(n_starts), *checked_center(center, spread), random)
    if bounds is None:
        raise ValueError(f"sampling={sampling!r} draws from bounds, which are missing: give n pairs (low, high)")
    return draw(int(n_starts), *checked_bounds(bounds), random)


def random_starts(
    fun, x0=None, args=(), *, bounds=None, sampling=None, n_starts=20, spread=None, seed=0, method=None, **options
):
    """Minimize from many starts, one by one, and report the lowest end and the distinct minima.

    Local minimization with a chance for the global minimum: no more is promised. `multistart` is faster, but looks at
    gradients alone; here each run certifies its end and leaves saddles as `minimize` does.

    Parameters
    ----------
    fun, args, method
        As in `minimize`. All runs share one compiled objective.
    x0, bounds, sampling, n_starts, spread, seed
        As in `draw_starts`; x0 of shape (k, n) are k starts of one's own, then nothing is drawn. Runs may leave bounds:
        they are no constraints.
    **options
        Further arguments of `minimize`: jac, hess, tol, options, second_order, ...

    Returns
    -------
    OptimizeResult
        The run with the lowest f, of those that succeeded if any did, with further fields: ``minima``, the distinct
        ends of successful runs as in `multistart`; ``runs``, the results of all starts in order; ``starts``, shape
        (n_starts, n); ``nfev_total``, evaluations of f of all runs.

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong, before anything is evaluated, and as `minimize`.

    Examples
    --------
    >>> import secondorder as so
    >>> def wells(x):
    ...     return (x[0] ** 2 - 1.0) ** 2 + 0.3 * x[0] + x[1] ** 2
    >>> found = so.random_starts(wells, bounds=[(-2.0, 2.0), (-2.0, 2.0)], sampling="sobol", n_starts=8)
    >>> round(float(found.x[0]), 2), [round(minimum.fun, 3) for minimum in found.minima]
    (-1.04, [-0.305, 0.294])
    """
    if x0 is not None and np.ndim(x0) == 2:
        if bounds is not None or sampling is not None:
            raise ValueError(f"x0 of shape {np.shape(x0)} is {len(x0)} starts; bounds and sampling draw others")
        starts = np.array(x0, dtype=np.float64)
    else:
        starts = draw_starts(n_starts, x0=x0, bounds=bounds, sampling=sampling, spread=spread, seed=seed)
    runs = [minimize(fun, start, args, method, **options) for start in starts]
    ends, values = np.array([run.x for run in runs]), np.array([run.fun for run in runs])
    minima = distinct(ends, values, [run.success for run in runs], starts, SAME)
    best = runs[minima[0].starts[0] if minima else lowest(values)]
    result = type(best)(best)
    result.update(runs=runs, starts=starts, minima=minima, nfev_total=sum(run.nfev for run in runs))
    return result


def checked_center(center, spread):
    """(center, spread) of "normal"."""
    if center is None or center.ndim != 1 or not np.all(np.isfinite(center)):
        raise ValueError(
            f"sampling='normal' needs x0, a finite vector of shape (n,), as its center; it is {center!r:.100}"
        )
    if spread is None:
        spread = max(1.0, float(np.max(np.abs(center), initial=0.0)))
    if not np.all(np.asarray(spread) > 0.0) or not np.all(np.isfinite(spread)):
        raise ValueError(f"spread={spread!r:.100} must be positive and finite")
    return center, np.asarray(spread, dtype=np.float64)


def checked_bounds(bounds):
    """(low, high) of a box."""
    try:
        pairs = np.array([(float(low), float(high)) for low, high in bounds])
    except (TypeError, ValueError) as error:
        raise TypeError(f"bounds={bounds!r:.100} must be n pairs (low, high) of numbers") from error
    for k, (low, high) in enumerate(pairs):
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(
                f"bounds[{k}]={(low, high)} must be finite with low <= high: starts are drawn from it. Where a "
                "variable has no bounds, give x0 and sampling='normal'"
            )
    return pairs[:, 0], pairs[:, 1]


def lowest(values):
    """The number of the lowest value; nan is above all."""
    return int(np.argmin(np.where(np.isnan(values), np.inf, values)))


def distinct(x, fun, success, starts, xtol):
    """The distinct ends x (B, n) of runs that succeeded, as list of Minimum, the lowest first.

    Two are one where |x - y|_inf <= xtol max(|x|_inf, the widest range of a variable in starts).
    """
    extent = float(np.max(np.ptp(starts, axis=0), initial=0.0))
    groups = []
    for i in (int(i) for i in np.argsort(fun, kind="stable") if success[i]):
        near = xtol * max(extent, float(np.max(np.abs(x[i]), initial=0.0)))
        for group in groups:
            if np.max(np.abs(x[group[0]] - x[i]), initial=0.0) <= near:
                group.append(i)
                break
        else:
            groups.append([i])
    return [Minimum(x[g[0]], float(fun[g[0]]), len(g), np.array(g)) for g in groups]
