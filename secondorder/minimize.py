"""The front door: minimize(). Reads top to bottom as the story of a call.

1  the method is looked up, x copied, the options checked: every error of an argument is raised here
2  the objective becomes typed functions
3  the backend gives work arrays and a control block, and runs the solver
4  (the solver: methods/)
5  the outcome becomes a result
"""

import inspect
import math
import signal
import sys
import threading
import time
import warnings

import numpy as np

from secondorder import control as c
from secondorder.backends import serial
from secondorder.derivatives import in_python
from secondorder.derivatives.row_sums import RowSum, in_data
from secondorder.derivatives.row_sums import misfit as misfit_of
from secondorder.derivatives.trampolines import copied
from secondorder.jit import HVP, address_of, compiled
from secondorder.line_searches import LINE_SEARCHES
from secondorder.methods import METHODS
from secondorder.objective import BY_DIFFERENCES, DIFFERENCES, Given, Objective, typed_objective
from secondorder.options import FUNCTIONS, known_names, lookup, parse, refuse_unknown, unknown_names
from secondorder.result import OptimizeResult
from secondorder.result import attach as attach_result
from secondorder.status import (
    BELOW_FMIN,
    CONVERGED,
    GTOL,
    NO_DECREASE,
    NOT_FINITE,
    PRECISION,
    RAISED,
    REASONS,
    ROUNDING,
    SHRUNK,
    SIGNAL,
    STOP_ITERATION,
)

# scipy's names for what we call otherwise.
ALIASES = {"l-bfgs-b": "l-bfgs", "lbfgs": "l-bfgs", "gd": "gradient-descent", "nonlinear-cg": "cg"}
SECOND_ORDER = ("certify", "escape")
DEFAULT_METHOD = "l-bfgs"
SPARSE_LU = "sparse-lu"  # a preconditioner: factors of the sparse matrix that hess returns
FLOAT64 = np.dtype(np.float64)


