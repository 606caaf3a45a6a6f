"""The front door for one large problem whose vectors are on a CUDA device: minimize_on_device().

1  the method is looked up, the options checked, x0 copied on the device
2  the user's functions get arrays of numba.cuda, which CuPy, PyTorch and JAX take without a copy
3  the backend runs the method's own text over these vectors
4  the outcome becomes a result
"""

import time
import types

import numpy as np

from secondorder.backends import is_on_device
from secondorder.control import GNORM, N_FUN, N_ITER, STOP, F
from secondorder.line_searches import LINE_SEARCHES
from secondorder.minimize import attach, find_method, looks_asked, result_of
from secondorder.options import parse
from secondorder.result import OptimizeResult
from secondorder.status import STOP_ITERATION

# methods whose text does all that it does to vectors by verbs
ON_DEVICE = ("gradient-descent", "perturbed-gd", "cg", "l-bfgs", "newton-cg", "trust-ncg")


def minimize_on_device(
    fun_grad,
    x0,
    args=(),
    method="l-bfgs",
    *,
    hvp=None,
    tol=None,
    options=None,
    second_order=None,
    callback=None,
    stream=None,
):
    """Minimize one function of many variables with everything on a CUDA device.

    The method is that of `minimize`, its text line by line; its vectors are on the device, and a number comes back for
    each inner product. For vectors that are long, a million entries and more; many small problems are for
    `minimize_batch`. docs/cuda.md has more.

    Parameters
    ----------
    fun_grad : callable or FiniteSum
        ``fun_grad(x, g, *args) -> f``: f at x, a float; the gradient is written into g. x and g are arrays of
        numba.cuda, shape (n,), of x0's number type, with ``__cuda_array_interface__``: ``cupy.asarray(g)`` and
        ``torch.as_tensor(g, device="cuda")`` are views of them. It is plain Python that launches kernels; x is not to
        be changed.
    x0 : array, shape (n,)
        The start: on the device, anything with ``__cuda_array_interface__``, or a NumPy array. It is not changed.
        float32 stays float32, with all sums in float64; anything else becomes float64.
    args : tuple, optional
        Further arguments of fun_grad and hvp, handed over as they are.
    method : str, optional
        "l-bfgs", "cg", "newton-cg", "trust-ncg", "gradient-descent" or "perturbed-gd".
    hvp : callable, optional
        ``hvp(x, v, out, *args)``: writes the Hessian at x times v into out. Default: central differences of gradients,
        two for each product; of a `FiniteSum` exact products.
    tol : float, optional
        As in `minimize`: the option gtol.
    options : dict, optional
        As in `minimize`, without ``disp``, ``on_error`` and functions of the user's.
    second_order : bool, "certify" or "escape", optional
        As in `minimize`, with all escapes, in float64 only. The least curvature is found by Lanczos' method for any
        number of variables, whose basis takes 41 vectors or so at the end of a run; no Newton step is taken. Default:
        "escape" for "newton-cg" and "trust-ncg" in float64, else False.
    callback : callable, optional
        ``callback(intermediate_result)`` after each iteration, with x on the device (the run's own array), fun, nit and
        optimality; StopIteration ends the run.
    stream : optional
        What all kernels are queued in: a stream of numba.cuda, CuPy or PyTorch, or its handle. fun_grad has to use the
        same one. Default: the default stream.

    Returns
    -------
    OptimizeResult
        As from `minimize`; x and jac are arrays of numba.cuda on the device.

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong, before anything is evaluated.
    RuntimeError
        If there is no device.
    Unsupported
        Where the term of a `FiniteSum` has no generated derivative: file, line, construct, and what to do.
    Exception
        Whatever the functions raise; its attribute ``optimize_result`` has what was done, as has Ctrl-C's.

    Examples
    --------
    With CuPy, on a machine with a GPU::

        import cupy
        import secondorder as so

        def bowl(x, g, scales):
            x, g = cupy.asarray(x), cupy.asarray(g)
            g[:] = scales * x
            return 0.5 * float(x @ g)

        scales = cupy.linspace(1.0, 10.0, 1_000_000)
        result = so.minimize_on_device(bowl, cupy.ones(1_000_000), args=(scales,), method="cg")
        x = cupy.asarray(result.x)

    Logistic regression, of plain Python::

        def term(w, row, label):
            z = np.dot(row, w)
            return np.logaddexp(0.0, z) - label * z

        risk = so.FiniteSum(term, (X, y), regularizer=lambda w: 0.01 * np.dot(w, w))
        result = so.minimize_on_device(risk, np.zeros(X.shape[1]), method="newton-cg")
    """
    begun = time.perf_counter()
    # 1 the arguments
    if type(args) is not tuple:
        args = (args,)
    of_rows = hasattr(fun_grad, "as_objective")  # a FiniteSum, which has its own arguments and products
    if of_rows and (args or hvp is not None):
        raise ValueError("a FiniteSum has its own args and Hessian products: leave out args and hvp")
    for name, function in (("fun_grad", fun_grad.term if of_rows else fun_grad), ("hvp", hvp), ("callback", callback)):
        if not callable(function) and not (function is None and name != "fun_grad"):
            raise TypeError(f"{name} must be a function; it is {function!r:.100}")
    name, module, parsed = checked(method, tol, options)
    if not is_on_device(x0):
        x0 = host_start(x0)
    elif len(x0.shape) != 1:
        raise ValueError(f"x0 has shape {tuple(x0.shape)}; it must be (n,): take x0.ravel()")
    from secondorder.backends import cuda, cuda_solvers  # on use: numba.cuda takes as long to import as all else

    cuda.check_available("minimize_on_device", "minimize")

    # 2 the functions
    if of_rows:
        rows = rows_there(fun_grad, x0, stream)
        functions, dtype = (rows.fun_grad, rows.hvp), np.dtype(np.float64)
    else:
        dtype = None
        functions = (
            lambda x, g: fun_grad(x, g, *args),
            None if hvp is None else lambda x, v, out: hvp(x, v, out, *args),
        )

    # 3 the backend
    notify = None if callback is None else notifier(callback)
    number = dtype or (cuda.device_array_of("x0", x0) if is_on_device(x0) else x0).dtype
    examine = examination(module, parsed.run, second_order, number)
    run = cuda_solvers.Run(name, module, parsed, functions, x0, stream, notify, examine, dtype)
    about(run, "exact" if of_rows else "given")
    try:
        reason = run()
    except BaseException as error:
        run.recover()
        attach(error, result_of(run, STOP_ITERATION, begun, f"{type(error).__name__}: {error}"), "minimize_on_device")
        raise

    # 4 the result
    return result_of(run, reason, begun)


