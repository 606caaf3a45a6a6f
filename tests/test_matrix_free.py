"""so.cg, so.minres, so.lanczos: every form of an operator, what they say of themselves, what they refuse."""

import re

import numpy as np
import pytest
import scipy.sparse as sp
from numba import njit
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh

import secondorder as so
from secondorder.jit import JIT_DISABLED
from tests.linalg.matrices import with_spectrum

SOLVERS = [so.cg, so.minres]


@njit
def times(v, out, A, factor):
    for i in range(v.size):
        s = 0.0
        for j in range(v.size):
            s += A[i, j] * v[j]
        out[i] = factor * s


def quadratic(x, A):
    f = 0.0
    for i in range(x.size):
        for j in range(x.size):
            f += 0.5 * x[i] * A[i, j] * x[j]
    return f


def gradient(x, g, A):
    g[:] = A @ x
    return 0.5 * x @ g


def product(x, v, out, A):
    x[0] = v[0]  # a copy
    out[:] = A @ v


class Counted(LinearOperator):
    def __init__(self, A):
        self.A, self.calls = A, 0
        super().__init__(A.dtype, A.shape)

    def _matvec(self, v):
        self.calls += 1
        return self.A @ v


FORMS = {
    "array": lambda A: (A, ()),
    "list": lambda A: (A.tolist(), ()),
    "transposed view": lambda A: (np.asfortranarray(A), ()),
    "csr": lambda A: (sp.csr_array(A), ()),
    "csr matrix": lambda A: (sp.csr_matrix(A), ()),
    "csc": lambda A: (sp.csc_array(A), ()),
    "coo": lambda A: (sp.coo_array(A), ()),
    "long indices": lambda A: (long_indices(A), ()),
    "linear operator": lambda A: (aslinearoperator(A), ()),
    "compiled": lambda A: (times, (0.5 * A, 2.0)),
    "plain function": lambda A: (getattr(times, "py_func", times), (0.5 * A, 2.0)),
    "hessian": lambda A: (so.hessian_at(quadratic, np.ones(len(A)), (A,)), ()),
    "hessp": lambda A: (so.hessian_at(quadratic, np.ones(len(A)), (A,), hessp=lambda x, v, A: A @ v), ()),
    "hess": lambda A: (so.hessian_at(quadratic, np.ones(len(A)), (A,), hess=lambda x, A: 1.0 * A), ()),
    "objective": lambda A: (so.hessian_at(so.Objective(gradient, hvp=product), np.ones(len(A)), (A,)), ()),
    "hessian in Python": lambda A: (so.hessian_at(lambda x: None, np.ones(len(A)), hessp=in_python(A)), ()),
}
IN_PYTHON = {"linear operator", "hessian in Python"}


def long_indices(A):
    found = sp.csr_array(A)
    found.indices, found.indptr = found.indices.astype(np.int64), found.indptr.astype(np.int64)
    return found


def in_python(A):
    """A function that Numba can't compile."""
    return lambda x, v: np.array([sum(a * b for a, b in zip(row, v, strict=True)) for row in A.tolist()])


@pytest.fixture(params=list(FORMS))
def form(request):
    return FORMS[request.param]


def definite(n=30, seed=0):
    return with_spectrum(np.geomspace(0.1, 10.0, n), seed)


@pytest.mark.parametrize("solve", SOLVERS)
def test_every_form_of_an_operator_is_solved(form, solve):
    A, b = definite(), np.random.default_rng(1).standard_normal(30)
    given, args = form(A)
    found = solve(given, b, args=args, rtol=1e-10)
    np.testing.assert_allclose(found.x, np.linalg.solve(A, b), rtol=1e-7, atol=1e-9)
    assert (found.success, found.reason) == (True, "converged")
    assert np.isclose(found.residual, np.linalg.norm(b - A @ found.x), rtol=1e-2, atol=1e-13)
    assert found.residual <= 1e-10 * np.linalg.norm(b)
    assert 1.0 <= found.norm <= 10.0 * (1 + 1e-14)
    assert 0.1 <= found.curvature <= 10.0


