"""Entries of slices as entries of the arrays that they are slices of: x[1:][k] is x[k + 1].

Two slices of an array that overlap are two arrays to LLVM, which then neither forwards a store of one pass to the next
nor vectorises; and loads of one entry by way of different slices are not known to be the same.
"""

from secondorder.derivatives.autodiff.ir import (
    INT,
    Const,
    Load,
    Loop,
    Op,
    Slice,
    Store,
    Value,
    View,
    blocks,
    walk,
)


def resolve_views(program):
    """Read and write through slices by way of the arrays; in place."""
    sources = {}  # view -> (array, the first index of each axis)
    for op in walk(program.body):
        if isinstance(op, View) and op.how == "index" and all(map(is_shift, op.args)):
            array, first = sources.get(op.array, (op.array, (0,) * len(op.args)))
            shifts = (0 if p.lo is None else p.lo.value for p in op.args)
            sources[op.result] = array, tuple(a + c for a, c in zip(first, shifts))
    if sources:
        visit(program.body, sources, {})


def is_shift(part):
    """Is a part of an index a slice whose first index is known, and not counted from the end?"""
    if not isinstance(part, Slice) or not (part.step is None or is_whole_number(part.step, 1, 1)):
        return False
    return part.lo is None or is_whole_number(part.lo, 0)


def is_whole_number(v, least, most=None):
    """Is an integer known, and within bounds?"""
    return type(v) is Const and v.kind == INT and v.value >= least and (most is None or v.value <= most)


def visit(block, sources, shifted):
    """Visit a block. shifted: index of a loop around -> {distance: the value index + distance}."""
    for op in block:
        if isinstance(op, Load | Store) and op.array in sources and all(known(i, shifted) for i in op.indices):
            op.array, first = sources[op.array]
            op.indices = tuple(moved(i, c, shifted) for i, c in zip(op.indices, first))
        for inner in blocks(op):
            here = dict(shifted)
            if isinstance(op, Loop) and counts_up(op):
                here[op.index] = {0: op.index}
            visit(inner, sources, here)
            if isinstance(op, Loop) and op.index in here:
                made = here[op.index].items()
                inner[:0] = [Op(v, "add", (op.index, Const(c))) for c, v in made if c]


def counts_up(loop):
    """Is a loop's index known never to be negative?"""
    return loop.index is not None and is_whole_number(loop.start, 0) and is_whole_number(loop.step, 1)


def known(index, shifted):
    """Is an index known not to count from the end?"""
    return index in shifted or is_whole_number(index, 0)


def moved(index, distance, shifted):
    """index + distance"""
    if type(index) is Const:
        return Const(index.value + distance) if distance else index
    return shifted[index].setdefault(distance, Value(INT, "t"))
