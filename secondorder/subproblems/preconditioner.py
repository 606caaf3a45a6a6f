"""What conjugate gradients are preconditioned with: P ~ H^{-1}, symmetric positive definite.

NONE, a function of the user's, or PAIRS, the L-BFGS matrix of the last m steps and gradient changes ([1]).

References
----------
[1] Morales, Nocedal. Automatic preconditioning by limited memory quasi-Newton updating. SIAM J. Optim. 10 (2000)
    1079-1096. doi:10.1137/S1052623497327854
"""

import math
from typing import NamedTuple

from secondorder.jit import HVP, function_at, inlined, leaf, loop
from secondorder.linalg.two_loop import two_loop
from secondorder.linalg.vectors import axpy, copy, distance2, dot, scale

NONE, PAIRS = 0, 1
PRECONDITIONERS = {"none": NONE, "l-bfgs": PAIRS}
SKIP = 1e-8  # a pair counts if s'y > SKIP |s| |y|: P has to be well conditioned

_function_at = function_at(HVP)


class Preconditioner(NamedTuple):
    """The kind of P and, for PAIRS, what it is made of: rows of `work`, views of `memory`."""

    kind: int  # NONE, PAIRS or the address of P(x, v, out, data): out <- P v
    S: object  # (m, n)
    Y: object  # (m, n)
    inv_sy: object  # (m,)
    a: object  # (m,) scratch
    state: object  # (3,): newest, number of pairs, gamma


@inlined
def preconditioner_in(kind, rows, memory):
    """The parts by name, without pairs; rows: S and Y."""
    m = rows.shape[0] // 2
    state = memory[2 * m : 2 * m + 3]
    state[0], state[1], state[2] = -1.0, 0.0, 1.0
    return Preconditioner(kind, rows[:m], rows[m:], memory[:m], memory[m : 2 * m], state)


def n_pairs_memory(m):
    """Length of memory for m pairs."""
    return 2 * m + 3


@loop
def precondition(P, x, v, out, data):
    """out <- P v."""
    if P.kind == NONE or (P.kind == PAIRS and P.state[1] == 0.0):
        copy(v, out)
    elif P.kind == PAIRS:
        two_loop(P.S, P.Y, P.inv_sy, P.state[2], int(P.state[0]), int(P.state[1]), v, P.a, out)
        scale(-1.0, out, out)
    else:
        _function_at(P.kind)(x, v, out, data)


@leaf
def remember_pair(P, alpha, d, slope, g, gt):
    """The step alpha d changed the gradient from g to gt."""
    m = P.inv_sy.shape[0]
    if P.kind != PAIRS:
        return
    sy, ss, yy = alpha * (dot(gt, d) - slope), alpha * alpha * dot(d, d), distance2(gt, g)
    if not sy > SKIP * math.sqrt(ss) * math.sqrt(yy):
        return
    newest = (int(P.state[0]) + 1) % m
    P.state[0], P.state[1], P.state[2] = newest, min(P.state[1] + 1.0, float(m)), sy / yy
    P.inv_sy[newest] = 1.0 / sy
    scale(alpha, d, P.S[newest])
    axpy(-1.0, g, gt, P.Y[newest])
