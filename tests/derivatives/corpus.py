"""Programs that people write: each with the arguments that it is judged at."""

import math

import numpy as np
from numba import njit

PROGRAMS = []


def program(make, compiled=False):
    """Decorator: a program of the corpus, its arguments made by make(random); compiled: also judged compiled."""

    def add(function):
        PROGRAMS.append((function, make, compiled))
        return function

    return add


def arguments(make):
    """The arguments of a program: the same in every run."""
    found = make(np.random.default_rng(3))
    return found if isinstance(found, tuple) else (found,)


def normal(*shape):
    """x alone."""
    return lambda r: r.normal(size=shape)


def small(n):
    """x alone, within [0.1, 0.6]."""
    return lambda r: r.uniform(0.1, 0.6, size=n)


CENTRES = np.array([0.3, -0.7, 1.1])
RATE = 0.05


# ------------------------------------------------------------------------------------------------ sums and branches


@program(normal(9), compiled=True)
def rosenbrock_loop(x):
    s = 0.0
    for i in range(len(x) - 1):
        s += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return s


@program(normal(9), compiled=True)
def rosenbrock_slices(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@program(normal(7))
def nested_branches(x):
    s = 0.0
    for i in range(x.shape[0]):
        if x[i] > 0.0:
            t = x[i] * 2.0
            if t > 1.0:
                s += math.log(t)
            else:
                s += t**3
        elif x[i] > -0.5:
            s -= x[i] ** 4
        else:
            s -= math.sin(x[i]) * x[i - 1]
    return s * s


@program(normal(4))
def early_return(x):
    if x[0] > 100.0:
        return 0.0
    t = x[0] * x[1]
    if t > 0:
        return math.exp(t)
    return t * t + x[2]


@program(normal(6))
def early_return_in_loops(x):
    s = 0.0
    for i in range(x.size):
        for j in range(i):
            s += math.sin(x[i] * x[j])
            if s > 0.2:
                return s * x[0] + j
    return s


@program(normal(8))
def break_and_continue(x):
    s = 0.0
    for i in range(8):
        if x[i] < -1.2:
            continue
        s += x[i] ** 2 * (i + 1)
        if s > 6.0:
            break
        s += 0.1 * math.cos(s)
    return s * x[0]


@program(normal(5))
def continue_in_inner_loop(x):
    s = 1.0
    for i in range(5):
        for j in range(5):
            if i == j:
                continue
            if x[i] * x[j] > 1.0:
                break
            s += 0.1 * s * math.tanh(x[i] - x[j])
        s *= 0.9
    return s


@program(normal(6))
def conditional_expressions(x):
    s = 0.0
    for v in x:
        s += max(v, 0.5) ** 2 + min(v, 0.1) * 3.0 + (v if v > 0 else -2.0 * v)
    return s + max(x[0], x[1], 0.2 * x[2]) * min(x[3], x[4])


@program(normal(6))
def short_circuit_guards_an_index(x):
    s = 0.0
    i = 0
    while i < x.size and x[i] < 5.0:
        s += x[i] * x[i]
        i += 1
    return s if not (i > 3 and s < 0.0) else -s


@program(normal(5))
def chained_comparison(x):
    s = 0.0
    for v in x:
        if -0.4 < v <= 0.8:
            s += v**3
        else:
            s -= v
    return s


@program(normal(5))
def loop_variable_after_its_loop(x):
    t = 0.0
    for i in range(len(x)):
        t = x[i] * x[i]
    q = t * i
    t = q * x[0]
    for i in range(0, len(x), 2):
        t = t + x[i] * t * 0.1
    return t * q + x[i]


@program(normal(5))
def accumulators_that_start_as_integers(x):
    s = 0
    p = 1
    for i in range(5):
        s += x[i]
        p *= 1 + x[i] ** 2
    return s * p


@program(normal(6), compiled=True)
def powers(x):
    s = 0.0
    for i in range(1, len(x)):
        b = 1.5 + x[i] ** 2
        s += b ** x[i - 1] + b**-2 + b**0.5 + b**3 + math.atan2(x[i], b) + abs(x[i]) + math.hypot(b, x[i - 1])
        s *= 0.9
    return s


@program(normal(4))
def every_scalar_function(x):
    a, b, c = x[0], 1.3 + x[1] ** 2, math.tanh(x[2])
    s = math.sqrt(b) + math.exp(a) + math.expm1(c) + math.log(b) + math.log1p(b) + math.log2(b) + math.log10(b)
    s += math.sin(a) + math.cos(b) + math.tan(c) + math.asin(c) + math.acos(c) + math.atan(a)
    s += math.sinh(a) + math.cosh(c) + math.tanh(b) + math.asinh(a) + math.acosh(b) + math.atanh(c)
    return s + math.erf(a) + math.erfc(c) + math.pow(b, a) + np.cbrt(b) + np.exp2(a) + np.square(c) + np.log2(b)


@program(lambda r: r.normal(size=3))
def atan2_in_all_quadrants(x):
    s = 0.0
    for a in (-1.0, 1.0):
        for b in (-1.0, 1.0):
            s += math.atan2(a * (1.5 + x[0] ** 2), b * (1.2 + x[1] ** 2)) * x[2]
    return s


@program(normal(4))
def logaddexp_and_softplus(x):
    s = np.logaddexp(x[0], x[1])
    for v in x:
        s += np.logaddexp(0.0, v)
    return s * x[3]


@program(lambda r: r.uniform(1.0, 3.0, size=4))
def modulo_and_integer_part(x):
    return (x[0] * 2.0) % 0.7 + x[1] ** int(x[2]) + np.mod(x[3], 0.9) * math.floor(x[1]) + (-x[0]) % x[3]


@program(lambda r: (r.normal(size=4), 7, -3))
def integer_arithmetic(x, a, b):
    k = a // b + a % b + (-a) // 2 + (a << 1) + (a & 5)
    return x[k % 4] * k + x[-1] * (a / b) + x[0] ** abs(b)


# ------------------------------------------------------------------------------------------------ loops with state


@program(normal(5))
def carried_scalars(x):
    a = 1.0
    for i in range(x.shape[0]):
        a = a * math.cos(x[i]) + x[i] ** 2
        b = a * a
        a = a + 0.1 * b * x[0]
    return a


@program(normal(6))
def triangular_nest(x):
    s = 0.0
    for i in range(x.shape[0]):
        p = 1.0
        for j in range(i, x.shape[0]):
            p = p * (1.0 + 0.1 * x[j] * x[i])
            s += p
    return math.sqrt(s)


@program(normal(5))
def bounds_that_depend_on_an_outer_index(x):
    s = 0.0
    for i in range(5):
        for j in range(4, i - 1, -1):
            for k in range(i, j, 2):
                s = 0.9 * s + x[i] * x[j] * math.sin(x[k])
    return s


@program(lambda r: (r.normal(size=5), 0, -1))
def empty_loops(x, zero, minus):
    s = x[0]
    last = x[1]
    for i in range(zero):
        s += x[i] * 100.0
        last = x[i]
    for i in range(3, minus, 2):
        s *= x[i]
    return s * last


@program(lambda r: (r.normal(size=7), -2))
def variable_step(x, step):
    s = 0.0
    for i in range(6, 0, step):
        s = s * x[i] + math.sin(x[i])
    return s


@program(normal(4))
def swapped_scalars(x):
    a, b = x[0], x[1]
    for i in range(6):
        a, b = b, a + 0.1 * math.sin(b * x[2])
    return a * b + x[3]


@program(normal(5), compiled=True)
def inner_loop_that_starts_from_an_outer_value(x):
    t = x[0] * 2.0
    r = 0.0
    for i in range(3):
        s = t
        for j in range(2):
            s = math.sin(s * x[j + i])
        r += s * x[1]
    return r


@program(lambda r: np.array([2.0, 0.7]), compiled=True)
def newton_inside(x):
    y = 1.0
    while abs(y * y * y - x[0]) > 1e-10:
        y = y - (y * y * y - x[0]) / (3.0 * y * y)
    return y * x[1]


@program(lambda r: np.array([0.9, 0.4]))
def bisection_then_newton(x):
    low, high = 0.0, 4.0
    for k in range(40):
        middle = 0.5 * (low + high)
        if middle**3 + x[1] * middle > 3.0:
            high = middle
        else:
            low = middle
    y = 0.5 * (low + high)
    for k in range(3):
        y = y - (y**3 + x[0] * x[1] * y - 3.0) / (3.0 * y**2 + x[0] * x[1])
    return y * y


@program(lambda r: np.array([1.3, 0.4]))
def series_until_small(x):
    term, total, k = x[0], 0.0, 0
    while True:
        total += term
        k += 1
        term *= x[1] * k / (k + 1.0)
        if abs(term) < 1e-12:
            break
    return total * total


@program(lambda r: (r.normal(size=4), 3))
def while_with_a_counter(x, n):
    k, s = 0, 0.0
    while k < n:
        k += 1
        s = math.sin(s + x[k]) * x[0]
    return s * k


@program(normal(3))
def collatz_like_control(x):
    n, s = 7, x[0]
    while n != 1:
        if n % 2 == 0:
            n //= 2
            s = s * 0.5 + math.sin(x[1])
        else:
            n = 3 * n + 1
            s += 0.1 * x[2] * s
    return s


@program(lambda r: (r.uniform(0.1, 0.6, size=6), 7), compiled=True)
def state_updated_in_place(x, steps):
    n = x.shape[0]
    u = np.zeros(n)
    for i in range(n):
        u[i] = x[i]
    s = 0.0
    for t in range(steps):
        for i in range(1, n - 1):
            u[i] = u[i] + 0.1 * u[i] * (1.0 - u[i]) + 0.05 * (u[i + 1] - u[i - 1])
        s += u[2] * u[2]
    return s


@program(lambda r: (np.array([0.4, 1.2, 0.7]), 20))
def recurrence_in_an_array(x, steps):
    y = np.empty(steps + 1)
    y[0] = x[0]
    for t in range(steps):
        y[t + 1] = y[t] + 0.05 * y[t] * (x[1] - y[t] * x[2])
    s = 0.0
    for t in range(steps + 1):
        s += (y[t] - 1.5) ** 2
    return s


@program(lambda r: (r.uniform(0.1, 0.6, size=5), 6))
def rebound_array(x, steps):
    u = x * 1.0
    s = 0.0
    for t in range(steps):
        k = u * (1.0 - u)
        u = u + 0.1 * k
        s += np.sum(u**3)
    return s + np.sum(u)


@program(small(6), compiled=True)
def swapped_buffers(x):
    n = x.size
    u, v = x.copy(), np.zeros(n)
    for t in range(5):
        for i in range(1, n - 1):
            v[i] = u[i] + 0.2 * (u[i - 1] - 2.0 * u[i] + u[i + 1]) * u[i]
        u, v = v, u
    return np.sum(u * u) + v[2]


@program(small(6))
def three_time_levels(x):
    n = x.size
    old, now, new = x * 0.9, x.copy(), np.zeros(n)
    for t in range(4):
        for i in range(1, n - 1):
            new[i] = 2.0 * now[i] - old[i] + 0.1 * math.sin(now[i + 1] - now[i - 1])
        old, now, new = now, new, old
    return np.sum(now**2) + old[1]


@program(small(5))
def array_bound_in_a_branch(x):
    if x[0] > 0.3:
        u = x * 2.0
    else:
        u = np.sin(x)
    u[0] += x[1]
    return np.sum(u * u * u)


@program(normal(5))
def array_rebound_in_a_branch_of_a_loop(x):
    u = np.sin(x)
    for i in range(4):
        if x[i] > 0.1:
            u = 0.5 * u + x
        else:
            u[i] *= x[0]
    return np.sum(u * x)


@program(normal(5))
def arrays_exchanged_in_a_branch(x):
    u, w = np.zeros(5), np.sin(x)
    if x[0] < 0.1463:
        pass
    else:
        if 0.9 < x[2] < 0.4637:
            return 0.5
        w, u = u, w
    u[1] += 0.3
    return np.sum(u) + np.sum(w * w)


@program(normal(5))
def best_so_far(x):
    best, value = np.zeros(5), -1e9
    u = x.copy()
    for k in range(4):
        u = np.sin(u + 0.3 * k)
        f = np.sum(u * x)
        if f > value:
            best, value = u, f
    return np.sum(best**2) + value


# ------------------------------------------------------------------------------------------------ arrays


@program(normal(4))
def scratch(x):
    n = x.shape[0]
    h = np.zeros(n)
    for i in range(n):
        for j in range(n):
            h[i] += x[j] * x[i] / (1.0 + i + j)
    r = np.empty(n)
    for i in range(n - 1, -1, -1):
        r[i] = math.exp(-h[i])
    s = 0.0
    for i in range(n):
        s += r[i] * h[i]
    return s


@program(lambda r: (r.normal(size=7), r.normal(size=(6, 5))))
def scratch_in_a_loop(x, X):
    s = 0.0
    for k in range(X.shape[0]):
        h = np.zeros(3)
        for j in range(3):
            for i in range(X.shape[1]):
                h[j] += X[k, i] * x[i + j]
        for j in range(3):
            s += math.tanh(h[j]) * h[(j + 1) % 3]
    return s / X.shape[0]


@program(normal(6))
def stores_to_slices(x):
    u = np.zeros(x.shape[0] + 2)
    u[1:-1] = x
    u[0] = x[0] ** 2
    d = u[2:] - 2.0 * u[1:-1] + u[:-2]
    e = np.zeros(x.shape[0])
    e += d * x
    e[1:] += x[1:] ** 2
    return np.sum(e * d)


@program(normal(6))
def augmented_arrays(x):
    u = x.copy()
    u *= x
    u -= 0.5
    u /= 1.5 + x**2
    u[1:] *= x[:-1]
    u[::2] -= x[::2] ** 2
    u[2] /= 2.0 + x[0] ** 2
    u **= 2
    u += u[::-1]
    return np.sum(u * np.arange(6))


@program(normal(6))
def store_from_an_overlapping_slice(x):
    u = np.sin(x)
    u[1:] = u[:-1] * x[0]
    u[:-1] = u[1:]
    u[::-1] = u * 2.0
    u[1:] += u[:-1]
    return np.sum(u * x)


@program(normal(6))
def negative_steps_and_indices(x):
    r = x[::-1]
    s = x[-1] * x[-2] + r[0] * r[-3]
    s += np.sum(x[4:0:-2] * x[:2]) + np.sum(x[-3:] ** 3)
    for i in range(1, 4):
        s += x[-i] * r[i - 3]
    return s


@program(normal(5))
def slices_beyond_the_end(x):
    return np.sum(x[2:100] ** 2) + np.sum(x[-100:2]) * x[0] + np.sum(x[7:]) + x[:0].size


@program(normal(6))
def views_of_views(x):
    u = np.cos(x)
    v = u[1:]
    w = v[::2]
    w[1] = x[0] * x[1]
    v[0] += x[2]
    z = u
    z[5] *= 2.0
    return np.sum(u * x) + w[0] * v[-1]


@program(normal(6))
def reshaped_views(x):
    M = x.reshape((2, 3)).copy()
    flat = M.ravel()
    flat[1] = x[0] * x[5]
    row = M[1]
    row += x[:3]
    return np.sum(M**2) + M.T[2, 0] * flat[4]


@program(normal(5))
def clip_where_maximum(x):
    y = np.clip(x, -0.53, 0.71) + np.where(x > 0.1, x**2, -x) + np.maximum(x, 0.23) * np.minimum(x, x[0] + 0.05)
    return np.sum(y) + np.sum(np.abs(y + 0.01)) + np.max(y) * np.min(x) + np.sum(np.sign(x) * x)


@program(normal(6))
def running_sums(x):
    return np.sum(np.cumsum(x) ** 2) + np.prod(1.0 + 0.1 * x) + np.sum(np.cumprod(1.0 + 0.1 * x) * x)


@program(normal(6))
def joined_arrays(x):
    y = np.concatenate((x[3:], x[:3] ** 2, np.ones(2)))
    z = np.array([x[0], 2.0, x[1] * x[2]])
    S = np.stack((x, x[::-1]))
    return np.sum(y[1:] * y[:-1]) + np.sum(z * z) + np.sum(S[0] * S[1] ** 2) + np.sum(np.diff(x) ** 2)


@program(lambda r: (r.normal(size=5), np.array([3, 0, 3, 1])), compiled=True)
def gathered(x, which):
    s = np.sum(x[which] * np.array([1.0, 2.0, 3.0, 4.0]))
    for k in which:
        s += x[k] ** 2
    for i, k in enumerate(which):
        s += x[k] * x[i]
    return s


@program(lambda r: (r.normal(size=5), np.array([2, 0, 1, 2, 0]), r.normal(size=5)))
def binned(x, which, weights):
    h = np.zeros(3)
    for i in range(which.size):
        h[which[i]] += weights[i] * x[i] ** 2
    return np.sum(np.log(1.0 + h**2))


@program(lambda r: (r.normal(size=6), r.normal(size=6) > 0.0))
def flags_in_an_array(x, mask):
    s = 0.0
    for i in range(6):
        if mask[i]:
            s += x[i] ** 3
    return s + np.sum(np.where(mask, x, 0.5 * x**2))


@program(normal(7))
def statistics(x):
    z = (x - np.mean(x)) / np.std(x)
    return np.sum(z[1:] * z[:-1]) + np.var(x) + np.linalg.norm(x) + np.mean(x**3)


@program(lambda r: (r.normal(size=6), r.normal(size=(6, 5))))
def broadcasting(x, Y):
    D = x[:, None] - Y
    K = np.exp(-0.5 * D**2)
    return np.sum(K) + np.sum(np.where(Y > 0.0, Y * x[:, None], x[:, None] ** 3)) + np.sum(Y[:, :3] * x[:3])


@program(lambda r: (r.normal(size=6), r.normal(size=(6, 5))))
def sums_along_axes(x, Y):
    M = x[:, None] * Y
    c, r = np.sum(M**2, axis=0), M.mean(axis=1)
    return np.sum(np.sqrt(1.0 + c)) + np.sum(np.sin(r)) + M.sum(axis=-1)[2]


@program(lambda r: (r.normal(size=20),))
def stencil_in_two_dimensions(x):
    u = x.reshape((4, 5)).copy()
    new = np.zeros((4, 5))
    for t in range(3):
        for i in range(1, 3):
            for j in range(1, 4):
                new[i, j] = u[i, j] + 0.1 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 4.0 * u[i, j] ** 2)
        u[1:-1, 1:-1] = new[1:-1, 1:-1]
    return np.sum(u * u) + u[0, 0] * u[-1, -1]


