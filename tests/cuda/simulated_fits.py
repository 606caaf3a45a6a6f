"""Batches of fits in Numba's CUDA simulator: each lane is the CPU's fit, with its status, counts and covariance.

Run as simulated.py is.
"""

import numpy as np
import pytest
from numba import config, cuda

import secondorder as so

assert config.ENABLE_CUDASIM, "run this under NUMBA_ENABLE_CUDASIM=1 NUMBA_DISABLE_JIT=1"

T = np.linspace(0.0, 3.0, 12)


def misfit(p, t, y):
    """Residuals of a decay; there is no p for which they are finite where a datum is not."""
    return p[0] * np.exp(-p[1] * t) - y


def decay(t, a, b):
    """The curve."""
    return a * np.exp(-b * t)


def data(B, noise=0.01):
    """(starts, sets of data): one of nan, one that its start fits exactly, one of zeros, whose rate is anything."""
    random = np.random.default_rng(5)
    rates = np.linspace(0.5, 2.5, max(B, 1))[:B, None]
    Y, X = 2.0 * np.exp(-rates * T) + noise * random.standard_normal((B, T.size)), np.ones((B, 2))
    if B > 3:
        Y[1], Y[2], Y[3] = np.nan, np.exp(-T), 0.0
    return X, Y


SAME = ("status", "nit", "nfev", "njev", "nhev", "nrestart", "nskip")


def agree(here, there, rtol=1e-9):
    """Is a run on the device that of the CPU, problem by problem?"""
    assert (here.backend, there.backend) == ("cuda", "compiled")
    for name in SAME:
        assert here[name].tolist() == there[name].tolist(), name
    assert here.message == there.message
    for name in ("x", "cost", "jac", "optimality", "covariance"):
        found = here[name].copy_to_host() if hasattr(here[name], "copy_to_host") else here[name]
        np.testing.assert_allclose(found, there[name], rtol=rtol, atol=1e-12, err_msg=name)


def both(function, *given, **options):
    """(result on the device, result of the CPU)."""
    return function(*given, device="cuda", **options), function(*given, **options)


@pytest.mark.parametrize("method", ["levenberg-marquardt", "dogleg"])
@pytest.mark.parametrize("loss", ["linear", "huber", "soft_l1", "cauchy", "arctan"])
def test_each_lane_is_the_cpus_fit(method, loss):
    X, Y = data(5)
    here, there = both(so.least_squares_batch, misfit, X, method=method, loss=loss, f_scale=0.02, args=(T, Y))
    assert {0, 3} <= set(here.status.tolist())
    assert np.isinf(here.covariance).any()
    agree(here, there)


@pytest.mark.parametrize("B", [0, 1, 33])
def test_tails_and_chunks_of_a_batch_of_fits(monkeypatch, B):
    from secondorder.backends import cuda_batch as backend

    monkeypatch.setattr(backend, "LANES", 32)
    X, Y = data(B)
    agree(*both(so.least_squares_batch, misfit, X, args=(T, Y), batched=(False, True), options={"maxiter": 4}))


def test_fits_end_in_different_ways():
    X, Y = data(5)
    here, there = both(so.least_squares_batch, misfit, X, args=(T, Y), gtol=1e-9, max_nfev=4)
    assert len(set(here.status.tolist())) == 3
    agree(here, there)


def test_fewer_residuals_than_variables_and_one():
    def wide(x, a):
        return np.array([x[0] * x[1] - a[0], x[2] - x[0] + a[1]])

    def number(x, a):
        return x[0] ** 2 + 2.0 * x[1] - a[0]

    def one(x, a):
        return np.array([x[0] ** 2 + 2.0 * x[1] - a[0]])

    given = {"args": (np.random.default_rng(1).uniform(1.0, 2.0, (3, 2)),), "batched": (True,)}
    agree(*both(so.least_squares_batch, wide, np.ones((3, 3)), **given))
    there = so.least_squares_batch(one, np.ones((3, 2)), **given)
    for residual in (one, number):
        agree(so.least_squares_batch(residual, np.ones((3, 2)), device="cuda", **given), there)


