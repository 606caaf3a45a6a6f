"""A million small problems inside one's own compiled code: the implicit midpoint rule for many springs.

Each step asks for the point x where a function of two variables is least. `so.kernels` gives a solver that is called
from `@njit` code, in a prange loop, with a workspace a thread: no call from Python in between, nothing allocated.

    python examples/inner_problem.py [springs] [steps]
"""

import math
import sys
import time

import numpy as np
from numba import njit, prange

import secondorder as so


@njit
def step_energy(x, g, q, p, h, k):
    """What the next position and momentum x of a hard spring, force -k sin q, make least: the squared residuals."""
    middle = 0.5 * (q + x[0])
    r0, r1 = x[0] - q - 0.5 * h * (p + x[1]), x[1] - p + h * k * math.sin(middle)
    slope = 0.5 * h * k * math.cos(middle)
    g[0], g[1] = 2.0 * (r0 + slope * r1), 2.0 * (r1 - 0.5 * h * r0)
    return r0 * r0 + r1 * r1


solve, n_workspace, *_ = so.kernels.bfgs(so.Objective(step_energy), n=2, options={"gtol": 1e-10})


@njit(parallel=True)
def swing(Q, P, stiffness, h, steps):
    """Moves all springs on by so many steps; the number of steps that were not solved."""
    failed = 0
    for i in prange(len(Q)):
        workspace, x = np.empty(n_workspace), np.empty(2)
        for _ in range(steps):
            x[0], x[1] = Q[i], P[i]
            failed += solve(x, workspace, Q[i], P[i], h, stiffness[i]).status != 0
            Q[i], P[i] = x[0], x[1]
    return failed


def main(springs=1000, steps=1000):
    """Swing, and look at how well energy is kept."""
    stiffness = np.linspace(0.5, 2.0, springs)
    Q, P = np.full(springs, 1.0), np.zeros(springs)
    energy = 0.5 * P**2 - stiffness * np.cos(Q)
    swing(Q.copy(), P.copy(), stiffness, 0.05, 1)  # compiles
    begun = time.perf_counter()
    failed = swing(Q, P, stiffness, 0.05, steps)
    elapsed = time.perf_counter() - begun
    drift = np.abs(0.5 * P**2 - stiffness * np.cos(Q) - energy).max()
    print(f"{springs * steps} inner problems in {elapsed:.2f} s: {1e6 * elapsed / springs / steps:.2f} us each")
    print(f"not solved: {failed}; largest change of energy {drift:.1e}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
