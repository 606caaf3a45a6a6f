"""What saddles cost, in tables. `python benchmarks/saddles.py` prints all, `--part NAME` one.

    octopus        steps to the last basin of Du et al.'s octopus (2017): gradient descent, and perturbed; `--plot FILE`
                   draws f as their figures do
    escapes        saddles missed, of 300 axis-aligned ones and the same turned, 20 seeds each; evaluations of a run
    products       Hessian products until a saddle of 1000 variables is left; also counted by asv (Leaving)
    certificates   products and time of certifying the end of a run on the chained Rosenbrock function

Starts and saddles are seeded. Times are minima over repetitions.
"""

import argparse
import functools
import math
import time

import numpy as np
from numba import njit

import secondorder as so
from secondorder.escapes import ESCAPES

STEP = 0.25 / math.e  # 1 / 4 L
MOST = 20000  # steps
STARTS = 10


# ---------------------------------------------------------------------------------------------------------- octopus


@njit
def descend(fun_grad, x, step, floor, most):
    """Gradient descent of the textbook: values of f until one is below floor."""
    g, values = np.empty_like(x), np.empty(most + 1)
    for k in range(most + 1):
        values[k] = fun_grad(x, g)
        if values[k] < floor:
            return values[: k + 1]
        x -= step * g
    return values


@functools.cache
def octopus_grad():
    return njit(so.PROBLEMS["octopus"].fun_grad)


def octopus_runs(n, seed):
    """(values of f of gradient descent, of perturbed gradient descent) from one start in [-1, 1]^n."""
    problem = so.PROBLEMS["octopus"]
    fun_grad = octopus_grad()
    x0, leg = np.random.default_rng(seed).uniform(-1.0, 1.0, n), -problem.minimum(1)
    floor = (0.5 - n) * leg
    options = {"line_search": "fixed", "initial_step": "constant", "alpha": STEP, "gtol": 0.0, "fmin": floor}
    options |= {"every": 20, "small": 0.05, "noise_seed": seed, "maxiter": MOST, "history": True}
    noisy = so.minimize(so.Objective(fun_grad), x0, method="perturbed-gd", options=options)
    return descend(fun_grad, x0.copy(), STEP, floor, MOST) / leg, noisy.history["fun"] / leg


def octopus(plot):
    print(f"steps of 1 / 4 L to the last basin of the octopus, median of {STARTS} starts in [-1, 1]^n")
    print(f"{'n':>4} {'gradient descent':>18} {'perturbed-gd':>14}")
    for n in range(1, 13):
        runs = [octopus_runs(n, seed) for seed in range(STARTS)]
        steps = [np.median([values[k].size - 1 for values in runs]) for k in (0, 1)]
        held = sum(values[0].size > MOST for values in runs)
        words = f"{steps[0]:.0f}" if held < STARTS // 2 else f"> {MOST}"
        print(f"{n:>4} {words:>18} {steps[1]:>14.0f}")
    if plot:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.5), layout="constrained")
        for axis, n in zip(axes, (5, 10)):
            for values, label in zip(octopus_runs(n, 0), ("gradient descent", "perturbed-gd")):
                axis.plot(values[:2000], label=label)
            axis.set(title=f"n = {n}", xlabel="step", ylabel="f, in legs")
            axis.legend()
        figure.savefig(plot)


# ---------------------------------------------------------------------------------------------------------- escapes


@njit
def quartic_grad(x, g, Q, curvatures, shift):
    y = Q @ (x - shift)
    g[:] = Q.T @ (curvatures * y + y**3)
    return np.sum(0.5 * curvatures * y**2 + 0.25 * y**4)


@njit
def quartic_hvp(x, v, out, Q, curvatures, shift):
    y = Q @ (x - shift)
    out[:] = Q.T @ ((curvatures + 3.0 * y**2) * (Q @ v))


def model(seed, turned):
    """The same saddles as those of tests/test_certificate.py: 2 to 12 variables, any index, curvatures 1e-3 to 10."""
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 13))
    index = int(random.integers(1, n + 1))
    curvatures = 10.0 ** random.uniform(-3.0, 1.0, n)
    curvatures[random.permutation(n)[:index]] *= -1.0
    Q = np.linalg.qr(random.standard_normal((n, n)))[0] if turned else np.eye(n)
    return np.ascontiguousarray(Q), curvatures, random.standard_normal(n)


def escapes():
    print("\nl-bfgs from 300 saddles and the same turned, 20 seeds: 12000 runs an escape")
    print(f"{'':16} {'missed':>7} {'called a success':>17} {'evaluations: median':>20} {'most':>6}")
    objective = so.Objective(quartic_grad, hvp=quartic_hvp)
    for name in ESCAPES:
        missed, false, evaluations = 0, 0, []
        for seed in range(300):
            for turned in (False, True):
                args = model(seed, turned)
                for start in range(20):
                    options = {"escape": name, "seed": start}
                    result = so.minimize(objective, args[2], args, "l-bfgs", options=options, second_order=True)
                    y = args[0] @ (result.x - args[2])
                    saddle = np.min(args[1] + 3.0 * y**2) <= 0.0
                    missed, false = missed + saddle, false + (saddle and result.success)
                    evaluations.append(result.nfev)
        print(f"{name:16} {missed:>7} {false:>17} {np.median(evaluations):>20.0f} {max(evaluations):>6}")


