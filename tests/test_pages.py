"""The pages in docs are true: their programs print what they show, their tables are the code's."""

import contextlib
import io
import linecache
import pathlib
import re

import pytest

from secondorder.derivatives.autodiff.numpy_functions import FUNCTION_ROWS, METHOD_ROWS

DOCS = pathlib.Path(__file__).parents[1] / "docs"
TEXTS = {page: (DOCS / f"{page}.md").read_text(encoding="utf-8") for page in ("differentiable", "batches")}


def blocks(page, language):
    """[(text, line)] of the fenced blocks of a language, in order."""
    text = TEXTS[page]
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    return [(match[1], text.count("\n", 0, match.start(1))) for match in found]


def printed(page):
    """What the programs print, run in order in one namespace; each is a file, for their source to be read."""
    names, outputs = {"__name__": page}, []
    for text, line in blocks(page, "python"):
        out, file = io.StringIO(), f"<{page}.md, line {line}>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        with contextlib.redirect_stdout(out):
            exec(compile(text, file, "exec"), names)
        outputs.append(out.getvalue())
    return outputs


@pytest.mark.parametrize("page", TEXTS)
def test_programs_print_what_is_shown(page):
    found, shown = printed(page), [text for text, _ in blocks(page, "text")]
    assert len(found) == len(shown)
    for text, expected in zip(found, shown):
        assert text.startswith(expected.rstrip("\n")), text


def group(function):
    """The row of the table that a function belongs to."""
    module = getattr(function, "__module__", None) or "numpy"
    return {"builtins": "builtins", "math": "math", "numpy.linalg": "numpy.linalg"}.get(module, "numpy")


def test_the_table_of_functions_is_the_codes():
    rows, text = {}, TEXTS["differentiable"]
    for line in text[text.index("| of | functions |") :].split("\n\n")[0].splitlines()[2:]:
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
        assert f"| `so.{name}(" in TEXTS["differentiable"]
