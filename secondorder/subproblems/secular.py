r"""Exact steps from an eigendecomposition H = V' diag(w) V, w ascending, the rows of V the eigenvectors.

In the coordinates y = V s, with c = V g, both models fall into their components:

    within a radius   min c'y + sum w_i y_i^2 / 2,  |y| <= delta
    cubic             min c'y + sum w_i y_i^2 / 2 + sigma |y|^3 / 3

A global minimizer has (w_i + lambda) y_i = -c_i, w_1 + lambda >= 0, and lambda >= 0, lambda (delta - |y|) = 0 for the
first ([1] corollary 7.2.2), lambda = sigma |y| for the second ([2] theorem 3.1). Where lambda is not 0 it is the zero
of

    1 / |y(lambda)| - 1 / delta     or     1 / |y(lambda)| - sigma / lambda,

which is concave and increases beyond -w_1: Newton's iteration from the left of the zero increases to it. No component
may exceed |y|, which gives a point on the left. The variable is mu = lambda + w_1, so that nothing cancels where lambda
is close to -w_1. In the hard case (c_i = 0 for the lowest w_i, and the rest of y too short even at mu = 0) the rest of
the length goes along the first eigenvector.

For one decomposition, n^3, any number of radii costs n each: a rejected step needs no new Hessian and no new solve.

References
----------
[1] Conn, Gould, Toint. Trust-Region Methods. SIAM, 2000. Section 7.3.
[2] Cartis, Gould, Toint. Adaptive cubic regularisation methods for unconstrained optimization. Part I. Math. Prog. 127
    (2011) 245-295. doi:10.1007/s10107-009-0286-5. Section 6.1.
"""

import math

from secondorder.jit import leaf
from secondorder.precision import EPS, TwoPrecisions

MAX_NEWTON = 100  # quadratic convergence: some five are usual
ACCURACY = TwoPrecisions(1e-12, 1e-5)  # of |y|, relative


@leaf
def sums(w, c, mu):
    """p2 = sum c_i^2 / d_i^2 and sum (c_i^2 / d_i^3) / p2, where d_i = w_i - w_1 + mu; c_i = 0 adds nothing."""
    p2, q = 0.0, 0.0
    for i in range(w.shape[0]):
        if c[i] != 0.0:
            y = c[i] / (w[i] - w[0] + mu)
            p2 += y * y
    for i in range(w.shape[0]):
        if c[i] != 0.0:
            d = w[i] - w[0] + mu
            y = c[i] / d
            q += y * y / p2 / d  # the third power would underflow first
    return p2, q


@leaf
def finish(w, c, mu, tau, y):
    """y from mu, with tau along the first eigenvector. Returns -(c'y + sum w_i y_i^2 / 2), positive terms, and |y|."""
    lam = max(mu - w[0], 0.0)
    energy, yy = 0.0, 0.0
    for i in range(w.shape[0]):
        d = w[i] - w[0] + mu
        y[i] = -c[i] / d if c[i] != 0.0 else 0.0
        energy += d * y[i] * y[i]
        yy += y[i] * y[i]
    y[0] += tau
    yy += tau * tau
    return 0.5 * energy + 0.5 * lam * yy, math.sqrt(yy)


@leaf
def shift(w, c, delta):
    """(mu, length along the first eigenvector) of the minimizer within the radius."""
    mu = max(w[0], 0.0)
    p2, q = sums(w, c, mu)
    if w[0] > 0.0 and p2 <= delta * delta:  # inside
        return mu, 0.0
    for i in range(w.shape[0]):
        mu = max(mu, abs(c[i]) / delta - (w[i] - w[0]))
    p2, q = sums(w, c, mu)
    if mu == 0.0 and p2 <= delta * delta:  # the hard case
        return mu, math.sqrt(delta * delta - p2)
    for _ in range(MAX_NEWTON):
        norm = math.sqrt(p2)
        if not norm > (1.0 + ACCURACY) * delta:
            break
        mu += (norm - delta) / delta / q
        p2, q = sums(w, c, mu)
    return mu, 0.0


@leaf
def within_radius(w, c, delta, y):
    """y <- the minimizer within the radius. Returns (pred, |y|)."""
    mu, tau = shift(w, c, delta)
    return finish(w, c, mu, tau, y)


@leaf
def multiplier(w, c, delta):
    """lambda of the minimizer within the radius."""
    mu, _ = shift(w, c, delta)
    return max(mu - w[0], 0.0)


@leaf
def cubic(w, c, sigma, y):
    """y <- the minimizer of the cubic model. Returns (decrease of the model, its cubic term included; |y|)."""
    mu = max(w[0], 0.0)
    for i in range(w.shape[0]):  # d (d - w_i) >= sigma |c_i|, where d = w_i + lambda
        root = math.sqrt(w[i] * w[i] + 4.0 * sigma * abs(c[i]))
        d = 0.0
        if w[i] > 0.0:
            d = 0.5 * (w[i] + root)
        elif root > 0.0:
            d = 2.0 * sigma * abs(c[i]) / (root - w[i])
        mu = max(mu, d - (w[i] - w[0]))
    p2, q = sums(w, c, mu)
    lam = mu - w[0]
    if mu == 0.0 and math.sqrt(p2) <= lam / sigma:  # the hard case
        pred, norm = finish(w, c, mu, math.sqrt((lam / sigma) ** 2 - p2), y)
        return pred - sigma * norm * norm * norm / 3.0, norm
    for _ in range(MAX_NEWTON):
        lam, norm = mu - w[0], math.sqrt(p2)
        if not lam < (1.0 - ACCURACY) * sigma * norm or sigma * norm <= EPS * mu:  # lambda is lost in mu = lambda + w_1
            break
        mu += (sigma / lam - 1.0 / norm) / (q / norm + sigma / lam / lam)
        p2, q = sums(w, c, mu)
    pred, norm = finish(w, c, mu, 0.0, y)
    return pred - sigma * norm * norm * norm / 3.0, norm
