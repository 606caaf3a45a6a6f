"""Expressions -> ir: names, operators, conditions, entries."""

import ast
import types as python_types

import numpy as np

from secondorder.derivatives.autodiff import numpy_functions, structure
from secondorder.derivatives.autodiff.arrays import Lazy, captured
from secondorder.derivatives.autodiff.builder import default
from secondorder.derivatives.autodiff.flow import Side
from secondorder.derivatives.autodiff.ir import BOOL, FLOAT, INT, NO, Const, If, Join, Op, Slice, Value
from secondorder.derivatives.autodiff.liveness import structure_live
from secondorder.derivatives.autodiff.names import UNBOUND, Clash, Known, LocalFunction, plain_tuple

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


class Expressions:
    """The part of Lowering that makes values of expressions."""

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


def vars_of(node):
    """lower, upper, step of a slice node."""
    return node.lower, node.upper, node.step


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
