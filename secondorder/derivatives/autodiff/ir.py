"""The intermediate representation: structured, with scalars assigned once and arrays in memory.

A *value* is a scalar (float, int, bool), assigned once, or a reference to an array, whose entries change. Control flow
is nested: a Loop has slots, an If has results, so that every scalar has one definition and no name is ever overwritten.
That is what makes the transformations short: a value means the same wherever it is visible.

    Op        r = fn(args)              scalars; fn is a name of rules.FUNCTIONS, or a comparison or logical operator;
                                        or an Opaque, whose arguments may be arrays, which it only reads
    Load      r = a[indices]
    Store     a[indices] = v, or += v
    Alloc     r = an array
    View      r = a[slices], a.T, a.reshape(...): shares a's memory
    Shape     r = a.shape[axis]
    Product   r = a @ b: an array, or a scalar for two vectors
    Fill      a[...] = v
    Push      stack[position] = v, and the stack grows
    Loop      for index in range(start, stop, step), or while; slots are carried round
    If        results joined from two branches
    Check     raises unless a condition holds
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class Kind(NamedTuple):
    """What a value is: "f"loat, "i"nt or "b"ool, and the number of axes (0: a scalar)."""

    scalar: str
    ndim: int = 0


FLOAT, INT, BOOL = Kind("f"), Kind("i"), Kind("b")


class Value:
    """Something computed once: a scalar, or a reference to an array."""

    __slots__ = ("kind", "hint")

    def __init__(self, kind, hint=""):
        self.kind, self.hint = kind, hint

    def __repr__(self):
        return f"<{self.hint or 'v'}:{self.kind.scalar}{self.kind.ndim or ''}>"


class Const(Value):
    """A number known while generating."""

    __slots__ = ("value",)

    def __init__(self, value):
        kind = BOOL if isinstance(value, bool) else INT if isinstance(value, int) else FLOAT
        super().__init__(kind)
        self.value = value

    def __repr__(self):
        return f"<{self.value!r}>"


class Named(Value):
    """An array or function of the user's that generated text refers to by name."""

    __slots__ = ("object",)

    def __init__(self, kind, hint, object_):
        super().__init__(kind, hint)
        self.object = object_

    def __deepcopy__(self, memo):
        return self


ZERO, ONE = Const(0.0), Const(1.0)
NO = Const(False)
I0, I1 = Const(0), Const(1)


class Place(NamedTuple):
    """Where something stands in the user's source."""

    file: str
    line: int
    text: str


@dataclass(eq=False, slots=True)
class Op:
    """r = fn(args)."""

    result: Value
    fn: object  # a name, or an Opaque
    args: tuple


@dataclass(eq=False, slots=True)
class Load:
    """r = a[indices]."""

    result: Value
    array: Value
    indices: tuple
    saved: tuple | None = None  # (stack, position): where re-runs find the value


@dataclass(eq=False, slots=True)
class Store:
    """a[indices] = v, or += v."""

    array: Value
    indices: tuple
    value: Value
    add: bool = False


@dataclass(eq=False, slots=True)
class Alloc:
    """r = a new array."""

    result: Value
    shape: tuple
    fill: Value | None = None  # None: uninitialized
    stack: bool = False  # grows
    local: bool = False  # of two axes of known lengths, on the function's own stack
    start: Value | None = None  # the word of the workspace that it starts at, where there is one
    where: Place | None = None


@dataclass(eq=False, slots=True)
class View:
    """r = another look at a's memory."""

    result: Value
    array: Value
    how: str  # "index", "T", "reshape", "ravel"
    args: tuple = ()  # index: per axis None (new axis), a value, or a Slice; reshape: the shape

    def values(self):
        """The scalars it needs."""
        for arg in self.args:
            if isinstance(arg, Slice):
                yield from (v for v in arg if v is not None)
            elif arg is not None:
                yield arg


class Slice(NamedTuple):
    """lo:hi:step, each a value or None."""

    lo: Value | None
    hi: Value | None
    step: Value | None


@dataclass(eq=False, slots=True)
class Shape:
    """r = a.shape[axis]."""

    result: Value
    array: Value
    axis: int


@dataclass(eq=False, slots=True)
class Product:
    """r = a @ b."""

    result: Value
    left: Value
    right: Value


@dataclass(eq=False, slots=True)
class Fill:
    """a[...] = v."""

    array: Value
    value: Value


