"""Generated gradients and Hessian products: times f, and times the hand-written gradient, in the same run."""

import numba
import numpy as np

from secondorder.derivatives.autodiff.kinds import kind_of
from secondorder.derivatives.autodiff.module import generated

from .bars import least
from .derivative_programs import CASES


class Derivatives:
    """The functions of derivatives_table.py, one thread."""

    timeout = 300
    params = [list(CASES)]
    param_names = ["function"]

    def setup(self, name):
        case = CASES[name]
        x, *args = case.arguments(np.random.default_rng(0))
        made = generated(case.fun, [kind_of(numba.typeof(a)) for a in (x, *args)])
        gradient, product = made.compiled("gradient"), made.compiled("hvp")
        g, v = np.empty_like(x), np.ones_like(x)
        compiled = numba.njit(error_model="numpy")(case.fun)
        self.calls = {
            "f": lambda: compiled(x, *args),
            "gradient": lambda: gradient(x, g, *args),
            "hvp": lambda: product(x, v, g, *args),
        }
        if case.gradient is not None:
            by_hand = numba.njit(error_model="numpy")(case.gradient)
            self.calls["by hand"] = lambda: by_hand(x, g, *args)
        for call in self.calls.values():
            call()

    def ratio(self, one, other):
        # in turns: both see the same load of the machine
        least_of = dict.fromkeys((one, other), float("inf"))
        for _ in range(10):
            for what in least_of:
                least_of[what] = min(least_of[what], least(self.calls[what], 0.05, 50))
        return least_of[one] / least_of[other]

    def track_gradient_over_f(self, name):
        return self.ratio("gradient", "f")

    def track_hvp_over_f(self, name):
        return self.ratio("hvp", "f")

    def track_gradient_over_hand_written(self, name):
        return self.ratio("gradient", "by hand") if "by hand" in self.calls else float("nan")

    track_gradient_over_f.unit = track_hvp_over_f.unit = track_gradient_over_hand_written.unit = "ratio"
