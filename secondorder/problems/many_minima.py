"""Functions with several known minima.

References
----------
[1] Himmelblau. Applied nonlinear programming. McGraw-Hill, 1972.
[2] Styblinski, Tang. Experiments in nonconvex optimization: stochastic approximation with function smoothing and
    simulated annealing. Neural Networks 3 (1990) 467-483. doi:10.1016/0893-6080(90)90029-K
[3] Dixon, Szego. The global optimization problem: an introduction. Towards global optimisation 2 (1978) 1-15.
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import numpy as np

from secondorder.problems.problem import Problem, at_least, exactly, point, points

# --- Himmelblau: (x1^2 + x2 - 11)^2 + (x1 + x2^2 - 7)^2 ---


def himmelblau(x):
    a = x[0] * x[0] + x[1] - 11.0
    b = x[0] + x[1] * x[1] - 7.0
    return a * a + b * b


def himmelblau_grad(x, g):
    a = x[0] * x[0] + x[1] - 11.0
    b = x[0] + x[1] * x[1] - 7.0
    g[0] = 4.0 * x[0] * a + 2.0 * b
    g[1] = 2.0 * a + 4.0 * x[1] * b
    return a * a + b * b


def himmelblau_hvp(x, v, out):
    a = x[0] * x[0] + x[1] - 11.0
    b = x[0] + x[1] * x[1] - 7.0
    cross = 4.0 * (x[0] + x[1])
    out[0] = (8.0 * x[0] * x[0] + 4.0 * a + 2.0) * v[0] + cross * v[1]
    out[1] = cross * v[0] + (8.0 * x[1] * x[1] + 4.0 * b + 2.0) * v[1]


HIMMELBLAU_MINIMIZERS = points(
    (3.0, 2.0),
    (-2.805118086952745, 3.131312518250573),
    (-3.779310253377747, -3.283185991286169),
    (3.5844283403304917, -1.8481265269644034),
)

HIMMELBLAU = Problem(
    name="himmelblau",
    fun=himmelblau,
    fun_grad=himmelblau_grad,
    hvp=himmelblau_hvp,
    start=point(0.0, 0.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=HIMMELBLAU_MINIMIZERS,
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[1]; the start is ours",
)


# --- Styblinski and Tang: sum (x_i^4 - 16 x_i^2 + 5 x_i) / 2 ---


def styblinski_tang(x):
    f = 0.0
    for i in range(x.shape[0]):
        z = x[i] * x[i]
        f += 0.5 * (z * z - 16.0 * z + 5.0 * x[i])
    return f


def styblinski_tang_grad(x, g):
    f = 0.0
    for i in range(x.shape[0]):
        z = x[i] * x[i]
        f += 0.5 * (z * z - 16.0 * z + 5.0 * x[i])
        g[i] = 2.0 * x[i] * (z - 8.0) + 2.5
    return f


def styblinski_tang_hvp(x, v, out):
    for i in range(x.shape[0]):
        out[i] = (6.0 * x[i] * x[i] - 16.0) * v[i]


# The minima of one term, at the outer roots of 2 z^3 - 16 z + 5/2.
TANG_LOW = (-2.903534027771177, -39.16616570377141)
TANG_HIGH = (2.746802770990837, -25.029446655283945)

STYBLINSKI_TANG = Problem(
    name="styblinski-tang",
    fun=styblinski_tang,
    fun_grad=styblinski_tang_grad,
    hvp=styblinski_tang_hvp,
    start=point(-1.0),
    n=4,
    sizes=at_least(1),
    f_star=lambda n: n * TANG_LOW[1],
    x_star=lambda n: np.full((1, n), TANG_LOW[0]),
    f_local=lambda n: tuple((n - k) * TANG_LOW[1] + k * TANG_HIGH[1] for k in range(1, n + 1)),
    traits=frozenset({"nonconvex", "many-minima"}),
    reference="[2]; the start is ours",
)


# --- six-hump camel: (4 - 2.1 x1^2 + x1^4 / 3) x1^2 + x1 x2 + 4 (x2^2 - 1) x2^2 ---


def six_hump_camel(x):
    z = x[0] * x[0]
    w = x[1] * x[1]
    return (4.0 - 2.1 * z + z * z / 3.0) * z + x[0] * x[1] + 4.0 * (w - 1.0) * w


def six_hump_camel_grad(x, g):
    z = x[0] * x[0]
    w = x[1] * x[1]
    g[0] = (8.0 - 8.4 * z + 2.0 * z * z) * x[0] + x[1]
    g[1] = x[0] + (16.0 * w - 8.0) * x[1]
    return (4.0 - 2.1 * z + z * z / 3.0) * z + x[0] * x[1] + 4.0 * (w - 1.0) * w


def six_hump_camel_hvp(x, v, out):
    z = x[0] * x[0]
    w = x[1] * x[1]
    out[0] = (8.0 - 25.2 * z + 10.0 * z * z) * v[0] + v[1]
    out[1] = v[0] + (48.0 * w - 8.0) * v[1]


SIX_HUMP_CAMEL = Problem(
    name="six-hump-camel",
    fun=six_hump_camel,
    fun_grad=six_hump_camel_grad,
    hvp=six_hump_camel_hvp,
    start=point(-1.0, -1.0),
    n=2,
    sizes=exactly(2),
    f_star=-1.0316284534898774,
    x_star=points((0.08984201310031807, -0.7126564030207396), (-0.08984201310031807, 0.7126564030207396)),
    f_local=(-0.21546382438371725, 2.104250310311258),
    traits=frozenset({"nonconvex", "many-minima"}),
    reference="[3]; the start is ours",
)
