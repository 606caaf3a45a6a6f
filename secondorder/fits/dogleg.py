r"""Dogleg: from the Cauchy point to the Gauss-Newton step, within a trust region, after Powell.

Minimise 1/2 sum rho((r_i / c)^2) c^2, r: R^n -> R^m. With J, r weighted by the loss, and D a scaling (`fits.model`):

    1.  J at x;  A = J D^-1;  A P = Q R
    2.  stop if |Q'r| <= otol sqrt(2 cost), or by a criterion of the run
    3.  p_N = -argmin |A p + r|,  p_C = -(|a|^2 / |A a|^2) a  with a = A'r
        p = p_N if |p_N| <= delta;  -delta a / |a| if |p_C| >= delta;
        else p_C + t (p_N - p_C), 0 < t < 1, with |p| = delta                          ([2] section 4.1)
    4.  xt = x + D^-1 p;  rho = (cost(x) - cost(xt)) / (m(0) - m(p))
    5.  delta shrinks or grows as in Levenberg-Marquardt
    6.  x <- xt if rho >= 1e-4; else 3 again, with the same R

A step takes n^2 multiplications where that of Levenberg-Marquardt takes n^3 some times over; it is a worse step.

Cost of an iteration: one Jacobian, 2 m n^2 multiplications, and for each trial one r and some n^2 multiplications.
Memory: n + 12 vectors of length n, 2 n + 8 of length m.

References
----------
[1] Powell. A hybrid method for nonlinear equations. Numerical Methods for Nonlinear Algebraic Equations, ed.
    Rabinowitz. Gordon and Breach, 1970. 87-114.
[2] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 4.1.
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F
from secondorder.fits.model import (
    DELTA,
    DIAGONAL,
    N_MEMORY,
    N_RESIDUALS,
    N_VECTORS,
    NEWTON,
    PIVOTS,
    ROW,
    SCALING,  # noqa: F401 - with criteria and result_fields part of the skeleton
    D,
    G,
    P,
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
from secondorder.linalg.householder import multiply_upper
from secondorder.linalg.vectors import axpby, dot, scale
from secondorder.precision import EPS, roundings
from secondorder.status import RUNNING, Outcome

NEEDS = ("jacobian",)
RUN = {"grtol": 0.0}


class Options(NamedTuple):
    """Options of the dogleg method."""

    otol: float = roundings(power=0.5)  # stop when |Q'r| <= otol sqrt(2 cost), at least 0; sqrt(eps)
    rtol: float = EPS  # stop when sqrt(2 cost) <= rtol times that at x0, at least 0; eps
    factor: float = 1.0  # first radius in units of |D x0|, positive; as Levenberg-Marquardt


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
def dogleg_step(delta, work, A):
    """work[P] <- the step of step 3."""
    newton, p, z, a, g, d = work[NEWTON], work[P], work[Z], work[ROW], work[G], work[D]
    if math.sqrt(dot(newton, newton)) <= delta:
        scale(-1.0, newton, p)
        return
    for j in range(p.shape[0]):
        a[j] = g[j] / d[j] if d[j] > 0.0 else 0.0
    multiply_upper(A, work[DIAGONAL], work[PIVOTS], a, z)
    square, curvature = dot(a, a), dot(z, z)
    length = math.sqrt(square)
    cauchy = square / curvature
    if not cauchy * length < delta:
        scale(-delta / length, a, p)
        return
    # |p_C + t (p_N - p_C)| = delta, the root without cancellation
    axpby(-1.0, newton, cauchy, a, z)
    aa, ab, bb = dot(z, z), -cauchy * dot(a, z), cauchy * cauchy * square - delta * delta
    root = math.sqrt(max(0.0, ab * ab - aa * bb))
    t = -bb / (ab + root) if ab > 0.0 else (root - ab) / aa
    axpby(-cauchy, a, t, z, p)


def solve(residual, jacobian, jvp, vjp, loss, options, x, work, fit, memory, control, data):
    """Minimise from x (n,), in place; on entry fit[R] are the residuals at x and control.values[F] is the cost."""
    n = x.shape[0]
    A = fit[N_RESIDUALS + n : N_RESIDUALS + 2 * n]
    f = control.values[F]
    gnorm = begin(jacobian, x, f, options.factor, loss, work, fit, memory, control, data)
    reason = stopping_test(f, gnorm, options, memory, control)
    while reason == RUNNING:
        dogleg_step(memory[DELTA], work, A)  # 3
        taken, f, reason = advance(residual, jacobian, x, f, loss, work, fit, memory, control, data)  # 4, 5, 6
        if taken:
            gnorm = reduce(f, loss, work, fit, memory, control)  # 1
            reason = stopping_test(f, gnorm, options, memory, control)  # 2
    finish(jacobian, x, f, loss, work, fit, memory, control, data)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
