"""What the passes of a loop share of an array: nothing, where the loop's index is an index of every access."""

from secondorder.derivatives.autodiff.ir import Load, Shape, Store, uses, walk
from secondorder.derivatives.autodiff.naturals import of_one_sign


def parts_entries(loop, memory, group, natural, made):
    """Does each pass touch other entries of some memory: is the loop's index one of the indices everywhere?

    group tells an array's memory, natural holds the integers known not to be negative, made what the body defines.
    """
    if not of_one_sign(loop, natural):
        return False
    arrays, common = set(), None
    for o in walk(loop.body):
        if isinstance(o, Shape) or not any(v.kind.ndim and group(v) == memory for v in uses(o)):
            continue
        if not isinstance(o, Load | Store):
            return False
        axes = {k for k, i in enumerate(o.indices) if i is loop.index}
        common = axes if common is None else common & axes
        arrays.add(o.array)
    return len(arrays) == 1 and bool(common) and not arrays & set(made)
