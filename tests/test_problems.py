"""What every row of PROBLEMS promises: derivatives that are exact, answers that are true, refusals that say why.

The derivatives are compared with central differences of order six along each axis, in steps proportional to the
variable.
"""

import ast
import inspect
import math
import textwrap

import numpy as np
import pytest
from scipy.optimize import minimize

from secondorder.problems import PROBLEMS, TRAITS
from secondorder.problems.learning_saddles import factors, layers

EPS = np.finfo(np.float64).eps
STENCIL = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))  # weights of f(x + k h) - f(x - k h)
NOISE = 1e3  # rounding errors of an evaluation, in units of eps; sums of squares of differences lose some digits

# Sizes other than the usual one, at which a family is checked too.
OTHER_SIZES = {
    "extended-rosenbrock": 4,
    "chained-rosenbrock": 2,
    "extended-powell": 4,
    "extended-wood": 4,
    "dixon-price": 2,
    "arwhead": 2,
    "engval1": 2,
    "cosine": 2,
    "quartic": 1,
    "five-halves": 1,
    "zakharov": 1,
    "watson": 9,
    "penalty-1": 1,
    "penalty-2": 4,
    "variably-dimensioned": 1,
    "trigonometric": 5,
    "brown-almost-linear": 3,
    "discrete-boundary-value": 1,
    "discrete-integral-equation": 1,
    "broyden-tridiagonal": 1,
    "broyden-banded": 1,
    "linear-full-rank": 1,
    "linear-rank-1": 1,
    "linear-rank-1-zero": 3,
    "chebyquad": 3,
    "quadratic-1e2": 1,
    "quadratic-1e6": 2,
    "quadratic-1e10": 3,
    "quadratic-offset": 1,
    "tridia": 1,
    "trid": 1,
    "log-linear": 1,
    "log-barrier-1e-6": 1,
    "entropy": 1,
    "analytic-center": 1,
    "box-barrier": 1,
    "allen-cahn": 2,
    "octopus": 2,
    "matrix-factorization": 16,
    "phase-retrieval": 3,
    "tensor-decomposition": 3,
    "styblinski-tang": 1,
}
CASES = [(name, problem.n) for name, problem in PROBLEMS.items()] + list(OTHER_SIZES.items())

# Points on the edge of each domain, which is open.
EDGES = [
    ("log-linear", [1.0, 0.0, 1.0]),
    ("log-barrier-1e-6", [1.0, 1.0, 0.0]),
    ("entropy", [0.0, 1.0, 1.0]),
    ("analytic-center", [0.5, 0.25, 0.25]),
    ("analytic-center", [0.5, 0.0, 0.25]),
    ("box-barrier", [0.0, 1.0, 0.0]),
    ("box-barrier", [-1.0, 0.0, 0.0]),
    ("log-rosenbrock", [0.0, 1.0]),
    ("log-rosenbrock", [1.0, 0.0]),
]

# Points in the branches of a function, or among the terms of it, that the start is far from.
BRANCHES = {
    "helical-valley": [[0.7, -0.4, 0.3], [-0.7, -0.4, 0.3]],
    "powell-badly-scaled": [[1e-6, 0.7], [0.5, 1e-6]],
    "penalty-1": [[0.158] * 10],
    "penalty-2": [[160.0, 150.0, 165.0, 155.0], [180.0, 150.0, 185.0, 155.0]],
}

# Problems that scipy's trust-exact does not solve to an answer in the table, and why.
NOT_FOR_TRUST_EXACT = {
    "cosine": "a surface of minimizers: it takes 3000 steps and stops elsewhere",
    "horse-saddle": "unbounded below",
    "monkey-saddle": "unbounded below",
    "double-well-at-saddle": "it stops at once: the gradient is zero",
    "quartic-saddle": "it stops at once: the gradient is zero",
    "quartic-saddle-turned": "it stops at once: the gradient is zero",
    "linear-network": "it stops at once: the gradient is zero",
    "octopus": "it stops at once: the gradient is zero",
    "matrix-factorization": "it stops at once: the gradient is zero",
    "phase-retrieval": "it stops at once: the gradient is zero",
    "tensor-decomposition": "it goes to the saddle, in a straight line",
    "deep-linear-network": "it stops at once: the gradient is zero",
    "rosenbrock-tiny": "its test is on the gradient, and the gradient is tiny from the start",
    "log-barrier-1e-6": "it can't take nan",
    "entropy": "it can't take nan",
    "box-barrier": "it can't take nan",
}


