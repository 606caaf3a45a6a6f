"""What names stand for while a function is followed: what a loop carries round, and which names share memory in Python.

Both are about one thing: a loop that rebinds a name of an array gives it a buffer, which takes a copy in every pass,
where Python only lets the name stand for something else.
"""

import ast
import contextlib
from typing import NamedTuple

from secondorder.derivatives.autodiff import structure
from secondorder.derivatives.autodiff.arrays import Lazy
from secondorder.derivatives.autodiff.builder import carry, default
from secondorder.derivatives.autodiff.ir import Kind, Value, defined_in

ITERATED = structure.PREFIX + "iterated"  # the arrays that a loop runs over, whatever their names become


class Known(NamedTuple):
    """A Python object known while generating."""

    object: object


class LocalFunction(NamedTuple):
    """A def or lambda inside the function, with the names it sees."""

    arguments: ast.arguments
    body: list
    frame: object
    defaults: dict  # parameter -> its value where the function was defined


class Frame:
    """One function being followed: its text and its names."""

    def __init__(self, source, outer=None):
        self.source, self.outer, self.env = source, outer, {}
        self.waits_at = None  # the statement that calls another function, while that is followed

    def chain(self):
        """The frame, and those of the functions around it."""
        frame = self
        while frame is not None:
            yield frame
            frame = frame.outer


class _Unbound:
    def __repr__(self):
        return "<unbound>"


UNBOUND = _Unbound()


class Clash(NamedTuple):
    """A name that stands for different things after the two branches of an if."""

    what: str


def wider(a, c):
    """The kind that holds both."""
    order = "bif"
    return a if order.index(a.scalar) >= order.index(c.scalar) else c


def plain_tuple(value):
    """A tuple of symbols."""
    return type(value) is tuple


class Aliases:
    """Which arrays Python has as one though here they are two; refuses writes that would tell.

    Where a loop rebinds the name of an array it gets a buffer, which takes a copy in every pass; so does a branch of an
    if in a loop, and a view that can't be written as one. In Python the name would only stand for what was copied. That
    is the same as long as nothing else that is read later stands for that memory, or nobody writes to either.

    `Arrays` knows which arrays may be one in Python: of two that may both be read later, unless a branch that was not
    taken has bound them, each time that a copy is made.
    """

    def __init__(self, lowering):
        self.lowering = lowering
        self.writes = []  # the roots of what has been written to, in order
        self.held = []  # lists of values of expressions that have been evaluated, and are about to be used

    @contextlib.contextmanager
    def holding(self, values):
        """Values in a list may be read for a while, whether or not they have names."""
        self.held.append(values)
        yield
        self.held.pop()

    def write(self, array, last):
        """Take note of a write; refuse it if something that is read later would have to change too.

        last: whether the statement being followed reads nothing more after it.
        """
        arrays = self.lowering.arrays
        self.writes.append(arrays.roots[array])
        readable = self.readable(done=last) if arrays.twins(array) else ()
        if any(arrays.parted(array, other) for other in readable):
            self.lowering.refuse(
                "a write to an array which a loop, a new axis or a reshape has given another name",
                "Copy it: b = a.copy()",
            )

    def readable(self, apart=(), done=False):
        """The arrays that may be read after what is being followed; but for some names of the present frame.

        done: whether nothing is left to do of the present statement.
        """
        lowering, found = self.lowering, []
        active = [lowering.frame, *lowering.callers]
        nodes = [lowering.node, *(frame.waits_at for frame in lowering.callers)]
        seen = {id(f) for frame in active for f in frame.chain()}
        for values in self.held:
            self.collect(values, found, seen)
        for frame, node in zip(active, nodes):
            present = frame is lowering.frame
            unread = self.dead(frame, node, done and present) | set(apart if present else ())
            self.collect([value for name, value in frame.env.items() if name not in unread], found, seen)
            for outer in frame.chain():
                if outer is not frame:
                    self.collect(outer.env.values(), found, seen)
        return found

    def collect(self, values, found, seen):
        """Append the arrays among values, and those that functions among them hold, of frames not seen."""
        for value in values:
            if plain_tuple(value):
                self.collect(value, found, seen)
            elif isinstance(value, Lazy):
                found.extend([] if value.view is None else [value.view])
            elif isinstance(value, Value) and value.kind.ndim:
                found.append(value)
            elif isinstance(value, Known) and isinstance(value.object, LocalFunction):
                self.collect(value.object.defaults.values(), found, seen)
                for frame in value.object.frame.chain():
                    if id(frame) not in seen:
                        seen.add(id(frame))
                        self.collect(frame.env.values(), found, seen)

    def dead(self, frame, node, done):
        """Names of a frame that nothing reads after the statement that it is at, nor in that unless it is done."""
        if not hasattr(node, "_so_live"):
            return set()
        live = node._so_live if done else node._so_live | structure.names_read([node])
        return {name for name in frame.env if name not in live and not name.startswith(ITERATED)}


