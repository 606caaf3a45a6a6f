"""minimize_batch: the same bits as `minimize` problem by problem, each problem its own end, and nothing lost."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc

import numpy as np
import pytest
from numba import njit

from secondorder import BatchResult, Objective, curve_fit_batch, minimize, minimize_batch, multistart
from secondorder.jit import JIT_DISABLED
from secondorder.problems import PROBLEMS
from tests.objectives import made_once

pytestmark = pytest.mark.timeout(120)

ROSENBROCK = PROBLEMS["rosenbrock"]
FIELDS = (
    "fun",
    "success",
    "status",
    "reason",
    "message",
    "optimality",
    "nit",
    "nfev",
    "njev",
    "nhev",
    "nrestart",
    "nskip",
)


def starts(B, seed=0):
    """Starts around (-1.2, 1), one of them the minimizer and one where f is not finite."""
    X = np.array([-1.2, 1.0]) + 0.3 * np.random.default_rng(seed).standard_normal((B, 2))
    X[1], X[2] = 1.0, np.nan
    return X


def assert_same(problem, single):
    """All that minimize says of a problem is what the batch says of it."""
    assert np.array_equal(problem.x, single.x, equal_nan=True)
    assert np.array_equal(problem.jac, single.jac, equal_nan=True)
    for name in FIELDS:
        if name == "message" and ":" in single.message:  # with numbers of the last search
            assert single.message.startswith(problem.message)
            continue
        ours, theirs = problem[name], single[name]
        assert ours == theirs or (ours != ours and theirs != theirs), name


def weighted(x, a, M, c):
    """A quadratic bowl, another one for each problem."""
    return a * (x[0] - c) ** 2 + (M[0, 0] * x[1] - M[1, 1]) ** 2


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_each_problem_has_the_bits_of_a_single_run(method, workers):
    objective = made_once(ROSENBROCK.fun_grad, hvp=ROSENBROCK.hvp)
    X, options = starts(7), {"gtol": 1e-6, "maxiter": 60}
    result = minimize_batch(objective, X, method=method, options=options, workers=workers)
    assert isinstance(result, BatchResult)
    assert result.workers == workers
    assert set(result.status.tolist()) >= {0, 3}
    for i, x in enumerate(X):
        assert_same(result.problem(i), minimize(objective, x, method=method, options=options, second_order=False))


@pytest.mark.parametrize("rule", ["momentum", "sophia", "adam", "lion", "irprop+", "adahessian"])
def test_update_rules_are_methods_of_a_batch(rule):
    c, options = np.array([1.0, -2.0, np.nan]), {"maxiter": 30}
    result = minimize_batch(bowl, np.ones((3, 2)), (c,), rule, batched=(True,), options=options, workers=2)
    for i in range(3):
        assert_same(result.problem(i), minimize(bowl, np.ones(2), (c[i],), rule, options=options))


def bowl(x, c):
    """Its minimum is at (c, 0)."""
    return 0.5 * (x[0] - c) ** 2 + np.cosh(x[1])


def ridge(x, a):
    """A saddle at 0 for a > 0, with minima on both sides of it."""
    return 0.25 * x[0] ** 4 - 0.5 * a * x[0] ** 2 + 0.5 * x[1] ** 2


# bfgs has products made for it, newton a matrix; perturbations are told apart by the number of the escape
@pytest.mark.parametrize("method", ["newton", "bfgs"])
@pytest.mark.parametrize("second_order", ["certify", "escape"])
def test_certificates_and_ways_out_of_saddles_are_those_of_single_runs(method, second_order):
    X, a = np.array([[0.0, 1.0], [0.0, -1.0], [0.3, 0.2], [np.nan, 0.0]]), np.array([1.0, 2.0, -1.0, 1.0])
    given = {"method": method, "second_order": second_order}
    results = [minimize_batch(ridge, X, (a,), batched=(True,), workers=k, **given) for k in (1, 2)]
    singles = [minimize(ridge, x, (c,), **given) for x, c in zip(X, a)]
    for result in results:
        for i, single in enumerate(singles):
            problem = result.problem(i)
            assert_same(problem, single)
            assert problem.nescape == single.nescape == result.nescape[i]
            assert_same_certificate(problem.certificate, single.certificate)
        at_saddle = ["saddle"] * 2 if second_order == "certify" else ["minimum"] * 2
        assert result.certificate.verdict.tolist() == [*at_saddle, "minimum", ""]
        assert result.status.tolist() == ([2, 2, 0, 3] if second_order == "certify" else [0, 0, 0, 3])
        assert "not looked at" in repr(result.certificate)
    again = pickle.loads(pickle.dumps(results[0]))
    assert isinstance(again, BatchResult)
    assert_same_certificate(again.problem(0).certificate, singles[0].certificate)


@pytest.mark.parametrize("maxiter", [None, 6])  # 7 are needed: with 6 it is as if it had not gone on
def test_a_run_goes_on_in_a_batch_where_a_single_one_does(maxiter):
    problem, options = PROBLEMS["meyer"], {"grtol": 1e-5, "modification": "shift", "maxiter": maxiter}
    objective = made_once(problem.fun_grad, hvp=problem.hvp)
    X = problem.x0() * np.array([[1.0], [1.01], [0.99]])
    given = {"method": "newton", "options": options}
    result = minimize_batch(objective, X, second_order=True, workers=2, **given)
    shorter = 0
    for i, x in enumerate(X):
        single = minimize(objective, x, second_order=True, **given)
        assert_same(result.problem(i), single)
        assert_same_certificate(result.problem(i).certificate, single.certificate)
        shorter += minimize(objective, x, second_order=False, **given).nit < single.nit
    assert shorter == 3


def assert_same_certificate(ours, theirs):
    """All that is known of a point, to the bit; or nothing."""
    assert (ours is None) == (theirs is None)
    for a, b in zip(ours or (), theirs or ()):
        assert np.array_equal(a, b)


def test_certificates_of_a_function_in_python_have_the_same_form():
    a = np.array([1.0, -1.0])
    result = minimize_batch(
        ridge, np.zeros((2, 2)), (a,), "bfgs", "3-point", batched=(True,), backend="python", second_order="certify"
    )
    assert result.certificate.verdict.tolist() == ["saddle", "minimum"]
    assert result.problem(1).certificate.lambda_min == result.certificate.lambda_min[1]
    assert result.nescape.tolist() == [0, 0]


def test_a_run_that_ends_above_its_best_point_returns_to_it_as_a_single_run_does():
    problem = PROBLEMS["beale"]
    options = {"line_search": "nonmonotone", "maxiter": 8}
    X = problem.x0() + 0.5 * np.random.default_rng(3).standard_normal((40, 2))
    result = minimize_batch(made_once(problem.fun_grad), X, method="gradient-descent", options=options, workers=2)
    singles = [minimize(made_once(problem.fun_grad), x, method="gradient-descent", options=options) for x in X]
    assert any(s.nfev > s.nit + 1 for s in singles)
    for i, single in enumerate(singles):
        assert_same(result.problem(i), single)


def test_long_vectors_have_the_same_bits():
    X = np.linspace(-1.0, 1.0, 2 * 3000).reshape(2, 3000)
    fun = Objective(PROBLEMS["extended-rosenbrock"].fun_grad)
    result = minimize_batch(fun, X, method="l-bfgs", options={"maxiter": 5}, workers=2)
    for i, x in enumerate(X):
        assert_same(result.problem(i), minimize(fun, x, method="l-bfgs", options={"maxiter": 5}))


def test_args_are_shared_or_one_per_problem():
    a, c = np.array([1.0, 2.0, 3.0]), -1.0
    M = np.random.default_rng(1).standard_normal((3, 2, 2))
    result = minimize_batch(weighted, np.zeros((3, 2)), (a, M, c), "bfgs", batched=(True, True, False))
    assert result.success.all()
    assert result.batched == (True, True, False)
    for i in range(3):
        assert np.allclose(result.x[i], [-1.0, M[i, 1, 1] / M[i, 0, 0]], atol=1e-6)
        assert_same(result.problem(i), minimize(weighted, np.zeros(2), (a[i], M[i], c), "bfgs"))


def test_one_start_will_do_where_args_tell_how_many_problems_there_are():
    M = np.random.default_rng(1).standard_normal((4, 2, 2))
    result = minimize_batch(weighted, np.zeros(2), (1.0, M, 0.5), "bfgs")
    assert result.x.shape == (4, 2)
    assert result.batched == (False, True, False)


def test_differences_and_exact_products_pick_the_args_of_their_problem():
    M = np.random.default_rng(2).standard_normal((3, 2, 2))
    for method, jac, hess in (("bfgs", "2-point", None), ("newton-cg", None, None), ("newton", None, "2-point")):
        result = minimize_batch(weighted, np.zeros((3, 2)), (2.0, M, 0.5), method, jac, hess)
        for i in range(3):
            single = minimize(weighted, np.zeros(2), (2.0, M[i], 0.5), method, jac, hess, second_order=False)
            assert_same(result.problem(i), single)


def test_what_is_given_stays_as_it_was():
    X, M = np.zeros((3, 2)), np.random.default_rng(2).standard_normal((3, 2, 2))
    before = X.copy(), M.copy()
    minimize_batch(weighted, X, (1.0, M, 0.0), "bfgs")
    assert np.array_equal(X, before[0])
    assert np.array_equal(M, before[1])


def test_strided_and_other_dtypes_are_taken():
    M = np.asfortranarray(np.random.default_rng(2).standard_normal((3, 2, 2)))
    X = np.zeros((2, 3), np.float32).T
    assert minimize_batch(weighted, X, (1.0, M, 0.0), "bfgs").success.all()
    assert minimize_batch(weighted, X.tolist(), (1.0, M, 0.0), "bfgs").success.all()


def test_no_problem_and_one_problem():
    empty = minimize_batch(ROSENBROCK_SUM, np.empty((0, 2)))
    assert empty.x.shape == (0, 2)
    assert empty.message.startswith("0 of 0")
    assert minimize_batch(ROSENBROCK_SUM, [[0.0, 0.0]]).success.all()
    in_python = minimize_batch(ROSENBROCK_SUM.py_func, np.empty((0, 2)), backend="python", second_order="certify")
    assert in_python.x.shape == (0, 2) and in_python.backend == "python"
    assert in_python.certificate.index.shape == (0,)


def test_a_list_will_do_where_batched_says_that_it_has_an_entry_per_problem():
    c = [1.0, -2.0]
    result = minimize_batch(bowl, np.zeros((2, 2)), (c,), "bfgs", batched=(True,))
    assert np.allclose(result.x[:, 0], c, atol=1e-6)


def test_a_problem_is_had_by_its_number_and_no_other_one_exists():
    result = minimize_batch(ROSENBROCK_SUM, np.zeros((3, 2)))
    assert np.array_equal(result.problem(-1).x, result.x[2])
    assert np.array_equal(result.problem((1,)).x, result.x[1])
    for wrong in (3, (0, 0), "first"):
        with pytest.raises(IndexError, match="no problem"):
            result.problem(wrong)


def test_results_of_all_kinds_go_through_pickle_and_copies():
    import copy

    import scipy.optimize  # with it, results are of its class as well

    result = multistart(himmelblau, [[3.0, 2.5], [-3.0, 3.0]], method="bfgs")
    assert isinstance(result, scipy.optimize.OptimizeResult)
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
        assert type(again) is type(result)
        assert np.array_equal(again.x, result.x)
        assert isinstance(again.batch, BatchResult)
        assert np.array_equal(again.batch.problem(1).x, result.batch.x[1])
        assert again.minima[0].count == result.minima[0].count


@njit
def ROSENBROCK_SUM(x):
    """Rosenbrock's function, compiled by the user."""
    return 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2


