"""Conjugate gradients and MINRES against NumPy's solutions and what defines their iterates."""

import numpy as np
import pytest

from secondorder.jit import HVP, Native, address_of, compiled, f8, intp, matrix, tuple_type, vector
from secondorder.krylov import conjugate_gradients as cg_module
from secondorder.krylov import ends, matrices
from secondorder.krylov import minres as minres_module
from secondorder.krylov.conjugate_gradients import Solution, conjugate_gradients
from secondorder.krylov.minres import minres
from secondorder.status import CANCEL
from tests.krylov.products import Product, control_at, entry, hvp_at
from tests.linalg.matrices import DEFINITE, MATRICES, SIZES, boolean, dirty, random, with_spectrum

EPS = 2.0**-52
SOLUTION = tuple_type(intp, intp, f8, f8, f8, f8)


def _cg(hvp, data, control, inverse, inverse_data, x, b, rtol, most, s, work):
    function = hvp_at(hvp)
    found = conjugate_gradients(
        function,
        hvp_at(inverse),
        inverse_data != 0,
        x,
        b,
        rtol,
        most,
        s,
        work,
        control_at(control),
        (data, 0),
        (inverse_data, 0),
    )
    return found.end, found.steps, found.residual, found.length, found.curvature, found.norm


def _minres(hvp, data, control, inverse, inverse_data, x, b, rtol, artol, stop, most, s, work):
    function = hvp_at(hvp)
    found = minres(
        function,
        hvp_at(inverse),
        inverse_data != 0,
        x,
        b,
        rtol,
        artol,
        stop,
        most,
        s,
        work,
        control_at(control),
        (data, 0),
        (inverse_data, 0),
    )
    return found.end, found.steps, found.residual, found.length, found.curvature, found.norm


run_cg = entry(_cg, SOLUTION, intp, intp, vector, vector, f8, intp, vector, matrix)
run_minres = entry(_minres, SOLUTION, intp, intp, vector, vector, f8, f8, boolean, intp, vector, matrix)


def inverse_of(M):
    """(address, data, what to keep) of z = M^{-1} r."""
    if M is None:
        return address_of(compiled(matrices.dense, HVP), HVP), 0, None
    native = Native((np.linalg.inv(M),))
    return address_of(compiled(matrices.dense, HVP), HVP), native.address, native


def cg(A, b, rtol=1e-10, most=10**6, M=None, **control):
    """(Solution, s, last direction, products)."""
    product, s, work = Product(A, **control), dirty(len(b)), dirty(cg_module.N_VECTORS, len(b))
    inverse, data, keep = inverse_of(M)
    found = Solution(*run_cg(*product.arguments, inverse, data, dirty(len(b)), b, rtol, most, s, work))
    del keep
    return found, s, work[cg_module.P], product.count


def mr(A, b, rtol=1e-10, artol=0.0, stop=False, most=10**6, M=None, **control):
    """(Solution, s, residual, products)."""
    product, s, work = Product(A, **control), dirty(len(b)), dirty(minres_module.N_VECTORS, len(b))
    inverse, data, keep = inverse_of(M)
    found = Solution(*run_minres(*product.arguments, inverse, data, dirty(len(b)), b, rtol, artol, stop, most, s, work))
    del keep
    return found, s, work[minres_module.R], product.count


def right_side(n, seed=0):
    return np.random.default_rng([n, seed]).standard_normal(n)


def krylov_basis(A, b, k):
    basis = [b / np.linalg.norm(b)]
    for _ in range(k - 1):
        w = A @ basis[-1]
        for _ in range(2):
            for q in basis:
                w = w - (q @ w) * q
        basis.append(w / np.linalg.norm(w))
    return np.array(basis).T


# ------------------------------------------------------------------------------------------- conjugate gradients


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", ["well conditioned", "clustered", "identity", "second differences"])
def test_cg_solves(name, n):
    A, b = DEFINITE[name](n), right_side(n)
    found, s, _, products = cg(A, b)
    assert found.end == ends.CONVERGED
    assert products == found.steps <= n + 5
    np.testing.assert_allclose(np.linalg.norm(b - A @ s), found.residual, atol=1e-13 * np.linalg.norm(b) * n)
    assert found.residual <= 1e-10 * np.linalg.norm(b)
    np.testing.assert_allclose(found.length, np.linalg.norm(s), rtol=1e-12)
    assert found.norm <= np.linalg.norm(A, 2) * (1 + 1e-14)


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_cg_minimises_over_the_krylov_subspace(k):
    A, b = DEFINITE["ill conditioned"](20) + 0.1 * np.eye(20), right_side(20)
    found, s, p, _ = cg(A, b, rtol=0.0, most=k)
    assert (found.end, found.steps) == (ends.MAX_STEPS, k)
    V = krylov_basis(A, b, k)
    np.testing.assert_allclose(s, V @ np.linalg.solve(V.T @ A @ V, V.T @ b), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.curvature, p @ A @ p / (p @ p), rtol=1e-10)


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_cg_knows_the_length_in_the_norm_of_the_preconditioner(k):
    A, b, M = with_spectrum(np.geomspace(1e-3, 1.0, 25), 1), right_side(25), with_spectrum(np.geomspace(1, 50, 25), 2)
    found, s, _, _ = cg(A, b, rtol=0.0, most=k, M=M)
    np.testing.assert_allclose(found.length, np.sqrt(s @ M @ s), rtol=1e-10)
    np.testing.assert_allclose(found.residual, np.linalg.norm(b - A @ s), rtol=1e-10)


