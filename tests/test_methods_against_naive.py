"""Each method's iterates are those of its twin in NumPy, with the same line search.

The searches here are also the proof that a search of the user's own, an @njit function, plugs in.
"""

import functools

import numpy as np
import pytest
from numba import njit

from secondorder import METHODS, minimize
from secondorder.jit import HVP, address_of, typed
from secondorder.line_searches import LINE_SEARCHES
from secondorder.methods import bfgs
from secondorder.problems import PROBLEMS
from tests.halving import halving, halving_twin
from tests.naive import methods as naive
from tests.naive.line_searches import strong_wolfe
from tests.test_second_order_against_naive import ROWS as SECOND_ORDER

pytestmark = pytest.mark.timeout(120)


# ------------------------------------------------------------------------------ searches of one's own, and their twins


@njit
def exact(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """The minimizer along d of a quadratic: the zero of the line through two slopes."""
    n = x.shape[0]
    for i in range(n):
        xt[i] = x[i] + d[i]
    fun_grad(xt, gt, data)
    unit = 0.0
    for i in range(n):
        unit += gt[i] * d[i]
    alpha = slope / (slope - unit)
    for i in range(n):
        xt[i] = x[i] + alpha * d[i]
    ft = fun_grad(xt, gt, data)
    control.counts[2] += 2
    control.counts[3] += 2
    return alpha, ft


def exact_twin(f, g, x, d, k):
    slope = g(x) @ d
    return slope / (slope - g(x + d) @ d)


TWINS = {
    "gradient-descent": [({}, naive.gradient_descent)],
    "perturbed-gd": [({"small": 0.0}, naive.gradient_descent)],
    "bfgs": [
        ({"explore": 0}, naive.bfgs),
        ({"explore": 20}, functools.partial(naive.bfgs, larger=bfgs.EXPLORING)),
        ({"explore": 0, "damping": 1e-3}, functools.partial(naive.damped_bfgs, damping=1e-3)),
    ],
    "l-bfgs": [({"m": m}, functools.partial(naive.l_bfgs, m=m)) for m in (1, 3, 10)],
    "cg": [
        *(
            ({"beta": name, "descent": -np.inf}, functools.partial(naive.cg, beta=beta))
            for name, beta in naive.BETAS.items()
        ),
        *(
            (
                {"beta": "hz", "theta": theta, "lower": eta, "descent": -np.inf},
                functools.partial(naive.cg, beta=functools.partial(naive.hager_zhang_beta, theta=theta, eta=eta)),
            )
            for theta, eta in ((1.0, 0.4), (2.0, 0.01))
        ),
    ],
}
ROWS = [(method, options, twin) for method, rows in TWINS.items() for options, twin in rows]
# H starts 1e8 times larger when bfgs explores, and as many of its digits are lost
TOLERANCE = {True: 1e-7, False: 1e-10}
NAMES = [f"{method} {' '.join(map(str, options.values()))}" for method, options, _ in ROWS]


def test_every_method_has_a_twin():
    assert set(TWINS) | {method for method, _, _ in SECOND_ORDER} == set(METHODS)


def iterates(method, fun, jac, x0, steps, search, options, args=(), backend="auto"):
    points = [np.array(x0)]
    minimize(
        fun,
        x0,
        args,
        method,
        jac,
        backend=backend,
        callback=points.append,
        options={"line_search": search, "maxiter": steps, "gtol": 0.0} | options,
    )
    return np.array(points)


def quadratic(n, condition, seed):
    random = np.random.default_rng(seed)
    q, _ = np.linalg.qr(random.standard_normal((n, n)))
    A = q @ np.diag(np.geomspace(1.0, condition, n)) @ q.T
    return np.ascontiguousarray((A + A.T) / 2), random.standard_normal(n), random.standard_normal(n)


@njit
def quadratic_fun(x, A, b):
    f = 0.0
    for i in range(x.shape[0]):
        row = 0.0
        for j in range(x.shape[0]):
            row += A[i, j] * x[j]
        f += (0.5 * row - b[i]) * x[i]
    return f


@njit
def quadratic_gradient(x, A, b):
    g = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        g[i] = -b[i]
        for j in range(x.shape[0]):
            g[i] += A[i, j] * x[j]
    return g


@pytest.mark.parametrize(("method", "options", "twin"), ROWS, ids=NAMES)
@pytest.mark.parametrize(("n", "seed"), [(2, 1), (5, 2), (11, 3)])
def test_iterates_on_a_quadratic_are_the_twins(method, options, twin, n, seed):
    A, b, x0 = quadratic(n, 30.0, seed)
    steps = min(n, 6)
    expected = twin(lambda x: 0.5 * x @ A @ x - b @ x, lambda x: A @ x - b, x0, exact_twin, steps)
    found = iterates(method, quadratic_fun, quadratic_gradient, x0, steps, exact, options, (A, b))
    assert len(found) == steps + 1
    assert np.allclose(found, expected, rtol=0.0, atol=TOLERANCE[options.get("explore", 0) > 0])


@pytest.mark.parametrize("method", ["bfgs", "l-bfgs", "cg"])
def test_a_quadratic_is_solved_in_n_exact_steps(method):
    A, b, x0 = quadratic(6, 30.0, 4)
    found = iterates(method, quadratic_fun, quadratic_gradient, x0, 6, exact, {}, (A, b))
    assert np.allclose(found[-1], np.linalg.solve(A, b), rtol=0.0, atol=1e-8)


def wolfe_twin(f, g, x, d, k):
    def phi(alpha):
        return f(x + alpha * d), g(x + alpha * d) @ d

    return strong_wolfe(phi, 2.0**-6, c2=0.1)


WOLFE = {"initial_step": "constant", "alpha": 2.0**-6, "c2": 0.1}


@pytest.mark.parametrize(("method", "options", "twin"), ROWS, ids=NAMES)
@pytest.mark.parametrize("name", ["rosenbrock", "himmelblau", "broyden-tridiagonal"])
def test_iterates_on_small_problems_are_the_twins(method, options, twin, name):
    problem, steps = PROBLEMS[name], 6
    x0 = problem.x0()
    expected = twin(problem.fun, problem.gradient, x0, wolfe_twin, steps)
    found = iterates(
        method, problem.fun, problem.gradient, x0, steps, "strong-wolfe", WOLFE | options, backend="python"
    )
    assert len(found) == steps + 1
    assert np.allclose(found, expected, rtol=0.0, atol=1e-7 * np.max(np.abs(expected)))


@pytest.mark.parametrize("damping", [0.2, 0.5])
def test_damped_bfgs_is_the_damped_twin(damping):
    problem, steps = PROBLEMS["rosenbrock"], 8
    x0 = problem.x0()
    expected = naive.damped_bfgs(problem.fun, problem.gradient, x0, halving_twin, steps, damping)
    plain = naive.bfgs(problem.fun, problem.gradient, x0, halving_twin, steps)
    assert not np.allclose(expected, plain, atol=1e-3)
    points = [x0]
    minimize(
        problem.fun,
        x0,
        method="bfgs",
        jac=problem.gradient,
        backend="python",
        callback=points.append,
        options={"line_search": halving, "maxiter": steps, "gtol": 0.0, "damping": damping, "explore": 0},
    )
    assert np.allclose(points, expected, rtol=0.0, atol=1e-6)


def test_preconditioned_cg_is_the_twin_in_turned_variables():
    n = 7
    A, b, x0 = quadratic(n, 300.0, 5)
    diagonal = 1.0 / np.diag(A)

    @njit
    def precondition(x, v, out, data):
        for i in range(v.shape[0]):
            out[i] = diagonal[i] * v[i]
        return 0.0

    kept = typed(precondition.py_func, HVP)
    for name in ("fr", "pr+", "hs", "dy"):
        expected = naive.cg(
            lambda x: 0.5 * x @ A @ x - b @ x,
            lambda x: A @ x - b,
            x0,
            exact_twin,
            5,
            naive.BETAS[name],
            np.diag(diagonal),
        )
        options = {"beta": name, "descent": -np.inf, "preconditioner": address_of(kept, HVP)}
        found = iterates("cg", quadratic_fun, quadratic_gradient, x0, 5, exact, options, (A, b))
        assert np.allclose(found, expected, rtol=0.0, atol=1e-9), name


def test_gradient_descent_with_a_fixed_step_is_x_minus_alpha_g():
    A, b, x0 = quadratic(4, 10.0, 6)
    options = {"initial_step": "constant", "alpha": 0.05}
    found = iterates("gradient-descent", quadratic_fun, quadratic_gradient, x0, 20, "fixed", options, (A, b))
    x = x0
    for k in range(20):
        x = x - 0.05 * (A @ x - b)
        assert np.allclose(found[k + 1], x, rtol=0.0, atol=1e-13)


@pytest.mark.parametrize(
    ("method", "options", "twin"),
    [("bfgs", {"explore": 0}, naive.bfgs), ("l-bfgs", {}, functools.partial(naive.l_bfgs, m=10))],
)
@pytest.mark.parametrize("name", ["rosenbrock", "himmelblau"])
def test_with_the_packages_strong_wolfe_search_iterates_are_those_of_the_textbooks(method, options, twin, name):
    problem, steps = PROBLEMS[name], 7
    x0 = np.array([-1.2, 1.0])
    first = 0.3 * np.max(np.abs(x0)) / np.max(np.abs(problem.gradient(x0)))  # the first trial of "unit"; then 1

    def search(f, g, x, d, k):
        def phi(alpha):
            return f(x + alpha * d), g(x + alpha * d) @ d

        return strong_wolfe(phi, first if k == 0 else 1.0)

    expected = twin(problem.fun, problem.gradient, x0, search, steps)
    found = iterates(method, problem.fun, problem.gradient, x0, steps, "strong-wolfe", options, backend="python")
    assert len(found) >= 5
    assert np.allclose(found, expected[: len(found)], rtol=0.0, atol=1e-6)


# ------------------------------------------------------------------------------------------ searches of one's own


def test_a_search_of_ones_own_is_used(searching_method):
    A, b, x0 = quadratic(5, 10.0, 7)
    result = minimize(quadratic_fun, x0, (A, b), searching_method, quadratic_gradient, options={"line_search": exact})
    assert result.success
    assert np.allclose(result.x, np.linalg.solve(A, b), atol=1e-6)


def test_a_search_of_ones_own_need_not_be_decorated(searching_method):
    A, b, x0 = quadratic(5, 10.0, 7)
    plain = minimize(
        quadratic_fun, x0, (A, b), searching_method, quadratic_gradient, options={"line_search": halving.py_func}
    )
    decorated = minimize(
        quadratic_fun, x0, (A, b), searching_method, quadratic_gradient, options={"line_search": halving}
    )
    assert np.array_equal(plain.x, decorated.x)


def test_a_search_may_be_given_as_its_module(searching_method):
    A, b, x0 = quadratic(5, 10.0, 7)
    by_name, by_module = (
        minimize(quadratic_fun, x0, (A, b), searching_method, quadratic_gradient, options={"line_search": search})
        for search in ("strong-wolfe", LINE_SEARCHES["strong-wolfe"])
    )
    assert np.array_equal(by_name.x, by_module.x)


def test_a_search_that_always_fails_is_no_decrease(searching_method):
    @njit
    def fails(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
        return 0.0, f

    A, b, x0 = quadratic(5, 10.0, 7)
    result = minimize(quadratic_fun, x0, (A, b), searching_method, quadratic_gradient, options={"line_search": fails})
    assert (result.status, result.nit) == (2, 0)
    assert np.array_equal(result.x, x0)


def test_what_is_no_search_is_refused_with_the_signature_of_one():
    def wrong(x):
        return x

    with pytest.raises(TypeError, match=r"search\(fun, fun_grad"):
        minimize(quadratic_fun, np.zeros(2), (np.eye(2), np.zeros(2)), options={"line_search": wrong})


def test_every_search_says_whether_it_calls_fun():
    assert all(hasattr(module, "search") and isinstance(module.NEEDS_FUN, bool) for module in LINE_SEARCHES.values())
