"""The figures that this package is held to, in one run: `python benchmarks/bars.py`, or `--part small` and so on.

    small     whole Python calls on the Rosenbrock function, n = 2 and 10, against scipy's same method with the same
              compiled f and gradient
    second    whole Python calls of second-order methods against scipy's trust-exact, with the same compiled Hessian
    core      the compiled solver alone against liblbfgs in C (needs cc and lbfgs.h)
    large     l-bfgs with a million variables, time per iteration, against liblbfgs and scipy
    dense     bfgs with 800 variables, time per iteration, against scipy
    startup   import, first solution with a warm cache, first solution ever; each in fresh processes

All times are minima over repetitions. Each part runs in a process of its own, whose thread counts are set before NumPy
is loaded and printed; "large" and "dense" run with two threads as well, scipy with as many BLAS threads, which is what
it takes by default on two cores.
"""

import argparse
import importlib.util
import math
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
TWINS = {"l-bfgs": "L-BFGS-B", "bfgs": "BFGS", "cg": "CG"}
GTOL = 1e-5
BARS = {("l-bfgs", 2): 60, ("l-bfgs", 10): 50, ("bfgs", 2): 100, ("bfgs", 10): 100, ("cg", 2): 100, ("cg", 10): 100}


# --------------------------------------------------------------------------------------------------- objectives


def rosenbrock(x, g):
    f = 0.0
    g[0] = 0.0
    for i in range(x.shape[0] - 1):
        a, b = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += 100.0 * a * a + b * b
        g[i] -= 400.0 * a * x[i] + 2.0 * b
        g[i + 1] = 200.0 * a
    return f


def rosenbrock_value(x):
    f = 0.0
    for i in range(x.shape[0] - 1):
        a, b = x[i + 1] - x[i] * x[i], 1.0 - x[i]
        f += 100.0 * a * a + b * b
    return f


def quartic(x, g):
    f, slope = 0.0, 999.0 / x.shape[0]
    for i in range(x.shape[0]):
        c, z = 1.0 + slope * i, x[i] * x[i]
        f += z * (0.5 * c + 0.25 * z)
        g[i] = x[i] * (c + z)
    return f


def quartic_value(x):
    f, slope = 0.0, 999.0 / x.shape[0]
    for i in range(x.shape[0]):
        c, z = 1.0 + slope * i, x[i] * x[i]
        f += z * (0.5 * c + 0.25 * z)
    return f


def rosenbrock_hessian(x, H):
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            H[i, j] = 0.0
    for i in range(x.shape[0] - 1):
        H[i, i] += 1200.0 * x[i] * x[i] - 400.0 * x[i + 1] + 2.0
        H[i + 1, i + 1] += 200.0
        H[i, i + 1] = H[i + 1, i] = -400.0 * x[i]


def start(n):
    import numpy as np

    return np.where(np.arange(n) % 2 == 0, -1.2, 1.0)


def functions(in_place, value):
    """(Objective, pair): pair(x) -> (f, g), compiled, over the same compiled function."""
    import numba
    import numpy as np

    import secondorder as so

    fun_grad = numba.njit(in_place)

    @numba.njit
    def pair(x):
        g = np.empty_like(x)
        return fun_grad(x, g), g

    return so.Objective(fun_grad, fun=numba.njit(value)), pair


def scipy_options(method, gtol, maxiter):
    """The same stopping test; scipy's other stops off."""
    options = {"gtol": gtol, "maxiter": maxiter}
    return options | {"ftol": 0.0, "maxfun": 10**9} if method == "L-BFGS-B" else options


def least(call, seconds=0.5, repeats=20000):
    """Least time of a call; the first call, which compiles, isn't counted."""
    call()
    best, end = math.inf, time.perf_counter() + seconds
    for k in range(repeats):
        begun = time.perf_counter()
        call()
        done = time.perf_counter()
        best = min(best, done - begun)
        if done > end and k >= 2:
            break
    return best


# --------------------------------------------------------------------------------------------------------- parts


