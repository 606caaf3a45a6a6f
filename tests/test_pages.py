"""The pages in docs are true: their programs print what they show, their tables are the code's."""

import pathlib

import pytest

from secondorder.backends.saddle import BOUNDS, VERDICTS
from secondorder.derivatives.autodiff.numpy_functions import FUNCTION_ROWS, METHOD_ROWS
from secondorder.escapes import ESCAPES
from secondorder.status import REASONS
from tests.pages import Page

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGES = {path.stem: Page(f"docs/{path.name}") for path in sorted(DOCS.glob("*.md"))}
PROGRAMS = [name for name, page in PAGES.items() if page.blocks("text")]


def test_there_are_programs():
    assert {"batches", "differentiable", "saddles", "updates"} <= set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_print_what_is_shown(name):
    shown, printed = [text for text, _ in PAGES[name].blocks("text")], PAGES[name].printed()
    assert len(printed) == len(shown)
    for text, expected in zip(printed, shown):
        assert text.startswith(expected.rstrip("\n")), text


# ------------------------------------------------------------------------------------------------- differentiable


def group(function):
    """The row of the table that a function belongs to."""
    module = getattr(function, "__module__", None) or "numpy"
    return {"builtins": "builtins", "math": "math", "numpy.linalg": "numpy.linalg"}.get(module, "numpy")


def test_the_table_of_functions_is_the_codes():
    rows = {of: names.split(", ") for of, names in PAGES["differentiable"].rows("of")}
    expected = {"methods of arrays": sorted(METHOD_ROWS)}
    for function in FUNCTION_ROWS:
        expected.setdefault(group(function), set()).add(function.__name__)
    expected = {of: sorted(names) for of, names in expected.items()}
    rows.pop("attributes of arrays")
    assert rows == expected


def test_every_public_derivative_is_in_the_table():
    for name in ("grad", "value_and_grad", "hvp", "hessian", "jvp", "vjp", "jacobian", "gauss_newton"):
        assert f"| `so.{name}(" in PAGES["differentiable"].text


# ------------------------------------------------------------------------------------------------- saddles


def test_the_verdicts_are_all_there():
    rows = PAGES["saddles"].rows("verdict")
    assert {row[0] for row in rows} == {*VERDICTS, "not stationary"}
    names = {reason.name for reason in REASONS.values()}
    assert {row[3] for row in rows} - names == {"as without looking", ""}


def test_the_bounds_are_all_there():
    assert {row[0] for row in PAGES["saddles"].rows("`bound`")} == set(BOUNDS) - {"unknown"}


def test_the_escapes_are_all_there():
    assert [row[0] for row in PAGES["saddles"].rows("escape")] == list(ESCAPES)
