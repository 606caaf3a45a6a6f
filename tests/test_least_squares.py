"""least_squares: what it promises beside certified fits; against SciPy and a textbook twin."""

import functools
import inspect
import math
import re

import numpy as np
import pytest
import scipy.optimize
from numba import njit

import secondorder
from secondorder import Unsupported, least_squares
from secondorder.backends import fits as backend
from secondorder.fits import FITS, hessian_free
from secondorder.fits.losses import ARCTAN, CAUCHY, HUBER, LOSSES, SOFT_L1, rho
from secondorder.options import RunOptions
from tests.naive import least_squares as naive

pytestmark = pytest.mark.timeout(120)

DENSE = [name for name in FITS if "jacobian" in FITS[name].NEEDS]
MATRIX_FREE = [name for name in FITS if "products" in FITS[name].NEEDS]
OTOL = 2.0**-26
GRTOL = 2.0**-26


@pytest.fixture(params=list(FITS))
def fit(request):
    return request.param


@pytest.fixture(params=DENSE)
def dense(request):
    return request.param


# ---------------------------------------------------------------------------- residuals, with Jacobians and products

T = np.linspace(0.0, 4.0, 32)
Y = 2.5 * np.exp(-1.3 * T) + 0.5 + 0.05 * np.random.default_rng(7).standard_normal(32)


def decay(x, t, y):
    r = np.empty(t.size)
    for i in range(t.size):
        r[i] = x[0] * math.exp(-x[1] * t[i]) + x[2] - y[i]
    return r


def decay_jac(x, t, y):
    J = np.ones((t.size, 3))
    for i in range(t.size):
        e = math.exp(-x[1] * t[i])
        J[i, 0], J[i, 1] = e, -x[0] * t[i] * e
    return J


def rosenbrock(x):
    return np.array([10.0 * (x[1] - x[0] * x[0]), 1.0 - x[0]])


def rosenbrock_jac(x):
    return np.array([[-20.0 * x[0], 10.0], [-1.0, 0.0]])


def freudenstein_roth(x):
    return np.array(
        [-13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1], -29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1]]
    )


def freudenstein_roth_jac(x):
    return np.array([[1.0, 10.0 * x[1] - 3.0 * x[1] * x[1] - 2.0], [1.0, 3.0 * x[1] * x[1] + 2.0 * x[1] - 14.0]])


def powell_singular(x):
    a, b = x[1] - 2.0 * x[2], x[0] - x[3]
    return np.array([x[0] + 10.0 * x[1], math.sqrt(5.0) * (x[2] - x[3]), a * a, math.sqrt(10.0) * b * b])


def powell_singular_jac(x):
    a, b, s = 2.0 * (x[1] - 2.0 * x[2]), 2.0 * math.sqrt(10.0) * (x[0] - x[3]), math.sqrt(5.0)
    return np.array([[1.0, 10.0, 0.0, 0.0], [0.0, 0.0, s, -s], [0.0, a, -2.0 * a, 0.0], [b, 0.0, 0.0, -b]])


def logarithm(x):  # nan for x <= 0, where the first full step goes
    return np.array([np.log(x[0]) - 1.0, 0.1 * (x[0] - 2.0)])


def logarithm_jac(x):
    return np.array([[1.0 / x[0]], [0.1]])


CASES = {
    "decay": (decay, decay_jac, [1.0, 1.0, 0.0], (T, Y)),
    "rosenbrock": (rosenbrock, rosenbrock_jac, [-1.2, 1.0], ()),
    "freudenstein-roth": (freudenstein_roth, freudenstein_roth_jac, [0.5, -2.0], ()),
    "powell-singular": (powell_singular, powell_singular_jac, [3.0, -1.0, 0.0, 1.0], ()),
    "logarithm": (logarithm, logarithm_jac, [20.0], ()),
}


@functools.cache
def compiled(name):
    """The functions of a case, compiled once."""
    residual, jac, x0, args = CASES[name]
    return njit(residual), njit(jac), x0, args


@functools.cache
def products(jac):
    """(jvp, vjp) from a Jacobian."""
    return (lambda x, v, *args: jac(x, *args) @ v), (lambda x, u, *args: jac(x, *args).T @ u)


def solve(name, method, backend="numba", x0=None, **given):
    residual, jac, start, args = CASES[name] if backend == "python" else compiled(name)
    jac = products(CASES[name][1]) if method in MATRIX_FREE and backend == "python" else jac
    if method in MATRIX_FREE and backend == "numba":
        jac = None
    start = start if x0 is None else x0
    return least_squares(residual, start, jac, args=args, method=method, backend=backend, **given)


def same_bits(one, other):
    numbers = ("x", "cost", "fun", "grad", "nit", "nfev", "njev", "nhev", "status", "optimality")
    for name in (*numbers, "reason", "message"):
        a, b = one[name], other[name]
        assert a == b if isinstance(a, str) else np.array_equal(a, b, equal_nan=True), f"{name}: {a} and {b}"


def offset(r, J):
    """|P r| / |r|, P the projection on the range of J."""
    return np.linalg.norm(J @ np.linalg.lstsq(J, r, rcond=None)[0]) / np.linalg.norm(r)


# ------------------------------------------------------------------------------------------- truthful success


