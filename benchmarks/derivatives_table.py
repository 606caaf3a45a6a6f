"""What generated derivatives cost: `python benchmarks/derivatives_table.py`, or with `--rounds 10`.

For each function of derivative_programs.py the time of its compiled form, of the generated gradient (which gives f as
well) and of the product of the Hessian with a vector, both as multiples of f; the gradient over the hand-written one;
and JAX, PyTorch and autograd where they are installed, as multiples of ours.

One process, one core (it binds itself to one), one thread in every library. All are timed in turns, so that they see
the same load of the machine; times are minima over the rounds. Compilation is not in them.
"""

import argparse
import importlib.util
import math
import os
import platform
import sys
import time

if __name__ == "__main__":  # before NumPy and XLA are loaded
    os.environ |= dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    )
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import numba
import numpy as np
from derivative_programs import CASES

from secondorder.derivatives.autodiff.kinds import kind_of
from secondorder.derivatives.autodiff.module import generated

LIBRARIES = ("jax", "torch", "autograd")


def ours(case, arguments, v):
    """name -> call, for f, the generated gradient and product, and the hand-written gradient."""
    x, *args = arguments
    fun = numba.njit(error_model="numpy")(case.fun)
    made = generated(case.fun, [kind_of(numba.typeof(a)) for a in arguments])
    gradient, hvp = made.compiled("gradient"), made.compiled("hvp")
    g, out = np.empty_like(x), np.empty_like(x)
    calls = {
        "f": lambda: fun(x, *args),
        "gradient": lambda: gradient(x, g, *args),
        "product": lambda: hvp(x, v, out, *args),
    }
    if case.gradient is not None:
        by_hand = numba.njit(error_model="numpy")(case.gradient)
        h = np.empty_like(x)
        calls["by hand"] = lambda: by_hand(x, h, *args)
        calls["by hand"](), calls["gradient"]()
        assert np.allclose(g, h, rtol=1e-9, atol=1e-12 * np.abs(h).max()), "the hand-written gradient is another"
    return calls


def of_jax(case, arguments, v):
    """Calls of the gradient and the product by JAX."""
    import jax

    jax.config.update("jax_enable_x64", True)
    hidden = arguments[-1] if isinstance(arguments[-1], int) else None
    f = case.for_library(
        jax.numpy, lambda step, state, rows: jax.lax.scan(lambda s, r: (step(s, r), None), state, rows)[0]
    )
    x, *args = [a if a is hidden else jax.numpy.asarray(a) for a in arguments]
    closed = (lambda x, *rest: f(x, *rest, hidden)) if hidden is not None else f
    if hidden is not None:
        args = args[:-1]
    value, gradient = jax.jit(closed), jax.jit(jax.value_and_grad(closed))
    hvp = jax.jit(lambda x, v, *rest: jax.jvp(lambda x: jax.grad(closed)(x, *rest), (x,), (v,))[1])
    v = jax.numpy.asarray(v)
    return {
        "f": lambda: value(x, *args).block_until_ready(),
        "gradient": lambda: gradient(x, *args)[1].block_until_ready(),
        "product": lambda: hvp(x, v, *args).block_until_ready(),
    }


def in_python(step, state, rows):
    """A scan as a loop of the interpreter."""
    for row in rows:
        state = step(state, row)
    return state


