"""Second-order methods as the textbook has them: NumPy's eigenvalues, SciPy's root finder, no care for speed.

Each returns its iterates, the start included; rejected steps are none.
"""

import numpy as np
from scipy.optimize import brentq

from tests.naive.factorizations import equilibrating


def newton(f, g, H, x, search, steps, modify):
    """Directions -(modified H)^{-1} g."""
    points = [x]
    for k in range(steps):
        d = -np.linalg.solve(modify(H(x)), g(x))
        x = x + search(f, g, x, d, k) * d
        points.append(x)
    return np.array(points)


def absolute(H):
    """V' |diag(w)| V, of E H E where the units of the variables differ by 2^13."""
    e = equilibrating(H)
    e = e if max(e) > 2.0**13 else np.ones(len(H))
    w, V = np.linalg.eigh(H * np.outer(e, e))
    return V @ np.diag(np.maximum(abs(w), 2.0**-26 * max(abs(w)))) @ V.T / np.outer(e, e)


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


def grown(length, rho):
    """The length that a good step at the boundary is followed by."""
    return length * (100 if abs(rho - 1) <= 0.01 else 2.5)


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
            delta = max(delta, grown(length, rho))
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
        fall, quadratic = f(x) - f(x + s), -(slope + 0.5 * s @ Hx @ s)
        rho = fall / (quadratic - sigma * length**3 / 3)
        if rho >= 0.75:
            sigma *= 1e-4 if abs(fall / quadratic - 1) <= 0.01 else 0.2
        elif rho < 0.25:
            left = shrunk(f(x), f(x + s), slope, length)
            t = exact_step(gx, Hx, left)
            lam = -(gx @ t + t @ Hx @ t) / (t @ t)
            sigma = max(2 * sigma, lam / left)
        if rho >= 1e-4:
            x = x + s
            points.append(x)
    return np.array(points)


# ----------------------------------------------------------------------------------------- steps in planes and the like


class DefiniteShift:
    """tau with -lambda_1 < tau <= -2 lambda_1 by bisection of its logarithm; 0 for a definite H."""

    def __init__(self):
        self.last = 0.0

    def __call__(self, H):
        if np.linalg.eigvalsh(H)[0] > 0:
            return 0.0
        off = np.sum(abs(H), axis=1) - abs(np.diag(H))
        lower, upper = min(np.diag(H) - off), max(np.diag(H) + off)
        floor = 2.0**-26 * max(abs(lower), abs(upper))
        low, high, guess = max(floor, -min(np.diag(H))), max(floor, -lower), self.last
        tau = guess / 2 if low < guess / 2 < high else low
        while True:
            if np.linalg.eigvalsh(H)[0] + tau > 0:
                if tau <= 2 * low:
                    self.last = tau
                    return tau
                high = tau
                tau = np.sqrt(low * high)
            else:
                low = tau
                high = high if high > low else 2 * low
                tau = high if high <= 2 * low else guess if low == guess / 2 else np.sqrt(low * high)


def dogleg_step(g, H, delta, tau, double=False):
    """Powell's dogleg, or Dennis and Schnabel's, of H + tau I; beyond its end, and the Cauchy step, where tau > 0."""
    B = H + tau * np.eye(len(g))
    newton, cauchy = -np.linalg.solve(B, g), -(g @ g) / (g @ B @ g) * g
    corner = newton * (0.2 + 0.8 * (g @ g) ** 2 / ((g @ B @ g) * -(g @ newton)) if double else 1.0)

    def shortened(s):
        return s * min(1.0, delta / np.linalg.norm(s))

    if np.linalg.norm(newton) <= delta:
        s, curvature = newton, newton @ H @ newton
        if tau > 0:
            s = shortened(newton * (-(g @ newton) / curvature if curvature > 0 else 1e100))
    elif np.linalg.norm(cauchy) >= delta:
        s = shortened(cauchy)
    elif np.linalg.norm(corner) <= delta:
        s = shortened(newton)
    else:
        leg = corner - cauchy
        s = cauchy + np.roots([leg @ leg, 2 * cauchy @ leg, cauchy @ cauchy - delta**2]).real.max() * leg
    steepest = shortened(-(g @ g) / (g @ H @ g) * g if g @ H @ g > 0 else -1e100 * g)
    return min((s, steepest), key=lambda s: g @ s + 0.5 * s @ H @ s) if tau > 0 else s


