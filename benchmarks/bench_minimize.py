"""Small problems: whole calls from Python against scipy, and evaluations on the test problems."""

import math

import secondorder as so
from secondorder.compare import compare, geometric_mean

from .bars import GTOL, TWINS, functions, least, rosenbrock, rosenbrock_value, scipy_options, start

UNSOLVED = 10000


def blas_threads():
    """Most threads of any BLAS that is loaded; nan if threadpoolctl can't tell."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return math.nan
    import scipy.linalg  # noqa: F401 - scipy has a BLAS of its own

    return max((library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"), default=1)


class Rosenbrock:
    """Whole calls with the same compiled f and gradient and the same stopping test."""

    params = (list(so.METHODS), [2, 10])
    param_names = ("method", "n")
    timeout = 300

    def setup(self, method, n):
        self.objective, self.pair = functions(rosenbrock, rosenbrock_value)
        self.x0, self.options = start(n), {"gtol": GTOL}
        self.ours = lambda: so.minimize(self.objective, self.x0, method=method, options=self.options)
        self.ours()  # compiles

    def time_minimize(self, method, n):
        self.ours()

    def track_times_faster_than_scipy(self, method, n):
        if method not in TWINS:
            return math.nan
        from scipy.optimize import minimize

        options = scipy_options(TWINS[method], GTOL, 10000)
        theirs = least(lambda: minimize(self.pair, self.x0, jac=True, method=TWINS[method], options=options), 0.5)
        return theirs / least(self.ours, 0.5)

    def track_nfev(self, method, n):
        return self.ours().nfev

    track_times_faster_than_scipy.unit = "scipy's time / ours"
    track_nfev.unit = "evaluations"


class Problems:
    """All test problems: counts, to gate changes on, since times vary."""

    params = (list(so.METHODS),)
    param_names = ("method",)
    timeout = 600

    def setup_cache(self):
        return [record._asdict() for record in compare(scipy=False).records]

    def track_solved(self, records, method):
        return sum(record["verdict"] == "solved" for record in records if record["solver"] == method)

    def track_nfev(self, records, method):
        # an unsolved problem counts as UNSOLVED evaluations: leaving it out would be a gain
        mine = [record for record in records if record["solver"] == method]
        counts = [record["evaluations"] if record["verdict"] == "solved" else UNSOLVED for record in mine]
        return geometric_mean(counts)

    track_solved.unit = "problems"
    track_nfev.unit = "evaluations, geometric mean"


class Settings:
    """What the times above were taken under."""

    def track_blas_threads(self):
        return blas_threads()
