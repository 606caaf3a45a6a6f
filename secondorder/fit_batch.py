"""The front door for many fits: least_squares_batch() and curve_fit_batch(). As `batch`."""

import inspect
import linecache
import math
import time

import numpy as np

from secondorder.backends import batch, is_on_device, serial
from secondorder.batch import (
    BatchResult,
    about_device,
    assembled,
    attach,
    check_progress,
    count_of_workers,
    real_array,
    shown,
    starts_and_split,
    with_arrays,
)
from secondorder.derivatives.trampolines import copied, itself
from secondorder.jit import type_of
from secondorder.least_squares import check_functions, find_loss, find_plan
from secondorder.minimize import masked, refuse_constraints, unbounded
from secondorder.objective import NotCompilable, as_compiled, identity
from secondorder.places import (
    check_dtype,
    check_places,
    chosen_device,
    placed,
    refuse_arrays_there,
    refuse_on_device,
)
from secondorder.residual import Data, find_residual
from secondorder.status import CANCEL, PRECISION, RAISED, ROUNDING, SIGNAL


def least_squares_batch(
    residual,
    X0,
    jac=None,
    method=None,
    ftol=None,
    xtol=None,
    gtol=None,
    loss="linear",
    f_scale=1.0,
    max_nfev=None,
    args=(),
    options=None,
    *,
    batched=None,
    workers=None,
    device="cpu",
    stream=None,
    dtype="float64",
    progress=False,
    bounds=None,
):
    """Fit many sets of residuals of the same form, each from its own start and with its own data.

    Parameters
    ----------
    residual, jac, method, ftol, xtol, gtol, loss, f_scale, max_nfev, options
        As in `least_squares`; residual gets the args of one problem and has to be one that Numba compiles, with as many
        residuals for each problem as for the first. Methods are those with Jacobians, "levenberg-marquardt" and
        "dogleg".
    X0, args, batched, workers, progress
        As in `minimize_batch`.
    device, stream, dtype
        As in `minimize_batch`. With "cuda" jac is None or "exact", loss is one by name, and residual is in the language
        of docs/differentiable.md: it and its Jacobian are generated.
    bounds : None
        Taken for the sake of SciPy's signature: fits are unconstrained, and bounds that bound anything are refused.

    Returns
    -------
    BatchResult
        With ``cost`` (the same as ``fun``), and ``covariance``, shape (B, n, n), as in `least_squares`: infinite where
        J does not have full rank, nan where the fit was not begun.

    Raises
    ------
    ValueError, TypeError, Exception
        As `minimize_batch`.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def misfit(p, t, y):
    ...     return p[0] * np.exp(-p[1] * t) - y
    >>> t = np.linspace(0.0, 2.0, 20)
    >>> y = 3.0 * np.exp(-np.array([[0.5], [1.0], [2.0]]) * t)
    >>> so.least_squares_batch(misfit, [1.0, 1.0], args=(t, y)).x.round(3)
    array([[3. , 0.5],
           [3. , 1. ],
           [3. , 2. ]])
    """
    check_bounds(bounds)
    if type(args) is not tuple:
        args = (args,)
    args = with_arrays(args, batched)
    given = residual, X0, jac, method, ftol, xtol, gtol, loss, f_scale, max_nfev, args, options
    return fits("least_squares_batch", *given, batched, workers, device, stream, dtype, progress)


def check_bounds(bounds):
    """Bounds in a form of SciPy's may be given if they bound nothing."""
    if bounds is not None and not (unbounded(bounds) or unbounded([bounds])):
        refuse_constraints(bounds, ())


