"""The one place that knows Numba: its flags, function types, addresses, the compile cache, the clock and signals.

A solver here is compiled once, for *typed functions* (`numba.types.FunctionType`), cached on disk, and then serves
every objective: the objective reaches it as the address of compiled code. What each part gives:

    leaf, loop, inlined, seldom  decorators of the kernel language; public: of functions that users call
    FUN, FUN_GRAD, ...      signatures of the functions that solvers receive
    compiled(f, signature)  f compiled for one signature, from the disk cache if it is there
    address_of, function_at a typed function <-> an integer
    Native, reference_at    a tuple in native form, and the one word that compiled code passes on in its place
    Pinned                  a tuple of user arguments, kept where compiled code can load it from an address
    borrowed                an array without an owner: passing it on costs no reference counting
    vector_of(dtype)        the same array; what is no contiguous, writable vector of this type doesn't compile
    floats_at, integers_at, booleans_at, rows_at, spaced_at, reshaped   arrays in memory that is there already
    local_floats, local_integers, local_booleans    small arrays on the stack
    monotonic_ns, run_pending_signals, atomic_load
    muladd, bits_of, float_of, single_of   arithmetic that the elementary functions are made of
    prefetch, touch         an address's cache line is asked for; the byte there is read, so that it is near
    plus(a, b)              a + b, which LLVM may put in another order with other such additions
    fixed_tuple(a, n)       the first n elements of an array as a tuple; n is known when it is compiled

Under NUMBA_DISABLE_JIT=1 all of it degrades to plain Python, where an "address" is the function itself.
"""

import contextlib
import dataclasses
import functools
import hashlib
import inspect
import math
import os
import pathlib
import pickle
import struct
import time
import warnings
import weakref
from types import FunctionType as FunctionOfPython

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import config, njit, prange, types  # noqa: F401 - prange for kernels
from numba.core import cgutils
from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache, _CacheLocator
from numba.core.compiler import Compiler
from numba.core.cpu import CPUContext
from numba.core.dispatcher import Dispatcher
from numba.core.errors import TypingError
from numba.core.imputils import lower_getattr_generic
from numba.core.registry import CPUDispatcher
from numba.core.types import FunctionType
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.experimental.function_type import _get_jit_address
from numba.extending import intrinsic, models, overload, register_jitable, register_model
from numba.np.arrayobj import populate_array
from numba.np.unsafe.ndarray import to_fixed_tuple

from secondorder.lean import DistinctCompiler, KernelCompiler, SeldomCompiler, quicker_compilation

JIT_DISABLED = bool(config.DISABLE_JIT)

# error_model="numpy" on every function: the default raises ZeroDivisionError from compiled code.
FLAGS = {"error_model": "numpy", "nogil": True}
# Kernels also do without Numba's runtime: no reference counting, and an allocation in a kernel fails to compile.
KERNEL_FLAGS = FLAGS | {"_nrt": False, "pipeline_class": KernelCompiler}
ENTRY = KERNEL_FLAGS | {"no_cfunc_wrapper": True}  # called from Python, by way of its address never
KERNEL = ENTRY | {"no_cpython_wrapper": True}  # called from compiled code only
DISTINCT = KERNEL | {"pipeline_class": DistinctCompiler}  # whose arrays share no memory
# Numba's own rewriting of array expressions, which could change sums with the number of threads, stays off.
_REWRITES = ("comprehension", "reduction", "inplace_binop", "setitem", "numpy", "stencil", "fusion")
_THREADS = {"parallel": dict.fromkeys(_REWRITES, False) | {"prange": True}}  # prange is threads
PARALLEL = FLAGS | {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True} | _THREADS
BRIDGE = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # may allocate: the user's side
CALLED = FLAGS | {"no_cfunc_wrapper": True}  # called from Python, and may allocate
TRAMPOLINE = BRIDGE | {"pipeline_class": KernelCompiler}  # the same for code of ours
THREADED = BRIDGE | _THREADS  # the same with threads


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


# ------------------------------------------------------------------------------------------------ function types

f8 = types.float64
boolean = types.boolean
f4 = types.float32
intp = types.intp
vector = types.Array(f8, 1, "C")
matrix = types.Array(f8, 2, "C")
integers = types.Array(types.int64, 1, "C")
NO_ARGS = types.Tuple(())
data_t = types.UniTuple(intp, 2)  # (address of what the objective needs, item in a batch or a sum)

