"""NumPy expressions as scalar loops: elementwise expressions stay unevaluated until something asks for their entries.

So `np.sum((x[1:] - x[:-1] ** 2) ** 2)` becomes one loop without temporaries. Broadcasting is resolved here: an axis of
length 1 is broadcast if its length is known while generating (a `None` axis, a literal shape); where two lengths may
differ at run time the generated code checks that they are equal.
"""

import contextlib

from secondorder.derivatives.autodiff.builder import Builder, carry, default
from secondorder.derivatives.autodiff.ir import (
    FLOAT,
    I0,
    I1,
    ZERO,
    Const,
    If,
    Join,
    Kind,
    Named,
    Slice,
    Value,
)
from secondorder.derivatives.autodiff.opaque import Opaque
from secondorder.derivatives.autodiff.rules import FUNCTIONS


class Lazy:
    """An elementwise expression: its lengths per axis, and at(indices) -> the scalar there, built on demand.

    view: the array whose memory it shares in Python, or None.
    """

    __slots__ = ("dims", "scalar", "at", "view")

    def __init__(self, dims, scalar, at, view=None):
        self.dims, self.scalar, self.at, self.view = tuple(dims), scalar, at, view

    @property
    def kind(self):
        """Scalar kind and number of axes."""
        return Kind(self.scalar, len(self.dims))

    def anew(self):
        """The same as an array of its own, no view."""
        return Lazy(self.dims, self.scalar, self.at)


