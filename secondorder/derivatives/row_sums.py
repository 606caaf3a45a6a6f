"""Typed functions of a mean over the rows of data: chunks of rows, which threads may share, summed in their order.

The chunks depend on the sizes only, so the bits are the same for any number of threads; with threads and without are
two compilations of one source. Value, gradient and product of a chunk are generated from the sum over its rows; each
chunk writes into a vector of its own.

What is raised in a thread Numba drops, and the chunk stays undone. So chunks that are undone after the loop are
evaluated again behind it, where the exception reaches the caller.
"""

import functools
import hashlib
from typing import NamedTuple

import numpy as np

from secondorder.jit import (
    FUN,
    FUN_GRAD,
    HVP,
    THREADED,
    TRAMPOLINE,
    arguments,
    inlined,
    plain,
    prange,
    register_jitable,
    typed,
)

CHUNKS = 64  # at most
ROWS = 256  # of a chunk, at least
GUARD = 6.02214076e-300  # stands behind the chunks' vectors, so often; any sum with it shows
GUARDS = 256
BEYOND = "the term's gradient was written beyond the end of x: x0 must hold as many numbers as the term uses"
WORK = 4  # numbers of data that a chunk has for each variable, at least: its own vector costs as much as some of these


def nothing(x):
    """No regularizer."""
    return 0.0


def sum_over_one(term):
    """f(x, a) for data of one array."""

    def total(x, a):
        s = 0.0
        for k in range(a.shape[0]):
            s += term(x, a[k])
        return s

    return total


def sum_over_two(term):
    """f(x, a, b) for data of two arrays."""

    def total(x, a, b):
        s = 0.0
        for k in range(a.shape[0]):
            s += term(x, a[k], b[k])
        return s

    return total


def sum_over_three(term):
    """f(x, a, b, c) for data of three arrays."""

    def total(x, a, b, c):
        s = 0.0
        for k in range(a.shape[0]):
            s += term(x, a[k], b[k], c[k])
        return s

    return total


def mean_over_one(part, regularizer):
    """The mean from the sum over the rows of one array."""

    def whole(x, a):
        return part(x, a) / a.shape[0] + regularizer(x)

    return whole


def mean_over_two(part, regularizer):
    """The mean from the sum over the rows of two arrays."""

    def whole(x, a, b):
        return part(x, a, b) / a.shape[0] + regularizer(x)

    return whole


def mean_over_three(part, regularizer):
    """The mean from the sum over the rows of three arrays."""

    def whole(x, a, b, c):
        return part(x, a, b, c) / a.shape[0] + regularizer(x)

    return whole


