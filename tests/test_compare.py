"""The comparison judges by itself, treats both sides alike, and counts what it can't solve."""

import json
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from secondorder.compare import (
    SCIPY_TWINS,
    compare,
    duration,
    judge,
    kernels,
    performance_profile,
    run,
    solvers,
)
from secondorder.methods import METHODS
from secondorder.minimize import minimize
from secondorder.problems import PROBLEMS

# the package's attributes `compare` and `minimize` are functions; these are the modules
module = sys.modules["secondorder.compare"]


@pytest.fixture(scope="module")
def comparison():
    return compare(["beale", "double-well", "rosenbrock"], ["bfgs", "gradient-descent"])


def fake_minimize(x, success):
    result = SimpleNamespace(x=np.array(x), success=success, message="trust me", nit=1, nfev=1, njev=1)
    return lambda *args, **kwargs: result


@pytest.mark.parametrize(
    ("name", "x", "tolerance", "verdict"),
    [
        ("rosenbrock", [1.0, 1.0], 1e-8, "solved"),
        ("rosenbrock", [-1.2, 1.0], 1e-8, "unfinished"),
        ("rosenbrock", [0.9, 0.81], 1.0, "elsewhere"),  # in the valley
        ("rosenbrock", [math.nan, 1.0], 1e-8, "unfinished"),
        ("rosenbrock", [math.inf, 1.0], 1e-8, "unfinished"),
        ("double-well", [1.0, 0.0], 1e-8, "solved"),
        ("double-well", [0.0, 0.0], 1e-8, "saddle"),
        ("monkey-saddle", [0.0, 0.0], 1e-8, "saddle"),  # its Hessian there is zero
        ("horse-saddle", [0.0, 0.0], 1e-8, "saddle"),
        ("horse-saddle", [0.0, 1e3], 1e-8, "unfinished"),  # below the start, but not by far enough
        ("horse-saddle", [0.0, 1e6], 1e-8, "solved"),
    ],
)
def test_verdict_follows_from_the_point_alone(name, x, tolerance, verdict):
    with np.errstate(all="ignore"):
        assert judge(PROBLEMS[name], np.array(x), tolerance)[0] == verdict


def test_a_known_local_minimum_counts_as_solved():
    problem = PROBLEMS["freudenstein-roth"]
    x = minimize(kernels(problem).objective, problem.x0(), options={"gtol": 1e-9}).x
    verdict, _, f, _ = judge(problem, x, 1e-6)
    assert verdict == "solved"
    assert f > problem.minimum() + 1.0


def test_a_solver_that_claims_success_is_not_believed(monkeypatch):
    monkeypatch.setattr(module, "minimize", fake_minimize([-1.2, 1.0], True))
    comparison = compare(["rosenbrock"], ["bfgs"], scipy=False)
    (record,) = comparison.records
    assert record.success
    assert record.verdict == "unfinished"
    assert not record.gradient_met
    (line,) = [line for line in module.summary(comparison).splitlines() if line.startswith("bfgs")]
    assert line.split()[1:5] == ["0/1", "0", "0", "1"]  # solved, gradient met, saddle, false


def test_a_solver_that_reports_failure_at_the_minimum_has_solved_it(monkeypatch):
    monkeypatch.setattr(module, "minimize", fake_minimize([1.0, 1.0], False))
    (record,) = compare(["rosenbrock"], ["bfgs"], scipy=False).records
    assert record.verdict == "solved"
    assert not record.success


def test_a_solver_that_raises_does_not_end_the_comparison(monkeypatch):
    def broken(*args, **kwargs):
        raise ArithmeticError("no")

    monkeypatch.setattr(module, "minimize", broken)
    records = compare(["rosenbrock"], ["bfgs"]).records
    assert [record.verdict for record in records] == ["error", "solved"]
    assert records[0].message == "ArithmeticError: no"


@pytest.mark.parametrize("solver", ["scipy CG", "gradient-descent"])
def test_a_run_over_its_time_is_given_up(solver):
    assert run(PROBLEMS["log-barrier-1e-6"], solver, 1e-8, time_limit=1e-5).verdict == "time limit"


