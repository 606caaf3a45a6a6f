"""Symmetric matrices that factorizations and eigen-solvers are tried on, and kernels as Python calls them."""

import numpy as np

from secondorder.jit import compiled, types


def with_spectrum(w, seed):
    """A dense symmetric matrix with these eigenvalues."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(w), len(w))))
    A = q * w @ q.T
    return 0.5 * (A + A.T)


def random(n):
    A = np.random.default_rng(n).standard_normal((n, n))
    return A + A.T


def graded(n):
    scale = np.geomspace(1.0, 1e-12, n)
    return random(n) * np.outer(scale, scale)


DEFINITE = {
    "well conditioned": lambda n: with_spectrum(np.linspace(1.0, 3.0, n), n),
    "ill conditioned": lambda n: with_spectrum(np.geomspace(1e-9, 1.0, n), n),
    "clustered": lambda n: with_spectrum(1.0 + 1e-13 * np.arange(n), n),
    "diagonal": lambda n: np.diag(np.geomspace(1.0, 1e14, n)),
    "identity": np.eye,
    "badly scaled": lambda n: scaled(with_spectrum(np.linspace(1.0, 3.0, n), n), np.geomspace(1e-20, 1e20, n)),
    "second differences": lambda n: 2.0 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1),
}
OTHERS = {
    "random": random,
    "indefinite": lambda n: with_spectrum(np.linspace(-1.0, 2.0, n), n),
    "negative": lambda n: with_spectrum(-np.geomspace(1e-3, 1.0, n), n),
    "singular": lambda n: with_spectrum(np.where(np.arange(n) < n // 2, 0.0, 1.0), n),
    "rank one": lambda n: np.outer(np.arange(1.0, n + 1.0), np.arange(1.0, n + 1.0)),
    "zero": lambda n: np.zeros((n, n)),
    "zero diagonal": lambda n: random(n) - np.diag(np.diag(random(n))),
    "swaps": lambda n: np.eye(n)[::-1].copy(),
    "graded": graded,
    "graded upwards": lambda n: graded(n)[::-1, ::-1].copy(),
    "two clusters": lambda n: with_spectrum(np.where(np.arange(n) < n // 2, -1.0, 1.0) + 1e-14 * np.arange(n), n),
}
MATRICES = DEFINITE | OTHERS
SIZES = [1, 2, 3, 4, 5, 8, 9, 17, 33, 60]


def scaled(A, d):
    return A * np.outer(d, d)


def kernel(function, result, *arguments):
    """The kernel, compiled for these types, as Python calls it."""
    return compiled(function, result(*arguments), "entry")


def dirty(*shape):
    return np.full(shape, np.nan)


boolean, void = types.boolean, types.void