class Carried:
    """The names that a loop carries round, with what is known of them after so many attempts to build it."""

    def __init__(self, lowering, names, assigned):
        self.lowering, self.names, self.assigned = lowering, names, assigned
        self.kinds = {}  # (name, leaf) -> wider kind
        self.unbound = {}  # name not bound before -> what it was bound to at the end of the body
        self.buffered = set()  # (name, leaf) of arrays that the body rebinds
        self.shared = set()  # pairs of a buffer's (name, leaf) and what it may be one with when a pass starts: the
        # (name, leaf) of another, or an array from outside

    def entry(self, made, env):
        """name -> symbol at the start of an iteration; the slots are made."""
        values = {name: env.get(name, self.initial(name)) for name in self.names}
        self.slots, self.buffers, self.originals, found = {}, {}, {}, {}
        self.body = made.body
        for name, value in values.items():
            if value is not UNBOUND and not isinstance(value, Clash):
                found[name] = self.rebuilt(value, lambda k, v, name=name: self.leaf(made, name, k, v))
        self.at_entry = found
        self.place()
        return found

    def initial(self, name):
        """What stands for a name that isn't bound before the loop."""
        if name not in self.unbound:
            return UNBOUND
        return self.rebuilt(self.unbound[name], lambda k, v: self.missing(name, v))

    def missing(self, name, v):
        """What stands before the loop for a leaf of a name first bound in it."""
        if not isinstance(v, Value):
            return v
        if not v.kind.ndim:
            return default(v.kind)
        arrays = self.lowering.arrays
        if defined_in(self.body, arrays.dims[v]):
            self.lowering.refuse(
                f"the array {name!r}, which is first bound inside a loop and used after it",
                "Allocate it before the loop",
            )
        return arrays.new(arrays.dims[v], default(Kind(v.kind.scalar)), v.kind.scalar, name)

    def rebuilt(self, value, leaf, numbers=None):
        """A value with its leaves replaced: leaf(number, part)."""
        numbers = numbers if numbers is not None else iter(range(1 << 30))
        if plain_tuple(value):
            return tuple(self.rebuilt(part, leaf, numbers) for part in value)
        return leaf(next(numbers), value)

    def leaf(self, made, name, k, v):
        """The symbol of one leaf at the start of an iteration."""
        if not isinstance(v, Value):
            return v
        if v.kind.ndim:
            self.originals[name, k] = v
            if (name, k) in self.buffered:
                self.buffers[name, k] = v = self.lowering.arrays.copy(v, name)
            return v
        kind = self.kinds.get((name, k), v.kind)
        slot = carry(made, self.lowering.arrays.cast(v, kind), name)
        self.slots[name, k] = slot
        return slot.param

    def fits(self, env):
        """Does what the names stand for at the end of the body fit the slots?"""
        fit = True
        for name in self.names:
            after = env.get(name, UNBOUND)
            if name not in self.at_entry:
                if after is UNBOUND or isinstance(after, Clash):
                    continue
                self.unbound[name] = after
                fit = False
                continue
            fit &= self.leaves_fit(name, self.at_entry[name], after)
        return fit

    def leaves_fit(self, name, before, after):
        """Do the leaves of one name fit? If not, take note of what would."""
        old, new = [], []
        self.rebuilt(before, lambda k, v: old.append(v))
        self.rebuilt(after, lambda k, v: new.append(v))
        if len(old) != len(new):
            self.clash(name)
        fit = True
        for k, (a, c) in enumerate(zip(old, new)):
            if a is c:
                continue
            if not (isinstance(a, Value) and isinstance(c, Value)) or a.kind.ndim != c.kind.ndim:
                if isinstance(a, Known) and isinstance(c, Known) and a.object is c.object:
                    continue
                self.clash(name)
            if a.kind.ndim:
                if (name, k) not in self.buffered:
                    self.buffered.add((name, k))
                    fit = False
            elif wider(a.kind, c.kind) != a.kind:
                self.kinds[name, k] = wider(a.kind, c.kind)
                fit = False
        return fit

    def clash(self, name):
        """Refuse a name that changes its kind."""
        self.lowering.refuse(
            f"the name {name!r}, which stands for different kinds of things from pass to pass of a loop",
            "Give it one kind of value",
        )

    def close(self, env):
        """Set the next value of every slot, and copy rebound arrays into their buffers."""
        copies = []
        for name, entry in self.at_entry.items():
            leaves = []
            self.rebuilt(env.get(name, entry), lambda k, v, out=leaves: out.append(v))
            for k, v in enumerate(leaves):
                slot = self.slots.get((name, k))
                if slot is not None:
                    slot.next = self.lowering.arrays.cast(v, slot.param.kind)
                elif (name, k) in self.buffers and v is not self.buffers[name, k]:
                    copies.append((self.buffers[name, k], v))
        self.copy_back(copies)

    def copy_back(self, copies):
        """buffers <- what the names were bound to; first to temporaries where one buffer is another's source."""
        arrays = self.lowering.arrays
        buffers = frozenset().union(*(arrays.roots[b] for b in self.buffers.values()))
        final = [(b, arrays.copy(v) if arrays.roots[v] & buffers else v) for b, v in copies]
        for buffer, v in final:
            arrays.write(buffer, v)

    def place(self):
        """Take note of what buffers are one with in Python: at first, or as found at the ends of passes."""
        arrays, done = self.lowering.arrays, {}
        around = {arrays.bases[v] for v in self.lowering.aliases.readable()}
        for key, buffer in self.buffers.items():
            original = self.originals[key]
            for other, (at_first, now) in ({v: (v, v) for v in around} | done).items():
                if arrays.one(original, at_first) or (key, other) in self.shared or (other, key) in self.shared:
                    arrays.link(buffer, now)
                else:
                    arrays.set_apart(buffer, now)
            done[key] = original, buffer

    def shares(self, env):
        """Have buffers become one in Python with something that `shared` doesn't say? It does then.

        Names that the loop assigns and does not carry are not read in the next pass before they are bound again.
        """
        arrays, ends, before = self.lowering.arrays, {}, len(self.shared)
        for name, entry in self.at_entry.items():
            found = []
            self.rebuilt(env.get(name, entry), lambda k, v, out=found: out.append(v))
            ends |= {(name, k): v for k, v in enumerate(found) if isinstance(v, Value) and v.kind.ndim}
        others = {arrays.bases[v]: v for v in self.lowering.aliases.readable(self.assigned)}
        others |= {key if key in self.buffers else arrays.bases[v]: v for key, v in ends.items()}
        for key, buffer in self.buffers.items():
            if ends[key] is not buffer:
                self.shared |= {(key, k) for k, v in others.items() if k != key and arrays.one(ends[key], v)}
        return len(self.shared) > before

    def outside(self, part):
        """name -> symbol before the loop (part "init") or after it ("result")."""

        def leaf(name, k, v):
            slot = self.slots.get((name, k))
            return getattr(slot, part) if slot is not None else v

        return {
            name: self.rebuilt(entry, lambda k, v, name=name: leaf(name, k, v)) for name, entry in self.at_entry.items()
        }

    def slot_of(self, made, name):
        """The slot of a flag."""
        return self.slots[name, 0]
