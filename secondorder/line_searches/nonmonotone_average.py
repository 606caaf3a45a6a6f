r"""Zhang-Hager: backtracking below a running average of f.

With phi(alpha) = f(x + alpha d), a step is accepted when

    phi(alpha) <= A_k + c1 alpha phi'(0),      or by A2 of `armijo`;

A_0 = f_0, Q_0 = 1;   Q_k+1 = average Q_k + 1,   A_k+1 = (average Q_k A_k + f_k+1) / Q_k+1.      ([1] eq. 1.5, 1.6)

average = 0 is `armijo`, average = 1 the plain mean of all f. Loop, cost and interpolation are those of `armijo`.

Differs from [1]: no Wolfe condition; A_k = f where rounding has put it lower.

References
----------
[1] Zhang, Hager. A nonmonotone line search technique and its application to unconstrained optimization.
    SIAM J. Optim. 14 (2004) 1043-1056. doi:10.1137/S1052623403428208
"""

from secondorder.line_searches.armijo import backtrack
from secondorder.line_searches.memory import AVERAGE_F

NEEDS_FUN = True


def search(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """A nonmonotone Armijo step along d; see `memory` for the contract of a search."""
    reference = max(f, memory[AVERAGE_F])
    return backtrack(fun, fun_grad, x, f, slope, reference, d, alpha0, xt, gt, memory, options, control, data)
