"""What the user gave to least_squares -> typed residuals, Jacobians, products: as `objective` for minimize."""

import functools
import warnings
from collections import OrderedDict
from typing import NamedTuple

from secondorder.derivatives import finite_differences, in_python, trampolines
from secondorder.derivatives import residuals as made_of
from secondorder.derivatives.errors import Unsupported
from secondorder.jit import (
    JACOBIAN,
    LOSS,
    PRODUCT,
    RESIDUAL,
    Batched,
    Pinned,
    address_of,
    compiled,
    entry_point,
    type_of,
    types,
    vector,
)
from secondorder.objective import DIFFERENCES, MAX_TYPED, NotCompilable, as_compiled, exact, first_line, identity

# evaluations of the residuals in one Jacobian
COSTS = {"2-point": lambda n: n, "3-point": lambda n: 2 * n, "cs": lambda n: n + 1}
SIGNATURES = {"residual": RESIDUAL, "jacobian": JACOBIAN, "jvp": PRODUCT, "vjp": PRODUCT}


class Given(NamedTuple):
    """What the user gave."""

    residual: object
    jac: object = None  # callable, True, a word, None, or a pair (jvp, vjp)


class TypedResidual:
    """The typed functions of residuals, as addresses (0: not needed), and what to call them with."""

    def __init__(self, functions, derivatives, cost, in_python=None, inner=None, generated=False):
        self.keep = tuple(functions.values())
        self.generated = generated  # is the residual generated too? Then it may differ from the user's in the last bits
        for name, signature in SIGNATURES.items():
            function = functions.get(name)
            setattr(self, name, 0 if function is None else address_of(function, signature))
        self.derivatives = derivatives
        self.cost = cost  # evaluations of the residuals in one Jacobian, as a function of n
        self.in_python = in_python  # ResidualsInPython(args), for residuals that run in Python
        self.inner = inner  # address of the residual that differences are taken of
        self.backend = "compiled" if in_python is None else "python"


class Data:
    """The args of one call where typed functions find them: a pinned tuple or a handle, for differences in a frame."""

    def __init__(self, found, args, args_type):
        self.found, self.args = found, args
        self.handle = self.frame = self.pinned = None
        self.address = 0
        if args and not found.in_python:
            self.pinned = Pinned(args, args_type)
            self.address = self.pinned.address

    def first(self, x, item=0):
        """(r(x), did the function write into x?), of one problem of a batch."""
        if self.found.in_python:
            return made_of.ResidualsInPython(self.found.given, self.args).first(x), False
        return self.found.entry(x, self.address, item)

    def bind(self, typed):
        """Make `address` what these typed functions are called with."""
        if typed.in_python is not None and self.handle is None:
            self.handle = self.address = in_python.register(typed.in_python(self.args))
        if typed.inner is not None:
            self.frame, self.address = finite_differences.frame(typed.inner, self.address)

    def close(self):
        """Give back what the call held."""
        if self.pinned is not None:
            self.pinned.close()
        if self.handle is not None:
            in_python.release(self.handle)