def small(arguments):
    """Whole calls against scipy."""
    from scipy.optimize import minimize

    import secondorder as so

    objective, pair = functions(rosenbrock, rosenbrock_value)
    print(f"{'':10} {'n':>3} {'ours':>10} {'same pair':>10} {'scipy':>10} {'times':>6} {'bar':>5}   iterations   evals")
    for (method, n), bar in BARS.items():
        x0, twin = start(n), TWINS[method]
        ours_options, theirs_options = {"gtol": GTOL}, scipy_options(twin, GTOL, 10000)
        r = so.minimize(objective, x0, method=method, options=ours_options)
        s = minimize(pair, x0, jac=True, method=twin, options=theirs_options)
        ours = least(lambda: so.minimize(objective, x0, method=method, options=ours_options))  # noqa: B023
        same = least(lambda: so.minimize(pair, x0, jac=True, method=method, options=ours_options))  # noqa: B023
        theirs = least(lambda: minimize(pair, x0, jac=True, method=twin, options=theirs_options), 1.0)  # noqa: B023
        verdict = "met" if theirs >= bar * ours else "NOT MET"
        print(
            f"{method:10} {n:3} {1e6 * ours:8.2f}us {1e6 * same:8.2f}us {1e6 * theirs:8.1f}us {theirs / ours:6.1f}"
            f" {bar:5}   {r.nit} / {s.nit}   {r.nfev} / {s.nfev}   {verdict}"
        )
    print("same pair: secondorder with jac=True and the very function that scipy gets, which allocates g")


SECOND = ("newton", "trust-exact", "arc")
SECOND_BAR = 100  # of newton and trust-exact


def second(arguments):
    """Whole calls of second-order methods against scipy's trust-exact."""
    import numba
    import numpy as np
    from scipy.optimize import minimize

    import secondorder as so

    in_place, hessian = numba.njit(rosenbrock), numba.njit(rosenbrock_hessian)
    objective = so.Objective(in_place, fun=numba.njit(rosenbrock_value), hess=hessian)
    _, pair = functions(rosenbrock, rosenbrock_value)

    @numba.njit
    def hess(x):
        H = np.empty((x.shape[0], x.shape[0]))
        hessian(x, H)
        return H

    print(f"{'':12} {'n':>3} {'ours':>10} {'scipy':>10} {'times':>6} {'bar':>5}   iterations   evals   Hessians")
    for n in (2, 10):
        x0, options = start(n), {"gtol": GTOL}
        s = minimize(pair, x0, jac=True, hess=hess, method="trust-exact", options=options)
        theirs = least(
            lambda: minimize(pair, x0, jac=True, hess=hess, method="trust-exact", options=options),  # noqa: B023
            1.0,
        )
        for method in SECOND:
            r = so.minimize(objective, x0, method=method, options=options)
            ours = least(lambda: so.minimize(objective, x0, method=method, options=options))  # noqa: B023
            bar = SECOND_BAR if method != "arc" else 0
            print(
                f"{method:12} {n:3} {1e6 * ours:8.2f}us {1e6 * theirs:8.1f}us {theirs / ours:6.1f} {bar:5}   "
                f"{r.nit} / {s.nit}   {r.nfev} / {s.nfev}   {r.nhev} / {s.nhev}   "
                f"{'met' if theirs >= bar * ours else 'NOT MET'}"
            )


def compile_c():
    """Path of the C program, or None without cc or liblbfgs."""
    cc = shutil.which("cc")
    target = pathlib.Path(tempfile.mkdtemp()) / "liblbfgs_rosenbrock"
    source = HERE / "liblbfgs_rosenbrock.c"
    command = [cc, "-O3", "-march=native", str(source), "-llbfgs", "-lm", "-o", str(target)]
    if cc is None or subprocess.run(command, capture_output=True, check=False).returncode:
        print("liblbfgs: not measured, since there is no cc or no lbfgs.h (Debian: liblbfgs-dev)")
        return None
    return target


def run_c(program, *arguments):
    """(iterations, evaluations, |g|_inf, seconds) of the C program."""
    out = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=True).stdout.split()
    return int(out[0]), int(out[1]), float(out[2]), float(out[3])