FUN = f8(vector, data_t)  # fun(x, data) -> f
FUN_GRAD = f8(vector, vector, data_t)  # fun_grad(x, g, data) -> f, writes g
HVP = f8(vector, vector, vector, data_t)  # hvp(x, v, out, data) -> 0.0, writes out = H(x) v
HESS = f8(vector, matrix, data_t)  # hess(x, H, data) -> 0.0, writes H = H(x)
RESIDUAL = f8(vector, vector, data_t)  # residual(x, r, data) -> 0.0, writes r (m,)
JACOBIAN = f8(vector, vector, matrix, data_t)  # jacobian(x, r, J, data) -> 0.0, writes J by columns (n, m); r = r(x)
PRODUCT = HVP  # jvp(x, v, u, data), u (m,) <- J v; vjp(x, u, v, data), v (n,) <- J'u
LOSS = f8(vector, matrix, data_t)  # loss(z, rho, data) -> 0.0, writes rho (3, m): rho, rho', rho'' at z


def tuple_type(*kinds):
    """Numba type of a plain tuple."""
    return types.Tuple(kinds)


def namedtuple_type(cls, fields=None):
    """Numba type of a NamedTuple class whose annotations are float, int, bool or NamedTuple of those."""
    numba_of = {float: f8, int: types.int64, bool: types.boolean}
    kinds = fields or [numba_of[kind] for kind in cls.__annotations__.values()]
    if kinds and all(kind == kinds[0] for kind in kinds):
        return types.NamedUniTuple(kinds[0], len(kinds), cls)
    return types.NamedTuple(kinds, cls)


# -------------------------------------------------------------------------------------------------- the cache

PACKAGE = pathlib.Path(__file__).parent


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


class _ParallelLocator(_Locator):
    """Other files than those of the same function without threads: Numba's key does not hold the flags."""

    def get_disambiguator(self):
        return f"{self._line}-parallel"


class _ParallelCacheImpl(CompileResultCacheImpl):
    _locator_classes = [_ParallelLocator]


class _ParallelCache(FunctionCache):
    _impl_class = _ParallelCacheImpl


CACHE_FAULTS = (OSError, EOFError, pickle.UnpicklingError, RuntimeError, ValueError, AttributeError, ImportError)


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


_warned = set()


def _warn_once(subject, text):
    """One warning a subject and process."""
    if subject not in _warned:
        _warned.add(subject)
        warnings.warn(text, RuntimeWarning, stacklevel=4)


# -------------------------------------------------------------------------------- typed functions as integers


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


def address_of(dispatcher, signature):
    """Address of a function compiled for `signature`; the caller keeps the dispatcher alive."""
    return dispatcher if JIT_DISABLED else _get_jit_address(dispatcher, signature)


def entry_point(dispatcher):
    """The compiled function as Python calls it, without the dispatcher's look at the types of its arguments.

    Where the compiler is off, its arithmetic is as silent as compiled arithmetic: kernels test for inf and nan
    themselves.
    """
    if JIT_DISABLED:
        return np.errstate(all="ignore")(dispatcher)
    return next(iter(dispatcher.overloads.values())).entry_point


def _function_value(context, builder, kind, address):
    """The first-class function value of type `kind` for compiled code at `address`."""
    function = cgutils.create_struct_proxy(kind)(context, builder)
    function.jit_addr = function.c_addr = builder.inttoptr(address, cgutils.voidptr_t)
    function.py_addr = cgutils.get_null_value(function.py_addr.type)
    return function._getvalue()


def _function_loader(signature):
    kind = FunctionType(signature)

    @intrinsic
    def load(typingctx, address):
        def codegen(context, builder, sig, args):
            return _function_value(context, builder, kind, args[0])

        return kind(intp), codegen

    return load


@functools.cache
def function_at(signature):
    """Intrinsic: address -> callable typed function of this signature."""
    return (lambda address: address) if JIT_DISABLED else _function_loader(signature)


