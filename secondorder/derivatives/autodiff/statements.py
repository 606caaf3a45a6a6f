"""Statements -> ir: assignments, and what they write into arrays."""

import ast

from secondorder.derivatives.autodiff import structure
from secondorder.derivatives.autodiff.arrays import Lazy
from secondorder.derivatives.autodiff.expressions import BINARY, described
from secondorder.derivatives.autodiff.ir import NO, Check, Const, Kind, Value
from secondorder.derivatives.autodiff.liveness import structure_live
from secondorder.derivatives.autodiff.names import Clash, Known, LocalFunction


class Statements:
    """The part of Lowering that follows statements."""

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


def only_stores(node):
    """Is a statement's own store the last thing that it does?"""
    if isinstance(node, ast.Assign):
        return len(node.targets) == 1 and isinstance(node.targets[0], ast.Name | ast.Subscript)
    return isinstance(node, ast.AugAssign)
