"""The options of a run: one table of names, defaults, laws and sources; checked once, at the front door."""

import difflib
import math
from typing import NamedTuple

from secondorder.jit import JIT_DISABLED
from secondorder.line_searches.initial_step import INITIAL_STEPS
from secondorder.line_searches.memory import MAX_WINDOW, SearchOptions
from secondorder.precision import roundings


class RunOptions(NamedTuple):
    """Options that every method has. The stopping test is |g|_inf <= max(gtol, grtol |g(x0)|_inf)."""

    gtol: float = 0.0  # absolute; if only gtol is given, grtol is 0, as in scipy
    grtol: float = roundings(power=0.5)  # relative to the start: sqrt(eps), as in JSOSolvers; free of f's scale
    xtol: float = 0.0  # stop, with success, when |s|_inf <= xtol |x|_inf; 0: off
    ftol: float = 0.0  # stop, with success, when |f_k - f_k+1| <= ftol max(|f_k|, |f_k+1|); 0: off
    fmin: float = -math.inf  # f at or below fmin is unbounded; default -1e20 max(1, |f(x0)|)
    maxiter: int = -1  # default max(10000, 200 n)
    maxfev: int = 2**62  # evaluations of f, those made for differences included
    time_limit: float = math.inf  # seconds, at least 0; looked at after an evaluation
    history: bool = False  # record a row an iteration
    disp: bool = False  # print the message at the end
    on_error: str = "raise"  # or "return": what an exception in the user's function does
    curvature: float = roundings(power=0.5)  # below -curvature |H| an eigenvalue is negative, >= 0; sqrt(eps), as grtol
    seed: int = 0  # of all that is random where a saddle is looked for and left, >= 0
    max_escapes: int = 20  # saddles that a run leaves at most, >= 0
    escape: str = "curvature"  # how it leaves them, by name: ESCAPES; no other misses fewer
    strict: bool = False  # set where the user gave a tolerance: then only that tolerance is success


# What scipy calls by another name.
SCIPY_NAMES = {
    "initial_trust_radius": "delta0",
    "max_trust_radius": "delta_max",
    "maxcor": "m",
    "maxls": "max_trials",
    "maxfun": "maxfev",
    "return_all": "history",
    "xrtol": "xtol",
}

# What other libraries call options of update rules by: not taken, but understood.
OTHER_NAMES = {"learning_rate": "lr", "epsilon": "eps", "b1": "beta1", "b2": "beta2", "betas": "beta1"}

FIT_NAMES = {"max_nfev": "maxfev"}  # of scipy's least_squares

SELECTORS = ("line_search", "initial_step")
FUNCTIONS = ("preconditioner",)  # options that may be functions of the user's, which reach the method as addresses
ADDRESSES = (*FUNCTIONS, "program", "mask")  # the last two of an update rule as a method
UNIT_INTERVAL = (
    *("shrink_min", "shrink_max", "bisect", "contract", "forget", "average", "skip", "damping", "warm"),
    *("momentum", "beta1", "beta2", "rho", "phi", "smoothing"),  # of update rules
)
AT_LEAST_0 = (
    *("gtol", "grtol", "xtol", "ftol", "maxiter", "time_limit", "noise", "switch", "preconditioner"),
    *("curvature", "seed", "max_escapes"),
    *("delta0", "sigma0", "spectral", "lower", "oracle_seed", "noise_seed", "small"),
    *("otol", "rtol", "cg_steps", "probes", "progress"),  # of least squares
    *("lr", "lr_decay", "eps", "eps_root", "accumulator", "momentum_decay", "kappa", "least"),  # of update rules
    *("weight_decay", "gradient_noise", "noise_decay", "lookahead", "patience"),
    *("overlap", "shift"),  # of fit
)


class Parsed(NamedTuple):
    """Checked options of one call."""

    run: RunOptions
    search: SearchOptions
    method: tuple
    line_search: object


