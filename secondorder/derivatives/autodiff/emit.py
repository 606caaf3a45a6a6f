"""ir -> Python text that a person can read: expressions are put together again, and variables keep their names."""

import keyword
import math
import re

from secondorder.derivatives.autodiff.ir import (
    Const,
    If,
    Load,
    Loop,
    Named,
    Op,
    Slice,
    blocks,
    memory_groups,
    read,
    results,
    uses,
    walk,
    written,
)
from secondorder.derivatives.autodiff.opaque import Opaque
from secondorder.derivatives.autodiff.rules import FUNCTIONS
from secondorder.derivatives.autodiff.sums import additions

WIDTH = 100  # an expression longer than this gets a name
DTYPE = {"f": "", "i": ", np.int64", "b": ", np.bool_"}
RESERVED = {"np", "math", "grow", "range", "abs", "max", "min", "int", "float", "bool"}
RESERVED |= {"elementary", "plus", "in_kernels", "local_floats", "local_integers", "local_booleans"}
PLUS = ("plus", "f")  # the row for additions whose order is free
PLACED = {"f": "floats_at", "i": "integers_at", "b": "booleans_at"}
LOCAL = {"f": "local_floats", "i": "local_integers", "b": "local_booleans"}


class Text:
    """Writes one program."""

    def __init__(self, program, name, functions=None):
        self.program = program
        self.group = memory_groups(program)
        self.functions = functions or {}  # (name of a row, kind of its first argument) -> text to use instead
        self.additions = additions(program) if PLUS in self.functions else ()  # ops written as plus
        self.lines, self.indent = [], 1
        self.names, self.taken = {}, set(RESERVED) | set(keyword.kwlist)
        self.named = {}  # name -> object that the text refers to
        self.pending = {}  # value -> (text, rank, groups it loads)
        self.numbers = {}  # hint -> the last number given
        self.count_uses()
        for p in program.params:
            self.names[p] = p.hint
            self.taken.add(p.hint)
        self.block(program.body)
        if program.results:
            self.line("return " + ", ".join(self.text(v) for v in program.results))
        if not self.lines:
            self.line("pass")
        head = f"def {name}({', '.join(p.hint for p in program.params)}):"
        self.source = "\n".join([head, *self.lines]) + "\n"

    # --------------------------------------------------------------------------------------------------- names

    def count_uses(self):
        """How often and in which block each value is used, and in which loop it is made."""
        self.uses, self.used_in, self.made_in = {}, {}, {}

        def use(v, block):
            if v is not None:
                self.uses[v] = self.uses.get(v, 0) + 1
                self.used_in[v] = id(block)

        def visit(block, loop):
            for op in block:
                self.made_in |= dict.fromkeys(results(op), loop)
                if isinstance(op, Loop):
                    self.made_in |= {s.param: op for s in op.slots}
                    for v in (op.start, op.stop, op.step, *(s.init for s in op.slots)):
                        use(v, block)
                    visit(op.body, op)
                    for s in op.slots:
                        use(s.next, op.body)
                elif isinstance(op, If):
                    use(op.test, block)
                    visit(op.then, loop)
                    visit(op.other, loop)
                    for j in op.joins:
                        use(j.then, op.then)
                        use(j.other, op.other)
                else:
                    for v in uses(op):
                        use(v, block)

        visit(self.program.body, None)
        for v in self.program.results:
            use(v, self.program.body)

    def name(self, v):
        """The variable of a value."""
        if v not in self.names:
            self.names[v] = self.fresh(v.hint or "t")
            if isinstance(v, Named):
                self.named[self.names[v]] = v.object
        return self.names[v]

    def fresh(self, hint):
        """A new name like hint."""
        name, k = hint, self.numbers.get(hint, 0)
        while name in self.taken:
            k += 1
            name = f"{hint}_{k}"
        self.taken.add(name)
        self.numbers[hint] = k
        return name

    def opaque(self, fn):
        """The name of a function that is called as it is."""
        if fn not in self.names:
            self.names[fn] = self.fresh(fn.name if fn.name.isidentifier() else "function")
            self.named[self.names[fn]] = fn.function
        return self.names[fn]

    # --------------------------------------------------------------------------------------------------- text

    def line(self, text):
        """Append a line at the present indentation."""
        self.lines.append("    " * self.indent + text)

    def ranked(self, v):
        """(text of a value, how tightly it binds)."""
        if v in self.pending:
            text, rank, _ = self.pending.pop(v)
            return text, rank
        if type(v) is Const:
            text = number(v.value)
            return text, 5 if text.startswith("-") else 9
        return self.name(v), 9

    def text(self, v):
        """The text of a value."""
        return self.ranked(v)[0]

    def within(self, v, rank):
        """The text of a value, in parentheses if it binds less tightly than rank."""
        text, own = self.ranked(v)
        return text if own >= rank else f"({text})"

    def loads(self, values):
        """Groups that the pending texts of values load."""
        return frozenset().union(*(self.pending[v][2] for v in values if v in self.pending))

    def expression(self, op):
        """(text, rank) of a scalar op."""
        if isinstance(op.fn, Opaque):
            return f"{self.opaque(op.fn)}({', '.join(map(self.text, op.args))})", 9
        if not isinstance(op.fn, str):  # an entry of a tuple argument
            return op.fn.text, 9
        if op in self.additions:
            first, term = op.args[0], self.within(op.args[1], 5) if op.fn == "sub" else self.text(op.args[1])
            return self.functions[PLUS].format(self.text(first), "-" * (op.fn == "sub") + term), 9
        row = FUNCTIONS[op.fn]
        text = self.functions.get((op.fn, op.args[0].kind.scalar), row.text)
        if row.rank == 0:
            return text.format(*map(self.text, op.args)), 9
        if len(op.args) == 1:
            return text.format(self.within(op.args[0], row.rank)), row.rank
        above = row.rank + (op.fn in ("pow", "lt", "le", "gt", "ge", "eq", "ne"))
        left = self.within(op.args[0], above)
        return text.format(left, self.within(op.args[1], row.rank + 1)), row.rank

    def entry(self, array, indices):
        """array[indices]"""
        return f"{self.name(array)}[{', '.join(map(self.text, indices))}]"

    # --------------------------------------------------------------------------------------------------- ops

    def block(self, block):
        """Write a block."""
        for op in block:
            if isinstance(op, Op | Load):
                self.scalar(op, block)
                continue
            changed = {self.group(written(o)) for o in walk([op]) if written(o) is not None}
            own = set(uses(op)) if not blocks(op) else set()
            if isinstance(op, If):
                own = {op.test}
            elif isinstance(op, Loop):
                own = {op.start, op.stop, op.step, *(s.init for s in op.slots)}
            self.settle(lambda v, groups: groups & changed and v not in own)  # noqa: B023
            getattr(self, f"write_{type(op).__name__}")(op)
        self.settle(lambda v, groups: False)

    def settle(self, chosen):
        """Give the chosen pending expressions a name now."""
        for v in [v for v, (_, _, groups) in self.pending.items() if chosen(v, groups)]:
            text, _, _ = self.pending.pop(v)
            self.line(f"{self.name(v)} = {text}")

    def scalar(self, op, block):
        """An Op or a Load: kept for the expression that uses it, or written as an assignment."""
        loads = self.loads(uses(op)) | set(map(self.group, read(op)))
        if isinstance(op, Load):
            text, rank = self.entry(op.array, op.indices), 9
        else:
            text, rank = self.expression(op)
        v = op.result
        once = self.uses.get(v, 0) == 1 and self.used_in[v] == id(block)
        if once and len(text) < WIDTH:
            self.pending[v] = text, rank, loads
        else:
            self.line(f"{self.name(v)} = {text}")

    def write_Store(self, op):
        """array[indices] = value, or += value."""
        target = self.entry(op.array, op.indices)
        text = self.text(op.value)
        if op.add and text.startswith("-") and self.is_negation(op.value, text):
            self.line(f"{target} -= {text[1:]}")
        else:
            self.line(f"{target} {'+=' if op.add else '='} {text}")

    def is_negation(self, value, text):
        """Is a text that starts with a minus the negation of all that follows?"""
        return text[1:].replace("_", "").isalnum()

    def write_Fill(self, op):
        """array[:] = value."""
        self.line(f"{self.name(op.array)}[:] = {self.text(op.value)}")

    def write_Push(self, op):
        """Put a value on a stack, which grows where it is full."""
        stack, position = self.name(op.array), self.text(op.position)
        self.line(f"if {position} >= {stack}.shape[0]:")
        self.line(f"    {stack} = grow({stack}, {position})")
        self.line(f"{stack}[{position}] = {self.text(op.value)}")

    def write_Alloc(self, op):
        """A new array: the one place where memory comes from."""
        scalar = op.result.kind.scalar
        if op.start is not None:
            name, start, shape = self.name(op.result), self.text(op.start), self.shape(op.shape)
            self.line(f"{name} = in_kernels.{PLACED[scalar]}({self.name(self.program.workspace)}, {start}, {shape})")
            if op.fill is not None:
                self.line(f"{name}[:] = {self.text(op.fill)}")
            return
        if op.stack:
            self.line(f"{self.name(op.result)} = np.empty(256{DTYPE[scalar]})")
            return
        texts = [self.text(d) for d in op.shape]
        if op.local:
            self.line(f"{self.name(op.result)} = {LOCAL[scalar]}({', '.join(texts)})")
            return
        shape = texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
        if op.fill is None:
            made = f"np.empty({shape}{DTYPE[scalar]})"
        elif op.fill.value == 0:
            made = f"np.zeros({shape}{DTYPE[scalar]})"
        elif op.fill.value == 1:
            made = f"np.ones({shape}{DTYPE[scalar]})"
        else:
            made = f"np.full({shape}, {self.text(op.fill)})"
        self.line(f"{self.name(op.result)} = {made}")

    def shape(self, lengths):
        """A tuple of lengths."""
        texts = [self.text(d) for d in lengths]
        return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"

    def write_View(self, op):
        """A view of an array."""
        array = self.name(op.array)
        if op.how == "T":
            text = f"{array}.T"
        elif op.how == "reshape" and self.program.workspace is not None:
            text = f"in_kernels.reshaped({array}, {self.shape(op.args)})"
        elif op.how == "reshape":
            lengths = [self.text(d) for d in op.args]
            text = f"{array}.reshape({lengths[0]})" if len(lengths) == 1 else f"{array}.reshape(({', '.join(lengths)}))"
        else:
            text = f"{array}[{', '.join(self.part(p) for p in op.args)}]"
        self.line(f"{self.name(op.result)} = {text}")

    def part(self, p):
        """A part of an index."""
        if not isinstance(p, Slice):
            return self.text(p)
        lo, hi, step = ("" if q is None else self.text(q) for q in p)
        return f"{lo}:{hi}" + (f":{step}" if step else "")

    def write_Shape(self, op):
        """A length."""
        self.line(f"{self.name(op.result)} = {self.name(op.array)}.shape[{op.axis}]")

    def write_Product(self, op):
        """A matrix product."""
        self.line(f"{self.name(op.result)} = np.dot({self.name(op.left)}, {self.name(op.right)})")

    def write_Check(self, op):
        """Raise unless a condition holds; in kernels, which can't: give nan."""
        always = type(op.test) is Const
        if always and op.test.value:
            return
        if not always:
            self.line(f"if not ({self.text(op.test)}):")
        inside = "" if always else "    "
        if self.program.workspace is None:
            self.line(f"{inside}raise ValueError({op.message!r})")
            return
        for out in self.program.outputs:
            self.line(f"{inside}{self.name(out)}[:] = np.nan")
        self.line(f"{inside}return {', '.join(['np.nan'] * len(self.program.results))}".rstrip())

    def write_If(self, op):
        """An if, whose branches assign its joins."""
        for j in op.joins:
            self.share(j.result, self.shared_join(op, j))
        self.line(f"if {self.text(op.test)}:")
        self.branch(op.then, [(j.result, j.then) for j in op.joins])
        mark = len(self.lines)
        self.line("else:")
        self.branch(op.other, [(j.result, j.other) for j in op.joins])
        if self.lines[mark + 1 :] == ["    " * (self.indent + 1) + "pass"]:
            del self.lines[mark:]

    def shared_join(self, op, join):
        """A value whose variable the join may take over: one that nothing outside this if reads any more."""
        for v in (join.other, join.then):
            if v in self.names and v not in self.program.params and not isinstance(v, Named):
                inside = sum(u is v for o in walk([op]) for u in uses(o))
                if self.made_in.get(v) is not self.made_in[join.result]:  # the next pass reads it again
                    continue
                if inside == self.uses.get(v, 0) and sum(u is v for j in op.joins for u in (j.then, j.other)) == 1:
                    return v
        return None

    def share(self, v, other):
        """Let a value use the variable of another."""
        if other is not None:
            self.names[v] = self.names[other]

    def branch(self, block, assignments):
        """A branch, and the assignments at its end."""
        self.indent += 1
        mark = len(self.lines)
        self.block(block)
        self.assign(assignments)
        if len(self.lines) == mark:
            self.line("pass")
        self.indent -= 1

    def assign(self, assignments):
        """Assign all at the same time."""
        moves = []
        for target, value in assignments:
            name = self.name(target)
            text = self.text(value)
            if text != name:
                moves.append((name, text))
        plain = [m for k, m in enumerate(moves) if not any(mentions(t, m[0]) for _, t in moves[:k] + moves[k + 1 :])]
        mixed = [m for m in moves if m not in plain]
        for name, text in plain:  # first: what they assign is read by none of the others
            self.line(f"{name} = {text}")
        if mixed:
            self.line(f"{', '.join(n for n, _ in mixed)} = {', '.join(t for _, t in mixed)}")

    def write_Loop(self, op):
        """A loop; its slots are variables assigned before it and at the end of its body."""
        for s in op.slots:
            init = s.init
            mine = self.made_in.get(init) is self.made_in.get(s.result)  # else the loop around reads it again
            if mine and init in self.names and init not in self.program.params and self.uses.get(init, 0) == 1:
                self.share(s.param, init)
            self.share(s.result, s.param) if s.param in self.names else None
            if s.param not in self.names:
                self.line(f"{self.name(s.param)} = {self.text(init)}")
                self.share(s.result, s.param)
        go = op.go and self.name(op.go.param)
        if op.index is None:
            self.line(f"while {go}:")
        else:
            self.line(f"for {self.name(op.index)} in range({self.bounds(op)}):")
            if go:
                self.line(f"    if not {go}:")
                self.line("        break")
        self.branch(op.body, [(s.param, s.next) for s in op.slots])

    def bounds(self, op):
        """The arguments of range."""
        texts = [self.text(v) for v in (op.start, op.stop, op.step)]
        if texts[2] == "1":
            return texts[1] if texts[0] == "0" else ", ".join(texts[:2])
        return ", ".join(texts)


def mentions(text, name):
    """Does a text read a variable?"""
    return name in text and name in re.findall(r"\w+", text)


def number(value):
    """A constant as Python text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "np.nan" if value != value else "np.inf" if value > 0 else "-np.inf"
    return repr(value)
