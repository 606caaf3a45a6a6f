"""Ways out of saddles: none is missed by a kind that knows curvature, all are reproducible, none is a false alarm."""

import functools

import numpy as np
import pytest
from numba import njit

import secondorder as so
from secondorder import METHODS, PROBLEMS, Objective, minimize
from secondorder.escapes import ESCAPES
from tests.objectives import made_once
from tests.test_certificate import (
    CURVATURE,
    SECOND_ORDER,
    diagonal,
    diagonal_grad,
    diagonal_hvp,
    eigenvalues,
    model,
    saddle,
    scaled_wells,
    scaled_wells_hvp,
)
from tests.test_problems import ELSEWHERE

pytestmark = pytest.mark.timeout(240)

BY_CURVATURE = ("curvature", "neon", "neon2")
GRADIENTS = [name for name, module in ESCAPES.items() if module.NEEDS == "gradients"]
FIRST_ORDER = [name for name, module in METHODS.items() if module.NEEDS == ("grad",)]
BY_PRODUCTS = [name for name in METHODS if "hess" not in METHODS[name].NEEDS]  # l-bfgs and its like: when asked
PERTURBED = [name for name in FIRST_ORDER if hasattr(METHODS[name], "PERTURBS")]


def escape(name, problem, method="l-bfgs", x0=None, **options):
    """A run on one of PROBLEMS that leaves saddles in this way."""
    return minimize(
        made_once(problem.fun_grad, hvp=problem.hvp),
        problem.x0() if x0 is None else x0,
        method=method,
        backend="python",
        second_order=True,
        options={"escape": name} | options,
    )


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("name", BY_CURVATURE)
def test_no_saddle_of_300_is_missed_by_an_escape_that_knows_curvature(name, rotated):
    for seed in range(300):
        args = model(seed, rotated)
        for start in range(2):
            options = {"seed": start, "escape": name}
            result = minimize(saddle(), args[2], args, "l-bfgs", options=options, second_order=True)
            assert result.success and result.nescape >= 1
            assert eigenvalues(args, result.x)[0] > 0.0, (seed, start)


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize(("name", "most"), [("perturbation", 0), ("random-search", 90)])
def test_noise_misses_few_saddles_of_300_and_no_miss_is_a_success(name, most, rotated):
    missed = 0
    for seed in range(300):
        args = model(seed, rotated)
        result = minimize(saddle(), args[2], args, "l-bfgs", options={"escape": name}, second_order=True)
        held = not eigenvalues(args, result.x)[0] > 0.0
        assert result.success == (not held)
        if held:
            assert result.reason == "saddle" and result.certificate.verdict in ("saddle", "maximum")
            assert result.certificate.tried >= 1 and f"escape='{name}'" in result.message
        missed += held
    assert missed <= most


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", BY_CURVATURE)
def test_every_escape_works_after_every_method(name, method):
    result = escape(name, PROBLEMS["double-well-at-saddle"], method)
    assert result.success and result.nescape >= 1
    assert result.fun == pytest.approx(-0.25)


@pytest.mark.parametrize("name", GRADIENTS)
def test_escapes_by_gradients_need_nothing_else(name):
    calls = np.zeros(1, np.int64)

    def fun_grad(x, g, calls):
        calls[0] += 1
        g[0], g[1] = x[0] ** 3 - x[0], x[1]
        return 0.25 * x[0] ** 4 - 0.5 * x[0] ** 2 + 0.5 * x[1] ** 2

    result = minimize(Objective(fun_grad), [0.0, 1.0], (calls,), second_order=True, options={"escape": name})
    assert result.success and result.nescape == 1 and result.fun == pytest.approx(-0.25)
    assert (result.nfev, result.njev) == (calls[0], calls[0])
    assert result.second_derivatives == "differences of gradients"
    assert result.certificate.verdict == "minimum"


@pytest.mark.parametrize("name", ["neon", "neon2"])
@pytest.mark.parametrize("seed", range(10))
def test_a_way_out_by_gradients_is_along_negative_curvature(name, seed):
    args = model(seed, rotated=True)
    steps, options = [], {"escape": name}
    minimize(saddle(), args[2], args, "l-bfgs", options=options, second_order=True, callback=steps.append)
    H, v = args[0].T @ np.diag(args[1]) @ args[0], steps[0] - args[2]
    v /= np.linalg.norm(v)
    curvature = v @ H @ v
    assert curvature < -CURVATURE * np.linalg.norm(H, 2)
    assert np.linalg.norm(H @ v - curvature * v) <= -0.5 * curvature + 1e-4 * np.linalg.norm(H, 2)


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("problem", ["quadratic-1e2", "rosenbrock", "broyden-tridiagonal", "himmelblau"])
def test_a_minimum_is_not_left(name, problem):
    problem = PROBLEMS[problem]
    plain = minimize(made_once(problem.fun_grad), problem.x0(), method="l-bfgs", backend="python")
    result = escape(name, problem)
    assert result.success and result.nescape == 0
    assert np.array_equal(result.x, plain.x) and np.array_equal(result.jac, plain.jac)
    assert result.nfev == plain.nfev  # only products, and no evaluations, are spent at a minimum


