"""Derivatives in a caller's workspace: the numbers of those that allocate, in the words told and no others.

Compiled for every eighth program of the corpus; .ci/run has all of them in the interpreter (NUMBA_DISABLE_JIT=1).
"""

import functools
import inspect
import linecache
import math

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

import secondorder as so
from secondorder.derivatives.autodiff import in_kernels
from secondorder.derivatives.autodiff.builder import Builder
from secondorder.derivatives.autodiff.ir import INT, Alloc, Const, Kind, Program, Slice, Value, View
from secondorder.derivatives.autodiff.storage import Integers
from secondorder.jit import JIT_DISABLED, njit
from tests.derivatives.corpus import PROGRAMS, arguments

CHOSEN = PROGRAMS if JIT_DISABLED else PROGRAMS[::8]
WHATS = ["value_and_grad", "hvp", "jvp"]
# what reverse mode can't do in a workspace: while loops whose passes depend on x
ENDLESS = {"short_circuit_guards_an_index", "newton_inside", "series_until_small"}
GUARD = 16  # words after the end


@functools.cache
def derived(what, function, workspace=True):
    """The derivative of this name, made once for all tests: compiled once for each kind of arguments."""
    return getattr(so, what)(function, workspace=workspace)


def bits(a):
    return np.atleast_1d(np.asarray(a, float)).view(np.int64).tolist()


def allocated(what, function, args, v):
    """(value or None, array) by the derivative that allocates, and whether its bits can be expected."""
    derivative = derived(what, function, False)
    vector = [] if what == "value_and_grad" else [v]
    found = derivative(args[0], *vector, *args[1:])
    # BLAS adds in another order, and so do loops by fours, and LLVM may what the allocating form adds by plus; cbrt is
    # the C library's
    others = ["np.dot(", "np.cbrt(", "// 4"] + ["plus("] * (not JIT_DISABLED)
    same_bits = not any(other in derivative.source for other in others)
    value, array = found if what == "value_and_grad" else (None, found)
    return value, np.array(array), same_bits


def in_workspace(derivative, what, args, v, dirt):
    """The same in a workspace full of dirt; checks that nothing is written beyond its end."""
    n = derivative.n_workspace(*args)
    memory, out = np.full(n + GUARD, dirt), np.full((2,) if what == "jvp" else args[0].shape, dirt)
    vector = [] if what == "value_and_grad" else [v]
    value = derivative(args[0], *vector, *args[1:], out, memory[:n])
    assert bits(memory[n:]) == bits(np.full(GUARD, dirt)), "written beyond the end"
    return value, out, memory[:n]


def check(what, function, args):
    v = np.random.default_rng(1).normal(size=args[0].shape)
    value, array, same_bits = allocated(what, function, args, v)
    derivative = derived(what, function)
    if function.__name__ in ENDLESS and what != "jvp":
        with pytest.raises(so.Unsupported, match="a while loop"):
            derivative.n_workspace(*args)
        return
    found = [in_workspace(derivative, what, args, v, dirt) for dirt in (np.nan, -1e300)]
    assert bits(found[0][1]) == bits(found[1][1]), "the dirt in the workspace shows"
    assert same(found[0][0], found[1][0], True)
    assert same(found[0][0], value, same_bits)
    assert same(found[0][1], array, same_bits)


def same(found, expected, to_the_bit):
    if found is None or expected is None:
        return found is expected
    scale = 1.0 + np.max(np.abs(expected))
    return bits(found) == bits(expected) if to_the_bit else np.max(np.abs(found - expected)) <= 1e-13 * scale


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize(("function", "make"), [p[:2] for p in CHOSEN], ids=[p[0].__name__ for p in CHOSEN])
def test_a_workspace_changes_no_number(what, function, make):
    check(what, function, arguments(make))


def heat(x, steps, dt):
    u = x.copy()
    for _ in range(steps):
        for i in range(1, x.size - 1):
            u[i] = u[i] + dt * (u[i - 1] - 2.0 * u[i] + u[i + 1]) * u[i]
    return np.sum(u**2)


def residuals(x, t):
    return x[0] * np.exp(-x[1] * t) + np.sin(x[2] * t)


T = np.linspace(0.0, 2.0, 7)
X = np.array([1.3, 0.4, 2.0])


