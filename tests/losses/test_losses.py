"""Losses: their values against naive ones, their derivatives against generated ones, extreme arguments."""

import inspect
import math

import numpy as np
import pytest
from numba import njit
from scipy.special import expit, kl_div, log_softmax, logsumexp, softmax

import secondorder as so
from secondorder.losses import LOSSES

L = so.losses
RANDOM = np.random.default_rng(11)
N = 7
Z, T = 2.0 * RANDOM.standard_normal(N), RANDOM.standard_normal(N)
BINARY = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0])
ROWS = 2.0 * RANDOM.standard_normal((N, 4))
LABELS = np.array([0, 3, 2, 1, 1, 0, 3])
SHARES = softmax(RANDOM.standard_normal((N, 4)), axis=1)
SHARES[0] = [0.0, 1.0, 0.0, 0.0]
PAIRS, TRIPLETS = RANDOM.standard_normal((N, 2, 3)), RANDOM.standard_normal((N, 3, 3))
CENTERS = RANDOM.standard_normal((4, 4))


def distance(a, b):
    return np.linalg.norm(a - b, axis=-1)


def naive_huber(z, t, delta):
    e = np.abs(z - t)
    return np.mean(np.where(e < delta, e**2 / 2, delta * (e - delta / 2)))


def naive_focal(z, t, gamma, alpha):
    p = np.where(t == 1, expit(z), expit(-z))
    return np.mean(np.where(t == 1, alpha, 1 - alpha) * (1 - p) ** gamma * -np.log(p))


def naive_contrastive(z, t, margin):
    d = distance(z[:, 0], z[:, 1])
    return np.mean(np.where(t == 1, d**2, np.maximum(0, margin - d) ** 2)) / 2


def naive_triplet(z, margin, squared):
    power = 2 if squared else 1
    near, far = distance(z[:, 0], z[:, 1]) ** power, distance(z[:, 0], z[:, 2]) ** power
    return np.mean(np.maximum(0, near - far + margin))


def naive_dice(z, t, smooth):
    p = expit(z)
    return 1 - (2 * np.sum(p * t) + smooth) / (np.sum(p) + np.sum(t) + smooth)


def naive_cosine(z, t):
    return np.mean(1 - np.sum(z * t, axis=1) / np.linalg.norm(z, axis=1) / np.linalg.norm(t, axis=1))


# (loss, z, what follows it, the same in NumPy)
CASES = [
    ("mse", Z, (T,), lambda z, t: np.mean((z - t) ** 2)),
    ("mae", Z, (T,), lambda z, t: np.mean(np.abs(z - t))),
    (
        "huber",
        Z,
        (T, 1.0),
        lambda z, t, d: np.mean(np.where(abs(z - t) < d, (z - t) ** 2 / 2, d * (abs(z - t) - d / 2))),
    ),
    (
        "huber",
        Z,
        (T, 2.5),
        lambda z, t, d: np.mean(np.where(abs(z - t) < d, (z - t) ** 2 / 2, d * (abs(z - t) - d / 2))),
    ),
    ("log-cosh", Z, (T,), lambda z, t: np.mean(np.log(np.cosh(z - t)))),
    ("binary-cross-entropy", Z, (BINARY,), lambda z, t: -np.mean(t * np.log(expit(z)) + (1 - t) * np.log(expit(-z)))),
    ("binary-cross-entropy", Z, (expit(T),), lambda z, t: -np.mean(t * np.log(expit(z)) + (1 - t) * np.log(expit(-z)))),
    ("cross-entropy", ROWS, (LABELS,), lambda z, t: -np.mean(log_softmax(z, axis=1)[np.arange(N), t])),
    ("focal", Z, (BINARY, 2.0, 0.25), naive_focal),
    ("focal", Z, (BINARY, 0.5, 0.7), naive_focal),
    ("hinge", Z, (2 * BINARY - 1,), lambda z, t: np.mean(np.maximum(0, 1 - t * z))),
    ("kullback-leibler", ROWS, (SHARES,), lambda z, t: np.sum(kl_div(t, softmax(z, axis=1))) / N),
    ("dice", Z, (BINARY, 1.0), naive_dice),
    ("dice", Z, (BINARY, 0.0), naive_dice),
    ("cosine-similarity", ROWS, (RANDOM.standard_normal((N, 4)),), naive_cosine),
    ("contrastive", PAIRS, (BINARY, 3.0), naive_contrastive),
    ("triplet", TRIPLETS, (1.0, False), naive_triplet),
    ("triplet", TRIPLETS, (1.0, True), naive_triplet),
    ("center", ROWS, (LABELS, CENTERS), lambda z, t, c: np.sum((z - c[t]) ** 2) / 2 / N),
]
IDS = [f"{case[0]} {k}" for k, case in enumerate(CASES)]


