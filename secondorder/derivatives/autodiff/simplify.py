"""What makes generated programs small: dead code, loads of what was just stored, slots that never change.

A store is alive if something alive reads the memory that it writes (whatever the index); a scalar if something alive
reads it. Each slot of a loop and each join of an if lives or dies by itself. That is what deletes the values that
reverse mode remembered in vain, whole forward loops, and the gradient in a Hessian-vector product.
"""

from secondorder.derivatives.autodiff.builder import FOLDED
from secondorder.derivatives.autodiff.ir import (
    Alloc,
    Check,
    Const,
    If,
    Load,
    Loop,
    Op,
    Shape,
    Slice,
    Store,
    View,
    blocks,
    memory_groups,
    read,
    results,
    uses,
    walk,
    written,
)


def simplify(program):
    """The program without what has no effect on its results and outputs; changed in place, and returned."""
    reuse_loads(program)
    drop_idle(program)
    drop_dead(program)
    drop_idle(program)
    fold(program)
    return program


# ---------------------------------------------------------------------------------------------------- dead code


class Liveness:
    """Which values, slots and writes are needed."""

    def __init__(self, program):
        self.group = memory_groups(program)
        self.around, self.maker, self.writers = {}, {}, {}
        self.values, self.ops, self.groups = set(), set(), set()
        self.survey(program.body, None)
        self.waiting = []
        for v in program.results:
            self.need(v)
            self.need_entries(v)
        for v in program.outputs:
            self.need_entries(v)
        for op in walk(program.body):
            if isinstance(op, Check):
                self.keep(op)
        while self.waiting:
            self.trace(self.waiting.pop())

    def survey(self, block, parent):
        """Who makes a value, what is around an op, who writes a group."""
        for op in block:
            self.around[op] = parent
            for v in results(op):
                self.maker[v] = op
            if isinstance(op, Loop):
                for s in op.slots:
                    self.maker[s.param] = op
                if op.index is not None:
                    self.maker[op.index] = op
            target = written(op)
            if target is not None:
                self.writers.setdefault(self.group(target), []).append(op)
            for inner in blocks(op):
                self.survey(inner, op)

    def need(self, v):
        """A value is needed."""
        if v is not None and v not in self.values and not isinstance(v, Const):
            self.values.add(v)
            self.waiting.append(v)

    def need_entries(self, array):
        """What an array holds is needed: so are all writes to its memory."""
        if array.kind.ndim == 0:
            return
        group = self.group(array)
        if group not in self.groups:
            self.groups.add(group)
            for op in self.writers.get(group, ()):
                self.keep(op)

    def keep(self, op):
        """An op runs: so does what it needs, and the ops around it."""
        if op is None or op in self.ops:
            return
        self.ops.add(op)
        self.keep(self.around[op])
        if isinstance(op, Loop):
            for v in (op.start, op.stop, op.step):
                self.need(v)
            if op.go is not None:
                self.need(op.go.param)
        elif isinstance(op, If):
            self.need(op.test)
        else:
            for v in uses(op):
                self.need(v)
            for v in read(op):
                self.need_entries(v)

    def trace(self, v):
        """What a needed value comes from."""
        op = self.maker.get(v)
        if op is None:
            return
        self.keep(op)
        if isinstance(op, Loop):
            for s in op.slots:
                if v is s.param or v is s.result:
                    self.need(s.init)
                    self.need(s.next)
        elif isinstance(op, If):
            for j in op.joins:
                if v is j.result:
                    self.need(j.then)
                    self.need(j.other)


def drop_dead(program):
    """Remove what nothing needs."""
    live = Liveness(program)

    def sweep(block):
        kept = []
        for op in block:
            if op not in live.ops:
                continue
            if isinstance(op, Loop):
                sweep(op.body)
                op.slots = [s for s in op.slots if s is op.go or s.param in live.values or s.result in live.values]
            elif isinstance(op, If):
                sweep(op.then)
                sweep(op.other)
                op.joins = [j for j in op.joins if j.result in live.values]
            kept.append(op)
        block[:] = kept

    sweep(program.body)


# -------------------------------------------------------------------------------------- slots that never change


class Renaming:
    """Values that turned out to be other values."""

    def __init__(self):
        self.of = {}

    def __call__(self, v):
        """The value in the end."""
        while v in self.of:
            v = self.of[v]
        return v

    def apply(self, op):
        """Rename what an op itself reads."""
        kind = type(op)
        if kind is Op:
            op.args = tuple(map(self, op.args))
        elif kind is Load:
            op.array, op.indices = self(op.array), tuple(map(self, op.indices))
            op.saved = op.saved and tuple(map(self, op.saved))
        elif kind is Store:
            op.array, op.indices, op.value = self(op.array), tuple(map(self, op.indices)), self(op.value)
        elif kind is Alloc:
            op.shape, op.fill = tuple(map(self, op.shape)), op.fill and self(op.fill)
            op.start = op.start and self(op.start)
        elif kind is View:
            op.array, op.args = self(op.array), tuple(map(self.part, op.args))
        elif kind is If:
            op.test = self(op.test)
            for j in op.joins:
                j.then, j.other = self(j.then), self(j.other)
        elif kind is Loop:
            if op.index is not None:
                op.start, op.stop, op.step = self(op.start), self(op.stop), self(op.step)
            for s in op.slots:
                s.init, s.next = self(s.init), self(s.next)
        elif kind is Shape:
            op.array = self(op.array)
        else:
            for name in ("left", "right", "array", "position", "value", "test"):
                if hasattr(op, name):
                    setattr(op, name, self(getattr(op, name)))

    def part(self, p):
        """Rename a part of an index."""
        if isinstance(p, Slice):
            return Slice(*(q if q is None else self(q) for q in p))
        return p if p is None else self(p)

    def everywhere(self, program):
        """Rename in the whole program."""
        if self.of:
            for op in walk(program.body):
                self.apply(op)
            program.results = tuple(map(self, program.results))