def fits(function, residual, X0, jac, method, ftol, xtol, gtol, loss, f_scale, max_nfev, args, options, batched,
         workers, device, stream, dtype, progress, n_data=None, absolute=False):  # fmt: skip
    """What both front doors do. function: the name of the one that the user called.

    n_data: of each problem, if those differ; absolute: covariances are not multiplied by what is left of the residuals.
    """
    begun = time.perf_counter()
    # 1 the arguments
    check_functions(residual, jac, loss, None, "numba")
    check_progress(progress)
    X, split = starts_and_split(X0, args, batched)
    n_workers = count_of_workers(workers)
    jac = jac.lower() if isinstance(jac, str) else jac
    cpu_only = {"jac": None if jac == "exact" else jac, "loss": loss if callable(loss) else None}
    cpu_only |= {"workers": workers, "progress": progress or None}
    cpu_only = {name: value for name, value in cpu_only.items() if value is not None}
    device = chosen_device(device, cpu_only, X, options)
    check_places(device, stream, X0, args)
    check_dtype(dtype, device)
    if device == "cuda":
        refuse_on_device(cpu_only)
        given = {"ftol": ftol, "xtol": xtol, "gtol": gtol, "maxfev": max_nfev}
        options = {name: value for name, value in given.items() if value is not None} | dict(options or {})
        return fits_on_device(
            residual, X, args, split, method, options, loss, f_scale, stream, dtype, n_data, absolute, begun
        )  # fmt: skip
    plan = find_plan(method, options, ftol, xtol, gtol, max_nfev)
    if "jacobian" not in plan.needs:
        raise ValueError(f"method={plan.name!r} must be one with Jacobians, levenberg-marquardt or dogleg, in a batch")
    for name in ("history", "disp"):
        if getattr(plan.run, name):
            raise ValueError(f"option {name}=True is for single runs: give it to least_squares")
    loss_given = find_loss(loss, f_scale, "numba")
    args = tuple([np.ascontiguousarray(a) if of_each else a for a, of_each in zip(args, split)])

    # 2, 3 the residuals and the workers
    what = "model" if function == "curve_fit_batch" else "residual"
    given = what, plan, residual, jac, args, split
    run, typed, m = fitted(*given, X, loss_given, n_workers, progress, itself)
    if isinstance(run.first_error, serial.WroteX):  # once more, with a copy of x for the user's function
        X, _ = starts_and_split(X0, args, batched)
        run, typed, m = fitted(*given, X, loss_given, n_workers, progress, copied)

    # 4 the result
    if not plan.run.strict:
        run.numbers[run.numbers[:, 0] == ROUNDING, 0] = PRECISION
    result = assembled(run.X, run.G, run.numbers, run.reals, run.raised, dict(
        batched=split, workers=run.n_workers, elapsed=time.perf_counter() - begun, method=plan.name,
        derivatives=None if typed is None else typed.derivatives, backend="compiled",
    ))  # fmt: skip
    result["cost"] = result.fun
    result["covariance"] = scaled_covariance(
        run.kept, result.fun, (m if n_data is None else n_data) - X.shape[1], absolute
    )
    if run.first_error is not None:
        attach(run.first_error, result, function)
        raise run.first_error
    if run.queue[batch.HALT] == SIGNAL:
        error = KeyboardInterrupt(f"secondorder.{function} was interrupted")
        attach(error, result, function)
        raise error
    return result


def fits_on_device(residual, X, args, split, method, options, loss, f_scale, stream, dtype, n_data, absolute, begun):
    """The fits on a GPU."""
    from secondorder import fit_kernels  # on use: numba.cuda takes as long to import as all else
    from secondorder.backends import cuda, cuda_batch

    cuda.check_available("device='cuda'", "device='cpu'")
    args, there, first = placed(X, args, split, dtype)
    B, n = X.shape
    if B == 0:
        name = fit_kernels.checked(method, residual, n, options, loss, f_scale, dtype)[0]
        numbers, reals = np.empty((0, len(batch.NUMBERS)), np.int64), np.empty((0, len(batch.REALS)))
        G, K, m = X, np.empty(0), n
    else:
        kernel = cuda_batch.kernel_of(fit_kernels.make, method, residual, n, options, first, loss, f_scale, dtype)
        kept = kernel.inverse, n * n
        X, G, numbers, reals, K = cuda_batch.run(kernel, X, args, split, there, stream, dtype, kept)
        name, m = kernel.method, kernel.m
    result = assembled(X, G, numbers, reals, {}, about_device(None, split, B, name, begun))
    result["cost"] = result.fun
    freedom = (m if n_data is None else n_data) - n
    result["covariance"] = scaled_covariance(K.reshape(B, n, n), result.fun, freedom, absolute)
    return result