@program(lambda r: (r.normal(size=12), r.normal(size=(4, 3))), compiled=True)
def matrix_products(x, B):
    M = x.reshape((3, 4))
    C = M @ B
    G = C.T @ C
    return np.sum(G * G) + np.trace(C)


@program(lambda r: (r.normal(size=9), r.normal(size=3)))
def chain_of_matrix_products(x, v):
    M = x.reshape((3, 3))
    for k in range(3):
        v = np.tanh(M @ v + 0.1 * k)
    return v @ M @ v + np.dot(v, v @ M.T)


@program(lambda r: (r.normal(size=5), r.normal(size=(5, 5))))
def quadratic_form(x, A):
    return 0.5 * np.dot(x, A @ x) + np.sum(np.exp(-(x**2))) + x @ np.outer(x, x) @ x


@program(lambda r: (r.normal(size=5), r.normal(size=(6, 5))), compiled=True)
def log_sum_exp(x, A):
    z = A @ x
    return np.log(np.sum(np.exp(z - np.max(z)))) + np.max(z)


# ------------------------------------------------------------------------------------------------ functions


@njit
def square(a):
    return a * a


@njit
def huber(r, d=1.0):
    if abs(r) <= d:
        return 0.5 * square(r)
    return d * (abs(r) - 0.5 * d)


