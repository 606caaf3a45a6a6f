"""Where the arrays of a generated program lie: allocated one by one, or one after the other in a caller's workspace.

The only op that makes memory is Alloc. `in_workspace` gives each Alloc its first word in a workspace:

1.  products of matrices, which call BLAS, become loops; arrays that are returned become parameters
2.  a stack gets a length: the passes of the loops around its pushes, counted before they run
3.  arrays lie in order of text; what a pass of a loop, or a branch, has made lies free again after it

`words` is the program that says how many words that takes. Both have to know lengths before the program runs, so they
compute them again from what is there at the start (`Integers`): shapes, numbers, and entries of args. What depends on
more than that is refused: entries of x, and loops whose number of passes does.
"""

import contextlib

from secondorder.derivatives.autodiff.builder import Builder, carry
from secondorder.derivatives.autodiff.ir import (
    FLOAT,
    I0,
    I1,
    INT,
    ZERO,
    Alloc,
    Const,
    If,
    Join,
    Kind,
    Load,
    Loop,
    Named,
    Op,
    Place,
    Product,
    Program,
    Push,
    Shape,
    Slot,
    Store,
    Value,
    View,
    blocks,
    memory_groups,
    parameter,
    results,
    walk,
    written,
)
from secondorder.derivatives.autodiff.lower import Lowering
from secondorder.derivatives.autodiff.memory import Places
from secondorder.derivatives.autodiff.naturals import is_natural, is_natural_of, naturals
from secondorder.derivatives.autodiff.opaque import Opaque
from secondorder.derivatives.autodiff.simplify import Renaming, drop_dead, simplify
from secondorder.derivatives.errors import Unsupported


class Placed(Lowering):
    """Lowering that notes where loops and arrays stand in the source, for what is refused later."""

    def run(self, arguments):
        """The Program."""
        self.b.place = self.here
        return super().run(arguments)

    def here(self):
        """The Place being followed."""
        source = self.frame.source
        return Place(source.file, getattr(self.node, "lineno", source.first), source.line(self.node))


# ------------------------------------------------------------------------------------------------- the workspace


def in_workspace(program, names):
    """The program with its arrays in a workspace, its last parameter; changed in place, and returned.

    names: the parameters of the user's function, x first.
    """
    products_as_loops(program)
    returned_as_parameters(program)
    read_lengths_where_given(program)
    drop_dead(program)  # before arrays get their places: `words` counts those that are left
    give_stacks_their_length(program, names)
    program.workspace = parameter(Kind("f", 1), "workspace", program.params)
    program.params.append(program.workspace)
    program.body = placed(program.body, I0, naturals(program))[0]
    drop_dead(program)  # the ends of last arrays
    return program


class Counts(Builder):
    """Builds integers, and knows of some that they are not negative; so `max(0, n)` is often n."""

    def __init__(self, natural):
        super().__init__()
        self.natural = natural  # shared by all that build in one program
        self.keys = {}  # integer -> what it was computed from: equal keys, equal integers

    def op(self, fn, *args, hint=""):
        """fn(*args)."""
        if fn == "max":
            if args[0] is args[1]:
                return args[0]
            for a, c in (args, args[::-1]):
                if is_number(a, 0) and self.is_natural(c):
                    return c
        result = super().op(fn, *args, hint=hint)
        self.keys[result] = (fn, *map(self.key, args))
        if is_natural_of(fn, [self.is_natural(a) for a in args]):
            self.natural.add(result)
        return result

    def shape(self, array, axis):
        """array.shape[axis]"""
        length = super().shape(array, axis)
        self.natural.add(length)
        self.keys[length] = "shape", array, axis
        return length

    def key(self, v):
        """What identifies an integer."""
        return v.value if type(v) is Const else self.keys.get(v, v)

    def is_natural(self, v):
        """Is it known not to be negative?"""
        return is_natural(v, self.natural)

    def size(self, shape):
        """The number of entries of an array; a negative length counts as none, so that arrays never overlap."""
        total = I1
        for length in shape:
            total = self.mul(total, self.op("max", I0, length))
        return total


