"""The front door of update rules: so.Adam(lr=1e-3), init, step; and the same rules as methods of minimize().

Each row of UPDATES becomes a class here, whose options are the rule's and those that all rules have.
"""

import inspect
import math
from typing import NamedTuple

import numpy as np

from secondorder.backends import is_on_device
from secondorder.backends import updates as backend
from secondorder.jit import Native, plain
from secondorder.options import RunOptions, check, lookup, refuse_unknown
from secondorder.schedules import as_schedule
from secondorder.updates import UPDATES, descent
from secondorder.updates.treatment import TREATMENT, CommonOptions, untreated

NO_ROW = np.empty(0)


class Own(NamedTuple):
    """Options that are not of a rule."""

    seed: int = 0  # of noise and of random signs, >= 0
    lookahead: int = 0  # steps from one synchronisation to the next, >= 0; 0: never
    lookahead_alpha: float = 0.5  # share of the way that stays, in [0, 1]


class UpdateState:
    """The state of an update for one array of parameters, made by `init` and changed by `step`.

    Attributes
    ----------
    k : int
        Steps done.
    lr : float
        The learning rate of the last step.
    rows : ndarray, shape (number of rows, n)
        The rule's state, a number a parameter in each row, of the parameters' number type.
    names : tuple of str
        What the rows are called in the rule's formulas: ``state["m"]`` is one of them.
    """

    def __init__(self, update, x):
        number = backend.NUMBERS[x.dtype]
        _rule, self.names = update.variant
        n = x.size
        self.k, self.lr = 0, math.nan
        self._update = update  # its options lie where the program points
        self.shape, self.dtype = x.shape, x.dtype
        self.rows = np.empty((len(self.names), n), x.dtype)
        for row, value in zip(self.rows, update.rule.start(update.options)):
            row[:] = value
        self.mask = update.mask_for(x)
        self.noise = np.empty(n if update.common.gradient_noise > 0.0 else 0, x.dtype)
        self.slow = x.copy() if update.own.lookahead > 0 else None
        self._c = np.zeros(TREATMENT + descent.N_COEFFICIENTS, x.dtype)
        self._memory = np.zeros(descent.N_MEMORY)
        self._program = update.program(number, n)
        self._enter = backend.entry(number)

    def __getitem__(self, name):
        if name not in self.names:
            raise KeyError(f"{name!r} is no row of this state; it has {', '.join(self.names) or 'none'}")
        return self.rows[self.names.index(name)]


def n_coefficients(rule, names):
    """How many coefficients a scalar rule (x, g, *state, *coefficients) takes. names: of its state."""
    return len(inspect.signature(plain(rule)).parameters) - 2 - len(names)


class DeviceUpdateState(UpdateState):
    """The same for parameters on a CUDA device: `rows` is there, too, an array of numba.cuda.

    For a rule without state `rows` has one row that nothing reads.
    """

    def __init__(self, update, x, stream):
        from secondorder.backends import cuda, cuda_updates  # on use: numba.cuda takes as long to import as all else

        cuda.check_available("an array on a device", "a copy of it in NumPy")
        self.rule, self.names = update.variant
        self.k, self.lr, self._update = 0, math.nan, update
        mask = update.mask_for(x) if update.mask is not None else NO_ROW
        noisy, slow = update.common.gradient_noise > 0.0, update.own.lookahead > 0
        self._there = cuda_updates.State(x, update.rule.start(update.options), mask, noisy, slow, stream)
        self.shape, self.dtype, self.rows = self._there.shape, self._there.dtype, self._there.rows
        self._memory = np.zeros(descent.N_MEMORY)
        self._program = update.program(backend.NUMBERS[self.dtype], 0)
        self._rate, self._coefficients = backend.host_entry()
        self._count = n_coefficients(self.rule, self.names)

    def step(self, x, g, f, diagonal):
        """`Update.step`, after its checks of f and of the diagonal, which is None where it isn't read."""
        update, there, memory, k = self._update, self._there, self._memory, self.k + 1
        module, common = update.rule, update.common
        x, g = there.vector("x", x), there.vector("g", g)
        if diagonal is not None:
            there.set_row(self.names.index("d"), diagonal)
        program, measured, size = self._program.address, 0.0, 0.0
        lr = self._rate(program, memory, k, f)
        if k > 1 and getattr(module, "measures", None) is not None and module.measures(update.options):
            measured = there.measured(module.measure, x, g, lr)
        if math.isfinite(common.clip_norm):
            size = there.norm(g)
        if common.gradient_noise > 0.0:
            there.make_noise(update.own.seed, k, common)
        self._coefficients(program, memory, k, lr, f, measured, size)
        c = memory[descent.C : descent.SUMS]
        there.sweep(self.rule, len(self.names), self._count, update.treatment, x, g, c)
        if there.slow is not None and k % update.own.lookahead == 0:
            there.synchronise(x, update.own.lookahead_alpha)
        self.k, self.lr = k, lr


