"""Elementary functions against decimal arithmetic, at the special values, and whether loops of them are vectorised."""

import decimal
import functools
import math
import os
import pathlib
import re
import subprocess
import sys
from decimal import Decimal

import numba
import numpy as np
import pytest

from secondorder import elementary
from secondorder.jit import JIT_DISABLED

ROOT = pathlib.Path(__file__).parents[1]

# The largest errors that the module promises, in units in the last place.
BOUNDS = {"exp": 0.9, "expm1": 1.5, "log": 0.9, "log1p": 0.9, "sigmoid": 1.8, "softplus": 1.8, "tanh": 1.4}
INF, NAN, TINY, HUGE = math.inf, math.nan, 5e-324, sys.float_info.max


@functools.cache
def mapped(name):
    """run(x, out): out <- the function of each x, in a compiled loop."""
    function = getattr(elementary, name)

    @numba.njit
    def run(x, out):
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    return run


def values(name, x):
    out = np.empty(len(x))
    mapped(name)(np.asarray(x, dtype=float), out)
    return out


# ------------------------------------------------------------------------------------------------------- accuracy


def decimal_expm1(x):
    return x + x * x / 2 + x * x * x / 6 if abs(x) < Decimal("1e-15") else x.exp() - 1


def decimal_log1p(x):
    return x - x * x / 2 + x * x * x / 3 if abs(x) < Decimal("1e-15") else (1 + x).ln()


def decimal_tanh(x):
    e = decimal_expm1(2 * x)
    return e / (e + 2)


def decimal_sigmoid(x):
    e = (-abs(x)).exp()
    return (e if x < 0 else 1) / (1 + e)


REFERENCE = {
    "exp": Decimal.exp,
    "expm1": decimal_expm1,
    "log": Decimal.ln,
    "log1p": decimal_log1p,
    "sigmoid": decimal_sigmoid,
    "softplus": lambda x: max(x, Decimal(0)) + decimal_log1p((-abs(x)).exp()),
    "tanh": decimal_tanh,
}


def error_in_ulps(name, x, y):
    """|y - f(x)| in units in the last place of f(x); an infinite y counts as the first number above the finite ones."""
    with decimal.localcontext(prec=50):
        exact = REFERENCE[name](Decimal(float(x)))
        unit = Decimal(math.ulp(min(abs(float(exact)), HUGE)))
        y = Decimal(float(y)) if math.isfinite(y) else Decimal(math.copysign(2.0, y)) * Decimal(2) ** 1023
        exact = max(min(exact, Decimal(2) ** 1024), -(Decimal(2) ** 1024))
        return float(abs(y - exact) / unit)


BREAKS = [0.65, 20.0, 1e-17, 0.5, 1.0, 2.0, 40.0, 36.7, 746.0, 710.0, 709.782712893384, 708.3964185322641]
BREAKS += [745.1332191019412, 744.4400719213812, math.sqrt(0.5), math.sqrt(2.0), 1.0 - math.sqrt(0.5)]
BREAKS += [math.sqrt(2.0) - 1.0, -math.log(math.sqrt(2.0) - 1.0), sys.float_info.min, TINY, 2.0**-53, 2.0**53]
BREAKS += [(k + 0.5) * math.log(2.0) for k in (0, 1, 2, 30, 52, 53, 1021, 1022, 1023, 1073, 1074)]
BREAKS += [2.0**k * math.sqrt(2.0) for k in (-1022, -53, -1, 1, 52, 53, 1022)] + [2.0**1023, HUGE]


def arguments(name, count, seed=0):
    """Random numbers of all exponents and of the sizes where the function varies; the neighbours of the breaks."""
    rng = np.random.default_rng(seed)
    everything = rng.integers(0, 0x7FF0000000000000, count).view(np.float64)
    ranges = [rng.uniform(0.0, size, count) for size in (0.1, 1.0, 4.0, 50.0, 750.0)]
    near = np.concatenate([(np.array(BREAKS).view(np.int64) + shift).view(np.float64) for shift in range(-3, 4)])
    x = np.concatenate([everything, *ranges, near])
    x = x[np.isfinite(x)]
    if name == "log":
        return x[x > 0.0]
    x = np.concatenate([x, -x])
    if name == "log1p":
        return x[x > -1.0]
    return x[np.abs(x) < 1000.0]  # beyond lie the special values


