"""A region grows fast where the model is the function, so that quadratic functions take a few steps."""

import numpy as np
import pytest

from secondorder import Objective, minimize

N = 6
CURVATURES = np.geomspace(1e-3, 1e3, N)
SHORT = {"delta0": 1e-4}  # of the way to the minimizer, whose length is some 2.4
ROWS = [
    ("trust-exact", SHORT, 5),
    ("trust-exact", SHORT | {"spectral": 0}, 5),
    ("trust-krylov", SHORT | {"forcing": "constant", "eta_max": 1e-12}, 5),
    ("dogleg", SHORT, 5),
    ("trust-subspace", SHORT, 5),
    ("arc", {"sigma0": 1e8}, 7),
    ("arc-krylov", {"sigma0": 1e8, "forcing": "constant", "eta_max": 1e-12}, 7),
]


def fun_grad(x, g):
    g[:] = CURVATURES * (x - 1.0)
    return 0.5 * (x - 1.0) @ g


def hvp(x, v, out):
    out[:] = CURVATURES * v


def hess(x, H):
    H[:] = np.diag(CURVATURES)


@pytest.mark.parametrize(("method", "options", "most"), ROWS)
def test_a_quadratic_takes_few_steps_from_any_radius(method, options, most):
    objective = Objective(fun_grad, hvp=hvp, hess=hess)
    result = minimize(
        objective, np.zeros(N), (), method, backend="python", options=options | {"grtol": 1e-12}, second_order=False
    )
    assert result.success and result.nit <= most
    assert np.allclose(result.x, 1.0, rtol=0.0, atol=1e-6)
