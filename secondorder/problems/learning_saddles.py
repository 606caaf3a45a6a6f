"""Saddle points of learning: an octopus of saddles, matrix factorization, phase retrieval, tensors, a linear network.

Their starts are saddles, or carried to one by steepest descent. All minima are global, but for the octopus by design.

References
----------
[1] Du, Jin, Lee, Jordan, Poczos, Singh. Gradient descent can take exponential time to escape saddle points. NIPS 2017.
    Section 4.
[2] Ge, Jin, Zheng. No spurious local minima in nonconvex low rank problems: a unified geometric analysis. ICML 2017.
[3] Sun, Qu, Wright. A geometric analysis of phase retrieval. Found. Comput. Math. 18 (2018) 1131-1198.
    doi:10.1007/s10208-017-9365-9
[4] Ge, Huang, Jin, Yuan. Escaping from saddle points: online stochastic gradient for tensor decomposition. COLT 2015.
[5] Kawaguchi. Deep learning without poor local minima. NIPS 2016. Theorem 2.3.
"""
# ruff: noqa: D103 - the formula stands above each problem; problem.py says what its three functions do

import itertools
import math

import numpy as np

from secondorder.problems.problem import Problem, Sizes, at_least, exactly

# --- octopus: n saddles in a row, each the end of a valley that leads from the one before ---
# F_i = p(x_i) + (1 - w(x_i)) L (x_{i+1}^2 + .. + x_n^2) + w(x_i) F_{i+1},   f = F_1,   F_{n+1} = 0
# |x| <= tau: p = -gamma x^2, w = 0;  |x| >= 2 tau: p = L (|x| - 4 tau)^2 - nu, w = 1;  polynomials between, C^2.
# Where |x_{i+1}| <= tau as long as |x_i| < 2 tau this is [1], which leaves open what it is elsewhere. x_1 has to grow
# to 2 tau before x_2 can, and by then descent has made x_2 exponentially small.

OCTOPUS_L, OCTOPUS_GAMMA, OCTOPUS_TAU = math.e, 1.0, math.e  # any L >= gamma > 0 and tau do; [1]
OCTOPUS_CUBIC = (10.0 * OCTOPUS_GAMMA - 14.0 * OCTOPUS_L) / (3.0 * OCTOPUS_TAU)
OCTOPUS_QUARTIC = (5.0 * OCTOPUS_L - 3.0 * OCTOPUS_GAMMA) / (2.0 * OCTOPUS_TAU**2)
OCTOPUS_NU = (13.0 * (OCTOPUS_L + OCTOPUS_GAMMA) / 6.0 + 4.0 * OCTOPUS_L) * OCTOPUS_TAU**2


def octopus(x):
    n = x.shape[0]
    f, weight, rest = 0.0, 1.0, 0.0
    for i in range(n):
        rest += x[i] * x[i]
    for i in range(n):
        a = abs(x[i])
        if a <= OCTOPUS_TAU:
            p, w = -OCTOPUS_GAMMA * x[i] * x[i], 0.0  # a * a has a kink that cancels at 0
        elif a < 2.0 * OCTOPUS_TAU:
            t = a - OCTOPUS_TAU
            z = t / OCTOPUS_TAU
            p = t * t * t * (OCTOPUS_CUBIC + OCTOPUS_QUARTIC * t) - OCTOPUS_GAMMA * a * a
            w = z * z * z * (10.0 + z * (6.0 * z - 15.0))
        else:
            t = a - 4.0 * OCTOPUS_TAU
            p, w = OCTOPUS_L * t * t - OCTOPUS_NU, 1.0
        rest -= x[i] * x[i]
        f += weight * (p + (1.0 - w) * OCTOPUS_L * rest)
        weight *= w
        if weight == 0.0:
            break
    return f


