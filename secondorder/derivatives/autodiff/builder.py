"""Appends ops to a block; folds constants and the neutral elements on the way."""

import contextlib
import operator

from secondorder.derivatives.autodiff.ir import (
    FLOAT,
    I0,
    I1,
    INT,
    NO,
    ZERO,
    Alloc,
    Check,
    Const,
    Kind,
    Load,
    Loop,
    Op,
    Product,
    Shape,
    Slot,
    Store,
    Value,
    View,
)
from secondorder.derivatives.autodiff.opaque import Opaque
from secondorder.derivatives.autodiff.rules import FUNCTIONS

# what is computed while generating: exact on integers, correctly rounded on floats
FOLDED = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "not": operator.not_,
    "float": float,
    "max": max,
    "min": min,
}


class Builder:
    """Where the next op goes, and short names for making one."""

    def __init__(self):
        self.block = []
        self.place = lambda: None  # where what is being made stands in the source

    @contextlib.contextmanager
    def into(self, block):
        """Append to another block for a while."""
        outer, self.block = self.block, block
        try:
            yield block
        finally:
            self.block = outer

    def append(self, op):
        """Put an op at the end of the block."""
        if isinstance(op, Loop) and op.where is None:
            op.where = self.place()
        self.block.append(op)
        return op

    # ------------------------------------------------------------------------------------------------ scalars

    def op(self, fn, *args, hint=""):
        """fn(*args), or its value if all are known."""
        if fn in FOLDED and all(type(a) is Const for a in args):
            value = FOLDED[fn](*(a.value for a in args))
            return Const(value)
        if fn in ("div", "pow") and all(type(a) is Const for a in args):
            with contextlib.suppress(ArithmeticError, ValueError):
                a, c = (arg.value for arg in args)
                return Const(a / c if fn == "div" else a**c)
        if fn in ("floordiv", "mod") and all(type(a) is Const and a.kind == INT for a in args) and args[1].value:
            return Const(args[0].value // args[1].value if fn == "floordiv" else args[0].value % args[1].value)
        if (fn == "float" and args[0].kind == FLOAT) or (fn == "int" and args[0].kind == INT):
            return args[0]
        kind = FLOAT if isinstance(fn, Opaque) else FUNCTIONS[fn].kind(*(a.kind for a in args))
        result = Value(kind, hint)
        self.block.append(Op(result, fn, args))
        return result

    def add(self, a, c):
        """a + c"""
        if is_number(a, 0):
            return c if c.kind == a.kind or a.kind == INT else self.op("float", c)
        if is_number(c, 0):
            return a if c.kind == a.kind or c.kind == INT else self.op("float", a)
        return self.op("add", a, c)

    def sub(self, a, c):
        """a - c"""
        if is_number(c, 0) and (c.kind == a.kind or c.kind == INT):
            return a
        return self.op("sub", a, c)

    def mul(self, a, c):
        """a * c"""
        if is_number(a, 1) and (c.kind == FLOAT or a.kind == INT):
            return c
        if is_number(c, 1) and (a.kind == FLOAT or c.kind == INT):
            return a
        return self.op("mul", a, c)

    def div(self, a, c):
        """a / c"""
        if is_number(c, 1) and a.kind == FLOAT:
            return a
        return self.op("div", a, c)

    def neg(self, a):
        """-a"""
        return self.op("neg", a)

    def select(self, test, a, c):
        """a if test else c"""
        if type(test) is Const:
            return a if test.value else c
        return a if a is c else self.op("select", test, a, c)

    # ------------------------------------------------------------------------------------------------ arrays

    def load(self, array, *indices, hint=""):
        """array[indices]"""
        result = Value(Kind(array.kind.scalar), hint)
        self.block.append(Load(result, array, indices))
        return result

    def store(self, array, indices, value, add=False):
        """array[indices] = value, or += value"""
        self.block.append(Store(array, tuple(indices), value, add))

    def alloc(self, shape, fill=ZERO, scalar="f", hint="", where=None):
        """A new array; fill None: uninitialized."""
        result = Value(Kind(scalar, len(shape)), hint)
        self.block.append(Alloc(result, tuple(shape), fill, where=where or self.place()))
        return result

    def view(self, array, how, args, ndim, hint=""):
        """A view of array."""
        result = Value(Kind(array.kind.scalar, ndim), hint)
        self.block.append(View(result, array, how, tuple(args)))
        return result

    def shape(self, array, axis):
        """array.shape[axis]"""
        result = Value(INT, "n")
        self.block.append(Shape(result, array, axis))
        return result

    def product(self, left, right, hint=""):
        """left @ right"""
        result = Value(Kind("f", left.kind.ndim + right.kind.ndim - 2), hint)
        self.block.append(Product(result, left, right))
        return result

    def check(self, test, message):
        """Raise unless test holds."""
        if not (type(test) is Const and test.value):
            self.block.append(Check(test, message))

    # ------------------------------------------------------------------------------------------------ loops

    @contextlib.contextmanager
    def loop(self, stop, start=I0, step=I1, hint="i"):
        """for index in range(start, stop, step): the body is built inside the with; gives the Loop."""
        made = Loop(Value(INT, hint), start, stop, step)
        with self.into(made.body):
            yield made
        self.block.append(made)

    @contextlib.contextmanager
    def nest(self, dims):
        """A loop over every index of an array of that shape; gives the tuple of indices."""
        with contextlib.ExitStack() as stack:
            yield tuple(stack.enter_context(self.loop(d, hint="k")).index for d in dims)

    def inner(self, a, c):
        """The sum of the products of the entries of two arrays of one shape."""

        def level(axis, total, indices):
            if axis == a.kind.ndim:
                return self.add(total, self.mul(self.load(a, *indices), self.load(c, *indices)))
            with self.loop(self.shape(a, axis), hint="k") as loop:
                slot = carry(loop, total, "total")
                slot.next = level(axis + 1, slot.param, (*indices, loop.index))
            return slot.result

        return level(0, ZERO, ())


def carry(loop, init, hint=""):
    """A new slot of a loop, with init: set its `next` in the body."""
    slot = Slot(Value(init.kind, hint or init.hint), init, None, Value(init.kind, hint or init.hint))
    loop.slots.append(slot)
    return slot


def is_number(v, number):
    """Is it the constant?"""
    return type(v) is Const and v.value == number and v.kind in (FLOAT, INT)


def default(kind):
    """Zero of a kind."""
    return {"f": ZERO, "i": I0, "b": NO}[kind.scalar]
