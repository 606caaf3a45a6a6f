"""Second-order methods as the textbook has them: NumPy's eigenvalues, SciPy's root finder, no care for speed.

Each returns its iterates, the start included; rejected steps are none.
"""

import numpy as np
from scipy.optimize import brentq


def newton(f, g, H, x, search, steps, modify):
    """Directions -(modified H)^{-1} g."""
    points = [x]
    for k in range(steps):
        d = -np.linalg.solve(modify(H(x)), g(x))
        x = x + search(f, g, x, d, k) * d
        points.append(x)
    return np.array(points)


def absolute(H):
    """V' |diag(w)| V."""
    w, V = np.linalg.eigh(H)
    return V @ np.diag(np.maximum(abs(w), 2.0**-26 * max(abs(w)))) @ V.T


def shifted(H):
    """Nocedal and Wright, algorithm 3.3, beta = 1e-3 max |H_ij|."""
    beta = 1e-3 * np.max(abs(H))
    tau = 0.0 if min(np.diag(H)) > 0 else beta - min(np.diag(H))
    while np.linalg.eigvalsh(H + tau * np.eye(len(H)))[0] <= 0:
        tau = max(2 * tau, beta)
    return H + tau * np.eye(len(H))


def newton_cg(f, g, H, x, search, steps, eta_max=0.5):
    """Algorithm 7.1, on negative curvature on along p as far as its size says."""
    points, first = [x], np.linalg.norm(g(x))
    for k in range(steps):
        gx, Hx = g(x), H(x)
        z, r, p = np.zeros(len(x)), gx, -gx
        target = min(eta_max, np.sqrt(np.linalg.norm(gx) / first)) * np.linalg.norm(gx)
        for _ in range(2 * len(x)):
            curvature = p @ Hx @ p
            z = z + (r @ r) / abs(curvature) * p
            if curvature <= 0:
                break
            old, r = r, r + (r @ r) / curvature * (Hx @ p)
            if np.linalg.norm(r) <= target:
                break
            p = -r + (r @ r) / (old @ old) * p
        x = x + search(f, g, x, z, k) * z
        points.append(x)
    return np.array(points)


# ------------------------------------------------------------------------------------------------------ trust regions


def shifted_step(w, c, V, lam):
    return V @ (-c / (w + lam))


def exact_step(g, H, delta):
    """argmin g's + s'Hs / 2 over |s| <= delta, the hard case left out."""
    w, V = np.linalg.eigh(H)
    c = V.T @ g
    if w[0] > 0 and np.linalg.norm(shifted_step(w, c, V, 0.0)) <= delta:
        return shifted_step(w, c, V, 0.0)
    low = max(0.0, -w[0])

    def too_long(lam):
        return 1 / delta - 1 / np.linalg.norm(c / (w + lam))

    lam = brentq(too_long, low + 1e-14 * (1 + low), low + 2 * np.linalg.norm(g) / delta, xtol=1e-300, rtol=1e-15)
    return shifted_step(w, c, V, lam)


def steihaug_step(g, H, delta, eta):
    """Truncated conjugate gradients."""
    z, r, p = np.zeros(len(g)), g, -g
    for _ in range(2 * len(g)):
        curvature = p @ H @ p
        to_boundary = np.roots([p @ p, 2 * z @ p, z @ z - delta**2]).real.max()
        alpha = r @ r / curvature if curvature > 0 else np.inf
        if alpha >= to_boundary:
            return z + to_boundary * p
        z, old, r = z + alpha * p, r, r + alpha * (H @ p)
        if np.linalg.norm(r) <= eta * np.linalg.norm(g):
            return z
        p = -r + (r @ r) / (old @ old) * p
    return z


def cubic_step(g, H, sigma):
    """argmin g's + s'Hs / 2 + sigma |s|^3 / 3."""
    w, V = np.linalg.eigh(H)
    c = V.T @ g
    low = max(0.0, -w[0])
    high = low + np.sqrt(sigma * np.linalg.norm(g)) + np.linalg.norm(g)

    def gap(lam):
        return lam - sigma * np.linalg.norm(c / (w + lam))

    while gap(high) < 0:
        high *= 2
    return shifted_step(w, c, V, brentq(gap, low + 1e-14 * (1 + low), high, xtol=1e-300, rtol=1e-15))


def shrunk(fx, ft, slope, length):
    """The length that a poor step leaves: of the parabola through f, the slope and f at the step."""
    return length * np.clip(-slope / (2 * (ft - fx - slope)), 0.1, 0.5)


def first_radius(gx, Hx):
    return np.linalg.norm(gx) ** 3 / abs(gx @ Hx @ gx)


def trust_region(f, g, H, x, steps, step):
    """Conn, Gould and Toint, algorithm 6.1.1; step(g, H, delta, |g| / |g(x0)|) -> s."""
    points, delta, first = [x], first_radius(g(x), H(x)), np.linalg.norm(g(x))
    while len(points) <= steps:
        gx, Hx = g(x), H(x)
        s = step(gx, Hx, delta, np.linalg.norm(gx) / first)
        length, slope = np.linalg.norm(s), gx @ s
        rho = (f(x) - f(x + s)) / -(slope + 0.5 * s @ Hx @ s)
        if rho < 0.25:
            delta = shrunk(f(x), f(x + s), slope, length)
        elif rho >= 0.75 and length >= 0.8 * delta:
            delta = max(delta, 2.5 * length)
        if rho >= 1e-4:
            x = x + s
            points.append(x)
    return np.array(points)


def cubic_regularisation(f, g, H, x, steps):
    """Cartis, Gould and Toint, algorithm 2.1, a poor step's sigma from the trust region of the length it leaves."""
    gx, Hx = g(x), H(x)
    points, sigma = [x], abs(gx @ Hx @ gx) / (gx @ gx) / first_radius(gx, Hx)
    while len(points) <= steps:
        gx, Hx = g(x), H(x)
        s = cubic_step(gx, Hx, sigma)
        length, slope = np.linalg.norm(s), gx @ s
        rho = (f(x) - f(x + s)) / -(slope + 0.5 * s @ Hx @ s + sigma * length**3 / 3)
        if rho >= 0.75:
            sigma *= 0.2
        elif rho < 0.25:
            left = shrunk(f(x), f(x + s), slope, length)
            t = exact_step(gx, Hx, left)
            lam = -(gx @ t + t @ Hx @ t) / (t @ t)
            sigma = max(2 * sigma, lam / left)
        if rho >= 1e-4:
            x = x + s
            points.append(x)
    return np.array(points)