def minimize(
    fun,
    x0,
    args=(),
    method=None,
    jac=None,
    hess=None,
    hessp=None,
    bounds=None,
    constraints=(),
    tol=None,
    callback=None,
    options=None,
    *,
    backend="auto",
    check_grad=False,
    second_order=None,
):
    """Minimize a differentiable function of one or more variables.

    The signature is scipy's. Nothing is ever called a success that is not one by the criterion named in the result.

    Parameters
    ----------
    fun : callable, Objective or FiniteSum
        ``fun(x, *args) -> float``, x of shape (n,): an `@njit` function, or plain Python. Plain Python is compiled by
        Numba where it can be, and else runs as it is, after one warning with the reason.
    x0 : array_like, shape (n,)
        Where to start. It is copied; any real dtype and order will do; a scalar counts as shape (1,).
    args : tuple, optional
        Further arguments of fun, jac, hess and hessp. New values of the same types compile nothing.
    method : str, Update or module, optional
        A name of `METHODS`, in any case; default "l-bfgs". scipy's "L-BFGS-B" is "l-bfgs". "auto" chooses by the number
        of variables and by whether there are second derivatives (`secondorder.choice`). A name of `UPDATES` or an
        update, ``so.Adam(lr=1e-2)``: fixed steps by this rule, whose options are taken too. A module of one's own with
        the skeleton of `methods` will do.
    jac : callable, True, "exact", "2-point", "3-point" or "cs", optional
        ``jac(x, *args) -> g``, shape (n,); True: fun returns (f, g). "exact": the gradient is generated from the source
        of fun (docs/differentiable.md); Unsupported is raised where it can't be. Or differences: forward, central, or
        the complex step, which needs an analytic fun. Default: "exact" where that is possible, else "2-point", after
        one warning that says why. ``result.derivatives`` tells which it was.
    hess, hessp : callable, optional
        ``hess(x, *args) -> H``, shape (n, n), dense, sparse or a LinearOperator; ``hessp(x, v, *args) -> H v``: for
        methods that use second derivatives, of which each makes one from the other; with any other method a
        RuntimeWarning says so. Default: exact, generated from the source of fun; where that can't be, central
        differences of gradients, after one warning. hess="2-point" or "3-point" asks for these.
        ``result.second_derivatives`` tells which it was.
    bounds, constraints : None
        Not supported: a ValueError says so. Bounds that bound nothing, ``[(None, None)] * n``, are accepted.
    tol : float, optional
        The same as ``options={"gtol": tol}``.
    callback : callable, optional
        Called after each iteration, as ``callback(intermediate_result=...)`` where that is the name of its only
        parameter, else as ``callback(x)``. It gets copies. Raising StopIteration ends the run with status 99.
    options : dict, optional
        ``gtol`` (0), ``grtol`` (1.5e-8): stop when ``|g|_inf <= max(gtol, grtol |g(x0)|_inf)``; if only gtol is given,
        grtol is 0. ``xtol``, ``ftol`` (0, off): further stops, success only because asked for. ``maxiter``
        (max(10000, 200 n)), ``maxfev``, ``time_limit`` seconds, ``fmin``, ``history`` (False), ``on_error`` ("raise" or
        "return"), ``line_search``, ``initial_step``, and the fields of `SearchOptions` and of the method's `Options`.
    backend : {"auto", "numba", "python"}
        "numba": fail rather than run fun in Python; "python": never compile it.
    check_grad : bool
        Before the first iteration compare the gradient with differences of fun, and raise a ValueError that names a
        component that is clearly wrong. Errors below 1e-3, kinks and rounding pass; of more than 50 variables one
        random direction is compared. `check_derivatives` looks closer. These evaluations are not counted.
    second_order : bool, "certify" or "escape", optional
        "certify": where the run ends with a small gradient, look at the least curvature there, so that a saddle is no
        success: ``result.certificate``. "escape" or True: and go on from a saddle, and from a point where the Newton
        step still promises more of f than grtol (f(x0) - f(x)), or what gtol is relative to |g(x0)|_inf in its place,
        if H is at hand: by hess, or for n <= 24 by products. False: neither, a small gradient is all that success
        means. Default: "escape" for methods that use second derivatives, False for others. These get Hessian
        products, as under `hessp`, if asked. The option ``escape`` ("curvature") is the way out, one of
        `secondorder.escapes`. See docs/saddles.md.

    Returns
    -------
    OptimizeResult
        See there for its fields.

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong, before anything is evaluated; for a gradient of the wrong shape or a value of f
        that is no real number, at the first evaluation.
    Exception
        Whatever fun, jac or callback raise, with the best point so far in its attribute ``optimize_result``. So has the
        KeyboardInterrupt of Ctrl-C.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> result = so.minimize(rosenbrock, np.array([-1.2, 1.0]))
    >>> result.success, bool(np.allclose(result.x, 1.0, atol=1e-4))
    (True, True)
    """
    begun = time.perf_counter()
    # 1 the arguments
    x = start_vector(x0)
    if hasattr(fun, "as_objective"):  # a FiniteSum, which has its own arguments
        fun, args = fun.as_objective(args)
    if type(args) is not tuple:
        args = (args,)
    if constraints or (bounds is not None and not unbounded(bounds)):
        refuse_constraints(bounds, constraints)
    check_functions(fun, jac, hess, hessp, callback, backend)
    jac = jac.lower() if isinstance(jac, str) else jac
    if isinstance(method, str) and method.lower() == "auto":
        from secondorder.choice import choose

        method, hess, chosen = choose(Given(fun, jac, hessp, hess), x, args, backend)
        options = chosen | (options or {})
    plan = find_plan(method, tol, options, second_order)
    if hess is not None or hessp is not None:
        warn_unused(plan, hess, hessp)
    if hasattr(plan.module, "check_start"):
        plan.module.check_start(x)

    if check_grad:
        from secondorder.checking import check_gradient

        check_gradient(fun, x, args, jac)

    # 2 the objective
    given = fun, jac, hessp, hess
    typed, args_type = typed_objective(given, args, plan.needs, backend)
    bound = typed.bind(args, args_type)

    if plan.factors_hess and (typed.in_python is None or not callable(hess)):
        raise ValueError(
            f"preconditioner={SPARSE_LU!r} needs hess=, a function that returns a scipy.sparse matrix; "
            f"it is {hess!r:.100}"
        )

    # 3, 4 the backend runs the solver
    run = serial.Run(plan, typed, bound, x)
    try:
        if callback is not None:
            run.notify(caller(callback, run))
        try:
            reason = run() if typed.in_python is None else interruptible(run)
        except serial.WroteX:  # once more, with a copy of x for the user's function
            run.retype(typed_objective(given, args, plan.needs, backend, copied)[0])
            reason = run()

        # 5 the result, while the workspace is still this call's
        result = result_of(run, reason, begun)
        if result["status"] == NOT_FINITE and isinstance(fun, RowSum):
            result.message += in_data(args)
    except BaseException as error:
        run.recover()
        result = result_of(run, RAISED, begun, f"{type(error).__name__}: {error}")
        if plan.run.on_error == "return" and isinstance(error, Exception):
            return result
        if result.nfev <= 1 and isinstance(fun, RowSum) and isinstance(error, Exception):
            misfit = misfit_of(fun, args, run.x)
            if misfit is not None:
                attach(misfit, result)
                raise misfit from error
        attach(error, result)
        raise
    finally:
        run.close()
        bound.close()

    if plan.run.disp:
        print(f"{plan.name}: {result.message}; {result.nit} iterations, {result.nfev} evaluations")
    if reason == SIGNAL:
        error = KeyboardInterrupt("secondorder.minimize was interrupted")
        attach(error, result)
        raise error
    return result


