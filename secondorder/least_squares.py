"""The front door of least squares: least_squares(). The same story as `minimize`, with residuals in place of f.

1  the method is looked up, x copied, the options checked: every error of an argument is raised here
2  the residuals at x0 tell how many there are; they, their Jacobian and their loss become typed functions
3  the backend gives work arrays and a control block, and runs the solver
4  (the solver: fits/)
5  the outcome becomes a result
"""

import math
import time

import numpy as np

from secondorder import control as c
from secondorder.backends import fits as backend_of_fits
from secondorder.derivatives import in_python
from secondorder.derivatives.trampolines import copied, itself
from secondorder.fits import FITS
from secondorder.fits.losses import CUSTOM, LINEAR, LOSSES, Loss
from secondorder.jit import Native
from secondorder.minimize import (
    attach,
    caller,
    interruptible,
    refuse_constraints,
    start_vector,
    unbounded,
)
from secondorder.minimize import criteria as criteria_of_run
from secondorder.objective import DIFFERENCES
from secondorder.options import lookup, parse_fit
from secondorder.residual import Data, custom_loss, find_residual
from secondorder.result import OptimizeResult
from secondorder.status import (
    CONVERGED,
    GTOL,
    NO_DECREASE,
    NOT_FINITE_START,
    NOT_FINITE_STEP,
    OTOL,
    PRECISION,
    RAISED,
    REASONS,
    ROUNDING,
    RTOL,
    SIGNAL,
)

# scipy's names
ALIASES = {"lm": "levenberg-marquardt", "trf": "levenberg-marquardt", "dogbox": "dogleg"}
DEFAULT_METHOD = "levenberg-marquardt"


