r"""The Newton step of a matrix with the absolute values of its eigenvalues: d = -|H|^{-1} g, "saddle-free".

    1.  E diagonal such that E H E is equilibrated (linalg.equilibration); I where the squares of its elements differ by
        less than `floor`
    2.  E H E = V' diag(w) V
    3.  d = -E V' diag(1 / max(|w_i|, floor max|w|)) V E g                                      ([1]; [2] section 3.4)

Without step 1 all the curvature of a variable whose unit is 1e4 times too small is below the floor of step 3.

Some 6 n^3 operations for eigenvectors.

References
----------
[1] Dauphin, Pascanu, Gulcehre, Cho, Ganguli, Bengio. Identifying and attacking the saddle point problem in
    high-dimensional non-convex optimization. NIPS 2014.
[2] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006.
"""

import math

from secondorder.jit import leaf
from secondorder.linalg.equilibration import equilibrate
from secondorder.precision import roundings
from secondorder.subproblems.spectrum import decompose, from_coordinates, to_coordinates

FLOOR = roundings(power=0.5)  # sqrt(eps)


@leaf
def absolute_step(H, g, floor, e, w, c, y, d):
    """d <- the step 3; H <- V, e <- the diagonal of E. False if H is 0 or not finite."""
    n = w.shape[0]
    equilibrate(H, math.sqrt(floor), e, w)
    decompose(H, w, y)
    least = floor * max(abs(w[0]), abs(w[n - 1]))
    if not least > 0.0:
        return False
    for i in range(n):
        d[i] = e[i] * g[i]
    to_coordinates(H, d, c)
    for i in range(n):
        y[i] = -c[i] / max(abs(w[i]), least)
    from_coordinates(H, y, d)
    for i in range(n):
        d[i] *= e[i]
    return True
