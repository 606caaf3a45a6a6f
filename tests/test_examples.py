"""The example scripts run, from anywhere, and print what they promise."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

PROMISED = {
    "compare_line_searches": ("hager-zhang", "armijo", "more-thuente", "nonmonotone-average", "fixed", "gtol"),
    "fit_decay": ("fitted", "gradient: exact", "at or below its tolerance"),
    "inner_problem": ("1000000 inner problems", "not solved: 0", "energy"),
    "optimizers_on_digits": (
        "2410 weights",
        "adadelta",
        "newton-cg",
        "hessian-free",
        "2 of 2",
        "drawn in accuracy.png",
    ),
    "saddle_trajectories": ("gradient descent", "Adam", "perturbed", "saddle-free Newton", "minimum, gtol", "drawn in"),
    "logistic_regression": ("newton-cg", "scikit-learn, lbfgs", "all at the same minimum"),
    "own_line_search": ("golden", "x = [3.  0.5]", "gtol"),
}

ARGUMENTS = {
    "optimizers_on_digits": ["--n-epochs", "2", "--n-iterations", "2", "--epochs", "shown", "--plot", "accuracy.png"],
    "saddle_trajectories": ["ways.png"],
}

# examples on scikit-learn's data
NEEDS_SKLEARN = ("logistic_regression", "optimizers_on_digits")


def imported(name):
    """The example as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_has_a_promise():
    assert {path.stem for path in EXAMPLES} == set(PROMISED)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(path, tmp_path):
    if path.stem in NEEDS_SKLEARN:
        pytest.importorskip("sklearn")
    ran = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", path, *ARGUMENTS.get(path.stem, ())],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    for words in PROMISED[path.stem]:
        assert words in ran.stdout


@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_a_network_trained_by_adam_reads_97_of_100_digits(network):
    pytest.importorskip("sklearn")
    example = imported("optimizers_on_digits")
    data = example.digits()
    found = example.run("adam", data, 15, network)
    assert example.functions_of(network).measure(found.x, *data.test)[1] >= 0.97


def naive_logits(network, image, layers):
    """The networks in NumPy; image (channels, side, side)."""
    (first, biases), (second, last) = layers
    if network == "dense":
        return np.tanh(first @ image.ravel() + biases) @ second.T + last
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(1, 2))
    maps = np.einsum("kcij,cabij->kab", first.reshape(-1, len(image), 3, 3), windows) + biases[:, None, None]
    half = maps.shape[1] // 2
    pooled = maps[:, : 2 * half, : 2 * half].reshape(-1, half, 2, half, 2).max(axis=(2, 4))
    return second @ np.maximum(pooled, 0.0).ravel() + last


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)], ids=["digits", "cifar"])
@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_the_networks_are_those_of_numpy(network, shape):
    example, random = imported("optimizers_on_digits"), np.random.default_rng(3)
    image = random.random(shape)
    w = random.standard_normal(example.n_weights(network, image.size)) / 8.0
    weights, left = [], w
    for n, m in example.NETWORKS[network].layers(image.size):
        weights.append((left[: n * m].reshape(m, n), left[n * m : (n + 1) * m]))
        left = left[(n + 1) * m :]
    expected = naive_logits(network, image, weights)
    assert left.size == 0
    assert np.allclose(example.NETWORKS[network].logits(w, image.ravel(), 0.0)[0], expected, rtol=1e-11, atol=1e-11)


def test_dropout_leaves_out_its_share_anew_in_every_step_and_row():
    example, random = imported("optimizers_on_digits"), np.random.default_rng(8)
    h, rows, biases = np.ones(32), random.integers(17, size=(40, 64)) / 16.0, 0.01 * np.arange(40)
    kept = np.array([[example.dropout(np.array([b]), row, h, 0.25) for row in rows] for b in biases])
    assert set(np.unique(kept)) == {0.0, 1.0 / 0.75}
    for axes in ((0, 1), (0, 2), (1, 2)):  # of each unit, row and step: 1280 to 1600 numbers, 5 standard deviations
        assert np.max(np.abs(np.mean(kept == 0.0, axis=axes) - 0.25)) < 0.061
    assert abs(np.mean(kept == 0.0) - 0.25) < 0.01


@pytest.mark.parametrize(
    ("name", "load"), [("optimizers_on_digits", "digits"), ("logistic_regression", "breast_cancer")]
)
def test_without_scikit_learn_an_example_says_how_to_get_it(name, load, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit, match="pip install scikit-learn"):
        getattr(imported(name), load)()


def write_cifar(path, label, pixels):
    path.write_bytes(b"".join(bytes([t]) + bytes(row) for t, row in zip(label, pixels)))


def test_cifar_files_are_read_by_class_and_pixel_and_split(tmp_path):
    example, random = imported("optimizers_on_digits"), np.random.default_rng(11)
    label = {name: random.integers(10, size=12) for name in ("data_batch_1", "data_batch_2", "test_batch")}
    pixels = {name: random.integers(256, size=(12, 3072), dtype=np.uint8) for name in label}
    for name in label:
        write_cifar(tmp_path / f"{name}.bin", label[name], pixels[name])
    data = example.cifar(tmp_path, limit=18)
    X = np.concatenate([data.train.X, data.validation.X])
    t = np.concatenate([data.train.label, data.validation.label])
    assert (len(data.train.X), len(data.validation.X), len(data.test.X)) == (15, 3, 12)
    assert np.array_equal(X * 255.0, np.concatenate([pixels["data_batch_1"], pixels["data_batch_2"]])[:18])
    assert np.array_equal(t[:, 0], np.concatenate([label["data_batch_1"], label["data_batch_2"]])[:18])
    assert np.array_equal(data.test.label[:, 0], label["test_batch"])
    found = example.run("momentum", data, epochs=1)
    assert found.x.shape == (example.n_weights("dense", 3072),) and np.all(np.isfinite(found.x))


@pytest.mark.parametrize(
    ("label", "cut", "words"), [([3, 10], 0, "class 10"), ([3, 9], 1, "6145 bytes"), ([], 0, "0 byt")]
)
def test_what_is_no_cifar_file_is_refused(label, cut, words, tmp_path):
    path = tmp_path / "test_batch.bin"
    write_cifar(path, label, np.zeros((2, 3072), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: -cut or None])
    with pytest.raises(ValueError, match=words):
        imported("optimizers_on_digits").read_cifar(path)


def test_a_folder_without_cifar_files_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="must hold data_batch_"):
        imported("optimizers_on_digits").cifar(tmp_path, 10)
