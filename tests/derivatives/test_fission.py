"""Costly functions get loops of their own, only where that changes nothing."""

import math

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import secondorder as so
from secondorder import jit
from secondorder.derivatives.autodiff import fission
from secondorder.derivatives.autodiff.ir import FLOAT, Op
from tests.derivatives import corpus, fuzzer
from tests.derivatives.judge import derive, judge
from tests.derivatives.test_corpus import check

NAMES = [function.__name__ for function, _, _ in corpus.PROGRAMS]
PROGRAMS = corpus.PROGRAMS[NAMES.index("network_of_arguments_in_loops") :]


@pytest.fixture
def everywhere(monkeypatch):
    """Every loop is split that may be, in blocks of two passes, as if all operations on floats but sums were costly."""
    monkeypatch.setattr(fission, "BLOCK", 2)
    monkeypatch.setattr(fission, "FEWEST", 0)
    monkeypatch.setattr(fission, "MOST_KEPT", 1000)
    monkeypatch.setattr(fission, "MOST_ROWS", 1000)
    monkeypatch.setattr(fission, "is_costly", is_no_sum)


def is_no_sum(op):
    """Is it any operation on floats but a sum?"""
    return isinstance(op, Op) and isinstance(op.fn, str) and op.result.kind == FLOAT and op.fn not in ("add", "sub")


@pytest.mark.parametrize(("function", "make"), [p[:2] for p in PROGRAMS], ids=[p[0].__name__ for p in PROGRAMS])
def test_every_loop_that_may_be_split_stays_right(everywhere, function, make):
    args = corpus.arguments(make)
    check(judge(function, args, derive(function, args)))


def test_random_programs_stay_right_where_every_loop_is_split_that_may_be(everywhere):
    found = {seed: fuzzer.verdict(seed) for seed in range(10)}
    assert {seed: why for seed, (kind, why) in found.items() if kind == "wrong"} == {}
    assert sum("// 2" in source for seed in range(3) for source in derive(*loaded(seed)).sources) >= 6


def loaded(seed):
    """A random program and its arguments."""
    return fuzzer.load(seed)[0], fuzzer.arguments(seed)


# ----------------------------------------------------------------------------------------------- which are split

SPLIT = [
    "for j in range(3): a += x[j] * x[i]\n        s += math.exp(a)",
    "for j in range(3): a += x[j] * x[i]\n        t = math.exp(a)\n        for j in range(3): s += x[j] * t",
    "a = math.log1p(x[i] ** 2)\n        s = s * a + 1.0",
    "for j in range(3): u[i] += x[j] * x[i]\n        u[i] = math.tanh(u[i])",
    "s += math.exp(x[i]) * math.sin(x[i])",
]
LEFT = {
    "the loop vectorises as it is": "s += math.exp(x[i]) * x[i]",
    "a pass starts from what the last one computed": "for j in range(3): s += x[j] * x[i]\n        s = math.exp(-s)",
    "the same, through memory": "for j in range(3): u[1] += x[j] * x[i]\n        u[1] = math.tanh(u[1])",
    "the same, through an alias": "for j in range(3): a += x[j] * v[i]\n        u[i] = math.tanh(a)",
    "the same, through entries that meet": "for j in range(3): a += u[i] * x[j]\n        u[i + 1] = math.tanh(a)",
    "it may end early": "for j in range(3): a += x[j] * x[i]\n        s += math.exp(a)\n        if s > 9.0: break",
    "it may raise": "assert x[i] < 9.0\n        for j in range(3): a += x[j] * x[i]\n        s += math.exp(a)",
}


def body(text):
    """(x) -> number, from what a loop does."""
    source = "\n".join(
        [
            "def function(x):",
            "    s, u = 0.0, np.zeros(x.size + 1)",
            "    v = u[1:]",
            "    for i in range(x.size):",
            "        a = 0.0",
            f"        {text}",
            "    return s + u[1]",
        ]
    )
    names = {"np": np, "math": math}
    exec(source, names)
    return names["function"], source


def text_of_value(text):
    """The text that f(x), f' v is compiled from."""
    function, source = body(text)
    jvp = so.jvp(function, source=source)
    jvp(np.linspace(0.1, 0.4, 4), np.ones(4))
    return jvp.source


def is_split(source):
    """Are there blocks of passes?"""
    return "// 128" in source or "// 32" in source


@pytest.mark.parametrize("text", SPLIT)
def test_costly_functions_are_parted_from_what_keeps_a_loop_scalar(text):
    assert is_split(text_of_value(text))


