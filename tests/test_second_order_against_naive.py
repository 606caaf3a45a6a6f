"""Second-order methods take the steps of their twins in NumPy: on quadratics, convex or not, and on small problems."""

import functools

import numpy as np
import pytest

from secondorder import Objective, minimize
from secondorder.problems import PROBLEMS
from tests.halving import halving, halving_twin
from tests.naive import second_order as naive
from tests.objectives import made_once

pytestmark = pytest.mark.timeout(120)

EXACTLY = {"forcing": "constant", "eta_max": 1e-12}
SEARCH = {"line_search": halving, "initial_step": "constant", "alpha": 1.0}


def exact(g, H, delta, relative):
    return naive.exact_step(g, H, delta)


def steihaug(g, H, delta, relative):
    return naive.steihaug_step(g, H, delta, min(0.1, np.sqrt(relative)))


def searching(twin, **options):
    return lambda f, g, H, x, steps: twin(f, g, H, x, halving_twin, steps, **options)


def planar(step, **options):
    """Steps of a plane, with the shift that makes H definite."""

    def twin(f, g, H, x, steps):
        shift = naive.DefiniteShift()
        return naive.trust_region(
            f, g, H, x, steps, lambda g, H, delta, relative: step(g, H, delta, shift(H), **options)
        )

    return twin


def gradients_only(**options):
    return lambda f, g, H, x, steps: naive.sr1(f, g, x, steps, 2.0**-4, **options)


def region(step):
    return functools.partial(naive.trust_region, step=step)


ROWS = [
    ("newton", SEARCH | {"modification": "absolute"}, searching(naive.newton, modify=naive.absolute)),
    ("newton", SEARCH | {"modification": "shift"}, searching(naive.newton, modify=naive.shifted)),
    ("newton-cg", SEARCH | {"preconditioner": "none"}, searching(naive.newton_cg)),
    ("newton-cg-capped", {}, naive.capped_newton),
    ("saddle-free-newton", SEARCH | EXACTLY, searching(naive.newton, modify=naive.absolute)),
    ("trust-exact", {}, region(exact)),
    ("trust-krylov", EXACTLY, region(exact)),
    ("trust-ncg", {"preconditioner": "none"}, region(steihaug)),
    ("trust-ncg-capped", {}, naive.damped_trust_region),
    ("dogleg", {}, planar(naive.dogleg_step)),
    ("dogleg", {"double": True}, planar(naive.dogleg_step, double=True)),
    ("trust-subspace", {}, planar(naive.subspace_step)),
    ("sr1", {"delta0": 2.0**-4}, gradients_only()),
    ("l-sr1", {"delta0": 2.0**-4, "m": 3}, gradients_only(skip=1e-8, m=3)),
    ("perturbed-agd", {"delta0": 2.0**-4}, lambda f, g, H, x, steps: naive.accelerated(f, g, x, steps, 2.0**-4)),
    ("arc", {}, naive.cubic_regularisation),
    ("arc-krylov", EXACTLY, naive.cubic_regularisation),
]
rows = pytest.mark.parametrize(
    ("method", "options", "twin"), ROWS, ids=[f"{m}-{k}" for k, (m, _, _) in enumerate(ROWS)]
)


def iterates(problem, x0, method, options, steps):
    points = [np.array(x0)]
    objective = made_once(problem.fun_grad, fun=problem.fun, hvp=problem.hvp)
    options = options | {"maxiter": steps, "gtol": 0.0}
    minimize(
        objective,
        x0,
        method=method,
        backend="python",
        callback=points.append,
        options=options,
        second_order=False,  # twins don't look at where they end
    )
    return np.array(points)


class Quadratic:
    """f = x'Ax / 2 - b'x + sum x_i^4 / 4, for indefinite A too."""

    def __init__(self, eigenvalues, seed):
        random, n = np.random.default_rng(seed), len(eigenvalues)
        q, _ = np.linalg.qr(random.standard_normal((n, n)))
        self.A, self.b, self.x0 = (q * eigenvalues) @ q.T, random.standard_normal(n), random.standard_normal(n)
        self.A = 0.5 * (self.A + self.A.T)

    def fun(self, x):
        return 0.5 * x @ self.A @ x - self.b @ x + 0.25 * np.sum(x**4)

    def gradient(self, x):
        return self.A @ x - self.b + x**3

    def hessian(self, x):
        return self.A + 3.0 * np.diag(x**2)

    def fun_grad(self, x, g):
        g[:] = self.gradient(x)
        return self.fun(x)

    def hvp(self, x, v, out):
        out[:] = self.hessian(x) @ v