@program(lambda r: (r.normal(size=5), r.normal(size=(6, 5)), r.normal(size=6)), compiled=True)
def calls_of_compiled_functions(x, A, b):
    r = A @ x - b
    s = 0.0
    for i in range(r.shape[0]):
        s += huber(r[i]) + huber(r[i], d=0.3)
    return s + np.dot(x[1:], x[:-1])


def sine_and_cosine(a):
    return math.sin(a), math.cos(a)


def scaled(v, factor=2.0, shift=None):
    if shift is None:
        return v * factor
    return v * factor + shift


@program(normal(4))
def tuples_and_defaults(x):
    s, c = sine_and_cosine(x[0])
    pair = sine_and_cosine(x[1])
    return s * pair[1] + c * pair[0] + np.sum(scaled(x) * scaled(x, shift=x[2], factor=x[3]))


def fill(v, a):
    for i in range(v.size):
        v[i] = math.sin(a * (i + 1)) * v[i]


@program(normal(4))
def function_that_writes_into_its_argument(x):
    u = x.copy()
    fill(u, x[0])
    fill(u[1:], 0.5)
    return np.sum(u**2)


def integrate(f, a, b, n):
    h = (b - a) / n
    s = 0.5 * (f(a) + f(b))
    for i in range(1, n):
        s += f(a + i * h)
    return s * h


