"""docs/saddles.md is true: its programs print what it shows, its words are the code's."""

from secondorder.backends.saddle import BOUNDS, VERDICTS
from secondorder.escapes import ESCAPES
from secondorder.status import REASONS
from tests.pages import Page

PAGE = Page("docs/saddles.md")


def test_programs_print_what_is_shown():
    shown, printed = [text for text, _ in PAGE.blocks("text")], PAGE.printed()
    assert len(printed) == len(shown)
    for text, expected in zip(printed, shown, strict=True):
        assert text == expected


def test_the_verdicts_are_all_there():
    rows = PAGE.rows("verdict")
    assert {row[0] for row in rows} == {*VERDICTS, "not stationary"}
    names = {reason.name for reason in REASONS.values()}
    assert {row[3] for row in rows} - names == {"as without looking", ""}


def test_the_bounds_are_all_there():
    assert {row[0] for row in PAGE.rows("`bound`")} == set(BOUNDS) - {"unknown"}


def test_the_escapes_are_all_there():
    assert [row[0] for row in PAGE.rows("escape")] == list(ESCAPES)
