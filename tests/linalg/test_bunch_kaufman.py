"""The indefinite factorization against its equations, LAPACK's eigenvalues and solutions."""

import numpy as np
import pytest

from secondorder.jit import f8, intp, matrix, tuple_type, vector
from secondorder.linalg import bunch_kaufman as module
from tests.linalg.matrices import DEFINITE, MATRICES, SIZES, boolean, dirty, kernel, random, void, with_spectrum

bunch_kaufman = kernel(module.bunch_kaufman, boolean, matrix, vector)
inertia = kernel(module.inertia, tuple_type(intp, intp, intp), matrix, vector)
solve_bunch_kaufman = kernel(module.solve_bunch_kaufman, void, matrix, vector, vector, vector)
negative_curvature = kernel(module.negative_curvature, f8, matrix, vector, vector)

EPS = 2.0**-52


def factorized(A):
    """(the factored matrix, pivots) from the lower triangle alone."""
    A, pivots = np.tril(A), dirty(len(A))
    A[np.triu_indices(len(A), 1)] = np.nan
    assert bunch_kaufman(A, pivots)
    return A, pivots


def parts(A, pivots):
    """(L, D, order)."""
    n = len(A)
    L, D, order = np.triu(A, 1).T + np.eye(n), np.diag(np.diag(A)), np.arange(n)
    k = 0
    while k < n:
        block = 1 if pivots[k] >= 0 else 2
        for j in range(k, k + block):
            p = int(pivots[j] if block == 1 else -1 - pivots[j])
            order[[j, p]] = order[[p, j]]
        if block == 2:
            D[k, k + 1] = D[k + 1, k] = A[k, k + 1]
            L[k + 1, k] = 0.0
        k += block
    return L, D, order


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", MATRICES)
def test_the_factors_make_the_matrix(name, n):
    A = MATRICES[name](n)
    factored, pivots = factorized(A)
    L, D, order = parts(factored, pivots)
    size = np.max(abs(A))
    assert sorted(order) == list(range(n))
    assert np.max(abs(L)) <= 2.79  # the bound of rook pivoting
    assert np.max(abs(L @ D @ L.T - A[np.ix_(order, order)])) <= 20 * n * EPS * size
    assert np.array_equal(np.tril(factored, -1), np.tril(A, -1))


CLEAR = [name for name in MATRICES if name not in ("diagonal", "badly scaled", "graded", "graded upwards")]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", CLEAR)
def test_the_inertia_is_that_of_the_eigenvalues(name, n):
    A = MATRICES[name](n)
    w = np.linalg.eigvalsh(A)
    tiny = 100 * n * EPS * np.max(abs(w))
    found = inertia(*factorized(A))
    assert sum(found) == n
    if np.all((abs(w) > tiny) | (abs(w) <= tiny / 100)):
        assert found == (np.sum(w > tiny), np.sum(w < -tiny), np.sum(abs(w) <= tiny))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_the_solution_solves(n, seed):
    A = with_spectrum(np.random.default_rng(seed).choice([-1.0, 1.0], n) * np.geomspace(1e-3, 1.0, n), n)
    factored, pivots = factorized(A)
    b, out = np.random.default_rng(n).standard_normal(n), dirty(n)
    solve_bunch_kaufman(factored, pivots, b, out)
    np.testing.assert_allclose(out, np.linalg.solve(A, b), rtol=0.0, atol=1e-12 * n * np.max(abs(out)))
    solve_bunch_kaufman(factored, pivots, b, b)
    assert np.array_equal(b, out)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", [name for name in MATRICES if name not in DEFINITE])
def test_a_direction_of_negative_curvature_is_one(name, n):
    A = MATRICES[name](n)
    w, d = np.linalg.eigvalsh(A), dirty(n)
    factored, pivots = factorized(A)
    curvature = negative_curvature(factored, pivots, d)
    size = np.max(abs(A)) * n
    if curvature == 0.0:
        assert inertia(factored, pivots)[1] == 0
        assert w[0] >= -100 * EPS * size
        assert np.isnan(d).all()
    else:
        assert inertia(factored, pivots)[1] > 0
        assert abs(d @ d - 1.0) <= 10 * EPS
        assert abs(d @ A @ d - curvature) <= 20 * EPS * size
        assert w[0] - 20 * EPS * size <= curvature <= 0.02 * w[0] / n  # [3]: a fixed part of the least eigenvalue


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", DEFINITE)
def test_definite_matrices_have_none(name, n):
    assert negative_curvature(*factorized(DEFINITE[name](n)), dirty(n)) == 0.0


@pytest.mark.parametrize("power", [-300, -3, 1, 300])
@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_scaling_by_a_power_of_two_scales_the_blocks_exactly(n, power):
    A, d, scaled_d = random(n), np.zeros(n), np.zeros(n)
    (factored, pivots), (scaled, scaled_pivots) = factorized(A), factorized(2.0**power * A)
    (L, D, _), (scaled_L, scaled_D, _) = parts(factored, pivots), parts(scaled, scaled_pivots)
    assert np.array_equal(pivots, scaled_pivots)
    assert np.array_equal(L, scaled_L)
    assert np.array_equal(2.0**power * D, scaled_D)
    curvature = negative_curvature(factored, pivots, d)
    assert negative_curvature(scaled, scaled_pivots, scaled_d) == 2.0**power * curvature
    assert np.array_equal(d, scaled_d)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 2, 6])
def test_what_is_not_finite_is_refused(n, bad):
    for i in range(n):
        for j in range(i + 1):
            A = random(n)
            A[i, j] = bad
            assert not bunch_kaufman(A, dirty(n))