def reflected(y):
    return np.array(y) - 2.0 * np.mean(y)


# Where the other known values are, to a few digits: (name, n, x, f).
ELSEWHERE = [
    ("freudenstein-roth", 2, [11.41, -0.9], 48.98425367924001),
    ("chained-rosenbrock", 4, [-0.776, 0.613, 0.382, 0.146], 3.701428610430017),
    ("chained-rosenbrock", 5, [-0.962, 0.936, 0.881, 0.778, 0.605], 3.930839434133028),
    ("chained-rosenbrock", 6, [-0.987, 0.983, 0.972, 0.947, 0.899, 0.808], 3.973940500930295),
    ("chained-rosenbrock", 7, [-0.992, 0.994, 0.992, 0.987, 0.975, 0.951, 0.905], 3.983600536424854),
    ("chained-rosenbrock", 8, [-0.993, 0.996, 0.997, 0.996, 0.994, 0.988, 0.976, 0.953], 3.985887769599490),
    ("chained-rosenbrock", 9, [-0.993, 0.996, 0.998, 0.998, 0.998, 0.997, 0.994, 0.988, 0.977], 3.986442823247814),
    ("chained-rosenbrock", 10, [-0.993, *[0.999] * 6, 0.997, 0.994, 0.988], 3.986579112347139),
    ("chained-rosenbrock", 11, [-0.993, *[0.999] * 7, 0.997, 0.994, 0.988], 3.986612769450977),
    ("chained-rosenbrock", 12, [-0.993, *[0.999] * 8, 0.997, 0.994, 0.988], 3.986621104720594),
    ("chained-rosenbrock", 30, [-0.993, 0.997, *[1.0] * 25, 0.997, 0.994, 0.988], 3.986623854300933),
    ("dixon-price", 2, [0.33, 0.0], 2.0 / 3.0),
    ("dixon-price", 10, [0.33, *[0.0] * 9], 2.0 / 3.0),
    ("wood", 4, [-0.97, 0.95, -0.97, 0.95], 7.876967165176867),
    ("extended-wood", 8, [-0.97, 0.95, -0.97, 0.95, 1.0, 1.0, 1.0, 1.0], 7.876967165176867),
    ("extended-wood", 8, [-0.97, 0.95, -0.97, 0.95, -0.97, 0.95, -0.97, 0.95], 15.753934330353734),
    ("biggs-exp6", 6, [1.711, 17.68, 1.163, 5.187, 1.711, 1.163], 0.00565564992549994),
    (
        "osborne-2",
        11,
        [5.88351, -5.39824, -0.38634, 0.33419, 0.45767, 0.10811, 2.13586, 8.6592, -1.29956, 3.32761, 5.57862],
        0.2746855491372154,
    ),
    ("trigonometric", 5, [0.1328, 0.144, 0.3893, 0.1817, 0.1774], 0.001773376087901118),
    ("trigonometric", 10, [0.055, 0.057, 0.059, 0.061, 0.064, 0.067, 0.208, 0.164, 0.085, 0.091], 2.79505612187882e-05),
    ("trigonometric", 10, [0.054, 0.055, 0.057, 0.059, 0.062, 0.258, 0.068, 0.073, 0.078, 0.084], 4.218633887922e-05),
    ("brown-almost-linear", 3, [0.0, 0.0, 4.0], 1.0),
    ("brown-almost-linear", 10, [*[0.0] * 9, 11.0], 1.0),
    ("broyden-banded", 10, [0.211, 0.261, 0.228, 0.197, 0.203, 0.222, 0.163, 0.048, -0.079, -0.153], 3.057278432425819),
    ("chebyquad", 10, [0.06, 0.167, 0.239, 0.399, 0.399, 0.601, 0.601, 0.761, 0.833, 0.94], 0.006503954800882314),
    ("horse-saddle", 2, [1.0, 1.0], 0.0),
    ("monkey-saddle", 2, [0.0, 0.0], 0.0),
    ("double-well", 2, [0.0, 1.0], 0.0),
    ("double-well-at-saddle", 2, [0.0, 0.0], 0.0),
    ("allen-cahn", 10, [0.0] * 10, 2.5),
    *[("quartic-saddle", 12, [1.0] * k + [0.0] * (12 - k), -0.25 * k) for k in range(3)],
    *[
        ("quartic-saddle-turned", 12, list(np.array([1.0] * k + [0.0] * (12 - k)) - k / 6.0), -0.25 * k)
        for k in range(3)
    ],
    ("rank-1-factorization", 8, [0.0] * 8, PROBLEMS["rank-1-factorization"].saddles()[-1]),
    *[
        (
            "rank-1-factorization",
            8,
            [0.0] * (8 - k) + [np.sqrt(k / 8.0)] + [0.0] * (k - 1),
            PROBLEMS["rank-1-factorization"].saddles()[k - 1],
        )
        for k in range(1, 8)
    ],
    ("linear-network", 3, [0.0, 0.0, 0.0], 0.5),
    *[("octopus", 5, [4.0 * np.e] * k + [0.0] * (5 - k), PROBLEMS["octopus"].saddles()[k]) for k in range(5)],
    *[
        ("matrix-factorization", 12, list(factors(12, (*kept, None, None)[:2])), f)
        for kept, f in zip([(), (0,), (1,), (2,), (0, 2), (1, 2)], PROBLEMS["matrix-factorization"].saddles())
    ],
    ("phase-retrieval", 6, [0.0] * 6, PROBLEMS["phase-retrieval"].saddles()[0]),
    *[("tensor-decomposition", 4, list(reflected([s**-0.75] * s + [0.0] * (4 - s))), -0.125 / s**2) for s in (2, 3, 4)],
    ("tensor-decomposition", 4, [0.0] * 4, 0.0),
    *[
        ("deep-linear-network", 12, list(layers(*ends)), f)
        for ends, f in zip(((0, 0), (0, 0.5), (1, 0)), (0.625, 0.5, 0.125))
    ],
    ("styblinski-tang", 1, [2.75], -25.029446655283945),
    ("six-hump-camel", 2, [-1.7, 0.8], -0.21546382438371725),
    ("six-hump-camel", 2, [1.6, 0.57], 2.104250310311258),
    *[
        ("styblinski-tang", 4, [2.75] * k + [-2.9] * (4 - k), (4 - k) * -39.16616570377141 + k * -25.029446655283945)
        for k in (1, 2, 3, 4)
    ],
]

