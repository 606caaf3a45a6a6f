r"""Reverse mode: the gradient of a program's result, or the product of a vector with its Jacobian.

For a block of operations v_k = phi_k(...), run forwards, the adjoints bar v = d(result)/dv follow backwards [1, ch. 3]:

    bar u += bar v_k * d phi_k / d u        for each argument u of phi_k, k = last .. first

1.  straight-line code     forwards, then backwards; scalars are assigned once, so all are still there
2.  arrays                 every active array a has a shadow bar a, made by the same statement; a load a[i] gives
                           bar a[i] += bar v, a store takes bar v += bar a[i] and clears it
3.  if                     the same branch backwards
4.  loops                  forwards, remembering what each pass starts from (slots), what inner loops give, and what is
                           costly; then passes backwards: each is run again from what is remembered, then reversed
5.  loops in any order     where passes only add to scalars whose adjoints are known before the loop, both runs are one:
                           the loop computes value and gradient in a single pass

What is remembered in vain is removed as dead code (simplify).

Differs from [1]: no tape of all operations; what can be computed again cheaply is.

References
----------
[1] Griewank, Walther. Evaluating Derivatives, 2nd ed. SIAM, 2008. Chapters 3, 4 and 12.
"""

from secondorder.derivatives.autodiff.builder import Builder, carry
from secondorder.derivatives.autodiff.fusion import fuse
from secondorder.derivatives.autodiff.ir import (
    FLOAT,
    I0,
    I1,
    INT,
    ONE,
    ZERO,
    Alloc,
    Const,
    Fill,
    If,
    Join,
    Kind,
    Load,
    Loop,
    Op,
    Product,
    Program,
    Push,
    Slice,
    Slot,
    Store,
    Value,
    View,
    blocks,
    memory_groups,
    parameter,
    read,
    results,
    uses,
    walk,
    written,
)
from secondorder.derivatives.autodiff.memory import Places, homes_and_writers, remember_overwritten, written_once
from secondorder.derivatives.autodiff.naturals import naturals, of_one_sign
from secondorder.derivatives.autodiff.opaque import Opaque
from secondorder.derivatives.autodiff.rules import COSTLY, FUNCTIONS
from secondorder.derivatives.autodiff.scopes import export_from_branches, free_values
from secondorder.derivatives.autodiff.simplify import simplify
from secondorder.derivatives.autodiff.sums import is_sum
from secondorder.derivatives.errors import Unsupported


def gradient(program, wrt=0):
    """The Program g(x, g, *args) -> f that writes the gradient of the (scalar) result into g."""
    if len(program.results) != 1 or program.results[0].kind.ndim:
        raise Unsupported("the gradient of a function that doesn't return one number", "Return a number")
    return Reverse(program, wrt).program


def vector_jacobian(program, wrt=0):
    """The Program (x, *args, w, g) that writes w' J into g, for the array (or numbers) that the program returns."""
    return Reverse(program, wrt, seeded=True).program


class Activity:
    """Which values and which memory depend on the chosen argument."""

    def __init__(self, program, wrt, group):
        self.group = group
        self.values, self.groups = set(), {group(wrt)} if wrt.kind.ndim else set()
        if not wrt.kind.ndim:
            self.values.add(wrt)
        size = -1
        while size != len(self.values) + len(self.groups):
            size = len(self.values) + len(self.groups)
            for op in walk(program.body):
                self.visit(op)

    def __contains__(self, v):
        if v.kind.scalar != "f":
            return False
        return self.group(v) in self.groups if v.kind.ndim else v in self.values

    def mark(self, v, source):
        """v depends on the argument if source does."""
        if v.kind.scalar == "f" and source in self:
            if v.kind.ndim:
                self.groups.add(self.group(v))
            else:
                self.values.add(v)

    def visit(self, op):
        """Mark what one op gives."""
        if isinstance(op, Op):
            for k, a in enumerate(op.args):
                if has_partial(op.fn, k):
                    self.mark(op.result, a)
        elif isinstance(op, Load):
            self.mark(op.result, op.array)
        elif isinstance(op, Store | Push | Fill):
            self.mark(op.array, op.value)
        elif isinstance(op, Product):
            self.mark(op.result, op.left)
            self.mark(op.result, op.right)
        elif isinstance(op, If):
            for j in op.joins:
                self.mark(j.result, j.then)
                self.mark(j.result, j.other)
        elif isinstance(op, Loop):
            for s in op.slots:
                self.mark(s.param, s.init)
                self.mark(s.param, s.next)
                self.mark(s.result, s.param)


