"""Armijo backtracking and the strong Wolfe search as in Nocedal and Wright's textbook, for functions of one variable.

Each takes phi(alpha) -> (value, slope) and returns the step. Unlike the book's, the strong Wolfe search takes a step
that meets both conditions before it compares it with another.
"""

import numpy as np


def armijo(phi, alpha, c1=1e-4, shrink_min=0.1, shrink_max=0.5):
    """Algorithm 3.1 with the interpolation of section 3.5; the cubic is found by solving for its coefficients."""
    f0, slope0 = phi(0.0)
    tried = []
    while True:
        f = phi(alpha)[0]
        if f <= f0 + c1 * alpha * slope0:
            return alpha
        factor = shrink_max
        if np.isfinite(f):
            tried = [(alpha, f), *tried][:2]
            steps = np.array([step for step, _ in tried])
            powers = np.stack([steps**2, steps**3], axis=1)[:, : len(tried)]
            b, a = np.resize(np.linalg.solve(powers, [value - f0 - slope0 * step for step, value in tried]), 2)
            a *= len(tried) - 1
            roots = np.roots([3 * a, 2 * b, slope0])
            minima = [r.real for r in roots if abs(r.imag) < 1e-12 * abs(r) and 6 * a * r.real + 2 * b > 0]
            if minima:
                factor = np.clip(minima[0] / alpha, shrink_min, shrink_max)
        alpha *= factor


def strong_wolfe(phi, alpha, c1=1e-4, c2=0.9, nearest=1.1, expand=5.0):
    """Algorithm 3.5; the next trial is where the line through the last two slopes vanishes."""
    f0, slope0 = phi(0.0)
    before, first = 0.0, True
    while True:
        f, slope = phi(alpha)
        if f <= f0 + c1 * alpha * slope0 and abs(slope) <= -c2 * slope0:
            return alpha
        if not f <= f0 + c1 * alpha * slope0 or (f > phi(before)[0] and not first):
            return zoom(phi, before, alpha, c1, c2)
        if slope >= 0:
            return zoom(phi, alpha, before, c1, c2)
        bend = (slope - phi(before)[1]) / (alpha - before)
        zero = alpha - slope / bend if bend > 0 else np.inf
        before, alpha, first = alpha, np.clip(zero, nearest * alpha, expand * alpha), False


def zoom(phi, lo, hi, c1, c2, guard=0.1, contract=0.66):
    """Algorithm 3.6; bisection where the last cut was a poor one or the cubic has no minimizer between the ends."""
    f0, slope0 = phi(0.0)
    last_width = np.inf
    while True:
        width = hi - lo
        part = (cubic_minimizer(lo, *phi(lo), hi, *phi(hi)) - lo) / width
        usable = 0 < part < 1 and abs(width) <= contract * last_width
        alpha = lo + (np.clip(part, guard, 1 - guard) if usable else 0.5) * width
        last_width = abs(width)
        f, slope = phi(alpha)
        if f <= f0 + c1 * alpha * slope0 and abs(slope) <= -c2 * slope0:
            return alpha
        if not f <= f0 + c1 * alpha * slope0 or f > phi(lo)[0]:
            hi = alpha
        else:
            if slope * (hi - lo) >= 0:
                hi = lo
            lo = alpha


def cubic_minimizer(a, fa, sa, b, fb, sb):
    """Equation 3.59."""
    d1 = sa + sb - 3 * (fa - fb) / (a - b)
    if not d1**2 >= sa * sb:
        return np.nan
    d2 = np.sign(b - a) * np.sqrt(d1**2 - sa * sb)
    return b - (b - a) * (sb + d2 - d1) / (sb - sa + 2 * d2)
