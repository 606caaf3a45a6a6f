"""Inner products with rows become loops where that is the same, and checks of lengths come before loops."""

import math

import numpy as np
import pytest

import secondorder as so


def regression(x, A, y):
    """Logistic regression, a row at a time."""
    s = 0.0
    for k in range(A.shape[0]):
        row = A[k]
        s += np.logaddexp(0.0, -y[k] * np.dot(row, x)) + 1e-3 * (x @ x)
    return s


def naive(x, A, y):
    """f and its gradient by NumPy."""
    z = -y * (A @ x)
    g = A.T @ (-y / (1.0 + np.exp(-z))) + 2e-3 * len(A) * x
    return np.logaddexp(0.0, z).sum() + 1e-3 * len(A) * (x @ x), g


@pytest.fixture(scope="module")
def derivative():
    return so.value_and_grad(regression)


@pytest.mark.parametrize("rows", [0, 1, 5, 33, 70])
@pytest.mark.parametrize("n", [1, 7, 19])
def test_rows_by_fours_in_blocks_make_up_the_sum(derivative, rows, n):
    random = np.random.default_rng(rows)
    x, A, y = random.normal(size=n), random.normal(size=(rows, n)), np.sign(random.normal(size=rows))
    f, g = derivative(x, A, y)
    expected_f, expected = naive(x, A, y)
    assert f == pytest.approx(expected_f, rel=1e-13, abs=1e-15)
    np.testing.assert_allclose(g, expected, rtol=1e-11, atol=1e-13)
    assert "np.dot" not in derivative.source
    assert "// 4" in derivative.source and "// 32" in derivative.source


@pytest.mark.parametrize("layout", ["F", "every second column", "rows backwards"])
def test_rows_of_any_layout_are_read_right(derivative, layout):
    random = np.random.default_rng(3)
    x, wide, y = random.normal(size=5), random.normal(size=(40, 10)), np.sign(random.normal(size=40))
    A = {"F": np.asfortranarray(wide[:, :5]), "every second column": wide[:, ::2], "rows backwards": wide[::-1, :5]}
    f, g = derivative(x, A[layout], y)
    expected_f, expected = naive(x, A[layout], y)
    assert f == pytest.approx(expected_f, rel=1e-13)
    np.testing.assert_allclose(g, expected, rtol=1e-11)


def test_lengths_that_differ_raise_where_the_loop_has_passes(derivative):
    x, y = np.ones(3), np.ones(2)
    with pytest.raises(ValueError, match="different lengths"):
        derivative(x, np.ones((2, 4)), y)
    f, g = derivative(x, np.ones((0, 4)), np.ones(0))
    assert f == 0.0 and not g.any()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_inf_come_through(derivative, bad):
    A = np.ones((9, 3))
    A[7, 1] = bad
    f, g = derivative(np.array([0.1, 0.0, -0.3]), A, np.ones(9))
    assert math.isnan(f) and np.isnan(g).any()


def of_the_last_rows(x, A):
    """Rows counted from the end."""
    s = 0.0
    for k in range(A.shape[0]):
        s += math.exp(np.dot(A[-1 - k, 1:], x[:-1])) * (k + 1.0)
    return s


def test_rows_counted_from_the_end_are_those():
    random = np.random.default_rng(8)
    x, A = random.normal(size=4), random.normal(size=(6, 4))
    weights = np.exp(A[::-1, 1:] @ x[:-1]) * np.arange(1.0, 7.0)
    f, g = so.value_and_grad(of_the_last_rows)(x, A)
    assert f == pytest.approx(weights.sum(), rel=1e-13)
    np.testing.assert_allclose(g, np.r_[weights @ A[::-1, 1:], 0.0], rtol=1e-12)


def vector_alone(x, a):
    return np.dot(a, x) ** 2


def test_a_product_outside_loops_stays_one():
    derivative = so.value_and_grad(vector_alone)
    derivative(np.ones(3), np.ones(3))
    assert "np.dot" in derivative.source
