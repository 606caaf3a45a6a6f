"""Second-order and line-search minimization, compiled by Numba."""

from secondorder.line_searches import LINE_SEARCHES
from secondorder.methods import METHODS
from secondorder.minimize import minimize
from secondorder.objective import Objective
from secondorder.result import OptimizeResult

__all__ = ["LINE_SEARCHES", "METHODS", "Objective", "OptimizeResult", "minimize"]
__version__ = "0.1.0.dev0"
