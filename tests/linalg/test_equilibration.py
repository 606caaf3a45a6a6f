"""Equilibration against its twin, and what it makes of badly scaled matrices."""

import numpy as np
import pytest

from secondorder.jit import f8, matrix, vector
from secondorder.linalg import equilibration as module
from tests.linalg.matrices import MATRICES, SIZES, dirty, kernel, scaled, void, with_spectrum
from tests.naive import factorizations as naive

equilibrate = kernel(module.equilibrate, void, matrix, f8, vector, vector)


def equilibrated(H, least=1.0):
    """(E H E, the diagonal of E)."""
    n = len(H)
    S, e = np.where(np.tri(n, dtype=bool), H, np.nan), dirty(n)
    equilibrate(S, least, e, dirty(n))
    assert np.isnan(S[np.triu_indices(n, 1)]).all()
    return np.tril(S) + np.tril(S, -1).T, e


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", MATRICES)
def test_the_scaling_is_that_of_the_twin_and_exact(name, n):
    H = MATRICES[name](n)
    S, e = equilibrated(H)
    expected = naive.equilibrating(H) if H.any() else np.ones(n)
    assert np.array_equal(e, expected)
    assert np.array_equal(S, scaled(H, e))


@pytest.mark.parametrize("n", [2, 5, 17])
def test_the_largest_elements_of_all_rows_become_alike(n):
    d = np.random.default_rng(n).permutation(np.geomspace(1e-12, 1e12, n))
    S, _ = equilibrated(scaled(with_spectrum(np.linspace(-1.0, 3.0, n), n), d))
    rows = np.max(abs(S), axis=1)
    assert np.max(rows) <= 8.0 * np.min(rows)


@pytest.mark.parametrize("power", [-41, -2, 1, 7, 300])
@pytest.mark.parametrize("name", ["badly scaled", "graded", "indefinite"])
def test_the_scaling_does_not_depend_on_the_units_of_f(name, power):
    H = MATRICES[name](9)
    assert np.array_equal(equilibrated(H)[1], equilibrated(2.0**power * H)[1])


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_what_has_no_scale_stays_as_it_is(bad):
    H = np.full((3, 3), bad)
    S, e = equilibrated(H)
    assert np.array_equal(S, H, equal_nan=True)
    assert np.array_equal(e, np.ones(3))


def test_matrices_whose_units_differ_by_less_than_asked_stay_as_they_are():
    H = np.diag([1.0, 2.0**-20])
    assert np.array_equal(equilibrated(H, 2.0**-10)[1], [1.0, 1.0])
    assert np.array_equal(equilibrated(H, 2.0**-9)[1], [1.0, 2.0**10])
