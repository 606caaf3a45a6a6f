"""Modified Cholesky factorizations against their equations, their bounds and their twins."""

import numpy as np
import pytest

from secondorder.jit import f8, matrix, vector
from secondorder.linalg import modified_cholesky as module
from tests.linalg.matrices import DEFINITE, MATRICES, SIZES, dirty, kernel, random, void, with_spectrum
from tests.naive import factorizations as naive

_gmw = kernel(module.gill_murray_wright, f8, matrix, matrix, vector)
_se = kernel(module.schnabel_eskow, f8, matrix, matrix, vector, vector)
solve_permuted = kernel(module.solve_permuted, void, matrix, vector, vector, vector, vector)

EPS = 2.0**-52


def gill_murray_wright(H, L=None):
    """(largest element added, L, order)."""
    L, perm = dirty(*H.shape) if L is None else L, dirty(len(H))
    e = _gmw(H, L, perm)
    return e, L, perm


def schnabel_eskow(H, L=None):
    L, perm = dirty(*H.shape) if L is None else L, dirty(len(H))
    e = _se(H, L, perm, dirty(len(H)))
    return e, L, perm


both = pytest.mark.parametrize("modified", [gill_murray_wright, schnabel_eskow])
SAFE = {name: DEFINITE[name] for name in DEFINITE if name not in ("diagonal", "badly scaled")}  # tau2 is relative


@both
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", MATRICES)
def test_the_factor_is_that_of_the_matrix_with_a_diagonal_added(modified, name, n):
    H = MATRICES[name](n)
    e, L, perm = modified(H)
    D, order = np.diag(L), perm.astype(int)
    L = np.tril(L, -1) + np.eye(n)
    assert sorted(order) == list(range(n))
    assert np.all(D > 0.0)
    product = L * D @ L.T
    E = product - H[np.ix_(order, order)]
    size = max(np.max(abs(H)), np.max(product))
    added = np.diag(E)
    assert np.max(abs(E - np.diag(added))) <= 4 * n * EPS * size
    assert np.min(added) >= -4 * n * EPS * size
    assert abs(np.max(added) - e) <= 8 * n * EPS * size


@both
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", SAFE)
def test_nothing_is_added_to_a_definite_matrix(modified, name, n):
    assert modified(SAFE[name](n))[0] == 0.0


@both
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", MATRICES)
def test_no_more_is_added_than_the_papers_say(modified, name, n):
    H = MATRICES[name](n)
    e, _, _ = modified(H)
    if not H.any():
        assert e == 1.0
        return
    gamma, xi, tau = np.max(abs(np.diag(H))), np.max(abs(H - np.diag(np.diag(H)))), EPS ** (1 / 3)
    if modified is gill_murray_wright:
        beta = np.sqrt(max(gamma, xi / np.sqrt(max(n * n - 1, 1))))
        assert e <= 1.0000001 * ((xi / beta + (n - 1) * beta) ** 2 + 2 * (gamma + (n - 1) * beta**2) + EPS)
    else:  # Gerschgorin's bound after the growth of phase 1, and what the last two rows get
        gershgorin = np.max(np.sum(abs(H), axis=1) - abs(np.diag(H)) - np.diag(H))
        growth = max(gershgorin, 0.0) + n * 1.1 * max(gamma, xi)
        assert e <= growth + 2 * tau / (1 - tau) * (growth + gamma)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("n", [2, 5, 12])
def test_schnabel_and_eskow_add_little_more_than_the_least(name, n):
    H = MATRICES[name](n)
    if H.any():
        least = max(0.0, -np.linalg.eigvalsh(H)[0])
        assert schnabel_eskow(H)[0] <= 4.0 * least + 1e-4 * np.max(abs(H))


def test_pivots_are_positive_where_the_diagonal_is_tiny():
    """Relative to the diagonal alone the least pivot would be lost beside what elimination makes of it."""
    H = random(9)
    H[np.diag_indices(9)] = 1e-25 * np.arange(9)
    _, L, _ = schnabel_eskow(H)
    assert np.min(np.diag(L)) >= 1e-11
    assert np.isfinite(np.tril(L)).all()


def test_the_example_of_the_paper():
    """Schnabel and Eskow's example for their revision; its smallest eigenvalue is -0.378."""
    H = np.array(
        [
            [1890.3, -1705.6, -315.8, 3000.3],
            [-1705.6, 1538.3, 284.9, -2706.6],
            [-315.8, 284.9, 52.5, -501.2],
            [3000.3, -2706.6, -501.2, 4760.8],
        ]
    )
    assert 0.378 < schnabel_eskow(H)[0] < 1.0


@both
@pytest.mark.parametrize("n", [1, 2, 3, 6, 15])
@pytest.mark.parametrize("seed", range(5))
def test_as_the_twin(modified, n, seed):
    A = np.random.default_rng(seed).standard_normal((n, n))
    H = A + A.T + seed * np.eye(n)
    order, E = getattr(naive, modified.__name__)(H)
    e, _, perm = modified(H)
    assert np.array_equal(perm, order)
    assert np.isclose(e, np.max(E), rtol=1e-9, atol=1e-12)


@both
@pytest.mark.parametrize("n", SIZES)
def test_in_place_and_from_the_lower_triangle_alone(modified, n):
    H = random(n)
    e, L, perm = modified(H)
    half = np.tril(H)
    half[np.triu_indices(n, 1)] = np.nan
    again = modified(half, half)
    assert again[0] == e
    assert np.array_equal(np.tril(half), np.tril(L))
    assert np.array_equal(again[2], perm)


@both
@pytest.mark.parametrize("power", [-200, -3, 1, 200])
@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_scaling_by_a_power_of_two_scales_what_is_added_exactly(modified, n, power):
    H = random(n)
    (e, L, perm), (scaled_e, scaled_L, scaled_perm) = modified(H), modified(2.0**power * H)
    assert scaled_e == 2.0**power * e
    assert np.array_equal(perm, scaled_perm)
    assert np.array_equal(np.tril(scaled_L, -1), np.tril(L, -1))
    assert np.array_equal(np.diag(scaled_L), 2.0**power * np.diag(L))


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 2, 6])
def test_what_is_not_finite_gives_nan(modified, n, bad):
    for i in range(n):
        for j in range(i + 1):
            H = np.eye(n)
            H[i, j] = bad
            assert np.isnan(modified(H)[0])


@both
@pytest.mark.parametrize("n", SIZES)
def test_the_solution_solves(modified, n):
    H = with_spectrum(np.linspace(-0.5, 1.0, n), n)
    _, L, perm = modified(H)
    order = perm.astype(int)
    back = np.argsort(order)
    unit = np.tril(L, -1) + np.eye(n)
    whole = (unit * np.diag(L) @ unit.T)[np.ix_(back, back)]
    b, out = np.random.default_rng(n).standard_normal(n), dirty(n)
    solve_permuted(L, perm, b, out, dirty(n))
    assert np.max(abs(whole @ out - b)) <= 1e-13 * n * np.max(abs(whole)) * np.max(abs(out))
    solve_permuted(L, perm, b, b, dirty(n))
    assert np.array_equal(b, out)
