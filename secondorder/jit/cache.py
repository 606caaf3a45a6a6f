"""Compiled code on disk: one stamp over all sources, and functions compiled for one signature or loaded from there."""

import contextlib
import functools
import hashlib
import os
import pathlib
import pickle
import warnings

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import config, njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

from secondorder.jit.dispatchers import plain
from secondorder.jit.flags import BRIDGE, CALLED, ENTRY, FLAGS, JIT_DISABLED, KERNEL, PARALLEL, TRAMPOLINE
from secondorder.lean import quicker_compilation

PACKAGE = pathlib.Path(__file__).parents[1]
CACHE_FAULTS = (OSError, EOFError, pickle.UnpicklingError, RuntimeError, ValueError, AttributeError, ImportError)


@functools.cache
def source_stamp():
    """SHA-256 over every source file of the package and the versions underneath.

    Numba's own stamp covers only the file of the function: after an upgrade that changes a callee in another file it
    would go on giving the old answers.
    """
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def cache_root():
    """Folder of all compile caches of this user: $NUMBA_CACHE_DIR, else $XDG_CACHE_HOME or ~/.cache."""
    base = config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(base) / "secondorder"


def cache_folder():
    """Folder of the cache for this very source, Numba and processor."""
    return cache_root() / f"{source_stamp()[:16]}-{llvm.get_host_cpu_name()}"


class _Locator(_CacheLocator):
    def __init__(self, function):
        self._line = function.__code__.co_firstlineno

    def get_cache_path(self):
        return str(cache_folder())

    def get_source_stamp(self):
        return source_stamp()

    def get_disambiguator(self):
        return str(self._line)

    def ensure_cache_path(self):
        # 0700: the cache is pickled code, so nobody else may write it
        os.makedirs(self.get_cache_path(), mode=0o700, exist_ok=True)
        super().ensure_cache_path()

    @classmethod
    def from_function(cls, function, path):
        locator = cls(function)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes = [_Locator]


class _PackageCache(FunctionCache):
    _impl_class = _CacheImpl


class _ParallelLocator(_Locator):
    """Other files than those of the same function without threads: Numba's key does not hold the flags."""

    def get_disambiguator(self):
        return f"{self._line}-parallel"


class _ParallelCacheImpl(CompileResultCacheImpl):
    _locator_classes = [_ParallelLocator]


class _ParallelCache(FunctionCache):
    _impl_class = _ParallelCacheImpl


def keyed_cache(function, key):
    """A cache in the package's folder for code that depends on what `key` says."""

    class Locator(_Locator):
        def get_source_stamp(self):
            return f"{source_stamp()} {key}"

        def get_disambiguator(self):
            return key[:24]

    class Impl(CompileResultCacheImpl):
        _locator_classes = [Locator]

    class Cache(FunctionCache):
        _impl_class = Impl

        def load_overload(self, sig, target_context):
            # a fault is a miss: code that calls a function of a module that this process can't import, say
            with contextlib.suppress(*CACHE_FAULTS):
                return super().load_overload(sig, target_context)
            return None

        def _index_key(self, signature, codegen):
            # Numba's would hash the closure, which holds intrinsics with a name of their own in every process
            return signature, codegen.magic_tuple(), key

    return Cache(function)


@functools.cache
def compiled(function, signature, flags="kernel"):
    """`function` compiled for one signature, loaded from disk if possible. Any fault of the cache only costs time."""
    options = {"kernel": KERNEL, "entry": ENTRY, "bridge": BRIDGE, "parallel": PARALLEL, "called": CALLED}[flags]
    if JIT_DISABLED:
        return function
    function = plain(function)
    dispatcher = njit(**options)(function)
    try:
        dispatcher._cache = (_ParallelCache if flags == "parallel" else _PackageCache)(function)
        with contextlib.nullcontext() if flags == "parallel" else quicker_compilation():
            dispatcher.compile(signature)
    except CACHE_FAULTS as fault:
        _warn_once(
            type(fault),
            f"secondorder: the compile cache in {cache_root()} is unusable ({type(fault).__name__}: {fault}); "
            "compiling in memory. Set NUMBA_CACHE_DIR to a writable folder, or run "
            "`python -m secondorder cache --clear`.",
        )
        dispatcher = njit(**options)(function)
        dispatcher.compile(signature)
    dispatcher.disable_compile()
    return dispatcher


def typed(function, signature, key=None, flags=TRAMPOLINE):
    """`function` compiled for one signature: for what belongs to one objective.

    In memory; with a key, which stands for all that the code depends on, from the disk cache if it is there.
    """
    if JIT_DISABLED:
        return function
    dispatcher = njit(**flags)(function)
    if key is not None:
        with contextlib.suppress(*CACHE_FAULTS):
            dispatcher._cache = keyed_cache(function, key)
    try:
        with contextlib.nullcontext() if "parallel" in flags else quicker_compilation():
            dispatcher.compile(signature)
    except CACHE_FAULTS:
        if key is None:
            raise
        return typed(function, signature, flags=flags)
    dispatcher.disable_compile()
    return dispatcher


def njit_keyed(function, key, allocates=True):
    """`function` as njit makes it, its compiled code from the disk cache if it is there. key: see `typed`.

    allocates=False: without Numba's runtime, where an allocation is a compile error.
    """
    dispatcher = njit(**FLAGS, **({} if allocates else {"_nrt": False}))(function)
    if not JIT_DISABLED:
        with contextlib.suppress(*CACHE_FAULTS):
            dispatcher._cache = keyed_cache(function, key)
    return dispatcher


_warned = set()


def _warn_once(subject, text):
    """One warning a subject and process."""
    if subject not in _warned:
        _warned.add(subject)
        warnings.warn(text, RuntimeWarning, stacklevel=4)
