"""The scalar functions, one row each: how it is written, what kind it gives, how its derivative is taken.

A row's `partials` has one entry per argument: (b, seed, args, r) -> seed times the derivative with respect to that
argument, built with the Builder b; r is the function's value. None: the derivative is zero. The same entries serve
reverse mode (seed: the adjoint of r) and forward mode (seed: the tangent of the argument).

At kinks: abs'(0) = 0; at a tie max and min give the derivative of the first argument; sqrt'(0) = inf.
"""

from collections.abc import Callable
from typing import NamedTuple

from secondorder.derivatives.autodiff.ir import BOOL, FLOAT, INT, ONE, ZERO, Const

LN2, LN10, TWO_OVER_SQRT_PI = 0.6931471805599453, 2.302585092994046, 1.1283791670955126


class Function(NamedTuple):
    """A row: text with {0}, {1} for the arguments; kind of the result, given those of the arguments."""

    text: str
    kind: Callable
    partials: tuple = ()
    rank: float = 0  # of the text as an expression: higher binds tighter; 0: it brings its own parentheses


def _float(*kinds):
    return FLOAT


def _bool(*kinds):
    return BOOL


def _int(*kinds):
    return INT


def _arithmetic(*kinds):
    return FLOAT if FLOAT in kinds else INT


def _same(kind, *rest):
    return FLOAT if kind == FLOAT else INT


def _power_base(b, seed, args, r):
    base, power = args
    if isinstance(power, Const):
        k = power.value
        if k == 0:
            return ZERO
        lower = base if k == 2 else b.op("pow", base, Const(k - 1))
        return b.mul(seed, b.mul(Const(float(k)), lower)) if k != 1 else seed
    slope = b.mul(power, b.op("pow", base, b.sub(power, ONE)))
    return b.mul(seed, b.select(b.op("eq", power, ZERO), ZERO, slope))


def _power_exponent(b, seed, args, r):
    # 0 ** p is 0 for every p > 0, so the derivative is 0, not 0 * log 0
    return b.mul(seed, b.select(b.op("eq", r, ZERO), ZERO, b.mul(r, b.op("log", args[0]))))


def _times(slope):
    """Partial of a function of one argument from its derivative, slope(b, a, r)."""
    return (lambda b, seed, args, r: b.mul(seed, slope(b, args[0], r)),)


def _over(divisor):
    """The same where the derivative is 1 / divisor(b, a, r)."""
    return (lambda b, seed, args, r: b.div(seed, divisor(b, args[0], r)),)


def _one_plus_square(b, a, r):
    return b.add(ONE, b.mul(a, a))


def _root_one_minus_square(b, a, r):
    return b.op("sqrt", b.sub(ONE, b.mul(a, a)))


def _picked(compare, first):
    """max or min: the seed goes to the argument that was picked; at a tie to the first."""

    def partial(b, seed, args, r):
        taken = b.op(compare, args[0], args[1])
        return b.select(taken, seed, ZERO) if first else b.select(taken, ZERO, seed)

    return partial


def _square_sum(b, args):
    return b.add(b.mul(args[0], args[0]), b.mul(args[1], args[1]))


def _pass(b, seed, args, r):
    return seed


def _negative(b, seed, args, r):
    return b.neg(seed)