def in_python(x, shift):
    """A bowl that Numba can't compile."""
    return float(sum(map(lambda v: eval("v * v"), x - shift)))


def test_a_function_in_python_gives_the_same_form():
    shifts = np.array([[0.0, 1.0], [2.0, 3.0]])
    seen = []
    result = minimize_batch(
        in_python, np.ones((2, 2)), (shifts,), "bfgs", "2-point", backend="python", progress=seen.append
    )
    assert result.backend == "python"
    assert seen == [1, 2]
    assert np.allclose(result.x, shifts, atol=1e-5)
    for i in range(2):
        single = minimize(in_python, np.ones(2), (shifts[i],), "bfgs", "2-point", backend="python")
        assert_same(result.problem(i), single)


@njit
def thrower(x, k):
    """Raises for k = 2."""
    if k == 2:
        raise ArithmeticError("no value for this one")
    return (x[0] - k) ** 2


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_an_exception_ends_its_own_problem_where_that_is_asked_for(backend):
    k = np.arange(6)
    fun = thrower if backend == "numba" else thrower.py_func
    result = minimize_batch(
        fun,
        np.full((6, 1), 0.4),
        (k,),
        "bfgs",
        "2-point",
        options={"on_error": "return"},
        batched=(True,),
        backend=backend,
    )
    assert result.status.tolist() == [0, 0, 6, 0, 0, 0]
    assert list(result.errors) == [2]
    assert isinstance(result.errors[2], ArithmeticError)
    assert result.problem(2).message == "ArithmeticError: no value for this one"
    assert result.problem(2).reason == "exception"


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_an_exception_carries_what_was_done(backend):
    fun = thrower if backend == "numba" else thrower.py_func
    given = {"batched": (True,), "workers": 1, "backend": backend}
    with pytest.raises(ArithmeticError, match="no value") as caught:
        minimize_batch(fun, np.full((6, 1), 0.4), (np.arange(6),), "bfgs", "2-point", **given)
    partial = caught.value.optimize_result
    assert isinstance(partial, BatchResult)
    assert "minimize_batch" in " ".join(caught.value.__notes__) and len(caught.value.__notes__) == 1
    assert partial.status.tolist() == [0, 0, 6, 98, 98, 98]
    assert np.isnan(partial.fun[3:]).all()
    assert np.allclose(partial.x[:2, 0], [0.0, 1.0])


