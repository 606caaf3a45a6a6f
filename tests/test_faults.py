"""Faults of the user's function, and what every method owes in spite of them.

One objective, Rosenbrock's function, goes wrong in the way, at the call and for as long as its args say; so it is
compiled once. In every cell the same invariants are asserted (`check`):

    fun has the bits of f(x); it is not above f(x0), nor, unless converged, above any accepted point
    success is status 0, and means that an independent gradient meets the tolerance
    nfev and njev are the calls really made; x0 is untouched; a second run has the same bits; the message says the cause
"""

import threading
import time
import warnings

import numpy as np
import pytest
from numba import njit

from secondorder import METHODS, Objective, minimize
from secondorder.problems import PROBLEMS

FOREVER = 2**62
START = (-1.2, 1.0)
GRTOL = 2.0**-26

# what goes wrong; the names are constants that compiled code freezes
NONE, F_NAN, F_INF, F_MINUS_INF, F_RAISES = 0, 1, 2, 3, 4
G_NAN, G_INF, G_RAISES, G_FLIPPED, G_DOUBLED, G_NOISY = 5, 6, 7, 8, 9, 10

pytestmark = pytest.mark.timeout(120)


def fun(x, fault, first, last, calls):
    calls[0] += 1
    a, b = x[1] - x[0] * x[0], 1.0 - x[0]
    f = 100.0 * a * a + b * b
    if first <= calls[0] <= last:
        if fault == F_NAN:
            return np.nan
        if fault == F_INF:
            return np.inf
        if fault == F_MINUS_INF:
            return -np.inf
        if fault == F_RAISES:
            raise ValueError("fun has a fault")
    return f


def jac(x, fault, first, last, calls):
    calls[1] += 1
    a, b = x[1] - x[0] * x[0], 1.0 - x[0]
    g = np.empty(2)
    g[0], g[1] = -400.0 * a * x[0] - 2.0 * b, 200.0 * a
    if first <= calls[1] <= last:
        if fault == G_NAN:
            g[1] = np.nan
        elif fault == G_INF:
            g[0] = np.inf
        elif fault == G_RAISES:
            raise KeyError("jac has a fault")
        elif fault == G_FLIPPED:
            g *= -1.0
        elif fault == G_DOUBLED:
            g *= 2.0
        elif fault == G_NOISY:  # relative noise of 1e-3, in turn up and down
            g[0] *= 1.0 + 1e-3 * ((7 * calls[1]) % 11 - 5) / 5.0
            g[1] *= 1.0 + 1e-3 * ((5 * calls[1]) % 13 - 6) / 6.0
    return g


@njit
def hess(x, fault, first, last, calls):
    """Second derivatives without faults: those of differences would be the gradient's."""
    H = np.empty((2, 2))
    H[0, 0], H[1, 1] = 1200.0 * x[0] * x[0] - 400.0 * x[1] + 2.0, 200.0
    H[0, 1] = H[1, 0] = -400.0 * x[0]
    return H


def clean_fun(x):
    return fun(x, NONE, 1, 0, np.zeros(2, np.int64))


def clean_jac(x):
    return jac(x, NONE, 1, 0, np.zeros(2, np.int64))


def used_by(method, hessian):
    """The Hessian, for methods that use one."""
    return None if METHODS[method].NEEDS == ("grad",) else hessian


class Observed:
    """A run of a method on the faulty objective: its result or exception, calls counted, points accepted."""

    def __init__(self, method, backend, fault, first=1, last=FOREVER, x0=START, **options):
        self.start = np.array(x0)
        self.calls = np.zeros(2, np.int64)
        self.accepted, self.error = [], None
        x0 = self.start.copy()
        args = (fault, first, last, self.calls)
        watch = {"callback": lambda intermediate_result: self.accepted.append(intermediate_result.fun)}
        try:
            result = minimize(
                fun, x0, args, method, jac, used_by(method, hess), backend=backend, options=options, **watch
            )
        except (ValueError, KeyError) as error:
            self.error, result = error, error.optimize_result
        self.result = result
        self.x0_after = x0