def has_partial(fn, k):
    """Has a function a derivative with respect to its k-th argument?"""
    if isinstance(fn, Opaque):
        return True  # None in its rule is no zero: it is refused where it would be needed
    return isinstance(fn, str) and FUNCTIONS[fn].partials[k] is not None


def is_costly(fn):
    """Is a function worth remembering the values of?"""
    return isinstance(fn, Opaque) or fn in COSTLY


class Run:
    """One execution of a block, as it is being written.

    env     primal value -> the value that stands for it here
    shadow  primal array -> its adjoint
    made    primal arrays whose memory this run has allocated: it may write to them; others hold their last state
    taped   primal value -> (array, position) where it is remembered, instead of being computed
    first   whether this is the first execution: checks are made once
    """

    def __init__(self, parent=None, again=False):
        self.env = dict(parent.env) if parent else {}
        self.shadow = dict(parent.shadow) if parent else {}
        self.made = set() if parent is None or again else parent.made
        self.taped = {} if parent is None or again else parent.taped
        self.first = parent is None or (parent.first and not again)
        self.loops, self.branches = {}, {}

    def __call__(self, v):
        """What stands for a primal value."""
        return self.env.get(v, v)


class Record:
    """What is remembered of a loop that has been run forwards."""

    def __init__(self, loop, block):
        self.loop, self.block = loop, block  # the loop as written, and the block that it stands in
        self.passes = None  # how many there were
        self.tapes = {}  # primal value -> array with its value in each pass


