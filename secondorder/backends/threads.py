"""Which kernels a run on long vectors gets: with threads, where threads help and are safe, or without.

The answer changes no bit (see `linalg.chunks`), so it may depend on the moment: Numba's number of threads
(NUMBA_NUM_THREADS, numba.set_num_threads), its threading layer, the process. Threads are not used

    with "workqueue", the layer of last resort, which aborts the process if two Python threads use it at once;
    in the child of a fork if Numba's threads were running before it: GNU OpenMP ends such a child.
"""

import functools
import multiprocessing
import os

import numba
from numba.np.ufunc import parallel

from secondorder.jit import JIT_DISABLED, address_of, compiled
from secondorder.linalg import chunks

SHARED = 100_000  # variables from which threads take part: starting and awaiting them takes some 5 us each time


def most():
    """Numba's threads, at most."""
    return numba.config.NUMBA_NUM_THREADS


def layer():
    """Numba's threading layer: the one that runs, or the setting if none has started."""
    try:
        return numba.threading_layer()
    except ValueError:
        return f"{numba.config.THREADING_LAYER}, not started"


def running():
    """Has Numba started its threads in this process, or in one that this is a fork of?"""
    return parallel._is_initialized


def forked_pool_worker():
    """Is this a process that multiprocessing has forked?"""
    return multiprocessing.parent_process() is not None and multiprocessing.get_start_method(True) != "spawn"


_inherited = running() and forked_pool_worker()  # the fork may have come before this import


def after_fork():
    """In the child."""
    global _inherited
    _inherited = running()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)


def useful():
    """May threads be used now, and are there two or more?"""
    if JIT_DISABLED or _inherited or numba.config.NUMBA_NUM_THREADS < 2:
        return False
    try:
        return numba.get_num_threads() > 1 and numba.threading_layer() != "workqueue"
    except (ValueError, ImportError):  # the layer that was asked for is not installed
        return False


@functools.cache
def addresses(threads):
    """Addresses of the compiled kernels, in the order of KERNELS."""
    flags = "parallel" if threads else "kernel"
    return [address_of(compiled(kernel, signature, flags), signature) for kernel, signature in chunks.KERNELS.items()]


def kernels_for(n):
    """Addresses of the kernels for vectors of length n, in the order of KERNELS."""
    return addresses(n >= SHARED and useful())
