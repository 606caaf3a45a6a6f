"""Four passes of a loop side by side, so that its inner loops read what they share once (unroll and jam [1]).

    for i in range(n):                        for q in range(n // 4):
        for j in range(m):                        i = 4 * q
            a += w[j] * X[i, j]                   for j in range(m):
        for j in range(m):                            a += w[j] * X[i, j]; b += w[j] * X[i + 1, j]; ...
            g[j] += a * X[i, j]                   for j in range(m):
                                                      g[j] += a * X[i, j] + b * X[i + 1, j] + ...
                                              and the passes that are left, as they were

Inner products and additions to a vector, one for each row of some data, spend their time on loads and stores of the
vector, and on the ends of short loops. Side by side, four rows share them.

Each statement is done by all four *lanes* before the next one. That is what the passes did if none needs what another
does: what they write is made in the pass, or the index of the loop parts their entries, or they only add to it. What is
the same in all passes is done once. Sums of the loop get a partial sum for each lane.

References
----------
[1] Allen, Kennedy. Optimizing Compilers for Modern Architectures. Morgan Kaufmann, 2001, sec. 8.3.
"""

import copy
import functools

from secondorder.derivatives.autodiff.builder import Builder
from secondorder.derivatives.autodiff.ir import (
    ZERO,
    Alloc,
    Check,
    Const,
    Fill,
    If,
    Load,
    Loop,
    Product,
    Push,
    Slot,
    Store,
    Value,
    blocks,
    memory_groups,
    results,
    uses,
    walk,
    written,
)
from secondorder.derivatives.autodiff.naturals import naturals
from secondorder.derivatives.autodiff.opaque import is_opaque
from secondorder.derivatives.autodiff.passes import parts_entries
from secondorder.derivatives.autodiff.sums import is_sum

LANES = 4  # passes: 2 leave a third of the gain for a network of 20 inputs, 8 need more registers than there are
MOST_OPS = 100  # of a loop that is written out for each lane: compilation takes as long as text


def jam(program, block, loop):
    """Put passes of a loop of the block side by side where that is worth it.

    The loop becomes one over fours and one over the rest, which are returned; where it stays, nothing is.
    """
    if not may_be_jammed(loop):
        return ()
    lanes = Lanes(loop, memory_groups(program), naturals(program))
    if not (lanes.are_independent() and lanes.share()):
        return ()
    return lanes.write(block)


def may_be_jammed(loop):
    """Does a loop run all its passes, with loops in it, and carry nothing but sums round?"""
    if loop.index is None or loop.go is not None or not (type(loop.step) is Const and loop.step.value == 1):
        return False
    if all(type(v) is Const for v in (loop.start, loop.stop)) and loop.stop.value - loop.start.value < LANES:
        return False
    inside = list(walk(loop.body))
    if not is_nest(loop) or len(inside) > MOST_OPS:
        return False
    return all(is_sum(loop, s) for s in loop.slots) and not any(map(may_end_it, inside))


def is_nest(loop):
    """Are there loops in it?"""
    return any(isinstance(o, Loop) for o in walk(loop.body))


def may_end_it(op):
    """Could an op end the passes early, or do more than compute?"""
    if isinstance(op, Loop):
        return op.index is None or op.go is not None or any(s.param.kind.ndim for s in op.slots)
    return isinstance(op, Check | Push | Product) or is_opaque(op)


