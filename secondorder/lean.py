"""Compiling with Numba in less time, to the same code.

Numba compiles each callee as if somebody would call it from Python, although nearly all of them are linked into one
caller. What is left out here, while one of our functions is compiled:

    machine code and a C wrapper of callees that nobody can call from Python, and LLVM's passes over whole callees,
        which are run again on the caller that they are inlined in                          (`_Callees`)
    passes for array expressions, closures, `with` blocks and literals, which no kernel has (`KernelCompiler`),
        inlining and unrolling of what is rarely called                                     (`SeldomCompiler`)
    importing scipy.linalg before a function needs BLAS, asking all of Numba's registries again for each callee,
        hashing all flags for each lookup of an overload, a pass manager for each declaration of a function, an event
        for each call into LLVM, the search for the type of each + anew, a loop for each x ** 2, garbage collection
                                                                                            (`quicker_compilation`)

All of it reaches into Numba. What a version of Numba doesn't have is left as it is: then compiling takes longer.
"""

import contextlib
import functools
import gc
import itertools
import operator
import os
import sys
import threading

from numba.core import errors, event, typed_passes, types, untyped_passes
from numba.core.base import BaseContext
from numba.core.bytecode import FunctionIdentity
from numba.core.codegen import CPUCodegen, CPUCodeLibrary, JITCPUCodegen
from numba.core.compiler import CompilerBase, CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.lowering import Lower
from numba.core.targetconfig import TargetConfig
from numba.core.types.functions import BaseFunction

KERNEL_PASSES = (
    untyped_passes.TranslateByteCode,
    untyped_passes.FixupArgs,
    untyped_passes.IRProcessing,
    untyped_passes.GenericRewrites,
    untyped_passes.ReconstructSSA,
    typed_passes.NopythonTypeInference,
    typed_passes.PreLowerStripPhis,
    typed_passes.IRLegalization,
    typed_passes.AnnotateTypes,
    typed_passes.NativeLowering,
    typed_passes.NoPythonBackend,
)


class KernelCompiler(CompilerBase):
    """The passes that functions of scalars, loops and array elements need."""

    lowering = typed_passes.NativeLowering

    def define_pipelines(self):
        """Numba's hook."""
        passes = PassManager("kernel")
        for kind in KERNEL_PASSES:
            passes.add_pass(self.lowering if kind is typed_passes.NativeLowering else kind, kind.__name__)
        passes.finalize()
        return [passes]


class _SeldomLower(Lower):
    """Tells LLVM that the function is rarely called."""

    def setup_function(self, fndesc):
        super().setup_function(fndesc)
        self.function.attributes.discard("alwaysinline")  # callees inherit it
        for attribute in ("cold", "noinline", "optsize"):
            self.function.attributes.add(attribute)


@register_pass(mutates_CFG=True, analysis_only=False)
class _SeldomLowering(typed_passes.BaseNativeLowering):
    """NativeLowering with that."""

    _name = "seldom_lowering"
    lowering_class = _SeldomLower


class SeldomCompiler(KernelCompiler):
    """For kernels that are rarely called: a call keeps their code out of their callers', where loops are optimized."""

    lowering = _SeldomLowering


class DistinctCompiler(KernelCompiler):
    """For loops over arrays that share no memory: LLVM need not compare their addresses before each loop."""

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):
        flags = flags.copy()
        flags.noalias = True
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)