def misfit(total, data, x, name="x0"):
    """Why a RowSum could not be evaluated at x, as an exception with the shapes; None: its first row is taken.

    Asked only after something was raised: the term is called in Python.
    """
    rows = tuple(array[0] for array in data)
    shapes = " and ".join(str(np.shape(row)) for row in rows)
    for part, function, given, where in (
        ("term", total.term, (x, *rows), f"{name} of shape {x.shape} with the first row of data, of shape {shapes}"),
        ("regularizer", total.regularizer, (x,), f"{name} of shape {x.shape}"),
    ):
        try:
            value = plain(function)(*(np.copy(a) if isinstance(a, np.ndarray) else a for a in given))
        except (ValueError, IndexError, TypeError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            return kind(f"the {part} fails for {where}: {error}. {name} must hold as many numbers as the {part} takes")
        except Exception:
            return None
        if np.shape(value) != () or not isinstance(value, (int, float, np.number, np.bool_)):
            return TypeError(f"the {part} must return one number; for {where} it returned {value!r:.100}")
    return None


def in_data(data):
    """What the message of a run whose f is nan adds: the first row of the data that is not finite, if there is one."""
    for array in data:
        wrong = ~np.all(np.isfinite(array.reshape(len(array), -1)), axis=1)
        if wrong.any():
            return f": row {wrong.argmax()} of the data is not finite; leave such rows out, or let the term skip them"
    return ""


class RowSum(NamedTuple):
    """f(x, *data) = mean over rows of term(x, row of each array) + regularizer(x), as an objective of typed_objective.

    Equal parts make equal objectives, which are compiled once.
    """

    term: object
    regularizer: object
    arrays: int  # of data
    threads: bool  # evaluate by Numba's threads

    def part(self):
        """The sum over rows, without the regularizer."""
        return (sum_over_one, sum_over_two, sum_over_three)[self.arrays - 1](self.term)

    def whole(self):
        """All of it, as one function."""
        return (mean_over_one, mean_over_two, mean_over_three)[self.arrays - 1](self.part(), self.regularizer)

    def compilable(self, as_compiled):
        """The same for Numba, which compiles no plain functions that a function captures."""
        term, regularizer = as_compiled(self.term), as_compiled(self.regularizer)
        part = as_compiled(self._replace(term=term).part())
        return (mean_over_one, mean_over_two, mean_over_three)[self.arrays - 1](part, regularizer)

    def __call__(self, x, *data):
        """The value, in Python."""
        return self.whole()(x, *data)


@inlined
def n_chunks(rows, numbers, n):
    """How many chunks, for so many numbers of data and n variables."""
    return max(1, min(CHUNKS, rows // ROWS, numbers // (WORK * n)))


@functools.cache
def reader(kind):
    """(rows of the data, how many numbers they are, the arrays of a chunk) as functions of compiled code."""
    load, every = arguments(kind), range(len(kind))
    cut = register_jitable(eval(f"lambda args, start, stop: ({''.join(f'args[{k}][start:stop], ' for k in every)})"))
    count = register_jitable(eval(f"lambda args: {' + '.join(f'args[{k}].size' for k in every)}"))

    @register_jitable
    def sizes(data):
        args = load(data)
        return len(args[0]), count(args)

    @register_jitable
    def chunk(data, c, chunks):
        args = load(data)
        rows = len(args[0])
        return cut(args, c * rows // chunks, (c + 1) * rows // chunks)

    return sizes, chunk


@register_jitable
def add_means(parts, rows, out):
    """out <- out + the sum of the chunks' vectors / rows."""
    for c in range(1, parts.shape[0]):
        for j in range(out.shape[0]):
            parts[0, j] += parts[c, j]
    for j in range(out.shape[0]):
        out[j] += parts[0, j] / rows


@register_jitable
def mean(values, rows):
    """The sum of the chunks' values / rows."""
    s = 0.0
    for c in range(values.shape[0]):
        s += values[c]
    return s / rows


def cached(function, signature, key, threads):
    """`function` compiled, or from the disk cache: under a name of its own, since Numba's symbols are made of names."""
    key = hashlib.sha256(f"{key} {threads}".encode()).hexdigest()
    function.__name__ = function.__qualname__ = f"{function.__name__}_of_rows_{key[:16]}"
    return typed(function, signature, key, THREADED if threads else TRAMPOLINE)


def value(part, regularizer, kind, threads, key):
    """fun(x, data) from part(x, *arrays) -> f and regularizer(x) -> f."""
    sizes, chunk = reader(kind)

    def fun(x, data):
        rows, numbers = sizes(data)
        chunks = n_chunks(rows, numbers, x.shape[0])
        values, done = np.empty(chunks), np.zeros(chunks, np.bool_)
        for c in prange(chunks):
            values[c] = part(x, *chunk(data, c, chunks))
            done[c] = True
        for c in range(chunks):
            if not done[c]:
                values[c] = part(x, *chunk(data, c, chunks))
        return mean(values, rows) + regularizer(x)

    return cached(fun, FUN, key, threads)


def gradient(part, regularizer, kind, threads, key):
    """fun_grad(x, g, data) from part(x, g, *arrays) -> f and regularizer(x, g) -> f, which write g."""
    sizes, chunk = reader(kind)

    def fun_grad(x, g, data):
        rows, size = sizes(data)
        chunks = n_chunks(rows, size, x.shape[0])
        numbers, done = np.empty(chunks * x.shape[0] + GUARDS), np.zeros(chunks, np.bool_)
        values, parts, behind = np.empty(chunks), numbers[:-GUARDS].reshape(chunks, x.shape[0]), numbers[-GUARDS:]
        behind[:] = GUARD
        for c in prange(chunks):
            values[c] = part(x, parts[c], *chunk(data, c, chunks))
            done[c] = True
        for c in range(chunks):
            if not done[c]:
                values[c] = part(x, parts[c], *chunk(data, c, chunks))
        for number in behind:
            if number != GUARD:
                raise ValueError(BEYOND)
        f = regularizer(x, g)
        add_means(parts, rows, g)
        return mean(values, rows) + f

    return cached(fun_grad, FUN_GRAD, key, threads)


def product(part, regularizer, kind, threads, key):
    """hvp(x, v, out, data) from part(x, v, out, *arrays) and regularizer(x, v, out), which write out."""
    sizes, chunk = reader(kind)

    def hvp(x, v, out, data):
        rows, numbers = sizes(data)
        chunks = n_chunks(rows, numbers, x.shape[0])
        parts, done = np.empty((chunks, x.shape[0])), np.zeros(chunks, np.bool_)
        for c in prange(chunks):
            part(x, v, parts[c], *chunk(data, c, chunks))
            done[c] = True
        for c in range(chunks):
            if not done[c]:
                part(x, v, parts[c], *chunk(data, c, chunks))
        regularizer(x, v, out)
        add_means(parts, rows, out)
        return 0.0

    return cached(hvp, HVP, key, threads)
