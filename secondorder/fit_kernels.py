"""Fits for the user's own compiled code: `so.kernels.levenberg_marquardt(residual, n, args=...)`. As `kernels`.

What `least_squares` runs is compiled together with residuals and Jacobians that are generated, with all memory in a
vector of the caller's. Batches on a CUDA device run these, too.
"""

from typing import NamedTuple

import numpy as np

from secondorder.backends import fits
from secondorder.control import FUN_PER_GRAD
from secondorder.derivatives.autodiff.kinds import vector_and
from secondorder.derivatives.autodiff.module import COLUMNS, IN_WORKSPACE, WORDS, generated
from secondorder.derivatives.residuals import as_vector
from secondorder.fits.losses import LOSSES
from secondorder.fits.model import FIXED, N_VECTORS, settle_inverse
from secondorder.jit import FLAGS, floats_at, loop, njit, plain, rows_at, type_of
from secondorder.least_squares import find_loss, find_method
from secondorder.options import parse_fit
from secondorder.workspace import (
    check_numbers,
    check_size,
    control_start,
    layout,
    of_numbers,
    options_in_kernel,
    options_of,
    solver_in,
    spread,
)


class FitKernel(NamedTuple):
    """A solver of least squares for compiled code.

    Attributes
    ----------
    solve : function
        ``solve(x, workspace, *args) -> End``, compiled, as `kernels.Kernel` has it; ``End.fun`` is the cost.
    n_workspace : int
        The least length of `workspace`, a vector of float64 of any contents. Afterwards its first n numbers are the
        gradient of the cost at x.
    n, m : int
        The numbers of variables and of residuals.
    method : str
        The method's name.
    solve_tuple : function
        ``solve_tuple(x, workspace, args)``, args a tuple with m at its end: the form for kernels of `numba.cuda`. There
        m should come with the launch: where it is a constant, loops over residuals are unrolled, and registers spill.
    inverse : int
        ``workspace[inverse : inverse + n * n]`` is afterwards (J'J)^-1, row by row, J weighted by the loss; infinite
        where J does not have full rank. Times 2 cost / (m - n) it is the covariance of x.
    """

    solve: object
    n_workspace: int
    n: int
    m: int
    method: str
    solve_tuple: object
    inverse: int


def make(method, residual, n, options=None, args=None, loss="linear", f_scale=1.0, dtype="float64"):
    """The `FitKernel` of a method for residuals of n variables.

    Parameters
    ----------
    method : str
        A method with Jacobians, "levenberg-marquardt" or "dogleg".
    residual : callable
        ``residual(x, *args) -> r``, shape (m,), in the language of docs/differentiable.md: residuals and exact
        Jacobians are generated, with their memory in the workspace.
    n : int
        The number of variables.
    options : dict, optional
        As in `least_squares`, without ``history``, ``disp``, ``time_limit`` and ``on_error``.
    args : tuple
        As residual will get them. Their shapes decide m and how much memory derivatives take.
    loss, f_scale
        As in `least_squares`; loss by name.
    dtype
        As in `kernels.make`.

    Returns
    -------
    FitKernel

    Raises
    ------
    ValueError, TypeError, Unsupported
        For arguments that are wrong, and residuals that have no exact derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> from numba import njit
    >>> def misfit(p, t, y):
    ...     return p[0] * np.exp(-p[1] * t) - y
    >>> t = np.linspace(0.0, 2.0, 20)
    >>> Y = 3.0 * np.exp(-np.array([[0.5], [1.0], [2.0]]) * t)
    >>> solve, n_workspace, *_ = so.kernels.levenberg_marquardt(misfit, 2, args=(t, Y[0]))
    >>> @njit
    ... def fit_all(P, t, Y):
    ...     workspace = np.empty(n_workspace)
    ...     for i in range(len(P)):
    ...         solve(P[i], workspace, t, Y[i])
    >>> P = np.ones((3, 2))
    >>> fit_all(P, t, Y)
    >>> P.round(3)
    array([[3. , 0.5],
           [3. , 1. ],
           [3. , 2. ]])
    """
    name, module, parsed, loss = checked(method, residual, n, options, loss, f_scale, dtype)
    if args is None:
        raise ValueError("a kernel for residuals needs args=, a tuple as the function will get it")
    if type(args) is not tuple:
        args = (args,)
    m = as_vector(plain(residual)(np.ones(n), *args)).size
    if m == 0:
        raise ValueError("residual must return at least one number; it returned an empty array")
    of_residual, jacobian, n_derivatives = generated_in_workspace(residual, n, m, args)
    n_fit = module.n_fit(n, parsed.method)
    words = layout(module, parsed.method, n, n_fit * m + n_derivatives)
    run = runner(module, parsed, of_residual, jacobian, loss, n, m, n_fit, n_derivatives)
    start = control_start(fits.control_start(parsed.run, n))
    start[0][FUN_PER_GRAD] = 0
    solve_tuple = solver_in(words, n, run, None, start, parsed.run.strict, degree=2)
    solve_tuple = of_numbers(solve_tuple, dtype)

    solve = spread(solve_tuple, n, words.total, dtype, (m,))
    return FitKernel(solve, words.total, n, m, name, solve_tuple, N_VECTORS * n)


