"""The full batch of a FiniteSum: chunks of rows, the same numbers for any number of threads."""

import numba
import numpy as np
import pytest

import secondorder as so
from secondorder import finite_sum
from secondorder.backends import threads
from secondorder.derivatives.row_sums import RowSum
from secondorder.objective import typed_objective

several = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")

RANDOM = np.random.default_rng(11)
N, WIDTH = 1003, 3  # 3 chunks, of different lengths
X = RANDOM.standard_normal((N, WIDTH))
Y = (X @ [1.0, -2.0, 0.5] + 0.5 * RANDOM.standard_normal(N) > 0.0) * 1.0
W = np.array([0.3, -0.8, 0.1])


def term(w, row, label):
    z = np.dot(row, w)
    return np.logaddexp(0.0, z) - label * z


def ridge(w):
    return 0.01 * np.dot(w, w)


def naive(w, v):
    """(f, g, H v)."""
    z = X @ w
    p = 1.0 / (1.0 + np.exp(-z))
    f = np.mean(np.logaddexp(0.0, z) - Y * z) + 0.01 * w @ w
    return f, X.T @ (p - Y) / N + 0.02 * w, X.T @ (p * (1.0 - p) * (X @ v)) / N + 0.02 * v


@pytest.fixture
def shared(monkeypatch):
    """Threads whatever the size of the data."""
    monkeypatch.setattr(finite_sum, "SHARED", 0)


def history(risk, method="newton-cg"):
    """A short run with all its numbers."""
    return so.minimize(risk, np.zeros(WIDTH), method=method, options={"history": True, "gtol": 1e-12})


def test_value_gradient_and_product_are_those_of_all_rows():
    risk = so.FiniteSum(term, (X, Y), regularizer=ridge)
    f, g, _ = naive(W, W)
    run = so.minimize(risk, W, method="newton-cg", options={"maxiter": 0})
    assert run.derivatives == run.second_derivatives == "exact"
    assert run.fun == pytest.approx(f, rel=1e-14)
    assert np.allclose(run.jac, g, rtol=1e-13)
    minimum = history(risk)
    H = np.array([naive(minimum.x, e)[2] for e in np.eye(WIDTH)])
    assert np.abs(naive(minimum.x, W)[1]).max() <= 1e-11
    assert minimum.certificate.lambda_min == pytest.approx(np.linalg.eigvalsh(H)[0], rel=1e-10)


