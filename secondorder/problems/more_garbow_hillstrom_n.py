"""More, Garbow and Hillstrom's set: the problems of any size (20, 23 to 27).

Every one is a sum of squared residuals r_i, with the standard start of [1]. Indices in the formulas run from 1 as in
[1], in the code from 0. There is no scratch, so the gradient of Brown's almost linear function costs n^2 operations.

Values that depend on n are given for the sizes that [1] gives, computed here to machine precision.

References
----------
[1] More, Garbow, Hillstrom. Testing unconstrained optimization software. ACM Transactions on Mathematical Software 7
    (1981) 17-41. doi:10.1145/355934.355936
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import math

import numpy as np

from secondorder.problems.problem import Problem, Sizes, at_least

# --- Watson: r_i = sum (j - 1) x_j t^(j-2) - (sum x_j t^(j-1))^2 - 1, t = i / 29, i = 1 .. 29; x1; x2 - x1^2 - 1 ---


def watson(x):
    n = x.shape[0]
    r = x[1] - x[0] * x[0] - 1.0
    f = x[0] * x[0] + r * r
    for i in range(1, 30):
        t = i / 29.0
        value = x[0]  # of the polynomial x1 + x2 t + .. at t, and its slope
        slope = 0.0
        power = 1.0
        for j in range(1, n):
            slope += j * x[j] * power
            power = power * t
            value += x[j] * power
        r = slope - value * value - 1.0
        f += r * r
    return f


def watson_grad(x, g):
    n = x.shape[0]
    r = x[1] - x[0] * x[0] - 1.0
    f = x[0] * x[0] + r * r
    g[0] = 2.0 * x[0] - 4.0 * r * x[0]
    g[1] = 2.0 * r
    for j in range(2, n):
        g[j] = 0.0
    for i in range(1, 30):
        t = i / 29.0
        value = x[0]
        slope = 0.0
        power = 1.0
        for j in range(1, n):
            slope += j * x[j] * power
            power = power * t
            value += x[j] * power
        r = slope - value * value - 1.0
        f += r * r
        g[0] -= 4.0 * r * value
        power = 1.0
        for j in range(1, n):
            g[j] += 2.0 * r * power * (j - 2.0 * value * t)
            power = power * t
    return f


def watson_hvp(x, v, out):
    n = x.shape[0]
    r = x[1] - x[0] * x[0] - 1.0
    jv = v[1] - 2.0 * x[0] * v[0]
    out[0] = 2.0 * v[0] - 4.0 * (x[0] * jv + r * v[0])
    out[1] = 2.0 * jv
    for j in range(2, n):
        out[j] = 0.0
    for i in range(1, 30):
        t = i / 29.0
        value = x[0]
        slope = 0.0
        value_v = v[0]
        slope_v = 0.0
        power = 1.0
        for j in range(1, n):
            slope += j * x[j] * power
            slope_v += j * v[j] * power
            power = power * t
            value += x[j] * power
            value_v += v[j] * power
        r = slope - value * value - 1.0
        jv = slope_v - 2.0 * value * value_v
        out[0] -= 4.0 * (value * jv + r * value_v)
        power = 1.0
        for j in range(1, n):
            out[j] += 2.0 * power * (jv * (j - 2.0 * value * t) - 2.0 * r * t * value_v)
            power = power * t


WATSON_MINIMUM = {6: 0.00228767005355245, 9: 1.39976013810e-06, 12: 4.72238110e-10}

WATSON = Problem(
    name="watson",
    fun=watson,
    fun_grad=watson_grad,
    hvp=watson_hvp,
    start=np.zeros,
    n=6,
    sizes=Sizes(least=2, most=31),
    f_star=WATSON_MINIMUM.get,
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 20",
)


# --- penalty I: r_i = sqrt(a) (x_i - 1), |x|^2 - 1/4; a = 1e-5 ---


def penalty_1(x):
    near = 0.0
    total = -0.25
    for i in range(x.shape[0]):
        b = x[i] - 1.0
        near += b * b
        total += x[i] * x[i]
    return 1e-5 * near + total * total


def penalty_1_grad(x, g):
    near = 0.0
    total = -0.25
    for i in range(x.shape[0]):
        b = x[i] - 1.0
        near += b * b
        total += x[i] * x[i]
    for i in range(x.shape[0]):
        g[i] = 2e-5 * (x[i] - 1.0) + 4.0 * total * x[i]
    return 1e-5 * near + total * total


def penalty_1_hvp(x, v, out):
    total = -0.25
    xv = 0.0
    for i in range(x.shape[0]):
        total += x[i] * x[i]
        xv += x[i] * v[i]
    for i in range(x.shape[0]):
        out[i] = (2e-5 + 4.0 * total) * v[i] + 8.0 * xv * x[i]


def penalty_1_minimizers(n):
    """All components equal: the largest root s of 2e-5 (s - 1) + 4 s (n s^2 - 1/4) = 0."""
    roots = np.roots([4.0 * n, 0.0, 2e-5 - 1.0, -2e-5])
    s = max(roots.real)
    for _ in range(3):
        s -= (2e-5 * (s - 1.0) + 4.0 * s * (n * s * s - 0.25)) / (2e-5 + 12.0 * n * s * s - 1.0)
    return np.full((1, n), s)


PENALTY_1 = Problem(
    name="penalty-1",
    fun=penalty_1,
    fun_grad=penalty_1_grad,
    hvp=penalty_1_hvp,
    start=lambda n: np.arange(1.0, n + 1.0),
    n=10,
    sizes=at_least(1),
    f_star=lambda n: penalty_1(penalty_1_minimizers(n)[0]),
    x_star=penalty_1_minimizers,
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 23",
)


# --- penalty II: x1 - 1/5; sqrt(a) (exp(x_i / 10) + exp(x_{i-1} / 10) - y_i), sqrt(a) (exp(x_i / 10) - exp(-1/10)),
#     i = 2 .. n; sum (n - j + 1) x_j^2 - 1; y_i = exp(i / 10) + exp((i - 1) / 10), a = 1e-5 ---


def penalty_2(x):
    n = x.shape[0]
    near = 0.0
    total = -1.0
    e_last = 0.0
    for i in range(n):
        e = math.inf if x[i] >= 7090.0 else math.exp(0.1 * x[i])
        if i > 0:
            a = e + e_last - math.exp(0.1 * (i + 1.0)) - math.exp(0.1 * i)
            b = e - math.exp(-0.1)
            near += a * a + b * b
        e_last = e
        total += (n - i) * x[i] * x[i]
    r = x[0] - 0.2
    return r * r + 1e-5 * near + total * total


def penalty_2_grad(x, g):
    n = x.shape[0]
    near = 0.0
    total = -1.0
    e_last = 0.0
    for i in range(n):
        e = math.inf if x[i] >= 7090.0 else math.exp(0.1 * x[i])
        g[i] = 0.0
        if i > 0:
            a = e + e_last - math.exp(0.1 * (i + 1.0)) - math.exp(0.1 * i)
            b = e - math.exp(-0.1)
            near += a * a + b * b
            g[i - 1] += 2e-6 * a * e_last
            g[i] = 2e-6 * (a + b) * e
        e_last = e
        total += (n - i) * x[i] * x[i]
    for i in range(n):
        g[i] += 4.0 * total * (n - i) * x[i]
    r = x[0] - 0.2
    g[0] += 2.0 * r
    return r * r + 1e-5 * near + total * total


def penalty_2_hvp(x, v, out):
    n = x.shape[0]
    total = -1.0
    total_v = 0.0
    e_last = 0.0
    for i in range(n):
        e = math.inf if x[i] >= 7090.0 else math.exp(0.1 * x[i])
        out[i] = 0.0
        if i > 0:
            a = e + e_last - math.exp(0.1 * (i + 1.0)) - math.exp(0.1 * i)
            b = e - math.exp(-0.1)
            av = e * v[i] + e_last * v[i - 1]
            out[i - 1] += 2e-7 * e_last * (av + a * v[i - 1])
            out[i] = 2e-7 * e * (av + e * v[i] + (a + b) * v[i])
        e_last = e
        total += (n - i) * x[i] * x[i]
        total_v += 2.0 * (n - i) * x[i] * v[i]
    for i in range(n):
        out[i] += 4.0 * (n - i) * (total * v[i] + total_v * x[i])
    out[0] += 2.0 * v[0]


PENALTY_2_MINIMUM = {4: 9.37629300735544e-06, 10: 0.000293660537456746}

PENALTY_2 = Problem(
    name="penalty-2",
    fun=penalty_2,
    fun_grad=penalty_2_grad,
    hvp=penalty_2_hvp,
    start=lambda n: np.full(n, 0.5),
    n=10,
    sizes=at_least(1),
    f_star=PENALTY_2_MINIMUM.get,
    traits=frozenset({"least-squares", "nonconvex", "ill-conditioned"}),
    reference="[1] problem 24",
)


# --- variably dimensioned: r_i = x_i - 1, i = 1 .. n; s; s^2, with s = sum j (x_j - 1) ---


def variably_dimensioned(x):
    near = 0.0
    s = 0.0
    for i in range(x.shape[0]):
        b = x[i] - 1.0
        near += b * b
        s += (i + 1.0) * b
    return near + s * s + s * s * s * s


def variably_dimensioned_grad(x, g):
    near = 0.0
    s = 0.0
    for i in range(x.shape[0]):
        b = x[i] - 1.0
        near += b * b
        s += (i + 1.0) * b
    slope = 2.0 * s + 4.0 * s * s * s
    for i in range(x.shape[0]):
        g[i] = 2.0 * (x[i] - 1.0) + (i + 1.0) * slope
    return near + s * s + s * s * s * s


def variably_dimensioned_hvp(x, v, out):
    s = 0.0
    sv = 0.0
    for i in range(x.shape[0]):
        s += (i + 1.0) * (x[i] - 1.0)
        sv += (i + 1.0) * v[i]
    curvature = (2.0 + 12.0 * s * s) * sv
    for i in range(x.shape[0]):
        out[i] = 2.0 * v[i] + (i + 1.0) * curvature


VARIABLY_DIMENSIONED = Problem(
    name="variably-dimensioned",
    fun=variably_dimensioned,
    fun_grad=variably_dimensioned_grad,
    hvp=variably_dimensioned_hvp,
    start=lambda n: 1.0 - np.arange(1, n + 1) / n,
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    x_star=lambda n: np.ones((1, n)),
    traits=frozenset({"least-squares", "convex"}),
    reference="[1] problem 25",
)


# --- trigonometric: r_i = n - sum cos x_j + i (1 - cos x_i) - sin x_i ---


def trigonometric(x):
    n = x.shape[0]
    common = n * 1.0
    for i in range(n):
        common -= math.cos(x[i])
    f = 0.0
    for i in range(n):
        r = common + (i + 1.0) * (1.0 - math.cos(x[i])) - math.sin(x[i])
        f += r * r
    return f


def trigonometric_grad(x, g):
    n = x.shape[0]
    common = n * 1.0
    for i in range(n):
        common -= math.cos(x[i])
    f = 0.0
    total = 0.0
    for i in range(n):
        r = common + (i + 1.0) * (1.0 - math.cos(x[i])) - math.sin(x[i])
        f += r * r
        total += r
        g[i] = 2.0 * r * ((i + 1.0) * math.sin(x[i]) - math.cos(x[i]))
    for i in range(n):
        g[i] += 2.0 * total * math.sin(x[i])
    return f


def trigonometric_hvp(x, v, out):
    n = x.shape[0]
    common = n * 1.0
    common_v = 0.0
    for i in range(n):
        common -= math.cos(x[i])
        common_v += math.sin(x[i]) * v[i]
    total = 0.0
    total_v = 0.0
    for i in range(n):
        own = (i + 1.0) * math.sin(x[i]) - math.cos(x[i])
        own_v = ((i + 1.0) * math.cos(x[i]) + math.sin(x[i])) * v[i]
        r = common + (i + 1.0) * (1.0 - math.cos(x[i])) - math.sin(x[i])
        rv = common_v + own * v[i]
        total += r
        total_v += rv
        out[i] = 2.0 * (rv * own + r * own_v)
    for i in range(n):
        out[i] += 2.0 * (total_v * math.sin(x[i]) + total * math.cos(x[i]) * v[i])


TRIGONOMETRIC_LOCAL = {5: (0.001773376087901118,), 10: (2.79505612187882e-05, 4.218633887922e-05)}

TRIGONOMETRIC = Problem(
    name="trigonometric",
    fun=trigonometric,
    fun_grad=trigonometric_grad,
    hvp=trigonometric_hvp,
    start=lambda n: np.full(n, 1.0 / n),
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    x_star=lambda n: np.zeros((1, n)),
    f_local=lambda n: TRIGONOMETRIC_LOCAL.get(n, ()),
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[1] problem 26",
)


# --- Brown almost linear: r_i = x_i + sum x_j - (n + 1), i < n; r_n = prod x_j - 1 ---


def brown_almost_linear(x):
    n = x.shape[0]
    common = -1.0 - n
    product = 1.0
    for i in range(n):
        common += x[i]
        product *= x[i]
    f = (product - 1.0) * (product - 1.0)
    for i in range(n - 1):
        r = x[i] + common
        f += r * r
    return f


def brown_almost_linear_grad(x, g):
    n = x.shape[0]
    common = -1.0 - n
    product = 1.0
    for i in range(n):
        common += x[i]
        product *= x[i]
    f = (product - 1.0) * (product - 1.0)
    total = 0.0
    for i in range(n - 1):
        r = x[i] + common
        f += r * r
        total += r
    for i in range(n):
        others = 1.0  # prod_{l /= i} x_l, without dividing by a possible zero
        for k in range(n):
            if k != i:
                others *= x[k]
        g[i] = 2.0 * (total + (product - 1.0) * others)
        if i < n - 1:
            g[i] += 2.0 * (x[i] + common)
    return f


def brown_almost_linear_hvp(x, v, out):
    n = x.shape[0]
    common_v = 0.0
    product = 1.0
    product_v = 0.0
    for i in range(n):
        common_v += v[i]
        product_v = product_v * x[i] + product * v[i]
        product *= x[i]
    total_v = n * common_v - v[n - 1]  # sum_{i<n} (v_i + common_v)
    for i in range(n):
        others = 1.0
        others_v = 0.0
        for k in range(n):
            if k != i:
                others_v = others_v * x[k] + others * v[k]
                others *= x[k]
        out[i] = 2.0 * (total_v + product_v * others + (product - 1.0) * others_v)
        if i < n - 1:
            out[i] += 2.0 * (v[i] + common_v)


def brown_almost_linear_minimizers(n):
    """(a, .., a, a^(1-n)) for the roots of n a^n - (n + 1) a^(n-1) + 1: a = 1, and the one in (0, 1) by bisection."""
    low, high = 0.0, 1.0 - 1.0 / (n * n)  # the polynomial falls from 1 to its least value
    for _ in range(60):
        a = 0.5 * (low + high)
        if n * a**n - (n + 1) * a ** (n - 1) + 1.0 > 0.0:
            low = a
        else:
            high = a
    x = np.full(n, a)
    x[-1] = a ** (1 - n)
    return np.array([np.ones(n), x])


BROWN_ALMOST_LINEAR = Problem(
    name="brown-almost-linear",
    fun=brown_almost_linear,
    fun_grad=brown_almost_linear_grad,
    hvp=brown_almost_linear_hvp,
    start=lambda n: np.full(n, 0.5),
    n=10,
    sizes=at_least(2),
    f_star=0.0,
    x_star=brown_almost_linear_minimizers,
    f_saddle=lambda n: (1.0,) if n > 2 else (),  # at (0, .., 0, n + 1)
    traits=frozenset({"least-squares", "nonconvex", "many-minima", "degenerate"}),
    reference="[1] problem 27; the f = 1 printed there is no minimum: it falls along (1, .., 1, -n)",
)
