"""On a GPU: what the CPU gives, to rounding. Skipped where there is none; small enough for the simulator, too."""

import numpy as np
import pytest
from numba import config, cuda, njit

import secondorder as so
from secondorder.device import ON_DEVICE
from secondorder.updates import UPDATES
from tests.cuda.kernels import fun_grad, hess, hvp
from tests.updates.test_updates import CASES, CLASSES

SIMULATED = bool(config.ENABLE_CUDASIM)

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not cuda.is_available(), reason="there is no CUDA device")]


def agree(found, expected, share):
    """Statuses are equal; so are points, but for a share of problems that went another way by rounding."""
    assert found.status.tolist() == expected.status.tolist()
    x = found.x.copy_to_host() if hasattr(found.x, "copy_to_host") else found.x
    same = np.isclose(x, expected.x, rtol=1e-5, atol=1e-5, equal_nan=True).all(axis=1)
    assert same.mean() >= 1.0 - share


@pytest.mark.parametrize("method", so.METHODS)
def test_a_batch_has_the_points_of_the_cpu(method):
    B = 33 if SIMULATED else 5000
    X = np.tile([-1.2, 1.0], (B, 2)) + 0.1 * np.random.default_rng(1).standard_normal((B, 4))
    a, objective = np.geomspace(1.0, 10.0, B), so.Objective(fun_grad, hvp=hvp, hess=hess)
    options = {"maxiter": 3} if SIMULATED else {}
    given = {"method": method, "batched": (True,), "options": options}
    expected = so.minimize_batch(objective, X, (a,), **given)
    agree(so.minimize_batch(objective, X, (a,), device="cuda", **given), expected, 0.01)
    there = so.minimize_batch(
        objective, cuda.to_device(X), (cuda.to_device(a),), device="cuda", stream=cuda.stream(), **given
    )
    agree(there, expected, 0.01)


@njit
def misfit(p, t, y):
    """The sum of squared residuals of an exponential."""
    f = 0.0
    for i in range(t.shape[0]):
        f += (p[0] * np.exp(-p[1] * t[i]) - y[i]) ** 2
    return f


def test_derivatives_are_generated_for_the_device():
    B, t = 33 if SIMULATED else 5000, np.linspace(0.0, 2.0, 20)
    rates = np.linspace(0.5, 2.0, B)[:, None]
    options = {"maxiter": 3} if SIMULATED else {}
    given = {"args": (t, 3.0 * np.exp(-rates * t)), "method": "bfgs", "batched": (False, True), "options": options}
    X = np.ones((B, 2))
    agree(so.minimize_batch(misfit, X, device="cuda", **given), so.minimize_batch(misfit, X, **given), 0.0)


def curve(t, a, b):
    """A decay."""
    return a * np.exp(-b * t)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_fits_have_the_points_and_covariances_of_the_cpu(dtype):
    B, t = 33 if SIMULATED else 5000, np.linspace(0.0, 2.0, 20)
    Y = curve(t, 3.0, np.linspace(0.5, 2.0, B)[:, None]) + 0.01 * np.random.default_rng(3).standard_normal((B, 20))
    Y[0, 3], Y[1] = np.nan, np.nan
    expected = so.curve_fit_batch(curve, t, Y, np.ones((B, 2)))
    for given in (Y, cuda.to_device(Y)):
        found = so.curve_fit_batch(curve, t, given, np.ones((B, 2)), device="cuda", dtype=dtype)
        assert found.status.tolist() == expected.status.tolist()
        rtol = 1e-6 if dtype == "float64" else 2e-3
        np.testing.assert_allclose(found.x, expected.x, rtol=rtol)
        np.testing.assert_allclose(found.covariance, expected.covariance, rtol=50.0 * rtol, atol=1e-9)


@pytest.mark.parametrize("method", so.kernels.IN_SINGLE)
def test_a_batch_in_float32_comes_near_the_points_of_float64(method):
    B = 33 if SIMULATED else 5000
    X = np.ones((B, 2)) + 0.1 * np.random.default_rng(1).standard_normal((B, 2))
    a, objective = np.geomspace(1.0, 10.0, B), so.Objective(fun_grad, hvp=hvp, hess=hess)
    found = so.minimize_batch(objective, X, (a,), method, batched=(True,), device="cuda", dtype="float32", tol=1e-3)
    assert (found.x.dtype, found.success.all()) == (np.float32, True)
    np.testing.assert_allclose(found.x, 1.0, atol=0.02)


def test_points_of_the_device_have_certificates():
    B = 33 if SIMULATED else 5000
    X = np.tile([0.0, 0.5], (B, 1))
    X[::2, 0] = 0.7
    found = so.minimize_batch(
        lambda x: (x[0] ** 2 - 1.0) ** 2 + x[1] ** 2, X, method="bfgs", device="cuda", second_order="certify"
    )
    assert found.certificate.verdict.tolist() == (["minimum", "saddle"] * B)[:B]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", UPDATES)
def test_a_step_of_a_rule_is_that_of_the_cpu(name, dtype):
    n, random = 20 if SIMULATED else 1_000_003, np.random.default_rng(2)
    x, g = random.standard_normal(n).astype(dtype), random.standard_normal(n).astype(dtype)
    update = CLASSES[name](**next(options for rule, options in CASES if rule == name), clip_norm=10.0)
    diagonal = np.abs(g) if "hvp" in update.rule.NEEDS else None
    here, there = x.copy(), cuda.to_device(x)
    one, other = update.init(here), update.init(there)
    for _ in range(3):
        update.step(here, g, one, f=1.0, diagonal=diagonal)
        update.step(there, cuda.to_device(g), other, f=1.0, diagonal=diagonal)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(there.copy_to_host(), here, rtol=tolerance, atol=tolerance)


