"""Logistic regression on scikit-learn's breast cancer data: our methods and scikit-learn's solvers, to one minimum.

The objective is scikit-learn's, for C = 1: |w|^2 / 2 + sum over rows of the logarithmic loss, here divided by the
number of rows; the intercept is not penalised. Prints each solver's evaluations, products and time (of the second of
two runs, without compilation), how far its f is above the least of all, and how far its x is from that one's. Fails
if any is elsewhere. scikit-learn counts iterations only.
"""

import time
import warnings
from typing import NamedTuple

import numpy as np

import secondorder as so

# tol: of |g|_inf
METHODS = {
    "l-bfgs": {"method": "l-bfgs", "tol": 1e-9},
    "bfgs": {"method": "bfgs", "tol": 1e-9},
    "cg": {"method": "cg", "tol": 1e-9},
    "newton": {"method": "newton", "tol": 1e-9},
    "newton-cg": {"method": "newton-cg", "tol": 1e-9},
    "trust-exact": {"method": "trust-exact", "tol": 1e-9},
    "trust-krylov": {"method": "trust-krylov", "tol": 1e-9},
    "adam": {"method": "adam", "tol": 1e-7, "options": {"lr": 0.1, "maxiter": 20_000}},
    "nesterov": {"method": "nesterov", "tol": 1e-7, "options": {"lr": 0.1, "maxiter": 20_000}},
}
SKLEARN = ("lbfgs", "newton-cg", "newton-cholesky")


def risk(w, X, y):
    z = X @ w[:-1] + w[-1]
    return np.mean(np.logaddexp(0.0, z) - y * z) + 0.5 * np.dot(w[:-1], w[:-1]) / y.size


class Solved(NamedTuple):
    x: np.ndarray
    f: float
    counts: tuple  # what was counted: numbers, or None
    seconds: float


def breast_cancer():
    """Standardised columns (569, 30), labels 0.0 and 1.0."""
    try:
        from sklearn.datasets import load_breast_cancer
    except ImportError:
        raise SystemExit("the data come with scikit-learn: python -m pip install scikit-learn") from None
    X, y = load_breast_cancer(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y.astype(np.float64)


def by_us(X, y, given):
    def solve():
        return so.minimize(risk, np.zeros(X.shape[1] + 1), args=(X, y), **given)

    solve()
    begun = time.perf_counter()
    result = solve()
    seconds = time.perf_counter() - begun
    if not result.success:
        raise SystemExit(f"{result.method}: {result.message}")
    return Solved(result.x, result.fun, (result.nit, result.nfev, result.nhev), seconds)


def by_sklearn(X, y, solver):
    from sklearn.linear_model import LogisticRegression

    def solve():
        return LogisticRegression(C=1.0, solver=solver, tol=1e-9, max_iter=10_000).fit(X, y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newton-cg's line search, where f has no digits left
        solve()
        begun = time.perf_counter()
        model = solve()
        seconds = time.perf_counter() - begun
    x = np.append(model.coef_[0], model.intercept_)
    return Solved(x, risk(x, X, y), (int(model.n_iter_[0]), None, None), seconds)


def main():
    X, y = breast_cancer()
    solved = {name: by_us(X, y, given) for name, given in METHODS.items()}
    solved |= {f"scikit-learn, {solver}": by_sklearn(X, y, solver) for solver in SKLEARN}
    least = min(solved.values(), key=lambda found: found.f)
    print(f"{len(y)} rows, {len(least.x)} variables, f = {least.f:.12f} at the minimum\n")
    heads = ("iterations", "evaluations", "H or H v")
    print(f"{'':30}{heads[0]:>10} {heads[1]:>12} {heads[2]:>9} {'ms':>8} {'f above':>9} {'x off by':>9}")
    for name, found in solved.items():
        counts = ["" if count is None else count for count in found.counts]
        off = np.max(np.abs(found.x - least.x))
        print(
            f"{name:30}{counts[0]:10} {counts[1]:>12} {counts[2]:>9} {1e3 * found.seconds:8.2f} "
            f"{found.f - least.f:9.1e} {off:9.1e}"
        )
        if not (found.f - least.f <= 1e-9 and off <= 1e-3):
            raise SystemExit(f"{name} ended elsewhere")
    print("\nall at the same minimum")


if __name__ == "__main__":
    main()