# ------------------------------------------------------------------------------------------------ 1 the arguments


def start_vector(x0, name="x0"):
    """A private, contiguous float64 copy of x0, in errors under this name."""
    if type(x0) is np.ndarray and x0.dtype is FLOAT64 and x0.ndim == 1:
        return x0.copy()
    if masked(x0):
        raise TypeError(f"{name} has masked entries, and a start has none: fill them, {name}.filled(...)")
    try:
        given = np.asarray(x0)
        if given.dtype.kind == "O":  # None would become nan
            given = np.array([float(value) for value in given.flat]).reshape(given.shape)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold real numbers; it is {x0!r:.200}") from error
    if given.dtype.kind == "c":
        raise TypeError(f"{name} must hold real numbers; it is complex. Minimize over real and imaginary parts instead")
    if given.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers; it is {x0!r:.200}")
    x = np.array(given, dtype=np.float64, order="C")
    if x.ndim == 0:
        x = x.reshape(1)
    if x.ndim != 1:
        raise ValueError(
            f"{name} has shape {x.shape}; minimize takes a vector of shape (n,). Use {name}.ravel() for one problem"
        )
    return x


def masked(value):
    """Has it masked entries? Before numpy.ma is loaded, which takes a while, nothing has."""
    return "numpy.ma" in sys.modules and np.ma.is_masked(value)


def unbounded(bounds):
    """Do bounds in one of scipy's two forms, pairs or an object with lb and ub, bound nothing?"""
    try:
        pairs = bounds if not hasattr(bounds, "lb") else [(bounds.lb, bounds.ub)]
        return all(
            (low is None or np.all(np.equal(low, -np.inf))) and (high is None or np.all(np.equal(high, np.inf)))
            for low, high in pairs
        )
    except (TypeError, ValueError):  # in no form of scipy's
        return False


def refuse_constraints(bounds, constraints):
    """Only unconstrained problems are solved."""
    name, value = ("constraints", constraints) if constraints else ("bounds", bounds)
    raise ValueError(
        f"{name}={value!r:.100} is not supported: secondorder minimizes without constraints. "
        "Transform the variables (x = exp(u) for x > 0), or use scipy.optimize"
    )


def check_functions(fun, jac, hess, hessp, callback, backend):
    """Are the functions functions?"""
    if not isinstance(fun, Objective) and not callable(fun):
        raise TypeError(f"fun must be callable; it is {fun!r:.200}")
    if isinstance(fun, Objective) and jac is not None:
        raise ValueError("jac was given beside an Objective, which brings its own gradient; leave jac out")
    if jac is not None and jac is not True and jac is not False and not callable(jac):
        if not isinstance(jac, str):
            words = ", ".join(("exact", *DIFFERENCES))
            raise TypeError(f"jac must be callable, True, None or one of {words}; it is {jac!r:.200}")
        lookup("jac", jac, {"exact": None, **DIFFERENCES})
    for name, value in (("hess", hess), ("hessp", hessp)):
        if value is not None and not callable(value) and not (name == "hess" and isinstance(value, str)):
            raise TypeError(f"{name} must be callable; it is {value!r:.200}")
        if isinstance(value, str):
            lookup("hess", value, dict.fromkeys(BY_DIFFERENCES))
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable; it is {callback!r:.200}")
    if backend not in ("auto", "numba", "python"):
        raise ValueError(f"backend={backend!r} must be 'auto', 'numba' or 'python'")


