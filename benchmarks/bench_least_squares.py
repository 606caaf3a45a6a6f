"""Fits of curves: whole calls from Python against SciPy and MINPACK; and NIST's certified fits."""

import math
import pathlib
import sys

import numba
import numpy as np

import secondorder as so
from secondorder.fits import FITS

from .bars import least

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
TOLERANCE = 1e-10  # of SciPy: ftol, xtol and gtol


@numba.njit(error_model="numpy")
def exponentials(p, t, y):
    r = np.empty(t.size)
    for i in range(t.size):
        r[i] = p[0] * math.exp(-p[1] * t[i]) + p[2] * math.exp(-p[3] * t[i]) - y[i]
    return r


@numba.njit(error_model="numpy")
def exponentials_jac(p, t, y):
    J = np.empty((t.size, 4))
    for i in range(t.size):
        a, b = math.exp(-p[1] * t[i]), math.exp(-p[3] * t[i])
        J[i, 0], J[i, 1], J[i, 2], J[i, 3] = a, -p[0] * t[i] * a, b, -p[2] * t[i] * b
    return J


class Exponentials:
    """Two exponentials, 4 parameters: residuals and Jacobian compiled, the same for all; or exact by us."""

    params = (list(FITS), [32, 10000])
    param_names = ("method", "m")
    timeout = 300

    def setup(self, method, m):
        t = np.linspace(0.0, 4.0, m)
        noise = 0.02 * np.random.default_rng(3).standard_normal(m)
        y = 2.5 * np.exp(-1.3 * t) + 0.7 * np.exp(-0.3 * t) + noise
        x0, self.args = np.array([1.0, 1.0, 1.0, 0.1]), (t, y)
        jac = exponentials_jac if "jacobian" in FITS[method].NEEDS else None
        self.exact = lambda: so.least_squares(exponentials, x0, args=self.args, method=method)
        self.ours = lambda: so.least_squares(exponentials, x0, jac, args=self.args, method=method)
        self.x0 = x0
        self.ours(), self.exact()  # compiles

    def theirs(self, method):
        from scipy.optimize import least_squares, leastsq

        tolerances = {"ftol": TOLERANCE, "xtol": TOLERANCE}
        if method == "leastsq":
            return lambda: leastsq(exponentials, self.x0, self.args, Dfun=exponentials_jac, **tolerances)
        return lambda: least_squares(
            exponentials, self.x0, exponentials_jac, args=self.args, method=method, gtol=TOLERANCE, **tolerances
        )

    def ratio(self, theirs):
        # in turns: both see the same load of the machine
        times = {theirs: math.inf, self.ours: math.inf}
        for _ in range(5):
            for call in times:
                times[call] = min(times[call], least(call, 0.1))
        return times[theirs] / times[self.ours]

    def time_given_jacobian(self, method, m):
        self.ours()

    def time_exact_jacobian(self, method, m):
        self.exact()

    def track_times_faster_than_scipy_lm(self, method, m):
        return self.ratio(self.theirs("lm"))

    def track_times_faster_than_scipy_trf(self, method, m):
        return self.ratio(self.theirs("trf"))

    def track_times_faster_than_leastsq(self, method, m):
        return self.ratio(self.theirs("leastsq"))

    def track_nfev(self, method, m):
        return self.ours().nfev

    track_times_faster_than_scipy_lm.unit = "scipy's time / ours"
    track_times_faster_than_scipy_trf.unit = "scipy's time / ours"
    track_times_faster_than_leastsq.unit = "MINPACK's time / ours"
    track_nfev.unit = "evaluations"


class Certified:
    """NIST's 27 certified fits from two starts each, exact Jacobians: counts, to gate changes on."""

    params = (["levenberg-marquardt", "dogleg"],)
    param_names = ("method",)
    timeout = 600

    def setup(self, method):
        from tests.nist.problems import DATA, PROBLEMS

        self.solved = self.evaluations = 0
        for name, problem in PROBLEMS.items():
            columns, y = DATA[name]
            for start in problem.starts:
                result = so.least_squares(problem.residual, start, args=(*columns, y), method=method)
                self.solved += np.all(np.abs(result.x - problem.b) <= 1e-6 * np.abs(problem.b))
                self.evaluations += result.nfev

    def track_found_to_six_digits(self, method):
        return int(self.solved)

    def track_nfev(self, method):
        return self.evaluations

    track_found_to_six_digits.unit = "of 54"
    track_nfev.unit = "evaluations"
