"""FiniteSum and fit: the same steps as a loop in NumPy, and what an epoch promises."""

import math
import os
import signal
import sys
import threading
import types

import numpy as np
import pytest
import scipy.sparse

import secondorder as so
from secondorder.updates import UPDATES
from tests.naive.updates import NAIVE

RANDOM = np.random.default_rng(4)
N = 53
X = RANDOM.standard_normal((N, 3))
Y = (X @ [1.0, -2.0, 0.5] + 0.5 * RANDOM.standard_normal(N) > 0.0) * 1.0
START = np.array([0.3, 0.1, -0.2])


def term(w, row, label):
    z = np.dot(row, w)
    return np.logaddexp(0.0, z) - label * z


def ridge(w):
    return 0.01 * np.dot(w, w)


RISK = so.FiniteSum(term, (X, Y), regularizer=ridge)


def naive_gradient(w, rows):
    z = X[rows] @ w
    return X[rows].T @ (1.0 / (1.0 + np.exp(-z)) - Y[rows]) / len(rows) + 0.02 * w


def naive_value(w, rows=slice(None)):
    z = X[rows] @ w
    return np.mean(np.logaddexp(0.0, z) - Y[rows] * z) + 0.01 * w @ w


def naive_fit(name, options, size, epochs, drop_last=False):
    """Batches in order; x and the mean of f over an epoch's rows."""
    step, w, losses = NAIVE[name](3, **options), START, []
    limit = N - N % size if drop_last else N
    for _ in range(epochs):
        total = 0.0
        for begin in range(0, limit, size):
            rows = np.arange(begin, min(begin + size, limit))
            f = naive_value(w, rows)
            w, total = step(w, naive_gradient(w, rows), f, None), total + f * len(rows)
        losses.append(total / limit)
    return w, np.array(losses)


ADAM = {"lr": 0.02, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "eps_root": 0.0, "eps_hat": False}


@pytest.mark.parametrize("size", [1, 10, 53, 100])
@pytest.mark.parametrize("drop_last", [False, True])
def test_an_epoch_is_the_loop_over_batches(size, drop_last):
    found = so.fit(RISK, START, "adam", options=ADAM, batch_size=size, epochs=3, shuffle=False, drop_last=drop_last)
    x, losses = naive_fit("adam", ADAM, min(size, N), 3, drop_last)
    assert np.allclose(found.x, x, rtol=1e-11, atol=1e-13)
    assert np.allclose(found.history["loss"], losses, rtol=1e-12)
    per_epoch = N // min(size, N) if drop_last else math.ceil(N / min(size, N))
    assert (found.epochs, found.steps, found.stopped) == (3, 3 * per_epoch, "epochs")
    assert found.fun == pytest.approx(naive_value(x), rel=1e-12)


@pytest.mark.parametrize("name", UPDATES)
def test_every_rule_lowers_the_loss(name):
    rate = {} if "rprop" in name else {"lr": {"adadelta": 5.0, "adagrad": 0.3, "delta-bar-delta": 0.01}.get(name, 0.03)}
    found = so.fit(RISK, START, name, options=rate, batch_size=27, epochs=15)
    assert found.fun < 0.95 * naive_value(START)
    assert found.stopped == "epochs" and found.steps == 30


def test_an_epoch_sees_every_row_once_in_a_new_order():
    # the gradient of row i is e_i: each number of x moves by lr / batch once an epoch
    n = 40
    rows = so.FiniteSum(lambda x, row: np.dot(x, row), np.eye(n))
    seen = []
    so.fit(
        rows, np.zeros(n), "sgd", options={"lr": 1.0}, batch_size=1, epochs=3, callback=lambda k, x, f: seen.append(x)
    )
    for k, x in enumerate(seen, 1):
        assert np.array_equal(x, np.full(n, -float(k)))
    ordered, shuffled = (
        so.fit(rows, np.zeros(n), "momentum", options={"lr": 1.0}, batch_size=1, epochs=1, shuffle=shuffle)
        for shuffle in (False, True)
    )
    weights = ordered.x  # rows seen early have moved longest
    assert np.all(np.diff(weights) > 0.0)
    assert np.allclose(np.sort(shuffled.x), weights) and not np.array_equal(shuffled.x, weights)


