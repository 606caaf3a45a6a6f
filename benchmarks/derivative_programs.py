"""The functions whose derivatives are timed: as users write them, by hand, and for JAX and other libraries.

Each `Case` has the plain function fun(x, *args), a way to make x and args, a hand-written gradient if there is one
(gradient(x, g, *args) -> f), and the same function for libraries of array operations: for_library(xp, scan)(x, *args).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np


class Case(NamedTuple):
    """One row of the table."""

    fun: Callable
    arguments: Callable  # rng -> (x, *args)
    gradient: Callable | None
    for_library: Callable
    bars: tuple  # gradient and product: times f, at most
    against_jax: tuple  # gradient and product: how many times faster than JAX, at least


# ---------------------------------------------------------------------------------------------------- Rosenbrock


def rosenbrock_loop(x):
    s = 0.0
    for i in range(x.size - 1):
        s += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return s


def rosenbrock_slices(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def rosenbrock_gradient(x, g):
    f = 0.0
    g[0] = 0.0
    for i in range(x.size - 1):
        a, b = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += 100.0 * a * a + b * b
        g[i] -= 400.0 * a * x[i] + 2.0 * b
        g[i + 1] = 200.0 * a
    return f


def rosenbrock_arrays(xp, scan):
    return lambda x: xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


# ------------------------------------------------------------------------------------------- logistic regression


def logistic(w, X, y, penalty):
    n, p = X.shape
    s = 0.0
    for i in range(n):
        z = 0.0
        for j in range(p):
            z += X[i, j] * w[j]
        t = -y[i] * z
        s += max(t, 0.0) + math.log1p(math.exp(-abs(t)))
    r = 0.0
    for j in range(p):
        r += w[j] ** 2
    return s / n + 0.5 * penalty * r


def logistic_gradient(w, g, X, y, penalty):
    n, p = X.shape
    s = r = 0.0
    for j in range(p):
        r += w[j] * w[j]
        g[j] = penalty * w[j]
    for i in range(n):
        z = 0.0
        for j in range(p):
            z += X[i, j] * w[j]
        t = -y[i] * z
        e = math.exp(-abs(t))
        s += max(t, 0.0) + math.log1p(e)
        slope = -y[i] / n * (1.0 if t > 0.0 else e) / (1.0 + e)
        for j in range(p):
            g[j] += slope * X[i, j]
    return s / n + 0.5 * penalty * r


def logistic_matrix(w, X, y, penalty):
    return np.mean(np.logaddexp(0.0, -y * (X @ w))) + 0.5 * penalty * np.sum(w**2)


def logistic_arrays(xp, scan):
    return lambda w, X, y, penalty: xp.mean(softplus(xp, -y * (X @ w))) + 0.5 * penalty * xp.sum(w**2)


def softplus(xp, t):
    return xp.logaddexp(t, 0.0 * t)


# ------------------------------------------------------------------------------------------------ Lotka-Volterra


def rates(u, v, a, b, c, d):
    return a * u - b * u * v, d * u * v - c * v


compiled_rates = numba.njit(error_model="numpy")(rates)


def lotka_volterra(p, u, v, dt, data):
    a, b, c, d = p[0], p[1], p[2], p[3]
    loss = 0.0
    for t in range(data.shape[0]):
        u1, v1 = compiled_rates(u, v, a, b, c, d)
        u2, v2 = compiled_rates(u + 0.5 * dt * u1, v + 0.5 * dt * v1, a, b, c, d)
        u3, v3 = compiled_rates(u + 0.5 * dt * u2, v + 0.5 * dt * v2, a, b, c, d)
        u4, v4 = compiled_rates(u + dt * u3, v + dt * v3, a, b, c, d)
        u += dt / 6.0 * (u1 + 2.0 * u2 + 2.0 * u3 + u4)
        v += dt / 6.0 * (v1 + 2.0 * v2 + 2.0 * v3 + v4)
        loss += (u - data[t, 0]) ** 2 + (v - data[t, 1]) ** 2
    return loss


def lotka_volterra_scan(xp, scan):
    def function(p, u, v, dt, data):
        a, b, c, d = p[0], p[1], p[2], p[3]

        def step(state, row):
            u, v, loss = state
            u1, v1 = rates(u, v, a, b, c, d)
            u2, v2 = rates(u + 0.5 * dt * u1, v + 0.5 * dt * v1, a, b, c, d)
            u3, v3 = rates(u + 0.5 * dt * u2, v + 0.5 * dt * v2, a, b, c, d)
            u4, v4 = rates(u + dt * u3, v + dt * v3, a, b, c, d)
            u = u + dt / 6.0 * (u1 + 2.0 * u2 + 2.0 * u3 + u4)
            v = v + dt / 6.0 * (v1 + 2.0 * v2 + 2.0 * v3 + v4)
            return u, v, loss + (u - row[0]) ** 2 + (v - row[1]) ** 2

        return scan(step, (u, v, 0.0 * a), data)[2]

    return function


# ------------------------------------------------------------------------------------------------ neural network


def network_loop(w, X, y, hidden):
    n, d = X.shape
    loss = 0.0
    for k in range(n):
        out = w[d * hidden + 2 * hidden]
        for j in range(hidden):
            a = w[d * hidden + j]
            for i in range(d):
                a += w[j * d + i] * X[k, i]
            out += w[d * hidden + hidden + j] * math.tanh(a)
        loss += (out - y[k]) ** 2
    return loss / n


def network_gradient(w, g, X, y, hidden):
    n, d = X.shape
    b, c = d * hidden, d * hidden + hidden
    z = np.empty(hidden)
    loss = 0.0
    g[:] = 0.0
    for k in range(n):
        out = w[c + hidden]
        for j in range(hidden):
            a = w[b + j]
            for i in range(d):
                a += w[j * d + i] * X[k, i]
            z[j] = math.tanh(a)
            out += w[c + j] * z[j]
        r = out - y[k]
        loss += r * r
        r *= 2.0 / n
        g[c + hidden] += r
        for j in range(hidden):
            g[c + j] += r * z[j]
            s = r * w[c + j] * (1.0 - z[j] * z[j])
            g[b + j] += s
            for i in range(d):
                g[j * d + i] += s * X[k, i]
    return loss / n


def network_matrix(w, X, y, hidden):
    d = X.shape[1]
    W = w[: d * hidden].reshape((hidden, d))
    b = w[d * hidden : d * hidden + hidden]
    v = w[d * hidden + hidden : d * hidden + 2 * hidden]
    out = np.tanh(X @ W.T + b) @ v + w[d * hidden + 2 * hidden]
    return np.mean((out - y) ** 2)


def network_arrays(xp, scan):
    def function(w, X, y, hidden):
        d = X.shape[1]
        W = w[: d * hidden].reshape((hidden, d))
        b, v = w[d * hidden : d * hidden + hidden], w[d * hidden + hidden : d * hidden + 2 * hidden]
        out = xp.tanh(X @ W.T + b) @ v + w[d * hidden + 2 * hidden]
        return xp.mean((out - y) ** 2)

    return function


# ------------------------------------------------------------------------------------------------------ the cases


def vector(n):
    return lambda rng: (rng.standard_normal(n),)


def labelled(rng):
    y = np.sign(rng.standard_normal(10_000))
    return 0.1 * rng.standard_normal(50), rng.standard_normal((10_000, 50)), y, 0.1


def measured(rng):
    return np.array([1.1, 0.4, 0.4, 0.1]), 10.0, 5.0, 0.01, rng.standard_normal((1000, 2))


def samples(rng):
    x = 0.3 * rng.standard_normal(20 * 32 + 2 * 32 + 1)
    return x, rng.standard_normal((2000, 20)), rng.standard_normal(2000), 32


CASES = {
    "Rosenbrock, loop, n = 100000": Case(
        rosenbrock_loop, vector(100_000), rosenbrock_gradient, rosenbrock_arrays, (2, 2), (1, 1)
    ),
    "Rosenbrock, slices, n = 100000": Case(
        rosenbrock_slices, vector(100_000), rosenbrock_gradient, rosenbrock_arrays, (2, 2), (1, 1)
    ),
    "logistic regression, 10000 x 50, matrices": Case(
        logistic_matrix, labelled, logistic_gradient, logistic_arrays, (2, 2), (1, 1)
    ),
    "logistic regression, 10000 x 50, loops": Case(
        logistic, labelled, logistic_gradient, logistic_arrays, (2, 2), (1, 1)
    ),
    "Lotka-Volterra, 1000 steps of RK4": Case(lotka_volterra, measured, None, lotka_volterra_scan, (3, 5), (5, 20)),
    "network 20-32-1, 2000 samples, loops": Case(
        network_loop, samples, network_gradient, network_arrays, (3, 5), (1 / 1.5, 1 / 1.5)
    ),
    "network 20-32-1, 2000 samples, matrices": Case(
        network_matrix, samples, network_gradient, network_arrays, (3, 5), (1 / 1.5, 1 / 1.5)
    ),
}
