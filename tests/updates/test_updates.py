"""Update rules: each against the libraries that have it, against a naive twin, and what all of them promise."""

import inspect
import json
import math
import pathlib
import re

import numpy as np
import pytest

import secondorder as so
from secondorder.backends import threads
from secondorder.backends import updates as backend
from secondorder.update import CLASSES
from secondorder.updates import UPDATES
from secondorder.updates.treatment import CommonOptions
from tests.naive.updates import NAIVE
from tests.updates.problem import RECORDED, N, diagonal, gradient, start, trajectory, value

REFERENCES = json.loads((pathlib.Path(__file__).parent / "reference.json").read_text())

# Options of each rule, beside its defaults, that a naive twin is compared with.
OPTIONS = {
    "sgd": [{"lr": 0.05}],
    "momentum": [{"lr": 0.05, "dampening": 0.2}, {"lr": 0.05, "polyak": True}],
    "nesterov": [{"lr": 0.05, "dampening": 0.2}, {"lr": 0.05, "polyak": True}],
    "fista": [{"lr": 0.3, "adaptive": word} for word in ("gradient", "function", "none")],
    "adagrad": [{"lr": 0.1, "lr_decay": 0.01, "accumulator": 0.1, "eps_root": 1e-7}],
    "adadelta": [{"rho": 0.95}],
    "rmsprop": [{}, {"momentum": 0.9}, {"centered": True, "rho": 0.9, "eps_root": 1e-3}],
    "adam": [{"lr": 0.01}, {"lr": 0.01, "eps_hat": True, "eps_root": 1e-4}],
    "adamw": [{"lr": 0.01}],
    "amsgrad": [{"lr": 0.01}, {"lr": 0.01, "corrected": True}],
    "nadam": [{"lr": 0.01}, {"lr": 0.01, "constant": True}],
    "adamax": [{"lr": 0.01}, {"lr": 0.01, "eps": 0.1, "outside": True}],
    "radam": [{"lr": 0.01}, {"lr": 0.01, "eps_hat": False, "threshold": 4.0}],
    "adabelief": [{"lr": 0.01}],
    "yogi": [{"lr": 0.01}],
    "lion": [{"lr": 0.003}],
    "rprop+": [{}, {"delta_max": 0.3, "delta_min": 0.01}],
    "rprop-": [{}],
    "irprop+": [{}],
    "irprop-": [{"lr": 0.5}],
    "quickprop": [{"lr": 0.1}],
    "delta-bar-delta": [{"lr": 0.01}],
    "adahessian": [{}, {"power": 0.5, "interval": 3}],
    "sophia": [{"lr": 0.01}, {"lr": 0.01, "gamma": 1.0, "correct": True, "late": True, "interval": 3}],
}
CASES = [(name, options) for name, rows in OPTIONS.items() for options in rows]


def run(update, x, dtype=np.float64):
    """The recorded points of an update on the moving bowl."""
    x = x.astype(dtype)
    state = update.init(x)
    needs_diagonal = "hvp" in update.rule.NEEDS

    def step(x, k):
        g = gradient(x.astype(np.float64), k).astype(dtype)
        update.step(x, g, state, f=value(x, k), diagonal=diagonal(k) if needs_diagonal else None)
        return x

    return trajectory(step, x)


def naive(name, options):
    """The recorded points of the naive twin."""
    cls = CLASSES[name]
    update = cls(**options)
    words = {
        key: options.get(key, inspect.signature(cls).parameters[key].default) for key in update.rule.Options._fields
    }
    if "weight_decay" in update.rule.COMMON:
        words["weight_decay"] = update.common.weight_decay
    twin = NAIVE[name](N, **words)
    return trajectory(lambda x, k: twin(x, gradient(x, k), value(x, k), diagonal(k)), start())


# ---------------------------------------------------------------------------------------- the rules themselves


