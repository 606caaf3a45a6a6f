"""The contract of a method: promises that each keeps, whatever the objective and wherever it runs.

Every promise is tested for all of METHODS, with compiled objectives and with objectives in the interpreter. To add a
method is to add its row to METHODS: it is then held to all of this.
"""

import functools
import math

import numpy as np
import pytest
from numba import njit
from numba.core.errors import NumbaError

from secondorder import LINE_SEARCHES, METHODS, Objective, minimize
from secondorder.backends import serial
from secondorder.jit import FUN, compiled
from secondorder.line_searches.initial_step import INITIAL_STEPS
from secondorder.options import RunOptions, unknown_names
from secondorder.problems import PROBLEMS
from secondorder.status import REASONS
from tests.objectives import made_once

pytestmark = pytest.mark.timeout(240)

GRTOL = 2.0**-26
EPS = 2.0**-52

# One of each kind.
CHOSEN = (
    "rosenbrock",  # a curved valley
    "powell-singular",  # a singular Hessian at the minimizer
    "broyden-tridiagonal",  # more variables
    "quadratic-1e2",
    "log-linear",  # nan outside a domain
    "rosenbrock-tiny",  # small values of f
    "quadratic-offset",  # f loses its digits near the minimizer
    "himmelblau",  # several minima
)

COSINE = "negative curvature at the start leads out to |x| = 1000, into a valley that curves and falls ever more slowly"


DAMPED = "steps are damped by 2 eps_H = 2.4e-4 |H|: where the curvature is lower than that the way is long"

ACCELERATED = "condition numbers of 1e10 and more: momentum leaves their roots, 10000 steps do not do"


# Problems that a method need not solve, with the reason. "compiled" and "python" alike.
NOT_CLAIMED = {
    ("gradient-descent", "log-barrier-1e-6"): "the curvature grows by 1e12 on the way: 10000 steps do not do",
    ("perturbed-gd", "log-barrier-1e-6"): "the curvature grows by 1e12 on the way: 10000 steps do not do",
    ("perturbed-gd", "osborne-1"): "so badly scaled that the noise on the way costs more than 10000 steps",
    ("perturbed-agd", "log-barrier-1e-6"): ACCELERATED,
    ("perturbed-agd", "powell-badly-scaled"): ACCELERATED,
    ("perturbed-agd", "brown-badly-scaled"): ACCELERATED,
    ("perturbed-agd", "meyer"): ACCELERATED,
    ("perturbed-agd", "osborne-1"): ACCELERATED,
    ("trust-exact", "cosine"): COSINE,
    ("arc", "cosine"): COSINE,
    ("arc-krylov", "cosine"): COSINE,
    ("trust-subspace", "cosine"): COSINE,
    ("trust-ncg-capped", "powell-badly-scaled"): DAMPED,
    ("trust-ncg-capped", "brown-badly-scaled"): DAMPED,
    ("newton-cg-capped", "powell-badly-scaled"): DAMPED,
    ("newton-cg-capped", "brown-badly-scaled"): DAMPED,
    ("newton-cg-capped", "meyer"): DAMPED,
    ("newton-cg-capped", "osborne-1"): DAMPED,
    ("newton-cg-capped", "biggs-exp6"): DAMPED,
}


@functools.cache
def objective(name):
    """The problem's Objective."""
    problem = PROBLEMS[name]
    return Objective(njit(problem.fun_grad), fun=njit(problem.fun), hvp=njit(problem.hvp))


def in_python(problem):
    """The problem's Objective for the interpreter."""
    return Objective(problem.fun_grad, fun=problem.fun, hvp=problem.hvp)


def searches(method):
    """Has the method a line search?"""
    return METHODS[method].SEARCH is not None


def perturbs(method):
    """Does it try the end of a run by noise, which takes more evaluations and no iteration?"""
    return getattr(METHODS[method], "PERTURBS", False)


def solve(name, method, backend="numba", x0=None, callback=None, **options):
    problem = PROBLEMS[name]
    x0 = problem.x0() if x0 is None else x0
    given = in_python(problem) if backend == "python" else objective(name)
    return minimize(given, x0, method=method, backend=backend, callback=callback, options=options)


@functools.cache
def within_3000(name, method):
    """The run with so many evaluations and the objective in the interpreter."""
    return solve(name, method, "python", maxfev=3000)


def own_optimality(name, x):
    """|g(x)|_inf without any of the code under test but the problem's gradient."""
    return float(np.max(np.abs(PROBLEMS[name].gradient(x)), initial=0.0))


