r"""Escape along negative curvature, from second derivatives: exact eigenvectors, or Lanczos on Hessian products.

At x, with the direction v of the least curvature (subproblems.least_curvature):

    1.  strict saddle   both signs of v, by a line search                                  (subproblems.departure, [1])
    2.  degenerate      both signs of v, then of random directions of the null space of H, for a value below what a
                        convex f can have: of third or higher order, or far away
    3.                  then perturbations along v, from which gradients lead: for points that are a minimum along
                        every line and yet no minimum                                     (subproblems.perturbation)

References
----------
[1] More, Sorensen. On the use of directions of negative curvature in a modified Newton method. Mathematical
    Programming 16 (1979) 1-20. doi:10.1007/BF01582091
"""

import math

from secondorder.control import stopped
from secondorder.jit import leaf, loop
from secondorder.linalg.vectors import axpy, dot, scale
from secondorder.subproblems.departure import along_curvature, along_flatness, length_of, step_to
from secondorder.subproblems.least_curvature import EXACT, N_VECTORS, coin, random_direction
from secondorder.subproblems.perturbation import descend_from, step_there

NEEDS = "second derivatives"
N_WORK = N_VECTORS

DIRECTIONS = 3  # tried at a degenerate point
BENT, BENT_STEPS = (0.125, 0.015625), 50  # perturbations in units of x at a degenerate point, and gradients from each


@leaf
def null_direction(found, floor, seed, stream, work, v):
    """v <- a random unit vector of the null space of H, as far as it is known; False: there is but one."""
    n = v.shape[0]
    if found.bound != EXACT:
        return False
    w, c, H = work[4], work[5], work[N_VECTORS : N_VECTORS + n]
    random_direction(seed, stream, c)
    scale(0.0, c, v)
    count = 0
    for i in range(n):
        if abs(w[i]) <= floor * found.norm:
            axpy(c[i], H[i], v, v)
            count += 1
    size = math.sqrt(dot(v, v))
    if count < 2 or not size > 0.0:
        return False
    scale(1.0 / size, v, v)
    return True


@loop
def bent(fun_grad, x, f, v, tried, seed, stream, work, control, data):
    """Step 3. Returns `tried` with these, negative where x was left."""
    for k in range(2 * len(BENT)):
        if stopped(control):
            break
        sign = coin(seed, 1000 * stream + 750) * (1.0 if k % 2 == 0 else -1.0)
        scale(sign * BENT[k // 2] * length_of(x, control), v, work[5])
        tried += 1
        lower, ft = descend_from(fun_grad, x, f, BENT_STEPS, 0.0, work, control, data)
        if lower:
            step_there(x, f, ft, work, control)
            return -tried
    return tried


@loop
def leave(fun_grad, found, strict, tolerance, floor, noise, x, f, seed, stream, work, control, data):
    """x <- a lower point along the curvature that was found."""
    g, xt, gt, v = work[0], work[1], work[2], work[3]
    tried, alpha, ft = 0, 0.0, f
    for k in range(1 if strict else DIRECTIONS):
        if k > 0 and not null_direction(found, floor, seed, 1000 * stream + k, work, v):
            break
        tried += 1
        sign = coin(seed, 1000 * stream + 500 + k)
        if strict:
            alpha, ft = along_curvature(fun_grad, x, f, g, found.least, v, sign, xt, gt, control, data)
        else:
            alpha, ft = along_flatness(fun_grad, x, f, g, v, sign, xt, gt, control, data)
        if alpha != 0.0 or stopped(control):
            break
    if alpha != 0.0:
        step_to(x, f, g, alpha, ft, v, xt, control)
        tried = -tried
    elif not strict:
        tried = bent(fun_grad, x, f, v, tried, seed, stream, work, control, data)
    return tried
