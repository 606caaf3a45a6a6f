r"""Forward mode: the product of a program's Jacobian with a vector; of a gradient's, the Hessian-vector product.

Every active value v gets a tangent dot v, computed right after it [1, ch. 3]:

    dot v_k = sum over its arguments u of  d phi_k / d u * dot u

Arrays get a tangent array made by the same statement; loops carry tangents in slots of their own. Applied to the
program that reverse mode has written, the outcome is forward over reverse [1, ch. 5]: H v at a small multiple of the
cost of the gradient, with no second set of rules. What only the gradient needs is then dead code.

References
----------
[1] Griewank, Walther. Evaluating Derivatives, 2nd ed. SIAM, 2008. Chapters 3 and 5.
"""

import copy

from secondorder.derivatives.autodiff.builder import Builder
from secondorder.derivatives.autodiff.fusion import fuse
from secondorder.derivatives.autodiff.ir import (
    ONE,
    ZERO,
    Alloc,
    Const,
    Fill,
    If,
    Join,
    Loop,
    Program,
    Push,
    Slot,
    Value,
    View,
    memory_groups,
    parameter,
)
from secondorder.derivatives.autodiff.reverse import Activity, contribution, has_partial
from secondorder.derivatives.autodiff.simplify import reuse_values, simplify
from secondorder.derivatives.autodiff.storage import returned_as_parameters


def jacobian_vector(program, wrt=0):
    """The Program (x, v, *args) -> (results.., tangents..) of a program."""
    v = parameter(program.params[wrt].kind, "v", program.params)
    work = Forward(program, [v], wrt)
    params = list(work.primal.params)
    params.insert(wrt + 1, v)
    made = Program(program.name, params, work.b.block, (*work.primal.results, *map(work.result, work.primal.results)))
    return simplify(fuse(simplify(made)))


def jacobian_columns(program, n, wrt=0):
    """The Program (x, *args, columns..) that writes the Jacobian of an array by an x of n entries, by columns.

    All in one sweep: what the tangents along the axes have in common is computed once, and those of entries of x that
    are read by a fixed index are the numbers 0 and 1, which leave nothing of most terms.
    """
    axes = [Value(program.params[wrt].kind, f"axis_{k}") for k in range(n)]
    work, b, columns = Axes(program, axes, wrt), Builder(), []
    for k, axis in enumerate(axes):
        b.append(Alloc(axis, (Const(n),), ZERO))
        b.store(axis, (Const(k),), ONE)
    for _ in work.along_each():
        columns.append(work.result(work.primal.results[0]))
    made = Program(program.name, list(work.primal.params), [*b.block, *work.b.block], tuple(columns))
    return stored(simplify(fuse(simplify(reuse_values(made)))), "column")


def stored(program, hint="out"):
    """The Program (x, *args, out..) that writes the arrays which the program returns into further parameters."""
    returned_as_parameters(program, hint)
    return simplify(fuse(program))


def hessian_vector(gradient, wrt=0):
    """The Program (x, v, hv, *args) that writes H v into hv, from the program of a gradient (x, g, *args)."""
    v = parameter(gradient.params[wrt].kind, "v", gradient.params)
    work = Forward(gradient, [v], wrt)
    params = list(work.primal.params)
    g = params.pop(wrt + 1)
    hv = work.tangent[g] if g in work.tangent else Value(g.kind)
    hv.hint = parameter(g.kind, "hv", params).hint
    if g not in work.active:
        work.b.append(Fill(hv, ZERO))
    params[wrt + 1 : wrt + 1] = [v, hv]
    return simplify(fuse(simplify(Program(gradient.name, params, work.b.block, (), (hv,)))))


