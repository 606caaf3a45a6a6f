"""L2-regularised logistic regression, 200000 x 200: Newton-CG against scipy's and scikit-learn's solvers.

    python benchmarks/logistic_regression.py [--rows N] [--columns n] [--condition c] [--threads k]

    f(w) = sum_i log(1 + exp(-y_i x_i'w)) / N + |w|^2 / (2 C N),   C = 1

One compiled text for f, gradient and Hessian product, each one pass over X, for ours and for scipy; the run ends at
|g|_inf <= 1e-8 |g0|_inf. scikit-learn's solvers stop at the same absolute |g|_inf (its tol). scipy's Newton-CG takes
curvature below 3 eps, whatever its units, for none, and stalls before that: it is shown a second time, minimising N f,
for which it doesn't. A run that ends elsewhere has no time.

Times are minima of five runs: with one thread, the default, of the processor, which other programs disturb less than
the clock; with more, of the clock. A pass is compared with a plain sum over X, timed between these runs, which is the
read bandwidth. "FiniteSum": the same f as the mean of a term in plain Python, with generated derivatives, by one thread
and, by the clock, by all of Numba's. "certified": with the look at the least curvature where the run ends, which is
minimize's default; scipy and scikit-learn have none.
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
from llvmlite import ir  # noqa: E402
from numba import types  # noqa: E402
from numba.extending import intrinsic  # noqa: E402
from scipy.linalg.blas import dsyrk  # noqa: E402
from scipy.optimize import minimize  # noqa: E402

import secondorder as so  # noqa: E402
from secondorder.elementary import sigmoid, softplus  # noqa: E402

REPEATS = 5
RTOL = 1e-8


BLOCK = 1024  # rows of X that a product of matrices takes at once
ROWS = 4  # taken together: they stay in the first cache between their two uses, and the next ones come there meanwhile
LINE = 8  # numbers of a cache line


jit = numba.njit(error_model="numpy")
sums = numba.njit(error_model="numpy", fastmath={"reassoc", "contract"})  # in any order: vectorised


@intrinsic
def prefetch(typingctx, X, k):
    """Have the line that holds the k-th number of X brought into the first cache, and don't wait for it."""

    def codegen(context, builder, sig, args):
        array = context.make_array(sig.args[0])(context, builder, args[0])
        address = builder.bitcast(builder.gep(array.data, [args[1]]), ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, flag, flag, flag])
        call = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        builder.call(call, [address, flag(0), flag(3), flag(1)])  # to read it, in all caches, as data
        return context.get_dummy_value()

    return types.void(X, types.intp), codegen


@jit
def fetch_rows(X, first):
    """Have four rows come from memory."""
    n = X.shape[1]
    for k in range(first * n, min(first + ROWS, X.shape[0]) * n, LINE):
        prefetch(X, k)


@sums
def dot(x, w):
    """x'w."""
    s = 0.0
    for j in range(x.shape[0]):
        s += x[j] * w[j]
    return s


@sums
def add_four(X, i, a0, a1, a2, a3, out):
    """out <- out + a0 X[i] + .. + a3 X[i + 3]: to read and write out costs as much as a row."""
    x0, x1, x2, x3 = X[i], X[i + 1], X[i + 2], X[i + 3]
    for j in range(out.shape[0]):
        out[j] += (a0 * x0[j] + a1 * x1[j]) + (a2 * x2[j] + a3 * x3[j])


@sums
def add_one(a, x, out):
    """out <- out + a x."""
    for j in range(out.shape[0]):
        out[j] += a * x[j]


@jit
def fun_grad(w, g, X, y, ridge, curvature, passes):
    """f; g <- its gradient: one pass. curvature (N + n,) <- p (1 - p) / N of each row, then the w it belongs to."""
    passes[0] += 1
    N, t = X.shape[0], curvature  # first for the exponents
    for j in range(w.shape[0]):
        g[j] = ridge * w[j]
    whole = N - N % ROWS
    for i in range(0, whole, ROWS):
        t[i], t[i + 1] = -y[i] * dot(X[i], w), -y[i + 1] * dot(X[i + 1], w)
        t[i + 2], t[i + 3] = -y[i + 2] * dot(X[i + 2], w), -y[i + 3] * dot(X[i + 3], w)
        a, b = -y[i] * sigmoid(t[i]) / N, -y[i + 1] * sigmoid(t[i + 1]) / N
        c, d = -y[i + 2] * sigmoid(t[i + 2]) / N, -y[i + 3] * sigmoid(t[i + 3]) / N
        fetch_rows(X, i + ROWS)
        add_four(X, i, a, b, c, d, g)
    for i in range(whole, N):
        t[i] = -y[i] * dot(X[i], w)
        add_one(-y[i] * sigmoid(t[i]) / N, X[i], g)
    f = finish(t[:N])
    curvature[N:] = w
    return f + 0.5 * ridge * dot(w, w)


