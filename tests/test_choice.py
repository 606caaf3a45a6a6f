"""method="auto": which method is chosen, and that it is used."""

import numpy as np
import pytest
import scipy.optimize

from secondorder import METHODS, Objective, minimize, scipy_method
from secondorder.choice import CHOICES
from secondorder.problems import PROBLEMS


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@pytest.mark.parametrize(
    ("n", "given", "expected"),
    [
        (2, {}, "newton"),
        (300, {}, "trust-krylov"),
        (2, {"backend": "python"}, "bfgs"),
        (300, {"hess": "2-point"}, "l-bfgs"),
        (2, {"hessp": lambda x, v: 2.0 * v}, "newton"),
    ],
)
def test_the_choice_follows_the_table(n, given, expected):
    result = minimize(rosenbrock, np.full(n, 0.9), method="auto", options={"maxiter": 1}, **given)
    assert result.method == expected


@pytest.mark.parametrize(("second", "expected"), [(True, "newton"), (False, "bfgs")])
def test_an_objective_has_the_second_derivatives_that_it_brings(second, expected):
    problem = PROBLEMS["rosenbrock"]
    objective = Objective(problem.fun_grad, fun=problem.fun, hvp=problem.hvp if second else None)
    result = minimize(objective, problem.x0(), method="AUTO", backend="python")
    assert result.success
    assert result.method == expected


def test_the_rows_cover_every_case_and_name_methods():
    assert {row.method for row in CHOICES} <= set(METHODS)
    for second in (True, False):
        assert max(row.most for row in CHOICES if row.second == second) == np.inf


def test_scipy_takes_it():
    result = scipy.optimize.minimize(rosenbrock, [-1.2, 1.0], method=scipy_method("auto"), options={"maxiter": 500})
    assert result.success
    assert np.allclose(result.x, 1.0, atol=1e-4)