@njit
def endless_but_for_one(x, g, k):
    """Raises at k = 0; goes down for ever elsewhere."""
    if k == 0:
        raise ArithmeticError("not this one")
    g[0] = -1.0
    return -x[0]


def test_an_exception_ends_what_other_threads_are_in_the_midst_of():
    options = {"line_search": "fixed", "initial_step": "constant", "alpha": 1e-9, "maxiter": 10**12, "fmin": -1e300}
    given = {"method": "gradient-descent", "batched": (True,), "options": options, "workers": 2}
    with pytest.raises(ArithmeticError) as caught:
        minimize_batch(Objective(endless_but_for_one), np.ones((2, 1)), (np.arange(2),), **given)
    assert caught.value.optimize_result.status.tolist() == [6, 98]


def broken_bar(done):
    """A progress function with a fault."""
    raise KeyError("bar")


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_an_exception_of_progress_carries_what_was_done(backend):
    given = {"backend": backend, "progress": broken_bar, "workers": 2}
    with pytest.raises(KeyError, match="bar") as caught:
        minimize_batch(ROSENBROCK_SUM if backend == "numba" else ROSENBROCK_SUM.py_func, np.ones((3, 2)), **given)
    assert caught.value.optimize_result.nfev[0] > 0


def test_a_time_limit_leaves_problems_in_python_unbegun_as_it_does_compiled_ones():
    def slow_in_python(x):
        time.sleep(0.02)
        return float(x[0] ** 2)

    options = {"time_limit": 0.1}
    result = minimize_batch(slow_in_python, np.ones((50, 1)), (), "bfgs", "2-point", backend="python", options=options)
    assert result.status[-1] == 5
    assert np.isnan(result.fun[-1]) and result.x[-1] == 1.0 and result.nfev[-1] == 0


