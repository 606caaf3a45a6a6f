"""least_squares_batch and curve_fit_batch: the bits of single fits, missing data left out, covariances as SciPy's."""

import math

import numpy as np
import pytest
import scipy.optimize
from numba import njit

from secondorder import curve_fit_batch, least_squares, least_squares_batch
from secondorder.backends import batch

pytestmark = pytest.mark.timeout(120)

T = np.linspace(0.0, 3.0, 16)
RATES = np.array([0.5, 1.0, 1.7, 2.5])


def decay(t, a, b):
    """The curve."""
    return a * np.exp(-b * t)


def misfit(p, t, y):
    """Its residuals."""
    return p[0] * np.exp(-p[1] * t) - y


def data(noise=0.01):
    """Noisy decays at RATES."""
    return 2.0 * np.exp(-RATES[:, None] * T) + noise * np.random.default_rng(5).standard_normal((len(RATES), len(T)))


@pytest.mark.parametrize("method", ["levenberg-marquardt", "dogleg"])
@pytest.mark.parametrize("loss", ["linear", "cauchy"])
@pytest.mark.parametrize("workers", [1, 2])
def test_each_fit_has_the_bits_of_a_single_one(method, loss, workers):
    Y = data()
    Y[3] = math.nan
    X0 = np.array([[1.0, 1.0], [1.5, 0.8], [0.5, 3.0], [1.0, 1.0]])
    result = least_squares_batch(misfit, X0, method=method, loss=loss, f_scale=0.02, args=(T, Y), workers=workers)
    assert result.status.tolist() == [0, 0, 0, 3]
    for i, y in enumerate(Y):
        single = least_squares(misfit, X0[i], method=method, loss=loss, f_scale=0.02, args=(T, y))
        ours = result.problem(i)
        assert np.array_equal(ours.x, single.x)
        assert np.array_equal(ours.jac, single.grad, equal_nan=True)
        assert np.array_equal(result.cost[i], single.cost, equal_nan=True)
        assert (ours.status, ours.reason) == (single.status, single.reason)
        if i < 3:
            assert np.array_equal(result.covariance[i], single.covariance)
            assert [ours[name] for name in batch.NUMBERS[1:5]] == [single[n] for n in batch.NUMBERS[1:5]]


def test_jacobians_by_differences_and_given_ones_pick_the_data_of_their_problem():
    def jac(p, t, y):
        e = np.exp(-p[1] * t)
        return np.stack((e, -p[0] * t * e), axis=1)

    Y = data()
    for given in ("2-point", "3-point", jac):
        result = least_squares_batch(misfit, [1.0, 1.0], given, args=(T, Y))
        for i, y in enumerate(Y):
            assert np.array_equal(result.x[i], least_squares(misfit, [1.0, 1.0], given, args=(T, y)).x)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_covariances_are_those_of_scipy_with_missing_data_left_out(absolute, weighted):
    Y = data()
    Y[1, [0, 7]] = math.nan
    sigma = 0.01 * (1.0 + T) if weighted else None
    result = curve_fit_batch(decay, T, Y, [1.0, 1.0], sigma, absolute)
    assert result.n_data.tolist() == [16, 14, 16, 16]
    for i, y in enumerate(Y):
        known = ~np.isnan(y)
        p, covariance = scipy.optimize.curve_fit(
            decay, T[known], y[known], [1.0, 1.0], sigma=None if sigma is None else sigma[known],
            absolute_sigma=absolute, xtol=1e-14, ftol=1e-14, gtol=1e-14,
        )  # fmt: skip
        assert np.allclose(result.x[i], p, rtol=1e-6)
        assert np.allclose(result.covariance[i], covariance, rtol=1e-4)


def test_what_lies_under_missing_data_changes_no_bit():
    Y = data()
    known = curve_fit_batch(decay, T[2:], Y[:, 2:], [1.0, 1.0])
    Y[:, :2] = math.nan
    missing = curve_fit_batch(decay, T, Y, [1.0, 1.0])
    assert np.allclose(known.x, missing.x, rtol=1e-9)
    assert np.allclose(known.covariance, missing.covariance, rtol=1e-6)


def test_each_problem_may_have_its_own_times_and_start():
    t = T * np.array([[1.0], [2.0], [0.5], [1.5]])
    Y = 2.0 * np.exp(-RATES[:, None] * t)
    result = curve_fit_batch(decay, t, Y, np.stack((np.full(4, 1.5), RATES + 0.1), axis=1))
    assert np.allclose(result.x[:, 1], RATES, rtol=1e-6)


