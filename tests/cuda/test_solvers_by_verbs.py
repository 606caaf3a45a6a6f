"""The text of a method, run by Python over verbs: outside the simulator, where kernels are compiled and have no Python.

NumPy's vectors stand for those of a device: what is tested is that a run takes the steps of the compiled method.
"""

import types

import numpy as np
import pytest
from numba import cuda

import secondorder as so
from secondorder.device import ON_DEVICE
from secondorder.escapes import ESCAPES


class NumPyVerbs:
    """The verbs of backends.cuda_vectors, for vectors of NumPy."""

    def __init__(self, n, stream, sums=4):
        self.n = n

    def dot(self, x, y):
        return np.dot(x, y)

    def distance2(self, x, y):
        return np.dot(x - y, x - y)

    def norm_inf(self, x):
        return np.max(np.where(np.isfinite(x), np.abs(x), np.nan), initial=0.0)

    def axpby(self, a, x, b, y, out):
        out[:] = a * x + b * y

    def axpy(self, a, x, y, out):
        out[:] = a * x + y

    def axpy_dot(self, a, x, y, z):
        y += a * x
        return np.dot(y, z)

    def copy(self, x, out):
        out[:] = x

    def scale(self, a, x, out):
        out[:] = a * x

    def fill(self, a, out):
        out[:] = a

    def divide(self, x, y, out):
        out[:] = x / y

    def move(self, x, xt):
        step = np.max(np.abs(xt - x)), np.max(np.abs(xt))
        x[:] = xt
        return step

    def same(self, x, xt):
        return np.array_equal(x, xt)

    def weighted(self, p, D):
        return np.sum(p * D * p)

    def learn_from(self, p, hp, pdp, php, unit, D):
        dp = D * p
        d = D - dp / pdp * dp + unit * (hp / php * hp)
        D[:] = np.where((d > 2.0**-52 * D) & (d < np.inf), d, D)

    def change(self, work, rows, count, g, gt, sums):
        g[:] = gt - g
        for k in range(count):
            sums[k] = work[int(rows[k])] @ gt
        sums[count : count + 3] = g @ gt, g @ g, self.norm_inf(gt)
        return sums[count + 2]

    def combine(self, work, rows, coefficients, count, out, sums):
        out[:] = sum(coefficients[k] * work[int(rows[k])] for k in range(count))
        sums[:3] = work[int(rows[0])] @ out, out @ out, self.norm_inf(out)
        return sums[0]

    def multiply(self, x, y, out):
        out[:] = x * y

    def three_products(self, p, h):
        return p @ p, p @ h, h @ h

    def step_of_cg(self, alpha, p, h, s, r):
        s += alpha * p
        r -= alpha * h
        return r @ r

    def step_of_minres(self, v, epsilon, delta, w, gamma, phi, before, s):
        before[:] = (v - epsilon * before - delta * w) / gamma
        s += phi * before

    def orthogonalize(self, V, rows, w):
        w -= V[:rows].T @ (V[:rows] @ w)

    def combine_first(self, V, coefficients, out):
        out[:] = coefficients @ V[: len(coefficients)]

    def sum_of(self, name, x):
        assert name == "largest"
        return np.max(np.abs(x))

    def random_normal(self, a, b, size, out):
        for i in range(self.n):
            a, b = 40014 * a % 2147483563, 40692 * b % 2147483399
            u = ((a - b) % 2147483562 or 2147483562) / 2147483563
            a, b = 40014 * a % 2147483563, 40692 * b % 2147483399
            v = ((a - b) % 2147483562 or 2147483562) / 2147483563
            out[i] = size * np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)


@pytest.fixture
def without_device(monkeypatch):
    """The backend on vectors of NumPy."""
    from secondorder.backends import cuda as backend
    from secondorder.backends import cuda_krylov, cuda_saddle, cuda_solvers

    def device_array(n, dtype, stream):
        return np.full(n, np.nan, dtype)

    monkeypatch.setattr(backend, "check_available", lambda what, instead: None)
    arrays = types.SimpleNamespace(device_array=device_array, to_device=lambda array, stream: array.copy())
    for module in (cuda_solvers, cuda_krylov):
        monkeypatch.setattr(module, "Verbs", NumPyVerbs)
        monkeypatch.setattr(module, "cuda", arrays)
    monkeypatch.setattr(cuda_krylov, "device_array_of", lambda name, value: np.asarray(value))
    monkeypatch.setattr(cuda_krylov, "flat", lambda name, array: array)
    monkeypatch.setattr(cuda_saddle, "cuda", arrays)
    for module in (cuda_krylov, cuda_saddle):
        monkeypatch.setattr(module, "free_memory", lambda: np.inf)


class There(np.ndarray):
    """A vector that says that it is on a device."""

    __cuda_array_interface__: dict = {}


def there(v):
    return np.array(v).view(There)