def test_a_sum_has_value_gradient_and_product_as_methods():
    risk, v = so.FiniteSum(term, (X, Y), regularizer=ridge), np.array([1.0, -0.5, 2.0])
    f, g, product = naive(W, v)
    assert risk.value(W.tolist()) == pytest.approx(f, rel=1e-14)
    assert np.allclose(risk.gradient(W), g, rtol=1e-13) and np.allclose(risk.hvp(W, v), product, rtol=1e-13)
    for wrong, words in (
        (lambda: risk.value(np.zeros(4)), r"the term fails for x of shape \(4,\) with the first row"),
        (lambda: risk.gradient(np.zeros(2)), r"the term fails for x of shape \(2,\)"),
        (lambda: risk.hvp(W, np.zeros(2)), "v has length 2; x has 3"),
        (lambda: risk.hvp(W, "v"), "v must hold real numbers"),
        (lambda: risk.hvp(np.zeros(4), np.zeros(4)), r"the term fails for x of shape \(4,\)"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            wrong()


@several
@pytest.mark.parametrize("method", ["newton-cg", "newton", "l-bfgs"])
def test_any_number_of_threads_gives_the_same_bits(method, monkeypatch):
    risk = so.FiniteSum(term, (X, Y), regularizer=ridge)
    found = [history(risk, method)]
    monkeypatch.setattr(finite_sum, "SHARED", 0)
    try:
        for count in (1, 2):
            numba.set_num_threads(count)
            assert risk.as_objective()[0].threads == threads.useful()
            found.append(history(risk, method))
    finally:
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    for result in found[1:]:
        assert np.array_equal(result.x, found[0].x) and np.array_equal(result.jac, found[0].jac)
        for name, column in result.history.items():
            assert np.array_equal(column, found[0].history[name]), name


@several
@pytest.mark.parametrize("row", [3, N - 3])
def test_what_a_term_raises_in_a_thread_reaches_the_caller(row, shared):
    def careful(w, a):
        if a[0] > 100.0:
            raise ValueError("a row that is no data")
        return (np.dot(a, w) - 1.0) ** 2

    data = X.copy()
    data[row, 0] = 1000.0
    with pytest.raises(ValueError, match="a row that is no data"):
        so.minimize(so.FiniteSum(careful, data), np.zeros(WIDTH), method="newton-cg")


def test_small_data_have_no_threads_and_large_data_have():
    assert not so.FiniteSum(term, (X, Y)).as_objective()[0].threads
    rows = np.zeros((finite_sum.SHARED, 1))
    assert so.FiniteSum(lambda w, row: w[0], rows).as_objective()[0].threads == threads.useful()


def test_equal_terms_are_compiled_once():
    def typed(data):
        total, args = so.FiniteSum(term, data, regularizer=ridge).as_objective()
        return typed_objective((total, None, None, None), args, ("grad",))[0]

    assert typed((X, Y)) is typed((X[:300], Y[:300]))
    assert typed((X, Y)) is not typed((X, Y.astype(np.int64)))


def test_a_sum_is_a_function_of_python_too():
    total, args = so.FiniteSum(term, (X, Y), regularizer=ridge).as_objective()
    assert isinstance(total, RowSum)
    assert total(W, *args) == pytest.approx(naive(W, W)[0], rel=1e-13)


def test_gradients_by_differences_are_taken_where_they_are_asked_for():
    risk = so.FiniteSum(term, (X, Y), regularizer=ridge)
    by_differences = so.minimize(risk, W, jac="3-point", method="bfgs")
    exact = so.minimize(risk, W, method="bfgs")
    assert by_differences.derivatives == "3-point differences" and exact.derivatives == "exact"
    assert np.allclose(by_differences.x, exact.x, atol=1e-6)


def test_a_term_without_a_derivative_rule_is_compiled_all_the_same():
    def distance(w, row):
        s = 0.0
        for v in np.sort(w - row):
            s += v * v
        return s

    with pytest.warns(RuntimeWarning, match="'sort' has no derivative rule"):
        found = so.minimize(so.FiniteSum(distance, X), np.zeros(WIDTH), method="bfgs")
    assert found.success and found.backend == "compiled" and found.derivatives == "2-point differences"
    assert np.allclose(found.x, X.mean(axis=0), atol=1e-6)


def test_a_gradient_of_one_s_own_gets_the_data():
    risk = so.FiniteSum(lambda w, row: np.dot(w - row, w - row), X)
    found = so.minimize(risk, np.zeros(WIDTH), jac=lambda w, X: 2.0 * (w - np.sum(X, axis=0) / len(X)), method="bfgs")
    assert found.success and found.derivatives == "given"
    assert np.allclose(found.x, X.mean(axis=0), atol=1e-8)


def test_different_sums_have_different_names_in_the_disk_cache():
    def names(term, regularizer=None):
        total, args = so.FiniteSum(term, (X, Y), regularizer).as_objective()
        return {typed_objective((total._replace(threads=k), None, None, None), args, ("grad",))[0].keep[1].__name__
                for k in (False, True)}  # fmt: skip

    assert len(names(term) | names(term, ridge) | names(lambda w, row, label: np.dot(row, w) * label)) == 6


def test_its_hessian_is_an_operator():
    H, v = so.hessian_at(so.FiniteSum(term, (X, Y), ridge), W), np.array([1.0, -2.0, 0.5])
    assert H.backend == "compiled"
    np.testing.assert_allclose(H @ v, naive(W, v)[2], rtol=1e-12)
    assert so.cg(H, v).success
    with pytest.raises(ValueError, match="x is not there"):
        so.hessian_at(ridge, W, stream=0)
