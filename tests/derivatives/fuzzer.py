"""Random programs: scalars, vectors, matrices, slices, loops of every kind, early returns, calls, aliases, buffers.

    python -m tests.derivatives.fuzzer --programs 1000    derives and judges programs 0 .. 999
    python -m tests.derivatives.fuzzer --show 17          shows program 17 and what is wrong with it

With --aliases loops also bind names to arrays that have another name, and to views, and conditions compare entries:
much of that is refused, and none of it may be wrong.

What is assigned goes through sin or tanh, so that values stay bounded; comparisons are with odd constants, so that
no two branches meet where the program is evaluated.
"""

import argparse
import collections
import functools
import linecache
import math
import multiprocessing
import pathlib
import random
import sys
import traceback

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from secondorder.derivatives.errors import Unsupported
from tests.derivatives.judge import derive, judge

SIZE = 4  # of x, of every vector and both axes of every matrix


class Program:
    """Writes one program."""

    def __init__(self, seed, aliases=False):
        self.random = random.Random(seed)
        self.aliases = aliases  # may loops bind a name to an array that has another?
        self.lines, self.indent, self.names = [], 0, 0
        self.floats, self.vectors, self.matrices, self.indices = [], [], [], []
        self.frozen = {"x", "c", "A"}  # arrays that belong to the caller
        self.loops = []  # kinds of the loops around: what may break
        self.returns = "s"  # what a return statement returns; "": not permitted
        self.helpers = []
        for _ in range(self.random.randint(0, 2)):
            self.helper()
        self.main()
        self.text = "\n".join(self.lines) + "\n"

    # ------------------------------------------------------------------------------------------------ text

    def line(self, text):
        self.lines.append("    " * self.indent + text)

    def pick(self, *choices):
        return self.random.choice(choices)

    def often(self, probability):
        return self.random.random() < probability

    def fresh(self, letter):
        self.names += 1
        return f"{letter}{self.names}"

    def constant(self):
        return repr(round(self.random.uniform(-1.4, 1.4), 2) + 0.0037)

    def index(self):
        if self.indices and self.often(0.75):
            i = self.pick(*self.indices)
            return self.pick(i, i, i, f"{i} - 1", f"{i} - 2", f"-{i}", f"({i} + 1) % n", f"n - 1 - {i}")
        return self.pick("0", "1", "2", "-1", "-2", "n - 1", "n // 2")

    # ------------------------------------------------------------------------------------------------ expressions

    def test(self, depth=1):
        if self.aliases and self.often(0.3):
            return f"{self.pick(*self.vectors)}[{self.index()}] < {self.pick(*self.vectors)}[{self.index()}] - 0.0037"
        if self.often(0.2):
            return f"{self.test(0)} {self.pick('and', 'or')} {self.test(0)}"
        if self.often(0.1):
            return f"not {self.scalar(depth)} < {self.constant()}"
        if self.indices and self.often(0.2):
            return f"{self.pick(*self.indices)} {self.pick('==', '!=', '<', '>=')} {self.random.randrange(SIZE)}"
        if self.often(0.1):
            return f"-0.9 < {self.scalar(depth)} < {self.constant()}"
        return f"{self.scalar(depth)} {self.pick('<', '>', '<=', '>=')} {self.constant()}"

    def scalar(self, depth):
        if depth <= 0 or self.often(0.15):
            return self.leaf()
        e = self.scalar
        kind = self.random.random()
        if kind < 0.2:
            return f"({e(depth - 1)} {self.pick('+', '-')} {e(depth - 1)})"
        if kind < 0.38:
            return f"{e(depth - 1)} * {self.atom(depth - 1)}"
        if kind < 0.44:
            return f"({e(depth - 1)} / (1.5 + {self.atom(depth - 1)} ** 2))"
        if kind < 0.58:
            return f"math.{self.pick('sin', 'cos', 'tanh', 'atan', 'sin')}({e(depth - 1)})"
        if kind < 0.62:
            return f"{self.atom(depth - 1)} ** {self.pick(2, 3)}"
        if kind < 0.65:
            return f"(1.2 + math.sin({e(depth - 1)})) ** {self.pick('0.7', '2.5', '-1', self.leaf())}"
        if kind < 0.68:
            return self.pick(
                f"math.exp(math.sin({e(depth - 1)}))",
                f"math.log(1.5 + {self.atom(depth - 1)} ** 2)",
                f"math.sqrt(1.1 + {self.atom(depth - 1)} ** 2)",
                f"math.atan2({e(depth - 1)}, 1.3 + {self.atom(depth - 1)} ** 2)",
            )
        if kind < 0.73:
            return self.pick(
                f"max({e(depth - 1)}, {self.constant()})",
                f"min({self.constant()}, {e(depth - 1)})",
                f"abs({e(depth - 1)} + {self.constant()})",
                f"({e(depth - 1)} if {self.test(0)} else {e(depth - 1)})",
            )
        if kind < 0.8:
            called = [h for h in self.helpers if h[1] == "scalar"]
            return self.call(self.pick(*called), depth - 1) if called else self.leaf()
        return self.reduction(depth - 1)

    def atom(self, depth):
        text = self.scalar(depth)
        return text if text.replace("_", "").isalnum() else f"({text})"

    def leaf(self):
        kind = self.random.random()
        if kind < 0.35 and self.floats:
            return self.pick(*self.floats)
        if kind < 0.75 and self.vectors:
            return f"{self.pick(*self.vectors)}[{self.index()}]"
        if kind < 0.85 and self.matrices:
            return f"{self.pick(*self.matrices)}[{self.index()}, {self.index()}]"
        if kind < 0.89 and self.indices:
            return f"0.1 * {self.pick(*self.indices)}"
        return f"({self.constant()})"

    def reduction(self, depth):
        v, w = self.vector(depth), self.vector(depth - 1)
        texts = [
            f"np.sum({v})",
            f"np.dot({v}, {w})",
            f"({v}) @ ({w})",
            f"np.mean({v})",
            f"np.sqrt(1.0 + np.sum(({v}) ** 2))",
        ]
        a, b = self.part(), self.part()
        texts += [f"np.sum({a} * {b})", f"({a}).sum()", f"0.3 * np.var({v})", f"np.linalg.norm({v} + 2.0)"]
        if self.matrices:
            m = self.matrix(depth - 1)
            texts += [f"0.2 * np.sum({m})", f"np.trace({m})"]
        return self.pick(*texts)

    def part(self):
        """A slice of three entries."""
        return f"{self.pick(*self.vectors)}[{self.pick('1:', ':-1', ':3', 'n - 3:', '-3:', '2::-1', ':0:-1')}]"

    def vector(self, depth):
        if depth <= 0 or self.often(0.2):
            return self.pick(*self.vectors)
        v = self.vector
        kind = self.random.random()
        if kind < 0.2:
            return f"({v(depth - 1)} {self.pick('+', '-')} {v(depth - 1)})"
        if kind < 0.35:
            return f"{self.pick(*self.vectors)} * {self.pick(self.leaf(), v(0))}"
        if kind < 0.5:
            return f"np.{self.pick('sin', 'tanh', 'cos')}({v(depth - 1)})"
        if kind < 0.55:
            return (
                f"np.where({v(depth - 1)} > {self.constant()}, {v(depth - 1)}, {self.pick(v(depth - 1), self.leaf())})"
            )
        if kind < 0.6:
            return self.pick(
                f"np.maximum({v(depth - 1)}, {self.constant()})",
                f"np.clip({v(depth - 1)}, -0.731, 0.617)",
                f"np.abs({v(depth - 1)} + {self.constant()})",
            )
        if kind < 0.7:
            return self.pick(
                f"{self.pick(*self.vectors)}[::-1]",
                f"np.cumsum({v(depth - 1)})",
                f"np.concatenate(({self.pick(*self.vectors)}[1:], {self.pick(*self.vectors)}[:1]))",
                f"{self.pick(*self.vectors)}[order]",
                f"{v(depth - 1)}.copy()" if depth < 1 else f"({v(depth - 1)}) ** 2",
            )
        if kind < 0.78:
            called = [h for h in self.helpers if h[1] == "vector"]
            return self.call(self.pick(*called), depth - 1) if called else v(depth - 1)
        if self.matrices:
            m = self.pick(*self.matrices)
            i = self.index()
            return self.pick(
                f"0.3 * ({self.matrix(depth - 1)} @ {self.pick(*self.vectors)})",
                f"{m}[{i}]",
                f"{m}[:, {i}]",
                f"{m}.T[{i}]",
                f"0.3 * np.dot({self.pick(*self.vectors)}, {m})",
                f"0.3 * np.sum({self.matrix(depth - 1)}, axis={self.pick(0, 1)})",
            )
        return v(depth - 1)

    def matrix(self, depth):
        if depth <= 0 or self.often(0.3):
            return self.pick(*self.matrices)
        m = self.pick(*self.matrices)
        return self.pick(
            f"np.outer({self.vector(depth - 1)}, {self.pick(*self.vectors)})",
            f"({self.pick(*self.vectors)}[:, None] * {self.pick(*self.vectors)})",
            f"({self.pick(*self.vectors)}[:, None] - {self.pick(*self.vectors)}[None, :])",
            f"(0.3 * {m} @ {self.pick(*self.matrices)})",
            f"{m}.T",
            f"({m} + {self.pick(*self.vectors)})",
            f"np.sin({self.matrix(depth - 1)})",
        )

    def call(self, helper, depth):
        name, _, kinds = helper
        return f"{name}({', '.join(self.scalar(depth) if k == 'scalar' else self.pick(*self.vectors) for k in kinds)})"

    # ------------------------------------------------------------------------------------------------ statements

    def block(self, depth, least=1):
        for _ in range(self.random.randint(least, 4)):
            self.statement(depth)

    def nested(self, depth):
        """An indented block; what is bound in it is forgotten after it."""
        kept = [list(names) for names in (self.floats, self.vectors, self.matrices, self.indices)]
        self.indent += 1
        self.block(depth)
        self.indent -= 1
        self.floats, self.vectors, self.matrices, self.indices = kept

    def statement(self, depth):
        kind = self.random.random()
        if kind < 0.22:
            self.scalar_statement()
        elif kind < 0.42:
            self.array_statement()
        elif kind < 0.5:
            self.binding()
        elif kind < 0.56:
            self.leave()
        elif depth <= 0:
            self.scalar_statement()
        elif kind < 0.7:
            self.branch(depth)
        elif kind < 0.92:
            self.pick(self.for_range, self.for_range, self.for_range, self.for_entries, self.while_loop)(depth)
        else:
            self.local_array(depth)

    def scalar_statement(self):
        name = self.pick(*self.floats)
        text = self.scalar(3)
        self.line(
            self.pick(
                f"{name} = math.sin({text})",
                f"{name} = 0.5 * math.tanh({text}) + 0.3 * {name}",
                f"{name} += 0.3 * math.sin({text})",
                f"{name} -= 0.2 * math.cos({text})",
                f"{name} *= math.cos({text})",
                f"{name} /= 1.0 + ({self.leaf()}) ** 2",
                f"{name}, {self.pick(*self.floats)} = {self.pick(*self.floats)}, {name}",
            )
        )

    def writable(self, names):
        return [name for name in names if name not in self.frozen]

    def array_statement(self):
        vectors, matrices = self.writable(self.vectors), self.writable(self.matrices)
        if not vectors:
            return self.scalar_statement()
        v = self.pick(*vectors)
        if matrices and self.often(0.25):
            return self.matrix_statement(self.pick(*matrices))
        entry, e = f"{v}[{self.index()}]", self.scalar(2)
        part = self.pick("1:", ":-1", ":3", "-3:", "2::-1")
        self.line(
            self.pick(
                f"{entry} = math.sin({e})",
                f"{entry} = math.sin({e})",
                f"{entry} += 0.3 * math.sin({e})",
                f"{entry} -= 0.3 * math.sin({e})",
                f"{entry} *= math.cos({e})",
                f"{v}[{part}] = np.sin({self.part()})",
                f"{v}[{part}] += 0.3 * np.tanh({self.part()})",
                f"{v}[{part}] *= {self.pick('0.7', f'np.cos({self.part()})')}",
                f"{v}[{part}] = {self.part()}",
                f"{v}[::2] = 0.3 * {self.leaf()}",
                f"{v}[:] = np.sin({self.vector(2)})",
                f"{v} += 0.2 * np.sin({self.vector(2)})",
                f"{v} -= 0.2 * np.sin({self.vector(2)})",
                f"{v} *= 0.8",
                *[self.call(h, 1) for h in self.helpers if h[1] == "in place" and v in vectors and self.own(h)],
            )
        )
        return None

    def own(self, helper):
        """Are all vectors in scope the program's own? Then it may call what writes into them."""
        return not self.frozen & set(self.vectors)

    def matrix_statement(self, m):
        e, i = self.scalar(2), self.index()
        self.line(
            self.pick(
                f"{m}[{i}, {self.index()}] = math.sin({e})",
                f"{m}[{i}, {self.index()}] += 0.3 * math.sin({e})",
                f"{m}[{i}] = np.sin({self.vector(1)})",
                f"{m}[:, {i}] += 0.2 * np.sin({self.vector(1)})",
                f"{m}[1:, :2] *= 0.7",
                f"{m} *= math.cos({e})",
                f"{m}[:] = np.tanh({self.matrix(2)})",
            )
        )

    def binding(self):
        """Names of arrays bound anew, swapped, or bound to the same array."""
        vectors, matrices = self.writable(self.vectors), self.writable(self.matrices)
        if not vectors:
            return self.scalar_statement()
        v, w = self.pick(*vectors), self.pick(*vectors)
        choices = [
            f"{v} = np.sin({self.vector(2)})",
            f"{v} = 0.5 * np.tanh({self.vector(2)}) + 0.2 * {v}",
            f"{v}, {w} = {w}, {v}" if v != w else f"{v} = {v} * 0.9",
            f"{v} = {self.pick(*vectors)}.copy()",
        ]
        if self.aliases or (not self.loops and self.often(0.3)):
            choices.append(f"{v} = {self.pick(*vectors)}")
        if self.aliases:
            choices += [f"{v} = {self.pick(*vectors)}[::-1]", f"{v} = {w} if {self.test(0)} else {self.pick(*vectors)}"]
        choices += [f"{self.pick(*self.floats)}, {self.pick(*self.floats)} = {self.call(h, 1)}" for h in self.pairs()]
        if matrices:
            m = self.pick(*matrices)
            choices.append(f"{m} = np.tanh({self.matrix(2)})")
        self.line(self.pick(*choices))
        return None

    def pairs(self):
        return [h for h in self.helpers if h[1] == "pair"]

    def leave(self):
        """break, continue or return, under a condition."""
        kinds = ["break", "continue"] if self.loops else []
        if self.returns:
            kinds.append(f"return {self.returns}")
        if not kinds:
            return self.scalar_statement()
        self.line(f"if {self.test(1)}:")
        self.indent += 1
        if self.often(0.5):
            self.scalar_statement()
        self.line(self.pick(*kinds))
        self.indent -= 1
        return None

    def branch(self, depth):
        self.line(f"if {self.test()}:")
        self.nested(depth - 1)
        if self.often(0.25):
            self.line(f"elif {self.test()}:")
            self.nested(depth - 1)
        if self.often(0.6):
            self.line("else:")
            self.nested(depth - 1)

    def for_range(self, depth):
        i = self.fresh("i")
        outer = self.pick(*self.indices) if self.indices else "1"
        bounds = ["n", "n", "1, n", "n - 1, -1, -1", "0, n, 2", "2", "n - 1, 0, -2", "1, n - 1", "n, n"]
        bounds = self.pick(*bounds, f"{outer}, n", f"{outer}")
        self.line(f"for {i} in range({bounds}):")
        self.within("for", depth, index=i)

    def for_entries(self, depth):
        a = self.fresh("a")
        if self.often(0.4):
            self.line(f"for {a} in {self.vector(1)}:")
            return self.within("for", depth, entry=a)
        i = self.fresh("i")
        if self.often(0.5):
            self.line(f"for {i}, {a} in enumerate({self.pick(*self.vectors)}):")
            return self.within("for", depth, index=i, entry=a)
        self.line(f"for {a}, {i} in zip({self.pick(*self.vectors)}, {self.pick(*self.vectors)}):")
        return self.within("for", depth, entry=a)

    def while_loop(self, depth):
        k = self.fresh("k")
        self.line(f"{k} = 0")
        self.line(
            f"while {k} < {self.random.randint(1, 4)} and ({self.test(0)}):" if self.often(0.5) else f"while {k} < 3:"
        )
        self.indent += 1
        self.line(f"{k} += 1")
        self.indent -= 1
        self.within("while", depth, index=k if self.often(0.5) else None, bounded=False)

    def within(self, kind, depth, index=None, entry=None, bounded=True):
        """The body of a loop."""
        indices, floats = list(self.indices), list(self.floats)
        if index and bounded:
            self.indices.append(index)
        if entry:
            self.floats.append(entry)
        self.loops.append(kind)
        self.nested(depth - 1)
        self.loops.pop()
        self.indices, self.floats = indices, floats

    def local_array(self, depth):
        """An array made here, and used in a loop."""
        h = self.fresh("h")
        if self.matrices and self.often(0.3):
            self.line(f"{h} = {self.pick('np.zeros((n, n))', f'np.sin({self.matrix(1)})')}")
            self.matrices.append(h)
            return
        self.line(f"{h} = {self.pick('np.zeros(n)', 'np.empty(n)', f'np.sin({self.vector(1)})')}")
        j = self.fresh("j")
        self.line(f"for {j} in range(n):")
        self.indices.append(j)
        self.line(f"    {h}[{j}] = math.sin({self.scalar(2)})")
        self.indices.pop()
        self.vectors.append(h)
        if self.often(0.3):
            view = self.fresh("z")
            self.line(f"{view} = {self.pick(*self.writable(self.vectors))}[{self.pick('1:', '::-1', ':3')}]")
            self.line(f"{view}[{self.pick(0, 1, -1)}] {self.pick('=', '+=')} math.sin({self.scalar(1)})")

    # ------------------------------------------------------------------------------------------------ functions

    def helper(self):
        """A function that the program calls; gives a number, a pair, a vector, or works in place."""
        kind = self.pick("scalar", "pair", "vector", "in place")
        name = self.fresh("helper")
        kinds = ["vector", "scalar"] if kind in ("vector", "in place") else [self.pick("scalar", "vector"), "scalar"]
        parameters = ["v" if k == "vector" else f"a{j}" for j, k in enumerate(kinds)]
        self.line(f"def {name}({', '.join(parameters)}):")
        self.indent += 1
        self.floats = [p for p in parameters if p != "v"] + ["s"]
        self.line("s = 0.3 * a1")
        self.vectors = ["v"] if "v" in parameters else ["y"]
        self.line(f"n = {self.vectors[0]}.shape[0]" if "v" in parameters else "n = 4")
        if "v" not in parameters:
            self.line("y = np.full(4, 0.2 * a0)")
        if kind == "vector":
            self.line("y = np.sin(v) + a1")
            self.vectors.append("y")
        self.line("order = np.array([2, 0, 1, 3])")
        self.frozen = {"x", "c", "A"} if kind == "in place" else {"x", "c", "A", "v"}
        last = {"scalar": "math.sin(s)", "pair": "math.sin(s), math.cos(s) * a1", "vector": "y * 0.5", "in place": ""}[
            kind
        ]
        self.returns = last
        self.block(2)
        if kind == "in place":
            self.line("v[0] += 0.1 * s")
        else:
            self.line(f"return {last}")
        self.indent -= 1
        self.line("")
        self.frozen = {"x", "c", "A"}
        self.helpers.append((name, kind, kinds))

    def main(self):
        self.line("def function(x, c, A, order):")
        self.indent = 1
        for text in ("n = x.shape[0]", "s = 0.0", "t = x[0]", "p = 0.5", "q = x[1] * x[2]", "u = np.zeros(n)"):
            self.line(text)
        self.line("w = np.sin(x)")
        self.line("for i in range(n):")
        self.line("    u[i] = math.sin(x[i] + c[i])")
        self.floats, self.vectors, self.matrices, self.indices = list("stpq"), list("xcuw"), ["A"], []
        if self.often(0.4):
            self.vectors = list("uw")
        self.returns = self.pick("s + t", "s * p + u[0]", "np.sum(w) + q", "")
        if self.often(0.5):
            self.line("M = 0.3 * A + np.outer(w, x)")
            self.matrices.append("M")
        for _ in range(self.random.randint(1, 3)):
            self.block(3, least=2)
        self.line("for i in range(n):")
        self.line("    s += u[i] * w[i] + math.sin(w[i])")
        if "M" in self.matrices:
            self.line("s += 0.1 * np.sum(M * M)")
        self.line(f"return s + t * p + math.sin(q) * {self.pick('t', 's', 'p')}")


