"""What a nested block reads from outside, and what is read from a branch after it."""

from secondorder.derivatives.autodiff.builder import default
from secondorder.derivatives.autodiff.ir import (
    I0,
    Alloc,
    Const,
    If,
    Join,
    Kind,
    Loop,
    Value,
    blocks,
    results,
    uses,
    walk,
)
from secondorder.derivatives.autodiff.simplify import Renaming


def free_values(loop):
    """The values that the body of a loop reads and does not define, in order of text."""
    defined = {s.param for s in loop.slots} | {loop.index}
    for op in walk(loop.body):
        defined |= set(results(op))
        if isinstance(op, Loop):
            defined |= {s.param for s in op.slots} | {op.index}
    found = {}
    for v in [v for op in walk(loop.body) for v in uses(op)] + [s.next for s in loop.slots]:
        if v not in defined and not isinstance(v, Const):
            found[v] = None
    return list(found)


def export_from_branches(program):
    """Values of a branch that are read after its if become results of the if; in place.

    Reverse mode reads in one branch what was computed in the same branch long before.
    """
    while True:
        scopes = Scopes(program)
        if not scopes.escaped:
            return
        exports = {}  # id of a block -> {value of the block: the result of the if that stands for it outside}
        for v, block in scopes.escaped.items():
            exports.setdefault(id(block), {})[v] = export(v, *scopes.around[id(block)])
        every = {v: result for values in exports.values() for v, result in values.items()}
        read_results(program.body, every, exports)
        program.results = tuple(every.get(v, v) for v in program.results)


class Scopes:
    """Which block defines a value, and which values are read where their block can't be seen."""

    def __init__(self, program):
        self.home, self.around, self.escaped = {}, {}, {}
        self.survey(program.body)
        self.visit(program.body, {id(program.body)})
        for v in program.results:
            self.check(v, {id(program.body)})

    def survey(self, block):
        """Take note of what a block, and those nested in it, define."""
        for op in block:
            for v in results(op):
                self.home[v] = block
            for inner in blocks(op):
                self.around[id(inner)] = op, inner
                self.survey(inner)

    def visit(self, block, visible):
        """Check all that a block reads; visible: the ids of the blocks around it, and its own."""
        for op in block:
            for v in uses_outside(op):
                self.check(v, visible)
            for inner in blocks(op):
                self.visit(inner, visible | {id(inner)})
                for v in ends(op, inner):
                    self.check(v, visible | {id(inner)})

    def check(self, v, visible):
        """Take note of a value whose block isn't visible."""
        if v in self.home and id(self.home[v]) not in visible:
            self.escaped[v] = self.home[v]


def uses_outside(op):
    """What an op reads in the block that it stands in."""
    if isinstance(op, Loop):
        bounds = () if op.index is None else (op.start, op.stop, op.step)
        return (*bounds, *(s.init for s in op.slots))
    if isinstance(op, If):
        return (op.test,)
    return uses(op)


def ends(op, block):
    """What an op reads at the end of one of its blocks."""
    if isinstance(op, Loop):
        return [s.next for s in op.slots]
    return [j.then if block is op.then else j.other for j in op.joins]


def export(v, op, block):
    """Make v, of a block of op, a result of op, and return that."""
    assert isinstance(op, If), "a value of a loop's body is read after the loop"
    result = Value(v.kind, v.hint)
    other = op.other if block is op.then else op.then
    if v.kind.ndim:
        placeholder = Value(v.kind, v.hint)
        shape = (I0,) * v.kind.ndim
        other.append(Alloc(placeholder, shape, default(Kind(v.kind.scalar))))
    else:
        placeholder = default(v.kind)
    op.joins.append(Join(result, v, placeholder) if block is op.then else Join(result, placeholder, v))
    return result


def read_results(block, renamed, exports):
    """Let all that is outside the block of an exported value read the result that stands for it."""
    for op in block:
        own = [exports[id(inner)] for inner in blocks(op) if id(inner) in exports]
        outside = {v: r for v, r in renamed.items() if not any(v in values for values in own)} if own else renamed
        rename = Renaming()
        rename.of = outside
        rename.apply(op)
        for inner in blocks(op):
            values = exports.get(id(inner))
            read_results(inner, {v: r for v, r in renamed.items() if v not in values} if values else renamed, exports)
