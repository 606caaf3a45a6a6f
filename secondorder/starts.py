"""Random restarts: local minimization from many starts, and which minima they end at. SAMPLINGS is the table of ways to
draw starts; the low-discrepancy ones are scipy.stats.qmc's."""

import math

import numpy as np

from secondorder.minimize import minimize
from secondorder.options import lookup

SAME = 1e-4  # ends count as one minimum at this distance, relative to the spread of the starts or to x


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


def random_starts(
    fun, x0=None, args=(), *, bounds=None, sampling=None, n_starts=20, spread=None, seed=0, method=None, **options
):
    """Minimize from many starts, and report the lowest end and the distinct minima.

    Local minimization with a chance for the global minimum: no more is promised.

    Parameters
    ----------
    fun, args, method
        As in `minimize`. All runs share one compiled objective.
    x0 : array_like, shape (n,) or (k, n), optional
        The center of "normal"; or k starts of one's own, then nothing is drawn.
    bounds : sequence of (low, high), optional
        n finite pairs, where starts are drawn by "box", "latin-hypercube" and "sobol". Runs may leave them: they are no
        constraints.
    sampling : {"box", "normal", "latin-hypercube", "sobol"}, optional
        How starts are drawn; the last two fill the box more evenly than independent numbers [1]_. Default:
        "latin-hypercube" with bounds, "normal" with x0.
    n_starts : int
        Number of starts, at least 1.
    spread : float or array_like, shape (n,), optional
        Standard deviation of "normal", in units of x; default max(1, |x0|_inf).
    seed : int
        Of the starts. The same seed gives the same starts, whatever the method.
    **options
        Further arguments of `minimize`: jac, hess, tol, options, second_order, ...

    Returns
    -------
    OptimizeResult
        The run with the lowest f, of those that succeeded if any did, with further fields: ``runs``, the results of all
        starts in order; ``starts``, shape (n_starts, n); ``minima``, the successful runs with distinct ends, the lowest
        first; ``nfev_total``, evaluations of f of all runs.

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong, before anything is evaluated, and as `minimize`.

    References
    ----------
    .. [1] McKay, Beckman, Conover. A comparison of three methods for selecting values of input variables in the
       analysis of output from a computer code. Technometrics 21 (1979) 239-245. doi:10.1080/00401706.1979.10489755

    Examples
    --------
    >>> import secondorder as so
    >>> def wells(x):
    ...     return (x[0] ** 2 - 1.0) ** 2 + 0.3 * x[0] + x[1] ** 2
    >>> found = so.random_starts(wells, bounds=[(-2.0, 2.0), (-2.0, 2.0)], sampling="sobol", n_starts=8)
    >>> round(float(found.x[0]), 2), [round(run.fun, 3) for run in found.minima]
    (-1.04, [-0.305, 0.294])
    """
    starts = drawn(x0, bounds, sampling, n_starts, spread, seed)
    runs = [minimize(fun, start, args, method, **options) for start in starts]
    ended = [run for run in runs if run.success]
    best = min(ended or runs, key=lambda run: (math.isnan(run.fun), run.fun))
    result = type(best)(best)
    result.update(runs=runs, starts=starts, minima=distinct(ended, starts), nfev_total=sum(run.nfev for run in runs))
    return result


def drawn(x0, bounds, sampling, n_starts, spread, seed):
    """The starts, shape (n_starts, n); every error of an argument is raised here."""
    center = None if x0 is None else np.array(x0, dtype=np.float64)
    if center is not None and center.ndim == 2:
        if bounds is not None or sampling is not None:
            raise ValueError(f"x0 of shape {center.shape} is {len(center)} starts; bounds and sampling draw others")
        return center
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


def distinct(runs, starts):
    """Of runs with the same end the first, the lowest f first."""
    extent = float(np.max(np.ptp(starts, axis=0), initial=0.0)) if len(starts) > 1 else 0.0
    kept = []
    for run in sorted(runs, key=lambda run: run.fun):
        size = max(extent, float(np.max(np.abs(run.x), initial=0.0)))
        if all(np.max(np.abs(run.x - other.x), initial=0.0) > SAME * size for other in kept):
            kept.append(run)
    return kept
