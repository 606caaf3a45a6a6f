"""What the user gave -> typed functions for what the method needs, and the data that they are called with.

Three forms in, one form out:

    compiled      an @njit function, or plain Python that Numba can compile: trampolines load the user's args
    in Python     anything else: one cached trampoline calls back into the interpreter
    differences   no gradient: finite differences of either of the two

The typed functions of an objective are compiled once and remembered; the args of a call are only pinned.
"""

import functools
import types as python_types
import warnings
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from secondorder.derivatives import finite_differences, in_python, row_sums, second_order, trampolines
from secondorder.derivatives.errors import Unsupported
from secondorder.jit import (
    FUN,
    FUN_GRAD,
    HESS,
    HVP,
    NO_ARGS,
    Batched,
    Pinned,
    address_of,
    callee,
    compiled,
    is_compiled,
    number_of,
    type_of,
)

DIFFERENCES = {
    "2-point": ("2-point differences", lambda n: n + 1),
    "3-point": ("3-point differences", lambda n: 2 * n + 1),
    "cs": ("complex step", lambda n: n + 2),
}


class Objective:
    """A function with compiled derivatives that write in place.

    Parameters
    ----------
    fun_grad : callable
        ``fun_grad(x, g, *args) -> f``: returns f(x) and writes the gradient into g, shape (n,).
    fun : callable, optional
        ``fun(x, *args) -> f``. Without it, f alone is had from `fun_grad`.
    hvp : callable, optional
        ``hvp(x, v, out, *args)``: writes the Hessian product H(x) v into out, shape (n,).
    hess : callable, optional
        ``hess(x, H, *args)``: writes the Hessian into H, shape (n, n).

    All are `@njit` functions, or plain Python that Numba can compile.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def sphere(x, g):
    ...     f = 0.0
    ...     for i in range(x.size):
    ...         f += x[i] ** 2
    ...         g[i] = 2.0 * x[i]
    ...     return f
    >>> so.minimize(so.Objective(sphere), np.ones(3), method="l-bfgs").success
    True
    """

    library = None  # whose functions these are, if they have to run in Python

    def __init__(self, fun_grad, fun=None, hvp=None, hess=None):
        for name, function in (("fun_grad", fun_grad), ("fun", fun), ("hvp", hvp), ("hess", hess)):
            if function is not None and not callable(function):
                raise TypeError(f"Objective: {name} must be callable; it is {function!r}")
        self.fun_grad, self.fun, self.hvp, self.hess = fun_grad, fun, hvp, hess


class Typed:
    """The typed functions of an objective, as addresses, and what to call them with."""

    def __init__(self, fun, fun_grad, hvp, hess, derivatives, cost, in_python=None, inner=None, keep=(), second=None):
        self.fun, self.fun_grad, self.hvp, self.hess = fun, fun_grad, hvp, hess  # 0: not needed
        self.derivatives = derivatives
        self.second_derivatives = second  # how they are made: GIVEN, "exact", BY_GRADIENTS, or None: not needed
        self.gradients_per_product = second_order.GRADIENTS if second == BY_GRADIENTS else 0
        self.cost = cost  # evaluations of f in one value-and-gradient call, as a function of n
        self.in_python = in_python  # InPython(args), for objectives that run in Python
        self.inner = inner  # address of the fun that differences are taken of
        self.keep = keep  # the dispatchers behind the addresses
        self.plain = in_python is None and inner is None  # called with the user's args and nothing else
        self.backend = "compiled" if in_python is None else "python"  # where the user's function runs

    def bind(self, args, args_type):
        """The data of one call; close it afterwards."""
        return Bound(self, args, args_type) if args or not self.plain else NOTHING


class Bound:
    """The data of one call: a pinned tuple or a handle, behind a frame if differences are taken."""

    __slots__ = ("address", "_pinned", "_handle", "_frame")

    def __init__(self, typed, args, args_type):
        self._pinned = self._handle = self._frame = None
        if typed.in_python is not None:
            self._handle = self.address = in_python.register(typed.in_python(args))
        elif args:
            self._pinned = Pinned(args, args_type)
            self.address = self._pinned.address
        else:
            self.address = 0
        if typed.inner is not None:
            self._frame, self.address = finite_differences.frame(typed.inner, self.address)

    def close(self):
        """Give back what the call held."""
        if self._pinned is not None:
            self._pinned.close()
        if self._handle is not None:
            in_python.release(self._handle)


