"""Entries of slices and rows as entries of the arrays: x[1:][k] is x[k + 1], A[i, :][k] is A[i, k].

Two slices of an array that overlap are two arrays to LLVM, which then neither forwards a store of one pass to the next
nor vectorises; and loads of one entry by way of different slices are not known to be the same.
"""

from secondorder.derivatives.autodiff.ir import (
    INT,
    Const,
    Load,
    Loop,
    Op,
    Shape,
    Slice,
    Store,
    Value,
    View,
    blocks,
    walk,
)

FULL = Slice(None, None, None)


def resolve_views(program):
    """Read and write through slices and rows by way of the arrays; in place."""
    sources = {}  # view -> (array, for each of its axes the first index, or the value of the only one)
    lengths = {}  # view -> (array, the axis of it that each of its own is, or None)
    for op in walk(program.body):
        if isinstance(op, View) and op.how == "index":
            array, places = sources.get(op.array, (op.array, (0,) * op.array.kind.ndim))
            places = placed(places, op.args)
            if places is not None:
                sources[op.result] = array, places
                array, axes = lengths.get(op.array, (op.array, range(op.array.kind.ndim)))
                axes = [axis if part == FULL else None for axis, part in zip(axes, op.args) if not is_index(part)]
                lengths[op.result] = array, axes
        elif isinstance(op, Shape) and op.array in lengths:
            array, axes = lengths[op.array]
            if axes[op.axis] is not None:
                op.array, op.axis = array, axes[op.axis]
    if sources:
        visit(program.body, sources, {})


def placed(places, args):
    """Where the entries of a view of a view are in the array, or None if that isn't so simple."""
    left = [p for p in places if not isinstance(p, Value)]
    if len(args) != len(left) or not all(is_shift(a) or is_index(a) for a in args):
        return None
    if any(p and not isinstance(a, Slice) for p, a in zip(left, args)):
        return None
    args = iter(args)
    return tuple(p if isinstance(p, Value) else moved_place(p, next(args)) for p in places)


def moved_place(first, arg):
    """The first index of an axis after one more slice, or the value of its only one."""
    if not isinstance(arg, Slice):
        return arg
    return first + (0 if arg.lo is None else arg.lo.value)


def is_index(part):
    """Is a part of an index the number of a row, or the like?"""
    return isinstance(part, Value) and part.kind == INT


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
            op.array, places = sources[op.array]
            indices = iter(op.indices)
            op.indices = tuple(p if isinstance(p, Value) else moved(next(indices), p, shifted) for p in places)
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
