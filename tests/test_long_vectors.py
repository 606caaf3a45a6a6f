"""Long vectors: kernels in chunks, l-bfgs on coefficients, threads."""

import functools
import sys

import numba
import numpy as np
import pytest
from numba import njit

from secondorder import minimize
from secondorder.backends import threads
from secondorder.jit import JIT_DISABLED, address_of, compiled, function_at
from secondorder.linalg import chunks
from secondorder.methods import l_bfgs
from tests.halving import halving, halving_twin
from tests.naive import methods as naive

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(JIT_DISABLED, reason="without the compiler all vectors are short"),
]

LENGTHS = [chunks.LONG, chunks.LONG + 7, chunks.CHUNKS * chunks.BLOCK + 5003]  # the last: two blocks in a chunk


@njit
def fun(x, weights):
    f = 0.0
    for i in range(x.shape[0]):
        f += 0.5 * weights[i] * x[i] * x[i] + 0.25 * x[i] ** 4
    return f


@njit
def jac(x, weights):
    g = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        g[i] = weights[i] * x[i] + x[i] ** 3
    return g


@pytest.fixture
def long_from(monkeypatch):
    """long_from(n): vectors are long from n variables on."""
    plans = sys.modules["secondorder.minimize"]._plans
    plans.clear()  # they know the sizes of workspaces

    def set_limit(n):
        plans.clear()
        monkeypatch.setattr(chunks, "LONG", n)

    yield set_limit
    plans.clear()


def problem(n, condition=20.0):
    weights = np.geomspace(1.0, condition, n)
    return np.random.default_rng(8).standard_normal(n), (weights,)


def iterates(n, steps, options, condition=20.0):
    x0, args = problem(n, condition)
    points = [x0]
    result = minimize(
        fun, x0, args, "l-bfgs", jac, callback=points.append, options={"maxiter": steps, "gtol": 0.0} | options
    )
    return np.array(points), result


# ----------------------------------------------------------------------------------------------------- l-bfgs