def test_a_seed_says_everything():
    def run(seed, **more):
        return so.fit(RISK, START, "sgd", options={"lr": 0.1, "gradient_noise": 0.1} | more, seed=seed, batch_size=8)

    assert np.array_equal(run(1).x, run(1).x)
    assert not np.array_equal(run(1).x, run(2).x)


def test_the_full_batch_is_an_objective_of_every_method():
    exact = so.minimize(
        lambda w, X, Y: np.mean(np.logaddexp(0.0, X @ w) - Y * (X @ w)) + 0.01 * np.dot(w, w), START, (X, Y)
    )
    for method in ("l-bfgs", "newton-cg", "adam"):
        found = so.minimize(RISK, START, method=method, options={"lr": 0.1} if method == "adam" else None)
        assert found.success and np.allclose(found.x, exact.x, atol=1e-5)
        assert found.fun == pytest.approx(naive_value(found.x), rel=1e-12)
    steps = so.fit(RISK, START, "sgd", options={"lr": 0.5}, batch_size=N, epochs=5, shuffle=False)
    descent = so.minimize(RISK, START, method="sgd", options={"lr": 0.5, "maxiter": 5})
    assert np.allclose(steps.x, descent.x, rtol=1e-13)


@pytest.mark.parametrize("size", [1, 10, 53])
def test_a_history_of_steps_has_the_loss_of_each_batch_before_its_step(size):
    more = {"options": {"lr": 0.1}, "batch_size": size, "epochs": 5, "shuffle": False}
    found = so.fit(RISK, START, "sgd", history="steps", **more)
    losses, w = [], START
    for _ in range(5):
        for begin in range(0, N, size):
            rows = np.arange(begin, min(begin + size, N))
            losses.append(naive_value(w, rows))
            w = w - 0.1 * naive_gradient(w, rows)
    assert np.allclose(found.history["batch_loss"], losses, rtol=1e-12) and len(losses) == found.steps
    plain = so.fit(RISK, START, "sgd", **more)
    assert "batch_loss" not in plain.history and np.array_equal(plain.x, found.x)


@pytest.mark.parametrize("more", [{"variance_reduction": "svrg"}, {"variance_reduction": "saga"}, {}])
def test_losses_of_steps_have_the_mean_that_an_epoch_tells(more):
    method = "sgd" if more else "newton-cg"
    found = so.fit(RISK, START, method, batch_size=13, drop_last=True, overlap=None, epochs=3, history="steps", **more)
    losses = found.history["batch_loss"].reshape(3, -1)  # batches of one size
    assert np.allclose(losses.mean(axis=1), found.history["loss"], rtol=1e-12)