@njit
def writer(x, a):
    """Writes into x."""
    f = (x[0] - a[0]) ** 2
    x[0] = 17.0
    return f


def test_a_function_that_writes_into_x_gets_a_copy():
    a = np.arange(4.0).reshape(4, 1)
    result = minimize_batch(writer, np.ones((4, 1)), (a,), "bfgs", "cs" if False else "2-point", workers=2)
    assert np.allclose(result.x, a, atol=1e-6)


@njit
def slow(x):
    """Takes its time."""
    s = 0.0
    for k in range(300_000):
        s += np.sin(k * x[0])
    return x[0] ** 2 + 0.0 * s


@pytest.mark.parametrize("workers", [1, 2])
def test_a_time_limit_holds_for_the_whole_batch(workers):
    minimize_batch(slow, np.ones((1, 1)), jac="2-point", options={"maxiter": 1})
    begun = time.perf_counter()
    options = {"time_limit": 0.3, "line_search": "fixed", "initial_step": "constant", "alpha": 1e-9}
    result = minimize_batch(
        slow, np.ones((200, 1)), (), "gradient-descent", "2-point", options=options, workers=workers
    )
    assert time.perf_counter() - begun < 60.0
    assert set(result.status.tolist()) == {5}
    assert np.isnan(result.fun).sum() >= 100
    assert (result.x[np.isnan(result.fun)] == 1.0).all()