@program(normal(3))
def functions_as_arguments(x):
    def integrand(t):
        return math.exp(-x[0] * t) * math.sin(x[1] + t)

    return integrate(integrand, 0.0, 2.0, 8) + integrate(lambda t: t * x[2] ** 2, x[0], 1.0, 4)


@program(normal(3))
def captured_arrays_and_numbers(x):
    s = 0.0
    for i, c in enumerate(CENTRES):
        s += RATE * math.exp(-((x[i] - c) ** 2))
    return s + np.sum(CENTRES * x)


def make_residual(t, y):
    def residual(x):
        s = 0.0
        for i in range(t.size):
            s += (y[i] - x[0] * math.exp(-x[1] * t[i])) ** 2
        return s

    return residual


program(lambda r: np.array([1.1, 0.6]))(make_residual(np.linspace(0.0, 2.0, 7), np.linspace(1.0, 0.3, 7)))
program(lambda r: r.normal(size=3))(lambda x: x[0] * x[1] ** 2 + math.sin(x[2]))


@program(lambda r: (r.normal(size=3), 2, True, None, 0.3))
def flags_and_none(x, order, smooth, weights, eps):
    s = 0.0
    for v in x:
        a = math.sqrt(v * v + eps) if smooth else abs(v)
        s += a**order
    if weights is None:
        return s
    return s * weights[0]


