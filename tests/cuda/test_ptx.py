"""Derivatives in kernels compile for every architecture, without a GPU: to PTX by Numba, to machine code by ptxas.

resources.csv has what ptxas reports: registers, bytes of stack and of spills a thread. More than there is a failure;
less is not, but write it down: `python -m tests.cuda.test_ptx` prints the table anew.
"""

import functools
import pathlib
import re

import numba
import pytest
from numba import types

from tests.cuda.kernels import kernel
from tests.cuda.ptx import ARCHITECTURES, COLUMNS, missing, ptx, resources, table, versions
from tests.derivatives.corpus import PROGRAMS, arguments

TABLE = pathlib.Path(__file__).with_name("resources.csv")
NAMES = ["rosenbrock_loop", "kalman_filter", "state_updated_in_place", "softmax_attention"]
WHATS = ["value_and_grad", "hvp", "jvp"]


@functools.cache
def source(what, name):
    """(the kernel, its signature) of a derivative of a program of the corpus."""
    function, make = next(p[:2] for p in PROGRAMS if p[0].__name__ == name)
    args = arguments(make)
    rows = types.float64[:, ::1]
    kinds = [types.unliteral(numba.typeof(a)) for a in args[1:]]
    return kernel(what, function, len(kinds))[1], types.void(rows, rows, *kinds, rows, rows)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids="sm_{0[0]}{0[1]}".format)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", WHATS)
def test_kernels_compile_and_take_no_more_than_before(what, name, architecture):
    if missing():
        pytest.skip(missing())
    text = ptx(*source(what, name), architecture)
    assert not re.search(r"^\s*\.extern", text, re.M), "calls a function that is not there"
    found = resources(text, architecture)
    before, of = table(TABLE)
    if of != versions():
        pytest.skip(f"it compiles; the table is of {of}, here is {versions()}")
    expected = before[what, name, "{}{}".format(*architecture)]
    assert all(a <= b for a, b in zip(found, expected)), f"{dict(zip(COLUMNS, found))}; before: {expected}"


def test_the_table_has_a_row_for_every_kernel():
    rows = {(what, name, "{}{}".format(*a)) for what in WHATS for name in NAMES for a in ARCHITECTURES}
    assert set(table(TABLE)[0]) == rows


if __name__ == "__main__":
    print(f"# {versions()}")
    print(",".join(["derivative", "program", "sm", *COLUMNS]))
    for what in WHATS:
        for name in NAMES:
            for a in ARCHITECTURES:
                print(
                    ",".join(map(str, [what, name, "{}{}".format(*a), *resources(ptx(*source(what, name), a), a)])),
                    flush=True,
                )