def drop_idle(program):
    """Slots whose next value is their own, and joins of one value with itself."""
    while True:
        rename = Renaming()
        for op in walk(program.body):
            if isinstance(op, Loop):
                idle = [s for s in op.slots if s.next is s.param and s is not op.go]
                for s in idle:
                    rename.of[s.param] = rename.of[s.result] = s.init
                op.slots = [s for s in op.slots if s not in idle]
            elif isinstance(op, If):
                for j in [j for j in op.joins if same(j.then, j.other)]:
                    rename.of[j.result] = j.then
                op.joins = [j for j in op.joins if not same(j.then, j.other)]
        if not rename.of:
            return
        rename.everywhere(program)


def same(a, c):
    """One value, or equal constants."""
    return a is c or (type(a) is Const and type(c) is Const and a.kind == c.kind and repr(a.value) == repr(c.value))


# ------------------------------------------------------------------------------------- loads of what is known


def reuse_loads(program):
    """A load of an entry that was stored or loaded before, with no store to that memory since, is the same value."""
    group = memory_groups(program)
    rename = Renaming()

    def entry(array, indices):
        return rename(array), tuple(i.value if type(i) is Const else rename(i) for i in indices)

    def forget(known, groups):
        return {key: v for key, v in known.items() if group(key[0]) not in groups}

    def visit(block, known):
        for op in block:
            rename.apply(op)
            if isinstance(op, Load) and op.saved is None:
                key = entry(op.array, op.indices)
                if key in known:
                    rename.of[op.result] = known[key]
                else:
                    known[key] = op.result
            elif isinstance(op, Loop | If):
                changed = {group(written(o)) for o in walk([op]) if written(o) is not None}
                outside = forget(known, changed)
                for inner in blocks(op):
                    visit(inner, dict(outside if isinstance(op, Loop) else known))
                rename.apply(op)
                known = outside
            elif written(op) is not None:
                known = forget(known, {group(written(op))})
                if isinstance(op, Store) and not op.add and op.value.kind.scalar == op.array.kind.scalar:
                    known[entry(op.array, op.indices)] = op.value

    visit(program.body, {})
    rename.everywhere(program)


def reuse_values(program):
    """An operation on values that were operated on before is the same value; changed in place, and returned.

    LLVM finds these too, but not among the loops that costly functions are parted into.
    """
    rename = Renaming()

    def visit(block, known):
        for op in block:
            rename.apply(op)
            if isinstance(op, Op) and isinstance(op.fn, str):
                key = op.fn, *[(a.kind, repr(a.value)) if type(a) is Const else a for a in op.args]
                if key in known:
                    rename.of[op.result] = known[key]
                known.setdefault(key, op.result)
            for inner in blocks(op):
                visit(inner, dict(known))
            rename.apply(op)

    visit(program.body, {})
    rename.everywhere(program)
    return program


# ------------------------------------------------------------------------------------------------- arithmetic


def fold(program):
    """Products with 1, sums with 0 that cannot change a bit, signs, and operations on constants."""
    rename = Renaming()
    negated = {}  # -u -> u

    def visit(block):
        kept = []
        for op in block:
            rename.apply(op)
            for inner in blocks(op):
                visit(inner)
            rename.apply(op)
            if isinstance(op, Op) and isinstance(op.fn, str):
                value = folded(op, negated)
                if value is not None:
                    rename.of[op.result] = value
                    continue
                if op.fn == "neg":
                    negated[op.result] = op.args[0]
            kept.append(op)
        block[:] = kept

    visit(program.body)
    rename.everywhere(program)
    drop_dead(program)


def folded(op, negated):
    """The value that an op is known to have, or None; a + -b becomes a - b in place."""
    fn, args = op.fn, op.args
    if fn in FOLDED and all(type(a) is Const for a in args):
        return Const(FOLDED[fn](*(a.value for a in args)))
    if fn == "mul" and op.result.kind.scalar == "f":
        for one, other in (args, args[::-1]):
            if type(one) is Const and one.value == 1 and other.kind.scalar == "f":
                return other
    if fn == "neg" and args[0] in negated:
        return negated[args[0]]
    if fn == "add" and args[1] in negated:
        op.fn, op.args = "sub", (args[0], negated[args[1]])
    elif fn == "add" and args[0] in negated:
        op.fn, op.args = "sub", (args[1], negated[args[0]])
    elif fn == "sub" and args[1] in negated:
        op.fn, op.args = "add", (args[0], negated[args[1]])
    return None
