"""Python -> ir, by abstract interpretation: the function is run on symbols instead of numbers.

What a name stands for while generating is one of

    Value           a scalar, or an array in memory
    Lazy            an elementwise expression, until it is bound to a name
    tuple           of such
    Known           anything else: a module, a function, None, a string

Calls of the user's other functions are followed into (inlined). Loops are built with every name that is carried round
as a slot; where the kind of a carried name turns out wider than at the start (`s = 0` and then `s += x[i]`), the loop
is built again with the wider kind.
"""

import ast
import inspect
import types as python_types
from typing import NamedTuple

import numpy as np
from numba.core.registry import cpu_target

from secondorder.derivatives.autodiff import numpy_functions, structure
from secondorder.derivatives.autodiff.arrays import Arrays, Lazy, captured
from secondorder.derivatives.autodiff.builder import default
from secondorder.derivatives.autodiff.ir import (
    BOOL,
    FLOAT,
    I0,
    I1,
    INT,
    NO,
    Check,
    Const,
    If,
    Join,
    Kind,
    Loop,
    Op,
    Program,
    Slice,
    Slot,
    Value,
    defined_in,
)
from secondorder.derivatives.autodiff.names import (
    ITERATED,
    UNBOUND,
    Aliases,
    Carried,
    Clash,
    Frame,
    Known,
    LocalFunction,
    plain_tuple,
    wider,
)
from secondorder.derivatives.autodiff.opaque import Opaque, rule_of
from secondorder.derivatives.autodiff.source import Source
from secondorder.jit import plain

MAX_DEPTH = 25  # of nested calls
MAX_UNROLLED = 64  # passes of a loop over a tuple
MAX_CAPTURED = 1 << 16  # bytes of an array that compiled code may hold as a constant

BINARY = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.BitAnd: "bitand",
    ast.BitOr: "bitor",
    ast.BitXor: "bitxor",
    ast.LShift: "shl",
    ast.RShift: "shr",
}
COMPARE = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"}


class Side(NamedTuple):
    """One branch of an if that has been followed."""

    block: list
    env: dict  # what names stand for at its end
    copies: list  # arrays made at its end
    last: bool  # whether the statement reads nothing more after it


