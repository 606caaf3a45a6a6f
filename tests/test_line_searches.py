"""What every row of LINE_SEARCHES promises, on functions of one variable along a line in R^n: f(x) = phi(x_1)."""

import itertools
import json
import math
import pathlib
from typing import NamedTuple

import numpy as np
import pytest
from numba import njit

from secondorder import control as c
from secondorder import jit, minimize
from secondorder.backends.serial import SEARCH, SEARCH_OPTIONS
from secondorder.line_searches import LINE_SEARCHES
from secondorder.line_searches import memory as m
from secondorder.status import CONVERGED, MAXFEV, RUNNING, TIME
from tests.naive import line_searches as naive

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # plain Python warns where phi overflows

# ------------------------------------------------------------------------------------------ the functions phi

SHAPES = (
    "quadratic",
    "quartic",
    "logarithm",
    "logarithm near its pole",
    "steep exponential",
    "more-thuente 1",
    "more-thuente 2",
    "more-thuente 3",
    "more-thuente 4",
    "more-thuente 5",
    "more-thuente 6",
    "huge",
    "tiny",
    "noisy",
    "nan",
    "nan gradient",
    "nan gradient beyond 0.3",
    "wall",
    "constant",
    "wrong sign",
    "jump",
    "minus infinity",
    "linear",
    "flat",
    "nan in stripes",
    "infinite gradient",
)
INDEX = {name: i for i, name in enumerate(SHAPES)}
SMOOTH = SHAPES[:13]
NOT_A_DESCENT = ("nan", "nan gradient", "constant", "wrong sign", "jump")

# Searches that once took many trials or found nothing: (alpha, phi, phi') by increasing alpha. To add one, record it.
CAPTURED = json.loads((pathlib.Path(__file__).parent / "captured" / "line_searches.json").read_text())
MOST_POINTS = max(len(case["points"]) for case in CAPTURED)
TABLE = np.array([case["points"] + [case["points"][-1]] * (MOST_POINTS - len(case["points"])) for case in CAPTURED])
ALL_SHAPES = (*SHAPES, *range(len(SHAPES), len(SHAPES) + len(CAPTURED)))


@njit
def yanai(t, b1, b2):
    """(36) of More and Thuente, from Yanai, Ozawa and Kaneko."""
    g1, g2 = math.sqrt(1.0 + b1 * b1) - b1, math.sqrt(1.0 + b2 * b2) - b2
    r1, r2 = math.sqrt((1.0 - t) * (1.0 - t) + b2 * b2), math.sqrt(t * t + b1 * b1)
    return g1 * r1 + g2 * r2, g1 * (t - 1.0) / r1 + g2 * t / r2


@njit
def replayed(t, points):
    """Cubic Hermite interpolation of captured (alpha, phi, slope); infinitely high beyond the last of them."""
    for i in range(points.shape[0] - 1):
        a, fa, sa = points[i]
        b, fb, sb = points[i + 1]
        if t == a:
            return fa, sa
        if a < t < b:
            w, u = b - a, (t - a) / (b - a)
            v = 1.0 - u
            value = fa * (v * v * (1.0 + 2.0 * u)) + fb * (u * u * (3.0 - 2.0 * u)) + w * u * v * (sa * v - sb * u)
            return value, 6.0 * u * v * ((fb - fa) / w) + sa * v * (v - 2.0 * u) + sb * u * (u - 2.0 * v)
    if t == points[-1, 0]:
        return points[-1, 1], points[-1, 2]
    return np.inf, np.nan