def known_names(module):
    """All option names that a method takes; None: those that every method takes."""
    if module is None:
        return RunOptions._fields[:-1]
    of_search = (*SELECTORS, *[f for f in SearchOptions._fields if f != "initial"]) if module.SEARCH else ()
    own = module.known_options() if hasattr(module, "known_options") else module.Options._fields
    return (*RunOptions._fields[:-1], *of_search, *own)


def unknown_names(module, options):
    """The names in options that mean nothing to a method."""
    known = known_names(module)
    return [name for name in options if SCIPY_NAMES.get(name, name) not in known]


def parse(method, module, searches, options):
    """Options of the user -> Parsed. Raises ValueError or TypeError with the name, the value, the law and a way out."""
    refuse_unknown(unknown_names(module, options), known_names(module), method, options)
    options = {SCIPY_NAMES.get(name, name): value for name, value in options.items() if value is not None}
    line_search, search = parse_search(module, searches, options) if module.SEARCH else (None, {})
    own = {name: value for name, value in options.items() if name in module.Options._fields}
    for name, table in getattr(module, "NAMED", {}).items():
        if isinstance(own.get(name), str):
            own[name] = lookup(name, own[name], table)
        elif name in own and own[name] not in table.values() and name not in FUNCTIONS:
            raise ValueError(f"option {name}={own[name]!r} must be one of {', '.join(table)}")
    run = {name: value for name, value in options.items() if name in RunOptions._fields}
    run["strict"] = "gtol" in run or "grtol" in run
    if "gtol" in run:
        run.setdefault("grtol", 0.0)
    return Parsed(check(RunOptions, run), check(SearchOptions, search), check(module.Options, own), line_search)


def parse_search(module, searches, options):
    """(line search, fields of SearchOptions) of a method that has a search. Takes SELECTORS out of options."""
    selected = {name: options.pop(name, module.SEARCH[name]) for name in SELECTORS}
    for name, table in (("initial_step", INITIAL_STEPS), ("line_search", searches)):
        if isinstance(selected[name], str):
            selected[name] = lookup(name, selected[name], table)
    if selected["initial_step"] not in INITIAL_STEPS.values():
        raise ValueError(f"option initial_step={selected['initial_step']!r} must be one of {', '.join(INITIAL_STEPS)}")
    search = {name: value for name, value in module.SEARCH.items() if name not in SELECTORS}
    search |= {name: value for name, value in options.items() if name in SearchOptions._fields}
    search["initial"] = selected["initial_step"]
    return selected["line_search"], search


def refuse_unknown(names, known, method, options):
    """ValueError for the first of the names in options that mean nothing to the method."""
    for name in names:
        close = (
            [OTHER_NAMES[name]] if OTHER_NAMES.get(name) in known else difflib.get_close_matches(str(name), known, 1)
        )
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(
            f"option {name!r} (= {options[name]!r:.50}) is not known to method {method!r}; "
            f"{hint}Known: {', '.join(known)}"
        )


def parse_fit(method, module, options):
    """The same for a method of least squares: Parsed without search. The run's defaults are the module's."""
    known = (*[name for name in RunOptions._fields if name not in ("fmin", "strict")], *module.Options._fields)
    names = FIT_NAMES | SCIPY_NAMES
    refuse_unknown([name for name in options if names.get(name, name) not in known], known, method, options)
    options = {names.get(name, name): value for name, value in options.items() if value is not None}
    own = {name: value for name, value in options.items() if name in module.Options._fields}
    run = {name: value for name, value in options.items() if name in RunOptions._fields}
    tolerances = {"gtol", "grtol", "otol", "rtol"}
    run["strict"] = bool(tolerances & set(options))
    if run["strict"]:  # only the tolerances that were given
        run.setdefault("grtol", 0.0)
        own = {name: 0.0 for name in ("otol", "rtol") if name in module.Options._fields} | own
    return Parsed(check(RunOptions, module.RUN | run), None, check(module.Options, own), None)


