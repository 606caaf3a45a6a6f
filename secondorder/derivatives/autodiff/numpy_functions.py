"""What the front end knows of NumPy, math and the builtins: one row per function.

A row is a function (lowering, args, keywords) -> symbol. Scalar functions apply elementwise; the others say what they
are in terms of loops over entries.
"""

import functools
import math

import numpy as np

from secondorder.derivatives.autodiff.arrays import Lazy
from secondorder.derivatives.autodiff.builder import default
from secondorder.derivatives.autodiff.ir import FLOAT, I0, I1, INT, ONE, ZERO, Const, Kind, Slice, Value
from secondorder.derivatives.autodiff.rules import FUNCTIONS, SCALAR_NAMES

FUNCTION_ROWS = {}  # function -> row
METHOD_ROWS = {}  # name of an array's method -> row


def row(*functions, method=None, most=1):
    """Decorator: the row of these functions, and of the method of that name; most: positional arguments."""

    def add(function):
        @functools.wraps(function)
        def limited(lowering, args, keywords):
            if len(args) > most:
                raise ValueError(f"{method or functions[0].__name__} with {len(args)} arguments")
            return function(lowering, args, keywords)

        for f in functions:
            FUNCTION_ROWS[f] = limited
        if method:
            METHOD_ROWS[method] = limited
        return function

    return add


def has_row(function):
    """Is a function known here?"""
    try:
        return function in FUNCTION_ROWS
    except TypeError:
        return False


def call(lowering, function, args, keywords):
    """The row's answer, or None if there is no row."""
    try:
        found = FUNCTION_ROWS.get(function)
    except TypeError:
        found = None
    return None if found is None else found(lowering, args, keywords)


def method(lowering, owner, name, args, keywords):
    """owner.name(*args), or None."""
    found = METHOD_ROWS.get(name)
    return None if found is None else found(lowering, [owner, *args], keywords)


def attribute(lowering, value, name):
    """value.name of an array or number, or None."""
    arrays = lowering.arrays
    if isinstance(value, tuple):
        return None
    if name == "shape":
        return tuple(arrays.lazy(value).dims)
    if name == "size":
        return arrays.size(value)
    if name == "ndim":
        return Const(value.kind.ndim)
    if name == "T":
        return arrays.transpose(value)
    if name == "real" and value.kind.scalar == "f":
        return value
    if name == "dtype":
        return lowering.wrap({"f": np.float64, "i": np.int64, "b": np.bool_}[value.kind.scalar], name)
    return None


def argument(args, keywords, k, name, otherwise=None):
    """The k-th argument or the keyword of that name."""
    return args[k] if k < len(args) else keywords.get(name, otherwise)


def only(keywords, *names):
    """Refuse other keywords."""
    for name in keywords:
        if name not in names:
            raise ValueError(f"the keyword {name}=")


def known_integer(value, what):
    """A number that must be known while generating."""
    if type(value) is Const and isinstance(value.value, int):
        return value.value
    raise ValueError(f"{what} that is not a literal integer")


def scalar_of(dtype):
    """ "f", "i" or "b" of a dtype argument."""
    if dtype is None:
        return "f"
    dtype = np.dtype(getattr(dtype, "object", None) or float)
    kind = dtype.kind
    if kind not in "fiub" or (kind == "f" and dtype.itemsize != 8):
        raise ValueError(f"numbers of dtype {dtype}, other than float64, int64 and bool")
    return "i" if kind == "u" else kind


def lengths(lowering, shape):
    """The lengths in a shape argument."""
    parts = shape if type(shape) is tuple else (shape,)
    return [lowering.integer(p) for p in parts]


# --------------------------------------------------------------------------------------------- scalar functions


def _scalar(fn):
    def apply(lowering, args, keywords):
        only(keywords)
        if len(args) != max(1, len(FUNCTIONS[fn].partials)):
            raise ValueError(f"{fn} with {len(args)} arguments")
        return lowering.arrays.apply(fn, *(lowering.number(a) for a in args))

    return apply


