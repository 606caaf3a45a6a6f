r"""The minimum-eigenvalue oracle of Newton-CG with complexity guarantees, and the certificate that it writes.

Where the gradient is small: Lanczos from a random start gives v, |v| = 1, and v'Hv, or says that lambda_1 >= -eps_H =
-eps_h |H| but for a small probability ([1] procedure 2, lemma 2). The certificate has the lowest Ritz value, the bound
-eps_H, the probability that lambda_1 is below it all the same, and the products that were made.

References
----------
[1] Royer, O'Neill, Wright. A Newton-CG algorithm with complexity guarantees for smooth unconstrained optimization.
    Math. Prog. 180 (2020) 451-488. doi:10.1007/s10107-019-01362-7
"""

import math

from secondorder.jit import leaf, loop
from secondorder.krylov.ends import INVARIANT
from secondorder.krylov.lanczos import smallest_eigenvalue
from secondorder.linalg.random_vector import random_normal

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
def enough_steps(n, options):
    """Lanczos steps that make a wrong certificate improbable enough; [1] lemma 2."""
    enough = 2.0 + 0.5 * math.log(2.75 * n / options.failure**2) / math.sqrt(options.eps_h)
    return int(min(float(n), float(options.m), enough))


@leaf
def failure_after(steps, n, end, eps_h):
    """The probability that so many Lanczos steps miss an eigenvalue below -eps_H; [1] lemma 2."""
    if end == INVARIANT or steps >= n:
        return 0.0
    return min(1.0, math.sqrt(2.75 * n) * math.exp(-(steps - 1.0) * math.sqrt(eps_h)))


@leaf
def withdraw(certificate):
    """Nothing is known."""
    certificate[0] = certificate[1] = math.nan
    certificate[2], certificate[3] = 1.0, 0.0


@leaf
def certify(ritz, n, eps_h, certificate):
    """Write what Lanczos found."""
    certificate[0], certificate[1] = ritz.smallest, -eps_h * ritz.norm
    certificate[2] = failure_after(ritz.steps, n, ritz.end, eps_h)
    certificate[3] = ritz.steps


@loop
def least_eigenvalue(hvp, x, V, options, stream, v, memory, certificate, control, data):
    """v <- the direction of the smallest Ritz value; the certificate is written. Returns the Ritz. stream: of seeds."""
    random_normal(options.oracle_seed + stream, V[0])
    ritz = smallest_eigenvalue(hvp, x, V, 0.0, v, memory, control, data)
    certify(ritz, x.shape[0], options.eps_h, certificate)
    return ritz
