"""Kernels over vectors compile for CUDA: the verbs of large single problems and steps of update rules.

vectors.csv has registers, bytes of stack and of spills a thread, of every kernel for every architecture. More than
there is a failure; less is not, but write it down: `python -m tests.cuda.test_vectors_ptx` prints the table anew, in
some minutes. The tests compile the rows of sm_80.
"""

import functools
import inspect
import pathlib
import re

import numpy as np
import pytest
from numba import types

from secondorder.updates import UPDATES
from tests.cuda.ptx import ARCHITECTURES, COLUMNS, missing, ptx, resources, table, versions

TABLE = pathlib.Path(__file__).with_name("vectors.csv")
NUMBERS = {"float32": types.float32, "float64": types.float64}
ENTRYWISE = {
    "axpby": "avavv", "axpy": "avvv", "copy": "vv", "scale": "avv", "fill": "av", "divide": "vvv", "multiply": "vvv",
    "towards": "nvv", "random_normal": "iiiiav", "learn": "aaavvv", "step_of_minres": "vaavaavv",
}  # fmt: skip
SUMS = ["dot", "distance2", "largest", "largest_difference", "triple"]
OVER_ROWS = ["products", "fold", "combine"]
OF_BASIS = ["products_of_basis", "combine_of_basis"]  # the first and last of OVER_ROWS, for Lanczos' method
OF_DATA = {"logistic_gradient": "value_and_grad", "logistic_product": "hvp", "mean_of_lanes": None}  # of 8 variables
KERNELS = [*ENTRYWISE, *SUMS, *OVER_ROWS, *UPDATES]
CASES = [(kernel, number) for kernel in KERNELS for number in NUMBERS]
CASES += [(kernel, "float64") for kernel in [*OF_BASIS, *OF_DATA]]
ROWS = [(*case, architecture) for case in CASES for architecture in ARCHITECTURES]


def logistic(w, row, label):
    """A term of a mean over rows."""
    z = np.dot(row, w)
    return np.logaddexp(0.0, z) - label * z


def source_of_data(kernel):
    """`source` of one of OF_DATA."""
    from secondorder.backends import cuda_rows

    line, n = types.Array(types.float64, 1, "C"), 8
    if OF_DATA[kernel] is None:
        return cuda_rows.mean_of_lanes, types.void(line, types.int64, types.int64, types.int64, line)
    what, data = OF_DATA[kernel], (np.ones((1, n)), np.ones(1))
    chosen = cuda_rows.Pass(what, logistic, n, data)
    made = cuda_rows.kernel_for(what, logistic, n, chosen.n_own, ((n,), ()))
    vectors = [line] * (2 if what == "hvp" else 1)
    return made, types.void(*vectors, line, line, types.int64, types.int64, line, line)


@functools.cache
def source(kernel, number):
    """(the kernel, its signature for arrays of this number type)."""
    if kernel in OF_DATA:
        return source_of_data(kernel)
    from secondorder.backends import cuda_updates, cuda_vectors
    from secondorder.backends.updates import TREATMENTS

    number = NUMBERS[number]
    line, lines = types.Array(number, 1, "C"), types.Array(number, 2, "C")
    if kernel in ENTRYWISE:
        kinds = {"v": line, "a": types.float64, "n": number, "i": types.int64}
        return getattr(cuda_vectors, kernel), types.void(*[kinds[letter] for letter in ENTRYWISE[kernel]])
    if kernel in OF_BASIS:
        sums, order = types.Array(types.float64, 2, "C"), types.Array(types.int64, 1, "C")
        rest = (line, sums) if kernel == "products_of_basis" else (line, types.int64, line)
        return getattr(cuda_vectors, kernel.removesuffix("_of_basis")), types.void(lines, order, *rest)
    if kernel in OVER_ROWS:
        sums, rows = types.Array(types.float64, 2, "C"), types.UniTuple(types.int64, 22)
        arguments = {
            "products": (lines, rows, line, sums),
            "fold": (sums, types.int64, types.Array(types.float64, 1, "C")),
            "combine": (lines, rows, types.UniTuple(types.float64, 22), types.int64, line),
        }
        return getattr(cuda_vectors, kernel), types.void(*arguments[kernel])
    if kernel in SUMS:
        term, put_together, count = cuda_vectors.SUMS[kernel]
        made = cuda_vectors.make_sum(term, put_together, count)
        return made, types.void(*[line] * count, types.Array(types.float64, 1, "C"))
    module = UPDATES[kernel]
    choose = getattr(module, "variant", lambda options: (module.rule, module.STATE))
    rule, state = choose(module.Options())
    count = len(inspect.signature(getattr(rule, "py_func", rule)).parameters) - 2 - len(state)
    made = cuda_updates.make_sweep(rule, len(state), TREATMENTS[False, False])
    coefficients = types.UniTuple(number, 4), types.UniTuple(number, count)
    return made, types.void(line, line, lines, line, line, *coefficients)


def words(kernel, number, architecture):
    """The first columns of a row."""
    return kernel, number, "{}{}".format(*architecture)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kernel", "number"), CASES, ids=["-".join(case) for case in CASES])
def test_kernels_compile_and_take_no_more_than_before(kernel, number):
    if missing():
        pytest.skip(missing())
    text = ptx(*source(kernel, number), (8, 0))
    assert not re.search(r"^\s*\.extern(?! \.shared)", text, re.M), "calls a function that is not there"
    if kernel in UPDATES and number == "float32":
        assert ".f64" not in text, "a rule in float32 has no double"
    found = resources(text, (8, 0))
    before, of = table(TABLE)
    if of != versions():
        pytest.skip(f"it compiles; the table is of {of}, here is {versions()}")
    expected = before[words(kernel, number, (8, 0))]
    assert all(a <= b for a, b in zip(found, expected)), f"{dict(zip(COLUMNS, found))}; before: {expected}"


def test_the_table_has_a_row_for_every_kernel_and_no_spill():
    rows = table(TABLE)[0]
    assert set(rows) == {words(*row) for row in ROWS}
    assert not any(stores or loads for _, _, stores, loads in rows.values())


@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
def test_every_kernel_is_here():
    from secondorder.backends import cuda_vectors

    assert list(ENTRYWISE) == [kernel.__name__ for kernel in cuda_vectors.ENTRYWISE]
    assert list(cuda_vectors.SUMS) == SUMS
    assert [kernel.__name__ for kernel in cuda_vectors.OVER_ROWS] == OVER_ROWS


if __name__ == "__main__":
    print(f"# {versions()}")
    print(",".join(["kernel", "number", "sm", *COLUMNS]))
    for row in ROWS:
        print(",".join(map(str, [*words(*row), *resources(ptx(*source(*row[:2]), row[2]), row[2])])), flush=True)
