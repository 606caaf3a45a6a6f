"""Update rules: time of a step, with PyTorch's and Optax's beside it where they are installed, in one run.

    python benchmarks/bench_updates.py [--part large|threads|small|epochs] [--n 10000000]

    large     one step of n float32 parameters on one thread, against PyTorch's fused step (foreach where it has none)
              and Optax's jitted one, and the bandwidth against a compiled in-place axpy over as many bytes
    threads   the same with one thread and with two, beside an axpy with threads: what the memory gives
    small     1000 steps of Adam on n = 10 with the objective, end to end, against the same loop in NumPy and in PyTorch
    epochs    logistic regression on 200000 x 200, batches of 64 in random order, rows a second, against scikit-learn's
              SGDClassifier (whose batches are of one row) and an eager loop in PyTorch

All times are minima over repetitions; in the first two parts the programs compared take turns. Thread counts are
printed.
"""

import argparse
import os
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# for Optax; before JAX is imported
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numba  # noqa: E402
import numpy as np  # noqa: E402

import secondorder as so  # noqa: E402
from secondorder.update import CLASSES  # noqa: E402

# rule: (PyTorch's optimizer and options, has it a fused step), Optax's optimizer
TWINS = {
    "sgd": (("SGD", {}), True, "sgd"),
    "momentum": (("SGD", {"momentum": 0.9}), True, None),
    "adagrad": (("Adagrad", {}), True, "adagrad"),
    "adadelta": (("Adadelta", {}), False, "adadelta"),
    "rmsprop": (("RMSprop", {}), False, "rmsprop"),
    "adam": (("Adam", {}), True, "adam"),
    "adamw": (("AdamW", {}), True, "adamw"),
    "amsgrad": (("Adam", {"amsgrad": True}), True, "amsgrad"),
    "nadam": (("NAdam", {}), False, "nadam"),
    "adamax": (("Adamax", {}), False, "adamax"),
    "radam": (("RAdam", {}), False, "radam"),
    "adabelief": (None, False, "adabelief"),
    "yogi": (None, False, "yogi"),
    "lion": (None, False, "lion"),
    "irprop-": (("Rprop", {}), False, "rprop"),
}
BAR_MS = {"momentum": 4.4, "adam": 6.5, "adamw": 6.3, "adagrad": 4.7}  # of n = 10 million on one thread


def library(name):
    """The library, or None where it is not installed."""
    try:
        return __import__(name)
    except ImportError:
        return None


def torch_step(torch, name, options, fused, x, g):
    """A step of PyTorch's optimizer on copies of x and g."""
    p = torch.tensor(x, requires_grad=True)
    p.grad = torch.tensor(g)
    optimizer = getattr(torch.optim, name)([p], lr=1e-3, **options, **({"fused": True} if fused else {"foreach": True}))
    return optimizer.step


def optax_step(optax, name, x, g):
    """A jitted step of Optax's optimizer, which gives its buffers back to be used again."""
    import jax

    optimizer = getattr(optax, name)(1e-3)
    state = {"x": jax.numpy.asarray(x), "s": optimizer.init(jax.numpy.asarray(x))}
    g = jax.numpy.asarray(g)

    def update(x, s, g):
        change, s = optimizer.update(g, s, x)
        return optax.apply_updates(x, change), s

    jitted = jax.jit(update, donate_argnums=(0, 1))

    def step():
        state["x"], state["s"] = jitted(state["x"], state["s"], g)
        jax.block_until_ready(state["x"])

    return step


def our_step(name, x, g):
    """(a step of ours on a copy of x, bytes that it reads and writes)."""
    cls = CLASSES[name]
    update = cls(lr=1e-3, **({"interval": 10**9} if name in ("adahessian", "sophia") else {}))
    x = x.copy()
    state = update.init(x)
    update.step(x, g, state, f=1.0, diagonal=g)
    summed = hasattr(update.rule, "measure") and update.rule.measures(update.options)  # x, g and a row are read before
    return lambda: update.step(x, g, state, f=1.0), (3 + 2 * len(state.names) + 3 * summed) * x.nbytes


@numba.njit
def axpy(a, x, y):
    for i in range(x.shape[0]):
        y[i] += a * x[i]


@numba.njit(parallel=True)
def axpy_with_threads(a, x, y):
    for i in numba.prange(x.shape[0]):
        y[i] += a * x[i]


