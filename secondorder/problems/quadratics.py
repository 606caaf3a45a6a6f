"""Quadratic problems.

`quadratic` makes H = Q D Q with D = diag(d_1 .. d_n), d_i from 1 to `condition` in geometric progression, and the
reflection Q = I - 2/n 1 1', so that the axes of the ellipsoid are not those of the variables. Minimizer (1, .., 1).

References
----------
[1] Bongartz, Conn, Gould, Toint. CUTE: constrained and unconstrained testing environment. ACM Transactions on
    Mathematical Software 21 (1995) 123-160. doi:10.1145/200979.201043. The problem's name there.
[2] Jamil, Yang. A literature survey of benchmark functions for global optimisation problems. International Journal of
    Mathematical Modelling and Numerical Optimisation 4 (2013) 150-194. doi:10.1504/IJMMNO.2013.055204
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import math

import numpy as np

from secondorder.problems.problem import Problem, at_least, exactly, point, points


def quadratic(condition, offset):
    """fun, fun_grad, hvp of (x - 1)' H (x - 1) / 2 + offset. The closures hold two floats, which Numba freezes."""
    log_condition = math.log(condition)

    def fun(x):
        n = x.shape[0]
        mean = 0.0
        for i in range(n):
            mean += (x[i] - 1.0) / n
        f = 0.0
        for i in range(n):
            z = x[i] - 1.0 - 2.0 * mean  # of Q (x - 1)
            d = math.exp(log_condition * i / max(n - 1, 1))
            f += 0.5 * d * z * z
        return f + offset

    def fun_grad(x, g):
        n = x.shape[0]
        mean = 0.0
        for i in range(n):
            mean += (x[i] - 1.0) / n
        f = 0.0
        mean_g = 0.0
        for i in range(n):
            z = x[i] - 1.0 - 2.0 * mean
            d = math.exp(log_condition * i / max(n - 1, 1))
            f += 0.5 * d * z * z
            g[i] = d * z
            mean_g += d * z / n
        for i in range(n):
            g[i] -= 2.0 * mean_g
        return f + offset

    def hvp(x, v, out):
        n = x.shape[0]
        mean = 0.0
        for i in range(n):
            mean += v[i] / n
        mean_out = 0.0
        for i in range(n):
            z = v[i] - 2.0 * mean
            d = math.exp(log_condition * i / max(n - 1, 1))
            out[i] = d * z
            mean_out += d * z / n
        for i in range(n):
            out[i] -= 2.0 * mean_out

    return fun, fun_grad, hvp


QUADRATIC_1E2_FUN, QUADRATIC_1E2_GRAD, QUADRATIC_1E2_HVP = quadratic(1e2, 0.0)
QUADRATIC_1E6_FUN, QUADRATIC_1E6_GRAD, QUADRATIC_1E6_HVP = quadratic(1e6, 0.0)
QUADRATIC_1E10_FUN, QUADRATIC_1E10_GRAD, QUADRATIC_1E10_HVP = quadratic(1e10, 0.0)

QUADRATIC_1E2 = Problem(
    name="quadratic-1e2",
    fun=QUADRATIC_1E2_FUN,
    fun_grad=QUADRATIC_1E2_GRAD,
    hvp=QUADRATIC_1E2_HVP,
    start=np.zeros,
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    x_star=lambda n: np.ones((1, n)),
    traits=frozenset({"quadratic", "convex"}),
    reference="ours: condition number 1e2",
)

QUADRATIC_1E6 = Problem(
    name="quadratic-1e6",
    fun=QUADRATIC_1E6_FUN,
    fun_grad=QUADRATIC_1E6_GRAD,
    hvp=QUADRATIC_1E6_HVP,
    start=np.zeros,
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    x_star=lambda n: np.ones((1, n)),
    traits=frozenset({"quadratic", "convex", "ill-conditioned"}),
    reference="ours: condition number 1e6",
)

QUADRATIC_1E10 = Problem(
    name="quadratic-1e10",
    fun=QUADRATIC_1E10_FUN,
    fun_grad=QUADRATIC_1E10_GRAD,
    hvp=QUADRATIC_1E10_HVP,
    start=np.zeros,
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    x_star=lambda n: np.ones((1, n)),
    traits=frozenset({"quadratic", "convex", "ill-conditioned"}),
    reference="ours: condition number 1e10",
)


# --- TRIDIA: (x_1 - 1)^2 + sum_{i>=2} i (2 x_i - x_{i-1})^2 ---


def tridia(x):
    b = x[0] - 1.0
    f = b * b
    for i in range(1, x.shape[0]):
        a = 2.0 * x[i] - x[i - 1]
        f += (i + 1.0) * a * a
    return f