def test_a_jvp_of_an_array_fills_both_rows():
    v = np.array([0.2, -1.0, 0.5])
    jvp = derived("jvp", residuals)
    out = np.zeros((2, 7))
    jvp(X, v, T, out, np.full(jvp.n_workspace(X, T), np.nan))
    assert bits(out.ravel()) == bits(np.ravel(derived("jvp", residuals, False)(X, v, T)))


def test_a_vjp_and_a_hessian():
    vjp, out = derived("vjp", residuals), np.zeros(3)
    vjp(X, T, T, out, np.full(vjp.n_workspace(X, T), np.nan))
    assert bits(out) == bits(derived("vjp", residuals, False)(X, T, T))
    x = np.linspace(0.1, 0.9, 6)
    hessian, out = derived("hessian", heat), np.zeros((6, 6))
    hessian(x, 5, 0.1, out, np.full(hessian.n_workspace(x, 5, 0.1), np.nan))
    assert bits(out.ravel()) == bits(derived("hessian", heat, False)(x, 5, 0.1).ravel())


@pytest.mark.parametrize(("n", "steps"), [(6, 5), (40, 1), (2, 3), (6, 0)])
def test_the_size_follows_shapes_and_args(n, steps):
    x = np.linspace(0.1, 0.9, n)
    inner = max(0, n - 2)
    # u and its adjoint; three entries of u in every pass; where those of a step start, and those of a pass in it
    expected = 2 * n + 3 * steps * inner + steps + inner
    assert derived("value_and_grad", heat).n_workspace(x, steps, 0.1) == expected
    check("value_and_grad", heat, (x, steps, 0.1))
    check("hvp", heat, (x, steps, 0.1))


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_nothing_is_allocated():
    gradient, x = derived("grad", heat), np.linspace(0.1, 0.9, 9)
    n_workspace = gradient.n_workspace

    @njit
    def repeated(x, times, out, workspace):
        for _ in range(times):
            if n_workspace(x, 4, 0.1) <= workspace.size:
                gradient(x, 4, 0.1, out, workspace)

    workspace, counts = np.empty(n_workspace(x, 4, 0.1)), []
    _nrt_python.memsys_enable_stats()
    for times in (1, 1, 100):
        before = rtsys.get_allocation_stats().alloc
        repeated(x, times, np.empty(9), workspace)
        counts.append(rtsys.get_allocation_stats().alloc - before)
    assert counts[1] == counts[2]


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_a_workspace_may_be_strided():
    """Interleaved over the problems of a batch, as threads of a GPU read memory best."""
    x = np.linspace(0.1, 0.9, 9)
    gradient, columns = derived("grad", heat), np.full((400, 3), np.nan)
    assert gradient.n_workspace(x, 4, 0.1) <= 400
    out = np.zeros((9, 3))
    gradient(x, 4, 0.1, out[:, 1], columns[:, 1])
    assert bits(out[:, 1].copy()) == bits(derived("grad", heat, False)(x, 4, 0.1))
    assert np.isnan(columns[:, [0, 2]]).all()


# ------------------------------------------------------------------------------------- nan in place of exceptions


def guarded(x, y, m):
    assert m < 5, "too many"
    h = np.zeros(m)
    for _ in range(2):
        for i in range(m):
            h[i] = h[i] ** 2 + x[i]
    return np.sum(h) + np.sum(x * y)


@pytest.mark.parametrize(("y", "m"), [(np.ones(4), 7), (np.ones(3), 2), (np.ones(4), -1)])
def test_what_would_raise_gives_nan(y, m):
    x = np.arange(4.0)
    with pytest.raises(ValueError):
        derived("grad", guarded, False)(x, y, m)
    gradient, hv = derived("value_and_grad", guarded), derived("hvp", guarded)
    for derivative, vector in ((gradient, ()), (hv, (x,))):
        out = np.zeros(4)
        derivative(x, *vector, y, m, out, np.zeros(100))
        assert np.isnan(out).all()
    assert np.isnan(gradient(x, y, m, np.zeros(4), np.zeros(100)))
    out = np.zeros(4)
    gradient(x, np.ones(4), 4, out, np.zeros(100))
    assert bits(out) == bits(derived("grad", guarded, False)(x, np.ones(4), 4))


def test_arrays_that_do_not_fit_give_nan_and_no_harm():
    x = np.linspace(0.1, 0.9, 9)
    gradient = derived("value_and_grad", heat)
    n = gradient.n_workspace(x, 4, 0.1)
    memory, out = np.full(n, 7.0), np.zeros(9)
    assert np.isnan(gradient(x, 4, 0.1, out, memory[: n - 1]))
    assert np.isnan(out).all()
    assert (memory == 7.0).all()
    out = np.zeros(8)
    assert np.isnan(gradient(x, 4, 0.1, out, memory))
    assert np.isnan(out).all()
    out = np.zeros(9)
    derived("hvp", heat)(x, np.ones(8), 4, 0.1, out, np.zeros(1000))
    assert np.isnan(out).all()


