"""Functions that Numba has compiled or will compile, and the Python inside them."""

import weakref
from types import FunctionType as FunctionOfPython

import numpy as np
from numba import njit
from numba.core.caching import NullCache
from numba.core.compiler import Compiler
from numba.core.dispatcher import Dispatcher
from numba.core.registry import CPUDispatcher

from secondorder.jit.flags import JIT_DISABLED


def is_compiled(function):
    """Is this a function that Numba has compiled or will compile?"""
    return isinstance(function, Dispatcher)


def is_made_of_text(function):
    """Is it what its Python says, and no more? Not so a function whose text depends on types, or an overload."""
    return type(function) is (FunctionOfPython if JIT_DISABLED else CPUDispatcher)


def plain(function):
    """The Python function inside a compiled one; or itself."""
    return getattr(function, "py_func", function)


def full_name(function):
    """Module and name of a function, compiled or not."""
    function = plain(function)
    return f"{function.__module__}.{function.__qualname__}"


def entry_point(dispatcher):
    """The compiled function as Python calls it, without the dispatcher's look at the types of its arguments.

    Where the compiler is off, its arithmetic is as silent as compiled arithmetic: kernels test for inf and nan
    themselves.
    """
    if JIT_DISABLED:
        return np.errstate(all="ignore")(dispatcher)
    return next(iter(dispatcher.overloads.values())).entry_point


CALLEE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_callees = weakref.WeakKeyDictionary()


def callee(function):
    """A user's function for compiled code to call: without machine code of its own and wrappers, which take time.

    That is another dispatcher: the user's own compiles when Python calls it. Where it is compiled already, or cached on
    disk, or compiled in a way of its own, compiled code gets that one.
    """
    if not is_compiled(function):
        return njit(**CALLEE)(function)
    if function.overloads or type(function) is not CPUDispatcher or not isinstance(function._cache, NullCache):
        return function
    if function._compiler.pipeline_class is not Compiler:
        return function
    if function not in _callees:
        _callees[function] = CPUDispatcher(function.py_func, function.locals, function.targetoptions | CALLEE)
    return _callees[function]