class Arrays:
    """What is known of arrays while generating, and the loops over them."""

    def __init__(self):
        self.b = Builder()
        self.dims = {}  # array -> its lengths
        self.keys = {}  # length -> what identifies it: equal keys, equal lengths
        self.roots = {}  # array -> the arrays allocated or given whose memory it may share
        self.bases = {}  # array -> the array that it is a view of, in the end; itself
        self.twin_roots = {}  # root -> roots that may be one with it in Python, though here they are copies
        self.apart = set()  # pairs of arrays that share no memory in Python, whatever their roots say
        self.contiguous = set()  # arrays known to lie in memory in the order of their entries
        self.homes = {}  # array allocated or given -> the loop in each pass of which it is made, or None
        self.loops = []  # those of the user's loops that are being followed

    def new(self, shape, fill=ZERO, scalar="f", hint=""):
        """Allocate."""
        return self.made(self.b.alloc(shape, fill, scalar, hint), shape)

    def made(self, array, dims):
        """Take note of a new array."""
        self.dims[array], self.roots[array], self.bases[array] = tuple(dims), frozenset([array]), array
        self.homes[array] = self.loops[-1] if self.loops else None
        self.contiguous.add(array)
        return array

    def given(self, array, dims):
        """Take note of an array from outside."""
        self.made(array, dims)
        self.homes[array] = None
        return array

    def looks_at(self, view, array):
        """Take note of an array that is a view of another."""
        self.roots[view], self.bases[view] = self.roots[array], self.bases[array]

    # ------------------------------------------------------------------------------------ one array in Python

    def twins(self, array):
        """The roots that may be one with an array in Python, though here they are not."""
        return frozenset().union(*(self.twin_roots.get(root, ()) for root in self.roots[array]))

    def one(self, a, c):
        """May two arrays share memory in Python?"""
        a, c = self.bases[a], self.bases[c]
        return a is c or (frozenset((a, c)) not in self.apart and bool((self.roots[a] | self.twins(a)) & self.roots[c]))

    def parted(self, a, c):
        """May two arrays share memory in Python, though here they do not?"""
        a, c = self.bases[a], self.bases[c]
        return a is not c and frozenset((a, c)) not in self.apart and bool(self.twins(a) & self.roots[c])

    def link(self, a, c):
        """Take note of two arrays that may share memory in Python, though here they do not."""
        for root in self.roots[a]:
            for twin in self.roots[c] - {root}:
                self.twin_roots.setdefault(root, set()).add(twin)
                self.twin_roots.setdefault(twin, set()).add(root)

    def link_family(self, copy, array):
        """The same for a copy of an array, and all that may be one with that."""
        self.link(copy, array)
        for root in self.twins(array) - self.roots[copy]:
            self.link(copy, root)

    def set_apart(self, a, c):
        """Take note of two arrays that share no memory in Python, whatever their roots say."""
        if self.bases[a] is not self.bases[c]:
            self.apart.add(frozenset((self.bases[a], self.bases[c])))

    def stands_for(self, copy, array, others):
        """Take note of a copy where Python has the array itself. others: all arrays that may be read later."""
        self.link(copy, array)
        for other in others:
            if self.one(array, other):
                self.link(copy, other)
            else:
                self.set_apart(copy, other)

    def chosen(self, triples, others):
        """Take note of arrays (result, first, second) that are one or the other, each by the same choice."""
        for k, (result, *sources) in enumerate(triples):
            pairs = [(other, other, other) for other in others] + triples[:k]
            for other, *theirs in pairs:
                if not any(self.one(a, c) for a, c in zip(sources, theirs)):
                    self.set_apart(result, other)

    @contextlib.contextmanager
    def within(self, loop):
        """Arrays are made in each pass of a loop for a while."""
        self.loops.append(loop)
        yield
        self.loops.pop()

    # ------------------------------------------------------------------------------------------------ lengths

    def key(self, length):
        """What identifies a length."""
        if type(length) is Const:
            return length.value
        return self.keys.get(length, length)

    def same_length(self, lengths):
        """One of several lengths that must be equal; the generated code checks those that may differ."""
        first = lengths[0]
        for other in lengths[1:]:
            if self.key(other) != self.key(first):
                test = self.b.op("eq", first, other)
                self.b.check(
                    test,
                    "arrays of different lengths in an expression; an axis of length 1 is broadcast in derivatives "
                    "only if written with None, as a[:, None]",
                )
        return first

    def broadcast(self, parts):
        """The common lengths of several expressions."""
        n = max(len(p.dims) for p in parts)
        dims = []
        for axis in range(n):
            here = [p.dims[axis - n + len(p.dims)] for p in parts if axis - n + len(p.dims) >= 0]
            long = [d for d in here if not is_one(d)]
            dims.append(self.same_length(long) if long else I1)
        return tuple(dims)

    # -------------------------------------------------------------------------------------------- expressions

    def lazy(self, v):
        """A scalar, array or Lazy as a Lazy."""
        if isinstance(v, Lazy):
            return v
        if v.kind.ndim == 0:
            return Lazy((), v.kind.scalar, lambda indices: v)
        dims = self.dims[v]

        def at(indices):
            indices = indices[len(indices) - len(dims) :]
            return self.b.load(v, *(I0 if is_one(d) else i for d, i in zip(dims, indices)))

        return Lazy(dims, v.kind.scalar, at)

    def apply(self, fn, *args):
        """fn elementwise."""
        if all(isinstance(a, Value) and a.kind.ndim == 0 for a in args):
            return self.b.op(fn, *args)
        parts = [self.lazy(a) for a in args]
        dims = self.broadcast(parts)
        kinds = [Kind(p.scalar) for p in parts]
        kind = FLOAT if isinstance(fn, Opaque) else FUNCTIONS[fn].kind(*kinds)

        def at(indices):
            return self.b.op(fn, *(p.at(indices) for p in parts))

        return Lazy(dims, kind.scalar, at)

    def where(self, test, first, second):
        """first where test, else second: a branch, so that the side not taken has no derivative at all."""
        parts = [self.lazy(a) for a in (test, first, second)]
        dims = self.broadcast(parts)
        scalar = "f" if "f" in (parts[1].scalar, parts[2].scalar) else parts[1].scalar

        def at(indices):
            chosen = parts[0].at(indices)
            if type(chosen) is Const:
                return parts[1 if chosen.value else 2].at(indices)
            then, other = [], []
            with self.b.into(then):
                a = self.cast(parts[1].at(indices), Kind(scalar))
            with self.b.into(other):
                c = self.cast(parts[2].at(indices), Kind(scalar))
            result = Value(Kind(scalar))
            self.b.append(If(chosen, then, other, [Join(result, a, c)]))
            return result

        return Lazy(dims, scalar, at) if dims else at(())

    def cast(self, v, kind):
        """A scalar as another kind."""
        if v.kind == kind:
            return v
        return self.b.op({"f": "float", "i": "int", "b": "bool"}[kind.scalar], v)

    def array(self, v, hint=""):
        """The expression as an array in memory."""
        if not isinstance(v, Lazy):
            return v
        result = self.copy(v, hint)
        if v.view is not None:
            self.link_family(result, v.view)
        return result

    def copy(self, v, hint=""):
        """A new array with the entries of v."""
        v = self.lazy(v)
        result = self.new(v.dims, None, v.scalar, hint)
        self.write(result, v)
        return result

    def write(self, array, value, add=False):
        """array[...] = value, or += value."""
        value = self.lazy(value)
        dims = self.dims[array]
        if value.dims:
            if len(value.dims) > len(dims):
                raise ValueError("an array can't be stored in one of fewer axes")
            self.fits(value.dims, dims[len(dims) - len(value.dims) :])
        with self.b.nest(dims) as indices:
            self.b.store(array, indices, self.cast(value.at(indices), Kind(array.kind.scalar)), add)

    def fits(self, dims, into):
        """Check that lengths fit those of the target."""
        for d, target in zip(dims, into):
            if not is_one(d):
                self.same_length([target, d])

    def reduce(self, v, first, step):
        """step(step(first, v_0), v_1), ... over all entries, last axis fastest."""
        v = self.lazy(v)

        def level(axis, total, indices):
            if axis == len(v.dims):
                return step(total, v.at(indices))
            with self.b.loop(v.dims[axis], hint="k") as loop:
                slot = carry(loop, total, "total")
                slot.next = level(axis + 1, slot.param, (*indices, loop.index))
            return slot.result

        return level(0, first, ())

    def sum(self, v):
        """Sum of all entries."""
        v = self.lazy(v)
        first = ZERO if v.scalar == "f" else I0
        return self.reduce(v, first, lambda total, e: self.b.op("add", total, self.cast(e, first.kind)))

    def sum_axis(self, v, axis):
        """Sums along one axis: an array of one axis fewer."""
        v = self.lazy(v)
        axis %= len(v.dims)
        kept = [d for k, d in enumerate(v.dims) if k != axis]
        scalar = "f" if v.scalar == "f" else "i"
        if axis < len(v.dims) - 1:
            result = self.new(kept, default(Kind(scalar)), scalar)
            with self.b.nest(v.dims) as indices:
                left = [i for k, i in enumerate(indices) if k != axis]
                self.b.store(result, left, self.cast(v.at(indices), Kind(scalar)), add=True)
            return result
        result = self.new(kept, None, scalar)
        with self.b.nest(kept) as indices:
            row = Lazy(v.dims[-1:], v.scalar, lambda last: v.at((*indices, *last)))
            self.b.store(result, indices, self.sum(row))
        return result

    def size(self, v):
        """Number of entries."""
        total = I1
        for d in self.lazy(v).dims:
            total = self.b.mul(total, d)
        return total

    def product(self, left, right):
        """left @ right"""
        left, right = self.array(left), self.array(right)
        left_dims, right_dims = self.dims[left], self.dims[right]
        self.same_length([left_dims[-1], right_dims[-2] if len(right_dims) > 1 else right_dims[-1]])
        if left.kind.scalar != "f" or right.kind.scalar != "f":
            left, right = (self.array(self.apply("float", a)) if a.kind.scalar != "f" else a for a in (left, right))
        result = self.b.product(left, right)
        if result.kind.ndim:
            dims = left_dims[:-1] + (right_dims[1:] if len(right_dims) > 1 else ())
            self.made(result, dims)
        return result

    # ---------------------------------------------------------------------------------------------- views

    def index(self, array, parts):
        """array[parts]: parts are values, Slices and None (a new axis). A scalar, an array or a Lazy."""
        if isinstance(array, Lazy):
            if all(isinstance(p, Value) and p.kind.ndim == 0 for p in parts) and len(parts) == len(array.dims):
                return array.at(tuple(parts))
            array = self.array(array)
        given = sum(p is not None for p in parts)
        parts = [*parts, *[Slice(None, None, None)] * (array.kind.ndim - given)]
        if any(isinstance(p, Lazy) or (isinstance(p, Value) and p.kind.ndim) for p in parts):
            return self.gather(array, parts)
        if all(isinstance(p, Value) for p in parts):
            return self.b.load(array, *parts)
        base = [p for p in parts if p is not None]
        v = array if all(p == Slice(None, None, None) for p in base) else self.view(array, base)
        if None not in parts:
            return v
        return self.with_new_axes(v, parts)

    def with_new_axes(self, v, parts):
        """A Lazy that has axes of length 1 where parts has None."""
        axes = [p is None for p in parts if p is None or isinstance(p, Slice)]
        old = iter(self.dims[v])
        dims = [I1 if new else next(old) for new in axes]
        inner = self.lazy(v)

        def at(indices):
            indices = indices[len(indices) - len(axes) :]
            return inner.at(tuple(i for i, new in zip(indices, axes) if not new))

        return Lazy(dims, v.kind.scalar, at, v)

    def gather(self, array, parts):
        """array[index] with an integer array as the only index."""
        if parts[0] is None or isinstance(parts[0], Slice):
            raise ValueError("indexing by arrays, other than one integer array on the first axis")
        index = self.lazy(parts[0])
        if index.scalar != "i" or len(index.dims) != 1 or any(p != Slice(None, None, None) for p in parts[1:]):
            raise ValueError("indexing by arrays, other than one integer array on the first axis")
        rest = self.dims[array][1:]

        def at(indices):
            return self.b.load(
                array, index.at((indices[len(indices) - 1 - len(rest)],)), *indices[len(indices) - len(rest) :]
            )

        return Lazy((*index.dims, *rest), array.kind.scalar, at)

    def view(self, array, parts):
        """array[parts] of values and Slices, at least one a Slice."""
        ndim = sum(isinstance(p, Slice) for p in parts)
        v = self.b.view(array, "index", parts, ndim, array.hint)
        self.looks_at(v, array)
        whole = [k for k, p in enumerate(parts) if isinstance(p, Slice)]
        if array in self.contiguous and parts[whole[0]].step is None and is_whole(parts[whole[0] + 1 :]):
            self.contiguous.add(v)
        kept = [(p, d, k) for k, (p, d) in enumerate(zip(parts, self.dims[array])) if isinstance(p, Slice)]
        self.dims[v] = tuple(self.slice_length(v, axis, p, d) for axis, (p, d, _) in enumerate(kept))
        return v

    def slice_length(self, v, axis, part, length):
        """Length of a slice of an axis, with a key by which equal lengths are known to be equal."""
        lo, hi, step = part
        if part == Slice(None, None, None):
            return length
        bounds = [None if p is None else p.value if type(p) is Const else p for p in (lo, hi, step)]
        if type(length) is Const and not any(isinstance(p, Value) for p in bounds):
            return Const(len(range(length.value)[slice(*bounds)]))
        result = self.b.shape(v, axis)
        key = ("slice", self.key(length), *(p if p is None else self.key(p) for p in part))
        if step is None and not any(isinstance(p, Value) for p in bounds):
            first, last = bounds[0] or 0, bounds[1]
            if first >= 0 and (last is None or last < 0):
                key = ("less", self.key(length), first - (last or 0))  # length - first + last, if that isn't negative
        self.keys[result] = key
        return result

    def transpose(self, array):
        """array.T"""
        if isinstance(array, Lazy):
            dims, at = array.dims[::-1], array.at
            return Lazy(dims, array.scalar, lambda indices: at(indices[::-1][: len(dims)]), array.view)
        if array.kind.ndim < 2:
            return array
        v = self.b.view(array, "T", (), array.kind.ndim, array.hint)
        self.dims[v] = self.dims[array][::-1]
        self.looks_at(v, array)
        return v

    def reshape(self, array, shape):
        """array.reshape(shape); one length may be -1."""
        array = self.array(array)
        known = [d for d in shape if not (type(d) is Const and d.value == -1)]
        if len(known) < len(shape):
            product = I1
            for d in known:
                product = self.b.mul(product, d)
            missing = self.b.op("floordiv", self.size(array), product)
            shape = [missing if type(d) is Const and d.value == -1 else d for d in shape]
        v = self.b.view(array, "reshape", shape, len(shape), array.hint)
        self.dims[v] = tuple(shape)
        self.looks_at(v, array)
        self.contiguous.add(v)
        return v

    def ravel(self, array):
        """array.ravel()"""
        array = self.array(array)
        return array if array.kind.ndim == 1 else self.reshape(array, [self.size(array)])

    def joined(self, array, *sources):
        """Take note of an array that is one of several."""
        self.roots[array], self.bases[array] = frozenset().union(*(self.roots[s] for s in sources)), array
        same = zip(*(self.dims[s] for s in sources))
        self.dims[array] = tuple(lengths[0] if len({self.key(d) for d in lengths}) == 1 else None for lengths in same)
        self.dims[array] = tuple(self.b.shape(array, k) if d is None else d for k, d in enumerate(self.dims[array]))
        return array


def is_whole(parts):
    """Do the parts of an index take all there is?"""
    return all(p == Slice(None, None, None) for p in parts)


def is_one(length):
    """Is the length known to be 1?"""
    return type(length) is Const and length.value == 1


def captured(value, name):
    """An array that the function reads from its globals or closure."""
    scalar = {"f": "f", "i": "i", "u": "i", "b": "b"}.get(value.dtype.kind)
    if scalar is None:
        raise ValueError(f"the array {name!r} of dtype {value.dtype}")
    return Named(Kind(scalar, value.ndim), name, value)
