"""What names stand for while a function is followed: what a loop carries round, and which names share memory in Python.

Both are about one thing: a loop that rebinds a name of an array gives it a buffer, which takes a copy in every pass,
where Python only lets the name stand for something else.
"""

from typing import NamedTuple

from secondorder.derivatives.autodiff import structure
from secondorder.derivatives.autodiff.builder import carry, default
from secondorder.derivatives.autodiff.ir import Value

ITERATED = structure.PREFIX + "iterated"  # the arrays that a loop runs over, whatever their names become


class Known(NamedTuple):
    """A Python object known while generating."""

    object: object


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
    """Which arrays would be one in Python, though a loop has made them two; refuses writes that would tell.

    A loop that rebinds a name of an array gives it a buffer, which takes a copy in every pass. If something else stands
    for the memory that was copied, Python would show a write to one through the other.
    """

    def __init__(self, lowering):
        self.lowering = lowering
        self.writes = []  # the roots of what has been written to, in order
        self.groups = []  # sets of roots that Python might have as one

    def of(self, array):
        """Roots of all that an array may be in Python."""
        found = self.lowering.arrays.roots[array]
        for group in self.groups:
            if group & found:
                found |= group
        return found

    def write(self, array):
        """Take note of a write; refuse it if something visible would have to change too."""
        roots = self.lowering.arrays.roots[array]
        self.writes.append(roots)
        for group in self.groups:
            if group & roots and (group - roots) & self.references(self.dead(self.lowering.node)):
                self.refuse()

    def parted(self, arrays, since):
        """These arrays are one in Python; refuse if one of them is written to in the loop."""
        group = frozenset().union(*map(self.of, arrays))
        self.groups.append(group)
        if any(group & roots for roots in self.writes[since:]):
            self.refuse()

    def refuse(self):
        """There is no telling which of two arrays is meant."""
        self.lowering.refuse(
            "a name that a loop binds to an array which has another name, and a write to that array",
            "Copy it: b = a.copy()",
        )

    def dead(self, s):
        """Names that nothing reads in a statement or after it."""
        if not hasattr(s, "_so_live"):
            return set()
        read = structure.names_read([s])
        names = [name for name in self.lowering.frame.env if not name.startswith(ITERATED)]
        return {name for name in names if name not in s._so_live and name not in read}

    def references(self, apart):
        """Roots of all arrays that names stand for, in all frames; but for some names of the present frame."""
        lowering, found = self.lowering, set()
        frames = [lowering.frame, *lowering.callers]
        for frame in frames:
            names = apart if frame is lowering.frame else ()
            while frame is not None:
                for name, value in frame.env.items():
                    if name not in names:
                        self.collect(value, found)
                frame, names = frame.outer, ()
        return found

    def collect(self, value, found):
        """Add the roots of an array, or of those in a tuple."""
        if plain_tuple(value):
            for part in value:
                self.collect(part, found)
        elif isinstance(value, Value) and value.kind.ndim:
            found |= self.of(value)


class Carried:
    """The names that a loop carries round, with what is known of them after so many attempts to build it."""

    def __init__(self, lowering, names, reads):
        self.lowering, self.names, self.reads = lowering, names, reads
        self.kinds = {}  # (name, leaf) -> wider kind
        self.unbound = {}  # name not bound before -> what it was bound to at the end of the body
        self.buffered = set()  # (name, leaf) of arrays that the body rebinds

    def entry(self, made, env):
        """name -> symbol at the start of an iteration; the slots are made."""
        self.slots, self.buffers, self.originals, found = {}, {}, {}, {}
        for name in self.names:
            value = env.get(name, self.initial(name))
            if value is not UNBOUND and not isinstance(value, Clash):
                found[name] = self.rebuilt(value, lambda k, v, name=name: self.leaf(made, name, k, v))
        self.at_entry = found
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
        if v.kind.ndim:
            self.lowering.refuse(
                f"the array {name!r}, which is first bound inside a loop and used after it",
                "Allocate it before the loop",
            )
        return default(v.kind)

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

    def part(self, s, env, since):
        """Take note of names that Python lets share memory, but buffers part. since: the number of writes before.

        At the start and at the end of a pass a buffer takes a copy of what its name stands for; that is the same as
        long as nothing else stands for it, or nobody writes to either.
        """
        aliases, leaves = self.lowering.aliases, {}
        for name, entry in self.at_entry.items():
            found = []
            self.rebuilt(env.get(name, entry), lambda k, v, out=found: out.append(v))
            leaves |= {(name, k): v for k, v in enumerate(found)}
        others = aliases.references({n for n in self.names} | aliases.dead(s))
        for state in (self.originals, leaves):
            arrays = {key: v for key, v in state.items() if isinstance(v, Value) and v.kind.ndim}
            for key, buffer in self.buffers.items():
                v = state[key]
                shared = {k for k, w in arrays.items() if k != key and aliases.of(w) & aliases.of(v)}
                if v is not buffer and (shared or aliases.of(v) & others):
                    aliases.parted([buffer, v, *(self.buffers.get(k, arrays[k]) for k in shared)], since)

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
