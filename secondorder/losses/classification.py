"""Losses of classes. All take logits and are stable for any of them.

Values are written so that their generated derivatives are right everywhere: max(z, 0) + log(1 + exp(-|z|)) has kinks at
z = 0, where many a run starts, that only the sum does not have; logaddexp has none.

References
----------
[1] Lin, Goyal, Girshick, He, Dollar. Focal loss for dense object detection. ICCV 2017. Eqs. 4 and 5. arXiv:1708.02002
[2] Milletari, Navab, Ahmadi. V-Net. 3DV 2016. Eq. 1. arXiv:1606.04797
"""

import math

import numpy as np

from secondorder.jit import public
from secondorder.losses.shapes import check_classes, check_columns, check_like, check_rows


@public
def sigmoid(z):
    """1 / (1 + exp(-z)), for any z."""
    q = math.exp(-abs(z))
    return 1.0 / (1.0 + q) if z >= 0.0 else q / (1.0 + q)


@public
def softplus(z):
    """log(1 + exp(z)), for any z."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


@public
def binary_cross_entropy(z, t):
    """Binary cross-entropy from logits: mean of log(1 + exp(z)) - t z.

    Parameters
    ----------
    z : ndarray, shape (n,)
        Logits: the probability of class 1 is 1 / (1 + exp(-z)).
    t : ndarray, shape (n,)
        Targets: 0 or 1, or probabilities.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> X, y = np.array([[1.0, -2.0], [1.0, 3.0], [1.0, 0.5]]), np.array([0.0, 1.0, 1.0])
    >>> def risk(w, X, y):
    ...     return so.losses.binary_cross_entropy(X @ w, y) + 0.01 * np.sum(w**2)
    >>> result = so.minimize(risk, np.zeros(2), args=(X, y), method="newton-cg")
    >>> result.success, result.derivatives
    (True, 'exact')
    """
    check_rows(z, t)
    f = 0.0
    for i in range(z.shape[0]):
        f += np.logaddexp(0.0, z[i]) - t[i] * z[i]
    return f / z.shape[0]


@public
def binary_cross_entropy_gradient(z, t, g):
    """g <- (sigmoid(z) - t) / n; returns the loss."""
    check_rows(z, t)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        f += softplus(z[i]) - t[i] * z[i]
        g[i] = (sigmoid(z[i]) - t[i]) / n
    return f / n


@public
def binary_cross_entropy_product(z, t, v, out):
    """out <- p (1 - p) v / n, p = sigmoid(z)."""
    check_rows(z, t)
    check_like(z, v)
    check_like(z, out)
    n = z.shape[0]
    for i in range(n):
        out[i] = sigmoid(z[i]) * sigmoid(-z[i]) * v[i] / n
    return 0.0


@public
def shifted_sum(row):
    """(the largest number, the sum of exp(number - largest))."""
    top = row[0]
    for j in range(row.shape[0]):
        top = max(top, row[j])
    s = 0.0
    for j in range(row.shape[0]):
        s += math.exp(row[j] - top)
    return top, s


@public
def cross_entropy(z, t):
    """Categorical cross-entropy from logits: mean of log(sum_j exp(z_j)) - z_t.

    Parameters
    ----------
    z : ndarray, shape (n, classes)
        Logits.
    t : ndarray of int, shape (n,)
        The class of each row, from 0. For probabilities as targets see `kullback_leibler`, which differs by a constant.

    Returns
    -------
    float
    """
    check_rows(z, t)
    check_classes(t, z.shape[1])
    f = 0.0
    for i in range(z.shape[0]):
        top = z[i, 0]
        for j in range(z.shape[1]):
            top = max(top, z[i, j])
        s = 0.0
        for j in range(z.shape[1]):
            s += math.exp(z[i, j] - top)
        f += top + math.log(s) - z[i, t[i]]
    return f / z.shape[0]


@public
def cross_entropy_gradient(z, t, g):
    """g <- (softmax(z) - e_t) / n, row by row; returns the loss."""
    check_rows(z, t)
    check_classes(t, z.shape[1])
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        top, s = shifted_sum(z[i])
        f += top + math.log(s) - z[i, t[i]]
        for j in range(z.shape[1]):
            g[i, j] = math.exp(z[i, j] - top) / s / n
        g[i, t[i]] -= 1.0 / n
    return f / n


@public
def softmax_product(row, weight, v, out):
    """out <- weight (p v - p p'v), p = softmax(row)."""
    (top, s), pv = shifted_sum(row), 0.0
    for j in range(row.shape[0]):
        out[j] = math.exp(row[j] - top) / s
        pv += out[j] * v[j]
    for j in range(row.shape[0]):
        out[j] *= weight * (v[j] - pv)


@public
def cross_entropy_product(z, t, v, out):
    """out <- (p v - p p'v) / n, row by row, p = softmax(z)."""
    check_rows(z, t)
    check_classes(t, z.shape[1])
    check_like(z, v)
    check_like(z, out)
    for i in range(z.shape[0]):
        softmax_product(z[i], 1.0 / z.shape[0], v[i], out[i])
    return 0.0


@public
def focal(z, t, gamma=2.0, alpha=0.25):
    """The focal loss from logits [1]: mean of -a (1 - p)^gamma log p, p the probability of the true class.

    Parameters
    ----------
    z : ndarray, shape (n,)
        Logits.
    t : ndarray, shape (n,)
        Targets, 0 or 1.
    gamma : float, default 2.0
        >= 0; [1]. 0: weighted binary cross-entropy.
    alpha : float, default 0.25
        a is alpha for class 1 and 1 - alpha for class 0; [1].

    Returns
    -------
    float

    References
    ----------
    [1] Lin, Goyal, Girshick, He, Dollar. Focal loss for dense object detection. ICCV 2017. Eqs. 4 and 5.
        arXiv:1708.02002
    """
    check_rows(z, t)
    f = 0.0
    for i in range(z.shape[0]):
        y = z[i] if t[i] > 0.5 else -z[i]
        a = alpha if t[i] > 0.5 else 1.0 - alpha
        f += a * math.exp(-gamma * np.logaddexp(0.0, y)) * np.logaddexp(0.0, -y)
    return f / z.shape[0]


@public
def focal_gradient(z, t, gamma, alpha, g):
    """g <- -+ a q^gamma (gamma p L + q) / n, q = 1 - p, L = -log p; returns the loss."""
    check_rows(z, t)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        positive = t[i] > 0.5
        y, a = (z[i], alpha) if positive else (-z[i], 1.0 - alpha)
        p, q, loss = sigmoid(y), sigmoid(-y), softplus(-y)
        power = a * math.exp(-gamma * softplus(y))
        f += power * loss
        slope = -power * (gamma * p * loss + q) / n
        g[i] = slope if positive else -slope
    return f / n


@public
def focal_product(z, t, gamma, alpha, v, out):
    """out <- a q^gamma p (gamma (gamma p L + q) - q (gamma L - gamma - 1)) v / n."""
    check_rows(z, t)
    check_like(z, v)
    check_like(z, out)
    n = z.shape[0]
    for i in range(n):
        y, a = (z[i], alpha) if t[i] > 0.5 else (-z[i], 1.0 - alpha)
        p, q, loss = sigmoid(y), sigmoid(-y), softplus(-y)
        power = a * math.exp(-gamma * softplus(y))
        curvature = power * p * (gamma * (gamma * p * loss + q) - q * (gamma * loss - gamma - 1.0))
        out[i] = curvature * v[i] / n
    return 0.0


@public
def hinge(z, t):
    """The hinge loss: mean of max(0, 1 - t z).

    Parameters
    ----------
    z : ndarray, shape (n,)
        Scores.
    t : ndarray, shape (n,)
        Targets, -1 or 1.

    Returns
    -------
    float
    """
    check_rows(z, t)
    f = 0.0
    for i in range(z.shape[0]):
        f += max(1.0 - t[i] * z[i], 0.0)
    return f / z.shape[0]


@public
def hinge_gradient(z, t, g):
    """g <- -t / n where t z < 1, else 0; returns the loss."""
    check_rows(z, t)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        short = 1.0 - t[i] * z[i]
        f += max(short, 0.0)
        g[i] = -t[i] / n if short > 0.0 else 0.0 * short
    return f / n


@public
def hinge_product(z, t, v, out):
    """out <- 0."""
    check_rows(z, t)
    check_like(z, v)
    check_like(z, out)
    for i in range(z.shape[0]):
        out[i] = 0.0
    return 0.0


@public
def kullback_leibler(z, t):
    """Kullback-Leibler divergence of softmax(z) from t: mean of sum_j t_j (log t_j - log softmax(z)_j).

    Parameters
    ----------
    z : ndarray, shape (n, classes)
        Logits.
    t : ndarray, shape (n, classes)
        Probabilities, >= 0; each row sums to 1.

    Returns
    -------
    float
    """
    check_rows(z, t)
    check_columns(z, t)
    f = 0.0
    for i in range(z.shape[0]):
        top = z[i, 0]
        for j in range(z.shape[1]):
            top = max(top, z[i, j])
        s = 0.0
        for j in range(z.shape[1]):
            s += math.exp(z[i, j] - top)
        total = top + math.log(s)
        for j in range(z.shape[1]):
            if t[i, j] > 0.0:
                f += t[i, j] * (math.log(t[i, j]) - z[i, j] + total)
    return f / z.shape[0]


@public
def kullback_leibler_gradient(z, t, g):
    """g <- (sum(t) softmax(z) - t) / n, row by row; returns the loss."""
    check_rows(z, t)
    check_columns(z, t)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        (top, s), mass = shifted_sum(z[i]), 0.0
        total = top + math.log(s)
        for j in range(z.shape[1]):
            mass += t[i, j]
            if t[i, j] > 0.0:
                f += t[i, j] * (math.log(t[i, j]) - z[i, j] + total)
        for j in range(z.shape[1]):
            g[i, j] = (mass * math.exp(z[i, j] - top) / s - t[i, j]) / n
    return f / n


@public
def kullback_leibler_product(z, t, v, out):
    """out <- sum(t) (p v - p p'v) / n, row by row, p = softmax(z)."""
    check_rows(z, t)
    check_columns(z, t)
    check_like(z, v)
    check_like(z, out)
    for i in range(z.shape[0]):
        mass = 0.0
        for j in range(z.shape[1]):
            mass += t[i, j]
        softmax_product(z[i], mass / z.shape[0], v[i], out[i])
    return 0.0


@public
def dice(z, t, smooth=1.0):
    """The soft Dice loss from logits [2]: 1 - (2 sum p t + smooth) / (sum p + sum t + smooth), p = sigmoid(z).

    Over all numbers at once; it is no mean of rows.

    Parameters
    ----------
    z : ndarray, shape (n,)
        Logits of the points (pixels) of an image.
    t : ndarray, shape (n,)
        Targets, 0 or 1.
    smooth : float, default 1.0
        >= 0; the usual value. [2] has 0, and squares in the divisor.

    Returns
    -------
    float

    References
    ----------
    [2] Milletari, Navab, Ahmadi. V-Net. 3DV 2016. Eq. 1. arXiv:1606.04797
    """
    check_rows(z, t)
    both, size = 0.0, 0.0
    for i in range(z.shape[0]):
        p = math.exp(-np.logaddexp(0.0, -z[i]))
        both += p * t[i]
        size += p + t[i]
    return 1.0 - (2.0 * both + smooth) / (size + smooth)


@public
def dice_sums(z, t, smooth):
    """(numerator, denominator) of the coefficient."""
    both, size = 0.0, 0.0
    for i in range(z.shape[0]):
        p = sigmoid(z[i])
        both += p * t[i]
        size += p + t[i]
    return 2.0 * both + smooth, size + smooth


@public
def dice_gradient(z, t, smooth, g):
    """g <- p (1 - p) (N / D - 2 t) / D; returns the loss, 1 - N / D."""
    check_rows(z, t)
    check_like(z, g)
    top, size = dice_sums(z, t, smooth)
    for i in range(z.shape[0]):
        g[i] = sigmoid(z[i]) * sigmoid(-z[i]) * (top / size - 2.0 * t[i]) / size
    return 1.0 - top / size


@public
def dice_product(z, t, smooth, v, out):
    """out <- H v."""
    check_rows(z, t)
    check_like(z, v)
    check_like(z, out)
    top, size = dice_sums(z, t, smooth)
    d_top, d_size = 0.0, 0.0
    for i in range(z.shape[0]):
        slope = sigmoid(z[i]) * sigmoid(-z[i]) * v[i]
        d_top += 2.0 * t[i] * slope
        d_size += slope
    for i in range(z.shape[0]):
        p, q = sigmoid(z[i]), sigmoid(-z[i])
        first = (top / size - 2.0 * t[i]) / size
        change = (d_top - (2.0 * top / size - 2.0 * t[i]) * d_size) / (size * size)
        out[i] = p * q * (change + first * (q - p) * v[i])
    return 0.0
