"""@so.derivative: derivatives that the user gives for compiled functions."""

import math

import numba
import numpy as np
import pytest

import secondorder as so
from secondorder.derivatives.autodiff.ir import Kind
from secondorder.derivatives.autodiff.module import key_of
from tests.derivatives.judge import derive, judge


def sine_slope(a):
    return math.cos(a)


@so.derivative(sine_slope)
@numba.njit
def sine(a):
    return np.linalg.det(np.array([[math.sin(a), 0.0], [0.0, 1.0]]))  # det has no rule


def power_slope(a, k):
    s = float(k)
    for _ in range(k - 1):
        s *= a
    return s


@so.derivative(power_slope, None)
def power(a, k):
    return a**k


@so.derivative(lambda a, b: b if a > b else 0.0, lambda a, b: a if a > b else 0.0)
@numba.njit
def product_above(a, b):
    return a * b if a > b else 0.0


@so.derivative(lambda a: growth(a))
@numba.njit
def growth(a):
    return math.exp(a)


X = np.array([0.3, -1.2, 2.1])


def with_sine(x):
    s = 0.0
    for i in range(x.size):
        s += sine(x[i] * x[i]) * x[0]
    return s


def with_sine_gradient(x):
    g = 2.0 * x * np.cos(x**2) * x[0]
    g[0] += np.sin(x**2).sum()
    return g


def test_gradient_and_products_follow_the_rule():
    np.testing.assert_allclose(so.grad(with_sine)(X), with_sine_gradient(X), rtol=1e-13)
    H = np.diag((2.0 * np.cos(X**2) - 4.0 * X**2 * np.sin(X**2)) * X[0])
    H[0] += 2.0 * X * np.cos(X**2)
    H[:, 0] += 2.0 * X * np.cos(X**2)
    np.testing.assert_allclose(so.hessian(with_sine)(X), H, rtol=1e-13, atol=1e-14)
    _, df = so.jvp(with_sine)(X, np.array([1.0, 2.0, 3.0]))
    assert df == pytest.approx(with_sine_gradient(X) @ [1.0, 2.0, 3.0], rel=1e-13)


def test_the_generated_text_calls_the_function_and_not_what_is_in_it():
    gradient = so.grad(with_sine)
    assert "sine(" in gradient.source
    assert "det" not in gradient.source


def test_partials_with_loops_and_whole_numbers():
    def f(x):
        return power(x[0], 3) + power(x[1], 2) * power(x[2], 4)

    x = np.array([1.5, -0.5, 2.0])
    np.testing.assert_allclose(so.grad(f)(x), [3 * 1.5**2, 2 * -0.5 * 16.0, 0.25 * 4 * 8.0], rtol=1e-14)
    H = np.zeros((3, 3))
    H[0, 0], H[1, 1], H[2, 2], H[1, 2] = 9.0, 2.0 * 16.0, 0.25 * 12.0 * 4.0, -1.0 * 32.0
    H[2, 1] = H[1, 2]
    np.testing.assert_allclose(so.hessian(f)(x), H, rtol=1e-14)


def test_partials_with_branches():
    def f(x):
        return product_above(x[0], x[1]) + product_above(x[1], x[2])

    assert so.grad(f)(X).tolist() == [-1.2, 0.3, 0.0]
    assert so.hvp(f)(X, np.array([1.0, 0.0, 0.0])).tolist() == [0.0, 1.0, 0.0]


def test_a_rule_may_call_its_own_function():
    def f(x):
        return growth(2.0 * x[0])

    x = np.array([0.5])
    assert so.grad(f)(x)[0] == pytest.approx(2.0 * math.e, rel=1e-15)
    assert so.hessian(f)(x)[0, 0] == pytest.approx(4.0 * math.e, rel=1e-15)


@so.derivative(lambda a, b: np.sin(a) * b + math.cos(b), lambda a, b: -np.cos(a) - a * math.sin(b))
@numba.njit
def mixed(a, b):
    return -np.cos(a) * b + a * math.cos(b)


