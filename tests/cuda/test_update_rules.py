"""Update rules compile for CUDA from the source that the CPU's loops have, and stay in float32 there."""

import inspect
import types as python_types
from unittest import mock

import pytest
from numba import cuda, types
from numba.cuda import compiler, dispatcher

from secondorder.updates import UPDATES
from tests.cuda.test_ptx import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")


def kernel(rule, n_state):
    """A kernel with a thread for each parameter; c has the rule's coefficients."""

    def none(x, g, c):
        i = cuda.grid(1)
        if i < x.shape[0]:
            x[i] = rule(x[i], g[i], *c)

    def one(x, g, a, c):
        i = cuda.grid(1)
        if i < x.shape[0]:
            x[i], a[i] = rule(x[i], g[i], a[i], *c)

    def two(x, g, a, b, c):
        i = cuda.grid(1)
        if i < x.shape[0]:
            x[i], a[i], b[i] = rule(x[i], g[i], a[i], b[i], *c)

    def three(x, g, a, b, d, c):
        i = cuda.grid(1)
        if i < x.shape[0]:
            x[i], a[i], b[i], d[i] = rule(x[i], g[i], a[i], b[i], d[i], *c)

    return (none, one, two, three)[n_state]


@pytest.mark.parametrize("name", UPDATES)
def test_a_rule_compiles_for_cuda_without_a_double(name):
    module = UPDATES[name]
    choose = getattr(module, "variant", lambda options: (module.rule, module.STATE))
    rule, state = choose(module.Options())
    count = len(inspect.signature(rule.py_func).parameters) - 2 - len(state)
    line = types.Array(types.float32, 1, "C")
    signature = types.void(*[line] * (2 + len(state)), types.UniTuple(types.float32, count))
    device = python_types.SimpleNamespace(compute_capability=(9, 0))
    with (
        mock.patch.object(dispatcher, "get_current_device", lambda: device),
        mock.patch.object(compiler, "get_current_device", lambda: device),
    ):
        text, _ = cuda.compile_ptx(kernel(rule, len(state)), signature, cc=(9, 0))
    assert ".visible .entry" in text
    assert ".f64" not in text