@rows
@pytest.mark.parametrize(
    "eigenvalues",
    [(1.0, 30.0), (-1.0, 2.0, 3.0), (-5.0, -4.0, 0.5, 1.0, 20.0), tuple(np.geomspace(1e-2, 1e2, 9))],
    ids=["convex", "one negative", "indefinite", "condition 1e4"],
)
def test_iterates_on_a_quartic_are_the_twins(method, options, twin, eigenvalues):
    problem = Quadratic(np.array(eigenvalues), 3)
    expected = twin(problem.fun, problem.gradient, problem.hessian, problem.x0, 5)
    found = iterates(problem, problem.x0, method, options, 5)
    assert len(found) == 6
    assert np.allclose(found, expected, rtol=0.0, atol=1e-7 * np.max(np.abs(expected)))


class InOtherUnits(Quadratic):
    """The same of d_i x_i."""

    def __init__(self, eigenvalues, seed, d):
        super().__init__(eigenvalues, seed)
        self.d, self.x0 = d, self.x0 / d

    def fun(self, x):
        return super().fun(self.d * x)

    def gradient(self, x):
        return self.d * super().gradient(self.d * x)

    def hessian(self, x):
        return np.outer(self.d, self.d) * super().hessian(self.d * x)


def test_newtons_steps_in_units_that_differ_by_1e7_are_those_of_the_twin_and_converge():
    w, d = np.array([-5.0, -4.0, 0.5, 1.0, 20.0]), np.array([1.0, 2.0**10, 2.0**-14, 2.0**3, 2.0**-6])
    problem = InOtherUnits(w, 3, d)
    options = SEARCH | {"modification": "absolute"}
    twin = searching(naive.newton, modify=naive.absolute)
    expected = twin(problem.fun, problem.gradient, problem.hessian, problem.x0, 5) * d
    found = iterates(problem, problem.x0, "newton", options, 5) * d
    assert np.allclose(found, expected, rtol=0.0, atol=1e-7)
    last = iterates(problem, problem.x0, "newton", options, 12)[-1]
    assert np.all(abs(problem.gradient(last) / d) <= 1e-6)


@rows
@pytest.mark.parametrize("name", ["rosenbrock", "himmelblau", "broyden-tridiagonal", "wood"])
def test_iterates_on_small_problems_are_the_twins(method, options, twin, name):
    problem, steps = PROBLEMS[name], 6
    x0 = problem.x0()
    expected = twin(problem.fun, problem.gradient, problem.hessian, x0, steps)
    found = iterates(problem, x0, method, options, steps)
    assert len(found) == steps + 1
    assert np.allclose(found, expected, rtol=0.0, atol=1e-6 * np.max(np.abs(expected)))


@pytest.mark.parametrize("modification", ["absolute", "shift", "gill-murray-wright", "schnabel-eskow"])
def test_every_modification_of_newtons_method_is_newtons_where_the_hessian_is_definite(modification):
    problem = Quadratic(np.array([1.0, 5.0, 30.0]), 4)
    expected = naive.newton(
        problem.fun, problem.gradient, problem.hessian, problem.x0, halving_twin, 4, modify=lambda H: H
    )
    found = iterates(problem, problem.x0, "newton", SEARCH | {"modification": modification}, 4)
    assert np.allclose(found, expected, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize(
    "method",
    [
        "newton",
        "newton-cg",
        "saddle-free-newton",
        "trust-exact",
        "trust-krylov",
        "trust-ncg",
        "dogleg",
        "trust-subspace",
        "arc",
        "arc-krylov",
    ],
)
@pytest.mark.parametrize("name", ["rosenbrock", "himmelblau", "wood", "powell-singular"])
def test_second_derivatives_are_evaluated_once_an_iteration_and_never_at_rejected_points(method, name):
    problem, calls = PROBLEMS[name], []

    def hvp(x, v, out):
        calls.append(x.copy())
        problem.hvp(x, v, out)

    points = [problem.x0()]
    objective = Objective(problem.fun_grad, fun=problem.fun, hvp=hvp)
    result = minimize(objective, points[0], method=method, backend="python", callback=points.append, second_order=False)
    accepted = {point.tobytes() for point in points[:-1]}
    assert {call.tobytes() for call in calls} <= accepted
    if method in ("newton", "trust-exact", "dogleg", "trust-subspace", "arc"):
        assert result.nhev == result.nit
        assert len(calls) == result.nit * problem.n
    else:
        assert result.nhev == len(calls)
