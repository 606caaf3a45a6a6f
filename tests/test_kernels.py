"""so.kernels: solvers inside the user's compiled code take the steps of `minimize` and allocate nothing."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError
from numba.core.runtime import _nrt_python, rtsys

from secondorder import METHODS, Objective, kernels, least_squares, minimize

pytestmark = pytest.mark.timeout(240)

# A line search and a trust region with products: what is around `solve` is the same for all, and compiling takes long.
CHOSEN = ["bfgs", "trust-ncg"]


@njit
def fun_grad(x, g, a):
    """Rosenbrock's function with another valley."""
    u, v = x[1] - x[0] * x[0], 1.0 - x[0]
    g[0], g[1] = -4.0 * a * u * x[0] - 2.0 * v, 2.0 * a * u
    return a * u * u + v * v


@njit
def hess(x, H, a):
    """Its Hessian."""
    H[0, 0] = 2.0 - 4.0 * a * (x[1] - 3.0 * x[0] * x[0])
    H[0, 1] = H[1, 0] = -4.0 * a * x[0]
    H[1, 1] = 2.0 * a


@njit
def hvp(x, v, out, a):
    """Products with it."""
    out[0] = (2.0 - 4.0 * a * (x[1] - 3.0 * x[0] * x[0])) * v[0] - 4.0 * a * x[0] * v[1]
    out[1] = -4.0 * a * x[0] * v[0] + 2.0 * a * v[1]


OBJECTIVE = Objective(fun_grad, hess=hess, hvp=hvp)
VALLEYS = np.array([1.0, 10.0, 100.0, np.nan])
OPTIONS = {"gtol": 1e-8, "maxiter": 200}


@pytest.fixture(scope="module", params=CHOSEN)
def solved(request):
    """(method, workspace, all_of) where all_of(X, valleys, workspace, out, times) has a solve for each row."""
    solve, n_workspace, n, method, _ = kernels.make(request.param, OBJECTIVE, 2, OPTIONS)
    assert (n, method) == (2, request.param)

    @njit
    def all_of(X, valleys, workspace, out, times):
        for _ in range(times):
            for i in range(len(X)):
                X[i, 0], X[i, 1] = -1.2, 1.0
                end = solve(X[i], workspace, valleys[i])
                out[i, 0], out[i, 1], out[i, 2] = end.status, end.fun, end.optimality
                out[i, 3], out[i, 4], out[i, 5], out[i, 6] = end.nit, end.nfev, end.njev, end.nhev

    return method, np.full(n_workspace, np.nan), all_of


def test_a_kernel_takes_the_steps_of_minimize(solved):
    method, workspace, all_of = solved
    X, out = np.empty((4, 2)), np.zeros((4, 7))
    all_of(X, VALLEYS, workspace, out, 1)
    for x, a, row in zip(X, VALLEYS, out):
        single = minimize(OBJECTIVE, [-1.2, 1.0], (a,), method, options=OPTIONS, second_order=False)
        assert row[0] == single.status
        assert row[3:].tolist() == [single.nit, single.nfev, single.njev, single.nhev]
        assert np.allclose(x, single.x, rtol=1e-12, atol=1e-12)  # inlined, products and sums may be fused otherwise
        assert np.allclose(row[1:3], [single.fun, single.optimality], rtol=1e-6, atol=1e-12, equal_nan=True)
    assert set(out[:, 0].tolist()) == {0.0, 3.0}


def test_nothing_is_allocated(solved):
    _, workspace, all_of = solved
    X, out, counts = np.empty((4, 2)), np.zeros((4, 7)), []
    _nrt_python.memsys_enable_stats()
    for times in (1, 1, 50):
        before = rtsys.get_allocation_stats().alloc
        all_of(X, VALLEYS, workspace, out, times)
        counts.append(rtsys.get_allocation_stats().alloc - before)
    assert counts[1] == counts[2]


def test_a_vector_of_another_length_is_refused_where_it_would_be_written_past(solved):
    _, workspace, all_of = solved
    out = np.zeros((1, 7))
    for X, space in ((np.ones((1, 2)), workspace[:-1].copy()), (np.ones((1, 3)), workspace)):
        with pytest.raises(ValueError, match=f"x must have length 2, and the workspace.*{len(workspace)}"):
            all_of(X, VALLEYS[:1], space, out, 1)


