"""The complex step: f(x + i h v) = f(x) + i h f'(x) v + O(h^2), exact to rounding for h = 1e-30 [1].

The function itself is run on complex numbers, with twins of NumPy and math that are analytic where those aren't: abs,
hypot, norm, comparisons by the real part. Nothing of the derivatives under test is used.

References
----------
[1] Squire, Trapp. Using complex variables to estimate derivatives of real functions. SIAM Review 40 (1998) 110-112.
"""

import builtins
import math
import operator
import types
import warnings

import numpy as np
import scipy.special

from secondorder import elementary, jit
from secondorder.jit import plus

STEP = 1e-30


def slope(function, x, direction):
    """The derivative along a direction of function(x), a number or an array, where function is or calls a twin."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        return np.imag(function(x + 1j * STEP * direction)) / STEP


def twin(function, known=None):
    """The function with analytic NumPy, math and builtins, and twins of the functions that it calls."""
    known = {} if known is None else known
    function = getattr(function, "py_func", function)
    if function in known:
        return known[function]
    names = {"__builtins__": {**vars(builtins), **BUILTINS}}
    made = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    made.__kwdefaults__ = function.__kwdefaults__
    known[function] = made
    for name in every_name(function.__code__):
        if name in function.__globals__:
            names[name] = analytic(function.__globals__[name], known)
    cells = tuple(types.CellType(analytic(c.cell_contents, known)) for c in function.__closure__ or ())
    known[function] = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, cells)
    known[function].__kwdefaults__ = function.__kwdefaults__
    if function.__name__ in names:
        names[function.__name__] = known[function]
    return known[function]


def every_name(code):
    """Global names of a function's code and of those nested in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from every_name(constant)


def analytic(value, known):
    """The twin of a module, a function, or the value itself."""
    if value is np or value is elementary:
        return Module(np, NUMPY)
    if value is math:
        return Module(math, MATH)
    if value is plus:
        return operator.add
    for name, made in LOCAL_ARRAYS.items():
        if value is getattr(jit, name):
            return twin(made, known)
    if isinstance(getattr(value, "py_func", value), types.FunctionType):
        return twin(value, known)
    for table, module in ((MATH, math), (NUMPY, np)):
        for name, made in table.items():
            if value is getattr(module, name, None):
                return made
    return value


class Module:
    """A module with some of its functions replaced."""

    def __init__(self, module, replaced):
        self.module, self.replaced = module, replaced

    def __getattr__(self, name):
        return self.replaced[name] if name in self.replaced else getattr(self.module, name)


def absolute(z):
    return np.where(np.real(z) < 0, -z, z) + 0 if np.ndim(z) else (-z if z.real < 0 else z)


def hypot(a, b):
    return np.sqrt(a * a + b * b)


def arctan2(a, b):
    """Continued from the real axis: its derivative is (b da - a db) / (a^2 + b^2)."""
    at_real = np.arctan2(np.real(a), np.real(b))
    slope = np.real(b) * np.imag(a) - np.real(a) * np.imag(b)
    return at_real + 1j * slope / (np.real(a) ** 2 + np.real(b) ** 2)


def modulo(a, b):
    return a - b * np.floor(np.real(a) / np.real(b))


def logaddexp(a, b):
    high, low = np.where(np.real(a) > np.real(b), a, b), np.where(np.real(a) > np.real(b), b, a)
    return high + np.log(1.0 + np.exp(low - high))


def cbrt(z):
    return np.sign(np.real(z)) * np.power(absolute(z) + 0j, 1.0 / 3.0)


def variance(z):
    return np.mean((z - np.mean(z)) ** 2)


def new(make):
    """A function that allocates: complex instead of float."""

    def made(shape, dtype=float):
        return make(shape, dtype=complex if np.dtype(dtype).kind == "f" else dtype)

    return made


def array(value, dtype=None):
    made = np.array(value, dtype=None if dtype in (float, np.float64) else dtype)
    return made.astype(complex) if made.dtype.kind == "f" else made


def full(shape, value):
    return np.full(shape, value, dtype=complex)


# in the interpreter, what makes arrays on the stack of compiled functions
LOCAL_ARRAYS = {
    "local_floats": lambda rows, columns: np.empty((rows, columns)),
    "local_integers": lambda rows, columns: np.empty((rows, columns), np.int64),
    "local_booleans": lambda rows, columns: np.empty((rows, columns), np.bool_),
}


def real(function):
    """A function with derivative zero."""
    return lambda z: function(z.real)


def inner(a, b):
    return np.dot(a, b)


def norm(a):
    return np.sqrt(np.sum(a * a))


def like(fill):
    return lambda z: np.full(np.shape(z), fill, dtype=complex)


NUMPY = {
    "abs": absolute,
    "absolute": absolute,
    "fabs": absolute,
    "hypot": hypot,
    "arctan2": arctan2,
    "mod": modulo,
    "logaddexp": logaddexp,
    "cbrt": cbrt,
    "var": variance,
    "std": lambda z: np.sqrt(variance(z)),
    "sign": lambda z: np.sign(np.real(z)),
    "floor": lambda z: np.floor(np.real(z)),
    "ceil": lambda z: np.ceil(np.real(z)),
    "rint": lambda z: np.rint(np.real(z)),
    "zeros": new(np.zeros),
    "ones": new(np.ones),
    "empty": new(np.empty),
    "eye": new(np.eye),
    "zeros_like": like(0.0),
    "ones_like": like(1.0),
    "empty_like": like(np.nan),
    "array": array,
    "full": full,
    "vdot": inner,
    "inner": inner,
    "linalg": Module(np.linalg, {"norm": norm}),
}
MATH = {name: getattr(np, name) for name in ("sqrt", "exp", "expm1", "log", "log1p", "log2", "log10")}
MATH |= {name: getattr(np, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")}
MATH |= {name: getattr(np, name.replace("a", "arc", 1)) for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh")}
MATH |= {
    "fabs": absolute,
    "hypot": hypot,
    "atan2": arctan2,
    "cbrt": cbrt,
    "erf": scipy.special.erf,
    "erfc": lambda z: 1.0 - scipy.special.erf(z),
    "floor": real(math.floor),
    "ceil": real(math.ceil),
    "trunc": real(math.trunc),
    "pow": lambda a, b: a**b,
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "fsum": np.sum,
}
BUILTINS = {"abs": absolute, "int": real(int), "float": lambda z: z if np.iscomplexobj(z) else float(z)}
