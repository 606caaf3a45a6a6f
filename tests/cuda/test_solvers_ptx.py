"""Solvers compile for CUDA, one problem a thread: to PTX by Numba, to machine code by ptxas.

solvers.csv has registers, bytes of stack and of spills a thread, of every method for every architecture: minimizers of
4 variables (some of 8), and fits of 2, 4 and 8 to 32 data. More than there is a failure; less is not, but write it
down: `python -m tests.cuda.test_solvers_ptx` prints the table anew, in half an hour; with names of methods, their rows
alone. The tests compile some of its rows.
"""

import functools
import pathlib
import re
import sys

import numpy as np
import pytest
from numba import float32, float64, int64, types

from secondorder import METHODS, Objective, fit_kernels, kernels
from tests.cuda.kernels import fun_grad, hess, hvp
from tests.cuda.ptx import ARCHITECTURES, COLUMNS, missing, ptx, resources, table, versions

TABLE = pathlib.Path(__file__).with_name("solvers.csv")
LEAN = ("gradient-descent", "cg", "bfgs", "newton-cg")  # with 8 variables, too
FITS = {"levenberg-marquardt": "levenberg-marquardt", "dogleg-fit": "dogleg"}  # there is a minimizer called dogleg
TWO = ((8, 0), (9, 0))
ROWS = [(name, "float64", 4, a) for name in METHODS for a in ARCHITECTURES]
ROWS += [(name, "float64", 8, a) for name in LEAN for a in TWO]
ROWS += [(name, "float32", 4, a) for name in kernels.IN_SINGLE for a in ARCHITECTURES]
ROWS += [(name, "float32", 8, a) for name in LEAN for a in TWO]
ROWS += [("levenberg-marquardt", numbers, 4, a) for numbers in ("float64", "float32") for a in ARCHITECTURES]
ROWS += [("levenberg-marquardt", numbers, n, a) for numbers in ("float64", "float32") for n in (2, 8) for a in TWO]
ROWS += [("dogleg-fit", "float64", 4, a) for a in TWO]
CHOSEN = ("l-bfgs", "newton", "trust-ncg", "trust-exact")  # a case takes seconds
CASES = [(name, "float64", 4, (8, 0)) for name in CHOSEN]
CASES += [(name, "float64", 8, a) for name in LEAN for a in TWO]
CASES += [("l-bfgs", "float64", 4, a) for a in ARCHITECTURES if a != (8, 0)]
CASES += [(name, "float32", 4, (8, 0)) for name in (*kernels.IN_SINGLE, "levenberg-marquardt")]
CASES += [("levenberg-marquardt", "float64", 4, (8, 0))]
DATA = 32  # of a fit


def decay(p, t, y):
    """Residuals of an exponential."""
    return p[0] * np.exp(-p[1] * t) - y


def two_decays(p, t, y):
    """Of a sum of two."""
    return p[0] * np.exp(-p[1] * t) + p[2] * np.exp(-p[3] * t) - y


def four_decays(p, t, y):
    """Of a sum of four."""
    first = p[0] * np.exp(-p[1] * t) + p[2] * np.exp(-p[3] * t)
    return first + p[4] * np.exp(-p[5] * t) + p[6] * np.exp(-p[7] * t) - y


RESIDUALS = {2: decay, 4: two_decays, 8: four_decays}


@functools.cache
def source(method, numbers, n):
    """(the kernel of a batch of n variables by this method, its signature)."""
    from secondorder.backends.cuda_batch import kernel_for

    number = {"float64": float64, "float32": float32}[numbers]
    rows, line = number[:, ::1], number[::1]
    out = rows, rows, int64[:, ::1], rows
    if method not in FITS:
        made = kernels.make(method, Objective(fun_grad, hvp=hvp, hess=hess), n, dtype=numbers)
        return kernel_for(made, ((),)), types.void(rows, line, line, *out)
    t = np.linspace(0.0, 1.0, DATA).astype(numbers)
    made = fit_kernels.make(FITS[method], RESIDUALS[n], n, args=(t, t), dtype=numbers)
    kernel = kernel_for(made, (None, t.shape), (made.inverse, n * n))
    return kernel, types.void(rows, line, line, line, int64, int64, *out, rows)


def words(method, numbers, n, architecture):
    """The first columns of a row."""
    return method, numbers, str(n), "{}{}".format(*architecture)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES, ids=["-".join(words(*case)) for case in CASES])
def test_solvers_compile_and_take_no_more_than_before(case):
    if missing():
        pytest.skip(missing())
    *of, architecture = case
    text = ptx(*source(*of), architecture)
    assert not re.search(r"^\s*\.extern(?! \.shared)", text, re.M), "calls a function that is not there"
    if case[1] == "float32":
        assert in_float64(text) == [], "arithmetic in float64"
    found = resources(text, architecture)
    before, of = table(TABLE)
    if of != versions():
        pytest.skip(f"it compiles; the table is of {of}, here is {versions()}")
    expected = before[words(*case)]
    assert all(a <= b for a, b in zip(found, expected)), f"{dict(zip(COLUMNS, found))}; before: {expected}"


def in_float64(text):
    """The instructions of a PTX text that compute in float64 or convert from it."""
    return re.findall(r"^\s+[a-z][a-z\d_]*\.[\w.]*f64\b.*$", text, re.M)


def test_float64_is_found_where_it_is():
    assert in_float64("\tadd.f32 \t%f640, %f1, %f2;\n\tcvt.f64.f32 \t%fd1, %f1;\n\tmul.rn.f64 \t%fd1, %fd2, %fd2;") == [
        "\tcvt.f64.f32 \t%fd1, %f1;", "\tmul.rn.f64 \t%fd1, %fd2, %fd2;",
    ]  # fmt: skip


def test_the_table_has_a_row_for_every_kernel():
    assert set(table(TABLE)[0]) == {words(*row) for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] in LEAN], ids=lambda row: "-".join(words(*row)))
def test_lean_methods_spill_nothing(row):
    assert table(TABLE)[0][words(*row)][2:] == [0, 0]


if __name__ == "__main__":
    print(f"# {versions()}")
    print(",".join(["method", "numbers", "n", "sm", *COLUMNS]))
    for row in ROWS:
        if row[0] in sys.argv[1:] or len(sys.argv) == 1:
            found = resources(ptx(*source(*row[:3]), row[3]), row[3])
            print(",".join(map(str, [*words(*row), *found])), flush=True)
