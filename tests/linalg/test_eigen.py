"""Eigenvalues and eigenvectors against their equations and LAPACK's."""

import numpy as np
import pytest
import scipy.linalg

from secondorder.jit import matrix, vector
from secondorder.linalg import eigen as module
from tests.linalg.matrices import MATRICES, SIZES, boolean, dirty, kernel, random

symmetric_eigen = kernel(module.symmetric_eigen, boolean, matrix, vector, vector)
tridiagonal_eigen = kernel(module.tridiagonal_eigen, boolean, vector, vector, matrix)
implicit_ql = kernel(module.implicit_ql, boolean, vector, vector, matrix)
jacobi_eigen = kernel(module.jacobi_eigen, boolean, matrix, matrix, vector)

EPS = 2.0**-52


def by_ql(A):
    n = A.shape[0]
    vectors, w = np.tril(A), dirty(n)  # the upper triangle is not read
    vectors[np.triu_indices(n, 1)] = np.nan
    assert symmetric_eigen(vectors, w, dirty(n))
    return w, vectors


def by_jacobi(A):
    n = A.shape[0]
    lower, vectors, w = np.tril(A), dirty(n, n), dirty(n)
    lower[np.triu_indices(n, 1)] = np.nan
    assert jacobi_eigen(lower, vectors, w)
    return w, vectors


@pytest.mark.parametrize("eigen", [by_ql, by_jacobi])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", MATRICES)
def test_the_equations_hold(eigen, name, n):
    A = MATRICES[name](n)
    w, vectors = eigen(A)
    size = np.max(abs(A)) * n
    assert np.all(np.diff(w) >= 0.0)
    assert np.max(abs(vectors @ vectors.T - np.eye(n))) <= 20 * n * EPS
    assert np.max(abs(A @ vectors.T - w * vectors.T)) <= 20 * EPS * size
    assert np.max(abs(w - scipy.linalg.eigvalsh(A))) <= 20 * EPS * size


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_tridiagonal_matrices(n, seed):
    random = np.random.default_rng(seed)
    d, e = random.standard_normal(n), random.standard_normal(n)
    if seed == 1 and n > 1:
        e[n // 2 - 1] = 0.0
    T = np.diag(d) + np.diag(e[:-1], 1) + np.diag(e[:-1], -1)
    w, vectors, e[-1] = d.copy(), dirty(n, n), np.nan
    assert tridiagonal_eigen(w, e, vectors)
    assert np.max(abs(vectors @ vectors.T - np.eye(n))) <= 20 * n * EPS
    assert np.max(abs(T @ vectors.T - w * vectors.T)) <= 20 * n * EPS
    np.testing.assert_allclose(w, scipy.linalg.eigvalsh(T), rtol=0.0, atol=20 * n * EPS)


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_the_last_components_alone(n):
    """What the error bounds of Lanczos need."""
    random = np.random.default_rng(n)
    d, e = random.standard_normal(n), random.standard_normal(n)
    w, vectors = d.copy(), dirty(n, n)
    assert tridiagonal_eigen(w, e.copy(), vectors)
    last = np.zeros((n, 1))
    last[-1] = 1.0
    assert implicit_ql(d, e.copy(), last)
    order = np.argsort(d)
    np.testing.assert_array_equal(d[order], w)
    np.testing.assert_array_equal(last[order, 0], vectors[:, -1])


@pytest.mark.parametrize("power", [-1000, -301, -7, 1, 301, 900])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 25])
def test_scaling_by_a_power_of_two_scales_the_eigenvalues_exactly(n, power):
    A = random(n)
    for eigen in (by_ql, by_jacobi):
        w, vectors = eigen(A)
        scaled_w, scaled_vectors = eigen(2.0**power * A)
        assert np.array_equal(vectors, scaled_vectors)
        assert np.array_equal(2.0**power * w, scaled_w)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("exponent", [30, 160, 300])
def test_elements_of_all_sizes(seed, exponent):
    """Squares of rows underflow, and quotients with them overflow."""
    draw = np.random.default_rng(seed)
    n = 2 + seed % 9
    A = np.tril(draw.standard_normal((n, n)) * 10.0 ** draw.uniform(-exponent, exponent, (n, n)))
    A += np.tril(A, -1).T
    size = np.max(abs(A))
    for eigen in (by_ql, by_jacobi):
        w, vectors = eigen(A)
        assert np.max(abs(vectors @ vectors.T - np.eye(n))) <= 20 * n * EPS
        assert np.max(abs((A / size) @ vectors.T - (w / size) * vectors.T)) <= 20 * n * EPS


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_what_is_not_finite_is_refused(n, bad):
    for i in range(n):
        for j in range(i + 1):
            A = np.eye(n)
            A[i, j] = bad
            assert not symmetric_eigen(A.copy(), dirty(n), dirty(n))
            assert not jacobi_eigen(A, dirty(n, n), dirty(n))
    for i in range(n):
        d, e = np.ones(n), np.ones(n)
        d[i] = bad
        assert not tridiagonal_eigen(d, e, dirty(n, n))
        d[i] = 1.0
        if i < n - 1:
            e[i] = bad
            assert not tridiagonal_eigen(d, e, dirty(n, n))


def test_repeated_eigenvalues_have_orthogonal_vectors():
    A = np.kron(np.eye(6), np.array([[2.0, 1.0], [1.0, 2.0]]))
    w, vectors = by_ql(A)
    np.testing.assert_allclose(w, np.repeat([1.0, 3.0], 6), rtol=1e-15)
    assert np.max(abs(vectors @ vectors.T - np.eye(12))) <= 1e-14