IN_PYTHON = """
    import time, numpy as np
    import secondorder as so

    def fun(x, k):
        if k == 2:
            print("ready", flush=True)
            time.sleep(1.0)
        return float((x[0] - k) ** 2)

    try:
        so.minimize_batch(fun, np.ones((5, 1)), (np.arange(5.0),), "bfgs", "2-point", batched=(True,), backend="python")
    except KeyboardInterrupt as stop:
        done = stop.optimize_result
        print(type(done).__name__, done.status[2:].tolist(), np.abs(done.x[:2, 0] - [0.0, 1.0]).max() < 1e-6)
    """

OF_FITS = """
    import numpy as np
    import secondorder as so

    def slow(t, a):
        s = 0.0
        for k in range(10_000):
            s += np.sin(k * a)
        return a * t + 0.0 * s

    def progress(done):
        if done and not said:
            said.append(print("ready", flush=True))

    said, t = [], np.arange(1.0, 3.0)
    try:
        so.curve_fit_batch(slow, t, np.ones((1000, 1000, 2)), [1.0], jac="2-point", progress=progress)
    except KeyboardInterrupt as stop:
        done = stop.optimize_result
        status, counts = np.unique(done.status, return_counts=True)
        print(type(done).__name__, status.tolist(), done.covariance.shape == (1000, 1000, 1, 1))
    """


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("text", "said"),
    [(IN_PYTHON, "BatchResult [130, 130, 130] True"), (OF_FITS, "BatchResult [0, 130] True")],
    ids=["in Python", "fits"],
)
def test_ctrl_c_keeps_what_is_done_in_python_and_of_fits(text, said):
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert out.splitlines()[-1] == said


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_all_workers_and_keeps_what_is_done(workers):
    text = """
        import sys, time, numpy as np
        from numba import njit
        import secondorder as so

        @njit
        def endless(x, g, k):
            g[0] = 2.0 * (x[0] - 1.0) if k < 3 else -1.0
            return (x[0] - 1.0) ** 2 if k < 3 else -x[0]

        endless = so.Objective(endless)

        options = {"line_search": "fixed", "initial_step": "constant", "alpha": 1e-9, "maxiter": 10**12, "fmin": -1e300}
        k = np.arange(8)
        so.minimize_batch(endless, np.ones((1, 1)), (k[:1],), "gradient-descent", batched=(True,))
        print("ready", flush=True)
        try:
            so.minimize_batch(endless, np.ones((8, 1)), (k,), "gradient-descent", batched=(True,),
                              options=options, workers=int(sys.argv[1]))
        except KeyboardInterrupt as stop:
            print(stop.optimize_result.status.tolist())
        """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), str(workers)], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    time.sleep(1.0)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert out.strip() == "[0, 0, 0, 130, 130, 130, 130, 130]"


