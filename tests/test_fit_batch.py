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


def test_an_image_of_data_gives_images_of_results():
    Y, t = data().reshape(2, 2, 16), np.broadcast_to(T, (2, 2, 16))
    flat = curve_fit_batch(decay, T, data(), [1.0, 1.0])
    for given in ((T, Y, [1.0, 1.0]), (t, Y, np.ones((2, 2, 2)), np.ones((2, 2, 16)))):
        image = curve_fit_batch(decay, *given)
        assert image.x.shape == (2, 2, 2) and image.covariance.shape == (2, 2, 2, 2)
        assert image.fun.shape == image.status.shape == image.n_data.shape == (2, 2)
        assert np.array_equal(image.x.reshape(4, 2), flat.x)
        assert np.array_equal(image.problem((1, 0)).x, flat.problem(2).x)
        assert image.problem((1, 0)).reason == flat.problem(2).reason
        assert np.array_equal(image.problem((-1, -1)).jac, image.problem(3).jac)


def test_masked_data_are_missing_data():
    Y = data()
    Y[0, 3] = Y[2, 5] = math.nan
    missing = curve_fit_batch(decay, T, Y, [1.0, 1.0])
    wild = np.ma.masked_array(np.where(np.isnan(Y), 1e6, Y), mask=np.isnan(Y))
    masked = curve_fit_batch(decay, T, wild, [1.0, 1.0])
    assert np.array_equal(masked.x, missing.x)
    assert masked.n_data.tolist() == missing.n_data.tolist() == [15, 16, 15, 16]


def test_rows_of_several_lengths_are_filled_up_with_nan_in_t_as_in_y():
    lengths, Y = (16, 9, 12, 5), data()
    t = np.tile(T, (4, 1))
    for i, length in enumerate(lengths):
        t[i, length:] = Y[i, length:] = math.nan
    result = curve_fit_batch(decay, t, Y, [1.0, 1.0])
    assert result.n_data.tolist() == list(lengths)
    for i, length in enumerate(lengths):
        alone = curve_fit_batch(decay, T[:length], Y[i : i + 1, :length], [1.0, 1.0])
        assert np.allclose(result.x[i], alone.x[0], rtol=1e-9)
        assert np.allclose(result.covariance[i], alone.covariance[0], rtol=1e-6)
    shared = curve_fit_batch(decay, np.where(T[4] == T, math.nan, T), data(), [1.0, 1.0])
    assert shared.success.all() and set(shared.n_data.tolist()) == {15}


def with_a_pole(t, a, b):
    """Infinite at t = 0."""
    return a * np.log(t) + b


def test_a_curve_may_be_infinite_where_data_are_missing():
    t = np.linspace(0.0, 3.0, 16)
    Y = np.stack((with_a_pole(t[1:], 2.0, 1.0), with_a_pole(t[1:], -1.0, 0.5)))
    result = curve_fit_batch(with_a_pole, t, np.pad(Y, ((0, 0), (1, 0)), constant_values=math.nan), [1.0, 1.0])
    assert np.allclose(result.x, [[2.0, 1.0], [-1.0, 0.5]])


@pytest.mark.parametrize("of_each", [False, True])
def test_one_sigma_is_the_size_of_all_errors(of_each):
    Y = data()
    all_of_them = np.full(Y.shape if of_each else 16, 0.02)
    one, many = (curve_fit_batch(decay, T, Y, [1.0, 1.0], s, True) for s in (0.02, all_of_them))
    assert np.array_equal(one.x, many.x) and np.array_equal(one.covariance, many.covariance)


def test_a_jacobian_of_the_curve_may_be_given_or_had_by_differences():
    def slopes(t, a, b):
        e = np.exp(-b * t)
        return np.stack((e, -a * t * e), axis=1)

    Y = data()
    Y[1, 4] = math.nan
    exact = curve_fit_batch(decay, T, Y, [1.0, 1.0], 0.01)
    for jac, derivatives in ((slopes, "given"), ("3-point", "3-point differences")):
        result = curve_fit_batch(decay, T, Y, [1.0, 1.0], 0.01, jac=jac)
        assert result.derivatives == derivatives
        assert np.allclose(result.x, exact.x, rtol=1e-6)
        assert np.allclose(result.covariance, exact.covariance, rtol=1e-4)