def fitted(what, plan, residual, jac, args, split, X, loss, n_workers, progress, own):
    """(the Batch after its run, the typed residuals or None if it was not begun, how many residuals a problem has)."""
    n = X.shape[1]
    try:
        found, _ = find_residual(residual, jac, args, plan.needs, "numba", own, split)
    except TypeError as error:
        if not isinstance(error.__cause__, NotCompilable):
            raise
        raise TypeError(
            f"{what} can't be compiled, and a batch of fits needs it compiled: {error.__cause__}. least_squares takes "
            "residuals that run in Python, for a problem at a time"
        ) from None
    data = Data(found, args, type_of(args))
    try:
        m = n
        if len(X):
            first, raised = first_residuals(data, X, plan.run.on_error)
            m, wrote = (n, False) if first is None else (first[0].shape[0], first[1])
            if first is None or (wrote and own is itself):
                run = batch.Batch(batch.Fitting(plan, None, data, loss, m, n), X, n_workers)
                run.raised, run.numbers[:, 0] = raised, CANCEL
                run.numbers[list(raised), 0] = RAISED
                if wrote:
                    run.first_error = serial.WroteX()
                elif plan.run.on_error == "raise":
                    run.first_error = next(iter(raised.values()))
                return run, None, m
            if m == 0:
                raise ValueError("residual must return at least one number; it returned an empty array")
        typed = found.typed(m, n)
        if typed.in_python is not None:
            raise TypeError("the residuals can't be compiled, and a batch of fits needs them compiled")
        data.bind(typed)
        run = batch.Batch(batch.Fitting(plan, typed, data, loss, m, n), X, n_workers)
        with shown(progress, len(X)) as report:
            run.run(plan.run.on_error, report)
        return run, typed, m
    finally:
        data.close()


def first_residuals(data, X, on_error):
    """((r, did the function write into x?) of the first problem that has them, or None; problem -> exception)."""
    raised = {}
    for item, x in enumerate(X):
        try:
            return data.first(x.copy(), item), raised
        except Exception as error:
            raised[item] = error
            if on_error == "raise":
                break
    return None, raised


def scaled_covariance(inverses, cost, freedom, absolute):
    """2 cost / freedom (J'J)^-1 for each problem, or with absolute (J'J)^-1: in place, as they are large.

    Infinite where J'J has no inverse or no freedom is left; nan where the fit was not begun.
    """
    freedom = np.broadcast_to(freedom, cost.shape)
    without = np.isinf(inverses[:, 0, 0]) | (freedom < (0 if absolute else 1))
    if not absolute:
        with np.errstate(invalid="ignore", divide="ignore"):
            inverses *= (2.0 * cost / freedom)[:, None, None]
    inverses[without] = math.inf
    inverses[np.isnan(cost)] = math.nan
    return inverses


# ---------------------------------------------------------------------------------------------------------- curves


