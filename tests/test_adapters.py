"""Objectives from functions of JAX, PyTorch and autograd, each tested where the library is installed."""

import importlib
import importlib.util
import sys
import warnings

import numpy as np
import pytest

import secondorder as so
from secondorder.jit import HESS, HVP, function_at, njit
from secondorder.objective import Given, typed_objective

NUMPY_OF = {"jax": "jax.numpy", "torch": "torch", "autograd": "autograd.numpy"}
LIBRARIES = [
    pytest.param(name, marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"needs {name}"))
    for name in NUMPY_OF
]


@pytest.fixture(params=LIBRARIES)
def library(request):
    """(name, its numpy, its adapter), set to float64."""
    name = request.param
    xp = importlib.import_module(NUMPY_OF[name])
    if name == "jax":
        importlib.import_module("jax").config.update("jax_enable_x64", True)
    return name, xp, getattr(so, f"from_{name}")


def rosenbrock_of(xp):
    return lambda x, scale: xp.sum(scale * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def gradient(x, scale):
    g = np.zeros_like(x)
    e = x[1:] - x[:-1] ** 2
    g[1:] += 2.0 * scale * e
    g[:-1] += -4.0 * scale * x[:-1] * e - 2.0 * (1.0 - x[:-1])
    return g


def hessian(x, scale):
    H = np.diag(-4.0 * scale * x[:-1], 1)
    H += H.T
    H[np.arange(1, x.size), np.arange(1, x.size)] += 2.0 * scale
    first = np.arange(x.size - 1)
    H[first, first] += 12.0 * scale * x[:-1] ** 2 - 4.0 * scale * x[1:] + 2.0
    return H


X = np.array([0.3, -1.1, 0.7, 2.0])


def test_value_gradient_products_and_hessian_are_exact(library):
    _, xp, adapter = library
    f = rosenbrock_of(xp)
    objective = adapter(f)
    g, out, H = np.full(4, np.nan), np.full(4, np.nan), np.full((4, 4), np.nan)
    value = np.sum(100.0 * (X[1:] - X[:-1] ** 2) ** 2 + (1.0 - X[:-1]) ** 2)
    assert objective.fun_grad(X.copy(), g, 100.0) == pytest.approx(value, rel=1e-15)
    assert objective.fun(X.copy(), 100.0) == pytest.approx(value, rel=1e-15)
    assert type(objective.fun(X.copy(), 100.0)) is float
    np.testing.assert_allclose(g, gradient(X, 100.0), rtol=1e-13)
    v = np.array([1.0, -2.0, 0.5, 3.0])
    objective.hvp(X.copy(), v.copy(), out, 100.0)
    np.testing.assert_allclose(out, hessian(X, 100.0) @ v, rtol=1e-13)
    objective.hess(X.copy(), H, 100.0)
    np.testing.assert_allclose(H, hessian(X, 100.0), rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"line_search": "armijo"}], ids=["f and g", "f alone"])
def test_minimize_runs_it_without_a_warning_and_names_the_library(library, options):
    name, xp, adapter = library
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = so.minimize(adapter(rosenbrock_of(xp)), [-1.2, 1.0, -1.2, 1.0], args=(100.0,), options=options)
    assert result.success
    np.testing.assert_allclose(result.x, 1.0, atol=1e-6)
    assert (result.derivatives, result.backend) == (name, "python")


def test_second_derivatives_reach_the_solver(library):
    _, xp, adapter = library
    typed, args_type = typed_objective(Given(adapter(rosenbrock_of(xp))), (3.0,), ("grad", "hvp", "hess"))
    bound = typed.bind((3.0,), args_type)
    out, H = np.empty(4), np.empty((4, 4))
    run_typed(HVP, typed.hvp, (X.copy(), np.ones(4), out, (bound.address, 0)))
    run_typed(HESS, typed.hess, (X.copy(), H, (bound.address, 0)))
    bound.close()
    np.testing.assert_allclose(out, hessian(X, 3.0).sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(H, hessian(X, 3.0), rtol=1e-13, atol=1e-12)


def run_typed(signature, address, arguments):
    """Call the typed function at an address."""
    load = function_at(signature)
    njit(lambda address, arguments: load(address)(*arguments))(address, arguments)


def test_arrays_in_args_pass_through(library):
    _, xp, adapter = library
    A, b = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, -1.0])
    objective = adapter(lambda x, A, b: 0.5 * xp.sum(x * (A @ x)) - xp.sum(b * x))
    first = so.minimize(objective, np.zeros(2), args=(A, b), tol=1e-12)
    np.testing.assert_allclose(first.x, np.linalg.solve(A, b), atol=1e-12)
    second = so.minimize(objective, np.zeros(2), args=(A, 2.0 * b), tol=1e-12)
    np.testing.assert_allclose(second.x, 2.0 * first.x, atol=1e-12)


def test_errors_of_the_function_reach_the_caller_unchanged(library):
    _, _, adapter = library

    class Wrong(Exception):
        pass

    def fails(x):
        raise Wrong("as it is")

    with pytest.raises(Wrong) as caught:
        so.minimize(adapter(fails), np.ones(2))
    assert caught.value.args == ("as it is",)


def test_a_value_of_lower_precision_is_refused(library):
    name, xp, adapter = library

    def rounded(x):
        y = xp.sum(x * x)
        return y.float() if name == "torch" else y.astype("float32")

    with pytest.raises(TypeError, match="float32; it must compute and return float64"):
        adapter(rounded).fun(np.ones(2))
    if name != "autograd":  # which can't differentiate the conversion in this form
        with pytest.raises(TypeError, match="float32; it must compute and return float64"):
            so.minimize(adapter(rounded), np.ones(2))


def test_what_cannot_be_asked_for_is_refused(library):
    name, xp, adapter = library
    with pytest.raises(TypeError, match=f"from_{name}: f must be callable; it is 3"):
        adapter(3)
    with pytest.raises(TypeError, match=f"a function of {name}, which runs in Python"):
        so.minimize(adapter(lambda x: xp.sum(x * x)), np.ones(2), backend="numba")


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")
def test_jax_in_single_precision_is_an_error_that_names_the_setting():
    import jax

    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(RuntimeError, match=r'jax\.config\.update\("jax_enable_x64", True\)'):
            so.from_jax(lambda x: x[0])
    finally:
        jax.config.update("jax_enable_x64", True)


def test_a_missing_library_is_named(monkeypatch):
    for name in NUMPY_OF:
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError, match=name):
            getattr(so, f"from_{name}")(len)
