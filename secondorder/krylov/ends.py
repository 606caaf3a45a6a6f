"""Why a Krylov method stopped: an integer for compiled code, a name and a sentence for people."""

from typing import NamedTuple

CONVERGED = 0
INVARIANT = 1
LEAST_SQUARES = 2
NONPOSITIVE_CURVATURE = 3
NOT_DEFINITE = 4
MAX_STEPS = 5
NOT_FINITE = 6
STOPPED = 7
ROUNDING = 8


class End(NamedTuple):
    """Did the method do what it was asked for; the end's name, and what it means."""

    success: bool
    name: str
    sentence: str


ENDS = {
    CONVERGED: End(True, "converged", "the tolerance is met"),
    INVARIANT: End(True, "invariant subspace", "the subspace is invariant: what was found in it is exact"),
    LEAST_SQUARES: End(
        True,
        "least squares",
        "A r is so small that no x leaves less of r: the system has no solution, or hardly has one",
    ),
    NONPOSITIVE_CURVATURE: End(
        False, "nonpositive curvature", "a direction p with p'Ap <= 0 was met: the matrix is not positive definite"
    ),
    NOT_DEFINITE: End(False, "preconditioner", "the preconditioner is not positive definite"),
    MAX_STEPS: End(False, "maxiter", "maxiter products were made before the tolerance was met"),
    NOT_FINITE: End(
        False, "not finite", "a product, the right side or the start is nan or infinite, or the start is 0"
    ),
    ROUNDING: End(False, "rounding", "rounding keeps the residual from getting any smaller"),
    STOPPED: End(False, "stopped", "the run was stopped from outside: a signal, the clock or a budget"),
}
