"""Capped conjugate gradients keep what they promise of a direction; the method ends where it has a certificate."""

import numpy as np
import pytest

from secondorder import Objective, minimize
from secondorder.jit import f8, intp, tuple_type, typed, vector
from secondorder.linalg.random_vector import random_normal
from secondorder.subproblems import capped_cg as module
from tests.krylov.products import Product, control_at, entry, hvp_at
from tests.linalg.matrices import dirty, with_spectrum

pytestmark = pytest.mark.timeout(240)


def _capped(hvp, data, control, x, g, eps_h, zeta, y, r, p, bp, last, d):
    found = module.capped_cg(hvp_at(hvp), x, g, eps_h, zeta, 0.0, y, r, p, bp, last, d, control_at(control), (data, 0))
    return found.kind, found.dhd, found.eps, found.size


def _difference(hvp, data, control, x, g, eps, steps, y, r, p, bp, d, rd):
    return module.difference(hvp_at(hvp), x, g, eps, steps, y, r, p, bp, d, rd, control_at(control), (data, 0))


_capped = entry(_capped, tuple_type(intp, f8, f8, f8), vector, vector, f8, f8, *[vector] * 6)
_difference = entry(_difference, f8, vector, vector, f8, intp, *[vector] * 6)


@pytest.mark.parametrize("lowest", [1.0, 1e-3, 0.0, -1e-5, -1e-2, -1.0, -30.0])
@pytest.mark.parametrize("n", [1, 2, 5, 40])
@pytest.mark.parametrize("eps_h", [1e-1, 1e-4])
def test_a_direction_is_a_solution_or_has_negative_curvature(lowest, n, eps_h):
    H = with_spectrum(np.append(np.linspace(0.5, 3.0, n)[1:], lowest), n)
    g, d = np.random.default_rng(n).standard_normal(n), dirty(n)
    product = Product(H)
    kind, dhd, eps, size = _capped(*product.arguments, np.zeros(n), g, eps_h, 0.5, *[dirty(n) for _ in range(5)], d)
    dd = d @ d
    assert abs(dhd - d @ H @ d) <= 1e-9 * dd * np.linalg.norm(H, 2)
    assert size <= np.linalg.norm(H, 2) * (1 + 1e-12)
    if lowest == 0.0 and n == 1:
        assert kind == module.STEEPEST
    elif kind == module.CURVATURE:
        assert dhd < -eps * dd * (1 - 1e-9)
        assert lowest < 0.0
    else:
        assert kind == module.SOLUTION
        residual = np.linalg.norm(H @ d + 2 * eps * d + g)
        assert residual <= 0.5 / (3 * (size + 2 * eps) / eps) * np.linalg.norm(g) * (1 + 1e-6)
        assert dhd >= -eps * dd * (1 + 1e-9)
        assert lowest >= -3 * eps or n > 1
    assert product.count <= 2 * n + 2


@pytest.mark.parametrize("seed", range(5))
def test_the_difference_of_iterates_is_the_first_of_negative_curvature(seed):
    n, steps, eps = 8, 4, 1e-3
    random = np.random.default_rng(seed)
    H = with_spectrum(random.standard_normal(n), seed)
    B, g = H + 2 * eps * np.eye(n), random.standard_normal(n)
    y, r, p = np.zeros(n), g, -g
    iterates, residuals = [y], [r]
    for _ in range(steps + 1):
        alpha, old = r @ r / (p @ B @ p), r
        y, r = y + alpha * p, r + alpha * (B @ p)
        p = -r + (r @ r) / (old @ old) * p
        iterates.append(y)
        residuals.append(r)
    d, rd = iterates[-1].copy(), residuals[-1].copy()
    changes = [d - y for y in iterates[:steps]]
    found = [change for change in changes if change @ B @ change < eps * (change @ change)]
    curvature = _difference(*Product(H).arguments, dirty(n), g, eps, steps, *[dirty(n) for _ in range(4)], d, rd)
    if found:
        np.testing.assert_allclose(d, found[0], rtol=0.0, atol=1e-8 * np.linalg.norm(found[0]))
        assert curvature == pytest.approx(d @ B @ d, rel=1e-6)
    else:
        assert curvature == np.inf
        assert np.array_equal(d, iterates[-1])


def _random(seed, v):
    random_normal(seed, v)
    return 0.0