def same_bits(one, other):
    for name in ("x", "fun", "jac", "nit", "nfev", "njev", "status", "reason", "optimality", "message"):
        a, b = one[name], other[name]
        same = a == b if isinstance(a, str) else np.array_equal(a, b, equal_nan=True)
        assert same, f"{name}: {a} and {b}"


# ------------------------------------------------------------------------------------- 1, 2, 3: truthful success


@pytest.mark.parametrize("name", CHOSEN)
def test_converges_on_what_it_claims(method, backend, name):
    result = solve(name, method, backend)
    assert result.status == 0, result.message
    assert PROBLEMS[name].solved(result.fun, tau=1e-6)


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize(
    "options", [{}, {"gtol": 1e-5}, {"grtol": 1e-4}, {"maxiter": 7}, {"gtol": 1e-3, "maxfev": 25}], ids=str
)
def test_converged_means_a_small_gradient_and_a_small_gradient_means_converged(method, backend, name, options):
    result = solve(name, method, backend, **options)
    g0 = own_optimality(name, PROBLEMS[name].x0())
    threshold = max(options.get("gtol", 0.0), options.get("grtol", 0.0 if "gtol" in options else GRTOL) * g0)
    assert (result.reason == "gtol") == (own_optimality(name, result.x) <= threshold)
    assert result.criteria[0]["threshold"] == pytest.approx(threshold, rel=1e-15)
    assert result.criteria[0]["value"] == result.optimality == own_optimality(name, result.x)
    assert result.criteria[0]["met"] == (result.reason == "gtol")
    assert result.success == (result.status == 0)


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("maxiter", [0, 1, 3, 10, 10000])
def test_fun_is_f_at_x_and_not_above_the_start(method, backend, name, maxiter):
    problem = PROBLEMS[name]
    result = solve(name, method, backend, maxiter=maxiter)
    assert result.fun == problem.fun(result.x)
    assert result.fun <= problem.fun(problem.x0())
    assert np.array_equal(result.jac, problem.gradient(result.x))


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_success_without_a_small_gradient_on_any_problem(method, name):
    problem = PROBLEMS[name]
    f0, g0 = problem.fun(problem.x0()), own_optimality(name, problem.x0())
    result = within_3000(name, method)
    assert result.success == (result.status == 0)
    assert result.message
    assert result.fun <= f0
    assert result.fun == problem.fun(result.x)
    # behind a saddle the threshold may be that of the largest gradient at which the run started anew
    threshold = result.criteria[0]["threshold"] if result.get("nescape") else GRTOL * g0
    small = own_optimality(name, result.x) <= threshold
    assert (result.reason == "gtol") == small
    if result.success and not small:  # the rounding floor: the decrease still to be had is lost in f
        assert result.reason == "precision"
        assert problem.solved(result.fun, tau=1e-13)
    if result.status == 4:
        assert "unbounded" in problem.traits


@pytest.mark.parametrize("name", PROBLEMS)
def test_success_where_second_order_is_asked_for_means_second_order_stationary(method, name):
    problem = PROBLEMS[name]
    if METHODS[method].NEEDS == ("grad",) and "saddle" not in problem.traits:
        pytest.skip("its ends are looked at as those of others are; problems with saddles do")
    given, options = in_python(problem), {"maxfev": 3000}
    result = minimize(given, problem.x0(), method=method, backend="python", second_order=True, options=options)
    w = np.linalg.eigvalsh(problem.hessian(result.x))
    least, size = w[0], np.max(np.abs(w))
    if result.success:
        assert result.certificate.tolerance == RunOptions().curvature
        assert result.certificate.verdict in ("minimum", "degenerate")
        assert least >= -result.certificate.tolerance * size
        if result.certificate.verdict == "minimum":
            assert least > 0.0
    if result.reason == "saddle":
        assert least < 0.0


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_is_solved_or_the_reason_is_in_the_table(method, name):
    result = within_3000(name, method)
    if not result.success:
        result = solve(name, method, "python", maxfev=30000)
    truthful = result.status == 0 or "unbounded" in PROBLEMS[name].traits
    assert truthful != ((method, name) in NOT_CLAIMED), result.message


# ------------------------------------------------------------------------------------ 4, 5: starts, budgets, faults


@pytest.mark.parametrize("name", ["rosenbrock", "quadratic-1e2", "booth"])
def test_a_start_at_the_minimizer_needs_no_iteration(method, backend, name):
    x = PROBLEMS[name].minimizers()[0]
    result = solve(name, method, backend, x0=x)
    assert (result.status, result.nit) == (0, 0)
    assert np.array_equal(result.x, x)
    if not perturbs(method):
        assert (result.nfev, result.njev) == (1, 1)