def test_a_jacobian_by_columns_one_at_a_time(monkeypatch):
    from secondorder.derivatives.autodiff import module

    X, Y = data(4)
    there = so.least_squares_batch(misfit, X, args=(T, Y))
    monkeypatch.setattr(module, "MOST_TANGENTS", 0)
    monkeypatch.setattr(module.Generated, "has_columns", lambda self, n: False)
    here = so.least_squares_batch(lambda p, t, y: misfit(p, t, y), X, args=(T, Y), device="cuda")
    agree(here, there)


@pytest.mark.parametrize("weighted", [None, "shared", "own"])
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_curves_with_missing_data_left_out(weighted, absolute, there):
    P0, Y = data(5)
    Y[0, [0, 4]] = Y[4, 1:] = np.nan
    sigma = {None: None, "shared": 0.01 * (1.0 + T), "own": 0.01 * (1.0 + T + np.zeros_like(Y))}[weighted]
    if sigma is not None and sigma.ndim == 2:
        sigma[0, 0] = -1.0  # where there are no data
    expected = so.curve_fit_batch(decay, T, Y, P0, sigma, absolute)
    given = [cuda.to_device(a) if there and a is not None else a for a in (T, Y, P0, sigma)]
    found = so.curve_fit_batch(decay, *given, absolute, device="cuda", stream=cuda.stream())
    assert found.n_data.tolist() == expected.n_data.tolist() == [10, 0, 12, 12, 1]
    assert hasattr(found.x, "copy_to_host") == there
    agree(found, expected, 1e-6 if weighted else 1e-9)
    if there:
        np.testing.assert_array_equal(given[1].copy_to_host(), Y)


def test_auto_takes_the_device_for_curves_that_are_there():
    P0, Y = data(4)
    found = so.curve_fit_batch(decay, T, cuda.to_device(Y), P0, device="auto", options={"maxiter": 1})
    assert found.backend == "cuda"
    assert so.curve_fit_batch(decay, T, Y, P0, device="auto", options={"maxiter": 1}).backend == "compiled"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"jac": "2-point"}, "jac='2-point'"),
        ({"loss": lambda z: np.stack((z, z, z))}, "loss="),
        ({"workers": 2}, "workers=2"),
        ({"progress": True}, "progress=True"),
        ({"options": {"time_limit": 1.0}}, "time_limit"),
        ({"options": {"history": True}}, "history"),
        ({"method": "gauss-newton-cg"}, "Jacobians"),
        ({"options": {"otl": 1.0}}, "otl"),
        ({"device": "cpu", "stream": 0}, "stream"),
    ],
)
def test_what_a_device_does_not_do_is_named(given, words):
    X, Y = data(2)
    with pytest.raises((TypeError, ValueError), match=words):
        so.least_squares_batch(misfit, X, args=(T, Y), batched=(False, True), **{"device": "cuda"} | given)


def test_arrays_in_two_places_and_wrong_sigmas_are_named():
    P0, Y = data(3)
    Y_there, sigma = cuda.to_device(Y), np.ones(T.size)
    with pytest.raises(TypeError, match="Y is an array on a GPU"):
        so.curve_fit_batch(decay, T, Y_there, P0)
    with pytest.raises(TypeError, match="one of Y and sigma"):
        so.curve_fit_batch(decay, T, Y_there, P0, sigma, device="cuda")
    sigma[5] = 0.0
    with pytest.raises(ValueError, match="sigma must be positive"):
        so.curve_fit_batch(decay, T, Y_there, P0, cuda.to_device(sigma), device="cuda")
    with pytest.raises(ValueError, match="P0 has shape"):
        so.curve_fit_batch(decay, T, Y, cuda.to_device(P0[:2]), device="cuda")