def test_columns_that_depend_on_one_another_have_an_infinite_covariance():
    def two_of_one(t, a, b, c):
        return (a + b) * np.exp(-c * t)

    result = curve_fit_batch(two_of_one, T, data(), [1.0, 1.0, 1.0])
    assert result.success.all()
    assert np.isinf(result.covariance).all()
    assert np.allclose(result.x[:, 2], curve_fit_batch(decay, T, data(), [1.0, 1.0]).x[:, 1], rtol=1e-5)


def test_a_set_without_data_stays_at_its_start():
    Y = data()
    Y[1] = math.nan
    result = curve_fit_batch(decay, T, Y, [1.5, 0.5])
    assert result.n_data[1] == 0 and result.cost[1] == 0.0 and result.x[1].tolist() == [1.5, 0.5]
    assert np.isinf(result.covariance[1]).all()


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


@pytest.mark.parametrize("raising", [1, 6])
def test_the_first_problem_may_raise_as_any_other(raising):
    Y = np.ones((6, 3))
    Y[:raising] = 99.0
    given = {"jac": "2-point", "args": (np.arange(3.0), Y)}
    result = least_squares_batch(touchy, [1.0, 1.0], options={"on_error": "return"}, **given)
    assert result.status.tolist() == [6] * raising + [0] * (6 - raising)
    assert list(result.errors) == list(range(raising))
    assert np.isnan(result.covariance[0]).all() and "not these data" in result.problem(0).message
    with pytest.raises(ValueError, match="not these data") as caught:
        least_squares_batch(touchy, [1.0, 1.0], **given)
    assert caught.value.optimize_result.status.tolist() == [6, 98, 98, 98, 98, 98]


def test_an_exception_in_an_image_of_fits_carries_images():
    def of_positive(t, a):
        if a > 2.0:
            raise ValueError("too far")
        return a * t

    Y = np.array([[[1.0, 2.0], [1.0, 2.0]], [[4.0, 8.0], [1.0, 2.0]]])
    with pytest.raises(ValueError, match="too far") as caught:
        curve_fit_batch(of_positive, [1.0, 2.0], Y, [1.0], jac="2-point", workers=1)
    partial = caught.value.optimize_result
    assert partial.status.tolist() == [[0, 0], [6, 98]]
    assert partial.n_data.shape == (2, 2) and partial.problem((1, 0)).reason == "exception"


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
        ({"Y": np.empty((3, 0)), "t": []}, ValueError, ["Y", "(3, 0)"]),
        ({"t": np.ones((2, 16))}, ValueError, ["t", "(2, 16)", "least_squares_batch"]),
        ({"P0": [1.0]}, TypeError, ["model", "1 parameters", "(t, a, b)"]),
        ({"jac": lambda t, a: t}, TypeError, ["jac", "2 parameters"]),
        ({"sigma": np.where(T[3] == T, math.nan, 1.0)}, ValueError, ["sigma", "positive", "Y[0, 3]", "nan"]),
        ({"absolute_sigma": "yes"}, TypeError, ["absolute_sigma='yes'", "True or False"]),
        ({"bounds": ([0.0, 0.0], [1.0, 1.0])}, ValueError, ["bounds", "without constraints", "exp"]),
        ({"progress": 3}, TypeError, ["progress=3", "callable"]),
        ({"workers": 0}, ValueError, ["workers=0", "at least 1"]),
        ({"P0": np.ma.masked_invalid([1.0, np.nan])}, TypeError, ["P0", "masked"]),
    ],
    ids=lambda value: str(list(value))[:40] if isinstance(value, dict) else None,
)
def test_a_wrong_argument_is_refused_by_name_value_and_rule(change, kind, words):
    call = {"model": decay, "t": T, "Y": data(), "P0": [1.0, 1.0]} | change
    with pytest.raises(kind) as caught:
        curve_fit_batch(**call)
    for word in words:
        assert word in str(caught.value)


def test_bounds_that_bound_nothing_are_taken():
    unbounded = curve_fit_batch(decay, T, data(), [1.0, 1.0], bounds=(-np.inf, np.inf))
    assert np.array_equal(unbounded.x, curve_fit_batch(decay, T, data(), [1.0, 1.0]).x)
    with pytest.raises(ValueError, match="without constraints"):
        least_squares_batch(misfit, [1.0, 1.0], args=(T, data()), bounds=(0.0, 1.0))


def test_a_residual_in_python_is_refused_with_what_takes_it():
    with pytest.raises(TypeError, match=r"residual can't be compiled.*least_squares takes"):
        least_squares_batch(lambda p, t, y: eval("y"), [1.0, 1.0], args=(T, data()))
