"""Our methods and scipy's on the classic functions, each answer checked here: `python -m secondorder compare`.

Both sides get the same compiled objective (the machine code of `problem.fun_grad` is compiled once; scipy calls it from
a two-line Python function with jac=True, ours by its address) and the same stopping test,

    |g|_inf <= gtol max(1, |g(x0)|_inf)

with scipy's other stops switched off (its trust-region methods take the 2-norm of g instead; its Newton-CG, which has
no such test, gets it as a callback). Second derivatives come from one compiled Hessian product for both sides. What a
solver says of itself is recorded and plays no part in the verdict:

    solved        the test holds for the gradient recomputed at the x that was returned, and f(x) is the known minimum
                  or the value of a known local minimum (`Problem.solved`). Where neither is known: the test holds and
                  the Hessian has no negative eigenvalue. Where f is unbounded: f(x) <= -1e10 max(1, |f(x0)|), any x
    saddle        the test holds at a stationary point that is no minimum, also if f has no minimum at all
    elsewhere     the test holds, but f(x) is not the value of a known minimum: a flat place, or a minimum nobody listed
    unfinished    the test does not hold
    time limit, error

Times are minima over repeated whole calls from Python, on one BLAS thread: threadpoolctl sees to it where it is
installed, else the command line starts anew with the environment set; only solved runs are repeated. Evaluations by
scipy are counted here; ours are those of the result.

References
----------
[1] Dolan, More. Benchmarking optimization software with performance profiles. Mathematical Programming 91 (2002)
    201-213. doi:10.1007/s101070100263
[2] Gould, Scott. A note on performance profiles for benchmarking software. ACM Transactions on Mathematical Software 43
    (2016) 15. doi:10.1145/2950048
"""

import contextlib
import functools
import gc
import json
import math
import os
import platform
import sys
import time
import warnings
from dataclasses import dataclass
from importlib import metadata
from typing import NamedTuple

import numpy as np

from secondorder.derivatives.second_order import matrix_from_products
from secondorder.jit import FLAGS, HVP, compiled, f8, function_at, intp, llvm, matrix, njit, vector
from secondorder.minimize import find_method, minimize
from secondorder.objective import Objective, typed_objective
from secondorder.options import lookup
from secondorder.problems import PROBLEMS, Problem

# scipy's method that does what ours does; None: scipy has none.
SCIPY_TWINS = {
    "gradient-descent": None,
    "perturbed-gd": None,
    "perturbed-agd": None,
    "cg": "CG",
    "bfgs": "BFGS",
    "l-bfgs": "L-BFGS-B",
    "newton": None,
    "newton-cg": "Newton-CG",
    "newton-cg-capped": None,
    "saddle-free-newton": None,
    "trust-exact": "trust-exact",
    "trust-krylov": "trust-krylov",
    "trust-ncg": "trust-ncg",
    "trust-ncg-capped": None,
    "dogleg": "dogleg",
    "trust-subspace": None,
    "sr1": None,
    "l-sr1": None,
    "arc": None,
    "arc-krylov": None,
}
# What runs unless methods are named: one of each kind, so that the default run stays under a minute.
DEFAULT_METHODS = ("cg", "bfgs", "l-bfgs", "newton-cg", "trust-exact")

GTOL = 1e-8  # small enough that the test is seldom met away from a minimum
TIME_LIMIT = 2.0  # seconds of one run
REPEAT = 0.02  # seconds spent on repeating a solved run,
MAX_REPEATS = 100  # and at most so many times
SADDLE = 1e-8  # an eigenvalue below -SADDLE max|eigenvalue| counts as negative
UNBOUNDED = 1e10  # f(x) <= -UNBOUNDED max(1, |f(x0)|) counts as unbounded

METRICS = ("evaluations", "seconds")
WANT_PRODUCTS = ("Newton-CG", "trust-krylov", "trust-ncg")  # of scipy's methods
WANT_MATRICES = ("trust-exact", "dogleg")