class Update:
    """A first-order update rule with its options: the base of `Adam`, `SGD` and so on.

    Parameters
    ----------
    lr : float, Schedule or callable
        The learning rate, or one of `secondorder.schedules`, or a function ``t -> lr`` of the number of steps done.
    weight_decay : float, default 0.0
        lambda, >= 0: L2, its gradient lambda x is added to g; or decoupled. Other defaults: AdamW, Lion, Sophia.
    decoupled : bool, default False
        Weight decay as ``x -= lr lambda x`` before the rule.
    clip_norm : float, default inf
        The largest |g|_2, > 0: longer gradients are shortened.
    clip_value : float, default inf
        The largest |g_i|, > 0, after that.
    gradient_noise, noise_decay : float, default 0.0 and 0.55
        Normal noise of standard deviation ``gradient_noise k**(-noise_decay / 2)`` is added to g in step k.
    mask : array_like, optional
        Of the shape of x: 1 where weight decay acts, 0 where not (biases).
    lookahead, lookahead_alpha : int, default 0; float, default 0.5
        Every `lookahead` steps ``x = slow + lookahead_alpha * (x - slow)``, where slow was the last such x, at first
        x itself (Zhang, Lucas, Hinton, Ba 2019; they take 5 and 0.5). 0: never.
    seed : int, default 0
        Of the noise, and of random signs in `minimize`, >= 0.
    **options
        Those of the rule.

    Raises
    ------
    TypeError, ValueError
        For an option that is unknown, of the wrong kind, or outside its law.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> opt = so.AdamW(lr=1e-2, weight_decay=1e-3, clip_norm=1.0)
    >>> x = np.ones(3, dtype=np.float32)
    >>> state = opt.init(x)
    >>> opt.step(x, np.full(3, 2.0, dtype=np.float32), state)
    >>> state.k, x.dtype.name, bool(x[0] < 1.0)
    (1, 'float32', True)
    """

    rule = None

    def __init__(self, lr=None, *, mask=None, **options):
        module = self.rule
        if module is None:
            raise TypeError("Update is the base of the rules; take one of them, such as secondorder.Adam")
        known = ("lr", "mask", *self.option_names())
        refuse_unknown([name for name in options if name not in known], known, type(self).__name__, options)
        if lr is not None and not callable(lr) and (isinstance(lr, (str, bytes)) or np.ndim(lr) != 0):
            raise TypeError(
                f"lr={lr!r:.100} must be a number, a function t -> lr, or one of secondorder.schedules, such as "
                "schedules.cosine(0.1, steps=100)"
            )
        named = getattr(module, "NAMED", {})
        for name, table in named.items():
            if isinstance(options.get(name), str):
                options[name] = lookup(name, options[name], table)
            elif options.get(name) is not None and options[name] not in table.values():
                raise ValueError(f"option {name}={options[name]!r} must be one of {', '.join(table)}")
        if lr is not None and not callable(lr):
            options["lr"] = lr
        given = {name: value for name, value in options.items() if value is not None}
        self.options = check(module.Options, {k: v for k, v in given.items() if k in module.Options._fields})
        common = module.COMMON | {k: v for k, v in given.items() if k in CommonOptions._fields}
        self.common = check(CommonOptions, common)
        self.own = check(Own, {k: v for k, v in given.items() if k in Own._fields})
        self.schedule = as_schedule(lr if callable(lr) else self.options.lr)
        self.mask = None if mask is None else checked_mask(mask)
        self._native_options = Native(self.options)
        self._parameters = Native((self.schedule.vector,))
        self._keep = []

    @classmethod
    def option_names(cls):
        """Names of all options but lr and mask."""
        return (*cls.rule.Options._fields[1:], *CommonOptions._fields, *Own._fields)

    def init(self, x, stream=None):
        """The state for parameters x before the first step.

        Parameters
        ----------
        x : ndarray of float32 or float64
            Of any shape, contiguous in C order. It is neither kept nor changed. Or an array on a CUDA device, anything
            with ``__cuda_array_interface__``: then all steps are made there, and x and g of `step` are such arrays.
        stream : optional
            What steps on a device are queued in: a stream of numba.cuda, CuPy or PyTorch, or its handle.

        Returns
        -------
        UpdateState

        Raises
        ------
        TypeError, ValueError
            If x is no such array.
        """
        if is_on_device(x):
            return DeviceUpdateState(self, x, stream)
        if stream is not None:
            raise ValueError(f"stream={stream!r:.100} has no meaning for parameters in NumPy; leave it out")
        check_array("x", x)
        return UpdateState(self, x)

    def step(self, x, g, state, f=None, diagonal=None):
        """One step: x and state are changed in place.

        Steps of 100,000 parameters and more are shared by Numba's threads, if there were two or more when the state was
        made; the bits do not depend on their number.

        Parameters
        ----------
        x : ndarray
            The parameters, of the shape and number type that the state was made for.
        g : ndarray
            The gradient at x, likewise. It is not changed.
        state : UpdateState
            Made by `init`.
        f : float, optional
            The value at x: for FISTA with adaptive="function", iRprop+ and `reduce_on_plateau`.
        diagonal : ndarray, optional
            ``z * (H @ z)`` at x for random signs z: for AdaHessian and Sophia, in every step of which k - 1 is a
            multiple of their `interval`.

        Raises
        ------
        TypeError, ValueError
            If an array does not fit the state, or f or the diagonal is missing.
        """
        if not isinstance(state, UpdateState):
            raise TypeError(f"state must be what init(x) returned; it is {state!r:.100}: step(x, g, state)")
        if state._update is not self:
            raise ValueError(f"the state was made by another update, {state._update!r}; make one with init(x)")
        there = isinstance(state, DeviceUpdateState)
        if there and (not is_on_device(x) or not is_on_device(g)):
            raise TypeError(f"the state was made for x on a device; x is {type(x).__name__} and g {type(g).__name__}")
        if there:
            if g is x:
                raise ValueError("g is x; it must be an array of its own")
            state.step(x, g, self._value_for_step(f), self._diagonal_for_step(state.k + 1, diagonal))
            return
        if type(x) is not np.ndarray or type(g) is not np.ndarray:
            check_array("x", x)
            check_array("g", g)
        if x.shape != state.shape or x.dtype != state.dtype or not x.flags.c_contiguous or not x.flags.writeable:
            refuse_array("x", x, state)
        if g.shape != state.shape or g.dtype != state.dtype or not g.flags.c_contiguous:
            refuse_array("g", g, state)
        if g is x or np.may_share_memory(x, g):
            raise ValueError("g shares memory with x; it must be an array of its own: g.copy()")
        f, k = self._value_for_step(f), state.k + 1
        if self._diagonal_for_step(k, diagonal) is not None:
            state["d"][:] = diagonal_for(state, diagonal)
        program, c, memory = state._program.address, state._c, state._memory
        if x.ndim != 1:
            x, g = x.reshape(-1), g.reshape(-1)
        state.lr = state._enter(program, x, g, state.rows, state.mask, state.noise, c, memory, k, f)
        state.k = k
        if state.slow is not None and k % self.own.lookahead == 0:
            slow = state.slow.reshape(-1)
            backend.towards(state.dtype)(slow, x, self.own.lookahead_alpha)
            x[:] = slow

    @property
    def variant(self):
        """(rule, names of its rows) for these options."""
        choose = getattr(self.rule, "variant", None)
        return choose(self.options) if choose else (self.rule.rule, self.rule.STATE)

    def _value_for_step(self, f):
        """f, or 0 where it is not needed."""
        if f is None and self._needs_f:
            raise ValueError(f"{type(self).__name__}.step needs f, the value at x: step(x, g, state, f=value)")
        return 0.0 if f is None else number_of("f", f)

    def _diagonal_for_step(self, k, diagonal):
        """The diagonal, or None where step k reads none."""
        if "hvp" not in self.rule.NEEDS or (k - 1) % self.options.interval != 0:
            return None
        if diagonal is None:
            raise ValueError(
                f"{type(self).__name__}.step needs diagonal=z * (H @ z), z random signs, in step {k}; "
                "minimize() and so.hvp make the product"
            )
        return diagonal

    @property
    def _needs_f(self):
        needs_f = getattr(self.rule, "needs_f", None)
        return (needs_f is not None and needs_f(self.options)) or self.schedule.name == "reduce-on-plateau"

    @property
    def treatment(self):
        """What is done to the gradient, for the loop: nothing, if no option asks for it."""
        common = self.common
        masked, noisy = self.mask is not None and common.weight_decay > 0.0, common.gradient_noise > 0.0
        unclipped = math.isinf(common.clip_norm) and math.isinf(common.clip_value)
        nothing = common.weight_decay == 0.0 and not noisy and unclipped
        return untreated if nothing else backend.TREATMENTS[masked, noisy]

    def mask_for(self, x):
        """The mask as a vector of the number type of x; empty if there is none."""
        if self.mask is None:
            return np.empty(0, x.dtype)
        if self.mask.shape != x.shape:
            raise ValueError(f"mask has shape {self.mask.shape}; x has {x.shape}: they must be the same")
        return self.mask.reshape(-1).astype(x.dtype)

    def program(self, number, n):
        """The Program of this update for n parameters of a number type, in native form."""
        module, common = self.rule, self.common
        rule, names = self.variant
        count = n_coefficients(rule, names)
        treat, shared = self.treatment, backend.threads_for(n)
        measure = getattr(module, "measure", None)
        with_measure = measure is not None and module.measures(self.options)
        sweep = backend.sweep_address(rule, len(names), count, number, treat, shared)
        return Native(
            descent.Program(
                advance=backend.advance_address(module),
                options=self._native_options.address,
                sweep=sweep,
                measure=backend.measure_address(measure, number) if with_measure else 0,
                squares=backend.squares_address(number, shared) if math.isfinite(common.clip_norm) else 0,
                schedule=self.schedule.address,
                parameters=self._parameters.address,
                steady=self.schedule.steady,
                weight_decay=common.weight_decay,
                decoupled=common.decoupled,
                clip_norm=common.clip_norm,
                clip_value=common.clip_value,
                noise=common.gradient_noise,
                noise_decay=common.noise_decay,
                seed=self.own.seed,
            )
        )

    SEARCH = None

    @property
    def name(self):
        """The rule's name in UPDATES."""
        return next(name for name, module in UPDATES.items() if module is self.rule)

    def known_options(self):
        """Names of options of `minimize` that this update takes beside those of a run: it has its options already."""
        return ()

    def as_method(self, options):
        """(this update as `minimize` takes methods, the options that are left for the run)."""
        method = UpdateMethod(self)
        return method, options | method.options

    def __repr__(self):
        shown = {"lr": self.schedule if self.schedule.name != "constant" else self.options.lr}
        for options in (self.options, self.common):
            defaults = options._field_defaults | self.rule.COMMON
            shown |= {k: v for k, v in options._asdict().items() if k != "lr" and v != defaults[k]}
        for name, table in getattr(self.rule, "NAMED", {}).items():
            if name in shown:
                shown[name] = next(word for word, number in table.items() if number == shown[name])
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class UpdateMethod:
    """An update in the form of a module of `methods`: what `minimize` reads there."""

    SEARCH = None
    Options = descent.Options

    def __init__(self, update):
        self.update, self.NEEDS = update, update.rule.NEEDS
        self.solve = descent.solve_with_hvp if "hvp" in self.NEEDS else descent.solve
        self.n_work, self.n_memory = descent.n_work, descent.n_memory
        module = update.rule
        self.program = update.program(backend.f8, 0)  # one thread, however many parameters
        mask = NO_ROW if update.mask is None else update.mask.reshape(-1)
        self.mask = Native((mask,))
        fill = (*module.start(update.options), 0.0, 0.0, 0.0)
        self.options = {
            "program": self.program.address,
            "mask": self.mask.address,
            "n_state": len(update.variant[1]),
            "fill0": fill[0],
            "fill1": fill[1],
            "fill2": fill[2],
            "interval": getattr(update.options, "interval", 1),
            "lookahead": update.own.lookahead,
            "lookahead_alpha": update.own.lookahead_alpha,
        }

    def check_start(self, x):
        """ValueError if the mask does not fit x."""
        self.update.mask_for(x)