@njit
def smooth(shape, t):
    """(phi(t), phi'(t)) of the shapes that have a minimum; 5 to 10 are test functions of More and Thuente (1994)."""
    if shape == 0:
        return 0.5 * (t - 1.0) * (t - 1.0), t - 1.0
    if shape == 1:
        return (t - 2.0) * (t - 2.0) * (t - 2.0) * (t - 2.0) + t * t, 4.0 * (t - 2.0) * (t - 2.0) * (t - 2.0) + 2.0 * t
    if shape == 2:
        return -np.log(1.0 - t) - 3.0 * t, (1.0 / (1.0 - t) if t < 1.0 else np.nan) - 3.0
    if shape == 3:
        return -1e-3 * np.log(1.0 - t) - t, (1e-3 / (1.0 - t) if t < 1.0 else np.nan) - 1.0
    if shape == 4:
        return np.exp(50.0 * t) - 60.0 * t, 50.0 * np.exp(50.0 * t) - 60.0
    if shape == 5:
        return -t / (t * t + 2.0), (t * t - 2.0) / ((t * t + 2.0) * (t * t + 2.0))
    if shape == 6:
        s = t + 0.004
        return s * s * s * s * (s - 2.0), s * s * s * (5.0 * s - 8.0)
    if shape == 7:
        wave = 2.0 * 0.99 / (39.0 * np.pi) * np.sin(39.0 * np.pi / 2.0 * t)
        wave_slope = 0.99 * np.cos(39.0 * np.pi / 2.0 * t)
        if t <= 0.99:
            return 1.0 - t + wave, -1.0 + wave_slope
        if t >= 1.01:
            return t - 1.0 + wave, 1.0 + wave_slope
        return 50.0 * (t - 1.0) * (t - 1.0) + 0.005 + wave, 100.0 * (t - 1.0) + wave_slope
    if shape == 8:
        return yanai(t, 0.001, 0.001)
    if shape == 9:
        return yanai(t, 0.01, 0.001)
    if shape == 10:
        return yanai(t, 0.001, 0.01)
    scale = 1e200 if shape == 11 else 1e-200
    return scale * (0.5 * (t - 1.0) * (t - 1.0)), scale * (t - 1.0)


@njit
def phi(shape, t):
    """(phi(t), phi'(t)) of one of SHAPES, or of a captured search."""
    if shape < 13:
        return smooth(shape, t)
    if shape == 13:
        return 0.5 * (t - 1.0) * (t - 1.0) + 1e-3 * np.sin(1e6 * t), t - 1.0
    if shape == 14:
        return (0.0 if t == 0.0 else np.nan), -1.0
    if shape == 15:
        return 0.5 * (t - 1.0) * (t - 1.0), (-1.0 if t == 0.0 else np.nan)
    if shape == 16:
        return 0.5 * (t - 1.0) * (t - 1.0), (t - 1.0 if t < 0.3 else np.nan)
    if shape == 17:
        return (-t if t < 0.01 else np.inf), -1.0
    if shape == 18:
        return 5.0, -1.0
    if shape == 19:
        return t, -1.0
    if shape == 20:
        return (0.0 if t == 0.0 else 1.0), -1.0
    if shape == 21:
        return (-t if t < 0.5 else -np.inf), (-1.0 if t < 0.5 else np.nan)
    if shape == 22:
        return -t, -1.0
    if shape == 23:
        return 1.0 + 1e-20 * (t * (t - 2.0)), 2e-20 * (t - 1.0)
    if shape == 24:
        odd = math.floor(1e3 * t) % 2.0 == 1.0
        return (np.nan if odd else 0.5 * (t - 1.0) * (t - 1.0)), (np.inf if odd else t - 1.0)
    if shape == 25:
        return 0.5 * (t - 1.0) * (t - 1.0), (t - 1.0 if t < 0.3 else np.inf)
    return replayed(t, TABLE[shape - 26])


# ------------------------------------------------------------------------------------------------ the harness

BASE = np.array([0.0, 3.0, -2.0, 0.5, 1.0])
ALONG = np.array([1.0, -0.5, 0.25, 2.0, -1.0])


