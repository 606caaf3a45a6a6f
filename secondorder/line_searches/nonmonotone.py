r"""Grippo-Lampariello-Lucidi: backtracking below the highest of the last values of f, not below the last one.

With phi(alpha) = f(x + alpha d), a step is accepted when

    phi(alpha) <= max(f_k, f_k-1, ..., f_k-window+1) + c1 alpha phi'(0),      or by A2 of `armijo`.

The loop, its cost and its interpolation (through phi(0), not through the reference) are those of `armijo`.

References
----------
[1] Grippo, Lampariello, Lucidi. A nonmonotone line search technique for Newton's method. SIAM J. Numer. Anal. 23 (1986)
    707-716. doi:10.1137/0723046
"""

from secondorder.line_searches.armijo import backtrack
from secondorder.line_searches.memory import highest

NEEDS_FUN = True


def search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """A nonmonotone Armijo step along d; see `memory` for the contract of a search."""
    reference = highest(memory, options.window)
    return backtrack(fun, fun_grad, x, f, slope, reference, d, alpha0, xt, gt, memory, options, control, data)
