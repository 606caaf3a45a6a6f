"""The four methods as the textbook has them, dense and slow, for functions with a given line search.

search(f, g, x, d, k) -> alpha. Each returns its iterates, the start included.
"""

import numpy as np


def gradient_descent(f, g, x, search, steps):
    points = [x]
    for k in range(steps):
        d = -g(x)
        x = x + search(f, g, x, d, k) * d
        points.append(x)
    return np.array(points)


def bfgs(f, g, x, search, steps, larger=1.0):
    """Nocedal and Wright, algorithm 6.1, with the scaling (6.20) times `larger`."""
    points, n = [x], len(x)
    H = np.eye(n)
    for k in range(steps):
        d = -H @ g(x)
        s = search(f, g, x, d, k) * d
        y = g(x + s) - g(x)
        if k == 0:
            H = larger * (s @ y) / (y @ y) * np.eye(n)
        rho = 1 / (y @ s)
        left = np.eye(n) - rho * np.outer(s, y)
        H = left @ H @ left.T + rho * np.outer(s, s)
        x = x + s
        points.append(x)
    return np.array(points)


def damped_bfgs(f, g, x, search, steps, damping):
    """The same with Powell's damping: y is moved towards B s, where s'y < damping s'Bs."""
    points, n = [x], len(x)
    H = np.eye(n)
    for k in range(steps):
        d = -H @ g(x)
        s = search(f, g, x, d, k) * d
        y = g(x + s) - g(x)
        if k == 0:
            H = (s @ y) / (y @ y) * np.eye(n)
        Bs = np.linalg.solve(H, s)
        if s @ y < damping * (s @ Bs):
            theta = (1 - damping) * (s @ Bs) / (s @ Bs - s @ y)
            y = theta * y + (1 - theta) * Bs
        rho = 1 / (y @ s)
        left = np.eye(n) - rho * np.outer(s, y)
        H = left @ H @ left.T + rho * np.outer(s, s)
        x = x + s
        points.append(x)
    return np.array(points)


def l_bfgs(f, g, x, search, steps, m):
    """Algorithms 7.4 and 7.5."""
    points, pairs = [x], []
    for k in range(steps):
        q, alphas = g(x), []
        for s, y in reversed(pairs):
            alphas.append((s @ q) / (s @ y))
            q = q - alphas[-1] * y
        if pairs:
            s, y = pairs[-1]
            q = (s @ y) / (y @ y) * q
        for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
            q = q + (alpha - (y @ q) / (s @ y)) * s
        d = -q
        s = search(f, g, x, d, k) * d
        pairs = [*pairs, (s, g(x + s) - g(x))][-m:]
        x = x + s
        points.append(x)
    return np.array(points)


BETAS = {
    "fr": lambda g, new, d: (new @ new) / (g @ g),
    "pr+": lambda g, new, d: max(0.0, new @ (new - g) / (g @ g)),
    "hs": lambda g, new, d: max(0.0, new @ (new - g) / (d @ (new - g))),
    "dy": lambda g, new, d: (new @ new) / (d @ (new - g)),
}


def hager_zhang_beta(g, new, d, theta, eta):
    """Hager, Zhang 2013, (2.3) and (2.4)."""
    y = new - g
    beta = (y - theta * d * (y @ y) / (d @ y)) @ new / (d @ y)
    return max(beta, eta * (d @ g) / (d @ d))


def cg(f, g, x, search, steps, beta, P=None):
    """Algorithm 5.4 with beta(g, g_new, d); with P, algorithm 5.3's preconditioning in the same variables."""
    points = [x]
    P = np.eye(len(x)) if P is None else P
    root = np.linalg.cholesky(P)  # in u = L^-1 x the method is the plain one
    d = -P @ g(x)
    for k in range(steps):
        new = x + search(f, g, x, d, k) * d
        b = beta(root.T @ g(x), root.T @ g(new), np.linalg.solve(root, d))
        d = -P @ g(new) + b * d
        x = new
        points.append(x)
    return np.array(points)
