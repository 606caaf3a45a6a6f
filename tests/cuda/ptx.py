"""Kernels to PTX by Numba and to machine code by ptxas, without a GPU: what two test files share."""

import csv
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import types as python_types
from importlib import metadata
from unittest import mock

import numba
from numba import cuda
from numba.cuda import compiler, dispatcher
from numba.cuda.cudadrv import nvvm

from secondorder.jit import JIT_DISABLED

ARCHITECTURES = [(7, 5), (8, 0), (9, 0), (10, 0), (12, 0)]
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
    try:
        target = f", numba-cuda {metadata.version('numba-cuda')}"
    except metadata.PackageNotFoundError:  # the target is the one built into Numba
        target = ""
    told = subprocess.run([assembler(), "--version"], capture_output=True, text=True, check=True).stdout
    return f"numba {numba.__version__}{target}, ptxas {re.search(r'V([0-9.]+)', told)[1]}"


def ptx(made, signature, architecture):
    """The text that Numba compiles for an architecture; it asks a device for its own, and there may be none."""
    device = python_types.SimpleNamespace(compute_capability=architecture)
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
def table(path):
    """((columns before the numbers) -> numbers, the versions they are of) of a file of resources."""
    with pathlib.Path(path).open() as file:
        of = file.readline().removeprefix("# ").strip()
        rows = list(csv.DictReader(file))
    return {tuple(v for k, v in r.items() if k not in COLUMNS): [int(r[c]) for c in COLUMNS] for r in rows}, of
