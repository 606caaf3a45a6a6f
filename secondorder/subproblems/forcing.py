r"""Forcing terms: how exactly a Newton equation is solved, |H s + g| <= eta_k |g|.

    constant           eta_k = eta_max
    root               eta_k = min(eta_max, sqrt(|g_k| / |g_0|))                superlinear   ([1] p. 168, [2])
    linear             eta_k = min(eta_max, |g_k| / |g_0|)                      quadratic
    eisenstat-walker   eta_k = 0.9 (|g_k| / |g_k-1|)^phi, phi = (1 + sqrt 5) / 2, not below 0.9 eta_k-1^phi where that
                       is above 0.1                                             ([3] choice 2)

Ratios of gradients, so that the units of f don't matter. The equation is also done where its residual, the gradient
that is expected after the step, is at most GOAL times the tolerance of the gradient: what is solved beyond that the run
has no use for ([4] (6.20)).

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 7.1.
[2] Dembo, Steihaug. Truncated-Newton algorithms for large-scale unconstrained optimization. Math. Prog. 26 (1983)
    190-212. doi:10.1007/BF02592055
[3] Eisenstat, Walker. Choosing the forcing terms in an inexact Newton method. SIAM J. Sci. Comput. 17 (1996) 16-32.
    doi:10.1137/0917003
[4] Kelley. Iterative Methods for Linear and Nonlinear Equations. SIAM, 1995. Section 6.3.
"""

import math

from secondorder.control import THRESHOLD
from secondorder.jit import inlined, leaf

CONSTANT, ROOT, LINEAR, EISENSTAT_WALKER = 0, 1, 2, 3
FORCINGS = {"constant": CONSTANT, "root": ROOT, "linear": LINEAR, "eisenstat-walker": EISENSTAT_WALKER}
GOAL = 0.5  # [4] (6.20): the other half is left to what the model does not know
GOLDEN = 0.5 * (1.0 + math.sqrt(5.0))


@leaf
def forcing_term(rule, eta_max, gnorm, last, first, eta):
    """eta_k; gnorm, last, first: the 2-norms of this gradient, the last one and that at the start; eta: eta_k-1."""
    if rule == CONSTANT:
        return eta_max
    if rule == ROOT:
        return min(eta_max, math.sqrt(gnorm / first))
    if rule == LINEAR:
        return min(eta_max, gnorm / first)
    term, guard = 0.9 * (gnorm / last) ** GOLDEN, 0.9 * eta**GOLDEN
    if guard > 0.1:
        term = max(term, guard)
    return min(eta_max, term)


@inlined
def residual_goal(control):
    """The |residual|_inf at which the equation is solved well enough for the run to end."""
    return GOAL * control.values[THRESHOLD]
