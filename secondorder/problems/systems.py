"""More, Garbow and Hillstrom's set: the systems of equations of any size (28 to 35).

Every one is a sum of squared residuals r_i, with the standard start of [1]. Indices in the formulas run from 1 as in
[1], in the code from 0. There is no scratch, so residuals are computed again where a sum over them needs them: the
integral equation costs n^2 operations, Chebyquad n^3.

Values that depend on n are given for the sizes that [1] gives, computed here to machine precision.

References
----------
[1] More, Garbow, Hillstrom. Testing unconstrained optimization software. ACM Transactions on Mathematical Software 7
    (1981) 17-41. doi:10.1145/355934.355936
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import numpy as np

from secondorder.problems.problem import Problem, at_least

# --- boundary value: r_i = 2 x_i - x_{i-1} - x_{i+1} + h^2 (x_i + t_i + 1)^3 / 2, t_i = i h, h = 1 / (n + 1) ---


def discrete_boundary_value(x):
    n = x.shape[0]
    h = 1.0 / (n + 1.0)
    f = 0.0
    for i in range(n):
        c = x[i] + (i + 1.0) * h + 1.0
        r = 2.0 * x[i] + 0.5 * h * h * c * c * c
        if i > 0:
            r -= x[i - 1]
        if i < n - 1:
            r -= x[i + 1]
        f += r * r
    return f


def discrete_boundary_value_grad(x, g):
    n = x.shape[0]
    h = 1.0 / (n + 1.0)
    f = 0.0
    for i in range(n):
        g[i] = 0.0
    for i in range(n):
        c = x[i] + (i + 1.0) * h + 1.0
        r = 2.0 * x[i] + 0.5 * h * h * c * c * c
        if i > 0:
            r -= x[i - 1]
        if i < n - 1:
            r -= x[i + 1]
        f += r * r
        g[i] += 2.0 * r * (2.0 + 1.5 * h * h * c * c)
        if i > 0:
            g[i - 1] -= 2.0 * r
        if i < n - 1:
            g[i + 1] -= 2.0 * r
    return f


def discrete_boundary_value_hvp(x, v, out):
    n = x.shape[0]
    h = 1.0 / (n + 1.0)
    for i in range(n):
        out[i] = 0.0
    for i in range(n):
        c = x[i] + (i + 1.0) * h + 1.0
        r = 2.0 * x[i] + 0.5 * h * h * c * c * c
        own = 2.0 + 1.5 * h * h * c * c
        jv = own * v[i]
        if i > 0:
            r -= x[i - 1]
            jv -= v[i - 1]
        if i < n - 1:
            r -= x[i + 1]
            jv -= v[i + 1]
        out[i] += 2.0 * (own * jv + 3.0 * h * h * c * r * v[i])
        if i > 0:
            out[i - 1] -= 2.0 * jv
        if i < n - 1:
            out[i + 1] -= 2.0 * jv


DISCRETE_BOUNDARY_VALUE = Problem(
    name="discrete-boundary-value",
    fun=discrete_boundary_value,
    fun_grad=discrete_boundary_value_grad,
    hvp=discrete_boundary_value_hvp,
    start=lambda n: np.arange(1, n + 1) / (n + 1) * (np.arange(1, n + 1) / (n + 1) - 1.0),
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 28",
)


# --- discrete integral equation: r_i = x_i + h / 2 ((1 - t_i) sum_{j<=i} t_j c_j + t_i sum_{j>i} (1 - t_j) c_j),
#     c_j = (x_j + t_j + 1)^3, h = 1 / (n + 1), t_i = i h ---


def discrete_integral_equation(x):
    n = x.shape[0]
    h = 1.0 / (n + 1.0)
    f = 0.0
    for i in range(n):
        ti = (i + 1.0) * h
        r = x[i]
        for j in range(n):
            tj = (j + 1.0) * h
            kernel = (1.0 - ti) * tj if j <= i else ti * (1.0 - tj)
            c = x[j] + tj + 1.0
            r += 0.5 * h * kernel * c * c * c
        f += r * r
    return f


def discrete_integral_equation_grad(x, g):
    n = x.shape[0]
    h = 1.0 / (n + 1.0)
    f = 0.0
    for i in range(n):
        g[i] = 0.0
    for i in range(n):
        ti = (i + 1.0) * h
        r = x[i]
        for j in range(n):
            tj = (j + 1.0) * h
            kernel = (1.0 - ti) * tj if j <= i else ti * (1.0 - tj)
            c = x[j] + tj + 1.0
            r += 0.5 * h * kernel * c * c * c
        f += r * r
        g[i] += 2.0 * r
        for j in range(n):
            tj = (j + 1.0) * h
            kernel = (1.0 - ti) * tj if j <= i else ti * (1.0 - tj)
            c = x[j] + tj + 1.0
            g[j] += 3.0 * r * h * kernel * c * c
    return f


def discrete_integral_equation_hvp(x, v, out):
    n = x.shape[0]
    h = 1.0 / (n + 1.0)
    for i in range(n):
        out[i] = 0.0
    for i in range(n):
        ti = (i + 1.0) * h
        r = x[i]
        jv = v[i]
        for j in range(n):
            tj = (j + 1.0) * h
            kernel = (1.0 - ti) * tj if j <= i else ti * (1.0 - tj)
            c = x[j] + tj + 1.0
            r += 0.5 * h * kernel * c * c * c
            jv += 1.5 * h * kernel * c * c * v[j]
        out[i] += 2.0 * jv
        for j in range(n):
            tj = (j + 1.0) * h
            kernel = (1.0 - ti) * tj if j <= i else ti * (1.0 - tj)
            c = x[j] + tj + 1.0
            out[j] += 3.0 * h * kernel * c * (jv * c + 2.0 * r * v[j])


DISCRETE_INTEGRAL_EQUATION = Problem(
    name="discrete-integral-equation",
    fun=discrete_integral_equation,
    fun_grad=discrete_integral_equation_grad,
    hvp=discrete_integral_equation_hvp,
    start=lambda n: np.arange(1, n + 1) / (n + 1) * (np.arange(1, n + 1) / (n + 1) - 1.0),
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 29",
)


# --- Broyden tridiagonal: r_i = (3 - 2 x_i) x_i - x_{i-1} - 2 x_{i+1} + 1 ---


def broyden_tridiagonal(x):
    n = x.shape[0]
    f = 0.0
    for i in range(n):
        r = (3.0 - 2.0 * x[i]) * x[i] + 1.0
        if i > 0:
            r -= x[i - 1]
        if i < n - 1:
            r -= 2.0 * x[i + 1]
        f += r * r
    return f


def broyden_tridiagonal_grad(x, g):
    n = x.shape[0]
    f = 0.0
    for i in range(n):
        g[i] = 0.0
    for i in range(n):
        r = (3.0 - 2.0 * x[i]) * x[i] + 1.0
        if i > 0:
            r -= x[i - 1]
        if i < n - 1:
            r -= 2.0 * x[i + 1]
        f += r * r
        g[i] += 2.0 * r * (3.0 - 4.0 * x[i])
        if i > 0:
            g[i - 1] -= 2.0 * r
        if i < n - 1:
            g[i + 1] -= 4.0 * r
    return f


def broyden_tridiagonal_hvp(x, v, out):
    n = x.shape[0]
    for i in range(n):
        out[i] = 0.0
    for i in range(n):
        r = (3.0 - 2.0 * x[i]) * x[i] + 1.0
        own = 3.0 - 4.0 * x[i]
        jv = own * v[i]
        if i > 0:
            r -= x[i - 1]
            jv -= v[i - 1]
        if i < n - 1:
            r -= 2.0 * x[i + 1]
            jv -= 2.0 * v[i + 1]
        out[i] += 2.0 * (own * jv - 4.0 * r * v[i])
        if i > 0:
            out[i - 1] -= 2.0 * jv
        if i < n - 1:
            out[i + 1] -= 4.0 * jv


BROYDEN_TRIDIAGONAL = Problem(
    name="broyden-tridiagonal",
    fun=broyden_tridiagonal,
    fun_grad=broyden_tridiagonal_grad,
    hvp=broyden_tridiagonal_hvp,
    start=lambda n: np.full(n, -1.0),
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 30",
)


# --- Broyden banded: r_i = x_i (2 + 5 x_i^2) + 1 - sum_{j in J_i} x_j (1 + x_j), J_i = {i - 5, .., i + 1} without i ---


def broyden_banded(x):
    n = x.shape[0]
    f = 0.0
    for i in range(n):
        r = x[i] * (2.0 + 5.0 * x[i] * x[i]) + 1.0
        for j in range(max(0, i - 5), min(n, i + 2)):
            if j != i:
                r -= x[j] * (1.0 + x[j])
        f += r * r
    return f


def broyden_banded_grad(x, g):
    n = x.shape[0]
    f = 0.0
    for i in range(n):
        g[i] = 0.0
    for i in range(n):
        r = x[i] * (2.0 + 5.0 * x[i] * x[i]) + 1.0
        for j in range(max(0, i - 5), min(n, i + 2)):
            if j != i:
                r -= x[j] * (1.0 + x[j])
        f += r * r
        g[i] += 2.0 * r * (2.0 + 15.0 * x[i] * x[i])
        for j in range(max(0, i - 5), min(n, i + 2)):
            if j != i:
                g[j] -= 2.0 * r * (1.0 + 2.0 * x[j])
    return f


def broyden_banded_hvp(x, v, out):
    n = x.shape[0]
    for i in range(n):
        out[i] = 0.0
    for i in range(n):
        r = x[i] * (2.0 + 5.0 * x[i] * x[i]) + 1.0
        own = 2.0 + 15.0 * x[i] * x[i]
        jv = own * v[i]
        for j in range(max(0, i - 5), min(n, i + 2)):
            if j != i:
                r -= x[j] * (1.0 + x[j])
                jv -= (1.0 + 2.0 * x[j]) * v[j]
        out[i] += 2.0 * (own * jv + 30.0 * r * x[i] * v[i])
        for j in range(max(0, i - 5), min(n, i + 2)):
            if j != i:
                out[j] -= 2.0 * ((1.0 + 2.0 * x[j]) * jv + 2.0 * r * v[j])


BROYDEN_BANDED = Problem(
    name="broyden-banded",
    fun=broyden_banded,
    fun_grad=broyden_banded_grad,
    hvp=broyden_banded_hvp,
    start=lambda n: np.full(n, -1.0),
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    f_local=lambda n: (3.057278432425819,) if n == 10 else (),
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[1] problem 31",
)


# --- linear, full rank: r_i = x_i - 2/m sum x_j - 1, i <= n; -2/m sum x_j - 1, n < i <= m; m = 2 n ---


def linear_full_rank(x):
    n = x.shape[0]
    common = 1.0
    for i in range(n):
        common += x[i] / n
    f = n * common * common
    for i in range(n):
        r = x[i] - common
        f += r * r
    return f


def linear_full_rank_grad(x, g):
    n = x.shape[0]
    common = 1.0
    for i in range(n):
        common += x[i] / n
    f = n * common * common
    total = -n * common
    for i in range(n):
        r = x[i] - common
        f += r * r
        total += r
    for i in range(n):
        g[i] = 2.0 * (x[i] - common - total / n)
    return f


def linear_full_rank_hvp(x, v, out):
    # J'J = I for m = 2 n: the columns e_j - 1/n are orthonormal
    for i in range(x.shape[0]):
        out[i] = 2.0 * v[i]


LINEAR_FULL_RANK = Problem(
    name="linear-full-rank",
    fun=linear_full_rank,
    fun_grad=linear_full_rank_grad,
    hvp=linear_full_rank_hvp,
    start=np.ones,
    n=10,
    sizes=at_least(1),
    f_star=float,  # m - n
    x_star=lambda n: np.full((1, n), -1.0),
    traits=frozenset({"least-squares", "quadratic", "convex"}),
    reference="[1] problem 32 with m = 2 n",
)


# --- linear, rank 1: r_i = i s - 1, s = sum j x_j, i = 1 .. m; m = 2 n ---


def linear_rank_1(x):
    s = 0.0
    for j in range(x.shape[0]):
        s += (j + 1.0) * x[j]
    f = 0.0
    for i in range(1, 2 * x.shape[0] + 1):
        r = i * s - 1.0
        f += r * r
    return f


def linear_rank_1_grad(x, g):
    s = 0.0
    for j in range(x.shape[0]):
        s += (j + 1.0) * x[j]
    f = 0.0
    slope = 0.0
    for i in range(1, 2 * x.shape[0] + 1):
        r = i * s - 1.0
        f += r * r
        slope += 2.0 * i * r
    for j in range(x.shape[0]):
        g[j] = (j + 1.0) * slope
    return f


def linear_rank_1_hvp(x, v, out):
    sv = 0.0
    for j in range(x.shape[0]):
        sv += (j + 1.0) * v[j]
    slope_v = 0.0
    for i in range(1, 2 * x.shape[0] + 1):
        slope_v += 2.0 * i * i * sv
    for j in range(x.shape[0]):
        out[j] = (j + 1.0) * slope_v


def linear_rank_1_minimizers(n):
    """The shortest of all x with sum j x_j = 3 / (2 m + 1)."""
    j = np.arange(1.0, n + 1.0)
    return (3.0 / (4.0 * n + 1.0) * j / (j @ j)).reshape(1, n)


LINEAR_RANK_1 = Problem(
    name="linear-rank-1",
    fun=linear_rank_1,
    fun_grad=linear_rank_1_grad,
    hvp=linear_rank_1_hvp,
    start=np.ones,
    n=10,
    sizes=at_least(1),
    f_star=lambda n: n * (2.0 * n - 1.0) / (4.0 * n + 1.0),  # m (m - 1) / (2 (2 m + 1))
    x_star=linear_rank_1_minimizers,
    traits=frozenset({"least-squares", "quadratic", "convex", "singular"}),
    reference="[1] problem 33 with m = 2 n",
)


# --- linear, rank 1 with zero columns and rows: r_1 = r_m = -1; r_i = (i - 1) s - 1, s = sum_{1<j<n} j x_j; m = 2 n ---


def linear_rank_1_zero(x):
    s = 0.0
    for j in range(1, x.shape[0] - 1):
        s += (j + 1.0) * x[j]
    f = 2.0
    for i in range(1, 2 * x.shape[0] - 1):
        r = i * s - 1.0
        f += r * r
    return f


def linear_rank_1_zero_grad(x, g):
    n = x.shape[0]
    s = 0.0
    for j in range(1, n - 1):
        s += (j + 1.0) * x[j]
    f = 2.0
    slope = 0.0
    for i in range(1, 2 * n - 1):
        r = i * s - 1.0
        f += r * r
        slope += 2.0 * i * r
    for j in range(n):
        g[j] = (j + 1.0) * slope if 0 < j < n - 1 else 0.0
    return f


def linear_rank_1_zero_hvp(x, v, out):
    n = x.shape[0]
    sv = 0.0
    for j in range(1, n - 1):
        sv += (j + 1.0) * v[j]
    slope_v = 0.0
    for i in range(1, 2 * n - 1):
        slope_v += 2.0 * i * i * sv
    for j in range(n):
        out[j] = (j + 1.0) * slope_v if 0 < j < n - 1 else 0.0


def linear_rank_1_zero_minimizers(n):
    """The shortest of all x with sum_{1<j<n} j x_j = 3 / (2 m - 3)."""
    j = np.arange(1.0, n + 1.0)
    j[0] = j[-1] = 0.0
    return (3.0 / (4.0 * n - 3.0) * j / (j @ j)).reshape(1, n)


LINEAR_RANK_1_ZERO = Problem(
    name="linear-rank-1-zero",
    fun=linear_rank_1_zero,
    fun_grad=linear_rank_1_zero_grad,
    hvp=linear_rank_1_zero_hvp,
    start=np.ones,
    n=10,
    sizes=at_least(3),
    f_star=lambda n: (4.0 * n * n + 6.0 * n - 6.0) / (8.0 * n - 6.0),  # (m^2 + 3 m - 6) / (2 (2 m - 3))
    x_star=linear_rank_1_zero_minimizers,
    traits=frozenset({"least-squares", "quadratic", "convex", "singular"}),
    reference="[1] problem 34 with m = 2 n",
)


# --- Chebyquad: r_i = mean_j T_i(x_j) - integral_0^1 T_i, i = 1 .. n; T_i the Chebyshev polynomials on [0, 1] ---
# The integral is 0 for odd i, -1 / (i^2 - 1) for even i.


def chebyquad(x):
    n = x.shape[0]
    f = 0.0
    for i in range(1, n + 1):
        r = 0.0 if i % 2 == 1 else 1.0 / (i * i - 1.0)
        for j in range(n):
            y = 2.0 * x[j] - 1.0
            t_last = 1.0  # T_{k-1}(y), T_k(y)
            t = y
            for _ in range(1, i):
                t_next = 2.0 * y * t - t_last
                t_last = t
                t = t_next
            r += t / n
        f += r * r
    return f


def chebyquad_grad(x, g):
    n = x.shape[0]
    f = 0.0
    for j in range(n):
        g[j] = 0.0
    for i in range(1, n + 1):
        r = 0.0 if i % 2 == 1 else 1.0 / (i * i - 1.0)
        for j in range(n):
            y = 2.0 * x[j] - 1.0
            t_last = 1.0
            t = y
            for _ in range(1, i):
                t_next = 2.0 * y * t - t_last
                t_last = t
                t = t_next
            r += t / n
        f += r * r
        for j in range(n):
            y = 2.0 * x[j] - 1.0
            t_last = 1.0
            t = y
            d_last = 0.0  # the derivatives by x_j
            d = 2.0
            for _ in range(1, i):
                d_next = 4.0 * t + 2.0 * y * d - d_last
                d_last = d
                d = d_next
                t_next = 2.0 * y * t - t_last
                t_last = t
                t = t_next
            g[j] += 2.0 * r * d / n
    return f


def chebyquad_hvp(x, v, out):
    n = x.shape[0]
    for j in range(n):
        out[j] = 0.0
    for i in range(1, n + 1):
        r = 0.0 if i % 2 == 1 else 1.0 / (i * i - 1.0)
        jv = 0.0
        for j in range(n):
            y = 2.0 * x[j] - 1.0
            t_last = 1.0
            t = y
            d_last = 0.0
            d = 2.0
            for _ in range(1, i):
                d_next = 4.0 * t + 2.0 * y * d - d_last
                d_last = d
                d = d_next
                t_next = 2.0 * y * t - t_last
                t_last = t
                t = t_next
            r += t / n
            jv += d * v[j] / n
        for j in range(n):
            y = 2.0 * x[j] - 1.0
            t_last = 1.0
            t = y
            d_last = 0.0
            d = 2.0
            c_last = 0.0  # the second derivatives by x_j
            c = 0.0
            for _ in range(1, i):
                c_next = 8.0 * d + 2.0 * y * c - c_last
                c_last = c
                c = c_next
                d_next = 4.0 * t + 2.0 * y * d - d_last
                d_last = d
                d = d_next
                t_next = 2.0 * y * t - t_last
                t_last = t
                t = t_next
            out[j] += 2.0 * (jv * d + r * c * v[j]) / n


# The nodes of the Chebyshev quadrature with n equal weights solve r = 0; they are real for n <= 7 and n = 9 only.
CHEBYQUAD_MINIMUM = dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 9), 0.0) | {8: 0.003516873725677928, 10: 0.004772713696375339}

CHEBYQUAD = Problem(
    name="chebyquad",
    fun=chebyquad,
    fun_grad=chebyquad_grad,
    hvp=chebyquad_hvp,
    start=lambda n: np.arange(1, n + 1) / (n + 1),
    n=8,
    sizes=at_least(1),
    f_star=CHEBYQUAD_MINIMUM.get,
    f_local=lambda n: (0.006503954800882314,) if n == 10 else (),
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[1] problem 35 with m = n",
)
