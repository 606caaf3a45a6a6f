"""Single problems on the device in Numba's CUDA simulator: a run there takes the CPU's steps, up to rounding.

Run as simulated.py is.
"""

import numpy as np
import pytest
from numba import config, cuda

import secondorder as so
from secondorder.backends import cuda_saddle
from secondorder.device import ON_DEVICE
from secondorder.escapes import ESCAPES

assert config.ENABLE_CUDASIM, "run this under NUMBA_ENABLE_CUDASIM=1 NUMBA_DISABLE_JIT=1"

START = np.tile([-1.2, 1.0], 3)


def rosenbrock(x, a):
    """(f, g, products with H) of the chained function."""
    u, v = x[1:] - x[:-1] ** 2, 1.0 - x[:-1]
    g, diagonal, beside = np.zeros_like(x), np.zeros_like(x), -4.0 * a * x[:-1]
    g[:-1] = -4.0 * a * u * x[:-1] - 2.0 * v
    g[1:] += 2.0 * a * u
    diagonal[:-1] = 12.0 * a * x[:-1] ** 2 - 4.0 * a * x[1:] + 2.0
    diagonal[1:] += 2.0 * a

    def product(p):
        out = diagonal * p
        out[:-1] += beside * p[1:]
        out[1:] += beside * p[:-1]
        return out

    return a * u @ u + v @ v, g, product


def fun_grad(x, g, a):
    f, gradient, _ = rosenbrock(x.copy_to_host().astype(np.float64), a)
    g.copy_to_device(gradient.astype(g.dtype))
    return float(f)


def hvp(x, v, out, a):
    product = rosenbrock(x.copy_to_host().astype(np.float64), a)[2]
    out.copy_to_device(product(v.copy_to_host().astype(np.float64)).astype(out.dtype))


def here(method, x0=START, products=True, **options):
    """The run of the CPU."""
    second = {"hessp": lambda x, p, a: rosenbrock(x, a)[2](p)} if products else {}
    return so.minimize(
        lambda x, a: rosenbrock(x, a)[:2], x0, (10.0,), method, jac=True, **second, options=options,
        backend="python", second_order=False,
    )  # fmt: skip


def there(method, x0=START, products=True, **options):
    """The run of the device."""
    given = {"hvp": hvp} if products else {}
    start = cuda.to_device(x0)
    return so.minimize_on_device(fun_grad, start, (10.0,), method, options=options, second_order=False, **given)


COUNTS = ("status", "nit", "nfev", "njev", "nhev", "nrestart", "nskip", "reason")