@contextlib.contextmanager
def _replaced(owner, name, make):
    """Inside: owner.name is make(what it was). Nothing is replaced where the name doesn't exist."""
    original = getattr(owner, name, None)
    if original is None:
        yield
        return
    setattr(owner, name, make(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


class _Callees:
    """Which libraries of compiled code are callees that nothing outside can call: they are linked into their callers.

    One class for one outermost function: `functions` are those being compiled, each with whether it is such a callee.
    """

    def __init__(self):
        self.functions = []
        self.libraries = set()

    def inner(self, library):
        """Is this the library of such a callee?"""
        if self.functions:
            state, is_callee = self.functions[-1]
            if state.library is library:
                return is_callee
        return library in self.libraries

    def compile_core(self, original):
        """CompilerBase._compile_core: notes what is being compiled; what becomes code gets its callees' environments.

        A pipeline that starts from IR compiles what a `with` block leaves of the function around it.
        """

        def compile_core(pipeline):
            state, flags = pipeline.state, pipeline.state.flags
            if not self.functions:
                is_callee = False
            elif state.func_ir is not None:
                is_callee = self.functions[-1][1]
            else:
                is_callee = flags.no_cpython_wrapper and not (flags.force_pyobject or flags.auto_parallel.enabled)
            if is_callee:
                flags.no_cfunc_wrapper = True
            self.functions.append((state, is_callee))
            try:
                result = original(pipeline)
            finally:
                self.functions.pop()
            if is_callee:
                self.libraries.add(state.library)
            elif isinstance(result, CompileResult):
                for environment in result._find_referenced_environments():
                    result.codegen.set_env(environment.env_name, environment)
            return result

        return compile_core

    def optimize(self, original):
        """CPUCodeLibrary._optimize_final_module: callees are optimized where they are inlined."""
        return lambda library: None if self.inner(library) else original(library)

    def finalize(self, original):
        """CPUCodeLibrary._finalize_final_module: callees get no machine code."""

        def finalize(library):
            if not self.inner(library):
                return original(library)
            library._finalize_dynamic_globals()
            library._finalized = True
            return None

        return finalize

    def set_env(self, original):
        """JITCPUCodegen.set_env: not for what isn't machine code."""

        def set_env(codegen, name, environment):
            if codegen._engine.is_symbol_defined(name):
                original(codegen, name, environment)

        return set_env


_sizes, _under_way = {}, set()  # of the registries of a target; which of them are being asked


def _when_grown(original):
    """BaseContext.refresh, only where something was registered since the last time.

    Numba asks all its registries for each callee; and amid a refresh again for each method that it hears of.
    """

    def refresh(context):
        target = context.typing_context  # one for all contexts of a target
        registries = (*context._registries, *target._registries)
        lists = [entries for registry in registries for entries in vars(registry).values()]
        size = sum([len(entries) for entries in lists if isinstance(entries, list)])
        if target not in _under_way and _sizes.get(target) != size:
            _under_way.add(target)
            try:
                original(context)
                _sizes[target] = size
            finally:
                _under_way.remove(target)

    return refresh


def _optimize_functions(original):
    """CPUCodeLibrary._optimize_functions with one pass manager for all functions of a module, and not for declarations.

    Numba makes one for each of them.
    """

    def optimize(library, module):
        module.data_layout = library._codegen._data_layout
        passes, builder = library._codegen._function_pass_manager()
        for function in module.functions:
            if not function.is_declaration:
                passes.run(function, builder)

    return optimize


def _plain(original):
    """HighlightColorScheme._markup without terminal codes: Numba highlights each of the errors that it only tries."""
    return lambda scheme, text, *args, **kwargs: text


def _without_llvm_lock(original):
    """numba.core.event.start_event or end_event: not for each of the thousands of calls into LLVM."""

    def trigger(kind, *args, **kwargs):
        if kind != "numba:llvm_lock":
            original(kind, *args, **kwargs)

    return trigger


@functools.cache
def _hash_of_options(kind):
    return hash(tuple(sorted(kind.options)))  # what TargetConfig.__hash__ comes to: its values are not in it


def _equal(original):
    def equal(one, other):
        if isinstance(other, TargetConfig) and one._values == other._values:
            return True
        return original(one, other)

    return equal


def _import_without_blas():
    """Import numba.np.arraymath without its test for BLAS: Numba tests again where a function needs it."""
    if "numba.np.arraymath" in sys.modules:
        return
    from numba.np import linalg

    with _replaced(linalg, "ensure_blas", lambda original: lambda: None):
        from numba.np import arraymath
    arraymath.ensure_blas = linalg.ensure_blas


OPERATORS = {value for value in vars(operator).values() if callable(value)}
PLAIN = (types.Number, types.Boolean, types.Array, types.SliceType)
POWERS = (operator.pow, operator.ipow)
LONGEST_POWER = 0x10000  # beyond it Numba calls the C library's pow
_types_of_operators = {}


def _typed_once(original):
    """BaseFunction.get_call_type that remembers the types of operators on numbers and arrays.

    For each + of two numbers Numba asks a hundred templates, those for strings and sets among them.
    """

    def get_call_type(function, context, args, kws):
        if kws or function.typing_key not in OPERATORS or not all(isinstance(kind, PLAIN) for kind in args):
            return original(function, context, args, kws)
        key = function, context, tuple(args)
        signature = _types_of_operators.get(key)
        if signature is None:
            signature = _types_of_operators[key] = original(function, context, args, kws)
        return signature

    return get_call_type


def _powers_unrolled(original):
    """Lower.lower_binop that makes the multiplications of x ** 2 in place of Numba's loop over an exponent's bits.

    They are the loop's, in its order. Numba's own code for constant exponents has not been reached for some versions.
    """

    def lower_binop(lower, kind, expr, op):
        base, exponent = lower.fndesc.calltypes[expr].args[0], lower.typeof(expr.rhs.name)
        if op not in POWERS or not isinstance(base, types.Float) or not _is_short(exponent):
            return original(lower, kind, expr, op)
        context, builder, bits = lower.context, lower.builder, exponent.literal_value
        x = context.cast(builder, lower.loadvar(expr.lhs.name), lower.typeof(expr.lhs.name), base)
        power = x.type(1.0)
        while bits:
            power = builder.fmul(power, x) if bits & 1 else power
            x = builder.fmul(x, x)
            bits >>= 1
        return context.cast(builder, power, base, kind)

    return lower_binop


def _is_short(exponent):
    return isinstance(exponent, types.IntegerLiteral) and 0 <= exponent.literal_value <= LONGEST_POWER


_paused = threading.Event()


@contextlib.contextmanager
def _collector_paused():
    """Inside, no cyclic garbage collection: it would look at Numba's objects over and over and find next to nothing."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    _paused.set()
    try:
        yield
    finally:
        _paused.clear()
        gc.enable()


def _count_functions_from_anywhere():
    """Let the numbers that Numba gives to functions begin at random.

    Its symbols are made of a function's name and that number, which counts from 1 in every process: closures of one
    factory, cached by two processes, may share a symbol, and a third one that loads both has one of them for the other.
    """
    FunctionIdentity._unique_ids = itertools.count(int.from_bytes(os.urandom(6), "little"))


_count_functions_from_anywhere()


def _after_fork():
    """In the child, where another thread was compiling and is no more, and functions get numbers of the parent's."""
    _count_functions_from_anywhere()
    if _paused.is_set():
        gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def quicker_compilation():
    """Inside, compiling a function and all that it calls takes less time. One thread at a time compiles anyway."""
    callees = _Callees()
    replacements = (
        (CompilerBase, "_compile_core", callees.compile_core),
        (CPUCodeLibrary, "_optimize_final_module", callees.optimize),
        (CPUCodeLibrary, "_finalize_final_module", callees.finalize),
        (JITCPUCodegen, "set_env", callees.set_env),
        (BaseContext, "refresh", _when_grown),
        (TargetConfig, "__hash__", lambda original: lambda config: _hash_of_options(type(config))),
        (TargetConfig, "__eq__", _equal),
        (BaseFunction, "get_call_type", _typed_once),
        (Lower, "lower_binop", _powers_unrolled),
        (getattr(errors, "HighlightColorScheme", errors), "_markup", _plain),  # where colorama is installed
        (event, "start_event", _without_llvm_lock),
        (event, "end_event", _without_llvm_lock),
    )
    if hasattr(CPUCodegen, "_pass_builder"):  # Numba 0.62
        replacements += ((CPUCodeLibrary, "_optimize_functions", _optimize_functions),)
    with global_compiler_lock, _collector_paused(), contextlib.ExitStack() as stack:
        _import_without_blas()
        for owner, name, make in replacements:
            stack.enter_context(_replaced(owner, name, make))
        yield
