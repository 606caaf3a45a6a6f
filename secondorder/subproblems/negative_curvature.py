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
from secondorder.subproblems.departure import along_curvature, length_of, step_to
from secondorder.subproblems.least_curvature import coin, random_direction

RESOLUTION = 2.0**-13  # delta: curvatures below -delta |H| are found but for a small probability
WARM_UP = 16  # gradients; L that is too small shows later, but for coincidences
STEPS = 1500  # gradients; some ln(n / probability) / sqrt(delta) are needed
GOOD = 0.5  # residual of a direction that is followed, relative to its curvature


class Departure(NamedTuple):
    """What an escape did, and what it found where nothing was known of H."""

    tried: int  # directions or perturbations; negative: x was left
    least: float  # curvature along the direction in work[4]; nan: unknown
    error: float  # |H v - least v|
    norm: float  # |H| from below


class Quotient(NamedTuple):
    """u'Hu / |u|^2, |Hu - c u| / |u|, the largest |Hu| / |u| so far, and whether that has just grown."""

    c: float
    error: float
    norm: float
    grew: bool


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
def follow(fun_grad, x, f, q, leaving, tolerance, seed, stream, work, control, data):
    """The Departure along work[4], with the curvature of q, if that is negative."""
    g, xt, gt, v = work[0], work[1], work[2], work[4]
    scale(1.0 / math.sqrt(dot(v, v)), v, v)
    if not (leaving and q.c < -tolerance * q.norm) or stopped(control):
        return Departure(0, q.c, q.error, q.norm)
    sign = coin(seed, 1000 * stream + 500)
    alpha, ft = along_curvature(fun_grad, x, f, g, q.c, v, sign, xt, gt, control, data)
    if alpha == 0.0:
        return Departure(1, q.c, q.error, q.norm)
    step_to(x, f, g, alpha, ft, v, xt, control)
    return Departure(-1, q.c, q.error, q.norm)