def test_two_lambdas_on_a_line_that_call_methods_of_modules():
    x = np.array([0.3, 0.7])
    g = [np.sin(0.3) * 0.7 + np.cos(0.7), -np.cos(0.3) - 0.3 * np.sin(0.7)]
    np.testing.assert_allclose(so.grad(lambda x: mixed(x[0], x[1]))(x), g, rtol=1e-15)


def test_two_functions_of_one_name():
    def named(factor):
        def twin(a):
            return factor * a

        return so.derivative(lambda a: factor)(twin)

    two, three = named(2.0), named(3.0)

    def f(x):
        twin = x[0] * 5.0
        return two(x[0]) * three(x[0]) + twin

    assert so.value_and_grad(f)(np.array([2.0]))[0] == 34.0
    assert so.grad(f)(np.array([2.0]))[0] == 29.0


def test_a_plain_function_is_compiled_and_works_as_before():
    assert power(3.0, 2) == 9.0
    assert isinstance(power, numba.core.dispatcher.Dispatcher) or numba.config.DISABLE_JIT


def test_under_minimize():
    def f(x):
        return growth(x[0]) - 2.0 * x[0] + (x[1] - x[0]) ** 2

    result = so.minimize(so.Objective(lambda x, g: gradient_into(x, g)), np.zeros(2), tol=1e-10)
    assert result.success
    np.testing.assert_allclose(result.x, math.log(2.0), rtol=1e-9)
    exact = so.minimize(f, np.zeros(2), tol=1e-10)
    assert exact.success
    assert exact.derivatives == "exact"
    np.testing.assert_allclose(exact.x, math.log(2.0), rtol=1e-9)


_value_and_grad = so.value_and_grad(lambda x: growth(x[0]) - 2.0 * x[0] + (x[1] - x[0]) ** 2)


@numba.njit
def gradient_into(x, g):
    f, gradient = _value_and_grad(x)
    g[:] = gradient
    return f


def test_the_key_of_what_is_generated_holds_the_rule():
    def key(slope):
        @so.derivative(slope)
        def inner(a):
            return a * a

        return key_of(lambda x: inner(x[0]), [Kind("f", 1)])

    assert key(lambda a: 2.0 * a) == key(lambda a: 2.0 * a)
    assert key(lambda a: 2.0 * a) != key(lambda a: 3.0 * a)


def test_a_partial_that_is_none_is_no_zero():
    def f(x):
        return product(x[0], x[1])

    @so.derivative(lambda a, b: b, None)
    def product(a, b):
        return a * b

    with pytest.raises(so.Unsupported, match="the derivative of 'product' with respect to its argument 2"):
        so.grad(f)(X)

    def g(x, scale):
        return product(x[0], scale)

    assert so.grad(g)(X, 4.0).tolist() == [4.0, 0.0, 0.0]


def test_wrong_rules_are_refused_where_they_are_made():
    with pytest.raises(ValueError, match="'product' has 2 arguments and 1 partial derivatives"):

        @so.derivative(lambda a, b: b)
        def product(a, b):
            return a * b

    with pytest.raises(ValueError, match="with respect to its argument 1 must take its 1 arguments"):

        @so.derivative(lambda a, b: b)
        def identity(a):
            return a

    with pytest.raises(TypeError, match="partial 1 must be a function or None"):
        so.derivative(3.0)


def test_wrong_calls_are_refused_by_line():
    def f(x):
        return power(x[0])

    def of_an_array(x):
        return sine(x)

    def pair(x):
        return doubled(x[0])

    @so.derivative(lambda a: (2.0, 3.0))
    def doubled(a):
        return 2.0 * a

    with pytest.raises(so.Unsupported, match=r"test_opaque.py:\d+: a call of 'power' with other than its 2 arguments"):
        so.grad(f)(X)
    with pytest.raises((TypeError, numba.TypingError)):  # as the function itself
        so.grad(of_an_array)(X)
    with pytest.raises(so.Unsupported, match="It must return one number"):
        so.grad(pair)(X)