def numbers_a_problem(run, few=500, many=4500):
    """float64 numbers that a further problem takes at the peak; run(B) -> what solves B problems."""
    peaks = []
    for B in (few, many):
        solve = run(B)
        tracemalloc.start()
        try:
            solve()
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return (peaks[1] - peaks[0]) / (many - few) / 8


@pytest.mark.skipif(JIT_DISABLED, reason="objects of Python are counted too")
@pytest.mark.parametrize(("second_order", "more"), [(False, 0), ("certify", 40 + 20)])
def test_a_problem_takes_the_memory_of_its_results_and_no_workspace(second_order, more):
    n, options = 40, {"maxiter": 1}
    given = {"batched": (True,), "workers": 2, "options": options, "second_order": second_order}

    def run(B):
        X, c = np.ones((B, n)), np.zeros(B)
        return lambda: minimize_batch(bowl, X, (c,), "l-bfgs", **given)

    run(2)()
    assert 2 * n < numbers_a_problem(run) < 2 * n + 25 + more  # the workspace has more than 20 n


@pytest.mark.skipif(JIT_DISABLED, reason="objects of Python are counted too")
def test_a_fit_takes_the_memory_of_its_results_and_weights_and_no_workspace():
    n, t = 2, np.linspace(0.0, 1.0, 64)

    def run(B):
        Y = np.ones((B, 64))
        return lambda: curve_fit_batch(lambda t, a, b: a + b * t, t, Y, np.zeros(n), workers=2)

    run(2)()
    weights = 64 + 64 / 4
    assert weights < numbers_a_problem(run) < weights + n * n + 2 * n + 25  # the workspace has more than 4 rows of 64


def test_a_bar_shows_progress(capsys):
    pytest.importorskip("tqdm")
    minimize_batch(ROSENBROCK_SUM, starts(50), progress=True)
    assert "50/50" in capsys.readouterr().err


def test_progress_counts_the_problems_done():
    seen = []
    minimize_batch(ROSENBROCK_SUM, starts(50), progress=seen.append, workers=2)
    assert seen[-1] == 50
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"X0": np.zeros((2, 2, 2))}, ValueError, ["X0", "(2, 2, 2)", "(B, n)"]),
        ({"X0": 1.0}, ValueError, ["X0", "()", "(B, n)"]),
        ({"X0": np.zeros((2, 2)) + 1j}, TypeError, ["X0", "real", "complex"]),
        ({"X0": [[1.0, 2.0], [1.0]]}, TypeError, ["X0", "rows of one length"]),
        ({"X0": [[1.0, None]]}, TypeError, ["X0", "real"]),
        ({"X0": np.zeros(2)}, ValueError, ["X0", "(2,)", "batched"]),
        ({"args": (np.zeros(3),)}, ValueError, ["args[0]", "(3,)", "batched="]),
        ({"args": (np.zeros(3),), "batched": (True, False)}, ValueError, ["batched", "1 args"]),
        ({"args": (np.zeros(4),), "batched": (True,)}, ValueError, ["args[0]", "4 entries", "3 problems"]),
        ({"args": (1.0,), "batched": (True,)}, TypeError, ["args[0]", "array", "1.0"]),
        ({"args": ([[1.0], []],), "batched": (True,)}, TypeError, ["args[0]", "array of numbers"]),
        ({"X0": np.ma.masked_invalid([[1.0, np.nan]])}, TypeError, ["X0", "masked", "filled"]),
        (
            {"X0": np.zeros(2), "args": (np.ones((3, 1)), np.ones((4, 1)))},
            ValueError,
            ["args[0] has 3", "args[1] has 4"],
        ),
        ({"method": "levenberg-marquardt"}, ValueError, ["levenberg-marquardt", "least_squares_batch"]),
        ({"options": [1]}, TypeError, ["options", "dict", "[1]"]),
        ({"progress": "yes"}, TypeError, ["progress='yes'", "callable"]),
        ({"batched": (1,), "args": (1.0,)}, ValueError, ["batched", "True or False"]),
        ({"workers": 0}, ValueError, ["workers=0", "at least 1"]),
        ({"workers": 1.5}, TypeError, ["workers=1.5", "whole number"]),
        ({"device": "tpu"}, ValueError, ["device='tpu'", "'cpu'", "'cuda'"]),
        ({"device": "cuda", "workers": 2}, ValueError, ["workers=2", "cuda"]),
        ({"device": "cuda", "second_order": True}, ValueError, ["second_order=True", "cuda"]),
        ({"second_order": "certified"}, ValueError, ["second_order", "certified", "certify"]),
        ({"options": {"history": True}}, ValueError, ["history", "single runs"]),
        ({"options": {"gtoll": 1.0}}, ValueError, ["gtoll", "gtol"]),
        ({"method": "bgfs"}, ValueError, ["bgfs", "bfgs"]),
        ({"fun": 3}, TypeError, ["fun", "3"]),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