class Lowering:
    """Builds the Program of one function for given kinds of arguments."""

    def __init__(self, function, arguments, text=None, writable=()):
        self.arrays = Arrays()
        self.b = self.arrays.b
        self.opaques = {}  # function with a rule of the user's -> Opaque
        self.frame = Frame(Source(function, text))
        self.loops = self.arrays.loops
        self.callers = []  # the frames that wait for a call to return
        self.aliases = Aliases(self)
        self.constants = {}  # id -> captured array as a Value
        self.tables = {}  # numbers of a tuple -> the same as a Value
        self.inputs = {}  # array parameter -> its name
        self.writable = writable
        self.node = self.frame.source.tree
        self.followed = [self.frame.source.function]
        self.program = self.run(arguments)

    # ----------------------------------------------------------------------------------------------- the program

    def run(self, arguments):
        """Bind the arguments, follow the body, return the Program."""
        source = self.frame.source
        tree = source.tree
        if tree.args.vararg or tree.args.kwarg or tree.args.kwonlyargs:
            self.refuse("*args, **kwargs or keyword-only parameters", "Name the parameters")
        names = [a.arg for a in (*tree.args.posonlyargs, *tree.args.args)]
        for name in names:
            self.permitted(name)
        params = []
        for k, name in enumerate(names):
            if k < len(arguments):
                self.frame.env[name] = self.parameter(name, arguments[k], params)
            else:
                self.frame.env[name] = self.wrap(self.default_of(source.function, k, len(names), name), name)
        self.params = params
        body, _ = prepared(source)
        self.block(body)
        value = self.frame.env.get(structure.RESULT, Known(None))
        results = self.results(value)
        program_name = source.function.__name__ if source.function.__name__.isidentifier() else "function"
        outputs = tuple(p for p in params if p.kind.ndim and p.hint in self.writable)
        return Program(program_name, params, self.b.block, results, outputs)

    def parameter(self, name, kind, params):
        """The symbol of an argument of that kind; a tuple of kinds gives a tuple of symbols."""
        if isinstance(kind, Known):
            params.append(Value(Kind("i"), name))  # it stays in the signature, unused
            return kind
        if isinstance(kind, tuple) and not isinstance(kind, Kind):
            params.append(Value(Kind("i"), name))
            return tuple(self.item(f"{name}[{k}]", part) for k, part in enumerate(kind))
        value = Value(kind, name)
        params.append(value)
        return self.admit(value, name)

    def item(self, text, kind):
        """The symbol of an entry of a tuple argument: text is how to write it."""
        if isinstance(kind, Known):
            return kind
        if isinstance(kind, tuple) and not isinstance(kind, Kind):
            return tuple(self.item(f"{text}[{k}]", part) for k, part in enumerate(kind))
        value = Value(kind, text.replace("[", "_").replace("]", ""))
        self.b.append(Op(value, Entry(text), ()))
        return self.admit(value, text)

    def admit(self, value, name):
        """Take note of an array among the arguments."""
        if value.kind.ndim:
            self.arrays.given(value, [self.b.shape(value, k) for k in range(value.kind.ndim)])
            self.inputs[value] = name
        return value

    def default_of(self, function, k, n, name):
        """The default of the k-th of n parameters."""
        defaults = function.__defaults__ or ()
        if k < n - len(defaults):
            self.refuse(f"a call without the argument {name!r}", "Pass all arguments that have no default")
        return defaults[k - n + len(defaults)]

    def results(self, value):
        """The returned scalars or arrays, as a tuple of Values."""
        if isinstance(value, Known) and value.object is None:
            return ()
        if isinstance(value, tuple):
            return tuple(v for part in value for v in self.results(part))
        if isinstance(value, Lazy):
            value = self.arrays.array(value)
        if not isinstance(value, Value):
            self.refuse("the returned value", "Return a number, an array, or a tuple of them")
        if value.kind.ndim and self.arrays.roots[value] & set(self.inputs):
            value = self.arrays.copy(value)
        return (value,)

    # ------------------------------------------------------------------------------------------------- errors

    def refuse(self, construct, hint="", node=None):
        """Raise Unsupported at the node being followed."""
        self.frame.source.refuse(node or self.node, construct, hint)

    def permitted(self, name):
        """Refuse a name that generated code may use."""
        if name.startswith(structure.PREFIX):
            self.refuse(f"the name {name!r}: names that start with {structure.PREFIX} are reserved", "Rename it")

    # --------------------------------------------------------------------------------------------- statements

    def block(self, body):
        """Follow the statements of a block."""
        for s in body:
            self.node = s
            follow = getattr(self, f"follow_{type(s).__name__}", None)
            if follow is None:
                self.refuse(*described(s, "statement", "Move it out of the function"))
            try:
                follow(s)
            except ValueError as error:  # what arrays and numpy_functions refuse
                self.node = s
                self.refuse(str(error))

    def follow_Pass(self, s):
        """Nothing."""

    def follow_Assert(self, s):
        """A Check."""
        text = s.msg.value if isinstance(s.msg, ast.Constant) else ast.unparse(s.test)
        self.b.check(self.condition(s.test), str(text))

    def follow_Expr(self, s):
        """A call for its effect, or a docstring."""
        if isinstance(s.value, ast.Constant):
            return
        self.value(s.value)

    def follow_Raise(self, s):
        """The exception becomes a Check: ValueError with a fixed text, as others can't be told apart there."""
        call = s.exc
        plain = isinstance(call, ast.Call) and len(call.args) == 1 and not call.keywords
        if not (plain and isinstance(call.args[0], ast.Constant)) or self.value(call.func) != Known(ValueError):
            self.refuse("an exception other than ValueError with a fixed text", "Return np.inf or np.nan instead")
        self.b.append(Check(NO, str(call.args[0].value)))

    def follow_FunctionDef(self, s):
        """A nested function is followed where it is called."""
        made = structure.Structure().function(s.body)[0]
        structure_live(made, {structure.RESULT})
        self.frame.env[s.name] = Known(LocalFunction(s.args, made, self.frame, self.local_defaults(s.args)))

    def local_defaults(self, arguments):
        """parameter -> default, evaluated where the function is defined."""
        named = [*arguments.posonlyargs, *arguments.args]
        pairs = [*zip(named[len(named) - len(arguments.defaults) :], arguments.defaults)]
        pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults) if d is not None]
        return {a.arg: self.named(self.value(d), a.arg) for a, d in pairs}

    def follow_Assign(self, s):
        """a = b = value."""
        value = self.value(s.value)
        if len(s.targets) > 1:
            value = self.named(value, "")
        for target in s.targets:
            self.bind(target, value)

    def follow_AnnAssign(self, s):
        """a: type = value."""
        if s.value is not None:
            self.bind(s.target, self.value(s.value))

    def bind(self, target, value):
        """target = value"""
        if isinstance(target, ast.Name):
            if not target.id.startswith(structure.PREFIX) or isinstance(self.node, ast.For):
                self.permitted(target.id)
            self.frame.env[target.id] = self.named(value, target.id)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = self.unpacked(value, len(target.elts))
            parts = [self.named(p, "") for p in parts]
            for t, part in zip(target.elts, parts):
                self.bind(t, part)
        elif isinstance(target, ast.Subscript):
            self.store(target, value)
        else:
            self.refuse(f"assignment to {ast.unparse(target)}", "Only names and entries of arrays can be assigned")

    def named(self, value, name):
        """What a name is bound to: a Lazy becomes an array."""
        if isinstance(value, tuple) and not isinstance(value, Known | Clash):
            return tuple(self.named(part, name) for part in value)
        if isinstance(value, Lazy):
            return self.arrays.array(value, name) if value.dims else value.at(())
        if isinstance(value, Value) and not value.hint and type(value) is Value:
            value.hint = name
        return value

    def unpacked(self, value, n):
        """The parts of a tuple, or the entries of an array, being unpacked."""
        if isinstance(value, Value | Lazy) and value.kind.ndim:
            return [self.arrays.index(value, [Const(k)]) for k in range(n)]
        if not isinstance(value, tuple) or isinstance(value, Known) or len(value) != n:
            self.refuse(f"unpacking into {n} names")
        return list(value)

    def follow_AugAssign(self, s):
        """a op= value: arrays in place, names anew."""
        fn = BINARY.get(type(s.op))
        if isinstance(s.op, ast.MatMult):
            self.refuse("the operator @=", "Write a = a @ b")
        since = len(self.aliases.writes)
        value = self.value(s.value)
        if isinstance(s.target, ast.Subscript):
            self.unchanged(s.target, since)
            return self.store(s.target, value, fn)
        if not isinstance(s.target, ast.Name):
            self.refuse(f"assignment to {ast.unparse(s.target)}")
        old = self.lookup(s.target.id)
        if isinstance(old, Value) and old.kind.ndim:
            return self.update(old, value, fn)
        self.bind(s.target, self.binary(fn, old, value))
        return None

    def unchanged(self, target, since):
        """Refuse an update of an array that the right side has written to: Python has read the entry before that."""
        writes = self.aliases.writes[since:]
        array = self.value(target.value) if writes else None
        if writes and isinstance(array, Value) and array.kind.ndim:
            roots = self.arrays.roots[array] | self.arrays.twins(array)
            if any(roots & written for written in writes):
                self.refuse("a call that writes to the array being updated", "Call it in a line of its own")

    def update(self, array, value, fn):
        """array fn= value, in place."""
        self.may_write(array, only_stores(self.node))
        if fn in ("add", "sub"):
            value = self.arrays.apply("neg", value) if fn == "sub" else value
            if not self.overlaps(value, array):
                return self.arrays.write(array, value, add=True)
            return self.arrays.write(array, self.arrays.array(self.arrays.lazy(value)), add=True)
        return self.arrays.write(array, self.arrays.array(self.binary(fn, self.arrays.lazy(array), value)))

    def overlaps(self, value, array):
        """May an expression read what is being written? Unknown for expressions, so: is it one?"""
        return isinstance(value, Lazy) or (isinstance(value, Value) and bool(value.kind.ndim))

    def store(self, target, value, fn=None):
        """target[...] = value, or fn=."""
        array = self.value(target.value)
        if not (isinstance(array, Value) and array.kind.ndim):
            self.refuse(f"assignment to {ast.unparse(target)}", "Only entries of arrays can be assigned")
        self.may_write(array, only_stores(self.node))
        parts = self.index_parts(target.slice, array)
        if all(isinstance(p, Value) and p.kind.ndim == 0 for p in parts) and len(parts) == array.kind.ndim:
            return self.store_entry(array, parts, self.scalar(value), fn)
        if any(isinstance(p, Lazy) or (isinstance(p, Value) and p.kind.ndim) for p in parts):
            return self.scatter(array, parts, value, fn)
        if None in parts:
            self.refuse("a store through a new axis", "Reshape the value instead")
        view = self.arrays.index(array, parts)
        if fn is not None:
            return self.update(view, value, fn)
        if self.overlaps(value, view) and not isinstance(value, Value):
            value = self.arrays.array(value) if value.dims else value
        if isinstance(value, Value) and value.kind.ndim and self.arrays.roots[value] & self.arrays.roots[view]:
            value = self.arrays.copy(value)
        return self.arrays.write(view, value)

    def store_entry(self, array, parts, value, fn):
        """array[parts] = value, or fn=, for a single entry."""
        kind = Kind(array.kind.scalar)
        if fn in (None, "add"):
            return self.b.store(array, parts, self.arrays.cast(value, kind), add=fn is not None)
        if fn == "sub":
            return self.b.store(array, parts, self.b.neg(self.arrays.cast(value, kind)), add=True)
        return self.b.store(array, parts, self.arrays.cast(self.b.op(fn, self.b.load(array, *parts), value), kind))

    def scatter(self, array, parts, value, fn):
        """array[index] = value or += value with an integer array."""
        if fn not in (None, "add", "sub") or array.kind.ndim != 1 or len(parts) != 1:
            self.refuse("a store through an array of indices", "Write it as a loop")
        index = self.arrays.array(parts[0])
        if index.kind.scalar != "i":
            self.refuse("a store through a boolean mask", "Write it as a loop with an if")
        value = self.arrays.lazy(value)
        if fn is not None:
            self.refuse("+= through an array of indices", "NumPy adds repeated indices once: write it as a loop")
        with self.b.loop(self.arrays.dims[index][0]) as loop:
            at = self.b.load(index, loop.index)
            self.store_entry(array, [at], value.at((loop.index,)), fn)

    def may_write(self, array, last=False):
        """Refuse to write what the caller owns, or what stands for two arrays where Python has one.

        last: whether the statement being followed reads nothing more after it.
        """
        self.aliases.write(array, last)
        for root in self.arrays.roots[array]:
            if root in self.inputs and self.inputs[root] not in self.writable:
                name = self.inputs[root]
                self.refuse(
                    f"the function writes into its argument {name!r}", f"Work on a copy: {name} = {name}.copy()"
                )
            if id(root) in {id(v) for v in self.constants.values()}:
                self.refuse("the function writes into a global array", "Work on a copy")

    # ------------------------------------------------------------------------------------------------ branches

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

    # --------------------------------------------------------------------------------------------- expressions

    def value(self, node):
        """What an expression stands for."""
        follow = getattr(self, f"value_{type(node).__name__}", None)
        if follow is None:
            self.refuse(*described(node, "expression", "Use numbers, arrays and loops"), node)
        return follow(node)

    def scalar(self, value):
        """A value that must be a number."""
        if isinstance(value, Lazy) and not value.dims:
            value = value.at(())
        if not (isinstance(value, Value) and value.kind.ndim == 0):
            self.refuse("an array or another object where a number is needed")
        return value

    def integer(self, value):
        """A value that must be an integer."""
        value = self.scalar(value)
        return self.b.op("int", value) if value.kind != INT else value

    def truth(self, value):
        """A value as a condition."""
        if isinstance(value, Known):
            if value.object is not None and not isinstance(value.object, str):
                self.refuse("an object as a condition", "Compare numbers, or test for None")
            return Const(bool(value.object))
        if plain_tuple(value):
            return Const(bool(value))
        value = self.scalar(value)
        return value if value.kind == BOOL else self.b.op("ne", value, default(value.kind))

    def value_Constant(self, node):
        """A number, or an object known while generating."""
        if isinstance(node.value, bool | int | float):
            return Const(node.value)
        if isinstance(node.value, complex):
            self.refuse("a complex number", "Write real and imaginary parts", node)
        return Known(node.value)

    def value_Name(self, node):
        """What a name stands for."""
        return self.lookup(node.id)

    def lookup(self, name):
        """What a name stands for."""
        frame = self.frame
        while frame is not None:
            if name in frame.env:
                found = frame.env[name]
                if isinstance(found, Clash) or found is UNBOUND:
                    self.refuse(
                        f"the name {name!r}, which may stand for different kinds of things here",
                        "Bind it to one kind of value before the if or loop",
                    )
                return found
            if frame.outer is None:
                break
            frame = frame.outer
        try:
            found = frame.source.lookup(name)
        except KeyError:
            self.refuse(f"the name {name!r}, which may be unbound here", "Assign it before the if or loop")
        return self.wrap(found, name)

    def wrap(self, value, name):
        """A Python object from outside as a symbol."""
        if isinstance(value, bool | np.bool_):
            return Const(bool(value))
        if isinstance(value, int | np.integer):
            return Const(int(value))
        if isinstance(value, float | np.floating):
            return Const(float(value))
        if isinstance(value, np.ndarray) and value.ndim:
            return self.constant_array(value, name)
        if isinstance(value, tuple) and not isinstance(value, Known | Clash):
            return tuple(self.wrap(part, f"{name}_{k}") for k, part in enumerate(value))
        return Known(value)

    def constant_array(self, value, name):
        """An array from outside: a constant of the program."""
        if id(value) not in self.constants:
            if value.nbytes > MAX_CAPTURED:
                self.refuse(f"the captured array {name!r} of {value.nbytes} bytes", "Pass it through args")
            made = captured(value, name)
            self.arrays.given(made, [Const(d) for d in value.shape])
            self.constants[id(value)] = made
        return self.constants[id(value)]

    def table(self, numbers):
        """A tuple of known numbers as an array, to be indexed by what is not known while generating."""
        key = tuple((part.kind, part.value) for part in numbers)
        if key not in self.tables:
            self.tables[key] = self.constant_array(np.array([part.value for part in numbers]), "table")
        return self.tables[key]

    def operands(self, nodes):
        """What several expressions stand for, from left to right.

        An elementwise expression is evaluated before what may write to its arrays.
        """
        values = []
        with self.aliases.holding(values):
            for k, node in enumerate(nodes):
                value = self.value(node)
                if any(self.may_change(n) for n in nodes[k + 1 :]):
                    value = self.named(value, "")
                values.append(value)
        return values

    def may_change(self, node):
        """Does an expression call a function of the user's, which may write to arrays?"""
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            if isinstance(call.func, ast.Name):
                called = self.value(call.func)
                known = isinstance(called, Known) and not isinstance(called.object, LocalFunction)
                if known and numpy_functions.has_row(called.object):
                    continue
                return True
        return False

    def value_Tuple(self, node):
        """(a, *b)."""
        values = self.operands([e.value if isinstance(e, ast.Starred) else e for e in node.elts])
        parts = []
        for e, value in zip(node.elts, values):
            if not isinstance(e, ast.Starred):
                parts.append(value)
            elif plain_tuple(value):
                parts.extend(value)
            else:
                self.refuse("* before something that is no tuple")
        return tuple(parts)

    value_List = value_Tuple

    def value_UnaryOp(self, node):
        """-a, +a, not a."""
        if isinstance(node.op, ast.Not):
            return self.b.op("not", self.condition(node.operand))
        value = self.value(node.operand)
        if isinstance(node.op, ast.USub):
            return self.arrays.apply("neg", self.number(value))
        if isinstance(node.op, ast.UAdd):
            value = self.number(value)
            if value.kind.ndim:
                return self.arrays.lazy(value).anew()
            return self.b.op("int", value) if value.kind == BOOL else value
        self.refuse("the operator ~", "Use np.logical_not", node)
        return None

    def number(self, value):
        """A value that takes part in arithmetic."""
        if not isinstance(value, Value | Lazy):
            self.refuse("arithmetic with something that is neither a number nor an array")
        return value

    def value_BinOp(self, node):
        """left op right."""
        left, right = self.operands([node.left, node.right])
        if plain_tuple(left) and isinstance(node.op, ast.Add) and plain_tuple(right):
            return left + right
        if plain_tuple(left) and isinstance(node.op, ast.Mult) and type(right) is Const:
            return left * right.value
        if isinstance(node.op, ast.MatMult):
            return self.matmul(left, right)
        return self.binary(BINARY[type(node.op)], left, right)

    def matmul(self, left, right):
        """left @ right."""
        left, right = self.number(left), self.number(right)
        if not (1 <= left.kind.ndim <= 2 and 1 <= right.kind.ndim <= 2):
            self.refuse("a matrix product of something that has neither one axis nor two")
        return self.arrays.product(left, right)

    def binary(self, fn, left, right):
        """left fn right, elementwise."""
        left, right = self.number(left), self.number(right)
        if fn == "pow" and type(right) is Const and right.kind == INT and left.kind.scalar == "i" and right.value < 0:
            left = self.arrays.apply("float", left)
        if fn in ("bitand", "bitor") and left.kind.scalar == right.kind.scalar == "b":
            fn = "and" if fn == "bitand" else "or"
        if left.kind.scalar == "b" and fn not in ("and", "or"):
            left = self.arrays.apply("int", left)
        if right.kind.scalar == "b" and fn not in ("and", "or"):
            right = self.arrays.apply("int", right)
        return self.arrays.apply(fn, left, right)

    def value_Compare(self, node):
        """a < b < c."""
        values = self.operands([node.left, *node.comparators])
        found = None
        for op, a, c in zip(node.ops, values, values[1:]):
            if isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) or isinstance(a, Known) or isinstance(c, Known):
                part = self.compare_objects(op, a, c)
            else:
                part = self.arrays.apply(COMPARE[type(op)], self.number(a), self.number(c))
            found = part if found is None else self.arrays.apply("and", found, part)
        return found

    def compare_objects(self, op, a, c):
        """is, ==, in between things known while generating."""
        is_none = [isinstance(v, Known) and v.object is None for v in (a, c)]
        if isinstance(op, ast.Is | ast.IsNot) and any(is_none):
            return Const(all(is_none) == isinstance(op, ast.Is))
        if isinstance(a, Known) and isinstance(c, Known) and isinstance(op, ast.Eq | ast.NotEq | ast.Is | ast.IsNot):
            return Const((a.object == c.object) == isinstance(op, ast.Eq | ast.Is))
        self.refuse("this comparison", "Compare numbers")
        return None

    def value_BoolOp(self, node):
        """a and b, a or b."""
        return self.logical(node.op, [lambda n=n: self.flag(n) for n in node.values])

    def flag(self, node):
        """A part of a and b that is used as a value: then Python gives a or b themselves, not True or False."""
        value = self.value(node)
        if not (isinstance(value, Value) and value.kind == BOOL):
            self.refuse("and, or between numbers used as a number", "Write a if a else b", node)
        return value

    def condition(self, node):
        """What an expression says as a condition."""
        if isinstance(node, ast.BoolOp):
            return self.logical(node.op, [lambda n=n: self.condition(n) for n in node.values])
        return self.truth(self.value(node))

    def logical(self, op, parts):
        """and, or: what follows is looked at only where it must be."""
        fn = "and" if isinstance(op, ast.And) else "or"
        found = parts[0]()
        for part in parts[1:]:
            if type(found) is Const:
                if found.value == (fn == "or"):
                    return found
                found = part()
                continue
            with self.b.into([]) as block:
                value = part()
            if all(isinstance(o, Op) for o in block):  # nothing that could go wrong, or take long
                self.b.block.extend(block)
                found = self.b.op(fn, found, value)
            else:
                result = Value(BOOL)
                skipped = Join(result, value, NO) if fn == "and" else Join(result, Const(True), value)
                self.b.append(If(found, *((block, []) if fn == "and" else ([], block)), [skipped]))
                found = result
        return found

    def value_IfExp(self, node):
        """a if test else b."""
        test = self.condition(node.test)
        if type(test) is Const:
            return self.value(node.body if test.value else node.orelse)
        made = If(test, [], [])
        sides = [Side(block, self.frame.env, [], False) for block in (made.then, made.other)]
        values = []
        for side, part in zip(sides, (node.body, node.orelse)):
            with self.b.into(side.block):
                values.append(self.named(self.value(part), ""))
        self.b.append(made)
        if values[0] is values[1]:
            return values[0]
        chosen = []
        joined = self.join(made, *values, "", sides, chosen)
        self.arrays.chosen(chosen, self.aliases.readable())
        return joined

    def value_Lambda(self, node):
        """A function followed where it is called."""
        returned = ast.copy_location(ast.Return(node.body), node.body)
        body, _ = structure.Structure().function([returned])
        structure_live(body, {structure.RESULT})
        return Known(LocalFunction(node.args, body, self.frame, self.local_defaults(node.args)))

    def value_Attribute(self, node):
        """value.name."""
        value = self.value(node.value)
        if isinstance(value, Known):
            if not isinstance(value.object, python_types.ModuleType | type):
                self.refuse(
                    f"{ast.unparse(node)}, an attribute of an object, which may change",
                    "Bind it to a name outside the function, or pass it through args",
                    node,
                )
            try:
                return self.wrap(getattr(value.object, node.attr), node.attr)
            except AttributeError:
                self.refuse(f"{ast.unparse(node)}, which doesn't exist", "", node)
        if plain_tuple(value):
            self.refuse(f"the method {node.attr!r} of a list or tuple", "Allocate an array", node)
        found = numpy_functions.attribute(self, value, node.attr)
        if found is None:
            self.refuse(f"the attribute {node.attr!r}", "", node)
        return found

    def value_Subscript(self, node):
        """value[index]."""
        value = self.value(node.value)
        if plain_tuple(value):
            return self.tuple_entry(value, node)
        if isinstance(value, Known):
            self.refuse(
                f"an index on {ast.unparse(node.value)}, which is neither an array nor a tuple",
                "Pass it through args as an array",
                node,
            )
        if not (isinstance(value, Value | Lazy) and value.kind.ndim):
            self.refuse(f"an index on {ast.unparse(node.value)}", "", node)
        with self.aliases.holding([value]):
            parts = self.index_parts(node.slice, value)
        return self.arrays.index(value, parts)

    def tuple_entry(self, value, node):
        """An entry or a slice of a tuple."""
        if isinstance(node.slice, ast.Slice):
            bounds = [None if p is None else self.scalar(self.value(p)) for p in vars_of(node.slice)]
            if all(p is None or type(p) is Const for p in bounds):
                return value[slice(*(None if p is None else p.value for p in bounds))]
        index = self.value(node.slice)
        known = type(index) is Const
        if isinstance(index, Value) and index.kind == INT and not known and all(type(part) is Const for part in value):
            return self.arrays.index(self.table(value), [index])
        if type(index) is not Const or not isinstance(index.value, int) or not -len(value) <= index.value < len(value):
            self.refuse("a tuple indexed by something not known while generating", "Use an array", node)
        return value[index.value]

    def index_parts(self, node, array):
        """The parts of an index: values, Slices, None."""
        nodes = node.elts if isinstance(node, ast.Tuple) else [node]
        parts = []
        for n in nodes:
            if isinstance(n, ast.Slice):
                parts.append(Slice(*(None if p is None else self.bound(p) for p in vars_of(n))))
                continue
            value = self.value(n)
            if isinstance(value, Known) and value.object is None:
                parts.append(None)
            elif isinstance(value, Known) and value.object is Ellipsis:
                given = sum(not isinstance(m, ast.Constant) or m.value not in (None, Ellipsis) for m in nodes)
                parts.extend([Slice(None, None, None)] * (array.kind.ndim - given))
            elif plain_tuple(value):
                self.refuse("a tuple or list as an index", "Write the indices out, or use np.array for a list", n)
            elif isinstance(value, Value) and value.kind in (FLOAT, BOOL):
                self.refuse("an index that is no integer", "Convert it with int()", n)
            elif isinstance(value, Value | Lazy):
                parts.append(value)
            else:
                self.refuse(f"the index {ast.unparse(n)}", "", n)
        return parts

    def bound(self, node):
        """A bound of a slice."""
        value = self.value(node)
        if isinstance(value, Known) and value.object is None:
            return None
        return self.integer(value)

    # ---------------------------------------------------------------------------------------------------- calls

    def value_Call(self, node):
        """function(...) or owner.method(...)."""
        outer = self.node
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            if isinstance(owner, Value | Lazy):
                with self.aliases.holding([owner]):
                    args, keywords = self.call_arguments(node)
                found = numpy_functions.method(self, owner, node.func.attr, args, keywords)
                if found is None:
                    self.refuse(f"the method {node.func.attr!r}", "Use a NumPy function or a loop", node)
                return found
        function = self.value(node.func)
        if not isinstance(function, Known):
            self.refuse(f"a call of {ast.unparse(node.func)}", "", node)
        args, keywords = self.call_arguments(node)
        result = self.call(function.object, args, keywords, node)
        self.node = outer
        return result

    def call_arguments(self, node):
        """(args, keywords) of a call."""
        args = list(self.value_Tuple(ast.Tuple(node.args, ast.Load())))
        if any(k.arg is None for k in node.keywords):
            self.refuse("** in a call", "", node)
        with self.aliases.holding(args):
            return args, {k.arg: self.value(k.value) for k in node.keywords}

    def call(self, function, args, keywords, node):
        """function(*args, **keywords)"""
        if isinstance(function, LocalFunction):
            return self.inline(
                function.arguments,
                function.body,
                Frame(function.frame.source, function.frame),
                function,
                args,
                keywords,
                node,
            )
        found = numpy_functions.call(self, function, args, keywords)
        if found is not None:
            return found
        if rule_of(function) is not None:
            return self.call_opaque(function, args, keywords, node)
        python = plain(function)
        if not isinstance(python, python_types.FunctionType) or module_of(python) in (
            "numpy",
            "math",
            "numba",
            "scipy",
        ):
            name = getattr(function, "__name__", repr(function))
            self.refuse(
                f"{name!r} has no derivative rule",
                "Write it as a loop, or give its derivative with @so.derivative",
                node,
            )
        if python is function and has_overload(function):
            self.refuse(f"{function.__name__!r}, which Numba replaces by an overload", "Call an @njit function", node)
        source = Source(python)
        self.followed.append(python)
        body, _ = prepared(source)
        return self.inline(source.tree.args, body, Frame(source), python, args, keywords, node)

    def call_opaque(self, function, args, keywords, node):
        """A call of a function whose derivative the user has given."""
        rule = rule_of(function)
        if keywords or len(args) != len(rule):
            self.refuse(
                f"a call of {function.__name__!r} with other than its {len(rule)} arguments in order",
                "@so.derivative needs all of them, by position",
                node,
            )
        if function not in self.opaques:
            self.opaques[function] = Opaque(function, rule, lambda partial, kinds: Lowering(partial, kinds).program)
        values = [self.arrays.array(self.number(a)) for a in args]
        return self.b.op(
            self.opaques[function], *(a if a.kind.ndim or a.kind == INT else self.arrays.cast(a, FLOAT) for a in values)
        )

    def inline(self, arguments, body, frame, function, args, keywords, node):
        """Follow a call of the user's own function."""
        if len(self.callers) >= MAX_DEPTH:
            self.refuse("calls nested deeper than 25", "Recursion can't be differentiated: write a loop", node)
        frame.env = self.bound_arguments(arguments, function, args, keywords, node)
        self.frame.waits_at = self.node
        self.callers.append(self.frame)
        self.frame = frame
        self.block(body)
        result = self.frame.env.get(structure.RESULT, Known(None))
        self.frame = self.callers.pop()
        self.node = self.frame.waits_at
        return result

    def bound_arguments(self, arguments, function, args, keywords, node):
        """parameter -> symbol."""
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        bound = {name: self.named(a, name) for name, a in zip(names, args)}
        if len(args) > len(names):
            if arguments.vararg is None:
                self.refuse("a call with too many arguments", "", node)
            bound[arguments.vararg.arg] = tuple(self.named(a, "") for a in args[len(names) :])
        elif arguments.vararg is not None:
            bound[arguments.vararg.arg] = ()
        for name, value in keywords.items():
            bound[name] = self.named(value, name)
        names += [a.arg for a in arguments.kwonlyargs]
        for k, name in enumerate(names):
            if name not in bound:
                bound[name] = self.default_argument(arguments, function, k, name, node)
        return bound

    def default_argument(self, arguments, function, k, name, node):
        """The default of a parameter of a called function."""
        if isinstance(function, LocalFunction):
            if name not in function.defaults:
                self.refuse(f"a call without the argument {name!r}", "", node)
            return function.defaults[name]
        found = inspect.signature(function).parameters[name].default
        if found is inspect.Parameter.empty:
            self.refuse(f"a call without the argument {name!r}", "", node)
        return self.wrap(found, name)