@sums
def finish(t):
    """The mean loss; t <- p (1 - p) / N."""
    loss = 0.0
    for i in range(t.shape[0]):
        loss += softplus(t[i])
    for i in range(t.shape[0]):
        p = sigmoid(t[i])
        t[i] = p * (1.0 - p) / t.shape[0]
    return loss / t.shape[0]


@jit
def hvp(w, v, out, X, y, ridge, curvature, passes):
    """out <- H v: one pass, and one more if the last gradient was not taken at w."""
    if not np.array_equal(w, curvature[X.shape[0] :]):
        fun_grad(w, out, X, y, ridge, curvature, passes)
    passes[0] += 1
    N, h = X.shape[0], curvature
    for j in range(w.shape[0]):
        out[j] = ridge * v[j]
    whole = N - N % ROWS
    for i in range(0, whole, ROWS):
        a, b = h[i] * dot(X[i], v), h[i + 1] * dot(X[i + 1], v)
        c, d = h[i + 2] * dot(X[i + 2], v), h[i + 3] * dot(X[i + 3], v)
        fetch_rows(X, i + ROWS)
        add_four(X, i, a, b, c, d, out)
    for i in range(whole, N):
        add_one(h[i] * dot(X[i], v), X[i], out)


@jit
def weighted(w, X, first, last, out):
    """The rows of out <- sqrt(p (1 - p) / N) x_i for these rows of X: the Hessian is the sum of out'out."""
    for i in range(first, last):
        p = sigmoid(dot(X[i], w))
        root = np.sqrt(p * (1.0 - p) / X.shape[0])
        for j in range(w.shape[0]):
            out[i - first, j] = root * X[i, j]


def hess(w, X, y, ridge, curvature, passes):
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


def term(w, row, label):
    """The loss of a row, label 0 or 1."""
    z = np.dot(row, w)
    return np.logaddexp(0.0, z) - label * z


CLOCK = time.process_time if arguments.threads == 1 else time.perf_counter


def least(*calls, clock=CLOCK):
    """(least seconds of each call, in turns; result of the last) after one of each that compiles."""
    results, best = [call() for call in calls], [np.inf] * len(calls)
    for _ in range(REPEATS):
        for k, call in enumerate(calls):
            begun = clock()
            call()
            best[k] = min(best[k], clock() - begun)
    return *best, results[-1]


def optimality(w, args):
    """|g|_inf."""
    g = np.empty_like(w)
    fun_grad(w, g, *args)
    return np.abs(g).max()


def main():
    X, y = data(arguments.rows, arguments.columns, arguments.condition)
    passes = np.zeros(1, np.int64)
    curvature = np.full(arguments.rows + arguments.columns, np.nan)  # that of no w yet
    args = (X, y, 1.0 / arguments.rows, curvature, passes)
    w0 = np.zeros(arguments.columns)
    gtol = RTOL * optimality(w0, args)
    read, _ = least(lambda: total(X))
    print(f"{arguments}, load average {os.getloadavg()[0]:.2f}")
    print(f"reading X: {1e3 * read:.1f} ms, {X.nbytes / read / 1e9:.1f} GB/s")
    print(f"{'':34} {'seconds':>8} {'passes':>7} {'ms a pass':>10} {'of reading':>10} {'|g|/|g0|':>9}")

    def show(name, call, clock=CLOCK):
        passes[0] = 0
        w = call()
        used = int(passes[0])
        reached = optimality(w, args) / gtol * RTOL
        if reached > RTOL:
            print(f"{name:34} {'stalls':>8} {used or '':>7} {'':21} {reached:9.1e}", flush=True)
            return
        read, seconds, _ = least(lambda: total(X), call, clock=clock)
        each = f"{1e3 * seconds / used:10.1f} {used * read / seconds:10.0%}" if used else " " * 21
        print(f"{name:34} {seconds:8.3f} {used or '':>7} {each} {reached:9.1e}", flush=True)

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

    ridge = 0.5 / arguments.rows
    risk = so.FiniteSum(term, (X, 0.5 * (y + 1.0)), lambda w: ridge * np.dot(w, w))
    for count in dict.fromkeys((1, numba.config.NUMBA_NUM_THREADS)):

        def fitted():
            run = so.minimize(risk, w0, (), "newton-cg", options={"gtol": gtol}, second_order=False)
            passes[0] = run.nfev + run.nhev
            return run.x

        numba.set_num_threads(count)
        show(
            f"newton-cg FiniteSum, {count} thread{'s' * (count > 1)}",
            fitted,
            CLOCK if count == 1 else time.perf_counter,
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

    def newton_cg(scale):
        last = None

        def scaled(w):
            nonlocal last
            f, last = pair(w)
            return scale * f, scale * last

        def stop(w):
            if np.abs(last).max() <= gtol:
                raise StopIteration

        return minimize(
            scaled,
            w0,
            jac=True,
            hessp=lambda w, v: scale * product(w, v),
            method="Newton-CG",
            callback=stop,
            options={"xtol": 1e-300},
        ).x

    show("scipy Newton-CG, same functions", lambda: newton_cg(1.0))
    show("scipy Newton-CG, N f", lambda: newton_cg(float(arguments.rows)))
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