class Nothing:
    """The data of a call without args."""

    address = 0

    def close(self):
        """Nothing is held."""


NOTHING = Nothing()


# ---------------------------------------------------------------------------------------- finding the typed functions

_typed = OrderedDict()
MAX_TYPED = 512


class Given(NamedTuple):
    """What the user gave."""

    fun: object
    jac: object = None
    hessp: object = None
    hess: object = None


def typed_objective(given, args, needs, backend="auto", own=trampolines.itself, split=()):
    """(the Typed, type of args): remembered, or compiled now. needs: of "fun", "grad", "hvp", "hess".

    given: the fields of Given as a plain tuple, which is made faster. split: in a batch, which args are one a problem.
    """
    args_type = type_of(args)
    if any(split) and args_type is not None:
        args_type = Batched(args_type, split)
    try:
        fun, jac, hessp, hess = given
        key = (
            identity(fun),
            jac and identity(jac),
            hessp and identity(hessp),
            hess and identity(hess),
            args and number_of(args_type),
            needs,
            backend,
            own,
        )
        found = _typed.get(key)
    except TypeError:  # something unhashable was captured or given
        key = found = None
    if found is not None and found.in_python is not None:
        found = python_typed(Given(*given), needs)  # equal code is not the same function: it may count its calls
    if found is None:
        found = make_typed(Given(*given), args_type, needs, backend, own)
        if key is not None:
            # the functions are kept with their compiled form, so that no identity is ever used twice
            _typed[key] = found
            found.keep += given
            if len(_typed) > MAX_TYPED:
                _typed.popitem(last=False)
    return found, args_type


def identity(function):
    """What makes two functions the same objective: for plain functions the code and the values it captures.

    So a lambda made anew in a loop is compiled once, and one whose captured values have changed is compiled anew:
    compiled code holds them as constants.
    """
    if type(function) is not python_types.FunctionType:
        return function
    code = function.__code__
    names = function.__globals__
    captured = tuple([_value(names[name]) for name in code.co_names if name in names])
    if function.__closure__:
        captured += tuple([_value(cell.cell_contents) for cell in function.__closure__])
    return code, captured, function.__defaults__


def _value(value):
    if isinstance(value, np.ndarray):
        return ("array", value.shape, value.dtype.str, value.tobytes() if value.nbytes <= MAX_CAPTURED else id(value))
    if isinstance(value, (int, float, bool, complex, str)):
        return (type(value), value)
    return ("object", id(value))


MAX_CAPTURED = 1 << 16  # bytes of an array that compiled code may hold as a constant


class NotCompilable(Exception):
    """Why a function has to run in Python."""


def make_typed(given, args_type, needs, backend, own):
    """Compile the objective's typed functions, or fall back to Python with one warning."""
    library = library_of(given.fun)
    if library and backend == "numba":
        raise TypeError(f"backend='numba', but the objective is a function of {library}, which runs in Python")
    if backend != "python" and not library:
        try:
            return compile_typed(given, args_type, needs, own)
        except NotCompilable as reason:
            if backend == "numba":
                raise TypeError(f"backend='numba', but the objective can't be compiled: {reason}") from reason
            warnings.warn(
                f"running the objective in Python, since Numba can't compile it: {reason}. "
                "Results are the same; pass backend='python' to say that this is meant.",
                RuntimeWarning,
                stacklevel=4,
            )
    return python_typed(given, needs)


def library_of(fun):
    """Name of the library that an Objective calls in Python, or None."""
    return fun.library if isinstance(fun, Objective) else None


