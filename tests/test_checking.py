"""check_derivatives, and minimize(check_grad=True): wrong derivatives are found, right ones never called wrong."""

import math

import numba
import numpy as np
import pytest

import secondorder as so
from secondorder.checking import check_gradient, difference
from secondorder.problems import PROBLEMS

X = np.array([0.7, -1.3, 2.2])
A = np.array([[3.0, 1.0, 0.0], [1.0, 4.0, -1.0], [0.0, -1.0, 5.0]])


def fun(x):
    return 0.5 * x @ A @ x + math.exp(x[0])


def jac(x):
    g = A @ x
    g[0] += math.exp(x[0])
    return g


def hess(x):
    H = A.copy()
    H[0, 0] += math.exp(x[0])
    return H


def hessp(x, v):
    return hess(x) @ v


def wrong_jac(x):
    g = jac(x)
    g[1] *= 1.01
    return g


def in_place(x, g):
    g[:] = jac(x)
    return fun(x)


def wrong_in_place(x, g):
    g[:] = wrong_jac(x)
    return fun(x)


FORMS = {
    "python": lambda gradient: ((fun,), {"jac": gradient}),
    "compiled": lambda gradient: ((numba.njit(fun),), {"jac": compiled(gradient)}),
    "pair": lambda gradient: ((lambda x: (fun(x), gradient(x)),), {"jac": True}),
    "objective": lambda gradient: ((so.Objective(in_place if gradient is jac else wrong_in_place),), {}),
    "objective with fun": lambda gradient: (
        (so.Objective(in_place if gradient is jac else wrong_in_place, fun=fun),),
        {},
    ),
}


def compiled(gradient):
    return numba.njit(lambda x: A @ x + np.array([math.exp(x[0]), 0.0, 0.0])) if gradient is jac else gradient


@pytest.mark.parametrize("form", FORMS)
def test_right_gradients_pass_and_wrong_ones_are_named(form):
    given, keywords = FORMS[form](jac)
    right = so.check_derivatives(*given, X, **keywords)
    assert right.ok
    assert right.worst.error < 1e-9
    given, keywords = FORMS[form](wrong_jac)
    wrong = so.check_derivatives(*given, X, **keywords)
    assert not wrong.ok
    assert (wrong.worst.what, wrong.worst.component) == ("gradient", 1)
    assert wrong.worst.given == wrong_jac(X)[1]
    assert wrong.worst.differences == pytest.approx(jac(X)[1], rel=1e-9)
    assert wrong.worst.error == pytest.approx(0.01 / 1.01, rel=1e-3)
    assert [c.verdict for c in wrong.compared] == ["ok", "wrong", "ok"]


@pytest.mark.parametrize("form", FORMS)
def test_minimize_refuses_a_wrong_gradient_before_it_starts(form):
    given, keywords = FORMS[form](jac)
    assert so.minimize(*given, X, **keywords, check_grad=True, backend="python").success
    given, keywords = FORMS[form](wrong_jac)
    called = []
    with pytest.raises(ValueError, match="the gradient contradicts differences of fun: component 1 is") as caught:
        so.minimize(*given, X, **keywords, check_grad=True, callback=called.append)
    assert not hasattr(caught.value, "optimize_result")
    assert not called


def test_generated_derivatives_are_compared_where_none_are_given():
    found = so.check_derivatives(lambda x, a: np.sum(a * x**4), X, args=(2.0,))
    assert found.ok
    assert {c.what for c in found.compared} == {"gradient", "hessp"}
    assert so.minimize(lambda x: np.sum((x - 1.0) ** 2), X, check_grad=True).success


def test_second_derivatives():
    assert so.check_derivatives(fun, X, jac=jac, hessp=hessp, hess=hess).ok
    found = so.check_derivatives(fun, X, jac=jac, hess=lambda x: A)
    assert not found.ok
    assert (found.worst.what, found.worst.component) == ("hess", "0, 0")
    found = so.check_derivatives(fun, X, jac=jac, hessp=lambda x, v: 2.0 * (A @ v))
    assert {c.verdict for c in found.compared if c.what == "hessp"} == {"wrong"}
    objective = so.Objective(in_place, hvp=lambda x, v, out: out.__setitem__(slice(None), hessp(x, v)))
    assert so.check_derivatives(objective, X).ok


