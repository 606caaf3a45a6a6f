"""A line search of one's own, in a dozen lines, against two of the package.

Golden steps: go on growing while f falls, else shrink. It is compiled like the package's own searches, and time limit,
budget of evaluations, counts and Ctrl-C work, because `evaluate` and `stopped` look after them.
"""

import numpy as np

import secondorder as so
from secondorder.control import stopped
from secondorder.line_searches.trial import evaluate

GOLDEN = 1.618


def golden(fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, data):
    alpha = alpha0
    for _ in range(options.max_trials):
        ft, st = evaluate(fun_grad, x, d, alpha, xt, gt, control, data)
        if ft - f <= options.c1 * alpha * slope:  # low enough; nan is not
            if not st < options.c2 * slope:  # and not still falling steeply
                return alpha, ft
            alpha *= 1.0 + GOLDEN
        else:
            alpha /= GOLDEN
        if stopped(control):
            break
    return 0.0, f  # no step: the method tries the negative gradient, then gives up truthfully


def beale(x):
    y = x[1]
    return (1.5 - x[0] * (1.0 - y)) ** 2 + (2.25 - x[0] * (1.0 - y * y)) ** 2 + (2.625 - x[0] * (1.0 - y**3)) ** 2


def main():
    for search in (golden, "hager-zhang", "armijo"):
        result = so.minimize(beale, np.array([1.0, 1.0]), method="bfgs", options={"line_search": search})
        name = search if isinstance(search, str) else search.__name__
        print(f"{name:12} x = {result.x.round(6)}  f = {result.fun:.1e}  {result.nfev:4} evaluations  {result.reason}")


if __name__ == "__main__":
    main()
