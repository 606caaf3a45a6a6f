"""Kernels as Python calls them."""

import functools

from secondorder.jit import ENTRY, typed


def entry(function, result, *arguments):
    """The kernel for Python, of these types; compiled by its first call, so that to collect tests compiles nothing.

    Without reference counting, as in kernels: views that these return are nobody's to give back.
    """
    compiled = functools.cache(lambda: typed(function, result(*arguments), flags=ENTRY))
    return lambda *given: compiled()(*given)
