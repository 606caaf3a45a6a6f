"""The gradients that update rules are compared on: a bowl that moves, of few parameters, without random numbers."""

import numpy as np

N = 8
CURVATURE = np.geomspace(0.1, 3.0, N)
PHASE = np.linspace(0.0, 6.0, N)
RECORDED = (1, 2, 10, 100, 1000)  # steps whose outcome is compared


def start():
    """x before the first step."""
    return np.linspace(-2.0, 2.0, N)


def value(x, k):
    """f at step k."""
    shift = 0.5 * np.sin(0.3 * k + PHASE)
    return float(np.sum(0.5 * CURVATURE * x**2 + shift * x))


def gradient(x, k):
    """Its gradient."""
    return CURVATURE * x + 0.5 * np.sin(0.3 * k + PHASE)


def diagonal(k):
    """An estimate of the Hessian's diagonal at step k, as a sample of signs would give."""
    return CURVATURE * (1.0 + 0.3 * np.cos(1.7 * k + PHASE))


def trajectory(step, x):
    """x after the recorded steps of step(x, k) -> x."""
    found = []
    for k in range(1, RECORDED[-1] + 1):
        x = step(x, k)
        if k in RECORDED:
            found.append(np.array(x, dtype=np.float64))
    return np.array(found)
