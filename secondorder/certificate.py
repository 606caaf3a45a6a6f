"""What kind of point is this? certify and classify, for any point of any objective.

Both are runs of a method that stays where it is: so an objective may have every form that it has for `minimize`.
"""

import math
from typing import NamedTuple

import numpy as np

from secondorder.control import GNORM, N_ITER, F, stopping_test
from secondorder.minimize import minimize, start_vector
from secondorder.result import Certificate
from secondorder.status import GTOL, NOT_FINITE_START, Outcome
from secondorder.subproblems.least_curvature import N_VECTORS

MATRIX = 200  # n up to which all eigenvalues are found: n products and some 6 n^3 operations, 20 ms at 200
PRODUCTS = 100  # of Lanczos beyond
STATIONARY = 2.0**-26  # |g|_inf <= this |H| max(1, |x|_inf): so near is a stationary point, where H is regular


class Options(NamedTuple):
    """A method that stays where it is has one option, since a tuple has to have one."""

    unused: int = 0  # any number


class WithMatrix:
    """The method that stays, where H is made."""

    NEEDS, SEARCH, Options, EXACT = ("grad", "hess"), None, Options, MATRIX

    @staticmethod
    def n_work(n, options):
        """Rows of length n in `work`."""
        return N_VECTORS + 2 * n

    @staticmethod
    def n_memory(n, options):
        """Length of `memory`."""
        return 1

    @staticmethod
    def solve(fun, fun_grad, hess, search, search_options, options, x, work, memory, control, data):
        """Stay at x."""
        f = control.values[F]
        stopping_test(f, work[0], control)
        reason = GTOL if math.isfinite(f) else NOT_FINITE_START
        return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])


class WithProducts(WithMatrix):
    """The method that stays, where H is known by its products."""

    NEEDS, STEPS = ("grad", "hvp"), PRODUCTS

    @staticmethod
    def n_work(n, options):
        """Rows of length n in `work`."""
        return N_VECTORS + 1 + min(n, PRODUCTS)


def certify(fun, x, args=(), *, jac=None, hess=None, hessp=None, gtol=None, curvature=2.0**-26, seed=0):
    """The least curvature of a function at a point, how sure that is, and what kind of point it makes it.

    Parameters
    ----------
    fun, args, jac, hess, hessp
        As in `minimize`; second derivatives are generated, or differences of gradients, where they aren't given.
    x : array_like, shape (n,)
        The point.
    gtol : float, optional
        x is stationary if |g|_inf <= gtol. Default: 1.5e-8 |H| max(1, |x|_inf).
    curvature : float
        Eigenvalues below -curvature |H| count as negative. Nothing here but the default of gtol depends on the units of
        f or x.
    seed : int
        Of the random start, for n > 200.

    Returns
    -------
    Certificate
        For n <= 200 from all eigenvalues, which costs a Hessian; beyond from Lanczos, at most 100 Hessian products.

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong, and where f or its gradient is nan or infinite at x.

    Examples
    --------
    >>> import secondorder as so
    >>> def horse(x):
    ...     return x[0] ** 2 - x[1] ** 2
    >>> certificate = so.certify(horse, [0.0, 0.0])
    >>> certificate.verdict, certificate.lambda_min, certificate.index
    ('saddle', -2.0, 1)
    >>> certificate.direction.tolist()
    [0.0, 1.0]
    """
    x = point(x)
    if gtol is not None and not gtol >= 0.0:
        raise ValueError(f"gtol={gtol!r} must be at least 0")
    result = minimize(
        fun,
        x,
        args,
        WithMatrix if x.size <= MATRIX else WithProducts,
        jac,
        hess,
        hessp,
        options={"curvature": curvature, "seed": seed},
        second_order="certify",
    )
    found = result.certificate
    if found is None:
        raise ValueError(f"f or its gradient is nan or infinite at x: f(x) = {result.fun}")
    size = max(1.0, float(np.max(np.abs(x), initial=0.0)))
    threshold = STATIONARY * found.norm * size if gtol is None else gtol
    return found._replace(verdict="not stationary") if result.optimality > threshold else found


def point(x):
    """A private copy of x, shape (n,), n >= 1."""
    if np.ndim(x) > 1:
        raise ValueError(f"x has shape {np.shape(x)}; a point is a vector of shape (n,): use x.ravel()")
    x = start_vector(x)
    if x.size == 0:
        raise ValueError("x is empty: without variables there are no eigenvalues")
    return x


def classify(fun, x, args=(), **options):
    """What kind of point x is.

    Parameters
    ----------
    fun, x, args, **options
        As in `certify`.

    Returns
    -------
    str
        "minimum", "maximum", "saddle", "degenerate" (H is flat in a direction and higher derivatives decide, as at the
        monkey saddle), "not stationary", or "unknown" where H is not finite.

    Examples
    --------
    >>> import secondorder as so
    >>> so.classify(lambda x: x[0] ** 3 - 3.0 * x[0] * x[1] ** 2, [0.0, 0.0])
    'degenerate'
    >>> so.classify(lambda x: x[0] ** 2 + x[1] ** 2, [0.0, 1.0])
    'not stationary'
    """
    return certify(fun, x, args, **options).verdict


__all__ = ["Certificate", "certify", "classify"]
