"""Averages of iterates: what stochastic methods hand out in place of their last, noisy point.

    average = so.ExponentialAverage(decay=0.999)
    mean = average.init(x)
    for ...:
        opt.step(x, g, state)
        average.update(x, mean)
    mean.x                          # in place of x

`fit` takes them as ``average=``.

References
----------
[1] Polyak, Juditsky. Acceleration of stochastic approximation by averaging. SIAM J. Control Optim. 30 (1992) 838-855.
    doi:10.1137/0330046
[2] Tarvainen, Valpola. Mean teachers are better role models. NIPS 2017. Eq. 1. arXiv:1703.01780
"""

import numpy as np

from secondorder.backends import updates as backend
from secondorder.jit import plain
from secondorder.schedules import checked, whole
from secondorder.update import check_array, refuse_array
from secondorder.updates.averaging import weight

plain_weight = plain(weight)


class AverageState:
    """An average of arrays.

    Attributes
    ----------
    x : ndarray
        The average, of the shape and number type of the arrays; a copy of the first array until there are others.
    k : int
        How many arrays were given.
    """

    def __init__(self, x):
        self.x, self.k = x.copy(), 0
        self.shape, self.dtype = x.shape, x.dtype
        self._towards = backend.towards(x.dtype)


class Average:
    """The base of averages: `law` is what `updates.averaging` makes weights of."""

    def init(self, x):
        """The state before the first array.

        Parameters
        ----------
        x : ndarray of float32 or float64
            Of any shape, contiguous in C order; its values are not used.

        Returns
        -------
        AverageState
        """
        check_array("x", x)
        return AverageState(x)

    def update(self, x, state):
        """Take x into the average.

        Parameters
        ----------
        x : ndarray
            Of the shape and number type that the state was made for.
        state : AverageState
            Made by `init`, changed in place.
        """
        if type(x) is not np.ndarray:
            check_array("x", x)
        if x.shape != state.shape or x.dtype != state.dtype or not x.flags.c_contiguous:
            refuse_array("x", x, state)
        state.k += 1
        weight = plain_weight(state.k, *self.law)
        if weight == 1.0:  # also where there is nothing to forget: an average of nan would stay nan
            state.x[...] = x
        elif weight > 0.0:
            state._towards(state.x.reshape(-1), x.reshape(-1), weight)


class PolyakAverage(Average):
    """The mean of all arrays but the first (Polyak and Ruppert).

    Parameters
    ----------
    start : int, default 0
        How many arrays at the beginning count for nothing: the way from the start to where the method settles; >= 0.

    References
    ----------
    [1] Polyak, Juditsky. Acceleration of stochastic approximation by averaging. SIAM J. Control Optim. 30 (1992)
        838-855. doi:10.1137/0330046

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> average = so.PolyakAverage(start=1)
    >>> mean = average.init(np.zeros(1))
    >>> for value in (100.0, 1.0, 2.0, 6.0):
    ...     average.update(np.array([value]), mean)
    >>> mean.x.tolist()
    [3.0]
    """

    def __init__(self, start=0):
        self.start = whole("start", start)
        self.law = (self.start, 1.0, True)


class ExponentialAverage(Average):
    """The moving average decay * average + (1 - decay) * x.

    Parameters
    ----------
    decay : float, default 0.999
        In [0, 1); as in PyTorch's AveragedModel.
    debias : bool, default False
        False: the average starts from the first array, as in PyTorch. True: from 0, divided by 1 - decay^k, as in
        Optax.

    References
    ----------
    [1] Tarvainen, Valpola. Mean teachers are better role models. NIPS 2017. Eq. 1. arXiv:1703.01780

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> average = so.ExponentialAverage(decay=0.5)
    >>> mean = average.init(np.zeros(1))
    >>> for value in (1.0, 2.0, 4.0):
    ...     average.update(np.array([value]), mean)
    >>> mean.x.tolist()
    [2.75]
    """

    def __init__(self, decay=0.999, debias=False):
        self.decay, self.debias = checked("decay", decay), bool(debias)
        if not 0.0 <= self.decay < 1.0:
            raise ValueError(f"decay={decay!r} must be in [0, 1)")
        self.law = (0, self.decay, self.debias)
