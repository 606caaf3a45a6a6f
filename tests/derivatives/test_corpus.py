"""Derivatives of every program of the corpus are right, run in the interpreter and, for some, compiled."""

import pytest

from tests.derivatives.corpus import PROGRAMS, arguments
from tests.derivatives.judge import derive, judge

NAMES = [function.__name__ for function, _, _ in PROGRAMS]


def check(errors):
    """Errors are those of rounding; where the complex step isn't possible, those of differences."""
    independent = 1e-10 if errors.analytic else 1e-6
    assert errors.value <= 1e-13
    assert errors.gradient <= 1e-10
    assert errors.forward <= independent
    assert errors.symmetry <= 1e-12
    assert errors.hessian_vector <= independent


def test_the_corpus_is_large():
    assert len(PROGRAMS) >= 80
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(("function", "make", "compiled"), PROGRAMS, ids=NAMES)
def test_derivatives_are_right(function, make, compiled):
    args = arguments(make)
    check(judge(function, args, derive(function, args)))


@pytest.mark.parametrize(
    ("function", "make"), [p[:2] for p in PROGRAMS if p[2]], ids=lambda p: getattr(p, "__name__", "")
)
def test_compiled_derivatives_are_right(function, make):
    args = arguments(make)
    check(judge(function, args, derive(function, args, compiled=True)))
