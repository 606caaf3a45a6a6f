r"""Perturbed gradient steps: is there a way down from a stationary point x that small noise finds?

    1.  y = x + xi, where xi is long enough for the gradient to change by VISIBLE times its tolerance
    2.  s = momentum s - grad f(y) / L;   y <- y + s;   L <- max(L, |change of grad f| / |s|)
        until f(y) < f(x) - 2 |g| |y - x|, and by more than rounding: no convex f has such a value, so x is no minimum
        of a convex piece; or until y is as stationary as x; or after `steps` gradients

The first L is that of xi. Where f rises s is forgotten; a rise shows an L that was too small, and 2 has raised it.
The constants that [1] takes from bounds on the derivatives of f, step and threshold of f, are estimated on the way so.

References
----------
[1] Jin, Ge, Netrapalli, Kakade, Jordan. How to escape saddle points efficiently. ICML 2017.
"""

import math

from secondorder.control import (
    MAX_ITER,
    N_ESCAPE,
    N_ITER,
    THRESHOLD,
    accept,
    raise_threshold,
    stopped,
    value_and_gradient,
)
from secondorder.jit import leaf, loop
from secondorder.linalg.vectors import axpby, axpy, copy, distance2, dot, norm_inf, scale
from secondorder.status import GTOL, MAXITER, RUNNING
from secondorder.subproblems.departure import NOISE, length_of
from secondorder.subproblems.least_curvature import seeded, uniform

N_ROWS = 6  # of work, xi among them; work[3] is left alone
RADIUS = 2.0**-13  # of the ball, in units of x
VISIBLE = 2.0**17  # change of the gradient by noise, in units of its tolerance: what is left decides for a while
LONGER, PROBES = 2.0**10, 6  # at most so much at a time, so many times
END = 1 << 40  # numbers of the streams of noise at ends begin here, those on the way at 0


@leaf
def in_ball(seed, stream, radius, xi):
    """xi <- uniform in the ball of this radius: a normal vector, its length from the power 1 / n of a number."""
    s1, s2 = seeded(seed, stream)
    for i in range(xi.shape[0]):
        s1, s2, a = uniform(s1, s2)
        s1, s2, b = uniform(s1, s2)
        xi[i] = math.sqrt(-2.0 * math.log(a)) * math.cos(2.0 * math.pi * b)
    s1, s2, a = uniform(s1, s2)
    scale(radius * a ** (1.0 / xi.shape[0]) / math.sqrt(dot(xi, xi)), xi, xi)


@loop
def probe(fun_grad, x, work, control, data):
    """xi in work[5] made longer as long as its change of the gradient is not clear of the tolerance."""
    g, y, gy, xi = work[0], work[1], work[2], work[5]
    wanted = VISIBLE * control.values[THRESHOLD]
    for _ in range(PROBES):
        axpy(1.0, xi, x, y)
        value_and_gradient(fun_grad, y, gy, control, data)
        change = math.sqrt(distance2(gy, g))
        if not change < wanted or stopped(control):
            break
        scale(min(2.0 * wanted / change, LONGER) if change > 0.0 else LONGER, xi, xi)


@loop
def descend_from(fun_grad, x, f, steps, momentum, work, control, data):
    """(is there a lower point?, f there): gradient steps from x + xi, xi in work[5], which is destroyed.

    work[0]: the gradient at x. The point is left in work[1], its gradient in work[2].
    """
    g, y, gy, old, s = work[0], work[1], work[2], work[4], work[5]
    gnorm, L = math.sqrt(dot(g, g)), 0.0
    axpy(1.0, s, x, y)
    fy = value_and_gradient(fun_grad, y, gy, control, data)
    before = fy
    copy(g, old)
    for k in range(steps):
        if not (math.isfinite(fy) and math.isfinite(norm_inf(gy))):
            break
        if fy < f - max(2.0 * gnorm * math.sqrt(distance2(x, y)), NOISE * abs(f)):
            return True, fy
        if stopped(control) or norm_inf(gy) <= control.values[THRESHOLD]:
            break
        ss = dot(s, s)
        L = max(L, math.sqrt(distance2(gy, old) / ss) if ss > 0.0 else 0.0)
        if not 0.0 < L < math.inf:
            break
        axpby(-1.0 / L, gy, momentum if k > 0 and fy <= before else 0.0, s, s)
        axpy(1.0, s, y, y)
        copy(gy, old)
        before = fy
        fy = value_and_gradient(fun_grad, y, gy, control, data)
    return False, f


@leaf
def step_there(x, f, ft, work, control):
    """x <- the point that `descend_from` has found: counted as an iteration and as a saddle left."""
    length = math.sqrt(distance2(x, work[1]))
    accept(x, f, work[1], ft, length, -math.sqrt(dot(work[0], work[0])), control)
    control.counts[N_ESCAPE] += 1


@loop
def leave_end(fun_grad, x, f, steps, momentum, seed, stream, work, control, data):
    """At the end of a run, |g|_inf <= gtol: RUNNING if x was left, with values[F], work[2] its gradient; else a reason.

    Where no iteration is allowed at all, x is only looked at again.
    """
    counts = control.counts
    if counts[MAX_ITER] == 0 or x.shape[0] == 0 or stopped(control):
        return GTOL
    in_ball(seed, END + stream, RADIUS * length_of(x, control), work[5])
    probe(fun_grad, x, work, control, data)
    if stopped(control):
        return GTOL
    lower, ft = descend_from(fun_grad, x, f, steps, momentum, work, control, data)
    if not lower:
        return GTOL
    if counts[N_ITER] >= counts[MAX_ITER]:
        return MAXITER
    step_there(x, f, ft, work, control)
    raise_threshold(norm_inf(work[2]), control)
    return RUNNING
