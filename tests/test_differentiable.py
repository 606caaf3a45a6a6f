"""docs/differentiable.md is true: its programs print what it shows, its table of functions is the code's."""

import pytest

from secondorder.derivatives.autodiff.numpy_functions import FUNCTION_ROWS, METHOD_ROWS
from tests.pages import Page

PAGE = Page("docs/differentiable.md")


@pytest.fixture(scope="module")
def printed():
    return PAGE.printed()


def test_programs_print_what_is_shown(printed):
    shown = [text for text, _ in PAGE.blocks("text")]
    assert len(printed) == len(shown)
    for text, expected in zip(printed, shown):
        assert text.startswith(expected.rstrip("\n")), text


def group(function):
    """The row of the table that a function belongs to."""
    module = getattr(function, "__module__", None) or "numpy"
    return {"builtins": "builtins", "math": "math", "numpy.linalg": "numpy.linalg"}.get(module, "numpy")


def test_the_table_of_functions_is_the_codes():
    rows = {}
    for of, names in PAGE.rows("of"):
        rows[of] = names.split(", ")
    expected = {"methods of arrays": sorted(METHOD_ROWS)}
    for function in FUNCTION_ROWS:
        expected.setdefault(group(function), set()).add(function.__name__)
    expected = {of: sorted(names) for of, names in expected.items()}
    rows.pop("attributes of arrays")
    assert rows == expected


def test_every_public_derivative_is_in_the_table():
    for name in ("grad", "value_and_grad", "hvp", "hessian", "jvp", "vjp", "jacobian", "gauss_newton"):
        assert f"| `so.{name}(" in PAGE.text
