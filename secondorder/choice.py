"""method="auto": which method for how many variables, given these derivatives. CHOICES is the whole of it."""

from typing import NamedTuple

from secondorder.derivatives.errors import Unsupported
from secondorder.objective import BY_DIFFERENCES, Objective, exact, library_of, value_of


class Choice(NamedTuple):
    """The first row whose two conditions hold is taken."""

    second: bool  # second derivatives are given, or can be generated
    most: float  # variables, at most
    method: str
    reason: str


# Bounds by time on this package's problems and robustness on CUTEst, 2026-11
CHOICES = (
    Choice(True, 128, "newton", "a Hessian costs n products, its factorization little beside them"),
    Choice(True, float("inf"), "trust-krylov", "products only, some tens an iteration"),
    Choice(False, 128, "bfgs", "n^2 numbers are cheap, and it needs the fewest evaluations"),
    Choice(False, float("inf"), "l-bfgs", "a few vectors"),
)


def choose(given, args_type, n, backend):
    """Name of the method for n variables."""
    second = has_second_derivatives(given, args_type, backend)
    return next(row.method for row in CHOICES if row.second == second and n <= row.most)


def has_second_derivatives(given, args_type, backend):
    """Are second derivatives given, or can they be generated?"""
    if isinstance(given.fun, Objective):
        return given.fun.hvp is not None or given.fun.hess is not None
    if callable(given.hess) or callable(given.hessp):
        return True
    if backend == "python" or library_of(given.fun) or given.hess in BY_DIFFERENCES or args_type is None:
        return False
    try:
        exact(value_of(given), args_type)
    except (Unsupported, TypeError, ValueError, OSError):
        return False
    return True