FUNCTIONS = {
    "add": Function("{0} + {1}", _arithmetic, (_pass, _pass), 3),
    "sub": Function("{0} - {1}", _arithmetic, (_pass, _negative), 3),
    "mul": Function(
        "{0} * {1}",
        _arithmetic,
        (lambda b, seed, args, r: b.mul(seed, args[1]), lambda b, seed, args, r: b.mul(seed, args[0])),
        4,
    ),
    "div": Function(
        "{0} / {1}",
        _float,
        (
            lambda b, seed, args, r: b.div(seed, args[1]),
            lambda b, seed, args, r: b.neg(b.div(b.mul(seed, r), args[1])),
        ),
        4,
    ),
    "floordiv": Function("{0} // {1}", _arithmetic, (None, None), 4),
    "mod": Function(
        "{0} % {1}",
        _arithmetic,
        (_pass, lambda b, seed, args, r: b.neg(b.mul(seed, b.op("floordiv", *args)))),
        4,
    ),
    "pow": Function("{0} ** {1}", _arithmetic, (_power_base, _power_exponent), 6),
    "neg": Function("-{0}", _same, (_negative,), 5),
    "select": Function(
        "({1} if {0} else {2})",
        lambda test, first, second: _arithmetic(first, second),
        (
            None,
            lambda b, seed, args, r: b.select(args[0], seed, ZERO),
            lambda b, seed, args, r: b.select(args[0], ZERO, seed),
        ),
    ),
    "lt": Function("{0} < {1}", _bool, (None, None), 2),
    "le": Function("{0} <= {1}", _bool, (None, None), 2),
    "gt": Function("{0} > {1}", _bool, (None, None), 2),
    "ge": Function("{0} >= {1}", _bool, (None, None), 2),
    "eq": Function("{0} == {1}", _bool, (None, None), 2),
    "ne": Function("{0} != {1}", _bool, (None, None), 2),
    "and": Function("{0} and {1}", _bool, (None, None), 1),
    "or": Function("({0} or {1})", _bool, (None, None)),
    "not": Function("not {0}", _bool, (None,), 1.5),
    "bitand": Function("({0} & {1})", _int, (None, None)),
    "bitor": Function("({0} | {1})", _int, (None, None)),
    "bitxor": Function("({0} ^ {1})", _int, (None, None)),
    "shl": Function("({0} << {1})", _int, (None, None)),
    "shr": Function("({0} >> {1})", _int, (None, None)),
    "float": Function("float({0})", _float, (_pass,)),
    "int": Function("int({0})", _int, (None,)),
    "bool": Function("bool({0})", _bool, (None,)),
    "max": Function("max({0}, {1})", _arithmetic, (_picked("ge", True), _picked("ge", False))),
    "min": Function("min({0}, {1})", _arithmetic, (_picked("le", True), _picked("le", False))),
    "maximum": Function("np.maximum({0}, {1})", _arithmetic, (_picked("ge", True), _picked("ge", False))),
    "minimum": Function("np.minimum({0}, {1})", _arithmetic, (_picked("le", True), _picked("le", False))),
    "abs": Function("abs({0})", _same, _times(lambda b, a, r: b.op("sign", a))),
    "sign": Function("np.sign({0})", _same, (None,)),
    "floor": Function("math.floor({0})", _int, (None,)),
    "ceil": Function("math.ceil({0})", _int, (None,)),
    "trunc": Function("math.trunc({0})", _int, (None,)),
    "npfloor": Function("np.floor({0})", _float, (None,)),
    "npceil": Function("np.ceil({0})", _float, (None,)),
    "round": Function("np.rint({0})", _float, (None,)),
    "isnan": Function("math.isnan({0})", _bool, (None,)),
    "isinf": Function("math.isinf({0})", _bool, (None,)),
    "isfinite": Function("math.isfinite({0})", _bool, (None,)),
    "copysign": Function(
        "math.copysign({0}, {1})",
        _float,
        (lambda b, seed, args, r: b.mul(seed, b.mul(b.op("sign", args[0]), b.op("copysign", ONE, args[1]))), None),
    ),
    "sqrt": Function("math.sqrt({0})", _float, (lambda b, seed, args, r: b.div(b.mul(Const(0.5), seed), r),)),
    "cbrt": Function("np.cbrt({0})", _float, _over(lambda b, a, r: b.mul(Const(3.0), b.mul(r, r)))),
    "exp": Function("math.exp({0})", _float, _times(lambda b, a, r: r)),
    "exp2": Function("2.0 ** {0}", _float, _times(lambda b, a, r: b.mul(Const(LN2), r)), 6),
    "expm1": Function("math.expm1({0})", _float, _times(lambda b, a, r: b.add(r, ONE))),
    "log": Function("math.log({0})", _float, _over(lambda b, a, r: a)),
    "log2": Function("np.log2({0})", _float, _over(lambda b, a, r: b.mul(Const(LN2), a))),
    "log10": Function("math.log10({0})", _float, _over(lambda b, a, r: b.mul(Const(LN10), a))),
    "log1p": Function("math.log1p({0})", _float, _over(lambda b, a, r: b.add(ONE, a))),
    "sin": Function("math.sin({0})", _float, _times(lambda b, a, r: b.op("cos", a))),
    "cos": Function("math.cos({0})", _float, _times(lambda b, a, r: b.neg(b.op("sin", a)))),
    "tan": Function("math.tan({0})", _float, _times(lambda b, a, r: b.add(ONE, b.mul(r, r)))),
    "asin": Function("math.asin({0})", _float, _over(_root_one_minus_square)),
    "acos": Function("math.acos({0})", _float, _over(lambda b, a, r: b.neg(_root_one_minus_square(b, a, r)))),
    "atan": Function("math.atan({0})", _float, _over(_one_plus_square)),
    "sinh": Function("math.sinh({0})", _float, _times(lambda b, a, r: b.op("cosh", a))),
    "cosh": Function("math.cosh({0})", _float, _times(lambda b, a, r: b.op("sinh", a))),
    "tanh": Function("math.tanh({0})", _float, _times(lambda b, a, r: b.sub(ONE, b.mul(r, r)))),
    "asinh": Function("math.asinh({0})", _float, _over(lambda b, a, r: b.op("sqrt", _one_plus_square(b, a, r)))),
    "acosh": Function(
        "math.acosh({0})",
        _float,
        _over(lambda b, a, r: b.mul(b.op("sqrt", b.sub(a, ONE)), b.op("sqrt", b.add(a, ONE)))),
    ),
    "atanh": Function("math.atanh({0})", _float, _over(lambda b, a, r: b.sub(ONE, b.mul(a, a)))),
    "erf": Function(
        "math.erf({0})",
        _float,
        _times(lambda b, a, r: b.mul(Const(TWO_OVER_SQRT_PI), b.op("exp", b.neg(b.mul(a, a))))),
    ),
    "erfc": Function(
        "math.erfc({0})",
        _float,
        _times(lambda b, a, r: b.mul(Const(-TWO_OVER_SQRT_PI), b.op("exp", b.neg(b.mul(a, a))))),
    ),
    "atan2": Function(
        "math.atan2({0}, {1})",
        _float,
        (
            lambda b, seed, args, r: b.div(b.mul(seed, args[1]), _square_sum(b, args)),
            lambda b, seed, args, r: b.neg(b.div(b.mul(seed, args[0]), _square_sum(b, args))),
        ),
    ),
    "hypot": Function(
        "math.hypot({0}, {1})",
        _float,
        (
            lambda b, seed, args, r: b.mul(seed, b.div(args[0], r)),
            lambda b, seed, args, r: b.mul(seed, b.div(args[1], r)),
        ),
    ),
    "logaddexp": Function(
        "np.logaddexp({0}, {1})",
        _float,
        (
            lambda b, seed, args, r: b.mul(seed, b.op("exp", b.sub(args[0], r))),
            lambda b, seed, args, r: b.mul(seed, b.op("exp", b.sub(args[1], r))),
        ),
    ),
}

