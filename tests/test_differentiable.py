"""docs/differentiable.md is true: its programs print what it shows, its table of functions is the code's."""

import contextlib
import io
import linecache
import pathlib
import re

import pytest

from secondorder.derivatives.autodiff.numpy_functions import FUNCTION_ROWS, METHOD_ROWS

PATH = pathlib.Path(__file__).parents[1] / "docs" / "differentiable.md"
TEXT = PATH.read_text(encoding="utf-8")


def blocks(language):
    """[(text, line)] of the fenced blocks of a language, in order."""
    found = re.finditer(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)
    return [(match[1], TEXT.count("\n", 0, match.start(1))) for match in found]


@pytest.fixture(scope="module")
def printed():
    """What the programs print, run in order in one namespace; each is a file, for their source to be read."""
    names, outputs = {"__name__": "differentiable"}, []
    for text, line in blocks("python"):
        out, file = io.StringIO(), f"<differentiable.md, line {line}>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        with contextlib.redirect_stdout(out):
            exec(compile(text, file, "exec"), names)
        outputs.append(out.getvalue())
    return outputs


def test_programs_print_what_is_shown(printed):
    shown = [text for text, _ in blocks("text")]
    assert len(printed) == len(shown)
    for text, expected in zip(printed, shown):
        assert text.startswith(expected.rstrip("\n")), text


def group(function):
    """The row of the table that a function belongs to."""
    module = getattr(function, "__module__", None) or "numpy"
    return {"builtins": "builtins", "math": "math", "numpy.linalg": "numpy.linalg"}.get(module, "numpy")


def test_the_table_of_functions_is_the_codes():
    rows = {}
    for line in TEXT[TEXT.index("| of | functions |") :].split("\n\n")[0].splitlines()[2:]:
        of, names = (cell.strip() for cell in line.strip("|").split("|"))
        rows[of] = names.split(", ")
    expected = {"methods of arrays": sorted(METHOD_ROWS)}
    for function in FUNCTION_ROWS:
        expected.setdefault(group(function), set()).add(function.__name__)
    expected = {of: sorted(names) for of, names in expected.items()}
    rows.pop("attributes of arrays")
    assert rows == expected


def test_every_public_derivative_is_in_the_table():
    for name in ("grad", "value_and_grad", "hvp", "hessian", "jvp", "vjp", "jacobian", "gauss_newton"):
        assert f"| `so.{name}(" in TEXT
