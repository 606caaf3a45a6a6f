"""Minimize differentiable functions with compiled line-search and second-order methods.

    import secondorder as so
    result = so.minimize(fun, x0)

See `minimize`. The tables METHODS, LINE_SEARCHES and PROBLEMS list what there is.
"""

from secondorder.line_searches import LINE_SEARCHES
from secondorder.line_searches.memory import SearchOptions
from secondorder.methods import METHODS
from secondorder.minimize import minimize
from secondorder.objective import Objective
from secondorder.result import OptimizeResult
from secondorder.scipy_interface import scipy_method

__all__ = [
    "LINE_SEARCHES",
    "METHODS",
    "PROBLEMS",
    "Objective",
    "OptimizeResult",
    "SearchOptions",
    "minimize",
    "scipy_method",
]
__version__ = "0.1.0"


def __getattr__(name):
    # what only some runs need is imported on use
    if name == "PROBLEMS":
        from secondorder.problems import PROBLEMS

        return PROBLEMS
    raise AttributeError(f"module 'secondorder' has no attribute {name!r}")