@pytest.mark.parametrize("row", REFERENCES, ids=[f"{row['rule']} {row['of']}" for row in REFERENCES])
def test_a_rule_agrees_with_the_library_that_has_it_over_1000_steps(row):
    found = run(CLASSES[row["rule"]](**row["options"]), start())
    assert np.allclose(found, np.array(row["x"]), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name} {options}" for name, options in CASES])
def test_a_rule_agrees_with_its_naive_twin(name, options):
    found = run(CLASSES[name](**options), start())
    assert np.allclose(found, naive(name, options), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", UPDATES)
def test_float32_is_the_same_rule_in_float32(name):
    double, single = (run(CLASSES[name](**OPTIONS[name][0]), start(), dtype) for dtype in (np.float64, np.float32))
    few = RECORDED.index(10) + 1  # later a sign may differ, and with it a step
    assert np.allclose(double[:few], single[:few], rtol=2e-5, atol=2e-5)


def test_every_rule_has_a_twin_and_options_to_compare():
    assert list(NAIVE) == list(OPTIONS) == list(UPDATES)


def test_a_step_changes_x_and_the_state_in_place_and_nothing_else():
    x, g = start(), gradient(start(), 1)
    given, address = g.copy(), x.ctypes.data
    update = so.Adam(lr=0.1)
    state = update.init(x)
    assert np.array_equal(x, start()) and state.k == 0
    assert update.step(x, g, state) is None
    assert x.ctypes.data == address and np.array_equal(g, given) and state.k == 1
    assert np.allclose(x, start() - 0.1 * np.sign(g), rtol=0.0, atol=1e-7)
    assert np.allclose(state["m"], 0.1 * g) and np.allclose(state["v"], 0.001 * g**2)


def test_states_of_one_update_are_independent():
    update = so.Momentum(lr=0.1)
    first, second = start(), start()
    one, other = update.init(first), update.init(second)
    for k in range(1, 4):
        update.step(first, gradient(first, k), one)
    for k in range(1, 4):
        update.step(second, gradient(second, k), other)
    assert np.array_equal(first, second) and one.k == other.k == 3


def test_arrays_of_any_shape_will_do():
    flat, matrix = start(), start().reshape(2, 4)
    for x in (flat, matrix):
        update = so.Adam()
        state = update.init(x)
        for k in range(1, 5):
            update.step(x, gradient(x.ravel(), k).reshape(x.shape), state)
    assert np.array_equal(flat, matrix.ravel())


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 17, 33])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_length_is_treated_alike(n, dtype):
    random = np.random.default_rng(n)
    x, g = random.standard_normal(n).astype(dtype), random.standard_normal(n).astype(dtype)
    whole = x.copy()
    update = so.AdamW(clip_value=0.5)
    update.step(whole, g, update.init(whole))
    for i in range(n):  # each parameter by itself
        one = x[i : i + 1].copy()
        update.step(one, g[i : i + 1].copy(), update.init(one))
        assert one[0] == whole[i]


@pytest.mark.parametrize("update", [so.AdamW(clip_norm=1.0), so.FISTA(), so.SGD(gradient_noise=0.1)], ids=repr)
def test_threads_change_no_bit(update, monkeypatch):
    n = threads.SHARED + 13
    random = np.random.default_rng(5)
    x0, g = random.standard_normal(n), random.standard_normal(n)
    found = []
    for useful in (False, True):
        monkeypatch.setattr(threads, "useful", lambda useful=useful: useful)
        x = x0.copy()
        state = update.init(x)
        for _ in range(3):
            update.step(x, g, state)
        found.append(x)
    assert np.array_equal(*found)
    assert not np.array_equal(found[0], x0)


# -------------------------------------------------------------------------------- what is done to the gradient


def one_step(update, x, g):
    """x after a step."""
    x = x.copy()
    update.step(x, g, update.init(x))
    return x


