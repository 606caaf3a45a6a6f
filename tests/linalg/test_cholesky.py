"""Cholesky against NumPy's, and what it refuses."""

import numpy as np
import pytest
import scipy.linalg

from secondorder.jit import matrix, vector
from secondorder.linalg import cholesky as module
from tests.linalg.matrices import DEFINITE, MATRICES, SIZES, boolean, dirty, kernel, void, with_spectrum

cholesky = kernel(module.cholesky, boolean, matrix, matrix)
solve_lower = kernel(module.solve_lower, void, matrix, vector, vector)
solve_upper = kernel(module.solve_upper, void, matrix, vector, vector)
solve_cholesky = kernel(module.solve_cholesky, void, matrix, vector, vector)


def unit_lower(L):
    """The factor L with its ones."""
    return np.tril(np.nan_to_num(L), -1) + np.eye(len(L))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", DEFINITE)
def test_the_factors_multiplied_are_the_matrix(name, n):
    H = DEFINITE[name](n)
    L = dirty(n, n)
    assert cholesky(H, L)
    unit = unit_lower(L)
    d = np.sqrt(np.diag(H))
    assert np.all(abs(unit * np.diag(L) @ unit.T - H) <= 4 * n * 2.0**-52 * np.outer(d, d))  # also where badly scaled
    assert np.isnan(L[np.triu_indices(n, 1)]).all()


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", MATRICES)
def test_definite_matrices_are_accepted_and_no_others(name, n):
    H = MATRICES[name](n)
    d = np.sqrt(abs(np.diag(H)))
    d[d == 0.0] = 1.0
    least = scipy.linalg.eigvalsh(H / np.outer(d, d))[0]
    if least > 1e-12 or least < -1e-12:
        assert cholesky(H, dirty(n, n)) == (least > 0.0)


@pytest.mark.parametrize("n", [2, 3, 10, 40])
@pytest.mark.parametrize("seed", range(20))
def test_singular_matrices_are_refused_although_rounding_may_have_made_them_definite(n, seed):
    weights = np.random.default_rng(seed).random((n, n))
    weights += weights.T
    laplacian = np.diag(weights.sum(axis=1)) - weights
    assert not cholesky(laplacian, dirty(n, n))


@pytest.mark.parametrize("n", SIZES)
def test_only_the_lower_triangle_is_read(n):
    H = DEFINITE["well conditioned"](n)
    expected, found = dirty(n, n), dirty(n, n)
    assert cholesky(H, expected)
    H[np.triu_indices(n, 1)] = np.nan
    assert cholesky(H, found)
    assert np.array_equal(expected, found, equal_nan=True)


@pytest.mark.parametrize("n", SIZES)
def test_in_place_is_the_same(n):
    H = DEFINITE["ill conditioned"](n)
    L = dirty(n, n)
    assert cholesky(H, L)
    assert cholesky(H, H)
    assert np.array_equal(np.tril(H), np.tril(L))
    for solve in (solve_lower, solve_upper, solve_cholesky):
        b = np.random.default_rng(n).standard_normal(n)
        out = dirty(n)
        solve(L, b, out)
        solve(L, b, b)
        assert np.array_equal(b, out)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_what_is_not_finite_is_refused(n, bad):
    for i in range(n):
        for j in range(i + 1):
            H = DEFINITE["well conditioned"](n)
            H[i, j] = bad
            assert not cholesky(H, dirty(n, n))


@pytest.mark.parametrize("power", [-601, -7, 1, 2, 600])
@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_scaling_by_a_power_of_two_scales_d_exactly_and_leaves_l_alone(n, power):
    H = DEFINITE["ill conditioned"](n)
    L, scaled = dirty(n, n), dirty(n, n)
    assert cholesky(H, L)
    assert cholesky(2.0**power * H, scaled)
    assert np.array_equal(unit_lower(L), unit_lower(scaled))
    assert np.array_equal(2.0**power * np.diag(L), np.diag(scaled))


@pytest.mark.parametrize("n", SIZES)
def test_the_solutions_solve(n):
    H = with_spectrum(np.geomspace(1e-3, 1.0, n), n)
    L, b, out = dirty(n, n), np.random.default_rng(n).standard_normal(n), dirty(n)
    assert cholesky(H, L)
    for solve, exact in (
        (solve_lower, scipy.linalg.solve_triangular(unit_lower(L), b, lower=True)),
        (solve_upper, scipy.linalg.solve_triangular(unit_lower(L).T, b)),
        (solve_cholesky, scipy.linalg.solve(H, b)),
    ):
        solve(L, b, out)
        np.testing.assert_allclose(out, exact, rtol=0.0, atol=1e-12 * np.max(abs(exact)))
