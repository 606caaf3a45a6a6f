r"""Gauss-Newton with conjugate gradients: least squares from products J v and J'u alone.

Minimise 1/2 sum rho((r_i / c)^2) c^2, r: R^n -> R^m. With J, r weighted by the loss, and D = 1 / x_scale, or an
estimate of the norms of the columns of J at x0 from a few products with J' (`products.estimate_scaling`, [5]):

    1.  g = J'r;  stop if |g|_inf <= max(gtol, grtol |g(x0)|_inf)
    2.  p = 0, u = -r, s = d = -D^-1 g;  then for min |A p + r|, A = J D^-1, CG in the form of [1]:
            v = A d;  alpha = |s|^2 / |v|^2
            if |p + alpha d| >= delta, go to the boundary along d and leave               ([2])
            p += alpha d;  u -= alpha v;  s' = A'u
            leave if |s'| <= eta |D^-1 g|,  eta = min(eta_max, (|g| / |g(x0)|)^(1/2))      ([3] section 7.1)
            d = s' + (|s'| / |s|)^2 d
    3.  xt = x + D^-1 p;  rho = (cost(x) - cost(xt)) / (m(0) - m(p))
    4.  delta shrinks or grows as in Levenberg-Marquardt
    5.  x <- xt if rho >= 1e-4; else p is shortened to the new delta and 3 again, without new products ([4]);
        where no length will do, D is estimated anew at x once, and delta with it

This form of CG keeps the residual of the linear problem, not of J'J p = -g, and so loses half as many digits. It runs
on vectors of length m, and needs neither J nor J'J.

Cost of an iteration: one product with J' for g, one with J and one with J' for each CG step, one r for each trial.
Memory: 8 vectors of length n, 10 of length m.

References
----------
[1] Hestenes, Stiefel. Methods of conjugate gradients for solving linear systems. J. Res. NBS 49 (1952) 409-436. Section
    10: CGLS.
[2] Steihaug. The conjugate gradient method and trust regions in large scale optimization. SIAM J. Numer. Anal. 20
    (1983) 626-637. doi:10.1137/0720042
[3] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006.
[4] Nocedal, Yuan. Combining trust region and line search techniques. Advances in Nonlinear Programming, 1998. 153-175.
    doi:10.1007/978-1-4613-3335-7_7
[5] Bekas, Kokiopoulou, Saad. An estimator for the diagonal of a matrix. Applied Numerical Mathematics 57 (2007)
    1214-1229. doi:10.1016/j.apnum.2007.01.003
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, START_GNORM, F, accept, stopping_test
from secondorder.fits.losses import cost
from secondorder.fits.products import (
    N_PRODUCTS,
    RHO,
    RT,
    G,
    Q,
    R,
    begin,
    estimate_scaling,
    gradient,
    reweigh,
    times,
    times_transpose,
    unscale,
)
from secondorder.fits.trial import (
    ACCEPT,
    RESOLUTION,
    X_RESOLUTION,
    failure,
    move_by,
    next_radius,
    residuals,
    scaled_norm,
)
from secondorder.jit import leaf, loop
from secondorder.linalg.vectors import axpby, axpy, copy, dot, norm_inf, scale
from secondorder.status import NO_DECREASE, ROUNDING, RUNNING, Outcome

NEEDS = ("products",)
RUN = {}

# Rows of work, (n,) each, behind g
XT, P, SCALING, S, DIRECTION, GT, V = range(1, 8)
N_VECTORS = 8
# Rows of fit, (m,) each, behind those of `products`
U, AD = N_PRODUCTS, N_PRODUCTS + 1
N_RESIDUALS = N_PRODUCTS + 2
# Entries of memory
FIXED, DELTA, PREDICTED, SLOPE, LONGEST, SIZE = range(6)
N_MEMORY = 6

FLAT = 2.0**-52  # |A d| / |d| below this part of the largest yet seen counts as 0


class Options(NamedTuple):
    """Options of Gauss-Newton with CG."""

    eta_max: float = 0.5  # least accuracy of CG, in (0, 1); [3] section 7.1
    cg_steps: int = 0  # most CG steps in an iteration, at least 0; 0: max(2 min(m, n), 50)
    probes: int = 4  # products with J' for D, at least 0 (D = I); CG needs D to a factor of 2 or so
    factor: float = 1.0  # first radius in units of |D x0|, positive; as Levenberg-Marquardt


def n_work(n, options):
    """Rows of length n in `work`."""
    return N_VECTORS


def n_fit(n, options):
    """Rows of length m in `fit`."""
    return N_RESIDUALS


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY


def criteria(options, memory):
    """None but the run's."""
    return ()


def result_fields(work, fit, memory, cost, factor, known):
    """Nothing: there is no J."""
    return {}


@leaf
def to_boundary(p, d, delta):
    """t >= 0 with |p + t d| = delta, for |p| <= delta; the root without cancellation."""
    a, b, c = dot(d, d), dot(p, d), dot(p, p) - delta * delta
    root = math.sqrt(max(0.0, b * b - a * c))
    return -c / (b + root) if b > 0.0 else (root - b) / a


