"""Batches in float32 in Numba's CUDA simulator: near what float64 gives, in the digits that float32 has.

Run as simulated.py is.
"""

import numpy as np
import pytest
from numba import config, cuda

import secondorder as so
from secondorder import fit_kernels, kernels

assert config.ENABLE_CUDASIM, "run this under NUMBA_ENABLE_CUDASIM=1 NUMBA_DISABLE_JIT=1"

T = np.linspace(0.0, 3.0, 12)


def valley(x, a):
    """Rosenbrock's function, another for each problem."""
    return a[0] * (x[1] - x[0] * x[0]) ** 2 + (1.0 - x[0]) ** 2


def starts(B):
    """(starts, args) with a lane of nan."""
    X = np.array([-1.2, 1.0]) + 0.2 * np.random.default_rng(1).standard_normal((B, 2))
    X[1] = np.nan
    return X, (np.geomspace(1.0, 30.0, B)[:, None],)


@pytest.mark.parametrize("method", kernels.IN_SINGLE)
def test_each_lane_comes_as_near_as_float32_can(method):
    X, args = starts(4)
    found = so.minimize_batch(valley, X, args, method, options={"maxiter": 3000}, device="cuda", dtype="float32")
    assert found.x.dtype == found.jac.dtype == found.fun.dtype == np.float32
    assert found.status.tolist() == [0, 3, 0, 0]
    solved = [0, 2, 3]
    assert np.all(found.optimality[solved] <= found["_thresholds"][solved])
    np.testing.assert_allclose(found.x[solved], 1.0, atol=0.1)
    tight = so.minimize_batch(valley, X, args, method, tol=1e-30, device="cuda", dtype="float32")
    at_start = found["_thresholds"] / 2.0**-11.5
    assert np.all(tight.optimality[solved] <= 1e-5 * at_start[solved])
    words = [tight.problem(i).reason for i in solved]
    assert set(words) <= {"precision", "gtol", "maxiter"}, words  # never as if the gradient were wrong


def test_the_first_steps_are_those_of_float64():
    X, args = starts(4)
    given = dict(args=args, method="bfgs", options={"maxiter": 2})
    single, double = (so.minimize_batch(valley, X, device="cuda", dtype=d, **given) for d in ("float32", "float64"))
    assert single.nit.tolist() == double.nit.tolist()
    assert single.nfev.tolist() == double.nfev.tolist()
    np.testing.assert_allclose(single.x, double.x, rtol=1e-4)
    assert np.nanmax(np.abs(single.x - double.x)) > 0.0


def test_default_tolerances_are_those_of_float32():
    X, args = starts(4)
    single, double = (
        so.minimize_batch(valley, X, args, "bfgs", device="cuda", dtype=d) for d in ("float32", "float64")
    )  # fmt: skip
    expected = np.array([2.0**-11.5, np.nan, 2.0**-11.5, 2.0**-11.5]) / 2.0**-26
    np.testing.assert_allclose(single["_thresholds"] / double["_thresholds"], expected, rtol=1e-4)


def misfit(p, t, y):
    """Residuals of a decay."""
    return p[0] * np.exp(-p[1] * t) - y


@pytest.mark.parametrize("method", fit_kernels.IN_SINGLE)
def test_fits_come_as_near_as_float32_can(method):
    Y = 2.0 * np.exp(-np.array([[0.5], [1.0], [2.5]]) * T) + 0.01 * np.sin(40.0 * T)
    Y[1, 3] = np.nan
    given = dict(loss="cauchy", f_scale=0.1, method=method)
    double = so.curve_fit_batch(lambda t, a, b: a * np.exp(-b * t), T, Y, [1.0, 1.0], **given)
    single = so.curve_fit_batch(
        lambda t, a, b: a * np.exp(-b * t), T, Y, [1.0, 1.0], **given, device="cuda", dtype="float32"
    )
    assert single.x.dtype == single.covariance.dtype == np.float32
    assert single.status.tolist() == double.status.tolist() == [0, 0, 0]
    np.testing.assert_allclose(single.x, double.x, rtol=1e-3)
    np.testing.assert_allclose(single.covariance, double.covariance, rtol=0.02, atol=1e-8)
    assert single.nit.max() <= double.nit.max()


def test_an_objective_of_the_users_has_constants_of_float32():
    seen = []

    def bowl(x, g, a):
        half = 0.5
        seen.append((type(half), x.dtype, g.dtype, type(a)))
        for i in range(x.shape[0]):
            g[i] = a * x[i]
        return half * a * np.sum(np.asarray(x) ** 2)

    so.minimize_batch(so.Objective(bowl), np.ones((1, 3)), (2.0,), "l-bfgs", device="cuda", dtype="float32")
    assert set(seen) == {(np.float32, np.dtype(np.float32), np.dtype(np.float32), np.float32)}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dtype": "float16"}, "dtype='float16'"),
        ({"device": "cpu"}, "device='cuda'"),
        ({"method": "arc"}, "bfgs"),
        ({"args": (cuda.to_device(np.ones((4, 1))),)}, r"args\[0\].*float64"),
    ],
)
def test_what_float32_does_not_do_is_named(given, words):
    X, args = starts(4)
    with pytest.raises((TypeError, ValueError), match=words):
        so.minimize_batch(valley, X, **{"args": args, "batched": (True,), "device": "cuda", "dtype": "float32"} | given)


def test_a_constant_that_float32_has_not_is_refused():
    def tiny(x, a):
        return a[0] * x[0] ** 2 + 1e-300

    with pytest.raises(ValueError, match="1e-300 has no counterpart in float32"):
        so.minimize_batch(tiny, np.ones((2, 1)), (np.ones((2, 1)),), device="cuda", dtype="float32", batched=(True,))


@pytest.mark.parametrize("function", [lambda x: np.sum(np.exp(x) * np.tanh(x)), lambda x: np.sum(np.log1p(x**2))])
def test_derivatives_in_a_workspace_take_float32(function):
    x = np.array([0.3, -0.7, 1.1])
    g = so.grad(function, workspace=True)
    out, workspace = np.empty(3, np.float32), np.empty(g.n_workspace(x), np.float32)
    g(x.astype(np.float32), out, workspace)
    np.testing.assert_allclose(out, so.grad(function)(x), rtol=1e-5)
