"""A line search of a user, and its twin: what methods are compared on, free of any search's own decisions."""

from numba import njit


@njit
def halving(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    """alpha = 1, 1/2, 1/4, ... until f falls by 1e-4 alpha slope."""
    alpha = 1.0
    for _ in range(60):
        for i in range(x.shape[0]):
            xt[i] = x[i] + alpha * d[i]
        ft = fun_grad(xt, gt, data)
        if ft <= f + 1e-4 * alpha * slope:
            return alpha, ft
        alpha *= 0.5
    return 0.0, f


def halving_twin(f, g, x, d, k):
    alpha, slope = 1.0, g(x) @ d
    while not f(x + alpha * d) <= f(x) + 1e-4 * alpha * slope:
        alpha *= 0.5
    return alpha