class ByName:
    """A rule by its name, whose options come with those of `minimize`."""

    SEARCH = None

    def __init__(self, name, cls):
        self.name, self.cls = name, cls

    def known_options(self):
        """Names of options beside those of a run."""
        return ("lr", "mask", *self.cls.option_names())

    def as_method(self, options):
        """(the update as `minimize` takes methods, the options that are left for the run)."""
        own = {key: value for key, value in options.items() if key in self.known_options()}
        left = {key: value for key, value in options.items() if key not in own or key in RunOptions._fields}
        method = UpdateMethod(self.cls(**own))
        return method, left | method.options


def checked_mask(mask):
    """The mask as an array of 0 and 1."""
    try:
        numbers = np.array(mask, dtype=np.float64)
        right = np.all((numbers == 0.0) | (numbers == 1.0))
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(f"mask={mask!r:.100} must hold 1 where weight decay acts and 0 where not, and nothing else")
    return numbers


def number_of(name, value):
    """The value as a float."""
    try:
        return float(None if isinstance(value, (str, bytes)) else value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}={value!r:.100} must be a number") from None


def check_array(name, x):
    """Is x an array that a step can change?"""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask a step would not see; take np.asarray({name})")
    if not isinstance(x, np.ndarray) or x.dtype not in backend.NUMBERS:
        kind = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(
            f"{name} must be an ndarray of float32 or float64; it is {kind}: take np.array({name}, dtype=float)"
        )
    if not x.flags.c_contiguous:
        raise ValueError(f"{name} must be contiguous in C order; take np.ascontiguousarray({name})")