class Record(NamedTuple):
    """One solver on one problem."""

    problem: str
    n: int
    solver: str  # a name of METHODS, or "scipy " and scipy's name
    verdict: str  # solved, saddle, elsewhere, unfinished, time limit, error
    gradient_met: bool  # |g|_inf <= tolerance for the gradient recomputed at x
    fun: float
    optimality: float  # |g|_inf, recomputed
    tolerance: float
    iterations: int
    evaluations: int
    gradients: int
    seconds: float  # least time of a whole call
    success: bool  # what the solver says
    message: str  # and how it puts it

    @property
    def solved(self):
        """Whether the verdict is "solved"."""
        return self.verdict == "solved"


# ------------------------------------------------------------------------------------------------ the comparison


def compare(problems=None, methods=None, scipy=True, gtol=GTOL, time_limit=TIME_LIMIT, progress=None):
    """Run methods and their scipy twins on test problems.

    Parameters
    ----------
    problems : iterable of str or Problem, optional
        Names of `PROBLEMS`; default all, at their usual sizes.
    methods : iterable of str, optional
        Names of `METHODS`; default `DEFAULT_METHODS`.
    scipy : bool
        Whether scipy's counterparts (`SCIPY_TWINS`) run too.
    gtol : float
        Both sides stop when ``|g|_inf <= gtol max(1, |g(x0)|_inf)``.
    time_limit : float
        Seconds after which a run is given up.
    progress : callable, optional
        ``progress(k, total, name)``, called before each problem.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> from secondorder.compare import compare
    >>> comparison = compare(["rosenbrock", "beale"], ["bfgs"], scipy=False)
    >>> [record.verdict for record in comparison.records]
    ['solved', 'solved']
    """
    problems = PROBLEMS if problems is None else problems
    chosen = [p if isinstance(p, Problem) else lookup("problem", p, PROBLEMS) for p in problems]
    names = list(dict.fromkeys(find_method(method)[0] for method in (DEFAULT_METHODS if methods is None else methods)))
    if not gtol > 0.0:
        raise ValueError(f"gtol={gtol!r} must be positive")
    if scipy:
        import scipy.optimize  # loads its BLAS, so that its threads can be limited
    records = []
    with one_blas_thread() as threads:
        for k, problem in enumerate(chosen):
            if progress is not None:
                progress(k, len(chosen), problem.name)
            for solver in solvers(names, scipy):
                records.append(run(problem, solver, gtol, time_limit))
    settings = {
        "gtol": gtol,
        "time_limit": time_limit,
        "blas_threads": threads,
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }
    return Comparison(records, versions() | settings)


def solvers(methods, scipy=True):
    """Names of the solvers of a comparison: each method, then its twin."""
    names = []
    for method in methods:
        twin = SCIPY_TWINS.get(method)
        names += [method, f"scipy {twin}"] if twin and scipy else [method]
    return names


def twin_of(solver):
    """Name of the solver to compare with, or None."""
    twin = SCIPY_TWINS.get(solver)
    return f"scipy {twin}" if twin else None