def test_both_sides_stop_by_the_same_test(comparison):
    for name in comparison.problems:
        records = [comparison[name, solver] for solver in comparison.solvers]
        gnorm = np.abs(PROBLEMS[name].gradient(PROBLEMS[name].x0())).max()
        assert {record.tolerance for record in records} == {1e-8 * max(1.0, gnorm)}
        assert all(record.optimality <= record.tolerance for record in records)
        assert all(record.gradient_met for record in records)


def test_scipys_other_stops_are_off():
    """With its own ftol, L-BFGS-B stops here above the tolerance."""
    from scipy.optimize import minimize as scipy_minimize

    problem = PROBLEMS["powell-singular"]
    record = run(problem, "scipy L-BFGS-B", 1e-8, 2.0)
    shipped = scipy_minimize(
        problem.fun, problem.x0(), jac=problem.gradient, method="L-BFGS-B", options={"gtol": record.tolerance}
    )
    assert np.abs(problem.gradient(shipped.x)).max() > record.tolerance
    assert record.gradient_met


def test_evaluations_by_scipy_are_the_calls_made(monkeypatch):
    import scipy.optimize

    def miscounting(fun, x0, **keywords):
        for _ in range(3):
            fun(x0)
        return SimpleNamespace(x=x0, nit=1, nfev=1, njev=1, success=True, message="")

    monkeypatch.setattr(scipy.optimize, "minimize", miscounting)
    record = run(PROBLEMS["beale"], "scipy BFGS", 1e-8, 2.0)
    assert (record.evaluations, record.gradients) == (3, 3)


def test_saddles_are_not_solved(comparison):
    assert {comparison["double-well", solver].verdict for solver in comparison.solvers} == {"saddle"}
    assert all(math.isinf(costs[1]) for costs in comparison.costs().values())


def test_each_method_is_followed_by_its_twin(comparison):
    assert comparison.solvers == ["bfgs", "scipy BFGS", "gradient-descent"]
    assert solvers(["l-bfgs", "cg"], scipy=False) == ["l-bfgs", "cg"]


def test_every_method_has_its_row_among_the_twins():
    assert set(SCIPY_TWINS) == set(METHODS)


def test_objectives_are_compiled_once():
    assert kernels(PROBLEMS["beale"]) is kernels(PROBLEMS["beale"])


def test_functions_that_capture_values_are_told_apart():
    """log-linear and log-barrier-1e-6 have the same code and another mu."""
    for name in ("log-linear", "log-barrier-1e-6"):
        problem = PROBLEMS[name]
        x = problem.x0() + 0.5
        assert kernels(problem).fun_grad(x, np.empty(problem.n)) == pytest.approx(problem.fun(x), rel=1e-14)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"problems": ["rosenbrok"]}, "did you mean 'rosenbrock'"),
        ({"methods": ["lbgfs"]}, "did you mean"),
        ({"gtol": 0.0}, "gtol=0.0 must be positive"),
        ({"gtol": math.nan}, "gtol=nan must be positive"),
    ],
)
def test_wrong_arguments_are_refused_with_a_hint(arguments, hint):
    with pytest.raises(ValueError, match=hint):
        compare(**arguments)


def test_report_names_every_problem_and_solver(comparison):
    text = str(comparison)
    for word in (*comparison.problems, "bfgs", "BFGS", "gradient-descent", "BLAS threads"):
        assert word in text
    (line,) = [line for line in text.splitlines() if line.startswith("double-well")]
    assert line.split() == ["double-well", "2", "saddle", "saddle", "saddle"]
    assert max(map(len, text.splitlines())) <= 120


def test_json_holds_every_record_and_no_nan(monkeypatch):
    monkeypatch.setattr(module, "minimize", fake_minimize([math.nan, 1.0], True))
    comparison = compare(["rosenbrock"], ["bfgs"], scipy=False)
    assert math.isnan(comparison.records[0].fun)
    found = json.loads(comparison.to_json(), parse_constant=lambda word: pytest.fail(word))
    assert found["records"][0]["fun"] is None
    assert found["settings"]["gtol"] == 1e-8
    assert {"numpy", "scipy", "numba", "cpu", "blas_threads"} <= found["settings"].keys()


# ------------------------------------------------------------------------------------------ performance profiles


def naive_fraction(costs, solver, tau):
    """Dolan and More's definition, word by word."""
    problems = range(len(costs[solver]))
    within = 0
    for p in problems:
        best = min(costs[s][p] for s in costs)
        if math.isfinite(costs[solver][p]) and costs[solver][p] / best <= tau:
            within += 1
    return within / len(problems)