def octopus_grad(x, g):
    n = x.shape[0]
    f, weight, rest, stiff = 0.0, 1.0, 0.0, 0.0  # stiff: curvature that the legs before give to those after
    for i in range(n):
        rest += x[i] * x[i]
    for i in range(n):
        a = abs(x[i])
        if a <= OCTOPUS_TAU:
            p, w = -OCTOPUS_GAMMA * a * a, 0.0
        elif a < 2.0 * OCTOPUS_TAU:
            t = a - OCTOPUS_TAU
            z = t / OCTOPUS_TAU
            p = t * t * t * (OCTOPUS_CUBIC + OCTOPUS_QUARTIC * t) - OCTOPUS_GAMMA * a * a
            w = z * z * z * (10.0 + z * (6.0 * z - 15.0))
        else:
            t = a - 4.0 * OCTOPUS_TAU
            p, w = OCTOPUS_L * t * t - OCTOPUS_NU, 1.0
        rest -= x[i] * x[i]
        f += weight * (p + (1.0 - w) * OCTOPUS_L * rest)
        g[i] = stiff * x[i]
        if a <= OCTOPUS_TAU:
            g[i] -= weight * 2.0 * OCTOPUS_GAMMA * x[i]
        elif a >= 2.0 * OCTOPUS_TAU:
            g[i] += math.copysign(weight * 2.0 * OCTOPUS_L, x[i]) * (a - 4.0 * OCTOPUS_TAU)
        else:
            t = a - OCTOPUS_TAU
            z = t / OCTOPUS_TAU
            dp = t * t * (3.0 * OCTOPUS_CUBIC + 4.0 * OCTOPUS_QUARTIC * t) - 2.0 * OCTOPUS_GAMMA * a
            dw = 30.0 * z * z * (1.0 + z * (z - 2.0)) / OCTOPUS_TAU
            after, share, left = 0.0, 1.0, rest  # F_{i+1}
            for k in range(i + 1, n):
                b = abs(x[k])
                left -= x[k] * x[k]
                if b <= OCTOPUS_TAU:
                    q, u = -OCTOPUS_GAMMA * b * b, 0.0
                elif b < 2.0 * OCTOPUS_TAU:
                    t = b - OCTOPUS_TAU
                    z = t / OCTOPUS_TAU
                    q = t * t * t * (OCTOPUS_CUBIC + OCTOPUS_QUARTIC * t) - OCTOPUS_GAMMA * b * b
                    u = z * z * z * (10.0 + z * (6.0 * z - 15.0))
                else:
                    t = b - 4.0 * OCTOPUS_TAU
                    q, u = OCTOPUS_L * t * t - OCTOPUS_NU, 1.0
                after += share * (q + (1.0 - u) * OCTOPUS_L * left)
                share *= u
            g[i] += math.copysign(weight, x[i]) * (dp + dw * (after - OCTOPUS_L * rest))
        stiff += weight * (1.0 - w) * 2.0 * OCTOPUS_L
        weight *= w
    return f