def test_gradients_are_clipped_by_their_norm_and_then_by_value():
    x, g = np.zeros(4), np.array([3.0, -4.0, 0.0, 12.0])
    assert np.allclose(one_step(so.SGD(lr=1.0, clip_norm=6.5), x, g), -g / 2, rtol=1e-15)
    assert np.array_equal(one_step(so.SGD(lr=1.0, clip_norm=13.0), x, g), -g)
    assert np.array_equal(one_step(so.SGD(lr=1.0, clip_value=3.5), x, g), [-3.0, 3.5, 0.0, -3.5])
    both = one_step(so.SGD(lr=1.0, clip_norm=6.5, clip_value=2.0), x, g)
    assert np.allclose(both, [-1.5, 2.0, 0.0, -2.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_norms_neither_overflow_nor_underflow(dtype, size):
    size = size if dtype == np.float32 else size**7
    g = np.full(16, size, dtype)
    clipped = one_step(so.SGD(lr=1.0, clip_norm=float(size)), np.zeros(16, dtype), g)
    assert np.allclose(clipped, -g / 4, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize(
    ("bad", "options"), [(np.nan, {}), (np.nan, {"clip_norm": 10.0}), (np.inf, {"clip_norm": 10.0})]
)
def test_a_gradient_that_is_not_finite_shows(name, bad, options):
    x, g = np.ones(3), np.array([1.0, bad, 1.0])
    update = CLASSES[name](**options)
    state = update.init(x)
    for k in range(3):
        update.step(x, g, state, f=float(k), diagonal=g if "hvp" in update.rule.NEEDS else None)
    assert not np.isfinite(x[1])


def test_weight_decay_is_l2_or_decoupled_and_obeys_its_mask():
    x, g = np.array([1.0, -2.0]), np.array([0.5, 0.5])
    assert np.allclose(one_step(so.SGD(lr=0.1, weight_decay=0.3), x, g), x - 0.1 * (g + 0.3 * x))
    assert np.allclose(one_step(so.SGD(lr=0.1, weight_decay=0.3, mask=[1, 0]), x, g), x - 0.1 * (g + [0.3, 0.0] * x))
    adam = one_step(so.Adam(lr=0.1), x, g)
    decoupled = one_step(so.AdamW(lr=0.1, weight_decay=0.3), x, g)
    assert np.allclose(decoupled, adam - 0.1 * 0.3 * x)
    assert np.allclose(
        one_step(so.AdamW(lr=0.1, weight_decay=0.3, mask=[0, 1]), x, g), adam - 0.03 * np.array([0, 1]) * x
    )
    l2 = one_step(so.AdamW(lr=0.1, weight_decay=0.3, decoupled=False), x, g)
    assert np.allclose(l2, one_step(so.Adam(lr=0.1), x, g + 0.3 * x))


def test_gradient_noise_is_normal_of_the_promised_size_and_repeats_itself():
    n = 20000
    update = so.SGD(lr=1.0, gradient_noise=0.1, noise_decay=0.55, seed=3)
    x = np.zeros(n)
    state = update.init(x)
    update.step(x, np.zeros(n), state)
    first = x.copy()
    assert abs(np.mean(first)) < 4 * 0.1 / math.sqrt(n)
    assert np.std(first) == pytest.approx(0.1, rel=0.03)
    assert np.mean(np.abs(first) < 0.1) == pytest.approx(0.6827, abs=0.02)
    for _ in range(9):
        before = x.copy()
        update.step(x, np.zeros(n), state)
    assert np.std(x - before) == pytest.approx(0.1 * 10 ** (-0.55 / 2), rel=0.03)
    assert np.array_equal(first, one_step(update, np.zeros(n), np.zeros(n)))
    assert not np.array_equal(first, one_step(so.SGD(lr=1.0, gradient_noise=0.1, seed=4), np.zeros(n), np.zeros(n)))


# ------------------------------------------------------------------------------------------------ the front door


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: so.Adam(lr=-1.0), "lr=-1.0 must be at least 0"),
        (lambda: so.Adam(beta1=1.0), r"beta1=1.0 must be in \[0, 1\)"),
        (lambda: so.Adam(beta_1=0.9), "beta_1.*did you mean 'beta1'"),
        (lambda: so.Adam(eps="small"), "eps='small' must be a number"),
        (lambda: so.AdamW(clip_norm=0.0), "clip_norm=0.0 must be positive"),
        (lambda: so.FISTA(adaptive="often"), "adaptive='often' is not known"),
        (lambda: so.Sophia(interval=0), "interval=0 must be at least 1"),
        (lambda: so.RAdam(threshold=2.0), "threshold=2.0 must be at least 4"),
        (lambda: so.SGD(mask=[0.5]), r"mask=\[0.5\] must hold 1"),
        (lambda: so.Update(), "base of the rules"),
        (lambda: so.SGD(lr=math.nan), "lr=nan must be a number"),
        (lambda: so.SGD(lr="0.1"), "lr='0.1' must be a number, a function t -> lr, or one of .*schedules"),
        (lambda: so.SGD(lr=[0.1, 0.2]), r"lr=\[0.1, 0.2\] must be a number, a function"),
        (lambda: so.Adam(beta1="0.9"), "beta1='0.9' must be a number"),
        (lambda: so.Adam(learning_rate=0.1), "did you mean 'lr'.*Known: lr, mask, beta1"),
        (lambda: so.Adam(b2=0.99), "did you mean 'beta2'"),
        (lambda: so.Adam(decoupled="no"), "decoupled='no' must be True or False"),
        (lambda: so.SGD(mask="biases"), "mask='biases' must hold 1"),
    ],
)
def test_wrong_options_are_named(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


def test_wrong_arrays_are_named():
    update = so.Adam()
    x = np.ones(3)
    state = update.init(x)
    for wrong, words in (
        (np.ones(4), r"g has shape \(4,\)"),
        (np.ones(3, np.float32), "float32"),
        (x, "shares memory"),
        (np.ones(6)[::2], "contiguous"),
        ([1.0, 1.0, 1.0], "g must be an ndarray"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            update.step(x, wrong, state)
    for wrong, words in (([1.0], "x must be an ndarray"), (np.ones(3, int), "int64"), (np.ones(6)[::2], "contiguous")):
        with pytest.raises((ValueError, TypeError), match=words):
            update.init(wrong)
    frozen = np.ones(3)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        update.step(frozen, np.ones(3), state)
    with pytest.raises(ValueError, match="mask has shape"):
        so.SGD(mask=[1, 0], weight_decay=0.1).init(x)
    with pytest.raises(TypeError, match="masked array"):
        update.init(np.ma.masked_greater(x, 0.5))
    with pytest.raises(TypeError, match="float16"):
        update.init(np.ones(3, np.float16))
    for no_state in (None, np.ones(3)):
        with pytest.raises(TypeError, match=r"state must be what init\(x\) returned"):
            update.step(x, np.ones(3), no_state)
    assert state.k == 0 and np.array_equal(x, np.ones(3))


def test_what_a_rule_needs_beside_the_gradient_is_asked_for():
    x = np.ones(2)
    for update in (so.IRpropPlus(), so.FISTA(adaptive="function"), so.Adam(lr=so.schedules.reduce_on_plateau(0.1))):
        with pytest.raises(ValueError, match="needs f"):
            update.step(x, np.ones(2), update.init(x))
    with pytest.raises(ValueError, match="diagonal"):
        update = so.Sophia()
        update.step(x, np.ones(2), update.init(x))
    for wrong, words in (
        (np.ones(3), r"diagonal has shape \(3,\)"),
        (1.0, r"shape \(\)"),
        ("x", "must hold numbers"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            update.step(x, np.ones(2), update.init(x), diagonal=wrong)
    with pytest.raises(ValueError, match="another update"):
        update.step(x, np.ones(2), so.Adam().init(x))
    fista = so.FISTA(adaptive="function")
    for f in ("1.0", np.ones(2), [1.0]):
        with pytest.raises(TypeError, match=r"f=.* must be a number"):
            fista.step(x, np.ones(2), fista.init(x), f=f)


def test_an_update_shows_what_is_not_default():
    assert repr(so.Adam()) == "Adam(lr=0.001)"
    assert repr(so.FISTA(adaptive="function")) == "FISTA(lr=0.001, adaptive='function')"
    assert repr(so.AdamW(lr=0.1, weight_decay=0.2)) == "AdamW(lr=0.1, weight_decay=0.2)"
    assert repr(so.SGD(lr=so.schedules.cosine(0.1, 10))) == "SGD(lr=cosine(lr=0.1, steps=10, end=0))"


# ----------------------------------------------------------------------------------------------------- the table


@pytest.mark.parametrize("name", UPDATES)
def test_a_rule_has_the_skeleton(name):
    module = UPDATES[name]
    assert module.NEEDS in (("grad",), ("grad", "hvp"))
    assert module.Options._fields[0] == "lr"
    assert not set(module.Options._fields) & set(CommonOptions._fields)
    choose = getattr(module, "variant", lambda options: (module.rule, module.STATE))
    rule, state = choose(module.Options())
    arguments = list(inspect.signature(getattr(rule, "py_func", rule)).parameters)
    assert arguments[: 2 + len(state)] == ["x", "g", *state]
    assert len(arguments) - 2 - len(state) <= 12
    assert len(module.start(module.Options())) >= len(state)
    assert list(inspect.signature(module.advance).parameters) == ["k", "lr", "f", "measured", "options", "memory", "c"]
    file = name.replace("+", "_plus").replace("-", "_minus") if "prop" in name else name.replace("-", "_")
    assert module.__name__ == f"secondorder.updates.{file}"


@pytest.mark.parametrize("name", UPDATES)
def test_a_docstring_has_every_option_with_its_default(name):
    cls = CLASSES[name]
    text = inspect.getdoc(cls)
    assert getattr(so, cls.__name__) is cls
    assert "References\n----------\n[1]" in text and ">>> " in text
    documented = dict(re.findall(r"^(\w+) : .*default (\S+)$", text, re.MULTILINE))
    signature = inspect.signature(cls).parameters
    own = [*UPDATES[name].Options._fields, *(key for key in UPDATES[name].COMMON if key != "decoupled")]
    assert set(documented) == set(own)
    for key in own:
        default = signature[key].default
        shown = documented[key]
        assert (shown.strip('"') if isinstance(default, str) else eval(shown)) == default, key


def test_the_kernels_of_rules_are_vectorised_in_float32():
    from secondorder.jit import DISTINCT, JIT_DISABLED, njit
    from secondorder.updates import adam, sweep
    from secondorder.updates.treatment import untreated

    if JIT_DISABLED:
        pytest.skip("nothing is compiled")
    function = sweep.make_sweep(adam.rule, 2, 8, untreated)
    dispatcher = njit(**DISTINCT)(function)
    dispatcher.compile(backend.sweep_signature(backend.f4))
    text = dispatcher.inspect_llvm(dispatcher.signatures[0])
    assert re.search(r"call <\d+ x float> @llvm.sqrt", text), "sqrt is not taken of vectors of float"
    assert "double> @llvm.sqrt" not in text


def test_loops_from_the_disk_cache_are_not_taken_for_one_another(program, tmp_path):
    text = """
        import sys
        import numpy as np
        import secondorder as so
        for name in sys.argv[1:]:
            x = np.zeros(1)
            update = getattr(so, name)(lr=1.0)
            update.step(x, np.full(1, 3.0), update.init(x))
            print(x[0])
        """
    # each loop is the first of its process when it is compiled, and so gets the same number in its symbol
    for names, printed in ((["SGD"], "-3.0\n"), (["Lion"], "-1.0\n"), (["SGD", "Lion"], "-3.0\n-1.0\n")):
        done = program(text, *names, env={"NUMBA_CACHE_DIR": str(tmp_path)})
        assert (done.stdout, done.returncode) == (printed, 0), done.stderr
