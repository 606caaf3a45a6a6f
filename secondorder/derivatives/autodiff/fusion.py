"""Loops over the same range that hand entries of arrays on become one loop, and such arrays scalars.

NumPy expressions bound to names, and the reverse of each, become one loop each over arrays in memory. Two loops with
the same bounds may become one if every pass of the second touches, of the memory that either writes, only what the same
pass of the first touches: the same axis of the same array indexed by the loop's own index. Then what the second loads
has just been stored, and an array that nothing else reads is never made [1, sec. 9.2].

References
----------
[1] Wolfe. High Performance Compilers for Parallel Computing. Addison-Wesley, 1996.
"""

from secondorder.derivatives.autodiff.ir import (
    Alloc,
    Check,
    Const,
    Load,
    Loop,
    Op,
    Product,
    Shape,
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
from secondorder.derivatives.autodiff.naturals import naturals, of_one_sign
from secondorder.derivatives.autodiff.simplify import Renaming, drop_dead, reuse_loads, same


def fuse(program):
    """Fuse what can be fused; in place, and returned."""
    Lengths(program).unite()
    Fusion(program).visit(program.body)
    store_once(program)
    reuse_loads(program)
    drop_dead(program)
    return program


# ------------------------------------------------------------------------------------------------- lengths


class Lengths:
    """One name for one length: a.shape[k] of an array made here is what it was made with; checked lengths are equal."""

    def __init__(self, program):
        self.program, self.rename = program, Renaming()
        self.dims, self.equal, self.known = {}, {}, {}
        self.age = {}  # length -> how many were known before it
        self.makers = {}  # transpose or product -> its op

    def unite(self):
        """Rename; in place."""
        self.visit(self.program.body, True)
        self.program.results = tuple(map(self.rename, self.program.results))

    def shape(self, array, axis):
        """The known length of an axis, or None."""
        dims = self.dims.get(array)
        return dims[axis] if dims is not None else self.known.get((array, axis))

    def origin(self, array, axis):
        """The array that an axis comes from, and its number there: a product needn't be computed for its lengths."""
        while array in self.makers:
            op = self.makers[array]
            if isinstance(op, View):
                array, axis = op.array, array.kind.ndim - 1 - axis
            elif axis == 0 and op.left.kind.ndim == 2:
                array = op.left
            else:
                array, axis = op.right, 1
        return array, axis

    def visit(self, block, outermost):
        """Visit a block. A check holds for all that follows it only if it is in the outermost one."""
        kept = []
        for op in block:
            self.rename.apply(op)
            if not (isinstance(op, Shape) and self.renamed_shape(op)) and not self.holds(op):
                kept.append(op)
                self.note(op, outermost)
            for inner in blocks(op):
                known = dict(self.known)
                self.visit(inner, False)
                self.known = known
            self.rename.apply(op)
        block[:] = kept

    def holds(self, op):
        """Is it a check of what is known to be equal?"""
        return isinstance(op, Check) and op.test in self.equal and same(*map(self.rename, self.equal[op.test]))

    def renamed_shape(self, op):
        """Is the length known under another name?"""
        op.array, op.axis = self.origin(op.array, op.axis)
        known = self.shape(op.array, op.axis)
        if known is None:
            self.known[op.array, op.axis] = op.result
            return False
        self.rename.of[op.result] = known
        return True

    def note(self, op, outermost):
        """What an op tells of lengths."""
        for v in results(op):
            self.age.setdefault(v, len(self.age))
        if isinstance(op, Product) or (isinstance(op, View) and op.how == "T"):
            self.makers[op.result] = op
        if isinstance(op, Alloc) and not op.stack:
            self.dims[op.result] = op.shape
        elif isinstance(op, View) and op.how == "reshape":
            if not any(type(a) is Const and a.value < 0 for a in op.args):
                self.dims[op.result] = op.args
        elif isinstance(op, Op) and op.fn == "eq":
            self.equal[op.result] = op.args
        elif isinstance(op, Check) and op.test in self.equal and outermost:
            a, c = map(self.rename, self.equal[op.test])
            if type(a) is not Const and self.age.get(c, -1) < self.age.get(a, -1):  # loops before this have the older
                a, c = c, a
            if a is not c and type(c) is not Const:
                self.rename.of[c] = a


# ------------------------------------------------------------------------------------------------- fusion


class Effects:
    """What an op and all in it read and write."""

    def __init__(self, op, group):
        self.used, self.made, self.reads, self.writes = set(), set(), set(), set()
        for o in walk([op]):
            self.used.update(uses(o))
            self.made.update(results(o))
            self.reads.update(map(group, read(o)))
            if written(o) is not None:
                self.writes.add(group(written(o)))

    def needs(self, earlier):
        """Must this come after the earlier one?"""
        return bool(
            self.used & earlier.made or earlier.writes & (self.reads | self.writes) or earlier.reads & self.writes
        )


class Fusion:
    """Fuses the loops of a program."""

    def __init__(self, program):
        self.group, self.natural = memory_groups(program), naturals(program)

    def visit(self, block):
        """Fuse in a block, then in what is nested in it."""
        position = 0
        while position < len(block):
            op = block[position]
            if isinstance(op, Loop) and op.index is not None and op.go is None:
                earlier = self.partner(block, position)
                if earlier is not None:
                    position = self.merge(block, earlier, position)
                    continue
            position += 1
        for op in block:
            for inner in blocks(op):
                self.visit(inner)

    def partner(self, block, position):
        """Position of the loop before that this one can join, or None."""
        second = block[position]
        for k in range(position - 1, -1, -1):
            first = block[k]
            if not isinstance(first, Loop) or not same_bounds(first, second):
                continue
            if self.fusible(first, second) and self.movable(block, k, position):
                return k
        return None

    def fusible(self, first, second):
        """Does each pass of the second touch only what the same pass of the first touches?"""
        a, c = Effects(first, self.group), Effects(second, self.group)
        if c.used & a.made & set(results(first)):
            return False
        shared = (a.writes & (c.reads | c.writes)) | (a.reads & c.writes)
        if not shared or not a.writes & c.reads or not of_one_sign(first, self.natural):
            return False
        for g in shared:
            places = set()
            for loop in (first, second):
                for o in walk(loop.body):
                    touched = [v for v in uses(o) if v.kind.ndim and self.group(v) == g]
                    if not touched:
                        continue
                    if not isinstance(o, Load | Store):
                        return False
                    axes = frozenset(k for k, i in enumerate(o.indices) if i is loop.index)
                    places.add((o.array, axes))
            if len({array for array, _ in places}) != 1 or not frozenset.intersection(*(axes for _, axes in places)):
                return False
        return True

    def parted(self, block, k, position):
        """The ops between two loops: (those that may come before the first, those that may not or need it)."""
        before, behind, kept = [], [], [Effects(block[k], self.group)]
        for op in block[k + 1 : position]:
            here = Effects(op, self.group)
            if isinstance(op, Loop) or any(here.needs(o) for o in kept):
                kept.append(here)
                behind.append(op)
            else:
                before.append(op)
        return before, behind

    def movable(self, block, k, position):
        """Can the second loop move up to the first, taking along what it needs?

        Not over a check, which may be of the lengths of what it writes.
        """
        second = Effects(block[position], self.group)
        behind = self.parted(block, k, position)[1]
        return not any(isinstance(op, Check) or second.needs(Effects(op, self.group)) for op in behind)

    def merge(self, block, k, position):
        """Put the second loop into the first; returns the position of the merged loop."""
        first, second = block[k], block[position]
        before, behind = self.parted(block, k, position)
        rename = Renaming()
        rename.of[second.index] = first.index
        for o in walk(second.body):
            rename.apply(o)
        for s in second.slots:
            s.next = rename(s.next)
        first.body.extend(second.body)
        first.slots.extend(second.slots)
        block[k : position + 1] = [*before, first, *behind]
        return k + len(before)


def same_bounds(a, c):
    """Do two loops run over the same range?"""
    return (
        a.index is not None
        and a.go is None
        and all(same(p, q) for p, q in zip((a.start, a.stop, a.step), (c.start, c.stop, c.step)))
    )


# ------------------------------------------------------------------------------------------------- stores


def store_once(program):
    """a[i] += v becomes a[i] = v where a is zero and each entry is added to once."""
    from secondorder.derivatives.autodiff.memory import MIXED, Places, homes_and_writers, written_once

    group = memory_groups(program)
    places = Places(program)
    homes, writers = homes_and_writers(program, places, group)
    zeros = {}
    for op in walk(program.body):
        if isinstance(op, Alloc) and not op.stack:
            zeros.setdefault(group(op.result), []).append(op)
    for g, ops in writers.items():
        made = zeros.get(g, []) if homes.get(g) is not MIXED else []
        if len(ops) == 1 and len(made) == 1 and type(made[0].fill) is Const and made[0].fill.value == 0:
            op = ops[0]
            if isinstance(op, Store) and op.add and op.array is made[0].result and written_once(op, places, homes[g]):
                op.add = False
