"""Passes of a loop run side by side, only where that changes nothing."""

import math

import numpy as np
import pytest

import secondorder as so
from secondorder.derivatives.autodiff import jamming
from tests.derivatives import corpus, fuzzer
from tests.derivatives.judge import derive, judge
from tests.derivatives.test_corpus import check

NAMES = [function.__name__ for function, _, _ in corpus.PROGRAMS]


@pytest.fixture
def everywhere(monkeypatch):
    """Every loop that may be is jammed, whether anything is gained or not."""
    monkeypatch.setattr(jamming, "MOST_OPS", 10_000)
    monkeypatch.setattr(jamming, "is_nest", lambda loop: True)
    monkeypatch.setattr(jamming.Lanes, "share", lambda self: True)


@pytest.mark.parametrize(("function", "make"), [p[:2] for p in corpus.PROGRAMS], ids=NAMES)
def test_every_loop_that_may_be_jammed_stays_right(everywhere, function, make):
    args = corpus.arguments(make)
    check(judge(function, args, derive(function, args)))


def test_a_third_of_the_corpus_has_such_loops(everywhere):
    jammed = [f for f, make, _ in corpus.PROGRAMS if has_fours(derive(f, corpus.arguments(make)).sources)]
    assert len(jammed) >= len(corpus.PROGRAMS) // 3


def test_random_programs_stay_right_where_every_loop_is_jammed_that_may_be(everywhere):
    found = {seed: fuzzer.verdict(seed) for seed in range(40)}
    assert {seed: why for seed, (kind, why) in found.items() if kind == "wrong"} == {}
    assert sum(has_fours(derive(fuzzer.load(s)[0], fuzzer.arguments(s)).sources) for s in range(10)) >= 3


def has_fours(sources):
    """Is a loop of one of the texts jammed?"""
    return any("// 4" in source for source in sources)


# ----------------------------------------------------------------------------------------------- which are jammed

JAMMED = {
    "an inner product with each row": "a = 0.0\n        for j in range(3): a += x[j] * A[i, j]\n        s += a ** 2",
    "a sum into one vector": "for j in range(3): u[j] += x[i] * A[i, j]",
    "scratch of a pass": """
        p = np.zeros(3)
        for j in range(3): p[j] = x[j] * A[i, j]
        for j in range(3): s += p[j] * x[j]""",
    "an entry for each pass": "a = 0.0\n        for j in range(3): a += x[j] * A[i, j]\n        u[i] = a",
    "a branch": "a = 0.0\n        for j in range(3): a += x[j] * A[i, j]\n        s += a if a > 0.1 else 2.0 * a",
}
LEFT = {
    "no loop is inside": "s += x[i] * A[i, 0]",
    "nothing is shared": "for j in range(3): s += A[i, j] * x[i]",
    "a pass starts from what the last one computed": "for j in range(3): s = 0.5 * s + x[j] * A[i, j]",
    "the same, through memory": "for j in range(3): u[j] = 0.5 * u[j] + x[j] * A[i, j]",
    "the same, through entries that meet": "for j in range(3): u[i + 1] = u[i] + x[j] * A[i, j]",
    "the same, through an alias": "for j in range(3): u[i] = v[i] + x[j] * A[i, j]",
    "it may end early": """
        for j in range(3): s += x[j] * A[i, j]
        if s > 9.0: break""",
    "it may raise": "assert x[i] < 9.0\n        for j in range(3): s += x[j] * A[i, j]",
    "lanes write entries of their own": "for j in range(3): B[i, j] = x[j] * A[i, j]",
}


