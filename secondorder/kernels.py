"""Solvers for the user's own compiled code: `so.kernels.bfgs(fun_grad, n)` and so on, one for each method.

What `minimize` runs behind one entry for all objectives is here compiled together with one of them: it is called from
`@njit` code and `prange` loops, takes its memory from a vector of the caller's, and allocates nothing.

    kernel = so.kernels.bfgs(objective, n=2)
    kernel.solve(x, workspace, *args) -> End       x is moved to where the run ends
    kernel.n_workspace                             length of the workspace, float64, of any contents
"""

from typing import NamedTuple

import numpy as np

from secondorder import fit_kernels
from secondorder.backends import serial
from secondorder.derivatives.transforms import hessian, hvp, value_and_grad
from secondorder.fits import FITS
from secondorder.jit import FLAGS, is_compiled, loop, njit
from secondorder.line_searches import LINE_SEARCHES
from secondorder.methods import METHODS
from secondorder.minimize import ALIASES
from secondorder.objective import Objective
from secondorder.options import lookup, parse
from secondorder.status import RAISED
from secondorder.workspace import (
    End,  # noqa: F401 - what solve returns
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


class Kernel(NamedTuple):
    """A solver for compiled code.

    Attributes
    ----------
    solve : function
        ``solve(x, workspace, *args) -> End``, compiled. x, shape (n,), is where the run starts, and then where it
        ended. args are what fun_grad gets after its g. A ValueError says that x or workspace have another length than
        they must, the compiler that they aren't contiguous, writable vectors of float64.
    n_workspace : int
        The least length of `workspace`, a vector of float64 of any contents. Afterwards its first n numbers are the
        gradient at x.
    n : int
        The number of variables.
    method : str
        The method's name.
    solve_tuple : function
        ``solve_tuple(x, workspace, args)``, args a tuple: the form for kernels of `numba.cuda`, where Numba has no
        ``*args``. Lengths and types aren't looked at.
    """

    solve: object
    n_workspace: int
    n: int
    method: str
    solve_tuple: object


def make(method, objective, n, options=None, args=None, dtype="float64"):
    """The `Kernel` of a method for one objective of n variables.

    Parameters
    ----------
    method : str
        A name of `METHODS`.
    objective : Objective or function
        ``fun_grad(x, g, *args) -> f`` and, as the method needs them, ``hvp(x, v, out, *args)``, ``hess(x, H, *args)``
        and ``fun(x, *args)``: `@njit` functions, or plain Python that Numba can compile. They may not
        allocate. Or ``fun(x, *args) -> f``, whose exact derivatives are generated with their memory in the workspace
        (docs/differentiable.md).
    n : int
        The number of variables.
    options : dict, optional
        As in `minimize`, without ``history``, ``disp``, ``time_limit`` and ``on_error``: there is no clock in a kernel,
        and an exception in the objective passes through it.

    args : tuple, optional
        Needed with a function: args as it will get them; how much memory its derivatives take depends on their shapes.
    dtype : {"float64", "float32"}
        What x, the workspace and arithmetic are of. float32, for consumer GPUs: docs/cuda.md; methods: `IN_SINGLE`.

    Returns
    -------
    Kernel

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong.

    Examples
    --------
    A problem for each row, a million if need be, with one workspace a thread:

    >>> import numpy as np
    >>> import secondorder as so
    >>> from numba import njit
    >>> @njit
    ... def bowl(x, g, a):
    ...     g[0], g[1] = 2.0 * (x[0] - a), 4.0 * (x[1] + a)
    ...     return (x[0] - a) ** 2 + 2.0 * (x[1] + a) ** 2
    >>> solve, n_workspace, *_ = so.kernels.bfgs(so.Objective(bowl), n=2)
    >>> @njit
    ... def all_of(X, a):
    ...     workspace = np.empty(n_workspace)
    ...     solved = 0
    ...     for i in range(len(X)):
    ...         solved += solve(X[i], workspace, a[i]).status == 0
    ...     return solved
    >>> X = np.zeros((3, 2))
    >>> all_of(X, np.array([1.0, 2.0, 3.0]))
    3
    >>> X.round(6)
    array([[ 1., -1.],
           [ 2., -2.],
           [ 3., -3.]])
    """
    name, module, parsed = checked(method, objective, n, options, dtype)
    if isinstance(objective, Objective):
        typed, n_derivatives = functions(objective, module, name), 0
    else:
        typed, n_derivatives = generated(objective, module, n, args)
    words = layout(module, parsed.method, n, n_derivatives)
    run = runner(module, parsed, *typed)
    start = control_start(serial.control_start(parsed.run, n))
    solve_tuple = solver_in(words, n, run, typed[1], start, parsed.run.strict)
    solve_tuple = of_numbers(solve_tuple, dtype)
    return Kernel(spread(solve_tuple, n, words.total, dtype), words.total, n, name, solve_tuple)


def runner(module, parsed, fun, fun_grad, second):
    """run(x, work, memory, control, data) -> reason: a start and a solver for one objective."""
    search = loop(parsed.line_search.search) if parsed.line_search is not None else None
    search_options, own_options = parsed.search, parsed.method
    solver, start = loop(module.solve), serial.start

    @njit(**FLAGS)
    def run(x, work, memory, control, data):
        if not start(fun_grad, x, work, control, data):
            return RAISED
        if second is None:
            return solver(fun, fun_grad, search, search_options, own_options, x, work, memory, control, data).reason
        return solver(fun, fun_grad, second, search, search_options, own_options, x, work, memory, control, data).reason

    return run


# Methods whose kernels in float32 are tested.
IN_SINGLE = ("gradient-descent", "cg", "bfgs", "l-bfgs", "newton", "newton-cg", "trust-ncg")


def checked(method, objective, n, options, dtype="float64"):
    """(name, module, Parsed) after a look at every argument."""
    name = str(method).lower().replace("_", "-")
    name = ALIASES.get(name, name)
    module = lookup("method", name, METHODS)
    if not isinstance(objective, Objective) and not callable(objective):
        raise TypeError(f"objective must be an Objective or a function; it is {objective!r:.100}")
    check_size(n)
    check_numbers(dtype, name, IN_SINGLE)
    return name, module, options_of(parse(name, module, LINE_SEARCHES, options_in_kernel(options)), dtype)


def functions(objective, module, name):
    """(fun, fun_grad, hvp or hess or None), compiled, of data = (args, a gradient not asked for, memory)."""
    need = "hvp" if "hvp" in module.NEEDS else "hess" if "hess" in module.NEEDS else None
    given = getattr(objective, need) if need else None
    if need and given is None:
        raise ValueError(f"method {name!r} needs {need}=, which the Objective does not have")
    user = compilable(objective.fun_grad)
    fun_grad = njit(**FLAGS)(lambda x, g, data: user(x, g, *data[0]))
    if objective.fun is not None:
        value = compilable(objective.fun)
        fun = njit(**FLAGS)(lambda x, data: value(x, *data[0]))
    else:
        fun = njit(**FLAGS)(lambda x, data: user(x, data[1], *data[0]))
    if need is None:
        return fun, fun_grad, None
    second = compilable(given)
    if need == "hess":
        return fun, fun_grad, njit(**FLAGS)(lambda x, H, data: second(x, H, *data[0]))
    return fun, fun_grad, njit(**FLAGS)(lambda x, v, out, data: second(x, v, out, *data[0]))


def generated(fun, module, n, args):
    """(the same from a function of the user's by generated derivatives, the words of memory that these take)."""
    if args is None:
        raise ValueError(
            "a kernel for a function needs args=, a tuple as the function will get it. Or give an Objective"
        )
    if type(args) is not tuple:
        args = (args,)
    x = np.ones(n)
    made = {"first": value_and_grad(fun, workspace=True)}
    if "hvp" in module.NEEDS:
        made["second"] = hvp(fun, workspace=True)
    elif "hess" in module.NEEDS:
        made["second"] = hessian(fun, workspace=True)
    words = max(derivative.n_workspace(x, *args) for derivative in made.values())
    call = "".join([f"data[0][{k}], " for k in range(len(args))])  # Numba has no f(*args, out)
    text = {
        "fun": f"lambda x, data: first(x, {call}data[1], data[2])",
        "fun_grad": f"lambda x, g, data: first(x, {call}g, data[2])",
        "hvp": f"lambda x, v, out, data: second(x, v, {call}out, data[2])",
        "hess": f"lambda x, H, data: second(x, {call}H, data[2])",
    }
    need = "hvp" if "hvp" in module.NEEDS else "hess" if "hess" in module.NEEDS else None
    functions = [njit(**FLAGS)(eval(text[name], made)) for name in ("fun", "fun_grad", need) if name]
    return (*functions, None)[:3], words


def compilable(function):
    """The function, compiled when it is called."""
    return function if is_compiled(function) else njit(function)


def __getattr__(name):
    method = name.replace("_", "-")
    if method in METHODS:

        def kernel(objective, n, options=None, args=None):
            return make(method, objective, n, options, args)

        where = "kernels"
    elif method in FITS and "jacobian" in FITS[method].NEEDS:

        def kernel(residual, n, options=None, args=None, loss="linear", f_scale=1.0):
            return fit_kernels.make(method, residual, n, options, args, loss, f_scale)

        where = "fit_kernels"
    else:
        raise AttributeError(f"module 'secondorder.kernels' has no attribute {name!r}; methods: {', '.join(METHODS)}")
    kernel.__name__ = kernel.__qualname__ = name
    one = "one objective" if where == "kernels" else "residuals"
    kernel.__doc__ = f"The kernel of {method} for {one} of n variables: see `{where}.make`."
    return kernel


def __dir__():
    return sorted({*globals(), *[name.replace("-", "_") for name in (*METHODS, "levenberg-marquardt")]})
