"""Solvers compile for CUDA, one problem a thread: to PTX by Numba, to machine code by ptxas.

solvers.csv has registers, bytes of stack and of spills a thread. More than there is a failure; less is not, but write
it down: `python -m tests.cuda.test_solvers_ptx` prints the table anew.
"""

import functools
import pathlib
import re
import sys

import pytest
from numba import float64, int64, njit, types

from secondorder import METHODS, Objective, kernels
from tests.cuda.ptx import ARCHITECTURES, COLUMNS, missing, ptx, resources, table, versions

TABLE = pathlib.Path(__file__).with_name("solvers.csv")
# A case takes seconds. `python -m tests.cuda.test_solvers_ptx --all` compiles every method for every architecture.
CHOSEN = ("gradient-descent", "cg", "bfgs", "l-bfgs", "newton", "newton-cg", "trust-ncg", "trust-exact")
CASES = [(name, (8, 0)) for name in CHOSEN] + [("l-bfgs", a) for a in ARCHITECTURES if a != (8, 0)]
N = 4


@njit
def fun_grad(x, g, a):
    """Chained Rosenbrock."""
    f, n = 0.0, x.shape[0]
    g[0] = 0.0
    for i in range(n - 1):
        u, v = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += a * u * u + v * v
        g[i] -= 4.0 * a * u * x[i] + 2.0 * v
        g[i + 1] = 2.0 * a * u
    return f


@njit
def hvp(x, v, out, a):
    """Products with its Hessian."""
    n = x.shape[0]
    for i in range(n):
        out[i] = 0.0
    for i in range(n - 1):
        out[i] += (12.0 * a * x[i] * x[i] - 4.0 * a * x[i + 1] + 2.0) * v[i] - 4.0 * a * x[i] * v[i + 1]
        out[i + 1] += 2.0 * a * v[i + 1] - 4.0 * a * x[i] * v[i]


@njit
def hess(x, H, a):
    """The Hessian."""
    n = x.shape[0]
    for i in range(n):
        for j in range(n):
            H[i, j] = 0.0
    for i in range(n - 1):
        H[i, i] += 12.0 * a * x[i] * x[i] - 4.0 * a * x[i + 1] + 2.0
        H[i, i + 1] = H[i + 1, i] = -4.0 * a * x[i]
        H[i + 1, i + 1] += 2.0 * a


@functools.cache
def source(method):
    """(the kernel of a batch by this method, its signature)."""
    from secondorder.backends.cuda import kernel_for

    made = kernels.make(method, Objective(fun_grad, hvp=hvp, hess=hess), N)
    columns = float64[:, ::1]
    signature = types.void(columns, columns, float64[::1], columns, int64[:, ::1], columns)
    return kernel_for(made.solve_tuple, (True,), (1,)), signature


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("method", "architecture"), CASES, ids=lambda v: v if isinstance(v, str) else "sm_{}{}".format(*v)
)
def test_solvers_compile_and_take_no_more_than_before(method, architecture):
    if missing():
        pytest.skip(missing())
    text = ptx(*source(method), architecture)
    assert not re.search(r"^\s*\.extern(?! \.shared)", text, re.M), "calls a function that is not there"
    found = resources(text, architecture)
    before, of = table(TABLE)
    if of != versions():
        pytest.skip(f"it compiles; the table is of {of}, here is {versions()}")
    expected = before[method, "{}{}".format(*architecture)]
    assert all(a <= b for a, b in zip(found, expected)), f"{dict(zip(COLUMNS, found))}; before: {expected}"


def test_the_table_has_a_row_for_every_kernel():
    assert set(table(TABLE)[0]) == {(method, "{}{}".format(*a)) for method, a in CASES}


if __name__ == "__main__":
    print(f"# {versions()}")
    print(",".join(["method", "sm", *COLUMNS]))
    every = [(name, a) for name in METHODS for a in ARCHITECTURES]
    for name, a in every if "--all" in sys.argv else CASES:
        print(",".join(map(str, [name, "{}{}".format(*a), *resources(ptx(*source(name), a), a)])), flush=True)