@pytest.mark.parametrize("name", BOUNDS)
def test_error_is_below_the_bound_over_the_whole_range(name):
    x = arguments(name, 20 if JIT_DISABLED else 100)
    errors = np.array([error_in_ulps(name, a, y) for a, y in zip(x, values(name, x), strict=True)])
    worst = errors.argmax()
    assert errors[worst] <= BOUNDS[name], f"{name}({float(x[worst])!r})"


@pytest.mark.skipif(JIT_DISABLED, reason="is run by itself")
@pytest.mark.parametrize(
    "setting",
    [{"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, {"NUMBA_DISABLE_JIT": "1"}],
    ids=["plain processor", "plain Python"],
)
def test_bounds_and_special_values_hold_without_fused_multiply_add(setting):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "over_the_whole or test_special",
    ]
    run = subprocess.run(command, cwd=ROOT, env=os.environ | setting, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stdout[-3000:]
    assert f"{2 * len(BOUNDS)} passed" in run.stdout


# ------------------------------------------------------------------------------------------------- two arguments


@numba.njit
def logaddexps(a, b, out):
    for i in range(a.shape[0]):
        out[i] = elementary.logaddexp(a[i], b[i])


def test_logaddexp_has_the_error_of_its_terms():
    rng = np.random.default_rng(3)
    a = np.concatenate([rng.uniform(-s, s, 100) for s in (1e-3, 1.0, 30.0, 800.0, 1e200)])
    b = np.concatenate([rng.uniform(-s, s, 100) for s in (1e-3, 1.0, 30.0, 800.0, 1e200)])
    b[::5] = a[::5]
    out = np.empty_like(a)
    logaddexps(a, b, out)
    with decimal.localcontext(prec=50):
        for p, q, y in zip(map(float, a), map(float, b), map(float, out)):
            low, high = sorted((Decimal(p), Decimal(q)))
            tail = decimal_log1p((low - high).exp())
            unit = Decimal(math.ulp(float(max(abs(high), tail))))
            assert abs(Decimal(y) - (high + tail)) <= Decimal("2.3") * unit, f"logaddexp({p!r}, {q!r})"


def test_logaddexp_of_infinities_and_nan():
    a = np.array([INF, INF, INF, -INF, -INF, -INF, NAN, 0.0, NAN, NAN, 1.0, HUGE, -HUGE, 0.0])
    b = np.array([INF, -INF, 1.0, -INF, 1.0, INF, 1.0, NAN, NAN, INF, 1.0, -HUGE, -HUGE, -0.0])
    out = np.empty_like(a)
    logaddexps(a, b, out)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(out, np.logaddexp(a, b), rtol=4e-16)
    logaddexps(np.tile(a, 20), np.tile(b, 20), many := np.empty(20 * a.size))
    np.testing.assert_array_equal(many, np.tile(out, 20))


# ------------------------------------------------------------------------------------------------- special values

SPECIAL = {
    "exp": [(-INF, 0.0), (INF, INF), (0.0, 1.0), (-0.0, 1.0), (TINY, 1.0), (710.0, INF), (-746.0, 0.0), (HUGE, INF)],
    "expm1": [(-INF, -1.0), (INF, INF), (0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (-TINY, -TINY), (-HUGE, -1.0)],
    "log": [(0.0, -INF), (-0.0, -INF), (INF, INF), (1.0, 0.0), (-TINY, NAN), (-1.0, NAN), (-INF, NAN), (-HUGE, NAN)],
    "log1p": [(-1.0, -INF), (INF, INF), (0.0, 0.0), (-0.0, -0.0), (-TINY, -TINY), (-2.0, NAN), (-INF, NAN)],
    "sigmoid": [(-INF, 0.0), (INF, 1.0), (0.0, 0.5), (-0.0, 0.5), (HUGE, 1.0), (-HUGE, 0.0), (TINY, 0.5)],
    "softplus": [(-INF, 0.0), (INF, INF), (HUGE, HUGE), (-HUGE, 0.0), (0.0, math.log(2.0)), (1000.0, 1000.0)],
    "tanh": [(-INF, -1.0), (INF, 1.0), (0.0, 0.0), (-0.0, -0.0), (TINY, TINY), (-TINY, -TINY), (HUGE, 1.0)],
}


@pytest.mark.parametrize("name", BOUNDS)
def test_special_values(name):
    x, expected = np.array([(NAN, NAN), (-NAN, NAN), *SPECIAL[name]]).T
    found = values(name, x)
    np.testing.assert_array_equal(found, expected)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[known]), np.signbit(expected[known]))
    many = np.tile(x, 20)  # long enough for the vectorised part of the loop
    np.testing.assert_array_equal(values(name, many), np.tile(expected, 20))


@pytest.mark.parametrize("name", ["exp", "expm1", "tanh", "sigmoid"])
def test_monotone_over_the_points_where_the_formula_changes(name):
    breaks = np.array([b for b in BREAKS if 1e-3 < b < 800.0])
    for b in np.concatenate([breaks, -breaks]):
        y = values(name, np.linspace(b * (1.0 - 1e-9), b * (1.0 + 1e-9), 50))
        y = y if b > 0.0 else y[::-1]
        assert np.all(y[1:] >= y[:-1])


# ---------------------------------------------------------------------------------------------- in compiled loops


@pytest.mark.parametrize("name", BOUNDS)
def test_the_same_bits_alone_and_in_a_vectorised_loop(name):
    x = arguments(name, 40, seed=1)
    together = values(name, x)
    alone = np.concatenate([values(name, x[i : i + 1]) for i in range(0, len(x), 7)])
    np.testing.assert_array_equal(alone, together[::7])
    backwards = x[::-1]
    np.testing.assert_array_equal(values(name, backwards)[::-1], together)


def widest_arithmetic(dispatcher):
    """The largest number of float64 that one multiplication of the optimized code takes."""
    code = next(iter(dispatcher.inspect_llvm().values()))
    return max([int(lanes) for lanes in re.findall(r"fmul <(\d+) x double>", code)], default=1)


@pytest.mark.skipif(JIT_DISABLED, reason="needs the compiler")
@pytest.mark.parametrize("name", BOUNDS)
def test_loops_are_vectorised(name):
    values(name, np.ones(3))
    assert widest_arithmetic(mapped(name)) > 1
    code = next(iter(mapped(name).inspect_llvm().values()))
    assert not re.search(r"call double @(?!llvm)", code), "something is called once for each element"


@pytest.mark.skipif(JIT_DISABLED, reason="needs the compiler")
def test_a_fused_loop_of_several_functions_is_vectorised():
    exp, log, tanh, sigmoid = elementary.exp, elementary.log, elementary.tanh, elementary.sigmoid

    @numba.njit(error_model="numpy")
    def layer(x, w, y, g):
        for i in range(x.shape[0]):
            t = tanh(w[i] * x[i])
            s = sigmoid(x[i] - w[i])
            y[i] = t * s + log(1.0 + exp(-x[i]))
            g[i] = (1.0 - t * t) * s + t * s * (1.0 - s)

    x, w, y, g = np.linspace(-3.0, 3.0, 64), np.linspace(1.0, 2.0, 64), np.empty(64), np.empty(64)
    layer(x, w, y, g)
    assert widest_arithmetic(layer) > 1
    expected = np.tanh(w * x) / (1.0 + np.exp(w - x)) + np.log(1.0 + np.exp(-x))
    np.testing.assert_allclose(y, expected, rtol=1e-14)


@pytest.mark.skipif(JIT_DISABLED, reason="needs the compiler")
def test_integers_and_single_precision_are_converted():
    @numba.njit
    def call(n, x):
        return elementary.exp(n), elementary.tanh(x)

    assert call(1, np.float32(0.5)) == (pytest.approx(math.e, rel=1e-15), pytest.approx(math.tanh(0.5), rel=1e-15))