class Residual:
    """Residuals that can be called: what is known before the first evaluation, and the typed functions thereafter.

    `entry` gives the residuals at x, which tell how many there are; `typed(m, n)` the rest.
    """

    def __init__(self, given, args_type, needs, backend, own):
        self.given, self.args_type, self.needs, self.own = given, args_type, needs, own
        self.kept = {}
        self.in_python = backend == "python"
        self.entry = None
        if not self.in_python:
            try:
                self.compile_first()
            except NotCompilable as reason:
                if backend == "numba":
                    raise TypeError(f"backend='numba', but residual can't be compiled: {reason}") from reason
                warn_python(reason)
                self.in_python = True

    def compile_first(self):
        """`first`, compiled; NotCompilable if it can't be."""
        if self.args_type is None:
            raise NotCompilable("args hold a value of a type unknown to Numba")
        try:
            self.user = as_compiled(self.given.residual)
            if self.given.jac is True:
                pair = self.user
                self.user = as_compiled(_first_of(pair))
                self.user_jac = as_compiled(_second_of(pair))
            elif callable(self.given.jac):
                self.user_jac = as_compiled(self.given.jac)
            self.dispatcher = made_of.first(self.user, self.args_type, self.own)
        except NotCompilable:
            raise
        except Exception as error:  # whatever Numba makes of it
            raise NotCompilable(first_line(error)) from error
        self.entry = entry_point(self.dispatcher)

    def typed(self, m, n):
        """The TypedResidual for m residuals of n variables: Jacobians go by columns or by rows, whichever are fewer."""
        from secondorder.derivatives.autodiff.module import COLUMNS  # on use: `import secondorder` doesn't wait for it

        form = m < n, n if n in COLUMNS else None
        if form not in self.kept:
            self.kept[form] = self.python_typed() if self.in_python else self.compile_typed(*form)
        return self.kept[form]

    def compile_typed(self, wide, n):
        """Typed functions made by Numba; in Python after all, with the warning, if the Jacobian can't be compiled."""
        try:
            return self.make_typed(wide, n)
        except (NotCompilable, Unsupported, RuntimeWarning):
            raise
        except Exception as error:
            reason = NotCompilable(first_line(error))
            warn_python(reason)
            self.in_python = True
            return self.python_typed()

    def make_typed(self, wide, n):
        """The same, or whatever Numba raises."""
        jac, make = self.given.jac, functools.partial(self.trampoline)
        if jac in (None, "exact") and "jacobian" in self.needs and n is not None and not wide:
            in_one_sweep = self.in_one_sweep(n)
            if in_one_sweep is not None:
                return in_one_sweep
        residual = make(made_of.residual, self.user)
        functions, derivatives, cost = {"residual": residual}, "given", no_evaluation
        if "products" in self.needs:
            return TypedResidual(functions | self.products(), "exact" if jac is None else "given", cost)
        if jac is True or callable(jac):
            functions["jacobian"] = make(made_of.jacobian_returned, self.user_jac)
            return TypedResidual(functions, derivatives, one_evaluation if jac is True else cost)
        if jac in (None, "exact"):
            jacobian, refusal = self.exact_jacobian(wide)
            if jacobian is not None:
                return TypedResidual(functions | {"jacobian": jacobian}, "exact", cost)
            if jac == "exact":
                raise refusal
            warnings.warn(
                f"taking differences for the Jacobian, since there is no exact one: {first_line(refusal).rstrip('.')}. "
                "Pass jac='2-point' to say that this is meant.",
                RuntimeWarning,
                stacklevel=5,
            )
        word = jac or "2-point"
        if word == "cs":
            functions["jacobian"] = make(made_of.complex_step, self.user)
            return TypedResidual(functions, DIFFERENCES[word][0], COSTS[word])
        return with_differences(residual, word)

    def trampoline(self, make, user):
        """A trampoline around a function of the user's."""
        return make(user, self.args_type, self.own)

    def exact_jacobian(self, wide):
        """(the generated Jacobian, None), or (None, why there is none)."""
        try:
            made = exact(self.given.residual, self.args_type)
            product = "vjp" if wide else "jvp"
            key = f"jacobian {made.key_for(product)} {self.args_type}"
            if wide:
                one = self.returns_number()
                return made_of.jacobian_reverse(made.compiled(product), self.args_type, key, one), None
            return made_of.jacobian_forward(made.compiled(product), self.args_type, key), None
        except Exception as refusal:  # besides Unsupported: what Numba says of the generated text
            return None, refusal

    def in_one_sweep(self, n):
        """Residuals and all columns of their Jacobian by n variables, generated, if they are of few operations."""
        from secondorder.derivatives.autodiff.module import COLUMNS  # on use

        try:
            made, kind = exact(self.given.residual, self.args_type), self.args_type
            if not made.has_columns(n):
                return None
            residual = made_of.residual_stored(
                made.compiled("stored"), kind, f"residual {made.key_for('stored')} {kind}"
            )
            columns = COLUMNS[n]
            jacobian = made_of.jacobian_in_one_sweep(
                made.compiled(columns), n, kind, f"jacobian {made.key_for(columns)} {kind}"
            )
        except Exception:  # whatever it is: the ways that follow say so
            return None
        functions = {"residual": residual, "jacobian": jacobian}
        return TypedResidual(functions, "exact", no_evaluation, generated=True)

    def returns_number(self):
        """Is the residual a number, not an array? Then the seed of its reverse mode is one, too."""
        found = getattr(self.user, "overloads", {}).get((vector, *self.args_type))
        return found is not None and isinstance(found.signature.return_type, types.Number)

    def products(self):
        """jvp and vjp: given as a pair, or generated."""
        jac = self.given.jac
        if isinstance(jac, tuple):
            names = zip(("jvp", "vjp"), jac)
            return {name: self.trampoline(made_of.product_returned, as_compiled(user)) for name, user in names}
        if jac not in (None, "exact"):
            raise Unsupported(
                "a matrix-free method with a Jacobian", "Pass jac=(jvp, vjp), or leave jac out for generated products"
            )
        made, kind = exact(self.given.residual, self.args_type), self.args_type
        return {
            "jvp": made_of.jvp_generated(made.compiled("jvp"), kind, f"product {made.key_for('jvp')} {kind}"),
            "vjp": made_of.vjp_generated(
                made.compiled("vjp"), kind, f"product {made.key_for('vjp')} {kind}", self.returns_number()
            ),
        }

    def python_typed(self):
        """Typed functions that call the interpreter."""
        bridge = functools.partial(compiled, flags="bridge")
        jac, bind = self.given.jac, functools.partial(made_of.ResidualsInPython, self.given)
        functions = {"residual": bridge(made_of.python_residual, RESIDUAL)}
        if "products" in self.needs:
            if not isinstance(jac, tuple):
                raise Unsupported(
                    "residuals that run in Python, in a matrix-free method",
                    "Products are generated for functions that Numba compiles; or pass jac=(jvp, vjp)",
                )
            functions["jvp"] = bridge(made_of.python_jvp, PRODUCT)
            functions["vjp"] = bridge(made_of.python_vjp, PRODUCT)
            return TypedResidual(functions, "given", no_evaluation, bind)
        if jac == "exact":
            raise Unsupported("residuals that run in Python", "Exact derivatives are for functions that Numba compiles")
        if jac is True or callable(jac):
            functions["jacobian"] = bridge(made_of.python_jacobian, JACOBIAN)
            return TypedResidual(functions, "given", one_evaluation if jac is True else no_evaluation, bind)
        word = jac or "2-point"
        if word == "cs":
            functions["jacobian"] = bridge(made_of.python_complex_step, JACOBIAN)
            return TypedResidual(functions, DIFFERENCES[word][0], COSTS[word], bind)
        return with_differences(functions["residual"], word, bind)


