"""The compile cache, its faults, Ctrl-C and the clock: each in an interpreter of its own, with a cache of its own."""

import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import textwrap
import threading
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from numba import njit
from numba.core.errors import NumbaError

import secondorder
from secondorder import METHODS, jit, minimize

pytestmark = pytest.mark.timeout(300)

PACKAGE = pathlib.Path(secondorder.__file__).parent

# Solves in Python, so that everything compiled is the package's, and prints how many functions were compiled.
SOLVE = """
    import json, sys, warnings
    from numba.core import event
    with event.install_recorder("numba:compile") as recorder:
        import numpy as np
        import secondorder as so
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            r = so.minimize(lambda x: float(np.sum((x - 1.0) ** 2) + x[0] ** 4), np.array([3.0, 2.0]),
                            jac=lambda x: 2.0 * (x - 1.0) + np.array([4.0 * x[0] ** 3, 0.0]),
                            method=sys.argv[1], backend="python")
    # Numba wraps the bodies of `with objmode` anew in each process; that is no compilation of ours
    compiled = [record for _, record in recorder.buffer if record.is_start and "Lifted" not in
                type(record.data["dispatcher"]).__name__]
    print(json.dumps({"status": r.status, "x": [v.hex() for v in r.x], "optimality": r.optimality, "nfev": r.nfev,
                      "compiled": len(compiled), "warnings": [str(w.message) for w in caught]}))
    """
METHOD = "gradient-descent"


@pytest.fixture(scope="module")
def solve(program):
    """solve(cache folder) -> what SOLVE prints, as a dict."""

    def run(cache, method=METHOD, **kwargs):
        done = program(SOLVE, method, env={"NUMBA_CACHE_DIR": str(cache)}, **kwargs)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def warm(solve, tmp_path_factory):
    """(folder, first answer) of a cache that one process has filled."""
    folder = tmp_path_factory.mktemp("warm")
    return folder, solve(folder)


@pytest.fixture
def copied_cache(warm, tmp_path):
    """A private copy of the warm cache."""
    return shutil.copytree(warm[0], tmp_path / "cache")


# ------------------------------------------------------------------------------------------------- the import


def test_import_compiles_nothing_and_leaves_the_heavy_packages_alone(program):
    text = """
        import sys
        from numba.core import event
        with event.install_recorder("numba:compile") as recorder:
            import secondorder
            secondorder.METHODS, secondorder.LINE_SEARCHES, secondorder.minimize
        assert not recorder.buffer, recorder.buffer
        heavy = ["numba.cuda", "matplotlib", "scipy.optimize", "distributed", "pandas", "tqdm"]
        heavy += ["secondorder.derivatives.autodiff.module"]  # whoever gives a gradient does without
        print([name for name in heavy if name in sys.modules])
        """
    done = program(text)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_a_solve_leaves_the_heavy_packages_alone(program, warm):
    text = """
        import sys
        import numpy as np, secondorder
        secondorder.minimize(lambda x: float(x[0] ** 2), np.ones(1), method="gradient-descent", backend="python")
        heavy = ["numba.cuda", "matplotlib", "scipy.optimize", "distributed", "pandas", "tqdm"]
        print([name for name in heavy if name in sys.modules])
        """
    done = program(text, env={"NUMBA_CACHE_DIR": str(warm[0])})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


# --------------------------------------------------------------------------------------------------- the cache


def test_a_second_process_compiles_nothing(warm, solve):
    folder, first = warm
    assert first["status"] == 0
    assert first["compiled"] > 0
    second = solve(folder)
    assert second["compiled"] == 0
    assert second["warnings"] == []
    assert {**second, "compiled": 0} == {**first, "compiled": 0}


def test_another_method_compiles_only_what_is_its_own(copied_cache, solve):
    other = solve(copied_cache, "cg")
    assert other["compiled"] > 0
    assert solve(copied_cache, "cg")["compiled"] == 0
    assert solve(copied_cache, METHOD)["compiled"] == 0


def test_an_edit_of_a_function_that_a_solver_calls_is_seen(warm, solve, tmp_path):
    folder, first = warm
    package = tmp_path / "edited" / "secondorder"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    assert solve(folder, path=package.parent)["compiled"] == 0, "the same source elsewhere is the same source"
    vectors = package / "linalg" / "vectors.py"
    text = vectors.read_text()
    line = "    return largest + (largest - largest)\n"
    assert text.count(line) == 1
    vectors.write_text(text.replace(line, line.replace("return", "return largest +")))
    edited = solve(folder, path=package.parent)
    assert edited["compiled"] > 0
    assert edited["nfev"] == first["nfev"]
    assert edited["optimality"] == 2.0 * first["optimality"]


