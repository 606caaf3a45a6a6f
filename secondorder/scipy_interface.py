"""Our methods inside scipy.optimize.minimize: scipy_method(name) is what its `method` parameter takes."""

import functools
import warnings

from secondorder.minimize import find_method, minimize
from secondorder.options import unknown_names


def scipy_method(name, backend="auto"):
    """A method for ``scipy.optimize.minimize(method=...)``.

    Parameters
    ----------
    name : str
        A name of `METHODS`, or "auto".
    backend : {"auto", "numba", "python"}
        As in `minimize`.

    Returns
    -------
    callable
        Takes what scipy passes to a custom method; `args`, `jac`, `tol`, `callback` and `options` mean what they mean
        in scipy. `second_order`, here an option, as in `minimize`.
        Unknown options get scipy's own OptimizeWarning; bounds and constraints raise ValueError.

    Examples
    --------
    >>> import scipy.optimize
    >>> import secondorder as so
    >>> def fun(x):
    ...     return 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2
    >>> result = scipy.optimize.minimize(fun, [-1.2, 1.0], method=so.scipy_method("bfgs"))
    >>> result.success
    True
    """
    name, module = ("auto", None) if str(name).lower() == "auto" else find_method(name)

    def method(
        fun,
        x0,
        args=(),
        jac=None,
        hess=None,
        hessp=None,
        bounds=None,
        constraints=(),
        callback=None,
        tol=None,
        **options,
    ):
        from scipy.optimize import OptimizeWarning

        second_order = options.pop("second_order", None)
        unknown = unknown_names(module, options)
        if unknown:
            # the class and the words of scipy for its own methods
            warnings.warn(f"Unknown solver options: {', '.join(unknown)}", OptimizeWarning, stacklevel=3)
        options = {key: value for key, value in options.items() if key not in unknown}
        inner = getattr(fun, "fun", None)
        if type(fun).__name__ == "MemoizeJac" and inner is not None:  # jac=True: the user's fun returns (f, g)
            fun, jac = inner, True
        return minimize(
            fun,
            x0,
            args,
            name,
            jac,
            hess,
            hessp,
            bounds,
            constraints,
            tol,
            callback,
            options,
            backend=backend,
            second_order=second_order,
        )

    return functools.update_wrapper(method, scipy_method, assigned=("__doc__",), updated=())
