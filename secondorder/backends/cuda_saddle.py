"""What kind of point a run on a device ended at, and how it leaves a saddle: the looks of `saddle`, with vectors there.

The least curvature is found by Lanczos for any number of variables, where the CPU makes a matrix of a few.
"""

import numpy as np

from secondorder.backends import saddle
from secondorder.backends.cuda import cuda, free_memory
from secondorder.backends.cuda_solvers import retargeted
from secondorder.escapes import ESCAPES
from secondorder.krylov.lanczos import memory_size
from secondorder.subproblems.least_curvature import PROBABILITY, RTOL, by_lanczos, n_work, random_direction, steps_for


class Examination(saddle.Examination):
    """How the points at which runs on a device end are looked at."""

    def prepare(self):
        """Nothing is compiled: `escapes` and `subproblems` are run by Python, too."""

    def rows_of(self, n, rows):
        """Rows of a workspace that does for a solver and for this; those of the basis are made for each look."""
        return n_work(n, False, max(rows, self.rows))

    def room(self, n, rows):
        """Most steps of Lanczos."""
        return steps_for(n, rows)

    def met(self, run):
        """No Newton step is taken here, so no run goes on from what is no saddle."""

    def direction(self, run):
        """A copy of the direction of least curvature, on the device."""
        return run.copied(run.work[3])

    def entered(self, run, most, further, leaving, limits):
        """`saddle.with_hvp`."""
        table, made, control, n = run.table, {}, run.control, run.n
        needed, free = run.dtype.itemsize * (most + 1) * n, free_memory()
        if needed > free:
            raise MemoryError(
                f"a look at the curvature takes {most + 1} vectors, {needed} bytes on the device, and {free} are free: "
                "pass second_order=False"
            )
        with np.errstate(all="ignore"):
            retargeted(saddle.gradient_first, table, made)(run.work, control)
            V = cuda.device_array((most + 1, n), run.dtype, stream=run.stream)
            retargeted(random_direction, table, made)(self.seed, 0, V[0])
            found = retargeted(by_lanczos, table, made)(
                run.typed_hvp, run.x, V, *limits[:2], RTOL, PROBABILITY, run.work[3], np.empty(memory_size(most)),
                control, None,
            )  # fmt: skip
            leave = retargeted(ESCAPES[self.escape].leave, table, made)
            judged = retargeted(saddle.judged, table, made)
            return judged(
                run.typed_fun_grad, leave, found, run.x, leaving, self.seed, *limits, run.work, control, None
            )  # fmt: skip