def test_every_form_of_an_operator_has_eigenvalues(form):
    A = definite(20)
    given, args = form(A)
    found = so.lanczos(given, 2, "both", args=args, n=20)
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(A)[[0, 1, -2, -1]], atol=1e-7)
    np.testing.assert_allclose(A @ found.vectors, found.values * found.vectors, atol=1e-6)
    assert found.success


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
@pytest.mark.parametrize("name", FORMS)
def test_only_what_cannot_be_compiled_runs_in_python(name):
    from secondorder.operators import operator_of

    A = definite(5)
    given, args = FORMS[name](A)
    operator = operator_of(given, args, n=5)
    assert operator.backend == ("python" if name in IN_PYTHON else "compiled")
    v = np.arange(5.0)
    np.testing.assert_allclose(operator @ v, A @ v, rtol=1e-12)


def test_products_are_counted_as_they_are_made():
    A, b = definite(), np.ones(30)
    for run in (lambda op: so.cg(op, b), lambda op: so.minres(op, b, x0=b), lambda op: so.lanczos(op, 3)):
        operator = Counted(A)
        assert run(operator).n_products == operator.calls


@pytest.mark.parametrize("solve", SOLVERS)
def test_a_start_is_used(solve):
    A, b = definite(), np.ones(30)
    x = np.linalg.solve(A, b)
    found = solve(A, b, x0=x)
    assert found.n_products == 1
    assert np.array_equal(found.x, x)
    near = solve(A, b, x0=x + 1e-6)
    assert near.success
    assert near.n_products < solve(A, b).n_products


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize("kind", ["vector", "matrix", "sparse", "operator", "compiled"])
def test_a_preconditioner(solve, kind):
    d = np.geomspace(1.0, 1e6, 200)
    A = sp.diags_array(d) + 0.1 * sp.diags_array([np.ones(199), np.ones(199)], offsets=[-1, 1])

    @njit
    def divide(r, z):
        for i in range(r.size):
            z[i] = r[i] / 1e6 ** (i / (r.size - 1))

    inverse = {
        "vector": 1.0 / d,
        "matrix": np.diag(1.0 / d),
        "sparse": sp.diags_array(1.0 / d),
        "operator": aslinearoperator(sp.diags_array(1.0 / d)),
        "compiled": divide,
    }[kind]
    b = np.ones(200)
    plain, found = solve(A, b), solve(A, b, M=inverse)
    assert found.success
    assert found.residual <= 1e-8 * np.linalg.norm(b)
    assert found.n_products < 20 < 100 < plain.n_products


def test_the_residual_is_that_of_x_and_not_of_the_recurrence():
    """Where the two differ, cg starts again; where that doesn't help, it says so."""
    A = with_spectrum(np.geomspace(1e-12, 1.0, 40), 3)
    b = np.random.default_rng(0).standard_normal(40)
    found = so.cg(A, b, rtol=1e-10, maxiter=5000)
    true = np.linalg.norm(b - A @ found.x)
    np.testing.assert_allclose(found.residual, true, rtol=0.1)
    assert found.success == (true <= 1e-10 * np.linalg.norm(b) * 1.0001)
    assert so.cg(A, b, rtol=0.0).reason in ("rounding", "maxiter", "nonpositive curvature")


def test_cg_shows_negative_curvature():
    A = with_spectrum(np.linspace(-0.5, 2.0, 25), 2)
    found = so.cg(A, np.ones(25))
    p = found.direction
    assert (found.success, found.reason) == (False, "nonpositive curvature")
    assert p @ A @ p < 0.0
    np.testing.assert_allclose(found.curvature, p @ A @ p / (p @ p), rtol=1e-9)
    assert "minres" in found.message
    assert so.minres(A, np.ones(25)).success


@pytest.mark.parametrize("solve", SOLVERS)
def test_a_budget(solve):
    found = solve(definite(), np.ones(30), maxiter=3)
    assert (found.success, found.reason) == (False, "maxiter")
    assert found.n_products <= 4
    assert found.residual < np.linalg.norm(np.ones(30))


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_said(solve, bad):
    A = definite(4)
    A[1, 1] = bad
    assert solve(A, np.ones(4)).reason == "not finite"
    assert solve(definite(4), np.array([1.0, bad, 0.0, 0.0])).reason == "not finite"
    assert so.lanczos(A).reason == "not finite"


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize("size", [1e-250, 1e-200, 1.0, 1e200, 1e250])
def test_no_size_is_too_large_or_too_small(solve, size):
    A, b = definite(10), np.arange(1.0, 11.0)
    x = np.linalg.solve(A, b)
    np.testing.assert_allclose(solve(size * A, b).x * size, x, rtol=1e-6)
    np.testing.assert_allclose(solve(A, size * b).x / size, x, rtol=1e-6)
    np.testing.assert_allclose(so.lanczos(size * A).values / size, [0.1], rtol=1e-7)


