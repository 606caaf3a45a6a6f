"""Update rules as methods of minimize(): the same steps, and the promises of a method that they can keep."""

import math

import numpy as np
import pytest
from numba import njit

import secondorder as so
from secondorder.backends import serial
from secondorder.problems import PROBLEMS
from secondorder.update import CLASSES
from secondorder.updates import UPDATES

N = 4


def bowl(x, g):
    f = 0.0
    for i in range(x.shape[0]):
        c = 2.0 ** (i % 3)
        z = x[i] * x[i]
        g[i] = c * x[i] + 0.1 * z * x[i]
        f += 0.5 * c * z + 0.025 * z * z
    return f


def bowl_product(x, v, out):
    for i in range(x.shape[0]):
        out[i] = (2.0 ** (i % 3) + 0.3 * (x[i] * x[i])) * v[i]


BOWL = so.Objective(njit(bowl), hvp=njit(bowl_product))
BOWL_IN_PYTHON = so.Objective(bowl, hvp=bowl_product)
X0 = np.array([1.0, -2.0, 3.0, -0.5])
QUICK = {
    "sgd": 0.1,
    "momentum": 0.05,
    "nesterov": 0.05,
    "fista": 0.2,
    "adagrad": 1.0,
    "adadelta": 5.0,
    "quickprop": 0.1,
}
QUICK |= {"delta-bar-delta": 0.05, "adahessian": 0.3, "rmsprop": 0.05}


def rate(name):
    """A learning rate that suits the bowl."""
    return {} if "rprop" in name else {"lr": QUICK.get(name, 0.1)}


def curvature_at(x):
    """The diagonal of the Hessian, which is z (H z) for any signs z: there is nothing beside it."""
    return 2.0 ** (np.arange(x.size) % 3) + 0.3 * (x * x)


@pytest.mark.parametrize("name", UPDATES)
def test_minimize_takes_the_steps_of_step(name):
    points = []
    options = {"maxiter": 7, "gtol": 0.0, **rate(name)}
    result = so.minimize(BOWL, X0, method=name, options=options, callback=points.append, second_order=False)
    update = CLASSES[name](**rate(name))
    x, g = X0.copy(), np.empty(N)
    state = update.init(x)
    for k in range(7):
        f = bowl(x, g)
        update.step(x, g, state, f=f, diagonal=curvature_at(x) if "hvp" in update.rule.NEEDS else None)
        assert np.allclose(points[k], x, rtol=1e-13, atol=1e-15)
    assert result.nit == 7 and result.nfev == result.njev >= 8


@pytest.mark.parametrize("name", UPDATES)
def test_success_means_a_small_gradient(name):
    result = so.minimize(BOWL, X0, method=name, options={"maxiter": 3000, "gtol": 1e-4, **rate(name)})
    g = np.empty(N)
    f = bowl(result.x, g)
    assert result.fun == f and np.array_equal(result.jac, g)
    assert result.success == (np.max(np.abs(g)) <= 1e-4) == (result.reason == "gtol")
    # Lion's steps are all of one length, AdaDelta's grow from 1e-3
    assert result.success or (name in ("lion", "adadelta") and result.reason == "maxiter")
    assert result.fun < 1e-2 * bowl(X0, g)


@pytest.mark.parametrize("name", UPDATES)
def test_compiled_and_python_objectives_a_dirty_workspace_and_a_second_run_have_the_same_bits(name, monkeypatch):
    options = {"maxiter": 8, "history": True, **rate(name)}
    plain = so.minimize(BOWL, X0, method=name, options=options)
    python = so.minimize(BOWL_IN_PYTHON, X0, method=name, options=options, backend="python")
    taken = []

    def make(rows, n, length):
        work, memory = np.full((rows + 2, n), np.nan), np.full(length + 3, np.nan)
        taken.append((work[rows:], memory[length:]))
        return work, memory

    monkeypatch.setattr(serial, "make_workspace", make)
    monkeypatch.setattr(serial, "take_space", lambda sizes: serial.Space(*sizes))
    dirty = so.minimize(BOWL, X0, method=name, options=options)
    for other in (python, dirty):
        for field in ("x", "fun", "jac", "nit", "nfev", "njev", "nhev", "status"):
            assert np.array_equal(plain[field], other[field]), field
        assert all(np.array_equal(plain.history[key], other.history[key]) for key in plain.history)
    assert all(np.all(np.isnan(rows)) and np.all(np.isnan(tail)) for rows, tail in taken)


