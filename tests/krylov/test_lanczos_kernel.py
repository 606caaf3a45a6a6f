"""The Lanczos kernel against LAPACK and its own bounds."""

import numpy as np
import pytest

from secondorder.jit import f8, intp, matrix, tuple_type, vector
from secondorder.krylov import ends
from secondorder.krylov.lanczos import Ritz, lanczos, memory_size, ritz_vector
from secondorder.status import CANCEL, RUNNING
from tests.krylov.products import Product, control_at, entry, hvp_at
from tests.linalg.matrices import MATRICES, SIZES, dirty, with_spectrum

EPS = 2.0**-52
RITZ = tuple_type(intp, intp, f8, f8, f8, f8, f8)


def _run(hvp, data, control, x, V, locked, n_smallest, n_largest, rtol, memory, vectors):
    control = control_at(control)
    ritz = lanczos(hvp_at(hvp), x, V, locked, n_smallest, n_largest, rtol, memory, control, (data, 0))
    for k in range(ritz.steps):
        ritz_vector(V, locked, memory, V.shape[0] - 1 - locked, ritz.steps, k, vectors[k])
    return ritz.end, ritz.steps, ritz.smallest, ritz.largest, ritz.smallest_error, ritz.largest_error, ritz.norm


run = entry(_run, RITZ, vector, matrix, intp, intp, intp, f8, vector, matrix)


class Found:
    """A run on a matrix: all that came out."""

    def __init__(self, A, start=None, n_smallest=1, n_largest=1, rtol=1e-10, most=None, lock=(), **control):
        n = A.shape[0]
        most = most or n - len(lock)
        self.V, self.memory, vectors = dirty(len(lock) + most + 1, n), dirty(memory_size(most)), dirty(most, n)
        self.V[: len(lock)] = np.reshape(lock, (-1, n))
        self.V[len(lock)] = np.random.default_rng(n).standard_normal(n) if start is None else start
        product = Product(A, **control)
        arguments = (dirty(n), self.V, len(lock), n_smallest, n_largest, rtol, self.memory, vectors)
        self.ritz = Ritz(*run(*product.arguments, *arguments))
        self.products = product.count
        steps = self.steps = self.ritz.steps
        self.basis = self.V[len(lock) : len(lock) + steps]
        self.values, self.errors = self.memory[:steps], self.memory[most : most + steps]
        self.vectors = vectors[:steps]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", MATRICES)
def test_the_pairs_meet_their_bounds(name, n):
    A = MATRICES[name](n)
    found, exact = Found(A), np.linalg.eigvalsh(A)
    size = np.max(abs(exact))
    rounding = 20 * n * EPS * size
    assert ends.ENDS[found.ritz.end].success
    assert found.products == found.steps <= n
    assert found.ritz.norm <= size + rounding
    assert np.max(abs(found.basis @ found.basis.T - np.eye(found.steps))) <= 1e-13
    assert np.max(abs(found.vectors @ found.vectors.T - np.eye(found.steps))) <= 1e-12
    residuals = np.linalg.norm(found.vectors @ A - found.values[:, None] * found.vectors, axis=1)
    assert np.all(abs(residuals - found.errors) <= rounding)
    assert found.ritz[2:6] == (found.values[0], found.values[-1], found.errors[0], found.errors[-1])
    assert max(found.errors[0], found.errors[-1]) <= 1e-10 * found.ritz.norm + rounding
    for value, error in zip(found.values, found.errors, strict=True):
        assert np.min(abs(value - exact)) <= error + rounding
    assert -rounding <= found.values[0] - exact[0] <= 1e-9 * size
    assert -rounding <= exact[-1] - found.values[-1] <= 1e-9 * size


