"""The Jacobian in one sweep: its columns are the tangents along the axes, whatever a function does with x."""

import numpy as np
import pytest

from secondorder import jacobian, least_squares
from secondorder.derivatives.autodiff import module
from secondorder.derivatives.autodiff.kinds import kind_of
from secondorder.derivatives.autodiff.module import COLUMNS, generated
from secondorder.jit import njit, types

pytestmark = pytest.mark.timeout(120)

T = np.linspace(0.1, 2.0, 5)


def by_fixed_indices(x, t):
    """Entries of x by number, from both ends."""
    return x[0] * np.exp(-x[1] * t) + x[-1] * np.cos(x[1] * t)


def in_loops(x, t):
    """By a variable index, in a recursion with a branch, and as slices."""
    r, s = np.empty(len(t)), 1.0
    for i in range(len(t)):
        for j in range(3):
            s = s + 0.1 * x[j] * s * (1.0 - s / x[1])
        r[i] = s * x[2] if s > 1.5 else s / x[0] + np.sum(x[1:])
    return r


def written(x, t):
    """A copy of x is changed before it is read."""
    z = x
    x = x.copy()
    x[0] = x[0] * x[1]
    return x[0] * t + z[0] + x[2]


def of_one_entry(x, t):
    """Most of the Jacobian is zero."""
    return x[1] * t


FUNCTIONS = [by_fixed_indices, in_loops, written, of_one_entry]


def in_one_sweep(function, x, t):
    """(residuals, J) as least squares gets them, with arrays that hold nan before."""
    vector = types.float64[::1]
    made = generated(function, [kind_of(vector, "x"), kind_of(vector, "t")])
    stored, columns = made.compiled("stored"), made.compiled(COLUMNS[3])

    def call(x, t, r, J):
        stored(x.copy(), t, r)
        columns(x.copy(), t, J[0], J[1], J[2])

    r, J = np.full(len(t), np.nan), np.full((3, len(t)), np.nan)
    njit(call)(x, t, r, J)
    return r, J


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_columns_are_those_of_one_direction_at_a_time(function):
    x = np.array([0.7, 1.3, 2.1])
    r, J = in_one_sweep(function, x, T)
    assert np.allclose(r, function(x.copy(), T), rtol=1e-14)
    assert np.allclose(J.T, jacobian(function)(x.copy(), T), rtol=1e-13, atol=1e-14)


def test_lengths_are_compared_before_the_one_loop_that_reads_and_writes_so_many_entries():
    vector = types.float64[::1]
    made = generated(lambda x, t, y, w: w * (x[0] * np.exp(-x[1] * t) - y), [kind_of(vector, name) for name in "xtyw"])
    for product in ("stored", COLUMNS[2]):
        text, _ = made.text(product)
        assert text.count("\n    for ") == 1
        assert text.rindex("raise") < text.index("\n    for ")
        assert "np.empty" not in text


def test_a_residual_that_changes_its_length_is_refused():
    def growing(x, t):
        r = np.empty(3 if x[0] > 0.5 else 4)
        for i in range(r.size):
            r[i] = x[0] + i * x[1]
        return r

    with pytest.raises(ValueError, match="shape of what the function returns"):
        least_squares(growing, [1.0, 1.0], args=(T,), backend="numba")


def test_many_variables_and_long_texts_take_a_sweep_a_column(monkeypatch):
    vector = types.float64[::1]
    made = generated(lambda x, t: x[0] * np.exp(x[1] * t), [kind_of(vector, "x"), kind_of(vector, "t")])
    assert made.has_columns(2)
    assert not made.has_columns(max(COLUMNS) + 1)
    monkeypatch.setattr(module, "MOST_TANGENTS", 5)
    assert not made.has_columns(2)
