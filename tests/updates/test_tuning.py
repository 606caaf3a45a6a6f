"""Searches of rates and options: what they find, of whole objectives and of batches."""

import numpy as np
import pytest

import secondorder as so
from secondorder.fitting import Fitted


def bowl(x):
    return 5.0 * np.sum(x**2)


def test_the_range_test_finds_where_gradient_descent_diverges():
    found = so.learning_rate_range_test(bowl, np.ones(3), low=1e-4, high=10.0, steps=200)
    assert np.allclose(found.lr[1:] / found.lr[:-1], 1e5 ** (1 / 199), rtol=1e-12) and found.lr[0] == 1e-4
    assert found.limit == pytest.approx(0.2, rel=0.06)  # |1 - 10 lr| < 1 up to 0.2; rates are 6 % apart
    assert 1e-3 < found.steepest < found.limit
    assert found.fun.shape == found.lr.shape and len(found.lr) < 200  # it stopped after that
    for wrong, words in (
        ({"low": 1.0, "high": 0.1}, "low < high"),
        ({"steps": 3}, "at least 10"),
        ({"steps": 20.5}, "steps=20.5 must be a whole number"),
        ({"steps": "many"}, "steps='many' must be a number"),
        ({"low": 0.0}, "low=0.0 must be positive"),
        ({"method": "bfgs"}, "bfgs"),
        ({"method": so.Adam()}, "must be one of the names sgd"),
        ({"options": {"lr": 0.1}}, "leave lr out"),
        ({"options": [0.1]}, "options must be a dict"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            so.learning_rate_range_test(bowl, np.ones(3), **wrong)


def test_a_grid_is_searched_in_full_and_sorted():
    grid = {"lr": [1e-3, 0.1, 10.0], "momentum": [0.0, 0.5]}
    rows = so.grid_search(bowl, np.ones(3), grid, method="momentum", options={"maxiter": 30})
    assert len(rows) == 6 and {tuple(row[0].values()) for row in rows} == {
        (a, b) for a in grid["lr"] for b in (0.0, 0.5)
    }
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    assert rows[0][0]["lr"] == 0.1 and rows[0][1] == rows[0][2].fun
    scored = so.grid_search(bowl, np.ones(3), {"lr": [0.1, 0.01]}, method="sgd", score=lambda result: -result.fun)
    assert scored[0][1] <= scored[1][1]
    once = so.grid_search(bowl, np.ones(3), {"lr": (lr for lr in (0.1, 0.01))}, method="sgd")
    assert len(once) == 2  # captured: values that can be read once were none


def test_a_grid_that_is_none_is_named_before_anything_is_run():
    def counted(x):
        calls.append(1)
        return np.sum(x**2)

    calls = []
    for grid, more, words in (
        ({}, {}, "grid="),
        ([0.1], {}, "must be a dict of options"),
        ({"lr": 0.1}, {}, "those of 'lr' are 0.1"),
        ({"lr": "0.1"}, {}, "those of 'lr' are '0.1'"),
        ({"lr": []}, {}, "'lr' has none"),
        ({"lr": [0.1, -1.0]}, {}, "lr=-1.0 must be at least 0"),
        ({"lr": [0.1]}, {"options": "lr"}, "options must be a dict"),
        ({"lr": [0.1]}, {"score": 3.0}, "score must be callable"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            so.grid_search(counted, np.ones(3), grid, backend="python", jac=lambda x: 2.0 * x, **more)
    assert not calls
    with pytest.raises(TypeError, match=r"score\(result\)='good' must be a number"):
        so.grid_search(bowl, np.ones(3), {"lr": [0.1]}, score=lambda result: "good", options={"maxiter": 2})


def test_a_range_test_from_where_f_is_nan_says_so():
    with pytest.raises(ValueError, match="no step could be made from x0: f or its gradient is nan"):
        so.learning_rate_range_test(lambda x: np.sum(np.sqrt(x)), -np.ones(3))


# ---------------------------------------------------------------------------------------- of batches

RANDOM = np.random.default_rng(8)
N = 600
X = RANDOM.standard_normal((N, 5))
SLOPES = np.array([1.0, -2.0, 0.5, 0.0, 1.5])
LABELS = (X @ SLOPES + 1.5 * RANDOM.standard_normal(N) > 0.0) * 1.0
TARGETS = X @ SLOPES + RANDOM.standard_normal(N)


def logistic(w, row, label):
    z = np.dot(row, w)
    return np.logaddexp(0.0, z) - label * z


def square(w, row, target):
    return 0.5 * (np.dot(row, w) - target) ** 2


RISK = so.FiniteSum(logistic, (X, LABELS))
SQUARES = so.FiniteSum(square, (X, TARGETS))
START = np.zeros(5)


def reached(finite_sum, lr, method="sgd"):
    found = so.fit(finite_sum, START, method, batch_size=8, epochs=3, options={"lr": lr})
    return found.fun if found.stopped == "epochs" else np.inf


@pytest.mark.parametrize("method", ["sgd", "adam"])
@pytest.mark.parametrize("finite_sum", [RISK, SQUARES], ids=["logistic", "squares"])
def test_rates_found_with_noisy_batches_train_and_lie_below_divergence(finite_sum, method):
    start, least = finite_sum.value(START), so.minimize(finite_sum, START).fun
    for seed in range(5):
        found = so.learning_rate_range_test(finite_sum, START, method=method, batch_size=8, steps=200, seed=seed)
        # of what can be gained; the limit is too large to train well, but f is below where it was
        assert start - reached(finite_sum, found.steepest, method) > 0.8 * (start - least)
        assert reached(finite_sum, found.limit, method) < start
        assert found.steepest < found.limit


def test_a_range_test_of_batches_has_the_rates_and_running_means_of_its_steps():
    def naive(rates, losses, half):
        padded = np.concatenate((losses[half:0:-1], losses, losses[-2 : -2 - half : -1]))
        windows = [slice(k, k + 2 * half + 1) for k in range(len(losses))]
        medians = np.array([np.median(padded[w]) for w in windows])
        top = medians.min() + 8.0 * (medians[0] - medians.min())
        means = np.array([np.mean(np.minimum(padded[w], top)) for w in windows])
        end = next((k for k, f in enumerate(means) if f > means.min() + 4.0 * (means[0] - means.min())), len(means))
        means = means[:end]
        least = 1 + np.argmin(means[1:])
        falls = [means[k] - means[k + 2 * half + 1] for k in range(least - 2 * half)]
        return rates[: end - 1], means[1:], rates[np.argmax(falls) + half - 1], rates[least - 1]

    rates = 1e-4 * 1e5 ** (np.arange(100) / 99)
    schedule = so.schedules.exponential(1e-4, 1e5, 99)
    more = {"batch_size": 8, "seed": 3, "drop_last": True}
    fitted = so.fit(RISK, START, "sgd", schedule=schedule, epochs=2, max_steps=101, history="steps", **more)
    found = so.learning_rate_range_test(RISK, START, low=1e-4, steps=100, **more)
    for mine, theirs in zip(found, naive(rates, fitted.history["batch_loss"], 10), strict=True):
        assert np.allclose(mine, theirs, rtol=1e-9)
    assert fitted.epochs == 2 and fitted.steps == 101  # on into the second epoch, and not to its end


def test_the_seed_of_a_range_test_says_everything():
    def run(seed):
        return so.learning_rate_range_test(RISK, START, batch_size=8, seed=seed)

    assert all(np.array_equal(a, b) for a, b in zip(run(1), run(1), strict=True))
    assert not np.array_equal(run(1).fun, run(2).fun)


def test_range_tests_of_the_full_batch_and_of_the_objective_agree():
    of_batches = so.learning_rate_range_test(SQUARES, START, steps=200, batch_size=N)
    whole = so.learning_rate_range_test(SQUARES, START, steps=200)
    edge = 2.0 / np.linalg.eigvalsh(X.T @ X / N).max()
    for found in (of_batches, whole):
        assert 0.3 * edge < found.limit < 1.09 * edge  # rates are 8 % apart
    assert 0.2 * whole.steepest < of_batches.steepest < 5.0 * whole.steepest


def test_a_range_test_of_batches_ends_where_f_is_not_finite():
    found = so.learning_rate_range_test(SQUARES, START, high=1e12, steps=300, batch_size=8)
    assert len(found.lr) < 200 and np.all(np.isfinite(found.fun)) and found.limit < 1.0
    # beyond the first step there is nothing
    edge = so.FiniteSum(lambda x, row: np.sqrt(x[0]) + 0.0 * row, np.ones(4))
    found = so.learning_rate_range_test(edge, [1e-30], low=1.0, high=2.0, batch_size=2)
    assert (list(found.lr), list(found.fun), found.steepest, found.limit) == ([1.0], [np.inf], 1.0, 1.0)
    with pytest.raises(ValueError, match="no step could be made from x0: f or its gradient is nan"):
        so.learning_rate_range_test(edge, [-1.0], batch_size=2)


def test_a_grid_over_epochs_is_of_fits():
    grid = {"lr": [1e-3, 0.1, 1e6], "batch_size": [8, 64]}
    rows = so.grid_search(SQUARES, START, grid, method="sgd", epochs=3, seed=5)
    assert len(rows) == 6 and all(isinstance(row[2], Fitted) and row[1] == row[2].fun for row in rows)
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    for chosen, _score, found in rows:
        again = so.fit(
            SQUARES, START, "sgd", options={"lr": chosen["lr"]}, batch_size=chosen["batch_size"], epochs=3, seed=5
        )
        assert np.array_equal(found.x, again.x) and found.stopped == again.stopped
    assert rows[0][0]["lr"] == 0.1 and rows[-1][2].stopped == "not finite"


def test_fits_with_a_validation_are_sorted_by_that_of_their_points():
    other = so.FiniteSum(logistic, (X[:50], LABELS[:50]))
    rows = so.grid_search(RISK, START, {"lr": [1e-3, 0.03, 3.0], "epochs": [2, 4]}, validation=other)
    assert [row[1] for row in rows] == [other.value(row[2].x) for row in rows] == sorted(row[1] for row in rows)
    assert {row[2].epochs for row in rows} == {2, 4}
    scored = so.grid_search(RISK, START, {"lr": [1e-3, 0.03]}, epochs=2, score=lambda fitted: -fitted.steps)
    assert [row[1] for row in scored] == [-20.0, -20.0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: so.learning_rate_range_test(RISK, START, seed=1),
            "seed=1 is for steps of batches.*give batch_size, too",
        ),
        (lambda: so.learning_rate_range_test(RISK, START, batch_size=0), "batch_size=0 must be at least 1"),
        (
            lambda: so.learning_rate_range_test(logistic, START, batch_size=8),
            "batch_size is for .* of a FiniteSum; fun is",
        ),
        (lambda: so.learning_rate_range_test(RISK, START, (1,), batch_size=8), r"args=\(1,\).*leave args out"),
        (lambda: so.learning_rate_range_test(RISK, START, batch_size=8, jac=True), "jac=True is no argument of fit"),
        (
            lambda: so.learning_rate_range_test(RISK, START, batch_size=8, epochs=2),
            "epochs=2 has no place in a range test",
        ),
        (lambda: so.learning_rate_range_test(RISK, START, batch_size=8, patience=2), "patience=2 has no place"),
        (lambda: so.learning_rate_range_test(RISK, START, batch_size=8, options={"lr": 1.0}), "leave lr out"),
        (lambda: so.learning_rate_range_test(RISK, START, batch_size=8, method="newton-cg"), "method='newton-cg'"),
        (
            lambda: so.grid_search(RISK, START, {"lr": [0.1]}, shuffle=False),
            "shuffle=False .* batch_size or epochs, too",
        ),
        (lambda: so.grid_search(logistic, START, {"lr": [0.1]}, epochs=2), "epochs is for .* of a FiniteSum; fun is"),
        (
            lambda: so.grid_search(RISK, START, {"lr": [0.1], "batch_size": [8]}, tol=1e-3),
            "tol=0.001 is no argument of fit",
        ),
    ],
)
def test_arguments_of_steps_of_batches_are_named(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


def test_a_wrong_value_in_a_grid_of_fits_is_said_before_anything_is_run():
    def validation(x):
        calls.append(1)
        return 0.0

    calls = []
    for grid, more, words in (
        ({"lr": [0.1, -1.0]}, {}, "lr=-1.0 must be at least 0"),
        ({"batch_size": [8, 0]}, {}, "batch_size=0 must be at least 1"),
        ({"lr": [0.1], "epochs": [2, 2.5]}, {}, "epochs=2.5 must be a whole number"),
        ({"lr": [0.1], "betta": [0.9]}, {}, "betta"),
        ({"lr": [0.1]}, {"options": {"maxiter": 20}}, "maxiter"),
        ({"lr": [0.1]}, {"schedule": so.schedules.constant(0.1)}, "schedule= stands for"),
        ({"lr": [0.1]}, {"method": "l-bfgs"}, "no stochastic method"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            so.grid_search(RISK, START, grid, **{"epochs": 2} | more, validation=validation)
    assert not calls
