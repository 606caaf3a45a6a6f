"""Objectives from functions of JAX, PyTorch and autograd: value, gradient, Hessian product and Hessian by that library.

    from_jax        compiled by jax.jit; products forward over reverse
    from_torch      reverse mode through torch.autograd; products by two reverse passes
    from_autograd   likewise, on NumPy arrays

The library is imported when the adapter is called and computes in float64: x arrives as a float64 array of its kind,
and a result of another precision is an error. Its functions run in Python: value and gradient of ten variables take 20
microseconds with JAX, some 200 with the others. What the library raises reaches the caller as it is.

References
----------
[1] Pearlmutter. Fast exact multiplication by the Hessian. Neural Computation 6 (1994) 147-160.
    doi:10.1162/neco.1994.6.1.147
"""

import numpy as np

from secondorder.objective import Objective


def from_jax(f):
    """An Objective of a function written for JAX.

    Parameters
    ----------
    f : callable
        ``f(x, *args) -> scalar`` in `jax.numpy`, traceable by `jax.jit`. x is a float64 array, shape (n,). Arrays and
        numbers in args are traced too: new values compile nothing, new shapes do.

    Returns
    -------
    Objective
        With fun, fun_grad, hvp and hess, each compiled by JAX at its first call.

    Raises
    ------
    RuntimeError
        If JAX computes in float32, its default.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> import secondorder as so
    >>> jax.config.update("jax_enable_x64", True)
    >>> def misfit(p, t, y):
    ...     return jnp.sum((p[0] * jnp.exp(-p[1] * t) - y) ** 2)
    >>> t = np.linspace(0.0, 2.0, 20)
    >>> result = so.minimize(so.from_jax(misfit), [1.0, 1.0], args=(t, 3.0 * np.exp(-0.5 * t)))
    >>> result.success, result.derivatives, result.x.round(6).tolist()
    (True, 'jax', [3.0, 0.5])
    """
    import jax

    check_callable("from_jax", f)
    if not jax.config.jax_enable_x64:
        raise RuntimeError(
            "from_jax: JAX computes in float32, where a minimum can't be found to more than a few digits. "
            'Put jax.config.update("jax_enable_x64", True) before the first use of JAX'
        )

    def product(x, v, *args):
        return jax.jvp(lambda x: jax.grad(f)(x, *args), (x,), (v,))[1]

    value, value_and_gradient = jax.jit(f), jax.jit(jax.value_and_grad(f))
    product, matrix = jax.jit(product), jax.jit(jax.hessian(f))

    def fun(x, *args):
        return number(value(x, *args), "from_jax")

    def fun_grad(x, g, *args):
        y, gradient = value_and_gradient(x, *args)
        g[:] = gradient
        return number(y, "from_jax")

    def hvp(x, v, out, *args):
        out[:] = product(x, v, *args)

    def hess(x, H, *args):
        H[:, :] = matrix(x, *args)

    return of_library("jax", fun_grad, fun, hvp, hess)


def from_torch(f):
    """An Objective of a function written for PyTorch.

    Parameters
    ----------
    f : callable
        ``f(x, *args) -> tensor`` of one element. x is a float64 tensor on the CPU, shape (n,). NumPy arrays in args
        arrive as tensors that share their memory, everything else as it is.

    Returns
    -------
    Objective
        With fun, fun_grad, hvp and hess.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import secondorder as so
    >>> def misfit(p, t, y):
    ...     return torch.sum((p[0] * torch.exp(-p[1] * t) - y) ** 2)
    >>> t = np.linspace(0.0, 2.0, 20)
    >>> result = so.minimize(so.from_torch(misfit), [1.0, 1.0], args=(t, 3.0 * np.exp(-0.5 * t)))
    >>> result.success, result.derivatives, result.x.round(6).tolist()
    (True, 'torch', [3.0, 0.5])
    """
    import torch

    check_callable("from_torch", f)

    def tensors(args):
        return [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in args]

    def closed(args):
        args = tensors(args)
        return lambda x: f(x, *args)

    def fun(x, *args):
        with torch.no_grad():
            return number(f(torch.from_numpy(x), *tensors(args)), "from_torch")

    def fun_grad(x, g, *args):
        x = torch.from_numpy(x).requires_grad_()
        y = f(x, *tensors(args))
        value = number(y, "from_torch")
        g[:] = torch.autograd.grad(y, x)[0].numpy()
        return value

    def hvp(x, v, out, *args):
        out[:] = torch.autograd.functional.hvp(closed(args), torch.from_numpy(x), torch.from_numpy(v))[1].numpy()

    def hess(x, H, *args):
        H[:, :] = torch.autograd.functional.hessian(closed(args), torch.from_numpy(x)).numpy()

    return of_library("torch", fun_grad, fun, hvp, hess)


def from_autograd(f):
    """An Objective of a function written for autograd.

    Parameters
    ----------
    f : callable
        ``f(x, *args) -> float`` in `autograd.numpy`. x is a float64 array, shape (n,).

    Returns
    -------
    Objective
        With fun, fun_grad, hvp and hess.

    Examples
    --------
    >>> import autograd.numpy as anp
    >>> import numpy as np
    >>> import secondorder as so
    >>> def misfit(p, t, y):
    ...     return anp.sum((p[0] * anp.exp(-p[1] * t) - y) ** 2)
    >>> t = np.linspace(0.0, 2.0, 20)
    >>> result = so.minimize(so.from_autograd(misfit), [1.0, 1.0], args=(t, 3.0 * np.exp(-0.5 * t)))
    >>> result.success, result.derivatives, result.x.round(6).tolist()
    (True, 'autograd', [3.0, 0.5])
    """
    import autograd

    check_callable("from_autograd", f)
    value_and_gradient, matrix = autograd.value_and_grad(f), autograd.hessian(f)
    product = autograd.hessian_vector_product(f)

    def fun(x, *args):
        return number(f(x, *args), "from_autograd")

    def fun_grad(x, g, *args):
        y, gradient = value_and_gradient(x, *args)
        g[:] = gradient
        return number(y, "from_autograd")

    def hvp(x, v, out, *args):
        out[:] = product(x, *args, v)

    def hess(x, H, *args):
        H[:, :] = matrix(x, *args)

    return of_library("autograd", fun_grad, fun, hvp, hess)


def check_callable(adapter, f):
    """Is f a function?"""
    if not callable(f):
        raise TypeError(f"{adapter}: f must be callable; it is {f!r:.200}")


def number(value, adapter):
    """The value of the function as a float, if it was computed in float64."""
    kind = str(getattr(value, "dtype", type(value).__name__)).removeprefix("torch.")
    if kind not in ("float64", "float"):
        raise TypeError(
            f"{adapter}: the function returned {kind}; it must compute and return float64. "
            "Look for a conversion in it, or for args of lower precision"
        )
    return value.item() if hasattr(value, "item") else value  # torch warns of float(value)


def of_library(library, fun_grad, fun, hvp, hess):
    """The Objective whose functions run in Python by way of the library."""
    objective = Objective(fun_grad, fun, hvp, hess)
    objective.library = library
    return objective