def checked(method, tol, options):
    """(name, module, Parsed) of a method that runs on a device."""
    name, module = find_method(method)
    if name not in ON_DEVICE:
        raise ValueError(f"method={method!r} does not run on a device; these do: {', '.join(ON_DEVICE)}")
    if options is not None and not isinstance(options, dict):
        raise TypeError(f"options must be a dict; it is {options!r:.200}")
    options = dict(options or {})
    if tol is not None:
        options.setdefault("gtol", tol)
    for key in ("disp", "on_error"):
        if key in options:
            raise ValueError(f"option {key}={options[key]!r} has no meaning in minimize_on_device; leave it out")
    for key, value in options.items():
        if callable(value):
            raise ValueError(f"option {key}={value!r:.100} is a function, which can't take arrays on a device")
    return name, module, parse(name, module, LINE_SEARCHES, options)


def host_start(x0):
    """x0 as a vector of NumPy."""
    try:
        x = np.asarray(x0)
    except ValueError as error:
        raise TypeError(f"x0 must be a vector of real numbers; it is {x0!r:.100}") from error
    if x.dtype.kind not in "fiub":
        raise TypeError(f"x0 must hold real numbers; it is {x.dtype}: {x0!r:.100}")
    if x.ndim != 1:
        raise ValueError(f"x0 has shape {x.shape}; it must be (n,): take x0.ravel()")
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


def rows_there(finite_sum, x0, stream):
    """The functions of a FiniteSum on the device."""
    from secondorder.backends import cuda_rows

    if x0.shape[0] == 0:
        raise ValueError("x0 is empty: a FiniteSum on a device needs at least one variable")
    return cuda_rows.RowMean(finite_sum.term, finite_sum.regularizer, finite_sum.data, int(x0.shape[0]), stream)


def examination(module, options, second_order, dtype):
    """How points where runs end are looked at, or None."""
    asked = looks_asked(module, second_order)
    if dtype == np.float32:
        if second_order not in (None, False):
            raise ValueError(f"second_order={second_order!r} needs x0 in float64: rounding in float32 hides curvature")
        return None
    if asked is False:
        return None
    from secondorder.backends import cuda_saddle

    return cuda_saddle.Examination(module, options, asked != "certify")


def notifier(callback):
    """What the solver calls after each iteration."""

    def notify(run):
        values = run.unscaled_values()
        state = OptimizeResult(
            x=run.point(),
            fun=values[F],
            nit=int(run.counts[N_ITER]),
            nfev=int(run.counts[N_FUN]),
            optimality=values[GNORM],
        )
        try:
            callback(state)
        except StopIteration:
            run.counts[STOP] = STOP_ITERATION

    return notify


def about(run, derivatives):
    """Give a run on a device the names that `result_of` reads."""
    second = None
    if "hvp" in run.module.NEEDS or run.examine is not None:
        second = "differences of gradients" if run.hvp is None else "exact" if derivatives == "exact" else None
    run.plan = types.SimpleNamespace(
        name=run.name,
        module=run.module,
        run=run.parsed.run,
        examine=run.examine,
        perturbs=getattr(run.module, "PERTURBS", False),
    )
    run.typed = types.SimpleNamespace(
        derivatives=derivatives,
        backend="cuda",
        second_derivatives=second,
        gradients_per_product=2 if run.hvp is None else 0,
    )
    run.extra_fields = run.certificate = None