# A point far out along which a value is approached: a rational function at 1e9 is within 1e-9 of its limit.
FAR = {
    "bard": [0.84066667, -1e9, -1e9],
    "kowalik-osborne": [-0.0220959363e9, -14.0758832, 1e9, 0.62380133e9],
    "osborne-1": [0.6241562500000001, 0.21984375, 0.0, 1e9, 1e9],
}


def generic_points(problem, n):
    """All variables moved from the start, twice a little, once far. With a domain, from halfway to the minimizer."""
    rng = np.random.default_rng(7)
    x0 = problem.x0(n)
    if "nan-domain" in problem.traits:
        x0 = (x0 + problem.minimizers(n)[0]) / 2
        return [x0 * (1.0 + 0.1 * rng.uniform(-1.0, 1.0, n)) for _ in range(3)]
    floor = 0.0 if "badly-scaled" in problem.traits and x0.all() else 1.0
    widths = (0.1, 0.1, 0.1 if "badly-scaled" in problem.traits else 0.5)
    chosen = [np.array(x) for x in BRANCHES.get(problem.name, []) if len(x) == n]
    return chosen + [x0 + width * np.maximum(np.abs(x0), floor) * rng.uniform(-1.0, 1.0, n) for width in widths]


def difference(function, x, i, h):
    """The derivative of `function` at x by x[i], from six values; and the size of those values, entry by entry."""
    e = np.zeros_like(x)
    e[i] = h
    ahead_back = [(w, function(x + k * e), function(x - k * e)) for k, w in STENCIL]
    size = np.max(np.abs([value for _, ahead, back in ahead_back for value in (ahead, back)]), axis=0)
    return sum(w * (ahead - back) for w, ahead, back in ahead_back) / h, size


