"""What must be remembered because memory is overwritten before reverse mode comes back to it.

Scalars are assigned once, so reverse mode can always use them again; the entries of arrays change. A load is *stable*
if nothing writes to its memory after it, until reverse mode is back. For loads that are not, and that reverse mode
would have to repeat, the value itself is pushed on a stack. A stack lives as long as the array whose entries it holds:
where a pass of a loop is repeated and the array is allocated in that very pass, the stack is filled anew.

Matrix products, and functions with rules of the user's, read whole arrays in reverse mode: of one that is overwritten
later they get a copy.
"""

from secondorder.derivatives.autodiff.builder import Builder, carry
from secondorder.derivatives.autodiff.ir import (
    I0,
    I1,
    Alloc,
    Join,
    Kind,
    Load,
    Loop,
    Op,
    Product,
    Push,
    Value,
    blocks,
    memory_groups,
    read,
    walk,
    written,
)
from secondorder.derivatives.autodiff.naturals import naturals, of_one_sign
from secondorder.derivatives.autodiff.simplify import Renaming
from secondorder.derivatives.errors import Unsupported


class Places:
    """Where each op stands: its number in order of text, and the ops around it from the outside in."""

    def __init__(self, program):
        self.number, self.path, self.block = {}, {}, {}
        self.natural = naturals(program)
        self.visit(program.body, ())

    def visit(self, block, path):
        """Take note of a block."""
        for op in block:
            self.number[op] = len(self.number)
            self.path[op], self.block[op] = path, block
            for inner in blocks(op):
                self.visit(inner, (*path, op))

    def loops(self, op):
        """The loops around an op."""
        return [o for o in self.path[op] if isinstance(o, Loop)]


def remember_overwritten(program):
    """Give unstable loads a stack, and products of overwritten arrays copies; in place."""
    places, group = Places(program), memory_groups(program)
    homes, writers = homes_and_writers(program, places, group)
    for g in writers:
        if homes.get(g) is MIXED:
            raise Unsupported(
                "a name that stands for an array from outside a loop or for one made in it, and is written to",
                "Allocate both in the same place",
            )
    copy_for_products(program, places, group, homes, writers)
    places, group = Places(program), memory_groups(program)
    homes, writers = homes_and_writers(program, places, group)
    unstable = [
        op for op in walk(program.body) if isinstance(op, Load) and is_unstable(op, places, group, homes, writers)
    ]
    cursors, pushes = {}, {}
    for load in unstable:
        home, loops = homes[group(load.array)], places.loops(load)
        body = program.body if home is None else home.body
        inner = loops[-1]
        if (home, inner) not in cursors:
            path = places.path[load]
            path = path[path.index(home) + 1 if home is not None else 0 : path.index(inner) + 1]
            cursors[home, inner] = thread(path, I0, inner, places)[0]
        stack = Value(Kind(load.result.kind.scalar, 1), f"{load.array.hint or 'a'}_stack")
        body.insert(0, Alloc(stack, (), None, True))
        load.saved = stack, cursors[home, inner]
        pushes[load] = Push(stack, cursors[home, inner], load.result)
    insert_after(program.body, pushes)


def homes_and_writers(program, places, group):
    """group -> the loop in whose pass its memory is allocated (None: before all loops); group -> ops that write it."""
    homes, writers = {}, {}
    for p in program.params:
        if p.kind.ndim:
            homes[group(p)] = None
    for op in walk(program.body):
        if isinstance(op, Alloc) or (isinstance(op, Product) and op.result.kind.ndim):
            loops = places.loops(op)
            home = loops[-1] if loops else None
            g = group(op.result)
            if homes.setdefault(g, home) is not home:
                homes[g] = MIXED
        if written(op) is not None:
            writers.setdefault(group(written(op)), []).append(op)
    return homes, writers


def written_once(op, places, home):
    """Does a store write each entry at most once while its array lives? The index of every loop around it, up to where
    the array is allocated, is one of its indices, and different for different entries.
    """
    loops = places.loops(op)
    inside = loops[loops.index(home) + 1 :] if home is not None else loops
    return all(
        loop.index is not None and loop.index in op.indices and of_one_sign(loop, places.natural) for loop in inside
    )


MIXED = "mixed"


def is_unstable(load, places, group, homes, writers):
    """Would a repeated load find something else?"""
    g = group(load.array)
    if g not in writers:
        return False
    loops, home = places.loops(load), homes[g]
    inside = loops[loops.index(home) + 1 :] if home is not None else loops
    if not inside:
        return False
    outermost = inside[0]
    return any(places.number[w] > places.number[load] or outermost in places.path[w] for w in writers[g])


def thread(path, start, inner, places):
    """Carry a counter through the ops of path; it advances by one in each pass of the innermost loop.

    Returns (its value inside the innermost loop, its value after path[0]).
    """
    op = path[0]
    if isinstance(op, Loop):
        slot = carry(op, start, "k")
        slot.param.kind = slot.result.kind = start.kind
        if op is inner:
            slot.next = Value(start.kind, "k")
            op.body.append(Op(slot.next, "add", (slot.param, I1)))
            return slot.param, slot.result
        position, slot.next = thread(path[1:], slot.param, inner, places)
        return position, slot.result
    position, after = thread(path[1:], start, inner, places)
    then = places.block[path[1]] is op.then
    result = Value(start.kind, "k")
    op.joins.append(Join(result, after, start) if then else Join(result, start, after))
    return position, result


def insert_after(block, extra):
    """Put extra[op] behind each op."""
    out = []
    for op in block:
        out.append(op)
        if op in extra:
            out.append(extra[op])
        for inner in blocks(op):
            insert_after(inner, extra)
    block[:] = out


def copy_for_products(program, places, group, homes, writers):
    """Products, and functions with rules, of arrays that are written later read a copy."""

    def overwritten(v, op):
        g = group(v)
        if g not in writers:
            return False
        loops, home = places.loops(op), homes[g]
        inside = loops[loops.index(home) + 1 :] if home is not None else loops
        return any(places.number[w] > places.number[op] or (inside and inside[0] in places.path[w]) for w in writers[g])

    def visit(block):
        out = []
        for op in block:
            for inner in blocks(op):
                visit(inner)
            for v in dict.fromkeys(read(op) if not isinstance(op, Load) else ()):
                if overwritten(v, op):
                    b, rename = Builder(), Renaming()
                    dims = [b.shape(v, k) for k in range(v.kind.ndim)]
                    rename.of[v] = copy = b.alloc(dims, None, v.kind.scalar, v.hint)
                    with b.nest(dims) as indices:
                        b.store(copy, indices, b.load(v, *indices))
                    out.extend(b.block)
                    rename.apply(op)
            out.append(op)
        block[:] = out

    visit(program.body)