def arguments(seed):
    """Where a program is evaluated."""
    values = np.random.default_rng(seed)
    x, c = values.uniform(-1.2, 1.2, (2, SIZE))
    return x, c, values.uniform(-0.8, 0.8, (SIZE, SIZE)), np.array([2, 0, 1, 3])


def load(seed, aliases=False):
    """(the function of a program, its text)."""
    text, file = Program(seed, aliases).text, f"<program {seed}{' with aliases' * aliases}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = {"np": np, "math": math}
    exec(compile(text, file, "exec"), names)
    return names["function"], text


def verdict(seed, aliases=False):
    """("ok", "wrong", "refused" or "skipped", why). Skipped: overflow, or a kink where the program is evaluated."""
    function, _ = load(seed, aliases)
    args = arguments(seed)
    with np.errstate(all="ignore"):
        if not math.isfinite(function(*args)):
            return "skipped", "not finite"
        try:
            derived = derive(function, args)
        except Unsupported as error:
            return "refused", str(error)
        errors = judge(function, args, derived, seed)
    bounds = (1e-13, 1e-10, 1e-10, 1e-12, 1e-10) if errors.analytic else (1e-13, 1e-10, 1e-5, 1e-12, 1e-5)
    if all(error <= bound for error, bound in zip(errors, bounds)):
        return "ok", ""
    return "wrong", " ".join(f"{name} {error:.0e}" for name, error in zip(errors._fields, errors))