def as_function_of_a_vector(name, z, rest):
    """f(x) = loss(z, ...), x the numbers of z."""
    value = LOSSES[name].value
    shape = z.shape
    if len(rest) == 1:
        a = rest[0]
        return lambda x: value(x.reshape(shape), a)
    a, b = rest[0], rest[1]
    if len(rest) == 2:
        return lambda x: value(x.reshape(shape), a, b)
    c = rest[2]
    return lambda x: value(x.reshape(shape), a, b, c)


@pytest.mark.parametrize(("name", "z", "rest", "naive"), CASES, ids=IDS)
def test_a_loss_is_its_formula(name, z, rest, naive):
    assert LOSSES[name].value(z, *rest) == pytest.approx(naive(z, *rest), rel=1e-13)
    g = np.full(z.shape, np.nan)
    assert LOSSES[name].gradient(z, *rest, g) == pytest.approx(naive(z, *rest), rel=1e-13)


@pytest.mark.parametrize(("name", "z", "rest", "naive"), CASES, ids=IDS)
def test_gradient_and_product_are_those_that_are_generated_from_the_value(name, z, rest, naive):
    f = as_function_of_a_vector(name, z, rest)
    x, v = z.ravel(), np.cos(np.arange(z.size))
    g, out = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
    LOSSES[name].gradient(z, *rest, g)
    LOSSES[name].product(z, *rest, v.reshape(z.shape), out)
    assert np.allclose(g.ravel(), so.grad(f)(x), rtol=1e-12, atol=1e-15)
    assert np.allclose(out.ravel(), so.hvp(f)(x, v), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("name", "z", "rest", "naive"), CASES, ids=IDS)
def test_gradient_and_product_are_slopes_of_the_naive_value_and_of_the_gradient(name, z, rest, naive):
    random = np.random.default_rng(3)
    v, step = random.standard_normal(z.shape), 1e-6
    g, out, high, low = (np.full(z.shape, np.nan) for _ in range(4))
    LOSSES[name].gradient(z, *rest, g)
    LOSSES[name].product(z, *rest, v, out)
    slope = (naive(z + step * v, *rest) - naive(z - step * v, *rest)) / (2 * step)
    assert np.sum(g * v) == pytest.approx(slope, rel=1e-6, abs=1e-8)
    LOSSES[name].gradient(z + step * v, *rest, high)
    LOSSES[name].gradient(z - step * v, *rest, low)
    assert np.allclose(out, (high - low) / (2 * step), rtol=1e-5, atol=1e-8)


def test_every_loss_is_compared_documented_and_public():
    assert {case[0] for case in CASES} == set(LOSSES)
    for name, row in LOSSES.items():
        assert getattr(L, name.replace("-", "_")) is row.value
        assert "Parameters" in inspect.getdoc(row.value.py_func)
        parameters = list(inspect.signature(row.value.py_func).parameters)
        assert list(inspect.signature(row.gradient.py_func).parameters) == [*parameters, "g"]
        assert list(inspect.signature(row.product.py_func).parameters) == [*parameters, "v", "out"]


