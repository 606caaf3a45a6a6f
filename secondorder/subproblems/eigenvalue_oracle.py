r"""The minimum-eigenvalue oracle of Newton-CG with complexity guarantees, and the certificate that it writes.

Where the gradient is small: Lanczos from a random start (subproblems.least_curvature), which ends with

    v, |v| = 1, and v'Hv < -eps_H / 2, eps_H = eps_h |H|      once the Ritz vector is good to a tenth
    lambda_1 >= -eps_H, but for a probability `failure`       once the bound of the Ritz values says so, or exactly
    neither                                                   after m products

as the oracle of [1] does. The certificate has the lowest Ritz value, the bound -eps_H, the probability that lambda_1
is below it all the same, and the products that were made.

Differs from [1]: the number of products is not fixed beforehand, from |H| and eps_H; it is seen from the Ritz values
when they do (least_curvature.lanczos_bound).

References
----------
[1] Royer, O'Neill, Wright. A Newton-CG algorithm with complexity guarantees for smooth unconstrained optimization.
    Math. Prog. 180 (2020) 451-488. doi:10.1007/s10107-019-01362-7
"""

import math

from secondorder.jit import leaf, loop
from secondorder.linalg.random_vector import random_normal
from secondorder.subproblems.least_curvature import by_lanczos

CERTIFICATE = ("curvature", "bound", "failure", "products")
N_CERTIFICATE = len(CERTIFICATE)


def oracle_fields(n, work, row, scale):
    """The certificate as a field of the result; f was multiplied by `scale`."""
    if n == 0:
        return {}
    values = work.reshape(-1)[row * n : row * n + N_CERTIFICATE].tolist()
    found = dict(zip(CERTIFICATE, values, strict=True))
    found["curvature"] /= scale
    found["bound"] /= scale
    found["products"] = int(found["products"])
    return {"oracle": found}


@leaf
def withdraw(certificate):
    """Nothing is known."""
    certificate[0] = certificate[1] = math.nan
    certificate[2], certificate[3] = 1.0, 0.0


@leaf
def certify(found, eps_h, certificate):
    """Write what Lanczos found."""
    bound = -eps_h * found.norm
    certificate[0], certificate[1], certificate[3] = found.least, bound, found.steps
    certificate[2] = found.below


@loop
def least_eigenvalue(hvp, x, V, options, stream, v, memory, certificate, control, data):
    """v <- the direction of the smallest Ritz value; the certificate is written. The Curvature. stream: of seeds."""
    random_normal(options.oracle_seed + stream, V[0])
    eps_h, failure = options.eps_h, options.failure
    found = by_lanczos(hvp, x, V, 0.5 * eps_h, -eps_h, 0.0, failure, v, memory, control, data)
    certify(found, eps_h, certificate)
    return found