def observe(method, backend, fault, first=1, last=FOREVER, **kwargs):
    """The Observed run, after its invariants have been checked."""
    run = Observed(method, backend, fault, first, last, **kwargs)
    check(run)
    again = Observed(method, backend, fault, first, last, **kwargs)
    for name in ("x", "jac", "fun", "nit", "nfev", "njev", "status", "optimality"):
        assert np.array_equal(run.result[name], again.result[name], equal_nan=True), f"{name} differs in a second run"
    return run


def check(run):
    """The invariants of every cell."""
    result, f0 = run.result, clean_fun(run.start)
    assert np.array_equal(run.x0_after, run.start), "x0 was written to"
    assert result.success == (result.status == 0)
    assert result.message
    assert result.reason
    assert np.all(np.isfinite(result.x))
    if result.status != 6:
        assert (result.nfev, result.njev) == tuple(run.calls)
    else:  # of a pair of which one call raised the gradient is not counted
        assert result.nfev == run.calls[0]
        assert run.calls[1] - 1 <= result.njev <= run.calls[1]
    if result.status == 0:
        threshold = GRTOL * np.max(np.abs(clean_jac(run.start)))
        assert result.reason == "gtol"
        assert np.max(np.abs(clean_jac(result.x))) <= 2.0 * threshold
    if np.isfinite(result.fun):
        assert result.fun == clean_fun(result.x)
        assert result.fun <= f0
    if run.accepted and result.status not in (0, 4):
        assert result.fun <= min(run.accepted), "a lower point had been accepted"


def words(run, *alternatives):
    """The message mentions one of these words."""
    assert any(word in run.result.message for word in alternatives), run.result.message


# ------------------------------------------------------------------------------------- values that are not finite


@pytest.mark.parametrize("fault", [F_NAN, F_INF, G_NAN, G_INF])
def test_not_finite_at_the_start_is_status_3_without_iterations(method, backend, fault):
    run = observe(method, backend, fault, 1, 1)
    assert (run.result.status, run.result.nit) == (3, 0)
    assert np.array_equal(run.result.x, run.start)
    assert (run.result.nfev, run.result.njev) == (1, 1)
    words(run, "x0")


def test_minus_infinity_at_the_start_is_unbounded(method, backend):
    run = observe(method, backend, F_MINUS_INF, 1, 1)
    assert (run.result.status, run.result.nit, run.result.fun) == (4, 0, -np.inf)
    words(run, "unbounded")


@pytest.mark.parametrize("fault", [F_NAN, F_INF, G_NAN, G_INF])
@pytest.mark.parametrize("first", [2, 3, 9, 20])
def test_a_value_that_is_not_finite_at_one_trial_only_shortens_the_step(method, backend, fault, first):
    run = observe(method, backend, fault, first, first)
    assert run.result.status == 0
    assert np.allclose(run.result.x, 1.0, atol=1e-4)


@pytest.mark.parametrize("fault", [F_NAN, F_INF, G_NAN, G_INF])
def test_values_that_are_not_finite_in_ten_calls_running_are_survived(method, backend, fault):
    assert observe(method, backend, fault, 6, 15).result.status == 0


@pytest.mark.parametrize("first", [2, 3, 9, 20])
def test_minus_infinity_at_a_trial_ends_there(method, backend, first):
    run = observe(method, backend, F_MINUS_INF, first)
    assert (run.result.status, run.result.fun, run.result.success) == (4, -np.inf, False)
    words(run, "unbounded")


@pytest.mark.parametrize("fault", [F_NAN, F_INF, G_NAN, G_INF])
@pytest.mark.parametrize("first", [2, 9, 20])
def test_not_finite_for_ever_keeps_the_best_point(method, backend, fault, first):
    run = observe(method, backend, fault, first)
    assert run.result.status in (2, 3)
    assert np.isfinite(run.result.fun)
    assert run.result.nfev <= 300
    words(run, "nan or infinite", "not finite", "no lower point")


@pytest.mark.parametrize("fault", [F_NAN, F_INF, F_RAISES, G_NAN, G_RAISES])
def test_the_best_point_survives_a_fault_from_any_call_on(method, fault):
    for first in range(2, 80):
        run = Observed(method, "python", fault, first)
        check(run)
        assert np.isfinite(run.result.fun), first
        assert run.result.nfev >= run.calls[0] - 1, first
        assert run.result.nit >= len(run.accepted), first