def test_the_inverse_as_preconditioner_needs_one_step():
    A, b = with_spectrum(np.geomspace(1e-4, 1.0, 30), 1), right_side(30)
    found, s, _, _ = cg(A, b, M=A, rtol=1e-8)
    assert (found.end, found.steps) == (ends.CONVERGED, 1)
    np.testing.assert_allclose(A @ s, b, atol=1e-7)


@pytest.mark.parametrize("n", [1, 2, 5, 17, 60])
@pytest.mark.parametrize("name", ["random", "indefinite", "negative", "zero", "zero diagonal", "swaps", "rank one"])
def test_cg_stops_at_nonpositive_curvature(name, n):
    A, b = MATRICES[name](n), right_side(n)
    found, s, p, _ = cg(A, b)
    if found.end == ends.CONVERGED:
        np.testing.assert_allclose(A @ s, b, atol=1e-8)
        return
    assert found.end == ends.NONPOSITIVE_CURVATURE
    curvature = p @ A @ p / (p @ p)
    assert curvature <= 10 * n * EPS * np.linalg.norm(A, 2)
    assert abs(found.curvature - curvature) <= 10 * n * EPS * np.linalg.norm(A, 2)
    assert p @ b > 0.0
    if found.steps == 1:
        assert np.array_equal(s, np.zeros(n))
        assert np.array_equal(p, b)
    else:
        assert s @ b > 0.0
        assert 0.5 * s @ A @ s - s @ b < 0.0


def test_a_semidefinite_system_with_a_solution_is_solved():
    A = with_spectrum(np.append(np.zeros(10), np.linspace(1.0, 2.0, 20)), 3)
    b = A @ right_side(30)
    found, s, _, _ = cg(A, b, rtol=1e-12)
    assert found.end == ends.CONVERGED
    np.testing.assert_allclose(s, np.linalg.pinv(A, 1e-10) @ b, atol=1e-9)


def test_a_preconditioner_that_is_not_definite_is_said_to_be_so():
    assert cg(np.eye(5), right_side(5), M=-np.eye(5))[0].end == ends.NOT_DEFINITE
    assert mr(np.eye(5), right_side(5), M=-np.eye(5))[0].end == ends.NOT_DEFINITE


# -------------------------------------------------------------------------------------------------------- minres


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", ["well conditioned", "indefinite", "negative", "swaps", "random", "two clusters"])
def test_minres_solves(name, n):
    A, b = MATRICES[name](n), right_side(n)
    if n > 1 and np.linalg.cond(A) > 1e4:
        return
    found, s, r, products = mr(A, b, rtol=1e-9)
    assert found.end == ends.CONVERGED
    assert products == found.steps
    size = np.linalg.norm(b)
    np.testing.assert_allclose(r, b - A @ s, atol=1e-10 * size)
    np.testing.assert_allclose(found.residual, np.linalg.norm(b - A @ s), atol=1e-10 * size)
    np.testing.assert_allclose(found.length, np.linalg.norm(s), rtol=1e-14)


@pytest.mark.parametrize("k", range(1, 9))
@pytest.mark.parametrize("preconditioned", [False, True])
def test_minres_has_the_smallest_residual_in_the_krylov_subspace(k, preconditioned):
    n = 20
    A, b = with_spectrum(np.linspace(-1.0, 2.0, n), 5), right_side(n)
    M = with_spectrum(np.geomspace(0.1, 10.0, n), 6) if preconditioned else None
    found, s, r, _ = mr(A, b, rtol=0.0, artol=0.0, most=k, M=M)
    L = np.linalg.cholesky(M) if preconditioned else np.eye(n)
    B = np.linalg.solve(L, np.linalg.solve(L, A).T)
    c = np.linalg.solve(L, b)
    V = krylov_basis(B, c, k)
    best = V @ np.linalg.lstsq(B @ V, c)[0]
    np.testing.assert_allclose(L.T @ s, best, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.residual, np.linalg.norm(c - B @ best), rtol=1e-10)
    np.testing.assert_allclose(L.T @ r, c - B @ best, atol=1e-10)
    residuals = [c] + [c - B @ V[:, :j] @ np.linalg.lstsq(B @ V[:, :j], c)[0] for j in range(1, k)]
    np.testing.assert_allclose(found.curvature, min(q @ B @ q / (q @ q) for q in residuals), rtol=1e-8)


