r"""Hessian-free optimization after Martens: damped Gauss-Newton steps by conjugate gradients, for many variables.

Minimise 1/2 sum rho((r_i / c)^2) c^2, r: R^n -> R^m. With J, r weighted by the loss, D = 1 / x_scale or an estimate
of the norms of the columns of J at x (`products.estimate_scaling`: the preconditioner of [3], where the damping is in
its units too), A = J D^-1, a = A'r, m(p) = a'p + 1/2 |A p|^2 and phi(p) = m(p) + lam/2 |p|^2:

    1.  stop if |J'r|_inf <= max(gtol, grtol |g(x0)|_inf)
    2.  CG on phi from p = warm times the last p, as in `gauss_newton_cg`, until after i > k steps, k = max(10, i / 10),
            phi(p_i) < 0  and  (phi(p_i) - phi(p_{i-k})) / phi(p_i) < k progress           ([1] section 4.4)
        p_i is kept at i = ceil(1.3^j), and the last                                        ([1] section 4.6)
    3.  back from the last p kept, for as long as the cost at x + D^-1 p falls
    4.  rho = (cost(x) - cost(xt)) / -m(p);  lam *= 3/2 if rho < 1/4, 2/3 if rho > 3/4   ([1] section 4.1)
    5.  p *= 4/5 until cost(xt) <= cost(x) + 1/100 a'p, at most 60 times;  x <- xt           ([2] section 8.8)
        if there is no such point, lam *= 4 and p = 0

Differs from [1]: variables are scaled by D, so that lam has no units and starts at 1; rho is that of the p chosen.

Cost of an iteration: products with J' for g and D, one with J and one with J' for each CG step and one more, and two r
or more.
Memory: 30 vectors of length n, 10 of length m.

References
----------
[1] Martens. Deep learning via Hessian-free optimization. ICML 2010. 735-742.
[2] Martens, Sutskever. Training deep and recurrent networks with Hessian-free optimization. Neural Networks: Tricks of
    the Trade, 2nd ed. Springer, 2012. 479-535. doi:10.1007/978-3-642-35289-8_27
[3] Chapelle, Erhan. Improved preconditioner for Hessian free optimization. NIPS workshop on deep learning, 2011.
"""

import math
from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, stopped, stopping_test
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
from secondorder.fits.trial import RESOLUTION, X_RESOLUTION, failure, move_by, residuals, scaled_norm
from secondorder.jit import leaf, loop
from secondorder.linalg.vectors import axpby, axpy, copy, dot, norm_inf, scale
from secondorder.status import RUNNING, Outcome

NEEDS = ("products",)
RUN = {}

# Rows of work, (n,) each, behind g; then the iterates of CG that are kept
XT, P, SCALING, S, DIRECTION, GT, V, A = range(1, 9)
KEPT = 9
# Rows of fit, (m,) each, behind those of `products`; AD also has the residuals of the best trial
U, AD = N_PRODUCTS, N_PRODUCTS + 1
N_RESIDUALS = N_PRODUCTS + 2
# Entries of memory; then phi of the kept iterates, and of the last CG steps
FIXED, LAMBDA, PREDICTED, SLOPE = range(4)
PHI_KEPT = 4
MOST_KEPT = 21  # 20 different ceil(1.3^j) <= 250, and the last
PHI = PHI_KEPT + MOST_KEPT
MOST_STEPS = 250  # of CG; [1]
N_MEMORY = PHI + MOST_STEPS + 1

GROWTH = 1.3  # [1]
RAISE, LOWER, REFUSED = 1.5, 2.0 / 3.0, 4.0
ARMIJO, SHRINK, TRIALS = 1e-2, 0.8, 60  # [2]


class Options(NamedTuple):
    """Options of Hessian-free optimization."""

    lambda0: float = 1.0  # first damping, positive, in units of the diagonal of J'J
    progress: float = 5e-4  # CG stops at this relative progress a step, at least 0; [1]
    warm: float = 0.95  # CG starts at this part of the last step, in [0, 1); [2]
    probes: int = 4  # products with J' for D, at least 0 (D = I); as Gauss-Newton with CG


def n_work(n, options):
    """Rows of length n in `work`."""
    return KEPT + MOST_KEPT


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
def keep(count, phi, work, memory):
    """Keep work[P] as iterate number count; returns how many there are."""
    copy(work[P], work[KEPT + count])
    memory[PHI_KEPT + count] = phi
    return count + 1