@pytest.mark.parametrize("name", CHOSEN)
def test_one_iteration_allowed_is_one_iteration_done(method, backend, name):
    result = solve(name, method, backend, maxiter=1)
    assert result.nit == 1
    if not result.success:  # Newton's method needs no second iteration on a quadratic
        assert result.status == 1
        assert "maxiter" in result.message


@pytest.mark.parametrize("name", CHOSEN)
def test_converging_at_the_last_permitted_iteration_is_converged(method, backend, name):
    free = solve(name, method, backend)
    last = solve(name, method, backend, maxiter=free.nit)
    same_bits(free, last)
    short = solve(name, method, backend, maxiter=free.nit - 1)
    assert (short.status, short.nit) == (1, free.nit - 1)


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("maxfev", [1, 4, 9])
def test_maxfev_bounds_the_evaluations(method, backend, name, maxfev):
    result = solve(name, method, backend, maxfev=maxfev)
    assert result.nfev <= maxfev + 1
    if result.status != 0:
        assert result.nfev >= maxfev
        assert result.status == 1
        assert "maxfev" in result.message


@pytest.mark.parametrize("name", CHOSEN)
def test_no_time_is_status_5_at_the_start(method, backend, name):
    result = solve(name, method, backend, time_limit=0.0)
    assert (result.status, result.nit) == (5, 0)
    assert np.array_equal(result.x, PROBLEMS[name].x0())


def constant(x, g, value):
    g[0] = 1.0
    return value * 1.0


@pytest.mark.parametrize(("value", "status"), [(np.nan, 3), (np.inf, 3), (-np.inf, 4)])
def test_a_value_that_is_not_finite_at_the_start_is_named(method, backend, value, status):
    result = minimize(made_once(constant), np.ones(1), (value,), method, backend=backend)
    assert (result.status, result.nit, result.nfev) == (status, 0, 1)
    assert np.array_equal(result.fun, value, equal_nan=True)


def cubic(x, g):
    g[0] = 1.0 - 3.0 * x[0] * x[0]
    return x[0] - x[0] ** 3


def test_unbounded_below_is_reported(method, backend):
    result = minimize(made_once(cubic), np.full(1, 2.0), method=method, backend=backend)
    assert (result.status, result.success) == (4, False)
    assert result.fun < -1e20


# ------------------------------------------------------------------------------------------- 6, 7: the workspace


def use_space(monkeypatch, make_workspace, dirt):
    """Every run gets arrays made by make_workspace, and all else that is kept between runs full of dirt."""

    def take(sizes):
        space = serial.Space(*sizes)
        space.best[:] = space.values[:] = dirt
        space.counts[:] = -7
        return space

    monkeypatch.setattr(serial, "make_workspace", make_workspace)
    monkeypatch.setattr(serial, "take_space", take)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_dirty_workspace_gives_the_same_bits(method, backend, name, monkeypatch):
    clean = solve(name, method, backend, history=True)
    for dirt in (np.nan, -1e300, np.inf, 7.0):

        def make(rows, n, length, dirt=dirt):
            return np.full((rows, n), dirt), np.full(length, dirt)

        use_space(monkeypatch, make, dirt)
        dirty = solve(name, method, backend, history=True)
        same_bits(clean, dirty)
        for column in clean.history:
            assert np.array_equal(clean.history[column], dirty.history[column]), column


@pytest.mark.parametrize("name", CHOSEN)
def test_rows_beyond_n_work_and_n_memory_stay_untouched(method, backend, name, monkeypatch):
    taken = []
    mark = -1.2345e67

    def take(rows, n, length):
        work, memory = np.full((rows + 3, n), mark), np.full(length + 5, mark)
        taken.append((work[rows:], memory[length:]))
        return work, memory

    use_space(monkeypatch, take, mark)
    solve(name, method, backend)
    ((rows, tail),) = taken
    assert np.all(rows == mark)
    assert np.all(tail == mark)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 64])
@pytest.mark.parametrize("m", [1, 2, 10])
def test_n_work_and_n_memory_are_what_is_used_at_every_size(method, n, m, monkeypatch):
    taken = []

    def take(rows, size, length):
        work, memory = np.full((rows + 3, size), -5.5), np.full(length + 5, -5.5)
        taken.append((work[rows:], memory[length:]))
        return work, memory

    use_space(monkeypatch, take, -5.5)
    options = {"m": m} if method in ("l-bfgs", "l-sr1", "newton-cg-capped", "trust-ncg-capped") else {}
    result = solve("tridia", method, x0=PROBLEMS["tridia"].x0(n), **options)
    assert result.success
    assert all(np.all(rows == -5.5) and np.all(tail == -5.5) for rows, tail in taken)