@program(lambda r: (r.normal(size=3), (2.0, r.normal(size=3), 4)))
def tuple_argument(x, data):
    a, c, n = data
    s = a * data[0]
    for k in range(n):
        s += math.sin(np.sum(x * c) + k)
    return s


@program(normal(4))
def loops_over_tuples(x):
    s = 0.0
    for a, b in ((0, 1), (1, 2), (2, 3)):
        s += (x[a] - x[b]) ** 2
    for v, w in zip(x, x[::-1]):
        s += v * w
    for k, w in enumerate([0.5, 0.25]):
        s += w * x[k] ** 3
    return s


@program(normal(4))
def recursion_by_name_only(x):
    def norm(v):
        return np.sqrt(np.sum(v * v) + 1.0)

    total = 0.0
    norms = (norm(x), norm(x[1:]))
    for v in norms:
        total += v
    return total * norm(2.0 * x)


# ------------------------------------------------------------------------------------------------ models


@program(lambda r: (r.normal(size=29), r.normal(size=(6, 5)), r.normal(size=6), 4))
def network_in_loops(w, X, y, hidden):
    n, d = X.shape
    loss = 0.0
    for k in range(n):
        out = w[d * hidden + 2 * hidden]
        for j in range(hidden):
            a = w[d * hidden + j]
            for i in range(d):
                a += w[j * d + i] * X[k, i]
            out += w[d * hidden + hidden + j] * math.tanh(a)
        loss += (out - y[k]) ** 2
    return loss / n