def tridia_grad(x, g):
    b = x[0] - 1.0
    f = b * b
    g[0] = 2.0 * b
    for i in range(1, x.shape[0]):
        a = 2.0 * x[i] - x[i - 1]
        f += (i + 1.0) * a * a
        g[i - 1] -= 2.0 * (i + 1.0) * a
        g[i] = 4.0 * (i + 1.0) * a
    return f


def tridia_hvp(x, v, out):
    out[0] = 2.0 * v[0]
    for i in range(1, x.shape[0]):
        av = 2.0 * v[i] - v[i - 1]
        out[i - 1] -= 2.0 * (i + 1.0) * av
        out[i] = 4.0 * (i + 1.0) * av


TRIDIA = Problem(
    name="tridia",
    fun=tridia,
    fun_grad=tridia_grad,
    hvp=tridia_hvp,
    start=np.ones,
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    x_star=lambda n: 0.5 ** np.arange(n).reshape(1, n),
    traits=frozenset({"least-squares", "quadratic", "convex"}),
    reference="[1] TRIDIA",
)


# --- Trid: sum (x_i - 1)^2 - sum_{i>=2} x_i x_{i-1} ---


def trid(x):
    f = 0.0
    for i in range(x.shape[0]):
        b = x[i] - 1.0
        f += b * b
        if i > 0:
            f -= x[i] * x[i - 1]
    return f


def trid_grad(x, g):
    f = 0.0
    for i in range(x.shape[0]):
        b = x[i] - 1.0
        f += b * b
        g[i] = 2.0 * b
        if i > 0:
            f -= x[i] * x[i - 1]
            g[i] -= x[i - 1]
            g[i - 1] -= x[i]
    return f


def trid_hvp(x, v, out):
    for i in range(x.shape[0]):
        out[i] = 2.0 * v[i]
        if i > 0:
            out[i] -= v[i - 1]
            out[i - 1] -= v[i]


TRID = Problem(
    name="trid",
    fun=trid,
    fun_grad=trid_grad,
    hvp=trid_hvp,
    start=np.zeros,
    n=10,
    sizes=at_least(1),
    f_star=lambda n: -n * (n + 4.0) * (n - 1.0) / 6.0,
    x_star=lambda n: (np.arange(1.0, n + 1.0) * np.arange(n, 0.0, -1.0)).reshape(1, n),
    traits=frozenset({"quadratic", "convex"}),
    reference="[2] Trid; the start is ours",
)


# --- Booth: (x1 + 2 x2 - 7)^2 + (2 x1 + x2 - 5)^2 ---


def booth(x):
    a = x[0] + 2.0 * x[1] - 7.0
    b = 2.0 * x[0] + x[1] - 5.0
    return a * a + b * b


def booth_grad(x, g):
    a = x[0] + 2.0 * x[1] - 7.0
    b = 2.0 * x[0] + x[1] - 5.0
    g[0] = 2.0 * a + 4.0 * b
    g[1] = 4.0 * a + 2.0 * b
    return a * a + b * b


def booth_hvp(x, v, out):
    out[0] = 10.0 * v[0] + 8.0 * v[1]
    out[1] = 8.0 * v[0] + 10.0 * v[1]


BOOTH = Problem(
    name="booth",
    fun=booth,
    fun_grad=booth_grad,
    hvp=booth_hvp,
    start=point(-5.0, 8.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((1.0, 3.0)),
    traits=frozenset({"least-squares", "quadratic", "convex"}),
    reference="[2] Booth; the start is ours",
)


# --- Matyas: 0.26 (x1^2 + x2^2) - 0.48 x1 x2 ---


def matyas(x):
    return 0.26 * (x[0] * x[0] + x[1] * x[1]) - 0.48 * x[0] * x[1]


def matyas_grad(x, g):
    g[0] = 0.52 * x[0] - 0.48 * x[1]
    g[1] = 0.52 * x[1] - 0.48 * x[0]
    return 0.26 * (x[0] * x[0] + x[1] * x[1]) - 0.48 * x[0] * x[1]


def matyas_hvp(x, v, out):
    out[0] = 0.52 * v[0] - 0.48 * v[1]
    out[1] = 0.52 * v[1] - 0.48 * v[0]


MATYAS = Problem(
    name="matyas",
    fun=matyas,
    fun_grad=matyas_grad,
    hvp=matyas_hvp,
    start=point(8.0, -3.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((0.0, 0.0)),
    traits=frozenset({"quadratic", "convex"}),
    reference="[2] Matyas; the start is ours",
)
