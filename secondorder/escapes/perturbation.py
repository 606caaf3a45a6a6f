r"""Escape by noise: gradient steps from points near x, kept where they lead below.

    1.  xi uniform in a ball of radius r; gradient steps from x + xi                  (subproblems.perturbation, [1])
    2.  if they end below what a convex f can have, go on from there; else again, with another xi and a larger r

Nothing is known of the curvature, before and after: where no noise helped, x may be a minimum, or not.

References
----------
[1] Jin, Ge, Netrapalli, Kakade, Jordan. How to escape saddle points efficiently. ICML 2017.
"""

from secondorder.control import stopped
from secondorder.jit import loop
from secondorder.subproblems.departure import length_of
from secondorder.subproblems.perturbation import N_ROWS, RADIUS, descend_from, in_ball, probe, step_there

NEEDS = "gradients"
N_WORK = N_ROWS

LARGER, TRIES = 16.0, 3  # radii from 2^-13 to 2^-5, in units of x
STEPS, MOMENTUM = 500, 0.9  # gradients a try


@loop
def leave(fun_grad, found, strict, tolerance, floor, noise, x, f, seed, stream, work, control, data):
    """x <- a lower point that gradients lead to from a perturbation."""
    tried, radius = 0, RADIUS * length_of(x, control)
    for k in range(TRIES):
        if stopped(control):
            break
        tried += 1
        in_ball(seed, 1000 * stream + k, radius, work[5])
        probe(fun_grad, x, work, control, data)
        if stopped(control):
            break
        lower, ft = descend_from(fun_grad, x, f, STEPS, MOMENTUM, work, control, data)
        if lower:
            step_there(x, f, ft, work, control)
            tried = -tried
            break
        radius *= LARGER
    return tried
