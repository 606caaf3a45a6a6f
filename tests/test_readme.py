"""The README is true: its programs run and print what it shows, its tables are those of the code."""

import pathlib
import re

import pytest

from secondorder import LINE_SEARCHES, METHODS, minimize
from secondorder.choice import CHOICES
from secondorder.escapes import ESCAPES
from secondorder.fits import FITS
from secondorder.line_searches.initial_step import INITIAL_STEPS
from secondorder.line_searches.memory import SearchOptions
from secondorder.losses import LOSSES
from secondorder.objective import DIFFERENCES
from secondorder.options import SCIPY_NAMES, RunOptions
from secondorder.problems import PROBLEMS
from secondorder.status import REASONS
from secondorder.updates import UPDATES
from secondorder.updates.schedules import SCHEDULES

PATH = pathlib.Path(__file__).parents[1] / "README.md"
README = PATH.read_text(encoding="utf-8")


def blocks(language):
    """[(text, line)] of the fenced blocks of a language, in order."""
    found = re.finditer(rf"^```{language}\n(.*?)^```", README, re.M | re.S)
    return [(match[1], README.count("\n", 0, match.start(1))) for match in found]


def table(first):
    """The rows of the one table whose first heading is `first`, as dicts by heading."""
    lines = README.splitlines()
    at = [k for k, line in enumerate(lines) if line.startswith(f"| {first} |")]
    assert len(at) == 1, f"{len(at)} tables begin with {first!r}"
    headings, *rows = [cells(line) for line in _while_table(lines[at[0] :]) if not line.startswith("|---")]
    assert all(len(row) == len(headings) for row in rows)
    return [dict(zip(headings, row)) for row in rows]


def _while_table(lines):
    for line in lines:
        if not line.startswith("|"):
            return
        yield line


def cells(line):
    return [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def number(text, **names):
    """The value of a formula as the README writes it: 2 m + 4, 2^-26."""
    text = re.sub(r"(\d) (?=[a-z])", r"\1 * ", text).replace("^", "**")
    return eval(text, {"__builtins__": {}, "inf": float("inf"), "min": min} | names)


def surnames(reference):
    return re.findall(r"[A-Z][a-z]+", reference)


def words_of(module):
    return re.sub(r"\s+", " ", module.__doc__)


# ---------------------------------------------------------------------------------------------- its programs


@pytest.fixture(scope="module")
def printed():
    """What each python block printed; all of them run in order in one namespace, as a reader would."""
    import contextlib
    import io

    names, outputs = {"__name__": "readme"}, []
    for text, line in blocks("python"):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * line + text, str(PATH), "exec"), names)
        outputs.append(out.getvalue())
    return outputs


def shape(text):
    """Words of a printed text, with its numbers left out: their last digits differ from machine to machine."""
    return re.findall(r"[a-z_]+", re.sub(r"[-+]?\d[\d.]*(e[-+]?\d+)?", "", text), re.I)


def test_programs_run_and_print_what_is_shown(printed):
    assert len(printed) == README.count("```python") > 10
    shown = [text for text, _ in blocks("text")]
    assert [shape(text) for text in printed if text] == [shape(text) for text in shown]


# ------------------------------------------------------------------------------------------------ its tables