def test_a_run_ends_after_the_steps_it_is_given():
    more = {"options": ADAM, "batch_size": 10, "shuffle": False}
    whole = so.fit(RISK, START, "adam", epochs=3, history="steps", **more)
    seen = []
    more["callback"] = lambda k, x, f: seen.append(k)
    for steps in (1, 6, 8, 12):  # an epoch has 6
        seen.clear()
        found = so.fit(RISK, START, "adam", epochs=9, max_steps=steps, history="steps", **more)
        assert (found.stopped, found.steps, found.epochs) == ("steps", steps, -(-steps // 6))
        assert f"max_steps={steps}" in found.message
        assert np.array_equal(found.history["batch_loss"], whole.history["batch_loss"][:steps])
        assert len(seen) == found.epochs  # after the last steps, too
    assert np.array_equal(found.x, so.fit(RISK, START, "adam", epochs=2, **more).x)
    longer = so.fit(RISK, START, "adam", epochs=2, max_steps=13, **more)
    assert (longer.stopped, longer.steps) == ("epochs", 12) and np.array_equal(longer.x, found.x)
    newton = so.fit(RISK, START, "newton-cg", batch_size=10, overlap=0, max_steps=8)
    assert (newton.stopped, newton.steps, newton.epochs) == ("steps", 8, 2)


def test_a_run_that_breaks_down_has_the_losses_of_the_steps_it_made():
    rows = so.FiniteSum(lambda x, row: np.sqrt(x[0]) + 0.0 * row, np.ones(4))
    found = so.fit(rows, [4.0], "sgd", options={"lr": 3.0}, batch_size=1, history="steps")
    losses, x = [], 4.0
    while x >= 0.0:
        losses.append(np.sqrt(x))
        x -= 1.5 / np.sqrt(x)
    assert (found.stopped, found.steps, found.epochs) == ("not finite", 5, 2)
    assert np.allclose(found.history["batch_loss"], losses, rtol=1e-12)


def test_schedules_count_steps():
    schedule = so.schedules.step_decay(0.5, 0.1, every=6)  # an epoch of 53 rows has 6 batches of 10
    found = so.fit(RISK, START, "sgd", schedule=schedule, batch_size=10, epochs=2, shuffle=False)
    first, _ = naive_fit("sgd", {"lr": 0.5}, 10, 1)
    w = first
    for begin in range(0, N, 10):
        w = w - 0.05 * naive_gradient(w, np.arange(begin, min(begin + 10, N)))
    assert np.allclose(found.x, w, rtol=1e-12)


def test_validation_keeps_the_best_epoch_and_stops_early():
    scores = iter([3.0, 2.0, 1.0, 4.0, 5.0, 6.0])
    seen = []
    found = so.fit(
        RISK,
        START,
        "sgd",
        options={"lr": 0.1},
        epochs=6,
        patience=2,
        validation=lambda x: next(scores),
        callback=lambda k, x, loss: seen.append(x),
    )
    assert (found.stopped, found.epochs) == ("early stopping", 5)
    assert found.history["validation"].tolist() == [3.0, 2.0, 1.0, 4.0, 5.0]
    assert np.array_equal(found.x, seen[2]) and found.fun == pytest.approx(naive_value(seen[2]), rel=1e-12)
    other = so.FiniteSum(term, (X[:20], Y[:20]))
    on_sum = so.fit(RISK, START, "sgd", options={"lr": 0.1}, epochs=2, validation=other)
    z = X[:20] @ on_sum.x
    assert np.min(on_sum.history["validation"]) == pytest.approx(np.mean(np.logaddexp(0.0, z) - Y[:20] * z), rel=1e-12)


def test_runs_end_truthfully():
    def stop(k, x, loss):
        if k == 1:
            raise StopIteration

    options = {"lr": 0.1}
    assert so.fit(RISK, START, "sgd", options=options, callback=stop).stopped == "callback"
    none = so.fit(RISK, START, "sgd", options=options, time_limit=0.0, epochs=1000)
    assert none.stopped == "time limit" and none.epochs == 1
    cliff = so.FiniteSum(lambda x, row: np.exp(x[0] * x[0] * row), np.ones(8))
    fallen = so.fit(cliff, [1.0], "sgd", options={"lr": 100.0}, epochs=3)
    assert fallen.stopped == "not finite" and np.array_equal(fallen.x, [1.0]) and math.isfinite(fallen.fun)


def test_variance_reduction_is_svrg():
    found = so.fit(
        RISK, START, "sgd", options={"lr": 0.3}, batch_size=10, epochs=3, shuffle=False, variance_reduction="svrg"
    )
    w = START
    for _ in range(3):
        anchor, mu = w, naive_gradient(w, np.arange(N))
        for begin in range(0, N, 10):
            rows = np.arange(begin, min(begin + 10, N))
            w = w - 0.3 * (naive_gradient(w, rows) - naive_gradient(anchor, rows) + mu)
    assert np.allclose(found.x, w, rtol=1e-12)


def test_with_variance_reduction_a_fixed_rate_leads_to_the_minimum():
    minimum = so.minimize(RISK, START, method="newton-cg").x

    def error(**more):
        options = {"lr": 0.5}
        found = so.fit(RISK, START, "sgd", options=options, batch_size=5, epochs=60, **more)
        return np.linalg.norm(found.x - minimum)

    assert error(variance_reduction="svrg") < 1e-6
    assert error() > 1e-3


@pytest.mark.parametrize("size", [1, 10, 100])
def test_variance_reduction_is_saga(size):
    found = so.fit(
        RISK, START, "sgd", options={"lr": 0.3}, batch_size=size, epochs=3, shuffle=False, variance_reduction="saga"
    )
    w, table = START, np.array([naive_gradient(START, np.array([i])) for i in range(N)])
    for _ in range(3):
        for begin in range(0, N, size):
            rows = np.arange(begin, min(begin + size, N))
            new = np.array([naive_gradient(w, np.array([i])) for i in rows])
            w = w - 0.3 * (new.mean(axis=0) - table[rows].mean(axis=0) + table.mean(axis=0))
            table[rows] = new
    assert np.allclose(found.x, w, rtol=1e-11)


def test_saga_serves_every_rule_and_repeats_itself():
    def run(seed):
        return so.fit(RISK, START, "adam", options={"lr": 0.05}, batch_size=5, variance_reduction="saga", seed=seed).x

    assert np.array_equal(run(3), run(3)) and not np.array_equal(run(3), run(4))
    assert np.allclose(run(3), so.fit(RISK, START, "adam", options={"lr": 0.05}, batch_size=5).x, atol=0.1)


def test_with_saga_a_fixed_rate_leads_to_the_minimum():
    minimum = so.minimize(RISK, START, method="newton-cg").x
    saga = {"batch_size": 1, "epochs": 60, "variance_reduction": "saga"}
    found = so.fit(RISK, START, "sgd", options={"lr": 0.1}, **saga)
    assert np.linalg.norm(found.x - minimum) < 1e-6


def test_a_table_that_would_fill_the_memory_is_refused():
    many = so.FiniteSum(lambda x, row: np.dot(x, x) * row, np.ones(3_000_000))
    with pytest.raises(ValueError, match=r"saga.* 3000000 rows, 2\.4 GB; above 2 GiB take 'svrg'"):
        so.fit(many, np.zeros(100), "sgd", variance_reduction="saga")


def naive_hessian(w, rows):
    p = 1.0 / (1.0 + np.exp(-(X[rows] @ w)))
    return (X[rows].T * (p * (1.0 - p))) @ X[rows] / len(rows) + 0.02 * np.eye(3)


def naive_direction(H, g, m, eta):
    d, r = np.zeros(3), -g
    p = r
    for _ in range(m):
        if np.linalg.norm(r) <= eta * np.linalg.norm(g):
            break
        alpha = r @ r / (p @ H @ p)
        d, old, r = d + alpha * p, r, r - alpha * (H @ p)
        p = r + (r @ r) / (old @ old) * p
    return d


def naive_newton(size, overlap, epochs, m=10, eta=0.1, shift=0.0, rate=lambda k: 1.0, drop_last=False):
    """Batches in order, each beginning with the last rows of the one before; x and the number of steps."""
    w, k = START, 0
    for _ in range(epochs):
        for begin in range(0, max(N - overlap, 1), size - overlap):
            rows = np.arange(begin, min(begin + size, N))
            if drop_last and len(rows) < size:
                continue
            g, f, sample = naive_gradient(w, rows), naive_value(w, rows), rows[-overlap:] if overlap else rows
            d = naive_direction(naive_hessian(w, sample) + shift * np.eye(3), g, m, eta)
            alpha = rate(k)
            while not naive_value(w + alpha * d, rows) <= f + 1e-4 * alpha * g @ d:
                alpha /= 2
            w, k = w + alpha * d, k + 1
    return w, k


@pytest.mark.parametrize(
    ("size", "overlap", "options"),
    [
        (20, 5, {}),
        (20, 19, {}),
        (20, 0, {"m": 2}),
        (53, 11, {"eta": 0.01, "shift": 0.3}),
        (15, 8, {"lr": 8.0}),
    ],
)
@pytest.mark.parametrize("drop_last", [False, True])
def test_newton_steps_are_those_of_the_naive_loop(size, overlap, options, drop_last):
    batches = {"batch_size": size, "overlap": overlap, "shuffle": False, "drop_last": drop_last}
    found = so.fit(RISK, START, "newton-cg", options=options, epochs=2, **batches)
    lr = options.get("lr", 1.0)
    others = {name: value for name, value in options.items() if name != "lr"}
    x, steps = naive_newton(size, overlap, 2, rate=lambda k: lr, drop_last=drop_last, **others)
    assert found.steps == steps
    assert np.allclose(found.x, x, rtol=1e-8, atol=1e-10)


def test_newton_steps_take_a_schedule_and_a_seed():
    schedule = so.schedules.inverse_time(1.0, 3)
    found = so.fit(RISK, START, "newton-cg", schedule=schedule, batch_size=20, overlap=10, epochs=2, shuffle=False)
    assert np.allclose(found.x, naive_newton(20, 10, 2, rate=lambda k: 1.0 / (1.0 + k / 3))[0], rtol=1e-8)
    one, same, other = (so.fit(RISK, START, "Newton-CG", batch_size=20, seed=seed).x for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_newton_steps_on_all_rows_find_the_minimum():
    found = so.fit(RISK, START, "newton-cg", batch_size=N, overlap=0, epochs=12)
    assert np.linalg.norm(naive_gradient(found.x, np.arange(N))) < 1e-9


def test_newton_steps_go_down_where_the_curvature_is_negative():
    saddles = so.FiniteSum(lambda x, row: np.sum((x * x - 1.0) ** 2) * row, np.ones(30))
    found = so.fit(saddles, [0.1, -0.2], "newton-cg", batch_size=10, epochs=8)
    assert np.allclose(np.abs(found.x), 1.0, atol=1e-4)


def test_searches_that_need_f_alone_and_floats_of_other_sizes_are_compiled():
    found = so.minimize(RISK, START, method="gradient-descent", options={"line_search": "armijo"})
    assert (found.success, found.backend, found.derivatives) == (True, "compiled", "exact")
    single = so.FiniteSum(term, (X.astype(np.float32), Y.astype(np.float16)), regularizer=ridge)
    assert np.allclose(so.fit(single, START, epochs=2).x, so.fit(RISK, START, epochs=2).x, rtol=1e-5)


@pytest.mark.parametrize("more", [{}, {"method": "newton-cg"}, {"method": "sgd", "variance_reduction": "saga"}])
def test_nan_in_the_data_is_said_with_its_row(more):
    spoilt = X.copy()
    spoilt[17, 1] = np.nan
    found = so.fit(so.FiniteSum(term, (spoilt, Y), regularizer=ridge), START, **more)
    assert (found.stopped, found.epochs) == ("not finite", 1) and np.array_equal(found.x, START)
    assert "in epoch 1: row 17 of the data is not finite" in found.message
    whole = so.minimize(so.FiniteSum(term, (spoilt, Y), regularizer=ridge), START)
    assert whole.reason == "not finite at x0" and "row 17 of the data is not finite" in whole.message


def test_exceptions_have_what_was_reached():
    def broken(k, x, loss):
        if k == 2:
            raise ArithmeticError("here")

    with pytest.raises(ArithmeticError, match="here") as caught:
        so.fit(RISK, START, "sgd", options={"lr": 0.1}, callback=broken)
    reached, three = caught.value.fitted, so.fit(RISK, START, "sgd", options={"lr": 0.1}, epochs=3)
    assert np.array_equal(reached.x, three.x) and reached.fun == three.fun
    assert (reached.stopped, reached.epochs, reached.steps) == ("exception", 3, three.steps)
    assert "ArithmeticError in epoch 3" in reached.message and "in epoch 3" in caught.value.__notes__[-1]


def test_a_progress_bar_without_tqdm_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"needs tqdm: pip install 'secondorder\[progress\]'"):
        so.fit(RISK, START, epochs=1, progress=True)


def test_a_progress_bar_counts_epochs(monkeypatch):
    counted = []

    def bar(numbers, unit):
        for k in numbers:
            yield k
            counted.append((k, unit))

    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=bar))
    so.fit(RISK, START, epochs=3, progress=True)
    assert counted == [(0, "epoch"), (1, "epoch"), (2, "epoch")]