def warn_unused(plan, hess, hessp):
    """scipy's warning, in its words, for second derivatives that the method does not use."""
    if "hvp" in plan.needs or "hess" in plan.needs:  # the one is made from the other
        return
    for name, value in (("hess", hess), ("hessp", hessp)):
        if value is not None:
            text = f"Method {plan.name} does not use Hessian information ({name})."
            warnings.warn(text, RuntimeWarning, stacklevel=3)


_plans = {}


def find_plan(method, tol, options, second_order=None):
    """The compiled solver and the checked options; remembered by what was given."""
    try:
        key = (method, tol, tuple(options.items()) if options else None, second_order)
        plan = _plans.get(key)
    except (TypeError, AttributeError):  # unhashable, or no dict
        key = plan = None
    if plan is None:
        plan = make_plan(method, tol, options, second_order)
        if key is not None and len(_plans) < 1024:
            _plans[key] = plan
    return plan


def make_plan(method, tol, options, second_order=None):
    """Look the method up, check the options, compile the solver and its line search."""
    if options is not None and not isinstance(options, dict):
        raise TypeError(f"options must be a dict; it is {options!r:.200}")
    options = dict(options or {})
    if tol is not None:
        options.setdefault("gtol", tol)
    name, module = find_method(method)
    functions = {key: serial.compiled_function(key, options[key]) for key in FUNCTIONS if callable(options.get(key))}
    sparse = str(options.get("preconditioner")).lower() == SPARSE_LU
    if sparse:
        functions["preconditioner"] = compiled(in_python.precondition, HVP, "bridge")
    options |= {key: address_of(function, HVP) for key, function in functions.items()}
    if hasattr(module, "as_method"):  # an update rule
        refuse_unknown(unknown_names(module, options), known_names(module), name, options)
        module, options = module.as_method(options)
    parsed = parse(name, module, LINE_SEARCHES, options)
    plan = serial.Plan(name, module, parsed, functions, examination(module, parsed.run, second_order))
    plan.factors_hess = sparse
    return plan


def looks_asked(module, second_order):
    """Are points where runs end looked at? False or one of SECOND_ORDER."""
    if second_order not in (None, True, False, *SECOND_ORDER):
        raise ValueError(f"second_order={second_order!r} must be True, False or one of {', '.join(SECOND_ORDER)}")
    if second_order is None:
        second_order = "hvp" in module.NEEDS or "hess" in module.NEEDS
    return SECOND_ORDER[-1] if second_order is True else second_order


def examination(module, options, second_order):
    """How points where runs end are looked at, or None."""
    asked = looks_asked(module, second_order)
    if asked is False:
        return None
    from secondorder.backends.saddle import Examination  # on use: first-order methods don't wait for it

    return Examination(module, options, asked != "certify")


def method_name(method):
    """A method's name as the tables have it."""
    name = method.lower().replace("_", "-")
    return ALIASES.get(name, name)


def find_method(method):
    """(name, module) of a method given by name, alias or as a module."""
    if method is None:
        method = DEFAULT_METHOD
    if not isinstance(method, str):
        if isinstance(method, type) and hasattr(method, "as_method"):
            raise TypeError(f"method must be an update; it is the class {method.__name__}: write {method.__name__}()")
        if hasattr(method, "as_method"):
            return method.name, method
        if not hasattr(method, "solve"):
            raise TypeError(f"method must be a name, an update or a module with solve(); it is {method!r:.200}")
        return method.__name__.rpartition(".")[2].replace("_", "-"), method
    name = method_name(method)
    if name in METHODS:
        return name, METHODS[name]
    from secondorder.fits import FITS  # on use: other methods don't wait for these
    from secondorder.update import UPDATE_METHODS

    if name in FITS:
        raise ValueError(f"method={method!r} fits residuals: it is for least_squares, or least_squares_batch for many")
    return name, lookup("method", name, METHODS | UPDATE_METHODS)


# ------------------------------------------------------------------------------------- 3 callbacks and interrupts


def caller(callback, run):
    """What the solver calls after each iteration."""
    try:
        by_name = list(inspect.signature(callback).parameters) == ["intermediate_result"]
    except (TypeError, ValueError):  # builtins have no signature
        by_name = False

    def call():
        try:
            if by_name:
                callback(intermediate_result=run.snapshot())
            else:
                callback(run.point().copy())
        except StopIteration:
            run.counts[c.STOP] = STOP_ITERATION

    return call