def judged(seed, aliases=False):
    """(verdict, why, seed); an exception of the engine's is wrong too."""
    try:
        return *verdict(seed, aliases), seed
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}", seed


def run(seeds, aliases, processes):
    """Judge programs, print what is not ok, and the counts; gives the number of wrong ones."""
    counts = collections.Counter(dict.fromkeys(("ok", "wrong", "refused", "skipped"), 0))
    with multiprocessing.Pool(processes) as pool:
        for found, why, seed in pool.imap(functools.partial(judged, aliases=aliases), seeds, 10):
            counts[found] += 1
            if found != "ok":
                print(found, seed, why, flush=True)
    judged_programs = sum(counts.values()) - counts["skipped"]
    print(*(f"{number} {what}" for what, number in counts.items()), sep=", ", end="; ")
    print(f"{counts['refused'] / max(1, judged_programs):.1%} refused")
    return counts["wrong"]


def show(seed, aliases):
    """Print a program, its generated gradient and its verdict."""
    function, text = load(seed, aliases)
    print(text)
    try:
        print(derive(function, arguments(seed)).sources[0])
        print(*verdict(seed, aliases))
    except Exception:
        traceback.print_exc()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--aliases", action="store_true")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--show", type=int, help="the number of one program")
    args = parser.parse_args()
    if args.show is not None:
        return show(args.show, args.aliases)
    return run(range(args.first, args.first + args.programs), args.aliases, args.processes) > 0


if __name__ == "__main__":
    sys.exit(main())
