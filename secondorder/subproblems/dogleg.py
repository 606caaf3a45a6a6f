r"""Dogleg steps: a path of straight legs from 0 over the Cauchy point to the Newton point, up to the radius.

With B = H + tau I positive definite (subproblems.definite), n = -B^{-1} g and the Cauchy point c = -(g'g / g'Bg) g:

    single   0, c, n                                                                            ([1], [3] section 4.1)
    double   0, c, eta n, n,   eta = 0.2 + 0.8 (g'g)^2 / (g'Bg g'B^{-1}g)                         ([2] section 6.4.2)

|s| grows along the path and the model of B falls, so the step is where the path leaves the radius, or its end. Where H
is not safely positive definite, tau > 0, the model of H falls on along n behind the Newton point: the path goes there,
to the minimizer of that model along n or the radius; and the Cauchy step of H is taken where it promises more. So

    g's + s'Hs / 2 <= -1/2 |g| min(delta, |g| / |H|)   always.

Every step is a combination a g + b n: another radius costs no more than that.

References
----------
[1] Powell. A new algorithm for unconstrained optimization. In: Nonlinear Programming. Academic Press, 1970, 31-65.
[2] Dennis, Schnabel. Numerical Methods for Unconstrained Optimization. SIAM, 1996.
[3] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006.
"""

import math
from typing import NamedTuple

from secondorder.jit import leaf
from secondorder.linalg.vectors import dot
from secondorder.subproblems.spectrum import along
from secondorder.subproblems.steihaug import to_boundary

SHORTEN = 0.8  # how far the double dogleg moves its second corner from the Newton point; [2] (6.4.11)


class Plane(NamedTuple):
    """All that is needed of g and n, and of H, where (H + tau I) n = -g."""

    gg: float
    ghg: float
    gn: float
    nn: float
    tau: float  # nan: there is no n


class Step(NamedTuple):
    """The step a g + b n: the decrease of the model of H, and |s|."""

    a: float
    b: float
    pred: float
    length: float


@leaf
def plane_of(H, g, n, tau):
    """The Plane of g and n."""
    if math.isnan(tau):
        return Plane(dot(g, g), along(H, g), 0.0, 0.0, tau)
    return Plane(dot(g, g), along(H, g), dot(g, n), dot(n, n), tau)


@leaf
def measured(p, a, b):
    """The Step a g + b n; Hg'n and n'Hn follow from H n = -g - tau n."""
    ghn, nhn = -p.gg - p.tau * p.gn, -p.gn - p.tau * p.nn
    pred = -(a * p.gg + b * p.gn) - 0.5 * (a * a * p.ghg + 2.0 * a * b * ghn + b * b * nhn)
    return Step(a, b, pred, math.sqrt(max(a * a * p.gg + 2.0 * a * b * p.gn + b * b * p.nn, 0.0)))


@leaf
def cauchy_step(p, delta):
    """The minimizer of the model of H along -g within delta; where g'Hg isn't finite H counts as 0."""
    gnorm, ghg = math.sqrt(p.gg), p.ghg if math.isfinite(p.ghg) else 0.0
    a = delta / gnorm
    if ghg > 0.0:
        a = min(a, p.gg / ghg)
    return Step(-a, 0.0, a * p.gg - 0.5 * a * a * ghg, a * gnorm)


@leaf
def second_leg(p, first, eta, delta):
    """(a, b) where the leg from -first g to eta n leaves the radius."""
    zz = first * first * p.gg
    zp = -first * eta * p.gn - zz
    pp = eta * eta * p.nn + 2.0 * eta * first * p.gn + zz
    t = to_boundary(zz, zp, pp, delta)
    t = t if t < 1.0 else 1.0  # also where rounding makes nothing of pp
    return -(1.0 - t) * first, t * eta


@leaf
def dogleg(p, delta, double):
    """The step within delta."""
    cauchy = cauchy_step(p, delta)
    if not p.tau >= 0.0:
        return cauchy
    newton, first = math.sqrt(p.nn), p.gg / (p.ghg + p.tau * p.gg)
    eta = (1.0 - SHORTEN) + SHORTEN * first * (p.gg / -p.gn) if double else 1.0
    a, b = 0.0, 1.0
    if newton <= delta:
        if p.tau > 0.0:
            nhn = -p.gn - p.tau * p.nn
            b = delta / newton
            if nhn > 0.0:
                b = min(b, -p.gn / nhn)
    elif first * math.sqrt(p.gg) >= delta:
        a, b = -delta / math.sqrt(p.gg), 0.0
    elif eta * newton <= delta:
        b = delta / newton
    else:
        a, b = second_leg(p, first, eta, delta)
    step = measured(p, a, b)
    return step if step.pred >= cauchy.pred or p.tau == 0.0 else cauchy
