"""The front door for many fits: least_squares_batch() and curve_fit_batch(). As `batch`."""

import linecache
import math
import time

import numpy as np

from secondorder.backends import batch, is_on_device, serial
from secondorder.batch import (
    about_device,
    assembled,
    attach,
    check_dtype,
    check_places,
    chosen_device,
    count_of_workers,
    placed,
    real_array,
    refuse_arrays_there,
    refuse_on_device,
    shown,
    starts_and_split,
)
from secondorder.derivatives.trampolines import copied, itself
from secondorder.jit import type_of
from secondorder.least_squares import check_functions, find_loss, find_plan
from secondorder.objective import NotCompilable, as_compiled, identity
from secondorder.residual import Data, find_residual
from secondorder.status import PRECISION, ROUNDING, SIGNAL


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
    given = residual, X0, jac, method, ftol, xtol, gtol, loss, f_scale, max_nfev, args, options
    return fits("least_squares_batch", *given, batched, workers, device, stream, dtype, progress)


def fits(function, residual, X0, jac, method, ftol, xtol, gtol, loss, f_scale, max_nfev, args, options, batched,
         workers, device, stream, dtype, progress, n_data=None, absolute=False):  # fmt: skip
    """What both front doors do. function: the name of the one that the user called.

    n_data: of each problem, if those differ; absolute: covariances are not multiplied by what is left of the residuals.
    """
    begun = time.perf_counter()
    # 1 the arguments
    if type(args) is not tuple:
        args = (args,)
    check_functions(residual, jac, loss, None, "numba")
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
    run, typed, m = fitted(plan, residual, jac, args, split, X, loss_given, n_workers, progress, itself)
    if isinstance(run.first_error, serial.WroteX):  # once more, with a copy of x for the user's function
        X, _ = starts_and_split(X0, args, batched)
        run, typed, m = fitted(plan, residual, jac, args, split, X, loss_given, n_workers, progress, copied)

    # 4 the result
    if not plan.run.strict:
        run.numbers[run.numbers[:, 0] == ROUNDING, 0] = PRECISION
    result = assembled(run.X, run.G, run.numbers, run.reals, run.raised, dict(
        batched=split, workers=run.n_workers, elapsed=time.perf_counter() - begun, method=plan.name,
        derivatives=typed.derivatives, backend="compiled",
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


def fitted(plan, residual, jac, args, split, X, loss, n_workers, progress, own):
    """(the Batch after its run, the typed residuals, how many residuals a problem has)."""
    n = X.shape[1]
    found, _ = find_residual(residual, jac, args, plan.needs, "numba", own, split)
    data = Data(found, args, type_of(args))
    try:
        m = n
        if len(X):
            r, wrote = data.first(X[0].copy())
            m = r.shape[0]
            if wrote and own is itself:
                run = batch.Batch(batch.Fitting(plan, None, data, loss, m, n), X, n_workers)
                run.first_error = serial.WroteX()
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
    loss="linear",
    f_scale=1.0,
    method=None,
    options=None,
    workers=None,
    device="cpu",
    stream=None,
    dtype="float64",
    progress=False,
):
    """Fit one curve to many sets of data, such as a decay at each pixel of an image.

    Parameters
    ----------
    model : callable
        ``model(t, p0, p1, ...) -> y``, shape (m,), as for `scipy.optimize.curve_fit`; one that Numba compiles.
    t : array_like, shape (m,) or (B, m)
        Where the data were taken, shared or per problem.
    Y : array_like, shape (B, m)
        The data. nan marks what is missing: it is left out.
    P0 : array_like, shape (n,) or (B, n)
        Starts.
    sigma : array_like, shape (m,) or (B, m), optional
        Standard deviations of the data, positive.
    absolute_sigma : bool
        True: sigma is what the covariance is computed from. False: only its ratios matter, and the size comes from the
        residuals, 2 cost / (data - n).
    loss, f_scale, method, options, workers, device, stream, dtype, progress
        As in `least_squares_batch`. On a device Y, sigma, t and P0 may be arrays there; sigma is where Y is.

    Returns
    -------
    BatchResult
        ``x`` (B, n) are the parameters, ``covariance`` (B, n, n); ``n_data`` (B,) tells how many data were not missing.
        A problem with fewer data than parameters has an infinite covariance.

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong.

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
    given = {"t": t, "Y": Y, "P0": P0, "sigma": sigma}
    there = [name for name, value in given.items() if is_on_device(value)]
    if there:
        refuse_arrays_there({name: given[name] for name in there}, device)
        device = "cuda" if device == "auto" else device
    t, Y, P0 = [given[name] if name in there else real_array(name, given[name]) for name in ("t", "Y", "P0")]
    if len(Y.shape) != 2:
        raise ValueError(f"Y has shape {Y.shape}; curve_fit_batch takes (B, m), B sets of m data")
    if t.shape not in (Y.shape, Y.shape[1:]):
        raise ValueError(f"t has shape {t.shape} and Y {Y.shape}: t must have shape {Y.shape[1:]}, or Y's")
    one = len(P0.shape) == 1 and "P0" not in there
    if not (one or (len(P0.shape) == 2 and len(P0) == len(Y))) or tuple(P0.shape)[-1] == 0:
        raise ValueError(f"P0 has shape {P0.shape}; it must be (n,) or ({len(Y)}, n), as Y has {len(Y)} sets")
    if sigma is not None:
        sigma = sigma if "sigma" in there else real_array("sigma", sigma)
        if sigma.shape not in (Y.shape, Y.shape[1:]):
            raise ValueError(f"sigma has shape {sigma.shape}; it must be {Y.shape[1:]}, or Y's {Y.shape}")
        if ("sigma" in there) != ("Y" in there):
            raise TypeError("one of Y and sigma is an array on a GPU, the other is not: copy one of them")
    if "Y" in there:
        from secondorder.backends import cuda, cuda_batch

        cuda.check_available("device='cuda'", "device='cpu'")
        Y, weights, n_data, n_bad = cuda_batch.weighed(Y, sigma, stream, dtype)
    else:
        Y, weights, n_data, n_bad = weighed(Y, sigma)
    if n_bad > 0:
        raise ValueError("sigma must be positive wherever there are data")
    n = tuple(P0.shape)[-1]
    X0 = P0 if "P0" in there else np.array(np.broadcast_to(P0, (len(Y), n)), order="C")
    given = residual_of(model, n), X0, None, method, None, None, None, loss, f_scale, None, (t, Y, weights), options
    split = len(t.shape) == 2, True, True
    result = fits("curve_fit_batch", *given, split, workers, device, stream, dtype, progress, n_data, absolute_sigma)
    result["n_data"] = n_data
    return result


def weighed(Y, sigma):
    """(Y with 0 for what is missing, weights, 0 there, data of each problem, how many of all have a wrong sigma)."""
    known = ~np.isnan(Y)
    weights, n_bad = known.astype(np.float64), 0
    if sigma is not None:
        n_bad = int(np.sum(~((sigma > 0.0) | ~known)))
        with np.errstate(divide="ignore"):
            weights = np.where(known, weights / np.where(known, sigma, 1.0), 0.0)
    return Y if known.all() else np.where(known, Y, 0.0), weights, known.sum(axis=1), n_bad


_residuals = {}


def residual_of(model, n):
    """residual(p, t, y, w) = w (model(t, p[0], ..., p[n - 1]) - y), with a source that can be differentiated."""
    if not callable(model):
        raise TypeError(f"model must be callable; it is {model!r:.100}")
    try:
        key = identity(model), n
        found = _residuals.get(key)
    except TypeError:  # something unhashable was captured
        key = found = None
    if found is None:
        p = ", ".join(f"p[{k}]" for k in range(n))
        text = f"def residual(p, t, y, w):\n    return w * (model(t, {p}) - y)\n"
        name = f"<curve of {getattr(model, '__name__', 'model')}, {n} parameters>"
        try:
            namespace = {"model": as_compiled(model)}
        except NotCompilable as reason:
            raise TypeError(f"model can't be compiled, and a batch of fits needs it compiled: {reason}") from None
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), namespace)
        found = namespace["residual"]
        if key is not None:
            _residuals[key] = found
    return found