def subspace_step(g, H, delta, tau):
    """The exact step in span{g, (H + tau I)^{-1} g}, and a vector from inverse iteration if tau > 0."""
    n = len(g)
    B = H + tau * np.eye(n)
    vectors = [g, np.linalg.solve(B, g)]
    if tau == 0 and np.linalg.norm(vectors[1]) <= delta:
        return -vectors[1]
    if tau > 0:
        v = np.cos(1 + 2 * np.arange(n))
        for _ in range(4):
            v = np.linalg.solve(B, v / np.linalg.norm(v))
        vectors.append(v)
    Q, _ = np.linalg.qr(np.array(vectors[:n]).T)
    return Q @ exact_step(Q.T @ g, Q.T @ H @ Q, delta)


def sr1(f, g, x, steps, delta, skip=1e-4, m=None):
    """Nocedal and Wright, algorithm 6.2, exact steps; the matrix of the last m steps alone if m is given."""
    points, pairs, gamma = [x], [], 0.0
    while len(points) <= steps:
        B = gamma * np.eye(len(x))
        for s, y in pairs:
            r = y - B @ s
            if s @ r != 0 and abs(s @ r) >= skip * np.linalg.norm(s) * np.linalg.norm(r):
                B = B + np.outer(r, r) / (s @ r)
        s = exact_step(g(x), B, delta) if pairs else -delta / np.linalg.norm(g(x)) * g(x)
        y, slope, length = g(x + s) - g(x), g(x) @ s, np.linalg.norm(s)
        rho = (f(x) - f(x + s)) / -(slope + 0.5 * s @ B @ s)
        if not pairs or (m and s @ y > 0):
            gamma = y @ y / abs(s @ y)
        pairs = [*pairs, (s, y)] if m is None else [*pairs, (s, y)][-m:]
        if rho < 0.25:
            delta = shrunk(f(x), f(x + s), slope, length)
        elif rho >= 0.75 and length >= 0.8 * delta:
            delta = max(delta, 2.5 * length)
        if rho >= 1e-4:
            x = x + s
            points.append(x)
    return np.array(points)


def capped_cg(g, H, eps_h, zeta, size):
    """Royer, O'Neill and Wright, algorithm 1, but for slow convergence. (is it a solution, d, M)."""
    norm = np.linalg.norm
    own = norm(H @ g) / norm(g)
    eps, size = eps_h * max(size, own), own
    B = H + 2 * eps * np.eye(len(g))
    y, r, p = np.zeros(len(g)), g, -g
    if p @ B @ p < eps * (p @ p):
        return False, p, size
    while True:
        alpha, old = r @ r / (p @ B @ p), r
        y, r = y + alpha * p, r + alpha * (B @ p)
        p = -r + (r @ r) / (old @ old) * p
        if y @ B @ y < eps * (y @ y):
            return False, y, size
        if norm(r) <= zeta / (3 * (size + 2 * eps) / eps) * norm(g):
            return True, y, size
        size = max(size, *(norm(H @ v) / norm(v) for v in (p, y, r)))
        if norm(r) <= zeta / (3 * (size + 2 * eps) / eps) * norm(g):
            return True, y, size
        if p @ B @ p < eps * (p @ p):
            return False, p, size