def test_random_vectors_are_normal_and_the_same_for_a_seed():
    fill = typed(_random, f8(intp, vector), flags={"error_model": "numpy"})
    v, again, other = np.empty(20000), np.empty(20000), np.empty(20000)
    fill(3, v), fill(3, again), fill(4, other)
    assert np.array_equal(v, again)
    assert abs(v @ other) / 20000 < 0.03
    assert abs(v.mean()) < 0.03
    assert abs(v.std() - 1.0) < 0.03
    assert abs(np.mean(v**4) - 3.0) < 0.2


class Saddle:
    """f = x'Ax / 2 + sum x_i^4 / 4, A indefinite: a strict saddle point at 0."""

    def __init__(self, n, negative, seed=1):
        self.A = with_spectrum(np.append(-np.linspace(0.5, 1.0, negative), np.linspace(0.5, 2.0, n - negative)), seed)

    def fun(self, x):
        return 0.5 * x @ self.A @ x + 0.25 * np.sum(x**4)

    def fun_grad(self, x, g):
        g[:] = self.A @ x + x**3
        return self.fun(x)

    def hvp(self, x, v, out):
        out[:] = self.A @ v + 3.0 * x**2 * v

    def hessian(self, x):
        return self.A + 3.0 * np.diag(x**2)

    def minimize(self, x0, **options):
        objective = Objective(self.fun_grad, fun=self.fun, hvp=self.hvp)
        return minimize(objective, x0, method="newton-cg-capped", backend="python", options=options)


@pytest.mark.parametrize("n", [2, 5, 30])
@pytest.mark.parametrize("start", [0.0, 1e-13, 1e-3, 1.0])
def test_it_leaves_saddle_points_and_ends_with_a_certificate(n, start):
    problem = Saddle(n, max(1, n // 5))
    x0 = start * np.linalg.eigh(problem.A)[1][:, -1]  # no component of negative curvature
    result = problem.minimize(x0, gtol=1e-8)
    assert result.success
    found, lowest = result.oracle, np.linalg.eigvalsh(problem.hessian(result.x))[0]
    assert result.fun < 0.0
    assert lowest > 0.0
    assert found["failure"] <= 1e-6
    assert 0 < found["products"] <= n
    assert lowest * (1.0 - 1e-9) <= found["curvature"]
    assert found["bound"] < 0.0
    if found["products"] == n:
        assert found["failure"] == 0.0
        assert found["curvature"] == pytest.approx(lowest, rel=1e-6)


def test_a_certificate_says_what_was_not_asked_of_it():
    problem = Saddle(60, 1)
    sure, unsure = problem.minimize(np.ones(60)), problem.minimize(np.ones(60), m=3, eps_h=1e-2)
    assert sure.oracle["failure"] <= 1e-6
    assert unsure.success
    assert unsure.oracle["products"] == 3
    assert unsure.oracle["failure"] > 0.1
    stopped = problem.minimize(np.ones(60), maxiter=1)
    assert not stopped.success
    assert np.isnan(stopped.oracle["curvature"])
    assert stopped.oracle["failure"] == 1.0


def test_the_probability_of_failure_is_kept_with_fewer_than_n_products():
    problem = Saddle(200, 2)
    result = problem.minimize(np.ones(200), eps_h=0.05, failure=1e-3)
    assert result.success
    assert result.oracle["products"] < 100
    assert result.oracle["failure"] <= 1e-3
    assert np.linalg.eigvalsh(problem.hessian(result.x))[0] >= result.oracle["bound"]


def test_the_oracle_is_certain_where_the_space_of_its_start_is_exhausted():
    def fun_grad(x, g):
        g[:] = 2.0 * x
        return x @ x

    def hvp(x, v, out):
        out[:] = 2.0 * v

    result = minimize(Objective(fun_grad, hvp=hvp), np.ones(300), method="newton-cg-capped")
    assert (result.oracle["products"], result.oracle["failure"]) == (1, 0.0)
    assert result.certificate.probability == 0.0
    assert result.certificate.lower == pytest.approx(2.0, rel=1e-12)


def test_a_seed_changes_the_way_and_nothing_else_does():
    problem = Saddle(10, 3)
    one, same, other = (problem.minimize(np.zeros(10), gtol=1e-8, oracle_seed=seed) for seed in (0, 0, 5))
    assert np.array_equal(one.x, same.x)
    assert not np.array_equal(one.x, other.x)