@pytest.mark.parametrize("x", [np.zeros(2, int), np.zeros((2, 2))[:, 0], np.zeros(2, np.float32), np.zeros((2, 2))])
def test_what_is_no_vector_of_float64_is_refused_by_the_compiler(x):
    solve, n_workspace, *_ = kernels.make("gradient-descent", OBJECTIVE, 2)
    with pytest.raises(TypingError, match="contiguous, writable vectors of float64"):
        solve(x, np.empty(n_workspace), 1.0)
    with pytest.raises(TypingError, match="contiguous, writable vectors of float64"):
        solve(np.zeros(2), x, 1.0)


def test_every_method_has_its_name_here():
    for name in METHODS:
        assert callable(getattr(kernels, name.replace("-", "_")))
    with pytest.raises(AttributeError, match="bfgs"):
        kernels.bgfs  # noqa: B018


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"method": "bgfs"}, ValueError, ["bgfs", "bfgs"]),
        ({"objective": 3}, TypeError, ["objective", "3"]),
        ({"objective": fun_grad}, ValueError, ["args="]),
        ({"method": "newton", "objective": Objective(fun_grad)}, ValueError, ["newton", "hess"]),
        ({"n": 0}, ValueError, ["n=0", "at least 1"]),
        ({"n": 2.5}, ValueError, ["n=2.5", "whole"]),
        ({"options": {"history": True}}, ValueError, ["history", "kernel"]),
        ({"options": {"gtoll": 1.0}}, ValueError, ["gtoll", "gtol"]),
        ({"options": [1]}, TypeError, ["options", "dict", "[1]"]),
    ],
    ids=lambda value: str(list(value)) if isinstance(value, dict) else None,
)
def test_a_wrong_argument_is_refused_by_name_value_and_rule(change, kind, words):
    call = {"method": "bfgs", "objective": OBJECTIVE, "n": 2} | change
    with pytest.raises(kind) as caught:
        kernels.make(**call)
    for word in words:
        assert word in str(caught.value)


def test_a_kernel_of_fits_takes_the_steps_of_least_squares():
    def misfit(p, t, y):
        return p[0] * np.exp(-p[1] * t) - y

    t = np.linspace(0.0, 3.0, 16)
    Y = 2.0 * np.exp(-np.array([[0.5], [1.7], [1.0]]) * t) + 0.01 * np.sin(9.0 * t)
    Y[2] = np.nan
    given = {"loss": "cauchy", "f_scale": 0.02}
    solve, n_workspace, n, m, method, _, inverse = kernels.levenberg_marquardt(misfit, 2, args=(t, Y[0]), **given)
    assert (n, m, method) == (2, 16, "levenberg-marquardt")

    @njit
    def all_of(X, workspace, t, Y, out):
        for i in range(len(X)):
            end = solve(X[i], workspace, t, Y[i])
            out[i, 0], out[i, 1], out[i, 2], out[i, 3] = end.status, end.nit, end.nfev, end.njev
            out[i, 4], out[i, 5], out[i, 6] = end.fun, workspace[0], workspace[1]
            out[i, 7:] = workspace[inverse : inverse + 4]

    X, out = np.ones((3, 2)), np.zeros((3, 11))
    all_of(X, np.full(n_workspace, np.nan), t, Y, out)
    for x, y, row in zip(X, Y, out):
        single = least_squares(misfit, [1.0, 1.0], args=(t, y), **given)
        assert row[:4].tolist() == [single.status, single.nit, single.nfev, single.njev]
        assert np.allclose(x, single.x, rtol=1e-9)
        assert np.allclose(row[4], single.cost, rtol=1e-9, equal_nan=True)
        assert np.allclose(row[5:7], single.grad, rtol=1e-6, atol=1e-9, equal_nan=True)
        if single.success:
            assert np.allclose(row[7:] * 2.0 * single.cost / (m - n), single.covariance.ravel(), rtol=1e-6)