def curve_fit_batch(
    model,
    t,
    Y,
    P0,
    sigma=None,
    absolute_sigma=False,
    *,
    jac=None,
    loss="linear",
    f_scale=1.0,
    method=None,
    options=None,
    workers=None,
    device="cpu",
    stream=None,
    dtype="float64",
    progress=False,
    bounds=None,
):
    """Fit one curve to many sets of data, such as a decay at each pixel of an image.

    Parameters
    ----------
    model : callable
        ``model(t, p0, p1, ...) -> y``, shape (m,), as for `scipy.optimize.curve_fit`; one that Numba compiles.
    t : array_like, shape (m,) or that of Y
        Where the data were taken, shared or per problem.
    Y : array_like, shape (B, m), or (height, width, m) and so on
        The data: the last axis are those of one problem. What is nan or masked, or has t nan, is missing and left out.
    P0 : array_like, shape (n,) or Y's but for the last axis, which is n
        Starts.
    sigma : float or array_like, shape (m,) or that of Y, optional
        Standard deviations of the data, positive.
    absolute_sigma : bool
        True: sigma is what the covariance is computed from. False: only its ratios matter, and the size comes from the
        residuals, 2 cost / (data - n).
    jac : callable or str, optional
        ``jac(t, p0, p1, ...) -> J``, shape (m, n), or "2-point", "3-point", "cs"; default: generated from the model.
    loss, f_scale, method, options, workers, device, stream, dtype, progress, bounds
        As in `least_squares_batch`. On a device Y of shape (B, m), sigma, t and P0 may be arrays there, t without nan;
        sigma is where Y is.

    Returns
    -------
    BatchResult
        ``x`` (B, n) are the parameters, ``covariance`` (B, n, n); ``n_data`` (B,) tells how many data were not missing.
        For Y of more axes (B,) is (height, width) and so on, and ``result.problem((i, j))`` is a pixel. A problem with
        fewer data than parameters has an infinite covariance; one without data stays at its start, with cost 0.

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong.
    Exception
        As `minimize_batch`.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def decay(t, amplitude, rate):
    ...     return amplitude * np.exp(-rate * t)
    >>> t = np.linspace(0.0, 2.0, 20)
    >>> Y = decay(t, 3.0, np.array([[0.5], [1.0], [2.0]]))
    >>> Y[0, 3] = np.nan
    >>> fits = so.curve_fit_batch(decay, t, Y, P0=[1.0, 1.0])
    >>> fits.x.round(3)
    array([[3. , 0.5],
           [3. , 1. ],
           [3. , 2. ]])
    >>> fits.n_data
    array([19, 20, 20])
    """
    # 1 the arguments
    check_bounds(bounds)
    given = {"t": t, "Y": Y, "P0": P0, "sigma": sigma}
    there = [name for name, value in given.items() if is_on_device(value)]
    if there:
        refuse_arrays_there({name: given[name] for name in there}, device)
        device = "cuda" if device == "auto" else device
    t, Y, sigma = [
        v if v is None or k in there else data_array(k, v) for k, v in (("t", t), ("Y", Y), ("sigma", sigma))
    ]
    P0 = P0 if "P0" in there else real_array("P0", P0)
    n = check_data(t, Y, P0, sigma, there)
    if not isinstance(absolute_sigma, (bool, np.bool_)):
        raise TypeError(f"absolute_sigma={absolute_sigma!r:.100} must be True or False")
    check_curve(model, "model", n)
    if callable(jac):
        check_curve(jac, "jac", n)
    *shape, m = Y.shape
    X0 = P0 if "P0" in there else np.array(np.broadcast_to(P0, (*shape, n)), order="C").reshape(-1, n)

    # 2 what is known of the data, and the fits
    t, Y, sigma = [a if a is None or len(a.shape) < 3 else a.reshape(-1, m) for a in (t, Y, sigma)]
    if "Y" in there:
        from secondorder.backends import cuda, cuda_batch

        cuda.check_available("device='cuda'", "device='cpu'")
        y, weights, n_data, n_bad = cuda_batch.weighed(Y, sigma, stream, dtype)
        if n_bad > 0:
            raise ValueError("sigma must be positive wherever there are data")
    else:
        known_t, y, weights, n_data = known_data(np.zeros(m) if "t" in there else t, Y, sigma)
        t = t if "t" in there else known_t
    own_jac = residual_of(jac, n, JACOBIAN) if callable(jac) else jac
    given = residual_of(model, n, RESIDUAL), X0, own_jac, method, None, None, None, loss, f_scale, None, (t, y, weights)
    given += options, (len(t.shape) == 2, True, True), workers, device, stream, dtype, progress
    try:
        result = fits("curve_fit_batch", *given, n_data, absolute_sigma)
    except BaseException as error:
        if isinstance(getattr(error, "optimize_result", None), BatchResult):
            in_shape(error.optimize_result, shape, n_data)
        raise
    return in_shape(result, shape, n_data)


def check_data(t, Y, P0, sigma, there):
    """Do the shapes go together? there: the names of those on a device. Returns the number of parameters."""
    if len(Y.shape) < 2:
        raise ValueError(f"Y has shape {Y.shape}; curve_fit_batch takes (B, m), B sets of m data. One set is Y[None]")
    *shape, m = Y.shape
    if there and len(shape) > 1:
        raise ValueError(f"Y has shape {tuple(Y.shape)}; with arrays on a GPU it must be (B, m): reshape it")
    if m == 0:
        raise ValueError(f"Y has shape {Y.shape}: there must be data along its last axis")
    if tuple(t.shape) not in (tuple(Y.shape), (m,)):
        raise ValueError(
            f"t has shape {t.shape} and Y {Y.shape}: t must have shape {(m,)}, or Y's. For curves of several variables "
            "use least_squares_batch"
        )
    n = tuple(P0.shape)[-1] if len(P0.shape) else 0
    allowed = [(*shape, n)] if "P0" in there else [(n,), (*shape, n)]
    if n == 0 or tuple(P0.shape) not in allowed:
        many = ", ".join(map(str, shape))
        one = "" if "P0" in there else "(n,) or "
        raise ValueError(f"P0 has shape {P0.shape}; it must be {one}({many}, n), as Y has shape {Y.shape}")
    if sigma is not None:
        if tuple(sigma.shape) not in (tuple(Y.shape), (m,), ()):
            raise ValueError(f"sigma has shape {sigma.shape}; it must be one number, {(m,)}, or Y's {Y.shape}")
        if ("sigma" in there) != ("Y" in there):
            raise TypeError("one of Y and sigma is an array on a GPU, the other is not: copy one of them")
    return n


