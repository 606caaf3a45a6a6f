"""A loop that computes costly functions among other things becomes loops one after another, so that these vectorise.

LLVM vectorises exp, log or tanh only in a loop that holds nothing else that keeps it scalar: no inner loop, no call, no
value that is handed on from pass to pass. In such company each of them waits for the one before. So

    for i in range(n):              for b in range((n + 127) // 128):
        A; t = exp(u); B                first = 128 * b; m = min(128, n - first)
                                        for k in range(m): i = first + k; A; kept[k] = u
                                        for k in range(m): kept[k] = exp(kept[k])
                                        for k in range(m): i = first + k; t = kept[k]; B

in blocks of passes, so that what is kept has room on the stack, which costs nothing, and in the cache nearest to the
processor.

Each op of the body gets a number, its part; parts run one after another. That is what the body did if no op comes in an
earlier part than what it needs or must follow [1]: in the same pass what makes its operands, in any pass the other of
two ops of which one writes what the other touches, and of what is carried round, its maker and all its readers.
Such pairs share a part, but for writes to entries that no other pass touches: those need only stay in order. Loops that
may end early, raise, or call functions of the user's are left alone.

References
----------
[1] Allen, Kennedy. Automatic translation of FORTRAN programs to vector form. ACM Transactions on Programming Languages
    and Systems 9 (1987) 491-542. doi:10.1145/29873.29875
"""

import contextlib
import copy
import functools

from secondorder.derivatives.autodiff.builder import Builder
from secondorder.derivatives.autodiff.fusion import Effects
from secondorder.derivatives.autodiff.ir import (
    FLOAT,
    INT,
    Alloc,
    Check,
    Const,
    If,
    Kind,
    Load,
    Loop,
    Op,
    Push,
    Shape,
    Slot,
    Store,
    Value,
    View,
    blocks,
    memory_groups,
    results,
    uses,
    walk,
)
from secondorder.derivatives.autodiff.naturals import naturals
from secondorder.derivatives.autodiff.opaque import is_opaque
from secondorder.derivatives.autodiff.passes import parts_entries
from secondorder.derivatives.autodiff.rules import LIGHT, VECTORISED
from secondorder.derivatives.autodiff.simplify import Renaming
from secondorder.derivatives.autodiff.sums import is_sum

BLOCK = 128  # passes: 1 kB for a value that is kept; derivatives_table.py, logistic, 2026-11: 32 to 256 within 13 %
ROWS = 32  # of passes with loops in them: what these read is still in a cache near by when later parts read it again
FEWEST = 8  # passes of a loop that is worth it: what the widest vectors hold
MOST_ROWS = 64  # of values kept at the same time: 64 kB of a stack, of which threads have 512 kB on some systems
MOST_KEPT = 4  # values to keep for each costly one: beyond, memory traffic eats what vectors gain


def parts_of(program, loop, rooms):
    """The Parts that a loop is split into, or None."""
    if not may_be_split(loop):
        return None
    parts = Parts(loop, memory_groups(program), naturals(program))
    return parts if parts.worthwhile() and rooms.has_room(parts.kept()) else None


def split(block, parts, room):
    """Put parts in the place of their loop; gives (the block that they are in, the loops)."""
    splitting = Splitting(parts, room)
    position = block.index(parts.loop)
    block[position : position + 1] = splitting.made.block
    return splitting.strip.body, splitting.loops


def may_be_split(loop):
    """Does a loop run all its passes, one index after another, and call nothing that could do more than compute?"""
    if loop.index is None or loop.go is not None or not (type(loop.step) is Const and loop.step.value == 1):
        return False
    if all(type(v) is Const for v in (loop.start, loop.stop)) and loop.stop.value - loop.start.value < FEWEST:
        return False
    if any(s.param.kind.ndim for s in loop.slots) or not any(map(is_costly, loop.body)):
        return False
    return not any(isinstance(o, Check | Push) or is_opaque(o) for o in walk(loop.body))


def is_costly(op):
    """Is it a function that vectorises where the loop does?"""
    return isinstance(op, Op) and op.fn in VECTORISED and op.args[0].kind == FLOAT


def is_light(op):
    """Is it a scalar operation that keeps no loop from being vectorised?"""
    if not isinstance(op, Op) or is_opaque(op):
        return False
    if op.fn == "pow":
        return type(op.args[1]) is Const and op.args[1].kind == INT
    return not isinstance(op.fn, str) or op.fn in LIGHT or is_costly(op)


# ---------------------------------------------------------------------------------------------------- which part