@pytest.mark.parametrize("name", CASES)
def test_converges_and_says_truly_by_which_criterion(fit, backend, name):
    result = solve(name, fit, backend)
    residual, jac, x0, args = CASES[name]
    assert result.status == 0 and result.success, result.message
    r, J = residual(result.x, *args), jac(result.x, *args)
    if result.reason == "otol":
        assert offset(r, J) <= 1.01 * OTOL
    elif result.reason == "rtol":
        assert np.linalg.norm(r) <= 2.0**-52 * np.linalg.norm(residual(np.array(x0), *args))
    elif result.reason == "gtol":
        r0, J0 = residual(np.array(x0), *args), jac(np.array(x0), *args)
        threshold = GRTOL * np.max(np.abs(J0.T @ r0)) if fit in MATRIX_FREE else 0.0
        assert np.max(np.abs(J.T @ r)) <= threshold * (1.0 + 1e-12)
    else:
        assert result.reason == "precision"
        assert np.max(np.abs(J.T @ r)) <= 1e-7 * np.linalg.norm(J, 2) * np.linalg.norm(r)
    met = [c["met"] for c in result.criteria]
    assert any(met) == (result.reason != "precision") or result.optimality == 0.0


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("maxiter", [0, 1, 3, 1000])
def test_everything_is_what_it_is_at_x(fit, backend, name, maxiter):
    residual, jac, x0, args = CASES[name]
    result = solve(name, fit, backend, options={"maxiter": maxiter})
    r, J = residual(result.x, *args), jac(result.x, *args)
    assert np.allclose(result.fun, r, rtol=1e-12, atol=1e-15)
    assert result.cost == pytest.approx(0.5 * r @ r, rel=1e-12)
    assert result.cost <= 0.5 * np.sum(residual(np.array(x0), *args) ** 2)
    assert np.allclose(result.grad, J.T @ r, rtol=1e-9, atol=1e-12)
    assert result.optimality == np.max(np.abs(result.grad))
    if fit in DENSE:
        assert np.allclose(result.jac, J, rtol=1e-12, atol=1e-15)
        assert result.jac.shape == (r.size, result.x.size)


def test_the_fields_of_a_result_are_there_and_of_their_types(dense, backend):
    result = solve("decay", dense, backend)
    kinds = {"x": np.ndarray, "cost": float, "fun": np.ndarray, "jac": np.ndarray, "grad": np.ndarray, "rank": int}
    kinds |= {"optimality": float, "success": bool, "status": int, "reason": str, "message": str, "criteria": tuple}
    kinds |= {"nit": int, "nfev": int, "njev": int, "nhev": int, "elapsed": float, "method": str, "derivatives": str}
    kinds |= {"backend": str, "covariance": np.ndarray}
    assert set(result) == set(kinds)
    for name, kind in kinds.items():
        assert type(result[name]) is kind, name
    assert "otol" in repr(result)


def test_a_start_at_the_solution_needs_no_iteration(fit, backend):
    result = solve("rosenbrock", fit, backend, x0=[1.0, 1.0])
    probes = getattr(FITS[fit].Options(), "probes", 0)
    assert (result.status, result.nit, result.nfev) == (0, 0, 1)
    assert 1 <= result.njev <= 1 + probes
    assert result.cost == 0.0


def test_a_tolerance_that_is_given_is_the_only_one(dense):
    loose = solve("decay", dense, gtol=1e-2)
    assert loose.reason == "gtol" and 1e-9 < loose.optimality <= 1e-2
    assert [c["name"] for c in loose.criteria] == ["gtol"]
    strict = solve("decay", dense, options={"gtol": 1e-300})
    assert (strict.status, strict.reason, strict.success) == (2, "precision", False)
    assert "rounding floor" in strict.message
    assert solve("decay", dense, options={"otol": 1e-3}).nit < solve("decay", dense).nit
    assert solve("decay", dense, xtol=1e-2).reason == "xtol"
    assert solve("decay", dense, ftol=1e-2).reason == "ftol"


# --------------------------------------------------------------------------------------- counts, budgets, workspace


@pytest.mark.parametrize("jac", ["given", "pair", "2-point", "3-point", "cs"])
@pytest.mark.parametrize("name", ["rosenbrock", "freudenstein-roth"])
def test_counts_are_the_calls_really_made(dense, name, jac):
    residual, jacobian, x0, _ = CASES[name]
    calls = {"residual": 0, "jac": 0}

    def counted(x):
        calls["residual"] += 1
        return residual(x)

    def counted_jac(x):
        calls["jac"] += 1
        return jacobian(x)

    def pair(x):
        calls["residual"] += 1
        return residual(x), jacobian(x)

    given = {"given": (counted, counted_jac), "pair": (pair, True)}.get(jac, (counted, jac))
    result = least_squares(*given[:1], x0, given[1], method=dense, backend="python", options={"maxiter": 30})
    assert result.nfev == calls["residual"]
    assert result.nit > 3
    assert result.njev >= result.nit
    if jac == "given":
        assert result.njev == calls["jac"]


@pytest.mark.parametrize("name", ["decay", "rosenbrock"])
def test_products_are_counted(name):
    residual, jac, x0, args = CASES[name]
    calls = {"residual": 0, "jvp": 0, "vjp": 0}

    def counted(x, *args):
        calls["residual"] += 1
        return residual(x, *args)

    def jvp(x, v, *args):
        calls["jvp"] += 1
        return jac(x, *args) @ v

    def vjp(x, u, *args):
        calls["vjp"] += 1
        return jac(x, *args).T @ u

    for method in MATRIX_FREE:
        calls |= dict.fromkeys(calls, 0)
        result = least_squares(counted, x0, (jvp, vjp), args=args, method=method, backend="python")
        assert result.success
        assert (result.nfev, result.nhev) == (calls["residual"], calls["jvp"])
        assert result.njev <= calls["vjp"] <= result.njev + result.nhev


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("maxfev", [1, 3, 6])
def test_maxfev_bounds_the_evaluations(fit, backend, name, maxfev):
    result = solve(name, fit, backend, max_nfev=maxfev)
    assert result.nfev <= maxfev
    assert result.status == (0 if result.success else 1)
    assert result.success or "maxfev" in result.message


