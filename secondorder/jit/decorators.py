"""The decorators of the kernel language."""

import inspect

import numpy as np
from numba import njit
from numba.core.errors import TypingError

from secondorder.jit.cache import njit_keyed
from secondorder.jit.flags import JIT_DISABLED, KERNEL
from secondorder.lean import SeldomCompiler


def leaf(function):
    """Decorator for numerics that never see the objective: vectors, scalars, small matrices."""
    return njit(**KERNEL)(function)


def inlined(function):
    """A leaf so small that calling it costs more than doing it: LLVM is told to inline it."""
    return njit(forceinline=True, **KERNEL)(function)


def seldom(function):
    """A leaf or loop for what happens rarely: never inlined, compiled to little code in little time."""
    return njit(**KERNEL | {"pipeline_class": SeldomCompiler})(function)


def public(function):
    """Decorator for functions that users call, from Python and from their own compiled code, whatever the types.

    They allocate nothing. Each signature is compiled on first use and kept on disk; a call from Python with arguments
    that they cannot be compiled for is a TypeError, in a sentence.
    """
    dispatcher = njit_keyed(function, f"{function.__module__}.{function.__qualname__}", allocates=False)
    if JIT_DISABLED:
        return dispatcher
    compile_for = dispatcher._compile_for_args

    def compile_or_say(*args, **keywords):
        try:
            return compile_for(*args, **keywords)
        except (TypingError, NotImplementedError) as error:
            names = inspect.signature(function).parameters
            given = [*zip(names, args, strict=False), *keywords.items()]
            shown = ", ".join(f"{name}: {described(value)}" for name, value in given)
            raise TypeError(
                f"{function.__name__}({', '.join(names)}) takes arrays of NumPy: float64 or float32, classes of int, "
                f"of the shapes in its docstring; it got {shown}. np.asarray makes arrays of lists"
            ) from error

    dispatcher._compile_for_args = compile_or_say
    return dispatcher


def described(value):
    """A value by its type and shape."""
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else f"{value!r:.50}"


def loop(function):
    """Decorator for numerics that receive the objective (or a search) as an argument."""
    return njit(**KERNEL)(function)
