"""docs/updates.md is true: its programs print what it shows; it names what there is."""

import contextlib
import io
import linecache
import pathlib
import re

import secondorder as so
from secondorder.update import CLASSES
from secondorder.updates.epochs import REDUCTIONS
from secondorder.updates.schedules import SCHEDULES

TEXT = (pathlib.Path(__file__).parents[2] / "docs" / "updates.md").read_text(encoding="utf-8")


def blocks(language):
    """[(text, line)] of the fenced blocks of a language, in order."""
    found = re.finditer(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)
    return [(match[1], TEXT.count("\n", 0, match.start(1))) for match in found]


def test_programs_print_what_is_shown():
    names, shown = {"__name__": "updates"}, [text for text, _ in blocks("text")]
    for (text, line), expected in zip(blocks("python"), shown, strict=True):
        out, file = io.StringIO(), f"<updates.md, line {line}>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        with contextlib.redirect_stdout(out):
            exec(compile(text, file, "exec"), names)
        assert out.getvalue() == expected


def cells(*header):
    """Rows of the table with this header."""
    lines = TEXT[TEXT.index("| " + " | ".join(header) + " |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_all_schedules_and_ways_to_reduce_variance_are_named():
    named = [row[0].strip("`") for row in cells("schedule", "lr after t steps", "as in")]
    assert named == [name.replace("-", "_") for name in SCHEDULES]
    ways = [
        row[0].strip('`"') for row in cells("`variance_reduction`", "memory", "gradients of a row in an epoch", "for")
    ]
    assert ways == [name for name in REDUCTIONS if name != "none"]


def test_the_options_that_give_the_other_convention_exist():
    for rules, _question, _default, other in cells("rule", "question", "default", "the other"):
        for given in re.findall(r"`([^`]*=[^`]*)`", other):
            for rule in re.findall(r"`([^`]+)`", rules):
                made = eval(f"make({given})", {"make": CLASSES[rule]})
                assert isinstance(made, so.Update) and "=" in repr(made).partition("lr=")[2]
