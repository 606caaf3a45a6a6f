r"""The step alpha0 as it is: one evaluation, no test of decrease.

    1.  alpha = alpha0; refused where f or the gradient is not finite, or where x + alpha d rounds to x

For step lengths that come from theory (1/L), from a Barzilai-Borwein rule, or from a Newton method near its solution.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 3.1.
"""

from secondorder.control import F_MIN
from secondorder.line_searches.trial import evaluate, is_finite

NEEDS_FUN = False


def search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """The step alpha0 along d; see `memory` for the contract of a search."""
    ft, st = evaluate(fun_grad, x, d, alpha0, xt, gt, control, data)
    changed = ft != f or st != slope
    if ft <= control.values[F_MIN] or (is_finite(ft, st) and changed):
        return alpha0, ft
    return 0.0, f
