"""Sparse Hessians: as products, and factored for newton-cg."""

import numpy as np
import pytest
import scipy.sparse as sp

import secondorder as so
from secondorder.derivatives.definite_factors import definite_factors


def chained(x):
    """Rosenbrock's function, chained."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def gradient(x):
    a = x[1:] - x[:-1] ** 2
    g = np.zeros_like(x)
    g[1:] += 200.0 * a
    g[:-1] += -400.0 * a * x[:-1] - 2.0 * (1.0 - x[:-1])
    return g


def hessian(x):
    main = np.zeros_like(x)
    main[:-1] += 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    main[1:] += 200.0
    return sp.diags([-400.0 * x[:-1], main, -400.0 * x[:-1]], [-1, 0, 1], format="csr")


def run(n=50, hess=hessian, **options):
    x0 = np.where(np.arange(n) % 2 == 0, -1.2, 1.0)
    return so.minimize(
        chained, x0, method="newton-cg", jac=gradient, hess=hess, backend="python", options=options, second_order=False
    )


def test_a_sparse_hessian_is_called_once_for_each_iterate():
    points = []

    def counted(x):
        points.append(x.tobytes())
        return hessian(x)

    result = run(hess=counted)
    assert result.success
    assert result.second_derivatives == "given"
    assert len(points) == len(set(points)) == result.nit


def test_sparse_factors_make_newton_cg_newtons_method():
    plain, factored = run(), run(preconditioner="sparse-lu")
    assert factored.success
    assert factored.optimality == np.max(np.abs(gradient(factored.x)))
    assert factored.nhev <= 2 * factored.nit
    assert plain.nhev > 3 * factored.nhev


def test_auto_sees_that_a_hessian_is_sparse():
    result = so.minimize(chained, np.full(300, -1.0), method="auto", jac=gradient, hess=hessian, backend="python")
    assert result.success
    assert (result.method, result.second_derivatives) == ("newton-cg", "given")
    assert result.nhev <= 2 * result.nit


@pytest.mark.parametrize("seed", range(5))
def test_factors_are_those_of_the_matrix_with_the_least_shift_that_makes_it_definite(seed):
    random = np.random.default_rng(seed)
    n = 30
    A = sp.random_array((n, n), density=0.1, rng=random, format="csc")
    A = A + A.T + sp.diags(random.standard_normal(n) + (4.0 if seed % 2 else 0.0))
    b = random.standard_normal(n)
    x = definite_factors(A).solve(b)
    # x = (A + tau I)^{-1} b, so b - A x = tau x
    tau = (b - A @ x) @ x / (x @ x)
    np.testing.assert_allclose(A @ x + tau * x, b, atol=1e-9 * np.max(np.abs(b)))
    least = np.linalg.eigvalsh(A.toarray())[0]
    assert least + tau > 0.0
    if least > 1e-3:
        assert abs(tau) <= 1e-9


def test_what_has_no_sparse_hessian_is_told_so():
    with pytest.raises(TypeError, match=r"scipy\.sparse"):
        run(hess=lambda x: hessian(x).toarray(), preconditioner="sparse-lu")
    with pytest.raises(ValueError, match="needs hess="):
        so.minimize(chained, np.ones(3), method="newton-cg", options={"preconditioner": "sparse-lu"})


@pytest.mark.parametrize("method", ["newton-cg", "trust-exact"])
def test_a_product_of_the_wrong_length_is_called_by_its_name(method):
    with pytest.raises(ValueError, match=r"hessp must return an array of shape \(2,\)"):
        so.minimize(chained, [-1.2, 1.0], method=method, jac=gradient, hessp=lambda x, v: np.ones(3), backend="python")
