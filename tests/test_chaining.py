"""chain: the same run as its stages one by one, with counts that are those of the calls made."""

import math

import numpy as np
import pytest

import secondorder as so

START = np.array([-1.2, 1.0, -0.5])
STAGES = [("adam", {"lr": 0.02, "maxiter": 50}), ("l-bfgs", {"maxiter": 8}), ("trust-exact", {"gtol": 1e-9})]
COUNTS = ("nit", "nfev", "njev", "nhev", "nrestart", "nskip", "nescape")


def rosenbrock(x, a):
    return np.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def one_by_one(stages, x=START, **given):
    results = []
    for method, options in stages:
        results.append(so.minimize(rosenbrock, x, (100.0,), method, options=options, **given))
        x = results[-1].x
    return results


def test_a_chain_is_its_stages_one_by_one_bit_for_bit():
    chained, expected = so.chain(rosenbrock, START, STAGES, args=(100.0,)), one_by_one(STAGES)
    assert [stage.method for stage in chained.stages] == ["adam", "l-bfgs", "trust-exact"]
    for stage, other in zip(chained.stages, expected, strict=True):
        assert np.array_equal(stage.x, other.x) and stage.fun == other.fun and stage.reason == other.reason
    assert np.array_equal(chained.x, expected[-1].x)
    for name in ("fun", "status", "success", "message", "criteria", "method"):
        assert chained[name] == expected[-1][name], name
    assert chained.certificate.verdict == expected[-1].certificate.verdict == "minimum"


def test_counts_are_carried_over():
    chained, expected = so.chain(rosenbrock, START, STAGES, args=(100.0,)), one_by_one(STAGES)
    for name in COUNTS:
        assert chained[name] == sum(stage.get(name, 0) for stage in expected), name
    assert chained.nit > max(stage.nit for stage in expected)
    assert chained.elapsed >= sum(stage.elapsed for stage in chained.stages)


def test_counts_are_those_of_the_calls_made():
    calls = {"f": 0, "g": 0, "h": 0}

    def fun(x):
        calls["f"] += 1
        return float(np.sum((x - 1.0) ** 4 + x**2))

    def jac(x):
        calls["g"] += 1
        return 4.0 * (x - 1.0) ** 3 + 2.0 * x

    def hess(x):
        calls["h"] += 1
        return np.diag(12.0 * (x - 1.0) ** 2 + 2.0)

    stages = [("momentum", {"lr": 0.01, "maxiter": 5}), ("bfgs", {"maxiter": 2}), "newton"]
    result = so.chain(fun, START, stages, jac=jac, hess=hess, backend="python")
    assert result.success and calls["h"] > 0
    assert (result.nfev, result.njev, result.nhev) == (calls["f"], calls["g"], calls["h"])


def test_f_falls_from_stage_to_stage():
    values = [stage.fun for stage in so.chain(rosenbrock, START, STAGES, args=(100.0,)).stages]
    assert rosenbrock(START, 100.0) > values[0] > values[1] > values[2]


def test_a_stage_that_diverges_is_followed_by_the_next():
    result = so.chain(rosenbrock, START, [("sgd", {"lr": 1.0, "maxiter": 100}), "l-bfgs"], args=(100.0,))
    assert [stage.status for stage in result.stages] == [3, 0]
    assert result.success and np.allclose(result.x, 1.0, atol=1e-5)


def test_an_unbounded_function_ends_the_chain():
    result = so.chain(lambda x: -np.sum(np.exp(x)), np.ones(2), ["l-bfgs", "bfgs"])
    assert (result.status, result.method, len(result.stages)) == (4, "l-bfgs", 1)


def test_a_callback_sees_all_stages_and_ends_the_chain():
    seen = []

    def stop_later(x):
        seen.append(x)
        if len(seen) == 55:
            raise StopIteration

    result = so.chain(rosenbrock, START, STAGES, args=(100.0,), callback=stop_later)
    assert (result.status, result.method, result.nit, len(seen)) == (99, "l-bfgs", 55, 55)


def test_an_exception_has_the_chain_so_far():
    calls = []

    def fun(x):
        calls.append(x)
        if len(calls) == 14:
            raise ArithmeticError("here")
        return float(np.sum((x - 1.0) ** 2)), 2.0 * (x - 1.0)

    stages = [("sgd", {"lr": 0.01, "maxiter": 10}), ("sgd", {"lr": 0.1, "maxiter": 10})]
    with pytest.raises(ArithmeticError, match="here") as caught:
        so.chain(fun, START, stages, jac=True, backend="python")
    so_far = caught.value.optimize_result
    assert so_far.nfev == len(calls) == 14  # the call that raised, too
    assert "secondorder.chain after 14 evaluations" in caught.value.__notes__[-1]
    assert [stage.status for stage in so_far.stages] == [1, 6]
    assert so_far.fun < so_far.stages[0].fun
    stages[1][1]["on_error"] = "return"
    calls.clear()
    returned = so.chain(fun, START, [*stages, "bfgs"], jac=True, backend="python")
    assert (returned.status, returned.nfev, len(returned.stages)) == (6, 14, 2)


