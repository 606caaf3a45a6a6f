"""Problems whose start is a saddle, or is carried to one by steepest descent.

The starts lie on the stable manifold of the saddle: all along it the gradient has no component in the direction of
negative curvature. Only curvature, or rounding, leads out.

References
----------
[1] Nesterov. Introductory lectures on convex optimization. Springer, 2004. Example 1.2.2 (the double well).
[2] Hilbert, Cohn-Vossen. Geometry and the imagination. Chelsea, 1952. Section 29 (the monkey saddle).
[3] Chafee, Infante. A bifurcation problem for a nonlinear partial differential equation of parabolic type. Applicable
    Analysis 4 (1974) 17-37. doi:10.1080/00036817408839081
[4] Ge, Lee, Ma. Matrix completion has no spurious local minimum. NIPS 2016. Section 3 (the rank-1 case).
[5] Kawaguchi. Deep learning without poor local minima. NIPS 2016. Theorem 2.3.
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


# --- quartic saddle: sum s_i x_i^2 / 2 + x_i^4 / 4; s_i = -1 for the first ceil(n / 4) variables, else 1 ---


def quartic_saddle(x):
    n = x.shape[0]
    f = 0.0
    for i in range(n):
        a = x[i] * x[i]
        sign = -1.0 if 4 * i < n else 1.0
        f += 0.5 * sign * a + 0.25 * a * a
    return f


def quartic_saddle_grad(x, g):
    n = x.shape[0]
    f = 0.0
    for i in range(n):
        a = x[i] * x[i]
        sign = -1.0 if 4 * i < n else 1.0
        f += 0.5 * sign * a + 0.25 * a * a
        g[i] = x[i] * (sign + a)
    return f


def quartic_saddle_hvp(x, v, out):
    n = x.shape[0]
    for i in range(n):
        sign = -1.0 if 4 * i < n else 1.0
        out[i] = (sign + 3.0 * x[i] * x[i]) * v[i]


def quartic_minimizers(n):
    """Two of the 2^k: all signs alike."""
    x = np.zeros(n)
    x[: (n + 3) // 4] = 1.0
    return np.array([x, -x])


QUARTIC_SADDLE = Problem(
    name="quartic-saddle",
    fun=quartic_saddle,
    fun_grad=quartic_saddle_grad,
    hvp=quartic_saddle_hvp,
    start=np.zeros,
    n=12,
    sizes=at_least(1),
    f_star=lambda n: -0.25 * ((n + 3) // 4),
    x_star=quartic_minimizers,
    f_saddle=lambda n: tuple(-0.25 * k for k in range((n + 3) // 4)),
    traits=frozenset({"nonconvex", "saddle", "many-minima"}),
    reference="[1], of any index; starts at the saddle of the highest",
)


# --- the same, reflected: in y = x - 2 mean(x), so that no direction of curvature lies along an axis ---


def quartic_saddle_turned(x):
    n = x.shape[0]
    m = 0.0
    for i in range(n):
        m += x[i]
    m *= 2.0 / n
    f = 0.0
    for i in range(n):
        y = x[i] - m
        a = y * y
        sign = -1.0 if 4 * i < n else 1.0
        f += 0.5 * sign * a + 0.25 * a * a
    return f


def quartic_saddle_turned_grad(x, g):
    n = x.shape[0]
    m = 0.0
    for i in range(n):
        m += x[i]
    m *= 2.0 / n
    f, total = 0.0, 0.0
    for i in range(n):
        y = x[i] - m
        a = y * y
        sign = -1.0 if 4 * i < n else 1.0
        f += 0.5 * sign * a + 0.25 * a * a
        g[i] = y * (sign + a)
        total += g[i]
    for i in range(n):
        g[i] -= 2.0 * total / n
    return f


def quartic_saddle_turned_hvp(x, v, out):
    n = x.shape[0]
    m, mv = 0.0, 0.0
    for i in range(n):
        m += x[i]
        mv += v[i]
    m *= 2.0 / n
    mv *= 2.0 / n
    total = 0.0
    for i in range(n):
        y = x[i] - m
        sign = -1.0 if 4 * i < n else 1.0
        out[i] = (sign + 3.0 * y * y) * (v[i] - mv)
        total += out[i]
    for i in range(n):
        out[i] -= 2.0 * total / n


def turned_minimizers(n):
    """Two of the 2^k: reflections are their own inverses."""
    y = quartic_minimizers(n)
    return y - 2.0 * y.mean(axis=1, keepdims=True)


QUARTIC_SADDLE_TURNED = Problem(
    name="quartic-saddle-turned",
    fun=quartic_saddle_turned,
    fun_grad=quartic_saddle_turned_grad,
    hvp=quartic_saddle_turned_hvp,
    start=np.zeros,
    n=12,
    sizes=at_least(3),
    f_star=lambda n: -0.25 * ((n + 3) // 4),
    x_star=turned_minimizers,
    f_saddle=lambda n: tuple(-0.25 * k for k in range((n + 3) // 4)),
    traits=frozenset({"nonconvex", "saddle", "many-minima"}),
    reference="[1], of any index and turned; starts at the saddle of the highest",
)


# --- rank 1 factorization: |xx' - M|^2 / 4, M = diag(1, (n-1)/n, .., 1/n); saddles at 0 and sqrt(m_i) e_i, i > 1 ---


def rank_1_factorization(x):
    n = x.shape[0]
    xx, xmx, mm = 0.0, 0.0, 0.0
    for i in range(n):
        m = (n - i) / n
        xx += x[i] * x[i]
        xmx += m * x[i] * x[i]
        mm += m * m
    return 0.25 * (xx * xx - 2.0 * xmx + mm)


def rank_1_factorization_grad(x, g):
    n = x.shape[0]
    xx, xmx, mm = 0.0, 0.0, 0.0
    for i in range(n):
        m = (n - i) / n
        xx += x[i] * x[i]
        xmx += m * x[i] * x[i]
        mm += m * m
    for i in range(n):
        g[i] = (xx - (n - i) / n) * x[i]
    return 0.25 * (xx * xx - 2.0 * xmx + mm)


def rank_1_factorization_hvp(x, v, out):
    n = x.shape[0]
    xx, xv = 0.0, 0.0
    for i in range(n):
        xx += x[i] * x[i]
        xv += x[i] * v[i]
    for i in range(n):
        out[i] = (xx - (n - i) / n) * v[i] + 2.0 * xv * x[i]


RANK_1_FACTORIZATION = Problem(
    name="rank-1-factorization",
    fun=rank_1_factorization,
    fun_grad=rank_1_factorization_grad,
    hvp=rank_1_factorization_hvp,
    start=lambda n: np.eye(n)[n - 1],  # steepest descent leads to the saddle with the most directions down, but 0
    n=8,
    sizes=at_least(2),
    f_star=lambda n: 0.25 * sum((k / n) ** 2 for k in range(1, n)),
    x_star=lambda n: np.array([np.eye(n)[0], -np.eye(n)[0]]),
    f_saddle=lambda n: tuple(0.25 * sum((j / n) ** 2 for j in range(1, n + 1) if j != k) for k in (*range(1, n), 0)),
    traits=frozenset({"nonconvex", "saddle", "many-minima"}),
    reference="[4]",
)


# --- linear network of n layers, one neuron each: (x1 x2 .. xn - 1)^2 / 2 ---
# Stationary where the product is 1, or where two variables are 0: a strict saddle if no third is, else degenerate.


def linear_network(x):
    product = 1.0
    for i in range(x.shape[0]):
        product *= x[i]
    return 0.5 * (product - 1.0) * (product - 1.0)


def linear_network_grad(x, g):
    n = x.shape[0]
    product = 1.0
    for i in range(n):
        product *= x[i]
    for i in range(n):
        others = 1.0
        for k in range(n):
            if k != i:
                others *= x[k]
        g[i] = (product - 1.0) * others
    return 0.5 * (product - 1.0) * (product - 1.0)


def linear_network_hvp(x, v, out):
    n = x.shape[0]
    product = 1.0
    for i in range(n):
        product *= x[i]
    slope = 0.0  # of the product along v
    for i in range(n):
        others = 1.0
        for k in range(n):
            if k != i:
                others *= x[k]
        slope += others * v[i]
    for i in range(n):
        others, change = 1.0, 0.0
        for k in range(n):
            if k != i:
                change = change * x[k] + others * v[k]
                others *= x[k]
        out[i] = slope * others + (product - 1.0) * change


LINEAR_NETWORK = Problem(
    name="linear-network",
    fun=linear_network,
    fun_grad=linear_network_grad,
    hvp=linear_network_hvp,
    start=lambda n: np.concatenate((np.zeros(2), np.ones(n - 2))),
    n=3,
    sizes=at_least(3),
    f_star=0.0,
    x_star=lambda n: np.ones((1, n)),
    f_saddle=(0.5,),
    traits=frozenset({"least-squares", "nonconvex", "saddle", "degenerate", "singular", "many-minima"}),
    reference="[5], with one neuron a layer",
)