def test_data_of_one_and_of_three_arrays():
    one = so.FiniteSum(lambda x, a: (x[0] - a) ** 2, np.arange(5.0))
    assert so.minimize(one, [0.0]).x[0] == pytest.approx(2.0)
    three = so.FiniteSum(
        lambda x, a, b, c: c * (x[0] * a - b) ** 2, (np.ones(3), np.array([1.0, 2.0, 9.0]), np.array([1, 1, 0]))
    )
    assert so.minimize(three, [0.0]).x[0] == pytest.approx(1.5)


@pytest.mark.parametrize(
    "average",
    [
        so.PolyakAverage(),
        so.PolyakAverage(start=7),
        so.ExponentialAverage(0.9),
        so.ExponentialAverage(0.9, debias=True),
    ],
    ids=["polyak", "polyak from 7", "exponential", "debiased"],
)
def test_an_average_of_all_steps_is_what_a_fit_returns(average):
    w, mean, seen = START.copy(), average.init(START), []
    for _ in range(3):
        for begin in range(0, N, 10):
            w = w - 0.5 * naive_gradient(w, np.arange(begin, min(begin + 10, N)))
            average.update(w, mean)
        seen.append(mean.x.copy())
    how = {"batch_size": 10, "epochs": 3, "shuffle": False, "options": {"lr": 0.5}, "average": average}
    called = []
    found = so.fit(RISK, START, "sgd", **how, callback=lambda k, x, loss: called.append(x))
    assert np.allclose(found.x, seen[-1], rtol=1e-13) and np.allclose(called, seen, rtol=1e-13)
    assert found.fun == pytest.approx(naive_value(found.x), rel=1e-13)
    assert found.history["loss"][-1] == so.fit(RISK, START, "sgd", **how | {"average": None}).history["loss"][-1]
    judged = so.fit(RISK, START, "sgd", **how, validation=RISK)
    assert np.allclose(judged.history["validation"], [naive_value(x) for x in seen], rtol=1e-13)