@pytest.mark.parametrize("fault", [F_NAN, F_RAISES, G_RAISES])
def test_the_best_point_survives_a_fault_after_the_last_evaluation_allowed(method, fault):
    for maxfev in range(2, 80):
        run = Observed(method, "python", fault, maxfev + 1, maxfev=maxfev)
        check(run)
        assert np.isfinite(run.result.fun), maxfev
        assert run.result.nfev >= run.calls[0] - 1, maxfev
        assert run.result.nit >= len(run.accepted), maxfev


@pytest.mark.parametrize("fault", [F_NAN, F_INF])
def test_not_finite_at_every_trial_is_named_as_the_cause(method, backend, fault):
    run = observe(method, backend, fault, 2)
    assert run.result.status == 3
    words(run, "nan or infinite")


# ------------------------------------------------------------------------------------------------ wrong gradients


def test_a_gradient_of_the_wrong_sign_leaves_the_start(method, backend):
    run = observe(method, backend, G_FLIPPED)
    assert run.result.status == 2
    assert np.array_equal(run.result.x, run.start)
    words(run, "gradient may be wrong")


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].NEEDS != ("grad",)])
def test_a_stall_names_the_search_or_the_region_that_found_nothing(name):
    def uphill(x, g):
        g[:] = -2.0 * x - 1.0
        return x @ x + x[0] + x[1]

    def products(x, v, out):
        out[:] = 2.0 * v

    result = minimize(Objective(uphill, hvp=products), [1.0, 2.0], method=name, backend="python")
    assert (result.status, result.reason) == (2, "no decrease")
    assert ("region" in result.message) != ("search" in result.message)
    assert ("search" in result.message) == bool(METHODS[name].SEARCH)


@pytest.mark.parametrize("first", [2, 9])
def test_a_gradient_that_turns_wrong_never_raises_f(method, backend, first):
    assert observe(method, backend, G_FLIPPED, first).result.status in (0, 2)


def test_a_gradient_twice_too_long_still_leads_down(method, backend):
    run = observe(method, backend, G_DOUBLED, maxiter=2000)
    if METHODS[method].SEARCH:
        assert run.result.status in (0, 2)
        assert run.result.fun < 1e-3
    else:  # a radius shrinks until a ratio of 1/2 is right: slow, but down
        assert run.result.status in (0, 1, 2)
        assert run.result.fun < 0.1 * clean_fun(run.start)


def test_a_noisy_gradient_still_leads_down(method, backend):
    run = observe(method, backend, G_NOISY, maxiter=2000)
    assert run.result.status in (0, 2)
    assert run.result.fun < 1e-2


# ------------------------------------------------------------------------------------------------- budgets


def test_no_iterations_allowed_returns_the_start(method, backend):
    run = observe(method, backend, NONE, maxiter=0)
    assert (run.result.status, run.result.nit, run.result.nfev) == (1, 0, 1)
    assert np.array_equal(run.result.x, run.start)
    assert run.result.fun == clean_fun(run.start)
    words(run, "maxiter")


@pytest.mark.parametrize("maxfev", [1, 2, 3, 5, 8, 13, 21, 34])
def test_evaluations_are_not_exceeded_by_more_than_the_pair_under_way(method, backend, maxfev):
    run = observe(method, backend, NONE, maxfev=maxfev)
    assert run.result.nfev <= maxfev + 1  # one more, where x was not the best point
    if run.result.status != 0:
        assert run.result.status == 1
        assert maxfev <= run.result.nfev
        words(run, "maxfev")


def test_one_evaluation_allowed_returns_the_start(method, backend):
    run = observe(method, backend, NONE, maxfev=1)
    assert (run.result.status, run.result.nit, run.result.nfev) == (1, 0, 1)
    assert np.array_equal(run.result.x, run.start)


def test_no_time_allowed_returns_the_start(method, backend):
    run = observe(method, backend, NONE, time_limit=0)
    assert (run.result.status, run.result.nit) == (5, 0)
    assert np.array_equal(run.result.x, run.start)
    words(run, "time_limit")


