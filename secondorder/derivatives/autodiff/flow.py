"""Branches and loops -> ir: what names stand for where paths meet, and what is carried round."""

import ast
from typing import NamedTuple

from secondorder.derivatives.autodiff import structure
from secondorder.derivatives.autodiff.builder import default
from secondorder.derivatives.autodiff.ir import BOOL, I0, I1, INT, Const, If, Join, Kind, Loop, Slot, Value, defined_in
from secondorder.derivatives.autodiff.names import ITERATED, UNBOUND, Carried, Clash, Known, plain_tuple, wider

MAX_UNROLLED = 64  # passes of a loop over a tuple


class Side(NamedTuple):
    """One branch of an if that has been followed."""

    block: list
    env: dict  # what names stand for at its end
    copies: list  # arrays made at its end
    last: bool  # whether the statement reads nothing more after it


class Flow:
    """The part of Lowering that follows if, while and for."""

    def follow_If(self, s):
        """Both branches, and a join for every name that differs after them."""
        test = self.condition(s.test)
        if type(test) is Const:
            return self.block(s.body if test.value else s.orelse)
        before = self.frame.env
        sides = []
        for body in (s.body, s.orelse):
            self.frame.env = dict(before)
            with self.b.into([]) as block:
                self.block(body)
            sides.append(Side(block, self.frame.env, [], True))
        self.node = s
        first, second = sides
        made = If(test, first.block, second.block)
        self.b.append(made)
        merged, chosen = dict(before), []
        for name in {**first.env, **second.env}:
            a, c = first.env.get(name, UNBOUND), second.env.get(name, UNBOUND)
            merged[name] = a if a is c else self.join(made, a, c, name, sides, chosen)
        self.frame.env = merged
        self.arrays.chosen(chosen, self.aliases.readable(done=True))
        return None

    def join(self, made, a, c, name, sides, chosen):
        """What a name stands for after an if whose branches bound it to a and c; arrays go into chosen too."""
        if a is UNBOUND or c is UNBOUND:
            known = c if a is UNBOUND else a
            missing = self.placeholder(
                known, *((made.other, made.then) if c is not UNBOUND else (made.then, made.other))
            )
            if missing is None:
                return Clash(name)
            a, c = (missing, c) if a is UNBOUND else (a, missing)
        if isinstance(a, Value) and isinstance(c, Value):
            if type(a) is Const and type(c) is Const and a.value == c.value and a.kind == c.kind:
                return a
            if a.kind.ndim != c.kind.ndim:
                return Clash(name)
            if a.kind.ndim:
                if a.kind != c.kind:
                    return Clash(name)
                if self.loops:
                    a, c = (self.at_home(v, side, name) for v, side in zip((a, c), sides))
                result = Value(a.kind, name)
                made.joins.append(Join(result, a, c))
                chosen.append((result, a, c))
                return self.arrays.joined(result, a, c)
            kind = wider(a.kind, c.kind)
            with self.b.into(made.then):
                a = self.arrays.cast(a, kind)
            with self.b.into(made.other):
                c = self.arrays.cast(c, kind)
            result = Value(kind, name)
            made.joins.append(Join(result, a, c))
            return result
        if plain_tuple(a) and plain_tuple(c) and len(a) == len(c):
            return tuple(self.join(made, p, q, name, sides, chosen) if p is not q else p for p, q in zip(a, c))
        if isinstance(a, Known) and isinstance(c, Known) and a.object is c.object:
            return a
        return Clash(name)

    def at_home(self, array, side, name):
        """An array made in this pass of the loop: the array, or a copy of one that has lived longer.

        What reverse mode makes again in each pass, and what it keeps, must not be one.
        """
        if all(self.arrays.homes[root] is self.loops[-1] for root in self.arrays.roots[array]):
            return array
        with self.b.into(side.block):
            made = self.arrays.copy(array, name)
        self.frame.env = side.env
        readable = [*self.aliases.readable(done=side.last), *side.copies]
        self.arrays.stands_for(made, array, readable)
        side.copies.append(made)
        return made

    def placeholder(self, value, bound, block):
        """Something of the same kind, for a branch that doesn't bind the name; bound: the block that does.

        In a loop it has the same lengths if they are known outside the branch, so that a buffer can take it.
        """
        if plain_tuple(value):
            parts = [self.placeholder(part, bound, block) for part in value]
            return None if None in parts else tuple(parts)
        if not isinstance(value, Value):
            return value if isinstance(value, Known) else None
        if not value.kind.ndim:
            return default(value.kind)
        dims = self.arrays.dims[value]
        lengths = dims if self.loops and not defined_in(bound, dims) else [I0] * value.kind.ndim
        with self.b.into(block):
            return self.arrays.new(lengths, default(Kind(value.kind.scalar)), value.kind.scalar)

    # --------------------------------------------------------------------------------------------------- loops

    def follow_While(self, s):
        """A while loop: its condition is a slot."""

        def head(loop):
            if s._so_go is None:
                return self.condition(s.test)
            return self.both(self.lookup(s._so_go), s.test)

        self.loop(s, None, lambda loop: [], head)
        if s._so_orelse:
            self.refuse("else after a loop")

    def both(self, flag, test):
        """flag and test, where test is looked at only if flag holds."""
        return self.logical(ast.And(), [lambda: flag, lambda: self.condition(test)])

    def follow_For(self, s):
        """A for loop."""
        if s._so_orelse:
            self.refuse("else after a loop")
        source = self.iterable(s.iter)
        if isinstance(source, tuple) and source[0] == "unroll":
            return self.unroll(s, source[1])
        bounds, entry = source
        iterated = f"{ITERATED}{len(self.loops)}"
        if iterated in self.frame.env:
            self.frame.env[iterated] = self.read_by_loop(s, self.frame.env[iterated])
        self.loop(s, bounds, lambda loop: self.bind(s.target, entry(loop.index)), None)
        self.frame.env.pop(iterated, None)
        return None

    def read_by_loop(self, s, values):
        """Those of the arrays that a loop runs over whose entries are read."""
        targets = s.target.elts if len(values) > 1 and isinstance(s.target, ast.Tuple) else [s.target] * len(values)
        read = structure.names_read(s.body) | s._so_live
        names = [structure.names_assigned([ast.Assign([t], ast.Constant(0))]) for t in targets]
        return tuple(v for v, bound in zip(values, names) if not read.isdisjoint(bound))

    def unroll(self, s, values):
        """A loop over a tuple: its body once for each part."""
        if s._so_go or len(values) > MAX_UNROLLED:
            self.refuse("a loop over a tuple with break, or over a long one", "Loop over an array or a range")
        with self.aliases.holding(values):
            for value in values:
                self.bind(s.target, value)
                self.block(s.body)

    def iterable(self, node):
        """((start, stop, step), index -> what the target is bound to), or ("unroll", values)."""
        if isinstance(node, ast.Call) and not node.keywords:
            called = self.value(node.func)
            name = getattr(called.object, "__name__", "") if isinstance(called, Known) else ""
            if name in ("range", "prange"):
                return self.range_bounds([self.integer(self.value(a)) for a in node.args]), lambda i: i
            if name == "enumerate" and len(node.args) == 1:
                return self.alongside(node.args, lambda i, values: (i, values[0]))
            if name == "zip":
                return self.alongside(node.args, lambda i, values: tuple(values))
        value = self.value(node)
        if plain_tuple(value):
            return "unroll", value
        return self.alongside([value], lambda i, values: values[0])

    def alongside(self, nodes, entry):
        """A loop over several arrays, or tuples, in step."""
        values = [self.named(self.value(n) if isinstance(n, ast.AST) else n, "") for n in nodes]
        if all(plain_tuple(v) for v in values):
            rows = [entry(Const(k), row) for k, row in enumerate(zip(*values))]
            return "unroll", rows
        if not all(isinstance(v, Value) and v.kind.ndim for v in values):
            self.refuse("a loop over this", "Loop over a range or an array")
        stop = self.arrays.same_length([self.arrays.dims[v][0] for v in values])
        self.frame.env[f"{ITERATED}{len(self.loops)}"] = tuple(values)
        return (I0, stop, I1), lambda i: entry(i, [self.arrays.index(v, [i]) for v in values])

    def range_bounds(self, args):
        """start, stop, step of range(*args)."""
        if len(args) == 1:
            return I0, args[0], I1
        return (*args, I1) if len(args) == 2 else tuple(args)

    def loop(self, s, bounds, begin, head):
        """Build a loop; again with wider kinds or more slots until what is carried fits."""
        targets = structure.names_assigned([ast.Assign([s.target], ast.Constant(0))]) if bounds else []
        assigned = list(dict.fromkeys([*targets, *structure.names_assigned(s.body)]))
        reads, _ = structure.exposed([*s.body, ast.Expr(s.test)] if head else s.body, set(targets))
        carried = [n for n in assigned if n in reads or n in s._so_live]
        if s._so_go and s._so_go not in carried:
            carried.append(s._so_go)
        known = Carried(self, carried, assigned)
        for _ in range(12):
            if self.try_loop(s, bounds, begin, head, known):
                return
        self.refuse("a loop whose variables change their kind in every pass")

    def try_loop(self, s, bounds, begin, head, known):
        """Build the loop once; False if what is carried turned out to be of other kinds."""
        before = dict(self.frame.env)
        with self.b.into([]) as outside:
            made = Loop(Value(INT, "i"), *bounds) if bounds else Loop(None, None, None, None)
            entry = known.entry(made, before)
            self.frame.env = dict(before) | known.outside("init")
            first = head(made) if head else None
            self.frame.env = dict(before) | entry
            with self.b.into(made.body), self.arrays.within(made):
                begin(made)
                self.block(s.body)
                self.node = s
                after = self.frame.env
                if not known.fits(after) or known.shares(after):
                    self.frame.env = before
                    return False
                again = head(made) if head else None  # before the buffers of what it reads are written
                known.close(after)
            if head:
                made.go = Slot(Value(BOOL, "go"), first, again, Value(BOOL, "go"))
                made.slots.append(made.go)
            elif s._so_go:
                made.go = known.slot_of(made, s._so_go)
            self.b.append(made)
        self.b.block.extend(outside)
        self.frame.env = before | known.outside("result")
        for name in structure.names_assigned(s.body):
            if name not in known.names:
                self.frame.env.pop(name, None)
        return True