def fun(x, data):
    """f(x) = 2^kf phi(2^-kx x_1); the item of `data` holds the shape, kf and kx."""
    item = data[1]
    f = phi(item % 64, x[0] * 2.0 ** (512 - item // 64 // 1024))[0]
    return f * 2.0 ** (item // 64 % 1024 - 512)


def fun_grad(x, g, data):
    item = data[1]
    factor, shrink = 2.0 ** (item // 64 % 1024 - 512), 2.0 ** (512 - item // 64 // 1024)
    f, slope = phi(item % 64, x[0] * shrink)
    g[:] = 0.0
    g[0] = slope * factor * shrink
    return f * factor


_fun_at, _fun_grad_at, _search_at = jit.function_at(jit.FUN), jit.function_at(jit.FUN_GRAD), jit.function_at(SEARCH)
_options_at, _control_at = jit.reference_at(SEARCH_OPTIONS), jit.reference_at(c.CONTROL)


def drive(search, fun, fun_grad, x, f, slope, d, alpha0, xt, gt, memory, options, control, address, item):
    """A search, called as a solver calls it."""
    x, d, xt, gt, memory = jit.borrowed(x), jit.borrowed(d), jit.borrowed(xt), jit.borrowed(gt), jit.borrowed(memory)
    return _search_at(search)(
        _fun_at(fun),
        _fun_grad_at(fun_grad),
        x,
        f,
        slope,
        d,
        alpha0,
        xt,
        gt,
        memory,
        _options_at(options),
        _control_at(control),
        (address, item),
    )


def harness():
    """The compiled driver and the addresses of the objective."""
    v, f8, intp = jit.vector, jit.f8, jit.intp
    kinds = (intp, intp, intp, v, f8, f8, v, f8, v, v, v, intp, intp, intp, intp)
    driver = drive if jit.JIT_DISABLED else njit(jit.tuple_type(f8, f8)(*kinds), **jit.ENTRY)(drive)
    keep = jit.typed(fun, jit.FUN), jit.typed(fun_grad, jit.FUN_GRAD)
    return driver, jit.address_of(keep[0], jit.FUN), jit.address_of(keep[1], jit.FUN_GRAD), keep


class Trial(NamedTuple):
    """What a search left behind."""

    alpha: float
    ft: float
    xt: np.ndarray
    gt: np.ndarray
    counts: np.ndarray
    values: np.ndarray
    x: np.ndarray
    d: np.ndarray


def remembered(*history, options=None):
    """The memory of a run that went through these values of f, not yet in the approximate conditions."""
    memory = np.full(m.N_MEMORY + 8, np.nan)
    forget, remember = getattr(m.forget, "py_func", m.forget), getattr(m.remember, "py_func", m.remember)
    forget(memory, history[0])
    for f, ft in itertools.pairwise(history):
        remember(memory, options or m.SearchOptions(), f, -1.0, 1.0, ft)
    memory[m.APPROXIMATE] = 0.0
    return memory


def start_of(shape):
    """The number of a shape, f and slope at its start."""
    number = shape if isinstance(shape, int) else INDEX[shape]
    return number, *phi(number, np.float64(0.0))


class Harness:
    """Searches by name on shapes by name."""

    def __init__(self):
        self.driver, self.fun, self.fun_grad, self.keep = harness()
        self.searches = {name: jit.compiled(module.search, SEARCH) for name, module in LINE_SEARCHES.items()}

    def __call__(
        self,
        name,
        shape,
        alpha0=1.0,
        *,
        n=3,
        memory=None,
        max_fun=10**9,
        stop=RUNNING,
        kf=0,
        kx=0,
        dirt=np.nan,
        **given,
    ):
        number, f, slope = start_of(shape)
        f, slope = f * 2.0**kf, slope * 2.0**kf
        memory = remembered(f) if memory is None else memory
        x, d = BASE[:n] * 2.0**kx, ALONG[:n] * 2.0**kx
        xt, gt = np.full(n, dirt), np.full(n, dirt)
        counts, values = np.zeros(c.N_COUNTS, np.int64), np.zeros(c.N_VALUES)
        counts[[c.STOP, c.FUN_PER_GRAD, c.MAX_FUN, c.STRIDE, c.COUNTDOWN]] = stop, 1, max_fun, 1, 1
        values[c.SCALE], values[c.F_MIN] = 1.0, -1e250
        options = jit.Native(m.SearchOptions(**given))
        control = jit.Native(c.Control(counts, values, np.empty(n), np.empty((0, len(c.TRACE))), np.empty(0)))
        alpha, ft = self.driver(
            jit.address_of(self.searches[name], SEARCH),
            self.fun,
            self.fun_grad,
            x,
            f,
            slope,
            d,
            alpha0,
            xt,
            gt,
            memory,
            options.address,
            control.address,
            0,
            number + 64 * (kf + 512) + 64 * 1024 * (kx + 512),
        )
        return Trial(alpha, ft, xt, gt, counts, values, x, d)


@pytest.fixture(scope="module")
def run():
    return Harness()


# ------------------------------------------------------------------------------------------- the conditions

STARTS = (1e-3, 0.1, 1.0, 10.0, 1e3)
WOLFE = ("hager-zhang", "strong-wolfe", "more-thuente")
STRONG = ("strong-wolfe", "more-thuente")
BACKTRACKING = ("armijo", "nonmonotone", "nonmonotone-average")
DESCENDING = (*WOLFE, *BACKTRACKING)


def armijo_holds(f, slope, alpha, ft, c1):
    return ft <= f + c1 * alpha * slope


def promised(name, f, slope, alpha, ft, st, c1=1e-4, c2=0.9):
    """Does this step meet the conditions in the search's docstring, where f has all its digits?"""
    if name == "fixed":
        return True
    if name in BACKTRACKING:
        return armijo_holds(f, slope, alpha, ft, c1)
    curvature = abs(st) <= -c2 * slope if name in STRONG else st >= c2 * slope
    return armijo_holds(f, slope, alpha, ft, c1) and curvature


@pytest.mark.parametrize("alpha0", STARTS)
@pytest.mark.parametrize("shape", SMOOTH)
@pytest.mark.parametrize("name", DESCENDING)
def test_a_step_meets_the_conditions_of_its_search(run, name, shape, alpha0):
    number, f, slope = start_of(shape)
    done = run(name, shape, alpha0)
    ft, st = phi(number, done.alpha)
    assert done.alpha > 0.0
    assert promised(name, f, slope, done.alpha, ft, st)


@pytest.mark.parametrize("c1, c2", [(1e-4, 0.4), (1e-3, 0.01), (0.1, 0.1)])
@pytest.mark.parametrize("shape", [s for s in SMOOTH if s.startswith("more") or s == "logarithm near its pole"])
@pytest.mark.parametrize("name", WOLFE)
def test_wolfe_searches_meet_tight_conditions_too(run, name, shape, c1, c2):
    if name == "hager-zhang" and c1 == 0.1:
        pytest.skip("it brackets a minimum of phi, which need not lie below the line of slope c1 phi'(0)")
    number, f, slope = start_of(shape)
    for alpha0 in STARTS:
        done = run(name, shape, alpha0, c1=c1, c2=c2)
        assert done.alpha > 0.0
        assert promised(name, f, slope, done.alpha, *phi(number, done.alpha), c1, c2)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("shape", ALL_SHAPES)
@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_xt_ft_and_gt_belong_to_the_step_and_are_finite(run, name, shape, n):
    number, f, _ = start_of(shape)
    for alpha0 in STARTS:
        done = run(name, shape, alpha0, n=n)
        if done.alpha == 0.0:
            assert done.ft == f
            continue
        ft, st = phi(number, done.alpha)
        assert done.alpha > 0.0
        assert done.ft == ft
        assert np.array_equal(done.xt, done.x + done.alpha * done.d)
        assert np.array_equal(done.gt, [st, *np.zeros(n - 1)], equal_nan=True)
        assert ft == -math.inf or (math.isfinite(ft) and math.isfinite(st))


@pytest.mark.parametrize("shape", NOT_A_DESCENT)
@pytest.mark.parametrize("name", DESCENDING)
def test_failure_is_a_step_of_zero(run, name, shape):
    for alpha0 in STARTS:
        done = run(name, shape, alpha0)
        assert (done.alpha, done.ft) == (0.0, start_of(shape)[1])


@pytest.mark.parametrize("shape", ["nan", "nan gradient"])
def test_a_fixed_step_is_refused_where_f_or_the_gradient_is_not_finite(run, shape):
    assert run("fixed", shape).alpha == 0.0
    assert run("fixed", "quadratic", 3.0).alpha == 3.0


@pytest.mark.parametrize("max_trials", [1, 2, 5, 50])
@pytest.mark.parametrize("shape", ALL_SHAPES)
@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_evaluations_are_bounded(run, name, shape, max_trials):
    for alpha0 in (1e-300, 1e-3, 1.0, 1e9):
        counts = run(name, shape, alpha0, max_trials=max_trials).counts
        assert counts[c.N_FUN] <= max_trials + (11 if name in BACKTRACKING else 1)


@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_needs_fun_tells_whether_values_alone_are_asked_for(run, name):
    counts = run(name, "logarithm", 10.0).counts
    assert (counts[c.N_FUN] > counts[c.N_GRAD]) == LINE_SEARCHES[name].NEEDS_FUN


@pytest.mark.parametrize("name", BACKTRACKING)
def test_backtracking_asks_for_one_gradient(run, name):
    counts = run(name, "steep exponential").counts
    assert counts[c.N_GRAD] == 1
    assert counts[c.N_FUN] > 2


@pytest.mark.parametrize("name", BACKTRACKING)
def test_backtracking_leaves_points_without_a_gradient(run, name):
    assert 0.0 < run(name, "nan gradient beyond 0.3", 1.0).alpha < 0.3
    assert run(name, "nan gradient", 1.0).counts[c.N_GRAD] == 11


@pytest.mark.parametrize("shape", ["minus infinity", "linear"])
@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_a_value_below_fmin_is_taken_at_once(run, name, shape):
    done = run(name, shape, 1.0 if shape == "minus infinity" else 2e250)
    assert done.alpha > 0.0
    assert done.ft <= done.values[c.F_MIN]
    assert done.counts[c.N_GRAD] == 1


@pytest.mark.parametrize("name", DESCENDING)
def test_a_run_that_is_stopped_takes_no_step(run, name):
    for shape in ("steep exponential", "nan"):
        done = run(name, shape, 10.0, max_fun=2)
        assert (done.alpha, done.ft) == (0.0, start_of(shape)[1])
        assert done.counts[c.STOP] == MAXFEV
        assert done.counts[c.N_FUN] == 2
        assert run(name, shape, 10.0, stop=TIME).counts[c.N_FUN] <= 1


@pytest.mark.parametrize("shape", ["nan", "logarithm", "quadratic"])
@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_the_last_trial_is_on_record(run, name, shape):
    number = INDEX[shape]
    done = run(name, shape, 10.0)
    alpha, ft = done.values[c.TRIAL_ALPHA], done.values[c.TRIAL_F]
    assert alpha > 0.0
    assert np.array_equal(ft, phi(number, alpha)[0], equal_nan=True)
    if done.alpha > 0.0:
        assert (alpha, ft, done.values[c.TRIAL_SLOPE]) == (done.alpha, done.ft, phi(number, alpha)[1])


@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_a_step_too_short_to_change_f_and_its_slope_is_refused(run, name):
    high = remembered(9.0, 0.5)  # leaves the nonmonotone searches room above f
    assert run(name, "quadratic", 1e-30, memory=high, max_trials=1).alpha == 0.0


# --------------------------------------------------------------------------------- bits and invariances


def bits(done):
    return done.alpha, done.ft, done.xt.tobytes(), done.gt.tobytes(), tuple(done.counts[[c.N_FUN, c.N_GRAD]])


@pytest.mark.parametrize("shape", ALL_SHAPES)
@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_what_the_scratch_held_before_changes_no_bit(run, name, shape):
    if run(name, shape, 10.0).alpha > 0.0:
        assert bits(run(name, shape, 10.0)) == bits(run(name, shape, 10.0, dirt=7.0))


@pytest.mark.parametrize("kf, kx", [(40, 0), (-40, 0), (0, 60), (0, -60), (33, -21)])
@pytest.mark.parametrize("shape", [s for s in SMOOTH if s not in ("huge", "tiny")])
@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_scaling_f_or_x_by_a_power_of_two_changes_no_bit_of_the_step(run, name, shape, kf, kx):
    for alpha0 in (0.1, 10.0):
        plain, scaled = run(name, shape, alpha0), run(name, shape, alpha0, kf=kf, kx=kx)
        assert scaled.alpha == plain.alpha
        assert scaled.ft == plain.ft * 2.0**kf
        assert scaled.counts[c.N_FUN] == plain.counts[c.N_FUN]


# --------------------------------------------------------------------------------------------- nonmonotone


@pytest.mark.parametrize(
    "name, reference",
    [
        ("nonmonotone", lambda fs, options: max(fs[-options.window :])),
        ("nonmonotone-average", lambda fs, options: zhang_hager(fs, options.average)),
    ],
)
def test_nonmonotone_searches_compare_with_their_reference(run, name, reference):
    rng = np.random.default_rng(7)
    shape, f0 = "quadratic", 0.5
    for _ in range(40):
        fs = [*rng.uniform(0.5, 3.0, rng.integers(1, 25)), f0]
        options = m.SearchOptions(window=int(rng.integers(1, 20)), average=rng.uniform())
        bound = max(f0, reference(fs, options))
        alpha0 = 1.0 + rng.uniform(0.0, 3.0)
        ft = phi(0, alpha0)[0]
        memory = remembered(*fs, options=options)
        done = run(name, shape, alpha0, memory=memory, window=options.window, average=options.average)
        assert (done.alpha == alpha0) == (ft <= bound - 1e-4 * alpha0)


def zhang_hager(fs, eta):
    """C_k as the weighted sum that it is: weights eta^(k - i)."""
    weights = eta ** np.arange(len(fs) - 1, -1, -1.0)
    return np.sum(weights * fs) / np.sum(weights)


# ------------------------------------------------------------------------------------- twins and the papers


@pytest.mark.parametrize("alpha0", [1e-3, 0.1, 1.0])
@pytest.mark.parametrize("shape", SMOOTH[:5])
def test_armijo_takes_the_textbooks_step(run, shape, alpha0):
    number = INDEX[shape]
    with np.errstate(all="ignore"):
        expected = naive.armijo(lambda t: phi(number, np.float64(t)), alpha0)
    assert run("armijo", shape, alpha0).alpha == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("c2", [0.9, 0.1])
@pytest.mark.parametrize("alpha0", STARTS)
@pytest.mark.parametrize("shape", ["quadratic", "quartic", *SMOOTH[5:11]])
def test_strong_wolfe_takes_the_textbooks_step(run, shape, alpha0, c2):
    number = INDEX[shape]
    expected = naive.strong_wolfe(lambda t: phi(number, np.float64(t)), alpha0, c2=c2)
    assert run("strong-wolfe", shape, alpha0, c2=c2).alpha == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("c1, c2", [(1e-4, 0.9), (1e-3, 0.1), (0.1, 0.1)])
@pytest.mark.parametrize("alpha0", STARTS)
@pytest.mark.parametrize("shape", ["quadratic", "quartic", *SMOOTH[5:11]])
def test_more_thuente_takes_the_step_of_minpack(run, shape, alpha0, c1, c2):
    dcsrch = pytest.importorskip("scipy.optimize._dcsrch").DCSRCH
    number, f, slope = start_of(shape)
    minpack = dcsrch(lambda t: phi(number, t)[0], lambda t: phi(number, t)[1], c1, c2, 1e-14, 0.0, 1e10)
    expected = minpack(np.float64(alpha0), phi0=f, derphi0=slope, maxiter=50)[0]
    assert run("more-thuente", shape, alpha0, c1=c1, c2=c2).alpha == pytest.approx(expected, rel=1e-7)


# Evaluations and steps in tables I to VI of the paper, from alpha0 = 1e-3, 1e-1, 1e1, 1e3.
MORE_THUENTE = {
    "more-thuente 1": (1e-3, 0.1, (6, 3, 1, 4), (1.4, 1.4, 10.0, 37.0)),
    "more-thuente 2": (0.1, 0.1, (12, 8, 8, 11), (1.6, 1.6, 1.6, 1.6)),
    "more-thuente 3": (0.1, 0.1, (12, 12, 10, 13), (1.0, 1.0, 1.0, 1.0)),
    "more-thuente 4": (1e-3, 1e-3, (4, 1, 3, 4), (0.085, 0.10, 0.35, 0.83)),
    "more-thuente 5": (1e-3, 1e-3, (6, 3, 7, 8), (0.075, 0.078, 0.073, 0.076)),
    "more-thuente 6": (1e-3, 1e-3, (13, 11, 8, 11), (0.93, 0.93, 0.92, 0.92)),
}


@pytest.mark.parametrize("shape", MORE_THUENTE)
def test_more_thuente_reproduces_the_papers_tables(run, shape):
    c1, c2, counts, steps = MORE_THUENTE[shape]
    for alpha0, count, step in zip((1e-3, 1e-1, 1e1, 1e3), counts, steps, strict=True):
        done = run("more-thuente", shape, alpha0, c1=c1, c2=c2)
        assert (done.counts[c.N_FUN], f"{done.alpha:.2g}") == (count, f"{step:.2g}")


# -------------------------------------------------------------------------------- where f has lost its digits


@pytest.mark.parametrize("alpha0", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", DESCENDING)
def test_slopes_decide_where_f_is_flat_to_rounding(run, name, alpha0):
    number, f, slope = start_of("flat")
    memory = remembered(f)
    memory[m.APPROXIMATE] = 1.0
    done = run(name, "flat", alpha0, memory=memory)
    st = phi(number, done.alpha)[1]
    assert done.alpha > 0.0
    assert done.ft == f
    assert slope < st <= (2e-4 - 1.0) * slope
    if name in STRONG:
        assert abs(st) <= -0.9 * slope


@pytest.mark.parametrize("name", DESCENDING)
def test_a_large_constant_in_f_does_not_keep_bfgs_from_a_small_gradient(name):
    def fun(x):
        return 1e6 + 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2

    def jac(x):
        return np.array([-400.0 * x[0] * (x[1] - x[0] ** 2) - 2.0 * (1.0 - x[0]), 200.0 * (x[1] - x[0] ** 2)])

    result = minimize(fun, np.array([-1.2, 1.0]), jac=jac, method="bfgs", options={"line_search": name, "gtol": 1e-9})
    assert result.status == CONVERGED
    assert np.max(np.abs(jac(result.x))) <= 1e-9


@pytest.mark.parametrize("name", STRONG)
def test_a_search_about_to_fail_takes_a_weak_wolfe_step(run, name):
    number, f, slope = start_of("quadratic")
    done = run(name, "quadratic", 0.5, c2=0.4, max_trials=1)
    assert done.alpha == 0.5
    assert done.counts[c.N_FUN] == 1
    assert not promised(name, f, slope, done.alpha, *phi(number, done.alpha), c2=0.4)


@pytest.mark.parametrize("case", range(len(CAPTURED)), ids=[case["origin"] for case in CAPTURED])
@pytest.mark.parametrize("name", DESCENDING)
def test_captured_searches_end_well(run, name, case):
    number = len(SHAPES) + case
    f, slope = CAPTURED[case]["points"][0][1:]
    for approximate in (0.0, 1.0):
        memory = remembered(f)
        memory[m.APPROXIMATE] = approximate
        done = run(name, number, CAPTURED[case]["alpha0"], memory=memory)
        ft, st = phi(number, done.alpha)
        assert done.alpha > 0.0
        assert ft <= f + (1e-6 if approximate else 1e-15) * abs(f)
        assert name in BACKTRACKING or st >= 0.9 * slope