@pytest.mark.parametrize("name", ESCAPES)
def test_a_seed_gives_the_same_way_out_again(name):
    problem = PROBLEMS["quartic-saddle-turned"]
    one, same = escape(name, problem, seed=3), escape(name, problem, seed=3)
    assert np.array_equal(one.x, same.x) and one.nfev == same.nfev
    ends = {escape(name, problem, seed=seed).x.round(3).tobytes() for seed in range(6)}
    assert len(ends) > 1


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("maxfev", [2, 5, 20, 100])
def test_escapes_keep_to_the_budget(name, maxfev):
    result = escape(name, PROBLEMS["quartic-saddle-turned"], maxfev=maxfev)
    assert result.nfev <= maxfev + 1
    assert result.fun <= 0.0
    assert result.fun == PROBLEMS["quartic-saddle-turned"].fun(result.x)


@pytest.mark.parametrize("name", BY_CURVATURE)
@pytest.mark.parametrize("power", [-40, 40])
def test_ways_out_do_not_depend_on_the_scale_of_f(name, power):
    objective = made_once(scaled_wells, hvp=scaled_wells_hvp)
    one, other = (
        minimize(objective, [0.0, 1.0], (size,), second_order=True, options={"escape": name})
        for size in (1.0, 2.0**power)
    )
    assert np.array_equal(one.x, other.x)
    assert (one.nit, one.nfev, one.nescape) == (other.nit, other.nfev, other.nescape)


@pytest.mark.parametrize("value", ["nean", "newton"])
def test_an_escape_is_one_of_the_table(value):
    with pytest.raises(ValueError, match=f"escape='{value}' is not known.*Known: curvature, neon, neon2"):
        minimize(lambda x: x[0] ** 2, [1.0], options={"escape": value})


def test_an_escape_is_a_name():
    with pytest.raises(TypeError, match=r"escape=3 must be a name\. Known: curvature"):
        minimize(lambda x: x[0] ** 2, [1.0], options={"escape": 3})


def test_names_of_escapes_are_taken_in_any_case():
    assert escape("NEON2".lower(), PROBLEMS["double-well"]).nescape == 1
    result = minimize(lambda x: x[0] ** 2, [1.0], second_order=True, options={"escape": "Neon2"})
    assert result.certificate.escape == "neon2"


# ------------------------------------------------------------------------------------------------------ many variables


@pytest.mark.parametrize("name", ["neon", "neon2"])
@pytest.mark.parametrize("index", [1, 40, 400])
def test_gradients_find_the_way_out_with_1000_variables(name, index):
    result = first_step(name, "l-bfgs", diagonal(1000, index), 0)
    assert result.nescape == 1 and result.fun < 0.0
    assert result.nfev <= 400


def first_step(name, method, w, seed):
    """From a saddle of 1000 variables, as far as the first lower point."""

    def callback(x):
        raise StopIteration

    options = {"escape": name, "seed": seed}
    options |= {field: seed for field in ("oracle_seed", "noise_seed") if field in METHODS[method].Options._fields}
    objective = made_once(diagonal_grad, hvp=diagonal_hvp)
    return minimize(objective, np.zeros(1000), (w,), method, second_order=True, callback=callback, options=options)


@pytest.mark.parametrize("index", [1, 10, 500])
@pytest.mark.parametrize("method", BY_PRODUCTS)
def test_a_saddle_of_1000_variables_is_left_within_200_products(method, index):
    for seed in range(3):
        result = first_step("curvature", method, diagonal(1000, index, seed), seed)
        assert result.nhev <= 200
        assert result.nescape == 1 and result.fun < 0.0


@pytest.mark.parametrize("index", [1, 10, 500])
@pytest.mark.parametrize("name", BY_CURVATURE)
def test_every_escape_leaves_a_saddle_of_1000_variables_within_200_products(name, index):
    for seed in range(3):
        result = first_step(name, "l-bfgs", diagonal(1000, index, seed), seed)
        assert result.nhev <= 200
        assert result.nescape == 1 and result.fun < 0.0


