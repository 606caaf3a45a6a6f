r"""Levenberg-Marquardt: Gauss-Newton steps within a trust region, after More.

Minimise 1/2 sum rho((r_i / c)^2) c^2, r: R^n -> R^m. With J, r weighted by the loss, and D a scaling (`fits.model`):

    1.  J at x;  A = J D^-1;  A P = Q R
    2.  stop if |Q'r| <= otol sqrt(2 cost), or by a criterion of the run
    3.  p(lam) = -argmin |A p + r|^2 + lam |p|^2, from R by rotations           ([1] section 3)
        lam = 0 if |p(0)| <= 1.1 delta, else |p(lam)| = delta to 10 %, by
        Newton's iteration on 1 / delta - 1 / |p(lam)| between bounds              ([1] algorithm 5.5)
    4.  xt = x + D^-1 p;  rho = (cost(x) - cost(xt)) / (m(0) - m(p))
    5.  rho < 1/4: delta shrinks, to where a parabola has its least value;
        rho > 3/4: delta = 2 |p|                                                 ([1] section 7)
    6.  x <- xt if rho >= 1e-4; else 3 again, with the same R

Nothing but a finite lower cost with a finite Jacobian is accepted, so a nan shortens the step. R of deficient rank is
no obstacle: p(0) is then the basic solution.

Cost of an iteration: one Jacobian, 2 m n^2 multiplications, and for each trial one r and some n^3 multiplications.
Memory: n + 12 vectors of length n, 2 n + 8 of length m.

References
----------
[1] More. The Levenberg-Marquardt algorithm: implementation and theory. Lecture Notes in Mathematics 630 (1978) 105-116.
    doi:10.1007/BFb0067700
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F
from secondorder.fits.model import (
    DELTA,
    DIAGONAL,
    LAMBDA,
    N_MEMORY,
    N_RESIDUALS,
    N_VECTORS,
    NEWTON,
    PIVOTS,
    RANK,
    ROW,
    SCALING,  # noqa: F401 - with criteria and result_fields part of the skeleton
    P,
    Q,
    Y,
    Z,
    advance,
    begin,
    criteria,  # noqa: F401
    finish,
    reduce,
    result_fields,  # noqa: F401
    stopping_test,
)
from secondorder.jit import leaf
from secondorder.linalg.householder import damp, inverse_size, solve_damped, solve_lower
from secondorder.linalg.vectors import dot, scale
from secondorder.precision import EPS, roundings
from secondorder.status import RUNNING, Outcome

NEEDS = ("jacobian",)
RUN = {"grtol": 0.0}
TRIALS = 10  # of lam, as in MINPACK; two or three do


class Options(NamedTuple):
    """Options of Levenberg-Marquardt."""

    otol: float = roundings(power=0.5)  # stop when |Q'r| <= otol sqrt(2 cost), at least 0; sqrt(eps)
    rtol: float = EPS  # stop when sqrt(2 cost) <= rtol times that at x0, at least 0; eps
    factor: float = 1.0  # first radius in units of |D x0|, positive; NIST, 2026-11: 0.1..10 fit all, MINPACK's 100 not


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS + n


def n_fit(n, options):
    """Rows of length m in `fit`."""
    return N_RESIDUALS + 2 * n


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY


@leaf
def damped_step(delta, lam, work, A, q, rank):
    """work[P] <- the step of step 3; returns its lam. `lam` is that of the step before."""
    n = work.shape[1]
    newton, p, z, y, row = work[NEWTON], work[P], work[Z], work[Y], work[ROW]
    diagonal, pivots, S = work[DIAGONAL], work[PIVOTS], work[N_VECTORS : N_VECTORS + n]
    size = math.sqrt(dot(newton, newton))
    if size <= 1.1 * delta:
        scale(-1.0, newton, p)
        return 0.0
    low = 0.0
    if rank == n:
        solve_lower(A, diagonal, pivots, newton, z)
        low = (size - delta) / delta * size * size / dot(z, z)
    square = 0.0
    for j in range(n):  # |R'Q'r| = |A'r|
        t = diagonal[j] * q[j] if j < q.shape[0] else 0.0
        for i in range(min(j, q.shape[0])):
            t += A[j, i] * q[i]
        square += t * t
    high = math.sqrt(square) / delta
    lam = min(max(lam, low), high)
    if lam == 0.0:
        lam = math.sqrt(square) / size
    for _ in range(TRIALS):
        if lam == 0.0:
            lam = 0.001 * high
        damp(A, diagonal, q, math.sqrt(lam), S, row, y)
        length = solve_damped(S, y, pivots, z, p)
        excess = length - delta
        if abs(excess) <= 0.1 * delta:
            break
        if excess > 0.0:
            low = max(low, lam)
        else:
            high = min(high, lam)
        change = length / inverse_size(S, z, row)
        lam = min(max(low, lam + excess / delta * change * change), high)
    scale(-1.0, p, p)
    return lam


def solve(residual, jacobian, jvp, vjp, loss, options, x, work, fit, memory, control, data):
    """Minimise from x (n,), in place; on entry fit[R] are the residuals at x and control.values[F] is the cost."""
    n = x.shape[0]
    A, q = fit[N_RESIDUALS + n : N_RESIDUALS + 2 * n], fit[Q]
    f = control.values[F]
    gnorm = begin(jacobian, x, f, options.factor, loss, work, fit, memory, control, data)
    reason = stopping_test(f, gnorm, options, memory, control)
    while reason == RUNNING:
        memory[LAMBDA] = damped_step(memory[DELTA], memory[LAMBDA], work, A, q, int(memory[RANK]))  # 3
        taken, f, reason = advance(residual, jacobian, x, f, loss, work, fit, memory, control, data)  # 4, 5, 6
        if taken:
            gnorm = reduce(f, loss, work, fit, memory, control)  # 1
            reason = stopping_test(f, gnorm, options, memory, control)  # 2
    finish(jacobian, x, f, loss, work, fit, memory, control, data)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