# ------------------------------------------------------------------------------------------------ arrays


def entropy_slope(a, k):
    return k * (np.log(a * a + 1.0) + 2.0 * a * a / (a * a + 1.0))


@so.derivative(entropy_slope, lambda a, k: np.sum(a * np.log(a * a + 1.0)))
@numba.njit
def entropy(a, k):
    s = 0.0
    for v in np.sort(a):  # sort has no rule
        s += v * math.log(v * v + 1.0)
    return k * s


@so.derivative(lambda A, b: np.outer(b, b), lambda A, b: A @ b + A.T @ b)
@numba.njit
def form(A, b):
    return np.sum(b * np.sum(A * b, axis=1))


def as_it_is(x):
    return entropy(x, 2.0)


def of_expressions(x):
    return entropy(np.sin(x) * x[0], x[1]) * x[2] + entropy(x[1:], 1.0) + entropy(x[::-1] + 1.0, x[0] * x[1])


def of_what_is_overwritten(x):
    u, s = np.sin(x), 0.0
    for i in range(x.size):
        s += entropy(u, x[i]) * u[i]
        u[i] = x[i] * s
        u[1:] += 0.1 * entropy(u[:-1], 0.5)
    return s + np.sum(u)


def of_what_a_pass_makes(x):
    s = 0.0
    u = x * 1.0
    for i in range(3):
        w = u * x[i]
        if s < 1.0:
            w[0] = s
            s += math.sin(entropy(w, 0.3))
        u = w + 0.5
        while s > 2.0:
            s *= 0.25 * entropy(u, 0.1) + 0.1
    return s + entropy(u, s)


def of_matrices(x):
    A = np.outer(x, np.cos(x))
    s = form(A, x) + form(A.T, np.sin(x))
    for i in range(2):
        s += form(A, A[i]) * x[i]
        A[i] = s * x
    return s + form(A[:2, 1:], A[0, 1:])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "function", [as_it_is, of_expressions, of_what_is_overwritten, of_what_a_pass_makes, of_matrices]
)
def test_arrays_as_arguments(function, compiled):
    errors = judge(function, (X,), derive(function, (X,), compiled=compiled))
    assert errors.value <= 1e-14
    assert errors.gradient <= 1e-12
    assert errors.forward <= 1e-8  # differences: the complex step can't go through compiled functions
    assert errors.symmetry <= 1e-12
    assert errors.hessian_vector <= 1e-7


def test_gradient_of_a_function_of_an_array_calls_only_what_it_needs():
    gradient = so.grad(lambda x: entropy(x, 3.0))
    np.testing.assert_allclose(gradient(X), entropy_slope(X, 3.0), rtol=1e-14)
    value, g = so.value_and_grad(lambda x: entropy(x, 3.0))(X)
    assert value == entropy(X, 3.0)
    np.testing.assert_array_equal(g, gradient(X))
    H = np.diag(3.0 * (6.0 * X + 2.0 * X**3) / (X * X + 1.0) ** 2)
    np.testing.assert_allclose(so.hessian(lambda x: entropy(x, 3.0))(X), H, rtol=1e-13, atol=1e-14)


def test_wrong_rules_for_arrays_are_refused():
    @so.derivative(lambda a: np.sum(a))
    def number(a):
        return np.sum(a)

    @so.derivative(lambda a: a[1:])
    def shorter(a):
        return np.sum(a)

    @so.derivative(None)
    def none(a):
        return np.sum(a)

    with pytest.raises(so.Unsupported, match="must return an array of floats with 1 axes"):
        so.grad(lambda x: number(x))(X)
    with pytest.raises(ValueError, match="the derivative of shorter must have the shape of its argument 1"):
        so.grad(lambda x: shorter(x))(X)
    with pytest.raises(so.Unsupported, match="the derivative of 'none' with respect to its argument 1"):
        so.grad(lambda x: none(x))(X)
    assert so.grad(lambda x, c: none(c) * x[0])(X, X).tolist() == [np.sum(X), 0.0, 0.0]
