"""Kernels that take a Hessian product, called from Python with a matrix for it."""

import numpy as np

from secondorder.backends.serial import control_numbers
from secondorder.control import CONTROL, COUNTDOWN, MAX_FUN, N_HVP, SCALE, STOP, STRIDE, Control
from secondorder.jit import HVP, Native, address_of, compiled, function_at, intp, reference_at
from secondorder.krylov import matrices
from secondorder.status import RUNNING
from tests import entries

hvp_at, control_at = function_at(HVP), reference_at(CONTROL)


def entry(function, result, *arguments):
    """function(hvp, data, control, ...) as Python calls it: the first three by address (hvp_at, control_at)."""
    return entries.entry(function, result, intp, intp, intp, *arguments)


class Product:
    """The first three arguments for a matrix, and the counts of the run."""

    def __init__(self, A, factor=1.0, stop_reason=RUNNING):
        self.matrix = Native((np.ascontiguousarray(A, dtype=float),))
        self.counts, self.values, _ = control_numbers()
        self.counts[STOP], self.counts[STRIDE], self.counts[COUNTDOWN], self.counts[MAX_FUN] = stop_reason, 1, 1, 2**62
        self.values[SCALE] = factor
        self.control = Native(Control(self.counts, self.values, np.empty(1), np.empty((0, 8)), np.empty(1)))
        self.hvp = address_of(compiled(matrices.dense, HVP), HVP)
        self.arguments = self.hvp, self.matrix.address, self.control.address

    @property
    def count(self):
        """Products made."""
        return int(self.counts[N_HVP])
