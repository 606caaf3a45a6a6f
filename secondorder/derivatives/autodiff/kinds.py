"""Numba's types of arguments -> the kinds that the front end works with."""

from numba import types

from secondorder.derivatives.autodiff.ir import BOOL, FLOAT, INT, Kind
from secondorder.derivatives.autodiff.names import Known
from secondorder.derivatives.errors import Unsupported


def kind_of(kind, name="an argument"):
    """The kind of a Numba type; a tuple of kinds for a tuple."""
    kind = types.unliteral(kind)
    if isinstance(kind, types.Omitted):
        return FLOAT if isinstance(kind.value, float) else BOOL if isinstance(kind.value, bool) else INT
    if isinstance(kind, types.Boolean):
        return BOOL
    if isinstance(kind, types.Integer):
        return INT
    if isinstance(kind, types.Float):
        return FLOAT
    if isinstance(kind, types.NoneType):
        return Known(None)
    if isinstance(kind, types.Dispatcher):
        return Known(kind.dispatcher)
    if isinstance(kind, types.BaseTuple):
        return tuple(kind_of(part, name) for part in kind)
    if isinstance(kind, types.Array) and kind.ndim:
        scalar = kind_of(kind.dtype, name)
        if isinstance(scalar, Kind):
            return Kind(scalar.scalar, kind.ndim)
    raise Unsupported(f"{name} of type {kind}", "Pass numbers, arrays of numbers, or tuples of them")


def vector_and(args_type):
    """Kinds of a call: x, a vector of floats, and further arguments of these Numba types."""
    return Kind("f", 1), *(kind_of(k, f"args[{i}]") for i, k in enumerate(args_type))
