"""QR with column pivoting against NumPy: factors, rank, the systems solved with them."""

import numpy as np
import pytest
from numba import njit

from secondorder.linalg import cholesky_qr, householder


def called(function):
    return njit(lambda *arguments: function(*arguments))


FACTOR, UPPER, LOWER = called(householder.factor), called(householder.solve_upper), called(householder.solve_lower)
MULTIPLY, DAMP, DAMPED = called(householder.multiply_upper), called(householder.damp), called(householder.solve_damped)
SIZE, GRAM = called(householder.inverse_size), called(householder.inverse_gram)

PRODUCTS, FACTOR_PRODUCTS = called(cholesky_qr.products), called(cholesky_qr.factor_products)

SHAPES = [(1, 1), (3, 1), (4, 4), (9, 3), (40, 7), (3, 5), (1, 4)]


def factored(J, r):
    n = J.shape[1]
    A, q = np.array(J.T, order="C"), r.copy()
    diagonal, norms, given, pivots = (np.full(n, np.nan) for _ in range(4))
    rank = FACTOR(A, q, diagonal, norms, given, pivots)
    return A, q, diagonal, pivots, rank


def triangle(A, diagonal):
    n, m = A.shape
    R = np.triu(A.T[:n] if m >= n else np.vstack([A.T, np.zeros((n - m, n))]), 1)
    R[np.arange(n), np.arange(n)] = diagonal
    return R


def problem(shape, seed=1):
    random = np.random.default_rng(seed)
    return random.standard_normal(shape), random.standard_normal(shape[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_triangle_is_that_of_the_permuted_matrix(shape):
    J, r = problem(shape)
    A, q, diagonal, pivots, rank = factored(J, r)
    order = pivots.astype(int)
    assert sorted(order) == list(range(shape[1]))
    R = triangle(A, diagonal)
    assert np.allclose(R.T @ R, (J.T @ J)[np.ix_(order, order)], atol=1e-13 * shape[0])
    assert rank == min(shape)
    assert np.all(np.diff(np.abs(diagonal[:rank])) <= 1e-12)
    assert np.linalg.norm(q) == pytest.approx(np.linalg.norm(r), rel=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_least_squares_are_solved(shape):
    J, r = problem(shape)
    A, q, diagonal, pivots, rank = factored(J, r)
    n = shape[1]
    x, z = np.empty(n), np.empty(n)
    UPPER(A, diagonal, q, rank, pivots, z, x)
    best = np.linalg.lstsq(J, r, rcond=None)[0]
    assert np.linalg.norm(J @ x - r) == pytest.approx(np.linalg.norm(J @ best - r), rel=1e-12, abs=1e-13)
    MULTIPLY(A, diagonal, pivots, x, z)
    assert np.linalg.norm(z) == pytest.approx(np.linalg.norm(J @ x), rel=1e-13)


@pytest.mark.parametrize("lam", [1e-12, 1e-3, 1.0, 1e8])
@pytest.mark.parametrize("shape", SHAPES)
def test_damped_least_squares_are_solved(shape, lam):
    J, r = problem(shape)
    A, q, diagonal, pivots, _ = factored(J, r)
    n = shape[1]
    S, row, y, z, x = np.full((n, n), np.nan), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    DAMP(A, diagonal, q, np.sqrt(lam), S, row, y)
    size = DAMPED(S, y, pivots, z, x)
    stacked = np.vstack([J, np.sqrt(lam) * np.eye(n)])
    expected = np.linalg.lstsq(stacked, np.concatenate([r, np.zeros(n)]), rcond=None)[0]
    assert np.allclose(x, expected, rtol=1e-6 if lam < 1e-6 else 1e-10, atol=1e-10 * np.max(np.abs(expected)))
    assert size == pytest.approx(np.linalg.norm(x), rel=1e-14)
    curvature = x @ np.linalg.solve(J.T @ J + lam * np.eye(n), x)
    assert SIZE(S, z, row) ** 2 == pytest.approx(curvature, rel=1e-3 if lam < 1e-6 else 1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (9, 3), (40, 7)])
def test_the_inverse_of_the_gram_matrix(shape):
    J, r = problem(shape)
    A, _, diagonal, pivots, _ = factored(J, r)
    n = shape[1]
    x, z, out = np.arange(1.0, n + 1.0), np.empty(n), np.full((n, n), np.nan)
    inverse = np.linalg.inv(J.T @ J)
    LOWER(A, diagonal, pivots, x, z)
    assert z @ z == pytest.approx(x @ inverse @ x, rel=1e-9)
    GRAM(A, diagonal, pivots, z, out)
    assert np.allclose(out, inverse, rtol=1e-9, atol=1e-9 * np.max(np.abs(inverse)))
    assert np.array_equal(out, out.T)


@pytest.mark.parametrize("rank", [0, 1, 2, 4])
def test_dependent_columns_are_counted_out(rank):
    random = np.random.default_rng(rank)
    J = random.standard_normal((12, rank)) @ random.standard_normal((rank, 5))
    r = random.standard_normal(12)
    A, q, diagonal, pivots, found = factored(J, r)
    assert found == rank
    x, z = np.empty(5), np.empty(5)
    UPPER(A, diagonal, q, found, pivots, z, x)
    assert np.count_nonzero(x) <= rank
    best = np.linalg.lstsq(J, r, rcond=None)[0]
    assert np.linalg.norm(J @ x - r) == pytest.approx(np.linalg.norm(J @ best - r), rel=1e-10)


def test_norms_that_cancel_are_computed_anew():
    # Lauchli's matrix: after the first reflection the columns have lost all but 1e-9 of their length
    n, e = 6, 1e-9
    J = np.vstack([np.ones(n), e * np.eye(n)])
    _, _, diagonal, _, rank = factored(J, np.ones(n + 1))
    assert rank == n
    assert np.allclose(np.abs(diagonal[1:]), np.abs(np.diag(np.linalg.qr(J)[1]))[1:], rtol=1e-6)


# ------------------------------------------------------------------------------------------- from inner products


def from_products(J, r, d):
    """(done?, A, q, diagonal, pivots) of J D^-1 by inner products, in arrays that hold nan before."""
    n = J.shape[1]
    A, q, (G, g) = np.full((n, len(r)), np.nan), r.copy(), (np.full((n, n), np.nan), np.full(n, np.nan))
    diagonal, norms, pivots, unit, y = (np.full(n, np.nan) for _ in range(5))
    PRODUCTS(np.array(J.T, order="C"), q, G, g)
    assert np.allclose(np.triu(G), np.triu(J.T @ J), rtol=1e-13, atol=1e-13 * np.abs(J).max(initial=0.0) ** 2)
    assert np.allclose(g, J.T @ r, atol=1e-12 * np.abs(J).max(initial=0.0))
    return FACTOR_PRODUCTS(G, g, d, A, q, diagonal, norms, pivots, unit, y), A, q, diagonal, pivots


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (9, 3), (40, 7), (33, 8)])
def test_the_triangle_from_inner_products_is_that_of_the_scaled_permuted_matrix(shape):
    J, r = problem(shape)
    J *= 10.0 ** np.arange(shape[1])
    d = 2.0 * np.linalg.norm(J, axis=0)
    done, A, q, diagonal, pivots = from_products(J, r, d)
    assert done
    order, n = pivots.astype(int), shape[1]
    R, scaled = triangle(A, diagonal), (J / d)[:, order]
    assert np.allclose(R.T @ R, scaled.T @ scaled, atol=1e-14)
    assert np.all(np.diff(diagonal) <= 0.0)
    expected = np.linalg.lstsq(scaled, r, rcond=None)[0]
    assert np.allclose(np.linalg.solve(R, q[:n]), expected, rtol=1e-9)