def least_squares(
    residual,
    x0,
    jac=None,
    bounds=None,
    method=None,
    ftol=None,
    xtol=None,
    gtol=None,
    x_scale=None,
    loss="linear",
    f_scale=1.0,
    max_nfev=None,
    args=(),
    callback=None,
    options=None,
    *,
    backend="auto",
):
    r"""Minimize a sum of squares, or of a robust loss, of residuals: 1/2 sum f_scale^2 rho((r_i(x) / f_scale)^2).

    The names are those of `scipy.optimize.least_squares`. Jacobians are exact by default, generated from the source of
    residual. A stationary point may be a saddle of the cost, which J can't show: `classify` does.

    Parameters
    ----------
    residual : callable
        ``residual(x, *args) -> r``, r of shape (m,), x of shape (n,): an `@njit` function, or plain Python,
        which is compiled by Numba where it can be, and else runs as it is, after one warning with the reason.
    x0 : array_like, shape (n,)
        Where to start. It is copied; a scalar counts as shape (1,).
    jac : callable, True, pair of callables, "exact", "2-point", "3-point" or "cs", optional
        ``jac(x, *args) -> J``, shape (m, n); True: residual returns (r, J). A pair ``(jvp, vjp)``, ``jvp(x, v, *args)``
        = J v and ``vjp(x, u, *args)`` = J'u, for methods without matrices. "exact": generated from the source
        (docs/differentiable.md). Or differences. Default: "exact" where that is possible, else "2-point", after one
        warning that says why.
    bounds : None
        Not supported, unless they bound nothing.
    method : str or module, optional
        A name of `FITS`; default "levenberg-marquardt". scipy's "lm" and "trf" are "levenberg-marquardt".
    ftol, xtol, gtol, max_nfev : float, optional
        As in ``options``: there are no defaults of 1e-8 as in scipy.
    x_scale : array_like, "jac" or None, optional
        Characteristic size of each variable. Default, "jac": the inverse of the largest norm that the column of the
        Jacobian has had.
    loss : {"linear", "huber", "soft_l1", "cauchy", "arctan"} or callable, optional
        rho, or a function ``loss(z)`` that returns rho, rho' and rho'' at each z, shape (3, m): see fits/losses.py.
    f_scale : float, optional
        The residual from which a loss counts as an outlier.
    args : tuple, optional
        Further arguments of residual and jac. New values of the same types compile nothing.
    callback : callable, optional
        Called after each iteration, as in `minimize`.
    options : dict, optional
        ``otol`` (1.5e-8): stop when the linear model of the residuals promises no less than 1 - otol^2 times the cost;
        ``rtol`` (2.2e-16): stop when sqrt(2 cost) is that small a part of what it was at x0. Both are methods' with
        Jacobians, and both off if a tolerance is given without them. ``gtol``, ``grtol``, ``xtol``, ``ftol``,
        ``maxiter``, ``maxfev``, ``time_limit``, ``history``, ``disp``, ``on_error`` as in `minimize`; and the fields of
        the method's `Options`.
    backend : {"auto", "numba", "python"}
        "numba": fail rather than run residual in Python; "python": never compile it.

    Returns
    -------
    OptimizeResult
        x, cost, ``fun`` (the residuals at x), ``jac`` (their Jacobian at x, (m, n), not weighted by the loss), ``grad``
        (of the cost), ``optimality`` (its largest component), ``success``, ``status``, ``reason``, ``message``,
        ``criteria``, ``nit``, ``nfev``, ``njev``, ``nhev`` (products J'J v), ``elapsed``, ``method``, ``derivatives``,
        ``backend``. Of methods with Jacobians ``covariance``, 2 cost / (m - n) (J'J)^-1 with J weighted by the loss, as
        in `scipy.optimize.curve_fit`, and ``rank`` of J: if it is less than n, or m = n, all of covariance is infinite.

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong.
    Exception
        Whatever the user's functions raise, with the best point so far in its attribute ``optimize_result``.

    References
    ----------
    [1] More. The Levenberg-Marquardt algorithm: implementation and theory. Lecture Notes in Mathematics 630 (1978)
        105-116. doi:10.1007/BFb0067700. The default method: algorithm 7.1, with the scaling of section 6.
    [2] Bates, Watts. A relative offset orthogonality convergence criterion for nonlinear least squares. Technometrics
        23 (1981) 179-183. doi:10.1080/00401706.1981.10486257. The default stop, but for degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def misfit(p, t, y):
    ...     return p[0] * np.exp(-p[1] * t) + p[2] - y
    >>> t = np.linspace(0.0, 4.0, 50)
    >>> y = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.05 * np.random.default_rng(7).standard_normal(50)
    >>> fit = so.least_squares(misfit, [1.0, 1.0, 0.0], args=(t, y))
    >>> fit.success, fit.x.round(3).tolist()
    (True, [2.518, 1.335, 0.494])
    >>> np.sqrt(np.diag(fit.covariance)).round(3).tolist()
    [0.027, 0.031, 0.012]

    A robust loss takes little notice of an outlier:

    >>> y[20] += 10.0
    >>> fit = so.least_squares(misfit, [1.0, 1.0, 0.0], args=(t, y), loss="cauchy", f_scale=0.1)
    >>> fit.x.round(2).tolist()
    [2.51, 1.32, 0.49]
    """
    begun = time.perf_counter()
    # 1 the arguments
    x = start_vector(x0)
    if type(args) is not tuple:
        args = (args,)
    if bounds is not None and not (unbounded(bounds) or unbounded([bounds])):
        refuse_constraints(bounds, ())
    check_functions(residual, jac, loss, callback, backend)
    jac = jac.lower() if isinstance(jac, str) else jac
    jac = None if jac is False else jac
    plan = find_plan(method, options, ftol, xtol, gtol, max_nfev)
    scaling = check_scale(x_scale, x)
    loss_given = find_loss(loss, f_scale, backend)

    # 2 the residuals
    own = itself
    found, args_type = find_residual(residual, jac, args, plan.needs, backend)
    data, run = Data(found, args, args_type), None
    try:
        r, wrote = data.first(x)
        if wrote:  # from now on with a copy of x for the user's function
            own = copied
            found, _ = find_residual(residual, jac, args, plan.needs, backend, own)
        if r.shape[0] == 0:
            raise ValueError("residual must return at least one number; it returned an empty array")
        typed = found.typed(r.shape[0], x.shape[0])
        data.bind(typed)

        # 3, 4 the backend runs the solver
        run = backend_of_fits.FitRun(plan, typed, data, x, r, loss_given, scaling)
        if callback is not None:
            run.notify(caller(callback, run))
        reason = run() if typed.in_python is None and loss_given.handle is None else interruptible(run)

        # 5 the result, while the workspace is still this call's
        result = result_of(run, reason, begun)
    except BaseException as error:
        if run is None:
            raise
        result = result_of(run, RAISED, begun, f"{type(error).__name__}: {error}")
        if plan.run.on_error == "return" and isinstance(error, Exception):
            return result
        attach(error, result, "least_squares")
        raise
    finally:
        if run is not None:
            run.close()
        data.close()
        loss_given.close()

    if plan.run.disp:
        print(f"{plan.name}: {result.message}; {result.nit} iterations, {result.nfev} evaluations")
    if reason == SIGNAL:
        error = KeyboardInterrupt("secondorder.least_squares was interrupted")
        attach(error, result, "least_squares")
        raise error
    return result


