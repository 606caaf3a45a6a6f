"""Means over rows of data in Numba's CUDA simulator: value, gradient and products are the CPU's, to rounding.

Run as simulated.py is.
"""

import numpy as np
import pytest
from numba import config, cuda

import secondorder as so
from secondorder.backends import cuda_rows

assert config.ENABLE_CUDASIM, "run this under NUMBA_ENABLE_CUDASIM=1 NUMBA_DISABLE_JIT=1"

random = np.random.default_rng(8)
A = random.standard_normal((70, 3))
LABELS = (A @ [1.0, -2.0, 0.5] + 0.5 * random.standard_normal(70) > 0) * 1


def logistic(w, row, label):
    """The logarithm of a likelihood."""
    z = row[0] * w[0] + row[1] * w[1] + row[2] * w[2]
    return np.log(1.0 + np.exp(z)) - label * z


def ridge(w):
    """A regularizer."""
    return 0.01 * np.dot(w, w)


def decay(p, t):
    """A term of one number, with no sum over entries of a row."""
    return (p[0] * np.exp(-p[1] * t) - 1.0 / (1.0 + t)) ** 2


def of_matrices(x, M):
    """A term of a row with two axes."""
    s = 0.0
    for i in range(M.shape[0]):
        for j in range(M.shape[1]):
            s += x[i] * M[i, j] * x[j] + np.sin(x[j])
    return s


SUMS = {
    "two arrays and a regularizer": (so.FiniteSum(logistic, (A, LABELS), ridge), np.array([0.3, -0.2, 0.1])),
    "numbers": (so.FiniteSum(decay, np.linspace(0.0, 2.0, 40)), np.array([0.5, 0.7])),
    "rows with two axes": (so.FiniteSum(of_matrices, random.standard_normal((5, 2, 2))), np.array([0.5, 0.7])),
    "one row": (so.FiniteSum(decay, np.ones(1)), np.array([0.5, 0.7])),
}


@pytest.fixture
def one_warp(monkeypatch):
    """Several rows a lane, and data that is sent in parts."""
    monkeypatch.setattr(cuda_rows, "LANES", cuda_rows.WARP)
    monkeypatch.setattr(cuda_rows, "SENT", 1)


def values_there(total, x, v):
    """(f, gradient, H v) by kernels."""
    of_rows = cuda_rows.RowMean(total.term, total.regularizer, total.data, x.size, None)
    here, direction = cuda.to_device(x), cuda.to_device(v)
    g, hv = cuda.device_array(x.size), cuda.device_array(x.size)
    f = of_rows.fun_grad(here, g)
    of_rows.hvp(here, direction, hv)
    return f, g.copy_to_host(), hv.copy_to_host()


@pytest.mark.parametrize("name", SUMS)
def test_value_gradient_and_products_are_those_of_the_whole_sum(name, one_warp):
    total, x = SUMS[name]
    v = np.linspace(1.0, -1.0, x.size)
    whole, args = total.as_objective()
    f, g, hv = values_there(total, x, v)
    assert f == pytest.approx(whole(x, *args), rel=1e-12)
    of_mean, data = whole.whole(), args
    np.testing.assert_allclose(g, so.grad(of_mean)(x, *data), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(hv, so.hvp(of_mean)(x, v, *data), rtol=1e-11, atol=1e-13)


def test_the_same_bits_every_time_and_the_same_numbers_for_any_number_of_lanes(monkeypatch):
    total, x = SUMS["two arrays and a regularizer"]
    v = np.ones(3)
    many, again = values_there(total, x, v), values_there(total, x, v)
    for one, other in zip(many, again):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
    monkeypatch.setattr(cuda_rows, "LANES", 64)
    for one, other in zip(many, values_there(total, x, v)):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("method", ["l-bfgs", "newton-cg"])
def test_a_run_there_is_the_run_here(method, one_warp):
    total, x0 = SUMS["two arrays and a regularizer"]
    expected = so.minimize(total, x0, method=method, options={"maxiter": 3}, second_order=False)
    found = so.minimize_on_device(total, cuda.to_device(x0.astype(np.float32)), method=method, options={"maxiter": 3})
    for name in ("status", "nit", "nfev", "njev", "nhev"):
        assert found[name] == expected[name], name
    assert found.x.dtype == np.float64
    np.testing.assert_allclose(found.x.copy_to_host(), expected.x, rtol=1e-6)
    assert found.get("second_derivatives") == expected.get("second_derivatives")


def test_a_row_where_the_term_raises_makes_f_nan(one_warp):
    def guarded(x, t):
        assert t < 2.0, "too late"
        return (x[0] - t) ** 2

    total = so.FiniteSum(guarded, np.array([0.0, 1.0, 3.0]))
    assert so.minimize_on_device(total, np.ones(1)).status == 3


def test_systems_and_eigenvalues_of_its_hessian_are_those_of_the_cpu(one_warp):
    total, x = SUMS["two arrays and a regularizer"]
    here, there = so.hessian_at(total, x), so.hessian_at(total, cuda.to_device(x), stream=cuda.stream())
    v = np.array([1.0, 2.0, -1.0])
    np.testing.assert_allclose((there @ cuda.to_device(v)).copy_to_host(), here @ v, rtol=1e-12)
    assert (there.shape, there.backend) == (here.shape, "cuda")
    np.testing.assert_allclose(so.cg(there, cuda.to_device(v)).x.copy_to_host(), so.cg(here, v).x, rtol=1e-7)
    found, expected = so.lanczos(there, 2), so.lanczos(here, 2)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-10)
    with pytest.raises(ValueError, match="A is a Hessian at a point of 3 numbers; vectors have 2"):
        so.cg(there, cuda.to_device(np.ones(2)))
    with pytest.raises(TypeError, match="takes a FiniteSum and nothing else"):
        so.hessian_at(decay, cuda.to_device(np.ones(2)), (1.0,))


def test_lanes_share_what_memory_there_may_be():
    most = cuda_rows.LANES
    assert cuda_rows.lanes_for(1, 10) == 32
    assert cuda_rows.lanes_for(33, 10) == 64
    assert cuda_rows.lanes_for(10**9, 10) == most
    n = 10**5
    assert cuda_rows.lanes_for(10**9, 3 * n) * 8 * 3 * n <= cuda_rows.MEMORY
    assert cuda_rows.lanes_for(10**9, 10**9) == 32


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"args": (1.0,)}, "leave out args"),
        ({"hvp": print}, "leave out args"),
        ({"x0": np.empty(0)}, "at least one variable"),
    ],
)
def test_wrong_arguments_are_named(given, words):
    total, x0 = SUMS["numbers"]
    with pytest.raises(ValueError, match=words):
        so.minimize_on_device(**{"fun_grad": total, "x0": x0} | given)


def test_too_little_memory_is_told(monkeypatch):
    total, x0 = SUMS["numbers"]
    monkeypatch.setattr(cuda_rows, "free_memory", lambda: 1000)
    with pytest.raises(MemoryError, match="1000 are free"):
        so.minimize_on_device(total, x0)
