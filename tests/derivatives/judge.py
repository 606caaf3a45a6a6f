"""Derives a function and measures how wrong the derivatives are, each against something independent of it.

    value       against the function itself
    gradient    (reverse mode) against n products of forward mode
    forward     against the complex step, or differences of fourth order where that doesn't apply
    HVP         symmetric: w'Hv = v'Hw; against the complex step, or differences, of the gradient

Errors are relative to the scale of what is compared. The generated text is run in the interpreter, or compiled.
"""

import math
from typing import NamedTuple

import numpy as np
from numba.core.errors import TypingError

from secondorder.derivatives.autodiff.emit import Text
from secondorder.derivatives.autodiff.finish import finish
from secondorder.derivatives.autodiff.ir import BOOL, FLOAT, INT, Kind
from secondorder.derivatives.autodiff.module import PRODUCTS, Generated
from secondorder.derivatives.autodiff.names import Known
from secondorder.derivatives.autodiff.tapes import grow
from secondorder.jit import plain
from tests.derivatives import complex_step


class Derived(NamedTuple):
    """The derivatives of a function, as functions and as text."""

    gradient: object  # (x, g, *args) -> f
    hessian_vector: object  # (x, v, hv, *args)
    jacobian_vector: object  # (x, v, *args) -> f, f'v
    sources: tuple


class Errors(NamedTuple):
    """Relative errors."""

    value: float
    gradient: float  # against forward mode
    forward: float  # against the complex step or differences
    symmetry: float
    hessian_vector: float  # against the complex step or differences of the gradient
    analytic: bool  # the complex step was possible


def kind_of(value):
    """What the front end is told of an argument."""
    if isinstance(value, np.ndarray):
        return Kind({"f": "f", "i": "i", "u": "i", "b": "b"}[value.dtype.kind], value.ndim)
    if isinstance(value, tuple):
        return tuple(map(kind_of, value))
    for type_, kind in ((bool, BOOL), (int, INT), (float, FLOAT)):
        if isinstance(value, type_):
            return kind
    return Known(value)


def derive(function, args, compiled=False):
    """The derivatives of a function for such arguments, to be run in the interpreter or compiled."""
    generated = Generated(function, [kind_of(a) for a in args])
    products = "gradient", "hvp", "jvp"
    if compiled:
        return Derived(*map(generated.compiled, products), ())
    texts = [Text(finish(PRODUCTS[product](generated.primal)), product) for product in products]
    return Derived(*(run(t, product) for t, product in zip(texts, products)), tuple(t.source for t in texts))


def run(text, name):
    """The function that a text defines."""
    names = {"np": np, "math": math, "grow": plain(grow), **complex_step.LOCAL_ARRAYS, **text.named}
    exec(text.source, names)
    return names[name]


def judge(function, args, derived, seed=1):
    """The Errors of derivatives at the arguments."""
    x, rest = args[0], args[1:]
    g, hv, hw = (np.full_like(x, np.nan) for _ in range(3))
    value, f = derived.gradient(x, g, *rest), plain(function)(*args)
    random = np.random.default_rng(seed)
    v, w = random.normal(size=(2, x.size))
    products = [derived.jacobian_vector(x, e, *rest) for e in np.eye(x.size)]
    forward = np.array([p[1] for p in products])
    derived.hessian_vector(x, v, hv, *rest)
    derived.hessian_vector(x, w, hw, *rest)
    expected, analytic = slopes(plain(function), args)
    curvature, twice_analytic = curvatures(derived.gradient, args, v)
    return Errors(
        max(relative(value, f), relative(products[0][0], f)),
        relative(g, forward),
        relative(forward, expected),
        relative(w @ hv, v @ hw, np.max(np.abs(hv))),
        relative(hv, curvature),
        analytic and twice_analytic,
    )


# What the complex step cannot run on: real arrays changed in place, functions that aren't analytic, compiled ones.
NOT_ANALYTIC = TypeError, ValueError, AttributeError, np.exceptions.ComplexWarning, TypingError


def slopes(function, args):
    """(the gradient of a function by independent means, whether by the complex step)."""
    x, rest = args[0], args[1:]
    try:
        twin = complex_step.twin(function)
        return np.array([complex_step.slope(lambda z: twin(z, *rest), x, e) for e in np.eye(x.size)]), True
    except NOT_ANALYTIC:
        return np.array([differences(lambda z: function(z, *rest), x, e) for e in np.eye(x.size)]), False


def curvatures(gradient, args, v):
    """(H v from a gradient, whether by the complex step)."""
    x, rest = args[0], args[1:]
    try:
        twin = complex_step.twin(gradient)
        return complex_step.slope(lambda z: written(twin, z, rest), x, v), True
    except NOT_ANALYTIC:
        return differences(lambda z: written(gradient, z, rest), x, v), False


def written(gradient, x, rest):
    """The gradient as a new array."""
    g = np.empty_like(x)
    gradient(x, g, *rest)
    return g


def differences(function, x, v, h=2e-4):
    """The derivative along v to fourth order in h."""
    near = function(x + h * v) - function(x - h * v)
    far = function(x + 2 * h * v) - function(x - 2 * h * v)
    return (8 * near - far) / (12 * h)


def relative(found, expected, scale=0.0):
    """The largest difference, relative to the scale of what is expected; nan and inf only equal themselves."""
    if np.array_equal(found, expected, equal_nan=True):
        return 0.0
    return float(np.max(np.abs(np.subtract(found, expected))) / (1.0 + max(scale, np.max(np.abs(expected)))))