@dataclass(frozen=True, repr=False)
class Comparison:
    """What a comparison found, and the settings under which it was made; str() is the report."""

    records: list
    settings: dict

    @functools.cached_property
    def problems(self):
        """Names of the problems."""
        return list(dict.fromkeys(record.problem for record in self.records))

    @functools.cached_property
    def solvers(self):
        """Names of the solvers."""
        return list(dict.fromkeys(record.solver for record in self.records))

    @functools.cached_property
    def _at(self):
        return {(record.problem, record.solver): record for record in self.records}

    def __repr__(self):
        """Short: str() is long."""
        return f"<Comparison of {len(self.solvers)} solvers on {len(self.problems)} problems>"

    def __getitem__(self, key):
        """The record of (problem, solver)."""
        return self._at[key]

    def costs(self, metric="seconds"):
        """{solver: cost of each problem, inf where it was not solved}."""
        if metric not in METRICS:
            raise ValueError(f"metric={metric!r} must be one of {', '.join(METRICS)}")
        costs = {}
        for solver in self.solvers:
            records = [self[name, solver] for name in self.problems]
            costs[solver] = np.array([getattr(r, metric) if r.solved else math.inf for r in records], dtype=np.float64)
        return costs

    def pair(self, solver, twin):
        """Records of the problems that both solved, as a list of pairs."""
        both = [(self[name, solver], self[name, twin]) for name in self.problems]
        return [(ours, theirs) for ours, theirs in both if ours.solved and theirs.solved]

    def to_json(self):
        """Settings and records as one JSON object; what is not finite is null."""
        clean = [{key: _finite(value) for key, value in record._asdict().items()} for record in self.records]
        return json.dumps({"settings": self.settings, "records": clean}, indent=1)

    def __str__(self):
        """Settings, summary, performance profiles and the table of problems."""
        parts = [settings_text(self.settings), summary(self)]
        if len(self.solvers) > 1:
            parts += [profile_text(performance_profile(self, metric)) for metric in METRICS]
        return "\n\n".join([*parts, table(self)])


def _finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --------------------------------------------------------------------------------------------------- one run


class Kernels(NamedTuple):
    """The compiled functions of a problem."""

    fun_grad: object  # fun_grad(x, g) -> f, callable from Python
    objective: Objective
    hvp: object  # address of the typed Hessian product; 0: not asked for


@functools.cache
def kernels(problem, second=False):
    """Compiled once; kept on disk unless the function captures values. second: with the Hessian product."""
    if second:
        known = kernels(problem)
        typed, _ = typed_objective((known.objective, None, None, None), (), ("grad", "hvp"))
        return known._replace(hvp=typed.hvp)
    fun, fun_grad = kernel(problem.fun, f8(vector)), kernel(problem.fun_grad, f8(vector, vector))
    return Kernels(fun_grad, Objective(fun_grad, fun=fun, hvp=njit(**FLAGS)(problem.hvp)), 0)


_hvp_at = function_at(HVP)


def product_at(hvp, x, v, out):
    """out <- H v by the typed Hessian product at an address, for Python to call."""
    return _hvp_at(hvp)(x, v, out, (0, 0))


def hessian_at(hvp, x, H):
    """H <- the Hessian by the typed Hessian product at an address, for Python to call."""
    return matrix_from_products(hvp, x, H, (0, 0))


def second_derivatives(method, hvp):
    """{"hessp" or "hess": scipy's function of the same compiled Hessian product}."""
    if method in WANT_PRODUCTS:
        product = compiled(product_at, f8(intp, vector, vector, vector), "called")

        def hessp(x, v):
            out = np.empty_like(x)
            product(hvp, x, v, out)
            return out

        return {"hessp": hessp}
    if method in WANT_MATRICES:
        matrix_of = compiled(hessian_at, f8(intp, vector, matrix), "called")

        def hess(x):
            H = np.empty((x.shape[0], x.shape[0]))
            matrix_of(hvp, x, H)
            return H

        return {"hess": hess}
    return {}


def kernel(function, signature):
    """A function of a problem, compiled so that Python may call it too."""
    if function.__closure__:  # two functions made by one text would share a file of the cache
        return njit(signature, **FLAGS)(function)
    return compiled(function, signature, "entry")


class TimeLimitPassed(BaseException):
    """Raised in scipy's objective; not an Exception, so that nobody swallows it."""