def octopus_hvp(x, v, out):
    n = x.shape[0]
    weight, rest, stiff = 1.0, 0.0, 0.0
    weight_v, rest_v, stiff_v = 0.0, 0.0, 0.0  # their derivatives along v
    for i in range(n):
        rest += x[i] * x[i]
        rest_v += 2.0 * x[i] * v[i]
    for i in range(n):
        a = abs(x[i])
        rest -= x[i] * x[i]
        rest_v -= 2.0 * x[i] * v[i]
        out[i] = stiff * v[i] + stiff_v * x[i]
        if a <= OCTOPUS_TAU:
            out[i] -= 2.0 * OCTOPUS_GAMMA * (weight * v[i] + weight_v * x[i])
            w, w_v = 0.0, 0.0
        elif a >= 2.0 * OCTOPUS_TAU:
            slope = math.copysign(2.0 * OCTOPUS_L, x[i]) * (a - 4.0 * OCTOPUS_TAU)
            out[i] += weight * 2.0 * OCTOPUS_L * v[i] + weight_v * slope
            w, w_v = 1.0, 0.0
        else:
            t = a - OCTOPUS_TAU
            z = t / OCTOPUS_TAU
            dp = t * t * (3.0 * OCTOPUS_CUBIC + 4.0 * OCTOPUS_QUARTIC * t) - 2.0 * OCTOPUS_GAMMA * a
            ddp = t * (6.0 * OCTOPUS_CUBIC + 12.0 * OCTOPUS_QUARTIC * t) - 2.0 * OCTOPUS_GAMMA
            w = z * z * z * (10.0 + z * (6.0 * z - 15.0))
            dw = 30.0 * z * z * (1.0 + z * (z - 2.0)) / OCTOPUS_TAU
            ddw = 60.0 * z * (1.0 + z * (2.0 * z - 3.0)) / OCTOPUS_TAU**2
            after, share, left, after_v, share_v, left_v = 0.0, 1.0, rest, 0.0, 0.0, rest_v
            for k in range(i + 1, n):
                b, b_v = abs(x[k]), math.copysign(1.0, x[k]) * v[k]
                left -= x[k] * x[k]
                left_v -= 2.0 * x[k] * v[k]
                if b <= OCTOPUS_TAU:
                    q, u = -OCTOPUS_GAMMA * b * b, 0.0
                    q_v, u_v = -2.0 * OCTOPUS_GAMMA * b * b_v, 0.0
                elif b < 2.0 * OCTOPUS_TAU:
                    t = b - OCTOPUS_TAU
                    z = t / OCTOPUS_TAU
                    q = t * t * t * (OCTOPUS_CUBIC + OCTOPUS_QUARTIC * t) - OCTOPUS_GAMMA * b * b
                    u = z * z * z * (10.0 + z * (6.0 * z - 15.0))
                    q_v = t * t * (3.0 * OCTOPUS_CUBIC + 4.0 * OCTOPUS_QUARTIC * t) - 2.0 * OCTOPUS_GAMMA * b
                    q_v *= b_v
                    u_v = 30.0 * z * z * (1.0 + z * (z - 2.0)) / OCTOPUS_TAU * b_v
                else:
                    t = b - 4.0 * OCTOPUS_TAU
                    q, u = OCTOPUS_L * t * t - OCTOPUS_NU, 1.0
                    q_v, u_v = 2.0 * OCTOPUS_L * t * b_v, 0.0
                term = q + (1.0 - u) * OCTOPUS_L * left
                term_v = q_v + OCTOPUS_L * ((1.0 - u) * left_v - u_v * left)
                after, after_v = after + share * term, after_v + share * term_v + share_v * term
                share, share_v = share * u, share * u_v + share_v * u
            sign = math.copysign(1.0, x[i])
            gap, gap_v = after - OCTOPUS_L * rest, after_v - OCTOPUS_L * rest_v
            out[i] += sign * weight_v * (dp + dw * gap) + weight * ((ddp + ddw * gap) * v[i] + sign * dw * gap_v)
            w_v = dw * sign * v[i]
        stiff_v += 2.0 * OCTOPUS_L * (weight_v * (1.0 - w) - weight * w_v)
        stiff += weight * (1.0 - w) * 2.0 * OCTOPUS_L
        weight, weight_v = weight * w, weight_v * w + weight * w_v


OCTOPUS = Problem(
    name="octopus",
    fun=octopus,
    fun_grad=octopus_grad,
    hvp=octopus_hvp,
    start=np.zeros,
    n=5,
    sizes=at_least(1),
    f_star=lambda n: -n * OCTOPUS_NU,
    x_star=lambda n: np.array([np.full(n, 4.0 * OCTOPUS_TAU), np.full(n, -4.0 * OCTOPUS_TAU)]),
    f_saddle=lambda n: tuple(-k * OCTOPUS_NU for k in range(n)),
    traits=frozenset({"nonconvex", "saddle", "many-minima"}),
    reference="[1]; what it is apart from the valleys is ours",
)


# --- matrix factorization: |U V' - M|^2 / 2, U and V m x 2, M = diag(1, (m-1)/m, .., 1/m); x = U, then V, by rows ---
# Stationary where U V' is a part of M: a strict saddle unless it is the best of rank 2.