LOGITS = np.array([-1e4, -800.0, -40.0, 0.0, 40.0, 800.0, 1e4])
FAR = [
    ("log-cosh", (np.zeros(7),), np.abs(LOGITS) - math.log(2.0) * (LOGITS != 0.0)),
    ("binary-cross-entropy", (np.zeros(7),), np.logaddexp(0.0, LOGITS)),
    ("binary-cross-entropy", (np.ones(7),), np.logaddexp(0.0, -LOGITS)),
    ("focal", (np.ones(7), 2.0, 0.25), 0.25 * expit(-LOGITS) ** 2 * np.logaddexp(0.0, -LOGITS)),
]


@pytest.mark.parametrize(("name", "rest", "each"), FAR, ids=[row[0] for row in FAR])
def test_no_logit_is_too_large(name, rest, each):
    v, g, out = np.ones(7), np.empty(7), np.empty(7)
    assert LOSSES[name].value(LOGITS, *rest) == pytest.approx(np.mean(each), rel=1e-14)
    LOSSES[name].gradient(LOGITS, *rest, g)
    LOSSES[name].product(LOGITS, *rest, v, out)
    assert np.all(np.isfinite(g)) and np.all(np.isfinite(out)) and np.all(np.abs(g) <= 1.0)
    f = as_function_of_a_vector(name, LOGITS, rest)
    assert np.allclose(so.grad(f)(LOGITS), g, rtol=1e-12, atol=1e-300)
    assert np.allclose(so.hvp(f)(LOGITS, v), out, rtol=1e-11, atol=1e-16)


def test_no_row_of_logits_is_too_large():
    z = np.array([[1e4, -1e4, 0.0], [800.0, 801.0, -900.0]])
    t, g, out = np.array([1, 0]), np.empty((2, 3)), np.empty((2, 3))
    expected = np.mean(logsumexp(z, axis=1) - z[[0, 1], t])
    assert L.cross_entropy(z, t) == pytest.approx(expected, rel=1e-14)
    LOSSES["cross-entropy"].gradient(z, t, g)
    LOSSES["cross-entropy"].product(z, t, np.ones((2, 3)), out)
    assert np.all(np.isfinite(g)) and np.allclose(g.sum(axis=1), 0.0, atol=1e-15)
    assert np.allclose(out, 0.0, atol=1e-15)  # adding a constant to a row's logits changes nothing


@pytest.mark.parametrize("name", ["contrastive", "triplet", "cosine-similarity"])
def test_a_distance_of_zero_counts_as_constant(name):
    z, rest = {
        "contrastive": (np.ones((2, 2, 3)), (np.zeros(2), 1.0)),
        "triplet": (np.ones((2, 3, 3)), (1.0, False)),
        "cosine-similarity": (np.zeros((2, 3)), (np.zeros((2, 3)),)),
    }[name]
    g, out = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
    LOSSES[name].gradient(z, *rest, g)
    LOSSES[name].product(z, *rest, np.ones(z.shape), out)
    assert np.array_equal(g, np.zeros(z.shape)) and np.array_equal(out, np.zeros(z.shape))


@pytest.mark.parametrize(("name", "z", "rest", "naive"), CASES, ids=IDS)
def test_nan_shows(name, z, rest, naive):
    bad, g = z.copy(), np.empty(z.shape)
    bad.flat[2] = np.nan
    value, also = LOSSES[name].value(bad, *rest), LOSSES[name].gradient(bad, *rest, g)
    assert np.isnan(also) and np.any(np.isnan(g))
    assert np.isnan(value)


