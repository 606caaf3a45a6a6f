"""Initial-step rules: the first step length that a line search tries. One function a rule; INITIAL_STEPS is their
table.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 3.5.
[2] Hager, Zhang. Algorithm 851: CG_DESCENT. ACM TOMS 32 (2006) 113-137. doi:10.1145/1132973.1132979
[3] Barzilai, Borwein. Two-point step size gradient methods. IMA J. Numer. Anal. 8 (1988) 141-148.
    doi:10.1093/imanum/8.1.141
[4] Birgin, Martinez, Raydan. Nonmonotone spectral projected gradient methods. SIAM J. Optim. 10 (2000) 1196-1211.
"""

import math

from secondorder.control import value
from secondorder.jit import leaf, loop, seldom
from secondorder.linalg.vectors import axpy, norm_inf
from secondorder.line_searches.memory import ALPHA_LAST, CAUTIOUS, F_LAST, SEARCHES, SLOPE_LAST, SS, SY, YY

UNIT, SLOPE_RATIO, QUADRATIC, HAGER_ZHANG, BARZILAI_BORWEIN, CONSTANT = 0, 1, 2, 3, 4, 5

INITIAL_STEPS = {
    "unit": UNIT,  # 1, after a scaled first step: Newton and quasi-Newton methods; min(1, quadratic) where these ask
    "slope-ratio": SLOPE_RATIO,  # the same first-order change as last time; [1] p. 59
    "quadratic": QUADRATIC,  # minimizer of the quadratic through f_k-1, f_k and the slope; [1] eq. 3.60
    "hager-zhang": HAGER_ZHANG,  # one more f near the last step, and a quadratic through it; [2] I0-I2
    "barzilai-borwein": BARZILAI_BORWEIN,  # s's/s'y and s'y/y'y in turn; [3], bounds of [4]
    "constant": CONSTANT,  # options.alpha
}


# psi_0 of [2], which has 0.01: so short a step teaches quasi-Newton methods the largest curvature and no other.
# CUTEst, 2026-11: 0.3 takes a tenth fewer evaluations than 0.01 (l-bfgs, geometric mean), 1 solves fewer problems
PSI_0 = 0.3
PSI_0_SPECTRAL = 0.01  # searches that need no curvature also accept a step far beyond the minimum; [2]


@seldom
def first(x, f, g, d, slope, psi):
    """Step of the first iteration, invariant to the scale of x and of f; [2] I0."""
    gnorm, xnorm, dnorm = norm_inf(g), norm_inf(x), norm_inf(d)
    if xnorm > 0.0:
        return psi * xnorm / dnorm
    if f != 0.0 and math.isfinite(f / slope):
        return psi * abs(f / slope)
    return 1.0 / max(gnorm, dnorm)


@leaf
def slope_ratio(memory, slope):
    """alpha_k-1 slope_k-1 / slope_k."""
    return memory[ALPHA_LAST] * memory[SLOPE_LAST] / slope


@leaf
def quadratic(memory, f, slope):
    """2 (f_k - f_k-1) / slope_k, at most ten times the last step; the last step where f did not fall."""
    alpha = 1.01 * 2.0 * (f - memory[F_LAST]) / slope
    if 0.0 < alpha <= 10.0 * memory[ALPHA_LAST]:
        return alpha
    return memory[ALPHA_LAST]


@seldom
def hager_zhang(fun, x, f, d, slope, xt, memory, control, data):
    """[2] I1, I2: a convex quadratic through f, slope and one more value near the last step; else twice that step."""
    trial = 0.1 * memory[ALPHA_LAST]
    axpy(trial, d, x, xt)
    ft = value(fun, xt, control, data)
    curvature = 2.0 * ((ft - f) / trial - slope) / trial
    if ft <= f and curvature > 0.0:
        return -slope / curvature
    return 2.0 * memory[ALPHA_LAST]


@leaf
def barzilai_borwein(memory):
    """The long and the short step in turn; the longest where the curvature along s is not positive; [4]."""
    if not memory[SY] > 0.0:
        return 10.0 * memory[ALPHA_LAST]
    if int(memory[SEARCHES]) % 2 == 1:
        return memory[SS] / memory[SY]
    return memory[SY] / memory[YY]


@loop
def initial_step(fun, x, f, g, d, slope, xt, memory, options, control, data):
    """The first trial step length along d, positive and finite. xt is scratch."""
    rule = options.initial
    if rule == CONSTANT:
        return options.alpha
    psi = PSI_0_SPECTRAL if rule == BARZILAI_BORWEIN else PSI_0
    if memory[SEARCHES] == 0.0:
        return first(x, f, g, d, slope, psi)
    alpha = 1.0
    if rule == SLOPE_RATIO:
        alpha = slope_ratio(memory, slope)
    elif rule == QUADRATIC:
        alpha = quadratic(memory, f, slope)
    elif rule == HAGER_ZHANG:
        alpha = hager_zhang(fun, x, f, d, slope, xt, memory, control, data)
    elif rule == BARZILAI_BORWEIN:
        alpha = barzilai_borwein(memory)
    elif memory[CAUTIOUS] != 0.0:
        alpha = 2.02 * (f - memory[F_LAST]) / slope  # as in `quadratic`
        alpha = min(1.0, alpha) if alpha > 0.0 else 1.0
    if 0.0 < alpha < math.inf:
        return min(alpha, options.alpha_max)
    return first(x, f, g, d, slope, psi)
