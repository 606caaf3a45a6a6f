"""Problems with logarithms: nan outside an open domain, which a trial step may leave.

At a point outside the domain the value is nan, and so is every entry of the gradient and of the Hessian product.

References
----------
[1] Boyd, Vandenberghe. Convex optimization. Cambridge University Press, 2004. Sections 8.5.3 (analytic centers) and
    11.2 (logarithmic barrier).
[2] More, Garbow, Hillstrom. Testing unconstrained optimization software. ACM Transactions on Mathematical Software 7
    (1981) 17-41. doi:10.1145/355934.355936
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import math

import numpy as np

from secondorder.problems.problem import Problem, at_least, exactly, points


def log_barrier(mu):
    """fun, fun_grad, hvp of sum i x_i - mu sum log x_i, on x > 0. The closures hold one float, which Numba freezes."""

    def fun(x):
        f = 0.0
        for i in range(x.shape[0]):
            if not x[i] > 0.0:
                return math.nan
            f += (i + 1.0) * x[i] - mu * math.log(x[i])
        return f

    def fun_grad(x, g):
        f = 0.0
        for i in range(x.shape[0]):
            if not x[i] > 0.0:
                for k in range(x.shape[0]):
                    g[k] = math.nan
                return math.nan
            f += (i + 1.0) * x[i] - mu * math.log(x[i])
            g[i] = i + 1.0 - mu / x[i]
        return f

    def hvp(x, v, out):
        for i in range(x.shape[0]):
            if not x[i] > 0.0:
                for k in range(x.shape[0]):
                    out[k] = math.nan
                return
            out[i] = mu / (x[i] * x[i]) * v[i]

    return fun, fun_grad, hvp


LOG_LINEAR_FUN, LOG_LINEAR_GRAD, LOG_LINEAR_HVP = log_barrier(1.0)
LOG_BARRIER_FUN, LOG_BARRIER_GRAD, LOG_BARRIER_HVP = log_barrier(1e-6)

LOG_LINEAR = Problem(
    name="log-linear",
    fun=LOG_LINEAR_FUN,
    fun_grad=LOG_LINEAR_GRAD,
    hvp=LOG_LINEAR_HVP,
    start=np.ones,
    n=5,
    sizes=at_least(1),
    f_star=lambda n: sum(1.0 + math.log(i) for i in range(1, n + 1)),
    x_star=lambda n: 1.0 / np.arange(1.0, n + 1.0).reshape(1, n),
    traits=frozenset({"convex", "nan-domain"}),
    reference="[1] section 11.2, of the linear program min c'x, x >= 0",
)

LOG_BARRIER = Problem(
    name="log-barrier-1e-6",
    fun=LOG_BARRIER_FUN,
    fun_grad=LOG_BARRIER_GRAD,
    hvp=LOG_BARRIER_HVP,
    start=np.ones,
    n=5,
    sizes=at_least(1),
    f_star=lambda n: sum(1e-6 * (1.0 - math.log(1e-6 / i)) for i in range(1, n + 1)),
    x_star=lambda n: 1e-6 / np.arange(1.0, n + 1.0).reshape(1, n),
    traits=frozenset({"convex", "nan-domain", "badly-scaled"}),
    reference="[1] section 11.2, of the linear program min c'x, x >= 0, late on the central path",
)


# --- entropy: sum x_i log(x_i / i), on x > 0 ---


def entropy(x):
    f = 0.0
    for i in range(x.shape[0]):
        if not x[i] > 0.0:
            return math.nan
        f += x[i] * math.log(x[i] / (i + 1.0))
    return f


def entropy_grad(x, g):
    f = 0.0
    for i in range(x.shape[0]):
        if not x[i] > 0.0:
            for k in range(x.shape[0]):
                g[k] = math.nan
            return math.nan
        f += x[i] * math.log(x[i] / (i + 1.0))
        g[i] = math.log(x[i] / (i + 1.0)) + 1.0
    return f


def entropy_hvp(x, v, out):
    for i in range(x.shape[0]):
        if not x[i] > 0.0:
            for k in range(x.shape[0]):
                out[k] = math.nan
            return
        out[i] = v[i] / x[i]


ENTROPY = Problem(
    name="entropy",
    fun=entropy,
    fun_grad=entropy_grad,
    hvp=entropy_hvp,
    start=lambda n: 10.0 * np.arange(1.0, n + 1.0),
    n=5,
    sizes=at_least(1),
    f_star=lambda n: -n * (n + 1) / (2.0 * math.e),
    x_star=lambda n: np.arange(1.0, n + 1.0).reshape(1, n) / math.e,
    traits=frozenset({"convex", "nan-domain"}),
    reference="ours: relative entropy; a Newton step from the start leaves the domain",
)


# --- analytic center of the simplex: -sum log x_i - log(1 - sum x_i) ---


def analytic_center(x):
    f = 0.0
    slack = 1.0
    for i in range(x.shape[0]):
        if not x[i] > 0.0:
            return math.nan
        f -= math.log(x[i])
        slack -= x[i]
    if not slack > 0.0:
        return math.nan
    return f - math.log(slack)


def analytic_center_grad(x, g):
    f = 0.0
    slack = 1.0
    inside = True
    for i in range(x.shape[0]):
        inside = inside and x[i] > 0.0
        slack -= x[i]
    if not (inside and slack > 0.0):
        for i in range(x.shape[0]):
            g[i] = math.nan
        return math.nan
    for i in range(x.shape[0]):
        f -= math.log(x[i])
        g[i] = 1.0 / slack - 1.0 / x[i]
    return f - math.log(slack)


def analytic_center_hvp(x, v, out):
    slack = 1.0
    slack_v = 0.0
    inside = True
    for i in range(x.shape[0]):
        inside = inside and x[i] > 0.0
        slack -= x[i]
        slack_v -= v[i]
    for i in range(x.shape[0]):
        if inside and slack > 0.0:
            out[i] = v[i] / (x[i] * x[i]) - slack_v / (slack * slack)
        else:
            out[i] = math.nan


def near_a_vertex(n):
    x = np.full(n, 0.01 / n)
    x[0] = 0.98
    return x


ANALYTIC_CENTER = Problem(
    name="analytic-center",
    fun=analytic_center,
    fun_grad=analytic_center_grad,
    hvp=analytic_center_hvp,
    start=near_a_vertex,
    n=5,
    sizes=at_least(1),
    f_star=lambda n: (n + 1.0) * math.log(n + 1.0),
    x_star=lambda n: np.full((1, n), 1.0 / (n + 1.0)),
    traits=frozenset({"convex", "nan-domain"}),
    reference="[1] section 8.5.3, of the simplex",
)


# --- box barrier: -sum log(1 - x_i^2) - sum i x_i, on |x_i| < 1 ---


def box_barrier(x):
    f = 0.0
    for i in range(x.shape[0]):
        w = 1.0 - x[i] * x[i]
        if not w > 0.0:
            return math.nan
        f -= math.log(w) + (i + 1.0) * x[i]
    return f


def box_barrier_grad(x, g):
    f = 0.0
    for i in range(x.shape[0]):
        w = 1.0 - x[i] * x[i]
        if not w > 0.0:
            for k in range(x.shape[0]):
                g[k] = math.nan
            return math.nan
        f -= math.log(w) + (i + 1.0) * x[i]
        g[i] = 2.0 * x[i] / w - (i + 1.0)
    return f


def box_barrier_hvp(x, v, out):
    for i in range(x.shape[0]):
        w = 1.0 - x[i] * x[i]
        if not w > 0.0:
            for k in range(x.shape[0]):
                out[k] = math.nan
            return
        out[i] = 2.0 * (1.0 + x[i] * x[i]) / (w * w) * v[i]


def box_barrier_minimizers(n):
    """The root in (0, 1) of i x^2 + 2 x - i = 0."""
    i = np.arange(1.0, n + 1.0)
    return (i / (1.0 + np.sqrt(1.0 + i * i))).reshape(1, n)


BOX_BARRIER = Problem(
    name="box-barrier",
    fun=box_barrier,
    fun_grad=box_barrier_grad,
    hvp=box_barrier_hvp,
    start=np.zeros,
    n=5,
    sizes=at_least(1),
    f_star=lambda n: box_barrier(box_barrier_minimizers(n)[0]),
    x_star=box_barrier_minimizers,
    traits=frozenset({"convex", "nan-domain"}),
    reference="[1] section 11.2, of a linear function on a box",
)


# --- Rosenbrock in (log x1, log x2), on x > 0 ---


def log_rosenbrock(x):
    if not (x[0] > 0.0 and x[1] > 0.0):
        return math.nan
    y = math.log(x[0])
    a = math.log(x[1]) - y * y
    b = 1.0 - y
    return 100.0 * a * a + b * b


def log_rosenbrock_grad(x, g):
    if not (x[0] > 0.0 and x[1] > 0.0):
        g[0] = math.nan
        g[1] = math.nan
        return math.nan
    y = math.log(x[0])
    a = math.log(x[1]) - y * y
    b = 1.0 - y
    g[0] = (-400.0 * y * a - 2.0 * b) / x[0]
    g[1] = 200.0 * a / x[1]
    return 100.0 * a * a + b * b


def log_rosenbrock_hvp(x, v, out):
    if not (x[0] > 0.0 and x[1] > 0.0):
        out[0] = math.nan
        out[1] = math.nan
        return
    y = math.log(x[0])
    a = math.log(x[1]) - y * y
    b = 1.0 - y
    w1 = v[0] / x[0]
    w2 = v[1] / x[1]
    out[0] = ((800.0 * y * y - 400.0 * a + 2.0 + 400.0 * y * a + 2.0 * b) * w1 - 400.0 * y * w2) / x[0]
    out[1] = ((200.0 - 200.0 * a) * w2 - 400.0 * y * w1) / x[1]


LOG_ROSENBROCK = Problem(
    name="log-rosenbrock",
    fun=log_rosenbrock,
    fun_grad=log_rosenbrock_grad,
    hvp=log_rosenbrock_hvp,
    start=lambda n: np.array([math.exp(-1.2), math.e]),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((math.e, math.e)),
    traits=frozenset({"least-squares", "nonconvex", "nan-domain"}),
    reference="[2] problem 1, in the logarithms of the variables",
)
