"""perturb(): where its noise lies, and what it refuses."""

import numpy as np
import pytest

import secondorder as so


def naive(seed, stream, n):
    """The numbers of L'Ecuyer's generator that in_ball takes: n pairs and one."""
    s1 = 1 + (seed % 1000003 * 2003 + stream * 104729 + 12345) % 2147483562
    s2 = 1 + (seed % 999983 * 1009 + stream * 7919 + 67890) % 2147483398
    found = []
    for _ in range(4 + 2 * n + 1):
        s1, s2 = 40014 * s1 % 2147483563, 40692 * s2 % 2147483399
        found.append(((s1 - s2 - 1) % 2147483562 + 1) / 2147483563)
    return np.array(found[4:])


@pytest.mark.parametrize("n", [1, 2, 7])
def test_it_is_a_normal_vector_with_the_length_of_a_uniform_one(n):
    x, u = np.zeros(n), naive(11, 4, n)
    so.perturb(x, 2.0, seed=11, number=4)
    xi = np.sqrt(-2.0 * np.log(u[0:-1:2])) * np.cos(2.0 * np.pi * u[1::2])
    np.testing.assert_allclose(x, 2.0 * u[-1] ** (1.0 / n) * xi / np.linalg.norm(xi), rtol=1e-12)


def test_it_is_uniform_in_the_ball():
    draws = np.zeros((4000, 2))
    for k in range(len(draws)):
        so.perturb(draws[k], 1.0, number=k)
    radii = np.linalg.norm(draws, axis=1)
    assert radii.max() <= 1.0
    np.testing.assert_allclose(np.mean(radii <= np.sqrt(0.5)), 0.5, atol=0.03)
    np.testing.assert_allclose(draws.mean(axis=0), 0.0, atol=0.03)


def test_it_is_added_to_arrays_of_any_shape_and_of_float32():
    single, double = np.ones((2, 3), np.float32), np.ones((2, 3))
    so.perturb(single, 0.25, seed=3)
    so.perturb(double, 0.25, seed=3)
    np.testing.assert_allclose(single, double, rtol=1e-6)
    so.perturb(np.empty(0), 1.0)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"x": [1.0]}, TypeError, "x must be an array"),
        ({"x": np.arange(3)}, TypeError, "x must be an array of float32 or float64"),
        ({"radius": -1.0}, ValueError, "radius must be"),
        ({"radius": np.nan}, ValueError, "radius must be"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"number": 1.5}, ValueError, "number must be"),
        ({"stream": 7}, ValueError, "x is not there"),
    ],
)
def test_wrong_arguments_are_named(given, kind, words):
    with pytest.raises(kind, match=words):
        so.perturb(**{"x": np.ones(3), "radius": 1.0} | given)