def test_time_limit_ends_after_the_evaluation_under_way(method):
    calls = []

    def slow(x):
        calls.append(x)
        time.sleep(0.05)
        return clean_fun(x)

    result = minimize(slow, START, method=method, jac=clean_jac, backend="python", options={"time_limit": 0.12})
    assert result.status == 5
    assert 2 <= len(calls) <= 6
    assert result.nfev == len(calls)
    assert result.fun == clean_fun(result.x) <= clean_fun(np.array(START))


def test_time_limit_ends_a_compiled_objective(method):
    @njit
    def slow(x, rounds):
        a, b = x[1] - x[0] * x[0], 1.0 - x[0]
        f = 100.0 * a * a + b * b
        for _ in range(rounds):
            f = f * 0.999 + 0.001 * f
        return f

    result = minimize(slow, START, (10**7,), method, "2-point", options={"time_limit": 0.2, "gtol": 1e-300})
    assert result.status == 5
    assert result.nfev % 1 == 0
    assert result.elapsed < 30.0


# ---------------------------------------------------------------------------------------------- shapes of f


@njit
def linear(x):
    return x[0] - 2.0 * x[1]


@njit
def linear_gradient(x):
    return np.array([1.0, -2.0])


@njit
def cubic(x):
    return x[0] ** 3 + x[1] ** 2


@njit
def cubic_gradient(x):
    return np.array([3.0 * x[0] ** 2, 2.0 * x[1]])


@njit
def minus_exp(x):
    return -np.exp(x[0]) + x[1] ** 2


@njit
def minus_exp_gradient(x):
    return np.array([-np.exp(x[0]), 2.0 * x[1]])


@njit
def constant(x):
    return 3.0


@njit
def constant_gradient(x):
    return np.zeros(2)


@njit
def linear_hessian(x):
    return np.zeros((2, 2))


@njit
def cubic_hessian(x):
    return np.array([[6.0 * x[0], 0.0], [0.0, 2.0]])


@njit
def minus_exp_hessian(x):
    return np.array([[-np.exp(x[0]), 0.0], [0.0, 2.0]])


