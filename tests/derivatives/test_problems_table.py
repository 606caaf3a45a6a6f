"""Generated gradient and Hessian-vector product of every problem of PROBLEMS: the hand-written ones to rounding."""

import math

import numpy as np
import pytest

from secondorder.derivatives.autodiff.emit import Text
from secondorder.derivatives.autodiff.ir import Kind
from secondorder.derivatives.autodiff.module import PRODUCTS, Generated
from secondorder.problems import PROBLEMS

ROUNDING = 1e-13  # relative to the largest entry; sums of products are added up in other orders
COMPILED = ("rosenbrock", "beale", "allen-cahn")


def interpreted(made, product):
    """The generated function as plain Python, with math's exp and log: the package's own run in compiled code only."""
    program = PRODUCTS[product](made.primal)
    written = Text(program, f"{product}_of_{program.name}")
    names = {"math": math, "np": np, **written.named}
    exec(written.source, names)
    return next(value for name, value in names.items() if name.startswith(f"{product}_of_"))


def points(problem):
    """The standard start, and a point beside it."""
    x = np.asarray(problem.x0(), np.float64)
    assert math.isfinite(problem.fun(x))
    step = 0.01 * np.random.default_rng(7).standard_normal(x.size)
    return x, x + step * np.maximum(1.0, np.abs(x))


def close(ours, theirs):
    """Equal to rounding."""
    assert np.abs(ours - theirs).max() <= ROUNDING * np.abs(theirs).max()


def compare(problem, gradient, hvp):
    """Generated functions against those of the problem."""
    for x in points(problem):
        g, theirs = np.full(x.size, np.inf), np.full(x.size, np.inf)
        with np.errstate(all="ignore"):
            f = gradient(x, g)
            assert f == pytest.approx(problem.fun_grad(x, theirs), rel=1e-14, nan_ok=True)
            if math.isnan(f):  # outside the domain: to generated code a constant
                continue
            close(g, theirs)
            v = np.random.default_rng(8).standard_normal(x.size)
            hvp(x, v, g)
            problem.hvp(x, v, theirs)
            close(g, theirs)


@pytest.mark.parametrize("name", PROBLEMS)
def test_generated_derivatives_are_the_hand_written_ones(name):
    problem = PROBLEMS[name]
    made = Generated(problem.fun, [Kind("f", 1)])
    compare(problem, interpreted(made, "gradient"), interpreted(made, "hvp"))


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_too(name):
    problem = PROBLEMS[name]
    made = Generated(problem.fun, [Kind("f", 1)])
    compare(problem, made.compiled("gradient"), made.compiled("hvp"))