@pytest.mark.parametrize("method", ON_DEVICE)
def test_a_run_there_is_the_run_here(method):
    expected, found = here(method, maxiter=6), there(method, maxiter=6)
    assert [found[name] for name in COUNTS] == [expected[name] for name in COUNTS]
    np.testing.assert_allclose(found.x.copy_to_host(), expected.x, rtol=1e-9)
    np.testing.assert_allclose(found.jac.copy_to_host(), expected.jac, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([found.fun, found.optimality], [expected.fun, expected.optimality], rtol=1e-9)
    assert (found.backend, found.method) == ("cuda", method)


def test_l_bfgs_of_long_vectors_is_that_of_the_cpu(monkeypatch):
    from secondorder.linalg import chunks

    monkeypatch.setattr(chunks, "LONG", 4)
    expected, found = here("l-bfgs", maxiter=13, m=3), there("l-bfgs", maxiter=13, m=3)
    assert [found[name] for name in COUNTS] == [expected[name] for name in COUNTS]
    np.testing.assert_allclose(found.x.copy_to_host(), expected.x, rtol=1e-7)
    np.testing.assert_allclose(found.jac.copy_to_host(), expected.jac, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", ["l-bfgs", "newton-cg"])
def test_two_runs_have_the_same_bits(method):
    one, other = (there(method, maxiter=3) for _ in range(2))
    assert one.x.copy_to_host().tobytes() == other.x.copy_to_host().tobytes()
    assert (one.fun, one.nfev) == (other.fun, other.nfev)


@pytest.mark.parametrize("method", ON_DEVICE)
def test_no_entry_of_a_vector_goes_to_the_host_alone(method, whole_arrays_only):
    assert there(method, maxiter=3).nit == 3


def test_float32_stays_float32():
    single, double = there("l-bfgs", START.astype(np.float32), maxiter=4), there("l-bfgs", maxiter=4)
    assert single.x.dtype == single.jac.dtype == np.float32
    np.testing.assert_allclose(single.x.copy_to_host(), double.x.copy_to_host(), rtol=1e-4)


def test_products_can_be_differences_of_gradients():
    exact, found = there("newton-cg", maxiter=3), there("newton-cg", products=False, maxiter=3)
    assert found.nhev == exact.nhev
    assert found.njev == exact.njev + 2 * found.nhev
    np.testing.assert_allclose(found.x.copy_to_host(), exact.x.copy_to_host(), rtol=1e-6)
    assert "differences" in found.second_derivatives


def test_a_saddle_is_left_by_the_noise_of_the_cpu():
    def saddle(x):
        return 0.25 * np.sum(x**4) - 0.5 * x[0] ** 2, x**3 - np.eye(1, x.size)[0] * x

    def on_device(x, g):
        f, gradient = saddle(x.copy_to_host())
        g.copy_to_device(gradient)
        return f

    x0, options = np.zeros(5), {"noise_seed": 3}
    expected = so.minimize(saddle, x0, method="perturbed-gd", jac=True, options=options, backend="python")
    found = so.minimize_on_device(on_device, cuda.to_device(x0), method="perturbed-gd", options=options)
    assert found.nescape == expected.nescape >= 1
    assert (found.nit, found.nfev) == (expected.nit, expected.nfev)
    np.testing.assert_allclose(found.x.copy_to_host(), expected.x, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("escape", ESCAPES)
def test_every_escape_leaves_a_saddle_with_its_vectors_on_the_device(escape, whole_arrays_only):
    curvature = np.array([-4.0, 1.0, 2.0, 3.0])

    def wave(x, g):
        here = x.copy_to_host()
        g.copy_to_device(curvature * here + here**3)
        return 0.5 * here @ (curvature * here) + 0.25 * np.sum(here**4)

    options = {"escape": escape, "gtol": 1e-4, "maxiter": 20}
    found = so.minimize_on_device(wave, np.zeros(4), method="l-bfgs", options=options, second_order="escape")
    assert (found.nescape, found.certificate.verdict, found.certificate.bound) == (1, "minimum", "lanczos")
    np.testing.assert_allclose(np.abs(found.x.copy_to_host()), [2.0, 0.0, 0.0, 0.0], atol=1e-3)
    assert found.certificate.direction.shape == (4,)


def test_too_little_memory_for_a_look_is_told_with_the_point(monkeypatch):
    monkeypatch.setattr(cuda_saddle, "free_memory", lambda: 100)
    with pytest.raises(MemoryError, match="100 are free: pass second_order=False") as caught:
        so.minimize_on_device(fun_grad, START, (10.0,), "newton-cg", hvp=hvp)
    assert caught.value.optimize_result.optimality < 1e-4


@pytest.mark.parametrize("options", [{"maxiter": 2}, {"maxfev": 3}, {"time_limit": 0.0}, {"fmin": 5.0}], ids=str)
def test_ends_are_told_apart(options):
    expected, found = here("cg", **options), there("cg", **options)
    assert (found.status, found.reason) == (expected.status, expected.reason)
    assert not found.success


def test_nan_at_the_start_is_told():
    found = there("l-bfgs", np.full(4, np.nan))
    assert found.status == 3
    assert found.nfev == 1


def test_x0_is_left_alone_and_may_be_an_array_here():
    x0 = cuda.to_device(START)
    options = {"maxiter": 3}
    one = so.minimize_on_device(fun_grad, x0, (10.0,), "cg", options=options, stream=cuda.stream())
    other = so.minimize_on_device(fun_grad, START, (10.0,), "cg", options=options)
    np.testing.assert_array_equal(x0.copy_to_host(), START)
    np.testing.assert_array_equal(one.x.copy_to_host(), other.x.copy_to_host())


def test_an_exception_has_the_best_point():
    def failing(x, g, a):
        failing.calls += 1
        if failing.calls == 6:
            raise KeyError("six")
        return fun_grad(x, g, a)

    failing.calls = 0
    with pytest.raises(KeyError) as caught:
        so.minimize_on_device(failing, START, (10.0,))
    partial = caught.value.optimize_result
    assert partial.fun == pytest.approx(rosenbrock(partial.x.copy_to_host(), 10.0)[0], rel=1e-12)
    assert partial.fun < rosenbrock(START, 10.0)[0]


def test_a_callback_sees_every_iterate_and_may_stop():
    seen = []

    def callback(state):
        seen.append((state.nit, state.fun, state.x.copy_to_host()))
        if state.nit == 3:
            raise StopIteration

    found = so.minimize_on_device(fun_grad, START, (10.0,), callback=callback)
    assert [nit for nit, *_ in seen] == [1, 2, 3]
    assert (found.status, found.nit, found.fun) == (99, 3, seen[-1][1])
    np.testing.assert_array_equal(found.x.copy_to_host(), seen[-1][2])


def test_history_is_recorded():
    found = there("l-bfgs", maxiter=4, history=True)
    assert found.history["nit"].tolist() == [0, 1, 2, 3, 4]
    assert found.history["fun"][-1] == found.fun


def test_no_variables_are_a_solution():
    found = so.minimize_on_device(lambda x, g: 2.5, np.empty(0))
    assert (found.status, found.fun, found.x.shape) == (0, 2.5, (0,))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "bfgs"}, "does not run on a device"),
        ({"options": {"gtl": 1.0}}, "gtl"),
        ({"options": {"disp": True}}, "disp"),
        ({"options": {"line_search": lambda: 0}}, "is a function"),
        ({"x0": np.ones((2, 2))}, "ravel"),
        ({"x0": cuda.to_device(np.ones((2, 2)))}, "ravel"),
        ({"x0": ["a"]}, "real numbers"),
        ({"fun_grad": 3}, "fun_grad must be a function"),
        ({"hvp": 3}, "hvp must be a function"),
        ({"stream": "first"}, "stream"),
    ],
)
def test_wrong_arguments_are_named(given, words):
    with pytest.raises((TypeError, ValueError), match=words):
        so.minimize_on_device(**{"fun_grad": fun_grad, "x0": START, "args": (1.0,)} | given)
