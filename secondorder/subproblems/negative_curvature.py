r"""Directions of negative curvature from gradients alone: what the power method and its accelerations have in common.

For u small, (grad f(x + u) - grad f(x)) is H u, but for the third derivative, of order |u|, and rounding, of order
eps / |u|. All iterations here are linear in u: its length is brought back to that of the first, which is chosen where
both are small. With c = u'Hu / |u|^2 and L the largest |Hu| / |u| so far,

    WARM_UP power steps on H come first, for a first L that is at least half of |H|; then
    c < -tolerance L, and |Hu - c u| <= GOOD |c| |u|      ends an iteration: u is a direction to follow
    |Hu| > L |u|                                          begins it anew from u, with the L that is seen now
"""

import math
from typing import NamedTuple

from secondorder.control import stopped, value_and_gradient
from secondorder.jit import leaf, loop
from secondorder.linalg.vectors import axpy, dot, scale
from secondorder.subproblems.departure import along_curvature, along_flatness, length_of, step_to
from secondorder.subproblems.least_curvature import coin, random_direction

RESOLUTION = 2.0**-13  # delta: curvatures below -delta |H| are found but for a small probability
WARM_UP = 16  # gradients; L that is too small shows later, but for coincidences
STEPS = 1500  # gradients; some ln(n / probability) / sqrt(delta) are needed
RESOLVED = 4.0  # curvatures below this times h are negative beyond the errors of differences
GOOD = 0.5  # residual of a direction that is followed, relative to its curvature


class Quotient(NamedTuple):
    """u'Hu / |u|^2, |Hu - c u| / |u|, the largest |Hu| / |u| so far, and whether that has just grown."""

    c: float
    error: float
    norm: float
    grew: bool


@leaf
def difference_length(noise):
    """h, relative to x: where the third derivative and rounding weigh alike, for gradients with this relative error."""
    return 16.0 * math.sqrt(noise)


@leaf
def first_vector(x, h, seed, stream, u, control):
    """u <- a random direction, as long as h in each variable's share. Returns its length."""
    random_direction(seed, stream, u)
    length = h * length_of(x, control) * math.sqrt(float(x.shape[0]))
    scale(length / math.sqrt(dot(u, u)), u, u)
    return length


@loop
def quotient(fun_grad, x, g, u, norm, xt, hu, control, data):
    """The Quotient at u, hu <- H u; norm: the largest so far."""
    axpy(1.0, u, x, xt)
    value_and_gradient(fun_grad, xt, hu, control, data)
    axpy(-1.0, g, hu, hu)
    uu = dot(u, u)
    c, size = dot(u, hu) / uu, math.sqrt(dot(hu, hu) / uu)
    error = math.sqrt(max(size * size - c * c, 0.0))
    return Quotient(c, error, size if size > norm else norm, size > norm)


@loop
def first_norm(fun_grad, x, g, h, seed, stream, xt, hu, u, control, data):
    """|H| from below, by the power method. u is scratch."""
    length = first_vector(x, h, seed, stream, u, control)
    q = Quotient(math.nan, math.nan, 0.0, True)
    for _ in range(WARM_UP):
        q = quotient(fun_grad, x, g, u, q.norm, xt, hu, control, data)
        if not 0.0 < q.norm < math.inf or stopped(control):
            break
        size = math.sqrt(dot(hu, hu))
        if not size > 0.0:
            break
        scale(length / size, hu, u)
    return q.norm


@loop
def follow(fun_grad, x, f, q, tolerance, seed, stream, work, control, data):
    """Leave x along work[4], which the iterations ended with: as its curvature in q says, or as a flat direction."""
    g, xt, gt, v = work[0], work[1], work[2], work[4]
    if stopped(control):
        return 0
    scale(1.0 / math.sqrt(dot(v, v)), v, v)
    sign = coin(seed, 1000 * stream + 500)
    if q.c < -tolerance * q.norm:
        alpha, ft = along_curvature(fun_grad, x, f, g, q.c, v, sign, xt, gt, control, data)
    else:
        alpha, ft = along_flatness(fun_grad, x, f, g, v, sign, xt, gt, control, data)
    if alpha == 0.0:
        return 1
    step_to(x, f, g, alpha, ft, v, xt, control)
    return -1