def test_arrays_of_another_kind_are_refused():
    gradient, x = derived("grad", heat), np.ones(4)
    with pytest.raises(TypeError, match="out must be an array of float64"):
        gradient(x, 4, 0.1, np.zeros(4, np.int64), np.zeros(100))
    with pytest.raises(TypeError, match="workspace must be an array of float64 of one axis"):
        gradient(x, 4, 0.1, np.zeros(4), np.zeros((10, 10)))
    with pytest.raises(ValueError, match="sparse"):
        so.hessian(heat, pattern=np.eye(3), workspace=True)
    assert so.grad(heat).n_workspace is None


# ------------------------------------------------------------------------------------------------------- refusals


def made(text):
    """The function f of a text, with a file of its own."""
    file = f"<workspace {hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    names = {"np": np, "math": math}
    exec(compile(text, file, "exec"), names)
    return names["f"], file


def test_a_while_loop_that_depends_on_x_is_refused_by_name():
    f, file = made(
        "def f(x):\n    y = 1.0\n    while y * y < x[0]:\n        y = y + math.sin(y * x[1])\n    return y * x[1]\n"
    )
    with pytest.raises(so.Unsupported) as refusal:
        so.grad(f, workspace=True).n_workspace(np.array([3.0, 1.0]))
    assert (refusal.value.file, refusal.value.line) == (file, 3)
    assert "a while loop" in refusal.value.construct
    assert "for loop" in refusal.value.hint
    assert "while y * y < x[0]:" in str(refusal.value)
    check("jvp", f, (np.array([3.0, 1.0]),))


def test_a_while_loop_that_args_decide_is_counted():
    text = """
def f(x, n):
    s = x[0]
    while n != 1:
        if n % 2 == 0:
            n //= 2
        else:
            n = 3 * n + 1
        s = math.sin(s) + x[1] * s
    return s
"""
    f, _ = made(text)
    sizes = [so.grad(f, workspace=True).n_workspace(np.ones(2), n) for n in (1, 2, 7)]
    assert sizes[1] - sizes[0] == (sizes[2] - sizes[0]) / 16 > 0
    check("value_and_grad", f, (np.array([0.3, 0.4]), 7))


@pytest.mark.parametrize(("length", "line"), [("int(x[0])", 3), ("int(np.sum(x))", 3), ("2 + int(x[0] > 1.0)", 3)])
def test_an_array_whose_length_depends_on_x_is_refused_by_name(length, line):
    f, file = made(
        f"def f(x):\n    n = {length}\n    h = np.zeros(n)\n    h[0] = x[1] ** 2\n    return np.sum(h * h)\n"
    )
    with pytest.raises(so.Unsupported) as refusal:
        so.grad(f, workspace=True).n_workspace(np.array([3.0, 1.0]))
    assert (refusal.value.file, refusal.value.line) == (file, line)
    assert "an array whose length depends" in refusal.value.construct


def test_a_loop_over_a_range_that_depends_on_x_is_refused_by_name():
    f, file = made(
        "def f(x):\n    s = x[0]\n    for i in range(int(x[1])):\n        s = math.sin(s) * s\n    return s\n"
    )
    with pytest.raises(so.Unsupported) as refusal:
        so.grad(f, workspace=True).n_workspace(np.array([3.0, 2.0]))
    assert (refusal.value.file, refusal.value.line) == (file, 3)


def test_lengths_from_args_are_computed_before():
    """Rows of a sparse matrix, a counter, a length by cases."""
    text = """
def f(x, start, column, flags):
    k = 0
    for flag in flags:
        if flag:
            k += 1
    h = np.zeros(k if k > 2 else 2)
    s = 0.0
    for i in range(start.size - 1):
        p = np.zeros(start[i + 1] - start[i])
        t = 1.0
        for j in range(start[i], start[i + 1]):
            t = t * math.sin(x[column[j]])
            p[j - start[i]] = t
        s += np.sum(p * p)
        h[i % 2] += s
    return np.sum(h * h)
"""
    f, _ = made(text)
    start, column = np.array([0, 2, 2, 5]), np.array([0, 3, 1, 1, 2])
    for flags in (np.array([True, False, True, True, True]), np.zeros(2, np.bool_)):
        check("value_and_grad", f, (np.linspace(0.2, 0.9, 4), start, column, flags))
        check("hvp", f, (np.linspace(0.2, 0.9, 4), start, column, flags))


