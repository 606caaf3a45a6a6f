"""Learning rates found in batches: how well fits with them train, beside those that an exponential average finds.

    python benchmarks/bench_range_test.py [--seeds 8]

Logistic regression, least squares and a small network on 2000 rows; sgd, momentum, adam; batches of 1, 8 and 64 rows.
For each the least f that any of 23 rates reaches in three epochs is found first. Then, over all of them and all seeds:

    gain    of what can be gained so, what the steepest rate gains: mean, each at least -1
    half    the share of runs where that is at least a half
    below   the share of runs whose limit is below the least of the 23 rates that end above the start

for the range test, and for the same losses under the exponential average that programs such as fastai take, corrected
for its bias, with beta = 0.98, and ended where it is four times its least.
"""

import argparse

import numpy as np

import secondorder as so
from secondorder.tuning import SHARE, judged_by_means


def logistic(w, row, label):
    z = np.dot(row, w[:10])
    return np.logaddexp(0.0, z) - label * z


def square(w, row, target):
    return 0.5 * (np.dot(row, w) - target) ** 2


def network(w, row, target):
    out = 0.0
    for i in range(8):
        out += w[80 + i] * np.tanh(np.dot(row, w[10 * i : 10 * i + 10]))
    return 0.5 * (out - target) ** 2


def problems():
    """(FiniteSum, x0) of each."""
    random = np.random.default_rng(0)
    X, slopes, noise = random.standard_normal((2000, 10)), random.standard_normal(10), random.standard_normal(2000)
    yield so.FiniteSum(logistic, (X, (X @ slopes / 1.5 + noise > 0.0) * 1.0)), np.zeros(10)
    yield so.FiniteSum(square, (X, X @ slopes + noise)), np.zeros(10)
    yield so.FiniteSum(network, (X, X @ slopes + noise)), 0.3 * random.standard_normal(88)


def by_exponential_average(lr, losses, width, beta=0.98):
    """(steepest, limit) of the average that looks back."""
    mean, averages = 0.0, []
    for k, f in enumerate(losses):
        mean = beta * mean + (1.0 - beta) * f
        averages.append(mean / (1.0 - beta ** (k + 1)))
        if not averages[-1] <= 4.0 * min(averages):
            averages.pop()
            break
    averages = np.array(averages)
    if len(averages) < 2:
        return lr[0], lr[0]
    least = max(int(np.argmin(averages)), 1)
    width = min(width, least)
    falls = averages[: least + 1 - width] - averages[width : least + 1]
    return lr[max(int(np.argmax(falls)) + width // 2 - 1, 0)], lr[least - 1]


def main():
    """All of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    seeds = range(parser.parse_args().seeds)
    rates, found = np.logspace(-4.0, 1.5, 23), {}
    for rows, x0 in problems():
        for method in ("sgd", "momentum", "adam"):
            for size in (1, 8, 64):

                def fitted(lr, method=method, size=size, rows=rows, x0=x0):
                    run = so.fit(rows, x0, method, options={"lr": lr}, batch_size=size, epochs=3)
                    return run.fun if run.stopped == "epochs" else np.inf

                start, reached = rows.value(x0), np.array([fitted(lr) for lr in rates])
                edge = min(rates[reached > start], default=np.inf)
                for steps in (50, 100, 300):
                    schedule = so.schedules.exponential(1e-6, 1e7, steps - 1)
                    for seed in seeds:
                        more = {"schedule": schedule, "batch_size": size, "seed": seed, "history": "steps"}
                        run = so.fit(rows, x0, method, epochs=steps + 1, max_steps=steps + 1, **more)
                        losses = run.history["batch_loss"]
                        losses = np.append(losses, np.inf) if run.stopped == "not finite" else losses
                        lr, width = schedule.rates(len(losses) - 1), steps // SHARE
                        judged = judged_by_means(lr, losses, width)[2:], by_exponential_average(lr, losses, width)
                        for way, (steepest, limit) in zip(("means", "exponential average"), judged, strict=True):
                            gain = max((start - fitted(steepest)) / (start - reached.min()), -1.0)
                            found.setdefault((way, steps), []).append((gain, gain >= 0.5, limit < edge))
    print(f"{'':28s} {'gain':>6s} {'half':>6s} {'below':>6s}   of {len(next(iter(found.values())))} runs")
    for (way, steps), rows in sorted(found.items()):
        print(f"{way:20s} {steps:4d} " + " ".join(f"{share:6.2f}" for share in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