UNBOUNDED = {
    "linear": (linear, linear_gradient, linear_hessian, (1.0, 1.0)),
    "cubic": (cubic, cubic_gradient, cubic_hessian, (-0.5, 1.0)),
    "minus exp": (minus_exp, minus_exp_gradient, minus_exp_hessian, (1.0, 1.0)),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_unbounded_below_is_reported_within_200_evaluations(method, backend, name):
    f, gradient, hessian, x0 = UNBOUNDED[name]
    result = minimize(f, x0, method=method, jac=gradient, hess=used_by(method, hessian), backend=backend)
    assert result.status == 4
    assert not result.success
    assert result.nfev <= 200
    assert "unbounded" in result.message


def test_fmin_is_where_unbounded_begins(method, backend):
    result = minimize(linear, (1.0, 1.0), method=method, jac=linear_gradient, backend=backend, options={"fmin": -1e3})
    assert result.status == 4
    assert -1e7 < result.fun <= -1e3


def test_a_stationary_start_is_converged_without_iterations(method, backend):
    result = minimize(constant, (1.0, 2.0), method=method, jac=constant_gradient, backend=backend)
    assert (result.status, result.nit, result.fun, result.reason) == (0, 0, 3.0, "gtol")


def test_a_tolerance_below_rounding_is_called_precision_not_maxiter(method, backend):
    options = {"gtol": 1e-300, "maxiter": 20000}
    run = Observed(method, backend, NONE, x0=(0.9, 0.8), **options)
    if run.result.status == 0:  # the gradient may become exactly zero
        assert np.all(clean_jac(run.result.x) == 0.0)
    else:
        assert (run.result.status, run.result.reason) == (2, "precision")
        words(run, "rounding floor")


@pytest.mark.parametrize("offset", [1.0, 1e8, -1e8])
def test_a_large_constant_ends_at_the_rounding_floor_and_says_so(method, offset):
    def lifted(x):
        return clean_fun(x) + offset

    for options in ({"gtol": 1e-300, "maxiter": 20000}, {"grtol": 1e-300, "maxiter": 20000}):
        result = minimize(lifted, (0.9, 0.8), method=method, jac=clean_jac, backend="python", options=options)
        if result.status == 0:
            assert np.all(clean_jac(result.x) == 0.0)
        else:
            assert (result.status, result.reason) == (2, "precision")
            assert "subtract a constant" in result.message
        assert lifted(result.x) - offset <= 1e-15 * abs(offset)


@njit
def scaled(x, size, length):
    y0, y1 = x[0] / length, x[1] / length
    a, b = y1 - y0 * y0, 1.0 - y0
    return size * (100.0 * a * a + b * b)


@njit
def scaled_gradient(x, size, length):
    y0, y1 = x[0] / length, x[1] / length
    a, b = y1 - y0 * y0, 1.0 - y0
    g = np.empty(2)
    g[0] = size * (-400.0 * a * y0 - 2.0 * b) / length
    g[1] = size * 200.0 * a / length
    return g


@njit
def scaled_hessian(x, size, length):
    y0, y1 = x[0] / length, x[1] / length
    H = np.empty((2, 2))
    H[0, 0], H[1, 1] = 1200.0 * y0 * y0 - 400.0 * y1 + 2.0, 200.0
    H[0, 1] = H[1, 0] = -400.0 * y0
    return H * (size / length / length)


@pytest.mark.parametrize("size", [1e-200, 1e-100, 1e100, 1e200])
def test_values_of_any_size_are_minimized(method, backend, size):
    result = minimize(scaled, START, (size, 1.0), method, scaled_gradient, backend=backend)
    assert result.status == 0
    assert np.allclose(result.x, 1.0, atol=1e-4)
    assert result.fun == scaled(result.x, size, 1.0)


# Squares of the Hessian over- or underflow.
NOT_OF_ANY_SIZE = {
    ("dogleg", 1e-150),
    ("newton-cg-capped", 1e-75),
    ("newton-cg-capped", 1e75),
    ("trust-ncg-capped", 1e-75),
}


@pytest.mark.parametrize("length", [1e-150, 1e-75, 1e75, 1e150])
def test_variables_of_any_size_are_minimized(method, backend, length):
    if (method, length) in NOT_OF_ANY_SIZE:
        pytest.xfail("squares of the Hessian over- or underflow")
    x0 = np.array(START) * length
    second = used_by(method, scaled_hessian)
    result = minimize(scaled, x0, (1.0, length), method, scaled_gradient, second, backend=backend)
    assert result.status == 0
    assert np.allclose(result.x / length, 1.0, atol=1e-4)
    assert result.fun == scaled(result.x, 1.0, length)


@pytest.mark.parametrize("search", ["armijo", "strong-wolfe", "more-thuente"])
@pytest.mark.parametrize("beta", ["fr", "pr+", "hs", "dy", "hz"])
def test_directions_that_do_not_descend_are_replaced_and_counted(backend, beta, search):
    options = {"beta": beta, "line_search": search, "c2": 0.9, "maxiter": 5000}
    result = minimize(clean_fun, START, method="cg", jac=clean_jac, backend="python", options=options)
    assert result.status in (0, 1)
    assert result.nrestart > 0
    assert result.fun < 1.0


# -------------------------------------------------------------------------------------------------- exceptions


@pytest.mark.parametrize("first", [1, 2, 5, 17])
@pytest.mark.parametrize(("fault", "kind"), [(F_RAISES, ValueError), (G_RAISES, KeyError)])
def test_an_exception_reaches_the_caller_with_the_best_point(method, backend, fault, kind, first):
    run = observe(method, backend, fault, first)
    assert type(run.error) is kind
    assert "has a fault" in str(run.error)
    assert any("secondorder" in note for note in run.error.__notes__)
    assert run.result.status == 6
    words(run, "has a fault")
    if first > 1:
        assert np.isfinite(run.result.fun)


@pytest.mark.parametrize("first", [1, 2, 17])
@pytest.mark.parametrize("fault", [F_RAISES, G_RAISES])
def test_on_error_return_is_status_6_with_the_best_point(method, backend, fault, first):
    run = observe(method, backend, fault, first, on_error="return")
    assert run.error is None or run.result.status == 6
    assert (run.result.status, run.result.success, run.result.reason) == (6, False, "exception")
    words(run, "ValueError", "KeyError")


@pytest.mark.parametrize("fault", [F_RAISES, G_RAISES])
def test_an_exception_at_the_start_leaves_no_invented_value(method, backend, fault):
    result = Observed(method, backend, fault, 1).result
    assert np.array_equal(result.x, START)
    assert np.isnan(result.fun)
    assert np.isnan(result.optimality)
    assert np.all(np.isnan(result.jac))
    assert not any(criterion["met"] for criterion in result.criteria)


def test_the_very_exception_of_a_python_function_is_raised(method):
    class Mine(Exception):
        pass

    mine = Mine("of my own")

    def raises(x):
        raise mine

    with pytest.raises(Mine) as caught:
        minimize(raises, START, method=method, jac=clean_jac, backend="python")
    assert caught.value is mine


@pytest.mark.parametrize("at", [1, 2, 5])
def test_an_exception_of_the_callback_reaches_the_caller(method, backend, at):
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        if len(seen) == at:
            raise LookupError("callback has a fault")

    args = (NONE, 1, 0, np.zeros(2, np.int64))
    with pytest.raises(LookupError, match="callback has a fault") as caught:
        minimize(fun, START, args, method, jac, backend=backend, callback=callback)
    result = caught.value.optimize_result
    assert result.fun == min(point.fun for point in seen) == clean_fun(result.x)
    assert result.nit == at


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("at", [1, 2, 7])
def test_stop_iteration_in_the_callback_is_status_99_with_the_best_point(method, backend, at, by_name):
    values = []

    def seen(x):
        values.append(clean_fun(x))
        if len(values) == at:
            raise StopIteration

    def seen_by_name(intermediate_result):
        seen(intermediate_result.x)

    args = (NONE, 1, 0, np.zeros(2, np.int64))
    callback = seen_by_name if by_name else seen
    result = minimize(fun, START, args, method, jac, backend=backend, callback=callback)
    assert (result.status, result.nit, result.success, result.reason) == (99, at, False, "callback")
    assert result.fun == min(values)
    assert "callback" in result.message


# ------------------------------------------------------------------------------------------- shared and kept arrays


def test_writing_to_x_in_a_python_objective_changes_nothing(method):
    def spoils_fun(x):
        f = clean_fun(x)
        x[:] = np.nan
        return f

    def spoils_jac(x):
        g = clean_jac(x)
        x[:] = np.nan
        return g

    expected = minimize(clean_fun, START, method=method, jac=clean_jac, backend="python")
    result = minimize(spoils_fun, START, method=method, jac=spoils_jac, backend="python")
    assert np.array_equal(result.x, expected.x)
    assert result.nfev == expected.nfev


@njit
def spoiling_fun(x):
    a, b = x[1] - x[0] * x[0], 1.0 - x[0]
    x[0] += 0.125
    return 100.0 * a * a + b * b


@njit
def spoiling_jac(x):
    a, b = x[1] - x[0] * x[0], 1.0 - x[0]
    g = np.empty(2)
    g[0], g[1] = -400.0 * a * x[0] - 2.0 * b, 200.0 * a
    x[1] = -7.0
    return g


def test_writing_to_x_in_a_compiled_objective_changes_nothing(method):
    expected = minimize(clean_fun, START, method=method, jac=clean_jac, backend="python")
    result = minimize(spoiling_fun, START, method=method, jac=spoiling_jac)
    assert np.array_equal(result.x, expected.x)
    assert result.nfev == expected.nfev + 1  # the start once more, after the first call was caught writing


def test_arrays_that_the_objective_and_the_callback_keep_stay_as_they_were(method):
    kept, copies = [], []

    def keep(x):
        kept.append(x)
        copies.append(x.copy())
        return clean_fun(x)

    def callback(x):
        keep(x)
        x[:] = 0.0
        copies[-1][:] = 0.0

    expected = minimize(clean_fun, START, method=method, jac=clean_jac, backend="python")
    result = minimize(keep, START, method=method, jac=clean_jac, backend="python", callback=callback)
    assert np.array_equal(result.x, expected.x)
    assert np.array_equal(kept, copies)


def test_a_result_is_not_changed_by_the_next_call(method, backend):
    args = (NONE, 1, 0, np.zeros(2, np.int64))
    first = minimize(fun, START, args, method, jac, backend=backend)
    x, gradient = first.x.copy(), first.jac.copy()
    minimize(fun, (3.0, -2.0), args, method, jac, backend=backend, options={"maxiter": 3})
    assert np.array_equal(first.x, x)
    assert np.array_equal(first.jac, gradient)


def test_a_point_given_to_a_callback_is_not_changed_by_the_next_iteration(method, backend):
    kept, copies = [], []

    def callback(intermediate_result):
        kept.append(intermediate_result)
        copies.append((intermediate_result.x.copy(), intermediate_result.jac.copy()))

    args = (NONE, 1, 0, np.zeros(2, np.int64))
    minimize(fun, START, args, method, jac, backend=backend, callback=callback)
    assert len(kept) > 3
    for point, (x, gradient) in zip(kept, copies, strict=True):
        assert np.array_equal(point.x, x)
        assert np.array_equal(point.jac, gradient)


# ----------------------------------------------------------------------------- recursion, threads, memory, fall back


def test_an_objective_may_call_minimize(method):
    def inner(y, a):
        return (y[0] - a) ** 2 + y[0] ** 4

    def outer(x):
        inside = minimize(inner, [0.0], (x[0],), method=method, backend="python")
        assert inside.success
        return inside.fun + (x[1] - inside.x[0]) ** 2 + (x[0] - 1.0) ** 2

    result = minimize(outer, [2.0, 2.0], method=method, jac="3-point", backend="python", options={"gtol": 1e-5})
    assert result.status == 0
    assert result.fun == outer(result.x)


def in_threads(work, n):
    """work(0), .., work(n - 1), each in a thread of its own."""
    threads = [threading.Thread(target=work, args=(k,)) for k in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_eight_threads_get_the_bits_of_one(method, backend):
    starts = [np.array([-1.2 + 0.1 * k, 1.0 - 0.05 * k]) for k in range(8)]

    def solve(x0):
        return minimize(fun, x0, (NONE, 1, 0, np.zeros(2, np.int64)), method, jac, backend=backend)

    expected = [solve(x0) for x0 in starts]
    found = [None] * 8
    gate = threading.Barrier(8)

    def work(k):
        gate.wait()
        for _ in range(3):
            found[k] = solve(starts[k])

    in_threads(work, 8)
    for one, other in zip(expected, found, strict=True):
        assert np.array_equal(one.x, other.x)
        assert np.array_equal(one.jac, other.jac)
        assert (one.fun, one.nfev, one.nit) == (other.fun, other.nfev, other.nit)


def test_eight_threads_may_run_eight_solvers():
    names = list(METHODS) * 2
    expected = [minimize(clean_fun, START, method=name, jac=clean_jac, backend="python") for name in names]
    found = [None] * len(names)

    def work(k):
        found[k] = minimize(clean_fun, START, method=names[k], jac=clean_jac, backend="python")

    in_threads(work, len(names))
    for one, other in zip(expected, found, strict=True):
        assert np.array_equal(one.x, other.x)


def test_too_large_for_memory_is_refused_before_anything_is_allocated_or_evaluated():
    def never(x):
        raise AssertionError("evaluated")

    with pytest.raises(MemoryError, match="l-bfgs"):
        minimize(never, np.zeros(3_000_000), method="bfgs", jac=never, backend="python")


def test_what_numba_cannot_compile_runs_in_python_after_one_warning_that_says_why(method):
    class Weights:
        scale = 2.0

    weights = Weights()

    def uses_an_object(x):
        return weights.scale * float(np.sum((x - 1.0) ** 2))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = minimize(uses_an_object, [3.0, 4.0], method=method)
        second = minimize(uses_an_object, [3.0, 4.0], method=method)
    ours = [w for w in caught if "running the objective in Python" in str(w.message)]
    assert len(ours) == 1
    assert issubclass(ours[0].category, RuntimeWarning)
    assert "weights" in str(ours[0].message) or "Weights" in str(ours[0].message)
    assert ours[0].filename == __file__
    assert first.status == second.status == 0
    assert first.backend == "python"


def test_what_numba_cannot_compile_is_refused_where_numba_was_asked_for(method):
    table = {"scale": object()}

    def uses_an_object(x):
        return 1.0 if table["scale"] else 0.0

    with pytest.raises(TypeError, match="can't be compiled"):
        minimize(uses_an_object, [3.0, 4.0], method=method, backend="numba")


# ----------------------------------------------------------------------------------------------------- everything


class Tough:
    """Rosenbrock's function with noise of 20 %, at random raising, nan, inf or -1e30; every value is kept."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.values, self.n_jac = {}, 0
        self.raised, self.n_fun = False, 0

    def spoil(self, value):
        u = self.random.random()
        if u < 0.05:
            self.raised = True
            raise ArithmeticError("a tough one")
        if u < 0.12:
            return value * np.nan
        if u < 0.22:
            return value * np.inf
        if u < 0.27:
            return 0.0 * value - 1e30
        return value * (1.0 + 0.2 * self.random.standard_normal())

    def fun(self, x):
        self.n_fun += 1
        f = float(self.spoil(clean_fun(x)))
        self.values.setdefault(x.tobytes(), []).append(f)
        return f

    def jac(self, x):
        self.n_jac += 1
        with np.errstate(invalid="ignore"):
            return self.spoil(clean_jac(x))


@pytest.mark.parametrize("seed", range(50))
def test_whatever_comes_only_truthful_statuses_come_out(method, seed):
    tough = Tough(seed)
    options = {"on_error": "return", "maxfev": 300}
    result = minimize(tough.fun, START, method=method, jac=tough.jac, backend="python", options=options)
    assert result.success == (result.status == 0)
    assert result.message
    assert result.status in (0, 1, 2, 3, 4, 6)
    assert (result.status == 6) == tough.raised
    assert result.nfev <= 301
    assert np.all(np.isfinite(result.x))
    if not tough.raised or METHODS[method].NEEDS == ("grad",):  # differences that raise half way are not counted
        assert result.nfev == tough.n_fun
    if not tough.raised:
        assert result.njev == tough.n_jac
    seen = tough.values.get(result.x.tobytes(), [])
    if seen:
        assert any(np.array_equal(result.fun, f, equal_nan=True) for f in seen) or result.status == 6
    else:
        assert result.status == 6
        assert np.isnan(result.fun)
    f0 = tough.values.get(np.array(START).tobytes(), [np.nan])[0]
    if np.isfinite(f0) and result.njev > 0:
        assert result.fun <= f0
    if result.status == 4:
        assert result.fun <= -1e20
    if result.status == 0:
        met = result.optimality <= max(criterion["threshold"] for criterion in result.criteria)
        assert met or (result.reason == "precision" and abs(result.fun) > 1e20)  # nothing shows beside such an f


@pytest.mark.parametrize("seed", range(5))
def test_the_same_trouble_gives_the_same_result(method, seed):
    runs = []
    for _ in range(2):
        tough = Tough(seed)
        options = {"on_error": "return", "maxfev": 300}
        runs.append(minimize(tough.fun, START, method=method, jac=tough.jac, backend="python", options=options))
    assert np.array_equal(runs[0].x, runs[1].x)
    assert np.array_equal(runs[0].fun, runs[1].fun, equal_nan=True)
    assert runs[0].nfev == runs[1].nfev


@pytest.mark.parametrize("fault", range(11))
@pytest.mark.parametrize("first", [1, 4, 11])
def test_compiled_and_python_objectives_fail_alike(method, fault, first):
    runs = [Observed(method, backend, fault, first, first + 5, maxiter=500) for backend in ("numba", "python")]
    assert type(runs[0].error) is type(runs[1].error)
    assert np.array_equal(runs[0].calls, runs[1].calls)
    for name in ("x", "fun", "jac", "status", "reason", "nit", "nfev", "njev", "message"):
        one, other = (run.result[name] for run in runs)
        assert one == other if isinstance(one, str) else np.array_equal(one, other, equal_nan=True), name


@pytest.mark.parametrize("name", ["log-linear", "log-barrier-1e-6", "entropy", "analytic-center", "box-barrier"])
def test_a_domain_that_ends_is_stayed_in(method, name):
    problem = PROBLEMS[name]
    second = used_by(method, problem.hessian)  # differences of gradients would leave the domain
    result = minimize(problem.fun, problem.x0(), method=method, jac=problem.gradient, hess=second, backend="python")
    assert result.status in (0, 1)
    assert np.isfinite(result.fun)
    assert result.fun == problem.fun(result.x)