def run(problem, solver, gtol, time_limit):
    """The Record of one solver on one problem."""
    fun_grad, objective, _ = kernels(problem)
    x0, g0 = problem.x0(), np.empty(problem.n)
    fun_grad(x0, g0)
    tolerance = gtol * max(1.0, float(np.abs(g0).max()))
    max_iter = max(10000, 200 * problem.n)
    if solver.startswith("scipy "):
        twin, second = solver[6:], {}
        if twin in (*WANT_PRODUCTS, *WANT_MATRICES):
            second = second_derivatives(twin, kernels(problem, True).hvp)
        first, again = scipy_calls(twin, fun_grad, second, x0, tolerance, max_iter, time_limit)
    else:
        options = {"gtol": tolerance, "maxiter": max_iter, "time_limit": time_limit}
        first = again = functools.partial(minimize, objective, x0, method=solver, options=options)
    x, counts, claim = x0, (0, 0, 0), (False, "")
    begun = time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            if first is again:
                again()  # compiles what this method needs of the objective
                begun = time.perf_counter()
            result = first()
            seconds = time.perf_counter() - begun
            x, claim = result.x, (bool(result.success), str(result.message))
            counts = int(result.nit), int(result.nfev), int(result.njev)
            verdict, gradient_met, f, gnorm = judge(problem, x, tolerance)
            if verdict == "unfinished" and seconds > time_limit:
                verdict = "time limit"
            elif verdict == "solved":
                seconds = min(seconds, least_time(again))
        except TimeLimitPassed:
            seconds, verdict, claim = time.perf_counter() - begun, "time limit", (False, "given up here")
            gradient_met, f, gnorm = False, math.nan, math.nan
        except Exception as error:  # one solver's fault must not end the comparison
            seconds, verdict, claim = time.perf_counter() - begun, "error", (False, f"{type(error).__name__}: {error}")
            gradient_met, f, gnorm = False, math.nan, math.nan
    return Record(problem.name, problem.n, solver, verdict, gradient_met, f, gnorm, tolerance, *counts, seconds, *claim)


def scipy_calls(method, fun_grad, second, x0, tolerance, max_iter, time_limit):
    """(first, again): a call of scipy's solver that counts evaluations and watches the clock; one that only solves."""
    from scipy.optimize import minimize as scipy_minimize

    options = {"gtol": tolerance, "maxiter": max_iter}
    if method == "L-BFGS-B":
        options |= {"ftol": 0.0, "maxfun": 10**9}
    call = functools.partial(scipy_minimize, x0=x0, jac=True, method=method, options=options, **second)
    last = np.full_like(x0, math.inf)  # the gradient computed last
    if method == "Newton-CG":  # it has no gradient tolerance
        options["xtol"] = 1e-300
        del options["gtol"]
        call = functools.partial(call, callback=lambda x: stop_at(tolerance, last))

    def pair(x):
        g = np.empty_like(x)
        f = fun_grad(x, g)
        last[:] = g
        return f, g

    def first():
        n_calls, end = 0, time.perf_counter() + time_limit

        def counted(x):
            nonlocal n_calls
            n_calls += 1
            if time.perf_counter() > end:
                raise TimeLimitPassed
            return pair(x)

        result = call(counted)
        result.nfev = result.njev = n_calls
        return result

    return first, functools.partial(call, pair)


def stop_at(tolerance, g):
    """A callback of scipy's: end the run where the gradient test is met."""
    if np.abs(g).max() <= tolerance:
        raise StopIteration


def least_time(call):
    """Least seconds of a call over repetitions, without the garbage collector."""
    least, end = math.inf, time.perf_counter() + REPEAT
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(MAX_REPEATS):
            begun = time.perf_counter()
            call()
            done = time.perf_counter()
            least = min(least, done - begun)
            if done > end:
                break
    finally:
        if collecting:
            gc.enable()
    return least


def judge(problem, x, tolerance):
    """(verdict, is the gradient test met?, f, |g|_inf) at x, from the problem alone."""
    x = np.array(x, dtype=np.float64)
    n = x.shape[0]
    g = np.empty(n)
    f = float(problem.fun_grad(x, g))
    gnorm = float(np.abs(g).max())
    met = gnorm <= tolerance and math.isfinite(f)
    if "unbounded" in problem.traits:
        f0 = problem.fun(problem.x0(n))
        if f <= -UNBOUNDED * max(1.0, abs(f0)):
            return "solved", met, f, gnorm
        return ("saddle" if met else "unfinished"), met, f, gnorm
    if not met:
        return "unfinished", met, f, gnorm
    if problem.solved(f, n):
        return "solved", met, f, gnorm
    if at_saddle(problem, x, f):
        return "saddle", met, f, gnorm
    return ("solved" if problem.minimum(n) is None else "elsewhere"), met, f, gnorm


