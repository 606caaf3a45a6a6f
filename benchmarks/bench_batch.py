"""Batches against loops and other batches: `python benchmarks/bench_batch.py [--problems 100000]`.

    fits        exponential fits, four parameters, 32 points: curve_fit_batch, with its own tolerance and limit and with
                those that MINPACK and ndoptimize have by default; a loop over MINPACK (scipy.optimize.leastsq with a
                compiled residual); ndoptimize, where it is installed, with a Jacobian by hand
    rosenbrock  n = 4, random starts: minimize_batch by method; a loop over scipy's L-BFGS-B with the same compiled f
                and g; vmapped optimistix and jaxopt, where they are installed
    overhead    what the engine takes beside the solver: problems that start at their minimum, less the evaluation there
    in kernel   Rosenbrock, n = 2, bfgs, inside compiled code

Problems a second of wall time and microseconds of processor time a problem, the best of three runs; one thread
everywhere but in the lines that say so. On a machine that does other work as well, look at the latter: with two threads
it is that of one where they don't hinder each other. All solve the same fits: three in a thousand have their minimum
near infinity and take 7 % of the evaluations. The loop over SciPy solves the first 3000 problems. asv takes ratios,
memory and evaluations from `Batches`.
"""

import argparse
import importlib.util
import math
import os
import time
import tracemalloc
import warnings

if __name__ == "__main__":  # before NumPy is loaded
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numba
import numpy as np
import scipy.optimize
from numba import njit

import secondorder as so

POINTS = 32
PEER = 3000  # problems that the loop over SciPy's minimize solves
# The tolerances and limits of the peers: MINPACK's ftol is 2^-26 for the cost, so 2^-13 for the offset, and it stops
# after 1000 evaluations; ndoptimize's is 1e-8 for chi^2, here 28, and it stops after 1000 iterations.
LIKE = {
    "": None,
    ", as MINPACK": {"otol": 2.0**-13, "maxiter": 1000},
    ", as ndoptimize": {"otol": 2.0**-16, "maxiter": 1000},
}


def best(run, rounds=3):
    """The least (seconds, seconds of all processors) of some runs."""
    times = []
    for _ in range(rounds):
        begun, spent = time.perf_counter(), time.process_time()
        run()
        times.append((time.perf_counter() - begun, time.process_time() - spent))
    return tuple(map(min, zip(*times)))


@njit
def single_decay(t, a, b, c, d):
    """An exponential with an offset and a slope."""
    return a * np.exp(-b * t) + c + d * t


@njit
def single_misfit(p, t, y):
    """Its residuals."""
    return p[0] * np.exp(-p[1] * t) + p[2] + p[3] * t - y


def decays(B):
    """(t, Y, P0) of B noisy ones."""
    rng, t = np.random.default_rng(0), np.linspace(0.0, 3.0, POINTS)
    P = np.array([2.0, 1.0, 0.5, 0.1]) * (1.0 + 0.2 * rng.standard_normal((B, 4)))
    Y = P[:, :1] * np.exp(-P[:, 1:2] * t) + P[:, 2:3] + P[:, 3:] * t + 0.01 * rng.standard_normal((B, POINTS))
    return t, Y, np.array([1.5, 0.7, 0.2, 0.0])


def fits(B, report):
    """Four-parameter fits."""
    t, Y, P0 = decays(B)
    so.curve_fit_batch(single_decay, t, Y[:4], P0)
    for like, options in LIKE.items():
        for workers in (1, 2):
            given = {"options": options, "workers": workers}
            found = so.curve_fit_batch(single_decay, t, Y, P0, **given)
            taken = best(lambda g=given: so.curve_fit_batch(single_decay, t, Y, P0, **g))
            more = f"{found.success.mean():.4f} converged, {found.nfev.mean():.1f} evaluations"
            report("fits", f"curve_fit_batch{like}, {workers} thread(s)", B, taken, more)
    single_misfit(P0, t, Y[0])
    warnings.simplefilter("ignore", RuntimeWarning)  # MINPACK gives some fits up
    minpack = best(lambda: [scipy.optimize.leastsq(single_misfit, P0, (t, y)) for y in Y], rounds=2)
    report("fits", "loop over MINPACK, compiled residual", B, minpack)
    if importlib.util.find_spec("ndoptimize"):
        fits_by_ndoptimize(t, Y, P0, report)