class Parts:
    """Which part each op and slot of a loop's body belongs to. In odd ones LLVM can use vectors."""

    def __init__(self, loop, group, natural):
        self.loop, self.group, self.natural = loop, group, natural
        self.nodes = [*loop.slots, *loop.body]
        self.maker = {s.param: s for s in loop.slots} | {v: op for op in loop.body for v in results(op)}
        self.effects = {op: Effects(op, group) for op in loop.body}
        self.used = {op: list(dict.fromkeys(v for o in walk([op]) for v in uses(o))) for op in loop.body}
        self.written = set().union(*(e.writes for e in self.effects.values()))
        self.after, self.before = {n: set() for n in self.nodes}, {n: set() for n in self.nodes}
        self.repeatable = {}
        for op in loop.body:
            if all(map(self.is_repeatable, uses(op))) and self.may_be_repeated(op):
                self.repeatable |= dict.fromkeys(results(op), op)
        self.order()
        self.scalar = {n for n in self.nodes if self.stays_scalar(n)}
        self.costly = {op for op in loop.body if is_costly(op) and not self.scalar & self.cycle(op)}
        self.number = dict.fromkeys(self.nodes, 0)
        self.count()
        self.wait()

    # ------------------------------------------------------------------------------------------------ order

    def must_follow(self, later, earlier):
        """later comes in no earlier part."""
        if later is not earlier:
            self.after[earlier].add(later)
            self.before[later].add(earlier)

    def together(self, a, c):
        """Both come in one part."""
        self.must_follow(a, c)
        self.must_follow(c, a)

    def order(self):
        """Who must follow whom."""
        for op in self.loop.body:
            for v in self.used[op]:
                maker = self.maker.get(v)
                if isinstance(maker, Slot) or (v.kind.ndim and v not in self.repeatable and maker is not None):
                    self.together(op, maker)
                elif maker is not None:
                    self.must_follow(op, maker)
        for s in self.loop.slots:
            if s.next in self.maker:
                self.together(s, self.maker[s.next])
        writers = [op for op in self.loop.body if self.effects[op].writes]
        place = {op: k for k, op in enumerate(self.loop.body)}
        is_own = functools.cache(self.is_own)
        for w in writers:
            for op in self.loop.body:
                shared = self.effects[w].writes & (self.effects[op].reads | self.effects[op].writes)
                if op is w or not shared:
                    continue
                if all(map(is_own, shared)):
                    self.must_follow(*((op, w) if place[op] > place[w] else (w, op)))
                else:
                    self.together(op, w)

    def is_own(self, memory):
        """Does each pass touch other entries of an array?"""
        return parts_entries(self.loop, memory, self.group, self.natural, self.maker)

    def cycle(self, node):
        """The nodes that must come in the same part as this one."""
        return reached(node, self.after) & reached(node, self.before)

    # ------------------------------------------------------------------------------------------------ kinds of ops

    def is_repeatable(self, v):
        """Is a value known in every part: from outside, the index, or what can be had again from these?"""
        return v not in self.maker or v in self.repeatable

    def may_be_repeated(self, op):
        """Would an op, of operands that are repeatable, cost no more than to keep its result?"""
        if isinstance(op, Load):
            return self.group(op.array) not in self.written
        if isinstance(op, Op):
            return op.result.kind == INT and is_light(op)
        return isinstance(op, Shape | View)

    def stays_scalar(self, node):
        """Would it keep the loop that it is in from being vectorised?"""
        if isinstance(node, Slot):
            return not is_sum(self.loop, node)
        if isinstance(node, Load | Store):
            return not all(map(self.is_repeatable, node.indices)) or bool(self.after[node] & self.before[node])
        if isinstance(node, If):
            return not all(map(is_light, (o for inner in blocks(node) for o in walk(inner))))
        return not (is_light(node) or isinstance(node, Shape | View))

    # ------------------------------------------------------------------------------------------------ numbers

    def count(self):
        """The earliest part of each: even for what stays scalar, odd for what is costly."""
        waiting = list(self.nodes)
        while waiting:
            n = waiting.pop()
            least = max((self.number[o] for o in self.before[n]), default=0)
            least += (n in self.scalar and least % 2 == 1) or (n in self.costly and least % 2 == 0)
            if least > self.number[n]:
                self.number[n] = least
                waiting += self.after[n]

    def wait(self):
        """What can wait for the next odd part, where all that needs it is, does: less has to be kept."""
        for op in reversed(self.loop.body):
            if op in self.scalar or self.number[op] % 2 or self.after[op] & self.before[op]:
                continue
            if self.after[op] and min(self.number[o] for o in self.after[op]) == self.number[op] + 1:
                self.number[op] += 1

    def is_repeated(self, op):
        """Is an op made where it is needed, in any part?"""
        return any(v in self.repeatable for v in results(op))

    def kept(self):
        """The values that later parts read, in order of text."""
        readers = [op for op in self.loop.body if not self.is_repeated(op)]
        wanted = {v for op in readers for v in self.used[op] if self.is_from_another(v, self.number[op])}
        return [v for op in self.loop.body for v in results(op) if v in wanted]

    def is_from_another(self, v, number):
        """Is a value made in another part than this one, and only there?"""
        return v in self.maker and v not in self.repeatable and self.number[self.maker[v]] != number

    def numbers(self):
        """The parts that there are."""
        made = [op for op in self.loop.body if not self.is_repeated(op)]
        return sorted({self.number[n] for n in (*self.loop.slots, *made)})

    def worthwhile(self):
        """Are costly functions parted from what keeps them scalar, and not too much kept for that?"""
        if not self.costly or not self.scalar or len(self.numbers()) < 2:
            return False
        return len(self.kept()) <= MOST_KEPT * len(self.costly)