def at_saddle(problem, x, f):
    """Whether the stationary point x has negative curvature, or the value of a known saddle."""
    hessian = problem.hessian(x)
    if np.isfinite(hessian).all():
        eigenvalues = np.linalg.eigvalsh(0.5 * (hessian + hessian.T))
        if eigenvalues[0] < -SADDLE * np.abs(eigenvalues).max():
            return True
    f0 = problem.fun(problem.x0(x.shape[0]))
    return any(abs(f - value) <= 1e-8 * abs(f0 - value) for value in problem.saddles(x.shape[0]))


# ------------------------------------------------------------------------------------------ performance profiles


class Profile(NamedTuple):
    """Cost of each solver on each problem as a multiple of the least cost there; inf: not solved."""

    metric: str
    ratios: dict

    def fraction(self, solver, tau):
        """rho(tau) of [1]: the share of all problems that it solved at no more than tau times the least cost."""
        return float(np.mean(self.ratios[solver] <= tau))


def performance_profile(costs, metric="seconds"):
    """The performance profile of Dolan and More.

    The curve at tau = 1 says how often a solver is the best; its height far to the right, how many problems it solves.
    Who is second best can't be read from it: leave the best out and draw it anew [2].

    Parameters
    ----------
    costs : Comparison or dict
        ``{solver: cost of each problem}``, inf or nan where it was not solved.
    metric : {"seconds", "evaluations"}
        Of a Comparison, what to count; of a dict, its name.

    Returns
    -------
    Profile

    Examples
    --------
    >>> from secondorder.compare import performance_profile
    >>> profile = performance_profile({"a": [1.0, 4.0, 1.0], "b": [2.0, 1.0, float("inf")]})
    >>> [round(profile.fraction(solver, 2.0), 2) for solver in ("a", "b")]
    [0.67, 0.67]
    """
    if isinstance(costs, Comparison):
        costs = costs.costs(metric)
    rows = np.array([np.asarray(values, dtype=np.float64) for values in costs.values()])
    rows = np.where(np.isfinite(rows), rows, math.inf)
    least = rows.min(axis=0)
    # nobody solved it: no ratio, but the problem counts. A cost of 0 (0 iterations) equals itself.
    with np.errstate(all="ignore"):
        ratios = np.where(np.isfinite(rows), np.where(rows == least, 1.0, rows / least), math.inf)
    return Profile(metric, dict(zip(costs, ratios)))


# --------------------------------------------------------------------------------------------------- the report

TAUS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def profile_text(profile):
    """A performance profile as a table of percentages."""
    rows = [[solver] + [f"{100 * profile.fraction(solver, tau):.0f}" for tau in TAUS] for solver in profile.ratios]
    ever = [f"{100 * profile.fraction(solver, sys.float_info.max):.0f}" for solver in profile.ratios]
    rows = [[*row, last] for row, last in zip(rows, ever)]
    title = f"performance profile, {profile.metric}: % of the problems solved within tau times the best solver's"
    return title + "\n" + columns(["tau", *[str(tau) for tau in TAUS], "ever"], rows)