def fun_grad(x, g, a):
    """Chained Rosenbrock."""
    u, v = x[1:] - x[:-1] ** 2, 1.0 - x[:-1]
    g[:] = 0.0
    g[:-1] = -4.0 * a * u * x[:-1] - 2.0 * v
    g[1:] += 2.0 * a * u
    return a * np.sum(u * u) + np.sum(v * v)


def hvp(x, v, out, a):
    """Products with its Hessian."""
    out[:] = 0.0
    out[:-1] = (12.0 * a * x[:-1] ** 2 - 4.0 * a * x[1:] + 2.0) * v[:-1] - 4.0 * a * x[:-1] * v[1:]
    out[1:] += 2.0 * a * v[1:] - 4.0 * a * x[:-1] * v[:-1]


@pytest.mark.skipif(cuda.is_available(), reason="there is a device")
def test_without_a_device_there_is_an_error_with_a_way_out():
    with pytest.raises(RuntimeError, match=r"minimize_on_device needs an NVIDIA GPU.*minimize gives the same results"):
        so.minimize_on_device(fun_grad, np.ones(3), (1.0,))
    elsewhere = types.SimpleNamespace(__cuda_array_interface__={}, shape=(3,), dtype=np.float64)
    with pytest.raises(RuntimeError, match=r"an array on a device needs.*a copy of it in NumPy"):
        so.Adam().init(elsewhere)
    many = np.ones((5000, 2))
    found = so.minimize_batch(so.Objective(fun_grad), many, (1.0,), device="auto", options={"maxiter": 0})
    assert found.backend != "cuda"


