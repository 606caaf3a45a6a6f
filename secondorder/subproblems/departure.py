r"""Steps from a stationary point that is no minimum: along a direction v of curvature lambda = v'Hv < 0, or along any
direction.

    strict saddle       both signs at alpha, from the size of x on, or where f shows it, down by quarters until
                            f(x + alpha v) <= f - C |lambda| alpha^2 / 2                            (after [1])
                        then the lower sign, doubled while f falls. Where both fall alike a seeded coin decides
    any direction       both signs at alpha, from a few sizes of x on down by eighths. A convex f keeps above
                            f(x) - alpha |g'v|,
                        so a value clearly below shows that x is no minimum of a convex piece; then doubled as above

Nothing is compared below the rounding of f. No step has a unit: lengths are those of x, or of the last step where that
is larger; only from x = 0 without a step the first length is 1.

References
----------
[1] More, Sorensen. On the use of directions of negative curvature in a modified Newton method. Mathematical
    Programming 16 (1979) 1-20. doi:10.1007/BF01582091
"""

import math

from secondorder.control import F_MIN, N_ESCAPE, N_ITER, STEP, accept, stopped, value_and_gradient
from secondorder.jit import inlined, leaf, loop
from secondorder.linalg.vectors import axpy, dot, norm_inf
from secondorder.precision import roundings

NOISE = roundings(100.0)  # of f, relative: as methods.step has it
VISIBLE = 2.0**12  # a first step promises so many times the rounding of f
C = 0.25  # of the decrease that the curvature promises, in (0, 1)
ALIKE = 1e-6  # decreases that differ by less, relative, count as the same
SHRINK, MAX_SHRINKS, MAX_DOUBLINGS = 0.25, 40, 100
FIRST_LENGTH, LENGTHS, SHORTER = 4.0, 5, 0.125  # at a degenerate point


@leaf
def length_of(x, control):
    """The unit of lengths at x."""
    size = norm_inf(x)
    if control.counts[N_ITER] > 0:
        size = max(size, control.values[STEP])
    return size if size > 0.0 else 1.0


@inlined
def trial(fun_grad, x, alpha, v, xt, gt, control, data):
    """f(x + alpha v)."""
    axpy(alpha, v, x, xt)
    return value_and_gradient(fun_grad, xt, gt, control, data)


@loop
def farther(fun_grad, x, alpha, ft, v, xt, gt, control, data):
    """(alpha, f) after doubling alpha while f falls."""
    for _ in range(MAX_DOUBLINGS):
        if stopped(control) or ft <= control.values[F_MIN]:
            break
        value = trial(fun_grad, x, 2.0 * alpha, v, xt, gt, control, data)
        if not value < ft:
            break
        alpha, ft = 2.0 * alpha, value
    return alpha, ft


@loop
def both_signs(fun_grad, x, f, g, alpha, v, gain, sign, xt, gt, control, data):
    """(signed alpha, f) of the lower of two trials if it is below f by `gain` and rounding, else (0, f).

    sign: which to take where both fall alike.
    """
    first = trial(fun_grad, x, sign * alpha, v, xt, gt, control, data)
    second = math.inf
    if not stopped(control):
        second = trial(fun_grad, x, -sign * alpha, v, xt, gt, control, data)
    enough = f - max(gain, NOISE * abs(f))
    if second < first - ALIKE * abs(f - first) or not (first < f and first <= enough):
        if second < f and second <= enough:
            return -sign * alpha, second
        return 0.0, f
    return sign * alpha, first


@loop
def along_curvature(fun_grad, x, f, g, lam, v, sign, xt, gt, control, data):
    """(signed alpha, f) of a step from a strict saddle; (0, f): none was found."""
    alpha = max(length_of(x, control) * SHRINK, math.sqrt(VISIBLE * NOISE * abs(f) / abs(lam)))
    for _ in range(MAX_SHRINKS):
        promised = 0.5 * abs(lam) * alpha * alpha
        found, ft = both_signs(fun_grad, x, f, g, alpha, v, C * promised, sign, xt, gt, control, data)
        if found != 0.0:
            return farther(fun_grad, x, found, ft, v, xt, gt, control, data)
        if stopped(control) or promised <= NOISE * abs(f):
            break
        alpha *= SHRINK
    return 0.0, f


@loop
def along_flatness(fun_grad, x, f, g, v, sign, xt, gt, control, data):
    """(signed alpha, f) of a step that a convex f can't have; (0, f): none was found."""
    alpha = FIRST_LENGTH * length_of(x, control)
    slope = abs(dot(g, v))
    for _ in range(LENGTHS):
        # twice what convexity allows: g has rounding errors too
        found, ft = both_signs(fun_grad, x, f, g, alpha, v, 2.0 * alpha * slope, sign, xt, gt, control, data)
        if found != 0.0:
            return farther(fun_grad, x, found, ft, v, xt, gt, control, data)
        if stopped(control):
            break
        alpha *= SHORTER
    return 0.0, f


@leaf
def step_to(x, f, g, alpha, ft, v, xt, control):
    """x <- x + alpha v, where f is ft: counted as an iteration and as a saddle left."""
    axpy(alpha, v, x, xt)
    accept(x, f, xt, ft, abs(alpha), math.copysign(1.0, alpha) * dot(g, v), control)
    control.counts[N_ESCAPE] += 1
