"""Learning-rate schedules: `lr=schedules.cosine(...)` for any update rule, compiled with it.

    import secondorder as so
    opt = so.Adam(lr=so.schedules.cosine(1e-3, steps=1000).after_warm_up(50))

Each is a function of the number of steps t = 0, 1, 2, ... that were done; `secondorder.updates.schedules` has the
formulas. A function of one's own, ``t -> lr``, will do as `lr` too.
"""

import functools
import math

import numpy as np

from secondorder.backends import updates
from secondorder.updates.schedules import SCHEDULES


class Schedule:
    """A learning rate as a function of the number of steps.

    Parameters
    ----------
    function : callable
        ``function(t) -> lr``, plain Python that Numba can compile, or an `@njit` function. Those of this module come
        from their own functions, `cosine` and so on.

    Examples
    --------
    >>> import secondorder as so
    >>> half = so.schedules.Schedule(lambda t: 0.1 * 0.5**t)
    >>> half(0), half(3)
    (0.1, 0.0125)
    """

    def __init__(self, function):
        if not callable(function):
            raise TypeError(f"a schedule must be callable as t -> lr; it is {function!r:.100}")
        self.name = getattr(function, "__name__", repr(function))
        self.parameters = {}
        self._function, self._given = None, function
        self._warm_up = (0, 0.0)

    @classmethod
    def named(cls, name, **parameters):
        """The schedule of this name in SCHEDULES."""
        function, names = SCHEDULES[name]
        assert tuple(parameters) == names
        self = cls(function)
        self.name, self._function, self._given = name, function, None
        self.parameters = {key: checked(key, value) for key, value in parameters.items()}
        return self

    def after_warm_up(self, steps, start=0.0):
        """The same schedule after a warm-up.

        Parameters
        ----------
        steps : int
            Steps in which the rate rises along a line to the schedule's first, >= 0.
        start : float, default 0.0
            Where it rises from, as a share of that rate, >= 0.

        Returns
        -------
        Schedule

        Examples
        --------
        >>> import secondorder as so
        >>> so.schedules.constant(0.1).after_warm_up(4, start=0.5).rates(6).round(4).tolist()
        [0.05, 0.0625, 0.075, 0.0875, 0.1, 0.1]
        """
        other = object.__new__(Schedule)
        other.__dict__.update(self.__dict__)
        other._warm_up = (checked("steps", steps, "at least 0"), checked("start", start, "at least 0"))
        return other

    @property
    def vector(self):
        """All numbers, the warm-up's first, as compiled code gets them."""
        return np.array([*self._warm_up, *self.parameters.values()], dtype=np.float64)

    @property
    def steady(self):
        """The rate, if it is always the same; else nan."""
        always = self._function is SCHEDULES["constant"][0] and self._warm_up[0] == 0
        return self.parameters["lr"] if always else math.nan

    @functools.cached_property
    def address(self):
        """Address of the compiled function."""
        if self._function is not None:
            return updates.schedule_address(self._function)
        return updates.own_schedule(self._given)

    def rates(self, steps, f=None):
        """The rates of the first steps.

        Parameters
        ----------
        steps : int
            How many.
        f : array_like, shape (steps,), optional
            The value of the objective before each step, for `reduce_on_plateau`.

        Returns
        -------
        ndarray, shape (steps,)
        """
        steps = whole("steps", steps)
        f = np.zeros(steps) if f is None else np.ascontiguousarray(f, dtype=np.float64)
        if f.shape != (steps,):
            raise ValueError(f"f has shape {f.shape}; for {steps} steps it must have shape ({steps},)")
        out = np.empty(steps)
        updates.rates(self.address, self.vector, f, out)
        return out

    def __call__(self, t):
        """The rate after t steps."""
        return float(self.rates(whole("t", t) + 1)[-1])

    def __repr__(self):
        numbers = ", ".join(f"{name}={value:g}" for name, value in self.parameters.items())
        warm = f".after_warm_up({self._warm_up[0]:g}, {self._warm_up[1]:g})" if self._warm_up[0] else ""
        return f"{self.name.replace('-', '_')}({numbers}){warm}"


LAWS = {
    "positive": ("every", "steps", "factor", "power", "div", "final_div"),
    "at least 0": ("lr", "end", "patience", "cooldown", "least", "rtol"),
    "at least 1": ("growth",),
    "in (0, 1)": ("share",),
}


def checked(name, value, law=None):
    """A parameter as a float, or a ValueError with its law; None: that of LAWS."""
    try:
        number = float(None if isinstance(value, (str, bytes)) else value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}={value!r:.100} must be a number") from None
    keeps = {
        "positive": number > 0.0,
        "at least 0": number >= 0.0,
        "at least 1": number >= 1.0,
        "in (0, 1)": 0.0 < number < 1.0,
    }
    for each, names in LAWS.items():
        if (name in names if law is None else each == law) and not keeps[each]:
            raise ValueError(f"{name}={value!r} must be {each}")
    if not math.isfinite(number):
        raise ValueError(f"{name}={value!r} must be finite")
    return number