def placed(block, top, natural):
    """(a block whose arrays lie in the workspace from word `top` on, the first word after them)."""
    b = Counts(natural)
    for op in block:
        if isinstance(op, Alloc):
            for length in op.shape:
                if not b.is_natural(length):
                    b.check(b.op("ge", length, I0), "an array of a negative length")
            op.start = top
            b.append(op)
            top = b.add(top, b.size(op.shape))
        elif isinstance(op, Loop):
            assert not any(s.param.kind.ndim for s in op.slots), "a loop carries an array"
            op.body, _ = placed(op.body, top, natural)
            b.append(op)
        elif isinstance(op, If):
            op.then, then = placed(op.then, top, natural)
            op.other, other = placed(op.other, top, natural)
            b.append(op)
            if any(j.result.kind.ndim for j in op.joins):  # it is read after the branch
                after = Value(INT, "top")
                op.joins.append(Join(after, then, other))
                top = after
        else:
            b.append(op)
    return b.block, top


def products_as_loops(program):
    """left @ right -> sums. (BLAS on the CPU adds in another order: results agree to rounding only.)"""

    def visit(block):
        b = Builder()
        for op in block:
            for inner in blocks(op):
                inner[:] = visit(inner)
            if isinstance(op, Product):
                product_as_loops(op, b)
            else:
                b.append(op)
        return b.block

    program.body = visit(program.body)


def product_as_loops(op, b):
    """Write one product with a Builder."""
    left, right = op.left, op.right
    rows = [b.shape(left, 0)] if left.kind.ndim == 2 else []
    columns = [b.shape(right, 1)] if right.kind.ndim == 2 else []
    inner = b.shape(right, 0)

    def entry(i, j, result):
        with b.loop(inner, hint="k") as loop:
            total = Slot(Value(FLOAT, "s"), ZERO, None, result)
            loop.slots.append(total)
            term = b.mul(b.load(left, *i, loop.index), b.load(right, loop.index, *j))
            total.next = b.add(total.param, term)

    if not rows and not columns:
        entry((), (), op.result)
        return
    b.append(Alloc(op.result, (*rows, *columns)))
    with b.nest([*rows, *columns]) as indices:
        result = Value(FLOAT, "s")
        entry(indices[: len(rows)], indices[len(rows) :], result)
        b.store(op.result, indices, result)


MISFIT = "an array for the result must have the shape of what the function returns: does that depend on x?"


def returned_as_parameters(program, hint="out"):
    """Returned arrays go into further parameters; returned numbers become floats, so that nan can stand for them."""
    b, left = Builder(), []
    for v in program.results:
        if not v.kind.ndim:
            left.append(v if v.kind == FLOAT else b.op("float", v))
            continue
        out = parameter(Kind("f", v.kind.ndim), hint, program.params)
        program.params.append(out)
        program.outputs += (out,)
        dims = [b.shape(v, k) for k in range(v.kind.ndim)]
        for k, d in enumerate(dims):
            b.check(b.op("eq", b.shape(out, k), d), MISFIT)
        with b.nest(dims) as indices:
            entry = b.load(v, *indices)
            b.store(out, indices, entry if v.kind.scalar == "f" else b.op("float", entry))
    program.body += b.block
    program.results = tuple(left)


def read_lengths_where_given(program):
    """The lengths of an array that is made are those that it is made with; so some arrays need not be made."""
    rename, made = Renaming(), {}
    for op in walk(program.body):
        if isinstance(op, Alloc) and not op.stack:
            made[op.result] = op.shape
        elif isinstance(op, Shape) and op.array in made:
            rename.of[op.result] = made[op.array][op.axis]
    rename.everywhere(program)


def give_stacks_their_length(program, names):
    """Stacks -> arrays as long as they can become, and pushes -> stores; in place."""
    lengths, natural = Lengths(program, names), naturals(program)
    before = {}  # stack's Alloc -> code that computes its length
    for op in walk(program.body):
        if isinstance(op, Alloc) and op.stack:
            b = Counts(natural)
            with refusals():
                op.shape = (lengths.passes(op, b, lengths.visible_at(op)),)
            op.stack, before[op] = False, b.block

    def visit(block):
        made = []
        for op in block:
            made += before.get(op, ())
            for inner in blocks(op):
                inner[:] = visit(inner)
            made.append(Store(op.array, (op.position,), op.value) if isinstance(op, Push) else op)
        return made

    program.body = visit(program.body)