def matrix_factorization(x):
    n = x.shape[0]
    m = n // 4
    f = 0.0
    for i in range(m):
        for j in range(m):
            r = x[2 * i] * x[2 * m + 2 * j] + x[2 * i + 1] * x[2 * m + 2 * j + 1]
            if i == j:
                r -= (m - i) / m
            f += 0.5 * r * r
    return f


def matrix_factorization_grad(x, g):
    n = x.shape[0]
    m = n // 4
    f = 0.0
    for i in range(n):
        g[i] = 0.0
    for i in range(m):
        for j in range(m):
            r = x[2 * i] * x[2 * m + 2 * j] + x[2 * i + 1] * x[2 * m + 2 * j + 1]
            if i == j:
                r -= (m - i) / m
            f += 0.5 * r * r
            for k in range(2):
                g[2 * i + k] += r * x[2 * m + 2 * j + k]
                g[2 * m + 2 * j + k] += r * x[2 * i + k]
    return f


def matrix_factorization_hvp(x, v, out):
    n = x.shape[0]
    m = n // 4
    for i in range(n):
        out[i] = 0.0
    for i in range(m):
        for j in range(m):
            r, rv = 0.0, 0.0
            for k in range(2):
                a, b = 2 * i + k, 2 * m + 2 * j + k
                r += x[a] * x[b]
                rv += x[a] * v[b] + v[a] * x[b]
            if i == j:
                r -= (m - i) / m
            for k in range(2):
                a, b = 2 * i + k, 2 * m + 2 * j + k
                out[a] += rv * x[b] + r * v[b]
                out[b] += rv * x[a] + r * v[a]


def factors(n, kept):
    """The balanced factors of the part of M that has these two entries of its diagonal, None for 0."""
    m = n // 4
    U = np.zeros((m, 2))
    for k, i in enumerate(kept):
        if i is not None:
            U[i, k] = math.sqrt((m - i) / m)
    return np.concatenate((U.ravel(), U.ravel()))


def factorization_values(n):
    """Values of the saddles: parts of M of rank 2 at most, but the best."""
    m = n // 4
    diagonal = [(m - i) / m for i in range(m)]
    parts = [kept for size in range(3) for kept in itertools.combinations(range(m), size) if kept != (0, 1)]
    return tuple(0.5 * sum(d * d for i, d in enumerate(diagonal) if i not in kept) for kept in parts)