@pytest.mark.parametrize("n", [2, 30])
@pytest.mark.parametrize("method", ON_DEVICE)
def test_a_run_takes_the_steps_of_the_compiled_method(without_device, method, n):
    x0, options = np.tile([-1.2, 1.0], n // 2), {"maxiter": 8}
    compiled = so.minimize(
        so.Objective(fun_grad, hvp=hvp), x0, (10.0,), method, options=options, second_order=False
    )  # fmt: skip
    found = so.minimize_on_device(fun_grad, x0, (10.0,), method, hvp=hvp, options=options, second_order=False)
    for name in ("status", "nit", "nfev", "njev", "nhev", "nrestart", "nskip"):
        assert found[name] == compiled[name], name
    np.testing.assert_allclose(found.x, compiled.x, rtol=1e-7)
    np.testing.assert_allclose(found.jac, compiled.jac, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("callback", [None, lambda state: None])
def test_l_bfgs_of_long_vectors_takes_the_steps_of_the_compiled_method(without_device, callback):
    x0, options = np.tile([-1.2, 1.0], 1500), {"maxiter": 15}
    compiled = so.minimize(so.Objective(fun_grad), x0, (10.0,), "l-bfgs", options=options)
    found = so.minimize_on_device(fun_grad, x0, (10.0,), "l-bfgs", options=options, callback=callback)
    assert (found.status, found.nit, found.nfev) == (compiled.status, compiled.nit, compiled.nfev)
    np.testing.assert_allclose(found.x, compiled.x, rtol=1e-6)
    np.testing.assert_allclose(found.jac, compiled.jac, rtol=1e-5, atol=1e-5)


def test_a_callback_of_long_vectors_gets_the_iterate(without_device):
    def callback(state):
        g = np.empty_like(state.x)
        assert state.fun == fun_grad(state.x, g, 10.0)
        assert state.optimality == np.abs(g).max()

    so.minimize_on_device(
        fun_grad, np.tile([-1.2, 1.0], 1500), (10.0,), "l-bfgs", options={"maxiter": 5}, callback=callback
    )


@pytest.mark.parametrize("method", ON_DEVICE)
def test_long_vectors_are_solved(without_device, method):
    n = 3000
    scales = np.geomspace(1.0, 50.0, n)

    def bowl(x, g):
        g[:] = scales * x + 0.1 * np.sin(x)
        return 0.5 * np.sum(scales * x * x) - 0.1 * np.sum(np.cos(x))

    found = so.minimize_on_device(bowl, np.ones(n), method=method, options={"gtol": 1e-6})
    assert found.success
    assert np.max(np.abs(scales * found.x + 0.1 * np.sin(found.x))) <= 1e-6


@pytest.mark.parametrize("search", so.LINE_SEARCHES)
def test_every_line_search_runs(without_device, search):
    options = {"line_search": search, "maxiter": 5} | ({"alpha": 1e-3} if search == "fixed" else {})
    x0 = np.tile([-1.2, 1.0], 3)
    compiled = so.minimize(so.Objective(fun_grad), x0, (10.0,), "l-bfgs", options=options)
    found = so.minimize_on_device(fun_grad, x0, (10.0,), "l-bfgs", options=options)
    assert (found.status, found.nit, found.nfev) == (compiled.status, compiled.nit, compiled.nfev)
    np.testing.assert_allclose(found.x, compiled.x, rtol=1e-8)


def test_an_unbounded_function_and_one_that_is_nan_are_told(without_device):
    def slope(x, g):
        g[:] = -1.0
        return -np.sum(x)

    assert so.minimize_on_device(slope, np.ones(3)).status == 4
    assert so.minimize_on_device(lambda x, g: np.nan, np.ones(3)).status == 3


def test_numbers_may_be_divided_by_zero_as_in_compiled_code(without_device):
    def flat(x, g):
        g[:] = 0.0
        return 1.0

    for method in ON_DEVICE:
        assert so.minimize_on_device(flat, np.ones(3), method=method).success


def second_differences(v, out, shift):
    """A matrix (n, n) with n different eigenvalues in 0..4, less a shift."""
    out[:] = (2.0 - shift) * v
    out[1:] -= v[:-1]
    out[:-1] -= v[1:]


@pytest.mark.parametrize(("solve", "shift"), [(so.cg, 0.0), (so.minres, 0.01), (so.cg, 0.01)])
def test_linear_systems_take_the_steps_of_the_compiled_kernel(without_device, solve, shift):
    b = np.random.default_rng(5).standard_normal(60)
    compiled, found = [solve(second_differences, v, args=(shift,)) for v in (b, there(b))]
    assert (found.reason, found.n_products) == (compiled.reason, compiled.n_products)
    np.testing.assert_allclose(found.x, compiled.x, rtol=1e-6, atol=1e-6 * np.abs(compiled.x).max())
    assert found.norm == pytest.approx(compiled.norm, rel=1e-6)


@pytest.mark.parametrize(("which", "k"), [("smallest", 1), ("both", 3)])
def test_lanczos_takes_the_steps_of_the_compiled_kernel(without_device, which, k):
    v0 = np.random.default_rng(6).standard_normal(150)
    compiled, found = [so.lanczos(second_differences, k, which, args=(0.01,), v0=v) for v in (v0, there(v0))]
    assert (found.reason, found.n_products) == (compiled.reason, compiled.n_products)
    np.testing.assert_allclose(found.values, compiled.values, rtol=1e-10)
    np.testing.assert_allclose(np.abs(compiled.vectors.T @ found.vectors), np.eye(found.values.size), atol=1e-6)


def wave(x, g):
    """A saddle at 0, of which half of all directions lead down; minima beside it."""
    curvature = np.linspace(-5.0, 4.0, x.size)
    g[:] = curvature * x + x * x * x
    return 0.5 * np.sum(curvature * x * x) + 0.25 * np.sum(x * x * x * x)


def wave_product(x, v, out):
    """Products with its Hessian."""
    out[:] = (np.linspace(-5.0, 4.0, x.size) + 3.0 * x * x) * v


def of_certificate(result):
    """What its certificate says, but for the direction."""
    return [value for name, value in result.certificate._asdict().items() if name != "direction"]


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("method", ["newton-cg", "l-bfgs"])
def test_a_saddle_is_left_as_by_the_compiled_method(without_device, method, escape):
    x0, given = np.zeros(30), {"options": {"escape": escape, "gtol": 1e-6, "maxiter": 100}, "second_order": "escape"}
    compiled = so.minimize(so.Objective(wave, hvp=wave_product), x0, method=method, **given)
    found = so.minimize_on_device(wave, x0, method=method, hvp=wave_product, **given)
    assert found.nescape == compiled.nescape >= 1
    for name in ("status", "nit", "nfev", "njev", "nhev"):
        assert found[name] == compiled[name], name
    np.testing.assert_allclose(found.x, compiled.x, rtol=1e-5, atol=1e-5)
    for value, expected in zip(of_certificate(found), of_certificate(compiled)):
        assert value == (pytest.approx(expected, rel=1e-4, abs=1e-9) if isinstance(expected, float) else expected)


def test_a_saddle_is_told_where_it_is_not_left(without_device):
    given = {"method": "trust-ncg", "second_order": "certify"}
    compiled = so.minimize(so.Objective(wave, hvp=wave_product), np.zeros(30), **given)
    found = so.minimize_on_device(wave, np.zeros(30), **given)
    assert (found.status, found.reason, found.success) == (compiled.status, compiled.reason, False)
    assert found.certificate.verdict == "saddle"
    assert found.certificate.lambda_min == pytest.approx(-5.0, abs=0.5)
    assert found.njev == 1 + 2 * found.certificate.n_products, "products are differences of gradients"
    v = found.certificate.direction
    assert v @ (np.linspace(-5.0, 4.0, 30) * v) == pytest.approx(found.certificate.lambda_min, rel=1e-6)


def test_curvature_is_not_looked_for_in_float32(without_device):
    x0 = np.zeros(30, np.float32)
    assert so.minimize_on_device(wave, x0, method="newton-cg").success, "a saddle, but who knows"
    with pytest.raises(ValueError, match="needs x0 in float64"):
        so.minimize_on_device(wave, x0, method="newton-cg", second_order="escape")