def test_a_kernel_that_allocates_does_not_compile():
    def allocates(x, data):
        return np.empty(x.shape[0])[0]

    with pytest.raises(NumbaError, match="empty"):
        compiled(allocates, FUN)


def test_the_number_of_allocations_does_not_depend_on_the_number_of_iterations(program):
    text = """
        import numpy as np
        from numba import njit
        from numba.core.runtime import rtsys
        import secondorder as so
        from secondorder.problems import PROBLEMS

        def hess(x, H):
            H[0, 0] = 1200.0 * x[0] * x[0] - 400.0 * x[1] + 2.0
            H[0, 1] = H[1, 0] = -400.0 * x[0]
            H[1, 1] = 200.0

        problem = PROBLEMS["rosenbrock"]
        functions = (njit(f) for f in (problem.fun_grad, problem.fun, problem.hvp, hess))
        objective = so.Objective(*functions)
        for method in so.METHODS:
            so.minimize(objective, problem.x0(), method=method)
            counts, nits = set(), set()
            for maxiter in (1, 1, 5, 30):
                before = rtsys.get_allocation_stats().alloc
                result = so.minimize(objective, problem.x0(), method=method, options={"maxiter": maxiter})
                counts.add(rtsys.get_allocation_stats().alloc - before)
                nits.add(result.nit)
            print(method, sorted(counts), sorted(nits))
        """
    done = program(text, env={"NUMBA_NRT_STATS": "1"})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")[:-1]
    assert len(lines) == len(METHODS)
    for line in lines:
        name, _, rest = line.partition(" ")
        counts, _, nits = rest.partition("] ")
        assert "," not in counts, f"{name} allocates {counts}]"
        assert nits.startswith("[1, 5, ") and int(nits[7:-1]) > 10, f"{name}: {nits}"


# ------------------------------------------------------------------------------------------------- 8, 9: counts, bits


@pytest.mark.parametrize("jac", ["given", "pair", "in place", "2-point", "3-point", "cs"])
@pytest.mark.parametrize("search", ["default", "armijo", "strong-wolfe"])
def test_counts_are_the_calls_really_made(method, jac, search):
    if search != "default" and not searches(method):
        pytest.skip("no line search")
    problem = PROBLEMS["rosenbrock"]
    calls = {"fun": 0, "jac": 0, "pair": 0}

    def fun(x):
        calls["fun"] += 1
        a, b = x[1] - x[0] * x[0], 1.0 - x[0]
        return 100.0 * a * a + b * b

    def gradient(x):
        calls["jac"] += 1
        return problem.gradient(x)

    def pair(x):
        calls["pair"] += 1
        return problem.fun(x), problem.gradient(x)

    def in_place(x, g):
        calls["pair"] += 1
        return problem.fun_grad(x, g)

    given = {
        "given": (fun, gradient),
        "pair": (pair, True),
        "in place": (Objective(in_place), None),
    }.get(jac, (fun, jac))
    options = {"gtol": 1e-3, "maxiter": 60} | ({} if search == "default" else {"line_search": search})
    result = minimize(given[0], problem.x0(), method=method, jac=given[1], backend="python", options=options)
    assert result.nit > 5
    if jac == "given":
        assert (result.nfev, result.njev) == (calls["fun"], calls["jac"])
    elif jac in ("pair", "in place"):
        assert result.nfev == calls["pair"]
        assert 0 < result.njev <= result.nfev
    else:
        assert result.nfev == calls["fun"]
        assert result.njev > 0


@functools.cache
def counted(name):
    """The problem's Objective that counts its calls in an argument."""
    fun, fun_grad = njit(PROBLEMS[name].fun), njit(PROBLEMS[name].fun_grad)

    def counted_fun(x, calls):
        calls[0] += 1
        return fun(x)

    def counted_fun_grad(x, g, calls):
        calls[1] += 1
        return fun_grad(x, g)

    return Objective(counted_fun_grad, fun=counted_fun)


@pytest.mark.parametrize("name", CHOSEN)
def test_counts_of_a_compiled_objective_are_the_calls_really_made(method, name):
    calls = np.zeros(2, np.int64)
    result = minimize(counted(name), PROBLEMS[name].x0(), (calls,), method)
    assert result.backend == "compiled"
    assert (result.nfev, result.njev) == (calls.sum(), calls[1])


FIELDS = {
    "x": np.ndarray,
    "fun": float,
    "jac": np.ndarray,
    "success": bool,
    "status": int,
    "message": str,
    "reason": str,
    "criteria": tuple,
    "optimality": float,
    "nit": int,
    "nfev": int,
    "njev": int,
    "nhev": int,
    "nrestart": int,
    "nskip": int,
    "elapsed": float,
    "method": str,
    "derivatives": str,
    "backend": str,
}


