"""A small network on scikit-learn's digits: the first-order updates of deep learning beside second-order methods.

    python optimizers_on_digits.py                       a row for each method
    python optimizers_on_digits.py --epochs shown        and one for each of their epochs
    python optimizers_on_digits.py --plot accuracy.png   and draw the validation accuracy (needs matplotlib)
    python optimizers_on_digits.py --network convolutional --dropout 0.2
    python optimizers_on_digits.py --cifar FOLDER        on CIFAR-10 instead, where its binary files are in FOLDER

The dense network has one hidden layer, 64-32-10 with tanh; the convolutional one has eight filters of 3 x 3 with ReLU
and max-pooling of 2 x 2 in its place. The loss is the cross-entropy of their logits plus a little ridge;
hessian-free, which needs squares, minimizes those of the errors of the class probabilities instead (Brier's score).
Gradients, Hessian products and Jacobian products are generated from the loops below. An epoch of a stochastic method is
a pass over the training rows in batches; a method with the full batch has an iteration there. Of each run that epoch
counts that has the least validation loss; the test rows are looked at once, there.
"""

import argparse
import functools
import pathlib
import time
from typing import NamedTuple

import numpy as np
from numba import njit

import secondorder as so
from secondorder.losses import cross_entropy

N_HIDDEN, N_FILTERS, N_CLASSES = 32, 8, 10
RIDGE = 1e-4
BATCH_SIZE = 32

# Learning rates: the least validation loss among 0.001, 0.003, 0.01, ... 3, on these digits with 30 epochs.
LEARNING_RATES = {
    "adam": {"dense": 0.03, "convolutional": 0.03},
    "rmsprop": {"dense": 0.03, "convolutional": 0.01},
    "sgd": {"dense": 1.0, "convolutional": 0.3},
    "adadelta": {"dense": 3.0, "convolutional": 3.0},
    "adagrad": {"dense": 0.3, "convolutional": 0.1},
    "nesterov": {"dense": 0.3, "convolutional": 0.03},
    "momentum": {"dense": 0.1, "convolutional": 0.03},
    "adamw": {"dense": 0.03, "convolutional": 0.03},
}
FULL_BATCH = {"l-bfgs": "0.0", "newton-cg": "0.4", "hessian-free": "0.7"}  # and how light the line of each is drawn


# ------------------------------------------------------------------------------------------------------ the networks


@njit
def last_layer(w, begin, h):
    """z (1, classes): the weights from `begin` on times h, and biases."""
    n = h.shape[0]
    z = np.empty((1, N_CLASSES))
    for j in range(N_CLASSES):
        s = w[begin + N_CLASSES * n + j]
        for i in range(n):
            s += w[begin + j * n + i] * h[i]
        z[0, j] = s
    return z


@njit
def dropout(w, row, h, rate):
    """h with a share `rate` of its units left out: others for each row and, since numbers depend on w, in each step."""
    n, s = h.shape[0], 0.0
    for i in range(row.shape[0]):
        s += (i + 1) * row[i]
    kept = np.zeros(n)
    for k in range(n):
        u = 43758.5453 * np.sin(12.9898 * k + 78.233 * s + 1e6 * w[w.shape[0] - 1])
        if u - np.floor(u) >= rate:
            kept[k] = h[k] / (1.0 - rate)
    return kept


@njit
def dense(w, row, rate):
    """Logits (1, classes) of a row of inputs: a hidden layer with tanh, and dropout."""
    n = row.shape[0]
    h = np.empty(N_HIDDEN)
    for j in range(N_HIDDEN):
        s = w[n * N_HIDDEN + j]
        for i in range(n):
            s += w[j * n + i] * row[i]
        h[j] = np.tanh(s)
    return last_layer(w, (n + 1) * N_HIDDEN, dropout(w, row, h, rate) if rate > 0.0 else h)


def dense_layers(n_inputs):
    return ((n_inputs, N_HIDDEN), (N_HIDDEN, N_CLASSES))