class Entry(NamedTuple):
    """The function of an Op that reads an entry of a tuple argument."""

    text: str


def only_stores(node):
    """Is a statement's own store the last thing that it does?"""
    if isinstance(node, ast.Assign):
        return len(node.targets) == 1 and isinstance(node.targets[0], ast.Name | ast.Subscript)
    return isinstance(node, ast.AugAssign)


WORDS = {
    ast.JoinedStr: "an f-string",
    ast.Dict: "a dict",
    ast.Set: "a set",
    ast.ListComp: "a list comprehension",
    ast.SetComp: "a set comprehension",
    ast.DictComp: "a dict comprehension",
    ast.GeneratorExp: "a generator expression",
    ast.Yield: "a yield expression",
    ast.NamedExpr: "the operator :=",
    ast.ClassDef: "a class",
    ast.AsyncFunctionDef: "an async function",
    ast.Delete: "a del statement",
}


def described(node, what, hint):
    """(what a construct is called in messages, what to do about it)."""
    return WORDS.get(type(node), f"a {type(node).__name__.lower()} {what}"), hint


def vars_of(node):
    """lower, upper, step of a slice node."""
    return node.lower, node.upper, node.step


def has_overload(function):
    """Does Numba run something else in place of this plain Python function?"""
    context = cpu_target.typing_context
    context.refresh()
    return context._lookup_global(function) is not None


