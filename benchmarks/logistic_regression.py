"""L2-regularised logistic regression, 200000 x 200: Newton-CG against scipy's and scikit-learn's solvers.

    python benchmarks/logistic_regression.py [--rows N] [--columns n] [--condition c] [--threads k]

    f(w) = sum_i log(1 + exp(-y_i x_i'w)) / N + |w|^2 / (2 C N),   C = 1

One compiled text for f, gradient and Hessian product, each one pass over X, for ours and for scipy; the run ends at
|g|_inf <= 1e-8 |g0|_inf. scikit-learn's solvers stop at the same absolute |g|_inf (its tol). Times are minima of
three runs: with one thread, the default, of the processor, which other programs disturb less than the clock; with
more, of the clock. A pass is compared with a plain sum over X, which is the read bandwidth. "certified": with the look
at the least curvature where the run ends, which is minimize's default; scipy and scikit-learn have none.
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
from scipy.linalg.blas import dsyrk  # noqa: E402
from scipy.optimize import minimize  # noqa: E402

import secondorder as so  # noqa: E402
from secondorder.elementary import sigmoid, softplus  # noqa: E402

REPEATS = 3
RTOL = 1e-8


BLOCK = 1024  # rows of X that a product of matrices takes at once
ROWS = 32  # of a block: it stays in the first cache between its two uses


jit = numba.njit(error_model="numpy")
sums = numba.njit(error_model="numpy", fastmath={"reassoc", "contract"})  # in any order: vectorised


@sums
def dot(x, w):
    """x'w."""
    s = 0.0
    for j in range(x.shape[0]):
        s += x[j] * w[j]
    return s


@sums
def two_dots(x, w, v):
    """(x'w, x'v)."""
    s = t = 0.0
    for j in range(x.shape[0]):
        s += x[j] * w[j]
        t += x[j] * v[j]
    return s, t


@sums
def add_rows(X, first, last, a, out):
    """out <- out + sum of a[i - first] X[i]. Four rows at a time: to read and write out costs as much as a row."""
    i = first
    while i + 4 <= last:
        x0, x1, x2, x3 = X[i], X[i + 1], X[i + 2], X[i + 3]
        a0, a1, a2, a3 = a[i - first], a[i - first + 1], a[i - first + 2], a[i - first + 3]
        for j in range(out.shape[0]):
            out[j] += (a0 * x0[j] + a1 * x1[j]) + (a2 * x2[j] + a3 * x3[j])
        i += 4
    while i < last:
        for j in range(out.shape[0]):
            out[j] += a[i - first] * X[i, j]
        i += 1


@jit
def fun_grad(w, g, X, y, ridge, passes):
    """f; g <- its gradient: one pass."""
    passes[0] += 1
    N = X.shape[0]
    f = 0.0
    for j in range(w.shape[0]):
        g[j] = ridge * w[j]
    t, a = np.empty(ROWS), np.empty(ROWS)
    for first in range(0, N, ROWS):
        last = min(first + ROWS, N)
        for i in range(first, last):
            t[i - first] = -y[i] * dot(X[i], w)
        for i in range(first, last):
            a[i - first] = -y[i] * sigmoid(t[i - first]) / N
        for i in range(last - first):
            t[i] = softplus(t[i])
        loss = 0.0
        for i in range(last - first):
            loss += t[i]
        f += loss / N
        add_rows(X, first, last, a, g)
    return f + 0.5 * ridge * dot(w, w)


@jit
def hvp(w, v, out, X, y, ridge, passes):
    """out <- H v: one pass."""
    passes[0] += 1
    N = X.shape[0]
    for j in range(w.shape[0]):
        out[j] = ridge * v[j]
    t, a = np.empty(ROWS), np.empty(ROWS)
    for first in range(0, N, ROWS):
        last = min(first + ROWS, N)
        for i in range(first, last):
            t[i - first], a[i - first] = two_dots(X[i], w, v)
        for i in range(last - first):
            p = sigmoid(t[i])
            a[i] *= p * (1.0 - p) / N
        add_rows(X, first, last, a, out)


@jit
def weighted(w, X, first, last, out):
    """The rows of out <- sqrt(p (1 - p) / N) x_i for these rows of X: the Hessian is the sum of out'out."""
    for i in range(first, last):
        p = sigmoid(dot(X[i], w))
        root = np.sqrt(p * (1.0 - p) / X.shape[0])
        for j in range(w.shape[0]):
            out[i - first, j] = root * X[i, j]


def hess(w, X, y, ridge, passes):
    """The Hessian: one pass and n^2 N operations of BLAS, which knows that the product is symmetric."""
    passes[0] += 1
    rows, H = np.empty((BLOCK, w.size)), np.diag(np.full(w.size, ridge)).T
    for first in range(0, X.shape[0], BLOCK):
        last = min(first + BLOCK, X.shape[0])
        weighted(w, X, first, last, rows)
        H = dsyrk(1.0, rows[: last - first].T, 1.0, H, lower=1, overwrite_c=1)
    return np.tril(H) + np.tril(H, -1).T


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
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    result, best = call(), np.inf
    for _ in range(REPEATS):
        begun = clock()
        call()
        best = min(best, clock() - begun)
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
    print(f"{'':34} {'seconds':>8} {'passes':>7} {'ms a pass':>10} {'of reading':>9} {'|g|/|g0|':>9}")

    def show(name, call):
        passes[0] = 0
        w = call()
        used = int(passes[0])
        seconds, _ = least(call)
        reached = optimality(w, args) / gtol * RTOL
        each = f"{1e3 * seconds / used:10.1f} {used * read / seconds:9.0%}" if used else " " * 20
        print(f"{name:34} {seconds:8.3f} {used or '':>7} {each} {reached:9.1e}", flush=True)
        return seconds

    objective = so.Objective(fun_grad, hvp=hvp)
    plain = {"second_order": False}  # without the look at the least curvature where the run ends
    rows = [(method, {}, plain) for method in ("newton-cg", "trust-ncg", "trust-krylov")]
    rows += [("newton-cg", {"preconditioner": name}, plain) for name in ("none", "l-bfgs")]
    rows += [("newton-cg", {}, {}), ("trust-krylov", {}, {}), ("l-bfgs", {}, {})]
    for method, options, how in rows:
        certified = ", certified" if method != "l-bfgs" and not how else ""
        words = " ".join((method, *options.values())) + certified
        show(
            words,
            lambda: so.minimize(objective, w0, args, method, options={"gtol": gtol} | options, **how).x,  # noqa: B023
        )

    def pair(w):
        g = np.empty_like(w)
        return fun_grad(w, g, *args), g

    def product(w, v):
        out = np.empty_like(w)
        hvp(w, v, out, *args)
        return out

    show(
        "newton",
        lambda: (
            so.minimize(
                pair, w0, (), "newton", True, lambda w: hess(w, *args), backend="python", options={"gtol": gtol}
            ).x
        ),
    )

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
