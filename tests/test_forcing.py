"""Inner systems are solved as exactly as a run has use for, and no more."""

import numpy as np
import pytest

from secondorder import Objective, minimize

N = 60
CURVATURES = np.geomspace(1e-2, 1.0, N)
EXACTLY = {"forcing": "constant", "eta_max": 1e-13}


def fun_grad(x, g):
    g[:] = CURVATURES * x
    return 0.5 * x @ g


def hvp(x, v, out):
    out[:] = CURVATURES * v


def run(method, grtol):
    options = EXACTLY | {"grtol": grtol} | ({"delta0": 1e3} if method.startswith("trust") else {})
    options |= {"preconditioner": "none"} if method != "trust-krylov" else {}
    objective = Objective(fun_grad, hvp=hvp)
    return minimize(objective, np.ones(N), (), method, backend="python", options=options, second_order=False)


@pytest.mark.parametrize("method", ["newton-cg", "trust-ncg", "trust-krylov"])
def test_no_system_is_solved_beyond_the_tolerance_of_the_gradient(method):
    rough, fine = run(method, 1e-3), run(method, 1e-9)
    for result in (rough, fine):
        assert result.success and result.nit == 1
    steps, r, p = 0, CURVATURES, -CURVATURES
    while np.max(abs(r)) > 0.5e-3 * np.max(CURVATURES):  # conjugate gradients of the textbook
        before, r = r @ r, r + r @ r / (p @ (CURVATURES * p)) * CURVATURES * p
        p, steps = -r + r @ r / before * p, steps + 1
    assert steps <= rough.nhev <= steps + 4  # trust-krylov measures r in the 2-norm
    assert fine.nhev > 1.5 * rough.nhev