@pytest.mark.parametrize("which", ["smallest", "largest", "both"])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_eigenvalues_of_a_sparse_matrix(which, k):
    n = 400
    A = sp.diags_array([2.0 * np.ones(n) + np.linspace(0, 1, n), -np.ones(n - 1), -np.ones(n - 1)], offsets=[0, -1, 1])
    found = so.lanczos(A, k, which, maxiter=400)
    w = np.linalg.eigvalsh(A.toarray())
    expected = {"smallest": w[:k], "largest": w[-k:], "both": np.append(w[:k], w[-k:])}[which]
    np.testing.assert_allclose(found.values, expected, atol=1e-8)
    residuals = np.linalg.norm(A @ found.vectors - found.values * found.vectors, axis=0)
    assert np.all(abs(residuals - found.errors) <= 1e-12)
    assert np.max(residuals) <= 1e-8 * found.norm * (1 + 1e-6)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(len(expected)), atol=1e-10)


def test_no_more_products_than_arpack():
    A = with_spectrum(np.linspace(-1.0, 1.0, 300) ** 3, 1)
    counted = Counted(A)
    eigsh(counted, 2, which="SA", tol=1e-8, v0=np.random.default_rng(0).standard_normal(300))
    assert so.lanczos(A, 2).n_products <= counted.calls


@pytest.mark.parametrize(
    "w", [np.ones(6), np.zeros(6), np.repeat([1.0, 2.0, 5.0], 4), np.append(np.zeros(5), 1.0)], ids=str
)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_repeated_eigenvalues_where_the_subspace_is_invariant(w, k):
    found = so.lanczos(with_spectrum(w, 1), k, "both")
    assert found.success
    np.testing.assert_allclose(found.values, np.append(w[:k], w[-k:]), atol=1e-12)


def test_a_start_without_the_wanted_vector():
    """From an eigenvector Lanczos sees nothing else; the subspace is invariant, so the search goes on beside it."""
    A = np.diag([3.0, 1.0, 2.0])
    found = so.lanczos(A, v0=[1.0, 0.0, 0.0])
    np.testing.assert_allclose(found.values, [1.0], atol=1e-12)


def test_the_seed_makes_it_repeatable():
    A = definite(50)
    first, again, other = so.lanczos(A, seed=3), so.lanczos(A, seed=3), so.lanczos(A, seed=4)
    assert np.array_equal(first.vectors, again.vectors)
    assert not np.array_equal(first.vectors, other.vectors)


def test_a_run_that_is_cut_short_says_so():
    found = so.lanczos(definite(100), 3, rtol=1e-12, maxiter=10)
    assert (found.success, found.reason, found.n_products) == (False, "maxiter", 10)
    assert found.values.shape == (3,)
    assert np.all(found.errors > 0.0)


def test_the_certificate_of_a_saddle():
    def saddle(x):
        return x[0] ** 2 - x[1] ** 2 + x[2] ** 4

    found = so.lanczos(so.hessian_at(saddle, np.zeros(3)))
    np.testing.assert_allclose(found.values, [-2.0], atol=1e-10)
    np.testing.assert_allclose(abs(found.vectors[:, 0]), [0.0, 1.0, 0.0], atol=1e-7)


def test_an_exception_in_python_reaches_the_caller():
    def fail(v):
        raise ArithmeticError("no product")

    operator = LinearOperator((3, 3), matvec=fail, dtype=float)
    for run in (lambda: so.cg(operator, np.ones(3)), lambda: so.lanczos(operator)):
        with pytest.raises(ArithmeticError, match="no product"):
            run()


def test_the_arguments_are_left_alone():
    A, b, x0, v0 = definite(), np.ones(30), np.ones(30), np.ones(30)
    before = A.copy()
    so.cg(A, b, x0)
    so.minres(A, b, x0)
    so.lanczos(A, v0=v0)
    assert np.array_equal(A, before)
    assert all(np.array_equal(v, np.ones(30)) for v in (b, x0, v0))


# ------------------------------------------------------------------------------------------------- what is refused