def test_no_time_is_status_5_at_the_start(fit, backend):
    result = solve("decay", fit, backend, options={"time_limit": 0.0})
    assert (result.status, result.nit) == (5, 0)


def test_converging_at_the_last_permitted_iteration_is_converged(fit, backend):
    free = solve("decay", fit, backend)
    same_bits(free, solve("decay", fit, backend, options={"maxiter": free.nit}))
    short = solve("decay", fit, backend, options={"maxiter": free.nit - 1})
    assert (short.status, short.nit) == (1, free.nit - 1)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("loss", ["linear", "cauchy"])
def test_a_dirty_workspace_gives_the_same_bits(fit, backend_name, name, loss, monkeypatch):
    clean = solve(name, fit, backend_name, loss=loss, options={"history": True})
    for dirt in (np.nan, -1e300, np.inf, 7.0):

        def take(sizes, dirt=dirt):
            space = backend.Space(*sizes)
            for array in (space.work, space.fit, space.memory, space.best, space.values):
                array[...] = dirt
            space.counts[:] = -7
            return space

        monkeypatch.setattr(backend, "take_space", take)
        dirty = solve(name, fit, backend_name, loss=loss, options={"history": True})
        same_bits(clean, dirty)
        for key in set(clean) & {"jac", "covariance"}:
            assert np.array_equal(clean[key], dirty[key], equal_nan=True), key
        for column in clean.history:
            assert np.array_equal(clean.history[column], dirty.history[column]), column


@pytest.fixture(params=["numba", "python"])
def backend_name(request):
    return request.param


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (9, 4), (2, 5)])
def test_nothing_beyond_the_sizes_told_is_touched(fit, shape, monkeypatch):
    m, n = shape
    B = np.random.default_rng(n).standard_normal((m, n))
    kept = []

    def make(work, rows, length):
        sizes = work, rows, (length,)
        arrays = [np.full((size[0] + 3, *size[1:]), -5.5) for size in sizes]
        kept.append([array[size[0] :] for array, size in zip(arrays, sizes)])
        return [array[: size[0]] for array, size in zip(arrays, sizes)]

    monkeypatch.setattr(backend, "make_workspace", make)
    monkeypatch.setattr(backend, "take_space", lambda sizes: backend.Space(*sizes))
    assert least_squares(linear, np.ones(n), args=(B, np.ones(m)), method=fit).success
    assert kept and all(np.all(part == -5.5) for parts in kept for part in parts)


def linear(x, B, b):
    return B @ x - b


def test_two_runs_have_the_same_bits_and_a_run_in_between_changes_nothing(fit):
    first = solve("decay", fit)
    solve("rosenbrock", fit)
    same_bits(first, solve("decay", fit))


@pytest.mark.parametrize("name", ["rosenbrock", "freudenstein-roth", "powell-singular"])
def test_compiled_and_python_residuals_have_the_same_bits(dense, name):
    same_bits(solve(name, dense, "numba"), solve(name, dense, "python"))


def test_x0_and_options_stay_as_they_were(fit, backend):
    x0, options = np.array([1.0, 1.0, 0.0]), {"maxiter": 50}
    solve("decay", fit, backend, x0=x0, options=options)
    assert np.array_equal(x0, [1.0, 1.0, 0.0]) and options == {"maxiter": 50}


# ------------------------------------------------------------------------------------------- callbacks and history


def test_callbacks_of_both_styles_see_every_iterate_and_get_copies(fit, backend):
    points, states = [], []

    def spoil(x):
        points.append(x.copy())
        x[:] = np.nan

    plain = solve("decay", fit, backend, options={"history": True})
    same_bits(plain, solve("decay", fit, backend, callback=spoil))
    solve("decay", fit, backend, callback=lambda intermediate_result: states.append(intermediate_result))
    assert len(points) == len(states) == plain.nit
    for k, (x, state) in enumerate(zip(points, states, strict=True), 1):
        assert np.array_equal(x, state.x)
        assert state.cost == plain.history["fun"][k]
        assert np.allclose(state.fun, decay(x, T, Y), rtol=1e-12, atol=1e-14)
        assert (state.nit, state.optimality) == (k, plain.history["optimality"][k])
    assert np.array_equal(points[-1], plain.x)


def test_stop_iteration_in_a_callback_ends_the_run(fit, backend):
    def callback(intermediate_result):
        if intermediate_result.nit == 2:
            raise StopIteration

    result = solve("decay", fit, backend, callback=callback)
    assert (result.status, result.nit, result.success) == (99, 2, False)


def test_history_has_a_row_for_the_start_and_one_for_each_iteration_and_only_goes_down(fit, backend):
    result = solve("decay", fit, backend, options={"history": True})
    history = result.history
    assert all(column.shape == (result.nit + 1,) for column in history.values())
    assert np.all(np.diff(history["fun"]) < 0.0)
    assert (history["nfev"][0], history["nfev"][-1], history["njev"][-1]) == (1, result.nfev, result.njev)


