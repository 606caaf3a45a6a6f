"""What only the program that is compiled gets, and none that is differentiated again.

Entries of slices become entries of arrays, sums into neighbouring entries are put in the order that LLVM can keep in
registers, costly functions get loops of their own, loops over rows take four at a time, and arrays are allocated once.
"""

from secondorder.derivatives.autodiff.fission import Rooms, parts_of, split
from secondorder.derivatives.autodiff.hoisting import hoist
from secondorder.derivatives.autodiff.inner_products import hoist_checks, write_inner_products
from secondorder.derivatives.autodiff.ir import Const, Load, Loop, Op, Shape, Store, blocks, uses, walk
from secondorder.derivatives.autodiff.jamming import jam
from secondorder.derivatives.autodiff.simplify import drop_dead, reuse_loads
from secondorder.derivatives.autodiff.views import resolve_views


def finish(program):
    """Do all of it; in place, and returned."""
    hoist_checks(program.body)
    write_inner_products(program.body)
    resolve_views(program)
    reuse_loads(program)
    drop_dead(program)
    order_scatters(program.body)
    rearrange(program)
    hoist(program)
    return program


def rearrange(program):
    """Split loops for what can be vectorised, and put passes side by side for what these share; in place."""
    rooms = Rooms()
    for op in walk(program.body):
        if isinstance(op, Load):
            op.saved = None  # reverse mode is done
    rearrange_in(program, program.body, rooms)
    program.body[:0] = rooms.arrays()


def rearrange_in(program, block, rooms, jammed=False):
    """Do it in a block, from the outermost loops on; in loops that are jammed nothing more is."""
    for op in list(block):
        parts = parts_of(program, op, rooms) if isinstance(op, Loop) else None
        if parts is None:
            rearrange_loop(program, block, op, rooms, jammed)
        else:
            with rooms.for_values(parts.kept()) as room:
                strip, loops = split(block, parts, room)
                for loop in loops:
                    rearrange_loop(program, strip, loop, rooms, jammed)


def rearrange_loop(program, block, op, rooms, jammed):
    """Jam a loop that isn't split, or goes into parts no more; then go on in it."""
    pair = jam(program, block, op) if isinstance(op, Loop) and not jammed else ()
    for loop in pair or (op,):
        for inner in blocks(loop):
            rearrange_in(program, inner, rooms, jammed or bool(pair))


def order_scatters(block):
    """Among sums into neighbouring entries of an array in a loop, the one that the next pass meets comes first.

    LLVM then keeps it in a register instead of waiting for the store.
    """
    for op in block:
        for inner in blocks(op):
            order_scatters(inner)
        if isinstance(op, Loop) and op.index is not None:
            reorder(op)


def reorder(loop):
    """Order the additions of one loop's body."""
    offsets = {loop.index: 0}
    for op in loop.body:
        if isinstance(op, Op) and op.fn in ("add", "sub") and type(op.args[1]) is Const and op.args[0] in offsets:
            sign = 1 if op.fn == "add" else -1
            offsets[op.result] = offsets[op.args[0]] + sign * op.args[1].value
    direction = -1 if type(loop.step) is Const and loop.step.value < 0 else 1
    for array in {op.array for op in loop.body if isinstance(op, Store)}:
        stores = [op for op in loop.body if is_scatter(op, array, offsets)]
        others = [o for op in loop.body if op not in stores for o in walk([op])]
        if len(stores) < 2 or any(array in uses(o) and not isinstance(o, Shape) for o in others):
            continue
        for op in stores:
            loop.body.remove(op)
        loop.body.extend(sorted(stores, key=lambda op: -direction * offsets[op.indices[0]]))


def is_scatter(op, array, offsets):
    """Does an op add to the array at a known distance from the loop's index?"""
    return isinstance(op, Store) and op.array is array and op.add and len(op.indices) == 1 and op.indices[0] in offsets