@pytest.mark.parametrize(
    ("kind", "damage"), [("nbi", "truncated"), ("nbi", "garbage"), ("nbc", "truncated"), ("nbc", "empty")]
)
def test_a_damaged_cache_costs_a_warning_that_names_the_way_out_and_nothing_else(
    copied_cache, warm, solve, kind, damage
):
    files = sorted(copied_cache.rglob(f"*.{kind}"))
    assert files
    for file in files:
        content = file.read_bytes()
        file.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "garbage": b"garbage" * 99}[damage])
    result = solve(copied_cache)
    assert (result["status"], result["x"]) == (0, warm[1]["x"])
    assert result["compiled"] > 0
    assert any("python -m secondorder cache --clear" in text for text in result["warnings"])


def test_a_cache_that_cannot_be_written_costs_a_warning_and_nothing_else(warm, solve, tmp_path):
    occupied = tmp_path / "a file"
    occupied.write_text("no folder can be made below a file")
    result = solve(occupied / "cache")
    assert (result["status"], result["x"]) == (0, warm[1]["x"])
    assert result["compiled"] > 0
    assert any("NUMBA_CACHE_DIR" in text for text in result["warnings"])


def test_cache_warnings_come_once(solve, tmp_path):
    occupied = tmp_path / "a file"
    occupied.write_text("")
    assert len(solve(occupied / "cache")["warnings"]) == 1


def test_the_cache_is_the_users_own(warm):
    folders = [path for path in warm[0].rglob("*") if path.is_dir()]
    assert folders
    for folder in folders:
        assert stat.S_IMODE(folder.stat().st_mode) & 0o022 == 0, f"{folder} may be written by others"
    leaves = [folder for folder in folders if list(folder.glob("*.nbi"))]
    assert leaves
    assert all(stat.S_IMODE(leaf.stat().st_mode) == 0o700 for leaf in leaves)