def derivative_of(text):
    """(product f(x, A), f' v of an f that is made of a loop with this body, x, A); checks the value of its gradient."""
    source = "\n".join(
        [
            "def function(x, A):",
            "    s, u, B = 0.0, np.zeros(x.size + 1), np.zeros(A.shape)",
            "    v = u[1:]",
            "    for i in range(x.size):",
            f"        {text}",
            "    return s + u[1] + B[0, 0] + v[0]",
        ]
    )
    names = {"np": np, "math": math}
    exec(source, names)
    gradient = so.value_and_grad(names["function"], source=source)
    x, A = np.linspace(0.1, 0.4, 4), np.linspace(0.2, 0.9, 12).reshape(4, 3)
    f, _ = gradient(x, A)
    assert f == pytest.approx(names["function"](x, A), rel=1e-14)
    return so.jvp(names["function"], source=source), x, A


def source_of_product(text):
    """The text of the product."""
    jvp, x, A = derivative_of(text)
    jvp(x, np.ones(4), A)
    return jvp.source


@pytest.mark.parametrize("why", JAMMED)
def test_passes_run_side_by_side_for(why):
    assert has_fours([source_of_product(JAMMED[why])])


@pytest.mark.parametrize("why", LEFT)
def test_a_loop_is_left_alone_where(why):
    assert not has_fours([source_of_product(LEFT[why])])


# ------------------------------------------------------------------------------------------------------- numbers


def network(x, rows, k, stop):
    """A sum over some rows, with scratch, a branch and an entry for each row."""
    hidden = x.size // rows.shape[1]
    s, last = 0.0, np.zeros(rows.shape[0])
    for i in range(k, stop):
        h = np.empty(hidden)
        for j in range(hidden):
            a = 0.1
            for m in range(rows.shape[1]):
                a += x[j * rows.shape[1] + m] * rows[i, m]
            h[j] = math.tanh(a)
        out = 0.0
        for j in range(hidden):
            out += h[j] * (j + 1)
        last[i] = out
        if out > 0.0:
            s += out**2
        else:
            s -= out
    for i in range(rows.shape[0]):
        s += last[i] ** 3
    return s


def naive(x, rows, k, stop):
    """f and its gradient by NumPy."""
    W, A = x.reshape(-1, rows.shape[1]), rows[k : max(k, stop)]
    c = np.arange(1.0, len(W) + 1.0)
    h = np.tanh(0.1 + A @ W.T)
    out = h @ c
    slope = np.where(out > 0.0, 2.0 * out, -1.0) + 3.0 * out**2
    value = np.where(out > 0.0, out**2, -out).sum() + (out**3).sum()
    return value, ((slope[:, None] * c * (1.0 - h**2)).T @ A).ravel()


@pytest.fixture(scope="module")
def gradient_of_network():
    return so.value_and_grad(network)


@pytest.mark.parametrize(("k", "stop"), [(0, 0), (0, 1), (0, 3), (0, 4), (0, 5), (2, 9), (1, 12), (7, 3), (12, 0)])
def test_fours_and_the_rest_make_up_the_loop(gradient_of_network, k, stop):
    rng = np.random.default_rng(100 * k + stop)
    x, rows = rng.normal(size=6), rng.normal(size=(12, 3))
    value, g = gradient_of_network(x, rows, k, stop)
    expected_value, expected = naive(x, rows, k, stop)
    assert value == pytest.approx(expected_value, rel=1e-13, abs=1e-13)
    np.testing.assert_allclose(g, expected, rtol=1e-12, atol=1e-12)
    assert has_fours([gradient_of_network.source])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("row", [2, 11])
def test_nan_and_inf_of_a_row_come_through(gradient_of_network, bad, row):
    rng = np.random.default_rng(4)
    x, rows = rng.normal(size=6), rng.normal(size=(12, 3))
    rows[row, 1] = bad
    value, g = gradient_of_network(x, rows, 0, 12)
    with np.errstate(invalid="ignore"):
        expected_value, expected = naive(x, rows, 0, 12)
    np.testing.assert_allclose(value, expected_value, rtol=1e-13)
    np.testing.assert_allclose(g, expected, rtol=1e-12)
    assert np.isnan(g).any()