@njit
def image_shape(n_inputs):
    """(channels, side, side after filters of 3 x 3 and pooling of 2 x 2)."""
    channels = 3 if n_inputs == 3072 else 1
    side = int(np.sqrt(n_inputs // channels) + 0.5)
    return channels, side, (side - 2) // 2


@njit
def convolutional(w, row, rate):
    """Logits (1, classes) of an image: filters of 3 x 3, ReLU, the largest of 2 x 2, dropout."""
    channels, side, half = image_shape(row.shape[0])
    size = 9 * channels
    h = np.empty(N_FILTERS * half * half)
    for k in range(N_FILTERS):
        for a in range(half):
            for b in range(half):
                top = 0.0  # ReLU: the largest of 0 and the four
                for q in range(4):
                    first = (2 * a + q // 2) * side + 2 * b + q % 2
                    s = w[N_FILTERS * size + k]
                    for c in range(channels):
                        for i in range(3):
                            for j in range(3):
                                s += w[k * size + 9 * c + 3 * i + j] * row[(c * side + i) * side + j + first]
                    top = max(top, s)
                h[(k * half + a) * half + b] = top
    return last_layer(w, (size + 1) * N_FILTERS, dropout(w, row, h, rate) if rate > 0.0 else h)


def convolutional_layers(n_inputs):
    channels, _side, half = image_shape(n_inputs)
    return ((9 * channels, N_FILTERS), (N_FILTERS * half * half, N_CLASSES))


class Network(NamedTuple):
    logits: object  # logits(w, row, rate) -> z (1, classes), rate that of dropout
    layers: object  # layers(n_inputs) -> (inputs, outputs) of each; in w its weights, then its biases


NETWORKS = {"dense": Network(dense, dense_layers), "convolutional": Network(convolutional, convolutional_layers)}


def n_weights(network, n_inputs):
    return sum((n + 1) * m for n, m in NETWORKS[network].layers(n_inputs))


def start(network, n_inputs, seed=0):
    """Weights of variance 1 / inputs, biases 0."""
    random = np.random.default_rng(seed)
    parts = []
    for n, m in NETWORKS[network].layers(n_inputs):
        parts += [random.standard_normal(n * m) / np.sqrt(n), np.zeros(m)]
    return np.concatenate(parts)


# -------------------------------------------------------------------------------------------------------- the losses


def ridge(w):
    return 0.5 * RIDGE * np.dot(w, w)


class Functions(NamedTuple):
    loss: object  # loss(w, row, label) -> float
    brier: object  # brier(w, X, label) -> residuals
    measure: object  # measure(w, X, label) -> (cross-entropy, accuracy)


@functools.cache
def functions_of(network, rate=0.0):
    """Dropout is the loss's only."""
    logits = NETWORKS[network].logits

    def loss(w, row, label):
        return cross_entropy(logits(w, row, rate), label)

    def brier(w, X, label):
        """Class probabilities less what they should be, and the ridge."""
        n_rows = X.shape[0]
        r = np.empty(n_rows * N_CLASSES + w.shape[0])
        for k in range(n_rows):
            z = logits(w, X[k], 0.0)
            top = np.max(z)
            s = 0.0
            for j in range(N_CLASSES):
                s += np.exp(z[0, j] - top)
            for j in range(N_CLASSES):
                wanted = 1.0 if j == label[k, 0] else 0.0
                r[k * N_CLASSES + j] = (np.exp(z[0, j] - top) / s - wanted) * np.sqrt(2.0 / n_rows)
        for i in range(w.shape[0]):
            r[n_rows * N_CLASSES + i] = np.sqrt(RIDGE) * w[i]
        return r

    @njit
    def measure(w, X, label):
        total, right = 0.0, 0
        for k in range(X.shape[0]):
            z = logits(w, X[k], 0.0)
            total += cross_entropy(z, label[k])
            right += np.argmax(z) == label[k, 0]
        return total / X.shape[0], right / X.shape[0]

    return Functions(loss, brier, measure)


# ---------------------------------------------------------------------------------------------------------- the data


class Rows(NamedTuple):
    X: np.ndarray  # (N, inputs), from 0 to 1
    label: np.ndarray  # (N, 1) of int64


class Data(NamedTuple):
    train: Rows
    validation: Rows
    test: Rows


def digits():
    """1257, 270 and 270 of scikit-learn's 1797 images of 8 x 8 pixels."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SystemExit("the digits come with scikit-learn: python -m pip install scikit-learn") from None
    X, label = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    X, label = X[order] / 16.0, label[order].astype(np.int64)[:, None]
    return Data(*(Rows(X[part], label[part]) for part in (slice(1257), slice(1257, 1527), slice(1527, None))))


def read_cifar(path):
    """The rows of a binary file of CIFAR-10: a byte for the class, then 32 x 32 red, green and blue ones, per image."""
    size = 1 + 3 * 32 * 32
    raw = np.fromfile(path, dtype=np.uint8)
    if raw.size == 0 or raw.size % size:
        raise ValueError(f"{path} has {raw.size} bytes; a binary file of CIFAR-10 has {size} for each image")
    images = raw.reshape(-1, size)
    if images[:, 0].max() >= N_CLASSES:
        raise ValueError(f"{path} has an image of class {images[:, 0].max()}; the classes of CIFAR-10 are 0 to 9")
    return Rows(images[:, 1:] / 255.0, images[:, :1].astype(np.int64))


def cifar(folder, limit):
    """From data_batch_*.bin up to `limit` rows to train and, a sixth of them, validate; from test_batch.bin as many."""
    folder = pathlib.Path(folder)
    paths = sorted(folder.glob("data_batch_*.bin"))
    if not paths or not (folder / "test_batch.bin").exists():
        raise SystemExit(f"{folder} must hold data_batch_*.bin and test_batch.bin of CIFAR-10's binary version")
    batches, n = [], 0
    for path in paths:
        if n < limit:
            batches.append(read_cifar(path))
            n += len(batches[-1].X)
    X, label = (np.concatenate(arrays)[:limit] for arrays in zip(*batches))
    split = len(X) - len(X) // 6
    test = read_cifar(folder / "test_batch.bin")
    return Data(
        Rows(X[:split], label[:split]), Rows(X[split:], label[split:]), Rows(test.X[:limit], test.label[:limit])
    )


# ---------------------------------------------------------------------------------------------------------- the runs


class Run(NamedTuple):
    epochs: np.ndarray  # (k, 4): train loss and accuracy, validation loss and accuracy
    passes: int  # over the training rows: epochs, or values with gradients and products
    seconds: float
    x: np.ndarray  # where the validation loss is least

    @property
    def best(self):
        return int(np.argmin(self.epochs[:, 2]))


def run(method, data, epochs, network="dense", rate=0.0):
    x0 = start(network, data.train.X.shape[1])
    functions = functions_of(network, rate if method in LEARNING_RATES else 0.0)
    points, begun = [], time.perf_counter()
    risk = so.FiniteSum(functions.loss, tuple(data.train), regularizer=ridge)
    if method in LEARNING_RATES:
        passes = so.fit(
            risk,
            x0,
            method,
            options={"lr": LEARNING_RATES[method][network]},
            batch_size=BATCH_SIZE,
            epochs=epochs,
            drop_last=True,  # a few last rows would weigh more than others
            callback=lambda epoch, x, loss: points.append(x),
        ).epochs
    elif method == "hessian-free":
        found = so.least_squares(
            functions.brier,
            x0,
            args=tuple(data.train),
            method=method,
            callback=points.append,
            options={"maxiter": epochs},
        )
        passes = found.nfev + found.njev + found.nhev
    else:
        options = {"maxiter": epochs}
        found = so.minimize(risk, x0, method=method, callback=points.append, options=options, second_order=False)
        passes = found.nfev + found.nhev
    seconds = time.perf_counter() - begun
    table = np.array([(*functions.measure(x, *data.train), *functions.measure(x, *data.validation)) for x in points])
    return Run(table, passes, seconds, points[int(np.argmin(table[:, 2]))])


def draw(runs, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    axis = figure.subplots()
    for method, found in runs.items():
        line = {"color": FULL_BATCH[method], "linestyle": "--"} if method in FULL_BATCH else {}
        axis.plot(1 + np.arange(len(found.epochs)), found.epochs[:, 3], label=method, **line)
    axis.set(xlabel="epoch, or iteration with the full batch (dashed)", ylabel="validation accuracy", xscale="log")
    axis.set_ylim(0.8, 1.0)
    axis.legend(ncols=2)
    figure.savefig(path)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", choices=("shown", "hidden"), default="hidden", help="a row for each epoch")
    parser.add_argument("--network", choices=NETWORKS, default="dense")
    parser.add_argument("--dropout", type=float, default=0.0, help="share of hidden units, of stochastic methods, < 1")
    parser.add_argument("--n-epochs", type=int, default=30, help="of stochastic methods")
    parser.add_argument("--n-iterations", type=int, default=60, help="of methods with the full batch")
    parser.add_argument("--plot", metavar="FILE", help="draw the validation accuracy")
    parser.add_argument("--cifar", metavar="FOLDER", help="of CIFAR-10's binary files")
    parser.add_argument("--limit", type=int, default=6000, help="so many rows of CIFAR-10 to train and validate with")
    given = parser.parse_args()
    if not 0.0 <= given.dropout < 1.0:
        parser.error(f"--dropout {given.dropout} must be at least 0 and below 1")
    return given


def main():
    given = arguments()
    data = cifar(given.cifar, given.limit) if given.cifar else digits()
    print(f"{len(data.train.X)} rows to train, {len(data.validation.X)} to validate, {len(data.test.X)} to test")
    print(f"{n_weights(given.network, data.train.X.shape[1])} weights\n")
    print(f"{'':13}{'':10} {'':>8} {'':>8}   {'train':^16}  {'validation':^16}  {'test':>8}")
    print(f"{'':13}{'epoch':>10} {'passes':>8} {'seconds':>8}  {'loss':>8} {'accuracy':>8} {'loss':>8} {'accuracy':>8}")
    runs, measure = {}, functions_of(given.network).measure
    for method in (*LEARNING_RATES, *FULL_BATCH):
        epochs = given.n_epochs if method in LEARNING_RATES else given.n_iterations
        found = runs[method] = run(method, data, epochs, given.network, given.dropout)
        if given.epochs == "shown":
            for k, row in enumerate(found.epochs):
                print(f"{method:13}{k + 1:10} {'':17}  {row[0]:8.4f} {row[1]:8.4f} {row[2]:8.4f} {row[3]:8.4f}")
        row, k = found.epochs[found.best], found.best
        test = measure(found.x, *data.test)[1]
        of = f"{k + 1} of {len(found.epochs)}"
        print(
            f"{method:13}{of:>10} {found.passes:8} {found.seconds:8.1f}  {row[0]:8.4f} {row[1]:8.4f} "
            f"{row[2]:8.4f} {row[3]:8.4f} {test:8.4f}"
        )
    best = max(measure(found.x, *data.test)[1] for found in runs.values())
    print(f"\nbest test accuracy {100 * best:.1f} %")
    if given.plot:
        draw(runs, given.plot)
        print(f"drawn in {given.plot}")


if __name__ == "__main__":
    main()