@pytest.mark.parametrize(("name", "n"), CASES)
def test_gradient_is_the_derivative_of_fun(name, n):
    problem = PROBLEMS[name]
    for x in generic_points(problem, n):
        g = problem.gradient(x)
        for i in range(n):
            h = 1e-3 * abs(x[i])
            quotient, size = difference(problem.fun, x, i, h)
            assert abs(g[i] - quotient) <= 1e-7 * abs(g[i]) + NOISE * EPS * size / h


@pytest.mark.parametrize(("name", "n"), CASES)
def test_hessian_product_is_the_derivative_of_the_gradient(name, n):
    problem = PROBLEMS[name]
    for x in generic_points(problem, n):
        hessian = problem.hessian(x)
        terms = np.abs(hessian) @ np.abs(x)  # of which the gradient may be a small difference
        for i in range(n):
            h = 1e-3 * abs(x[i])
            quotient, size = difference(problem.gradient, x, i, h)
            bound = 1e-7 * np.abs(hessian[:, i]) + NOISE * EPS * (size + terms + 0.1 * terms.max()) / h
            np.testing.assert_array_less(np.abs(hessian[:, i] - quotient), bound + 1e-300)


@pytest.mark.parametrize(("name", "n"), CASES)
def test_hessian_product_is_linear_in_the_vector(name, n):
    problem = PROBLEMS[name]
    x = generic_points(problem, n)[0]
    hessian = problem.hessian(x)
    v = np.random.default_rng(11).standard_normal(n)
    out = np.full(n, np.nan)
    problem.hvp(x, v, out)
    np.testing.assert_allclose(out, hessian @ v, rtol=0, atol=1e-12 * np.abs(hessian).sum() * np.abs(v).max())


@pytest.mark.parametrize(("name", "n"), CASES)
def test_hessian_is_symmetric(name, n):
    problem = PROBLEMS[name]
    for x in generic_points(problem, n):
        hessian = problem.hessian(x)
        np.testing.assert_allclose(hessian, hessian.T, rtol=0, atol=1e-13 * np.abs(hessian).max())


@pytest.mark.parametrize(("name", "n"), CASES)
def test_fun_and_fun_grad_return_the_same_bits(name, n):
    problem = PROBLEMS[name]
    for x in [problem.x0(n), *generic_points(problem, n), *problem.minimizers(n)]:
        f = problem.fun(x)
        assert math.isfinite(f)
        assert np.float64(f).tobytes() == np.float64(problem.fun_grad(x, np.empty(n))).tobytes()


@pytest.mark.parametrize(("name", "n"), CASES)
def test_every_output_entry_is_written_and_no_input_is(name, n):
    problem = PROBLEMS[name]
    x = generic_points(problem, n)[0]
    v = np.random.default_rng(11).standard_normal(n)
    x_before, v_before = x.copy(), v.copy()
    clean, dirty = np.zeros(n), np.full(n, np.nan)
    for run in (problem.fun_grad, lambda x, out: problem.hvp(x, v, out)):
        run(x, clean)
        run(x, dirty)
        np.testing.assert_array_equal(dirty, clean)
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(v, v_before)


@pytest.mark.parametrize(("name", "n"), CASES)
def test_known_minimizers_are_stationary_and_have_the_known_value(name, n):
    problem = PROBLEMS[name]
    f0, f_star = problem.fun(problem.x0(n)), problem.minimum(n)
    for x in problem.minimizers(n):
        assert problem.fun(x) == pytest.approx(f_star, rel=1e-9, abs=1e-28 * abs(f0) + 1e-25)
        # the gradient is no more than rounding each variable makes it
        hessian = problem.hessian(x)
        rounding = 8 * EPS * (np.abs(hessian) @ np.abs(x)) + 1e-13 * np.abs(problem.gradient(problem.x0(n))).max()
        np.testing.assert_array_less(np.abs(problem.gradient(x)), rounding + 1e-15 * np.abs(hessian).max() + 1e-300)
        eigenvalues = np.linalg.eigvalsh(hessian)
        assert eigenvalues[0] >= -1e-12 * max(eigenvalues[-1], 1e-300)


