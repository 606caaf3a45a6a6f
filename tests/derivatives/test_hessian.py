"""so.hessian: dense, and sparse by star colouring."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

import secondorder as so
from secondorder.derivatives.sparse_hessian import symmetric_pattern
from secondorder.derivatives.star_coloring import best_star_coloring


def rosenbrock(x):
    s = 0.0
    for i in range(x.size - 1):
        s += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return s


def quadratic(x, Q):
    s = 0.0
    for i in range(x.size):
        for j in range(x.size):
            s += 0.5 * Q[i, j] * x[i] * x[j]
    return s


def naive_rosenbrock_hessian(x):
    H = np.zeros((x.size, x.size))
    for i in range(x.size - 1):
        H[i, i] += 1200.0 * x[i] ** 2 - 400.0 * x[i + 1] + 2.0
        H[i, i + 1] = H[i + 1, i] = -400.0 * x[i]
        H[i + 1, i + 1] += 200.0
    return H


def tridiagonal(n):
    i = np.arange(n - 1)
    return np.append(i, i + 1), np.append(i + 1, i)


def random_pattern(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    A = sp.random_array((n, n), density=rng.uniform(0.0, 0.3), rng=rng)
    return (A + A.T).tocsr()


def edges_of(pattern):
    """The pattern without its diagonal, in compressed rows."""
    starts, columns = symmetric_pattern(pattern)
    n = starts.size - 1
    rows = np.repeat(np.arange(n), np.diff(starts))
    off = rows != columns
    return np.append(0, np.cumsum(np.bincount(rows[off], minlength=n))), columns[off]


def test_the_dense_hessian_is_right_and_symmetric():
    x = np.random.default_rng(0).standard_normal(7)
    H = so.hessian(rosenbrock)(x)
    assert np.array_equal(H, H.T)
    np.testing.assert_allclose(H, naive_rosenbrock_hessian(x), rtol=1e-14, atol=1e-12)


def test_a_tridiagonal_hessian_takes_three_products():
    x = np.random.default_rng(1).standard_normal(1000)
    H = so.hessian(rosenbrock, pattern=tridiagonal(1000))
    assert H.colors == 3
    S = H(x)
    assert isinstance(S, sp.csr_array)
    assert S.nnz == 3 * 1000 - 2
    np.testing.assert_allclose(S.toarray(), naive_rosenbrock_hessian(x), rtol=1e-13, atol=1e-11)


@pytest.mark.parametrize("seed", range(12))
def test_sparse_equals_dense_on_random_patterns(seed):
    A = random_pattern(seed)
    Q = (A + sp.diags_array(np.arange(1.0, A.shape[0] + 1))).toarray()
    x = np.zeros(A.shape[0])
    H = so.hessian(quadratic, pattern=A)
    assert H.colors <= A.shape[0]
    np.testing.assert_allclose(H(x, Q).toarray(), 0.5 * (Q + Q.T), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_a_star_coloring(seed):
    pattern = random_pattern(100 + seed)
    starts, columns = edges_of(pattern)
    color, n_colors, _ = best_star_coloring(starts, columns)
    assert set(color) == set(range(n_colors))
    near = [set(columns[starts[i] : starts[i + 1]].tolist()) for i in range(starts.size - 1)]
    for w in range(len(near)):
        for x in near[w]:
            assert color[w] != color[x]
            for v, y in itertools.product(near[w] - {x}, near[x] - {w}):
                if v != y:
                    assert len({color[v], color[w], color[x], color[y]}) >= 3


def test_coloring_takes_time_in_proportion_to_the_edges():
    starts, columns = edges_of(tridiagonal(200_000))
    color, n_colors, _ = best_star_coloring(starts, columns)
    assert n_colors == 3
    assert color.size == 200_000


def test_an_arrow_takes_two_products():
    n = 50
    hub, spokes = np.zeros(n - 1, int), np.arange(1, n)
    H = so.hessian(lambda x: x[0] * np.sum(x[1:] ** 2), pattern=(np.append(hub, spokes), np.append(spokes, hub)))
    assert H.colors == 2
    x = np.random.default_rng(2).standard_normal(n)
    expected = np.diag(np.append(0.0, np.full(n - 1, 2.0 * x[0])))
    expected[0, 1:] = expected[1:, 0] = 2.0 * x[1:]
    np.testing.assert_allclose(H(x).toarray(), expected, rtol=1e-14)


def test_a_pattern_that_is_not_symmetric_is_refused():
    with pytest.raises(ValueError, match="not symmetric"):
        so.hessian(rosenbrock, pattern=([0], [1]))
    with pytest.raises(ValueError, match="must be square"):
        so.hessian(rosenbrock, pattern=sp.coo_array((2, 3)))


def test_entries_outside_the_pattern_are_never_passed_over():
    H = so.hessian(rosenbrock, pattern=sp.eye_array(4))
    with pytest.raises(ValueError, match="leaves out entries that are not zero: row"):
        H(np.full(4, 0.5))


def test_nor_are_those_that_appear_at_a_later_point():
    H = so.hessian(rosenbrock, pattern=sp.eye_array(4))
    H(np.zeros(4))  # the entries outside are zero here
    with pytest.raises(ValueError, match="leaves out"):
        H(np.ones(4))


def test_x_must_fit_the_pattern():
    with pytest.raises(ValueError, match=r"shape \(5,\)"):
        so.hessian(rosenbrock, pattern=tridiagonal(4))(np.zeros(5))