def test_fewer_data_than_parameters_have_an_infinite_covariance():
    Y = data()
    Y[0, 1:] = math.nan
    Y[2] = math.nan
    result = curve_fit_batch(decay, T, Y, [1.0, 1.0])
    assert np.isinf(result.covariance[[0, 2]]).all()
    assert np.isfinite(result.covariance[[1, 3]]).all()


@njit
def compiled_line(t, a, b):
    """A straight line, compiled by the user."""
    return a + b * t


def test_a_compiled_model_and_integers_will_do():
    result = curve_fit_batch(compiled_line, [0, 1, 2], [[1, 2, 3], [5, 3, 1]], [0, 0])
    assert np.allclose(result.x, [[1.0, 1.0], [5.0, -2.0]])


def touchy(p, t, y):
    """Raises for one set of data, and takes long."""
    if y[0] > 50.0:
        raise ValueError("not these data")
    r, s = np.empty(len(t)), 0.0
    for k in range(20_000):
        s += np.sin(k * p[0])
    for i in range(len(t)):
        r[i] = p[0] * t[i] + p[1] - y[i] + 0.0 * s
    return r


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_ends_its_own_fit_or_all(workers):
    Y = np.ones((6, 3)) * np.arange(6.0)[:, None]
    Y[3] = 99.0
    given = {"jac": "2-point", "args": (np.arange(3.0), Y), "workers": workers}
    result = least_squares_batch(touchy, [1.0, 1.0], options={"on_error": "return"}, **given)
    assert result.status.tolist() == [0, 0, 0, 6, 0, 0]
    assert list(result.errors) == [3]
    assert np.isinf(result.covariance[3]).all() or np.isnan(result.covariance[3]).all()
    with pytest.raises(ValueError, match="not these data") as caught:
        least_squares_batch(touchy, [1.0, 1.0], **given)
    assert caught.value.optimize_result.status[3] == 6


def test_generated_residuals_raise_what_the_users_do():
    Y = np.ones((3, 3))
    Y[1] = 99.0
    given = {"args": (np.arange(3.0), Y), "batched": (False, True), "options": {"on_error": "return"}}
    result = least_squares_batch(touchy, [1.0, 1.0], **given)
    assert result.derivatives == "exact"
    assert result.status.tolist() == [0, 6, 0]
    assert "not these data" in str(result.errors[1])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_time_limit_holds_for_all_fits_and_progress_counts_them(workers):
    Y, seen = np.ones((400, 3)), []
    given = {"jac": "2-point", "args": (np.arange(3.0), Y), "workers": workers, "progress": seen.append}
    least_squares_batch(touchy, [1.0, 1.0], **given | {"args": (np.arange(3.0), Y[:2])})
    assert seen[-1] == 2
    result = least_squares_batch(touchy, [1.0, 1.0], options={"time_limit": 0.02}, **given)
    assert set(result.status.tolist()) <= {0, 5}
    assert (result.status == 5).sum() >= 200
    assert np.isnan(result.covariance[result.status == 5][-1]).all()


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"Y": T}, ValueError, ["Y", "(16,)", "(B, m)"]),
        ({"t": T[:3]}, ValueError, ["t", "(3,)", "(16,)"]),
        ({"P0": np.ones((3, 2))}, ValueError, ["P0", "(3, 2)", "(4, n)"]),
        ({"P0": "ab"}, TypeError, ["P0", "real"]),
        ({"sigma": -np.ones(16)}, ValueError, ["sigma", "positive"]),
        ({"sigma": np.ones(3)}, ValueError, ["sigma", "(3,)"]),
        ({"model": 3}, TypeError, ["model", "3"]),
        ({"model": lambda t, a, b: eval("t")}, TypeError, ["compile"]),
        ({"method": "hessian-free"}, ValueError, ["hessian-free", "Jacobians"]),
        ({"options": {"history": True}}, ValueError, ["history", "single"]),
        ({"loss": "hubris"}, ValueError, ["hubris", "huber"]),
    ],
    ids=lambda value: str(list(value))[:40] if isinstance(value, dict) else None,
)
def test_a_wrong_argument_is_refused_by_name_value_and_rule(change, kind, words):
    call = {"model": decay, "t": T, "Y": data(), "P0": [1.0, 1.0]} | change
    with pytest.raises(kind) as caught:
        curve_fit_batch(**call)
    for word in words:
        assert word in str(caught.value)
