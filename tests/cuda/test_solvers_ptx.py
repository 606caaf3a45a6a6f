"""Solvers compile for CUDA, one problem a thread: to PTX by Numba, to machine code by ptxas.

solvers.csv has registers, bytes of stack and of spills a thread, of every method for every architecture. More than
there is a failure; less is not, but write it down: `python -m tests.cuda.test_solvers_ptx` prints the table anew, in a
quarter of an hour. The tests compile some of its rows.
"""

import functools
import pathlib
import re

import pytest
from numba import float64, int64, types

from secondorder import METHODS, Objective, kernels
from tests.cuda.kernels import fun_grad, hess, hvp
from tests.cuda.ptx import ARCHITECTURES, COLUMNS, missing, ptx, resources, table, versions

TABLE = pathlib.Path(__file__).with_name("solvers.csv")
LEAN = ("gradient-descent", "cg", "bfgs", "newton-cg")  # with 8 variables, too
ROWS = [(name, 4, a) for name in METHODS for a in ARCHITECTURES]
ROWS += [(name, 8, a) for name in LEAN for a in ((8, 0), (9, 0))]
CHOSEN = ("l-bfgs", "newton", "trust-ncg", "trust-exact")  # a case takes seconds
CASES = [(name, 4, (8, 0)) for name in CHOSEN] + ROWS[-2 * len(LEAN) :]
CASES += [("l-bfgs", 4, a) for a in ARCHITECTURES if a != (8, 0)]


@functools.cache
def source(method, n):
    """(the kernel of a batch of n variables by this method, its signature)."""
    from secondorder.backends.cuda_batch import kernel_for

    made = kernels.make(method, Objective(fun_grad, hvp=hvp, hess=hess), n)
    rows, line = float64[:, ::1], float64[::1]
    signature = types.void(rows, line, line, rows, rows, int64[:, ::1], rows)
    return kernel_for(made, ((),)), signature


def words(method, n, architecture):
    """The first columns of a row."""
    return method, str(n), "{}{}".format(*architecture)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("method", "n", "architecture"), CASES, ids=["-".join(words(*case)) for case in CASES])
def test_solvers_compile_and_take_no_more_than_before(method, n, architecture):
    if missing():
        pytest.skip(missing())
    text = ptx(*source(method, n), architecture)
    assert not re.search(r"^\s*\.extern(?! \.shared)", text, re.M), "calls a function that is not there"
    found = resources(text, architecture)
    before, of = table(TABLE)
    if of != versions():
        pytest.skip(f"it compiles; the table is of {of}, here is {versions()}")
    expected = before[words(method, n, architecture)]
    assert all(a <= b for a, b in zip(found, expected)), f"{dict(zip(COLUMNS, found))}; before: {expected}"


def test_the_table_has_a_row_for_every_kernel():
    assert set(table(TABLE)[0]) == {words(*row) for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] in LEAN], ids=lambda row: "-".join(words(*row)))
def test_lean_methods_spill_nothing(row):
    assert table(TABLE)[0][words(*row)][2:] == [0, 0]


if __name__ == "__main__":
    print(f"# {versions()}")
    print(",".join(["method", "n", "sm", *COLUMNS]))
    for row in ROWS:
        print(",".join(map(str, [*words(*row), *resources(ptx(*source(*row[:2]), row[2]), row[2])])), flush=True)
