"""Fixtures that tests share: the methods, the two ways an objective runs, programs in a fresh interpreter."""

import gc
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

from secondorder import METHODS

ROOT = pathlib.Path(__file__).parents[1]


def pytest_collection_finish():
    """Garbage collections leave out the tests themselves: to look at 40000 of them takes half a second each time."""
    gc.freeze()


@pytest.fixture(params=list(METHODS))
def method(request):
    """Each method by name."""
    return request.param


@pytest.fixture(params=[name for name, module in METHODS.items() if module.SEARCH])
def searching_method(request):
    """Each method that has a line search, by name."""
    return request.param


def tiny_steps(method):
    """Options for steps that get nowhere for long; None: the method has no say in the length of a step."""
    if METHODS[method].SEARCH:
        return {"line_search": "fixed", "initial_step": "constant", "alpha": 1e-9}
    if "delta_max" in METHODS[method].Options._fields:
        return {"delta0": 1e-9, "delta_max": 1e-9}
    return None


# All methods look at clock and signals in the same place, control.py.
SLOW = {method: tiny_steps(method) for method in METHODS if tiny_steps(method)}


@pytest.fixture(params=list(SLOW))
def slow_method(request):
    """(name, options) of a method that takes tiny steps."""
    return request.param, SLOW[request.param]


@pytest.fixture(params=["numba", "python"])
def backend(request):
    """The objective compiled, and in the interpreter."""
    return request.param


@pytest.fixture(scope="session")
def program():
    """program(text, *args, env=, cwd=, path=) -> CompletedProcess: the text run by a fresh interpreter."""

    def run(text, *args, env=None, cwd=None, timeout=240, path=ROOT):
        variables = os.environ | {"PYTHONPATH": str(path)} | (env or {})
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(text), *map(str, args)],
            env={name: value for name, value in variables.items() if value is not None},
            cwd=cwd or path,  # with -c the current folder comes first on sys.path
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