# ------------------------------------------------------------------------------------------------ 1 the arguments


def check_functions(residual, jac, loss, callback, backend):
    """Are the functions functions?"""
    if not callable(residual):
        raise TypeError(f"residual must be callable; it is {residual!r:.200}")
    pair = isinstance(jac, tuple) and len(jac) == 2 and all(map(callable, jac))
    if jac is not None and jac is not True and jac is not False and not callable(jac) and not pair:
        if not isinstance(jac, str):
            words = ", ".join(("exact", *DIFFERENCES))
            raise TypeError(f"jac must be callable, True, (jvp, vjp), None or one of {words}; it is {jac!r:.200}")
        lookup("jac", jac, {"exact": None, **DIFFERENCES})
    if not callable(loss):
        if not isinstance(loss, str):
            raise TypeError(f"loss must be callable or one of {', '.join(LOSSES)}; it is {loss!r:.200}")
        lookup("loss", loss, LOSSES)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable; it is {callback!r:.200}")
    if backend not in ("auto", "numba", "python"):
        raise ValueError(f"backend={backend!r} must be 'auto', 'numba' or 'python'")


_plans = {}


def find_plan(method, options, ftol, xtol, gtol, max_nfev):
    """The compiled solver and the checked options; remembered by what was given."""
    try:
        key = (method, tuple(options.items()) if options else None, ftol, xtol, gtol, max_nfev)
        plan = _plans.get(key)
    except (TypeError, AttributeError):  # unhashable, or no dict
        key = plan = None
    if plan is None:
        if options is not None and not isinstance(options, dict):
            raise TypeError(f"options must be a dict; it is {options!r:.200}")
        given = {"ftol": ftol, "xtol": xtol, "gtol": gtol, "maxfev": max_nfev}
        given = {name: value for name, value in given.items() if value is not None} | dict(options or {})
        name, module = find_method(method)
        plan = backend_of_fits.Plan(name, module, parse_fit(name, module, given))
        if key is not None and len(_plans) < 1024:
            _plans[key] = plan
    return plan


def find_method(method):
    """(name, module) of a method given by name, alias or as a module."""
    if method is None:
        method = DEFAULT_METHOD
    if not isinstance(method, str):
        if not hasattr(method, "solve"):
            raise TypeError(f"method must be a name or a module with solve(); it is {method!r:.200}")
        return method.__name__.rpartition(".")[2].replace("_", "-"), method
    name = method.lower().replace("_", "-")
    name = ALIASES.get(name, name)
    return name, lookup("method", name, FITS)


def check_scale(x_scale, x):
    """x_scale as an array (n,), or None for the Jacobian's."""
    if x_scale is None or (isinstance(x_scale, str) and x_scale == "jac"):
        return None
    try:
        scale = np.broadcast_to(np.asarray(x_scale, dtype=np.float64), x.shape)
    except (TypeError, ValueError):
        raise ValueError(
            f"x_scale={x_scale!r:.100} must be 'jac', a number, or an array of shape {x.shape}, as x0"
        ) from None
    if not np.all((scale > 0.0) & np.isfinite(scale)):
        raise ValueError(f"x_scale={x_scale!r:.100} must be positive and finite")
    return scale