for _name, _fn in SCALAR_NAMES.items():
    for _module in (math, np):
        if hasattr(_module, _name):
            FUNCTION_ROWS[getattr(_module, _name)] = _scalar(_fn)
FUNCTION_ROWS |= {
    abs: _scalar("abs"),
    float: _scalar("float"),
    int: _scalar("int"),
    bool: _scalar("bool"),
    pow: _scalar("pow"),
    math.pow: _scalar("pow"),
    math.floor: _scalar("floor"),
    math.ceil: _scalar("ceil"),
    np.floor: _scalar("npfloor"),
    np.ceil: _scalar("npceil"),
    np.mod: _scalar("mod"),
}


def _converted(scalar, fn):
    def convert(lowering, args, keywords):
        only(keywords)
        value = lowering.number(args[0])
        return value if value.kind.ndim and value.kind.scalar == scalar else _scalar(fn)(lowering, args, keywords)

    return convert


# NumPy's types give an array of their own type back as it is.
FUNCTION_ROWS |= {np.float64: _converted("f", "float"), np.int64: _converted("i", "int")}


@row(np.square)
def _square(lowering, args, keywords):
    only(keywords)
    return lowering.arrays.apply("pow", lowering.number(args[0]), Const(2))


@row(np.reciprocal)
def _reciprocal(lowering, args, keywords):
    return lowering.arrays.apply("div", ONE, args[0])


@row(math.radians, np.radians, np.deg2rad)
def _radians(lowering, args, keywords):
    return lowering.arrays.apply("mul", args[0], Const(math.pi / 180.0))


@row(math.log, most=2)
def _log(lowering, args, keywords):
    top = lowering.arrays.apply("log", lowering.number(args[0]))
    if len(args) == 1:
        return top
    return lowering.arrays.apply("div", top, lowering.arrays.apply("log", args[1]))


@row(max, most=99)
def _builtin_max(lowering, args, keywords):
    return _fold(lowering, "max", args, keywords)


@row(min, most=99)
def _builtin_min(lowering, args, keywords):
    return _fold(lowering, "min", args, keywords)


def _fold(lowering, fn, args, keywords):
    only(keywords)
    values = list(args[0]) if len(args) == 1 and type(args[0]) is tuple else list(args)
    if len(values) == 1:
        return _extreme(lowering, values, fn)
    found = lowering.scalar(values[0])
    for v in values[1:]:
        found = lowering.b.op(fn, found, lowering.scalar(v))
    return found


@row(np.clip, method="clip", most=3)
def _clip(lowering, args, keywords):
    only(keywords, "a_min", "a_max", "min", "max")
    low = argument(args, keywords, 1, "a_min", keywords.get("min"))
    high = argument(args, keywords, 2, "a_max", keywords.get("max"))
    found = lowering.arrays.lazy(args[0]).anew() if args[0].kind.ndim else args[0]
    if isinstance(low, Value | Lazy):
        found = lowering.arrays.apply("maximum", found, low)
    if isinstance(high, Value | Lazy):
        found = lowering.arrays.apply("minimum", found, high)
    return found


@row(np.where, most=3)
def _where(lowering, args, keywords):
    if len(args) != 3:
        raise ValueError("np.where with one argument")
    return lowering.arrays.where(*args)


@row(print, most=99)
def _print(lowering, args, keywords):
    return lowering.wrap(None, "")


# ---------------------------------------------------------------------------------------------------- shapes


@row(len)
def _len(lowering, args, keywords):
    value = args[0]
    if type(value) is tuple:
        return Const(len(value))
    return lowering.arrays.lazy(value).dims[0]


@row(np.size)
def _size(lowering, args, keywords):
    return lowering.arrays.size(args[0])


@row(np.shape)
def _shape(lowering, args, keywords):
    return tuple(lowering.arrays.lazy(args[0]).dims)


@row(np.transpose, method="transpose", most=1)
def _transpose(lowering, args, keywords):
    if len(args) > 1:
        raise ValueError("a transpose with axes")
    return lowering.arrays.transpose(args[0])