@pytest.mark.parametrize("name", [name for name in PROBLEMS if name not in NOT_FOR_TRUST_EXACT])
def test_an_independent_method_ends_at_a_known_value(name):
    problem = PROBLEMS[name]
    x0 = problem.x0()
    with np.errstate(over="ignore"):  # a trial step of osborne-1 overflows
        found = minimize(
            problem.fun,
            x0,
            jac=problem.gradient,
            hess=problem.hessian,
            method="trust-exact",
            options={"gtol": 1e-9 * np.linalg.norm(problem.gradient(x0)), "maxiter": 2000},
        )
    assert problem.solved(found.fun)


@pytest.mark.parametrize(("name", "n", "x", "f"), ELSEWHERE)
def test_other_known_values_belong_to_stationary_points(name, n, x, f):
    """Newton's method from the printed digits of x ends at a point of value f, of the kind that the table says."""
    problem = PROBLEMS[name]
    x = np.array(x)
    for _ in range(20):
        hessian = problem.hessian(x)
        x -= np.linalg.lstsq(hessian, problem.gradient(x), rcond=1e-13)[0]
    assert problem.fun(x) == pytest.approx(f, rel=1e-10, abs=1e-25)
    assert np.abs(problem.gradient(x)).max() <= 1e-10 * np.linalg.norm(hessian)
    eigenvalues = np.linalg.eigvalsh(hessian)
    is_minimum = eigenvalues[0] >= -1e-12 * eigenvalues[-1]
    known = problem.local_minima(n) if is_minimum and f not in problem.saddles(n) else problem.saddles(n)
    assert f in known


@pytest.mark.parametrize(("name", "x"), FAR.items())
def test_values_approached_at_infinity_are_nearly_reached_far_away(name, x):
    problem = PROBLEMS[name]
    (f,) = problem.local_minima()
    assert problem.fun(np.array(x)) == pytest.approx(f, rel=1e-7)


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_other_known_value_has_its_point_above(name):
    problem = PROBLEMS[name]
    n = problem.n
    known = {*problem.local_minima(), *problem.saddles()}
    shown = {f for row, size, _, f in ELSEWHERE if (row, size) == (name, n)}
    assert known == shown or name in FAR


@pytest.mark.parametrize(("name", "n"), [case for case in CASES if PROBLEMS[case[0]].minimum(case[1]) is not None])
def test_no_point_is_below_the_minimum(name, n):
    problem = PROBLEMS[name]
    f_star = problem.minimum(n)
    rng = np.random.default_rng(13)
    centers = [problem.x0(n), *problem.minimizers(n)]
    for center in centers:
        for spread in (1e-3, 0.1, 1.0):
            x = center + spread * np.maximum(np.abs(center), 1e-3) * rng.standard_normal(n)
            f = problem.fun(x)
            assert math.isnan(f) or f >= f_star - 1e-9 * abs(f_star)


@pytest.mark.parametrize("name", [name for name, problem in PROBLEMS.items() if "convex" in problem.traits])
def test_convex_means_no_negative_curvature(name):
    problem = PROBLEMS[name]
    rng = np.random.default_rng(17)
    for spread in (0.1, 1.0):
        x = problem.x0() + spread * np.maximum(np.abs(problem.x0()), 0.1) * rng.standard_normal(problem.n)
        if math.isfinite(problem.fun(x)):
            eigenvalues = np.linalg.eigvalsh(problem.hessian(x))
            assert eigenvalues[0] >= -1e-12 * eigenvalues[-1]


@pytest.mark.parametrize("name", [name for name, problem in PROBLEMS.items() if "quadratic" in problem.traits])
def test_quadratic_means_a_constant_hessian(name):
    problem = PROBLEMS[name]
    rng = np.random.default_rng(19)
    hessian = problem.hessian(problem.x0())
    np.testing.assert_array_equal(problem.hessian(rng.standard_normal(problem.n)), hessian)


@pytest.mark.parametrize("name", [name for name, problem in PROBLEMS.items() if "singular" in problem.traits])
def test_singular_means_a_singular_hessian_at_a_minimizer(name):
    problem = PROBLEMS[name]
    smallest = [np.abs(np.linalg.eigvalsh(problem.hessian(x))).min() for x in problem.minimizers()]
    size = np.linalg.norm(problem.hessian(problem.x0()))
    if size == 0.0:  # the start is a degenerate saddle
        size = np.linalg.norm(problem.hessian(problem.minimizers()[0]))
    assert min(smallest) <= 1e-12 * size


