"""break, continue and early return as flags, so that only if and loops are left; and what blocks assign and read.

    while c: A; if p: break; B            go = True
                                          while go and c: A; if p: go = False
                                                             if go: B
    for ..: A; if p: continue; B          for ..: rest = True; A; if p: rest = False
                                                  if rest: B
    if p: return u                        if p: result = u; open = False
    C; return v                           if open: C; result = v

A return is at the same time a break of every loop around it. Where a branch ends in a return, what follows the `if`
moves into its other branch, and no flag is needed.
"""

import ast
import itertools

# Names that only this file makes; the front end refuses them in users' code.
PREFIX = "_so_"
RESULT = PREFIX + "result"


class Structure:
    """Rewrites the body of one function."""

    def __init__(self):
        self.numbers = itertools.count(1)

    def function(self, body):
        """(block without jumps that leaves the returned value in RESULT, whether it returns at all)."""
        if not contains(body, ast.Return):
            return self.block(body, None), False
        if isinstance(body[-1], ast.Return) and not contains(body[:-1], ast.Return):
            last = body[-1]
            return self.block([*body[:-1], assign(RESULT, last.value or none(last), last)], None), True
        flag = f"{PREFIX}open"
        body = self.returns(body, flag)
        return self.block([assign(flag, true(), body[0]), *body], None), True

    # ------------------------------------------------------------------------------------------------- returns

    def returns(self, body, flag, in_loop=False):
        """Returns become assignments of RESULT; what follows a possible return is guarded."""
        out = []
        for k, s in enumerate(body):
            rest = body[k + 1 :]
            if isinstance(s, ast.Return):
                out.append(assign(RESULT, s.value or none(s), s))
                out.append(assign(flag, false(), s))
                if in_loop:
                    out.append(ast.copy_location(ast.Break(), s))
                return out
            if isinstance(s, ast.If) and contains([s], ast.Return):
                if ends(s.body) and not in_loop:
                    then = self.returns(s.body, flag)
                    other = self.returns([*s.orelse, *rest], flag)
                    out.append(ast.copy_location(ast.If(s.test, then, other or [ast.Pass()]), s))
                    return out
                then, other = self.returns(s.body, flag, in_loop), self.returns(s.orelse, flag, in_loop)
                out.append(ast.copy_location(ast.If(s.test, then, other), s))
                if rest:
                    out.append(guard(flag, self.returns(rest, flag, in_loop), s))
                return out
            if isinstance(s, ast.For | ast.While) and contains([s], ast.Return):
                new = copy_with(s, body=self.returns(s.body, flag, in_loop=True))
                out.append(new)
                if in_loop:
                    out.append(ast.copy_location(ast.If(negated(flag), [ast.copy_location(ast.Break(), s)], []), s))
                if rest:
                    out.append(guard(flag, self.returns(rest, flag, in_loop), s))
                return out
            out.append(s)
        return out

    # ------------------------------------------------------------------------------------------------- jumps

    def block(self, body, loop):
        """Breaks and continues become flags. loop: (go, rest) of the loop around, names or None."""
        out = []
        for k, s in enumerate(body):
            if isinstance(s, ast.Break):
                out.append(assign(loop[0], false(), s))
                return out
            if isinstance(s, ast.Continue):
                out.append(assign(loop[1], false(), s))
                return out
            if isinstance(s, ast.For | ast.While):
                out += self.loop(s)
            elif isinstance(s, ast.If):
                out.append(ast.copy_location(ast.If(s.test, self.block(s.body, loop), self.block(s.orelse, loop)), s))
                rest = body[k + 1 :]
                if loop and rest and jumps([s]):
                    flags = [f for f, kind in zip(loop, (ast.Break, ast.Continue)) if kind in jumps([s])]
                    out.append(guard(flags, self.block(rest, loop), s))
                    return out
            else:
                out.append(s)
        return out

    def loop(self, s):
        """A loop whose jumps have become flags; s._so_go is the flag that ends it, or None."""
        kinds = jumps(s.body)
        number = next(self.numbers)
        go = f"{PREFIX}go{number}" if ast.Break in kinds else None
        rest = f"{PREFIX}rest{number}" if ast.Continue in kinds else None
        body = self.block(s.body, (go, rest))
        if rest:
            body = [assign(rest, true(), s), *body]
        new = copy_with(s, body=body, orelse=[])
        new._so_go = go
        new._so_orelse = s.orelse
        return ([assign(go, true(), s)] if go else []) + [new]


def contains(body, kind):
    """Is there such a statement in a block, nested functions left out?"""
    return any(isinstance(node, kind) for s in body for node in walk(s))


def walk(node):
    """Nodes, not those of nested functions."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        return
    for child in ast.iter_child_nodes(node):
        yield from walk(child)


def jumps(body):
    """Which of Break and Continue a block holds that belong to the loop around it."""
    found = set()
    for s in body:
        if isinstance(s, ast.Break | ast.Continue):
            found.add(type(s))
        elif isinstance(s, ast.If):
            found |= jumps(s.body) | jumps(s.orelse)
    return found


def ends(body):
    """Does a block always return?"""
    if not body:
        return False
    last = body[-1]
    return isinstance(last, ast.Return) or (isinstance(last, ast.If) and ends(last.body) and ends(last.orelse))


def guard(flags, body, node):
    """if flags: body"""
    names = [ast.Name(f, ast.Load()) for f in ([flags] if isinstance(flags, str) else flags)]
    test = names[0] if len(names) == 1 else ast.BoolOp(ast.And(), names)
    return ast.fix_missing_locations(ast.copy_location(ast.If(test, body or [ast.Pass()], []), node))


def negated(flag):
    """not flag"""
    return ast.UnaryOp(ast.Not(), ast.Name(flag, ast.Load()))


def assign(name, value, node):
    """name = value"""
    made = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), node)
    return ast.fix_missing_locations(made)


def true():
    """True"""
    return ast.Constant(True)


def false():
    """False"""
    return ast.Constant(False)


def none(node):
    """None, where a node stands."""
    return ast.copy_location(ast.Constant(None), node)


def copy_with(node, **fields):
    """A statement with other fields."""
    values = {name: getattr(node, name, None) for name in node._fields} | fields
    return ast.copy_location(type(node)(**values), node)


# --------------------------------------------------------------------------------------------- names of a block


def names_assigned(body):
    """Names bound in a block, in order of text."""
    found = {}
    for s in body:
        for node in walk(s):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found[node.id] = None
    return list(found)


def names_read(body):
    """Names read in a block; the target of an augmented assignment is read too."""
    found = set()
    for s in body:
        for node in ast.walk(s):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.add(node.id)
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return found


def exposed(body, known=frozenset()):
    """(names that may be read before the block binds them, names that it surely binds)."""
    reads, known = set(), set(known)
    for s in body:
        if isinstance(s, ast.If):
            reads |= names_read([ast.Expr(s.test)]) - known
            first, bound = exposed(s.body, known)
            second, bound_too = exposed(s.orelse, known)
            reads |= first | second
            known |= bound & bound_too
        elif isinstance(s, ast.For | ast.While):
            head = s.iter if isinstance(s, ast.For) else s.test
            reads |= names_read([ast.Expr(head)]) - known
            if getattr(s, "_so_go", None) and s._so_go not in known:
                reads.add(s._so_go)
            targets = (
                set(names_assigned([ast.Assign([s.target], ast.Constant(0))])) if isinstance(s, ast.For) else set()
            )
            reads |= exposed(s.body, known | targets)[0]
        else:
            reads |= names_read([s]) - known
            known |= set(names_assigned([s]))
    return reads, known