# (function, its arguments, words of the error)
WRONG = [
    *[
        (row.value, (Z, T[:3], *rest[1:]), "same length")
        for name, row in LOSSES.items()
        for rest in [next(case[2] for case in CASES if case[0] == name)]
        if name in ("mse", "mae", "huber", "log-cosh", "binary-cross-entropy", "focal", "hinge", "dice")
    ],
    (L.cross_entropy, (ROWS, LABELS[:3]), "same length"),
    (L.cross_entropy, (ROWS, LABELS + 1), "number classes from 0"),
    (L.cross_entropy, (ROWS, LABELS - 1), "number classes from 0"),
    (L.kullback_leibler, (ROWS, SHARES[:, :3].copy()), "rows of the same length"),
    (L.cosine_similarity, (ROWS, ROWS[:2].copy()), "same length"),
    (L.contrastive, (TRIPLETS, BINARY), "pairs"),
    (L.triplet, (PAIRS,), "triplet"),
    (L.triplet, (TRIPLETS[:0].copy(),), "empty"),
    (L.center, (ROWS, LABELS, CENTERS[:, :2].copy()), "centers"),
    (L.center, (ROWS, LABELS, CENTERS[:3].copy()), "number classes from 0"),
    (L.mse, (Z[:0].copy(), Z[:0].copy()), "empty"),
    (LOSSES["mse"].gradient, (Z, T, np.empty(3)), "shape of z"),
    (LOSSES["cross-entropy"].gradient, (ROWS, LABELS, np.empty((N, 3))), "shape of z"),
    (LOSSES["center"].product, (ROWS, LABELS, CENTERS, ROWS[:2].copy(), np.empty(ROWS.shape)), "shape of z"),
    (LOSSES["hinge"].product, (Z, T, Z, np.empty(3)), "shape of z"),
]


@pytest.mark.parametrize(("function", "arguments", "words"), WRONG, ids=lambda a: getattr(a, "__name__", ""))
def test_arrays_that_do_not_fit_are_refused_before_anything_is_read_beyond_their_ends(function, arguments, words):
    with pytest.raises(ValueError, match=words):
        function(*arguments)


def test_targets_that_do_not_fit_are_refused_in_objectives_too():
    """Captured: four targets for seven rows gave a minimum of what lay behind them in memory."""

    def risk(w, X, t):
        return L.mse(X @ w, t)

    for method in ("l-bfgs", "newton-cg"):
        with pytest.raises(ValueError, match="same length"):
            so.minimize(risk, np.zeros(4), (ROWS, T[:4]), method)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0, 2.0], T), r"mse\(z, t\) takes arrays.* got z: \[1.0, 2.0\], t: float64 of shape \(7,\)"),
        ((Z.astype(np.float16), T), "z: float16 of shape"),
        ((ROWS, ROWS), r"z: float64 of shape \(7, 4\)"),
        (("a", T), "z: 'a'"),
        ((1.0, 2.0), "z: 1.0, t: 2.0"),
    ],
)
def test_arguments_that_are_no_arrays_of_a_loss_are_named(arguments, words):
    with pytest.raises(TypeError, match=words):
        L.mse(*arguments)


def test_losses_are_called_from_compiled_code():
    @njit
    def total(z, t):
        return L_mse(z, t) + L_huber(z, t, 1.0)

    expected = CASES[0][3](Z, T) + CASES[2][3](Z, T, 1.0)
    assert total(Z, T) == pytest.approx(expected, rel=1e-14)


L_mse, L_huber = L.mse, L.huber


def test_a_fit_by_every_regression_loss_follows_the_derivatives():
    X = np.column_stack([np.ones(40), np.linspace(-1.0, 1.0, 40)])
    y = X @ np.array([0.5, 2.0]) + 0.01 * np.sin(40.0 * X[:, 1])

    for loss in (L.mse, L.huber, L.log_cosh):
        result = so.minimize(lambda w, X, y, loss=loss: loss(X @ w, y), np.zeros(2), (X, y), "newton-cg")
        assert result.success and result.derivatives == "exact"
        assert np.allclose(result.x, [0.5, 2.0], atol=0.01)
