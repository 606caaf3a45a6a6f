"""Where a run has met its gradient tolerance and the Newton step still promises much of f, it goes on."""

import numpy as np
import pytest

from secondorder import PROBLEMS, Objective, minimize
from secondorder.jit import f8, matrix
from secondorder.subproblems import newton_decrement as module
from tests.linalg.matrices import dirty, kernel, with_spectrum
from tests.naive import second_order as naive
from tests.objectives import made_once

pytestmark = pytest.mark.timeout(120)

newton_decrement = kernel(module.newton_decrement, f8, matrix, matrix, matrix)
LOOSE = {"grtol": 1e-5}
# a Hessian, and n products; with these the gradient is small on the wall of the valley, far above its floor
ROWS = [("newton", {"modification": "shift"}), ("trust-krylov", {})]
rows = pytest.mark.parametrize(("method", "own"), ROWS, ids=[row[0] for row in ROWS])


@pytest.mark.parametrize(
    "w", [(1.0, 2.0, 30.0), (-1.0, 2.0, 3.0, 5.0), (1e-12, 1.0), (0.0, 1.0, 2.0), (-1e9, 1.0, 2.0)]
)
def test_the_decrement_and_the_step_are_those_of_the_twin(w):
    H, n = with_spectrum(np.array(w), 3), len(w)
    g, work = np.random.default_rng(n).standard_normal(n), dirty(6 + 2 * n, n)
    work[0] = g
    d = -np.linalg.solve(naive.absolute(H) if w[0] <= 0.0 else H, g)
    before = H.copy()
    assert newton_decrement(H, dirty(n, n), work) == pytest.approx(-0.5 * g @ d, rel=1e-3 if w[0] == 1e-12 else 1e-9)
    assert np.array_equal(H, before)
    assert np.array_equal(work[0], g)


def meyer(method, second_order=None, **options):
    """(result, calls of f and of products) on Meyer's problem."""
    problem = PROBLEMS["meyer"]
    calls = np.zeros(2, int)

    def fun_grad(x, g):
        calls[0] += 1
        return problem.fun_grad(x, g)

    def hvp(x, v, out):
        calls[1] += 1
        problem.hvp(x, v, out)

    objective = Objective(fun_grad, hvp=hvp)
    options = LOOSE | options
    result = minimize(
        objective, problem.x0(), method=method, backend="python", second_order=second_order, options=options
    )
    return result, calls


@rows
def test_a_run_goes_on_from_the_wall_of_a_valley(method, own):
    expected, _ = meyer(method, False, **own)
    result, calls = meyer(method, history=True, **own)
    assert result.success and result.fun <= 0.5 * expected.fun
    assert (result.nfev, result.njev) == (calls[0], calls[0])
    assert result.history["fun"].size == result.nit + 1 > expected.nit + 1
    assert result.criteria[0]["met"]
    assert result.nescape == 0


@rows
def test_a_run_that_goes_on_and_comes_to_no_end_is_what_it_would_have_been(method, own):
    expected, whole = meyer(method, False, **own)[0], meyer(method, **own)[0]
    for maxiter in range(expected.nit, whole.nit + 1):
        result = meyer(method, maxiter=maxiter, **own)[0]
        assert result.success and result.nit <= maxiter
        assert result.optimality == np.max(np.abs(result.jac)) <= result.criteria[0]["threshold"]
        assert result.fun == PROBLEMS["meyer"].fun(result.x) <= expected.fun
    for maxfev in range(expected.nfev + 1, whole.nfev + 1):
        result, calls = meyer(method, maxfev=maxfev, **own)
        assert result.success and result.nfev == calls[0] <= maxfev + 1
        assert np.array_equal(result.jac, PROBLEMS["meyer"].gradient(result.x))


@rows
def test_a_point_that_is_only_to_be_certified_is_not_left(method, own):
    assert meyer(method, "certify", **own)[0].nit == meyer(method, False, **own)[0].nit


@pytest.mark.parametrize("name", ["rosenbrock", "broyden-tridiagonal", "helical-valley"])
@pytest.mark.parametrize("method", ["newton", "trust-krylov"])
def test_nothing_is_evaluated_where_the_newton_step_promises_little(name, method):
    problem = PROBLEMS[name]
    objective = made_once(problem.fun_grad, hvp=problem.hvp)
    runs = [
        minimize(objective, problem.x0(), method=method, second_order=mode, options=LOOSE) for mode in (True, False)
    ]
    assert runs[0].nfev == runs[1].nfev
    assert np.array_equal(runs[0].x, runs[1].x)