@row(np.reshape, method="reshape", most=9)
def _reshape(lowering, args, keywords):
    shape = args[1] if len(args) == 2 else tuple(args[1:])
    return lowering.arrays.reshape(_in_order(lowering, args[0]), lengths(lowering, shape))


@row(np.ravel, method="ravel")
def _ravel(lowering, args, keywords):
    return lowering.arrays.ravel(_in_order(lowering, args[0]))


def _in_order(lowering, array):
    """The array, or, if its entries may not lie in order, a copy, as NumPy makes of most."""
    array = lowering.arrays.array(lowering.number(array))
    if array in lowering.arrays.contiguous:
        return array
    copy = lowering.arrays.copy(array)
    lowering.arrays.link_family(copy, array)
    return copy


@row(np.asarray, most=2)
def _asarray(lowering, args, keywords):
    only(keywords, "dtype")
    dtype = argument(args, keywords, 1, "dtype")
    if type(args[0]) is tuple:
        return _array(lowering, args[:1], {} if dtype is None else {"dtype": dtype})
    if dtype is None or scalar_of(dtype) == lowering.number(args[0]).kind.scalar:
        return args[0]
    return _astype(lowering, [args[0], dtype], {})


@row(np.ascontiguousarray)
def _ascontiguousarray(lowering, args, keywords):
    only(keywords)
    return _in_order(lowering, args[0])


@row(method="flatten")
def _flatten(lowering, args, keywords):
    return lowering.arrays.copy(lowering.arrays.ravel(args[0]))


@row(np.expand_dims, most=2)
def _expand_dims(lowering, args, keywords):
    axis = known_integer(argument(args, keywords, 1, "axis"), "an axis")
    v = lowering.arrays.array(args[0])
    parts = [Slice(None, None, None)] * v.kind.ndim
    parts.insert(axis % (v.kind.ndim + 1), None)
    return lowering.arrays.index(v, parts)


# ----------------------------------------------------------------------------------------------- new arrays


@row(np.zeros, most=2)
def _zeros(lowering, args, keywords):
    only(keywords, "shape", "dtype")
    scalar = scalar_of(argument(args, keywords, 1, "dtype"))
    return lowering.arrays.new(lengths(lowering, argument(args, keywords, 0, "shape")), default(Kind(scalar)), scalar)


@row(np.empty, most=2)
def _empty(lowering, args, keywords):
    only(keywords, "shape", "dtype")
    scalar = scalar_of(argument(args, keywords, 1, "dtype"))
    return lowering.arrays.new(lengths(lowering, argument(args, keywords, 0, "shape")), None, scalar)


@row(np.ones, most=2)
def _ones(lowering, args, keywords):
    only(keywords, "shape", "dtype")
    scalar = scalar_of(argument(args, keywords, 1, "dtype"))
    fill = {"f": ONE, "i": I1, "b": Const(True)}[scalar]
    return lowering.arrays.new(lengths(lowering, argument(args, keywords, 0, "shape")), fill, scalar)


@row(np.full, most=3)
def _full(lowering, args, keywords):
    only(keywords, "dtype")
    value = lowering.scalar(args[1])
    dtype = argument(args, keywords, 2, "dtype")
    scalar = value.kind.scalar if dtype is None else scalar_of(dtype)
    made = lowering.arrays.new(lengths(lowering, args[0]), None, scalar)
    lowering.arrays.write(made, value)
    return made


def _like(fill):
    def make(lowering, args, keywords):
        only(keywords, "dtype")
        like = lowering.arrays.lazy(args[0])
        scalar = scalar_of(keywords["dtype"]) if "dtype" in keywords else like.scalar
        value = None if fill is None else {"f": Const(float(fill)), "i": Const(fill), "b": Const(bool(fill))}[scalar]
        return lowering.arrays.new(like.dims, value, scalar)

    return make


FUNCTION_ROWS |= {np.zeros_like: _like(0), np.empty_like: _like(None), np.ones_like: _like(1)}


