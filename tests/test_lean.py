"""Numba compiles to the same with `lean` as without, and is itself again afterwards."""

import gc
import os

import numpy as np
import pytest
from numba import njit, prange, typed, types
from numba.core import config, event
from numba.core.base import BaseContext
from numba.core.codegen import CPUCodeLibrary, JITCPUCodegen
from numba.core.compiler import CompilerBase, Flags
from numba.core.lowering import Lower
from numba.core.targetconfig import TargetConfig
from numba.core.types.functions import BaseFunction
from numba.extending import overload

import secondorder as so
from secondorder.jit import f8, vector
from secondorder.lean import KernelCompiler, quicker_compilation

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")

REPLACED = [
    (CompilerBase, "_compile_core"),
    (CPUCodeLibrary, "_optimize_final_module"),
    (CPUCodeLibrary, "_finalize_final_module"),
    (CPUCodeLibrary, "_optimize_functions"),
    (JITCPUCodegen, "set_env"),
    (BaseContext, "refresh"),
    (TargetConfig, "__hash__"),
    (TargetConfig, "__eq__"),
    (BaseFunction, "get_call_type"),
    (Lower, "lower_binop"),
    (event, "start_event"),
    (event, "end_event"),
]


def attributes():
    return [getattr(owner, name) for owner, name in REPLACED]


def test_numba_is_itself_again_afterwards():
    before = attributes()
    with quicker_compilation():
        assert all(now is not was for now, was in zip(attributes(), before, strict=True))
    assert attributes() == before
    with pytest.raises(ZeroDivisionError), quicker_compilation():
        raise ZeroDivisionError
    assert attributes() == before


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_afterwards_as_before(enabled):
    was = gc.isenabled()
    try:
        gc.enable() if enabled else gc.disable()
        with quicker_compilation():
            assert not gc.isenabled()
            with quicker_compilation():
                pass
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
    finally:
        gc.enable() if was else gc.disable()


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no fork")
def test_garbage_is_collected_in_a_child_forked_while_another_thread_compiles(program):
    text = """
        import gc, os, threading
        from secondorder.lean import quicker_compilation
        inside, done = threading.Event(), threading.Event()
        def compile():
            with quicker_compilation():
                inside.set()
                done.wait()
        thread = threading.Thread(target=compile)
        thread.start()
        inside.wait()
        if (child := os.fork()) == 0:
            os._exit(gc.isenabled())
        print(gc.isenabled(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        done.set()
        thread.join()
        print(gc.isenabled())
        """
    done = program(text)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "1", "True"]


def test_a_hash_inside_is_the_hash_outside():
    outside = hash(Flags())
    with quicker_compilation():
        assert hash(Flags()) == outside
        other = Flags()
        other.nrt = True
        assert Flags() == Flags()
        assert Flags() != other


def body(x, y):
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(max(i - 2, 0), min(i + 3, x.shape[0])):
            total += (x[i] - y[j]) ** 3 / (1.0 + abs(x[j])) + x[i] // 2 - int(y[j]) % 3
    y[1:3] = x[:2]
    return total * 1.5 if total > 0.0 else -total


def test_the_code_gives_the_same_bits():
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal(23), rng.standard_normal(23)
    plain, lean = njit(body, error_model="numpy"), njit(body, error_model="numpy", pipeline_class=KernelCompiler)
    plain.compile(f8(vector, vector))
    with quicker_compilation():
        lean.compile(f8(vector, vector))
    expected, got = y.copy(), y.copy()
    assert plain(x, expected).hex() == lean(x, got).hex()
    assert expected.tobytes() == got.tobytes()


@pytest.mark.parametrize("kind", [types.float64, types.float32])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7, 10, 100, -1, -2, 70000])
def test_constant_powers_have_the_same_bits(kind, exponent):
    def power(x):
        y = x
        y **= exponent
        return x**exponent + y

    plain, lean = njit(power, error_model="numpy"), njit(power, error_model="numpy", pipeline_class=KernelCompiler)
    plain.compile((kind,))
    with quicker_compilation():
        lean.compile((kind,))
    scalar = np.float64 if kind is types.float64 else np.float32
    for x in (1.0, -1.5, 0.3, 1e-200, -1e30, np.inf, -np.inf, np.nan, 0.0, -0.0)[: 3 if exponent < 0 else None]:
        expected, got = plain(scalar(x)), lean(scalar(x))
        assert np.array([expected]).tobytes() == np.array([got]).tobytes(), x
    assert plain.nopython_signatures[0].return_type == lean.nopython_signatures[0].return_type


def test_an_objective_that_python_has_not_called_is_compiled_when_it_is():
    @njit
    def fun(x):
        return (x[0] - 1.0) ** 2

    @njit
    def jac(x):
        return 2.0 * (x - 1.0)

    r = so.minimize(fun, np.zeros(1), jac=jac)
    assert not fun.signatures
    assert fun(r.x) == r.fun
    assert so.minimize(fun, np.zeros(1), jac=jac, method="cg").success
    assert len(fun.signatures) == 1


def test_what_an_objective_calls_can_be_called_from_python_too():
    @njit(parallel=True)
    def summed(x):
        total = 0.0
        for i in prange(x.size):
            total += (x[i] - 1.0) ** 4
        return total

    @njit
    def fun(x):
        kept = typed.List()
        for value in x:
            kept.append(value)
        return summed(x) + np.sum((x - 2.0) ** 2) + np.linalg.norm(x) + x @ x + np.sort(x)[0] ** 2 + kept[0]

    assert so.minimize(fun, np.zeros(3), jac="3-point", options={"maxiter": 3}).nit == 3
    assert summed(np.zeros(3)) == 3.0
    assert fun(np.ones(3)) == pytest.approx(3.0 + np.sqrt(3.0) + 3.0 + 1.0 + 1.0)


def test_an_exception_from_a_callee_keeps_its_arguments():
    @njit
    def checked(value):
        if value < 0.5:
            raise ValueError("too small", value)
        return value

    @njit
    def fun(x):
        return checked(x[0]) ** 2

    with pytest.raises(ValueError, match="too small") as caught:
        so.minimize(fun, np.ones(1))
    assert caught.value.args[1] < 0.5
    with pytest.raises(ValueError, match="too small"):
        checked(0.25)


def test_an_overload_registered_later_is_seen():
    def late(x):
        return x

    @njit
    def before(x):
        return x[0] ** 2

    so.minimize(before, np.ones(1))

    @overload(late)
    def _late(x):
        return (lambda x: x + 1.0) if isinstance(x, types.Float) else None

    @njit
    def after(x):
        return (late(x[0]) - 3.0) ** 2

    assert so.minimize(after, np.zeros(1), options={"gtol": 1e-6}).x[0] == pytest.approx(2.0, abs=1e-4)


def test_a_solve_does_not_import_scipy_linalg(program, tmp_path):
    text = """
        import sys
        import numpy as np, secondorder as so
        from numba import njit
        fun, product = njit(lambda x: np.sum(x ** 2)), njit(lambda x: x @ x)
        so.minimize(fun, np.ones(2), method="gradient-descent")
        print("scipy.linalg" in sys.modules)
        print(so.minimize(product, np.ones(2), method="gradient-descent").success)
        """
    done = program(text, env={"NUMBA_CACHE_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "True"]
