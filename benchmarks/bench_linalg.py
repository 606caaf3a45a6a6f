"""Factorizations, eigenvectors and Krylov solvers: against NumPy, LAPACK and SciPy on the same matrix, one thread."""

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg

import secondorder as so
from secondorder.jit import compiled, f8, matrix, types, vector
from secondorder.linalg.bunch_kaufman import bunch_kaufman
from secondorder.linalg.cholesky import cholesky
from secondorder.linalg.eigen import symmetric_eigen
from secondorder.linalg.modified_cholesky import schnabel_eskow

from .bars import least


def kernel(function, result, *arguments):
    return compiled(function, result(*arguments), "entry")


def cases(A):
    """name -> (ours, theirs), without arguments."""
    n = A.shape[0]
    definite, H, v, w = A @ A.T + n * np.eye(n), np.empty((n, n)), np.empty(n), np.empty(n)
    eigen = kernel(symmetric_eigen, types.boolean, matrix, vector, vector)
    factorize = kernel(bunch_kaufman, types.boolean, matrix, vector)
    plain, modified = (
        kernel(cholesky, types.boolean, matrix, matrix),
        kernel(schnabel_eskow, f8, matrix, matrix, vector, vector),
    )

    def in_place(function, *rest):
        def run():
            H[:] = A
            function(H, *rest)

        return run

    return {
        "cholesky": (lambda: plain(definite, H), lambda: np.linalg.cholesky(definite)),
        "schnabel-eskow": (lambda: modified(A, H, v, w), lambda: np.linalg.cholesky(definite)),
        "bunch-kaufman": (in_place(factorize, v), lambda: scipy.linalg.lapack.dsytrf(A)),
        "eigen": (in_place(eigen, v, w), lambda: np.linalg.eigh(A)),
    }


class Dense:
    """A random symmetric matrix."""

    timeout = 120
    params = [["cholesky", "schnabel-eskow", "bunch-kaufman", "eigen"], [2, 10, 50, 200]]
    param_names = ["what", "n"]

    def setup(self, what, n):
        A = np.random.default_rng(0).standard_normal((n, n))
        self.ours, self.theirs = cases(A + A.T)[what]
        self.ours()

    def track_microseconds(self, what, n):
        return 1e6 * least(self.ours, 0.3, 200)

    def track_time_over_lapack(self, what, n):
        # in turns: both see the same load of the machine
        ours = theirs = float("inf")
        for _ in range(5):
            ours, theirs = min(ours, least(self.ours, 0.05, 20)), min(theirs, least(self.theirs, 0.05, 20))
        return ours / theirs

    track_microseconds.unit = "us"
    track_time_over_lapack.unit = "ratio"


class Sparse:
    """Conjugate gradients on second differences with a shift, CSR."""

    timeout = 120
    params = [100, 100_000]
    param_names = ["n"]

    def setup(self, n):
        side = -np.ones(n - 1)
        A, b = sp.diags_array([np.full(n, 2.01), side, side], offsets=[0, -1, 1]).tocsr(), np.linspace(0.0, 1.0, n)
        self.ours = lambda: so.cg(A, b)
        self.theirs = lambda: scipy.sparse.linalg.cg(A, b, rtol=1e-8)
        self.ours()

    def track_milliseconds(self, n):
        return 1e3 * least(self.ours, 0.3, 50)

    def track_time_over_scipy(self, n):
        ours = theirs = float("inf")
        for _ in range(5):
            ours, theirs = min(ours, least(self.ours, 0.1, 20)), min(theirs, least(self.theirs, 0.1, 20))
        return ours / theirs

    track_milliseconds.unit = "ms"
    track_time_over_scipy.unit = "ratio"