def core(arguments):
    """The compiled solver as the front door calls it, without the front door, against lbfgs() in C."""
    import secondorder as so
    from secondorder.backends import serial

    spent, call = [], serial.Run.__call__

    def timed_call(run):
        begun = time.perf_counter()
        outcome = call(run)
        spent.append(time.perf_counter() - begun)
        return outcome

    serial.Run.__call__ = timed_call
    objective, _ = functions(rosenbrock, rosenbrock_value)
    program = compile_c()
    print(f"{'':10} {'n':>3} {'time':>10} {'an evaluation':>14}   iterations evaluations    |g|_inf")
    for n in (2, 10):
        spent.clear()
        least(lambda: so.minimize(objective, start(n), options={"gtol": GTOL}), 1.0)  # noqa: B023
        r = so.minimize(objective, start(n), options={"gtol": GTOL})
        rows = [("ours", r.nit, r.nfev, r.optimality, min(spent))]
        if program:
            rows.append(("liblbfgs", *run_c(program, "rosenbrock", n, GTOL, 20000)))
        for name, n_iter, n_fun, gnorm, seconds in rows:
            each = 1e9 * seconds / n_fun
            print(f"{name:10} {n:3} {1e6 * seconds:8.2f}us {each:12.0f}ns {n_iter:12} {n_fun:11} {gnorm:10.1e}")
    if program:
        shutil.rmtree(program.parent)


def large(arguments):
    """A million variables, m = 10, time per iteration over the first ITERATIONS."""
    import numpy as np
    from scipy.optimize import minimize

    import secondorder as so

    n, iterations = arguments.large_n, 40
    x0 = np.ones(n)
    threads = os.environ["NUMBA_NUM_THREADS"]
    objective, pair = functions(quartic, quartic_value)
    options, theirs = {"gtol": 0.0, "maxiter": iterations}, scipy_options("L-BFGS-B", 0.0, iterations)
    r = so.minimize(objective, x0, method="l-bfgs", options=options)
    s = minimize(pair, x0, jac=True, method="L-BFGS-B", options=theirs)
    seconds = {"ours": math.inf, "scipy": math.inf}
    for _ in range(3):  # in turn, so that another load on the machine meets both
        ours = least(lambda: so.minimize(objective, x0, method="l-bfgs", options=options), 4.0)
        scipys = least(lambda: minimize(pair, x0, jac=True, method="L-BFGS-B", options=theirs), 0.0)
        seconds["ours"], seconds["scipy"] = min(seconds["ours"], ours), min(seconds["scipy"], scipys)
    rows = [
        ("ours", r.nit, r.nfev, r.optimality, seconds["ours"]),
        ("scipy", s.nit, s.nfev, np.abs(s.jac).max(), seconds["scipy"]),
    ]
    program = compile_c() if threads == "1" else None
    if program:
        rows.append(("liblbfgs", *run_c(program, "quartic", n, iterations, 8)))
        shutil.rmtree(program.parent)
    print(f"{'':9} {'n':>8} {'an iteration':>13} {'times':>6}   iterations evaluations    |g|_inf   (times: over ours)")
    for name, n_iter, n_fun, gnorm, total in rows:
        each, times = total / n_iter, (total / n_iter) / (rows[0][4] / r.nit)
        print(f"{name:9} {n:8} {1e3 * each:11.2f}ms {times:6.2f} {n_iter:12} {n_fun:11} {gnorm:10.1e}")
    print("bars: liblbfgs 1.54 times (ours 0.65 of it) on one thread, scipy 3.5 times on two")


