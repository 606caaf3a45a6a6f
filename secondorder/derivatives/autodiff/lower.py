"""Python -> ir, by abstract interpretation: the function is run on symbols instead of numbers.

What a name stands for while generating is one of

    Value           a scalar, or an array in memory
    Lazy            an elementwise expression, until it is bound to a name
    tuple           of such
    Known           anything else: a module, a function, None, a string

Calls of the user's other functions are followed into (inlined). Loops are built with every name that is carried round
as a slot; where the kind of a carried name turns out wider than at the start (`s = 0` and then `s += x[i]`), the loop
is built again with the wider kind.

What is done with each kind of node is in `statements`, `flow` (branches and loops), `expressions` and `calls`; here is
how a program begins and ends.
"""

from typing import NamedTuple

from secondorder.derivatives.autodiff import structure
from secondorder.derivatives.autodiff.arrays import Arrays, Lazy
from secondorder.derivatives.autodiff.calls import Calls
from secondorder.derivatives.autodiff.expressions import Expressions
from secondorder.derivatives.autodiff.flow import Flow
from secondorder.derivatives.autodiff.ir import Kind, Op, Program, Value
from secondorder.derivatives.autodiff.liveness import prepared
from secondorder.derivatives.autodiff.names import Aliases, Frame, Known
from secondorder.derivatives.autodiff.source import Source
from secondorder.derivatives.autodiff.statements import Statements


class Lowering(Statements, Flow, Expressions, Calls):
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

    @staticmethod
    def program_of(function, kinds):
        """The Program of a function of its own: a partial derivative that the user gives."""
        return Lowering(function, kinds).program

    # ------------------------------------------------------------------------------------------------- errors

    def refuse(self, construct, hint="", node=None):
        """Raise Unsupported at the node being followed."""
        self.frame.source.refuse(node or self.node, construct, hint)

    def permitted(self, name):
        """Refuse a name that generated code may use."""
        if name.startswith(structure.PREFIX):
            self.refuse(f"the name {name!r}: names that start with {structure.PREFIX} are reserved", "Rename it")


class Entry(NamedTuple):
    """The function of an Op that reads an entry of a tuple argument."""

    text: str
