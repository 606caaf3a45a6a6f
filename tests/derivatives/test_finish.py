"""What only compiled text gets: sums in any order, entries of slices as entries of arrays."""

import math

import numpy as np
import pytest

import secondorder as so
from tests.derivatives.judge import derive, judge

X = np.array([0.7, -0.4, 1.3, 0.2, -1.1, 0.9])


def kahan(x):
    total = low = 0.0
    for i in range(x.size):
        y = x[i] - low
        t = total + y
        low = (t - total) - y
        total = t
    return total


def test_sums_that_are_read_keep_their_order():
    x = np.array([1.0, 1e100, 1.0, -1e100] + 200 * [1e-17])
    with_gradient = so.value_and_grad(kahan)
    assert with_gradient(x)[0] == kahan(x)
    assert "plus" not in with_gradient.source


def nested(x):
    s = 0.0
    for i in range(x.size):
        t = 1.0
        for j in range(i):
            s -= x[i] * x[j] - 3.0
            t += x[j] ** 2
        if x[i] > 0.0:
            s += t * x[i]
    return s


def running(x):
    s = t = 0.0
    for i in range(x.size):
        s += x[i]
        t += s * x[i]
    return t + s


@pytest.mark.parametrize(("function", "additions"), [(nested, 3), (running, 1)])
def test_sums_that_are_not_read_are_added_in_any_order(function, additions):
    value, g = so.value_and_grad(function)(X)
    assert value == pytest.approx(function(X), rel=1e-14)
    np.testing.assert_allclose(g, so.jacobian(lambda x: np.array([function(x)]))(X)[0], rtol=1e-13)
    errors = judge(function, (X,), derive(function, (X,), compiled=True))
    assert errors.gradient <= 1e-13
    assert errors.hessian_vector <= 1e-10
    gradient = so.value_and_grad(function)
    gradient(X)
    assert gradient.source.count("plus(") == additions


def test_a_long_sum_is_as_exact_as_in_order():
    x = np.random.default_rng(1).uniform(0.5, 1.5, 10_001)
    value, g = so.value_and_grad(lambda x: np.sum(1.0 / x))(x)
    assert value == pytest.approx(math.fsum(1.0 / x), rel=1e-13)
    np.testing.assert_allclose(g, -1.0 / (x * x), rtol=1e-15)


SLICES = [
    "np.sum((x[1:] - x[:-1] ** 2) ** 2)",
    "np.sum(x[1:][2:] * x[:-3] * x[2:-1] + x[3:])",
    "np.sum(x[::2] * x[1::2] ** 2) + np.sum(x[::-1][1:] * x[:-1])",
    "np.sum(x[-3:] * x[:3]) + np.sum(x[k:] ** 2) + x[1:][-1] * x[2:][0]",
    "np.sum(np.outer(x, x)[1:, 2:] * np.outer(x, x * x)[:-1, :-2]) + np.sum(np.outer(x, x)[2][1:])",
    "np.sum(x[9:]) + np.sum(x[3:3]) + np.sum(x[2:100] ** 3)",
    "np.dot(x[1:], x[:-1]) + np.sum(np.outer(x, x)[1:][:, 1:].T @ x[1:])",
]


@pytest.mark.parametrize("text", SLICES)
def test_entries_of_slices(text):
    names = {"np": np}
    source = f"def function(x, k):\n    return {text}\n"
    exec(source, names)
    function = names["function"]
    x, k = X, 4

    def written(x, k):
        u = np.sin(x)
        v = u[1:]
        w = v[2:]
        for i in range(w.size):
            w[i] += v[i] * x[i]
            u[i] *= w[i - 1]
        v[:-1] = u[2:] * 0.5
        return np.sum(u * x) + w[0]

    given = so.value_and_grad(function, source=source)
    value, g = given(x, k)
    assert value == pytest.approx(function(x, k), rel=1e-14)
    differences = [(function(x + h, k) - function(x - h, k)) / 2e-5 for h in 1e-5 * np.eye(x.size)]
    np.testing.assert_allclose(g, differences, rtol=1e-8, atol=1e-8)
    errors = judge(written, (x, k), derive(written, (x, k)))
    assert max(errors.value, errors.gradient) <= 1e-13


def test_overlapping_slices_are_one_array_in_the_text():
    gradient = so.grad(lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))
    gradient(X)
    assert "g[t] += " in gradient.source
    assert "x_bar" not in gradient.source