# ------------------------------------------------------------------------------------------------- degenerate points


def peano(x):
    """A minimum along every line through 0, and no minimum: -x^4 / 4 along y = 3 x^2 / 2."""
    return (x[1] - x[0] ** 2) * (x[1] - 2.0 * x[0] ** 2)


@pytest.mark.parametrize("method", ["newton", "trust-krylov", "saddle-free-newton"])
def test_a_point_that_is_a_minimum_along_every_line_only_is_left(method):
    result = minimize(peano, [0.0, 0.0], method=method, options={"maxiter": 50})
    assert result.nescape >= 1 and result.fun < -1e-4
    assert so.classify(peano, [0.0, 0.0]) == "degenerate"


@pytest.mark.parametrize(
    ("fun", "lower"),
    [
        (lambda x: x[0] ** 3 - 3.0 * x[0] * x[1] ** 2, True),  # the monkey saddle
        (lambda x: x[0] ** 3 + x[1] ** 2, True),
        (lambda x: x[0] ** 4 - x[1] ** 4 + x[1] ** 6, True),
        (lambda x: x[0] ** 4 + x[1] ** 4, False),
        (lambda x: x[0] ** 2 + x[0] * x[1] ** 2 + x[1] ** 4, False),  # of Peano's kind, but a minimum
        (lambda x: 0.0 * x[0] + x[1] ** 2, False),
    ],
)
@pytest.mark.parametrize("method", ["newton", "newton-cg"])
def test_flat_points_are_left_where_there_is_a_way_down_and_called_degenerate_where_not(fun, lower, method):
    result = minimize(fun, [0.0, 0.0], method=method)
    assert (result.nescape >= 1) == (result.fun < 0.0) == lower
    if not lower:
        assert result.success
        assert result.certificate.verdict == "degenerate"
        assert result.certificate.tried >= 1
        tried = f"{result.certificate.tried} directions or perturbations"
        assert f"{tried} tried (curvature)" in repr(result.certificate)
        assert "x is degenerate" in result.message and f"{tried} of escape='curvature'" in result.message


@pytest.mark.parametrize("name", ESCAPES)
def test_every_escape_tries_flat_points_and_says_so(name):
    options = {"escape": name}
    result = minimize(lambda x: x[0] ** 4 + x[1] ** 2, [0.0, 0.0], second_order=True, options=options)
    assert result.success and result.certificate.verdict == "degenerate"
    assert result.certificate.tried >= 1 and f"escape='{name}'" in result.message


# ------------------------------------------------------------------------------------------ what could not be certified


@pytest.mark.parametrize("name", so.UPDATES)
def test_update_rules_call_no_saddle_a_success_where_second_order_is_asked_for(name):
    problem = PROBLEMS["double-well-at-saddle"]
    objective = made_once(problem.fun_grad, hvp=problem.hvp)
    result = minimize(objective, problem.x0(), method=name, second_order="certify")
    assert (result.reason, result.success, result.certificate.verdict) == ("saddle", False, "saddle")
    assert minimize(objective, problem.x0(), method=name).success  # of first order


@pytest.mark.parametrize("method", ["newton", "newton-cg", "l-bfgs"])
def test_a_point_without_finite_second_derivatives_is_no_success_of_second_order(method):
    def fun_grad(x, g):
        g[0] = 1.5 * np.sign(x[0]) * np.sqrt(abs(x[0]))
        return abs(x[0]) ** 1.5

    def hvp(x, v, out):
        out[0] = 0.75 * v[0] / np.sqrt(abs(x[0]))

    objective = Objective(fun_grad, hvp=hvp)
    result = minimize(objective, [0.0], method=method, second_order=True)
    assert (result.status, result.reason, result.success) == (2, "not certified", False)
    assert result.certificate.verdict == "unknown" and "not finite" in repr(result.certificate)
    first = minimize(objective, [0.0], method=method, second_order=False)
    assert first.success and "certificate" not in first


def test_a_budget_that_does_not_do_for_second_derivatives_is_no_success_of_second_order():
    def fun_grad(x, g):
        g[0], g[1] = 2.0 * x[0], 6.0 * x[1]
        return x[0] ** 2 + 3.0 * x[1] ** 2

    objective = Objective(fun_grad)
    free = minimize(objective, [0.0, 0.0], second_order=True)
    assert free.success and free.certificate.verdict == "minimum"
    assert free.nfev == 5  # of the two products each takes two gradients
    short = minimize(objective, [0.0, 0.0], second_order=True, options={"maxfev": 4})
    assert (short.status, short.reason, short.certificate) == (2, "not certified", None)
    assert "maxfev" in short.message and short.nfev <= 4