# ------------------------------------------------------------------------------------------ how large it must be


def words(program, names):
    """The Program (x, *args) -> length of the workspace of a program that `in_workspace` has made."""
    b = Counts(naturals(program))
    params = [p for p in program.params if p.hint in names]
    with refusals():
        peak = Lengths(program, names).block(program.body, b, {p: p for p in params})[1]
    return simplify(Program(program.name, params, b.block, (peak,)))


class Unknown(Exception):
    """An integer that can't be computed before the program runs: what, what to do about it, where."""

    def __init__(self, construct, hint, where=None):
        super().__init__(construct)
        self.construct, self.hint, self.where = construct, hint, where


DEPENDS = (
    "an array whose length depends on more than shapes and args, which has no place in a workspace",
    "Give it a length that x doesn't change",
)
ENDLESS = (
    "a while loop, whose passes reverse mode remembers in a workspace and can't count before",
    "Write it as a for loop over the largest number of passes, with break",
)


@contextlib.contextmanager
def refusals():
    """What is unknown is refused."""
    try:
        yield
    except Unknown as unknown:
        raise Unsupported(unknown.construct, unknown.hint, *(unknown.where or ())) from None


class Integers:
    """Computes integers of a program again at another place, from what is known there.

    `env` says what is known: value of the program -> the value that stands for it.
    """

    def __init__(self, program, names):
        self.program = program
        self.places, self.group = Places(program), memory_groups(program)
        self.maker = {}  # value -> the op that makes it; also the parameters of slots
        self.rerun = {}  # loop being run again -> its function that carries one more slot
        self.doubtful = False  # would the program perhaps not come here? Then an index may be out of range
        ops = list(walk(program.body))
        for op in ops:
            self.maker |= dict.fromkeys(results(op), op)
            if isinstance(op, Loop):
                self.maker |= {s.param: op for s in op.slots}
        # x may be another one when the program runs; what the user passes in args is as it will be
        args = {p for p in program.params if p.hint in names[1:]}
        changed = {self.group(written(op)) for op in ops if written(op) is not None}
        self.readable = {p for p in args if self.group(p) not in changed}
        self.given = {p for p in program.params if p.kind.ndim and p.hint in names}

    @contextlib.contextmanager
    def in_doubt(self, doubt):
        """The program may not come here, if doubt."""
        before, self.doubtful = self.doubtful, self.doubtful or doubt
        try:
            yield
        finally:
            self.doubtful = before

    def tried(self, compute, b):
        """What compute() gives, if it can without more being known; None: it needs to know the index of a loop."""
        with b.into([]) as code:
            try:
                found = compute()
            except Unknown:
                return None
        b.block.extend(code)
        return found

    def value(self, v, b, env):
        """A scalar."""
        if type(v) is Const:
            return v
        if v not in env:
            env[v] = self.again(v, b, env)
        return env[v]

    def again(self, v, b, env):
        """A scalar that isn't known yet."""
        op = self.maker.get(v)
        if isinstance(op, Op) and isinstance(op.fn, str):
            return b.op(op.fn, *[self.value(a, b, env) for a in op.args], hint=v.hint)
        if isinstance(op, Op) and not isinstance(op.fn, Opaque):  # an entry of a tuple argument
            return b.append(Op(Value(v.kind, v.hint), op.fn, ())).result
        if isinstance(op, Load) and not self.doubtful:
            array = self.array(op.array, b, env)
            return b.load(array, *[self.value(i, b, env) for i in op.indices], hint=v.hint)
        if isinstance(op, Shape):
            return self.lengths(op.array, b, env)[op.axis]
        if isinstance(op, If):
            return self.joined(op, v, b, env)
        if isinstance(op, Loop):
            return self.carried(op, v, b, env)
        raise Unknown(*DEPENDS)

    def joined(self, op, v, b, env):
        """The result of an if."""
        (join,) = [j for j in op.joins if j.result is v]
        made = If(self.value(op.test, b, env), [], [])
        sides = []
        for inner, side in ((made.then, join.then), (made.other, join.other)):
            with b.into(inner):
                sides.append(self.value(side, b, dict(env)))
        made.joins.append(Join(Value(v.kind, v.hint), *sides))
        return b.append(made).joins[0].result

    def carried(self, op, v, b, env):
        """What a loop carries: the loop again, with as much as that needs."""
        slots = {s.result: s for s in op.slots} | {s.param: s for s in op.slots}
        if op in self.rerun:
            return self.rerun[op](slots[v])
        if v is not slots[v].result:  # a pass that isn't being run again
            raise Unknown(*DEPENDS)
        made, outer, inner, waiting = Loop(None, None, None, None), b.block, dict(env), []

        def carry_too(slot):
            with b.into(outer):
                new = carry(made, self.value(slot.init, b, env), slot.param.hint)
            new.param.kind = new.result.kind = slot.param.kind
            inner[slot.param] = new.param
            waiting.append((slot, new))
            return new.param

        if op.index is not None:
            made.index = inner[op.index] = Value(INT, op.index.hint)
            made.start, made.stop, made.step = (self.value(e, b, env) for e in (op.start, op.stop, op.step))
        self.rerun[op] = carry_too
        try:
            carry_too(slots[v])
            wanted = made.slots[0]
            if op.go is not None and op.go.param not in inner:
                carry_too(op.go)
            with b.into(made.body):
                for slot, new in waiting:  # grows on the way
                    new.next = self.value(slot.next, b, inner)
                    made.go = new if slot is op.go else made.go
        finally:
            del self.rerun[op]
        b.append(made)
        return wanted.result

    def array(self, v, b, env):
        """An array whose entries are known: one of args, a captured one, or a view of those."""
        if v in self.readable or isinstance(v, Named):
            return v
        op = self.maker.get(v)
        if isinstance(op, Op) and not isinstance(op.fn, Opaque):  # in a tuple argument
            return b.append(Op(Value(v.kind, v.hint), op.fn, ())).result
        if isinstance(op, View):
            array = self.array(op.array, b, env)
            parts = (type(p)(*(q and self.value(q, b, env) for q in p)) if isinstance(p, tuple) else p for p in op.args)
            args = [self.value(p, b, env) if isinstance(p, Value) else p for p in parts]
            return b.view(array, op.how, args, v.kind.ndim, v.hint)
        raise Unknown(*DEPENDS)

    def lengths(self, v, b, env):
        """The lengths of an array."""
        op = self.maker.get(v)
        if isinstance(v, Named):
            return [Const(n) for n in v.object.shape]
        if v in self.given or v in env or isinstance(op, Op):
            array = v if v in self.given else env.get(v) or self.array(v, b, env)
            return [b.shape(array, k) for k in range(v.kind.ndim)]
        if isinstance(op, Alloc) and not op.stack:
            return [self.value(d, b, env) for d in op.shape]
        if isinstance(op, View) and op.how == "T":
            return self.lengths(op.array, b, env)[::-1]
        if isinstance(op, View) and op.how == "reshape":
            return [self.value(d, b, env) for d in op.args]
        if isinstance(op, View):
            parts = zip(op.args, self.lengths(op.array, b, env))
            return [self.slice_length(p, n, b, env) for p, n in parts if not isinstance(p, Value)]
        if isinstance(op, If):
            return self.joined_lengths(op, v, b, env)
        raise Unknown(*DEPENDS)

    def joined_lengths(self, op, v, b, env):
        """The lengths of an array that an if gives."""
        (join,) = [j for j in op.joins if j.result is v]
        with self.in_doubt(True):
            sides = self.tried(lambda: [self.lengths(a, b, dict(env)) for a in (join.then, join.other)], b)
        if sides is not None and [*map(b.key, sides[0])] == [*map(b.key, sides[1])]:
            return sides[0]  # whichever it is
        made, sides = If(self.value(op.test, b, env), [], []), []
        for inner, side in ((made.then, join.then), (made.other, join.other)):
            with b.into(inner):
                sides.append(self.lengths(side, b, dict(env)))
        made.joins = [Join(Value(INT, "n"), *pair) for pair in zip(*sides)]
        b.append(made)
        return [j.result for j in made.joins]

    def slice_length(self, part, n, b, env):
        """The length of a slice of an axis of length n, as Python has it."""
        lo, hi, step = (p if p is None else self.value(p, b, env) for p in part)
        step = I1 if step is None else step
        if type(step) is not Const or step.value == 0:
            raise Unknown(*DEPENDS)
        up = step.value > 0
        first, last = (I0, n) if up else (Const(-1), b.sub(n, I1))  # where a bound is cut off

        def bound(v, missing):
            if v is None:
                return missing
            v = b.select(b.op("lt", v, I0), b.add(v, n), v)
            return b.op("min", b.op("max", v, first), last)

        lo, hi = bound(lo, I0 if up else last), bound(hi, n if up else first)
        return passes(lo, hi, step, b)