def test_two_processes_that_start_cold_at_once_both_get_the_answer(warm, tmp_path):
    variables = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", textwrap.dedent(SOLVE), METHOD]
    running = [
        subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in running:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert json.loads(out)["x"] == warm[1]["x"]


# Steps on means over the rows of one array and of two: their functions call closures of one factory, which a name and a
# number within a process tell apart.
SUMS = """
    import sys
    import numpy as np
    import secondorder as so

    def one(x, row):
        return np.dot(x, row)

    def two(x, row, factor):
        return factor * np.dot(x, row)

    given = {"one": (one, np.eye(40)), "two": (two, (np.eye(40), np.ones(40)))}
    for name in sys.argv[2:]:
        found = so.fit(so.FiniteSum(*given[name]), np.zeros(40), "sgd", options={"lr": 1.0}, batch_size=1, epochs=1)
        assert np.array_equal(found.x, -np.ones(40)), name
    """


def test_closures_of_one_factory_stay_apart_where_each_was_cached_by_another_process(program, tmp_path):
    script, cache = tmp_path / "sums.py", {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    script.write_text(textwrap.dedent(SUMS))
    for names in (["one"], ["two"], ["one", "two"], ["two", "one"]):
        done = program("import runpy, sys; runpy.run_path(sys.argv[1])", script, *names, env=cache)
        assert done.returncode == 0, done.stderr


def test_the_stamp_covers_every_source_file(tmp_path, monkeypatch):
    package = shutil.copytree(PACKAGE, tmp_path / "secondorder", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(jit.cache, "PACKAGE", package)
    stamps = set()
    for file in sorted(package.rglob("*.py"))[:12]:
        stamps.add(jit.source_stamp.__wrapped__())
        with file.open("a") as text:
            text.write("# one more line\n")
    stamps.add(jit.source_stamp.__wrapped__())
    assert len(stamps) == 13


# --------------------------------------------------------------------------------------------- without compiling


def test_everything_runs_without_compiling(program):
    text = """
        import warnings
        import numpy as np
        from numba import njit
        import secondorder as so
        from secondorder.problems import PROBLEMS

        warnings.simplefilter("error")
        problem = PROBLEMS["rosenbrock"]

        @njit
        def fun(x, a):
            return (1.0 - x[0]) ** 2 + a * (x[1] - x[0] ** 2) ** 2

        @njit
        def jac(x, a):
            return np.array([-2.0 * (1.0 - x[0]) - 4.0 * a * x[0] * (x[1] - x[0] ** 2), 2.0 * a * (x[1] - x[0] ** 2)])

        seen = []
        for method in so.METHODS:
            for given in (jac, "2-point", "3-point", "cs"):
                hess = None if so.METHODS[method].NEEDS == ("grad",) else "2-point"
                options = {"gtol": 1e-4}
                r = so.minimize(fun, [-1.2, 1.0], (10.0,), method, given, hess, callback=seen.append, options=options)
                assert r.success, (method, given, r.message)
                assert np.allclose(r.x, 1.0, atol=1e-2), r.x
            r = so.minimize(so.Objective(problem.fun_grad), problem.x0(), method=method, options={"history": True})
            assert r.success, (method, r.message)
            assert len(r.history["fun"]) == r.nit + 1
            for search in so.LINE_SEARCHES:
                if search != "fixed" and so.METHODS[method].SEARCH:
                    options = {"line_search": search, "gtol": 1e-3}
                    r = so.minimize(fun, [-1.2, 1.0], (10.0,), method, jac, hess, options=options)
                    assert r.success, (method, search, r.message)
            try:
                so.minimize(lambda x: 1 // 0, [1.0], method=method, jac="2-point")
            except ZeroDivisionError as error:
                assert error.optimize_result.status == 6
            else:
                raise AssertionError("no exception")
        assert seen
        print("fine")
        """
    done = program(text, env={"NUMBA_DISABLE_JIT": "1"})
    assert done.stdout.strip() == "fine", done.stderr


def test_compiled_and_uncompiled_solvers_take_the_same_steps(program):
    text = """
        import numpy as np, secondorder as so
        from secondorder.problems import PROBLEMS
        problem = PROBLEMS["rosenbrock"]
        for method in so.METHODS:
            points = []
            so.minimize(so.Objective(problem.fun_grad, fun=problem.fun), problem.x0(), method=method, backend="python",
                        callback=points.append, options={"maxiter": 6})
            print(*[value.hex() for point in points for value in point])
        """
    plain, uncompiled = (program(text, env={"NUMBA_DISABLE_JIT": flag}) for flag in ("0", "1"))
    assert plain.returncode == 0, plain.stderr
    assert uncompiled.returncode == 0, uncompiled.stderr
    one, other = (
        [[float.fromhex(word) for word in line.split()] for line in done.stdout.splitlines()]
        for done in (plain, uncompiled)
    )
    assert len(one) == len(other) == len(METHODS)
    for a, b in zip(one, other, strict=True):
        assert len(a) == 12
        assert np.allclose(a, b, rtol=1e-9, atol=0.0)


# ------------------------------------------------------------------------------------------------ Ctrl-C, the clock

INTERRUPT = """
    import json, os, signal, sys, threading, time
    import numpy as np
    from numba import njit
    import secondorder as so

    kind, method, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tiny = json.loads(sys.argv[4])

    def fun(x):
        f = 0.0
        for i in range(x.shape[0]):
            f += (x[i] - 1.0) * (x[i] - 1.0)
        return f

    def jac(x):
        g = np.empty(x.shape[0])
        for i in range(x.shape[0]):
            g[i] = 2.0 * (x[i] - 1.0)
        return g

    backend = "python"
    if kind == "compiled":
        fun, jac, backend = njit(fun), njit(jac), "numba"
    slowly = tiny | {"maxiter": 10**12, "time_limit": 60.0}
    second = {} if so.METHODS[method].NEEDS == ("grad",) else {"hess": "2-point"}
    x0 = np.array([3.0, -2.0, 5.0])
    so.minimize(fun, x0, method=method, jac=jac, backend=backend, **second, options=slowly | {"maxiter": 3})
    random = np.random.default_rng(seed)
    for delay in random.uniform(0.02, 0.2, 5):
        sent = []

        def send():
            time.sleep(delay)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            so.minimize(fun, x0, method=method, jac=jac, backend=backend, **second, options=slowly)
        except KeyboardInterrupt as error:
            late = time.monotonic() - sent[0]
            r = error.optimize_result
            assert late < 1.0, late
            assert (r.status, r.success, r.reason) == (130, False, "interrupted"), r
            assert np.isfinite(r.fun) and r.fun == fun(r.x) and r.fun < fun(x0), r.fun
            assert r.nit > 0 and "interrupted" in r.message
            print("clean")
        sender.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    """


@pytest.mark.parametrize("kind", ["compiled", "python"])
def test_ctrl_c_ends_a_run_at_once_with_the_best_point(program, kind, slow_method):
    method, tiny = slow_method
    done = program(INTERRUPT, kind, method, 11, json.dumps(tiny))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["clean"] * 5


def test_a_signal_handler_of_ones_own_is_called_and_the_run_goes_on(program):
    text = """
        import os, signal, threading, time
        import numpy as np
        from numba import njit
        import secondorder as so

        seen = []
        signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))

        def fun(x):
            return (x[0] - 1.0) * (x[0] - 1.0)

        def jac(x):
            return np.array([2.0 * (x[0] - 1.0)])

        slowly = {"line_search": "fixed", "initial_step": "constant", "alpha": 1e-9, "maxiter": 10**12}
        for f, g, backend in ((njit(fun), njit(jac), "numba"), (fun, jac, "python")):
            so.minimize(f, [3.0], jac=g, backend=backend, options=slowly | {"maxiter": 3})
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            r = so.minimize(f, [3.0], jac=g, backend=backend, options=slowly | {"time_limit": 0.6})
            assert r.status == 5, r.message
        assert len(seen) == 2, seen
        print("fine")
        """
    done = program(text)
    assert done.stdout.strip() == "fine", done.stderr


def slow_descent(x):
    return (x[0] - 1.0) * (x[0] - 1.0)


def slow_gradient(x):
    return np.array([2.0 * (x[0] - 1.0)])


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_time_limit_holds_in_any_thread(slow_method, backend, in_thread):
    method, tiny = slow_method
    options = tiny | {"maxiter": 10**12, "time_limit": 0.2}
    results = []

    def run():
        result = minimize(slow_descent, [3.0], method=method, jac=slow_gradient, backend=backend, options=options)
        results.append(result)

    if in_thread:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    else:
        run()
    (result,) = results
    assert result.status == 5
    assert result.nit > 0
    assert 0.2 <= result.elapsed < 20.0
    assert result.fun == slow_descent(result.x) < slow_descent(np.array([3.0]))


def test_a_division_by_zero_is_infinity_wherever_the_objective_runs(method, backend):
    def fun(x):
        return 1.0 / (x[0] * 0.0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = minimize(fun, [1.0], method=method, jac=slow_gradient, backend=backend)
    assert (result.status, result.fun) == (3, np.inf)


@pytest.mark.xfail(strict=True, reason="Numba: a callee not compiled yet takes the caller's error model, else its own")
def test_a_division_by_zero_does_not_depend_on_whether_the_objective_was_called_before():
    statuses = []
    for called in (False, True):

        @njit
        def fun(x):
            return 1.0 / (x[0] * 0.0)

        if called:
            with pytest.raises(ZeroDivisionError):
                fun(np.ones(1))
        result = minimize(fun, [1.0], method="bfgs", jac=slow_gradient, options={"on_error": "return"})
        statuses.append(result.status)
    assert statuses[0] == statuses[1]


# ------------------------------------------------------------------------------------------- tuples by address


class Mixed(NamedTuple):
    """One field of each kind; the flag between words tries the padding."""

    a: float = 0.5
    flag: bool = True
    n: int = -3
    last: bool = False
    b: float = np.inf


class Arrays(NamedTuple):
    """Arrays of each dimension."""

    rows: object
    values: object
    counts: object


MIXED = jit.Reference(jit.namedtuple_type(Mixed))
ARRAYS = jit.Reference(jit.namedtuple_type(Arrays, (jit.matrix, jit.vector, jit.integers)))
_mixed_at, _arrays_at = jit.reference_at(MIXED), jit.reference_at(ARRAYS)


def read_mixed(address):
    t = _mixed_at(address)
    return t.a, t.flag, t.n, t.last, t.b


def use_arrays(address):
    t = _arrays_at(address)
    t.values[1] += t.rows[1, 2]
    t.counts[0] += t.rows.shape[0] * t.values.shape[0]
    return t.rows[0, 0]


@pytest.mark.parametrize("given", [Mixed(), Mixed(1, False, 2**62, True, -0.0)])
def test_the_fields_of_a_native_tuple_read_as_given(given):
    native = jit.Native(given)
    assert njit(**jit.ENTRY)(read_mixed)(native.address) == given


def test_arrays_in_a_native_tuple_are_the_arrays():
    given = Arrays(np.arange(6.0).reshape(2, 3), np.ones(4), np.zeros(2, np.int64))
    native = jit.Native(given)
    assert njit(**jit.ENTRY)(use_arrays)(native.address) == 0.0
    assert given.values.tolist() == [1.0, 6.0, 1.0, 1.0]
    assert given.counts.tolist() == [8, 0]


def test_a_field_that_a_native_tuple_lacks_is_a_compile_error():
    with pytest.raises(NumbaError, match="Unknown attribute 'c'"):
        njit(jit.f8(jit.intp))(lambda address: _mixed_at(address).c)


def test_references_to_options_of_two_methods_are_two_types_although_their_fields_have_the_same_kinds():
    class One(NamedTuple):
        m: int = 1
        skip: float = 0.0

    class Other(NamedTuple):
        kind: int = 1
        floor: float = 0.0

    one, other = (jit.Reference(jit.namedtuple_type(cls)) for cls in (One, Other))
    assert one != other
    assert one == jit.Reference(jit.namedtuple_type(One))