def diagonal_for(state, diagonal):
    """The diagonal as a vector of the state's number type."""
    try:
        d = np.asarray(diagonal, dtype=state.dtype)
    except (TypeError, ValueError):
        raise TypeError(f"diagonal={diagonal!r:.100} must hold numbers") from None
    if d.shape != state.shape:
        raise ValueError(f"diagonal has shape {d.shape}; x has {state.shape}: they must be the same")
    return d.reshape(-1)


def refuse_array(name, x, state):
    """The error for an array that does not fit the state."""
    check_array(name, x)
    if not x.flags.writeable and x.shape == state.shape and x.dtype == state.dtype:
        raise ValueError(f"{name} is read-only; a step changes it: take a copy")
    raise ValueError(
        f"{name} has shape {x.shape} and type {x.dtype}; the state was made for {state.shape} and {state.dtype}"
    )


def _make_class(module):
    """The public class of a rule."""
    fields = (*module.Options._fields[1:], *CommonOptions._fields, *Own._fields)
    defaults = module.Options._field_defaults | CommonOptions._field_defaults | Own._field_defaults | module.COMMON
    words = {
        name: {number: word for word, number in table.items()} for name, table in getattr(module, "NAMED", {}).items()
    }
    defaults |= {name: table[defaults[name]] for name, table in words.items()}
    parameter = inspect.Parameter
    parameters = [parameter("lr", parameter.POSITIONAL_OR_KEYWORD, default=defaults["lr"])]
    parameters += [parameter(name, parameter.KEYWORD_ONLY, default=defaults[name]) for name in fields]
    parameters += [parameter("mask", parameter.KEYWORD_ONLY, default=None)]
    body = {"rule": module, "__doc__": module.__doc__, "__module__": __name__, "__signature__": None}
    body["__signature__"] = inspect.Signature(parameters)
    return type(module.NAME, (Update,), body)


CLASSES = {name: _make_class(module) for name, module in UPDATES.items()}
UPDATE_METHODS = {name: ByName(name, cls) for name, cls in CLASSES.items()}
globals().update({cls.__name__: cls for cls in CLASSES.values()})
