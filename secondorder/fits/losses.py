r"""Loss functions: the cost of residuals r is 1/2 c^2 sum rho((r_i / c)^2), c = f_scale; and how a loss enters a step.

    linear    rho(z) = z
    huber     rho(z) = z                    for z <= 1, else 2 z^(1/2) - 1
    soft_l1   rho(z) = 2 ((1 + z)^(1/2) - 1)
    cauchy    rho(z) = log(1 + z)
    arctan    rho(z) = arctan z
    a function of the user's: loss(z) -> (rho, rho', rho''), each of the length of z

With rho' and rho'' at z_i the cost has gradient J'(rho' r), and the Gauss-Newton matrix of [1] section 4 is
J' diag(rho' + 2 rho'' z) J. So J and r are replaced by w J and rho' r / w, w_i^2 = rho' + 2 rho'' z: a linear least
squares problem again, with the exact gradient of the cost.

Differs from [1] and from scipy: where rho'' is so negative that w_i^2 would be below FLOOR rho', it is FLOOR rho'.
scipy's floor is eps, which multiplies such residuals by 7e7 and costs the step half its digits.

References
----------
[1] Triggs, McLauchlan, Hartley, Fitzgibbon. Bundle adjustment: a modern synthesis. Vision Algorithms: Theory and
    Practice. Springer, 2000. 298-372. doi:10.1007/3-540-44480-7_21
"""

import math
from typing import NamedTuple

from secondorder.control import SCALE
from secondorder.elementary import log1p
from secondorder.jit import LOSS, Reference, caller, inlined, leaf, namedtuple_type
from secondorder.linalg.vectors import copy, dot
from secondorder.precision import TwoPrecisions

LINEAR, HUBER, SOFT_L1, CAUCHY, ARCTAN, CUSTOM = range(6)
LOSSES = {"linear": LINEAR, "huber": HUBER, "soft_l1": SOFT_L1, "cauchy": CAUCHY, "arctan": ARCTAN}

FLOOR = 2.0**-10  # of w^2 in units of rho'
TINY = TwoPrecisions(2.0**-500, 2.0**-100)  # w^2 where rho' = 0: any positive number

_loss_by = caller(LOSS)


class Loss(NamedTuple):
    """A loss as kernels get it."""

    kind: int  # a value of LOSSES, or CUSTOM
    scale: float  # c, positive
    address: int  # of a typed function, where kind is CUSTOM
    data: int  # that it is called with


LOSS_REFERENCE = Reference(namedtuple_type(Loss))


@inlined
def rho(kind, z):
    """(rho, rho', rho'') at z of a loss by number."""
    if kind == HUBER:
        if z <= 1.0:
            return z, 1.0, 0.0
        root = math.sqrt(z)
        return 2.0 * root - 1.0, 1.0 / root, -0.5 / (root * z)
    if kind == SOFT_L1:
        root = math.sqrt(1.0 + z)
        # z / (1 + root) for (root - 1): no digits are lost for small z
        return 2.0 * z / (1.0 + root), 1.0 / root, -0.5 / (root * (1.0 + z))
    if kind == CAUCHY:
        t = 1.0 / (1.0 + z)
        return log1p(z), t, -t * t
    if kind == ARCTAN:
        t = 1.0 / (1.0 + z * z)
        return math.atan(z), t, -2.0 * z * t * t
    return z, 1.0, 0.0


@inlined
def custom(r, c, loss, rows):
    """rows[3] <- z; rows[:3] <- rho, rho', rho'' from the user's function."""
    for i in range(r.shape[0]):
        rows[3, i] = (r[i] / c) ** 2
    _loss_by(loss.address, rows[3], rows[:3], (loss.data, 0))


@leaf
def cost(r, loss, rows, control):
    """1/2 c^2 sum rho((r_i / c)^2). rows (4, m) is scratch of a custom loss."""
    if loss.kind == LINEAR:
        return 0.5 * dot(r, r)
    c = loss.scale * control.values[SCALE]
    total = 0.0
    if loss.kind == CUSTOM:
        custom(r, c, loss, rows)
        for i in range(r.shape[0]):
            total += rows[0, i]
    else:
        for i in range(r.shape[0]):
            z = r[i] / c
            total += rho(loss.kind, z * z)[0]
    return 0.5 * c * c * total


@leaf
def weigh(r, loss, rows, w, q, control):
    """w, q <- the factor of each row of J, and the residuals that go with it. For a linear loss w is left unset."""
    if loss.kind == LINEAR:
        copy(r, q)
        return
    c = loss.scale * control.values[SCALE]
    if loss.kind == CUSTOM:
        custom(r, c, loss, rows)
    for i in range(r.shape[0]):
        z = (r[i] / c) ** 2
        if loss.kind == CUSTOM:
            first, second = rows[1, i], rows[2, i]
        else:
            _, first, second = rho(loss.kind, z)
        square = max(first + 2.0 * second * z, FLOOR * abs(first), TINY)
        w[i] = math.sqrt(square)
        q[i] = r[i] * first / w[i]