@pytest.mark.parametrize("options", [{}, {"maxiter": 3}, {"time_limit": 0}, {"gtol": 1e-300}], ids=str)
def test_every_field_of_a_result_is_there_and_of_its_type(method, backend, options):
    result = solve("rosenbrock", method, backend, **options)
    for name, kind in FIELDS.items():
        assert type(result[name]) is kind, name
        assert getattr(result, name) is result[name]
    assert result.x.shape == result.jac.shape == (2,)
    assert result.method == method
    assert result.backend == {"numba": "compiled", "python": "python"}[backend]
    assert result.elapsed > 0.0
    assert result.optimality == np.max(np.abs(result.jac))
    assert any(result.reason == reason.name and result.status == reason.status for reason in REASONS.values())
    assert all(set(criterion) == {"name", "value", "threshold", "met"} for criterion in result.criteria)
    assert ("history" in result) == bool(options.get("history"))
    assert str(result.fun) in repr(result) or repr(result.fun) in repr(result)
    with pytest.raises(AttributeError, match="no_such_field"):
        result.no_such_field  # noqa: B018


def test_x0_stays_as_it_was(method, backend):
    x0 = PROBLEMS["rosenbrock"].x0()
    before = x0.copy()
    solve("rosenbrock", method, backend, x0=x0)
    assert np.array_equal(x0, before)


@pytest.mark.parametrize("name", CHOSEN)
def test_two_runs_have_the_same_bits(method, backend, name):
    same_bits(solve(name, method, backend), solve(name, method, backend))


@pytest.mark.parametrize("name", CHOSEN)
def test_a_run_in_between_changes_nothing(method, name):
    first = solve(name, method)
    solve("rosenbrock", method)
    solve("broyden-tridiagonal", method, maxiter=3)
    same_bits(first, solve(name, method))


@pytest.mark.parametrize("name", [name for name in CHOSEN if not name.startswith(("log", "quadratic"))])
def test_compiled_and_python_objectives_have_the_same_bits(method, name):
    # log and exp of the interpreter may differ from compiled ones by a bit
    same_bits(solve(name, method, "numba"), solve(name, method, "python"))


# ------------------------------------------------------------------------------------------------ 11: invariances


def history_of(method, functions, x0, args, **options):
    points = []
    fun_grad, hvp = functions
    result = minimize(
        made_once(fun_grad, hvp=hvp),
        x0,
        args,
        method,
        callback=lambda x: points.append(x),
        options={"history": True} | options,
    )
    return np.array(points), result


def scaled_rosenbrock_grad(x, g, size, length):
    y0, y1 = x[0] / length, x[1] / length
    a, b = y1 - y0 * y0, 1.0 - y0
    g[0] = size * (-400.0 * a * y0 - 2.0 * b) / length
    g[1] = size * 200.0 * a / length
    return size * (100.0 * a * a + b * b)


def scaled_rosenbrock_hvp(x, v, out, size, length):
    y0, y1 = x[0] / length, x[1] / length
    v0, v1 = size * v[0] / length / length, size * v[1] / length / length
    out[0] = (1200.0 * y0 * y0 - 400.0 * y1 + 2.0) * v0 - 400.0 * y0 * v1
    out[1] = 200.0 * v1 - 400.0 * y0 * v0


scaled_rosenbrock = scaled_rosenbrock_grad, scaled_rosenbrock_hvp


@pytest.mark.parametrize("power", [-40, -7, 9, 40])
def test_iterates_do_not_depend_on_the_scale_of_f(method, power):
    size = 2.0**power
    plain, result = history_of(method, scaled_rosenbrock, [-1.2, 1.0], (1.0, 1.0))
    scaled, other = history_of(method, scaled_rosenbrock, [-1.2, 1.0], (size, 1.0))
    assert np.array_equal(plain, scaled)
    assert np.array_equal(result.history["fun"] * size, other.history["fun"])
    assert np.array_equal(result.history["optimality"] * size, other.history["optimality"])
    assert (result.status, result.reason, result.nfev) == (other.status, other.reason, other.nfev)


@pytest.mark.parametrize("power", [-40, -7, 9, 40])
def test_iterates_scale_with_the_variables(method, power):
    length = 2.0**power
    plain, result = history_of(method, scaled_rosenbrock, [-1.2, 1.0], (1.0, 1.0))
    scaled, other = history_of(method, scaled_rosenbrock, [-1.2 * length, length], (1.0, length))
    assert np.array_equal(plain * length, scaled)
    assert np.array_equal(result.history["fun"], other.history["fun"])
    assert (result.status, result.reason, result.nfev) == (other.status, other.reason, other.nfev)