@pytest.mark.parametrize("n_smallest", [0, 1, 3])
@pytest.mark.parametrize("n_largest", [0, 1, 4])
def test_as_many_pairs_as_are_wanted(n_smallest, n_largest):
    w = np.sort(np.random.default_rng(4).standard_normal(50))
    found = Found(with_spectrum(w, 4), None, n_smallest, n_largest, 1e-8)
    np.testing.assert_allclose(found.values[:n_smallest], w[:n_smallest], atol=1e-7)
    np.testing.assert_allclose(found.values[50 - n_largest - 50 + found.steps :], w[50 - n_largest :], atol=1e-7)
    if n_smallest + n_largest == 0:
        assert found.steps == 1


def test_fewer_products_for_a_coarser_tolerance():
    A = with_spectrum(np.linspace(-1.0, 1.0, 200) ** 3, 0)
    steps = [Found(A, rtol=rtol, most=150).steps for rtol in (1e-1, 1e-2, 1e-4, 1e-8)]
    assert steps == sorted(steps)
    assert steps[0] <= 12
    assert steps[-1] < 90


def test_a_budget_of_steps():
    found = Found(with_spectrum(np.linspace(-1.0, 1.0, 40), 0), rtol=1e-14, most=12)
    assert (found.ritz.end, found.products, found.steps) == (ends.MAX_STEPS, 12, 12)
    assert -1.0 < found.values[0] < -0.9


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_an_invariant_subspace_ends_it(rank):
    n = 20
    A = np.diag(np.arange(1.0, n + 1.0))
    A[:7, :7] = with_spectrum(np.arange(1.0, 8.0), 3)
    w, q = np.linalg.eigh(A)
    found = Found(A, start=q[:, 3 : 3 + rank].sum(axis=1), rtol=1e-13)
    assert found.ritz.end in (ends.INVARIANT, ends.CONVERGED)
    assert found.steps == rank
    np.testing.assert_allclose(found.values, w[3 : 3 + rank], rtol=1e-13)


def test_locked_vectors_are_left_out():
    A = with_spectrum(np.array([-3.0, -3.0, -1.0, 0.0, 1.0, 4.0, 4.0, 6.0]), 5)
    lock = []
    w = []
    for _ in range(8):
        found = Found(A, np.random.default_rng(len(lock)).standard_normal(8), lock=lock, rtol=1e-13)
        w.append(found.values[0])
        lock.append(found.vectors[0])
    np.testing.assert_allclose(w, [-3.0, -3.0, -1.0, 0.0, 1.0, 4.0, 4.0, 6.0], atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite(bad):
    A = np.eye(4)
    A[2, 2] = bad
    assert Found(A).ritz.end == ends.NOT_FINITE
    assert Found(np.eye(4), start=np.full(4, bad)).ritz[:2] == (ends.NOT_FINITE, 0)
    assert Found(np.eye(4), start=np.zeros(4)).ritz[:2] == (ends.NOT_FINITE, 0)


def test_a_product_that_becomes_nan_leaves_the_pairs_before():
    A = np.diag(np.arange(1.0, 21.0))
    good = Found(A, most=20, rtol=0.0)
    broken = A.copy()
    broken[19, 18] = np.nan
    found = Found(broken, start=np.append(np.ones(10), np.zeros(10)))
    assert found.ritz.end == ends.NOT_FINITE  # nan times 0
    assert good.steps == 20


def test_a_stop_from_outside():
    found = Found(with_spectrum(np.linspace(1.0, 2.0, 9), 1), rtol=1e-12, stop_reason=CANCEL)
    assert (found.ritz.end, found.steps) == (ends.STOPPED, 1)
    assert 1.0 <= found.values[0] <= 2.0


@pytest.mark.parametrize("power", [-100, -3, 1, 200])
@pytest.mark.parametrize("n", [1, 4, 30])
def test_scaling_by_a_power_of_two_changes_nothing_else(n, power):
    A = MATRICES["random"](n)
    plain, scaled, by_control = Found(A), Found(2.0**power * A), Found(A, factor=2.0**power, stop_reason=RUNNING)
    for other in (scaled, by_control):
        assert other.steps == plain.steps
        assert np.array_equal(other.vectors, plain.vectors)
        assert np.array_equal(other.values, 2.0**power * plain.values)
        assert np.array_equal(other.errors, 2.0**power * plain.errors)