@pytest.mark.parametrize("what", ["dependent", "nearly", "zero", "overflow", "underflow", "nan", "wide"])
def test_what_inner_products_would_spoil_is_left_to_reflections(what):
    J, r = problem((9, 3))
    if what == "dependent":
        J[:, 2] = J[:, 0] - J[:, 1]
    elif what == "nearly":
        J[:, 2] = J[:, 0] + 1e-4 * J[:, 2]
    elif what == "wide":
        J, r = problem((2, 3))
    else:
        J[:, 1] = {"zero": 0.0, "overflow": 1e160 * J[:, 1], "underflow": 1e-160 * J[:, 1], "nan": np.nan}[what]
    n, before = 3, r.copy()
    with np.errstate(over="ignore"):
        G, g = np.triu(np.nan_to_num(J.T, nan=0.0) @ J), J.T @ r
        d = np.maximum(np.sqrt(np.abs(np.diag(G))), 1e-300)
    A, scratch = np.full((n, len(r)), np.nan), [np.full(n, np.nan) for _ in range(5)]
    diagonal, norms, pivots, unit, y = scratch
    assert not FACTOR_PRODUCTS(G, g, d, A, r, diagonal, norms, pivots, unit, y)
    assert np.array_equal(r, before)


def test_a_length_neither_overflows_nor_underflows():
    length = called(householder.length_of)
    for a, b in ((3.0, 4.0), (3e200, 4e200), (3e-200, -4e-200), (0.0, 0.0), (1e-320, 0.0)):
        assert length(a, b) == pytest.approx(np.hypot(a, b), rel=1e-15)
