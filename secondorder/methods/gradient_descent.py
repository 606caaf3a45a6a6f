r"""Gradient descent: steps along the negative gradient.

Minimise f: R^n -> R. With g = grad f(x):

    1.  stop if |g|_inf <= gtol
    2.  d = -g
    3.  alpha = search(f, x, d), tried first at a Barzilai-Borwein step     ([1]; other initial-step rules by name)
    4.  x <- x + alpha d

With the search "nonmonotone" this is the spectral (global Barzilai-Borwein) gradient method ([2]), the default; with
"fixed" and initial_step="constant" it is plain gradient descent.

Cost of an iteration: f and g as the search asks. Memory: 4 vectors of length n.

References
----------
[1] Barzilai, Borwein. Two-point step size gradient methods. IMA J. Numer. Anal. 8 (1988) 141-148.
    doi:10.1093/imanum/8.1.141
[2] Raydan. The Barzilai and Borwein gradient method for the large scale unconstrained minimization problem.
    SIAM J. Optim. 7 (1997) 26-33. doi:10.1137/S1052623494266365
"""

from typing import NamedTuple

from secondorder.control import GNORM, N_ITER, F, accept, stopping_test
from secondorder.linalg.vectors import copy, scale
from secondorder.line_searches.memory import N_MEMORY, forget
from secondorder.methods.step import after_failure, descend
from secondorder.status import RUNNING, Outcome

NEEDS = ("grad",)
SEARCH = {"line_search": "nonmonotone", "initial_step": "barzilai-borwein"}


class Options(NamedTuple):
    """Options of gradient descent."""

    restart: bool = True  # after a failed search, try once more from the first step's length


def n_work(n, options):
    """Rows of length n in `work`."""
    return 4


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY


def solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    g, gt, xt, d = work[0], work[1], work[2], work[3]
    fresh = not options.restart  # the first step's length is in use: no past to blame

    f = control.values[F]
    forget(memory, f)
    reason = stopping_test(f, g, control)
    while reason == RUNNING:
        scale(-1.0, g, d)
        alpha, ft, slope = descend(search, fun, fun_grad, x, f, g, d, xt, gt, memory, search_options, control, data)
        if alpha == 0.0:
            reason = after_failure(f, slope, fresh, memory, control)
            fresh = True
            continue
        fresh = not options.restart
        f = accept(x, f, xt, ft, alpha, slope, control)
        copy(gt, g)
        reason = stopping_test(f, g, control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