# --------------------------------------------------------------------------------------------------------- products

INDICES, SEEDS = (1, 10, 500), range(5)
BY_PRODUCTS = tuple(name for name, module in so.METHODS.items() if "hvp" in module.NEEDS)
WAYS = tuple((method, "curvature") for method in BY_PRODUCTS) + tuple(("l-bfgs", escape) for escape in ESCAPES)


@njit
def wells_grad(x, g, w):
    g[:] = w * x + x**3
    return np.sum(0.5 * w * x**2 + 0.25 * x**4)


@njit
def wells_hvp(x, v, out, w):
    out[:] = (w + 3.0 * x**2) * v


def spectrum(index, seed):
    """1000 eigenvalues: `index` in (-1, -0.05), the others in (0.05, 1)."""
    w = np.random.default_rng(seed).uniform(0.05, 1.0, 1000)
    w[:index] *= -1.0
    return w


def from_saddle(method, escape, index, seed, first_step):
    """The run from the saddle: as far as the first lower point, or to its end."""

    def stop(x):
        raise StopIteration

    options = {"escape": escape, "seed": seed}
    if "oracle_seed" in so.METHODS[method].Options._fields:
        options["oracle_seed"] = seed
    objective, callback = so.Objective(wells_grad, hvp=wells_hvp), stop if first_step else None
    w = spectrum(index, seed)
    return so.minimize(objective, np.zeros(1000), (w,), method, callback=callback, options=options, second_order=True)


class Leaving:
    """Most Hessian products that any of the seeds takes to leave a saddle of 1000 variables."""

    params = (list(map(" ".join, WAYS)), list(INDICES))
    param_names = ("method and escape", "index")

    def track_products(self, way, index):
        return max(from_saddle(*way.split(), index, seed, True).nhev for seed in SEEDS)

    track_products.unit = "products"


def products():
    print(
        f"\nHessian products from a saddle of 1000 variables: most of {len(SEEDS)} seeds until a lower point is found"
    )
    print("(with evaluations of f and g), and to the certified end")
    print(f"{'method':20} {'escape':14} {'index':>5} {'left':>7} {'evaluations':>12} {'left of':>8} {'to the end':>11}")
    for method, escape in WAYS:
        for index in INDICES:
            runs = [from_saddle(method, escape, index, seed, True) for seed in SEEDS]
            whole = [from_saddle(method, escape, index, seed, False) for seed in SEEDS]
            left = sum(run.nescape for run in runs)
            most = max(run.nhev for run in runs)
            end = str(max(run.nhev for run in whole)) if all(run.success for run in whole) else "-"
            evaluations = max(run.nfev for run in runs)
            print(f"{method:20} {escape:14} {index:>5} {most:>7} {evaluations:>12} {left:>4} of {len(SEEDS)} {end:>10}")


# ----------------------------------------------------------------------------------------------------- certificates


def least(call, seconds=1.0):
    """Least time of a call, and what it returned; the first, which compiles, isn't counted."""
    call()
    best, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - begun)
    return best, result


def certificates():
    print("\ncertifying the end of a run on the chained Rosenbrock function: products, and share of the run")
    print(
        f"{'method':22} {'n':>5} {'verdict':>9} {'bound':>9} {'products':>9} {'of all':>7} {'time':>10} {'of all':>7}"
    )
    problem = so.PROBLEMS["chained-rosenbrock"]
    objective = so.Objective(njit(problem.fun_grad), hvp=njit(problem.hvp))
    for method in ("newton", "newton-cg", "trust-krylov", "saddle-free-newton", "l-bfgs"):
        for n in (100, 1000) if method != "newton" else (100,):
            x0 = problem.x0(n)
            run = functools.partial(so.minimize, objective, x0, method=method)
            with_, found = least(functools.partial(run, second_order="certify"))
            without, _ = least(functools.partial(run, second_order=False))
            c, matrix = found.certificate, "hess" in so.METHODS[method].NEEDS
            products = found.nhev * (n if matrix else 1)
            print(
                f"{method:22} {n:>5} {c.verdict:>9} {c.bound:>9} {c.n_products:>9} {c.n_products / products:>7.2%} "
                f"{1e3 * max(with_ - without, 0.0):>7.2f} ms {max(1.0 - without / with_, 0.0):>7.1%}"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"escapes": escapes, "products": products, "certificates": certificates}
    parser.add_argument("--part", choices=("octopus", *parts), action="append")
    parser.add_argument("--plot", metavar="FILE", help="of the part octopus")
    given = parser.parse_args()
    for part in given.part or ("octopus", *parts):
        octopus(given.plot) if part == "octopus" else parts[part]()


if __name__ == "__main__":
    main()