def test_the_state_belongs_to_the_run():
    update = so.Adam(lr=0.1)
    first, second = (so.minimize(BOWL, X0, method=update, options={"maxiter": 20}) for _ in range(2))
    assert np.array_equal(first.x, second.x) and first.method == "adam"


# ----------------------------------------------------------------------------------------- budgets and faults


def test_a_value_that_is_not_finite_ends_the_run_at_the_best_point():
    def wall(x, g):
        g[0] = -1.0
        return math.nan if x[0] > 1.0 else -x[0]

    result = so.minimize(so.Objective(wall), [0.0], method="sgd", options={"lr": 0.3})
    assert (result.status, result.success) == (3, False)
    assert result.x[0] == pytest.approx(0.9) and result.fun == pytest.approx(-0.9) and result.nit == 4


def test_a_diverging_run_keeps_its_best_point():
    result = so.minimize(BOWL, X0, method="sgd", options={"lr": 10.0})
    assert result.status in (3, 4) and not result.success
    assert result.fun <= bowl(X0, np.empty(N))


def test_unbounded_below_is_reported():
    def slope(x, g):
        g[0] = 1.0
        return x[0]

    result = so.minimize(so.Objective(slope), [0.0], method="sgd", options={"lr": 1e19})
    assert (result.status, result.success) == (4, False)


def test_budgets_callbacks_and_clocks_end_a_run():
    def stop(intermediate_result):
        if intermediate_result.nit == 3:
            raise StopIteration

    common = {"lr": 1e-3}
    assert so.minimize(BOWL, X0, method="adam", callback=stop, options=common).status == 99
    few = so.minimize(BOWL, X0, method="adam", options=common | {"maxfev": 5})
    assert few.status == 1 and few.nfev == 5 and "maxfev" in few.message
    none = so.minimize(BOWL, X0, method="adam", options=common | {"time_limit": 0.0})
    assert none.status == 5 and none.nit == 0
    start = so.minimize(BOWL, np.zeros(N), method="adam")
    assert (start.status, start.nit, start.nfev) == (0, 0, 1)


def test_an_exception_of_the_objective_carries_the_best_point():
    calls = []

    def raises(x, g):
        calls.append(1)
        if len(calls) == 4:
            raise ZeroDivisionError
        return bowl(x, g)

    with pytest.raises(ZeroDivisionError) as caught:
        so.minimize(so.Objective(raises), X0, method="momentum", backend="python", options={"lr": 0.05})
    result = caught.value.optimize_result
    assert result.nit == 2 and result.fun == bowl(result.x, np.empty(N))


@pytest.mark.parametrize("size", [2.0**-600, 2.0**600])
def test_gradients_of_extreme_size_are_given_to_the_rule_as_they_are(size):
    def scaled(x, g, size):
        g[0] = size * x[0]
        return 0.5 * size * x[0] ** 2

    points = []
    so.minimize(
        so.Objective(scaled), [1.0], (size,), "sgd", callback=points.append, options={"lr": 0.5 / size, "maxiter": 3}
    )
    assert np.allclose(np.ravel(points), [0.5, 0.25, 0.125], rtol=1e-15)


# ------------------------------------------------------------------------------------------------------ options


def test_the_history_shows_the_learning_rates():
    schedule = so.schedules.cosine(0.1, steps=20, end=0.01).after_warm_up(5)
    result = so.minimize(BOWL, X0, method=so.Adam(lr=schedule), options={"maxiter": 15, "history": True})
    assert np.array_equal(result.history["alpha"][1:], schedule.rates(15))


def test_lookahead_is_the_two_weights_of_its_paper():
    update, k, alpha = so.Momentum(lr=0.05, lookahead=4, lookahead_alpha=0.3), 4, 0.3
    points = []
    so.minimize(BOWL, X0, method=update, callback=points.append, options={"maxiter": 9, "gtol": 0.0})
    fast, slow, v, g = X0.copy(), X0.copy(), np.zeros(N), np.empty(N)
    for step in range(1, 10):
        bowl(fast, g)
        v = 0.9 * v + g
        fast = fast - 0.05 * v
        if step % k == 0:
            slow = slow + alpha * (fast - slow)
            fast = slow.copy()
        assert np.allclose(points[step - 1], fast, rtol=1e-13, atol=1e-15)


