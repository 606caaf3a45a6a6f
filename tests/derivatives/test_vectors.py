"""A vector of the wrong length is refused before anything is read past its end."""

import numpy as np
import pytest

import secondorder as so

X = np.array([1.0, 2.0, 3.0])


def f(x):
    return np.sum(x**3)


def residuals(x):
    return x**2


@pytest.mark.parametrize(
    ("made", "vector", "named"),
    [
        (so.hvp(f), np.ones(2), "v must have the shape of x"),
        (so.hvp(f), np.ones((2, 2)), "v must have the shape of x"),
        (so.jvp(f), np.ones(4), "v must have the shape of x"),
        (so.gauss_newton(residuals), np.ones(2), "v must have the shape of x"),
        (so.vjp(residuals), np.ones(2), "w must have the shape of what the function returns"),
        (so.vjp(residuals), np.ones(4), "w must have the shape of what the function returns"),
    ],
)
def test_a_vector_of_another_length_is_refused(made, vector, named):
    with pytest.raises(ValueError, match=named):
        made(X, vector)


def test_vectors_of_the_right_length_are_taken():
    assert np.array_equal(so.hvp(f)(X, np.ones((3, 2)))[:, 1], 6.0 * X)
    assert np.array_equal(so.vjp(residuals)(X, np.ones(3)), 2.0 * X)