@program(lambda r: (r.normal(size=29), r.normal(size=(6, 5)), r.normal(size=6), 4))
def network_of_matrices(w, X, y, hidden):
    n, d = X.shape
    W = w[: d * hidden].reshape((hidden, d))
    b = w[d * hidden : d * hidden + hidden]
    v = w[d * hidden + hidden : d * hidden + 2 * hidden]
    A = X @ W.T + b
    out = np.tanh(A) @ v + w[d * hidden + 2 * hidden]
    return np.mean((out - y) ** 2)


@njit
def predator_prey(u, v, a, b, c, d):
    return a * u - b * u * v, d * u * v - c * v


@program(lambda r: (np.array([1.1, 0.4, 0.4, 0.1]), 10.0, 5.0, 0.05, r.normal(size=(12, 2))), compiled=True)
def runge_kutta(p, u, v, dt, data):
    a, b, c, d = p
    loss = 0.0
    for t in range(data.shape[0]):
        k1u, k1v = predator_prey(u, v, a, b, c, d)
        k2u, k2v = predator_prey(u + 0.5 * dt * k1u, v + 0.5 * dt * k1v, a, b, c, d)
        k3u, k3v = predator_prey(u + 0.5 * dt * k2u, v + 0.5 * dt * k2v, a, b, c, d)
        k4u, k4v = predator_prey(u + dt * k3u, v + dt * k3v, a, b, c, d)
        u = u + dt / 6.0 * (k1u + 2.0 * k2u + 2.0 * k3u + k4u)
        v = v + dt / 6.0 * (k1v + 2.0 * k2v + 2.0 * k3v + k4v)
        loss += (u - data[t, 0]) ** 2 + (v - data[t, 1]) ** 2
    return loss


def pendulum(y, p):
    return np.array([y[1], -p[0] * math.sin(y[0]) - p[1] * y[1]])


@program(lambda r: np.array([2.0, 0.3, 0.8]))
def runge_kutta_with_arrays(p):
    y = np.array([p[2], 0.0])
    h = 0.1
    for t in range(8):
        k1 = pendulum(y, p)
        k2 = pendulum(y + 0.5 * h * k1, p)
        k3 = pendulum(y + 0.5 * h * k2, p)
        k4 = pendulum(y + h * k3, p)
        y = y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return y[0] ** 2 + y[1]


@program(lambda r: (r.normal(size=5), r.normal(size=(6, 5)), np.sign(r.normal(size=6)), 0.1))
def logistic_regression(w, X, y, penalty):
    n, p = X.shape
    s = 0.0
    for i in range(n):
        z = 0.0
        for j in range(p):
            z += X[i, j] * w[j]
        t = -y[i] * z
        if t > 0.0:
            s += t + math.log1p(math.exp(-t))
        else:
            s += math.log1p(math.exp(t))
    return s / n + 0.5 * penalty * np.dot(w, w)


@program(normal(12))
def lennard_jones(x):
    n = x.shape[0] // 3
    e = 0.0
    for i in range(n):
        for j in range(i):
            dx, dy, dz = x[3 * i] - x[3 * j], x[3 * i + 1] - x[3 * j + 1], x[3 * i + 2] - x[3 * j + 2]
            r2 = dx * dx + dy * dy + dz * dz + 0.5
            ir6 = 1.0 / (r2 * r2 * r2)
            e += 4.0 * (ir6 * ir6 - ir6)
    return e


@program(normal(8))
def bodies_in_a_plane(x):
    q, v = x[:4].reshape((2, 2)).copy(), x[4:].reshape((2, 2)).copy()
    for t in range(4):
        force = np.zeros((2, 2))
        for i in range(2):
            for j in range(2):
                if i != j:
                    d = q[j] - q[i]
                    force[i] += d / (np.sum(d * d) + 0.3) ** 1.5
        v += 0.1 * force
        q += 0.1 * v
    return np.sum(q * q) + np.sum(v[0] * v[1])


@program(lambda r: (r.normal(size=11), r.normal(size=(7, 7))))
def convolution_and_pooling(w, image):
    kernel, bias = w[:9].reshape((3, 3)), w[9]
    pooled = np.zeros((2, 2))
    out = np.empty((5, 5))
    for i in range(5):
        for j in range(5):
            s = bias
            for a in range(3):
                for b in range(3):
                    s += kernel[a, b] * image[i + a, j + b]
            out[i, j] = max(s, 0.0)
    for i in range(2):
        for j in range(2):
            top = out[2 * i, 2 * j]
            for a in range(2):
                for b in range(2):
                    if out[2 * i + a, 2 * j + b] > top:
                        top = out[2 * i + a, 2 * j + b]
            pooled[i, j] = top
    return np.sum(pooled**2) * w[10]