def fits_by_ndoptimize(t, Y, P0, report):
    """The same by ndoptimize, with its default tolerance."""
    import ndoptimize

    @ndoptimize.model(parameters=("a", "b", "c", "d"), inputs=("t",))
    def decay(x, p, f, jacobian):
        for i in range(x.shape[0]):
            e = math.exp(-p[1] * x[i, 0])
            f[i] = p[0] * e + p[2] + p[3] * x[i, 0]
            jacobian[i, 0], jacobian[i, 1], jacobian[i, 2], jacobian[i, 3] = e, -p[0] * x[i, 0] * e, 1.0, x[i, 0]

    ndoptimize.least_squares(decay, t[:, None], Y[:4], 1e-4, P0)
    for threads in {1, min(2, numba.config.NUMBA_NUM_THREADS)}:
        numba.set_num_threads(threads)
        taken = best(lambda: ndoptimize.least_squares(decay, t[:, None], Y, 1e-4, P0))
        report("fits", f"ndoptimize, {threads} thread(s)", len(Y), taken)


@njit
def rosenbrock(x, g):
    """Chained Rosenbrock and its gradient."""
    f, n = 0.0, x.shape[0]
    g[0] = 0.0
    for i in range(n - 1):
        u, v = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += 100.0 * u * u + v * v
        g[i] -= 400.0 * u * x[i] + 2.0 * v
        g[i + 1] = 200.0 * u
    return f


@njit
def rosenbrock_hess(x, H):
    """Its Hessian."""
    n = x.shape[0]
    for i in range(n):
        for j in range(n):
            H[i, j] = 0.0
    for i in range(n - 1):
        H[i, i] += 2.0 - 400.0 * (x[i + 1] - 3.0 * x[i] * x[i])
        H[i, i + 1] = H[i + 1, i] = -400.0 * x[i]
        H[i + 1, i + 1] += 200.0


@njit
def rosenbrock_value(x):
    """The same, for exact second derivatives."""
    f = 0.0
    for i in range(x.shape[0] - 1):
        f += 100.0 * (x[i + 1] - x[i] * x[i]) ** 2 + (1.0 - x[i]) ** 2
    return f


@njit
def value_and_gradient(x):
    """For scipy."""
    g = np.empty_like(x)
    return rosenbrock(x, g), g


def points(B):
    """Starts around the usual one."""
    return np.array([-1.2, 1.0, -1.2, 1.0]) + 0.2 * np.random.default_rng(0).standard_normal((B, 4))


def by_scipy(X0):
    """A loop over scipy's L-BFGS-B with the same compiled f and gradient."""
    options = {"gtol": 1e-6, "ftol": 0.0}
    for x in X0:
        scipy.optimize.minimize(value_and_gradient, x, jac=True, method="L-BFGS-B", options=options)


def starts(B, report):
    """Rosenbrock from many starts."""
    X0 = points(B)
    for method, fun, more in (
        ("l-bfgs", so.Objective(rosenbrock), ""),
        ("bfgs", so.Objective(rosenbrock), ""),
        ("newton", so.Objective(rosenbrock, hess=rosenbrock_hess), ""),
        ("newton", rosenbrock_value, ", derivatives generated"),
    ):
        so.minimize_batch(fun, X0[:4], method=method)
        for workers in (1, 2):
            found = so.minimize_batch(fun, X0, method=method, workers=workers)
            taken = best(lambda m=method, f=fun, w=workers: so.minimize_batch(f, X0, method=m, workers=w))
            report(
                "rosenbrock", f"{method}{more}, {workers} thread(s)", B, taken, f"{found.nfev.mean():.1f} evaluations"
            )
    value_and_gradient(X0[0])
    report("rosenbrock", "loop over scipy's L-BFGS-B", PEER, best(lambda: by_scipy(X0[:PEER])))
    if importlib.util.find_spec("optimistix"):
        starts_by_jax(optimistix_bfgs, "optimistix BFGS", X0[:10_000], report)
    if importlib.util.find_spec("jaxopt"):
        starts_by_jax(jaxopt_bfgs, "jaxopt BFGS", X0[:1000], report)


def optimistix_bfgs(value):
    """solve(x) -> where optimistix ends."""
    import optimistix

    solver = optimistix.BFGS(rtol=1e-6, atol=1e-6)
    return lambda x: optimistix.minimise(lambda x, args: value(x), solver, x, max_steps=500, throw=False).value


def jaxopt_bfgs(value):
    """solve(x) -> where jaxopt ends."""
    import jaxopt

    return lambda x: jaxopt.BFGS(value, maxiter=500, tol=1e-6).run(x).params


