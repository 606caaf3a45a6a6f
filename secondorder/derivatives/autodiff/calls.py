"""Calls -> ir: functions of NumPy by their rules, the user's by following into them."""

import ast
import inspect
import types as python_types

from numba.core.registry import cpu_target

from secondorder.derivatives.autodiff import numpy_functions, structure
from secondorder.derivatives.autodiff.arrays import Lazy
from secondorder.derivatives.autodiff.ir import FLOAT, INT, Value
from secondorder.derivatives.autodiff.liveness import prepared
from secondorder.derivatives.autodiff.names import Frame, Known, LocalFunction
from secondorder.derivatives.autodiff.opaque import Opaque, rule_of
from secondorder.derivatives.autodiff.source import Source
from secondorder.jit import plain

MAX_DEPTH = 25  # of nested calls


class Calls:
    """The part of Lowering that follows calls."""

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
            self.opaques[function] = Opaque(function, rule, self.program_of)
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


def has_overload(function):
    """Does Numba run something else in place of this plain Python function?"""
    context = cpu_target.typing_context
    context.refresh()
    return context._lookup_global(function) is not None


def module_of(function):
    """The package that a function comes from."""
    return (getattr(function, "__module__", "") or "").partition(".")[0]
