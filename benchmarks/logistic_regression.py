"""L2-regularised logistic regression, 200000 x 200: Newton-CG against scipy's and scikit-learn's solvers.

    python benchmarks/logistic_regression.py [--rows N] [--columns n] [--condition c] [--threads k]

    f(w) = sum_i log(1 + exp(-y_i x_i'w)) / N + |w|^2 / (2 C N),   C = 1

One compiled text for f, gradient and Hessian product, each one pass over X, for ours and for scipy; the run ends at
|g|_inf <= 1e-8 |g0|_inf. scikit-learn's solvers stop at the same absolute |g|_inf (its tol). Times are minima of three
runs, on one thread unless told otherwise; a pass is compared with a plain sum over X, which is the read bandwidth.
"""

import argparse
import os
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", type=int, default=200_000)
parser.add_argument("--columns", type=int, default=200)
parser.add_argument("--condition", type=float, default=1.0, help="ratio of the largest to the least scale of a column")
parser.add_argument("--threads", type=int, default=1, help="of BLAS, for scikit-learn; ours and scipy's f have one")
arguments = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numba  # noqa: E402
import numpy as np  # noqa: E402
from scipy.optimize import minimize  # noqa: E402

import secondorder as so  # noqa: E402
from secondorder.elementary import sigmoid, softplus  # noqa: E402

REPEATS = 3
RTOL = 1e-8


jit = numba.njit(error_model="numpy")


@jit
def dot(x, w):
    """x'w in eight lanes: vectorised without fastmath."""
    whole = x.shape[0] - x.shape[0] % 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for j in range(0, whole, 8):
        s0 += x[j] * w[j]
        s1 += x[j + 1] * w[j + 1]
        s2 += x[j + 2] * w[j + 2]
        s3 += x[j + 3] * w[j + 3]
        s4 += x[j + 4] * w[j + 4]
        s5 += x[j + 5] * w[j + 5]
        s6 += x[j + 6] * w[j + 6]
        s7 += x[j + 7] * w[j + 7]
    total = ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))
    for j in range(whole, x.shape[0]):
        total += x[j] * w[j]
    return total


@jit
def add(a, x, out):
    """out <- out + a x."""
    for j in range(x.shape[0]):
        out[j] += a * x[j]


@jit
def fun_grad(w, g, X, y, ridge, passes):
    """f; g <- its gradient: one pass."""
    passes[0] += 1
    N = X.shape[0]
    f = 0.5 * ridge * dot(w, w)
    for j in range(w.shape[0]):
        g[j] = ridge * w[j]
    for i in range(N):
        t = -y[i] * dot(X[i], w)
        f += softplus(t) / N
        add(-y[i] * sigmoid(t) / N, X[i], g)
    return f


@jit
def hvp(w, v, out, X, y, ridge, passes):
    """out <- H v: one pass."""
    passes[0] += 1
    N = X.shape[0]
    for j in range(w.shape[0]):
        out[j] = ridge * v[j]
    for i in range(N):
        p = sigmoid(dot(X[i], w))
        add(p * (1.0 - p) * dot(X[i], v) / N, X[i], out)


@jit
def total(X):
    """The sum of all numbers: what reading them takes."""
    s = 0.0
    ones = np.ones(X.shape[1])
    for i in range(X.shape[0]):
        s += dot(X[i], ones)
    return s


def data(rows, columns, condition):
    """X with columns of these scales, labels from a random w with noise."""
    random = np.random.default_rng(7)
    X = random.standard_normal((rows, columns)) * np.geomspace(1.0, 1.0 / condition, columns)
    z = X @ (random.standard_normal(columns) / np.sqrt(columns))
    return X, np.where(random.random(rows) < 1.0 / (1.0 + np.exp(-z)), 1.0, -1.0)


def least(call):
    """(least seconds, result) of a few runs after one that compiles."""
    result, best = call(), np.inf
    for _ in range(REPEATS):
        begun = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begun)
    return best, result


def optimality(w, args):
    """|g|_inf."""
    g = np.empty_like(w)
    fun_grad(w, g, *args)
    return np.abs(g).max()


def main():
    X, y = data(arguments.rows, arguments.columns, arguments.condition)
    passes = np.zeros(1, np.int64)
    args = (X, y, 1.0 / arguments.rows, passes)
    w0 = np.zeros(arguments.columns)
    gtol = RTOL * optimality(w0, args)
    read, _ = least(lambda: total(X))
    print(f"{arguments}, load average {os.getloadavg()[0]:.2f}")
    print(f"reading X: {1e3 * read:.1f} ms, {X.nbytes / read / 1e9:.1f} GB/s")
    print(f"{'':34} {'seconds':>8} {'passes':>7} {'ms a pass':>10} {'|g|/|g0|':>9}")

    def show(name, call):
        passes[0] = 0
        w = call()
        used = int(passes[0])
        seconds, _ = least(call)
        reached = optimality(w, args) / gtol * RTOL
        each = f"{1e3 * seconds / used:10.1f}" if used else " " * 10
        print(f"{name:34} {seconds:8.3f} {used or '':>7} {each} {reached:9.1e}", flush=True)
        return seconds

    objective = so.Objective(fun_grad, hvp=hvp)
    methods = (("newton-cg", {}), ("newton-cg", {"preconditioner": "l-bfgs"}), ("trust-ncg", {}), ("trust-krylov", {}))
    for method, options in (*methods, ("l-bfgs", {})):
        words = " ".join((method, *options.values()))
        show(words, lambda: so.minimize(objective, w0, args, method, options={"gtol": gtol} | options).x)  # noqa: B023

    def pair(w):
        g = np.empty_like(w)
        return fun_grad(w, g, *args), g

    def product(w, v):
        out = np.empty_like(w)
        hvp(w, v, out, *args)
        return out

    last = {}

    def remembered(w):
        last["f"], last["g"] = pair(w)
        return last["f"], last["g"]

    def stop(w):
        if np.abs(last["g"]).max() <= gtol:
            raise StopIteration

    show(
        "scipy Newton-CG, same functions",
        lambda: (
            minimize(
                remembered, w0, jac=True, hessp=product, method="Newton-CG", callback=stop, options={"xtol": 1e-300}
            ).x
        ),
    )
    show(
        "scipy L-BFGS-B, same function",
        lambda: minimize(pair, w0, jac=True, method="L-BFGS-B", options={"gtol": gtol, "ftol": 0.0}).x,
    )
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        print("scikit-learn is not installed")
        return 0
    for solver in ("lbfgs", "newton-cg", "newton-cholesky"):
        model = LogisticRegression(C=1.0, fit_intercept=False, solver=solver, tol=gtol, max_iter=1000)
        show(f"scikit-learn {solver}", lambda: model.fit(X, y).coef_[0].copy())  # noqa: B023
    return 0


if __name__ == "__main__":
    sys.exit(main())