# ---------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("k", [1, 2, 4])
def test_an_exception_brings_the_best_point(fit, k):
    calls = 0

    def failing(x, t, y):
        nonlocal calls
        calls += 1
        if calls == k:
            raise LookupError("broken")
        return decay(x, t, y)

    given = {"args": (T, Y), "method": fit, "backend": "python", "jac": decay_jac}
    if fit in MATRIX_FREE:
        given["jac"] = products(decay_jac)
    with pytest.raises(LookupError, match="broken") as caught:
        least_squares(failing, [1.0, 1.0, 0.0], **given)
    if k > 1:
        found = caught.value.optimize_result
        assert found.cost <= 0.5 * np.sum(decay(np.array([1.0, 1.0, 0.0]), T, Y) ** 2)
        assert np.array_equal(found.fun, decay(found.x, T, Y))
        calls = 0
        again = least_squares(failing, [1.0, 1.0, 0.0], options={"on_error": "return"}, **given)
        assert (again.status, again.success) == (6, False)
        assert "LookupError: broken" in again.message
        assert np.array_equal(again.x, found.x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_residuals_that_are_not_finite_at_the_start_are_status_3(fit, bad):
    result = least_squares(lambda x, bad: np.array([x[0], bad * 1.0]), [1.0], args=(bad,), method=fit)
    assert (result.status, result.nit, result.nfev) == (3, 0, 1)


def test_a_nan_shortens_the_step(fit, backend):
    seen = []

    def callback(x):
        seen.append(x[0])

    result = solve("logarithm", fit, backend, callback=callback)
    assert result.success, result.message
    assert np.all(np.array(seen) > 0.0)
    assert result.x[0] == pytest.approx(scipy.optimize.least_squares(logarithm, [2.0], logarithm_jac).x[0], rel=1e-5)


def test_a_jacobian_that_is_not_finite_shortens_the_step(fit):
    def jac(x):
        return np.array([[1.0 if x[0] > 0.5 else np.nan]])

    given = jac if fit in DENSE else products(jac)
    result = least_squares(lambda x: np.array([x[0]]), [3.0], given, method=fit, backend="python")
    assert not result.success
    assert 0.5 < result.x[0] < 3.0
    if fit in DENSE:
        assert np.array_equal(result.jac, [[1.0]])


@pytest.mark.parametrize("wrong", [-1.0, 0.0])
def test_a_wrong_jacobian_is_no_success(dense, wrong):
    result = least_squares(rosenbrock, [-1.2, 1.0], lambda x: wrong * rosenbrock_jac(x), method=dense, backend="python")
    if wrong == 0.0:  # says that x0 is stationary
        assert result.nit == 0
    else:
        assert (result.success, result.status, result.reason) == (False, 2, "no decrease")
        assert np.array_equal(result.x, [-1.2, 1.0])


def test_columns_that_depend_on_one_another_are_no_obstacle(fit):
    def same(x, t, y):
        return (x[0] + x[1]) * np.exp(-x[2] * t) - y

    result = least_squares(same, [1.0, 1.0, 1.0], args=(T, Y), method=fit)
    alone = least_squares(lambda x, t, y: x[0] * np.exp(-x[1] * t) - y, [1.0, 1.0], args=(T, Y))
    assert result.success and result.cost == pytest.approx(alone.cost, rel=1e-9)
    if fit in DENSE:
        assert result.rank == 2
        assert np.all(np.isinf(result.covariance))


def test_a_column_of_zeros_is_no_obstacle(fit):
    result = least_squares(lambda x: np.array([x[0] - 1.0, 2.0 * x[0]]), [5.0, 7.0], method=fit)
    assert result.success
    assert np.allclose(result.x, [0.2, 7.0])


def test_more_variables_than_residuals(fit):
    B = np.random.default_rng(2).standard_normal((3, 6))
    result = least_squares(linear, np.ones(6), args=(B, np.ones(3)), method=fit)
    assert result.success and result.cost < 1e-14
    if fit in DENSE:
        assert result.rank == 3 and np.all(np.isinf(result.covariance))


def test_a_start_at_zero_is_no_obstacle(fit):
    result = least_squares(linear, np.zeros(3), args=(np.eye(3) + 1.0, np.arange(3.0)), method=fit)
    assert result.success and np.allclose(np.linalg.solve(np.eye(3) + 1.0, np.arange(3.0)), result.x, atol=1e-7)


def test_a_linear_problem_takes_one_step(dense):
    B, b = np.random.default_rng(5).standard_normal((9, 4)), np.arange(9.0)
    result = least_squares(linear, np.zeros(4), args=(B, b), method=dense)
    assert result.nit == 1
    assert np.allclose(result.x, np.linalg.lstsq(B, b, rcond=None)[0], rtol=1e-12)


def test_conjugate_gradients_solve_a_linear_problem_in_one_iteration():
    B, b = np.random.default_rng(5).standard_normal((9, 4)), np.arange(9.0)
    given = {"args": (B, b), "method": "gauss-newton-cg", "options": {"eta_max": 1e-14}}
    result = least_squares(linear, np.zeros(4), **given)
    assert (result.nit, result.nfev) == (1, 2)
    assert np.allclose(result.x, np.linalg.lstsq(B, b, rcond=None)[0], rtol=1e-10)


def test_hessian_free_has_room_for_all_iterates_that_it_keeps():
    marks = {math.ceil(hessian_free.GROWTH**j) for j in range(100)}
    assert len([i for i in marks if i <= hessian_free.MOST_STEPS]) + 1 == hessian_free.MOST_KEPT


def network(x, inputs, outputs, hidden):
    """Residuals of one layer of tanh units: x holds their input weights, biases and output weights."""
    m, k = inputs.shape
    r = np.empty(m)
    for i in range(m):
        total = -outputs[i]
        for h in range(hidden):
            z = x[k * hidden + h]
            for j in range(k):
                z += x[h * k + j] * inputs[i, j]
            total += x[(k + 1) * hidden + h] * np.tanh(z)
        r[i] = total
    return r


@pytest.mark.parametrize("method", MATRIX_FREE)
def test_a_network_is_trained_without_a_matrix(method):
    random, hidden = np.random.default_rng(4), 8
    inputs = random.standard_normal((120, 3))
    args = inputs, np.sin(inputs[:, 0]) * inputs[:, 1], hidden
    x0 = 0.5 * random.standard_normal(5 * hidden)
    start = 0.5 * np.sum(network(x0, *args) ** 2)
    result = least_squares(network, x0, args=args, method=method, options={"maxiter": 300, "history": True})
    assert result.cost < 0.01 * start
    assert result.derivatives == "exact"
    assert np.all(np.diff(result.history["fun"]) < 0.0)


# ------------------------------------------------------------------------------------------------- invariances


def stretched(x, t, y, size, length):
    return size * (x[0] / length[0] * np.exp(-x[1] / length[1] * t) + x[2] / length[2] - y)


def iterates(fit, size, length, **given):
    points = []
    x0 = np.array([1.0, 1.0, 0.25]) * length
    args = (T, Y, size, np.array(length))
    result = least_squares(stretched, x0, args=args, method=fit, callback=lambda x: points.append(x), **given)
    return np.array(points) / length, result


@pytest.mark.parametrize("power", [-450, -40, 9, 450])
@pytest.mark.parametrize("loss", ["linear", "huber"])
def test_iterates_do_not_depend_on_the_scale_of_the_residuals(fit, power, loss):
    plain, one = iterates(fit, 1.0, np.ones(3), loss=loss, f_scale=0.1)
    scaled, other = iterates(fit, 2.0**power, np.ones(3), loss=loss, f_scale=0.1 * 2.0**power)
    assert len(plain) > 3
    assert np.array_equal(plain, scaled)
    assert np.array_equal(one.fun * 2.0**power, other.fun)
    assert (one.status, one.reason, one.nfev) == (other.status, other.reason, other.nfev)
    if fit in DENSE and abs(power) < 100:
        assert np.array_equal(one.covariance, other.covariance)


@pytest.mark.parametrize("length", [(2.0**30,) * 3, (2.0**-30,) * 3, (2.0**20, 2.0**-33, 4.0)], ids=str)
def test_iterates_scale_with_each_variable(fit, length):
    # the gradient's tolerance of matrix-free methods has no units of its own
    options = {"maxiter": 6, "grtol": 0.0}
    plain, one = iterates(fit, 1.0, np.ones(3), options=options)
    scaled, other = iterates(fit, 1.0, np.array(length), options=options)
    assert len(plain) > 3
    assert np.array_equal(plain, scaled)
    assert one.nfev == other.nfev
    if fit in DENSE:
        assert np.array_equal(one.covariance * np.outer(length, length), other.covariance)


def test_x_scale_is_the_scaling(fit):
    scaled = solve("decay", fit, x_scale=[1.0, 2.0, 3.0])
    assert scaled.success
    assert np.allclose(scaled.x, solve("decay", fit).x, rtol=1e-5)
    same_bits(solve("decay", fit, x_scale="jac"), solve("decay", fit))
    small = solve("decay", fit, x_scale=[1.0, 1.0, 1e-9], options={"maxiter": 1})
    assert abs(small.x[2]) < 1e-6 < abs(small.x[0] - 1.0)


# -------------------------------------------------------------------------------------------------------- twins


@pytest.mark.parametrize("factor", [0.1, 1.0, 1e6])
@pytest.mark.parametrize("name", ["decay", "rosenbrock", "freudenstein-roth", "powell-singular"])
def test_the_iterates_are_those_of_the_naive_twin(dense, name, factor):
    residual, jac, x0, args = CASES[name]
    points = []
    solve(name, dense, callback=lambda x: points.append(x), options={"factor": factor})
    k = min(len(points) - 1, 8)
    step = {"dogleg": naive.dogleg_step, "levenberg-marquardt": naive.levenberg_marquardt_step}[dense]
    twin = naive.fit(step, lambda x: residual(x, *args), lambda x: jac(x, *args), np.array(x0), factor, k)
    assert np.allclose(points[:k], twin, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("delta", [1e-6, 0.1, 1.0, 3.0])
@pytest.mark.parametrize("shape", [(6, 3), (3, 3), (20, 5), (3, 6)])
def test_the_damped_step_has_its_radius_and_solves_its_system(shape, delta):
    from secondorder.fits.levenberg_marquardt import N_VECTORS, NEWTON, P, damped_step
    from secondorder.fits.model import DIAGONAL, GIVEN, NORMS, PIVOTS, Z
    from secondorder.linalg.householder import factor, solve_upper

    @njit
    def step(delta, work, A, q):
        rank = factor(A, q, work[DIAGONAL], work[NORMS], work[GIVEN], work[PIVOTS])
        solve_upper(A, work[DIAGONAL], q, rank, work[PIVOTS], work[Z], work[NEWTON])
        return damped_step(delta, 0.0, work, A, q, rank)

    m, n = shape
    random = np.random.default_rng(m)
    J, r = random.standard_normal(shape), random.standard_normal(m)
    work = np.full((N_VECTORS + n, n), np.nan)
    lam = step(delta, work, np.array(J.T, order="C"), r.copy())
    p = work[P]
    if lam > 0.0:
        assert np.allclose((J.T @ J + lam * np.eye(n)) @ p, -J.T @ r, atol=1e-9 * np.linalg.norm(J.T @ r))
        assert 0.9 * delta <= np.linalg.norm(p) <= 1.1 * delta or m < n
    else:
        assert np.linalg.norm(p) <= 1.1 * delta * (1.0 + 1e-12)
        assert np.allclose(J.T @ (J @ p + r), 0.0, atol=1e-10)
    decrease = 0.5 * r @ r - 0.5 * np.linalg.norm(r + J @ p) ** 2
    a = J.T @ r  # at least what the Cauchy point gives
    assert decrease >= 0.5 * np.linalg.norm(a) * min(np.linalg.norm(p), np.linalg.norm(a) / np.linalg.norm(J, 2) ** 2)


# ------------------------------------------------------------------------------------------------ losses, SciPy


evaluate = njit(lambda kind, z: rho(kind, z))


@pytest.mark.parametrize("kind", [HUBER, SOFT_L1, CAUCHY, ARCTAN])
@pytest.mark.parametrize("z", [0.0, 1e-14, 0.3, 0.999999, 1.7, 40.0, 1e8])
def test_losses_and_their_derivatives(kind, z):
    value, first, second = evaluate(kind, z)
    name = {number: name for name, number in LOSSES.items()}[kind]
    theirs = np.empty((3, 1))
    module = inspect.getmodule(scipy.optimize.least_squares)
    lookup = getattr(scipy.optimize._lsq.least_squares, "IMPLEMENTED_LOSSES", None) or module.IMPLEMENTED_LOSSES
    lookup[name](np.array([z]), theirs, cost_only=False)
    assert value == pytest.approx(theirs[0, 0], rel=1e-7 if z < 1e-6 else 1e-14, abs=1e-15)  # SciPy cancels near 0
    assert (first, second) == pytest.approx((theirs[1, 0], theirs[2, 0]), rel=1e-13)
    if z > 1e-6 and abs(z - 1.0) > 1e-3:
        h = 1e-5 * z
        up, down = evaluate(kind, z + h), evaluate(kind, z - h)
        assert (up[0] - down[0]) / (2.0 * h) == pytest.approx(first, rel=1e-5)
        assert (up[1] - down[1]) / (2.0 * h) == pytest.approx(second, rel=1e-5, abs=1e-12)


OUTLIERS = Y.copy()
OUTLIERS[[3, 11, 20]] += [4.0, -2.0, 10.0]


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_give_scipys_minimizer(fit, loss):
    given = {"args": (T, OUTLIERS), "loss": loss, "f_scale": 0.1}
    start = [2.0, 1.0, 0.5]
    mine = least_squares(compiled("decay")[0], start, method=fit, **given)
    theirs = scipy.optimize.least_squares(decay, start, decay_jac, xtol=1e-15, ftol=1e-15, gtol=1e-13, **given)
    assert mine.success, mine.message
    assert mine.cost == pytest.approx(theirs.cost, rel=1e-9)
    assert np.allclose(mine.x, theirs.x, rtol=2e-4 if fit in MATRIX_FREE else 1e-6)
    assert np.max(np.abs(mine.grad)) <= 1e-4
    assert np.allclose(mine.fun, decay(mine.x, T, OUTLIERS), rtol=1e-12)
    if loss == "linear":
        assert np.allclose(mine.grad, theirs.grad, atol=1e-5)


def cauchy(z):
    out = np.empty((3, z.size))
    for i in range(z.size):
        t = 1.0 / (1.0 + z[i])
        out[0, i], out[1, i], out[2, i] = math.log(1.0 + z[i]), t, -t * t
    return out


def cauchy_tuple(z):
    return np.log1p(z), 1.0 / (1.0 + z), -1.0 / (1.0 + z) ** 2


@pytest.mark.parametrize("loss", [cauchy, njit(cauchy), cauchy_tuple])
def test_a_loss_of_ones_own(fit, backend, loss):
    if backend == "python":
        loss = getattr(loss, "py_func", loss)
    given = {"args": (T, OUTLIERS), "f_scale": 0.1, "method": fit}
    residual, jac = (CASES if backend == "python" else {"decay": compiled("decay")})["decay"][:2]
    jac = jac if fit in DENSE else products(decay_jac) if backend == "python" else None
    own = least_squares(residual, [2.0, 1.0, 0.5], jac, loss=loss, backend=backend, **given)
    named = least_squares(residual, [2.0, 1.0, 0.5], jac, loss="cauchy", backend=backend, **given)
    assert own.success
    assert np.allclose(own.x, named.x, rtol=1e-5)


def test_a_loss_that_runs_in_python_goes_with_compiled_residuals_and_its_exceptions_come_through():
    def refuses(z):
        raise LookupError("no loss")

    def memo(z, kept={}):  # noqa: B006 - what Numba can't compile
        kept["z"] = z
        return cauchy(z)

    given = {"args": (T, OUTLIERS), "f_scale": 0.1}
    assert least_squares(compiled("decay")[0], [2.0, 1.0, 0.5], loss=memo, **given).success
    with pytest.raises(LookupError, match="no loss"):
        least_squares(decay, [2.0, 1.0, 0.5], loss=refuses, backend="python", jac=decay_jac, **given)
    with pytest.raises(ValueError, match="shape \\(3, 32\\)"):
        least_squares(decay, [2.0, 1.0, 0.5], loss=lambda z: z, backend="python", jac=decay_jac, **given)


@pytest.mark.parametrize("name", CASES)
def test_scipys_minimizer_is_ours(fit, name):
    residual, jac, x0, args = CASES[name]
    if name == "freudenstein-roth":
        x0 = [6.0, 5.0]  # near the solution with cost 0
    theirs = scipy.optimize.least_squares(residual, x0, jac, args=args, method="lm" if len(x0) > 1 else "trf")
    mine = solve(name, fit, x0=x0)
    start = residual(np.array(x0), *args)
    assert mine.cost <= theirs.cost * (1.0 + 1e-8) + (1e-10 if fit in MATRIX_FREE else 1e-20) * (start @ start)


@pytest.mark.parametrize("absolute", ["decay"])
def test_covariance_is_that_of_curve_fit(dense, absolute):
    mine = solve(absolute, dense)
    x, covariance = scipy.optimize.curve_fit(lambda t, a, b, c: a * np.exp(-b * t) + c, T, Y, [1, 1, 0], xtol=1e-14)
    assert np.allclose(mine.x, x, rtol=1e-6)
    assert np.allclose(mine.covariance, covariance, rtol=1e-5)
    assert np.array_equal(mine.covariance, mine.covariance.T)
    assert mine.rank == 3
    J = decay_jac(mine.x, T, Y)
    assert np.allclose(mine.covariance, 2.0 * mine.cost / 29 * np.linalg.inv(J.T @ J), rtol=1e-10)


def test_covariance_is_infinite_without_degrees_of_freedom(dense):
    assert np.all(np.isinf(solve("rosenbrock", dense).covariance))


# -------------------------------------------------------------------------------------------------------- inputs


def test_every_way_to_a_jacobian_finds_the_same(dense):
    residual, jac = compiled("decay")[:2]
    pair = njit(lambda x, t, y: (residual(x, t, y), jac(x, t, y)))
    expected = solve("decay", dense).x

    def vectors(x, t, y):
        return x[0] * np.exp(-x[1] * t) + x[2] - y

    for given, words in (
        ((residual, jac), "given"),
        ((pair, True), "given"),
        ((residual, None), "exact"),
        ((residual, "exact"), "exact"),
        ((residual, "2-point"), "2-point differences"),
        ((residual, "3-point"), "3-point differences"),
        ((vectors, "cs"), "complex step"),
    ):
        result = least_squares(given[0], [1.0, 1.0, 0.0], given[1], args=(T, Y), method=dense)
        assert result.derivatives == words
        assert np.allclose(result.x, expected, rtol=1e-6), words


@pytest.mark.filterwarnings("default")
def test_a_jacobian_that_is_not_to_be_had_is_warned_of():
    def unknown(x):
        return np.array([np.linalg.det(np.outer(x, x) + np.eye(2)), x[0] - 1.0, x[1]])

    with pytest.warns(RuntimeWarning, match="taking differences for the Jacobian.*det"):
        result = least_squares(unknown, [2.0, 2.0])
    assert result.derivatives == "2-point differences"
    with pytest.raises(Unsupported, match="det"):
        least_squares(unknown, [2.0, 2.0], "exact")
    with pytest.raises(Unsupported):
        least_squares(unknown, [2.0, 2.0], method="gauss-newton-cg")


@pytest.mark.filterwarnings("default")
def test_what_numba_cannot_compile_runs_in_python_after_one_warning():
    class Model:
        def residual(self, x):
            return [x[0] - 3.0, 2.0 * x[1]]

    with pytest.warns(RuntimeWarning, match="running the objective in Python") as caught:
        result = least_squares(Model().residual, [1.0, 1.0])
    assert len(caught) == 1
    assert (result.backend, result.derivatives) == ("python", "2-point differences")
    assert np.allclose(result.x, [3.0, 0.0], atol=1e-6)
    with pytest.raises(TypeError, match="backend='numba'"):
        least_squares(Model().residual, [1.0, 1.0], backend="numba")


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize(
    "residual",
    [
        lambda x: (x[0] - 1.0, 2.0 * (x[1] - 2.0)),
        lambda x: [x[0] - 1.0, 2.0 * (x[1] - 2.0)],
        lambda x: np.array([x[0] - 1.0, 2.0 * (x[1] - 2.0), 0.0])[:2],
    ],
    ids=["tuple", "list", "slice"],
)
def test_what_residual_may_return(residual, backend):
    result = least_squares(residual, np.zeros(2), "2-point", backend=backend)
    assert np.allclose(result.x, [1.0, 2.0], atol=1e-6)


def test_a_number_counts_as_one_residual(fit):
    result = least_squares(lambda x: x[0] ** 2 - 2.0, 1.0, method=fit)
    assert result.x[0] == pytest.approx(math.sqrt(2.0), rel=1e-7)
    assert result.fun.shape == (1,)


def test_a_residual_that_writes_into_x_runs_on_copies(dense):
    def writes(x):
        r = np.array([x[0] - 1.0, 2.0 * x[1]])
        x[0] = 77.0
        return r

    result = least_squares(writes, [3.0, 4.0], "2-point", method=dense, backend="numba")
    assert np.allclose(result.x, [1.0, 0.0], atol=1e-6)


def test_no_variables_at_all_are_converged(dense):
    result = least_squares(lambda x: np.array([1.0, 2.0]), np.zeros(0), lambda x: np.zeros((2, 0)), method=dense)
    assert (result.status, result.nit, result.x.shape, result.cost) == (0, 0, (0,), 2.5)


WRONG = [
    ({"residual": 3.0}, TypeError, ["residual", "3.0", "callable"]),
    ({"x0": np.zeros((2, 2))}, ValueError, ["x0", "(2, 2)"]),
    ({"x0": [1j]}, TypeError, ["x0", "complex"]),
    ({"method": "lmm"}, ValueError, ["method='lmm'", "Known", "levenberg-marquardt"]),
    ({"method": "dog-leg"}, ValueError, ["did you mean 'dogleg'"]),
    ({"method": 7}, TypeError, ["method", "7"]),
    ({"jac": "2-pint"}, ValueError, ["jac='2-pint'", "did you mean '2-point'"]),
    ({"jac": 3.0}, TypeError, ["jac", "3.0", "callable", "jvp"]),
    ({"jac": (1, 2)}, TypeError, ["jac", "(1, 2)"]),
    ({"loss": "hubert"}, ValueError, ["loss='hubert'", "did you mean 'huber'"]),
    ({"loss": 3}, TypeError, ["loss", "3", "linear"]),
    ({"f_scale": 0.0}, ValueError, ["f_scale=0.0", "positive"]),
    ({"f_scale": np.nan}, ValueError, ["f_scale=nan", "positive"]),
    ({"f_scale": "big"}, TypeError, ["f_scale='big'"]),
    ({"x_scale": [1.0, 2.0, 3.0]}, ValueError, ["x_scale", "(2,)"]),
    ({"x_scale": [1.0, 0.0]}, ValueError, ["x_scale", "positive"]),
    ({"x_scale": "jack"}, ValueError, ["x_scale='jack'", "'jac'"]),
    ({"bounds": (0.0, np.inf)}, ValueError, ["bounds", "not supported"]),
    ({"callback": 3}, TypeError, ["callback", "3"]),
    ({"backend": "cuda"}, ValueError, ["backend='cuda'", "'numba'"]),
    ({"options": 3}, TypeError, ["options", "dict"]),
    ({"options": {"ottol": 1e-8}}, ValueError, ["'ottol'", "did you mean 'otol'", "Known", "maxiter"]),
    ({"options": {"fmin": 0.0}}, ValueError, ["'fmin'"]),
    ({"options": {"line_search": "armijo"}}, ValueError, ["'line_search'"]),
    ({"options": {"otol": -1.0}}, ValueError, ["otol=-1.0", "at least 0"]),
    ({"options": {"factor": 0.0}}, ValueError, ["factor=0.0", "positive"]),
    ({"method": "gauss-newton-cg", "options": {"eta_max": 1.0}}, ValueError, ["eta_max=1.0", "(0, 1)"]),
    ({"method": "hessian-free", "options": {"lambda0": 0.0}}, ValueError, ["lambda0=0.0", "positive"]),
    ({"gtol": np.nan}, ValueError, ["gtol=nan", "not nan"]),
    ({"max_nfev": 0}, ValueError, ["maxfev=0", "at least 1"]),
    ({"residual": lambda x: np.zeros((2, 2)), "backend": "python"}, ValueError, ["residual", "(2, 2)", "(m,)"]),
    ({"residual": lambda x: np.zeros(0)}, ValueError, ["at least one", "empty"]),
    ({"residual": lambda x: np.array([1j]), "backend": "python"}, TypeError, ["residual", "real"]),
    ({"residual": lambda x: None, "backend": "python"}, TypeError, ["residual", "None"]),
    ({"jac": lambda x: np.zeros((2, 3)), "backend": "python"}, ValueError, ["jac", "(2, 2)", "(2, 3)"]),
    ({"jac": lambda x: np.zeros((2, 3))}, ValueError, ["jac", "(m, n)"]),
    ({"residual": lambda x: np.zeros(2 if x[0] == 1.0 else 3) + x[0], "backend": "python", "jac": "2-point"},
     ValueError, ["residual returned 3", "2"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kind", "words"), WRONG, ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", str(value))[:60]
)
def test_a_wrong_argument_is_refused_by_name_value_and_rule(given, kind, words):
    with pytest.raises(kind) as caught:
        least_squares(**{"residual": rosenbrock, "x0": [1.0, 2.0]} | given)
    for word in words:
        assert word in str(caught.value)


def test_bounds_that_bound_nothing_are_accepted():
    for bounds in ((-np.inf, np.inf), ([-np.inf] * 2, [np.inf] * 2), scipy.optimize.Bounds()):
        assert least_squares(rosenbrock, [-1.2, 1.0], bounds=bounds).success


def test_scipys_names_are_understood():
    assert least_squares(rosenbrock, [-1.2, 1.0], method="lm").method == "levenberg-marquardt"
    assert least_squares(rosenbrock, [-1.2, 1.0], method="dogbox").method == "dogleg"
    assert least_squares(rosenbrock, [-1.2, 1.0], options={"max_nfev": 3}).nfev == 3
    theirs = list(inspect.signature(scipy.optimize.least_squares).parameters)
    mine = list(inspect.signature(least_squares).parameters)
    assert set(mine) - set(theirs) <= {"residual", "options", "backend"}


def test_new_values_of_args_compile_nothing_and_are_used():
    first = solve("decay", "levenberg-marquardt")
    shifted = least_squares(compiled("decay")[0], [1.0, 1.0, 0.0], compiled("decay")[1], args=(T, Y + 1.0))
    assert np.allclose(shifted.x, first.x + np.array([0.0, 0.0, 1.0]), rtol=1e-6)


def test_a_residual_may_solve_another_problem():
    def inner(x):
        root = least_squares(rosenbrock, [-1.2, 1.0], rosenbrock_jac, backend="python").x
        return np.array([x[0] - root[0], 1.0])

    result = least_squares(inner, [5.0], "2-point", backend="python")
    assert result.success and result.x[0] == pytest.approx(1.0)


# -------------------------------------------------------------------------------------------------------- skeleton

SKELETON = ["residual", "jacobian", "jvp", "vjp", "loss", "options", "x", "work", "fit", "memory", "control", "data"]


def test_a_method_has_the_skeleton(fit):
    module = FITS[fit]
    assert list(inspect.signature(module.solve).parameters) == SKELETON
    assert set(module.NEEDS) <= {"jacobian", "products"}
    assert set(module.RUN) <= set(RunOptions._fields)
    assert not set(module.Options._fields) & set(RunOptions._fields)
    assert module.__name__ == f"secondorder.fits.{fit.replace('-', '_')}"
    text = inspect.getdoc(module)
    assert "References\n----------\n[1]" in text and re.search(r"^ *1\. ", text, re.MULTILINE)
    assert "Cost of an iteration" in text
    words = re.search(r"Memory: (.*) vectors? of length n, (.*) of length m\.", text)
    for n in (2, 7):
        for rows, said in ((module.n_work, words[1]), (module.n_fit, words[2])):
            said = re.sub(r"(\d) (?=n)", r"\1 * ", said)
            assert eval(said, {"n": n}) == rows(n, module.Options())
    lines = inspect.getsource(module.Options)
    assert all(re.search(rf"{name}: \w+ = .*# .{{8,}}", lines) for name in module.Options._fields)


def test_every_file_is_in_the_table():
    import pathlib

    files = {path.stem.replace("_", "-") for path in pathlib.Path(secondorder.__file__).parent.glob("fits/*.py")}
    assert files - {"--init--", "losses", "model", "trial", "products"} == set(FITS)