@cuda.jit
def valley(x, g, scales):
    """The gradient of sum_i scales_i x_i^2 / 2 + x_i^4 / 4."""
    for i in range(cuda.grid(1), x.shape[0], cuda.gridsize(1)):
        g[i] = scales[i] * x[i] + x[i] * x[i] * x[i]


@pytest.mark.parametrize("method", ON_DEVICE)
def test_a_large_problem_is_solved_with_its_vectors_on_the_device(method):
    from secondorder.backends.cuda_vectors import Verbs

    n = 4 if SIMULATED else 1_000_000
    scales, verbs = np.geomspace(1.0, 10.0, n), Verbs(n, 0)
    on_device = cuda.to_device(scales)

    def function(x, g):
        valley[max(1, n // 256), 4 if SIMULATED else 256](x, g, on_device)
        return 0.25 * float(verbs.dot(x, g)) + 0.25 * float(verbs.weighted(x, on_device))

    options = {"gtol": 1e-2 if SIMULATED else 1e-6} | ({"patience": 3} if method == "perturbed-gd" else {})
    found = so.minimize_on_device(function, cuda.to_device(np.ones(n)), method=method, options=options)
    assert found.success
    x = found.x.copy_to_host()
    assert np.max(np.abs(scales * x + x**3)) <= options["gtol"]
    again = so.minimize_on_device(function, np.ones(n), method=method, options=options)
    assert again.x.copy_to_host().tobytes() == x.tobytes()


def test_a_saddle_is_left_with_its_vectors_on_the_device():
    from secondorder.backends.cuda_vectors import Verbs

    n = 4 if SIMULATED else 100_000
    scales, verbs = np.linspace(1.0, 3.0, n), Verbs(n, 0)
    scales[::4] *= -1.0
    on_device = cuda.to_device(scales)

    def function(x, g):
        valley[max(1, n // 256), 4 if SIMULATED else 256](x, g, on_device)
        return 0.25 * float(verbs.dot(x, g)) + 0.25 * float(verbs.weighted(x, on_device))

    found = so.minimize_on_device(function, np.zeros(n), method="newton-cg", options={"gtol": 1e-5})
    assert (found.success, found.certificate.verdict) == (True, "minimum")
    assert found.nescape >= 1
    np.testing.assert_allclose(np.abs(found.x.copy_to_host()), np.sqrt(np.maximum(-scales, 0.0)), atol=1e-4)


def logistic(w, row, label):
    """A term of a mean over rows."""
    z = np.dot(row, w)
    return np.logaddexp(0.0, z) - label * z


def ridge(w):
    """Its regularizer."""
    return 0.01 * np.dot(w, w)


def test_a_mean_over_rows_has_the_minimum_and_the_hessian_of_the_cpu():
    rows, n = (40, 2) if SIMULATED else (300_000, 20)
    random = np.random.default_rng(3)
    A = random.standard_normal((rows, n))
    y = (A @ np.linspace(-1.0, 1.0, n) + random.standard_normal(rows) > 0.0) * 1.0
    risk, x0 = so.FiniteSum(logistic, (A, y), ridge), np.zeros(n)
    expected = so.minimize(risk, x0, method="newton-cg", options={"gtol": 1e-8})
    found, again = [so.minimize_on_device(risk, x0, method="newton-cg", options={"gtol": 1e-8}) for _ in range(2)]
    np.testing.assert_allclose(found.x.copy_to_host(), expected.x, rtol=1e-5, atol=1e-6)
    assert found.x.copy_to_host().tobytes() == again.x.copy_to_host().tobytes()
    v = np.linspace(1.0, 2.0, n)
    there, here = so.hessian_at(risk, cuda.to_device(expected.x)), so.hessian_at(risk, expected.x)
    np.testing.assert_allclose((there @ cuda.to_device(v)).copy_to_host(), here @ v, rtol=1e-10)
    np.testing.assert_allclose(so.cg(there, cuda.to_device(v)).x.copy_to_host(), so.cg(here, v).x, rtol=1e-6)


@cuda.jit
def second_differences(v, out):
    """Out <- A v for a tridiagonal matrix with eigenvalues in 0.01..4.01."""
    n = v.shape[0]
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        out[i] = 2.01 * v[i] - (v[i - 1] if i > 0 else 0.0) - (v[i + 1] if i < n - 1 else 0.0)


def test_systems_and_eigenvalues_there_are_those_of_the_cpu():
    n = 12 if SIMULATED else 20_000
    blocks, threads = (2, 2) if SIMULATED else (64, 128)
    b = np.random.default_rng(4).standard_normal(n)

    def there(v, out):
        second_differences[blocks, threads](v, out)

    A = so.hessian_at(lambda x: 0.5 * (2.01 * np.dot(x, x) - 2.0 * np.dot(x[1:], x[:-1])), np.zeros(n))
    for solve in (so.cg, so.minres):
        found, expected = solve(there, cuda.to_device(b)), solve(A, b)
        assert (found.reason, found.success) == (expected.reason, True)
        assert abs(found.n_products - expected.n_products) <= 2
        np.testing.assert_allclose(found.x.copy_to_host(), expected.x, atol=1e-5 * np.abs(expected.x).max())
    found, expected = so.lanczos(there, v0=cuda.to_device(b), rtol=1e-4), so.lanczos(A, v0=b, rtol=1e-4)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-3)