@program(lambda r: (np.array([0.9, 0.3, 0.5]), r.normal(size=8)))
def kalman_filter(p, data):
    mean, variance, loss = 0.0, 1.0, 0.0
    for y in data:
        mean = p[0] * mean
        variance = p[0] ** 2 * variance + p[1] ** 2
        s = variance + p[2] ** 2
        gain = variance / s
        loss += 0.5 * (math.log(s) + (y - mean) ** 2 / s)
        mean += gain * (y - mean)
        variance *= 1.0 - gain
    return loss


@program(lambda r: (r.normal(size=8), np.array([0, 1, 1, 0, 1])))
def hidden_markov_forward(w, seen):
    T, E = np.exp(w[:4].reshape((2, 2))), np.exp(w[4:].reshape((2, 2)))
    T = T / np.sum(T, axis=1)[:, None]
    E = E / np.sum(E, axis=1)[:, None]
    alpha = np.full(2, 0.5) * E[:, seen[0]]
    total = 0.0
    for t in range(1, seen.size):
        c = np.sum(alpha)
        total += math.log(c)
        alpha = (alpha / c) @ T * E[:, seen[t]]
    return -total - math.log(np.sum(alpha))


@program(lambda r: r.normal(size=9))
def log_determinant_by_cholesky(x):
    M = x.reshape((3, 3))
    A = M @ M.T + 2.0 * np.eye(3)
    L = np.zeros((3, 3))
    total = 0.0
    for i in range(3):
        for j in range(i + 1):
            s = A[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            if i == j:
                L[i, j] = math.sqrt(s)
                total += 2.0 * math.log(L[i, i])
            else:
                L[i, j] = s / L[j, j]
    return total


@program(lambda r: (r.normal(size=12), r.normal(size=3)))
def elimination_with_pivoting(x, target):
    A, b = x[:9].reshape((3, 3)).copy(), x[9:].copy()
    for k in range(3):
        p = k
        for i in range(k + 1, 3):
            if abs(A[i, k]) > abs(A[p, k]):
                p = i
        for j in range(3):
            A[k, j], A[p, j] = A[p, j], A[k, j]
        b[k], b[p] = b[p], b[k]
        for i in range(k + 1, 3):
            m = A[i, k] / A[k, k]
            for j in range(k, 3):
                A[i, j] -= m * A[k, j]
            b[i] -= m * b[k]
    y = np.zeros(3)
    for i in range(2, -1, -1):
        s = b[i]
        for j in range(i + 1, 3):
            s -= A[i, j] * y[j]
        y[i] = s / A[i, i]
    return np.sum((y - target) ** 2)


@program(lambda r: (np.array([0.3, 0.2, 1.5]), r.normal(size=15)))
def garch(p, returns):
    variance, loss = 1.0, 0.0
    for r in returns:
        loss += math.log(variance) + r * r / variance
        variance = p[2] * 0.2 + p[0] * r * r + p[1] * variance
    return loss


@program(lambda r: (r.normal(size=6), r.normal(size=(5, 2)), 3))
def soft_clustering(x, points, k):
    centres = x.reshape((k, 2))
    s = 0.0
    for i in range(points.shape[0]):
        d = np.empty(k)
        for j in range(k):
            d[j] = -np.sum((points[i] - centres[j]) ** 2)
        top = np.max(d)
        s -= top + math.log(np.sum(np.exp(d - top)))
    return s


@program(normal(6))
def shortest_path_relaxation(x):
    cost = x**2 + 0.1
    best = np.full(4, 10.0)
    best[0] = 0.0
    for i, j, e in ((0, 1, 0), (0, 2, 1), (1, 2, 2), (1, 3, 3), (2, 3, 4)):
        best[j] = min(best[j], best[i] + cost[e])
    return best[3] * (1.0 + cost[5])


@program(lambda r: (r.normal(size=4), r.normal(size=(5, 4))))
def softmax_attention(q, keys):
    scores = keys @ q / math.sqrt(q.size)
    weights = np.exp(scores - np.max(scores))
    weights /= np.sum(weights)
    return np.sum((weights @ keys) ** 2)


# ------------------------------------------------------- costly functions among other things: what may be split, or not


@program(lambda r: (r.normal(size=13), r.normal(size=(9, 2)), r.normal(size=9), 3), compiled=True)
def network_of_arguments_in_loops(w, X, y, hidden):
    n, d = X.shape
    loss = 0.0
    for k in range(n):
        out = w[d * hidden + 2 * hidden]
        for j in range(hidden):
            a = w[d * hidden + j]
            for i in range(d):
                a += w[j * d + i] * X[k, i]
            out += w[d * hidden + hidden + j] * math.tanh(a)
        loss += (out - y[k]) ** 2
    return loss / n


@program(lambda r: (r.normal(size=3), r.normal(size=(10, 3)), r.choice([-1.0, 1.0], size=10)), compiled=True)
def logistic_in_loops(w, X, y):
    s = 0.0
    for i in range(X.shape[0]):
        z = 0.0
        for j in range(w.size):
            z += X[i, j] * w[j]
        t = -y[i] * z
        s += max(t, 0.0) + math.log1p(math.exp(-abs(t)))
    return s


@program(normal(9))
def recurrent_neuron_with_inner_loop(x):
    h, s = 0.1, 0.0
    for i in range(x.size):
        a = 0.5 * h
        for j in range(3):
            a += x[i] * x[j]
        h = math.tanh(a)
        s += h * h
    return s


@program(normal(9))
def previous_value_of_a_costly_function(x):
    before, s, last = 1.0, 0.0, 0.0
    for i in range(x.size):
        a = 0.0
        for j in range(i):
            a += x[j] * before
        last = math.exp(-(a**2))
        s += before * last
        before = x[i]
    return s + last


@program(normal(9))
def scratch_shared_by_all_passes(x):
    d = np.zeros(3)
    s = 0.0
    for i in range(x.size):
        for j in range(3):
            d[j] += x[i] * x[j]
        t = math.exp(-0.1 * d[0] ** 2)
        for j in range(3):
            s += d[j] * t
        d[1] = t
    return s


@program(normal(9))
def scratch_of_each_pass(x):
    s = 0.0
    for i in range(x.size):
        d = np.zeros(3)
        for j in range(3):
            d[j] += x[i] * x[j]
        t = math.log(1.0 + np.sum(d**2))
        for j in range(3):
            s += d[j] * t
    return s


@program(normal(10))
def costly_function_through_an_alias(x):
    u = x.copy()
    v = u[1:]
    s = 0.0
    for i in range(v.size):
        a = 0.0
        for j in range(3):
            a += u[i] * x[j]
        t = math.tanh(v[i] + a)
        u[i] = t
        v[i] = 0.5 * t
        s += t * u[0]
    return s


@program(normal(10))
def own_entry_of_each_pass(x):
    u, v = x.copy(), np.zeros(x.size)
    for i in range(x.size):
        for j in range(3):
            u[i] += 0.1 * x[j] * u[i]
        v[i] = math.exp(-(u[i] ** 2))
        for j in range(3):
            v[i] += x[j] * u[i]
    return np.sum(u * v)


@program(normal(6))
def first_entry_is_the_last_one_too(x):
    u = np.zeros(x.size)
    s = 0.0
    for i in range(-1, x.size):
        for j in range(2):
            u[i] += x[i] * x[j]
        t = math.exp(-(u[i] ** 2))
        u[i] += t
        for j in range(2):
            s += t * u[i]
    return s + np.sum(u**2)


@program(lambda r: r.uniform(0.5, 1.0, size=10))
def left_when_a_costly_function_is_large(x):
    s = 0.0
    for i in range(x.size):
        a = 0.0
        for j in range(i):
            a += x[j]
        t = math.exp(a - 2.0)
        if t > 3.0:
            break
        s += t * x[i]
    return s


@program(normal(9))
def costly_functions_in_two_depths(x):
    s = 0.0
    for i in range(x.size):
        total = 0.0
        for j in range(x.size - i):
            a = 0.0
            for k in range(j):
                a += x[k] * x[i]
            total += math.tanh(a + x[j]) * x[i]
        s += math.log1p(total**2) * x[i]
        for j in range(3, 2 + i % 2):
            s += math.exp(-x[j])
    return s


@program(lambda r: (r.normal(size=9), np.array([3, 0, 3, 1, 8, 2, 2])), compiled=True)
def costly_functions_gathered_and_scattered(x, order):
    u = np.zeros(x.size)
    s, k = 0.0, 0
    for i in range(order.size):
        t = math.tanh(x[order[i]] + x[k])
        u[order[i]] += t * x[i]
        u[i] -= math.exp(-(t**2))
        k += 1 + i % 2
        k = k % x.size
        if t > 0.0:
            s += t * u[order[0]]
    return s + np.sum(u**2)


@program(normal(9))
def costly_function_of_a_running_sum(x):
    total, s = 0.0, 0.0
    for i in range(x.size):
        for j in range(2):
            s += x[j] * x[i]
        total += x[i]
        s += math.exp(-(total**2)) * math.sin(x[i])
    return s


@program(normal(5))
def entries_reached_from_both_ends(x):
    u = np.zeros(x.size)
    s = 0.0
    for i in range(-1, x.size):
        u[i] = x[i] * (i + 3.0)
    for i in range(-1, x.size):
        s += u[i] ** 2
    for i in range(x.size - 1, -2, -1):
        u[i] = x[i] ** 2 * s
        s += 0.1 * i * u[i]
    return s + np.sum(u * u[::-1])