@pytest.mark.parametrize("n", LENGTHS[:2])
@pytest.mark.parametrize("m", [1, 4])
def test_long_vectors_take_the_twins_steps(m, n):
    steps = 9
    x0, (weights,) = problem(n)
    expected = naive.l_bfgs(
        lambda x: np.sum(0.5 * weights * x**2 + 0.25 * x**4), lambda x: weights * x + x**3, x0, halving_twin, steps, m
    )
    found, _ = iterates(n, steps, {"m": m, "line_search": halving})
    assert len(found) == steps + 1
    assert np.allclose(found, expected, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("m", [1, 2, 5, 10])
@pytest.mark.parametrize("skip", [2.0**-52, 0.5, 0.9])
def test_both_forms_take_the_same_steps(long_from, m, skip):
    n, steps, options = 37, 24, {"m": m, "skip": skip}
    long_from(n + 1)
    expected, short = iterates(n, steps, options, 1e3)
    long_from(n)
    found, long = iterates(n, steps, options, 1e3)
    assert short.nskip == long.nskip
    assert (long.nskip > 0) == (skip > 0.1)
    assert len(found) == len(expected) == steps + 1
    assert np.allclose(found, expected, rtol=0.0, atol=1e-7)
    assert np.isclose(long.optimality, short.optimality, rtol=1e-4)


@pytest.mark.parametrize("pairs", [1, 2, 5])
@pytest.mark.parametrize("newest", [0, 3, 4])
def test_the_coefficients_give_the_direction_of_the_two_loops(pairs, newest):
    m, n = 5, 40
    random = np.random.default_rng(10 * pairs + newest)
    root = random.standard_normal((n, n))
    B = root @ root.T + n * np.eye(n)
    S = random.standard_normal((m, n))
    Y = S @ B
    g = random.standard_normal(n)
    order = [(newest - k) % m for k in range(pairs)]  # newest first
    q, alphas = g, []
    for i in order:
        alphas.append(S[i] @ q / (S[i] @ Y[i]))
        q = q - alphas[-1] * Y[i]
    q = (S[newest] @ Y[newest]) / (Y[newest] @ Y[newest]) * q
    for i, alpha in zip(reversed(order), reversed(alphas), strict=True):
        q = q + (alpha - Y[i] @ q / (S[i] @ Y[i])) * S[i]

    inv_sy = 1.0 / np.sum(S * Y, axis=1)
    gamma = 1.0 / (inv_sy[newest] * (Y[newest] @ Y[newest]))
    short, a, b = np.empty(n), np.zeros(m), np.zeros(m)
    both_forms(S, Y, S @ Y.T, Y @ Y.T, S @ g, Y @ g, inv_sy, gamma, newest, pairs, g, a, b, short)
    assert np.allclose(short, -q, rtol=1e-12, atol=1e-13)
    long = -gamma * g + a[order] @ S[order] + b[order] @ Y[order]
    assert np.allclose(long, -q, rtol=1e-11, atol=1e-12)


@njit
def both_forms(S, Y, SY, YY, sg, yg, inv_sy, gamma, newest, pairs, g, a, b, short):
    """Kernels are called from compiled code only."""
    l_bfgs.two_loop(S, Y, inv_sy, gamma, newest, pairs, g, a, short)
    l_bfgs.coefficients(SY, YY, sg, yg, inv_sy, gamma, newest, pairs, a, b)


@pytest.mark.parametrize("steps", range(6))
def test_the_result_is_where_the_run_ended(method, steps):
    """Rows of the workspace change their roles, so the point and its gradient must be found wherever the run ends."""
    x0, args = problem(chunks.LONG)
    seen = []
    result = minimize(
        fun, x0, args, method, jac, callback=lambda x: seen.append(x.copy()), options={"maxiter": steps, "gtol": 0.0}
    )
    assert result.nit == steps
    assert result.fun == fun(result.x, *args)
    assert np.array_equal(result.jac, jac(result.x, *args))
    assert result.optimality == np.max(np.abs(result.jac))
    if steps:
        assert np.array_equal(seen[-1], result.x)


@pytest.mark.parametrize("calls", range(2, 9))
def test_an_exception_leaves_the_best_point(method, calls):
    x0, (weights,) = problem(chunks.LONG)
    values = []

    def failing(x):
        if len(values) == calls:
            raise ArithmeticError("no more")
        values.append(float(np.sum(0.5 * weights * x**2 + 0.25 * x**4)))
        return values[-1], weights * x + x**3

    with pytest.raises(ArithmeticError) as caught:
        minimize(failing, x0, method=method, jac=True, options={"gtol": 0.0}, backend="python")
    best = caught.value.optimize_result
    assert best.fun == np.sum(0.5 * weights * best.x**2 + 0.25 * best.x**4)
    assert best.fun < values[0] or best.nit == 0
    assert np.isnan(best.jac).all() or np.array_equal(best.jac, weights * best.x + best.x**3)


def test_xtol_compares_the_step_with_x():
    x0, (weights,) = problem(chunks.LONG)
    points = [x0]
    result = minimize(
        lambda x: np.sum(weights * (x - 3.0) ** 2 + (x - 3.0) ** 4),
        x0,
        jac=lambda x: 2.0 * weights * (x - 3.0) + 4.0 * (x - 3.0) ** 3,
        callback=points.append,
        options={"gtol": 0.0, "xtol": 1e-3},
        backend="python",
    )
    assert result.reason == "xtol"
    value = np.max(np.abs(points[-1] - points[-2])) / np.max(np.abs(points[-1]))
    assert np.isclose(result.criteria[1]["value"], value, rtol=1e-9)
    assert value <= 1e-3


def test_a_time_limit_ends_a_long_run():
    x0, args = problem(200_000, 1e8)
    result = minimize(fun, x0, args, "l-bfgs", jac, options={"gtol": 0.0, "time_limit": 0.05})
    assert result.reason == "time limit"


# ---------------------------------------------------------------------------------------------------- the kernels


def call(kernel, flags, *args):
    """A kernel's result, with threads ("parallel") or without ("kernel")."""
    signature = chunks.KERNELS[kernel]
    return caller(signature, len(args))(address_of(compiled(kernel, signature, flags), signature), *args)


@functools.cache
def caller(signature, count):
    load = function_at(signature)
    names = ", ".join(f"a{k}" for k in range(count))
    scope = {"load": load}
    exec(f"def function(address, {names}):\n    return load(address)({names})", scope)
    return njit(scope["function"])


FLAGS = ["kernel", "parallel"]


@pytest.mark.parametrize("n", [*LENGTHS, 1, 100])
@pytest.mark.parametrize("flags", FLAGS)
def test_kernels_give_what_numpy_gives(flags, n):
    random = np.random.default_rng(n)
    work, before = random.standard_normal((9, n)), None
    rows, sums = np.array([2.0, 5.0, 1.0, 3.0, 8.0, 7.0]), np.full(chunks.CHUNKS * 9, np.nan)
    listed = rows.astype(int)
    x, y, out = work[0].copy(), work[1].copy(), np.full(n, np.nan)
    call(chunks.axpy, flags, 0.3, x, y, out)
    assert np.array_equal(out, 0.3 * x + y)
    assert np.isclose(call(chunks.dot, flags, x, y, sums), x @ y, rtol=0.0, atol=1e-13 * n)

    coefficients = random.standard_normal(6)
    for count in range(1, 7):
        product = call(chunks.combine, flags, work, rows, coefficients, count, out, sums)
        expected = coefficients[:count] @ work[listed[:count]]
        assert np.allclose(out, expected, rtol=0.0, atol=1e-13)
        assert np.isclose(product, work[2] @ expected, rtol=1e-12, atol=1e-13 * n)
        assert np.allclose(sums[:3], [product, out @ out, np.abs(out).max()], rtol=1e-12)

        g, gt, before = work[4], work[6], work[4].copy()
        norm = call(chunks.change, flags, work, rows, count, g, gt, sums)
        assert np.array_equal(g, gt - before)
        assert norm == sums[count + 2] == np.abs(gt).max()
        expected = [*(work[listed[:count]] @ gt), g @ gt, g @ g]
        assert np.allclose(sums[: count + 2], expected, rtol=1e-12, atol=1e-13 * n)


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 999, -1])
def test_the_norm_is_nan_where_a_component_is_not_finite(flags, bad, where):
    work, rows, sums = np.ones((4, LENGTHS[1])), np.array([0.0]), np.empty(chunks.CHUNKS * 4)
    work[2, where] = bad
    assert np.isnan(call(chunks.change, flags, work, rows, 1, work[1], work[2], sums))
    call(chunks.combine, flags, work, np.array([2.0]), np.ones(1), 1, work[3], sums)
    assert np.isnan(sums[2])