class Reverse:
    """Writes the reverse program."""

    def __init__(self, program, wrt=0, seeded=False):
        remember_overwritten(program)
        self.primal = program
        self.group = memory_groups(program)
        self.x = program.params[wrt]
        self.active = Activity(program, self.x, self.group)
        self.roots, self.natural = roots(program), naturals(program)
        self.once = stored_once(program, self.group)
        self.kept = {o.value: o for o in self.once.values() if o is not None}
        self.lengths = {p for p in program.params if p in set(shape_values(program))}
        self.b = Builder()
        self.gradient = parameter(self.x.kind, "g", program.params)
        run = Run()
        run.shadow[self.x] = self.gradient
        run.made |= {p for p in program.params if p.kind.ndim}
        self.b.append(Fill(self.gradient, ZERO))
        self.record(program.body, run)
        adjoints, seeds = self.seeds(run, seeded)
        self.reverse(program.body, run, adjoints)
        params = list(program.params)
        params[wrt + 1 : wrt + 1] = [] if seeded else [self.gradient]
        if seeded:
            params += [*seeds, self.gradient]
        returned = tuple(map(run, program.results)) if not seeded else ()
        made = Program(program.name, params, self.b.block, returned, (self.gradient,))
        export_from_branches(simplify(made))
        self.program = simplify(fuse(simplify(made)))

    def seeds(self, run, seeded):
        """(adjoints of the results, the parameters that they are read from)."""
        adjoints, params = {}, []
        for v in self.primal.results:
            if not seeded:
                self.accumulate(adjoints, v, ONE)
                continue
            w = parameter(Kind("f", v.kind.ndim), "w", [*self.primal.params, *params])
            params.append(w)
            if v.kind.ndim == 0:
                self.accumulate(adjoints, v, w)
            elif v in self.active:
                for axis in range(w.kind.ndim):
                    same = self.b.op("eq", self.b.shape(w, axis), self.b.shape(run(v), axis))
                    self.b.check(same, "w must have the shape of what the function returns")
                self.add_to(run.shadow[v], w)
        return adjoints, params

    def add_to(self, array, other, factor=ONE):
        """array += factor * other, entry by entry."""
        dims = [self.b.shape(other, k) for k in range(other.kind.ndim)]
        with self.b.nest(dims) as indices:
            self.b.store(array, indices, self.b.mul(factor, self.b.load(other, *indices)), add=True)

    # ------------------------------------------------------------------------------------------------- forwards

    def record(self, block, run, remember=True, tapes=None):
        """Write a block forwards.

        remember: make shadows, and let loops remember what reverse needs. tapes: (value -> array, position, how), the
        values of this very block to be remembered for each pass.
        """
        for op in block:
            getattr(self, f"record_{type(op).__name__}")(op, run, remember, tapes)
            if tapes:
                for v in results(op):
                    if v in tapes.arrays:
                        tapes.store(self.b, v, run(v))

    def record_Op(self, op, run, remember, tapes):
        """Computed again, or taken from its tape."""
        if op.result in run.taped:
            array, position = run.taped[op.result]
            run.env[op.result] = self.b.load(array, position, hint=op.result.hint)
            return
        store = self.kept.get(op.result)
        if store is not None and is_costly(op.fn) and not self.owned(store.array, run):
            run.env[op.result] = self.b.load(run(store.array), *map(run, store.indices), hint=op.result.hint)
            return
        if not isinstance(op.fn, str) and not isinstance(op.fn, Opaque):  # an entry of a tuple argument
            result = Value(op.result.kind, op.result.hint)
            self.b.append(Op(result, op.fn, ()))
        else:
            result = self.b.op(op.fn, *map(run, op.args), hint=op.result.hint)
        run.env[op.result] = result
        if op.result.kind.ndim:
            run.made.add(op.result)

    def record_Load(self, op, run, remember, tapes):
        """The entry, or what was remembered of it."""
        if op.saved is not None and not self.owned(op.saved[0], run):
            array, indices = op.saved[0], op.saved[1:]
        else:
            array, indices = op.array, op.indices
        run.env[op.result] = self.b.load(run(array), *map(run, indices), hint=op.result.hint)

    def owned(self, array, run):
        """May this run write to the array: is it the run that allocated it?"""
        return self.roots[array] <= run.made

    def record_Store(self, op, run, remember, tapes):
        """Written by the run that owns the array."""
        if self.owned(op.array, run):
            self.b.store(run(op.array), map(run, op.indices), run(op.value), op.add)

    def record_Push(self, op, run, remember, tapes):
        """As a store."""
        if self.owned(op.array, run):
            self.b.append(Push(run(op.array), run(op.position), run(op.value)))

    def record_Fill(self, op, run, remember, tapes):
        """As a store."""
        if self.owned(op.array, run):
            self.b.append(Fill(run(op.array), run(op.value)))

    def record_Alloc(self, op, run, remember, tapes):
        """The array, and its shadow."""
        shape = tuple(map(run, op.shape))
        made = Value(op.result.kind, op.result.hint)
        self.b.append(Alloc(made, shape, op.fill and run(op.fill), op.stack, where=op.where))
        run.env[op.result] = made
        run.made.add(op.result)
        self.shade(op.result, shape, run, remember, op.where)

    def shade(self, array, shape, run, remember, where=None):
        """Allocate the shadow of an active array."""
        if remember and array in self.active:
            run.shadow[array] = self.b.alloc(shape, ZERO, "f", f"{array.hint or 'a'}_bar", where)

    def record_View(self, op, run, remember, tapes):
        """The view, and the same view of the shadow."""
        args = tuple(self.part(p, run) for p in op.args)
        run.env[op.result] = self.b.view(run(op.array), op.how, args, op.result.kind.ndim, op.result.hint)
        if remember and op.array in self.active:
            hint = f"{op.result.hint or 'a'}_bar"
            run.shadow[op.result] = self.b.view(run.shadow[op.array], op.how, args, op.result.kind.ndim, hint)

    def part(self, p, run):
        """A part of an index."""
        if isinstance(p, Slice):
            return Slice(*(q if q is None else run(q) for q in p))
        return p if p is None else run(p)

    def record_Shape(self, op, run, remember, tapes):
        """The length."""
        length = run.env[op.result] = self.b.shape(run(op.array), op.axis)
        self.lengths.add(length)

    def record_Product(self, op, run, remember, tapes):
        """The product, and its shadow."""
        if op.result in run.taped:
            array, position = run.taped[op.result]
            run.env[op.result] = self.b.load(array, position)
            return
        made = self.b.product(run(op.left), run(op.right), op.result.hint)
        run.env[op.result] = made
        if op.result.kind.ndim:
            run.made.add(op.result)
            if remember and op.result in self.active:
                self.shade(op.result, [self.b.shape(made, k) for k in range(made.kind.ndim)], run, remember)

    def record_Check(self, op, run, remember, tapes):
        """Checked once."""
        if run.first:
            self.b.check(run(op.test), op.message)

    def record_If(self, op, run, remember, tapes):
        """Both branches, and joins for values and shadows."""
        made = If(run(op.test), [], [])
        runs = []
        for block, new in ((op.then, made.then), (op.other, made.other)):
            inner = Run(run)
            with self.b.into(new):
                self.record(block, inner, remember, tapes)
            runs.append(inner)
        run.branches[op] = runs
        self.b.append(made)
        for j in op.joins:
            run.env[j.result] = Value(j.result.kind, j.result.hint)
            made.joins.append(Join(run.env[j.result], runs[0](j.then), runs[1](j.other)))
            if j.result.kind.ndim and remember and j.result in self.active:
                shades = [self.shadow_of(v, r, made, k) for k, (v, r) in enumerate(zip((j.then, j.other), runs))]
                run.shadow[j.result] = Value(j.result.kind, f"{j.result.hint or 'a'}_bar")
                made.joins.append(Join(run.shadow[j.result], *shades))

    def shadow_of(self, array, run, made, k):
        """The shadow of an array in a branch, made now if it has none."""
        if array not in run.shadow:
            with self.b.into((made.then, made.other)[k]):
                self.shade(array, [self.b.shape(run(array), a) for a in range(array.kind.ndim)], run, True)
        return run.shadow[array]

    def record_Loop(self, op, run, remember, tapes):
        """The loop, and tapes of what its passes start from."""
        made, block = Loop(None, None, None, None, where=op.where), self.b.block
        record = run.loops[op] = Record(made, block)
        counted = op.go is not None
        inner = Run(run)
        if op.index is not None:
            bounds = tuple(map(run, (op.start, op.stop, op.step)))
            record.bounds, trips = bounds, self.trips(*bounds)
            made.index, made.start, made.stop, made.step = Value(INT, op.index.hint), I0, trips, I1
        for s in op.slots:
            slot = carry(made, run(s.init), s.param.hint)
            slot.param.kind = slot.result.kind = s.param.kind
            inner.env[s.param], run.env[s.result] = slot.param, slot.result
            if s is op.go:
                made.go = slot
        position = made.index
        if counted:
            counter = carry(made, I0, "passes")
            position, record.passes = counter.param, counter.result
        else:
            record.passes = made.stop
        memory = Tapes(self.b, record, position, op.index is None) if remember else None
        if memory:
            memory.allocate(op, self.kept)
        with self.b.into(made.body):
            if op.index is not None:
                inner.env[op.index] = self.pass_index(record.bounds, made.index)
            if memory:
                for s in op.slots:
                    memory.store(self.b, s.param, inner(s.param))
            self.record(op.body, inner, False, memory)
            for s, slot in zip(op.slots, made.slots):
                slot.next = inner(s.next)
            if counted:
                counter.next = self.b.op("add", counter.param, I1)
        self.b.append(made)
        for s in op.slots:
            if s.result in run.taped:
                array, at = run.taped[s.result]
                run.env[s.result] = self.b.load(array, at, hint=s.result.hint)

    def trips(self, start, stop, step):
        """Number of passes of range(start, stop, step)."""
        b = self.b
        if type(step) is Const and step.value == 1:
            n = b.sub(stop, start)
        elif type(step) is Const and step.value == -1:
            n = b.sub(start, stop)
        else:
            sign = b.select(b.op("gt", step, I0), I1, Const(-1))
            n = b.op("floordiv", b.add(b.sub(stop, start), b.sub(step, sign)), step)
        return n if self.is_length(n) else b.op("max", I0, n)

    def is_length(self, n):
        """Is it known not to be negative?"""
        return (type(n) is Const and n.value >= 0) or n in self.lengths

    def pass_index(self, bounds, q):
        """The loop's index in pass q."""
        start, _, step = bounds
        return self.b.add(start, self.b.mul(q, step))

    # ------------------------------------------------------------------------------------------------- backwards

    def accumulate(self, adjoints, v, term):
        """bar v += term"""
        if v in self.active and v.kind.ndim == 0:
            adjoints[v] = self.b.add(adjoints[v], term) if v in adjoints else term

    def reverse(self, block, run, adjoints):
        """Write a block backwards."""
        for op in reversed(block):
            write = getattr(self, f"reverse_{type(op).__name__}", None)
            if write is not None:
                write(op, run, adjoints)

    def reverse_Op(self, op, run, adjoints):
        """bar a += bar r * dr/da for each argument."""
        seed = adjoints.pop(op.result, None)
        if seed is None:
            return
        args, r = tuple(map(run, op.args)), run(op.result)
        for k, a in enumerate(op.args):
            if a not in self.active or not has_partial(op.fn, k):
                continue
            if a.kind.ndim:
                self.add_to(run.shadow[a], op.fn.partial(self.b, k, args), seed)
            else:
                self.accumulate(adjoints, a, contribution(self.b, op.fn, k, seed, args, r))

    def reverse_Load(self, op, run, adjoints):
        """bar a[i] += bar r"""
        seed = adjoints.pop(op.result, None)
        if seed is not None:
            self.b.store(run.shadow[op.array], map(run, op.indices), seed, add=True)

    def reverse_Store(self, op, run, adjoints):
        """bar v += bar a[i], which a store (not an addition) then clears."""
        if op.array not in self.active or (op.add and op.value not in self.active):
            return
        shadow, indices = run.shadow[op.array], tuple(map(run, op.indices))
        if op.value in self.active:
            seed = self.b.load(shadow, *indices)
            if not op.add and op not in self.once:
                self.b.store(shadow, indices, ZERO)
            self.accumulate(adjoints, op.value, seed)
        else:
            self.b.store(shadow, indices, ZERO)

    def reverse_Product(self, op, run, adjoints):
        """bar A += bar C B', bar B += A' bar C"""
        left, right = run(op.left), run(op.right)
        shades = [run.shadow.get(v) if v in self.active else None for v in (op.left, op.right)]
        if op.result.kind.ndim == 0:
            seed = adjoints.pop(op.result, None)
            if seed is None:
                return
            for shadow, other in zip(shades, (right, left)):
                if shadow is not None:
                    with self.b.loop(self.b.shape(other, 0), hint="k") as loop:
                        self.b.store(shadow, [loop.index], self.b.mul(seed, self.b.load(other, loop.index)), add=True)
            return
        if op.result not in self.active:
            return
        out = run.shadow[op.result]
        self.reverse_left(shades[0], out, right)
        self.reverse_right(shades[1], left, out)

    def reverse_left(self, shadow, out, right):
        """bar A += bar C B'"""
        if shadow is None:
            return
        if right.kind.ndim == 1:
            self.add_outer(shadow, out, right)
        elif out.kind.ndim == 1:
            self.add_to(shadow, self.b.product(right, out))
        else:
            self.add_to(shadow, self.b.product(out, self.b.view(right, "T", (), 2)))

    def reverse_right(self, shadow, left, out):
        """bar B += A' bar C"""
        if shadow is None:
            return
        if left.kind.ndim == 1:
            self.add_outer(shadow, left, out)
        else:
            self.add_to(shadow, self.b.product(self.b.view(left, "T", (), 2), out))

    def add_outer(self, array, column, row):
        """array += column row'"""
        dims = self.b.shape(column, 0), self.b.shape(row, 0)
        with self.b.nest(dims) as (i, j):
            self.b.store(array, [i, j], self.b.mul(self.b.load(column, i), self.b.load(row, j)), add=True)

    def reverse_If(self, op, run, adjoints):
        """The same branch backwards."""
        made = If(run(op.test), [], [])
        found = []
        incoming = [(j, adjoints.pop(j.result, None)) for j in op.joins]
        for k, (block, new) in enumerate(((op.then, made.then), (op.other, made.other))):
            inner = {}
            with self.b.into(new):
                for j, seed in incoming:
                    if seed is not None:
                        self.accumulate(inner, j.other if k else j.then, seed)
                self.reverse(block, run.branches[op][k], inner)
            found.append(inner)
        for v in dict.fromkeys([*found[0], *found[1]]):
            before = adjoints.get(v, ZERO)
            sides = []
            for inner, new in zip(found, (made.then, made.other)):
                with self.b.into(new):
                    sides.append(self.b.add(before, inner[v]) if v in inner else before)
            adjoints[v] = Value(FLOAT, f"{v.hint}_bar" if v.hint else "")
            made.joins.append(Join(adjoints[v], *sides))
        self.b.append(made)

    def reverse_Loop(self, op, run, adjoints):
        """The passes backwards, or, if their order is free, forwards."""
        record = run.loops[op]
        free = self.any_order(op)
        late = self.late(op, record, adjoints) if free and self.only_adds(op) else None
        made = Loop(Value(INT, op.index.hint if op.index is not None else "q"), None, None, None)
        last = self.b.sub(record.passes, I1) if not free else None
        made.start, made.stop, made.step = (I0, record.passes, I1) if free else (last, Const(-1), Const(-1))
        inner = Run(run, again=late is None)
        seeds, outer = self.adjoint_slots(op, made, adjoints)
        with self.b.into(made.body):
            if op.index is not None:
                inner.env[op.index] = self.pass_index(record.bounds, made.index)
            if late is None:
                self.restore(op, record, made.index, inner)
            else:
                self.fuse(op, record, made, inner, run)
            self.record(op.body, inner)
            back = {}
            for v, slot in outer.items():
                back[v] = slot.param
            for s, slot in seeds:
                self.accumulate(back, s.next, slot.param)
            if late is not None:
                for s, slot in zip(op.slots, made.slots[-len(op.slots) :]):
                    slot.next = inner(s.next)
            self.reverse(op.body, inner, back)
            for s, slot in seeds:
                slot.next = back.pop(s.param, ZERO)
            for v, slot in outer.items():
                slot.next = back.get(v, ZERO)
        self.b.append(made)
        if late is not None:
            record.block.remove(record.loop)
            for o in late:
                record.block.remove(o)
            self.b.block.extend(late)
        for v, slot in outer.items():
            adjoints[v] = slot.result
        for s, slot in seeds:
            self.accumulate(adjoints, s.init, slot.result)

    def adjoint_slots(self, op, made, adjoints):
        """Slots of the backward loop: adjoints of what the loop carries, and of scalars from outside that it reads."""
        seeds, outer = [], {}
        for s in op.slots:
            if s.param in self.active:
                slot = carry(made, adjoints.pop(s.result, ZERO), f"{s.param.hint or 't'}_bar")
                seeds.append((s, slot))
        for v in free_values(op):
            if v in self.active and v.kind.ndim == 0:
                outer[v] = carry(made, adjoints.get(v, ZERO), f"{v.hint or 't'}_bar")
        return seeds, outer

    def restore(self, op, record, position, inner):
        """Take what a pass starts from, and what is not to be computed again, from the tapes."""
        for s in op.slots:
            inner.env[s.param] = self.b.load(record.tapes[s.param], position, hint=s.param.hint)
        inner.taped = {v: (array, position) for v, array in record.tapes.items()}

    # -------------------------------------------------------------------------------------- loops in any order

    def any_order(self, op):
        """Do the passes only add to what they share, so that their order doesn't matter?"""
        if op.index is None or op.go is not None:
            return False
        return all(is_sum(op, s) for s in op.slots) and self.scattered(op)

    def scattered(self, op):
        """Does memory from outside get written only where no other pass looks?"""
        inside = {v for o in walk(op.body) for v in results(o)}
        stores, reads = {}, set()
        for o in walk(op.body):
            reads |= {self.group(v) for v in read(o)}
            target = written(o)
            if target is not None and not self.roots[target] <= inside:
                if not isinstance(o, Store):
                    return False
                stores.setdefault(self.group(target), []).append(o)
        for g, ops in stores.items():
            if g in reads:
                return False
            if all(o.add for o in ops):
                continue
            axes = [{k for k, i in enumerate(o.indices) if i is op.index} for o in ops]
            apart = set.intersection(*axes) and of_one_sign(op, self.natural)
            if len({o.array for o in ops}) > 1 or not apart:
                return False
        return True

    def only_adds(self, op):
        """Does the loop write no memory from outside?"""
        inside = {v for o in walk(op.body) for v in results(o)}
        return all(self.roots[written(o)] <= inside for o in walk(op.body) if written(o) is not None)

    def late(self, op, record, adjoints):
        """The ops between the forward loop and here that need its results, if they can wait until after the backward
        loop and it doesn't need them; else None.
        """
        block = self.b.block
        if record.block is not block or record.loop not in block:
            return None
        known = set(results(record.loop))
        late = []
        for o in block[block.index(record.loop) + 1 :]:
            if any(v in known for p in walk([o]) for v in uses(p)):
                if not isinstance(o, Op):
                    return None
                late.append(o)
                known.add(o.result)
        needed = [adjoints.get(s.result) for s in op.slots] + [adjoints.get(v) for v in free_values(op)]
        return None if any(v in known for v in needed if v is not None) else late

    def fuse(self, op, record, made, inner, run):
        """The backward loop takes over the sums of the forward loop, under the same values."""
        for s, old in zip(op.slots, record.loop.slots):
            slot = Slot(Value(s.param.kind, s.param.hint), run(s.init), None, old.result)
            made.slots.append(slot)
            inner.env[s.param] = slot.param