@pytest.mark.parametrize("name", [name for name, problem in PROBLEMS.items() if "singular" not in problem.traits])
def test_ill_conditioned_means_a_condition_number_of_a_million_at_every_minimizer(name):
    problem = PROBLEMS[name]
    for x in problem.minimizers():
        condition = np.linalg.cond(problem.hessian(x))
        assert (condition >= 0.999e6) == ("ill-conditioned" in problem.traits)


@pytest.mark.parametrize("name", [name for name, problem in PROBLEMS.items() if "saddle" in problem.traits])
def test_saddle_means_that_descent_within_the_symmetry_of_the_start_ends_there(name):
    """In exact arithmetic the gradient keeps the symmetry of the start; here averaging over it does."""
    problem = PROBLEMS[name]
    symmetry = {
        "biggs-exp6": lambda x: x[[4, 1, 5, 3, 0, 2]],
        "allen-cahn": lambda x: -x[::-1],
        "horse-saddle": lambda x: x * [1, -1],
        "monkey-saddle": lambda x: x * [1, -1],
        "double-well": lambda x: x * [-1, 1],
        "double-well-at-saddle": lambda x: x * [-1, 1],
        "quartic-saddle": lambda x: -x,
        "quartic-saddle-turned": lambda x: -x,
        "rank-1-factorization": lambda x: x * np.where(np.arange(8) < 7, -1, 1),
        "linear-network": lambda x: x * [-1, -1, 1],
        "octopus": lambda x: -x,
        "matrix-factorization": lambda x: -x,
        "phase-retrieval": lambda x: -x,
        "tensor-decomposition": lambda x: 2 * np.mean(x) - x,
        "deep-linear-network": lambda x: x * np.repeat([1, -1, -1], 4),
    }[name]
    x = problem.x0()
    np.testing.assert_array_equal(symmetry(x), x)
    g = problem.gradient(x)
    np.testing.assert_allclose(symmetry(g), g, rtol=1e-12)
    found = minimize(
        lambda x: problem.fun((x + symmetry(x)) / 2),
        x,
        jac=lambda x: (
            problem.gradient((x + symmetry(x)) / 2) / 2 + symmetry(problem.gradient((x + symmetry(x)) / 2)) / 2
        ),
        method="BFGS",
        options={"maxiter": 30 if "unbounded" in problem.traits else 500, "gtol": 1e-9},
    )
    if name == "monkey-saddle":  # x1^3 falls on beyond the origin
        assert found.fun < 0.0
    else:
        assert found.fun == pytest.approx(problem.saddles()[0], abs=1e-12)


@pytest.mark.parametrize(("name", "edge"), EDGES)
def test_outside_domain_is_nan(name, edge):
    problem = PROBLEMS[name]
    edge = np.array(edge)
    inwards = problem.minimizers(edge.shape[0])[0] - edge
    for x in (edge, edge - inwards):
        g, out = np.zeros_like(x), np.zeros_like(x)
        assert math.isnan(problem.fun(x))
        assert math.isnan(problem.fun_grad(x, g))
        problem.hvp(x, np.ones_like(x), out)
        assert np.isnan(g).all()
        assert np.isnan(out).all()
    just_inside = edge + 1e-6 * inwards
    assert math.isfinite(problem.fun(just_inside))
    assert np.isfinite(problem.gradient(just_inside)).all()
    assert np.isfinite(problem.hessian(just_inside)).all()


def test_every_problem_with_a_domain_has_an_edge_in_the_table():
    assert {name for name, _ in EDGES} == {name for name, problem in PROBLEMS.items() if "nan-domain" in problem.traits}


@pytest.mark.parametrize(("x2", "f"), [(1.0, 100.0 * 2.5**2), (-1.0, 100.0 * 2.5**2)])
def test_helical_valley_has_a_value_on_the_axis_between_its_branches(x2, f):
    """theta = 1/4 at (0, 1), where the branches meet, and -1/4 at (0, -1), where they do not."""
    assert PROBLEMS["helical-valley"].fun(np.array([0.0, x2, 0.0])) == f


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_point_raises(name):
    """Far away values overflow to inf or nan; they never raise."""
    problem = PROBLEMS[name]
    signs = np.where(np.arange(problem.n) % 2 == 0, 1.0, -1.0)
    out = np.empty(problem.n)
    with np.errstate(all="ignore"):
        for size in (0.0, 1e3, 1e100, math.nan):
            for x in (np.full(problem.n, size), np.full(problem.n, -size), size * signs, -size * signs):
                f = problem.fun(x)
                assert np.float64(f).tobytes() == np.float64(problem.fun_grad(x, out)).tobytes() or math.isnan(f)
                problem.hvp(x, signs, out)
                assert not (math.isnan(size) and math.isfinite(f))