class GivenLoss:
    """A loss in native form, and the handle of one that runs in Python."""

    def __init__(self, kind, scale, address=0, handle=None, keep=None):
        self.handle, self.keep = handle, keep
        self.native = Native(Loss(kind, scale, address, handle or 0))
        self.address = self.native.address

    def close(self):
        """Give back what the call held."""
        if self.handle is not None:
            in_python.release(self.handle)


_losses = {}


def find_loss(loss, f_scale, backend):
    """The GivenLoss of a name or a function."""
    key = (loss, f_scale) if isinstance(loss, str) and type(f_scale) is float else None
    if key in _losses:
        return _losses[key]
    try:
        scale = float(f_scale)
    except (TypeError, ValueError):
        raise TypeError(f"f_scale={f_scale!r} must be a number") from None
    if not (scale > 0.0 and math.isfinite(scale)):
        raise ValueError(f"f_scale={f_scale!r} must be positive and finite")
    if callable(loss):
        address, python, keep = custom_loss(loss, backend)
        return GivenLoss(CUSTOM, scale, address, None if python is None else in_python.register(python), keep)
    kind = lookup("loss", loss, LOSSES)
    made = GivenLoss(kind, 1.0 if kind == LINEAR else scale)
    if key is not None and len(_losses) < 1024:
        _losses[key] = made
    return made


# ----------------------------------------------------------------------------------------------- 5 the result


def result_of(run, reason, begun, detail=None):
    """The outcome as people read it."""
    plan, typed = run.plan, run.typed
    if reason == ROUNDING and not plan.run.strict:
        reason = PRECISION
    status, word, sentence = REASONS[reason]
    counts, values = run.counts.tolist(), run.unscaled_values()
    result = OptimizeResult(
        x=run.x,
        cost=values[c.F],
        fun=run.residuals(),
        **run.matrices(reason != RAISED),
        grad=run.gradient(counts, run.values),
        optimality=values[c.GNORM],
        success=status == CONVERGED,
        status=status,
        message=detail or message(reason, SENTENCES.get(reason, sentence), values),
        reason=word,
        criteria=criteria(run, values),
        nit=counts[c.N_ITER],
        nfev=counts[c.N_FUN],
        njev=counts[c.N_GRAD],
        nhev=counts[c.N_HVP],
        elapsed=time.perf_counter() - begun,
        method=plan.name,
        derivatives=typed.derivatives,
        backend=typed.backend,
    )
    if plan.run.history:
        rows = run.trace[: counts[c.N_ITER] + 1]
        result["history"] = {name: rows[:, k].copy() for k, name in enumerate(c.TRACE)}
    return result


SENTENCES = {  # where those of `status` speak of searches and gradients
    NO_DECREASE: "no step lowered the cost, however short: the Jacobian may be wrong (compare it with jac='3-point'), "
    "or the residuals may be noisy or not smooth here",
    NOT_FINITE_START: "the residuals or their Jacobian are nan or infinite at x0",
    NOT_FINITE_STEP: "the residuals or their Jacobian are nan or infinite at every point tried, however near",
}


def message(reason, sentence, values):
    """The sentence of a reason, with the numbers that show it."""
    if reason in (GTOL, OTOL, RTOL):  # they are in criteria
        return sentence
    text = f"{sentence}: |grad|_inf = {values[c.GNORM]:.3g}"
    if reason in (ROUNDING, PRECISION, NO_DECREASE):
        text += (
            f"; the last step promised to lower the cost of {values[c.F]:.6g} by {values[c.EXPECTED]:.3g} and raised "
            f"it by {values[c.TRIAL_F] - values[c.F]:.3g}"
        )
    return text


def criteria(run, values):
    """Each stopping criterion in force: its value, its threshold, whether it is met."""
    given = criteria_of_run(run.plan.run, values)
    return (given if values[c.THRESHOLD] > 0.0 else given[1:]) + run.criteria()