class Tapes:
    """Arrays that hold, for each pass of a loop, what reverse mode needs of it."""

    def __init__(self, b, record, position, growing):
        self.b, self.record, self.position, self.growing = b, record, position, growing
        self.arrays = record.tapes

    def allocate(self, op, kept):
        """One tape for each slot, each result of an inner loop, and each costly value that no array keeps."""
        for v in remembered(op):
            if v in kept:
                continue
            hint = f"{v.hint or 't'}_tape"
            if self.growing:
                stack = Value(Kind(v.kind.scalar, 1), hint)
                self.b.append(Alloc(stack, (), None, True))
                self.arrays[v] = stack
            else:
                self.arrays[v] = self.b.alloc([self.record.loop.stop], None, v.kind.scalar, hint, op.where)

    def store(self, b, v, value):
        """Remember a value of this pass."""
        if v not in self.arrays:
            return
        if self.growing:
            b.append(Push(self.arrays[v], self.position, value))
        else:
            b.store(self.arrays[v], [self.position], value)


def remembered(op):
    """Scalars of a loop's body to keep for each pass."""
    for s in op.slots:
        yield s.param
    for o in walk_here(op.body):
        if isinstance(o, Loop):
            yield from (s.result for s in o.slots if s.result.kind.ndim == 0)
        elif (isinstance(o, Op) and is_costly(o.fn) and o.result.kind == FLOAT) or (
            isinstance(o, Product) and o.result.kind.ndim == 0
        ):
            yield o.result