def dense(arguments):
    """bfgs with 800 variables."""
    from scipy.optimize import minimize

    import secondorder as so

    n, iterations = 800, 40
    x0 = start(n)
    objective, pair = functions(rosenbrock, rosenbrock_value)
    threads = os.environ["OPENBLAS_NUM_THREADS"]
    rows = []
    if threads == "1":
        options = {"gtol": 0.0, "maxiter": iterations}
        r = so.minimize(objective, x0, method="bfgs", options=options)
        rows.append(("ours", r.nit, least(lambda: so.minimize(objective, x0, method="bfgs", options=options), 4.0, 20)))
    options = scipy_options("BFGS", 0.0, iterations)
    s = minimize(pair, x0, jac=True, method="BFGS", options=options)
    seconds = least(lambda: minimize(pair, x0, jac=True, method="BFGS", options=options), 4.0, 3)
    rows.append((f"scipy, {threads} BLAS", s.nit, seconds))
    print(f"{'':14} {'n':>5} {'an iteration':>13}   iterations")
    for name, n_iter, seconds in rows:
        print(f"{name:14} {n:5} {1e3 * seconds / n_iter:11.3f}ms {n_iter:12}")


FIRST_SOLUTION = """
import time
begun = time.perf_counter()
import numpy as np
from numba import njit
import secondorder as so
imported = time.perf_counter()
@njit
def fun(x):
    return (x[0] - 1.0) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2
@njit
def jac(x):
    a = x[1] - x[0] ** 2
    return np.array([2.0 * (x[0] - 1.0) - 400.0 * a * x[0], 200.0 * a])
assert so.minimize(fun, np.array([-1.2, 1.0]), jac=jac).success
print(imported - begun, time.perf_counter() - begun)
"""


def timed(code, environment=None):
    """(seconds of a fresh process as seen from outside, what it printed as floats)."""
    # asv takes PYTHONPATH away; the process must find the package where this one does
    folder = pathlib.Path(importlib.util.find_spec("secondorder").origin).parent.parent
    environment = os.environ | {"PYTHONPATH": str(folder)} | (environment or {})
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: pip compiles to bytecode
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return time.perf_counter() - begun, [float(word) for word in done.stdout.split()]


def startup(arguments):
    """Fresh processes."""
    interpreter = min(timed("pass")[0] for _ in range(5))
    print(f"{'python -c pass':48} {interpreter:6.3f} s")
    for module in ("numpy", "numba", "scipy.optimize", "secondorder"):
        seconds = min(timed(f"import {module}")[0] for _ in range(7))
        print(f"{'import ' + module + ', beyond that':48} {seconds - interpreter:6.3f} s")
    with tempfile.TemporaryDirectory() as cache:
        environment = {"NUMBA_CACHE_DIR": cache}
        first, _ = timed(FIRST_SOLUTION, environment)
        print(f"{'process with the first solution, empty cache':48} {first:6.3f} s")
        warm, (imported, total) = min(timed(FIRST_SOLUTION, environment) for _ in range(7))
        print(f"{'the same, warm cache (the objective is new)':48} {warm:6.3f} s")
        print(f"{'  from the first import on':48} {total:6.3f} s")
        print(f"{'  after the imports':48} {total - imported:6.3f} s")


PARTS = {"small": small, "second": second, "core": core, "large": large, "dense": dense, "startup": startup}


def child(part, threads, arguments):
    """Run one part in a process with so many threads."""
    environment = os.environ | dict.fromkeys(THREADS, str(threads))
    print(f"\n--- {part}, {threads} thread{'s' if threads > 1 else ''}", flush=True)
    command = [sys.executable, __file__, "--inside", part, "--large-n", str(arguments.large_n)]
    return subprocess.run(command, env=environment, check=False).returncode


def where():
    """The machine, in a line."""
    from importlib import metadata

    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numba", "numpy", "scipy"))
    load = f", load average {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    return f"{platform.platform()}, {os.cpu_count()} cores{load}; python {platform.python_version()}, {versions}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be given several times")
    parser.add_argument("--large-n", type=int, default=1_000_000, help="variables of the part large")
    parser.add_argument("--inside", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        return PARTS[arguments.inside](arguments)
    print(where())
    failed = 0
    for part in arguments.part or PARTS:
        failed |= child(part, 1, arguments)
        if part in ("large", "dense"):
            failed |= child(part, 2, arguments)
    return failed


if __name__ == "__main__":
    sys.exit(main())