@functools.cache
def caller(signature):
    """Function (address, ...) that calls the typed function at this address.

    On CUDA nothing has an address: there it compiles to nothing, and may not be reached.
    """
    if JIT_DISABLED:
        return lambda function, *args: function(*args)
    names = ", ".join([f"a{k}" for k in range(len(signature.args))])
    zeros = {f8: 0.0, f4: np.float32(0.0), intp: 0}
    space = {"at": function_at(signature)} | {f"zero_{kind}": value for kind, value in zeros.items()}
    stub, call, *nothing = [
        eval(f"lambda address, {names}: {body}", space)
        for body in ("None", f"at(address)({names})", *[f"zero_{kind}" for kind in zeros])
    ]
    nothing = dict(zip(zeros, nothing))

    def made_nothing(*kinds):
        of_single = any(getattr(kind, "dtype", None) == f4 for kind in kinds)
        return nothing[f4 if of_single and signature.return_type == f8 else signature.return_type]

    space |= {"call": call, "made_nothing": made_nothing}
    overload(stub, target="cpu", jit_options={"_nrt": False})(eval(f"lambda address, {names}: call", space))
    overload(stub, target="cuda")(eval(f"lambda address, {names}: made_nothing({names})", space))
    return stub


if JIT_DISABLED:

    def call_product(function, x, v, out, data):
        """function(x, v, out, data)."""
        function(x, v, out, data)

else:

    def call_product(address, x, v, out, data):
        """Call the typed product at this address, in compiled code.

        Solvers that are compiled together with their objective (`kernels`) have data of another type, and no such
        product: for these it compiles to nothing.
        """

    @overload(call_product, jit_options={"_nrt": False})
    def _call_product(address, x, v, out, data):
        if data != data_t:
            return lambda address, x, v, out, data: None
        product_at = function_at(HVP)

        def call(address, x, v, out, data):
            product_at(address)(x, v, out, data)

        return call


# ------------------------------------------------------------------------------------------- tuples by address


class Reference(types.Type):
    """Numba type of the address of a tuple, whose fields are read by name as the tuple's own.

    A tuple passed by value is pushed field by field, an array of it in seven words: a search used to get a hundred.
    """

    def __init__(self, pointee):
        self.pointee = pointee
        # by its name Numba tells types apart, and two classes called Options may have fields of the same types
        fields = ", ".join(getattr(pointee, "fields", ()))
        super().__init__(name=f"Reference({pointee}: {fields})")


ANY = Reference(types.void)  # for code that only passes it on


@register_model(Reference)
class _ReferenceModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, cgutils.voidptr_t)


@infer_getattr
class _ReferenceFields(AttributeTemplate):
    key = Reference

    def generic_resolve(self, kind, name):
        fields = getattr(kind.pointee, "fields", ())
        return kind.pointee.types[fields.index(name)] if name in fields else None


@lower_getattr_generic(Reference)
def _read_field(context, builder, kind, address, name):
    pointer = builder.bitcast(address, context.get_value_type(kind.pointee).as_pointer())
    return builder.load(cgutils.gep_inbounds(builder, pointer, 0, kind.pointee.fields.index(name)))


@functools.cache
def reference_at(kind):
    """Intrinsic: address -> a value of the type `kind`, a Reference."""
    if JIT_DISABLED:
        return lambda address: address

    @intrinsic
    def load(typingctx, address):
        def codegen(context, builder, sig, args):
            return builder.inttoptr(args[0], cgutils.voidptr_t)

        return kind(types.intp), codegen

    return load