def compile_typed(given, args_type, needs, own):
    """Typed functions made by Numba; NotCompilable if it can't."""
    if args_type is None:
        raise NotCompilable("args hold a value of a type unknown to Numba")
    if isinstance(given.fun, row_sums.RowSum):
        found = compile_sum(given, args_type, needs, own)
        if found is not None:
            return found
    try:
        if isinstance(given.fun, row_sums.RowSum):
            given = given._replace(fun=given.fun.compilable(as_compiled))
        fun, fun_grad, inner, derivatives, cost = compile_first_order(given, args_type, "fun" in needs, own)
        second = compile_second(given, args_type, needs, own, fun_grad, derivatives, inner is not None)
    except (NotCompilable, Unsupported, RuntimeWarning):  # the warning, where warnings are errors
        raise
    except Exception as error:  # whatever Numba makes of it
        raise NotCompilable(first_line(error)) from error
    keep = (fun, fun_grad, *second)
    if inner is not None:  # differences get a frame as data, and so must fun
        fun, keep = compiled(finite_differences.value, FUN), (*keep, fun)
    return Typed(
        *addresses(fun, fun_grad, second.hvp, second.hess),
        derivatives,
        cost,
        inner=inner,
        keep=keep,
        second=second.made,
    )


def compile_sum(given, args_type, needs, own):
    """The typed functions of a RowSum, chunk by chunk, with generated derivatives; None if that is not what is asked.

    Then it is a function like others.
    """
    total = given.fun
    if given.jac not in (None, "exact") or given.hessp or given.hess or own is not trampolines.itself:
        return None
    try:
        of_part, of_rest = exact(total.part(), args_type), exact(total.regularizer, NO_ARGS)

        def made(make, product):
            key = f"{of_part.key_for(product)} {of_rest.key_for(product)} {args_type}"
            return make(of_part.compiled(product), of_rest.compiled(product), args_type, total.threads, key)

        fun_grad, hvp, hess, fun = made(row_sums.gradient, "gradient"), None, None, None
        if "hvp" in needs or "hess" in needs:
            hvp = made(row_sums.product, "hvp")
        if "hess" in needs:
            hvp, hess = None, second_order.matrix_of_products(hvp)
        if "fun" in needs:
            fun = made(row_sums.value, "value")
    except Exception:  # the road of other functions says what is wrong
        return None
    second = "exact" if hvp or hess else None
    functions = fun, fun_grad, hvp, hess
    return Typed(*addresses(*functions), "exact", one_evaluation, keep=functions, second=second)


def compile_first_order(given, args_type, needs_fun, own):
    """(fun or None, fun_grad, address of the fun that differences are taken of or None, derivatives, cost)."""
    fun, jac = given.fun, given.jac
    make = functools.partial(_trampoline, args_type, own)
    if isinstance(fun, Objective):
        fun_grad = make(trampolines.in_place, fun.fun_grad)
        if needs_fun and fun.fun is not None:
            return make(trampolines.fun, fun.fun), fun_grad, None, "given", one_evaluation
        return (
            make(trampolines.value_of_in_place, fun.fun_grad) if needs_fun else None,
            fun_grad,
            None,
            "given",
            one_evaluation,
        )
    if jac is True:
        value = make(trampolines.value_of_pair, fun) if needs_fun else None
        return value, make(trampolines.fun_with_jac, fun), None, "given", one_evaluation
    if callable(jac):
        value = make(trampolines.fun, fun) if needs_fun else None
        return value, make(trampolines.fun_and_jac, fun, jac), None, "given", one_evaluation
    if jac in (None, "exact"):
        fun_grad, refusal = exact_gradient(fun, args_type)
        if fun_grad is not None:
            value = value_beside(fun, args_type, make) if needs_fun else None
            return value, fun_grad, None, "exact", one_evaluation
        if jac == "exact":
            raise refusal
    derivatives, cost = DIFFERENCES[jac or "2-point"]
    if jac == "cs":
        value = make(trampolines.fun, fun) if needs_fun else None
        return value, make(trampolines.complex_step, fun), None, derivatives, cost
    value = make(trampolines.fun, fun)
    found = value, differences(jac or "2-point"), address_of(value, FUN), derivatives, cost
    if jac is None:  # said only now: where fun itself can't be compiled, that is what is said
        warnings.warn(
            f"taking differences for the gradient, since there is no exact one: {first_line(refusal).rstrip('.')}. "
            "Pass jac='2-point' to say that this is meant.",
            RuntimeWarning,
            stacklevel=6,
        )
    return found


def value_beside(fun, args_type, make):
    """f alone, for a fun that has a generated gradient: that gives it where Numba can't compile fun as it is.

    So it is if fun calls plain functions, which are followed where derivatives are made and unknown to Numba.
    """
    try:
        return make(trampolines.fun, fun)
    except Exception:  # whatever Numba makes of it
        return trampolines.value_of_in_place(exact(fun, args_type).compiled("gradient"), args_type)


