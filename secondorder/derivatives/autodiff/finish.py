"""What only the program that is compiled gets, and none that is differentiated again.

Entries of slices become entries of arrays, sums into neighbouring entries are put in the order that LLVM can keep in
registers, costly functions get loops of their own, and arrays are allocated once.
"""

from secondorder.derivatives.autodiff.fission import fission
from secondorder.derivatives.autodiff.hoisting import hoist
from secondorder.derivatives.autodiff.ir import Const, Loop, Op, Shape, Store, blocks, uses, walk
from secondorder.derivatives.autodiff.simplify import drop_dead, reuse_loads
from secondorder.derivatives.autodiff.views import resolve_views


def finish(program):
    """Do all of it; in place, and returned."""
    resolve_views(program)
    reuse_loads(program)
    drop_dead(program)
    order_scatters(program.body)
    fission(program)
    hoist(program)
    return program


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
