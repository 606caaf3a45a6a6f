"""What a user waits for first, each in fresh processes."""

import tempfile

from .bars import FIRST_SOLUTION, timed


class Startup:
    """Least wall time of a process."""

    timeout = 300

    def track_import_numba(self):
        return min(timed("import numba")[0] for _ in range(5))

    def track_import_secondorder(self):
        return min(timed("import secondorder")[0] for _ in range(5))

    def track_first_solution_warm_cache(self):
        with tempfile.TemporaryDirectory() as cache:
            environment = {"NUMBA_CACHE_DIR": cache}
            timed(FIRST_SOLUTION, environment)
            return min(timed(FIRST_SOLUTION, environment)[0] for _ in range(5))

    def track_first_solution_empty_cache(self):
        with tempfile.TemporaryDirectory() as cache:
            return timed(FIRST_SOLUTION, {"NUMBA_CACHE_DIR": cache})[0]


for name in ("import_numba", "import_secondorder", "first_solution_warm_cache", "first_solution_empty_cache"):
    getattr(Startup, f"track_{name}").unit = "s"