@leaf
def enough_progress(i, progress, memory):
    """Is CG to stop after step i?"""
    k = max(10, i // 10)
    if i <= k:
        return False
    phi = memory[PHI + i]
    return phi < 0.0 and (phi - memory[PHI + i - k]) / phi < k * progress


@loop
def descend_model(jvp, vjp, x, loss, options, work, fit, memory, control, data):
    """2. Returns how many iterates were kept."""
    g, p, scaling, s, d, v, a = work[G], work[P], work[SCALING], work[S], work[DIRECTION], work[V], work[A]
    u, ad, lam = fit[U], fit[AD], memory[LAMBDA]
    unscale(g, scaling, a)
    scale(options.warm, p, p)
    unscale(p, scaling, v)
    times(jvp, x, v, loss, fit, ad, control, data)
    axpby(-1.0, fit[Q], -1.0, ad, u)
    times_transpose(vjp, x, u, loss, fit, v, control, data)
    unscale(v, scaling, s)
    axpy(-lam, p, s, s)
    copy(s, d)
    square, count, mark, i, phi = dot(s, s), 0, 1.0, 0, 0.5 * (dot(a, p) - dot(s, p))
    memory[PHI] = phi
    while i < MOST_STEPS and square > 0.0 and not stopped(control):
        i += 1
        unscale(d, scaling, v)
        times(jvp, x, v, loss, fit, ad, control, data)
        alpha = square / (dot(ad, ad) + lam * dot(d, d))
        axpy(alpha, d, p, p)
        axpy(-alpha, ad, u, u)
        times_transpose(vjp, x, u, loss, fit, v, control, data)
        unscale(v, scaling, s)
        axpy(-lam, p, s, s)
        lower = 0.5 * (dot(a, p) - dot(s, p))
        if not lower < phi:  # s is nothing but rounding errors; on these CG would go astray
            axpy(-alpha, d, p, p)
            break
        memory[PHI + i] = phi = lower
        if enough_progress(i, options.progress, memory):
            break
        if math.ceil(mark) == i:
            count = keep(count, phi, work, memory)
            while math.ceil(mark) <= i:
                mark *= GROWTH
        before, square = square, dot(s, s)
        axpby(1.0, s, square / before, d, d)
    return keep(count, phi, work, memory)


@loop
def value_at(residual, x, k, rate, loss, work, fit, control, data):
    """Cost at x + rate D^-1 p, p the kept iterate k; work[XT], fit[RT] are that point and its residuals."""
    v, xt = work[V], work[XT]
    scale(rate, work[KEPT + k], v)
    move_by(x, v, work[SCALING], xt)
    residuals(residual, xt, fit[RT], control, data)
    return cost(fit[RT], loss, fit[RHO : RHO + 4], control)


@loop
def choose(residual, x, f, count, loss, work, fit, memory, control, data):
    """3 and 4. Returns (the iterate chosen, cost there); fit[AD] are its residuals."""
    best = count - 1
    ft = value_at(residual, x, best, 1.0, loss, work, fit, control, data)
    copy(fit[RT], fit[AD])
    while best > 0 and not stopped(control):
        nearer = value_at(residual, x, best - 1, 1.0, loss, work, fit, control, data)
        if not (nearer < ft or not math.isfinite(ft)):
            break
        ft = nearer
        copy(fit[RT], fit[AD])
        best -= 1
    p = work[KEPT + best]
    memory[SLOPE] = dot(work[A], p)
    memory[PREDICTED] = 0.5 * memory[LAMBDA] * dot(p, p) - memory[PHI_KEPT + best]
    if f - ft > 0.75 * memory[PREDICTED]:
        memory[LAMBDA] *= LOWER
    elif not f - ft >= 0.25 * memory[PREDICTED]:
        memory[LAMBDA] *= RAISE
    return best, ft


@loop
def advance(residual, vjp, x, f, count, loss, work, fit, memory, control, data):
    """3 to 5. Returns (was a step taken, cost, reason); x, r and g are moved if it was."""
    best, ft = choose(residual, x, f, count, loss, work, fit, memory, control, data)
    slope, rate, predicted = memory[SLOPE], 1.0, memory[PREDICTED]
    copy(fit[AD], fit[RT])
    for _ in range(TRIALS):
        if ft <= f + ARMIJO * rate * slope or not slope < 0.0 or stopped(control):
            break
        rate *= SHRINK
        ft = value_at(residual, x, best, rate, loss, work, fit, control, data)
    taken = slope < 0.0 and ft < f and ft <= f + ARMIJO * rate * slope
    if taken:
        scale(rate, work[KEPT + best], work[V])
        move_by(x, work[V], work[SCALING], work[XT])
        if not math.isfinite(gradient(vjp, work[XT], fit[RT], loss, fit, work[GT], control, data)):
            ft, taken = math.nan, False
            reweigh(fit[R], loss, fit, control)
    if not taken:
        noise = RESOLUTION * f + X_RESOLUTION * math.sqrt(2.0 * f) * scaled_norm(work[SCALING], x)
        if memory[FIXED] != 0.0:  # D has units of its own
            noise = RESOLUTION * f + X_RESOLUTION * control.values[GNORM] * norm_inf(x)
        memory[LAMBDA] *= REFUSED
        scale(0.0, work[A], work[P])
        return False, f, failure(f, ft, predicted, predicted, noise, True, control)
    copy(fit[RT], fit[R])
    copy(work[GT], work[G])
    accept(x, f, work[XT], ft, rate, slope, control)
    return True, ft, RUNNING


def solve(residual, jacobian, jvp, vjp, loss, options, x, work, fit, memory, control, data):
    """Minimise from x (n,), in place; on entry fit[R] are the residuals at x and control.values[F] is the cost."""
    g, p, scaling = work[G], work[P], work[SCALING]
    f = control.values[F]
    begin(vjp, x, loss, work, fit, control, data)
    memory[LAMBDA] = options.lambda0
    for j in range(x.shape[0]):
        p[j] = 0.0
        if memory[FIXED] == 0.0:
            scaling[j] = 1.0
    fresh = memory[FIXED] != 0.0
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        if not fresh:
            unscale(p, scaling, p)
            estimate_scaling(vjp, x, options.probes, loss, fit, scaling, work[V], control, data)
            for j in range(x.shape[0]):
                p[j] *= scaling[j]
        count = descend_model(jvp, vjp, x, loss, options, work, fit, memory, control, data)  # 2
        taken, f, reason = advance(residual, vjp, x, f, count, loss, work, fit, memory, control, data)  # 3, 4, 5
        fresh = memory[FIXED] != 0.0 or not taken
        if taken:
            reason = stopping_test(f, g, control)  # 1
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