@pytest.mark.parametrize(
    ("name", "n", "rule"),
    [
        ("beale", 3, "exactly 2"),
        ("wood", 8, "exactly 4"),
        ("extended-rosenbrock", 5, "even"),
        ("extended-powell", 6, "a multiple of 4"),
        ("watson", 1, "at least 2 and at most 31"),
        ("watson", 32, "at least 2 and at most 31"),
        ("chained-rosenbrock", 1, "at least 2"),
        ("quadratic-1e2", 0, "at least 1"),
        ("quadratic-1e2", 2.0, "at least 1"),
    ],
)
def test_wrong_size_is_refused_by_name(name, n, rule):
    for answer in ("x0", "minimum", "minimizers", "local_minima", "saddles"):
        with pytest.raises(ValueError) as refusal:
            getattr(PROBLEMS[name], answer)(n)
        assert str(refusal.value) == f"problem {name!r} has no size n={n!r}: n must be {rule}"


@pytest.mark.parametrize(("name", "n"), CASES)
def test_answers_have_the_size_asked_for(name, n):
    problem = PROBLEMS[name]
    assert problem.x0(n).shape == (n,)
    assert problem.x0(n).dtype == np.float64
    assert problem.x0(n) is not problem.x0(n)
    assert problem.minimizers(n).shape[1:] == (n,)
    assert problem.minimizers(n).dtype == np.float64


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_row_has_a_reference(name):
    """Either '[k]' of the references in the docstring of its file, or a word that it is ours."""
    problem = PROBLEMS[name]
    document = inspect.getmodule(problem.start if problem.start.__module__.endswith(name) else problem.fun).__doc__
    assert problem.reference.startswith(("[", "ours"))
    if problem.reference.startswith("["):
        assert problem.reference[:3] + " " in document


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_row_is_described_in_the_fixed_words(name):
    problem = PROBLEMS[name]
    assert problem.name == name == name.lower()
    assert problem.n in problem.sizes
    assert problem.traits <= TRAITS.keys()
    assert len(problem.traits & {"convex", "nonconvex"}) == 1
    assert ("unbounded" in problem.traits) <= (problem.minimum() is None)
    assert not problem.minimum() or all(value > problem.minimum() for value in problem.local_minima())


@pytest.mark.parametrize("name", PROBLEMS)
def test_kernels_use_nothing_but_loops_and_math(name):
    """No call but math.* and range, min, max, abs; no exception, no list: nothing that device code can't do."""
    problem = PROBLEMS[name]
    for kernel in (problem.fun, problem.fun_grad, problem.hvp):
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kernel)))):
            assert not isinstance(node, ast.Raise | ast.Try | ast.List | ast.ListComp | ast.GeneratorExp | ast.Lambda)
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called.startswith("math.") or called in {"range", "min", "max", "abs"}


def test_the_set_of_more_garbow_and_hillstrom_is_complete():
    numbers = {
        int(problem.reference.split("problem ")[1].split()[0].rstrip(",;"))
        for problem in PROBLEMS.values()
        if problem.reference.startswith("[1] problem ")
    }
    assert numbers == set(range(1, 36))


@pytest.mark.parametrize("name", ["rosenbrock", "chained-rosenbrock", "rosenbrock-tiny", "rosenbrock-offset"])
def test_solved_is_relative_to_what_there_was_to_gain(name):
    problem = PROBLEMS[name]
    f0, f_star = problem.fun(problem.x0()), problem.minimum()
    assert problem.solved(f_star)
    assert problem.solved(f_star + 1e-9 * (f0 - f_star))
    assert not problem.solved(f_star + 1e-6 * (f0 - f_star))
    assert not problem.solved(math.nan)
    assert all(problem.solved(value) for value in problem.local_minima())