@pytest.mark.parametrize("why", LEFT)
def test_a_loop_is_left_alone_where(why):
    assert not is_split(text_of_value(LEFT[why]))


def test_a_loop_that_would_keep_more_than_a_stack_holds_is_left_alone(monkeypatch):
    args = corpus.arguments(PROGRAMS[0][1])
    assert "kept" in derive(PROGRAMS[0][0], args).sources[0]
    monkeypatch.setattr(fission, "MOST_ROWS", 0)
    assert "kept" not in derive(PROGRAMS[0][0], args).sources[0]


# ------------------------------------------------------------------------------------------------- local arrays


@numba.njit
def on_the_stack(n):
    a, b = jit.local_floats(2, 5), jit.local_floats(1, 5)
    c, d = jit.local_integers(1, 5), jit.local_booleans(1, 5)
    for i in range(n):
        a[0, i], a[1, i], b[0, i], c[0, i], d[0, i] = 0.5 * i, 1.0 * i, 2.0 * i, 4 * i, i % 2 == 0
    return [(a[0, i], a[1, i], b[0, i], c[0, i], d[0, i]) for i in range(n)], a.shape


def test_local_arrays_do_not_overlap():
    entries, shape = on_the_stack(5)
    assert entries == [(0.5 * i, 1.0 * i, 2.0 * i, 4 * i, i % 2 == 0) for i in range(5)]
    assert shape == (2, 5)


@pytest.mark.skipif(jit.JIT_DISABLED, reason="nothing is compiled")
def test_the_size_of_a_local_array_must_be_known_to_the_compiler():
    with pytest.raises(TypingError, match="must be literal"):
        numba.njit(lambda n: jit.local_floats(1, n)[0, 0])(5)


# ------------------------------------------------------------------------------------------------------- numbers


def mixture(x, rows, k):
    """Sums over rows of different kinds of costly functions, from any first row on."""
    s = h = 0.0
    for i in range(k, rows.shape[0]):
        a = 0.0
        for j in range(x.size):
            a += x[j] * rows[i, j]
        t = math.tanh(a)
        positive = i % 2 == 0 and a > 0.0
        for j in range(x.size):
            s += t * rows[i, j] * x[j] ** 2
        h = 0.5 * h + math.exp(-(t**2)) * (1.0 if positive else 2.0)
    return s + math.log1p(h**2)


def naive(x, rows, k):
    """f and its gradient by NumPy."""
    A = rows[k:]
    t = np.tanh(A @ x)
    slope = 1.0 - t**2
    weight = np.where((np.arange(k, len(rows)) % 2 == 0) & (A @ x > 0.0), 1.0, 2.0)
    h, dh = 0.0, np.zeros_like(x)
    for i in range(len(A)):
        e = np.exp(-(t[i] ** 2)) * weight[i]
        h, dh = 0.5 * h + e, 0.5 * dh - 2.0 * t[i] * e * slope[i] * A[i]
    g = (A @ x**2 * slope) @ A + 2.0 * x * (t @ A) + 2.0 * h / (1.0 + h**2) * dh
    return t @ (A @ x**2) + np.log1p(h**2), g


@pytest.fixture(scope="module")
def gradient_of_mixture():
    return so.value_and_grad(mixture)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 100])
@pytest.mark.parametrize("k", [0, 3])
def test_blocks_of_passes_make_up_the_loop(gradient_of_mixture, length, k):
    rng = np.random.default_rng(length)
    x, rows = rng.normal(size=3), rng.normal(size=(length, 3))
    value, g = gradient_of_mixture(x, rows, k)
    expected_value, expected = naive(x, rows, k)
    assert value == pytest.approx(expected_value, rel=1e-13, abs=1e-13)
    np.testing.assert_allclose(g, expected, rtol=1e-12, atol=1e-12)
    assert is_split(gradient_of_mixture.source)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_inf_come_through(gradient_of_mixture, bad):
    rng = np.random.default_rng(4)
    x, rows = rng.normal(size=3), rng.normal(size=(200, 3))
    rows[150, 1] = bad
    with np.errstate(invalid="ignore"):
        expected_value, expected = naive(x, rows, 0)
    value, g = gradient_of_mixture(x, rows, 0)
    np.testing.assert_allclose(value, expected_value, rtol=1e-13)
    np.testing.assert_allclose(g, expected, rtol=1e-12)
    assert np.isnan(g).any()
