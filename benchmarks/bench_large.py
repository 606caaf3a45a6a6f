"""Many variables: time per iteration."""

import numba
import numpy as np

import secondorder as so

from .bars import functions, least, quartic, quartic_value, rosenbrock, rosenbrock_value, start


class LBFGSMillion:
    """l-bfgs, m = 10, a million variables and a cheap objective."""

    timeout = 300
    n, iterations = 1_000_000, 30
    params = [1, 2]
    param_names = ["threads"]

    def setup(self, threads):
        if threads > numba.config.NUMBA_NUM_THREADS:
            raise NotImplementedError("fewer threads here")  # asv's way of skipping
        numba.set_num_threads(threads)
        self.objective, _ = functions(quartic, quartic_value)
        self.options = {"gtol": 0.0, "maxiter": self.iterations}

    def teardown(self, threads):
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)

    def track_seconds_per_iteration(self, threads):
        x0 = np.ones(self.n)
        solve = lambda: so.minimize(self.objective, x0, method="l-bfgs", options=self.options)  # noqa: E731
        return least(solve, 5.0, 3) / solve().nit

    track_seconds_per_iteration.unit = "s"


class BFGS800:
    """bfgs with a dense matrix of 800 x 800."""

    timeout = 300
    n, iterations = 800, 40

    def setup(self):
        self.objective, _ = functions(rosenbrock, rosenbrock_value)
        self.options = {"gtol": 0.0, "maxiter": self.iterations}

    def track_seconds_per_iteration(self):
        x0 = start(self.n)
        solve = lambda: so.minimize(self.objective, x0, method="bfgs", options=self.options)  # noqa: E731
        return least(solve, 2.0, 20) / solve().nit

    track_seconds_per_iteration.unit = "s"