def with_differences(residual, word, in_python=None):
    """Typed functions by differences of a typed residual."""
    rule = {"2-point": made_of.two_point, "3-point": made_of.three_point}[word]
    functions = {
        "residual": compiled(made_of.value, RESIDUAL),
        "jacobian": compiled(rule, JACOBIAN, "bridge"),
        "inner": residual,
    }
    return TypedResidual(functions, DIFFERENCES[word][0], COSTS[word], in_python, address_of(residual, RESIDUAL))


def no_evaluation(n):
    """Evaluations of the residuals in a Jacobian that is a function of its own."""
    return 0


def one_evaluation(n):
    """The same for one that comes with the residuals."""
    return 1


def _first_of(pair):
    return lambda x, *args: pair(x, *args)[0]


def _second_of(pair):
    return lambda x, *args: pair(x, *args)[1]


def warn_python(reason):
    """The one warning before residuals run in Python."""
    warnings.warn(
        f"running the objective in Python, since Numba can't compile it: {reason}. "
        "Results are the same; pass backend='python' to say that this is meant.",
        RuntimeWarning,
        stacklevel=6,
    )


# ------------------------------------------------------------------------------------------------- remembered ones

_residuals = OrderedDict()
_losses = OrderedDict()


def find_residual(residual, jac, args, needs, backend, own=trampolines.itself, split=()):
    """(the Residual, type of args): remembered, or compiled now. split: in a batch, which args are one a problem."""
    args_type = type_of(args)
    if any(split) and args_type is not None:
        args_type = Batched(args_type, split)
    try:
        of_jac = tuple(map(identity, jac)) if isinstance(jac, tuple) else jac and identity(jac)
        key = identity(residual), of_jac, args and args_type, needs, backend, own
        found = _residuals.get(key)
    except TypeError:  # something unhashable was captured or given
        key = found = None
    if found is not None and found.in_python:  # equal code is not the same function: it may count its calls
        found = Residual(Given(residual, jac), args_type, needs, "python", own)
    if found is None:
        found = Residual(Given(residual, jac), args_type, needs, backend, own)
        if key is not None:
            _residuals[key] = found
            if len(_residuals) > MAX_TYPED:
                _residuals.popitem(last=False)
    return found, args_type


def custom_loss(user, backend):
    """(address, LossInPython or None, dispatcher) of a loss function of the user's."""
    try:
        key = identity(user)
        found = _losses.get(key)
    except TypeError:  # something unhashable was captured or given
        key = found = None
    if found is None:
        made = None
        if backend != "python":
            try:
                made = made_of.loss(as_compiled(user))
            except Exception as error:  # whatever Numba makes of it
                if backend == "numba":
                    raise TypeError(f"backend='numba', but loss can't be compiled: {first_line(error)}") from error
        found = made, user
        if made is not None and key is not None:
            _losses[key] = found
            if len(_losses) > MAX_TYPED:
                _losses.popitem(last=False)
    if found[0] is not None and backend != "python":
        return address_of(found[0], LOSS), None, found[0]
    bridge = compiled(made_of.python_loss, LOSS, "bridge")
    return address_of(bridge, LOSS), made_of.LossInPython(user), bridge
