"""Families of any size, made by repeating or chaining a small function.

Notation: x_1 .. x_n as in the references; x[0] .. x[n-1] in the code.

References
----------
[1] More, Garbow, Hillstrom. Testing unconstrained optimization software. ACM Transactions on Mathematical Software 7
    (1981) 17-41. doi:10.1145/355934.355936
[2] Conn, Gould, Lescrenier, Toint. Performance of a multifrontal scheme for partially separable optimization. Report
    88/4, Department of Mathematics, FUNDP Namur, 1988.
[3] Dixon, Price. Truncated Newton method for sparse unconstrained optimization using automatic differentiation. Journal
    of Optimization Theory and Applications 60 (1989) 261-275. doi:10.1007/BF00940007
[4] Bongartz, Conn, Gould, Toint. CUTE: constrained and unconstrained testing environment. ACM Transactions on
    Mathematical Software 21 (1995) 123-160. doi:10.1145/200979.201043. The problem's name there.
[5] Jamil, Yang. A literature survey of benchmark functions for global optimisation problems. International Journal of
    Mathematical Modelling and Numerical Optimisation 4 (2013) 150-194. doi:10.1504/IJMMNO.2013.055204
[6] Kok, Sandrock. Locating and characterizing the stationary points of the extended Rosenbrock function. Evolutionary
    Computation 17 (2009) 437-453. doi:10.1162/evco.2009.17.3.437
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import math

import numpy as np

from secondorder.problems.problem import Problem, at_least, exactly, multiple_of, point, points

# --- extended Rosenbrock: sum over pairs of 100 (x2 - x1^2)^2 + (1 - x1)^2 ---


def extended_rosenbrock(x):
    f = 0.0
    for k in range(0, x.shape[0], 2):
        a = x[k + 1] - x[k] * x[k]
        b = 1.0 - x[k]
        f += 100.0 * a * a + b * b
    return f


def extended_rosenbrock_grad(x, g):
    f = 0.0
    for k in range(0, x.shape[0], 2):
        a = x[k + 1] - x[k] * x[k]
        b = 1.0 - x[k]
        f += 100.0 * a * a + b * b
        g[k] = -400.0 * x[k] * a - 2.0 * b
        g[k + 1] = 200.0 * a
    return f


def extended_rosenbrock_hvp(x, v, out):
    for k in range(0, x.shape[0], 2):
        out[k] = (1200.0 * x[k] * x[k] - 400.0 * x[k + 1] + 2.0) * v[k] - 400.0 * x[k] * v[k + 1]
        out[k + 1] = -400.0 * x[k] * v[k] + 200.0 * v[k + 1]


ROSENBROCK = Problem(
    name="rosenbrock",
    fun=extended_rosenbrock,
    fun_grad=extended_rosenbrock_grad,
    hvp=extended_rosenbrock_hvp,
    start=point(-1.2, 1.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((1.0, 1.0)),
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 1",
)

EXTENDED_ROSENBROCK = Problem(
    name="extended-rosenbrock",
    fun=extended_rosenbrock,
    fun_grad=extended_rosenbrock_grad,
    hvp=extended_rosenbrock_hvp,
    start=point(-1.2, 1.0),
    n=10,
    sizes=multiple_of(2),
    f_star=0.0,
    x_star=lambda n: np.ones((1, n)),
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 21",
)


# --- chained Rosenbrock: sum_{i<n} 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2 ---


def chained_rosenbrock(x):
    f = 0.0
    for i in range(x.shape[0] - 1):
        a = x[i + 1] - x[i] * x[i]
        b = 1.0 - x[i]
        f += 100.0 * a * a + b * b
    return f


def chained_rosenbrock_grad(x, g):
    n = x.shape[0]
    f = 0.0
    g[0] = 0.0
    for i in range(n - 1):
        a = x[i + 1] - x[i] * x[i]
        b = 1.0 - x[i]
        f += 100.0 * a * a + b * b
        g[i] += -400.0 * x[i] * a - 2.0 * b
        g[i + 1] = 200.0 * a
    return f


def chained_rosenbrock_hvp(x, v, out):
    n = x.shape[0]
    out[0] = 0.0
    for i in range(n - 1):
        out[i] += (1200.0 * x[i] * x[i] - 400.0 * x[i + 1] + 2.0) * v[i] - 400.0 * x[i] * v[i + 1]
        out[i + 1] = -400.0 * x[i] * v[i] + 200.0 * v[i + 1]


def chained_rosenbrock_local(n):
    """The value of the local minimum near (-1, 1, .., 1): none for n < 4; its limit from n = 20 on, to 1e-10."""
    if n < 4:
        return ()
    values = (3.701428610430017, 3.930839434133028, 3.973940500930295, 3.983600536424854, 3.985887769599490)
    values += (3.986442823247814, 3.986579112347139, 3.986612769450977, 3.986621104720594)
    if n - 4 < len(values):
        return (values[n - 4],)
    return (3.986623854300933,)


CHAINED_ROSENBROCK = Problem(
    name="chained-rosenbrock",
    fun=chained_rosenbrock,
    fun_grad=chained_rosenbrock_grad,
    hvp=chained_rosenbrock_hvp,
    start=lambda n: np.where(np.arange(n) % 2 == 0, -1.2, 1.0),
    n=10,
    sizes=at_least(2),
    f_star=0.0,
    x_star=lambda n: np.ones((1, n)),
    f_local=chained_rosenbrock_local,
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[6]; a local minimum near (-1, 1, .., 1) for n >= 4; the start of [1] problem 21",
)


# --- extended Powell singular: sum over fours of (x1 + 10 x2)^2 + 5 (x3 - x4)^2 + (x2 - 2 x3)^4 + 10 (x1 - x4)^4 ---


def extended_powell(x):
    f = 0.0
    for k in range(0, x.shape[0], 4):
        a = x[k] + 10.0 * x[k + 1]
        b = x[k + 2] - x[k + 3]
        c = x[k + 1] - 2.0 * x[k + 2]
        d = x[k] - x[k + 3]
        f += a * a + 5.0 * b * b + c * c * c * c + 10.0 * d * d * d * d
    return f


def extended_powell_grad(x, g):
    f = 0.0
    for k in range(0, x.shape[0], 4):
        a = x[k] + 10.0 * x[k + 1]
        b = x[k + 2] - x[k + 3]
        c = x[k + 1] - 2.0 * x[k + 2]
        d = x[k] - x[k + 3]
        f += a * a + 5.0 * b * b + c * c * c * c + 10.0 * d * d * d * d
        g[k] = 2.0 * a + 40.0 * d * d * d
        g[k + 1] = 20.0 * a + 4.0 * c * c * c
        g[k + 2] = 10.0 * b - 8.0 * c * c * c
        g[k + 3] = -10.0 * b - 40.0 * d * d * d
    return f


def extended_powell_hvp(x, v, out):
    for k in range(0, x.shape[0], 4):
        c = x[k + 1] - 2.0 * x[k + 2]
        d = x[k] - x[k + 3]
        av = 2.0 * (v[k] + 10.0 * v[k + 1])
        bv = 10.0 * (v[k + 2] - v[k + 3])
        cv = 12.0 * c * c * (v[k + 1] - 2.0 * v[k + 2])
        dv = 120.0 * d * d * (v[k] - v[k + 3])
        out[k] = av + dv
        out[k + 1] = 10.0 * av + cv
        out[k + 2] = bv - 2.0 * cv
        out[k + 3] = -bv - dv


POWELL_SINGULAR = Problem(
    name="powell-singular",
    fun=extended_powell,
    fun_grad=extended_powell_grad,
    hvp=extended_powell_hvp,
    start=point(3.0, -1.0, 0.0, 1.0),
    n=4,
    sizes=exactly(4),
    f_star=0.0,
    x_star=points((0.0, 0.0, 0.0, 0.0)),
    traits=frozenset({"least-squares", "singular", "convex"}),
    reference="[1] problem 13",
)

EXTENDED_POWELL = Problem(
    name="extended-powell",
    fun=extended_powell,
    fun_grad=extended_powell_grad,
    hvp=extended_powell_hvp,
    start=point(3.0, -1.0, 0.0, 1.0),
    n=12,
    sizes=multiple_of(4),
    f_star=0.0,
    x_star=lambda n: np.zeros((1, n)),
    traits=frozenset({"least-squares", "singular", "convex"}),
    reference="[1] problem 22",
)


# --- Wood, repeated: two Rosenbrock valleys (100 and 90), coupled by 10 (x2 + x4 - 2)^2 + (x2 - x4)^2 / 10 ---


def extended_wood(x):
    f = 0.0
    for k in range(0, x.shape[0], 4):
        a = x[k + 1] - x[k] * x[k]
        b = 1.0 - x[k]
        c = x[k + 3] - x[k + 2] * x[k + 2]
        d = 1.0 - x[k + 2]
        p = x[k + 1] + x[k + 3] - 2.0
        q = x[k + 1] - x[k + 3]
        f += 100.0 * a * a + b * b + 90.0 * c * c + d * d + 10.0 * p * p + 0.1 * q * q
    return f


def extended_wood_grad(x, g):
    f = 0.0
    for k in range(0, x.shape[0], 4):
        a = x[k + 1] - x[k] * x[k]
        b = 1.0 - x[k]
        c = x[k + 3] - x[k + 2] * x[k + 2]
        d = 1.0 - x[k + 2]
        p = x[k + 1] + x[k + 3] - 2.0
        q = x[k + 1] - x[k + 3]
        f += 100.0 * a * a + b * b + 90.0 * c * c + d * d + 10.0 * p * p + 0.1 * q * q
        g[k] = -400.0 * x[k] * a - 2.0 * b
        g[k + 1] = 200.0 * a + 20.0 * p + 0.2 * q
        g[k + 2] = -360.0 * x[k + 2] * c - 2.0 * d
        g[k + 3] = 180.0 * c + 20.0 * p - 0.2 * q
    return f


def extended_wood_hvp(x, v, out):
    for k in range(0, x.shape[0], 4):
        pv = 20.0 * (v[k + 1] + v[k + 3])
        qv = 0.2 * (v[k + 1] - v[k + 3])
        out[k] = (1200.0 * x[k] * x[k] - 400.0 * x[k + 1] + 2.0) * v[k] - 400.0 * x[k] * v[k + 1]
        out[k + 1] = -400.0 * x[k] * v[k] + 200.0 * v[k + 1] + pv + qv
        out[k + 2] = (1080.0 * x[k + 2] * x[k + 2] - 360.0 * x[k + 3] + 2.0) * v[k + 2] - 360.0 * x[k + 2] * v[k + 3]
        out[k + 3] = -360.0 * x[k + 2] * v[k + 2] + 180.0 * v[k + 3] + pv - qv


WOOD = Problem(
    name="wood",
    fun=extended_wood,
    fun_grad=extended_wood_grad,
    hvp=extended_wood_hvp,
    start=point(-3.0, -1.0, -3.0, -1.0),
    n=4,
    sizes=exactly(4),
    f_star=0.0,
    x_star=points((1.0, 1.0, 1.0, 1.0)),
    f_saddle=(7.876967165176867,),  # near (-1, 1, -1, 1)
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 14",
)

EXTENDED_WOOD = Problem(
    name="extended-wood",
    fun=extended_wood,
    fun_grad=extended_wood_grad,
    hvp=extended_wood_hvp,
    start=point(-3.0, -1.0, -3.0, -1.0),
    n=8,
    sizes=multiple_of(4),
    f_star=0.0,
    x_star=lambda n: np.ones((1, n)),
    f_saddle=lambda n: tuple(7.876967165176867 * k for k in range(1, n // 4 + 1)),
    traits=frozenset({"least-squares", "nonconvex"}),
    reference="[1] problem 14, repeated as in [4] WOODS",
)


# --- Dixon and Price: (x_1 - 1)^2 + sum_{i>=2} i (2 x_i^2 - x_{i-1})^2 ---


def dixon_price(x):
    b = x[0] - 1.0
    f = b * b
    for i in range(1, x.shape[0]):
        a = 2.0 * x[i] * x[i] - x[i - 1]
        f += (i + 1.0) * a * a
    return f


def dixon_price_grad(x, g):
    b = x[0] - 1.0
    f = b * b
    g[0] = 2.0 * b
    for i in range(1, x.shape[0]):
        a = 2.0 * x[i] * x[i] - x[i - 1]
        f += (i + 1.0) * a * a
        g[i - 1] -= 2.0 * (i + 1.0) * a
        g[i] = 8.0 * (i + 1.0) * x[i] * a
    return f


def dixon_price_hvp(x, v, out):
    out[0] = 2.0 * v[0]
    for i in range(1, x.shape[0]):
        a = 2.0 * x[i] * x[i] - x[i - 1]
        av = 4.0 * x[i] * v[i] - v[i - 1]
        out[i - 1] -= 2.0 * (i + 1.0) * av
        out[i] = 8.0 * (i + 1.0) * (x[i] * av + a * v[i])


def dixon_price_minimizers(n):
    x = np.array([2.0 ** (2.0 ** (1 - i) - 1.0) for i in range(1, n + 1)])
    mirrored = x.copy()
    mirrored[-1] = -mirrored[-1]
    return np.array([x, mirrored])


DIXON_PRICE = Problem(
    name="dixon-price",
    fun=dixon_price,
    fun_grad=dixon_price_grad,
    hvp=dixon_price_hvp,
    start=lambda n: np.ones(n),
    n=10,
    sizes=at_least(2),
    f_star=0.0,
    x_star=dixon_price_minimizers,
    f_local=lambda n: (2.0 / 3.0,) if n > 2 else (),  # at (1/3, 0, .., 0), where the Hessian is singular
    f_saddle=lambda n: (2.0 / 3.0,) if n == 2 else (),
    traits=frozenset({"least-squares", "nonconvex", "many-minima"}),
    reference="[3]; the start is ours",
)


# --- ARWHEAD: sum_{i<n} (x_i^2 + x_n^2)^2 - 4 x_i + 3 ---


def arwhead(x):
    n = x.shape[0]
    z = x[n - 1] * x[n - 1]
    f = 0.0
    for i in range(n - 1):
        a = x[i] * x[i] + z
        f += a * a - 4.0 * x[i] + 3.0
    return f


def arwhead_grad(x, g):
    n = x.shape[0]
    z = x[n - 1] * x[n - 1]
    f = 0.0
    total = 0.0
    for i in range(n - 1):
        a = x[i] * x[i] + z
        f += a * a - 4.0 * x[i] + 3.0
        g[i] = 4.0 * x[i] * a - 4.0
        total += a
    g[n - 1] = 4.0 * x[n - 1] * total
    return f


def arwhead_hvp(x, v, out):
    n = x.shape[0]
    xn = x[n - 1]
    last = 0.0
    for i in range(n - 1):
        a = x[i] * x[i] + xn * xn
        av = 2.0 * (x[i] * v[i] + xn * v[n - 1])
        out[i] = 4.0 * (x[i] * av + a * v[i])
        last += 4.0 * (xn * av + a * v[n - 1])
    out[n - 1] = last


def arwhead_minimizers(n):
    x = np.ones((1, n))
    x[0, -1] = 0.0
    return x


ARWHEAD = Problem(
    name="arwhead",
    fun=arwhead,
    fun_grad=arwhead_grad,
    hvp=arwhead_hvp,
    start=lambda n: np.ones(n),
    n=10,
    sizes=at_least(2),
    f_star=0.0,
    x_star=arwhead_minimizers,
    traits=frozenset({"convex"}),
    reference="[2] problem 55; [4] ARWHEAD",
)


# --- ENGVAL1: sum_{i<n} (x_i^2 + x_{i+1}^2)^2 - 4 x_i + 3 ---


def engval1(x):
    f = 0.0
    for i in range(x.shape[0] - 1):
        a = x[i] * x[i] + x[i + 1] * x[i + 1]
        f += a * a - 4.0 * x[i] + 3.0
    return f


def engval1_grad(x, g):
    f = 0.0
    g[0] = 0.0
    for i in range(x.shape[0] - 1):
        a = x[i] * x[i] + x[i + 1] * x[i + 1]
        f += a * a - 4.0 * x[i] + 3.0
        g[i] += 4.0 * x[i] * a - 4.0
        g[i + 1] = 4.0 * x[i + 1] * a
    return f


def engval1_hvp(x, v, out):
    out[0] = 0.0
    for i in range(x.shape[0] - 1):
        a = x[i] * x[i] + x[i + 1] * x[i + 1]
        av = 2.0 * (x[i] * v[i] + x[i + 1] * v[i + 1])
        out[i] += 4.0 * (x[i] * av + a * v[i])
        out[i + 1] = 4.0 * (x[i + 1] * av + a * v[i + 1])


ENGVAL1 = Problem(
    name="engval1",
    fun=engval1,
    fun_grad=engval1_grad,
    hvp=engval1_hvp,
    start=lambda n: np.full(n, 2.0),
    n=10,
    sizes=at_least(2),
    f_star={2: 0.0, 10: 9.177469957181389}.get,
    x_star=lambda n: np.array([[1.0, 0.0]]) if n == 2 else np.empty((0, n)),
    traits=frozenset({"convex"}),
    reference="[4] ENGVAL1",
)


# --- COSINE: sum_{i<n} cos(x_i^2 - x_{i+1} / 2) ---


def cosine(x):
    f = 0.0
    for i in range(x.shape[0] - 1):
        f += math.cos(x[i] * x[i] - 0.5 * x[i + 1])
    return f


def cosine_grad(x, g):
    f = 0.0
    g[0] = 0.0
    for i in range(x.shape[0] - 1):
        a = x[i] * x[i] - 0.5 * x[i + 1]
        f += math.cos(a)
        s = math.sin(a)
        g[i] -= 2.0 * x[i] * s
        g[i + 1] = 0.5 * s
    return f


def cosine_hvp(x, v, out):
    out[0] = 0.0
    for i in range(x.shape[0] - 1):
        a = x[i] * x[i] - 0.5 * x[i + 1]
        av = 2.0 * x[i] * v[i] - 0.5 * v[i + 1]
        out[i] -= 2.0 * x[i] * math.cos(a) * av + 2.0 * math.sin(a) * v[i]
        out[i + 1] = 0.5 * math.cos(a) * av


COSINE = Problem(
    name="cosine",
    fun=cosine,
    fun_grad=cosine_grad,
    hvp=cosine_hvp,
    start=lambda n: np.ones(n),
    n=10,
    sizes=at_least(2),
    f_star=lambda n: 1.0 - n,
    x_star=lambda n: np.full((1, n), 0.25 + math.sqrt(0.0625 + math.pi)),  # one of many: x^2 - x/2 = pi
    traits=frozenset({"nonconvex", "singular", "many-minima"}),
    reference="[4] COSINE",
)


# --- quartic: sum i x_i^4; the Hessian is zero at the minimizer ---


def quartic(x):
    f = 0.0
    for i in range(x.shape[0]):
        z = x[i] * x[i]
        f += (i + 1.0) * z * z
    return f


def quartic_grad(x, g):
    f = 0.0
    for i in range(x.shape[0]):
        z = x[i] * x[i]
        f += (i + 1.0) * z * z
        g[i] = 4.0 * (i + 1.0) * z * x[i]
    return f


def quartic_hvp(x, v, out):
    for i in range(x.shape[0]):
        out[i] = 12.0 * (i + 1.0) * x[i] * x[i] * v[i]


QUARTIC = Problem(
    name="quartic",
    fun=quartic,
    fun_grad=quartic_grad,
    hvp=quartic_hvp,
    start=lambda n: np.ones(n),
    n=8,
    sizes=at_least(1),
    f_star=0.0,
    x_star=lambda n: np.zeros((1, n)),
    traits=frozenset({"least-squares", "convex", "singular"}),
    reference="[5] Quartic, without its noise; the start is ours",
)


# --- limited smoothness: sum i |x_i|^(5/2); twice but not three times differentiable at the minimizer ---


def five_halves(x):
    f = 0.0
    for i in range(x.shape[0]):
        f += (i + 1.0) * x[i] * x[i] * math.sqrt(abs(x[i]))
    return f


def five_halves_grad(x, g):
    f = 0.0
    for i in range(x.shape[0]):
        root = math.sqrt(abs(x[i]))
        f += (i + 1.0) * x[i] * x[i] * root
        g[i] = 2.5 * (i + 1.0) * x[i] * root
    return f


def five_halves_hvp(x, v, out):
    for i in range(x.shape[0]):
        out[i] = 3.75 * (i + 1.0) * math.sqrt(abs(x[i])) * v[i]


FIVE_HALVES = Problem(
    name="five-halves",
    fun=five_halves,
    fun_grad=five_halves_grad,
    hvp=five_halves_hvp,
    start=point(1.0),
    n=5,
    sizes=at_least(1),
    f_star=0.0,
    x_star=lambda n: np.zeros((1, n)),
    traits=frozenset({"convex", "singular"}),
    reference="ours: a Hessian that is continuous but not Lipschitz at the minimizer",
)


# --- Zakharov: |x|^2 + s^2 + s^4 with s = sum i x_i / 2 ---


def zakharov(x):
    f = 0.0
    s = 0.0
    for i in range(x.shape[0]):
        f += x[i] * x[i]
        s += 0.5 * (i + 1.0) * x[i]
    return f + s * s + s * s * s * s


def zakharov_grad(x, g):
    f = 0.0
    s = 0.0
    for i in range(x.shape[0]):
        f += x[i] * x[i]
        s += 0.5 * (i + 1.0) * x[i]
    slope = 2.0 * s + 4.0 * s * s * s
    for i in range(x.shape[0]):
        g[i] = 2.0 * x[i] + 0.5 * (i + 1.0) * slope
    return f + s * s + s * s * s * s


def zakharov_hvp(x, v, out):
    s = 0.0
    sv = 0.0
    for i in range(x.shape[0]):
        s += 0.5 * (i + 1.0) * x[i]
        sv += 0.5 * (i + 1.0) * v[i]
    curvature = (2.0 + 12.0 * s * s) * sv
    for i in range(x.shape[0]):
        out[i] = 2.0 * v[i] + 0.5 * (i + 1.0) * curvature


ZAKHAROV = Problem(
    name="zakharov",
    fun=zakharov,
    fun_grad=zakharov_grad,
    hvp=zakharov_hvp,
    start=point(1.0),
    n=10,
    sizes=at_least(1),
    f_star=0.0,
    x_star=lambda n: np.zeros((1, n)),
    traits=frozenset({"least-squares", "convex"}),
    reference="[5] Zakharov; the start is ours",
)