def of_torch(case, arguments, v):
    """Calls of the gradient and the product by PyTorch, as it runs without compilation."""
    import torch

    torch.set_num_threads(1)
    f = case.for_library(torch, in_python)
    x, *args = [torch.as_tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
    v = torch.as_tensor(v)

    def gradient():
        z = x.detach().requires_grad_()
        return torch.autograd.grad(f(z, *args), z)[0]

    def product():
        z = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(f(z, *args), z, create_graph=True)
        return torch.autograd.grad(g @ v, z)[0]

    return {"f": lambda: f(x, *args), "gradient": gradient, "product": product}


def of_autograd(case, arguments, v):
    """Calls of the gradient and the product by autograd."""
    import autograd

    f = case.for_library(autograd.numpy, in_python)
    x, *args = arguments
    gradient, hvp = autograd.grad(f), autograd.hessian_vector_product(f)
    return {
        "f": lambda: f(x, *args),
        "gradient": lambda: gradient(x, *args),
        "product": lambda: hvp(x, *args, v),
    }


MAKERS = {"jax": of_jax, "torch": of_torch, "autograd": of_autograd}


def check(calls, library, name):
    """The libraries compute the same thing."""
    theirs, mine = np.asarray(calls[library, "f"]()), calls["ours", "f"]()
    assert abs(theirs - mine) <= 1e-9 * abs(mine), f"{library} computes another function: {name}"


def timed(calls, rounds, seconds=0.15):
    """key -> least time of a call, in rounds of all of them."""
    best = dict.fromkeys(calls, math.inf)
    for call in calls.values():
        call()
    for turn in range(rounds):
        for key, call in calls.items():
            if turn and best[key] > 0.3:  # a loop in the interpreter: once will do
                continue
            end, k = time.perf_counter() + seconds, 0
            while k == 0 or (time.perf_counter() < end and k < 1000):
                begun = time.perf_counter()
                call()
                best[key] = min(best[key], time.perf_counter() - begun)
                k += 1
    return best


def measured(case, name, libraries, rounds):
    """key -> least time, for one row."""
    rng = np.random.default_rng(0)
    arguments = case.arguments(rng)
    v = rng.standard_normal(arguments[0].size)
    calls = {("ours", what): call for what, call in ours(case, arguments, v).items()}
    for library in libraries:
        calls |= {(library, what): call for what, call in MAKERS[library](case, arguments, v).items()}
        check(calls, library, name)
    return timed(calls, rounds)


def row(best, libraries):
    """The cells of a row."""
    f = best["ours", "f"]
    gradient, product = best["ours", "gradient"], best["ours", "product"]
    by_hand = best.get(("ours", "by hand"))
    cells = [f"{1e6 * f:.0f}", f"{gradient / f:.2f}", f"{product / f:.2f}"]
    cells.append("" if by_hand is None else f"{gradient / by_hand:.2f}")
    for library in libraries:
        cells += [f"{best[library, 'gradient'] / gradient:.2f}", f"{best[library, 'product'] / product:.2f}"]
    return cells


def missed(case, best):
    """Which bars are missed, in words."""
    f, by_hand = best["ours", "f"], best.get(("ours", "by hand"))
    for what, bar, against in zip(("gradient", "product"), case.bars, case.against_jax):
        mine = best["ours", what]
        if mine > bar * f:
            yield f"{what} is {mine / f:.2f} f, the bar {bar}"
        if ("jax", what) in best and best["jax", what] < against * mine:
            yield f"{what}: JAX takes {best['jax', what] / mine:.2f} of ours, the bar {against:.2f}"
    if by_hand is not None and best["ours", "gradient"] > 1.3 * by_hand:
        yield f"gradient is {best['ours', 'gradient'] / by_hand:.2f} times the hand-written one, the bar 1.3"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="part of a row's name")
    parser.add_argument("--libraries", default=",".join(LIBRARIES))
    arguments = parser.parse_args()
    libraries = [name for name in arguments.libraries.split(",") if name and importlib.util.find_spec(name)]
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}, one core, one thread"
    )
    print(", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", *libraries)))
    heads = ["", "f, us", "gradient / f", "product / f", "gradient / by hand"]
    heads += [f"{library} / ours, {what}" for library in libraries for what in ("gradient", "product")]
    print("\n| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|", flush=True)
    complaints = []
    for name, case in CASES.items():
        if arguments.only in name:
            best = measured(case, name, libraries, arguments.rounds)
            print("| " + " | ".join([name, *row(best, libraries)]) + " |", flush=True)
            complaints += [f"{name}: {text}" for text in missed(case, best)]
    print("\n" + ("\n".join(complaints) if complaints else "every bar is met"))


def version(name):
    from importlib.metadata import version

    return version(name)


if __name__ == "__main__":
    main()