def test_profile_is_dolan_and_mores():
    rng = np.random.default_rng(7)
    costs = {solver: rng.lognormal(size=40) for solver in "abc"}
    for values in costs.values():
        values[rng.random(40) < 0.3] = math.inf
    profile = performance_profile(costs)
    for solver in costs:
        for tau in (1.0, 1.3, 2.0, 10.0, 1e6):
            assert profile.fraction(solver, tau) == naive_fraction(costs, solver, tau)


def test_a_problem_that_nobody_solved_counts():
    profile = performance_profile({"a": [1.0, math.inf], "b": [2.0, math.nan]})
    assert profile.fraction("a", 1e300) == profile.fraction("b", 1e300) == 0.5


def test_cost_zero_is_the_best():
    profile = performance_profile({"a": [0.0], "b": [3.0], "c": [0.0]})
    assert [profile.fraction(solver, 1.0) for solver in "abc"] == [1.0, 0.0, 1.0]
    assert profile.fraction("b", 1e300) == 0.0


def test_profile_of_a_comparison_counts_what_is_asked_for(comparison):
    profile = performance_profile(comparison, "evaluations")
    counts = {solver: comparison["beale", solver].evaluations for solver in comparison.solvers}
    for solver, count in counts.items():
        assert profile.ratios[solver][0] == count / min(counts.values())
    with pytest.raises(ValueError, match="metric='iterations'"):
        performance_profile(comparison, "iterations")


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.234e-5, "12.3us"), (9.996e-4, "1.00ms"), (0.1, "100ms"), (12.0, "12.0s"), (0.0, "0.00us")]
)
def test_durations_have_three_digits(seconds, text):
    assert duration(seconds) == text


# ------------------------------------------------------------------------------------------------------- figures


def test_profile_figure_draws_the_fractions():
    pytest.importorskip("matplotlib")
    from secondorder import plots

    profile = performance_profile({"a": [1.0, 4.0, 1.0, math.inf], "scipy b": [2.0, 1.0, math.inf, math.inf]})
    ax = plots.performance_profile(profile)
    for line, solver in zip(ax.lines, profile.ratios, strict=True):
        taus, heights = line.get_data()
        assert line.get_drawstyle() == "steps-post"
        for tau in (1.0, 1.5, 2.0, 3.9, 4.0):
            assert heights[np.searchsorted(taus, tau, side="right") - 1] == profile.fraction(solver, tau)
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--"]


def test_profile_figure_survives_a_solver_that_solves_nothing():
    pytest.importorskip("matplotlib")
    from secondorder import plots

    ax = plots.performance_profile(performance_profile({"a": [1.0], "b": [math.inf]}))
    ax.figure.canvas.draw()
    assert max(ax.lines[1].get_ydata()) == 0.0


def test_convergence_figure_draws_the_history():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from secondorder import plots

    problem = PROBLEMS["beale"]
    results = {
        method: minimize(kernels(problem).objective, problem.x0(), method=method, options={"history": True})
        for method in ("bfgs", "gradient-descent")
    }
    given = Figure().add_subplot()
    assert plots.convergence(results, f_star=0.0, x="nfev", ax=given) is given
    assert [line.get_label() for line in given.lines] == list(results)
    history = results["bfgs"]["history"]
    np.testing.assert_array_equal(given.lines[0].get_xdata(), history["nfev"])
    np.testing.assert_array_equal(given.lines[0].get_ydata(), history["fun"])
    alone = plots.convergence(results["bfgs"], y="optimality")
    np.testing.assert_array_equal(alone.lines[0].get_ydata(), history["optimality"])


def test_convergence_figure_asks_for_a_history():
    from secondorder import plots

    problem = PROBLEMS["beale"]
    result = minimize(kernels(problem).objective, problem.x0(), method="bfgs")
    with pytest.raises(ValueError, match="'history': True"):
        plots.convergence(result)
    with pytest.raises(ValueError, match="y='time' must be one of"):
        plots.convergence(result, y="time")


def test_neither_scipys_solvers_nor_matplotlib_are_imported_before_use(program):
    done = program(
        """
        import sys, secondorder.compare, secondorder.plots, secondorder.__main__
        print([name for name in ("scipy.optimize", "matplotlib") if name in sys.modules])
        """
    )
    assert done.stdout.strip() == "[]"
