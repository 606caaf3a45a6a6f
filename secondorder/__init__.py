"""Minimize differentiable functions with compiled line-search and second-order methods.

    import secondorder as so
    result = so.minimize(fun, x0)

See `minimize`. The tables METHODS, UPDATES, LINE_SEARCHES, LOSSES and PROBLEMS list what there is.
"""

import importlib

from secondorder.least_squares import least_squares
from secondorder.line_searches import LINE_SEARCHES
from secondorder.line_searches.memory import SearchOptions
from secondorder.methods import METHODS
from secondorder.minimize import minimize
from secondorder.objective import Objective
from secondorder.result import Certificate, OptimizeResult
from secondorder.scipy_interface import scipy_method

__all__ = [
    "FISTA",
    "LINE_SEARCHES",
    "LOSSES",
    "METHODS",
    "PROBLEMS",
    "SGD",
    "UPDATES",
    "AMSGrad",
    "AdaBelief",
    "AdaDelta",
    "AdaGrad",
    "AdaHessian",
    "AdaMax",
    "Adam",
    "AdamW",
    "BatchResult",
    "Certificate",
    "DeltaBarDelta",
    "ExponentialAverage",
    "FiniteSum",
    "Fitted",
    "IRpropMinus",
    "IRpropPlus",
    "Lion",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Objective",
    "OptimizeResult",
    "PolyakAverage",
    "Quickprop",
    "RAdam",
    "RMSProp",
    "RangeTest",
    "RpropMinus",
    "RpropPlus",
    "SearchOptions",
    "Sophia",
    "Unsupported",
    "Update",
    "Yogi",
    "certify",
    "cg",
    "chain",
    "check_derivatives",
    "classify",
    "curve_fit_batch",
    "derivative",
    "draw_starts",
    "fit",
    "from_autograd",
    "from_jax",
    "from_torch",
    "gauss_newton",
    "grad",
    "grid_search",
    "hessian",
    "hessian_at",
    "hvp",
    "jacobian",
    "jvp",
    "kernels",
    "lanczos",
    "learning_rate_range_test",
    "least_squares",
    "least_squares_batch",
    "losses",
    "minimize",
    "minimize_batch",
    "minimize_on_device",
    "minres",
    "multistart",
    "perturb",
    "random_starts",
    "schedules",
    "scipy_method",
    "value_and_grad",
    "vjp",
]
__version__ = "0.1.0"


# what only some runs need is imported on use
_UPDATES = (
    *("SGD", "Momentum", "Nesterov", "FISTA", "AdaGrad", "AdaDelta", "RMSProp", "Adam", "AdamW", "AMSGrad", "NAdam"),
    *("AdaMax", "RAdam", "AdaBelief", "Yogi", "Lion", "RpropPlus", "RpropMinus", "IRpropPlus", "IRpropMinus"),
    *("Quickprop", "DeltaBarDelta", "AdaHessian", "Sophia", "Update"),
)
_ON_USE = dict.fromkeys(_UPDATES, "secondorder.update") | {
    "ExponentialAverage": "secondorder.averages",
    "FiniteSum": "secondorder.finite_sum",
    "Fitted": "secondorder.fitting",
    "fit": "secondorder.fitting",
    "LOSSES": "secondorder.losses",
    "PolyakAverage": "secondorder.averages",
    "RangeTest": "secondorder.tuning",
    "UPDATES": "secondorder.updates",
    "grid_search": "secondorder.tuning",
    "learning_rate_range_test": "secondorder.tuning",
    "BatchResult": "secondorder.batch",
    "PROBLEMS": "secondorder.problems",
    "Unsupported": "secondorder.derivatives.errors",
    "certify": "secondorder.certificate",
    "cg": "secondorder.matrix_free",
    "chain": "secondorder.chaining",
    "check_derivatives": "secondorder.checking",
    "classify": "secondorder.certificate",
    "curve_fit_batch": "secondorder.fit_batch",
    "derivative": "secondorder.derivatives.autodiff.opaque",
    "draw_starts": "secondorder.starts",
    "from_autograd": "secondorder.adapters",
    "from_jax": "secondorder.adapters",
    "from_torch": "secondorder.adapters",
    "gauss_newton": "secondorder.derivatives.transforms",
    "grad": "secondorder.derivatives.transforms",
    "hessian": "secondorder.derivatives.transforms",
    "hessian_at": "secondorder.operators",
    "hvp": "secondorder.derivatives.transforms",
    "jacobian": "secondorder.derivatives.transforms",
    "jvp": "secondorder.derivatives.transforms",
    "lanczos": "secondorder.matrix_free",
    "least_squares_batch": "secondorder.fit_batch",
    "minimize_batch": "secondorder.batch",
    "minimize_on_device": "secondorder.device",
    "minres": "secondorder.matrix_free",
    "multistart": "secondorder.batch",
    "perturb": "secondorder.perturbing",
    "random_starts": "secondorder.starts",
    "value_and_grad": "secondorder.derivatives.transforms",
    "vjp": "secondorder.derivatives.transforms",
}


def __getattr__(name):
    if name in ("kernels", "losses", "schedules"):
        return importlib.import_module(f"secondorder.{name}")
    if name in _ON_USE:
        return getattr(importlib.import_module(_ON_USE[name]), name)
    raise AttributeError(f"module 'secondorder' has no attribute {name!r}")