@dataclass(eq=False, slots=True)
class Push:
    """stack[position] = v."""

    array: Value
    position: Value
    value: Value


@dataclass(eq=False, slots=True)
class Slot:
    """One thing that a loop carries round."""

    param: Value  # in the body, at the start of an iteration
    init: Value
    next: Value | None = None  # at the end of an iteration
    result: Value | None = None  # after the loop


@dataclass(eq=False, slots=True)
class Loop:
    """for or while."""

    index: Value | None  # None: a while loop
    start: Value | None
    stop: Value | None
    step: Value | None
    slots: list = field(default_factory=list)
    body: list = field(default_factory=list)
    go: Slot | None = None  # the slot whose param says whether another iteration is wanted
    where: Place | None = None


@dataclass(eq=False, slots=True)
class Join:
    """One result of an If."""

    result: Value
    then: Value
    other: Value


@dataclass(eq=False, slots=True)
class If:
    """if, with its joins."""

    test: Value
    then: list
    other: list
    joins: list = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Check:
    """Raise unless a condition holds."""

    test: Value
    message: str


@dataclass(eq=False, slots=True)
class Program:
    """A function: params in order; outputs are the arrays among them that it writes; results are returned."""

    name: str
    params: list
    body: list
    results: tuple
    outputs: tuple = ()
    workspace: Value | None = None  # the parameter that holds all arrays made; None: they are allocated


def parameter(kind, hint, params):
    """A new parameter, called hint unless one of params is."""
    taken = {p.hint for p in params}
    while hint in taken:
        hint += "_"
    return Value(kind, hint)


def blocks(op):
    """The blocks nested directly in an op."""
    if isinstance(op, Loop):
        return (op.body,)
    if isinstance(op, If):
        return (op.then, op.other)
    return ()


def walk(block):
    """Every op of a block and of those nested in it, in order of text."""
    for op in block:
        yield op
        kind = type(op)
        if kind is Loop:
            yield from walk(op.body)
        elif kind is If:
            yield from walk(op.then)
            yield from walk(op.other)


def uses(op):
    """The values that an op itself reads, nested blocks left out (but slots and joins included)."""
    kind = type(op)
    if kind is Op:
        return op.args
    if kind is Load:
        return (op.array, *op.indices, *(op.saved or ()))
    if kind is Store:
        return (op.array, *op.indices, op.value)
    if kind is Alloc:
        return (*op.shape, *(v for v in (op.fill, op.start) if v is not None))
    if kind is View:
        return (op.array, *op.values())
    if kind is Shape:
        return (op.array,)
    if kind is Product:
        return (op.left, op.right)
    if kind is Fill:
        return (op.array, op.value)
    if kind is Push:
        return (op.array, op.position, op.value)
    if kind is Check:
        return (op.test,)
    if kind is If:
        return (op.test, *(v for j in op.joins for v in (j.then, j.other)))
    bounds = () if op.index is None else (op.start, op.stop, op.step)
    return (*bounds, *(v for s in op.slots for v in (s.init, s.next)))


def results(op):
    """The values that an op defines for what follows it."""
    kind = type(op)
    if kind is If:
        return tuple(j.result for j in op.joins)
    if kind is Loop:
        return tuple(s.result for s in op.slots)
    if kind in (Store, Fill, Push, Check):
        return ()
    return (op.result,)


def defined_in(block, values):
    """Is one of these values defined in a block?"""
    return any(r in values for op in walk(block) for r in results(op))


def read(op):
    """The arrays whose entries an op itself reads."""
    return tuple(v for v in uses(op) if v.kind.ndim) if isinstance(op, Op | Load | Product) else ()


def written(op):
    """The array that an op itself writes, or None."""
    return op.array if isinstance(op, Store | Fill | Push) else None


def memory_groups(program):
    """value -> representative of the arrays that may share its memory (union-find over views, joins and slots)."""
    parent = {}

    def find(v):
        while v in parent:
            v = parent[v]
        return v

    def unite(a, b):
        a, b = find(a), find(b)
        if a is not b:
            parent[b] = a

    for op in walk(program.body):
        if isinstance(op, View):
            unite(op.array, op.result)
        elif isinstance(op, If):
            for j in op.joins:
                if j.result.kind.ndim:
                    unite(j.then, j.result)
                    unite(j.other, j.result)
        elif isinstance(op, Loop):
            for s in op.slots:
                if s.param.kind.ndim:
                    for v in (s.param, s.next, s.result):
                        unite(s.init, v)
    return find
