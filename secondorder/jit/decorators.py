"""The decorators of the kernel language."""

from numba import njit

from secondorder.jit.cache import njit_keyed
from secondorder.jit.flags import KERNEL
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

    They allocate nothing. Each signature is compiled on first use and kept on disk.
    """
    return njit_keyed(function, f"{function.__module__}.{function.__qualname__}", allocates=False)


def loop(function):
    """Decorator for numerics that receive the objective (or a search) as an argument."""
    return njit(**KERNEL)(function)
