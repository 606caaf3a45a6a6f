"""Which names are read after each statement of a function."""

import ast

from secondorder.derivatives.autodiff import structure

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
