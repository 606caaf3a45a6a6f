"""cg, minres and lanczos on vectors of the device, in Numba's CUDA simulator: they take the CPU's steps, to rounding.

Run as simulated.py is.
"""

import numpy as np
import pytest
from numba import config, cuda

import secondorder as so
from tests.linalg.matrices import with_spectrum

assert config.ENABLE_CUDASIM, "run this under NUMBA_ENABLE_CUDASIM=1 NUMBA_DISABLE_JIT=1"

b = np.arange(1.0, 8.0)
DEFINITE = with_spectrum(np.array([1.0, 1.5, 2.0, 5.0, 7.0, 8.0, 9.0]), 3)
INDEFINITE = with_spectrum(np.array([-3.0, -1.5, 1.0, 2.0, 4.0, 8.0, 9.0]), 4)
SINGULAR = with_spectrum(np.array([0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 9.0]), 5)


def times(v, out, A):
    out.copy_to_device(A @ v.copy_to_host())


def agree(found, expected, rtol=1e-8):
    assert (found.reason, found.success, found.n_products) == (expected.reason, expected.success, expected.n_products)
    np.testing.assert_allclose(found.x.copy_to_host(), expected.x, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(
        [found.curvature, found.norm], [expected.curvature, expected.norm], rtol=1e-6, atol=1e-14
    )


@pytest.mark.parametrize(
    ("solve", "A"),
    [
        (so.cg, DEFINITE),
        (so.cg, INDEFINITE),
        (so.minres, DEFINITE),
        (so.minres, INDEFINITE),
        (so.minres, SINGULAR),
    ],
    ids=["cg", "cg-indefinite", "minres", "minres-indefinite", "minres-singular"],
)
def test_a_system_there_is_solved_as_here(solve, A):
    found, expected = solve(times, cuda.to_device(b), args=(A,)), solve(A, b)
    agree(found, expected)
    if expected.reason == "nonpositive curvature":
        p = found.direction.copy_to_host()
        assert p @ A @ p <= 0.0


@pytest.mark.parametrize("solve", [so.cg, so.minres])
def test_starts_preconditioners_and_budgets_are_those_of_the_cpu(solve):
    there, x0, D = cuda.to_device(b), np.linspace(-1.0, 1.0, 7), 1.0 / np.diag(DEFINITE)
    agree(solve(times, there, cuda.to_device(x0), args=(DEFINITE,)), solve(DEFINITE, b, x0))
    agree(solve(times, there, M=cuda.to_device(D), args=(DEFINITE,)), solve(DEFINITE, b, M=D))
    by_function = solve(times, there, M=lambda v, out: times(v, out, np.diag(D)), args=(DEFINITE,))
    agree(by_function, solve(DEFINITE, b, M=np.diag(D)))
    agree(solve(times, there, args=(DEFINITE,), maxiter=3), solve(DEFINITE, b, maxiter=3))
    np.testing.assert_array_equal(there.copy_to_host(), b)


@pytest.mark.parametrize("which", ["smallest", "largest", "both"])
def test_eigenvalues_there_are_those_found_here(which):
    v0 = np.random.default_rng(1).standard_normal(7)
    found = so.lanczos(times, 2, which, args=(INDEFINITE,), v0=cuda.to_device(v0), stream=cuda.stream())
    expected = so.lanczos(INDEFINITE, 2, which, v0=v0)
    assert (found.reason, found.n_products) == (expected.reason, expected.n_products)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-10)
    X = found.vectors.copy_to_host()
    np.testing.assert_allclose(INDEFINITE @ X, X * found.values, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(X, axis=0), 1.0, rtol=1e-12)


def test_no_entry_of_a_vector_goes_to_the_host_alone(whole_arrays_only):
    for solve in (so.cg, so.minres):
        assert solve(times, cuda.to_device(b), args=(DEFINITE,)).success
    assert so.lanczos(times, 2, args=(INDEFINITE,), v0=cuda.to_device(b)).success


def test_others_are_looked_for_beside_an_invariant_subspace():
    v0, A = np.ones(5), np.diag([1.0, 1.0, 1.0, 2.0, 2.0])
    found, expected = so.lanczos(times, 3, args=(A,), v0=cuda.to_device(v0)), so.lanczos(A, 3, v0=v0)
    assert (found.reason, found.n_products) == (expected.reason, expected.n_products)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12)


def test_what_is_not_finite_is_said():
    assert so.cg(times, cuda.to_device(np.full(3, np.nan)), args=(np.eye(3),)).reason == "not finite"
    found = so.lanczos(times, args=(np.full((3, 3), np.nan),), v0=cuda.to_device(np.ones(3)))
    assert (found.reason, found.vectors.shape) == ("not finite", (3, 0))


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"A": DEFINITE}, TypeError, "it must be a function"),
        ({"b": cuda.to_device(np.ones((2, 2)))}, ValueError, r"b has shape \(2, 2\)"),
        ({"b": cuda.to_device(np.ones(2, np.float32))}, TypeError, "b must hold float64"),
        ({"x0": np.ones(7)}, TypeError, "x0 must be on the device"),
        ({"x0": cuda.to_device(np.ones(3))}, ValueError, "x0 has length 3"),
        ({"b": b, "stream": cuda.stream()}, ValueError, "b is not there"),
    ],
)
def test_wrong_arguments_are_named(given, kind, words):
    with pytest.raises(kind, match=words):
        so.cg(**{"A": times, "b": cuda.to_device(b), "args": (DEFINITE,)} | given)
