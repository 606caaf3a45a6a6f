"""Problems whose start is a saddle, or is carried to one by steepest descent.

The starts lie on the stable manifold of the saddle: all along it the gradient has no component in the direction of
negative curvature. Only curvature, or rounding, leads out.

References
----------
[1] Nesterov. Introductory lectures on convex optimization. Springer, 2004. Example 1.2.2 (the double well).
[2] Hilbert, Cohn-Vossen. Geometry and the imagination. Chelsea, 1952. Section 29 (the monkey saddle).
[3] Chafee, Infante. A bifurcation problem for a nonlinear partial differential equation of parabolic type. Applicable
    Analysis 4 (1974) 17-37. doi:10.1080/00036817408839081
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import numpy as np

from secondorder.problems.problem import Problem, at_least, exactly, point, points

# --- horse saddle: x1^2 - x2^2 ---


def horse_saddle(x):
    return x[0] * x[0] - x[1] * x[1]


def horse_saddle_grad(x, g):
    g[0] = 2.0 * x[0]
    g[1] = -2.0 * x[1]
    return x[0] * x[0] - x[1] * x[1]


def horse_saddle_hvp(x, v, out):
    out[0] = 2.0 * v[0]
    out[1] = -2.0 * v[1]


HORSE_SADDLE = Problem(
    name="horse-saddle",
    fun=horse_saddle,
    fun_grad=horse_saddle_grad,
    hvp=horse_saddle_hvp,
    start=point(1.0, 0.0),
    n=2,
    sizes=exactly(2),
    f_star=None,
    f_saddle=(0.0,),
    traits=frozenset({"quadratic", "nonconvex", "saddle", "unbounded"}),
    reference="ours: the simplest strict saddle",
)


# --- monkey saddle: x1^3 - 3 x1 x2^2; the Hessian at the origin is zero ---


def monkey_saddle(x):
    return x[0] * (x[0] * x[0] - 3.0 * x[1] * x[1])


def monkey_saddle_grad(x, g):
    g[0] = 3.0 * (x[0] * x[0] - x[1] * x[1])
    g[1] = -6.0 * x[0] * x[1]
    return x[0] * (x[0] * x[0] - 3.0 * x[1] * x[1])


def monkey_saddle_hvp(x, v, out):
    out[0] = 6.0 * (x[0] * v[0] - x[1] * v[1])
    out[1] = -6.0 * (x[1] * v[0] + x[0] * v[1])


MONKEY_SADDLE = Problem(
    name="monkey-saddle",
    fun=monkey_saddle,
    fun_grad=monkey_saddle_grad,
    hvp=monkey_saddle_hvp,
    start=point(1.0, 0.0),
    n=2,
    sizes=exactly(2),
    f_star=None,
    f_saddle=(0.0,),
    traits=frozenset({"nonconvex", "saddle", "degenerate", "unbounded"}),
    reference="[2]",
)


# --- double well: x1^4 / 4 - x1^2 / 2 + x2^2 / 2; strict saddle at the origin ---


def double_well(x):
    a = x[0] * x[0]
    return 0.25 * a * a - 0.5 * a + 0.5 * x[1] * x[1]


def double_well_grad(x, g):
    a = x[0] * x[0]
    g[0] = x[0] * (a - 1.0)
    g[1] = x[1]
    return 0.25 * a * a - 0.5 * a + 0.5 * x[1] * x[1]


def double_well_hvp(x, v, out):
    out[0] = (3.0 * x[0] * x[0] - 1.0) * v[0]
    out[1] = v[1]


DOUBLE_WELL = Problem(
    name="double-well",
    fun=double_well,
    fun_grad=double_well_grad,
    hvp=double_well_hvp,
    start=point(0.0, 1.0),
    n=2,
    sizes=exactly(2),
    f_star=-0.25,
    x_star=points((1.0, 0.0), (-1.0, 0.0)),
    f_saddle=(0.0,),
    traits=frozenset({"nonconvex", "saddle", "many-minima"}),
    reference="[1], with x1 and x2 exchanged",
)

DOUBLE_WELL_AT_SADDLE = Problem(
    name="double-well-at-saddle",
    fun=double_well,
    fun_grad=double_well_grad,
    hvp=double_well_hvp,
    start=point(0.0, 0.0),
    n=2,
    sizes=exactly(2),
    f_star=-0.25,
    x_star=points((1.0, 0.0), (-1.0, 0.0)),
    f_saddle=(0.0,),
    traits=frozenset({"nonconvex", "saddle", "many-minima"}),
    reference="[1], with x1 and x2 exchanged; starts at the saddle, where the gradient is zero",
)


# --- Allen-Cahn chain: sum (x_i^2 - 1)^2 / 4 + n^2 / 8 sum_{i<n} (x_{i+1} - x_i)^2 ---
# So stiff a chain has no stationary points but the saddle 0, with one direction down, and the minimizers +-(1, .., 1).


def allen_cahn(x):
    n = x.shape[0]
    f = 0.0
    for i in range(n):
        w = x[i] * x[i] - 1.0
        f += 0.25 * w * w
        if i > 0:
            s = x[i] - x[i - 1]
            f += 0.125 * n * n * s * s
    return f


def allen_cahn_grad(x, g):
    n = x.shape[0]
    f = 0.0
    for i in range(n):
        w = x[i] * x[i] - 1.0
        f += 0.25 * w * w
        g[i] = x[i] * w
        if i > 0:
            s = x[i] - x[i - 1]
            f += 0.125 * n * n * s * s
            g[i] += 0.25 * n * n * s
            g[i - 1] -= 0.25 * n * n * s
    return f


def allen_cahn_hvp(x, v, out):
    n = x.shape[0]
    for i in range(n):
        out[i] = (3.0 * x[i] * x[i] - 1.0) * v[i]
        if i > 0:
            sv = v[i] - v[i - 1]
            out[i] += 0.25 * n * n * sv
            out[i - 1] -= 0.25 * n * n * sv


ALLEN_CAHN = Problem(
    name="allen-cahn",
    fun=allen_cahn,
    fun_grad=allen_cahn_grad,
    hvp=allen_cahn_hvp,
    start=lambda n: (2.0 * np.arange(n) - (n - 1.0)) / (n - 1.0),  # odd about the middle, as is the gradient then
    n=10,
    sizes=at_least(2),
    f_star=0.0,
    x_star=lambda n: np.array([np.ones(n), -np.ones(n)]),
    f_saddle=lambda n: (0.25 * n,),
    traits=frozenset({"nonconvex", "saddle", "many-minima"}),
    reference="[3], discretised; the chain is ours",
)