# -------------------------------------------------------------------------------- the saddles of the table of problems


@functools.cache
def known_saddles(name):
    """The saddles of a problem at its usual size, to all digits."""
    problem, found = PROBLEMS[name], []
    for row, n, x, f in ELSEWHERE:
        if row == name and n == problem.n and f in problem.saddles() and "unbounded" not in problem.traits:
            x = np.array(x)
            for _ in range(20):
                x -= np.linalg.lstsq(problem.hessian(x), problem.gradient(x), rcond=1e-13)[0]
            found.append(x)
    return found


@functools.cache
def compiled(name):
    problem = PROBLEMS[name]
    return Objective(njit(problem.fun_grad), hvp=njit(problem.hvp))


@pytest.mark.parametrize("name", [name for name in PROBLEMS if known_saddles(name)])
def test_a_start_at_a_saddle_of_the_table_ends_at_a_minimum_or_is_truly_degenerate(name):
    problem = PROBLEMS[name]
    for method in SECOND_ORDER:
        for x in known_saddles(name):
            gtol = 1e-9 * np.linalg.norm(problem.hessian(x), 2) * max(1.0, np.max(np.abs(x)))  # x is rounded
            result = minimize(compiled(name), x, method=method, options={"gtol": gtol or 1e-9})
            w = np.linalg.eigvalsh(problem.hessian(result.x))
            assert result.success, (method, x, result.message)
            assert w[0] >= -CURVATURE * np.max(np.abs(w))
            if result.certificate.verdict == "minimum":
                assert w[0] > 0.0
            else:
                assert result.certificate.verdict == "degenerate"
                assert w[0] <= 1e-8 * np.max(np.abs(w)), (method, x)


# ---------------------------------------------------------------------------------------------------- methods of noise


@pytest.mark.parametrize("method", PERTURBED)
@pytest.mark.parametrize("rotated", [False, True])
def test_perturbed_methods_leave_saddles_by_themselves(method, rotated):
    missed = 0
    for seed in range(100):
        args = model(seed, rotated)
        result = minimize(saddle(), args[2], args, method)
        assert result.success
        missed += not eigenvalues(args, result.x)[0] > 0.0
    assert missed <= 5  # curvatures of 1e-3 beside 10 take more than the 500 steps that noise gets


@pytest.mark.parametrize("method", PERTURBED)
def test_noise_is_seeded(method):
    problem = PROBLEMS["quartic-saddle-turned"]
    objective = made_once(problem.fun_grad)
    one, same, other = (
        minimize(objective, problem.x0(), method=method, options={"noise_seed": seed}) for seed in (0, 0, 1)
    )
    assert np.array_equal(one.x, same.x) and one.nfev == same.nfev
    assert not np.array_equal(one.x, other.x)


OCTOPUS = PROBLEMS["octopus"]
STEP = 0.25 / np.e  # 1 / 4 L


@njit
def gradient_descent(fun_grad, x, step, floor, most):
    """Steps of the textbook until f is below floor, or `most`."""
    g = np.empty_like(x)
    for k in range(most):
        if fun_grad(x, g) < floor:
            return k
        x -= step * g
    return most


def test_the_octopus_holds_gradient_descent_exponentially_long_and_perturbed_descent_not():
    most, fun_grad = 5000, njit(OCTOPUS.fun_grad)
    plain, noisy = [], []
    for n in range(1, 11):
        x0 = np.random.default_rng(7).uniform(-1.0, 1.0, n)
        last_basin = (1.0 - 0.5 / n) * OCTOPUS.minimum(n)
        plain.append(gradient_descent(fun_grad, x0.copy(), STEP, last_basin, most))
        options = {"line_search": "fixed", "initial_step": "constant", "alpha": STEP, "gtol": 0.0, "fmin": last_basin}
        options |= {"every": 20, "small": 0.05, "maxiter": most}
        result = minimize(compiled("octopus"), x0, method="perturbed-gd", options=options)
        assert result.reason == "unbounded"
        noisy.append(result.nit)
    assert plain[4:] == [most] * 6
    assert plain[3] > 3 * plain[2] > 9 * plain[1]
    assert noisy[-1] <= 200 * 10
