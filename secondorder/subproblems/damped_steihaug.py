r"""Truncated conjugate gradients within a radius on a damped model, so that few products do.

Conjugate gradients on B z = -g, B = H + 2 eps I, from z = 0, until

    p'Bp < eps |p|^2                                            negative curvature: p'Hp < -eps |p|^2
    |z| >= delta                                                the boundary
    |B z + g| <= zeta min(|g|, eps |z|) / 2                     a solution
    m steps                                                                                                ([1])

where eps = eps_h M and M is the largest |Hp| / |p| of the step before, or that of the first product where it is larger.
The damped model of a path is above the model by eps |z|^2. What belongs to the steps is kept as in
subproblems.steihaug: a smaller radius costs no product.

References
----------
[1] Curtis, Robinson, Royer, Wright. Trust-region Newton-CG with strong second-order complexity guarantees for nonconvex
    optimization. SIAM J. Optim. 31 (2021) 518-544. doi:10.1137/19M130563X
"""

import math
from typing import NamedTuple

from secondorder.control import product, stopped
from secondorder.jit import loop
from secondorder.linalg.vectors import axpby, axpy, dot, norm_inf, scale
from secondorder.subproblems.radius import blind_radius, first_radius


class Damped(NamedTuple):
    """What a path is: its number of steps, eps, M of its products, and the radius."""

    k: int
    eps: float
    size: float
    delta: float


@loop
def damped_cg(hvp, x, f, g, delta, eps_h, zeta, size, D, path, r, hp, control, data):
    """Fill the path, its directions into the rows of D; size: M of the step before, or 0. Returns the Damped.

    delta = 0: the length of the Cauchy step.
    """
    m = D.shape[0]
    scale(1.0, g, r)
    scale(-1.0, g, D[0])
    rr = gg = dot(g, g)
    zz, zp, pp, model = 0.0, 0.0, rr, 0.0
    eps, own = eps_h * size, 0.0
    for j in range(m):
        product(hvp, x, D[j], hp, control, data)
        longest = math.sqrt(dot(hp, hp) / pp)
        if not math.isfinite(longest):
            if j == 0:  # all that is known is the slope
                path.alpha[0], path.zz[0], path.zp[0], path.pp[0] = math.inf, 0.0, 0.0, pp
                path.slope[0], path.curvature[0], path.model[0] = -rr, 0.0, 0.0
            return Damped(max(j, 1), eps, size, delta if delta > 0.0 else blind_radius(math.sqrt(gg), norm_inf(x), f))
        if j == 0:
            eps = eps_h * max(size, longest)
            if delta == 0.0:
                delta = first_radius(math.sqrt(gg), -dot(g, hp), norm_inf(x), f)
        own = max(own, longest)
        pbp = dot(D[j], hp) + 2.0 * eps * pp
        path.zz[j], path.zp[j], path.pp[j], path.slope[j], path.model[j] = zz, zp, pp, -rr, model
        path.curvature[j], path.alpha[j] = pbp, math.inf
        if not pbp > eps * pp:  # non-strict: H = 0 has no curvature
            return Damped(j + 1, eps, own, delta)
        alpha = rr / pbp
        path.alpha[j] = alpha
        zz += 2.0 * alpha * zp + alpha * alpha * pp
        model -= 0.5 * alpha * rr
        if zz >= delta * delta or j == m - 1 or stopped(control):
            return Damped(j + 1, eps, own, delta)
        axpby(alpha, hp, 1.0, r, r)
        axpy(2.0 * eps * alpha, D[j], r, r)
        rr_new = dot(r, r)
        if not math.sqrt(rr_new) > 0.5 * zeta * min(math.sqrt(gg), eps * math.sqrt(zz)):
            return Damped(j + 1, eps, own, delta)
        beta = rr_new / rr
        axpby(-1.0, r, beta, D[j], D[j + 1])
        zp = beta * (zp + alpha * pp)
        pp = rr_new + beta * beta * pp
        rr = rr_new
    return Damped(m, eps, own, delta)