def lookup(argument, name, table):
    """table[name], or an error that names what there is."""
    if not isinstance(name, str):
        raise TypeError(f"{argument}={name!r:.100} must be one of the names {', '.join(table)}")
    key = name.lower()
    if key in table:
        return table[key]
    close = difflib.get_close_matches(key, table, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(f"{argument}={name!r} is not known; {hint}Known: {', '.join(table)}")


def check(cls, given):
    """An instance of the option class, each value of the annotated type and within its law."""
    checked = {}
    for name, value in given.items():
        kind = cls.__annotations__[name]
        if kind is str:
            if name == "on_error" and value not in ("raise", "return"):
                raise ValueError(f"option on_error={value!r} must be 'raise' or 'return'")
            if name == "escape":
                value = escape_name(value)
            checked[name] = value
            continue
        if JIT_DISABLED and name in ADDRESSES and (callable(value) or isinstance(value, tuple)):
            checked[name] = value  # not compiled, it is its own address
            continue
        try:
            number = kind(None if isinstance(value, (str, bytes)) else value)  # float("0.1") would be one
        except (TypeError, ValueError, OverflowError):
            raise TypeError(f"option {name}={value!r} must be {_article(kind)}") from None
        if kind is not float and number != value:
            raise TypeError(f"option {name}={value!r} must be {_article(kind)}")
        broken = broken_law(name, number)
        if broken:
            raise ValueError(f"option {name}={value!r} must be {broken}")
        checked[name] = number
    options = cls(**checked)
    if cls is SearchOptions and not 0.0 < options.c1 < options.c2 < 1.0:
        raise ValueError(f"options c1={options.c1!r}, c2={options.c2!r} must satisfy 0 < c1 < c2 < 1")
    if cls is SearchOptions and not options.shrink_min <= options.shrink_max:
        raise ValueError(
            f"options shrink_min={options.shrink_min!r}, shrink_max={options.shrink_max!r} must satisfy "
            "shrink_min <= shrink_max"
        )
    return options


def escape_name(value):
    """The name of an escape as the table has it."""
    from secondorder.escapes import ESCAPES  # on use: runs that name none don't wait for it

    if not isinstance(value, str):
        raise TypeError(f"option escape={value!r} must be a name. Known: {', '.join(ESCAPES)}")
    lookup("option escape", value, ESCAPES)
    return value.lower()


def _article(kind):
    return {int: "a whole number", float: "a number", bool: "True or False"}[kind]


def broken_law(name, value):
    """The law that value breaks, or None. nan breaks every law."""
    if isinstance(value, float) and math.isnan(value):
        return "a number, not nan"
    if name in AT_LEAST_0:
        return None if value >= 0 else "at least 0"
    if name in (
        "maxfev",
        "m",
        "max_trials",
        "window",
        "pairs",
        "every",
        "interval",
        "batch_size",
        "epochs",
        "max_steps",
    ):
        if name == "window" and value > MAX_WINDOW:
            return f"at most {MAX_WINDOW}"
        return None if value >= 1 else "at least 1"
    if name in UNIT_INTERVAL:
        return None if 0 <= value < 1 else "in [0, 1)"
    if name in ("eta_max", "floor", "eps_h", "zeta", "backtrack", "decrease", "failure", "eta_minus"):
        return None if 0 < value < 1 else "in (0, 1)"
    if name == "eta":
        return None if 0 <= value < 0.25 else "in [0, 1/4)"
    positive = ("alpha", "alpha_max", "restart", "delta_max", "factor", "lambda0", "radius")
    positive += ("delta_min", "growth", "power", "gamma", "clip", "clip_norm", "clip_value")
    if name in positive and not isinstance(value, bool):
        return None if value > 0 else "positive"
    if name in ("dampening", "lookahead_alpha"):
        return None if 0 <= value <= 1 else "in [0, 1]"
    if name == "threshold":
        return None if value >= 4 else "at least 4"
    if name in ("expand", "eta_plus"):
        return None if value > 1 else "greater than 1"
    if name == "theta":
        return None if value > 0.25 else "greater than 1/4"
    return None
