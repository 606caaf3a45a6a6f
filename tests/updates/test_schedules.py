"""Schedules against their formulas and PyTorch's recorded rates; averages; searches of rates."""

import inspect
import json
import math
import pathlib

import numpy as np
import pytest
from numba import njit

import secondorder as so
from secondorder.schedules import Schedule
from secondorder.updates.schedules import SCHEDULES

S = so.schedules
STEPS = 40
FALLING = [5.0, 4.0, 3.0] + [3.0] * 5 + [2.99999] * 7 + [1.0] + [math.nan] * 10 + [1.5] * 14
RECORDED = json.loads((pathlib.Path(__file__).parent / "schedules.json").read_text())

# name: (a schedule, the same in NumPy at the steps t)
FORMULAS = {
    "constant": (S.constant(0.3), lambda t: np.full(t.shape, 0.3)),
    "step-decay": (S.step_decay(0.3, 0.5, 7), lambda t: 0.3 * 0.5 ** (t // 7)),
    "exponential": (S.exponential(0.3, 0.1, 20), lambda t: 0.3 * 0.1 ** (t / 20)),
    "inverse-time": (S.inverse_time(0.3, 5, 0.75), lambda t: 0.3 * (1 + t / 5) ** -0.75),
    "polynomial": (S.polynomial(0.3, 30, 0.1, 2), lambda t: 0.1 + 0.2 * (1 - np.minimum(t, 30) / 30) ** 2),
    "cosine": (S.cosine(0.3, 30, 0.1), lambda t: 0.1 + 0.1 * (1 + np.cos(np.pi * np.minimum(t, 30) / 30))),
    "warm-restarts": (
        S.warm_restarts(0.3, 4, 0.1, 2),  # cycles of 4, 8, 16, 32 steps begin at 0, 4, 12, 28
        lambda t: np.array([0.1 + 0.1 * (1 + math.cos(math.pi * (k - b) / n)) for k in t for b, n in [cycle(k)]]),
    ),
    "one-cycle": (
        S.one_cycle(0.3, 40, 0.3, 10, 100),  # up until step 11, down until step 39
        lambda t: np.array([up_and_down(k) for k in t]),
    ),
    "reduce-on-plateau": (S.reduce_on_plateau(0.3, 0.5, 3, cooldown=2), lambda t: plateau(0.3, 0.5, 3, 2)),
}


def cycle(t):
    """(first step, length) of the cycle of step t."""
    begin, length = 0, 4
    while t >= begin + length:
        begin, length = begin + length, 2 * length
    return begin, length


def up_and_down(t):
    """One cycle along cosines."""
    if t <= 11:
        return 0.03 + (0.3 - 0.03) * (1 - math.cos(math.pi * t / 11)) / 2
    return 0.0003 + (0.3 - 0.0003) * (1 + math.cos(math.pi * (t - 11) / 28)) / 2


def plateau(lr, factor, patience, cooldown):
    """The loop of PyTorch's ReduceLROnPlateau, on FALLING."""
    rates, best, bad, wait = [], math.inf, 0, 0
    for f in FALLING:
        if f < best * (1 - 1e-4):
            best, bad = f, 0
        else:
            bad += 1
        if wait > 0:
            wait, bad = wait - 1, 0
        if bad > patience:
            lr, wait, bad = lr * factor, cooldown, 0
        rates.append(lr)
    return np.array(rates)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_its_formula(name):
    schedule, formula = FORMULAS[name]
    assert schedule.name == name
    assert np.allclose(schedule.rates(STEPS, FALLING), formula(np.arange(STEPS)), rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("row", RECORDED, ids=[row["of"] for row in RECORDED])
def test_a_schedule_agrees_with_pytorchs(row):
    schedule = getattr(S, row["schedule"])(**row["options"])
    if "warm_up" in row:
        schedule = schedule.after_warm_up(*row["warm_up"])
    assert np.allclose(schedule.rates(len(row["lr"]), row.get("f")), row["lr"], rtol=1e-12, atol=1e-17)


def test_every_schedule_has_a_formula_and_a_public_function():
    assert list(FORMULAS) == list(SCHEDULES)
    for name, (_, names) in SCHEDULES.items():
        function = getattr(S, name.replace("-", "_"))
        assert tuple(inspect.signature(function).parameters) == names
        assert "Parameters" in function.__doc__


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "reduce-on-plateau"])
def test_a_warm_up_delays_a_schedule_and_leads_to_its_first_rate(name):
    schedule = FORMULAS[name][0]
    warm = schedule.after_warm_up(8, start=0.25).rates(STEPS)
    plain = schedule.rates(STEPS)
    assert np.allclose(warm[:8], plain[0] * (0.25 + 0.75 * np.arange(8) / 8), rtol=1e-14)
    assert np.array_equal(warm[8:], plain[:-8])


def test_a_function_of_ones_own_is_a_schedule():
    compiled = njit(lambda t: 0.1 / (1 + t))
    for given in (lambda t: 0.1 / (1 + t), compiled):
        schedule = Schedule(given)
        assert np.allclose(schedule.rates(4), 0.1 / np.arange(1, 5))
        update, x = so.SGD(lr=given), np.zeros(1)
        state = update.init(x)
        for _ in range(2):
            update.step(x, np.ones(1), state)
        assert x[0] == pytest.approx(-0.15) and state.lr == pytest.approx(0.05)


def test_steps_take_a_constant_rate_with_a_warm_up_and_functions_of_that_name_as_schedules():
    def constant(t):
        return 0.1 * (t + 1)

    for lr, rates in (
        (0.3, [0.3, 0.3, 0.3]),
        (S.constant(0.3).after_warm_up(2), [0.0, 0.15, 0.3]),
        (constant, [0.1, 0.2, 0.3]),
    ):
        update, x = so.SGD(lr=lr), np.zeros(1)
        state = update.init(x)
        for rate in rates:
            before = x[0]
            update.step(x, np.ones(1), state)
            assert state.lr == pytest.approx(rate) and before - x[0] == pytest.approx(rate)
        by_name = so.minimize(
            lambda x: x[0], np.zeros(1), method=so.SGD(lr=lr), options={"maxiter": 3, "history": True}
        )
        assert by_name.history["alpha"][1:] == pytest.approx(rates)


def test_a_step_uses_the_rate_of_the_steps_done_before_it():
    update, x, seen = so.SGD(lr=S.step_decay(1.0, 0.5, 2)), np.zeros(1), []
    state = update.init(x)
    for _ in range(4):
        update.step(x, np.ones(1), state)
        seen.append(state.lr)
    assert seen == [1.0, 1.0, 0.5, 0.5] and x[0] == -3.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: S.cosine(-0.1, 10), "lr=-0.1 must be at least 0"),
        (lambda: S.cosine(0.1, 0), "steps=0 must be positive"),
        (lambda: S.warm_restarts(0.1, 10, growth=0.5), "growth=0.5 must be at least 1"),
        (lambda: S.one_cycle(0.1, 3), "more than one step"),
        (lambda: S.one_cycle(0.1, 10, share=1.0), r"share=1.0 must be in \(0, 1\)"),
        (lambda: S.exponential(0.1, math.nan), "factor=nan must be positive"),
        (lambda: S.constant("fast"), "lr='fast' must be a number"),
        (lambda: S.constant(math.inf), "lr=inf must be finite"),
        (lambda: S.constant("0.1"), "lr='0.1' must be a number"),
        (lambda: S.one_cycle(0.1, "long"), "steps='long' must be a number"),
        (lambda: S.constant(0.1).after_warm_up(-1), "steps=-1 must be at least 0"),
        (lambda: S.constant(0.1).after_warm_up(3, start=-0.5), "start=-0.5 must be at least 0"),
        (lambda: S.constant(0.1).rates(2.5), "steps=2.5 must be a whole number"),
        (lambda: S.constant(0.1)(-1), "t=-1 must be at least 0"),
        (lambda: S.cosine(0.1, 10)(0.5), "t=0.5 must be a whole number"),
        (lambda: Schedule(0.1), "must be callable"),
        (lambda: S.cosine(0.1, 10).rates(3, [1.0]), "f has shape"),
        (lambda: Schedule(lambda t: t.no_such_attribute).rates(1), "can't be compiled"),
    ],
)
def test_wrong_parameters_are_named(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


# -------------------------------------------------------------------------------------------------- averages


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_averages_are_the_weighted_means_of_their_names(dtype):
    xs = np.random.default_rng(1).standard_normal((9, 2, 3)).astype(dtype)
    weights = {
        so.PolyakAverage(): np.full(9, 1 / 9),
        so.PolyakAverage(start=4): np.array([0.0] * 4 + [0.2] * 5),
        so.ExponentialAverage(0.8): np.array([0.8**8] + [0.2 * 0.8 ** (8 - k) for k in range(1, 9)]),
        so.ExponentialAverage(0.8, debias=True): 0.2 * 0.8 ** np.arange(8, -1, -1) / (1 - 0.8**9),
    }
    for average, w in weights.items():
        state = average.init(xs[0])
        for x in xs:
            average.update(x, state)
        assert state.x.dtype == dtype and state.k == 9 and w.sum() == pytest.approx(1.0)
        assert np.allclose(state.x, np.tensordot(w, xs, 1), rtol=1e-5 if dtype == np.float32 else 1e-13)


def test_the_average_of_a_noisy_run_is_nearer_than_its_last_point():
    random = np.random.default_rng(2)
    x, average, update = np.full(50, 3.0), so.PolyakAverage(start=300), so.SGD(lr=0.1)
    state, mean = update.init(x), average.init(x)
    for _ in range(1500):
        update.step(x, x + random.standard_normal(50), state)
        average.update(x, mean)
    assert np.linalg.norm(mean.x) < 0.3 * np.linalg.norm(x)


def test_wrong_averages_are_named():
    with pytest.raises(ValueError, match=r"decay=1.0 must be in \[0, 1\)"):
        so.ExponentialAverage(1.0)
    with pytest.raises(ValueError, match=r"start=1\.5 must be a whole number"):
        so.PolyakAverage(1.5)
    with pytest.raises(ValueError, match="start=-1 must be"):
        so.PolyakAverage(-1)
    with pytest.raises(TypeError, match="decay='slow' must be a number"):
        so.ExponentialAverage("slow")
    with pytest.raises(ValueError, match="x has shape"):
        so.PolyakAverage().update(np.ones(2), so.PolyakAverage().init(np.ones(3)))
    with pytest.raises(TypeError, match="x must be an ndarray"):
        so.PolyakAverage().update([1.0, 1.0], so.PolyakAverage().init(np.ones(2)))


def test_lookahead_is_the_same_for_arrays_of_ones_own():
    update, x, g = so.SGD(lr=0.1, lookahead=3, lookahead_alpha=0.4), np.array([4.0, 8.0]), np.ones(2)
    state = update.init(x)
    for _ in range(3):
        update.step(x, g, state)
    assert np.allclose(x, np.array([4.0, 8.0]) - 0.4 * 0.3, rtol=1e-15)
    update.step(x, g, state)
    assert np.allclose(x, np.array([4.0, 8.0]) - 0.12 - 0.1, rtol=1e-15)