def module_of(function):
    """The package that a function comes from."""
    return (getattr(function, "__module__", "") or "").partition(".")[0]


_prepared = {}


def prepared(source):
    """The body of a function without jumps, its loops marked with what is read after them."""
    key = (source.function.__code__, source.text)
    if key not in _prepared:
        body, returns = structure.Structure().function(source.tree.body)
        structure_live(body, {structure.RESULT})
        _prepared[key] = body, returns
    return _prepared[key]


def structure_live(body, after, always=None):
    """Give each statement `_so_live`: the names that may be read after it.

    always: names that nested functions read, whenever they are called.
    """
    if always is None:
        always = {name for s in body for node in ast.walk(s) for name in captured_names(node)}
    for k, s in enumerate(body):
        reads, bound = structure.exposed(body[k + 1 :])
        later = s._so_live = reads | (after - bound) | always
        if isinstance(s, ast.For | ast.While):
            again = [ast.Expr(s.test), *s.body] if isinstance(s, ast.While) else s.body
            structure_live(s.body, later | structure.exposed(again)[0], always)
        elif isinstance(s, ast.If):
            structure_live(s.body, later, always)
            structure_live(s.orelse, later, always)


def captured_names(node):
    """Names that a nested function reads."""
    if isinstance(node, ast.Lambda):
        return structure.names_read([ast.Expr(node.body)])
    return structure.names_read(node.body) if isinstance(node, ast.FunctionDef) else ()
