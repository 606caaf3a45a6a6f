"""The kernels in float32: the same text, compiled with other constants.

In Numba float32 times float64 is float64, and every number that a text has, such as 0.5, is one. So `in_single` makes
a function anew with each constant, in its code, its globals and what it has captured, as the nearest float32, or as the
counterpart that a constant of rounding names (`precision`); every function that it calls is made anew likewise. What
exists for float64 only has a stand-in: `math`'s inf and nan, elementary functions, the bits of a float.

What stays float64 is arithmetic between a float32 and an integer, as Numba's rules have it: `n * eps`, now and then.
"""

import math
import types

import numpy as np

from secondorder import elementary
from secondorder.jit import FLAGS, JIT_DISABLED, float_of, inlined, is_made_of_text, njit, plain, single_of
from secondorder.precision import TwoPrecisions

MOST_COUNT = 2**31 - 1  # counts are int32 beside words of float32
OURS = __name__.partition(".")[0] + "."
WITH_ELEMENTARY = elementary.__name__, OURS + "derivatives.autodiff.in_kernels"  # whose functions these are
LIBRARIES = {"numba", "numpy", "scipy", "math", "llvmlite", "builtins"}  # whose functions take float32 as they are


@inlined
def sigmoid(x):
    """1 / (1 + e^-x), from an exponential that can't overflow."""
    e = math.exp(-abs(x))
    return 1.0 / (1.0 + e) if x >= 0.0 else e / (1.0 + e)


@inlined
def softplus(x):
    """log(1 + e^x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@inlined
def logaddexp(a, b):
    """log(e^a + e^b)."""
    if a == b:
        return a + math.log(2.0)
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


@inlined
def cbrt(a):
    """The cube root."""
    return math.copysign(abs(a) ** (1.0 / 3.0), a)


EXACT = np if JIT_DISABLED else math  # where Python calls it, math raises for what overflows
MATH = types.ModuleType("math_in_single")
vars(MATH).update({name: value for name, value in vars(math).items() if not name.startswith("__")})
vars(MATH).update({name: np.float32(getattr(math, name)) for name in ("inf", "nan", "pi", "e", "tau")})
MODULES = {"math": MATH}  # name -> what float32 kernels have instead


def single(value, made=None):
    """A value that a kernel has captured, as float32 kernels have it. made: see `in_single`."""
    if value is float_of:
        return single_of
    if isinstance(value, TwoPrecisions):
        return rounded(value.single)
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return value
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, tuple):
        parts = [single(part, made) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return value.astype(np.float32)
    if isinstance(value, np.ndarray) and value.dtype == np.int64:
        return np.minimum(value, MOST_COUNT)
    if isinstance(value, types.ModuleType):
        return module_in_single(value)
    return in_single(value, made) if is_ours(value) else value


def rounded(value):
    """The float32 nearest to a constant; ValueError if there is none near, as then a kernel means something else."""
    with np.errstate(over="ignore", under="ignore"):
        found = np.float32(value)
    if float(value) != 0.0 and math.isfinite(value) and (not np.isfinite(found) or found == 0.0):
        raise ValueError(f"{value!r} has no counterpart in float32: give it one by secondorder.precision")
    return found


def is_ours(value):
    """A function whose text is made anew: compiled from Python, by us or by the user, without signatures of its own."""
    return is_made_of_text(value) and (plain(value).__module__ or "").partition(".")[0] not in LIBRARIES


def module_in_single(module):
    """A module of ours, whose functions kernels call by an attribute, or math; others as they are."""
    name = module.__name__
    if name not in MODULES and name.startswith(OURS):
        MODULES[name] = made = types.ModuleType(f"{name}_in_single")
        # made when they are asked for: most of a module's functions are not for float32
        made.__getattr__ = lambda attribute: single(getattr(module, attribute))
        if name in WITH_ELEMENTARY:
            vars(made).update(ELEMENTARY)
    return MODULES.get(name, module)


_made = {}  # function of ours -> it in float32


def in_single(function, made=None):
    """The compiled function of this text with constants of float32; see the top of this file.

    made: functions with captured values that are made already, for those that call them.
    """
    python, made = plain(function), {} if made is None else made
    if python.__module__ == elementary.__name__:
        return ELEMENTARY[python.__name__]
    known = _made if python.__closure__ is None and (python.__module__ or "").startswith(OURS) else made
    if python in known:
        return known[python]
    code = python.__code__.replace(co_consts=tuple(map(constant, python.__code__.co_consts)))
    space = dict(python.__globals__)
    cells = python.__closure__ and tuple([types.CellType() for _ in python.__closure__])
    text = types.FunctionType(code, space, python.__name__, single(python.__defaults__, made), cells)
    text.__qualname__, text.__module__ = python.__qualname__, python.__module__
    known[python] = njit(**FLAGS)(text)
    for word in code.co_names:
        if word in space:
            space[word] = single(space[word], made)
    space["float"] = np.float32
    for old, new in zip(python.__closure__ or (), cells or ()):
        new.cell_contents = single(old.cell_contents, made)
    return known[python]


def constant(value):
    """A constant of code; docstrings and code within it stay."""
    return single(value) if isinstance(value, (float, tuple)) else value


ELEMENTARY = {name: getattr(EXACT, name) for name in ("exp", "expm1", "log", "log1p", "tanh")}
ELEMENTARY |= {f.__name__: in_single(f) for f in (sigmoid, softplus, logaddexp, cbrt)}