def summary(comparison):
    """One line a solver."""
    head = ["", "solved", "|g| met", "saddle", "false", "on", "iterations", "evaluations", "time", "evals x", "time x"]
    rows, total = [], len(comparison.problems)
    for solver in comparison.solvers:
        records = [comparison[name, solver] for name in comparison.problems]
        row = [
            solver,
            f"{sum(record.solved for record in records)}/{total}",
            sum(record.gradient_met for record in records),
            sum(record.verdict == "saddle" for record in records),
            sum(record.success and not record.gradient_met for record in records),
        ]
        ours = next((name for name in comparison.solvers if twin_of(name) == solver), solver)
        pairs = comparison.pair(ours, twin_of(ours)) if twin_of(ours) in comparison.solvers else []
        mine = [pair[solver != ours] for pair in pairs] or [record for record in records if record.solved]
        row += [
            len(mine),
            sum(record.iterations for record in mine),
            sum(record.evaluations for record in mine),
            duration(sum(record.seconds for record in mine)),
        ]
        if pairs and solver == ours:
            row += [
                f"{geometric_mean([theirs.evaluations / ours.evaluations for ours, theirs in pairs]):.2f}",
                f"{geometric_mean([theirs.seconds / ours.seconds for ours, theirs in pairs]):.1f}",
            ]
        else:
            row += ["", ""]
        rows.append([str(cell) for cell in row])
    notes = [
        "false: says success, but the gradient test fails. on: the problems that it and its twin solved; iterations,",
        "evaluations and time are sums over these. x: scipy's by ours, geometric mean; above 1, ours takes less.",
    ]
    return "\n".join([columns(head, rows), *notes])


def table(comparison):
    """One line a problem, one column a solver: evaluations and time, or why it is not solved."""
    cells = {
        key: f"{record.evaluations} {duration(record.seconds)}" if record.solved else record.verdict
        for key, record in comparison._at.items()
    }
    sizes = {record.problem: record.n for record in comparison.records}
    rows = [
        [name, str(sizes[name]), *[cells[name, solver] for solver in comparison.solvers]]
        for name in comparison.problems
    ]
    return columns(["evaluations, time", "n", *comparison.solvers], rows)


def columns(head, rows):
    """A table of strings, the first column to the left. A head of two words takes two lines."""
    tops, heads = zip(*[title.split(" ", 1) if title.startswith("scipy ") else ("", title) for title in head])
    lines = [list(heads), *rows] if not any(tops) else [list(tops), list(heads), *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    text = []
    for line in lines:
        cells = [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        text.append("  ".join(cells).rstrip())
    text.insert(len(lines) - len(rows), "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(text)


def duration(seconds):
    """Seconds for people, in three digits."""
    for unit, size in (("us", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        if seconds < 999.5 * size or unit == "s":
            value = seconds / size
            return f"{value:.{max(0, 2 - int(math.log10(max(value, 1.0))))}f}{unit}"
    return ""


def geometric_mean(values):
    """The geometric mean of positive numbers."""
    return math.exp(sum(math.log(value) for value in values) / len(values))


# ------------------------------------------------------------------------------------------------- where it ran


def settings_text(settings):
    """Where and how it ran, in three lines."""
    load = settings["load_average"]
    threads = f"BLAS threads: {settings['blas_threads']}; each run takes one core"
    if load:
        threads += f"; load average {load[0]:.1f} on {settings['cores']} cores"
    names = ("secondorder", "python", "numpy", "scipy", "numba", "cpu")
    lines = [
        f"stopping test |g|_inf <= {settings['gtol']:g} max(1, |g(x0)|_inf); scipy's other stops are off",
        threads,
        ", ".join(f"{name} {settings[name]}" for name in names),
    ]
    return "\n".join(lines)


def versions():
    """Versions of what the answers depend on, and the processor."""
    found = {name: metadata.version(name) for name in ("numpy", "scipy", "numba", "llvmlite")}
    python = {"secondorder": sys.modules[__package__].__version__, "python": platform.python_version()}
    return python | found | {"cpu": llvm.get_host_cpu_name(), "cores": cores()}


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@contextlib.contextmanager
def one_blas_thread():
    """Limit BLAS to one thread, which is fastest for small problems; gives the words for what was done."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield blas_threads_from_environment()
        return
    with threadpool_limits(1, user_api="blas"):
        yield "1"


def blas_threads_from_environment():
    """What is known of BLAS threads without threadpoolctl."""
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    found = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    if found:
        return ", ".join(found)
    return "not limited, as threadpoolctl is not installed (scipy may be slowed down: set OPENBLAS_NUM_THREADS=1)"