def test_the_length_of_a_slice_is_pythons():
    """The length is computed before there is an array to slice."""
    random = np.random.default_rng(2)
    for _ in range(500):
        n = int(random.integers(0, 7))
        lo, hi = (None if random.random() < 0.3 else int(random.integers(-9, 10)) for _ in range(2))
        step = random.choice([None, 1, 2, 3, -1, -2, -5])
        step = None if step is None else int(step)
        array, view = Value(Kind("f", 1)), Value(Kind("f", 1))
        part = Slice(*(None if p is None else Const(p) for p in (lo, hi, step)))
        body = [Alloc(array, (Const(n),)), View(view, array, "index", (part,))]
        lengths = Integers(Program("f", [], body, ()), ["x"]).lengths(view, Builder(), {})
        assert [d.value for d in lengths] == [len(range(n)[lo:hi:step])]
        assert lengths[0].kind == INT


# ------------------------------------------------------------------------------------------------------ functions

ODD = [0.0, -0.0, 0.5, -0.5, 1.5, -1.5, 2.5, 1e15 + 0.5, -1e15 - 0.5, 2.0**52, 1e300, 5e-324, np.inf, -np.inf, np.nan]


def callable_here(name):
    """A function of in_kernels, which Python itself can't call."""
    function = getattr(in_kernels, name)
    if JIT_DISABLED:
        return function
    n = len(inspect.signature(function.py_func).parameters)
    return njit((lambda a: function(a)) if n == 1 else lambda a, b: function(a, b))


@pytest.mark.parametrize("name", ["sign", "floor", "ceil", "rint"])
def test_functions_of_one_number_are_numpys(name):
    function, expected = callable_here(name), getattr(np, name)
    for a in [*ODD, *np.random.default_rng(3).normal(size=200) * 100.0]:
        assert same_number(function(a), expected(a) + 0.0 if name == "sign" else expected(a)), a
    assert [callable_here("sign_of_integer")(k) for k in (-3, 0, 5)] == [-1, 0, 1]


@pytest.mark.skipif(JIT_DISABLED, reason="the reference is what Numba compiles of them")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("larger", max), ("smaller", min), ("maximum", np.maximum), ("minimum", np.minimum)],
)
def test_functions_of_two_numbers_are_pythons_and_numpys(name, expected):
    function, compiled = callable_here(name), njit(lambda a, b: expected(a, b))
    for a in ODD:
        for b in ODD:
            assert same_number(function(a, b), compiled(a, b)), (a, b)
    assert function(2, 3) == compiled(2, 3)


def same_number(a, b):
    return bits(a) == bits(b) or (a != a and b != b)


def test_cbrt_is_right_to_one_unit():
    random = np.random.default_rng(4)
    x = random.normal(size=20_000) * 10.0 ** random.integers(-300, 300, 20_000)
    x = np.concatenate([x, 10.0 ** random.uniform(-323, -290, 500), [5e-324, 1.7976931348623157e308, 8.0, -27.0]])
    x = x[:: 20 if JIT_DISABLED else 1]
    cbrt = callable_here("cbrt")
    found, exact = np.array([cbrt(a) for a in x]), np.cbrt(x.astype(np.longdouble))
    assert np.max(np.abs(found - exact) / np.spacing(np.abs(exact).astype(float))) <= 1.0
    assert all(same_number(cbrt(a), a) for a in (0.0, -0.0, np.inf, -np.inf, np.nan))


def test_a_length_that_a_branch_on_x_decides_is_refused():
    """The larger of both would not do: the other array is the longer where this one is the shorter."""
    text = """
def f(x, n):
    if x[0] > 0.0:
        h = np.zeros(n)
    else:
        h = np.zeros(0)
    rest = np.zeros(n - h.size)
    for k in range(2):
        for i in range(rest.size):
            rest[i] = rest[i] ** 2 + x[1]
        for i in range(h.size):
            h[i] = h[i] ** 2 + x[1]
    return np.sum(rest) + np.sum(h)
"""
    f, _ = made(text)
    with pytest.raises(so.Unsupported, match="an array whose length depends"):
        so.grad(f, workspace=True).n_workspace(np.ones(2), 4)
