r"""Escape by random search: lower points in random directions, the baseline that the others have to beat.

    1.  v uniform on the sphere; both signs at lengths from a few sizes of x on down        (subproblems.departure)
    2.  the first point below what a convex f can have is kept, and doubled while f falls; else again, TRIES times

The odds of a direction fall with the number of variables and with the index of the saddle; a minimum costs all tries.

References
----------
[1] Solis, Wets. Minimization by random search techniques. Math. Oper. Res. 6 (1981) 19-30. doi:10.1287/moor.6.1.19
"""

import math

from secondorder.control import stopped
from secondorder.jit import loop
from secondorder.linalg.vectors import dot, scale
from secondorder.subproblems.departure import along_flatness, step_to
from secondorder.subproblems.least_curvature import coin, random_direction

NEEDS = "gradients"
N_WORK = 5

TRIES = 50  # directions: up to 500 evaluations


@loop
def leave(fun_grad, found, strict, tolerance, floor, noise, x, f, seed, stream, work, control, data):
    """x <- a lower point in a random direction."""
    g, xt, gt, v = work[0], work[1], work[2], work[4]
    tried = 0
    for k in range(TRIES):
        if stopped(control):
            break
        tried += 1
        random_direction(seed, 1000 * stream + k, v)
        scale(1.0 / math.sqrt(dot(v, v)), v, v)
        sign = coin(seed, 1000 * stream + 500 + k)
        alpha, ft = along_flatness(fun_grad, x, f, g, v, sign, xt, gt, control, data)
        if alpha != 0.0:
            step_to(x, f, g, alpha, ft, v, xt, control)
            tried = -tried
            break
    return tried
