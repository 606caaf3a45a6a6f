"""Generated modules on disk: a second process starts from them, and whatever they depend on is in their key."""

import os
import types

import numpy as np
import pytest

import secondorder as so
from secondorder.derivatives.autodiff.ir import Kind
from secondorder.derivatives.autodiff.module import Generated, key_of
from secondorder.jit import JIT_DISABLED

PROGRAM = """
import numpy as np, sys
from numba.core import event

WEIGHTS = np.array([0.1, 1.0 / 3.0, np.inf, -0.0])
TABLE = (2.0, 3.0)

def inner(a, k):
    return a * a * TABLE[k]

def f(x, c):
    s = 0.0
    for i in range(x.size):
        s += inner(x[i], i) * WEIGHTS[i] + c * np.exp(x[i])
    return s
"""
FIRST = """
import importlib, secondorder as so
sys.path.insert(0, ".")
from program import f, np, event
with event.install_recorder("numba:compile") as recorder:
    g, hv = so.grad(f), so.hvp(f)
    x = np.array([1.0, 2.0])
    values = [*g(x, 0.5), *hv(x, x, 0.5), so.minimize(f, x, args=(0.5,)).fun]
generated = {r.data["dispatcher"].py_func.__code__ for _, r in recorder.buffer if r.is_start}
generated = sorted(code.co_name for code in generated if "derivatives/" in code.co_filename and "_of_" in code.co_name)
print([float(v).hex() for v in values], generated)
"""
SECOND = """
import sys
from secondorder.derivatives.autodiff import module
def refuse(*args):
    raise AssertionError("generated again")
assert module.Placed
module.Placed = refuse
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_a_second_process_neither_generates_nor_compiles(program, folder):
    first = run(program, folder, "import sys\n" + FIRST)
    assert "['gradient_of_f', 'hvp_of_f']" in first
    second = run(program, folder, SECOND + FIRST)
    assert second == first.replace("['gradient_of_f', 'hvp_of_f']", "[]")


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_a_changed_callee_or_captured_value_is_seen_by_a_second_process(program, folder):
    first = run(program, folder, "import sys\n" + FIRST)
    for old, new in (("a * a *", "a * a * a *"), ("1.0 / 3.0", "0.25"), ("(2.0, 3.0)", "(2.0, 4.0)")):
        (folder / "program.py").write_text(PROGRAM.replace(old, new))
        changed = run(program, folder, "import sys\n" + FIRST)
        assert changed != first
        assert "gradient_of_f" in changed


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_a_damaged_module_is_made_again(program, folder):
    first = run(program, folder, "import sys\n" + FIRST)
    files = list((folder / "cache").rglob("gradient_of_f_*.py"))
    assert files
    for file in files:
        file.write_text("def half(")
    assert run(program, folder, "import sys\n" + FIRST).split("]")[0] == first.split("]")[0]


def test_an_unwritable_folder_only_costs_time(program, folder):
    (folder / "file").write_text("")
    printed = run(program, folder, "import sys\n" + FIRST, cache=folder / "file" / "below")
    assert printed.split("]")[0] == run(program, folder, "import sys\n" + FIRST).split("]")[0]


def run(program, folder, text, cache=None):
    """What a program prints in a fresh process."""
    env = {"NUMBA_CACHE_DIR": str(cache or folder / "cache"), "PYTHONWARNINGS": "ignore"}
    path = f"{os.pathsep}".join([str(folder), str(ROOT)])
    done = program(text, env=env, cwd=folder, path=path)
    assert done.returncode == 0, done.stderr
    return done.stdout


ROOT = os.path.dirname(os.path.dirname(os.path.abspath(so.__file__)))


# ------------------------------------------------------------------------------------------------------ the key


def key(function):
    return key_of(function, [Kind("f", 1)])


def test_equal_functions_have_equal_keys():
    def made(scale):
        return lambda x: scale * x[0]

    assert key(made(2.0)) == key(made(2.0))
    assert key(made(2.0)) != key(made(3.0))


def module_with(scale):
    module = types.ModuleType("settings_of_a_test")
    module.scale = scale
    return module


def package_with(scale):
    package = types.ModuleType("package_of_a_test")
    package.inner = module_with(scale)
    return package


def of_number(held):
    return lambda x: held * x[0]


def of_array(held):
    return lambda x: held[0] * x[0]


def of_attribute(held):
    return lambda x: held.scale * x[0]


def of_deeper(held):
    return lambda x: held.inner.scale * x[0]


def of_default(held):
    def inner(a, *, scale=held):
        return scale * a

    return lambda x: inner(x[0])


def of_function(held):
    def inner(a):
        return held * a

    return lambda x: inner(x[0])


def of_local_function(held):
    def f(x):
        def inner(a):
            return held * a

        return inner(x[0])

    return f


HOLDERS = {
    "number": (of_number, lambda v: v),
    "array": (of_array, lambda v: np.array([v])),
    "class": (of_attribute, lambda v: type("Numbers", (), {"scale": v})),
    "module": (of_attribute, module_with),
    "package": (of_deeper, package_with),
    "default": (of_default, lambda v: v),
    "function": (of_function, lambda v: v),
    "local function": (of_local_function, lambda v: v),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_every_captured_value_is_in_the_key_and_in_the_derivative(holder):
    make, hold = HOLDERS[holder]
    two, three, again = make(hold(2.0)), make(hold(3.0)), make(hold(2.0))
    assert key(two) == key(again)
    assert key(two) != key(three)
    for function, slope in ((two, 2.0), (three, 3.0)):
        names = {}
        text, named = Generated(function, [Kind("f", 1)]).text("gradient")
        exec(text, names | {"np": np, **named}, names)
        g = np.zeros(1)
        next(iter(names.values()))(np.ones(1), g)
        assert g[0] == slope


def test_kinds_and_given_source_are_in_the_key():
    def f(x, a):
        return x[0] * a

    kinds = [Kind("f", 1), Kind("f")], [Kind("f", 1), Kind("i")], [Kind("f", 2), Kind("f")]
    keys = {key_of(f, k) for k in kinds} | {key_of(f, kinds[0], source="def f(x, a):\n    return x[0] * a * 2.0\n")}
    assert len(keys) == 4


NO_MODULE = """
import linecache, numba, numpy as np, secondorder as so
text = '''
@so.derivative(lambda a: 3.0)
@numba.njit
def triple(a):
    return 3.0 * a
def f(x):
    return triple(x[0]) * x[0]
'''
linecache.cache["<there>"] = (len(text), None, text.splitlines(True), "<there>")
names = {"so": so, "numba": numba, "__name__": "not_to_be_imported"}
exec(compile(text, "<there>", "exec"), names)
print(so.grad(names["f"])(np.ones(1)), so.minimize(names["f"], np.ones(1)).success)
"""


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_code_that_calls_a_function_of_no_module_is_compiled_again(program, folder):
    assert run(program, folder, NO_MODULE) == run(program, folder, NO_MODULE) == "[6.] True\n"
