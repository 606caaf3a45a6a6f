"""A function's text and the values that its names stand for."""

import ast
import builtins
import functools
import inspect
import textwrap
import types as python_types

from secondorder.derivatives.errors import Unsupported
from secondorder.jit import plain


class Source:
    """The parsed text of a function.

    Attributes
    ----------
    tree : ast.FunctionDef, lines as in the file
    names : what globals and closure give, looked up on use
    """

    def __init__(self, function, text=None):
        self.function = function = plain(function)
        code = getattr(function, "__code__", None)
        if code is None:
            raise Unsupported(f"{function!r} is not a Python function", "Wrap it in a def")
        self.file, first = code.co_filename, code.co_firstlineno
        if text is None:
            try:
                lines, first = inspect.getsourcelines(function)
            except (OSError, TypeError):
                raise Unsupported(
                    f"the source of {function.__name__!r} can't be read",
                    "Define it in a file or notebook, or pass its text as source=",
                    self.file,
                    first,
                ) from None
            text = "".join(lines)
        self.text = textwrap.dedent(text)
        self.tree = definition(self.text, code, self.file, first)
        ast.increment_lineno(self.tree, first - 1)
        self.first = first

    def line(self, node):
        """The text of a node's line."""
        lines = self.text.splitlines()
        k = getattr(node, "lineno", self.first) - self.first
        return lines[k] if 0 <= k < len(lines) else ""

    def refuse(self, node, construct, hint=""):
        """Raise Unsupported for a node."""
        raise Unsupported(construct, hint, self.file, getattr(node, "lineno", self.first), self.line(node))

    @functools.cached_property
    def closure(self):
        """name -> value of what the function captured."""
        function = self.function
        cells = zip(function.__code__.co_freevars, function.__closure__ or ())
        found = {}
        for name, cell in cells:
            try:
                found[name] = cell.cell_contents
            except ValueError:  # not yet bound
                continue
        return found

    def lookup(self, name):
        """The value of a free name; KeyError if there is none."""
        if name in self.closure:
            return self.closure[name]
        if name in self.function.__globals__:
            return self.function.__globals__[name]
        return vars(builtins)[name]


def definition(text, code, file, first):
    """The FunctionDef of a text that holds one def, or one lambda with this code."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a lambda in the middle of an expression: parse what can be parsed
        tree = None
    if tree is not None:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
                return node
    lambdas = [node for node in ast.walk(tree or trimmed(text)) if isinstance(node, ast.Lambda)]
    alike = [node for node in lambdas if arguments_of(node) == code.co_varnames[: code.co_argcount]]
    if len(alike) > 1:
        alike = [node for node in alike if same_code(node, code)][:1] or alike
    if len(alike) != 1:
        raise Unsupported(
            f"the source of {code.co_name!r} can't be told from its line", "Write it as a def", file, first
        )
    node = alike[0]
    returned = ast.copy_location(ast.Return(node.body), node.body)
    made = ast.FunctionDef("function", node.args, [returned], [], None, None)
    return ast.fix_missing_locations(ast.copy_location(made, node))


def trimmed(text):
    """The longest parsable text that starts with a lambda in it."""
    start = text.find("lambda")
    for end in range(len(text), start, -1):
        try:
            return ast.parse(f"({text[start:end]})")
        except SyntaxError:
            continue
    return ast.Module([], [])


def arguments_of(node):
    """Names of a lambda's arguments."""
    return tuple(a.arg for a in node.args.args)


def same_code(node, code):
    """Does a lambda compile to this code? Python 3.11 calls methods of modules that the file imports in another way."""
    imports = [ast.Import([ast.alias(name)]) for name in code.co_names]
    for before in ([], imports):
        module = ast.fix_missing_locations(ast.Module([*before, ast.Expr(node)], []))
        found = next(c for c in compile(module, "", "exec").co_consts if isinstance(c, python_types.CodeType))
        if (found.co_code, found.co_consts, found.co_names) == (code.co_code, code.co_consts, code.co_names):
            return True
    return False