def exact(fun, args_type):
    """The generated derivatives of fun for args of these types; Unsupported if there are none."""
    from secondorder.derivatives.autodiff.kinds import vector_and  # on use: nobody with a jac waits for it
    from secondorder.derivatives.autodiff.module import generated

    return generated(fun, vector_and(args_type))


def exact_gradient(fun, args_type):
    """(the generated fun_grad, None), or (None, why there is none)."""
    try:
        made = exact(fun, args_type)
        key = f"{made.key_for('gradient')} {args_type}"
        return trampolines.in_place(made.compiled("gradient"), args_type, key=key), None
    except Exception as refusal:  # besides Unsupported: what Numba says of the generated text
        return None, refusal


class Second(NamedTuple):
    """Typed second derivatives and how they are made."""

    hvp: object = None
    hess: object = None
    made: str | None = None


GIVEN, BY_GRADIENTS = "given", "differences of gradients"
BY_DIFFERENCES = ("2-point", "3-point")  # what hess may say for them, as in scipy; central all the same


def compile_second(given, args_type, needs, own, fun_grad, derivatives, framed):
    """The second derivatives that the method needs, by the first way that there is.

    As given; from the other one, products or matrix, as given; generated; differences of gradients. framed: the data
    are those of differences.
    """
    need = "hvp" if "hvp" in needs else "hess" if "hess" in needs else None
    if need is None:
        return Second()
    function, made, refusal = given_second(need, given, args_type, own), GIVEN, None
    if function is None and given.hess not in BY_DIFFERENCES:
        made = "exact"
        function, refusal = exact_second(need, given, args_type)
    if function is not None:
        if framed:
            function = second_order.behind_frame(function, need)
        return Second(made=made, **{need: function})
    if refusal is not None and derivatives in ("exact", "given"):
        warnings.warn(
            f"taking differences of gradients for second derivatives, since there are no exact ones: "
            f"{first_line(refusal).rstrip('.')}. Pass hess='2-point' to say that this is meant.",
            RuntimeWarning,
            stacklevel=6,
        )
    return second_by_gradients(need, fun_grad, derivatives)


def given_second(need, given, args_type, own):
    """The typed hvp or hess from what the user gave, or None."""
    if isinstance(given.fun, Objective):
        products, matrix = given.fun.hvp, given.fun.hess
        of_products, of_matrix = trampolines.hvp_in_place, trampolines.hess_in_place
    else:
        products, matrix = given.hessp, None if isinstance(given.hess, str) else given.hess
        of_products, of_matrix = trampolines.hvp_returned, trampolines.hess_returned
    if need == "hvp" and products is None and matrix is not None:
        return second_order.products_of_matrix(_trampoline(args_type, own, of_matrix, matrix))
    if need == "hess" and matrix is None and products is not None:
        return second_order.matrix_of_products(_trampoline(args_type, own, of_products, products))
    if need == "hvp":
        return products and _trampoline(args_type, own, of_products, products)
    return matrix and _trampoline(args_type, own, of_matrix, matrix)


def exact_second(need, given, args_type):
    """(the generated hvp or hess, None), or (None, why there is none)."""
    if isinstance(given.fun, Objective):
        return None, None
    try:
        made = exact(value_of(given), args_type)
        if need == "hvp":
            return trampolines.hvp_in_place(
                made.compiled("hvp"), args_type, key=f"{made.key_for('hvp')} {args_type}"
            ), None
        key = f"hess {made.key_for('hvp')} {args_type}"
        return trampolines.hess_by_products(made.compiled("hvp"), args_type, key), None
    except Exception as refusal:  # besides Unsupported: what Numba says of the generated text
        return None, refusal


def second_by_gradients(need, fun_grad, derivatives):
    """Differences of a typed fun_grad, which is made as `derivatives` says."""
    hvp = second_order.products_of_gradients(fun_grad, second_order.NOISE.get(derivatives, second_order.EPS))
    if need == "hvp":
        return Second(hvp=hvp, made=BY_GRADIENTS)
    return Second(hess=second_order.matrix_of_products(hvp), made=BY_GRADIENTS)


