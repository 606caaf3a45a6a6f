"""Products with the weighted Jacobian, counted; and the gradient from one: what matrix-free methods share."""

import math

from secondorder.control import SCALE, evaluated
from secondorder.fits.losses import LINEAR, weigh
from secondorder.fits.trial import set_threshold
from secondorder.jit import leaf, loop
from secondorder.linalg.vectors import norm_inf

G = 0  # the row of work that g is in, (n,)
# Rows of fit, (m,) each: residuals at x and at the trial, weighted ones, weights, and four of a loss's scratch
R, RT, Q, W, RHO = range(5)
N_PRODUCTS = 8


@leaf
def weighted(w, u, linear, factor, out):
    """out <- the weights of the loss times u, in the units of scaled residuals."""
    for i in range(u.shape[0]):
        out[i] = factor * u[i] if linear else factor * w[i] * u[i]


@leaf
def unscale(x, scaling, out):
    """out <- D^-1 x."""
    for j in range(x.shape[0]):
        out[j] = x[j] / scaling[j]


@loop
def times(jvp, x, v, loss, fit, out, control, data):
    """out <- J v. Counted with what follows, the product with J'."""
    jvp(x, v, out, data)
    evaluated(0, 0, 1, control)
    weighted(fit[W], out, loss.kind == LINEAR, control.values[SCALE], out)


@loop
def times_transpose(vjp, x, u, loss, fit, out, control, data):
    """out <- J'u."""
    weighted(fit[W], u, loss.kind == LINEAR, control.values[SCALE], fit[RHO])
    vjp(x, fit[RHO], out, data)


@leaf
def reweigh(r, loss, fit, control):
    """fit[Q], fit[W] <- weighted residuals and weights."""
    weigh(r, loss, fit[RHO : RHO + 4], fit[W], fit[Q], control)


@loop
def gradient(vjp, x, r, loss, fit, g, control, data):
    """g <- J'r, counted as a gradient; fit[Q], fit[W] <- weighted residuals and weights. Returns |g|_inf."""
    reweigh(r, loss, fit, control)
    times_transpose(vjp, x, fit[Q], loss, fit, g, control, data)
    evaluated(0, 1, 0, control)
    return norm_inf(g)


@loop
def begin(vjp, x, loss, work, fit, control, data):
    """The gradient at x0, and the tolerance that follows from it."""
    set_threshold(gradient(vjp, x, fit[R], loss, fit, work[G], control, data), control)


@loop
def estimate_scaling(vjp, x, probes, loss, fit, d, v, control, data):
    """d_j <- about the norm of column j of J, from products with vectors u of random signs: E (J'u)_j^2 = |J_j|^2.

    The signs are the same in every run: bits of a linear congruential generator. Counted as gradients. fit[RT] and v
    are scratch.
    """
    n = x.shape[0]
    for j in range(n):
        d[j] = 0.0
    u, state = fit[RT], 20261125
    for _ in range(probes):
        for i in range(u.shape[0]):
            state = (1103515245 * state + 12345) % 2147483648
            u[i] = 1.0 if state & 1073741824 else -1.0
        times_transpose(vjp, x, u, loss, fit, v, control, data)
        evaluated(0, 1, 0, control)
        for j in range(n):
            d[j] += v[j] * v[j]
    for j in range(n):
        d[j] = math.sqrt(d[j] / probes) if probes > 0 else 1.0
        if not (d[j] > 0.0 and math.isfinite(d[j])):
            d[j] = 1.0