class Lanes:
    """The passes of a loop, side by side: which values they share, and how it is written."""

    def __init__(self, loop, group, natural):
        self.loop, self.group, self.natural = loop, group, natural
        self.written = {group(written(o)) for o in walk(loop.body) if written(o) is not None}
        self.inside = defined_by([loop])
        self.own = {loop.index} | {s.param for s in loop.slots}  # values that each lane has for itself
        seen = -1
        while seen != len(self.own):  # what loops carry round comes from below
            seen = len(self.own)
            self.spread(loop.body)

    # ------------------------------------------------------------------------------------------ what is shared

    def spread(self, block):
        """Find the values of a block that depend on the lane."""
        for op in block:
            for inner in blocks(op):
                self.spread(inner)
            if isinstance(op, Loop):
                apart = not self.is_jammed(op)
                for s in op.slots:
                    if apart or s.init in self.own or s.next in self.own:
                        self.own |= {s.param, s.result}
                self.own |= {op.index} if apart else set()
            elif isinstance(op, If):
                self.own.update(results(op) if self.is_repeated(op) else ())
            elif any(v in self.own for v in uses(op)) or self.reads_own(op):
                self.own.update(results(op))

    def is_jammed(self, op):
        """Do all lanes run an inner loop over the same range?"""
        return not any(v in self.own for v in (op.start, op.stop, op.step))

    def is_repeated(self, op):
        """Does an if do anything that depends on the lane, or write?"""
        inside = list(walk([op]))
        return any(written(o) for o in inside) or any(v in self.own for o in inside for v in (*uses(o), *results(o)))

    def reads_own(self, op):
        """Does an op read, or make, memory that the passes write?"""
        return (
            isinstance(op, Alloc | Load)
            and self.group(op.result if isinstance(op, Alloc) else op.array) in self.written
        )

    def are_independent(self):
        """Does no pass need what another one writes?"""
        return all(self.is_made_here(g) or self.is_added_to(g) or self.is_parted(g) for g in self.written)

    def touching(self, group):
        """The ops that read or write, or make views of, some memory."""
        found = []
        for o in walk(self.loop.body):
            if any(v.kind.ndim and self.group(v) == group for v in (*uses(o), *results(o))):
                found.append(o)
        return found

    def is_made_here(self, group):
        """Is it memory that each pass makes for itself?"""
        ops = self.touching(group)
        arrays = {v for o in ops for v in (*uses(o), *results(o)) if v.kind.ndim and self.group(v) == group}
        return arrays <= self.inside

    def is_added_to(self, group):
        """Do the passes only add to it?"""
        return all(isinstance(o, Store) and o.add for o in self.touching(group))

    def is_parted(self, group):
        """Does each pass touch other entries?"""
        return parts_entries(self.loop, group, self.group, self.natural, self.inside)

    def share(self):
        """Do innermost loops, run by all lanes at once, need loads or stores once for all, and is none hindered?

        A lane that writes entries of its own is: LLVM must see that no two streams meet, and soon gives up.
        """
        innermost = [o for o in self.inner_loops(self.loop.body) if not is_nest(o)]
        return any(map(self.shares, innermost)) and not any(map(self.hinders, innermost))

    def inner_loops(self, block):
        """The loops of a block that lanes run at once, and those in them."""
        for op in block:
            if isinstance(op, Loop) and self.is_jammed(op):
                yield op
                yield from self.inner_loops(op.body)

    def shares(self, loop):
        """Is there work in the body of a loop that is done once, beside what each lane does?"""
        once = any(isinstance(o, Load) and o.result not in self.own for o in loop.body)
        once = once or any(map(self.is_common_sum, loop.body))
        return once and any(v in self.own for o in loop.body for v in (*results(o), *uses(o)))

    def hinders(self, loop):
        """Does each lane write what others could read, for all that LLVM knows?"""
        stores = [o for o in walk(loop.body) if isinstance(o, Store) and not self.is_common_sum(o)]
        return any(o.array not in self.inside for o in stores)

    def is_common_sum(self, op):
        """Do all lanes add to the same entry?"""
        return isinstance(op, Store) and op.add and not any(v in self.own for v in (op.array, *op.indices))

    # ------------------------------------------------------------------------------------------ writing it

    def write(self, block):
        """Put two loops in the place of the one; they are returned."""
        loop, b = self.loop, Builder()
        rest = copied([loop], {})[0]
        passes = b.op("max", Const(0), b.sub(loop.stop, loop.start))
        fours = b.op("floordiv", passes, Const(LANES))
        self.of = [{} for _ in range(LANES)]  # value of lane 0 -> that of a lane
        with b.loop(fours, hint="q") as main:
            first = b.add(loop.start, b.mul(main.index, Const(LANES)))
            for c, of in enumerate(self.of):
                of[loop.index] = b.add(first, Const(c))
                of[loop.index].hint = loop.index.hint
            sums = [self.sums(s) for s in loop.slots]
            main.slots = [one for of_slot in sums for one in of_slot]
            self.lay(loop.body, b)
            self.close(loop.slots, main.slots)
        for s, of_slot, left in zip(loop.slots, sums, rest.slots):
            left.init, left.result = functools.reduce(b.add, [one.result for one in of_slot]), s.result
        rest.start = b.add(loop.start, b.mul(fours, Const(LANES)))
        b.append(rest)
        main.where = rest.where = loop.where
        position = block.index(loop)
        block[position : position + 1] = b.block
        return main, rest

    def sums(self, slot):
        """A partial sum for each lane, as slots."""
        made = []
        for c, of in enumerate(self.of):
            of[slot.param], result = Value(slot.param.kind, slot.param.hint), Value(slot.param.kind, slot.param.hint)
            made.append(Slot(of[slot.param], slot.init if c == 0 else ZERO, None, result))
        return made

    def close(self, slots, made):
        """What the lanes hand on at the end of a pass."""
        for k, s in enumerate(slots):
            for c, of in enumerate(self.of):
                made[LANES * k + c].next = of.get(s.next, s.next)

    def lay(self, ops, b):
        """Write ops for all lanes."""
        for op in ops:
            if isinstance(op, Loop) and self.is_jammed(op):
                self.lay_loop(op, b)
            elif self.is_common_sum(op):
                terms = [of.get(op.value, op.value) for of in self.of]
                while len(terms) > 1:
                    terms = [b.add(p, q) for p, q in zip(terms[::2], terms[1::2])]
                b.store(op.array, op.indices, terms[0], add=True)
            elif isinstance(op, Loop | Store | Fill) or any(v in self.own for v in results(op)) or self.writes(op):
                for of in self.of:
                    b.block += copied([op], of)
            else:
                b.append(op)

    def writes(self, op):
        """Is it an if that each lane goes through?"""
        return isinstance(op, If) and self.is_repeated(op)

    def lay_loop(self, op, b):
        """Write an inner loop that all lanes run at once."""
        with b.loop(op.stop, op.start, op.step) as made:
            made.index, made.where = op.index, op.where
            apart = [s for s in op.slots if s.param in self.own]
            for s in apart:
                for of in self.of:
                    init = of.get(s.init, s.init)
                    of[s.param], of[s.result] = Value(s.param.kind, s.param.hint), Value(s.param.kind, s.param.hint)
                    made.slots.append(Slot(of[s.param], init, None, of[s.result]))
            self.lay(op.body, b)
            self.close(apart, made.slots)
            made.slots += [s for s in op.slots if s.param not in self.own]


def defined_by(ops):
    """The values that ops define, those in them included."""
    found = set()
    for op in walk(ops):
        found.update(results(op))
        if isinstance(op, Loop):
            found |= {s.param for s in op.slots} | {op.index}
    return found


def copied(ops, of):
    """Ops anew, with values of their own, which `of` is told; what they read from outside is renamed."""
    own = defined_by(ops)
    outside = {v for o in walk(ops) for v in uses(o)} - own
    memo = {id(v): of.get(v, v) for v in outside}
    made = copy.deepcopy(ops, memo)
    of.update({v: memo[id(v)] for v in own if id(v) in memo})
    return made