def reached(node, edges):
    """The nodes that paths lead to."""
    found, waiting = set(), [node]
    while waiting:
        new = edges[waiting.pop()] - found
        found |= new
        waiting += new
    return found


# ---------------------------------------------------------------------------------------------------- writing it


class Splitting:
    """Writes the parts: `strip` is the loop over blocks of passes.

    Its index and theirs count from 0, so that LLVM knows of an index i = b 128 + k that it isn't negative: an array's
    last entries, from -1 down, need not be thought of.
    """

    def __init__(self, parts, room):
        self.parts, self.room = parts, room
        self.loop = loop = parts.loop
        self.made = b = Builder()
        self.passes = b.sub(loop.stop, loop.start)
        block = min(ROWS, BLOCK) if any(isinstance(o, Loop) for o in walk(loop.body)) else BLOCK
        with b.loop(b.op("floordiv", b.add(self.passes, Const(block - 1)), Const(block)), hint="b") as self.strip:
            before = b.mul(self.strip.index, Const(block))
            self.first = b.add(loop.start, before)
            length = b.op("min", Const(block), b.sub(self.passes, before))
            self.loops = []
            for number in parts.numbers():
                with b.loop(length, hint="k") as part:
                    self.write(part, number)
                self.loops.append(part)
        self.strip.where = loop.where

    def write(self, part, number):
        """Write one part, a loop over the passes of a block."""
        parts, self.position, self.rename = self.parts, part.index, Renaming()
        for op in parts.loop.body:
            if parts.number[op] == number and not parts.is_repeated(op):
                self.provide(parts.used[op], number)
                for o in walk([op]):
                    self.rename.apply(o)
                self.made.append(op)
                for v in results(op):
                    if v in self.room:
                        array, row = self.room[v]
                        self.made.store(array, (row, self.position), v)
        for s in parts.loop.slots:
            if parts.number[s] == number:
                self.carry(part, s, number)

    def provide(self, values, number):
        """Make or load what an op reads and its part doesn't make."""
        for v in values:
            if v in self.rename.of:
                continue
            if v is self.loop.index:
                self.rename.of[v] = self.made.add(self.first, self.position)
                self.rename.of[v].hint = v.hint
            elif v in self.parts.repeatable:
                maker = self.parts.repeatable[v]
                self.provide(uses(maker), number)
                again = copy.copy(maker)
                self.rename.apply(again)
                again.result = self.rename.of[v] = Value(v.kind, v.hint)
                self.made.append(again)
            elif self.parts.is_from_another(v, number):
                array, row = self.room[v]
                self.rename.of[v] = self.made.load(array, row, self.position, hint=v.hint)

    def carry(self, part, s, number):
        """A slot is carried round the part, and from block to block."""
        self.provide([s.next], number)
        around = Slot(Value(s.param.kind, s.param.hint), s.init, Value(s.param.kind, s.param.hint), s.result)
        part.slots.append(Slot(s.param, around.param, self.rename(s.next), around.next))
        self.strip.slots.append(around)


class Rooms:
    """Arrays for what is kept: a row for each value, used again by loops that don't stand in one another."""

    def __init__(self):
        self.array = {scalar: Value(Kind(scalar, 2), "kept") for scalar in "fib"}
        self.taken, self.most = dict.fromkeys("fib", 0), dict.fromkeys("fib", 0)

    def arrays(self):
        """The ops that make them."""
        shapes = {scalar: (Const(most), Const(BLOCK)) for scalar, most in self.most.items() if most}
        return [Alloc(self.array[scalar], shape, local=True) for scalar, shape in shapes.items()]

    def has_room(self, values):
        """Are there rows for so many more?"""
        return sum(self.taken.values()) + len(values) <= MOST_ROWS

    @contextlib.contextmanager
    def for_values(self, values):
        """Inside, these have rows; gives value -> (array, row)."""
        before, room = dict(self.taken), {}
        for v in values:
            scalar = v.kind.scalar
            room[v] = self.array[scalar], Const(self.taken[scalar])
            self.taken[scalar] += 1
            self.most[scalar] = max(self.most[scalar], self.taken[scalar])
        yield room
        self.taken = before