def least(steps, repetitions):
    """The least time of each step; they take turns."""
    times = dict.fromkeys(steps, np.inf)
    for step in steps.values():
        step()
    for _ in range(repetitions):
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            times[name] = min(times[name], time.perf_counter() - begun)
    return times


def large(n, repetitions):
    """Times of one step on one thread."""
    numba.set_num_threads(1)
    torch, optax = library("torch"), library("optax")
    if torch is not None:
        torch.set_num_threads(1)
    random = np.random.default_rng(0)
    x, g = (random.standard_normal(n).astype(np.float32) for _ in range(2))
    a = np.float32(1e-9)
    print(f"one step of {n} float32 parameters, 1 thread; ms")
    print(f"{'rule':16s} {'ours':>7s} {'torch':>7s} {'':7s} {'optax':>7s} {'GB/s':>6s} {'of axpy':>8s} {'bar':>5s}")
    for name in CLASSES:
        step, size = our_step(name, x, g)
        stream = [np.ones(size // 12, np.float32) for _ in range(2)]
        steps = {"ours": step, "axpy": lambda stream=stream: axpy(a, *stream)}
        twin, fused, of_optax = TWINS.get(name, (None, False, None))
        if torch is not None and twin:
            steps["torch"] = torch_step(torch, *twin, fused, x, g)
        if optax is not None and of_optax:
            steps["optax"] = optax_step(optax, of_optax, x, g)
        t = least(steps, repetitions)
        cell = lambda key: f"{1e3 * t[key]:7.2f}" if key in t else f"{'–':>7s}"  # noqa: B023, E731
        kind = ("fused" if fused else "foreach") if "torch" in t else ""
        speed, of_axpy = size / t["ours"] / 1e9, 12 * (size // 12) / t["axpy"] / 1e9
        row = f"{name:16s} {cell('ours')} {cell('torch')} {kind:7s} {cell('optax')} {speed:6.1f} {speed / of_axpy:8.0%}"
        print(f"{row} {BAR_MS.get(name, ''):>5}", flush=True)


def threads(n, repetitions):
    """Times with one thread and with two."""
    random = np.random.default_rng(0)
    x, g = (random.standard_normal(n).astype(np.float32) for _ in range(2))
    print(f"one step of {n} float32 parameters; ms. Threads: {numba.config.NUMBA_NUM_THREADS}")
    print(f"{'rule':16s} {'1':>7s} {'2':>7s} {'ratio':>6s}")
    for name in ("axpy", "sgd", "momentum", "adam", "adamw", "adadelta"):
        steps = {}
        for count in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(count)
            if name == "axpy":
                y = x.copy()
                step = lambda y=y: axpy_with_threads(np.float32(1e-9), g, y)  # noqa: E731
            else:
                step, _ = our_step(name, x, g)  # whether there are threads is decided by init
            steps[count] = lambda step=step, count=count: (numba.set_num_threads(count), step())
        t = list(least(steps, repetitions).values())
        print(f"{name:16s} {1e3 * t[0]:7.2f} {1e3 * t[-1]:7.2f} {t[0] / t[-1]:6.2f}", flush=True)


CURVATURE = np.linspace(1.0, 3.0, 10)


def bowl(x, g, curvature):
    f = 0.0
    for i in range(x.shape[0]):
        g[i] = curvature[i] * x[i]
        f += 0.5 * g[i] * x[i]
    return f


def numpy_loop(steps):
    """Adam as one writes it in NumPy, with the objective."""
    x, m, v = np.ones(10), np.zeros(10), np.zeros(10)
    for k in range(1, steps + 1):
        g = CURVATURE * x
        0.5 * (g @ x)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        x = x - 1e-5 * (m / (1.0 - 0.9**k)) / (np.sqrt(v / (1.0 - 0.999**k)) + 1e-8)
    return x


def torch_loop(torch, steps):
    """The same in PyTorch, gradients by autograd."""
    x, curvature = torch.ones(10, dtype=torch.float64, requires_grad=True), torch.tensor(CURVATURE)
    optimizer = torch.optim.Adam([x], lr=1e-5, fused=True)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * (curvature * x * x).sum()).backward()
        optimizer.step()
    return x.detach().numpy()


def small(repetitions, steps=1000):
    """End to end, few parameters."""
    torch = library("torch")
    objective = so.Objective(numba.njit(bowl))
    options = {"lr": 1e-5, "maxiter": steps, "gtol": 0.0}
    x, g, update = np.ones(10), np.empty(10), so.Adam(lr=1e-5)
    state = update.init(x)
    bowl(x, g, CURVATURE)

    def ours():
        return so.minimize(objective, np.ones(10), (CURVATURE,), "adam", options=options).x

    def step_by_step():
        for _ in range(steps):
            update.step(x, g, state)

    runs = {"minimize": ours, "step, without objective": step_by_step, "NumPy": lambda: numpy_loop(steps)}
    if torch is not None:
        torch.set_num_threads(1)
        runs["PyTorch"] = lambda: torch_loop(torch, steps)
    assert all(np.allclose(run(), ours(), rtol=1e-9) for name, run in runs.items() if "step" not in name)
    # one after another: in turns, the short program pays for caches that the long ones have filled
    t = {name: least({name: run}, 20 * repetitions)[name] for name, run in runs.items()}
    print(f"{steps} steps of Adam, n = 10, float64, 1 thread")
    for name, seconds in t.items():
        print(f"{name:26s} {1e6 * seconds:9.1f} us   {seconds / t['minimize']:7.1f} times minimize", flush=True)


def term(w, row, label):
    z = np.dot(row, w)
    return np.logaddexp(0.0, z) - label * z


def torch_epoch(torch, X, y, size, rows):
    """An eager loop over the first rows of an epoch."""
    X, y = torch.tensor(X), torch.tensor(y)
    w = torch.zeros(X.shape[1], dtype=X.dtype, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.01, fused=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits

    def run():
        order = torch.randperm(len(X))
        for begin in range(0, rows, size):
            batch = order[begin : begin + size]
            optimizer.zero_grad()
            loss(X[batch] @ w, y[batch]).backward()
            optimizer.step()

    return run


def epochs(repetitions, n_rows=200_000, n=200, size=64):
    """Rows a second of stochastic epochs."""
    random = np.random.default_rng(0)
    X = random.standard_normal((n_rows, n))
    y = (X @ random.standard_normal(n) + random.standard_normal(n_rows) > 0.0) * 1.0
    risk = so.FiniteSum(term, (X, y))
    options = {"lr": 0.01}
    keywords = {"options": options, "batch_size": size, "epochs": 1}
    runs = {}
    for name in ("sgd", "adam"):
        run = lambda name=name, **more: so.fit(risk, np.zeros(n), name, **keywords, **more).history["seconds"][-1]  # noqa: E731
        runs[f"fit, {name}"], runs[f"fit, {name}, rows in order"] = run, lambda run=run: run(shuffle=False)
    for run in runs.values():
        run()
    rates = {name: n_rows / min(run() for _ in range(repetitions)) for name, run in runs.items()}
    torch = library("torch")
    if torch is not None:
        torch.set_num_threads(1)
        rows = n_rows // 10
        run = torch_epoch(torch, X, y, size, rows)
        rates["PyTorch, SGD"] = rows / least({"": run}, repetitions)[""]
    if library("sklearn") is not None:
        from sklearn.linear_model import SGDClassifier

        model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, max_iter=1, tol=None)
        rates["SGDClassifier, batch 1"] = n_rows / least({"": lambda: model.fit(X, y)}, 3)[""]
        run = lambda: so.fit(risk, np.zeros(n), "sgd", options=options, batch_size=1, epochs=1)  # noqa: E731
        rates["fit, sgd, batch 1"] = n_rows / min(run().history["seconds"][-1] for _ in range(3))
    print(f"logistic regression, {n_rows} x {n}, float64, batches of {size}, 1 thread; million rows a second")
    for name, rate in rates.items():
        print(f"{name:28s} {rate / 1e6:7.2f}", flush=True)


def main():
    """The parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("large", "threads", "small", "epochs"), action="append")
    parser.add_argument("--n", type=int, default=10_000_000)
    parser.add_argument("--repetitions", type=int, default=15)
    chosen = parser.parse_args()
    parts = chosen.part or ("large", "threads", "small", "epochs")
    if "large" in parts:
        large(chosen.n, chosen.repetitions)
    if "threads" in parts:
        threads(chosen.n, chosen.repetitions)
    if "small" in parts:
        small(chosen.repetitions)
    if "epochs" in parts:
        epochs(chosen.repetitions)


if __name__ == "__main__":
    main()