def test_the_average_of_a_noisy_fit_is_nearer_to_the_minimum():
    least = so.minimize(RISK, START, method="newton-cg").fun
    how = {"batch_size": 1, "epochs": 60, "options": {"lr": 0.3}}
    last = so.fit(RISK, START, "sgd", **how).fun - least
    assert so.fit(RISK, START, "sgd", **how, average=so.PolyakAverage(start=5 * N)).fun - least < 0.1 * last


def test_an_average_of_a_run_that_breaks_down_is_that_of_the_epoch_before():
    def cliff(x, row):
        return np.log(1.0 - x[0]) * row

    risk = so.FiniteSum(cliff, np.ones(20))
    found = so.fit(risk, [0.0], "sgd", batch_size=1, options={"lr": 0.011}, epochs=9, average=so.PolyakAverage())
    assert found.stopped == "not finite" and np.isfinite(found.x).all() and 0.0 < found.x[0] < 1.0


def test_lookahead_works_on_steps():
    found = so.fit(
        RISK, START, so.SGD(lr=0.5, lookahead=2, lookahead_alpha=0.25), batch_size=N, epochs=4, shuffle=False
    )
    w = slow = START
    for k in range(1, 5):
        w = w - 0.5 * naive_gradient(w, np.arange(N))
        if k % 2 == 0:
            w = slow = slow + 0.25 * (w - slow)
    assert np.allclose(found.x, w, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: so.FiniteSum(1.0, X), "term must be callable"),
        (lambda: so.FiniteSum(term, (X, Y[:-1])), "same first length"),
        (lambda: so.FiniteSum(term, (X, Y, Y, Y)), "one to 3 arrays"),
        (lambda: so.FiniteSum(term, X[:0]), "at least 1"),
        (lambda: so.FiniteSum(term, X, regularizer=0.1), "regularizer must be callable"),
        (lambda: so.fit(term, START), "needs a FiniteSum"),
        (lambda: so.fit(RISK, START, batch_size=0), "batch_size=0 must be at least 1"),
        (lambda: so.fit(RISK, START, epochs=0.5), "epochs=0.5 must be a whole number"),
        (lambda: so.fit(RISK, START, max_steps=0), "max_steps=0 must be at least 1"),
        (lambda: so.fit(RISK, START, history="step"), "history='step' is not known; did you mean 'steps'"),
        (lambda: so.fit(RISK, START, history=True), "history=True must be one of the names epochs, steps"),
        (lambda: so.fit(RISK, START, average="polyak"), r"average must be so.PolyakAverage\(\)"),
        (lambda: so.fit(RISK, START, average=so.PolyakAverage), r"average must be so.PolyakAverage\(\)"),
        (lambda: so.fit(RISK, START, "newton-cg", average=so.PolyakAverage()), "average=.* is for update rules"),
        (lambda: so.fit(RISK, START, "bfgs"), r"method='bfgs' is no stochastic method: minimize\(finite_sum, x0"),
        (lambda: so.fit(RISK, START, "adamm"), "did you mean 'adam'"),
        (lambda: so.fit(RISK, START, batch_size="64"), "batch_size='64' must be a whole number"),
        (lambda: so.fit(RISK, START, options={"lr": "0.1"}), "lr='0.1' must be a number"),
        (lambda: so.fit(RISK, START, schedule="cosine"), "lr='cosine' must be a number, a function"),
        (lambda: so.fit(RISK, START, shuffle="no"), "shuffle='no' must be True or False"),
        (lambda: so.fit(RISK, START, drop_last=2), "drop_last=2 must be True or False"),
        (lambda: so.fit(RISK, START, progress="yes"), "progress='yes' must be True or False"),
        (lambda: so.fit(RISK, START, variance_reduction=False), "variance_reduction=False must be one of the names"),
        (lambda: so.FiniteSum(term, [X, Y]), r"Several arrays come as a tuple: \(X, y\)"),
        (lambda: so.FiniteSum(term, (X, 1.0)), "array 2 of data has no rows, it is the number 1.0"),
        (lambda: so.FiniteSum(term, (X, ["a"] * N)), "array 2 of data must be an array of real numbers"),
        (lambda: so.FiniteSum(term, (scipy.sparse.csr_array(X), Y)), r"array 1 of data .*; take its toarray\(\)"),
        (lambda: so.FiniteSum(term, (np.ma.masked_less(X, 0.0), Y)), "array 1 of data is a masked array"),
        (lambda: so.FiniteSum(lambda w, row: 0.0, (X, Y)), "must take 3 arguments, x and a row of each array"),
        (lambda: so.FiniteSum(term, (X, Y), lambda: 0.0), "regularizer.* must take 1 arguments, x"),
        (lambda: so.minimize(RISK, START, args=(1,)), "whose data are its arguments; leave args out"),
        (lambda: so.chain(RISK, START, ["adam"], args=(1,)), "leave args out"),
        (lambda: so.fit(RISK, START, patience=2), "needs validation"),
        (lambda: so.fit(RISK, START, so.Adam(), options={"lr": 0.1}), "has its own"),
        (lambda: so.fit(RISK, START, options={"lr": 0.1}, schedule=so.schedules.constant(0.1)), "schedule="),
        (lambda: so.fit(RISK, START, callback=1), "callback must be callable"),
        (lambda: so.fit(RISK, START, variance_reduction="sag"), "variance_reduction='sag'.*did you mean 'saga'"),
        (lambda: so.fit(RISK, START, "newton-cg", variance_reduction="saga"), "for update rules"),
        (lambda: so.fit(RISK, START, "adam", overlap=3), "overlap=3 is for method='newton-cg'"),
        (lambda: so.fit(RISK, START, "newton-cg", batch_size=10, overlap=10), "overlap=10 must be less than .*, 10"),
        (lambda: so.fit(RISK, START, "newton-cg", overlap=-1), "overlap=-1 must be at least 0"),
        (lambda: so.fit(RISK, START, "newton-cg", options={"etta": 1}), "'etta'.*did you mean 'eta'"),
        (lambda: so.fit(RISK, START, "newtoncg"), "did you mean 'newton-cg'"),
        (lambda: so.fit(RISK, START, so.Adam), "must be a name or an update such as so.Adam"),
        (lambda: so.fit(RISK, START, options=[0.1]), "options must be a dict"),
        (lambda: so.fit(RISK, START, validation=lambda x: x, epochs=1), "validation must return a number"),
        (lambda: so.fit(RISK, START, validation=3), "validation must be callable"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


EVERY_DOOR = {
    "minimize": lambda risk, x0: so.minimize(risk, x0),
    "newton-cg": lambda risk, x0: so.minimize(risk, x0, method="newton-cg"),
    "chain": lambda risk, x0: so.chain(risk, x0, ["adam", "l-bfgs"]),
    "range test": lambda risk, x0: so.learning_rate_range_test(risk, x0),
    "fit": lambda risk, x0: so.fit(risk, x0),
    "fit newton-cg": lambda risk, x0: so.fit(risk, x0, "newton-cg"),
}


@pytest.mark.parametrize("door", EVERY_DOOR)
def test_a_start_of_another_length_than_the_rows_is_named(door):
    """Captured: the error was "arrays of different lengths in an expression", with neither x0 nor a length in it."""
    for n in (2, 4):
        words = rf"the term fails for x0 of shape \({n},\) with the first row of data, of shape \(3,\) and \(\)"
        with pytest.raises(ValueError, match=words):
            EVERY_DOOR[door](RISK, np.zeros(n))


def distance(w, row):
    s = 0.0
    for j in range(row.shape[0]):
        s += (w[j] - row[j]) ** 2
    return s


@pytest.mark.parametrize("door", EVERY_DOOR)
def test_a_term_that_reads_beyond_a_short_start_is_stopped(door):
    """Captured: a loop over the row with a shorter x read and wrote what lies behind it, and success was reported."""
    with pytest.raises(ValueError, match=r"fails for x0 of shape \(2,\) .* index 2 is out of bounds"):
        EVERY_DOOR[door](so.FiniteSum(distance, X), np.zeros(2))


def test_a_validation_set_of_another_width_is_named():
    narrow = so.FiniteSum(term, (X[:, :2], Y))
    with pytest.raises(ValueError, match=r"validation: the term fails for x of shape \(3,\) .* of shape \(2,\)"):
        so.fit(RISK, START, validation=narrow, epochs=1)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("run", [so.minimize, so.fit])
def test_what_a_term_or_regularizer_returns_must_be_a_number(run):
    for risk, words in (
        (so.FiniteSum(lambda w, row: None, X), "the term must return one number; .* it returned None"),
        (so.FiniteSum(lambda w, row: w * row, X), r"the term must return one number; .* returned array\("),
        (so.FiniteSum(distance, X, lambda w: w), r"the regularizer must return one number; for x0 of shape \(3,\)"),
    ):
        with pytest.raises(TypeError, match=words):
            run(risk, START)


def test_data_of_any_layout_give_the_same_fit():
    frozen = X.copy()
    frozen.flags.writeable = False
    expected = so.fit(RISK, START, epochs=1).x
    spread = np.repeat(X, 2, axis=0)[::2]
    for data in (np.asfortranarray(X), frozen, spread, X.astype(">f8"), X.tolist()):
        assert np.array_equal(so.fit(so.FiniteSum(term, (data, Y), regularizer=ridge), START, epochs=1).x, expected)
    assert "data of shape (53, 3), (53,)" in repr(RISK)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_an_epoch_midway():
    rows = so.FiniteSum(lambda x, row: np.dot(x, row), np.ones((1000, 3)))
    so.fit(rows, np.zeros(3), "sgd", epochs=1)  # compiled before the clock runs
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        so.fit(rows, np.zeros(3), "sgd", options={"lr": 2.0**-10}, batch_size=1, epochs=10**7, time_limit=60.0)
    reached = caught.value.fitted
    assert reached.stopped == "interrupted" and reached.steps > 1000
    assert np.array_equal(reached.x, np.full(3, -(2.0**-10) * reached.steps))


def test_a_term_that_cannot_be_compiled_runs_in_python():
    def opaque(x, row):
        return float(np.dot(x - row, x - row)) * int("1")

    rows = so.FiniteSum(opaque, np.arange(6.0).reshape(3, 2))
    with pytest.warns(RuntimeWarning):
        found = so.fit(rows, np.zeros(2), "sgd", options={"lr": 0.25}, batch_size=3, epochs=40)
    assert np.allclose(found.x, [2.0, 3.0], atol=1e-5)
    if os.name == "posix":
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt) as caught:
            so.fit(rows, np.zeros(2), "sgd", options={"lr": 0.25}, batch_size=3, epochs=10**6, time_limit=60.0)
        assert caught.value.fitted.steps > 10 and np.allclose(caught.value.fitted.x, [2.0, 3.0], atol=1.5)