def test_tol_is_every_stage_s_but_for_options_of_its_own():
    result = so.chain(rosenbrock, START, [("l-bfgs", {"gtol": 1e-2}), "bfgs"], args=(100.0,), tol=1e-6)
    assert [stage.criteria[0]["threshold"] for stage in result.stages] == [1e-2, 1e-6]


def test_a_finite_sum_and_an_update_of_one_s_own_are_taken():
    rows = np.random.default_rng(5).standard_normal((40, 3))
    mean = so.FiniteSum(lambda x, row: np.sum((x - row) ** 2), rows)
    result = so.chain(mean, np.zeros(3), [(so.Adam(lr=0.1), {"maxiter": 20}), "newton-cg"])
    assert result.success and np.allclose(result.x, rows.mean(axis=0), atol=1e-7)
    assert (result.derivatives, result.second_derivatives) == ("exact", "exact")


def test_second_derivatives_are_for_the_stages_that_use_them():
    def fun(x):
        return np.sum((x - 1.0) ** 4 + x**2)

    def hess(x):
        return np.diag(12.0 * (x - 1.0) ** 2 + 2.0)

    result = so.chain(fun, START, [("bfgs", {"maxiter": 2}), "newton"], hess=hess)  # a warning would be an error
    assert result.second_derivatives == "given"
    with pytest.warns(RuntimeWarning, match="does not use Hessian information"):
        so.chain(fun, START, [("bfgs", {"maxiter": 2}), "l-bfgs"], hess=hess)


def test_a_history_goes_on_from_stage_to_stage_with_its_counts():
    stages = [(method, options | {"history": True}) for method, options in STAGES]
    chained, expected = so.chain(rosenbrock, START, stages, args=(100.0,)), one_by_one(stages)
    rows = [stage.nit + 1 for stage in expected]
    assert [len(values) for values in chained.history.values()] == [sum(rows)] * len(expected[0].history)
    for name in ("nit", "nfev", "njev"):
        before = np.cumsum([0, *(stage[name] for stage in expected)])
        parts = np.split(chained.history[name], np.cumsum(rows)[:-1])
        for part, stage, offset in zip(parts, expected, before):
            assert np.array_equal(part, stage.history[name] + offset), name
        assert chained.history[name][-1] == chained[name]
        assert np.all(np.diff(chained.history[name]) >= 0)
    assert np.array_equal(chained.history["fun"], np.concatenate([stage.history["fun"] for stage in expected]))


def test_where_not_all_stages_have_a_history_it_is_their_own():
    result = so.chain(rosenbrock, START, [("bfgs", {"maxiter": 3}), ("l-bfgs", {"history": True})], args=(100.0,))
    assert "history" not in result and len(result.stages[1].history["fun"]) == result.stages[1].nit + 1


def test_a_result_prints_a_line_for_each_stage():
    text = repr(so.chain(rosenbrock, START, STAGES, args=(100.0,)))
    assert "stages: adam: f = " in text and "trust-exact: f = " in text and "after 8 iterations, maxiter" in text


WRONG = [
    ([], TypeError, "at least one"),
    ("l-bfgs", TypeError, "use minimize"),
    ([("l-bfgs", {}, 3)], TypeError, "stage 1 of methods must be a method or a pair"),
    (["l-bfgs", None], TypeError, "stage 2 of methods must be a method or a pair"),
    (["l-bfgs", "auto"], ValueError, "stage 2 of methods is 'auto'"),
    (["l-bfgs", "newtn"], ValueError, "stage 2 of methods: .*did you mean 'newton'"),
    (["l-bfgs", ("adam", {"lrr": 0.1})], ValueError, "stage 2 of methods: option 'lrr'.*did you mean 'lr'"),
    (["l-bfgs", ("bfgs", {"maxiter": -3})], ValueError, "stage 2 of methods: .*maxiter"),
    (["l-bfgs", ("bfgs", 3)], TypeError, "stage 2 of methods: options must be a dict"),
    (["l-bfgs", (so.Adam(mask=np.ones(7)), {})], ValueError, "stage 2 of methods: mask"),
]


@pytest.mark.parametrize(("methods", "error", "words"), WRONG, ids=[words[:40] for *_, words in WRONG])
def test_wrong_stages_are_refused_before_anything_is_evaluated(methods, error, words):
    def fun(x):
        raise AssertionError("evaluated")

    with pytest.raises(error, match=words):
        so.chain(fun, START, methods, backend="python")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_start_where_f_is_not_finite_is_said(value):
    result = so.chain(lambda x, c: np.sum(x**2) + c, START, ["l-bfgs", "bfgs"], args=(value,))
    assert (result.status, result.success, result.nit) == (3, False, 0)
