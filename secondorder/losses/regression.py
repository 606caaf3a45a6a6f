"""Losses of numbers: z (n,) predictions, t (n,) targets, e = z - t.

References
----------
[1] Huber. Robust estimation of a location parameter. Ann. Math. Stat. 35 (1964) 73-101. doi:10.1214/aoms/1177703732
"""

import math

import numpy as np

from secondorder.jit import public
from secondorder.losses.shapes import check_like, check_rows


@public
def mse(z, t):
    """The mean squared error, mean of e^2.

    Parameters
    ----------
    z : ndarray, shape (n,)
        Predictions.
    t : ndarray, shape (n,)
        Targets.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> float(so.losses.mse(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    check_rows(z, t)
    f = 0.0
    for i in range(z.shape[0]):
        e = z[i] - t[i]
        f += e * e
    return f / z.shape[0]


@public
def mse_gradient(z, t, g):
    """g <- 2 e / n; returns the loss."""
    check_rows(z, t)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        e = z[i] - t[i]
        f += e * e
        g[i] = 2.0 * e / n
    return f / n


@public
def mse_product(z, t, v, out):
    """out <- 2 v / n."""
    check_rows(z, t)
    check_like(z, v)
    check_like(z, out)
    n = z.shape[0]
    for i in range(n):
        out[i] = 2.0 * v[i] / n
    return 0.0


@public
def mae(z, t):
    """The mean absolute error, mean of |e|.

    Parameters
    ----------
    z : ndarray, shape (n,)
        Predictions.
    t : ndarray, shape (n,)
        Targets.

    Returns
    -------
    float
    """
    check_rows(z, t)
    f = 0.0
    for i in range(z.shape[0]):
        f += abs(z[i] - t[i])
    return f / z.shape[0]


@public
def mae_gradient(z, t, g):
    """g <- sign(e) / n, 0 where e is 0; returns the loss."""
    check_rows(z, t)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        e = z[i] - t[i]
        f += abs(e)
        g[i] = 1.0 / n if e > 0.0 else (-1.0 / n if e < 0.0 else 0.0 * e)
    return f / n


@public
def mae_product(z, t, v, out):
    """out <- 0."""
    check_rows(z, t)
    check_like(z, v)
    check_like(z, out)
    for i in range(z.shape[0]):
        out[i] = 0.0
    return 0.0


@public
def huber(z, t, delta=1.0):
    """Huber's loss [1]: mean of e^2 / 2 where |e| <= delta, else of delta (|e| - delta / 2).

    Parameters
    ----------
    z : ndarray, shape (n,)
        Predictions.
    t : ndarray, shape (n,)
        Targets.
    delta : float, default 1.0
        > 0; as in PyTorch.

    Returns
    -------
    float

    References
    ----------
    [1] Huber. Robust estimation of a location parameter. Ann. Math. Stat. 35 (1964) 73-101.
        doi:10.1214/aoms/1177703732
    """
    check_rows(z, t)
    f = 0.0
    for i in range(z.shape[0]):
        e = abs(z[i] - t[i])
        if e <= delta:
            f += 0.5 * e * e
        else:
            f += delta * (e - 0.5 * delta)
    return f / z.shape[0]


@public
def huber_gradient(z, t, delta, g):
    """g <- min(max(e, -delta), delta) / n; returns the loss."""
    check_rows(z, t)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        e = z[i] - t[i]
        if abs(e) > delta:
            f += delta * (abs(e) - 0.5 * delta)
            e = delta if e > 0.0 else -delta
        else:
            f += 0.5 * e * e
        g[i] = e / n
    return f / n


@public
def huber_product(z, t, delta, v, out):
    """out <- v / n where |e| <= delta, else 0."""
    check_rows(z, t)
    check_like(z, v)
    check_like(z, out)
    n = z.shape[0]
    for i in range(n):
        out[i] = v[i] / n if abs(z[i] - t[i]) <= delta else 0.0
    return 0.0


@public
def log_cosh(z, t):
    """Mean of log cosh e, without overflow: log(exp(e) + exp(-e)) - log 2.

    Parameters
    ----------
    z : ndarray, shape (n,)
        Predictions.
    t : ndarray, shape (n,)
        Targets.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> round(float(so.losses.log_cosh(np.array([1000.0]), np.array([0.0]))), 3)
    999.307
    """
    check_rows(z, t)
    f = 0.0
    for i in range(z.shape[0]):
        e = z[i] - t[i]
        f += np.logaddexp(e, -e) - LOG_2
    return f / z.shape[0]


LOG_2 = math.log(2.0)


@public
def log_cosh_gradient(z, t, g):
    """g <- tanh(e) / n; returns the loss."""
    check_rows(z, t)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        e = z[i] - t[i]
        f += abs(e) + math.log1p(math.exp(-2.0 * abs(e))) - LOG_2
        g[i] = math.tanh(e) / n
    return f / n


@public
def log_cosh_product(z, t, v, out):
    """out <- (1 - tanh(e)^2) v / n."""
    check_rows(z, t)
    check_like(z, v)
    check_like(z, out)
    n = z.shape[0]
    for i in range(n):
        q = math.exp(-2.0 * abs(z[i] - t[i]))  # 1 - tanh^2 loses its digits where tanh is near 1
        out[i] = 4.0 * q / (1.0 + q) ** 2 * v[i] / n
    return 0.0
