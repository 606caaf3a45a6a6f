"""Strict saddles that solvers were met at in CUTEst; WOODS is extended-wood in `extended`.

References
----------
[1] Gould, Orban, Toint. CUTEst: a constrained and unconstrained testing environment with safe threads for mathematical
    optimization. Comput. Optim. Appl. 60 (2015) 545-557. doi:10.1007/s10589-014-9687-3. LOGHAIRY (Toint, 1997),
    CYCLOOCFLS (Gould, 2020).
[2] Coutsias, Martin, Thompson, Watson. Topology of cyclooctane energy landscape. J. Chem. Phys. 132 (2010) 234115.
    doi:10.1063/1.3445267
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import math

import numpy as np

from secondorder.problems.problem import Problem, exactly, point, points

# --- LOGHAIRY: log(F / 100),
# F = 100 + 30 sin^2(7 x1) cos^2(7 x2) + 100 sqrt(0.01 + (x1 - x2)^2) + 100 sqrt(0.01 + x1^2) ---


def loghairy(x):
    sine, cosine = math.sin(7.0 * x[0]), math.cos(7.0 * x[1])
    u, w = x[0] - x[1], x[0]
    bowls = math.sqrt(0.01 + u * u) + math.sqrt(0.01 + w * w)
    return math.log((100.0 + 30.0 * sine * sine * cosine * cosine + 100.0 * bowls) / 100.0)


def loghairy_grad(x, g):
    sine, cosine = math.sin(7.0 * x[0]), math.cos(7.0 * x[1])
    u, w = x[0] - x[1], x[0]
    d, b = math.sqrt(0.01 + u * u), math.sqrt(0.01 + w * w)
    F = 100.0 + 30.0 * sine * sine * cosine * cosine + 100.0 * (d + b)
    g[0] = (210.0 * math.sin(14.0 * x[0]) * cosine * cosine + 100.0 * (u / d + w / b)) / F
    g[1] = (-210.0 * sine * sine * math.sin(14.0 * x[1]) - 100.0 * u / d) / F
    return math.log(F / 100.0)


def loghairy_hvp(x, v, out):
    sine, cosine = math.sin(7.0 * x[0]), math.cos(7.0 * x[1])
    s2, c2 = math.sin(14.0 * x[0]), math.sin(14.0 * x[1])
    u, w = x[0] - x[1], x[0]
    d, b = math.sqrt(0.01 + u * u), math.sqrt(0.01 + w * w)
    F = 100.0 + 30.0 * sine * sine * cosine * cosine + 100.0 * (d + b)
    g0 = (210.0 * s2 * cosine * cosine + 100.0 * (u / d + w / b)) / F
    g1 = (-210.0 * sine * sine * c2 - 100.0 * u / d) / F
    across = 1.0 / (d * d * d)
    h00 = 2940.0 * math.cos(14.0 * x[0]) * cosine * cosine + across + 1.0 / (b * b * b)
    h01 = -1470.0 * s2 * c2 - across
    h11 = -2940.0 * sine * sine * math.cos(14.0 * x[1]) + across
    gv = g0 * v[0] + g1 * v[1]
    out[0] = (h00 * v[0] + h01 * v[1]) / F - g0 * gv
    out[1] = (h01 * v[0] + h11 * v[1]) / F - g1 * gv


LOGHAIRY = Problem(
    name="loghairy",
    fun=loghairy,
    fun_grad=loghairy_grad,
    hvp=loghairy_hvp,
    start=point(-5.0, -7.0),
    n=2,
    sizes=exactly(2),
    f_star=math.log(1.2),
    x_star=points((0.0, 0.0)),
    traits=frozenset({"nonconvex", "many-minima"}),
    reference="[1] LOGHAIRY, from the start of HAIRY, a hundredth of its own",
)


# --- cyclooctane: p atoms in a ring, sum (|a_i - a_{i+1}|^2 - 1)^2 + (|a_i - a_{i+2}|^2 - 2 p / (p - 2))^2;
# a_0 = 0 and the first coordinate of a_1 is 0: coordinate c of atom i is variable 3 i - 4 + c, or 0 if that is < 0 ---


def cyclooctane(x):
    p = (x.shape[0] + 4) // 3
    f = 0.0
    for i in range(p):
        for step in range(1, 3):
            j = (i + step) % p
            r = -1.0 if step == 1 else -2.0 * p / (p - 2.0)
            for c in range(3):
                a, b = 3 * i - 4 + c, 3 * j - 4 + c
                d = (x[a] if a >= 0 else 0.0) - (x[b] if b >= 0 else 0.0)
                r += d * d
            f += r * r
    return f


def cyclooctane_grad(x, g):
    p = (x.shape[0] + 4) // 3
    f = 0.0
    for k in range(x.shape[0]):
        g[k] = 0.0
    for i in range(p):
        for step in range(1, 3):
            j = (i + step) % p
            r = -1.0 if step == 1 else -2.0 * p / (p - 2.0)
            for c in range(3):
                a, b = 3 * i - 4 + c, 3 * j - 4 + c
                d = (x[a] if a >= 0 else 0.0) - (x[b] if b >= 0 else 0.0)
                r += d * d
            f += r * r
            for c in range(3):
                a, b = 3 * i - 4 + c, 3 * j - 4 + c
                d = (x[a] if a >= 0 else 0.0) - (x[b] if b >= 0 else 0.0)
                if a >= 0:
                    g[a] += 4.0 * r * d
                if b >= 0:
                    g[b] -= 4.0 * r * d
    return f


def cyclooctane_hvp(x, v, out):
    p = (x.shape[0] + 4) // 3
    for k in range(x.shape[0]):
        out[k] = 0.0
    for i in range(p):
        for step in range(1, 3):
            j = (i + step) % p
            r, rv = -1.0 if step == 1 else -2.0 * p / (p - 2.0), 0.0
            for c in range(3):
                a, b = 3 * i - 4 + c, 3 * j - 4 + c
                d = (x[a] if a >= 0 else 0.0) - (x[b] if b >= 0 else 0.0)
                dv = (v[a] if a >= 0 else 0.0) - (v[b] if b >= 0 else 0.0)
                r += d * d
                rv += 2.0 * d * dv
            for c in range(3):
                a, b = 3 * i - 4 + c, 3 * j - 4 + c
                d = (x[a] if a >= 0 else 0.0) - (x[b] if b >= 0 else 0.0)
                dv = (v[a] if a >= 0 else 0.0) - (v[b] if b >= 0 else 0.0)
                slope = 4.0 * (rv * d + r * dv)
                if a >= 0:
                    out[a] += slope
                if b >= 0:
                    out[b] -= slope


def ring(n):
    """Atom i at (i + 1) / p in each coordinate, but the first two at 0: all on a line."""
    p = (n + 4) // 3
    x = np.repeat(np.arange(1.0, p + 1.0) / p, 3)[4:]
    x[0] = x[1] = 0.0
    return x


CYCLOOCTANE = Problem(
    name="cyclooctane",
    fun=cyclooctane,
    fun_grad=cyclooctane_grad,
    hvp=cyclooctane_hvp,
    start=ring,
    n=20,
    sizes=exactly(20),
    f_star=0.0,
    traits=frozenset({"least-squares", "nonconvex", "degenerate"}),
    reference="[1] CYCLOOCFLS, [2]; eight atoms",
)