def test_small_values_are_no_reason_to_stop(method, backend):
    result = solve("rosenbrock-tiny", method, backend)
    assert result.nit > 5
    assert np.allclose(result.x, 1.0, atol=1e-3)


def shifted_rosenbrock_grad(x, g, shift):
    y0, y1 = x[0] - shift, x[1] - shift
    a, b = y1 - y0 * y0, 1.0 - y0
    g[0] = -400.0 * a * y0 - 2.0 * b
    g[1] = 200.0 * a
    return 100.0 * a * a + b * b


def shifted_rosenbrock_hvp(x, v, out, shift):
    y0, y1 = x[0] - shift, x[1] - shift
    out[0] = (1200.0 * y0 * y0 - 400.0 * y1 + 2.0) * v[0] - 400.0 * y0 * v[1]
    out[1] = 200.0 * v[1] - 400.0 * y0 * v[0]


shifted_rosenbrock = shifted_rosenbrock_grad, shifted_rosenbrock_hvp


def first_step(method):
    """Options without what is not meant to be invariant to rounding, or at all.

    The default first step depends on |x|; a bfgs that explores starts from an H that makes rounding errors 1e8 times
    larger.
    """
    if METHODS[method].NEEDS != ("grad",):  # steps are as long as the model says
        learns = "preconditioner" in METHODS[method].Options._fields  # along the axes
        return {"maxiter": 8} | ({"preconditioner": "none"} if learns else {})
    if not searches(method):
        return {"maxiter": 8, "delta0": 2.0**-4}
    plain = {"initial_step": "constant", "alpha": 2.0**-10, "maxiter": 8}
    return plain | ({"explore": 0} if method == "bfgs" else {})


@pytest.mark.parametrize("shift", [-3.0, 16.0])
def test_iterates_move_with_the_variables_up_to_rounding(method, shift):
    plain, _ = history_of(method, shifted_rosenbrock, np.array([-1.2, 1.0]), (0.0,), **first_step(method))
    moved, _ = history_of(method, shifted_rosenbrock, np.array([-1.2, 1.0]) + shift, (shift,), **first_step(method))
    assert len(plain) == len(moved)
    assert 5 <= len(plain) <= 8
    assert np.allclose(plain, moved - shift, rtol=0.0, atol=1e-9)


def rotated_quartic_grad(x, g, q):
    f = 0.0
    for i in range(x.shape[0]):
        g[i] = 0.0
    for k in range(x.shape[0]):
        y = -1.0 if k == 0 else 1.0
        for j in range(x.shape[0]):
            y += q[k, j] * x[j]
        f += 0.5 * (k + 1.0) * y * y + 0.25 * y**4
        for j in range(x.shape[0]):
            g[j] += q[k, j] * ((k + 1.0) * y + y**3)
    return f


def rotated_quartic_hvp(x, v, out, q):
    for i in range(x.shape[0]):
        out[i] = 0.0
    for k in range(x.shape[0]):
        y = -1.0 if k == 0 else 1.0
        w = 0.0
        for j in range(x.shape[0]):
            y += q[k, j] * x[j]
            w += q[k, j] * v[j]
        for j in range(x.shape[0]):
            out[j] += q[k, j] * (k + 1.0 + 3.0 * y * y) * w


rotated_quartic = rotated_quartic_grad, rotated_quartic_hvp


def test_iterates_turn_with_the_variables_up_to_rounding(method):
    n = 5
    random = np.random.default_rng(3)
    q, _ = np.linalg.qr(random.standard_normal((n, n)))
    x0 = random.standard_normal(n)
    plain, _ = history_of(method, rotated_quartic, x0, (np.eye(n),), **first_step(method))
    turned, _ = history_of(method, rotated_quartic, q.T @ x0, (np.ascontiguousarray(q),), **first_step(method))
    n_both = min(len(plain), len(turned))  # |g|_inf, the test that ends a run, does turn
    assert 5 <= n_both <= 8
    assert np.allclose(plain[:n_both], (turned @ q.T)[:n_both], rtol=0.0, atol=1e-9)


def offset_rosenbrock(x, g, offset):
    a, b = x[1] - x[0] * x[0], 1.0 - x[0]
    g[0] = -400.0 * a * x[0] - 2.0 * b
    g[1] = 200.0 * a
    return 100.0 * a * a + b * b + offset


