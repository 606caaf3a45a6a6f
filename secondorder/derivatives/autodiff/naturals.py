"""Which integers are known not to be negative.

An index from -1 down counts from the end of an array, so i = -1 and i = n - 1 are one entry: different indices mean
different entries only where all are of one sign.
"""

from secondorder.derivatives.autodiff.ir import INT, Const, Loop, Op, Shape, walk


def naturals(program):
    """The integers of a program that are known not to be negative, constants left out."""
    found = set()
    for op in walk(program.body):
        if isinstance(op, Loop) and op.index is not None and never_negative(op, found):
            found.add(op.index)
        elif isinstance(op, Shape) or (isinstance(op, Op) and op.result.kind == INT and natural_result(op, found)):
            found.add(op.result)
    return found


def natural_result(op, known):
    """Is the result of an op not negative, given which of its arguments are known not to be?"""
    return is_natural_of(op.fn, [is_natural(a, known) for a in op.args])


def is_natural(v, known):
    """Is a value one of the known ones, or a constant integer that isn't negative?"""
    return v in known or (type(v) is Const and v.kind == INT and v.value >= 0)


def is_natural_of(fn, natural):
    """Is fn(*args) not negative, given which of the args are known not to be?"""
    return (fn == "max" and any(natural)) or (fn in ("add", "mul", "min", "floordiv") and all(natural))


def never_negative(loop, known):
    """Is the index of a loop never negative?"""
    step = loop.step.value if type(loop.step) is Const else 0
    if step > 0:
        return is_natural(loop.start, known)
    return step < 0 and (is_natural(loop.stop, known) or (type(loop.stop) is Const and loop.stop.value == -1))


def of_one_sign(loop, known):
    """Do the passes of a loop, by their index, mean different entries of an array?"""
    if loop.index in known:
        return True
    step = loop.step.value if type(loop.step) is Const else 0
    if step > 0:
        return type(loop.stop) is Const and loop.stop.value <= 0
    return step < 0 and type(loop.start) is Const and loop.start.value < 0