# -------------------------------------------------------------------------------------------------------- threads

several = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")


@several
@pytest.mark.parametrize("method", ["l-bfgs", "cg", "gradient-descent"])
def test_any_number_of_threads_gives_the_same_bits(method):
    x0, args = problem(threads.SHARED + 13, 1e4)
    found = []
    try:
        for count in (1, 2, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(count)
            assert (threads.kernels_for(len(x0)) == threads.addresses(True)) == threads.useful()
            found.append(minimize(fun, x0, args, method, jac, options={"gtol": 0.0, "maxiter": 15, "history": True}))
    finally:
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    for result in found[1:]:
        assert np.array_equal(result.x, found[0].x)
        assert np.array_equal(result.jac, found[0].jac)
        for name, column in result.history.items():
            assert np.array_equal(column, found[0].history[name]), name


def test_short_vectors_and_one_thread_start_no_threads(program):
    done = program(
        """
        import numpy as np, numba
        from secondorder import minimize
        from secondorder.backends import threads
        minimize(lambda x: np.sum(x**2), np.ones(threads.SHARED - 1), jac=lambda x: 2 * x)
        assert not threads.running()
        numba.config.NUMBA_NUM_THREADS = 1
        minimize(lambda x: np.sum(x**2), np.ones(threads.SHARED), jac=lambda x: 2 * x)
        assert not threads.running()
        """
    )
    assert done.returncode == 0, done.stderr


AT_ONCE = """
import sys, threading
import numba
import numpy as np
from numba import njit
from secondorder import minimize
from secondorder.backends import threads

@njit
def fun(x):
    return np.sum(x**2 + 0.25 * x**4)

@njit
def jac(x):
    return 2.0 * x + x**3

x0 = np.linspace(-1.0, 2.0, threads.SHARED)
found = []

def work():
    for _ in range(5):
        found.append(minimize(fun, x0, jac=jac, options={"gtol": 0.0, "maxiter": 8}).x)
"""


@several
@pytest.mark.parametrize("layer", ["tbb", "omp", "workqueue"])
def test_two_python_threads_may_minimize_at_once(program, layer):
    done = program(
        AT_ONCE
        + """
work()
both = [threading.Thread(target=work) for _ in range(2)]
for thread in both:
    thread.start()
for thread in both:
    thread.join()
assert len(found) == 15
assert all(np.array_equal(x, found[0]) for x in found)
print(threads.useful())
""",
        env={"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"},
    )
    assert done.returncode == 0, done.stderr
    if layer == "workqueue":
        assert done.stdout.split() == ["False"]


@several
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
@pytest.mark.parametrize("layer", ["tbb", "omp", "workqueue"])
def test_the_child_of_a_fork_does_without_threads_that_ran_before_it(program, layer):
    done = program(
        AT_ONCE
        + """
import os
work()
used = threads.running()
child = os.fork()
if child == 0:
    work()
    same = all(np.array_equal(x, found[0]) for x in found)
    os._exit(0 if same and not (used and threads.useful()) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
work()
assert all(np.array_equal(x, found[0]) for x in found)
""",
        env={"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"},
    )
    assert done.returncode == 0, done.stderr