def passes(start, stop, step, b):
    """The number of passes of range(start, stop, step)."""
    if type(step) is Const and step.value in (1, -1):
        n = b.sub(stop, start) if step.value == 1 else b.sub(start, stop)
    else:
        sign = b.select(b.op("gt", step, I0), I1, Const(-1))
        n = b.op("floordiv", b.add(b.sub(stop, start), b.sub(step, sign)), step)
    return b.op("max", I0, n)


class Lengths(Integers):
    """How long stacks become, and how many words the arrays of a block take at most."""

    def visible_at(self, op):
        """What is known where an op stands: the parameters; integers and arrays that the blocks around it made before.

        Floats are not: a loop that runs until they are small would be run again for its number of passes.
        """
        known = {p: p for p in self.program.params}
        for here in (*self.places.path[op], op):
            for o in self.places.block[here]:
                if o is here:
                    break
                known |= {v: v for v in results(o) if v.kind.ndim or v.kind == INT}
            if isinstance(here, Loop) and here is not op:
                known |= {s.param: s.param for s in here.slots if s.param.kind == INT} | {here.index: here.index}
        return known

    # ------------------------------------------------------------------------------------------------- stacks

    def passes(self, stack, b, env):
        """The most entries that a stack can get: each pass of the loop around a push makes one."""
        length, depth = I0, len(self.places.path[stack])
        for push in self.places.number:
            if isinstance(push, Push) and self.group(push.array) is self.group(stack.result):
                around = self.places.path[push][depth:]
                loops = [o for o in around if isinstance(o, Loop)]
                stack.where = next((o.where for o in loops if o.where), None)
                try:
                    with self.in_doubt(len(loops) < len(around)):  # in a branch
                        length = b.op("max", length, self.count(loops, b, env))
                except Unknown as unknown:
                    unknown.where = unknown.where or stack.where or self.place_of(push)
                    raise
        return length

    def place_of(self, push):
        """Where the array is made whose entries a push remembers, if that is known."""
        load = self.maker.get(push.value)
        group = self.group(load.array) if isinstance(load, Load) else None
        allocs = [o for o in self.places.number if isinstance(o, Alloc) and self.group(o.result) is group]
        return next((o.where for o in allocs if o.where), None)

    def count(self, loops, b, env):
        """Passes of the last of nested loops."""
        outer, *inside = loops
        if outer.index is None:
            bounds, number = None, self.counted(outer, b, env)
        else:
            bounds = self.bounds(outer, b, env)
            number = passes(*bounds, b)
        if not inside:
            return number
        with self.in_doubt(outer.go is not None):
            same = self.tried(lambda: self.count(inside, b, dict(env)), b)
            if same is not None:
                return b.mul(number, same)
            if bounds is None:
                raise Unknown(*ENDLESS, outer.where)
            with b.into([]) as body:
                index = Value(INT, outer.index.hint)
                here = self.count(inside, b, dict(env) | {outer.index: index})
        return self.over(bounds, index, body, lambda total: b.add(total, here), b)

    def counted(self, loop, b, env):
        """Passes of a while loop, by running it again, if that needs no entry of x."""
        for slot in loop.slots:
            if is_counter(slot, loop):
                number = self.tried(lambda slot=slot: self.value(slot.result, b, dict(env)), b)
                if number is not None:
                    return number
        raise Unknown(*ENDLESS, loop.where)

    def over(self, bounds, index, body, step, b):
        """The integer, never negative, that step(integer so far) makes of 0 in passes over a body."""
        made = Loop(index, *bounds, body=body)
        slot = carry(made, I0, "n")
        b.natural |= {slot.param, slot.result}
        with b.into(body):
            slot.next = step(slot.param)
        b.append(made)
        return slot.result

    def bounds(self, loop, b, env):
        """start, stop, step of a loop, or of one with more passes."""
        step = self.value(loop.step, b, env)
        start = self.largest(loop.start, b, env) if is_number(step, -1) else self.value(loop.start, b, env)
        stop = self.largest(loop.stop, b, env) if is_number(step, 1) else self.value(loop.stop, b, env)
        return start, stop, step

    def largest(self, v, b, env):
        """v, or the largest that it can be: where a loop with break has counted its passes, all of them."""
        exact = self.tried(lambda: self.value(v, b, dict(env)), b)
        if exact is not None:
            return exact
        op = self.maker.get(v)
        if isinstance(op, Op) and op.fn == "sub" and type(op.args[1]) is Const:
            return b.sub(self.largest(op.args[0], b, env), op.args[1])
        if isinstance(op, Loop) and op.index is not None and is_counter(next(s for s in op.slots if s.result is v), op):
            return passes(*self.bounds(op, b, env), b)
        raise Unknown(*DEPENDS)

    # -------------------------------------------------------------------------------------------------- words

    def block(self, block, b, env):
        """(words that the arrays of a block take at its end, the most that they take on the way)."""
        top = peak = I0
        for op in block:
            if isinstance(op, Alloc):
                try:
                    top = b.add(top, b.size([self.value(d, b, env) for d in op.shape]))
                except Unknown as unknown:
                    unknown.where = unknown.where or op.where
                    raise
            elif isinstance(op, Loop):
                most = self.loop(op, b, env)
                peak = peak if is_number(most, 0) else b.op("max", peak, b.add(top, most))
            elif isinstance(op, If):
                end, most = self.branches(op, b, env)
                peak = peak if is_number(most, 0) else b.op("max", peak, b.add(top, most))
                if any(j.result.kind.ndim for j in op.joins):
                    top = b.add(top, end)
        return top, b.op("max", peak, top)

    def branches(self, op, b, env):
        """The same of an if: of the branch that will be taken, or else the larger of each."""
        if not any(isinstance(o, Alloc) for o in walk([op])):
            return I0, I0
        test = self.tried(lambda: self.value(op.test, b, dict(env)), b)
        if test is None:
            with self.in_doubt(True):
                ends, peaks = zip(*(self.block(inner, b, dict(env)) for inner in (op.then, op.other)))
            return b.op("max", *ends), b.op("max", *peaks)
        made, sides = If(test, [], []), []
        for new, old in ((made.then, op.then), (made.other, op.other)):
            with b.into(new):
                sides.append(self.block(old, b, dict(env)))
        made.joins = [Join(Value(INT, "n"), *pair) for pair in zip(*sides)]
        return tuple(j.result for j in b.append(made).joins)

    def loop(self, op, b, env):
        """The most words that a pass of a loop takes."""
        if not any(isinstance(o, Alloc) for o in walk(op.body)):
            return I0
        with self.in_doubt(op.go is not None):
            same = self.tried(lambda: self.block(op.body, b, dict(env))[1], b)
            if same is not None:
                return same
            if op.index is None:
                self.block(op.body, b, dict(env))  # says what is unknown
            bounds = self.bounds(op, b, env)
            with b.into([]) as body:
                index = Value(INT, op.index.hint)
                here = self.block(op.body, b, dict(env) | {op.index: index})[1]
        return self.over(bounds, index, body, lambda peak: b.op("max", peak, here), b)


def is_number(v, number):
    """Is it this constant?"""
    return type(v) is Const and v.value == number


def is_counter(slot, loop):
    """Does a slot count the passes of its loop?"""
    steps = [o for o in loop.body if isinstance(o, Op) and o.result is slot.next and o.fn == "add"]
    return is_number(slot.init, 0) and any(o.args[0] is slot.param and is_number(o.args[1], 1) for o in steps)