# Functions that cost more to compute again than to store and load: reverse mode remembers their values.
COSTLY = {name for name in FUNCTIONS if name[0] in "acelst" and FUNCTIONS[name].text.startswith(("math.", "np."))} - {
    "ceil",
    "copysign",
    "sqrt",
    "sign",
    "trunc",
} | {"hypot", "pow", "exp2"}

# Functions of floats that are this package's own, and arithmetic: where a loop holds nothing else, LLVM uses vectors.
VECTORISED = ("exp", "expm1", "log", "log1p", "tanh", "logaddexp")
LIGHT = {"add", "sub", "mul", "div", "neg", "abs", "sqrt", "select", "max", "min", "maximum", "minimum", "sign"}
LIGHT |= {"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not", "float"}

# name in math or numpy -> row
SCALAR_NAMES = {
    name: name
    for name in [
        "sqrt",
        "cbrt",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
        "erf",
        "erfc",
        "hypot",
        "logaddexp",
        "copysign",
        "isnan",
        "isinf",
        "isfinite",
        "maximum",
        "minimum",
        "sign",
        "asin",
        "acos",
        "atan",
        "asinh",
        "acosh",
        "atanh",
        "atan2",
        "abs",
    ]
} | {
    "fabs": "abs",
    "absolute": "abs",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
    "rint": "round",
    "fmax": "max",
    "fmin": "min",
    "power": "pow",
    "float_power": "pow",
    "pow": "pow",
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "negative": "neg",
    "float64": "float",
    "int64": "int",
    "intp": "int",
    "trunc": "trunc",
    "greater": "gt",
    "less": "lt",
    "logical_and": "and",
    "logical_or": "or",
    "logical_not": "not",
}