@row(np.full_like, most=2)
def _full_like(lowering, args, keywords):
    made = _like(None)(lowering, args[:1], keywords)
    lowering.arrays.write(made, lowering.scalar(args[1]))
    return made


@row(np.array, np.copy, method="copy", most=2)
def _array(lowering, args, keywords):
    only(keywords, "dtype")
    value = args[0]
    if type(value) is not tuple:
        made = lowering.arrays.copy(value) if lowering.number(value).kind.ndim else value
        return _astype(lowering, [made, keywords["dtype"]], {}) if "dtype" in keywords else made
    if any(type(part) is tuple or part.kind.ndim for part in value):
        return _stack(lowering, [tuple(_array(lowering, [p], {}) if type(p) is tuple else p for p in value)], {})
    scalars = [lowering.scalar(part) for part in value]
    scalar = scalar_of(keywords["dtype"]) if "dtype" in keywords else _widest(scalars)
    made = lowering.arrays.new([Const(len(scalars))], None, scalar)
    for k, part in enumerate(scalars):
        lowering.b.store(made, [Const(k)], lowering.arrays.cast(part, Kind(scalar)))
    return made


def _widest(values):
    return max((v.kind.scalar for v in values), key="bif".index, default="f")


@row(method="astype", most=2)
def _astype(lowering, args, keywords):
    scalar = scalar_of(argument(args, keywords, 1, "dtype"))
    return lowering.arrays.apply({"f": "float", "i": "int", "b": "bool"}[scalar], args[0])


@row(np.arange, most=3)
def _arange(lowering, args, keywords):
    only(keywords, "dtype")
    parts = [lowering.scalar(a) for a in args]
    if any(p.kind != INT for p in parts):
        raise ValueError("np.arange with floats")
    start, stop, step = lowering.range_bounds(parts)
    b = lowering.b
    if start is I0 and step is I1:
        length = stop if type(stop) is Const and stop.value >= 0 else b.op("max", I0, stop)
        lowering.arrays.keys[length] = lowering.arrays.key(stop)  # a negative stop fits no array's length anyway
    else:
        rounding = b.sub(step, b.select(b.op("gt", step, I0), I1, Const(-1)))
        length = b.op("max", I0, b.op("floordiv", b.add(b.sub(stop, start), rounding), step))
    scalar = scalar_of(keywords["dtype"]) if "dtype" in keywords else "i"

    def at(indices):
        return lowering.arrays.cast(b.add(start, b.mul(indices[-1], step)), Kind(scalar))

    return Lazy((length,), scalar, at)


@row(np.linspace, most=3)
def _linspace(lowering, args, keywords):
    only(keywords, "num")
    b = lowering.b
    first, last = (lowering.arrays.cast(lowering.scalar(a), FLOAT) for a in args[:2])
    n = lowering.integer(argument(args, keywords, 2, "num", Const(50)))
    step = b.div(b.sub(last, first), b.op("float", b.sub(n, I1)))
    made = lowering.arrays.new([n], None)
    with b.loop(n) as loop:
        b.store(made, [loop.index], b.add(first, b.mul(b.op("float", loop.index), step)))
    b.store(made, [Const(-1)], last)
    return made


@row(np.eye, np.identity)
def _eye(lowering, args, keywords):
    only(keywords)
    n = lowering.integer(args[0])
    made = lowering.arrays.new([n, n])
    with lowering.b.loop(n) as loop:
        lowering.b.store(made, [loop.index, loop.index], ONE)
    return made


@row(np.concatenate, np.hstack)
def _concatenate(lowering, args, keywords):
    only(keywords)
    parts = [lowering.arrays.lazy(p) for p in args[0]]
    if any(len(p.dims) != 1 for p in parts):
        raise ValueError("np.concatenate of arrays that are no vectors")
    total = I0
    for p in parts:
        total = lowering.b.add(total, p.dims[0])
    made = lowering.arrays.new([total], None, "f" if any(p.scalar == "f" for p in parts) else parts[0].scalar)
    offset = I0
    for p in parts:
        with lowering.b.loop(p.dims[0]) as loop:
            entry = lowering.arrays.cast(p.at((loop.index,)), Kind(made.kind.scalar))
            lowering.b.store(made, [lowering.b.add(offset, loop.index)], entry)
        offset = lowering.b.add(offset, p.dims[0])
    return made


