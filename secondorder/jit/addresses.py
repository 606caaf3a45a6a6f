"""Typed functions as integers: the address of compiled code, and the function at an address."""

import functools

import numpy as np
from numba.core import cgutils
from numba.core.types import FunctionType
from numba.experimental.function_type import _get_jit_address
from numba.extending import intrinsic, overload

from secondorder.jit.flags import JIT_DISABLED
from secondorder.jit.signatures import HVP, data_t, f4, f8, intp


def address_of(dispatcher, signature):
    """Address of a function compiled for `signature`; the caller keeps the dispatcher alive."""
    return dispatcher if JIT_DISABLED else _get_jit_address(dispatcher, signature)


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