MATRIX_FACTORIZATION = Problem(
    name="matrix-factorization",
    fun=matrix_factorization,
    fun_grad=matrix_factorization_grad,
    hvp=matrix_factorization_hvp,
    start=np.zeros,
    n=12,
    sizes=Sizes(least=12, multiple_of=4),
    f_star=lambda n: 0.5 * sum((4.0 * k / n) ** 2 for k in range(1, n // 4 - 1)),
    x_star=lambda n: factors(n, (0, 1))[None, :],
    f_saddle=factorization_values,
    traits=frozenset({"least-squares", "nonconvex", "saddle", "singular", "many-minima"}),
    reference="[2], without the regulariser",
)


# --- phase retrieval: sum ((a_i'x)^2 - (a_i'z)^2)^2 / 4 m, m = 8 n, z = (1, .., 1), a_ik of a quadratic sequence ---
# 0 is a maximum; minimizers are z and -z.


def phase_retrieval(x):
    n = x.shape[0]
    m, f = 8 * n, 0.0
    for i in range(m):
        ax, az = 0.0, 0.0
        for k in range(n):
            a = 1.5 * math.sin((i + 1.0) * (k + 1.0) * (k + i + 2.0))
            ax += a * x[k]
            az += a
        r = ax * ax - az * az
        f += r * r / (4.0 * m)
    return f


def phase_retrieval_grad(x, g):
    n = x.shape[0]
    m, f = 8 * n, 0.0
    for k in range(n):
        g[k] = 0.0
    for i in range(m):
        ax, az = 0.0, 0.0
        for k in range(n):
            a = 1.5 * math.sin((i + 1.0) * (k + 1.0) * (k + i + 2.0))
            ax += a * x[k]
            az += a
        r = ax * ax - az * az
        f += r * r / (4.0 * m)
        for k in range(n):
            g[k] += r * ax / m * 1.5 * math.sin((i + 1.0) * (k + 1.0) * (k + i + 2.0))
    return f


def phase_retrieval_hvp(x, v, out):
    n = x.shape[0]
    m = 8 * n
    for k in range(n):
        out[k] = 0.0
    for i in range(m):
        ax, az, av = 0.0, 0.0, 0.0
        for k in range(n):
            a = 1.5 * math.sin((i + 1.0) * (k + 1.0) * (k + i + 2.0))
            ax += a * x[k]
            az += a
            av += a * v[k]
        curvature = (3.0 * ax * ax - az * az) * av / m
        for k in range(n):
            out[k] += curvature * 1.5 * math.sin((i + 1.0) * (k + 1.0) * (k + i + 2.0))


PHASE_RETRIEVAL = Problem(
    name="phase-retrieval",
    fun=phase_retrieval,
    fun_grad=phase_retrieval_grad,
    hvp=phase_retrieval_hvp,
    start=np.zeros,
    n=6,
    sizes=at_least(2),
    f_star=0.0,
    x_star=lambda n: np.array([np.ones(n), -np.ones(n)]),
    f_saddle=lambda n: (phase_retrieval(np.zeros(n)),),
    traits=frozenset({"least-squares", "nonconvex", "saddle", "many-minima"}),
    reference="[3], real, the measurements are ours; starts at a maximum",
)


# --- tensor decomposition: |y|^8 / 8 - sum y_i^4 / 4, y = x - 2 mean(x): the rank 1 nearest to n orthogonal ones ---
# Stationary where s of the y_i are +- s^(-3/4) and the others 0, with the value -1 / (8 s^2): a minimum for s = 1; and
# at 0, where third derivatives vanish too.


def tensor_decomposition(x):
    n = x.shape[0]
    m = 0.0
    for i in range(n):
        m += x[i]
    m *= 2.0 / n
    yy, fourth = 0.0, 0.0
    for i in range(n):
        a = (x[i] - m) * (x[i] - m)
        yy += a
        fourth += a * a
    return 0.125 * yy * yy * yy * yy - 0.25 * fourth


def tensor_decomposition_grad(x, g):
    n = x.shape[0]
    m = 0.0
    for i in range(n):
        m += x[i]
    m *= 2.0 / n
    yy, fourth = 0.0, 0.0
    for i in range(n):
        a = (x[i] - m) * (x[i] - m)
        yy += a
        fourth += a * a
    total = 0.0
    for i in range(n):
        y = x[i] - m
        g[i] = y * (yy * yy * yy - y * y)
        total += g[i]
    for i in range(n):
        g[i] -= 2.0 * total / n
    return 0.125 * yy * yy * yy * yy - 0.25 * fourth


def tensor_decomposition_hvp(x, v, out):
    n = x.shape[0]
    m, mv = 0.0, 0.0
    for i in range(n):
        m += x[i]
        mv += v[i]
    m *= 2.0 / n
    mv *= 2.0 / n
    yy, yv = 0.0, 0.0
    for i in range(n):
        yy += (x[i] - m) * (x[i] - m)
        yv += (x[i] - m) * (v[i] - mv)
    total = 0.0
    for i in range(n):
        y = x[i] - m
        out[i] = (v[i] - mv) * (yy * yy * yy - 3.0 * y * y) + 6.0 * yy * yy * yv * y
        total += out[i]
    for i in range(n):
        out[i] -= 2.0 * total / n


def tensor_components(n):
    """Two of the 2 n minimizers: the first component and its negative, reflected."""
    y = np.zeros((2, n))
    y[0, 0], y[1, 0] = 1.0, -1.0
    return y - 2.0 * y.mean(axis=1, keepdims=True)


TENSOR_DECOMPOSITION = Problem(
    name="tensor-decomposition",
    fun=tensor_decomposition,
    fun_grad=tensor_decomposition_grad,
    hvp=tensor_decomposition_hvp,
    start=lambda n: np.full(n, -1.0),  # y = (1, .., 1): steepest descent keeps all components alike
    n=4,
    sizes=at_least(3),
    f_star=-0.125,
    x_star=tensor_components,
    f_saddle=lambda n: (*(-0.125 / s**2 for s in range(n, 1, -1)), 0.0),
    traits=frozenset({"nonconvex", "saddle", "degenerate", "many-minima"}),
    reference="[4], as a distance and without the sphere",
)


# --- deep linear network: |W3 W2 W1 - A|^2 / 2, all 2 x 2, A = diag(1, 1/2); x = W1, W2, W3 by rows ---
# The saddles are degenerate: 0, from which f falls with the third order, and networks that do one part of A.


def deep_linear_network(x):
    f = 0.0
    for i in range(2):
        for j in range(2):
            r = (-1.0 if i == 0 else -0.5) if i == j else 0.0
            for a in range(2):
                for b in range(2):
                    r += x[8 + 2 * i + a] * x[4 + 2 * a + b] * x[2 * b + j]
            f += 0.5 * r * r
    return f


def deep_linear_network_grad(x, g):
    f = 0.0
    for k in range(x.shape[0]):
        g[k] = 0.0
    for i in range(2):
        for j in range(2):
            r = (-1.0 if i == 0 else -0.5) if i == j else 0.0
            for a in range(2):
                for b in range(2):
                    r += x[8 + 2 * i + a] * x[4 + 2 * a + b] * x[2 * b + j]
            f += 0.5 * r * r
            for a in range(2):
                for b in range(2):
                    p, q, s = 8 + 2 * i + a, 4 + 2 * a + b, 2 * b + j
                    g[p] += r * x[q] * x[s]
                    g[q] += r * x[p] * x[s]
                    g[s] += r * x[p] * x[q]
    return f


def deep_linear_network_hvp(x, v, out):
    for k in range(x.shape[0]):
        out[k] = 0.0
    for i in range(2):
        for j in range(2):
            r, rv = (-1.0 if i == 0 else -0.5) if i == j else 0.0, 0.0
            for a in range(2):
                for b in range(2):
                    p, q, s = 8 + 2 * i + a, 4 + 2 * a + b, 2 * b + j
                    r += x[p] * x[q] * x[s]
                    rv += v[p] * x[q] * x[s] + x[p] * v[q] * x[s] + x[p] * x[q] * v[s]
            for a in range(2):
                for b in range(2):
                    p, q, s = 8 + 2 * i + a, 4 + 2 * a + b, 2 * b + j
                    out[p] += rv * x[q] * x[s] + r * (v[q] * x[s] + x[q] * v[s])
                    out[q] += rv * x[p] * x[s] + r * (v[p] * x[s] + x[p] * v[s])
                    out[s] += rv * x[p] * x[q] + r * (v[p] * x[q] + x[p] * v[q])


def layers(first, second):
    """Three equal diagonal layers whose product is diag(first, second)."""
    return np.tile([first ** (1.0 / 3.0), 0.0, 0.0, second ** (1.0 / 3.0)], 3)


DEEP_LINEAR_NETWORK = Problem(
    name="deep-linear-network",
    fun=deep_linear_network,
    fun_grad=deep_linear_network_grad,
    hvp=deep_linear_network_hvp,
    start=np.zeros,
    n=12,
    sizes=exactly(12),
    f_star=0.0,
    x_star=lambda n: layers(1.0, 0.5)[None, :],
    f_saddle=(0.625, 0.5, 0.125),
    traits=frozenset({"least-squares", "nonconvex", "saddle", "degenerate", "singular", "many-minima"}),
    reference="[5]",
)
