"""Functions that generated code calls as they are, with derivatives that the user gives: @derivative.

A partial derivative is a function of the same language. Where it is needed it is followed like any other, and its
operations are put in the place, so it can itself be differentiated: a rule of first order is enough for products with
the Hessian.
"""

import copy
import functools
import inspect
import types as python_types

from secondorder.derivatives.autodiff.ir import Kind, Op
from secondorder.derivatives.errors import Unsupported
from secondorder.jit import njit, plain

RULE = "_so_derivative"  # the attribute of a function that holds its rule


class Opaque:
    """A compiled function with a rule, as the function of an Op.

    Parameters
    ----------
    function : callable
        From compiled code; of numbers and arrays, which it only reads, to a float.
    rule : tuple
        A Python function for each argument, or None.
    lowered : callable
        (Python function, kinds of its arguments) -> Program.
    """

    def __init__(self, function, rule, lowered):
        self.function, self.rule = function, rule
        self.name = getattr(function, "__name__", "function")
        self.lowered = functools.cache(lowered)

    def __deepcopy__(self, memo):
        return self

    def partial(self, b, k, args):
        """The derivative with respect to the k-th argument at args, written with the Builder b."""
        if self.rule[k] is None:
            raise Unsupported(
                f"the derivative of {self.name!r} with respect to its argument {k + 1}, where its rule has None",
                "Give it in @so.derivative",
            )
        program = self.lowered(self.rule[k], tuple(a.kind for a in args))
        ndim = args[k].kind.ndim
        if len(program.results) != 1 or program.results[0].kind != Kind("f", ndim):
            raise Unsupported(
                f"the derivative of {self.name!r} with respect to its argument {k + 1}",
                f"It must return an array of floats with {ndim} axes" if ndim else "It must return one number",
            )
        # a copy in which the arguments stand for the parameters
        memo = {id(param): argument for param, argument in zip(program.params, args)}
        body, (result,) = copy.deepcopy((program.body, program.results), memo)
        b.block.extend(body)
        for axis in range(ndim):
            same = b.op("eq", b.shape(result, axis), b.shape(args[k], axis))
            b.check(same, f"the derivative of {self.name} must have the shape of its argument {k + 1}")
        return result


def is_opaque(op):
    """Is it a call of a function of the user's?"""
    return isinstance(op, Op) and isinstance(op.fn, Opaque)


def rule_of(function):
    """The rule that a function has been given, or None."""
    return getattr(function, RULE, None)


def derivative(*partials):
    """Decorator: the derivative of a compiled function that can't be differentiated, or should not be.

    Derivatives of what calls the function call it as it is, and never look into it.

    Parameters
    ----------
    *partials : callable or None
        For each argument of the function, its partial derivative: a function of the same arguments that returns a
        number, or, for an argument that is an array, an array of its shape, in the language of docs/differentiable.md.
        None where nothing that is differentiated ever goes: it is refused if it does.

    Returns
    -------
    callable
        A decorator for an `@njit` function of numbers and arrays, which it must not write to, that returns a float; a
        plain Python function is compiled.

    Raises
    ------
    ValueError
        If there isn't one partial for each argument.

    Examples
    --------
    >>> import math
    >>> import numba
    >>> import numpy as np
    >>> import secondorder as so
    >>> @so.derivative(lambda a: math.cos(a))
    ... @numba.njit
    ... def sine(a):
    ...     return a - a**3 / 6.0 + a**5 / 120.0
    >>> def f(x):
    ...     return sine(x[0]) * x[1]
    >>> so.grad(f)(np.array([0.0, 2.0])).tolist()
    [2.0, 0.0]
    >>> so.hvp(f)(np.array([0.0, 2.0]), np.array([1.0, 1.0])).tolist()
    [1.0, 1.0]

    With an array for an argument:

    >>> @so.derivative(lambda a: 2.0 * a)
    ... @numba.njit
    ... def squares(a):
    ...     return np.linalg.norm(a) ** 2
    >>> so.grad(lambda x: squares(x[1:]) * x[0])(np.array([2.0, 3.0, 4.0])).tolist()
    [25.0, 12.0, 16.0]
    """
    for k, partial in enumerate(partials):
        if partial is not None and not callable(partial):
            raise TypeError(f"derivative: partial {k + 1} must be a function or None; it is {partial!r:.100}")

    def decorate(function):
        check_counts(function, partials)
        if type(function) is python_types.FunctionType:
            function = njit(error_model="numpy")(function)
        try:
            setattr(function, RULE, tuple(plain(p) for p in partials))
        except AttributeError as error:
            raise TypeError(f"derivative: {function!r:.100} can't be given a rule; wrap it in a function") from error
        return function

    return decorate


def check_counts(function, partials):
    """One partial for each argument, each with the function's number of arguments."""
    name = getattr(function, "__name__", "function")
    try:
        n = len(inspect.signature(plain(function)).parameters)
    except (TypeError, ValueError):  # nothing to be known: checked where it is called
        n = len(partials)
    if n != len(partials):
        raise ValueError(f"derivative: {name!r} has {n} arguments and {len(partials)} partial derivatives were given")
    for k, partial in enumerate(partials):
        if partial is None:
            continue
        try:
            inspect.signature(plain(partial)).bind(*range(n))
        except TypeError as error:
            raise ValueError(
                f"derivative: the partial derivative of {name!r} with respect to its argument {k + 1} must take its "
                f"{n} arguments"
            ) from error