@pytest.mark.parametrize("offset", [1e8, -1e8, 1e12])
def test_a_large_constant_is_no_success_of_a_tolerance_that_is_not_met(method, backend, offset):
    fun_grad = made_once(offset_rosenbrock)
    free = minimize(fun_grad, [-1.2, 1.0], (offset,), method, backend=backend, options={"maxiter": 5000})
    assert free.status == 0
    assert free.reason in ("gtol", "precision")
    assert free.fun - offset <= 1e-12 * abs(offset)
    options = {"gtol": 1e-13, "maxiter": 5000}
    strict = minimize(fun_grad, [-1.2, 1.0], (offset,), method, backend=backend, options=options)
    own = np.empty(2)
    offset_rosenbrock(strict.x, own, offset)
    if np.max(np.abs(own)) <= 1e-13:
        assert (strict.status, strict.reason) == (0, "gtol")
    else:
        assert (strict.status, strict.reason, strict.success) == (2, "precision", False)
        assert "rounding floor" in strict.message


# ---------------------------------------------------------------------------------------- callbacks and history


@pytest.mark.parametrize("name", ["rosenbrock", "quadratic-1e2"])
def test_callbacks_of_both_styles_see_every_iterate(method, backend, name):
    points, states = [], []
    plain = solve(name, method, backend, history=True)
    one = solve(name, method, backend, callback=lambda x: points.append(x))
    other = solve(name, method, backend, callback=lambda intermediate_result: states.append(intermediate_result))
    same_bits(plain, one)
    same_bits(plain, other)
    assert len(points) == len(states) == plain.nit
    for k, (x, state) in enumerate(zip(points, states, strict=True), 1):
        assert np.array_equal(x, state.x)
        assert state.fun == PROBLEMS[name].fun(x) == plain.history["fun"][k]
        assert np.array_equal(state.jac, PROBLEMS[name].gradient(x))
        assert (state.nit, state.optimality) == (k, plain.history["optimality"][k])
    assert np.array_equal(points[-1], plain.x)


def test_stop_iteration_in_a_callback_ends_the_run(method, backend):
    def callback(intermediate_result):
        if intermediate_result.nit == 3:
            raise StopIteration

    result = solve("rosenbrock", method, backend, callback=callback)
    assert (result.status, result.nit, result.success) == (99, 3, False)


def test_callbacks_get_copies(method, backend):
    def spoil(x):
        x[:] = np.nan

    def spoil_all(intermediate_result):
        intermediate_result.x[:] = np.nan
        intermediate_result.jac[:] = np.nan

    plain = solve("rosenbrock", method, backend)
    same_bits(plain, solve("rosenbrock", method, backend, callback=spoil))
    same_bits(plain, solve("rosenbrock", method, backend, callback=spoil_all))


@pytest.mark.parametrize("name", CHOSEN)
def test_history_has_a_row_for_the_start_and_one_for_each_iteration(method, backend, name):
    problem = PROBLEMS[name]
    result = solve(name, method, backend, history=True)
    history = result.history
    assert set(history) == {"nit", "fun", "optimality", "step", "alpha", "nfev", "njev", "nhev"}
    assert all(column.shape == (result.nit + 1,) for column in history.values())
    assert np.array_equal(history["nit"], np.arange(result.nit + 1))
    assert history["fun"][0] == problem.fun(problem.x0())
    assert history["fun"][-1] == result.fun
    assert history["optimality"][-1] == result.optimality
    assert history["nfev"][0] == 1
    last = (history["nfev"][-1], history["njev"][-1])
    assert last == (result.nfev, result.njev) or (perturbs(method) and last < (result.nfev, result.njev))
    assert np.all(np.diff(history["nfev"]) >= 1)
    assert np.all(history["alpha"][1:] > 0.0)
    assert np.all(history["step"][1:] > 0.0)
    assert np.all(np.isfinite(history["fun"]))


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("search", ["armijo", "strong-wolfe", "more-thuente"])
def test_monotone_searches_never_go_up_beyond_rounding(method, name, search):
    if not searches(method):
        pytest.skip("no line search")
    fun = solve(name, method, line_search=search, noise=0.0, history=True, maxfev=5000).history["fun"]
    assert np.all(np.diff(fun) <= 8.0 * EPS * np.abs(fun[:-1]))


# ------------------------------------------------------------------------------------------ what a method reports