@row(np.stack, np.vstack)
def _stack(lowering, args, keywords):
    only(keywords, "axis")
    if "axis" in keywords and known_integer(keywords["axis"], "an axis") != 0:
        raise ValueError("np.stack along another axis than the first")
    rows = [lowering.arrays.lazy(p) for p in args[0]]
    if any(len(r.dims) != len(rows[0].dims) or len(r.dims) > 1 for r in rows):
        raise ValueError("np.stack or np.vstack of arrays that are no vectors")
    dims = lowering.arrays.broadcast(rows)
    made = lowering.arrays.new([Const(len(rows)), *dims], None, "f" if any(r.scalar == "f" for r in rows) else "i")
    for k, r in enumerate(rows):
        with lowering.b.nest(dims) as indices:
            entry = lowering.arrays.cast(r.at(indices), Kind(made.kind.scalar))
            lowering.b.store(made, [Const(k), *indices], entry)
    return made


@row(np.diff)
def _diff(lowering, args, keywords):
    only(keywords)
    v = lowering.arrays.array(args[0])
    whole = [Slice(None, None, None)] * (v.kind.ndim - 1)
    upper = lowering.arrays.index(v, [*whole, Slice(I1, None, None)])
    lower = lowering.arrays.index(v, [*whole, Slice(None, Const(-1), None)])
    return lowering.arrays.apply("sub", upper, lower)


@row(np.flip, np.flipud)
def _flip(lowering, args, keywords):
    only(keywords)
    v = lowering.arrays.array(args[0])
    if v.kind.ndim != 1:
        raise ValueError("np.flip of an array that is no vector")
    return lowering.arrays.index(v, [Slice(None, None, Const(-1))])


@row(method="fill", most=2)
def _fill(lowering, args, keywords):
    lowering.may_write(args[0])
    lowering.arrays.write(args[0], lowering.scalar(args[1]))
    return lowering.wrap(None, "")


# ---------------------------------------------------------------------------------------------- reductions


def _axis(args, keywords):
    axis = argument(args, keywords, 1, "axis")
    only(keywords, "axis")
    if axis is None or (not isinstance(axis, Value | Lazy) and getattr(axis, "object", 0) is None):
        return None
    return known_integer(axis, "an axis")


@row(np.sum, sum, method="sum", most=2)
def _sum(lowering, args, keywords):
    axis = _axis(args, keywords)
    value = args[0]
    if type(value) is tuple:
        value = _array(lowering, [value], {})
    value = lowering.number(value)
    if axis is None or value.kind.ndim < 2:
        return lowering.arrays.sum(value)
    return lowering.arrays.sum_axis(value, axis)


FUNCTION_ROWS[math.fsum] = _sum


@row(np.mean, method="mean", most=2)
def _mean(lowering, args, keywords):
    axis = _axis(args, keywords)
    value = lowering.arrays.lazy(args[0])
    if axis is None or len(value.dims) < 2:
        return lowering.b.div(lowering.arrays.sum(value), lowering.b.op("float", lowering.arrays.size(value)))
    count = lowering.b.op("float", value.dims[axis])
    return lowering.arrays.apply("div", lowering.arrays.sum_axis(value, axis), count)


@row(np.var, method="var")
def _var(lowering, args, keywords):
    only(keywords)
    value = lowering.arrays.array(args[0])
    mean = _mean(lowering, [value], {})
    centred = lowering.arrays.apply("pow", lowering.arrays.apply("sub", value, mean), Const(2))
    return _mean(lowering, [centred], {})


@row(np.std, method="std")
def _std(lowering, args, keywords):
    return lowering.b.op("sqrt", _var(lowering, args, keywords))