# Methods whose kernels in float32 are tested.
IN_SINGLE = ("levenberg-marquardt", "dogleg")


def checked(method, residual, n, options, loss, f_scale, dtype="float64"):
    """(name, module, Parsed, Loss) after a look at every argument."""
    name, module = find_method(method)
    if "jacobian" not in module.NEEDS:
        raise ValueError(f"method={name!r} must be one with Jacobians, levenberg-marquardt or dogleg, in a kernel")
    if not callable(residual):
        raise TypeError(f"residual must be callable; it is {residual!r:.200}")
    check_size(n)
    if not isinstance(loss, str):
        raise TypeError(
            f"loss={loss!r:.100} must be one of {', '.join(LOSSES)} in a kernel, where functions are inlined"
        )
    given = find_loss(loss, f_scale, "numba").native.values
    check_numbers(dtype, name, IN_SINGLE)
    parsed = parse_fit(name, module, options_in_kernel(options))
    return name, module, options_of(parsed, dtype), given


def generated_in_workspace(residual, n, m, args):
    """(residual(x, r, data), jacobian(x, r, J, data), the words of memory that these take, at data[1])."""
    made = generated(residual, vector_and(type_of(args)))
    value = "stored" if made.returns_array else "value"
    columns = COLUMNS[n] if made.has_columns(n) else "jvp"
    x = np.ones(n)
    words = [int(made.compiled(product + WORDS)(x, *args)) for product in (value, columns)]
    call = "".join([f"data[0][{k}], " for k in range(len(args))])  # Numba has no f(*args, out)
    space = {"floats_at": floats_at, "n": n, "m": m, "words": words[1]}
    space |= {"value": made.compiled(value + IN_WORKSPACE), "columns": made.compiled(columns + IN_WORKSPACE)}
    first = f"    value(x, {call}r, data[1])" if made.returns_array else f"    r[0] = value(x, {call}data[1])"
    if columns != "jvp":
        second = f"    columns(x, {call}{''.join([f'J[{k}], ' for k in range(n)])}data[1])"
    else:  # a column a time: an axis, residuals that are not asked for, and memory
        product = f"columns(x, v, {call}spare, J[k], own)"
        if not made.returns_array:
            product = f"spare[0], J[k, 0] = columns(x, v, {call}own)"
        second = f"""    v, spare = floats_at(data[1], 0, (n,)), floats_at(data[1], n, (m,))
    own = floats_at(data[1], n + m, (words,))
    for k in range(n):
        v[k] = 0.0
    for k in range(n):
        v[k] = 1.0
        {product}
        v[k] = 0.0"""
        words[1] += n + m
    exec(f"def first(x, r, data):\n{first}\n\ndef second(x, r, J, data):\n{second}\n", space)
    return njit(**FLAGS)(space["first"]), njit(**FLAGS)(space["second"]), max(words)


def runner(module, parsed, residual, jacobian, loss, n, m, n_fit, n_derivatives):
    """run(x, work, memory, control, data) -> reason: `kernels.runner` of a fit. data: args, a spare vector, memory."""
    solver, start, options = loop(module.solve), fits.start, parsed.method

    @njit(**FLAGS)
    def run(x, work, memory, control, data):
        fit = rows_at(data[2], (n_fit, data[0][-1]), m)
        data = data[0], floats_at(data[2], n_fit * m, (n_derivatives,))
        memory[FIXED] = 0.0  # variables are scaled by the Jacobian
        start(residual, x, loss, fit, control, data)
        outcome = solver(residual, jacobian, None, None, loss, options, x, work, fit, memory, control, data)
        settle_inverse(work, memory, control)
        return outcome.reason

    return run