B = np.ones(3)
REFUSED = [
    (lambda: so.cg(np.ones((2, 3)), B), ValueError, "A has shape (2, 3); a square matrix"),
    (lambda: so.cg(np.eye(4), B), ValueError, "A has shape (4, 4), which doesn't fit vectors of length 3"),
    (lambda: so.cg(np.triu(np.ones((3, 3))), B), ValueError, "A is not symmetric"),
    (lambda: so.cg(sp.csr_array(np.triu(np.ones((3, 3)))), B), ValueError, "A is not symmetric"),
    (lambda: so.cg(np.eye(3) * 1j, B), TypeError, "A must hold real numbers"),
    (lambda: so.cg("A", B), TypeError, "A must hold real numbers"),
    (lambda: so.cg(None, B), TypeError, "A must be an array, a sparse matrix"),
    (lambda: so.cg(aslinearoperator(np.ones((2, 3))), B), ValueError, "a square operator is needed"),
    (lambda: so.cg(lambda v: v, B), TypeError, "can't be compiled as a function (v, out, *args)"),
    (lambda: so.cg(np.eye(3), B, args=(1.0,)), ValueError, "go to a function; A is a ndarray of shape (3, 3)"),
    (lambda: so.cg(np.eye(3), np.eye(3)), ValueError, "b has shape (3, 3); a vector"),
    (lambda: so.cg(np.eye(3), ["a", "b", "c"]), TypeError, "b must hold real numbers"),
    (lambda: so.cg(np.eye(3), B, x0=np.ones(2)), ValueError, "x0 has length 2; the operator has shape (3, 3)"),
    (lambda: so.cg(np.eye(3), B, M=np.eye(2)), ValueError, "M has shape (2, 2)"),
    (lambda: so.cg(np.eye(3), B, M=np.ones(2)), ValueError, "M has shape (2, 2)"),
    (lambda: so.cg(np.eye(3), B, rtol=-1.0), ValueError, "rtol must be a number >= 0; it is -1.0"),
    (lambda: so.cg(np.eye(3), B, atol=np.nan), ValueError, "atol must be a number >= 0; it is nan"),
    (lambda: so.minres(np.eye(3), B, maxiter=0), ValueError, "maxiter must be an integer >= 1; it is 0"),
    (lambda: so.lanczos(np.eye(3), which="LM"), ValueError, "which='LM' is not known; it is one of 'smallest'"),
    (lambda: so.lanczos(np.eye(3), 4), ValueError, "k must be an integer from 1 to 3, for n = 3; it is 4"),
    (lambda: so.lanczos(np.eye(3), 2, "both"), ValueError, "k must be an integer from 1 to 1, for n = 3; it is 2"),
    (lambda: so.lanczos(times, args=(np.eye(3), 1.0)), ValueError, "pass n= or v0="),
    (lambda: so.hessian_at(3.0, B), TypeError, "fun must be callable; it is 3.0"),
    (lambda: so.hessian_at(quadratic, B, hessp=1), TypeError, "hessp must be callable; it is 1"),
    (lambda: so.hessian_at(lambda x: sorted(x)[0], B), so.Unsupported, "sorted"),
    (lambda: so.hessian_at(so.Objective(lambda x, g: 0.0), B), ValueError, "the Objective has neither hvp nor hess"),
    (lambda: so.hessian_at(quadratic, np.eye(3)), ValueError, "x has shape (3, 3); a vector"),
]


@pytest.mark.skipif(JIT_DISABLED, reason="what Numba can't compile is refused")
@pytest.mark.parametrize(("call", "kind", "text"), REFUSED, ids=[text[:40] for _, _, text in REFUSED])
def test_what_is_refused(call, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        call()


@pytest.mark.parametrize("where", ["compiled", "python"])
def test_an_interrupt_ends_it(program, where):
    found = program(
        """
        import signal, sys, numba, numpy as np, secondorder as so
        from scipy.sparse.linalg import LinearOperator

        @numba.njit
        def slow(v, out):
            for i in range(v.size):
                s = v[i]
                for k in range(20000):
                    s = s * 1.0000001 + 1e-9 * v[k % v.size]
                out[i] = v[i] * (1.0 + i) + 0.0 * s

        n = 2000
        out = np.empty(n)
        slow(np.ones(n), out)
        in_python = LinearOperator((n, n), matvec=lambda v: (slow(v, out), out)[1], dtype=float)
        operator = slow if sys.argv[1] == "compiled" else in_python
        so.lanczos(np.eye(2))
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
        try:
            so.lanczos(operator, n=n, rtol=1e-15, maxiter=1000)
        except KeyboardInterrupt:
            print("interrupted")
        """,
        where,
    )
    assert found.stdout.strip() == "interrupted", found.stderr
