"""Least squares as the textbook has it: for whoever doubts the fast one. Nothing of ours is imported.

Both methods take residual(x), jacobian(x), a start and the first radius in units of |D x0|, and give the iterates.
"""

import numpy as np


def damped(A, r, lam):
    """argmin |A p + r|^2 + lam |p|^2, by the stacked system."""
    n = A.shape[1]
    stacked = np.vstack([A, np.sqrt(lam) * np.eye(n)])
    return np.linalg.lstsq(stacked, -np.concatenate([r, np.zeros(n)]), rcond=None)[0]


def levenberg_marquardt_step(A, r, delta, lam=0.0):
    """(p, lam) with |p| = delta within 10 %, or p without damping: More's algorithm 5.5, started from lam."""
    n = A.shape[1]
    newton, a = damped(A, r, 0.0), A.T @ r
    size = np.linalg.norm(newton)
    if size <= 1.1 * delta:
        return newton, 0.0
    slope = newton @ np.linalg.solve(A.T @ A, newton) / size**2
    low, high = (size - delta) / (delta * slope), np.linalg.norm(a) / delta
    lam = min(max(lam, low), high)
    for _ in range(10):
        p = damped(A, r, lam)
        size = np.linalg.norm(p)
        if abs(size - delta) <= 0.1 * delta:
            break
        low, high = (max(low, lam), high) if size > delta else (low, min(high, lam))
        slope = p @ np.linalg.solve(A.T @ A + lam * np.eye(n), p) / size**2
        lam = min(max(low, lam + (size - delta) / delta / slope), high)
    return p, lam


def dogleg_step(A, r, delta, lam=0.0):
    """Powell's path: to the Cauchy point, on to the Gauss-Newton step."""
    newton, a = damped(A, r, 0.0), A.T @ r
    if np.linalg.norm(newton) <= delta:
        return newton, 0.0
    cauchy = -(a @ a) / np.linalg.norm(A @ a) ** 2 * a
    if np.linalg.norm(cauchy) >= delta:
        return -delta * a / np.linalg.norm(a), 0.0
    leg = newton - cauchy
    t = np.max(np.roots([leg @ leg, 2.0 * cauchy @ leg, cauchy @ cauchy - delta**2]).real)
    return cauchy + t * leg, 0.0


def fit(step, residual, jacobian, x, factor=1.0, iterations=20):
    """The iterates of a trust-region method with MINPACK's radius rule."""
    points, d, delta, lam = [], np.zeros(x.size), None, 0.0
    r, J = residual(x), jacobian(x)
    for k in range(iterations):
        f = 0.5 * r @ r
        d = np.maximum(d, np.linalg.norm(J, axis=0))
        A = J / d
        delta = factor * np.linalg.norm(d * x) if delta is None else delta
        while True:
            p, lam = step(A, r, delta, lam)
            size = np.linalg.norm(p)
            delta = old = min(delta, size) if k == 0 else delta
            rt = residual(x + p / d)
            predicted, gained = f - 0.5 * np.linalg.norm(r + A @ p) ** 2, f - 0.5 * rt @ rt
            slope = (A.T @ r) @ p
            if gained > 0.25 * predicted:
                delta = 2.0 * size if gained >= 0.75 * predicted else delta
            else:
                shrink = 0.5 if gained >= 0.0 else max(0.1, -slope / (2.0 * (-gained - slope)))
                delta = shrink * min(delta, 10.0 * size)
            lam *= old / delta
            if gained >= 1e-4 * predicted and gained > 0.0:
                break
        x, r = x + p / d, rt
        J = jacobian(x)
        points.append(x)
    return np.array(points)