def starts_by_jax(solver_of, name, X0, report):
    """The same under vmap and jit: all run as long as the longest."""
    import jax

    jax.config.update("jax_enable_x64", True)

    def value(x):
        return jax.numpy.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    solve_all = jax.jit(jax.vmap(solver_of(value)))
    found = np.asarray(solve_all(X0))
    taken = best(lambda: solve_all(X0).block_until_ready())
    solved = np.mean(np.abs(np.array([value_and_gradient(x)[1] for x in found])).max(axis=1) < 1e-4)
    report("rosenbrock", f"{name}, vmapped, {len(X0)}", len(X0), taken, f"{solved:.4f} with |g| < 1e-4")


def overhead(B, report):
    """What a problem takes that has nothing to do, against one evaluation."""
    X0, objective = np.ones((B, 4)), so.Objective(rosenbrock)
    so.minimize_batch(objective, X0[:4], method="bfgs", workers=1)
    taken = best(lambda: so.minimize_batch(objective, X0, method="bfgs", workers=1))
    report("overhead", "bfgs from the minimum", B, taken, "evaluation and first test included")


@njit
def valley(x, g):
    """Rosenbrock, n = 2."""
    u, v = x[1] - x[0] * x[0], 1.0 - x[0]
    g[0], g[1] = -400.0 * u * x[0] - 2.0 * v, 200.0 * u
    return 100.0 * u * u + v * v


def in_kernel(B, report):
    """bfgs inside compiled code."""
    solve, n_workspace, *_ = so.kernels.bfgs(so.Objective(valley), 2)

    @njit
    def repeat(times):
        workspace, x, evaluations = np.empty(n_workspace), np.empty(2), 0
        for _ in range(times):
            x[0], x[1] = -1.2, 1.0
            evaluations += solve(x, workspace).nfev
        return evaluations / times

    evaluations = repeat(1)
    report("in kernel", "bfgs, n = 2", B, best(lambda: repeat(B)), f"{evaluations:.0f} evaluations")


class Batches:
    """Ten thousand problems at once against a loop over SciPy, one thread against two, and memory. For asv."""

    params = (["fits", "bfgs", "l-bfgs", "newton"],)
    param_names = ("what",)
    timeout = 600

    def setup(self, what):
        self.B = 10_000
        if what == "fits":
            t, Y, P0 = decays(self.B)
            self.ours = lambda workers=1, B=self.B: so.curve_fit_batch(single_decay, t, Y[:B], P0, workers=workers)
            self.loop = lambda: [scipy.optimize.leastsq(single_misfit, P0, (t, y)) for y in Y[:PEER]]
        else:
            X0, objective = points(self.B), so.Objective(rosenbrock, hess=rosenbrock_hess)
            self.ours = lambda workers=1, B=self.B: so.minimize_batch(objective, X0[:B], method=what, workers=workers)
            self.loop = lambda: by_scipy(X0[:PEER])
        self.ours(2, 4)  # compiles
        self.loop()

    def time_batch(self, what):
        self.ours()

    def track_times_faster_than_a_loop(self, what):
        return best(self.loop)[1] / PEER / (best(self.ours)[1] / self.B)

    def track_two_threads_over_one(self, what):
        return best(self.ours)[0] / best(lambda: self.ours(2))[0]

    def track_bytes_a_problem(self, what):
        tracemalloc.start()
        try:
            peaks = []
            for B in (1000, self.B):
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                self.ours(2, B)
                peaks.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
        return (peaks[1] - peaks[0]) / (self.B - 1000)

    def track_evaluations(self, what):
        return float(self.ours().nfev.mean())

    track_times_faster_than_a_loop.unit = "processor time of SciPy's loop / ours"
    track_two_threads_over_one.unit = "time on one thread / on two"
    track_bytes_a_problem.unit = "bytes"
    track_evaluations.unit = "evaluations a problem"


def main():
    """Print a line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=100_000)
    parser.add_argument("--part", choices=("fits", "rosenbrock", "overhead", "kernel"))
    given = parser.parse_args()

    def report(part, what, problems, taken, more=""):
        wall, processor = taken
        each = 1e6 * processor / problems
        print(f"{part:11s} {what:44s} {problems / wall:10.0f} /s {each:9.3f} us  {more}", flush=True)

    for name, part in (("fits", fits), ("rosenbrock", starts), ("overhead", overhead), ("kernel", in_kernel)):
        if given.part in (None, name):
            part(given.problems, report)


if __name__ == "__main__":
    main()
