"""Elementary functions in a compiled loop: against NumPy's on the same array in the same run."""

import numba
import numpy as np

from secondorder import elementary

from .bars import least

N = 100_000
NUMPY = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sigmoid": lambda x, out: np.divide(1.0, 1.0 + np.exp(-x), out=out),
    "softplus": lambda x, out: np.logaddexp(0.0, x, out=out),
    "tanh": np.tanh,
}


def over_array(function):
    """run(x, out): out <- function of each x."""

    @numba.njit
    def run(x, out):
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    return run


class Elementary:
    """100000 float64, one thread."""

    timeout = 120
    params = [list(NUMPY)]
    param_names = ["function"]

    def setup(self, name):
        x = 3.0 * np.random.default_rng(0).standard_normal(N)
        self.x, self.out = np.abs(x) if name.startswith("log") else x, np.zeros(N)
        self.run = over_array(getattr(elementary, name))
        self.run(self.x, self.out)

    def track_nanoseconds_per_element(self, name):
        return 1e9 / N * least(lambda: self.run(self.x, self.out), 0.3, 200)

    def track_time_over_numpy(self, name):
        # in turns: both see the same load of the machine
        ours = theirs = float("inf")
        for _ in range(10):
            ours = min(ours, least(lambda: self.run(self.x, self.out), 0.05, 20))
            theirs = min(theirs, least(lambda: NUMPY[name](self.x, self.out), 0.05, 20))
        return ours / theirs

    track_nanoseconds_per_element.unit = "ns"
    track_time_over_numpy.unit = "ratio"