class Native:
    """A tuple of numbers and arrays as compiled code lays it out, at a fixed address, while this object lives."""

    def __init__(self, values):
        self.values = self.address = values
        if JIT_DISABLED:
            return
        annotations = getattr(type(values), "__annotations__", None)
        kinds = annotations.values() if annotations else [object] * len(values)
        layout, flat = "@", []
        for value, kind in zip(values, kinds, strict=True):
            if isinstance(value, np.ndarray):  # meminfo, parent, size, itemsize, data, shape, strides
                words = (0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)
            else:
                words = (value,)
            layout += {float: "d", bool: "?"}.get(kind, "q") * len(words)
            flat += words
        packed = struct.pack(layout, *flat)
        self._buffer = np.frombuffer(packed.ljust(-(-len(packed) // 8) * 8, b"\0"), np.int64).copy()
        self.address = self._buffer.ctypes.data


# ------------------------------------------------------------------------------------------- the user's args

_tuple_types = {}


def type_of(args):
    """Numba type of a tuple of arguments, or None if there is none."""
    if not args:
        return NO_ARGS
    # typeof takes some 10 us: arrays are looked up by the properties that make their type
    key = tuple([(a.dtype, a.ndim, a.flags.num) if type(a) is np.ndarray else type(a) for a in args])
    plain = all(kind in (int, float, bool, complex) or type(kind) is tuple for kind in key)
    if plain and key in _tuple_types:
        return _tuple_types[key]
    try:
        kind = numba.typeof(args)
    except (ValueError, TypeError):
        return None
    if plain:
        _tuple_types[key] = kind
    return kind


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


@intrinsic
def _store(typingctx, value, address):
    """Put a native copy of `value`, with a reference of its own, at `address`."""

    def codegen(context, builder, sig, args):
        kind = sig.args[0]
        context.nrt.incref(builder, kind, args[0])
        builder.store(args[0], builder.inttoptr(args[1], context.get_value_type(kind).as_pointer()))
        return context.get_dummy_value()

    return types.void(value, types.intp), codegen


@intrinsic
def _size_of(typingctx, value):
    """Bytes that the native form of `value` takes."""

    def codegen(context, builder, sig, args):
        return context.get_constant(types.intp, context.get_abi_sizeof(context.get_value_type(sig.args[0])))

    return types.intp(value), codegen


def _stored(context, builder, kind, address):
    """The value of type `kind` in native form at an address."""
    return builder.load(builder.inttoptr(address, context.get_value_type(kind).as_pointer()))


@functools.cache
def loader(kind):
    """Intrinsic: address -> the value of Numba type `kind` that was stored there."""
    if JIT_DISABLED:
        return lambda address: address or ()

    @intrinsic
    def load(typingctx, address):
        def codegen(context, builder, sig, args):
            if kind == NO_ARGS:
                return context.get_constant_null(kind)
            value = _stored(context, builder, kind, args[0])
            if context.enable_nrt:
                context.nrt.incref(builder, kind, value)
            return value

        return kind(types.intp), codegen

    return load


@functools.cache
def _lender(kind):
    """Intrinsic: address -> the tuple of type `kind` that was stored there, its arrays without their owners.

    The caller of the solver holds them. With owners each call of the user's function would count references up and
    down, in words that all threads of a batch share: two threads were slower than one.
    """
    if JIT_DISABLED:
        return lambda address: address or ()

    @intrinsic
    def load(typingctx, address):
        def codegen(context, builder, sig, args):
            if kind == NO_ARGS:
                return context.get_constant_null(kind)
            whole = _stored(context, builder, kind, args[0])
            for i, part in enumerate(kind):
                value = builder.extract_value(whole, i)
                if isinstance(part, types.Array):
                    whole = builder.insert_value(whole, _without_owner(context, builder, part, value), i)
                elif context.enable_nrt:
                    context.nrt.incref(builder, part, value)
            return whole

        return kind(types.intp), codegen

    return load


def _without_owner(context, builder, kind, array):
    """The array as LLVM has it, with no owner: nothing is counted when it is passed on."""
    view = context.make_array(kind)(context, builder, array)
    view.meminfo = cgutils.get_null_value(view.meminfo.type)
    view.parent = cgutils.get_null_value(view.parent.type)
    return view._getvalue()


@dataclasses.dataclass(frozen=True)
class Batched:
    """Type of the args of a batch: of those in `split` each problem gets its own entry along the first axis."""

    whole: types.BaseTuple  # as they were given
    split: tuple  # of bool

    def __iter__(self):
        """The types that the user's function is called with."""
        return iter([_entry_type(kind) if split else kind for kind, split in zip(self.whole, self.split)])


def _entry_type(array):
    """Numba type of array[i]."""
    if array.ndim == 1:
        return array.dtype
    return types.Array(array.dtype, array.ndim - 1, array.layout if array.layout == "C" else "A")


@functools.cache
def arguments(kind):
    """What compiled code calls as load(data) for the user's args: of this type, or those of one problem of a batch."""
    load = _lender(kind.whole if isinstance(kind, Batched) else kind)
    if not isinstance(kind, Batched):
        return register_jitable(lambda data: load(data[0]))
    parts = ", ".join(f"args[{i}][item]" if split else f"args[{i}]" for i, split in enumerate(kind.split))
    pick = register_jitable(eval(f"lambda args, item: ({parts},)"))
    return register_jitable(lambda data: pick(load(data[0]), data[1]))


@functools.cache
def _releaser(kind):
    load = loader(kind)

    @intrinsic
    def drop(typingctx, value):
        def codegen(context, builder, sig, args):
            context.nrt.decref(builder, sig.args[0], args[0])
            return context.get_dummy_value()

        return types.void(value), codegen

    @njit(types.void(types.intp))
    def release(address):
        drop(load(address))

    return release


@njit
def _native_size(value):
    return _size_of(value)


@njit
def _pin(value, words):
    address = words.ctypes.data
    _store(value, address)
    return address


_layouts = {}  # by the number that Numba has given to a type: its hash takes longer than the rest of a Pinned


class Pinned:
    """A tuple of user arguments in native form at a fixed address, while this object lives.

    Compiled trampolines load the tuple from `address`, so that no solver is recompiled for new argument types.
    """

    def __init__(self, args, kind):
        self.args = args
        self.address = 0
        if not args:
            return
        if JIT_DISABLED:
            self.address = args
            return
        layout = _layouts.get(kind._code)
        if layout is None:
            # one word more than the size: the buffer is aligned to 16 like any allocation of this size
            layout = _layouts[kind._code] = _native_size(args) // 8 + 2, _releaser(kind)
        words, self._release = layout
        self._buffer = np.empty(words, np.int64)
        self.address = _pin(args, self._buffer)

    def close(self):
        """Give back the references taken."""
        if self.address and not JIT_DISABLED:
            self._release(self.address)
        self.address = 0

    __del__ = close


# --------------------------------------------------------------------------------- intrinsics used by kernels

if JIT_DISABLED:

    def borrowed(array):
        """The array."""
        return array

    def vector_of(dtype):
        """A function that gives its array back."""
        return borrowed

    def atomic_load(array, index):
        """array[index]."""
        return array[index]

    def atomic_add(array, index, amount):
        """array[index] += amount; returns what it was before."""
        before = array[index]
        array[index] += amount
        return before

    def monotonic_ns():
        """Nanoseconds of the system's monotonic clock."""
        return time.monotonic_ns()

    def run_pending_signals():
        """0: the interpreter runs them between bytecodes."""
        return 0

    def muladd(a, b, c):
        """a b + c."""
        return a * b + c

    def prefetch(address):
        """Nothing."""

    def touch(address):
        """Nothing."""

    def plus(a, b):
        """a + b."""
        return a + b

    def bits_of(x):
        """The bits of a float as an integer; those of a float32 in its lower half."""
        integer, number = ("<i", "<f") if isinstance(x, np.float32) else ("<q", "<d")
        return struct.unpack(integer, struct.pack(number, x))[0]

    def single_of(bits):
        """The float32 with these bits."""
        return np.int32(bits).view(np.float32)

    def float_of(bits):
        """The float with these 64 bits; Python's integers have more, which are dropped as in int64."""
        return struct.unpack("<d", struct.pack("<Q", bits & (1 << 64) - 1))[0]

    def floats_at(workspace, start, shape):
        """The array of this shape in the words from start on."""
        return workspace[start : start + math.prod(shape)].reshape(shape)

    def integers_at(workspace, start, shape):
        """The same, of integers as long as its words."""
        return floats_at(workspace, start, shape).view(f"i{workspace.dtype.itemsize}")

    def booleans_at(workspace, start, shape):
        """The same, of bool: the first byte of each word."""
        rest = f"V{workspace.dtype.itemsize - 1}"
        return floats_at(workspace, start, shape).view([("flag", np.bool_), ("unused", rest)])["flag"]

    def spaced_at(words, start, shape, stride):
        """The array of this shape whose entries in order are every stride-th of a vector's, from start on."""
        return words[start : start + math.prod(shape) * stride : stride].reshape(shape)

    def rows_at(workspace, shape, distance):
        """The array of this shape in a workspace, from its first word on, whose rows begin `distance` words apart."""
        return workspace[: shape[0] * distance].reshape(shape[0], distance)[:, : shape[1]]

    def reshaped(array, shape):
        """The array in another shape."""
        return array.reshape(shape)

    def flattened(array):
        """Its entries in order."""
        return array.reshape(array.size)

    def fixed_tuple(array, n):
        """The first n elements."""
        return tuple(array[:n])

    def local_floats(rows, columns):
        """An array whose entries may be anything."""
        return np.empty((rows, columns))

    def local_integers(rows, columns):
        """The same, of int64."""
        return np.empty((rows, columns), np.int64)

    def local_booleans(rows, columns):
        """The same, of bool."""
        return np.empty((rows, columns), np.bool_)

else:
    fixed_tuple = to_fixed_tuple

    @intrinsic
    def muladd(typingctx, a, b, c):
        """a b + c, fused into one rounding exactly where the processor does that fast."""

        def codegen(context, builder, sig, args):
            double = ir.DoubleType()
            kind = ir.FunctionType(double, [double] * 3)
            return builder.call(builder.module.declare_intrinsic("llvm.fmuladd", [double], kind), args)

        return f8(f8, f8, f8), codegen

    @intrinsic
    def prefetch(typingctx, address):
        """Ask for the cache line at an address; the processor may be too busy to do it."""

        def codegen(context, builder, sig, args):
            word, pointer = ir.IntType(32), cgutils.voidptr_t
            kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
            function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
            # to read, into the second-level cache, data
            builder.call(function, [builder.inttoptr(args[0], pointer), word(0), word(2), word(1)])
            return context.get_dummy_value()

        return types.void(intp), codegen

    @intrinsic
    def touch(typingctx, address):
        """Read the byte at an address and forget it: its cache line is near afterwards."""

        def codegen(context, builder, sig, args):
            # atomic, or LLVM would leave it out
            builder.load_atomic(builder.inttoptr(args[0], cgutils.voidptr_t), "monotonic", 1)
            return context.get_dummy_value()

        return types.void(intp), codegen

    @intrinsic
    def plus(typingctx, a, b):
        """a + b, where the order of this and other such additions doesn't matter: a loop may keep partial sums.

        That concerns these additions alone; NaN and infinities stay what they are.
        """

        def codegen(context, builder, sig, args):
            return builder.fadd(*args, flags=("reassoc",))

        kind = f4 if a == b == f4 else f8
        return kind(kind, kind), codegen

    @intrinsic
    def bits_of(typingctx, x):
        """The bits of a float as an integer; those of a float32 in its lower half."""
        kind = f4 if x == f4 else f8

        def codegen(context, builder, sig, args):
            bits = builder.bitcast(args[0], ir.IntType(kind.bitwidth))
            return builder.zext(bits, ir.IntType(64)) if kind == f4 else bits

        return types.int64(kind), codegen

    @intrinsic
    def float_of(typingctx, bits):
        """The float with these 64 bits."""

        def codegen(context, builder, sig, args):
            return builder.bitcast(args[0], ir.DoubleType())

        return f8(types.int64), codegen

    @intrinsic
    def single_of(typingctx, bits):
        """The float32 with these bits, the lower half of the integer."""

        def codegen(context, builder, sig, args):
            return builder.bitcast(builder.trunc(args[0], ir.IntType(32)), ir.FloatType())

        return f4(types.int64), codegen

    @intrinsic
    def borrowed(typingctx, array):
        """The same array without its owner: valid while the caller's array lives; free to pass around."""

        def codegen(context, builder, sig, args):
            return _without_owner(context, builder, sig.args[0], args[0])

        return array(array), codegen

    @functools.cache
    def vector_of(dtype):
        """Intrinsic: the same array without its owner. A TypingError of one line, where others come of deep inside."""
        number = types.float64 if dtype == "float64" else types.float32

        @intrinsic
        def vector_of_floats(typingctx, array):
            if not (isinstance(array, types.Array) and array == types.Array(number, 1, "C", aligned=array.aligned)):
                raise TypingError(f"x and workspace must be contiguous, writable vectors of {dtype}; this is {array}")

            def codegen(context, builder, sig, args):
                return _without_owner(context, builder, sig.args[0], args[0])

            return array(array), codegen

        return vector_of_floats

    def _carver(dtypes):
        """Intrinsic: (workspace, start, shape) -> the array in the words from start on. dtypes: of words -> of entries.

        A word an entry, whatever the type, so a workspace may be strided. Slices and `reshape` would do, but not on
        CUDA, where Numba calls a C function for reshape; and both can raise.
        """

        @intrinsic
        def carve(typingctx, workspace, start, shape):
            if not (isinstance(workspace, types.Array) and workspace.ndim == 1 and workspace.dtype in dtypes):
                raise TypingError(f"the workspace must be an array of floats of one axis; it is {workspace}")
            dtype = dtypes[workspace.dtype]
            layout = "C" if workspace.layout == "C" and dtype != types.boolean else "A"
            result = types.Array(dtype, len(shape), layout)

            def codegen(context, builder, sig, args):
                words = context.make_array(workspace)(context, builder, args[0])
                lengths = _lengths(context, builder, sig.args[2], args[2])
                (stride,) = cgutils.unpack_tuple(builder, words.strides)
                first = context.cast(builder, args[1], sig.args[1], types.intp)
                data = cgutils.pointer_add(builder, words.data, builder.mul(first, stride))
                return _array_at(context, builder, result, data, lengths, stride)

            return result(workspace, start, shape), codegen

        return carve

    def _lengths(context, builder, kind, shape):
        """The lengths in a tuple, each as LLVM's intp."""
        parts = zip(cgutils.unpack_tuple(builder, shape), kind)
        return [context.cast(builder, part, of, types.intp) for part, of in parts]

    def _array_at(context, builder, kind, data, lengths, stride, rows=None):
        """An array without an owner whose entries in order are `stride` bytes apart, its rows `rows`, if given."""
        strides = [stride] if rows is None else [rows, stride]
        for length in lengths[:0:-1] if rows is None else ():
            strides.insert(0, builder.mul(strides[0], length))
        array = context.make_array(kind)(context, builder)
        populate_array(
            array,
            data=builder.bitcast(data, array.data.type),
            shape=cgutils.pack_array(builder, lengths),
            strides=cgutils.pack_array(builder, strides),
            itemsize=context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype))),
            meminfo=None,
        )
        return array._getvalue()

    floats_at = _carver({f8: f8, f4: f4})
    integers_at = _carver({f8: types.int64, f4: types.int32})
    booleans_at = _carver(dict.fromkeys((f8, f4), types.boolean))

    @intrinsic
    def spaced_at(typingctx, words, start, shape, stride):
        """The array of this shape whose entries in order are every stride-th of a vector's, from start on.

        Where shape and stride are constants, so are all distances from the first entry: one pointer serves the array.
        """
        result = types.Array(words.dtype, len(shape), "A")

        def codegen(context, builder, sig, args):
            array = context.make_array(words)(context, builder, args[0])
            first, step = [context.cast(builder, args[k], sig.args[k], types.intp) for k in (1, 3)]
            size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(words.dtype)))
            lengths = _lengths(context, builder, sig.args[2], args[2])
            data = builder.gep(array.data, [first])
            return _array_at(context, builder, result, data, lengths, builder.mul(step, size))

        return result(words, start, shape, stride), codegen

    @intrinsic
    def rows_at(typingctx, workspace, shape, distance):
        """The array of this shape in a workspace, from its first word on, whose rows begin `distance` words apart.

        In a contiguous workspace that has to be shape[1].
        """
        result = types.Array(workspace.dtype, 2, workspace.layout)

        def codegen(context, builder, sig, args):
            words = context.make_array(workspace)(context, builder, args[0])
            (stride,) = cgutils.unpack_tuple(builder, words.strides)
            lengths = _lengths(context, builder, sig.args[1], args[1])
            rows = builder.mul(context.cast(builder, args[2], sig.args[2], types.intp), stride)
            return _array_at(context, builder, result, words.data, lengths, stride, rows)

        return result(workspace, shape, distance), codegen

    def _local(dtype):
        """Intrinsic: (rows, columns), both literal -> an array on the stack, whose entries may be anything.

        It takes no time to make, and LLVM knows that nothing else lies there. Valid until the function returns.
        """

        @intrinsic(prefer_literal=True)
        def local(typingctx, rows, columns):
            if not all(isinstance(n, types.IntegerLiteral) for n in (rows, columns)):
                raise TypingError("the size of a local array must be literal")

            def codegen(context, builder, sig, args):
                lengths = [context.get_constant(types.intp, n.literal_value) for n in (rows, columns)]
                entry = context.get_data_type(dtype)
                data = cgutils.alloca_once(builder, entry, size=rows.literal_value * columns.literal_value)
                data.align = 64  # vectors then lie in one line of the cache
                stride = context.get_constant(types.intp, context.get_abi_sizeof(entry))
                return _array_at(context, builder, sig.return_type, data, lengths, stride)

            return types.Array(dtype, 2, "C")(rows, columns), codegen

        return local

    local_floats, local_integers, local_booleans = map(_local, (f8, types.int64, types.boolean))

    @intrinsic
    def reshaped(typingctx, array, shape):
        """The array in another shape of the same size; it lies in memory in the order of its entries."""
        if array.layout != "C" and array.ndim != 1:
            raise TypingError(f"reshape of an array that isn't contiguous: {array}")
        result = types.Array(array.dtype, len(shape), array.layout if array.layout == "C" else "A")

        def codegen(context, builder, sig, args):
            old = context.make_array(sig.args[0])(context, builder, args[0])
            stride = cgutils.unpack_tuple(builder, old.strides)[-1]
            return _array_at(
                context, builder, result, old.data, _lengths(context, builder, sig.args[1], args[1]), stride
            )

        return result(array, shape), codegen

    @intrinsic
    def flattened(typingctx, array):
        """The entries in order of an array that is contiguous or came from `floats_at`: a word follows the other."""
        result = types.Array(array.dtype, 1, array.layout if array.layout == "C" else "A")

        def codegen(context, builder, sig, args):
            old = context.make_array(sig.args[0])(context, builder, args[0])
            stride = cgutils.unpack_tuple(builder, old.strides)[-1]
            return _array_at(context, builder, result, old.data, [old.nitems], stride)

        return result(array), codegen

    @intrinsic
    def atomic_load(typingctx, array, index):
        """array[index], an integer, read anew each time: LLVM hoists a plain load out of a loop without calls."""

        def codegen(context, builder, sig, args):
            view = context.make_array(sig.args[0])(context, builder, args[0])
            place = builder.gep(view.data, [args[1]])
            if not isinstance(context, CPUContext):  # nobody else writes there
                return builder.load(place)
            return builder.load_atomic(place, "monotonic", 8)

        return array.dtype(array, types.intp), codegen

    @intrinsic
    def atomic_add(typingctx, array, index, amount):
        """array[index] += amount, int64, in one piece for all threads; returns what it was before."""

        def codegen(context, builder, sig, args):
            view = context.make_array(sig.args[0])(context, builder, args[0])
            return builder.atomic_rmw("add", builder.gep(view.data, [args[1]]), args[2], "monotonic")

        return types.int64(array, types.intp, types.int64), codegen

    @intrinsic
    def run_pending_signals(typingctx):
        """Let Python run its pending signal handlers; 1 if one raised (the exception is cleared), else 0."""

        def codegen(context, builder, sig, args):
            if not isinstance(context, CPUContext):  # there are none
                return context.get_constant(types.int64, 0)
            pyapi = context.get_python_api(builder)
            gil = pyapi.gil_ensure()
            check = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.IntType(32), []), "PyErr_CheckSignals"
            )
            raised = builder.call(check, [])
            with builder.if_then(cgutils.is_not_null(builder, raised)):
                pyapi.err_clear()
            pyapi.gil_release(gil)
            return builder.zext(cgutils.is_not_null(builder, raised), ir.IntType(64))

        return types.int64(), codegen

    if os.name == "posix":
        _CLOCK = time.CLOCK_MONOTONIC

        @intrinsic
        def monotonic_ns(typingctx):
            """Nanoseconds of the system's monotonic clock (clock_gettime)."""

            def codegen(context, builder, sig, args):
                if not isinstance(context, CPUContext):  # there is no clock
                    return context.get_constant(types.int64, 0)
                i64, i32 = ir.IntType(64), ir.IntType(32)
                spec = cgutils.alloca_once(builder, i64, size=2)
                clock = cgutils.get_or_insert_function(
                    builder.module, ir.FunctionType(i32, [i32, i64.as_pointer()]), "clock_gettime"
                )
                builder.call(clock, [i32(_CLOCK), spec])
                seconds = builder.load(spec)
                nanoseconds = builder.load(builder.gep(spec, [i32(1)]))
                return builder.add(builder.mul(seconds, i64(1_000_000_000)), nanoseconds)

            return types.int64(), codegen

    else:

        @njit
        def monotonic_ns():
            """Nanoseconds of the system's monotonic clock."""
            with numba.objmode(now="int64"):
                now = time.monotonic_ns()
            return now
