"""More, Garbow and Hillstrom's set: the fits of a curve to data (8 to 12, 15 to 19).

Every one is a sum of squared residuals r_i, with the standard start of [1]. Values and minimizers of which [1] prints
few digits were computed here by Newton's method, to machine precision.

An exponent of 709 or more gives inf by a branch: math.exp raises there under CPython.

References
----------
[1] More, Garbow, Hillstrom. Testing unconstrained optimization software. ACM Transactions on Mathematical Software 7
    (1981) 17-41. doi:10.1145/355934.355936
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import math

import numpy as np

from secondorder.problems.problem import Problem, exactly, point, points

# --- Bard: r_i = y_i - (x1 + i / (v_i x2 + w_i x3)), v_i = 16 - i, w_i = min(i, v_i), i = 1 .. 15 ---

BARD_Y = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])


def bard(x):
    f = 0.0
    for i in range(15):
        u = i + 1.0
        d = (16.0 - u) * x[1] + min(u, 16.0 - u) * x[2]
        r = BARD_Y[i] - (x[0] + u / d)
        f += r * r
    return f


def bard_grad(x, g):
    f = 0.0
    g[0] = 0.0
    g[1] = 0.0
    g[2] = 0.0
    for i in range(15):
        u = i + 1.0
        vi = 16.0 - u
        wi = min(u, 16.0 - u)
        d = vi * x[1] + wi * x[2]
        r = BARD_Y[i] - (x[0] + u / d)
        f += r * r
        slope = 2.0 * r * u / (d * d)
        g[0] -= 2.0 * r
        g[1] += slope * vi
        g[2] += slope * wi
    return f


def bard_hvp(x, v, out):
    out[0] = 0.0
    out[1] = 0.0
    out[2] = 0.0
    for i in range(15):
        u = i + 1.0
        vi = 16.0 - u
        wi = min(u, 16.0 - u)
        d = vi * x[1] + wi * x[2]
        dv = vi * v[1] + wi * v[2]
        r = BARD_Y[i] - (x[0] + u / d)
        c = u / (d * d)
        jv = -v[0] + c * dv
        both = 2.0 * c * (jv - 2.0 * r * dv / d)
        out[0] -= 2.0 * jv
        out[1] += both * vi
        out[2] += both * wi


BARD = Problem(
    name="bard",
    fun=bard,
    fun_grad=bard_grad,
    hvp=bard_hvp,
    start=point(1.0, 1.0, 1.0),
    n=3,
    sizes=exactly(3),
    f_star=0.008214877306578976,
    x_star=points((0.08241055974978892, 1.1330360920297216, 2.343695178642537)),
    f_local=(17.428693333333335,),  # approached as x2, x3 -> -inf with x1 = 0.8406
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[1] problem 8",
)


# --- Gaussian: r_i = x1 exp(-x2 (t_i - x3)^2 / 2) - y_i, t_i = (8 - i) / 2, i = 1 .. 15 ---

GAUSSIAN_Y = np.array(
    [0.0009, 0.0044, 0.0175, 0.054, 0.1295, 0.242, 0.3521, 0.3989, 0.3521, 0.242, 0.1295, 0.054, 0.0175, 0.0044, 0.0009]
)


def gaussian(x):
    f = 0.0
    for i in range(15):
        s = 3.5 - 0.5 * i - x[2]
        z = -0.5 * x[1] * s * s
        e = math.inf if z >= 709.0 else math.exp(z)
        r = x[0] * e - GAUSSIAN_Y[i]
        f += r * r
    return f


def gaussian_grad(x, g):
    f = 0.0
    g[0] = 0.0
    g[1] = 0.0
    g[2] = 0.0
    for i in range(15):
        s = 3.5 - 0.5 * i - x[2]
        z = -0.5 * x[1] * s * s
        e = math.inf if z >= 709.0 else math.exp(z)
        r = x[0] * e - GAUSSIAN_Y[i]
        f += r * r
        g[0] += 2.0 * r * e
        g[1] -= r * x[0] * e * s * s
        g[2] += 2.0 * r * x[0] * e * x[1] * s
    return f


def gaussian_hvp(x, v, out):
    out[0] = 0.0
    out[1] = 0.0
    out[2] = 0.0
    for i in range(15):
        s = 3.5 - 0.5 * i - x[2]
        z = -0.5 * x[1] * s * s
        e = math.inf if z >= 709.0 else math.exp(z)
        r = x[0] * e - GAUSSIAN_Y[i]
        z2 = -0.5 * s * s  # the derivatives of z by x2, x3
        z3 = x[1] * s
        zv = z2 * v[1] + z3 * v[2]
        jv = e * (v[0] + x[0] * zv)
        out[0] += 2.0 * e * (jv + r * zv)
        out[1] += 2.0 * e * (x[0] * z2 * jv + r * (z2 * v[0] + x[0] * (z2 * zv + s * v[2])))
        out[2] += 2.0 * e * (x[0] * z3 * jv + r * (z3 * v[0] + x[0] * (z3 * zv + s * v[1] - x[1] * v[2])))


GAUSSIAN = Problem(
    name="gaussian",
    fun=gaussian,
    fun_grad=gaussian_grad,
    hvp=gaussian_hvp,
    start=point(0.4, 1.0, 0.0),
    n=3,
    sizes=exactly(3),
    f_star=1.12793276962e-08,
    x_star=points((0.39895613783875666, 1.0000190844878059, 0.0)),
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 9",
)


# --- Meyer: r_i = x1 exp(x2 / (t_i + x3)) - y_i, t_i = 45 + 5 i, i = 1 .. 16 ---

# fmt: off
MEYER_Y = np.array([
    34780.0, 28610.0, 23650.0, 19630.0, 16370.0, 13720.0, 11540.0, 9744.0,
    8261.0, 7030.0, 6005.0, 5147.0, 4427.0, 3820.0, 3307.0, 2872.0,
])
# fmt: on


def meyer(x):
    f = 0.0
    for i in range(16):
        q = x[1] / (50.0 + 5.0 * i + x[2])
        e = math.inf if q >= 709.0 else math.exp(q)
        r = x[0] * e - MEYER_Y[i]
        f += r * r
    return f


def meyer_grad(x, g):
    f = 0.0
    g[0] = 0.0
    g[1] = 0.0
    g[2] = 0.0
    for i in range(16):
        d = 50.0 + 5.0 * i + x[2]
        q = x[1] / (50.0 + 5.0 * i + x[2])
        e = math.inf if q >= 709.0 else math.exp(q)
        r = x[0] * e - MEYER_Y[i]
        f += r * r
        g[0] += 2.0 * r * e
        g[1] += 2.0 * r * x[0] * e / d
        g[2] -= 2.0 * r * x[0] * e * q / d
    return f


def meyer_hvp(x, v, out):
    out[0] = 0.0
    out[1] = 0.0
    out[2] = 0.0
    for i in range(16):
        d = 50.0 + 5.0 * i + x[2]
        q = x[1] / d
        e = math.inf if q >= 709.0 else math.exp(q)
        r = x[0] * e - MEYER_Y[i]
        q2 = 1.0 / d  # the derivatives of q by x2, x3
        q3 = -q / d
        qv = q2 * v[1] + q3 * v[2]
        jv = e * (v[0] + x[0] * qv)
        out[0] += 2.0 * e * (jv + r * qv)
        out[1] += 2.0 * e * (x[0] * q2 * jv + r * (q2 * v[0] + x[0] * (q2 * qv - v[2] / (d * d))))
        bend = (2.0 * q * v[2] - v[1]) / (d * d)
        out[2] += 2.0 * e * (x[0] * q3 * jv + r * (q3 * v[0] + x[0] * (q3 * qv + bend)))


MEYER = Problem(
    name="meyer",
    fun=meyer,
    fun_grad=meyer_grad,
    hvp=meyer_hvp,
    start=point(0.02, 4000.0, 250.0),
    n=3,
    sizes=exactly(3),
    f_star=87.9458551708,
    x_star=points((0.005609636471028744, 6181.346346286267, 345.2236346241329)),
    traits=frozenset({"least-squares", "nonconvex", "badly-scaled", "ill-conditioned"}),
    reference="[1] problem 10",
)


# --- Gulf research: r_i = exp(-|y_i - x2|^x3 / x1) - t_i, i = 1 .. 99 ---
# t_i = i / 100, y_i = 25 + (-50 log t_i)^(2/3). Not differentiable where x2 = y_i, nor at x1 = 0: nan there.


def gulf(x):
    f = 0.0
    for i in range(1, 100):
        t = 0.01 * i
        a = abs(25.0 + (-50.0 * math.log(t)) ** (2.0 / 3.0) - x[1])
        if a == 0.0 or x[0] == 0.0:
            return math.nan
        z = x[2] * math.log(a)
        w = math.copysign(math.inf, x[0]) if z >= 709.0 else math.exp(z) / x[0]
        e = math.inf if w <= -709.0 else math.exp(-w)
        r = e - t
        f += r * r
    return f


def gulf_grad(x, g):
    f = 0.0
    g[0] = 0.0
    g[1] = 0.0
    g[2] = 0.0
    for i in range(1, 100):
        t = 0.01 * i
        rho = 25.0 + (-50.0 * math.log(t)) ** (2.0 / 3.0) - x[1]
        a = abs(rho)
        if a == 0.0 or x[0] == 0.0:
            g[0] = math.nan
            g[1] = math.nan
            g[2] = math.nan
            return math.nan
        z = x[2] * math.log(a)
        w = math.copysign(math.inf, x[0]) if z >= 709.0 else math.exp(z) / x[0]
        e = math.inf if w <= -709.0 else math.exp(-w)
        r = e - t
        f += r * r
        if e != 0.0:  # or w may be inf and the product nan
            slope = -2.0 * r * e * w
            g[0] -= slope / x[0]
            g[1] -= slope * x[2] / rho
            g[2] += slope * math.log(a)
    return f


def gulf_hvp(x, v, out):
    out[0] = 0.0
    out[1] = 0.0
    out[2] = 0.0
    for i in range(1, 100):
        t = 0.01 * i
        rho = 25.0 + (-50.0 * math.log(t)) ** (2.0 / 3.0) - x[1]
        a = abs(rho)
        if a == 0.0 or x[0] == 0.0:
            out[0] = math.nan
            out[1] = math.nan
            out[2] = math.nan
            return
        log_a = math.log(a)
        z = x[2] * log_a
        w = math.copysign(math.inf, x[0]) if z >= 709.0 else math.exp(z) / x[0]
        e = math.inf if w <= -709.0 else math.exp(-w)
        if e == 0.0:  # or w may be inf and the products nan
            continue
        r = e - t
        q1 = -1.0 / x[0]  # the gradient of log w
        q2 = -x[2] / rho
        q3 = log_a
        qv = q1 * v[0] + q2 * v[1] + q3 * v[2]
        jv = -e * w * qv
        both = -2.0 * e * w * (jv + r * qv * (1.0 - w))
        bend = -2.0 * e * w * r
        out[0] += both * q1 + bend * v[0] / (x[0] * x[0])
        out[1] += both * q2 - bend * (x[2] * v[1] / (rho * rho) + v[2] / rho)
        out[2] += both * q3 - bend * v[1] / rho


GULF = Problem(
    name="gulf",
    fun=gulf,
    fun_grad=gulf_grad,
    hvp=gulf_hvp,
    start=point(5.0, 2.5, 0.15),
    n=3,
    sizes=exactly(3),
    f_star=0.0,
    x_star=points((50.0, 25.0, 1.5)),
    traits=frozenset({"least-squares", "nonconvex", "ill-conditioned"}),
    reference="[1] problem 11 with m = 99; the printed 'y_i m i x2' is a misprint for y_i - x2",
)


# --- Box: r_i = exp(-t_i x1) - exp(-t_i x2) - x3 (exp(-t_i) - exp(-10 t_i)), t_i = i / 10, i = 1 .. 10 ---


def box_3d(x):
    f = 0.0
    for i in range(1, 11):
        t = 0.1 * i
        e1 = math.inf if t * x[0] <= -709.0 else math.exp(-t * x[0])
        e2 = math.inf if t * x[1] <= -709.0 else math.exp(-t * x[1])
        r = e1 - e2 - x[2] * (math.exp(-t) - math.exp(-10.0 * t))
        f += r * r
    return f


def box_3d_grad(x, g):
    f = 0.0
    g[0] = 0.0
    g[1] = 0.0
    g[2] = 0.0
    for i in range(1, 11):
        t = 0.1 * i
        e1 = math.inf if t * x[0] <= -709.0 else math.exp(-t * x[0])
        e2 = math.inf if t * x[1] <= -709.0 else math.exp(-t * x[1])
        r = e1 - e2 - x[2] * (math.exp(-t) - math.exp(-10.0 * t))
        f += r * r
        g[0] -= 2.0 * r * t * e1
        g[1] += 2.0 * r * t * e2
        g[2] -= 2.0 * r * (math.exp(-t) - math.exp(-10.0 * t))
    return f


def box_3d_hvp(x, v, out):
    out[0] = 0.0
    out[1] = 0.0
    out[2] = 0.0
    for i in range(1, 11):
        t = 0.1 * i
        e1 = math.inf if t * x[0] <= -709.0 else math.exp(-t * x[0])
        e2 = math.inf if t * x[1] <= -709.0 else math.exp(-t * x[1])
        c = math.exp(-t) - math.exp(-10.0 * t)
        r = e1 - e2 - x[2] * c
        jv = -t * e1 * v[0] + t * e2 * v[1] - c * v[2]
        out[0] += 2.0 * t * e1 * (r * t * v[0] - jv)
        out[1] += 2.0 * t * e2 * (jv - r * t * v[1])
        out[2] -= 2.0 * c * jv


BOX_3D = Problem(
    name="box-3d",
    fun=box_3d,
    fun_grad=box_3d_grad,
    hvp=box_3d_hvp,
    start=point(0.0, 10.0, 20.0),
    n=3,
    sizes=exactly(3),
    f_star=0.0,
    x_star=points((1.0, 10.0, 1.0), (10.0, 1.0, -1.0), (1.0, 1.0, 0.0)),  # and all of x1 = x2, x3 = 0
    traits=frozenset({"least-squares", "nonconvex", "singular", "many-minima"}),
    reference="[1] problem 12 with m = 10",
)


# --- Kowalik and Osborne: r_i = y_i - x1 (u_i^2 + u_i x2) / (u_i^2 + u_i x3 + x4), i = 1 .. 11 ---

KOWALIK_OSBORNE_Y = np.array([0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
KOWALIK_OSBORNE_U = np.array([4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])


def kowalik_osborne(x):
    f = 0.0
    for i in range(11):
        u = KOWALIK_OSBORNE_U[i]
        q = u * (u + x[1]) / (u * (u + x[2]) + x[3])
        r = KOWALIK_OSBORNE_Y[i] - x[0] * q
        f += r * r
    return f


def kowalik_osborne_grad(x, g):
    f = 0.0
    g[0] = 0.0
    g[1] = 0.0
    g[2] = 0.0
    g[3] = 0.0
    for i in range(11):
        u = KOWALIK_OSBORNE_U[i]
        d = u * (u + x[2]) + x[3]
        q = u * (u + x[1]) / (u * (u + x[2]) + x[3])
        r = KOWALIK_OSBORNE_Y[i] - x[0] * q
        f += r * r
        slope = 2.0 * r * x[0] / d
        g[0] -= 2.0 * r * q
        g[1] -= slope * u
        g[2] += slope * q * u
        g[3] += slope * q
    return f


def kowalik_osborne_hvp(x, v, out):
    out[0] = 0.0
    out[1] = 0.0
    out[2] = 0.0
    out[3] = 0.0
    for i in range(11):
        u = KOWALIK_OSBORNE_U[i]
        d = u * (u + x[2]) + x[3]
        q = u * (u + x[1]) / d
        r = KOWALIK_OSBORNE_Y[i] - x[0] * q
        dv = u * v[2] + v[3]
        qv = (u * v[1] - q * dv) / d
        jv = -q * v[0] - x[0] * qv
        out[0] -= 2.0 * (q * jv + r * qv)
        out[1] -= 2.0 * u / d * (x[0] * jv + r * (v[0] - x[0] * dv / d))
        last = 2.0 / d * (x[0] * q * jv + r * (q * v[0] + x[0] * (qv - q * dv / d)))
        out[2] += u * last
        out[3] += last


KOWALIK_OSBORNE = Problem(
    name="kowalik-osborne",
    fun=kowalik_osborne,
    fun_grad=kowalik_osborne_grad,
    hvp=kowalik_osborne_hvp,
    start=point(0.25, 0.39, 0.415, 0.39),
    n=4,
    sizes=exactly(4),
    f_star=0.000307505603849238,
    x_star=points((0.19280693457903791, 0.19128232873436662, 0.12305650692632085, 0.13606233068379467)),
    f_local=(0.001027343048695457,),  # approached as x1, x3, x4 go to infinity with x2 = -14.07
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[1] problem 15",
)


# --- Brown and Dennis: r_i = (x1 + t x2 - exp t)^2 + (x3 + x4 sin t - cos t)^2, t = i / 5, i = 1 .. 20 ---


def brown_dennis(x):
    f = 0.0
    for i in range(1, 21):
        t = 0.2 * i
        a = x[0] + t * x[1] - math.exp(t)
        b = x[2] + math.sin(t) * x[3] - math.cos(t)
        r = a * a + b * b
        f += r * r
    return f


def brown_dennis_grad(x, g):
    f = 0.0
    g[0] = 0.0
    g[1] = 0.0
    g[2] = 0.0
    g[3] = 0.0
    for i in range(1, 21):
        t = 0.2 * i
        a = x[0] + t * x[1] - math.exp(t)
        b = x[2] + math.sin(t) * x[3] - math.cos(t)
        r = a * a + b * b
        f += r * r
        g[0] += 4.0 * r * a
        g[1] += 4.0 * r * a * t
        g[2] += 4.0 * r * b
        g[3] += 4.0 * r * b * math.sin(t)
    return f


def brown_dennis_hvp(x, v, out):
    out[0] = 0.0
    out[1] = 0.0
    out[2] = 0.0
    out[3] = 0.0
    for i in range(1, 21):
        t = 0.2 * i
        a = x[0] + t * x[1] - math.exp(t)
        b = x[2] + math.sin(t) * x[3] - math.cos(t)
        r = a * a + b * b
        av = v[0] + t * v[1]
        bv = v[2] + math.sin(t) * v[3]
        jv = 2.0 * (a * av + b * bv)
        out[0] += 4.0 * (a * jv + r * av)
        out[1] += 4.0 * t * (a * jv + r * av)
        out[2] += 4.0 * (b * jv + r * bv)
        out[3] += 4.0 * math.sin(t) * (b * jv + r * bv)


BROWN_DENNIS = Problem(
    name="brown-dennis",
    fun=brown_dennis,
    fun_grad=brown_dennis_grad,
    hvp=brown_dennis_hvp,
    start=point(25.0, 5.0, -5.0, -1.0),
    n=4,
    sizes=exactly(4),
    f_star=85822.20162635633,
    x_star=points((-11.594439904762163, 13.203630051207202, -0.4034394881768596, 0.23677877445573633)),
    traits=frozenset({"least-squares", "convex"}),
    reference="[1] problem 16 with m = 20",
)


# --- Osborne 1: r_i = y_i - (x1 + x2 exp(-t_i x4) + x3 exp(-t_i x5)), t_i = 10 (i - 1), i = 1 .. 33 ---

# fmt: off
OSBORNE_1_Y = np.array([
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.85, 0.818, 0.784, 0.751,
    0.718, 0.685, 0.658, 0.628, 0.603, 0.58, 0.558, 0.538, 0.522, 0.506, 0.49,
    0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.42, 0.414, 0.411, 0.406,
])
# fmt: on


def osborne_1(x):
    f = 0.0
    for i in range(33):
        t = 10.0 * i
        e4 = math.inf if t * x[3] <= -709.0 else math.exp(-t * x[3])
        e5 = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        r = OSBORNE_1_Y[i] - (x[0] + x[1] * e4 + x[2] * e5)
        f += r * r
    return f


def osborne_1_grad(x, g):
    f = 0.0
    for j in range(5):
        g[j] = 0.0
    for i in range(33):
        t = 10.0 * i
        e4 = math.inf if t * x[3] <= -709.0 else math.exp(-t * x[3])
        e5 = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        r = OSBORNE_1_Y[i] - (x[0] + x[1] * e4 + x[2] * e5)
        f += r * r
        g[0] -= 2.0 * r
        g[1] -= 2.0 * r * e4
        g[2] -= 2.0 * r * e5
        g[3] += 2.0 * r * t * x[1] * e4
        g[4] += 2.0 * r * t * x[2] * e5
    return f


def osborne_1_hvp(x, v, out):
    for j in range(5):
        out[j] = 0.0
    for i in range(33):
        t = 10.0 * i
        e4 = math.inf if t * x[3] <= -709.0 else math.exp(-t * x[3])
        e5 = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        r = OSBORNE_1_Y[i] - (x[0] + x[1] * e4 + x[2] * e5)
        jv = -v[0] - e4 * (v[1] - t * x[1] * v[3]) - e5 * (v[2] - t * x[2] * v[4])
        out[0] -= 2.0 * jv
        out[1] -= 2.0 * e4 * (jv - r * t * v[3])
        out[2] -= 2.0 * e5 * (jv - r * t * v[4])
        out[3] += 2.0 * t * e4 * (x[1] * jv + r * (v[1] - t * x[1] * v[3]))
        out[4] += 2.0 * t * e5 * (x[2] * jv + r * (v[2] - t * x[2] * v[4]))


OSBORNE_1 = Problem(
    name="osborne-1",
    fun=osborne_1,
    fun_grad=osborne_1_grad,
    hvp=osborne_1_hvp,
    start=point(0.5, 1.5, -1.0, 0.01, 0.02),
    n=5,
    sizes=exactly(5),
    f_star=5.464894697483e-05,
    x_star=points(
        (0.37541005210695216, 1.935846912712384, -1.46468713661344, 0.012867534640057321, 0.022122699661672542)
    ),
    f_local=(1.10603621875,),  # approached as x4, x5 -> inf: a constant fits all but the first
    traits=frozenset({"least-squares", "nonconvex", "ill-conditioned", "many-minima"}),
    reference="[1] problem 17",
)


# --- Biggs EXP6: r_i = x3 exp(-t x1) - x4 exp(-t x2) + x6 exp(-t x5) - y(t), t = i / 10, i = 1 .. 13 ---
# y(t) = exp(-t) - 5 exp(-10 t) + 3 exp(-4 t)


def biggs_exp6(x):
    f = 0.0
    for i in range(1, 14):
        t = 0.1 * i
        e1 = math.inf if t * x[0] <= -709.0 else math.exp(-t * x[0])
        e2 = math.inf if t * x[1] <= -709.0 else math.exp(-t * x[1])
        e5 = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        y = math.exp(-t) - 5.0 * math.exp(-10.0 * t) + 3.0 * math.exp(-4.0 * t)
        r = x[2] * e1 - x[3] * e2 + x[5] * e5 - y
        f += r * r
    return f


def biggs_exp6_grad(x, g):
    f = 0.0
    for j in range(6):
        g[j] = 0.0
    for i in range(1, 14):
        t = 0.1 * i
        e1 = math.inf if t * x[0] <= -709.0 else math.exp(-t * x[0])
        e2 = math.inf if t * x[1] <= -709.0 else math.exp(-t * x[1])
        e5 = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        y = math.exp(-t) - 5.0 * math.exp(-10.0 * t) + 3.0 * math.exp(-4.0 * t)
        r = x[2] * e1 - x[3] * e2 + x[5] * e5 - y
        f += r * r
        g[0] -= 2.0 * r * t * x[2] * e1
        g[1] += 2.0 * r * t * x[3] * e2
        g[2] += 2.0 * r * e1
        g[3] -= 2.0 * r * e2
        g[4] -= 2.0 * r * t * x[5] * e5
        g[5] += 2.0 * r * e5
    return f


def biggs_exp6_hvp(x, v, out):
    for j in range(6):
        out[j] = 0.0
    for i in range(1, 14):
        t = 0.1 * i
        e1 = math.inf if t * x[0] <= -709.0 else math.exp(-t * x[0])
        e2 = math.inf if t * x[1] <= -709.0 else math.exp(-t * x[1])
        e5 = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        y = math.exp(-t) - 5.0 * math.exp(-10.0 * t) + 3.0 * math.exp(-4.0 * t)
        r = x[2] * e1 - x[3] * e2 + x[5] * e5 - y
        a1 = v[2] - t * x[2] * v[0]
        a2 = v[3] - t * x[3] * v[1]
        a5 = v[5] - t * x[5] * v[4]
        jv = e1 * a1 - e2 * a2 + e5 * a5
        out[0] -= 2.0 * t * e1 * (x[2] * jv + r * a1)
        out[1] += 2.0 * t * e2 * (x[3] * jv + r * a2)
        out[2] += 2.0 * e1 * (jv - r * t * v[0])
        out[3] -= 2.0 * e2 * (jv - r * t * v[1])
        out[4] -= 2.0 * t * e5 * (x[5] * jv + r * a5)
        out[5] += 2.0 * e5 * (jv - r * t * v[4])


BIGGS_EXP6 = Problem(
    name="biggs-exp6",
    fun=biggs_exp6,
    fun_grad=biggs_exp6_grad,
    hvp=biggs_exp6_hvp,
    start=point(1.0, 2.0, 1.0, 1.0, 1.0, 1.0),
    n=6,
    sizes=exactly(6),
    f_star=0.0,
    x_star=points((1.0, 10.0, 1.0, 5.0, 4.0, 3.0), (4.0, 10.0, 3.0, 5.0, 1.0, 1.0)),
    f_saddle=(0.00565564992549994,),
    traits=frozenset({"least-squares", "nonconvex", "many-minima", "saddle", "ill-conditioned"}),
    reference="[1] problem 18 with m = 13; its 5.65565e-3 is a saddle in x1 = x5, x3 = x6, where the start lies",
)


# --- Osborne 2: r_i = y_i - (x1 exp(-t x5) + sum_{k=2,3,4} x_k exp(-(t - x_{k+7})^2 x_{k+4})), t = (i - 1) / 10 ---

# fmt: off
OSBORNE_2_Y = np.array([
    1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608,
    0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661,
    0.612, 0.558, 0.533, 0.495, 0.5, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428,
    0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559,
    0.597, 0.625, 0.739, 0.71, 0.729, 0.72, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054,
])
# fmt: on


def osborne_2(x):
    f = 0.0
    for i in range(65):
        t = 0.1 * i
        e = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        r = OSBORNE_2_Y[i] - x[0] * e
        for k in range(1, 4):
            s = t - x[7 + k]
            z = -s * s * x[4 + k]
            e = math.inf if z >= 709.0 else math.exp(z)
            r -= x[k] * e
        f += r * r
    return f


def osborne_2_grad(x, g):
    f = 0.0
    for j in range(11):
        g[j] = 0.0
    for i in range(65):
        t = 0.1 * i
        e = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        r = OSBORNE_2_Y[i] - x[0] * e
        for k in range(1, 4):
            s = t - x[7 + k]
            z = -s * s * x[4 + k]
            e = math.inf if z >= 709.0 else math.exp(z)
            r -= x[k] * e
        f += r * r
        e = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        g[0] -= 2.0 * r * e
        g[4] += 2.0 * r * t * x[0] * e
        for k in range(1, 4):
            s = t - x[7 + k]
            z = -s * s * x[4 + k]
            e = math.inf if z >= 709.0 else math.exp(z)
            g[k] -= 2.0 * r * e
            g[4 + k] += 2.0 * r * s * s * x[k] * e
            g[7 + k] -= 4.0 * r * s * x[4 + k] * x[k] * e
    return f


def osborne_2_hvp(x, v, out):
    for j in range(11):
        out[j] = 0.0
    for i in range(65):
        t = 0.1 * i
        e = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        r = OSBORNE_2_Y[i] - x[0] * e
        jv = -e * (v[0] - t * x[0] * v[4])
        for k in range(1, 4):
            s = t - x[7 + k]
            z = -s * s * x[4 + k]
            e = math.inf if z >= 709.0 else math.exp(z)
            r -= x[k] * e
            jv -= e * (v[k] + x[k] * s * (2.0 * x[4 + k] * v[7 + k] - s * v[4 + k]))
        e = math.inf if t * x[4] <= -709.0 else math.exp(-t * x[4])
        out[0] -= 2.0 * e * (jv - r * t * v[4])
        out[4] += 2.0 * t * e * (x[0] * jv + r * (v[0] - t * x[0] * v[4]))
        for k in range(1, 4):
            s = t - x[7 + k]
            z = -s * s * x[4 + k]
            e = math.inf if z >= 709.0 else math.exp(z)
            z2 = -s * s  # the derivatives of z by x_{k+4}, x_{k+7}
            z3 = 2.0 * s * x[4 + k]
            zv = z2 * v[4 + k] + z3 * v[7 + k]
            pv = v[k] + x[k] * zv
            out[k] -= 2.0 * e * (jv + r * zv)
            out[4 + k] -= 2.0 * e * (x[k] * z2 * jv + r * (z2 * pv + x[k] * 2.0 * s * v[7 + k]))
            bend = 2.0 * x[k] * (s * v[4 + k] - x[4 + k] * v[7 + k])
            out[7 + k] -= 2.0 * e * (x[k] * z3 * jv + r * (z3 * pv + bend))


# fmt: off
OSBORNE_2_MINIMIZER = points((
    1.3099771546273005, 0.431553794602989, 0.633661698960724, 0.5994305347859163,
    0.7541832263280113, 0.9042885798596334, 1.3658118352370285, 4.823698817227156,
    2.3986848661317546, 4.568874597667672, 5.6753414705806415,
))
# fmt: on

OSBORNE_2 = Problem(
    name="osborne-2",
    fun=osborne_2,
    fun_grad=osborne_2_grad,
    hvp=osborne_2_hvp,
    start=point(1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5),
    n=11,
    sizes=exactly(11),
    f_star=0.040137736293547714,
    x_star=OSBORNE_2_MINIMIZER,
    f_local=(0.2746855491372154,),
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[1] problem 19",
)