def whole(name, value, least=0):
    """A whole number."""
    if checked(name, value, "at least 0") != int(value) or value < least:
        raise ValueError(f"{name}={value!r} must be a whole number, at least {least}")
    return int(value)


def as_schedule(lr):
    """A number, a function or a Schedule as a Schedule."""
    if isinstance(lr, Schedule):
        return lr
    return Schedule(lr) if callable(lr) else constant(lr)


def constant(lr):
    """The same rate lr for every step.

    Parameters
    ----------
    lr : float
        >= 0.

    Returns
    -------
    Schedule
    """
    return Schedule.named("constant", lr=lr)


def step_decay(lr, factor=0.1, every=30):
    """lr, multiplied with `factor` every so many steps.

    Parameters
    ----------
    lr : float
        >= 0.
    factor : float, default 0.1
        > 0; as in PyTorch's StepLR.
    every : int, default 30
        Steps, > 0; the ImageNet habit, in epochs.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> import secondorder as so
    >>> so.schedules.step_decay(1.0, factor=0.5, every=2).rates(5).tolist()
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return Schedule.named("step-decay", lr=lr, factor=factor, every=every)


def exponential(lr, factor, steps=1):
    """lr factor^(t / steps).

    Parameters
    ----------
    lr : float
        >= 0.
    factor : float
        > 0, in so many steps; above 1 the rate grows.
    steps : float, default 1
        > 0.

    Returns
    -------
    Schedule
    """
    return Schedule.named("exponential", lr=lr, factor=factor, steps=steps)


def inverse_time(lr, steps, power=1.0):
    """lr / (1 + t / steps)^power: with a power in (1/2, 1], Robbins and Monro's condition.

    Parameters
    ----------
    lr : float
        >= 0.
    steps : float
        After which the rate is half, for power 1; > 0.
    power : float, default 1.0
        > 0.

    Returns
    -------
    Schedule
    """
    return Schedule.named("inverse-time", lr=lr, steps=steps, power=power)


def polynomial(lr, steps, end=0.0, power=1.0):
    """From lr to `end` along a power of the steps that are left; power 1 is a line.

    Parameters
    ----------
    lr : float
        >= 0.
    steps : int
        > 0.
    end : float, default 0.0
        The last rate, >= 0.
    power : float, default 1.0
        > 0.

    Returns
    -------
    Schedule
    """
    return Schedule.named("polynomial", lr=lr, steps=steps, end=end, power=power)


def cosine(lr, steps, end=0.0):
    """From lr to `end` along half a cosine.

    Parameters
    ----------
    lr : float
        >= 0.
    steps : int
        > 0.
    end : float, default 0.0
        The last rate, >= 0.

    Returns
    -------
    Schedule

    Examples
    --------
    >>> import secondorder as so
    >>> so.schedules.cosine(1.0, steps=4).rates(6).round(3).tolist()
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    return Schedule.named("cosine", lr=lr, steps=steps, end=end)


def warm_restarts(lr, steps, end=0.0, growth=1.0):
    """`cosine` again and again, each cycle `growth` times as long as the one before (SGDR).

    Parameters
    ----------
    lr : float
        >= 0.
    steps : int
        Of the first cycle, > 0.
    end : float, default 0.0
        The last rate of a cycle, >= 0.
    growth : float, default 1.0
        >= 1; as in PyTorch.

    Returns
    -------
    Schedule
    """
    return Schedule.named("warm-restarts", lr=lr, steps=steps, end=end, growth=growth)


def one_cycle(lr, steps, share=0.3, div=25.0, final_div=1e4):
    """From lr / div up to lr and down to lr / (div final_div), along cosines.

    Parameters
    ----------
    lr : float
        The largest rate, >= 0.
    steps : int
        Of the whole cycle, with share steps > 1.
    share : float, default 0.3
        Of the steps, for the way up, in (0, 1); as in PyTorch.
    div, final_div : float, default 25.0 and 1e4
        > 0; as in PyTorch.

    Returns
    -------
    Schedule
    """
    if not checked("share", share) * checked("steps", steps) > 1.0:
        raise ValueError(f"share={share!r} of steps={steps!r} must be more than one step: take more steps")
    return Schedule.named("one-cycle", lr=lr, steps=steps, share=share, div=div, final_div=final_div)


def reduce_on_plateau(lr, factor=0.1, patience=10, rtol=1e-4, cooldown=0, least=0.0):
    """lr, multiplied with `factor` whenever f has not fallen for more than `patience` steps.

    Parameters
    ----------
    lr : float
        >= 0.
    factor : float, default 0.1
        > 0; as in PyTorch, like all defaults here.
    patience : int, default 10
        >= 0.
    rtol : float, default 1e-4
        f counts as fallen below (1 - rtol) times the least f; >= 0.
    cooldown : int, default 0
        Steps after a reduction that do not count, >= 0.
    least : float, default 0.0
        The smallest rate, >= 0.

    Returns
    -------
    Schedule
    """
    return Schedule.named(
        "reduce-on-plateau", lr=lr, factor=factor, patience=patience, rtol=rtol, cooldown=cooldown, least=least
    )