@row(np.prod, method="prod")
def _prod(lowering, args, keywords):
    only(keywords)
    value = lowering.arrays.lazy(args[0])
    first = ONE if value.scalar == "f" else I1
    return lowering.arrays.reduce(value, first, lambda total, e: lowering.b.op("mul", total, e))


@row(np.max, np.amax, method="max")
def _max(lowering, args, keywords):
    only(keywords)
    return _extreme(lowering, args, "max")


@row(np.min, np.amin, method="min")
def _min(lowering, args, keywords):
    only(keywords)
    return _extreme(lowering, args, "min")


def _extreme(lowering, args, fn):
    if len(args) > 1:
        raise ValueError("a maximum or minimum along an axis")
    value = lowering.arrays.array(lowering.number(args[0]))
    first = lowering.b.load(value, *[I0] * value.kind.ndim)
    return lowering.arrays.reduce(value, first, lambda total, e: lowering.b.op(fn, total, e))


@row(np.any, method="any")
def _any(lowering, args, keywords):
    return lowering.arrays.reduce(args[0], Const(False), lambda t, e: lowering.b.op("or", t, lowering.truth(e)))


@row(np.all, method="all")
def _all(lowering, args, keywords):
    return lowering.arrays.reduce(args[0], Const(True), lambda t, e: lowering.b.op("and", t, lowering.truth(e)))


@row(np.cumsum, method="cumsum")
def _cumsum(lowering, args, keywords):
    return _running(lowering, args, keywords, "add", ZERO)


@row(np.cumprod, method="cumprod")
def _cumprod(lowering, args, keywords):
    return _running(lowering, args, keywords, "mul", ONE)


def _running(lowering, args, keywords, fn, first):
    from secondorder.derivatives.autodiff.builder import carry

    only(keywords)
    value = lowering.arrays.lazy(args[0])
    if len(value.dims) != 1:
        raise ValueError("a running sum or product of an array that is no vector")
    made = lowering.arrays.new(value.dims, None)
    with lowering.b.loop(value.dims[0]) as loop:
        slot = carry(loop, first, "total")
        slot.next = lowering.b.op(fn, slot.param, lowering.arrays.cast(value.at((loop.index,)), FLOAT))
        lowering.b.store(made, [loop.index], slot.next)
    return made


# ------------------------------------------------------------------------------------------------- products


@row(np.dot, np.matmul, method="dot", most=2)
def _dot(lowering, args, keywords):
    only(keywords)
    left, right = args
    if left.kind.ndim == 0 or right.kind.ndim == 0:
        return lowering.arrays.apply("mul", left, right)
    return lowering.matmul(left, right)


@row(np.vdot, np.inner, most=2)
def _vdot(lowering, args, keywords):
    if any(a.kind.ndim > 1 for a in args):
        raise ValueError("np.vdot or np.inner of matrices")
    return _dot(lowering, args, keywords)


@row(np.outer, most=2)
def _outer(lowering, args, keywords):
    left, right = (lowering.arrays.array(lowering.number(a)) for a in args)
    if left.kind.ndim != 1 or right.kind.ndim != 1:
        raise ValueError("np.outer of arrays that are no vectors")
    whole = Slice(None, None, None)
    return lowering.arrays.apply("mul", lowering.arrays.index(left, [whole, None]), right)


@row(np.linalg.norm)
def _norm(lowering, args, keywords):
    only(keywords)
    if len(args) > 1:
        raise ValueError("a norm of another order than 2")
    squares = lowering.arrays.apply("pow", lowering.arrays.array(args[0]), Const(2))
    return lowering.b.op("sqrt", lowering.arrays.sum(squares))


@row(np.trace)
def _trace(lowering, args, keywords):
    matrix = lowering.arrays.lazy(args[0])
    n = lowering.b.op("min", *matrix.dims)
    diagonal = Lazy((n,), matrix.scalar, lambda indices: matrix.at((indices[-1], indices[-1])))
    return lowering.arrays.sum(diagonal)
