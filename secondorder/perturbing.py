"""perturb(): noise that leaves a saddle, for loops of one's own, on arrays here or on a CUDA device."""

import functools
import math

import numpy as np

from secondorder.backends import is_on_device
from secondorder.jit import compiled, entry_point, f8, intp, vector
from secondorder.subproblems.perturbation import in_ball


def perturb(x, radius, *, seed=0, number=0, stream=None):
    """Add noise to an array in place: a vector that is uniform in a ball.

    It is what "perturbed-gd" and the escape "perturbation" leave saddles with, for loops of one's own: a point where
    the gradient is small, moved so, and followed downhill, leaves a strict saddle with high probability.

    Parameters
    ----------
    x : array of float32 or float64, of any shape, contiguous
        NumPy's, or on a CUDA device: anything with ``__cuda_array_interface__``. It is changed.
    radius : float
        Of the ball, in the 2-norm of all of x, >= 0.
    seed, number : int
        Of the noise, >= 0: equal ones give equal noise, on a device up to rounding. Raise `number` from one
        perturbation to the next.
    stream : optional
        Where x is on a device, what the kernels are queued in: a stream of numba.cuda, CuPy or PyTorch, or its handle.

    Raises
    ------
    TypeError, ValueError
        For arguments that are wrong.
    RuntimeError
        For an array on a device where none can be used.

    References
    ----------
    Jin, Ge, Netrapalli, Kakade, Jordan. How to escape saddle points efficiently. ICML 2017. Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> x = np.zeros((3, 2))
    >>> so.perturb(x, 1e-3, seed=7)
    >>> bool(0.0 < np.linalg.norm(x) <= 1e-3)
    True
    """
    if not isinstance(radius, int | float | np.number) or not 0.0 <= radius < math.inf:
        raise ValueError(f"radius must be a number >= 0; it is {radius!r:.100}")
    for name, value in (("seed", seed), ("number", number)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{name} must be an integer >= 0; it is {value!r:.100}")
    numbers = int(seed), int(number), float(radius)
    if is_on_device(x):
        from secondorder.backends import cuda, cuda_solvers  # on use: numba.cuda takes as long to import as all else

        cuda.check_available("an array on a device", "a copy of it in NumPy")
        cuda_solvers.perturb(x, *numbers, stream)
        return
    if stream is not None:
        raise ValueError(f"stream={stream!r:.100} is for arrays on a CUDA device; x is not there")
    if not isinstance(x, np.ndarray) or x.dtype not in (np.float32, np.float64):
        raise TypeError(f"x must be an array of float32 or float64, which is changed; it is {x!r:.100}")
    xi = np.empty(x.size)
    if x.size > 0:
        host_entry()(*numbers, xi)
    x += xi.reshape(x.shape).astype(x.dtype)


def run_in_ball(seed, number, radius, xi):
    """`perturbation.in_ball`, for Python."""
    in_ball(seed, number, radius, xi)
    return 0


@functools.cache
def host_entry():
    """The same, compiled."""
    return entry_point(compiled(run_in_ball, intp(intp, intp, f8, vector), "entry"))