def test_the_table_shows_the_worst_first():
    text = repr(so.check_derivatives(fun, X, jac=wrong_jac))
    lines = text.splitlines()
    assert lines[0] == "3 numbers compared with differences: 1 are wrong"
    assert lines[2].split()[:2] == ["gradient", "1"]
    assert lines[2].endswith("wrong")
    assert "all agree" in repr(so.check_derivatives(fun, X, jac=jac))


@pytest.mark.parametrize("name", PROBLEMS)
def test_right_gradients_of_all_problems_pass(name):
    problem = PROBLEMS[name]
    x = np.asarray(problem.x0(), np.float64)
    objective = so.Objective(problem.fun_grad, fun=problem.fun, hvp=problem.hvp)
    check_gradient(objective, x, (), None)
    if x.size <= 20:
        assert so.check_derivatives(objective, x).ok


@pytest.mark.parametrize("name", list(PROBLEMS)[::4])
@pytest.mark.parametrize("factor", [-1.0, 0.0, 2.0, 1.05])
def test_wrong_gradients_of_problems_are_found(name, factor):
    problem = PROBLEMS[name]
    x = np.asarray(problem.x0(), np.float64) + 0.01
    g = np.zeros(x.size)
    problem.fun_grad(x, g)
    worst = int(np.argmax(np.abs(g)))

    def wrong(x, g):
        f = problem.fun_grad(x, g)
        g[worst] *= factor
        return f

    with pytest.raises(ValueError, match=f"component {worst} is"):
        check_gradient(so.Objective(wrong, fun=problem.fun), x, (), None)


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.3, 1.0])
def test_kinks_are_never_called_wrong(slope):
    def kink(x):
        return abs(x[0]) + x[1] ** 2

    x = np.array([0.0, 1.0])
    given = lambda x: np.array([slope, 2.0 * x[1]])  # noqa: E731
    check_gradient(kink, x, (), given)
    assert so.check_derivatives(kink, x, jac=given).ok


def test_a_kink_nearby_does_not_hide_a_wrong_gradient():
    def kink(x):
        return abs(x[0])

    with pytest.raises(ValueError, match="component 0 is 2"):
        check_gradient(kink, np.array([0.01]), (), lambda x: np.array([2.0]))
    check_gradient(kink, np.array([0.01]), (), lambda x: np.array([1.0]))


def test_noise_is_never_called_wrong():
    def noisy(x):
        return 1e12 + np.sum(x**2)

    check_gradient(noisy, X, (), lambda x: 2.0 * x)
    rng = np.random.default_rng(3)
    jittery = lambda x: np.sum(x**2) * (1.0 + 1e-9 * rng.standard_normal())  # noqa: E731
    for _ in range(50):
        check_gradient(jittery, X, (), lambda x: 2.0 * x)


def test_the_end_of_the_domain_is_not_wrong():
    def logarithm(x):
        return math.log(x[0])

    check_gradient(logarithm, np.array([1e-9]), (), lambda x: 1.0 / x)
    found = so.check_derivatives(lambda x: x[0] if x[0] == 1.0 else math.nan, [1.0], jac=lambda x: np.array([5.0]))
    assert found.ok
    assert found.worst is None
    assert found.compared[0].verdict == "unknown"


def test_of_many_variables_the_wrong_one_is_found_by_halving():
    n = 20_000
    x = np.random.default_rng(4).standard_normal(n)

    def gradient(x):
        g = 2.0 * x
        g[12_345] += 1e5
        return g

    with pytest.raises(ValueError, match="component 12345 is"):
        check_gradient(lambda x: np.sum(x**2), x, (), gradient)
    check_gradient(lambda x: np.sum(x**2), x, (), lambda x: 2.0 * x)


def test_nan_in_a_gradient_is_wrong_where_f_is_smooth():
    with pytest.raises(ValueError, match="component 2 is nan"):
        check_gradient(fun, X, (), lambda x: np.array([*jac(x)[:2], math.nan]))


def test_differences_say_how_wrong_they_may_be():
    for f, slope in ((np.exp, np.exp(1.0)), (np.sin, np.cos(1.0)), (lambda t: 1e6 + t, 1.0), (lambda t: t**9, 9.0)):
        found = difference(f, np.array([1.0]), np.array([1.0]))
        assert abs(found.value[0] - slope) <= found.uncertainty[0]
        assert found.uncertainty[0] <= 1e-6 * max(1.0, abs(slope))


def test_differences_in_place_of_a_gradient_are_not_checked():
    called = []

    def counted(x):
        called.append(1)
        return float(x @ x)

    check_gradient(counted, X, (), "2-point")
    assert not called