@loop
def step(jvp, vjp, x, loss, options, work, fit, memory, control, data):
    """work[P] <- the step of 2, and memory <- what the model says of it."""
    g, p, scaling, s, d, v = work[G], work[P], work[SCALING], work[S], work[DIRECTION], work[V]
    u, ad, delta, n = fit[U], fit[AD], memory[DELTA], x.shape[0]
    steps = options.cg_steps if options.cg_steps > 0 else max(2 * min(n, u.shape[0]), 50)
    unscale(g, scaling, s)
    scale(-1.0, s, s)
    copy(s, d)
    for j in range(n):
        p[j] = 0.0
    scale(-1.0, fit[Q], u)
    square = dot(s, s)
    eta = min(options.eta_max, math.sqrt(control.values[GNORM] / control.values[START_GNORM]))
    enough = eta * eta * square
    memory[PREDICTED], memory[LONGEST], memory[SLOPE] = 0.0, 0.0, 0.0
    for _ in range(steps):
        unscale(d, scaling, v)
        times(jvp, x, v, loss, fit, ad, control, data)
        curvature, dd = dot(ad, ad), dot(d, d)
        memory[LONGEST] = max(memory[LONGEST], curvature / dd)
        flat = not curvature > FLAT * FLAT * memory[LONGEST] * dd
        alpha = math.inf if flat else square / curvature
        left = to_boundary(p, d, delta) if delta < math.inf else math.inf
        if not alpha < left:
            if left < math.inf:
                axpy(left, d, p, p)
                memory[PREDICTED] += left * (square - 0.5 * left * curvature)
            break
        axpy(alpha, d, p, p)
        axpy(-alpha, ad, u, u)
        memory[PREDICTED] += 0.5 * alpha * square
        times_transpose(vjp, x, u, loss, fit, v, control, data)
        unscale(v, scaling, s)
        before, square = square, dot(s, s)
        # what rounding leaves of s: on that CG would go astray
        if not square > max(enough, FLAT * FLAT * memory[LONGEST] * dot(u, u)):
            break
        axpby(1.0, s, square / before, d, d)
    memory[SIZE] = math.sqrt(dot(p, p))
    for j in range(n):
        memory[SLOPE] += g[j] / scaling[j] * p[j]


@leaf
def shorten(work, memory):
    """The step, shortened to the radius, and what the model says of it."""
    t = memory[DELTA] / memory[SIZE]
    if not t < 1.0:
        return
    curvature = -memory[SLOPE] - memory[PREDICTED]  # 1/2 |A p|^2
    scale(t, work[P], work[P])
    memory[PREDICTED] = -t * memory[SLOPE] - t * t * curvature
    memory[SLOPE] *= t
    memory[SIZE] *= t


@leaf
def first_radius(options, scaling, x):
    """factor |D x|; infinite at 0."""
    size = scaled_norm(scaling, x)
    return options.factor * size if size > 0.0 else math.inf


@loop
def advance(residual, vjp, x, f, promised, loss, work, fit, memory, control, data):
    """Steps 3 to 5: try work[P]. Returns (was it taken, cost, reason); x, r and g are moved if it was."""
    xt, rt, gt = work[XT], fit[RT], work[GT]
    if control.counts[N_ITER] == 0:
        memory[DELTA] = min(memory[DELTA], memory[SIZE])
    ft, predicted = f, memory[PREDICTED]
    moved = move_by(x, work[P], work[SCALING], xt)
    if moved:
        residuals(residual, xt, rt, control, data)
        ft = cost(rt, loss, fit[RHO : RHO + 4], control)
    memory[DELTA] = next_radius(memory[DELTA], memory[SIZE], f, ft, predicted, memory[SLOPE])
    taken = ft < f and f - ft >= ACCEPT * predicted
    if taken and not math.isfinite(gradient(vjp, xt, rt, loss, fit, gt, control, data)):
        memory[DELTA], ft, taken = 0.25 * memory[SIZE], math.nan, False
        reweigh(fit[R], loss, fit, control)
    if not taken:
        if memory[FIXED] == 0.0:  # D is in the units of J
            noise = RESOLUTION * f + X_RESOLUTION * math.sqrt(2.0 * f) * scaled_norm(work[SCALING], x)
        else:
            noise = RESOLUTION * f + X_RESOLUTION * control.values[GNORM] * norm_inf(x)
        shorten(work, memory)
        return False, f, failure(f, ft, predicted, promised, noise, moved, control)
    copy(rt, fit[R])
    copy(gt, work[G])
    accept(x, f, xt, ft, 1.0, memory[SLOPE], control)
    return True, ft, RUNNING


def solve(residual, jacobian, jvp, vjp, loss, options, x, work, fit, memory, control, data):
    """Minimise from x (n,), in place; on entry fit[R] are the residuals at x and control.values[F] is the cost."""
    scaling = work[SCALING]
    f = control.values[F]
    begin(vjp, x, loss, work, fit, control, data)
    if memory[FIXED] == 0.0:
        estimate_scaling(vjp, x, options.probes, loss, fit, scaling, work[V], control, data)
    memory[DELTA] = first_radius(options, scaling, x)
    fresh = True
    reason = stopping_test(f, work[G], control)
    while reason == RUNNING:
        step(jvp, vjp, x, loss, options, work, fit, memory, control, data)  # 2
        promised, taken = memory[PREDICTED], False
        while reason == RUNNING and not taken:
            taken, f, reason = advance(residual, vjp, x, f, promised, loss, work, fit, memory, control, data)  # 3, 4, 5
        if taken:
            fresh = memory[FIXED] != 0.0
            reason = stopping_test(f, work[G], control)  # 1
        elif not fresh and reason in (ROUNDING, NO_DECREASE):
            fresh, reason = True, RUNNING
            estimate_scaling(vjp, x, options.probes, loss, fit, scaling, work[V], control, data)
            memory[DELTA] = first_radius(options, scaling, x)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
