"""More, Garbow and Hillstrom's set: the small problems that are not fits to data (2 to 7).

The rest of the 35: 1, 13, 14, 21, 22 in extended.py; 8 to 12 and 15 to 19 in curve_fits.py; of any size: 20 and 23 to
27 in more_garbow_hillstrom_n.py, 28 to 35 in systems.py. Every one is a sum of squared residuals r_i, with the standard
start of [1]. Where [1] prints few digits, values and minimizers were computed here by Newton's method, to machine
precision.

References
----------
[1] More, Garbow, Hillstrom. Testing unconstrained optimization software. ACM Transactions on Mathematical Software 7
    (1981) 17-41. doi:10.1145/355934.355936
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import math

from secondorder.problems.problem import Problem, exactly, point, points

# --- Freudenstein and Roth: r = (-13 + x1 + ((5 - x2) x2 - 2) x2, -29 + x1 + ((x2 + 1) x2 - 14) x2) ---


def freudenstein_roth(x):
    r1 = -13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1]
    r2 = -29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1]
    return r1 * r1 + r2 * r2


def freudenstein_roth_grad(x, g):
    r1 = -13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1]
    r2 = -29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1]
    d1 = (10.0 - 3.0 * x[1]) * x[1] - 2.0
    d2 = (3.0 * x[1] + 2.0) * x[1] - 14.0
    g[0] = 2.0 * (r1 + r2)
    g[1] = 2.0 * (r1 * d1 + r2 * d2)
    return r1 * r1 + r2 * r2


def freudenstein_roth_hvp(x, v, out):
    r1 = -13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1]
    r2 = -29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1]
    d1 = (10.0 - 3.0 * x[1]) * x[1] - 2.0
    d2 = (3.0 * x[1] + 2.0) * x[1] - 14.0
    jv1 = v[0] + d1 * v[1]
    jv2 = v[0] + d2 * v[1]
    bend = r1 * (10.0 - 6.0 * x[1]) + r2 * (6.0 * x[1] + 2.0)
    out[0] = 2.0 * (jv1 + jv2)
    out[1] = 2.0 * (d1 * jv1 + d2 * jv2 + bend * v[1])


FREUDENSTEIN_ROTH = Problem(
    name="freudenstein-roth",
    fun=freudenstein_roth,
    fun_grad=freudenstein_roth_grad,
    hvp=freudenstein_roth_hvp,
    start=point(0.5, -2.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((5.0, 4.0)),
    f_local=(48.98425367924001,),  # at (11.4127.., -0.8968..)
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[1] problem 2",
)


# --- Powell badly scaled: r = (10^4 x1 x2 - 1, exp(-x1) + exp(-x2) - 1.0001) ---


def powell_badly_scaled(x):
    e1 = math.inf if x[0] <= -709.0 else math.exp(-x[0])
    e2 = math.inf if x[1] <= -709.0 else math.exp(-x[1])
    r1 = 1e4 * x[0] * x[1] - 1.0
    r2 = e1 + e2 - 1.0001
    return r1 * r1 + r2 * r2


def powell_badly_scaled_grad(x, g):
    e1 = math.inf if x[0] <= -709.0 else math.exp(-x[0])
    e2 = math.inf if x[1] <= -709.0 else math.exp(-x[1])
    r1 = 1e4 * x[0] * x[1] - 1.0
    r2 = e1 + e2 - 1.0001
    g[0] = 2.0 * (1e4 * x[1] * r1 - e1 * r2)
    g[1] = 2.0 * (1e4 * x[0] * r1 - e2 * r2)
    return r1 * r1 + r2 * r2


def powell_badly_scaled_hvp(x, v, out):
    e1 = math.inf if x[0] <= -709.0 else math.exp(-x[0])
    e2 = math.inf if x[1] <= -709.0 else math.exp(-x[1])
    r1 = 1e4 * x[0] * x[1] - 1.0
    r2 = e1 + e2 - 1.0001
    jv1 = 1e4 * (x[1] * v[0] + x[0] * v[1])
    jv2 = -e1 * v[0] - e2 * v[1]
    out[0] = 2.0 * (1e4 * x[1] * jv1 - e1 * jv2 + 1e4 * r1 * v[1] + r2 * e1 * v[0])
    out[1] = 2.0 * (1e4 * x[0] * jv1 - e2 * jv2 + 1e4 * r1 * v[0] + r2 * e2 * v[1])


POWELL_BADLY_SCALED = Problem(
    name="powell-badly-scaled",
    fun=powell_badly_scaled,
    fun_grad=powell_badly_scaled_grad,
    hvp=powell_badly_scaled_hvp,
    start=point(0.0, 1.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((1.0981593296996906e-05, 9.106146739867576)),
    traits=frozenset({"least-squares", "nonconvex", "badly-scaled", "ill-conditioned"}),
    reference="[1] problem 3",
)


# --- Brown badly scaled: r = (x1 - 10^6, x2 - 2e-6, x1 x2 - 2) ---


def brown_badly_scaled(x):
    r1 = x[0] - 1e6
    r2 = x[1] - 2e-6
    r3 = x[0] * x[1] - 2.0
    return r1 * r1 + r2 * r2 + r3 * r3


def brown_badly_scaled_grad(x, g):
    r1 = x[0] - 1e6
    r2 = x[1] - 2e-6
    r3 = x[0] * x[1] - 2.0
    g[0] = 2.0 * (r1 + x[1] * r3)
    g[1] = 2.0 * (r2 + x[0] * r3)
    return r1 * r1 + r2 * r2 + r3 * r3


def brown_badly_scaled_hvp(x, v, out):
    r3 = x[0] * x[1] - 2.0
    jv3 = x[1] * v[0] + x[0] * v[1]
    out[0] = 2.0 * (v[0] + x[1] * jv3 + r3 * v[1])
    out[1] = 2.0 * (v[1] + x[0] * jv3 + r3 * v[0])


BROWN_BADLY_SCALED = Problem(
    name="brown-badly-scaled",
    fun=brown_badly_scaled,
    fun_grad=brown_badly_scaled_grad,
    hvp=brown_badly_scaled_hvp,
    start=point(1.0, 1.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((1e6, 2e-6)),
    traits=frozenset({"least-squares", "nonconvex", "badly-scaled", "ill-conditioned"}),
    reference="[1] problem 4",
)


# --- Beale: r_i = y_i - x1 (1 - x2^i), i = 1, 2, 3 ---

BEALE_Y = (1.5, 2.25, 2.625)


def beale(x):
    f = 0.0
    p = 1.0
    for i in range(3):
        p = p * x[1]
        r = BEALE_Y[i] - x[0] * (1.0 - p)
        f += r * r
    return f


def beale_grad(x, g):
    f = 0.0
    g[0] = 0.0
    g[1] = 0.0
    p = 1.0  # x2^i and its derivative
    dp = 0.0
    for i in range(3):
        dp = dp * x[1] + p
        p = p * x[1]
        r = BEALE_Y[i] - x[0] * (1.0 - p)
        f += r * r
        g[0] -= 2.0 * r * (1.0 - p)
        g[1] += 2.0 * r * x[0] * dp
    return f


def beale_hvp(x, v, out):
    out[0] = 0.0
    out[1] = 0.0
    p = 1.0  # x2^i and its derivatives
    dp = 0.0
    ddp = 0.0
    for i in range(3):
        ddp = ddp * x[1] + 2.0 * dp
        dp = dp * x[1] + p
        p = p * x[1]
        r = BEALE_Y[i] - x[0] * (1.0 - p)
        jv = (p - 1.0) * v[0] + x[0] * dp * v[1]
        out[0] += 2.0 * ((p - 1.0) * jv + r * dp * v[1])
        out[1] += 2.0 * (x[0] * dp * jv + r * (dp * v[0] + x[0] * ddp * v[1]))


BEALE = Problem(
    name="beale",
    fun=beale,
    fun_grad=beale_grad,
    hvp=beale_hvp,
    start=point(1.0, 1.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((3.0, 0.5)),
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 5",
)


# --- Jennrich and Sampson: r_i = 2 + 2 i - exp(i x1) - exp(i x2), i = 1 .. 10 ---


def jennrich_sampson(x):
    f = 0.0
    for i in range(1, 11):
        e1 = math.inf if i * x[0] >= 709.0 else math.exp(i * x[0])
        e2 = math.inf if i * x[1] >= 709.0 else math.exp(i * x[1])
        r = 2.0 + 2.0 * i - (e1 + e2)
        f += r * r
    return f


def jennrich_sampson_grad(x, g):
    f = 0.0
    g[0] = 0.0
    g[1] = 0.0
    for i in range(1, 11):
        e1 = math.inf if i * x[0] >= 709.0 else math.exp(i * x[0])
        e2 = math.inf if i * x[1] >= 709.0 else math.exp(i * x[1])
        r = 2.0 + 2.0 * i - (e1 + e2)
        f += r * r
        g[0] -= 2.0 * r * i * e1
        g[1] -= 2.0 * r * i * e2
    return f


def jennrich_sampson_hvp(x, v, out):
    out[0] = 0.0
    out[1] = 0.0
    for i in range(1, 11):
        e1 = math.inf if i * x[0] >= 709.0 else math.exp(i * x[0])
        e2 = math.inf if i * x[1] >= 709.0 else math.exp(i * x[1])
        r = 2.0 + 2.0 * i - (e1 + e2)
        jv = -i * (e1 * v[0] + e2 * v[1])
        out[0] -= 2.0 * i * e1 * (jv + r * i * v[0])
        out[1] -= 2.0 * i * e2 * (jv + r * i * v[1])


JENNRICH_SAMPSON = Problem(
    name="jennrich-sampson",
    fun=jennrich_sampson,
    fun_grad=jennrich_sampson_grad,
    hvp=jennrich_sampson_hvp,
    start=point(0.3, 0.4),
    n=2,
    sizes=exactly(2),
    f_star=124.36218235561483,
    x_star=points((0.257825213670364, 0.257825213670364)),
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 6 with m = 10",
)


# --- helical valley: r = (10 (x3 - 10 theta), 10 (rho - 1), x3) ---
# (rho, 2 pi theta) are the polar coordinates of (x1, x2), theta in [-1/4, 3/4]. It jumps at x1 = 0, x2 < 0, not where
# atan2 does: the start is on the negative x1 axis.


def helical_valley(x):
    if x[0] > 0.0:
        theta = math.atan(x[1] / x[0]) / (2.0 * math.pi)
    elif x[0] < 0.0:
        theta = math.atan(x[1] / x[0]) / (2.0 * math.pi) + 0.5
    else:
        theta = math.copysign(0.25, x[1])
    a = x[2] - 10.0 * theta
    b = math.sqrt(x[0] * x[0] + x[1] * x[1]) - 1.0
    return 100.0 * (a * a + b * b) + x[2] * x[2]


def helical_valley_grad(x, g):
    if x[0] > 0.0:
        theta = math.atan(x[1] / x[0]) / (2.0 * math.pi)
    elif x[0] < 0.0:
        theta = math.atan(x[1] / x[0]) / (2.0 * math.pi) + 0.5
    else:
        theta = math.copysign(0.25, x[1])
    rho = math.sqrt(x[0] * x[0] + x[1] * x[1])
    a = x[2] - 10.0 * theta
    b = rho - 1.0
    if rho == 0.0:  # not differentiable on the axis
        g[0] = math.nan
        g[1] = math.nan
    else:
        c = 5.0 / (math.pi * rho * rho)  # grad (10 theta) = c (-x2, x1)
        g[0] = 200.0 * (c * x[1] * a + b * x[0] / rho)
        g[1] = 200.0 * (-c * x[0] * a + b * x[1] / rho)
    g[2] = 200.0 * a + 2.0 * x[2]
    return 100.0 * (a * a + b * b) + x[2] * x[2]


def helical_valley_hvp(x, v, out):
    if x[0] > 0.0:
        theta = math.atan(x[1] / x[0]) / (2.0 * math.pi)
    elif x[0] < 0.0:
        theta = math.atan(x[1] / x[0]) / (2.0 * math.pi) + 0.5
    else:
        theta = math.copysign(0.25, x[1])
    rho = math.sqrt(x[0] * x[0] + x[1] * x[1])
    if rho == 0.0:
        out[0] = math.nan
        out[1] = math.nan
        out[2] = math.nan
        return
    a = x[2] - 10.0 * theta
    b = rho - 1.0
    c = 5.0 / (math.pi * rho * rho)
    av = v[2] + c * (x[1] * v[0] - x[0] * v[1])
    bv = (x[0] * v[0] + x[1] * v[1]) / rho
    twist = 2.0 * c / (rho * rho)  # - hess (10 theta) = twist ((-x1 x2, (x1^2 - x2^2) / 2), (.., x1 x2))
    t1 = twist * (-x[0] * x[1] * v[0] + 0.5 * (x[0] * x[0] - x[1] * x[1]) * v[1])
    t2 = twist * (0.5 * (x[0] * x[0] - x[1] * x[1]) * v[0] + x[0] * x[1] * v[1])
    s = (x[1] * v[0] - x[0] * v[1]) / (rho * rho * rho)  # hess rho v = s (x2, -x1)
    out[0] = 200.0 * (c * x[1] * av + a * t1 + bv * x[0] / rho + b * s * x[1])
    out[1] = 200.0 * (-c * x[0] * av + a * t2 + bv * x[1] / rho - b * s * x[0])
    out[2] = 200.0 * av + 2.0 * v[2]


HELICAL_VALLEY = Problem(
    name="helical-valley",
    fun=helical_valley,
    fun_grad=helical_valley_grad,
    hvp=helical_valley_hvp,
    start=point(-1.0, 0.0, 0.0),
    n=3,
    sizes=exactly(3),
    f_star=0.0,
    x_star=points((1.0, 0.0, 0.0)),
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 7",
)
