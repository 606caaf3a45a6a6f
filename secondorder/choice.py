"""method="auto": which method for how many variables, given these derivatives. CHOICES is the whole of it."""

from typing import NamedTuple

from secondorder.derivatives.errors import Unsupported
from secondorder.jit import type_of
from secondorder.objective import BY_DIFFERENCES, Objective, exact, library_of, value_of


class Choice(NamedTuple):
    """The first row whose two conditions hold is taken."""

    second: str  # "sparse": hess is given and returns a sparse matrix; "yes": given, or can be generated; "no"
    most: float  # variables, at most
    method: str
    options: dict
    reason: str


# newton and trust-krylov solve the most problems of CUTEst, 2026-11, n <= 121. The bound of 128 itself is not measured.
CHOICES = (
    Choice("sparse", float("inf"), "newton-cg", {"preconditioner": "sparse-lu"}, "Newton's method by sparse factors"),
    Choice("yes", 128, "newton", {}, "a Hessian costs n products, its factorization little beside them"),
    Choice("yes", float("inf"), "trust-krylov", {}, "products only, some tens an iteration"),
    Choice("no", 128, "bfgs", {}, "n^2 numbers are cheap, and it needs the fewest evaluations"),
    Choice("no", float("inf"), "l-bfgs", {}, "a few vectors"),
)


def choose(given, x, args, backend):
    """(name of the method, hess, options) for a start x; hess=None where the method has no use for it."""
    second = second_derivatives(given, x, args, backend)
    row = next(row for row in CHOICES if row.second == second and x.shape[0] <= row.most)
    return row.method, None if second == "no" else given.hess, row.options


def second_derivatives(given, x, args, backend):
    """One of "sparse", "yes" and "no". To see whether hess is sparse it is called once, which nhev doesn't count."""
    if isinstance(given.fun, Objective):
        return "no" if given.fun.hvp is None and given.fun.hess is None else "yes"
    if callable(given.hess):
        return "sparse" if hasattr(given.hess(x.copy(), *args), "tocsc") else "yes"
    if callable(given.hessp):
        return "yes"
    args_type = type_of(args)
    if backend == "python" or library_of(given.fun) or given.hess in BY_DIFFERENCES or args_type is None:
        return "no"
    try:
        exact(value_of(given), args_type)
    except (Unsupported, TypeError, ValueError, OSError):
        return "no"
    return "yes"
