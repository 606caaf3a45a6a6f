"""Derivatives in kernels compile for every architecture, without a GPU: to PTX by Numba, to machine code by ptxas.

resources.csv has what ptxas reports: registers, bytes of stack and of spills a thread. More than there is a failure;
less is not, but write it down: `python -m tests.cuda.test_ptx` prints the table anew.
"""

import csv
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import types as python_types
from unittest import mock

import numba
import pytest
from numba import cuda, types
from numba.cuda import compiler, dispatcher
from numba.cuda.cudadrv import nvvm

from secondorder.jit import JIT_DISABLED
from tests.cuda.kernels import kernel
from tests.derivatives.corpus import PROGRAMS, arguments

TABLE = pathlib.Path(__file__).with_name("resources.csv")
ARCHITECTURES = [(7, 5), (8, 0), (9, 0), (10, 0), (12, 0)]
NAMES = ["rosenbrock_loop", "kalman_filter", "state_updated_in_place", "softmax_attention"]
WHATS = ["value_and_grad", "hvp", "jvp"]
COLUMNS = ["registers", "stack", "spill_stores", "spill_loads"]


@functools.cache
def missing():
    """What is not on this machine, or "" """
    if JIT_DISABLED:
        return "nothing is compiled under NUMBA_DISABLE_JIT"
    if not hasattr(nvvm, "NVVM"):
        return "the simulator has no compiler"
    try:
        nvvm.NVVM()
    except nvvm.NvvmSupportError as error:
        return f"libNVVM is not installed: {error}"
    return "" if assembler() else "ptxas is not installed"


@functools.cache
def assembler():
    """The path of ptxas: that of the toolkit Numba takes libNVVM from, if it can be found."""
    homes = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH")]
    return next((found for home in homes if home and (found := shutil.which("ptxas", path=f"{home}/bin"))), None) or (
        shutil.which("ptxas")
    )


@functools.cache
def versions():
    """Of what the numbers depend on."""
    told = subprocess.run([assembler(), "--version"], capture_output=True, text=True, check=True).stdout
    return f"numba {numba.__version__}, ptxas {re.search(r'V([0-9.]+)', told)[1]}"


@functools.cache
def source(what, name):
    """(the kernel, its signature) of a derivative of a program of the corpus."""
    function, make = next(p[:2] for p in PROGRAMS if p[0].__name__ == name)
    args = arguments(make)
    rows = types.float64[:, ::1]
    kinds = [types.unliteral(numba.typeof(a)) for a in args[1:]]
    return kernel(what, function, len(kinds))[1], types.void(rows, rows, *kinds, rows, rows)


def ptx(what, name, architecture):
    """The text that Numba compiles for an architecture; it asks a device for its own, and there may be none."""
    device = python_types.SimpleNamespace(compute_capability=architecture)
    made, signature = source(what, name)
    with (
        mock.patch.object(dispatcher, "get_current_device", lambda: device),
        mock.patch.object(compiler, "get_current_device", lambda: device, create=True),
    ):
        return cuda.compile_ptx(made, signature, cc=architecture)[0]


def resources(text, architecture):
    """What the kernel takes, as ptxas reports it."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "kernel.ptx")
        file.write_text(text)
        command = [assembler(), "-v", "-arch=sm_{}{}".format(*architecture), "-o", os.devnull, file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    patterns = r"Used (\d+) registers", r"(\d+) bytes stack", r"(\d+) bytes spill stores", r"(\d+) bytes spill loads"
    return [max(map(int, re.findall(pattern, done.stderr)), default=0) for pattern in patterns]


@functools.cache
def table():
    """((what, name, architecture) -> numbers, the versions they are of)."""
    with TABLE.open() as file:
        of = file.readline().removeprefix("# ").strip()
        rows = list(csv.DictReader(file))
    return {(r["derivative"], r["program"], r["sm"]): [int(r[c]) for c in COLUMNS] for r in rows}, of


@pytest.mark.timeout(600)
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids="sm_{0[0]}{0[1]}".format)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", WHATS)
def test_kernels_compile_and_take_no_more_than_before(what, name, architecture):
    if missing():
        pytest.skip(missing())
    text = ptx(what, name, architecture)
    assert not re.search(r"^\s*\.extern", text, re.M), "calls a function that is not there"
    found = resources(text, architecture)
    before, of = table()
    if of != versions():
        pytest.skip(f"it compiles; the table is of {of}, here is {versions()}")
    expected = before[what, name, "{}{}".format(*architecture)]
    assert all(a <= b for a, b in zip(found, expected)), f"{dict(zip(COLUMNS, found))}; before: {expected}"


def test_the_table_has_a_row_for_every_kernel():
    rows = {(what, name, "{}{}".format(*a)) for what in WHATS for name in NAMES for a in ARCHITECTURES}
    assert set(table()[0]) == rows


if __name__ == "__main__":
    print(f"# {versions()}")
    print(",".join(["derivative", "program", "sm", *COLUMNS]))
    for what in WHATS:
        for name in NAMES:
            for a in ARCHITECTURES:
                print(
                    ",".join(map(str, [what, name, "{}{}".format(*a), *resources(ptx(what, name, a), a)])), flush=True
                )
