r"""The radius of a trust region: where it starts, the ratio that judges a step, how it follows.

With the model m(s) = f + g's + s'Hs / 2 and pred = f - m(s) > 0 a step is judged by

    rho = (f(x) - f(x + s)) / pred                                                        ([1] algorithm 6.1.1)

and accepted if rho >= eta. Then, with |s| the step's length in the norm of the region,

    delta <- t |s|                  if rho < POOR, t in [SHRINK_MOST, SHRINK_LEAST] the minimizer of the parabola
                                    through f(x), g's and f(x + s)                         ([2] p. 143)
    delta <- max(delta, GROW |s|)   if rho >= GOOD and the step ended at the boundary; LEAP in place of GROW if the
                                    quadratic model told f(x + s) to FAITHFUL: it will hold much farther  ([2] p. 144)

The weight of a cubic model follows the same rule: it is chosen by the length that the step is to have.

Everything is relative: multiplying f or x by a power of two changes no decision. nan fails each test, so that a step to
where f is not finite is rejected and the radius shrinks.

References
----------
[1] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000.
[2] Dennis, Schnabel. Numerical Methods for Unconstrained Optimization. SIAM, 1996. Section 6.4.3.
"""

import math

from secondorder.jit import leaf
from secondorder.precision import EPS

POOR, GOOD = 0.25, 0.75  # [1] section 6.1
SHRINK_MOST, SHRINK_LEAST = 0.1, 0.5  # [2] p. 144
GROW, RELAX = 2.5, 0.2  # the radius, the weight of a cubic term, after a good step
FAITHFUL = 0.01  # |rho - 1|, rho with the quadratic part of the model
LEAP, RELEASE = 100.0, 1e-4  # GROW, RELAX after such a step; CUTEst, 2026-11: quadratic fits take 3 steps, not 8
AT_BOUNDARY = 0.8  # a step of at least this part of the radius was held back by it


@leaf
def blind_radius(gnorm, xnorm, f):
    """Where nothing is known of the curvature: |x|, or what brings f to 0 along -g."""
    if xnorm > 0.0:
        return xnorm
    length = abs(f) / gnorm if gnorm > 0.0 else 0.0
    return length if 0.0 < length < math.inf else 1.0


@leaf
def first_radius(gnorm, ghg, xnorm, f):
    """|Cauchy step| = |g|^3 / |g'Hg|; where there is no curvature, as above."""
    length = gnorm * gnorm / abs(ghg) * gnorm if ghg != 0.0 else math.inf
    return length if 0.0 < length < math.inf else blind_radius(gnorm, xnorm, f)


@leaf
def first_weight(gnorm, ghg, xnorm, f):
    """sigma of a cubic model whose term equals the curvature along g, or the slope, at the first radius."""
    length = first_radius(gnorm, ghg, xnorm, f)
    sigma = abs(ghg) / (gnorm * gnorm) / length
    return sigma if 0.0 < sigma < math.inf else gnorm / (length * length)


@leaf
def shrinking(f, ft, slope):
    """The part of a rejected or poor step that is to become the radius."""
    t = -slope / (2.0 * (ft - f - slope))
    if t > SHRINK_MOST:
        return min(t, SHRINK_LEAST)
    return SHRINK_MOST  # nan, where ft is not finite, comes here


@leaf
def next_radius(delta, length, rho, f, ft, slope, leap, delta_max):
    """The radius after a step of this length from f to ft; leap: LEAP, or GROW where B only approximates H."""
    if not rho >= POOR:
        return shrinking(f, ft, slope) * length
    if rho >= GOOD and length >= AT_BOUNDARY * delta:
        grow = leap if abs(rho - 1.0) <= FAITHFUL else GROW
        return min(max(delta, grow * length), delta_max)
    return delta


@leaf
def relaxed(sigma, rho, pred, length):
    """The weight of the cubic term after a good step of this length, whose model, the term included, promised pred.

    Not below what the rounding of the quadratic part is at this length: it would only come to 0.
    """
    cube = length * length * length
    quadratic = pred + sigma * cube / 3.0
    factor = RELEASE if abs(rho * pred - quadratic) <= FAITHFUL * quadratic else RELAX
    return max(factor * sigma, min(sigma, EPS * quadratic / cube))
