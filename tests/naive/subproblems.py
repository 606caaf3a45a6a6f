"""The trust-region subproblem and the cubic one from NumPy's eigenvalues and bisection, hard case included."""

import numpy as np


def bisected(gap, low, high):
    """The zero of an increasing function."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gap(middle) < 0 else (low, middle)
    return high


def with_length(H, g, length):
    """A global minimizer: (H + lambda I) s = -g, |s| = length(lambda), which grows; or shorter, with lambda = 0."""
    w, V = np.linalg.eigh(H)
    c = V.T @ g
    lowest = w - w[0] <= 1e-10 * np.max(abs(w))
    hard = np.linalg.norm(c[lowest]) <= 1e-12 * np.linalg.norm(g)
    c = np.where(lowest & hard, 0.0, c)
    low = max(0.0, -w[0])

    def step(lam):
        return np.divide(-c, w + lam, out=np.zeros_like(c), where=c != 0)

    def gap(lam):
        with np.errstate(divide="ignore"):
            return length(lam) - np.linalg.norm(step(lam))

    if (hard or low == 0.0 < w[0]) and gap(low) >= 0:  # inside, or the hard case
        y = step(low)
        if low > 0.0 or length(0.0) == 0.0:
            y[0] += np.sqrt(max(length(low) ** 2 - y @ y, 0.0))
        return V @ y
    high = low + 1.0
    while gap(high) < 0:
        high = low + 2 * (high - low)
    return V @ step(bisected(gap, low, high))


def within_radius(H, g, delta):
    """argmin g's + s'Hs / 2 over |s| <= delta."""
    return with_length(H, g, lambda lam: delta)


def cubic(H, g, sigma):
    """argmin g's + s'Hs / 2 + sigma |s|^3 / 3."""
    return with_length(H, g, lambda lam: lam / sigma)


def model(H, g, s, sigma=0.0):
    """g's + s'Hs / 2 + sigma |s|^3 / 3."""
    return g @ s + 0.5 * s @ H @ s + sigma / 3 * np.linalg.norm(s) ** 3
