"""Inner products in loops become loops, and checks of lengths leave loops, so that other passes get at them.

np.dot(A[i], x) for each row of some data calls BLAS for dozens of multiplications, and keeps exp beside it from being
vectorised and rows from going side by side. As a sum of `plus` it is as fast for long rows, and faster for short ones.

A check of lengths that are known before the loop raises before its first pass, or not where it has none.
"""

from secondorder.derivatives.autodiff.builder import Builder
from secondorder.derivatives.autodiff.ir import (
    FLOAT,
    INT,
    Check,
    Const,
    Loop,
    Op,
    Product,
    Shape,
    blocks,
    results,
    uses,
)
from secondorder.derivatives.autodiff.opaque import is_opaque


def write_inner_products(block, inside=False):
    """Inner products of floats in loops as loops of their own; in place."""
    made = Builder()
    for op in block:
        for inner in blocks(op):
            write_inner_products(inner, inside or isinstance(op, Loop))
        if inside and isinstance(op, Product) and op.result.kind == FLOAT and is_of_floats(op):
            made.inner(op.left, op.right)
            made.block[-1].slots[0].result = op.result
        else:
            made.append(op)
    block[:] = made.block


def is_of_floats(op):
    """Are both vectors of floats?"""
    return op.left.kind.scalar == op.right.kind.scalar == "f"


def hoist_checks(block):
    """Checks of what is known before a loop come before it; in place."""
    out = []
    for op in block:
        for inner in blocks(op):
            hoist_checks(inner)
        if isinstance(op, Loop) and op.index is not None and op.go is None and type(op.step) is Const:
            out += taken_out(op)
        out.append(op)
    block[:] = out


def taken_out(loop):
    """The ops that can be done before a loop: checks, and what they are made of."""
    maker = {v: op for op in loop.body for v in results(op)}
    own = {loop.index} | {s.param for s in loop.slots}
    b, done = Builder(), set()
    for op in loop.body:
        needed = [] if isinstance(op, Check) else None
        if needed is not None and known_before(op.test, maker, own, needed):
            for made in needed:
                if made not in done:
                    done.add(made)
                    b.append(made)
            none = b.op("ge" if loop.step.value > 0 else "le", loop.start, loop.stop)
            b.append(Check(b.op("or", none, op.test), op.message))
            done.add(op)
    loop.body[:] = [op for op in loop.body if op not in done]
    return b.block


def known_before(v, maker, own, needed):
    """Can a value be had before the loop? needed <- the ops that make it, in order."""
    if v in own:
        return False
    op = maker.get(v)
    if op is None:
        return True
    pure = isinstance(op, Shape) or (isinstance(op, Op) and not is_opaque(op) and op.args[0].kind == INT)
    if not pure or not all(known_before(a, maker, own, needed) for a in uses(op)):
        return False
    needed.append(op)
    return True