def capped_newton(f, g, H, x, steps, eps_h=2.0**-13, zeta=0.5, theta=0.5, eta=0.2):
    """Their algorithm 3, with an L that adapts and steps that a good ratio is enough for."""
    points, size, L = [x], 0.0, None
    while len(points) <= steps:
        gx, Hx = g(x), H(x)
        solution, d, size = capped_cg(gx, Hx, eps_h, zeta, size)
        L = L or size**2 / np.max(abs(gx))
        if not solution:
            curvature = abs(d @ Hx @ d) / (d @ d)
            d = -np.copysign(curvature / L / np.linalg.norm(d), d @ gx) * d
        alpha = 1.0
        while True:
            s = alpha * d
            fall, promised = f(x) - f(x + s), -(gx @ s + 0.5 * s @ Hx @ s)
            if fall >= eta * promised or fall >= eta / 6 * L * np.linalg.norm(s) ** 3:
                break
            alpha *= theta
        if not solution:
            L /= alpha if alpha < 1 else 8.0
        x = x + s
        points.append(x)
    return np.array(points)


def damped_cg_step(g, H, delta, eps_h, size, zeta=0.5):
    """Curtis, Robinson, Royer and Wright: truncated conjugate gradients on H + 2 eps I. (the step, M)."""
    z, r, p, own = np.zeros(len(g)), g, -g, 0.0
    eps = eps_h * max(size, np.linalg.norm(H @ g) / np.linalg.norm(g))
    B = H + 2 * eps * np.eye(len(g))
    while True:
        curvature, own = p @ B @ p, max(own, np.linalg.norm(H @ p) / np.linalg.norm(p))
        a, b, c = p @ p, 2 * z @ p, z @ z - delta**2
        edge = z + (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a) * p
        if curvature < eps * (p @ p):
            return edge, own
        old, longer = r @ r, z + (r @ r) / curvature * p
        if np.linalg.norm(longer) >= delta:
            return edge, own
        z, r = longer, r + old / curvature * (B @ p)
        if np.linalg.norm(r) <= zeta / 2 * min(np.linalg.norm(g), eps * np.linalg.norm(z)):
            return z, own
        p = -r + (r @ r) / old * p


def damped_trust_region(f, g, H, x, steps, eps_h=2.0**-13):
    """The trust region of these steps, judged by the model without damping; M is that of the step before."""
    points, delta, size = [x], first_radius(g(x), H(x)), 0.0
    while len(points) <= steps:
        gx, Hx = g(x), H(x)
        s, own = damped_cg_step(gx, Hx, delta, eps_h, size)
        length, slope = np.linalg.norm(s), gx @ s
        rho = (f(x) - f(x + s)) / -(slope + 0.5 * s @ Hx @ s)
        if rho < 0.25:
            delta = shrunk(f(x), f(x + s), slope, length)
        elif rho >= 0.75 and length >= 0.8 * delta:
            delta = max(delta, grown(length, rho))
        if rho >= 1e-4:
            x, size = x + s, own
            points.append(x)
    return np.array(points)


def accelerated(f, g, x, steps, delta, relax=1.05, most=64.0):
    """Jin, Netrapalli and Jordan, algorithm 2, without noise: Nesterov's momentum, and negative curvature exploited."""
    points, k, v, L = [x], 0, np.zeros(len(x)), np.linalg.norm(g(x)) / delta
    while len(points) <= steps:
        y = x + k / (k + 3) * v
        gy, d = g(y), x - y
        if (g(x) - gy) @ d < 0 and f(x) < f(y) + gy @ d:
            k = 0
            alpha = min((1.0, -1.0), key=lambda alpha: f(x + alpha * v))
            if f(x + alpha * v) < f(x):
                while f(x + 2 * alpha * v) < f(x + alpha * v):
                    alpha *= 2
                x = x + alpha * v
                points.append(x)
            continue
        while f(y - gy / L) > f(y) - 0.4 * gy @ gy / L:
            L = max(2 * L, min(most * L, L * np.linalg.norm(g(y - gy / L) - gy) / np.linalg.norm(gy)))
        v, x = y - gy / L - x, y - gy / L
        k = 0 if v @ gy > 0 else k + 1
        L /= 8.0 if np.linalg.norm(g(x) - gy) <= 2.0**-13 * np.linalg.norm(gy) else relax
        points.append(x)
    return np.array(points)