# H starts 1e8 times larger when bfgs explores, and as many of its digits are lost
@pytest.mark.parametrize(("explore", "tolerance"), [(0, 1e-13), (20, 1e-8)])
@pytest.mark.parametrize("n", [2, 5, 12])
def test_the_inverse_hessian_of_bfgs_is_symmetric_positive_definite_and_fits_the_last_step(
    n, explore, tolerance, backend
):
    problem = PROBLEMS["quadratic-1e2"]
    points = [problem.x0(n)]
    result = solve("quadratic-1e2", "bfgs", backend, x0=points[0], callback=points.append, explore=explore)
    inverse = result.hess_inv
    assert inverse.shape == (n, n)
    assert np.allclose(inverse, inverse.T, rtol=0.0, atol=tolerance)
    assert np.all(np.linalg.eigvalsh(inverse) > 0.0)
    s = points[-1] - points[-2]
    y = problem.gradient(points[-1]) - problem.gradient(points[-2])
    assert np.allclose(inverse @ y, s, rtol=1e-6, atol=1e-8 * np.max(np.abs(s)))


def test_the_inverse_hessian_of_bfgs_tends_to_the_inverse_hessian(backend):
    problem = PROBLEMS["quadratic-1e2"]
    result = solve("quadratic-1e2", "bfgs", backend, x0=problem.x0(4), gtol=1e-10)
    assert np.allclose(result.hess_inv @ problem.hessian(result.x), np.eye(4), atol=1e-3)


def test_the_inverse_hessian_of_bfgs_is_the_identity_before_the_first_step():
    result = solve("rosenbrock", "bfgs", maxiter=0)
    assert np.array_equal(result.hess_inv, np.eye(2))


def test_the_inverse_hessian_is_the_callers_own(backend):
    first = solve("rosenbrock", "bfgs", backend)
    kept = first.hess_inv.copy()
    solve("rosenbrock", "bfgs", backend, x0=np.array([3.0, 3.0]), maxiter=4)
    assert np.array_equal(first.hess_inv, kept)


# ---------------------------------------------------------------------------------- 12: absurd options, any start


@pytest.mark.parametrize("seed", range(40))
def test_absurd_options_give_truthful_statuses(method, seed):
    random = np.random.default_rng(seed)

    def draw(low, high):
        return float(10.0 ** random.uniform(low, high))

    module = METHODS[method]
    c1 = min(draw(-12, -0.01), 0.98)
    options = {
        "c1": c1,
        "c2": c1 + (1.0 - c1) * float(random.uniform(0.01, 0.99)),
        "max_trials": int(random.integers(1, 60)),
        "alpha_max": draw(-8, 12),
        "shrink_min": float(random.uniform(0.0, 0.5)),
        "shrink_max": float(random.uniform(0.5, 0.99)),
        "expand": 1.0 + draw(-3, 3),
        "bisect": float(random.uniform(0.01, 0.99)),
        "contract": float(random.uniform(0.01, 0.99)),
        "noise": draw(-20, 0),
        "switch": draw(-20, 2),
        "forget": float(random.uniform(0.0, 0.99)),
        "window": int(random.integers(1, 21)),
        "average": float(random.uniform(0.0, 0.99)),
        "alpha": draw(-10, 6),
        "line_search": str(random.choice(list(LINE_SEARCHES))),
        "initial_step": str(random.choice(list(INITIAL_STEPS))),
        "maxfev": int(random.integers(1, 400)),
        "maxiter": int(random.integers(0, 200)),
    }
    if "m" in module.Options._fields:
        options["m"] = int(random.integers(1, 40))
    for name, low, high in (("delta0", -8, 8), ("delta_max", -6, 8), ("sigma0", -8, 8), ("eta_max", -6, -0.01)):
        options[name] = draw(low, high)
    for name in unknown_names(module, options):
        del options[name]
    name = str(random.choice(CHOSEN))
    problem = PROBLEMS[name]
    result = solve(name, method, "python", **options)
    assert result.status in (0, 1, 2, 3, 4)
    assert result.fun == problem.fun(result.x)
    assert result.fun <= problem.fun(problem.x0())
    assert result.nfev <= options["maxfev"] + 2
    assert result.nit <= options["maxiter"]
    small = own_optimality(name, result.x) <= GRTOL * own_optimality(name, problem.x0())
    assert (result.reason == "gtol") == small
    if result.success and not small:
        assert result.reason == "precision"
        assert problem.solved(result.fun, tau=1e-13)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["rosenbrock", "himmelblau", "broyden-tridiagonal"])
def test_starts_anywhere_end_truthfully(method, name, seed):
    random = np.random.default_rng(seed)
    problem = PROBLEMS[name]
    x0 = random.standard_normal(problem.n) * 10.0 ** random.uniform(-3, 6)
    result = solve(name, method, x0=x0, maxfev=20000)
    small = own_optimality(name, result.x) <= GRTOL * own_optimality(name, x0)
    assert (result.reason == "gtol") == small
    assert result.fun <= problem.fun(x0)
    assert math.isfinite(result.fun)
