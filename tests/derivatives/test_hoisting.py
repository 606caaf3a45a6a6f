"""Arrays made anew in every pass of a loop are allocated once, if no pass sees another's."""

import re

import numpy as np

import secondorder as so
from tests.derivatives.judge import derive, judge

X = np.array([0.7, -0.4, 1.3, 0.2])


def scratch(x, rows):
    s = 0.0
    for i in range(x.size):
        for k in range(rows.shape[0]):
            d = np.zeros(rows.shape[1])
            for j in range(1, d.size):
                d[j] += d[j - 1] * x[i] + rows[k, j] * x[j]
            s += np.sum(d**2)
    return s


def handed_on(x):
    u = x * x
    for _ in range(3):
        v = np.zeros(u.size)
        for i in range(1, u.size):
            v[i] += u[i - 1] * x[i]
        u = v
    return np.sum(u**2) + u[1]


def chosen(x):
    s, u = 0.0, x * x
    for i in range(x.size):
        v = np.zeros(2)
        v[0], v[1] = x[i], x[i] ** 2
        w = u if x[i] > 0.5 else v
        s += w[1] * w[0]
    return s + np.sum(u)


def length_of_loops_own(x, k):
    s = 0.0
    for i in range(k):
        d = np.zeros(k - 3)
        d[0] = x[i]
        s += d[0] ** 2 * x[0]
    return s


def allocations(text):
    """The indentations of the lines that allocate."""
    return {len(spaces) // 4 for spaces in re.findall(r"^( +)\w+ = np\.(?:zeros|empty)\(", text, re.MULTILINE)}


def test_allocations_leave_all_the_loops_that_they_can():
    rows = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
    gradient = so.value_and_grad(scratch)
    value, _ = gradient(X, rows)
    assert abs(value - scratch(X, rows)) <= 1e-14 * value
    assert allocations(gradient.source) == {1}
    assert "d[:] = 0.0" in gradient.source
    errors = judge(scratch, (X, rows), derive(scratch, (X, rows)))
    assert max(errors.value, errors.gradient) <= 1e-13
    assert errors.hessian_vector <= 1e-10


def test_arrays_that_the_next_pass_or_a_branch_may_see_stay_their_own():
    for function in (handed_on, chosen):
        value, g = so.value_and_grad(function)(X)
        assert abs(value - function(X)) <= 1e-14
        differences = [(function(X + h) - function(X - h)) / 2e-5 for h in 1e-5 * np.eye(X.size)]
        np.testing.assert_allclose(g, differences, rtol=1e-8, atol=1e-8)


def test_a_length_that_would_raise_does_so_in_a_pass_only():
    gradient = so.value_and_grad(length_of_loops_own)
    assert gradient(X, 0)[0] == 0.0
    value, _ = gradient(X, 4)
    assert value == length_of_loops_own(X, 4)
