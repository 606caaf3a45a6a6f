"""Sums: what a loop only adds to, and reads nowhere before its end.

The order of the terms is nobody's but the sum's. So reverse mode may run such a loop once for value and gradient, and
LLVM may keep several partial sums, which a loop that waits for each addition to end can't do: the sum of n terms took
as long as n additions, one after the other, whatever the rest of the loop had become.
"""

from secondorder.derivatives.autodiff.ir import FLOAT, If, Loop, Op, uses, walk


def additions(program):
    """The ops that add a term to a sum in a counted loop."""
    found = set()
    for op in walk(program.body):
        if isinstance(op, Loop) and op.index is not None and op.go is None:
            for slot in op.slots:
                chain = chain_of(op, slot) if slot.param.kind == FLOAT else None
                found |= {o for o in walk(op.body) if isinstance(o, Op) and chain and o.result in chain}
    return found


def is_sum(op, slot):
    """Does a slot only have terms added to it, and does nothing in the loop read it?"""
    return slot.param.kind == FLOAT and chain_of(op, slot) is not None


def chain_of(op, slot):
    """The values that a sum goes through in a pass, from the slot's own on; None if it is no sum."""
    chain = {slot.param}
    seen = -1
    while seen != len(chain):
        seen = len(chain)
        for o in walk(op.body):
            if isinstance(o, Op) and o.fn in ("add", "sub"):
                left, right = o.args
                if (left in chain and right not in chain) or (o.fn == "add" and right in chain and left not in chain):
                    chain.add(o.result)
            elif isinstance(o, If):
                chain |= {j.result for j in o.joins if j.then in chain and j.other in chain}
            elif isinstance(o, Loop):
                for s in o.slots:
                    if s.init in chain:
                        chain |= {s.param} | ({s.result} if s.next in chain or s.next is s.param else set())
    alone = all(permitted_reader(o, chain) for o in walk(op.body)) and all(
        s is slot or s.next not in chain for s in op.slots
    )
    return chain if alone and slot.next in chain else None


def permitted_reader(o, chain):
    """Does an op use members of a chain of sums only to go on with it?"""
    used = [v for v in uses(o) if v in chain]
    if not used:
        return True
    if isinstance(o, Op):
        return o.result in chain and len(used) == 1
    if isinstance(o, If):
        return o.test not in chain and all(
            j.result in chain or (j.then not in chain and j.other not in chain) for j in o.joins
        )
    if isinstance(o, Loop):
        return all(
            (s.init in chain) == (s.next in chain) and (s.init not in chain or s.result in chain) for s in o.slots
        )
    return False