def test_the_table_of_methods_is_METHODS():
    assert [row["method"] for row in table("method")] == list(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_row_of_the_table_of_methods_is_what_its_module_says(name):
    row, module = {row["method"]: row for row in table("method")}[name], METHODS[name]
    assert row["needs"] == ", ".join(module.NEEDS)
    search = module.SEARCH or {"line_search": "–", "initial_step": "–"}
    assert (row["line search"], row["first trial"]) == (search["line_search"], search["initial_step"])
    options = module.Options()
    for n in (1, 7, 1000):
        assert number(row["memory"], n=n, m=getattr(options, "m", None)) == module.n_work(n, options)
    for surname in surnames(row["reference"]):
        assert surname in words_of(module)


def test_the_table_of_choices_is_CHOICES():
    rows = [
        (row["second derivatives given or exact"], row["method"]) for row in table("second derivatives given or exact")
    ]
    assert rows == [(choice.second, choice.method) for choice in CHOICES]
    assert {row.most for row in CHOICES} == {128, float("inf")}


def test_the_table_of_fits_is_FITS():
    assert [row["fit"] for row in table("fit")] == list(FITS)
    for row in table("fit"):
        module = FITS[row["fit"]]
        assert row["needs"] == ", ".join(module.NEEDS)
        for n in (1, 7, 1000):
            assert number(row["memory, of length n"], n=n) == module.n_work(n, module.Options())
            assert number(row["of length m"], n=n) == module.n_fit(n, module.Options())
        for surname in surnames(row["reference"]):
            assert surname in words_of(module)


def test_the_table_of_updates_is_UPDATES():
    assert [row["update"] for row in table("update")] == list(UPDATES)
    for row in table("update"):
        module = UPDATES[row["update"]]
        options = module.Options()
        assert (row["class"], int(row["state"])) == (module.NAME, len(module.STATE))
        assert float(row["default lr"]) == options.lr
        for surname in surnames(row["reference"]):
            assert surname in words_of(module)


def test_schedules_and_losses_are_all_named():
    section = README[README.index("## First-order updates") :].split("\n## ")[0]
    words = set(re.findall(r"\w+", section))
    assert {name.replace("-", "_") for name in (*SCHEDULES, *LOSSES)} <= words


def test_the_table_of_line_searches_is_LINE_SEARCHES():
    assert [row["line search"] for row in table("line search")] == list(LINE_SEARCHES)


@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_a_row_of_the_table_of_line_searches_is_what_its_module_says(name):
    row, module = {row["line search"]: row for row in table("line search")}[name], LINE_SEARCHES[name]
    assert (row["a trial costs"] == "f") == module.NEEDS_FUN
    for surname in surnames(row["reference"]):
        assert surname in words_of(module)


def test_the_table_of_escapes_is_ESCAPES():
    rows = table("escape")
    assert [row["escape"] for row in rows] == list(ESCAPES)
    for row in rows:
        module = ESCAPES[row["escape"]]
        assert row["needs"] == module.NEEDS
        for surname in surnames(row["reference"]):
            assert surname in words_of(module)


def test_the_table_of_statuses_is_that_of_status():
    rows = {(int(row["status"]), name) for row in table("status") for name in row["reason"].split(", ")}
    assert rows == {(reason.status, reason.name) for reason in REASONS.values()}


def test_the_table_of_options_has_every_option_and_its_default():
    rows = {row["option"]: row["default"] for row in table("option")}
    assert list(rows) == [name for name in RunOptions._fields if name != "strict"]  # strict is not the user's
    for name, default in rows.items():
        expected = RunOptions._field_defaults[name]
        assert (default if isinstance(expected, str) else number(default, true=True)) == expected, name


def test_the_ways_to_a_gradient_are_all_there_with_their_cost():
    rows = {row["result.derivatives"]: row["evaluations of f for one gradient"] for row in table("how")}
    assert set(rows) == {"given", "exact"} | {words for words, _ in DIFFERENCES.values()}
    assert rows["given"] == rows["exact"] == "1"
    for words, cost in DIFFERENCES.values():
        assert all(number(rows[words], n=n) == cost(n) for n in (1, 5))


# -------------------------------------------------------------------------------------------- names and claims


def test_initial_steps_are_all_named():
    listed = README[README.index("The first trial step is a rule of its own") :].split("\n\n")[0]
    assert set(INITIAL_STEPS) <= set(re.findall(r"`([a-z-]+)`", listed))


def test_scipys_option_names_are_all_named():
    listed = README[README.index("Options by scipy's names") :].split("What differs")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == set(SCIPY_NAMES)


def test_the_number_of_problems_and_searches_is_right():
    assert f"{len(PROBLEMS)} classic test functions" in README
    assert "seven line searches" in README and len(LINE_SEARCHES) == 7


def test_the_default_method_and_the_fields_are_those_named():
    result = minimize(lambda x: (x[0] - 1.0) ** 2, [0.0], method="bfgs", options={"history": True})
    named = set(re.findall(r"`(\w+)`", README[README.index("## What a result says") : README.index("## Where deriv")]))
    assert set(result) <= named
    assert set(result.history) <= named
    assert minimize(lambda x: (x[0] - 1.0) ** 2, [0.0]).method == "l-bfgs"


def test_the_signature_of_a_search_is_the_real_one():
    import inspect

    real = ", ".join(inspect.signature(LINE_SEARCHES["armijo"].search).parameters)
    assert f"def halving({real}):" in README
    assert "max_trials" in SearchOptions._fields and "c1" in SearchOptions._fields


def test_every_file_that_is_named_exists():
    root = pathlib.Path(__file__).parents[1]
    named = set(re.findall(r"`?((?:secondorder|tests|examples|benchmarks|docs)/[\w./]*)", README))
    assert named
    for path in named:
        assert (root / path.rstrip(".")).exists(), path
