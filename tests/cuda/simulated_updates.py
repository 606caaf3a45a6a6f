"""Steps of update rules on arrays on the device, in Numba's CUDA simulator: what the CPU's steps give, to rounding.

Run as simulated.py is.
"""

import numpy as np
import pytest
from numba import config, cuda

import secondorder as so
from secondorder import update as front
from secondorder.updates import UPDATES
from tests.updates.problem import diagonal, gradient, start, value
from tests.updates.test_updates import CASES, CLASSES

assert config.ENABLE_CUDASIM, "run this under NUMBA_ENABLE_CUDASIM=1 NUMBA_DISABLE_JIT=1"

COMMON = {
    "clip-norm": {"clip_norm": 0.7},
    "clip-value": {"clip_value": 0.3, "weight_decay": 0.1},
    "decoupled-masked": {"weight_decay": 0.1, "decoupled": True, "mask": np.arange(8) % 2},
    "noise": {"gradient_noise": 0.2, "seed": 3},
    "noise-masked": {"gradient_noise": 0.2, "mask": np.arange(8) % 2, "weight_decay": 0.1},
    "lookahead": {"lookahead": 2},
}


def steps(update, dtype, there, count=4):
    """x and the rows of state after some steps on the moving bowl, here or there."""
    place, back = (cuda.to_device, lambda a: a.copy_to_host()) if there else (np.array, np.array)
    x = start().astype(dtype)
    state, x = update.init(place(x)), place(x)
    needs_diagonal = "hvp" in update.rule.NEEDS
    for k in range(1, count + 1):
        now = back(x).astype(np.float64)
        h = place(diagonal(k).astype(dtype)) if needs_diagonal else None
        assert update.step(x, place(gradient(now, k).astype(dtype)), state, f=value(now, k), diagonal=h) is None
    return back(x), back(state.rows)[: len(state.names)], state


def both(update, dtype):
    """Assert that a device does what the CPU does."""
    rtol = {np.float64: 1e-12, np.float32: 1e-5}[dtype]
    x, rows, state = steps(update, dtype, True)
    expected_x, expected_rows, of = steps(update, dtype, False)
    assert x.dtype == rows.dtype == dtype
    np.testing.assert_allclose(x, expected_x, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(rows, expected_rows, rtol=rtol, atol=rtol)
    assert (state.k, state.lr) == (of.k, of.lr)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name} {options}" for name, options in CASES])
def test_a_step_there_is_the_step_here(name, options, dtype):
    both(CLASSES[name](**options), dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("options", COMMON.values(), ids=COMMON)
def test_what_is_done_to_gradients_is_done_there(options, dtype):
    both(so.Adam(lr=so.schedules.step_decay(0.1, every=2), **options), dtype)


@pytest.mark.parametrize("n", [0, 1, 7, 8, 24, 25, 100])
def test_arrays_of_every_length_and_shape(n):
    x, g = np.linspace(-1.0, 1.0, n), np.linspace(2.0, -3.0, n)
    shape = (n // 4, 2, 2) if n % 4 == 0 else (n,)
    update = so.Adam(lr=0.1, gradient_noise=0.1, clip_norm=1.0)
    here, there = x.reshape(shape).copy(), cuda.to_device(x.reshape(shape))
    one, other = update.init(here), update.init(there, stream=cuda.stream())
    for _ in range(2):
        update.step(here, g.reshape(shape), one)
        update.step(there, cuda.to_device(g.reshape(shape)), other)
    np.testing.assert_allclose(there.copy_to_host(), here, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_norms_neither_overflow_nor_underflow_there(size):
    x, g = cuda.to_device(np.zeros(2)), cuda.to_device(np.array([3.0, 4.0]) * size)
    update = so.SGD(lr=1.0, clip_norm=0.5 * size)
    update.step(x, g, update.init(x))
    np.testing.assert_allclose(x.copy_to_host(), [-0.3 * size, -0.4 * size], rtol=1e-12)


def test_wrong_arrays_are_named_there():
    x = cuda.to_device(np.ones(3))
    update = so.Adam()
    state = update.init(x)
    with pytest.raises(TypeError, match="made for x on a device"):
        update.step(np.ones(3), np.ones(3), state)
    with pytest.raises(ValueError, match=r"g has shape \(2,\)"):
        update.step(x, cuda.to_device(np.ones(2)), state)
    with pytest.raises(ValueError, match="an array of its own"):
        update.step(x, x, state)
    with pytest.raises(TypeError, match="float32 or float64"):
        update.init(cuda.to_device(np.ones(3, np.int64)))
    with pytest.raises(ValueError, match="contiguous"):
        update.init(cuda.to_device(np.ones((3, 4)))[:, ::2])
    with pytest.raises(ValueError, match="stream"):
        update.init(np.ones(3), stream=cuda.stream())


def test_every_rule_is_compared():
    assert {name for name, _ in CASES} == set(UPDATES)
    assert front.DeviceUpdateState.step.__doc__


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (1,), (0,)])
def test_a_perturbation_there_is_that_of_the_cpu(shape, dtype):
    here = np.ones(shape, dtype)
    there = cuda.to_device(here)
    for number in (0, 3):
        so.perturb(here, 0.5, seed=9, number=number)
        so.perturb(there, 0.5, seed=9, number=number)
    np.testing.assert_allclose(there.copy_to_host(), here, rtol=1e-12 if dtype == np.float64 else 1e-6)


def test_a_perturbation_of_whole_numbers_is_refused():
    with pytest.raises(TypeError, match="x must hold float32 or float64"):
        so.perturb(cuda.to_device(np.arange(3)), 0.5)