def test_masks_clipping_and_noise_are_those_of_step():
    update = so.AdamW(lr=0.1, weight_decay=0.5, mask=[1, 0, 0, 1], clip_norm=2.0, gradient_noise=0.3, seed=5)
    points = []
    so.minimize(BOWL, X0, method=update, callback=points.append, options={"maxiter": 6, "gtol": 0.0})
    x, g = X0.copy(), np.empty(N)
    state = update.init(x)
    for k in range(6):
        bowl(x, g)
        update.step(x, g, state)
        assert np.allclose(points[k], x, rtol=1e-13, atol=1e-15)


def test_random_signs_of_the_hessian_estimate_are_the_seeds():
    def coupled(x, g):
        g[0], g[1] = 2.0 * x[0] + x[1], x[0] + 2.0 * x[1]
        return x[0] ** 2 + x[1] ** 2 + x[0] * x[1]

    def product(x, v, out):
        out[0], out[1] = 2.0 * v[0] + v[1], v[0] + 2.0 * v[1]

    objective = so.Objective(coupled, hvp=product)

    def run(seed):
        options = {"lr": 0.01, "maxiter": 20, "gtol": 0.0, "seed": seed}
        return so.minimize(objective, [1.0, 2.0], method="adahessian", options=options, second_order=False)

    assert np.array_equal(run(1).x, run(1).x)
    assert not np.array_equal(run(1).x, run(2).x)
    assert run(1).nhev == 20


def test_wrong_options_are_named():
    for options, words in (
        ({"lrr": 0.1}, "lrr.*did you mean 'lr'"),
        ({"lr": -0.1}, "lr=-0.1 must be at least 0"),
        ({"lr": "fast"}, "lr='fast'"),
        ({"lr": "0.1"}, "lr='0.1' must be a number"),
        ({"learning_rate": 0.1}, "did you mean 'lr'"),
        ({"mask": [1, 0]}, "mask has shape"),
        ({"line_search": "armijo"}, "line_search.*not known to method 'adam'"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            so.minimize(BOWL, X0, method="adam", options=options)
    with pytest.raises(ValueError, match=r"'lr'.*not known"):  # an update has its options already
        so.minimize(BOWL, X0, method=so.Adam(), options={"lr": 0.1})
    with pytest.raises(TypeError, match=r"the class Adam: write Adam\(\)"):
        so.minimize(BOWL, X0, method=so.Adam)
    with pytest.raises(ValueError, match="did you mean 'adam'"):
        so.minimize(BOWL, X0, method="adm")


def test_a_rule_is_a_method_of_scipys_minimize():
    scipy_optimize = pytest.importorskip("scipy.optimize")
    problem = PROBLEMS["booth"]
    result = scipy_optimize.minimize(
        problem.fun, problem.x0(), jac=problem.gradient, method=so.scipy_method("adam", "python"), options={"lr": 0.1}
    )
    assert result.success and result.fun < 1e-9


def test_rules_run_where_nothing_is_compiled(program):
    text = """
        import numpy as np
        import secondorder as so

        def bowl(x, g):
            g[:] = 2.0 * x
            return x @ x

        def product(x, v, out):
            out[:] = 2.0 * v

        objective = so.Objective(bowl, hvp=product)
        for update in (so.AdamW(lr=0.1, mask=[1, 0, 1]), so.FISTA(lr=0.1, clip_norm=1.0), so.AdaHessian()):
            result = so.minimize(objective, np.ones(3), method=update, backend="python", options={"maxiter": 30})
            print(result.nit, [float(f"{value:.12e}") for value in result.x])
        """
    plain, uncompiled = (program(text, env={"NUMBA_DISABLE_JIT": flag}) for flag in ("0", "1"))
    assert (plain.returncode, uncompiled.returncode) == (0, 0), plain.stderr + uncompiled.stderr
    assert plain.stdout == uncompiled.stdout and plain.stdout.count("30 [") == 3
