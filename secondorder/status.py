"""Why a solve stopped: an integer for compiled code, a status and a sentence for people.

A kernel returns a *reason*; many reasons share one *status*. Statuses 0 to 3 and 99 are scipy's.
"""

from typing import NamedTuple

# Statuses, as in OptimizeResult.status; success means CONVERGED and nothing else.
CONVERGED = 0
BUDGET = 1
STALLED = 2
NOT_FINITE = 3
UNBOUNDED = 4
TIME_LIMIT = 5
EVALUATION_ERROR = 6
CANCELLED = 98
CALLBACK = 99
INTERRUPTED = 130

# Reasons: what kernels return. RUNNING is the only one that is not an end.
RUNNING = -1
GTOL = 0
XTOL = 1
FTOL = 2
PRECISION = 3
OTOL = 4
RTOL = 5
MAXITER = 10
MAXFEV = 11
NO_DECREASE = 20
NO_DESCENT = 21
ROUNDING = 22
SADDLE = 23
UNCERTIFIED = 24
SHRUNK = 25
NOT_FINITE_START = 30
NOT_FINITE_STEP = 31
BELOW_FMIN = 40
TIME = 50
RAISED = 60
CANCEL = 98
STOP_ITERATION = 99
SIGNAL = 130


class Reason(NamedTuple):
    """A reason's status, its name in `result.reason`, and the sentence in `result.message`."""

    status: int
    name: str
    sentence: str


REASONS = {
    GTOL: Reason(CONVERGED, "gtol", "the gradient norm is at or below its tolerance"),
    XTOL: Reason(CONVERGED, "xtol", "the last step was at or below xtol, as asked"),
    FTOL: Reason(CONVERGED, "ftol", "the last decrease of f was at or below ftol, as asked"),
    OTOL: Reason(
        CONVERGED,
        "otol",
        "the residuals are orthogonal to the range of the Jacobian within otol: their linear model has no lower cost",
    ),
    RTOL: Reason(CONVERGED, "rtol", "the residuals have fallen to rtol times what they were at x0: the fit is exact"),
    PRECISION: Reason(
        CONVERGED,
        "precision",
        "f is at its rounding floor: the decrease still expected is below what float64 resolves at this value of f "
        "(no tolerance was given)",
    ),
    MAXITER: Reason(BUDGET, "maxiter", "maxiter iterations were done before a tolerance was met"),
    MAXFEV: Reason(BUDGET, "maxfev", "maxfev evaluations were spent before a tolerance was met"),
    NO_DECREASE: Reason(
        STALLED,
        "no decrease",
        "the line search found no lower point, also along the negative gradient: the gradient may be wrong "
        "(compare it with jac='3-point'), or f may be noisy or not smooth here",
    ),
    SHRUNK: Reason(
        STALLED,
        "no decrease",
        "the region in which the model of f is trusted has shrunk to nothing, and no lower point was in it: the "
        "gradient may be wrong (compare it with jac='3-point'), or f may be noisy or not smooth here",
    ),
    NO_DESCENT: Reason(
        STALLED,
        "no descent",
        "the slope along the negative gradient is zero or not finite: the gradient under- or overflows; rescale f or x",
    ),
    ROUNDING: Reason(
        STALLED,
        "precision",
        "f is at its rounding floor before the gradient tolerance is met: the decrease still expected is below what "
        "float64 resolves at this value of f; x is as good as float64 allows, or subtract a constant from f",
    ),
    SADDLE: Reason(
        STALLED,
        "saddle",
        "the gradient is small, but x is a saddle point or a maximum: the certificate has a direction in which f falls",
    ),
    UNCERTIFIED: Reason(
        STALLED,
        "not certified",
        "the gradient is small, but what kind of point x is could not be told: second derivatives are not finite, or "
        "maxfev leaves no evaluations for them (second_order=False asks for a small gradient alone)",
    ),
    NOT_FINITE_START: Reason(NOT_FINITE, "not finite at x0", "f or its gradient is nan or infinite at x0"),
    NOT_FINITE_STEP: Reason(
        NOT_FINITE, "not finite", "f or its gradient is nan or infinite at every point tried along the step"
    ),
    BELOW_FMIN: Reason(UNBOUNDED, "unbounded", "f fell below fmin: it seems to be unbounded below"),
    TIME: Reason(TIME_LIMIT, "time limit", "time_limit seconds have passed"),
    RAISED: Reason(EVALUATION_ERROR, "exception", "the user's function raised an exception"),
    CANCEL: Reason(CANCELLED, "cancelled", "the run was cancelled from another thread"),
    STOP_ITERATION: Reason(CALLBACK, "callback", "the callback raised StopIteration"),
    SIGNAL: Reason(INTERRUPTED, "interrupted", "the run was interrupted (Ctrl-C)"),
}


class Outcome(NamedTuple):
    """What a kernel returns; everything else is in the control block of the call."""

    reason: int
    f: float
    gnorm: float
    n_iter: int
