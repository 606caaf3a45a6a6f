"""The two-loop recursion: an inverse Hessian from pairs of steps and gradient changes, times a vector.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Algorithm 7.4.
"""

from secondorder.jit import leaf
from secondorder.linalg.vectors import axpy, axpy_dot, dot, scale


@leaf
def two_loop(S, Y, inv_sy, gamma, newest, pairs, g, a, d):
    """d <- -H g from pairs >= 1; a (m,) is scratch. A pass over d makes one step and the product for the next."""
    m = S.shape[0]
    scale(-1.0, g, d)
    i, product = newest, dot(S[newest], d)
    for _ in range(pairs - 1):
        a[i] = product * inv_sy[i]
        older = i - 1 if i > 0 else m - 1
        product = axpy_dot(-a[i], Y[i], d, S[older])
        i = older
    a[i] = product * inv_sy[i]
    axpy(-a[i], Y[i], d, d)
    scale(gamma, d, d)
    product = dot(Y[i], d)
    for _ in range(pairs - 1):
        newer = i + 1 if i < m - 1 else 0
        product = axpy_dot(a[i] - product * inv_sy[i], S[i], d, Y[newer])
        i = newer
    axpy(a[i] - product * inv_sy[i], S[i], d, d)