def test_a_wrong_argument_is_refused_by_name_value_and_rule(change, kind, words):
    call = {"fun": ROSENBROCK_SUM, "X0": np.zeros((3, 2))} | change
    with pytest.raises(kind) as caught:
        minimize_batch(**call)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.skipif(JIT_DISABLED, reason="the simulator is a device")
def test_without_a_gpu_the_error_says_what_is_needed_and_what_gives_the_same(monkeypatch):
    from numba import cuda

    monkeypatch.setattr(cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match=r"device='cuda' needs an NVIDIA GPU.*device='cpu' gives the same results"):
        minimize_batch(ROSENBROCK_SUM, np.zeros((3, 2)), device="cuda")


# ----------------------------------------------------------------------------------------------------- multistart


def himmelblau(x):
    """Four minima, all 0."""
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


MINIMA = np.array([[3.0, 2.0], [-2.805118, 3.131312], [-3.779310, -3.283186], [3.584428, -1.848126]])


def test_multistart_finds_each_minimum_once_and_counts():
    X = np.random.default_rng(0).uniform(-5.0, 5.0, (60, 2))
    result = multistart(himmelblau, X, method="newton")
    assert result.success
    assert len(result.minima) == 4
    assert sum(m.count for m in result.minima) == int(result.batch.success.sum())
    for minimum in MINIMA:
        assert min(np.abs(m.x - minimum).max() for m in result.minima) < 1e-5
    assert result.fun == min(m.fun for m in result.minima)
    assert sorted(m.fun for m in result.minima) == [m.fun for m in result.minima]


def test_multistart_gives_the_same_again_for_any_number_of_threads():
    X = np.random.default_rng(0).uniform(-5.0, 5.0, (20, 2))
    one, two = (multistart(himmelblau, X, method="bfgs", workers=k) for k in (1, 2))
    for a, b in zip(one.minima, two.minima, strict=True):
        assert np.array_equal(a.x, b.x) and np.array_equal(a.starts, b.starts) and a.count == b.count


@pytest.mark.parametrize("second_order", ["certify", "escape"])
def test_multistart_counts_no_saddle_among_minima_where_it_is_asked_to_look(second_order):
    def wells(x):
        return (x[0] ** 2 - 1.0) ** 2 + x[1] ** 2

    X = [[0.0, 1.0], [0.5, 0.3], [-0.5, 0.2]]
    blind = multistart(wells, X, method="newton")
    assert [m.fun for m in blind.minima][-1] == 1.0  # the saddle
    seen = multistart(wells, X, method="newton", second_order=second_order)
    assert len(seen.minima) == 2 and seen.minima[1].fun < 1e-12
    assert sum(m.count for m in seen.minima) == (2 if second_order == "certify" else 3)
    assert seen.certificate.verdict == "minimum"


def test_multistart_says_so_where_no_start_converges():
    result = multistart(himmelblau, np.full((3, 2), np.nan), method="bfgs")
    assert not result.success
    assert result.minima == []
    assert result.status == 3