@pytest.mark.parametrize("n", [2, 5, 17, 60])
@pytest.mark.parametrize("name", ["random", "indefinite", "negative", "zero", "swaps", "zero diagonal"])
def test_minres_meets_nonpositive_curvature(name, n):
    A, b = MATRICES[name](n), right_side(n)
    found, s, r, _ = mr(A, b, stop=True)
    if found.end == ends.CONVERGED:
        np.testing.assert_allclose(A @ s, b, atol=1e-8)
        return
    assert found.end == ends.NONPOSITIVE_CURVATURE
    size = np.linalg.norm(A, 2)
    np.testing.assert_allclose(r, b - A @ s, atol=1e-9)
    assert abs(r @ A @ r / (r @ r) - found.curvature) <= 1e-9 * size
    assert found.curvature <= 10 * n * EPS * size
    assert r @ b >= 0.0
    assert s @ b >= 0.0


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", ["well conditioned", "second differences", "clustered"])
def test_minres_meets_none_where_there_is_none(name, n):
    found, _, _, _ = mr(DEFINITE[name](n), right_side(n), stop=True)
    assert found.end == ends.CONVERGED
    assert found.curvature > 0.0


@pytest.mark.parametrize("n", [2, 5, 20, 60])
def test_a_singular_system_without_solution_is_solved_in_the_least_squares_sense(n):
    w = np.linspace(-1.0, 2.0, n)
    w[abs(w) < 0.1] = 0.5
    w[: n // 2] = 0.0
    A, b = with_spectrum(w, n), right_side(n)
    best = np.linalg.norm(b - A @ (np.linalg.pinv(A, 1e-10) @ b))
    for artol in [minres_module.ARTOL] + [0.0] * (n > 50):  # 0: rounding takes over, and is noticed
        found, s, _, _ = mr(A, b, rtol=1e-12, artol=artol)
        assert found.end == ends.LEAST_SQUARES
        np.testing.assert_allclose([np.linalg.norm(b - A @ s), found.residual], best, rtol=1e-10)


def test_the_zero_matrix():
    found, s, r, _ = mr(np.zeros((4, 4)), right_side(4))
    assert (found.end, found.steps) == (ends.LEAST_SQUARES, 1)
    assert np.array_equal(s, np.zeros(4))
    assert np.array_equal(r, right_side(4))


# ---------------------------------------------------------------------------------------------------------- both

both = pytest.mark.parametrize("solve", [cg, mr])


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_ends_it(solve, bad):
    A = np.diag([1.0, 2.0, 3.0])
    assert solve(A, np.array([1.0, bad, 0.0]))[0].end == ends.NOT_FINITE
    A[1, 1] = bad
    found, s, _, _ = solve(A, np.ones(3))
    assert found.end == ends.NOT_FINITE
    assert np.isfinite(s).all()


@both
def test_zero_is_the_solution_for_zero(solve):
    found, s, _, products = solve(random(5), np.zeros(5))
    assert (found.end, found.residual, products) == (ends.CONVERGED, 0.0, 0)
    assert np.array_equal(s, np.zeros(5))


@both
def test_a_stop_from_outside(solve):
    found, s, _, products = solve(DEFINITE["well conditioned"](9), right_side(9), stop_reason=CANCEL)
    assert (found.end, products) == (ends.STOPPED, 0)
    assert np.array_equal(s, np.zeros(9))


@both
@pytest.mark.parametrize("power", [-100, -3, 1, 100])
@pytest.mark.parametrize("n", [1, 4, 30])
def test_scaling_by_a_power_of_two_changes_nothing_else(solve, n, power):
    A, b, factor = DEFINITE["well conditioned"](n), right_side(n), 2.0**power
    found, s, last, _ = solve(A, b)
    for scaled in (solve(factor * A, b), solve(A, b, factor=factor)):
        assert np.array_equal(scaled[1] * factor, s)
        assert np.array_equal(scaled[2], last)
        assert scaled[0][:3] == found[:3]
        assert scaled[0][4:] == (factor * found.curvature, factor * found.norm)
    scaled = solve(A, factor * b)
    assert np.array_equal(scaled[1], factor * s)
    assert np.array_equal(scaled[2], factor * last)