def value_of(given):
    """The function of x to be differentiated: fun, if it returns f alone."""
    if given.jac is True:
        raise Unsupported("second derivatives of a function that returns (f, g)", "Pass hessp=, or fun without g")
    return given.fun


def _trampoline(args_type, own, make, *users):
    return make(*map(as_compiled, users), args_type, own)


def addresses(fun, fun_grad, hvp, hess):
    """Addresses of typed functions; 0 for None."""
    typed = ((fun, FUN), (fun_grad, FUN_GRAD), (hvp, HVP), (hess, HESS))
    return [0 if function is None else address_of(function, signature) for function, signature in typed]


def python_typed(given, needs):
    """Typed functions that call the interpreter."""
    bridge = functools.partial(compiled, flags="bridge")
    functions = in_python.InPython.of_objective if isinstance(given.fun, Objective) else in_python.InPython
    fun, inner, derivatives, cost = bridge(in_python.fun, FUN), None, library_of(given.fun) or "given", one_evaluation
    jac = given.jac
    if jac == "exact":
        raise Unsupported("an objective that runs in Python", "Exact derivatives are for functions that Numba compiles")
    if jac is True or callable(jac) or isinstance(given.fun, Objective):
        fun_grad = bridge(in_python.fun_grad, FUN_GRAD)
    else:
        derivatives, cost = DIFFERENCES[jac or "2-point"]
        if jac == "cs":
            fun_grad = bridge(in_python.complex_step, FUN_GRAD)
        else:
            fun_grad, inner = differences(jac or "2-point"), address_of(fun, FUN)
    second = python_second(given, needs, bridge, fun_grad, derivatives, inner is not None)
    keep = (fun, fun_grad, *second)
    if inner is not None:
        fun = compiled(finite_differences.value, FUN)
    bind = functools.partial(functions, given)
    return Typed(
        *addresses(fun, fun_grad, second.hvp, second.hess),
        derivatives,
        cost,
        in_python=bind,
        inner=inner,
        keep=keep,
        second=second.made,
    )


def python_second(given, needs, bridge, fun_grad, derivatives, framed):
    """Second derivatives by the interpreter, as far as the user gave any; else differences of gradients."""
    need = "hvp" if "hvp" in needs else "hess" if "hess" in needs else None
    if need is None:
        return Second()
    source = given.fun if isinstance(given.fun, Objective) else given
    if not (callable(source.hess) or callable(source.hvp if source is given.fun else source.hessp)):
        return second_by_gradients(need, fun_grad, derivatives)
    function = bridge(in_python.hvp, HVP) if need == "hvp" else bridge(in_python.hess, HESS)
    if framed:
        function = second_order.behind_frame(function, need)
    return Second(made=GIVEN, **{need: function})


def differences(kind):
    """The compiled fun_grad by finite differences."""
    rule = {"2-point": finite_differences.two_point, "3-point": finite_differences.three_point}[kind]
    return compiled(rule, FUN_GRAD)


def one_evaluation(n):
    """Evaluations of f in a value-and-gradient call whose gradient was given."""
    return 1


def as_compiled(function):
    """The function as a Numba dispatcher; NotCompilable if it is not a function that could be one."""
    if is_compiled(function):
        return callee(function)
    if type(function) is not python_types.FunctionType:
        raise NotCompilable(f"{function!r} is a {type(function).__name__}, not a function")
    for name, value in captured_arrays(function):
        if value.nbytes > MAX_CAPTURED:
            raise NotCompilable(
                f"it captures the array {name!r} of {value.nbytes} bytes, a constant in compiled code; "
                "pass it through args"
            )
    return callee(function)


def captured_arrays(function):
    """(name, array) of the arrays that a function reads from globals or its closure."""
    code = function.__code__
    seen = {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    if function.__closure__:
        seen |= {name: cell.cell_contents for name, cell in zip(code.co_freevars, function.__closure__, strict=True)}
    return [(name, value) for name, value in seen.items() if isinstance(value, np.ndarray)]


def first_line(error):
    """The first telling line of a Numba error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    skipped = ("Failed in", "During:", "File ")
    telling = [line for line in lines if not line.startswith(skipped)]
    return (telling or [type(error).__name__])[0]