def shape_values(program):
    """Scalars that are lengths of arrays made by a program: a negative one would have raised."""
    for op in program.body:
        if isinstance(op, Alloc):
            yield from op.shape
        elif isinstance(op, View) and op.how == "reshape":
            yield from op.args


def stored_once(program, group):
    """Stores that fill an array, each entry once and never again: store -> itself if it could give its value back.

    The index of every loop around, up to where the array is allocated, is one of the store's indices; nothing else
    writes to that memory. So the shadow need not be cleared, and the value can be had back from the array.
    """
    places = Places(program)
    homes, writers = homes_and_writers(program, places, group)
    made = {v: places.number[op] for op in walk(program.body) for v in results(op)}
    found = {}
    for g, ops in writers.items():
        op = ops[0]
        if len(ops) > 1 or not isinstance(op, Store) or op.add or g not in homes:
            continue
        if written_once(op, places, homes[g]):
            value = made.get(op.value, -1)
            found[op] = op if all(made.get(i, -1) < value for i in op.indices) else None
    return found


def walk_here(block):
    """Ops of a block and of the branches in it, not of its loops."""
    for op in block:
        yield op
        if isinstance(op, If):
            yield from walk_here(op.then)
            yield from walk_here(op.other)


def contribution(b, fn, k, seed, args, r):
    """seed times the derivative of fn with respect to its k-th argument."""
    if isinstance(fn, Opaque):
        return b.mul(seed, fn.partial(b, k, args))
    return FUNCTIONS[fn].partials[k](b, seed, args, r)


def roots(program):
    """array -> the arrays allocated or given whose memory it may be."""
    found = {p: frozenset([p]) for p in program.params if p.kind.ndim}

    def of(v):
        return found.setdefault(v, frozenset([v]))

    def visit(block):
        for op in block:
            for inner in blocks(op):
                visit(inner)
            if isinstance(op, View):
                found[op.result] = of(op.array)
            elif isinstance(op, Alloc | Product) and op.result.kind.ndim:
                of(op.result)
            elif isinstance(op, If):
                for j in op.joins:
                    if j.result.kind.ndim:
                        found[j.result] = of(j.then) | of(j.other)

    visit(program.body)
    return found
