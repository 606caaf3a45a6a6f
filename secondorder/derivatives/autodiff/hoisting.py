"""Arrays that a loop makes anew in every pass are made once, before it.

Reverse mode gives each pass of a loop its own tapes and adjoints, and so do users who allocate scratch where it is
used. An allocation takes as long as tens of multiplications. It can be made before the loop if its lengths are known
there and no pass reads what another left behind: where nothing but views of the array leaves the pass, and with what it
was filled, it is filled again.
"""

from secondorder.derivatives.autodiff.ir import (
    INT,
    Alloc,
    Const,
    Fill,
    If,
    Loop,
    Op,
    Shape,
    blocks,
    memory_groups,
    results,
    uses,
    walk,
)

PURE = {"add", "sub", "mul", "max", "min"}  # of integers: lengths are made of these


def hoist(program):
    """Do it in a program; in place."""
    Hoisting(program).visit(program.body)


class Hoisting:
    """Moves allocations out of loops."""

    def __init__(self, program):
        self.group = memory_groups(program)
        self.handed_on = {self.group(v) for op in walk(program.body) for v in joined(op)}
        self.maker = {v: op for op in walk(program.body) for v in results(op)}

    def visit(self, block):
        """In the innermost loops first: what they give away may go further."""
        out = []
        for op in block:
            for inner in blocks(op):
                self.visit(inner)
            out += [*self.taken_out(op), op] if isinstance(op, Loop) else [op]
        block[:] = out

    def taken_out(self, loop):
        """The ops that can be done before a loop: allocations, and what their lengths are made of."""
        inside = {v for op in loop.body for v in results(op)} | {s.param for s in loop.slots} | {loop.index}
        out = []
        for k, op in enumerate(loop.body):
            if self.may_be_early(op) and all(self.before(v, inside, out) for v in op.shape):
                out.append(op)
                if op.fill is not None:
                    loop.body[k], op.fill = Fill(op.result, op.fill), None
        moved = set(out)
        loop.body[:] = [op for op in loop.body if op not in moved]
        return out

    def may_be_early(self, op):
        """Is it an allocation that can't fail for its lengths, of an array that no other pass sees?"""
        if not isinstance(op, Alloc) or self.group(op.result) in self.handed_on:
            return False
        return all(map(self.is_length, op.shape))

    def before(self, v, inside, out):
        """Can an integer be known before the loop? Then what it is made of is taken out."""
        if v not in inside:
            return True
        op = self.maker.get(v)
        pure = isinstance(op, Shape) or (isinstance(op, Op) and op.fn in PURE and v.kind == INT)
        if not pure or not all(self.before(a, inside, out) for a in uses(op)):
            return False
        inside.discard(v)
        out.append(op)
        return True

    def is_length(self, v):
        """Is an integer known not to be negative, so that nothing raises where the loop has no passes?"""
        op = self.maker.get(v)
        if isinstance(op, Op) and op.fn == "max":
            return any(map(is_natural, op.args))
        return is_natural(v) or isinstance(op, Shape)


def joined(op):
    """The arrays that a loop carries round, or that an if chooses among."""
    if isinstance(op, Loop):
        return [s.param for s in op.slots if s.param.kind.ndim]
    return [j.result for j in op.joins if j.result.kind.ndim] if isinstance(op, If) else []


def is_natural(v):
    """Is it a constant that isn't negative?"""
    return type(v) is Const and v.value >= 0