class Forward:
    """Writes the program with tangents along one direction or several: arrays like x.

    `tangent` is of the direction that is being written, one of `tangents`: value -> its tangent; none, or zero: it
    doesn't change along that direction.
    """

    def __init__(self, program, directions, wrt=0):
        self.primal = program = copy.deepcopy(program)
        self.x = program.params[wrt]
        self.active = Activity(program, self.x, memory_groups(program))
        self.b = Builder()
        self.tangents = [{self.x: direction} for direction in directions]
        for _ in self.along_each():
            for p in program.params:
                if p is not self.x and p.kind.ndim and p in self.active:
                    self.tangent[p] = Value(p.kind, f"{p.hint}_dot")
        self.block(program.body)

    def of(self, v):
        """The tangent of a scalar; None: zero."""
        return self.tangent.get(v) if v in self.active else None

    def result(self, v):
        """The tangent of a result, zeros if it doesn't depend on x."""
        if v.kind.ndim == 0:
            return self.of(v) or ZERO
        return self.tangent[v] if v in self.active else self.zeros_like(v)

    def zeros_like(self, array):
        """A tangent of zeros for an array."""
        shape = [self.b.shape(array, k) for k in range(array.kind.ndim)]
        return self.b.alloc(shape, ZERO, "f", f"{array.hint or 'a'}_dot")

    def new(self, v):
        """A fresh tangent of v."""
        self.tangent[v] = Value(v.kind, f"{v.hint or 't'}_dot")
        return self.tangent[v]

    def block(self, block):
        """Write a block."""
        for op in block:
            getattr(self, f"forward_{type(op).__name__}")(op)

    def along_each(self):
        """The directions in turn: `tangent` is of the one whose number is `along`."""
        for along, tangent in enumerate(self.tangents):
            self.along, self.tangent = along, tangent
            yield tangent

    def forward_Shape(self, op):
        """Nothing to differentiate."""
        self.b.append(op)

    forward_Check = forward_Shape

    def forward_Op(self, op):
        """The sum over the arguments."""
        self.b.append(op)
        if op.result in self.active:
            for _ in self.along_each():
                self.sum(op)

    def sum(self, op):
        """The tangent of one operation."""
        total = None
        for k, a in enumerate(op.args):
            seed = self.of(a)
            if seed is not None and has_partial(op.fn, k):
                if a.kind.ndim:
                    term = self.b.inner(op.fn.partial(self.b, k, op.args), seed)
                else:
                    term = contribution(self.b, op.fn, k, seed, op.args, op.result)
                total = term if total is None else self.b.add(total, term)
        if total is not None:
            self.tangent[op.result] = total

    def forward_Load(self, op):
        """The same entry of the tangent array."""
        self.b.append(op)
        if op.array in self.active:
            for _ in self.along_each():
                self.entry(op)

    def entry(self, op):
        """The tangent of one entry."""
        hint = f"{op.result.hint or 't'}_dot"
        self.tangent[op.result] = self.b.load(self.tangent[op.array], *op.indices, hint=hint)

    def forward_Store(self, op):
        """The same store, of the tangent."""
        if op.array in self.active:
            for _ in self.along_each():
                self.store(op)
        self.b.append(op)

    def store(self, op):
        """The store of one tangent."""
        value = self.of(op.value)
        if value is not None or not op.add:
            self.b.store(self.tangent[op.array], op.indices, value or ZERO, op.add)

    def forward_Fill(self, op):
        """The same fill, with the tangent."""
        if op.array in self.active:
            for tangent in self.along_each():
                self.b.append(Fill(tangent[op.array], self.of(op.value) or ZERO))
        self.b.append(op)

    def forward_Push(self, op):
        """The same push, of the tangent."""
        if op.array in self.active:
            for tangent in self.along_each():
                self.b.append(Push(tangent[op.array], op.position, self.of(op.value) or ZERO))
        self.b.append(op)

    def forward_Alloc(self, op):
        """A tangent array beside the array."""
        self.b.append(op)
        if op.result in self.active:
            for _ in self.along_each():
                self.array(op)

    def array(self, op):
        """One tangent array."""
        self.b.append(Alloc(self.new(op.result), op.shape, None if op.fill is None else ZERO, op.stack, where=op.where))

    def forward_View(self, op):
        """The same view of the tangent array."""
        self.b.append(op)
        if op.array in self.active:
            for tangent in self.along_each():
                self.b.append(View(self.new(op.result), tangent[op.array], op.how, op.args))

    def forward_Product(self, op):
        """dot A B + A dot B."""
        self.b.append(op)
        for _ in self.along_each():
            self.product(op)

    def product(self, op):
        """The tangent of one product."""
        terms = []
        if op.left in self.active:
            terms.append(self.b.product(self.tangent[op.left], op.right))
        if op.right in self.active:
            terms.append(self.b.product(op.left, self.tangent[op.right]))
        if not terms:
            return
        if op.result.kind.ndim == 0:
            self.tangent[op.result] = terms[0] if len(terms) == 1 else self.b.add(*terms)
            return
        self.tangent[op.result] = terms[0]
        for other in terms[1:]:
            dims = [self.b.shape(other, k) for k in range(other.kind.ndim)]
            with self.b.nest(dims) as indices:
                self.b.store(terms[0], indices, self.b.load(other, *indices), add=True)

    def forward_If(self, op):
        """A join of tangents beside each active join."""
        made = If(op.test, [], [], op.joins)
        for block, new in ((op.then, made.then), (op.other, made.other)):
            with self.b.into(new):
                self.block(block)
        for j in [j for j in op.joins if j.result in self.active]:
            for _ in self.along_each():
                sides = [self.side(v, new) for v, new in ((j.then, made.then), (j.other, made.other))]
                made.joins.append(Join(self.new(j.result), *sides))
        self.b.append(made)

    def side(self, v, block):
        """The tangent of what one branch gives to a join."""
        if v.kind.ndim == 0:
            return self.of(v) or ZERO
        if v not in self.tangent:
            with self.b.into(block):
                return self.zeros_like(v)
        return self.tangent[v]

    def forward_Loop(self, op):
        """A slot of tangents beside each active slot."""
        made = Loop(op.index, op.start, op.stop, op.step, op.slots, [], op.go, op.where)
        carried = []
        for s in [s for s in op.slots if s.param in self.active]:
            for tangent in self.along_each():
                slot = Slot(self.new(s.param), self.of(s.init) or ZERO, None, self.new(s.result))
                carried.append((tangent, s, slot))
        with self.b.into(made.body):
            self.block(op.body)
        for tangent, s, slot in carried:
            self.tangent = tangent
            slot.next = self.of(s.next) or ZERO
            made.slots.append(slot)
        self.b.append(made)


class Axes(Forward):
    """The same along the axes of x: the tangents of entries by fixed indices are known."""

    def entry(self, op):
        """The tangent of one entry."""
        if op.array is not self.x or type(op.indices[0]) is not Const:
            super().entry(op)
        elif op.indices[0].value % len(self.tangents) == self.along:
            self.tangent[op.result] = ONE