def interruptible(run):
    """Run with a Python objective: Ctrl-C sets the stop flag instead of raising inside the objective.

    The default handler's KeyboardInterrupt can surface in the middle of Numba's bridge, as a SystemError.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return run()

    def stop(number, frame):
        if run.counts[c.STOP] == SIGNAL:  # the second Ctrl-C: at once
            raise KeyboardInterrupt
        run.counts[c.STOP] = SIGNAL

    signal.signal(signal.SIGINT, stop)
    try:
        return run()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# ----------------------------------------------------------------------------------------------- 5 the result


def result_of(run, reason, begun, detail=None):
    """The outcome as people read it."""
    plan, typed = run.plan, run.typed
    if reason == ROUNDING and not plan.run.strict:
        reason = PRECISION
    status, word, sentence = REASONS[reason]
    counts, values = run.counts.tolist(), run.unscaled_values()  # Python numbers: indexing arrays is slow
    gnorm = values[c.GNORM]
    result = OptimizeResult(
        x=run.x,
        fun=values[c.F],
        jac=run.gradient(counts, values),
        success=status == CONVERGED,
        status=status,
        message=detail or message(reason, sentence, values, run.certificate, plan),
        reason=word,
        criteria=criteria(plan.run, values),
        optimality=gnorm,
        nit=counts[c.N_ITER],
        nfev=counts[c.N_FUN],
        njev=counts[c.N_GRAD],
        nhev=counts[c.N_HVP] + counts[c.N_HESS],
        nrestart=counts[c.N_RESTART],
        nskip=counts[c.N_SKIP],
        elapsed=time.perf_counter() - begun,
        method=plan.name,
        derivatives=typed.derivatives,
        backend=typed.backend,
    )
    if typed.second_derivatives is not None:
        result["second_derivatives"] = typed.second_derivatives
    if plan.examine is not None:
        result["certificate"] = run.certificate
    if plan.examine is not None or plan.perturbs:
        result["nescape"] = counts[c.N_ESCAPE]
    if run.extra_fields is not None:
        result.update(run.extra_fields)
    if plan.run.history:
        rows = run.trace[: counts[c.N_ITER] + 1]
        result["history"] = {name: rows[:, k].copy() for k, name in enumerate(c.TRACE)}
    return result


def criteria(options, values):
    """Each stopping criterion in force: its value, its threshold, whether it is met."""
    gnorm, threshold = values[c.GNORM], values[c.THRESHOLD]
    found = ({"name": "gtol", "value": gnorm, "threshold": threshold, "met": gnorm <= threshold},)
    if options.xtol > 0.0:
        value = values[c.STEP] / values[c.X_NORM] if values[c.X_NORM] > 0.0 else math.inf
        found += ({"name": "xtol", "value": value, "threshold": options.xtol, "met": value <= options.xtol},)
    if options.ftol > 0.0:
        size = max(abs(values[c.F]), abs(values[c.F] + values[c.DECREASE]))
        value = abs(values[c.DECREASE]) / size if size > 0.0 else 0.0
        found += ({"name": "ftol", "value": value, "threshold": options.ftol, "met": value <= options.ftol},)
    return found


def message(reason, sentence, values, certificate, plan):
    """The sentence of a reason, with the numbers that show it."""
    if reason == GTOL and certificate is None:  # they are in criteria; formatting them takes longer than many a solve
        return sentence
    known = "" if certificate is None else f"; {certificate.established()}"
    if reason == GTOL:
        return sentence + known
    if reason == BELOW_FMIN:
        return f"{sentence} (fmin = {values[c.F_MIN]:.3g}, f = {values[c.F]:.3g})"
    text = f"{sentence}: |g|_inf = {values[c.GNORM]:.3g}, tolerance {values[c.THRESHOLD]:.3g}"
    if reason in (ROUNDING, PRECISION, NO_DECREASE, SHRUNK):
        last, end = ("steps", "") if plan.module.SEARCH is None else ("search", f"at step {values[c.TRIAL_ALPHA]:.3g} ")
        text += (
            f"; the last {last} had slope {values[c.SLOPE]:.3g}, hoped for a decrease of {values[c.EXPECTED]:.3g} in "
            f"f = {values[c.F]:.6g}, and ended {end}with f - f(x) = {values[c.TRIAL_F] - values[c.F]:.3g} and slope "
            f"{values[c.TRIAL_SLOPE]:.3g}"
        )
    return text + known


def attach(error, result, function="minimize"):
    """Give an exception the best point so far."""
    attach_result(
        error,
        result,
        f"raised in secondorder.{function} after {result.nfev} evaluations; .optimize_result has the best point",
    )