def data_array(name, value):
    """As `real_array`; what is masked is nan."""
    if masked(value):
        value = np.ma.asarray(value)
        if value.dtype.kind in "fiub":
            value = value.astype(np.float64).filled(math.nan)
    return real_array(name, value)


def check_curve(function, name, n):
    """Can it be called with t and n parameters?"""
    if not callable(function):
        raise TypeError(f"{name} must be callable; it is {function!r:.100}")
    try:
        signature = inspect.signature(getattr(function, "py_func", function))
    except (TypeError, ValueError):  # none is known
        return
    try:
        signature.bind(*range(n + 1))
    except TypeError:
        raise TypeError(f"{name} must take t and {n} parameters, as P0 has {n}; it is {name}{signature}") from None


def known_data(t, Y, sigma):
    """(t, data, weights, number of data of each problem), nothing of it nan. t: (m,) or (B, m)."""
    known = ~np.isnan(Y)
    unknown_t = np.isnan(t)
    if unknown_t.any():
        known &= ~unknown_t
    weights = known.astype(np.float64)
    if sigma is not None:
        sigma = np.broadcast_to(sigma, Y.shape)
        wrong = np.argwhere(~(sigma > 0.0) & known)
        if len(wrong):
            i, j = wrong[0].tolist()
            raise ValueError(f"sigma must be positive wherever there are data; for Y[{i}, {j}] it is {sigma[i, j]}")
        weights = np.where(known, weights / np.where(known, sigma, 1.0), 0.0)
    if known.all():
        return t, Y, weights, known.sum(axis=1)
    # the curve is computed where data are missing as well, and what is nan or infinite there is so times a weight of 0
    if t.ndim == 1:
        used = known.any(axis=0)
        t = np.where(used, t, t[used.argmax()] if used.any() else 0.0)
    else:
        some = known.any(axis=1)
        first = np.where(some, t[np.arange(len(t)), known.argmax(axis=1)], 0.0)
        t = np.where(known, t, first[:, None])
    return t, np.where(known, Y, 0.0), weights, known.sum(axis=1)


def in_shape(result, shape, n_data):
    """The result with n_data, and its arrays with these axes of problems."""
    result["n_data"] = n_data
    if len(shape) > 1:
        for name, value in result.items():
            if isinstance(value, np.ndarray) and not name.startswith("_"):
                result[name] = value.reshape(*shape, *value.shape[1:])
    return result


RESIDUAL = "w * (curve(t, {p}) - y)"
JACOBIAN = "w.reshape(-1, 1) * curve(t, {p})"

_functions = {}


def residual_of(curve, n, form):
    """f(p, t, y, w) of this form for curve(t, p[0], ..., p[n - 1]), with a source that can be differentiated."""
    try:
        key = identity(curve), n, form
        found = _functions.get(key)
    except TypeError:  # something unhashable was captured
        key = found = None
    if found is None:
        p = ", ".join(f"p[{k}]" for k in range(n))
        text = f"def residual(p, t, y, w):\n    return {form.format(p=p)}\n"
        name = f"<{form.partition('(t')[0]} of {getattr(curve, '__name__', 'curve')}, {n} parameters>"
        try:
            namespace = {"curve": as_compiled(curve)}
        except NotCompilable as reason:
            raise TypeError(f"{curve!r:.100} can't be compiled, and a batch of fits needs it: {reason}") from None
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), namespace)
        found = namespace["residual"]
        if key is not None:
            _functions[key] = found
    return found
